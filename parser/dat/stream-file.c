/* SPDX-License-Identifier: MIT */
/* Makes a stream of all events of a file: every CPU is read through a window of its own. */
#include <vmrt/clock.h>

#include "dat.h"
#include "growing.h"

#include "parser/ring/stream.h"

#define WINDOWS (32u << 20) /* bytes of all CPUs' windows together, if there are many */
#define WINDOW_MAX (64u << 10)

/* Is the relation of the clock of CPU @cpu unknown, while that of other CPUs is known? Then its
 * events cannot be ordered among theirs. */
static bool is_adrift(const struct vmrt_dat *dat, unsigned cpu)
{
	bool any = false;

	if (cpu >= dat->n_clocks || vmrt_clockmap_worst(&dat->clocks[cpu]) != VMRT_UNKNOWN)
		return false;
	for (unsigned i = 0; i < dat->n_clocks; i++)
		any |= vmrt_clockmap_worst(&dat->clocks[i]) != VMRT_UNKNOWN;
	return any;
}

enum vmrt_status vmrt_stream_open(
	const struct vmrt_dat *dat, struct vmrt_stream **out, struct vmrt_error *err)
{
	struct vmrt_stream *s = stream_new(dat->formats, dat->info.cpus);
	size_t window = WINDOW_MAX;

	if (!s)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	s->path = dat->path;
	s->tsc_mult = dat->tsc_mult;
	s->tsc_shift = dat->tsc_shift;
	if (s->n_cpus > WINDOWS / WINDOW_MAX)
		window = WINDOWS / s->n_cpus;
	s->may_be_set_back = dat->info.clock && !strcmp(dat->info.clock, "tai");
	s->converts = dat->tsc_mult || dat->n_clocks;
	for (unsigned i = 0; i < s->n_cpus; i++) {
		s->cpus[i].clock = i < dat->n_clocks ? &dat->clocks[i] : NULL;
		if (!dat->buffer->cpus[i].size && !dat->proof) {
			if (dat->buffer->cpus[i].missing)
				stream_ends_early(s, &s->cpus[i]);
			continue;
		}
		if (is_adrift(dat, i)) {
			stream_ends_early(s, &s->cpus[i]);
			continue;
		}
		s->cpus[i].feed = page_feed_file(dat, i, window);
		if (!s->cpus[i].feed) {
			vmrt_stream_free(s);
			return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
		}
	}
	/* data that are not complete yet must not be returned */
	if (dat->proof) {
		s->live = true;
		s->limit = INT64_MIN;
	}
	*out = s;
	return VMRT_OK;
}

void stream_grown(struct vmrt_stream *s)
{
	for (unsigned i = 0; i < s->n_cpus; i++) {
		page_feed_grow(s->cpus[i].feed);
		stream_revive(s, i);
	}
}

void stream_begin_at(struct vmrt_stream *s, dat_before_fn *before, void *ctx)
{
	for (unsigned i = 0; i < s->n_cpus && !s->converts; i++)
		if (s->cpus[i].feed)
			page_feed_begin_at(s->cpus[i].feed, before, ctx);
}

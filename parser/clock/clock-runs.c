/* SPDX-License-Identifier: MIT */
/* Stores when the vCPU threads ran on the host, for searches. */
#include "clock-runs.h"

#include <stdlib.h>

#include "parser/dat/dat.h"
#include "parser/ring/stream.h"

#define MAX_RUNS (1 << 20) /* runs of one vCPU; later ones are not used */

static bool add_edge(struct clock_runs *r, int64_t ts, bool begins)
{
	if (begins == r->open)
		return true; /* a missing switch: the run goes on, or never was seen to begin */
	if (begins) {
		if (r->n == r->room) {
			size_t room = r->room ? r->room * 2 : 1024;
			void *more = room > MAX_RUNS ? NULL : realloc(r->at, room * sizeof(*r->at));

			if (!more)
				return false;
			r->at = more;
			r->room = room;
		}
		r->at[r->n].start = ts;
		r->at[r->n].end = INT64_MAX;
		r->n++;
	} else if (r->n) {
		r->at[r->n - 1].end = ts;
	}
	r->open = begins;
	return true;
}

/* Records of a host CPU were lost between the two times: the thread may have run there. */
static bool add_hole(struct clock_runs *r, int64_t from, int64_t to)
{
	bool open = r->open;

	while (r->n && r->at[r->n - 1].end >= from) {
		r->n--;
		if (r->at[r->n].start < from)
			from = r->at[r->n].start;
	}
	r->open = false;
	return add_edge(r, from, true) && (open || add_edge(r, to, false));
}

static bool add_event(
	struct clock_runs *runs, size_t n, const struct vmrt_event *ev, int64_t before)
{
	bool room = true;

	if (ev->type != VMRT_EV_SWITCH && !ev->lost)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (ev->lost && before < ev->ts)
			room &= add_hole(&runs[i], before, ev->ts);
		if (ev->type == VMRT_EV_SWITCH && runs[i].tid == ev->sw.prev_pid)
			room &= add_edge(&runs[i], ev->ts, false);
		if (ev->type == VMRT_EV_SWITCH && runs[i].tid == ev->sw.next_pid)
			room &= add_edge(&runs[i], ev->ts, true);
	}
	return room;
}

bool clock_cpu_is_blind(const struct vmrt_dat *host, const struct vmrt_stream *stream, unsigned cpu)
{
	const struct stream_cpu *c = &stream->cpus[cpu];

	return c->dry && (c->ended || vmrt_dat_lacking(host, cpu, c->events));
}

int64_t clock_runs_collect(const struct vmrt_dat *host, struct clock_runs *runs, size_t n)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	int64_t until = INT64_MIN, *last; /* the last record of each CPU */
	int got = -1;

	if (vmrt_stream_open(host, &stream, NULL) != VMRT_OK)
		return until;
	last = calloc(stream->n_cpus ? stream->n_cpus : 1, sizeof(*last));
	for (size_t i = 0; last && i < stream->n_cpus; i++)
		last[i] = vmrt_stream_peek(stream);
	while (last && (got = vmrt_stream_next(stream, &ev, NULL)) > 0) {
		until = ev.ts;
		if (!add_event(runs, n, &ev, last[ev.cpu]))
			break;
		last[ev.cpu] = ev.ts;
	}
	for (size_t i = 0; last && !got && i < stream->n_cpus; i++)
		for (size_t k = 0; k < n && clock_cpu_is_blind(host, stream, i); k++)
			if (last[i] < until)
				add_hole(&runs[k], last[i], until);
	free(last);
	vmrt_stream_free(stream);
	return got < 0 ? INT64_MIN : until;
}

bool clock_runs_only(const struct vmrt_dat *guest, size_t n)
{
	unsigned recorded = 0;

	for (unsigned i = 0; i < guest->buffer->n_cpus; i++)
		recorded += guest->buffer->cpus[i].size > 0;
	return n == 1 && recorded <= 1;
}

size_t clock_runs_after(const struct clock_runs *r, int64_t host_ns)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->at[mid].end <= host_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void clock_runs_free(struct clock_runs *runs, size_t n)
{
	for (size_t i = 0; runs && i < n; i++)
		free(runs[i].at);
	free(runs);
}

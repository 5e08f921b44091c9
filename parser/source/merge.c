/* SPDX-License-Identifier: MIT */
/* Merges the events of all machines by time: those of recordings and those of live buffers. */
#include "merge.h"

/* The time of the next event of a live input; the event is decoded when it is taken. */
static void peek_next(struct merge_input *in)
{
	int64_t local;

	in->have = false;
	if (!in->stream || (in->map && !in->map->n))
		return;
	local = vmrt_stream_peek(in->stream);
	in->have = local != INT64_MAX;
	in->host_ns = local;
	if (in->have && in->map)
		in->host_ns = vmrt_clockmap_to_host(in->map, local, &in->hint);
}

/* Goes on to the next event of @in. */
static void advance(struct vmrt_merge *m, struct merge_input *in)
{
	struct vmrt_error why;
	int got;

	if (m->live) {
		peek_next(in);
		return;
	}
	while ((got = vmrt_stream_next(in->stream, &in->event, &why)) < 0)
		m->ops->malformed(m->ctx, in, why.text);
	in->have = got > 0;
	in->host_ns = in->event.ts;
	if (in->map && in->have)
		in->host_ns = vmrt_clockmap_to_host(in->map, in->event.ts, &in->hint);
	m->ended |= in->stream->n_ended > 0 || in->stream->n_losing > 0;
	if (!in->have && m->ops->at_end)
		m->ops->at_end(m->ctx, in);
}

/* Decodes the next event of a live input; false if it cannot be decoded. */
static bool decode(struct vmrt_merge *m, struct merge_input *in)
{
	struct vmrt_error why;
	int got = vmrt_stream_next(in->stream, &in->event, &why);

	if (got < 0)
		m->ops->malformed(m->ctx, in, why.text);
	return got > 0;
}

/* Returns the input whose event is next in host time; of equal ones the first. */
static struct merge_input *find_next(struct vmrt_merge *m)
{
	struct merge_input *next = NULL;

	m->others_ns = INT64_MAX;
	for (size_t i = 0; i < m->n; i++) {
		struct merge_input *in = m->inputs[i];

		if (!in->have)
			continue;
		if (!next || in->host_ns < next->host_ns) {
			m->others_ns = next ? next->host_ns : INT64_MAX;
			next = in;
		} else if (in->host_ns < m->others_ns) {
			m->others_ns = in->host_ns;
		}
	}
	return next;
}

/*
 * The next event that is not left out; of a live input, @until_ns comes first. @next: the input
 * whose event was taken, with its next one; or NULL.
 */
static struct merge_input *choose(struct vmrt_merge *m, int64_t until_ns, struct merge_input *next)
{
	if (!next && m->taken) {
		next = m->taken;
		advance(m, next);
	}
	m->taken = NULL;
	if (!next || !next->have || next->host_ns >= m->others_ns)
		next = find_next(m);
	while (next) {
		if (m->live && next->host_ns > until_ns)
			return NULL;
		if ((!m->live || decode(m, next)) &&
			((next->host_ns >= m->floor_ns && next->host_ns <= m->ceiling_ns) ||
				m->ops->accept(m->ctx, next)))
			return next;
		advance(m, next);
		next = find_next(m);
	}
	return NULL;
}

void merge_begin(struct vmrt_merge *m, int64_t floor_ns)
{
	m->taken = NULL;
	m->ended = false;
	m->upto_ns = INT64_MAX;
	m->floor_ns = floor_ns;
	m->ceiling_ns = INT64_MIN;
	for (size_t i = 0; i < m->n; i++)
		advance(m, m->inputs[i]);
}

void merge_renew(struct vmrt_merge *m)
{
	m->taken = NULL;
	for (size_t i = 0; i < m->n; i++)
		advance(m, m->inputs[i]);
}

struct merge_input *merge_choose(
	struct vmrt_merge *m, int64_t until_ns, struct merge_input *advanced)
{
	struct merge_input *next = choose(m, until_ns, advanced);

	if (!next || next->host_ns > until_ns)
		return NULL;
	m->taken = next;
	m->floor_ns = next->host_ns;
	return next;
}

int64_t vmrt_merge_peek(struct vmrt_merge *m)
{
	const struct merge_input *next = choose(m, INT64_MAX, NULL);

	return next ? next->host_ns : INT64_MAX;
}

int64_t vmrt_merge_time(const struct vmrt_merge *m)
{
	return m->floor_ns;
}

bool merge_ended(struct vmrt_merge *m, uint32_t *machine, unsigned *cpu, bool *for_good)
{
	for (size_t i = 0; m->ended && i < m->n; i++) {
		struct vmrt_stream *s = m->inputs[i]->stream;

		if (!s->n_ended && !s->n_losing)
			continue;
		*machine = m->inputs[i]->machine;
		*for_good = !s->n_losing;
		*cpu = (unsigned)(s->n_losing ? vmrt_stream_losing(s) : vmrt_stream_ended(s));
		return true;
	}
	m->ended = false;
	return false;
}

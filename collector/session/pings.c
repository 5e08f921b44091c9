/* SPDX-License-Identifier: MIT */
/* Keeps the pings of a session in a bounded amount of memory, however long the session lasts. */
#include "pings.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 256
#define ROOM_MOST ((size_t)2 * VMRT_PINGS_RECENT)
#define SPAN_FIRST_NS VMRT_NS_PER_S

int64_t ping_trip(const struct vmrt_ping *p)
{
	return (p->host_recv_ns - p->host_send_ns) - (p->guest_send_ns - p->guest_recv_ns);
}

/* Adds @ping behind the @n pings of @to, or keeps the quicker one if the last of them is of the
 * same span. Returns whether the list became longer. */
static bool keep(struct vmrt_ping *to, size_t n, const struct vmrt_ping *ping, int64_t span_ns)
{
	struct vmrt_ping *last = n ? &to[n - 1] : NULL;

	if (!last || last->host_send_ns / span_ns != ping->host_send_ns / span_ns) {
		to[n] = *ping;
		return true;
	}
	if (ping_trip(ping) < ping_trip(last))
		*last = *ping;
	return false;
}

/* Makes the spans longer, so that at most half of the old pings remain. */
static void thin_out(struct pings *p)
{
	size_t n = 0;

	p->span_ns *= 2;
	for (size_t i = 0; i < p->n_old; i++)
		n += keep(p->old, n, &p->old[i], p->span_ns);
	p->n_old = n;
}

/* The first half of the recent ones becomes old. */
static enum vmrt_status retire(struct pings *p)
{
	if (!p->old)
		p->old = malloc(VMRT_PINGS_OLD * sizeof(*p->old));
	if (!p->old)
		return VMRT_ENOMEM;
	if (!p->span_ns)
		p->span_ns = SPAN_FIRST_NS;
	for (size_t i = 0; i < VMRT_PINGS_RECENT; i++) {
		while (p->n_old == VMRT_PINGS_OLD)
			thin_out(p);
		p->n_old += keep(p->old, p->n_old, &p->recent[i], p->span_ns);
	}
	p->n_recent -= VMRT_PINGS_RECENT;
	p->gone += VMRT_PINGS_RECENT;
	memmove(p->recent, p->recent + VMRT_PINGS_RECENT, p->n_recent * sizeof(*p->recent));
	return VMRT_OK;
}

enum vmrt_status pings_add(struct pings *p, const struct vmrt_ping *ping)
{
	if (!vmrt_ping_sane(ping))
		return VMRT_OK;
	if (p->n_recent == p->room_recent && p->room_recent < ROOM_MOST) {
		size_t room = p->room_recent ? p->room_recent * 2 : ROOM_FIRST;
		struct vmrt_ping *more = realloc(p->recent, room * sizeof(*more));

		if (!more)
			return VMRT_ENOMEM;
		p->recent = more;
		p->room_recent = room;
	}
	if (p->n_recent == ROOM_MOST && retire(p) != VMRT_OK)
		return VMRT_ENOMEM;
	p->recent[p->n_recent++] = *ping;
	return VMRT_OK;
}

uint64_t pings_count(const struct pings *p)
{
	return p->gone + p->n_recent;
}

size_t pings_copy(const struct pings *p, uint64_t *next, struct vmrt_ping *out, size_t max)
{
	size_t n = 0;

	if (*next < p->gone)
		*next = p->gone;
	for (; n < max && *next < pings_count(p); n++, ++*next)
		out[n] = p->recent[*next - p->gone];
	return n;
}

struct vmrt_ping *pings_all(const struct pings *p, size_t *n)
{
	struct vmrt_ping *all = calloc(p->n_old + p->n_recent + 1, sizeof(*all));

	if (!all)
		return NULL;
	if (p->n_old)
		memcpy(all, p->old, p->n_old * sizeof(*all));
	if (p->n_recent)
		memcpy(all + p->n_old, p->recent, p->n_recent * sizeof(*all));
	*n = p->n_old + p->n_recent;
	return all;
}

void pings_free(struct pings *p)
{
	free(p->recent);
	free(p->old);
	memset(p, 0, sizeof(*p));
}

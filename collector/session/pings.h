/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_PINGS_H
#define VMRT_COLLECTOR_SESSION_PINGS_H

/*
 * Pings of a session in at most 1.5 MiB, however long the session lasts: all of the last pings, and
 * before these the quickest ping of each span of time. Spans become longer with the session.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/clock.h>
#include <vmrt/status.h>

/* at least so many of the last pings are kept: more than ten minutes */
#define VMRT_PINGS_RECENT 8192
#define VMRT_PINGS_OLD 8192 /* at most so many of the earlier pings are kept */

struct pings {
	struct vmrt_ping *recent, *old;
	size_t n_recent, room_recent, n_old;
	uint64_t gone;	 /* how many came before recent[0] */
	int64_t span_ns; /* span of time that one ping in old stands for */
};

/** pings_add - VMRT_OK or VMRT_ENOMEM */
enum vmrt_status pings_add(struct pings *pings, const struct vmrt_ping *ping);

/** pings_count - how many have been added in all */
uint64_t pings_count(const struct pings *pings);

/**
 * pings_copy - pings in the order in which they came
 * @next: number of the first ping to copy; on return the number for the next call. Pings that are
 * no longer recent are left out.
 * @out: room for @max of them
 *
 * Return: how many were copied.
 */
size_t pings_copy(const struct pings *pings, uint64_t *next, struct vmrt_ping *out, size_t max);

/**
 * pings_all - all pings that are kept, in the order in which they came
 * @n: how many
 *
 * Return: the list, to be freed; NULL: no memory.
 */
struct vmrt_ping *pings_all(const struct pings *pings, size_t *n);

/** pings_free - free what @pings holds, not @pings itself */
void pings_free(struct pings *pings);

/** ping_trip - how long the ping was under way, in ns: a shorter trip bounds the clock's offset
 * more closely */
int64_t ping_trip(const struct vmrt_ping *ping);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_PINGS_H
#define VMRT_COLLECTOR_SESSION_PINGS_H

/*
 * Pings of a session, however long it lasts, in at most 1.5 MiB: the last ones all, and of those
 * before the quickest of each span of time, which becomes longer as the session does.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/clock.h>
#include <vmrt/status.h>

#define VMRT_PINGS_RECENT 8192 /* so many of the last ones at least: more than ten minutes */
#define VMRT_PINGS_OLD 8192    /* so many of those before at most */

struct vmrt_pings {
	struct vmrt_ping *recent, *old;
	size_t n_recent, room_recent, n_old;
	uint64_t gone;	 /* how many came before recent[0] */
	int64_t span_ns; /* of one ping in old */
};

/** vmrt_pings_add - VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_pings_add(struct vmrt_pings *pings, const struct vmrt_ping *ping);

/** vmrt_pings_count - how many have been added in all */
uint64_t vmrt_pings_count(const struct vmrt_pings *pings);

/**
 * vmrt_pings_copy - pings in the order in which they came
 * @next: number of the first one to copy; becomes that of the next call. Pings that are no longer
 *	among the recent ones are left out.
 * @out: room for @max of them
 *
 * Return: how many were copied.
 */
size_t vmrt_pings_copy(
	const struct vmrt_pings *pings, uint64_t *next, struct vmrt_ping *out, size_t max);

/**
 * vmrt_pings_all - all there are, in the order in which they came
 * @n: how many
 *
 * Return: the list, to be freed; NULL: no memory.
 */
struct vmrt_ping *vmrt_pings_all(const struct vmrt_pings *pings, size_t *n);

/** vmrt_pings_free - free what @pings holds, not @pings itself */
void vmrt_pings_free(struct vmrt_pings *pings);

/** vmrt_ping_trip - how long it was under way, in ns: less proves more */
int64_t vmrt_ping_trip(const struct vmrt_ping *ping);

#endif

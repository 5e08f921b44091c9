/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_SEARCH_H
#define VMRT_PARSER_CLOCK_CLOCK_SEARCH_H

/* Finding the clock relation where pings are too coarse to begin with. */

#include <stdbool.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>

/* Pings that prove the offset only to this need a search before causality can be used. */
#define CLOCK_SEARCH_ABOVE_NS (2 * VMRT_NS_PER_MS)
#define CLOCK_SEARCH_BOUNDS 4

/**
 * clock_rate_from_tsc - how fast the offset guest - host grows, from the pings' time-stamp counters
 * @rate: d(guest - host) / d(guest)
 *
 * Both sides read their clock and their counter together, and the counters tick alike (KVM without
 * scaling, TCG), so each clock's rate against the counter is known to parts in a million after
 * seconds, whatever the pings' round trips. The median of the slopes over long stretches stands
 * up to readings that were interrupted between clock and counter (Theil-Sen).
 *
 * Return: true, or false if the pings have no counters or span too short a time.
 */
bool clock_rate_from_tsc(const struct vmrt_ping *pings, size_t n, double *rate);

/**
 * clock_search - the offsets within @prior's error for which the guest's events fall into run times
 * @rate: from clock_rate_from_tsc()
 * @bounds: room for CLOCK_SEARCH_BOUNDS
 *
 * A guest event cannot have happened while its vCPU thread was switched out. For each candidate
 * offset the events that contradict it are counted; what remains is where next to none do.
 *
 * Return: true if that narrows the prior to less than half; then @bounds hold around what remains.
 */
bool clock_search(const struct vmrt_dat *host, const struct vmrt_dat *guest, const int32_t *tids,
	size_t n_tids, const struct vmrt_clockmap *prior, double rate,
	struct vmrt_clock_bound *bounds);

#define CLOCK_OVERLAP_PLACES 64
#define CLOCK_OVERLAP_BOUNDS (6 * CLOCK_OVERLAP_PLACES + 4)
#define CLOCK_OVERLAP_ABOVE_NS                                                                     \
	(100 * VMRT_NS_PER_US) /* where pings and causality leave more, it is tried */

/**
 * clock_overlap - where the guest's recording fits into the host's, when nothing is known
 * beforehand
 * @bounds: room for CLOCK_OVERLAP_BOUNDS
 *
 * All that is assumed is that some of the guest's recording was made during the host's, and that
 * the clocks' rates differ by less than 200 ppm. Two seconds of the guest's events are laid over
 * every place of the host's recording; if next to no event contradicts in one place only, that is
 * it. This is done all over the guest's recording, so that steps of its clock are seen, and then
 * found to the event.
 *
 * Return: how many bounds were found around the offset; 0 if it fits nowhere, or in several places.
 */
size_t clock_overlap(const struct vmrt_dat *host, const struct vmrt_dat *guest, const int32_t *tids,
	size_t n_tids, struct vmrt_clock_bound *bounds);

#endif

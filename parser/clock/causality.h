/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CAUSALITY_H
#define VMRT_PARSER_CLOCK_CAUSALITY_H

/*
 * Bounds of the clock relation from causality: an event of a guest CPU is recorded by its vCPU
 * thread, so it happened while the host ran that thread. With a first map whose error is known,
 * each guest event lies in one run interval of its vCPU, or in one of a few neighbours: it happened
 * at or after the start of the first of these, and at or before the end of the last.
 *
 * The caller passes the host's events in time order. Between them it passes the guest's, each as
 * soon as the host's have reached causality_when(). Guest events behind the end of the host's
 * recording are not passed. Memory does not grow with the number of events.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/event.h>
#include <vmrt/status.h>

struct causality;

struct causality_stats {
	uint64_t
		inside; /* guest events in whose window of error the vCPU thread ran at some time */
	uint64_t outside; /* ... at no time: the map or the list of vCPU threads is wrong */
	uint64_t unused; /* near a hole of the host's recording, or where the prior map has no bound
			  */
	uint64_t holes;	 /* stretches of the host's recording in which a switch is missing */
};

/**
 * causality_new - begin with a map that is known to hold
 * @prior: kept by reference; where its error is unknown nothing can be said
 * @vcpu_tids: host threads by guest CPU, -1 if not known; the same one for all if one thread runs
 * all
 * @out: free with causality_free()
 *
 * Return: VMRT_OK, VMRT_EINVAL if no vCPU thread is known, VMRT_ENOMEM.
 */
enum vmrt_status causality_new(const struct vmrt_clockmap *prior, const int32_t *vcpu_tids,
	size_t n, struct causality **out, struct vmrt_error *err);

/** causality_host - the next event of the host, of any kind; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status causality_host(struct causality *causality, const struct vmrt_event *event);

/** causality_blind - take note that host CPU @cpu has no more records, although it recorded more */
void causality_blind(struct causality *causality, unsigned cpu);

/** causality_when - the host time up to which host events must be passed before this guest event */
int64_t causality_when(struct causality *causality, int64_t local_ns);

/** causality_guest - an event of guest CPU @cpu; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status causality_guest(struct causality *causality, unsigned cpu, int64_t local_ns);

/**
 * causality_finish - the bounds that were found, the tightest of each short time
 * @out: to be freed by the caller; NULL if there are none
 * @n: how many
 */
enum vmrt_status causality_finish(
	struct causality *causality, struct vmrt_clock_bound **out, size_t *n);

/** causality_stats - how many events agreed with the map so far */
void causality_stats(const struct causality *causality, struct causality_stats *out);

/** causality_free - free it; NULL is allowed */
void causality_free(struct causality *causality);

/**
 * vmrt_clock_from_recordings - the best map that two recordings and the pings give
 * @host: recording of the host
 * @guest: recording of the guest
 * @vcpu_tids: host threads by guest CPU, -1 if not known; @n of them, may be 0
 * @pings: exchanges during the recording; @n_pings of them, may be 0
 * @out: free with vmrt_clockmap_free(); the segments' source says what it is made from
 *
 * With pings the map is VMRT_CLOCK_CAUSALITY, or VMRT_CLOCK_PINGS if the recordings add nothing.
 * Without, the guest file's time shift is taken, VMRT_CLOCK_FILE, as it is unless the recordings
 * contradict it; its error is unknown unless they confirm it. Without both, the place is looked for
 * in which the guest's recording fits into the host's, VMRT_CLOCK_OVERLAP; if that is not found,
 * nothing is known, VMRT_CLOCK_UNRELATED: the guest's first event is laid on the host's, so that
 * both can be merged, and no time of the guest has a meaning on the host's clock.
 *
 * Return: VMRT_OK, or what went wrong.
 */
enum vmrt_status vmrt_clock_from_recordings(const struct vmrt_dat *host,
	const struct vmrt_dat *guest, const int32_t *vcpu_tids, size_t n,
	const struct vmrt_ping *pings, size_t n_pings, struct vmrt_clockmap *out,
	struct vmrt_error *err);

#endif

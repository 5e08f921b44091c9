/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_RECORD_CLOCK_H
#define VMRT_PARSER_CLOCK_RECORD_CLOCK_H

/*
 * From the clock of a recording to CLOCK_MONOTONIC of its machine.
 *
 * Recordings come in any trace clock. hrtimer_expire_entry has in its field `now` what
 * CLOCK_MONOTONIC showed when the interrupt began: at or before the record's own time, and after
 * every event that the same CPU recorded before the interrupt. These bounds relate the two clocks,
 * for each CPU.
 */

#include <stdint.h>

#include <vmrt/dat.h>
#include <vmrt/status.h>

enum record_clock_state {
	VMRT_RECORD_CLOCK_MONO,	    /* recorded in CLOCK_MONOTONIC: nothing to map */
	VMRT_RECORD_CLOCK_MAPPED,   /* streams of the file give CLOCK_MONOTONIC */
	VMRT_RECORD_CLOCK_UNMAPPED, /* nanoseconds, but nothing relates them to CLOCK_MONOTONIC */
};

struct vmrt_record_clock {
	enum record_clock_state state;
	uint64_t expiries; /* it was mapped by */
	int64_t error_ns;  /* largest error bound of all CPUs; VMRT_UNKNOWN: none is known */
	char text[192]; /* one clause for people, e.g. "clock local is mapped by 200 timers..." */
};

/**
 * vmrt_record_clock_map - find the relation, and let the streams of @dat use it
 * @dat: a file just opened; vmrt_stream_open() gives CLOCK_MONOTONIC from then on
 * @out: what was found
 *
 * If nothing relates the clocks, events of timers are no longer given: their times could not be
 * compared with those of the other events.
 *
 * Return: VMRT_OK; VMRT_EUNSUPPORTED if the file's times cannot even be converted to ns: @err says
 * what to record instead; VMRT_ENOMEM.
 */
enum vmrt_status vmrt_record_clock_map(
	struct vmrt_dat *dat, struct vmrt_record_clock *out, struct vmrt_error *err);

/** vmrt_record_clock_error - error bound of the map of @cpu: 0 for CLOCK_MONOTONIC; VMRT_UNKNOWN */
int64_t vmrt_record_clock_error(const struct vmrt_dat *dat, unsigned cpu);

#endif

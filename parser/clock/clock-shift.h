/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_SHIFT_H
#define VMRT_PARSER_CLOCK_CLOCK_SHIFT_H

/* Clock maps that need no look at the events: what the files say, and what is left without it. */

#include <vmrt/clock.h>
#include <vmrt/dat.h>

/**
 * clock_from_shift - the map that the time shift in the guest's file describes
 * @record_error_ns: how far the record clocks of the CPUs are apart
 * @out: its errors are unknown; free with vmrt_clockmap_free()
 *
 * A time shift turns the guest's record times into the host's, both in units of their record
 * clocks, before these are scaled to nanoseconds (TSC2NSEC), as trace-cmd does it.
 */
enum vmrt_status clock_from_shift(const struct vmrt_dat *host, const struct vmrt_dat *guest,
	struct vmrt_clockmap *out, int64_t *record_error_ns, struct vmrt_error *err);

/** clock_unrelated - the map of two recordings about whose clocks nothing is known */
enum vmrt_status clock_unrelated(
	const struct vmrt_dat *host, const struct vmrt_dat *guest, struct vmrt_clockmap *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_RECORD_SAMPLES_H
#define VMRT_PARSER_CLOCK_RECORD_SAMPLES_H

/* Samples of the relation between a record clock and CLOCK_MONOTONIC, and lines through them. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>

#define RECORD_MOST_NS                                                                             \
	(INT64_MAX / 2)	     /* dates, as clock tai has them, are below; differences fit */
#define RECORD_WINDOWS 16384 /* samples kept of each CPU; more are thinned out */

/* Of a short stretch of the recording: the tightest bounds of record time - monotonic time. */
struct record_window {
	int64_t index;
	int64_t upper_at, upper, lower_at, lower;
	int64_t latest_at, latest; /* the largest of those of which the least is the upper one */
	bool has_upper, has_lower;
};

/* The windows of one CPU, in order of time. */
struct record_samples {
	struct record_window *at;
	size_t n, room;
	int64_t span_ns;
	uint64_t expiries;
	int64_t begin_ns, end_ns; /* its first and its last event; none: the first is later */
	int64_t steady_ns;	  /* its last event before a long time without any */
	int64_t silent_ns;	  /* before its first expiry, the longest time without any event */
	int64_t back_ns;	  /* so far times run back from one record to the next, at most */
	/* of its expiries that follow one another: on how many the record clock went much faster
	 * than `now`, or much slower */
	uint64_t pairs, fast, slow;
};

/* What one pass over a recording finds. */
struct record_clocks {
	struct record_samples *sure;   /* by CPU: expiries of timers that run on CLOCK_MONOTONIC */
	struct record_samples *likely; /* and those of timers of which nothing else is known */
	unsigned cpus;
};

enum record_course {
	RECORD_RUNS,	/* it runs on */
	RECORD_JUMPS,	/* it jumps ahead while the machine is suspended */
	RECORD_SETTABLE /* and may be set at any time */
};

/** record_samples_collect - read @dat once; free with record_samples_free() in any case */
enum vmrt_status record_samples_collect(
	const struct vmrt_dat *dat, struct record_clocks *out, struct vmrt_error *err);
void record_samples_free(struct record_clocks *clocks);

/**
 * record_samples_contradict - do the first timers of a file with record clock mono contradict that?
 * A clock that was chosen anew while it recorded, or that of another buffer, is written as mono.
 */
enum vmrt_status record_samples_contradict(
	const struct vmrt_dat *dat, bool *out, struct vmrt_error *err);

/**
 * record_samples_other_unit - does the record clock not count the ns that it is taken to count?
 * Expiries that are late make single pairs look fast or slow, never most of them the same way.
 */
bool record_samples_other_unit(const struct record_samples *samples, unsigned cpus);

/**
 * record_samples_rate - ns of CLOCK_MONOTONIC for each unit of the record clock
 *
 * Return: the rate, or 0 if there are too few expiries.
 */
double record_samples_rate(const struct vmrt_dat *dat);

/**
 * record_fit - a map through the samples of some CPUs
 * @samples: @n of them, taken as those of one clock
 * @course: what the clock may do
 * @out: its offset is record time - monotonic time; free with vmrt_clockmap_free()
 *
 * The handler of a timer runs a moment after `now` was read, mostly less than a microsecond, so the
 * line runs along the earliest records; the bounds from the other side only give its error.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no sample, or no line goes with them; VMRT_ENOMEM.
 */
enum vmrt_status record_fit(const struct record_samples *samples, size_t n,
	enum record_course course, struct vmrt_clockmap *out);

#define RECORD_PARTS 16 /* of a stretch of time, in which its error is looked at */
#define RECORD_JUMP_NS (100 * VMRT_NS_PER_MS) /* by less no machine is suspended */
#define RECORD_STEERED_RATE 500e-6 /* so much the rates of clocks that run on may differ */
#define RECORD_LEAST_NS 1000	   /* the error is never called less than this */

/* record-doubt.c: @map is that of record_fit() through @n samples @s; its errors grow where they
 * must. */
void record_add_error(struct vmrt_clock_segment *s, int64_t ns);
void record_doubt_late(const struct record_samples *s, size_t n, struct vmrt_clockmap *map);
void record_doubt_ends(const struct record_samples *s, size_t n, struct vmrt_clockmap *map);
void record_doubt_start(const struct record_samples *s, size_t n, struct vmrt_clockmap *map);

#endif

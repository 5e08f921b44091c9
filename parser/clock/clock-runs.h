/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_RUNS_H
#define VMRT_PARSER_CLOCK_CLOCK_RUNS_H

/* When the vCPU threads ran on the host, for searches that compare that with the guest's events. */

#include <stdbool.h>

#include <vmrt/dat.h>

struct clock_runs {
	int32_t tid;
	bool open;
	size_t n, room;
	struct {
		int64_t start, end;
	} * at;
};

struct vmrt_stream;

/** clock_cpu_is_blind - are there no more records of host CPU @cpu, though it made more? Then any
 * vCPU may run there from now on. @stream: of @host, read up to now */
bool clock_cpu_is_blind(
	const struct vmrt_dat *host, const struct vmrt_stream *stream, unsigned cpu);

/**
 * clock_runs_collect - the times in which every vCPU thread may have run: from the host's switches,
 * and all in which records of a host CPU were lost, or behind their end while it made more
 * @runs: by vCPU, with their tids filled in; @n of them; free with clock_runs_free()
 *
 * Return: the time they reach to, or INT64_MIN if the file cannot be read.
 */
int64_t clock_runs_collect(const struct vmrt_dat *host, struct clock_runs *runs, size_t n);

/**
 * clock_runs_only - does a single vCPU thread carry all of the guest, whatever number its CPU has?
 * @n: how many vCPU threads are known
 *
 * If several CPUs recorded something, others are carried by threads that are not known.
 */
bool clock_runs_only(const struct vmrt_dat *guest, size_t n);

/** clock_runs_after - the first run that ends after @host_ns; runs->n if there is none */
size_t clock_runs_after(const struct clock_runs *runs, int64_t host_ns);

void clock_runs_free(struct clock_runs *runs, size_t n);

#endif

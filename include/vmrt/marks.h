/* SPDX-License-Identifier: MIT */
#ifndef VMRT_MARKS_H
#define VMRT_MARKS_H

/*
 * Markers: lines that vmrt's own programs write into trace_marker, and that the engine reads back.
 * A line is "vmrt WORD key=value key=value..."; times are CLOCK_MONOTONIC ns of the machine.
 *
 *   vmrt job_begin task=NAME k=N                      vmrt-load, before the job's work
 *   vmrt job_end task=NAME k=N                        vmrt-load, after it
 *   vmrt srv_start server=NAME vm=NAME policy=P depletion=D period=NS budget=NS priority=N t0=NS
 *       The server begins. The line ends with helpers=charged if other threads are charged, too.
 *   vmrt srv_replenish server=NAME k=N at=NS budget=NS
 *       Written when the members have the server's priority. at is the nominal time
 *       t0 + k * period. Of a sporadic server, at is the time at which a chunk of budget
 *       returns, and budget is the size of the chunk.
 *   vmrt srv_deplete server=NAME k=N consumed=NS [idle=1]
 *       Written when the members are demoted. idle=1: a polling server gives up the rest of
 *       its budget, because no member wanted to run.
 *   vmrt srv_preempt server=NAME k=N by=NAME
 *       The members are demoted although there is budget, because a periodic server of higher
 *       priority has the CPU.
 *   vmrt srv_resume server=NAME k=N
 *       The members have the server's priority again after srv_preempt.
 *   vmrt srv_stop server=NAME
 *       The server ends: the members have their former priority again.
 */

#include <stdarg.h>
#include <stddef.h>

#include <vmrt/status.h>

#define VMRT_MARK_PREFIX "vmrt "
#define VMRT_MARK_MAX 256	     /* longest line with its NUL */
#define VMRT_INSTANCE_PREFIX "vmrt-" /* of the names of vmrt's tracefs instances */

struct vmrt_marker; /* the files that markers are written to; there may be none */

/**
 * vmrt_marker_open - open trace_marker of one tracefs instance, or of every instance of vmrt
 * @instance: the instance's name, or NULL for all whose name begins with VMRT_INSTANCE_PREFIX
 * @out: close with vmrt_marker_close() before the instance is removed
 *
 * Without tracefs or without instances the marker is one that drops everything.
 *
 * Return: VMRT_OK, VMRT_ENOENT if @instance was given and is not there, VMRT_EPERM or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_marker_open(
	const char *instance, struct vmrt_marker **out, struct vmrt_error *err);

/** vmrt_marker_add - write markers into @instance, too; other threads may write meanwhile. Returns
 * what vmrt_marker_open() returns */
enum vmrt_status vmrt_marker_add(
	struct vmrt_marker *marker, const char *instance, struct vmrt_error *err);

/** vmrt_marker_drop - no longer write into @instance; none of its files stays open */
void vmrt_marker_drop(struct vmrt_marker *marker, const char *instance);

/** vmrt_mark - write one line; @fmt begins with VMRT_MARK_PREFIX; if @marker is NULL the line is
 * dropped; allocates no memory and reports no errors */
void vmrt_mark(const struct vmrt_marker *marker, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** vmrt_marker_close - close and free; NULL is allowed */
void vmrt_marker_close(struct vmrt_marker *marker);

#endif

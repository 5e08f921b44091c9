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
 *                                                     and helpers=charged if other threads are
 * charged, too vmrt srv_replenish server=NAME k=N at=NS budget=NS   at: the nominal time t0 + k *
 * period; written when the members are at the priority of a sporadic server, at: when a chunk
 * returns, budget: its amount vmrt srv_deplete server=NAME k=N consumed=NS [idle=1] written when
 * the members are demoted; idle: of a polling server, what was left is given up since none wanted
 * to run vmrt srv_preempt server=NAME k=N by=NAME          demoted with budget, since a periodic
 * server above has the CPU vmrt srv_resume server=NAME k=N                   that is over vmrt
 * srv_stop server=NAME                         members have their former priority again
 */

#include <stdarg.h>
#include <stddef.h>

#include <vmrt/status.h>

#define VMRT_MARK_PREFIX "vmrt "
#define VMRT_MARK_MAX 256	     /* longest line with its NUL */
#define VMRT_INSTANCE_PREFIX "vmrt-" /* of the names of our tracefs instances */

struct vmrt_marker; /* where markers go; none at all is fine */

/**
 * vmrt_marker_open - open trace_marker of a tracefs instance, or of every instance of ours
 * @instance: the instance's name, or NULL for all whose name begins with VMRT_INSTANCE_PREFIX
 * @out: close with vmrt_marker_close() before the instance is to be removed
 *
 * Without tracefs or without instances the marker is one that drops everything.
 *
 * Return: VMRT_OK, VMRT_ENOENT if @instance was given and is not there, VMRT_EPERM or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_marker_open(
	const char *instance, struct vmrt_marker **out, struct vmrt_error *err);

/** vmrt_marker_add - write markers into @instance, too, also while others write; as
 * vmrt_marker_open() */
enum vmrt_status vmrt_marker_add(
	struct vmrt_marker *marker, const char *instance, struct vmrt_error *err);

/** vmrt_marker_drop - no longer write into @instance, of which no file is kept open then */
void vmrt_marker_drop(struct vmrt_marker *marker, const char *instance);

/** vmrt_mark - write one line; @fmt begins with VMRT_MARK_PREFIX; NULL drops; no allocation, no
 * errors */
void vmrt_mark(const struct vmrt_marker *marker, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** vmrt_marker_close - close and free; NULL is allowed */
void vmrt_marker_close(struct vmrt_marker *marker);

#endif

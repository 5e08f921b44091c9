/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TRACER_H
#define VMRT_TRACER_H

/*
 * A tracing session of the machine this runs on: a private tracefs instance with the scheduler and
 * timer events that vmrt needs. The recorder, the guest's agent and the live monitor use it.
 *
 * Nothing outside the instance is ever written.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmrt/processes.h>
#include <vmrt/status.h>

#define VMRT_TRACER_BUFFER (UINT64_C(8) << 20) /* bytes per CPU, when nothing else is asked for */
#define VMRT_TRACER_CPUS 1024		       /* more CPUs than this are not supported */
#define VMRT_TRACER_PAGE_MAX 65536	       /* largest sub-buffer supported */

/* The format text of one event. */
struct vmrt_trace_format {
	char system[32];
	char *text;
};

/* Everything but the events that is needed to read a recording of one machine. */
struct vmrt_trace_meta {
	unsigned cpus;
	uint32_t page_size; /* of a sub-buffer */
	char *header_page, *header_event;
	struct vmrt_trace_format *formats;
	size_t n_formats;
	char *kallsyms; /* lines of /proc/kallsyms, only functions of hrtimers that matter */
	char *cmdlines; /* lines "tid comm" */
	char *processes[VMRT_PROCESSES_TIMES]; /* lines "tid pid name"; NULL: not known */
	char *clock;			       /* trace_clock, with the current one in brackets */
	char *uname;
};

/* per_cpu/cpuN/stats */
struct vmrt_cpu_stats {
	uint64_t entries, overrun, commit_overrun, bytes, dropped, read_events;
};

struct vmrt_tracer;

/**
 * vmrt_tracer_open - make an instance, switched off, with clock mono and vmrt's events
 * @label: last part of the instance's name, [a-z0-9]
 * @buffer: bytes per CPU
 * @out: end with vmrt_tracer_close()
 *
 * Mounts tracefs if it is not mounted and mounting is permitted, and prints that it did.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no tracefs or an event is missing, VMRT_EPERM,
 * VMRT_EIO...
 */
enum vmrt_status vmrt_tracer_open(
	const char *label, uint64_t buffer, struct vmrt_tracer **out, struct vmrt_error *err);

struct vmrt_tracer_options {
	const char *label;
	uint64_t buffer;
	/*
	 * What to record: NULL for what the analysis needs, or words SYSTEM:EVENT separated by
	 * commas. Each part may be a pattern; SYSTEM alone means all its events. When the first
	 * word begins with + or -, the list adds to what the analysis needs or takes away from it.
	 */
	const char *events;
};

/** vmrt_tracer_open_with - vmrt_tracer_open() with a choice of events; VMRT_ENOENT if one is not
 * there */
enum vmrt_status vmrt_tracer_open_with(const struct vmrt_tracer_options *options,
	struct vmrt_tracer **out, struct vmrt_error *err);

/**
 * vmrt_tracer_adopt - take over an instance whose owner is gone, and switch it off
 * @out: end with vmrt_tracer_close(), which removes the instance
 *
 * Return: VMRT_OK, VMRT_ENOENT if there is no such instance, VMRT_EBUSY if its owner still runs...
 */
enum vmrt_status vmrt_tracer_adopt(
	const char *instance, struct vmrt_tracer **out, struct vmrt_error *err);

/** vmrt_tracer_has_event - is this event recorded? */
bool vmrt_tracer_has_event(const struct vmrt_tracer *tracer, const char *system, const char *name);

/**
 * vmrt_tracer_only - record only events of these threads, their wake-ups, and switches to and from
 * them
 *
 * Threads that they start are followed by the kernel; others may be added by another call.
 */
enum vmrt_status vmrt_tracer_only(
	struct vmrt_tracer *tracer, const pid_t *tids, size_t n, struct vmrt_error *err);

/** vmrt_tracer_instance - the instance's name */
const char *vmrt_tracer_instance(const struct vmrt_tracer *tracer);

/** vmrt_tracer_folder - the instance's folder in tracefs */
const char *vmrt_tracer_folder(const struct vmrt_tracer *tracer);

unsigned vmrt_tracer_cpus(const struct vmrt_tracer *tracer);
uint32_t vmrt_tracer_page_size(const struct vmrt_tracer *tracer);

/** vmrt_tracer_buffer - bytes per CPU that the kernel gave */
uint64_t vmrt_tracer_buffer(const struct vmrt_tracer *tracer);

/** vmrt_tracer_on - switch recording on */
enum vmrt_status vmrt_tracer_on(struct vmrt_tracer *tracer, struct vmrt_error *err);

/** vmrt_tracer_off - switch recording off */
enum vmrt_status vmrt_tracer_off(struct vmrt_tracer *tracer, struct vmrt_error *err);

/**
 * vmrt_tracer_read - take the next sub-buffer of @cpu; never blocks
 * @page: page_size bytes
 *
 * A sub-buffer that is only partly filled is taken, too, and padded to a whole page.
 *
 * Return: 1, 0 if there is none, -1 with errno.
 */
int vmrt_tracer_read(struct vmrt_tracer *tracer, unsigned cpu, void *page);

/**
 * vmrt_tracer_splice - move full sub-buffers of @cpu into pipe @fd; never blocks
 * @max: at most so many bytes
 *
 * Return: bytes moved, 0 if there is no full one, -1 with errno.
 */
ssize_t vmrt_tracer_splice(struct vmrt_tracer *tracer, unsigned cpu, int fd, size_t max);

/**
 * vmrt_tracer_wait - wait until the buffer of @cpu holds enough to be worth reading
 * @fd: or until this is readable
 * @ms: or at most so long
 *
 * Return: is @fd readable?
 */
bool vmrt_tracer_wait(const struct vmrt_tracer *tracer, unsigned cpu, int fd, int ms);

/** vmrt_tracer_stats - counters of @cpu; zeros for a CPU without a buffer */
enum vmrt_status vmrt_tracer_stats(const struct vmrt_tracer *tracer, unsigned cpu,
	struct vmrt_cpu_stats *out, struct vmrt_error *err);

/**
 * vmrt_tracer_meta - formats, symbols, names
 * @out: free with vmrt_trace_meta_free(); its cmdlines and processes are those that exist at the
 * time of the call
 */
enum vmrt_status vmrt_tracer_meta(
	const struct vmrt_tracer *tracer, struct vmrt_trace_meta *out, struct vmrt_error *err);

/**
 * vmrt_trace_cmdlines - lines "tid comm" of the threads there are, and of ended ones that the
 * kernel still knows
 * @processes: set to lines as vmrt_processes_parse() takes them, free() it; NULL: not wanted
 *
 * Return: the lines, to be freed with free(); NULL without memory, and then *@processes is NULL,
 * too.
 */
char *vmrt_trace_cmdlines(char **processes);

/**
 * vmrt_trace_merge_names - one list "tid comm" out of several, each thread once
 * @lists: texts of lines; NULL entries are skipped; a name of a later line replaces earlier ones
 *
 * Return: the list by thread, to be freed with free(); NULL without memory.
 */
char *vmrt_trace_merge_names(const char *const *lists, size_t n);

/** vmrt_trace_meta_free - free what @meta holds and zero it */
void vmrt_trace_meta_free(struct vmrt_trace_meta *meta);

/**
 * vmrt_tracer_close - switch off, remove the instance, free
 * @patience_ms: how long to wait for others to close the instance's files
 *
 * Return: VMRT_OK, or VMRT_EBUSY if the instance is still held open by someone; it is switched off
 * and its buffers are shrunk, and vmrt_tracer_reset() removes it later.
 */
enum vmrt_status vmrt_tracer_close(
	struct vmrt_tracer *tracer, int patience_ms, struct vmrt_error *err);

/**
 * vmrt_tracer_close_aside - like vmrt_tracer_close(), but a separate process removes the instance
 *
 * For callers that must not wait: the kernel takes a tenth of a second to remove an instance. No
 * other thread may run.
 */
void vmrt_tracer_close_aside(struct vmrt_tracer *tracer, int patience_ms);

/** vmrt_tracer_abandon - free @tracer and leave the instance to the process that adopts it next;
 * NULL is allowed */
void vmrt_tracer_abandon(struct vmrt_tracer *tracer);

/**
 * vmrt_tracer_reset - remove instances of vmrt whose owner is gone
 * @label: only those with this label; NULL: all
 * @like: name of an instance: only instances that the owner of this one has left, even if this one
 * no longer exists; NULL: all
 * @removed, @kept: how many were removed, and how many could not be; may be NULL
 * @report: called with the name of each instance, and with NULL if it was removed, else with the
 * reason why not; may be NULL
 */
enum vmrt_status vmrt_tracer_reset(const char *label, const char *like, unsigned *removed,
	unsigned *kept, void (*report)(void *ctx, const char *name, const char *why), void *ctx,
	struct vmrt_error *err);

#endif

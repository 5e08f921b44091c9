/* SPDX-License-Identifier: MIT */
#ifndef VMRT_DAT_H
#define VMRT_DAT_H

/*
 * Reading trace.dat files and raw ring-buffer pages. Everything in a file is untrusted.
 *
 * Files are read in windows of at most 64 KiB per CPU and never mapped. So a file that shrinks or
 * cannot be read any further causes an error and not a signal, and the memory that is needed does
 * not grow with the file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/event.h>
#include <vmrt/status.h>

struct vmrt_dat;     /* an open file */
struct vmrt_formats; /* event formats of one machine: how its records are laid out */
struct vmrt_stream;  /* events of one machine in time order */

/* What a file says of itself. Pointers are good while the file is open. */
struct vmrt_dat_info {
	int version; /* 6 or 7 */
	unsigned cpus;
	const char *clock; /* e.g. "mono" */
	const char *uname; /* or "" */
	uint64_t trace_id; /* 0 if there is none */
	uint32_t page_size;
	bool dated; /* recorded with trace-cmd --date, which writes a marker and reads this marker
		       itself */
	const char *instance; /* name of the ring buffer that is read; "" is the top one */
	const char *buffers;  /* names of all buffers that hold data, if there are several: "\"rt\",
				 \"net\""; or "" */
	bool split; /* another buffer has events that are needed and that this buffer lacks */
};

/* GUEST option: which host threads are the vCPUs of a guest's recording. */
struct vmrt_dat_guest {
	const char *name;
	uint64_t trace_id;
	const int32_t *vcpu_tids; /* by vCPU; -1 unknown */
	unsigned n_vcpus;
};

/* One sample of the TIME_SHIFT option, of the first CPU. */
struct vmrt_dat_shift {
	int64_t local_ns;
	int64_t offset_ns; /* to be added to local_ns */
};

/* CPUSTAT option: counters of one CPU */
struct vmrt_dat_cpustat {
	uint64_t overrun, commit_overrun, dropped;
	uint64_t events; /* that the kernel kept, so that the file must have them; 0: not known */
	bool nonsense;	 /* the file has counters that cannot be true: all are 0 here */
};

/**
 * vmrt_dat_open - open a trace.dat file
 * @path: the file
 * @out: close with vmrt_dat_close()
 *
 * A file that ends too early is opened with the data it has; vmrt_dat_missing() returns how many
 * bytes are missing.
 *
 * Return: VMRT_OK; VMRT_EFORMAT if it is no trace.dat, or a big-endian one; VMRT_EUNSUPPORTED,
 * VMRT_EIO...
 */
enum vmrt_status vmrt_dat_open(const char *path, struct vmrt_dat **out, struct vmrt_error *err);

/* The functions that get the texts in a file's headers. A function that returns false ends the
 * reading. */
struct vmrt_dat_texts {
	void *ctx;
	bool (*format)(void *ctx, const char *system, const char *text); /* of an event */
	bool (*kallsyms)(void *ctx, const char *text);
};

/**
 * vmrt_dat_none - a substitute for a file that cannot be read: a machine with @cpus CPUs, of which
 * all events are lost
 *
 * Return: VMRT_OK, VMRT_ENOMEM.
 */
enum vmrt_status vmrt_dat_none(
	const char *path, unsigned cpus, struct vmrt_dat **out, struct vmrt_error *err);

/** vmrt_dat_read_texts - read only the headers of a file, to get their texts */
enum vmrt_status vmrt_dat_read_texts(
	const char *path, const struct vmrt_dat_texts *texts, struct vmrt_error *err);

/**
 * vmrt_dat_open_instance - vmrt_dat_open() with a choice of the ring buffer
 * @instance: its name, "" for the top one; NULL: the one with the events that the analysis needs
 *
 * Return: as vmrt_dat_open(); VMRT_ENOENT if there is no such buffer, and @err lists those there
 * are.
 */
enum vmrt_status vmrt_dat_open_instance(
	const char *path, const char *instance, struct vmrt_dat **out, struct vmrt_error *err);

/** vmrt_dat_close - close the file and free everything that was returned for it; NULL is allowed */
void vmrt_dat_close(struct vmrt_dat *dat);

/** vmrt_dat_stop - streams of @dat end at their next page when @stop returns true; the caller has
 * to check whether a stream ended for this reason */
void vmrt_dat_stop(struct vmrt_dat *dat, int (*stop)(void));

/** vmrt_dat_info - what the file's headers say of it; valid while the file is open */
const struct vmrt_dat_info *vmrt_dat_info(const struct vmrt_dat *dat);

/** vmrt_dat_missing - bytes that the file's tables promise but that are not there */
uint64_t vmrt_dat_missing(const struct vmrt_dat *dat);

/** vmrt_dat_guests - the GUEST options; @n: how many */
const struct vmrt_dat_guest *vmrt_dat_guests(const struct vmrt_dat *dat, size_t *n);

/** vmrt_dat_shifts - samples of the TIME_SHIFT option; @n: how many; @peer: trace id it refers to
 */
const struct vmrt_dat_shift *vmrt_dat_shifts(const struct vmrt_dat *dat, size_t *n, uint64_t *peer);

struct vmrt_clockmap;

/**
 * vmrt_dat_refresh_shift - write @map into the TIME_SHIFT option of @path, as many samples as the
 * option has room for
 * @dat: the same file, opened
 *
 * Only files of version 6 that vmrt wrote are changed, and in these files only the samples.
 *
 * Return: VMRT_OK; VMRT_EUNSUPPORTED if the file has no such option, or nothing is known of the
 * clock; VMRT_EPERM...
 */
enum vmrt_status vmrt_dat_refresh_shift(const struct vmrt_dat *dat, const char *path,
	const struct vmrt_clockmap *map, struct vmrt_error *err);

/** vmrt_dat_cpustat - counters of @cpu; zeros if the file has none */
struct vmrt_dat_cpustat vmrt_dat_cpustat(const struct vmrt_dat *dat, unsigned cpu);

/** vmrt_dat_lacking - how many events of @cpu the kernel counted that the file does not have
 * @read: how many events the file has */
uint64_t vmrt_dat_lacking(const struct vmrt_dat *dat, unsigned cpu, uint64_t read);

/**
 * vmrt_dat_comm - the saved name of thread @pid, or NULL
 */
const char *vmrt_dat_comm(const struct vmrt_dat *dat, int32_t pid);

/** vmrt_dat_saved_comm - saved name number @i and its thread @pid; NULL behind the last one */
const char *vmrt_dat_saved_comm(const struct vmrt_dat *dat, size_t i, int32_t *pid);

/**
 * vmrt_formats_new - make formats from the texts that the kernel gives, to read pages of live
 * buffers
 * @header_page: text of events/header_page
 * @formats: texts of events/SYSTEM/EVENT/format, each NUL-terminated
 * @systems: the SYSTEM of each format
 * @n: how many
 * @kallsyms: lines "address type name", at least of the hrtimer functions; or NULL
 * @out: free with vmrt_formats_free()
 */
enum vmrt_status vmrt_formats_new(const char *header_page, const char *const *formats,
	const char *const *systems, size_t n, const char *kallsyms, struct vmrt_formats **out,
	struct vmrt_error *err);

struct vmrt_trace_meta;

/** vmrt_formats_from_meta - vmrt_formats_new() with the texts in @meta */
enum vmrt_status vmrt_formats_from_meta(
	const struct vmrt_trace_meta *meta, struct vmrt_formats **out, struct vmrt_error *err);

/** vmrt_page_size - bytes of a sub-buffer, as text events/header_page says; 0 if it is not
 * understood */
uint32_t vmrt_page_size(const char *header_page);

/** vmrt_page_time - time at which sub-buffer @page (at least 16 bytes) begins */
int64_t vmrt_page_time(const void *page);

/** vmrt_page_forget_loss - sub-buffer @page no longer says that events before it were lost */
void vmrt_page_forget_loss(void *page);

/** vmrt_formats_free - free @formats, which must not be those of a file; NULL is allowed */
void vmrt_formats_free(struct vmrt_formats *formats);

/**
 * vmrt_stream_open - all events of @dat in time order over its CPUs
 * @out: free with vmrt_stream_free() before the file is closed
 */
enum vmrt_status vmrt_stream_open(
	const struct vmrt_dat *dat, struct vmrt_stream **out, struct vmrt_error *err);

/** vmrt_stream_broken_off - say of a stream that was just opened: every CPU did more than was
 * recorded. Then vmrt_stream_ended() returns every CPU */
void vmrt_stream_broken_off(struct vmrt_stream *stream);
/** vmrt_stream_cpu_broken_off - vmrt_stream_broken_off() for @cpu alone, which must have records */
void vmrt_stream_cpu_broken_off(struct vmrt_stream *stream, unsigned cpu);

/**
 * vmrt_stream_live - a stream that is fed with pages
 * @formats: kept by reference
 * @cpus: how many CPUs the machine has
 * @page_size: bytes of a sub-buffer
 */
enum vmrt_status vmrt_stream_live(const struct vmrt_formats *formats, unsigned cpus,
	uint32_t page_size, struct vmrt_stream **out, struct vmrt_error *err);

/**
 * vmrt_stream_push - add one page (copied) of @cpu to a live stream; pages of a CPU come in order
 *
 * After the call the event that was returned last is no longer valid.
 */
enum vmrt_status vmrt_stream_push(struct vmrt_stream *stream, unsigned cpu, const void *page,
	size_t size, struct vmrt_error *err);

/**
 * vmrt_stream_limit - say of a live stream: all events up to @local_ns have been pushed
 *
 * vmrt_stream_next() gives no event later than this.
 */
void vmrt_stream_limit(struct vmrt_stream *stream, int64_t local_ns);

/**
 * vmrt_stream_next - the next event in time order
 *
 * Return: 1 with @event filled in; 0 at the end (live: up to the limit); -1 if the data of one CPU
 * are malformed from here on (@err says where). That CPU is then skipped: call again for the events
 * of the other CPUs.
 */
int vmrt_stream_next(struct vmrt_stream *stream, struct vmrt_event *event, struct vmrt_error *err);

/**
 * vmrt_stream_ended - a CPU whose data end too early: cut off, or malformed
 *
 * Return: the CPU's number, once for each such CPU, as soon as the last event of the CPU was
 * returned and the next event was asked for; else -1.
 */
int vmrt_stream_ended(struct vmrt_stream *stream);

/**
 * vmrt_stream_losing - a CPU whose next records are lost
 *
 * The next event of this CPU that is returned says how many records were lost. A live stream does
 * not know of the loss before that event.
 *
 * Return: the CPU's number, once for each loss, as soon as the CPU's last event before the loss was
 * returned and the next event of any CPU was asked for; for a loss before the CPU's first event, as
 * soon as any event was asked for; else -1.
 */
int vmrt_stream_losing(struct vmrt_stream *stream);

/**
 * vmrt_stream_peek - time of the next event, or INT64_MAX if there is none now
 *
 * The call counts as asking for the next event: the pointers of the event before it are no longer
 * valid. If vmrt_stream_next() would return -1, the result is the time of the event returned last.
 */
int64_t vmrt_stream_peek(struct vmrt_stream *stream);

/* How often an event occurs. */
struct vmrt_event_count {
	const char *system, *name;
	bool described; /* the recording has its format */
	uint64_t count;
};

/**
 * vmrt_stream_event - how often event number @i has been returned, of the events that the analysis
 * uses
 *
 * Return: true; false if @i is behind the last one.
 */
bool vmrt_stream_event(const struct vmrt_stream *stream, unsigned i, struct vmrt_event_count *out);

/**
 * vmrt_stream_record - the bytes of the event returned last, valid until the next event is asked
 * for
 * @size: how many
 */
const void *vmrt_stream_record(const struct vmrt_stream *stream, uint32_t *size);

/** vmrt_stream_count - how many events of @cpu were returned so far */
uint64_t vmrt_stream_count(const struct vmrt_stream *stream, unsigned cpu);

/** vmrt_stream_free - free @stream and the pages pushed into it; NULL is allowed */
void vmrt_stream_free(struct vmrt_stream *stream);

#endif

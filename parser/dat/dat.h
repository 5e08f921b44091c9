/* SPDX-License-Identifier: MIT */
#ifndef PARSER_DAT_H
#define PARSER_DAT_H

/*
 * What the files of the reader share: bounded reading of a trace.dat file. Its pages and formats
 * are read by parser/ring.
 *
 * Files are read with pread() in windows, never mapped: a file that shrinks or fails under the
 * reader is then an error message and not a SIGBUS, and memory does not grow with the file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/dat.h>

#include "parser/ring/ring.h"

#define DAT_MAX_TEXT (256u << 20) /* largest part of the headers: kallsyms and the like */
#define DAT_MAX_CHUNK (64u << 20) /* largest chunk of compressed pages */
#define DAT_MAX_NAME 256
#define DAT_MAX_RATIO 256 /* of a compressed part above DAT_FREE_SIZE */
#define DAT_FREE_SIZE (1u << 20)

/** dat_may_unpack - memory stays in proportion to the file: may @packed bytes become @size? */
static inline bool dat_may_unpack(uint32_t packed, uint32_t size)
{
	return size <= DAT_FREE_SIZE || size / DAT_MAX_RATIO <= packed;
}

/* The bytes of one CPU: @size are in the file, @missing more are promised. */
struct dat_cpu_data {
	uint64_t offset, size, missing;
	bool present;		/* the file has an entry for this CPU */
	struct vmrt_dat *apart; /* the file with its pages during the recording; NULL: they are in
				   this file */
};

/* One ring buffer in a file: the top one, or an instance. */
struct dat_buffer {
	char *name;  /* "" for the top one */
	char *clock; /* or NULL */
	uint32_t page_size;
	struct dat_cpu_data *cpus;
	unsigned n_cpus;
};

/* Counters of a CPU of the buffer with the name @buffer, of those that stand in the options. */
struct dat_stat {
	unsigned buffer;
	unsigned next; /* of the same CPU: its place from 1 on, or 0 */
	struct vmrt_dat_cpustat at;
};

/* The counters of a CPU: places from 1 on, or 0. */
struct dat_stats_of_cpu {
	unsigned first, last;
};

#define DAT_MAX_STAT_BUFFERS 64

struct dat_comm {
	int32_t pid;
	char name[16];
};

/* What a sample of a time shift does to the time before its offset is added. */
struct dat_scaling {
	int64_t mult;
	unsigned bits; /* time * mult >> bits */
};

/* The samples of one CPU's time shift. */
struct dat_shifts {
	struct vmrt_dat_shift *at;
	struct dat_scaling *scalings;
	size_t n;
};

struct vmrt_dat {
	int fd;
	int (*stop)(void); /* or NULL; true: streams end at their next page */
	char *proof; /* of a file that grows: what was read counts if this file is still there */
	char *path;
	uint64_t file_size;
	uint64_t unpacked;  /* bytes of all compressed parts of its headers, after unpacking */
	uint32_t long_size; /* size of a long in the program that recorded */
	bool zstd;	    /* pages come in compressed chunks */
	struct vmrt_dat_info info;
	char *clock, *uname;
	uint32_t tsc_mult, tsc_shift; /* ns = raw * mult >> shift; mult 0: raw values are ns */

	struct dat_buffer *buffers; /* the first one is the top buffer, if the file has one */
	size_t n_buffers;
	const struct dat_buffer *buffer; /* the buffer that is read */
	char *buffer_names; /* the names of all buffers with data, if there are several */

	struct dat_stat *stats;
	unsigned n_stats;
	struct dat_stats_of_cpu *stats_of;	      /* RING_MAX_CPUS; NULL without counters */
	char *stat_buffers[DAT_MAX_STAT_BUFFERS + 1]; /* [0]: NULL, none was named */
	unsigned n_stat_buffers;
	struct vmrt_dat_guest *guests;
	size_t n_guests;
	struct dat_shifts *shifts; /* by CPU, of which some may have none */
	unsigned n_shifts;
	bool shift_interpolates; /* between two samples; else the one before holds */
	uint64_t shift_peer;
	uint64_t shift_at; /* where the option's payload is in the file, and how long; 0: nowhere */
	uint32_t shift_size;
	struct dat_comm *comms; /* by pid */
	size_t n_comms;
	struct vmrt_formats *formats;
	const struct vmrt_dat_texts *texts; /* receives the headers' texts, or NULL */
	struct vmrt_clockmap *clocks; /* by CPU, to CLOCK_MONOTONIC; none: times are as recorded */
	unsigned n_clocks;
};

/** dat_open_fd - vmrt_dat_open_instance() on descriptor @fd, which it takes over; @path is for
 * messages */
enum vmrt_status dat_open_fd(int fd, const char *path, const char *instance, struct vmrt_dat **out,
	struct vmrt_error *err);

/** dat_choose_buffer - decide which ring buffer is read; @instance as in vmrt_dat_open_instance()
 */
enum vmrt_status dat_choose_buffer(
	struct vmrt_dat *dat, const char *instance, struct vmrt_error *err);

/** dat_pread - read exactly @size bytes at @offset; VMRT_OK, VMRT_ETRUNCATED or VMRT_EIO */
enum vmrt_status dat_pread(
	const struct vmrt_dat *dat, void *to, size_t size, uint64_t offset, struct vmrt_error *err);

/*
 * A reader over a part of the file or over bytes in memory. After the first failure every further
 * read gives zeros, so that callers check once, in @status, before they use what they read.
 */
struct dat_cursor {
	const struct vmrt_dat *dat;
	uint64_t pos, end;    /* in the file, or in the memory */
	const uint8_t *bytes; /* those at [base, base + have) */
	uint64_t base;
	size_t have;
	uint8_t *window; /* NULL for memory */
	enum vmrt_status status;
	struct vmrt_error *err;
};

/** dat_cursor_file - read the file from @pos to @end (clipped to the file); free with
 * dat_cursor_done() */
enum vmrt_status dat_cursor_file(struct dat_cursor *c, const struct vmrt_dat *dat, uint64_t pos,
	uint64_t end, struct vmrt_error *err);
/** dat_cursor_memory - read @size bytes at @bytes, which must stay */
void dat_cursor_memory(struct dat_cursor *c, const struct vmrt_dat *dat, const void *bytes,
	uint64_t size, struct vmrt_error *err);
void dat_cursor_done(struct dat_cursor *c);

bool dat_cursor_bytes(struct dat_cursor *c, void *to, size_t size);
bool dat_cursor_skip(struct dat_cursor *c, uint64_t size);
uint16_t dat_cursor_u16(struct dat_cursor *c);
uint32_t dat_cursor_u32(struct dat_cursor *c);
uint64_t dat_cursor_u64(struct dat_cursor *c);
/** dat_cursor_text - @size bytes with a NUL behind them, to be freed; NULL on failure */
char *dat_cursor_text(struct dat_cursor *c, uint64_t size);
/** dat_cursor_word - a NUL-terminated string into @to, an error if it needs more than @room */
bool dat_cursor_word(struct dat_cursor *c, char *to, size_t room);
/** dat_cursor_left - bytes up to the end */
uint64_t dat_cursor_left(const struct dat_cursor *c);
/** dat_cursor_fail - note a failure unless there is one already; returns the status */
enum vmrt_status dat_cursor_fail(struct dat_cursor *c, enum vmrt_status status, const char *what);

/* Pieces that both versions have; each reads from the cursor and leaves its failure there. */
void dat_read_header_info(struct vmrt_dat *dat, struct dat_cursor *c);
void dat_read_ftrace_formats(struct vmrt_dat *dat, struct dat_cursor *c);
void dat_read_event_formats(struct vmrt_dat *dat, struct dat_cursor *c);
void dat_read_kallsyms(struct vmrt_dat *dat, struct dat_cursor *c);
void dat_read_cmdlines(struct vmrt_dat *dat, struct dat_cursor *c);

/* Option ids of the format. */
enum dat_option {
	DAT_OPTION_DONE = 0,
	DAT_OPTION_DATE = 1,
	DAT_OPTION_CPUSTAT = 2,
	DAT_OPTION_BUFFER = 3,
	DAT_OPTION_TRACECLOCK = 4,
	DAT_OPTION_UNAME = 5,
	DAT_OPTION_TRACEID = 11,
	DAT_OPTION_TIME_SHIFT = 12,
	DAT_OPTION_GUEST = 13,
	DAT_OPTION_TSC2NSEC = 14,
	DAT_OPTION_HEADER_INFO = 16,
	DAT_OPTION_FTRACE_EVENTS = 17,
	DAT_OPTION_EVENT_FORMATS = 18,
	DAT_OPTION_KALLSYMS = 19,
	DAT_OPTION_CMDLINES = 21,
};

/** dat_option_common - read an option that means the same in both versions; other options are
 * ignored */
void dat_option_common(struct vmrt_dat *dat, unsigned id, struct dat_cursor *data);

/** dat_add_buffer - a further buffer with room for @n_cpus; NULL without memory */
struct dat_buffer *dat_add_buffer(struct vmrt_dat *dat, const char *name, unsigned n_cpus);
/** dat_set_cpu - note where the data of a CPU are, clipped to the file */
void dat_set_cpu(struct vmrt_dat *dat, struct dat_buffer *buffer, unsigned cpu, uint64_t offset,
	uint64_t size);

/** dat_current_clock - the word in [ ] of a trace_clock text, or all of it; NULL without memory */
char *dat_current_clock(const char *text);

enum vmrt_status dat_open_v6(struct vmrt_dat *dat, uint64_t pos, struct vmrt_error *err);
enum vmrt_status dat_open_v7(struct vmrt_dat *dat, uint64_t pos, struct vmrt_error *err);

/* Is time @ts, as it was recorded, before what is wanted? */
typedef bool dat_before_fn(void *ctx, int64_t ts);

/** stream_begin_at - leave out the pages in front of the wanted time, of a stream just opened;
 * nothing is left out if times are not used as recorded */
void stream_begin_at(struct vmrt_stream *s, dat_before_fn *before, void *ctx);

/** page_feed_file - pages of CPU @cpu of @dat, read in windows of about @window bytes; NULL: no
 * memory */
struct page_feed *page_feed_file(const struct vmrt_dat *dat, unsigned cpu, size_t window);

/**
 * page_feed_begin_at - leave out the pages in front of the last one that is @before, by its raw
 * time
 * @feed: of which nothing was read yet
 *
 * Where the pages are compressed, or not in the order of their times, none is left out.
 */
void page_feed_begin_at(struct page_feed *feed, dat_before_fn *before, void *ctx);

/** page_feed_grow - take note that the data of the feed's CPU have become longer */
void page_feed_grow(struct page_feed *feed);

/** dat_close_apart - close the files of the CPUs of a file that grows */
void dat_close_apart(struct vmrt_dat *dat);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef PARSER_DAT_H
#define PARSER_DAT_H

/*
 * What the files of the reader share: bounded reading of a trace.dat file, the walk over one page,
 * and event layouts.
 *
 * Files are read with pread() in windows, never mapped: a file that shrinks or fails under the
 * reader is then an error message and not a SIGBUS, and memory does not grow with the file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <vmrt/dat.h>

#define DAT_MAX_CPUS 4096
#define DAT_MIN_PAGE 512u
#define DAT_MAX_PAGE (16u << 20)
#define DAT_MAX_TEXT (256u << 20) /* largest part of the headers: kallsyms and the like */
#define DAT_MAX_CHUNK (64u << 20) /* largest chunk of compressed pages */
#define DAT_MAX_NAME 256
#define DAT_PAGE_LIVE UINT64_MAX /* file offset of a page that comes from no file */

static inline uint16_t dat_u16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t dat_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t dat_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The bytes of one CPU: @size are in the file, @missing more are promised. */
struct dat_cpu_data {
	uint64_t offset, size, missing;
	bool present; /* the file speaks of this CPU */
};

/* One ring buffer in a file: the top one, or an instance. */
struct dat_buffer {
	char *name;  /* "" for the top one */
	char *clock; /* or NULL */
	uint32_t page_size;
	struct dat_cpu_data *cpus;
	unsigned n_cpus;
};

struct dat_comm {
	int32_t pid;
	char name[16];
};

struct vmrt_dat {
	int fd;
	char *path;
	uint64_t file_size;
	uint32_t long_size; /* of the user space that recorded */
	bool zstd;	    /* pages come in compressed chunks */
	struct vmrt_dat_info info;
	char *clock, *uname;
	uint32_t tsc_mult, tsc_shift; /* ns = raw * mult >> shift; mult 0: raw values are ns */

	struct dat_buffer *buffers; /* the first one is the top buffer, if the file has one */
	size_t n_buffers;
	const struct dat_buffer *buffer; /* the one that is read */

	struct vmrt_dat_cpustat *stats;
	unsigned n_stats;
	struct vmrt_dat_guest *guests;
	size_t n_guests;
	struct vmrt_dat_shift *shifts;
	size_t n_shifts;
	uint64_t shift_peer;
	uint64_t shift_at; /* where the option's payload is in the file, and how long; 0: nowhere */
	uint32_t shift_size;
	struct dat_comm *comms; /* by pid */
	size_t n_comms;
	struct vmrt_formats *formats;
};

/** dat_open_fd - vmrt_dat_open() on descriptor @fd, which it takes over; @path is for messages */
enum vmrt_status dat_open_fd(
	int fd, const char *path, struct vmrt_dat **out, struct vmrt_error *err);

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

/** dat_option_common - take an option that means the same in both versions; others are ignored */
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

/* Where the fields of an event are. The order of at[] is that of the table in formats.c. */
#define LAYOUT_FIELDS 8
#define LAYOUT_ABSENT UINT16_MAX

struct event_layout {
	uint8_t type;	 /* enum vmrt_event_type */
	uint8_t narrow;	 /* bit i: field i is 4 bytes where 8 are usual */
	uint8_t dynamic; /* bit i: field i is a __data_loc string */
	uint8_t usual;	 /* enum usual_layout */
	uint16_t least;	 /* a record is at least this long */
	uint16_t at[LAYOUT_FIELDS];
	uint16_t unused[5]; /* a power of two in size, so that one is found fast */
};

/* Events of which there are so many that they are decoded with fixed offsets where these are right.
 */
enum usual_layout { USUAL_NONE, USUAL_SWITCH, USUAL_WAKE };

/* The fields of sched_switch as all 64-bit kernels up to now have them, from the first one on. */
struct usual_switch {
	char prev_comm[16];
	int32_t prev_pid, prev_prio;
	uint64_t prev_state;
	char next_comm[16];
	int32_t next_pid, next_prio;
};

/* Those of sched_waking and sched_wakeup, but for the CPU. */
struct usual_wake {
	char comm[16];
	int32_t pid, prio;
};

#define WAKE_CPU_FIELD 3 /* where the CPU is in their at[] */
#define TASK_STATE_MASK                                                                            \
	0xff /* of prev_state; above it, the kernel marks preemption of a running thread */

#define FORMATS_IDS 65536
#define FORMATS_LAYOUTS 64
#define FORMATS_SYMBOLS 32

struct vmrt_formats {
	uint8_t by_id[FORMATS_IDS]; /* index into layouts; 0: VMRT_EV_OTHER */
	struct event_layout layouts[FORMATS_LAYOUTS];
	unsigned n_layouts;
	uint32_t commit_size; /* of the page header: 4 or 8 */
	uint32_t page_size;   /* header and data, as the kernel says */
	bool have_common;
	uint16_t type_at, flags_at, pid_at; /* common fields */
	uint16_t depth_at;		    /* or LAYOUT_ABSENT */
	uint16_t common_least;
	struct {
		uint64_t address;
		enum vmrt_timer_fn fn;
	} symbols[FORMATS_SYMBOLS];
	unsigned n_symbols;
};

/* A field as a format text has it. */
struct format_field {
	bool there;
	bool dynamic; /* __data_loc: the record says where */
	unsigned offset, size;
};

/** formats_parse - find the fields @names (NULLs are skipped) in a format text; what is not there
 * is not */
void formats_parse(
	const char *text, const char *const *names, size_t n_names, struct format_field *fields);
/** formats_parse_id - the event's id, or 0 */
int formats_parse_id(const char *text);

struct vmrt_formats *formats_alloc(void);
enum vmrt_status formats_header_page(
	struct vmrt_formats *f, const char *text, struct vmrt_error *err);
enum vmrt_status formats_event(
	struct vmrt_formats *f, const char *system, const char *text, struct vmrt_error *err);
void formats_kallsyms(struct vmrt_formats *f, const char *text);
/** formats_finish - is there all that decoding needs? */
enum vmrt_status formats_finish(struct vmrt_formats *f, struct vmrt_error *err);

/** formats_decode_fields - formats_decode() for what is behind the common fields, of any layout */
bool formats_decode_fields(const struct vmrt_formats *f, const struct event_layout *l,
	const uint8_t *record, uint32_t size, char *name_room, struct vmrt_event *event);

/** formats_decode - fill @event (all but ts, lost and cpu) from a record; false if it is too short
 */
static inline bool formats_decode(const struct vmrt_formats *f, const uint8_t *record,
	uint32_t size, char *name_room, struct vmrt_event *event)
{
	const struct event_layout *l;
	const uint8_t *fields;

	if (size < f->common_least)
		return false;
	l = &f->layouts[f->by_id[dat_u16(record + f->type_at)]];
	event->type = l->type;
	event->flags = record[f->flags_at];
	/* the upper half counts something else */
	event->depth = f->depth_at == LAYOUT_ABSENT ? 0 : record[f->depth_at] & 0x0f;
	event->pid = (int32_t)dat_u32(record + f->pid_at);
	if (size < l->least)
		return false;
	fields = record + l->at[0];
	if (l->usual == USUAL_SWITCH) {
		event->sw.prev_comm = (const char *)fields;
		event->sw.prev_pid =
			(int32_t)dat_u32(fields + offsetof(struct usual_switch, prev_pid));
		event->sw.prev_prio =
			(int32_t)dat_u32(fields + offsetof(struct usual_switch, prev_prio));
		event->sw.prev_state = fields[offsetof(struct usual_switch, prev_state)];
		event->sw.next_comm =
			(const char *)fields + offsetof(struct usual_switch, next_comm);
		event->sw.next_pid =
			(int32_t)dat_u32(fields + offsetof(struct usual_switch, next_pid));
		event->sw.next_prio =
			(int32_t)dat_u32(fields + offsetof(struct usual_switch, next_prio));
		return true;
	}
	if (l->usual == USUAL_WAKE) {
		event->wake.comm = (const char *)fields;
		event->wake.pid = (int32_t)dat_u32(fields + offsetof(struct usual_wake, pid));
		event->wake.prio = (int32_t)dat_u32(fields + offsetof(struct usual_wake, prio));
		event->wake.target_cpu = (int32_t)dat_u32(record + l->at[WAKE_CPU_FIELD]);
		return true;
	}
	return l->type == VMRT_EV_OTHER ||
	       formats_decode_fields(f, l, record, size, name_room, event);
}

/* The walk over the records of one page. */
struct page_walk {
	const uint8_t *page;
	uint32_t pos, end; /* of the next entry header; of the data */
	uint64_t ts;	   /* raw time of the last entry */
	uint64_t lost;	   /* before the next record; UINT64_MAX: some */
	bool cut;	   /* the page's end is missing: stop there without complaint */
	const char *wrong; /* after -1: what */
};

/**
 * page_begin - start with the page of @size bytes at @page
 * @commit_size: size of the commit field, 4 or 8
 * @cut: the file ends within the page
 *
 * Return: false if the page header is malformed (@walk->wrong).
 */
bool page_begin(
	struct page_walk *walk, const uint8_t *page, uint32_t size, uint32_t commit_size, bool cut);

/** page_next_any - page_next() for entries of all kinds */
int page_next_any(struct page_walk *walk, const uint8_t **record, uint32_t *size);

#define PAGE_ENTRY_WORDS                                                                           \
	28 /* the longest data, in words, of an entry whose type is that length                    \
	    */

/** page_next_quick - page_next() if the next entry is of the usual kind; else false, and nothing is
 * done */
static inline bool page_next_quick(struct page_walk *walk, const uint8_t **record, uint32_t *size)
{
	const uint8_t *entry = walk->page + walk->pos;
	uint32_t left = walk->end - walk->pos, word, words;
	uint64_t ts;

	if (left < 4)
		return false;
	word = dat_u32(entry);
	words = word & 31;
	ts = walk->ts + (word >> 5);
	if (words - 1 >= PAGE_ENTRY_WORDS || 4 + 4 * words > left || (int64_t)ts < 0)
		return false;
	walk->ts = ts;
	walk->pos += 4 + 4 * words;
	*record = entry + 4;
	*size = 4 * words;
	return true;
}

/** page_next - 1 with the next record, its time in @walk->ts; 0 at the end; -1 if malformed */
static inline int page_next(struct page_walk *walk, const uint8_t **record, uint32_t *size)
{
	return page_next_quick(walk, record, size) ? 1 : page_next_any(walk, record, size);
}

/* Where the pages of a CPU come from. */
struct page_feed;

/** page_feed_file - pages of CPU @cpu of @dat, read in windows of about @window bytes; NULL: no
 * memory */
struct page_feed *page_feed_file(const struct vmrt_dat *dat, unsigned cpu, size_t window);
/** page_feed_live - pages that are pushed */
struct page_feed *page_feed_live(uint32_t page_size);
enum vmrt_status page_feed_push(
	struct page_feed *feed, const void *page, size_t size, struct vmrt_error *err);
/**
 * page_feed_next - the next page; the one before is gone
 * @offset: where it is in the file (of a compressed page: its chunk), or DAT_PAGE_LIVE
 *
 * Return: 1, 0 at the end, -1 with @err
 */
int page_feed_next(struct page_feed *feed, const uint8_t **page, uint32_t *size, uint64_t *offset,
	bool *cut, struct vmrt_error *err);
bool page_feed_incomplete(const struct page_feed *feed);
void page_feed_free(struct page_feed *feed);

#endif

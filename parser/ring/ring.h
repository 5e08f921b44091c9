/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_RING_H
#define VMRT_PARSER_RING_RING_H

/*
 * Sub-buffers and event formats as the kernel's ring buffer writes them. Every byte of a recording,
 * of a live buffer and of a guest is read by this code; nothing else knows the layout.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <vmrt/dat.h>

#define RING_MAX_CPUS 4096
#define RING_MIN_PAGE 512u
#define RING_MAX_PAGE (16u << 20)
#define RING_PAGE_LIVE UINT64_MAX      /* file offset of a page that comes from no file */
#define RING_COMM 16		       /* bytes of a thread's name */
#define RING_NAME_ROOM (2 * RING_COMM) /* names of one event that stand at its end (__data_loc) */

static inline uint16_t ring_u16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t ring_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t ring_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The places of an event's fields. The order of at[] is that of the table in formats.c. */
#define LAYOUT_FIELDS 8
#define LAYOUT_ABSENT UINT16_MAX

struct event_layout {
	uint8_t type;	 /* enum vmrt_event_type */
	uint8_t narrow;	 /* bit i: field i has 4 bytes instead of the usual 8 */
	uint8_t dynamic; /* bit i: field i is a __data_loc string */
	uint8_t usual;	 /* enum usual_layout */
	uint16_t least;	 /* a record is at least this long */
	uint16_t at[LAYOUT_FIELDS];
	uint16_t want;	    /* number of the event in the table in formats.c */
	uint16_t unused[4]; /* makes the size a power of two, so that an index is computed fast */
};

/* Events that are so frequent that they are decoded with fixed offsets if the formats have
 * these. */
enum usual_layout { USUAL_NONE, USUAL_SWITCH, USUAL_WAKE };

/* The common fields as all kernels have them, from 2.6.31 on. */
struct usual_common {
	uint16_t type;
	uint8_t flags, depth;
	int32_t pid;
};

/* The fields of sched_switch as all 64-bit kernels up to now have them, from the first one on. */
struct usual_switch {
	char prev_comm[16];
	int32_t prev_pid, prev_prio;
	uint64_t prev_state;
	char next_comm[16];
	int32_t next_pid, next_prio;
};

/* The fields of sched_waking and sched_wakeup without the CPU. */
struct usual_wake {
	char comm[16];
	int32_t pid, prio;
};

#define WAKE_CPU_FIELD 3 /* index of the CPU in at[] of both events */
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
	bool usual_common; /* they lie as in struct usual_common */
	struct {
		uint64_t address;
		enum vmrt_timer_fn fn;
	} symbols[FORMATS_SYMBOLS];
	unsigned n_symbols;
};

/* A field as it stands in a format text. */
struct format_field {
	bool there;
	bool dynamic; /* __data_loc: the record says where */
	unsigned offset, size;
};

/** formats_parse - find the fields @names (NULLs are skipped) in a format text; fields that do not
 * stand there are marked so */
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
/** formats_hide_timers - treat events of timers as events that nobody uses */
void formats_hide_timers(struct vmrt_formats *f);
/** formats_finish - check that all events needed for decoding were found */
enum vmrt_status formats_finish(struct vmrt_formats *f, struct vmrt_error *err);

/** formats_event_name - the name of the used event number @want; false behind the last one */
bool formats_event_name(unsigned want, const char **system, const char **name);

/** formats_decode_fields - the part of formats_decode() for the fields behind the common ones, with
 * any layout */
bool formats_decode_fields(const struct vmrt_formats *f, const struct event_layout *l,
	const uint8_t *record, uint32_t size, char *name_room, struct vmrt_event *event);

/* The common fields of a record, wherever they lie. */
static inline struct usual_common formats_common(
	const struct vmrt_formats *f, const uint8_t *record)
{
	struct usual_common common;

	if (f->usual_common) {
		memcpy(&common, record, sizeof(common));
		return common;
	}
	common.type = ring_u16(record + f->type_at);
	common.flags = record[f->flags_at];
	common.depth = f->depth_at == LAYOUT_ABSENT ? 0 : record[f->depth_at];
	common.pid = (int32_t)ring_u32(record + f->pid_at);
	return common;
}

/** formats_decode - fill @event (all but ts, lost and cpu) from a record; false if it is too short
 */
static inline bool formats_decode(const struct vmrt_formats *f, const uint8_t *record,
	uint32_t size, char *name_room, struct vmrt_event *event)
{
	struct usual_common common;
	const struct event_layout *l;
	const uint8_t *fields;
	uint8_t layout;

	if (size < f->common_least)
		return false;
	common = formats_common(f, record);
	layout = f->by_id[common.type];
	l = &f->layouts[layout];
	fields = record + l->at[0];
	event->layout = layout;
	event->type = l->type;
	event->flags = common.flags;
	event->depth = common.depth & 0x0f; /* the upper half counts something else */
	event->pid = common.pid;
	if (size < l->least)
		return false;
	if (l->usual == USUAL_SWITCH) {
		event->sw.prev_comm = (const char *)fields;
		event->sw.prev_pid =
			(int32_t)ring_u32(fields + offsetof(struct usual_switch, prev_pid));
		event->sw.prev_prio =
			(int32_t)ring_u32(fields + offsetof(struct usual_switch, prev_prio));
		event->sw.prev_state = fields[offsetof(struct usual_switch, prev_state)];
		event->sw.next_comm =
			(const char *)fields + offsetof(struct usual_switch, next_comm);
		event->sw.next_pid =
			(int32_t)ring_u32(fields + offsetof(struct usual_switch, next_pid));
		event->sw.next_prio =
			(int32_t)ring_u32(fields + offsetof(struct usual_switch, next_prio));
		return true;
	}
	if (l->usual == USUAL_WAKE) {
		event->wake.comm = (const char *)fields;
		event->wake.pid = (int32_t)ring_u32(fields + offsetof(struct usual_wake, pid));
		event->wake.prio = (int32_t)ring_u32(fields + offsetof(struct usual_wake, prio));
		event->wake.target_cpu = (int32_t)ring_u32(record + l->at[WAKE_CPU_FIELD]);
		return true;
	}
	return l->type == VMRT_EV_OTHER ||
	       formats_decode_fields(f, l, record, size, name_room, event);
}

/* The walk over the records of one page. */
struct page_walk {
	const uint8_t *page;
	uint32_t pos, end; /* of the next entry header; and the end of the data */
	uint64_t ts;	   /* raw time of the last entry */
	uint64_t lost;	   /* before the next record; UINT64_MAX: some */
	uint64_t latest;   /* a page with records later than this is damaged: it ends before them */
	bool stray;	   /* there was such a record */
	bool cut;	   /* the page's end is missing: stop there without an error */
	const char *wrong; /* after -1: what is wrong */
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

/** page_next_quick - page_next() for the usual kind of entry; false, without any effect, if the
 * next one is of another kind */
static inline bool page_next_quick(struct page_walk *walk, const uint8_t **record, uint32_t *size)
{
	const uint8_t *entry = walk->page + walk->pos;
	uint32_t left = walk->end - walk->pos, word, words;
	uint64_t ts;

	if (left < 4)
		return false;
	word = ring_u32(entry);
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

/* Where the pages of a CPU come from: a file, or a program that pushes them. */
struct page_feed {
	/**
	 * next - the next page; the one before is gone
	 * @offset: where it is in the file (of a compressed page: its chunk), or RING_PAGE_LIVE
	 * @cut: the file ends within this page
	 *
	 * Return: 1, 0 at the end, -1 with @err
	 */
	int (*next)(struct page_feed *feed, const uint8_t **page, uint32_t *size, uint64_t *offset,
		bool *cut, struct vmrt_error *err);
	void (*free)(struct page_feed *feed);
	bool incomplete; /* the file ends before the data do */
	uint64_t later;	 /* raw time at which a page behind the one given begins; or UINT64_MAX */
};

/** page_feed_live - pages that are pushed */
struct page_feed *page_feed_live(uint32_t page_size);
/** page_feed_push - add a page (copied) to a feed made by page_feed_live() */
enum vmrt_status page_feed_push(
	struct page_feed *feed, const void *page, size_t size, struct vmrt_error *err);

#endif

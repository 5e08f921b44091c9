/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_STREAM_H
#define VMRT_PARSER_RING_STREAM_H

/* The inside of a stream, for callers that read so many events that a function call for each would
 * cost much time. */

#include "ring.h"

struct stream_cpu {
	struct page_feed *feed;
	struct page_walk walk;
	const struct vmrt_clockmap *clock; /* maps its times; NULL: times are used as recorded */
	size_t hint;
	uint64_t page_offset;
	uint64_t raw_ts;    /* begin of its last page that was no stray */
	uint64_t most_ts;   /* of all records of the pages before */
	uint64_t most_from; /* begin of the page with the record at most_ts */
	bool was_behind;    /* the page began before most_ts */
	int64_t ts;	    /* of the next record */
	int64_t record_ns;  /* time of the next record as recorded, in ns */
	uint64_t events;    /* returned so far */
	const uint8_t *record;
	uint32_t size;
	uint64_t lost;
	uint16_t cpu;
	bool dead; /* its data are malformed from here on */
	bool in_page;
	bool had_records;
	bool broken_off; /* it recorded more events than there are */
	bool losing;	 /* its next record comes behind lost ones; vmrt_stream_losing() has not
			    said so */
	bool dry; /* all of its records have been returned; in a live stream: all that there are now
		   */
	bool ended, reported; /* there was more, but it cannot be read; vmrt_stream_ended() has said
				 so */
};

/* The time of the begin, as recorded, of a page that stands behind another page which goes on for
 * longer; or of that other page. One of the two has a wrong time. */
struct stream_late_time {
	unsigned cpu;
	bool lets_seem_late; /* this is the page that goes on for longer */
	uint64_t ts;
};

struct stream_late_pages {
	struct stream_late_time
		*at; /* two entries for each late page; sorted when they are taken */
	size_t n;
};

struct vmrt_stream {
	const struct vmrt_formats *formats;
	const char *path; /* NULL: live */
	uint32_t tsc_mult, tsc_shift;
	unsigned zeros; /* pages that were never written */
	bool converts;	/* times are converted, not used as recorded */
	bool live, cut;
	int64_t limit;

	struct stream_cpu *cpus;
	unsigned n_cpus;
	struct stream_cpu **heap;
	unsigned n_heap;
	const struct stream_cpu *second; /* the first of the other CPUs in the heap, or NULL */
	struct stream_cpu
		*current; /* the CPU whose record was returned last; it still has to be moved on */
	struct stream_cpu *quick; /* the same, if stream_quick() may do that; or NULL */
	bool started;
	int64_t last_ts;
	uint64_t counts[FORMATS_LAYOUTS]; /* of the events returned, by their layout */

	unsigned n_losing;	       /* CPUs whose next records are lost; not asked about yet */
	unsigned n_ended;	       /* CPUs that ended early and were not asked about yet */
	unsigned strays;	       /* pages, or rests of pages, with impossible times */
	bool may_be_set_back;	       /* the clock may run back at any time */
	struct stream_late_pages late; /* that were found */
	const struct stream_late_pages *known; /* late pages found in an earlier reading, or NULL */
	unsigned n_errors;		       /* CPUs with an error that was not reported yet */
	struct vmrt_error *errors;	       /* room for one error of each CPU */
	char name_room[RING_NAME_ROOM];
};

/**
 * stream_is_late - does the page of @cpu that begins stand behind pages that were written after it?
 *
 * If it does, it must be left out, because its events come too late. If an earlier reading has
 * found which page made another one seem late, that page must be left out, too. If a late page
 * belongs in front of this one, the next record of @cpu is marked as standing behind a loss.
 */
bool stream_is_late(struct vmrt_stream *s, struct stream_cpu *cpu);

/** stream_note_stray - note that the page of @cpu that begins is left out: it may belong somewhere
 * behind */
void stream_note_stray(struct vmrt_stream *s, const struct stream_cpu *cpu);

/** stream_late_take - moves the list of late pages to @out, sorted, unless that has any already */
void stream_late_take(struct vmrt_stream *s, struct stream_late_pages *out);

static inline bool stream_before(const struct stream_cpu *a, const struct stream_cpu *b)
{
	return a->ts < b->ts || (a->ts == b->ts && a->cpu < b->cpu);
}

/** stream_convert - the time of the record that @cpu is at, where times are not used as recorded */
int64_t stream_convert(const struct vmrt_stream *s, struct stream_cpu *cpu);

/* Time of the record that @cpu is at. */
static inline int64_t stream_time(const struct vmrt_stream *s, struct stream_cpu *cpu)
{
	return s->converts ? stream_convert(s, cpu) : (int64_t)cpu->walk.ts;
}

/* Returns the record of @cpu, decoded into @event, to the caller. */
static inline void stream_hand_out(
	struct vmrt_stream *s, struct stream_cpu *cpu, struct vmrt_event *event)
{
	s->current = cpu;
	s->counts[event->layout]++;
	event->ts = cpu->ts;
	event->cpu = cpu->cpu;
	event->lost = cpu->lost;
	s->last_ts = cpu->ts;
	cpu->events++;
}

/** stream_new - a stream of @n_cpus CPUs without feeds; free with vmrt_stream_free(); NULL: no
 * memory
 */
struct vmrt_stream *stream_new(const struct vmrt_formats *formats, unsigned n_cpus);
/** stream_revive - take note that there are new pages of @cpu, which may have run out of records */
void stream_revive(struct vmrt_stream *s, unsigned cpu);
/** stream_ends_early - take note that the data of @cpu end before the recording of that CPU does */
void stream_ends_early(struct vmrt_stream *s, struct stream_cpu *cpu);

/** stream_drop_current - drop what is left of the CPU whose record was returned last, and that
 * record */
void stream_drop_current(struct vmrt_stream *s);

/** stream_is_last_page - is the present page the last one of the CPU whose record was returned
 * last? */
bool stream_is_last_page(const struct vmrt_stream *s);

/** stream_cpus_with_events - how many CPUs have had records, or have some */
size_t stream_cpus_with_events(const struct vmrt_stream *s);

/** stream_reorder - put the top of the heap, which is no longer the first, into its place; returns
 * the new top */
struct stream_cpu *stream_reorder(struct vmrt_stream *s);

/**
 * stream_quick - vmrt_stream_next() for the usual case: the CPU whose record was returned last has
 * another one on the same page
 *
 * Return: false in other cases; nothing was changed then, and vmrt_stream_next() has to be called.
 */
static inline bool stream_quick(struct vmrt_stream *s, struct vmrt_event *event)
{
	struct stream_cpu *cpu = s->quick;

	if (!cpu || !page_next_quick(&cpu->walk, &cpu->record, &cpu->size))
		return false;
	cpu->ts = stream_time(s, cpu);
	cpu->lost = 0;
	if (s->second && stream_before(s->second, cpu))
		cpu = stream_reorder(s);
	if (!formats_decode(s->formats, cpu->record, cpu->size, s->name_room, event)) {
		s->current = NULL;
		return false;
	}
	s->quick = cpu;
	stream_hand_out(s, cpu, event);
	return true;
}

#endif

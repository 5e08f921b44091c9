/* SPDX-License-Identifier: MIT */
/* Merges the CPUs of one machine into one sequence of events. */
#include "stream.h"

#include <stdlib.h>

#include <vmrt/clock.h>

/*
 * The CPUs are kept in a heap, by the time of their next records and then by number. A CPU stays on
 * top, unmoved, as long as its records are earlier than those of the second CPU in order. The
 * record returned last stays valid until the next one is asked for.
 */

/* Pages may overlap by this, in raw times: 1 s if they are ns. */
#define DISORDER_MAX UINT64_C(1000000000)

static void sift_down(struct vmrt_stream *s, unsigned i)
{
	struct stream_cpu *moving = s->heap[i];

	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && stream_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!stream_before(s->heap[child], moving))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = moving;
}

static void find_second(struct vmrt_stream *s)
{
	s->second = s->n_heap > 1 ? s->heap[1] : NULL;
	if (s->n_heap > 2 && stream_before(s->heap[2], s->heap[1]))
		s->second = s->heap[2];
}

static void heap_add(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	unsigned i = s->n_heap++;

	while (i && stream_before(cpu, s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = cpu;
	find_second(s);
}

static void heap_drop_top(struct vmrt_stream *s)
{
	s->heap[0] = s->heap[--s->n_heap];
	if (s->n_heap)
		sift_down(s, 0);
	find_second(s);
}

int64_t stream_convert(const struct vmrt_stream *s, struct stream_cpu *cpu)
{
	uint64_t ts = cpu->walk.ts;
	int64_t ns;

	if (s->tsc_mult)
		ts = (uint64_t)(((unsigned __int128)ts * s->tsc_mult) >> s->tsc_shift) & INT64_MAX;
	ns = cpu->clock ? vmrt_clockmap_to_host(cpu->clock, (int64_t)ts, &cpu->hint) : (int64_t)ts;
	/* at a corner of the clock map times must not run back */
	if (cpu->clock && ns < cpu->ts && (int64_t)ts >= cpu->record_ns)
		ns = cpu->ts;
	cpu->record_ns = (int64_t)ts;
	return ns;
}

struct stream_cpu *stream_reorder(struct vmrt_stream *s)
{
	sift_down(s, 0);
	find_second(s);
	return s->heap[0];
}

/* Puts the top into its place after its time has changed. */
static void heap_settle_top(struct vmrt_stream *s)
{
	if (s->second && stream_before(s->second, s->heap[0]))
		stream_reorder(s);
}

void stream_ends_early(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	if (!cpu->ended)
		s->n_ended++;
	cpu->ended = true;
}

static void die(struct vmrt_stream *s, struct stream_cpu *cpu, uint64_t offset, const char *what)
{
	struct vmrt_error *err = &s->errors[s->n_errors++];

	cpu->dead = true;
	stream_ends_early(s, cpu);
	cpu->in_page = false;
	if (offset == RING_PAGE_LIVE)
		vmrt_fail(err, VMRT_EFORMAT, "live pages: CPU %u: %s", cpu->cpu, what);
	else
		vmrt_fail(err, VMRT_EFORMAT,
			"%s: CPU %u: %s (at offset %llu); the rest of this CPU is skipped", s->path,
			cpu->cpu, what, (unsigned long long)offset);
}

/* Pages of a CPU follow one another in time. A page has a wrong time if it begins clearly later
 * than the page behind it, and that one fits to the page before. */
static bool is_stray(const struct stream_cpu *cpu)
{
	uint64_t later = cpu->feed->later;

	return cpu->walk.ts > later && cpu->walk.ts - later > DISORDER_MAX &&
	       (later >= cpu->raw_ts || cpu->raw_ts - later < DISORDER_MAX);
}

/* Drops the rest of the page, whose times are impossible: it counts as lost. */
static void drop_stray(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	cpu->lost = UINT64_MAX;
	cpu->walk.ts = cpu->raw_ts; /* its own time is impossible */
	s->strays++;
}

static bool next_page(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	struct vmrt_error why;
	const uint8_t *page;
	uint32_t size;
	bool cut, stray;
	int more = cpu->feed->next(cpu->feed, &page, &size, &cpu->page_offset, &cut, &why);

	if (cpu->had_records && cpu->walk.ts > cpu->most_ts) {
		cpu->most_ts = cpu->walk.ts;
		cpu->most_from = cpu->raw_ts;
	}
	cpu->in_page = false;
	if (more < 0)
		die(s, cpu, cpu->page_offset, why.text);
	/* if a file ends with a loss, no later record can report the loss */
	if (!more && (s->cut || cpu->broken_off || cpu->feed->incomplete ||
			     (cpu->lost && cpu->page_offset != RING_PAGE_LIVE)))
		stream_ends_early(s, cpu);
	if (more <= 0)
		return false;
	if (!page_begin(&cpu->walk, page, size, s->formats->commit_size, cut)) {
		die(s, cpu, cpu->page_offset, cpu->walk.wrong);
		return false;
	}
	/* A page without records passes its loss on. */
	if (cpu->walk.lost && __builtin_add_overflow(cpu->lost, cpu->walk.lost, &cpu->lost))
		cpu->lost = UINT64_MAX;
	cpu->in_page = true;
	/* a page of zeros was never written, so its events are lost */
	if (!cpu->walk.ts && !cpu->walk.lost && cpu->walk.pos == cpu->walk.end) {
		cpu->lost = UINT64_MAX;
		s->zeros++;
		return true;
	}
	stray = is_stray(cpu);
	if (stray)
		stream_note_stray(s, cpu);
	if (stray || stream_is_late(s, cpu)) {
		drop_stray(s, cpu);
		cpu->walk.end = cpu->walk.pos;
		return true;
	}
	cpu->raw_ts = cpu->walk.ts;
	cpu->had_records = true;
	if (cpu->feed->later < UINT64_MAX - DISORDER_MAX)
		cpu->walk.latest = cpu->feed->later + DISORDER_MAX;
	return true;
}

/* Go on to pages that have a record; false if there is none. */
static bool advance_pages(struct vmrt_stream *s, struct stream_cpu *cpu, int more)
{
	if (cpu->dead)
		return false;
	for (;; more = page_next(&cpu->walk, &cpu->record, &cpu->size)) {
		if (more == 1)
			return true;
		if (more < 0) {
			die(s, cpu,
				cpu->page_offset == RING_PAGE_LIVE
					? RING_PAGE_LIVE
					: cpu->page_offset + cpu->walk.pos,
				cpu->walk.wrong);
			return false;
		}
		if (cpu->in_page && cpu->walk.stray)
			drop_stray(s, cpu);
		if (!next_page(s, cpu))
			return false;
	}
}

/* Go to the CPU's next record; false if none is left; in a live stream more may follow later. */
static bool advance(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	int more = cpu->in_page ? page_next(&cpu->walk, &cpu->record, &cpu->size) : 0;

	if (more != 1 && !advance_pages(s, cpu, more))
		return false;
	cpu->ts = stream_time(s, cpu);
	return true;
}

/* The next record of @cpu is known: note if events were lost before it. */
static void note_losing(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	if (!cpu->lost || cpu->losing)
		return;
	cpu->losing = true;
	s->n_losing++;
}

/* Brings the heap up to date: moves the CPU whose record was returned, and adds CPUs that have new
 * pages. */
static void settle(struct vmrt_stream *s)
{
	s->quick = NULL;
	if (s->current) {
		struct stream_cpu *cpu = s->current;

		s->current = NULL;
		cpu->lost = 0;
		if (advance(s, cpu)) {
			note_losing(s, cpu);
			heap_settle_top(s);
		} else {
			cpu->dry = true;
			heap_drop_top(s);
		}
	}
	if (!s->started) {
		s->started = true;
		for (unsigned i = 0; i < s->n_cpus; i++) {
			s->cpus[i].dry = !s->cpus[i].feed || !advance(s, &s->cpus[i]);
			if (s->cpus[i].dry)
				continue;
			note_losing(s, &s->cpus[i]);
			heap_add(s, &s->cpus[i]);
		}
	}
}

struct vmrt_stream *stream_new(const struct vmrt_formats *formats, unsigned n_cpus)
{
	struct vmrt_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->formats = formats;
	s->limit = INT64_MAX;
	s->n_cpus = n_cpus;
	s->cpus = calloc(n_cpus ? n_cpus : 1, sizeof(*s->cpus));
	s->heap = calloc(n_cpus ? n_cpus : 1, sizeof(*s->heap));
	s->errors = calloc(n_cpus ? n_cpus : 1, sizeof(*s->errors));
	if (!s->cpus || !s->heap || !s->errors) {
		vmrt_stream_free(s);
		return NULL;
	}
	for (unsigned i = 0; i < n_cpus; i++)
		s->cpus[i].cpu = (uint16_t)i;
	return s;
}

void vmrt_stream_broken_off(struct vmrt_stream *stream)
{
	stream->cut = true;
	for (unsigned i = 0; i < stream->n_cpus; i++)
		if (!stream->cpus[i].feed)
			stream_ends_early(stream, &stream->cpus[i]);
}

void vmrt_stream_cpu_broken_off(struct vmrt_stream *stream, unsigned cpu)
{
	stream->cpus[cpu].broken_off = true;
}

enum vmrt_status vmrt_stream_live(const struct vmrt_formats *formats, unsigned cpus,
	uint32_t page_size, struct vmrt_stream **out, struct vmrt_error *err)
{
	struct vmrt_stream *s;

	if (!cpus || cpus > RING_MAX_CPUS || page_size < RING_MIN_PAGE || page_size > RING_MAX_PAGE)
		return vmrt_fail(err, VMRT_EINVAL,
			"a live stream of %u CPUs with pages of %u bytes", cpus, page_size);
	s = stream_new(formats, cpus);
	if (!s)
		return vmrt_fail(err, VMRT_ENOMEM, "live stream: out of memory");
	s->live = true;
	s->limit = INT64_MIN;
	for (unsigned i = 0; i < cpus; i++) {
		s->cpus[i].feed = page_feed_live(page_size);
		if (!s->cpus[i].feed) {
			vmrt_stream_free(s);
			return vmrt_fail(err, VMRT_ENOMEM, "live stream: out of memory");
		}
	}
	*out = s;
	return VMRT_OK;
}

static bool in_heap(const struct vmrt_stream *s, const struct stream_cpu *cpu)
{
	for (unsigned i = 0; i < s->n_heap; i++)
		if (s->heap[i] == cpu)
			return true;
	return false;
}

void stream_revive(struct vmrt_stream *s, unsigned cpu)
{
	struct stream_cpu *c = &s->cpus[cpu];

	settle(s);
	if (c->dead || in_heap(s, c) || !advance(s, c))
		return;
	c->dry = false;
	heap_add(s, c);
}

enum vmrt_status vmrt_stream_push(struct vmrt_stream *stream, unsigned cpu, const void *page,
	size_t size, struct vmrt_error *err)
{
	struct stream_cpu *c;
	enum vmrt_status status;

	if (!stream->live || cpu >= stream->n_cpus)
		return vmrt_fail(
			err, VMRT_EINVAL, "a page of CPU %u, which the stream does not have", cpu);
	c = &stream->cpus[cpu];
	if (c->dead)
		return VMRT_OK;
	status = page_feed_push(c->feed, page, size, err);
	if (status != VMRT_OK)
		return status;
	stream_revive(stream, cpu);
	return VMRT_OK;
}

void vmrt_stream_limit(struct vmrt_stream *stream, int64_t local_ns)
{
	stream->limit = local_ns;
}

int vmrt_stream_next(struct vmrt_stream *stream, struct vmrt_event *event, struct vmrt_error *err)
{
	struct stream_cpu *cpu;

	settle(stream);
	if (stream->n_errors) {
		stream->n_errors--;
		if (err)
			*err = stream->errors[stream->n_errors];
		return -1;
	}
	if (!stream->n_heap || stream->heap[0]->ts > stream->limit)
		return 0;
	cpu = stream->heap[0];
	if (!formats_decode(stream->formats, cpu->record, cpu->size, stream->name_room, event)) {
		die(stream, cpu,
			cpu->page_offset == RING_PAGE_LIVE
				? RING_PAGE_LIVE
				: cpu->page_offset + (uint64_t)(cpu->record - cpu->walk.page),
			"a record shorter than its event's format says");
		cpu->dry = true;
		heap_drop_top(stream);
		return vmrt_stream_next(stream, event, err);
	}
	stream_hand_out(stream, cpu, event);
	if (!stream->live && !stream->n_errors)
		stream->quick = cpu;
	return 1;
}

void stream_drop_current(struct vmrt_stream *s)
{
	struct stream_cpu *cpu = s->current;

	if (!cpu)
		return;
	cpu->dead = true;
	cpu->in_page = false;
	s->quick = NULL;
	stream_ends_early(s, cpu);
}

bool stream_is_last_page(const struct vmrt_stream *s)
{
	return !s->current || s->current->feed->later == UINT64_MAX;
}

size_t stream_cpus_with_events(const struct vmrt_stream *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < s->n_cpus; i++)
		n += s->cpus[i].had_records;
	return n;
}

int64_t vmrt_stream_peek(struct vmrt_stream *stream)
{
	settle(stream);
	if (stream->n_errors)
		return stream->last_ts; /* an error has to be reported now */
	if (!stream->n_heap || stream->heap[0]->ts > stream->limit)
		return INT64_MAX;
	return stream->heap[0]->ts;
}

uint64_t vmrt_stream_count(const struct vmrt_stream *stream, unsigned cpu)
{
	return cpu < stream->n_cpus ? stream->cpus[cpu].events : 0;
}

int vmrt_stream_ended(struct vmrt_stream *stream)
{
	for (unsigned i = 0; stream->n_ended && i < stream->n_cpus; i++) {
		if (!stream->cpus[i].ended || stream->cpus[i].reported)
			continue;
		stream->cpus[i].reported = true;
		stream->n_ended--;
		return (int)i;
	}
	return -1;
}

int vmrt_stream_losing(struct vmrt_stream *stream)
{
	for (unsigned i = 0; stream->n_losing && i < stream->n_cpus; i++) {
		if (!stream->cpus[i].losing)
			continue;
		stream->cpus[i].losing = false;
		stream->n_losing--;
		return (int)i;
	}
	return -1;
}

void vmrt_stream_free(struct vmrt_stream *stream)
{
	if (!stream)
		return;
	for (unsigned i = 0; stream->cpus && i < stream->n_cpus; i++)
		if (stream->cpus[i].feed)
			stream->cpus[i].feed->free(stream->cpus[i].feed);
	free(stream->cpus);
	free(stream->heap);
	free(stream->errors);
	free(stream->late.at);
	free(stream);
}

bool vmrt_stream_event(const struct vmrt_stream *stream, unsigned i, struct vmrt_event_count *out)
{
	const struct vmrt_formats *f = stream->formats;

	memset(out, 0, sizeof(*out));
	if (!formats_event_name(i, &out->system, &out->name))
		return false;
	for (unsigned l = 1; l < f->n_layouts; l++) {
		if (f->layouts[l].want != i)
			continue;
		out->described = true;
		out->count += stream->counts[l];
	}
	return true;
}

const void *vmrt_stream_record(const struct vmrt_stream *stream, uint32_t *size)
{
	*size = stream->current ? stream->current->size : 0;
	return stream->current ? stream->current->record : NULL;
}

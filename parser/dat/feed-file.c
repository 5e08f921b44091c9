/* SPDX-License-Identifier: MIT */
/* Reads the pages of one CPU of a file: windows of the file, or chunks that are decompressed. */
#include "dat.h"

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define FREE_CHUNKS                                                                                \
	(16u << 20) /* bytes of a CPU's chunks that may be unpacked whatever their ratio is */
#define FAR_AHEAD UINT64_C(100000000000) /* raw times of pages in a row: 100 s if they are ns */
#define PLACES_MAX 4096			 /* most places among which the begin is searched */
#define AHEAD sizeof(uint64_t)		 /* bytes read behind a window: time of its next page */

struct file_feed {
	struct page_feed base;
	const struct vmrt_dat *dat;   /* the file with the pages */
	const struct vmrt_dat *whole; /* the file whose headers describe the pages */
	const struct dat_cpu_data *data;
	uint32_t page_size;

	uint64_t next, end;		   /* still to be read from the file */
	uint64_t packed_all, unpacked_all; /* in the chunks so far */
	uint32_t chunks;		   /* compressed chunks still to come */
	bool counted;			   /* the number of chunks is known */

	uint8_t *buffer, *packed;
	size_t room, packed_room;
	size_t have, at;       /* bytes in the buffer; of them, handed out */
	size_t ahead;	       /* bytes behind them, which are in the next window, too */
	uint64_t buffer_from;  /* file offset of the buffer, or of its chunk */
	uint64_t page_ts;      /* time of the page returned last */
	struct places *places; /* while the begin is searched */
};

/* Chunks, or every second, fourth... of them. */
struct places {
	struct {
		uint64_t offset;
		uint32_t chunks; /* number of chunks from there on */
	} list[PLACES_MAX];
	uint32_t n;
};

/* Has the recorder begun to complete the file? Then the bytes that were just read may be of
 * anything. */
static bool has_moved(const struct file_feed *feed)
{
	return feed->whole->proof && access(feed->whole->proof, F_OK) != 0;
}

/* The next window of plain pages. */
static int fill_plain(struct file_feed *feed, struct vmrt_error *err)
{
	uint64_t left = feed->end - feed->next;
	size_t n = left < feed->room ? (size_t)left : feed->room;
	size_t ahead = left - n < AHEAD || feed->whole->proof ? 0 : AHEAD;

	if (!n)
		return 0;
	if (dat_pread(feed->dat, feed->buffer, n + ahead, feed->next, err) != VMRT_OK)
		return has_moved(feed) ? 0 : -1;
	if (has_moved(feed))
		return 0;
	feed->buffer_from = feed->next;
	feed->next += n;
	feed->have = n;
	feed->ahead = ahead;
	feed->at = 0;
	return 1;
}

static bool want_room(uint8_t **buffer, size_t *room, size_t size)
{
	uint8_t *more;

	if (size <= *room)
		return true;
	more = realloc(*buffer, size);
	if (!more)
		return false;
	*buffer = more;
	*room = size;
	return true;
}

/* Read @size bytes; 1, or 0 if the file ends before them, or -1. */
static int take(struct file_feed *feed, void *to, size_t size, struct vmrt_error *err)
{
	if (size > feed->end - feed->next) {
		if (feed->base.incomplete)
			return 0;
		vmrt_fail(err, VMRT_EFORMAT, "a compressed chunk is longer than its CPU's data");
		return -1;
	}
	if (dat_pread(feed->dat, to, size, feed->next, err) != VMRT_OK)
		return -1;
	feed->next += size;
	return 1;
}

/* A few small chunks may have any ratio, because a page is often nearly empty; but not any number
 * of chunks. */
static bool may_go_on(struct file_feed *feed, const uint32_t *sizes)
{
	feed->packed_all += sizes[0] + sizeof(uint32_t[2]);
	feed->unpacked_all += sizes[1];
	return dat_may_unpack(sizes[0], sizes[1]) &&
	       (feed->unpacked_all <= FREE_CHUNKS ||
		       feed->unpacked_all / DAT_MAX_RATIO <= feed->packed_all);
}

/* Reads the number of chunks, which stands in front of them; 1, or 0 if there are none, or -1. */
static int count_chunks(struct file_feed *feed, struct vmrt_error *err)
{
	int more;

	if (!feed->counted) {
		if (feed->next == feed->end)
			return 0;
		more = take(feed, &feed->chunks, sizeof(feed->chunks), err);
		if (more != 1)
			return more;
		feed->counted = true;
	}
	return feed->chunks > 0;
}

/* Unpacks the chunk at feed->next as pages into the buffer; 1, or 0 if the file ends in it, or
 * -1. */
static int unpack(struct file_feed *feed, struct vmrt_error *err)
{
	uint32_t sizes[2];
	size_t got;
	int more;

	feed->buffer_from = feed->next;
	more = take(feed, sizes, sizeof(sizes), err);
	if (more != 1)
		return more;
	if (sizes[0] > DAT_MAX_CHUNK || sizes[1] > DAT_MAX_CHUNK || !may_go_on(feed, sizes)) {
		vmrt_fail(err, VMRT_EFORMAT, "a compressed chunk has an impossible size");
		return -1;
	}
	if (!want_room(&feed->packed, &feed->packed_room, sizes[0]) ||
		!want_room(&feed->buffer, &feed->room, sizes[1])) {
		vmrt_fail(err, VMRT_ENOMEM, "pages: out of memory");
		return -1;
	}
	more = take(feed, feed->packed, sizes[0], err);
	if (more != 1)
		return more;
	got = ZSTD_decompress(feed->buffer, feed->room, feed->packed, sizes[0]);
	if (ZSTD_isError(got) || got != sizes[1]) {
		vmrt_fail(err, VMRT_EFORMAT, "a compressed chunk cannot be decompressed");
		return -1;
	}
	feed->have = got;
	feed->at = 0;
	return 1;
}

/* The next compressed chunk. */
static int fill_packed(struct file_feed *feed, struct vmrt_error *err)
{
	int more = count_chunks(feed, err);

	if (more == 1)
		more = unpack(feed, err);
	if (more == 1)
		feed->chunks--;
	return more;
}

/* Returns when the page behind the present one begins. If the present page is far ahead of the one
 * before it, the earliest of all pages in the buffer counts, because several may have wrong
 * times. */
static uint64_t next_page_time(struct file_feed *feed, uint64_t ts, bool far_ahead)
{
	uint64_t least = UINT64_MAX;

	for (size_t at = feed->at; at + sizeof(least) <= feed->have; at += feed->page_size) {
		uint64_t begins = ring_u64(feed->buffer + at);

		if (!begins) /* a page of zeros: it was never written */
			continue;
		least = begins < least ? begins : least;
		if (!far_ahead || feed->have - at <= feed->page_size)
			break;
	}
	/* the last page of a window */
	if (least == UINT64_MAX && feed->ahead && ring_u64(feed->buffer + feed->have))
		least = ring_u64(feed->buffer + feed->have);
	feed->page_ts = ts;
	return least;
}

static int next_page(struct page_feed *base, const uint8_t **page, uint32_t *size, uint64_t *offset,
	bool *cut, struct vmrt_error *err)
{
	struct file_feed *feed = (struct file_feed *)base;
	size_t left;

	*cut = false;
	*offset = feed->next;
	if (feed->whole->stop && feed->whole->stop())
		return 0;
	while (feed->at == feed->have) {
		int more = feed->dat->zstd ? fill_packed(feed, err) : fill_plain(feed, err);

		*offset = feed->next;
		if (more != 1)
			return more;
	}
	left = feed->have - feed->at;
	*page = feed->buffer + feed->at;
	*size = left < feed->page_size ? (uint32_t)left : feed->page_size;
	*offset = feed->buffer_from + (feed->dat->zstd ? 0 : feed->at);
	*cut = base->incomplete && left < feed->page_size && feed->next == feed->end;
	feed->at += *size;
	base->later = UINT64_MAX;
	if (left >= sizeof(uint64_t)) {
		uint64_t ts = ring_u64(*page);

		base->later = next_page_time(
			feed, ts, ts > feed->page_ts && ts - feed->page_ts > FAR_AHEAD);
	}
	return 1;
}

static void free_feed(struct page_feed *base)
{
	struct file_feed *feed = (struct file_feed *)base;

	free(feed->buffer);
	free(feed->packed);
	free(feed);
}

struct page_feed *page_feed_file(const struct vmrt_dat *dat, unsigned cpu, size_t window)
{
	const struct dat_cpu_data *data = &dat->buffer->cpus[cpu];
	struct file_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	feed->base.next = next_page;
	feed->base.free = free_feed;
	feed->dat = data->apart ? data->apart : dat;
	feed->whole = dat;
	feed->data = data;
	feed->page_size = dat->buffer->page_size;
	feed->next = data->offset;
	feed->end = data->offset + data->size;
	feed->base.incomplete = data->missing > 0;
	if (dat->zstd) {
		/* The number of chunks in front is not counted in the size. */
		feed->end += sizeof(feed->chunks);
		if (feed->end > dat->file_size)
			feed->end = dat->file_size;
	} else {
		feed->room = window - window % feed->page_size;
		if (!feed->room)
			feed->room = feed->page_size;
		if (feed->room > data->size && !dat->proof)
			feed->room = data->size ? (size_t)data->size : 1;
		feed->buffer = malloc(feed->room + AHEAD);
		if (!feed->buffer) {
			free(feed);
			return NULL;
		}
	}
	return &feed->base;
}

void page_feed_grow(struct page_feed *base)
{
	struct file_feed *feed = (struct file_feed *)base;

	feed->end = feed->data->offset + feed->data->size;
}

/* When a page begins, by its first bytes; UINT64_MAX: that is not known. */
static uint64_t begin_of(const uint8_t *page)
{
	uint64_t ts = ring_u64(page);

	return ts && ts <= INT64_MAX ? ts : UINT64_MAX;
}

typedef uint64_t time_fn(struct file_feed *feed, uint64_t i);

static uint64_t time_of_page(struct file_feed *feed, uint64_t i)
{
	uint8_t header[sizeof(uint64_t)];

	if (dat_pread(feed->dat, header, sizeof(header), feed->next + i * feed->page_size, NULL) !=
		VMRT_OK)
		return UINT64_MAX;
	return begin_of(header);
}

/* The last of @n places whose pages begin before what is wanted: 0 if it is not sure. */
static uint64_t last_before(
	struct file_feed *feed, uint64_t n, time_fn *time, dat_before_fn *before, void *ctx)
{
	uint64_t first = 0, behind = n;

	while (behind - first > 1 && behind) {
		uint64_t middle = first + (behind - first) / 2, ts = time(feed, middle);

		if (ts != UINT64_MAX && before(ctx, (int64_t)ts))
			first = middle;
		else
			behind = middle;
	}
	/* a page with a time that is too early would lead behind the wanted place */
	return first && time(feed, first - 1) <= time(feed, first) ? first : 0;
}

static uint64_t time_of_chunk(struct file_feed *feed, uint64_t i)
{
	feed->next = feed->places->list[i].offset;
	return unpack(feed, NULL) == 1 && feed->have >= sizeof(uint64_t) ? begin_of(feed->buffer)
									 : UINT64_MAX;
}

/* Half as many places, twice as far from each other. */
static void thin_out(struct places *p)
{
	p->n /= 2;
	for (uint32_t i = 0; i < p->n; i++)
		p->list[i] = p->list[2 * i];
}

/* Finds where chunks begin by their sizes; nothing is unpacked. Errors are found when the chunk is
 * read. */
static void find_places(struct file_feed *feed, struct places *p)
{
	uint64_t at = feed->next;
	uint32_t every = 1, sizes[2];

	for (uint32_t i = 0; i < feed->chunks; i++) {
		if (i % every == 0 && p->n == PLACES_MAX) {
			thin_out(p);
			every *= 2;
		}
		if (i % every == 0) {
			p->list[p->n].offset = at;
			p->list[p->n++].chunks = feed->chunks - i;
		}
		if (feed->whole->stop && i % PLACES_MAX == 0 && feed->whole->stop())
			return;
		if (feed->end - at < sizeof(sizes) ||
			dat_pread(feed->dat, sizes, sizeof(sizes), at, NULL) != VMRT_OK)
			return;
		at += sizeof(sizes);
		if (!sizes[0] || sizes[0] > feed->end - at)
			return;
		at += sizes[0];
	}
}

static void begin_at_chunk(struct file_feed *feed, dat_before_fn *before, void *ctx)
{
	struct places *p;
	uint64_t first;

	if (count_chunks(feed, NULL) != 1)
		return;
	p = feed->places = calloc(1, sizeof(*p));
	if (!p)
		return;
	find_places(feed, p);
	first = last_before(feed, p->n, time_of_chunk, before, ctx);
	feed->next = p->list[first].offset;
	feed->chunks = p->list[first].chunks;
	feed->have = feed->at = 0;
	feed->packed_all = feed->unpacked_all = 0;
	feed->places = NULL;
	free(p);
}

void page_feed_begin_at(struct page_feed *base, dat_before_fn *before, void *ctx)
{
	struct file_feed *feed = (struct file_feed *)base;

	if (feed->whole->proof && feed->dat->zstd)
		return;
	if (feed->dat->zstd)
		begin_at_chunk(feed, before, ctx);
	else
		feed->next += feed->page_size * last_before(feed,
							(feed->end - feed->next) / feed->page_size,
							time_of_page, before, ctx);
}

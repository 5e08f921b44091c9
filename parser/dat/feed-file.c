/* SPDX-License-Identifier: MIT */
/* The pages of one CPU of a file: windows of the file, or chunks that are decompressed. */
#include "dat.h"

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define FREE_CHUNKS (16u << 20)		 /* of a CPU, whatever they were before */
#define FAR_AHEAD UINT64_C(100000000000) /* raw times of pages in a row: 100 s if they are ns */
#define AHEAD sizeof(uint64_t)		 /* bytes behind a window: when its next page begins */

struct file_feed {
	struct page_feed base;
	const struct vmrt_dat *dat;   /* the file with the pages */
	const struct vmrt_dat *whole; /* the one that speaks of them */
	const struct dat_cpu_data *data;
	uint32_t page_size;

	uint64_t next, end;		   /* still to be read from the file */
	uint64_t packed_all, unpacked_all; /* in the chunks so far */
	uint32_t chunks;		   /* compressed chunks still to come */
	bool counted;			   /* the number of chunks is known */

	uint8_t *buffer, *packed;
	size_t room, packed_room;
	size_t have, at;      /* bytes in the buffer; of them, handed out */
	size_t ahead;	      /* bytes behind them, which are in the next window, too */
	uint64_t buffer_from; /* file offset of the buffer, or of its chunk */
	uint64_t page_ts;     /* of the page given last */
};

/* Has the recorder begun to put the file together? Then what was just read may be anything. */
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

/* Small chunks may be packed as they like, for a page is often nearly empty; not any number of
 * them. */
static bool may_go_on(struct file_feed *feed, const uint32_t *sizes)
{
	feed->packed_all += sizes[0] + sizeof(uint32_t[2]);
	feed->unpacked_all += sizes[1];
	return dat_may_unpack(sizes[0], sizes[1]) &&
	       (feed->unpacked_all <= FREE_CHUNKS ||
		       feed->unpacked_all / DAT_MAX_RATIO <= feed->packed_all);
}

/* The next compressed chunk, as pages. */
static int fill_packed(struct file_feed *feed, struct vmrt_error *err)
{
	uint32_t sizes[2];
	size_t got;
	int more;

	if (!feed->counted) {
		if (feed->next == feed->end)
			return 0;
		more = take(feed, &feed->chunks, sizeof(feed->chunks), err);
		if (more != 1)
			return more;
		feed->counted = true;
	}
	if (!feed->chunks)
		return 0;
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
	feed->chunks--;
	feed->have = got;
	feed->at = 0;
	return 1;
}

/*
 * When does the page behind the one at hand begin? If the one at hand is far ahead of the one
 * before it, the earliest of all that are in the buffer counts: several may be wrong.
 */
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

/* When page @i begins; UINT64_MAX: that is not known. */
static uint64_t time_of_page(const struct file_feed *feed, uint64_t i)
{
	uint8_t header[sizeof(uint64_t)];
	uint64_t ts;

	if (dat_pread(feed->dat, header, sizeof(header), feed->next + i * feed->page_size, NULL) !=
		VMRT_OK)
		return UINT64_MAX;
	ts = ring_u64(header);
	return ts && ts <= INT64_MAX ? ts : UINT64_MAX;
}

void page_feed_begin_at(struct page_feed *base, dat_before_fn *before, void *ctx)
{
	struct file_feed *feed = (struct file_feed *)base;
	uint64_t first = 0, behind = (feed->end - feed->next) / feed->page_size;

	if (feed->dat->zstd || feed->whole->proof)
		return;
	while (behind - first > 1 && behind) {
		uint64_t middle = first + (behind - first) / 2, ts = time_of_page(feed, middle);

		if (ts != UINT64_MAX && before(ctx, (int64_t)ts))
			first = middle;
		else
			behind = middle;
	}
	/* a time that is too early would lead behind what is wanted */
	if (first && time_of_page(feed, first - 1) <= time_of_page(feed, first))
		feed->next += first * feed->page_size;
}

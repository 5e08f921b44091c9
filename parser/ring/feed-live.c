/* SPDX-License-Identifier: MIT */
/* Keeps copies of the pages of one CPU that a program pushes, and returns them in the order in
 * which they came. */
#include "ring.h"

#include <stdlib.h>

struct pushed {
	struct pushed *next;
	uint32_t size;
	uint8_t bytes[];
};

struct live_feed {
	struct page_feed base;
	uint32_t page_size;
	struct pushed *first, **last, *current;
};

static int next_pushed(struct page_feed *base, const uint8_t **page, uint32_t *size,
	uint64_t *offset, bool *cut, struct vmrt_error *err)
{
	struct live_feed *feed = (struct live_feed *)base;

	(void)err;
	*offset = RING_PAGE_LIVE;
	*cut = false;
	free(feed->current);
	feed->current = feed->first;
	if (!feed->first)
		return 0;
	feed->first = feed->first->next;
	if (!feed->first)
		feed->last = &feed->first;
	*page = feed->current->bytes;
	*size = feed->current->size;
	return 1;
}

static void free_pushed(struct page_feed *base)
{
	struct live_feed *feed = (struct live_feed *)base;

	while (feed->first) {
		struct pushed *next = feed->first->next;

		free(feed->first);
		feed->first = next;
	}
	free(feed->current);
	free(feed);
}

struct page_feed *page_feed_live(uint32_t page_size)
{
	struct live_feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	feed->base.next = next_pushed;
	feed->base.free = free_pushed;
	feed->base.later = UINT64_MAX;
	feed->page_size = page_size;
	feed->last = &feed->first;
	return &feed->base;
}

enum vmrt_status page_feed_push(
	struct page_feed *base, const void *page, size_t size, struct vmrt_error *err)
{
	struct live_feed *feed = (struct live_feed *)base;
	struct pushed *pushed;

	if (size > feed->page_size)
		return vmrt_fail(err, VMRT_EFORMAT, "a page of %zu bytes where pages have %u", size,
			feed->page_size);
	pushed = malloc(sizeof(*pushed) + size);
	if (!pushed)
		return vmrt_fail(err, VMRT_ENOMEM, "pages: out of memory");
	pushed->next = NULL;
	pushed->size = (uint32_t)size;
	memcpy(pushed->bytes, page, size);
	*feed->last = pushed;
	feed->last = &pushed->next;
	return VMRT_OK;
}

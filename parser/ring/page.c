/* SPDX-License-Identifier: MIT */
/* Walks over the records of one sub-buffer. */
#include "ring.h"

/*
 * A page as the kernel's ring buffer writes it: u64 time, commit (size of the data and two flags),
 * then entries. An entry begins with a word of 5 bits type and 27 bits time delta.
 */

#define COMMIT_SIZE 0x07ffffffu
#define COMMIT_MISSED (1u << 31)
#define COMMIT_COUNTED (1u << 30) /* the number of lost events stands behind the data */

enum {
	ENTRY_LONG = 0, /* 1 to PAGE_ENTRY_WORDS: data of 4 times as many bytes */
	ENTRY_PADDING = 29,
	ENTRY_TIME_EXTEND = 30,
	ENTRY_TIME_STAMP = 31,
};

#define DELTA_BITS 27
#define STAMP_BITS                                                                                 \
	59 /* bits of an absolute time stamp; the upper bits are those of the time before */

static int wrong(struct page_walk *walk, const char *what)
{
	walk->wrong = what;
	walk->end = walk->pos;
	return -1;
}

int64_t vmrt_page_time(const void *page)
{
	return (int64_t)ring_u64(page);
}

void vmrt_page_forget_loss(void *page)
{
	uint8_t *commit = (uint8_t *)page + 8;
	uint32_t word = ring_u32(commit) & ~(COMMIT_MISSED | COMMIT_COUNTED);

	memcpy(commit, &word, sizeof(word));
}

bool page_begin(
	struct page_walk *walk, const uint8_t *page, uint32_t size, uint32_t commit_size, bool cut)
{
	uint32_t header = 8 + commit_size;
	uint32_t commit;

	walk->page = page;
	walk->pos = walk->end = 0;
	walk->lost = 0;
	walk->latest = UINT64_MAX;
	walk->stray = false;
	walk->cut = cut;
	if (size < header) {
		walk->wrong = "a page shorter than its header";
		return cut;
	}
	walk->ts = ring_u64(page);
	commit = ring_u32(page + 8);
	walk->pos = header;
	walk->end = header + (commit & COMMIT_SIZE);
	if ((int64_t)walk->ts < 0) {
		walk->wrong = "an impossible time";
		return false;
	}
	if ((commit & COMMIT_SIZE) > size - header) {
		walk->end = size;
		if (!cut) {
			walk->wrong = "a page that is longer than a page";
			return false;
		}
	}
	if (commit & COMMIT_MISSED) {
		walk->lost = UINT64_MAX;
		if ((commit & COMMIT_COUNTED) && size - walk->end >= commit_size)
			walk->lost = commit_size == 8 ? ring_u64(page + walk->end)
						      : ring_u32(page + walk->end);
		if (!walk->lost)
			walk->lost = UINT64_MAX;
	}
	return true;
}

/* Returns the full time of an absolute stamp, whose upper bits are those of the time before. */
static uint64_t whole_stamp(uint64_t before, uint64_t stamp)
{
	const uint64_t top = ~((UINT64_C(1) << STAMP_BITS) - 1);

	stamp |= before & top;
	if (stamp < before && (before & top))
		stamp += UINT64_C(1) << STAMP_BITS;
	return stamp;
}

/* Processes an entry of two words or more: moves the time, and gives the entry's length. Returns 1,
 * or 0 or -1 if the walk ends here. */
static int take_long(struct page_walk *walk, const uint8_t *entry, uint32_t left, uint32_t *length)
{
	uint32_t type = ring_u32(entry) & 31, second;
	uint64_t delta = ring_u32(entry) >> 5, bytes = 8;

	if (left < 8)
		return walk->cut ? 0 : wrong(walk, "an entry cut short");
	second = ring_u32(entry + 4);
	switch (type) {
	case ENTRY_LONG:
		if (second < 4)
			return wrong(walk, "an entry shorter than its length field");
		bytes = 4 + ((second + UINT64_C(3)) & ~UINT64_C(3));
		break;
	case ENTRY_PADDING:
		bytes = 4 + (uint64_t)second;
		break;
	case ENTRY_TIME_EXTEND:
		delta += (uint64_t)second << DELTA_BITS;
		break;
	default:
		walk->ts = whole_stamp(walk->ts, delta + ((uint64_t)second << DELTA_BITS));
		delta = 0;
	}
	if (bytes > left)
		return walk->cut ? 0 : wrong(walk, "an entry that is longer than its page");
	walk->ts += delta;
	if ((int64_t)walk->ts < 0)
		return wrong(walk, "an impossible time");
	/* only these entries can jump far ahead: other entries have a delta of 27 bits */
	if (walk->ts > walk->latest) {
		walk->stray = true;
		walk->end = walk->pos;
		return 0;
	}
	*length = (uint32_t)bytes;
	return 1;
}

int page_next_any(struct page_walk *walk, const uint8_t **record, uint32_t *size)
{
	for (;;) {
		uint32_t left = walk->end - walk->pos;
		const uint8_t *entry = walk->page + walk->pos;
		uint32_t type, length;
		int taken;

		if (left < 4)
			return left && !walk->cut ? wrong(walk, "an entry cut short") : 0;
		type = ring_u32(entry) & 31;
		if (type != ENTRY_LONG && type < ENTRY_PADDING) {
			if (4 + type * 4 > left)
				return walk->cut ? 0
						 : wrong(walk,
							   "an entry that is longer than its page");
			walk->ts += ring_u32(entry) >> 5;
			*record = entry + 4;
			*size = type * 4;
			break;
		}
		if (type == ENTRY_PADDING && !(ring_u32(entry) >> 5))
			return 0; /* the rest of the page was not written */
		taken = take_long(walk, entry, left, &length);
		if (taken != 1)
			return taken;
		if (type == ENTRY_LONG) {
			*record = entry + 8;
			*size = ring_u32(entry + 4) - 4;
			break;
		}
		walk->pos += length;
	}
	if ((int64_t)walk->ts < 0)
		return wrong(walk, "an impossible time");
	walk->pos = (uint32_t)(*record - walk->page) + ((*size + 3) & ~3u);
	return 1;
}

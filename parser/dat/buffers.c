/* SPDX-License-Identifier: MIT */
/* Chooses which of the ring buffers of a file is read: the top one or an instance, by name or by
 * content. */
#include "dat.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"

#define SAMPLE_PAGES 64 /* of each CPU: what a buffer is made of shows soon */

static bool has_data(const struct dat_buffer *buffer)
{
	for (unsigned cpu = 0; cpu < buffer->n_cpus; cpu++)
		if (buffer->cpus[cpu].size + buffer->cpus[cpu].missing)
			return true;
	return false;
}

/* What a buffer has of the events that the analysis needs. */
struct content {
	bool switches, wakeups, starts, expiries;
	uint64_t events;
};

static void count_events_of_page(const struct vmrt_dat *dat, const uint8_t *page, uint32_t size,
	bool cut, struct content *found)
{
	char names[RING_NAME_ROOM];
	struct vmrt_event event;
	struct page_walk walk;
	const uint8_t *record;
	uint32_t length;

	if (!page_begin(&walk, page, size, dat->formats->commit_size, cut))
		return;
	while (page_next(&walk, &record, &length) == 1 &&
		formats_decode(dat->formats, record, length, names, &event)) {
		found->events++;
		found->switches |= event.type == VMRT_EV_SWITCH;
		found->wakeups |= event.type == VMRT_EV_WAKEUP || event.type == VMRT_EV_WAKING;
		found->starts |= event.type == VMRT_EV_TIMER_START;
		found->expiries |= event.type == VMRT_EV_TIMER_EXPIRE;
	}
}

static void count_events(
	struct vmrt_dat *dat, const struct dat_buffer *buffer, struct content *found)
{
	dat->buffer = buffer;
	for (unsigned cpu = 0; cpu < buffer->n_cpus; cpu++) {
		struct page_feed *feed;
		struct vmrt_error err;
		const uint8_t *page;
		uint64_t offset;
		uint32_t size;
		bool cut;

		if (!buffer->cpus[cpu].size || !(feed = page_feed_file(dat, cpu, 0)))
			continue;
		for (int i = 0; i < SAMPLE_PAGES &&
				feed->next(feed, &page, &size, &offset, &cut, &err) == 1;
			i++)
			count_events_of_page(dat, page, size, cut, found);
		feed->free(feed);
	}
}

/* The better one has more kinds of needed events, then more events. */
static bool is_better(const struct content *a, const struct content *b)
{
	int x = a->switches + a->wakeups + a->starts + a->expiries;
	int y = b->switches + b->wakeups + b->starts + b->expiries;

	if (a->switches != b->switches)
		return a->switches;
	return x != y ? x > y : a->events > b->events;
}

static bool page_size_is_sane(const struct dat_buffer *buffer)
{
	return buffer->page_size >= RING_MIN_PAGE && buffer->page_size <= RING_MAX_PAGE;
}

/* Has @a kinds of needed events that @b lacks? */
static bool has_more(const struct content *a, const struct content *b)
{
	return (a->switches && !b->switches) || (a->wakeups && !b->wakeups) ||
	       (a->starts && !b->starts) || (a->expiries && !b->expiries);
}

static enum vmrt_status choose_by_content(struct vmrt_dat *dat)
{
	struct content *is = calloc(dat->n_buffers, sizeof(*is));
	size_t chosen = dat->n_buffers;

	if (!is)
		return VMRT_ENOMEM;
	for (size_t i = 0; i < dat->n_buffers; i++) {
		if (!has_data(&dat->buffers[i]) || !page_size_is_sane(&dat->buffers[i]))
			continue;
		count_events(dat, &dat->buffers[i], &is[i]);
		if (chosen == dat->n_buffers || is_better(&is[i], &is[chosen]))
			chosen = i;
	}
	dat->buffer = chosen < dat->n_buffers ? &dat->buffers[chosen] : &dat->buffers[0];
	for (size_t i = 0; chosen < dat->n_buffers && i < dat->n_buffers; i++)
		dat->info.split |= has_more(&is[i], &is[chosen]);
	free(is);
	return VMRT_OK;
}

static void add_name(struct vmrt_buf *names, const char *name)
{
	char safe[DAT_MAX_NAME];

	snprintf(safe, sizeof(safe), "%s", *name ? name : "top");
	for (char *p = safe; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	vmrt_buf_printf(names, "%s\"%s\"", names->used ? ", " : "", safe);
}

enum vmrt_status dat_choose_buffer(
	struct vmrt_dat *dat, const char *instance, struct vmrt_error *err)
{
	const struct dat_buffer *only = NULL;
	struct vmrt_buf names = {0};
	size_t with_data = 0;

	dat->buffer = NULL;
	for (size_t i = 0; i < dat->n_buffers; i++) {
		if (has_data(&dat->buffers[i])) {
			only = &dat->buffers[i];
			with_data++;
			add_name(&names, only->name);
		}
		if (instance &&
			!strcmp(dat->buffers[i].name, strcmp(instance, "top") != 0 ? instance : ""))
			dat->buffer = &dat->buffers[i];
	}
	if (names.failed) {
		vmrt_buf_free(&names);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	}
	if (names.used && with_data > 1)
		dat->buffer_names = vmrt_buf_take(&names);
	if (instance && !dat->buffer) {
		vmrt_fail(err, VMRT_ENOENT, "%s has no ring buffer \"%s\"; it has %s", dat->path,
			instance,
			dat->buffer_names ? dat->buffer_names
			: names.used	  ? (const char *)names.data
					  : "no data");
		vmrt_buf_free(&names);
		return VMRT_ENOENT;
	}
	vmrt_buf_free(&names);
	if (!dat->buffer && with_data <= 1)
		dat->buffer = only ? only : &dat->buffers[0];
	else if (!dat->buffer && choose_by_content(dat) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	return VMRT_OK;
}

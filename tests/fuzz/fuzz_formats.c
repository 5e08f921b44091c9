/* SPDX-License-Identifier: MIT */

/*
 * Any text as event formats: the input is header_page, then formats of sched events, each ended by
 * a NUL, and behind an empty one the bytes of one sub-buffer. An input that begins with '!' patches
 * the formats of a known kernel instead: number of patches, then event, place (2 bytes) and value
 * of each.
 */

#include <stdlib.h>
#include <string.h>

#include <vmrt/dat.h>
#include <vmrt/tracer.h>

#include "pages.h"
#include "parser/ring/names.h"
#include "parser/ring/ring.h"

#define FORMATS 64

static volatile uint64_t seen;

static char *take_text(const uint8_t **data, size_t *size)
{
	size_t n = strnlen((const char *)*data, *size);
	char *text = strndup((const char *)*data, n);

	n += n < *size;
	*data += n;
	*size -= n;
	return text;
}

static void take_formats(struct vmrt_trace_meta *meta, const uint8_t **data, size_t *size)
{
	meta->header_page = take_text(data, size);
	while (*size && **data && meta->n_formats < FORMATS) {
		strcpy(meta->formats[meta->n_formats].system, "sched");
		meta->formats[meta->n_formats++].text = take_text(data, size);
	}
}

static void patched_formats(struct vmrt_trace_meta *meta, const uint8_t **data, size_t *size)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	const char *const *texts, *const *systems;
	unsigned patches;

	meta->n_formats = tests_dat_formats(d, &texts, &systems);
	for (size_t i = 0; i < meta->n_formats; i++) {
		strcpy(meta->formats[i].system, systems[i]);
		meta->formats[i].text = strdup(texts[i]);
	}
	meta->header_page = strdup(tests_dat_header_page());
	++*data;
	--*size;
	patches = *size ? **data & 15u : 0;
	for (; patches && *size > 5; patches--, *data += 4, *size -= 4) {
		char *text = meta->formats[(*data)[1] % meta->n_formats].text;

		text[((*data)[2] | (*data)[3] << 8) % strlen(text)] = (char)((*data)[4] | 1);
	}
	tests_dat_free(d);
}

static void read_page(
	const struct vmrt_trace_meta *meta, struct vmrt_formats *formats, const uint8_t *page)
{
	struct vmrt_names *names = vmrt_names_new(meta);
	struct vmrt_stream *stream;
	struct vmrt_event event;
	int more;

	if (names)
		vmrt_names_page(names, page);
	free(vmrt_names_take(names));
	if (vmrt_stream_live(formats, 1, TESTS_PAGE_SIZE, &stream, NULL) != VMRT_OK)
		abort();
	vmrt_stream_push(stream, 0, page, TESTS_PAGE_SIZE, NULL);
	vmrt_stream_limit(stream, INT64_MAX - 1);
	while ((more = vmrt_stream_next(stream, &event, NULL)) != 0)
		if (more > 0 && event.type == VMRT_EV_SWITCH)
			seen += strnlen(event.sw.prev_comm, RING_COMM) +
				strnlen(event.sw.next_comm, RING_COMM);
	vmrt_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmrt_trace_format room[FORMATS];
	struct vmrt_trace_meta meta = {.cpus = 1, .page_size = TESTS_PAGE_SIZE, .formats = room};
	struct vmrt_formats *formats;
	uint8_t *page;

	if (!size)
		return 0;
	if (data[0] == '!')
		patched_formats(&meta, &data, &size);
	else
		take_formats(&meta, &data, &size);
	page = calloc(1, TESTS_PAGE_SIZE);
	memcpy(page, data, size < TESTS_PAGE_SIZE ? size : TESTS_PAGE_SIZE);
	seen += vmrt_page_size(meta.header_page);
	if (vmrt_formats_from_meta(&meta, &formats, NULL) == VMRT_OK) {
		read_page(&meta, formats, page);
		vmrt_formats_free(formats);
	}
	free(page);
	for (size_t i = 0; i < meta.n_formats; i++)
		free(meta.formats[i].text);
	free(meta.header_page);
	return 0;
}

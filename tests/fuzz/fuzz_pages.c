/* SPDX-License-Identifier: MIT */

/*
 * Any bytes as sub-buffers of a machine with known formats: pushed into a live stream of two CPUs,
 * and looked through for names. The first byte chooses the kernel whose formats are used.
 */

#include <stdlib.h>
#include <string.h>

#include <vmrt/dat.h>
#include <vmrt/tracer.h>

#include "pages.h"
#include "parser/ring/names.h"
#include "parser/ring/ring.h"

#define FORMATS 64

static volatile uint64_t seen; /* what was read has to be looked at */

static void use_text(const char *text)
{
	if (text)
		seen += strnlen(text, RING_COMM);
}

static void use_event(const struct vmrt_event *e)
{
	seen += (uint64_t)e->ts + e->cpu + (uint64_t)e->pid;
	if (e->type == VMRT_EV_SWITCH) {
		use_text(e->sw.prev_comm);
		use_text(e->sw.next_comm);
	} else if (e->type == VMRT_EV_WAKING || e->type == VMRT_EV_WAKEUP ||
		   e->type == VMRT_EV_WAKEUP_NEW) {
		use_text(e->wake.comm);
	} else if (e->type == VMRT_EV_EXIT || e->type == VMRT_EV_FORK) {
		use_text(e->process.comm);
	} else if (e->type == VMRT_EV_MARK) {
		for (uint32_t i = 0; i < e->mark.len; i++)
			seen += (uint64_t)e->mark.text[i];
	}
}

static void drain(struct vmrt_stream *stream)
{
	struct vmrt_event event;
	struct vmrt_error err;
	int more;

	vmrt_stream_limit(stream, INT64_MAX - 1);
	while ((more = vmrt_stream_next(stream, &event, &err)) != 0)
		if (more > 0)
			use_event(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmrt_trace_format formats[FORMATS];
	struct vmrt_trace_meta meta = {.cpus = 2, .page_size = TESTS_PAGE_SIZE, .formats = formats};
	const char *const *texts, *const *systems;
	struct vmrt_formats *decoder;
	struct vmrt_stream *stream;
	struct vmrt_names *names;
	struct tests_dat *d;
	unsigned cpu = 0;

	if (!size)
		return 0;
	d = tests_dat_new(1, data[0] % (TESTS_KERNEL_NEW + 1));
	meta.n_formats = tests_dat_formats(d, &texts, &systems);
	for (size_t i = 0; i < meta.n_formats; i++) {
		strcpy(formats[i].system, systems[i]);
		formats[i].text = (char *)(uintptr_t)texts[i];
	}
	meta.header_page = (char *)(uintptr_t)tests_dat_header_page();
	if (vmrt_formats_from_meta(&meta, &decoder, NULL) != VMRT_OK ||
		vmrt_stream_live(decoder, 2, TESTS_PAGE_SIZE, &stream, NULL) != VMRT_OK)
		abort();
	names = vmrt_names_new(&meta);
	data++;
	size--;
	while (size) {
		size_t n = size < TESTS_PAGE_SIZE ? size : TESTS_PAGE_SIZE;
		uint8_t *page = calloc(1, TESTS_PAGE_SIZE);

		memcpy(page, data, n);
		vmrt_names_page(names, page);
		free(page);
		/* exactly as long as it is, so that a sanitizer sees what is read behind it */
		page = malloc(n);
		memcpy(page, data, n);
		vmrt_stream_push(stream, cpu, page, n, NULL);
		free(page);
		drain(stream);
		cpu ^= 1;
		data += n;
		size -= n;
	}
	free(vmrt_names_take(names));
	vmrt_stream_free(stream);
	vmrt_formats_free(decoder);
	tests_dat_free(d);
	return 0;
}

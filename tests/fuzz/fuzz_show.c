/* SPDX-License-Identifier: MIT */

/*
 * Any bytes as the format of an event and one of its records: whatever passes the check of formats
 * must be printed by libtraceevent without harm. That library forgets memory when a format is
 * malformed, so leaks are not looked for.
 */

#include <stdlib.h>
#include <string.h>

#include <vmrt/show.h>

#include "parser/ring/ring.h"
#include "parser/show/show-local.h"

static volatile size_t seen;

const char *__asan_default_options(void);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* The format up to a NUL, then the record. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_show *show = show_alloc(false);
	char *text = calloc(1, size + 1);
	size_t n;
	uint8_t *record;
	uint16_t id;

	if (!show || !text)
		abort();
	memcpy(text, data, size);
	n = strlen(text);
	id = (uint16_t)formats_parse_id(text);
	record = calloc(1, size - n + 8);
	if (n < size)
		memcpy(record, data + n + 1, size - n - 1);
	memcpy(record, &id, sizeof(id));
	show_take_format(show, "fuzz", text);
	seen += strlen(vmrt_show_text(show, record, (uint32_t)(size - n + 8), 0));
	vmrt_show_filter(show, "common_pid > 1 || COMM ~ a* || prev_comm == b", NULL);
	seen += vmrt_show_passes(show, record, (uint32_t)(size - n + 8), 0, 1);
	vmrt_show_free(show);
	free(record);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Any text as a condition of `events --filter`, judged for a record of any bytes: the text up to a
 * NUL, then the record. A condition that is refused is refused with words.
 */

#include <stdlib.h>
#include <string.h>

#include <vmrt/show.h>

#include "parser/show/show-local.h"

static const char format[] = "name: sched_switch\n"
			     "ID: 7\n"
			     "format:\n"
			     "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
			     "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
			     "\n"
			     "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
			     "\tfield:int prev_prio;\toffset:24;\tsize:4;\tsigned:1;\n"
			     "\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"
			     "\tfield:__data_loc char[] name;\toffset:40;\tsize:4;\tsigned:0;\n"
			     "\n"
			     "print fmt: \"%d\", REC->prev_prio\n";

static volatile size_t seen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_show *show = show_alloc(false);
	char *text = calloc(1, size + 1);
	struct vmrt_error err = {.text = ""};
	uint8_t *record;
	size_t n;

	if (!show || !text)
		abort();
	memcpy(text, data, size);
	n = strlen(text);
	size = n < size ? size - n - 1 : 0;
	/* of exactly this size, so that reading behind the record is seen */
	record = malloc(size + 2);
	memcpy(record, "\7\0", 2);
	if (size)
		memcpy(record + 2, data + n + 1, size);
	show_take_format(show, "sched", format);
	if (vmrt_show_filter(show, text, &err) != VMRT_OK && !err.text[0])
		abort();
	seen += vmrt_show_passes(show, record, (uint32_t)(size + 2), 0, 1);
	vmrt_show_free(show);
	free(record);
	free(text);
	return 0;
}

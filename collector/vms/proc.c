/* SPDX-License-Identifier: MIT */
/* Understands what /proc says of threads: names, states, lists of CPUs. */
#include "scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PF_KTHREAD 0x00200000ul /* in the flags of /proc/PID/stat */

/* Length of the UTF-8 sequence at @p, 0 if it is none or a control character of Latin-1. */
static size_t utf8_length(const unsigned char *p)
{
	size_t len = *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (*p == 0xc2 && p[1] < 0xa0)
		return 0;
	return len;
}

void vmrt_make_printable(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t len = *p >= 0x20 && *p < 0x7f ? 1 : utf8_length(p);

		if (!len)
			*p = '?';
		p += len ? len : 1;
	}
}

bool vmrt_thread_stat_parse(char *text, struct vmrt_thread_stat *out)
{
	/* fields behind the name, numbered as in proc(5) */
	enum { STATE = 3, FLAGS = 9, START = 22, PRIORITY = 40, POLICY = 41 };
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *rest;
	int field = STATE;

	if (!open || !close || close < open || close[1] != ' ')
		return false;
	memset(out, 0, sizeof(*out));
	snprintf(out->comm, sizeof(out->comm), "%.*s", (int)(close - open - 1), open + 1);
	vmrt_make_printable(out->comm);
	for (char *word = strtok_r(close + 2, " \n", &rest); word;
		word = strtok_r(NULL, " \n", &rest), field++) {
		switch (field) {
		case STATE:
			out->state = *word;
			break;
		case FLAGS:
			out->kernel_thread = strtoul(word, NULL, 10) & PF_KTHREAD;
			break;
		case START:
			out->start_ticks = strtoull(word, NULL, 10);
			break;
		case PRIORITY:
			out->priority = (int)strtol(word, NULL, 10);
			break;
		case POLICY:
			out->policy = (int)strtol(word, NULL, 10);
			return true;
		default:
			break;
		}
	}
	return false;
}

/* Reads digits, no sign and no space; returns what is behind them or NULL. */
static const char *read_number(const char *text, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*out = strtoul(text, &end, 10);
	return end;
}

bool vmrt_cpu_list_parse(const char *text, cpu_set_t *out)
{
	unsigned long first, last;

	CPU_ZERO(out);
	while (*text && *text != '\n') {
		if (!(text = read_number(text, &first)))
			return false;
		last = first;
		if (*text == '-' && !(text = read_number(text + 1, &last)))
			return false;
		if (last < first || (*text && *text != ',' && *text != '\n'))
			return false;
		for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET(cpu, out);
		text += *text == ',';
	}
	return true;
}

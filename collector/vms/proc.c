/* SPDX-License-Identifier: MIT */
/* Parses what /proc has about threads: names, states, lists of CPUs. */
#include "scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

#define PF_KTHREAD 0x00200000ul /* in the flags of /proc/PID/stat */

void vms_make_printable(char *text)
{
	vmrt_utf8_sanitize(text);
}

bool vms_thread_stat_parse(char *text, struct vms_thread_stat *out)
{
	/* numbers of the fields behind the name, as in proc(5) */
	enum { STATE = 3, FLAGS = 9, START = 22, PRIORITY = 40, POLICY = 41 };
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *rest;
	int field = STATE;

	if (!open || !close || close < open || close[1] != ' ')
		return false;
	memset(out, 0, sizeof(*out));
	snprintf(out->comm, sizeof(out->comm), "%.*s", (int)(close - open - 1), open + 1);
	vms_make_printable(out->comm);
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

/* Reads digits, no sign and no space; returns the text behind the digits, or NULL. */
static const char *read_number(const char *text, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*out = strtoul(text, &end, 10);
	return end;
}

bool vms_cpu_list_parse(const char *text, cpu_set_t *out)
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

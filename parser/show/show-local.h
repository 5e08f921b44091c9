/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SHOW_SHOW_LOCAL_H
#define VMRT_PARSER_SHOW_SHOW_LOCAL_H

/* What the files of parser/show share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/event.h>

struct vmrt_show;

/** show_alloc - a printer that knows no events yet; free with vmrt_show_free(); NULL: no memory */
struct vmrt_show *show_alloc(bool plugins);
/** show_take_format - learn the event of a format text; @ctx: a struct vmrt_show; false without
 * memory */
bool show_take_format(void *ctx, const char *system, const char *text);

/* The names of threads at the present event. */
struct show_names {
	struct show_name {
		int32_t pid; /* 0: free */
		char comm[17];
	} * slots;
	size_t mask, used;
};

/** show_names_saved - take the names saved in the recording at @path; false without memory */
bool show_names_saved(struct show_names *names, const char *path);
void show_names_follow(struct show_names *names, const struct vmrt_event *event);
const char *show_names_get(const struct show_names *names, int32_t pid);
void show_names_free(struct show_names *names);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SHOW_SHOW_FILTER_H
#define VMRT_PARSER_SHOW_SHOW_FILTER_H

/* Conditions on the fields of events. */

#include <event-parse.h>
#include <stdbool.h>
#include <stdint.h>

#include <vmrt/status.h>

struct show_filter;

/* The record on which conditions are judged. */
struct show_record {
	const char *comm; /* name of the thread that ran */
	unsigned cpu;
	void *data;
	uint32_t size;
};

/**
 * show_filter_add - read an expression `[EVENT,...:]CONDITION` and put it in front of @list
 * @tep: knows the events; records of events whose names do not match do not pass
 *
 * Return: VMRT_OK; VMRT_EINVAL if the expression is malformed; VMRT_ENOENT if there is no such
 * event, or none with such a field; VMRT_ENOMEM.
 */
enum vmrt_status show_filter_add(struct show_filter **list, struct tep_handle *tep,
	const char *expression, struct vmrt_error *err);

/** show_filter_passes - does a record of event @id fulfil one of the conditions of @list? */
bool show_filter_passes(const struct show_filter *list, struct tep_handle *tep, int id,
	const struct show_record *record);

/** show_filter_free - free all conditions of the list; NULL is allowed */
void show_filter_free(struct show_filter *list);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PAGES_FORMATS_H
#define TESTS_PAGES_FORMATS_H

/* The formats of the events that tests can write. */

#include <stddef.h>

#include "pages.h"

/* Events that pages.c can write, in the order of their tables. */
enum tests_event {
	TESTS_SWITCH,
	TESTS_WAKING,
	TESTS_WAKEUP,
	TESTS_WAKEUP_NEW,
	TESTS_MIGRATE,
	TESTS_EXEC,
	TESTS_EXIT,
	TESTS_FORK,
	TESTS_SETUP,
	TESTS_START,
	TESTS_CANCEL,
	TESTS_EXPIRE,
	TESTS_STAT,
	TESTS_PRINT,
	TESTS_IRQ_ENTER,
	TESTS_IRQ_LEAVE,
	TESTS_EVENTS
};

#define TESTS_MAX_FIELDS 9

struct tests_field {
	const char *declaration; /* "pid_t pid" */
	unsigned size;
	int is_signed;
};

struct tests_event_format {
	const char *system, *name;
	unsigned id;
	struct tests_field fields[TESTS_MAX_FIELDS]; /* without the common ones, packed as in C */
	const char *print;
};

/** tests_event_formats - the table of a kernel, TESTS_EVENTS entries */
const struct tests_event_format *tests_event_formats(enum tests_kernel kernel);
/** tests_common_size - bytes of the common fields */
unsigned tests_common_size(enum tests_kernel kernel);
/** tests_format_text - as events/SYSTEM/NAME/format has it; to be freed */
char *tests_format_text(enum tests_kernel kernel, enum tests_event event);
/** tests_field_offset - where field @index of @event is in a record */
unsigned tests_field_offset(enum tests_kernel kernel, enum tests_event event, unsigned index);
/** tests_record_size - bytes of the fixed part of a record */
unsigned tests_record_size(enum tests_kernel kernel, enum tests_event event);

#endif

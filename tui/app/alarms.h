/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_ALARMS_H
#define VMRT_TUI_APP_ALARMS_H

/* Watches conditions, and acts when one becomes true. */

#include <stdbool.h>
#include <stddef.h>

#include "tui/model/model.h"

struct top_alarms;

/**
 * top_alarms_new - read conditions, which are written like those of vmrt-report --fail-if
 * @texts: the @n conditions; one without a relation, as in miss(NAME), means more than zero
 * @program: program that each alarm starts, with the facts in its environment; or NULL
 * @run: folder of a flight recorder that saves at each alarm; or NULL
 * @out: free with top_alarms_free()
 */
enum vmrt_status top_alarms_new(const char *const *texts, size_t n, const char *program,
	const char *run, struct top_alarms **out, struct vmrt_error *err);

/**
 * top_alarms_judge - judge the conditions, and start the programs of those that became true
 *
 * Return: the last condition that became true, in words, and how many others became true at the
 * same time; "" if none became true.
 */
const char *top_alarms_judge(
	struct top_alarms *alarms, struct top_model *model, struct vmrt_engine *engine);

/** top_alarms_rang - has a condition become true since the last call? */
bool top_alarms_rang(struct top_alarms *alarms);

/** top_alarms_clear - the user has seen the alarm: show nothing until the next alarm */
void top_alarms_clear(struct top_alarms *alarms);

void top_alarms_free(struct top_alarms *alarms);

#endif

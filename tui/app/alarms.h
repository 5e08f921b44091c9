/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_ALARMS_H
#define VMRT_TUI_APP_ALARMS_H

/* Conditions that are watched: what happens when one becomes true. */

#include <stdbool.h>
#include <stddef.h>

#include "tui/model/model.h"

struct top_alarms;

/**
 * top_alarms_new - read the conditions, those of vmrt-report --fail-if
 * @texts: @n of them; without a relation, as in miss(NAME), anything above zero is meant
 * @program: to be started by each alarm, with the facts in its environment; or NULL
 * @run: folder of a flight recorder that each alarm has save; or NULL
 * @out: free with top_alarms_free()
 */
enum vmrt_status top_alarms_new(const char *const *texts, size_t n, const char *program,
	const char *run, struct top_alarms **out, struct vmrt_error *err);

/**
 * top_alarms_judge - judge them; start what is to be started
 *
 * Return: the last condition that became true, in words, and how many others did at the same time;
 * "" if none did.
 */
const char *top_alarms_judge(
	struct top_alarms *alarms, struct top_model *model, struct vmrt_engine *engine);

/** top_alarms_rang - has one become true since this was asked last? */
bool top_alarms_rang(struct top_alarms *alarms);

/** top_alarms_clear - the user has seen it: nothing is to be shown until the next one */
void top_alarms_clear(struct top_alarms *alarms);

void top_alarms_free(struct top_alarms *alarms);

#endif

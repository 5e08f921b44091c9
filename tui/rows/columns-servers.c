/* SPDX-License-Identifier: MIT */
/* The columns of the table of servers and VMs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "columns-local.h"
#include "lanes.h"
#include "text.h"

#define BAR_MAX 20

static bool is_depleted(const struct top_server_row *s)
{
	return s->state == TOP_SERVER_DEPLETED || s->state == TOP_SERVER_BACKGROUND;
}

static void fill_name(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	top_text_name(cell->text, s->name, width);
}

static void fill_state(const void *row, int width, bool ascii, struct cell *cell)
{
	static const char *const words[] = {
		"I idle", "W waiting", "R running", "T depleted", "T soft", "- absent"};
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	strcpy(cell->text, words[s->state]);
	if (is_depleted(s))
		cell->attr = TOP_DEPLETED;
	else if (s->state == TOP_SERVER_IDLE || s->state == TOP_SERVER_ABSENT)
		cell->attr = TOP_DIM;
}

static double state_value(const void *row)
{
	return (double)((const struct top_server_row *)row)->state;
}

/* Draws the rest of the budget as a bar, which becomes shorter towards the left. */
static void fill_bar(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;
	double left = s->budget_ns > 0 ? 1 - (double)s->used_ns / (double)s->budget_ns : 0;

	if (s->policy != VMRT_POLICY_NONE && s->used_ns == VMRT_UNKNOWN) {
		strcpy(cell->text, s->stopped ? "stopped" : "-");
		cell->attr = TOP_DIM;
		return;
	}
	if (s->policy == VMRT_POLICY_NONE || top_unenforced(s)) {
		strcpy(cell->text, s->policy == VMRT_POLICY_NONE ? "-" : "unenforced");
		cell->attr = TOP_DIM;
		return;
	}
	if (is_depleted(s) || left <= 0) {
		top_text_bar(cell->text, 1, width, "x", "x");
		cell->attr = TOP_DEPLETED;
		return;
	}
	top_text_bar(cell->text, left, width, ascii ? "#" : "\u2588", ascii ? "." : "\u2591");
	cell->attr = TOP_BAR;
}

static double bar_value(const void *row)
{
	const struct top_server_row *s = row;

	return s->policy == VMRT_POLICY_NONE || s->budget_ns <= 0 || s->used_ns == VMRT_UNKNOWN
		       ? NAN
		       : 1 - (double)s->used_ns / (double)s->budget_ns;
}

int64_t top_of_server(const struct top_server_row *s, int64_t value)
{
	return s->policy == VMRT_POLICY_NONE ? VMRT_UNKNOWN : value;
}

/* A column of milliseconds that a VM without a server does not have. */
#define MS_COLUMN(name, expression)                                                                \
	static void fill_##name(const void *row, int width, bool ascii, struct cell *cell)         \
	{                                                                                          \
		const struct top_server_row *s = row;                                              \
                                                                                                   \
		(void)ascii;                                                                       \
		top_text_ms(cell->text, top_of_server(s, expression), width);                      \
	}                                                                                          \
	static double name##_value(const void *row)                                                \
	{                                                                                          \
		const struct top_server_row *s = row;                                              \
		int64_t ns = top_of_server(s, expression);                                         \
                                                                                                   \
		return ns == VMRT_UNKNOWN ? NAN : (double)ns;                                      \
	}

MS_COLUMN(used, s->used_ns)
MS_COLUMN(budget, s->budget_ns)
MS_COLUMN(period, s->period_ns)
MS_COLUMN(max, s->max_ns)
MS_COLUMN(over, s->enforced && s->facts.used_up ? s->facts.over_max : VMRT_UNKNOWN)
MS_COLUMN(blackout, s->facts.blackout_max)

static double share_value(const void *row)
{
	return ((const struct top_server_row *)row)->share;
}

static void fill_share(const void *row, int width, bool ascii, struct cell *cell)
{
	(void)width;
	(void)ascii;
	top_text_percent(cell->text, share_value(row));
}

static double background_value(const void *row)
{
	const struct top_server_row *s = row;

	return s->policy == VMRT_POLICY_NONE ? NAN : s->background;
}

static void fill_background(const void *row, int width, bool ascii, struct cell *cell)
{
	(void)width;
	(void)ascii;
	top_text_percent(cell->text, background_value(row));
}

#define COUNT_COLUMN(name, condition, expression, attribute)                                       \
	static double name##_value(const void *row)                                                \
	{                                                                                          \
		const struct top_server_row *s = row;                                              \
                                                                                                   \
		return (condition) ? (double)(expression) : NAN;                                   \
	}                                                                                          \
	static void fill_##name(const void *row, int width, bool ascii, struct cell *cell)         \
	{                                                                                          \
		const struct top_server_row *s = row;                                              \
                                                                                                   \
		(void)ascii;                                                                       \
		if (!(condition)) {                                                                \
			strcpy(cell->text, "-");                                                   \
			return;                                                                    \
		}                                                                                  \
		top_text_count(cell->text, (uint64_t)(expression), width);                         \
		if ((expression) > 0)                                                              \
			cell->attr = attribute;                                                    \
	}

COUNT_COLUMN(depletions, s->enforced, s->depletions, TOP_PLAIN)
COUNT_COLUMN(overruns, s->enforced, s->overruns, TOP_DEPLETED)
COUNT_COLUMN(periods, s->policy != VMRT_POLICY_NONE, s->periods, TOP_PLAIN)
COUNT_COLUMN(priority, s->policy != VMRT_POLICY_NONE, s->priority, TOP_PLAIN)

static void fill_policy(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	strcpy(cell->text, vmrt_policy_name(s->policy));
}

static void fill_vm(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	top_text_name(cell->text, s->vm, width);
}

/* Shows how the host schedules a VM that has no server: the median supply in the median period. */
static void fill_unmanaged(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;
	char supply[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT];

	(void)width;
	(void)ascii;
	strcpy(cell->text, "-");
	if (s->unmanaged_period_ns != VMRT_UNKNOWN)
		snprintf(cell->text, sizeof(cell->text), "%s in %s",
			vmrt_format_ms(s->unmanaged_supply_ns, 1, supply),
			vmrt_format_ms(s->unmanaged_period_ns, 1, period));
}

static double unmanaged_value(const void *row)
{
	const struct top_server_row *s = row;

	return s->unmanaged_period_ns == VMRT_UNKNOWN ? NAN : (double)s->unmanaged_period_ns;
}

const struct column top_server_columns[] = {
	{"SERVER", "its name", 8, 0, 60, 0, true, false, false, false, fill_name, NULL},
	{"STATE", "R running, W waiting, I idle, T budget used up", 1, 10, 55, 15, true, false,
		false, true, fill_state, state_value},
	{"LEFT", "what is left of the budget", 12, BAR_MAX, 130, 57, true, true, true, false,
		fill_bar, bar_value},
	{"USED ms", "used in the current period", 7, 7, 0, 20, false, true, false, true, fill_used,
		used_value},
	{"OF ms", "the budget", 6, 6, 0, 40, false, true, false, true, fill_budget, budget_value},
	{"SHARE %", "of one CPU in the last second", 7, 7, 0, 10, false, false, false, true,
		fill_share, share_value},
	{"SOFT %", "the part of it below the priority", 6, 6, 0, 70, false, true, false, true,
		fill_background, background_value},
	{"DEPL", "periods with the budget used up", 5, 5, 0, 30, false, true, false, true,
		fill_depletions, depletions_value},
	{"OVER", "periods with more than the budget", 4, 4, 0, 75, false, true, false, true,
		fill_overruns, overruns_value},
	{"MAX ms", "most in a period", 7, 7, 0, 80, false, true, false, true, fill_max, max_value},
	{"OVER ms", "most above the budget", 7, 7, 0, 95, false, true, false, true, fill_over,
		over_value},
	{"BLACK ms", "longest time with demand and without supply", 8, 8, 0, 92, false, true, false,
		true, fill_blackout, blackout_value},
	{"PERIOD ms", "its period", 9, 9, 0, 90, false, true, false, true, fill_period,
		period_value},
	{"PERIODS", "periods so far", 7, 7, 0, 100, false, true, false, true, fill_periods,
		periods_value},
	{"PRIO", "its priority", 4, 4, 0, 120, false, true, false, true, fill_priority,
		priority_value},
	{"POLICY", "its policy", 10, 10, 0, 110, true, true, false, false, fill_policy, NULL},
	{"NATURAL ms", "how it is scheduled where nobody enforces: CPU time in a time", 14, 14, 0,
		150, true, false, false, true, fill_unmanaged, unmanaged_value},
	{"VM", "whose server it is", 8, 12, 145, 140, true, true, false, false, fill_vm, NULL},
};

const size_t top_n_server_columns = sizeof(top_server_columns) / sizeof(top_server_columns[0]);

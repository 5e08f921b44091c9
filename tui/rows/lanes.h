/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_LANES_H
#define VMRT_TUI_ROWS_LANES_H

/* Cuts a span of time into equal parts and sums for each part what servers, vCPUs and tasks did. */

#include "tui/model/model.h"

enum top_lane_kind { TOP_LANE_SERVER, TOP_LANE_VCPU, TOP_LANE_TASK };

struct top_lane {
	enum top_lane_kind kind;
	size_t server; /* the server that the lane belongs to; SIZE_MAX if a vCPU or task belongs to
			  none */
	size_t vcpu;   /* VCPU: index in its VM */
	size_t vm;     /* VCPU */
	size_t task;   /* TASK */
};

struct top_lane_cell {
	int64_t run_ns;	 /* time in which it ran; a server or vCPU: at the server's priority */
	int64_t soft_ns; /* time in which it ran below this priority; a task: in which it ran in the
			    guest while its vCPU did not run */
	int64_t wait_ns; /* time in which it was ready, but did not run */
};

/** top_unenforced - does nobody enforce the server, so that nothing has run at its priority? */
bool top_unenforced(const struct top_server_row *server);

/** top_lane_fill - sum the time from @from_ns to @to_ns in @n cells */
void top_lane_fill(const struct top_view *view, const struct top_lane *lane, int64_t from_ns,
	int64_t to_ns, struct top_lane_cell *cells, size_t n);

/** top_lanes_make - make all lanes: each server with its vCPUs and its tasks, then the tasks
 * without a server
 *
 * Return: the list of @n, to be freed; NULL: no memory.
 */
struct top_lane *top_lanes_make(const struct top_view *view, size_t *n);

/** top_lanes_filter - keep only the tasks whose names contain @filter, and the servers whose names
 * contain it or that have such tasks; "": keep all. Returns how many of the @n lanes are left. */
size_t top_lanes_filter(
	const struct top_view *view, const char *filter, struct top_lane *lanes, size_t n);

/** top_lane_known_from - the time from which on runs are kept; runs before it are forgotten.
 * VMRT_UNKNOWN: none are forgotten */
int64_t top_lane_known_from(const struct top_view *view);

/** top_period_at - find the period of a server that contains @at_ns; it may be the current one */
bool top_period_at(
	const struct top_server_row *server, int64_t at_ns, struct vmrt_server_period *out);

/**
 * top_budget_fill - compute the rest of a server's budget at the end of each cell
 * @left: @n fractions of the budget; NaN where it is not known
 * @depleted: whether the budget was used up at the end of the cell, as the enforcer's markers say
 */
void top_budget_fill(const struct top_view *view, size_t server, int64_t from_ns, int64_t to_ns,
	double *left, bool *depleted, size_t n);

/** top_job_at - the job of a task that was open at @at_ns, or NULL */
const struct top_mark *top_job_at(const struct top_view *view, size_t task, int64_t at_ns);

#endif

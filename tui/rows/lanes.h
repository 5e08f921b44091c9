/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_LANES_H
#define VMRT_TUI_ROWS_LANES_H

/* What servers, vCPUs and tasks did in each of many equal parts of a time. */

#include "tui/model/model.h"

enum top_lane_kind { TOP_LANE_SERVER, TOP_LANE_VCPU, TOP_LANE_TASK };

struct top_lane {
	enum top_lane_kind kind;
	size_t server; /* SERVER, VCPU: whose it is; of a vCPU or task of none: SIZE_MAX */
	size_t vcpu;   /* VCPU: index in its VM */
	size_t vm;     /* VCPU */
	size_t task;   /* TASK */
};

struct top_lane_cell {
	int64_t run_ns;	 /* it ran; of a server or vCPU: at its priority */
	int64_t soft_ns; /* it ran below its priority; of a task: its vCPU did not run meanwhile */
	int64_t wait_ns; /* it was ready, but did not run */
};

/** top_unenforced - nobody enforces the server: nothing has run at its priority */
bool top_unenforced(const struct top_server_row *server);

/** top_lane_fill - the time from @from_ns to @to_ns in @n cells */
void top_lane_fill(const struct top_view *view, const struct top_lane *lane, int64_t from_ns,
	int64_t to_ns, struct top_lane_cell *cells, size_t n);

/** top_lanes_make - all lanes, server by server with its vCPUs and its tasks, then the others
 *
 * Return: the list of @n, to be freed; NULL: no memory.
 */
struct top_lane *top_lanes_make(const struct top_view *view, size_t *n);

/** top_lanes_filter - only those tasks whose names contain @filter, and servers that do or that
 * have such tasks; "": all. Returns how many of the @n lanes are left. */
size_t top_lanes_filter(
	const struct top_view *view, const char *filter, struct top_lane *lanes, size_t n);

/** top_lane_known_from - before this time it is forgotten what ran; VMRT_UNKNOWN: nothing is */
int64_t top_lane_known_from(const struct top_view *view);

/** top_period_at - the period of a server that @at_ns lies in, the current one included */
bool top_period_at(
	const struct top_server_row *server, int64_t at_ns, struct vmrt_server_period *out);

/**
 * top_budget_fill - what is left of a server's budget at the end of each cell
 * @left: @n fractions of the budget; NaN where it is not known
 * @depleted: whether it was used up by then, by the enforcer's word
 */
void top_budget_fill(const struct top_view *view, size_t server, int64_t from_ns, int64_t to_ns,
	double *left, bool *depleted, size_t n);

/** top_job_at - the job of a task that was open at @at_ns, or NULL */
const struct top_mark *top_job_at(const struct top_view *view, size_t task, int64_t at_ns);

#endif

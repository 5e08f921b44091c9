/* SPDX-License-Identifier: MIT */
/* Makes the tables of servers: their parameters, their supply, and the supply of the periodic
 * resource model. */
#include "metrics/figures/figures.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* If no rule was checked, a supply below that of the model is explained by the inaccuracy of the
 * enforcer, unless it is lower by more than this. */
#define TOLERANCE_NS (250 * VMRT_NS_PER_US)

static const char *const server_titles[] = {
	"Servers",
	"Servers: budget used, and share of a CPU (of the judged periods)",
	"Servers: overshoot where the budget was used up",
	"Servers: from demand to supply; the longest blackout against 2 (period - budget)",
};

#define SERVER_COLUMNS(X)                                                                          \
	X(server, "server", NULL, TEXT, 0, VMRT_KEY_GROUP, s->name)                                \
	X(vm, "VM", NULL, TEXT, 0, 1, s->vm)                                                       \
	X(policy, "policy", NULL, TEXT, 0, 1, s->policy)                                           \
	X(depletion, "depletion", NULL, TEXT, 0, 1, s->depletion)                                  \
	X(period_ns, "period", "ms", NS, -1, 1, s->period_ns)                                      \
	X(budget_ns, "budget", "ms", NS, -1, 1, s->budget_ns)                                      \
	X(priority, "prio", NULL, COUNT, 0, 1, s->priority)                                        \
	X(enforced, "enforced", NULL, BOOL, 0, 1, s->enforced)                                     \
	X(periods, "periods", NULL, COUNT, 0, 2, s->periods)                                       \
	X(judged, "judged", NULL, COUNT, 0, 2, s->judged)                                          \
	VMRT_DATA(X, served, COUNT, s->served)                                                     \
	X(depleted, "depleted", NULL, COUNT, 0, 2, s->depleted)                                    \
	VMRT_DATA(X, unenforced, COUNT, s->unenforced)                                             \
	X(unknown, "unknown", NULL, COUNT, 0, 2, s->unknown)                                       \
	X(truncated, "trunc.", NULL, COUNT, 0, 2, s->truncated)                                    \
	X(consumed_ratio, "used", "%", RATIO, 1, 2, s->consumed_ratio)                             \
	X(background_ratio, "background", "%", RATIO, 1, 2, s->background_ratio)                   \
	X(share_ratio, "share", "%", RATIO, 1, 2,                                                  \
		resource ? (double)s->budget_ns / (double)s->period_ns : NAN)                      \
	X(received_ratio, "received", "%", RATIO, 1, 2, s->received_ratio)                         \
	X(steal_periods, "with steal", NULL, COUNT, 0, 3, s->steal_periods)                        \
	X(used_up, "used up", NULL, COUNT, 0, 3, s->used_up)                                       \
	X(overshoot_p50_ns, "p50", "us", NS, 1, 3, s->over_p50)                                    \
	X(overshoot_p99_ns, "p99", "us", NS, 1, 3, s->over_p99)                                    \
	X(overshoot_max_ns, "max", "us", NS, 1, 3, s->over_max)                                    \
	X(overshoot_max_k, "period", NULL, COUNT, 0, 3, s->over_max_k)                             \
	X(first_supply_p50_ns, "p50", "ms", NS, 3, 4, s->latency_p50)                              \
	X(first_supply_p99_ns, "p99", "ms", NS, 3, 4, s->latency_p99)                              \
	X(first_supply_max_ns, "max", "ms", NS, 3, 4, s->latency_max)                              \
	X(first_supply_max_k, "period", NULL, COUNT, 0, 4, s->latency_max_k)                       \
	X(supply_jitter_ns, "jitter", "ms", NS, 3, 4, s->supply_jitter)                            \
	X(blackout_max_ns, "blackout", "ms", NS, 3, 4, s->blackout_max)                            \
	VMRT_DATA(X, blackout_max_at_ns, NS, s->blackout_at)                                       \
	X(blackout_bound_ns, "bound", "ms", NS, -1, 4,                                             \
		resource ? vmrt_supply_blackout(&supply) : VMRT_UNKNOWN)

static const struct vmrt_column server_columns[] = {SERVER_COLUMNS(VMRT_COLUMN)};

#define SUPPLY_COLUMNS(X)                                                                          \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, length_ns, NS, c->length_ns)                                                  \
	VMRT_DATA(X, least_ns, NS, c->least_ns)                                                    \
	VMRT_DATA(X, model_ns, NS, model)                                                          \
	VMRT_DATA(X, at_ns, NS, c->at_ns)                                                          \
	VMRT_DATA(X, holds, BOOL, over >= -tolerance)

static const struct vmrt_column supply_columns[] = {SUPPLY_COLUMNS(VMRT_COLUMN)};

static void put_server(struct vmrt_table *table, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply;
	bool resource = vmrt_figure_resource(s, &supply);

	SERVER_COLUMNS(VMRT_CELL)
}

/* Shows the measured supply curve beside the curve of the model. */
static void put_supply(
	struct vmrt_table *table, const struct vmrt_run_facts *f, const struct vmrt_server_facts *s)
{
	int64_t tolerance = s->n_checks ? s->checks[0].tolerance_ns : TOLERANCE_NS;
	int64_t least_margin = INT64_MAX;
	const struct vmrt_curve_facts *closest = NULL;
	char length[VMRT_UNITS_TEXT], margin[VMRT_UNITS_TEXT], last[VMRT_UNITS_TEXT];
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];
	struct vmrt_supply supply;
	size_t below = 0;

	if (!s->n_curve || !vmrt_figure_resource(s, &supply))
		return;
	for (size_t i = 0; i < s->n_curve; i++) {
		const struct vmrt_curve_facts *c = &s->curve[i];
		int64_t model = vmrt_sbf(&supply, c->length_ns), over = c->least_ns - model;

		SUPPLY_COLUMNS(VMRT_CELL)
		below += over < -tolerance;
		/* where the model promises no supply, nothing can be below it */
		if (!model || over >= least_margin)
			continue;
		least_margin = over;
		closest = c;
	}
	vmrt_format_duration(s->curve[s->n_curve - 1].length_ns, last);
	vmrt_format_duration(s->period_ns, period);
	vmrt_format_duration(s->budget_ns, budget);
	if (!closest) {
		vmrt_put_line(table, "supply",
			"%s: no demand lasted long enough to compare it with the periodic resource "
			"(%s, %s)",
			s->name, period, budget);
		return;
	}
	vmrt_format_duration(closest->length_ns, length);
	vmrt_format_duration(least_margin < 0 ? -least_margin : least_margin, margin);
	if (below)
		vmrt_put_line(table, "supply",
			"%s: LESS than the periodic resource (%s, %s)%s in %zu of %zu lengths; "
			"worst by %s in %s, at "
			"%.6f s",
			s->name, period, budget, s->enforced ? "" : ", which nobody enforced,",
			below, s->n_curve, margin, length,
			f->start_ns == VMRT_UNKNOWN ? 0.
						    : (double)(closest->at_ns - f->start_ns) / 1e9);
	else
		vmrt_put_line(table, "supply",
			"%s: never less than the periodic resource (%s, %s)%s in %zu lengths up to "
			"%s; closest in %s, "
			"%s %s",
			s->name, period, budget, s->enforced ? "" : ", which nobody enforced,",
			s->n_curve, last, length, margin,
			least_margin < 0 ? "below, within the tolerance" : "above");
}

void report_servers(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_page_figure figure;
	static const char *const abouts[] = {"server", "threads"};
	struct vmrt_supply supply;
	const char *note;
	struct vmrt_table *t = vmrt_doc_table(
		doc, "servers", server_titles, server_columns, ARRAY_SIZE(server_columns), 0);

	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			put_server(t, &f->servers[i]);
	for (size_t i = 0; i < f->n_servers; i++)
		for (size_t a = 0; f->servers[i].selected && a < ARRAY_SIZE(abouts); a++)
			for (size_t k = 0;
				(note = vmrt_facts_note(f, abouts[a], f->servers[i].name, k)); k++)
				vmrt_put_line(t, "note", "%s: %s", f->servers[i].name, note);
	if (!f->n_servers)
		vmrt_put_line(t, "servers", "none is declared in the experiment");
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].n_buckets && vmrt_page_figure_begin(&figure))
			vmrt_page_figure_end(&figure, t,
				vmrt_draw_budget(&figure.canvas, f, &f->servers[i]),
				"Run time in each period of server %s: at the priority (dark), "
				"below it "
				"(light); the line is the budget",
				f->servers[i].name);
	t = vmrt_doc_table(
		doc, "supply", NULL, supply_columns, ARRAY_SIZE(supply_columns), VMRT_TABLE_PROSE);
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			put_supply(t, f, &f->servers[i]);
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->filter.show & VMRT_SHOW_PICTURES && f->servers[i].n_curve &&
			vmrt_figure_resource(&f->servers[i], &supply) &&
			vmrt_page_figure_begin(&figure))
			vmrt_page_figure_end(&figure, t,
				vmrt_draw_server_supply(&figure.canvas, &f->servers[i]),
				"Least supply of server %s: measured (dots) and promised by the "
				"periodic resource (line)",
				f->servers[i].name);
}

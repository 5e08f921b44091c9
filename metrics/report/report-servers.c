/* SPDX-License-Identifier: MIT */
/* The servers: what they are, what they got, and what the periodic resource model says of it. */
#include "pictures.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type)                                                                       \
	{                                                                                          \
		key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP                              \
	}
/* Less supply than the model by no more than this is put down to the enforcer where no rule was
 * checked. */
#define TOLERANCE_NS (250 * VMRT_NS_PER_US)

static const char *const server_titles[] = {
	"Servers",
	"Servers: budget used, and share of a CPU (of the judged periods)",
	"Servers: overshoot where the budget was used up",
	"Servers: from demand to supply; the longest blackout against 2 (period - budget)",
};

static const struct vmrt_column server_columns[] = {
	{"server", "server", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"vm", "VM", NULL, VMRT_CELL_TEXT, 0, 1},
	{"policy", "policy", NULL, VMRT_CELL_TEXT, 0, 1},
	{"depletion", "depletion", NULL, VMRT_CELL_TEXT, 0, 1},
	{"period_ns", "period", "ms", VMRT_CELL_NS, -1, 1},
	{"budget_ns", "budget", "ms", VMRT_CELL_NS, -1, 1},
	{"priority", "prio", NULL, VMRT_CELL_COUNT, 0, 1},
	{"enforced", "enforced", NULL, VMRT_CELL_BOOL, 0, 1},
	{"periods", "periods", NULL, VMRT_CELL_COUNT, 0, 2},
	{"judged", "judged", NULL, VMRT_CELL_COUNT, 0, 2},
	NOT_SHOWN("served", COUNT),
	{"depleted", "depleted", NULL, VMRT_CELL_COUNT, 0, 2},
	NOT_SHOWN("unenforced", COUNT),
	{"unknown", "unknown", NULL, VMRT_CELL_COUNT, 0, 2},
	{"truncated", "trunc.", NULL, VMRT_CELL_COUNT, 0, 2},
	{"consumed_ratio", "used", "%", VMRT_CELL_RATIO, 1, 2},
	{"background_ratio", "background", "%", VMRT_CELL_RATIO, 1, 2},
	{"share_ratio", "share", "%", VMRT_CELL_RATIO, 1, 2},
	{"received_ratio", "received", "%", VMRT_CELL_RATIO, 1, 2},
	{"steal_periods", "with steal", NULL, VMRT_CELL_COUNT, 0, 3},
	{"used_up", "used up", NULL, VMRT_CELL_COUNT, 0, 3},
	{"overshoot_p50_ns", "p50", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_p99_ns", "p99", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_max_ns", "max", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_max_k", "period", NULL, VMRT_CELL_COUNT, 0, 3},
	{"first_supply_p50_ns", "p50", "ms", VMRT_CELL_NS, 3, 4},
	{"first_supply_p99_ns", "p99", "ms", VMRT_CELL_NS, 3, 4},
	{"first_supply_max_ns", "max", "ms", VMRT_CELL_NS, 3, 4},
	{"first_supply_max_k", "period", NULL, VMRT_CELL_COUNT, 0, 4},
	{"supply_jitter_ns", "jitter", "ms", VMRT_CELL_NS, 3, 4},
	{"blackout_max_ns", "blackout", "ms", VMRT_CELL_NS, 3, 4},
	NOT_SHOWN("blackout_max_at_ns", NS),
	{"blackout_bound_ns", "bound", "ms", VMRT_CELL_NS, -1, 4},
};

static const struct vmrt_column supply_columns[] = {
	NOT_SHOWN("server", TEXT),
	NOT_SHOWN("length_ns", NS),
	NOT_SHOWN("least_ns", NS),
	NOT_SHOWN("model_ns", NS),
	NOT_SHOWN("at_ns", NS),
	NOT_SHOWN("holds", BOOL),
};

/* Has it a period and a budget that make a periodic resource? */
static bool is_resource(const struct vmrt_server_facts *s, struct vmrt_supply *supply)
{
	if (s->period_ns == VMRT_UNKNOWN || s->budget_ns == VMRT_UNKNOWN)
		return false;
	*supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	return vmrt_supply_check(supply);
}

static void put_server(struct vmrt_table *t, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply;
	bool resource = is_resource(s, &supply);

	vmrt_put_text(t, s->name);
	vmrt_put_text(t, s->vm);
	vmrt_put_text(t, s->policy);
	vmrt_put_text(t, s->depletion);
	vmrt_put_ns(t, s->period_ns);
	vmrt_put_ns(t, s->budget_ns);
	vmrt_put_count(t, s->priority);
	vmrt_put_bool(t, s->enforced);
	vmrt_put_count(t, s->periods);
	vmrt_put_count(t, s->judged);
	vmrt_put_count(t, s->served);
	vmrt_put_count(t, s->depleted);
	vmrt_put_count(t, s->unenforced);
	vmrt_put_count(t, s->unknown);
	vmrt_put_count(t, s->truncated);
	vmrt_put_ratio(t, s->consumed_ratio);
	vmrt_put_ratio(t, s->background_ratio);
	vmrt_put_ratio(t, resource ? (double)s->budget_ns / (double)s->period_ns : NAN);
	vmrt_put_ratio(t, s->received_ratio);
	vmrt_put_count(t, s->steal_periods);
	vmrt_put_count(t, s->used_up);
	vmrt_put_ns(t, s->over_p50);
	vmrt_put_ns(t, s->over_p99);
	vmrt_put_ns(t, s->over_max);
	vmrt_put_count(t, s->over_max_k);
	vmrt_put_ns(t, s->latency_p50);
	vmrt_put_ns(t, s->latency_p99);
	vmrt_put_ns(t, s->latency_max);
	vmrt_put_count(t, s->latency_max_k);
	vmrt_put_ns(t, s->supply_jitter);
	vmrt_put_ns(t, s->blackout_max);
	vmrt_put_ns(t, s->blackout_at);
	vmrt_put_ns(t, resource ? vmrt_supply_blackout(&supply) : VMRT_UNKNOWN);
}

/* The measured supply curve beside the model's. */
static void put_supply(
	struct vmrt_table *t, const struct vmrt_run_facts *f, const struct vmrt_server_facts *s)
{
	int64_t tolerance = s->n_checks ? s->checks[0].tolerance_ns : TOLERANCE_NS;
	int64_t least_margin = INT64_MAX;
	const struct vmrt_curve_facts *closest = NULL;
	char length[VMRT_UNITS_TEXT], margin[VMRT_UNITS_TEXT], last[VMRT_UNITS_TEXT];
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];
	struct vmrt_supply supply;
	size_t below = 0;

	if (!s->n_curve || !is_resource(s, &supply))
		return;
	for (size_t i = 0; i < s->n_curve; i++) {
		const struct vmrt_curve_facts *c = &s->curve[i];
		int64_t model = vmrt_sbf(&supply, c->length_ns), over = c->least_ns - model;

		vmrt_put_text(t, s->name);
		vmrt_put_ns(t, c->length_ns);
		vmrt_put_ns(t, c->least_ns);
		vmrt_put_ns(t, model);
		vmrt_put_ns(t, c->at_ns);
		vmrt_put_bool(t, over >= -tolerance);
		below += over < -tolerance;
		/* where the model promises nothing, nothing is close to it */
		if (!model || over >= least_margin)
			continue;
		least_margin = over;
		closest = c;
	}
	vmrt_format_duration(s->curve[s->n_curve - 1].length_ns, last);
	vmrt_format_duration(s->period_ns, period);
	vmrt_format_duration(s->budget_ns, budget);
	if (!closest) {
		vmrt_put_line(t, "supply",
			"%s: no demand lasted long enough to compare it with the periodic resource "
			"(%s, %s)",
			s->name, period, budget);
		return;
	}
	vmrt_format_duration(closest->length_ns, length);
	vmrt_format_duration(least_margin < 0 ? -least_margin : least_margin, margin);
	if (below)
		vmrt_put_line(t, "supply",
			"%s: LESS than the periodic resource (%s, %s)%s in %zu of %zu lengths; "
			"worst by %s in %s, at "
			"%.6f s",
			s->name, period, budget, s->enforced ? "" : ", which nobody enforced,",
			below, s->n_curve, margin, length,
			f->start_ns == VMRT_UNKNOWN ? 0.
						    : (double)(closest->at_ns - f->start_ns) / 1e9);
	else
		vmrt_put_line(t, "supply",
			"%s: never less than the periodic resource (%s, %s)%s in %zu lengths up to "
			"%s; closest in %s, "
			"%s %s",
			s->name, period, budget, s->enforced ? "" : ", which nobody enforced,",
			s->n_curve, last, length, margin,
			least_margin < 0 ? "below, within the tolerance" : "above");
}

void vmrt_report_servers(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_supply supply;
	struct vmrt_table *t = vmrt_doc_table(
		doc, "servers", server_titles, server_columns, ARRAY_SIZE(server_columns), 0);

	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			put_server(t, &f->servers[i]);
	if (!f->n_servers)
		vmrt_put_line(t, "servers", "none is declared in the experiment");
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].n_buckets)
			vmrt_report_figure(t, "Run time in each period of server ",
				f->servers[i].name,
				": at the priority (dark), below it (light); the line is the "
				"budget",
				vmrt_picture_budget(f, &f->servers[i]));
	t = vmrt_doc_table(
		doc, "supply", NULL, supply_columns, ARRAY_SIZE(supply_columns), VMRT_TABLE_PROSE);
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			put_supply(t, f, &f->servers[i]);
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->filter.show & VMRT_SHOW_PICTURES && f->servers[i].n_curve &&
			is_resource(&f->servers[i], &supply))
			vmrt_report_figure(t, "Least supply of server ", f->servers[i].name,
				": measured (dots) and promised by the periodic resource (line)",
				vmrt_picture_supply(&f->servers[i]));
}

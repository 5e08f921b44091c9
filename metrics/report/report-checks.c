/* SPDX-License-Identifier: MIT */
/* Did the servers keep the rules of their policies? And what do VMs get that have none? */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DATA(key, type)                                                                            \
	{                                                                                          \
		key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP                              \
	}
#define TICK_NS (4 * VMRT_NS_PER_MS)

static const struct vmrt_column check_columns[] = {
	DATA("server", TEXT),
	DATA("rule", TEXT),
	DATA("judged", COUNT),
	DATA("unknown", COUNT),
	DATA("violations", COUNT),
	DATA("worst_ns", NS),
	DATA("worst_at_ns", NS),
	DATA("tolerance_ns", NS),
};

static const char *const natural_titles[] = {
	"VMs without a server: period, from one start of supply to the next",
	"VMs without a server: budget, the run time in such a period",
};

static const struct vmrt_column natural_columns[] = {
	{"vm", "VM", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"n", "periods", NULL, VMRT_CELL_COUNT, 0, 1},
	{"period_p10_ns", "p10", "ms", VMRT_CELL_NS, 1, 1},
	{"period_p50_ns", "p50", "ms", VMRT_CELL_NS, 1, 1},
	{"period_p90_ns", "p90", "ms", VMRT_CELL_NS, 1, 1},
	{"period_p50_ticks", "p50", "ticks", VMRT_CELL_REAL, 1, 1},
	{"supply_p10_ns", "p10", "ms", VMRT_CELL_NS, 1, 2},
	{"supply_p50_ns", "p50", "ms", VMRT_CELL_NS, 1, 2},
	{"supply_p90_ns", "p90", "ms", VMRT_CELL_NS, 1, 2},
	{"supply_p50_ticks", "p50", "ticks", VMRT_CELL_REAL, 1, 2},
	DATA("tick_ns", NS),
};

static void append(char *buf, size_t room, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, room - used, "%s", text);
}

static void put_line(
	struct vmrt_table *t, const struct vmrt_run_facts *f, const struct vmrt_server_facts *s)
{
	char list[512] = "", part[128], tolerance[VMRT_UNITS_TEXT], worst[VMRT_UNITS_TEXT];
	int64_t judged = 0, unknown = 0, violations = 0;

	for (size_t i = 0; i < s->n_checks; i++) {
		const struct vmrt_check_facts *c = &s->checks[i];

		judged += c->judged;
		unknown += c->unknown;
		violations += c->violations;
		snprintf(part, sizeof(part), "%s%s %" PRId64, i ? ", " : "", c->rule, c->judged);
		append(list, sizeof(list), part);
		if (!c->violations)
			continue;
		snprintf(part, sizeof(part), ": %" PRId64 " VIOLATED, worst by %s at %.6f s",
			c->violations, vmrt_format_duration(c->worst_ns, worst),
			f->start_ns == VMRT_UNKNOWN ? 0.
						    : (double)(c->worst_at_ns - f->start_ns) / 1e9);
		append(list, sizeof(list), part);
	}
	if (!s->n_checks) {
		vmrt_put_line(t, "rules", "%s: not checked: %s", s->name,
			s->enforced ? "no whole period was recorded" : "nobody enforced it here");
		return;
	}
	vmrt_format_duration(s->checks[0].tolerance_ns, tolerance);
	if (violations)
		snprintf(part, sizeof(part), "%" PRId64 " violation%s", violations,
			violations == 1 ? "" : "s");
	else
		snprintf(part, sizeof(part), "%s", judged ? "kept" : "nothing could be judged");
	vmrt_put_line(t, "rules",
		"%s (%s): %s in %" PRId64 " windows, %" PRId64 " unknown, tolerance %s (%s)",
		s->name, s->policy, part, judged, unknown, tolerance, list);
}

static void put_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "checks", NULL, check_columns, ARRAY_SIZE(check_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < f->n_servers; i++) {
		const struct vmrt_server_facts *s = &f->servers[i];

		for (size_t c = 0; c < s->n_checks; c++) {
			vmrt_put_text(t, s->name);
			vmrt_put_text(t, s->checks[c].rule);
			vmrt_put_count(t, s->checks[c].judged);
			vmrt_put_count(t, s->checks[c].unknown);
			vmrt_put_count(t, s->checks[c].violations);
			vmrt_put_ns(t, s->checks[c].worst_ns);
			vmrt_put_ns(t, s->checks[c].worst_at_ns);
			vmrt_put_ns(t, s->checks[c].tolerance_ns);
		}
		put_line(t, f, s);
	}
}

static void put_natural(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "natural", natural_titles, natural_columns, ARRAY_SIZE(natural_columns), 0);
	int64_t tick = f->tick_ns > 0 ? f->tick_ns : TICK_NS;
	char buf[VMRT_UNITS_TEXT];
	bool any = false;

	for (size_t i = 0; i < f->n_vms; i++) {
		const struct vmrt_vm_facts *vm = &f->vms[i];
		const int64_t *period = vm->natural_period, *supply = vm->natural_supply;

		if (!vm->natural_n)
			continue;
		any = true;
		vmrt_put_text(t, vm->name);
		vmrt_put_count(t, vm->natural_n);
		for (int k = 0; k < 3; k++)
			vmrt_put_ns(t, period[k]);
		vmrt_put_real(t, (double)period[1] / (double)tick);
		for (int k = 0; k < 3; k++)
			vmrt_put_ns(t, supply[k]);
		vmrt_put_real(t, (double)supply[1] / (double)tick);
		vmrt_put_ns(t, tick);
	}
	if (any)
		vmrt_put_line(t, "tick", "%s%s", vmrt_format_duration(tick, buf),
			f->tick_ns > 0 ? "" : " (taken for granted: the experiment does not say)");
}

void vmrt_report_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	put_checks(doc, f);
	put_natural(doc, f);
}

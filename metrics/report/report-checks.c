/* SPDX-License-Identifier: MIT */
/* Makes the tables that show whether servers kept the rules of their policies, and what VMs
 * without a server get. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TICK_NS (4 * VMRT_NS_PER_MS)

#define CHECK_COLUMNS(X)                                                                           \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, rule, TEXT, s->checks[c].rule)                                                \
	VMRT_DATA(X, judged, COUNT, s->checks[c].judged)                                           \
	VMRT_DATA(X, unknown, COUNT, s->checks[c].unknown)                                         \
	VMRT_DATA(X, violations, COUNT, s->checks[c].violations)                                   \
	VMRT_DATA(X, worst_ns, NS, s->checks[c].worst_ns)                                          \
	VMRT_DATA(X, worst_at_ns, NS, s->checks[c].worst_at_ns)                                    \
	VMRT_DATA(X, tolerance_ns, NS, s->checks[c].tolerance_ns)

static const struct vmrt_column check_columns[] = {CHECK_COLUMNS(VMRT_COLUMN)};

static const char *const unmanaged_titles[] = {
	"VMs without a server: period, from one start of supply to the next",
	"VMs without a server: budget, the run time in such a period",
};

#define UNMANAGED_COLUMNS(X)                                                                       \
	X(vm, "VM", NULL, TEXT, 0, VMRT_KEY_GROUP, vm->name)                                       \
	X(n, "periods", NULL, COUNT, 0, 1, vm->unmanaged_n)                                        \
	X(period_p10_ns, "p10", "ms", NS, 1, 1, period[0])                                         \
	X(period_p50_ns, "p50", "ms", NS, 1, 1, period[1])                                         \
	X(period_p90_ns, "p90", "ms", NS, 1, 1, period[2])                                         \
	X(period_p50_ticks, "p50", "ticks", REAL, 1, 1, (double)period[1] / (double)tick)          \
	X(supply_p10_ns, "p10", "ms", NS, 1, 2, supply[0])                                         \
	X(supply_p50_ns, "p50", "ms", NS, 1, 2, supply[1])                                         \
	X(supply_p90_ns, "p90", "ms", NS, 1, 2, supply[2])                                         \
	X(supply_p50_ticks, "p50", "ticks", REAL, 1, 2, (double)supply[1] / (double)tick)          \
	VMRT_DATA(X, tick_ns, NS, tick)

static const struct vmrt_column unmanaged_columns[] = {UNMANAGED_COLUMNS(VMRT_COLUMN)};

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
			f->start_ns == VMRT_UNKNOWN || c->worst_at_ns == VMRT_UNKNOWN
				? 0.
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
	struct vmrt_table *table = vmrt_doc_table(
		doc, "checks", NULL, check_columns, ARRAY_SIZE(check_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < f->n_servers; i++) {
		const struct vmrt_server_facts *s = &f->servers[i];

		for (size_t c = 0; c < s->n_checks; c++) {
			CHECK_COLUMNS(VMRT_CELL)
		}
		put_line(table, f, s);
	}
}

static void put_unmanaged(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *table = vmrt_doc_table(doc, "natural", unmanaged_titles,
		unmanaged_columns, ARRAY_SIZE(unmanaged_columns), 0);
	int64_t tick = f->tick_ns > 0 ? f->tick_ns : TICK_NS;
	char buf[VMRT_UNITS_TEXT];
	bool any = false;

	for (size_t i = 0; i < f->n_vms; i++) {
		const struct vmrt_vm_facts *vm = &f->vms[i];
		const int64_t *period = vm->unmanaged_period, *supply = vm->unmanaged_supply;

		if (!vm->unmanaged_n)
			continue;
		any = true;
		UNMANAGED_COLUMNS(VMRT_CELL)
	}
	if (any)
		vmrt_put_line(table, "tick", "%s%s", vmrt_format_duration(tick, buf),
			f->tick_ns > 0 ? "" : " (taken for granted: the experiment does not say)");
}

void report_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	put_checks(doc, f);
	put_unmanaged(doc, f);
}

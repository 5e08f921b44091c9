/* SPDX-License-Identifier: MIT */
/* The figures of a run, as text. */
#include "hsf.h"

#include <inttypes.h>

static void report_hist(FILE *out, const char *what, const struct hsf_hist *h)
{
	char p50[VMRT_UNITS_TEXT], p99[VMRT_UNITS_TEXT], max[VMRT_UNITS_TEXT];

	if (!h->n)
		return;
	fprintf(out, "  %-22s p50 %s, p99 %s, max %s\n", what,
		vmrt_format_duration(hsf_hist_quantile(h, 0.5), p50),
		vmrt_format_duration(hsf_hist_quantile(h, 0.99), p99),
		vmrt_format_duration(h->max, max));
}

static void report_time(FILE *out, const char *what, int64_t ns, const char *more)
{
	char text[VMRT_UNITS_TEXT];

	fprintf(out, "  %-22s %s%s\n", what, vmrt_format_duration(ns, text), more);
}

void hsf_report_server(FILE *out, const struct hsf_bound *p, const struct hsf_state *state)
{
	const struct hsf_params *params = &state->params;
	const struct hsf_figures *f = &state->figures;
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT];

	fprintf(out, "server %s (VM %s, CPU %d, %s", p->spec.name, p->vm->name, p->cpu,
		vmrt_policy_name(params->policy));
	if (params->period_ns)
		fprintf(out, ", %s every %s", vmrt_format_duration(params->budget_ns, a),
			vmrt_format_duration(params->period_ns, b));
	if (params->priority)
		fprintf(out, ", priority %d", params->priority);
	fprintf(out, ")\n");
	if (f->replenishments)
		fprintf(out,
			"  %-22s %" PRIu64 ", of which depleted %" PRIu64
			"; replenishments missed %" PRIu64 "\n",
			hsf_rules_for(params->policy)->measures ? "periods" : "replenishments",
			f->replenishments, f->depletions, state->skipped);
	if (f->discards)
		fprintf(out, "  %-22s %" PRIu64 " times\n", "budget given up", f->discards);
	if (f->suspensions)
		fprintf(out, "  %-22s %" PRIu64 " times\n", "held back by others", f->suspensions);
	report_hist(out, "consumed per period", &f->use);
	if (!hsf_rules_for(params->policy)->measures)
		report_hist(out, "over the budget", &f->overshoot);
	if (f->depletions)
		report_time(out, "short of the budget", f->most_short, " at most");
	if (!hsf_rules_for(params->policy)->measures)
		report_hist(out, "replenished too late by", &f->lateness);
	if (f->replenishments && f->budget_checks)
		fprintf(out, "  %-22s %.2f per period\n", "checks of the budget",
			(double)f->budget_checks / (double)f->replenishments);
	report_time(out, "vCPU threads ran", f->served_ns,
		hsf_rules_for(params->policy)->measures ? "" : " at the priority");
	if (f->background_ns)
		report_time(out, "", f->background_ns, " below it");
	if (state->n_helpers)
		report_time(out, "other threads ran", f->helpers_ns,
			params->charge_helpers ? ", charged" : ", not charged");
}

void hsf_report_cost(FILE *out, int cpu, const struct hsf_cost *cost, int64_t ran_ns)
{
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT];

	fprintf(out,
		"enforcing on CPU %d took %s of CPU time in %s (%.3f %%), %" PRIu64 " wake-ups\n",
		cpu, vmrt_format_duration(cost->cpu_ns, a), vmrt_format_duration(ran_ns, b),
		ran_ns > 0 ? 100.0 * (double)cost->cpu_ns / (double)ran_ns : 0.0, cost->wakes);
	report_hist(out, "at work each time", &cost->busy);
}

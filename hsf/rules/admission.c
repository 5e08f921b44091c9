/* SPDX-License-Identifier: MIT */
/* Tests whether the servers of a CPU fit together, beside the time that the kernel keeps for
 * other threads. */
#include "admission.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAFE_UTILISATION                                                                           \
	0.95 /* beyond it nobody gets to a shell, if the kernel keeps nothing for others */

#define MAX_STEPS 100000 /* of an iteration; sets that fit need some ten */

/* Levels above all priorities of fixed-priority servers. */
#define LEVEL_EDF 1000
#define LEVEL_DEADLINE 2000

void hsf_demand_from(const struct vmrt_server_spec *spec, int cpu, struct hsf_demand *out)
{
	*out = (struct hsf_demand){
		.name = spec->name,
		.cpu = cpu,
		.priority = spec->priority,
		.period_ns = spec->period_ns,
		.budget_ns = spec->budget_ns,
	};
	/* a server of these policies may spend one budget at the end of a period and the next one
	 * right at the beginning of the following period */
	if (spec->policy == VMRT_POLICY_DEFERRABLE || spec->policy == VMRT_POLICY_EDF ||
		spec->policy == VMRT_POLICY_DEADLINE)
		out->jitter_ns = spec->period_ns - spec->budget_ns;
	if (spec->policy == VMRT_POLICY_EDF)
		out->priority = LEVEL_EDF;
	if (spec->policy == VMRT_POLICY_DEADLINE)
		out->priority = LEVEL_DEADLINE;
	out->by_deadline = spec->policy == VMRT_POLICY_EDF || spec->policy == VMRT_POLICY_DEADLINE;
}

double hsf_utilisation(const struct hsf_demand *d, size_t n, int cpu)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (d[i].cpu == cpu)
			sum += (double)d[i].budget_ns / (double)d[i].period_ns;
	return sum;
}

/* Returns the budget that servers at the priority of @s or above may take from it within @window;
 * this is not exact beyond the period of @s. */
static int64_t interference(const struct hsf_demand *d, size_t n, size_t s, int64_t window)
{
	__int128 sum = 0;

	for (size_t i = 0; i < n && sum <= d[s].period_ns; i++) {
		__int128 times;

		/* among servers of equal priority each may have to wait for all the others */
		if (i == s || d[i].cpu != d[s].cpu || d[i].priority < d[s].priority)
			continue;
		times = ((__int128)window + d[i].jitter_ns + d[i].period_ns - 1) / d[i].period_ns;
		sum += times * d[i].budget_ns;
	}
	return sum <= d[s].period_ns ? (int64_t)sum : d[s].period_ns;
}

/*
 * R = Q + sum over the servers above of ceil((R + J) / T) Q, with J = T - Q for a deferrable
 * server, which may spend one budget at the end of a period and the next one right after it
 * (Strosnider, Lehoczky and Sha 1995). The iteration ends when R repeats or is above the period, or
 * after MAX_STEPS. So many steps are needed only for a period of hours beside servers that take
 * nearly all of the CPU; such a server counts as not fitting.
 */
static int64_t response(const struct hsf_demand *d, size_t n, size_t s)
{
	int64_t r = d[s].budget_ns, next;

	for (int step = 0; step < MAX_STEPS && r <= d[s].period_ns; step++) {
		next = d[s].budget_ns + interference(d, n, s, r);
		if (next == r)
			return r;
		r = next;
	}
	return r > d[s].period_ns ? r : d[s].period_ns + 1;
}

/*
 * Servers under EDF with nothing above them: each has its budget by the end of its period if, and
 * only if, their utilisation is at most 1 (Liu and Layland 1973). Returns false if there is
 * something above them.
 */
static bool fits_by_deadline(const struct hsf_demand *d, size_t n, size_t s)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (d[i].cpu != d[s].cpu || d[i].priority < d[s].priority)
			continue;
		if (d[i].priority > d[s].priority)
			return false;
		sum += (double)d[i].budget_ns / (double)d[i].period_ns;
	}
	return sum <= 1;
}

size_t hsf_admit(struct hsf_demand *d, size_t n)
{
	size_t failed = 0;

	for (size_t s = 0; s < n; s++) {
		d[s].response_ns = d[s].by_deadline && fits_by_deadline(d, n, s)
					   ? d[s].period_ns
					   : response(d, n, s);
		failed += d[s].response_ns > d[s].period_ns;
	}
	return failed;
}

/* "a (4 ms in 12 ms, priority 50), b (...)": the servers of @cpu at level @least and above, as far
 * as they fit. */
static void set_words(
	const struct hsf_demand *d, size_t n, int cpu, int least, char *out, size_t room)
{
	char budget[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT], order[32];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		char one[VMRT_NAME_MAX + 128];

		if (d[i].cpu != cpu || d[i].priority < least)
			continue;
		snprintf(order, sizeof(order), "priority %d", d[i].priority);
		snprintf(one, sizeof(one), "%s%s (%s in %s, %s)", used ? ", " : "", d[i].name,
			vmrt_format_duration(d[i].budget_ns, budget),
			vmrt_format_duration(d[i].period_ns, period),
			d[i].by_deadline ? "by deadline" : order);
		if (used + strlen(one) + sizeof(", ...") > room) {
			snprintf(out + used, room - used, ", ...");
			return;
		}
		strcpy(out + used, one);
		used += strlen(one);
	}
}

static enum vmrt_status check_share(
	const struct hsf_demand *d, size_t n, int cpu, struct vmrt_error *err)
{
	double sum = hsf_utilisation(d, n, cpu);
	struct hsf_reserve reserve;
	char set[200];

	hsf_reserve_read(cpu, &reserve);
	set_words(d, n, cpu, 0, set, sizeof(set));
	if (reserve.share < 1 && sum > reserve.share)
		return vmrt_fail(err, VMRT_EBUSY,
			"servers on CPU %d want %.3f of it: %s; the kernel leaves at most %.3f to "
			"real-time threads "
			"while others want to run (%s), so budgets would be cut",
			cpu, sum, set, reserve.share, reserve.why);
	if (sum > SAFE_UTILISATION)
		return vmrt_fail(err, VMRT_EBUSY,
			"servers on CPU %d want %.3f of it: %s; the kernel keeps nothing for other "
			"threads (%s), so "
			"that above %.2f no shell could stop them",
			cpu, sum, set, reserve.why, SAFE_UTILISATION);
	return VMRT_OK;
}

static enum vmrt_status explain(
	const struct hsf_demand *d, size_t n, const struct hsf_demand *s, struct vmrt_error *err)
{
	char period[VMRT_UNITS_TEXT], set[240];

	set_words(d, n, s->cpu, s->priority, set, sizeof(set));
	return vmrt_fail(err, VMRT_EBUSY,
		"server %s is not schedulable on CPU %d: with %s its budget is not sure to come "
		"within its period "
		"of %s (utilisation %.3f)",
		s->name, s->cpu, set, vmrt_format_duration(s->period_ns, period),
		hsf_utilisation(d, n, s->cpu));
}

enum vmrt_status hsf_admission(struct hsf_demand *d, size_t n, struct vmrt_error *err)
{
	if (hsf_admit(d, n) > 0)
		for (size_t i = 0; i < n; i++)
			if (d[i].response_ns > d[i].period_ns)
				return explain(d, n, &d[i], err);
	for (size_t i = 0; i < n; i++)
		if (check_share(d, n, d[i].cpu, err) != VMRT_OK)
			return VMRT_EBUSY;
	return VMRT_OK;
}

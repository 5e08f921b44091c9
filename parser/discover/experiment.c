/* SPDX-License-Identifier: MIT */
/* Writes the threads that were found as an experiment file, which people can read, correct and
 * keep. */
#include "discover-local.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/experiment.h>

#include "common/experiment-text.h"

#define SAME_PERIOD 0.05 /* periods that differ by less are one */
#define TASKS_MOST 200	 /* nobody would read more */

static bool same_name(const struct vmrt_found *a, const struct vmrt_found *b)
{
	return a->machine == b->machine && !strncmp(a->comm, b->comm, sizeof(a->comm));
}

static bool same_rhythm(const struct vmrt_found *a, const struct vmrt_found *b)
{
	if ((a->period_ns == VMRT_UNKNOWN) != (b->period_ns == VMRT_UNKNOWN))
		return false;
	return a->period_ns == VMRT_UNKNOWN ||
	       (double)llabs(a->period_ns - b->period_ns) < SAME_PERIOD * (double)a->period_ns;
}

/* Is the thread the first one of its name, and do all threads of that name have its period? */
static bool stands_for_its_name(
	const struct vmrt_found *found, size_t n, size_t index, bool *first, bool *alike)
{
	*first = *alike = true;
	for (size_t i = 0; i < n; i++) {
		if (i == index || !found[i].task || !same_name(&found[i], &found[index]))
			continue;
		*first &= i > index;
		*alike &= same_rhythm(&found[i], &found[index]);
	}
	return *first || !*alike;
}

/* Prints a time exactly and as short as possible: "12ms", "333us" or "12345ns". */
static void put_time(FILE *out, const char *key, int64_t ns)
{
	if (ns % VMRT_NS_PER_MS == 0)
		fprintf(out, "%s = %" PRId64 "ms\n", key, ns / VMRT_NS_PER_MS);
	else if (ns % VMRT_NS_PER_US == 0)
		fprintf(out, "%s = %" PRId64 "us\n", key, ns / VMRT_NS_PER_US);
	else
		fprintf(out, "%s = %" PRId64 "ns\n", key, ns);
}

/* Returns the roundest number that the measurement cannot distinguish from the period: the mean of
 * n distances is off by about an nth of their jitter. */
static int64_t round_period(const struct vmrt_found *f)
{
	static const int64_t steps[] = {
		VMRT_NS_PER_MS, 100 * VMRT_NS_PER_US, 10 * VMRT_NS_PER_US, VMRT_NS_PER_US};
	int64_t error = 2 * f->jitter_ns / (int64_t)f->jobs;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t round = (f->period_ns + steps[i] / 2) / steps[i] * steps[i];

		if (round && llabs(round - f->period_ns) <= error)
			return round;
	}
	return f->period_ns;
}

static void put_task(FILE *out, const struct vmrt_found *f, const char *machine, bool alike)
{
	char header[VMRT_EXPERIMENT_HEADER], name[VMRT_COMM_MAX], tid[12];
	int64_t period = f->period_ns == VMRT_UNKNOWN ? 0 : round_period(f);
	bool sane = experiment_name_is_sane(f->comm, sizeof(f->comm));
	int64_t wcet = (f->exec_max_ns + VMRT_NS_PER_US - 1) / VMRT_NS_PER_US * VMRT_NS_PER_US;

	snprintf(tid, sizeof(tid), "%" PRId32, f->tid);
	/* a guest may give its threads any names, and some cannot be written into an experiment
	 * file */
	if (!sane)
		snprintf(name, sizeof(name), "tid-%s", tid);
	else if (alike)
		snprintf(name, sizeof(name), "%s", f->comm);
	else
		snprintf(name, sizeof(name), "%.*s.%s", (int)(sizeof(name) - 2 - strlen(tid)),
			f->comm, tid);
	fprintf(out, "\n; %s, %" PRIu64 " releases, sure %.0f %%\n", vmrt_waker_name(f->waker),
		f->jobs, 100 * f->sure);
	fprintf(out, "%s\n", vmrt_experiment_header(machine, name, header));
	if (!alike || !sane)
		fprintf(out, "tid = %s\n", tid);
	if (period)
		put_time(out, "period", period);
	/* regular interrupts may be those of a timer; the analysis finds that out by itself */
	if (f->waker == VMRT_WAKER_THREAD || (f->waker == VMRT_WAKER_INTERRUPT && !period))
		fputs("release = wakeup\n", out);
	if (!period && f->woken_by[0])
		fputs("; a deadline counts from the wake-up: deadline = 10ms\n", out);
	if (f->exec_max_ns != VMRT_UNKNOWN && f->exec_max_ns > 0)
		put_time(out, "; longest execution seen, in a guest with pauses of its vCPU: wcet",
			wcet);
	if (f->prio >= 0 && f->prio < 99 && 99 - f->prio <= VMRT_PRIORITY_MAX)
		fprintf(out, "priority = %" PRId32 "\n", 99 - f->prio);
}

enum vmrt_status vmrt_discovery_experiment(const struct vmrt_found *found, size_t n,
	const char *const *machines, size_t n_machines, char **out)
{
	size_t size, tasks = 0;
	FILE *stream;

	*out = NULL;
	stream = open_memstream(out, &size);
	if (!stream)
		return VMRT_ENOMEM;
	fputs("; Found by vmrt: the periods are measured. Put in what you know.\n", stream);
	for (size_t i = 0; i < n && tasks < TASKS_MOST; i++) {
		bool first, alike;

		if (!found[i].task || found[i].machine >= n_machines ||
			!stands_for_its_name(found, n, i, &first, &alike))
			continue;
		put_task(stream, &found[i], machines[found[i].machine], alike);
		tasks++;
	}
	if (fclose(stream) != 0) {
		free(*out);
		*out = NULL;
		return VMRT_ENOMEM;
	}
	return VMRT_OK;
}

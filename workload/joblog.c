/* SPDX-License-Identifier: MIT */
/* Writes the log of the jobs of vmrt-load. */
#include "load.h"

#include <inttypes.h>
#include <string.h>

#include <vmrt/version.h>

void load_log_write(const struct load_set *set, const struct load_calibration *cal, double percent,
	double scale, FILE *out)
{
	fprintf(out, "# program = vmrt-load %s\n", VMRT_VERSION);
	fprintf(out, "# machine = %s\n", set->machine);
	fprintf(out, "# clock = CLOCK_MONOTONIC\n");
	fprintf(out, "# t0_ns = %" PRId64 "\n", set->t0_ns);
	fprintf(out, "# policy = %s\n", set->rt ? "SCHED_FIFO" : "SCHED_OTHER");
	fprintf(out, "# stopped = %s\n", set->stopped ? strsignal(set->stopped) : "no");
	fprintf(out, "# scale = %g\n", scale);
	fprintf(out, "# percentile = %g\n", percent);
	fprintf(out, "# ns_per_unit = %.6g\n", load_ns_per_unit(cal, percent));
	load_calibration_print(cal, "# calibration.", out);
	for (size_t i = 0; i < set->n; i++) {
		const struct load_task *task = &set->tasks[i];

		fprintf(out,
			"# task.%s = priority %d, period %" PRId64 " ns, wcet %" PRId64
			" ns, offset %" PRId64 " ns, planned %" PRIu64 ", done %" PRIu64 "\n",
			task->spec->name, task->spec->priority, task->spec->period_ns,
			task->spec->wcet_ns, task->spec->offset_ns, task->n_planned, task->n_done);
	}
	fprintf(out, "task,k,arrival_ns,begin_ns,end_ns,work_units,cpu_ns\n");
	for (size_t i = 0; i < set->n; i++) {
		const struct load_task *task = &set->tasks[i];
		/* a name may hold a comma, but never a quotation mark */
		const char *quote = strchr(task->spec->name, ',') ? "\"" : "";

		for (uint64_t k = 0; k < task->n_done; k++)
			fprintf(out,
				"%s%s%s,%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu64
				",%" PRId64 "\n",
				quote, task->spec->name, quote, k,
				load_arrival(task->spec, set->t0_ns, k), task->jobs[k].begin_ns,
				task->jobs[k].end_ns, task->work_units, task->jobs[k].cpu_ns);
	}
}

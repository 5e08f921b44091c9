/* SPDX-License-Identifier: MIT */
#ifndef TOPROWSFIX_H
#define TOPROWSFIX_H

/* A view made by hand: one VM with a server and a task of which each job misses; its screen as
 * text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/app/batch.h"
#include "tui/model/responses.h"
#include "tui/rows/columns.h"
#include "tui/rows/keys.h"
#include "tui/rows/layout.h"
#include "tui/rows/tables.h"

#define MS VMRT_NS_PER_MS
#define MANY 40

static struct top_server_row servers[MANY];
static struct top_task_row tasks[MANY];
static struct top_machine_row machines[2];
static struct top_vm_row vms[1];
static struct top_thread vcpus[2], threads[3];
static struct top_slice slices[40];
static struct top_mark marks[10];
static struct top_miss misses[10];
static struct top_job jobs[10];
static struct vmrt_server_period periods[10];
static uint64_t buckets[TOP_BUCKETS];
static struct top_view view;
static struct top_ui ui;

/* One server of 5 ms in 10 ms whose vCPU runs for 4 ms, and a task in it of which each job misses.
 */
static inline void make_history(void)
{
	snprintf(machines[0].name, sizeof(machines[0].name), "host");
	snprintf(machines[1].name, sizeof(machines[1].name), "vm0");
	machines[1].guest = machines[1].mapped = true;
	snprintf(vms[0].name, sizeof(vms[0].name), "vm0");
	for (int i = 0; i < 2; i++)
		vcpus[i] = (struct top_thread){.tid = 500 + i, .vcpu = i, .task = VMRT_NONE};
	vms[0].vcpus = vcpus;
	vms[0].n_vcpus = 2;
	threads[0] = vcpus[0];
	threads[1] = vcpus[1];
	threads[2] = (struct top_thread){.machine = 1, .vm = VMRT_NONE, .tid = 7, .vcpu = -1};
	snprintf(threads[0].comm, sizeof(threads[0].comm), "CPU 0/KVM");
	memset(buckets, 0, sizeof(buckets));
	buckets[TOP_BUCKETS / 3] = 77;
	for (int i = 0; i < 10; i++) {
		int64_t at = i * 10 * MS;

		periods[i] = (struct vmrt_server_period){.k = i,
			.start_ns = at,
			.end_ns = at + 10 * MS,
			.budget_ns = 5 * MS,
			.consumed_ns = 4 * MS,
			.background_ns = 1,
			.depleted_ns = i % 2 ? at + 4 * MS : VMRT_UNKNOWN,
			.outcome = i % 2 ? VMRT_PERIOD_DEPLETED : VMRT_PERIOD_SERVED};
		slices[2 * i] = (struct top_slice){at, at + 4 * MS, 0, 49, 0, i % 2};
		slices[2 * i + 1] = (struct top_slice){at + 1 * MS, at + 3 * MS, 2, 39, 0, true};
		jobs[i] = (struct top_job){.k = i,
			.arrival_ns = at,
			.end_ns = at + 9 * MS,
			.deadline_ns = at + 8 * MS,
			.response_ns = 9 * MS,
			.tardiness_ns = 1 * MS,
			.outcome = VMRT_OUTCOME_MISSED,
			.cause = VMRT_BLAME_BUDGET};
		jobs[i].blame_ns[VMRT_BLAME_EXEC] = 2 * MS;
		jobs[i].blame_ns[VMRT_BLAME_BUDGET] = 7 * MS;
		marks[i] =
			(struct top_mark){0, i, at, at + 9 * MS, at + 8 * MS, VMRT_OUTCOME_MISSED};
		misses[i] =
			(struct top_miss){.job = jobs[i], .n_blamed = 1, .number = (uint64_t)i + 1};
		misses[i].blamed[0] = (struct vmrt_blamed){VMRT_BLAME_BUDGET, 0, 7 * MS};
	}
}

static inline void make_server(struct top_server_row *s, int i)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "vm%d", i);
	snprintf(s->vm, sizeof(s->vm), "vm%d", i);
	s->policy = VMRT_POLICY_DEFERRABLE;
	s->enforced = true;
	s->priority = 50;
	s->period_ns = 12 * MS;
	s->budget_ns = 10 * MS;
	s->used_ns = 5 * MS;
	s->max_ns = 10 * MS;
	s->share = 0.5;
	s->background = 0.01;
	s->vm_index = 0;
	s->depleted_ns = VMRT_UNKNOWN;
	s->unmanaged_period_ns = s->unmanaged_supply_ns = VMRT_UNKNOWN;
	s->recent = periods;
	s->n_recent = 10;
	s->facts.used_up = 5;
	s->period_start_ns = 100 * MS;
	for (int k = 0; k < 8; k++)
		s->curve[s->n_curve++] =
			(struct vmrt_supply_point){0, (k + 1) * 5 * MS, k * 2 * MS, 0};
}

static inline void make_task(struct top_task_row *t, int i)
{
	memset(t, 0, sizeof(*t));
	snprintf(t->machine, sizeof(t->machine), "vm%d", i);
	snprintf(t->name, sizeof(t->name), "task%d", i);
	t->period_ns = t->deadline_ns = 20 * MS;
	t->wcet_ns = 8 * MS;
	t->jobs = t->known = 1000;
	t->missed = 5;
	t->last_ns = 8 * MS;
	t->max_ns = 21 * MS;
	t->max_k = 77;
	t->p99_ns = 9 * MS;
	t->state = TOP_TASK_MET;
	t->open_deadline_ns = VMRT_UNKNOWN;
	t->facts.response = t->facts.release = t->facts.start = VMRT_SERIES_EMPTY;
	t->recent = jobs;
	t->n_recent = 10;
	t->buckets = buckets;
	t->blame_ns[1][VMRT_BLAME_BUDGET] = 70 * MS;
	t->blamed_jobs[1] = 10;
	t->machine_index = 1;
}

static inline void make_view(void)
{
	view = (struct top_view){.servers = servers,
		.n_servers = 1,
		.tasks = tasks,
		.n_tasks = 2,
		.machines = machines,
		.n_machines = 2,
		.vms = vms,
		.n_vms = 1,
		.threads = threads,
		.n_threads = 3,
		.slices = slices,
		.n_slices = 20,
		.marks = marks,
		.n_marks = 10,
		.misses = misses,
		.n_misses = 10,
		.all_misses = 10,
		.seen_misses = 7,
		.start_ns = 0,
		.now_ns = 100 * MS,
		.since_ns = VMRT_UNKNOWN,
		.events = 123456,
		.mapped = true,
		.clock_error_ns = 43210};
}

static inline void make_ui(void)
{
	ui = (struct top_ui){.title = "demo.vmrt",
		.note = "",
		.alarm = "",
		.notice = "",
		.span_ns = 50 * MS,
		.right_ns = VMRT_UNKNOWN,
		.at_ns = VMRT_UNKNOWN,
		.own_cpu = 0.01,
		.own_size = 12345678,
		.buffer_fill = VMRT_UNKNOWN,
		.buffer_size = VMRT_UNKNOWN,
		.elapsed_ns = 12345 * MS,
		.total_ns = 17000 * MS,
		.delay_ns = 1000 * MS,
		.speed = 1};
}

static inline int fresh(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++) {
		make_server(&servers[i], i);
		make_task(&tasks[i], i);
	}
	make_history();
	make_view();
	make_ui();
	return 0;
}

/* The whole screen, lines joined. */
static inline const char *screen_text(int width, int height)
{
	static char text[65536];
	struct top_screen screen = {0};
	size_t used = 0;

	top_layout(&view, &ui, width, height, &screen);
	text[0] = '\0';
	for (int y = 0; y < height; y++) {
		char *line = top_screen_line(&screen, y, NULL);

		assert_true(top_columns(line) <= width);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", line);
		free(line);
	}
	top_screen_free(&screen);
	return text;
}

static inline void assert_shows(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in:\n%s", words, text);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

#endif

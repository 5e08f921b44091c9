/* SPDX-License-Identifier: MIT */
/* vmrt-load: the grid of releases, job counts, the choice of a machine, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/units.h>

#include "workload/load.h"

#define MS VMRT_NS_PER_MS

static const char two_machines[] = "[task vm1/one]\nperiod = 20ms\nwcet = 8ms\n"
				   "[task vm2/two]\nperiod = 220ms\nwcet = 80ms\noffset = 5ms\n"
				   "[task vm1/three]\nperiod = 50ms\nwcet = 1ms\n";

static struct vmrt_experiment *parse(const char *text)
{
	struct vmrt_experiment *exp = NULL;
	struct vmrt_error err;

	assert_int_equal(vmrt_experiment_parse(text, "test.ini", &exp, &err), VMRT_OK);
	return exp;
}

static void origin_is_200_ms_ahead_and_a_multiple_of_10_ms(void **state)
{
	(void)state;
	assert_int_equal(load_grid_origin(1000 * MS), 1200 * MS);
	assert_int_equal(load_grid_origin(1000 * MS + 1), 1210 * MS);
	assert_int_equal(load_grid_origin(1009 * MS), 1210 * MS);
	assert_int_equal(load_grid_origin(0), 200 * MS);
}

static void arrivals_lie_on_the_grid_of_offset_and_period(void **state)
{
	const struct vmrt_task_spec task = {.period_ns = 20 * MS, .offset_ns = 3 * MS};

	(void)state;
	assert_int_equal(load_arrival(&task, 500 * MS, 0), 503 * MS);
	assert_int_equal(load_arrival(&task, 500 * MS, 1), 523 * MS);
	/* nothing accumulates, however many jobs there have been */
	assert_int_equal(load_arrival(&task, 500 * MS, 1000000), INT64_C(20000503) * MS);
}

static void a_task_has_as_many_jobs_as_are_released_within_the_duration(void **state)
{
	struct vmrt_task_spec task = {.period_ns = 20 * MS};

	(void)state;
	assert_int_equal(load_job_count(&task, 15000 * MS), 750);
	assert_int_equal(load_job_count(&task, 15000 * MS + 1), 751);
	assert_int_equal(load_job_count(&task, 20 * MS), 1);
	assert_int_equal(load_job_count(&task, 1), 1);
	task.offset_ns = 5 * MS;
	assert_int_equal(load_job_count(&task, 25 * MS), 1);
	assert_int_equal(load_job_count(&task, 26 * MS), 2);
	assert_int_equal(load_job_count(&task, 5 * MS), 0);
	assert_int_equal(load_job_count(&task, 4 * MS), 0);
	task = (struct vmrt_task_spec){.period_ns = 220 * MS};
	assert_int_equal(load_job_count(&task, 15000 * MS), 69); /* 68.18 periods */
}

static void only_the_tasks_of_the_machine_are_run(void **state)
{
	struct vmrt_experiment *exp = parse(two_machines);
	struct vmrt_error err;
	struct load_set set;

	(void)state;
	assert_int_equal(load_set_make(exp, "vm1", 100 * MS, 0, &set, &err), VMRT_OK);
	assert_int_equal(set.n, 2);
	assert_string_equal(set.tasks[0].spec->name, "one");
	assert_int_equal(set.tasks[0].n_planned, 5);
	assert_string_equal(set.tasks[1].spec->name, "three");
	assert_int_equal(set.tasks[1].n_planned, 2);
	load_set_free(&set);
	assert_int_equal(load_set_make(exp, "vm2", 100 * MS, 7, &set, &err), VMRT_OK);
	assert_int_equal(set.tasks[0].n_planned, 7);
	load_set_free(&set);
	vmrt_experiment_free(exp);
}

static void a_run_without_any_job_is_refused(void **state)
{
	struct vmrt_experiment *exp = parse(two_machines);
	struct vmrt_error err;
	struct load_set set;

	(void)state;
	assert_int_equal(load_set_make(exp, "vm2", 5 * MS, 0, &set, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "vm2"));
	vmrt_experiment_free(exp);
}

static void a_task_without_wcet_is_refused_with_its_line(void **state)
{
	struct vmrt_experiment *exp = parse("[task vm1/idle]\nperiod = 20ms\n");
	struct vmrt_error err;
	struct load_set set;

	(void)state;
	assert_int_equal(load_set_make(exp, "vm1", 100 * MS, 0, &set, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "line 1: task vm1/idle"));
	vmrt_experiment_free(exp);
}

static void more_jobs_than_memory_could_hold_are_refused(void **state)
{
	struct vmrt_experiment *exp = parse("[task vm1/fast]\nperiod = 1us\nwcet = 100ns\n");
	struct vmrt_error err;
	struct load_set set;

	(void)state;
	assert_int_equal(
		load_set_make(exp, "vm1", 3600 * VMRT_NS_PER_S, 0, &set, &err), VMRT_ERANGE);
	vmrt_experiment_free(exp);
}

static void the_machine_is_the_wanted_one_then_the_host_name_then_the_only_one(void **state)
{
	struct vmrt_experiment *two = parse(two_machines);
	struct vmrt_experiment *one = parse("[task vm1/a]\nperiod = 20ms\nwcet = 8ms\n");
	struct vmrt_error err;
	const char *machine;

	(void)state;
	assert_int_equal(load_pick_machine(two, "vm2", "vm1", &machine, &err), VMRT_OK);
	assert_string_equal(machine, "vm2");
	assert_int_equal(load_pick_machine(two, NULL, "vm1", &machine, &err), VMRT_OK);
	assert_string_equal(machine, "vm1");
	assert_int_equal(load_pick_machine(one, NULL, "elsewhere", &machine, &err), VMRT_OK);
	assert_string_equal(machine, "vm1");
	assert_int_equal(load_pick_machine(two, NULL, "elsewhere", &machine, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "elsewhere"));
	assert_non_null(strstr(err.text, "vm1, vm2"));
	assert_int_equal(load_pick_machine(one, "vm9", "vm1", &machine, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "vm9"));
	vmrt_experiment_free(two);
	vmrt_experiment_free(one);
}

static void the_log_has_a_header_and_one_row_for_every_job_that_was_done(void **state)
{
	int64_t samples[] = {8000, 8100, 9000, 16000};
	const struct load_calibration cal = {
		.attempts = 1, .sample_units = 16, .n = 4, .sample_ns = samples};
	const struct vmrt_task_spec one = {
		.name = "one", .priority = 60, .period_ns = 20, .wcet_ns = 8, .offset_ns = 1};
	const struct vmrt_task_spec two = {
		.name = "a,b", .priority = 59, .period_ns = 50, .wcet_ns = 9};
	struct load_job jobs_one[] = {{1002, 1010, 7}, {1023, 1031, 8}};
	struct load_job jobs_two[] = {{1010, 1020, 9}, {-1, -1, -1}};
	struct load_task tasks[] = {
		{.spec = &one, .work_units = 3, .n_planned = 2, .n_done = 2, .jobs = jobs_one},
		{.spec = &two, .work_units = 4, .n_planned = 2, .n_done = 1, .jobs = jobs_two},
	};
	const struct load_set set = {.machine = "vm1",
		.tasks = tasks,
		.n = 2,
		.t0_ns = 1000,
		.rt = true,
		.stopped = SIGTERM};
	char *text = NULL, *rows;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	load_log_write(&set, &cal, 75, 0.5, out);
	fclose(out);
	rows = strstr(text, "\ntask,");
	assert_non_null(rows);
	assert_string_equal(rows, "\ntask,k,arrival_ns,begin_ns,end_ns,work_units,cpu_ns\n"
				  "one,0,1001,1002,1010,3,7\n"
				  "one,1,1021,1023,1031,3,8\n"
				  "\"a,b\",0,1000,1010,1020,4,9\n");
	rows[1] = '\0';
	assert_non_null(strstr(text, "# machine = vm1\n"));
	assert_non_null(strstr(text, "# t0_ns = 1000\n"));
	assert_non_null(strstr(text, "# stopped = Terminated\n"));
	assert_non_null(strstr(text, "# scale = 0.5\n"));
	assert_non_null(strstr(text, "# percentile = 75\n"));
	assert_non_null(strstr(text, "# ns_per_unit = 562.5\n")); /* 9000 / 16 */
	assert_non_null(strstr(text, "# calibration.p50_ns = 8100\n"));
	assert_non_null(strstr(text, "planned 2, done 1\n"));
	/* every line above the rows is a comment */
	for (char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_int_equal(*line, '#');
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origin_is_200_ms_ahead_and_a_multiple_of_10_ms),
		cmocka_unit_test(arrivals_lie_on_the_grid_of_offset_and_period),
		cmocka_unit_test(a_task_has_as_many_jobs_as_are_released_within_the_duration),
		cmocka_unit_test(only_the_tasks_of_the_machine_are_run),
		cmocka_unit_test(a_run_without_any_job_is_refused),
		cmocka_unit_test(a_task_without_wcet_is_refused_with_its_line),
		cmocka_unit_test(more_jobs_than_memory_could_hold_are_refused),
		cmocka_unit_test(
			the_machine_is_the_wanted_one_then_the_host_name_then_the_only_one),
		cmocka_unit_test(the_log_has_a_header_and_one_row_for_every_job_that_was_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Jobs, slices and budgets of a part of a run; worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/timeline/timeline.h"
#include "testdb.h"

#define MS VMRT_NS_PER_MS
#define S0 VMRT_NS_PER_S /* when the run begins */

/* A run of 100 ms: task t of a guest with one CPU, whose vCPU thread runs 0-4, 6-16 and 20-30 ms,
 * in a server of 10 ms in every 20 ms. The task is on its CPU from 2 to 12 and from 22 to 24 ms. */
static const char made[] =
	"DELETE FROM run; DELETE FROM machine; DELETE FROM vm; DELETE FROM task; DELETE FROM "
	"thread;"
	"DELETE FROM server; DELETE FROM server_period; DELETE FROM slice; DELETE FROM job; DELETE "
	"FROM loss;"
	"DELETE FROM supply; DELETE FROM checked; DELETE FROM violation; DELETE FROM clock; DELETE "
	"FROM blame;"
	"DELETE FROM blame_thread;"
	"INSERT INTO run(name, vmrt_version, hsf, tick_ns, start_ns, end_ns) VALUES('made', '0', "
	"1, 4000000,"
	" 1000000000, 1100000000);"
	"INSERT INTO machine(id, name, kind, cpus, events, lost, broken_chains, inferred_switches, "
	"out_of_order)"
	" VALUES(0, 'host', 'host', 1, 0, 0, 0, 0, 0), (1, 'vm', 'guest', 1, 0, 0, 0, 0, 0);"
	"INSERT INTO vm(id, name, machine) VALUES(0, 'vm', 1);"
	"INSERT INTO task(id, machine, machine_name, name, period_ns, wcet_ns, deadline_ns, "
	"priority)"
	" VALUES(0, 1, 'vm', 't', 20000000, 5000000, 20000000, 60);"
	"INSERT INTO thread(id, machine, tid, comm, vm, role, vcpu, task)"
	" VALUES(1, 0, 100, 'CPU 0', 0, 'vcpu', 0, NULL), (2, 1, 200, 't', NULL, NULL, NULL, 0);"
	"INSERT INTO slice VALUES(1, 0, 1000000000, 1004000000, 49, 0, 0, 0),"
	" (1, 0, 1006000000, 1016000000, 49, 1, 0, 0), (1, 0, 1020000000, 1030000000, 49, 1, 0, 0),"
	" (2, 0, 1002000000, 1012000000, 39, 1, 0, 0), (2, 0, 1022000000, 1024000000, 39, 1, 0, 0);"
	"INSERT INTO job(task, k, thread, arrival_ns, start_ns, end_ns, deadline_ns, response_ns, "
	"preemptions,"
	" migrations, skipped, outcome, cause, excused, inferred)"
	" VALUES(0, 0, 2, 1001000000, 1002000000, 1012000000, 1021000000, 11000000, 0, 0, 0, "
	"'met', NULL, 0, 0),"
	" (0, 1, 2, 1021000000, 1022000000, NULL, 1041000000, NULL, 0, 0, 0, 'missed_incomplete', "
	"'budget', 0, 0);"
	"INSERT INTO server VALUES(0, 's', 0, 'deferrable', 'soft', 20000000, 10000000, 50, 0, 1, "
	"'marker', NULL, 0);"
	"INSERT INTO server_period(server, k, start_ns, end_ns, budget_ns, consumed_ns, "
	"depleted_ns, steal_ns, outcome)"
	" VALUES(0, 0, 1000000000, 1020000000, 10000000, 10000000, 1012000000, 0, 'depleted'),"
	" (0, 1, 1020000000, 1040000000, 10000000, 10000000, NULL, 0, 'served');";

static struct vmrt_timeline *load(const char *more, const struct vmrt_tl_wanted *wanted)
{
	struct vmrt_timeline *tl = NULL;
	struct vmrt_error err = {0};

	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(testdb_change(testdb_path, made), 0);
	if (more)
		assert_int_equal(testdb_change(testdb_path, more), 0);
	if (vmrt_timeline_load(testdb_path, wanted ? wanted : &VMRT_TL_ALL, &tl, &err) != VMRT_OK)
		print_error("%s\n", err.text);
	return tl;
}

static void expect(
	const struct vmrt_segment *s, enum vmrt_state state, int64_t from_ms, int64_t to_ms)
{
	assert_int_equal(s->state, state);
	assert_int_equal(s->from_ns - S0, from_ms * MS);
	assert_int_equal(s->to_ns - S0, to_ms * MS);
}

static size_t segments(
	const struct vmrt_timeline *tl, size_t t, size_t j, struct vmrt_segment *s, size_t room)
{
	size_t steps = vmrt_timeline_steps(tl);

	return vmrt_timeline_segments(tl, t, j, s, room, &steps);
}

static void a_job_runs_only_while_its_vcpu_runs(void **state)
{
	struct vmrt_timeline *tl = load(NULL, NULL);
	struct vmrt_segment s[16];

	(void)state;
	assert_int_equal(segments(tl, 0, 0, s, 16), 4);
	expect(&s[0], VMRT_STATE_OTHERS, 1, 2);
	expect(&s[1], VMRT_STATE_RUNS, 2, 4);
	expect(&s[2], VMRT_STATE_WAITS, 4, 6);
	expect(&s[3], VMRT_STATE_RUNS, 6, 12);
	vmrt_timeline_free(tl);
}

static void a_job_that_never_ended_lasts_to_the_end(void **state)
{
	struct vmrt_timeline *tl = load(NULL, NULL);
	struct vmrt_segment s[16];

	(void)state;
	assert_int_equal(segments(tl, 0, 1, s, 16), 4);
	expect(&s[0], VMRT_STATE_OTHERS, 21, 22);
	expect(&s[1], VMRT_STATE_RUNS, 22, 24);
	expect(&s[2], VMRT_STATE_OTHERS, 24, 30);
	expect(&s[3], VMRT_STATE_WAITS, 30, 100);
	vmrt_timeline_free(tl);
}

static void segments_beyond_the_room_are_left_out(void **state)
{
	struct vmrt_timeline *tl = load(NULL, NULL);
	struct vmrt_segment s[2];

	(void)state;
	assert_int_equal(segments(tl, 0, 0, s, 2), 2);
	expect(&s[1], VMRT_STATE_RUNS, 2, 4);
	vmrt_timeline_free(tl);
}

static void no_steps_are_taken_beyond_those_that_are_left(void **state)
{
	struct vmrt_timeline *tl = load(NULL, NULL);
	struct vmrt_segment s[16];
	size_t steps = 3;

	(void)state;
	/* one for the first slice, one for each time of its vCPU before and in it */
	assert_true(vmrt_timeline_segments(tl, 0, 0, s, 16, &steps) < 4);
	assert_int_equal(steps, 0);
	assert_int_equal(vmrt_timeline_segments(tl, 0, 0, s, 16, &steps), 0);
	vmrt_timeline_free(tl);
}

static int64_t left_at(const struct vmrt_tl_point *p, size_t n, int64_t at)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (p[i].at <= at && at < p[i + 1].at)
			return p[i].left + (p[i + 1].left - p[i].left) * (at - p[i].at) /
						   (p[i + 1].at - p[i].at);
	return n ? p[n - 1].left : -1;
}

static void the_budget_falls_while_the_vcpu_runs_and_is_gone_when_depleted(void **state)
{
	static const struct {
		int64_t ms, left_ms;
	} want[] = {{0, 10}, {4, 6}, {5, 6}, {6, 6}, {11, 1}, {13, 0}, {19, 0}, {20, 10}, {25, 5},
		{35, 0}};
	struct vmrt_timeline *tl = load(NULL, NULL);
	struct vmrt_tl_point *points;
	size_t n;

	(void)state;
	assert_int_equal(vmrt_timeline_budget(tl, 0, &points, &n), VMRT_OK);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(left_at(points, n, S0 + want[i].ms * MS), want[i].left_ms * MS);
	for (size_t i = 1; i < n; i++)
		assert_true(points[i].at >= points[i - 1].at && points[i].left >= 0);
	free(points);
	vmrt_timeline_free(tl);
}

static void a_part_has_what_lies_in_it_partly(void **state)
{
	struct vmrt_tl_wanted w = VMRT_TL_ALL;
	struct vmrt_timeline *tl;

	(void)state;
	w.from = 13 * MS;
	w.to = 25 * MS;
	tl = load(NULL, &w);
	assert_int_equal(tl->from, S0 + 13 * MS);
	assert_int_equal(tl->tasks[0].n_jobs, 2); /* the first one's deadline lies in it */
	assert_int_equal(tl->vcpus[0].spans.n, 2);
	assert_int_equal(tl->servers[0].n_periods, 2);
	vmrt_timeline_free(tl);
}

static void the_part_around_a_miss_holds_it(void **state)
{
	struct vmrt_tl_wanted w = VMRT_TL_ALL;
	struct vmrt_timeline *tl;

	(void)state;
	w.around_misses = 1;
	w.window = 30 * MS;
	tl = load(NULL, &w);
	assert_int_equal(tl->from, S0 + 11 * MS);
	assert_int_equal(tl->to, S0 + 41 * MS);
	vmrt_timeline_free(tl);
	w.around_misses = 2;
	assert_null(load(NULL, &w));
}

static void a_name_that_there_is_not_is_an_error(void **state)
{
	static const char *const names[] = {"u"};
	struct vmrt_tl_wanted w = VMRT_TL_ALL;

	(void)state;
	w.tasks = names;
	w.n_tasks = 1;
	assert_null(load(NULL, &w));
}

static void times_that_no_run_can_have_are_unknown_or_refused(void **state)
{
	struct vmrt_timeline *tl = load("UPDATE job SET end_ns = -5 WHERE k = 0", NULL);

	(void)state;
	assert_int_equal(tl->tasks[0].jobs[0].end, VMRT_UNKNOWN);
	vmrt_timeline_free(tl);
	assert_null(load("UPDATE job SET deadline_ns = 9223372036854775807", NULL));
	assert_null(load("UPDATE run SET start_ns = -9223372036854775807", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_runs_only_while_its_vcpu_runs),
		cmocka_unit_test(a_job_that_never_ended_lasts_to_the_end),
		cmocka_unit_test(segments_beyond_the_room_are_left_out),
		cmocka_unit_test(no_steps_are_taken_beyond_those_that_are_left),
		cmocka_unit_test(the_budget_falls_while_the_vcpu_runs_and_is_gone_when_depleted),
		cmocka_unit_test(a_part_has_what_lies_in_it_partly),
		cmocka_unit_test(the_part_around_a_miss_holds_it),
		cmocka_unit_test(a_name_that_there_is_not_is_an_error),
		cmocka_unit_test(times_that_no_run_can_have_are_unknown_or_refused),
	};

	return cmocka_run_group_tests(tests, testdb_enter, testdb_leave);
}

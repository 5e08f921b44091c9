/* SPDX-License-Identifier: MIT */
/*
 * Which threads are a task's or a server's members, in recordings that nobody prepared: by name,
 * pattern, thread id, process and priority.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/analyze.h>
#include <vmrt/files.h>
#include <vmrt/processes.h>

#include "ask.h"
#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define BASE (100 * VMRT_NS_PER_S)
#define PERIOD (10 * MS)
#define WORK (1 * MS)
#define ROUNDS 10

/* A thread that sleeps until each multiple of the period and then works for a millisecond. */
struct sleeper {
	const char *comm;
	int32_t tid, prio;
	int64_t offset_ns;
};

static char folder[] = "/tmp/vmrt-selection-XXXXXX";

static void path_of(const char *name, char path[256])
{
	assert_int_equal(vmrt_path(path, 256, folder, name), VMRT_OK);
}

static void add_round(struct tests_dat *d, const struct sleeper *s, int64_t at)
{
	uint64_t timer = UINT64_C(0xffff888000000000) + (uint64_t)s->tid * 256;

	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(d, 0, at + 2 * US, timer, VMRT_FN_WAKEUP, at + 1 * US);
	tests_dat_waking(d, 0, at + 3 * US, s->comm, s->tid, s->prio, 0);
	tests_dat_wakeup(d, 0, at + 4 * US, s->comm, s->tid, s->prio, 0);
	tests_dat_flags(d, 0);
	tests_dat_switch(d, 0, at + 5 * US, "swapper/0", 0, 120, 0, s->comm, s->tid, s->prio);
	tests_dat_timer_start(
		d, 0, at + 5 * US + WORK, timer, VMRT_FN_WAKEUP, at + PERIOD, at + PERIOD, 0);
	tests_dat_switch(
		d, 0, at + 6 * US + WORK, s->comm, s->tid, s->prio, 1, "swapper/0", 0, 120);
}

/* Sleepers in the order of their offsets, so that the events are in order of time. */
static void write_sleepers(struct tests_dat *d, const struct sleeper *list, size_t n)
{
	char path[256];

	tests_dat_clock(d, "local [mono]");
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < n; i++)
			add_round(d, &list[i], BASE + round * PERIOD + list[i].offset_ns);
	path_of("host.dat", path);
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static struct vmrt_analyze_result analyze(const char *experiment)
{
	char ini[256], dat[256], db[256];
	struct vmrt_analyze_options options = {
		.recording = {.host_file = dat, .experiment = ini}, .db = db};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	path_of("e.ini", ini);
	path_of("host.dat", dat);
	path_of("x.db", db);
	assert_int_equal(vmrt_write_file(ini, experiment, strlen(experiment), &err), VMRT_OK);
	if (vmrt_analyze(&options, &result, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return result;
}

static const char *ask(const char *query)
{
	char path[256];

	path_of("x.db", path);
	return ask_db(path, query);
}

/* Per task: its judged jobs, and how many threads they are of. */
static const char *jobs(void)
{
	return ask("SELECT t.name, count(*), count(DISTINCT h.tid) FROM job j JOIN task t ON "
		   "t.id = j.task JOIN thread h ON h.id = j.thread WHERE j.outcome = 'met' "
		   "GROUP BY 1 ORDER BY 1");
}

static const struct sleeper four[] = {
	{"rt_a", 101, 19, 0},
	{"rt_b", 102, 29, 2 * MS},
	{"a ;b]", 103, 39, 4 * MS},
	{"controller", 104, 29, 6 * MS},
};

static void a_pattern_takes_all_threads_that_match(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[task host/rt]\nthread = rt_*\nperiod = 10ms\n");
	assert_string_equal(jobs(), "rt|18|2");
}

static void the_most_exact_section_gets_the_thread(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[task host/all]\nthread = *\nperiod = 10ms\n[task host/rt_b]\nperiod = 10ms\n"
		"[task host/num]\ntid = 101\nperiod = 10ms\n[task host/rt_a]\nperiod = 10ms\n");
	assert_string_equal(jobs(), "all|18|2\nnum|9|1\nrt_b|9|1");
}

static void a_name_with_any_characters_is_found(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[task host/\"a ;b]\"]\nperiod = 10ms\n");
	assert_string_equal(jobs(), "a ;b]|9|1");
}

static void of_a_pattern_only_those_with_the_priority_count(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[task host/p70]\nthread = *\npriority = 70\nperiod = 10ms\n");
	assert_string_equal(ask("SELECT DISTINCT h.comm FROM job j JOIN thread h ON h.id = "
				"j.thread ORDER BY 1"),
		"controller\nrt_b");
}

/* A process: its main thread, and the threads made while it is recorded, until they exec. */
static void a_process_is_its_main_thread_and_those_it_makes(void **state)
{
	static const struct sleeper family[] = {{"controller", 200, 49, 0},
		{"worker", 201, 49, 2 * MS}, {"tool", 202, 49, 4 * MS}, {"other", 203, 49, 6 * MS}};
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 200);
	tests_dat_fork(d, 0, BASE - 9 * US, "controller", 200, "controller", 201);
	tests_dat_fork(d, 0, BASE - 8 * US, "controller", 200, "controller", 202);
	tests_dat_exec(d, 0, BASE - 7 * US, "/bin/tool", 202, 202);
	tests_dat_current(d, 0, 0);
	write_sleepers(d, family, 4);
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(
		ask("SELECT DISTINCT h.tid FROM job j JOIN thread h ON h.id = j.thread ORDER BY 1"),
		"200\n201");
	analyze("[task host/c]\nprocess = 200\nthread = w*\nperiod = 10ms\n");
	assert_string_equal(jobs(), "c|9|1");
}

/* What the recorder wrote beside host.dat. */
static void know(const char *begin, const char *end)
{
	char dat[256];
	struct vmrt_error err = {0};

	path_of("host.dat", dat);
	if (vmrt_processes_save(dat, (const char *const[VMRT_PROCESSES_TIMES]){begin, end}, &err) !=
		VMRT_OK)
		fail_msg("%s", err.text);
}

static void know_nothing(void)
{
	char dat[256];

	path_of("host.dat", dat);
	vmrt_processes_remove(dat);
}

#define TIDS "SELECT DISTINCT h.tid FROM job j JOIN thread h ON h.id = j.thread ORDER BY 1"

static const struct sleeper team[] = {{"rt_a", 100, 49, 0}, {"rt_b", 101, 49, 2 * MS},
	{"aux", 102, 49, 4 * MS}, {"rt_c", 103, 49, 6 * MS}};

/* All four threads were there, and had these names, before anything was recorded. */
static void threads_that_were_renamed_before_the_recording_are_of_their_process(void **state)
{
	static const char list[] = "100 90 controller\n101 90 controller\n103 103 rt_c\n";

	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), team, 4);
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(jobs(), "");
	know(list, list);
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100\n101");
	analyze("[task host/c]\nprocess = 90\nthread = rt_*\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100\n101");
	/* a process that has another name at the end has both */
	know(list, "100 90 renamed\n101 90 renamed\n");
	analyze("[task host/c]\nprocess = renamed\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100\n101");
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100\n101");
	/* the servers of threads, too */
	analyze("[server pid]\nvm = pid:90\npolicy = none\nperiod = 10ms\nbudget = 5ms\n");
	assert_string_equal(
		ask("SELECT tid FROM thread WHERE vm IS NOT NULL ORDER BY 1"), "100\n101");
	know_nothing();
}

/* The list of the end knows threads that were made without a record of it, and shows whether a
 * number was given to another thread later. */
static void the_list_of_the_end_is_asked_where_nothing_else_is_known(void **state)
{
	struct tests_dat *d;

	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), team, 4);
	know("103 103 rt_c\n", "100 90 controller\n101 90 controller\n");
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100\n101");
	/* 101 is made by a thread of another process: it has ended before it got a namesake */
	d = tests_dat_new(1, TESTS_KERNEL_61);
	tests_dat_current(d, 0, 50);
	tests_dat_fork(d, 0, BASE - 9 * US, "shell", 50, "shell", 101);
	tests_dat_current(d, 0, 0);
	write_sleepers(d, team, 4);
	know("50 50 shell\n", "50 50 shell\n100 90 controller\n101 90 controller\n");
	analyze("[task host/c]\nprocess = controller\nperiod = 10ms\n");
	assert_string_equal(ask(TIDS), "100");
	know_nothing();
}

static void servers_of_threads_find_them_and_share_them(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[server named]\nvm = thread:rt_*\npolicy = none\nperiod = 10ms\nbudget = 5ms\n"
		"[server pid]\nvm = pid:101\npolicy = none\nperiod = 10ms\nbudget = 5ms\n"
		"[server nobody]\nvm = thread:nosuch\npolicy = none\nperiod = 10ms\nbudget = 5ms\n"
		"[task host/rt_a]\nperiod = 10ms\n");
	assert_string_equal(jobs(), "rt_a|9|1");
	/* 10 rounds of 1.001 ms each */
	assert_string_equal(
		ask("SELECT server, sum(consumed_ns + background_ns), "
		    "count(DISTINCT outcome) FROM server_periods GROUP BY 1 ORDER BY 1"),
		"named|20020000|2\nnobody|NULL|2\npid|10010000|2");
	assert_string_equal(ask("SELECT count(*) FROM server_periods WHERE server = 'nobody' AND "
				"outcome NOT IN ('unknown', 'truncated')"),
		"0");
}

/* One round is on each page. Whether the page of round 3 comes after one other, or after two: the
 * jobs beside it are unknown, and all others are as they were. */
static void pages_in_another_order_make_no_job_wrong(void **state)
{
	static const int orders[][ROUNDS] = {{0, 1, 2, 4, 3, 5, 6, 7, 8, 9},
		{0, 1, 2, 4, 5, 3, 6, 7, 8, 9}, {1, 0, 2, 3, 4, 5, 6, 7, 8, 9}};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

		tests_dat_clock(d, "local [mono]");
		for (size_t k = 0; k < ROUNDS; k++) {
			tests_dat_end_page(d, 0);
			add_round(d, &four[0], BASE + orders[i][k] * PERIOD);
		}
		path_of("host.dat", path);
		tests_dat_write(d, path);
		tests_dat_free(d);
		assert_true(analyze("[task host/rt_a]\nperiod = 10ms\n").loss);
		assert_string_equal(ask("SELECT count(*) >= 4, max(response_ns) < 1100000 FROM job "
					"WHERE outcome = 'met'"),
			"1|1");
		assert_string_equal(
			ask("SELECT count(*) FROM job WHERE outcome LIKE 'missed%'"), "0");
		assert_string_equal(
			ask("SELECT count(*) >= 1 FROM job WHERE outcome = 'unknown'"), "1");
	}
}

/* All is on CPU 0: six events for each of four threads in each of ten rounds. The tenth job has no
 * end. */
static void events_that_are_missing_nobody_knows_when_make_jobs_uncertain(void **state)
{
	static const char unsure[] = "SELECT count(unsure_ns), count(*) FROM job";
	static const char noted[] =
		"SELECT name, words LIKE '%CPU 0, of which % events are missing%none is certain'"
		" FROM note WHERE about = 'task'";
	struct tests_dat *d;

	(void)state;
	for (int missing = 0; missing <= 37; missing += 37) {
		d = tests_dat_new(2, TESTS_KERNEL_61);
		tests_dat_counted(d, 0, ROUNDS * 4 * 6 + (uint64_t)missing);
		/* of a CPU that the task never used nothing follows */
		tests_dat_counted(d, 1, 5);
		write_sleepers(d, four, 4);
		analyze("[task host/rt_a]\nperiod = 10ms\n[server s]\nvm = thread:rt_b\n"
			"policy = none\nperiod = 10ms\nbudget = 5ms\n");
		assert_string_equal(ask(unsure), missing ? "0|10" : "9|10");
		assert_string_equal(ask("SELECT t.uncertain, s.uncertain FROM task t, server s"),
			missing ? "1|1" : "0|0");
		assert_string_equal(ask(noted), missing ? "host/rt_a|1" : "");
	}
	assert_string_equal(ask("SELECT words LIKE '%, of which 37 events %' FROM note"), "1\n1");
	/* a counter below zero */
	d = tests_dat_new(2, TESTS_KERNEL_61);
	tests_dat_counted(d, 0, UINT64_MAX - 253);
	write_sleepers(d, four, 4);
	assert_true(analyze("[task host/rt_a]\nperiod = 10ms\n").loss);
	assert_string_equal(ask("SELECT words LIKE '%CPU 0, whose counters of lost events make no "
				"sense:%' FROM note"),
		"1");
	assert_string_equal(ask("SELECT events FROM losses"), "NULL");
}

static void missing_threads_are_noted_with_those_that_come_near(void **state)
{
	(void)state;
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze("[task host/contorller]\nperiod = 10ms\n[task host/x]\nthread = tr_*\n"
		"[task host/y]\ntid = 7\n[server s]\nvm = thread:zzzz\npolicy = none\n");
	assert_string_equal(ask("SELECT about, name, words FROM note"),
		"server|s|no thread of thread:zzzz was recorded: what the server got is not known; "
		"none of the 4 names comes near\n"
		"task|host/contorller|no thread called contorller was recorded; nearest: "
		"controller (thread 104)\n"
		"task|host/x|no thread whose name fits the pattern tr_* was recorded; nearest: "
		"rt_a (thread 101), "
		"rt_b (thread 102)\n"
		"task|host/y|no thread with the id 7 was recorded; none of the 4 names comes near");
}

/* How many names there are times how many tasks would be work without bound. */
static void names_are_looked_through_for_the_first_missing_tasks_only(void **state)
{
	static char text[120 * 64];
	int n = 0;

	(void)state;
	for (int i = 0; i < 120; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			"[task host/contorller%d]\nperiod = 10ms\n", i);
	write_sleepers(tests_dat_new(1, TESTS_KERNEL_61), four, 4);
	analyze(text);
	assert_string_equal(ask("SELECT count(*) FROM note WHERE words LIKE "
				"'no thread called % was recorded; nearest: controller%'"),
		"100");
	assert_string_equal(ask("SELECT count(*) FROM note WHERE words LIKE "
				"'no thread called % was found for it'"),
		"20");
}

static void missing_events_are_noted_with_what_is_unknown(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	char path[256];

	(void)state;
	/* a recording of sched_switch alone, which is what many people make */
	tests_dat_clock(d, "local [mono]");
	for (int i = 0; i < 40; i++) {
		tests_dat_switch(d, 0, BASE + i * MS, "swapper/0", 0, 120, 0, "t", 9, 19);
		tests_dat_switch(d, 0, BASE + i * MS + 9 * US, "t", 9, 19, 1, "swapper/0", 0, 120);
	}
	path_of("host.dat", path);
	tests_dat_write(d, path);
	tests_dat_free(d);
	analyze("[task host/t]\nperiod = 1ms\n");
	assert_string_equal(
		ask("SELECT about, name, words LIKE '%sched_waking and sched_wakeup (%' "
		    "AND words LIKE '%hrtimer_start (%' AND words LIKE "
		    "'%hrtimer_expire_entry (%' AND words LIKE '%trace-cmd record -C mono%' "
		    "AND words NOT LIKE '%: sched_switch (%' FROM note WHERE about = 'machine'"),
		"machine|host|1");
	assert_string_equal(ask("SELECT name, words LIKE 'it has no jobs%' FROM note WHERE about = "
				"'task'"),
		"host/t|1");
	assert_string_equal(
		ask("SELECT name, described, count FROM event WHERE system = 'sched' AND "
		    "name IN ('sched_switch', 'sched_waking') ORDER BY name"),
		"sched_switch|1|80\nsched_waking|1|0");
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_takes_all_threads_that_match),
		cmocka_unit_test(the_most_exact_section_gets_the_thread),
		cmocka_unit_test(a_name_with_any_characters_is_found),
		cmocka_unit_test(of_a_pattern_only_those_with_the_priority_count),
		cmocka_unit_test(a_process_is_its_main_thread_and_those_it_makes),
		cmocka_unit_test(
			threads_that_were_renamed_before_the_recording_are_of_their_process),
		cmocka_unit_test(the_list_of_the_end_is_asked_where_nothing_else_is_known),
		cmocka_unit_test(servers_of_threads_find_them_and_share_them),
		cmocka_unit_test(pages_in_another_order_make_no_job_wrong),
		cmocka_unit_test(events_that_are_missing_nobody_knows_when_make_jobs_uncertain),
		cmocka_unit_test(missing_threads_are_noted_with_those_that_come_near),
		cmocka_unit_test(names_are_looked_through_for_the_first_missing_tasks_only),
		cmocka_unit_test(missing_events_are_noted_with_what_is_unknown),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/experiment.h>
#include <vmrt/units.h>

static const char good[] = "[experiment]\n"
			   "name = paper\n"
			   "tick = 4ms\n"
			   "\n"
			   "[server vm1]   ; a comment\n"
			   "period = 3tick\n"
			   "budget = 10ms\n"
			   "priority = 50\n"
			   "depletion = hard\n"
			   "[task vm1/fast]\n"
			   "period = 20ms\n"
			   "wcet = 8ms\n"
			   "[task vm1/slow]\n"
			   "period = 220ms\n"
			   "deadline = 200ms\n"
			   "[task host/other]\n"
			   "period = 100ms\n"
			   "priority = 33\n";

static void a_good_file_is_read_with_its_defaults(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(good, "good.ini", &exp, &err), VMRT_OK);
	assert_string_equal(exp->name, "paper");
	assert_int_equal(exp->n_servers, 1);
	assert_string_equal(exp->servers[0].vm, "vm1");
	assert_int_equal(exp->servers[0].period_ns, 12000000);
	assert_int_equal(exp->servers[0].depletion, VMRT_DEPLETION_HARD);
	assert_int_equal(exp->servers[0].policy, VMRT_POLICY_DEFERRABLE);
	assert_int_equal(exp->n_tasks, 3);
	assert_int_equal(exp->tasks[0].deadline_ns, 20000000);
	assert_int_equal(exp->tasks[1].deadline_ns, 200000000);
	vmrt_experiment_free(exp);
}

static void shorter_periods_get_higher_priorities_and_given_ones_stay(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(good, "good.ini", &exp, &err), VMRT_OK);
	assert_int_equal(exp->tasks[0].priority, 60);
	assert_int_equal(exp->tasks[1].priority, 59);
	assert_int_equal(exp->tasks[2].priority, 33);
	vmrt_experiment_free(exp);
}

static void files_of_other_editors_are_read(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(
				 "\xef\xbb\xbf[task vm/t]\r\n\tperiod = 9ms\r\n  wcet = 2ms\r\n",
				 "odd.ini", &exp, &err),
		VMRT_OK);
	assert_int_equal(exp->tasks[0].period_ns, 9 * VMRT_NS_PER_MS);
	assert_int_equal(exp->tasks[0].wcet_ns, 2 * VMRT_NS_PER_MS);
	vmrt_experiment_free(exp);
}

static void a_task_needs_no_period_and_then_ranks_last(void **state)
{
	static const char text[] = "[task vm/a]\n[task vm/b]\nperiod = 1s\nrelease = timerfd\n"
				   "[task vm/c]\ndeadline = 5ms\nwcet = 1ms\n";
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &exp, &err), VMRT_OK);
	assert_int_equal(exp->tasks[0].period_ns, 0);
	assert_int_equal(exp->tasks[0].deadline_ns, 0);
	assert_int_equal(exp->tasks[0].release, VMRT_RELEASE_AUTO);
	assert_int_equal(exp->tasks[1].release, VMRT_RELEASE_TIMERFD);
	assert_int_equal(exp->tasks[2].deadline_ns, 5000000);
	assert_int_equal(exp->tasks[1].priority, 60);
	assert_int_equal(exp->tasks[0].priority, 59);
	assert_int_equal(exp->tasks[2].priority, 58);
	assert_string_equal(vmrt_release_name(VMRT_RELEASE_RESCH), "resch");
	vmrt_experiment_free(exp);
}

static void a_server_says_where_and_how_it_is_held_back(void **state)
{
	static const char text[] =
		"[server a]\nperiod = 10ms\nbudget = 2ms\npriority = 9\nbackground = idle\n"
		"helpers = charged\ncpu = 1\n[server b]\npolicy = none\n";
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(text, "s.ini", &exp, &err), VMRT_OK);
	assert_int_equal(exp->servers[0].background, VMRT_BACKGROUND_IDLE);
	assert_true(exp->servers[0].charge_helpers);
	assert_int_equal(exp->servers[0].cpu, 1);
	assert_int_equal(exp->servers[1].background, VMRT_BACKGROUND_OTHER);
	assert_false(exp->servers[1].charge_helpers);
	assert_int_equal(exp->servers[1].cpu, -1);
	vmrt_experiment_free(exp);
}

static const struct {
	const char *text, *complaint;
} bad[] = {
	{"[server a]\nvm = a/b\n", "bad.ini:2: vm = a/b: give 1 to 63 plain characters"},
	{"[server a]\nvm = cgroup:/a`b\n",
		"bad.ini:2: vm = cgroup:/a`b: give 1 to 63 plain characters"},
	{"[server a]\nbackground = batch\n",
		"bad.ini:2: background = batch: allowed are other and idle"},
	{"[server a]\nhelpers = yes\n", "bad.ini:2: helpers = yes: allowed are free and charged"},
	{"[server a]\ncpu = first\n", "bad.ini:2: cpu = first: give the number of a host CPU"},
	{"[experiment]\nnme = x\n", "bad.ini:2: unknown key 'nme' in [experiment]"},
	{"\n[sevrer a]\n", "bad.ini:2: unknown section [sevrer a]"},
	{"[server a]\nperiod = 12ms\nbudget = 15ms\npriority = 5\n",
		"bad.ini:1: budget 15 ms of server a is more than its period 12 ms"},
	{"[server a]\nperiod=9ms\nbudget=1ms\npriority=5\n\n[server a]\n",
		"bad.ini:6: server a is defined twice (first on line 1)"},
	{"[task vm/t]\nperiod=9ms\n[task vm/t]\nperiod=9ms\n",
		"bad.ini:3: task vm/t is defined twice"},
	{"[task vm/t]\nperiod=9ms\nperiod=8ms\n", "bad.ini:3: 'period' is given twice"},
	{"[task vm/t]\nperiod = fast\n", "bad.ini:2: period = fast is not a duration"},
	{"[task vm/t]\nperiod = 3tick\n", "bad.ini:2: period = 3tick is not a duration"},
	{"[task vm/t]\nperiod = 0ms\n", "bad.ini:2: task vm/t needs a period above 0"},
	{"[task vm/t]\nrelease = magic\n",
		"bad.ini:2: release = magic: allowed are auto, nanosleep"},
	{"[task t]\nperiod = 3ms\n", "bad.ini:1: [task t] names no machine"},
	{"[task vm/a_name_of_16_chars]\n",
		"bad.ini:1: 'a_name_of_16_chars' cannot be a task's name"},
	{"[task vm/t]\nperiod=10ms\nwcet=11ms\n",
		"bad.ini:1: wcet 11 ms of task vm/t is more than"},
	{"[server a]\nperiod=9ms\nbudget=1ms\npriority=98\n", "bad.ini:4: priority = 98"},
	{"[server a]\nperiod=9ms\nbudget=1ms\n", "bad.ini:1: server a needs a priority"},
	{"[server a]\npolicy = fair\n", "bad.ini:2: policy = fair: allowed are"},
	{"[experiment]\nname=a\n[experiment]\n",
		"bad.ini:3: the section [experiment] occurs twice"},
	{"key = 1\n", "bad.ini:1: 'key' stands before any section"},
	{"[server a\nperiod = 1ms\n", "bad.ini:1:"},
	{"no equals sign\n", "bad.ini:1: expected [section] or key = value"},
	{"[server a;rm]\n", "bad.ini:1: 'a;rm' cannot be a server's name"},
};

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmrt_experiment *exp = NULL;
		struct vmrt_error err = {0};

		if (vmrt_experiment_parse(bad[i].text, "bad.ini", &exp, &err) == VMRT_OK) {
			vmrt_experiment_free(exp);
			fail_msg("accepted: %s", bad[i].text);
		}
		if (strncmp(err.text, bad[i].complaint, strlen(bad[i].complaint)) != 0)
			fail_msg("'%s' instead of '%s'", err.text, bad[i].complaint);
	}
}

static void a_line_beyond_the_readers_room_is_refused(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;
	char text[400] = "[experiment]\nname = ";

	(void)state;
	memset(text + strlen(text), 'x', 300);
	assert_int_equal(vmrt_experiment_parse(text, "long.ini", &exp, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "long.ini:2: the line is longer than"));
}

static void a_missing_file_is_named(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_load("/nonexistent/x.ini", &exp, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x.ini"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_read_with_its_defaults),
		cmocka_unit_test(shorter_periods_get_higher_priorities_and_given_ones_stay),
		cmocka_unit_test(a_task_needs_no_period_and_then_ranks_last),
		cmocka_unit_test(a_server_says_where_and_how_it_is_held_back),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(a_line_beyond_the_readers_room_is_refused),
		cmocka_unit_test(files_of_other_editors_are_read),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

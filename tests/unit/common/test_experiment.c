/* SPDX-License-Identifier: MIT */
/* Experiment files: what is read, what is refused and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/experiment.h>
#include <vmrt/glob.h>
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
	{"[server a]\nvm = a\x01z\n", "bad.ini:2: vm = a?z: give 1 to 63 printable characters"},
	{"[server a]\nvm = a\xffz\n", "bad.ini:2: vm = a"},
	{"[experiment]\nname = a/b\n", "bad.ini:2: name = a/b: it names folders and files"},
	{"[task vm/a]b;c\n", "bad.ini:1: there is text behind the section header: write a name "
			     "with ] in quotes"},
	{"[task vm/a] ;b]\n", "bad.ini:1: it is not clear which ] ends the section header"},
	{"[task vm/\"a]\n", "bad.ini:1: the quote \" is not closed"},
	{"[task vm/\"a\"b]\n",
		"bad.ini:1: [task vm/\"a\"b]: there is text behind the closing quote"},
	{"[task vm/a\\]\n", "bad.ini:1: the section header has no closing bracket"},
	{"[task vm/a\\]]\n[task vm/\"a]\"]\n", "bad.ini:2: task vm/a] is defined twice"},
	{"[task vm/a]\nthread = \"rt;x\n",
		"bad.ini:2: thread = \"rt;x: the quote \" is not closed"},
	{"[task vm/a]\nthread = \"rt\" x\n",
		"bad.ini:2: thread = \"rt\" x: there is text behind the closing quote"},
	{"[task vm/a]\nthread = \"\"\n", "bad.ini:2: thread = : give 1 to 63 printable characters"},
	{"[task vm/a]\ntid = 0\n", "bad.ini:2: tid = 0: give the number of a thread"},
	{"[server a]\nbackground = batch\n",
		"bad.ini:2: background = batch: allowed are other and idle"},
	{"[server a]\nhelpers = yes\n", "bad.ini:2: helpers = yes: allowed are free and charged"},
	{"[server a]\ncpu = first\n", "bad.ini:2: cpu = first: give the number of a host CPU"},
	{"[server a]\ncpu = 1,\n", "bad.ini:2: cpu = 1,: give the number of a host CPU"},
	{"[server a]\ncpu = 3-2\n", "bad.ini:2: cpu = 3-2: give the number of a host CPU"},
	{"[server a]\ncpu = 0-64\n", "bad.ini:2: cpu = 0-64: give the number of a host CPU"},
	{"[server a]\ncpu = 1,2\ntogether = yes\nperiod = 2ms\nbudget = 1ms\npriority = 9\n",
		"bad.ini:1: server a: a list of CPUs has one for the server of each vCPU, but this "
		"one is a single server (together = yes): name one CPU"},
	{"[server a]\nvm = a:1\ncpu = 1,2\nperiod = 2ms\nbudget = 1ms\npriority = 9\n",
		"bad.ini:1: server a: a list of CPUs has one for the server of each vCPU, but this "
		"one is a single server (of one vCPU)"},
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
	{"[task vm/t]\nperiod = 9ms\ndeadline = 0\n",
		"bad.ini:3: task vm/t needs a deadline above 0"},
	{"[task vm/t]\nrelease = magic\n",
		"bad.ini:2: release = magic: allowed are auto, nanosleep, timerfd, itimer, posix, "
		"relative, resch, deadline and wakeup"},
	{"[task t]\nperiod = 3ms\n", "bad.ini:1: [task t] names no machine"},
	{"[task vm/a_name_of_16_chars]\n",
		"bad.ini:1: 'a_name_of_16_chars' cannot be a task's name"},
	{"[task vm/t]\nperiod=10ms\nwcet=11ms\n",
		"bad.ini:1: wcet 11 ms of task vm/t is more than"},
	{"[server a]\nperiod=9ms\nbudget=1ms\npriority=98\n", "bad.ini:4: priority = 98"},
	{"[server a]\nperiod=9ms\nbudget=1ms\n", "bad.ini:1: server a needs a priority"},
	{"[server a]\npolicy = fair\n",
		"bad.ini:2: policy = fair: allowed are none, periodic, polling, deferrable, "
		"sporadic, edf, deadline, rt_group and cfs_quota"},
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

static void a_comment_may_have_any_length(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;
	char text[1000] = "  ; ";

	(void)state;
	memset(text + strlen(text), 'x', 600);
	strcat(text, "\n[experiment]\nname = n\n#");
	memset(text + strlen(text), 'y', 300);
	assert_int_equal(vmrt_experiment_parse(text, "long.ini", &exp, &err), VMRT_OK);
	assert_string_equal(exp->name, "n");
	vmrt_experiment_free(exp);
	strcat(text, "\nnonsense\n");
	assert_int_equal(vmrt_experiment_parse(text, "long.ini", &exp, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "long.ini:5: "));
}

static void a_comment_is_written_in_short_lines(void **state)
{
	char *text, words[600] = "";
	size_t size, longest = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(words, "word ");
	vmrt_experiment_comment(out, words);
	vmrt_experiment_comment(out, "one");
	fclose(out);
	assert_non_null(strstr(text, "\n; one\n"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_int_equal(strncmp(line, "; ", 2), 0);
		longest = strlen(line) > longest ? strlen(line) : longest;
	}
	/* a semicolon and 19 words with a blank before each fill 96 of 100 characters */
	assert_int_equal(longest, 96);
	free(text);
}

/* What stands in the brackets, and the machine and the name that it means. */
static const struct {
	const char *header, *machine, *name;
} names[] = {
	{"[task host/a]b]", "host", "a]b"},
	{"[task host/[kw]]", "host", "[kw]"},
	{"[task host/[kw]] ; comment [1]", "host", "[kw]"},
	{"[task host/irq/24-nvme0q1]", "host", "irq/24-nvme0q1"},
	{"[task host/kworker/0:1H]", "host", "kworker/0:1H"},
	{"[task host/a;b|c&d<e>'f]", "host", "a;b|c&d<e>'f"},
	{"[task host/\"a ;b] c\"]", "host", "a ;b] c"},
	{"[task \"host/a ;b\"]", "host", "a ;b"},
	{"[task host/a\\] \\;b]", "host", "a] ;b"},
	{"[task host/\"say \\\"x\\\"\"]", "host", "say \"x\""},
	{"[task host/a\"b]", "host", "a\"b"},
	{"[task host/a\\\\b]", "host", "a\\b"},
	{"[task \"vm/1\"/t]", "vm/1", "t"},
	{"[task vm\\/1/t]", "vm/1", "t"},
	{"[task vm 1/Stra\xc3\x9f"
	 "e]",
		"vm 1",
		"Stra\xc3\x9f"
		"e"},
	{"[task host/\xe6\xb8\xa9\xe5\xba\xa6]", "host", "\xe6\xb8\xa9\xe5\xba\xa6"},
};

static void names_of_threads_may_have_any_character(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vmrt_experiment *exp = NULL;
		struct vmrt_error err = {0};
		char text[256], again[VMRT_EXPERIMENT_HEADER];

		snprintf(text, sizeof(text), "%s\nperiod = 10ms\n", names[i].header);
		if (vmrt_experiment_parse(text, "n.ini", &exp, &err) != VMRT_OK)
			fail_msg("%s", err.text);
		assert_string_equal(exp->tasks[0].machine, names[i].machine);
		assert_string_equal(exp->tasks[0].name, names[i].name);
		vmrt_experiment_free(exp);
		vmrt_experiment_header(names[i].machine, names[i].name, again);
		if (vmrt_experiment_parse(again, "n.ini", &exp, &err) != VMRT_OK)
			fail_msg("%s: %s", again, err.text);
		assert_string_equal(exp->tasks[0].machine, names[i].machine);
		assert_string_equal(exp->tasks[0].name, names[i].name);
		vmrt_experiment_free(exp);
	}
}

static void tasks_are_selected_by_pattern_process_tid_and_priority(void **state)
{
	static const char text[] =
		"[task host/rt]\nthread = \"rt ;*\" ; comment\nprocess = controller\n"
		"priority = 80\n[task host/one]\ntid = 77\n[task host/plain]\npriority = 9\n";
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &exp, &err), VMRT_OK);
	assert_string_equal(exp->tasks[0].thread, "rt ;*");
	assert_string_equal(exp->tasks[0].process, "controller");
	assert_true(exp->tasks[0].by_priority);
	assert_int_equal(exp->tasks[1].tid, 77);
	assert_false(exp->tasks[1].by_priority);
	assert_true(vmrt_task_selects(&exp->tasks[1]));
	assert_false(exp->tasks[2].by_priority);
	assert_false(vmrt_task_selects(&exp->tasks[2]));
	vmrt_experiment_free(exp);
}

static const struct {
	const char *pattern, *text;
	bool matches;
} globs[] = {
	{"rt_*", "rt_task1", true},
	{"rt_*", "rt_", true},
	{"rt_*", "art_1", false},
	{"*", "", true},
	{"", "", true},
	{"", "a", false},
	{"?", "\xc3\x9f", true},
	{"??", "\xc3\x9f", false},
	{"a*b*c", "axxbyybzc", true},
	{"a*b*c", "axxbyybz", false},
	{"[kw]*", "worker", true},
	{"[!kw]*", "worker", false},
	{"[0-3]x", "2x", true},
	{"\\[kw]", "[kw]", true},
	{"\\[kw]", "k", false},
	{"[kw", "[kw", true},
	{"a\\*", "a*", true},
	{"a\\*", "ab", false},
	{"CPU */KVM", "CPU 12/KVM", true},
	{"*a*a*a*a*b", "aaaaaaaaaaaaaaa", false},
};

static void patterns_match_whole_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
		if (vmrt_glob(globs[i].pattern, globs[i].text, 16) != globs[i].matches)
			fail_msg("%s against %s", globs[i].pattern, globs[i].text);
	assert_true(vmrt_glob("abcdefghijklmnop", "abcdefghijklmnopqrst", 16));
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
		cmocka_unit_test(a_comment_may_have_any_length),
		cmocka_unit_test(a_comment_is_written_in_short_lines),
		cmocka_unit_test(files_of_other_editors_are_read),
		cmocka_unit_test(names_of_threads_may_have_any_character),
		cmocka_unit_test(tasks_are_selected_by_pattern_process_tid_and_priority),
		cmocka_unit_test(patterns_match_whole_names),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

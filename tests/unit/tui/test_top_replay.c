/* SPDX-License-Identifier: MIT */
/* From a recording to screens, with a clock that only the script moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/files.h>

#include <math.h>

#include <vmrt/analyze.h>

#include "metrics/failif/failif.h"
#include "toprun.h"
#include "tui/app/app.h"

static char folder[] = "/tmp/vmrt-top-XXXXXX";
static char run[64], script[64], dump[64];

static int make_run(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(run, sizeof(run), "%s/t.vmrt", folder);
	snprintf(script, sizeof(script), "%s/script", folder);
	snprintf(dump, sizeof(dump), "%s/dump", folder);
	return toprun_make(run);
}

static int remove_run(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Runs @text as a script; what it dumped, or the error's text. */
static const char *play(const char *text, double speed)
{
	static char shown[65536];
	struct top_options options = {.source = {.run = run},
		.delay_ns = VMRT_NS_PER_S,
		.speed = speed,
		.ascii = true,
		.script = script,
		.dump = dump,
		.width = 80,
		.height = 24,
		.page = -1};
	struct vmrt_error err = {0};
	struct top_app app;
	char *dumped;

	assert_int_equal(vmrt_write_file(script, text, strlen(text), &err), VMRT_OK);
	if (top_app_open(&app, &options, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	if (top_script_run(&app, &err) != VMRT_OK) {
		snprintf(shown, sizeof(shown), "%s", err.text);
	} else {
		assert_int_equal(
			vmrt_read_file(dump, sizeof(shown) - 1, &dumped, NULL, &err), VMRT_OK);
		snprintf(shown, sizeof(shown), "%s", dumped);
		free(dumped);
	}
	top_app_close(&app);
	return shown;
}

static void assert_shows(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in:\n%s", words, text);
}

static void the_end_shows_what_was_worked_out_by_hand(void **state)
{
	const char *text = play(":end\n:size 140x24\n:dump\n", 1);

	(void)state;
	assert_shows(text, "END");
	assert_shows(text, "loss none   clock +-1 us   250 events");
	/* three periods depleted and a little over, 6.01 ms in the fullest of 42 */
	assert_shows(text, "<0.1      3     3     6.01     0.01      5.98      12.00       42");
	/* srv_stop has come: no budget is left, and none is used up */
	assert_shows(text, "vm1       I idle      stopped                     -    6.00");
	/* 20 jobs, 1 missed and not seen yet, last 4.05 ms, most 28 ms */
	assert_shows(
		text, "vm1/t1    = met          20      1+1     5.0     4.05    28.00    28.00");
	assert_shows(text, "20.00      23.95      12        0");
}

static void a_moment_shows_the_budget_of_its_period(void **state)
{
	(void)state;
	assert_shows(
		play(":wait 5500us\n:dump\n", 1), "R running  ####.............    4.48   6.00");
	assert_shows(play(":wait 7ms\n:dump\n", 1), "I idle     ##...............    4.98   6.00");
	assert_shows(
		play(":wait 200ms\n:dump\n", 1), "T depleted xxxxxxxxxxxxxxxxx    6.01   6.00");
	/* there is budget from 325.010 ms on, and the vCPU that was held back runs at 325.020 ms */
	assert_shows(
		play(":wait 325015us\n:dump\n", 1), "W waiting  #################    0.00   6.00");
}

static void a_job_that_is_too_late_is_seen_before_it_ends(void **state)
{
	(void)state;
	/* job 12 arrives at 313 ms, should be ready at 333 ms and is at 341 ms */
	assert_shows(play(":wait 332ms\n:dump\n", 1), "vm1/t1   = met         12       0");
	assert_shows(play(":wait 334ms\n:dump\n", 1), "vm1/t1   M overdue     12       0");
	assert_shows(play(":wait 341500us\n:dump\n", 1), "vm1/t1   M missed      13     1+1");
}

static void the_replay_runs_at_its_speed(void **state)
{
	char *once = strdup(play(":wait 200ms\n:dump\n", 1));

	(void)state;
	assert_string_equal(
		strstr(once, "vm1/t1"), strstr(play(":wait 20ms\n:dump\n", 10), "vm1/t1"));
	assert_string_equal(
		strstr(once, "vm1/t1"), strstr(play(":wait 400ms\n:dump\n", 0.5), "vm1/t1"));
	assert_shows(play(":wait 1ms\n:dump\n", 0), "END");
	free(once);
}

static void nothing_changes_while_it_is_paused(void **state)
{
	char *before = strdup(play(":wait 200ms\n:dump\n", 1));
	char *paused = strdup(play(":wait 200ms\nSpace\n:wait 90ms\n:dump\n", 1));
	const char *after = play(":wait 200ms\nSpace\n:wait 90ms\nZ\n:dump\n", 1);

	(void)state;
	assert_shows(paused, "PAUSED");
	assert_string_equal(before, after);
	assert_memory_equal(strstr(before, "SERVER"), strstr(paused, "SERVER"), 300);
	free(before);
	free(paused);
}

static void keys_change_the_delay_within_bounds(void **state)
{
	(void)state;
	assert_shows(play("+ +\n:dump\n", 1), "every 5 s");
	assert_shows(play("- - -\n:dump\n", 1), "every 100 ms");
	assert_shows(play("- - - - - -\n:dump\n", 1), "every 100 ms");
	assert_shows(play("+ + + + + + + + +\n:dump\n", 1), "every 60 s");
}

static void after_q_nothing_is_done_any_more(void **state)
{
	(void)state;
	assert_string_equal(play("q\n:dump\n", 1), "");
}

static void a_script_with_a_mistake_is_refused_with_its_line(void **state)
{
	(void)state;
	assert_shows(play("\n:wait soon\n", 1), "script:2: :wait needs a time");
	assert_shows(play("x\n", 1), "script:1: no such key");
	assert_shows(play(":size 0x5\n", 1), "script:1: :size needs");
	assert_shows(play(":dance\n", 1), "script:1: unknown command");
}

static bool same(double a, double b)
{
	return (isnan(a) && isnan(b)) || a == b;
}

static void assert_same_figure(
	const struct condition_metric *m, const void *live, const void *stored)
{
	struct vmrt_figure a = {.num = 99, .den = 100, .value = NAN, .low = NAN, .high = NAN},
			   b = a;

	m->figure(live, &a);
	m->figure(stored, &b);
	if (!same(a.value, b.value) || !same(a.low, b.low) || !same(a.high, b.high))
		fail_msg("%s: live %.17g (%.17g to %.17g), report %.17g (%.17g to %.17g)", m->name,
			a.value, a.low, a.high, b.value, b.low, b.high);
}

/* Every figure that a condition may be about, of the recording in @folder_of_run. */
static void compare_figures(const char *folder_of_run)
{
	struct top_options options = {
		.source = {.run = folder_of_run}, .delay_ns = VMRT_NS_PER_S, .page = -1};
	struct vmrt_analyze_options analyze = {.recording = {.run = folder_of_run}};
	struct vmrt_analyze_result result;
	struct vmrt_run_facts live, *stored = NULL;
	struct vmrt_error err;
	struct top_app app;
	size_t compared = 0;

	if (vmrt_analyze(&analyze, &result, &err) != VMRT_OK ||
		vmrt_facts_load(folder_of_run, NULL, &stored, &err) != VMRT_OK ||
		top_app_open(&app, &options, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(top_app_pass(&app, 0, INT64_MAX, &err), TOP_FED_END);
	top_model_facts(app.model, app.engine, &live);
	assert_int_equal(live.n_tasks, stored->n_tasks);
	assert_int_equal(live.n_machines, stored->n_machines);
	for (const struct condition_metric *m = condition_metric_list(); m->name; m++) {
		/* windows that cannot be judged are counted at the end only, by the checker */
		if (!strcmp(m->name, "violations"))
			continue;
		for (size_t i = 0; m->scope == VMRT_SCOPE_TASK && i < live.n_tasks; i++, compared++)
			assert_same_figure(m, &live.tasks[i], &stored->tasks[i]);
		for (size_t i = 0; m->scope == VMRT_SCOPE_SERVER && i < stored->n_servers;
			i++, compared++)
			assert_same_figure(m, &live.servers[i], &stored->servers[i]);
		for (size_t i = 0; m->scope == VMRT_SCOPE_MACHINE && i < live.n_machines;
			i++, compared++)
			assert_same_figure(m, &live.machines[i], &stored->machines[i]);
	}
	assert_true(compared > 20);
	vmrt_facts_free(stored);
	top_app_close(&app);
}

static void every_figure_is_that_of_the_report(void **state)
{
	static const char *const names[] = {"demo-hsf", "demo-none"};

	(void)state;
	compare_figures(run);
	for (int i = 0; i < 2; i++) {
		char copy[96], command[400];

		snprintf(copy, sizeof(copy), "%s/%s.vmrt", folder, names[i]);
		snprintf(command, sizeof(command),
			"cp -r tests/data/%s.vmrt %s 2>/dev/null && chmod -R u+w %s", names[i],
			copy, copy);
		/* from another folder than the checkout the recordings are not to be found */
		if (system(command) == 0)
			compare_figures(copy);
	}
}

static void a_replay_goes_to_a_time_and_back(void **state)
{
	char *at = strdup(play(":wait 200ms\n:dump\n", 1));

	(void)state;
	assert_string_equal(strstr(at, "vm1/t1"),
		strstr(play(":end\nt\n:type 200ms\nEnter\n:dump\n", 1), "vm1/t1"));
	assert_string_equal(
		strstr(at, "vm1/t1"), strstr(play(":wait 150ms\n]\n:dump\n", 1), "vm1/t1"));
	free(at);
}

static void the_misses_of_a_replay_are_jumped_to(void **state)
{
	const char *text = play("m\n:dump\n", 1);

	(void)state;
	assert_shows(text, "Miss 1: vm1/t1 job 12");
	assert_shows(text, "PAUSED");
	assert_shows(play("m m\n:dump\n", 1), "There is no further miss.");
	assert_shows(play(":end\nM\n:dump\n", 1), "Miss 1: vm1/t1 job 12");
	assert_shows(play(":end\nM M\n:dump\n", 1), "There is no miss before this one.");
	/* also to those before the statistics were counted anew */
	assert_shows(play(":wait 400ms\nr M\n:dump\n", 1), "Miss 1: vm1/t1 job 12");
	/* the next one is the next from where it is, not from where one has been */
	assert_shows(play("m Space\n:wait 50ms\nM\n:dump\n", 1), "Miss 1: vm1/t1 job 12");
	assert_shows(play(":wait 10ms\nM\n:dump\n", 1),
		"No job is known to have missed its deadline so far.");
}

/* Opens a recording whose seeks are done in pieces. */
static void open_in_pieces(struct top_app *app, const char *recording)
{
	static struct top_options options; /* the program keeps them */
	struct vmrt_error err;

	options = (struct top_options){
		.source = {.run = recording}, .delay_ns = VMRT_NS_PER_S, .page = -1, .speed = 1};
	if (top_app_open(app, &options, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	app->in_pieces = true;
}

static void a_seek_goes_on_between_keys_and_can_be_broken_off(void **state)
{
	struct vmrt_error err;
	struct top_app app;

	(void)state;
	open_in_pieces(&app, run);
	assert_int_equal(top_app_seek(&app, 300000000, &err), VMRT_OK);
	assert_true(app.seek.under_way);
	assert_int_equal(app.view.events, 0);
	while (app.seek.under_way)
		assert_int_not_equal(top_app_pass(&app, 0, 0, &err), TOP_FED_ERROR);
	assert_int_equal(app.source->now_ns - app.source->start_ns, 300000000);
	assert_true(app.view.events > 0);
	assert_false(app.ui.paused);
	/* back: it begins with the first event again */
	assert_int_equal(top_app_seek(&app, 200000000, &err), VMRT_OK);
	assert_true(app.seek.under_way);
	assert_int_equal(top_app_key(&app, "Esc", &err), VMRT_OK);
	assert_false(app.seek.under_way);
	assert_true(app.ui.paused);
	assert_int_equal(app.source->now_ns, app.source->start_ns);
	top_app_close(&app);
}

/* A key that is held comes again before the seek has arrived. */
static void each_stroke_goes_one_miss_on_though_the_one_before_has_not_arrived(void **state)
{
	struct vmrt_error err;
	struct top_app app;

	(void)state;
	open_in_pieces(&app, "tests/data/demo-none.vmrt");
	for (int i = 0; i < 5; i++)
		assert_int_equal(top_app_jump(&app, 1, &err), VMRT_OK);
	while (app.seek.under_way)
		assert_int_not_equal(top_app_pass(&app, 0, 0, &err), TOP_FED_ERROR);
	assert_int_equal(app.miss, 5);
	for (int i = 0; i < 3; i++)
		assert_int_equal(top_app_jump(&app, -1, &err), VMRT_OK);
	while (app.seek.under_way)
		assert_int_not_equal(top_app_pass(&app, 0, 0, &err), TOP_FED_ERROR);
	assert_int_equal(app.miss, 2);
	top_app_close(&app);
}

static void statistics_are_counted_anew_on_demand(void **state)
{
	const char *text = play(":wait 400ms\nr\n:end\n:dump\n", 1);

	(void)state;
	/* after 400 ms there are jobs 16 to 19 left */
	assert_shows(text, "counted since 0:00.4");
	assert_shows(text, "vm1/t1   = met          4       0    0.0    4.05");
}

static void a_vm_that_is_not_in_the_recording_is_refused(void **state)
{
	struct top_options options = {.source = {.run = run, .vm = "vm9"}};
	struct vmrt_error err;
	struct top_app app;

	(void)state;
	assert_int_equal(top_app_open(&app, &options, &err), VMRT_ENOENT);
	assert_string_equal(
		err.text, "t.vmrt: there is no VM vm9; it has: vm1 (did you mean vm1?)");
	top_app_close(&app);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(the_end_shows_what_was_worked_out_by_hand),
		cmocka_unit_test(a_moment_shows_the_budget_of_its_period),
		cmocka_unit_test(a_job_that_is_too_late_is_seen_before_it_ends),
		cmocka_unit_test(the_replay_runs_at_its_speed),
		cmocka_unit_test(nothing_changes_while_it_is_paused),
		cmocka_unit_test(keys_change_the_delay_within_bounds),
		cmocka_unit_test(after_q_nothing_is_done_any_more),
		cmocka_unit_test(a_script_with_a_mistake_is_refused_with_its_line),
		cmocka_unit_test(every_figure_is_that_of_the_report),
		cmocka_unit_test(a_replay_goes_to_a_time_and_back),
		cmocka_unit_test(the_misses_of_a_replay_are_jumped_to),
		cmocka_unit_test(a_seek_goes_on_between_keys_and_can_be_broken_off),
		cmocka_unit_test(
			each_stroke_goes_one_miss_on_though_the_one_before_has_not_arrived),
		cmocka_unit_test(statistics_are_counted_anew_on_demand),
		cmocka_unit_test(a_vm_that_is_not_in_the_recording_is_refused),
	};

	return cmocka_run_group_tests(all, make_run, remove_run);
}

/* SPDX-License-Identifier: MIT */
/* The screens of vmrt-top as data: nothing overlaps, whatever the size and the numbers. */
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
static void make_history(void)
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

static int fresh(void **state)
{
	(void)state;
	memset(servers, 0, sizeof(servers));
	memset(tasks, 0, sizeof(tasks));
	for (int i = 0; i < MANY; i++) {
		struct top_server_row *s = &servers[i];
		struct top_task_row *t = &tasks[i];

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
	make_history();
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
	return 0;
}

/* The worst that numbers and names can be. */
static void make_it_extreme(size_t n)
{
	view.n_servers = view.n_tasks = n;
	view.lost = UINT64_MAX;
	view.broken = UINT64_MAX;
	view.lost_at_least = true;
	view.events = UINT64_MAX;
	view.steal_ns = view.clock_error_ns = INT64_MAX / 2;
	ui.elapsed_ns = ui.total_ns = INT64_MAX;
	ui.note =
		"a note that is so long that it has no room on any screen, however wide it may be, "
		"because somebody had a lot to say about what is wrong with a guest of his";
	for (size_t i = 0; i < n; i++) {
		struct top_server_row *s = &servers[i];
		struct top_task_row *t = &tasks[i];

		memset(s->name, 'n', sizeof(s->name) - 1);
		memset(s->vm, 'v', sizeof(s->vm) - 1);
		memset(t->machine, 'm', sizeof(t->machine) - 1);
		memset(t->name, 't', sizeof(t->name) - 1);
		s->used_ns = s->max_ns = INT64_MAX;
		s->period_ns = s->budget_ns = INT64_MAX / 64;
		s->share = 1024;
		s->background = 1e-9;
		s->periods = s->depletions = UINT64_MAX;
		s->priority = 99;
		s->state = (enum top_server_state)(i % 4);
		t->jobs = t->known = t->unknown = t->excused = UINT64_MAX;
		t->missed = UINT64_MAX - 1;
		t->last_ns = t->max_ns = t->max_k = t->p99_ns = INT64_MAX;
		t->p99_approximate = true;
		t->state = (enum top_task_state)(i % 6);
	}
}

static void check_screen(const struct top_screen *screen)
{
	static char taken[60][200];

	assert_false(screen->failed);
	memset(taken, 0, sizeof(taken));
	for (size_t i = 0; i < screen->n; i++) {
		const struct top_span *s = &screen->spans[i];

		assert_true(s->y >= 0 && s->y < screen->height);
		assert_true(s->x >= 0 && s->width > 0 && s->x + s->width <= screen->width);
		assert_true(top_columns(s->text) <= s->width);
		for (int x = s->x; x < s->x + s->width; x++) {
			if (taken[s->y][x]++)
				fail_msg("%dx%d: two pieces at column %d of line %d, one is '%s'",
					screen->width, screen->height, x, s->y, s->text);
		}
		for (const char *p = s->text; *p; p++)
			assert_true((unsigned char)*p >= ' ');
	}
}

/* Every size near the smallest, and some of the others. */
static void at_all_sizes(void)
{
	struct top_screen screen = {0};

	for (int width = 1; width <= 200; width += width < 90 ? 1 : 5) {
		for (int height = 1; height <= 60; height += height < 30 ? 1 : 6) {
			top_layout(&view, &ui, width, height, &screen);
			check_screen(&screen);
		}
	}
	top_screen_free(&screen);
}

static void on_all_pages(void)
{
	for (ui.page = 0; ui.page < TOP_PAGES; ui.page++)
		at_all_sizes();
}

static void ordinary_pages_do_not_overlap_at_any_size(void **state)
{
	(void)state;
	on_all_pages();
}

static void extreme_pages_do_not_overlap_at_any_size(void **state)
{
	(void)state;
	make_it_extreme(MANY);
	ui.paused = true;
	for (int i = 0; i < TOP_PAGES; i++)
		ui.cursor[i] = 1000000;
	ui.server = ui.task = 1000000;
	on_all_pages();
}

static void sheets_do_not_overlap_at_any_size(void **state)
{
	static char line[] = "a line", *lines[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		lines[i] = line;
	ui.text = lines;
	ui.n_text = 100;
	ui.miss = 5;
	for (ui.sheet = TOP_SHEET_HELP; ui.sheet <= TOP_SHEET_TEXT; ui.sheet++) {
		ui.ascii = !ui.ascii;
		at_all_sizes();
	}
}

static void the_timeline_holds_any_zoom_and_any_time(void **state)
{
	struct top_screen screen = {0};

	(void)state;
	ui.page = TOP_PAGE_TIMELINE;
	for (ui.span_ns = TOP_SPAN_MIN; ui.span_ns <= TOP_SPAN_MAX; ui.span_ns *= 3)
		for (int64_t at = -20 * MS; at <= 120 * MS; at += 7 * MS) {
			ui.at_ns = at;
			ui.right_ns = at + ui.span_ns / 3;
			top_layout(&view, &ui, 97, 24, &screen);
			check_screen(&screen);
		}
	top_screen_free(&screen);
}

static void nothing_at_all_is_said_in_words(void **state)
{
	struct top_screen screen = {0};
	char *line;

	(void)state;
	view.n_servers = view.n_tasks = 0;
	at_all_sizes();
	top_layout(&view, &ui, 80, 24, &screen);
	line = top_screen_line(&screen, 4, NULL);
	assert_string_equal(line, "Nothing to show: no server, no task, no VM.");
	free(line);
	top_screen_free(&screen);
}

/* The whole screen, lines joined. */
static const char *screen_text(int width, int height)
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

static void assert_shows(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in:\n%s", words, text);
}

static void loss_and_clock_and_pause_are_on_the_smallest_screen(void **state)
{
	const char *text;

	(void)state;
	view.lost = 1234;
	ui.paused = true;
	text = screen_text(40, 8);
	assert_shows(text, "L 1234 lost");
	assert_shows(text, "clock \u00b144 us");
	assert_shows(text, "PAUSED");
	assert_shows(text, "SHARE %");
	assert_shows(text, "MISS %");
}

static void a_screen_that_is_too_small_says_what_it_needs(void **state)
{
	(void)state;
	assert_shows(screen_text(39, 24), "needs 40x8, is 39x24");
	assert_shows(screen_text(80, 7), "needs 40x8, is 80x7");
}

static void meaning_is_in_letters_not_in_colour(void **state)
{
	const char *text;

	(void)state;
	servers[0].state = TOP_SERVER_DEPLETED;
	tasks[0].state = TOP_TASK_MISSED;
	ui.ascii = true;
	text = screen_text(80, 24);
	assert_shows(text, "T depleted");
	assert_shows(text, "M missed");
	assert_shows(text, "xxxxxxxx");
	for (const char *p = text; *p; p++)
		assert_true((unsigned char)*p < 0x80);
	text = screen_text(40, 8);
	assert_shows(text, "vm0      T");
	ui.cursor[TOP_PAGE_OVERVIEW] = 1;
	assert_shows(screen_text(40, 8), "task0    M");
}

static void units_stand_in_the_heads(void **state)
{
	const char *text;

	(void)state;
	text = screen_text(200, 24);
	for (const char *const *p = (const char *const[]){"USED ms", "OF ms", "PERIOD ms", "MAX ms",
		     "LAST ms", "P99 ms", "DEADLINE ms", "SHARE %", "MISS %", NULL};
		*p; p++)
		assert_shows(text, *p);
}

static void the_bar_shows_what_is_left_of_the_budget(void **state)
{
	(void)state;
	ui.ascii = true;
	assert_shows(screen_text(200, 24), "  ##########..........  ");
	servers[0].used_ns = 10 * MS - 1;
	assert_shows(screen_text(200, 24), "  #...................  ");
	servers[0].used_ns = 11 * MS;
	assert_shows(screen_text(200, 24), "  xxxxxxxxxxxxxxxxxxxx  ");
	/* what was used is not known: then neither is what is left */
	servers[0].used_ns = VMRT_UNKNOWN;
	assert_shows(screen_text(200, 24), "I idle      -                           -   10.00");
}

static void a_few_misses_are_neither_none_nor_all(void **state)
{
	(void)state;
	tasks[0].known = tasks[0].jobs = 1000000;
	tasks[0].missed = 1;
	assert_shows(screen_text(80, 24), "<0.1");
	tasks[0].missed = 999999;
	assert_shows(screen_text(80, 24), ">99.9");
	tasks[0].missed = 1000000;
	assert_shows(screen_text(80, 24), "100.0");
}

static void the_row_under_the_cursor_is_always_seen(void **state)
{
	char name[32];

	(void)state;
	view.n_servers = view.n_tasks = MANY;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "> vm%d/task%d ", i, i);
		ui.cursor[TOP_PAGE_OVERVIEW] = MANY + i;
		assert_shows(screen_text(80, 12), name);
		snprintf(name, sizeof(name), "> vm%d ", i);
		ui.cursor[TOP_PAGE_OVERVIEW] = i;
		assert_shows(screen_text(80, 12), name);
	}
	assert_shows(screen_text(80, 12), "row 40 of 80");
	ui.cursor[TOP_PAGE_OVERVIEW] = 1000;
	assert_shows(screen_text(80, 12), "> vm39/task39 ");
}

static void rows_are_filtered_and_sorted(void **state)
{
	size_t order[MANY];

	(void)state;
	view.n_tasks = MANY;
	strcpy(ui.filter, "TASK3");
	assert_int_equal(top_order_make(&view, &ui, TOP_TASKS, order), 11);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 30);
	ui.filter[0] = '\0';
	for (int i = 0; i < MANY; i++)
		tasks[i].missed = (uint64_t)(i * 7 % MANY);
	while (strcmp(top_column_head(TOP_TASKS, (size_t)ui.tables[TOP_TASKS].sort), "MISSED") != 0)
		ui.tables[TOP_TASKS].sort++;
	ui.tables[TOP_TASKS].sort++;
	assert_int_equal(top_order_make(&view, &ui, TOP_TASKS, order), MANY);
	for (int i = 1; i < MANY; i++)
		assert_true(tasks[order[i - 1]].missed > tasks[order[i]].missed);
	ui.tables[TOP_TASKS].invert = true;
	top_order_make(&view, &ui, TOP_TASKS, order);
	assert_int_equal(tasks[order[0]].missed, 0);
}

static void hidden_columns_are_not_shown(void **state)
{
	(void)state;
	assert_shows(screen_text(200, 24), "JITTER ms");
	ui.tables[TOP_TASKS].hidden = ~UINT32_C(0);
	assert_null(strstr(screen_text(200, 24), "JITTER ms"));
	assert_shows(screen_text(200, 24), "vm0/task0");
}

/* The strip of a server of 10 ms whose vCPU runs for 4 ms, used up at 4 ms in every second period.
 */
static void strips_show_runs_and_the_end_of_the_budget(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_SERVER;
	ui.ascii = true;
	text = screen_text(86, 40);
	assert_shows(text, " 0:00.090 ####################xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   4.00");
	assert_shows(text, " 0:00.080 ####################..............................   4.00");
}

static void the_timeline_shows_arrivals_misses_and_the_budget(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_TIMELINE;
	ui.ascii = true;
	text = screen_text(64, 30); /* 1 ms in each column */
	assert_shows(text, "^       M ^       M ^       M ^       M ^       M");
	assert_shows(text, "  vCPU 0      ####------####      ####------####      ####");
	/* 4 of 5 ms are used: a fifth is left until the period ends, or x where it is used up */
	assert_shows(text, "*=-.xxxxxx*=-.......*=-.xxxxxx");
}

static void the_split_of_a_miss_adds_up(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_MISSES;
	ui.sheet = TOP_SHEET_SPLIT;
	ui.miss = 3;
	text = screen_text(80, 30);
	assert_shows(text, "vm0/task0 job 2, arrived at 0:00.020000");
	assert_shows(text, "budget               7.00 ms   77.8 %");
	assert_shows(text, "exec                 2.00 ms   22.2 %");
	assert_shows(text, "host:CPU 0/KVM/500");
	ui.miss = 99;
	assert_shows(screen_text(80, 30), "too long ago");
}

static void new_misses_are_marked(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_MISSES;
	text = screen_text(80, 24);
	assert_shows(text, "[5 misses+3]");
	assert_shows(text, "0:00.098 * vm0/task0");
	assert_shows(text, "0:00.068   vm0/task0");
}

static void colours_are_sgr_numbers_that_the_user_may_change(void **state)
{
	struct top_theme theme;
	struct vmrt_error err;
	char codes[TOP_CODES];

	(void)state;
	top_theme_default(&theme);
	top_theme_codes(&theme, TOP_MISS, false, codes);
	assert_string_equal(codes, "\033[1;38;5;208m");
	top_theme_codes(&theme, TOP_PLAIN, false, codes);
	assert_string_equal(codes, "");
	top_theme_codes(&theme, TOP_PLAIN, true, codes);
	assert_string_equal(codes, "\033[7m");
	assert_int_equal(top_theme_parse(&theme, "miss=31;4:bar=48;5;200", &err), VMRT_OK);
	top_theme_codes(&theme, TOP_MISS, false, codes);
	assert_string_equal(codes, "\033[4;31m");
	top_theme_codes(&theme, TOP_BAR, false, codes);
	assert_string_equal(codes, "\033[48;5;200m");
	assert_int_equal(top_theme_parse(&theme, "mis=31", &err), VMRT_EINVAL);
	assert_int_equal(top_theme_parse(&theme, "miss=red", &err), VMRT_EINVAL);
	assert_int_equal(top_theme_parse(&theme, "miss", &err), VMRT_EINVAL);
	assert_int_equal(top_theme_parse(&theme, "", &err), VMRT_OK);
}

static void vms_without_servers_have_no_budget_columns(void **state)
{
	const char *text;

	(void)state;
	view.n_tasks = 0;
	servers[0].policy = VMRT_POLICY_NONE;
	text = screen_text(120, 24);
	assert_shows(text, "VM        STATE");
	assert_null(strstr(text, "USED ms"));
	view.n_servers = 2;
	assert_shows(screen_text(120, 24), "USED ms");
}

static void every_key_does_what_its_row_says_where_that_is_meant(void **state)
{
	(void)state;
	for (size_t i = 0; i < top_n_keys; i++) {
		char names[64], *save = NULL;

		ui.sheet = top_keys[i].where == TOP_ON_SETUP ? TOP_SHEET_SETUP : TOP_SHEET_NONE;
		ui.page = top_keys[i].where == TOP_ON_TIMELINE ? TOP_PAGE_TIMELINE
			  : top_keys[i].where == TOP_ON_MISSES ? TOP_PAGE_MISSES
							       : TOP_PAGE_OVERVIEW;
		snprintf(names, sizeof(names), "%s", top_keys[i].names);
		for (char *name = strtok_r(names, " ", &save); name;
			name = strtok_r(NULL, " ", &save)) {
			assert_int_equal(top_key_action(name, &ui), top_keys[i].action);
			assert_true(top_key_known(name));
		}
	}
	assert_int_equal(top_key_action("x", &ui), TOP_ACT_NONE);
	assert_int_equal(top_key_action("", &ui), TOP_ACT_NONE);
	assert_int_equal(top_key_action("q F10", &ui), TOP_ACT_NONE);
	ui.page = TOP_PAGE_OVERVIEW;
	assert_int_equal(top_key_action("h", &ui), TOP_ACT_HELP);
	assert_int_equal(top_key_action("m", &ui), TOP_ACT_NEXT_MISS);
	ui.live = true;
	assert_int_equal(top_key_action("m", &ui), TOP_ACT_NEXT_MISS);
	assert_int_equal(top_key_action("t", &ui), TOP_ACT_NONE);
	ui.following = true;
	assert_int_equal(top_key_action("t", &ui), TOP_ACT_SEEK);
	ui.page = TOP_PAGE_TIMELINE;
	assert_int_equal(top_key_action("h", &ui), TOP_ACT_LEFT);
}

static void json_is_one_line_with_exact_numbers(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	ui.title = "a \"quoted\" \\ title\n";
	view.now_ns = 1752345678901234567;
	servers[0].share = 0.0 / 0.0;
	assert_int_equal(top_tables_json(&view, &ui, out), VMRT_OK);
	fclose(out);
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	assert_shows(text, "\"now_ns\":1752345678901234567");
	assert_shows(text, "\"share_ratio\":null");
	assert_shows(text, "\"title\":\"a \\\"quoted\\\" \\\\ title\\u000a\"");
	free(text);
}

static void batch_has_heads_once_and_no_escapes(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(top_batch_print(&view, &ui, true, out), VMRT_OK);
	assert_int_equal(top_batch_print(&view, &ui, false, out), VMRT_OK);
	fclose(out);
	assert_non_null(strstr(text, "# TIME s    SERVER"));
	assert_null(strstr(strstr(text, "SERVER") + 1, "SERVER"));
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "\n12.345      vm0/task0 "));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest all[] = {
		TEST(ordinary_pages_do_not_overlap_at_any_size),
		TEST(extreme_pages_do_not_overlap_at_any_size),
		TEST(sheets_do_not_overlap_at_any_size),
		TEST(the_timeline_holds_any_zoom_and_any_time),
		TEST(nothing_at_all_is_said_in_words),
		TEST(loss_and_clock_and_pause_are_on_the_smallest_screen),
		TEST(a_screen_that_is_too_small_says_what_it_needs),
		TEST(meaning_is_in_letters_not_in_colour),
		TEST(units_stand_in_the_heads),
		TEST(the_bar_shows_what_is_left_of_the_budget),
		TEST(a_few_misses_are_neither_none_nor_all),
		TEST(the_row_under_the_cursor_is_always_seen),
		TEST(rows_are_filtered_and_sorted),
		TEST(hidden_columns_are_not_shown),
		TEST(strips_show_runs_and_the_end_of_the_budget),
		TEST(the_timeline_shows_arrivals_misses_and_the_budget),
		TEST(the_split_of_a_miss_adds_up),
		TEST(new_misses_are_marked),
		TEST(colours_are_sgr_numbers_that_the_user_may_change),
		TEST(vms_without_servers_have_no_budget_columns),
		TEST(every_key_does_what_its_row_says_where_that_is_meant),
		TEST(json_is_one_line_with_exact_numbers),
		TEST(batch_has_heads_once_and_no_escapes),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

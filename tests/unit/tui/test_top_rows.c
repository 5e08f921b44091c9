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

#include "tui/batch.h"
#include "tui/columns.h"
#include "tui/keys.h"
#include "tui/layout.h"

#define MS VMRT_NS_PER_MS
#define MANY 40

static struct top_server_row servers[MANY];
static struct top_task_row tasks[MANY];
static struct top_view view;
static struct top_look look;

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
	}
	view = (struct top_view){.servers = servers,
		.n_servers = 1,
		.tasks = tasks,
		.n_tasks = 2,
		.now_ns = 0,
		.events = 123456,
		.mapped = true,
		.clock_error_ns = 43210};
	look = (struct top_look){.title = "demo.vmrt",
		.note = "",
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
	look.elapsed_ns = look.total_ns = INT64_MAX;
	look.note =
		"a note that is so long that it has no room on any screen, however wide it may be, "
		"because somebody had a lot to say about what is wrong with a guest of his";
	for (size_t i = 0; i < n; i++) {
		struct top_server_row *s = &servers[i];
		struct top_task_row *t = &tasks[i];

		memset(s->name, 'n', sizeof(s->name) - 1);
		memset(s->vm, 'v', sizeof(s->vm) - 1);
		memset(t->machine, 'm', sizeof(t->machine) - 1);
		memset(t->name, 't', sizeof(t->name) - 1);
		s->used_ns = s->max_ns = s->period_ns = s->budget_ns = INT64_MAX;
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

static void at_all_sizes(void)
{
	struct top_screen screen = {0};

	for (int width = 1; width <= 200; width++) {
		for (int height = 1; height <= 60; height++) {
			top_layout(&view, &look, width, height, &screen);
			check_screen(&screen);
		}
	}
	top_screen_free(&screen);
}

static void ordinary_rows_do_not_overlap_at_any_size(void **state)
{
	(void)state;
	at_all_sizes();
}

static void extreme_rows_do_not_overlap_at_any_size(void **state)
{
	(void)state;
	make_it_extreme(MANY);
	look.paused = true;
	look.scroll = 1000000;
	at_all_sizes();
}

static void help_does_not_overlap_at_any_size(void **state)
{
	(void)state;
	look.help = look.ascii = true;
	at_all_sizes();
}

static void nothing_at_all_is_said_in_words(void **state)
{
	struct top_screen screen = {0};
	char *line;

	(void)state;
	view.n_servers = view.n_tasks = 0;
	at_all_sizes();
	top_layout(&view, &look, 80, 24, &screen);
	line = top_screen_line(&screen, 3);
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

	top_layout(&view, &look, width, height, &screen);
	text[0] = '\0';
	for (int y = 0; y < height; y++) {
		char *line = top_screen_line(&screen, y);

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
	look.paused = true;
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
	look.ascii = true;
	text = screen_text(80, 24);
	assert_shows(text, "T depleted");
	assert_shows(text, "M missed");
	assert_shows(text, "xxxxxxxx");
	for (const char *p = text; *p; p++)
		assert_true((unsigned char)*p < 0x80);
	text = screen_text(40, 8);
	assert_shows(text, "vm0      T");
	assert_shows(text, "task0    M");
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

static void the_bar_shows_the_part_of_the_budget_that_is_used(void **state)
{
	(void)state;
	look.ascii = true;
	assert_shows(screen_text(200, 24), "  ############............  ");
	servers[0].used_ns = 1;
	assert_shows(screen_text(200, 24), "  #.......................  ");
	servers[0].used_ns = 11 * MS;
	assert_shows(screen_text(200, 24), "  ########################  ");
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

static void every_row_can_be_scrolled_to(void **state)
{
	char name[32];

	(void)state;
	view.n_servers = view.n_tasks = MANY;
	assert_shows(screen_text(80, 12), "lines 1-8 of 83");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "vm%d/task%d ", i, i);
		look.scroll = MANY + 2 + i;
		assert_shows(screen_text(80, 12), name);
		snprintf(name, sizeof(name), "vm%d ", i);
		look.scroll = i;
		assert_shows(screen_text(80, 12), name);
	}
	look.scroll = 1000;
	assert_shows(screen_text(80, 12), "lines 76-83 of 83");
}

static void vms_without_servers_have_no_budget_columns(void **state)
{
	const char *text;

	(void)state;
	view.n_tasks = 0;
	servers[0].policy = VMRT_POLICY_NONE;
	text = screen_text(120, 24);
	assert_shows(text, "VM        STATE");
	assert_null(strstr(text, "BUDGET"));
	view.n_servers = 2;
	assert_shows(screen_text(120, 24), "BUDGET");
}

static void every_key_of_the_table_is_known_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < top_n_keys; i++) {
		char names[64], *save = NULL;

		snprintf(names, sizeof(names), "%s", top_keys[i].names);
		for (char *name = strtok_r(names, " ", &save); name;
			name = strtok_r(NULL, " ", &save))
			assert_int_equal(top_key_action(name), top_keys[i].action);
	}
	assert_int_equal(top_key_action("q"), TOP_ACT_QUIT);
	assert_int_equal(top_key_action("x"), TOP_ACT_NONE);
	assert_int_equal(top_key_action(""), TOP_ACT_NONE);
	assert_int_equal(top_key_action("q F10"), TOP_ACT_NONE);
}

static void batch_has_heads_once_and_no_escapes(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(top_batch_print(&view, &look, true, out), VMRT_OK);
	assert_int_equal(top_batch_print(&view, &look, false, out), VMRT_OK);
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
		TEST(ordinary_rows_do_not_overlap_at_any_size),
		TEST(extreme_rows_do_not_overlap_at_any_size),
		TEST(help_does_not_overlap_at_any_size),
		TEST(nothing_at_all_is_said_in_words),
		TEST(loss_and_clock_and_pause_are_on_the_smallest_screen),
		TEST(a_screen_that_is_too_small_says_what_it_needs),
		TEST(meaning_is_in_letters_not_in_colour),
		TEST(units_stand_in_the_heads),
		TEST(the_bar_shows_the_part_of_the_budget_that_is_used),
		TEST(a_few_misses_are_neither_none_nor_all),
		TEST(every_row_can_be_scrolled_to),
		TEST(vms_without_servers_have_no_budget_columns),
		TEST(every_key_of_the_table_is_known_by_its_name),
		TEST(batch_has_heads_once_and_no_escapes),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

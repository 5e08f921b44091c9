/* SPDX-License-Identifier: MIT */
/* The screens of vmrt-top as data: nothing overlaps, whatever the size and the numbers. */
#include "toprowsfix.h"
#include "tui/rows/lanes.h"

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
		s->state = (enum top_server_state)(i % 6);
		t->jobs = t->known = t->unknown = t->excused = UINT64_MAX;
		t->missed = UINT64_MAX - 1;
		t->last_ns = t->max_ns = t->max_k = t->p99_ns = INT64_MAX;
		t->p99_approximate = true;
		t->state = (enum top_task_state)(i % 7);
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
	servers[0].stopped = true;
	assert_shows(screen_text(200, 24), "I idle      stopped                     -   10.00");
	servers[0].stopped = false;
	servers[0].state = TOP_SERVER_ABSENT;
	assert_shows(screen_text(200, 24), "- absent    -                           -   10.00");
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

static void of_a_task_whose_machine_was_never_seen_no_number_is_shown(void **state)
{
	(void)state;
	view.n_tasks = 1;
	tasks[0].state = TOP_TASK_UNSEEN;
	assert_shows(screen_text(80, 24), "vm0/task0 - unseen    1000       5    0.5");
	tasks[0].jobs = tasks[0].known = tasks[0].missed = 0;
	assert_shows(screen_text(80, 24), "vm0/task0 - unseen       -       -      -");
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

/* The strip of a server of 10 ms whose vCPU runs for 4 ms, used up at 4 ms in every second period.
 */
static void strips_show_runs_and_the_end_of_the_budget(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_SERVER;
	ui.ascii = true;
	text = screen_text(87, 40); /* 0.2 ms in each column */
	assert_shows(text, " 0:00.090 ####################xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx    4.00");
	assert_shows(text, " 0:00.080 ####################..............................    4.00");
	/* a vCPU that runs for 30 us, and then waits for as long, of which nothing is seen */
	slices[16].end_ns = slices[16].start_ns + 30 * VMRT_NS_PER_US;
	slices[17] = (struct top_slice){
		slices[16].end_ns + 30 * VMRT_NS_PER_US, 80 * MS + 9 * MS, 0, 49, 0, true};
	slices[16].ready = true;
	text = screen_text(87, 40);
	assert_shows(text, " 0:00.080 #############################################-----    4.00");
	slices[17].start_ns = 80 * MS + 5 * MS;
	slices[16].ready = false;
	text = screen_text(87, 40);
	assert_shows(text, " 0:00.080 +........................####################-----    4.00");
}

/* 1 ns of its 4 ms was below a priority that no server gives. */
static void the_page_of_a_vm_without_a_server_has_what_it_ran(void **state)
{
	const char *text;

	(void)state;
	servers[0].policy = VMRT_POLICY_NONE;
	servers[0].enforced = false;
	for (int i = 0; i < 10; i++) {
		periods[i].outcome = VMRT_PERIOD_UNENFORCED;
		periods[i].depleted_ns = VMRT_UNKNOWN;
		periods[i].background_ns = 3 * MS;
	}
	ui.page = TOP_PAGE_SERVER;
	ui.ascii = true;
	text = screen_text(79, 40);
	assert_shows(text, "PERIOD AT #+ runs - waits");
	assert_shows(text, "  RAN ms\n");
	assert_shows(
		text, " 0:00.080 ####################..............................    7.00\n");
	assert_null(strstr(text, "SOFT"));
	assert_null(strstr(text, "unenforced"));
}

/* A server that nobody enforces has no budget that could drain; one whose VM ran at the priority,
 * as its threads' priorities show, has. */
static void the_budget_of_a_server_that_nobody_enforces_is_not_drawn(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_TIMELINE;
	ui.ascii = true;
	servers[0].enforced = false;
	servers[0].used_ns = servers[0].max_ns = 0;
	text = screen_text(64, 30);
	assert_shows(text, "vm0          >unenforced\n");
	servers[0].max_ns = 4 * MS;
	/* 4 ms of 5 at the priority; of a run below it nothing is used up */
	slices[16].prio = 120;
	text = screen_text(64, 30);
	assert_shows(text, "*=;.xxxxxx##########*=;.xxxx");
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
	assert_shows(text, "*=;.xxxxxx*=;.......*=;.xxxxxx");
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

static void misses_are_in_the_order_that_their_head_tells(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_MISSES;
	/* the deadline of the last one that was found was before all others */
	misses[9].job.deadline_ns = 3 * MS;
	text = screen_text(80, 24);
	assert_shows(text, "TIMEv");
	assert_shows(text, ">  0:00.088 * vm0/task0");
	assert_true(strstr(text, "0:00.003 * vm0") > strstr(text, "0:00.008   vm0"));
	ui.misses_invert = true;
	text = screen_text(80, 24);
	assert_shows(text, "TIME^");
	assert_shows(text, ">  0:00.003 * vm0/task0");
	ui.misses_sort = 1;
	assert_shows(screen_text(80, 24), "LATE ms^");
	ui.misses_invert = false;
	assert_shows(screen_text(80, 24), "LATE msv");
	ui.misses_sort = 2;
	assert_shows(screen_text(80, 24), "TASK^");
}

static void a_message_that_is_cut_is_whole_on_the_page_of_the_system(void **state)
{
	char note[600] = "begin";

	(void)state;
	while (strlen(note) < 560)
		strcat(note, " word");
	strcat(note, " end");
	ui.note = note;
	/* at any width the end of what is cut shows that it is */
	for (int width = 40; width <= 200; width += 20) {
		const char *text;

		ui.page = TOP_PAGE_OVERVIEW;
		assert_shows(screen_text(width, 30), "~\n");
		ui.page = TOP_PAGE_SYSTEM;
		text = screen_text(width, 40);
		assert_shows(text, "\nbegin word");
		assert_shows(text, "end\n\nMACHINE ");
	}
}

/* With more VMs than lines: own load and messages are seen, and all VMs can be. */
static void however_many_vms_there_are_the_page_of_the_system_shows_all(void **state)
{
	static struct top_vm_row many[200];
	const char *text;
	char words[32];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(many[i].name, sizeof(many[i].name), "many%03d", i);
		many[i].vcpus = vcpus;
		many[i].n_vcpus = 1;
	}
	view.vms = many;
	view.n_vms = 200;
	ui.page = TOP_PAGE_SYSTEM;
	text = screen_text(80, 24); /* 17 lines of 1 + 2 + 2 + 200 */
	assert_shows(text, "vmrt-top: 1.0 % of a CPU");
	assert_shows(text, "188 more lines");
	ui.cursor[TOP_PAGE_SYSTEM] = 1;
	assert_shows(screen_text(80, 24), "187 more lines");
	for (int i = 0; i < 200; i++) {
		ui.cursor[TOP_PAGE_SYSTEM] = i;
		snprintf(words, sizeof(words), "\nmany%03d  ", i);
		assert_shows(screen_text(80, 24), words);
	}
	ui.cursor[TOP_PAGE_SYSTEM] = 1000000;
	text = screen_text(80, 24);
	assert_null(strstr(text, "more lines"));
	assert_null(strstr(text, "MACHINE"));
	assert_shows(text, "vmrt-top: 1.0 % of a CPU");
}

static void a_vcpu_is_named_by_its_number_however_long_its_vm(void **state)
{
	(void)state;
	servers[0].policy = VMRT_POLICY_NONE;
	servers[0].vcpu = -1;
	snprintf(vms[0].name, sizeof(vms[0].name), "five5");
	ui.page = TOP_PAGE_TIMELINE;
	assert_shows(screen_text(80, 24), "five5 vCPU 0 >");
	snprintf(vms[0].name, sizeof(vms[0].name), "webserver-of-berlin");
	assert_shows(screen_text(80, 24), "webserver~:0 >");
	assert_shows(screen_text(80, 24), "webserver~:1\n");
}

static size_t bucket_of(int64_t ns)
{
	size_t i = 0;

	while (top_bucket_to(i) < ns)
		i++;
	return i;
}

/* 77 of 80 response times of about 2 ms, and a deadline of 200 ms: bins of 0.2 ms or so, not of 20.
 */
static void a_deadline_that_is_far_away_leaves_the_histogram_its_bins(void **state)
{
	const char *text;

	(void)state;
	ui.page = TOP_PAGE_TASK;
	ui.ascii = true;
	memset(buckets, 0, sizeof(buckets));
	buckets[bucket_of(1 * MS)] = 3;
	buckets[bucket_of(2 * MS)] = 77;
	tasks[0].max_ns = 2 * MS + 1;
	tasks[0].deadline_ns = 200 * MS;
	text = screen_text(80, 40);
	assert_shows(text, " 200.00 D the deadline, not to scale\n");
	assert_shows(text, "    1.00  ##  ");
	assert_shows(text, "    2.00  ####");
	/* at the other side of twice the longest time it is drawn to scale */
	tasks[0].deadline_ns = 4 * MS;
	text = screen_text(80, 40);
	assert_null(strstr(text, "not to scale"));
	assert_shows(text, " D\n");
}

static void heads_of_machines_are_never_cut(void **state)
{
	(void)state;
	ui.page = TOP_PAGE_SYSTEM;
	for (int width = TOP_WIDTH_MIN; width <= 120; width++) {
		const char *head = strstr(screen_text(width, 40), "MACHINE");

		assert_non_null(head);
		assert_true(strcspn(head, "~") > strcspn(head, "\n"));
		assert_true(strstr(head, " CLOCK us") < strchr(head, '\n'));
	}
}

static void a_filter_leaves_tasks_that_fit_and_their_servers(void **state)
{
	const struct top_lane all[] = {{.kind = TOP_LANE_SERVER, .server = 0},
		{.kind = TOP_LANE_VCPU, .server = 0},
		{.kind = TOP_LANE_TASK, .server = 0, .task = 0},
		{.kind = TOP_LANE_TASK, .server = 0, .task = 1},
		{.kind = TOP_LANE_SERVER, .server = 1},
		{.kind = TOP_LANE_TASK, .server = SIZE_MAX, .task = 2}};
	static const char *const names[] = {"alpha", "beta", "betta"};
	struct top_lane lanes[6];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(tasks[i].machine, sizeof(tasks[i].machine), "other");
		snprintf(tasks[i].name, sizeof(tasks[i].name), "%s", names[i]);
	}
	memcpy(lanes, all, sizeof(all));
	assert_int_equal(top_lanes_filter(&view, "", lanes, 6), 6);
	assert_int_equal(top_lanes_filter(&view, "BET", lanes, 6), 4);
	assert_memory_equal(&lanes[1], &all[1], sizeof(all[1]));
	assert_memory_equal(&lanes[2], &all[3], sizeof(all[3]));
	assert_memory_equal(&lanes[3], &all[5], sizeof(all[5]));
	memcpy(lanes, all, sizeof(all));
	assert_int_equal(top_lanes_filter(&view, "vm1", lanes, 6), 1);
	assert_memory_equal(&lanes[0], &all[4], sizeof(all[4]));
	memcpy(lanes, all, sizeof(all));
	assert_int_equal(top_lanes_filter(&view, "none", lanes, 6), 0);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_setup(a_filter_leaves_tasks_that_fit_and_their_servers, fresh),
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
		TEST(of_a_task_whose_machine_was_never_seen_no_number_is_shown),
		TEST(the_row_under_the_cursor_is_always_seen),
		TEST(strips_show_runs_and_the_end_of_the_budget),
		TEST(the_timeline_shows_arrivals_misses_and_the_budget),
		TEST(the_split_of_a_miss_adds_up),
		TEST(new_misses_are_marked),
		TEST(heads_of_machines_are_never_cut),
		TEST(a_deadline_that_is_far_away_leaves_the_histogram_its_bins),
		TEST(however_many_vms_there_are_the_page_of_the_system_shows_all),
		TEST(a_vcpu_is_named_by_its_number_however_long_its_vm),
		TEST(misses_are_in_the_order_that_their_head_tells),
		TEST(a_message_that_is_cut_is_whole_on_the_page_of_the_system),
		TEST(the_page_of_a_vm_without_a_server_has_what_it_ran),
		TEST(the_budget_of_a_server_that_nobody_enforces_is_not_drawn),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

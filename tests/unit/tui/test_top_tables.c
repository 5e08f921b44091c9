/* SPDX-License-Identifier: MIT */
/* Tables of vmrt-top: order, filter and columns; as JSON and as batch output; keys and colours. */
#include "toprowsfix.h"

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

static void hidden_columns_are_not_shown(void **state)
{
	(void)state;
	assert_shows(screen_text(200, 24), "JITTER ms");
	ui.tables[TOP_TASKS].hidden = ~UINT32_C(0);
	assert_null(strstr(screen_text(200, 24), "JITTER ms"));
	assert_shows(screen_text(200, 24), "vm0/task0");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_are_filtered_and_sorted),
		TEST(colours_are_sgr_numbers_that_the_user_may_change),
		TEST(every_key_does_what_its_row_says_where_that_is_meant),
		TEST(json_is_one_line_with_exact_numbers),
		TEST(batch_has_heads_once_and_no_escapes),
		TEST(hidden_columns_are_not_shown),
		TEST(vms_without_servers_have_no_budget_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

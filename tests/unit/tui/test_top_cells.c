/* SPDX-License-Identifier: MIT */
/* Pieces of text on a screen: each stands in its columns, whatever the width of its characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/rows/cells.h"
#include "tui/rows/text.h"

/* Line 0 of a screen of 12 columns with @text in @width columns from column 1 on, and "|" behind.
 */
static void expect(const char *text, int width, bool right, bool ascii, const char *wanted)
{
	struct top_screen screen = {.only_ascii = ascii};
	char *line;

	top_screen_clear(&screen, 12, 1);
	top_put(&screen, 0, 1, width, right, TOP_PLAIN, text);
	top_put(&screen, 0, 1 + width, 1, false, TOP_PLAIN, "|");
	line = top_screen_line(&screen, 0, NULL);
	assert_string_equal(line, wanted);
	free(line);
	top_screen_free(&screen);
}

static void wide_characters_take_two_columns(void **state)
{
	(void)state;
	expect("ab", 4, false, false, " ab  |");
	expect("温度", 4, false, false, " 温度|");
	expect("温度", 6, false, false, " 温度  |");
	expect("温度", 6, true, false, "   温度|");
	expect("é", 3, true, false, "   é|");
	/* a combining acute accent takes none */
	expect("e\u0301x", 3, false, false, " e\u0301x |");
}

static void a_wide_character_is_not_cut_in_half(void **state)
{
	(void)state;
	expect("温度計", 5, false, false, " 温度~|");
	expect("温度計", 4, false, false, " 温~ |");
	expect("温", 1, false, false, "  |");
}

static void what_the_terminal_cannot_show_or_would_obey_is_a_question_mark(void **state)
{
	(void)state;
	expect("温a", 4, false, true, " ?a  |");
	expect("a\033[2J", 6, false, false, " a?[2J |");
	expect("a\u202eb", 4, false, false, " a?b |");
	expect("a\xff", 4, false, false, " a?  |");
}

static void names_are_cut_by_columns(void **state)
{
	char text[TOP_TEXT];

	(void)state;
	top_text_name(text, "温度計", 6);
	assert_string_equal(text, "温度計");
	top_text_name(text, "温度計", 5);
	assert_string_equal(text, "温度~");
	top_text_name(text, "sensor", 4);
	assert_string_equal(text, "sen~");
}

/* A box with its left border in column 4, where a wide character's second half is. */
static void a_box_over_half_a_wide_character_leaves_a_blank(void **state)
{
	struct top_screen screen = {0}, *inside;
	char *line;

	(void)state;
	top_screen_clear(&screen, 12, 3);
	top_put(&screen, 1, 1, 10, false, TOP_PLAIN, "温度計温度");
	inside = top_screen_front(&screen, 0, 4, 3, 1, false);
	assert_non_null(inside);
	top_put(inside, 0, 0, 3, false, TOP_PLAIN, "度x");
	line = top_screen_line(&screen, 1, NULL);
	assert_string_equal(line, " 温 │度x│度");
	free(line);
	top_screen_free(&screen);
}

static void raw_lines_are_scrolled_by_columns(void **state)
{
	(void)state;
	assert_string_equal(top_behind("温度計", 4), "計");
	assert_string_equal(top_behind("abc", 1), "bc");
	assert_string_equal(top_behind("abc", 9), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_characters_take_two_columns),
		cmocka_unit_test(a_wide_character_is_not_cut_in_half),
		cmocka_unit_test(what_the_terminal_cannot_show_or_would_obey_is_a_question_mark),
		cmocka_unit_test(names_are_cut_by_columns),
		cmocka_unit_test(a_box_over_half_a_wide_character_leaves_a_blank),
		cmocka_unit_test(raw_lines_are_scrolled_by_columns),
	};

	return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}

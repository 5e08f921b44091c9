/* SPDX-License-Identifier: MIT */
/* Tables in every format, compared with what they should look like. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/table.h>
#include <vmrt/utf8.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct vmrt_column columns[] = {
	{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"jobs", "jobs", NULL, VMRT_CELL_COUNT, 0, 1},
	{"miss_ratio", "miss", "%", VMRT_CELL_RATIO, 2, 1},
	{"max_ns", "max", "ms", VMRT_CELL_NS, 3, 2},
	{"late", "late", NULL, VMRT_CELL_BOOL, 0, VMRT_DATA_GROUP},
	{"words", "says", NULL, VMRT_CELL_TEXT, 0, 2 + VMRT_PEOPLE_ONLY},
};
static const char *const titles[] = {"Jobs", "Times"};

static struct vmrt_doc *sample(void)
{
	struct vmrt_doc *doc = vmrt_doc_new("run", true);
	struct vmrt_table *t;

	vmrt_doc_section(doc, "a_1");
	t = vmrt_doc_table(doc, "tasks", titles, columns, ARRAY_SIZE(columns), 0);
	vmrt_put_text(t, "demo/rt_task1");
	vmrt_put_count(t, 1000);
	vmrt_put_ratio(t, 0.00125);
	vmrt_put_ns(t, 12345678);
	vmrt_put_truth(t, true);
	vmrt_put_text(t, "x|y");
	vmrt_put_text(t, "b,\"c\"");
	vmrt_put_count(t, 0);
	vmrt_put_ratio(t, NAN);
	vmrt_put_ns(t, VMRT_UNKNOWN);
	vmrt_put_truth(t, false);
	vmrt_put_text(t, NULL);
	vmrt_put_line(t, "note", "all 100 %% fine");
	return doc;
}

static char *print(struct vmrt_doc *doc, enum vmrt_format format, const char *only)
{
	struct vmrt_error err;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(vmrt_doc_print(doc, format, only, f, &err), VMRT_OK);
	fclose(f);
	vmrt_doc_free(doc);
	return text;
}

static void expect(enum vmrt_format format, const char *only, const char *wanted)
{
	char *text = print(sample(), format, only);

	assert_string_equal(text, wanted);
	free(text);
}

/* The column behind the names begins at the same place of the terminal in each line. */
static void names_of_wide_characters_keep_the_columns_in_line(void **state)
{
	static const struct vmrt_column two[] = {
		{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
		{"jobs", "jobs", NULL, VMRT_CELL_COUNT, 0, 1},
	};
	struct vmrt_doc *doc = vmrt_doc_new("run", true);
	struct vmrt_table *t;
	static const char *const names[] = {"温度計", "sensor", "e\u0301te\u0301"};
	char *text, *line, *rest;
	int seen = 0;

	(void)state;
	vmrt_doc_section(doc, "a");
	t = vmrt_doc_table(doc, "tasks", titles, two, ARRAY_SIZE(two), 0);
	for (int i = 0; i < 3; i++) {
		vmrt_put_text(t, names[i]);
		vmrt_put_count(t, 1000);
	}
	text = print(doc, VMRT_FORMAT_TEXT, NULL);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "1000")) {
			assert_int_equal(vmrt_utf8_columns(line), 6 + 2 + 4);
			seen++;
		}
	assert_int_equal(seen, 3);
	free(text);
}

static void text_is_aligned_with_units_in_its_heads(void **state)
{
	(void)state;
	expect(VMRT_FORMAT_TEXT, NULL,
		"a_1\n"
		"===\n"
		"\n"
		"Jobs\n"
		"task           jobs  miss\n"
		"                        %\n"
		"demo/rt_task1  1000  0.12\n"
		"b,\"c\"             0     -\n"
		"\n"
		"Times\n"
		"task              max  says\n"
		"                   ms\n"
		"demo/rt_task1  12.346  x|y\n"
		"b,\"c\"               -  -\n"
		"\n"
		"note      all 100 % fine\n");
}

static void csv_has_the_runs_name_and_empty_unknowns(void **state)
{
	static const char rows[] = "run,task,jobs,miss_ratio,max_ns,late\n"
				   "a_1,demo/rt_task1,1000,0.00125,12345678,true\n"
				   "a_1,\"b,\"\"c\"\"\",0,,,false\n";
	char headed[256];

	(void)state;
	expect(VMRT_FORMAT_CSV, "tasks", rows);
	snprintf(headed, sizeof(headed), "# tasks\n%s", rows);
	expect(VMRT_FORMAT_CSV, NULL, headed);
}

static void json_has_null_for_unknown(void **state)
{
	(void)state;
	expect(VMRT_FORMAT_JSON, NULL,
		"{\n"
		"  \"runs\": [{\n"
		"    \"name\": \"a_1\",\n"
		"    \"tasks\": [\n"
		"      {\"task\": \"demo/rt_task1\", \"jobs\": 1000, \"miss_ratio\": 0.00125, "
		"\"max_ns\": 12345678, \"late\": true},\n"
		"      {\"task\": \"b,\\\"c\\\"\", \"jobs\": 0, \"miss_ratio\": null, \"max_ns\": "
		"null, "
		"\"late\": false}\n"
		"    ]}]\n"
		"}\n");
}

static void json_lines_name_run_and_table(void **state)
{
	(void)state;
	expect(VMRT_FORMAT_JSONL, NULL,
		"{\"run\": \"a_1\", \"table\": \"tasks\", \"task\": \"demo/rt_task1\", \"jobs\": "
		"1000, "
		"\"miss_ratio\": 0.00125, \"max_ns\": 12345678, \"late\": true}\n"
		"{\"run\": \"a_1\", \"table\": \"tasks\", \"task\": \"b,\\\"c\\\"\", \"jobs\": 0, "
		"\"miss_ratio\": null, \"max_ns\": null, \"late\": false}\n");
}

static void markdown_escapes_what_would_be_markup(void **state)
{
	(void)state;
	expect(VMRT_FORMAT_MARKDOWN, NULL,
		"## a\\_1\n"
		"\n"
		"**Jobs**\n"
		"\n"
		"| task | jobs | miss (%) |\n"
		"| --- | ---: | ---: |\n"
		"| demo/rt\\_task1 | 1000 | 0.12 |\n"
		"| b,\"c\" | 0 | - |\n"
		"\n"
		"**Times**\n"
		"\n"
		"| task | max (ms) | says |\n"
		"| --- | ---: | --- |\n"
		"| demo/rt\\_task1 | 12.346 | x\\|y |\n"
		"| b,\"c\" | - | - |\n"
		"\n"
		"- **note** all 100 % fine\n");
}

static void latex_is_booktabs_and_escaped(void **state)
{
	(void)state;
	expect(VMRT_FORMAT_LATEX, NULL,
		"% needs \\usepackage{booktabs}\n"
		"\n"
		"\\subsection*{a\\_1}\n"
		"\n"
		"\\paragraph*{Jobs}\n"
		"\\begin{tabular}{lrr}\n"
		"\\toprule\n"
		"task & jobs & miss (\\%) \\\\\n"
		"\\midrule\n"
		"demo/rt\\_task1 & 1000 & 0.12 \\\\\n"
		"b,\"c\" & 0 & - \\\\\n"
		"\\bottomrule\n"
		"\\end{tabular}\n"
		"\n"
		"\\paragraph*{Times}\n"
		"\\begin{tabular}{lrl}\n"
		"\\toprule\n"
		"task & max (ms) & says \\\\\n"
		"\\midrule\n"
		"demo/rt\\_task1 & 12.346 & x$\\vert$y \\\\\n"
		"b,\"c\" & - & - \\\\\n"
		"\\bottomrule\n"
		"\\end{tabular}\n"
		"\n"
		"\\begin{description}\n"
		"\\item[note] all 100 \\% fine\n"
		"\\end{description}\n");
}

static void names_turn_nothing_round_and_are_no_arguments(void **state)
{
	static const struct vmrt_column one[] = {
		{"name", "name", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP}};
	/* the second one from right to left: shown as it is, it would read [b]a* */
	static const struct {
		enum vmrt_format format;
		const char *has;
	} as[] = {{VMRT_FORMAT_LATEX, "\n{[}b{]}? \\\\\n{*}a \\\\\n"},
		{VMRT_FORMAT_MARKDOWN, "| \\[b\\]? |\n| \\*a |\n"},
		{VMRT_FORMAT_HTML, ">[b]?</td>"}, {VMRT_FORMAT_JSON, "\"[b]\\u202e\""}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(as); i++) {
		struct vmrt_doc *doc = vmrt_doc_new("run", false);
		struct vmrt_table *t;
		char *text;

		vmrt_doc_section(doc, "r");
		t = vmrt_doc_table(doc, "t", NULL, one, 1, 0);
		vmrt_put_text(t, "[b]\xe2\x80\xae");
		vmrt_put_text(t, "*a");
		text = print(doc, as[i].format, NULL);
		if (!strstr(text, as[i].has))
			fail_msg("%s is not in %s", as[i].has, text);
		free(text);
	}
}

static void control_characters_of_all_kinds_become_question_marks(void **state)
{
	static const char *const texts[][2] = {{"a\x1b[31mb\x7f", "a?[31mb?"},
		{"\xc2\x9b"
		 "2J",
			"??2J"}, /* CSI of 8 bits as UTF-8 */
		{"\x9b"
		 "2J",
			"?2J"}, /* and as a byte */
		{"\xe2\x80\xae"
		 "abc",
			"???abc"}, /* from right to left */
		{"\xe2\x81\xa6"
		 "x",
			"???x"},				    /* isolated */
		{"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac"}, /* letters stay */
		{"cut \xe2\x82", "cut ??"}, {"", ""}};
	char text[64], *csv;
	size_t size;
	FILE *out;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		strcpy(text, texts[i][0]);
		vmrt_utf8_sanitize(text);
		assert_string_equal(text, texts[i][1]);
	}
	out = open_memstream(&csv, &size);
	assert_non_null(out);
	vmrt_csv_field(out, "a\x1b[1m,\"b\"\n\r\xc2\x9b");
	fclose(out);
	assert_string_equal(csv, "\"a?[1m,\"\"b\"\"\n??\"");
	free(csv);
}

static void names_cannot_control_the_terminal_or_break_json(void **state)
{
	static const struct vmrt_column one[] = {
		{"name", "name", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP}};
	static const char evil[] = "a\x1b[2Jb\nc\xc2\x9b"
				   "d\xff\xc3\xa9";
	struct vmrt_doc *docs[2];
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		docs[i] = vmrt_doc_new("run", false);
		vmrt_doc_section(docs[i], "s");
		vmrt_put_text(vmrt_doc_table(docs[i], "t", NULL, one, 1, 0), evil);
	}
	text = print(docs[0], VMRT_FORMAT_TEXT, NULL);
	assert_string_equal(text, "s\n=\n\nname\na?[2Jb?c?d?\xc3\xa9\n");
	free(text);
	text = print(docs[1], VMRT_FORMAT_JSONL, NULL);
	assert_string_equal(text,
		"{\"table\": \"t\", \"name\": \"a\\u001b[2Jb\\u000ac\\u009bd\\ufffd\xc3\xa9\"}\n");
	free(text);
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		if (strcspn(p, "\n") > longest)
			longest = strcspn(p, "\n");
	return longest;
}

static void wide_tables_are_split_and_long_lines_wrapped_at_80_columns(void **state)
{
	struct vmrt_column wide[21];
	struct vmrt_doc *doc = vmrt_doc_new("run", false);
	struct vmrt_table *t;
	char *text;

	(void)state;
	wide[0] = columns[0];
	for (size_t i = 1; i < ARRAY_SIZE(wide); i++)
		wide[i] = (struct vmrt_column){"n", "heading", NULL, VMRT_CELL_COUNT, 0, 1};
	vmrt_doc_section(doc, "s");
	t = vmrt_doc_table(doc, "t", NULL, wide, ARRAY_SIZE(wide), 0);
	vmrt_put_text(t, "a-very-long-machine-name-indeed/and_a_task_name");
	for (size_t i = 1; i < ARRAY_SIZE(wide); i++)
		vmrt_put_count(t, 1000000 + (int64_t)i);
	vmrt_put_line(t, "note", "%s %s %s",
		"many words that are put together to make one line that is much too long",
		"for a terminal of eighty columns, which is what most people have, and which",
		"is what text for people has to fit into");
	text = print(doc, VMRT_FORMAT_TEXT, NULL);
	assert_true(longest_line(text) <= 80);
	assert_non_null(strstr(text, "a-very-long-ma..nd_a_task_name"));
	for (int i = 1; i <= 20; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%d", 1000000 + i);
		assert_non_null(strstr(text, number));
	}
	free(text);
}

static char *print_as(struct vmrt_doc *doc, const struct vmrt_print *how)
{
	struct vmrt_error err;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(vmrt_doc_print_as(doc, how, f, &err), VMRT_OK);
	fclose(f);
	vmrt_doc_free(doc);
	return text;
}

static void groups_stand_side_by_side_where_there_is_room(void **state)
{
	struct vmrt_print how = {.width = 100};
	char *text = print_as(sample(), &how);

	(void)state;
	assert_string_equal(text, "a_1\n===\n\n"
				  "Jobs                       Times\n"
				  "task           jobs  miss     max  says\n"
				  "                        %      ms\n"
				  "demo/rt_task1  1000  0.12  12.346  x|y\n"
				  "b,\"c\"             0     -       -  -\n"
				  "\n"
				  "note      all 100 % fine\n");
	free(text);
}

static void selected_columns_stand_alone_in_every_format(void **state)
{
	static const char *const keys[] = {"late", "max"};
	struct vmrt_print how = {.select = keys, .n_select = 2};
	char *text = print_as(sample(), &how);

	(void)state;
	assert_string_equal(text, "a_1\n===\n\n"
				  "task           late     max\n"
				  "                         ms\n"
				  "demo/rt_task1   yes  12.346\n"
				  "b,\"c\"            no       -\n");
	free(text);
	how.format = VMRT_FORMAT_CSV;
	how.only = "tasks";
	text = print_as(sample(), &how);
	assert_string_equal(text, "run,task,late,max_ns\na_1,demo/"
				  "rt_task1,true,12345678\na_1,\"b,\"\"c\"\"\",false,\n");
	free(text);
}

static void selected_metrics_are_rows(void **state)
{
	static const struct vmrt_column metric[] = {
		{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
		{"metric", "metric", NULL, VMRT_CELL_TEXT, 0, VMRT_DATA_GROUP},
		{"value", "value", NULL, VMRT_CELL_ANY, 3, 1},
	};
	static const char *const keys[] = {"miss_ratio"};
	struct vmrt_print how = {
		.format = VMRT_FORMAT_CSV, .only = "t", .select = keys, .n_select = 1};
	struct vmrt_doc *doc = vmrt_doc_new("run", false);
	struct vmrt_table *t;
	char *text;

	(void)state;
	vmrt_doc_section(doc, "s");
	t = vmrt_doc_table(doc, "t", NULL, metric, ARRAY_SIZE(metric), 0);
	vmrt_put_text(t, "a");
	vmrt_put_text(t, "jobs");
	vmrt_put_count(t, 3);
	vmrt_put_text(t, "a");
	vmrt_put_text(t, "miss_ratio");
	vmrt_put_ratio(t, 0.5);
	text = print_as(doc, &how);
	assert_string_equal(text, "task,metric,value\na,miss_ratio,0.5\n");
	free(text);
}

static void selected_column_that_is_not_there_is_an_error(void **state)
{
	static const char *const keys[] = {"max", "size"};
	struct vmrt_print how = {.select = keys, .n_select = 2};
	struct vmrt_doc *doc = sample();
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_doc_print_as(doc, &how, stdout, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "no column 'size'"));
	vmrt_doc_free(doc);
}

static void html_holds_the_numbers_for_programs_too_and_nothing_unescaped(void **state)
{
	struct vmrt_doc *doc = sample();
	struct vmrt_table *t;
	char *text;

	(void)state;
	vmrt_doc_section(doc, "<script>");
	t = vmrt_doc_table(doc, "tasks", titles, columns, 1, 0);
	vmrt_put_text(t, "\"a&b'\x1b");
	vmrt_put_figure(t, "a<b", strdup("<svg></svg>"));
	text = print(doc, VMRT_FORMAT_HTML, NULL);
	assert_non_null(strstr(text, "<td><data value=\"12345678\">12.346</data></td>"));
	assert_non_null(strstr(text, "<td><data value=\"0.00125\">0.12</data></td>"));
	assert_non_null(strstr(text, "<th data-key=\"max_ns\">max<small>ms</small></th>"));
	assert_non_null(strstr(text, "<td class=t>&#34;a&#38;b&#39;?</td>"));
	assert_non_null(strstr(text, "<figcaption>a&#60;b</figcaption>\n<svg></svg></figure>"));
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "http"));
	assert_non_null(strstr(text, "prefers-color-scheme"));
	free(text);
}

static void missing_table_is_an_error(void **state)
{
	struct vmrt_doc *doc = sample();
	struct vmrt_error err;

	(void)state;
	assert_int_equal(
		vmrt_doc_print(doc, VMRT_FORMAT_CSV, "servants", stdout, &err), VMRT_ENOENT);
	assert_string_equal(err.text, "there is no table 'servants' here; there are tasks");
	vmrt_doc_free(doc);
}

static void formats_go_by_their_names(void **state)
{
	enum vmrt_format format;

	(void)state;
	assert_int_equal(vmrt_format_parse("latex", &format), VMRT_OK);
	assert_int_equal(format, VMRT_FORMAT_LATEX);
	assert_int_equal(vmrt_format_parse("xml", &format), VMRT_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_wide_characters_keep_the_columns_in_line),
		cmocka_unit_test(text_is_aligned_with_units_in_its_heads),
		cmocka_unit_test(csv_has_the_runs_name_and_empty_unknowns),
		cmocka_unit_test(json_has_null_for_unknown),
		cmocka_unit_test(json_lines_name_run_and_table),
		cmocka_unit_test(markdown_escapes_what_would_be_markup),
		cmocka_unit_test(latex_is_booktabs_and_escaped),
		cmocka_unit_test(names_turn_nothing_round_and_are_no_arguments),
		cmocka_unit_test(control_characters_of_all_kinds_become_question_marks),
		cmocka_unit_test(names_cannot_control_the_terminal_or_break_json),
		cmocka_unit_test(wide_tables_are_split_and_long_lines_wrapped_at_80_columns),
		cmocka_unit_test(groups_stand_side_by_side_where_there_is_room),
		cmocka_unit_test(selected_columns_stand_alone_in_every_format),
		cmocka_unit_test(selected_metrics_are_rows),
		cmocka_unit_test(selected_column_that_is_not_there_is_an_error),
		cmocka_unit_test(html_holds_the_numbers_for_programs_too_and_nothing_unescaped),
		cmocka_unit_test(missing_table_is_an_error),
		cmocka_unit_test(formats_go_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

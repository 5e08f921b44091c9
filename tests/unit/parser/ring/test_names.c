/* SPDX-License-Identifier: MIT */
/* Names of threads that only the recorded events show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include <cmocka.h>

#include "pages.h"
#include "parser/ring/names.h"

#define FORMATS 32

/* What a machine says of itself; the formats may be changed. */
struct machine {
	struct vmrt_trace_meta meta;
	struct vmrt_trace_format formats[FORMATS];
};

static void setup(struct machine *m, const struct tests_dat *d)
{
	const char *const *texts, *const *systems;

	memset(m, 0, sizeof(*m));
	m->meta.cpus = 1;
	m->meta.page_size = TESTS_PAGE_SIZE;
	m->meta.header_page = strdup(tests_dat_header_page());
	m->meta.n_formats = tests_dat_formats(d, &texts, &systems);
	assert_true(m->meta.n_formats <= FORMATS);
	m->meta.formats = m->formats;
	for (size_t i = 0; i < m->meta.n_formats; i++) {
		snprintf(m->formats[i].system, sizeof(m->formats[i].system), "%s", systems[i]);
		m->formats[i].text = strdup(texts[i]);
	}
	m->meta.cmdlines = strdup("7 known\n");
}

static void teardown(struct machine *m)
{
	for (size_t i = 0; i < m->meta.n_formats; i++)
		free(m->formats[i].text);
	free(m->meta.header_page);
	free(m->meta.cmdlines);
}

static struct tests_dat *some_events(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);

	tests_dat_switch(d, 0, 1000, "known", 7, 120, 1, "one", 11, 120);
	tests_dat_exit(d, 0, 2000, "one-renamed", 11, 120);
	tests_dat_switch(d, 0, 3000, "one-renamed", 11, 120, 1, "two\n", 12, 120);
	tests_dat_end_page(d, 0);
	return d;
}

/* Replace @from by @to in the format of event @name. */
static void change(struct machine *m, const char *name, const char *from, const char *to)
{
	for (size_t i = 0; i < m->meta.n_formats; i++) {
		char *text = m->formats[i].text, *at, *changed;

		if (strncmp(text + strlen("name: "), name, strlen(name)) != 0)
			continue;
		at = strstr(text, from);
		assert_non_null(at);
		assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to,
				    at + strlen(from)) > 0);
		free(text);
		m->formats[i].text = changed;
		return;
	}
	fail();
}

static char *names_of(struct machine *m, const struct tests_dat *d)
{
	struct vmrt_names *names = vmrt_names_new(&m->meta);
	/* exactly one page, so that a sanitizer sees what is read outside of it */
	void *page = malloc(TESTS_PAGE_SIZE);

	memcpy(page, tests_dat_page(d, 0, 0), TESTS_PAGE_SIZE);
	if (names)
		vmrt_names_page(names, page);
	free(page);
	return vmrt_names_take(names);
}

static void threads_that_are_not_known_are_named_by_their_events(void **unused)
{
	struct tests_dat *d = some_events();
	struct machine m;
	char *lines;

	(void)unused;
	setup(&m, d);
	lines = names_of(&m, d);
	assert_string_equal(lines, "11 one\n11 one-renamed\n12 two?\n");
	free(lines);
	teardown(&m);
	tests_dat_free(d);
}

static int yes(void)
{
	return 1;
}

static int no(void)
{
	return 0;
}

static void a_scan_of_a_file_can_be_stopped(void **unused)
{
	struct tests_dat *d = some_events();
	int (*const stops[])(void) = {yes, no, NULL};
	FILE *file = tmpfile();
	struct machine m;

	(void)unused;
	setup(&m, d);
	assert_int_equal(fwrite(tests_dat_page(d, 0, 0), TESTS_PAGE_SIZE, 1, file), 1);
	assert_int_equal(fflush(file), 0);
	for (size_t i = 0; i < 3; i++) {
		struct vmrt_names *names = vmrt_names_new(&m.meta);
		char *lines;

		vmrt_names_scan(names, fileno(file), 0, TESTS_PAGE_SIZE, stops[i]);
		lines = vmrt_names_take(names);
		if (stops[i] == yes)
			assert_null(lines);
		else
			assert_string_equal(lines, "11 one\n11 one-renamed\n12 two?\n");
		free(lines);
	}
	fclose(file);
	teardown(&m);
	tests_dat_free(d);
}

/* 4294967292 + 4 is 0 in 32 bits: the reader of before read far outside of the page. */
static void a_field_at_an_impossible_place_gives_no_name(void **unused)
{
	static const char *const places[] = {"offset:4294967292;", "offset:4294967295;",
		"offset:2147483647;", "offset:65535;", "offset:32767;", "offset:-4;",
		"offset:99999999999999999999;", "offset:;"};

	(void)unused;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct tests_dat *d = some_events();
		struct machine m;
		char *lines;

		setup(&m, d);
		change(&m, "sched_switch", "offset:24;", places[i]);
		lines = names_of(&m, d);
		if (lines)
			assert_null(strstr(lines, "12 "));
		free(lines);
		teardown(&m);
		tests_dat_free(d);
	}
}

static void damaged_pages_give_what_was_read_before_the_damage(void **unused)
{
	struct tests_dat *d = some_events();
	struct machine m;
	uint8_t *page;

	(void)unused;
	setup(&m, d);
	page = malloc(TESTS_PAGE_SIZE);
	for (size_t at = 8; at < 200; at++) {
		struct vmrt_names *names = vmrt_names_new(&m.meta);

		memcpy(page, tests_dat_page(d, 0, 0), TESTS_PAGE_SIZE);
		page[at] ^= 0xff;
		vmrt_names_page(names, page);
		free(vmrt_names_take(names));
	}
	free(page);
	teardown(&m);
	tests_dat_free(d);
}

/* Kernels move names to the end of the record one event after the other. */
static void names_at_the_end_of_the_record_are_read_too(void **unused)
{
	static const char format[] =
		"name: sched_switch\nID: 372\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
		"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
		"\tfield:__data_loc char[] prev_comm;\toffset:8;\tsize:4;\tsigned:0;\n"
		"\tfield:pid_t prev_pid;\toffset:12;\tsize:4;\tsigned:1;\n"
		"\tfield:int prev_prio;\toffset:16;\tsize:4;\tsigned:1;\n"
		"\tfield:long prev_state;\toffset:24;\tsize:8;\tsigned:1;\n"
		"\tfield:__data_loc char[] next_comm;\toffset:32;\tsize:4;\tsigned:0;\n"
		"\tfield:pid_t next_pid;\toffset:36;\tsize:4;\tsigned:1;\n"
		"\tfield:int next_prio;\toffset:40;\tsize:4;\tsigned:1;\n";
	uint8_t *page = calloc(1, TESTS_PAGE_SIZE), *record = page + 20;
	const uint64_t time = 1000, commit = 4 + 56;
	const uint32_t head = 56 / 4;
	const uint16_t type = 372;
	const int32_t pids[] = {21, 22};
	const uint32_t first = 44 | 5u << 16, second = 49 | 6u << 16, outside = 50 | 20u << 16;
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_names *names;
	struct machine m;
	char *lines;

	(void)unused;
	setup(&m, d);
	for (size_t i = 0; i < m.meta.n_formats; i++)
		if (!strncmp(m.formats[i].text, "name: sched_switch\n", 19)) {
			free(m.formats[i].text);
			m.formats[i].text = strdup(format);
		}
	memcpy(page, &time, 8);
	memcpy(page + 8, &commit, 8);
	memcpy(page + 16, &head, 4);
	memcpy(record, &type, 2);
	memcpy(record + 8, &first, 4);
	memcpy(record + 12, &pids[0], 4);
	memcpy(record + 32, &second, 4);
	memcpy(record + 36, &pids[1], 4);
	memcpy(record + 44, "left\0right\0", 12);
	names = vmrt_names_new(&m.meta);
	assert_non_null(names);
	vmrt_names_page(names, page);
	lines = vmrt_names_take(names);
	assert_string_equal(lines, "21 left\n22 right\n");
	free(lines);

	/* a name that would reach out of the record is none */
	memcpy(record + 32, &outside, 4);
	names = vmrt_names_new(&m.meta);
	vmrt_names_page(names, page);
	lines = vmrt_names_take(names);
	assert_string_equal(lines, "21 left\n");
	free(lines);
	free(page);
	teardown(&m);
	tests_dat_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_that_are_not_known_are_named_by_their_events),
		cmocka_unit_test(a_scan_of_a_file_can_be_stopped),
		cmocka_unit_test(a_field_at_an_impossible_place_gives_no_name),
		cmocka_unit_test(damaged_pages_give_what_was_read_before_the_damage),
		cmocka_unit_test(names_at_the_end_of_the_record_are_read_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

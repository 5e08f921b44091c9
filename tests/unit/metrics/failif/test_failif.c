/* SPDX-License-Identifier: MIT */
/* Conditions on the runs of tests/data/small-*.sql, whose figures are worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "near.h"

#include "metrics/failif/failif.h"
#include "testdb.h"

#define MS 1e6

static char path[40];

static struct vmrt_run_facts *facts_of(const char *rows, const char *change)
{
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err = {0};
	int fd;

	strcpy(path, "/tmp/vmrt-failif-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(testdb_make(rows, path), 0);
	if (change)
		assert_int_equal(testdb_change(path, change), 0);
	if (vmrt_facts_load(path, NULL, &f, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	unlink(path);
	return f;
}

static struct vmrt_condition condition_of(const char *text)
{
	struct vmrt_condition c;
	struct vmrt_error err = {0};

	if (vmrt_condition_parse(text, &c, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return c;
}

static enum vmrt_verdict verdict_in(
	const struct vmrt_run_facts *f, const char *text, bool allow_loss)
{
	struct vmrt_doc *doc = vmrt_doc_new("run", true);
	struct vmrt_condition c = condition_of(text);
	enum vmrt_verdict verdict;
	struct vmrt_error err = {0};

	vmrt_doc_section(doc, "test");
	if (vmrt_report_conditions(vmrt_conditions_table(doc, false), false, f, &c, 1, allow_loss,
		    &verdict, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	vmrt_doc_free(doc);
	return verdict;
}

static struct vmrt_figure figure_of(const struct vmrt_run_facts *f, const char *metric)
{
	char text[64];
	struct vmrt_condition c;
	struct vmrt_figure figure = {.value = NAN, .low = NAN, .high = NAN};
	const void *of[] = {[VMRT_SCOPE_TASK] = &f->tasks[0],
		[VMRT_SCOPE_SERVER] = &f->servers[0],
		[VMRT_SCOPE_MACHINE] = &f->machines[1]};

	for (const char *const *value = (const char *const[]){"1", "1%", "1ms", NULL}; *value;
		value++) {
		snprintf(text, sizeof(text), "%s > %s", metric, *value);
		if (vmrt_condition_parse(text, &c, NULL) == VMRT_OK)
			break;
	}
	figure.num = c.num;
	figure.den = c.den;
	c.metric->figure(of[c.metric->scope], &figure);
	return figure;
}

static void expect(
	const struct vmrt_run_facts *f, const char *metric, double value, double low, double high)
{
	struct vmrt_figure figure = figure_of(f, metric);
	bool same_top = isinf(high) ? isinf(figure.high) : fabs(figure.high - high) < 1e-9;

	if (fabs(figure.value - value) > 1e-9 || fabs(figure.low - low) > 1e-9 || !same_top)
		fail_msg("%s is %g (%g to %g), not %g (%g to %g)", metric, figure.value, figure.low,
			figure.high, value, low, high);
}

static void condition_is_read_with_its_units(void **state)
{
	struct vmrt_condition c = condition_of("miss(rt_task1) > 1%");

	(void)state;
	assert_string_equal(c.metric->name, "miss");
	assert_string_equal(c.name, "rt_task1");
	assert_int_equal(c.relation, VMRT_ABOVE);
	assert_near(c.limit, 0.01, 1e-15);
	assert_string_equal(c.words, "miss");
	assert_string_equal(c.limits, "> 1%");
	c = condition_of("  response_p99.9 ( \"a )b\" )<=2.5ms ");
	assert_string_equal(c.metric->name, "response_p");
	assert_string_equal(c.name, "a )b");
	assert_int_equal(c.num, 999);
	assert_int_equal(c.den, 1000);
	assert_int_equal(c.relation, VMRT_UPTO);
	assert_near(c.limit, 2.5 * MS, 0);
	/* names are written as in the experiment file */
	c = condition_of("miss(demo/\"a \\\"b\\\\)\") > 1%");
	assert_string_equal(c.name, "demo/a \"b\\)");
	c = condition_of("miss( demo/a\\)b\\ ) > 1%");
	assert_string_equal(c.name, "demo/a)b ");
	c = condition_of("miss(\"my vm\"/f(x\\)) > 1%");
	assert_string_equal(c.name, "my vm/f(x)");
	c = condition_of("miss(\"demo/a b\") > 1%");
	assert_string_equal(c.name, "demo/a b");
	c = condition_of("miss(überwachung/grüße 1) > 1%");
	assert_string_equal(c.name, "überwachung/grüße 1");
	c = condition_of("loss!=0");
	assert_string_equal(c.name, "");
	assert_int_equal(c.relation, VMRT_DIFFERENT);
	c = condition_of("tardiness == 1us");
	assert_near(c.limit, 1000, 0);
	assert_int_equal(c.relation, VMRT_EQUAL);
}

/* An alarm may leave the relation out; what looks like one may be in the name. */
static void a_relation_is_looked_for_behind_the_name(void **state)
{
	(void)state;
	assert_false(vmrt_condition_has_relation("miss(t1)"));
	assert_false(vmrt_condition_has_relation(" miss ( \"a<b > 1\" ) "));
	assert_false(vmrt_condition_has_relation("missed(a=b)"));
	assert_false(vmrt_condition_has_relation("response_p99.9"));
	assert_true(vmrt_condition_has_relation("miss(\"a<b\") > 1%"));
	assert_true(vmrt_condition_has_relation("miss>1%"));
	assert_true(vmrt_condition_has_relation("nonsense"));
}

static void bad_condition_is_refused_with_its_position(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} bad[] = {
		{"mis > 1", "character 1, ", "no such metric: did you mean miss?"},
		{"", "at its end", "no such metric"},
		{"miss", "at its end", "> >= < <= == !="},
		{"miss(rt_task1 > 1%", "at its end", "')'"},
		{"miss() > 1%", "character 6, ", "a name"},
		{"miss(a/) > 1%", "character 6, ", "a name"},
		{"miss(\"a > 1%", "character 6, ", "quote"},
		{"miss(\"a\" b) > 1%", "character 6, ", "behind the closing quote"},
		{"miss(a\\", "character 6, ", "single \\"},
		{"miss(a)b > 1%", "character 8, ", "> >= < <= == !="},
		{"miss > ", "at its end", "a number"},
		{"miss > nan", "character 8, ", "a number"},
		{"miss(x) > 1", "at its end", "write 1% for 1 in 100, or 100% for the fraction 1"},
		{"miss > 0.02 ", "at its end",
			"write 0.02% for 0.02 in 100, or 2% for the fraction"},
		{"miss > 0x1", "character 8, ", "a number"},
		{"miss > -1%", "character 8, ", "a number"},
		{"miss > 1ms", "character 9, ", "%"},
		{"response_p99 > 1", "at its end", "ns, us, ms or s"},
		{"response_p99 > 1%", "character 17, ", "ns, us, ms or s"},
		{"response_p0 > 1ms", "character 1, ", "no such metric"},
		{"response_p101 > 1ms", "character 1, ", "no such metric"},
		{"response_p > 1ms", "character 1, ", "no such metric"},
		{"missed > 1.5", "character 10, ", "whole number"},
		{"missed > 3%", "character 11, ", "no unit"},
		{"miss > 1% and miss > 2%", "character 11, ", "--fail-if again"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmrt_condition c;
		struct vmrt_error err = {0};

		assert_int_equal(vmrt_condition_parse(bad[i].text, &c, &err), VMRT_EINVAL);
		if (!strstr(err.text, bad[i].where) || !strstr(err.text, bad[i].what))
			fail_msg("'%s': %s", bad[i].text, err.text);
	}
}

static void figures_without_doubt_are_what_was_measured(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-nohsf.sql", NULL);

	(void)state;
	expect(f, "miss", 0.8, 0.8, 0.8);
	expect(f, "missed", 8, 8, 8);
	expect(f, "miss_run", 4, 4, 4);
	expect(f, "jobs", 10, 10, 10);
	/* 18 19 26 27 28 29 30 31 32 33 */
	expect(f, "response_p50", 28 * MS, 28 * MS, 28 * MS);
	expect(f, "response_p90", 32 * MS, 32 * MS, 32 * MS);
	expect(f, "response_p90.1", 33 * MS, 33 * MS, 33 * MS);
	expect(f, "response_min", 18 * MS, 18 * MS, 18 * MS);
	expect(f, "response_max", 33 * MS, 33 * MS, 33 * MS);
	expect(f, "response_mean", 27.3 * MS, 27.3 * MS, 27.3 * MS);
	expect(f, "response_jitter", 15 * MS, 15 * MS, 15 * MS);
	expect(f, "tardiness", 13 * MS, 13 * MS, 13 * MS);
	expect(f, "loss", 0, 0, 0);
	vmrt_facts_free(f);
}

static void doubtful_jobs_leave_a_range(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql", NULL);

	(void)state;
	/* 3 of 6 missed, of one nothing is known */
	expect(f, "miss", 0.5, 3.0 / 7, 4.0 / 7);
	expect(f, "not_excused", 1.0 / 6, 1.0 / 7, 2.0 / 7);
	expect(f, "missed", 3, 3, 4);
	expect(f, "unknown", 1, 1, 1);
	/* 9 10 12 22 25, and two jobs that were not timed */
	expect(f, "response_p50", 12 * MS, 10 * MS, 22 * MS);
	expect(f, "response_p99", 25 * MS, 25 * MS, INFINITY);
	expect(f, "response_p10", 9 * MS, 0, 9 * MS);
	expect(f, "response_max", 25 * MS, 25 * MS, INFINITY);
	expect(f, "response_min", 9 * MS, 0, 9 * MS);
	expect(f, "overshoot", 0.1 * MS, 0.1 * MS, INFINITY);
	/* 20 and 100 us, and one unknown period: the 99th of three may be that */
	expect(f, "overshoot_p99", 0.1 * MS, 0.1 * MS, INFINITY);
	expect(f, "depleted", 3.0 / 5, 3.0 / 6, 4.0 / 6);
	expect(f, "loss", 7, 7, 7);
	vmrt_facts_free(f);
}

/* Jobs that may have been and are not listed are met, or missed: 8 of 10, and two more. */
static void missing_jobs_leave_a_range(void **state)
{
	struct vmrt_run_facts *f =
		facts_of("tests/data/small-nohsf.sql", "UPDATE task SET missing = 2 WHERE id = 1");

	(void)state;
	expect(f, "miss", 0.8, 8.0 / 12, 10.0 / 12);
	expect(f, "missed", 8, 8, 10);
	expect(f, "jobs", 10, 10, 12);
	expect(f, "response_max", 33 * MS, 33 * MS, INFINITY);
	expect(f, "response_min", 18 * MS, 0, 18 * MS);
	vmrt_facts_free(f);
}

/* Where events are missing, and it is not known when, no outcome is certain. */
static void uncertain_tasks_and_servers_leave_everything_open(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql",
		"UPDATE task SET uncertain = 1; UPDATE server SET uncertain = 1");

	(void)state;
	expect(f, "miss", 0.5, 0, 1);
	expect(f, "not_excused", 1.0 / 6, 0, 1);
	expect(f, "missed", 3, 0, INFINITY);
	expect(f, "response_max", 25 * MS, 0, INFINITY);
	expect(f, "overshoot", 0.1 * MS, 0, INFINITY);
	expect(f, "depleted", 3.0 / 5, 0, INFINITY);
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 99%", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "overshoot > 1ms", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 99%", true), VMRT_VERDICT_OK);
	vmrt_facts_free(f);
}

/* The longest executed 20 ms; another one 19 ms, or up to 3 ms more or less. */
static void execution_is_as_certain_as_its_parts(void **state)
{
	static const char *const change =
		"UPDATE job SET exec_ns = 20000000, unsure_ns = 0 WHERE k = 1;"
		"UPDATE job SET exec_ns = 19000000, unsure_ns = 3000000 WHERE k = 2;"
		"UPDATE job SET exec_ns = 1000000, unsure_ns = 0 WHERE k > 2";
	struct vmrt_run_facts *f = facts_of("tests/data/small-nohsf.sql", change);

	(void)state;
	expect(f, "exec_max", 20 * MS, 20 * MS, 22 * MS);
	vmrt_facts_free(f);
	/* of the third it is not known at all, and neither is what excuses it */
	f = facts_of("tests/data/small-nohsf.sql",
		"UPDATE job SET exec_ns = 20000000, unsure_ns = 0, excused = 0, outcome = 'missed';"
		"UPDATE job SET unsure_ns = NULL WHERE k = 3");
	expect(f, "exec_max", 20 * MS, 20 * MS, INFINITY);
	expect(f, "not_excused", 1, 0.9, 1);
	expect(f, "miss", 1, 1, 1);
	vmrt_facts_free(f);
}

static void verdict_is_certain_or_unknown(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql", NULL);

	(void)state;
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 42%", false), VMRT_VERDICT_VIOLATED);
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 50%", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 58%", false), VMRT_VERDICT_OK);
	assert_int_equal(verdict_in(f, "miss(rt_task1) < 58%", false), VMRT_VERDICT_VIOLATED);
	assert_int_equal(verdict_in(f, "miss(rt_task1) < 50%", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "miss(rt_task1) == 50%", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "miss(rt_task1) != 60%", false), VMRT_VERDICT_VIOLATED);
	assert_int_equal(verdict_in(f, "miss(rt_task1) > 50%", true), VMRT_VERDICT_OK);
	assert_int_equal(verdict_in(f, "miss(rt_task1) >= 50%", true), VMRT_VERDICT_VIOLATED);
	assert_int_equal(
		verdict_in(f, "response_max(rt_task1) > 25ms", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(
		verdict_in(f, "response_max(rt_task1) > 24ms", false), VMRT_VERDICT_VIOLATED);
	/* rt_task2 has no job at all: that is no success */
	assert_int_equal(verdict_in(f, "miss(rt_task2) > 1%", false), VMRT_VERDICT_UNKNOWN);
	assert_int_equal(verdict_in(f, "miss(rt_task2) > 1%", true), VMRT_VERDICT_UNKNOWN);
	/* of all tasks the worst verdict counts */
	assert_int_equal(verdict_in(f, "miss > 42%", false), VMRT_VERDICT_VIOLATED);
	assert_int_equal(verdict_in(f, "loss(demo) > 6", false), VMRT_VERDICT_VIOLATED);
	assert_int_equal(verdict_in(f, "loss(host) > 0", false), VMRT_VERDICT_OK);
	vmrt_facts_free(f);
}

static void shares_are_compared_as_the_fractions_they_are(void **state)
{
	struct vmrt_figure f = {.value = 3.0 / 1000, .low = 3.0 / 1000, .high = 3.0 / 1000};
	struct vmrt_condition c = condition_of("miss > 0.3%");

	(void)state;
	assert_int_equal(vmrt_condition_judge(&c, &f), VMRT_VERDICT_OK);
	c = condition_of("miss >= 0.3%");
	assert_int_equal(vmrt_condition_judge(&c, &f), VMRT_VERDICT_VIOLATED);
	c = condition_of("miss > 0.299%");
	assert_int_equal(vmrt_condition_judge(&c, &f), VMRT_VERDICT_VIOLATED);
}

static void name_that_is_not_in_the_run_is_an_error(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql", NULL);
	struct vmrt_condition c = condition_of("miss(rt_task7) > 1%");
	struct vmrt_doc *doc = vmrt_doc_new("run", true);
	enum vmrt_verdict verdict;
	struct vmrt_error err = {0};

	(void)state;
	vmrt_doc_section(doc, "test");
	assert_int_equal(vmrt_report_conditions(vmrt_conditions_table(doc, false), false, f, &c, 1,
				 false, &verdict, &err),
		VMRT_ENOENT);
	assert_non_null(strstr(err.text, "no task rt_task7"));
	vmrt_doc_free(doc);
	vmrt_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(condition_is_read_with_its_units),
		cmocka_unit_test(a_relation_is_looked_for_behind_the_name),
		cmocka_unit_test(bad_condition_is_refused_with_its_position),
		cmocka_unit_test(figures_without_doubt_are_what_was_measured),
		cmocka_unit_test(doubtful_jobs_leave_a_range),
		cmocka_unit_test(missing_jobs_leave_a_range),
		cmocka_unit_test(uncertain_tasks_and_servers_leave_everything_open),
		cmocka_unit_test(execution_is_as_certain_as_its_parts),
		cmocka_unit_test(verdict_is_certain_or_unknown),
		cmocka_unit_test(shares_are_compared_as_the_fractions_they_are),
		cmocka_unit_test(name_that_is_not_in_the_run_is_an_error),
	};

	vmrt_set_quiet(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

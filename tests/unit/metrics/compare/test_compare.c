/* SPDX-License-Identifier: MIT */
/* Repetitions pooled, and what may be compared, on the runs of tests/data/small-*.sql. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "near.h"

#include "metrics/compare/compare.h"
#include "testdb.h"

#define MS VMRT_NS_PER_MS

static char folder[40];

static int enter_folder(void **state)
{
	char root[4096], rows[4200];

	(void)state;
	strcpy(folder, "/tmp/vmrt-compare-XXXXXX");
	if (!mkdtemp(folder) || !getcwd(root, sizeof(root)))
		return -1;
	for (int i = 1; i <= 2; i++) {
		char path[80];

		snprintf(path, sizeof(path), "%s/none-%d.vmrt", folder, i);
		mkdir(path, 0700);
		strcat(path, "/run.db");
		snprintf(rows, sizeof(rows), "%s/tests/data/small-nohsf.sql", root);
		if (testdb_make(rows, path) != 0)
			return -1;
	}
	return 0;
}

static int remove_folder(void **state)
{
	char command[80];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void change(int run, const char *sql)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/none-%d.vmrt/run.db", folder, run);
	assert_int_equal(testdb_change(path, sql), 0);
}

static enum vmrt_status load(const char *word, struct vmrt_variant **v, struct vmrt_error *err)
{
	size_t n;

	return vmrt_variants_load(&word, 1, true, false, NULL, v, &n, err);
}

static struct vmrt_variant *both(void)
{
	char word[200];
	struct vmrt_variant *v;
	struct vmrt_error err = {0};

	snprintf(word, sizeof(word), "%s/none-1.vmrt,%s/none-2.vmrt", folder, folder);
	if (load(word, &v, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return v;
}

static void percentiles_of_repetitions_are_of_all_their_jobs(void **state)
{
	struct vmrt_variant *v;
	const struct vmrt_task_facts *t;

	(void)state;
	/* 18 19 26 27 28 29 30 31 32 33 as they are, and 1 to 10 ms: the 10th of 20 is 10, the mean
	 * of p50s were 16.5 */
	change(2, "UPDATE job SET response_ns = k * 1000000, outcome = 'met', cause = NULL");
	v = both();
	t = &v->facts->tasks[0];
	assert_int_equal(v->n, 2);
	assert_int_equal(t->jobs, 20);
	assert_int_equal(t->response.n, 20);
	assert_int_equal(vmrt_task_missed(t), 8);
	assert_near(vmrt_task_miss_ratio(t), 0.4, 1e-12);
	assert_int_equal(t->response_p50, 10 * MS);
	assert_int_equal(t->response_p95, 32 * MS);
	assert_int_equal(t->response.max, 33 * MS);
	assert_int_equal(vmrt_series_jitter(&t->response), 32 * MS);
	/* steps between jobs of one run only: 33 - 19 of jobs 6 and 7 of the first */
	assert_int_equal(t->response.relative, 14 * MS);
	assert_int_equal(vmrt_series_mean(&t->response), (273 + 55) * MS / 20);
	vmrt_variants_free(v, 1);
}

static void run_with_other_parameters_is_no_repetition(void **state)
{
	char word[200];
	struct vmrt_variant *v;
	struct vmrt_error err = {0};

	(void)state;
	snprintf(word, sizeof(word), "a=%s/none-1.vmrt,%s/none-2.vmrt", folder, folder);
	change(2, "UPDATE task SET wcet_ns = wcet_ns + 1");
	assert_int_equal(load(word, &v, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "none-2.vmrt is no repetition of"));
	change(2, "UPDATE task SET wcet_ns = wcet_ns - 1; UPDATE run SET hsf = 1");
	assert_int_equal(load(word, &v, &err), VMRT_EINVAL);
	change(2, "UPDATE run SET hsf = 0; DELETE FROM server");
	assert_int_equal(load(word, &v, &err), VMRT_EINVAL);
}

static void variant_is_called_as_was_said_or_as_its_folders_begin(void **state)
{
	char a[120], b[120], named[200];
	const char *words[3] = {a, b, named};
	struct vmrt_variant *v;
	struct vmrt_error err = {0};
	size_t n;

	(void)state;
	snprintf(a, sizeof(a), "%s/none-1.vmrt", folder);
	snprintf(b, sizeof(b), "%s/none-1.vmrt,%s/none-2.vmrt", folder, folder);
	snprintf(named, sizeof(named), "later=%s/none-2.vmrt", folder);
	assert_int_equal(vmrt_variants_load(words, 3, true, false, NULL, &v, &n, &err), VMRT_OK);
	assert_int_equal(n, 3);
	assert_string_equal(v[0].facts->label, "none-1");
	assert_string_equal(v[1].facts->label, "none");
	assert_string_equal(v[2].facts->label, "later");
	vmrt_variants_free(v, n);
	assert_int_equal(
		vmrt_variants_load((const char *[]){",x"}, 1, true, false, NULL, &v, &n, &err),
		VMRT_EINVAL);
	/* without --compare a word is a path, whatever is in it */
	assert_int_equal(
		vmrt_variants_load(words + 1, 1, false, false, NULL, &v, &n, &err), VMRT_ENOENT);
}

static void runs_of_one_experiment_are_pooled_when_asked_for(void **state)
{
	char a[100], b[100];
	const char *words[2] = {a, b};
	struct vmrt_variant *v;
	struct vmrt_error err = {0};
	size_t n;

	(void)state;
	snprintf(a, sizeof(a), "%s/none-1.vmrt", folder);
	snprintf(b, sizeof(b), "%s/none-2.vmrt", folder);
	assert_int_equal(vmrt_variants_load(words, 2, true, true, NULL, &v, &n, &err), VMRT_OK);
	assert_int_equal(n, 1);
	assert_int_equal(v[0].n, 2);
	vmrt_variants_free(v, n);
	change(2, "UPDATE run SET hsf = 1");
	assert_int_equal(vmrt_variants_load(words, 2, true, true, NULL, &v, &n, &err), VMRT_OK);
	assert_int_equal(n, 2);
	vmrt_variants_free(v, n);
}

static bool may_be_compared(const char *sql, char *why, size_t room)
{
	char a[100], b[100];
	const char *words[2] = {a, b};
	struct vmrt_variant *v;
	struct vmrt_error err = {0};
	size_t n;
	bool result;

	change(2, sql);
	snprintf(a, sizeof(a), "%s/none-1.vmrt", folder);
	snprintf(b, sizeof(b), "%s/none-2.vmrt", folder);
	if (vmrt_variants_load(words, 2, true, false, NULL, &v, &n, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	result = compare_comparable(&v[0], &v[1], "demo/rt_task1", false, why, room);
	vmrt_variants_free(v, n);
	return result;
}

static void runs_that_differ_in_loss_or_feasibility_are_not_compared(void **state)
{
	char why[128];

	(void)state;
	assert_true(may_be_compared("UPDATE run SET hsf = 1", why, sizeof(why)));
	/* (12, 10) ms carries the tasks, (12, 4) does not */
	assert_false(may_be_compared("UPDATE server SET budget_ns = 4000000", why, sizeof(why)));
	assert_non_null(strstr(why, "not feasible here and feasible there"));
	assert_false(may_be_compared(
		"UPDATE server SET budget_ns = 10000000; UPDATE machine SET lost = 1", why,
		sizeof(why)));
	assert_non_null(strstr(why, "events were lost"));
	/* of another guest, and of another task */
	assert_true(may_be_compared(
		"UPDATE machine SET lost = 0; INSERT INTO machine(id, name, kind, cpus, events, "
		"lost, broken_chains, inferred_switches, out_of_order) SELECT 9, 'other', kind, 1, "
		"10, 7, 0, 0, 0 FROM machine WHERE name = 'demo'; UPDATE job SET outcome = "
		"'unknown' WHERE task = (SELECT id FROM task WHERE name = 'rt_task2')",
		why, sizeof(why)));
	assert_false(may_be_compared(
		"UPDATE machine SET lost = 0; UPDATE task SET deadline_ns = 19000000", why,
		sizeof(why)));
	assert_non_null(strstr(why, "deadline 19 ms against 20 ms"));
	assert_false(may_be_compared("DELETE FROM task WHERE name = 'rt_task1'", why, sizeof(why)));
	assert_non_null(strstr(why, "only one of them"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(percentiles_of_repetitions_are_of_all_their_jobs,
			enter_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			run_with_other_parameters_is_no_repetition, enter_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			variant_is_called_as_was_said_or_as_its_folders_begin, enter_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(runs_of_one_experiment_are_pooled_when_asked_for,
			enter_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			runs_that_differ_in_loss_or_feasibility_are_not_compared, enter_folder,
			remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

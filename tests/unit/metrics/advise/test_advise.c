/* SPDX-License-Identifier: MIT */
/* Advice for the published task set, whose least budgets are tabled, and for servers among each
 * other. */
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

#include "metrics/advise/advise.h"
#include "testdb.h"

#define MS VMRT_NS_PER_MS
#define TICK (4 * MS)

/* rt_task1 and rt_task2 of Asberg, Forsberg, Nolte, Kato 2011 */
#define PAPER                                                                                      \
	"[experiment]\nname = paper\ntick = 4ms\n"                                                 \
	"[task vm1/rt_task1]\nperiod = 5tick\nwcet = 2tick\n"                                      \
	"[task vm1/rt_task2]\nperiod = 55tick\nwcet = 20tick\n"

static char path[40];

static struct advice *advice_of(const char *text, const struct vmrt_advise_options *o)
{
	struct advice *a = NULL;
	struct vmrt_error err = {0};
	FILE *f;

	strcpy(path, "/tmp/vmrt-advise-XXXXXX");
	f = fdopen(mkstemp(path), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	if (advise_make(path, o, &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	unlink(path);
	return a;
}

static struct vmrt_advise_options bare(int64_t period_ns)
{
	return (struct vmrt_advise_options){.step_ns = TICK / 20, .period_ns = period_ns};
}

static void least_budgets_of_the_published_tasks_are_those_of_the_table(void **state)
{
	/* in hundredths of a tick, on a grid of 0.05 ticks */
	static const int64_t table[][2] = {
		{100, 80}, {200, 160}, {250, 195}, {300, 235}, {500, 395}};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct vmrt_advise_options o = bare(table[i][0] * TICK / 100);
		struct advice *a = advice_of(PAPER, &o);

		assert_int_equal(a->n_vms, 1);
		assert_true(a->feasible);
		assert_int_equal(a->vms[0].chosen.budget_ns, table[i][1] * TICK / 100);
		assert_near(a->vms[0].utilisation, 0.763636, 1e-6);
		advice_free(a);
	}
}

static void without_a_period_the_least_bandwidth_is_chosen(void **state)
{
	struct vmrt_advise_options o = bare(0);
	struct advice *a = advice_of(PAPER, &o);
	struct advised_choice best = a->vms[0].chosen;

	(void)state;
	assert_int_equal(a->vms[0].n_choices, 20);
	for (size_t i = 0; i < a->vms[0].n_choices; i++) {
		struct advised_choice c = a->vms[0].choices[i];

		/* budget / period, compared without division */
		assert_true(best.budget_ns * c.period_ns <= c.budget_ns * best.period_ns);
	}
	advice_free(a);
}

static void overhead_is_added_and_makes_short_periods_dear(void **state)
{
	struct vmrt_advise_options o = bare(12 * MS);
	struct advice *a = advice_of(PAPER, &o);
	int64_t budget = a->vms[0].chosen.budget_ns;

	(void)state;
	advice_free(a);
	o.overhead_ns = 300 * VMRT_NS_PER_US; /* 1.5 steps */
	a = advice_of(PAPER, &o);
	assert_int_equal(a->vms[0].chosen.budget_ns, budget + 2 * o.step_ns);
	advice_free(a);
	o.period_ns = 1 * MS; /* 0.8 + 0.4 is more than 1 */
	a = advice_of(PAPER, &o);
	assert_false(a->feasible);
	assert_true(a->vms[0].chosen.budget_ns == VMRT_UNKNOWN);
	assert_non_null(strstr(a->vms[0].why, "no budget is enough in a period of 1 ms"));
	advice_free(a);
}

static void margin_is_reckoned_with_and_growth_beyond_it_is_true(void **state)
{
	struct vmrt_advise_options o = bare(12 * MS);
	struct advice *a;
	double growth;

	(void)state;
	o.margin = 0.1;
	a = advice_of(PAPER, &o);
	assert_int_equal(a->vms[0].tasks[0].used_ns, 88 * MS / 10);
	assert_near(a->vms[0].used_utilisation, 0.84, 1e-9);
	growth = a->vms[0].growth;
	for (int step = 0; step <= 1; step++) { /* as much is feasible, a thousandth more is not */
		double factor = 1 + growth + step * 0.001;
		struct vmrt_supply supply = vmrt_supply_prm(12 * MS, a->vms[0].chosen.budget_ns);
		struct vmrt_rta_task tasks[] = {
			{(int64_t)(8.8 * MS * factor), 20 * MS, 20 * MS, 0, 2},
			{(int64_t)(88 * MS * factor), 220 * MS, 220 * MS, 0, 1},
		};

		assert_int_equal(vmrt_rta_feasible(tasks, 2, &supply), step == 0);
	}
	advice_free(a);
	o.margin = 0.5;
	a = advice_of(PAPER, &o);
	assert_false(a->feasible);
	assert_non_null(strstr(a->vms[0].why, "1.145 of a CPU"));
	advice_free(a);
}

static void advice_can_be_read_as_an_experiment(void **state)
{
	struct vmrt_advise_options o = VMRT_ADVISE_DEFAULTS;
	struct advice *a = advice_of(PAPER
		"offset = 3ms\ndeadline = 200ms\nrelease = timerfd\n"
		"[server s]\nvm = vm1\npolicy = periodic\nperiod = 10ms\nbudget = 1ms\n"
		"priority = 33\ndepletion = hard\ncpu = 1\n",
		&o);
	struct vmrt_experiment *e;
	struct vmrt_error err = {0};
	char *text;

	(void)state;
	assert_int_equal(advice_ini(a, &text, &err), VMRT_OK);
	assert_int_equal(vmrt_experiment_parse(text, "advice", &e, &err), VMRT_OK);
	assert_string_equal(e->name, "paper");
	assert_int_equal(e->n_servers, 1);
	assert_string_equal(e->servers[0].name, "s");
	assert_string_equal(e->servers[0].vm, "vm1");
	assert_int_equal(e->servers[0].policy, VMRT_POLICY_PERIODIC);
	assert_int_equal(e->servers[0].depletion, VMRT_DEPLETION_HARD);
	assert_int_equal(e->servers[0].period_ns, 10 * MS);
	assert_int_equal(e->servers[0].budget_ns, a->vms[0].chosen.budget_ns);
	assert_int_equal(e->servers[0].priority, 33);
	assert_int_equal(e->servers[0].cpu, 1);
	assert_int_equal(e->n_tasks, 2);
	assert_int_equal(e->tasks[1].period_ns, 220 * MS);
	assert_int_equal(e->tasks[1].wcet_ns, 80 * MS);
	assert_int_equal(e->tasks[1].deadline_ns, 200 * MS);
	assert_int_equal(e->tasks[1].offset_ns, 3 * MS);
	assert_int_equal(e->tasks[1].release, VMRT_RELEASE_TIMERFD);
	assert_int_equal(e->tasks[1].priority, a->experiment->tasks[1].priority);
	vmrt_experiment_free(e);
	free(text);
	advice_free(a);
}

#define TWO_VMS                                                                                    \
	"[task a/x]\nperiod = 20ms\nwcet = 2ms\n"                                                  \
	"[task b/y]\nperiod = 100ms\nwcet = 20ms\n"

static void servers_are_held_against_each_other(void **state)
{
	struct vmrt_advise_options o = {.step_ns = MS / 10};
	struct advice *a = advice_of(TWO_VMS, &o);
	struct advised_vm *x = &a->vms[0], *y = &a->vms[1];
	bool found = false;

	(void)state;
	assert_int_equal(a->n_vms, 2);
	assert_true(a->feasible);
	/* shorter period above; its threads beside the vCPUs are one above it */
	assert_true(x->chosen.period_ns < y->chosen.period_ns ? x->priority >= y->priority + 2
							      : y->priority >= x->priority + 2);
	assert_true(x->server_response_ns <= x->chosen.period_ns);
	assert_true(y->server_response_ns <= y->chosen.period_ns);
	advice_free(a);
	/* each for itself would do, together they are too much */
	a = advice_of(TWO_VMS "[task c/z]\nperiod = 30ms\nwcet = 22ms\n", &o);
	assert_false(a->feasible);
	for (size_t i = 0; i < 3; i++) {
		assert_true(a->vms[i].chosen.budget_ns != VMRT_UNKNOWN);
		found = found || strstr(a->vms[i].why, "among the servers of its CPU");
	}
	assert_true(found);
	advice_free(a);
}

static void servers_by_deadline_may_fill_the_cpu(void **state)
{
	/* (10, 4) and (14, 8): 0.971; by priority the lower one gets its 8 ms after 16 */
	static const char *const policies[] = {"periodic", "edf"};
	struct vmrt_advise_options o = {.step_ns = MS / 10};

	(void)state;
	for (int edf = 0; edf <= 1; edf++) {
		struct advice *a;
		char text[600];

		snprintf(text, sizeof(text),
			"[task a/x]\nperiod = 20ms\nwcet = 4ms\ndeadline = 16ms\n[task "
			"b/y]\nperiod = 28ms\nwcet = 8ms\n"
			"deadline = 20ms\n"
			"[server a]\nperiod = 10ms\nbudget = 1ms\npriority = 40\npolicy = %s\n"
			"[server b]\nperiod = 14ms\nbudget = 1ms\npriority = 30\npolicy = %s\n",
			policies[edf], policies[edf]);
		a = advice_of(text, &o);
		assert_int_equal(a->vms[0].chosen.budget_ns, 4 * MS);
		assert_int_equal(a->vms[1].chosen.budget_ns, 8 * MS);
		assert_int_equal(a->feasible, edf);
		advice_free(a);
	}
}

static void run_shows_how_long_tasks_really_executed(void **state)
{
	struct vmrt_advise_options o = {.step_ns = MS / 10, .execution = VMRT_EXECUTION_MEASURED};
	struct advice *a;
	struct vmrt_error err = {0};

	(void)state;
	strcpy(path, "/tmp/vmrt-advise-XXXXXX");
	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", path), 0);
	assert_int_equal(
		testdb_change(path, "UPDATE run SET experiment = '[task demo/rt_task1]' || "
				    "char(10) || 'period=20ms' || "
				    "char(10) || 'wcet=8ms'; UPDATE job SET exec_ns = 7000000 + k"),
		0);
	if (advise_make(path, &o, &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	/* the last job that was seen as a whole is the 6th */
	assert_int_equal(a->vms[0].tasks[0].measured_ns, 7000006);
	assert_int_equal(a->vms[0].tasks[0].used_ns, 7000006);
	advice_free(a);
	o.execution = VMRT_EXECUTION_LARGER;
	assert_int_equal(advise_make(path, &o, &a, &err), VMRT_OK);
	assert_int_equal(a->vms[0].tasks[0].used_ns, 8 * MS);
	advice_free(a);
	unlink(path);
}

/* The advice for the small run as if its guest had two vCPUs in as many threads and the tasks had
 * run on these: values of (thread, cpu) of slices; thread 2 is rt_task1's, 3 is rt_task2's. */
static enum vmrt_status advise_vcpus(bool threads, const char *servers, const char *slices,
	struct advice **a, struct vmrt_error *err)
{
	struct vmrt_advise_options o = {.step_ns = MS / 10};
	enum vmrt_status status;
	char sql[1500];

	strcpy(path, "/tmp/vmrt-advise-XXXXXX");
	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(testdb_make("tests/data/small-nohsf.sql", path), 0);
	if (threads)
		assert_int_equal(
			testdb_change(path,
				"INSERT INTO thread SELECT 99, machine, 7001, 'CPU 1/KVM', vm, "
				"'vcpu', 1, NULL, policy, priority FROM thread WHERE role = "
				"'vcpu'"),
			0);
	snprintf(sql, sizeof(sql),
		"UPDATE machine SET cpus = 2; UPDATE run SET experiment = '%s' || '\n[task "
		"demo/rt_task1]\nperiod = 20ms\nwcet = 8ms\n[task demo/rt_task2]\nperiod = "
		"220ms\nwcet = 90ms\n'; "
		"INSERT INTO slice SELECT column1, "
		"column2, 1000000000 + column2, 1000001000 + column2, 39, 1, 0, 0 FROM (VALUES %s)",
		servers, slices);
	assert_int_equal(testdb_change(path, sql), 0);
	status = advise_make(path, &o, a, err);
	unlink(path);
	return status;
}

static enum vmrt_status advise_two_vcpus(
	const char *servers, const char *slices, struct advice **a, struct vmrt_error *err)
{
	return advise_vcpus(true, servers, slices, a, err);
}

/* QEMU's -accel tcg,thread=single: a server of one vCPU would stop the others. */
static void vcpus_that_share_a_thread_get_no_servers(void **state)
{
	struct vmrt_error err = {0};
	struct advice *a;

	(void)state;
	assert_int_equal(advise_vcpus(false, "", "(2, 0), (3, 1)", &a, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "task demo/rt_task1 is in a guest whose vCPUs take turns "
					 "in one thread of the host"));
}

static void each_vcpu_gets_a_server_for_the_tasks_that_ran_on_it(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err = {0};
	struct advice *a;
	char *text;

	(void)state;
	if (advise_two_vcpus("", "(2, 0), (3, 1)", &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(a->n_vms, 2);
	assert_true(a->feasible);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(a->vms[i].label, i ? "demo:1" : "demo:0");
		assert_string_equal(a->vms[i].server, i ? "demo:1" : "demo:0");
		assert_int_equal(a->vms[i].n_tasks, 1);
		assert_string_equal(a->vms[i].tasks[0].spec->name, i ? "rt_task2" : "rt_task1");
		/* on CPUs of their own */
		assert_int_equal(a->vms[i].cpu, i ? -2 : -1);
	}
	/* the file names each task once, and each vCPU's server */
	assert_int_equal(advice_ini(a, &text, &err), VMRT_OK);
	assert_int_equal(vmrt_experiment_parse(text, "advised", &exp, &err), VMRT_OK);
	assert_int_equal(exp->n_tasks, 2);
	assert_int_equal(exp->n_servers, 2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(exp->servers[i].vm, "demo");
		assert_int_equal(exp->servers[i].vcpu, i);
	}
	vmrt_experiment_free(exp);
	free(text);
	advice_free(a);
}

static void a_task_that_was_seen_on_both_vcpus_is_counted_on_both(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err = {0};
	struct advice *a;
	char *text;

	(void)state;
	if (advise_two_vcpus("", "(2, 0), (2, 1), (3, 1)", &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(a->n_vms, 2);
	assert_int_equal(a->vms[0].n_tasks, 1);
	assert_int_equal(a->vms[1].n_tasks, 2);
	assert_true(a->vms[0].tasks[0].elsewhere);
	assert_int_equal(advice_ini(a, &text, &err), VMRT_OK);
	assert_int_equal(vmrt_experiment_parse(text, "advised", &exp, &err), VMRT_OK);
	assert_int_equal(exp->n_tasks, 2);
	vmrt_experiment_free(exp);
	free(text);
	advice_free(a);
}

static void declared_servers_of_vcpus_keep_their_names_and_periods(void **state)
{
	struct vmrt_error err = {0};
	struct advice *a;

	(void)state;
	if (advise_two_vcpus("[server fast]\nvm = demo:0\nperiod = 5ms\nbudget = 4ms\npriority = "
			     "50\n[server rest]\nvm = demo\nperiod = 10ms\nbudget = "
			     "5ms\npriority = 40\ncpu = 1\n",
		    "(2, 0), (3, 1)", &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(a->n_vms, 2);
	assert_string_equal(a->vms[0].server, "fast");
	assert_int_equal(a->vms[0].chosen.period_ns, 5 * MS);
	assert_string_equal(a->vms[1].server, "rest:1");
	assert_int_equal(a->vms[1].chosen.period_ns, 10 * MS);
	assert_int_equal(a->vms[1].cpu, 1);
	advice_free(a);
}

/* One server for both vCPUs: the analysis is of one CPU. */
static void of_a_server_for_several_vcpus_nothing_is_promised(void **state)
{
	struct vmrt_error err = {0};
	struct advice *a;

	(void)state;
	if (advise_two_vcpus("[server demo]\nperiod = 5ms\nbudget = 4ms\npriority = 50\ntogether = "
			     "yes\n",
		    "(2, 0), (3, 1)", &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(a->n_vms, 1);
	assert_false(a->feasible);
	assert_non_null(strstr(a->vms[0].why, "2 CPUs and one server for all"));
	advice_free(a);
}

static void a_task_that_moved_inside_a_job_is_left_out(void **state)
{
	struct vmrt_error err = {0};
	struct advice *a;

	(void)state;
	if (advise_two_vcpus("",
		    "(2, 0), (2, 1), (3, 1)); UPDATE job SET migrations = 1 WHERE k = "
		    "3; SELECT * FROM (VALUES (1)",
		    &a, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(a->n_left_out, 1);
	assert_string_equal(a->left_out[0].spec->name, "rt_task1");
	assert_non_null(strstr(a->left_out[0].why, "pin it in the guest"));
	assert_int_equal(a->n_vms, 1);
	assert_string_equal(a->vms[0].label, "demo:1");
	advice_free(a);
}

static void what_is_missing_is_said(void **state)
{
	static const struct {
		const char *text, *what;
	} bad[] = {
		{"[task vm1/a]\nperiod = 20ms\n",
			"task vm1/a has no execution time: declare its wcet"},
		{"[task vm1/a]\nwcet = 2ms\ndeadline = 5ms\n", "task vm1/a has no period"},
		{"[task host/a]\nperiod = 20ms\nwcet = 2ms\n", "no task in a VM"},
		{"[server a]\nvm = vm1:1\nperiod = 20ms\nbudget = 2ms\npriority = 50\n[task "
		 "vm1/a]\nperiod = 20ms\nwcet = 2ms\n",
			"server a is for vCPU 1 alone"},
	};
	struct vmrt_advise_options o = VMRT_ADVISE_DEFAULTS;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct advice *a;
		struct vmrt_error err = {0};
		FILE *f;

		strcpy(path, "/tmp/vmrt-advise-XXXXXX");
		f = fdopen(mkstemp(path), "w");
		fputs(bad[i].text, f);
		fclose(f);
		assert_int_equal(advise_make(path, &o, &a, &err), VMRT_EINVAL);
		if (!strstr(err.text, bad[i].what))
			fail_msg("%s", err.text);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_budgets_of_the_published_tasks_are_those_of_the_table),
		cmocka_unit_test(without_a_period_the_least_bandwidth_is_chosen),
		cmocka_unit_test(overhead_is_added_and_makes_short_periods_dear),
		cmocka_unit_test(margin_is_reckoned_with_and_growth_beyond_it_is_true),
		cmocka_unit_test(advice_can_be_read_as_an_experiment),
		cmocka_unit_test(servers_are_held_against_each_other),
		cmocka_unit_test(servers_by_deadline_may_fill_the_cpu),
		cmocka_unit_test(run_shows_how_long_tasks_really_executed),
		cmocka_unit_test(vcpus_that_share_a_thread_get_no_servers),
		cmocka_unit_test(each_vcpu_gets_a_server_for_the_tasks_that_ran_on_it),
		cmocka_unit_test(a_task_that_was_seen_on_both_vcpus_is_counted_on_both),
		cmocka_unit_test(declared_servers_of_vcpus_keep_their_names_and_periods),
		cmocka_unit_test(of_a_server_for_several_vcpus_nothing_is_promised),
		cmocka_unit_test(a_task_that_moved_inside_a_job_is_left_out),
		cmocka_unit_test(what_is_missing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Hand-computed cases of servers: what stands in a comment was worked out on paper. */
#include "enginefix.h"

static void mark(struct fixture *f, uint32_t machine, int64_t at, int32_t by, const char *text)
{
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .pid = by};

	ev.mark.text = text;
	ev.mark.len = (uint32_t)strlen(text);
	push(f, machine, &ev, at);
}

/* The enforcer's markers of a server of 10 ms in 12 ms. */
static void server_starts(
	struct fixture *f, int64_t at, int32_t by, const char *policy, int64_t first_ns)
{
	char text[200];

	snprintf(text, sizeof(text),
		"vmrt srv_start server=vm1 vm=vm1 %s period=12000000 budget=10000000 priority=50 "
		"t0=%lld",
		policy, (long long)first_ns);
	mark(f, HOST, at, by, text);
}

static void replenished(struct fixture *f, int64_t at, int32_t by, int k, int64_t due_ns)
{
	char text[100];

	snprintf(text, sizeof(text), "vmrt srv_replenish server=vm1 k=%d at=%lld budget=10000000",
		k, (long long)due_ns);
	mark(f, HOST, at, by, text);
}

/* [0, 12): runs 10 ms at the priority, then 1 ms below it, then a hog; [12, 24): sleeps after 3 ms.
 */
static void consumption_is_split_at_replenishment_and_depletion(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, true);
	sw(&f, HOST, 0, 0, 0, MAIN);
	server_starts(&f, 500 * US, MAIN, "policy=deferrable depletion=soft", 1 * MS);
	replenished(&f, 1 * MS + 20 * US, MAIN, 0, 1 * MS);
	sw_prio(&f, HOST, 1 * MS + 30 * US, MAIN, 1, VCPU, FAIR, FIFO(50));
	mark(&f, HOST, 11 * MS + 40 * US, VCPU,
		"vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	sw(&f, HOST, 12 * MS + 40 * US, VCPU, 0, HOG);
	replenished(&f, 13 * MS + 10 * US, HOG, 1, 13 * MS);
	sw_prio(&f, HOST, 13 * MS + 15 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	sw_prio(&f, HOST, 16 * MS + 15 * US, VCPU, 1, HOG, FIFO(50), FAIR);
	replenished(&f, 25 * MS + 10 * US, HOG, 2, 25 * MS);
	mark(&f, HOST, 26 * MS, HOG, "vmrt srv_stop server=vm1");
	end(&f, 30 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].k, 0);
	assert_int_equal(f.periods[0].start_ns, 1 * MS);
	assert_int_equal(f.periods[0].end_ns, 13 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 10 * MS + 10 * US);
	assert_int_equal(f.periods[0].background_ns, 1 * MS);
	assert_int_equal(f.periods[0].depleted_ns, 11 * MS + 40 * US);
	assert_int_equal(f.periods[0].replenished_ns, 1 * MS + 20 * US);
	assert_int_equal(f.periods[0].first_ns, 1 * MS + 30 * US);
	/* preempted at 12.04 ms, ready until the end of the period at 13 ms */
	assert_int_equal(f.periods[0].waiting_ns, 960 * US);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_DEPLETED);
	assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
	assert_int_equal(f.periods[1].background_ns, 0);
	assert_int_equal(f.periods[1].waiting_ns, 15 * US);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void without_an_enforcer_the_declared_grid_is_laid_over_the_recording(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, HOST, 8 * MS, VCPU, 0, HOG);
	sw(&f, HOST, 14 * MS, HOG, 0, VCPU);
	sw(&f, HOST, 24 * MS, VCPU, 0, HOG);
	end(&f, 25 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].consumed_ns, 0);
	assert_int_equal(f.periods[0].background_ns, 8 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNENFORCED);
	assert_int_equal(f.periods[1].background_ns, 10 * MS);
	assert_int_equal(f.periods[1].first_ns, 14 * MS);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void waiting_for_budget_and_for_other_threads_are_two_parts(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, true);
	t1_is_set_up(&f);
	server_starts(&f, 4 * MS, VCPU, "policy=deferrable depletion=soft", 4 * MS);
	replenished(&f, 4 * MS, VCPU, 0, 4 * MS);
	t1_starts(&f, 10 * MS);
	mark(&f, HOST, 14 * MS, VCPU, "vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	sw(&f, HOST, 14 * MS + 5 * US, VCPU, 0, HOG);
	replenished(&f, 16 * MS, HOG, 1, 16 * MS);
	sw_prio(&f, HOST, 16 * MS + 5 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	arm(&f, GUEST, 18 * MS, T1, 30 * MS);
	end(&f, 19 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_BUDGET], 1995 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 5 * US);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

static void a_job_that_arrives_while_its_vcpu_is_stopped_waits_for_budget(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, true);
	t1_is_set_up(&f);
	server_starts(&f, 4 * MS, VCPU, "policy=polling depletion=hard", 4 * MS);
	replenished(&f, 4 * MS, VCPU, 0, 4 * MS);
	/* it sleeps, loses its budget for that, and is stopped */
	sw(&f, HOST, 5 * MS, VCPU, 1, HOG);
	mark(&f, HOST, 5 * MS + 10 * US, HOG, "vmrt srv_deplete server=vm1 k=0 consumed=1000000");
	wake(&f, HOST, 5 * MS + 20 * US, HOG, VCPU);
	sw(&f, HOST, 5 * MS + 30 * US, HOG, 0, VCPU);
	sw(&f, HOST, 5 * MS + 40 * US, VCPU, 4, HOG);
	replenished(&f, 16 * MS, HOG, 1, 16 * MS);
	wake(&f, HOST, 16 * MS + 1 * US, HOG, VCPU);
	sw_prio(&f, HOST, 16 * MS + 5 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	t1_starts(&f, 16 * MS + 5 * US);
	arm(&f, GUEST, 18 * MS, T1, 30 * MS);
	end(&f, 19 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_BUDGET], 6 * MS);
}

static void a_real_time_vcpu_that_waits_for_fair_threads_is_throttled(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	sw_prio(&f, HOST, 12 * MS, VCPU, 0, HOG, FIFO(50), FAIR);
	sw_prio(&f, HOST, 28 * MS, HOG, 0, VCPU, FAIR, FIFO(50));
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	end(&f, 32 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_THROTTLING], 16 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 0);
	assert_int_equal(j->cause, VMRT_BLAME_THROTTLING);
	assert_true(j->excused);
}

static void a_marker_of_depletion_that_comes_late_is_about_its_own_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, true);
	sw(&f, HOST, 0, 0, 0, MAIN);
	server_starts(&f, 500 * US, MAIN, "policy=deferrable depletion=soft", 1 * MS);
	replenished(&f, 1 * MS + 20 * US, MAIN, 0, 1 * MS);
	mark(&f, HOST, 13 * MS + 5 * US, MAIN, "vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	replenished(&f, 13 * MS + 20 * US, MAIN, 1, 13 * MS);
	end(&f, 26 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[1].k, 1);
	assert_true(f.periods[1].depleted_ns == VMRT_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
}

static void an_inferred_switch_makes_the_period_uncertain_in_which_it_lies(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	sw(&f, HOST, 11 * MS, HOG, 0, VCPU);
	/* some time before 15 ms the hog was there again: in [0, 12) or in [12, 24) ms */
	sw(&f, HOST, 15 * MS, HOG, 0, VCPU);
	sw(&f, HOST, 40 * MS, VCPU, 0, HOG);
	end(&f, 49 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNENFORCED);
	/* in [36, 48) another switch may be missing behind the last record, at 40 ms */
	assert_int_equal(f.periods[3].outcome, VMRT_PERIOD_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumption_is_split_at_replenishment_and_depletion),
		cmocka_unit_test(without_an_enforcer_the_declared_grid_is_laid_over_the_recording),
		cmocka_unit_test(waiting_for_budget_and_for_other_threads_are_two_parts),
		cmocka_unit_test(a_job_that_arrives_while_its_vcpu_is_stopped_waits_for_budget),
		cmocka_unit_test(a_real_time_vcpu_that_waits_for_fair_threads_is_throttled),
		cmocka_unit_test(a_marker_of_depletion_that_comes_late_is_about_its_own_period),
		cmocka_unit_test(an_inferred_switch_makes_the_period_uncertain_in_which_it_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

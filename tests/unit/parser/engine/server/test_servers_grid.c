/* SPDX-License-Identifier: MIT */
/* Where the periods of servers begin: phases, timers of the kernel, replenishments. */
#include "serversfix.h"

/* Supply begins at 3, 13, 23... ms after a wait, 20 times. */
static void the_phase_is_fitted_to_where_supply_begins(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	sw_on(&f, 0, 0, 0, FAIR, 0, V0, FIFO(50));
	out(&f, 1 * MS, V0, FIFO(50), 0);
	for (int k = 0; k < 20; k++) {
		in(&f, (3 + 10 * k) * MS + k * 10 * US, V0, FIFO(50));
		out(&f, (7 + 10 * k) * MS, V0, FIFO(50), 0);
	}
	end(&f, 203 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].phase, VMRT_PHASE_FITTED);
	/* the first 16 periods hold 16 starts, 0 to 150 us late: the middle one of them is 80 us
	 * late */
	assert_int_equal(f.servers[f.n_servers - 1].phase_ns, -7 * MS + 80 * US);
	assert_int_equal(f.periods[0].start_ns, -7 * MS + 80 * US);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
	assert_int_equal(f.periods[1].start_ns, 3 * MS + 80 * US);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNENFORCED);
	/* from 3.08 to 7 ms, and what of the next start, at 13.01 ms, is before 13.08 ms */
	assert_int_equal(f.periods[1].consumed_ns, 3920 * US + 70 * US);
	/* from 7 to 13.01 ms */
	assert_int_equal(f.periods[1].waiting_ns, 6010 * US);
	/* nobody enforces it */
	assert_int_equal(f.n_checks, 0);
}

static void without_a_common_phase_the_grid_begins_with_the_recording(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	sw_on(&f, 0, 0, 0, FAIR, 0, V0, FIFO(50));
	for (int k = 0; k < 20; k++) {
		out(&f, (5 + 7 * k) * MS, V0, FIFO(50), 0);
		in(&f, (7 + 7 * k) * MS, V0, FIFO(50));
	}
	end(&f, 170 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_START);
	assert_int_equal(f.servers[0].phase_ns, 0);
	assert_int_equal(f.n_periods, 17);
	assert_int_equal(f.periods[0].start_ns, 0);
	assert_int_equal(f.periods[0].consumed_ns, 8 * MS); /* all but 5 to 7 ms */
}

/* SCHED_DEADLINE 3 / 10 ms: throttled at 6, its timer expires at 12.5 and 22.5 ms. */
static void periods_of_sched_deadline_begin_with_its_timer(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "[server vm1]\nvm = vm1:0\npolicy = deadline\nperiod = 10ms\nbudget = 3ms\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 2500 * US, V0, -1);
	for (int k = 0; k < 4; k++) {
		int64_t at = 2500 * US + k * 10 * MS;

		timer(&f, VMRT_EV_TIMER_START, at + 3 * MS, V0, 0xd1, VMRT_FN_DEADLINE,
			at + 10 * MS);
		out(&f, at + 3 * MS + 5 * US, V0, -1, 0);
		timer(&f, VMRT_EV_TIMER_EXPIRE, at + 10 * MS + 3 * US, HOG, 0xd1, VMRT_FN_DEADLINE,
			0);
		in(&f, at + 10 * MS + 6 * US, V0, -1);
	}
	end(&f, 43 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
	assert_int_equal(f.n_periods, 6);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
	assert_int_equal(f.periods[2].start_ns, 12500 * US);
	assert_int_equal(f.periods[2].consumed_ns, 3 * MS - 1 * US); /* 12.506 to 15.505 ms */
	/* not the one that begins before the first timer: the thread slept in it, which may have
	 * moved it */
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 3);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 0);
	/* two ticks, for a budget below one, and what a user-level enforcer is allowed */
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->tolerance_ns, 8250 * US);
	assert_int_equal(f.n_violations, 0);
}

/* The fair server's timer, armed while a member runs, is another one. */
static void the_timer_of_somebody_else_is_no_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "[server vm1]\npolicy = deadline\nperiod = 10ms\nbudget = 3ms\n", false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 2500 * US, V0, -1);
	timer(&f, VMRT_EV_TIMER_START, 3 * MS, V0, 0xd2, VMRT_FN_DEADLINE, 13 * MS);
	out(&f, 5 * MS, V0, -1, 0);
	timer(&f, VMRT_EV_TIMER_EXPIRE, 13 * MS, HOG, 0xd2, VMRT_FN_DEADLINE, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_START);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
}

/* Two groups' timers, one of them every 10 ms from 4 ms on, the other every @other from 11 ms on;
 * V0 goes on @behind it. */
static void groups(struct fixture *f, int64_t other, int64_t behind)
{
	int64_t next = 11 * MS;

	begin(f, "[server vm1]\npolicy = cfs_quota\nperiod = 10ms\nbudget = 3ms\n", false);
	beat(f, 0, 0, HOG, 0);
	timer(f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 4 * MS);
	timer(f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc2, VMRT_FN_CFS_PERIOD, next);
	for (int k = 0; k < 13; k++) {
		int64_t at = 4 * MS + k * 10 * MS;

		timer(f, VMRT_EV_TIMER_EXPIRE, at + 1 * US, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 0);
		timer(f, VMRT_EV_TIMER_START, at + 2 * US, HOG, 0xc1, VMRT_FN_CFS_PERIOD,
			at + 10 * MS);
		in(f, at + behind, V0, FAIR);
		out(f, at + behind + 3 * MS, V0, FAIR, 0);
		if (next >= at + 10 * MS)
			continue;
		timer(f, VMRT_EV_TIMER_EXPIRE, next + 1 * US, HOG, 0xc2, VMRT_FN_CFS_PERIOD, 0);
		timer(f, VMRT_EV_TIMER_START, next + 2 * US, HOG, 0xc2, VMRT_FN_CFS_PERIOD,
			next + other);
		next += other;
	}
	end(f, 134 * MS);
}

static void periods_of_a_group_begin_with_the_timer_of_that_rhythm(void **state)
{
	static struct fixture f;

	(void)state;
	/* twice as long, or behind which nobody goes on */
	for (int i = 0; i < 2; i++) {
		groups(&f, (i ? 10 : 20) * MS, i ? 20 * US : 1 * MS);
		assert_int_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
		assert_int_equal(f.periods[1].start_ns, 4 * MS);
		assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
		assert_int_equal(f.n_violations, 0);
		assert_true(check(&f, VMRT_RULE_BUDGET)->judged >= 3);
	}
	/* it may be the one or the other */
	groups(&f, 10 * MS, 1 * MS);
	assert_int_not_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
}

/* Replenishments at 21, 33 and 45 ms, @more late; the enforcer began before the recording. */
static void begins_in_the_middle(struct fixture *f, const char *text)
{
	begin(f, text, true);
	sw_on(f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 15 * MS, 0, 0);
	mark(f, 20 * MS, HOG, "vmrt srv_deplete server=vm1 k=6 consumed=4000000");
	mark(f, 21 * MS + 50 * US, HOG,
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000");
	in(f, 22 * MS, V0, FIFO(50));
	mark(f, 33 * MS, V0, "vmrt srv_replenish server=vm1 k=8 at=33000000 budget=5000000");
	out(f, 35 * MS, V0, FIFO(50), 1);
	mark(f, 45 * MS + 20 * US, HOG,
		"vmrt srv_replenish server=vm1 k=9 at=45000000 budget=5000000");
	in(f, 46 * MS, V0, FIFO(50));
	out(f, 47 * MS, V0, FIFO(50), 1);
	beat(f, 1, 60 * MS, 0, 0);
	end(f, 60 * MS);
}

static void an_enforcer_whose_beginning_is_not_recorded_is_known_by_its_replenishments(void **state)
{
	static struct fixture f;

	(void)state;
	begins_in_the_middle(&f, deferrable);
	/* the declared 10 and 4 ms are not what it does */
	assert_true(f.servers[f.n_servers - 1].enforced);
	assert_int_equal(f.servers[f.n_servers - 1].period_ns, 12 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].budget_ns, 5 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].phase, VMRT_PHASE_MARKER);
	assert_int_equal((f.servers[f.n_servers - 1].phase_ns - 21 * MS) % (12 * MS), 0);
	/* from the second one on: 33 to 45 and 45 to 57 ms, by the enforcer's own numbers */
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].k, 8);
	assert_int_equal(f.periods[0].start_ns, 33 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 2 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_SERVED);
	assert_int_equal(f.periods[1].k, 9);
	assert_int_equal(f.periods[1].replenished_ns, 45 * MS + 20 * US);
	assert_int_equal(f.periods[1].consumed_ns, 1 * MS);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void the_first_whole_period_of_a_recording_under_enforcement_is_enforced(void **state)
{
	static struct fixture f;

	(void)state;
	for (int hsf = 0; hsf < 2; hsf++) {
		begin_at(&f, deferrable, hsf, VMRT_UNKNOWN);
		sw_on(&f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
		in(&f, 16 * MS, V0, FIFO(50));
		mark(&f, 20 * MS, V0, "vmrt srv_deplete server=vm1 k=6 consumed=4000000");
		/* it ran until the enforcer came */
		out(&f, 21 * MS + 20 * US, V0, FAIR, 0);
		mark(&f, 21 * MS + 50 * US, HOG,
			"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=4000000");
		in(&f, 22 * MS, V0, FIFO(50));
		out(&f, 25 * MS, V0, FIFO(50), 1);
		mark(&f, 31 * MS + 50 * US, HOG,
			"vmrt srv_replenish server=vm1 k=8 at=31000000 budget=4000000");
		beat(&f, 1, 45 * MS, 0, 0);
		end(&f, 45 * MS);
		assert_true(f.n_periods >= 4);
		assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
		assert_int_equal(f.periods[0].end_ns, 21 * MS);
		assert_int_equal(f.periods[1].k, 7);
		assert_int_equal(f.periods[1].start_ns, 21 * MS);
		assert_int_equal(f.periods[1].end_ns, 31 * MS);
		assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
		assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
		assert_int_equal(f.periods[1].background_ns, 20 * US);
		assert_int_equal(f.periods[2].k, 8);
		assert_int_equal(f.periods[2].start_ns, 31 * MS);
	}
}

static void one_replenishment_alone_or_a_wild_one_shows_no_grid(void **state)
{
	static const char *const marks[] = {
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000",
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000", /* again: no later
										   one */
		"vmrt srv_replenish server=vm1 k=8 at=21000001 budget=5000000", /* periods of 1 ns
										 */
		"vmrt srv_replenish server=vm1 k=9223372036854775807 at=21000002 budget=5000000",
		("vmrt srv_replenish server=vm1 k=-9223372036854775807 at=-9223372036854775807 "
		 "budget=5000000"),
		"vmrt srv_replenish server=vm1 k=10 at=9000000000000000000 budget=5000000",
		"vmrt srv_replenish server=vm1 k=3 at=2000000 budget=90000000", /* more than the
										   period */
		"vmrt srv_replenish server=vm1 k=4 at=21500000 budget=90000000",
	};
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, true);
	sw_on(&f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		mark(&f, 22 * MS + (int64_t)i, HOG, marks[i]);
	in(&f, 23 * MS, V0, FIFO(50));
	end(&f, 60 * MS);
	assert_int_equal(f.n_periods, 0);
	assert_false(f.servers[f.n_servers - 1].enforced);
}

/* A quota of 3 ms every 30; the timer of 180 ms expires @late, and V0 runs for @runs from then on.
 */
static int64_t runs_beyond_quota(int64_t late, int64_t runs)
{
	static struct fixture f;

	begin(&f, "[server vm1]\nvm = vm1:0\npolicy = cfs_quota\nperiod = 30ms\nbudget = 3ms\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	timer(&f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 30 * MS);
	for (int k = 1; k < 10; k++) {
		int64_t at = k * 30 * MS, more = k == 6 ? late : 0;

		if (more)
			in(&f, at + 1 * US, V0, FAIR);
		timer(&f, VMRT_EV_TIMER_EXPIRE, at + more, more ? V0 : HOG, 0xc1,
			VMRT_FN_CFS_PERIOD, 0);
		timer(&f, VMRT_EV_TIMER_START, at + more, more ? V0 : HOG, 0xc1, VMRT_FN_CFS_PERIOD,
			at + 30 * MS);
		if (!more)
			in(&f, at, V0, FAIR);
		out(&f, at + (more ? runs + 1 * US : 3 * MS), V0, FAIR, 0);
	}
	beat(&f, 0, 300 * MS, HOG, 0);
	beat(&f, 1, 300 * MS, 0, 0);
	end(&f, 300 * MS);
	assert_true(check(&f, VMRT_RULE_CUMULATIVE)->judged > 3);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->violations,
		check(&f, VMRT_RULE_CUMULATIVE)->violations);
	return check(&f, VMRT_RULE_BUDGET)->violations;
}

/* 3 ms, a tick, a slice and 0.25 ms; and until the timer gives the next budget, as PREEMPT_RT does
 * in a thread that has to wait for the CPU, what is left of the one before. */
static void what_is_left_of_a_quota_may_be_used_until_the_late_timer(void **state)
{
	(void)state;
	assert_int_equal(runs_beyond_quota(2 * US, 12 * MS + 252 * US), 0);
	assert_int_equal(runs_beyond_quota(2 * US, 12 * MS + 253 * US), 1);
	assert_int_equal(runs_beyond_quota(2 * MS, 14 * MS + 250 * US), 0);
	assert_int_equal(runs_beyond_quota(2 * MS, 14 * MS + 251 * US), 1);
	/* no more than all of it */
	assert_int_equal(runs_beyond_quota(10 * MS, 15 * MS + 250 * US), 0);
	assert_int_equal(runs_beyond_quota(10 * MS, 15 * MS + 251 * US), 1);
}

/* As on PREEMPT_RT, where a thread handles the group's timer: it always has to wait for 12 ms. The
 * timer due at 4 ms is handled at 16 ms, two ms into the next period. */
static void a_group_timer_that_is_always_late_by_a_period_shows_the_grid(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "[server vm1]\npolicy = cfs_quota\nperiod = 10ms\nbudget = 3ms\n", false);
	beat(&f, 0, 0, HOG, 0);
	timer(&f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 4 * MS);
	for (int k = 0; k < 8; k++) {
		int64_t at = 16 * MS + k * 10 * MS;

		timer(&f, VMRT_EV_TIMER_EXPIRE, at, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 0);
		timer(&f, VMRT_EV_TIMER_START, at + 2 * US, HOG, 0xc1, VMRT_FN_CFS_PERIOD,
			at - 2 * MS);
		in(&f, at + 20 * US, V0, FAIR);
		out(&f, at + 3 * MS, V0, FAIR, 0);
	}
	end(&f, 90 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].phase, VMRT_PHASE_TIMER);
	assert_int_equal((f.servers[f.n_servers - 1].phase_ns - 4 * MS) % (10 * MS), 0);
	assert_int_equal(f.periods[f.n_periods - 2].start_ns % (10 * MS), 4 * MS);
	assert_int_equal(f.periods[f.n_periods - 2].consumed_ns, 3 * MS - 20 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_phase_is_fitted_to_where_supply_begins),
		cmocka_unit_test(without_a_common_phase_the_grid_begins_with_the_recording),
		cmocka_unit_test(periods_of_sched_deadline_begin_with_its_timer),
		cmocka_unit_test(the_timer_of_somebody_else_is_no_period),
		cmocka_unit_test(periods_of_a_group_begin_with_the_timer_of_that_rhythm),
		cmocka_unit_test(
			an_enforcer_whose_beginning_is_not_recorded_is_known_by_its_replenishments),
		cmocka_unit_test(
			the_first_whole_period_of_a_recording_under_enforcement_is_enforced),
		cmocka_unit_test(one_replenishment_alone_or_a_wild_one_shows_no_grid),
		cmocka_unit_test(a_group_timer_that_is_always_late_by_a_period_shows_the_grid),
		cmocka_unit_test(what_is_left_of_a_quota_may_be_used_until_the_late_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

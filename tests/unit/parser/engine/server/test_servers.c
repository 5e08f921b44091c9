/* SPDX-License-Identifier: MIT */
/* What members of servers consume, and what is unknown or a violation. */
#include "serversfix.h"

static void wake(struct fixture *f, int64_t at, int32_t by, int32_t who, int prio)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by};

	ev.wake.pid = who;
	ev.wake.comm = "x";
	ev.wake.prio = prio;
	push(f, &ev, at);
}

/* Nothing happens to V0 from 12 ms on, but the kernel's timer shows each period. */
static void a_member_that_runs_through_its_periods_has_each_of_them(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f,
		"[server vm1]\nvm = vm1:0\npolicy = rt_group\nperiod = 10ms\nbudget = "
		"9ms\npriority = 50\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 12 * MS, V0, FIFO(50));
	timer(&f, VMRT_EV_TIMER_START, 12 * MS, V0, 0xc1, VMRT_FN_RT_PERIOD, 14 * MS);
	for (int k = 0; k < 5; k++) {
		timer(&f, VMRT_EV_TIMER_EXPIRE, (14 + 10 * k) * MS + US, V0, 0xc1,
			VMRT_FN_RT_PERIOD, 0);
		timer(&f, VMRT_EV_TIMER_START, (14 + 10 * k) * MS + 2 * US, V0, 0xc1,
			VMRT_FN_RT_PERIOD, (24 + 10 * k) * MS);
	}
	end(&f, 56 * MS);
	for (size_t i = 0; i < f.n_periods; i++)
		assert_int_equal(f.periods[i].end_ns - f.periods[i].start_ns, 10 * MS);
	assert_int_equal(f.periods[f.n_periods - 2].start_ns, 44 * MS);
	assert_int_equal(f.periods[f.n_periods - 2].consumed_ns, 10 * MS);
}

/* Out of budget from 6 ms on; @wakings: who wakes whom is recorded. */
static void run_out_of_budget(struct fixture *f, const char *depletion, bool wakings)
{
	char text[160];

	begin(f, deferrable, true);
	sw_on(f, 0, 0, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 0, 0, 0);
	snprintf(text, sizeof(text),
		"vmrt srv_start server=vm1 depletion=%s period=10000000 budget=4000000 "
		"priority=50 t0=1000000",
		depletion);
	mark(f, 500 * US, HOG, text);
	mark(f, 1 * MS, HOG, "vmrt srv_replenish server=vm1 k=0 at=1000000 budget=4000000");
	if (wakings)
		wake(f, 2 * MS, HOG, V0, FIFO(50));
	in(f, 2 * MS, V0, FIFO(50));
	mark(f, 6 * MS, V0, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
}

static void run_out(struct fixture *f, const char *depletion)
{
	run_out_of_budget(f, depletion, true);
}

static void a_member_that_is_stopped_wants_to_run(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "hard");
	out(&f, 6 * MS + 10 * US, V0, FIFO(50), 4);
	/* the budget is due at 11 ms, and comes at 13 */
	wake(&f, 13 * MS, HOG, V0, FIFO(50));
	mark(&f, 13 * MS, HOG, "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
	in(&f, 13 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->violations, 1);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->worst_ns, 2 * MS);
	/* it never slept in the second period, but got 1 ms */
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 1);
}

static void a_member_that_slept_when_it_was_stopped_does_not_want_to_run(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "hard");
	/* it sleeps of itself, and who wrote the last marker wakes it up to stop it */
	out(&f, 6 * MS + 10 * US, V0, FIFO(50), 1);
	mark(&f, 6 * MS + 15 * US, HOG, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
	wake(&f, 6 * MS + 20 * US, HOG, V0, FIFO(50));
	in(&f, 6 * MS + 30 * US, V0, FIFO(50));
	out(&f, 6 * MS + 40 * US, V0, FIFO(50), 4);
	wake(&f, 13 * MS, HOG, V0, FIFO(50));
	mark(&f, 13 * MS, HOG, "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
	in(&f, 13 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 0);
}

static void a_run_behind_the_depletion_at_the_servers_priority_is_consumption(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "soft");
	out(&f, 6 * MS + 30 * US, V0, FIFO(50), 0); /* the marker was at 6 ms */
	in(&f, 7 * MS, V0, FAIR);
	out(&f, 8 * MS, V0, FAIR, 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 4 * MS + 30 * US);
	assert_int_equal(f.periods[0].background_ns, 1 * MS);
}

/* The second replenishment, which the enforcer shows on CPU 1. */
static void replenished_from_cpu_1(struct fixture *f, int64_t at)
{
	static const char text[] = "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000";
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .pid = LOW, .cpu = 1};

	ev.mark.text = text;
	ev.mark.len = sizeof(text) - 1;
	sw_on(f, 1, at - US, 0, FAIR, 0, LOW, FIFO(90));
	push(f, &ev, at);
	sw_on(f, 1, at + US, LOW, FIFO(90), 1, 0, FAIR);
}

/* It leaves its CPU at its priority after it was raised, before the enforcer has said so on the
 * other CPU: that is no consumption beyond the budget, as long as the marker comes soon. */
static void a_run_that_a_replenishment_explains_is_not_beyond_the_budget(void **state)
{
	static struct fixture f;

	(void)state;
	for (int late = 0; late < 2; late++) {
		run_out(&f, "soft");
		out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
		in(&f, 11 * MS + 10 * US, V0, FAIR);
		out(&f, 11 * MS + 40 * US, V0, FIFO(50), 1);
		replenished_from_cpu_1(&f, 11 * MS + (late ? 200 : 60) * US);
		beat(&f, 1, 25 * MS, 0, 0);
		end(&f, 25 * MS);
		assert_int_equal(f.periods[1].start_ns, 11 * MS);
		assert_int_equal(f.periods[1].consumed_ns, late ? 30 * US : 0);
		assert_int_equal(f.periods[1].background_ns, late ? 0 : 30 * US);
	}
}

/* The enforcer's clock and the records' may differ by a microsecond: the replenishment is on record
 * just before the period that it begins. */
static void a_replenishment_on_record_just_before_its_period_is_that_periods(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "soft");
	out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
	replenished_from_cpu_1(&f, 11 * MS - 1 * US);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[1].start_ns, 11 * MS);
	assert_int_equal(f.periods[1].replenished_ns, 11 * MS);
}

/* V0 runs at an ordinary priority from 9 ms on and leaves CPU 0, raised, at 11.03 ms, which is all
 * that is known: the replenishment explains it. */
static void who_is_raised_in_its_run_had_no_budget_before(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "soft");
	out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
	in(&f, 9 * MS, V0, FAIR);
	out(&f, 11 * MS + 30 * US, V0, FIFO(50), 1);
	replenished_from_cpu_1(&f, 11 * MS + 31 * US);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(check(&f, VMRT_RULE_DEPLETED)->violations, 0);
	assert_int_equal(f.periods[0].consumed_ns, 4 * MS);
	assert_int_equal(f.periods[0].background_ns, 2 * MS + 10 * US);
}

/* The period ends before a marker could explain the run. */
static void a_run_beyond_the_budget_is_of_the_period_that_it_was_in(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "soft");
	out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
	in(&f, 10 * MS + 950 * US, V0, FAIR);
	out(&f, 10 * MS + 980 * US, V0, FIFO(50), 1);
	replenished_from_cpu_1(&f, 11 * MS + 20 * US);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 4 * MS + 30 * US);
	assert_int_equal(f.periods[1].consumed_ns, 0);
}

static void periods_are_in_proportion_to_what_was_recorded(void **state)
{
	static struct fixture f;
	int64_t year = INT64_C(365) * 86400 * VMRT_NS_PER_S;

	(void)state;
	begin(&f, deferrable, false);
	in(&f, 15 * MS, V0, FIFO(50));
	out(&f, 18 * MS, V0, FIFO(50), 0);
	in(&f, year, V0, FIFO(50));
	out(&f, year + 30 * MS, V0, FIFO(50), 0);
	end(&f, year + 40 * MS);
	assert_true(f.n_periods < 10000);
	/* the time that is left out is reported */
	assert_true(f.n_losses > 0);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_true(f.losses[0].to_ns - f.losses[0].from_ns > year / 2);
	assert_true(f.last_end_ns > year);
}

static void who_runs_on_without_budget_is_reported(void **state)
{
	static const struct {
		const char *depletion;
		int in_prio, out_prio;
		int64_t forbidden_ns;
	} runs[] = {
		{"soft", FAIR, FAIR, 0},
		{"soft", FIFO(50), FIFO(50), 2 * MS},
		{"hard", FIFO(50), FIFO(50), 2 * MS},
		{"hard", FAIR, FAIR, 2 * MS},
	};
	static struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		run_out(&f, runs[i].depletion);
		out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
		in(&f, 7 * MS, V0, runs[i].in_prio);
		out(&f, 9 * MS, V0, runs[i].out_prio, 0);
		mark(&f, 11 * MS, HOG,
			"vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
		beat(&f, 1, 25 * MS, 0, 0);
		end(&f, 25 * MS);
		assert_int_equal(check(&f, VMRT_RULE_DEPLETED)->judged, 1);
		assert_int_equal(
			check(&f, VMRT_RULE_DEPLETED)->violations, runs[i].forbidden_ns > 0);
		assert_true(check(&f, VMRT_RULE_DEPLETED)->worst_ns >= runs[i].forbidden_ns);
		assert_true(
			check(&f, VMRT_RULE_DEPLETED)->worst_ns <= runs[i].forbidden_ns + 10 * US);
	}
}

static void servers_of_single_vcpus_have_them_alone(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f,
		"[server a]\nvm = vm1:0\nperiod = 10ms\nbudget = 4ms\npriority = 50\n"
		"[server b]\nvm = vm1:1\nperiod = 10ms\nbudget = 4ms\npriority = 40\n"
		"[server c]\nvm = pid:99\nperiod = 10ms\nbudget = 4ms\npriority = 40\n"
		"[server d]\nvm = vm1:2\nperiod = 10ms\nbudget = 4ms\npriority = 40\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FIFO(50));
	sw_on(&f, 0, 3 * MS, V0, FIFO(50), 1, V1, FIFO(40));
	out(&f, 8 * MS, V1, FIFO(40), 1);
	end(&f, 10 * MS);
	assert_int_equal(f.n_periods, 4);
	assert_int_equal(f.periods[0].consumed_ns, 2 * MS);
	assert_int_equal(f.periods[1].consumed_ns, 5 * MS);
	assert_int_equal(f.servers[2].vm, 0); /* of the whole VM, but both belong to others */
	/* without members nothing is known */
	assert_int_equal(f.periods[2].consumed_ns, VMRT_UNKNOWN);
	assert_int_equal(f.periods[3].consumed_ns, VMRT_UNKNOWN);
}

/* Runs from 2 ms on for 4 ms and @more, then is demoted. */
static void uses_up(struct fixture *f, int64_t more)
{
	starts(f);
	wake(f, 2 * MS, HOG, V0, FIFO(50));
	in(f, 2 * MS, V0, FIFO(50));
	mark(f, 6 * MS + more, V0, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
	out(f, 6 * MS + more + 10 * US, V0, FAIR, 1);
}

static void an_enforcer_that_is_late_by_more_than_the_tolerance_violates(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		uses_up(&f, 250 * US + more);
		end(&f, 12 * MS);
		assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 1);
		assert_int_equal(f.n_violations, more);
	}
	assert_int_equal(f.violations[0].rule, VMRT_RULE_BUDGET);
	assert_int_equal(f.violations[0].from_ns, 1 * MS);
	assert_int_equal(f.violations[0].to_ns, 11 * MS);
	assert_int_equal(f.violations[0].measured_ns, 4250 * US + 1);
}

static void a_loss_on_another_cpu_that_shows_later_makes_it_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	uses_up(&f, 1 * MS);
	beat(&f, 0, 25 * MS, HOG,
		0); /* two periods have ended, but CPU 1 has been silent since 0 */
	assert_int_equal(f.n_periods, 0);
	beat(&f, 1, 26 * MS, 0, 3);
	end(&f, 27 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->unknown, 2);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	/* the same without loss */
	uses_up(&f, 1 * MS);
	beat(&f, 1, 26 * MS, 0, 0);
	end(&f, 27 * MS);
	assert_int_equal(f.n_violations, 1);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_DEPLETED);
}

/* It wakes at 2 ms and runs at 2 ms + @ns; until then @who has the CPU. */
static void wakes_while(struct fixture *f, int32_t who, int prio, int64_t ns)
{
	starts(f);
	sw_on(f, 0, 1500 * US, HOG, FAIR, 0, who, prio);
	wake(f, 2 * MS, who, V0, FIFO(50));
	sw_on(f, 0, 2 * MS + ns, who, prio, 0, V0, FIFO(50));
	out(f, 4 * MS, V0, FIFO(50), 1);
	beat(f, 1, 12 * MS, 0, 0);
	end(f, 12 * MS);
}

static void a_member_with_budget_waits_for_higher_threads_only(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		wakes_while(&f, LOW, FIFO(49), 250 * US + more);
		assert_int_equal(f.n_violations, more);
		wakes_while(&f, 0, FAIR, 250 * US + more); /* an idle CPU is lower than all */
		assert_int_equal(f.n_violations, more);
		assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->worst_ns, 250 * US + more);
	}
	assert_int_equal(f.violations[0].rule, VMRT_RULE_PRIORITY);
	assert_int_equal(f.violations[0].from_ns, 2 * MS);
	wakes_while(&f, LOW, FIFO(50), 1 * MS);
	assert_int_equal(f.n_violations, 0);
	wakes_while(&f, LOW, FIFO(51), 1 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->worst_ns, 0);
	/* an ordinary thread does not keep a real-time one waiting, unless the kernel wants it */
	wakes_while(&f, HOG + 5, FAIR, 1 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->unknown, 1);
}

static void a_cpu_whose_buffer_had_wrapped_is_clipped(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 15 * MS, 0, UINT64_MAX);
	beat(&f, 0, 35 * MS, HOG, 0);
	end(&f, 35 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_int_equal(f.losses[0].cpu, 1);
	assert_int_equal(f.losses[0].from_ns, 0);
	assert_int_equal(f.losses[0].to_ns, 15 * MS);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNENFORCED);
}

static void a_cpu_whose_recording_ends_early_is_clipped(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	beat(&f, 1, 12 * MS, 0, 0);
	in(&f, 13 * MS, V0, FIFO(50));
	vmrt_engine_clip(f.engine, 0, 1, VMRT_UNKNOWN, VMRT_UNKNOWN);
	vmrt_engine_clip(f.engine, 0, 1, VMRT_UNKNOWN, VMRT_UNKNOWN); /* once is enough */
	beat(&f, 0, 14 * MS, V0, 0);
	end(&f, 30 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_int_equal(f.losses[0].from_ns, 12 * MS);
	assert_int_equal(f.losses[0].to_ns, 30 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNENFORCED);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNKNOWN);
}

/* Starts at 10, 38, 66 ms, 3 ms each with an interruption of 20 us; then a sleep. */
static void the_natural_period_is_from_supply_to_supply(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FAIR);
	out(&f, 2 * MS, V0, FAIR, 0);
	for (int k = 0; k < 3; k++) {
		in(&f, (10 + 28 * k) * MS, V0, FAIR);
		out(&f, (11 + 28 * k) * MS, V0, FAIR, 0);
		in(&f, (11 + 28 * k) * MS + 20 * US, V0, FAIR);
		out(&f, (13 + 28 * k) * MS + 20 * US, V0, FAIR, k < 2 ? 0 : 1);
	}
	wake(&f, 80 * MS, HOG, V0, FAIR);
	in(&f, 90 * MS, V0, FAIR);
	out(&f, 91 * MS, V0, FAIR, 0);
	end(&f, 100 * MS);
	assert_int_equal(f.n_unmanaged, 1);
	assert_int_equal(f.unmanaged[0].vm, 0);
	assert_int_equal(f.unmanaged[0].n, 2);
	assert_int_equal(f.unmanaged[0].period_p10_ns, 28 * MS);
	assert_int_equal(f.unmanaged[0].period_p90_ns, 28 * MS);
	assert_int_equal(f.unmanaged[0].supply_p50_ns, 3 * MS);
}

static void blackout_is_demand_without_supply(void **state)
{
	static struct fixture f;
	const struct vmrt_server_period *last;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	wake(&f, 1 * MS, HOG, V0, FAIR);
	in(&f, 3 * MS, V0, FAIR);
	out(&f, 4 * MS, V0, FAIR, 0); /* made to wait */
	in(&f, 29 * MS, V0, FAIR);
	out(&f, 30 * MS, V0, FAIR, 1); /* sleeps */
	wake(&f, 71 * MS, HOG, V0, FAIR);
	in(&f, 72 * MS, V0, FAIR);
	beat(&f, 0, 100 * MS, V0, 0);
	end(&f, 100 * MS);
	assert_true(f.n_periods >= 5);
	for (size_t i = 0; i < f.n_periods; i++) {
		const struct vmrt_server_period *p = &f.periods[i];
		/* as far as the wait from 4 to 29 ms had lasted */
		int64_t to = p->end_ns < 29 * MS ? p->end_ns : 29 * MS;

		if (p->start_ns < 29 * MS && p->end_ns > 4 * MS + 2 * MS) {
			assert_int_equal(p->blackout_at_ns, 4 * MS);
			assert_int_equal(p->blackout_ns, to - 4 * MS);
		}
		if (p->start_ns >= 30 * MS && p->end_ns <= 71 * MS) {
			assert_int_equal(p->blackout_ns, 0);
			assert_true(
				p->wanted_ns == VMRT_UNKNOWN && p->blackout_at_ns == VMRT_UNKNOWN);
		}
		if (p->start_ns <= 71 * MS && p->end_ns > 72 * MS) {
			assert_int_equal(p->wanted_ns, 71 * MS);
			assert_int_equal(p->first_ns, 72 * MS);
			assert_int_equal(p->blackout_ns, 1 * MS);
		}
	}
	last = &f.periods[f.n_periods - 1];
	assert_int_equal(last->wanted_ns, last->start_ns);
}

/* It sleeps without budget; HOG, which wrote the last marker, or who is not known wakes it up to
 * stop it, but it gets the CPU at 22 ms only. The second budget, of 11 ms, is never given. */
static void is_woken_to_be_stopped(struct fixture *f, bool said)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP, .pid = 0, .flags = VMRT_FLAG_HARDIRQ};

	run_out_of_budget(f, "hard", said);
	out(f, 6 * MS + 10 * US, V0, FIFO(50), 1);
	mark(f, 6 * MS + 15 * US, HOG, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
	ev.wake.pid = V0;
	ev.wake.comm = "x";
	ev.wake.prio = FIFO(50);
	if (said)
		wake(f, 6 * MS + 20 * US, HOG, V0, FIFO(50));
	else
		push(f, &ev, 6 * MS + 20 * US);
	in(f, 22 * MS, V0, FIFO(50));
	out(f, 22 * MS + 10 * US, V0, FIFO(50), 4);
	beat(f, 1, 35 * MS, 0, 0);
	end(f, 35 * MS);
	assert_int_equal(check(f, VMRT_RULE_SUPPLY)->violations, 0);
	assert_int_equal(check(f, VMRT_RULE_REPLENISH)->violations, 0);
	/* it was ready to run, whatever for */
	assert_int_equal(f->periods[1].waiting_ns, 10 * MS);
}

static void a_member_that_is_woken_to_be_stopped_does_not_want_to_run(void **state)
{
	static struct fixture f;

	(void)state;
	is_woken_to_be_stopped(&f, true);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->unknown, 0);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->unknown, 0);
	/* as before Linux 4.3, on another CPU */
	is_woken_to_be_stopped(&f, false);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->unknown, 1);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->unknown, 2);
}

/* The recording begins at 15 ms, just before V0 is stopped; @woken: after HOG woke it up. The
 * budget from 21 ms on is never given, the one from 31 ms is not used. */
static void is_stopped_at_once(struct fixture *f, bool woken)
{
	begin_at(f,
		"[server vm1]\nvm = vm1:0\npolicy = polling\nperiod = 10ms\nbudget = 4ms\n"
		"priority = 50\ndepletion = hard\n",
		true, 15 * MS);
	beat(f, 1, 15 * MS, 0, 0);
	if (woken) {
		in(f, 15 * MS + 10 * US, V0, FIFO(50));
		out(f, 15 * MS + 20 * US, V0, FIFO(50), 1);
	}
	wake(f, 15 * MS + 30 * US, HOG, woken ? V0 : LOW, FIFO(50));
	in(f, 15 * MS + 40 * US, V0, FIFO(50));
	out(f, 15 * MS + 47 * US, V0, FIFO(50), 4);
	wake(f, 31 * MS, LOW, V0, FIFO(50));
	mark(f, 31 * MS, LOW, "vmrt srv_replenish server=vm1 k=7 at=31000000 budget=4000000");
	in(f, 31 * MS + 10 * US, V0, FIFO(50));
	out(f, 31 * MS + 20 * US, V0, FIFO(50), 1);
	beat(f, 1, 55 * MS, 0, 0);
	end(f, 55 * MS);
}

static void who_was_stopped_at_the_beginning_may_have_been_woken_for_that(void **state)
{
	static struct fixture f;

	(void)state;
	is_stopped_at_once(&f, false);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 0);
	/* LOW is the enforcer */
	is_stopped_at_once(&f, true);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_that_runs_through_its_periods_has_each_of_them),
		cmocka_unit_test(a_member_that_is_stopped_wants_to_run),
		cmocka_unit_test(who_runs_on_without_budget_is_reported),
		cmocka_unit_test(servers_of_single_vcpus_have_them_alone),
		cmocka_unit_test(an_enforcer_that_is_late_by_more_than_the_tolerance_violates),
		cmocka_unit_test(a_loss_on_another_cpu_that_shows_later_makes_it_unknown),
		cmocka_unit_test(a_member_with_budget_waits_for_higher_threads_only),
		cmocka_unit_test(a_cpu_whose_buffer_had_wrapped_is_clipped),
		cmocka_unit_test(a_cpu_whose_recording_ends_early_is_clipped),
		cmocka_unit_test(the_natural_period_is_from_supply_to_supply),
		cmocka_unit_test(blackout_is_demand_without_supply),
		cmocka_unit_test(a_member_that_slept_when_it_was_stopped_does_not_want_to_run),
		cmocka_unit_test(a_run_behind_the_depletion_at_the_servers_priority_is_consumption),
		cmocka_unit_test(a_run_that_a_replenishment_explains_is_not_beyond_the_budget),
		cmocka_unit_test(a_replenishment_on_record_just_before_its_period_is_that_periods),
		cmocka_unit_test(who_is_raised_in_its_run_had_no_budget_before),
		cmocka_unit_test(a_run_beyond_the_budget_is_of_the_period_that_it_was_in),
		cmocka_unit_test(periods_are_in_proportion_to_what_was_recorded),
		cmocka_unit_test(a_member_that_is_woken_to_be_stopped_does_not_want_to_run),
		cmocka_unit_test(who_was_stopped_at_the_beginning_may_have_been_woken_for_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

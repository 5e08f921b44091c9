/* SPDX-License-Identifier: MIT */
/* Hand-computed cases of what is missing in a recording: switches, events, time that a CPU did not
 * run. */
#include "enginefix.h"

static void a_missing_switch_is_found_inferred_and_counted(void **state)
{
	static struct fixture f;
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	sw(&f, HOST, 5 * MS, HOG, 1, 0);
	wake(&f, HOST, 8 * MS, 0, VCPU);
	/* the switch from idle to the vCPU at about 8 ms was not recorded */
	sw(&f, HOST, 9 * MS, VCPU, 1, 0);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 1);
	assert_int_equal(stats.inferred_switches, 1);
	end(&f, 10 * MS);
	assert_int_equal(f.n_slices, 1);
	/* between the wake-up's record at 8.001 ms and 9 ms, hence +-499.5 us */
	assert_in_range(f.slices[0].start_ns, 8 * MS, 8 * MS + 10 * US);
	assert_int_equal(f.slices[0].end_ns, 9 * MS);
	assert_in_range(f.slices[0].uncertainty_ns, 499 * US, 500 * US);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_BROKEN_CHAIN);
}

static void a_missing_switch_may_be_before_a_timer_that_was_cancelled_for_who_left(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_CANCEL, .pid = HOG};

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	wake(&f, HOST, 8 * MS - 10 * US, HOG, VCPU);
	ev.timer.timer = 0xf00;
	push(&f, HOST, &ev, 8 * MS);
	sw(&f, HOST, 9 * MS, VCPU, 1, 0);
	end(&f, 10 * MS);
	assert_int_equal(f.n_slices, 1);
	/* between the wake-up's record at 7.991 ms and 9 ms: +-504.5 us, not +-500 */
	assert_in_range(f.slices[0].uncertainty_ns, 504 * US, 505 * US);
}

static void records_of_a_leaving_thread_right_behind_its_switch_break_no_chain(void **state)
{
	static struct fixture f;
	struct vmrt_event cancel = {.type = VMRT_EV_TIMER_CANCEL, .pid = VCPU};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, HOST, 5 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 5 * MS + 3 * US);
	sw(&f, HOST, 9 * MS, HOG, 0, VCPU);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	/* also late, if the next record is the other thread's: the CPU itself did not run meanwhile
	 */
	sw(&f, HOST, 10 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 11 * MS);
	sw(&f, HOST, 11 * MS + 2 * US, HOG, 0, VCPU);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	/* but if it is not, then the vCPU had come back before the first of them */
	sw(&f, HOST, 12 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 14 * MS);
	sw(&f, HOST, 14 * MS + 500 * US, VCPU, 0, HOG);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 1);
	end(&f, 15 * MS);
	assert_int_equal(f.slices[0].end_ns, 5 * MS);
	assert_int_equal(f.n_slices, 4);
	/* in the middle between 12 and 14 ms */
	assert_int_equal(f.slices[3].start_ns, 13 * MS);
	assert_int_equal(f.slices[3].end_ns, 14 * MS + 500 * US);
}

static void late_timer_on_a_silent_cpu(bool entered, bool cancelled_first)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	begin(&f, false);
	t1_is_set_up(&f);
	arm_tick(&f, &tick, 9 * MS, 12 * MS);
	t1_starts(&f, 10 * MS);
	tick.type = VMRT_EV_IRQ_ENTER;
	if (entered)
		push(&f, HOST, &tick, 17 * MS - 2 * US);
	tick.type = VMRT_EV_TIMER_CANCEL;
	if (cancelled_first)
		push(&f, HOST, &tick, 17 * MS - 1 * US);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 17 * MS;
	push(&f, HOST, &tick, 17 * MS); /* 5 ms late, and nothing happened on that CPU since 9 ms */
	tick.type = VMRT_EV_IRQ_LEAVE;
	if (entered)
		push(&f, HOST, &tick, 17 * MS);
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	end(&f, 32 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_STEAL);
	assert_int_equal(f.losses[0].from_ns, 12 * MS);
	assert_int_equal(f.losses[0].to_ns, 17 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_STEAL], 5 * MS);
	/* 21 ms - 50 us - 5 ms of steal = 15.95 ms of execution, 8 of them declared */
	assert_int_equal(j->exec_ns, 15950 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_OVERRUN], 7950 * US);
	assert_true(j->excused);
}

static void a_timer_that_fires_late_on_a_silent_cpu_is_steal(void **state)
{
	(void)state;
	late_timer_on_a_silent_cpu(false, false);
	late_timer_on_a_silent_cpu(false, true);
	late_timer_on_a_silent_cpu(true, false);
	late_timer_on_a_silent_cpu(true, true);
}

static void a_cpu_whose_idle_thread_is_not_recorded_shows_no_steal_while_idle(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = HOG, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, HOG, 1, 0);
	sw(&f, HOST, 2 * MS, HOG, 1, 0); /* the switch from idle to the hog is missing */
	sw(&f, HOST, 3 * MS, 0, 0, HOG);
	arm_tick(&f, &tick, 4 * MS, 8 * MS);
	sw(&f, HOST, 5 * MS, HOG, 1, 0);
	/* the idle thread put its tick off, which was not recorded either */
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.pid = 0;
	tick.timer.now = 20 * MS;
	push(&f, HOST, &tick, 20 * MS);
	end(&f, 21 * MS);
	for (size_t i = 0; i < f.n_losses; i++)
		assert_int_equal(f.losses[i].kind, VMRT_LOSS_BROKEN_CHAIN);
}

static void guest_events_outside_the_vcpus_run_times_are_counted(void **state)
{
	static struct fixture f;
	struct vmrt_event other = {.type = VMRT_EV_OTHER};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	push(&f, GUEST, &other, 1 * MS);
	sw(&f, HOST, 2 * MS, VCPU, 1, 0);
	push(&f, GUEST, &other, 3 * MS);
	wake(&f, HOST, 4 * MS, 0, VCPU);
	sw(&f, HOST, 4 * MS + 5 * US, 0, 0, VCPU);
	push(&f, GUEST, &other, 5 * MS);
	vmrt_engine_stats(f.engine, GUEST, &stats);
	assert_int_equal(stats.inside, 2);
	assert_int_equal(stats.outside, 1);
	end(&f, 6 * MS);
}

static void the_last_switch_of_a_thread_does_not_make_it_a_task_again(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, GUEST, 1 * MS, 0, 0, T1);
	died(&f, GUEST, 4 * MS, T1);
	sw(&f, GUEST, 4 * MS + 20 * US, T1, 16, 0);
	/* another thread gets the id, and runs as the task */
	born(&f, GUEST, 5 * MS, 0, T1);
	sw(&f, GUEST, 6 * MS, 0, 0, T1);
	arm(&f, GUEST, 7 * MS, T1, 10 * MS);
	sw(&f, GUEST, 7 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 10 * MS);
	arm(&f, GUEST, 12 * MS, T1, 30 * MS);
	end(&f, 15 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.jobs[1].response_ns, 2 * MS);
}

static void steal_is_taken_from_what_was_booked_while_it_lasted(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = 0, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	sw(&f, HOST, 4 * MS, VCPU, 1, 0);
	arm_tick(&f, &tick, 5 * MS, 9 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 14 * MS;
	/* from 9 to 14 ms the host's CPU did not run; the job arrived at 10 ms */
	push(&f, HOST, &tick, 14 * MS);
	wake(&f, HOST, 14 * MS + 1 * US, 0, VCPU);
	sw(&f, HOST, 14 * MS + 5 * US, 0, 0, VCPU);
	t1_starts(&f, 14 * MS + 10 * US);
	arm(&f, GUEST, 15 * MS, T1, 30 * MS);
	end(&f, 16 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_STEAL], 4 * MS);
	assert_int_equal(j->exec_ns, 940 * US);
	/* woken at 14.001 ms; 4 us on the host, the rest in the guest */
	assert_int_equal(j->blame_ns[VMRT_BLAME_VMM], 1 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_WAKEUP], 4 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_RELEASE], 55 * US);
}

static const char timerfd_text[] =
	"[experiment]\nname = t\n[server vm1]\nperiod = 12ms\nbudget = 10ms\n"
	"priority = 50\n[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\n"
	"priority = 60\nrelease = timerfd\n";

/* T1 is created and waits for its timer until 10 ms. */
static void timerfd_is_set_up(struct fixture *f)
{
	begin_with(f, false, timerfd_text);
	sw_prio(f, HOST, 0, 0, 0, VCPU, FAIR, FIFO(50));
	waits_for_timerfd(f);
}

/* CPU 0 does not run from 25 ms on, which shows at 50.6 ms only: the vCPU has run two jobs on CPU 1
 * since. No job was pending before 30 ms. */
static void steal_that_is_found_two_jobs_later_costs_nothing_before_they_arrived(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = 0, .flags = VMRT_FLAG_HARDIRQ};
	struct vmrt_event runs = {.type = VMRT_EV_WAKING, .cpu = 1};

	(void)state;
	timerfd_is_set_up(&f);
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	sw(&f, GUEST, 12 * MS, T1, 1, 0);
	tick.timer.timer = 0xaaaa00;
	tick.timer.fn = VMRT_FN_TICK;
	tick.timer.expires = tick.timer.softexpires = 25 * MS;
	sw(&f, HOST, 14 * MS, VCPU, 1, 0);
	push(&f, HOST, &tick, 15 * MS);
	runs.wake.pid = VCPU;
	runs.wake.comm = name_of(VCPU);
	runs.wake.prio = FAIR;
	runs.wake.target_cpu = 1;
	push(&f, HOST, &runs, 49 * MS);
	runs = (struct vmrt_event){.type = VMRT_EV_SWITCH, .cpu = 1};
	runs.sw.next_pid = VCPU;
	runs.sw.prev_comm = name_of(0);
	runs.sw.next_comm = name_of(VCPU);
	runs.sw.prev_prio = runs.sw.next_prio = FAIR;
	push(&f, HOST, &runs, 49 * MS);
	timerfd_wakes(&f, 49 * MS + 10 * US, 50 * MS);
	sw(&f, GUEST, 50 * MS + 200 * US, T1, 1, 0);
	timerfd_wakes(&f, 50 * MS + 250 * US, 70 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 50 * MS + 600 * US;
	push(&f, HOST, &tick, 50 * MS + 600 * US);
	sw(&f, GUEST, 51 * MS, T1, 1, 0);
	timerfd_wakes(&f, 70 * MS, 90 * MS);
	end(&f, 71 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[2].arrival_ns, 50 * MS);
	assert_int_equal(f.jobs[2].excess_ns[VMRT_BLAME_STEAL], 19 * MS);
}

/* The guest's timer expires at 30 ms and wakes T1 at 38 ms; in between the host's CPU, on which the
 * vCPU runs, writes nothing, and its tick of 32 ms comes at @tick_ms. */
static void wakes_8_ms_after_expiry(struct fixture *f, int64_t tick_ms)
{
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	timerfd_is_set_up(f);
	timerfd_wakes(f, 10 * MS, 30 * MS);
	sw(f, GUEST, 12 * MS, T1, 1, 0);
	arm_tick(f, &tick, 29 * MS, 32 * MS);
	timerfd(f, 30 * MS, VMRT_EV_TIMER_EXPIRE, 0);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = tick_ms * MS;
	push(f, HOST, &tick, tick_ms * MS);
	wake(f, GUEST, 38 * MS, 0, T1);
	sw(f, GUEST, 38 * MS + 10 * US, 0, 0, T1);
	timerfd(f, 38 * MS + 500 * US, VMRT_EV_TIMER_START, 50 * MS);
	sw(f, GUEST, 39 * MS, T1, 1, 0);
	timerfd_wakes(f, 50 * MS, 70 * MS);
	end(f, 51 * MS);
}

static void steal_between_an_expiry_and_its_wake_up_does_not_part_them(void **state)
{
	static struct fixture f;

	(void)state;
	/* since when the CPU did not run is not known: perhaps since the expiry */
	wakes_8_ms_after_expiry(&f, 38);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].release_ns, 30 * MS);
	assert_int_equal(f.jobs[1].start_ns, 38 * MS + 10 * US);
	/* the vCPU ran all the time: something else woke the thread, within the job before */
	wakes_8_ms_after_expiry(&f, 32);
	assert_true(f.n_jobs < 2 || f.jobs[1].start_ns != 38 * MS + 10 * US);
}

static void silence_in_which_events_were_lost_is_no_steal(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	arm_tick(&f, &tick, 9 * MS, 12 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 17 * MS;
	tick.lost = 3;
	push(&f, HOST, &tick, 17 * MS);
	end(&f, 18 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_OVERRUN);
}

static void records_of_a_leaving_guest_thread_may_wait_for_its_vcpu(void **state)
{
	static struct fixture f;
	struct vmrt_event cancel = {.type = VMRT_EV_TIMER_CANCEL, .pid = T1};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, GUEST, 5 * MS, T1, 1, 0);
	sw(&f, HOST, 5 * MS + 2 * US, VCPU, 0, HOG);
	sw(&f, HOST, 15 * MS, HOG, 0, VCPU);
	push(&f, GUEST, &cancel, 15 * MS + 1 * US);
	vmrt_engine_stats(f.engine, GUEST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	end(&f, 16 * MS);
}

static void sw_on(
	struct fixture *f, uint16_t cpu, int64_t at, int32_t prev, int64_t state, int32_t next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev, .cpu = cpu};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = name_of(prev);
	ev.sw.next_comm = name_of(next);
	ev.sw.prev_prio = ev.sw.next_prio = FAIR;
	ev.sw.prev_state = state;
	push(f, HOST, &ev, at);
}

/* CPU 1's clock is mapped 2 us too late: the vCPU seems to be on both. */
static void a_thread_that_moves_at_work_keeps_both_of_its_slices(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw_on(&f, 0, 0, 0, 0, HOG);
	sw_on(&f, 1, 10 * US, 0, 0, VCPU);
	sw_on(&f, 0, 100 * US, HOG, 1, VCPU);
	sw_on(&f, 1, 102 * US, VCPU, 0, 0);
	sw_on(&f, 0, 150 * US, VCPU, 1, 0);
	end(&f, MS);
	assert_int_equal(f.n_slices, 2);
	assert_int_equal(f.slices[0].cpu, 1);
	assert_int_equal(f.slices[0].start_ns, 10 * US);
	assert_int_equal(f.slices[0].end_ns, 100 * US);
	assert_false(f.slices[0].truncated);
	assert_int_equal(f.slices[1].cpu, 0);
	assert_int_equal(f.slices[1].start_ns, 100 * US);
	assert_int_equal(f.slices[1].end_ns, 150 * US);
	assert_int_equal(f.slices[1].end_state, 1);
}

/* That it left CPU 1 is missing: nobody knows how long it was there. */
/* While it runs on CPU 0, an enforcer takes its priority away; it goes on on CPU 1, of which the
 * records come first. */
static void a_thread_that_moves_has_run_at_the_priority_with_which_it_comes(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw_on(&f, 0, 0, 0, 0, HOG);
	sw_prio(&f, HOST, 5 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	sw_on(&f, 1, 100 * US, 0, 0, VCPU);
	sw_prio(&f, HOST, 102 * US, VCPU, 0, 0, FAIR, FAIR);
	end(&f, MS);
	assert_int_equal(f.slices[0].cpu, 0);
	assert_int_equal(f.slices[0].start_ns, 5 * US);
	assert_int_equal(f.slices[0].end_ns, 100 * US);
	assert_int_equal(f.slices[0].prio, FAIR);
}

static void a_thread_on_a_cpu_that_has_been_silent_has_a_truncated_slice(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw_on(&f, 0, 0, 0, 0, HOG);
	sw_on(&f, 1, 10 * US, 0, 0, VCPU);
	sw_on(&f, 0, 10 * MS, HOG, 1, VCPU);
	sw_on(&f, 0, 12 * MS, VCPU, 1, 0);
	end(&f, 20 * MS);
	assert_int_equal(f.n_slices, 2);
	assert_int_equal(f.slices[0].cpu, 1);
	assert_true(f.slices[0].truncated);
	assert_int_equal(f.slices[1].start_ns, 10 * MS);
	assert_false(f.slices[1].truncated);
}

/* The guest's clock is known to 1 ms only: what happened behind the steal from 15 to 35 ms seems to
 * have happened in its last 0.5 ms. */
static void steal_that_seems_to_hold_two_jobs_leaves_the_second_one_its_times(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	timerfd_is_set_up(&f);
	f.error = 1 * MS;
	arm_tick(&f, &tick, 5 * MS, 15 * MS);
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	/* the timer of 30 ms expires while it works, and it takes notice */
	timerfd(&f, 34 * MS + 500 * US, VMRT_EV_TIMER_EXPIRE, 0);
	timerfd(&f, 34 * MS + 600 * US, VMRT_EV_TIMER_START, 50 * MS);
	sw(&f, GUEST, 34 * MS + 900 * US, T1, 1, 0);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 35 * MS;
	push(&f, HOST, &tick, 35 * MS);
	timerfd_wakes(&f, 50 * MS, 70 * MS);
	end(&f, 51 * MS);
	assert_int_equal(f.jobs[0].end_ns, 34 * MS + 600 * US);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].start_ns, 34 * MS + 600 * US);
	assert_int_equal(f.jobs[1].end_ns, 34 * MS + 900 * US);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	/* all of its 4.9 ms seem to be stolen */
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_STEAL], 4900 * US);
	assert_int_equal(f.jobs[1].exec_ns, 0);
}

/* The vCPU waits for a hog from 12 to 14 ms, which is throttling; but the job was over, by a clock
 * that is known to 1 ms only, when it had waited for 0.8 ms. */
static void who_ran_in_a_gap_that_goes_on_behind_the_job_is_named(void **state)
{
	static struct fixture f;

	(void)state;
	timerfd_is_set_up(&f);
	f.error = 1 * MS;
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	sw_prio(&f, HOST, 12 * MS, VCPU, 0, HOG, FIFO(50), FAIR);
	sw(&f, GUEST, 12 * MS + 800 * US, T1, 1, 0);
	sw_prio(&f, HOST, 14 * MS, HOG, 0, VCPU, FAIR, FIFO(50));
	timerfd_wakes(&f, 30 * MS, 50 * MS);
	end(&f, 31 * MS);
	assert_int_equal(f.jobs[0].end_ns, 12 * MS + 800 * US);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_HOST_THREAD], 800 * US);
	assert_int_equal(f.jobs[0].n_blamed, 1);
	assert_int_equal(f.jobs[0].blamed[0].part, VMRT_BLAME_HOST_THREAD);
	assert_int_equal(f.jobs[0].blamed[0].ns, 800 * US);
}

/* Its reservation's timer, armed by T1 as it gives the rest up. */
static void reservation(struct fixture *f, int64_t at, enum vmrt_event_type type, int64_t until)
{
	struct vmrt_event ev = {.type = type, .pid = until ? T1 : T2, .depth = 2};

	ev.flags = until ? 0 : VMRT_FLAG_HARDIRQ;
	ev.timer.timer = 0xcccc00;
	ev.timer.fn = VMRT_FN_DEADLINE;
	ev.timer.expires = ev.timer.softexpires = until + f->offset;
	ev.timer.now = at + f->offset;
	push(f, GUEST, &ev, at);
}

/* T1 overruns by 1 ms until 12 ms; on its way out of its job the host's CPU stops, from 14 to 25
 * ms, as its timer of 14 ms shows. */
static void steal_on_the_way_out_of_a_job_takes_nothing_of_its_overrun(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin_with(&f, false,
		"[experiment]\nname = t\n[server vm1]\nperiod = 12ms\nbudget = 10ms\n"
		"priority = 50\n[task vm1/t1]\nperiod = 10ms\nwcet = 1ms\n"
		"priority = 60\nrelease = deadline\n");
	sw(&f, HOST, 0, 0, 0, VCPU);
	arm_tick(&f, &tick, 1 * MS, 14 * MS);
	born(&f, GUEST, 1 * MS, 0, T1);
	sw_prio(&f, GUEST, 2 * MS, 0, 0, T1, FAIR, -1);
	reservation(&f, 3 * MS, VMRT_EV_TIMER_START, 10 * MS);
	sw_prio(&f, GUEST, 3 * MS, T1, 0, T2, -1, FAIR);
	reservation(&f, 10 * MS, VMRT_EV_TIMER_EXPIRE, 0);
	sw_prio(&f, GUEST, 10 * MS, T2, 0, T1, FAIR, -1);
	reservation(&f, 12 * MS, VMRT_EV_TIMER_START, 20 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 25 * MS;
	push(&f, HOST, &tick, 25 * MS);
	sw_prio(&f, GUEST, 25 * MS, T1, 0, T2, -1, FAIR);
	reservation(&f, 25 * MS, VMRT_EV_TIMER_EXPIRE, 0);
	sw_prio(&f, GUEST, 25 * MS, T2, 0, T1, FAIR, -1);
	reservation(&f, 26 * MS, VMRT_EV_TIMER_START, 30 * MS);
	sw_prio(&f, GUEST, 26 * MS, T1, 0, T2, -1, FAIR);
	end(&f, 27 * MS);
	assert_int_equal(f.jobs[0].end_ns, 12 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_OVERRUN], 1 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, 20 * MS);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_STEAL], 5 * MS);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_GUEST_OVERRUN], 0);
	assert_int_equal(f.jobs[1].exec_ns, 1 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_switch_is_found_inferred_and_counted),
		cmocka_unit_test(
			a_missing_switch_may_be_before_a_timer_that_was_cancelled_for_who_left),
		cmocka_unit_test(
			records_of_a_leaving_thread_right_behind_its_switch_break_no_chain),
		cmocka_unit_test(a_timer_that_fires_late_on_a_silent_cpu_is_steal),
		cmocka_unit_test(a_cpu_whose_idle_thread_is_not_recorded_shows_no_steal_while_idle),
		cmocka_unit_test(guest_events_outside_the_vcpus_run_times_are_counted),
		cmocka_unit_test(the_last_switch_of_a_thread_does_not_make_it_a_task_again),
		cmocka_unit_test(steal_is_taken_from_what_was_booked_while_it_lasted),
		cmocka_unit_test(
			steal_that_is_found_two_jobs_later_costs_nothing_before_they_arrived),
		cmocka_unit_test(steal_between_an_expiry_and_its_wake_up_does_not_part_them),
		cmocka_unit_test(silence_in_which_events_were_lost_is_no_steal),
		cmocka_unit_test(a_thread_that_moves_at_work_keeps_both_of_its_slices),
		cmocka_unit_test(a_thread_that_moves_has_run_at_the_priority_with_which_it_comes),
		cmocka_unit_test(a_thread_on_a_cpu_that_has_been_silent_has_a_truncated_slice),
		cmocka_unit_test(records_of_a_leaving_guest_thread_may_wait_for_its_vcpu),
		cmocka_unit_test(steal_that_seems_to_hold_two_jobs_leaves_the_second_one_its_times),
		cmocka_unit_test(who_ran_in_a_gap_that_goes_on_behind_the_job_is_named),
		cmocka_unit_test(steal_on_the_way_out_of_a_job_takes_nothing_of_its_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

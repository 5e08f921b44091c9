/* SPDX-License-Identifier: MIT */
/* A guest's job while events of the host are lost: whether its vCPU ran is not known then. */
#include "enginefix.h"

static void other(struct fixture *f, int64_t at, int32_t pid, uint64_t lost)
{
	struct vmrt_event ev = {.type = VMRT_EV_OTHER, .pid = pid, .lost = lost};

	push(f, HOST, &ev, at);
}

/* t1 runs since 10.05 ms; what the host records between 12 and 20 ms is lost. */
static void begin_with_a_loss(struct fixture *f)
{
	begin_with_t1_running(f);
	other(f, 12 * MS, VCPU, 0);
	vmrt_engine_losing(f->engine, HOST, 0);
}

/* t1 ends its job at @at. */
static void t1_ends(struct fixture *f, int64_t at)
{
	arm(f, GUEST, at, T1, 30 * MS);
	sw(f, GUEST, at + 5 * US, T1, 1, 0);
}

static void a_job_that_ends_in_a_loss_of_the_host_has_no_execution_time(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_a_loss(&f);
	t1_ends(&f, 16 * MS);
	other(&f, 20 * MS, VCPU, 7);
	end(&f, 25 * MS);
	assert_int_equal(j->response_ns, 6 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_true(j->exec_ns == VMRT_UNKNOWN);
	assert_int_equal(j->blame_ns[VMRT_BLAME_UNKNOWN], 6 * MS);
}

static void a_job_that_goes_on_behind_a_loss_of_the_host_has_no_execution_time(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_a_loss(&f);
	other(&f, 20 * MS, VCPU, 7);
	t1_ends(&f, 22 * MS);
	end(&f, 25 * MS);
	assert_int_equal(j->response_ns, 12 * MS);
	assert_true(j->exec_ns == VMRT_UNKNOWN);
	assert_int_equal(j->blame_ns[VMRT_BLAME_UNKNOWN], 8 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_EXEC], 4 * MS - 50 * US);
}

static void a_job_that_sleeps_while_events_of_the_host_are_lost_keeps_its_execution_time(
	void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	sw(&f, GUEST, 11 * MS, T1, 2, 0);
	other(&f, 12 * MS, VCPU, 0);
	vmrt_engine_losing(f.engine, HOST, 0);
	other(&f, 20 * MS, VCPU, 7);
	wake(&f, GUEST, 21 * MS, 0, T1);
	sw(&f, GUEST, 21 * MS + 10 * US, 0, 0, T1);
	t1_ends(&f, 22 * MS);
	end(&f, 25 * MS);
	assert_int_equal(j->response_ns, 12 * MS);
	assert_int_equal(j->exec_ns, 2 * MS - 60 * US);
}

/* The vCPU waits on CPU 0, and may run there unseen from 12 ms on. */
static void a_vcpu_that_waits_where_events_are_lost_may_run(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	sw(&f, HOST, 11 * MS, VCPU, 0, HOG);
	other(&f, 12 * MS, HOG, 0);
	vmrt_engine_losing(f.engine, HOST, 0);
	other(&f, 20 * MS, HOG, 7);
	sw(&f, HOST, 21 * MS, HOG, 0, VCPU);
	t1_ends(&f, 22 * MS);
	end(&f, 25 * MS);
	assert_int_equal(j->response_ns, 12 * MS);
	assert_true(j->exec_ns == VMRT_UNKNOWN);
	assert_int_equal(j->blame_ns[VMRT_BLAME_EXEC], 2 * MS - 50 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 1 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_UNKNOWN], 9 * MS);
}

/* The vCPU sleeps on CPU 0 since 11 ms; CPU 1 records nothing from 12 to 20 ms, and the guest has
 * events at 16 ms: the vCPU may run on CPU 1 then. */
static void events_of_a_guest_that_may_run_unseen_are_not_outside(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_OTHER, .pid = HOG, .cpu = 1};
	struct vmrt_machine_stats stats;

	(void)state;
	begin_with_t1_running(&f);
	sw(&f, HOST, 11 * MS, VCPU, 1, 0);
	push(&f, HOST, &ev, 12 * MS);
	vmrt_engine_losing(f.engine, HOST, 1);
	t1_ends(&f, 16 * MS);
	ev.lost = 7;
	push(&f, HOST, &ev, 20 * MS);
	wake(&f, HOST, 24 * MS, 0, VCPU);
	sw(&f, HOST, 24 * MS + 10 * US, 0, 0, VCPU);
	vmrt_engine_stats(f.engine, GUEST, &stats);
	assert_int_equal(stats.outside, 0);
	end(&f, 25 * MS);
	assert_true(f.jobs[0].exec_ns == VMRT_UNKNOWN);
}

/* Every 20 ms t1 runs for 2 ms on the guest's CPU 1. */
static void t1_has_a_job_on_cpu_1(struct fixture *f)
{
	struct vmrt_event out = {.type = VMRT_EV_SWITCH, .pid = T1, .cpu = 1};
	struct vmrt_event in = {.type = VMRT_EV_SWITCH, .cpu = 1};
	struct vmrt_event timer = {.type = VMRT_EV_TIMER_START, .pid = T1, .cpu = 1};
	struct vmrt_event expiry = {
		.type = VMRT_EV_TIMER_EXPIRE, .cpu = 1, .flags = VMRT_FLAG_HARDIRQ};

	in.sw.next_pid = out.sw.prev_pid = T1;
	in.sw.next_comm = out.sw.prev_comm = name_of(T1);
	in.sw.prev_comm = out.sw.next_comm = name_of(0);
	in.sw.next_prio = out.sw.prev_prio = prio_of(T1);
	in.sw.prev_prio = out.sw.next_prio = FAIR;
	out.sw.prev_state = 1;
	timer.timer.timer = expiry.timer.timer = 0xf00;
	timer.timer.fn = expiry.timer.fn = VMRT_FN_WAKEUP;
	for (int i = 0; i < 3; i++) {
		int64_t until = (i + 1) * 20 * MS;

		expiry.timer.now = i * 20 * MS + f->offset;
		timer.timer.expires = timer.timer.softexpires = until + f->offset;
		if (i)
			push(f, GUEST, &expiry, i * 20 * MS);
		push(f, GUEST, &in, i * 20 * MS + 10 * US);
		push(f, GUEST, &timer, i * 20 * MS + 2 * MS);
		push(f, GUEST, &out, i * 20 * MS + 2 * MS + 5 * US);
	}
}

/*
 * The vCPU sleeps from 12 ms on, and T1's timer is due at 30 ms: if the recording goes on until 200
 * ms, the VM has ended. Unless events of the host were lost at 20 ms: the vCPU may have been woken
 * then, and have waited for the CPU since. Nobody knows.
 */
static void a_guest_whose_wake_up_may_be_lost_has_neither_ended_nor_missed(void **state)
{
	(void)state;
	for (uint64_t lost = 0; lost < 8; lost += 7) {
		static struct fixture f;

		begin_with_t1_running(&f);
		t1_ends(&f, 11 * MS);
		sw(&f, HOST, 12 * MS, VCPU, 1, 0);
		other(&f, 20 * MS, 0, lost);
		other(&f, 199 * MS, 0, 0);
		end(&f, 200 * MS);
		assert_int_equal(f.jobs[0].end_ns, 11 * MS);
		if (!lost) {
			assert_int_equal(f.n_jobs, 1);
			continue;
		}
		assert_true(f.n_jobs > 1);
		assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
		assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_UNKNOWN);
	}
}

/* Only one vCPU thread is known, and it runs all the time. If that thread is called
 * CPU 0/KVM, another one carries CPU 1; QEMU's TCG may have one thread for all. */
static void a_thread_that_is_named_for_one_cpu_does_not_carry_another(void **state)
{
	static struct fixture f;

	(void)state;
	guest_cpus = 2;
	for (int kvm = 0; kvm < 2; kvm++) {
		vcpu_name = kvm ? "CPU 0/KVM" : "CPU 0/TCG";
		begin(&f, false);
		sw(&f, HOST, 0, 0, 0, VCPU);
		t1_has_a_job_on_cpu_1(&f);
		end(&f, 45 * MS);
		assert_true(f.n_jobs >= 2);
		assert_int_equal(f.jobs[1].response_ns, 2 * MS);
		if (kvm)
			assert_true(f.jobs[1].exec_ns == VMRT_UNKNOWN);
		else
			assert_int_equal(f.jobs[1].exec_ns, 2 * MS - 10 * US);
	}
	guest_cpus = 1;
	vcpu_name = "CPU 0/TCG";
}

/* A tick that is due at 12 ms expires at 13.2 ms by a clock that is known to @error: the CPU did
 * not run for 0.3 ms or more only if it was late for certain. */
static void a_tick_is_late_by_no_more_than_the_clock_is_known(void **state)
{
	static const struct {
		int64_t error_ns;
		size_t losses;
	} kinds[] = {{0, 1}, {850 * US, 1}, {1000 * US, 0}, {1190 * US, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;
		struct vmrt_event tick = {
			.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

		begin(&f, false);
		f.machines[HOST].record_error_ns = kinds[i].error_ns;
		t1_is_set_up(&f);
		arm_tick(&f, &tick, 9 * MS, 12 * MS);
		t1_starts(&f, 10 * MS);
		tick.type = VMRT_EV_TIMER_EXPIRE;
		tick.timer.now = 12 * MS;
		push(&f, HOST, &tick, 13 * MS + 200 * US);
		arm(&f, GUEST, 14 * MS, T1, 30 * MS);
		end(&f, 15 * MS);
		assert_int_equal(f.n_losses, kinds[i].losses);
		assert_int_equal(
			f.jobs[0].blame_ns[VMRT_BLAME_STEAL], kinds[i].losses ? 1200 * US : 0);
	}
}

/* The tick that is due at 12 ms expires at 17 ms, in the context @flags, and at 12.4 ms the CPU
 * recorded something by a clock that is known to @error_ns. Returns how many losses that shows. */
static size_t expires_behind_a_record(int64_t error_ns, unsigned flags)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	begin(&f, false);
	f.machines[HOST].record_error_ns = error_ns;
	t1_is_set_up(&f);
	arm_tick(&f, &tick, 9 * MS, 12 * MS);
	t1_starts(&f, 10 * MS);
	wake(&f, HOST, 12 * MS + 400 * US, VCPU, HOG);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.flags = (uint8_t)flags;
	tick.timer.now = 17 * MS;
	push(&f, HOST, &tick, 17 * MS);
	end(&f, 18 * MS);
	return f.n_losses;
}

/* If the record can have been before 12 ms, the CPU did not run since then; if an interrupt handles
 * the timer, and no thread that had to wait. */
static void a_record_just_behind_a_timers_time_may_have_been_before_it(void **state)
{
	(void)state;
	for (int64_t error_ns = 0; error_ns <= 500 * US; error_ns += 100 * US) {
		assert_int_equal(
			expires_behind_a_record(error_ns, VMRT_FLAG_HARDIRQ), error_ns > 400 * US);
		assert_int_equal(expires_behind_a_record(error_ns, VMRT_FLAG_SOFTIRQ), 0);
		assert_int_equal(expires_behind_a_record(error_ns, 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_that_ends_in_a_loss_of_the_host_has_no_execution_time),
		cmocka_unit_test(
			a_job_that_goes_on_behind_a_loss_of_the_host_has_no_execution_time),
		cmocka_unit_test(
			a_job_that_sleeps_while_events_of_the_host_are_lost_keeps_its_execution_time),
		cmocka_unit_test(a_vcpu_that_waits_where_events_are_lost_may_run),
		cmocka_unit_test(events_of_a_guest_that_may_run_unseen_are_not_outside),
		cmocka_unit_test(a_thread_that_is_named_for_one_cpu_does_not_carry_another),
		cmocka_unit_test(a_guest_whose_wake_up_may_be_lost_has_neither_ended_nor_missed),
		cmocka_unit_test(a_record_just_behind_a_timers_time_may_have_been_before_it),
		cmocka_unit_test(a_tick_is_late_by_no_more_than_the_clock_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

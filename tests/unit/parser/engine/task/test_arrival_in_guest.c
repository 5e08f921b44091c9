/* SPDX-License-Identifier: MIT */
/*
 * The timer of a guest's task was armed before the recording: its first arrival is found from what
 * it is armed to next, if it cannot have been due a period before. Times are in us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/engine.h>

#define US VMRT_NS_PER_US
#define MS 1000 /* us */
#define X 11	/* the task */
#define MAIN 100
#define VCPU 101
#define TIMER 0xf1000
#define OTHER 0xf2000 /* a timer that wakes nobody */
#define FAIR 120
#define FIFO 39

static struct vmrt_job jobs[8];
static size_t n_jobs;
static struct vmrt_engine *engine;

static void keep_job(void *ctx, const struct vmrt_job *job)
{
	(void)ctx;
	assert_true(n_jobs < 8);
	jobs[n_jobs++] = *job;
}

static void push(uint32_t machine, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at * US;
	assert_int_equal(vmrt_engine_push(engine, machine, ev, at * US, 0), VMRT_OK);
}

static void switches(uint32_t machine, int64_t at, int prev, int state, int next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev};

	ev.sw.prev_comm = prev == X ? "x" : "y";
	ev.sw.next_comm = next == X ? "x" : "y";
	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_state = state;
	ev.sw.prev_prio = prev == X ? FIFO : FAIR;
	ev.sw.next_prio = next == X ? FIFO : FAIR;
	push(machine, &ev, at);
}

static void wakes(uint32_t machine, int64_t at, int by, uint8_t flags, int who)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by, .flags = flags};

	ev.wake.pid = who;
	ev.wake.comm = who == X ? "x" : "y";
	ev.wake.prio = who == X ? FIFO : FAIR;
	push(machine, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	push(machine, &ev, at);
}

static void timer(enum vmrt_event_type type, uint64_t ptr, int64_t at, int64_t expires)
{
	struct vmrt_event ev = {.type = type};

	ev.pid = type == VMRT_EV_TIMER_START ? X : 0;
	ev.flags = type == VMRT_EV_TIMER_START ? 0 : VMRT_FLAG_HARDIRQ;
	ev.timer.timer = ptr;
	ev.timer.fn = VMRT_FN_TIMERFD;
	ev.timer.expires = ev.timer.softexpires = expires * US;
	ev.timer.now = at * US;
	push(1, &ev, at);
}

static struct vmrt_experiment *begin(void)
{
	static struct vmrt_clock_segment same = {.to_local_ns = INT64_MAX};
	static struct vmrt_clockmap map = {&same, 1, 0};
	static struct vmrt_engine_machine machines[] = {
		{.name = "host", .cpus = 1}, {.name = "vm1", .cpus = 1, .clock = &map}};
	static struct vmrt_vm_thread threads[] = {{.tid = VCPU, .role = VMRT_ROLE_VCPU, .vcpu = 0},
		{.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1}};
	static struct vmrt_engine_vm vm = {
		.name = "vm1", .machine = 1, .threads = threads, .n_threads = 2};
	static struct vmrt_engine_config config = {.machines = machines,
		.n_machines = 2,
		.vms = &vm,
		.n_vms = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN};
	static struct vmrt_sink sink = {.job = keep_job};
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	n_jobs = 0;
	assert_int_equal(vmrt_experiment_parse("[task vm1/x]\nperiod = 10ms\nrelease = timerfd\n",
				 "t.ini", &exp, &err),
		VMRT_OK);
	config.experiment = exp;
	assert_int_equal(vmrt_engine_new(&config, &sink, &engine, &err), VMRT_OK);
	switches(1, 1 * MS, X, 1, 0);
	switches(0, 2 * MS, VCPU, 1, 0);
	return exp;
}

/* X's timer expires @at and is armed to 30 ms next. */
static void first_job(struct vmrt_experiment *exp, int64_t at)
{
	timer(VMRT_EV_TIMER_EXPIRE, TIMER, at, 0);
	wakes(1, at, 0, VMRT_FLAG_HARDIRQ, X);
	switches(1, at + 10, 0, 0, X);
	timer(VMRT_EV_TIMER_START, TIMER, at + 20, 30 * MS);
	switches(1, 26 * MS, X, 1, 0);
	timer(VMRT_EV_TIMER_EXPIRE, TIMER, 30 * MS, 0);
	wakes(1, 30 * MS, 0, VMRT_FLAG_HARDIRQ, X);
	switches(1, 30 * MS + 10, 0, 0, X);
	assert_int_equal(vmrt_engine_finish(engine, 31 * MS * US), VMRT_OK);
	vmrt_engine_free(engine);
	vmrt_experiment_free(exp);
	assert_int_equal(n_jobs, 3);
}

/* The vCPU, woken by @waker at 25 ms, runs from 10 us later on. */
static struct vmrt_experiment *woken_by(int waker, uint8_t flags)
{
	struct vmrt_experiment *exp = begin();

	switches(0, 25 * MS - 20, 0, 0, MAIN);
	wakes(0, 25 * MS, waker, flags, VCPU);
	switches(0, 25 * MS + 10, MAIN, 1, VCPU);
	return exp;
}

static void arrived_at_20_ms(void)
{
	assert_int_equal(jobs[1].arrival_ns, 20 * MS * US);
	assert_int_equal(jobs[1].end_ns, 26 * MS * US);
}

/* At 10 ms or at 20 ms: nobody knows. */
static void arrived_at_either(void)
{
	assert_true(jobs[1].arrival_ns == VMRT_UNKNOWN);
	assert_int_equal(jobs[1].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(jobs[2].arrival_ns, 30 * MS * US);
}

static void a_timer_that_wakes_the_vcpu_by_an_interrupt_was_due_right_then(void **state)
{
	(void)state;
	first_job(woken_by(MAIN, VMRT_FLAG_HARDIRQ), 25 * MS + 20);
	arrived_at_20_ms();
}

/* QEMU's main loop may have waited for the CPU since 10 ms. */
static void a_timer_that_a_thread_of_the_vmm_delivers_may_have_been_due_long_before(void **state)
{
	(void)state;
	first_job(woken_by(MAIN, 0), 25 * MS + 20);
	arrived_at_either();
}

/* X's timer expires 55 us after the vCPU began to run, in the interrupt that came at once and
 * expired another timer first. */
static void a_timer_that_expires_behind_others_may_have_been_due_as_early_as_they(void **state)
{
	struct vmrt_experiment *exp = woken_by(MAIN, 0);

	(void)state;
	timer(VMRT_EV_TIMER_EXPIRE, OTHER, 25 * MS + 20, 0);
	first_job(exp, 25 * MS + 65);
	arrived_at_either();

	exp = woken_by(MAIN, VMRT_FLAG_HARDIRQ);
	timer(VMRT_EV_TIMER_EXPIRE, OTHER, 25 * MS + 20, 0);
	first_job(exp, 25 * MS + 65);
	arrived_at_20_ms();
}

/* Another timer expires 15 us after the vCPU began to run; X's, 90 us after: the CPU ran meanwhile,
 * and a timer that was due would have expired. */
static void a_timer_that_expires_long_behind_others_was_due_right_then(void **state)
{
	struct vmrt_experiment *exp = woken_by(MAIN, 0);

	(void)state;
	timer(VMRT_EV_TIMER_EXPIRE, OTHER, 25 * MS + 25, 0);
	first_job(exp, 25 * MS + 100);
	arrived_at_20_ms();
}

/* The vCPU is woken at 10 ms. It is preempted 60 us after it began to run, within the interrupt
 * that expires all timers which are due, and goes on at 25 ms. */
static void a_timer_of_an_interrupt_that_is_preempted_was_due_before_that(void **state)
{
	struct vmrt_experiment *exp = begin();

	(void)state;
	wakes(0, 10 * MS, 0, VMRT_FLAG_HARDIRQ, VCPU);
	switches(0, 10 * MS + 10, 0, 0, VCPU);
	timer(VMRT_EV_TIMER_EXPIRE, OTHER, 10 * MS + 20, 0);
	timer(VMRT_EV_TIMER_EXPIRE, OTHER, 10 * MS + 55, 0);
	switches(0, 10 * MS + 70, VCPU, 0, MAIN);
	switches(0, 25 * MS + 10, MAIN, 1, VCPU);
	first_job(exp, 25 * MS + 20);
	arrived_at_either();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_that_wakes_the_vcpu_by_an_interrupt_was_due_right_then),
		cmocka_unit_test(
			a_timer_that_a_thread_of_the_vmm_delivers_may_have_been_due_long_before),
		cmocka_unit_test(
			a_timer_that_expires_behind_others_may_have_been_due_as_early_as_they),
		cmocka_unit_test(a_timer_that_expires_long_behind_others_was_due_right_then),
		cmocka_unit_test(a_timer_of_an_interrupt_that_is_preempted_was_due_before_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

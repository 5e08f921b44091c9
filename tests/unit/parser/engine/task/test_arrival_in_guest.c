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

static void timer(enum vmrt_event_type type, int64_t at, int64_t expires)
{
	struct vmrt_event ev = {.type = type};

	ev.pid = type == VMRT_EV_TIMER_START ? X : 0;
	ev.flags = type == VMRT_EV_TIMER_START ? 0 : VMRT_FLAG_HARDIRQ;
	ev.timer.timer = TIMER;
	ev.timer.fn = VMRT_FN_TIMERFD;
	ev.timer.expires = ev.timer.softexpires = expires * US;
	ev.timer.now = at * US;
	push(1, &ev, at);
}

/* The vCPU, woken by @waker at 25 ms, delivers a timer that is armed to 30 ms next. */
static void first_job(int waker, uint8_t flags)
{
	static struct vmrt_clock_segment same = {.to_local_ns = INT64_MAX};
	static struct vmrt_clockmap map = {&same, 1, 0};
	struct vmrt_engine_machine machines[] = {
		{.name = "host", .cpus = 1}, {.name = "vm1", .cpus = 1, .clock = &map}};
	struct vmrt_vm_thread threads[] = {{.tid = VCPU, .role = VMRT_ROLE_VCPU, .vcpu = 0},
		{.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1}};
	struct vmrt_engine_vm vm = {
		.name = "vm1", .machine = 1, .threads = threads, .n_threads = 2};
	struct vmrt_engine_config config = {.machines = machines,
		.n_machines = 2,
		.vms = &vm,
		.n_vms = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN};
	struct vmrt_sink sink = {.job = keep_job};
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
	switches(0, 25 * MS - 20, 0, 0, MAIN);
	wakes(0, 25 * MS, waker, flags, VCPU);
	switches(0, 25 * MS + 10, MAIN, 1, VCPU);
	timer(VMRT_EV_TIMER_EXPIRE, 25 * MS + 20, 0);
	wakes(1, 25 * MS + 20, 0, VMRT_FLAG_HARDIRQ, X);
	switches(1, 25 * MS + 30, 0, 0, X);
	timer(VMRT_EV_TIMER_START, 25 * MS + 40, 30 * MS);
	switches(1, 26 * MS, X, 1, 0);
	timer(VMRT_EV_TIMER_EXPIRE, 30 * MS, 0);
	wakes(1, 30 * MS, 0, VMRT_FLAG_HARDIRQ, X);
	switches(1, 30 * MS + 10, 0, 0, X);
	assert_int_equal(vmrt_engine_finish(engine, 31 * MS * US), VMRT_OK);
	vmrt_engine_free(engine);
	vmrt_experiment_free(exp);
}

static void a_timer_that_wakes_the_vcpu_by_an_interrupt_was_due_right_then(void **state)
{
	(void)state;
	first_job(MAIN, VMRT_FLAG_HARDIRQ);
	assert_int_equal(n_jobs, 3);
	assert_int_equal(jobs[1].arrival_ns, 20 * MS * US);
	assert_int_equal(jobs[1].end_ns, 26 * MS * US);
}

/* QEMU's main loop may have waited for the CPU since 10 ms. */
static void a_timer_that_a_thread_of_the_vmm_delivers_may_have_been_due_long_before(void **state)
{
	(void)state;
	first_job(MAIN, 0);
	assert_int_equal(n_jobs, 3);
	assert_true(jobs[1].arrival_ns == VMRT_UNKNOWN);
	assert_int_equal(jobs[1].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(jobs[2].arrival_ns, 30 * MS * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_that_wakes_the_vcpu_by_an_interrupt_was_due_right_then),
		cmocka_unit_test(
			a_timer_that_a_thread_of_the_vmm_delivers_may_have_been_due_long_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

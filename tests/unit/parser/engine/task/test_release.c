/* SPDX-License-Identifier: MIT */
/* How tasks are released, by hand: what stands in a comment was worked out on paper. Times are in
 * us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/engine.h>

#define US VMRT_NS_PER_US
#define MS 1000	   /* us */
#define X 11	   /* the task's thread */
#define Y 12	   /* another thread */
#define T1 0xf1000 /* timers */
#define T2 0xf2000
#define FIFO 39
#define FAIR 120
#define DL (-1)
#define HARD VMRT_FLAG_HARDIRQ
#define SOFT VMRT_FLAG_SOFTIRQ
#define MAX_JOBS 64
/* CLOCK_REALTIME leads the monotonic one by so much */
#define LEAD (INT64_C(1700000000) * VMRT_NS_PER_S)

/* The kernel says of a timer that expires that it was cancelled first, as those before 2026 do. */
static bool cancels_first;

struct fixture {
	struct vmrt_experiment *exp;
	struct vmrt_engine *engine;
	struct vmrt_engine_machine machine;
	struct vmrt_engine_config config;
	struct vmrt_job jobs[MAX_JOBS];
	size_t n;
	const char *name; /* of X */
	int prio;	  /* of X */
	uint8_t depth;
	int slack_us;
};

static void keep_job(void *ctx, const struct vmrt_job *job)
{
	struct fixture *f = ctx;
	int64_t sum = 0;

	assert_true(f->n < MAX_JOBS);
	f->jobs[f->n++] = *job;
	if (job->response_ns == VMRT_UNKNOWN)
		return;
	for (int p = 0; p < VMRT_BLAMES; p++)
		sum += job->blame_ns[p];
	assert_int_equal(sum, job->response_ns);
	assert_int_equal(job->blame_ns[VMRT_BLAME_CLOCK], 0);
}

static void begin(struct fixture *f, const char *task)
{
	struct vmrt_sink sink = {.ctx = f, .job = keep_job};
	struct vmrt_error err;
	char text[512];

	memset(f, 0, sizeof(*f));
	snprintf(text, sizeof(text), "[task host/x]\n%s", task);
	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &f->exp, &err), VMRT_OK);
	f->machine = (struct vmrt_engine_machine){.name = "host", .cpus = 2};
	f->config = (struct vmrt_engine_config){.experiment = f->exp,
		.machines = &f->machine,
		.n_machines = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN};
	assert_int_equal(vmrt_engine_new(&f->config, &sink, &f->engine, &err), VMRT_OK);
	f->name = "x";
	f->prio = FIFO;
}

/* What was found out is asked for before the engine goes. */
static enum vmrt_release end(struct fixture *f, int64_t at, int64_t *period)
{
	enum vmrt_release release;

	assert_int_equal(vmrt_engine_finish(f->engine, at * US), VMRT_OK);
	release = vmrt_engine_task_release(f->engine, 0, period);
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
	return release;
}

static void push(struct fixture *f, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at * US;
	ev->depth = f->depth;
	assert_int_equal(vmrt_engine_push(f->engine, 0, ev, ev->ts, 0), VMRT_OK);
}

static const char *comm(const struct fixture *f, int pid)
{
	static char name[VMRT_COMM_MAX];

	if (pid != X)
		return pid ? "y" : "swapper/0";
	memset(name, 0, sizeof(name));
	snprintf(name, sizeof(name), "%s", f->name);
	return name;
}

static void sw(struct fixture *f, int64_t at, int prev, int state, int next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev};
	char prev_comm[VMRT_COMM_MAX] = "", next_comm[VMRT_COMM_MAX] = "";

	strcpy(prev_comm, comm(f, prev));
	strcpy(next_comm, comm(f, next));
	ev.sw.prev_comm = prev_comm;
	ev.sw.next_comm = next_comm;
	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_state = state;
	ev.sw.prev_prio = prev == X ? f->prio : FAIR;
	ev.sw.next_prio = next == X ? f->prio : FAIR;
	push(f, &ev, at);
}

/* X is woken in the context of @by, in an interrupt if @flags say so. */
static void wake(struct fixture *f, int64_t at, int by, int flags)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by, .flags = (uint8_t)flags};

	ev.wake.pid = X;
	ev.wake.comm = comm(f, X);
	ev.wake.prio = f->prio;
	push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	push(f, &ev, at);
}

static void born(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP_NEW};

	ev.wake.pid = X;
	ev.wake.comm = "sh";
	push(f, &ev, at);
}

static void died(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_EXIT, .pid = X};

	ev.process.pid = X;
	push(f, &ev, at);
}

static void setup_timer(struct fixture *f, int64_t at, uint64_t timer, int clock, int mode)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_SETUP, .pid = X};

	ev.timer.timer = timer;
	ev.timer.clock = clock;
	ev.timer.mode = mode;
	push(f, &ev, at);
}

static void arm_raw(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int mode,
	int64_t expires, int flags)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = X, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	ev.timer.fn = fn;
	ev.timer.mode = mode;
	ev.timer.softexpires = expires;
	ev.timer.expires = expires + f->slack_us * US;
	push(f, &ev, at);
}

static void arm(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int64_t until)
{
	arm_raw(f, at, timer, fn, 0, until * US, 0);
}

static void sleep_until(struct fixture *f, int64_t at, int64_t until)
{
	arm(f, at, T2, VMRT_FN_WAKEUP, until);
	sw(f, at, X, 1, 0);
}

static void sleep_for(struct fixture *f, int64_t at, int64_t until)
{
	arm_raw(f, at, T2, VMRT_FN_WAKEUP, VMRT_TIMER_REL, until * US, 0);
	sw(f, at, X, 1, 0);
}

static void cancel(struct fixture *f, int64_t at, int on, int flags, uint64_t timer)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_CANCEL, .pid = on, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	push(f, &ev, at);
}

static void expire_only(
	struct fixture *f, int64_t at, int on, int flags, uint64_t timer, enum vmrt_timer_fn fn)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_EXPIRE, .pid = on, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	ev.timer.fn = fn;
	ev.timer.now = at * US;
	push(f, &ev, at);
}

static void expire(struct fixture *f, int64_t at, int on, uint64_t timer, enum vmrt_timer_fn fn)
{
	if (cancels_first)
		cancel(f, at, on, HARD, timer);
	expire_only(f, at, on, HARD, timer, fn);
}

/* The timer expires on the idle CPU at @at, and X runs 50 us later. */
static void wakes(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn)
{
	expire(f, at, 0, timer, fn);
	wake(f, at, 0, HARD);
	sw(f, at + 50, 0, 0, X);
}

static void wheel(struct fixture *f, int64_t at, enum vmrt_event_type type, int pid, int flags,
	enum vmrt_timer_fn fn, uint64_t now, uint64_t expires)
{
	struct vmrt_event ev = {.type = type, .pid = pid, .flags = (uint8_t)flags};

	ev.wheel.timer = T1;
	ev.wheel.fn = fn;
	ev.wheel.now = now;
	ev.wheel.expires = expires;
	push(f, &ev, at);
}

static void runs_from_the_beginning(struct fixture *f)
{
	born(f, 0);
	sw(f, 1 * MS, 0, 0, X);
}

static const struct vmrt_job *job(const struct fixture *f, size_t i)
{
	assert_true(i < f->n);
	return &f->jobs[i];
}

#define assert_us(ns, us) assert_int_equal(ns, (int64_t)(us)*US)

static void a_job_of_a_periodic_timer_ends_with_the_sleep_before_its_next_expiry(void **state)
{
	static const struct {
		enum vmrt_timer_fn fn;
		enum vmrt_release release;
	} kinds[] = {{VMRT_FN_TIMERFD, VMRT_RELEASE_TIMERFD}, {VMRT_FN_ITIMER, VMRT_RELEASE_ITIMER},
		{VMRT_FN_POSIX, VMRT_RELEASE_POSIX}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static struct fixture f;
		enum vmrt_timer_fn fn = kinds[i].fn;
		int64_t period;

		begin(&f, "period = 10ms\n");
		runs_from_the_beginning(&f);
		arm(&f, 2 * MS, T1, fn, 10 * MS);
		sw(&f, 3 * MS, X, 1, 0);
		for (int k = 0; k < 5; k++) {
			int64_t at = (k + 1) * 10 * MS;

			wakes(&f, at + 20, T1, fn);
			arm(&f, at + 80, T1, fn, at + 10 * MS);
			sw(&f, at + 3 * MS, X, 1, 0);
		}
		assert_int_equal(end(&f, 55 * MS, &period), kinds[i].release);
		assert_us(period, 10 * MS);
		assert_int_equal(f.n, 5);
		for (int k = 0; k < 4; k++) {
			const struct vmrt_job *j = job(&f, (size_t)k);
			int64_t at = (k + 1) * 10 * MS;

			assert_int_equal(j->k, k);
			assert_us(j->arrival_ns, at);
			assert_us(j->release_ns, at + 20);
			assert_us(j->start_ns, at + 70);
			assert_us(j->end_ns, at + 3 * MS);
			assert_us(j->exec_ns, 3 * MS - 70);
			/* it is not known before the first expiry that the task waits for it */
			assert_us(j->blame_ns[VMRT_BLAME_UNKNOWN], k ? 0 : 20);
			assert_us(j->blame_ns[VMRT_BLAME_RELEASE], k ? 70 : 50);
			assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
			assert_int_equal(j->skipped, 0);
		}
		/* asleep when the recording ends: whether within its job, nobody can tell */
		assert_int_equal(job(&f, 4)->outcome, VMRT_OUTCOME_TRUNCATED);
		assert_true(job(&f, 4)->end_ns == VMRT_UNKNOWN);
	}
}

static void expiries_consumed_together_are_one_job_and_skipped_ones(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin(&f, "period = 10ms\nrelease = timerfd\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	/* works until 33 ms: the expiry at 20 ms wakes nobody, that at 30 ms does not happen */
	expire(&f, 20 * MS, X, T1, VMRT_FN_TIMERFD);
	arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	sw(&f, 35 * MS, X, 1, 0);
	wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 40 * MS + 60, T1, VMRT_FN_TIMERFD, 50 * MS);
	sw(&f, 41 * MS, X, 1, 0);
	wakes(&f, 50 * MS, T1, VMRT_FN_TIMERFD);
	end(&f, 51 * MS, NULL);
	assert_int_equal(f.n, 4);
	j = job(&f, 0);
	assert_us(j->response_ns, 23 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MISSED);
	j = job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->release_ns, 20 * MS);
	assert_us(j->start_ns, 33 * MS);
	assert_us(j->response_ns, 15 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_INTERFERENCE], 13 * MS); /* the job before it */
	assert_us(j->exec_ns, 2 * MS);
	assert_int_equal(j->k, 1);
	j = job(&f, 2);
	assert_us(j->arrival_ns, 40 * MS);
	assert_int_equal(j->skipped, 1); /* that of 30 ms */
	assert_int_equal(j->k, 3);
	assert_us(j->response_ns, 1 * MS);
}

static void a_sleep_within_a_job_does_not_end_it(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	sleep_for(&f, 11 * MS, 12 * MS); /* usleep */
	wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	sw(&f, 13 * MS, X, 1, Y); /* a mutex, whose owner gives it up */
	wake(&f, 14 * MS, Y, 0);
	sw(&f, 14 * MS, Y, 1, X);
	sw(&f, 15 * MS, X, 2, 0); /* a disk */
	wake(&f, 16 * MS, 0, SOFT);
	sw(&f, 16 * MS, 0, 0, X);
	sw(&f, 17 * MS, X, 1, 0);
	wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	end(&f, 21 * MS, NULL);
	j = job(&f, 0);
	assert_us(j->end_ns, 17 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_BLOCKING], 3 * MS);
	assert_us(
		j->blame_ns[VMRT_BLAME_RELEASE], 100); /* twice woken on an idle CPU, 50 us each */
	assert_us(j->exec_ns, 4 * MS - 100);
}

static void a_thread_whose_switch_out_was_not_recorded_and_that_nothing_woke_was_preempted(
	void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\nrelease = posix\n");
	runs_from_the_beginning(&f);
	arm(&f, 1 * MS, T1, VMRT_FN_POSIX, 10 * MS);
	sw(&f, 2 * MS, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_POSIX);
	arm(&f, 10 * MS + 90, T1, VMRT_FN_POSIX, 20 * MS);
	/* the switch to Y, in between, is missing */
	expire(&f, 20 * MS, Y, T1, VMRT_FN_POSIX);
	sw(&f, 22 * MS, Y, 1, X);
	arm(&f, 23 * MS, T1, VMRT_FN_POSIX, 30 * MS);
	sw(&f, 24 * MS, X, 1, 0);
	wakes(&f, 30 * MS, T1, VMRT_FN_POSIX);
	end(&f, 31 * MS, NULL);
	/* so it was at work up to 23 ms */
	assert_us(job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(job(&f, 0)->end_ns, 23 * MS);
	assert_true(job(&f, 0)->inferred);
	assert_us(job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(job(&f, 1)->start_ns, 23 * MS);
	assert_us(job(&f, 1)->end_ns, 24 * MS);
}

static void a_job_whose_thread_was_woken_on_a_cpu_that_is_not_recorded_is_unknown(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP, .pid = 0, .flags = HARD};

	(void)state;
	begin(&f, "period = 10ms\ndeadline = 10ms\nrelease = nanosleep\n");
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 10 * MS);
	expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	ev.wake.pid = X;
	ev.wake.comm = "x";
	ev.wake.prio = FIFO;
	ev.wake.target_cpu = 1;
	push(&f, &ev, 10 * MS + 10);
	/* it may have ended there, and several more */
	sw(&f, 50 * MS, 0, 0, X);
	sleep_until(&f, 51 * MS, 60 * MS);
	expire(&f, 60 * MS, 0, T2, VMRT_FN_WAKEUP);
	wake(&f, 60 * MS + 10, 0, HARD);
	sw(&f, 60 * MS + 50, 0, 0, X);
	sleep_until(&f, 61 * MS, 70 * MS);
	end(&f, 62 * MS, NULL);
	assert_us(job(&f, 0)->arrival_ns, 10 * MS);
	assert_int_equal(job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(job(&f, f.n - 1)->arrival_ns, 60 * MS);
	assert_int_equal(job(&f, f.n - 1)->outcome, VMRT_OUTCOME_MET);
}

static void a_job_that_began_before_the_recording_gives_the_grid_away(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\nrelease = posix\n");
	sw(&f, 1 * MS, X, 1, 0); /* it is there already, and its timer is armed */
	wakes(&f, 10 * MS + 30, T1, VMRT_FN_POSIX);
	arm(&f, 10 * MS + 90, T1, VMRT_FN_POSIX, 20 * MS);
	sw(&f, 12 * MS, X, 1, 0);
	wakes(&f, 20 * MS, T1, VMRT_FN_POSIX);
	end(&f, 21 * MS, NULL);
	assert_int_equal(job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_us(job(&f, 1)->arrival_ns, 10 * MS);
	assert_us(job(&f, 1)->release_ns, 10 * MS + 30);
	assert_us(job(&f, 1)->response_ns, 2 * MS);
	assert_int_equal(job(&f, 1)->k, 1);
}

static void a_timer_set_anew_to_the_past_ends_the_job_at_once(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	/* not periodic: the thread sets it again when its job is done */
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 2 * MS + 5, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 13 * MS, T1, VMRT_FN_TIMERFD, 20 * MS);
	sw(&f, 13 * MS + 5, X, 1, 0);
	wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	expire(&f, 33 * MS + 2, X, T1, VMRT_FN_TIMERFD);
	arm(&f, 35 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	sw(&f, 35 * MS + 5, X, 1, 0);
	wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	end(&f, 41 * MS, NULL);
	assert_us(job(&f, 0)->response_ns, 3 * MS + 5);
	assert_us(job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(job(&f, 1)->end_ns, 33 * MS);
	assert_us(job(&f, 2)->arrival_ns, 30 * MS);
	assert_us(job(&f, 2)->response_ns, 5 * MS + 5);
	assert_us(job(&f, 3)->arrival_ns, 40 * MS);
	assert_int_equal(job(&f, 3)->skipped, 0);
}

static void an_absolute_sleep_before_a_periodic_timer_only_begins_on_the_grid(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 5 * MS);
	wakes(&f, 5 * MS, T2, VMRT_FN_WAKEUP);
	arm(&f, 5 * MS + 100, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 5 * MS + 110, X, 1, 0);
	for (int at = 10 * MS; at <= 40 * MS; at += 10 * MS) {
		wakes(&f, at, T1, VMRT_FN_TIMERFD);
		arm(&f, at + 60, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		sw(&f, at + MS, X, 1, 0);
	}
	assert_int_equal(end(&f, 45 * MS, NULL), VMRT_RELEASE_TIMERFD);
	/* the first job is given up to be sure, the last one is not known to have ended */
	assert_int_equal(f.n, 4);
	assert_int_equal(job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_us(job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(job(&f, 1)->response_ns, 1 * MS);
	assert_us(job(&f, 2)->arrival_ns, 30 * MS);
	assert_int_equal(job(&f, 3)->outcome, VMRT_OUTCOME_TRUNCATED);
}

static void a_watchdog_timer_is_no_release_of_a_task_that_sleeps_absolutely(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 10 * MS);
	for (int at = 10 * MS; at <= 30 * MS; at += 10 * MS) {
		wakes(&f, at, T2, VMRT_FN_WAKEUP);
		arm(&f, at + 100, T1, VMRT_FN_TIMERFD, at + MS);
		sw(&f, at + 200, X, 1, 0);
		wakes(&f, at + MS, T1, VMRT_FN_TIMERFD);
		sleep_until(&f, at + 2 * MS, at + 10 * MS);
	}
	assert_int_equal(end(&f, 35 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_us(job(&f, i)->response_ns, 2 * MS);
		assert_us(job(&f, i)->blame_ns[VMRT_BLAME_BLOCKING], 800);
	}
}

static void relative_sleeps_are_releases_where_that_is_declared(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\nrelease = relative\n");
	runs_from_the_beginning(&f);
	sleep_for(&f, 2 * MS, 12 * MS);
	wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	sleep_for(&f, 32 * MS,
		42 * MS); /* 20 ms late: nothing is skipped, the next one is due later */
	wakes(&f, 42 * MS, T2, VMRT_FN_WAKEUP);
	sleep_for(&f, 43 * MS, 53 * MS);
	end(&f, 45 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(job(&f, 0)->response_ns, 20 * MS);
	assert_us(job(&f, 1)->arrival_ns, 42 * MS);
	assert_int_equal(job(&f, 1)->skipped, 0);
	assert_us(job(&f, 1)->response_ns, 1 * MS);
}

static void relative_sleeps_at_the_declared_distance_are_found_to_be_releases(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	for (int at = 2 * MS; at < 72 * MS; at += 11 * MS) {
		sleep_for(&f, at, at + 10 * MS);
		wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_int_equal(end(&f, 79 * MS + 50, NULL), VMRT_RELEASE_RELATIVE);
	assert_int_equal(f.n, 7);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(job(&f, i)->k, (int)i);
		assert_us(job(&f, i)->arrival_ns, 12 * MS + (int)i * 11 * MS);
		assert_us(job(&f, i)->response_ns, 1 * MS);
		assert_int_equal(job(&f, i)->outcome, VMRT_OUTCOME_MET);
	}
}

static void relative_sleeps_within_jobs_that_sleep_absolutely_are_no_releases(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	for (int i = 0; i < 3; i++) { /* getting ready */
		sleep_for(&f, (2 + i) * MS, (2 + i) * MS + 500);
		wakes(&f, (2 + i) * MS + 500, T2, VMRT_FN_WAKEUP);
	}
	sleep_until(&f, 6 * MS, 10 * MS);
	wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	sleep_for(&f, 11 * MS, 12 * MS);
	wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	sleep_until(&f, 13 * MS, 20 * MS);
	assert_int_equal(end(&f, 15 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 1);
	assert_int_equal(job(&f, 0)->k, 0);
	assert_us(job(&f, 0)->response_ns, 3 * MS);
	assert_us(job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 1 * MS);
}

static void the_softer_expiry_of_an_ordinary_thread_is_its_arrival(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	f.slack_us = 50;
	f.prio = FAIR;
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 10 * MS);
	wakes(&f, 10 * MS + 50, T2, VMRT_FN_WAKEUP);
	sleep_until(&f, 11 * MS, 20 * MS);
	end(&f, 15 * MS, NULL);
	assert_us(job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(job(&f, 0)->response_ns, 1 * MS);
}

static void sleep_on_wall_clock(struct fixture *f, int64_t at, int64_t until, int64_t lead)
{
	setup_timer(f, at, T2, 0, 0);
	arm_raw(f, at, T2, VMRT_FN_WAKEUP, 0, until * US + lead, 0);
	sw(f, at, X, 1, 0);
}

static void wall_clock_wakes(struct fixture *f, int64_t at, int64_t lead)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_EXPIRE, .flags = HARD};

	/* the kernel looked at the clock 2 us before it wrote the record */
	ev.timer.timer = T2;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.now = (at - 2) * US + lead;
	push(f, &ev, at);
	wake(f, at, 0, HARD);
	sw(f, at + 50, 0, 0, X);
}

static void arrivals_on_the_wall_clock_are_found_from_its_expiries_also_across_a_step(void **state)
{
	static struct fixture f;
	int64_t lead = LEAD;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	sleep_on_wall_clock(&f, 2 * MS, 10 * MS, lead);
	wall_clock_wakes(&f, 10 * MS + 12, lead);
	sleep_on_wall_clock(&f, 13 * MS, 20 * MS, lead);
	wall_clock_wakes(&f, 20 * MS + 5, lead);
	/* set back by 3 ms: 30 ms on the clock that was are 33 ms now */
	lead -= 3 * MS * US;
	sleep_on_wall_clock(&f, 23 * MS, 33 * MS, lead);
	wall_clock_wakes(&f, 33 * MS + 2, lead);
	sleep_on_wall_clock(&f, 34 * MS, 43 * MS, lead);
	end(&f, 36 * MS, NULL);
	assert_int_equal(f.n, 3);
	/* the lead is known but for the 2 us, so the arrivals are so much late */
	assert_us(job(&f, 0)->arrival_ns, 10 * MS + 2);
	assert_us(job(&f, 0)->release_ns, 10 * MS + 12);
	assert_us(job(&f, 0)->response_ns, 3 * MS - 2);
	assert_us(job(&f, 1)->arrival_ns, 20 * MS + 2);
	assert_us(job(&f, 1)->response_ns, 3 * MS - 2);
	assert_us(job(&f, 2)->arrival_ns, 33 * MS + 2);
	assert_us(job(&f, 2)->response_ns, 1 * MS - 2);
}

static void a_resch_job_ends_with_its_release_timer_and_sleep_in_state_d(void **state)
{
	static struct fixture f;

	(void)state;
	/* ticks of 4 ms; tick 1000 is at 0 */
	begin(&f, "period = 20ms\nrelease = auto\n");
	runs_from_the_beginning(&f);
	/* two expiries 60 ticks apart tell the tick's length */
	wheel(&f, 4 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_OTHER, 1001, 0);
	wheel(&f, 244 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_OTHER, 1061, 0);
	wheel(&f, 245 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1061, 1065);
	sw(&f, 245 * MS + 5, X, 2, 0);
	wheel(&f, 260 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1065, 0);
	wake(&f, 260 * MS, 0, SOFT);
	sw(&f, 260 * MS + 50, 0, 0, X);
	/* HSF takes the CPU from it for 4 ms */
	wheel(&f, 264 * MS, VMRT_EV_WHEEL_EXPIRE, X, SOFT, VMRT_FN_RESCH_SERVER, 1066, 0);
	sw(&f, 264 * MS, X, 2, 0);
	wake(&f, 268 * MS, 0, SOFT);
	sw(&f, 268 * MS, 0, 0, X);
	wheel(&f, 270 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1067, 1070);
	sw(&f, 270 * MS + 5, X, 2, 0);
	wheel(&f, 280 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1070, 0);
	wake(&f, 280 * MS, 0, SOFT);
	sw(&f, 280 * MS, 0, 0, X);
	/* it misses: RESCH counts the period from now, tick 1080, on */
	wheel(&f, 320 * MS + 100, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1080, 1085);
	sw(&f, 320 * MS + 105, X, 2, 0);
	wheel(&f, 340 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1085, 0);
	wake(&f, 340 * MS, 0, SOFT);
	sw(&f, 340 * MS, 0, 0, X);
	/* HSF's timer is about another thread: X waits for something by itself, 2 ms later */
	wheel(&f, 341 * MS, VMRT_EV_WHEEL_EXPIRE, X, SOFT, VMRT_FN_RESCH_SERVER, 1085, 0);
	sw(&f, 343 * MS, X, 2, 0);
	wake(&f, 344 * MS, 0, SOFT);
	sw(&f, 344 * MS, 0, 0, X);
	wheel(&f, 345 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1086, 1090);
	sw(&f, 345 * MS, X, 2, 0);
	assert_int_equal(end(&f, 346 * MS, NULL), VMRT_RELEASE_RESCH);
	assert_int_equal(f.n, 3);
	assert_us(job(&f, 0)->arrival_ns, 260 * MS);
	assert_us(job(&f, 0)->end_ns, 270 * MS);
	assert_us(job(&f, 0)->blame_ns[VMRT_BLAME_BUDGET], 4 * MS);
	assert_us(job(&f, 0)->exec_ns, 6 * MS - 50);
	assert_us(job(&f, 1)->arrival_ns, 280 * MS);
	assert_int_equal(job(&f, 1)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(job(&f, 2)->arrival_ns, 340 * MS);
	/* 60 ms are three periods, but the grid began anew */
	assert_int_equal(job(&f, 2)->skipped, 0);
	assert_us(job(&f, 2)->response_ns, 5 * MS);
	assert_us(job(&f, 2)->blame_ns[VMRT_BLAME_BLOCKING], 1 * MS);
	assert_us(job(&f, 2)->blame_ns[VMRT_BLAME_BUDGET], 0);
}

static void a_deadline_task_yields_until_its_reservation_is_replenished(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	f.prio = DL;
	runs_from_the_beginning(&f);
	f.depth = 2;
	arm_raw(&f, 2 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 10 * MS * US, 0);
	sw(&f, 2 * MS + 3, X, 0, Y);
	expire(&f, 10 * MS, Y, T1, VMRT_FN_DEADLINE);
	sw(&f, 10 * MS + 20, Y, 0, X);
	/* its runtime is used up: the scheduler itself arms the timer */
	f.depth = 3;
	arm_raw(&f, 15 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 20 * MS * US, 0);
	sw(&f, 15 * MS + 3, X, 0, Y);
	expire(&f, 20 * MS, Y, T1, VMRT_FN_DEADLINE);
	sw(&f, 20 * MS, Y, 0, X);
	f.depth = 2;
	arm_raw(&f, 22 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 30 * MS * US, 0);
	sw(&f, 22 * MS + 3, X, 0, 0);
	expire(&f, 30 * MS, 0, T1, VMRT_FN_DEADLINE);
	sw(&f, 30 * MS, 0, 0, X);
	arm_raw(&f, 31 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 40 * MS * US, 0);
	sw(&f, 31 * MS + 3, X, 0, 0);
	assert_int_equal(end(&f, 35 * MS, NULL), VMRT_RELEASE_DEADLINE);
	assert_int_equal(f.n, 2);
	assert_us(job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(job(&f, 0)->end_ns, 22 * MS);
	assert_us(job(&f, 0)->exec_ns, 7 * MS - 17);
	assert_us(job(&f, 0)->blame_ns[VMRT_BLAME_BUDGET], 5 * MS - 3);
	assert_int_equal(job(&f, 1)->skipped, 1);
	assert_us(job(&f, 1)->arrival_ns, 30 * MS);
	assert_us(job(&f, 1)->response_ns, 1 * MS);
}

/* A job from 10 to 20 ms, in the middle of which @what is done to the thread for 4 ms. */
static const struct vmrt_job *disturbed(struct fixture *f, int out_state, int next, int wakes_it)
{
	begin(f, "period = 20ms\n");
	runs_from_the_beginning(f);
	sleep_until(f, 2 * MS, 10 * MS);
	wakes(f, 10 * MS, T2, VMRT_FN_WAKEUP);
	sw(f, 12 * MS, X, out_state, next);
	if (wakes_it)
		wake(f, 16 * MS, next, 0);
	sw(f, 16 * MS, next, 0, X);
	sleep_until(f, 20 * MS, 30 * MS);
	end(f, 25 * MS, NULL);
	assert_int_equal(f->n, 1);
	assert_us(f->jobs[0].response_ns, 10 * MS);
	assert_us(f->jobs[0].exec_ns, 6 * MS - 50);
	return &f->jobs[0];
}

static void a_real_time_thread_that_leaves_for_an_ordinary_or_no_thread_is_throttled(void **state)
{
	static struct fixture f;

	(void)state;
	assert_us(disturbed(&f, 0, Y, 0)->blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
	assert_us(disturbed(&f, 0, 0, 0)->blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
}

static void a_stopped_thread_is_suspended_and_a_sleeping_one_blocks(void **state)
{
	static struct fixture f;

	(void)state;
	assert_us(disturbed(&f, 4, Y, 1)->blame_ns[VMRT_BLAME_BUDGET], 4 * MS);
	assert_us(disturbed(&f, 2, Y, 1)->blame_ns[VMRT_BLAME_BLOCKING], 4 * MS);
	assert_us(disturbed(&f, 1, 0, 1)->blame_ns[VMRT_BLAME_BLOCKING], 4 * MS);
}

static void without_a_deadline_no_job_is_met_or_missed_and_the_period_is_measured(void **state)
{
	static struct fixture f;
	int64_t period;

	(void)state;
	begin(&f, "");
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 10 * MS);
	for (int k = 1; k <= 6; k++) {
		wakes(&f, k * 10 * MS, T2, VMRT_FN_WAKEUP);
		/* the fifth job is so long that a release is skipped */
		if (k == 5)
			break;
		sleep_until(&f, k * 10 * MS + 1 * MS, (k + 1) * 10 * MS);
	}
	sleep_until(&f, 65 * MS, 70 * MS);
	wakes(&f, 70 * MS, T2, VMRT_FN_WAKEUP);
	sleep_until(&f, 71 * MS, 80 * MS);
	end(&f, 72 * MS, &period);
	assert_us(period, 10 * MS);
	assert_int_equal(f.n, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(job(&f, i)->outcome, VMRT_OUTCOME_UNKNOWN);
		assert_true(job(&f, i)->deadline_ns == VMRT_UNKNOWN);
		assert_us(job(&f, i)->response_ns, i == 4 ? 15 * MS : 1 * MS);
	}
	assert_int_equal(job(&f, 5)->skipped, 1);
	assert_int_equal(job(&f, 5)->k, 6);
}

static void a_thread_that_is_renamed_is_a_task_only_while_it_has_the_name(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	f.name = "starter";
	runs_from_the_beginning(&f);
	sleep_until(&f, 2 * MS, 3 * MS);
	wakes(&f, 3 * MS, T2, VMRT_FN_WAKEUP);
	f.name = "x";
	sleep_until(&f, 4 * MS, 10 * MS);
	wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	sleep_until(&f, 11 * MS, 20 * MS);
	wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	f.name = "other";
	sw(&f, 21 * MS, X, 1, 0);
	wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	sleep_until(&f, 31 * MS, 40 * MS);
	end(&f, 60 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(job(&f, 0)->response_ns, 1 * MS);
	assert_int_equal(job(&f, 1)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(job(&f, 1)->arrival_ns, 20 * MS);
	assert_true(job(&f, 1)->end_ns == VMRT_UNKNOWN);
}

static void a_thread_id_that_is_used_again_begins_anew(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	for (int64_t at = 0; at < 100 * MS; at += 50 * MS) {
		f.name = "x";
		born(&f, at);
		sw(&f, at + 1 * MS, 0, 0, X);
		sleep_until(&f, at + 2 * MS, at + 10 * MS);
		wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
		died(&f, at + 12 * MS);
		sw(&f, at + 12 * MS, X, 16, 0);
	}
	end(&f, 99 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(job(&f, 0)->response_ns, 2 * MS);
	assert_us(job(&f, 1)->response_ns, 2 * MS);
	assert_int_equal(job(&f, 1)->k, 1);
	assert_int_equal(job(&f, 1)->skipped, 0);
	assert_true(job(&f, 0)->thread != job(&f, 1)->thread);
}

static void a_timers_task_that_is_killed_in_its_sleep_leaves_its_last_job_open(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	sw(&f, 11 * MS, X, 1, 0);
	wake(&f, 18 * MS, Y, 0);
	sw(&f, 18 * MS, 0, 0, X);
	died(&f, 18 * MS + 100);
	end(&f, 30 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_true(job(&f, 0)->end_ns == VMRT_UNKNOWN);
}

/*
 * X waits for T1, every 10 ms. At 16 ms an interrupt cancels T1 and X arms T2 instead, whose expiry
 * at 25 ms is its next release: a timer that is cancelled is not waited for.
 */
static void a_timer_that_an_interrupt_cancels_does_not_expire(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\nrelease = timerfd\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	cancel(&f, 16 * MS, X, HARD, T1);
	expire(&f, 16 * MS, X, 0xf3000, VMRT_FN_TICK);
	arm(&f, 17 * MS, T2, VMRT_FN_TIMERFD, 25 * MS);
	sw(&f, 18 * MS, X, 1, 0);
	wakes(&f, 25 * MS, T2, VMRT_FN_TIMERFD);
	arm(&f, 25 * MS + 60, T2, VMRT_FN_TIMERFD, 35 * MS);
	sw(&f, 26 * MS, X, 1, 0);
	wakes(&f, 35 * MS, T2, VMRT_FN_TIMERFD);
	end(&f, 36 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(job(&f, 0)->end_ns, 18 * MS);
	assert_us(job(&f, 1)->arrival_ns, 25 * MS);
	assert_us(job(&f, 1)->release_ns, 25 * MS);
	assert_us(job(&f, 1)->end_ns, 26 * MS);
}

/* Behind the cancel that belongs to an expiry in a softirq another timer's interrupt may come. */
static void an_interrupt_may_come_between_the_two_reports_of_an_expiry(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\nrelease = timerfd\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	for (int k = 1; k < 4; k++) {
		int64_t at = k * 10 * MS;

		cancel(&f, at + 5, 0, SOFT, T1);
		cancel(&f, at + 6, 0, SOFT | HARD, 0xf3000);
		expire_only(&f, at + 7, 0, SOFT | HARD, 0xf3000, VMRT_FN_TICK);
		expire_only(&f, at + 8, 0, SOFT, T1, VMRT_FN_TIMERFD);
		wake(&f, at + 9, 0, SOFT);
		sw(&f, at + 50, 0, 0, X);
		arm(&f, at + 60, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		sw(&f, at + 2 * MS, X, 1, 0);
	}
	end(&f, 35 * MS, NULL);
	assert_int_equal(f.n, 3);
	for (size_t k = 0; k < 2; k++) {
		assert_us(job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
		assert_us(job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 8);
		assert_us(job(&f, k)->end_ns, ((int64_t)k + 1) * 10 * MS + 2 * MS);
	}
}

/*
 * PREEMPT_RT before 5.12: Y is the kernel thread that expires soft timers, and its records bear no
 * flag of a softirq. In the second of three periods an interrupt of another thread takes the CPU
 * between the cancel and the expiry, in the third one between the expiry and the wake-up.
 */
static void a_kernel_thread_without_flags_may_expire_the_timers(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n");
	runs_from_the_beginning(&f);
	arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	sw(&f, 3 * MS, X, 1, 0);
	for (int k = 1; k < 5; k++) {
		int64_t at = k * 10 * MS;

		sw(&f, at + 10, 0, 0, Y);
		if (cancels_first)
			cancel(&f, at + 12, Y, 0, T1);
		if (k == 2) {
			sw(&f, at + 13, Y, 0, 7);
			sw(&f, at + 14, 7, 1, Y);
		}
		expire_only(&f, at + 15, Y, 0, T1, VMRT_FN_TIMERFD);
		if (k == 3) {
			sw(&f, at + 16, Y, 0, 7);
			sw(&f, at + 17, 7, 1, Y);
		}
		wake(&f, at + 18, Y, 0);
		sw(&f, at + 20, Y, 1, X);
		arm(&f, at + 30, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		sw(&f, at + 2 * MS, X, 1, 0);
	}
	assert_int_equal(end(&f, 45 * MS, NULL), VMRT_RELEASE_TIMERFD);
	assert_int_equal(f.n, 4);
	for (size_t k = 0; k < 3; k++) {
		assert_us(job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
		assert_us(job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 15);
		assert_us(job(&f, k)->end_ns, ((int64_t)k + 1) * 10 * MS + 2 * MS);
		assert_int_equal(job(&f, k)->outcome, VMRT_OUTCOME_MET);
	}
}

/* CLOCK_TAI leads the monotonic clock, too; its number was once taken for that of the ticks. */
static void sleeps_on_any_clock_are_releases(void **state)
{
	static const int clocks[] = {0 /* REALTIME */, 7 /* BOOTTIME */, 11 /* TAI */};

	(void)state;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		static struct fixture f;
		int64_t lead = INT64_C(37) * VMRT_NS_PER_S;

		begin(&f, "period = 10ms\n");
		runs_from_the_beginning(&f);
		for (int k = 1; k < 6; k++) {
			int64_t at = k * 10 * MS;
			struct vmrt_event ev = {
				.type = VMRT_EV_TIMER_EXPIRE, .pid = 0, .flags = HARD};

			setup_timer(&f, at - 8 * MS, T2, clocks[i], 0);
			arm_raw(&f, at - 8 * MS, T2, VMRT_FN_WAKEUP, 0, at * US + lead, 0);
			sw(&f, at - 8 * MS, X, 1, 0);
			if (cancels_first)
				cancel(&f, at + 1, 0, HARD, T2);
			ev.timer.timer = T2;
			ev.timer.fn = VMRT_FN_WAKEUP;
			ev.timer.now = (at + 1) * US + lead;
			push(&f, &ev, at + 1);
			wake(&f, at + 2, 0, HARD);
			sw(&f, at + 50, 0, 0, X);
		}
		assert_int_equal(end(&f, 55 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
		assert_int_equal(f.n, 5);
		for (size_t k = 0; k < 4; k++) {
			assert_us(job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
			assert_us(job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 1);
			assert_int_equal(job(&f, k)->outcome, VMRT_OUTCOME_MET);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_job_of_a_periodic_timer_ends_with_the_sleep_before_its_next_expiry),
		cmocka_unit_test(expiries_consumed_together_are_one_job_and_skipped_ones),
		cmocka_unit_test(a_sleep_within_a_job_does_not_end_it),
		cmocka_unit_test(
			a_thread_whose_switch_out_was_not_recorded_and_that_nothing_woke_was_preempted),
		cmocka_unit_test(
			a_job_whose_thread_was_woken_on_a_cpu_that_is_not_recorded_is_unknown),
		cmocka_unit_test(a_job_that_began_before_the_recording_gives_the_grid_away),
		cmocka_unit_test(a_timer_set_anew_to_the_past_ends_the_job_at_once),
		cmocka_unit_test(an_absolute_sleep_before_a_periodic_timer_only_begins_on_the_grid),
		cmocka_unit_test(a_watchdog_timer_is_no_release_of_a_task_that_sleeps_absolutely),
		cmocka_unit_test(relative_sleeps_are_releases_where_that_is_declared),
		cmocka_unit_test(relative_sleeps_at_the_declared_distance_are_found_to_be_releases),
		cmocka_unit_test(relative_sleeps_within_jobs_that_sleep_absolutely_are_no_releases),
		cmocka_unit_test(the_softer_expiry_of_an_ordinary_thread_is_its_arrival),
		cmocka_unit_test(
			arrivals_on_the_wall_clock_are_found_from_its_expiries_also_across_a_step),
		cmocka_unit_test(a_resch_job_ends_with_its_release_timer_and_sleep_in_state_d),
		cmocka_unit_test(a_deadline_task_yields_until_its_reservation_is_replenished),
		cmocka_unit_test(
			a_real_time_thread_that_leaves_for_an_ordinary_or_no_thread_is_throttled),
		cmocka_unit_test(a_stopped_thread_is_suspended_and_a_sleeping_one_blocks),
		cmocka_unit_test(
			without_a_deadline_no_job_is_met_or_missed_and_the_period_is_measured),
		cmocka_unit_test(a_thread_that_is_renamed_is_a_task_only_while_it_has_the_name),
		cmocka_unit_test(a_thread_id_that_is_used_again_begins_anew),
		cmocka_unit_test(
			a_timers_task_that_is_killed_in_its_sleep_leaves_its_last_job_open),
		cmocka_unit_test(a_timer_that_an_interrupt_cancels_does_not_expire),
		cmocka_unit_test(an_interrupt_may_come_between_the_two_reports_of_an_expiry),
		cmocka_unit_test(a_kernel_thread_without_flags_may_expire_the_timers),
		cmocka_unit_test(sleeps_on_any_clock_are_releases),
	};
	int failed = cmocka_run_group_tests_name("kernels that report expiries", tests, NULL, NULL);

	cancels_first = true;
	return failed +
	       cmocka_run_group_tests_name(
		       "kernels that report each expiry as cancelled first", tests, NULL, NULL);
}

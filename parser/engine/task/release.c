/* SPDX-License-Identifier: MIT */
/*
 * What releases a task's jobs: events of its threads go to the mechanism that each waits by, or to
 * all of them while that is not known.
 *
 * A mechanism is declared or found out (release_decide() is called with the first proof). A new one
 * is a file with a struct mechanism (mechanism.h) and a row in VMRT_RELEASE_LIST; if it can be
 * found out from a recording, it stands in the table of those that are asked, too.
 */
#include "parser/engine/task/mechanism.h"

#include <stdlib.h>

/* A server's timer that puts a thread to sleep is followed by its switch so soon, in time in which
 * the CPU runs. */
#define SUSPENDS_WITHIN_NS VMRT_NS_PER_MS
#define IN_INTERRUPT (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)

const struct mechanism mechanism_auto = {.release = VMRT_RELEASE_AUTO};

static const struct mechanism *const mechanisms[] = {
#define X(name, word) [VMRT_RELEASE_##name] = &mechanism_##word,
	VMRT_RELEASE_LIST(X)
#undef X
};

/* In the order in which they are asked about a thread of which nothing is known. One of the timers
 * that go on by themselves asks for all three. */
static const struct mechanism *const asked[] = {&mechanism_timerfd, &mechanism_deadline,
	&mechanism_resch, &mechanism_nanosleep, &mechanism_relative, &mechanism_wakeup};

#define N_ASKED (sizeof(asked) / sizeof(asked[0]))

/* The row of the table; of what is not known yet, one without operations. */
const struct mechanism *mechanism_of(enum vmrt_release release)
{
	return mechanisms[release];
}

void release_init(struct jobs *j)
{
	const enum vmrt_release *waits = j->machine->engine->config->waits;

	j->rel.mechanism = j->spec->release;
	if (j->rel.mechanism == VMRT_RELEASE_AUTO && waits)
		j->rel.mechanism = waits[j->task];
	/* as an earlier thread of the task did */
	if (j->rel.mechanism == VMRT_RELEASE_AUTO)
		j->rel.mechanism = j->machine->engine->found[j->task].mechanism;
	j->rel.period_ns = j->spec->period_ns;
	j->rel.sleep.clock = CLOCK_IS_MONOTONIC;
	j->rel.timer.next_ns = j->rel.timer.woke_ns = j->rel.mark.forgotten_ns = VMRT_UNKNOWN;
	j->rel.off_grid = mechanism_of(j->rel.mechanism)->off_grid;
	if (!j->rel.period_ns && !j->rel.off_grid)
		j->rel.period_ns = period_found(&j->machine->engine->found[j->task]);
	if (j->rel.mechanism != VMRT_RELEASE_AUTO)
		j->machine->engine->found[j->task].mechanism = j->rel.mechanism;
}

void release_free(struct jobs *j)
{
	free(j->rel.trial.held);
}

/* The thread waits in another way than its task does: what it does is no job. */
static void follow_task(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns)
{
	release_discard(j, host_ns);
	arrivals_forget(j);
	j->rel.mechanism = mechanism;
	j->rel.off_grid = mechanism == VMRT_RELEASE_WAKEUP;
	change_job_mark(j, host_ns, false, false);
	if (j->state != JOB_HEAD)
		change_job_state(j, host_ns, JOB_NONE);
}

void release_decide(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns)
{
	struct machine *m = j->machine;
	struct task_found *found = &m->engine->found[j->task];

	j->rel.mechanism = mechanism;
	if (mechanism_of(found->mechanism)->strength >= mechanism_of(mechanism)->strength)
		return;
	found->again |= found->mechanism != VMRT_RELEASE_AUTO;
	found->mechanism = mechanism;
	for (size_t i = 0; found->again && i < m->n_jobs; i++)
		if (m->jobs[i] != j && m->jobs[i]->task == j->task)
			follow_task(m->jobs[i], mechanism, host_ns);
}

/* What releases other threads of the task is stronger than @mechanism, as which this one looks. */
void release_follow_stronger(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns)
{
	enum vmrt_release found = j->machine->engine->found[j->task].mechanism;

	if (is_undecided(j) && !j->rel.sleep.absolute && !j->rel.timer.ptr &&
		mechanism_of(found)->strength > mechanism_of(mechanism)->strength)
		follow_task(j, found, host_ns);
}

/* May the thread turn out to wait by @mechanism? */
bool release_may_be(const struct jobs *j, enum vmrt_release mechanism)
{
	return j->rel.mechanism == mechanism || (is_undecided(j) && j->rel.sleep.absolute < 2);
}

/* The mechanism of @j, or number @i of all while that is not known; NULL: there are no more. */
static const struct mechanism *ask(const struct jobs *j, size_t i)
{
	if (is_undecided(j))
		return i < N_ASKED ? asked[i] : NULL;
	return i ? NULL : mechanism_of(j->rel.mechanism);
}

void release_timer_setup(struct machine *m, const struct vmrt_event *ev)
{
	int clock = ev->timer.clock;

	/* the kernel takes relative timers of the settable clock to the monotonic one */
	if (clock == CLOCK_IS_REALTIME && (ev->timer.mode & VMRT_TIMER_REL))
		clock = CLOCK_IS_MONOTONIC;
	if (!m->has_tasks)
		return;
	clocks_setup(m, ev->timer.timer, clock);
	clocks_note_mode(m, ev->timer.timer, ev->timer.mode);
}

static void armed(struct jobs *j, const struct armed *a)
{
	const struct mechanism *m;

	for (size_t i = 0; (m = ask(j, i)); i++)
		if (m->arm && m->arm(j, a))
			return;
}

static enum armed_kind kind_of(const struct vmrt_event *ev, int mode)
{
	bool wakes = ev->timer.fn == VMRT_FN_WAKEUP || ev->timer.fn == VMRT_FN_UNKNOWN;

	if (timers_kind(ev->timer.fn) != VMRT_RELEASE_AUTO)
		return ARMED_TIMER;
	if (ev->timer.fn == VMRT_FN_DEADLINE)
		return ARMED_DEADLINE;
	if (!wakes || (mode & VMRT_TIMER_PINNED))
		return ARMED_OTHER;
	return mode & VMRT_TIMER_REL ? ARMED_FOR : ARMED_UNTIL;
}

/* How late a sleep may end on purpose. */
static int64_t slack_of(const struct armed *a)
{
	int64_t ns;

	if ((a->kind != ARMED_UNTIL && a->kind != ARMED_FOR) ||
		__builtin_sub_overflow(a->ev->timer.expires, a->ev->timer.softexpires, &ns))
		return 0;
	return ns;
}

void release_timer_start(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, struct timer *timer)
{
	/* armed by the thread itself in a system call, not by an interrupt that came upon it */
	bool own = !(ev->flags & IN_INTERRUPT);
	struct armed a = {.ev = ev, .host_ns = host_ns, .kind = kind_of(ev, clocks_mode_of(m, ev))};
	struct thread *t;

	if (!own || !m->has_tasks || ev->pid <= 0)
		return;
	t = threads_find(m, ev->pid);
	if (!t && a.kind == ARMED_UNTIL)
		t = threads_get(m, ev->pid, NULL);
	if (!t)
		return;
	timer->owner = t;
	clocks_armed(m, ev);
	if (t->jobs) {
		if (a.kind == ARMED_FOR || a.kind == ARMED_UNTIL)
			trial_count(t->jobs, ev, a.kind == ARMED_FOR);
		sleep_otherwise(t->jobs, &a);
		t->jobs->rel.sleep.slack_ns = slack_of(&a);
		armed(t->jobs, &a);
	} else if (a.kind == ARMED_UNTIL) {
		t->armed_local_ns = ev->ts;
		t->armed_expires_ns = ev->timer.softexpires;
		t->armed_timer = ev->timer.timer;
		t->fired_local_ns = VMRT_UNKNOWN;
	}
}

/* @timer was cancelled (@gone), or this turns out to have been its expiry. */
void release_timer_gone(const struct timer *timer, bool gone)
{
	if (timer->owner && timer->owner->jobs && timer->owner->jobs->rel.timer.ptr == timer->ptr)
		timer->owner->jobs->rel.timer.gone = gone;
}

/* @ev says that @timer was cancelled, by whom ever. */
void release_timer_cancel(const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer)
{
	const struct thread *owner = timer->owner;

	release_timer_gone(timer, true);
	if (owner && owner->jobs && owner->pub.tid == ev->pid && !(ev->flags & IN_INTERRUPT))
		sleep_given_up(owner->jobs, timer->ptr, ev->ts, host_ns);
}

/*
 * Since when a timer may have been due that expires by @ev, at @host_ns: where its CPU has just
 * begun to run, since its vCPU thread began to wait.
 */
static int64_t due_from(const struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	const struct thread *v = m->index ? vcpu_of(m, ev->cpu) : NULL;
	const struct fired *f = &m->cpus[ev->cpu].fired[LEVEL_HARDIRQ];

	/* a kernel thread that expires timers may have waited for the CPU, too */
	if (interrupt_level(ev->flags) != LEVEL_HARDIRQ)
		return INT64_MIN;
	/* one interrupt expires all timers that are due, which may take long: this one may have
	 * been due as early as the one before it */
	if (f->ptr && f->pid == ev->pid && f->due_from_ns < f->host_ns &&
		cpus_ran(m, ev->cpu, host_ns) - f->ran_ns <= WAKE_NEAR_NS + m->error_ns)
		return f->due_from_ns;
	if (!v || v->state == THREAD_UNKNOWN || host_ns - v->start_ns > WAKE_NEAR_NS + m->error_ns)
		return host_ns;
	/* it was preempted within the interrupt that expires all timers that are due */
	if (v->ready_ns == v->last_out_ns && v->last_run_ns <= WAKE_NEAR_NS + m->error_ns)
		return INT64_MIN;
	/* who woke it, QEMU's main loop say, may have had to wait for longer than it did */
	return v->start_truncated || v->woken_by_thread ? INT64_MIN : v->ready_ns;
}

static void expired(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *fired)
{
	const struct mechanism *m;

	for (size_t i = 0; (m = ask(j, i)); i++)
		if (m->expire)
			m->expire(j, ev, host_ns, fired);
}

/* What is known of timer @ptr from the record of its expiry alone. */
static struct fired fired_now(const struct machine *m, const struct vmrt_event *ev, uint64_t ptr,
	enum vmrt_timer_fn fn, int64_t host_ns)
{
	return (struct fired){
		.ptr = ptr,
		.fn = fn,
		.arrival_ns = VMRT_UNKNOWN,
		.local_ns = ev->ts,
		.host_ns = host_ns,
		.due_from_ns = host_ns,
		.cpu = ev->cpu,
		.ran_ns = cpus_ran(m, ev->cpu, host_ns),
		/* PREEMPT_RT: records of such a thread may bear no flag of an interrupt */
		.thread = interrupt_level(ev->flags) ? 0 : ev->pid,
		.pid = ev->pid,
		.level = (uint8_t)interrupt_level(ev->flags),
	};
}

void release_timer_expire(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer)
{
	int clock = clocks_expiring(m, ev);
	struct fired fired = fired_now(m, ev, ev->timer.timer, ev->timer.fn, host_ns);
	struct jobs *j = timer && timer->owner ? timer->owner->jobs : NULL;

	if (clock != CLOCK_IS_MONOTONIC)
		clocks_expired(m, clock, ev->timer.now, ev->ts);
	if (timer) {
		int64_t late;

		fired.owner = timer->owner;
		/* how late it is, the timer's own clock shows best */
		if (clock == CLOCK_IS_MONOTONIC)
			fired.arrival_ns = timer->expires;
		else if (!__builtin_sub_overflow(ev->timer.now, timer->expires, &late) && late >= 0)
			fired.arrival_ns = ev->ts - late;
	}
	fired.due_from_ns = due_from(m, ev, host_ns);
	m->cpus[ev->cpu].fired[fired.level] = fired;
	if (j)
		expired(j, ev, host_ns, &fired);
}

void release_wheel_start(struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	struct armed a = {.ev = ev, .host_ns = host_ns, .kind = ARMED_WHEEL};
	struct thread *t = threads_find(m, ev->pid);

	if (m->has_tasks)
		clocks_ticked(m, ev->wheel.now, ev->ts);
	if (!(ev->flags & IN_INTERRUPT) && t && t->jobs)
		armed(t->jobs, &a);
}

void release_wheel_expire(struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	struct fired *fired;

	if (!m->has_tasks)
		return;
	clocks_ticked(m, ev->wheel.now, ev->ts);
	if (ev->wheel.fn == VMRT_FN_RESCH_SERVER) {
		cpu->server_timer = true;
		cpu->server_ran_ns = cpus_ran(m, ev->cpu, host_ns);
	}
	fired = &cpu->fired[interrupt_level(ev->flags)];
	*fired = fired_now(m, ev, ev->wheel.timer, ev->wheel.fn, host_ns);
	for (size_t i = 0; i < m->n_jobs; i++)
		expired(m->jobs[i], ev, host_ns, fired);
}

/* For how long since @from_ns, at most, the host's CPU of vCPU thread @v did not run. */
static int64_t stolen_since(const struct machine *m, const struct thread *v, int64_t from_ns)
{
	const struct machine *host = &m->engine->machines[0];
	const struct cpu *cpu = v && v->cpu < host->n_cpus ? &host->cpus[v->cpu] : NULL;

	if (!cpu || cpu->stolen_to_ns <= from_ns)
		return 0;
	return cpu->stolen_to_ns - (cpu->stolen_from_ns > from_ns ? cpu->stolen_from_ns : from_ns);
}

/*
 * Is the handling of timer @f over now, though no record says so? Then another interrupt wakes who
 * is woken now. Where the CPU may have been taken away meanwhile, or who handles timers was
 * preempted, nobody knows.
 */
bool release_is_over(const struct machine *m, const struct fired *f)
{
	const struct cpu *cpu = &m->cpus[f->cpu];
	const struct thread *v = m->index ? vcpu_of(m, f->cpu) : NULL;
	int64_t within = WAKES_WITHIN_NS;

	if (cpu->in_ns != VMRT_UNKNOWN && cpu->in_ns > f->host_ns)
		return false;
	if (v && v->start_ns + m->error_ns > f->host_ns)
		within += m->error_ns;
	within += stolen_since(m, v, f->host_ns - m->error_ns);
	return cpus_ran(m, f->cpu, m->engine->now_ns) - f->ran_ns > within;
}

/* The timer that expired on the CPU of this wake-up last, in the same context, or NULL. */
static const struct fired *expired_before(const struct machine *m, const struct vmrt_event *ev)
{
	const struct fired *f = &m->cpus[ev->cpu].fired[interrupt_level(ev->flags)];

	return f->ptr && f->pid == ev->pid ? f : NULL;
}

/* Was this wake-up by a timer that expired on the same CPU right before? Where nothing shows that
 * timers are armed, that is all there is to go by. */
static const struct fired *waker(const struct machine *m, const struct vmrt_event *ev)
{
	const struct fired *f = expired_before(m, ev);

	return f && m->starts_seen && release_is_over(m, f) ? NULL : f;
}

bool release_lost_since(const struct jobs *j, int64_t local_ns)
{
	if (!j->machine->losing && j->machine->loss_to_ns == VMRT_UNKNOWN &&
		j->lost_to_ns == VMRT_UNKNOWN)
		return false;
	return jobs_lost_since(j, to_host(j->machine, local_ns));
}

/* Does a server's timer wake the thread? Then a server had put the thread to sleep. Between its
 * timer and the switch the thread seemed to run for long; the CPU may not have run meanwhile, which
 * nothing shows where no timer was due. */
static void learn_suspended(struct jobs *j, const struct fired *by, int64_t host_ns)
{
	if (j->maybe_suspended && by && by->fn == VMRT_FN_RESCH_SERVER && j->state == JOB_STARTED &&
		!j->marked)
		steal_was_suspended(j, j->thread->last_out_ns, host_ns);
	j->maybe_suspended = false;
}

/* A thread that slept is woken. */
void release_waking(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	const struct fired *by = waker(j->machine, ev);
	const struct mechanism *m;
	bool released = false;

	learn_suspended(j, by, host_ns);
	wakeup_note(j, ev, by, host_ns);
	j->rel.timer.doubtful = !by && !j->thread->suspended && expired_before(j->machine, ev);
	for (size_t i = 0; !released && (m = ask(j, i)); i++)
		released = m->wake && m->wake(j, ev, host_ns, by);
	if (!released)
		wait_forget_end(j, host_ns);
	j->rel.other_sleeps += !released && !by;
	j->rel.sleep.woke = true;
}

/*
 * A thread that seems to run is woken: on its way to sleep, or its switch-out was not recorded. Or
 * it slept until then: where a record clock is mapped, the record of the wake-up may come @late.
 */
void release_waking_running(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, bool late)
{
	const struct fired *by = waker(j->machine, ev);
	const struct mechanism *m = mechanism_of(j->rel.mechanism);
	bool own = by && by->ptr == j->rel.timer.ptr;
	/* a timer's wake-up follows its expiry: this one is another's, or that of another timer */
	bool others = !expired_before(j->machine, ev) || (by && !own && j->rel.timer.ptr);

	if (late && j->rel.mechanism == VMRT_RELEASE_WAKEUP) {
		wakeup_comes_late(j, ev);
	} else if (late && own && wait_began_unwoken(j)) {
		wait_remember_end(j, host_ns);
		if (m->wake && m->wake(j, ev, host_ns, by))
			jobs_start(j, ev->ts, host_ns);
		else
			wait_forget_end(j, host_ns);
	} else if (late && others && wait_began_unwoken(j)) {
		j->rel.mark.forgotten_ns = VMRT_UNKNOWN;
	} else if (own) {
		j->rel.nudge = *by;
	}
}

void release_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	const struct mechanism *m = mechanism_of(j->rel.mechanism);

	if (j->rel.nudge.ptr && m->slept)
		m->slept(j, host_ns, &j->rel.nudge);
	j->rel.nudge.ptr = 0;
	if (!j->marked || j->confirming)
		return;
	/* the wake-up was not recorded; unless that it fell asleep was not either, but was
	 * inferred: then it was preempted */
	if (!m->switch_in || !m->switch_in(j, local_ns, host_ns))
		wait_forget_unwoken(j, host_ns);
}

void release_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	const struct mechanism *m;

	j->rel.nudge.ptr = 0;
	for (size_t i = 0; (m = ask(j, i)); i++)
		if (m->switch_out)
			m->switch_out(j, state, local_ns, host_ns);
}

/* Did RESCH put to sleep who leaves the CPU? Its timer's interrupt does that, and the switch
 * follows. */
static bool by_server(const struct machine *m, unsigned cpu)
{
	const struct cpu *c = &m->cpus[cpu];

	return c->server_timer &&
	       cpus_ran(m, cpu, m->engine->now_ns) - c->server_ran_ns < SUSPENDS_WITHIN_NS;
}

/* @out was just switched out for the next thread of @ev: did somebody take the CPU from it? */
void release_left(struct machine *m, const struct vmrt_event *ev, struct thread *out)
{
	int64_t state = ev->sw.prev_state;
	bool throttled = false, suspended;
	struct thread_now left;

	suspended = (state & STATE_STOPPED) ||
		    ((state & STATE_DISK) && by_server(m, ev->cpu) &&
			    (!out->jobs || out->jobs->state != JOB_SLEEPING));
	if (state == 0 && ev->sw.prev_prio == DEADLINE_PRIO && ev->sw.next_prio >= 0)
		suspended = true;
	else if (state == 0 &&
		 (ev->sw.next_pid == 0 || (ev->sw.prev_prio < FIRST_FAIR_PRIO &&
						  ev->sw.next_prio >= FIRST_FAIR_PRIO)))
		throttled = true;
	if (out->jobs)
		out->jobs->maybe_suspended =
			!suspended && (state & STATE_DISK) && m->cpus[ev->cpu].server_timer;
	if (throttled == out->throttled && suspended == out->suspended)
		return;
	left = change_of(out);
	left.throttled = throttled;
	left.suspended = suspended;
	change_thread(m, out, m->engine->now_ns, &left);
}

/* Does the thread serve all releases that it is late for with one job? */
bool release_merges(const struct jobs *j)
{
	return mechanism_of(j->rel.mechanism)->merges;
}

enum vmrt_release vmrt_engine_task_again(const struct vmrt_engine *e, uint32_t task)
{
	const struct task_found *found = &e->found[task];

	if (e->config->experiment->tasks[task].release != VMRT_RELEASE_AUTO ||
		(e->config->waits && e->config->waits[task] != VMRT_RELEASE_AUTO))
		return VMRT_RELEASE_AUTO;
	if (relative_fits(found))
		return VMRT_RELEASE_RELATIVE;
	if (wakeup_fits(found))
		return VMRT_RELEASE_WAKEUP;
	return found->again ? found->mechanism : VMRT_RELEASE_AUTO;
}

enum vmrt_release vmrt_engine_task_release(
	const struct vmrt_engine *e, uint32_t task, int64_t *period_ns)
{
	int64_t found = period_found(&e->found[task]);

	if (period_ns)
		*period_ns = found ? found : VMRT_UNKNOWN;
	return e->found[task].mechanism;
}

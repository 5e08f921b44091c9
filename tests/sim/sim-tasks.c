/* SPDX-License-Identifier: MIT */
/* What the threads of tasks do: their jobs, step by step. */
#include "world.h"

#include <string.h>

#define STATE_S 1
#define STATE_D 2
#define STATE_T 4
#define DEADLINE_PRIO (-1)
#define FIRST_TICK INT64_C(0xffffffec) /* jiffies soon pass 2^32 */
/* Closer to its replenishment a reservation is replenished at once. */
#define TOO_LATE_NS (20 * US)
/* Of jobs of tasks that catch up; and how long it takes from reading the clock to sleep. */
#define LEAST_WORK_NS (150 * US)
#define READ_TO_SLEEP_NS (20 * US)

bool task_waits(const struct wtask *k)
{
	return k->how == VMRT_RELEASE_TIMERFD || k->how == VMRT_RELEASE_ITIMER ||
	       k->how == VMRT_RELEASE_POSIX;
}

/* Are records missing in this case? */
static bool whole_is_at_risk(const struct world *w)
{
	return has(w, SIM_LOSS) || has(w, SIM_BROKEN) || has(w, SIM_CLIPPED) ||
	       has(w, SIM_LATE_START);
}

/* A task that goes on without a sleep when it is late, as it is often. */
static void catches_up(struct world *w, struct wtask *k)
{
	struct vmrt_task_spec *spec = k->spec;

	k->late = sim_chance(&w->late_rand, 50) ? CATCH_UP_ANEW : CATCH_UP_REST;
	w->r->late[k->index] = k->late;
	if (k->late == CATCH_UP_REST && sim_chance(&w->late_rand, 50)) {
		k->how = w->r->how[k->index] = VMRT_RELEASE_RELATIVE;
		if (spec->release != VMRT_RELEASE_AUTO)
			spec->release = k->how;
	}
}

/* How the task waits, whether that is declared, and what its period and deadline are. */
void task_init(struct world *w, struct wtask *k)
{
	static const enum vmrt_release ways[] = {VMRT_RELEASE_NANOSLEEP, VMRT_RELEASE_TIMERFD,
		VMRT_RELEASE_ITIMER, VMRT_RELEASE_POSIX, VMRT_RELEASE_RELATIVE, VMRT_RELEASE_RESCH,
		VMRT_RELEASE_DEADLINE};
	struct vmrt_task_spec *spec = k->spec;

	k->how = VMRT_RELEASE_NANOSLEEP;
	if (has(w, SIM_MECHANISMS) && chance(w, 80))
		k->how = ways[between(w, 0, 6)];
	/* one reservation a machine, so that none has to wait for another's */
	for (int i = 0; i < (int)k->index; i++)
		if (k->how == VMRT_RELEASE_DEADLINE && w->tasks[i].m == k->m &&
			w->tasks[i].how == k->how)
			k->how = VMRT_RELEASE_TIMERFD;
	if (has(w, SIM_MECHANISMS) && !w->r->c.one_kernel && !whole_is_at_risk(w) &&
		sim_chance(&w->kernel_rand, 15))
		k->how = VMRT_RELEASE_WAKEUP;
	if (k->how == VMRT_RELEASE_RESCH) {
		spec->period_ns = between(w, 2, 8) * TICK_NS;
		spec->wcet_ns = spec->period_ns * between(w, 5, 40) / 100;
		spec->deadline_ns = spec->period_ns - TICK_NS;
	} else if (k->how == VMRT_RELEASE_DEADLINE) {
		spec->priority = 99;
	}
	k->period_ns = spec->period_ns;
	k->deadline_ns = spec->deadline_ns;
	w->r->how[k->index] = k->how;
	w->r->periods[k->index] = k->period_ns;
	if (has(w, SIM_MECHANISMS) && chance(w, 50))
		spec->release = k->how;
	if (has(w, SIM_UNDECLARED) && k->how != VMRT_RELEASE_RELATIVE && chance(w, 50))
		spec->period_ns = spec->deadline_ns = k->deadline_ns = 0;
	if (has(w, SIM_CATCH_UP) && k->how == VMRT_RELEASE_NANOSLEEP && spec->period_ns &&
		sim_chance(&w->late_rand, 60))
		catches_up(w, k);
	/* found out only by reading the recording twice */
	if (k->how == VMRT_RELEASE_WAKEUP) {
		spec->release = k->how;
		spec->period_ns = 0;
	}
}

/* Reads how often the timer expired. */
static void consume(struct wthread *t)
{
	struct wtask *k = t->task;
	int64_t next = task_grid_behind(k, local_at(t->m, t->m->w->now));

	truth_consumed(k, next);
	k->waiting = false;
	task_arm_wait(t, next);
}

static void begin_job(struct wthread *t)
{
	struct world *w = t->m->w;
	struct wtask *k = t->task;
	int64_t wcet = k->spec->wcet_ns, work = between(w, wcet / 5, wcet - wcet / 10);

	if (k->late) /* a shorter one looks like the way into sleep */
		work += LEAST_WORK_NS;
	if (k->late && sim_chance(&w->late_rand, 15))
		work = k->period_ns + sim_between(&w->late_rand, 0, k->period_ns);
	if (chance(w, k->overrun_percent))
		work = wcet + between(w, 0, wcet * (chance(w, 10) ? 6 : 1));
	t->woken = false;
	t->n_segs = 1;
	/* a sleep within the job would end it */
	if (has(w, SIM_BLOCKING) && chance(w, 40) && k->how != VMRT_RELEASE_WAKEUP)
		t->n_segs += (int)between(w, 1, 2);
	k->throttled_seg = 0;
	if (k->how == VMRT_RELEASE_DEADLINE && chance(w, 15))
		k->throttled_seg = t->n_segs++;
	for (int i = 0; i < t->n_segs; i++)
		t->segs[i] = work / t->n_segs + 1;
	t->seg = 0;
	t->phase = PH_WORK;
	t->work = t->segs[0];
	if (!has(w, SIM_RENAME) || k->how != VMRT_RELEASE_NANOSLEEP)
		return;
	if (!k->renamed_jobs && k->phase != T_NONE && chance(w, 10)) {
		k->renaming = k->odd = true;
		k->pending[0].optional = true;
		strcpy(t->comm, "other");
	} else if (k->renamed_jobs && !--k->renamed_jobs) {
		strcpy(t->comm, k->spec->name);
		truth_named_again(k);
	}
}

static void end_thread(struct wthread *t)
{
	struct world *w = t->m->w;
	struct wtask *k = t->task;
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct wtimer *again;

	emit_exit(c, t);
	if (k->phase != T_NONE)
		truth_ended(k);
	for (int i = 0; task_waits(k) && i < SIM_TIMERS; i++) {
		struct wtimer *timer = &t->m->timers[i];

		if (timer->armed && !timer->pushed && timer->kind == TM_WAIT && timer->t == t) {
			timer->armed = false;
			emit_timer(c, VMRT_EV_TIMER_CANCEL, false, timer);
		}
	}
	k->expired = k->waiting = k->renaming = false;
	k->renamed_jobs = 0;
	k->skip_next = 0;
	k->timer_ptr += 64;
	k->jobs_left = (int)between(w, 2, 6);
	again = arm_timer(c, TM_REBORN, t, w->now + between(w, MS, 20 * MS));
	again->cpu = c->index;
	go_to_sleep(t, chance(w, 50) ? 16 : 32);
}

/* RESCH begins the period anew where the deadline was missed. */
static void end_resch_job(struct wthread *t)
{
	struct wtask *k = t->task;
	int64_t period = k->period_ns / TICK_NS, now = ticks_at(t->m, t->m->w->now);
	int64_t next = FIRST_TICK + (k->arrival_ns - t->m->tick_phase_ns) / TICK_NS + period;

	if (next <= now)
		task_arm_wheel(t, now + period, false);
	else
		task_arm_wheel(t, next, true);
}

/* The job of a task that catches up ends. */
static void end_caught_up(struct wthread *t, int64_t now)
{
	struct wtask *k = t->task;
	int64_t next = k->arrival_ns + k->period_ns;

	if (k->late == CATCH_UP_ANEW && next <= now) {
		k->arrival_ns = now;
		truth_goes_on(k, now);
		begin_job(t);
	} else if (k->late == CATCH_UP_ANEW) {
		task_arm_release(t, next);
	} else if ((k->nominal_ns += k->period_ns) <= now) {
		k->arrival_ns = next;
		truth_goes_on(k, next);
		begin_job(t);
	} else {
		task_arm_release(t,
			k->nominal_ns + sim_between(&t->m->w->late_rand, 5 * US, READ_TO_SLEEP_NS));
	}
}

/* Is its timer armed on a CPU that does not run? That was found stolen from when the timer is due:
 * nobody cancels it. */
static bool timer_is_stuck(const struct wthread *t)
{
	for (int i = 0; i < SIM_TIMERS; i++) {
		const struct wtimer *timer = &t->m->timers[i];

		if (timer->armed && timer->kind == TM_WAIT && timer->t == t &&
			t->m->cpus[timer->cpu].stolen)
			return true;
	}
	return false;
}

static void end_job(struct wthread *t)
{
	struct world *w = t->m->w;
	struct wtask *k = t->task;
	int64_t next = k->arrival_ns + k->period_ns, now = local_at(t->m, w->now);

	if (k->jobs_left > 0 && !timer_is_stuck(t) && --k->jobs_left == 0) {
		end_thread(t);
		return;
	}
	if (task_waits(k)) {
		if (!k->expired) {
			task_wait_for_timer(t);
		} else {
			consume(t);
			begin_job(t);
		}
		return;
	}
	if (k->late) {
		end_caught_up(t, now);
		return;
	}
	switch (k->how) {
	case VMRT_RELEASE_WAKEUP:
		task_wait_for_event(t);
		return;
	case VMRT_RELEASE_RELATIVE:
		task_arm_release(t, now + k->period_ns * between(w, 60, 100) / 100);
		return;
	case VMRT_RELEASE_RESCH:
		end_resch_job(t);
		return;
	case VMRT_RELEASE_DEADLINE:
		/* replenished already, or at once: it goes on, and nothing shows it */
		next = task_grid_behind(k, now);
		if (next - now < TOO_LATE_NS) {
			begin_job(t);
			return;
		}
		task_arm_deadline(t, next, false);
		task_park(t, PH_ASLEEP);
		return;
	default:
		break;
	}
	/* under a new name it begins on time */
	if (next < now && (k->phase == T_NONE || (has(w, SIM_SKIP) && chance(w, 50))))
		while (next < now)
			next += k->period_ns;
	task_arm_release(t, next);
	if (k->renaming) {
		k->renaming = false;
		k->renamed_jobs = (int)between(w, 1, 4);
		truth_renamed(k);
	}
}

static void boot_task(struct wthread *t)
{
	struct wtask *k = t->task;
	int64_t soon = local_at(t->m, t->m->w->now) + between(t->m->w, 200 * US, 2 * MS);
	/* the first release on the task's grid */
	int64_t first = soon - (soon - k->spec->offset_ns) % k->period_ns + k->period_ns;

	k->grid_ns = k->nominal_ns = first;
	k->born_ns = t->m->w->now;
	k->renaming = false;
	if (task_waits(k)) {
		task_arm_wait(t, first);
		truth_armed(k, first, true);
		task_wait_for_timer(t);
	} else if (k->how == VMRT_RELEASE_WAKEUP) {
		k->fresh = true;
		task_wait_for_event(t);
	} else if (k->how == VMRT_RELEASE_RESCH) {
		task_arm_wheel(t, ticks_at(t->m, t->m->w->now) + between(t->m->w, 1, 3), true);
	} else if (k->how == VMRT_RELEASE_DEADLINE) {
		task_arm_deadline(t, first, false);
		task_park(t, PH_ASLEEP);
	} else {
		task_arm_release(t, first);
	}
}

/* Who holds the lock, of a lower priority, inherits that of the waiter. */
void lock_taken(struct wcpu *c, struct wthread *waiter)
{
	struct world *w = c->m->w;
	struct wthread *h = &c->m->threads[between(w, 0, c->m->n_threads - 1)];
	int old = h->prio;

	waiter->boosted = NULL;
	if (!has(w, SIM_INHERIT) || h == waiter || (h->kind != K_TASK && h->kind != K_LOAD) ||
		h->prio <= waiter->prio || waiter->prio < 0 ||
		(h->state != RUN && h->state != READY) || h->want_block || h->parked)
		return;
	if (!h->boosts++)
		h->base_prio = h->prio;
	waiter->boosted = h;
	h->prio = waiter->prio;
	emit_pi(c, h, old);
	priority_changed(h);
}

void lock_released(struct wcpu *c, struct wthread *waiter)
{
	struct wthread *h = waiter->boosted;
	int old;

	waiter->boosted = NULL;
	if (!h || !h->boosts || --h->boosts)
		return;
	old = h->prio;
	h->prio = h->base_prio;
	emit_pi(c, h, old);
	priority_changed(h);
}

/* A wait inside the job: a relative sleep with its own timer, or a lock without. */
static void wait_inside(struct wthread *t)
{
	struct world *w = t->m->w;
	struct wcpu *c = &t->m->cpus[t->cpu];
	/* what sleeps relatively between its jobs does not do so within them: nothing would show
	 * one from the other */
	bool lock = chance(w, 50) || t->task->how == VMRT_RELEASE_RELATIVE;
	int64_t ns = chance(w, 20) ? between(w, 0, 3 * US) : between(w, 10 * US, 2 * MS);
	struct wtimer *timer = arm_timer(c, lock ? TM_LOCK : TM_REL, t, w->now + ns);

	t->task->pending[0].slept |= t->task->n > 0;
	if (lock)
		lock_taken(c, t);
	else
		start_timer(c, timer);
	t->sleeping = true;
	t->woken = false;
	t->phase = PH_WAIT;
	t->work = between(w, 100, 3 * US);
}

static void next_segment(struct wthread *t)
{
	struct wtask *k = t->task;

	if (++t->seg == t->n_segs) {
		end_job(t);
	} else if (t->seg == k->throttled_seg) {
		task_arm_deadline(
			t, task_grid_behind(k, local_at(t->m, t->m->w->now) + TOO_LATE_NS), true);
		t->suspended = true;
		task_park(t, PH_THROTTLED);
	} else {
		wait_inside(t);
	}
}

void task_step(struct wthread *t)
{
	struct wtask *k = t->task;

	switch (t->phase) {
	case PH_BOOT:
		boot_task(t);
		break;
	case PH_ARMED:
		if (t->woken || !t->sleeping) {
			begin_job(t);
			break;
		}
		t->phase = PH_ASLEEP;
		go_to_sleep(t, k->how == VMRT_RELEASE_RESCH ? STATE_D : STATE_S);
		break;
	case PH_ASLEEP:
		if (k->waiting)
			consume(t);
		begin_job(t);
		break;
	case PH_WORK:
		next_segment(t);
		break;
	case PH_WAIT:
		if (!t->woken && t->sleeping) {
			t->phase = PH_WAITING;
			/* D right behind such a timer would be a suspension */
			go_to_sleep(t, t->m->cpus[t->cpu].server_timer || chance(t->m->w, 70)
					       ? STATE_S
					       : STATE_D);
			break;
		}
		/* fall through */
	case PH_WAITING:
	case PH_THROTTLED:
		t->woken = false;
		t->phase = PH_WORK;
		t->work = t->segs[t->seg];
		break;
	case PH_SUSPENDED:
		t->woken = false;
		t->phase = PH_WORK;
		t->work = t->kept_work;
		break;
	}
}

/* The timers that only tasks have. */
void task_timer(struct wcpu *c, struct wtimer *timer)
{
	struct wthread *t = timer->t;
	bool by_device;

	switch (timer->kind) {
	case TM_WAIT:
		/* a thread that is gone has cancelled it */
		if (timer->ptr != t->task->timer_ptr)
			break;
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		t->task->expired = true;
		t->task->fired_ns = c->m->w->now;
		if (!t->task->waiting)
			break;
		truth_released(t->task);
		wake_next(c, t);
		break;
	case TM_WHEEL:
		emit_wheel(c, VMRT_EV_WHEEL_EXPIRE, true, timer->ptr, VMRT_FN_RESCH_JOB, 0);
		truth_released(t->task);
		wake_by_wheel(c, t);
		break;
	case TM_RESUME:
		if (timer->arg)
			emit_wheel(
				c, VMRT_EV_WHEEL_EXPIRE, true, timer->ptr, VMRT_FN_RESCH_SERVER, 0);
		c->server_timer |= timer->arg;
		if (timer->arg)
			wake_by_wheel(c, t);
		else
			wake_next(c, t);
		break;
	case TM_EVENT:
		by_device = !c->cur || sim_chance(&c->m->w->kernel_rand, 50);
		/* by another thread, or a device; a thread that expires timers does nothing else */
		by_device |= c->cur && c->cur->kind == K_SOFTIRQ;
		push_op(c, (struct op){.kind = OP_WAKING, .t = t, .irq = by_device}, true);
		break;
	case TM_DEADLINE:
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		if (t->phase == PH_ASLEEP)
			truth_released(t->task);
		t->parked = false;
		t->work = between(c->m->w, 0, 2 * US);
		if (t->state == READY) {
			t->queued = true;
			t->seq = ++c->m->w->seq;
			preempt_check(t);
		}
		break;
	default:
		break;
	}
}

/* The task on CPU @c is stopped by a signal, or put to sleep by the timer of a server of its own.
 */
void task_suspend(struct wcpu *c)
{
	struct world *w = c->m->w;
	struct wthread *t = c->cur;
	bool server = chance(w, 50);
	struct wtimer *timer;

	if (!t || t->kind != K_TASK || t->phase != PH_WORK || t->want_block || t->parked ||
		t->work < 10 * US || c->n_ops || !cpu_progresses(c))
		return;
	timer = arm_timer(c, TM_RESUME, t, w->now + between(w, 50 * US, 3 * MS));
	timer->arg = server;
	if (server)
		emit_wheel(c, VMRT_EV_WHEEL_EXPIRE, true, timer->ptr, VMRT_FN_RESCH_SERVER, 0);
	c->server_timer |= server;
	t->phase = PH_SUSPENDED;
	t->kept_work = t->work;
	t->suspended = true;
	t->sleeping = true;
	t->woken = false;
	go_to_sleep(t, server ? STATE_D : STATE_T);
}

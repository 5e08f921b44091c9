/* SPDX-License-Identifier: MIT */
/* Every way there is to wait for the next job: which timer is armed, and what the truth notes. */
#include "world.h"

#define STATE_S 1
#define FIRST_TICK INT64_C(0xffffffec) /* jiffies soon pass 2^32 */

/* The first point of the task's grid behind @local. */
int64_t task_grid_behind(const struct wtask *k, int64_t local)
{
	if (local < k->grid_ns)
		return k->grid_ns;
	return k->grid_ns + ((local - k->grid_ns) / k->period_ns + 1) * k->period_ns;
}

int64_t ticks_at(const struct wmachine *m, int64_t host_ns)
{
	return FIRST_TICK + (local_at(m, host_ns) - m->tick_phase_ns) / TICK_NS;
}

static int64_t tick_time(const struct wmachine *m, int64_t tick)
{
	return m->tick_phase_ns + (tick - FIRST_TICK) * TICK_NS;
}

/* Under another name nothing of it is the task's. */
static void note_armed(struct wtask *k, int64_t arrival, bool on_grid)
{
	k->arrival_ns = arrival;
	if (k->renamed_jobs)
		return;
	truth_armed(k, arrival, on_grid);
}

static void doze(struct wthread *t)
{
	t->sleeping = true;
	t->woken = false;
	t->phase = PH_ARMED;
	t->work = between(t->m->w, 200, 5 * US);
}

/* Arms the sleep until the job that arrives at @expires, on the machine's own clock. */
void task_arm_release(struct wthread *t, int64_t expires)
{
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct world *w = t->m->w;
	int64_t due = host_at(t->m, expires);
	struct wtimer *timer;

	if (due < w->now)
		due = w->now;
	if (chance(w, (int)t->m->late_timers))
		due += between(w, 10 * US, chance(w, 20) ? 3 * MS : 200 * US);
	timer = arm_timer(c, t->task->how == VMRT_RELEASE_RELATIVE ? TM_REL : TM_RELEASE, t, due);
	timer->arg = 1; /* a release, whatever its kind */
	timer->expires = expires;
	start_timer(c, timer);
	note_armed(t->task, expires, !t->task->late);
	doze(t);
}

void task_arm_wheel(struct wthread *t, int64_t tick, bool on_grid)
{
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct wtimer *timer = arm_timer(c, TM_WHEEL, t, host_at(t->m, tick_time(t->m, tick)));

	timer->expires = tick;
	/* so well this record says when ticks are, where none has done better */
	if (!t->task->loose_ns)
		t->task->loose_ns = (local_at(t->m, t->m->w->now) - t->m->tick_phase_ns) % TICK_NS;
	emit_wheel(c, VMRT_EV_WHEEL_START, false, timer->ptr, VMRT_FN_RESCH_JOB, tick);
	note_armed(t->task, tick_time(t->m, tick), on_grid);
	doze(t);
}

void task_park(struct wthread *t, enum phase phase)
{
	t->parked = true;
	t->phase = phase;
	t->work = NEVER;
	resched(&t->m->cpus[t->cpu]);
}

/* Until @expires the reservation gives nothing: given up, or used up, which the kernel finds in an
 * interrupt. */
void task_arm_deadline(struct wthread *t, int64_t expires, bool used_up)
{
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct wtimer *timer = arm_timer(c, TM_DEADLINE, t, host_at(t->m, expires));

	timer->expires = expires;
	timer->arg = used_up ? 3 : 2; /* how often preemption is disabled */
	emit_timer(c, VMRT_EV_TIMER_START, used_up, timer);
	if (!used_up)
		note_armed(t->task, expires, true);
}

/* Arms the timer that goes on by itself, as the thread takes notice of its last expiry. */
void task_arm_wait(struct wthread *t, int64_t expires)
{
	struct wtask *k = t->task;
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct wtimer *timer = arm_timer(c, TM_WAIT, t, host_at(t->m, expires));

	timer->ptr = k->timer_ptr;
	timer->expires = expires;
	emit_timer(c, VMRT_EV_TIMER_START, false, timer);
	k->armed_local_ns = expires;
	k->armed_at_ns = t->m->w->now;
	k->expired = false;
}

/* Sleeps until something happens, after the next job's time at the earliest or much sooner. */
void task_wait_for_event(struct wthread *t)
{
	struct world *w = t->m->w;
	int64_t ns = sim_between(&w->kernel_rand, 100 * US,
		sim_chance(&w->kernel_rand, 20) ? 500 * US : t->task->period_ns * 3 / 2);

	arm_timer(&t->m->cpus[t->cpu], TM_EVENT, t, w->now + ns);
	t->sleeping = true;
	t->woken = false;
	t->phase = PH_ASLEEP;
	go_to_sleep(t, STATE_S);
}

void task_wait_for_timer(struct wthread *t)
{
	t->task->waiting = true;
	t->sleeping = true;
	t->woken = false;
	t->phase = PH_ASLEEP;
	go_to_sleep(t, STATE_S);
}

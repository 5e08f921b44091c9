/* SPDX-License-Identifier: MIT */
/* What each type of event means for the threads it names. */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

/* Does the thread handle softirqs, as on PREEMPT_RT, so that these are preempted with it? */
static bool handles_softirqs(const char *comm)
{
	return comm && (!strncmp(comm, "ksoftirqd/", 10) || !strncmp(comm, "ktimer", 6));
}

/* What expired on the CPU wakes nobody any more: unless the kernel thread in which it did was only
 * preempted. */
static void forget_fired(struct cpu *cpu, const struct vmrt_event *ev)
{
	struct fired *soft = &cpu->fired[LEVEL_SOFTIRQ], *thread = &cpu->fired[LEVEL_THREAD];

	cpu->fired[LEVEL_HARDIRQ].ptr = 0;
	if (ev->sw.prev_pid == soft->pid &&
		(ev->sw.prev_state || !handles_softirqs(ev->sw.prev_comm)))
		soft->ptr = 0;
	if (ev->sw.prev_pid == thread->pid && ev->sw.prev_state)
		thread->ptr = 0;
}

void event_switch(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	struct thread *out = threads_find(m, ev->sw.prev_pid), *in;
	bool was_bound = out && out->jobs;

	m->switches_seen = true;
	out = run_follow_found(m, out, ev->sw.prev_pid, ev->sw.prev_comm, ev->sw.prev_prio, now);

	if (out && run_has_moved(m, out, ev->cpu, ev->sw.prev_state, now.host_ns)) {
		if (out->jobs && !ev->sw.prev_state)
			jobs_preempted_before(out->jobs);
	} else if (out) {
		/* no record showed that it was switched in */
		if (out->state != THREAD_RUNNING && out->state != THREAD_DEAD)
			run_begins(m, ev->cpu, out, now, ev->sw.prev_prio, 0, true);
		/* nor, before its name was known, that it was woken up */
		if (out->jobs && !was_bound)
			jobs_switch_in(out->jobs, now.local_ns, now.host_ns, false);
		change_learned(m, out, now.host_ns, ev->sw.prev_prio);
		check_run_ends(out, now.host_ns);
		run_ends(m, out, now, ev->sw.prev_state);
		release_left(m, ev, out);
	}
	forget_fired(cpu, ev);
	cpu->server_timer = false;
	cpus_set_current(
		m, ev->cpu, ev->sw.next_pid, ev->sw.next_comm, ev->sw.next_prio, now.host_ns);
	change_interrupts(m, ev->cpu, now.host_ns, 0); /* nothing switches within one */
	cpu->left_pid = ev->sw.prev_pid;
	cpu->left_ran_ns = m->index ? cpus_ran(m, ev->cpu, now.host_ns) : now.host_ns;
	cpu->in_ns = now.host_ns;
	cpu->in_local_ns = now.local_ns;
	if (cpu->thread)
		cpu->thread->exited = false;
	in = run_follow_found(
		m, cpu->thread, ev->sw.next_pid, ev->sw.next_comm, ev->sw.next_prio, now);
	change_followed(m, ev->cpu, now.host_ns, in);
	if (in)
		run_begins(m, ev->cpu, in, now, ev->sw.next_prio, 0, false);
	if (out && out->left_begun_ns != VMRT_UNKNOWN)
		run_goes_on(m, ev->cpu, out, now);
}

/* A thread that waits does so on another CPU from now on. */
static void moves(struct machine *m, struct thread *t, int32_t cpu, struct instant now)
{
	struct thread_now moved = change_of(t);

	if (cpu < 0 || (unsigned)cpu >= m->n_cpus || t->cpu == cpu)
		return;
	moved.cpu = (uint16_t)cpu;
	change_thread(m, t, now.host_ns, &moved);
}

void event_migrate(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thread *t = threads_find(m, ev->migrate.pid);

	if (t && t->state != THREAD_RUNNING)
		moves(m, t, ev->migrate.dest_cpu, now);
}

/* Which thread ends the sleep of @t? */
static int32_t waker_of(const struct thread *t, const struct vmrt_event *ev)
{
	if (t->suspended)
		return WAKER_NONE;
	/* before 4.3 a thread's wake-up on another CPU is on record in an interrupt there */
	if (interrupt_level(ev->flags) != LEVEL_THREAD)
		return ev->type == VMRT_EV_WAKING ? WAKER_NONE : 0;
	return t->state == THREAD_UNKNOWN ? 0 : ev->pid;
}

/* It was about to sleep, or the record of the CPU where it was to run came before the waker's. */
static void learn_waker(
	struct machine *m, struct thread *t, const struct vmrt_event *ev, struct instant now)
{
	struct thread_now learned = change_of(t);

	if (!t->server || t->waker || (t->state != THREAD_RUNNING && t->state != THREAD_READY))
		return;
	learned.waker = waker_of(t, ev);
	if (learned.waker)
		change_thread(m, t, now.host_ns, &learned);
}

/* Is it the first record of a wake-up? Before 4.3 there is only one. */
static bool begins_wake(const struct machine *m, const struct vmrt_event *ev)
{
	return ev->type == VMRT_EV_WAKING || (ev->type == VMRT_EV_WAKEUP && !m->has_wakings);
}

/* A wake-up of @t, which is followed. */
void event_woken(
	struct machine *m, const struct vmrt_event *ev, struct thread *t, struct instant now)
{
	unsigned target = (unsigned)ev->wake.target_cpu;
	struct thread_now woken;
	bool late, last;

	/* where only sched_waking was recorded, it takes the place of sched_wakeup */
	last = ev->type == VMRT_EV_WAKEUP || m->lone_wakings == LONE_WAKINGS;
	if (t->jobs && begins_wake(m, ev))
		unsure_woken(t->jobs, ev, now.host_ns);
	if (t->jobs && last)
		jobs_wakeup(t->jobs, ev, now.host_ns);
	learn_waker(m, t, ev, now);
	late = comes_late(m, t, ev->cpu, t->unwoken_ns, now.host_ns);
	if (t->state == THREAD_RUNNING) {
		if (t->jobs && ev->type != VMRT_EV_WAKEUP_NEW)
			release_waking_running(t->jobs, ev, now.host_ns, late);
		if (late && last)
			t->unwoken_ns = VMRT_UNKNOWN;
		return;
	}
	/* it has run since, and sleeps again, perhaps between the two records of the wake-up */
	if (late && t->state == THREAD_BLOCKED) {
		if (last)
			t->unwoken_ns = VMRT_UNKNOWN;
		return;
	}
	if (t->state == THREAD_READY &&
		!(begins_wake(m, ev) &&
			(m->loss_to_ns > t->ready_ns || run_was_unseen(m, t, now.host_ns)))) {
		/* sched_waking names the CPU it slept on, sched_wakeup the one that was chosen */
		moves(m, t, ev->wake.target_cpu, now);
		return;
	}
	if (t->jobs && ev->type != VMRT_EV_WAKEUP_NEW)
		release_waking(t->jobs, ev, now.host_ns);
	woken = change_of(t);
	woken.waker = waker_of(t, ev);
	woken.suspended = false;
	woken.state = THREAD_READY;
	woken.prio = ev->wake.prio;
	if (target < m->n_cpus)
		woken.cpu = (uint16_t)target;
	change_thread(m, t, now.host_ns, &woken);
	t->woken_ns = t->ready_ns = now.host_ns;
	t->woken_by_thread = interrupt_level(ev->flags) == LEVEL_THREAD;
}

/* Priority inheritance, or its end: a thread that runs on keeps its slice, at the new priority. */
void event_pi(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thread *t = threads_find(m, ev->pi.pid);
	struct thread_now other;

	matching_boost(&m->matching, ev->pi.pid, ev->pi.new_prio < ev->pi.old_prio);
	for (unsigned c = 0; c < m->n_cpus; c++) {
		if (!m->cpus[c].known || m->cpus[c].pid != ev->pi.pid)
			continue;
		change_runner_prio(m, c, now.host_ns, ev->pi.new_prio);
	}
	if (!t)
		return;
	other = change_of(t);
	other.prio = ev->pi.new_prio;
	other.boosted = ev->pi.new_prio < ev->pi.old_prio;
	change_thread(m, t, now.host_ns, &other);
}

/* Whoever has the CPU or waits for it does so because of an interrupt from now on, or no longer. */
void event_irq(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	unsigned n = m->cpus[ev->cpu].interrupts;

	if (ev->type == VMRT_EV_IRQ_ENTER) {
		n++;
		m->cpus[ev->cpu].entered = now;
		m->cpus[ev->cpu].before_entry_ns = m->cpus[ev->cpu].last_local_ns;
	} else if (n) {
		n--;
	}
	change_interrupts(m, ev->cpu, now.host_ns, n);
}

/* A thread id is born, perhaps again. */
void event_birth(struct machine *m, int32_t pid, const char *comm, struct instant now)
{
	struct thread_now asleep;
	struct thread *t;

	if (!m->has_tasks)
		return;
	t = threads_find(m, pid);
	if (t && (t->pub.vm != VMRT_NONE || (t->created && t->state != THREAD_DEAD)))
		return;
	if (t) {
		if (t->jobs) {
			jobs_exit(t->jobs, now.local_ns, now.host_ns);
			run_unbind(m, t);
		}
		t->exited = false;
		threads_forget(t);
		t->woken_ns = t->ready_ns = t->last_out_ns = t->armed_local_ns = VMRT_UNKNOWN;
		threads_name(t, comm ? comm : "");
	} else {
		t = threads_get(m, pid, comm);
	}
	if (!t)
		return;
	t->created = true;
	asleep = change_of(t);
	asleep.state = THREAD_BLOCKED;
	change_thread(m, t, now.host_ns, &asleep);
}

void event_exit(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thread *t = threads_find(m, ev->process.pid);

	matching_exit(&m->matching, ev->process.pid);
	if (!t)
		return;
	timers_forget(m, t);
	t->exited = true;
	t->exited_ns = now.host_ns;
	if (t->jobs) {
		jobs_exit(t->jobs, now.local_ns, now.host_ns);
		run_unbind(m, t);
	}
	threads_exited(m, now.host_ns);
}

void event_timer_start(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct timer timer = {
		.ptr = ev->timer.timer,
		.expires = ev->timer.expires,
		.since = ev->ts,
		.pid = ev->pid,
	};

	release_timer_start(m, ev, now.host_ns, &timer);
	if (!timers_put(&m->timers, &timer))
		m->engine->out_of_memory = true;
}

void event_timer_cancel(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct timer timer;

	if (!timers_take(&m->timers, ev->timer.timer, &timer))
		return;
	release_timer_cancel(ev, now.host_ns, &timer);
	/* it may yet turn out to expire, in an interrupt or a kernel thread; not in the idle one */
	if (ev->pid || interrupt_level(ev->flags))
		timers_hold_cancelled(&m->cpus[ev->cpu], ev, now, &timer);
}

/* Long before it is due? Then it is the expiry of before it was armed last, and its record comes
 * late. */
static bool is_former(
	const struct machine *m, const struct vmrt_event *ev, const struct timer *timer)
{
	int64_t ahead;

	return m->config->record_error_ns &&
	       !__builtin_sub_overflow(timer->expires, ev->timer.now, &ahead) &&
	       ahead > CONTRADICTION_NS;
}

void event_timer_expire(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cancelled cancelled;
	struct timer timer;
	bool known = timers_take(&m->timers, ev->timer.timer, &timer), was_cancelled = false;

	if (!known && timers_take_cancelled(&m->cpus[ev->cpu], ev->timer.timer, &cancelled)) {
		timer = cancelled.timer;
		known = was_cancelled = true;
		release_timer_gone(&timer, false);
	}
	if (m->has_tasks)
		release_timer_expire(m, ev, now.host_ns, known ? &timer : NULL);
	if (known && is_former(m, ev, &timer) && !timers_put(&m->timers, &timer))
		m->engine->out_of_memory = true;
	if (!known) {
		unsure_unarmed(m, ev->timer.timer, now.host_ns);
		return;
	}
	/* in a guest, late timers are what is being measured; on the host they are steal */
	if (m->index == 0) {
		steal_check(m, ev, &timer, was_cancelled ? &cancelled : NULL, now);
		if (ev->timer.fn >= VMRT_FN_DEADLINE)
			servers_timer(m->engine, ev, &timer);
	}
	if (timer.owner && timer.owner->jobs) {
		jobs_timer_expire(timer.owner->jobs, ev->timer.timer, ev->ts, now.host_ns);
	} else if (timer.owner) {
		timer.owner->fired_local_ns = now.local_ns;
		timer.owner->fired_ns = now.host_ns;
	}
}

void event_mark(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	size_t prefix = strlen(VMRT_MARK_PREFIX), len = ev->mark.len;
	char line[VMRT_MARK_MAX], *rest;

	if (len >= sizeof(line) || len <= prefix ||
		memcmp(ev->mark.text, VMRT_MARK_PREFIX, prefix) != 0)
		return;
	memcpy(line, ev->mark.text + prefix, len - prefix);
	line[len - prefix] = '\0';
	rest = line + strcspn(line, " ");
	if (*rest)
		*rest++ = '\0';
	if (!strncmp(line, "job_", 4)) {
		struct thread *t = threads_find(m, ev->pid);

		if (t && t->jobs)
			jobs_mark(t->jobs, line, now.local_ns);
	} else if (!strncmp(line, "srv_", 4) && m->index == 0) {
		servers_mark(m->engine, ev->pid, line, rest, now.host_ns);
	}
}

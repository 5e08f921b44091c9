/* SPDX-License-Identifier: MIT */
/*
 * Finds which thread is on each CPU from the chain of its switches, and where the chain is broken
 * or events are lost.
 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

bool cpus_add(struct machine *m, unsigned cpu)
{
	struct cpu *more;

	more = realloc(m->cpus, (cpu + 1) * sizeof(*more));
	if (!more)
		return false;
	m->cpus = more;
	for (unsigned i = m->n_cpus; i <= cpu; i++) {
		memset(&more[i], 0, sizeof(more[i]));
		more[i].last_ns = more[i].last_local_ns = more[i].sure_ns = VMRT_UNKNOWN;
	}
	m->n_cpus = cpu + 1;
	return true;
}

void cpus_set_current(
	struct machine *m, unsigned index, int32_t pid, const char *comm, int prio, int64_t host_ns)
{
	struct cpu *cpu = &m->cpus[index];

	change_runner(m, index, host_ns, pid, prio);
	cpu->tail = false;
	cpu->in_ns = VMRT_UNKNOWN;
	cpu->left_pid = -1;
	if (m->engine->names_wanted)
		memset(cpu->comm, 0, sizeof(cpu->comm));
	if (m->engine->names_wanted && comm)
		strncpy(cpu->comm, comm, sizeof(cpu->comm) - 1);
}

void cpus_close_hole(struct machine *m, unsigned index)
{
	struct cpu *cpu = &m->cpus[index];

	if (cpu->hole_count)
		cpus_emit_loss(m, index, cpu->hole_from_ns, cpu->hole_to_ns, cpu->hole_count,
			VMRT_LOSS_BROKEN_CHAIN);
	cpu->hole_count = 0;
}

/* Switches of CPU @index are missing between the two times. */
void cpus_note_hole(struct machine *m, unsigned index, int64_t from, int64_t to)
{
	struct cpu *cpu = &m->cpus[index];

	m->stats.broken_chains++;
	if (cpu->hole_count && from - cpu->hole_to_ns > HOLE_MERGE_NS)
		cpus_close_hole(m, index);
	if (!cpu->hole_count)
		cpu->hole_from_ns = from;
	cpu->hole_to_ns = to;
	cpu->hole_count++;
}

/*
 * The record at @now proves that @pid runs, but the last switch said otherwise: a sched_switch is
 * missing. The switch was after @low, the last record of this CPU, and before this one. On a CPU
 * that was idle it followed the thread's wake-up; else the middle is taken.
 */
static void infer_switch(struct machine *m, unsigned index, int32_t pid, const char *comm,
	int64_t low, struct instant now)
{
	struct cpu *cpu = &m->cpus[index];
	struct thread *out = cpu->thread, *in = run_follow(m, pid, comm, PRIO_UNKNOWN, now);
	int64_t high = now.host_ns;
	int64_t shift = now.local_ns - now.host_ns, uncertainty;
	struct instant at;

	cpus_note_hole(m, index, low, high);
	if (in && in->woken_ns != VMRT_UNKNOWN && in->woken_ns > low)
		low = in->woken_ns < high ? in->woken_ns : high;
	uncertainty = (high - low) / 2;
	at.host_ns = low + uncertainty;
	if (in && cpu->pid == 0 && in->woken_ns != VMRT_UNKNOWN &&
		low - in->woken_ns < WAKE_NEAR_NS && low + WAKE_TO_SWITCH_NS < high)
		at.host_ns = low + WAKE_TO_SWITCH_NS;
	at.local_ns = at.host_ns + shift;
	if (!uncertainty)
		uncertainty = 1;
	m->stats.inferred_switches++;
	cpu->idle_is_silent |= cpu->pid == 0;
	if (out)
		servers_uncertain(m->engine, out, low, high);
	if (in)
		servers_uncertain(m->engine, in, low, high);
	if (out && out->state == THREAD_RUNNING && out->cpu == index) {
		run_ends(m, out, at, 1);
		if (out->jobs)
			out->jobs->job.inferred = out->jobs->rel.mark.inferred = true;
		/* how it left is not known either */
		cpus_lose_track(m, out, at.host_ns);
	}
	cpus_set_current(m, index, pid, comm, in ? in->prio : PRIO_UNKNOWN, at.host_ns);
	if (in)
		run_begins(m, index, in, at, -1, uncertainty, false);
	unsure_switch(m, index, out, in, low, high);
	if (in && in->jobs)
		unsure_ran(in->jobs, at.host_ns);
	if (m->index == 0)
		servers_unsure_cpu(m->engine, index, low, high);
}

/* The first record of a CPU, or the first after lost ones: its thread has been running since when?
 */
static void adopt(struct machine *m, unsigned index, int32_t pid, const char *comm, int prio,
	struct instant now)
{
	struct thread *in = run_follow(m, pid, comm, prio, now);

	cpus_set_current(
		m, index, pid, comm, in && prio == PRIO_UNKNOWN ? in->prio : prio, now.host_ns);
	if (in)
		run_begins(m, index, in, now, prio, 0, true);
}

/* A timer that only a thread that runs arms, in a system call: to sleep, or one of its own. */
static bool is_armed_in_call(enum vmrt_timer_fn fn)
{
	return fn == VMRT_FN_WAKEUP || fn == VMRT_FN_TIMERFD || fn == VMRT_FN_ITIMER ||
	       fn == VMRT_FN_POSIX;
}

/* May the kernel write it on behalf of a thread that has left? It initialises no timer then. */
static bool may_be_tail(const struct vmrt_event *ev)
{
	return ev->type == VMRT_EV_TIMER_CANCEL || ev->type == VMRT_EV_OTHER ||
	       (ev->type == VMRT_EV_TIMER_START && !is_armed_in_call(ev->timer.fn));
}

/*
 * The record of a switch precedes the switch: timers are still cancelled for who leaves. Is this
 * such a record? Where it comes late, because the CPU itself did not run, the next one shows it.
 */
static bool is_tail(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];

	/* no interrupt comes until the switch is done, and who leaves does nothing by itself */
	if (!may_be_tail(ev) || interrupt_level(ev->flags) == LEVEL_HARDIRQ ||
		(cpu->known && (cpu->pid == ev->pid || cpu->left_pid != ev->pid)))
		return false;
	if (cpu->known &&
		cpus_ran(m, ev->cpu, now.host_ns) - cpu->left_ran_ns < SWITCH_TAIL_NS + m->error_ns)
		return true;
	if (ev->type != VMRT_EV_TIMER_CANCEL || interrupt_level(ev->flags) || cpu->tail)
		return false;
	cpu->tail = cpu->known;
	cpu->tail_from_ns = cpu->last_ns;
	cpu->tail_at = now;
	return true;
}

/* Who was switched in last ran up to then: its last record may be a timer that was cancelled when
 * it had left already. */
int64_t cpus_surely_before(const struct cpu *cpu)
{
	int64_t tail = cpu->last_ns - SWITCH_TAIL_NS;

	if (cpu->sure_ns == VMRT_UNKNOWN || cpu->sure_ns == cpu->last_ns)
		return cpu->last_ns;
	return cpu->sure_ns > tail ? cpu->sure_ns : tail;
}

/* It is not, or nobody knows who was switched in last. */
void cpus_break_chain(struct machine *m, const struct vmrt_event *ev, int32_t pid, const char *comm,
	struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	bool is_switch = ev->type == VMRT_EV_SWITCH;

	if (is_tail(m, ev, now))
		return;
	if (!cpu->known)
		adopt(m, ev->cpu, pid, comm, is_switch ? ev->sw.prev_prio : PRIO_UNKNOWN, now);
	else if (cpu->tail && cpu->left_pid == pid)
		infer_switch(m, ev->cpu, pid, comm, cpu->tail_from_ns, cpu->tail_at);
	else
		infer_switch(m, ev->cpu, pid, comm, cpus_surely_before(cpu), now);
}

/* Who runs on CPU @index is not known any more since @since_ns. */
void cpus_forget(struct machine *m, unsigned index, int64_t since_ns)
{
	struct cpu *cpu = &m->cpus[index];

	/* it may run on another CPU by now */
	if (cpu->thread && cpu->thread->state == THREAD_RUNNING && cpu->thread->cpu == index &&
		cpu->last_ns != VMRT_UNKNOWN) {
		struct instant at = {since_ns, cpu->last_local_ns + (since_ns - cpu->last_ns)};

		run_ends(m, cpu->thread, at, 1);
		cpus_lose_track(m, cpu->thread, since_ns);
	}
	change_runner_unknown(m, index, since_ns);
}

/* Nobody knows whether the vCPUs that wait for CPU @index still do. */
static void forget_waiters(struct machine *m, unsigned index, int64_t host_ns)
{
	const struct vmrt_engine *e = m->engine;

	for (size_t i = 1; !m->index && i < e->config->n_machines; i++) {
		const struct machine *g = &e->machines[i];

		for (unsigned v = 0; v < g->n_seen; v++)
			if (g->seen[v]->state == THREAD_READY && g->seen[v]->cpu == index)
				cpus_lose_track(m, g->seen[v], host_ns);
	}
}

/* The records of CPU @index are lost from now on (@losing), or are there again. */
void cpus_losing(struct machine *m, unsigned index, int64_t host_ns, bool losing)
{
	struct cpu *cpu = &m->cpus[index];

	if (cpu->losing == losing)
		return;
	if (host_ns != VMRT_UNKNOWN) {
		change_rules(m->engine, host_ns);
		forget_waiters(m, index, host_ns);
	}
	cpu->losing = losing;
	m->losing += losing ? 1 : -1;
}

void cpus_lost(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	int64_t from = cpu->last_ns == VMRT_UNKNOWN ? m->engine->start_ns : cpu->last_ns;

	cpus_emit_loss(m, ev->cpu, from, now.host_ns, ev->lost == UINT64_MAX ? 0 : ev->lost,
		cpu->last_ns == VMRT_UNKNOWN ? VMRT_LOSS_CLIPPED : VMRT_LOSS_OVERRUN);
	m->stats.lost += ev->lost == UINT64_MAX ? 1 : ev->lost;
	if (ev->lost == UINT64_MAX)
		cpu->loss.sizeless++;
	else
		cpu->loss.events += ev->lost;
	machine_lost(m, now.host_ns);
	cpus_losing(m, ev->cpu, now.host_ns, false);
	cpus_forget(m, ev->cpu, from);
	cpu->n_cancelled = 0;
	/* what expired before is no sign of what wakes whom now */
	for (int level = 0; level < LEVELS; level++)
		cpu->fired[level].ptr = 0;
	/* silence before this is no sign of steal */
	cpu->last_ns = now.host_ns;
	cpu->last_local_ns = now.local_ns;
	if (m->index)
		return;
	servers_lost(m->engine, from, now.host_ns);
	servers_unsure(m->engine, from, now.host_ns);
	servers_forget(m->engine, ev->cpu, now.host_ns);
}

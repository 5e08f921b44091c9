/* SPDX-License-Identifier: MIT */
/*
 * The only place where the state of threads and CPUs changes (budgets: server/budget.c): each
 * function first charges the time so far to all accounts that depend on what it changes.
 *
 * Accounts are those of the jobs of a machine (task/blame.c) and of servers (server/supply.c).
 * An account that is settled already at that time is left alone, so that it costs little to ask
 * twice.
 */
#include "core.h"

#include <stddef.h>

/* The fields that are constant for all others lie in their structures as in these. */
_Static_assert(
	offsetof(struct thread, waker) - offsetof(struct thread, state) ==
			offsetof(struct thread_now, waker) &&
		sizeof(struct thread_now) == offsetof(struct thread_now, waker) + sizeof(int32_t),
	"struct thread_now is not as in struct thread");
_Static_assert(offsetof(struct cpu, thread) - offsetof(struct cpu, known) ==
			       offsetof(struct cpu_now, thread) &&
		       sizeof(struct cpu_now) ==
			       offsetof(struct cpu_now, thread) + sizeof(struct thread *),
	"struct cpu_now is not as in struct cpu");

static struct thread_now *of_thread(struct thread *t)
{
	return (void *)((char *)t + offsetof(struct thread, state));
}

static struct cpu_now *of_cpu(struct machine *m, unsigned cpu)
{
	return (void *)((char *)&m->cpus[cpu] + offsetof(struct cpu, known));
}

static void settle_guests(struct vmrt_engine *e, int64_t host_ns)
{
	for (size_t i = 1; i < e->config->n_machines; i++)
		blame_settle(&e->machines[i], host_ns);
}

/* Jobs and servers whose threads wait for @cpu, which may be charged to who runs there. */
static void settle_waiters(struct machine *m, unsigned cpu, int64_t host_ns)
{
	struct vmrt_engine *e = m->engine;

	e->accounts->servers_at(e, cpu, host_ns);
	for (size_t i = 1; i < e->config->n_machines; i++) {
		struct machine *g = &e->machines[i];

		for (unsigned v = 0; g->n_jobs && v < g->n_seen; v++) {
			if (g->seen[v]->state == THREAD_READY && g->seen[v]->cpu == cpu) {
				blame_settle(g, host_ns);
				break;
			}
		}
	}
}

/* A manifest may list any number of threads: what is done for each event is done for those that
 * events have shown. */
static void first_seen(struct vmrt_engine *e, struct thread *t)
{
	struct machine *g = t->guest;

	t->seen = true;
	/* a thread of strange manifests may be listed twice */
	if (g && (unsigned)t->pub.vcpu < g->n_vcpus && g->vcpus[t->pub.vcpu] == t)
		g->seen[g->n_seen++] = t;
	e->accounts->seen(t);
}

/** change_thread - from @host_ns on, @t is as @now says */
void change_thread(
	struct machine *m, struct thread *t, int64_t host_ns, const struct thread_now *now)
{
	if (t->server)
		m->engine->accounts->servers_of(m->engine, t, host_ns);
	if (t->guest)
		blame_settle(t->guest, host_ns);
	if (t->jobs)
		blame_settle(m, host_ns);
	if (!t->seen && now->state != THREAD_UNKNOWN)
		first_seen(m->engine, t);
	*of_thread(t) = *now;
}

static inline void settle_cpu(struct machine *m, unsigned cpu, int64_t host_ns)
{
	if (!m->index && m->engine->waiters)
		settle_waiters(m, cpu, host_ns);
	blame_settle(m, host_ns);
}

/** change_learned - the switch at the end of a run shows at which priority @t has run: that was so
 * for the time that is not charged yet, too */
void change_learned(struct machine *m, struct thread *t, int64_t host_ns, int prio)
{
	if (t->prio == prio)
		return;
	settle_cpu(m, t->cpu, host_ns);
	of_thread(t)->prio = prio;
}

/** change_runner - from @host_ns on, @pid runs on @cpu, at @prio */
void change_runner(struct machine *m, unsigned cpu, int64_t host_ns, int32_t pid, int prio)
{
	struct cpu_now *now = of_cpu(m, cpu);

	settle_cpu(m, cpu, host_ns);
	now->known = true;
	now->pid = pid;
	now->prio = prio;
	now->thread = threads_find(m, pid);
}

/** change_runner_unknown - who runs on @cpu is not known any more */
void change_runner_unknown(struct machine *m, unsigned cpu, int64_t host_ns)
{
	struct cpu_now *now = of_cpu(m, cpu);

	settle_cpu(m, cpu, host_ns);
	now->known = false;
	now->interrupts = 0;
	now->thread = NULL;
}

/** change_runner_prio - who runs on @cpu does so at another priority */
void change_runner_prio(struct machine *m, unsigned cpu, int64_t host_ns, int prio)
{
	settle_cpu(m, cpu, host_ns);
	of_cpu(m, cpu)->prio = prio;
}

void change_followed_now(struct machine *m, unsigned cpu, int64_t host_ns, struct thread *t)
{
	settle_cpu(m, cpu, host_ns);
	of_cpu(m, cpu)->thread = t;
}

void change_interrupts_now(struct machine *m, unsigned cpu, int64_t host_ns, unsigned interrupts)
{
	blame_settle(m, host_ns);
	if (!m->index)
		settle_guests(m->engine, host_ns);
	of_cpu(m, cpu)->interrupts = interrupts;
}

/** change_rules - an enforcer has said something: whatever waited until @host_ns did so under the
 * former rules, also for other servers' members */
void change_rules(struct vmrt_engine *e, int64_t host_ns)
{
	blame_settle(&e->machines[0], host_ns);
	settle_guests(e, host_ns);
	e->accounts->servers(e, host_ns);
}

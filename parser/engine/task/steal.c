/* SPDX-License-Identifier: MIT */
/*
 * Time in which the host's CPU itself did not run. It is found afterwards, by a timer that fires
 * late, so what was booked meanwhile is booked anew.
 */
#include "task.h"

void steal_remember(struct jobs *j, int64_t from, int64_t to, enum vmrt_blame part, bool vmm)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);
	const struct machine *host = &j->machine->engine->machines[0];
	bool waits = v && v->state == THREAD_READY && v->cpu < host->n_cpus &&
		     host->cpus[v->cpu].known && host->cpus[v->cpu].pid == 0 &&
		     part == VMRT_BLAME_WAKEUP;
	/* it ran there, slept there, or waited for nothing but the CPU itself */
	bool there = v && (v->state == THREAD_RUNNING || v->state == THREAD_BLOCKED || waits);
	struct stretch *last = &j->recent[(j->recent_next + RECENT_MAX - 1) % RECENT_MAX];
	int host_cpu = there ? v->cpu : -1;

	if (last->to_ns == from && last->part == part && last->host_cpu == host_cpu &&
		last->vmm == vmm) {
		last->to_ns = to;
		return;
	}
	j->recent[j->recent_next] = (struct stretch){from, to, part, host_cpu, vmm};
	j->recent_next = (j->recent_next + 1) % RECENT_MAX;
}

/*
 * Takes @ns that were booked for thread @j as @part, and books them as @as. @way_ns: of it, on its
 * way to sleep, which was not booked as overrun.
 */
static void rebook(
	struct jobs *j, enum vmrt_blame part, enum vmrt_blame as, int64_t ns, int64_t way_ns)
{
	int64_t over;

	if (part == VMRT_BLAME_EXEC || part == VMRT_BLAME_OVERRUN) {
		over = j->spec->wcet_ns > 0 ? j->exec_ns - j->spec->wcet_ns : 0;
		over = over < 0 ? 0 : over > ns - way_ns ? ns - way_ns : over;
		if (over > j->cum[VMRT_BLAME_OVERRUN] - j->opened[VMRT_BLAME_OVERRUN])
			over = j->cum[VMRT_BLAME_OVERRUN] - j->opened[VMRT_BLAME_OVERRUN];
		j->cum[VMRT_BLAME_OVERRUN] -= over;
		j->cum[VMRT_BLAME_EXEC] -= ns - over;
		j->exec_ns -= ns;
		if (over)
			blame_add_overrun(j->machine, j, -over);
	} else {
		j->cum[part] -= ns;
	}
	j->cum[as] += ns;
}

/* The same for the sums @cum that were kept at @at_ns: from @from on stretch @s was @as. */
static void rebook_kept(
	int64_t *cum, int64_t at_ns, const struct stretch *s, int64_t from, enum vmrt_blame as)
{
	int64_t end = at_ns < s->to_ns ? at_ns : s->to_ns;

	if (end <= from)
		return;
	cum[s->part] -= end - from;
	cum[as] += end - from;
}

/* The thread did not sleep in stretch @s from @from on: so it did not sleep that long between the
 * end of the job before and the release of the open one. */
static void shorten_idle(struct jobs *j, const struct stretch *s, int64_t from)
{
	int64_t *idle = &j->rel.open.idle_ns;
	int64_t to = s->to_ns < j->opened_ns ? s->to_ns : j->opened_ns;

	if (from < j->rel.open.idle_from_ns)
		from = j->rel.open.idle_from_ns;
	if (s->part == VMRT_BLAME_BLOCKING && to > from)
		*idle -= to - from < *idle ? to - from : *idle;
}

/* What was booked for @j in stretch @s from @from on was @as. */
static void rebook_parts(struct jobs *j, const struct stretch *s, int64_t from, enum vmrt_blame as)
{
	int64_t opened = j->opened_ns > from ? j->opened_ns : from;
	int64_t way = j->rel.mark.host_ns > opened ? j->rel.mark.host_ns : opened;

	/* since their arrival, jobs that queue behind the open one ... */
	for (size_t i = 0; i < j->backlog_n; i++) {
		struct snapshot *snap = &j->backlog[(j->backlog_first + i) % j->backlog_size];

		rebook_kept(snap->cum, snap->at_host_ns, s, from, as);
	}
	/* ... and the open one, which may have queued until then */
	rebook_kept(j->arrived, j->arrived_ns, s, from, as);
	rebook_kept(j->opened, j->opened_ns, s, from, as);
	rebook_kept(j->cum, j->opened_ns, s, from, as);
	if (s->to_ns > opened)
		rebook(j, s->part, as, s->to_ns - opened,
			j->confirming && s->to_ns > way ? s->to_ns - way : 0);
	shorten_idle(j, s, from);
	journal_rebook(j, from, s->to_ns, as);
	/* what was booked before the open job arrived is no part of it */
	if (s->vmm && s->to_ns > j->arrived_ns) {
		int64_t *vmm = s->to_ns <= j->opened_ns ? &j->rel.open.vmm_ns : &j->rel.mark.vmm_ns;

		*vmm -= s->to_ns - from < *vmm ? s->to_ns - from : *vmm;
	}
}

/* And was steal. */
static void rebook_stretch(struct jobs *j, const struct stretch *s, int64_t from)
{
	int64_t busy = j->busy_from_ns > from ? j->busy_from_ns : from;

	rebook_parts(j, s, from, VMRT_BLAME_STEAL);
	wait_stolen(j, s->part, from, s->to_ns);
	if (s->to_ns > busy) {
		int64_t ns = s->to_ns - busy - wait_idle_ns(j, busy, s->to_ns);

		j->excess[VMRT_BLAME_STEAL] += ns;
		if (s->part == VMRT_BLAME_THROTTLING)
			j->excess[VMRT_BLAME_THROTTLING] -= ns;
	}
}

/* What ran on host CPU @host_cpu from @from_ns on, or slept there, did so on a CPU that did not
 * run. */
static void steal_book(struct machine *m, unsigned host_cpu, int64_t from_ns, int64_t host_ns)
{
	accounts_at(m, host_ns);
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct jobs *j = m->jobs[i];

		for (size_t n = 0; n < RECENT_MAX; n++) {
			struct stretch *s = &j->recent[n];
			int64_t from = s->from_ns > from_ns ? s->from_ns : from_ns;

			if (s->host_cpu != (int)host_cpu || s->to_ns <= from)
				continue;
			rebook_stretch(j, s, from);
			s->to_ns = from;
		}
	}
}

/* The sleep of @j since @from_ns turns out to be due to a server that has put the thread to sleep.
 */
void steal_was_suspended(struct jobs *j, int64_t from_ns, int64_t host_ns)
{
	accounts_at(j->machine, host_ns);
	for (size_t n = 0; n < RECENT_MAX; n++) {
		struct stretch *s = &j->recent[n];

		if (s->part != VMRT_BLAME_BLOCKING || s->to_ns <= from_ns)
			continue;
		rebook_parts(j, s, s->from_ns > from_ns ? s->from_ns : from_ns, VMRT_BLAME_BUDGET);
		s->part = VMRT_BLAME_BUDGET;
	}
}

/*
 * What was booked for @j since @from_ns, as one of @parts, was @as: while its vCPU did not wait for
 * the host's CPU. Returns how much that is.
 */
int64_t steal_rebook_since(struct jobs *j, int64_t from_ns, unsigned parts, enum vmrt_blame as)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);
	struct stretch found[RECENT_MAX];
	int64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < RECENT_MAX; i++) {
		struct stretch *s = &j->recent[i];

		if (s->to_ns <= from_ns || (v && s->host_cpu < 0) || !(parts >> s->part & 1))
			continue;
		found[n] = *s;
		if (found[n].from_ns < from_ns)
			found[n].from_ns = from_ns;
		rebook_kept(j->cum, INT64_MAX, s, found[n].from_ns, as);
		sum += s->to_ns - found[n].from_ns;
		/* jobs that have arrived meanwhile queue behind this one */
		for (size_t b = 0; b < j->backlog_n; b++) {
			struct snapshot *snap =
				&j->backlog[(j->backlog_first + b) % j->backlog_size];

			rebook_kept(snap->cum, snap->at_host_ns, s, found[n].from_ns, as);
		}
		journal_rebook(j, found[n].from_ns, found[n].to_ns, as);
		s->to_ns = found[n++].from_ns;
	}
	for (size_t i = 0; i < n; i++)
		steal_remember(j, found[i].from_ns, found[i].to_ns, as, false);
	return sum;
}

/*
 * A timer that fires late on a CPU from which nothing was recorded since it was due: the CPU did
 * not run. Certainly so between the expiry and now; how much longer is not known. @cancelled: that
 * it was reported as cancelled first, or NULL.
 */
void steal_check(struct machine *m, const struct vmrt_event *ev, const struct timer *timer,
	const struct cancelled *cancelled, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	int64_t due = timer->expires > timer->since ? timer->expires : timer->since;
	int64_t first_ns = now.host_ns, last = timers_before_expiry(cpu, cancelled, &first_ns);
	const struct thread *t = cpu->thread;

	/* the CPU's record before that may seem to be later by the error of the clock, but if it
	 * were, the timer would have expired then; unless a thread handles it, which had to wait */
	if (!has_passed(m, due, ev->ts - STEAL_MIN_NS) || last == VMRT_UNKNOWN ||
		(last > due && (interrupt_level(ev->flags) != LEVEL_HARDIRQ ||
				       has_passed(m, due, last - 1))))
		return;
	/*
	 * Some hosts record nothing that the idle thread of a CPU does, so its tick may have been
	 * set anew unseen; and where this very record shows that a switch is missing, so may be
	 * what came before it.
	 */
	if (cpu->pid == 0 && cpu->idle_is_silent)
		return;
	if (cpu->hole_count && cpu->hole_to_ns >= first_ns)
		return;
	due = now.host_ns - (ev->ts - due);
	cpu->stolen_from_ns = now.host_ns - (ev->ts - last);
	cpu->stolen_to_ns = now.host_ns;
	cpus_emit_loss(m, ev->cpu, due, now.host_ns, 0, VMRT_LOSS_STEAL);
	servers_unsure_cpu(m->engine, ev->cpu, due, now.host_ns);
	if (t && t->state == THREAD_RUNNING && t->server)
		servers_steal(m->engine, t, due > t->start_ns ? due : t->start_ns, now.host_ns);
	for (size_t i = 1; i < m->engine->config->n_machines; i++)
		steal_book(&m->engine->machines[i], ev->cpu, due, now.host_ns);
}

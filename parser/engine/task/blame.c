/* SPDX-License-Identifier: MIT */
/*
 * Where the time of a job goes.
 *
 * At every instant each followed task thread is in exactly one class (enum vmrt_blame), given by
 * its own state, by what runs on its guest CPU and by the state of the vCPU thread that carries
 * that CPU. Time is added to the class of each thread whenever one of these is about to change, so
 * the parts of a job sum to its response time by construction.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

#define GRID_STEPS_MAX 1000

/* A job whose timer expired a little early, by the clocks' errors, has not arrived yet either. */
bool jobs_arrived(const struct jobs *j, int64_t host_ns)
{
	return j->state >= JOB_SLEEPING && j->arrives_ns <= host_ns;
}

/* Arrived, and not asleep where its job may well have ended. */
bool jobs_pending(const struct jobs *j, int64_t host_ns)
{
	return jobs_arrived(j, host_ns) && (!j->marked || j->passed);
}

static bool over_wcet(const struct jobs *j)
{
	return j->spec->wcet_ns > 0 && j->exec_ns >= j->spec->wcet_ns;
}

static enum vmrt_blame classify_guest(const struct jobs *j)
{
	const struct thread *x = j->thread;
	const struct cpu *cpu = x->cpu < j->machine->n_cpus ? &j->machine->cpus[x->cpu] : NULL;

	if (j->state == JOB_SLEEPING)
		return VMRT_BLAME_RELEASE;
	switch (x->state) {
	case THREAD_RUNNING:
		/* its timer was in the past: no record has shown it yet */
		if (j->state == JOB_RELEASED)
			return VMRT_BLAME_RELEASE;
		/* and what it does when its job may have ended is none of that job's */
		return over_wcet(j) && !j->confirming ? VMRT_BLAME_OVERRUN : VMRT_BLAME_EXEC;
	case THREAD_READY:
		if (x->suspended && j->state == JOB_STARTED)
			return VMRT_BLAME_BUDGET;
		if (!cpu || !cpu->known)
			return VMRT_BLAME_UNKNOWN;
		if (x->throttled && j->state == JOB_STARTED && (!cpu->pid || gap_is_ordinary(cpu)))
			return VMRT_BLAME_THROTTLING;
		if (cpu->pid == 0)
			return VMRT_BLAME_RELEASE;
		if (cpu->thread && cpu->thread->jobs && cpu->thread->jobs->state == JOB_STARTED &&
			!cpu->thread->jobs->marked && over_wcet(cpu->thread->jobs))
			return VMRT_BLAME_GUEST_OVERRUN;
		return VMRT_BLAME_INTERFERENCE;
	case THREAD_BLOCKED:
		if (x->suspended && j->state == JOB_STARTED)
			return VMRT_BLAME_BUDGET;
		return j->state == JOB_RELEASED ? VMRT_BLAME_RELEASE : VMRT_BLAME_BLOCKING;
	default:
		return VMRT_BLAME_UNKNOWN;
	}
}

static enum vmrt_blame classify_waiting_vcpu(const struct vmrt_engine *e, const struct thread *v)
{
	const struct machine *host = &e->machines[0];
	const struct cpu *cpu = v->cpu < host->n_cpus ? &host->cpus[v->cpu] : NULL;

	if (servers_depleted(v->server))
		return VMRT_BLAME_BUDGET;
	if (!cpu || !cpu->known)
		return VMRT_BLAME_UNKNOWN;
	/* it left the CPU ready to run, and to nobody: the kernel holds it back */
	if (cpu->pid == 0)
		return v->throttled ? VMRT_BLAME_THROTTLING : VMRT_BLAME_WAKEUP;
	if (cpu->thread && cpu->thread->server && cpu->thread->server != v->server &&
		servers_has_budget(cpu->thread->server))
		return VMRT_BLAME_SERVER;
	return VMRT_BLAME_HOST_THREAD;
}

/* Has the guest asked to be woken up when the timer of the sleeping job is due? Not where that may
 * be a little late, nor at the ticks of the timer wheel. */
static bool wakes_in_time(const struct jobs *j)
{
	return !j->rel.sleep.slack_ns && j->rel.sleep.clock != CLOCK_IS_TICKS;
}

static enum vmrt_blame classify_state(const struct jobs *j)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);

	if (!v || v->state == THREAD_RUNNING)
		return classify_guest(j);
	/* it may run on the CPU whose records are lost now */
	if (j->machine->engine->machines[0].losing)
		return VMRT_BLAME_UNKNOWN;
	if (v->state == THREAD_READY)
		return classify_waiting_vcpu(j->machine->engine, v);
	if (v->state != THREAD_BLOCKED)
		return VMRT_BLAME_UNKNOWN;
	/* the timer of the job, or its wake-up, comes when the vCPU may go on */
	if (v->suspended && servers_depleted(v->server) &&
		(j->state == JOB_SLEEPING || j->state == JOB_RELEASED))
		return VMRT_BLAME_BUDGET;
	if (j->state == JOB_SLEEPING)
		return wakes_in_time(j) ? VMRT_BLAME_VMM : VMRT_BLAME_RELEASE;
	/* the guest has nothing to run */
	if (j->thread->state == THREAD_BLOCKED ||
		(j->state == JOB_STARTED && (j->thread->suspended || j->thread->throttled)))
		return classify_guest(j);
	/* stopped or frozen by who enforces its server */
	if (servers_depleted(v->server) &&
		(v->suspended || v->server->pub.depletion == VMRT_DEPLETION_HARD))
		return VMRT_BLAME_BUDGET;
	return VMRT_BLAME_VMM;
}

static bool interrupted(const struct machine *m, unsigned cpu)
{
	return cpu < m->n_cpus && m->cpus[cpu].interrupts;
}

/* Does the host handle an interrupt where the task's vCPU thread runs or waits? */
static bool host_interrupted(const struct jobs *j)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);

	return v && (v->state == THREAD_RUNNING || v->state == THREAD_READY) &&
	       interrupted(&j->machine->engine->machines[0], v->cpu);
}

/* While a CPU handles an interrupt, it is that which the job waits for, and not who was
 * interrupted. */
static enum vmrt_blame classify(const struct jobs *j)
{
	enum vmrt_blame part = classify_state(j);

	switch (part) {
	case VMRT_BLAME_EXEC:
	case VMRT_BLAME_OVERRUN:
	case VMRT_BLAME_INTERFERENCE:
	case VMRT_BLAME_GUEST_OVERRUN:
		return interrupted(j->machine, j->thread->cpu) || host_interrupted(j)
			       ? VMRT_BLAME_IRQ
			       : part;
	case VMRT_BLAME_SERVER:
	case VMRT_BLAME_HOST_THREAD:
	case VMRT_BLAME_WAKEUP:
		return host_interrupted(j) ? VMRT_BLAME_IRQ : part;
	default:
		return part;
	}
}

/* Who runs on a CPU; VMRT_NONE if nobody does, or nobody knows. */
static uint32_t who_runs(struct machine *m, unsigned cpu)
{
	struct cpu *c = cpu < m->n_cpus ? &m->cpus[cpu] : NULL;
	struct thread *t;

	if (!c || !c->known || c->pid <= 0)
		return VMRT_NONE;
	t = c->thread ? c->thread : threads_get(m, c->pid, c->comm);
	if (!t)
		return VMRT_NONE;
	/* a thread that nothing else is known of but that it ran: under the name it has now */
	if (c->comm[0] && !t->jobs && t->pub.vm == VMRT_NONE && !t->selected &&
		!comm_is(c->comm, t->pub.comm)) {
		threads_forget(t);
		threads_name(t, c->comm);
	}
	threads_announce(m, t);
	return t->pub.id;
}

/* The busy period of a priority: jobs of that or a higher one are pending. */
static bool level_busy(const struct machine *m, int priority, int64_t host_ns)
{
	for (size_t i = 0; i < m->n_jobs; i++)
		if (m->jobs[i]->spec->priority >= priority && jobs_pending(m->jobs[i], host_ns))
			return true;
	return false;
}

/* @ns of overrun by @by count as excess for all that may have had to wait for it. */
void blame_add_overrun(struct machine *m, const struct jobs *by, int64_t ns)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct jobs *j = m->jobs[i];

		if (j->spec->priority <= by->spec->priority)
			j->excess[j == by ? VMRT_BLAME_OVERRUN : VMRT_BLAME_GUEST_OVERRUN] += ns;
	}
}

/* Do the host's events decide about a part? Else the guest's do. */
static bool on_host(const struct jobs *j, enum vmrt_blame part)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);

	return part == VMRT_BLAME_SERVER || part == VMRT_BLAME_HOST_THREAD ||
	       part == VMRT_BLAME_WAKEUP || part == VMRT_BLAME_VMM || part == VMRT_BLAME_STEAL ||
	       (part == VMRT_BLAME_IRQ && host_interrupted(j)) ||
	       ((part == VMRT_BLAME_BUDGET || part == VMRT_BLAME_THROTTLING) && v &&
		       v->state != THREAD_RUNNING);
}

/* May the job execute, though that is not known? */
static bool may_run(const struct jobs *j, const struct thread *v)
{
	return j->state == JOB_STARTED && j->thread->state == THREAD_RUNNING && v &&
	       v->state != THREAD_RUNNING;
}

static void account(struct jobs *j, int64_t from, int64_t to)
{
	enum vmrt_blame part = j->part;
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);
	struct entry entry = {
		.from_ns = from,
		.to_ns = to,
		.part = (uint8_t)part,
		.thread = VMRT_NONE,
		.on_host = on_host(j, part),
		.error_ns = j->machine->error_ns < INT32_MAX ? (int32_t)j->machine->error_ns
							     : INT32_MAX,
	};
	int64_t ns = to - from;
	/* asleep where its job may have ended, and its vCPU too, though its timer is due */
	bool vmm = part == VMRT_BLAME_BLOCKING && j->passed && v && v->state == THREAD_BLOCKED &&
		   !j->rel.timer.fired.ptr;

	j->cum[part] += ns;
	j->rel.mark.vmm_ns += vmm ? ns : 0;
	steal_remember(j, from, to, part, vmm);
	switch (part) {
	case VMRT_BLAME_EXEC:
		j->exec_ns += ns;
		break;
	case VMRT_BLAME_OVERRUN:
		j->exec_ns += ns;
		blame_add_overrun(j->machine, j, ns);
		break;
	case VMRT_BLAME_THROTTLING:
		j->excess[VMRT_BLAME_THROTTLING] += ns;
		if (entry.on_host)
			break;
		/* fall through */
	case VMRT_BLAME_INTERFERENCE:
	case VMRT_BLAME_GUEST_OVERRUN:
		entry.thread = who_runs(j->machine, j->thread->cpu);
		break;
	case VMRT_BLAME_HOST_THREAD:
		if (gap_open(j->machine->engine, v))
			entry.gap = gap_note(j, v, from, ns);
		/* fall through */
	case VMRT_BLAME_SERVER:
		entry.thread = who_runs(&j->machine->engine->machines[0], v->cpu);
		break;
	case VMRT_BLAME_UNKNOWN:
		j->ran_unseen |= may_run(j, v);
		break;
	default:
		break;
	}
	journal_add(j, &entry);
}

/* The next instant at which a class changes by itself. Only a job that executes at @from comes
 * nearer to its WCET: else there would be a step for each ns that it lacks. */
static int64_t next_change(const struct jobs *j, int64_t from)
{
	int64_t next = INT64_MAX;

	if (j->state >= JOB_SLEEPING && j->arrives_ns > from)
		next = j->arrives_ns;
	if (j->state >= JOB_SLEEPING && j->grid_host_ns > from && j->grid_host_ns < next)
		next = j->grid_host_ns;
	if (j->state == JOB_STARTED && jobs_arrived(j, from) && j->part == VMRT_BLAME_EXEC &&
		j->spec->wcet_ns > j->exec_ns && from + (j->spec->wcet_ns - j->exec_ns) < next)
		next = from + (j->spec->wcet_ns - j->exec_ns);
	return next;
}

static bool grow_backlog(struct jobs *j)
{
	size_t size = j->backlog_size ? j->backlog_size * 2 : BACKLOG_FIRST;
	struct snapshot *bigger;

	if (size > BACKLOG_MAX)
		return false;
	bigger = malloc(size * sizeof(*bigger));
	if (!bigger) {
		j->machine->engine->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < j->backlog_n; i++)
		bigger[i] = j->backlog[(j->backlog_first + i) % j->backlog_size];
	free(j->backlog);
	j->backlog = bigger;
	j->backlog_size = size;
	j->backlog_first = 0;
	return true;
}

/* The next grid point; VMRT_UNKNOWN: there is none. */
static void set_grid(struct jobs *j, int64_t local_ns)
{
	j->grid_local_ns = local_ns;
	j->grid_host_ns = local_ns == VMRT_UNKNOWN ? INT64_MAX : to_host(j->machine, local_ns);
}

/* The next release of the task will be at @local_ns, on the grid or not. */
void blame_expect(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	accounts_at(j->machine, host_ns);
	set_grid(j, local_ns);
	if (j->grid_host_ns <= host_ns)
		set_grid(j, VMRT_UNKNOWN);
}

/*
 * Remembers the parts at the arrival of a job that will queue behind the open one. Where a task is
 * so far behind that there is no more room, the time before its later jobs are opened stays
 * unknown.
 */
static void take_snapshot(struct jobs *j)
{
	struct snapshot *s;

	wait_arrival_passed(j, j->grid_host_ns);
	if (!engine_may_remember(j->machine->engine) ||
		(j->backlog_n == j->backlog_size && !grow_backlog(j))) {
		/* blame_open() finds the next grid point */
		set_grid(j, VMRT_UNKNOWN);
		return;
	}
	s = &j->backlog[(j->backlog_first + j->backlog_n++) % j->backlog_size];
	s->at_local_ns = j->grid_local_ns;
	s->at_host_ns = j->grid_host_ns;
	gap_remember(j, s);
	memcpy(s->cum, j->cum, sizeof(s->cum));
	set_grid(j, j->rel.period_ns ? j->grid_local_ns + j->rel.period_ns : VMRT_UNKNOWN);
}

/* The remembered parts at @local_ns, or NULL; what lies before that is forgotten. */
static const struct snapshot *recall(struct jobs *j, int64_t local_ns)
{
	const struct snapshot *s;

	while (j->backlog_n) {
		s = &j->backlog[j->backlog_first];
		if (s->at_local_ns > local_ns)
			return NULL;
		j->backlog_first = (j->backlog_first + 1) % j->backlog_size;
		j->backlog_n--;
		if (s->at_local_ns == local_ns)
			return s;
	}
	return NULL;
}

void blame_free(struct jobs *j)
{
	free(j->backlog);
	journal_free(j);
}

void blame_settle_jobs(struct machine *m, int64_t host_ns)
{
	while (m->settled_ns < host_ns) {
		int64_t from = m->settled_ns, to = host_ns;

		gap_settle(m);
		/* all before any: whether one overran matters to the others */
		for (size_t i = 0; i < m->n_jobs; i++)
			if (jobs_arrived(m->jobs[i], from))
				m->jobs[i]->part = classify(m->jobs[i]);
		for (size_t i = 0; i < m->n_jobs; i++) {
			int64_t change = next_change(m->jobs[i], from);

			if (change < to)
				to = change;
		}
		for (size_t i = 0; i < m->n_jobs; i++)
			if (jobs_arrived(m->jobs[i], from))
				account(m->jobs[i], from, to);
		gap_extend(m, to - from);
		m->settled_ns = to;
		for (size_t i = 0; i < m->n_jobs; i++) {
			struct jobs *j = m->jobs[i];

			if (j->state >= JOB_SLEEPING && j->grid_host_ns == to && j->arrives_ns < to)
				take_snapshot(j);
		}
	}
}

/* The job in j->job was just opened: its arrival may be in the past. */
void blame_open(struct jobs *j, int64_t host_ns)
{
	const struct snapshot *found;
	struct snapshot now;

	accounts_at(j->machine, host_ns);
	/* an inferred switch may lie before what is accounted already */
	if (host_ns < j->machine->settled_ns)
		host_ns = j->machine->settled_ns;
	memcpy(j->opened, j->cum, sizeof(j->opened));
	memcpy(j->arrived, j->cum, sizeof(j->arrived));
	journal_drop(j, j->arrives_ns < host_ns ? j->arrives_ns : host_ns);
	j->exec_ns = 0;
	j->ran_unseen = false;
	j->unknown_ns = 0;
	j->opened_ns = j->arrived_ns = host_ns;
	if (j->arrives_ns < host_ns) {
		found = recall(j, j->job.arrival_local_ns);
		if (found) {
			gap_arrived(j, found);
			memcpy(j->arrived, found->cum, sizeof(j->arrived));
			j->arrived_ns = found->at_host_ns;
		} else {
			/* jobs that queue behind it may have lost all of a gap */
			gap_remember(j, &now);
			gap_arrived(j, &now);
			j->unknown_ns = host_ns - j->arrives_ns;
		}
	} else {
		j->backlog_n = 0;
		gap_forget(j);
	}
	if (!j->rel.period_ns || j->rel.off_grid || j->rel.sleep.pending) {
		set_grid(j, VMRT_UNKNOWN);
		return;
	}
	/* grid points already passed have their snapshots; go on behind them */
	j->grid_local_ns = j->job.arrival_local_ns + ((int64_t)j->backlog_n + 1) * j->rel.period_ns;
	j->grid_host_ns = to_host(j->machine, j->grid_local_ns);
	if (j->grid_host_ns <= host_ns) {
		j->grid_local_ns +=
			(host_ns - j->grid_host_ns) / j->rel.period_ns * j->rel.period_ns;
		/* the map of a clock that was stepped may need a few */
		for (int n = 0; j->grid_host_ns <= host_ns; n++) {
			if (n == GRID_STEPS_MAX) {
				set_grid(j, VMRT_UNKNOWN);
				break;
			}
			j->grid_local_ns += j->rel.period_ns;
			j->grid_host_ns = to_host(j->machine, j->grid_local_ns);
		}
	}
}

/*
 * The parts must sum to the time since the arrival. They do unless the recording contradicts
 * itself, or the clock map of a live view has moved meanwhile: what is missing is unknown then, and
 * what is too much is taken from the parts that the arrival bounds, and from the others after that.
 */
static void reconcile(struct jobs *j, int64_t difference)
{
	int64_t *parts = j->job.blame_ns;

	if (!difference)
		return;
	if (difference > 0) {
		parts[VMRT_BLAME_UNKNOWN] += difference;
		return;
	}
	for (int p = 0; p < VMRT_BLAMES && difference; p++) {
		int64_t ns = parts[p] < -difference ? parts[p] : -difference;

		if (ns <= 0)
			continue;
		parts[p] -= ns;
		difference += ns;
	}
}

/*
 * Fills in the parts of the open job, which ends or is given up now; the time is settled. Returns
 * false if the parts had to be made to fit.
 */
bool blame_close(struct jobs *j)
{
	struct vmrt_job *job = &j->job;
	int64_t to = job->end_ns != VMRT_UNKNOWN ? job->end_ns : j->machine->settled_ns;
	int64_t sum = 0, due;

	gap_settle(j->machine);
	for (int p = 0; p < VMRT_BLAMES; p++) {
		int64_t before = j->opened[p] - j->arrived[p];
		int as = p;

		/* what an earlier job of the task ran, this one waited */
		if (p == VMRT_BLAME_EXEC)
			as = VMRT_BLAME_INTERFERENCE;
		else if (p == VMRT_BLAME_OVERRUN)
			as = VMRT_BLAME_GUEST_OVERRUN;
		if (p == VMRT_BLAME_BLOCKING) {
			/* an earlier job had ended already */
			int64_t idle = j->rel.open.idle_ns < before ? j->rel.open.idle_ns : before;

			int64_t vmm = j->rel.open.vmm_ns < idle ? j->rel.open.vmm_ns : idle;

			job->blame_ns[VMRT_BLAME_VMM] += vmm;
			job->blame_ns[VMRT_BLAME_RELEASE] += idle - vmm;
			before -= idle;
		}
		job->blame_ns[as] += before;
		job->blame_ns[p] += j->cum[p] - j->opened[p];
	}
	job->blame_ns[VMRT_BLAME_UNKNOWN] += j->unknown_ns;
	for (int p = 0; p < VMRT_BLAMES; p++)
		sum += job->blame_ns[p];
	due = to > job->arrival_ns ? to - job->arrival_ns : 0;
	reconcile(j, due - sum);
	if (job->response_ns != VMRT_UNKNOWN)
		job->blame_ns[VMRT_BLAME_CLOCK] = job->response_ns - due;
	memcpy(job->excess_ns, j->excess, sizeof(job->excess_ns));
	job->exec_ns = j->exec_ns;
	journal_close(j, to);
	return llabs(due - sum) <= CONTRADICTION_NS;
}

/* Where no job of a priority or above is pending any more, its busy period is over. */
void blame_busy_ends(struct machine *m, int64_t host_ns)
{
	accounts_at(m, host_ns);
	for (size_t i = 0; i < m->n_jobs; i++)
		if (!level_busy(m, m->jobs[i]->spec->priority, host_ns)) {
			for (int p = 0; m->jobs[i]->marked && p < VMRT_BLAMES; p++)
				m->jobs[i]->rel.mark.forgiven[p] += m->jobs[i]->excess[p];
			memset(m->jobs[i]->excess, 0, sizeof(m->jobs[i]->excess));
			m->jobs[i]->busy_from_ns = host_ns;
		}
}

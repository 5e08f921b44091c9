/* SPDX-License-Identifier: MIT */
/*
 * What is true, added up over every interval between two instants at which anything changes, from
 * who is where in the simulated world.
 */
#include "world.h"

#include <string.h>

static struct wthread *vcpu_under(const struct wtask *k)
{
	return k->m->index ? k->m->vcpus[k->t->cpu] : NULL;
}

static bool in_force(const struct wserver *s)
{
	return s && s->enforced && s->started && !s->stopped;
}

static bool stolen_now(const struct world *w, const struct wcpu *host)
{
	return host->steal_from != VMRT_UNKNOWN && w->now >= host->steal_from &&
	       w->now < host->steal_seen_to;
}

/* A vCPU thread waits at a real-time priority for a fair thread. */
static bool in_gap(const struct wthread *v)
{
	const struct wcpu *c = &v->m->cpus[v->cpu];

	return v->state == READY && v->prio < 100 && c->cur && c->cur->prio >= 100 &&
	       !(in_force(v->server) && !v->server->at_priority);
}

static bool beyond(const struct wtask *k)
{
	return k->phase == T_STARTED && k->pending[0].job.exec_ns >= k->spec->wcet_ns;
}

static enum vmrt_blame class_in_guest(const struct wtask *k)
{
	const struct wthread *t = k->t, *cur = k->m->cpus[t->cpu].cur;

	if (k->phase == T_SLEEPING)
		return VMRT_BLAME_RELEASE;
	if (t->state == RUN && k->phase == T_RELEASED)
		return VMRT_BLAME_RELEASE;
	if (t->state == RUN)
		return beyond(k) ? VMRT_BLAME_OVERRUN : VMRT_BLAME_EXEC;
	if (t->suspended && k->phase == T_STARTED)
		return VMRT_BLAME_BUDGET;
	if (t->state == BLOCKED)
		return k->phase == T_RELEASED ? VMRT_BLAME_RELEASE : VMRT_BLAME_BLOCKING;
	if (t->displaced && k->phase == T_STARTED && (!cur || cur->prio >= 100))
		return VMRT_BLAME_THROTTLING;
	if (!cur)
		return VMRT_BLAME_RELEASE;
	if (cur->task && beyond(cur->task))
		return VMRT_BLAME_GUEST_OVERRUN;
	return VMRT_BLAME_INTERFERENCE;
}

static enum vmrt_blame class_of(const struct world *w, const struct wtask *k)
{
	const struct wthread *v = vcpu_under(k), *cur;
	const struct wcpu *host;

	if (!v)
		return class_in_guest(k);
	host = &v->m->cpus[v->cpu];
	if (v->state == READY) {
		if (in_force(v->server) && !v->server->at_priority)
			return VMRT_BLAME_BUDGET;
		cur = host->cur;
		if (cur && cur->server && cur->server != v->server && in_force(cur->server) &&
			cur->server->at_priority)
			return VMRT_BLAME_SERVER;
		/* it waits for nothing but a CPU that does not run */
		if (!cur && stolen_now(w, host))
			return VMRT_BLAME_STEAL;
		/* the CPU is idle: it leaves that state late, or the kernel holds the thread back
		 */
		if (!cur)
			return v->displaced ? VMRT_BLAME_THROTTLING : VMRT_BLAME_WAKEUP;
		return VMRT_BLAME_HOST_THREAD;
	}
	if (stolen_now(w, host))
		return VMRT_BLAME_STEAL;
	if (v->state == RUN)
		return class_in_guest(k);
	/* its timer is due, and the guest has asked to be woken up for it; not for that of the
	 * wheel */
	if (k->phase == T_SLEEPING)
		return k->how == VMRT_RELEASE_RESCH ? VMRT_BLAME_RELEASE : VMRT_BLAME_VMM;
	/* the guest has nothing to run */
	if (k->t->state == BLOCKED ||
		(k->phase == T_STARTED && (k->t->suspended || k->t->displaced)))
		return class_in_guest(k);
	return VMRT_BLAME_VMM;
}

static void close_gap(struct world *w, struct wthread *v)
{
	bool throttled = v->gap_ns >= THROTTLE_SEEN_NS;

	v->gap_ns = 0;
	for (int i = 0; i < w->n_tasks; i++) {
		struct wtask *k = &w->tasks[i];
		enum vmrt_blame part = throttled ? VMRT_BLAME_THROTTLING : VMRT_BLAME_HOST_THREAD;

		if (k->m != v->guest)
			continue;
		if (throttled)
			k->excess[VMRT_BLAME_THROTTLING] += k->gap_ns[0][v->gcpu];
		for (int j = 0; j < k->n; j++)
			truth_book_gap(k, j, v->gcpu, part);
	}
}

static void add_excess(struct world *w, const struct wtask *by, int64_t ns)
{
	for (int i = 0; i < w->n_tasks; i++) {
		struct wtask *k = &w->tasks[i];

		if (k->m == by->m && k->spec->priority <= by->spec->priority)
			k->excess[k == by ? VMRT_BLAME_OVERRUN : VMRT_BLAME_GUEST_OVERRUN] += ns;
	}
}

static void note_who(struct wtask *k, enum vmrt_blame part, const struct wcpu *c, int64_t ns)
{
	if (c->cur)
		k->who[part][c->cur - c->m->threads] += ns;
}

static void advance_task(struct world *w, struct wtask *k, enum vmrt_blame part, int64_t ns)
{
	struct wthread *v = vcpu_under(k);
	enum vmrt_blame queued = part;

	if (part == VMRT_BLAME_INTERFERENCE || part == VMRT_BLAME_GUEST_OVERRUN)
		note_who(k, part, &k->m->cpus[k->t->cpu], ns);
	else if ((part == VMRT_BLAME_HOST_THREAD || part == VMRT_BLAME_SERVER) && v)
		note_who(k, part, &v->m->cpus[v->cpu], ns);
	if (part == VMRT_BLAME_HOST_THREAD && v && in_gap(v)) {
		for (int j = 0; j < k->n; j++)
			k->gap_ns[j][v->gcpu] += ns;
		return;
	}
	if (part == VMRT_BLAME_EXEC || part == VMRT_BLAME_OVERRUN) {
		k->pending[0].job.exec_ns += ns;
		queued = part == VMRT_BLAME_EXEC ? VMRT_BLAME_INTERFERENCE
						 : VMRT_BLAME_GUEST_OVERRUN;
	}
	if (part == VMRT_BLAME_OVERRUN)
		add_excess(w, k, ns);
	if (part == VMRT_BLAME_STEAL || part == VMRT_BLAME_THROTTLING)
		k->excess[part] += ns;
	for (int j = 0; j < k->n; j++)
		k->pending[j].job.blame_ns[j ? queued : part] += ns;
}

static bool busy(const struct world *w, const struct wtask *of)
{
	for (int i = 0; i < w->n_tasks; i++)
		if (w->tasks[i].m == of->m && w->tasks[i].spec->priority >= of->spec->priority &&
			truth_arrived(w, &w->tasks[i]))
			return true;
	return false;
}

static void advance_server(struct world *w, struct wserver *s, int64_t ns)
{
	if (!s->counting || w->now < s->now.start_ns)
		return;
	for (int i = 0; i < s->n_members; i++) {
		const struct wthread *v = s->members[i];

		if (v->state == READY)
			s->now.waiting_ns += ns;
		if (v->state != RUN)
			continue;
		if (s->enforced ? s->at_priority : v->prio == FIFO(s->spec->priority))
			s->now.consumed_ns += ns;
		else
			s->now.background_ns += ns;
		if (s->now.first_ns == VMRT_UNKNOWN)
			s->now.first_ns = w->now;
		if (stolen_now(w, &v->m->cpus[v->cpu]))
			s->now.steal_ns += ns;
	}
}

void truth_advance(struct world *w, int64_t to)
{
	enum vmrt_blame parts[SIM_TASKS];
	int64_t ns = to - w->now;

	for (int m = 1; m < w->n_machines; m++)
		for (int v = 0; v < w->m[m].n_cpus; v++)
			if (w->m[m].vcpus[v]->gap_ns && !in_gap(w->m[m].vcpus[v]))
				close_gap(w, w->m[m].vcpus[v]);
	if (!ns)
		return;
	for (int i = 0; i < w->n_tasks; i++) {
		if (!busy(w, &w->tasks[i])) {
			memset(w->tasks[i].excess, 0, sizeof(w->tasks[i].excess));
			w->tasks[i].fresh = false;
			w->tasks[i].busy_ns = to;
		}
		if (truth_arrived(w, &w->tasks[i]))
			parts[i] = class_of(w, &w->tasks[i]);
	}
	for (int i = 0; i < w->n_tasks; i++)
		if (truth_arrived(w, &w->tasks[i]))
			advance_task(w, &w->tasks[i], parts[i], ns);
	for (int m = 1; m < w->n_machines; m++)
		for (int v = 0; v < w->m[m].n_cpus; v++)
			if (in_gap(w->m[m].vcpus[v]))
				w->m[m].vcpus[v]->gap_ns += ns;
	for (int i = 0; i < w->n_servers; i++) {
		struct wserver *s = &w->servers[i];

		advance_server(w, s, ns);
		for (int v = 0; v < s->n_members; v++)
			if (s->at_priority && s->members[v]->state == RUN)
				s->used += ns;
	}
}

static void sooner(const struct world *w, int64_t *next, int64_t at)
{
	if (at != VMRT_UNKNOWN && at > w->now && at < *next)
		*next = at;
}

/* When the truth changes although nothing happens. */
int64_t truth_next(const struct world *w)
{
	int64_t next = NEVER;

	for (int i = 0; i < w->n_tasks; i++) {
		const struct wtask *k = &w->tasks[i];

		if (!k->has_head)
			continue;
		sooner(w, &next, k->pending[0].job.arrival_ns);
		sooner(w, &next, k->next_arrival);
		sooner(w, &next, w->now + k->spec->wcet_ns - k->pending[0].job.exec_ns);
	}
	for (int i = 0; i < w->n_servers; i++) {
		const struct wserver *s = &w->servers[i];

		sooner(w, &next, s->now.end_ns);
		sooner(w, &next, s->now.start_ns);
		if (s->at_priority && !s->deplete_known)
			sooner(w, &next,
				w->now + (s->spec->budget_ns - s->used + s->n_members - 1) /
						 s->n_members);
	}
	for (int c = 0; c < w->m[0].n_cpus; c++) {
		sooner(w, &next, w->m[0].cpus[c].steal_from);
		sooner(w, &next, w->m[0].cpus[c].steal_seen_to);
	}
	return next;
}

static void begin_period(struct wserver *s, int64_t k, int64_t start)
{
	memset(&s->now, 0, sizeof(s->now));
	s->now.server = s->index;
	s->now.k = k;
	s->now.start_ns = start;
	s->now.end_ns = start + s->spec->period_ns;
	s->now.budget_ns = s->spec->budget_ns;
	s->now.replenished_ns = s->now.first_ns = s->now.depleted_ns = VMRT_UNKNOWN;
	s->counting = true;
	s->blurred = false;
}

static void emit_period(struct world *w, struct wserver *s, bool truncated)
{
	struct sim_truth *truth = &w->r->truth;

	if (truncated)
		s->now.outcome = VMRT_PERIOD_TRUNCATED;
	else if (!s->enforced)
		s->now.outcome = VMRT_PERIOD_UNENFORCED;
	else
		s->now.outcome = s->now.depleted_ns != VMRT_UNKNOWN ? VMRT_PERIOD_DEPLETED
								    : VMRT_PERIOD_SERVED;
	truth->periods =
		grow(truth->periods, truth->n_periods, &w->periods_room, sizeof(*truth->periods));
	truth->periods[truth->n_periods++] = s->now;
}

void truth_server_started(struct wserver *s)
{
	begin_period(s, 0, s->t0);
}

/* Instants that are due: borders of periods, jobs that queue, servers without budget. */
void truth_grid(struct world *w)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct wserver *s = &w->servers[i];

		if (w->r->truth.start_ns == w->now && !s->enforced && !s->counting)
			begin_period(s, 0, w->now);
		if (s->counting && s->now.end_ns == w->now) {
			emit_period(w, s, false);
			begin_period(s, s->now.k + 1, w->now);
		}
		if (s->at_priority && s->used >= s->spec->budget_ns)
			server_used_up(s);
		if (s->stopped && s->counting) {
			emit_period(w, s, true);
			s->counting = false;
		}
	}
	truth_queue(w);
}

static void emit_slice(struct wthread *t, int64_t state, bool truncated)
{
	struct world *w = t->m->w;
	struct sim_truth *truth = &w->r->truth;
	struct sim_slice *s;

	if ((t->kind != K_TASK && t->kind != K_VCPU && t->kind != K_MAIN) ||
		(t->task && t->task->odd))
		return;
	truth->slices =
		grow(truth->slices, truth->n_slices, &w->slices_room, sizeof(*truth->slices));
	s = &truth->slices[truth->n_slices++];
	memset(s, 0, sizeof(*s));
	s->machine = (uint32_t)t->m->index;
	s->tid = t->pid;
	s->slice.cpu = (uint16_t)t->cpu;
	s->slice.prio = t->prio;
	s->slice.start_ns = t->in_ns;
	s->slice.end_ns = w->now;
	s->slice.end_state = sim_recorded_state(t->m->kernel, state);
	s->slice.truncated = truncated;
}

void truth_switch_in(struct wthread *t)
{
	if (!t->task)
		return;
	t->task->odd = t->task->renaming || t->task->renamed_jobs;
	truth_job_in(t);
}

void truth_switch_out(struct wthread *t, int64_t state)
{
	emit_slice(t, state, false);
	if (t->task)
		truth_job_out(t, state);
}

void note_clip(struct world *w, const struct wcpu *c, int64_t from, int64_t to)
{
	struct sim_truth *truth = &w->r->truth;

	if (from >= to)
		return;
	truth->clips = grow(truth->clips, truth->n_clips, &w->clips_room, sizeof(*truth->clips));
	truth->clips[truth->n_clips++] = (struct sim_hole){.machine = (uint32_t)c->m->index,
		.cpu = (uint16_t)c->index,
		.from_ns = from,
		.to_ns = to};
}

/* What is known of CPU @c ends with its last record, and what lies before its first one is not
 * known either. */
static void clip(struct world *w, const struct wcpu *c)
{
	if (c->clip_from && c->first_recorded != NEVER)
		note_clip(w, c, w->start, c->first_recorded);
	if (c->clip_to != NEVER)
		note_clip(w, c, c->last_recorded == VMRT_UNKNOWN ? w->start : c->last_recorded,
			w->end);
}

void truth_finish(struct world *w)
{
	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++)
			clip(w, &w->m[m].cpus[c]);
	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++)
			if (w->m[m].cpus[c].lost)
				note_hole(&w->m[m].cpus[c], true);
	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++)
			if (w->m[m].cpus[c].first_recorded > w->r->truth.known_ns)
				w->r->truth.known_ns = w->m[m].cpus[c].first_recorded;
	for (int i = 0; i < w->n_servers; i++)
		if (w->servers[i].counting && w->servers[i].now.start_ns < w->now)
			emit_period(w, &w->servers[i], true);
	truth_unfinished(w);
	for (int m = 0; m < w->n_machines; m++)
		for (int i = 0; i < w->m[m].n_threads; i++)
			if (w->m[m].threads[i].state == RUN)
				emit_slice(&w->m[m].threads[i], 0, true);
}

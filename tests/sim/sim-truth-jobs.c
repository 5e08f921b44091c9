/* SPDX-License-Identifier: MIT */
/* What is true of jobs: when each arrives, is released, starts and ends, by what the threads do. */
#include "world.h"

#include <string.h>

#define WAKES_WITHIN_NS (100 * US) /* documented: a later wake-up may be another interrupt's */

bool truth_arrived(const struct world *w, const struct wtask *k)
{
	return k->has_head && k->pending[0].job.arrival_ns <= w->now;
}

/* What pending job number @job waited in the gap of vCPU @vcpu counts as @part. */
void truth_book_gap(struct wtask *k, int job, int vcpu, enum vmrt_blame part)
{
	k->pending[job].job.blame_ns[part] += k->gap_ns[job][vcpu];
	k->gap_ns[job][vcpu] = 0;
}

static void queue_next(struct wtask *k)
{
	k->next_arrival_local += k->period_ns;
	k->next_arrival = host_at(k->m, k->next_arrival_local);
}

static void open_job(struct wtask *k, int at, int64_t arrival_local, int64_t arrival)
{
	struct sim_job *j = &k->pending[at];

	memset(j, 0, sizeof(*j));
	j->job.task = k->index;
	j->tid = k->t->pid;
	j->job.arrival_local_ns = arrival_local;
	j->job.arrival_ns = arrival;
	j->job.deadline_ns = host_at(k->m, arrival_local + k->deadline_ns);
	j->job.release_ns = j->job.start_ns = j->job.end_ns = VMRT_UNKNOWN;
	j->job.response_ns = VMRT_UNKNOWN;
	j->closed_ns = VMRT_UNKNOWN;
	j->first = at && k->pending[0].first;
	j->loose_ns = k->loose_ns;
	j->born_ns = k->born_ns;
	memset(k->gap_ns[at], 0, sizeof(k->gap_ns[at]));
}

/* Jobs that arrive now behind the one in front. */
void truth_queue(struct world *w)
{
	for (int i = 0; i < w->n_tasks; i++) {
		struct wtask *k = &w->tasks[i];

		if (!k->has_head || k->next_arrival != w->now)
			continue;
		if (k->n == SIM_PENDING) {
			snprintf(w->broken_story, sizeof(w->broken_story), "too many jobs queue");
			return;
		}
		open_job(k, k->n++, k->next_arrival_local, w->now);
		queue_next(k);
	}
}

static void drop(struct wtask *k, int at)
{
	k->n--;
	memmove(&k->pending[at], &k->pending[at + 1], (size_t)(k->n - at) * sizeof(k->pending[0]));
	memmove(&k->gap_ns[at], &k->gap_ns[at + 1], (size_t)(k->n - at) * sizeof(k->gap_ns[0]));
}

/* Threads of one name weigh together; those of VMs have names of their own. */
static bool is_alike(const struct wmachine *m, const struct wthread *a, const struct wthread *b)
{
	bool hogs =
		(a->kind == K_HOG && b->kind == K_HOG) || (a->kind == K_LOAD && b->kind == K_LOAD);

	return a == b || ((m->index || hogs) && !strcmp(a->comm, b->comm));
}

static void find_who(struct wtask *k, struct sim_job *j)
{
	for (int p = 0; p < VMRT_BLAMES; p++) {
		bool host = p == VMRT_BLAME_HOST_THREAD || p == VMRT_BLAME_SERVER;
		const struct wmachine *m = host ? &k->m->w->m[0] : k->m;
		int64_t all[SIM_THREADS] = {0}, second = 0, after = 0;
		int best = -1;

		for (int i = 0; i < m->n_threads; i++)
			for (int o = 0; k->who[p][i] && o < m->n_threads; o++)
				if (is_alike(m, &m->threads[i], &m->threads[o]))
					all[i] += k->who[p][o];
		for (int i = 0; i < m->n_threads; i++)
			if (all[i] && (best < 0 || all[i] > all[best] ||
					      (is_alike(m, &m->threads[i], &m->threads[best]) &&
						      k->who[p][i] > k->who[p][best])))
				best = i;
		if (best < 0)
			continue;
		for (int i = 0; i < m->n_threads; i++) {
			bool alike = is_alike(m, &m->threads[i], &m->threads[best]);

			if (!alike && all[i] > second)
				second = all[i];
			if (alike && i != best && k->who[p][i] > after)
				after = k->who[p][i];
		}
		j->who_tid[p] = m->threads[best].pid;
		j->who_lead[p] = all[best] - second;
		if (k->who[p][best] - after < j->who_lead[p])
			j->who_lead[p] = k->who[p][best] - after;
	}
	memset(k->who, 0, sizeof(k->who));
}

/* The job in front is over, or the world ends. */
static void emit_job(struct world *w, struct wtask *k)
{
	struct sim_truth *truth = &w->r->truth;
	struct sim_job *j = &k->pending[0];

	for (int v = 0; v < 2; v++)
		truth_book_gap(k, 0, v, VMRT_BLAME_HOST_THREAD);
	j->closed_ns = j->proof_ns = w->now;
	j->fresh = k->fresh;
	j->busy_ns = k->busy_ns;
	memcpy(j->job.excess_ns, k->excess, sizeof(k->excess));
	find_who(k, j);
	truth->jobs = grow(truth->jobs, truth->n_jobs, &w->jobs_room, sizeof(*truth->jobs));
	truth->jobs[truth->n_jobs++] = *j;
	drop(k, 0);
}

/* How much later a job may end because of @excess, by docs/metrics.md. */
static int64_t inflated(const struct wtask *k, int64_t excess)
{
	const struct wthread *v = k->m->index ? k->m->vcpus[k->t->cpu] : NULL;
	const struct wserver *s = v ? v->server : NULL;

	if (!s || !s->enforced || !s->started || excess <= 0)
		return excess;
	return excess + (excess + s->spec->budget_ns - 1) / s->spec->budget_ns *
				(s->spec->period_ns - s->spec->budget_ns);
}

static void judge(struct wtask *k, int64_t tardiness)
{
	struct vmrt_job *j = &k->pending[0].job;
	int64_t excess = 0;

	for (int p = 0; p < VMRT_BLAMES; p++)
		excess += k->excess[p];
	j->excused = tardiness > 0 && tardiness <= inflated(k, excess);
}

void truth_ended(struct wtask *k)
{
	struct world *w = k->m->w;
	struct sim_job *j = &k->pending[0];

	j->ended = true;
	j->job.end_ns = w->now;
	j->job.end_local_ns = local_at(k->m, w->now);
	j->job.response_ns = j->job.end_local_ns - j->job.arrival_local_ns;
	j->job.outcome =
		j->job.response_ns > k->deadline_ns ? VMRT_OUTCOME_MISSED : VMRT_OUTCOME_MET;
	judge(k, j->job.response_ns - k->deadline_ns);
	emit_job(w, k);
	k->phase = T_NONE;
	k->has_head = false;
}

/* The job that arrives at @local is the next in front; @skipped releases before it are nobody's. */
static void put_in_front(struct wtask *k, int64_t local, int64_t skipped, bool first)
{
	while (k->n && k->pending[0].job.arrival_local_ns < local)
		drop(k, 0);
	if (!k->n) {
		open_job(k, 0, local, host_at(k->m, local));
		k->n = 1;
		k->next_arrival_local = local;
		queue_next(k);
	}
	k->has_head = true;
	k->k += skipped;
	k->pending[0].job.k = k->k++;
	k->pending[0].job.skipped = skipped;
	k->pending[0].first |= first;
	k->pending[0].armed_ns = task_waits(k) ? k->armed_at_ns : k->m->w->now;
	k->phase = T_SLEEPING;
	memset(k->who, 0, sizeof(k->who));
}

static bool may_miss(const struct world *w)
{
	return has(w, SIM_LOSS) || has(w, SIM_CLIPPED);
}

/* RESCH counts ticks: when the present one began is known only as well as a record is close to
 * that, and this may be the first one, where records are missing or the recording began late. */
static void note_tick(struct wtask *k)
{
	struct sim_job *j = &k->pending[0];
	int64_t late = (local_at(k->m, k->m->w->now) - j->job.arrival_local_ns) % TICK_NS;

	late += late < 0 ? TICK_NS : 0;
	if (k->how == VMRT_RELEASE_RESCH && (may_miss(k->m->w) || has(k->m->w, SIM_LATE_START)) &&
		late > j->loose_ns)
		j->loose_ns = late;
}

/* The thread waits for a release at @expires_local from now on; not @on_grid: it counts from now
 * on. */
void truth_armed(struct wtask *k, int64_t expires_local, bool on_grid)
{
	int64_t before = VMRT_UNKNOWN, skipped = 0;
	struct sim_job *last;
	bool first = k->phase == T_NONE, unseen = false;

	if (first) {
		k->n = 0;
		k->fresh = true;
	} else {
		before = k->pending[0].job.arrival_local_ns;
		truth_ended(k);
		/* of these timers the switch that follows says what they were armed for */
		last = &k->m->w->r->truth.jobs[k->m->w->r->truth.n_jobs - 1];
		last->unproven = k->how == VMRT_RELEASE_RESCH || k->how == VMRT_RELEASE_DEADLINE;
		unseen = last->optional && last->unproven;
		if (on_grid)
			skipped = (expires_local - before) / k->period_ns - 1;
	}
	/* behind one that the recording may not show, it is the first that it does */
	put_in_front(k, expires_local, skipped, first || unseen);
	note_tick(k);
	/* only absolute sleeps and timers are remembered of threads that do not have the task's
	 * name yet */
	if (first && k->how != VMRT_RELEASE_NANOSLEEP && !task_waits(k))
		k->pending[0].optional = true;
	if (k->how == VMRT_RELEASE_RELATIVE) {
		k->pending[0].optional |= k->spec->release == VMRT_RELEASE_AUTO;
		k->next_arrival = NEVER;
	}
}

/* The thread is late for the next job, which arrived at @arrival_local, and goes on with that. */
void truth_goes_on(struct wtask *k, int64_t arrival_local)
{
	truth_ended(k);
	put_in_front(k, arrival_local, 0, false);
	k->pending[0].job.release_ns = k->pending[0].job.start_ns = k->m->w->now;
	k->phase = T_STARTED;
	/* that relative sleeps are releases is found out with time */
	k->pending[0].optional =
		k->m->w->r->truth.jobs[k->m->w->r->truth.n_jobs - 1].optional ||
		(k->how == VMRT_RELEASE_RELATIVE && k->spec->release == VMRT_RELEASE_AUTO);
}

/* The job that has just ended may be one that the recording does not show: then the next one is the
 * first that it does. */
static bool was_unseen_first(const struct wtask *k)
{
	const struct sim_truth *truth = &k->m->w->r->truth;
	const struct sim_job *last = &truth->jobs[truth->n_jobs - 1];

	return last->optional && last->first;
}

/* A timer that goes on by itself is armed anew, to @expires_local: releases in between are
 * nobody's. */
void truth_consumed(struct wtask *k, int64_t expires_local)
{
	int64_t head;

	/* it did not get to sleep */
	if (k->pending[0].job.arrival_local_ns < k->armed_local_ns) {
		truth_ended(k);
		put_in_front(k, k->armed_local_ns, k->skip_next, was_unseen_first(k));
		k->pending[0].job.release_ns = k->fired_ns;
		k->pending[0].job.start_ns = k->m->w->now;
		k->phase = T_STARTED;
	}
	head = k->pending[0].job.arrival_local_ns;
	while (k->n > 1 && k->pending[1].job.arrival_local_ns < expires_local)
		drop(k, 1);
	k->skip_next = (expires_local - head) / k->period_ns - 1;
}

/* From now on the thread does not bear the task's name, and what it does is not seen as the task's.
 */
void truth_renamed(struct wtask *k)
{
	k->n = 0;
	k->has_head = false;
	k->phase = T_NONE;
}

/* And from now on, within a job, it does again. */
void truth_named_again(struct wtask *k)
{
	struct sim_truth *truth = &k->m->w->r->truth;
	struct sim_job *j;

	truth->jobs = grow(truth->jobs, truth->n_jobs, &k->m->w->jobs_room, sizeof(*truth->jobs));
	j = &truth->jobs[truth->n_jobs++];
	memset(j, 0, sizeof(*j));
	j->job.task = k->index;
	j->job.arrival_local_ns = k->arrival_ns;
	j->job.arrival_ns = j->closed_ns = j->proof_ns = host_at(k->m, k->arrival_ns);
	j->ghost = j->optional = true;
}

/* The job of the task that was given last, or NULL. */
static struct sim_job *last_of(struct wtask *k)
{
	struct sim_truth *truth = &k->m->w->r->truth;

	for (size_t i = truth->n_jobs; i-- > 0;)
		if (truth->jobs[i].job.task == k->index)
			return &truth->jobs[i];
	return NULL;
}

/* That the job given last had ended shows now, and not before. */
static void proven(struct wtask *k)
{
	struct sim_job *last = last_of(k);

	if (!last)
		return;
	last->proof_ns = k->m->w->now;
	last->unproven = false;
}

void truth_released(struct wtask *k)
{
	struct sim_job *j = &k->pending[0];

	if (k->phase != T_SLEEPING)
		return;
	j->job.release_ns = k->m->w->now;
	if (k->how == VMRT_RELEASE_RESCH) {
		int64_t late =
			(local_at(k->m, j->job.release_ns) - j->job.arrival_local_ns) % TICK_NS;

		/* it may be this record that is missing */
		if (!may_miss(k->m->w) || late > j->loose_ns)
			k->loose_ns = j->loose_ns = late;
	}
	k->phase = T_RELEASED;
	/* of the others their next wake-up does */
	if (k->how == VMRT_RELEASE_RESCH || k->how == VMRT_RELEASE_DEADLINE)
		proven(k);
}

void truth_woken(struct wtask *k)
{
	struct sim_job *last;

	if (!task_waits(k) || k->phase != T_RELEASED)
		return;
	proven(k);
	if (k->m->w->now - k->pending[0].job.release_ns <= WAKES_WITHIN_NS)
		return;
	/* the host did not run in between: for all that is recorded, something else may have woken
	 * it, also from a sleep before its first job */
	last = last_of(k);
	if (k->pending[0].first)
		k->pending[0].optional = true;
	else if (last)
		last->doubtful = k->pending[0].begins_in_doubt = true;
}

static void start(struct wtask *k)
{
	k->pending[0].job.start_ns = k->m->w->now;
	k->phase = T_STARTED;
}

void truth_awake(struct wtask *k)
{
	if (k->phase == T_RELEASED)
		start(k);
}

void truth_job_in(struct wthread *t)
{
	if (t->task->phase == T_STARTED && t->last_cpu != t->cpu)
		t->task->pending[0].job.migrations++;
	if (t->task->phase == T_RELEASED)
		start(t->task);
}

void truth_job_out(struct wthread *t, int64_t state)
{
	struct wtask *k = t->task;

	if (k->phase == T_SLEEPING && !task_waits(k) && (state != 0 || t->parked))
		proven(k);
	if (k->phase != T_STARTED)
		return;
	if (state == 0)
		k->pending[0].job.preemptions++;
	if (k->how == VMRT_RELEASE_WAKEUP && state != 0 && !t->suspended) {
		truth_ended(k);
		return;
	}
	if (!k->waiting || state == 0)
		return;
	/* it went to sleep for its timer: that was the end of its job */
	truth_ended(k);
	k->m->w->r->truth.jobs[k->m->w->r->truth.n_jobs - 1].unproven = true;
	put_in_front(k, k->armed_local_ns, k->skip_next, was_unseen_first(k));
	k->skip_next = 0;
	/* the timer expired on another CPU while the thread was on its way to sleep */
	if (k->expired) {
		k->pending[0].job.release_ns = k->fired_ns;
		k->phase = T_RELEASED;
	}
}

/* The sleeping thread of a task that others release is woken: that is its release. */
void truth_wakeup(struct wtask *k)
{
	int64_t now = k->m->w->now;

	if (k->phase != T_NONE)
		return;
	k->n = 0;
	put_in_front(k, local_at(k->m, now), 0, false);
	k->next_arrival = NEVER;
	k->pending[0].job.arrival_ns = k->pending[0].job.release_ns = now;
	k->phase = T_RELEASED;
}

/* No record has shown the end of the last job: then none shows that the next one has arrived
 * either. */
static bool is_unproven(const struct world *w, const struct wtask *k)
{
	const struct sim_truth *truth = &w->r->truth;

	for (size_t i = truth->n_jobs; i-- > 0;)
		if (truth->jobs[i].job.task == k->index)
			return truth->jobs[i].unproven && !task_waits(k);
	return false;
}

/* What is under way when the world ends. */
void truth_unfinished(struct world *w)
{
	for (int i = 0; i < w->n_tasks; i++) {
		struct wtask *k = &w->tasks[i];
		bool served_at_once = false;

		if (!truth_arrived(w, k))
			continue;
		for (bool odd = k->pending[0].optional || is_unproven(w, k);
			k->n && k->pending[0].job.arrival_ns < w->now;) {
			struct sim_job *j = &k->pending[0];

			j->optional |= odd;
			/* its timer expires once; what passes until it is served is skipped */
			j->ghost |= !j->armed_ns && (k->late || (served_at_once && task_waits(k)));
			served_at_once |= !j->armed_ns || j->job.start_ns == VMRT_UNKNOWN;
			if (!j->armed_ns) {
				j->job.skipped = k->skip_next;
				j->job.k = k->k += k->skip_next;
				k->k++;
				k->skip_next = 0;
			}
			j->job.outcome = j->job.deadline_ns < w->now
						 ? VMRT_OUTCOME_MISSED_INCOMPLETE
						 : VMRT_OUTCOME_TRUNCATED;
			emit_job(w, k);
		}
	}
}

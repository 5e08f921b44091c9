/* SPDX-License-Identifier: MIT */
/*
 * Jobs of declared tasks, from scheduler and timer events alone.
 *
 * A periodic thread sleeps with clock_nanosleep(TIMER_ABSTIME). Arming that timer ends the job in
 * progress and shows the arrival of the next one exactly: it is the timer's programmed expiry, also
 * when it lies in the past because the job ran too long.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

/* Arrivals further off the task's grid than this share of the period are not releases on it. */
#define GRID_TOLERANCE 100
/* An absolute timer so far ahead is not on the monotonic clock. */
#define FAR_NS (1000000 * VMRT_NS_PER_S)
/* The last jobs that count for what is usual. */
#define USUAL_OF 8
/* By a record clock of a larger error no job is judged: it was set, or stood still. */
#define WORST_CLOCK_NS (100 * VMRT_NS_PER_MS)
/* How far behind a task may be is computed with this period while its own is not known. */
#define UNDECLARED_PERIOD_NS (100 * VMRT_NS_PER_MS)

/* Timers of other clocks, and what no task could be behind or ahead, are not arrivals. */
static bool is_near(const struct jobs *j, int64_t expires, int64_t now)
{
	int64_t period = j->rel.period_ns ? j->rel.period_ns : UNDECLARED_PERIOD_NS, ahead;

	if (__builtin_sub_overflow(expires, now, &ahead))
		return false;
	if (ahead < 0) /* it may seem to be behind by as much as the clock is wrong */
		ahead += j->machine->config->record_error_ns;
	return ahead < FAR_NS && ahead / BACKLOG_MAX >= -period;
}

/* The timer of the open job expired. */
static void fired(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	j->job.release_local_ns = local_ns;
	j->job.release_ns = host_ns;
	change_job_state(j, host_ns, JOB_RELEASED);
}

bool jobs_bind(struct thread *t, struct machine *m, const char *comm, uint32_t task)
{
	const struct vmrt_task_spec *spec = &m->engine->config->experiment->tasks[task];
	struct jobs *j;

	if (t->jobs)
		return true;
	j = calloc(1, sizeof(*j));
	if (j)
		j->machine = m;
	if (!j || !change_jobs(j, m->engine->now_ns)) {
		free(j);
		m->engine->out_of_memory = true;
		return false;
	}
	threads_name(t, comm);
	if (t->announced && t->pub.task != task)
		threads_forget(t);
	t->pub.task = task;
	threads_announce(m, t);
	j->thread = t;
	j->spec = spec;
	j->task = task;
	j->lost_to_ns = VMRT_UNKNOWN;
	change_job_state(j, m->engine->now_ns, t->created ? JOB_NONE : JOB_HEAD);
	t->jobs = j;
	m->engine->found[task].seen = true;
	m->engine->found[task].machine = m;
	release_init(j);
	if (t->armed_local_ns != VMRT_UNKNOWN && is_near(j, t->armed_expires_ns, t->armed_local_ns))
		release_armed(j, t->armed_local_ns, m->engine->now_ns, t->armed_expires_ns,
			t->armed_timer, clocks_of(m, t->armed_timer));
	if (t->armed_local_ns != VMRT_UNKNOWN && t->fired_local_ns != VMRT_UNKNOWN &&
		j->state == JOB_SLEEPING)
		fired(j, t->fired_local_ns, t->fired_ns);
	t->armed_local_ns = VMRT_UNKNOWN; /* it is the task's, not the next one's of this thread */
	return true;
}

void jobs_clear(struct jobs *j)
{
	struct vmrt_job *job = &j->job;

	memset(job, 0, sizeof(*job));
	job->task = j->task;
	job->thread = j->thread->pub.id;
	job->arrival_ns = job->release_ns = job->start_ns = job->end_ns = job->deadline_ns =
		VMRT_UNKNOWN;
	job->arrival_local_ns = job->release_local_ns = VMRT_UNKNOWN;
	job->start_local_ns = job->end_local_ns = VMRT_UNKNOWN;
	job->exec_ns = job->response_ns = VMRT_UNKNOWN;
	job->mark_begin_local_ns = job->mark_end_local_ns = VMRT_UNKNOWN;
	job->unsure_ns = VMRT_UNKNOWN;
	job->cause = -1;
}

static void leave_unjudged(struct vmrt_job *job)
{
	job->outcome = VMRT_OUTCOME_UNKNOWN;
	job->cause = -1;
	job->excused = false;
}

/* Jobs are numbered when they are given, so that what was no job after all leaves no gap. */
static void emit(struct jobs *j)
{
	struct vmrt_engine *e = j->machine->engine;

	if (trial_holds(j))
		return;
	if (j->machine->config->record_error_ns > WORST_CLOCK_NS &&
		j->job.outcome != VMRT_OUTCOME_TRUNCATED)
		leave_unjudged(&j->job);
	j->rel.had_job |= j->job.arrival_ns != VMRT_UNKNOWN;
	e->found[j->task].has_job |= j->job.outcome != VMRT_OUTCOME_TRUNCATED;
	j->job.k = e->next_k[j->task] + j->job.skipped;
	e->next_k[j->task] = j->job.k + 1;
	if (e->sink.job)
		e->sink.job(e->sink.ctx, &j->job);
}

/*
 * How much later a job may end because of @excess: a server with little budget left supplies it
 * only over several periods, at worst with a blackout of period - budget before each budget.
 */
static int64_t inflated(const struct jobs *j, int64_t excess)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);
	const struct vmrt_server *s = v && v->server ? &v->server->pub : NULL;

	if (excess <= 0 || !s || !s->enforced || s->budget_ns <= 0)
		return excess;
	return excess + (excess + s->budget_ns - 1) / s->budget_ns * (s->period_ns - s->budget_ns);
}

static int largest(const int64_t *parts, const enum vmrt_blame *among, size_t n)
{
	int best = -1;

	for (size_t i = 0; i < n; i++)
		if (parts[among[i]] > 0 && (best < 0 || parts[among[i]] > parts[best]))
			best = (int)among[i];
	return best;
}

/*
 * The cause of a job that executed for longer than its deadline: no other part would have let it
 * meet it. One that sleeps for what is left of its period may have been several jobs, whose ends
 * are not known.
 */
static enum vmrt_blame execution_as_cause(const struct jobs *j)
{
	int64_t exec = j->job.blame_ns[VMRT_BLAME_EXEC], least = j->rel.usual.least_exec_ns;

	return j->rel.mechanism == VMRT_RELEASE_RELATIVE && least > 0 && exec / 2 >= least
		       ? VMRT_BLAME_UNKNOWN
		       : VMRT_BLAME_EXEC;
}

static void find_cause(struct jobs *j, int64_t tardiness)
{
	static const enum vmrt_blame excuses[] = {VMRT_BLAME_OVERRUN, VMRT_BLAME_GUEST_OVERRUN,
		VMRT_BLAME_STEAL, VMRT_BLAME_THROTTLING};
	static const enum vmrt_blame causes[] = {VMRT_BLAME_RELEASE, VMRT_BLAME_OVERRUN,
		VMRT_BLAME_INTERFERENCE, VMRT_BLAME_GUEST_OVERRUN, VMRT_BLAME_BLOCKING,
		VMRT_BLAME_BUDGET, VMRT_BLAME_SERVER, VMRT_BLAME_HOST_THREAD, VMRT_BLAME_WAKEUP,
		VMRT_BLAME_VMM, VMRT_BLAME_THROTTLING, VMRT_BLAME_STEAL, VMRT_BLAME_IRQ,
		VMRT_BLAME_UNKNOWN};
	struct vmrt_job *job = &j->job;
	int64_t excess = 0;

	for (size_t i = 0; i < sizeof(excuses) / sizeof(excuses[0]); i++)
		excess += job->excess_ns[excuses[i]];
	job->excused = tardiness <= inflated(j, excess);
	if (job->excused)
		job->cause = largest(job->excess_ns, excuses, sizeof(excuses) / sizeof(excuses[0]));
	else if (job->blame_ns[VMRT_BLAME_EXEC] > j->spec->deadline_ns)
		job->cause = execution_as_cause(j);
	else
		job->cause = largest(job->blame_ns, causes, sizeof(causes) / sizeof(causes[0]));
}

void jobs_set_arrival(struct jobs *j, int64_t host_ns, int64_t local_ns)
{
	j->job.arrival_local_ns = local_ns;
	j->job.arrival_ns = to_host(j->machine, local_ns);
	change_job_arrival(j, host_ns, j->job.arrival_ns);
	if (j->spec->deadline_ns > 0)
		j->job.deadline_ns = to_host(j->machine, local_ns + j->spec->deadline_ns);
}

/*
 * A thread that merges releases does nothing when its job ends. Where it is not known how it left
 * its CPU, and the time in which it did holds the next two releases, it may have ended its job and
 * begun another one.
 */
static bool may_be_several(const struct jobs *j, int64_t tardiness)
{
	int64_t first, second;

	if (tardiness <= 0 || !j->job.inferred || !release_merges(j) || j->rel.period_ns <= 0 ||
		j->job.unsure_ns == VMRT_UNKNOWN || j->job.unsure_ns < tardiness ||
		__builtin_add_overflow(j->job.arrival_ns, j->rel.period_ns, &first) ||
		__builtin_add_overflow(first, j->rel.period_ns, &second))
		return false;
	for (size_t i = 0; i < j->n_unsure; i++)
		if (j->unsure[i].from_ns < first && j->unsure[i].to_ns > second)
			return true;
	return false;
}

/* What a job usually executes, as a moving mean. */
static void note_execution(struct jobs *j)
{
	int64_t ns = j->job.exec_ns, *usual = &j->rel.usual.exec_ns;

	if (ns == VMRT_UNKNOWN)
		return;
	if (!*usual || ns < j->rel.usual.least_exec_ns)
		j->rel.usual.least_exec_ns = ns;
	*usual = *usual ? *usual + (ns - *usual) / USUAL_OF : ns;
}

/* The open job ended. */
void jobs_complete(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct vmrt_job *job = &j->job;
	int64_t tardiness;
	bool sums, several;

	accounts_at(j->machine, host_ns);
	job->end_local_ns = local_ns;
	job->end_ns = host_ns;
	if (__builtin_sub_overflow(local_ns, job->arrival_local_ns, &job->response_ns))
		job->response_ns = -1;
	sums = blame_close(j);
	if (jobs_contradict(j)) {
		sums = false;
		jobs_forget_times(j);
		job->outcome = VMRT_OUTCOME_UNKNOWN;
	}
	j->machine->stats.contradictions += !sums;
	if (job->response_ns == VMRT_UNKNOWN) {
		emit(j);
		return;
	}
	jobs_forget_unseen(j);
	note_execution(j);
	tardiness = job->response_ns - j->spec->deadline_ns;
	job->outcome = tardiness > 0 ? VMRT_OUTCOME_MISSED : VMRT_OUTCOME_MET;
	if (tardiness > 0)
		find_cause(j, tardiness);
	several = may_be_several(j, tardiness);
	if (several)
		jobs_forget_times(j);
	if (j->spec->deadline_ns <= 0 && jobs_lost_events(j)) {
		/* the outcome cannot say that the times are in doubt */
		job->end_local_ns = job->end_ns = job->response_ns = job->exec_ns = VMRT_UNKNOWN;
		memset(job->blame_ns, 0, sizeof(job->blame_ns));
	}
	if (jobs_lost_events(j) || j->spec->deadline_ns <= 0 || several)
		leave_unjudged(job);
	emit(j);
}

/* A job about which only its place in the sequence is known. */
void jobs_emit_bare(struct jobs *j, enum vmrt_outcome outcome)
{
	struct vmrt_job kept = j->job;

	jobs_clear(j);
	j->job.outcome = outcome;
	emit(j);
	j->job = kept;
}

/* The open job, of whose end nothing is known. */
void jobs_emit_open(struct jobs *j, enum vmrt_outcome outcome)
{
	j->job.outcome = outcome;
	emit(j);
}

/* How many releases on the grid lie between two arrivals. */
static int64_t count_skipped(const struct jobs *j, int64_t before, int64_t expires)
{
	int64_t period = j->rel.period_ns, n;

	if (!period || j->rel.off_grid || before == VMRT_UNKNOWN || expires <= before)
		return 0;
	n = (expires - before + period / 2) / period;
	if (n < 2 || llabs(expires - before - n * period) > period / GRID_TOLERANCE)
		return 0;
	return n - 1;
}

/* Gives the releases between two arrivals that nobody served; returns how many. */
int64_t jobs_skip(struct jobs *j, int64_t before, int64_t expires)
{
	int64_t n;

	period_note(j, before, expires);
	n = count_skipped(j, before, expires);
	if (!jobs_lost_events(j)) {
		if (j->job.end_local_ns != VMRT_UNKNOWN)
			arrivals_note(j, before, j->job.end_local_ns, expires, n);
		return n;
	}
	/* what there is no room for is a number only */
	for (; n && engine_may_add(j->machine->engine); n--)
		jobs_emit_bare(j, VMRT_OUTCOME_UNKNOWN);
	return n;
}

/* The next job is due when @timer expires, at @expires or, if that is VMRT_UNKNOWN, when it does.
 */
void jobs_await(struct jobs *j, int64_t host_ns, int64_t skipped, int64_t expires, uint64_t timer)
{
	jobs_clear(j);
	j->job.skipped = skipped;
	j->rel.sleep.pending = expires == VMRT_UNKNOWN;
	j->rel.sleep.woke = false;
	j->rel.open.idle_ns = 0;
	if (j->rel.sleep.pending) {
		j->job.arrival_ns = j->job.arrival_local_ns = INT64_MAX;
		change_job_arrival(j, host_ns, INT64_MAX);
	} else {
		jobs_set_arrival(j, host_ns, expires);
	}
	change_job_state(j, host_ns, JOB_SLEEPING);
	j->slept = false;
	j->timer = timer;
	blame_open(j, host_ns);
	blame_busy_ends(j->machine, host_ns);
}

static void note_arming(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires, uint64_t timer)
{
	int64_t before, skipped = 0;

	switch (j->state) {
	case JOB_NONE:
		break;
	case JOB_HEAD:
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
		break;
	case JOB_SLEEPING: /* the sleep was cut short and begins anew */
		jobs_sleep_anew(j, local_ns, host_ns, expires);
		break;
	case JOB_RELEASED:
	case JOB_STARTED:
		if (catchup(j, local_ns, host_ns, &expires))
			break;
		before = j->job.arrival_local_ns;
		jobs_complete(j, local_ns, host_ns);
		if (expires != VMRT_UNKNOWN)
			skipped = jobs_skip(j, before, expires);
		break;
	}
	jobs_await(j, host_ns, skipped, expires, timer);
}

/* Is a timer armed inside a job the release of the next one, or a sleep within the job? */
static bool is_release(const struct jobs *j, int64_t expires)
{
	int64_t ahead;

	/* a period that was found out may be several of the task's, if it has left out releases */
	if ((j->state != JOB_RELEASED && j->state != JOB_STARTED) || !j->spec->period_ns)
		return true;
	ahead = expires - j->job.arrival_local_ns;
	return ahead >= j->rel.period_ns / 2;
}

/* @expires is on the task's own clock, or VMRT_UNKNOWN; false: it is no release. */
bool jobs_timer_start(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires, uint64_t timer)
{
	if (expires != VMRT_UNKNOWN && !is_near(j, expires, local_ns))
		return false;
	if (expires != VMRT_UNKNOWN && !is_release(j, expires)) {
		arrivals_note_within(j, expires);
		return false;
	}
	arrivals_note_divided(j, expires);
	note_arming(j, local_ns, host_ns, expires, timer);
	return true;
}

/*
 * The thread runs since its job's timer expired, but that was recorded on a CPU whose times are
 * ahead: the job was released no later than it started.
 */
static void learn_release(struct jobs *j, uint64_t timer, int64_t host_ns)
{
	if (j->state != JOB_STARTED || timer != j->timer || j->job.release_ns != VMRT_UNKNOWN ||
		host_ns - j->job.start_ns > CONTRADICTION_NS)
		return;
	j->job.release_ns = j->job.start_ns;
	j->job.release_local_ns = j->job.start_local_ns;
}

void jobs_timer_expire(struct jobs *j, uint64_t timer, int64_t local_ns, int64_t host_ns)
{
	learn_release(j, timer, host_ns);
	if (j->state != JOB_SLEEPING || timer != j->timer || j->rel.sleep.pending)
		return;
	fired(j, local_ns, host_ns);
}

void jobs_start(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	change_job_state(j, host_ns, JOB_STARTED);
	j->job.start_local_ns = local_ns;
	j->job.start_ns = host_ns;
}

void jobs_wakeup(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	if (j->state == JOB_SLEEPING && j->arrives_ns <= host_ns)
		change_job_state(j, host_ns, JOB_RELEASED); /* its expiry was not recorded */
	/* the timer was in the past: the thread goes on without having been switched out */
	if (j->state == JOB_RELEASED && j->thread->state == THREAD_RUNNING)
		jobs_start(j, ev->ts, host_ns);
}

void jobs_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns, bool inferred)
{
	j->job.inferred |= inferred;
	release_switch_in(j, local_ns, host_ns);
	/*
	 * Its expiry was not recorded, but the thread runs again: it must have expired. Unless the
	 * thread was only preempted on its way from arming the timer into sleep.
	 */
	if (j->state == JOB_SLEEPING && j->slept && j->job.arrival_local_ns <= local_ns)
		change_job_state(j, host_ns, JOB_RELEASED);
	if (j->state == JOB_RELEASED)
		jobs_start(j, local_ns, host_ns);
}

void jobs_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	release_switch_out(j, state, local_ns, host_ns);
	if (state != 0)
		j->slept = true;
	/* not while it is on its way to sleep */
	if (j->state == JOB_STARTED && state == 0 && !j->confirming)
		j->job.preemptions++;
}

/* The thread was preempted on another CPU before its run began: the record of that comes late. */
void jobs_preempted_before(struct jobs *j)
{
	if (j->state == JOB_STARTED && !j->confirming && j->job.start_ns < j->thread->start_ns)
		j->job.preemptions++;
}

void jobs_exit(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	release_finish(j, host_ns);
	switch (j->state) {
	case JOB_HEAD:
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
		break;
	case JOB_RELEASED:
	case JOB_STARTED:
		if (release_exits(j))
			jobs_complete(j, local_ns, host_ns);
		else
			jobs_emit_open(j, VMRT_OUTCOME_TRUNCATED);
		break;
	case JOB_SLEEPING: /* armed, but it will never arrive */
	case JOB_NONE:
		break;
	}
	change_job_state(j, host_ns, JOB_NONE);
	release_flush(j);
	blame_busy_ends(j->machine, host_ns);
}

void jobs_mark(struct jobs *j, const char *word, int64_t local_ns)
{
	if (j->state < JOB_SLEEPING)
		return;
	if (!strcmp(word, "job_begin"))
		j->job.mark_begin_local_ns = local_ns;
	else if (!strcmp(word, "job_end"))
		j->job.mark_end_local_ns = local_ns;
}

/* The open job, or one queued behind it, has not ended when the recording ends. */
static void emit_incomplete(struct jobs *j, int64_t end_ns)
{
	struct vmrt_job *job = &j->job;

	jobs_forget_unseen(j);
	/* by a clock of such an error, the deadline may not have passed yet */
	if (job->deadline_ns != VMRT_UNKNOWN &&
		job->deadline_ns >= end_ns - j->machine->config->record_error_ns) {
		/* whatever was lost of it: it is cut off before anything could be said */
		job->outcome = VMRT_OUTCOME_TRUNCATED;
	} else if (jobs_lost_events(j)) {
		job->outcome = VMRT_OUTCOME_UNKNOWN;
	} else if (job->deadline_ns != VMRT_UNKNOWN) {
		job->outcome = VMRT_OUTCOME_MISSED_INCOMPLETE;
		find_cause(j, end_ns - job->deadline_ns);
	} else {
		job->outcome = VMRT_OUTCOME_TRUNCATED;
	}
	emit(j);
}

/* How many more releases than the one at @next have passed when the recording ends. */
static int64_t count_behind(const struct jobs *j, int64_t next, int64_t period, int64_t end_ns)
{
	int64_t since = end_ns - to_host(j->machine, next);

	return period && since > 0 ? (since - 1) / period : 0;
}

/* The jobs that arrived from @next on, on the grid of the task, and have not begun when the
 * recording ends. Of a timer that goes on by itself the thread will serve all of them with one job.
 */
static void emit_queued(struct jobs *j, int64_t next, int64_t skipped, int64_t end_ns)
{
	int64_t period = j->rel.off_grid ? 0 : j->rel.period_ns;
	/* by a clock of such an error, later ones may not have arrived */
	int64_t behind = 0, sure_ns = end_ns - j->machine->config->record_error_ns;

	if (release_merges(j)) {
		behind = count_behind(j, next, period, sure_ns);
		period = 0;
	}
	for (int n = 0; n < BACKLOG_MAX && to_host(j->machine, next) < sure_ns &&
			engine_may_add(j->machine->engine);
		n++) {
		jobs_clear(j);
		jobs_set_arrival(j, end_ns, next);
		j->job.skipped = skipped;
		j->job.skipped_behind = behind;
		skipped = 0;
		memcpy(j->job.excess_ns, j->excess, sizeof(j->job.excess_ns));
		emit_incomplete(j, end_ns);
		if (!period)
			break;
		next += period;
	}
}

void jobs_finish(struct jobs *j, int64_t end_ns)
{
	int64_t arrival, next = VMRT_UNKNOWN, skipped = 0;

	accounts_at(j->machine, end_ns);
	jobs_doubt_waiting(j, end_ns);
	release_finish(j, end_ns);
	arrival = j->job.arrival_local_ns;
	/* the task is periodic: what was due meanwhile has arrived too */
	if (j->rel.timer.next_ns != VMRT_UNKNOWN && j->rel.timer.next_ns > arrival) {
		next = j->rel.timer.next_ns;
		skipped = jobs_skip(j, arrival, next);
	} else if (j->rel.period_ns && !j->rel.off_grid && !j->rel.sleep.pending &&
		   !j->rel.usual.anew) {
		next = arrival + j->rel.period_ns;
	}
	if (j->state == JOB_HEAD) {
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
	} else if (jobs_arrived(j, end_ns - 1) || j->state >= JOB_RELEASED) {
		/* what arrives at the very end is not in the recording; clocks of other machines
		 * may have it that it arrived behind the end */
		if (release_ends(j, end_ns)) {
			blame_close(j);
			emit_incomplete(j, end_ns);
		} else if (j->rel.timer.next_ns == VMRT_UNKNOWN) {
			next = VMRT_UNKNOWN;
		}
		if (next != VMRT_UNKNOWN)
			emit_queued(j, next, skipped, end_ns);
	}
	change_job_state(j, end_ns, JOB_NONE);
	release_flush(j);
}

/* The thread goes on under another name, so that it is no longer known what it works on. */
void jobs_renamed(struct jobs *j, int64_t host_ns)
{
	release_finish(j, host_ns);
	if (j->state == JOB_HEAD)
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
	else if (jobs_arrived(j, host_ns) && release_ends(j, host_ns))
		jobs_emit_open(j, VMRT_OUTCOME_UNKNOWN);
	change_job_state(j, host_ns, JOB_NONE);
	release_flush(j);
	blame_busy_ends(j->machine, host_ns);
}

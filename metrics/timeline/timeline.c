/* SPDX-License-Identifier: MIT */
/* Computes from the slices what a timeline shows of jobs and budgets. */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

/* The steps are limited because they may be far more than the rows of the database: many jobs of a
 * task may wait at the same time, and in a damaged database all jobs may last for the whole run. */
#define STEPS_FREE 1000000
#define STEPS_PER_ROW 64

static const char *const outcome_words[] = {
#define X(name, words) [VMRT_OUTCOME_##name] = words,
	VMRT_OUTCOME_LIST(X)
#undef X
};

const char *vmrt_outcome_word(enum vmrt_outcome outcome)
{
	return outcome_words[outcome];
}

/* The vCPU thread that is CPU @cpu of the guest @machine, or NULL. */
static const struct vmrt_tl_vcpu *find_vcpu(
	const struct vmrt_timeline *tl, int64_t machine, int64_t cpu)
{
	for (size_t i = 0; machine != VMRT_UNKNOWN && i < tl->n_vcpus; i++)
		if (tl->vcpus[i].machine == machine && tl->vcpus[i].vcpu == cpu)
			return &tl->vcpus[i];
	return NULL;
}

int64_t vmrt_job_begin(const struct vmrt_tl_job *job)
{
	if (job->arrival == VMRT_UNKNOWN)
		return job->start;
	return job->start != VMRT_UNKNOWN && job->start < job->arrival ? job->start : job->arrival;
}

/* The index of the first span that ends after @at. */
static size_t first_behind(const struct vmrt_spans *spans, int64_t at)
{
	size_t low = 0, high = spans->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (spans->all[middle].end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct segments {
	struct vmrt_segment *all;
	size_t n, room;
	size_t *steps; /* how many steps are left */
};

static bool may_go_on(struct segments *s)
{
	return s->n < s->room && *s->steps && (*s->steps)--;
}

size_t vmrt_timeline_steps(const struct vmrt_timeline *tl)
{
	size_t rows = 0;

	for (size_t i = 0; i < tl->n_tasks; i++)
		rows += tl->tasks[i].n_jobs + tl->tasks[i].spans.n;
	for (size_t i = 0; i < tl->n_vcpus; i++)
		rows += tl->vcpus[i].spans.n;
	return STEPS_FREE + STEPS_PER_ROW * rows;
}

static void add(struct segments *s, enum vmrt_state state, int64_t from, int64_t to)
{
	struct vmrt_segment *last = s->n ? &s->all[s->n - 1] : NULL;

	if (to <= from)
		return;
	if (last && last->state == state && last->to_ns == from)
		last->to_ns = to;
	else if (s->n < s->room)
		s->all[s->n++] = (struct vmrt_segment){state, from, to};
}

/* Adds what happened from @from to @to, when the guest's CPU ran the task all the time (@runs) or
 * did not run it at all. While the vCPU thread itself did not run, the job waited. */
static void add_on_vcpu(
	struct segments *s, const struct vmrt_tl_vcpu *vcpu, bool runs, int64_t from, int64_t to)
{
	enum vmrt_state state = runs ? VMRT_STATE_RUNS : VMRT_STATE_OTHERS;
	size_t i = vcpu ? first_behind(&vcpu->spans, from) : 0;

	if (!vcpu) {
		add(s, state, from, to);
		return;
	}
	for (; from < to && may_go_on(s); i++) {
		int64_t start = i < vcpu->spans.n ? vcpu->spans.all[i].start : to;
		int64_t end = i < vcpu->spans.n ? vcpu->spans.all[i].end : to;

		add(s, VMRT_STATE_WAITS, from, start < to ? start : to);
		from = start > from ? start : from;
		if (from >= to)
			return;
		add(s, state, from, end < to ? end : to);
		from = end;
	}
}

size_t vmrt_timeline_segments(const struct vmrt_timeline *tl, size_t t, size_t j,
	struct vmrt_segment *out, size_t room, size_t *steps)
{
	const struct vmrt_tl_task *task = &tl->tasks[t];
	const struct vmrt_tl_job *job = &task->jobs[j];
	struct segments s = {.all = out, .room = room, .steps = steps};
	int64_t at = vmrt_job_begin(job), end = job->end, next = VMRT_UNKNOWN;
	const struct vmrt_tl_vcpu *vcpu = NULL;
	size_t i;

	if (at == VMRT_UNKNOWN)
		return 0;
	if (end == VMRT_UNKNOWN && j + 1 < task->n_jobs)
		next = vmrt_job_begin(&task->jobs[j + 1]);
	if (end == VMRT_UNKNOWN)
		end = next != VMRT_UNKNOWN ? next : tl->to;
	/* jobs of a task follow one another: slices before the start of this job belong to earlier
	 * jobs */
	i = first_behind(&task->spans, job->start != VMRT_UNKNOWN ? job->start : at);
	vcpu = find_vcpu(tl, task->machine, i < task->spans.n ? task->spans.all[i].cpu : 0);
	if (!vcpu)
		vcpu = find_vcpu(tl, task->machine, 0);
	for (; at < end && may_go_on(&s); i++) {
		bool more = i < task->spans.n && task->spans.all[i].start < end;
		int64_t start = more ? task->spans.all[i].start : end;

		/* before the start of this job, an earlier job may have run in the same slice */
		if (job->start != VMRT_UNKNOWN && start < job->start)
			start = job->start < end ? job->start : end;
		start = start < at ? at : start;
		add_on_vcpu(&s, vcpu, false, at, start);
		at = start;
		if (!more)
			break;
		vcpu = find_vcpu(tl, task->machine, task->spans.all[i].cpu);
		start = task->spans.all[i].end < end ? task->spans.all[i].end : end;
		add_on_vcpu(&s, vcpu, true, at, start);
		at = start > at ? start : at;
	}
	return s.n;
}

struct points {
	struct vmrt_tl_point *all;
	size_t n, room;
	bool failed;
};

static void point(struct points *p, int64_t at, int64_t left)
{
	if (p->n && p->all[p->n - 1].at == at && p->all[p->n - 1].left == left)
		return;
	if (p->n == p->room) {
		size_t more = p->room ? p->room * 2 : 256;
		struct vmrt_tl_point *all = realloc(p->all, more * sizeof(*all));

		if (!all) {
			p->failed = true;
			return;
		}
		p->all = all;
		p->room = more;
	}
	p->all[p->n++] = (struct vmrt_tl_point){at, left};
}

/* The next time after @at, but at most @limit, at which a vCPU of @s begins or ceases to run.
 * @running: how many vCPUs of @s run at @at. */
static int64_t next_change(const struct vmrt_timeline *tl, const struct vmrt_tl_server *s,
	int64_t at, int64_t limit, int64_t *running)
{
	int64_t next = limit;

	*running = 0;
	for (size_t v = 0; v < tl->n_vcpus; v++) {
		const struct vmrt_spans *spans = &tl->vcpus[v].spans;
		size_t i;

		if (tl->vcpus[v].vm != s->vm ||
			(s->vcpu != VMRT_UNKNOWN && tl->vcpus[v].vcpu != s->vcpu))
			continue;
		i = first_behind(spans, at);
		if (i == spans->n)
			continue;
		if (spans->all[i].start <= at) {
			++*running;
			next = spans->all[i].end < next ? spans->all[i].end : next;
		} else {
			next = spans->all[i].start < next ? spans->all[i].start : next;
		}
	}
	return next;
}

/* The time in which the budget of period @i can be used: from its replenishment to the
 * replenishment of the next period. */
static void span_of_budget(const struct vmrt_tl_server *s, size_t i, int64_t *from, int64_t *to)
{
	const struct tl_period *period = &s->periods[i];

	*from = period->replenished;
	if (*from == VMRT_UNKNOWN || *from < period->start)
		*from = period->start;
	*to = i + 1 < s->n_periods ? s->periods[i + 1].start : period->end;
	if (i + 1 < s->n_periods && s->periods[i + 1].replenished != VMRT_UNKNOWN &&
		s->periods[i + 1].replenished > *to)
		*to = s->periods[i + 1].replenished;
}

enum vmrt_status vmrt_timeline_budget(
	const struct vmrt_timeline *tl, size_t server, struct vmrt_tl_point **out, size_t *n)
{
	const struct vmrt_tl_server *s = &tl->servers[server];
	struct points p = {0};
	int64_t left = 0, at, running, done = INT64_MIN;

	for (size_t i = 0; i < s->n_periods; i++) {
		const struct tl_period *period = &s->periods[i];
		int64_t from, to, next;

		span_of_budget(s, i, &from, &to);
		/* periods of a damaged database may overlap: no time is counted twice */
		from = from < done ? done : from;
		if (!period->enforced || to <= from) {
			left = 0;
			continue;
		}
		point(&p, from, left);
		left = period->budget;
		point(&p, from, left);
		for (at = from; at < to; at = next) {
			int64_t stop = period->depleted != VMRT_UNKNOWN && period->depleted > at &&
						       period->depleted < to
					       ? period->depleted
					       : to;

			next = next_change(tl, s, at, stop, &running);
			if (period->depleted != VMRT_UNKNOWN && at >= period->depleted)
				left = 0;
			else if (running && left < running * (next - at)) {
				/* the VM ran longer than its budget: the line falls to 0 and stays
				 * there */
				point(&p, at + left / running, 0);
				left = 0;
			} else {
				left -= running * (next - at);
			}
			point(&p, next, left);
			if (next == period->depleted) {
				left = 0;
				point(&p, next, 0);
			}
			if (next <= at)
				break;
		}
		done = to;
	}
	*out = p.all;
	*n = p.n;
	if (!p.failed)
		return VMRT_OK;
	free(p.all);
	*out = NULL;
	*n = 0;
	return VMRT_ENOMEM;
}

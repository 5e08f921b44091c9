/* SPDX-License-Identifier: MIT */
/* The tasks of the model: jobs are counted as the report counts them (docs/metrics.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model-local.h"

static bool is_missed(enum vmrt_outcome outcome)
{
	return outcome == VMRT_OUTCOME_MISSED || outcome == VMRT_OUTCOME_MISSED_INCOMPLETE;
}

void task_model_reset(struct task_model *t)
{
	struct vmrt_task_facts *f = &t->facts;

	t->jobs = t->known = t->missed = t->excused = t->unknown = t->seen = 0;
	t->last_ns = t->max_ns = t->max_k = VMRT_UNKNOWN;
	t->past_k = t->past_end = t->past_start = VMRT_UNKNOWN;
	t->past_run = 0;
	top_responses_free(&t->responses);
	t->percentiles_n = 0;
	memset(t->blame_ns, 0, sizeof(t->blame_ns));
	memset(t->blamed_jobs, 0, sizeof(t->blamed_jobs));
	t->n_recent = 0;
	f->jobs = f->met = f->missed_late = f->missed_incomplete = f->unknown = f->truncated = 0;
	f->skipped = f->inferred = f->excused = f->longest_run = 0;
	f->n_causes = 0;
	f->exec_least = f->exec_most = f->exec_open = 0;
	f->open_excuses[0] = f->open_excuses[1] = 0;
	f->longest_run_k = VMRT_UNKNOWN;
	f->response = f->release = f->start = f->exec = f->tardiness = VMRT_SERIES_EMPTY;
	f->completion = f->activation = VMRT_SERIES_EMPTY;
}

void task_model_begin(struct top_model *m, size_t i)
{
	const struct vmrt_task_spec *spec = &m->config->experiment->tasks[i];
	struct task_model *t = &m->tasks[i];

	t->last_end_ns = VMRT_UNKNOWN;
	snprintf(t->label, sizeof(t->label), "%s/%s", spec->machine, spec->name);
	t->facts.id = (int64_t)i;
	t->facts.selected = true;
	t->facts.label = t->label;
	t->facts.name = t->label + strlen(spec->machine) + 1;
	t->facts.period_ns = spec->period_ns ? spec->period_ns : VMRT_UNKNOWN;
	t->facts.wcet_ns = spec->wcet_ns ? spec->wcet_ns : VMRT_UNKNOWN;
	t->facts.deadline_ns = spec->deadline_ns ? spec->deadline_ns : VMRT_UNKNOWN;
	t->facts.priority = spec->priority;
	t->responses.exact_max = m->config->live ? TOP_EXACT_MAX : TOP_EXACT_RECORDED;
	task_model_reset(t);
}

static void count_cause(struct vmrt_task_facts *f, const struct vmrt_job *job)
{
	struct vmrt_cause_facts *c = vmrt_task_cause(
		f, job->cause < 0 ? NULL : vmrt_blame_name((enum vmrt_blame)job->cause));

	c->misses++;
	c->excused += job->excused;
}

static void count(struct task_model *t, const struct vmrt_job *job)
{
	struct vmrt_task_facts *f = &t->facts;
	bool missed = is_missed(job->outcome);

	t->jobs++;
	f->jobs++;
	switch (job->outcome) {
	case VMRT_OUTCOME_MET:
		f->met++;
		break;
	case VMRT_OUTCOME_MISSED:
		f->missed_late++;
		break;
	case VMRT_OUTCOME_MISSED_INCOMPLETE:
		f->missed_incomplete++;
		break;
	case VMRT_OUTCOME_TRUNCATED:
		f->truncated++;
		break;
	default:
		f->unknown++;
		break;
	}
	f->inferred += job->inferred;
	f->skipped += job->skipped;
	f->excused += missed && job->excused;
	if (missed)
		count_cause(f, job);
	if (missed || job->outcome == VMRT_OUTCOME_MET) {
		t->known++;
		t->missed += missed;
		t->excused += missed && job->excused;
		t->state = missed ? TOP_TASK_MISSED : TOP_TASK_MET;
	} else {
		t->unknown++;
		t->state = TOP_TASK_UNKNOWN;
	}
	t->past_run = !missed ? 0 : t->past_run && t->past_k == job->k - 1 ? t->past_run + 1 : 1;
	if (t->past_run > f->longest_run) {
		f->longest_run = t->past_run;
		f->longest_run_k = job->k - t->past_run + 1;
	}
}

static int64_t between(int64_t from, int64_t to)
{
	return from == VMRT_UNKNOWN || to == VMRT_UNKNOWN ? VMRT_UNKNOWN : to - from;
}

/* Adds the durations of a job that is known from arrival to end. */
static void add_durations(struct task_model *t, const struct vmrt_job *job)
{
	struct vmrt_task_facts *f = &t->facts;
	bool missed = is_missed(job->outcome);

	vmrt_series_add(&f->response, job->k, job->response_ns);
	vmrt_series_add(&f->release, job->k, between(job->arrival_local_ns, job->release_local_ns));
	vmrt_series_add(&f->start, job->k, between(job->arrival_local_ns, job->start_local_ns));
	vmrt_series_add(&f->exec, job->k, job->exec_ns);
	vmrt_task_add_unsure(f, job->exec_ns, job->unsure_ns, missed, job->excused);
	if (missed && f->deadline_ns != VMRT_UNKNOWN)
		vmrt_series_add(&f->tardiness, job->k, job->response_ns - f->deadline_ns);
	if (t->past_k == job->k - 1) {
		vmrt_series_add(&f->completion, job->k, between(t->past_end, job->end_local_ns));
		vmrt_series_add(
			&f->activation, job->k, between(t->past_start, job->start_local_ns));
	}
	t->past_end = job->end_local_ns;
	t->past_start = job->start_local_ns;
	t->last_ns = job->response_ns;
	if (t->max_ns == VMRT_UNKNOWN || job->response_ns > t->max_ns) {
		t->max_ns = job->response_ns;
		t->max_k = job->k;
	}
}

static void keep(const struct task_model *t, const struct vmrt_job *job, struct top_job *out)
{
	*out = (struct top_job){
		.task = job->task,
		.thread = job->thread,
		.k = job->k,
		.arrival_ns = job->arrival_ns,
		.release_ns = job->release_ns,
		.start_ns = job->start_ns,
		.end_ns = job->end_ns,
		.deadline_ns = job->deadline_ns,
		.exec_ns = job->exec_ns,
		.response_ns = job->response_ns,
		.tardiness_ns = VMRT_UNKNOWN,
		.preemptions = job->preemptions,
		.migrations = job->migrations,
		.cause = job->cause,
		.outcome = job->outcome,
		.excused = job->excused,
		.inferred = job->inferred,
	};
	memcpy(out->blame_ns, job->blame_ns, sizeof(out->blame_ns));
	if (job->outcome == VMRT_OUTCOME_MISSED && job->response_ns != VMRT_UNKNOWN &&
		t->facts.deadline_ns != VMRT_UNKNOWN)
		out->tardiness_ns = job->response_ns - t->facts.deadline_ns;
}

static void keep_miss(struct top_model *m, const struct vmrt_job *job, const struct top_job *kept)
{
	struct top_miss *miss = &m->misses[m->n_misses++ % TOP_MISSES_MAX];

	miss->job = *kept;
	miss->n_blamed = job->n_blamed;
	memcpy(miss->blamed, job->blamed, job->n_blamed * sizeof(job->blamed[0]));
	miss->unsure_ns = job->unsure_ns;
	miss->number = ++m->all_misses;
}

static void take_job(struct top_model *m, struct task_model *t, const struct vmrt_job *job)
{
	bool missed = is_missed(job->outcome), complete;
	struct top_job *kept;

	count(t, job);
	if (job->end_ns != VMRT_UNKNOWN)
		t->last_end_ns = job->end_ns;
	/* without a deadline the job has no outcome, but its duration is known */
	complete = job->outcome == VMRT_OUTCOME_MET || job->outcome == VMRT_OUTCOME_MISSED ||
		   t->facts.deadline_ns == VMRT_UNKNOWN;
	if (complete && job->response_ns != VMRT_UNKNOWN) {
		add_durations(t, job);
		if (top_responses_add(&t->responses, job->response_ns) != VMRT_OK)
			m->out_of_memory = true;
		for (int missed_only = 0; missed_only <= missed; missed_only++) {
			t->blamed_jobs[missed_only]++;
			for (int part = 0; part < VMRT_BLAMES; part++)
				t->blame_ns[missed_only][part] += job->blame_ns[part];
		}
	} else {
		t->past_end = t->past_start = VMRT_UNKNOWN;
	}
	t->past_k = job->k;
	kept = &t->recent[t->n_recent++ % TOP_RECENT_JOBS];
	keep(t, job, kept);
	m->marks[m->n_marks++ % TOP_MARKS_MAX] = (struct top_mark){
		job->task, job->k, job->arrival_ns, job->end_ns, job->deadline_ns, job->outcome};
	if (missed)
		keep_miss(m, job, kept);
}

void task_model_job(struct top_model *m, const struct vmrt_job *job)
{
	struct vmrt_job numbered = *job;

	if (job->task >= m->n_tasks)
		return;
	numbered.k += m->tasks[job->task].k_base;
	numbered.thread = thread_number(m, job->thread);
	for (size_t i = 0; i < job->n_blamed; i++)
		numbered.blamed[i].thread = thread_number(m, job->blamed[i].thread);
	take_job(m, &m->tasks[job->task], &numbered);
}

void task_model_free(struct task_model *t)
{
	top_responses_free(&t->responses);
}

void top_model_percentile(
	struct top_model *m, size_t i, unsigned num, unsigned den, int64_t *low, int64_t *high)
{
	top_responses_bounds(&m->tasks[i].responses, num, den, low, high);
}

void task_model_percentiles(struct task_model *t)
{
	int64_t low;

	if (t->percentiles_n == t->responses.n && t->percentiles_n)
		return;
	top_responses_bounds(&t->responses, 50, 100, &low, &t->facts.response_p50);
	top_responses_bounds(&t->responses, 95, 100, &low, &t->facts.response_p95);
	top_responses_bounds(&t->responses, 99, 100, &low, &t->facts.response_p99);
	top_responses_bounds(&t->responses, 999, 1000, &low, &t->facts.response_p999);
	t->percentiles_n = t->responses.n;
}

void task_model_whole(struct task_model *t)
{
	t->responses.whole = true;
	t->responses.p99_n = t->percentiles_n = 0;
}

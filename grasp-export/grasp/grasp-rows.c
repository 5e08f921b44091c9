/* SPDX-License-Identifier: MIT */
/* Writes the jobs of tasks, and the times in which vCPU threads ran, as events of jobs. */
#include "grasp.h"

#include <stdlib.h>
#include <string.h>

struct slice {
	int64_t start, end;
	int64_t end_state;
	int cpu; /* index */
};

struct job {
	int64_t k, arrival, start, end, deadline; /* or VMRT_UNKNOWN */
	/* the job had what ran of the task between these times */
	int64_t from, until;
	bool missed, known;
	char cause[24];
};

static struct slice *load_slices(struct grasp *g, const struct grasp_row *row, size_t *n)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT s.start_ns, s.end_ns, s.end_state, t.machine, s.cpu"
		" FROM slice s JOIN thread t ON t.id = s.thread"
		" WHERE s.thread IN (SELECT id FROM thread WHERE task = ?1 OR id = ?2)"
		" AND s.start_ns < ?4 AND s.end_ns > ?3 ORDER BY s.start_ns");
	struct slice *slices = NULL;
	size_t room = 0;

	*n = 0;
	vmrt_query_bind(&q, 1, row->task == VMRT_UNKNOWN ? -1 : row->task);
	vmrt_query_bind(&q, 2, row->thread == VMRT_UNKNOWN ? -1 : row->thread);
	vmrt_query_bind(&q, 3, g->from_ns);
	vmrt_query_bind(&q, 4, g->to_ns);
	while (vmrt_query_next(&q)) {
		struct slice *s;

		if (*n == room) {
			room = room ? room * 2 : 256;
			s = realloc(slices, room * sizeof(*s));
			if (!s) {
				grasp_no_memory(g);
				break;
			}
			slices = s;
		}
		s = &slices[(*n)++];
		s->start = vmrt_query_int(&q, 0);
		s->end = vmrt_query_int(&q, 1);
		s->end_state = vmrt_query_int(&q, 2);
		s->cpu = grasp_cpu(g, vmrt_query_int(&q, 3), vmrt_query_int(&q, 4));
		/* two slices of one row never overlap, but the error of a clock may make them seem
		 * to overlap */
		if (*n > 1 && s->start < s[-1].end)
			s->start = s[-1].end;
		if (s->end < s->start)
			s->end = s->start;
	}
	grasp_end(g, &q);
	return slices;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a == VMRT_UNKNOWN || (b != VMRT_UNKNOWN && b < a) ? b : a;
}

static struct job *load_jobs(struct grasp *g, const struct grasp_row *row, size_t *n)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT k, arrival_ns, start_ns, end_ns, deadline_ns, outcome, cause FROM job"
		" WHERE task = ?1 AND coalesce(arrival_ns, start_ns, end_ns) < ?3"
		" AND max(coalesce(end_ns, ?3), coalesce(deadline_ns, end_ns, ?3)) >= ?2 ORDER BY "
		"k");
	struct job *jobs = NULL;
	size_t room = 0;

	*n = 0;
	vmrt_query_bind(&q, 1, row->task);
	vmrt_query_bind(&q, 2, g->from_ns);
	vmrt_query_bind(&q, 3, g->to_ns);
	while (vmrt_query_next(&q)) {
		const char *outcome = vmrt_query_string(&q, 5);
		const char *cause = vmrt_query_string(&q, 6);
		struct job *j;

		if (*n == room) {
			room = room ? room * 2 : 256;
			j = realloc(jobs, room * sizeof(*j));
			if (!j) {
				grasp_no_memory(g);
				break;
			}
			jobs = j;
		}
		j = &jobs[(*n)++];
		memset(j, 0, sizeof(*j));
		j->k = vmrt_query_int(&q, 0);
		j->arrival = vmrt_query_int(&q, 1);
		j->start = vmrt_query_int(&q, 2);
		j->end = vmrt_query_int(&q, 3);
		j->deadline = vmrt_query_int(&q, 4);
		j->missed = outcome && !strncmp(outcome, "missed", 6);
		j->known = j->missed || (outcome && !strcmp(outcome, "met"));
		if (cause)
			grasp_name(cause, j->cause, sizeof(j->cause));
		j->arrival =
			j->arrival == VMRT_UNKNOWN ? VMRT_UNKNOWN : earlier(j->arrival, j->start);
		j->from = j->start != VMRT_UNKNOWN ? j->start : j->arrival;
		if (j->from == VMRT_UNKNOWN)
			j->from = *n > 1 && j[-1].until != VMRT_UNKNOWN ? j[-1].until : INT64_MIN;
		j->until = j->end;
		/* a job that is not known to have ended lasts until the next job of the task
		 * starts */
		if (*n > 1 && j[-1].until == VMRT_UNKNOWN)
			j[-1].until = j->start; /* VMRT_UNKNOWN if the next job never ran */
	}
	grasp_end(g, &q);
	return jobs;
}

/* Declares a job whose arrival is not shown, since the player must know a job before its first
 * event. */
static void declare_early(struct grasp *g, size_t row, int cpu, int64_t k)
{
	char **more = realloc(g->early, (g->n_early + 1) * sizeof(*more));
	char id[32], *text;

	if (more)
		g->early = more;
	grasp_id(g, row, cpu, id);
	if (!more || asprintf(&text, "%s.%lld %s", id, (long long)k, id) < 0) {
		grasp_no_memory(g);
		return;
	}
	g->early[g->n_early++] = text;
}

static void add_deadline(struct grasp *g, size_t row, int cpu, const struct job *j)
{
	int64_t time = grasp_time(g, j->deadline);
	const char *color = j->missed ? "red" : j->known ? "black" : "#999999";
	char id[32], name[96];

	grasp_id(g, row, cpu, id);
	grasp_emit(g, time, cpu, "jobDeadline %s.%lld -arrowColor %s", id, (long long)j->k, color);
	if (!j->missed)
		return;
	grasp_name(g->rows[row].name, name, sizeof(name));
	grasp_emit(g, time, cpu, "message {%s job %lld missed: %s} -color red -shape cross", name,
		(long long)j->k, *j->cause ? j->cause : "cause unknown");
}

/* Adds the events of one job: arrival, the parts of slices in which it ran, completion, deadline.
 * @slices begin with the first slice in which the job may have run. Events at the end of the window
 * only stop the jobs that run, but do not complete them. */
static void add_job(
	struct grasp *g, size_t row, const struct job *j, const struct slice *slices, size_t n)
{
	int64_t from = j->from;
	int64_t until = j->until == VMRT_UNKNOWN ? INT64_MAX : j->until;
	bool arrives = j->arrival != VMRT_UNKNOWN && j->arrival >= g->from_ns;
	bool completes = j->end != VMRT_UNKNOWN && j->end >= g->from_ns && j->end < g->to_ns;
	bool due =
		j->deadline != VMRT_UNKNOWN && j->deadline >= g->from_ns && j->deadline < g->to_ns;
	int cpu = g->rows[row].first_cpu;
	bool done = false;
	char id[32];

	if (j->start == VMRT_UNKNOWN && j->end == VMRT_UNKNOWN)
		n = 0; /* the job never ran, so it has no slices */
	while (n && (slices->end <= from || slices->end <= g->from_ns)) {
		slices++;
		n--;
	}
	if (n && (slices->start >= until || from >= g->to_ns))
		n = 0;
	if (!n && !arrives && !completes && !due)
		return;
	if (n)
		cpu = slices->cpu;
	grasp_id(g, row, cpu, id);
	if (arrives)
		grasp_emit(g, grasp_time(g, j->arrival), -1, "jobArrived %s.%lld %s", id,
			(long long)j->k, id);
	else
		declare_early(g, row, cpu, j->k);
	for (size_t i = 0; i < n && slices[i].start < until; i++) {
		int64_t start = slices[i].start > from ? slices[i].start : from;
		int64_t end = slices[i].end < until ? slices[i].end : until;
		bool last = completes && slices[i].end >= until;

		grasp_id(g, row, slices[i].cpu, id);
		grasp_emit(g, grasp_time(g, start), -1, "jobResumed %s.%lld", id, (long long)j->k);
		grasp_emit(g, grasp_time(g, end), -1, "%s %s.%lld",
			last ? "jobCompleted" : "jobPreempted", id, (long long)j->k);
		done = done || last;
	}
	if (completes && !done)
		grasp_emit(
			g, grasp_time(g, j->end), -1, "jobCompleted %s.%lld", id, (long long)j->k);
	if (due)
		add_deadline(g, row, cpu, j);
}

static void add_task(struct grasp *g, size_t row)
{
	size_t n_slices, n_jobs, first = 0;
	struct slice *slices = load_slices(g, &g->rows[row], &n_slices);
	struct job *jobs = load_jobs(g, &g->rows[row], &n_jobs);

	for (size_t i = 0; g->status == VMRT_OK && i < n_jobs; i++) {
		/* jobs of a task follow one another, so slices before the start of this job are not
		 * needed again */
		while (first < n_slices && jobs[i].start != VMRT_UNKNOWN &&
			slices[first].end <= jobs[i].start)
			first++;
		add_job(g, row, &jobs[i], slices ? slices + first : NULL, n_slices - first);
	}
	free(slices);
	free(jobs);
}

/* A vCPU thread has no jobs: what runs from a wake-up to the next sleep is shown as a job. */
static void add_vcpu(struct grasp *g, size_t row)
{
	size_t n;
	struct slice *slices = load_slices(g, &g->rows[row], &n);
	bool awake = false;
	long long k = 0;
	char id[32];

	for (size_t i = 0; g->status == VMRT_OK && i < n; i++) {
		bool sleeps = slices[i].end_state != 0 && slices[i].end < g->to_ns;

		k += !awake;
		grasp_id(g, row, slices[i].cpu, id);
		grasp_emit(g, grasp_time(g, slices[i].start), -1, "jobResumed %s.%lld", id, k);
		grasp_emit(g, grasp_time(g, slices[i].end), -1, "%s %s.%lld",
			sleeps ? "jobCompleted" : "jobPreempted", id, k);
		awake = !sleeps;
	}
	free(slices);
}

void grasp_add_rows(struct grasp *g)
{
	for (size_t i = 0; g->status == VMRT_OK && i < g->n_rows; i++) {
		if (g->rows[i].task != VMRT_UNKNOWN)
			add_task(g, i);
		else
			add_vcpu(g, i);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Records of 24 bytes: type, CPU, pid (16 bits), job (32 bits), and 16 bytes that depend on the
 * type; little-endian, times in ns. The fields are narrow, so what does not fit is refused.
 */
#include "st.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/progress.h>

#define RECORD 24
#define NAME 16		/* bytes, with the ending 0 */
#define SEGMENTS 4096	/* of a job */
#define TASKS_MAX 65535 /* pids are 16 bits */
#define CPU_MAX 255

enum type {
	ST_NAME = 1,
	ST_PARAM,
	ST_RELEASE,
	ST_ASSIGNED,
	ST_SWITCH_TO,
	ST_SWITCH_AWAY,
	ST_COMPLETION
};

struct record {
	int64_t when;
	size_t order; /* the number of the record, by which records of one time keep their order */
	uint8_t bytes[RECORD];
};

struct records {
	struct record *all;
	size_t n, room;
	bool failed;
};

static void put16(uint8_t *p, uint64_t value)
{
	uint16_t v = htole16((uint16_t)value);

	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint64_t value)
{
	uint32_t v = htole32((uint32_t)value);

	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t value)
{
	uint64_t v = htole64(value);

	memcpy(p, &v, sizeof(v));
}

static uint8_t *add(
	struct records *r, enum type type, int64_t cpu, uint64_t pid, int64_t job, int64_t when)
{
	struct record *one;

	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 1024;
		struct record *more = realloc(r->all, room * sizeof(*more));

		if (!more) {
			r->failed = true;
			return NULL;
		}
		r->all = more;
		r->room = room;
	}
	one = &r->all[r->n];
	memset(one, 0, sizeof(*one));
	one->when = when;
	one->order = r->n++;
	one->bytes[0] = (uint8_t)type;
	one->bytes[1] = (uint8_t)cpu;
	put16(one->bytes + 2, pid);
	put32(one->bytes + 4, (uint64_t)job);
	return one->bytes + 8;
}

/* A record with two numbers of 64 bits, the first of which is a time. */
static void add_pair(struct records *r, enum type type, int64_t cpu, uint64_t pid, int64_t job,
	int64_t when, uint64_t second)
{
	uint8_t *data = add(r, type, cpu, pid, job, when);

	if (!data)
		return;
	put64(data, (uint64_t)when);
	put64(data + 8, second);
}

/* The pid of a task is its number from 1, since pids of guest and host may be the same, or larger
 * than 16 bits. */
static uint64_t pid_of(size_t t)
{
	return t + 1;
}

static void add_task(struct records *r, const struct vmrt_tl_task *task, size_t t)
{
	uint8_t *data = add(r, ST_NAME, 0, pid_of(t), 0, INT64_MIN);

	for (size_t i = 0; data && i + 1 < NAME && task->name[i]; i++)
		data[i] = (uint8_t)(task->name[i] >= ' ' && task->name[i] <= '~' ? task->name[i]
										 : '?');
	data = add(r, ST_PARAM, 0, pid_of(t), 0, INT64_MIN);
	if (!data)
		return;
	put32(data, task->wcet == VMRT_UNKNOWN ? 0 : (uint64_t)task->wcet);
	put32(data + 4, task->period == VMRT_UNKNOWN ? 0 : (uint64_t)task->period);
	data[12] = (uint8_t)(task->spans.n ? task->spans.all[0].cpu : 0);
}

/* The CPU of the guest on which the task was at @ns. */
static int64_t cpu_at(const struct vmrt_tl_task *task, int64_t ns, size_t *from)
{
	while (*from + 1 < task->spans.n && task->spans.all[*from].end <= ns)
		(*from)++;
	return task->spans.n ? task->spans.all[*from].cpu : 0;
}

static void add_job(struct records *r, const struct vmrt_timeline *tl, size_t t, size_t j,
	struct vmrt_segment *segments, size_t *span, size_t *steps)
{
	const struct vmrt_tl_task *task = &tl->tasks[t];
	const struct vmrt_tl_job *job = &task->jobs[j];
	size_t n = vmrt_timeline_segments(tl, t, j, segments, SEGMENTS, steps);
	uint64_t ran = 0;
	int64_t cpu = 0;

	add_pair(r, ST_RELEASE, 0, pid_of(t), job->k, job->arrival, (uint64_t)job->deadline);
	for (size_t i = 0; i < n; i++) {
		uint8_t *data;

		if (segments[i].state != VMRT_STATE_RUNS)
			continue;
		cpu = cpu_at(task, segments[i].from_ns, span);
		data = add(r, ST_SWITCH_TO, cpu, pid_of(t), job->k, segments[i].from_ns);
		if (data) {
			put64(data, (uint64_t)segments[i].from_ns);
			put32(data + 8, ran > UINT32_MAX ? UINT32_MAX : ran);
		}
		ran += (uint64_t)(segments[i].to_ns - segments[i].from_ns);
		add_pair(r, ST_SWITCH_AWAY, cpu, pid_of(t), job->k, segments[i].to_ns, ran);
	}
	/* the lowest bit is 0: if set, it says that the kernel forced the job to end */
	if (job->end != VMRT_UNKNOWN)
		add_pair(r, ST_COMPLETION, cpu, pid_of(t), job->k, job->end,
			(job->exec == VMRT_UNKNOWN ? ran : (uint64_t)job->exec) << 1);
}

static int by_time(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->when != y->when)
		return x->when < y->when ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Fails if something does not fit its field. */
static enum vmrt_status check(const struct vmrt_timeline *tl, struct vmrt_error *err)
{
	if (!tl->n_tasks)
		return vmrt_fail(err, VMRT_ENOENT,
			"no tasks are declared: a sched_trace file is about tasks");
	if (tl->n_tasks > TASKS_MAX)
		return vmrt_fail(
			err, VMRT_ERANGE, "a sched_trace file has %d tasks at most", TASKS_MAX);
	for (size_t t = 0; t < tl->n_tasks; t++) {
		const struct vmrt_tl_task *task = &tl->tasks[t];
		const char *what = NULL;

		if (task->period > (int64_t)UINT32_MAX)
			what = "its period is longer than 4.29 s, which the 32 bits of a record "
			       "cannot hold";
		if (task->wcet != VMRT_UNKNOWN && task->wcet > (int64_t)UINT32_MAX)
			what = "its WCET is longer than 4.29 s, which the 32 bits of a record "
			       "cannot hold";
		for (size_t i = 0; i < task->spans.n; i++)
			if (task->spans.all[i].cpu > CPU_MAX)
				what = "it ran on a CPU above 255, which the 8 bits of a record "
				       "cannot hold";
		for (size_t j = 0; j < task->n_jobs; j++)
			if (task->jobs[j].k < 0 || task->jobs[j].k > (int64_t)UINT32_MAX)
				what = "it has a job whose number 32 bits cannot hold";
		if (what)
			return vmrt_fail(err, VMRT_ERANGE, "%s: %s: leave it out with --task",
				task->label, what);
	}
	return VMRT_OK;
}

enum vmrt_status st_write(
	const struct vmrt_timeline *tl, FILE *out, size_t *left_out, struct vmrt_error *err)
{
	struct vmrt_segment *segments = calloc(SEGMENTS, sizeof(*segments));
	struct records r = {.failed = !segments};
	enum vmrt_status status = check(tl, err);
	size_t steps = vmrt_timeline_steps(tl);

	*left_out = 0;
	for (size_t t = 0; status == VMRT_OK && !r.failed && steps && t < tl->n_tasks; t++) {
		size_t span = 0;

		vmrt_progress_share("writing", (int64_t)t, (int64_t)tl->n_tasks);
		add_task(&r, &tl->tasks[t], t);
		for (size_t j = 0; j < tl->tasks[t].n_jobs; j++) {
			const struct vmrt_tl_job *job = &tl->tasks[t].jobs[j];

			if (job->arrival == VMRT_UNKNOWN || job->deadline == VMRT_UNKNOWN)
				++*left_out;
			else
				add_job(&r, tl, t, j, segments, &span, &steps);
		}
	}
	if (status == VMRT_OK && !steps)
		status = vmrt_fail(err, VMRT_ERANGE,
			"the jobs of a task overlap so much that their parts cannot be written: "
			"choose a shorter part");
	if (status == VMRT_OK && r.failed)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (r.n)
		qsort(r.all, r.n, sizeof(*r.all), by_time);
	for (size_t i = 0; status == VMRT_OK && i < r.n; i++)
		fwrite(r.all[i].bytes, 1, RECORD, out);
	free(r.all);
	free(segments);
	return status;
}

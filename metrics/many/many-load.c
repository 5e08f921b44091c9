/* SPDX-License-Identifier: MIT */
/* Loads from the database of a run what vmrt-report push stores of it: the figures of the reports,
 * and histograms of all jobs. */
#include "many.h"

#include <errno.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

static enum vmrt_status no_memory(struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

/* SHA-256 of a file, in hexadecimal. */
static enum vmrt_status digest(const char *path, char *out, struct vmrt_error *err)
{
	uint8_t block[65536], sum[SHA256_DIGEST_SIZE];
	struct vmrt_error why;
	int fd = vmrt_open_file(path, 0, &why);
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct sha256_ctx hash;
	size_t got;

	if (fd < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	if (!in) {
		close(fd);
		return no_memory(err);
	}
	sha256_init(&hash);
	while (!vmrt_stop_requested() && (got = fread(block, 1, sizeof(block), in)) > 0)
		sha256_update(&hash, got, block);
	if (vmrt_stop_requested()) {
		fclose(in);
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	}
	if (ferror(in)) {
		fclose(in);
		return vmrt_fail_errno(err, errno, "cannot read %s", path);
	}
	fclose(in);
	sha256_digest(&hash, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		sprintf(out + 2 * i, "%02x", sum[i]);
	return VMRT_OK;
}

enum vmrt_status many_identity(const char *run, char *uuid, char *content, struct vmrt_error *err)
{
	struct vmrt_db *db = NULL;
	struct vmrt_query q;
	enum vmrt_status status = vmrt_db_open(run, &db, err);
	const char *text;

	if (status != VMRT_OK)
		return status;
	*uuid = '\0';
	vmrt_query_begin(&q, db, err, "SELECT uuid FROM run LIMIT 1");
	if (vmrt_query_next(&q) && (text = vmrt_query_string(&q, 0)) && vmrt_uuid_valid(text))
		strcpy(uuid, text);
	status = vmrt_query_end(&q);
	if (status == VMRT_OK && !*uuid)
		status = vmrt_fail(err, VMRT_EFORMAT,
			"%s: the run has no UUID: `vmrt-trace analyze` gives it one", run);
	if (status == VMRT_OK)
		status = digest(vmrt_db_path(db), content, err);
	vmrt_db_close(db);
	return status;
}

/* The jobs that the filter selects. Those that are known from arrival to end are counted, as
 * facts-tasks.c counts them. */
#define JOBS                                                                                       \
	"SELECT outcome, response_ns, exec_ns, arrival_local_ns, release_local_ns, "               \
	"start_local_ns FROM job WHERE task = ?1"
static const char all_jobs[] = JOBS " ORDER BY k LIMIT -1 OFFSET ?2";
static const char jobs_of_a_time[] =
	JOBS " AND arrival_ns >= ?3 AND arrival_ns < ?4 ORDER BY k LIMIT -1 OFFSET ?2";

static int64_t between(int64_t from, int64_t to)
{
	return from == VMRT_UNKNOWN || to == VMRT_UNKNOWN ? VMRT_UNKNOWN : to - from;
}

static enum vmrt_status add_job(
	struct many_task *t, struct vmrt_query *q, const char *outcome, int64_t response)
{
	int64_t arrival = vmrt_query_int(q, 3);
	bool missed = !strcmp(outcome, "missed");

	if (vmrt_buckets_add(&t->response, response) != VMRT_OK ||
		vmrt_buckets_add(&t->exec, vmrt_query_int(q, 2)) != VMRT_OK ||
		vmrt_buckets_add(&t->release, between(arrival, vmrt_query_int(q, 4))) != VMRT_OK ||
		vmrt_buckets_add(&t->start, between(arrival, vmrt_query_int(q, 5))) != VMRT_OK)
		return VMRT_ENOMEM;
	return missed ? vmrt_buckets_add(&t->tardiness, between(t->deadline_ns, response))
		      : VMRT_OK;
}

static enum vmrt_status load_histograms(struct vmrt_db *db, const struct vmrt_run_facts *f,
	struct many_task *t, struct vmrt_error *err)
{
	bool part = f->filter.from_ns != VMRT_UNKNOWN || f->filter.to_ns != VMRT_UNKNOWN;
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err, part ? jobs_of_a_time : all_jobs);
	vmrt_query_bind(&q, 1, t->task_id);
	vmrt_query_bind(&q, 2, f->filter.skip_first);
	if (part)
		vmrt_query_span(&q, 3, f);
	while (vmrt_query_next(&q)) {
		const char *outcome = vmrt_query_string(&q, 0);
		int64_t response = vmrt_query_int(&q, 1);

		if (!outcome || response == VMRT_UNKNOWN ||
			(strcmp(outcome, "met") != 0 && strcmp(outcome, "missed") != 0 &&
				t->deadline_ns != VMRT_UNKNOWN))
			continue;
		if (add_job(t, &q, outcome, response) != VMRT_OK)
			vmrt_query_no_memory(&q);
	}
	return vmrt_query_end(&q);
}

/* A copy of @text in *@out; false without memory. */
static bool copy(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return *out || !text;
}

static bool fill_task(struct many_task *t, const struct vmrt_task_facts *f)
{
	const struct vmrt_cause_facts *cause = vmrt_task_main_cause(f);

	t->task_id = f->id;
	t->period_ns = f->period_ns;
	t->wcet_ns = f->wcet_ns;
	t->deadline_ns = f->deadline_ns;
	t->priority = f->priority;
	t->jobs = f->jobs;
	t->met = f->met;
	t->missed = vmrt_task_missed(f);
	t->excused = f->excused;
	t->unknown = vmrt_task_doubtful(f);
	t->truncated = f->truncated;
	t->skipped = f->skipped;
	t->longest_run = f->longest_run;
	t->response_min_ns = f->response.min;
	t->response_mean_ns = vmrt_series_mean(&f->response);
	t->response_p50_ns = f->response_p50;
	t->response_p99_ns = f->response_p99;
	t->response_p999_ns = f->response_p999;
	t->response_max_ns = f->response.max;
	t->response_jitter_ns = vmrt_series_jitter(&f->response);
	t->release_jitter_ns = vmrt_series_jitter(&f->release);
	t->start_jitter_ns = vmrt_series_jitter(&f->start);
	t->exec_max_ns = f->exec.max;
	t->tardiness_max_ns = f->tardiness.max;
	return copy(&t->machine, f->machine_name) && copy(&t->task, f->name) &&
	       copy(&t->label, f->label) && copy(&t->cause, cause ? cause->name : NULL);
}

static bool add_samples(struct vmrt_buckets *to, const struct vmrt_samples *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (vmrt_buckets_add(to, from->values[i]) != VMRT_OK)
			return false;
	return true;
}

static bool fill_server(struct many_server *s, const struct vmrt_server_facts *f)
{
	s->server_id = f->id;
	s->period_ns = f->period_ns;
	s->budget_ns = f->budget_ns;
	s->priority = f->priority;
	s->enforced = f->enforced;
	s->periods = f->periods;
	s->judged = f->judged;
	s->depleted = f->depleted;
	s->unknown = f->unknown;
	s->truncated = f->truncated;
	s->consumed_ratio = f->consumed_ratio;
	s->received_ratio = f->received_ratio;
	s->overshoot_p99_ns = f->over_p99;
	s->overshoot_max_ns = f->over_max;
	s->latency_p99_ns = f->latency_p99;
	s->latency_max_ns = f->latency_max;
	s->blackout_max_ns = f->blackout_max;
	s->supply_jitter_ns = f->supply_jitter;
	for (size_t i = 0; i < f->n_checks; i++) {
		s->windows += f->checks[i].judged;
		s->windows_unknown += f->checks[i].unknown;
		s->violations += f->checks[i].violations;
	}
	return copy(&s->server, f->name) && copy(&s->vm, f->vm) && copy(&s->policy, f->policy) &&
	       add_samples(&s->overshoot, &f->overshoots) &&
	       add_samples(&s->latency, &f->latencies);
}

static bool fill_machine(struct many_machine *m, const struct vmrt_machine_facts *f)
{
	m->cpus = f->cpus;
	m->events = f->events;
	m->lost = f->lost;
	m->steal_ns = f->steal_ns;
	m->clock_error_ns = f->clock_error_ns;
	return copy(&m->machine, f->name) && copy(&m->kind, f->kind) && copy(&m->kernel, f->kernel);
}

static bool fill_run(struct many_run *r, const struct vmrt_run_facts *f)
{
	r->command_status = f->command_status;
	r->hsf = f->hsf;
	r->tick_ns = f->tick_ns;
	r->duration_ns = between(f->start_ns, f->end_ns);
	r->doubtful = vmrt_facts_loss(f);
	return copy(&r->name, f->label) && copy(&r->recorded_at, f->recorded_at) &&
	       copy(&r->vmrt_version, f->version ? f->version : "unknown") &&
	       copy(&r->command, f->command) && copy(&r->experiment, f->experiment) &&
	       copy(&r->origin, f->origin) && copy(&r->host, f->hostname) &&
	       (r->uuid || copy(&r->uuid, f->uuid));
}

static bool fill(struct many_run *r, const struct vmrt_run_facts *f)
{
	r->tasks = calloc(f->n_tasks + 1, sizeof(*r->tasks));
	r->servers = calloc(f->n_servers + 1, sizeof(*r->servers));
	r->machines = calloc(f->n_machines + 1, sizeof(*r->machines));
	if (!r->tasks || !r->servers || !r->machines || !fill_run(r, f))
		return false;
	for (size_t i = 0; i < f->n_machines; i++)
		if (!fill_machine(&r->machines[r->n_machines++], &f->machines[i]))
			return false;
	for (size_t i = 0; i < f->n_tasks; i++) {
		struct many_task *t = &r->tasks[r->n_tasks];

		if (!f->tasks[i].selected)
			continue;
		t->response = t->exec = t->release = t->start = t->tardiness = VMRT_BUCKETS_EMPTY;
		r->n_tasks++;
		if (!fill_task(t, &f->tasks[i]))
			return false;
	}
	for (size_t i = 0; i < f->n_servers; i++) {
		struct many_server *s = &r->servers[r->n_servers];

		if (!f->servers[i].selected)
			continue;
		s->overshoot = s->latency = VMRT_BUCKETS_EMPTY;
		r->n_servers++;
		if (!fill_server(s, &f->servers[i]))
			return false;
	}
	return true;
}

enum vmrt_status many_load(const char *run, const struct vmrt_filter *filter, struct many_run **out,
	struct vmrt_error *err)
{
	struct vmrt_filter wanted = filter ? *filter : VMRT_FILTER_ALL;
	struct many_run *r = calloc(1, sizeof(*r));
	struct vmrt_run_facts *f = NULL;
	struct vmrt_db *db = NULL;
	enum vmrt_status status;

	*out = NULL;
	wanted.worst = 0;
	wanted.show = 0;
	status = r ? vmrt_facts_load(run, &wanted, &f, err) : no_memory(err);
	if (status == VMRT_OK && !fill(r, f))
		status = no_memory(err);
	if (status == VMRT_OK)
		status = vmrt_db_open(run, &db, err);
	for (size_t i = 0; status == VMRT_OK && i < r->n_tasks; i++)
		status = load_histograms(db, f, &r->tasks[i], err);
	vmrt_db_close(db);
	vmrt_facts_free(f);
	if (status == VMRT_OK)
		*out = r;
	else
		many_free(r);
	return status;
}

#define FREE_text(member) free(member);
#define FREE_number(member)
#define FREE_real(member)
#define FREE_flag(member)
#define FREE_OF(kind, name) FREE_##kind(it->name)
#define FREE_HISTOGRAM(name) vmrt_buckets_free(&it->name);

void many_free(struct many_run *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_machines; i++) {
		struct many_machine *it = &r->machines[i];

		MANY_MACHINE(FREE_OF)
	}
	for (size_t i = 0; i < r->n_tasks; i++) {
		struct many_task *it = &r->tasks[i];

		MANY_TASK(FREE_OF)
		MANY_TASK_METRICS(FREE_HISTOGRAM)
		free(it->label);
	}
	for (size_t i = 0; i < r->n_servers; i++) {
		struct many_server *it = &r->servers[i];

		MANY_SERVER(FREE_OF)
		MANY_SERVER_METRICS(FREE_HISTOGRAM)
	}
	{
		struct many_run *it = r;

		MANY_RUN(FREE_OF)
	}
	free(r->host);
	free(r->machines);
	free(r->tasks);
	free(r->servers);
	free(r);
}

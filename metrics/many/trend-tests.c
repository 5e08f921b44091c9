/* SPDX-License-Identifier: MIT */
/* Tests a run against the baseline, with the tests of vmrt-report --compare, but on histograms. */
#include "trend-local.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/stats/significance.h"

/* A task or server, with its values from all runs of the baseline together. */
struct base {
	const char *label;
	/* either @task or @server is set, from the first of these runs */
	const struct many_task *task;
	const struct many_server *server;
	bool changed; /* its parameters are not the same in all runs */
	bool doubtful;
	int64_t known, missed;	    /* or windows and violations */
	struct vmrt_buckets values; /* response times, or overshoots */
	double ratios[2];	    /* the least and the largest one of a single run */
	int64_t p50[2], p99[2];
};

static enum vmrt_status no_memory(struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

static double ratio(int64_t hits, int64_t n)
{
	return n > 0 ? (double)hits / (double)n : NAN;
}

/* Widens @range, which is the least and the largest value, so that it includes @value. */
static void widen(int64_t range[2], int64_t value)
{
	if (value == VMRT_UNKNOWN)
		return;
	range[0] = range[0] == VMRT_UNKNOWN || value < range[0] ? value : range[0];
	range[1] = range[1] == VMRT_UNKNOWN || value > range[1] ? value : range[1];
}

static const struct many_task *find_task(const struct many_run *run, const char *label)
{
	for (size_t i = 0; i < run->n_tasks; i++)
		if (!strcmp(run->tasks[i].label, label))
			return &run->tasks[i];
	return NULL;
}

static const struct many_server *find_server(const struct many_run *run, const char *name)
{
	for (size_t i = 0; i < run->n_servers; i++)
		if (run->servers[i].server && !strcmp(run->servers[i].server, name))
			return &run->servers[i];
	return NULL;
}

static bool same_task(const struct many_task *a, const struct many_task *b)
{
	return a->period_ns == b->period_ns && a->wcet_ns == b->wcet_ns &&
	       a->deadline_ns == b->deadline_ns;
}

static bool same_server(const struct many_server *a, const struct many_server *b)
{
	return a->period_ns == b->period_ns && a->budget_ns == b->budget_ns && a->policy &&
	       b->policy && !strcmp(a->policy, b->policy);
}

/* Adds the values of the task or server in one run of the baseline. */
static enum vmrt_status pool(struct base *b, const struct many_run *run)
{
	const struct many_task *t = b->task ? find_task(run, b->label) : NULL;
	const struct many_server *s = b->server ? find_server(run, b->label) : NULL;
	const struct vmrt_buckets *values = t ? &t->response : s ? &s->overshoot : NULL;
	int64_t hits = t ? t->missed : s ? s->violations : 0;
	int64_t known = t ? t->met + t->missed : s ? s->windows : 0;

	if (!values)
		return VMRT_OK;
	b->changed |= (t && !same_task(t, b->task)) || (s && !same_server(s, b->server));
	b->doubtful |= run->doubtful;
	b->known += known;
	b->missed += hits;
	if (known) {
		b->ratios[0] = fmin(b->ratios[0], ratio(hits, known));
		b->ratios[1] = fmax(b->ratios[1], ratio(hits, known));
	}
	widen(b->p50, vmrt_buckets_percentile(values, 50, 100));
	widen(b->p99, vmrt_buckets_percentile(values, 99, 100));
	return vmrt_buckets_merge(&b->values, values);
}

static enum vmrt_status pool_all(const struct trend_series *s, struct base *b)
{
	enum vmrt_status status = VMRT_OK;

	b->values = VMRT_BUCKETS_EMPTY;
	b->ratios[0] = b->ratios[1] = NAN; /* which fmin() and fmax() leave out */
	b->p50[0] = b->p50[1] = b->p99[0] = b->p99[1] = VMRT_UNKNOWN;
	for (size_t i = 0; status == VMRT_OK && i < s->n; i++)
		if (s->is_base[i])
			status = pool(b, s->runs[i]);
	return status;
}

static struct trend_test *new_test(struct trend_series *s, const struct many_run *run,
	const struct base *b, const char *metric, const char *test)
{
	struct trend_test *more;

	/* the array is doubled whenever the number of tests is a power of two */
	if (!(s->n_tests & (s->n_tests - 1))) {
		more = realloc(s->tests, (s->n_tests ? s->n_tests * 2 : 1) * sizeof(*more));
		if (!more)
			return NULL;
		s->tests = more;
	}
	s->tests[s->n_tests] = (struct trend_test){.run = run,
		.of = b->label,
		.metric = metric,
		.test = test,
		.type = VMRT_CELL_NS,
		.base = NAN,
		.value = NAN,
		.p = NAN,
		.corrected = NAN};
	return &s->tests[s->n_tests++];
}

/* Notes why there can be no test: @why, or @empty if the baseline or the run has no values. Returns
 * whether there is such a reason. */
static bool note_obstacle(struct trend_test *t, const char *why, const char *empty)
{
	if (!*why && (!t->n_run || !t->n_base))
		why = empty;
	snprintf(t->why, sizeof(t->why), "%s", why);
	return *why != '\0';
}

/* Says why there is no p: a database from outside may have impossible counts. */
static void note_no_p(struct trend_test *t)
{
	if (isnan(t->p))
		snprintf(t->why, sizeof(t->why), "the counts are too large, or impossible");
}

/* Compares misses out of jobs, or violations out of windows. */
static bool test_ratio(struct trend_series *s, const struct many_run *run, const struct base *b,
	const char *metric, int64_t hits, int64_t known, const char *why)
{
	struct trend_test *t = new_test(s, run, b, metric, "Fisher");

	if (!t)
		return false;
	t->type = VMRT_CELL_RATIO;
	t->base = ratio(b->missed, b->known);
	t->value = ratio(hits, known);
	t->n_base = b->known;
	t->n_run = known;
	if (note_obstacle(t, why, "nothing of known outcome"))
		return true;
	t->p = vmrt_fisher(
		(uint64_t)b->missed, (uint64_t)b->known, (uint64_t)hits, (uint64_t)known);
	note_no_p(t);
	t->lower = t->value < t->base;
	t->beyond =
		t->lower ? t->value < b->ratios[0] : t->value > t->base && t->value > b->ratios[1];
	return true;
}

/* Is the figure outside the range of the baseline's runs, and does it differ from the figure of the
 * whole baseline by the share @least or more? */
static bool is_beyond(const struct trend_test *t, const int64_t range[2], double least)
{
	/* growth is no share of an overshoot that is 0 or less: there, any change is enough */
	double enough = t->base > 0 ? t->base * least : 0;

	if (t->lower)
		return t->value < (double)range[0] && t->value <= t->base - enough;
	return t->value > (double)range[1] && t->value >= t->base + enough;
}

static void set_figures(struct trend_test *t, const struct base *b,
	const struct vmrt_buckets *values, unsigned percent)
{
	int64_t base = vmrt_buckets_percentile(&b->values, percent, 100);
	int64_t value = vmrt_buckets_percentile(values, percent, 100);

	t->base = base == VMRT_UNKNOWN ? NAN : (double)base;
	t->value = value == VMRT_UNKNOWN ? NAN : (double)value;
	t->n_base = b->values.n;
	t->n_run = values->n;
}

/* Compares all values of the run with all values of the baseline, by their ranks. */
static bool test_ranks(struct trend_series *s, const struct many_run *run, struct base *b,
	const char *metric, const struct vmrt_buckets *values, double least, const char *why)
{
	struct trend_test *t = new_test(s, run, b, metric, "Mann-Whitney");
	struct vmrt_rank_test ranks;

	if (!t)
		return false;
	set_figures(t, b, values, 50);
	if (note_obstacle(t, why, "nothing was measured"))
		return true;
	if (vmrt_mann_whitney_buckets(&b->values, values, &ranks) != VMRT_OK)
		return false;
	t->p = ranks.p;
	t->lower = ranks.superiority < 0.5;
	t->beyond = is_beyond(t, b->p50, least);
	return true;
}

static int64_t count_above(const struct vmrt_buckets *values, int32_t bucket)
{
	int64_t n = 0;

	for (size_t i = 0; i < values->n_counts; i++)
		if (values->counts[i].bucket > bucket)
			n += values->counts[i].n;
	return n;
}

/* Compares how many values are above the bucket of the baseline's 99th percentile, in the run and
 * in the baseline. */
static bool test_tail(struct trend_series *s, const struct many_run *run, const struct base *b,
	const char *metric, const struct vmrt_buckets *values, double least, const char *why)
{
	struct trend_test *t = new_test(s, run, b, metric, "Fisher");
	int32_t edge;
	int64_t above, above_base;

	if (!t)
		return false;
	set_figures(t, b, values, 99);
	if (note_obstacle(t, why, "nothing was measured"))
		return true;
	edge = vmrt_bucket_of(vmrt_buckets_percentile(&b->values, 99, 100));
	above = count_above(values, edge);
	above_base = count_above(&b->values, edge);
	t->p = vmrt_fisher(
		(uint64_t)above_base, (uint64_t)b->values.n, (uint64_t)above, (uint64_t)values->n);
	note_no_p(t);
	t->lower = ratio(above, values->n) < ratio(above_base, b->values.n);
	t->beyond = is_beyond(t, b->p99, least);
	return true;
}

/* Why a run cannot be compared with the baseline, or "". */
static const char *obstacle(struct trend *trend, const struct many_run *run, const struct base *b,
	bool same, const struct trend_options *o)
{
	if (b->changed)
		return "its parameters differ between the runs of the baseline";
	if (!same)
		return "its parameters differ from the baseline's";
	if (!o->allow_loss && (run->doubtful || b->doubtful)) {
		trend->lost = true;
		return "events were lost (--allow-loss tests all the same)";
	}
	return "";
}

static bool test_run(struct trend *trend, struct trend_series *s, const struct many_run *run,
	struct base *b, const struct trend_options *o)
{
	const struct many_task *t = b->task ? find_task(run, b->label) : NULL;
	const struct many_server *v = b->server ? find_server(run, b->label) : NULL;
	const char *why;

	if (t) {
		why = obstacle(trend, run, b, same_task(t, b->task), o);
		return test_ratio(s, run, b, "miss", t->missed, t->met + t->missed, why) &&
		       test_ranks(s, run, b, "response", &t->response, o->least, why) &&
		       test_tail(s, run, b, "tail", &t->response, o->least, why);
	}
	if (v) {
		why = obstacle(trend, run, b, same_server(v, b->server), o);
		/* a server without enforcement has nothing that could be compared with the
		 * baseline */
		return (!b->known || test_ratio(s, run, b, "violations", v->violations, v->windows,
					     why)) &&
		       (!b->values.n ||
			       test_ranks(s, run, b, "overshoot", &v->overshoot, o->least, why));
	}
	return true;
}

static enum vmrt_status test_all(struct trend *trend, struct trend_series *s, struct base *b,
	const struct trend_options *o, struct vmrt_error *err)
{
	size_t from = o->last && o->last < s->n ? s->n - o->last : 0;
	enum vmrt_status status = pool_all(s, b);

	for (size_t i = from; status == VMRT_OK && i < s->n; i++)
		if (!s->is_base[i] && !test_run(trend, s, s->runs[i], b, o))
			status = VMRT_ENOMEM;
	vmrt_buckets_free(&b->values);
	return status == VMRT_OK ? VMRT_OK : no_memory(err);
}

/* Is @run the first run of the baseline that has the task or server @label? */
static bool is_first(const struct trend_series *s, size_t run, const char *label, bool task)
{
	for (size_t i = 0; i < run; i++)
		if (s->is_base[i] && (task ? (const void *)find_task(s->runs[i], label)
					   : (const void *)find_server(s->runs[i], label)))
			return false;
	return true;
}

enum vmrt_status trend_test_series(struct trend *trend, struct trend_series *s,
	const struct trend_options *o, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < s->n; i++) {
		const struct many_run *run = s->runs[i];

		if (!s->is_base[i])
			continue;
		for (size_t k = 0; status == VMRT_OK && k < run->n_tasks; k++) {
			const struct many_task *t = &run->tasks[k];
			struct base b = {.label = t->label, .task = t};

			if (trend_wants(o->tasks, o->n_tasks, t->task, t->label) &&
				is_first(s, i, t->label, true))
				status = test_all(trend, s, &b, o, err);
		}
		for (size_t k = 0; status == VMRT_OK && k < run->n_servers; k++) {
			const struct many_server *v = &run->servers[k];
			struct base b = {.label = v->server, .server = v};

			if (trend_wants(o->servers, o->n_servers, v->server, NULL) &&
				is_first(s, i, v->server, false))
				status = test_all(trend, s, &b, o, err);
		}
	}
	return status;
}

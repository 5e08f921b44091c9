/* SPDX-License-Identifier: MIT */
/* Computes the figures of conditions, with the range that jobs and periods of unknown outcome
 * leave. */
#include "failif.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static void exactly(struct vmrt_figure *f, double value)
{
	f->value = f->low = f->high = value;
}

static void exactly_ns(struct vmrt_figure *f, int64_t ns)
{
	exactly(f, ns == VMRT_UNKNOWN ? NAN : (double)ns);
}

static void because(struct vmrt_figure *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void because(struct vmrt_figure *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* Jobs that may be met or missed, also those that may have been and are not listed. */
static int64_t doubtful_jobs(const struct vmrt_task_facts *t)
{
	return vmrt_task_doubtful(t) + (t->deadline_ns == VMRT_UNKNOWN ? 0 : t->missing);
}

/* @uncertain: events are missing, and nobody knows when. The figure may be anything up to @most. */
static bool is_open(bool uncertain, double most, struct vmrt_figure *f)
{
	if (!uncertain)
		return false;
	because(f, "events are or may be missing, nobody knows when");
	f->low = 0;
	f->high = most;
	return true;
}

static void because_of_jobs(const struct vmrt_task_facts *t, struct vmrt_figure *f)
{
	int64_t doubtful = vmrt_task_doubtful(t);

	if (doubtful)
		because(f, "%lld job%s of unknown outcome", (long long)doubtful, plural(doubtful));
	else
		because(f, "%lld job%s may be missing", (long long)t->missing, plural(t->missing));
}

/* @known jobs have a verdict, @hits of them are counted; each of @doubtful others may be one more.
 */
static void share(struct vmrt_figure *f, const struct vmrt_task_facts *t, int64_t hits)
{
	int64_t known = vmrt_task_known(t), doubtful = doubtful_jobs(t);

	if (doubtful)
		because_of_jobs(t, f);
	else if (!known)
		because(f, "no job has a known outcome");
	f->value = known ? (double)hits / (double)known : NAN;
	f->low = (double)hits / (double)(known + doubtful);
	f->high = (double)(hits + doubtful) / (double)(known + doubtful);
}

static void miss(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	share(f, t, vmrt_task_missed(t));
	is_open(t->uncertain, 1, f);
}

static void not_excused(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;
	double all = (double)(vmrt_task_known(t) + doubtful_jobs(t));

	share(f, t, vmrt_task_missed(t) - t->excused);
	if (is_open(t->uncertain, 1, f) || !(t->open_excuses[0] + t->open_excuses[1]))
		return;
	f->low -= (double)t->open_excuses[0] / all;
	f->high += (double)t->open_excuses[1] / all;
	because(f, "what excuses %lld miss%s is not certain",
		(long long)(t->open_excuses[0] + t->open_excuses[1]),
		t->open_excuses[0] + t->open_excuses[1] == 1 ? "" : "es");
}

/* An end of the 95 % interval of the miss ratio; it rises with the number of misses. */
static void miss_bound(const struct vmrt_task_facts *t, bool upper, struct vmrt_figure *f)
{
	int64_t doubtful = doubtful_jobs(t), known = vmrt_task_known(t);
	int64_t hits = vmrt_task_missed(t);
	double low[3], high[3];

	share(f, t, hits);
	vmrt_wilson((uint64_t)hits, (uint64_t)known, &low[0], &high[0]);
	vmrt_wilson((uint64_t)hits, (uint64_t)(known + doubtful), &low[1], &high[1]);
	vmrt_wilson((uint64_t)(hits + doubtful), (uint64_t)(known + doubtful), &low[2], &high[2]);
	f->value = upper ? high[0] : low[0];
	f->low = upper ? high[1] : low[1];
	f->high = upper ? high[2] : low[2];
	is_open(t->uncertain, 1, f);
}

static void miss_low(const void *of, struct vmrt_figure *f)
{
	miss_bound(of, false, f);
}

static void miss_high(const void *of, struct vmrt_figure *f)
{
	miss_bound(of, true, f);
}

static void missed(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	share(f, t, vmrt_task_missed(t));
	exactly(f, (double)vmrt_task_missed(t));
	f->high += (double)doubtful_jobs(t);
	if (!t->jobs)
		f->value = NAN;
	is_open(t->uncertain, INFINITY, f);
}

static void jobs(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	exactly(f, (double)t->jobs);
	f->high += (double)t->missing;
	if (t->missing)
		because_of_jobs(t, f);
	is_open(t->uncertain, INFINITY, f);
}

static void unknown(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	exactly(f, (double)vmrt_task_doubtful(t));
}

static void miss_run(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	missed(of, f);
	if (!isnan(f->value))
		f->value = (double)t->longest_run;
	f->low = (double)t->longest_run;
	/* all jobs of unknown outcome may join two runs */
	f->high = doubtful_jobs(t) ? (double)(vmrt_task_missed(t) + doubtful_jobs(t)) : f->low;
	is_open(t->uncertain, INFINITY, f);
}

/* How many jobs lack durations in the statistics? */
static int64_t untimed(const struct vmrt_task_facts *t, struct vmrt_figure *f)
{
	int64_t doubtful = vmrt_task_doubtful(t) + t->missing;

	if (doubtful)
		because_of_jobs(t, f);
	else if (t->missed_incomplete)
		because(f, "%lld job%s missed without an end", (long long)t->missed_incomplete,
			plural(t->missed_incomplete));
	else if (!t->response.n)
		because(f, "no job was seen as a whole");
	return doubtful + t->missed_incomplete;
}

/* Sets a figure that can only become larger by jobs without durations, or without a value in
 * @series.
 */
static void at_least(const struct vmrt_task_facts *t, int64_t ns, const struct vmrt_series *series,
	struct vmrt_figure *f)
{
	exactly_ns(f, ns);
	if (untimed(t, f)) {
		f->high = INFINITY;
	} else if (series->n < t->response.n) {
		because(f, "it is not known of %lld job%s", (long long)(t->response.n - series->n),
			plural((int64_t)(t->response.n - series->n)));
		f->high = INFINITY;
	}
	is_open(t->uncertain, INFINITY, f);
}

/* A percentile of sorted values, where @others more may all be smaller, or all be larger. */
static void percentile(const struct vmrt_samples *s, unsigned num, unsigned den, size_t others,
	struct vmrt_figure *f)
{
	size_t rank;

	if (!s->n)
		return exactly(f, NAN);
	exactly_ns(f, s->values[vmrt_samples_rank(s->n, num, den) - 1]);
	rank = vmrt_samples_rank(s->n + others, num, den);
	f->low = rank > others ? (double)s->values[rank - others - 1] : 0;
	f->high = rank <= s->n ? (double)s->values[rank - 1] : INFINITY;
}

static void response_p(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	percentile(&t->responses, f->num, f->den, (size_t)untimed(t, f), f);
	is_open(t->uncertain, INFINITY, f);
}

static void response_min(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	exactly_ns(f, t->response.min);
	if (untimed(t, f))
		f->low = 0;
	is_open(t->uncertain, INFINITY, f);
}

static void response_mean(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, vmrt_series_mean(&t->response), &t->response, f);
	if (untimed(t, f))
		f->low = 0;
}

static void response_max(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, t->response.max, &t->response, f);
}

static void response_jitter(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, vmrt_series_jitter(&t->response), &t->response, f);
}

static void response_jitter_relative(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, t->response.relative, &t->response, f);
}

static void release_jitter(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, vmrt_series_jitter(&t->release), &t->release, f);
}

static void start_jitter(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, vmrt_series_jitter(&t->start), &t->start, f);
}

static void tardiness(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;
	int64_t most = t->tardiness.n ? t->tardiness.max : 0;

	at_least(t, t->response.n && t->deadline_ns != VMRT_UNKNOWN ? most : VMRT_UNKNOWN,
		&t->response, f);
}

static void exec_max(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_task_facts *t = of;

	at_least(t, t->exec.max, &t->exec, f);
	if (isnan(f->value))
		return;
	f->low = t->uncertain ? 0 : (double)t->exec_least;
	if (t->exec_open) {
		f->high = INFINITY;
		if (!*f->why)
			because(f, "execution of %lld job%s is not certain",
				(long long)t->exec_open, plural(t->exec_open));
	} else if (!isinf(f->high)) {
		f->high = (double)t->exec_most;
		because(f, "it is certain only to within so much");
	}
}

/* Sets a figure of periods; unknown periods may have been worse than all others. */
static void of_periods(const struct vmrt_server_facts *s, int64_t ns, struct vmrt_figure *f)
{
	exactly_ns(f, ns);
	if (is_open(s->uncertain, INFINITY, f))
		return;
	if (s->unknown) {
		because(f, "%lld unknown period%s", (long long)s->unknown, plural(s->unknown));
		f->high = INFINITY;
	} else if (ns == VMRT_UNKNOWN) {
		because(f, "%s", s->enforced ? "no period shows it" : "nobody enforced the server");
	}
}

static void overshoot(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	/* a server that never used up its budget was never above it */
	of_periods(s, !s->used_up && s->enforced && s->judged ? 0 : s->over_max, f);
}

static void overshoot_p99(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	of_periods(s, !s->used_up && s->enforced && s->judged ? 0 : s->over_p99, f);
	if (s->used_up)
		percentile(&s->overshoots, 99, 100, (size_t)s->unknown, f);
	is_open(s->uncertain, INFINITY, f);
}

static void blackout(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	of_periods(s, s->blackout_max, f);
}

static void latency(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	of_periods(s, s->latency_max, f);
}

static void of_judged(const struct vmrt_server_facts *s, double ratio, struct vmrt_figure *f)
{
	int64_t all = s->judged + s->unknown;

	exactly(f, s->judged ? ratio : NAN);
	if (!s->judged) {
		because(f, "no period could be judged");
	} else if (s->unknown) {
		because(f, "%lld unknown period%s", (long long)s->unknown, plural(s->unknown));
		f->low = ratio * (double)s->judged / (double)all;
		f->high = INFINITY;
	}
	is_open(s->uncertain, INFINITY, f);
}

static void consumed(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	of_judged(s, s->consumed_ratio, f);
}

static void depleted(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;

	of_judged(s, s->judged ? (double)s->depleted / (double)s->judged : NAN, f);
	if (s->judged && s->unknown)
		f->high = (double)(s->depleted + s->unknown) / (double)(s->judged + s->unknown);
	is_open(s->uncertain, INFINITY, f);
}

static void violations(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_server_facts *s = of;
	int64_t sum = 0, doubtful = 0;

	for (size_t i = 0; i < s->n_checks; i++) {
		sum += s->checks[i].violations;
		doubtful += s->checks[i].unknown;
	}
	exactly(f, s->n_checks ? (double)sum : NAN);
	f->high += (double)doubtful;
	if (!s->n_checks)
		because(f, "the server was not checked: nobody enforced it");
	else if (doubtful)
		because(f, "%lld window%s could not be judged", (long long)doubtful,
			plural(doubtful));
	if (s->n_checks)
		is_open(s->uncertain, INFINITY, f);
}

static void loss(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_machine_facts *m = of;

	exactly(f, (double)m->lost);
	if (m->losses && !m->lost) { /* a hole whose size nobody knows */
		because(f, "%lld interval%s with losses that nobody counted", (long long)m->losses,
			plural(m->losses));
		f->low = 1;
		f->high = INFINITY;
	}
}

static void clock_error(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_machine_facts *m = of;

	exactly_ns(f, strcmp(m->kind, "host") != 0 ? m->clock_error_ns : 0);
	if (isnan(f->value))
		because(f, "nothing bounds the clock's error");
}

static void steal(const void *of, struct vmrt_figure *f)
{
	const struct vmrt_machine_facts *m = of;

	exactly_ns(f, m->steal_ns);
}

#define TASK(name, type, words)                                                                    \
	{                                                                                          \
#name, VMRT_SCOPE_TASK, VMRT_CELL_##type, name, words                              \
	}
#define SERVER(name, type, words)                                                                  \
	{                                                                                          \
#name, VMRT_SCOPE_SERVER, VMRT_CELL_##type, name, words                            \
	}
#define MACHINE(name, type, words)                                                                 \
	{                                                                                          \
#name, VMRT_SCOPE_MACHINE, VMRT_CELL_##type, name, words                           \
	}

const struct condition_metric *condition_metric_list(void)
{
	static const struct condition_metric list[] = {
		TASK(miss, RATIO, "miss ratio"),
		TASK(miss_low, RATIO, "lower end of its 95 % interval"),
		TASK(miss_high, RATIO, "upper end of its 95 % interval"),
		TASK(not_excused, RATIO, "ratio of misses without an excuse"),
		TASK(missed, COUNT, "misses"),
		TASK(miss_run, COUNT, "longest run of misses"),
		TASK(jobs, COUNT, "jobs"),
		TASK(unknown, COUNT, "jobs of unknown outcome"),
		TASK(response_p, NS, "percentile of response times"),
		TASK(response_min, NS, "shortest response time"),
		TASK(response_mean, NS, "mean response time"),
		TASK(response_max, NS, "longest response time"),
		TASK(response_jitter, NS, "response jitter"),
		TASK(response_jitter_relative, NS, "relative response jitter"),
		TASK(release_jitter, NS, "release jitter"),
		TASK(start_jitter, NS, "start jitter"),
		TASK(tardiness, NS, "largest tardiness"),
		TASK(exec_max, NS, "longest execution"),
		SERVER(overshoot, NS, "largest overshoot"),
		SERVER(overshoot_p99, NS, "99th percentile of overshoot"),
		SERVER(blackout, NS, "longest time with demand and without supply"),
		SERVER(latency, NS, "longest time from demand to supply"),
		SERVER(consumed, RATIO, "consumed budget"),
		SERVER(depleted, RATIO, "share of periods with the budget used up"),
		SERVER(violations, COUNT, "violations of the policy's rules"),
		MACHINE(loss, COUNT, "lost events"),
		MACHINE(clock_error, NS, "error of the clock"),
		MACHINE(steal, NS, "time the host did not run"),
		{0},
	};

	return list;
}

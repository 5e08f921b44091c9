/* SPDX-License-Identifier: MIT */
/* Writes figures in Prometheus' text format 0.0.4. */
#include "publish.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

#define BUCKET_BITS 6 /* of vmrt-top's histograms, which are the coarsest */

int64_t publish_bound(size_t i)
{
	static const int64_t digits[] = {1, 2, 5};
	int64_t ns = digits[i % 3] * VMRT_NS_PER_US;
	unsigned shift;

	for (size_t k = 0; k < i / 3; k++)
		ns *= 10;
	shift = 63 - (unsigned)__builtin_clzll((unsigned long long)ns) - BUCKET_BITS;
	return (((ns >> shift) + 1) << shift) - 1;
}

/* A label: name and value. */
struct label {
	const char *name, *value; /* value NULL: there is no such label */
};

struct writer {
	FILE *out;
	const char *name, *type, *help; /* of the metric */
	bool begun;			/* its HELP and TYPE are written */
};

/* The value of a label may be any UTF-8 text. Bytes that are not UTF-8, and characters that would
 * control a terminal, become '?'. */
static void put_value_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (c == '\\' || c == '"')
			putc('\\', out), putc((int)c, out);
		else if (c == '\n')
			fputs("\\n", out);
		else if (!vmrt_utf8_is_harmless(c))
			putc('?', out);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

/* Begins the next metric, whose samples follow. */
static void metric(struct writer *w, const char *name, const char *type, const char *help)
{
	w->name = name;
	w->type = type;
	w->help = help;
	w->begun = false;
}

static void put_labels(FILE *out, const struct label *labels, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!labels[i].value)
			continue;
		fprintf(out, "%s%s=\"", any ? "," : "{", labels[i].name);
		put_value_text(out, labels[i].value);
		putc('"', out);
		any = true;
	}
	if (any)
		putc('}', out);
}

/* Writes a sample, but nothing if @value is NaN, which stands for an unknown value. */
static void sample(
	struct writer *w, const char *suffix, double value, const struct label *labels, size_t n)
{
	if (isnan(value))
		return;
	if (!w->begun)
		fprintf(w->out, "# HELP %s %s\n# TYPE %s %s\n", w->name, w->help, w->name, w->type);
	w->begun = true;
	fprintf(w->out, "%s%s", w->name, suffix);
	put_labels(w->out, labels, n);
	fprintf(w->out, " %.15g\n", value);
}

static double seconds(int64_t ns)
{
	return ns == VMRT_UNKNOWN ? NAN : (double)ns / 1e9;
}

static double count(int64_t n)
{
	return n == VMRT_UNKNOWN ? NAN : (double)n;
}

/* ---- runs and machines ---- */

static void put_runs(struct writer *w, const struct publish_set *set)
{
	const struct vmrt_run_facts *f;

#define RUNS(value_)                                                                               \
	for (size_t i = 0; i < set->n_runs; i++) {                                                 \
		f = set->runs[i].facts;                                                            \
		sample(w, "", value_, (struct label[]){{"run", f->label}}, 1);                     \
	}
	metric(w, "vmrt_run_info", "gauge", "Which run the figures are of; always 1.");
	for (size_t i = 0; i < set->n_runs; i++) {
		f = set->runs[i].facts;
		sample(w, "", 1,
			(struct label[]){{"run", f->label}, {"uuid", f->uuid},
				{"host", f->hostname}, {"enforced", f->hsf ? "yes" : "no"}},
			4);
	}
	metric(w, "vmrt_run_duration_seconds", "gauge", "How long the recording is.");
	RUNS(f->start_ns == VMRT_UNKNOWN || f->end_ns == VMRT_UNKNOWN
			? NAN
			: seconds(f->end_ns - f->start_ns))
	metric(w, "vmrt_run_doubtful", "gauge",
		"1 if events were lost that may have changed outcomes.");
	RUNS(vmrt_facts_loss(f))
#undef RUNS
}

static void put_machines(struct writer *w, const struct publish_set *set)
{
	const struct publish_machine *m;

#define MACHINES(value_)                                                                           \
	for (size_t i = 0; i < set->n_machines; i++) {                                             \
		m = &set->machines[i];                                                             \
		sample(w, "", value_, (struct label[]){{"run", m->run}, {"machine", m->name}}, 2); \
	}
	metric(w, "vmrt_machine_events_total", "counter", "Events that were read of a machine.");
	MACHINES(count(m->events))
	metric(w, "vmrt_machine_lost_events_total", "counter", "Events of it known to be lost.");
	MACHINES(count(m->lost))
	metric(w, "vmrt_machine_steal_seconds_total", "counter",
		"Time in which the machine itself did not run.");
	MACHINES(seconds(m->steal_ns))
	metric(w, "vmrt_machine_clock_error_seconds", "gauge",
		"Bound of the error of its clock against the host's.");
	MACHINES(seconds(m->clock_error_ns))
#undef MACHINES
}

/* ---- tasks ---- */

#define TASK_LABELS(...)                                                                           \
	((struct label[]){{"run", t->run}, {"machine", t->machine}, {"task", t->name}, __VA_ARGS__})

static void put_jobs(struct writer *w, const struct publish_set *set)
{
	metric(w, "vmrt_task_jobs_total", "counter", "Jobs by outcome.");
	for (size_t i = 0; i < set->n_tasks; i++) {
		const struct publish_task *t = &set->tasks[i];
		const struct {
			const char *outcome;
			int64_t n;
		} outcomes[] = {{"met", t->facts->met}, {"missed", vmrt_task_missed(t->facts)},
			{"unknown", t->facts->unknown}, {"truncated", t->facts->truncated}};

		for (size_t k = 0; k < sizeof(outcomes) / sizeof(outcomes[0]); k++)
			sample(w, "", count(outcomes[k].n),
				TASK_LABELS({"outcome", outcomes[k].outcome}), 4);
	}
	metric(w, "vmrt_task_misses_total", "counter", "Missed deadlines by main cause.");
	for (size_t i = 0; i < set->n_tasks; i++) {
		const struct publish_task *t = &set->tasks[i];

		for (size_t k = 0; k < t->facts->n_causes; k++)
			sample(w, "", count(t->facts->causes[k].misses),
				TASK_LABELS({"cause", t->facts->causes[k].name}), 4);
	}
}

static void put_responses(struct writer *w, const struct publish_set *set)
{
	char le[32];

	metric(w, "vmrt_task_response_seconds", "histogram",
		"Response times of jobs that are known from arrival to end.");
	for (size_t i = 0; i < set->n_tasks; i++) {
		const struct publish_task *t = &set->tasks[i];

		for (size_t k = 0; k < PUBLISH_BOUNDS; k++) {
			snprintf(le, sizeof(le), "%.9f", (double)publish_bound(k) / 1e9);
			sample(w, "_bucket", (double)t->upto[k], TASK_LABELS({"le", le}), 4);
		}
		sample(w, "_bucket", (double)t->n, TASK_LABELS({"le", "+Inf"}), 4);
		sample(w, "_sum", t->n ? t->sum_ns / 1e9 : 0, TASK_LABELS({NULL, NULL}), 4);
		sample(w, "_count", (double)t->n, TASK_LABELS({NULL, NULL}), 4);
	}
}

static void put_tasks(struct writer *w, const struct publish_set *set)
{
	const struct publish_task *t;

#define TASKS(value_)                                                                              \
	for (size_t i = 0; i < set->n_tasks; i++) {                                                \
		t = &set->tasks[i];                                                                \
		sample(w, "", value_, TASK_LABELS({NULL, NULL}), 4);                               \
	}
	metric(w, "vmrt_task_period_seconds", "gauge", "Period as declared or found out.");
	TASKS(t->facts->period_ns > 0 ? seconds(t->facts->period_ns) : NAN)
	metric(w, "vmrt_task_deadline_seconds", "gauge", "Relative deadline.");
	TASKS(seconds(t->facts->deadline_ns))
	put_jobs(w, set);
	metric(w, "vmrt_task_excused_misses_total", "counter",
		"Misses that overruns, steal or throttling explain.");
	TASKS(count(t->facts->excused))
	metric(w, "vmrt_task_skipped_releases_total", "counter", "Releases that nobody served.");
	TASKS(count(t->facts->skipped))
	put_responses(w, set);
	metric(w, "vmrt_task_response_max_seconds", "gauge", "Longest response time.");
	TASKS(seconds(t->response_max_ns))
	metric(w, "vmrt_task_execution_max_seconds", "gauge", "Longest execution time.");
	TASKS(t->facts->exec.n ? seconds(t->facts->exec.max) : NAN)
	metric(w, "vmrt_task_release_jitter_seconds", "gauge",
		"Latest minus earliest release behind the arrival.");
	TASKS(seconds(vmrt_series_jitter(&t->facts->release)))
#undef TASKS
}

/* ---- servers ---- */

#define SERVER_LABELS(...) ((struct label[]){{"run", s->run}, {"server", s->name}, __VA_ARGS__})

static void put_periods(struct writer *w, const struct publish_set *set)
{
	metric(w, "vmrt_server_periods_total", "counter", "Periods of a server by outcome.");
	for (size_t i = 0; i < set->n_servers; i++) {
		const struct publish_server *s = &set->servers[i];
		const struct {
			const char *outcome;
			int64_t n;
		} outcomes[] = {{"served", s->facts->served}, {"depleted", s->facts->depleted},
			{"unenforced", s->facts->unenforced}, {"unknown", s->facts->unknown},
			{"truncated", s->facts->truncated}};

		for (size_t k = 0; k < sizeof(outcomes) / sizeof(outcomes[0]); k++)
			sample(w, "", count(outcomes[k].n),
				SERVER_LABELS({"outcome", outcomes[k].outcome}), 3);
	}
	metric(w, "vmrt_server_rule_windows_total", "counter",
		"Windows in which a rule of the server's policy was judged.");
	for (size_t i = 0; i < set->n_servers; i++) {
		const struct publish_server *s = &set->servers[i];

		for (size_t k = 0; k < s->facts->n_checks; k++)
			sample(w, "", count(s->facts->checks[k].judged),
				SERVER_LABELS({"rule", s->facts->checks[k].rule}), 3);
	}
	metric(w, "vmrt_server_rule_violations_total", "counter", "And in which it was broken.");
	for (size_t i = 0; i < set->n_servers; i++) {
		const struct publish_server *s = &set->servers[i];

		for (size_t k = 0; k < s->facts->n_checks; k++)
			sample(w, "", count(s->facts->checks[k].violations),
				SERVER_LABELS({"rule", s->facts->checks[k].rule}), 3);
	}
}

static void put_servers(struct writer *w, const struct publish_set *set)
{
	const struct publish_server *s;

#define SERVERS(value_)                                                                            \
	for (size_t i = 0; i < set->n_servers; i++) {                                              \
		s = &set->servers[i];                                                              \
		sample(w, "", value_, SERVER_LABELS({NULL, NULL}), 3);                             \
	}
	metric(w, "vmrt_server_info", "gauge", "Which VM a server serves, and how; always 1.");
	for (size_t i = 0; i < set->n_servers; i++) {
		s = &set->servers[i];
		sample(w, "", 1,
			SERVER_LABELS({"vm", s->vm}, {"policy", s->facts->policy},
				{"enforced", s->facts->enforced ? "yes" : "no"}),
			5);
	}
	metric(w, "vmrt_server_period_seconds", "gauge", "Period.");
	SERVERS(s->facts->period_ns > 0 ? seconds(s->facts->period_ns) : NAN)
	metric(w, "vmrt_server_budget_seconds", "gauge", "Budget in each period.");
	SERVERS(s->facts->budget_ns > 0 ? seconds(s->facts->budget_ns) : NAN)
	put_periods(w, set);
	metric(w, "vmrt_server_budget_used_ratio", "gauge", "Share of the budgets that was used.");
	SERVERS(s->facts->consumed_ratio)
	metric(w, "vmrt_server_cpu_received_ratio", "gauge", "Share of a CPU that was received.");
	SERVERS(s->facts->received_ratio)
	metric(w, "vmrt_server_overshoot_max_seconds", "gauge",
		"Most time used beyond the budget in a period.");
	SERVERS(seconds(s->facts->over_max))
	metric(w, "vmrt_server_latency_max_seconds", "gauge",
		"Longest time from the first demand in a period to the first supply.");
	SERVERS(seconds(s->facts->latency_max))
	metric(w, "vmrt_server_blackout_max_seconds", "gauge",
		"Longest demand without any supply.");
	SERVERS(seconds(s->facts->blackout_max))
#undef SERVERS
}

void publish_prometheus(FILE *out, const struct publish_set *set)
{
	struct writer w = {.out = out};

	put_runs(&w, set);
	put_machines(&w, set);
	put_tasks(&w, set);
	put_servers(&w, set);
}

/* ---- recorded runs ---- */

static void fill_task(
	struct publish_task *to, const struct vmrt_run_facts *run, const struct vmrt_task_facts *t)
{
	*to = (struct publish_task){.run = run->label,
		.facts = t,
		.machine = t->machine_name,
		.name = t->name,
		.response_max_ns = t->response.max,
		.n = t->responses.n,
		.sum_ns = t->response.sum};
	for (size_t k = 0; k < PUBLISH_BOUNDS; k++)
		for (size_t i = 0; i < t->responses.n; i++)
			to->upto[k] += t->responses.values[i] <= publish_bound(k);
}

enum vmrt_status publish_runs(
	FILE *out, const struct vmrt_run_facts *const *runs, size_t n, struct vmrt_error *err)
{
	size_t tasks = 0, servers = 0, machines = 0;
	struct publish_machine *m;
	struct publish_server *s;
	struct publish_task *t;
	struct publish_run *r;
	struct publish_set set = {0};

	for (size_t i = 0; i < n; i++) {
		tasks += runs[i]->n_tasks;
		servers += runs[i]->n_servers;
		machines += runs[i]->n_machines;
	}
	set.runs = r = calloc(n + 1, sizeof(*r));
	set.machines = m = calloc(machines + 1, sizeof(*m));
	set.tasks = t = calloc(tasks + 1, sizeof(*t));
	set.servers = s = calloc(servers + 1, sizeof(*s));
	for (size_t i = 0; r && m && t && s && i < n; i++) {
		const struct vmrt_run_facts *f = runs[i];

		r[set.n_runs++].facts = f;
		for (size_t k = 0; k < f->n_machines; k++)
			m[set.n_machines++] = (struct publish_machine){f->label,
				f->machines[k].name, f->machines[k].events, f->machines[k].lost,
				f->machines[k].steal_ns, f->machines[k].clock_error_ns};
		for (size_t k = 0; k < f->n_tasks; k++)
			if (f->tasks[k].selected)
				fill_task(&t[set.n_tasks++], f, &f->tasks[k]);
		for (size_t k = 0; k < f->n_servers; k++)
			if (f->servers[k].selected)
				s[set.n_servers++] = (struct publish_server){f->label,
					&f->servers[k], f->servers[k].name, f->servers[k].vm};
	}
	if (r && m && t && s)
		publish_prometheus(out, &set);
	free(r);
	free(m);
	free(t);
	free(s);
	return r && m && t && s ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

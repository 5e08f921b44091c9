/* SPDX-License-Identifier: MIT */
/*
 * The engine against the truth. Exact where the recording is whole; where it is not, what the
 * engine says must be true within what it states, and what it cannot know it must call unknown.
 */
#include "sim-check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH_EXPIRIES 8	  /* map a record clock */
#define CONTRADICTS_NS (100 * US) /* documented: times so far apart are unknown */

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *x)                                   \
	{                                                                                          \
		struct got *g = ctx;                                                               \
                                                                                                   \
		if (g->n_##what == g->what##_room) {                                               \
			g->what##_room = g->what##_room ? g->what##_room * 2 : 64;                 \
			g->what = realloc(g->what, g->what##_room * sizeof(*g->what));             \
			if (!g->what)                                                              \
				abort();                                                           \
		}                                                                                  \
		g->what[g->n_##what++] = *x;                                                       \
	}

KEEP(jobs, vmrt_job)
KEEP(slices, vmrt_slice)
KEEP(periods, vmrt_server_period)
KEEP(losses, vmrt_loss)
KEEP(threads, vmrt_thread)

static void keep_server(void *ctx, const struct vmrt_server *server)
{
	struct got *g = ctx;

	if (server->id < SIM_GUESTS)
		g->phases[server->id] = server->phase;
}

void sim_wrong(struct got *g, const char *fmt, ...)
{
	va_list args;

	if (g->bad++ >= g->show)
		return;
	fputs("#   ", g->out);
	va_start(args, fmt);
	vfprintf(g->out, fmt, args);
	va_end(args);
	fputc('\n', g->out);
}

/* Nanoseconds as microseconds since the recording began, for people. */
const char *sim_at(const struct got *g, int64_t ns)
{
	static char texts[8][32];
	static int next;
	char *text = texts[next++ % 8];

	if (ns == VMRT_UNKNOWN)
		return "unknown";
	snprintf(text, 32, "%.3f", (double)(ns - g->r->truth.start_ns) / 1000);
	return text;
}

bool sim_in_hole(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *t = &g->r->truth;

	for (size_t i = 0; i < t->n_holes; i++)
		if (t->holes[i].machine == machine && t->holes[i].from_ns <= to &&
			t->holes[i].to_ns >= from)
			return true;
	for (size_t i = 0; i < t->n_clips; i++)
		if (t->clips[i].machine == machine && t->clips[i].from_ns < to &&
			t->clips[i].to_ns >= from)
			return true;
	return false;
}

/* Nothing is recorded of CPU @cpu at all, and nothing shows that it might have been. */
bool sim_is_silent(const struct got *g, uint32_t machine, unsigned cpu)
{
	const struct sim_truth *t = &g->r->truth;

	if (!g->clipped)
		return false;
	for (size_t i = 0; i < t->n_clips; i++)
		if (t->clips[i].machine == machine && t->clips[i].cpu == cpu)
			return false;
	for (size_t i = 0; i < g->r->n_events; i++)
		if (g->r->events[i].machine == machine && g->r->events[i].ev.cpu == cpu)
			return false;
	return true;
}

bool sim_has_silent_cpu(const struct got *g, uint32_t machine)
{
	for (unsigned cpu = 0; cpu < g->r->machines[machine].cpus; cpu++)
		if (sim_is_silent(g, machine, cpu))
			return true;
	return false;
}

bool sim_undeclared(const struct got *g, uint32_t task)
{
	return !g->r->tasks[task].deadline_ns;
}

bool sim_waits(const struct got *g, uint32_t task)
{
	enum vmrt_release how = g->r->how[task];

	return how == VMRT_RELEASE_TIMERFD || how == VMRT_RELEASE_ITIMER ||
	       how == VMRT_RELEASE_POSIX;
}

/* Beyond a hole that nothing shows, the engine may say anything. */
bool sim_behind_unreported(const struct got *g, int64_t to)
{
	const struct sim_truth *t = &g->r->truth;

	return t->n_holes && t->holes[0].unreported && t->holes[0].from_ns <= to;
}

/* What shows that something is missing says only since when nothing was seen of the thread: that
 * may be long before the hole began. */
bool sim_doubted(const struct got *g, int64_t from, int64_t to)
{
	const struct sim_truth *t = &g->r->truth;

	for (size_t i = 0; i < g->n_losses; i++)
		for (size_t k = 0; k < t->n_holes; k++)
			if (g->losses[i].kind == VMRT_LOSS_CLIPPED && g->losses[i].from_ns < to &&
				g->losses[i].to_ns > from &&
				t->holes[k].from_ns < g->losses[i].to_ns &&
				t->holes[k].to_ns > g->losses[i].from_ns)
				return true;
	return false;
}

uint32_t sim_machine_of(const struct got *g, uint32_t task)
{
	for (uint32_t m = 0; m < g->r->config.n_machines; m++)
		if (!strcmp(g->r->machines[m].name, g->r->tasks[task].machine))
			return m;
	return 0;
}

/* Where the events of a CPU that is recorded in part begin and end. */
struct span {
	size_t first, next;
};

static struct span span_of(const struct sim_result *r, const struct sim_hole *clip)
{
	struct span span = {r->n_events, 0};

	for (size_t j = 0; j < r->n_events; j++) {
		if (r->events[j].machine != clip->machine || r->events[j].ev.cpu != clip->cpu)
			continue;
		if (span.first == r->n_events)
			span.first = j;
		span.next = j + 1;
	}
	return span;
}

/* Tells the engine, before event @i, which CPUs have no more to come; before the first, which begin
 * late. */
static void apply_clips(
	struct got *g, struct vmrt_engine *engine, const struct span *spans, size_t i)
{
	const struct sim_result *r = g->r;

	for (size_t n = 0; n < r->truth.n_clips; n++) {
		const struct sim_hole *clip = &r->truth.clips[n];

		if (clip->to_ns == r->truth.end_ns ? spans[n].next == i : false)
			vmrt_engine_clip(
				engine, clip->machine, clip->cpu, VMRT_UNKNOWN, VMRT_UNKNOWN);
		else if (clip->to_ns != r->truth.end_ns && !i)
			vmrt_engine_clip(engine, clip->machine, clip->cpu, VMRT_UNKNOWN,
				spans[n].first < r->n_events ? r->events[spans[n].first].host_ns
							     : r->truth.end_ns);
	}
}

/* Has the recording of a machine so many timers that its clock can be related to CLOCK_MONOTONIC?
 */
static bool can_be_mapped(const struct sim_result *r, uint32_t machine)
{
	int expiries = 0;

	for (size_t i = 0; i < r->n_events; i++)
		expiries += r->events[i].machine == machine &&
			    r->events[i].ev.type == VMRT_EV_TIMER_EXPIRE;
	return expiries >= ENOUGH_EXPIRIES;
}

/* Are the times that were made of record clocks right within the stated errors? False: there is
 * nothing to go on with. */
static bool check_clocks(struct got *g)
{
	const struct sim_result *r = g->r;
	int64_t worst[1 + SIM_GUESTS][SIM_CPUS] = {0}, most = 0;

	for (uint32_t m = 0; m < r->config.n_machines; m++) {
		if (!r->clocks[m].name || (r->clocks[m].mapped && !r->clocks[m].useless))
			continue;
		if (r->clocks[m].useless && !strstr(r->clocks[m].why_not, r->clocks[m].name))
			sim_wrong(g, "machine %u: nothing says why clock %s is of no use", m,
				r->clocks[m].name);
		/* it was set back */
		if (llabs(r->clocks[m].step_ns) > CONTRADICTS_NS && r->clocks[m].back)
			return false;
		if (!r->clocks[m].useless && can_be_mapped(r, m))
			sim_wrong(g, "machine %u: clock %s was not mapped", m, r->clocks[m].name);
		return false;
	}
	for (size_t i = 0; i < r->n_events; i++) {
		const struct sim_event *e = &r->events[i];
		int64_t off = llabs(e->ev.ts - e->local_ns);

		if (off > worst[e->machine][e->ev.cpu])
			worst[e->machine][e->ev.cpu] = off;
	}
	for (uint32_t m = 0; m < r->config.n_machines; m++) {
		int64_t largest = 0;

		for (unsigned c = 0; r->clocks[m].name && c < r->machines[m].cpus; c++) {
			int64_t error = r->clocks[m].error_ns[c];

			if (error == VMRT_UNKNOWN)
				continue;
			if (worst[m][c] > error)
				sim_wrong(g,
					"machine %u, cpu %u: clock %s is off by %" PRId64
					", stated %" PRId64,
					m, c, r->clocks[m].name, worst[m][c], error);
			if (error > largest)
				largest = error;
		}
		most += largest;
	}
	g->record_ns = most;
	return true;
}

/*
 * Does the next record of a CPU, from event @i on, come behind lost ones? Half of the recordings
 * are read by who looks ahead; a live view cannot.
 */
static bool loses_before(const struct got *g, size_t i, uint32_t machine, unsigned cpu)
{
	for (; g->knows_ahead && i < g->r->n_events; i++)
		if (g->r->events[i].machine == machine && g->r->events[i].ev.cpu == cpu)
			return g->r->events[i].ev.lost;
	return false;
}

static void lose_the_first(const struct got *g, struct vmrt_engine *engine)
{
	for (uint32_t m = 0; m < g->r->config.n_machines; m++)
		for (unsigned c = 0; c < g->r->machines[m].cpus; c++)
			if (loses_before(g, 0, m, c))
				vmrt_engine_losing(engine, m, c);
}

static void feed(struct got *g)
{
	const struct sim_result *r = g->r;
	struct vmrt_sink sink = {.ctx = g,
		.thread = keep_threads,
		.slice = keep_slices,
		.server = keep_server,
		.server_period = keep_periods,
		.job = keep_jobs,
		.loss = keep_losses};
	struct vmrt_engine *engine;
	struct vmrt_error err;
	struct span *spans;

	if (vmrt_engine_new(&r->config, &sink, &engine, &err) != VMRT_OK) {
		sim_wrong(g, "engine: %s", err.text);
		return;
	}
	spans = calloc(r->truth.n_clips + 1, sizeof(*spans));
	if (!spans)
		abort();
	lose_the_first(g, engine);
	for (size_t n = 0; n < r->truth.n_clips; n++)
		spans[n] = span_of(r, &r->truth.clips[n]);
	for (size_t i = 0; i < r->n_events; i++) {
		const struct sim_event *e = &r->events[i];
		int64_t error = e->machine ? r->segments[e->machine].error_ns + g->record_ns : 0;
		int64_t host_ns = e->host_ns < r->truth.start_ns ? r->truth.start_ns : e->host_ns;

		if (host_ns > r->truth.end_ns)
			host_ns = r->truth.end_ns;

		apply_clips(g, engine, spans, i);
		if (vmrt_engine_push(engine, e->machine, &e->ev, host_ns, error) != VMRT_OK)
			sim_wrong(g, "engine: push failed");
		if (loses_before(g, i + 1, e->machine, e->ev.cpu))
			vmrt_engine_losing(engine, e->machine, e->ev.cpu);
	}
	apply_clips(g, engine, spans, r->n_events);
	free(spans);
	vmrt_engine_finish(engine, r->truth.end_ns);
	for (uint32_t t = 0; t < r->exp.n_tasks; t++) {
		g->found[t] = vmrt_engine_task_release(engine, t, &g->found_periods[t]);
		vmrt_engine_task_contradiction(engine, t, &g->unsure[t]);
	}
	for (uint32_t m = 0; m < r->config.n_machines; m++)
		vmrt_engine_stats(engine, m, &g->stats[m]);
	vmrt_engine_free(engine);
}

static void print_job(const struct got *g, const char *who, const struct vmrt_job *j)
{
	fprintf(g->out,
		"# %s: t%u k %" PRId64 " (%" PRId64
		" skipped) arrival %s release %s start %s end %s %s, exec %" PRId64
		", excess %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
		who, j->task, j->k, j->skipped, sim_at(g, j->arrival_ns), sim_at(g, j->release_ns),
		sim_at(g, j->start_ns), sim_at(g, j->end_ns), vmrt_outcome_name(j->outcome),
		j->exec_ns, j->excess_ns[VMRT_BLAME_OVERRUN],
		j->excess_ns[VMRT_BLAME_GUEST_OVERRUN], j->excess_ns[VMRT_BLAME_STEAL],
		j->excess_ns[VMRT_BLAME_THROTTLING]);
}

int sim_check(const struct sim_result *r, FILE *out, int show, bool show_jobs)
{
	uint64_t f = r->c.features;
	struct got g = {.r = r,
		.out = out,
		.show = show,
		.lossy = f >> SIM_LOSS & 1,
		.knows_ahead = f >> SIM_LOSS & r->c.seed & 1,
		.broken = f >> SIM_BROKEN & 1,
		.late = f >> SIM_LATE_START & 1,
		.clipped = f >> SIM_CLIPPED & 1 || r->truth.n_clips,
		.renames = f >> SIM_RENAME & 1,
		.respawns = f >> SIM_RESPAWN & 1,
		.blurred_clock = (f >> SIM_DRIFT & 1) || (f >> SIM_CLOCK_ERROR & 1),
		.steal = f >> SIM_STEAL & 1};

	if (f >> SIM_RECORD_CLOCK & 1 && !check_clocks(&g))
		return g.bad;
	feed(&g);
	for (size_t i = 0; show_jobs && i < g.n_jobs; i++)
		print_job(&g, "engine", &g.jobs[i]);
	for (size_t i = 0; show_jobs && i < r->truth.n_jobs; i++)
		print_job(&g, "truth", &r->truth.jobs[i].job);
	for (uint32_t t = 0; t < r->exp.n_tasks; t++) {
		if (r->late[t])
			sim_check_caught_up(&g, t);
		else
			sim_check_jobs_of(&g, t);
		sim_check_found(&g, t);
	}
	sim_check_slices(&g);
	sim_check_periods(&g);
	sim_check_losses(&g);
	free(g.jobs);
	free(g.slices);
	free(g.periods);
	free(g.losses);
	free(g.threads);
	return g.bad;
}

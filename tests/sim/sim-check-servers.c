/* SPDX-License-Identifier: MIT */
/* Slices, server periods and losses against the true ones. */
#include "sim-check.h"

#include <inttypes.h>
#include <string.h>

#define STEAL_COUNTS_NS (300 * US)

static bool is_thread(
	const struct got *g, const struct vmrt_slice *s, uint32_t machine, int32_t tid)
{
	const struct vmrt_thread *t = &g->threads[s->thread];

	return t->machine == machine && t->tid == tid;
}

/* Where it ran on before the record of its sleep came, that is not believed. */
static bool same_end(const struct got *g, const struct vmrt_slice *e, const struct sim_slice *t)
{
	return e->end_state == t->slice.end_state || (g->record_ns && !e->end_state);
}

/* The slices of each thread in order; those that the recording's begin or end cut are left out. */
void sim_check_slices(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	int64_t tolerance = (g->blurred_clock ? 2 : 0) + g->record_ns;
	size_t j = 0;

	if (g->lossy || g->broken || g->clipped)
		return;
	for (size_t i = 0; i < truth->n_slices; i++) {
		const struct sim_slice *t = &truth->slices[i];
		const struct vmrt_slice *e = NULL;
		int64_t error = tolerance + (t->machine ? truth->clock_error_ns : 0);

		if (t->slice.truncated || t->slice.start_ns < truth->start_ns)
			continue;
		/* both lists are nearly in the same order: by end */
		for (j = j > 50 ? j - 50 : 0; j < g->n_slices; j++) {
			e = &g->slices[j];
			if (is_thread(g, e, t->machine, t->tid) &&
				sim_near(e->start_ns, t->slice.start_ns, error) &&
				sim_near(e->end_ns, t->slice.end_ns, error) &&
				(!error || (e->cpu == t->slice.cpu && e->prio == t->slice.prio &&
						   same_end(g, e, t))))
				break;
			e = NULL;
		}
		if (!e) {
			sim_wrong(g, "thread %d of machine %u ran from %s to %s us: no such slice",
				t->tid, t->machine, sim_at(g, t->slice.start_ns),
				sim_at(g, t->slice.end_ns));
			return;
		}
		if (e->cpu != t->slice.cpu || e->prio != t->slice.prio || !same_end(g, e, t) ||
			e->uncertainty_ns)
			sim_wrong(g,
				"slice of thread %d from %s us: cpu %u prio %d state %" PRId64
				", true %u %d %" PRId64,
				t->tid, sim_at(g, t->slice.start_ns), e->cpu, e->prio, e->end_state,
				t->slice.cpu, t->slice.prio, t->slice.end_state);
	}
}

/* Does the recording end before the record that shows that time of the period was stolen? */
static bool is_stolen_at_the_end(const struct got *g, const struct vmrt_server_period *p)
{
	const struct sim_truth *t = &g->r->truth;

	for (size_t i = 0; i < t->n_steals; i++)
		if (t->steals[i].from_ns < p->end_ns &&
			t->steals[i].to_ns + g->record_ns >= t->end_ns)
			return true;
	return false;
}

/* When all vCPU threads of a server have shown themselves. */
static int64_t members_known(const struct got *g, uint32_t server)
{
	int64_t known = g->r->truth.start_ns;

	for (size_t v = 0; v < g->r->config.n_vms; v++) {
		for (size_t i = 0; i < g->r->vms[v].n_threads; i++) {
			int32_t tid = g->r->threads[v][i].tid;
			int64_t first = g->r->truth.end_ns;

			if (strcmp(g->r->vms[v].name, g->r->servers[server].vm) != 0)
				continue;
			for (size_t n = 0; n < g->r->n_events && first == g->r->truth.end_ns; n++) {
				const struct sim_event *e = &g->r->events[n];

				if (e->machine == 0 && e->ev.type == VMRT_EV_SWITCH &&
					(e->ev.sw.prev_pid == tid || e->ev.sw.next_pid == tid))
					first = e->true_ns;
			}
			if (first > known)
				known = first;
		}
	}
	return known;
}

/* By such clocks it ends, or begins, when its server is stopped or the recording ends, or begins.
 */
static bool may_be_cut(const struct got *g, const struct vmrt_server_period *t)
{
	char mark[64];

	if (!g->record_ns)
		return false;
	snprintf(mark, sizeof(mark), "srv_stop server=%s", g->r->servers[t->server].name);
	for (size_t i = 0; i < g->r->n_events; i++)
		if (g->r->events[i].ev.type == VMRT_EV_MARK && strstr(g->r->events[i].text, mark) &&
			(sim_near(g->r->events[i].true_ns, t->end_ns, g->record_ns) ||
				sim_near(g->r->events[i].true_ns, t->start_ns, g->record_ns)))
			return true;
	return t->end_ns + g->record_ns >= g->r->truth.end_ns ||
	       t->start_ns - g->record_ns <= g->r->truth.start_ns;
}

/* Are events lost that the engine needs for the period? @judged: nothing else is to be compared. */
static void check_lost_period(struct got *g, const struct vmrt_server_period *e,
	const struct vmrt_server_period *t, const char *name, bool *judged)
{
	const struct sim_truth *truth = &g->r->truth;

	*judged = true;
	if (sim_behind_unreported(g, t->end_ns) || g->clipped ||
		(e->outcome == VMRT_PERIOD_UNKNOWN && sim_doubted(g, t->start_ns, t->end_ns)))
		return;
	if (sim_in_hole(g, 0, t->start_ns, t->end_ns - 1)) {
		if (e->outcome != VMRT_PERIOD_UNKNOWN && e->outcome != VMRT_PERIOD_TRUNCATED &&
			truth->holes[0].to_ns < t->end_ns)
			sim_wrong(g, "%s: events are lost in it, but it is %s", name,
				vmrt_period_name(e->outcome));
		return;
	}
	if (g->lossy && truth->n_holes && t->end_ns > truth->holes[0].from_ns)
		return;
	/* the thread that ran last on a CPU before the loss may have run there for long */
	*judged = g->lossy && e->outcome == VMRT_PERIOD_UNKNOWN &&
		  sim_in_hole(g, 0, t->start_ns, 2 * t->end_ns - t->start_ns);
}

/* May the engine say something else of the period, because the recording lacks the proof? */
static bool may_period_differ(
	const struct got *g, const struct vmrt_server_period *e, const struct vmrt_server_period *t)
{
	if (g->late && e->start_ns < members_known(g, t->server))
		return true;
	/* the period may have ended before the recording did */
	if (may_be_cut(g, t))
		return true;
	/* by record clocks, a budget that is used up at the end of a period may be used up in the
	 * next one, and one whose marker came behind the end may be used up before the end */
	if (g->record_ns && (sim_near(t->depleted_ns, t->end_ns, g->record_ns) ||
				    sim_near(e->depleted_ns, t->end_ns, g->record_ns)))
		return true;
	if (!g->broken)
		return false;
	/* A period may be over before another CPU shows that a switch is missing in it. The next
	 * record of the CPU shows a missing switch: behind the last record nothing does. */
	return g->r->machines[0].cpus > 1 || e->outcome == VMRT_PERIOD_UNKNOWN ||
	       e->outcome == VMRT_PERIOD_TRUNCATED || g->stats[0].last_ns < t->end_ns;
}

static void check_consumption(struct got *g, const struct vmrt_server_period *e,
	const struct vmrt_server_period *t, const char *name, int64_t tolerance)
{
	if (!sim_near(e->consumed_ns, t->consumed_ns, tolerance) ||
		!sim_near(e->background_ns, t->background_ns, tolerance))
		sim_wrong(g,
			"%s: consumed %" PRId64 " background %" PRId64 ", true %" PRId64
			" %" PRId64,
			name, e->consumed_ns, e->background_ns, t->consumed_ns, t->background_ns);
	if (!g->broken && (!sim_near(e->waiting_ns, t->waiting_ns, tolerance) ||
				  (!g->record_ns && e->first_ns != t->first_ns)))
		sim_wrong(g, "%s: waiting %" PRId64 " first %s, true %" PRId64 " %s", name,
			e->waiting_ns, sim_at(g, e->first_ns), t->waiting_ns,
			sim_at(g, t->first_ns));
	/* an event that cuts a period short comes before the steal of another CPU shows */
	if (!g->broken && t->outcome != VMRT_PERIOD_TRUNCATED && !is_stolen_at_the_end(g, t) &&
		!sim_near(e->steal_ns, t->steal_ns, tolerance))
		sim_wrong(
			g, "%s: steal %" PRId64 ", true %" PRId64, name, e->steal_ns, t->steal_ns);
	if (e->steal_ns > e->consumed_ns + e->background_ns)
		sim_wrong(g, "%s: more steal than it ran", name);
}

static void check_period(
	struct got *g, const struct vmrt_server_period *e, const struct vmrt_server_period *t)
{
	char name[64];
	bool judged, elsewhere;

	snprintf(name, sizeof(name), "server %u, period %" PRId64 " at %s us", t->server, t->k,
		sim_at(g, t->start_ns));
	check_lost_period(g, e, t, name, &judged);
	if (judged || may_period_differ(g, e, t))
		return;
	if (e->start_ns != t->start_ns || e->outcome != t->outcome)
		sim_wrong(g, "%s: %s from %s, true %s", name, vmrt_period_name(e->outcome),
			sim_at(g, e->start_ns), vmrt_period_name(t->outcome));
	/* by record clocks, the replenishment may lie in the period before or behind */
	elsewhere = e->replenished_ns == VMRT_UNKNOWN &&
		    (sim_near(t->replenished_ns, t->start_ns, g->record_ns) ||
			    sim_near(t->replenished_ns, t->end_ns, g->record_ns));
	if ((!elsewhere && !sim_near(e->replenished_ns, t->replenished_ns, g->record_ns)) ||
		!sim_near(e->depleted_ns, t->depleted_ns, g->record_ns))
		sim_wrong(g, "%s: replenished %s depleted %s, true %s %s", name,
			sim_at(g, e->replenished_ns), sim_at(g, e->depleted_ns),
			sim_at(g, t->replenished_ns), sim_at(g, t->depleted_ns));
	check_consumption(g, e, t, name, g->broken ? 50 * US : 8 * g->record_ns);
}

/* The grid of a server that nobody enforces may have been fitted: then what its members got in each
 * period. */
static void check_fitted(struct got *g, const struct vmrt_server_period *e)
{
	const struct vmrt_server_spec *spec = &g->r->servers[e->server];
	const struct sim_truth *truth = &g->r->truth;
	int64_t consumed = 0, background = 0;

	if (e->outcome != VMRT_PERIOD_UNENFORCED || g->broken || g->late || g->clipped ||
		truth->n_holes)
		return;
	for (size_t i = 0; i < truth->n_slices; i++) {
		const struct sim_slice *s = &truth->slices[i];
		int64_t from = s->slice.start_ns > e->start_ns ? s->slice.start_ns : e->start_ns;
		int64_t to = s->slice.end_ns < e->end_ns ? s->slice.end_ns : e->end_ns;
		bool member = false;

		for (size_t v = 0; v < g->r->config.n_vms; v++)
			for (size_t n = 0; n < g->r->vms[v].n_threads; n++)
				member |= !strcmp(g->r->vms[v].name, spec->vm) && !s->machine &&
					  g->r->threads[v][n].role == VMRT_ROLE_VCPU &&
					  g->r->threads[v][n].tid == s->tid;
		if (member && to > from)
			*(s->slice.prio == 99 - spec->priority ? &consumed : &background) +=
				to - from;
	}
	if (!sim_near(e->consumed_ns, consumed, 8 * g->record_ns) ||
		!sim_near(e->background_ns, background, 8 * g->record_ns))
		sim_wrong(g,
			"server %u, fitted period %" PRId64 " at %s us: consumed %" PRId64
			" background %" PRId64 ", true %" PRId64 " %" PRId64,
			e->server, e->k, sim_at(g, e->start_ns), e->consumed_ns, e->background_ns,
			consumed, background);
}

void sim_check_periods(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	size_t fitted = 0;

	for (size_t i = 0; i < g->n_periods; i++) {
		if (g->phases[g->periods[i].server] != VMRT_PHASE_FITTED)
			continue;
		check_fitted(g, &g->periods[i]);
		fitted++;
	}
	for (size_t i = 0; i < truth->n_periods; i++) {
		const struct vmrt_server_period *e = NULL, *t = &truth->periods[i];

		if (g->phases[t->server] == VMRT_PHASE_FITTED)
			continue;
		for (size_t j = 0; j < g->n_periods; j++)
			if (g->periods[j].server == t->server && g->periods[j].k == t->k)
				e = &g->periods[j];
		if (e)
			check_period(g, e, t);
		else if (!g->lossy && !g->clipped && !may_be_cut(g, t))
			sim_wrong(g, "server %u, period %" PRId64 ": is missing", t->server, t->k);
	}
	if (!fitted && g->n_periods > truth->n_periods && !g->lossy && !g->clipped)
		sim_wrong(g, "%zu server periods, true %zu", g->n_periods, truth->n_periods);
}

/* If record clocks have an error, nobody can say whether the steal was long enough to count. */
static bool may_be_too_short(const struct got *g, int64_t from, int64_t to)
{
	return g->record_ns && to - from <= STEAL_COUNTS_NS + 2 * g->record_ns;
}

/* A broken chain that the engine reports, where no switch is missing. */
static void check_chain(struct got *g, const struct vmrt_loss *e)
{
	if (e->kind == VMRT_LOSS_BROKEN_CHAIN && !g->broken &&
		!sim_is_silent(g, e->machine, e->cpu) &&
		!sim_in_hole(g, e->machine, e->from_ns, e->to_ns))
		sim_wrong(g,
			"machine %u cpu %u: a broken chain from %s to %s us, but nothing "
			"is missing",
			e->machine, e->cpu, sim_at(g, e->from_ns), sim_at(g, e->to_ns));
}

/* Steal that the engine reports is true. */
static void check_steal_is_true(struct got *g, const struct vmrt_loss *e)
{
	const struct sim_truth *truth = &g->r->truth;
	bool found = may_be_too_short(g, e->from_ns, e->to_ns);

	if (e->kind != VMRT_LOSS_STEAL)
		return;
	for (size_t j = 0; j < truth->n_steals; j++)
		found |= truth->steals[j].cpu == e->cpu &&
			 sim_near(truth->steals[j].from_ns, e->from_ns, g->record_ns) &&
			 sim_near(truth->steals[j].to_ns, e->to_ns, g->record_ns);
	if (!found && !g->lossy)
		sim_wrong(g, "steal on cpu %u from %s to %s us that was not", e->cpu,
			sim_at(g, e->from_ns), sim_at(g, e->to_ns));
}

/* Steal that is true was found. */
static void check_steal_is_found(struct got *g, const struct sim_hole *t)
{
	bool found = t->to_ns >= g->r->truth.end_ns || may_be_too_short(g, t->from_ns, t->to_ns);

	for (size_t i = 0; i < g->n_losses && !found; i++)
		found = g->losses[i].kind == VMRT_LOSS_STEAL &&
			sim_near(g->losses[i].from_ns, t->from_ns, g->record_ns);
	if (!found)
		sim_wrong(g, "steal on cpu %u from %s to %s us is missing", t->cpu,
			sim_at(g, t->from_ns), sim_at(g, t->to_ns));
}

/* What the engine counted of each machine: events outside of its vCPU's run time, broken chains. */
static void check_counts(struct got *g)
{
	uint64_t chains = 0;

	for (size_t m = 1; m < g->r->config.n_machines; m++)
		if (g->stats[m].outside && !g->lossy && !g->broken && !g->late && !g->clipped)
			sim_wrong(g, "machine %zu: %" PRIu64 " events outside", m,
				g->stats[m].outside);
	for (size_t m = 0; m < g->r->config.n_machines; m++)
		chains += g->stats[m].broken_chains;
	if (g->broken && chains > g->r->truth.broken)
		sim_wrong(g, "%" PRIu64 " broken chains, true %zu", chains, g->r->truth.broken);
}

/*
 * Who does not look ahead learns of a loss with the next record of its CPU, and nobody does of one
 * behind which there is none. Meanwhile records of other CPUs may show that something is missing,
 * such as a timer that expires again though it was armed on the CPU whose records are lost: a loss
 * of its own.
 */
static bool shows_a_loss(const struct got *g, const struct vmrt_loss *e)
{
	const struct sim_truth *truth = &g->r->truth;

	if (e->kind != VMRT_LOSS_CLIPPED || !g->lossy)
		return false;
	for (size_t i = 0; i < truth->n_holes; i++) {
		const struct sim_hole *t = &truth->holes[i];

		if (t->machine == e->machine && (!g->knows_ahead || t->unreported) &&
			t->from_ns < e->to_ns && t->to_ns > e->to_ns)
			return true;
	}
	return false;
}

void sim_check_losses(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	size_t overruns = 0;

	for (size_t i = 0; i < g->n_losses; i++) {
		const struct vmrt_loss *e = &g->losses[i];

		overruns += (e->kind == VMRT_LOSS_OVERRUN || e->kind == VMRT_LOSS_CLIPPED) &&
			    !sim_is_silent(g, e->machine, e->cpu) && !shows_a_loss(g, e);
		check_chain(g, e);
		check_steal_is_true(g, e);
	}
	for (size_t j = 0; j < truth->n_steals && !g->lossy && !g->late && !g->clipped; j++)
		check_steal_is_found(g, &truth->steals[j]);
	if (overruns !=
		truth->n_clips + truth->n_holes - (truth->n_holes && truth->holes[0].unreported))
		sim_wrong(
			g, "%zu holes, true %zu and %zu", overruns, truth->n_holes, truth->n_clips);
	check_counts(g);
}

/* SPDX-License-Identifier: MIT */
/* The engine against the log: periods exactly, violations all and no others. */
#include "srv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "srv-oracle.h"

#define APART_NS (200 * MS) /* so long it may take to know which timer is whose */

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *x)                                   \
	{                                                                                          \
		struct srv_got *g = ctx;                                                           \
                                                                                                   \
		g->what = srv_grow(g->what, g->n_##what, &g->what##_room, sizeof(*g->what));       \
		g->what[g->n_##what++] = *x;                                                       \
	}

KEEP(servers, vmrt_server)
KEEP(periods, vmrt_server_period)
KEEP(violations, vmrt_violation)
KEEP(checks, vmrt_check)
KEEP(unmanaged, vmrt_unmanaged)
KEEP(losses, vmrt_loss)

void srv_wrong(struct srv_got *g, const char *fmt, ...)
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

double srv_at(const struct srv_got *g, int64_t ns)
{
	return (double)(ns - g->r->start_ns) / 1000;
}

static void feed(struct srv_got *g)
{
	const struct srv_result *r = g->r;
	struct vmrt_sink sink = {.ctx = g,
		.server = keep_servers,
		.server_period = keep_periods,
		.violation = keep_violations,
		.check = keep_checks,
		.unmanaged = keep_unmanaged,
		.loss = keep_losses};
	struct vmrt_engine *engine;
	struct vmrt_error err;

	if (vmrt_engine_new(&r->config, &sink, &engine, &err) != VMRT_OK) {
		srv_wrong(g, "engine: %s", err.text);
		return;
	}
	for (size_t i = 0; i < r->n_events; i++)
		if (vmrt_engine_push(engine, 0, &r->events[i].ev, r->events[i].ev.ts, 0) != VMRT_OK)
			srv_wrong(g, "engine: push failed");
	vmrt_engine_finish(engine, r->end_ns);
	vmrt_engine_free(engine);
}

/* From when on the engine knows what each member of the server does. */
int64_t srv_known_from(const struct srv_result *r, size_t server)
{
	int64_t known = r->start_ns;

	for (size_t m = 0; m < r->vms[server].n_threads; m++) {
		int32_t tid = r->threads[server][m].tid;
		size_t i = 0;

		while (i < r->n_events && !(r->events[i].ev.type == VMRT_EV_SWITCH &&
						  (r->events[i].ev.sw.prev_pid == tid ||
							  r->events[i].ev.sw.next_pid == tid)))
			i++;
		if (i == r->n_events)
			return INT64_MAX;
		if (r->events[i].ev.ts > known)
			known = r->events[i].ev.ts;
	}
	return known;
}

static bool is_near(int64_t a, int64_t b, int64_t within_ns)
{
	return a == b ||
	       (a != VMRT_UNKNOWN && b != VMRT_UNKNOWN && a - b <= within_ns && b - a <= within_ns);
}

/* A sum over a period may be wrong by the clock's error at each change within it. */
static int64_t sum_within(const struct srv_got *g, const struct vmrt_server_period *p)
{
	const struct srv_log *l = &g->r->logs[p->server];
	int64_t changes = 2;

	for (size_t i = srv_first_of(l, p->start_ns);
		g->r->c.clock_ns && i < l->n && l->segments[i].from_ns < p->end_ns; i++)
		changes++;
	return 2 * g->r->c.clock_ns * changes;
}

/* A run that ends or begins where the period does may lie on either side of its border. */
static bool is_first(const struct srv_got *g, const struct vmrt_server_period *p, int64_t first_ns)
{
	const struct srv_log *l = &g->r->logs[p->server];
	int64_t within = g->r->c.clock_ns;

	if (is_near(p->first_ns, first_ns, within) || !within)
		return is_near(p->first_ns, first_ns, within);
	return is_near(p->first_ns, srv_sum_of(l, p->start_ns + 2 * within, p->end_ns).first_ns,
		       within) ||
	       (p->first_ns == p->start_ns &&
		       srv_sum_of(l, p->start_ns - within, p->start_ns).first_ns != VMRT_UNKNOWN) ||
	       (p->end_ns - p->first_ns <= within &&
		       srv_sum_of(l, p->start_ns + 2 * within, p->end_ns - within).first_ns ==
			       VMRT_UNKNOWN) ||
	       (p->first_ns == VMRT_UNKNOWN && p->end_ns - first_ns <= within);
}

static void check_words(struct srv_got *g, const struct vmrt_server_period *p)
{
	const struct srv_log *l = &g->r->logs[p->server];
	int64_t replenished = VMRT_UNKNOWN, depleted = VMRT_UNKNOWN;

	for (size_t i = 0; i < l->n_words; i++) {
		const struct srv_word *w = &l->words[i];

		/* it may belong to either period */
		if (llabs(p->end_ns - w->now_ns) <= g->r->c.clock_ns && g->r->c.clock_ns)
			return;
		if (w->now_ns < p->start_ns || w->now_ns >= p->end_ns)
			continue;
		if (w->replenish && w->at_ns == p->start_ns)
			replenished = w->now_ns;
		if (!w->replenish && w->k == p->k)
			depleted = w->now_ns;
	}
	if (g->r->c.policy == VMRT_POLICY_SPORADIC)
		return;
	if (!is_near(p->replenished_ns, replenished, g->r->c.clock_ns))
		srv_wrong(g, "server %u, period %" PRId64 ": replenished at %.3f us, true %.3f",
			p->server, p->k, srv_at(g, p->replenished_ns), srv_at(g, replenished));
	if (g->r->c.fault == FAULT_NONE && !is_near(p->depleted_ns, depleted, g->r->c.clock_ns))
		srv_wrong(g, "server %u, period %" PRId64 ": depleted at %.3f us, true %.3f",
			p->server, p->k, srv_at(g, p->depleted_ns), srv_at(g, depleted));
}

static void check_period(struct srv_got *g, const struct vmrt_server_period *p)
{
	struct srv_sum t = srv_sum_of(&g->r->logs[p->server], p->start_ns, p->end_ns);
	int64_t over = srv_over_of(&g->r->logs[p->server], p->start_ns, p->end_ns);

	if (p->outcome == VMRT_PERIOD_TRUNCATED || p->start_ns < srv_known_from(g->r, p->server))
		return;
	if (g->r->c.lossy && p->start_ns < g->r->hole_to_ns && p->end_ns > g->r->hole_from_ns) {
		if (p->outcome != VMRT_PERIOD_UNKNOWN)
			srv_wrong(g,
				"server %u, period %" PRId64
				": events are lost in it, but it is %s",
				p->server, p->k, vmrt_period_name(p->outcome));
		return;
	}
	/* what went on before is not known at once, nor who has which timer */
	if (g->r->c.lossy && (p->outcome == VMRT_PERIOD_UNKNOWN || p->end_ns > g->r->hole_from_ns))
		return;
	if (p->outcome == VMRT_PERIOD_UNKNOWN)
		srv_wrong(g, "server %u, period %" PRId64 " is unknown, but all is recorded",
			p->server, p->k);
	if (!g->r->c.markers)
		return;
	t.served_ns += over;
	t.background_ns -= over;
	if (!is_near(p->consumed_ns, t.served_ns, sum_within(g, p)) ||
		!is_near(p->background_ns, t.background_ns, sum_within(g, p)) ||
		!is_near(p->waiting_ns, t.waiting_ns, sum_within(g, p)))
		srv_wrong(g,
			"server %u, period %" PRId64 " at %.3f us: consumed %" PRId64
			" background %" PRId64 " waiting %" PRId64 ", true %" PRId64 " %" PRId64
			" %" PRId64,
			p->server, p->k, srv_at(g, p->start_ns), p->consumed_ns, p->background_ns,
			p->waiting_ns, t.served_ns, t.background_ns, t.waiting_ns);
	if (!is_first(g, p, t.first_ns))
		srv_wrong(g, "server %u, period %" PRId64 ": first supply at %.3f us, true %.3f",
			p->server, p->k, srv_at(g, p->first_ns), srv_at(g, t.first_ns));
	if (srv_by_user(g->r))
		check_words(g, p);
}

static const struct vmrt_server_period *period_at(
	const struct srv_got *g, uint32_t server, int64_t start)
{
	/* timers of SCHED_DEADLINE threads are not exact, those of groups and enforcers are */
	int64_t noise = g->r->c.policy == VMRT_POLICY_DEADLINE ? 10 * US : 0;

	for (size_t i = 0; i < g->n_periods; i++)
		if (g->periods[i].server == server && g->periods[i].start_ns - start <= noise &&
			start - g->periods[i].start_ns <= noise)
			return &g->periods[i];
	return NULL;
}

/* An enforcer's grid is there from its first point on; if the recording begins later, from its
 * first word on. */
static void check_user_grid(struct srv_got *g, uint32_t s)
{
	const struct srv_log *l = &g->r->logs[s];
	int64_t period = g->r->specs[s].period_ns, from = l->t0;
	int words = 0;

	for (size_t i = 0; i < l->n_words && g->r->c.late_start; i++) {
		if (!l->words[i].replenish || l->words[i].now_ns < g->r->start_ns)
			continue;
		if (++words == 1)
			from = l->words[i].at_ns;
	}
	for (size_t i = 0; i < g->n_periods; i++)
		for (size_t j = i + 1; j < g->n_periods; j++)
			if (g->periods[i].server == s && g->periods[j].server == s &&
				g->periods[j].start_ns < g->periods[i].end_ns &&
				g->periods[i].start_ns < g->periods[j].end_ns)
				srv_wrong(g,
					"server %u: periods %" PRId64 " and %" PRId64 " overlap", s,
					g->periods[i].k, g->periods[j].k);
	if (g->r->c.late_start && (words < 1 || g->r->c.policy == VMRT_POLICY_SPORADIC))
		return;
	for (int64_t at = from; at + period <= g->r->end_ns; at += period) {
		const struct vmrt_server_period *p = period_at(g, s, at);

		if (!p || p->end_ns != at + period || p->k != (at - l->t0) / period ||
			(at >= g->r->events[0].ev.ts && p->outcome != VMRT_PERIOD_SERVED &&
				p->outcome != VMRT_PERIOD_DEPLETED))
			srv_wrong(g, "server %u: no enforced period %" PRId64 " at %.3f us", s,
				(at - l->t0) / period, srv_at(g, at));
	}
}

/* The kernel's periods are found where two of its timers are one period apart; a group's once it
 * has been seen twice. */
static void check_kernel_grid(struct srv_got *g, uint32_t s)
{
	const struct srv_log *l = &g->r->logs[s];
	int64_t period = g->r->specs[s].period_ns;
	/* a group's own timer has to be distinguished from that of others */
	size_t skip = g->r->c.policy == VMRT_POLICY_DEADLINE ? 0 : g->r->alone ? 2 : 4;

	/* whose timer is whose is not always known when two groups have the same period */
	for (uint32_t o = 0; skip && o < g->r->exp.n_servers; o++)
		if (o != s && (g->r->specs[o].period_ns == period || g->r->c.late_start))
			return;

	for (size_t i = 1 + skip; i + 1 < l->n_borders; i++) {
		int64_t at = l->borders[i];

		if (at == VMRT_UNKNOWN || l->borders[i - 1] != at - period ||
			l->borders[i + 1] != at + period || at < g->r->start_ns ||
			(skip && (l->borders[i - 2] != at - 2 * period ||
					 l->borders[i - skip] < g->r->start_ns)) ||
			(skip > 2 && at < g->r->start_ns + APART_NS))
			continue;
		if (!period_at(g, s, at))
			srv_wrong(g, "server %u: no period where the kernel's begins, at %.3f us",
				s, srv_at(g, at));
	}
}

/* Without any words the phase is fitted, or it is said that it is not. */
static void check_fitted(struct srv_got *g, uint32_t s)
{
	const struct vmrt_server *last = NULL;
	int64_t period = g->r->specs[s].period_ns, off;

	for (size_t i = 0; i < g->n_servers; i++)
		if (g->servers[i].id == s)
			last = &g->servers[i];
	if (!last || last->enforced)
		srv_wrong(g, "server %u: %s", s, last ? "enforced" : "is missing");
	/* supply of those below begins when those above are done, which may be as regular */
	if (!last || last->phase != VMRT_PHASE_FITTED || !g->r->alone)
		return;
	g->fitted++;
	off = (last->phase_ns - g->r->logs[s].t0) % period;
	if (off < 0)
		off += period;
	if (off > period / 2)
		off -= period;
	if (off > period / 32 || off < -period / 32)
		srv_wrong(g, "server %u: fitted phase is %.3f us beside the true one", s,
			(double)off / 1000);
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void check_unmanaged(struct srv_got *g, uint32_t vm)
{
	const struct srv_unmanaged *t = &g->r->unmanaged[vm];
	const struct vmrt_unmanaged *e = NULL;
	size_t n = t->n;

	for (size_t i = 0; i < g->n_unmanaged; i++)
		if (g->unmanaged[i].vm == vm)
			e = &g->unmanaged[i];
	if (g->r->c.late_start || g->r->c.lossy)
		return;
	if (!e != !n || (e && e->n != (int64_t)n)) {
		srv_wrong(g, "vm%u: %" PRId64 " natural periods, true %zu", vm, e ? e->n : 0, n);
		return;
	}
	if (!n)
		return;
	qsort(t->periods, n, sizeof(int64_t), by_value);
	qsort(t->supplies, n, sizeof(int64_t), by_value);
	/* nearest rank: the value that 10, 50, 90 of 100 are not above */
	if (e->period_p10_ns != t->periods[(n * 10 + 99) / 100 - 1] ||
		e->period_p50_ns != t->periods[(n * 50 + 99) / 100 - 1] ||
		e->period_p90_ns != t->periods[(n * 90 + 99) / 100 - 1] ||
		e->supply_p10_ns != t->supplies[(n * 10 + 99) / 100 - 1] ||
		e->supply_p50_ns != t->supplies[(n * 50 + 99) / 100 - 1] ||
		e->supply_p90_ns != t->supplies[(n * 90 + 99) / 100 - 1])
		srv_wrong(g, "vm%u: natural period %.3f us of %.3f us, true %.3f of %.3f (medians)",
			vm, (double)e->supply_p50_ns / 1000, (double)e->period_p50_ns / 1000,
			(double)t->supplies[(n * 50 + 99) / 100 - 1] / 1000,
			(double)t->periods[(n * 50 + 99) / 100 - 1] / 1000);
}

int srv_check(const struct srv_result *r, FILE *out, int show, struct srv_seen *seen)
{
	struct srv_got g = {.r = r, .out = out, .show = show};

	feed(&g);
	for (size_t i = r->c.lossy ? 1 : 0; i < g.n_losses; i++)
		srv_wrong(&g, "a loss (%s) that is none at %.3f us",
			vmrt_loss_name(g.losses[i].kind), srv_at(&g, g.losses[i].from_ns));
	for (size_t i = 0; i < g.n_periods; i++) {
		const struct vmrt_server_period *p = &g.periods[i];

		if (show > 1 && getenv("VMRT_SIM_PERIODS"))
			fprintf(out, "# period %" PRId64 " of %u from %.3f to %.3f: %.3f, %s\n",
				p->k, p->server, srv_at(&g, p->start_ns), srv_at(&g, p->end_ns),
				(double)p->consumed_ns / 1000, vmrt_period_name(p->outcome));
		check_period(&g, p);
	}
	for (size_t i = 0; i < g.n_violations && show > 1 && getenv("VMRT_SIM_PERIODS"); i++)
		fprintf(out, "# violation of %u: %s from %.3f to %.3f: %" PRId64 "\n",
			g.violations[i].server, vmrt_rule_name(g.violations[i].rule),
			srv_at(&g, g.violations[i].from_ns), srv_at(&g, g.violations[i].to_ns),
			g.violations[i].measured_ns);
	for (uint32_t s = 0; s < r->config.n_vms; s++) {
		if (r->c.policy == VMRT_POLICY_NONE)
			check_unmanaged(&g, s);
		else if (r->c.lossy)
			; /* a lost word or timer may hide a period */
		else if (!srv_by_user(r))
			check_kernel_grid(&g, s);
		else if (r->c.markers)
			check_user_grid(&g, s);
		else
			check_fitted(&g, s);
		if (r->c.policy != VMRT_POLICY_NONE)
			srv_judge(&g, s);
	}
	seen->violations = (int)g.n_violations;
	seen->fitted = g.fitted;
	for (size_t i = 0; i < g.n_checks; i++) {
		seen->judged[g.checks[i].rule] += g.checks[i].judged;
		/* who is not raised may wait because of the kernel's throttling */
		if (g.checks[i].unknown && !r->c.lossy && r->c.fault != FAULT_NOT_RAISED &&
			g.checks[i].rule == VMRT_RULE_BUDGET)
			srv_wrong(&g, "server %u: rule budget is unknown in %" PRId64 " windows",
				g.checks[i].server, g.checks[i].unknown);
	}
	for (size_t i = 0; i < g.n_violations; i++)
		seen->rules |= 1u << g.violations[i].rule;
	free(g.servers);
	free(g.periods);
	free(g.violations);
	free(g.checks);
	free(g.unmanaged);
	free(g.losses);
	return g.bad;
}

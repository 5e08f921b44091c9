/* SPDX-License-Identifier: MIT */
/* Writes budgets. For each server, the player keeps a whole number, which falls by one per unit of
 * time and running member; the player knows no fractions. So times are rounded to units once, and
 * the same number is kept here, so that it never falls below 0. */
#include "grasp.h"

#include <stdlib.h>
#include <string.h>

/* In the order in which they are written at one instant. */
enum mark_kind { DEPLETE, STOP, REPLENISH, RUN };

struct mark {
	int64_t ns;
	enum mark_kind kind;
	int64_t budget_ns; /* REPLENISH */
};

struct marks {
	struct mark *all;
	size_t n, room;
};

/* A time in which running members use the budget: from its replenishment until the budget is used
 * up. */
struct open_time {
	int64_t from, to;
};

struct budget {
	struct grasp *g;
	size_t server;	   /* index */
	int64_t left;	   /* units */
	int64_t time;	   /* units, of the last change */
	int64_t consumers; /* members that use the budget, as the player counts them */
	int64_t spent;	   /* members that run on although the budget is 0 */
};

static void add_mark(
	struct grasp *g, struct marks *m, int64_t at, enum mark_kind kind, int64_t budget_ns)
{
	if (m->n == m->room) {
		size_t room = m->room ? m->room * 2 : 256;
		struct mark *more = realloc(m->all, room * sizeof(*more));

		if (!more) {
			grasp_no_memory(g);
			return;
		}
		m->all = more;
		m->room = room;
	}
	m->all[m->n++] = (struct mark){at, kind, budget_ns};
}

static int by_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

/* Loads the replenishments and depletions as marks, and returns the times between them. @largest:
 * the largest budget, which is the capacity of the server. */
static struct open_time *load_periods(
	struct grasp *g, struct grasp_server *s, struct marks *marks, size_t *n, int64_t *largest)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT coalesce(replenished_ns, start_ns), depleted_ns, budget_ns FROM "
		"server_period"
		" WHERE server = ?1 AND start_ns < ?3 AND end_ns > ?2 ORDER BY k");
	struct open_time *open = NULL;
	size_t room = 0;

	*n = 0;
	vmrt_query_bind(&q, 1, s->id);
	vmrt_query_bind(&q, 2, g->from_ns);
	vmrt_query_bind(&q, 3, g->to_ns);
	while (vmrt_query_next(&q)) {
		int64_t at = vmrt_query_int(&q, 0), depleted = vmrt_query_int(&q, 1);
		int64_t budget = vmrt_query_int(&q, 2);
		struct open_time *more;

		if (*n == room) {
			room = room ? room * 2 : 64;
			more = realloc(open, room * sizeof(*more));
			if (!more) {
				grasp_no_memory(g);
				break;
			}
			open = more;
		}
		if (*n && open[*n - 1].to > at)
			open[*n - 1].to = at;
		open[(*n)++] =
			(struct open_time){at, depleted == VMRT_UNKNOWN ? INT64_MAX : depleted};
		add_mark(g, marks, at, REPLENISH, budget);
		if (depleted != VMRT_UNKNOWN)
			add_mark(g, marks, depleted, DEPLETE, 0);
		if (budget > *largest)
			*largest = budget;
	}
	grasp_end(g, &q);
	return open;
}

/* Adds marks for the use of the budget: members use it during their slices, as far as these lie
 * within the open times. If a slice goes on over a replenishment, the use stops and starts again
 * there. */
static void load_use(struct grasp *g, struct grasp_server *s, const struct open_time *open,
	size_t n, struct marks *marks)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT s.start_ns, s.end_ns, t.machine, s.cpu FROM slice s JOIN thread t ON t.id "
		"= s.thread"
		" WHERE s.thread IN (SELECT id FROM thread WHERE vm = ?1 AND role = 'vcpu'"
		" AND (?4 IS NULL OR vcpu = ?4))"
		" AND s.start_ns < ?3 AND s.end_ns > ?2 ORDER BY s.start_ns");

	vmrt_query_bind(&q, 1, s->vm);
	vmrt_query_bind(&q, 2, n ? open[0].from : g->from_ns);
	vmrt_query_bind(&q, 3, g->to_ns);
	if (s->vcpu != VMRT_UNKNOWN)
		vmrt_query_bind(&q, 4, s->vcpu);
	while (vmrt_query_next(&q)) {
		int64_t start = vmrt_query_int(&q, 0), end = vmrt_query_int(&q, 1);

		if (s->cpu < 0 && end > g->from_ns)
			s->cpu = grasp_cpu(g, vmrt_query_int(&q, 2), vmrt_query_int(&q, 3));
		for (size_t i = 0; i < n && open[i].from < end; i++) {
			int64_t from = start > open[i].from ? start : open[i].from;
			int64_t to = end < open[i].to ? end : open[i].to;

			if (from >= to)
				continue;
			add_mark(g, marks, from, RUN, 0);
			add_mark(g, marks, to, STOP, 0);
		}
	}
	grasp_end(g, &q);
	if (s->cpu < 0)
		s->cpu = 0;
}

static void emit_server(const struct budget *b, int64_t time, const char *what)
{
	grasp_emit(b->g, time * 1000, -1, "%s s%zu", what, b->server);
}

/* Goes on to @time. If the budget would fall below 0 until then, the server is depleted when the
 * budget is 0, and no member uses it any more. */
static void pass(struct budget *b, int64_t time)
{
	int64_t passed = time - b->time;

	if (b->consumers && passed > b->left / b->consumers) {
		int64_t empty = b->time + b->left / b->consumers;

		emit_server(b, empty, "serverDepleted");
		for (; b->consumers; b->consumers--, b->spent++)
			emit_server(b, empty, "serverPreempted");
		b->left = 0;
	} else {
		b->left -= b->consumers * passed;
	}
	b->time = time;
}

static int64_t to_units(const struct grasp *g, int64_t ns)
{
	return (ns + g->unit_ns / 2) / g->unit_ns;
}

static void replenish(struct budget *b, int64_t units)
{
	b->left = units;
	grasp_emit(b->g, b->time * 1000, -1, "serverReplenished s%zu %lld", b->server,
		(long long)units);
	for (; b->spent && b->left; b->spent--, b->consumers++)
		emit_server(b, b->time, "serverResumed");
}

static void change(struct budget *b, const struct mark *m)
{
	switch (m->kind) {
	case REPLENISH:
		replenish(b, to_units(b->g, m->budget_ns));
		break;
	case DEPLETE:
		if (b->left || b->consumers)
			emit_server(b, b->time, "serverDepleted");
		b->left = 0;
		break;
	case RUN:
		if (b->left) {
			emit_server(b, b->time, "serverResumed");
			b->consumers++;
		} else {
			b->spent++;
		}
		break;
	case STOP:
		if (b->spent) {
			b->spent--;
		} else if (b->consumers) {
			emit_server(b, b->time, "serverPreempted");
			b->consumers--;
		}
		break;
	}
}

/* Computes how much of the budget is left, and how many members use it, where the window begins. */
static void open_window(struct budget *b, const struct marks *marks, size_t *next)
{
	__int128 left = 0;
	int64_t users = 0, last = b->g->from_ns;

	for (; *next < marks->n && marks->all[*next].ns < b->g->from_ns; (*next)++) {
		const struct mark *m = &marks->all[*next];

		left -= (__int128)users * (m->ns - last);
		last = m->ns;
		if (m->kind == REPLENISH)
			left = m->budget_ns;
		else if (m->kind == DEPLETE)
			left = 0;
		else
			users += m->kind == RUN ? 1 : -1;
	}
	left -= (__int128)users * (b->g->from_ns - last);
	b->spent = users;
	replenish(b, left > 0 ? to_units(b->g, (int64_t)left) : 0);
}

static void add_server(struct grasp *g, size_t index)
{
	struct grasp_server *s = &g->servers[index];
	struct budget b = {.g = g, .server = index};
	struct marks marks = {0};
	int64_t largest = 0;
	size_t n_open, next = 0;
	struct open_time *open = load_periods(g, s, &marks, &n_open, &largest);

	load_use(g, s, open, n_open, &marks);
	s->capacity = to_units(g, largest);
	if (s->capacity < 1)
		s->capacity = 1;
	if (marks.n)
		qsort(marks.all, marks.n, sizeof(*marks.all), by_time);
	open_window(&b, &marks, &next);
	for (; next < marks.n && marks.all[next].ns < g->to_ns; next++) {
		pass(&b, (grasp_time(g, marks.all[next].ns) + 500) / 1000);
		change(&b, &marks.all[next]);
	}
	pass(&b, g->end);
	for (; b.consumers; b.consumers--)
		emit_server(&b, g->end, "serverPreempted");
	free(open);
	free(marks.all);
}

/* Only enforced servers have a budget that could be shown. */
void grasp_add_servers(struct grasp *g)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT id, vm, name, vcpu FROM server WHERE enforced AND EXISTS"
		" (SELECT 1 FROM server_period p WHERE p.server = server.id AND p.start_ns < ?2"
		"  AND p.end_ns > ?1) ORDER BY priority DESC, id");

	vmrt_query_bind(&q, 1, g->from_ns);
	vmrt_query_bind(&q, 2, g->to_ns);
	while (vmrt_query_next(&q)) {
		char *name = vmrt_query_name(&q, 2);
		struct grasp_server *more;

		if (name && !vmrt_grasp_wanted(g->options->servers, g->options->n_servers, name)) {
			free(name);
			continue;
		}
		more = realloc(g->servers, (g->n_servers + 1) * sizeof(*more));
		if (more)
			g->servers = more;
		if (!more || !name) {
			free(name);
			grasp_no_memory(g);
			break;
		}
		g->servers[g->n_servers++] = (struct grasp_server){vmrt_query_int(&q, 0),
			vmrt_query_int(&q, 1), name, 1, -1, vmrt_query_int(&q, 3)};
	}
	grasp_end(g, &q);
	for (size_t i = 0; g->status == VMRT_OK && i < g->n_servers; i++)
		add_server(g, i);
}

/* SPDX-License-Identifier: MIT */
/* A part of a run as a Grasp trace: chooses the part, collects its rows and CPUs, sorts its events.
 */
#include "grasp.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 12	     /* attempts to make the window so short that its events fit */
#define KEPT_BEYOND_LIMIT 16 /* so many times the allowed events are kept, to find where to cut */
/* for each event that is kept, events of jobs and servers: runs that are not damaged have fewer */
#define EVENTS_FOR_ONE 4

void grasp_no_memory(struct grasp *g)
{
	if (g->status == VMRT_OK)
		g->status = vmrt_fail(g->err, VMRT_ENOMEM, "out of memory");
}

struct vmrt_query grasp_query(struct grasp *g, const char *sql)
{
	struct vmrt_query q = {.db = g->db, .err = g->err, .status = g->status};

	if (g->status == VMRT_OK)
		vmrt_query_begin(&q, g->db, g->err, sql);
	return q;
}

void grasp_end(struct grasp *g, struct vmrt_query *q)
{
	enum vmrt_status status = vmrt_query_end(q);

	if (g->status == VMRT_OK)
		g->status = status;
}

void grasp_emit(struct grasp *g, int64_t time, int cpu, const char *fmt, ...)
{
	struct grasp_event *e;
	va_list ap;
	int length;

	if (g->status != VMRT_OK)
		return;
	/* jobs of a damaged database may all have the same slices, and servers the same threads */
	if (g->n_events >= g->options->max_events * KEPT_BEYOND_LIMIT * EVENTS_FOR_ONE) {
		g->status = VMRT_ERANGE;
		return;
	}
	if (g->n_events == g->room) {
		size_t room = g->room ? g->room * 2 : 1024;

		e = realloc(g->events, room * sizeof(*e));
		if (!e) {
			grasp_no_memory(g);
			return;
		}
		g->events = e;
		g->room = room;
	}
	e = &g->events[g->n_events];
	*e = (struct grasp_event){.time = time, .order = g->n_events, .cpu = cpu};
	va_start(ap, fmt);
	length = vasprintf(&e->text, fmt, ap);
	va_end(ap);
	if (length < 0)
		grasp_no_memory(g);
	else
		g->n_events++;
}

int64_t grasp_time(const struct grasp *g, int64_t ns)
{
	if (ns <= g->from_ns)
		return 0;
	if (ns >= g->to_ns)
		return g->end * 1000;
	return (int64_t)(((__int128)(ns - g->from_ns) * 1000 + g->unit_ns / 2) / g->unit_ns);
}

int grasp_cpu(const struct grasp *g, int64_t machine, int64_t cpu)
{
	for (size_t i = 0; i < g->n_cpus; i++)
		if (g->cpus[i].machine == machine && g->cpus[i].cpu == cpu)
			return (int)i;
	return 0;
}

const char *grasp_id(const struct grasp *g, size_t row, int cpu, char *buf)
{
	if (g->several)
		sprintf(buf, "t%zuc%d", row, cpu);
	else
		sprintf(buf, "t%zu", row);
	return buf;
}

/* The finest unit of 1, 2, 5, 10... ns with which the window fits on the axis. */
static void choose_unit(struct grasp *g)
{
	static const int64_t steps[] = {1, 2, 5};
	int64_t span = g->to_ns - g->from_ns, scale = 1;

	if (g->options->unit_ns != VMRT_UNKNOWN) {
		g->unit_ns = g->options->unit_ns;
		g->end = (span + g->unit_ns - 1) / g->unit_ns;
		return;
	}
	for (size_t i = 0;; i = (i + 1) % 3) {
		g->unit_ns = steps[i] * scale;
		g->end = (span + g->unit_ns - 1) / g->unit_ns;
		if (g->end <= VMRT_GRASP_SPAN)
			return;
		if (i == 2)
			scale *= 10;
	}
}

static void load_cpus(struct grasp *g)
{
	struct vmrt_query q = grasp_query(g, "SELECT DISTINCT t.machine, s.cpu, m.name FROM "
					     "slice s JOIN thread t ON t.id = s.thread"
					     " JOIN machine m ON m.id = t.machine"
					     " WHERE s.start_ns < ?2 AND s.end_ns > ?1 AND "
					     "(t.task IS NOT NULL OR t.role = 'vcpu')"
					     " ORDER BY m.kind <> 'host', t.machine, s.cpu");

	vmrt_query_bind(&q, 1, g->from_ns);
	vmrt_query_bind(&q, 2, g->to_ns);
	while (vmrt_query_next(&q)) {
		struct grasp_cpu *more = realloc(g->cpus, (g->n_cpus + 1) * sizeof(*more));
		char *name = vmrt_query_name(&q, 2);

		if (more)
			g->cpus = more;
		if (!more || !name) {
			free(name);
			grasp_no_memory(g);
			break;
		}
		more += g->n_cpus;
		*more = (struct grasp_cpu){vmrt_query_int(&q, 0), vmrt_query_int(&q, 1), name};
		if (g->n_cpus && more[-1].machine == more->machine)
			g->several = true;
		g->n_cpus++;
	}
	grasp_end(g, &q);
}

bool vmrt_grasp_wanted(const char *const *names, size_t n, const char *name)
{
	const char *slash = strchr(name, '/');

	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name) || (slash && !strcmp(names[i], slash + 1)))
			return true;
	return !n;
}

/* Adds a row; @name is freed. */
static void add_row(struct grasp *g, int64_t task, int64_t thread, int64_t machine, char *name)
{
	struct grasp_row *more = realloc(g->rows, (g->n_rows + 1) * sizeof(*more));

	if (more)
		g->rows = more;
	if (!more || !name) {
		free(name);
		grasp_no_memory(g);
		return;
	}
	more += g->n_rows++;
	*more = (struct grasp_row){
		.task = task, .thread = thread, .machine = machine, .name = name};
	more->cpus = calloc(g->n_cpus + 1, sizeof(*more->cpus));
	if (!more->cpus)
		grasp_no_memory(g);
}

/* Finds the CPUs on which a row needs an object, and the CPU on which it begins. */
static void find_row_cpus(struct grasp *g, struct grasp_row *row)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT DISTINCT t.machine, s.cpu FROM slice s JOIN thread t ON t.id = s.thread"
		" WHERE (t.task = ?1 OR t.id = ?2) AND s.start_ns < ?4 AND s.end_ns > ?3");

	vmrt_query_bind(&q, 1, row->task == VMRT_UNKNOWN ? -1 : row->task);
	vmrt_query_bind(&q, 2, row->thread == VMRT_UNKNOWN ? -1 : row->thread);
	vmrt_query_bind(&q, 3, g->from_ns);
	vmrt_query_bind(&q, 4, g->to_ns);
	row->first_cpu = -1;
	while (vmrt_query_next(&q)) {
		int cpu = grasp_cpu(g, vmrt_query_int(&q, 0), vmrt_query_int(&q, 1));

		if (row->first_cpu < 0)
			row->first_cpu = cpu;
		row->cpus[cpu] = true;
	}
	grasp_end(g, &q);
	if (row->first_cpu < 0) {
		row->first_cpu = 0;
		row->cpus[0] = true;
	}
}

/* Is a vCPU thread wanted? It is if nothing was named, if a task of its guest @machine was named,
 * or if a server of the vCPU was named (@server_named). */
static bool vcpu_wanted(const struct grasp *g, int64_t machine, int64_t server_named)
{
	if (!g->options->n_tasks && !g->options->n_servers)
		return true;
	for (size_t i = 0; g->options->n_tasks && i < g->n_rows; i++)
		if (g->rows[i].machine != VMRT_UNKNOWN && g->rows[i].machine == machine)
			return true;
	return server_named > 0;
}

/* Has the user named one of the servers that serve this vCPU? */
static bool server_of_vcpu_named(struct grasp *g, int64_t vm, int64_t vcpu)
{
	struct vmrt_query q = grasp_query(
		g, "SELECT name FROM server WHERE vm = ?1 AND (vcpu IS NULL OR vcpu = ?2)");
	bool named = false;

	vmrt_query_bind(&q, 1, vm);
	if (vcpu != VMRT_UNKNOWN)
		vmrt_query_bind(&q, 2, vcpu);
	while (vmrt_query_next(&q)) {
		char *name = vmrt_query_name(&q, 0);

		named = named || (name && g->options->n_servers &&
					 vmrt_grasp_wanted(
						 g->options->servers, g->options->n_servers, name));
		free(name);
	}
	grasp_end(g, &q);
	return named;
}

/* Tasks first, higher priority above; below them the vCPU threads. */
static void load_rows(struct grasp *g)
{
	struct vmrt_query q =
		grasp_query(g, "SELECT t.id, t.machine_name || '/' || t.name, t.machine FROM task t"
			       " ORDER BY t.machine_name, t.priority DESC, t.id");

	while (vmrt_query_next(&q)) {
		char *name = vmrt_query_name(&q, 1);

		if (name && !vmrt_grasp_wanted(g->options->tasks, g->options->n_tasks, name))
			free(name);
		else
			add_row(g, vmrt_query_int(&q, 0), VMRT_UNKNOWN, vmrt_query_int(&q, 2),
				name);
	}
	grasp_end(g, &q);
	q = grasp_query(g,
		"SELECT t.id, 'VM ' || v.name || ' vCPU ' || t.vcpu, v.machine, v.id, t.vcpu FROM "
		"thread "
		"t "
		"JOIN vm v "
		"ON v.id = t.vm"
		" WHERE t.role = 'vcpu' AND t.task IS NULL ORDER BY v.name, t.vcpu, t.id");
	while (vmrt_query_next(&q))
		if (vcpu_wanted(g, vmrt_query_int(&q, 2),
			    g->options->n_servers && server_of_vcpu_named(g, vmrt_query_int(&q, 3),
							     vmrt_query_int(&q, 4))))
			add_row(g, VMRT_UNKNOWN, vmrt_query_int(&q, 0), VMRT_UNKNOWN,
				vmrt_query_name(&q, 1));
	grasp_end(g, &q);
	for (size_t i = 0; g->status == VMRT_OK && i < g->n_rows; i++)
		find_row_cpus(g, &g->rows[i]);
}

static int by_time(const void *a, const void *b)
{
	const struct grasp_event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void clear(struct grasp *g)
{
	for (size_t i = 0; i < g->n_cpus; i++)
		free(g->cpus[i].machine_name);
	for (size_t i = 0; i < g->n_rows; i++) {
		free(g->rows[i].name);
		free(g->rows[i].cpus);
	}
	for (size_t i = 0; i < g->n_servers; i++)
		free(g->servers[i].name);
	for (size_t i = 0; i < g->n_early; i++)
		free(g->early[i]);
	for (size_t i = 0; i < g->n_events; i++)
		free(g->events[i].text);
	free(g->cpus);
	free(g->rows);
	free(g->servers);
	free(g->early);
	free(g->events);
	*g = (struct grasp){.options = g->options,
		.db = g->db,
		.err = g->err,
		.status = g->status,
		.from_ns = g->from_ns,
		.to_ns = g->to_ns};
}

static void build(struct grasp *g)
{
	choose_unit(g);
	load_cpus(g);
	load_rows(g);
	grasp_add_servers(g);
	grasp_add_rows(g);
	if (g->n_events)
		qsort(g->events, g->n_events, sizeof(*g->events), by_time);
}

/* Estimates how many events the window up to @to_ns has, to limit the memory before events are
 * made. */
static int64_t estimate(struct grasp *g, int64_t to_ns)
{
	struct vmrt_query q = grasp_query(g,
		"SELECT 2 * (SELECT count(*) FROM slice WHERE start_ns >= ?1 AND start_ns < ?2)"
		" + 2 * (SELECT count(*) FROM server_period WHERE start_ns >= ?1 AND start_ns < "
		"?2)");
	int64_t n = 0;

	vmrt_query_bind(&q, 1, g->from_ns);
	vmrt_query_bind(&q, 2, to_ns);
	if (vmrt_query_next(&q))
		n = vmrt_query_int(&q, 0);
	grasp_end(g, &q);
	return n;
}

enum vmrt_status vmrt_grasp_export(struct vmrt_db *db, const struct vmrt_grasp_options *options,
	FILE *out, int64_t *shown_to_ns, struct vmrt_error *err)
{
	struct grasp g = {.options = options,
		.db = db,
		.err = err,
		.from_ns = options->from_ns,
		.to_ns = options->to_ns};
	bool fits = false;

	/* with the unit that was asked for, the whole part may be too long for the axis */
	if (options->unit_ns != VMRT_UNKNOWN &&
		(g.to_ns - g.from_ns) / options->unit_ns > VMRT_GRASP_SPAN)
		g.to_ns = g.from_ns + options->unit_ns * VMRT_GRASP_SPAN;
	while (g.status == VMRT_OK &&
		estimate(&g, g.to_ns) > (int64_t)options->max_events * KEPT_BEYOND_LIMIT &&
		g.to_ns - g.from_ns > 1)
		g.to_ns = g.from_ns + (g.to_ns - g.from_ns) / 2;
	for (int i = 0; i < TRIES && !fits && g.status == VMRT_OK; i++) {
		clear(&g);
		build(&g);
		if (g.status == VMRT_ERANGE && g.to_ns - g.from_ns > 2) {
			g.status = VMRT_OK;
			g.to_ns = g.from_ns + 1 + (g.to_ns - g.from_ns) / KEPT_BEYOND_LIMIT;
			continue;
		}
		/* the axis needs one more event for each window of the player */
		fits = g.status == VMRT_OK && g.n_events + g.n_cpus < options->max_events;
		if (g.status == VMRT_OK && !fits) {
			/* the cut is where the events that fit end, or a little before, since
			 * events that close the window are added */
			int64_t time = g.events[options->max_events * 9 / 10].time;
			int64_t to = g.from_ns + (int64_t)((__int128)time * g.unit_ns / 1000);

			g.to_ns = to < g.to_ns ? to : g.from_ns + (g.to_ns - g.from_ns) / 2;
			if (g.to_ns <= g.from_ns)
				break;
		}
	}
	*shown_to_ns = g.to_ns;
	if ((g.status == VMRT_OK && !fits) || g.status == VMRT_ERANGE)
		g.status = vmrt_fail(err, VMRT_ERANGE,
			"even a very short part has more than %zu events", options->max_events);
	if (g.status == VMRT_OK)
		grasp_write(&g, options, out);
	clear(&g);
	return g.status;
}

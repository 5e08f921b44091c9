/* SPDX-License-Identifier: MIT */
/* Adds up where the threads of VMs ran, and at which priority, from the engine's slices. */
#include "vm-threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser/db/rundb.h"

#define LONG_NS (1 * VMRT_NS_PER_MS) /* a helper's single run that is worth a note */
#define WORTH 100		     /* or this part of the time: 1 % */
#define HELPERS_MAX 8		     /* at most so many helpers are named for one server */
#define WORDS 512
#define FIFO_PRIO(p) (99 - (p)) /* the kernel's own scale, on which less is higher */

/* What a thread did on one CPU. */
struct on_cpu {
	unsigned cpu;
	int64_t ran_ns;
	int64_t above_ns, longest_ns; /* above the servers of its VM */
};

struct watched {
	struct vmrt_thread pub;
	struct on_cpu *cpus;
	size_t n_cpus;
};

struct vm_threads {
	const struct vmrt_engine_config *config;
	struct vmrt_sink sink; /* the sink that gets all records afterwards */
	struct watched *threads;
	size_t n, room;
	uint32_t *by_id; /* index into threads, plus 1 */
	size_t n_ids;
	struct vmrt_server *servers; /* by id, as the engine announced them last */
	size_t n_servers;
	int64_t first_ns, last_ns;
	bool failed; /* out of memory: nothing is reported */
};

static struct watched *find(const struct vm_threads *w, uint32_t id)
{
	return id < w->n_ids && w->by_id[id] ? &w->threads[w->by_id[id] - 1] : NULL;
}

static struct watched *add(struct vm_threads *w, uint32_t id)
{
	if (id >= w->n_ids) {
		size_t n = (size_t)id * 2 + 64;
		uint32_t *more = realloc(w->by_id, n * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + w->n_ids, 0, (n - w->n_ids) * sizeof(*more));
		w->by_id = more;
		w->n_ids = n;
	}
	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct watched *more = realloc(w->threads, room * sizeof(*more));

		if (!more)
			return NULL;
		w->threads = more;
		w->room = room;
	}
	w->by_id[id] = (uint32_t)++w->n;
	memset(&w->threads[w->n - 1], 0, sizeof(*w->threads));
	return &w->threads[w->n - 1];
}

static void on_thread(void *ctx, const struct vmrt_thread *thread)
{
	struct vm_threads *w = ctx;
	struct watched *t;

	if (thread->vm != VMRT_NONE && !w->config->vms[thread->vm].selected) {
		t = find(w, thread->id);
		if (!t)
			t = add(w, thread->id);
		if (t)
			t->pub = *thread;
		w->failed |= !t;
	}
	if (w->sink.thread)
		w->sink.thread(w->sink.ctx, thread);
}

static void on_server(void *ctx, const struct vmrt_server *server)
{
	struct vm_threads *w = ctx;

	if (server->id < w->n_servers)
		w->servers[server->id] = *server;
	if (w->sink.server)
		w->sink.server(w->sink.ctx, server);
}

static struct on_cpu *cpu_of(struct watched *t, unsigned cpu)
{
	struct on_cpu *more;

	for (size_t i = 0; i < t->n_cpus; i++)
		if (t->cpus[i].cpu == cpu)
			return &t->cpus[i];
	more = realloc(t->cpus, (t->n_cpus + 1) * sizeof(*more));
	if (!more)
		return NULL;
	t->cpus = more;
	t->cpus[t->n_cpus] = (struct on_cpu){.cpu = cpu};
	return &t->cpus[t->n_cpus++];
}

static bool charges_helpers(const struct vm_threads *w, const struct vmrt_server *s)
{
	return w->config->experiment->servers[s->id].charge_helpers;
}

/* Is @prio above that of a server of @vm which does not pay for helper threads? */
static bool is_above(const struct vm_threads *w, uint32_t vm, int prio)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		const struct vmrt_server *s = &w->servers[i];

		if (s->vm == vm && s->priority > 0 && prio >= 0 && prio < FIFO_PRIO(s->priority) &&
			!charges_helpers(w, s))
			return true;
	}
	return false;
}

static void on_slice(void *ctx, const struct vmrt_slice *slice)
{
	struct vm_threads *w = ctx;
	struct watched *t = find(w, slice->thread);
	int64_t ran = slice->end_ns - slice->start_ns;
	struct on_cpu *c = t && ran > 0 ? cpu_of(t, slice->cpu) : NULL;

	w->failed |= t && ran > 0 && !c;
	if (w->first_ns == VMRT_UNKNOWN)
		w->first_ns = slice->start_ns;
	w->last_ns = slice->end_ns;
	if (c) {
		c->ran_ns += ran;
		if (t->pub.role != VMRT_ROLE_VCPU && is_above(w, t->pub.vm, slice->prio)) {
			c->above_ns += ran;
			if (ran > c->longest_ns)
				c->longest_ns = ran;
		}
	}
	if (w->sink.slice)
		w->sink.slice(w->sink.ctx, slice);
}

/* Other records are passed on unchanged. */
#define PASS(name, type)                                                                           \
	static void on_##name(void *ctx, const struct type *record)                                \
	{                                                                                          \
		const struct vm_threads *w = ctx;                                                  \
                                                                                                   \
		if (w->sink.name)                                                                  \
			w->sink.name(w->sink.ctx, record);                                         \
	}

PASS(server_period, vmrt_server_period)
PASS(job, vmrt_job)
PASS(loss, vmrt_loss)
PASS(violation, vmrt_violation)
PASS(check, vmrt_check)
PASS(unmanaged, vmrt_unmanaged)
PASS(supply, vmrt_supply_point)

/* Fills in server @index as it is declared; this holds until the engine announces the server. */
static void as_declared(struct vm_threads *w, size_t index)
{
	const struct vmrt_server_spec *spec = &w->config->experiment->servers[index];
	struct vmrt_server *s = &w->servers[index];

	s->id = (uint32_t)index;
	s->vm = VMRT_NONE;
	s->vcpu = spec->vcpu;
	s->priority = spec->priority;
	snprintf(s->name, sizeof(s->name), "%s", spec->name);
	for (size_t v = 0; v < w->config->n_vms && s->vm == VMRT_NONE; v++)
		if (vmrt_server_is_for(spec, w->config->vms[v].name, w->config->vms[v].threads,
			    w->config->vms[v].n_threads))
			s->vm = (uint32_t)v;
}

struct vm_threads *vm_threads_new(const struct vmrt_engine_config *config, struct vmrt_sink *sink)
{
	struct vm_threads *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->n_servers = config->experiment ? config->experiment->n_servers : 0;
	w->servers = calloc(w->n_servers + 1, sizeof(*w->servers));
	if (!w->servers) {
		free(w);
		return NULL;
	}
	w->config = config;
	for (size_t i = 0; i < w->n_servers; i++)
		as_declared(w, i);
	w->sink = *sink;
	w->first_ns = w->last_ns = VMRT_UNKNOWN;
	*sink = (struct vmrt_sink){
		.ctx = w,
		.thread = on_thread,
		.slice = on_slice,
		.server = on_server,
		.server_period = on_server_period,
		.job = on_job,
		.loss = on_loss,
		.violation = on_violation,
		.check = on_check,
		.unmanaged = on_unmanaged,
		.supply = on_supply,
	};
	return w;
}

/* ---- notes ---- */

/* The server that is for vCPU @vcpu of @vm, or for all of its vCPUs; NULL: none. */
static const struct vmrt_server *server_of(const struct vm_threads *w, uint32_t vm, int vcpu)
{
	for (size_t i = 0; i < w->n_servers; i++)
		if (w->servers[i].vm == vm &&
			(w->servers[i].vcpu < 0 || vcpu < 0 || w->servers[i].vcpu == vcpu))
			return &w->servers[i];
	return NULL;
}

static bool is_vcpu(const struct watched *t, uint32_t vm)
{
	return t->pub.vm == vm && t->pub.role == VMRT_ROLE_VCPU;
}

/* The vCPUs of @vm that ran on @cpu and nowhere else; @list: their numbers as text. */
static size_t alone_on(
	const struct vm_threads *w, uint32_t vm, unsigned cpu, char *list, size_t room, int *first)
{
	size_t n = 0, used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < w->n; i++) {
		const struct watched *t = &w->threads[i];

		if (!is_vcpu(t, vm) || t->n_cpus != 1 || t->cpus[0].cpu != cpu)
			continue;
		if (!n++)
			*first = t->pub.vcpu;
		if (used < room)
			used += (size_t)snprintf(
				list + used, room - used, "%s%d", n > 1 ? ", " : "", t->pub.vcpu);
	}
	return n;
}

/* Notes vCPUs that never ran at the same time, because they had only one CPU. */
static void note_crowd(const struct vm_threads *w, uint32_t vm, struct rundb *db)
{
	const char *name = w->config->vms[vm].name;
	char list[128], words[WORDS];

	for (size_t i = 0; i < w->n; i++) {
		const struct watched *t = &w->threads[i];
		const struct vmrt_server *s;
		int first = -1;
		size_t n;

		if (!is_vcpu(t, vm) || t->n_cpus != 1)
			continue;
		n = alone_on(w, vm, t->cpus[0].cpu, list, sizeof(list), &first);
		if (n < 2 || first != t->pub.vcpu)
			continue;
		snprintf(words, sizeof(words),
			"vCPUs %s of VM %s ran on CPU %u only: they take turns, and one that waits "
			"for another, for a lock or an interrupt, waits until that one gets the "
			"CPU; "
			"give each vCPU a CPU of its own",
			list, name, t->cpus[0].cpu);
		s = server_of(w, vm, first);
		vmrt_warn("%s", words);
		rundb_note(db, "threads", s ? s->name : name, words);
	}
}

static bool has_vcpu(const struct vm_threads *w, uint32_t vm, unsigned cpu)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t c = 0; is_vcpu(&w->threads[i], vm) && c < w->threads[i].n_cpus; c++)
			if (w->threads[i].cpus[c].cpu == cpu)
				return true;
	return false;
}

/* Only time on CPUs where the VM's vCPUs run counts: on other CPUs a helper thread takes nothing
 * from them. */
static bool took_time(const struct vm_threads *w, const struct watched *t, const struct on_cpu *c)
{
	return (c->longest_ns >= LONG_NS || c->above_ns > (w->last_ns - w->first_ns) / WORTH) &&
	       has_vcpu(w, t->pub.vm, c->cpu);
}

static void note_helpers(const struct vm_threads *w, uint32_t vm, struct rundb *db)
{
	const struct vmrt_server *s = server_of(w, vm, -1);
	char words[WORDS], sum[VMRT_UNITS_TEXT], longest[VMRT_UNITS_TEXT];
	size_t n = 0, used = 0;

	for (size_t i = 0; i < w->n && s; i++) {
		const struct watched *t = &w->threads[i];

		for (size_t c = 0; t->pub.vm == vm && c < t->n_cpus; c++) {
			const struct on_cpu *on = &t->cpus[c];

			if (!took_time(w, t, on) || n++ >= HELPERS_MAX || used >= sizeof(words))
				continue;
			used += (size_t)snprintf(words + used, sizeof(words) - used,
				"%s%s (thread %d) %s on CPU %u, at most %s at once",
				n > 1 ? "; "
				      : "helper threads above its priority took time from the "
					"vCPUs "
					"that no budget pays for: ",
				t->pub.comm, (int)t->pub.tid,
				vmrt_format_duration(on->above_ns, sum), on->cpu,
				vmrt_format_duration(on->longest_ns, longest));
		}
	}
	if (n > HELPERS_MAX && used < sizeof(words))
		snprintf(words + used, sizeof(words) - used, "; and %zu more", n - HELPERS_MAX);
	if (n)
		rundb_note(db, "threads", s->name, words);
}

void vm_threads_note(const struct vm_threads *w, struct rundb *db)
{
	for (uint32_t vm = 0; !w->failed && vm < w->config->n_vms; vm++) {
		note_crowd(w, vm, db);
		note_helpers(w, vm, db);
	}
}

void vm_threads_free(struct vm_threads *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		free(w->threads[i].cpus);
	free(w->threads);
	free(w->by_id);
	free(w->servers);
	free(w);
}

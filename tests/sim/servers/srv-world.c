/* SPDX-License-Identifier: MIT */
/* Makes the world of a case by its seed, and lets it run. */
#include "srv-world.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN_NS VMRT_NS_PER_S

struct thread *add_thread(
	struct world *w, enum kind kind, int32_t pid, const char *comm, int prio, int cpu)
{
	struct thread *t = &w->threads[w->n_threads++];

	t->kind = kind;
	t->pid = pid;
	snprintf(t->comm, sizeof(t->comm), "%s", comm);
	t->prio = prio;
	t->cpu = cpu;
	t->state = READY;
	t->seq = ++w->seq;
	t->work = kind == K_HOG ? NEVER : between(w, 10 * US, 200 * US);
	t->ready_ns = w->now;
	return t;
}

static bool by_user(const struct world *w)
{
	return w->r->c.policy != VMRT_POLICY_NONE && !vmrt_policy_by_kernel(w->r->c.policy);
}

static void choose_parameters(struct world *w, struct server *s)
{
	struct vmrt_server_spec *spec = s->spec;
	/* twice the budget must be there to be taken */
	int share = w->r->c.fault == FAULT_RECLAIM ? 40 : 90 / w->n_servers;

	spec->vcpu = -1;
	spec->policy = w->r->c.policy;
	spec->depletion = w->r->c.hard ? VMRT_DEPLETION_HARD : VMRT_DEPLETION_SOFT;
	spec->period_ns = between(w, 8, 24) * MS + between(w, 0, 1) * 500 * US;
	spec->budget_ns = spec->period_ns / 100 * between(w, share / 2, share);
	spec->priority = 60 - 5 * s->index;
	if (spec->policy == VMRT_POLICY_EDF)
		spec->priority = 60;
}

static void add_server(struct world *w, int i)
{
	struct srv_result *r = w->r;
	struct server *s = &w->servers[i];
	struct vmrt_engine_vm *vm = &r->vms[i];

	s->index = i;
	s->spec = &r->specs[i];
	s->log = &r->logs[i];
	s->n = r->c.shared && i == 0 ? SRV_MEMBERS : 1;
	s->fault = i == (int)(r->c.seed % (uint64_t)w->n_servers) ? r->c.fault : FAULT_NONE;
	s->selected_only = chance(w, 50);
	s->left = 0;
	choose_parameters(w, s);
	snprintf(r->names[i], sizeof(r->names[i]), "vm%d", i);
	snprintf(s->spec->name, sizeof(s->spec->name), "srv%d", i);
	snprintf(s->spec->vm, sizeof(s->spec->vm), "%s", r->names[i]);
	vm->name = r->names[i];
	vm->machine = VMRT_NONE;
	vm->threads = r->threads[i];
	for (int m = 0; m < s->n; m++) {
		struct vmrt_vm_thread *info = &r->threads[i][m];
		char comm[VMRT_COMM_MAX];
		struct thread *t;

		snprintf(comm, sizeof(comm), "CPU %c/TCG", (char)('0' + m));
		t = add_thread(w, K_MEMBER, 100 * (i + 1) + m, comm, FAIR, (i + m) % w->n_cpus);
		t->server = s;
		/* a fault shows only where there is work */
		t->burst_ns = chance(w, 40) ? 0 : s->spec->budget_ns * between(w, 10, 150) / 100;
		t->sleep_ns = s->spec->period_ns * between(w, 10, 120) / 100;
		if (r->c.fault == FAULT_CARRY) {
			t->burst_ns = s->spec->budget_ns * 3;
			t->sleep_ns = s->spec->period_ns * 2;
		} else if (r->c.fault == FAULT_KEEP_BUDGET) {
			t->burst_ns = s->spec->budget_ns / 3;
			t->sleep_ns = s->spec->period_ns / 2;
		} else if (r->c.fault == FAULT_CHUNK_EARLY || r->c.fault == FAULT_CHUNK_MORE) {
			t->burst_ns = s->spec->budget_ns;
			t->sleep_ns = s->spec->period_ns / 2;
		} else if (r->c.fault != FAULT_NONE) {
			t->burst_ns = 0;
		}
		if (!t->burst_ns)
			t->work = NEVER;
		s->members[m] = t;
		info->tid = t->pid;
		info->role = VMRT_ROLE_VCPU;
		info->vcpu = m;
		snprintf(info->comm, sizeof(info->comm), "%s", comm);
	}
	vm->n_threads = (size_t)s->n;
	r->cpus[i] = s->members[0]->cpu;
}

static void add_everything(struct world *w)
{
	struct srv_result *r = w->r;

	w->n_cpus = r->c.cpus;
	w->n_servers = r->c.servers;
	for (int c = 0; c < w->n_cpus; c++)
		w->cpus[c].resched_at = NEVER;
	for (int i = 0; i < w->n_servers; i++)
		add_server(w, i);
	r->quiet = true;
	for (int c = 0; c < w->n_cpus; c++) {
		/* a fault may need somebody who takes what the server does not get */
		if ((r->c.fault != FAULT_NONE && by_user(w)) || r->c.policy == VMRT_POLICY_NONE ||
			(r->c.fault == FAULT_NONE && chance(w, 70)))
			add_thread(w, K_HOG, 500 + c, "hog", FAIR, c);
		if (by_user(w))
			w->cpus[c].enforcer =
				add_thread(w, K_ENFORCER, 50 + c, "vmrt-hsf/0", FIFO(98), c);
		if (chance(w, 25) && r->c.fault == FAULT_NONE) {
			struct thread *t = add_thread(
				w, K_RT, 520 + c, "rt", FIFO(chance(w, 50) ? 70 : 20), c);

			t->burst_ns = 300 * US;
			t->sleep_ns = 20 * MS;
			r->quiet = false;
		}
	}
	r->alone = w->n_servers == 1;
	r->machine = (struct vmrt_engine_machine){.name = "host", .cpus = (unsigned)w->n_cpus};
	snprintf(r->exp.name, sizeof(r->exp.name), "servers");
	r->exp.servers = r->specs;
	r->exp.n_servers = r->c.policy == VMRT_POLICY_NONE ? 0 : (size_t)w->n_servers;
	r->exp.tick_ns = TICK_NS;
	r->config = (struct vmrt_engine_config){.experiment = &r->exp,
		.machines = &r->machine,
		.n_machines = 1,
		.vms = r->vms,
		.n_vms = (size_t)w->n_servers,
		.hsf = by_user(w) && r->c.markers,
		.start_ns = VMRT_UNKNOWN,
		.end_ns = VMRT_UNKNOWN};
}

/* Events of one CPU are lost for a while, which the next one says. */
static void lose(struct world *w)
{
	struct srv_result *r = w->r;
	uint16_t cpu = (uint16_t)between(w, 0, w->n_cpus - 1);
	uint64_t lost = 0;
	size_t kept = 0;
	int64_t from = 0, to = 0;
	bool reported = false;

	r->hole_from_ns = r->hole_to_ns = between(w, r->start_ns + 30 * MS, r->end_ns - 60 * MS);
	r->hole_to_ns += between(w, 20 * US, chance(w, 50) ? 2 * MS : 40 * MS);
	for (size_t i = 0; i < r->n_events; i++) {
		struct srv_event *e = &r->events[i];

		if (e->ev.cpu == cpu && e->ev.ts >= r->hole_from_ns && e->ev.ts < r->hole_to_ns) {
			/* what is lost, not what might have been */
			if (!lost++)
				from = e->ev.ts;
			to = e->ev.ts + 1;
			continue;
		}
		if (e->ev.cpu == cpu && lost && e->ev.ts >= r->hole_to_ns) {
			e->ev.lost = lost;
			reported = true;
			lost = 0;
		}
		r->events[kept++] = *e;
	}
	r->n_events = kept;
	r->c.lossy = reported;
	r->hole_from_ns = from;
	r->hole_to_ns = to;
}

struct srv_result *srv_run(const struct srv_case *c)
{
	struct srv_result *r = calloc(1, sizeof(*r));
	struct world *w = calloc(1, sizeof(*w));

	if (!r || !w)
		abort();
	r->c = *c;
	w->r = r;
	w->rand = c->seed * UINT64_C(0x9e3779b97f4a7c15) + 4711;
	w->now = BEGIN_NS;
	w->start = BEGIN_NS + (c->late_start ? between(w, 20 * MS, c->duration_ns / 3) : 0);
	w->end = BEGIN_NS + c->duration_ns;
	r->start_ns = w->start;
	r->end_ns = w->end;
	add_everything(w);
	machine_start(w);
	policy_start(w);
	run_world(w);
	if (c->lossy)
		lose(w);
	machine_record(r);
	free(w);
	return r;
}

void srv_free(struct srv_result *r)
{
	for (int i = 0; i < SRV_MAX; i++) {
		free(r->logs[i].segments);
		free(r->logs[i].words);
		free(r->logs[i].borders);
		free(r->logs[i].overs);
		free(r->unmanaged[i].periods);
		free(r->unmanaged[i].supplies);
	}
	free(r->events);
	free(r);
}

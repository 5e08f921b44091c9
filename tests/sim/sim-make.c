/* SPDX-License-Identifier: MIT */
/* Makes the world of a case by its seed: machines, threads, tasks, VMs and servers. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static struct wthread *add_thread(
	struct wmachine *m, enum kind kind, int32_t pid, const char *comm, int prio)
{
	struct wthread *t = &m->threads[m->n_threads++];

	t->m = m;
	t->kind = kind;
	t->pid = pid;
	snprintf(t->comm, sizeof(t->comm), "%s", comm);
	t->prio = prio;
	t->cpu = t->last_cpu = (int)between(m->w, 0, m->n_cpus - 1);
	t->state = READY;
	t->queued = true;
	t->seq = ++m->w->seq;
	t->phase = PH_WAITING;
	t->block_state = 1;
	if (kind == K_HOG || kind == K_VCPU)
		t->work = NEVER;
	if (kind == K_VCPU || kind == K_MAIN) {
		t->state = BLOCKED;
		t->queued = false;
		t->sleeping = true;
	}
	t->roams = kind != K_ENFORCER && has(m->w, m->index ? SIM_GUEST_MIGRATE : SIM_MIGRATE) &&
		   chance(m->w, 70);
	return t;
}

/* The threads of PREEMPT_RT that handle softirqs. */
static void add_softirq_threads(struct world *w, struct wmachine *m)
{
	bool own_timers = sim_chance(&w->kernel_rand, 50);

	for (int c = 0; m->kernel->rt && c < m->n_cpus; c++) {
		struct wthread *t = &m->threads[m->n_threads++];

		*t = (struct wthread){.m = m,
			.kind = K_SOFTIRQ,
			.pid = 400 + c,
			.prio = own_timers ? FIFO(1) : FAIR,
			.cpu = c,
			.last_cpu = c,
			.state = BLOCKED,
			.sleeping = true,
			.phase = PH_WAITING,
			.block_state = 1,
			.work = 2 * US};
		snprintf(
			t->comm, sizeof(t->comm), "%s/%d", own_timers ? "ktimers" : "ksoftirqd", c);
		m->cpus[c].softirq = t;
	}
}

static void add_cpu(struct world *w, struct wmachine *m, int c)
{
	struct wcpu *cpu = &m->cpus[c];

	cpu->m = m;
	cpu->index = c;
	cpu->halt_left = NEVER;
	cpu->steal_at = cpu->throttle_at = cpu->steal_end = cpu->throttle_end = NEVER;
	cpu->steal_from = cpu->steal_seen_to = VMRT_UNKNOWN;
	cpu->loss_at = cpu->loss_end = NEVER;
	cpu->clip_to = cpu->suspend_at = NEVER;
	if (has(w, SIM_SUSPEND))
		cpu->suspend_at = BEGIN_NS + between(w, 3 * MS, 40 * MS);
	cpu->last_recorded = VMRT_UNKNOWN;
	cpu->first_recorded = NEVER;
	if (!m->index && has(w, SIM_STEAL))
		cpu->steal_at = BEGIN_NS + between(w, 3 * MS, 40 * MS);
	if (has(w, SIM_THROTTLE) && (!m->index || chance(w, 50)))
		cpu->throttle_at = BEGIN_NS + between(w, 3 * MS, 60 * MS);
	if (!m->index || chance(w, 60)) {
		struct wtimer *tick =
			arm_timer(cpu, TM_TICK, NULL, BEGIN_NS + between(w, 0, TICK_NS));

		tick->since = BEGIN_NS;
	}
}

static void add_machine(struct world *w, int index, int cpus, const char *name)
{
	struct wmachine *m = &w->m[index];
	struct sim_result *r = w->r;
	struct vmrt_clock_segment *s = &r->segments[index];

	m->w = w;
	m->index = index;
	m->kernel = &r->kernels[index];
	r->kernels[index] = r->c.one_kernel ? r->c.kernel : sim_draw_kernel(&w->kernel_rand);
	m->n_cpus = cpus;
	m->tick_phase_ns = BEGIN_NS - between(w, 0, TICK_NS - 1);
	for (int c = 0; c < cpus; c++)
		add_cpu(w, m, c);
	add_softirq_threads(w, m);
	if (has(w, SIM_RECORD_CLOCK) && sim_chance(&w->clock_rand, 75))
		clock_draw(m, &w->clock_rand, &w->set_rand);
	r->machines[index] = (struct vmrt_engine_machine){.name = name, .cpus = (unsigned)cpus};
	if (!index)
		return;
	s->offset_ns = between(w, -900 * MS, 900 * MS);
	s->from_local_ns = BEGIN_NS + s->offset_ns;
	s->to_local_ns = s->from_local_ns + 100 * VMRT_NS_PER_S;
	s->source = VMRT_CLOCK_PINGS;
	if (has(w, SIM_DRIFT))
		s->rate = (double)between(w, -50000, 50000) * 1e-9;
	m->tick_phase_ns = s->from_local_ns - between(w, 0, TICK_NS - 1);
	m->true_segment = *s;
	m->true_map = (struct vmrt_clockmap){&m->true_segment, 1, 0};
	if (has(w, SIM_CLOCK_ERROR)) {
		s->error_ns = between(w, 10 * US, 300 * US);
		s->offset_ns += between(w, -s->error_ns, s->error_ns);
		s->error_ns += 2;
		if (s->error_ns > r->truth.clock_error_ns)
			r->truth.clock_error_ns = s->error_ns;
	}
	r->maps[index] = (struct vmrt_clockmap){s, 1, 0};
	r->machines[index].clock = &r->maps[index];
}

static void add_task(struct world *w, struct wmachine *m, int i)
{
	static const int64_t periods[] = {
		2 * MS, 4 * MS, 5 * MS, 8 * MS, 10 * MS, 16 * MS, 20 * MS, 33 * MS};
	struct vmrt_task_spec *spec = &w->r->tasks[i];
	struct wtask *k = &w->tasks[i];
	struct wtimer *birth;

	snprintf(spec->machine, sizeof(spec->machine), "%s", w->r->machines[m->index].name);
	snprintf(spec->name, sizeof(spec->name), "t%d", i);
	spec->period_ns = periods[between(w, 0, 7)];
	spec->wcet_ns = spec->period_ns * between(w, 5, 40) / 100;
	spec->deadline_ns =
		chance(w, 60) ? spec->period_ns : spec->period_ns * between(w, 50, 250) / 100;
	spec->offset_ns = between(w, 0, spec->period_ns - 1);
	spec->priority = chance(w, 15) ? 55 : 60 - i;
	k->spec = spec;
	k->index = (uint32_t)i;
	k->m = m;
	task_init(w, k);
	k->jobs_left = has(w, SIM_RESPAWN) ? (int)between(w, 2, 6) : -1;
	k->overrun_percent = has(w, SIM_OVERRUN) ? (int)between(w, 5, 60) : 0;
	k->t = add_thread(m, K_TASK, 11 + i, "vmrt-load",
		k->how == VMRT_RELEASE_DEADLINE ? -1 : FIFO(spec->priority));
	k->t->task = k;
	k->t->state = DEAD;
	k->timer_ptr = UINT64_C(0xffff888200000000) + (uint64_t)i * 65536;
	birth = arm_timer(
		&m->cpus[k->t->cpu], TM_REBORN, k->t, BEGIN_NS + between(w, 100 * US, 5 * MS));
	birth->cpu = k->t->cpu;
}

static void add_server(struct world *w, struct wmachine *g)
{
	struct wserver *s = &w->servers[w->n_servers];
	struct vmrt_server_spec *spec = &w->r->servers[w->n_servers];

	if (!has(w, SIM_SERVERS) && chance(w, 50))
		return;
	s->index = (uint32_t)w->n_servers++;
	s->spec = spec;
	snprintf(spec->name, sizeof(spec->name), "srv%d", g->index);
	snprintf(spec->vm, sizeof(spec->vm), "%s", w->r->machines[g->index].name);
	spec->vcpu = -1;
	spec->policy = VMRT_POLICY_DEFERRABLE;
	spec->period_ns = between(w, 2 * MS, 14 * MS);
	spec->budget_ns = spec->period_ns * between(w, 20, 95) / 100 * g->n_cpus;
	if (spec->budget_ns > spec->period_ns)
		spec->budget_ns = spec->period_ns;
	spec->priority = (int)between(w, 40, 60);
	s->enforced = has(w, SIM_SERVERS);
	s->now.start_ns = s->now.end_ns = VMRT_UNKNOWN;
	for (int v = 0; v < g->n_cpus; v++) {
		s->members[s->n_members++] = g->vcpus[v];
		g->vcpus[v]->server = s;
		if (!s->enforced && chance(w, 50))
			g->vcpus[v]->prio = FIFO(spec->priority);
	}
}

static void add_vm(struct world *w, struct wmachine *g)
{
	struct wmachine *host = &w->m[0];
	struct vmrt_engine_vm *vm = &w->r->vms[g->index - 1];
	struct vmrt_vm_thread *threads = w->r->threads[g->index - 1];
	int prio = chance(w, 50) ? FIFO((int)between(w, 30, 60)) : FAIR;

	vm->name = w->r->machines[g->index].name;
	vm->machine = (uint32_t)g->index;
	vm->threads = threads;
	for (int v = 0; v < g->n_cpus; v++) {
		struct wthread *t;
		char comm[VMRT_COMM_MAX];

		snprintf(comm, sizeof(comm), "CPU %c/TCG", (char)('0' + v));
		t = add_thread(host, K_VCPU, 100 * g->index + v + 1, comm,
			has(w, SIM_SERVERS) ? FAIR : prio);
		t->guest = g;
		t->gcpu = v;
		g->vcpus[v] = g->cpus[v].vcpu = t;
	}
	if (has(w, SIM_MAIN_LOOP)) {
		g->main_loop = add_thread(
			host, K_MAIN, 100 * g->index, "qemu", chance(w, 70) ? FIFO(62) : FAIR);
		g->main_loop->guest = g;
		g->main_loop->work = 10 * US;
	}
	add_server(w, g);
	for (int v = 0; v < g->n_cpus; v++) {
		const struct wthread *t = g->vcpus[v];
		struct vmrt_vm_thread *info = &threads[vm->n_threads++];

		info->tid = t->pid;
		info->role = VMRT_ROLE_VCPU;
		info->vcpu = v;
		snprintf(info->comm, sizeof(info->comm), "%s", t->comm);
		info->policy = t->prio < 100 ? SCHED_FIFO : SCHED_OTHER;
		info->priority = t->prio < 100 ? 99 - t->prio : 0;
	}
	if (g->main_loop) {
		struct vmrt_vm_thread *info = &threads[vm->n_threads++];

		info->tid = g->main_loop->pid;
		info->role = VMRT_ROLE_MAIN;
		info->vcpu = -1;
		snprintf(info->comm, sizeof(info->comm), "qemu");
	}
	w->r->config.n_vms++;
}

static void add_host_threads(struct world *w)
{
	struct wmachine *host = &w->m[0];

	for (int c = 0; c < host->n_cpus; c++) {
		if (has(w, SIM_HOGS) && chance(w, 70))
			add_thread(host, K_HOG, 300 + c, "hog", FAIR)->cpu = c;
		if (has(w, SIM_HOST_RT) && chance(w, 60))
			add_thread(host, K_LOAD, 320 + c, "rtload", FIFO((int)between(w, 20, 80)))
				->work = 100 * US;
	}
	if (has(w, SIM_SERVERS)) {
		w->enforcer = add_thread(host, K_ENFORCER, 50, "vmrt-hsf", FIFO(97));
		w->enforcer->state = BLOCKED;
		w->enforcer->sleeping = true;
	}
}

void make_everything(struct world *w)
{
	static const char *const names[] = {"host", "vm1", "vm2"};
	struct sim_result *r = w->r;
	int tasks = r->c.tasks;

	w->n_machines = has(w, SIM_TWO_GUESTS) ? 3 : 2;
	add_machine(w, 0, has(w, SIM_SMP_HOST) ? (int)between(w, 2, 3) : 1, names[0]);
	for (int g = 1; g < w->n_machines; g++) {
		add_machine(w, g, has(w, SIM_SMP_GUEST) ? 2 : 1, names[g]);
		w->m[g].late_timers = has(w, SIM_LATE_TIMERS) ? between(w, 5, 60) : 0;
		add_vm(w, &w->m[g]);
		if (has(w, SIM_GUEST_LOAD))
			add_thread(&w->m[g], K_LOAD, 40, "load",
				chance(w, 50) ? FAIR : FIFO((int)between(w, 50, 70)))
				->work = 50 * US;
	}
	add_host_threads(w);
	for (int i = 0; i < tasks; i++) {
		bool on_host = has(w, SIM_HOST_TASKS) && chance(w, 35);

		add_task(w, &w->m[on_host ? 0 : 1 + i % (w->n_machines - 1)], i);
	}
	w->n_tasks = tasks;
	snprintf(r->exp.name, sizeof(r->exp.name), "sim");
	r->exp.tick_ns = TICK_NS;
	r->exp.tasks = r->tasks;
	r->exp.n_tasks = (size_t)tasks;
	r->exp.servers = r->servers;
	r->exp.n_servers = (size_t)w->n_servers;
	r->config.experiment = &r->exp;
	r->config.machines = r->machines;
	r->config.n_machines = (size_t)w->n_machines;
	r->config.vms = r->vms;
	r->config.hsf = has(w, SIM_SERVERS);
	r->config.start_ns = w->start;
	r->config.end_ns = VMRT_UNKNOWN;
}

void make_losses(struct world *w)
{
	int m = (int)between(w, 0, w->n_machines - 1);
	struct wcpu *c = &w->m[m].cpus[between(w, 0, w->m[m].n_cpus - 1)];

	for (int i = 0; has(w, SIM_CLIPPED) && i < w->m[m].n_cpus; i++) {
		if (chance(w, 60))
			w->m[m].cpus[i].clip_from = between(w, w->start, (w->start + w->end) / 2);
		if (chance(w, 60))
			w->m[m].cpus[i].clip_to = between(w, (w->start + w->end) / 2, w->end);
	}
	if (!has(w, SIM_LOSS))
		return;
	c->loss_at = between(w, w->start + 2 * MS, w->end - 10 * MS);
	c->loss_end = c->loss_at + between(w, 50 * US, chance(w, 30) ? 30 * MS : 3 * MS);
}

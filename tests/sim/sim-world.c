/* SPDX-License-Identifier: MIT */
/* Makes the world of a case by its seed, and lets it run. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN_NS VMRT_NS_PER_S
#define STUCK 200000 /* so many things at one instant are an error of the simulator */

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
	for (int c = 0; c < cpus; c++) {
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
		if (!index && has(w, SIM_STEAL))
			cpu->steal_at = BEGIN_NS + between(w, 3 * MS, 40 * MS);
		if (has(w, SIM_THROTTLE) && (!index || chance(w, 50)))
			cpu->throttle_at = BEGIN_NS + between(w, 3 * MS, 60 * MS);
		if (!index || chance(w, 60)) {
			struct wtimer *tick =
				arm_timer(cpu, TM_TICK, NULL, BEGIN_NS + between(w, 0, TICK_NS));

			tick->since = BEGIN_NS;
		}
	}
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

static void add_everything(struct world *w)
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

static void choose_losses(struct world *w)
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

static bool shows(const struct wtimer *t)
{
	return t->kind != TM_LOCK && t->kind != TM_REBORN && t->kind != TM_WHEEL &&
	       t->kind != TM_RESUME && t->kind != TM_EVENT && !t->soft;
}

static void steal_begins(struct world *w, struct wcpu *c)
{
	struct sim_truth *truth = &w->r->truth;
	int64_t due = NEVER;
	bool known = false;

	c->stolen = true;
	c->steal_at = NEVER;
	c->steal_end = w->now + (chance(w, 20) ? between(w, 50 * US, 600 * US)
					       : between(w, 400 * US, 7 * MS));
	c->steal_from = c->steal_seen_to = VMRT_UNKNOWN;
	for (int i = 0; i < SIM_TIMERS; i++) {
		const struct wtimer *t = &c->m->timers[i];

		if (t->armed && !t->pushed && t->cpu == c->index && shows(t) && t->due < due) {
			due = t->due;
			known = t->since > w->start && t->since >= c->clip_from;
		}
	}
	/* the first record after it shows it */
	if (!known || due >= c->steal_end || c->steal_end + 700 - due < STEAL_SEEN_NS ||
		c->last_recorded == VMRT_UNKNOWN)
		return;
	c->steal_from = due;
	c->steal_seen_to = c->steal_end + 700;
	truth->steals =
		grow(truth->steals, truth->n_steals, &w->steals_room, sizeof(*truth->steals));
	truth->steals[truth->n_steals++] = (struct sim_hole){
		.cpu = (uint16_t)c->index, .from_ns = c->steal_from, .to_ns = c->steal_seen_to};
}

/* Timers that became due meanwhile fire first, in order. */
static void steal_ends(struct world *w, struct wcpu *c)
{
	struct wtimer *late[SIM_TIMERS];
	int n = 0;

	c->stolen = false;
	c->steal_end = NEVER;
	c->steal_at = w->now + between(w, 5 * MS, 60 * MS);
	for (;;) {
		struct wtimer *first = NULL;

		for (int i = 0; i < SIM_TIMERS; i++) {
			struct wtimer *t = &c->m->timers[i];

			if (!t->armed || t->pushed || t->cpu != c->index || t->due > w->now)
				continue;
			if (!first || (shows(t) && !shows(first)) ||
				(shows(t) == shows(first) && t->due < first->due))
				first = t;
		}
		if (!first)
			break;
		first->pushed = true;
		late[n++] = first;
	}
	while (n--)
		push_expiry(c, late[n], n ? 300 : 700, true);
}

static void cpu_instants(struct world *w, struct wcpu *c)
{
	if (w->now >= c->suspend_at) {
		c->suspend_at = w->now + between(w, 500 * US, 20 * MS);
		task_suspend(c);
	}
	if (w->now >= c->steal_at && !c->n_ops && (!c->cur || c->cur->work > 0))
		steal_begins(w, c);
	if (w->now >= c->steal_end)
		steal_ends(w, c);
	if (w->now >= c->throttle_at) {
		c->throttled = true;
		c->throttle_at = NEVER;
		c->throttle_end = w->now + (chance(w, 30) ? between(w, 100 * US, MS)
							  : between(w, MS, 12 * MS));
		resched(c);
	}
	if (w->now >= c->throttle_end) {
		c->throttled = false;
		c->throttle_end = NEVER;
		c->throttle_at = w->now + between(w, 10 * MS, 80 * MS);
		resched(c);
	}
}

static int64_t left_on(const struct wcpu *c)
{
	if (!cpu_progresses(c))
		return NEVER;
	if (c->n_ops)
		return c->ops[0].delay;
	if (c->cur)
		return c->cur->work;
	return c->vcpu ? c->halt_left : NEVER;
}

static bool do_what_is_due(struct world *w)
{
	bool any = false;

	timers_due(w);
	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++)
			cpu_instants(w, &w->m[m].cpus[c]);
	for (int m = 0; m < w->n_machines && !any; m++) {
		for (int i = 0; i < w->m[m].n_cpus && !any; i++) {
			struct wcpu *c = &w->m[m].cpus[i];

			if (left_on(c) != 0)
				continue;
			any = true;
			if (c->n_ops) {
				run_op(c);
			} else if (c->cur) {
				thread_step(c->cur);
			} else {
				/* the guest is idle: its vCPU thread goes to sleep */
				c->halt_left = NEVER;
				c->vcpu->sleeping = c->vcpu->want_block = true;
				c->vcpu->woken = false;
				c->m->kicks[i] = false;
				resched(&c->vcpu->m->cpus[c->vcpu->cpu]);
			}
			truth_advance(w, w->now);
			truth_grid(w);
		}
	}
	return any;
}

static void advance_cpus(struct world *w, int64_t ns)
{
	bool moves[1 + SIM_GUESTS][SIM_CPUS];

	for (int m = 0; m < w->n_machines; m++)
		for (int i = 0; i < w->m[m].n_cpus; i++)
			moves[m][i] = cpu_progresses(&w->m[m].cpus[i]);
	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_cpus; i++) {
			struct wcpu *c = &w->m[m].cpus[i];

			if (!moves[m][i])
				continue;
			if (c->n_ops)
				c->ops[0].delay -= ns;
			else if (c->cur && c->cur->work != NEVER)
				c->cur->work -= ns;
			else if (!c->cur && c->vcpu && c->halt_left != NEVER)
				c->halt_left -= ns;
		}
	}
}

static int64_t next_instant(const struct world *w)
{
	int64_t next = timers_next(w), at = truth_next(w);

	if (at < next)
		next = at;
	if (w->end < next)
		next = w->end;
	if (w->start > w->now && w->start < next)
		next = w->start;
	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_cpus; i++) {
			const struct wcpu *c = &w->m[m].cpus[i];
			int64_t left = left_on(c);

			if (left != NEVER && w->now + left < next)
				next = w->now + left;
			if (c->steal_at < next && c->steal_at > w->now)
				next = c->steal_at;
			if (c->steal_end < next)
				next = c->steal_end;
			if (c->suspend_at < next)
				next = c->suspend_at;
			if (c->throttle_at < next)
				next = c->throttle_at;
			if (c->throttle_end < next)
				next = c->throttle_end;
		}
	}
	return next < w->now ? w->now : next;
}

static void run(struct world *w)
{
	bool enforcing = false;
	int stuck = 0;

	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++) {
			struct wcpu *cpu = &w->m[m].cpus[c];

			push_op(cpu, (struct op){.kind = OP_OTHER, .delay = 100}, false);
			resched(cpu);
		}
	while (!w->broken_story[0]) {
		int64_t next;

		truth_grid(w);
		if (w->enforcer && !enforcing && w->now >= w->start) {
			enforcing = true;
			wake_by_irq(&w->m[0].cpus[w->enforcer->cpu], w->enforcer, 10 * US);
		}
		if (w->now >= w->end || guest_is_silent(w))
			break;
		if (do_what_is_due(w)) {
			if (++stuck > STUCK)
				snprintf(w->broken_story, sizeof(w->broken_story),
					"time stands still");
			continue;
		}
		next = next_instant(w);
		if (next > w->now)
			stuck = 0;
		else if (++stuck > STUCK)
			snprintf(w->broken_story, sizeof(w->broken_story),
				"time stands still at an instant");
		truth_advance(w, next);
		advance_cpus(w, next - w->now);
		w->now = next;
	}
}

/* Jobs are cleared when they are opened: most of this room is never touched, and a world is made
 * often. */
static void give_room(struct world *w)
{
	static struct sim_job pending[SIM_TASKS][SIM_PENDING];
	static int64_t gap_ns[SIM_TASKS][SIM_PENDING][2];

	for (int i = 0; i < SIM_TASKS; i++) {
		w->tasks[i].pending = pending[i];
		w->tasks[i].gap_ns = gap_ns[i];
		memset(&pending[i][0], 0, sizeof(pending[i][0]));
		memset(&gap_ns[i][0], 0, sizeof(gap_ns[i][0]));
	}
}

struct sim_result *sim_run(const struct sim_case *c)
{
	struct sim_result *r = calloc(1, sizeof(*r));
	struct world *w = calloc(1, sizeof(*w));

	if (!r || !w)
		abort();
	r->c = *c;
	w->r = r;
	give_room(w);
	w->rand = c->seed * UINT64_C(0x2545f4914f6cdd1d) + 12345;
	w->kernel_rand = c->seed ^ UINT64_C(0x3c6ef372fe94f82b);
	w->late_rand = c->seed ^ UINT64_C(0x9b05688c2b3e6c1f);
	w->clock_rand = c->seed ^ UINT64_C(0x1f83d9abfb41bd6b);
	w->set_rand = c->seed ^ UINT64_C(0x5be0cd19137e2179);
	w->now = BEGIN_NS;
	w->start = BEGIN_NS + (has(w, SIM_LATE_START) ? between(w, MS, c->duration_ns / 3) : 0);
	w->end = BEGIN_NS + c->duration_ns;
	r->truth.start_ns = w->start;
	r->truth.end_ns = w->end;
	add_everything(w);
	choose_losses(w);
	run(w);
	w->end = r->truth.end_ns = w->now;
	truth_finish(w);
	emit_finish(w);
	if (w->broken_story[0]) {
		fprintf(stderr, "simulator, seed %llu: %s\n", (unsigned long long)c->seed,
			w->broken_story);
		abort();
	}
	free(w);
	return r;
}

void sim_free(struct sim_result *r)
{
	free(r->events);
	free(r->truth.jobs);
	free(r->truth.slices);
	free(r->truth.periods);
	free(r->truth.holes);
	free(r->truth.steals);
	free(r->truth.clips);
	free(r);
}

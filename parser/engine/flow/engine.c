/* SPDX-License-Identifier: MIT */
/*
 * The engine from outside: made, fed, finished.
 *
 * flow/events.c says what an event means, flow/cpus.c who is on a CPU, flow/run.c who runs
 * how long; jobs, server periods and blame hang on the changes seen there.
 */
#include "flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Times beyond this, 73 years, are none: sums of them could overflow. */
#define TIME_MAX_NS (UINT64_C(1) << 61)

static bool are_times(int64_t a, int64_t b)
{
	return (((uint64_t)a + TIME_MAX_NS) | ((uint64_t)b + TIME_MAX_NS)) < 2 * TIME_MAX_NS;
}

/* Is the record at @local_ns so much earlier than the CPU's last one that no clock's error explains
 * it? What lies between them is not known then. */
static bool ran_back(const struct cpu *cpu, int64_t local_ns)
{
	/* nothing is before VMRT_UNKNOWN, and no difference of times overflows */
	return local_ns < cpu->last_local_ns && cpu->last_local_ns - local_ns > CONTRADICTION_NS;
}

static void set_error(struct machine *m, int64_t error_ns)
{
	m->last_error_ns = error_ns;
	m->error_known = error_ns != VMRT_UNKNOWN;
	m->error_ns = m->error_known ? error_ns : 0;
}

/* An event of @m at @host_ns: did nothing come before it for long, and nothing is lost? */
static void note_silence(struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	if (host_ns - m->stats.last_ns <= SILENCE_NS)
		return;
	m->silence_from_ns = ev->lost ? VMRT_UNKNOWN : m->stats.last_ns;
	m->silence_to_ns = host_ns;
}

/* The first event, at @host_ns: time begins, at the latest now. */
static void begin_time(struct vmrt_engine *e, int64_t host_ns)
{
	if (e->start_ns == VMRT_UNKNOWN || e->start_ns > host_ns)
		e->start_ns = host_ns;
	e->now_ns = e->start_ns;
	for (size_t i = 0; i < e->config->n_machines; i++)
		e->machines[i].settled_ns = e->start_ns;
	servers_begin(e, e->start_ns);
}

/* What the event means for the threads, timers and servers of its machine. */
static inline void dispatch(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	switch (ev->type) {
	case VMRT_EV_SWITCH:
		event_switch(m, ev, now);
		break;
	case VMRT_EV_WAKEUP_NEW:
		event_birth(m, ev->wake.pid, ev->wake.comm, now);
		/* fall through */
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
		event_waking(m, ev, now);
		break;
	case VMRT_EV_MIGRATE:
		event_migrate(m, ev, now);
		break;
	case VMRT_EV_EXIT:
		event_exit(m, ev, now);
		break;
	case VMRT_EV_TIMER_SETUP:
		release_timer_setup(m, ev);
		break;
	case VMRT_EV_FORK:
		m->engine->out_of_memory |= !matching_fork(
			&m->matching, ev->process.pid, ev->process.other_pid, ev->process.comm);
		break;
	case VMRT_EV_EXEC:
		matching_exec(&m->matching, ev->process.pid);
		break;
	case VMRT_EV_WHEEL_START:
		release_wheel_start(m, ev, now.host_ns);
		break;
	case VMRT_EV_WHEEL_EXPIRE:
		release_wheel_expire(m, ev, now.host_ns);
		break;
	case VMRT_EV_PI:
		event_pi(m, ev, now);
		break;
	case VMRT_EV_TIMER_START:
		m->starts_seen = true;
		event_timer_start(m, ev, now);
		break;
	case VMRT_EV_TIMER_CANCEL:
		event_timer_cancel(m, ev, now);
		break;
	case VMRT_EV_TIMER_EXPIRE:
		m->expiries_seen = true;
		event_timer_expire(m, ev, now);
		break;
	case VMRT_EV_IRQ_ENTER:
	case VMRT_EV_IRQ_LEAVE:
		event_irq(m, ev, now);
		break;
	case VMRT_EV_MARK:
		event_mark(m, ev, now);
		break;
	default:
		break;
	}
}

enum vmrt_status vmrt_engine_push(struct vmrt_engine *e, uint32_t machine,
	const struct vmrt_event *ev, int64_t host_ns, int64_t error_ns)
{
	struct machine *m = &e->machines[machine];
	struct instant now;
	struct cpu *cpu;

	if (!are_times(host_ns, ev->ts)) {
		m->stats.out_of_order++;
		return VMRT_OK;
	}
	if (!cpus_have(m, ev->cpu))
		return VMRT_ENOMEM;
	cpu = &m->cpus[ev->cpu];
	e->n_events++;
	if (e->now_ns == VMRT_UNKNOWN)
		begin_time(e, host_ns);
	if (host_ns < e->now_ns) {
		m->stats.out_of_order++;
		host_ns = e->now_ns;
	}
	e->now_ns = host_ns;
	now.host_ns = host_ns;
	now.local_ns = ev->ts;
	if (error_ns != m->last_error_ns)
		set_error(m, error_ns);
	if (!m->stats.events++)
		m->stats.first_ns = host_ns;
	else
		note_silence(m, ev, host_ns);
	m->stats.last_ns = host_ns;
	m->silent_ns = 0;
	if (ran_back(cpu, ev->ts))
		machine_lost(m, host_ns);
	if (ev->lost)
		cpus_lost(m, ev, now);
	if (m->index)
		run_judge_event(m, ev->cpu, host_ns, error_ns);
	cpus_check_chain(m, cpu, ev, now);
	dispatch(m, ev, now);
	cpu->last_ns = host_ns;
	cpu->last_local_ns = ev->ts;
	if (ev->type != VMRT_EV_TIMER_CANCEL || interrupt_level(ev->flags))
		cpu->sure_ns = host_ns;
	return e->out_of_memory ? VMRT_ENOMEM : VMRT_OK;
}

void vmrt_engine_advance(struct vmrt_engine *e, int64_t host_ns)
{
	if (e->now_ns == VMRT_UNKNOWN)
		return;
	if (host_ns > e->now_ns)
		e->now_ns = host_ns;
	for (size_t i = 0; i < e->n_servers; i++) {
		servers_settle(e, &e->servers[i], e->now_ns);
		periods_release(&e->servers[i], host_ns);
		if (e->servers[i].checker)
			checker_safe(e->servers[i].checker, host_ns);
	}
}

static bool is_unrelated(const struct machine *m)
{
	const struct vmrt_clockmap *map = m->config->clock;

	return map && map->n && map->segments[0].source &&
	       !strcmp(map->segments[0].source, VMRT_CLOCK_UNRELATED);
}

/*
 * Do all vCPUs of @m sleep, although a timer of a task there was due long ago? A VM that goes on
 * has its vCPUs woken for its timers: this one was stopped or has ended.
 */
static bool sleeps_for_good(const struct machine *m, int64_t end_ns)
{
	bool due = false;

	for (unsigned v = 0; v < m->n_vcpus; v++) {
		const struct thread *t = m->vcpus[v];

		if (!t || t->state != THREAD_BLOCKED || t->suspended || t->throttled ||
			t->last_out_ns == VMRT_UNKNOWN || end_ns - t->last_out_ns <= SILENT_MAX_NS)
			return false;
	}
	for (size_t i = 0; i < m->n_jobs && !due; i++)
		due = m->jobs[i]->state == JOB_SLEEPING &&
		      m->jobs[i]->job.arrival_ns != VMRT_UNKNOWN &&
		      m->jobs[i]->job.arrival_ns < end_ns - SILENT_MAX_NS;
	return m->n_vcpus && due;
}

/* Were events of the host lost since the vCPUs of @m fell asleep? Then some may have been woken. */
static bool may_be_awake(const struct machine *m)
{
	const struct machine *host = &m->engine->machines[0];

	for (unsigned v = 0; v < m->n_vcpus; v++)
		if (host->losing || (host->loss_to_ns != VMRT_UNKNOWN &&
					    host->loss_to_ns >= m->vcpus[v]->last_out_ns))
			return true;
	return false;
}

/*
 * Where the recording of @m ends. That is before the recording of the others ends if its CPUs ran
 * for long and recorded nothing, or were not woken for its timers, or if it was broken off; and
 * where that of others ends on its clock is not known if nothing relates the clocks.
 */
static int64_t machine_end(struct machine *m, int64_t end_ns)
{
	int64_t silent = m->silent_ns, ended = m->stats.last_ns;
	bool broken_off = m->n_cpus > 0, asleep;

	if (ended == VMRT_UNKNOWN || ended >= end_ns)
		return end_ns;
	for (unsigned v = 0; v < m->n_vcpus; v++) {
		const struct thread *t = m->vcpus[v];

		if (t && t->state == THREAD_RUNNING)
			silent += end_ns - (t->start_ns > ended ? t->start_ns : ended);
	}
	for (unsigned c = 0; c < m->n_cpus; c++)
		broken_off = broken_off && m->cpus[c].ended;
	if (!m->n_vcpus)
		silent = end_ns - ended;
	asleep = sleeps_for_good(m, end_ns);
	/* neither that it ended nor that its tasks missed their deadlines is certain */
	if (asleep && may_be_awake(m)) {
		machine_lost(m, end_ns);
		asleep = false;
	}
	m->ended_early = broken_off || is_unrelated(m) || silent > SILENT_MAX_NS || asleep;
	return m->ended_early ? ended : end_ns;
}

/* Was @timer, for which its thread sleeps, due in the silence of its machine? */
static bool due_in_silence(const struct machine *m, const struct timer *timer)
{
	const struct jobs *j = timer->ptr && timer->owner ? timer->owner->jobs : NULL;

	return j &&
	       (j->rel.timer.ptr == timer->ptr ||
		       (j->state == JOB_SLEEPING && j->timer == timer->ptr)) &&
	       clocks_of(m, timer->ptr) == CLOCK_IS_MONOTONIC &&
	       timer->expires > m->silence_from_ns &&
	       timer->expires < m->silence_to_ns - SILENT_MAX_NS;
}

/* Is the silence of the host a lie of the times behind it? What came then is little beside it, for
 * else the timers that were due would have expired. */
static bool silence_is_false(const struct machine *m)
{
	if (m->silence_from_ns == VMRT_UNKNOWN ||
		m->stats.last_ns - m->silence_to_ns > (m->silence_to_ns - m->silence_from_ns) / 10)
		return false;
	for (size_t i = 0; m->timers.slots && i <= m->timers.mask; i++)
		if (due_in_silence(m, &m->timers.slots[i]))
			return true;
	return false;
}

enum vmrt_status vmrt_engine_finish(struct vmrt_engine *e, int64_t end_ns)
{
	if (end_ns == VMRT_UNKNOWN || end_ns < e->now_ns)
		end_ns = e->now_ns;
	e->machines[0].silence_is_false = silence_is_false(&e->machines[0]);
	for (size_t i = 0; i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];

		m->stats.outside += m->n_pending;
		m->n_pending = 0;
		for (unsigned c = 0; c < m->n_cpus; c++)
			cpus_close_hole(m, c);
	}
	clip_finish(e, end_ns);
	servers_finish(e, end_ns);
	unmanaged_finish(e);
	for (size_t i = 0; i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];
		int64_t ended = machine_end(m, end_ns);

		for (size_t j = 0; j < m->n_jobs; j++)
			jobs_finish(m->jobs[j], ended);
		for (unsigned c = 0; c < m->n_cpus; c++) {
			struct cpu *cpu = &m->cpus[c];
			struct instant at = {.host_ns = end_ns};

			if (!cpu->known || !cpu->thread || cpu->thread->state != THREAD_RUNNING)
				continue;
			at.local_ns = cpu->last_local_ns + (end_ns - cpu->last_ns);
			run_emit_slice(m, cpu->thread, at, 0, true);
		}
	}
	return e->out_of_memory ? VMRT_ENOMEM : VMRT_OK;
}

static bool init_machine(struct vmrt_engine *e, size_t index)
{
	struct machine *m = &e->machines[index];
	const struct vmrt_experiment *exp = e->config->experiment;

	m->engine = e;
	m->index = (uint32_t)index;
	m->config = &e->config->machines[index];
	m->loss_to_ns = m->silence_from_ns = VMRT_UNKNOWN;
	m->stats.first_ns = m->stats.last_ns = VMRT_UNKNOWN;
	set_error(m, 0);
	m->pending = calloc(PENDING_MAX, sizeof(*m->pending));
	for (size_t i = 0; exp && i < exp->n_tasks; i++)
		m->has_tasks |= !strcmp(exp->tasks[i].machine, m->config->name);
	e->names_wanted |= m->has_tasks;
	if (!matching_init(&m->matching, exp, m->config))
		return false;
	return m->pending && (!m->config->cpus || cpus_have(m, m->config->cpus - 1));
}

/* Does the name of a vCPU thread say that it carries this CPU only? QEMU without MTTCG gives the
 * one thread of all CPUs such a name, too. */
static bool names_its_cpu(const char *comm)
{
	return !strncmp(comm, "CPU ", 4) && !strstr(comm, "/TCG");
}

/* The threads of all VMs are followed from the start, and vCPUs are tied to their guests. */
static bool init_vm(struct vmrt_engine *e, size_t index)
{
	const struct vmrt_engine_vm *vm = &e->config->vms[index];
	struct machine *host = &e->machines[0], *guest = NULL;

	if (vm->machine != VMRT_NONE)
		guest = &e->machines[vm->machine];
	for (size_t i = 0; i < vm->n_threads; i++) {
		const struct vmrt_vm_thread *info = &vm->threads[i];
		struct thread *t = threads_get(host, info->tid, info->comm);
		struct thread_now now;

		if (!t)
			continue;
		t->pub.vm = (uint32_t)index;
		t->pub.role = info->role;
		t->pub.vcpu = info->vcpu;
		t->selected = vm->selected;
		now = change_of(t);
		now.prio = info->policy == SCHED_FIFO || info->policy == SCHED_RR
				   ? FIFO_PRIO(info->priority)
				   : FIRST_FAIR_PRIO + 20;
		change_thread(host, t, VMRT_UNKNOWN, &now);
		/* whether it is a task, too, is known when it runs */
		if (!t->selected)
			threads_announce(host, t);
		if (!guest || info->role != VMRT_ROLE_VCPU || info->vcpu < 0 ||
			info->vcpu > UINT16_MAX)
			continue;
		if ((unsigned)info->vcpu >= guest->n_vcpus) {
			unsigned n = (unsigned)info->vcpu + 1;
			struct thread **more = realloc(guest->vcpus, n * sizeof(*more));

			if (!more)
				return false;
			memset(more + guest->n_vcpus, 0, (n - guest->n_vcpus) * sizeof(*more));
			guest->vcpus = more;
			guest->n_vcpus = n;
			more = realloc(guest->seen, n * sizeof(*more));
			if (!more)
				return false;
			guest->seen = more;
		}
		guest->vcpus[info->vcpu] = t;
		guest->vcpus_are_single |= names_its_cpu(info->comm);
		t->guest = guest;
	}
	return !e->out_of_memory;
}

static const struct accounts accounts = {
	.jobs = blame_settle_jobs,
	.servers_of = servers_settle_of,
	.servers_at = servers_waiters,
	.servers = servers_settle_all,
	.seen = servers_seen,
};

enum vmrt_status vmrt_engine_new(const struct vmrt_engine_config *config,
	const struct vmrt_sink *sink, struct vmrt_engine **out, struct vmrt_error *err)
{
	struct vmrt_engine *e;
	size_t n_tasks = config->experiment ? config->experiment->n_tasks : 0;
	bool ok = true;

	if (!config->n_machines)
		return vmrt_fail(err, VMRT_EINVAL, "engine: no machine");
	e = calloc(1, sizeof(*e));
	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory");
	e->accounts = &accounts;
	e->config = config;
	e->sink = *sink;
	e->start_ns = config->start_ns;
	e->now_ns = VMRT_UNKNOWN;
	e->machines = calloc(config->n_machines, sizeof(*e->machines));
	e->next_k = calloc(n_tasks ? n_tasks : 1, sizeof(*e->next_k));
	e->found = calloc(n_tasks ? n_tasks : 1, sizeof(*e->found));
	ok = e->machines && e->next_k && e->found;
	for (size_t i = 0; ok && i < config->n_machines; i++)
		ok = init_machine(e, i);
	for (size_t i = 0; ok && i < config->n_vms; i++)
		ok = init_vm(e, i);
	ok = ok && servers_init(e, err);
	e->waiters = e->n_servers || config->n_machines > 1;
	if (!ok) {
		vmrt_engine_free(e);
		return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory");
	}
	*out = e;
	return VMRT_OK;
}

void vmrt_engine_stats(
	const struct vmrt_engine *e, uint32_t machine, struct vmrt_machine_stats *out)
{
	*out = e->machines[machine].stats;
}

struct vmrt_cpu_loss vmrt_engine_cpu_loss(
	const struct vmrt_engine *e, uint32_t machine, unsigned cpu)
{
	const struct machine *m = &e->machines[machine];

	return cpu < m->n_cpus ? m->cpus[cpu].loss : (struct vmrt_cpu_loss){0};
}

int64_t vmrt_engine_cpu_last(const struct vmrt_engine *e, uint32_t machine, unsigned cpu)
{
	const struct machine *m = &e->machines[machine];

	return cpu < m->n_cpus ? m->cpus[cpu].last_ns : VMRT_UNKNOWN;
}

bool vmrt_engine_cpu_is_stuck(
	const struct vmrt_engine *e, uint32_t machine, unsigned cpu, int64_t *from_ns)
{
	const struct machine *m = &e->machines[machine];
	const struct cpu *c = cpu < m->n_cpus ? &m->cpus[cpu] : NULL;

	/* a guest's CPU may have waited for its vCPU thread */
	if (m->n_vcpus || !c || c->ended || !c->known || c->pid != 0 ||
		c->last_ns == VMRT_UNKNOWN || m->stats.last_ns - c->last_ns <= SILENT_MAX_NS)
		return false;
	*from_ns = c->last_ns;
	for (size_t i = 0; i < m->n_jobs; i++)
		if (m->jobs[i]->thread->cpu == cpu && m->jobs[i]->thread->state == THREAD_READY)
			return true;
	return false;
}

bool vmrt_engine_silence_is_false(const struct vmrt_engine *e, int64_t *from_ns)
{
	*from_ns = e->machines[0].silence_from_ns;
	return e->machines[0].silence_is_false;
}

bool vmrt_engine_task_seen(const struct vmrt_engine *e, uint32_t task)
{
	return e->found[task].seen;
}

size_t vmrt_engine_server_members(const struct vmrt_engine *e, size_t index)
{
	return e->servers[index].n_members;
}

void vmrt_engine_free(struct vmrt_engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; e->machines && i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];

		for (size_t j = 0; j < m->n_jobs; j++) {
			blame_free(m->jobs[j]);
			release_free(m->jobs[j]);
			free(m->jobs[j]);
		}
		free(m->jobs);
		free(m->vcpus);
		free(m->seen);
		free(m->cpus);
		free(m->pending);
		timers_free(&m->timers);
		clocks_free(m);
		threads_free(m);
		matching_free(&m->matching);
	}
	servers_free(e);
	unmanaged_free(e);
	namesakes_free(&e->namesakes);
	free(e->machines);
	free(e->next_k);
	free(e->found);
	free(e);
}

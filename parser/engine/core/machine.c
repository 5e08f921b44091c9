/* SPDX-License-Identifier: MIT */
/* Answers what other rooms ask about a machine: its clock, its vCPU threads, how long its CPUs
 * ran, its losses. */
#include "core.h"

/* Rows that no event stands for, as of releases that nobody served: so many, and so many for each
 * event. One impossible time stamp, or a period of nanoseconds, cannot make millions. */
#define ROWS_FREE 4096
#define ROWS_PER_EVENT 4

/* Arrivals of jobs that queue behind an open one, each a step of the accounts: a stopped VM has
 * some ten thousands in a minute, a period of nanoseconds would have that many for each job. */
#define ARRIVALS_FREE 262144
#define ARRIVALS_PER_EVENT 16

int64_t engine_most_rows(const struct vmrt_engine *e)
{
	return ROWS_FREE + e->n_events * ROWS_PER_EVENT;
}

/* May another such row be made? It is then counted. */
bool engine_may_add(struct vmrt_engine *e)
{
	if (e->n_added >= engine_most_rows(e))
		return false;
	e->n_added++;
	return true;
}

/* May another arrival be remembered that no event stands for? It is then counted. */
bool engine_may_remember(struct vmrt_engine *e)
{
	if (e->n_remembered >= ARRIVALS_FREE + e->n_events * ARRIVALS_PER_EVENT)
		return false;
	e->n_remembered++;
	return true;
}

int64_t to_host(struct machine *m, int64_t local_ns)
{
	return m->config->clock ? vmrt_clockmap_to_host(m->config->clock, local_ns, &m->clock_hint)
				: local_ns;
}

/* The thread that carries a guest CPU; one thread may carry them all (QEMU without MTTCG). */
struct thread *vcpu_of(const struct machine *m, unsigned cpu)
{
	if (m->n_vcpus == 1 && !m->vcpus_are_single)
		return m->vcpus[0];
	return cpu < m->n_vcpus ? m->vcpus[cpu] : NULL;
}

void cpus_emit_loss(struct machine *m, unsigned cpu, int64_t from, int64_t to, uint64_t events,
	enum vmrt_loss_kind kind)
{
	struct vmrt_loss loss = {
		.machine = m->index,
		.cpu = (uint16_t)cpu,
		.from_ns = from,
		.to_ns = to,
		.events = events,
		.kind = kind,
	};

	if (m->engine->sink.loss)
		m->engine->sink.loss(m->engine->sink.ctx, &loss);
}

/* For how long CPU @index has run up to now: of a guest's CPU, for how long its vCPU thread has. */
int64_t cpus_ran(const struct machine *m, unsigned index, int64_t host_ns)
{
	const struct thread *v = m->index ? vcpu_of(m, index) : NULL;

	if (!v)
		return host_ns;
	return v->ran_ns +
	       (v->state == THREAD_RUNNING && host_ns > v->start_ns ? host_ns - v->start_ns : 0);
}

/* What @t does from @host_ns on is not known. */
void cpus_lose_track(struct machine *m, struct thread *t, int64_t host_ns)
{
	struct thread_now lost = change_of(t);

	lost.state = THREAD_UNKNOWN;
	change_thread(m, t, host_ns, &lost);
}

/* SPDX-License-Identifier: MIT */
/* Finds vCPU threads with a real-time priority that wait for an ordinary thread. */
#include "server.h"

/* Does an ordinary thread have the CPU? What an enforcer has done to it shows in its markers before
 * its next switch. */
bool gap_is_ordinary(const struct cpu *cpu)
{
	return cpu->thread && cpu->thread->server ? !servers_real_time(cpu->thread)
						  : cpu->prio >= FIRST_FAIR_PRIO;
}

/* Does a vCPU thread wait at a real-time priority, and an ordinary thread has its CPU? */
bool gap_open(const struct vmrt_engine *e, const struct thread *v)
{
	const struct machine *host = &e->machines[0];
	const struct cpu *cpu = v->cpu < host->n_cpus ? &host->cpus[v->cpu] : NULL;

	if (v->state != THREAD_READY || !servers_real_time(v) || !cpu || !cpu->known ||
		cpu->pid == 0)
		return false;
	return gap_is_ordinary(cpu);
}

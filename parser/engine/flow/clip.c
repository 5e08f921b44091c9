/* SPDX-License-Identifier: MIT */
/*
 * CPUs whose recording begins later or ends earlier than that of the others: a ring buffer that
 * wrapped before it was read, a file that was cut off, pages that make no sense.
 */
#include "flow.h"

/* Nothing is known of @cpu from @from to @to: jobs and periods that this touches are not judged. */
static void make_unsure(struct machine *m, int64_t from, int64_t to)
{
	machine_lost(m, to);
	if (m->index)
		return;
	servers_lost(m->engine, from, to);
	servers_unsure(m->engine, from, to);
}

void vmrt_engine_clip(
	struct vmrt_engine *e, uint32_t machine, unsigned index, int64_t from_ns, int64_t to_ns)
{
	struct machine *m = &e->machines[machine];
	struct cpu *cpu = index < m->n_cpus ? &m->cpus[index] : NULL;

	if (from_ns == VMRT_UNKNOWN)
		from_ns = cpu && to_ns == VMRT_UNKNOWN && cpu->last_ns != VMRT_UNKNOWN
				  ? cpu->last_ns
				  : e->start_ns;
	if (to_ns != VMRT_UNKNOWN) {
		cpus_emit_loss(m, index, from_ns, to_ns, 0, VMRT_LOSS_CLIPPED);
		make_unsure(m, from_ns, to_ns);
		return;
	}
	if (!cpu || cpu->ended)
		return;
	cpus_forget(m, index, from_ns);
	cpu->ended = true;
	cpu->ended_ns = from_ns;
	make_unsure(m, from_ns, INT64_MAX);
}

void vmrt_engine_losing(struct vmrt_engine *e, uint32_t machine, unsigned index)
{
	struct machine *m = &e->machines[machine];

	if (!cpus_have(m, index) || m->cpus[index].ended)
		return;
	cpus_losing(m, index, e->now_ns, true);
	/* what was seen last goes on for nobody knows how long */
	if (m->cpus[index].known)
		cpus_forget(m, index, e->now_ns);
}

void clip_finish(struct vmrt_engine *e, int64_t end_ns)
{
	for (size_t i = 0; i < e->config->n_machines; i++)
		for (unsigned c = 0; c < e->machines[i].n_cpus; c++)
			if (e->machines[i].cpus[c].ended)
				cpus_emit_loss(&e->machines[i], c, e->machines[i].cpus[c].ended_ns,
					end_ns, 0, VMRT_LOSS_CLIPPED);
}

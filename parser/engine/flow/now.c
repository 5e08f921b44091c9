/* SPDX-License-Identifier: MIT */
/* Describes the state of the engine at this moment, for live views. */
#include "flow.h"

#include <string.h>

void vmrt_engine_server_now(const struct vmrt_engine *e, size_t index, struct vmrt_server_now *out)
{
	const struct server *s = &e->servers[index];
	/* behind the end of the recording, the last period is still the current one */
	bool current = s->n_periods && (s->active || e->now_ns < s->now.end_ns);

	memset(out, 0, sizeof(*out));
	out->server = &s->pub;
	out->absent = !s->n_members;
	out->stopped = s->pub.enforced && !current;
	out->period_start_ns = out->consumed_ns = out->background_ns = VMRT_UNKNOWN;
	out->depleted_ns = VMRT_UNKNOWN;
	if (current && s->n_members) {
		out->period_start_ns = s->now.start_ns;
		out->consumed_ns = s->now.consumed_ns;
		out->background_ns = s->now.background_ns;
		out->depleted_ns = s->now.depleted_ns;
	}
	out->depleted = servers_depleted(s);
	for (size_t i = 0; i < s->n_members; i++) {
		out->running |= s->members[i]->state == THREAD_RUNNING;
		out->waiting |= s->members[i]->state == THREAD_READY;
	}
}

bool vmrt_engine_thread_now(
	const struct vmrt_engine *e, uint32_t machine, int32_t tid, struct vmrt_thread_now *out)
{
	const struct thread *t;

	if (machine >= e->config->n_machines)
		return false;
	t = threads_find(&e->machines[machine], tid);
	if (!t || t->state == THREAD_DEAD)
		return false;
	*out = (struct vmrt_thread_now){.cpu = t->cpu, .prio = t->prio, .since_ns = VMRT_UNKNOWN};
	out->running = t->state == THREAD_RUNNING;
	out->ready = t->state == THREAD_READY;
	if (out->running)
		out->since_ns = t->start_ns;
	else if (out->ready)
		out->since_ns = t->ready_ns;
	return true;
}

size_t vmrt_engine_supply_now(
	const struct vmrt_engine *e, size_t index, struct vmrt_supply_point *out, size_t room)
{
	const struct supply_curve *curve = index < e->n_servers ? e->servers[index].curve : NULL;

	return curve ? curve_points(curve, e->servers[index].pub.id, out, room) : 0;
}

bool vmrt_engine_unmanaged_now(struct vmrt_engine *e, size_t vm, struct vmrt_unmanaged *out)
{
	return unmanaged_row(e, vm, out);
}

bool vmrt_engine_task_open(const struct vmrt_engine *e, uint32_t task, int64_t *deadline_ns)
{
	for (size_t i = 0; i < e->config->n_machines; i++) {
		const struct machine *m = &e->machines[i];

		for (size_t k = 0; k < m->n_jobs; k++) {
			if (m->jobs[k]->task != task || !jobs_pending(m->jobs[k], e->now_ns))
				continue;
			*deadline_ns = m->jobs[k]->job.deadline_ns;
			if (*deadline_ns == VMRT_UNKNOWN)
				*deadline_ns = INT64_MAX;
			return true;
		}
	}
	return false;
}

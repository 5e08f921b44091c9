/* SPDX-License-Identifier: MIT */
/* Keeps the counts when VMs come and go: the engine is then replaced, and the new model continues
 * with the old counts. */
#include <stdlib.h>
#include <string.h>

#include "model-local.h"

#define THREADS_KEPT (THREADS_MAX / 2) /* with more threads than this the timeline begins anew */

void top_model_rest(struct top_model *m, struct vmrt_engine *engine)
{
	for (size_t i = 0; i < m->n_machines; i++) {
		struct vmrt_machine_stats stats;

		vmrt_engine_stats(engine, (uint32_t)i, &stats);
		machine_stats_less(&m->machines[i].base, &stats);
	}
	m->config = NULL;
}

/* ---- who is who ---- */

static uint32_t task_now(const struct top_model *m, const struct top_model *old, uint32_t task)
{
	for (size_t i = 0; task < old->n_tasks && i < m->n_tasks; i++)
		if (!strcmp(m->tasks[i].label, old->tasks[task].label))
			return (uint32_t)i;
	return VMRT_NONE;
}

static uint32_t machine_now(
	const struct top_model *m, const struct top_model *old, uint32_t machine)
{
	for (size_t i = 0; machine < old->n_machines && i < m->n_machines; i++)
		if (!strcmp(m->machines[i].name, old->machines[machine].name))
			return (uint32_t)i;
	return VMRT_NONE;
}

static uint32_t vm_now(const struct top_model *m, const struct top_model *old, uint32_t vm)
{
	for (size_t i = 0; vm < old->n_vms && i < m->n_vms; i++)
		if (!strcmp(m->vm_names[i], old->vm_names[vm]))
			return (uint32_t)i;
	return VMRT_NONE;
}

/* ---- what goes on ---- */

static void take_server(struct server_model *s, struct server_model *old, uint32_t index)
{
	const struct server_model fresh = *s;
	uint64_t kept = old->n_recent < TOP_RECENT_PERIODS ? old->n_recent : TOP_RECENT_PERIODS;

	*s = *old;
	memset(&old->facts.overshoots, 0, sizeof(old->facts.overshoots));
	memcpy(s->name, fresh.name, sizeof(s->name));
	for (size_t i = 0; i < kept; i++)
		s->recent[i].server = index;
	if (s->n_recent)
		s->k_base = s->recent[(s->n_recent - 1) % TOP_RECENT_PERIODS].k + 1;
	/* between the last period and the next one nothing is known, so the sliding window begins
	 * anew */
	s->n = s->first = 0;
	s->supply_unknown = false;
	s->end_ns = VMRT_UNKNOWN;
}

static void take_task(struct task_model *t, struct task_model *old, uint32_t index)
{
	const struct vmrt_task_facts fresh = t->facts;

	*t = *old;
	old->responses = (struct top_responses){0};
	t->facts.id = fresh.id;
	t->facts.label = t->label;
	t->facts.name = t->label + strlen(t->label) - strlen(fresh.name);
	t->facts.period_ns = fresh.period_ns;
	t->facts.wcet_ns = fresh.wcet_ns;
	t->facts.deadline_ns = fresh.deadline_ns;
	t->facts.priority = fresh.priority;
	for (size_t i = 0; i < TOP_RECENT_JOBS; i++)
		t->recent[i].task = index;
	if (t->past_k != VMRT_UNKNOWN)
		t->k_base = t->past_k + 1;
	/* jobs between the last one and the next one may be missing, so they are not compared */
	t->past_k = t->past_end = t->past_start = VMRT_UNKNOWN;
	t->past_run = 0;
}

static void take_machines(struct top_model *m, const struct top_model *old)
{
	m->gone = old->gone;
	for (uint32_t i = 0; i < old->n_machines; i++) {
		uint32_t now = machine_now(m, old, i);

		if (now == VMRT_NONE)
			/* base holds earlier counts as negative numbers, so subtracting it adds
			 * them */
			machine_stats_less(&m->gone, &old->machines[i].base);
		else
			m->machines[now] = old->machines[i];
	}
}

static void take_threads(struct top_model *m, struct top_model *old)
{
	m->threads = old->threads;
	m->n_threads = old->n_threads;
	m->threads_room = old->threads_room;
	m->first_thread = (uint32_t)old->n_threads;
	old->threads = NULL;
	for (size_t i = 0; i < m->n_threads; i++) {
		struct top_thread *t = &m->threads[i];

		t->machine = machine_now(m, old, t->machine);
		t->vm = vm_now(m, old, t->vm);
		t->task = task_now(m, old, t->task);
	}
	free(m->slices);
	m->slices = old->slices;
	m->n_slices = old->n_slices;
	old->slices = NULL;
}

/* Returns the number of the oldest entry in a ring that has received @n entries. */
static uint64_t first_of(uint64_t n, uint64_t room)
{
	return n > room ? n - room : 0;
}

static void take_marks(struct top_model *m, const struct top_model *old)
{
	for (uint64_t i = first_of(old->n_marks, TOP_MARKS_MAX); i < old->n_marks; i++) {
		struct top_mark mark = old->marks[i % TOP_MARKS_MAX];

		mark.task = task_now(m, old, mark.task);
		if (mark.task != VMRT_NONE)
			m->marks[m->n_marks++ % TOP_MARKS_MAX] = mark;
	}
}

static void take_misses(struct top_model *m, const struct top_model *old, bool with_threads)
{
	for (uint64_t i = first_of(old->n_misses, TOP_MISSES_MAX); i < old->n_misses; i++) {
		struct top_miss miss = old->misses[i % TOP_MISSES_MAX];

		miss.job.task = task_now(m, old, miss.job.task);
		if (!with_threads)
			miss.n_blamed = 0;
		if (miss.job.task != VMRT_NONE)
			m->misses[m->n_misses++ % TOP_MISSES_MAX] = miss;
	}
	m->all_misses = old->all_misses;
	m->seen_misses = old->seen_misses;
}

void top_model_take_over(struct top_model *m, struct top_model *old)
{
	bool with_threads = old->n_threads <= THREADS_KEPT;

	take_machines(m, old);
	if (with_threads)
		take_threads(m, old);
	take_marks(m, old);
	take_misses(m, old, with_threads);
	for (uint32_t i = 0; i < old->n_tasks; i++) {
		uint32_t now = task_now(m, old, i);

		if (now != VMRT_NONE)
			take_task(&m->tasks[now], &old->tasks[i], now);
	}
	for (size_t i = 0; i < old->n_servers; i++)
		for (size_t k = 0; k < m->n_servers; k++)
			if (!strcmp(m->servers[k].name, old->servers[i].name))
				take_server(&m->servers[k], &old->servers[i], (uint32_t)k);
	m->since_ns = old->since_ns;
	m->steal_ns = old->steal_ns;
	m->lost_at_least = old->lost_at_least;
}

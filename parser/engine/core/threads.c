/* SPDX-License-Identifier: MIT */
/* The threads the engine follows, by machine and thread id. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define PID_LIMIT (1 << 23)		   /* above the kernel's largest pid_max, 2^22 */
#define BURY_EXITS 4096			   /* so many exits are worth a look at all threads */
#define BURY_AFTER_NS (10 * VMRT_NS_PER_S) /* records that came late have come by then */

bool comm_is(const char *comm, const char *name)
{
	return comm && comm[0] == name[0] && strncmp(comm, name, VMRT_COMM_MAX) == 0;
}

static struct thread **slot_of(struct machine *m, int32_t tid)
{
	size_t leaf = (size_t)tid / PID_LEAF;

	if (tid <= 0 || tid >= PID_LIMIT)
		return NULL;
	if (leaf >= m->n_leaves) {
		size_t n = leaf + 1;
		struct thread ***more = realloc(m->pids, n * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + m->n_leaves, 0, (n - m->n_leaves) * sizeof(*more));
		m->pids = more;
		m->n_leaves = n;
	}
	if (!m->pids[leaf])
		m->pids[leaf] = calloc(PID_LEAF, sizeof(struct thread *));
	return m->pids[leaf] ? &m->pids[leaf][tid % PID_LEAF] : NULL;
}

/* From now on all records with this number are of another thread. */
void threads_forget(struct thread *t)
{
	t->announced = false;
	t->pub.id = VMRT_NONE;
	t->pub.task = VMRT_NONE;
}

void threads_name(struct thread *t, const char *comm)
{
	if (!comm)
		return;
	memset(t->pub.comm, 0, sizeof(t->pub.comm));
	strncpy(t->pub.comm, comm, sizeof(t->pub.comm) - 1);
}

struct thread *threads_get(struct machine *m, int32_t tid, const char *comm)
{
	struct thread **slot, *t = threads_find(m, tid);

	if (t) {
		if (!t->pub.comm[0])
			threads_name(t, comm);
		return t;
	}
	slot = slot_of(m, tid);
	t = slot ? calloc(1, sizeof(*t)) : NULL;
	if (!t) {
		/* the idle task and impossible ids are no threads; all else is a lack of memory */
		if (tid > 0 && tid < PID_LIMIT)
			m->engine->out_of_memory = true;
		return NULL;
	}
	t->pub.id = VMRT_NONE;
	t->pub.machine = m->index;
	t->pub.tid = tid;
	t->pub.vm = VMRT_NONE;
	t->pub.vcpu = -1;
	t->pub.task = VMRT_NONE;
	t->woken_ns = t->ready_ns = t->last_out_ns = t->left_begun_ns = VMRT_UNKNOWN;
	t->armed_local_ns = t->fired_local_ns = t->fired_ns = VMRT_UNKNOWN;
	threads_name(t, comm);
	*slot = t;
	return t;
}

void threads_announce(struct machine *m, struct thread *t)
{
	struct vmrt_engine *e = m->engine;

	if (t->announced)
		return;
	t->announced = true;
	t->pub.id = e->next_thread++;
	e->out_of_memory |= !namesakes_add(&e->namesakes, &t->pub);
	if (e->sink.thread)
		e->sink.thread(e->sink.ctx, &t->pub);
}

static void free_thread(struct thread *t)
{
	if (t)
		free(t->also);
	free(t);
}

static bool is_on_a_cpu(const struct machine *m, const struct thread *t)
{
	for (unsigned i = 0; i < m->n_cpus; i++) {
		if (m->cpus[i].thread == t)
			return true;
		for (int level = 0; level < LEVELS; level++)
			if (m->cpus[i].fired[level].owner == t)
				return true;
	}
	return false;
}

static bool is_dead(const struct machine *m, const struct thread *t, int64_t host_ns)
{
	return t->exited && t->state == THREAD_DEAD && host_ns - t->exited_ns > BURY_AFTER_NS &&
	       t->pub.vm == VMRT_NONE && !t->selected && !t->server && !t->guest && !t->jobs &&
	       !is_on_a_cpu(m, t);
}

void threads_exited(struct machine *m, int64_t host_ns)
{
	if (++m->exits < BURY_EXITS)
		return;
	m->exits = 0;
	for (size_t leaf = 0; leaf < m->n_leaves; leaf++) {
		struct thread **threads = m->pids[leaf];
		bool any = false;

		for (size_t i = 0; threads && i < PID_LEAF; i++) {
			if (threads[i] && is_dead(m, threads[i], host_ns)) {
				timers_forget(m, threads[i]);
				free_thread(threads[i]);
				threads[i] = NULL;
			}
			any |= threads[i] != NULL;
		}
		if (!any) {
			free(threads);
			m->pids[leaf] = NULL;
		}
	}
}

void threads_free(struct machine *m)
{
	for (size_t leaf = 0; leaf < m->n_leaves; leaf++) {
		for (size_t i = 0; m->pids[leaf] && i < PID_LEAF; i++)
			free_thread(m->pids[leaf][i]);
		free(m->pids[leaf]);
	}
	free(m->pids);
}

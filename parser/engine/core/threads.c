/* SPDX-License-Identifier: MIT */
/* The threads the engine follows, by machine and thread id. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define PID_LIMIT (1 << 23) /* above the kernel's largest pid_max, 2^22 */

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
	t->woken_ns = t->ready_ns = t->last_out_ns = VMRT_UNKNOWN;
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

void threads_free(struct machine *m)
{
	for (size_t leaf = 0; leaf < m->n_leaves; leaf++) {
		for (size_t i = 0; m->pids[leaf] && i < PID_LEAF; i++)
			free_thread(m->pids[leaf][i]);
		free(m->pids[leaf]);
	}
	free(m->pids);
}

/* SPDX-License-Identifier: MIT */
/*
 * Reads a whole recording for the names of its threads only. This is needed where the names must
 * be known before the events: for the threads of a pattern, and for names that are similar to one
 * that never occurs.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256
#define MAX_NAMES (1u << 20) /* names beyond are not kept */

/* A hash table of (tid, name), kept in order of appearance in list[]. */
struct collector {
	struct thread_names names;
	const struct names_watch *watch;
	size_t room;
	uint32_t *slots; /* index into list + 1; 0: free */
	size_t mask;
};

static size_t hash(int32_t tid, const char *comm)
{
	uint32_t h = (uint32_t)tid * UINT32_C(2654435761);

	for (size_t i = 0; i < VMRT_COMM_MAX - 1 && comm[i]; i++)
		h = (h ^ (unsigned char)comm[i]) * UINT32_C(16777619);
	return h ^ h >> 15;
}

static bool grow(struct collector *c)
{
	size_t room = c->room ? 2 * c->room : FIRST_ROOM;
	struct thread_name *list = realloc(c->names.list, room * sizeof(*list));
	uint32_t *slots = calloc(2 * room, sizeof(*slots));

	if (list)
		c->names.list = list;
	if (!list || !slots) {
		free(slots);
		return false;
	}
	free(c->slots);
	c->slots = slots;
	c->room = room;
	c->mask = 2 * room - 1;
	for (size_t k = 0; k < c->names.n; k++) {
		size_t i = hash(list[k].tid, list[k].comm) & c->mask;

		while (slots[i])
			i = (i + 1) & c->mask;
		slots[i] = (uint32_t)k + 1;
	}
	return true;
}

static bool add(struct collector *c, int32_t tid, const char *comm)
{
	struct thread_name *t;
	size_t i;

	if (tid <= 0 || !comm || !comm[0])
		return true;
	if (c->names.n == c->room && c->room < MAX_NAMES && !grow(c))
		return false;
	i = hash(tid, comm) & c->mask;
	for (; c->slots[i]; i = (i + 1) & c->mask) {
		t = &c->names.list[c->slots[i] - 1];
		if (t->tid == tid && !strncmp(t->comm, comm, VMRT_COMM_MAX - 1))
			return true;
	}
	if (c->names.n == c->room)
		return true;
	c->slots[i] = (uint32_t)++c->names.n;
	t = &c->names.list[c->names.n - 1];
	memset(t, 0, sizeof(*t));
	t->tid = tid;
	memcpy(t->comm, comm, strnlen(comm, VMRT_COMM_MAX - 1));
	return !c->watch || !c->watch->named || c->watch->named(c->watch->ctx, tid, t->comm);
}

static bool take(struct collector *c, const struct vmrt_event *ev)
{
	const struct names_watch *watch = c->watch;

	switch (ev->type) {
	case VMRT_EV_SWITCH:
		return add(c, ev->sw.prev_pid, ev->sw.prev_comm) &&
		       add(c, ev->sw.next_pid, ev->sw.next_comm);
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		return add(c, ev->wake.pid, ev->wake.comm);
	case VMRT_EV_FORK:
		if (watch && watch->fork &&
			!watch->fork(watch->ctx, ev->process.pid, ev->process.other_pid,
				ev->process.comm))
			return false;
		return add(c, ev->process.other_pid, ev->process.comm);
	case VMRT_EV_EXIT:
		return add(c, ev->process.pid, ev->process.comm);
	case VMRT_EV_EXEC:
		if (watch && watch->exec)
			watch->exec(watch->ctx, ev->process.pid);
		return true;
	default:
		return true;
	}
}

static bool take_saved(struct collector *c, const struct vmrt_dat *dat)
{
	int32_t tid;
	const char *comm;

	for (size_t i = 0; (comm = vmrt_dat_saved_comm(dat, i, &tid)); i++)
		if (!add(c, tid, comm))
			return false;
	return true;
}

static int by_tid(const void *a, const void *b)
{
	const struct thread_name *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

enum vmrt_status names_read(const struct vmrt_dat *dat, const struct names_watch *watch,
	struct thread_names *out, struct vmrt_error *err)
{
	struct collector c = {.watch = watch};
	struct vmrt_stream *stream;
	struct vmrt_event event;
	enum vmrt_status status = vmrt_stream_open(dat, &stream, err);
	bool ok;
	int got;

	if (status != VMRT_OK)
		return status;
	ok = take_saved(&c, dat);
	/* the analysis reports what is malformed */
	while (ok && (got = vmrt_stream_next(stream, &event, NULL)))
		ok = got < 0 || take(&c, &event);
	vmrt_stream_free(stream);
	free(c.slots);
	if (!ok) {
		free(c.names.list);
		return vmrt_fail(err, VMRT_ENOMEM, "names of threads: out of memory");
	}
	if (c.names.n)
		qsort(c.names.list, c.names.n, sizeof(*c.names.list), by_tid);
	*out = c.names;
	return VMRT_OK;
}

void names_free(struct thread_names *names)
{
	free(names->list);
	names->list = NULL;
	names->n = 0;
}

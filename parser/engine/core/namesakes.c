/* SPDX-License-Identifier: MIT */
/*
 * Threads of one name: four hogs that take the CPU by turns are one hog to who looks for the cause
 * of a miss. A name counts per machine, and for members of VMs per VM.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 256

static size_t hash_of(const struct vmrt_thread *t)
{
	uint64_t h = (UINT64_C(1469598103934665603) ^ t->machine) * UINT64_C(1099511628211) ^ t->vm;

	for (const char *p = t->comm; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static bool is_like(const struct namesake *n, const struct vmrt_thread *t)
{
	return n->machine == t->machine && n->vm == t->vm && comm_is(t->comm, n->comm);
}

/* The slot of @t's name, or the free one where it belongs. */
static uint32_t *slot_of(const struct namesakes *all, const struct vmrt_thread *t)
{
	size_t i = hash_of(t) & (all->n_slots - 1);

	while (all->slots[i] && !is_like(&all->names[all->slots[i] - 1], t))
		i = (i + 1) & (all->n_slots - 1);
	return &all->slots[i];
}

static bool grow_slots(struct namesakes *all)
{
	struct namesakes more = *all;

	more.n_slots = all->n_slots ? 2 * all->n_slots : FIRST_SLOTS;
	more.slots = calloc(more.n_slots, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (size_t i = 0; i < all->n_names; i++) {
		struct vmrt_thread t = {.machine = all->names[i].machine, .vm = all->names[i].vm};

		memcpy(t.comm, all->names[i].comm, sizeof(t.comm));
		*slot_of(&more, &t) = (uint32_t)i + 1;
	}
	free(all->slots);
	*all = more;
	return true;
}

static bool make_room(struct namesakes *all, uint32_t id)
{
	if (id >= all->n_ids) {
		size_t n = (size_t)id * 2 + 64;
		uint32_t *more = realloc(all->of, n * sizeof(*more));

		if (!more)
			return false;
		memset(more + all->n_ids, 0, (n - all->n_ids) * sizeof(*more));
		all->of = more;
		all->n_ids = n;
	}
	if (all->n_names == all->room) {
		size_t n = all->room ? 2 * all->room : 64;
		struct namesake *more = realloc(all->names, n * sizeof(*more));

		if (!more)
			return false;
		all->names = more;
		all->room = n;
	}
	return all->n_names * 2 < all->n_slots || grow_slots(all);
}

bool namesakes_add(struct namesakes *all, const struct vmrt_thread *t)
{
	uint32_t *slot;

	if (!make_room(all, t->id))
		return false;
	slot = slot_of(all, t);
	if (!*slot) {
		struct namesake *n = &all->names[all->n_names++];

		n->machine = t->machine;
		n->vm = t->vm;
		memcpy(n->comm, t->comm, sizeof(n->comm));
		*slot = (uint32_t)all->n_names;
	}
	all->of[t->id] = *slot;
	return true;
}

uint32_t namesakes_of(const struct namesakes *all, uint32_t id)
{
	return id < all->n_ids ? all->of[id] : 0;
}

void namesakes_free(struct namesakes *all)
{
	free(all->slots);
	free(all->names);
	free(all->of);
}

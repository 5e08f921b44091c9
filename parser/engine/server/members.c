/* SPDX-License-Identifier: MIT */
/* Finds the members of a server: the vCPU threads of its VM, or one of them. */
#include "servers.h"

#include <stdlib.h>
#include <string.h>

/* A vCPU belongs to one server, whose budget it uses. Selected threads are only measured: by all
 * servers that select them. */
static bool join(struct server *s, struct thread *t)
{
	struct server **more;

	if (!t->server) {
		t->server = s;
		return true;
	}
	more = t->selected ? realloc(t->also, (t->n_also + 1) * sizeof(*more)) : NULL;
	if (!more) {
		s->engine->out_of_memory |= t->selected;
		return false;
	}
	t->also = more;
	t->also[t->n_also++] = s;
	return true;
}

/* The recording shows member @t for the first time. */
void servers_seen(struct thread *t)
{
	if (t->server)
		t->server->seen[t->server->n_seen++] = t;
	for (size_t i = 0; i < t->n_also; i++)
		t->also[i]->seen[t->also[i]->n_seen++] = t;
}

/* The members of a server are the vCPU threads of its VM. */
bool server_find_members(
	struct vmrt_engine *e, struct server *s, const struct vmrt_server_spec *spec)
{
	bool named = false;

	for (size_t v = 0; v < e->config->n_vms; v++)
		named |= !strcmp(spec->vm, e->config->vms[v].name);
	for (size_t v = 0; v < e->config->n_vms; v++) {
		const struct vmrt_engine_vm *vm = &e->config->vms[v];

		if (s->members || !vmrt_server_is_for(spec, vm->name, vm->threads, vm->n_threads) ||
			(named && strcmp(spec->vm, vm->name) != 0))
			continue;
		s->pub.vm = (uint32_t)v;
		s->members = calloc(vm->n_threads ? vm->n_threads : 1, sizeof(*s->members));
		s->seen = calloc(vm->n_threads ? vm->n_threads : 1, sizeof(*s->seen));
		if (!s->members || !s->seen)
			return false;
		for (size_t t = 0; t < vm->n_threads; t++) {
			struct thread *thread;

			if (vm->threads[t].role != VMRT_ROLE_VCPU ||
				(spec->vcpu >= 0 && vm->threads[t].vcpu != spec->vcpu))
				continue;
			thread = threads_find(&e->machines[0], vm->threads[t].tid);
			if (!thread || !join(s, thread))
				continue;
			s->members[s->n_members++] = thread;
			if (thread->seen)
				s->seen[s->n_seen++] = thread;
		}
	}
	return true;
}

/* SPDX-License-Identifier: MIT */
/* Who belongs to a server: the vCPU threads of its VM, or one of them. */
#include "servers.h"

#include <stdlib.h>
#include <string.h>

/* Is @vm what @pattern names: NAME, NAME:N for its vCPU N alone, or pid:N? @vcpu: which one, or -1
 * for all. */
static bool names_vm(const char *pattern, const struct vmrt_engine_vm *vm, int *vcpu)
{
	size_t len = strlen(vm->name);
	int64_t number;

	*vcpu = -1;
	if (!strcmp(pattern, vm->name))
		return true;
	if (!strncmp(pattern, "pid:", 4) &&
		vmrt_parse_int(pattern + 4, 1, INT32_MAX, &number) == VMRT_OK) {
		for (size_t t = 0; t < vm->n_threads; t++)
			if (vm->threads[t].tid == number)
				return true;
		return false;
	}
	if (strncmp(pattern, vm->name, len) != 0 || pattern[len] != ':' ||
		vmrt_parse_int(pattern + len + 1, 0, UINT16_MAX, &number) != VMRT_OK)
		return false;
	*vcpu = (int)number;
	return true;
}

/* A vCPU belongs to one server, whose budget it uses. Selected threads are only measured: by all
 * servers that select them. */
static bool join(struct server *s, struct thr *t)
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

/* The members of a server are the vCPU threads of its VM. */
bool server_find_members(struct vmrt_engine *e, struct server *s, const char *pattern)
{
	bool named = false;

	for (size_t v = 0; v < e->config->n_vms; v++)
		named |= !strcmp(pattern, e->config->vms[v].name);
	for (size_t v = 0; v < e->config->n_vms; v++) {
		const struct vmrt_engine_vm *vm = &e->config->vms[v];
		int vcpu;

		if (s->members || !names_vm(pattern, vm, &vcpu) ||
			(named && strcmp(pattern, vm->name) != 0))
			continue;
		s->pub.vm = (uint32_t)v;
		s->members = calloc(vm->n_threads ? vm->n_threads : 1, sizeof(*s->members));
		if (!s->members)
			return false;
		for (size_t t = 0; t < vm->n_threads; t++) {
			struct thr *thr;

			if (vm->threads[t].role != VMRT_ROLE_VCPU ||
				(vcpu >= 0 && vm->threads[t].vcpu != vcpu))
				continue;
			thr = threads_find(&e->machines[0], vm->threads[t].tid);
			if (!thr || !join(s, thr))
				continue;
			s->members[s->n_members++] = thr;
		}
	}
	return true;
}

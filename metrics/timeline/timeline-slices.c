/* SPDX-License-Identifier: MIT */
/* Reads the servers of a part of a run, which thread ran on which CPU, and where events were
 * lost. */
#include "timeline-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum vmrt_status tl_load_servers(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	const char **have;
	struct vmrt_tl_server *s;
	enum vmrt_status status;
	struct vmrt_query q;
	size_t room = 0, kept = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, vm, name, policy, period_ns, budget_ns, enforced, vcpu FROM server"
		" ORDER BY priority DESC, id");
	while (vmrt_query_next(&q) &&
		(s = tl_append(&q, &tl->servers, &tl->n_servers, &room, sizeof(*s)))) {
		s->id = vmrt_query_int(&q, 0);
		s->vm = vmrt_query_int(&q, 1);
		s->name = tl_text(&q, 2);
		s->policy = tl_text(&q, 3);
		s->period = tl_time(&q, 4);
		s->budget = tl_time(&q, 5);
		s->enforced = vmrt_query_int(&q, 6) > 0;
		s->vcpu = vmrt_query_int(&q, 7);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	have = calloc(2 * tl->n_servers + 1, sizeof(*have));
	if (!have)
		return vmrt_fail(l->err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < tl->n_servers; i++)
		have[i] = have[tl->n_servers + i] = tl->servers[i].name;
	status = tl_all_found(
		l, "server", l->wanted->servers, l->wanted->n_servers, have, tl->n_servers);
	free(have);
	for (size_t i = 0; i < tl->n_servers; i++) {
		s = &tl->servers[i];
		if (tl_is_wanted(l->wanted->servers, l->wanted->n_servers, s->name, s->name)) {
			tl->servers[kept++] = *s;
		} else {
			free(s->name);
			free(s->policy);
		}
	}
	tl->n_servers = kept;
	return status;
}

enum vmrt_status tl_load_periods(struct loader *l, struct vmrt_tl_server *s)
{
	struct tl_period *p;
	struct vmrt_query q;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT k, start_ns, end_ns, budget_ns, replenished_ns, depleted_ns, consumed_ns,"
		" outcome <> 'unenforced' FROM server_period"
		" WHERE server = ?1 AND start_ns < ?3 AND end_ns > ?2 ORDER BY k");
	vmrt_query_bind(&q, 1, s->id);
	vmrt_query_bind(&q, 2, l->tl->from);
	vmrt_query_bind(&q, 3, l->tl->to);
	while (vmrt_query_next(&q)) {
		if (tl_time(&q, 1) == VMRT_UNKNOWN || tl_time(&q, 2) == VMRT_UNKNOWN ||
			tl_time(&q, 3) == VMRT_UNKNOWN)
			continue;
		p = tl_append(&q, &s->periods, &s->n_periods, &s->room, sizeof(*p));
		if (!p)
			break;
		p->k = vmrt_query_int(&q, 0);
		p->start = tl_time(&q, 1);
		p->end = tl_time(&q, 2);
		p->budget = tl_time(&q, 3);
		p->replenished = tl_time(&q, 4);
		p->depleted = tl_time(&q, 5);
		p->consumed = tl_time(&q, 6);
		p->enforced = s->enforced && vmrt_query_int(&q, 7) > 0;
	}
	return vmrt_query_end(&q);
}

/* Loads the vCPU threads that are not tasks themselves. If tasks or servers are named, only the
 * vCPU threads of their VMs are loaded. */
enum vmrt_status tl_load_vcpus(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	bool all = !l->wanted->n_tasks && !l->wanted->n_servers;
	struct vmrt_tl_vcpu *v, one;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT t.id, v.id, v.machine, t.vcpu, t.tid, v.name || ' vCPU ' || "
		"coalesce(t.vcpu, '?')"
		" FROM thread t JOIN vm v ON v.id = t.vm WHERE t.role = 'vcpu' AND t.task IS NULL"
		" ORDER BY v.name, t.vcpu, t.id");
	while (vmrt_query_next(&q)) {
		bool wanted = all;

		one = (struct vmrt_tl_vcpu){.thread = vmrt_query_int(&q, 0),
			.vm = vmrt_query_int(&q, 1),
			.machine = vmrt_query_int(&q, 2),
			.vcpu = vmrt_query_int(&q, 3),
			.tid = vmrt_query_int(&q, 4)};
		for (size_t i = 0; i < tl->n_tasks; i++)
			wanted = wanted || (l->wanted->n_tasks && one.machine != VMRT_UNKNOWN &&
						   tl->tasks[i].machine == one.machine);
		for (size_t i = 0; i < tl->n_servers; i++)
			wanted = wanted || (l->wanted->n_servers && tl->servers[i].vm == one.vm &&
						   (tl->servers[i].vcpu == VMRT_UNKNOWN ||
							   tl->servers[i].vcpu == one.vcpu));
		if (!wanted)
			continue;
		v = tl_append(&q, &tl->vcpus, &tl->n_vcpus, &room, sizeof(*v));
		if (!v)
			break;
		*v = one;
		v->name = tl_text(&q, 5);
	}
	return vmrt_query_end(&q);
}

static int by_thread(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->thread > y->thread) - (x->thread < y->thread);
}

enum vmrt_status tl_find_owners(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct owner *o;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, task FROM thread WHERE task IS NOT NULL ORDER BY id");
	while (vmrt_query_next(&q)) {
		int64_t task = vmrt_query_int(&q, 1);

		for (size_t i = 0; i < tl->n_tasks; i++) {
			if (tl->tasks[i].id != task)
				continue;
			o = tl_append(&q, &l->owners, &l->n_owners, &room, sizeof(*o));
			if (o)
				*o = (struct owner){vmrt_query_int(&q, 0), &tl->tasks[i].spans};
		}
	}
	for (size_t i = 0; q.status == VMRT_OK && i < tl->n_vcpus; i++) {
		o = tl_append(&q, &l->owners, &l->n_owners, &room, sizeof(*o));
		if (o)
			*o = (struct owner){tl->vcpus[i].thread, &tl->vcpus[i].spans};
	}
	if (l->n_owners)
		qsort(l->owners, l->n_owners, sizeof(*l->owners), by_thread);
	return vmrt_query_end(&q);
}

enum vmrt_status tl_load_slices(struct loader *l)
{
	struct vmrt_span *s;
	struct vmrt_query q;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT thread, cpu, start_ns, end_ns, end_state FROM slice"
		" WHERE start_ns < ?2 AND end_ns > ?1 ORDER BY start_ns");
	vmrt_query_bind(&q, 1, l->tl->from);
	vmrt_query_bind(&q, 2, l->tl->to);
	while (vmrt_query_next(&q)) {
		struct owner key = {.thread = vmrt_query_int(&q, 0)};
		const struct owner *o =
			l->n_owners ? bsearch(&key, l->owners, l->n_owners, sizeof(key), by_thread)
				    : NULL;

		if (!o || tl_time(&q, 2) == VMRT_UNKNOWN || tl_time(&q, 3) == VMRT_UNKNOWN)
			continue;
		s = tl_append(&q, &o->spans->all, &o->spans->n, &o->spans->room, sizeof(*s));
		if (!s)
			break;
		s->cpu = (int32_t)tl_within(vmrt_query_int(&q, 1), 0, INT32_MAX);
		s->start = tl_time(&q, 2);
		s->end = tl_time(&q, 3);
		s->end_state = vmrt_query_int(&q, 4) != 0;
		/* two slices of one task or vCPU never overlap, but the error of a clock may make
		 * them seem to overlap */
		if (o->spans->n > 1 && s->start < s[-1].end)
			s->start = s[-1].end;
		if (s->end < s->start)
			s->end = s->start;
	}
	return vmrt_query_end(&q);
}

enum vmrt_status tl_load_losses(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct vmrt_tl_loss *loss;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT machine, cpu, coalesce(from_ns, ?1), coalesce(to_ns, ?2), events, kind "
		"FROM "
		"loss"
		" WHERE coalesce(from_ns, ?1) < ?2 AND coalesce(to_ns, ?2) > ?1 ORDER BY 3, 1, 2");
	vmrt_query_bind(&q, 1, tl->from);
	vmrt_query_bind(&q, 2, tl->to);
	while (vmrt_query_next(&q)) {
		if (tl_time(&q, 2) == VMRT_UNKNOWN || tl_time(&q, 3) == VMRT_UNKNOWN)
			continue;
		loss = tl_append(&q, &tl->losses, &tl->n_losses, &room, sizeof(*loss));
		if (!loss)
			break;
		const char *kind = vmrt_query_string(&q, 5);

		loss->machine = vmrt_query_int(&q, 0);
		loss->cpu = vmrt_query_int(&q, 1);
		loss->from = tl_time(&q, 2);
		loss->to = tl_time(&q, 3);
		loss->events = vmrt_query_int(&q, 4);
		snprintf(loss->kind, sizeof(loss->kind), "%s", kind ? kind : "");
	}
	return vmrt_query_end(&q);
}

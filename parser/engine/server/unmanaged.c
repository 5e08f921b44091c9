/* SPDX-License-Identifier: MIT */
/*
 * How a VM that nobody gives a server is scheduled of itself: how far apart the starts of its
 * supply are, and how much it gets from one to the next, as long as it wants to run throughout.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/sort.h>

/* Shorter waits are interruptions, by the hypervisor's own threads or the kernel's, and end no
 * stretch. */
#define WAIT_MIN_NS (1 * VMRT_NS_PER_MS)
/* A start that is less certain than this is none. */
#define UNCERTAIN_NS (100 * VMRT_NS_PER_US)
#define SAMPLES_MAX 65536

/* Values, each one of @stride; when there are too many, every second one goes. */
struct samples {
	int64_t *values;
	size_t n, room;
	size_t n_sorted; /* the first so many are in order */
	uint64_t seen, stride;
};

struct unmanaged {
	struct samples periods, supplies;
};

static bool put(struct samples *s, int64_t value)
{
	if (!s->stride)
		s->stride = 1;
	if (s->seen++ % s->stride)
		return true;
	if (s->n == SAMPLES_MAX) {
		for (size_t i = 0; i < s->n / 2; i++)
			s->values[i] = s->values[2 * i];
		s->n /= 2;
		s->n_sorted /= 2;
		s->stride *= 2;
		if ((s->seen - 1) % s->stride)
			return true;
	}
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 256;
		int64_t *more = realloc(s->values, room * sizeof(*more));

		if (!more)
			return false;
		s->values = more;
		s->room = room;
	}
	s->values[s->n++] = value;
	return true;
}

static struct unmanaged *unmanaged_of(struct vmrt_engine *e, const struct thread *t)
{
	const struct server *s = t->server;

	if (t->pub.vm == VMRT_NONE || t->pub.role != VMRT_ROLE_VCPU)
		return NULL;
	if (s && s->pub.policy != VMRT_POLICY_NONE &&
		(s->pub.enforced || e->config->hsf || vmrt_policy_by_kernel(s->pub.policy)))
		return NULL;
	if (!e->unmanaged)
		e->unmanaged = calloc(e->config->n_vms, sizeof(*e->unmanaged));
	return e->unmanaged ? &e->unmanaged[t->pub.vm] : NULL;
}

/* Before the state of @t changes. */
void unmanaged_starts(
	struct vmrt_engine *e, struct thread *t, int64_t host_ns, int64_t uncertainty_ns)
{
	struct unmanaged *n = unmanaged_of(e, t);
	bool preempted = t->state == THREAD_READY && t->woken_ns == VMRT_UNKNOWN;
	bool ok = true;

	if (!n)
		return;
	if (t->state != THREAD_READY || uncertainty_ns > UNCERTAIN_NS) {
		t->unmanaged.begun = false;
		return;
	}
	t->unmanaged.slept |= !preempted;
	if (host_ns - t->ready_ns < WAIT_MIN_NS)
		return;
	if (t->unmanaged.begun && !t->unmanaged.slept)
		ok = put(&n->periods, host_ns - t->unmanaged.start_ns) &&
		     put(&n->supplies, t->unmanaged.supply_ns);
	t->unmanaged.begun = preempted;
	t->unmanaged.slept = false;
	t->unmanaged.start_ns = host_ns;
	t->unmanaged.supply_ns = 0;
	if (!ok)
		e->out_of_memory = true;
}

void unmanaged_ran(struct thread *t, int64_t ns)
{
	t->unmanaged.supply_ns += ns;
}

static void sort(struct samples *s)
{
	vmrt_sort_values(s->values, s->n_sorted, s->n);
	s->n_sorted = s->n;
}

/* Nearest rank. */
static int64_t percentile(const struct samples *s, size_t p)
{
	return s->n ? s->values[(p * s->n + 99) / 100 - 1] : VMRT_UNKNOWN;
}

bool unmanaged_row(struct vmrt_engine *e, size_t vm, struct vmrt_unmanaged *out)
{
	struct unmanaged *n = e->unmanaged && vm < e->config->n_vms ? &e->unmanaged[vm] : NULL;

	if (!n || !n->periods.n)
		return false;
	/* of what is live it is asked several times a second */
	sort(&n->periods);
	sort(&n->supplies);
	*out = (struct vmrt_unmanaged){
		.vm = (uint32_t)vm,
		.n = (int64_t)n->periods.seen,
		.period_p10_ns = percentile(&n->periods, 10),
		.period_p50_ns = percentile(&n->periods, 50),
		.period_p90_ns = percentile(&n->periods, 90),
		.supply_p10_ns = percentile(&n->supplies, 10),
		.supply_p50_ns = percentile(&n->supplies, 50),
		.supply_p90_ns = percentile(&n->supplies, 90),
	};
	return true;
}

void unmanaged_finish(struct vmrt_engine *e)
{
	for (size_t v = 0; e->unmanaged && v < e->config->n_vms; v++) {
		struct vmrt_unmanaged row;

		if (unmanaged_row(e, v, &row) && e->sink.unmanaged)
			e->sink.unmanaged(e->sink.ctx, &row);
	}
}

void unmanaged_free(struct vmrt_engine *e)
{
	for (size_t v = 0; e->unmanaged && v < e->config->n_vms; v++) {
		free(e->unmanaged[v].periods.values);
		free(e->unmanaged[v].supplies.values);
	}
	free(e->unmanaged);
}

/* SPDX-License-Identifier: MIT */
/* The servers: their periods, and how long their members waited. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counts the period's outcome; false if nothing can be said of the period. */
static bool count_outcome(struct vmrt_server_facts *s, const char *outcome)
{
	s->periods++;
	if (!strcmp(outcome, "truncated")) {
		s->truncated++;
		return false;
	}
	if (!strcmp(outcome, "depleted")) {
		s->depleted++;
	} else if (!strcmp(outcome, "served")) {
		s->served++;
	} else if (!strcmp(outcome, "unenforced")) {
		s->unenforced++;
	} else {
		s->unknown++;
		return false;
	}
	s->judged++;
	return true;
}

static enum vmrt_status load_periods(sqlite3 *db, const struct vmrt_run_facts *f,
	struct vmrt_server_facts *s, struct vmrt_error *err)
{
	double consumed = 0, background = 0, budget = 0;
	struct vmrt_samples over = {0};
	struct vmrt_query q;

	s->over_max = s->over_max_k = VMRT_UNKNOWN;
	vmrt_query_begin(&q, db, err,
		"SELECT k, outcome, budget_ns, consumed_ns, background_ns, steal_ns"
		" FROM server_period WHERE server = ?1 AND start_ns >= ?3 AND end_ns <= ?4"
		" ORDER BY k LIMIT -1 OFFSET ?2");
	if (q.status == VMRT_OK) {
		sqlite3_bind_int64(q.stmt, 1, s->id);
		sqlite3_bind_int64(q.stmt, 2, f->filter.skip_first);
	}
	vmrt_query_span(&q, 3, f);
	while (vmrt_query_next(&q)) {
		const char *outcome = (const char *)sqlite3_column_text(q.stmt, 1);
		int64_t k = vmrt_query_int(&q, 0), period_budget = vmrt_query_int(&q, 2);
		int64_t used = vmrt_query_int(&q, 3), below = vmrt_query_int(&q, 4);
		bool depleted = outcome && !strcmp(outcome, "depleted");

		if (!count_outcome(s, outcome ? outcome : ""))
			continue;
		if (used == VMRT_UNKNOWN || period_budget == VMRT_UNKNOWN)
			continue;
		consumed += (double)used;
		background += below == VMRT_UNKNOWN ? 0 : (double)below;
		budget += (double)period_budget;
		if (vmrt_query_int(&q, 5) > 0) {
			s->steal_periods++;
			continue;
		}
		if (!s->enforced || (!depleted && used < period_budget))
			continue;
		s->used_up++;
		if (used - period_budget > s->over_max) {
			s->over_max = used - period_budget;
			s->over_max_k = k;
		}
		if (vmrt_samples_add(&over, used - period_budget) != VMRT_OK) {
			q.status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			break;
		}
	}
	s->consumed_ratio = budget > 0 ? consumed / budget : NAN;
	s->background_ratio = budget > 0 ? background / budget : NAN;
	s->over_p50 = vmrt_samples_percentile(&over, 50, 100);
	s->over_p99 = vmrt_samples_percentile(&over, 99, 100);
	vmrt_samples_free(&over);
	return vmrt_query_end(&q);
}

struct interval {
	int64_t cpu, from, to;
};

#define ANY_CPU (-1)

/*
 * Intervals of the host's CPUs in which it is not known, or not the scheduler's doing, who ran, and periods of @s
 * about which nothing is known for certain; sorted by CPU and start, and made to end in that order too. Broken
 * chains alone are none: what they leave uncertain of a period is in its outcome.
 */
static enum vmrt_status load_holes(sqlite3 *db, const struct vmrt_server_facts *s,
	struct interval **out, size_t *n, struct vmrt_error *err)
{
	struct interval *holes = NULL;
	size_t room = 0;
	struct vmrt_query q;

	*n = 0;
	vmrt_query_begin(&q, db, err,
		"SELECT cpu, from_ns, to_ns FROM loss JOIN machine m ON m.id = loss.machine"
		" WHERE m.kind = 'host' AND loss.kind <> 'broken_chain'"
		" AND from_ns IS NOT NULL AND to_ns IS NOT NULL"
		" UNION ALL SELECT ?2, start_ns, end_ns FROM server_period"
		" WHERE server = ?1 AND outcome NOT IN ('served', 'depleted', 'unenforced') ORDER BY 1, 2");
	if (q.status == VMRT_OK) {
		sqlite3_bind_int64(q.stmt, 1, s->id);
		sqlite3_bind_int64(q.stmt, 2, ANY_CPU);
	}
	while (vmrt_query_next(&q)) {
		struct interval *h;

		if (*n == room) {
			room = room ? room * 2 : 256;
			h = realloc(holes, room * sizeof(*holes));
			if (!h) {
				q.status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
				break;
			}
			holes = h;
		}
		h = &holes[(*n)++];
		*h = (struct interval){
			vmrt_query_int(&q, 0), vmrt_query_int(&q, 1), vmrt_query_int(&q, 2)};
		if (*n > 1 && h[-1].cpu == h->cpu && h->to < h[-1].to)
			h->to = h[-1].to;
	}
	*out = holes;
	return vmrt_query_end(&q);
}

static bool overlaps(const struct interval *holes, size_t n, int64_t cpu, int64_t from, int64_t to)
{
	size_t low = 0, high = n;

	while (low < high) { /* the first hole of this CPU that ends after @from */
		size_t middle = low + (high - low) / 2;
		const struct interval *h = &holes[middle];

		if (h->cpu < cpu || (h->cpu == cpu && h->to <= from))
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && holes[low].cpu == cpu && holes[low].from < to;
}

#define MAX_VCPUS 1024 /* of one VM; more are not looked at */

struct vcpu {
	int64_t thread, last_end, last_cpu;
	bool preempted;
};

struct holes {
	struct interval *all;
	size_t n;
};

static size_t load_vcpus(struct vmrt_query *q, int64_t vm, struct vcpu *vcpus)
{
	size_t n = 0;

	if (q->status == VMRT_OK)
		sqlite3_bind_int64(q->stmt, 1, vm);
	while (n < MAX_VCPUS && vmrt_query_next(q))
		vcpus[n++] = (struct vcpu){.thread = vmrt_query_int(q, 0)};
	return n;
}

/*
 * Goes through slices, which must be in the order of their times for each thread; false if they turn out not to be.
 */
static bool find_wait(struct vmrt_query *q, struct vmrt_server_facts *s, struct vcpu *vcpus,
	size_t n, const struct holes *holes)
{
	while (vmrt_query_next(q)) {
		/* none of these columns may be NULL, and there are many rows */
		int64_t thread = sqlite3_column_int64(q->stmt, 0);
		int64_t start = sqlite3_column_int64(q->stmt, 1), end = sqlite3_column_int64(q->stmt, 2);
		int64_t cpu = sqlite3_column_int64(q->stmt, 3);
		struct vcpu *v = vcpus;

		while (v < vcpus + n && v->thread != thread)
			v++;
		if (v == vcpus + n)
			continue;
		if (end < v->last_end)
			return false;
		if (v->preempted && start - v->last_end > s->wait_max &&
			!overlaps(holes->all, holes->n, v->last_cpu, v->last_end, start) &&
			!overlaps(holes->all, holes->n, cpu, v->last_end, start) &&
			!overlaps(holes->all, holes->n, ANY_CPU, v->last_end, start)) {
			s->wait_max = start - v->last_end;
			s->wait_at = v->last_end;
		}
		v->last_end = end;
		v->last_cpu = cpu;
		v->preempted = sqlite3_column_int(q->stmt, 4) != 0;
	}
	return true;
}

/*
 * The longest time a vCPU thread of @s's VM waited after a preemption, while there were periods of the server. Waits for
 * a wake-up are not seen in slices, so the blackout is at least this.
 *
 * Slices are written in the order of their ends, so reading the table as it stands will do, and is several
 * times as fast as an index; if the order turns out to be another one, it is asked for.
 */
static enum vmrt_status load_waits(sqlite3 *db, struct vmrt_server_facts *s, struct vmrt_error *err)
{
	/* an inferred start may have been earlier by its uncertainty */
#define SLICES                                                                                     \
	"SELECT thread, start_ns - uncertainty_ns, end_ns, cpu, end_state = 0 AND NOT truncated"   \
	" FROM slice"
	static const char *const orders[] = {
		SLICES " NOT INDEXED WHERE end_ns >= ?1 AND start_ns <= ?2",
		SLICES " WHERE end_ns >= ?1 AND start_ns <= ?2 ORDER BY thread, start_ns",
	};
#undef SLICES
	struct vcpu vcpus[MAX_VCPUS], fresh[MAX_VCPUS];
	struct holes holes = {0};
	int64_t from = 0, to = 0;
	size_t n = 0;
	struct vmrt_query q;
	bool done = false;

	s->wait_max = s->wait_at = VMRT_UNKNOWN;
	if (s->vm_id == VMRT_UNKNOWN || !s->periods)
		return VMRT_OK;
	vmrt_query_begin(&q, db, err, "SELECT id FROM thread WHERE vm = ?1 AND role = 'vcpu'");
	n = load_vcpus(&q, s->vm_id, fresh);
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	vmrt_query_begin(
		&q, db, err, "SELECT min(start_ns), max(end_ns) FROM server_period WHERE server = ?1");
	if (q.status == VMRT_OK)
		sqlite3_bind_int64(q.stmt, 1, s->id);
	if (vmrt_query_next(&q)) {
		from = vmrt_query_int(&q, 0);
		to = vmrt_query_int(&q, 1);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	q.status = load_holes(db, s, &holes.all, &holes.n, err);
	for (size_t i = 0; i < 2 && !done && q.status == VMRT_OK; i++) {
		memcpy(vcpus, fresh, n * sizeof(*vcpus));
		s->wait_max = s->wait_at = VMRT_UNKNOWN;
		vmrt_query_begin(&q, db, err, orders[i]);
		if (q.status == VMRT_OK) {
			sqlite3_bind_int64(q.stmt, 1, from);
			sqlite3_bind_int64(q.stmt, 2, to);
		}
		done = find_wait(&q, s, vcpus, n, &holes);
		vmrt_query_end(&q);
	}
	free(holes.all);
	return q.status;
}

enum vmrt_status vmrt_facts_load_servers(
	sqlite3 *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT s.id, s.name, v.name, v.id, v.machine, s.policy, s.depletion, s.period_ns, s.budget_ns,"
		" s.priority, s.enforced FROM server s LEFT JOIN vm v ON v.id = s.vm ORDER BY s.id");
	while (vmrt_query_next(&q)) {
		struct vmrt_server_facts *s =
			realloc(f->servers, (f->n_servers + 1) * sizeof(*f->servers));

		if (!s) {
			q.status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			break;
		}
		f->servers = s;
		s = &f->servers[f->n_servers++];
		memset(s, 0, sizeof(*s));
		s->id = vmrt_query_int(&q, 0);
		s->name = vmrt_query_text(&q, 1);
		s->vm = vmrt_query_text(&q, 2);
		s->vm_id = vmrt_query_int(&q, 3);
		s->vm_machine = vmrt_query_int(&q, 4);
		s->policy = vmrt_query_text(&q, 5);
		s->depletion = vmrt_query_text(&q, 6);
		s->period_ns = vmrt_query_int(&q, 7);
		s->budget_ns = vmrt_query_int(&q, 8);
		s->priority = vmrt_query_int(&q, 9);
		s->enforced = vmrt_query_int(&q, 10) > 0;
	}
	return vmrt_query_end(&q);
}

enum vmrt_status vmrt_facts_load_periods(
	sqlite3 *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < f->n_servers; i++) {
		if (!f->servers[i].selected)
			continue;
		status = load_periods(db, f, &f->servers[i], err);
		if (status == VMRT_OK)
			status = load_waits(db, &f->servers[i], err);
	}
	return status;
}

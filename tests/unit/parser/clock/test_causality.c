/* SPDX-License-Identifier: MIT */
/* Bounds of a guest clock that follow from when its vCPU ran: against simulated hosts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "parser/clock/causality.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US

#define VCPUS 2
#define FIRST_TID 1000
#define RIVAL 77 /* shares the CPUs with the vCPUs */
#define OFFSET (INT64_C(-7) * S)
#define START (INT64_C(5000) * S)

static uint64_t state;

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int64_t random_in(int64_t low, int64_t high)
{
	return low + (int64_t)(random_u64() % (uint64_t)(high - low + 1));
}

struct guest_event {
	int64_t host; /* the truth */
	int64_t local;
	unsigned cpu;
};

/* A simulated machine: vCPU i runs on host CPU i, events fall into its runs. */
struct world {
	double rate;
	struct vmrt_event *host;
	size_t n_host;
	struct guest_event *guest;
	size_t n_guest;
	int64_t length;
};

static int64_t to_local(const struct world *w, int64_t host)
{
	return host + OFFSET + llrint(w->rate * (double)(host - START));
}

static int64_t true_offset(const struct world *w, const struct vmrt_clock_bound *b)
{
	double since = (double)(b->local_ns - OFFSET - START) / (1 + w->rate);

	return OFFSET + llrint(w->rate * since);
}

static void add_switch(struct world *w, unsigned cpu, int64_t ts, int32_t prev, int32_t next)
{
	struct vmrt_event *e = &w->host[w->n_host++];

	memset(e, 0, sizeof(*e));
	e->ts = ts;
	e->type = VMRT_EV_SWITCH;
	e->cpu = (uint16_t)cpu;
	e->pid = prev;
	e->sw.prev_pid = prev;
	e->sw.next_pid = next;
}

static void add_guest(struct world *w, unsigned cpu, int64_t host)
{
	w->guest[w->n_guest++] = (struct guest_event){host, to_local(w, host), cpu};
}

static int compare_host(const void *a, const void *b)
{
	const struct vmrt_event *x = a, *y = b;

	return x->ts != y->ts ? (x->ts > y->ts) - (x->ts < y->ts) : x->cpu - y->cpu;
}

static int compare_guest(const void *a, const void *b)
{
	const struct guest_event *x = a, *y = b;

	return (x->local > y->local) - (x->local < y->local);
}

/*
 * An idle guest that is woken now and then, and that has to share its CPU: it runs for some 100 us
 * or some ms, sometimes interrupted in the middle for long.
 */
static void simulate(struct world *w, int64_t length, double rate)
{
	const size_t room = (size_t)(length / (100 * US)) * VCPUS + 100;

	memset(w, 0, sizeof(*w));
	w->rate = rate;
	w->length = length;
	w->host = calloc(room, sizeof(*w->host));
	w->guest = calloc(room * 4, sizeof(*w->guest));
	assert_non_null(w->host);
	assert_non_null(w->guest);
	for (unsigned cpu = 0; cpu < VCPUS; cpu++) {
		int64_t now = START + random_in(0, MS);

		while (now < START + length) {
			int64_t end = now + random_in(200 * US, 6 * MS), at;

			add_switch(w, cpu, now, RIVAL, FIRST_TID + (int32_t)cpu);
			/* Woken by a timer; or just going on where it was. */
			at = now +
			     (random_in(0, 2) ? random_in(3 * US, 60 * US) : random_in(0, 4 * MS));
			for (; at < end; at += random_in(5 * US, 2 * MS))
				add_guest(w, cpu, at);
			if (random_in(0, 1)) /* its last act is a switch to idle */
				add_guest(w, cpu, end - random_in(2 * US, 30 * US));
			add_switch(w, cpu, end, FIRST_TID + (int32_t)cpu, RIVAL);
			now = end + random_in(20 * US, 8 * MS);
		}
	}
	assert_true(w->n_host <= room && w->n_guest <= room * 4);
	qsort(w->host, w->n_host, sizeof(*w->host), compare_host);
	qsort(w->guest, w->n_guest, sizeof(*w->guest), compare_guest);
}

static void free_world(struct world *w)
{
	free(w->host);
	free(w->guest);
}

static size_t ping_bounds(const struct world *w, struct vmrt_clock_bound *out, size_t pings)
{
	for (size_t i = 0; i < pings; i++) {
		int64_t host = START + w->length / (int64_t)pings * (int64_t)i;
		int64_t local = to_local(w, host);
		int64_t offset = local - host;

		out[2 * i] =
			(struct vmrt_clock_bound){local, offset + random_in(300 * US, 8 * MS), 1};
		out[2 * i + 1] =
			(struct vmrt_clock_bound){local, offset - random_in(300 * US, 8 * MS), 0};
	}
	return 2 * pings;
}

/* One pass; the bounds found, checked against the truth. */
static size_t pass(const struct world *w, const struct vmrt_clockmap *prior,
	struct vmrt_clock_bound **bounds, struct causality_stats *stats)
{
	const int32_t tids[VCPUS] = {FIRST_TID, FIRST_TID + 1};
	struct causality *c;
	size_t host = 0, n;

	assert_int_equal(causality_new(prior, tids, VCPUS, &c, NULL), VMRT_OK);
	for (size_t i = 0; i < w->n_guest; i++) {
		int64_t when = causality_when(c, w->guest[i].local);

		while (host < w->n_host && w->host[host].ts <= when)
			assert_int_equal(causality_host(c, &w->host[host++]), VMRT_OK);
		if (host == w->n_host)
			break;
		assert_int_equal(causality_guest(c, w->guest[i].cpu, w->guest[i].local), VMRT_OK);
	}
	assert_int_equal(causality_finish(c, bounds, &n), VMRT_OK);
	causality_stats(c, stats);
	causality_free(c);
	for (size_t i = 0; i < n; i++) {
		int64_t truth = true_offset(w, &(*bounds)[i]);
		int64_t over = (*bounds)[i].upper ? truth - (*bounds)[i].offset_ns
						  : (*bounds)[i].offset_ns - truth;

		if (over > 2)
			fail_msg("%s bound %zu of %zu is wrong by %lld ns",
				(*bounds)[i].upper ? "upper" : "lower", i, n, (long long)over);
	}
	return n;
}

/* Passes until it gets no better; the error reached. */
static int64_t refine(const struct world *w, int passes, struct causality_stats *stats)
{
	enum { PINGS = 60 };
	struct vmrt_clock_bound pings[2 * PINGS];
	size_t n_pings = ping_bounds(w, pings, PINGS);
	struct vmrt_clockmap map;
	int64_t error;

	assert_int_equal(vmrt_clockmap_fit(pings, n_pings, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	for (int k = 0; k < passes; k++) {
		struct vmrt_clock_bound *found, *all;
		struct vmrt_clockmap better;
		size_t n = pass(w, &map, &found, stats);

		all = calloc(n + n_pings, sizeof(*all));
		assert_non_null(all);
		if (n)
			memcpy(all, found, n * sizeof(*all));
		memcpy(all + n, pings, n_pings * sizeof(*all));
		assert_int_equal(
			vmrt_clockmap_fit(all, n + n_pings, VMRT_CLOCK_CAUSALITY, &better, NULL),
			VMRT_OK);
		free(all);
		free(found);
		vmrt_clockmap_free(&map);
		map = better;
	}
	assert_int_equal(map.n, 1);
	for (int64_t host = START; host < START + w->length; host += w->length / 100) {
		int64_t local = to_local(w, host);

		assert_true(llabs(vmrt_clockmap_to_host(&map, local, NULL) - host) <=
			    vmrt_clockmap_error(&map, local, NULL));
	}
	error = vmrt_clockmap_worst(&map);
	vmrt_clockmap_free(&map);
	return error;
}

static void truth_is_within_the_bound_and_the_bound_is_tight(void **unused)
{
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 1;
	int64_t worst = 0;

	(void)unused;
	print_message("seed %llu\n", (unsigned long long)seed);
	state = seed;
	for (int k = 0; k < 30; k++) {
		struct causality_stats stats;
		struct world w;
		int64_t error;

		simulate(&w, random_in(2 * S, 10 * S), (double)random_in(-50000, 50000) * 1e-9);
		error = refine(&w, 3, &stats);
		assert_int_equal(stats.outside, 0);
		assert_int_equal(stats.holes, 0);
		if (error > worst)
			worst = error;
		free_world(&w);
	}
	print_message("worst error bound %lld ns\n", (long long)worst);
	assert_true(worst < 60 * US);
}

static void lost_events_cost_bounds_but_make_none_wrong(void **unused)
{
	uint64_t seed = (uint64_t)time(NULL) * 40503u + 1;

	(void)unused;
	print_message("seed %llu\n", (unsigned long long)seed);
	state = seed;
	for (int k = 0; k < 30; k++) {
		struct causality_stats stats;
		uint64_t lost[VCPUS] = {0};
		struct world w;
		size_t kept = 0, next_loss = 100;

		simulate(&w, 4 * S, 20e-6);
		for (size_t i = 0; i < w.n_host; i++) {
			struct vmrt_event *e = &w.host[i];

			if (i >= next_loss && i < next_loss + 9) {
				lost[e->cpu]++;
				if (i == next_loss + 8)
					next_loss += 200 + (size_t)random_in(0, 300);
				continue;
			}
			e->lost = lost[e->cpu];
			lost[e->cpu] = 0;
			w.host[kept++] = *e;
		}
		w.n_host = kept;
		refine(&w, 3, &stats);
		assert_true(stats.holes > 0);
		free_world(&w);
	}
}

static void silently_missing_switches_are_found_by_the_broken_chain(void **unused)
{
	uint64_t seed = (uint64_t)time(NULL) * 69069u + 1;

	(void)unused;
	print_message("seed %llu\n", (unsigned long long)seed);
	state = seed;
	for (int k = 0; k < 30; k++) {
		struct causality_stats stats;
		struct world w;
		bool dropped[VCPUS] = {false};
		size_t kept = 0;

		simulate(&w, 4 * S, -20e-6);
		for (size_t i = 0; i < w.n_host; i++) {
			bool *before = &dropped[w.host[i].cpu];

			/* A whole run that is missing leaves no trace in the chain: not here. */
			if (i > 50 && !*before && !random_in(0, 99)) {
				*before = true;
				continue;
			}
			*before = false;
			w.host[kept++] = w.host[i];
		}
		w.n_host = kept;
		refine(&w, 3, &stats);
		assert_true(stats.holes > 0);
		free_world(&w);
	}
}

static void wrong_threads_show_as_events_outside(void **unused)
{
	struct causality_stats stats;
	struct vmrt_clock_bound *bounds;
	struct vmrt_clockmap map;
	const int32_t tids[VCPUS] = {FIRST_TID + 1, FIRST_TID};
	struct causality *c;
	struct world w;
	size_t host = 0, n;

	(void)unused;
	state = 5;
	simulate(&w, 4 * S, 0);
	assert_int_equal(vmrt_clockmap_constant(OFFSET, 200 * US, VMRT_CLOCK_PINGS, &map), VMRT_OK);
	assert_int_equal(causality_new(&map, tids, VCPUS, &c, NULL), VMRT_OK);
	for (size_t i = 0; i < w.n_guest && host < w.n_host; i++) {
		while (host < w.n_host && w.host[host].ts <= causality_when(c, w.guest[i].local))
			causality_host(c, &w.host[host++]);
		causality_guest(c, w.guest[i].cpu, w.guest[i].local);
	}
	assert_int_equal(causality_finish(c, &bounds, &n), VMRT_OK);
	causality_stats(c, &stats);
	assert_true(stats.outside * 5 > stats.inside);
	free(bounds);
	causality_free(c);
	vmrt_clockmap_free(&map);
	free_world(&w);
}

static void without_threads_there_is_nothing_to_conclude(void **unused)
{
	const int32_t tids[2] = {-1, -1};
	struct vmrt_clockmap map = {0};
	struct causality *c;

	(void)unused;
	assert_int_equal(causality_new(&map, tids, 2, &c, NULL), VMRT_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_is_within_the_bound_and_the_bound_is_tight),
		cmocka_unit_test(lost_events_cost_bounds_but_make_none_wrong),
		cmocka_unit_test(silently_missing_switches_are_found_by_the_broken_chain),
		cmocka_unit_test(wrong_threads_show_as_events_outside),
		cmocka_unit_test(without_threads_there_is_nothing_to_conclude),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

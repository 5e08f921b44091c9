/* SPDX-License-Identifier: MIT */
/*
 * test_sim_servers: server policies, as they should be and broken on purpose, against the engine
 * and its checker.
 *
 *   test_sim_servers                      the cases of a CI run, as TAP
 *   test_sim_servers --seed N [-v] [-e]   one case again; -v: its description, -e: its events
 *   test_sim_servers --from N --count N   other seeds
 *   test_sim_servers --kernel NAME ...    all with that kernel: 3.10 ... 6.18, -rt, -32
 *
 * With VMRT_SIM_PERIODS=1, --seed also prints the periods and violations that the engine gave.
 */
#include "srv.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(TESTS_SANITIZED)
#define DEFAULT_COUNT 1000
#else
#define DEFAULT_COUNT 6000
#endif
#define SHOWN 8 /* failures of one group that are printed */

static bool verbose, show_events, fixed_kernel;
static struct sim_kernel kernel_of_all; /* for all cases */

const char *srv_fault_name(enum srv_fault fault)
{
	static const char *const names[] = {
#define X(name, words) words,
		SRV_FAULTS(X)
#undef X
	};

	return names[fault];
}

static const enum vmrt_policy policies[] = {VMRT_POLICY_PERIODIC, VMRT_POLICY_POLLING,
	VMRT_POLICY_DEFERRABLE, VMRT_POLICY_SPORADIC, VMRT_POLICY_EDF, VMRT_POLICY_DEADLINE,
	VMRT_POLICY_RT_GROUP, VMRT_POLICY_CFS_QUOTA, VMRT_POLICY_NONE};

#define N_POLICIES (sizeof(policies) / sizeof(policies[0]))

/* Which faults a policy can have, and the rules one of which must be violated. */
static const struct {
	enum srv_fault fault;
	unsigned policies, rules;
} faults[] = {
#define P(name) (1u << VMRT_POLICY_##name)
#define R(name) (1u << VMRT_RULE_##name)
	{FAULT_OVERRUN, P(PERIODIC) | P(POLLING) | P(DEFERRABLE) | P(EDF), R(BUDGET)},
	{FAULT_OVERRUN, P(SPORADIC), R(SLIDING)},
	{FAULT_LATE, P(PERIODIC) | P(POLLING) | P(DEFERRABLE) | P(EDF), R(REPLENISH)},
	{FAULT_SKIP, P(PERIODIC) | P(DEFERRABLE) | P(EDF), R(REPLENISH)},
	{FAULT_KEEP_PRIORITY, P(PERIODIC) | P(POLLING) | P(DEFERRABLE) | P(SPORADIC) | P(EDF),
		R(DEPLETED)},
	{FAULT_EARLY, P(PERIODIC) | P(POLLING) | P(DEFERRABLE) | P(EDF), R(PRESERVE) | R(SUPPLY)},
	{FAULT_KEEP_BUDGET, P(PERIODIC), R(IDLE_BURN)},
	{FAULT_KEEP_BUDGET, P(POLLING), R(DISCARD)},
	{FAULT_CARRY, P(DEFERRABLE) | P(EDF), R(CARRY_OVER)},
	{FAULT_CHUNK_EARLY, P(SPORADIC), R(REPLENISH)},
	{FAULT_CHUNK_MORE, P(SPORADIC), R(CHUNK)},
	{FAULT_ORDER, P(EDF), R(PRIORITY)},
	{FAULT_NOT_RAISED, P(PERIODIC) | P(POLLING) | P(DEFERRABLE), R(PRIORITY)},
	{FAULT_RECLAIM, P(DEADLINE) | P(RT_GROUP) | P(CFS_QUOTA),
		R(CUMULATIVE) | R(BUDGET) | R(SLIDING)},
};

#define N_FAULTS (sizeof(faults) / sizeof(faults[0]))

/* What a seed stands for. */
static struct srv_case case_of(uint64_t seed)
{
	struct srv_case c = {.seed = seed, .markers = true};
	uint64_t state = seed ^ UINT64_C(0x12345);
	bool kernel;

	c.policy = policies[sim_rand(&state) % N_POLICIES];
	kernel = vmrt_policy_by_kernel(c.policy);
	c.servers = (int)sim_between(&state, 1, SRV_MAX);
	c.cpus = (int)sim_between(&state, 1, SRV_CPUS);
	c.duration_ns = sim_between(&state, 250, 600) * MS;
	c.hard = sim_chance(&state, 30) && !kernel && c.policy != VMRT_POLICY_NONE;
	if (sim_chance(&state, 45)) {
		size_t f = sim_rand(&state) % N_FAULTS;

		if (faults[f].policies >> c.policy & 1)
			c.fault = faults[f].fault;
	}
	c.shared = c.cpus == 2 && sim_chance(&state, 40) && c.policy != VMRT_POLICY_DEADLINE &&
		   c.policy != VMRT_POLICY_CFS_QUOTA && c.fault == FAULT_NONE;
	if (c.fault == FAULT_ORDER)
		c.cpus = 1;
	if (c.fault != FAULT_NONE || c.shared)
		c.servers = c.fault == FAULT_ORDER ? 2 : 1;
	else if (!kernel && c.policy != VMRT_POLICY_NONE && sim_chance(&state, 12))
		c.markers = false;
	else if (sim_chance(&state, 20))
		c.late_start = true;
	else if (sim_chance(&state, 20))
		c.lossy = true;
	/* one that stops its threads has no priorities to keep */
	if (c.fault == FAULT_KEEP_PRIORITY || c.fault == FAULT_NOT_RAISED)
		c.hard = false;
	c.nudges = c.hard && sim_chance(&state, 60);
	srv_draw_kernel(&c, &state);
	if (fixed_kernel)
		c.kernel = kernel_of_all;
	return c;
}

static void print_event(const struct vmrt_event *ev, const char *text, int64_t start)
{
	printf("# %12.3f c%u pid %-3d ", (double)(ev->ts - start) / 1000, ev->cpu, ev->pid);
	if (ev->type == VMRT_EV_SWITCH)
		printf("switch %d (%d) state %" PRId64 " -> %d (%d)\n", ev->sw.prev_pid,
			ev->sw.prev_prio, ev->sw.prev_state, ev->sw.next_pid, ev->sw.next_prio);
	else if (ev->type == VMRT_EV_WAKING || ev->type == VMRT_EV_WAKEUP)
		printf("wake %d\n", ev->wake.pid);
	else if (ev->type == VMRT_EV_MARK)
		printf("mark %s\n", text);
	else
		printf("timer %d %" PRIx64 " fn %d expires %.3f\n", ev->type, ev->timer.timer,
			ev->timer.fn, (double)(ev->timer.expires - start) / 1000);
}

static void describe(const struct srv_result *r)
{
	const struct srv_case *c = &r->c;
	char name[24];

	printf("# seed %" PRIu64 ": %s, kernel %s%s, clock within %" PRId64
	       " ns, fault %s%s%s%s%s, %d CPUs, %" PRId64 " ms, %zu events\n",
		c->seed, vmrt_policy_name(c->policy), sim_kernel_name(&c->kernel, name),
		c->remote ? " (remote wake-ups)" : "", c->clock_ns, srv_fault_name(c->fault),
		c->nudges ? ", hard, stops sleepers"
		: c->hard ? ", hard"
			  : "",
		c->shared ? ", shared" : "", c->markers ? "" : ", no markers",
		c->late_start ? ", late start"
		: c->lossy    ? ", lossy"
			      : "",
		c->cpus, c->duration_ns / MS, r->n_events);
	for (int i = 0; i < c->servers; i++)
		printf("#   srv%d: %" PRId64 " us every %" PRId64
		       ", priority %d, grid from %.3f us, fault at %.3f us\n",
			i, r->specs[i].budget_ns / 1000, r->specs[i].period_ns / 1000,
			r->specs[i].priority, (double)(r->logs[i].t0 - r->start_ns) / 1000,
			(double)(r->logs[i].fault_ns - r->start_ns) / 1000);
}

static int try_case(const struct srv_case *c, int show, struct srv_seen *seen, bool *done)
{
	struct srv_result *r = srv_run(c);
	int bad;

	if (show && (verbose || show > 1))
		describe(r);
	for (size_t i = 0; show && show_events && i < r->n_events; i++)
		print_event(&r->events[i].ev, r->events[i].text, r->start_ns);
	bad = srv_check(r, stdout, show, seen);
	*done = false;
	for (int i = 0; i < c->servers; i++)
		*done |= r->logs[i].fault_ns &&
			 r->logs[i].fault_ns + 3 * r->specs[i].period_ns < r->end_ns;
	srv_free(r);
	return bad;
}

struct tally {
	int cases, bad, fitted;
	int64_t judged;
};

struct fault_tally {
	int cases, detected;
};

static void run_one(uint64_t seed, struct tally *tally, struct fault_tally *broken)
{
	struct srv_case c = case_of(seed);
	struct srv_seen seen = {0};
	bool done;
	int bad = try_case(&c, 0, &seen, &done);

	tally->cases++;
	tally->fitted += seen.fitted;
	for (int r = 0; r < VMRT_RULES; r++)
		tally->judged += seen.judged[r];
	for (size_t f = 0; f < N_FAULTS && c.fault != FAULT_NONE; f++) {
		if (faults[f].fault != c.fault || !(faults[f].policies >> c.policy & 1) ||
			(!done && c.fault != FAULT_KEEP_BUDGET && c.fault != FAULT_ORDER))
			continue;
		broken[f].cases++;
		broken[f].detected += (seen.rules & faults[f].rules) != 0;
	}
	if (!bad)
		return;
	if (tally->bad++ < SHOWN) {
		memset(&seen, 0, sizeof(seen));
		try_case(&c, 6, &seen, &done);
		printf("#   again: test_sim_servers --seed %" PRIu64 " -v\n", seed);
	}
}

static int run_all(uint64_t from, uint64_t count)
{
	struct tally tallies[N_POLICIES] = {0};
	struct fault_tally broken[N_FAULTS] = {0};
	int all = 0, n = 0;

	for (uint64_t seed = from; seed < from + count; seed++)
		for (size_t p = 0; p < N_POLICIES; p++)
			if (policies[p] == case_of(seed).policy)
				run_one(seed, &tallies[p], broken);
	printf("1..%zu\n", N_POLICIES + N_FAULTS);
	for (size_t p = 0; p < N_POLICIES; p++) {
		all += tallies[p].bad;
		printf("%sok %d - %s: periods exact, violations all and no others (%d cases, "
		       "%" PRId64 " windows judged, %d failed)\n",
			tallies[p].bad ? "not " : "", ++n,
			policies[p] == VMRT_POLICY_NONE ? "no server"
							: vmrt_policy_name(policies[p]),
			tallies[p].cases, tallies[p].judged, tallies[p].bad);
		if (tallies[p].fitted)
			printf("# %d phases fitted\n", tallies[p].fitted);
	}
	/* what is broken nearly always does harm, and all harm is reported above: here, that it is
	 * broken at all */
	for (size_t f = 0; f < N_FAULTS; f++) {
		bool ok = broken[f].detected * 10 >= broken[f].cases * 9;

		all += !ok;
		printf("%sok %d - fault %s is detected in %d of %d cases\n", ok ? "" : "not ", ++n,
			srv_fault_name(faults[f].fault), broken[f].detected, broken[f].cases);
	}
	return all ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"from", required_argument, NULL, 'F'}, {"count", required_argument, NULL, 'c'},
		{"kernel", required_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
	uint64_t from = 1, count = DEFAULT_COUNT;
	const char *set = getenv("VMRT_SIM_CASES");
	struct srv_seen seen = {0};
	struct srv_case c;
	bool one = false, done;
	uint64_t seed = 0;
	int opt;

	if (set)
		count = strtoull(set, NULL, 0);
	while ((opt = getopt_long(argc, argv, "ve", options, NULL)) != -1) {
		if (opt == 's') {
			one = true;
			seed = strtoull(optarg, NULL, 0);
		} else if (opt == 'F') {
			from = strtoull(optarg, NULL, 0);
		} else if (opt == 'c') {
			count = strtoull(optarg, NULL, 0);
		} else if (opt == 'k') {
			fixed_kernel = sim_parse_kernel(optarg, &kernel_of_all);
			if (!fixed_kernel) {
				fprintf(stderr, "test_sim_servers: there is no kernel \"%s\"\n",
					optarg);
				return 64;
			}
		} else if (opt == 'v') {
			verbose = true;
		} else if (opt == 'e') {
			show_events = true;
		} else {
			return 64;
		}
	}
	c = case_of(seed);
	if (one)
		return try_case(&c, 1000, &seen, &done) ? EXIT_FAILURE : EXIT_SUCCESS;
	return run_all(from, count);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_sim: thousands of random cases of the simulator against the engine.
 *
 *   test_sim                     the cases of a CI run, in groups of features, as TAP
 *   test_sim --seed N [-v] [-e]  one case again; -v: its description, -e: its events and jobs
 *   test_sim --from N --count N  other seeds
 *   test_sim --kernel NAME ...   all machines with that kernel: 3.10 ... 6.18, -rt, -32
 */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BIT(f) (UINT64_C(1) << SIM_##f)
#define CONFLICTS                                                                                  \
	(BIT(LOSS) | BIT(BROKEN) | BIT(LATE_START) | BIT(DRIFT) | BIT(CLOCK_ERROR) |               \
		BIT(CLIPPED) | BIT(RECORD_CLOCK) | BIT(CATCH_UP))
#if defined(__SANITIZE_ADDRESS__) || defined(TESTS_SANITIZED)
#define DEFAULT_COUNT 1500
#else
#define DEFAULT_COUNT 8000
#endif
#define FIRST_SHOWN 12 /* failures of one group that are printed in full */

static bool verbose, show_events;
static bool one_kernel; /* for all cases */
static struct sim_kernel kernel;

/* What a seed stands for, where nothing else is asked for. */
static struct sim_case case_of(uint64_t seed)
{
	struct sim_case c = {.seed = seed, .one_kernel = one_kernel, .kernel = kernel};
	uint64_t state = seed ^ UINT64_C(0x5bd1e995), later = seed ^ UINT64_C(0x6a09e667);
	uint64_t one_of[] = {0, 0, 0, 0, BIT(DRIFT), BIT(CLOCK_ERROR), BIT(LATE_START), BIT(LOSS),
		BIT(BROKEN), BIT(CLIPPED)};
	int percent = (int)sim_between(&state, 10, 70);

	/* what has come since has its own numbers, so that seeds go on to mean what they did */
	for (int f = 0; f <= SIM_BROKEN; f++)
		if (sim_chance(&state, percent))
			c.features |= UINT64_C(1) << f;
	c.features &= ~CONFLICTS;
	c.features |= one_of[sim_rand(&state) % (sizeof(one_of) / sizeof(one_of[0]))];
	if (c.features & (BIT(LOSS) | BIT(BROKEN) | BIT(CLIPPED)))
		c.features &= ~BIT(STEAL);
	c.tasks = (int)sim_between(&state, 1, SIM_TASKS - 1);
	c.duration_ns = sim_between(&state, 40, 200) * MS;
	if (!(c.features & CONFLICTS) && sim_chance(&later, 25))
		c.features |= BIT(RECORD_CLOCK);
	if (!(c.features & (CONFLICTS | BIT(RESPAWN) | BIT(RENAME))) && sim_chance(&later, 25))
		c.features |= BIT(CATCH_UP);
	return c;
}

static void print_event(const struct sim_event *e, int64_t start)
{
	const struct vmrt_event *ev = &e->ev;

	printf("# %12.3f m%u c%u pid %-3d %s", (double)(e->host_ns - start) / 1000, e->machine,
		ev->cpu, ev->pid, ev->flags ? "irq " : "");
	switch (ev->type) {
	case VMRT_EV_SWITCH:
		printf("switch %d (%d) state %" PRId64 " -> %d (%d)", ev->sw.prev_pid,
			ev->sw.prev_prio, ev->sw.prev_state, ev->sw.next_pid, ev->sw.next_prio);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		printf("%s %d on %d",
			ev->type == VMRT_EV_WAKING   ? "waking"
			: ev->type == VMRT_EV_WAKEUP ? "wakeup"
						     : "new",
			ev->wake.pid, ev->wake.target_cpu);
		break;
	case VMRT_EV_MIGRATE:
		printf("migrate %d from %d to %d", ev->migrate.pid, ev->migrate.orig_cpu,
			ev->migrate.dest_cpu);
		break;
	case VMRT_EV_TIMER_SETUP:
		printf("setup %" PRIx64 " mode %d", ev->timer.timer, ev->timer.mode);
		break;
	case VMRT_EV_TIMER_START:
		printf("start %" PRIx64 " fn %d expires in %.3f", ev->timer.timer, ev->timer.fn,
			(double)(ev->timer.expires - ev->ts) / 1000);
		break;
	case VMRT_EV_TIMER_EXPIRE:
		printf("expire %" PRIx64 " fn %d", ev->timer.timer, ev->timer.fn);
		break;
	case VMRT_EV_TIMER_CANCEL:
		printf("cancel %" PRIx64, ev->timer.timer);
		break;
	case VMRT_EV_WHEEL_START:
	case VMRT_EV_WHEEL_EXPIRE:
		printf("wheel %s fn %d, %" PRIu64 " of %" PRIu64,
			ev->type == VMRT_EV_WHEEL_START ? "start" : "expire", ev->wheel.fn,
			ev->wheel.now, ev->wheel.expires);
		break;
	case VMRT_EV_PI:
		printf("pi %d: %d to %d", ev->pi.pid, ev->pi.old_prio, ev->pi.new_prio);
		break;
	case VMRT_EV_MARK:
		printf("mark %s", e->text);
		break;
	case VMRT_EV_EXIT:
		printf("exit");
		break;
	default:
		printf("other");
		break;
	}
	if (ev->lost)
		printf(" LOST");
	printf("\n");
}

static void describe(const struct sim_result *r)
{
	char name[24];

	printf("# seed %" PRIu64 ": %d tasks, %" PRId64
	       " ms, %zu events, %zu jobs, %zu periods\n#  ",
		r->c.seed, r->c.tasks, r->c.duration_ns / MS, r->n_events, r->truth.n_jobs,
		r->truth.n_periods);
	for (int f = 0; f < SIM_N_FEATURES; f++)
		if (r->c.features >> f & 1)
			printf(" %s", sim_feature_name(f));
	printf("\n");
	for (size_t i = 0; i < r->config.n_machines; i++)
		printf("#   %s: kernel %s, clock %s\n", r->machines[i].name,
			sim_kernel_name(&r->kernels[i], name),
			r->clocks[i].name ? r->clocks[i].name : "mono");
	for (size_t i = 0; i < r->config.n_machines; i++)
		for (unsigned k = 0; r->clocks[i].name && k < r->machines[i].cpus; k++)
			printf("#   %s, cpu %u: clock mapped to %" PRId64 " ns\n",
				r->machines[i].name, k, r->clocks[i].error_ns[k]);
	for (size_t i = 0; i < r->exp.n_tasks; i++)
		printf("#   t%zu on %s (%s%s): period %" PRId64 " us, wcet %" PRId64
		       ", deadline %" PRId64 ", priority %d\n",
			i, r->tasks[i].machine,
			r->late[i] == CATCH_UP_ANEW   ? "nanosleep, begins anew"
			: r->late[i] == CATCH_UP_REST ? "sleeps for the rest"
						      : vmrt_release_name(r->how[i]),
			r->tasks[i].release ? ", declared" : "", r->tasks[i].period_ns / 1000,
			r->tasks[i].wcet_ns / 1000, r->tasks[i].deadline_ns / 1000,
			r->tasks[i].priority);
	for (size_t i = 0; i < r->exp.n_servers; i++)
		printf("#   %s: %" PRId64 " us every %" PRId64 ", priority %d\n",
			r->servers[i].name, r->servers[i].budget_ns / 1000,
			r->servers[i].period_ns / 1000, r->servers[i].priority);
}

static int try_case(const struct sim_case *c, int show)
{
	struct sim_result *r = sim_run(c);
	int bad;

	if (show && (verbose || show > 1))
		describe(r);
	for (size_t i = 0; show && show_events && i < r->n_events; i++)
		print_event(&r->events[i], r->truth.start_ns);
	for (size_t i = 0; show && show_events && i < r->truth.n_steals; i++)
		printf("# cpu %u stolen from %.3f to %.3f\n", r->truth.steals[i].cpu,
			(double)(r->truth.steals[i].from_ns - r->truth.start_ns) / 1000,
			(double)(r->truth.steals[i].to_ns - r->truth.start_ns) / 1000);
	bad = sim_check(r, stdout, show, show && show_events);
	sim_free(r);
	return bad;
}

/* Leaves out whatever the failure does not need. */
static struct sim_case minimised(struct sim_case c)
{
	bool smaller = true;

	while (smaller) {
		struct sim_case with = c;

		smaller = false;
		if (!with.one_kernel) {
			with.one_kernel = true;
			with.kernel = (struct sim_kernel){.gen = GEN_6_18};
			if (try_case(&with, 0)) {
				c = with;
				smaller = true;
			}
		}
		for (int f = 0; f < SIM_N_FEATURES; f++) {
			with = c;
			with.features &= ~(UINT64_C(1) << f);
			if (with.features == c.features || !try_case(&with, 0))
				continue;
			c = with;
			smaller = true;
		}
		for (with = c; with.tasks > 1; c = with, smaller = true) {
			with.tasks--;
			if (!try_case(&with, 0))
				break;
		}
		for (with = c; with.duration_ns > 15 * MS; c = with, smaller = true) {
			with.duration_ns = with.duration_ns * 3 / 4 / MS * MS;
			if (!try_case(&with, 0))
				break;
		}
	}
	return c;
}

static void print_replay(const struct sim_case *c)
{
	char name[24];

	if (c->one_kernel)
		printf("#   again: test_sim --kernel %s --seed", sim_kernel_name(&c->kernel, name));
	else
		printf("#   again: test_sim --seed");
	printf(" %" PRIu64 " --features 0x%" PRIx64 " --tasks %d --ms %" PRId64 " -v\n", c->seed,
		c->features, c->tasks, c->duration_ns / MS);
}

static int failed(uint64_t seed, bool in_full)
{
	struct sim_case c = case_of(seed);
	int bad = try_case(&c, 0);

	if (!bad)
		return 0;
	printf("# seed %" PRIu64 ": %d differences\n", seed, bad);
	if (in_full) {
		c = minimised(c);
		try_case(&c, 4);
		print_replay(&c);
	}
	return 1;
}

static const struct group {
	uint64_t with;
	const char *name;
} groups[] = {
	{0, "whole recordings: jobs, blame, periods, slices and steal are exact"},
	{BIT(DRIFT), "guest clocks that drift: local times exact, host times within 2 ns"},
	{BIT(CLOCK_ERROR), "clock maps with an error: within the bound"},
	{BIT(LATE_START), "recordings that begin late: what is seen whole is exact"},
	{BIT(LOSS), "lost events: touched jobs and periods are unknown, all others right"},
	{BIT(CLIPPED),
		"CPUs that are recorded in part: touched jobs are unknown, all others right"},
	{BIT(RECORD_CLOCK), "recordings in other clocks: within the stated error"},
	{BIT(CATCH_UP), "tasks that catch up without a sleep: right, unknown, or marked"},
	{BIT(BROKEN), "missing switches: found, and periods right within the uncertainty"},
};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

static int run_all(uint64_t from, uint64_t count)
{
	int bad[N_GROUPS] = {0}, all = 0;
	uint64_t cases[N_GROUPS] = {0};
	int64_t started = vmrt_now_ns(), took;

	for (uint64_t seed = from; seed < from + count; seed++) {
		uint64_t with = case_of(seed).features & CONFLICTS;

		for (size_t g = 0; g < N_GROUPS; g++) {
			if (groups[g].with != with)
				continue;
			cases[g]++;
			bad[g] += failed(seed, bad[g] < FIRST_SHOWN);
		}
	}
	took = vmrt_now_ns() - started;
	printf("1..%zu\n", N_GROUPS);
	for (size_t g = 0; g < N_GROUPS; g++) {
		printf("%sok %zu - %s (%" PRIu64 " cases, %d failed)\n", bad[g] ? "not " : "",
			g + 1, groups[g].name, cases[g], bad[g]);
		all += bad[g];
	}
	printf("# %" PRIu64 " cases, %.0f per second\n", count, (double)count * 1e9 / (double)took);
	return all ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"features", required_argument, NULL, 'f'}, {"tasks", required_argument, NULL, 't'},
		{"ms", required_argument, NULL, 'm'}, {"from", required_argument, NULL, 'F'},
		{"count", required_argument, NULL, 'c'}, {"kernel", required_argument, NULL, 'k'},
		{NULL, 0, NULL, 0}};
	uint64_t from = 1, count = DEFAULT_COUNT;
	struct sim_case c = {0};
	const char *set = getenv("VMRT_SIM_CASES");
	bool one = false;
	int opt;

	if (set)
		count = strtoull(set, NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt_long(argc, argv, "ve", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			one = true;
			c = case_of(strtoull(optarg, NULL, 0));
			break;
		case 'f':
			c.features = strtoull(optarg, NULL, 0);
			break;
		case 't':
			c.tasks = atoi(optarg);
			break;
		case 'm':
			c.duration_ns = atoll(optarg) * MS;
			break;
		case 'F':
			from = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			count = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			one_kernel = sim_parse_kernel(optarg, &kernel);
			if (!one_kernel) {
				fprintf(stderr, "test_sim: there is no kernel \"%s\"\n", optarg);
				return 64;
			}
			c.one_kernel = true;
			c.kernel = kernel;
			break;
		case 'v':
			verbose = true;
			break;
		case 'e':
			show_events = true;
			break;
		default:
			return 64;
		}
	}
	if (one)
		return try_case(&c, 1000) ? EXIT_FAILURE : EXIT_SUCCESS;
	return run_all(from, count);
}

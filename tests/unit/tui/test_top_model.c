/* SPDX-License-Identifier: MIT */
/* What vmrt-top makes of records: counts, windows, percentiles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"

#include "tui/model/model.h"
#include "tui/model/responses.h"

#define MS VMRT_NS_PER_MS
#define BASE (100 * VMRT_NS_PER_S)

static struct vmrt_server_spec server_spec = {.name = "s",
	.vm = "v",
	.vcpu = -1,
	.policy = VMRT_POLICY_DEFERRABLE,
	.period_ns = 10 * MS,
	.budget_ns = 6 * MS,
	.priority = 50};
static struct vmrt_task_spec task_spec = {.machine = "v",
	.name = "t",
	.period_ns = 20 * MS,
	.wcet_ns = 8 * MS,
	.deadline_ns = 20 * MS};
static struct vmrt_experiment experiment = {
	.servers = &server_spec, .n_servers = 1, .tasks = &task_spec, .n_tasks = 1};
static const struct vmrt_engine_machine host[] = {
	{.name = VMRT_HOST, .cpus = 1}, {.name = "v", .cpus = 1}};
static struct vmrt_engine_config config = {.experiment = &experiment,
	.machines = host,
	.n_machines = 2,
	.start_ns = VMRT_UNKNOWN,
	.end_ns = VMRT_UNKNOWN};

struct fixture {
	struct top_model *model;
	struct vmrt_engine *engine;
	struct vmrt_sink sink;
	struct top_view view;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(top_model_new(&config, &f->model, NULL), VMRT_OK);
	top_model_sink(f->model, &f->sink);
	assert_int_equal(vmrt_engine_new(&config, &f->sink, &f->engine, NULL), VMRT_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vmrt_engine_free(f->engine);
	top_model_free(f->model);
	top_view_free(&f->view);
	free(f);
	return 0;
}

static void update_view(struct fixture *f, int64_t now_ns)
{
	assert_int_equal(top_model_view(f->model, f->engine, BASE, now_ns, &f->view), VMRT_OK);
}

static void job(
	struct fixture *f, int64_t k, enum vmrt_outcome outcome, int64_t response_ns, bool excused)
{
	struct vmrt_job j = {.task = 0,
		.k = k,
		.outcome = outcome,
		.response_ns = response_ns,
		.excused = excused,
		.end_ns = BASE + k * 20 * MS + response_ns};

	if (response_ns == VMRT_UNKNOWN)
		j.end_ns = VMRT_UNKNOWN;
	f->sink.job(f->sink.ctx, &j);
}

static void period(struct fixture *f, int64_t k, int64_t consumed_ns, int64_t background_ns,
	int64_t depleted_ns, enum vmrt_period_outcome outcome)
{
	struct vmrt_server_period p = {.server = 0,
		.k = k,
		.start_ns = BASE + k * 10 * MS,
		.end_ns = BASE + (k + 1) * 10 * MS,
		.budget_ns = 6 * MS,
		.consumed_ns = consumed_ns,
		.background_ns = background_ns,
		.depleted_ns = depleted_ns,
		.outcome = outcome};

	f->sink.server_period(f->sink.ctx, &p);
}

/* Another engine, with a task and a server before those that there were; or without these. */
static void begin_anew(struct fixture *f, const struct vmrt_engine_config *other)
{
	struct top_model *old = f->model;

	top_model_rest(old, f->engine);
	vmrt_engine_free(f->engine);
	assert_int_equal(top_model_new(other, &f->model, NULL), VMRT_OK);
	top_model_take_over(f->model, old);
	top_model_free(old);
	top_model_sink(f->model, &f->sink);
	assert_int_equal(vmrt_engine_new(other, &f->sink, &f->engine, NULL), VMRT_OK);
}

static void events(struct fixture *f, int n)
{
	for (int i = 0; i < n; i++) {
		struct vmrt_event e = {.type = VMRT_EV_SWITCH, .ts = BASE + i};

		e.sw.prev_comm = e.sw.next_comm = "swapper/0";
		assert_int_equal(vmrt_engine_push(f->engine, 0, &e, e.ts, 0), VMRT_OK);
	}
}

static void before_any_job_nothing_is_known(void **state)
{
	struct fixture *f = *state;

	update_view(f, VMRT_UNKNOWN);
	assert_int_equal(f->view.n_tasks, 1);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_NONE);
	assert_true(f->view.tasks[0].last_ns == VMRT_UNKNOWN);
	assert_true(f->view.tasks[0].p99_ns == VMRT_UNKNOWN);
	assert_true(isnan(f->view.servers[0].share));
	assert_true(f->view.servers[0].max_ns == VMRT_UNKNOWN);
	assert_false(f->view.mapped);
}

static void every_job_is_counted_in_exactly_one_class(void **state)
{
	struct fixture *f = *state;
	const struct top_task_row *t;

	job(f, 0, VMRT_OUTCOME_TRUNCATED, VMRT_UNKNOWN, false);
	job(f, 1, VMRT_OUTCOME_MET, 8 * MS, false);
	job(f, 2, VMRT_OUTCOME_MISSED, 25 * MS, false);
	job(f, 3, VMRT_OUTCOME_MISSED, 21 * MS, true);
	job(f, 4, VMRT_OUTCOME_UNKNOWN, 90 * MS, false);
	job(f, 5, VMRT_OUTCOME_MET, 7 * MS, false);
	job(f, 6, VMRT_OUTCOME_MISSED_INCOMPLETE, VMRT_UNKNOWN, false);
	update_view(f, BASE + 140 * MS);
	t = &f->view.tasks[0];
	assert_int_equal(t->jobs, 7);
	assert_int_equal(t->known, 5);
	assert_int_equal(t->missed, 3);
	assert_int_equal(t->excused, 1);
	assert_int_equal(t->unknown, 2);
	assert_int_equal(t->state, TOP_TASK_MISSED);
	/* the job of which events were lost has no response time to speak of */
	assert_int_equal(t->last_ns, 7 * MS);
	assert_int_equal(t->max_ns, 25 * MS);
	assert_int_equal(t->max_k, 2);
	assert_int_equal(t->p99_ns, 25 * MS);
	assert_false(t->p99_approximate);
}

static void the_first_job_of_the_maximum_is_named(void **state)
{
	struct fixture *f = *state;

	job(f, 0, VMRT_OUTCOME_MET, 9 * MS, false);
	job(f, 1, VMRT_OUTCOME_MET, 9 * MS, false);
	update_view(f, BASE);
	assert_int_equal(f->view.tasks[0].max_k, 0);
}

static void a_task_without_jobs_for_two_periods_and_a_deadline_is_quiet(void **state)
{
	struct fixture *f = *state;

	job(f, 0, VMRT_OUTCOME_MET, 8 * MS, false);
	update_view(f, BASE + 8 * MS + 60 * MS);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_MET);
	update_view(f, BASE + 8 * MS + 60 * MS + 1);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_QUIET);
}

static void the_share_is_that_of_the_last_second(void **state)
{
	struct fixture *f = *state;

	/* two seconds with 2 ms of 10, one with 5 + 1 ms */
	for (int k = 0; k < 200; k++)
		period(f, k, 2 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 2000 * MS);
	assert_near(f->view.servers[0].share, 0.2, 0.002);
	assert_near(f->view.servers[0].background, 0, 0);
	for (int k = 200; k < 300; k++)
		period(f, k, 5 * MS, 1 * MS, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 3000 * MS);
	assert_near(f->view.servers[0].share, 0.6, 0.006);
	assert_near(f->view.servers[0].background, 0.1, 0.001);
}

static void a_share_of_a_moment_is_not_shown(void **state)
{
	struct fixture *f = *state;

	for (int k = 0; k < 4; k++)
		period(f, k, 6 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 40 * MS);
	assert_true(isnan(f->view.servers[0].share));
	period(f, 4, 6 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 50 * MS);
	assert_near(f->view.servers[0].share, 0.6, 0.001);
}

static void a_share_across_an_unknown_period_is_unknown(void **state)
{
	struct fixture *f = *state;

	for (int64_t k = 0; k < 20; k++)
		period(f, k, 2 * MS, MS, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	period(f, 20, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_PERIOD_UNKNOWN);
	update_view(f, BASE + 210 * MS);
	assert_true(isnan(f->view.servers[0].share));
	assert_true(isnan(f->view.servers[0].background));
	/* only what follows counts, never the unknown period's numbers */
	for (int64_t k = 21; k < 31; k++)
		period(f, k, 4 * MS, 2 * MS, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 310 * MS);
	assert_near(f->view.servers[0].share, 0.6, 0.001);
	assert_near(f->view.servers[0].background, 0.2, 0.001);
}

/* 2 ms in each 10 ms until the enforcer ends; another one begins 0.8 s later and gives 6 ms. */
static void a_share_does_not_reach_over_a_time_without_periods(void **state)
{
	struct fixture *f = *state;

	for (int64_t k = 0; k < 20; k++)
		period(f, k, 2 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	/* of the last second, the 200 ms before the end of the periods are known */
	update_view(f, BASE + 900 * MS);
	assert_near(f->view.servers[0].share, 0.2, 0.001);
	update_view(f, BASE + 1190 * MS);
	assert_true(isnan(f->view.servers[0].share));
	for (int64_t k = 100; k < 110; k++)
		period(f, k, 6 * MS, MS, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	update_view(f, BASE + 1100 * MS);
	assert_near(f->view.servers[0].share, 0.7, 0.001);
	assert_near(f->view.servers[0].background, 0.1, 0.001);
}

/* The VM of the server does not run. */
static void of_a_server_without_threads_nothing_is_known(void **state)
{
	struct fixture *f = *state;

	update_view(f, BASE);
	assert_int_equal(f->view.servers[0].state, TOP_SERVER_ABSENT);
	assert_true(f->view.servers[0].used_ns == VMRT_UNKNOWN);
	assert_true(f->view.servers[0].soft_ns == VMRT_UNKNOWN);
	assert_true(f->view.servers[0].period_start_ns == VMRT_UNKNOWN);
}

static void a_task_of_a_machine_that_is_not_recorded_is_unseen(void **state)
{
	struct fixture *f = *state;
	struct vmrt_engine_config without = config;

	update_view(f, BASE);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_NONE);
	without.n_machines = 1;
	begin_anew(f, &without);
	update_view(f, BASE);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_UNSEEN);
	begin_anew(f, &config);
	update_view(f, BASE);
	assert_int_equal(f->view.tasks[0].state, TOP_TASK_NONE);
}

static void depletions_and_the_maximum_are_of_all_time(void **state)
{
	struct fixture *f = *state;

	period(f, 0, 9 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_TRUNCATED);
	period(f, 1, 6 * MS + 1, 2 * MS, BASE + 17 * MS, VMRT_PERIOD_DEPLETED);
	period(f, 2, 3 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_SERVED);
	period(f, 3, 8 * MS, 0, VMRT_UNKNOWN, VMRT_PERIOD_UNKNOWN);
	update_view(f, BASE + 40 * MS);
	assert_int_equal(f->view.servers[0].periods, 4);
	assert_int_equal(f->view.servers[0].depletions, 1);
	/* periods that are not known as a whole do not count */
	assert_int_equal(f->view.servers[0].max_ns, 6 * MS + 1);
}

static void steal_is_time_and_other_losses_are_not(void **state)
{
	struct fixture *f = *state;
	struct vmrt_loss steal = {.from_ns = BASE, .to_ns = BASE + 3 * MS, .kind = VMRT_LOSS_STEAL};
	struct vmrt_loss some = {
		.from_ns = BASE, .to_ns = BASE + 9 * MS, .kind = VMRT_LOSS_OVERRUN};

	f->sink.loss(f->sink.ctx, &steal);
	update_view(f, BASE);
	assert_int_equal(f->view.steal_ns, 3 * MS);
	assert_false(f->view.lost_at_least);
	f->sink.loss(f->sink.ctx, &some);
	update_view(f, BASE);
	assert_int_equal(f->view.steal_ns, 3 * MS);
	assert_true(f->view.lost_at_least);
}

static void at_the_end_the_kernels_count_says_how_much_was_lost(void **state)
{
	struct fixture *f = *state;
	struct vmrt_loss some = {
		.from_ns = BASE, .to_ns = BASE + 9 * MS, .kind = VMRT_LOSS_OVERRUN};

	f->sink.loss(f->sink.ctx, &some);
	top_model_lost(f->model, 0, 41, 1, 0);
	update_view(f, BASE);
	assert_int_equal(f->view.lost, 41);
	assert_int_equal(f->view.machines[0].stats.lost, 41);
	assert_false(f->view.lost_at_least);
	/* counted anew it is not known how much of it came later */
	top_model_reset(f->model, f->engine, BASE + 9 * MS);
	f->sink.loss(f->sink.ctx, &some);
	top_model_lost(f->model, 0, 41, 1, 0);
	update_view(f, BASE + 10 * MS);
	assert_int_equal(f->view.lost, 0);
	assert_true(f->view.lost_at_least);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Against all values sorted: exact up to the limit, then at most 1/64 too high and never too low.
 */
static void percentiles_are_exact_and_then_close(void **state)
{
	static int64_t values[3 * TOP_EXACT_MAX];
	static int64_t sorted[3 * TOP_EXACT_MAX];
	struct top_responses r = {0};
	uint64_t random = 88172645463325252u;

	(void)state;
	for (size_t n = 1; n <= 3 * TOP_EXACT_MAX; n++) {
		bool approximate;
		int64_t p99, truth;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		values[n - 1] = (int64_t)(random >> (8 + random % 40));
		assert_int_equal(top_responses_add(&r, values[n - 1]), VMRT_OK);
		if (n > 200 && n % 4001 && n != TOP_EXACT_MAX && n != TOP_EXACT_MAX + 1)
			continue;
		memcpy(sorted, values, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_value);
		truth = sorted[(n * 99 + 99) / 100 - 1];
		p99 = top_responses_p99(&r, &approximate);
		assert_int_equal(approximate, n > TOP_EXACT_MAX);
		assert_true(p99 >= truth);
		assert_true(approximate ? p99 <= truth + truth / 64 + 1 : p99 == truth);
		assert_true(p99 <= sorted[n - 1]);
	}
	top_responses_free(&r);
}

static void the_longest_times_have_a_place_in_the_histogram(void **state)
{
	struct top_responses r = {0};
	bool approximate;

	(void)state;
	for (int i = 0; i < TOP_EXACT_MAX + 10; i++)
		assert_int_equal(top_responses_add(&r, i % 2 ? INT64_MAX : -5), VMRT_OK);
	assert_true(top_responses_p99(&r, &approximate) == INT64_MAX);
	assert_true(approximate);
	top_responses_free(&r);
}

static void a_vm_without_a_server_gets_a_row_of_its_own(void **state)
{
	const struct vmrt_engine_vm vms[] = {{.name = "v"}, {.name = "w"}};
	struct vmrt_experiment *e;

	(void)state;
	assert_int_equal(top_experiment_new(&experiment, vms, 2, NULL, &e, NULL), VMRT_OK);
	assert_int_equal(e->n_servers, 2);
	assert_string_equal(e->servers[0].name, "s");
	assert_string_equal(e->servers[1].name, "w");
	assert_int_equal(e->servers[1].policy, VMRT_POLICY_NONE);
	assert_int_equal(e->n_tasks, 1);
	vmrt_experiment_free(e);
	assert_int_equal(top_experiment_new(&experiment, vms, 2, "w", &e, NULL), VMRT_OK);
	assert_int_equal(e->n_servers, 1);
	assert_string_equal(e->servers[0].name, "w");
	assert_int_equal(e->n_tasks, 0);
	vmrt_experiment_free(e);
	assert_int_equal(top_experiment_new(NULL, vms, 2, NULL, &e, NULL), VMRT_OK);
	assert_int_equal(e->n_servers, 2);
	vmrt_experiment_free(e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void the_rate_of_events_is_that_between_two_updates(void **state)
{
	struct fixture *f = *state;

	events(f, 100);
	update_view(f, BASE);
	assert_true(isnan(f->view.machines[0].events_per_s));
	events(f, 50);
	update_view(f, BASE + 2000 * MS);
	assert_near(f->view.machines[0].events_per_s, 25, 1e-9);
	/* what was counted before a reset is no part of it */
	top_model_reset(f->model, f->engine, BASE + 2000 * MS);
	events(f, 10);
	update_view(f, BASE + 2100 * MS);
	assert_true(isnan(f->view.machines[0].events_per_s));
	events(f, 30);
	update_view(f, BASE + 2600 * MS);
	assert_near(f->view.machines[0].events_per_s, 60, 1e-9);
}

/* The counts of the second task, whose jobs two engines gave. */
static void assert_counts_go_on(const struct top_task_row *t)
{
	assert_int_equal(t->jobs, 4);
	assert_int_equal(t->missed, 2);
	assert_int_equal(t->unknown, 1);
	assert_int_equal(t->max_ns, 30 * MS);
	assert_int_equal(t->facts.missed_late, 2);
	assert_int_equal(t->facts.response.n, 3);
	assert_int_equal(t->facts.response_p50, 25 * MS);
}

static void what_stays_goes_on_being_counted_by_the_next_engine(void **state)
{
	struct fixture *f = *state;
	struct vmrt_server_spec two_servers[2] = {server_spec, server_spec};
	struct vmrt_task_spec two_tasks[2] = {task_spec, task_spec};
	struct vmrt_experiment more = {
		.servers = two_servers, .n_servers = 2, .tasks = two_tasks, .n_tasks = 2};
	struct vmrt_experiment none = {.servers = two_servers, .tasks = two_tasks};
	struct vmrt_engine_config with_more = config, with_none = config;
	struct vmrt_job j = {.task = 1,
		.k = 0,
		.outcome = VMRT_OUTCOME_MISSED,
		.response_ns = 25 * MS,
		.thread = 3,
		.end_ns = BASE + 900 * MS,
		.n_blamed = 1,
		.blamed = {{.part = VMRT_BLAME_BUDGET, .thread = 4}}};
	struct vmrt_thread t = {.id = 0, .machine = 0, .vm = VMRT_NONE, .task = 0, .tid = 70};

	strcpy(two_servers[0].name, "first");
	strcpy(two_tasks[0].name, "first");
	with_more.experiment = &more;
	with_none.experiment = &none;
	f->sink.thread(f->sink.ctx, &t);
	job(f, 0, VMRT_OUTCOME_MET, 10 * MS, false);
	job(f, 1, VMRT_OUTCOME_MISSED, 30 * MS, false);
	job(f, 2, VMRT_OUTCOME_UNKNOWN, VMRT_UNKNOWN, false);
	period(f, 0, 6 * MS, 0, BASE + 6 * MS, VMRT_PERIOD_DEPLETED);
	events(f, 5);
	begin_anew(f, &with_more);
	f->sink.thread(f->sink.ctx, &t);
	f->sink.job(f->sink.ctx, &j);
	events(f, 3);
	update_view(f, BASE + 1000 * MS);
	assert_int_equal(f->view.tasks[0].jobs, 0);
	assert_counts_go_on(&f->view.tasks[1]);
	/* job numbers go on, and threads are not taken for those of the engine before */
	assert_int_equal(f->view.n_misses, 2);
	assert_int_equal(f->view.misses[1].job.k, 3);
	assert_int_equal(f->view.misses[0].job.task, 1);
	assert_int_equal(f->view.n_threads, 2);
	assert_int_equal(f->view.threads[0].task, 1);
	assert_int_equal(f->view.misses[1].job.thread, 1 + 3);
	assert_int_equal(f->view.misses[1].blamed[0].thread, 1 + 4);
	assert_int_equal(f->view.servers[0].depletions, 0);
	assert_int_equal(f->view.servers[1].depletions, 1);
	assert_int_equal(f->view.events, 5 + 3);
	assert_true(f->view.since_ns == VMRT_UNKNOWN);
	/* and without them */
	begin_anew(f, &with_none);
	update_view(f, BASE + 1000 * MS);
	assert_int_equal(f->view.n_tasks + f->view.n_servers + f->view.n_misses, 0);
	assert_int_equal(f->view.all_misses, 2);
	assert_int_equal(f->view.events, 5 + 3);
	/* the engine, which is freed later, must not point to what ends here */
	begin_anew(f, &config);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		TEST(before_any_job_nothing_is_known),
		TEST(every_job_is_counted_in_exactly_one_class),
		TEST(the_first_job_of_the_maximum_is_named),
		TEST(a_task_without_jobs_for_two_periods_and_a_deadline_is_quiet),
		TEST(the_share_is_that_of_the_last_second),
		TEST(a_share_of_a_moment_is_not_shown),
		TEST(a_share_across_an_unknown_period_is_unknown),
		TEST(a_share_does_not_reach_over_a_time_without_periods),
		TEST(of_a_server_without_threads_nothing_is_known),
		TEST(a_task_of_a_machine_that_is_not_recorded_is_unseen),
		TEST(the_rate_of_events_is_that_between_two_updates),
		TEST(depletions_and_the_maximum_are_of_all_time),
		TEST(steal_is_time_and_other_losses_are_not),
		TEST(at_the_end_the_kernels_count_says_how_much_was_lost),
		cmocka_unit_test(percentiles_are_exact_and_then_close),
		cmocka_unit_test(the_longest_times_have_a_place_in_the_histogram),
		TEST(what_stays_goes_on_being_counted_by_the_next_engine),
		cmocka_unit_test(a_vm_without_a_server_gets_a_row_of_its_own),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

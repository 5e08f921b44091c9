/* SPDX-License-Identifier: MIT */
/* The merge of live buffers and the pump: what comes, in which order, and what has to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pages.h"
#include "parser/source/merge.h"

#define HOST 0
#define GUEST 1
#define OFFSET 1000000 /* the host's clock minus the guest's, ns */
#define NONE INT64_MIN

struct live {
	struct tests_dat *dat[2];
	struct vmrt_formats *formats[2];
	size_t pushed[2];
	struct merge_input in[2], *inputs[2];
	struct vmrt_clockmap map;
	struct vmrt_merge merge;
	struct vmrt_engine *engine;
	struct vmrt_engine_config config;
	int64_t refuse_before;
	/* what the pump took */
	int64_t times[16];
	uint32_t machines[16];
	size_t n, stop_at;
};

static bool accept(void *ctx, struct merge_input *in)
{
	struct live *l = ctx;

	return in->host_ns >= l->refuse_before;
}

static void never(void *ctx, struct merge_input *in, const char *why)
{
	(void)ctx;
	(void)in;
	fail_msg("%s", why);
}

static bool see(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	struct live *l = ctx;

	(void)event;
	assert_true(l->n < 16);
	l->machines[l->n] = machine;
	l->times[l->n++] = host_ns;
	return l->n == l->stop_at;
}

static int begin(void **state)
{
	static struct live live, *const l = &live;
	static const struct merge_ops ops = {.malformed = never, .accept = accept};
	static const struct vmrt_sink nowhere;
	static const struct vmrt_engine_machine machines[2] = {
		{.name = VMRT_HOST, .cpus = 1}, {.name = "vm", .cpus = 1}};
	struct vmrt_error err;

	*l = (struct live){.refuse_before = NONE};
	for (int i = 0; i < 2; i++) {
		const char *const *texts, *const *systems;
		size_t n;

		l->dat[i] = tests_dat_new(1, TESTS_KERNEL_618);
		n = tests_dat_formats(l->dat[i], &texts, &systems);
		assert_int_equal(vmrt_formats_new(tests_dat_header_page(), texts, systems, n,
					 tests_dat_kallsyms(), &l->formats[i], &err),
			VMRT_OK);
		l->inputs[i] = &l->in[i];
		l->in[i].machine = (uint32_t)i;
		assert_int_equal(
			vmrt_stream_live(l->formats[i], 1, TESTS_PAGE_SIZE, &l->in[i].stream, &err),
			VMRT_OK);
		vmrt_stream_limit(l->in[i].stream, INT64_MAX);
	}
	l->in[GUEST].map = &l->map;
	l->merge = (struct vmrt_merge){.ops = &ops,
		.ctx = l,
		.inputs = l->inputs,
		.n = 2,
		.live = true,
		.upto_ns = VMRT_UNKNOWN,
		.floor_ns = INT64_MIN,
		.ceiling_ns = INT64_MAX};
	l->config = (struct vmrt_engine_config){.live = true,
		.machines = machines,
		.n_machines = 2,
		.start_ns = VMRT_UNKNOWN,
		.end_ns = VMRT_UNKNOWN};
	assert_int_equal(vmrt_engine_new(&l->config, &nowhere, &l->engine, &err), VMRT_OK);
	*state = l;
	return 0;
}

static void map_guest(struct live *l, int64_t offset)
{
	vmrt_clockmap_free(&l->map);
	assert_int_equal(vmrt_clockmap_constant(-offset, 0, VMRT_CLOCK_PINGS, &l->map), VMRT_OK);
}

/* The pages of both machines that are new become events. */
static void collect(struct live *l, int64_t upto_ns)
{
	for (int i = 0; i < 2; i++) {
		tests_dat_end_page(l->dat[i], 0);
		for (; l->pushed[i] < tests_dat_pages(l->dat[i], 0); l->pushed[i]++)
			assert_int_equal(vmrt_stream_push(l->in[i].stream, 0,
						 tests_dat_page(l->dat[i], 0, l->pushed[i]),
						 TESTS_PAGE_SIZE, NULL),
				VMRT_OK);
	}
	l->merge.upto_ns = upto_ns;
}

static enum vmrt_pumped pump(struct live *l, uint64_t most)
{
	struct vmrt_pump p = {.from = &l->merge,
		.to = l->engine,
		.until_ns = INT64_MAX,
		.most = most,
		.see = see,
		.ctx = l};

	return vmrt_pump(&p);
}

static int end(void **state)
{
	struct live *l = *state;

	vmrt_engine_free(l->engine);
	vmrt_clockmap_free(&l->map);
	for (int i = 0; i < 2; i++) {
		vmrt_stream_free(l->in[i].stream);
		vmrt_formats_free(l->formats[i]);
		tests_dat_free(l->dat[i]);
	}
	return 0;
}

static void event_at(struct live *l, int machine, int64_t host_ns)
{
	tests_dat_other(l->dat[machine], 0, host_ns - (machine ? OFFSET : 0));
}

/* All that lies before @upto_ns. Returns how many events have been seen since the beginning. */
static int seen_upto(struct live *l, int64_t upto_ns)
{
	collect(l, upto_ns);
	assert_int_equal(pump(l, UINT64_MAX), VMRT_PUMPED_ALL);
	return l->n;
}

static void live_events_of_two_machines_come_in_the_order_of_the_hosts_clock(void **state)
{
	struct live *l = *state;

	map_guest(l, OFFSET);
	event_at(l, HOST, 2000000);
	event_at(l, HOST, 4000000);
	event_at(l, GUEST, 3000000);
	assert_int_equal(seen_upto(l, INT64_MAX), 3);
	assert_int_equal(l->times[1], 3000000);
	assert_int_equal(l->machines[1], GUEST);
	assert_int_equal(vmrt_merge_time(&l->merge), 4000000);
}

static void events_behind_the_time_up_to_which_all_is_collected_wait(void **state)
{
	struct live *l = *state;

	map_guest(l, OFFSET);
	event_at(l, HOST, 2000000);
	event_at(l, HOST, 4000000);
	assert_int_equal(seen_upto(l, VMRT_UNKNOWN), 0);
	assert_int_equal(seen_upto(l, 3500000), 1);
	/* meanwhile the guest has sent one that belongs before */
	event_at(l, GUEST, 3600000);
	assert_int_equal(seen_upto(l, 5000000), 3);
	assert_int_equal(l->machines[1], GUEST);
	assert_int_equal(l->machines[2], HOST);
}

static void a_guest_whose_clock_is_not_known_yet_is_not_waited_for(void **state)
{
	struct live *l = *state;

	event_at(l, GUEST, 2000000);
	event_at(l, HOST, 3000000);
	assert_int_equal(seen_upto(l, 2500000), 0);
	map_guest(l, OFFSET);
	assert_int_equal(pump(l, UINT64_MAX), VMRT_PUMPED_ALL);
	assert_int_equal(l->n, 1);
	assert_int_equal(l->machines[0], GUEST);
}

static void a_better_map_of_the_clock_moves_events_that_still_wait(void **state)
{
	struct live *l = *state;

	map_guest(l, OFFSET);
	event_at(l, GUEST, 2000000);
	event_at(l, HOST, 3000000);
	seen_upto(l, 1000000);
	map_guest(l, OFFSET + 1500000);
	assert_int_equal(seen_upto(l, 5000000), 2);
	assert_int_equal(l->machines[0], HOST);
	assert_int_equal(l->times[1], 3500000);
}

static void an_event_that_is_refused_is_left_out_and_the_next_one_comes(void **state)
{
	struct live *l = *state;

	map_guest(l, OFFSET);
	event_at(l, HOST, 5000000);
	seen_upto(l, 6000000);
	l->refuse_before = 5000000;
	event_at(l, GUEST, 4000000); /* older than the last one: it is asked about */
	event_at(l, GUEST, 5500000);
	assert_int_equal(seen_upto(l, 6000000), 2);
	assert_int_equal(l->times[1], 5500000);
}

static void the_pump_ends_after_so_many_events_or_when_its_watcher_says_so(void **state)
{
	struct live *l = *state;

	map_guest(l, OFFSET);
	for (int i = 1; i <= 5; i++)
		event_at(l, HOST, i * 1000);
	collect(l, INT64_MAX - 1);
	assert_int_equal(pump(l, 2), VMRT_PUMPED_PART);
	assert_int_equal(l->n, 2);
	l->stop_at = 3;
	assert_int_equal(pump(l, 10), VMRT_PUMPED_PART);
	assert_int_equal(l->n, 3);
	assert_int_equal(pump(l, 10), VMRT_PUMPED_ALL);
	assert_int_equal(l->n, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(live_events_of_two_machines_come_in_the_order_of_the_hosts_clock),
		TEST(events_behind_the_time_up_to_which_all_is_collected_wait),
		TEST(a_guest_whose_clock_is_not_known_yet_is_not_waited_for),
		TEST(a_better_map_of_the_clock_moves_events_that_still_wait),
		TEST(an_event_that_is_refused_is_left_out_and_the_next_one_comes),
		TEST(the_pump_ends_after_so_many_events_or_when_its_watcher_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

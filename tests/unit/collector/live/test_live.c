/* SPDX-License-Identifier: MIT */
/*
 * Guests that join a live view, leave it and come back. Nothing is traced: the clock, the tracer,
 * the VMs and the sessions are doubles (livefix.h), and each test decides when an event or a ping
 * comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "livefix.h"
#include "parser/source/merge.h"

#define MS VMRT_NS_PER_MS
#define OFFSET (5000 * VMRT_NS_PER_S) /* the guest's clock is ahead of the host's */
#define TRIP (100 * VMRT_NS_PER_US)

static struct vmrt_live *live;
static struct tests_dat *made[64];
static size_t n_made;

/* An event that says when it was: a line to trace_marker. */
static const uint8_t *page_at(int64_t ts)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	made[n_made++] = d;
	tests_dat_current(d, 0, 1);
	tests_dat_mark(d, 0, ts, "x");
	return tests_dat_page(d, 0, 0);
}

static void host_at(int64_t ts)
{
	host.pages[host.n++] = page_at(ts);
}

static void guest_at(int64_t host_ns)
{
	struct vmrt_error err;

	assert_true(guest.options.pages(
		guest.options.ctx, 0, page_at(host_ns + OFFSET), TESTS_PAGE_SIZE, &err));
}

static void ping(int64_t offset)
{
	guest.pings[guest.n_pings++] = (struct vmrt_ping){.host_send_ns = now_ns - TRIP,
		.guest_recv_ns = now_ns - TRIP / 2 + offset,
		.guest_send_ns = now_ns - TRIP / 2 + offset,
		.host_recv_ns = now_ns};
}

static void collect(int64_t passes_ns)
{
	struct vmrt_error err;

	now_ns += passes_ns;
	assert_int_equal(vmrt_live_collect(live, &err), VMRT_OK);
}

struct seen {
	uint32_t machine;
	int64_t host_ns;
	uint64_t lost;
};

static struct seen seen[64];
static size_t n_seen;

static void read_events(void)
{
	struct vmrt_merge *merge = vmrt_live_merge(live);
	struct merge_input *in;

	merge_renew(merge);
	while ((in = merge_next(merge, merge->upto_ns))) {
		assert_true(!n_seen || in->host_ns >= seen[n_seen - 1].host_ns);
		seen[n_seen++] = (struct seen){in->machine, in->host_ns, in->event.lost};
	}
}

static size_t seen_of(uint32_t machine)
{
	size_t n = 0;

	for (size_t i = 0; i < n_seen; i++)
		n += seen[i].machine == machine;
	return n;
}

/* The engine learns which machines there are. */
static void renew(void)
{
	struct vmrt_engine_config config;

	vmrt_live_config(live, &config);
}

static int begin(void **state)
{
	struct vmrt_live_options options = {.port = 1, .at_once = true};
	struct vmrt_error err;

	(void)state;
	now_ns = 1000 * VMRT_NS_PER_S;
	guest_cpus = 1;
	n_seen = host.n = guest.opened = 0;
	has_other = false;
	assert_int_equal(vmrt_live_open(&options, &live, &err), VMRT_OK);
	renew();
	return 0;
}

static int end(void **state)
{
	(void)state;
	vmrt_live_close(live);
	assert_false(guest.open);
	while (n_made)
		tests_dat_free(made[--n_made]);
	vmrt_trace_meta_free(&guest_meta);
	return 0;
}

/* From connecting to recording. */
static void join(void)
{
	guest.state = VMRT_GUEST_READY;
	collect(MS);
	guest.state = VMRT_GUEST_STARTED;
	collect(MS);
}

static void events_before_the_clock_is_known_are_given_in_their_places(void **state)
{
	int64_t start = now_ns;

	(void)state;
	join();
	assert_true(vmrt_live_joined(live));
	renew();
	/* both run, but nothing relates their clocks yet */
	host_at(start + 10 * MS);
	guest_at(start + 12 * MS);
	host_at(start + 14 * MS);
	guest.upto_ns = start + 20 * MS + OFFSET;
	collect(30 * MS);
	read_events();
	assert_int_equal(seen_of(1), 0);
	/* now a ping comes, and its clock is known for what was before, too */
	guest_at(start + 40 * MS);
	host_at(start + 50 * MS);
	guest.upto_ns = start + 60 * MS + OFFSET;
	ping(OFFSET);
	collect(70 * MS);
	read_events();
	assert_int_equal(seen_of(0), 3);
	assert_int_equal(seen_of(1), 2);
	for (size_t i = 0; i < n_seen; i++)
		assert_int_equal(seen[i].lost, 0);
	assert_int_equal(seen[1].machine, 1);
	assert_true(llabs(seen[1].host_ns - (start + 12 * MS)) <= TRIP);
}

static void of_a_guest_that_is_not_waited_for_what_was_before_is_no_loss(void **state)
{
	int64_t start = now_ns;

	(void)state;
	join();
	renew();
	guest_at(start + 10 * MS);
	guest.upto_ns = start + 20 * MS + OFFSET;
	host_at(start + 20 * MS);
	collect(100 * MS);
	/* it takes longer than anybody waits until its clock is known */
	host_at(start + 5000 * MS);
	collect(5100 * MS);
	read_events();
	assert_int_equal(seen_of(0), 2);
	guest_at(start + 6000 * MS);
	guest.upto_ns = start + 6050 * MS + OFFSET;
	host_at(start + 6010 * MS);
	ping(OFFSET);
	collect(1000 * MS);
	read_events();
	/* the first one came too late, and nobody had seen the guest before: it is not lost */
	assert_int_equal(seen_of(1), 1);
	for (size_t i = 0; i < n_seen; i++)
		assert_int_equal(seen[i].lost, 0);
}

static void an_event_that_comes_too_late_is_lost_right_before_the_next_one(void **state)
{
	int64_t start = now_ns;

	(void)state;
	join();
	renew();
	ping(OFFSET);
	guest_at(start + 10 * MS);
	guest.upto_ns = start + 20 * MS + OFFSET;
	host_at(start + 15 * MS);
	collect(30 * MS);
	read_events();
	assert_int_equal(seen_of(1), 1);
	host_at(start + 4000 * MS);
	collect(5000 * MS);
	read_events();
	assert_int_equal(seen_of(0), 2);
	guest_at(start + 100 * MS);
	guest_at(start + 5100 * MS);
	guest.upto_ns = start + 5200 * MS + OFFSET;
	ping(OFFSET);
	collect(300 * MS);
	read_events();
	assert_int_equal(seen_of(1), 2);
	assert_int_equal(seen[n_seen - 1].lost, 1);
}

static void a_vm_that_comes_or_goes_leaves_the_others_as_they_are(void **state)
{
	int64_t start = now_ns;
	struct vmrt_engine_config config;
	struct vmrt_error err;

	(void)state;
	join();
	renew();
	ping(OFFSET);
	host_at(start + 10 * MS);
	guest_at(start + 20 * MS);
	guest.upto_ns = start + 200 * MS + OFFSET;
	collect(210 * MS);
	assert_false(vmrt_live_stale(live));
	has_other = true;
	assert_true(vmrt_live_stale(live));
	/* what has been collected, and not been read yet, is not lost */
	assert_int_equal(vmrt_live_change(live, &err), VMRT_OK);
	assert_true(vmrt_live_joined(live));
	vmrt_live_config(live, &config);
	assert_int_equal(config.n_vms, 2);
	assert_string_equal(config.vms[0].name, "other");
	assert_int_equal(config.vms[0].machine, VMRT_NONE);
	assert_int_equal(config.vms[1].machine, 1);
	assert_int_equal(config.n_machines, 2);
	assert_string_equal(config.machines[1].name, "g");
	assert_false(vmrt_live_stale(live));
	read_events();
	assert_int_equal(seen_of(0), 1);
	assert_int_equal(seen_of(1), 1);
	guest_at(start + 300 * MS);
	guest.upto_ns = start + 400 * MS + OFFSET;
	collect(200 * MS);
	read_events();
	assert_int_equal(seen_of(1), 2);
	assert_int_equal(seen[n_seen - 1].lost, 0);
	/* and goes again */
	has_other = false;
	assert_int_equal(vmrt_live_change(live, &err), VMRT_OK);
	vmrt_live_config(live, &config);
	assert_int_equal(config.n_vms, 1);
	assert_int_equal(config.n_machines, 2);
	guest_at(start + 500 * MS);
	guest.upto_ns = start + 600 * MS + OFFSET;
	collect(200 * MS);
	read_events();
	assert_int_equal(seen_of(1), 3);
	assert_int_equal(seen[n_seen - 1].lost, 0);
	/* its session was never another one */
	assert_int_equal(guest.opened, 1);
}

/* Its vCPU was taken away while it wrote an event. */
static void an_event_that_comes_within_the_slack_is_not_lost(void **state)
{
	struct vmrt_live_options options = {.port = 1, .at_once = true, .slack_ns = 100 * MS};
	struct vmrt_error err;
	int64_t start = now_ns;

	(void)state;
	vmrt_live_close(live);
	assert_int_equal(vmrt_live_open(&options, &live, &err), VMRT_OK);
	renew();
	join();
	renew();
	ping(OFFSET);
	host_at(start + 10 * MS);
	host_at(start + 160 * MS);
	guest.upto_ns = start + 200 * MS + OFFSET;
	collect(210 * MS);
	read_events();
	/* what is older than the slack is given */
	assert_int_equal(seen_of(0), 1);
	guest_at(start + 120 * MS);
	guest.upto_ns = start + 400 * MS + OFFSET;
	collect(200 * MS);
	read_events();
	assert_int_equal(seen_of(0), 2);
	assert_int_equal(seen_of(1), 1);
	assert_int_equal(seen[1].machine, 1);
	assert_int_equal(seen[1].lost, 0);
}

static void what_a_guest_did_while_its_session_was_broken_is_unknown(void **state)
{
	char note[256];
	int64_t start = now_ns;

	(void)state;
	join();
	renew();
	ping(OFFSET);
	guest_at(start + 10 * MS);
	guest.upto_ns = start + 20 * MS + OFFSET;
	collect(30 * MS);
	read_events();
	assert_int_equal(seen_of(1), 1);
	guest.state = VMRT_GUEST_FAILED;
	collect(10 * MS);
	collect(10 * MS);
	vmrt_live_note(live, note, sizeof(note));
	assert_non_null(strstr(note, "it broke; trying again in 2 s"));
	assert_int_equal(guest.opened, 1);
	collect(2100 * MS);
	assert_int_equal(guest.opened, 2);
	/* it fails again: the pause is longer */
	guest.state = VMRT_GUEST_FAILED;
	collect(MS);
	collect(2100 * MS);
	assert_int_equal(guest.opened, 2);
	collect(2100 * MS);
	assert_int_equal(guest.opened, 3);
	ping(OFFSET);
	join();
	assert_false(vmrt_live_joined(live));
	vmrt_live_note(live, note, sizeof(note));
	assert_string_equal(note, "");
	guest_at(now_ns + 10 * MS);
	guest_at(now_ns + 12 * MS);
	guest.upto_ns = now_ns + 20 * MS + OFFSET;
	collect(30 * MS);
	read_events();
	assert_int_equal(seen_of(1), 3);
	assert_true(seen[n_seen - 2].lost == UINT64_MAX);
	assert_int_equal(seen[n_seen - 1].lost, 0);
}

static void break_and_come_back(void)
{
	guest.state = VMRT_GUEST_FAILED;
	collect(10 * MS);
	collect(10 * MS);
	collect(2100 * MS);
	assert_int_equal(guest.opened, 2);
}

static void a_guest_that_was_booted_anew_is_another_one(void **state)
{
	int64_t start = now_ns, offset = -now_ns + MS;

	(void)state;
	join();
	renew();
	ping(OFFSET);
	guest_at(start + 10 * MS);
	guest.upto_ns = start + 20 * MS + OFFSET;
	collect(30 * MS);
	read_events();
	break_and_come_back();
	/* its clock has begun with 0 again */
	ping(offset);
	join();
	assert_true(vmrt_live_joined(live));
	renew();
	/* it is waited for, but not for ever */
	host_at(now_ns + 2 * MS);
	collect(10 * MS);
	read_events();
	assert_int_equal(seen_of(0), 0);
	collect(2100 * MS);
	read_events();
	assert_int_equal(seen_of(0), 1);
}

static void a_guest_with_another_number_of_cpus_is_another_one(void **state)
{
	int64_t start = now_ns;

	(void)state;
	join();
	renew();
	ping(OFFSET);
	guest.upto_ns = start + OFFSET;
	collect(30 * MS);
	guest_cpus = 2;
	break_and_come_back();
	ping(OFFSET);
	join();
	assert_true(vmrt_live_joined(live));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_before_the_clock_is_known_are_given_in_their_places),
		TEST(of_a_guest_that_is_not_waited_for_what_was_before_is_no_loss),
		TEST(an_event_that_comes_too_late_is_lost_right_before_the_next_one),
		TEST(a_vm_that_comes_or_goes_leaves_the_others_as_they_are),
		TEST(an_event_that_comes_within_the_slack_is_not_lost),
		TEST(what_a_guest_did_while_its_session_was_broken_is_unknown),
		TEST(a_guest_that_was_booted_anew_is_another_one),
		TEST(a_guest_with_another_number_of_cpus_is_another_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

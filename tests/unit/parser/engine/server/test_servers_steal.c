/* SPDX-License-Identifier: MIT */
/* Members that seem to run on a CPU that does not, while periods of their server end. */
#include "serversfix.h"

#define TICK0 0xaaaa00 /* the timer of CPU 0; that of CPU 1 is the next one */

/* The timer of @cpu, where @on runs, is armed to @expires, is cancelled, or expires. */
static void tick(struct fixture *f, enum vmrt_event_type type, unsigned cpu, int64_t at, int32_t on,
	int64_t expires)
{
	struct vmrt_event ev = {
		.type = type, .pid = on, .cpu = (uint16_t)cpu, .flags = VMRT_FLAG_HARDIRQ};

	ev.timer.timer = TICK0 + cpu;
	ev.timer.fn = VMRT_FN_TICK;
	ev.timer.expires = ev.timer.softexpires = expires;
	ev.timer.now = at;
	push(f, &ev, at);
}

static void mark_on_cpu_1(struct fixture *f, int64_t at, const char *text)
{
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .cpu = 1};

	ev.mark.text = text;
	ev.mark.len = (uint32_t)strlen(text);
	push(f, &ev, at);
}

/* Periods of 10 ms from 1 ms on. V0 has CPU 0 from 2 ms on, and its timer is due at @due. */
static void runs_until(struct fixture *f, int64_t due)
{
	starts(f);
	in(f, 2 * MS, V0, FIFO(50));
	tick(f, VMRT_EV_TIMER_START, 0, 3 * MS, V0, due);
}

/* Nothing from 9 to 14 ms, and the first period ends at 11 ms: 2 ms of it were stolen, and 3 ms of
 * the second one. */
static void each_period_has_its_own_part_of_the_steal(void **state)
{
	static struct fixture f;

	(void)state;
	runs_until(&f, 9 * MS);
	tick(&f, VMRT_EV_TIMER_EXPIRE, 0, 14 * MS, V0, 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].end_ns, 11 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 9 * MS);
	assert_int_equal(f.periods[0].steal_ns, 2 * MS);
	assert_int_equal(f.periods[1].end_ns, 21 * MS);
	assert_int_equal(f.periods[1].steal_ns, 3 * MS);
	assert_int_equal(f.periods[2].steal_ns, 0);
}

/*
 * The same on a kernel that reports the timer as cancelled before it expires. In between, CPU 1 has
 * the word on the next period: the first one is over then, but not all of it is known yet.
 */
static void a_period_waits_for_an_expiry_that_is_being_reported(void **state)
{
	static struct fixture f;

	(void)state;
	runs_until(&f, 9 * MS);
	beat(&f, 1, 14 * MS - 7, 0, 0);
	tick(&f, VMRT_EV_TIMER_CANCEL, 0, 14 * MS - 5, V0, 0);
	mark_on_cpu_1(
		&f, 14 * MS - 3, "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
	tick(&f, VMRT_EV_TIMER_EXPIRE, 0, 14 * MS, V0, 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].end_ns, 11 * MS);
	assert_int_equal(f.periods[0].steal_ns, 2 * MS);
	assert_int_equal(f.periods[1].steal_ns, 3 * MS);
}

/* The server is stopped at 9 ms, on another CPU; that its own did not run since 5 ms shows at 12
 * ms. */
static void steal_is_found_after_the_server_was_stopped(void **state)
{
	static struct fixture f;

	(void)state;
	runs_until(&f, 5 * MS);
	mark_on_cpu_1(&f, 9 * MS, "vmrt srv_stop server=vm1");
	tick(&f, VMRT_EV_TIMER_EXPIRE, 0, 12 * MS, V0, 0);
	end(&f, 13 * MS);
	assert_int_equal(f.n_periods, 1);
	assert_int_equal(f.periods[0].end_ns, 9 * MS);
	assert_int_equal(f.periods[0].steal_ns, 4 * MS);
}

/*
 * No enforcer, so that the supply is kept until the grid is known, here from 0 on. CPU 1 does not
 * run from 8 to 13 ms and CPU 0 not from 9 to 14: before 10 ms that is 2 and 1 ms of the two
 * members, and 3 and 4 ms behind.
 */
static void steal_of_two_members_is_kept_until_the_grid_is_known(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	sw_on(&f, 0, 0, 0, FAIR, 0, V0, FIFO(50));
	sw_on(&f, 1, 0, 0, FAIR, 0, V1, FIFO(50));
	tick(&f, VMRT_EV_TIMER_START, 0, 1 * MS, V0, 9 * MS);
	tick(&f, VMRT_EV_TIMER_START, 1, 1 * MS, V1, 8 * MS);
	tick(&f, VMRT_EV_TIMER_EXPIRE, 1, 13 * MS, V1, 0);
	tick(&f, VMRT_EV_TIMER_EXPIRE, 0, 14 * MS, V0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].end_ns, 10 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 20 * MS);
	assert_int_equal(f.periods[0].steal_ns, 3 * MS);
	assert_int_equal(f.periods[1].steal_ns, 7 * MS);
	assert_int_equal(f.periods[2].steal_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_period_has_its_own_part_of_the_steal),
		cmocka_unit_test(a_period_waits_for_an_expiry_that_is_being_reported),
		cmocka_unit_test(steal_is_found_after_the_server_was_stopped),
		cmocka_unit_test(steal_of_two_members_is_kept_until_the_grid_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

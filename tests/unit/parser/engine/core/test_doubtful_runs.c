/* SPDX-License-Identifier: MIT */
/* Runs of which it is not certain to which job of their thread they belong. */
#include "enginefix.h"

static const char with_timerfd[] = "[experiment]\nname = t\n"
				   "[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\npriority = 60\n"
				   "release = timerfd\n"
				   "[task vm1/t2]\nperiod = 100ms\nwcet = 30ms\npriority = 59\n";

/*
 * T1 has run for 12 of its 8 ms when it falls asleep at 22 ms. T2's job of 25 ms is interrupted by
 * T1's timer at 30 ms, but T1 is woken 1 ms later, perhaps by something else, and consumes its
 * timer 20 us after it runs again: so long T2 may have waited for the overrun or not.
 */
static void who_waits_for_a_run_of_an_unknown_job_is_unsure_by_it(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = NULL;

	(void)state;
	begin_with(&f, false, with_timerfd);
	sw(&f, HOST, 0, 0, 0, VCPU);
	waits_for_timerfd(&f);
	born(&f, GUEST, 4 * MS, 0, T2);
	sw(&f, GUEST, 5 * MS, 0, 0, T2);
	arm(&f, GUEST, 6 * MS, T2, 25 * MS);
	sw(&f, GUEST, 6 * MS + 5 * US, T2, 1, 0);
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	sw(&f, GUEST, 22 * MS + 10 * US, T1, 1, 0);
	expire(&f, GUEST, 25 * MS, 0, T2);
	wake(&f, GUEST, 25 * MS + 1 * US, 0, T2);
	sw(&f, GUEST, 25 * MS + 10 * US, 0, 0, T2);
	timerfd_of(&f, 30 * MS, VMRT_EV_TIMER_EXPIRE, 0, T2);
	wake(&f, GUEST, 31 * MS, T2, T1);
	sw(&f, GUEST, 31 * MS + 10 * US, T2, 0, T1);
	timerfd(&f, 31 * MS + 30 * US, VMRT_EV_TIMER_START, 50 * MS);
	sw(&f, GUEST, 33 * MS, T1, 1, T2);
	arm(&f, GUEST, 35 * MS, T2, 125 * MS);
	sw(&f, GUEST, 35 * MS + 5 * US, T2, 1, 0);
	end(&f, 40 * MS);
	for (size_t i = 0; i < f.n_jobs; i++)
		if (f.jobs[i].task == 1)
			j = &f.jobs[i];
	assert_non_null(j);
	assert_int_equal(j->arrival_ns, 25 * MS);
	assert_int_equal(j->exec_ns, 8 * MS);
	assert_int_equal(
		j->blame_ns[VMRT_BLAME_INTERFERENCE] + j->blame_ns[VMRT_BLAME_GUEST_OVERRUN],
		2 * MS - 10 * US);
	assert_int_equal(j->unsure_ns, 20 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_a_run_of_an_unknown_job_is_unsure_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

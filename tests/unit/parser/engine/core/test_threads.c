/* SPDX-License-Identifier: MIT */
/* Threads that come and go: what is known of them does not pile up. */
#include <malloc.h>

#include "enginefix.h"

#define FIRST 1000
#define EXPERIMENT "[experiment]\nname = t\n[task host/vmrt-load]\nperiod = 20ms\npriority = 60\n"
#define DEAD 0x20 /* EXIT_ZOMBIE in a switch's prev_state, include/linux/sched.h */
#define SLACK (1 << 20)

/* A thread lives on CPU 1 for a millisecond. */
static void live_and_die(struct fixture *f, int32_t who, int64_t at)
{
	born(f, HOST, at, HOG, who);
	sw(f, HOST, at + 10 * US, HOG, 0, who);
	died(f, HOST, at + 900 * US, who);
	sw(f, HOST, at + MS, who, DEAD, HOG);
}

static void memory_does_not_grow_with_threads_that_have_exited(void **state)
{
	static struct fixture f;
	size_t half = 0;

	(void)state;
	begin_with(&f, false, EXPERIMENT);
	sw(&f, HOST, 0, 0, 0, HOG);
	for (int i = 0; i < 40000; i++) {
		f.n_jobs = f.n_slices = f.n_seen = 0;
		if (i == 20000)
			half = mallinfo2().uordblks;
		live_and_die(&f, FIRST + i, 10 * MS + i * 5 * MS);
	}
	assert_true(mallinfo2().uordblks < half + SLACK);
	end(&f, 10 * MS + 40000 * 5 * MS);
}

/* Its number is not that of the thread that had the id before. */
static void an_id_that_is_used_again_is_another_thread(void **state)
{
	static struct fixture f;
	uint32_t first;

	(void)state;
	begin_with(&f, false, EXPERIMENT);
	sw(&f, HOST, 0, 0, 0, HOG);
	live_and_die(&f, FIRST, 10 * MS);
	assert_int_equal(f.seen[f.n_seen - 1].tid, FIRST);
	first = f.seen[f.n_seen - 1].id;
	for (int i = 1; i < 10000; i++) {
		f.n_jobs = f.n_slices = f.n_seen = 0;
		live_and_die(&f, FIRST + i, 10 * MS + i * 5 * MS);
	}
	f.n_jobs = f.n_slices = f.n_seen = 0;
	live_and_die(&f, FIRST, 10 * MS + 10000 * 5 * MS);
	assert_int_equal(f.n_seen, 1);
	assert_int_equal(f.seen[0].tid, FIRST);
	assert_int_not_equal(f.seen[0].id, first);
	end(&f, 60000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_does_not_grow_with_threads_that_have_exited),
		cmocka_unit_test(an_id_that_is_used_again_is_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

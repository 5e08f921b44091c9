/* SPDX-License-Identifier: MIT */
/* Tasks that a live view without an experiment finds by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/discover.h>

#include "tui/source/live-tasks.h"

#define MS INT64_C(1000000)
#define VCPU 77

static struct live_tasks tasks;
static int64_t now;
static const char *comm;

static struct vmrt_vm_thread vcpu = {.tid = VCPU, .role = VMRT_ROLE_VCPU};
static struct vmrt_engine_machine machine = {.name = "host", .cpus = 1};
static struct vmrt_engine_vm vm = {
	.name = "vm1", .machine = VMRT_NONE, .threads = &vcpu, .n_threads = 1};

static int begin(void **state)
{
	struct vmrt_engine_config config = {
		.machines = &machine, .n_machines = 1, .vms = &vm, .n_vms = 1};

	(void)state;
	now = 1000 * MS;
	comm = "control";
	live_tasks_begin(&tasks, &config);
	return tasks.discovery ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	live_tasks_free(&tasks);
	return 0;
}

static bool see(struct vmrt_event e)
{
	now = e.ts;
	return live_tasks_see(&tasks, 0, &e, e.ts);
}

static bool switch_to(int64_t ts, int32_t prev, int32_t next)
{
	return see((struct vmrt_event){.ts = ts,
		.type = VMRT_EV_SWITCH,
		.pid = prev,
		.sw = {prev ? comm : "swapper/0", prev, 39, prev ? 1 : 0, next ? comm : "swapper/0",
			next, 39}});
}

/* Jobs of thread @tid every 20 ms until @until; true as soon as a task is found. */
static bool jobs(int32_t tid, int64_t until)
{
	bool found = false;

	for (int64_t at = now + 20 * MS; at < until && !found; at += 20 * MS) {
		found |= see((struct vmrt_event){.ts = at - 5 * MS,
			.type = VMRT_EV_TIMER_START,
			.pid = tid,
			.timer = {.timer = 0xffff0000u,
				.fn = VMRT_FN_WAKEUP,
				.softexpires = at,
				.expires = at}});
		found |= see((struct vmrt_event){.ts = at + 1000,
			.type = VMRT_EV_TIMER_EXPIRE,
			.flags = VMRT_FLAG_HARDIRQ,
			.timer = {.timer = 0xffff0000u, .fn = VMRT_FN_WAKEUP, .now = at + 900}});
		found |= see((struct vmrt_event){.ts = at + 1100,
			.type = VMRT_EV_WAKING,
			.flags = VMRT_FLAG_HARDIRQ,
			.wake = {comm, tid, 39, 0}});
		found |= switch_to(at + 2000, 0, tid);
		found |= switch_to(at + 3 * MS, tid, 0);
	}
	return found;
}

static bool quiet(int64_t until)
{
	bool found = false;

	for (int64_t at = now + 500 * MS; at <= until; at += 500 * MS)
		found |= switch_to(at, 0, 0);
	return found;
}

static const char *note(void)
{
	static char text[256];

	text[0] = '\0';
	live_tasks_note(&tasks, now, text, sizeof(text));
	return text;
}

static void says_how_long_nothing_was_found(void **state)
{
	(void)state;
	assert_string_equal(note(), "looking for periodic tasks");
	assert_false(quiet(5000 * MS));
	assert_string_equal(note(), "looking for periodic tasks");
	assert_false(quiet(31500 * MS));
	/* the first event was at 1.5 s */
	assert_string_equal(note(), "no periodic task found in 30 s, still looking");
}

static void a_task_that_begins_later_is_found(void **state)
{
	(void)state;
	assert_false(quiet(20000 * MS));
	assert_true(jobs(100, 40000 * MS));
	assert_string_equal(note(), "");
	assert_int_equal(tasks.found->n_tasks, 1);
	assert_string_equal(tasks.found->tasks[0].name, "control");
}

static void a_task_that_begins_when_others_are_known_is_added(void **state)
{
	(void)state;
	assert_true(jobs(100, 40000 * MS));
	comm = "later";
	assert_true(jobs(101, 80000 * MS));
	assert_string_equal(note(), "");
	assert_int_equal(tasks.found->n_tasks, 2);
	assert_string_equal(tasks.found->tasks[0].name, "control");
	assert_string_equal(tasks.found->tasks[1].name, "later");
	/* it is not found once more */
	assert_false(jobs(101, 120000 * MS));
	assert_int_equal(tasks.found->n_tasks, 2);
	/* the first one has ended long ago */
	assert_true(live_tasks_forget(&tasks));
	assert_int_equal(tasks.found->n_tasks, 1);
	assert_string_equal(tasks.found->tasks[0].name, "later");
	assert_false(live_tasks_forget(&tasks));
}

static void a_machine_that_goes_takes_its_tasks_along(void **state)
{
	struct vmrt_engine_machine both[] = {{.name = "guest"}, {.name = "host"}};
	struct vmrt_engine_config other = {.machines = both, .n_machines = 2};

	(void)state;
	assert_true(jobs(100, 40000 * MS));
	live_tasks_begin(&tasks, &other);
	assert_int_equal(tasks.found->n_tasks, 1);
	other.n_machines = 1;
	live_tasks_begin(&tasks, &other);
	assert_null(tasks.found);
	assert_string_equal(note(), "looking for periodic tasks");
}

static void a_vcpu_is_no_task_however_long_it_is_looked_at(void **state)
{
	(void)state;
	assert_false(jobs(VCPU, 31000 * MS));
	assert_null(tasks.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_how_long_nothing_was_found, begin, end),
		cmocka_unit_test_setup_teardown(a_task_that_begins_later_is_found, begin, end),
		cmocka_unit_test_setup_teardown(
			a_task_that_begins_when_others_are_known_is_added, begin, end),
		cmocka_unit_test_setup_teardown(
			a_machine_that_goes_takes_its_tasks_along, begin, end),
		cmocka_unit_test_setup_teardown(
			a_vcpu_is_no_task_however_long_it_is_looked_at, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

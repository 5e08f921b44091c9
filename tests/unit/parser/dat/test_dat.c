/* SPDX-License-Identifier: MIT */
/* Files of trace.dat that are written by hand come back as written. */
#include "datfix.h"

static struct vmrt_dat *open_written(struct tests_dat *d)
{
	struct vmrt_dat *dat = NULL;
	struct vmrt_error err;

	tests_dat_write(d, path);
	tests_dat_free(d);
	if (vmrt_dat_open(path, &dat, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return dat;
}

#define A_TIMER UINT64_C(0xffff888012345678)

static void write_all_events(struct tests_dat *d)
{
	const uint64_t timer = A_TIMER;

	tests_dat_switch(d, 0, S, "swapper/0", 0, 120, 0, "sixteen_letters!", 55, 39);
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ | VMRT_FLAG_NEED_RESCHED);
	tests_dat_waking(d, 0, S + 1, "other", 66, 49, 1);
	tests_dat_flags(d, 0);
	tests_dat_wakeup(d, 0, S + 2, "other", 66, 49, 1);
	tests_dat_wakeup_new(d, 0, S + 3, "new", 67, 120, 0);
	tests_dat_migrate(d, 0, S + 4, "new", 67, 120, 0, 1);
	tests_dat_exec(d, 0, S + 5, "/usr/bin/long_file_name_of_a_program", 55, 54);
	tests_dat_fork(d, 0, S + 6, "parent", 55, "child", 68);
	tests_dat_timer_setup(d, 0, S + 7, timer, 1, VMRT_TIMER_HARD);
	tests_dat_timer_start(
		d, 0, S + 8, timer, VMRT_FN_WAKEUP, 2 * S, 2 * S - 50, VMRT_TIMER_PINNED);
	tests_dat_timer_cancel(d, 0, S + 9, timer);
	tests_dat_timer_expire(d, 0, 2 * S, timer, VMRT_FN_TICK, 2 * S - 5);
	tests_dat_mark(d, 0, 2 * S + 1, "vmrt job_begin task=a k=1");
	tests_dat_other(d, 0, 2 * S + 2);
	tests_dat_exit(d, 0, 2 * S + 3, "sixteen_letters!", 55, 39);
	tests_dat_irq(d, 0, 2 * S + 3, 2 * S + 3);
	tests_dat_switch(d, 0, 2 * S + 4, "sixteen_letters!", 55, 39, 0x100, "swapper/0", 0, 120);
	tests_dat_switch(d, 0, 2 * S + 5, "swapper/0", 0, 120, 2, "swapper/0", 0, 120);
}

static void threads_are_as_written(struct vmrt_stream *s)
{
	struct vmrt_event e;

	next(s, &e, VMRT_EV_SWITCH, S);
	assert_int_equal(e.pid, 0);
	assert_int_equal(e.sw.prev_pid, 0);
	assert_int_equal(e.sw.next_pid, 55);
	assert_int_equal(e.sw.prev_prio, 120);
	assert_int_equal(e.sw.next_prio, 39);
	assert_memory_equal(e.sw.next_comm, "sixteen_letters!", 16);
	assert_string_equal(e.sw.prev_comm, "swapper/0");
	next(s, &e, VMRT_EV_WAKING, S + 1);
	assert_int_equal(e.pid, 55);
	assert_int_equal(e.flags, VMRT_FLAG_HARDIRQ | VMRT_FLAG_NEED_RESCHED);
	assert_int_equal(e.wake.pid, 66);
	assert_int_equal(e.wake.prio, 49);
	assert_int_equal(e.wake.target_cpu, 1);
	assert_string_equal(e.wake.comm, "other");
	next(s, &e, VMRT_EV_WAKEUP, S + 2);
	next(s, &e, VMRT_EV_WAKEUP_NEW, S + 3);
	next(s, &e, VMRT_EV_MIGRATE, S + 4);
	assert_int_equal(e.migrate.pid, 67);
	assert_int_equal(e.migrate.orig_cpu, 0);
	assert_int_equal(e.migrate.dest_cpu, 1);
	next(s, &e, VMRT_EV_EXEC, S + 5);
	assert_int_equal(e.process.pid, 55);
	assert_int_equal(e.process.other_pid, 54);
	assert_null(e.process.comm);
	next(s, &e, VMRT_EV_FORK, S + 6);
	assert_int_equal(e.process.pid, 55);
	assert_int_equal(e.process.other_pid, 68);
	assert_string_equal(e.process.comm, "child");
}

static void timers_and_what_follows_are_as_written(struct vmrt_stream *s)
{
	struct vmrt_event e;

	next(s, &e, VMRT_EV_TIMER_SETUP, S + 7);
	assert_true(e.timer.timer == A_TIMER);
	assert_int_equal(e.timer.clock, 1);
	assert_int_equal(e.timer.mode, VMRT_TIMER_HARD);
	next(s, &e, VMRT_EV_TIMER_START, S + 8);
	assert_int_equal(e.timer.fn, VMRT_FN_WAKEUP);
	assert_int_equal(e.timer.expires, 2 * S);
	assert_int_equal(e.timer.softexpires, 2 * S - 50);
	assert_int_equal(e.timer.mode, VMRT_TIMER_PINNED);
	next(s, &e, VMRT_EV_TIMER_CANCEL, S + 9);
	assert_true(e.timer.timer == A_TIMER);
	next(s, &e, VMRT_EV_TIMER_EXPIRE, 2 * S);
	assert_int_equal(e.timer.fn, VMRT_FN_TICK);
	assert_int_equal(e.timer.now, 2 * S - 5);
	next(s, &e, VMRT_EV_MARK, 2 * S + 1);
	assert_int_equal(e.mark.len, strlen("vmrt job_begin task=a k=1"));
	assert_memory_equal(e.mark.text, "vmrt job_begin task=a k=1", e.mark.len);
	next(s, &e, VMRT_EV_OTHER, 2 * S + 2);
	assert_int_equal(e.pid, 55);
	next(s, &e, VMRT_EV_EXIT, 2 * S + 3);
	assert_int_equal(e.process.pid, 55);
	assert_memory_equal(e.process.comm, "sixteen_letters!", 16);
	next(s, &e, VMRT_EV_IRQ_ENTER, 2 * S + 3);
	assert_int_equal(e.pid, 55);
	next(s, &e, VMRT_EV_IRQ_LEAVE, 2 * S + 3);
	/* The mark of a preempted thread is not part of its state. */
	next(s, &e, VMRT_EV_SWITCH, 2 * S + 4);
	assert_int_equal(e.sw.prev_state, 0);
	next(s, &e, VMRT_EV_SWITCH, 2 * S + 5);
	assert_int_equal(e.sw.prev_state, 2);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
}

static void all_events_come_back_as_written(enum tests_kernel kernel)
{
	struct tests_dat *d = tests_dat_new(2, kernel);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;

	write_all_events(d);
	dat = open_written(d);
	s = stream_of(dat);
	threads_are_as_written(s);
	timers_and_what_follows_are_as_written(s);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

static void events_of_a_618_kernel_come_back_as_written(void **unused)
{
	(void)unused;
	all_events_come_back_as_written(TESTS_KERNEL_618);
}

static void events_of_a_61_kernel_come_back_as_written(void **unused)
{
	(void)unused;
	all_events_come_back_as_written(TESTS_KERNEL_61);
}

static void events_of_a_preempt_rt_kernel_come_back_as_written(void **unused)
{
	(void)unused;
	all_events_come_back_as_written(TESTS_KERNEL_RT);
}

static void events_of_a_419_kernel_come_back_as_written(void **unused)
{
	(void)unused;
	all_events_come_back_as_written(TESTS_KERNEL_419);
}

static void events_whose_fields_have_moved_come_back_as_written(void **unused)
{
	(void)unused;
	all_events_come_back_as_written(TESTS_KERNEL_NEW);
}

static void as_many_cpus_as_there_are_come_back_in_order(void **unused)
{
	enum { CPUS = 64 };
	struct tests_dat *d = tests_dat_new(CPUS, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;

	(void)unused;
	/* from the last CPU to the first, and back again: each is before all the others once */
	for (int64_t round = 0; round < 500; round++)
		for (unsigned i = 0; i < CPUS; i++)
			tests_dat_other(d, round % 2 ? i : CPUS - 1 - i, S + round * CPUS + i);
	dat = open_written(d);
	s = stream_of(dat);
	for (int64_t round = 0; round < 500; round++)
		for (unsigned i = 0; i < CPUS; i++) {
			next(s, &e, VMRT_EV_OTHER, S + round * CPUS + i);
			assert_int_equal(e.cpu, round % 2 ? i : CPUS - 1 - i);
		}
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

static void options_say_what_the_file_is(void **unused)
{
	const int32_t tids[] = {4711, 4712, 4713};
	const int64_t times[] = {S, 2 * S}, offsets[] = {-3 * S, -3 * S - 100};
	struct tests_dat *d = tests_dat_new(3, TESTS_KERNEL_618);
	const struct vmrt_dat_shift *shifts;
	const struct vmrt_dat_guest *guests;
	struct vmrt_dat_cpustat stat;
	const struct vmrt_dat_info *info;
	struct vmrt_dat *dat;
	uint64_t peer;
	size_t n;

	(void)unused;
	tests_dat_uname(d, "Linux box 6.18");
	tests_dat_trace_id(d, UINT64_C(0xabcdef0123456789));
	tests_dat_guest(d, "vm1", 42, tids, 3);
	tests_dat_time_shift(d, 43, times, offsets, 2);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		tests_dat_cpustat(d, cpu, cpu * 10, cpu * 20, cpu * 30);
	tests_dat_comm(d, 900, "nine hundred");
	tests_dat_comm(d, 55, "rt_task1");
	tests_dat_other(d, 0, S);
	dat = open_written(d);

	info = vmrt_dat_info(dat);
	assert_int_equal(info->version, 6);
	assert_int_equal(info->cpus, 3);
	assert_int_equal(info->page_size, 4096);
	assert_string_equal(info->clock, "mono");
	assert_string_equal(info->uname, "Linux box 6.18");
	assert_true(info->trace_id == UINT64_C(0xabcdef0123456789));
	assert_int_equal(vmrt_dat_missing(dat), 0);
	guests = vmrt_dat_guests(dat, &n);
	assert_int_equal(n, 1);
	assert_string_equal(guests[0].name, "vm1");
	assert_int_equal(guests[0].trace_id, 42);
	assert_int_equal(guests[0].n_vcpus, 3);
	assert_int_equal(guests[0].vcpu_tids[2], 4713);
	shifts = vmrt_dat_shifts(dat, &n, &peer);
	assert_int_equal(n, 2);
	assert_int_equal(peer, 43);
	assert_int_equal(shifts[1].local_ns, 2 * S);
	assert_int_equal(shifts[1].offset_ns, -3 * S - 100);
	stat = vmrt_dat_cpustat(dat, 2);
	assert_int_equal(stat.overrun, 20);
	assert_int_equal(stat.commit_overrun, 40);
	assert_int_equal(stat.dropped, 60);
	assert_int_equal(vmrt_dat_cpustat(dat, 3).overrun, 0);
	assert_string_equal(vmrt_dat_comm(dat, 55), "rt_task1");
	assert_string_equal(vmrt_dat_comm(dat, 900), "nine hundred");
	assert_null(vmrt_dat_comm(dat, 56));
	vmrt_dat_close(dat);
}

/* CPU 1 was off line; of two buffers the one that is read counts; no kernel counts 2^63 events. */
static void counters_are_those_of_the_buffer_and_of_the_cpu(void **unused)
{
	struct tests_dat *d = tests_dat_new(3, TESTS_KERNEL_618);
	struct vmrt_dat *dat;

	(void)unused;
	tests_dat_cpustat(d, 0, 7, 0, 0);
	tests_dat_stats_of(d, "rt");
	tests_dat_cpustat(d, 0, 8, 0, 0);
	tests_dat_cpustat(d, 2, 9, UINT64_C(1) << 63, UINT64_C(1) << 63);
	tests_dat_mark(d, 0, S, "top");
	tests_dat_instance(d, "rt");
	tests_dat_switch(d, 0, S, "a", 1, 120, 0, "b", 2, 120);
	dat = open_written(d);
	assert_int_equal(vmrt_dat_cpustat(dat, 0).overrun, 8);
	assert_false(vmrt_dat_cpustat(dat, 0).nonsense);
	assert_false(vmrt_dat_cpustat(dat, 1).nonsense);
	assert_true(vmrt_dat_cpustat(dat, 2).nonsense);
	assert_int_equal(vmrt_dat_cpustat(dat, 2).overrun, 0);
	vmrt_dat_close(dat);
}

/* A stranger's file may have many, in any order: of one buffer the first of each CPU counts. */
static void of_many_counters_each_cpu_has_its_first(void **unused)
{
	struct tests_dat *d = tests_dat_new(3, TESTS_KERNEL_618);
	struct vmrt_dat *dat;

	(void)unused;
	for (unsigned i = 0; i < 9000; i++)
		tests_dat_cpustat(d, 2 - i % 3, i + 1, 0, 0);
	tests_dat_switch(d, 0, S, "a", 1, 120, 0, "b", 2, 120);
	dat = open_written(d);
	assert_int_equal(vmrt_dat_cpustat(dat, 0).overrun, 3);
	assert_int_equal(vmrt_dat_cpustat(dat, 1).overrun, 2);
	assert_int_equal(vmrt_dat_cpustat(dat, 2).overrun, 1);
	assert_int_equal(vmrt_dat_cpustat(dat, 3).overrun, 0);
	assert_int_equal(vmrt_dat_cpustat(dat, UINT32_MAX).overrun, 0);
	vmrt_dat_close(dat);
}

static void functions_are_unknown_without_symbols(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;

	(void)unused;
	tests_dat_no_symbols(d);
	tests_dat_timer_start(d, 0, S, 1, VMRT_FN_WAKEUP, S, S, 0);
	dat = open_written(d);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_TIMER_START, S);
	assert_int_equal(e.timer.fn, VMRT_FN_UNKNOWN);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);

	d = tests_dat_new(1, TESTS_KERNEL_618);
	tests_dat_timer_start(d, 0, S, 1, VMRT_FN_OTHER, S, S, 0);
	dat = open_written(d);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_TIMER_START, S);
	assert_int_equal(e.timer.fn, VMRT_FN_OTHER);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

static void losses_come_with_the_event_behind_them(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;

	(void)unused;
	tests_dat_other(d, 0, S);
	tests_dat_lost(d, 0, 17);
	tests_dat_other(d, 0, 2 * S);
	tests_dat_other(d, 0, 2 * S + 1);
	tests_dat_lost(d, 0, UINT64_MAX);
	tests_dat_other(d, 0, 500 * S); /* a time extend */
	tests_dat_other(d, 0, 900 * S);
	dat = open_written(d);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_OTHER, S);
	assert_int_equal(e.lost, 0);
	next(s, &e, VMRT_EV_OTHER, 2 * S);
	assert_int_equal(e.lost, 17);
	next(s, &e, VMRT_EV_OTHER, 2 * S + 1);
	assert_int_equal(e.lost, 0);
	next(s, &e, VMRT_EV_OTHER, 500 * S);
	assert_true(e.lost == UINT64_MAX);
	next(s, &e, VMRT_EV_OTHER, 900 * S);
	assert_int_equal(e.lost, 0);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

static void single_instance_with_data_is_what_was_meant(void **unused)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;

	(void)unused;
	tests_dat_instance(d, "mine");
	tests_dat_other(d, 1, S);
	dat = open_written(d);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_OTHER, S);
	assert_int_equal(e.cpu, 1);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);

	d = tests_dat_new(2, TESTS_KERNEL_618);
	tests_dat_other(d, 0, 2 * S);
	tests_dat_instance(d, "mine");
	tests_dat_other(d, 1, S);
	dat = open_written(d);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_OTHER, 2 * S);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_of_a_618_kernel_come_back_as_written),
		cmocka_unit_test(events_of_a_61_kernel_come_back_as_written),
		cmocka_unit_test(events_of_a_preempt_rt_kernel_come_back_as_written),
		cmocka_unit_test(events_of_a_419_kernel_come_back_as_written),
		cmocka_unit_test(events_whose_fields_have_moved_come_back_as_written),
		cmocka_unit_test(as_many_cpus_as_there_are_come_back_in_order),
		cmocka_unit_test(options_say_what_the_file_is),
		cmocka_unit_test(counters_are_those_of_the_buffer_and_of_the_cpu),
		cmocka_unit_test(of_many_counters_each_cpu_has_its_first),
		cmocka_unit_test(functions_are_unknown_without_symbols),
		cmocka_unit_test(losses_come_with_the_event_behind_them),
		cmocka_unit_test(single_instance_with_data_is_what_was_meant),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

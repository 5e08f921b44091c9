/* SPDX-License-Identifier: MIT */
/* Recordings of which a part ends early, files in the wrong order, machines that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/analyze.h>
#include <vmrt/units.h>

#include "ask.h"
#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define BASE (100 * VMRT_NS_PER_S)
#define OFFSET (50 * VMRT_NS_PER_S) /* the guest's clock is behind the host's */
#define VCPU 500
#define HOG 600
#define T1 77
#define TIMER UINT64_C(0xffffb00012345678)
#define HOST_ID 11
#define GUEST_ID 22

static char folder[] = "/tmp/vmrt-early-XXXXXX";
static char host[64], guest[64], db[64], experiment[64];

static void declare(const char *text)
{
	FILE *f = fopen(experiment, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The vCPU thread runs for 9 of every 10 ms, until @until; the file says that it is @tid. */
static void write_host_naming(int64_t until, int32_t tid)
{
	int32_t tids[] = {tid};
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, HOST_ID);
	tests_dat_guest(d, "vm1", GUEST_ID, tids, 1);
	tests_dat_current(d, 0, HOG);
	for (int64_t at = BASE; at < until; at += 10 * MS) {
		tests_dat_switch(d, 0, at, "hog", HOG, 120, 0, "CPU 0/KVM", VCPU, 49);
		tests_dat_switch(d, 0, at + 9 * MS, "CPU 0/KVM", VCPU, 49, 0, "hog", HOG, 120);
	}
	tests_dat_write(d, host);
	tests_dat_free(d);
}

static void write_host(int64_t until)
{
	write_host_naming(until, VCPU);
}

/* A sleep that ends every 10 ms, 2 ms into the vCPU's run, and 3 ms of work. */
static void one_job(struct tests_dat *d, unsigned cpu, int64_t at)
{
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(d, cpu, at + 1 * US, TIMER + cpu, VMRT_FN_WAKEUP, at);
	tests_dat_waking(d, cpu, at + 3 * US, "t1", T1 + (int)cpu, 39, (int)cpu);
	tests_dat_flags(d, 0);
}

static void its_work(struct tests_dat *d, unsigned cpu, int64_t at)
{
	tests_dat_switch(d, cpu, at + 5 * US, "swapper", 0, 120, 0, "t1", T1 + (int)cpu, 39);
	tests_dat_timer_start(
		d, cpu, at + 3 * MS, TIMER + cpu, VMRT_FN_WAKEUP, at + 10 * MS, at + 10 * MS, 0);
	tests_dat_switch(
		d, cpu, at + 3 * MS + 1 * US, "t1", T1 + (int)cpu, 39, 1, "swapper", 0, 120);
}

static void begin(struct tests_dat *d, unsigned cpu, int64_t at)
{
	tests_dat_current(d, cpu, T1 + (int)cpu);
	tests_dat_timer_start(d, cpu, at - 100 * US, TIMER + cpu, VMRT_FN_WAKEUP, at, at, 0);
	tests_dat_switch(d, cpu, at - 90 * US, "t1", T1 + (int)cpu, 39, 1, "swapper", 0, 120);
}

static void write_guest(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t times[] = {BASE - OFFSET}, offsets[] = {OFFSET};

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, GUEST_ID);
	tests_dat_time_shift(d, HOST_ID, times, offsets, 1);
	begin(d, 0, BASE - OFFSET + 2 * MS);
	for (int k = 0; k < 100; k++) {
		one_job(d, 0, BASE - OFFSET + (k * 10 + 2) * MS);
		its_work(d, 0, BASE - OFFSET + (k * 10 + 2) * MS);
	}
	tests_dat_write(d, guest);
	tests_dat_free(d);
}

static enum vmrt_status analyze(const char *first, const char *second, struct vmrt_error *err)
{
	const char *guests[] = {second};
	struct vmrt_analyze_options options = {.recording = {.host_file = first,
						       .guest_files = guests,
						       .n_guest_files = second != NULL,
						       .experiment = experiment},
		.db = db};
	struct vmrt_analyze_result result;

	unlink(db);
	return vmrt_analyze(&options, &result, err);
}

static const char *ask(const char *query)
{
	return ask_db(db, query);
}

static void behind_the_end_of_the_hosts_file_executions_are_unknown(void **state)
{
	struct vmrt_error err;

	(void)state;
	declare("[task vm1/t1]\nperiod = 10ms\n");
	write_guest();
	write_host(BASE + 1000 * MS);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(
		ask("SELECT count(response_ns), count(exec_ns) FROM jobs WHERE outcome = "
		    "'met'"),
		"100|100");
	/* the host's last word is that the vCPU waits: 0 of 3 ms would be reported as executed */
	write_host(BASE + 500 * MS);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(ask("SELECT count(response_ns), count(exec_ns), min(exec_ns) > 2900000 "
				"FROM jobs WHERE outcome = 'met'"),
		"100|50|1");
	assert_string_equal(
		ask("SELECT count(*) FROM jobs j JOIN blames b USING (machine, task, k) "
		    "WHERE j.arrival_ns > 100500000000 AND b.part = 'host_thread'"),
		"0");
	assert_non_null(strstr(ask("SELECT note FROM machine WHERE id = 0"), "ends 49"));
	assert_string_equal(ask("SELECT outside FROM machine WHERE id = 1"), "0");
}

/*
 * The last sleep of the guest is to end at 1002 ms. Its vCPU sleeps from 999 ms on and is never
 * woken again, while the host goes on for a second: the VM has ended, and missed nothing. If it is
 * only preempted then, it has.
 */
static void a_vm_that_sleeps_through_its_timers_has_ended(void **state)
{
	(void)state;
	declare("[task vm1/t1]\nperiod = 10ms\n");
	write_guest();
	for (int asleep = 0; asleep < 2; asleep++) {
		int32_t tids[] = {VCPU};
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
		struct vmrt_error err;

		tests_dat_clock(d, "local [mono]");
		tests_dat_trace_id(d, HOST_ID);
		tests_dat_guest(d, "vm1", GUEST_ID, tids, 1);
		for (int64_t at = BASE; at < BASE + 1000 * MS; at += 10 * MS) {
			tests_dat_switch(d, 0, at, "hog", HOG, 120, 0, "CPU 0/KVM", VCPU, 49);
			tests_dat_switch(
				d, 0, at + 9 * MS, "CPU 0/KVM", VCPU, 49, asleep, "hog", HOG, 120);
		}
		tests_dat_switch(d, 0, BASE + 2000 * MS, "hog", HOG, 120, 1, "swapper/0", 0, 120);
		tests_dat_write(d, host);
		tests_dat_free(d);
		assert_int_equal(analyze(host, guest, &err), VMRT_OK);
		assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "100");
		assert_string_equal(
			ask("SELECT count(*) > 50 FROM jobs WHERE outcome LIKE 'missed%'"),
			asleep ? "0" : "1");
	}
}

static void a_cpu_whose_records_end_early_has_no_invented_misses(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
	struct vmrt_error err;

	(void)state;
	declare("[task host/t1]\nperiod = 10ms\n");
	tests_dat_clock(d, "local [mono]");
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		begin(d, cpu, BASE);
		for (int k = 0; k < (cpu ? 40 : 80); k++) {
			one_job(d, cpu, BASE + k * 10 * MS);
			if (!cpu || k < 39)
				its_work(d, cpu, BASE + k * 10 * MS);
		}
	}
	tests_dat_write(d, host);
	tests_dat_free(d);
	assert_int_equal(analyze(host, NULL, &err), VMRT_OK);
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'"), "0");
	assert_string_equal(
		ask("SELECT count(*) FROM job JOIN thread ON thread.id = job.thread WHERE "
		    "tid = 78 AND outcome = 'met'"),
		"39");
	assert_string_equal(ask("SELECT cpu, kind FROM losses"), "1|clipped");
}

/*
 * CPU 0 records until 1 s, CPU 1 only the first 40 of its 81 jobs' 5 records each, and nothing
 * waits there; but the kernel counted 10 more. From its last record, at 393 ms, on nobody knows
 * what the threads did, those of CPU 0 neither: one may have come over.
 */
static void a_cpu_that_made_more_than_its_file_has_ends_early(void **state)
{
	(void)state;
	declare("[task host/t1]\nperiod = 10ms\n");
	for (int more = 0; more <= 10; more += 10) {
		struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
		struct vmrt_error err;

		tests_dat_clock(d, "local [mono]");
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			begin(d, cpu, BASE);
			for (int k = 0; k < (cpu ? 40 : 100); k++) {
				one_job(d, cpu, BASE + k * 10 * MS);
				its_work(d, cpu, BASE + k * 10 * MS);
			}
		}
		tests_dat_counted(d, 1, 2 + 40 * 5 + more);
		tests_dat_write(d, host);
		tests_dat_free(d);
		assert_int_equal(analyze(host, NULL, &err), VMRT_OK);
		assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met' AND "
					"arrival_ns < 100393000000"),
			"80");
		assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met' AND "
					"arrival_ns > 100393000000"),
			more ? "0" : "60");
		assert_string_equal(
			ask("SELECT count(*), sum(events) FROM losses"), more ? "2|10" : "0|NULL");
		assert_int_equal(
			!!strstr(ask("SELECT note FROM machine"), "lacks 10 of its events"),
			more > 0);
	}
}

/* What CPU 1 recorded between 51 and 92 ms is lost. The jobs of CPU 0 that arrive at 50 to 90 ms,
 * numbers 6 to 10, overlap that, and the record that says so comes when all but the last have
 * ended. */
static void jobs_that_end_before_the_record_behind_a_loss_are_unknown_too(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
	struct vmrt_error err;

	(void)state;
	declare("[task host/t1]\nperiod = 10ms\n");
	tests_dat_clock(d, "local [mono]");
	begin(d, 0, BASE);
	for (int k = 0; k < 20; k++) {
		one_job(d, 0, BASE + k * 10 * MS);
		its_work(d, 0, BASE + k * 10 * MS);
	}
	tests_dat_current(d, 1, HOG);
	for (int k = 0; k < 200; k++) {
		if (k == 92)
			tests_dat_lost(d, 1, 41);
		if (k < 52 || k >= 92)
			tests_dat_other(d, 1, BASE + k * MS);
	}
	tests_dat_write(d, host);
	tests_dat_free(d);
	assert_int_equal(analyze(host, NULL, &err), VMRT_OK);
	assert_string_equal(
		ask("SELECT count(*), min(k), max(k) FROM jobs WHERE outcome = 'unknown'"),
		"5|6|10");
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "15");
	assert_string_equal(ask("SELECT cpu, kind, events FROM losses"), "1|overrun|41");
}

/*
 * Twenty jobs, the last of which sleeps until 200 ms. The last record has a time 5 s later, and
 * nothing was recorded in between: had the time passed, the timer would have expired. Where it
 * does, 5 s late, the machine had stopped, and the job has missed.
 */
static void a_record_behind_timers_that_did_not_expire_has_a_wrong_time(void **state)
{
	(void)state;
	declare("[task host/t1]\nperiod = 10ms\n");
	for (int expires = 0; expires < 2; expires++) {
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
		struct vmrt_error err;

		tests_dat_clock(d, "local [mono]");
		begin(d, 0, BASE);
		for (int k = 0; k < 20; k++) {
			one_job(d, 0, BASE + k * 10 * MS);
			its_work(d, 0, BASE + k * 10 * MS);
		}
		if (expires) {
			one_job(d, 0, BASE + 5200 * MS);
			tests_dat_switch(d, 0, BASE + 5200 * MS + 5 * US, "swapper", 0, 120, 0,
				"t1", T1, 39);
		}
		/* the job before ended at 193 ms, and its thread left the CPU 1 us later */
		tests_dat_other(d, 0, BASE + (expires ? 5201 : 5193) * MS + 1 * US);
		tests_dat_write(d, host);
		tests_dat_free(d);
		assert_int_equal(analyze(host, NULL, &err), VMRT_OK);
		assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "20");
		assert_string_equal(
			ask("SELECT count(*) > 0 FROM jobs WHERE outcome LIKE 'missed%'"),
			expires ? "1" : "0");
		if (!expires)
			assert_non_null(strstr(ask("SELECT note FROM machine WHERE id = 0"),
				"events are 5 s later than all others"));
	}
}

static void files_in_the_wrong_order_are_refused(void **state)
{
	struct vmrt_error err;

	(void)state;
	declare("[task vm1/t1]\nperiod = 10ms\n");
	write_guest();
	write_host(BASE + 1000 * MS);
	assert_int_equal(analyze(guest, host, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "name the host's first"));
}

static void guests_of_one_name_are_refused(void **state)
{
	const char *guests[] = {guest, guest};
	struct vmrt_analyze_options options = {
		.recording = {.host_file = host, .guest_files = guests, .n_guest_files = 2},
		.db = db};
	struct vmrt_analyze_result result;
	struct vmrt_error err;

	(void)state;
	write_guest();
	write_host(BASE + 1000 * MS);
	assert_int_equal(vmrt_analyze(&options, &result, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "both recordings of a guest called vm1"));
}

static void tasks_of_a_machine_that_was_not_recorded_are_noted(void **state)
{
	struct vmrt_error err;

	(void)state;
	declare("[task vm2/t1]\nperiod = 10ms\n");
	write_guest();
	write_host(BASE + 1000 * MS);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(ask("SELECT name, words FROM note LIMIT 1"),
		"vm2/t1|no machine called vm2 was recorded; there is a recording of: host, vm1");
}

/* trace-cmd record -A over TCP writes -1 for every thread. */
static void without_its_vcpu_threads_executions_of_a_guest_are_unknown(void **state)
{
	static const char task[] = "[task vm1/t1]\nperiod = 10ms\n";
	char with_server[256];
	struct vmrt_error err;

	(void)state;
	declare(task);
	write_guest();
	write_host_naming(BASE + 1000 * MS, -1);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(ask("SELECT count(response_ns), count(exec_ns), count(cause) FROM jobs "
				"WHERE outcome = 'met'"),
		"100|0|0");
	assert_string_equal(ask("SELECT part FROM blames WHERE part <> 'unknown'"), "");
	assert_non_null(
		strstr(ask("SELECT words FROM note WHERE about = 'machine' AND name = 'vm1' "
			   "AND words LIKE '%vCPUs%'"),
			"vm = thread:PATTERN"));
	/* as the note says */
	snprintf(with_server, sizeof(with_server),
		"%s[server vm1]\nvm = thread:CPU 0/KVM\nperiod = 10ms\nbudget = 9ms\npriority = "
		"50\n",
		task);
	declare(with_server);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(ask("SELECT count(exec_ns), min(exec_ns) > 2900000 FROM jobs "
				"WHERE outcome = 'met'"),
		"100|1");
	assert_string_equal(ask("SELECT count(*) FROM note WHERE words LIKE '%vCPUs%'"), "0");
}

static void a_server_of_a_vcpu_that_is_not_there_or_not_free_is_noted_as_such(void **state)
{
#define REST "period = 10ms\nbudget = 3ms\npriority = 50\n"
	struct vmrt_error err;

	(void)state;
	declare("[server a]\nvm = vm1:0\n" REST "[server b]\nvm = vm1:1\n" REST
		"[server c]\nvm = vm1\n" REST);
#undef REST
	write_guest();
	write_host(BASE + 1000 * MS);
	assert_int_equal(analyze(host, guest, &err), VMRT_OK);
	assert_string_equal(
		ask("SELECT group_concat(name || ': ' || words, '; ') FROM note WHERE about = "
		    "'server'"),
		"b: vm1 was recorded without a vCPU 1: what the server got is not known; "
		"c: no event of the vCPUs of vm1 was recorded, or another server has them: what "
		"the server got is not known");
}

static int enter(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(host, sizeof(host), "%s/host.dat", folder);
	snprintf(guest, sizeof(guest), "%s/guest.dat", folder);
	snprintf(db, sizeof(db), "%s/run.db", folder);
	snprintf(experiment, sizeof(experiment), "%s/e.ini", folder);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	unlink(host);
	unlink(guest);
	unlink(db);
	unlink(experiment);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_that_end_before_the_record_behind_a_loss_are_unknown_too),
		cmocka_unit_test(behind_the_end_of_the_hosts_file_executions_are_unknown),
		cmocka_unit_test(a_vm_that_sleeps_through_its_timers_has_ended),
		cmocka_unit_test(a_cpu_whose_records_end_early_has_no_invented_misses),
		cmocka_unit_test(a_cpu_that_made_more_than_its_file_has_ends_early),
		cmocka_unit_test(a_record_behind_timers_that_did_not_expire_has_a_wrong_time),
		cmocka_unit_test(files_in_the_wrong_order_are_refused),
		cmocka_unit_test(guests_of_one_name_are_refused),
		cmocka_unit_test(without_its_vcpu_threads_executions_of_a_guest_are_unknown),
		cmocka_unit_test(a_server_of_a_vcpu_that_is_not_there_or_not_free_is_noted_as_such),
		cmocka_unit_test(tasks_of_a_machine_that_was_not_recorded_are_noted),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}

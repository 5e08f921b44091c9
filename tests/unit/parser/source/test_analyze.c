/* SPDX-License-Identifier: MIT */
/* A run folder made by hand, from files to run.db: what SQL must find was worked out on paper. */
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
#include <vmrt/files.h>

#include "ask.h"
#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define OFFSET (5000 * VMRT_NS_PER_S) /* the guest's clock is ahead of the host's */
#define BASE (100 * VMRT_NS_PER_S)    /* of all host times */
#define VCPU 500
#define HOG 600
#define T1 77
#define TIMER UINT64_C(0xffffb00012345678)

static const char experiment[] = "[experiment]\nname = synthetic\n"
				 "[server vm1]\nperiod = 12ms\nbudget = 6ms\npriority = 50\n"
				 "[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\n";

static char folder[] = "/tmp/vmrt-analyze-XXXXXX";
static char run[64];
static uint64_t host_overrun; /* what the kernel of the host counted as lost */

static void write_in(const char *name, const char *text)
{
	char path[256];
	struct vmrt_error err;

	assert_int_equal(vmrt_path(path, sizeof(path), run, name), VMRT_OK);
	assert_int_equal(vmrt_write_file(path, text, strlen(text), &err), VMRT_OK);
}

/* Server markers and the vCPU: on from 0.1 ms, out of budget and preempted from 7 to 13 ms. */
static void write_host_with(uint64_t lost, uint64_t counted)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	char path[256];

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, 1);
	tests_dat_current(d, 0, 900);
	tests_dat_mark(d, 0, BASE,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=12000000 "
		"budget=6000000 priority=50 t0=100001000000");
	tests_dat_mark(d, 0, BASE + 1 * MS + 10 * US,
		"vmrt srv_replenish server=vm1 k=0 at=100001000000 budget=6000000");
	tests_dat_switch(d, 0, BASE + 1 * MS + 20 * US, "hsf", 900, 1, 1, "CPU 0/TCG", VCPU, 49);
	tests_dat_mark(
		d, 0, BASE + 7 * MS + 40 * US, "vmrt srv_deplete server=vm1 k=0 consumed=6010000");
	tests_dat_switch(d, 0, BASE + 7 * MS + 50 * US, "CPU 0/TCG", VCPU, 120, 0, "hog", HOG, 120);
	if (lost)
		tests_dat_lost(d, 0, lost);
	tests_dat_mark(d, 0, BASE + 13 * MS + 10 * US,
		"vmrt srv_replenish server=vm1 k=1 at=100013000000 budget=6000000");
	tests_dat_switch(d, 0, BASE + 13 * MS + 20 * US, "hog", HOG, 120, 0, "CPU 0/TCG", VCPU, 49);
	tests_dat_switch(d, 0, BASE + 17 * MS, "CPU 0/TCG", VCPU, 49, 1, "hog", HOG, 120);
	tests_dat_mark(d, 0, BASE + 26 * MS, "vmrt srv_stop server=vm1");
	if (counted)
		tests_dat_counted(d, 0, counted);
	if (host_overrun)
		tests_dat_cpustat(d, 0, host_overrun, 0, 0);
	vmrt_path(path, sizeof(path), run, "host.dat");
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static void write_host(uint64_t lost)
{
	write_host_with(lost, 0);
}

/* t1 is set up at 2 ms, released at 3 ms, and needs 4 + 2 ms: it ends at 15.05 ms. */
static void write_guest(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t g = BASE + OFFSET;
	char path[256];

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, 2);
	tests_dat_current(d, 0, 0);
	tests_dat_wakeup_new(d, 0, g + 2 * MS, "vmrt-load", T1, 120, 0);
	tests_dat_switch(d, 0, g + 2 * MS + 10 * US, "swapper/0", 0, 120, 0, "vmrt-load", T1, 120);
	tests_dat_timer_start(
		d, 0, g + 2 * MS + 100 * US, TIMER, VMRT_FN_WAKEUP, g + 3 * MS, g + 3 * MS, 0);
	tests_dat_switch(d, 0, g + 2 * MS + 110 * US, "t1", T1, 39, 1, "swapper/0", 0, 120);
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(
		d, 0, g + 3 * MS + 30 * US, TIMER, VMRT_FN_WAKEUP, g + 3 * MS + 29 * US);
	tests_dat_waking(d, 0, g + 3 * MS + 35 * US, "t1", T1, 39, 0);
	tests_dat_wakeup(d, 0, g + 3 * MS + 36 * US, "t1", T1, 39, 0);
	tests_dat_flags(d, 0);
	tests_dat_switch(d, 0, g + 3 * MS + 50 * US, "swapper/0", 0, 120, 0, "t1", T1, 39);
	tests_dat_mark(d, 0, g + 3 * MS + 60 * US, "vmrt job_begin task=t1 k=0");
	tests_dat_mark(d, 0, g + 15 * MS + 40 * US, "vmrt job_end task=t1 k=0");
	tests_dat_timer_start(
		d, 0, g + 15 * MS + 50 * US, TIMER, VMRT_FN_WAKEUP, g + 23 * MS, g + 23 * MS, 0);
	tests_dat_switch(d, 0, g + 15 * MS + 60 * US, "t1", T1, 39, 1, "swapper/0", 0, 120);
	vmrt_path(path, sizeof(path), run, "guest-vm1.dat");
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static void write_manifest(void)
{
	struct vmrt_vm_thread thread = {
		.tid = VCPU, .role = VMRT_ROLE_VCPU, .vcpu = 0, .comm = "CPU 0/TCG"};
	struct vmrt_ping pings[8];
	struct vmrt_manifest_vm vm = {.vm = {.name = "vm1",
					      .hypervisor = "qemu",
					      .accel = "tcg",
					      .pid = VCPU,
					      .threads = &thread,
					      .n_threads = 1,
					      .n_vcpus = 1},
		.file = "guest-vm1.dat",
		.pings = pings,
		.n_pings = 8};
	char command[] = "true";
	struct vmrt_manifest manifest = {.vmrt_version = "0.1.0",
		.recorded_at = "2026-11-21T12:00:00Z",
		.kernel = "Linux",
		.hostname = "h",
		.cpus = 1,
		.command = command,
		.hsf = true,
		.start_ns = BASE,
		.end_ns = BASE + 30 * MS,
		.vms = &vm,
		.n_vms = 1};
	struct vmrt_error err;
	char path[256];

	/* 100 us there and 100 us back, so the offset is known to +-100 us, its middle being the
	 * truth */
	for (int i = 0; i < 8; i++) {
		int64_t at = BASE + i * 4 * MS;

		pings[i] = (struct vmrt_ping){.host_send_ns = at,
			.guest_recv_ns = at + OFFSET + 100 * US,
			.guest_send_ns = at + OFFSET + 110 * US,
			.host_recv_ns = at + 210 * US};
	}
	vmrt_path(path, sizeof(path), run, "manifest.json");
	assert_int_equal(vmrt_manifest_save(&manifest, path, &err), VMRT_OK);
}

static int make_run(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(run, sizeof(run), "%s/s.vmrt", folder);
	if (mkdir(run, 0755) != 0)
		return -1;
	write_in("experiment.ini", experiment);
	write_host(0);
	write_guest();
	write_manifest();
	return 0;
}

static int remove_run(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct vmrt_analyze_result analyze(void)
{
	struct vmrt_analyze_options options = {.recording.run = run};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	if (vmrt_analyze(&options, &result, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return result;
}

static const char *ask(const char *query)
{
	char path[256];

	vmrt_path(path, sizeof(path), run, "run.db");
	return ask_db(path, query);
}

static void a_job_is_found_with_its_times_and_parts(void **state)
{
	(void)state;
	assert_int_equal(analyze().jobs, 2);
	assert_string_equal(
		ask("SELECT machine, task, k, response_ns, preemptions, outcome FROM jobs"),
		"vm1|t1|0|12050000|0|met\n"
		"vm1|t1|1|NULL|0|truncated");
	assert_string_equal(
		ask("SELECT arrival_local_ns - 5100000000000, release_local_ns - 5100000000000, "
		    "start_local_ns - 5100000000000, end_local_ns - 5100000000000, "
		    "mark_begin_local_ns - 5100000000000, mark_end_local_ns - 5100000000000 "
		    "FROM job WHERE k = 0"),
		"3000000|3030000|3050000|15050000|3060000|15040000");
	/* 3.05 to 7.05 and 13.02 to 15.05 ms, with the clock's 100 us; the parts sum to the
	 * response */
	assert_string_equal(
		ask("SELECT abs(exec_ns - 6030000) <= 100000 FROM job WHERE k = 0"), "1");
	assert_string_equal(ask("SELECT sum(ns) FROM blame WHERE k = 0"), "12050000");
	assert_string_equal(ask("SELECT abs(ns - 5960000) <= 100000 FROM blame WHERE k = 0 AND "
				"part = 'budget'"),
		"1");
}

static void server_periods_are_those_of_the_markers(void **state)
{
	(void)state;
	analyze();
	assert_string_equal(
		ask("SELECT server, k, start_ns - 100000000000, end_ns - 100000000000, budget_ns, "
		    "consumed_ns, background_ns, depleted_ns - 100000000000, outcome FROM "
		    "server_periods"),
		"vm1|0|1000000|13000000|6000000|6020000|10000|7040000|depleted\n"
		"vm1|1|13000000|25000000|6000000|3980000|0|NULL|served\n"
		"vm1|2|25000000|26000000|6000000|0|0|NULL|truncated");
	assert_string_equal(ask("SELECT name, policy, period_ns, budget_ns, priority, phase_ns, "
				"enforced FROM server"),
		"vm1|deferrable|12000000|6000000|50|100001000000|1");
}

static void slices_are_the_switches(void **state)
{
	(void)state;
	analyze();
	assert_string_equal(
		ask("SELECT s.start_ns - 100000000000, s.end_ns - 100000000000, s.prio, "
		    "s.end_state "
		    "FROM slice s JOIN thread t ON t.id = s.thread WHERE t.tid = 500 ORDER BY 1"),
		"1020000|7050000|120|0\n"
		"13020000|17000000|49|1");
}

static void the_clock_and_its_bound_are_stored(void **state)
{
	(void)state;
	analyze();
	assert_string_equal(ask("SELECT abs(offset_ns - 5000000000000) <= error_ns, error_ns <= "
				"110000 FROM clock"),
		"1|1");
	assert_string_equal(ask("SELECT inside, outside FROM machine WHERE name = 'vm1'"), "12|0");
}

static void the_database_says_what_it_is(void **state)
{
	(void)state;
	analyze();
	assert_string_equal(ask("PRAGMA application_id"), "1986884212"); /* "vmrt" */
	assert_string_equal(ask("PRAGMA user_version"), "7");
	assert_string_equal(ask("PRAGMA integrity_check"), "ok");
	assert_string_equal(ask("SELECT name, hsf, command, start_ns, end_ns FROM run"),
		"synthetic|1|true|100000000000|100030000000");
}

static void analysing_twice_gives_the_same_bytes(void **state)
{
	char path[256], *first, *second;
	size_t n1, n2;
	struct vmrt_error err;

	(void)state;
	vmrt_path(path, sizeof(path), run, "run.db");
	analyze();
	assert_int_equal(vmrt_read_file(path, 1 << 24, &first, &n1, &err), VMRT_OK);
	analyze();
	assert_int_equal(vmrt_read_file(path, 1 << 24, &second, &n2, &err), VMRT_OK);
	assert_int_equal(n1, n2);
	assert_memory_equal(first, second, n1);
	free(first);
	free(second);
}

static void loss_on_the_host_makes_periods_unknown_and_is_reported(void **state)
{
	(void)state;
	write_host(42);
	assert_true(analyze().loss);
	assert_string_equal(ask("SELECT machine, cpu, from_ns - 100000000000, to_ns - "
				"100000000000, events, kind FROM losses"),
		"host|0|7050000|13010000|42|overrun");
	assert_string_equal(
		ask("SELECT k, outcome FROM server_periods"), "0|unknown\n1|unknown\n2|truncated");
	assert_string_equal(ask("SELECT lost FROM machine WHERE id = 0"), "42");
	write_host(0);
}

/* One of ten events of the host is nowhere: the guest itself shows when its jobs ended. */
static void a_loss_of_the_host_without_a_place_makes_its_guests_unsure(void **state)
{
	(void)state;
	write_host_with(0, 10);
	assert_true(analyze().loss);
	assert_string_equal(ask("SELECT outcome, unsure_ns FROM job WHERE k = 0"), "met|NULL");
	assert_string_equal(ask("SELECT t.uncertain, s.uncertain FROM task t, server s"), "0|1");
	assert_string_equal(ask("SELECT name FROM note WHERE words LIKE '% CPU 0, of which 1 "
				"events are missing%'"),
		"vm1/t1\nvm1");
	write_host(0);
}

/* A page that is full has no room for the number; and a loss that no page shows has no time. */
static void what_the_kernel_counted_as_lost_is_lost_though_no_page_says_how_much(void **state)
{
	static const char lost[] = "SELECT lost FROM machine WHERE id = 0";
	static const char losses[] =
		"SELECT count(*), sum(events IS NULL), sum(from_ns IS NULL) FROM losses";

	(void)state;
	write_host(UINT64_MAX);
	analyze();
	assert_string_equal(ask(lost), "1");
	host_overrun = 700;
	write_host(UINT64_MAX);
	assert_true(analyze().loss);
	assert_string_equal(ask(lost), "700");
	assert_string_equal(ask(losses), "1|1|0");
	/* 42 of them have a time, the others have none */
	write_host(42);
	assert_true(analyze().loss);
	assert_string_equal(ask(lost), "700");
	assert_string_equal(ask(losses), "2|0|1");
	assert_string_equal(ask("SELECT sum(events) FROM losses"), "700");
	host_overrun = 0;
	write_host(0);
}

static void a_failed_analysis_leaves_the_former_database(void **state)
{
	struct vmrt_analyze_options options = {.recording.run = run};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	(void)state;
	analyze();
	write_in("host.dat", "garbage");
	write_in("guest-vm1.dat", "garbage");
	assert_int_not_equal(vmrt_analyze(&options, &result, &err), VMRT_OK);
	assert_non_null(strstr(err.text, "host.dat"));
	assert_string_equal(ask("SELECT count(*) FROM job"), "2");
	write_host(0);
	write_guest();
}

static void a_host_file_with_garbage_does_not_lose_the_guests(void **state)
{
	(void)state;
	write_in("host.dat", "garbage");
	assert_true(analyze().loss);
	assert_string_equal(
		ask("SELECT count(*), count(exec_ns), count(cause) FROM jobs"), "2|0|0");
	assert_string_equal(ask("SELECT machine, cpu, kind FROM losses"), "host|0|clipped");
	write_host(0);
}

static void a_guest_file_with_garbage_does_not_lose_the_host(void **state)
{
	(void)state;
	write_in("guest-vm1.dat", "garbage");
	analyze();
	assert_string_equal(ask("SELECT count(*) FROM machine"), "1");
	assert_string_equal(ask("SELECT count(*) FROM server_period"), "3");
	write_guest();
}

static void a_folder_without_recording_is_named(void **state)
{
	struct vmrt_analyze_options options = {.recording.run = "/tmp"};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	(void)state;
	assert_int_equal(vmrt_analyze(&options, &result, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "/tmp is a folder, but no run"));
}

static void an_empty_recording_is_said_to_be_empty(void **state)
{
	struct vmrt_analyze_options options = {.recording.run = run};
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};
	char path[256];

	(void)state;
	vmrt_path(path, sizeof(path), run, "host.dat");
	tests_dat_write(d, path);
	tests_dat_free(d);
	unlink(strcat(strcpy(path, run), "/guest-vm1.dat"));
	assert_int_equal(vmrt_analyze(&options, &result, &err), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "empty"));
	write_host(0);
	write_guest();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_found_with_its_times_and_parts),
		cmocka_unit_test(server_periods_are_those_of_the_markers),
		cmocka_unit_test(slices_are_the_switches),
		cmocka_unit_test(the_clock_and_its_bound_are_stored),
		cmocka_unit_test(the_database_says_what_it_is),
		cmocka_unit_test(analysing_twice_gives_the_same_bytes),
		cmocka_unit_test(loss_on_the_host_makes_periods_unknown_and_is_reported),
		cmocka_unit_test(a_loss_of_the_host_without_a_place_makes_its_guests_unsure),
		cmocka_unit_test(
			what_the_kernel_counted_as_lost_is_lost_though_no_page_says_how_much),
		cmocka_unit_test(a_failed_analysis_leaves_the_former_database),
		cmocka_unit_test(a_host_file_with_garbage_does_not_lose_the_guests),
		cmocka_unit_test(a_guest_file_with_garbage_does_not_lose_the_host),
		cmocka_unit_test(a_folder_without_recording_is_named),
		cmocka_unit_test(an_empty_recording_is_said_to_be_empty),
	};

	return cmocka_run_group_tests(tests, make_run, remove_run);
}

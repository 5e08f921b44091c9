/* SPDX-License-Identifier: MIT */
/* The doctor's checks against folders that look like other machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/doctor/doctor.h"

static char root[] = "/tmp/vmrt-doctor-XXXXXX";
static struct doctor doctor;

static int new_machine(void **state)
{
	(void)state;
	strcpy(strrchr(root, '-'), "-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	doctor = (struct doctor){.root = root};
	return 0;
}

static int end_machine(void **state)
{
	char command[128];

	(void)state;
	doctor_free(&doctor);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

/* A file of the machine, with the folders above it. */
static void has_file(const char *path, const char *text)
{
	char full[256];
	FILE *out;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	out = fopen(full, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static const struct doctor_finding *finding(const char *check)
{
	for (size_t i = 0; i < doctor.n; i++)
		if (!strcmp(doctor.findings[i].check, check))
			return &doctor.findings[i];
	fail_msg("no finding %s", check);
	return NULL;
}

static void throttling_is_a_warning_with_the_command_that_ends_it(void **state)
{
	(void)state;
	has_file("proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	has_file("proc/sys/kernel/sched_rt_period_us", "1000000\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("rt_throttling")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("rt_throttling")->found, "95.0 %"));
	assert_string_equal(
		finding("rt_throttling")->mend, "sysctl -w kernel.sched_rt_runtime_us=-1");
}

static void a_runtime_of_minus_one_is_no_throttling(void **state)
{
	(void)state;
	has_file("proc/sys/kernel/sched_rt_runtime_us", "-1\n");
	has_file("proc/sys/kernel/sched_rt_period_us", "1000000\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("rt_throttling")->verdict, VMRT_VERDICT_OK);
	assert_string_equal(finding("rt_throttling")->mend, "");
}

/* Each file of debugfs' sched folder, and the verdict and words that follow. */
static void the_server_of_ordinary_threads_is_looked_at_on_every_cpu(void **state)
{
	(void)state;
	/* without debugfs nobody knows */
	doctor_scheduling(&doctor);
	assert_int_equal(finding("fair_server")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_string_equal(
		finding("fair_server")->mend, "mount -t debugfs none /sys/kernel/debug");
	doctor.n = 0;
	/* a kernel before 6.12 */
	has_file("sys/kernel/debug/sched/features", "GENTLE_FAIR_SLEEPERS NO_HRTICK\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("fair_server")->verdict, VMRT_VERDICT_OK);
	doctor.n = 0;
	/* off on CPU 0 only: CPU 2 counts, CPU 1 is not there */
	has_file("sys/kernel/debug/sched/fair_server/cpu0/runtime", "0\n");
	has_file("sys/kernel/debug/sched/fair_server/cpu0/period", "1000000000\n");
	has_file("sys/kernel/debug/sched/fair_server/cpu2/runtime", "50000000\n");
	has_file("sys/kernel/debug/sched/fair_server/cpu2/period", "1000000000\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("fair_server")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("fair_server")->found, "50.0 ms in 1000.0 ms"));
	doctor.n = 0;
	has_file("sys/kernel/debug/sched/fair_server/cpu2/runtime", "0\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("fair_server")->verdict, VMRT_VERDICT_OK);
}

static void hrtick_of_the_deadline_class_has_a_switch_of_its_own_where_there_is_one(void **state)
{
	static const struct {
		const char *features;
		enum vmrt_verdict verdict;
		const char *mend;
	} cases[] = {
		{"START_DEBIT HRTICK DOUBLE_TICK\n", VMRT_VERDICT_OK, ""}, /* Linux 5.10 */
		{"START_DEBIT NO_HRTICK DOUBLE_TICK\n", VMRT_VERDICT_WARN,
			"echo HRTICK >/sys/kernel/debug/sched/features"},
		{"NO_HRTICK HRTICK_DL NO_DOUBLE_TICK\n", VMRT_VERDICT_OK, ""},
		/* this one is for ordinary threads only */
		{"HRTICK NO_HRTICK_DL NO_DOUBLE_TICK\n", VMRT_VERDICT_WARN,
			"echo HRTICK_DL >/sys/kernel/debug/sched/features"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		has_file("sys/kernel/debug/sched/features", cases[i].features);
		doctor.n = 0;
		doctor_scheduling(&doctor);
		assert_int_equal(finding("hrtick")->verdict, cases[i].verdict);
		assert_string_equal(finding("hrtick")->mend, cases[i].mend);
	}
	/* Linux 5.10 has the file elsewhere */
	has_file("sys/kernel/debug/sched_features", "NO_HRTICK\n");
	doctor.n = 0;
	doctor_scheduling(&doctor);
	assert_string_equal(
		finding("hrtick")->mend, "echo HRTICK >/sys/kernel/debug/sched_features");
}

static void an_old_kernel_has_no_server_of_ordinary_threads(void **state)
{
	(void)state;
	has_file("sys/kernel/debug/sched_features", "NO_HRTICK\n");
	doctor_scheduling(&doctor);
	assert_int_equal(finding("fair_server")->verdict, VMRT_VERDICT_OK);
}

static void what_cannot_be_read_is_unknown(void **state)
{
	(void)state;
	doctor_scheduling(&doctor);
	doctor_power(&doctor);
	assert_int_equal(finding("rt_throttling")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_int_equal(finding("frequency")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_int_equal(finding("smt")->verdict, VMRT_VERDICT_UNKNOWN);
}

static void the_deepest_idle_state_that_is_not_disabled_counts(void **state)
{
#define IDLE "sys/devices/system/cpu/cpu0/cpuidle/"
	(void)state;
	has_file(IDLE "state0/latency", "1\n");
	has_file(IDLE "state0/name", "C1\n");
	has_file(IDLE "state0/disable", "0\n");
	has_file(IDLE "state1/latency", "133\n");
	has_file(IDLE "state1/name", "C6\n");
	has_file(IDLE "state1/disable", "0\n");
	has_file(IDLE "state2/latency", "890\n");
	has_file(IDLE "state2/name", "C8\n");
	has_file(IDLE "state2/disable", "1\n");
	doctor_power(&doctor);
	assert_int_equal(finding("idle_states")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("idle_states")->found, "C6"));
	assert_non_null(strstr(finding("idle_states")->found, "133 us"));
#undef IDLE
}

static void one_cpu_with_another_governor_is_counted(void **state)
{
	(void)state;
	has_file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	has_file("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
	doctor_power(&doctor);
	assert_int_equal(finding("frequency")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("frequency")->found, "1 of 2"));
}

static void a_kernel_without_an_event_fails(void **state)
{
#define EVENTS "sys/kernel/tracing/events/"
	(void)state;
	has_file(EVENTS "sched/sched_switch/format", "x");
	has_file(EVENTS "sched/sched_waking/format", "x");
	has_file(EVENTS "timer/hrtimer_start/format", "x");
	doctor_kernel(&doctor);
	assert_int_equal(finding("tracefs")->verdict, VMRT_VERDICT_FAIL);
	assert_non_null(strstr(finding("tracefs")->found, "timer/hrtimer_expire_entry"));
#undef EVENTS
}

static void the_configuration_shows_ticks_and_preemption(void **state)
{
	(void)state;
	has_file("proc/config",
		"# x\nCONFIG_EVENT_TRACING=y\nCONFIG_HIGH_RES_TIMERS=y\n"
		"# CONFIG_PERF_EVENTS is not set\nCONFIG_HZ=100\nCONFIG_PREEMPT_RT=y\n");
	doctor_kernel(&doctor);
	assert_int_equal(finding("tick")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("tick")->found, "100 ticks"));
	assert_int_equal(finding("preemption")->verdict, VMRT_VERDICT_OK);
	assert_int_equal(doctor.findings[2].verdict, VMRT_VERDICT_WARN);
	assert_string_equal(doctor.findings[2].found, "CONFIG_PERF_EVENTS is not set");
}

/* Two vCPUs of a VM on CPU 3, FIFO 50; the main loop is an ordinary thread. */
static void a_vm_whose_main_loop_is_below_its_vcpus_is_reported(void **state)
{
	struct vmrt_vm_thread threads[3] = {
		{.tid = 11, .role = VMRT_ROLE_VCPU, .vcpu = 0, .policy = 1, .priority = 50},
		{.tid = 12, .role = VMRT_ROLE_VCPU, .vcpu = 1, .policy = 1, .priority = 50},
		{.tid = 10, .role = VMRT_ROLE_MAIN, .vcpu = -1},
	};
	struct vmrt_vm vm = {
		.name = "plant", .pid = 10, .threads = threads, .n_threads = 3, .n_vcpus = 2};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		CPU_SET(3, &threads[i].affinity);
	has_file("proc/10/status", "VmLck:\t       0 kB\nVmRSS:\t  204800 kB\n");
	doctor_vm(&doctor, &vm);
	assert_int_equal(finding("vcpu_pinning")->verdict, VMRT_VERDICT_OK);
	assert_int_equal(finding("vcpu_sharing")->verdict, VMRT_VERDICT_WARN);
	assert_int_equal(finding("main_loop")->verdict, VMRT_VERDICT_WARN);
	assert_string_equal(finding("main_loop")->mend, "chrt -f -p 51 10");
	assert_int_equal(finding("memory_locked")->verdict, VMRT_VERDICT_WARN);
	assert_non_null(strstr(finding("memory_locked")->found, "0 of 200 MiB"));
	assert_int_equal(finding("agent")->verdict, VMRT_VERDICT_WARN);
}

/* libvirt's group of a vCPU under cgroup version 1, with and without a real-time budget. */
static void a_group_without_a_real_time_budget_fails_with_the_way_out(void **state)
{
	struct vmrt_vm_thread threads[1] = {{.tid = 11, .role = VMRT_ROLE_VCPU, .vcpu = 0}};
	struct vmrt_vm vm = {
		.name = "plant", .pid = 10, .threads = threads, .n_threads = 1, .n_vcpus = 1};

	(void)state;
	CPU_SET(3, &threads[0].affinity);
	has_file("proc/11/cgroup",
		"9:cpuset:/elsewhere\n4:cpu,cpuacct:/machine.slice/vcpu0\n0::/unified\n");
	has_file("sys/fs/cgroup/cpu/machine.slice/vcpu0/cpu.rt_runtime_us", "0\n");
	doctor_vm(&doctor, &vm);
	assert_int_equal(finding("vcpu_group")->verdict, VMRT_VERDICT_FAIL);
	assert_non_null(strstr(finding("vcpu_group")->found, "/machine.slice/vcpu0 has no"));
	assert_string_equal(finding("vcpu_group")->mend,
		"for t in /proc/10/task/*; do echo ${t##*/} >/sys/fs/cgroup/cpu/tasks; done");
	doctor_free(&doctor);
	doctor = (struct doctor){.root = root};
	has_file("sys/fs/cgroup/cpu/machine.slice/vcpu0/cpu.rt_runtime_us", "900000\n");
	doctor_vm(&doctor, &vm);
	assert_int_equal(finding("vcpu_group")->verdict, VMRT_VERDICT_OK);
}

static void guest_reports_its_settings(void **state)
{
	(void)state;
	doctor_guest(&doctor, "plant",
		"kernel=6.1.0-rt\nversion=#1 SMP PREEMPT_RT Debian\nhz=250\nclocksource=tsc\n"
		"rt_runtime_us=-1\nrt_period_us=1000000\ntrace_clocks=[local] global mono\n"
		"steal_ticks=0\nticks=5000\n");
	for (size_t i = 0; i < doctor.n; i++) {
		assert_int_equal(doctor.findings[i].verdict, VMRT_VERDICT_OK);
		assert_string_equal(doctor.findings[i].subject, "plant");
	}
	assert_int_equal(doctor.n, 6);
}

static void guest_with_usual_settings_is_warned_of(void **state)
{
	static const char *const checks[] = {"guest_kernel", "guest_hz", "guest_clock",
		"guest_throttling", "guest_tracing", "guest_steal"};

	(void)state;
	doctor_guest(&doctor, "plant",
		"kernel=6.1.0\nversion=#1 SMP PREEMPT_DYNAMIC\nhz=100\nclocksource=hpet\n"
		"rt_runtime_us=950000\nrt_period_us=1000000\nsteal_ticks=50\nticks=5000\n");
	for (size_t i = 0; i < 6; i++) {
		const struct doctor_finding *f = finding(checks[i]);

		assert_int_equal(f->verdict, i == 4 ? VMRT_VERDICT_FAIL : VMRT_VERDICT_WARN);
		assert_string_not_equal(f->why, "");
		assert_string_not_equal(f->mend, "");
	}
	assert_non_null(strstr(finding("guest_throttling")->found, "95.0 %"));
	assert_non_null(strstr(finding("guest_steal")->found, "1.00 %"));
}

static void what_a_guest_does_not_report_or_reports_wrongly_is_unknown(void **state)
{
	(void)state;
	doctor_guest(&doctor, "plant", "hz=much\nticks=-1\nrt_period_us=0\n===\n=\nx");
	assert_int_equal(finding("guest_hz")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_int_equal(finding("guest_clock")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_int_equal(finding("guest_throttling")->verdict, VMRT_VERDICT_UNKNOWN);
	assert_int_equal(finding("guest_steal")->verdict, VMRT_VERDICT_UNKNOWN);
}

static void printed_is(const char *want)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	doctor_print(&doctor, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, want);
	free(text);
}

/* 23 characters, three of them of two bytes: what was found begins behind the longest name. */
static void names_of_vms_are_whole_and_in_columns(void **state)
{
	(void)state;
	doctor_add(&doctor, VMRT_VERDICT_OK, "ticks", "host", "", "", "HZ is 1000");
	doctor_add(&doctor, VMRT_VERDICT_WARN, "memory",
		"Pr\xc3\xbc"
		"fstand-\xc3\x9c"
		"bersicht-S\xc3\xbc"
		"d",
		"pages are missing", "lock them", "not locked");
	printed_is("ok      ticks          host                     HZ is 1000\n"
		   "warn    memory         Pr\xc3\xbc"
		   "fstand-\xc3\x9c"
		   "bersicht-S\xc3\xbc"
		   "d  not locked\n"
		   "          why:  pages are missing\n"
		   "          mend: lock them\n"
		   "1 ok, 1 warn, 0 fail, 0 unknown\n");
}

/* An escape sequence, and the first byte of a character whose second is missing. */
static void names_of_vms_command_no_terminal(void **state)
{
	(void)state;
	doctor_add(&doctor, VMRT_VERDICT_FAIL, "agent", "a\x1b[2J\xc3", "why", "", "no answer");
	doctor_add(&doctor, VMRT_VERDICT_UNKNOWN, "agent", "vm", "why", "", "?");
	printed_is("fail    agent          a?[2J?  no answer\n"
		   "          why:  why\n"
		   "unknown agent          vm      ?\n"
		   "          why:  why\n"
		   "0 ok, 0 warn, 1 fail, 1 unknown\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, new_machine, end_machine)
	const struct CMUnitTest tests[] = {
		TEST(throttling_is_a_warning_with_the_command_that_ends_it),
		TEST(a_runtime_of_minus_one_is_no_throttling),
		TEST(the_server_of_ordinary_threads_is_looked_at_on_every_cpu),
		TEST(hrtick_of_the_deadline_class_has_a_switch_of_its_own_where_there_is_one),
		TEST(an_old_kernel_has_no_server_of_ordinary_threads),
		TEST(what_cannot_be_read_is_unknown),
		TEST(the_deepest_idle_state_that_is_not_disabled_counts),
		TEST(one_cpu_with_another_governor_is_counted),
		TEST(a_kernel_without_an_event_fails),
		TEST(the_configuration_shows_ticks_and_preemption),
		TEST(a_vm_whose_main_loop_is_below_its_vcpus_is_reported),
		TEST(a_group_without_a_real_time_budget_fails_with_the_way_out),
		TEST(guest_reports_its_settings),
		TEST(guest_with_usual_settings_is_warned_of),
		TEST(what_a_guest_does_not_report_or_reports_wrongly_is_unknown),
		TEST(names_of_vms_are_whole_and_in_columns),
		TEST(names_of_vms_command_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

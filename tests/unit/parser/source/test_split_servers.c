/* SPDX-License-Identifier: MIT */
/* Recordings of VMs with several vCPUs: whose servers they have, and what their threads did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/analyze.h>
#include <vmrt/files.h>

#include "ask.h"
#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define BASE (100 * VMRT_NS_PER_S)
#define END (BASE + 100 * MS)
#define PERIOD (10 * MS)
#define FIFO(p) (99 - (p))
#define V0 1001
#define V1 1002
#define MAIN 1000

static char folder[] = "/tmp/vmrt-split-XXXXXX";

static void path_of(const char *name, char path[256])
{
	assert_int_equal(vmrt_path(path, 256, folder, name), VMRT_OK);
}

static void run(struct tests_dat *d, unsigned cpu, int64_t at, int64_t ns, const char *comm,
	int32_t tid, int32_t prio)
{
	tests_dat_waking(d, cpu, at - 1 * US, comm, tid, prio, (int32_t)cpu);
	tests_dat_switch(d, cpu, at, "swapper", 0, 120, 0, comm, tid, prio);
	tests_dat_switch(d, cpu, at + ns, comm, tid, prio, 1, "swapper", 0, 120);
}

static void save_manifest(void)
{
	struct vmrt_vm_thread threads[] = {
		{.tid = V0, .role = VMRT_ROLE_VCPU, .vcpu = 0, .comm = "CPU 0/KVM"},
		{.tid = V1, .role = VMRT_ROLE_VCPU, .vcpu = 1, .comm = "CPU 1/KVM"},
		{.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1, .comm = "qemu"},
	};
	struct vmrt_manifest_vm vm = {.vm = {.name = "plant",
					      .hypervisor = "qemu",
					      .pid = MAIN,
					      .threads = threads,
					      .n_threads = 3,
					      .n_vcpus = 2}};
	struct vmrt_manifest m = {.vmrt_version = "0.1.0",
		.recorded_at = "2026-01-02T03:04:05Z",
		.command_status = -1,
		.cpus = 2,
		.start_ns = BASE,
		.end_ns = END,
		.vms = &vm,
		.n_vms = 1};
	struct vmrt_error err;
	char path[256];

	path_of(VMRT_FILE_MANIFEST, path);
	if (vmrt_manifest_save(&m, path, &err) != VMRT_OK)
		fail_msg("%s", err.text);
}

/* Ten periods: vCPU 0 runs 3 ms, vCPU 1 runs 2 ms on @cpu; @server: what the markers say, if they
 * say anything. */
static void record(unsigned cpu, const char *server, int64_t helper_ns)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
	char path[256], line[160];

	tests_dat_clock(d, "local [mono]");
	for (int k = 0; k < 10; k++) {
		int64_t at = BASE + k * PERIOD;

		tests_dat_current(d, 0, 0);
		tests_dat_current(d, 1, 0);
		if (server && !k) {
			snprintf(line, sizeof(line),
				"vmrt srv_start server=%s vm=plant policy=deferrable "
				"depletion=soft period=10000000 budget=4000000 priority=50 t0=%lld",
				server, (long long)(BASE + PERIOD));
			tests_dat_mark(d, 0, at + 1 * US, line);
		}
		run(d, 0, at + 10 * US, 3 * MS, "CPU 0/KVM", V0, FIFO(50));
		run(d, cpu, at + 4 * MS, 2 * MS, "CPU 1/KVM", V1, FIFO(50));
		if (helper_ns)
			run(d, 0, at + 7 * MS, helper_ns, "qemu", MAIN, FIFO(51));
	}
	path_of(VMRT_FILE_HOST, path);
	tests_dat_write(d, path);
	tests_dat_free(d);
	save_manifest();
}

static void analyze(const char *experiment)
{
	char ini[256];
	struct vmrt_analyze_options options = {.recording = {.run = folder}};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	path_of(VMRT_FILE_EXPERIMENT, ini);
	assert_int_equal(vmrt_write_file(ini, experiment, strlen(experiment), &err), VMRT_OK);
	if (vmrt_analyze(&options, &result, &err) != VMRT_OK)
		fail_msg("%s", err.text);
}

static const char *ask(const char *query)
{
	char path[256];

	path_of(VMRT_FILE_DB, path);
	return ask_db(path, query);
}

#define BUDGET "period = 10ms\nbudget = 4ms\npriority = 50\n"
#define SERVERS "SELECT name, vcpu FROM server ORDER BY name"
#define CONSUMED                                                                                   \
	"SELECT server, max(consumed_ns) FROM server_periods WHERE outcome NOT IN "                \
	"('unknown', 'truncated') GROUP BY 1 ORDER BY 1"

static void server_of_two_vcpus_is_two_servers(void **state)
{
	(void)state;
	record(1, NULL, 0);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask(SERVERS), "plant:0|0\nplant:1|1");
	assert_string_equal(ask(CONSUMED), "plant:0|3000000\nplant:1|2000000");
	assert_string_equal(ask("SELECT words FROM note"), "");
}

static void server_of_one_vcpu_sees_that_one(void **state)
{
	(void)state;
	record(1, NULL, 0);
	analyze("[server rt]\nvm = plant:1\n" BUDGET);
	assert_string_equal(ask(SERVERS), "rt|1");
	assert_string_equal(ask(CONSUMED), "rt|2000000");
}

static void server_that_is_together_has_all(void **state)
{
	(void)state;
	record(1, NULL, 0);
	analyze("[server plant]\ntogether = yes\n" BUDGET);
	assert_string_equal(ask(SERVERS), "plant|NULL");
	assert_string_equal(ask(CONSUMED), "plant|5000000");
}

static void enforcer_has_the_last_word(void **state)
{
	(void)state;
	record(1, "plant", 0);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask(SERVERS), "plant|NULL");
	record(1, "plant:0", 0);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask(SERVERS), "plant:0|0\nplant:1|1");
	assert_string_equal(ask("SELECT name FROM server WHERE enforced"), "plant:0");
}

static void vcpus_on_one_cpu_are_noted(void **state)
{
	(void)state;
	record(0, NULL, 0);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask("SELECT about, name, substr(words, 1, 44) FROM note"),
		"threads|plant:0|vCPUs 0, 1 of VM plant ran on CPU 0 only: th");
	analyze("[server plant]\npolicy = none\n");
	assert_string_equal(ask("SELECT about, name FROM note"), "threads|plant");
}

static void helper_threads_above_a_server_are_named(void **state)
{
	(void)state;
	record(1, NULL, 2 * MS);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask("SELECT about, name, words FROM note"),
		"threads|plant:0|helper threads above its priority took time from the vCPUs that "
		"no budget pays for: qemu (thread 1000) 20 ms on CPU 0, at most 2 ms at once");
	/* that is paid for */
	analyze("[server plant]\nhelpers = charged\n" BUDGET);
	assert_string_equal(ask("SELECT words FROM note"), "");
	/* a helper that takes next to nothing */
	record(1, NULL, 20 * US);
	analyze("[server plant]\n" BUDGET);
	assert_string_equal(ask("SELECT words FROM note"), "");
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {
		VMRT_FILE_MANIFEST, VMRT_FILE_EXPERIMENT, VMRT_FILE_HOST, VMRT_FILE_DB};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[256];

		path_of(names[i], path);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_of_two_vcpus_is_two_servers),
		cmocka_unit_test(server_of_one_vcpu_sees_that_one),
		cmocka_unit_test(server_that_is_together_has_all),
		cmocka_unit_test(enforcer_has_the_last_word),
		cmocka_unit_test(vcpus_on_one_cpu_are_noted),
		cmocka_unit_test(helper_threads_above_a_server_are_named),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

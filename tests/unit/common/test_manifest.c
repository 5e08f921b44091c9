/* SPDX-License-Identifier: MIT */
/* manifest.json: what is written is read again, whatever it holds. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/tool.h>

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/vmrt-test-manifest-%d.json", (int)getpid());
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static struct vmrt_manifest *save_and_load(const struct vmrt_manifest *m)
{
	struct vmrt_manifest *out = NULL;
	struct vmrt_error err = {0};

	assert_int_equal(vmrt_manifest_save(m, path, &err), VMRT_OK);
	assert_int_equal(vmrt_manifest_load(path, &out, &err), VMRT_OK);
	return out;
}

/* The two manifests have the same VM. */
static void assert_same_vm(const struct vmrt_manifest *got, const struct vmrt_manifest_vm *vm)
{
	assert_int_equal(got->n_vms, 1);
	assert_int_equal(got->vms[0].n_pings, 2);
	assert_memory_equal(got->vms[0].pings, vm->pings, 2 * sizeof(*vm->pings));
	assert_int_equal(got->vms[0].vm.n_vcpus, 1);
	assert_int_equal(got->vms[0].vm.n_threads, 2);
	assert_int_equal(got->vms[0].vm.threads[0].vcpu, 3);
	assert_int_equal(got->vms[0].vm.threads[1].vcpu, -1);
	assert_true(CPU_EQUAL(&got->vms[0].vm.threads[0].affinity, &vm->vm.threads[0].affinity));
	assert_string_equal(got->vms[0].vm.link[1], "/run/x.sock");
	assert_string_equal(got->vms[0].note, "cut");
}

static void a_whole_manifest_comes_back(void **state)
{
	struct vmrt_ping pings[2] = {
		{INT64_MIN, INT64_MAX, -1, 0, UINT64_MAX, (UINT64_C(1) << 63) + 1, 3, 0},
		{1, 9007199254740993, 3, 4, 5, 6, 7, 8}};
	struct vmrt_vm_thread threads[2] = {{.tid = 11,
						    .role = VMRT_ROLE_VCPU,
						    .vcpu = 3,
						    .comm = "CPU 3/TCG",
						    .policy = 1,
						    .priority = 50},
		{.tid = 10, .role = VMRT_ROLE_MAIN, .vcpu = -1, .comm = "qemu"}};
	struct vmrt_manifest_vm vm = {.file = "guest-a.dat",
		.kernel = "6.1",
		.note = "cut",
		.pings = pings,
		.n_pings = 2};
	char command[] = "sh -c 'a \"b\" \\ c'";
	struct vmrt_manifest m = {.uuid = "01234567-89ab-4cde-8f01-23456789abcd",
		.vmrt_version = "1",
		.recorded_at = "now",
		.kernel = "6.18",
		.hostname = "h",
		.cpus = 2,
		.command = command,
		.command_status = 130,
		.hsf = true,
		.start_ns = INT64_MIN,
		.end_ns = INT64_MAX,
		.vms = &vm,
		.n_vms = 1};
	struct vmrt_manifest *got;

	(void)state;
	strcpy(vm.vm.name, "a");
	strcpy(vm.vm.accel, "tcg");
	strcpy(vm.vm.link[1], "/run/x.sock");
	vm.vm.pid = 10;
	vm.vm.threads = threads;
	vm.vm.n_threads = 2;
	vm.vm.n_vcpus = 1;
	for (int cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &threads[0].affinity);
	CPU_SET(9, &threads[0].affinity);
	got = save_and_load(&m);
	assert_string_equal(got->command, command);
	assert_int_equal(got->command_status, 130);
	assert_true(got->hsf);
	assert_true(got->start_ns == INT64_MIN && got->end_ns == INT64_MAX);
	assert_same_vm(got, &vm);
	vmrt_manifest_free(got);
}

static void buffers_losses_and_lives_of_threads_come_back(void **state)
{
	struct vmrt_manifest_buffer buffers[2] = {
		{.size = 8 << 20,
			.fill = 1 << 20,
			.events = 12345,
			.unread_ns = 400,
			.unread_at_ns = 99},
		{.size = 8 << 20,
			.fill = 8 << 20,
			.events = 1,
			.lost = 70,
			.n_losses = 2,
			.losses = {{1, 2, 30}, {5, 9, 40}}},
	};
	struct vmrt_vm_thread threads[2] = {{.tid = 1, .from_ns = 17, .to_ns = INT64_MAX},
		{.tid = 2, .role = VMRT_ROLE_IO, .vcpu = -1}};
	struct vmrt_manifest_vm vm = {.vm = {.threads = threads, .n_threads = 2}};
	struct vmrt_manifest m = {
		.note = "the disk", .buffers = buffers, .n_buffers = 2, .vms = &vm, .n_vms = 1};
	struct vmrt_manifest *got;

	(void)state;
	got = save_and_load(&m);
	assert_string_equal(got->note, "the disk");
	assert_int_equal(got->n_buffers, 2);
	assert_int_equal(got->buffers[0].fill, 1 << 20);
	assert_int_equal(got->buffers[0].events, 12345);
	assert_int_equal(got->buffers[0].unread_at_ns, 99);
	assert_int_equal(got->buffers[1].lost, 70);
	assert_int_equal(got->buffers[1].n_losses, 2);
	assert_int_equal(got->buffers[1].losses[1].events, 40);
	assert_true(got->vms[0].vm.threads[0].from_ns == 17);
	assert_true(got->vms[0].vm.threads[0].to_ns == INT64_MAX);
	assert_true(got->vms[0].vm.threads[1].from_ns == 0);
	vmrt_manifest_free(got);
}

static void that_a_recording_was_broken_off_comes_back_where_it_was_said(void **state)
{
	struct vmrt_manifest_vm vms[2] = {{.broken_off = true}, {.note = "something else"}};
	struct vmrt_manifest m = {.vms = vms, .n_vms = 2}, *got;

	(void)state;
	got = save_and_load(&m);
	assert_false(got->broken_off);
	assert_true(got->vms[0].broken_off);
	assert_false(got->vms[1].broken_off);
	vmrt_manifest_free(got);
	m.broken_off = true;
	vms[0].broken_off = false;
	got = save_and_load(&m);
	assert_true(got->broken_off);
	assert_false(got->vms[0].broken_off);
	vmrt_manifest_free(got);
}

static void hostile_strings_stay_strings(void **state)
{
	char command[] =
		"\"}],\n\t\x01\x7f \xff\xfe \xc3\xa4 \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82";
	struct vmrt_manifest m = {.command = command};
	struct vmrt_manifest *got;

	(void)state;
	got = save_and_load(&m);
	assert_string_equal(got->command, "\"}],\n\t\x01\x7f ?? \xc3\xa4 ??? ???? ??");
	vmrt_manifest_free(got);
}

/* Saves a small manifest, replaces @from by @to in it, and returns how loading goes. */
static enum vmrt_status load_with(const char *from, const char *to)
{
	struct vmrt_manifest_vm vm = {.file = "guest-a.dat"};
	struct vmrt_manifest m = {.cpus = 2, .vms = &vm, .n_vms = 1}, *got = NULL;
	struct vmrt_error err = {0};
	char *text, *at, *changed;
	enum vmrt_status status;

	assert_int_equal(vmrt_manifest_save(&m, path, &err), VMRT_OK);
	assert_int_equal(vmrt_read_file(path, 1 << 20, &text, NULL, &err), VMRT_OK);
	at = strstr(text, from);
	assert_non_null(at);
	assert_true(
		asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	assert_int_equal(vmrt_write_file(path, changed, strlen(changed), &err), VMRT_OK);
	status = vmrt_manifest_load(path, &got, &err);
	if (status != VMRT_OK)
		assert_non_null(strstr(err.text, path));
	vmrt_manifest_free(status == VMRT_OK ? got : NULL);
	free(changed);
	free(text);
	return status;
}

static void wrong_manifests_are_refused(void **state)
{
	(void)state;
	assert_int_equal(load_with("\"cpus\": 2", "\"cpus\": 3"), VMRT_OK);
	assert_int_equal(load_with("\"cpus\": 2", "\"cpus\": \"2\""), VMRT_EFORMAT);
	assert_int_equal(load_with("\"cpus\": 2", "\"cpus\": -2"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"cpus\": 2", "\"cpus\": 99999999999999999999"), VMRT_EFORMAT);
	assert_int_equal(
		load_with("\"start_ns\": 0", "\"start_ns\": 9223372036854775808"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"cpus\"", "\"gpus\""), VMRT_EFORMAT);
	assert_int_equal(load_with("\"format\": 1", "\"format\": 2"), VMRT_EUNSUPPORTED);
	assert_int_equal(load_with("guest-a.dat", "../../etc/passwd"), VMRT_EFORMAT);
	assert_int_equal(load_with("guest-a.dat", "guest-b c.dat"), VMRT_OK);
	assert_int_equal(load_with("guest-a.dat", ""), VMRT_OK);
	/* analyze --guest replaces it */
	assert_int_equal(load_with("guest-a.dat", "host.dat"), VMRT_EFORMAT);
	assert_int_equal(load_with("guest-a.dat", "guest-a.dat.new"), VMRT_EFORMAT);
	assert_int_equal(load_with("guest-a.dat", "guest-.dat"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"pings\": [", "\"pings\": [[1,2,3],"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"pings\": [", "\"pings\": [[1,2,3,4,-5,6,7,8]"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"threads\": [", "\"threads\": [7"), VMRT_EFORMAT);
	assert_int_equal(load_with("\"vms\": [", "\"vms\": [ 3,"), VMRT_EFORMAT);
	assert_int_equal(load_with("{", "["), VMRT_EFORMAT);
	assert_int_equal(load_with("{", ""), VMRT_EFORMAT);
}

/* As load_with(), with @n times @piece as a list that nobody reads. */
static enum vmrt_status load_with_list(const char *piece, size_t n)
{
	size_t len = strlen(piece);
	char *list = malloc(n * len + 64), *end = list + sprintf(list, "\"more\": [");
	enum vmrt_status status;

	for (size_t i = 0; i < n; i++, end += len)
		memcpy(end, piece, len);
	sprintf(end, "0], \"cpus\": 2");
	status = load_with("\"cpus\": 2", list);
	free(list);
	return status;
}

static void memory_stays_in_proportion_to_the_file(void **state)
{
	(void)state;
	/* json-c takes 35, 390 and 70 bytes for each of these bytes, and 7 for the last ones */
	assert_int_equal(load_with_list("0,", 300000), VMRT_EFORMAT);
	assert_int_equal(load_with_list("{},", 300000), VMRT_EFORMAT);
	assert_int_equal(load_with_list("[0],", 300000), VMRT_EFORMAT);
	assert_int_equal(load_with_list("123456789,", 100000), VMRT_OK);
	/* a small file may hold anything */
	assert_int_equal(load_with_list("{},", 100), VMRT_OK);
}

static void a_signal_ends_reading_a_large_manifest(void **state)
{
	(void)state;
	vmrt_request_stop(SIGTERM);
	assert_int_equal(load_with_list("123456789,", 100000), VMRT_EINTR);
	/* what is read at once is read: a recorder that was stopped still needs it */
	assert_int_equal(load_with_list("123456789,", 100), VMRT_OK);
	vmrt_request_stop(0);
}

static void a_missing_manifest_is_not_found(void **state)
{
	struct vmrt_manifest *got;
	struct vmrt_error err;

	(void)state;
	unlink(path);
	assert_int_equal(vmrt_manifest_load(path, &got, &err), VMRT_ENOENT);
}

static void a_manifest_that_cannot_be_written_leaves_nothing(void **state)
{
	struct vmrt_manifest m = {.cpus = 1};
	struct vmrt_error err;

	(void)state;
	assert_int_not_equal(vmrt_manifest_save(&m, "/nonexistent/manifest.json", &err), VMRT_OK);
	assert_int_not_equal(access("/nonexistent", F_OK), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_whole_manifest_comes_back, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			buffers_losses_and_lives_of_threads_come_back, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			that_a_recording_was_broken_off_comes_back_where_it_was_said, make_path,
			remove_file),
		cmocka_unit_test_setup_teardown(
			hostile_strings_stay_strings, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			wrong_manifests_are_refused, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			memory_stays_in_proportion_to_the_file, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			a_signal_ends_reading_a_large_manifest, make_path, remove_file),
		cmocka_unit_test_setup_teardown(
			a_missing_manifest_is_not_found, make_path, remove_file),
		cmocka_unit_test(a_manifest_that_cannot_be_written_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

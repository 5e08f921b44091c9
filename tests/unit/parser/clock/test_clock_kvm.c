/* SPDX-License-Identifier: MIT */
/* The exact relation of clocks under KVM, on pings and files made up for it. */
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

#include <vmrt/clock.h>
#include <vmrt/manifest.h>

#include "collector/session/kvm-tsc.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define S VMRT_NS_PER_S
#define PINGS 400
#define TICKS_PER_NS 2.3L

struct world {
	struct vmrt_kvm_tsc kvm;
	struct vmrt_ping pings[PINGS];
	uint64_t seed;
};

static uint64_t dice(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

static const int64_t begin = 1000 * S;

/* The truth: the guest booted 700 s later, and its clock runs 12 ppm fast. */
static int64_t guest_time(int64_t host)
{
	return host - 700 * S + (int64_t)(12e-6L * (long double)(host - begin));
}

static uint64_t host_counter(int64_t host)
{
	return (uint64_t)(TICKS_PER_NS * (long double)host);
}

static uint64_t guest_counter(const struct world *w, int64_t host)
{
	unsigned __int128 scaled = (unsigned __int128)host_counter(host) * w->kvm.ratio;

	return (uint64_t)(scaled >> w->kvm.bits) + (uint64_t)w->kvm.offset;
}

/* Between reading the clock and the counter: 20 to 80 ns, now and then an interrupt. */
static int64_t pause_between(struct world *w)
{
	return 20 + (int64_t)dice(w, 60) + (dice(w, 30) ? 0 : 50 * US);
}

static void make_world(
	struct world *w, uint64_t seed, int64_t offset, uint64_t ratio, uint32_t bits)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->kvm = (struct vmrt_kvm_tsc){offset, ratio, bits};
	for (int i = 0; i < PINGS; i++) {
		struct vmrt_ping *p = &w->pings[i];
		int64_t at = begin + i * 100 * MS, there, back;

		/* a busy host: round trips of up to 100 ms, and not the same there and back */
		there = at + 100 * US + (int64_t)dice(w, 90 * MS);
		back = there + 60 * US + (int64_t)dice(w, 5 * MS);
		p->host_send_ns = at;
		p->host_send_tsc = host_counter(at + pause_between(w));
		p->guest_recv_ns = guest_time(there);
		p->guest_recv_tsc = guest_counter(w, there + pause_between(w));
		p->guest_send_ns = guest_time(there + 30 * US);
		p->guest_send_tsc = guest_counter(w, there + 30 * US);
		p->host_recv_ns = back;
		p->host_recv_tsc = host_counter(back + pause_between(w));
	}
}

static void check(const struct world *w)
{
	struct vmrt_clockmap map;
	struct vmrt_error err = {0};

	if (vmrt_clock_from_kvm(&w->kvm, w->pings, PINGS, &map, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_KVM);
	assert_in_range(vmrt_clockmap_worst(&map), 1, 3 * US);
	for (int64_t at = begin + S; at < begin + 39 * S; at += 100 * MS) {
		int64_t mistake = vmrt_clockmap_to_host(&map, guest_time(at), NULL) - at;

		if (llabs(mistake) > vmrt_clockmap_error(&map, guest_time(at), NULL))
			fail_msg("wrong by %ld ns", (long)mistake);
	}
	vmrt_clockmap_free(&map);
}

static void long_round_trips_do_not_matter_when_the_offset_of_the_counter_is_known(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		make_world(&w, seed, -(int64_t)host_counter(300 * S), 1, 0);
		check(&w);
		make_world(&w, seed, INT64_C(5000000000000), 1, 0);
		check(&w);
	}
}

static void a_scaled_counter_is_scaled_back(void **state)
{
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		make_world(&w, seed, -12345678901, UINT64_C(3) << 47, 48);
		check(&w);
		make_world(&w, seed, 77, UINT64_C(1) << 31, 32);
		check(&w);
	}
}

static void an_offset_that_the_pings_contradict_is_not_believed(void **state)
{
	struct vmrt_clockmap map;
	struct world w;

	(void)state;
	make_world(&w, 1, -5000000, 1, 0);
	w.kvm.offset += (int64_t)(TICKS_PER_NS * 200 * MS);
	assert_int_equal(vmrt_clock_from_kvm(&w.kvm, w.pings, PINGS, &map, NULL), VMRT_EMISMATCH);
	make_world(&w, 1, -5000000, 1, 0);
	w.pings[PINGS / 2].guest_recv_tsc = 0;
	assert_int_equal(vmrt_clock_from_kvm(&w.kvm, w.pings, PINGS, &map, NULL), VMRT_EMISMATCH);
	/* a clock that stands still and then leaps: its rate times the leap is beyond any number */
	make_world(&w, 1, -5000000, 1, 0);
	for (int i = 0; i < PINGS; i++)
		w.pings[i].guest_recv_ns = w.pings[i].guest_send_ns = begin + (i >= PINGS / 2);
	w.pings[3].guest_recv_ns = w.pings[3].guest_send_ns = begin + (INT64_C(1) << 59);
	assert_int_equal(vmrt_clock_from_kvm(&w.kvm, w.pings, PINGS, &map, NULL), VMRT_EMISMATCH);
	w.kvm.ratio = 0;
	assert_int_equal(vmrt_clock_from_kvm(&w.kvm, w.pings, PINGS, &map, NULL), VMRT_ENOENT);
	w.kvm.ratio = 1;
	assert_int_equal(vmrt_clock_from_kvm(&w.kvm, w.pings, 3, &map, NULL), VMRT_ENOENT);
}

/* debugfs as KVM fills it: PID-FD/vcpuN/... */

static char folder[] = "/tmp/vmrt-kvm-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (char *slash = path + sizeof(folder); (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void the_offset_is_read_where_kvm_reports_it(void **state)
{
	struct vmrt_kvm_tsc kvm;

	(void)state;
	put("123-4/vcpu0/tsc-offset", "-987654321012345\n");
	put("123-4/vcpu1/tsc-offset", "-987654321012345\n");
	put("12-9/vcpu0/tsc-offset", "5\n");
	assert_int_equal(vmrt_kvm_tsc_read(folder, 123, &kvm), VMRT_OK);
	assert_true(kvm.offset == -987654321012345 && kvm.ratio == 1 && kvm.bits == 0);
	put("12-9/vcpu0/tsc-scaling-ratio", "281474976710656\n");
	put("12-9/vcpu0/tsc-scaling-ratio-frac-bits", "48\n");
	assert_int_equal(vmrt_kvm_tsc_read(folder, 12, &kvm), VMRT_OK);
	assert_true(kvm.offset == 5 && kvm.ratio == UINT64_C(1) << 48 && kvm.bits == 48);
}

/* As when a VM is restored, or its guest writes the counter, while it is recorded. */
static void an_offset_that_changed_during_the_recording_is_not_used(void **state)
{
	struct vmrt_kvm_tsc before, kvm;

	(void)state;
	put("123-4/vcpu0/tsc-offset", "-987654321012345\n");
	assert_int_equal(vmrt_kvm_tsc_read(folder, 123, &before), VMRT_OK);
	kvm = before;
	vmrt_kvm_tsc_keep(folder, 123, &kvm);
	assert_memory_equal(&kvm, &before, sizeof(kvm));
	put("123-4/vcpu0/tsc-offset", "-987654321012344\n");
	vmrt_kvm_tsc_keep(folder, 123, &kvm);
	assert_int_equal(kvm.ratio, 0);
	/* the VM, or another one with its number, is gone */
	kvm = before;
	vmrt_kvm_tsc_keep(folder, 124, &kvm);
	assert_int_equal(kvm.ratio, 0);
	/* what was not known before is not known now */
	vmrt_kvm_tsc_keep(folder, 123, &kvm);
	assert_int_equal(kvm.ratio, 0);
}

static void what_kvm_does_not_report_or_reports_twice_is_not_known(void **state)
{
	struct vmrt_kvm_tsc kvm;

	(void)state;
	put("123-4/vcpu0/tsc-offset", "-5\n");
	put("123-4/vcpu1/tsc-offset", "-6\n");
	put("7-1/vcpu0/tsc-offset", "many\n");
	put("8-1/guest_mode", "0\n");
	assert_int_equal(vmrt_kvm_tsc_read(folder, 123, &kvm), VMRT_ENOENT);
	assert_int_equal(kvm.ratio, 0);
	assert_int_equal(vmrt_kvm_tsc_read(folder, 7, &kvm), VMRT_ENOENT);
	assert_int_equal(vmrt_kvm_tsc_read(folder, 8, &kvm), VMRT_ENOENT);
	assert_int_equal(vmrt_kvm_tsc_read(folder, 1, &kvm), VMRT_ENOENT);
	assert_int_equal(vmrt_kvm_tsc_read("/nonexistent", 1, &kvm), VMRT_ENOENT);
}

static void the_manifest_keeps_it_exactly(void **state)
{
	struct vmrt_manifest_vm vm = {
		.vm = {.name = "vm1", .accel = "kvm"}, .kvm = {INT64_MIN + 1, UINT64_MAX, 48}};
	struct vmrt_manifest m = {.vms = &vm, .n_vms = 1}, *back;
	struct vmrt_error err = {0};
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/manifest.json", folder);
	assert_int_equal(vmrt_manifest_save(&m, path, &err), VMRT_OK);
	if (vmrt_manifest_load(path, &back, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	assert_memory_equal(&back->vms[0].kvm.offset, &vm.kvm.offset, sizeof(vm.kvm.offset));
	assert_true(back->vms[0].kvm.ratio == UINT64_MAX && back->vms[0].kvm.bits == 48);
	vmrt_manifest_free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			long_round_trips_do_not_matter_when_the_offset_of_the_counter_is_known),
		cmocka_unit_test(a_scaled_counter_is_scaled_back),
		cmocka_unit_test(an_offset_that_the_pings_contradict_is_not_believed),
		cmocka_unit_test_setup_teardown(
			the_offset_is_read_where_kvm_reports_it, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			what_kvm_does_not_report_or_reports_twice_is_not_known, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(
			an_offset_that_changed_during_the_recording_is_not_used, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(
			the_manifest_keeps_it_exactly, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

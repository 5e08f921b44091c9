/* SPDX-License-Identifier: MIT */
/* Writes the run that toprun.h describes: host, guest and manifest. */
#include "toprun.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>

#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define OFFSET (5000 * VMRT_NS_PER_S) /* the guest's clock is ahead of the host's */
#define VCPU 500
#define HOG 600
#define T1 77
#define TIMER UINT64_C(0xffffb00012345678)
#define T0 (TOPRUN_BASE + 1 * MS)
#define PERIODS 41 /* of the server */
#define JOBS 20
#define FIRST_JOB 2 /* server period in which job 0 arrives */
#define LENGTH (500 * MS)
#define PINGS 16

static const char experiment[] = "[experiment]\nname = toprun\n"
				 "[server vm1]\nperiod = 12ms\nbudget = 6ms\npriority = 50\n"
				 "[task vm1/t1]\nperiod = 24ms\nwcet = 8ms\ndeadline = 20ms\n";

/* In which periods the vCPU has work for more than the budget. */
static int depletes(int period)
{
	int job = (period - FIRST_JOB) / 2, second = (period - FIRST_JOB) % 2;

	return (job == 7 && !second) || job == 12;
}

static void write_host(const char *path)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	char text[256];

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, 1);
	tests_dat_current(d, 0, 900);
	snprintf(text, sizeof(text),
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=12000000 "
		"budget=6000000 priority=50 t0=%lld",
		(long long)T0);
	tests_dat_mark(d, 0, TOPRUN_BASE, text);
	for (int k = 0; k < PERIODS; k++) {
		int64_t at = T0 + k * 12 * MS, off = at + 5 * MS;

		snprintf(text, sizeof(text),
			"vmrt srv_replenish server=vm1 k=%d at=%lld budget=6000000", k,
			(long long)at);
		tests_dat_mark(d, 0, at + 10 * US, text);
		tests_dat_switch(d, 0, at + 20 * US, k ? "hog" : "hsf", k ? HOG : 900, k ? 120 : 1,
			0, "CPU 0/TCG", VCPU, 49);
		if (depletes(k)) {
			off = at + 6 * MS + 40 * US;
			snprintf(text, sizeof(text),
				"vmrt srv_deplete server=vm1 k=%d consumed=6010000", k);
			tests_dat_mark(d, 0, off - 10 * US, text);
		}
		tests_dat_switch(d, 0, off, "CPU 0/TCG", VCPU, depletes(k) ? 120 : 49,
			depletes(k) ? 0 : 1, "hog", HOG, 120);
	}
	tests_dat_mark(d, 0, T0 + PERIODS * 12 * MS, "vmrt srv_stop server=vm1");
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static void write_guest(const char *path)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t g = T0 + OFFSET, free_from = g + 11 * MS, arrival = g + FIRST_JOB * 12 * MS;

	tests_dat_clock(d, "local [mono]");
	tests_dat_trace_id(d, 2);
	tests_dat_current(d, 0, 0);
	tests_dat_wakeup_new(d, 0, g + 1 * MS, "t1", T1, 39, 0);
	tests_dat_switch(d, 0, g + 1 * MS + 10 * US, "swapper/0", 0, 120, 0, "t1", T1, 39);
	free_from = g + 1 * MS + 100 * US;
	for (int k = 0; k < JOBS; k++, arrival += 24 * MS) {
		int64_t end = arrival + 4 * MS + 50 * US;
		int late = free_from > arrival;

		if (k == 7)
			end = arrival + 16 * MS;
		else if (k == 12)
			end = arrival + 28 * MS;
		else if (late)
			end = free_from + 1 * MS;
		tests_dat_timer_start(d, 0, free_from, TIMER, VMRT_FN_WAKEUP, arrival, arrival, 0);
		if (!late) {
			tests_dat_switch(
				d, 0, free_from + 10 * US, "t1", T1, 39, 1, "swapper/0", 0, 120);
			tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
			tests_dat_timer_expire(
				d, 0, arrival + 30 * US, TIMER, VMRT_FN_WAKEUP, arrival + 29 * US);
			tests_dat_waking(d, 0, arrival + 35 * US, "t1", T1, 39, 0);
			tests_dat_wakeup(d, 0, arrival + 36 * US, "t1", T1, 39, 0);
			tests_dat_flags(d, 0);
			tests_dat_switch(
				d, 0, arrival + 50 * US, "swapper/0", 0, 120, 0, "t1", T1, 39);
		} else {
			tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
			tests_dat_timer_expire(d, 0, free_from + 5 * US, TIMER, VMRT_FN_WAKEUP,
				free_from + 4 * US);
			tests_dat_waking(d, 0, free_from + 6 * US, "t1", T1, 39, 0);
			tests_dat_wakeup(d, 0, free_from + 7 * US, "t1", T1, 39, 0);
			tests_dat_flags(d, 0);
		}
		free_from = end;
	}
	tests_dat_exit(d, 0, free_from, "t1", T1, 39);
	tests_dat_switch(d, 0, free_from + 10 * US, "t1", T1, 39, 16, "swapper/0", 0, 120);
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static enum vmrt_status write_manifest(const char *path)
{
	struct vmrt_vm_thread thread = {
		.tid = VCPU, .role = VMRT_ROLE_VCPU, .vcpu = 0, .comm = "CPU 0/TCG"};
	struct vmrt_ping pings[PINGS];
	struct vmrt_manifest_vm vm = {.vm = {.name = "vm1",
					      .hypervisor = "qemu",
					      .accel = "tcg",
					      .pid = VCPU,
					      .threads = &thread,
					      .n_threads = 1,
					      .n_vcpus = 1},
		.file = "guest-vm1.dat",
		.pings = pings,
		.n_pings = PINGS};
	char command[] = "true";
	struct vmrt_manifest manifest = {.vmrt_version = "0.1.0",
		.recorded_at = "2026-11-21T12:00:00Z",
		.kernel = "Linux",
		.hostname = "h",
		.cpus = 1,
		.command = command,
		.hsf = true,
		.start_ns = TOPRUN_BASE,
		.end_ns = TOPRUN_BASE + LENGTH,
		.vms = &vm,
		.n_vms = 1};

	for (int i = 0; i < PINGS; i++) {
		int64_t at = TOPRUN_BASE + i * LENGTH / PINGS;

		pings[i] = (struct vmrt_ping){.host_send_ns = at,
			.guest_recv_ns = at + OFFSET + 20 * US,
			.guest_send_ns = at + OFFSET + 30 * US,
			.host_recv_ns = at + 50 * US};
	}
	return vmrt_manifest_save(&manifest, path, NULL);
}

int toprun_make(const char *run)
{
	char path[4096];

	if (mkdir(run, 0755) != 0)
		return -1;
	vmrt_path(path, sizeof(path), run, "experiment.ini");
	if (vmrt_write_file(path, experiment, strlen(experiment), NULL) != VMRT_OK)
		return -1;
	vmrt_path(path, sizeof(path), run, "host.dat");
	write_host(path);
	vmrt_path(path, sizeof(path), run, "guest-vm1.dat");
	write_guest(path);
	vmrt_path(path, sizeof(path), run, "manifest.json");
	return write_manifest(path) == VMRT_OK ? 0 : -1;
}

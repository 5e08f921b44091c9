/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_RUN_FOLDER_H
#define TESTS_FUZZ_FUZZ_RUN_FOLDER_H

/* A run folder in memory, of one process: a small recording of a host and a guest, its manifest and
 * its experiment. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/units.h>

#include "pages.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define FILES 4

struct file {
	const char *name;
	char *bytes;
	size_t size;
};

static char folder[64];
static struct file files[FILES] = {{"host.dat", NULL, 0}, {"guest-vm1.dat", NULL, 0},
	{"manifest.json", NULL, 0}, {"experiment.ini", NULL, 0}};

static const char experiment[] = "[server vm1]\nvm = vm1\npolicy = deferrable\nperiod = 10ms\n"
				 "budget = 5ms\npriority = 50\n"
				 "[task vm1/ctl]\nperiod = 10ms\nwcet = 3ms\nthread = ctl\n";
static const char manifest[] =
	"{\"format\": 1, \"vmrt_version\": \"0.1.0\", \"recorded_at\": \"2026-01-01T00:00:00Z\","
	" \"hostname\": \"h\", \"kernel\": \"6.18\", \"cpus\": 1, \"command\": \"sleep 1\","
	" \"command_status\": 0, \"hsf\": false, \"start_ns\": 1000000000, \"end_ns\": 1300000000,"
	" \"vms\": [{\"name\": \"vm1\", \"hypervisor\": \"qemu\", \"accel\": \"kvm\", \"pid\": 90,"
	" \"threads\": [{\"tid\": 100, \"role\": \"vcpu\", \"vcpu\": 0, \"comm\": \"CPU 0/KVM\","
	" \"policy\": 1, \"priority\": 50, \"affinity\": \"0\"}], \"links\": [],"
	" \"file\": \"guest-vm1.dat\", \"kernel\": \"6.1\", \"note\": \"\", \"pings\":"
	" [[1000000000, 5000000000, 5000001000, 1000100000, 0, 0, 0, 0],"
	" [1200000000, 5200000000, 5200001000, 1200100000, 0, 0, 0, 0]]}], \"buffers\": []}\n";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void end_folder(void)
{
	static const char *const others[] = {"run.db", "recorder.journal", "recorder.progress"};

	for (int i = 0; i < FILES; i++)
		unlink(path_of(files[i].name));
	for (int i = 0; i < 3; i++)
		unlink(path_of(others[i]));
	rmdir(folder);
}

static void take(struct file *f)
{
	FILE *in = fopen(path_of(f->name), "r");
	struct stat st;

	if (!in || fstat(fileno(in), &st) != 0)
		abort();
	f->size = (size_t)st.st_size;
	f->bytes = malloc(f->size);
	if (!f->bytes || fread(f->bytes, 1, f->size, in) != f->size)
		abort();
	fclose(in);
}

static void make_host(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);

	tests_dat_counted(d, 0, 40);
	for (int i = 0; i < 20; i++) {
		int64_t t = S + i * 10 * MS;

		tests_dat_switch(d, 0, t, "swapper/0", 0, 120, 0, "CPU 0/KVM", 100, 49);
		tests_dat_switch(d, 0, t + 4 * MS, "CPU 0/KVM", 100, 49, 1, "swapper/0", 0, 120);
	}
	tests_dat_write(d, path_of("host.dat"));
	tests_dat_free(d);
}

static void make_guest(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	const int64_t times[] = {5 * S}, offsets[] = {-4 * S};

	tests_dat_time_shift(d, 5, times, offsets, 1);
	tests_dat_clock(d, "local");
	tests_dat_timer_setup(d, 0, 5 * S, 7, 1, 0);
	for (int i = 0; i < 20; i++) {
		int64_t t = 5 * S + i * 10 * MS + MS;

		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 0, t, 7, VMRT_FN_WAKEUP, t - 500);
		tests_dat_wakeup(d, 0, t + 1000, "ctl", 200, 50, 0);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, t + 5000, "swapper/0", 0, 120, 0, "ctl", 200, 50);
		tests_dat_timer_start(
			d, 0, t + 2 * MS, 7, VMRT_FN_WAKEUP, t + 10 * MS, t + 10 * MS, 0);
		tests_dat_switch(d, 0, t + 2 * MS + 1000, "ctl", 200, 50, 1, "swapper/0", 0, 120);
	}
	tests_dat_write(d, path_of("guest-vm1.dat"));
	tests_dat_free(d);
}

/* Makes the folder. */
static inline void begin(void)
{
	static const char *const texts[] = {manifest, experiment};

	strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/vmrt-fuzz-XXXXXX"
						     : "/tmp/vmrt-fuzz-XXXXXX");
	if (!mkdtemp(folder))
		abort();
	atexit(end_folder);
	make_host();
	make_guest();
	take(&files[0]);
	take(&files[1]);
	for (int i = 0; i < 2; i++) {
		files[2 + i].size = strlen(texts[i]);
		files[2 + i].bytes = strdup(texts[i]);
	}
}

static inline void put(const char *name, const char *bytes, size_t size)
{
	FILE *out;

	unlink(path_of(name));
	out = fopen(path_of(name), "w");
	if (!out || fwrite(bytes, 1, size, out) != size || fclose(out) != 0)
		abort();
}

#endif

/* SPDX-License-Identifier: MIT */
#ifndef PROCFIX_H
#define PROCFIX_H

/* A folder laid out like /proc, for tests of the VM finder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/vms/scan.h"

static char root[64];

static inline int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/vmrt-test-vms-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static inline void put(const char *path, const char *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static inline void folder(const char *fmt, int pid, int tid)
{
	char path[128], rest[64];

	snprintf(rest, sizeof(rest), fmt, pid, tid);
	snprintf(path, sizeof(path), "%s/%s", root, rest);
	mkdir(path, 0700);
}

static inline void stat_and_status(const char *where, int tid, const char *comm,
	unsigned long flags, int policy, int priority, const char *cpus)
{
	char path[256], text[512];

	snprintf(path, sizeof(path), "%s/stat", where);
	snprintf(text, sizeof(text),
		"%d (%s) S 1 1 1 0 -1 %lu 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0 0 0 0 0 0 0 0 0 0 0 "
		"0 0 17 0 "
		"%d %d 0 0 0 0 0 0 0 0 0 0 0\n",
		tid, comm, flags, priority, policy);
	put(path, text, strlen(text));
	snprintf(path, sizeof(path), "%s/status", where);
	snprintf(text, sizeof(text), "Name:\t%s\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\n", comm,
		cpus);
	put(path, text, strlen(text));
}

static inline void process(int pid, const char *cmdline, size_t size)
{
	char path[128];

	folder("%d", pid, 0);
	folder("%d/task", pid, 0);
	snprintf(path, sizeof(path), "%s/%d/cmdline", root, pid);
	put(path, cmdline, size);
}

#define PROCESS(pid, cmdline) process(pid, cmdline, sizeof(cmdline))

static inline void thread(
	int pid, int tid, const char *comm, int policy, int priority, const char *cpus)
{
	char where[128];

	folder("%d/task/%d", pid, tid);
	snprintf(where, sizeof(where), "%s/%d/task/%d", root, pid, tid);
	stat_and_status(where, tid, comm, 64, policy, priority, cpus);
}

static inline struct vmrt_vm *scan(size_t *n)
{
	struct vmrt_vm *vms = NULL;
	struct vmrt_error err;

	assert_int_equal(vms_scan(root, &vms, n, &err), VMRT_OK);
	return vms;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

#endif

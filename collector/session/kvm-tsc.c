/* SPDX-License-Identifier: MIT */
/* Reads from debugfs the offset that KVM adds to the guest's time-stamp counter. */
#include "kvm-tsc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>

#define MAX_BITS 63

/* A file with one number, with or without a sign. */
static bool read_number(const char *folder, const char *name, uint64_t *out)
{
	char path[PATH_MAX], *text, *end;
	bool good;

	if (vmrt_path(path, sizeof(path), folder, name) != VMRT_OK ||
		vmrt_read_file(path, 64, &text, NULL, NULL) != VMRT_OK)
		return false;
	errno = 0;
	*out = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
	good = !errno && end != text && (*end == '\n' || !*end);
	free(text);
	return good;
}

static bool read_vcpu(const char *folder, struct vmrt_kvm_tsc *out)
{
	uint64_t offset, ratio, bits;

	if (!read_number(folder, "tsc-offset", &offset))
		return false;
	*out = (struct vmrt_kvm_tsc){.offset = (int64_t)offset, .ratio = 1};
	/* the file exists only if the processor can scale the counter */
	if (!read_number(folder, "tsc-scaling-ratio", &ratio) ||
		!read_number(folder, "tsc-scaling-ratio-frac-bits", &bits))
		return true;
	if (!ratio || bits > MAX_BITS)
		return false;
	out->ratio = ratio;
	out->bits = (uint32_t)bits;
	return true;
}

static bool same(const struct vmrt_kvm_tsc *a, const struct vmrt_kvm_tsc *b)
{
	return a->offset == b->offset && a->ratio == b->ratio && a->bits == b->bits;
}

/* Reads the values of all vCPUs of a VM; false if they differ. */
static bool read_vm(const char *folder, struct vmrt_kvm_tsc *out)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool good = dir != NULL;

	while (good && (entry = readdir(dir))) {
		char path[PATH_MAX];
		struct vmrt_kvm_tsc one;

		if (strncmp(entry->d_name, "vcpu", 4) != 0 ||
			vmrt_path(path, sizeof(path), folder, entry->d_name) != VMRT_OK)
			continue;
		good = read_vcpu(path, &one) && (!out->ratio || same(out, &one));
		*out = one;
	}
	if (dir)
		closedir(dir);
	return good && out->ratio;
}

enum vmrt_status vmrt_kvm_tsc_read(const char *debugfs, pid_t pid, struct vmrt_kvm_tsc *out)
{
	DIR *dir = opendir(debugfs);
	struct dirent *entry;
	char prefix[16];
	bool good = false;

	*out = (struct vmrt_kvm_tsc){0};
	snprintf(prefix, sizeof(prefix), "%d-", (int)pid); /* PID-FD */
	while (dir && !good && (entry = readdir(dir))) {
		char path[PATH_MAX];

		good = !strncmp(entry->d_name, prefix, strlen(prefix)) &&
		       vmrt_path(path, sizeof(path), debugfs, entry->d_name) == VMRT_OK &&
		       read_vm(path, out);
	}
	if (dir)
		closedir(dir);
	if (good)
		return VMRT_OK;
	*out = (struct vmrt_kvm_tsc){0};
	return VMRT_ENOENT;
}

void vmrt_kvm_tsc_keep(const char *debugfs, pid_t pid, struct vmrt_kvm_tsc *tsc)
{
	struct vmrt_kvm_tsc now;

	if (tsc->ratio && (vmrt_kvm_tsc_read(debugfs, pid, &now) != VMRT_OK || !same(&now, tsc)))
		*tsc = (struct vmrt_kvm_tsc){0};
}

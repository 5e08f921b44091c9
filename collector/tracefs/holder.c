/* SPDX-License-Identifier: MIT */
/* Finds the processes that keep an instance from being removed, because they have one of its
 * files open. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer-files.h"

/* Does process @pid have a file of the instance open? @name receives the file's name in the
 * instance. */
static bool holds(const char *pid, const char *folder, char *name, size_t room)
{
	size_t len = strlen(folder);
	char path[VMRT_TRACER_PATH], target[VMRT_TRACER_PATH];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		found = !strncmp(target, folder, len) && target[len] == '/';
	}
	if (found)
		snprintf(name, room, "%s", target + len + 1);
	if (dir)
		closedir(dir);
	return found;
}

bool tracer_holder(const char *folder, char *buf, size_t room)
{
	DIR *dir = opendir("/proc");
	char name[64], comm[32] = "", path[64];
	const struct dirent *entry;
	bool found = false;
	FILE *in;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
			!holds(entry->d_name, folder, name, sizeof(name)))
			continue;
		found = true;
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		if ((in = fopen(path, "re"))) {
			if (!fgets(comm, sizeof(comm), in))
				comm[0] = '\0';
			fclose(in);
		}
		comm[strcspn(comm, "\n")] = '\0';
		snprintf(
			buf, room, "process %.16s (%s) has its %s open", entry->d_name, comm, name);
	}
	if (dir)
		closedir(dir);
	return found;
}

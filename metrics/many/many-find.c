/* SPDX-License-Identifier: MIT */
/* Finds the runs that the words of a command line name. */
#include "many.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <vmrt/manifest.h>
#include <vmrt/tool.h>

bool many_database(const char *word)
{
	return !strncmp(word, "postgresql://", 13) || !strncmp(word, "postgres://", 11);
}

static enum vmrt_status append(
	char ***out, size_t *n, const char *folder, const char *name, struct vmrt_error *err)
{
	char **more = realloc(*out, (*n + 1) * sizeof(*more));

	if (!more)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	*out = more;
	if (asprintf(&more[*n], "%s%s%s", folder, *folder ? "/" : "", name) < 0)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	++*n;
	return VMRT_OK;
}

/* Does the folder hold a database, or recordings from which a database can be made? */
static bool is_run(const char *folder)
{
	static const char *const files[] = {VMRT_FILE_DB, VMRT_FILE_MANIFEST, VMRT_FILE_HOST};
	char path[4096];
	struct stat st;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, files[i]) <
				sizeof(path) &&
			lstat(path, &st) == 0)
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum vmrt_status find_inside(
	const char *folder, char ***out, size_t *n, struct vmrt_error *err)
{
	DIR *dir = opendir(folder);
	enum vmrt_status status = VMRT_OK;
	const struct dirent *entry;
	size_t before = *n;
	char path[4096];

	if (!dir)
		return vmrt_fail_errno(err, errno, "cannot open %s", folder);
	while (status == VMRT_OK && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
			(size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
				sizeof(path) ||
			!is_run(path))
			continue;
		status = append(out, n, folder, entry->d_name, err);
		if (status == VMRT_OK && vmrt_stop_requested())
			status = vmrt_fail(err, VMRT_EINTR, "interrupted");
	}
	closedir(dir);
	if (status == VMRT_OK && *n == before)
		return vmrt_fail(
			err, VMRT_ENOENT, "%s is no run, and has no run folder in it", folder);
	qsort(*out + before, *n - before, sizeof(**out), by_name);
	return status;
}

enum vmrt_status many_find(const char *word, char ***out, size_t *n, struct vmrt_error *err)
{
	struct stat st;

	if (stat(word, &st) == 0 && S_ISDIR(st.st_mode) && !is_run(word))
		return find_inside(word, out, n, err);
	return append(out, n, "", word, err);
}

/* SPDX-License-Identifier: MIT */
/* Makes the folder of a run, and removes from it only what belongs to a run. */
#include "run-folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/manifest.h>
#include <vmrt/processes.h>

#include "collector/tracefs/journal.h"

/* The files of a run. Any other file in the folder is not ours to remove. */
static const char *const run_files[] = {VMRT_FILE_HOST, "guest-*.dat", "*.pages",
	"*" VMRT_PROCESSES_SUFFIX, VMRT_FILES_PINGS, VMRT_FILE_DB, VMRT_FILE_DB "-*",
	VMRT_FILE_DB ".*", VMRT_FILE_EXPERIMENT, VMRT_FILE_MANIFEST, VMRT_FILE_MANIFEST ".new",
	VMRT_FILE_JOURNAL, VMRT_FILE_PROGRESS "*"};

static bool is_run_file(const char *name)
{
	for (size_t i = 0; i < sizeof(run_files) / sizeof(run_files[0]); i++)
		if (fnmatch(run_files[i], name, FNM_PERIOD) == 0)
			return true;
	return false;
}

void vmrt_run_file_name(char *name)
{
	for (char *p = name; *p; p++)
		if ((!isalnum((unsigned char)*p) && !strchr("._-", *p)) || (p == name && *p == '.'))
			*p = '_';
}

enum vmrt_status run_folder_name(
	struct run_folder *folder, const char *given, const char *name, struct vmrt_error *err)
{
	char date[32], base[VMRT_NAME_MAX];
	time_t now = time(NULL);
	struct tm tm;
	size_t len;
	int n;

	memset(folder, 0, sizeof(*folder));
	if (given) {
		len = strlen(given);
		while (len > 1 && given[len - 1] == '/')
			len--;
		if (!len)
			return vmrt_fail(err, VMRT_EINVAL, "the name of the run is empty");
		n = snprintf(folder->path, sizeof(folder->path), "%.*s", (int)len, given);
		if (len < strlen(VMRT_RUN_SUFFIX) ||
			strncmp(given + len - strlen(VMRT_RUN_SUFFIX), VMRT_RUN_SUFFIX,
				strlen(VMRT_RUN_SUFFIX)) != 0)
			n = snprintf(folder->path, sizeof(folder->path), "%.*s%s", (int)len, given,
				VMRT_RUN_SUFFIX);
	} else {
		strftime(date, sizeof(date), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
		snprintf(base, sizeof(base), "%s", name);
		vmrt_run_file_name(base);
		n = snprintf(
			folder->path, sizeof(folder->path), "%s-%s%s", base, date, VMRT_RUN_SUFFIX);
	}
	if (n < 0 || (size_t)n >= sizeof(folder->path))
		return vmrt_fail(err, VMRT_ERANGE, "the path of the run is too long");
	return VMRT_OK;
}

/* Are all files in the folder parts of a run? @stranger: the name of the first one that is not. */
static bool holds_only_a_run(DIR *dir, char *stranger, size_t room)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") && strcmp(name, "..") && !is_run_file(name)) {
			snprintf(stranger, room, "%s", name);
			return false;
		}
	}
	return true;
}

static void remove_run_files(DIR *dir)
{
	struct dirent *entry;

	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (is_run_file(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
}

static enum vmrt_status empty_it(struct run_folder *folder, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	DIR *dir = opendir(folder->path);
	char stranger[256];

	if (!dir)
		return vmrt_fail_errno(err, errno, "cannot open %s", folder->path);
	if (!holds_only_a_run(dir, stranger, sizeof(stranger)))
		status = vmrt_fail(err, VMRT_EEXIST,
			"%s holds %s, which is no part of a run: it is not overwritten",
			folder->path, stranger);
	else if (access(folder->path, W_OK) != 0)
		status = vmrt_fail_errno(err, errno, "cannot write to %s", folder->path);
	else
		remove_run_files(dir);
	closedir(dir);
	return status;
}

enum vmrt_status run_folder_make(struct run_folder *folder, bool force, struct vmrt_error *err)
{
	if (mkdir(folder->path, 0777) == 0) {
		folder->made = true;
		return VMRT_OK;
	}
	if (errno != EEXIST)
		return vmrt_fail_errno(err, errno, "cannot make the folder %s", folder->path);
	if (!force)
		return vmrt_fail(err, VMRT_EEXIST, "%s is there already; --force overwrites it",
			folder->path);
	return empty_it(folder, err);
}

void run_unlink(const char *run, const char *pattern)
{
	DIR *dir = opendir(run);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

void run_folder_drop(const struct run_folder *folder)
{
	DIR *dir = opendir(folder->path);

	if (!dir)
		return;
	remove_run_files(dir);
	closedir(dir);
	if (folder->made)
		rmdir(folder->path);
}

/* SPDX-License-Identifier: MIT */
/* Writes down which recordings are not finished, so that `vmrt-trace reset` finds them. */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/marks.h>

#include "collector/tracefs/tracer-files.h"

#define HEAD "vmrt recording in progress\ninstance "
#define FOR_ROOT "/run/vmrt"
#define LONGEST 4096 /* of a journal */

/* The folder of links; false if there can be none, and then only `reset RUN` finds a recording. */
static bool links_folder(char *buf, size_t room)
{
	const char *mine = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return snprintf(buf, room, "%s", FOR_ROOT) > 0;
	return mine && *mine == '/' && (size_t)snprintf(buf, room, "%s/vmrt", mine) < room;
}

static bool is_instance(const char *name)
{
	return !strncmp(name, VMRT_INSTANCE_PREFIX, strlen(VMRT_INSTANCE_PREFIX)) &&
	       strlen(name) < VMRT_JOURNAL_NAME && !strchr(name, '/');
}

enum vmrt_status vmrt_journal_write(const char *run, const char *instance, struct vmrt_error *err)
{
	char path[PATH_MAX], full[PATH_MAX], folder[256], text[256];
	enum vmrt_status status;

	snprintf(text, sizeof(text), HEAD "%s\n", instance);
	if ((status = vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL)) != VMRT_OK)
		return vmrt_fail(err, status, "%.200s: the path is too long", run);
	status = vmrt_write_file(path, text, strlen(text), err);
	if (status == VMRT_OK && links_folder(folder, sizeof(folder)) && realpath(run, full)) {
		mkdir(folder, 0755);
		if (vmrt_path(path, sizeof(path), folder, instance) == VMRT_OK)
			(void)!symlink(full, path);
	}
	return status;
}

/* @st: of the file that was read */
static enum vmrt_status read_journal(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct stat *st, struct vmrt_error *err)
{
	char path[PATH_MAX], text[LONGEST + 1];
	struct vmrt_error why;
	enum vmrt_status status;
	ssize_t size;
	int fd;

	if ((status = vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL)) != VMRT_OK)
		return vmrt_fail(err, status, "%.200s: the path is too long", run);
	fd = vmrt_open_file(path, O_NOFOLLOW, &why);
	if (fd < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	size = fstat(fd, st) == 0 ? read(fd, text, LONGEST) : -1;
	if (size < 0)
		status = vmrt_fail_errno(err, errno, "cannot read %s", path);
	close(fd);
	if (size < 0)
		return status;
	text[size] = '\0';
	if (!*text)
		return vmrt_fail(err, VMRT_ETRUNCATED,
			"%s is empty: its recorder was killed before it recorded anything", path);
	if (strncmp(text, HEAD, strlen(HEAD)) != 0 ||
		sscanf(text + strlen(HEAD), "%63[^\n]", instance) != 1 || !is_instance(instance))
		return vmrt_fail(err, VMRT_EFORMAT, "%s was not written by a recorder", path);
	return VMRT_OK;
}

enum vmrt_status vmrt_journal_read(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct vmrt_error *err)
{
	struct stat st;

	return read_journal(run, instance, &st, err);
}

enum vmrt_status vmrt_journal_read_own(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct vmrt_error *err)
{
	struct stat st;
	enum vmrt_status status = read_journal(run, instance, &st, err);

	if (status != VMRT_OK || (st.st_uid == geteuid() && st.st_nlink == 1))
		return status;
	if (st.st_uid == geteuid())
		return vmrt_fail(err, VMRT_EPERM,
			"%.200s: its " VMRT_FILE_JOURNAL " has a second name: it may be the "
			"journal of another run",
			run);
	return vmrt_fail(err, VMRT_EPERM,
		"%.200s: its " VMRT_FILE_JOURNAL " is of user %u, who may name the recording of "
		"somebody else in it: only that user can finish the run",
		run, (unsigned)st.st_uid);
}

void vmrt_journal_remove(const char *run, const char *instance)
{
	char path[PATH_MAX], folder[256];

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL) == VMRT_OK)
		unlink(path);
	if (!links_folder(folder, sizeof(folder)))
		return;
	if (vmrt_path(path, sizeof(path), folder, instance) == VMRT_OK)
		unlink(path);
	rmdir(folder); /* if this was the last one */
}

bool vmrt_journal_owner_lives(const char *instance)
{
	unsigned long long ticks;
	int pid;

	if (sscanf(instance, VMRT_INSTANCE_PREFIX "%d-%llu-", &pid, &ticks) != 2 || pid <= 0)
		return true; /* not made by vmrt: hands off */
	return vmrt_start_ticks(pid) == ticks;
}

void vmrt_journal_each(void (*found)(void *ctx, const char *run), void *ctx)
{
	char folder[256], path[PATH_MAX], run[PATH_MAX], instance[VMRT_JOURNAL_NAME];
	struct dirent **entries = NULL;
	int n = links_folder(folder, sizeof(folder)) ? scandir(folder, &entries, NULL, alphasort)
						     : 0;

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		ssize_t len;

		if (is_instance(name) && !vmrt_journal_owner_lives(name) &&
			vmrt_path(path, sizeof(path), folder, name) == VMRT_OK &&
			(len = readlink(path, run, sizeof(run) - 1)) > 0) {
			run[len] = '\0';
			/* a folder that was removed or used again leaves only the link */
			if (vmrt_journal_read_own(run, instance, NULL) == VMRT_OK &&
				!strcmp(instance, name))
				found(ctx, run);
			else
				unlink(path);
		}
		free(entries[i]);
	}
	free(entries);
}

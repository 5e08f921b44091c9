/* SPDX-License-Identifier: MIT */
/* Writes down which recordings are not finished, so that `vmrt-trace reset` finds them. */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* Gives the path of the folder of links; false if there can be none: then only `reset RUN` finds a
 * recording. */
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

/* Is this a folder into which only the caller and root can write? */
static bool is_own_folder(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == geteuid() &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Makes the link of an instance, which names the run folder by device, inode and path. If the
 * folder or its parent belongs to somebody else, the path alone may name another folder later. */
static void make_link(const char *run, const char *instance)
{
	char folder[256], path[PATH_MAX], full[PATH_MAX], text[PATH_MAX];
	struct stat st;
	int n;

	if (!links_folder(folder, sizeof(folder)) || !realpath(run, full) || stat(full, &st) != 0)
		return;
	mkdir(folder, 0755);
	n = snprintf(text, sizeof(text), "%" PRIx64 ":%" PRIx64 ":%s", (uint64_t)st.st_dev,
		(uint64_t)st.st_ino, full);
	if (n > 0 && (size_t)n < sizeof(text) &&
		vmrt_path(path, sizeof(path), folder, instance) == VMRT_OK)
		(void)!symlink(text, path);
}

/* Reads the link of @instance; false if there is none, or if another user could have made it. */
static bool read_link(
	const char *folder, const char *instance, char path[PATH_MAX], struct stat *at)
{
	char name[PATH_MAX], text[PATH_MAX];
	uint64_t device, inode;
	struct stat st;
	ssize_t len;
	int head = 0;

	if (stat(folder, &st) != 0 || !is_own_folder(&st) ||
		vmrt_path(name, sizeof(name), folder, instance) != VMRT_OK ||
		(len = readlink(name, text, sizeof(text) - 1)) <= 0)
		return false;
	text[len] = '\0';
	if (sscanf(text, "%" SCNx64 ":%" SCNx64 ":%n", &device, &inode, &head) != 2 || !head)
		return false;
	snprintf(path, PATH_MAX, "%s", text + head);
	at->st_dev = (dev_t)device;
	at->st_ino = (ino_t)inode;
	return true;
}

/* If nobody else can have put the journal into the folder, it does belong there; otherwise the link
 * has to say so. */
bool vmrt_journal_belongs(const char *run, const char *instance)
{
	char folder[256], path[PATH_MAX];
	struct stat st, at;

	if (stat(run, &st) != 0)
		return false;
	if (is_own_folder(&st))
		return true;
	return links_folder(folder, sizeof(folder)) && read_link(folder, instance, path, &at) &&
	       at.st_dev == st.st_dev && at.st_ino == st.st_ino;
}

enum vmrt_status vmrt_journal_write(const char *run, const char *instance, struct vmrt_error *err)
{
	char path[PATH_MAX], text[256];
	enum vmrt_status status;
	bool written;
	int fd;

	snprintf(text, sizeof(text), HEAD "%s\n", instance);
	if ((status = vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL)) != VMRT_OK)
		return vmrt_fail(err, status, "%.200s: the path is too long", run);
	/* a process that can open the journal can lock it, and then nobody else could follow the
	 * recording: so only users who may read the recording may open it */
	fd = vmrt_create_recording(path);
	written = fd >= 0 && vmrt_write_all(fd, text, strlen(text)) == 0;
	if (!written)
		status = vmrt_fail_errno(err, errno, "cannot write %s", path);
	if (fd >= 0 && close(fd) != 0 && written)
		status = vmrt_fail_errno(err, errno, "cannot write %s", path);
	if (status == VMRT_OK)
		make_link(run, instance);
	return status;
}

/* Reads a journal. @st: filled in for the file that was read. */
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

	if (status != VMRT_OK)
		return status;
	if (st.st_uid != geteuid())
		return vmrt_fail(err, VMRT_EPERM,
			"%.200s: its " VMRT_FILE_JOURNAL " is of user %u, who may name the "
			"recording of somebody else in it: only that user can finish the run",
			run, (unsigned)st.st_uid);
	if (st.st_nlink != 1)
		return vmrt_fail(err, VMRT_EPERM,
			"%.200s: its " VMRT_FILE_JOURNAL " has a second name: it may be the "
			"journal of another run",
			run);
	return VMRT_OK;
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
	rmdir(folder); /* removes the folder of links if this was the last link */
}

bool vmrt_journal_owner_lives(const char *instance)
{
	unsigned long long ticks;
	int pid;

	if (sscanf(instance, VMRT_INSTANCE_PREFIX "%d-%llu-", &pid, &ticks) != 2 || pid <= 0)
		return true; /* vmrt did not make it, so it must not be removed */
	return tracer_start_ticks(pid) == ticks;
}

void vmrt_journal_each(void (*found)(void *ctx, const char *run), void *ctx)
{
	char folder[256], path[PATH_MAX], run[PATH_MAX], instance[VMRT_JOURNAL_NAME];
	struct dirent **entries = NULL;
	struct stat at;
	int n = links_folder(folder, sizeof(folder)) ? scandir(folder, &entries, NULL, alphasort)
						     : 0;

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (is_instance(name) && !vmrt_journal_owner_lives(name) &&
			vmrt_path(path, sizeof(path), folder, name) == VMRT_OK) {
			/* if the folder was removed, exchanged or used again, only the link is left
			 * over */
			if (read_link(folder, name, run, &at) && vmrt_journal_belongs(run, name) &&
				vmrt_journal_read_own(run, instance, NULL) == VMRT_OK &&
				!strcmp(instance, name))
				found(ctx, run);
			else
				unlink(path);
		}
		free(entries[i]);
	}
	free(entries);
}

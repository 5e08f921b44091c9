/* SPDX-License-Identifier: MIT */
/*
 * Keeps the former settings of threads in a table.
 *
 * The table lies in memory that all processes of an instance share. Where possible that memory is a
 * file, so that nothing is lost even if all processes are killed. An entry is valid from the moment
 * when its flag is set.
 */
#include "guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/vms.h>

#include "folder.h"
#include "hsf/enforce/settings.h"

#define MAX_THREADS 2048
#define TABLE_SUFFIX ".threads"
#define MAGIC "vmrt-hsf threads 2"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36

struct entry {
	atomic_uchar valid; /* no bool: a file that another program wrote may hold any byte */
	pid_t pid, tid;
	uint64_t started;   /* if the thread's start time differs, its id was reused for another
			       thread */
	atomic_uchar stops; /* its process may be stopped: it has to be continued */
	struct hsf_settings former;
};

struct shared {
	char magic[24];
	char boot[BOOT_ID_LEN + 4]; /* thread ids and starts mean nothing after the next boot */
	atomic_int failed;
	atomic_uchar restored;
	struct entry entries[MAX_THREADS];
};

struct hsf_table {
	struct shared *shared;
	int fd; /* -1: no file */
	char path[64];
};

static void read_boot_id(char *out, size_t room)
{
	char *text;

	memset(out, 0, room);
	if (vmrt_read_file(BOOT_ID, 64, &text, NULL, NULL) != VMRT_OK)
		return;
	snprintf(out, room, "%.*s", BOOT_ID_LEN, text);
	free(text);
}

/* Returns -1 if no file can be made: then there is only the memory that the processes share. */
static int make_file(struct hsf_table *t)
{
	int fd;

	if (hsf_control_folder(NULL) != VMRT_OK)
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/%d%s", HSF_CONTROL_FOLDER, (int)getpid(),
		TABLE_SUFFIX);
	fd = open(t->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, sizeof(struct shared)) == 0)
		return fd;
	close(fd);
	return -1;
}

enum vmrt_status hsf_table_open(struct hsf_table **out, struct vmrt_error *err)
{
	struct hsf_table *t = calloc(1, sizeof(*t));
	int errnum;

	if (!t)
		return vmrt_fail(err, VMRT_ENOMEM, "guardian: out of memory");
	t->fd = make_file(t);
	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | (t->fd < 0 ? MAP_ANONYMOUS : 0), t->fd, 0);
	if (t->shared == MAP_FAILED) {
		errnum = errno;
		t->shared = NULL;
		hsf_table_close(t);
		return vmrt_fail_errno(
			err, errnum, "cannot share memory with the guardian process");
	}
	read_boot_id(t->shared->boot, sizeof(t->shared->boot));
	memcpy(t->shared->magic, MAGIC, sizeof(MAGIC));
	*out = t;
	return VMRT_OK;
}

static bool entry_lives(const struct entry *e)
{
	uint64_t started;

	return atomic_load_explicit(&e->valid, memory_order_acquire) &&
	       vmrt_thread_started(e->pid, e->tid, &started) == VMRT_OK && started == e->started;
}

/* Returns an unused entry; if there is none, one whose thread has ended. */
static struct entry *free_entry(struct shared *shared)
{
	for (size_t i = 0; i < MAX_THREADS; i++)
		if (!atomic_load(&shared->entries[i].valid))
			return &shared->entries[i];
	for (size_t i = 0; i < MAX_THREADS; i++) {
		if (!entry_lives(&shared->entries[i])) {
			atomic_store(&shared->entries[i].valid, false);
			return &shared->entries[i];
		}
	}
	return NULL;
}

/* Is this thread in the table already, because it was a member before? Then the stored settings
 * stay, since they are those from before vmrt-hsf. */
static bool is_noted(const struct shared *shared, pid_t tid)
{
	for (size_t i = 0; i < MAX_THREADS; i++)
		if (shared->entries[i].tid == tid && entry_lives(&shared->entries[i]))
			return true;
	return false;
}

enum vmrt_status hsf_table_add(struct hsf_table *t, pid_t pid, pid_t tid, struct vmrt_error *err)
{
	struct entry *e;
	int rc;

	if (is_noted(t->shared, tid))
		return VMRT_OK;
	e = free_entry(t->shared);
	if (!e)
		return vmrt_fail(
			err, VMRT_ERANGE, "more than %d threads to be scheduled", MAX_THREADS);
	e->pid = pid;
	e->tid = tid;
	atomic_store(&e->stops, false);
	rc = hsf_settings_read(tid, &e->former);
	if (rc)
		return vmrt_fail_errno(
			err, rc, "cannot read the scheduling of thread %d", (int)tid);
	/* the start time is read after the settings, so that the settings are of the thread with
	 * this start time */
	if (vmrt_thread_started(pid, tid, &e->started) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOENT, "thread %d has ended", (int)tid);
	if (e->former.policy == SCHED_DEADLINE)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"thread %d is scheduled by SCHED_DEADLINE, which cannot be combined with a "
			"server",
			(int)tid);
	atomic_store_explicit(&e->valid, true, memory_order_release);
	return VMRT_OK;
}

enum vmrt_status hsf_table_stops(struct hsf_table *t, pid_t pid, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_table_add(t, pid, pid, err);

	for (size_t i = 0; i < MAX_THREADS && status == VMRT_OK; i++)
		if (t->shared->entries[i].tid == pid && entry_lives(&t->shared->entries[i]))
			atomic_store(&t->shared->entries[i].stops, true);
	return status;
}

/* Returns 1 if the thread of @e had other settings and has its former ones now, 0 if nothing was to
 * do; -1 if it could not get them. */
static int restore(const struct entry *e)
{
	struct hsf_settings now;
	int rc;

	if (atomic_load(&e->stops)) {
		int fd = hsf_process_open(e->pid);

		/* the start time is checked again after the descriptor was opened: then the
		 * descriptor is of this process */
		if (entry_lives(e))
			hsf_process_signal(fd, e->pid, SIGCONT);
		if (fd >= 0)
			close(fd);
	}
	if (hsf_settings_read(e->tid, &now) == 0 && hsf_settings_equal(&now, &e->former))
		return 0;
	rc = hsf_settings_apply(e->tid, &e->former);
	if (!rc)
		return 1;
	if (rc == ESRCH)
		return 0;
	vmrt_warn("thread %d of process %d could not be given its former scheduling back: %s",
		(int)e->tid, (int)e->pid, strerror(rc));
	return -1;
}

/* Restores all threads. Returns how many failed, and counts in @done the threads that were
 * changed. */
static int restore_all(const struct shared *shared, int *done)
{
	int failed = 0;

	for (size_t i = 0; i < MAX_THREADS; i++) {
		const struct entry *e = &shared->entries[i];
		int rc = entry_lives(e) ? restore(e) : 0;

		failed += rc < 0;
		*done += rc > 0;
	}
	return failed;
}

int hsf_table_restore(struct hsf_table *t)
{
	int done = 0, failed = restore_all(t->shared, &done);

	atomic_store(&t->shared->failed, failed);
	atomic_store(&t->shared->restored, true);
	return failed;
}

int hsf_table_restore_thread(struct hsf_table *t, pid_t tid)
{
	for (size_t i = 0; i < MAX_THREADS; i++) {
		struct entry *e = &t->shared->entries[i];

		if (e->tid != tid || !entry_lives(e))
			continue;
		if (restore(e) < 0)
			return -1;
		atomic_store(&e->valid, false);
	}
	return 0;
}

bool hsf_table_restored(const struct hsf_table *t)
{
	return atomic_load(&t->shared->restored);
}

int hsf_table_failed(const struct hsf_table *t)
{
	return atomic_load(&t->shared->failed);
}

int hsf_table_fd(const struct hsf_table *t)
{
	return t->fd;
}

void hsf_table_close(struct hsf_table *t)
{
	if (!t)
		return;
	if (t->fd >= 0 && t->shared && hsf_table_restored(t))
		unlink(t->path);
	if (t->shared)
		munmap(t->shared, sizeof(*t->shared));
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

/* ---- left-overs ---- */

/* Is the file @fd a table that was made since the machine was booted and that no process uses any
 * more? */
static bool is_left_over(int fd)
{
	struct stat st;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_uid == 0 || st.st_uid == geteuid()) && st.st_size == sizeof(struct shared);
}

static int recover_file(const char *path, int *threads)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), failed = 0;
	char boot[BOOT_ID_LEN + 4];
	struct shared *shared;

	if (fd < 0)
		return 0;
	if (is_left_over(fd)) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (shared != MAP_FAILED) {
			read_boot_id(boot, sizeof(boot));
			if (!memcmp(shared->magic, MAGIC, sizeof(MAGIC)) &&
				!memcmp(shared->boot, boot, sizeof(boot)) &&
				!atomic_load(&shared->restored))
				failed = restore_all(shared, threads);
			munmap(shared, sizeof(*shared));
			if (!failed)
				unlink(path);
		}
	}
	close(fd);
	return failed;
}

int hsf_table_recover(int *threads)
{
	DIR *dir = opendir(HSF_CONTROL_FOLDER);
	struct dirent *entry;
	char path[300];
	int failed = 0;

	*threads = 0;
	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && !strcmp(dot, TABLE_SUFFIX) &&
			vmrt_path(path, sizeof(path), HSF_CONTROL_FOLDER, entry->d_name) == VMRT_OK)
			failed += recover_file(path, threads);
	}
	if (dir)
		closedir(dir);
	return failed;
}

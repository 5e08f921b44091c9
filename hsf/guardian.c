/* SPDX-License-Identifier: MIT */
/*
 * The guardian is a small process that does nothing but wait for the end of the one that changes
 * settings of threads, however that comes, and then gives every thread its former settings back. It
 * reads them from memory shared by both, where they are noted before anything is changed.
 */
#include "hsf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_THREADS 2048
#define GUARDIAN_NAME "vmrt-hsf-guard"

struct entry {
	atomic_bool valid;
	pid_t pid, tid;
	uint64_t started; /* a thread that has another start is not the one that was changed */
	struct hsf_settings former;
};

struct table {
	atomic_int failed;
	struct entry entries[MAX_THREADS];
};

struct hsf_guardian {
	struct table *table;
	pid_t pid;
	int pidfd;
	int life; /* closed by the kernel when the last thread of this process has ended */
};

static bool entry_lives(const struct entry *e)
{
	uint64_t started;

	return atomic_load_explicit(&e->valid, memory_order_acquire) &&
		vmrt_thread_started(e->pid, e->tid, &started) == VMRT_OK && started == e->started;
}

static int restore_all(struct table *table)
{
	int failed = 0;

	for (size_t i = 0; i < MAX_THREADS; i++) {
		const struct entry *e = &table->entries[i];
		struct hsf_settings now;
		int rc;

		if (!entry_lives(e))
			continue;
		if (hsf_settings_read(e->tid, &now) == 0 && hsf_settings_equal(&now, &e->former))
			continue;
		rc = hsf_settings_apply(e->tid, &e->former);
		if (!rc || rc == ESRCH)
			continue;
		failed++;
		vmrt_warn("thread %d of process %d could not be given its former scheduling back: %s",
			(int)e->tid, (int)e->pid, strerror(rc));
	}
	return failed;
}

static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN,
		SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
}

static void spare_from_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "-1000", 5);
	close(fd);
}

/*
 * Keeps stderr, for the rare complaint, @life, and the locks: the next vmrt-hsf must not take
 * settings for a VM's own that are about to be given back.
 */
static void close_others(int life, const int *locks, size_t n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), last = life;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	for (size_t i = 0; i < n; i++)
		last = locks[i] > last ? locks[i] : last;
	for (int fd = STDERR_FILENO + 1; fd < last; fd++) {
		bool keep = fd == life;

		for (size_t i = 0; i < n; i++)
			keep = keep || fd == locks[i];
		if (!keep)
			close(fd);
	}
	syscall(SYS_close_range, last + 1, ~0u, 0);
}

static void guard(struct table *table, int life, const int *locks, size_t n)
	__attribute__((noreturn));

static void guard(struct table *table, int life, const int *locks, size_t n)
{
	struct sched_param param = {.sched_priority = HSF_ENFORCER_PRIORITY};
	ssize_t got;
	char c;

	ignore_signals();
	setsid();
	prctl(PR_SET_NAME, GUARDIAN_NAME);
	spare_from_oom();
	close_others(life, locks, n);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	/* the threads to be demoted may not leave a CPU to anybody below them */
	sched_setscheduler(0, SCHED_FIFO, &param);
	do {
		got = read(life, &c, 1);
	} while (got > 0 || (got < 0 && errno == EINTR));
	atomic_store(&table->failed, restore_all(table));
	_exit(0);
}

enum vmrt_status hsf_guardian_start(
	const int *locks, size_t n, struct hsf_guardian **out, struct vmrt_error *err)
{
	struct hsf_guardian *g = calloc(1, sizeof(*g));
	int life[2] = {-1, -1};
	int errnum;

	if (!g)
		return vmrt_fail(err, VMRT_ENOMEM, "guardian: out of memory");
	g->table = mmap(NULL, sizeof(*g->table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->table == MAP_FAILED) {
		errnum = errno;
		g->table = NULL;
		goto fail;
	}
	if (pipe2(life, O_CLOEXEC) != 0) {
		errnum = errno;
		goto fail;
	}
	g->pid = fork();
	if (g->pid < 0) {
		errnum = errno;
		goto fail;
	}
	if (g->pid == 0) {
		close(life[1]);
		guard(g->table, life[0], locks, n);
	}
	close(life[0]);
	g->life = life[1];
	g->pidfd = (int)syscall(SYS_pidfd_open, g->pid, 0);
	*out = g;
	return VMRT_OK;
fail:
	if (life[0] >= 0) {
		close(life[0]);
		close(life[1]);
	}
	if (g->table)
		munmap(g->table, sizeof(*g->table));
	free(g);
	return vmrt_fail_errno(err, errnum, "cannot start the guardian process");
}

/* An unused entry; when there are none left, one whose thread has ended. */
static struct entry *free_entry(struct table *table)
{
	for (size_t i = 0; i < MAX_THREADS; i++)
		if (!atomic_load(&table->entries[i].valid))
			return &table->entries[i];
	for (size_t i = 0; i < MAX_THREADS; i++) {
		if (!entry_lives(&table->entries[i])) {
			atomic_store(&table->entries[i].valid, false);
			return &table->entries[i];
		}
	}
	return NULL;
}

enum vmrt_status hsf_guardian_add(
	struct hsf_guardian *g, pid_t pid, pid_t tid, struct vmrt_error *err)
{
	struct entry *e = free_entry(g->table);
	int rc;

	if (!e)
		return vmrt_fail(err, VMRT_ERANGE, "more than %d threads to be scheduled", MAX_THREADS);
	e->pid = pid;
	e->tid = tid;
	rc = hsf_settings_read(tid, &e->former);
	if (rc)
		return vmrt_fail_errno(err, rc, "cannot read the scheduling of thread %d", (int)tid);
	/* read behind the settings, so that they are those of the thread with this start */
	if (vmrt_thread_started(pid, tid, &e->started) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOENT, "thread %d has ended", (int)tid);
	if (e->former.policy == SCHED_DEADLINE)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"thread %d is scheduled by SCHED_DEADLINE, which cannot be combined with a server",
			(int)tid);
	atomic_store_explicit(&e->valid, true, memory_order_release);
	return VMRT_OK;
}

int hsf_guardian_fd(const struct hsf_guardian *g)
{
	return g->pidfd;
}

int hsf_guardian_finish(struct hsf_guardian *g)
{
	int status = 0, failed;
	pid_t got;

	close(g->life);
	do {
		got = waitpid(g->pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	/* a guardian that was killed has done nothing */
	if (got != g->pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		failed = restore_all(g->table);
	else
		failed = atomic_load(&g->table->failed);
	if (g->pidfd >= 0)
		close(g->pidfd);
	munmap(g->table, sizeof(*g->table));
	free(g);
	return failed;
}

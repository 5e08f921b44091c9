/* SPDX-License-Identifier: MIT */
/* vmrt-load: runs the periodic tasks of an experiment. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#define STACK_SIZE (256 * 1024)
#define STACK_PREFAULT (64 * 1024)
#define WAKE_SIGNAL SIGUSR1 /* interrupts the sleep of tasks that are to stop */
#define WAKE_EVERY_MS 50

/* What main and the threads of the tasks share during a run. */
struct run {
	struct load_set *set;
	const struct vmrt_marker *marker;
	sem_t prepared; /* posted by each thread when it is ready */
	sem_t go; /* posted for each thread when t0 is known, or when the thread has to end at once
		   */
	atomic_bool stop;
	atomic_size_t running;
	int ended_fd; /* readable when no task is running any more */
};

struct worker {
	struct run *run;
	struct load_task *task;
	pthread_t thread;
};

static int64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * VMRT_NS_PER_S + ts.tv_nsec;
}

/* Sleeps until @ns; false if the task has to stop. If @ns has passed, it returns at once. */
static bool sleep_until(const struct run *run, int64_t ns)
{
	const struct timespec ts = {
		.tv_sec = ns / VMRT_NS_PER_S,
		.tv_nsec = ns % VMRT_NS_PER_S,
	};

	while (!atomic_load_explicit(&run->stop, memory_order_relaxed))
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0)
			return true;
	return false;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0 && errno == EINTR)
		continue;
}

static void run_job(const struct run *run, struct load_task *task, uint64_t k)
{
	struct load_job *job = &task->jobs[k];
	int64_t cpu_ns = thread_cpu_ns();

	job->begin_ns = vmrt_now_ns();
	vmrt_mark(
		run->marker, VMRT_MARK_PREFIX "job_begin task=%s k=%" PRIu64, task->spec->name, k);
	load_work(task->work_units);
	vmrt_mark(run->marker, VMRT_MARK_PREFIX "job_end task=%s k=%" PRIu64, task->spec->name, k);
	job->cpu_ns = thread_cpu_ns() - cpu_ns;
	/* this is read last, so that a trace shows the end of the job right after it, when the
	 * thread sleeps */
	job->end_ns = vmrt_now_ns();
}

__attribute__((noinline)) static void prefault_stack(void)
{
	volatile char room[STACK_PREFAULT];

	for (size_t i = 0; i < sizeof(room); i += 1024)
		room[i] = 0;
}

/*
 * Every job is released, even if the job before it ended late: then one job follows the other
 * without a sleep. The thread ends right after its last job, so that in a trace the exit of the
 * thread is the end of this job. The end of each other job is the sleep after it.
 */
static void *task_main(void *argument)
{
	const struct worker *worker = argument;
	struct run *run = worker->run;
	struct load_task *task = worker->task;
	const uint64_t one = 1;

	prctl(PR_SET_NAME, task->spec->name);
	if (!run->set->rt)
		prctl(PR_SET_TIMERSLACK, 1UL);
	prefault_stack();
	sem_post(&run->prepared);
	wait_for(&run->go);
	for (uint64_t k = 0; k < task->n_planned; k++) {
		if (!sleep_until(run, load_arrival(task->spec, run->set->t0_ns, k)))
			break;
		run_job(run, task, k);
		task->n_done = k + 1;
	}
	if (atomic_fetch_sub(&run->running, 1) == 1)
		(void)!write(run->ended_fd, &one, sizeof(one));
	return NULL;
}

static enum vmrt_status explain_no_permission(
	int errnum, const char *what, const char *remedy, struct vmrt_error *err)
{
	return vmrt_fail(err,
		errnum == EPERM || errnum == ENOMEM || errnum == EAGAIN ? VMRT_EPERM : VMRT_EIO,
		"%s: %s: run as root, or with %s; --no-rt tries without", what, strerror(errnum),
		remedy);
}

enum vmrt_status load_make_realtime(int priority, struct vmrt_error *err)
{
	const struct sched_param param = {.sched_priority = priority};
	char what[64];

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return explain_no_permission(errno, "cannot lock the memory",
			"CAP_IPC_LOCK or `ulimit -l unlimited`", err);
	snprintf(what, sizeof(what), "cannot get SCHED_FIFO at priority %d", priority);
	if (sched_setscheduler(0, SCHED_FIFO, &param) != 0)
		return explain_no_permission(
			errno, what, "CAP_SYS_NICE or a sufficient `ulimit -r`", err);
	return VMRT_OK;
}

void load_make_ordinary(void)
{
	const struct sched_param param = {0};

	sched_setscheduler(0, SCHED_OTHER, &param);
}

static enum vmrt_status start_worker(struct worker *worker, struct vmrt_error *err)
{
	const struct sched_param param = {.sched_priority = worker->task->spec->priority};
	pthread_attr_t attr;
	int errnum;

	errnum = pthread_attr_init(&attr);
	if (errnum)
		return vmrt_fail_errno(
			err, errnum, "cannot start task %s", worker->task->spec->name);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (worker->run->set->rt) {
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &param);
	}
	errnum = pthread_create(&worker->thread, &attr, task_main, worker);
	pthread_attr_destroy(&attr);
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot start task %s at priority %d",
			worker->task->spec->name, param.sched_priority);
	return VMRT_OK;
}

static void wake(int sig)
{
	(void)sig; /* the handler only has to make the sleep return with EINTR */
}

/* Waits until all tasks have ended, and stops them when a stop is requested. */
static void wait_for_tasks(struct run *run, const struct worker *workers)
{
	struct pollfd fds[] = {
		{.fd = run->ended_fd, .events = POLLIN},
		{.fd = vmrt_stop_fd(), .events = POLLIN},
	};

	for (;;) {
		bool stopping = atomic_load(&run->stop);

		/* The signal is sent again and again, because a task may just have been about to
		 * sleep when the signal came.
		 */
		if (poll(fds, stopping ? 1 : 2, stopping ? WAKE_EVERY_MS : -1) < 0 &&
			errno != EINTR)
			break;
		if (fds[0].revents & POLLIN)
			break;
		if (!vmrt_stop_requested())
			continue;
		run->set->stopped = vmrt_stop_requested();
		atomic_store(&run->stop, true);
		for (size_t i = 0; i < run->set->n; i++)
			pthread_kill(workers[i].thread, WAKE_SIGNAL);
	}
}

enum vmrt_status load_run(
	struct load_set *set, const struct vmrt_marker *marker, struct vmrt_error *err)
{
	struct run run = {.set = set, .marker = marker, .ended_fd = -1};
	struct sigaction act = {.sa_handler = wake};
	struct worker *workers;
	enum vmrt_status status = VMRT_OK;
	sigset_t stop_signals, old_signals;
	size_t n;

	workers = calloc(set->n, sizeof(*workers));
	run.ended_fd = eventfd(0, EFD_CLOEXEC);
	if (!workers || run.ended_fd < 0) {
		free(workers);
		if (run.ended_fd >= 0)
			close(run.ended_fd);
		return vmrt_fail(err, VMRT_ENOMEM, "cannot prepare the tasks");
	}
	sigaction(WAKE_SIGNAL, &act, NULL);
	atomic_store(&run.running, set->n);
	sem_init(&run.prepared, 0, 0);
	sem_init(&run.go, 0, 0);

	/* a stop must interrupt main's poll, not a job */
	sigfillset(&stop_signals);
	sigdelset(&stop_signals, WAKE_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &stop_signals, &old_signals);
	for (n = 0; n < set->n && status == VMRT_OK; n++) {
		workers[n] = (struct worker){.run = &run, .task = &set->tasks[n]};
		status = start_worker(&workers[n], err);
	}
	pthread_sigmask(SIG_SETMASK, &old_signals, NULL);
	if (status != VMRT_OK) {
		n--; /* the last thread was not created, and the others must not run any job */
		atomic_store(&run.stop, true);
	}

	/* No task has begun to sleep on a timer before t0 is chosen, and none is late for its first
	 * job. */
	for (size_t i = 0; i < n; i++)
		wait_for(&run.prepared);
	set->t0_ns = load_grid_origin(vmrt_now_ns());
	for (size_t i = 0; i < n; i++)
		sem_post(&run.go);
	if (status == VMRT_OK)
		wait_for_tasks(&run, workers);
	for (size_t i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	sem_destroy(&run.prepared);
	sem_destroy(&run.go);
	close(run.ended_fd);
	free(workers);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* Signals that ask a program to stop, and what is removed when a signal ends it. */
#include <vmrt/tool.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/units.h>

/* CPU time in which a program that was asked to stop can end by itself. */
#define END_WITHIN_NS (150 * VMRT_NS_PER_MS)

static volatile sig_atomic_t stop_signal, end_armed;
static int stop_pipe[2] = {-1, -1};
static timer_t end_timer;

/*
 * Files that are not complete. A signal handler may read the list at any moment, even in another
 * thread. So an entry is never freed, and its path never changes. A file that is written again uses
 * its old entry again.
 */
struct unfinished {
	struct unfinished *next;
	volatile sig_atomic_t incomplete;
	char path[];
};

static struct unfinished *volatile unfinished;

static void remove_unfinished(void)
{
	for (struct unfinished *u = unfinished; u; u = u->next)
		if (u->incomplete)
			unlink(u->path);
}

/* Removes the files, and then lets the signal end the process as it would have done. */
static void on_crash(int sig)
{
	remove_unfinished();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void handle_crashes(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGQUIT,
		SIGXCPU, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1, SIGUSR2};
	struct sigaction act = {.sa_handler = on_crash}, now;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/* a signal that the program handles itself is left alone */
		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(signals[i], &act, NULL);
}

static struct unfinished *find_unfinished(const char *path)
{
	struct unfinished *u = unfinished;

	while (u && strcmp(u->path, path) != 0)
		u = u->next;
	return u;
}

void vmrt_remove_at_crash(const char *path)
{
	struct unfinished *u = find_unfinished(path);
	size_t size = strlen(path) + 1;

	handle_crashes();
	if (!u && (u = malloc(sizeof(*u) + size))) {
		memcpy(u->path, path, size);
		u->incomplete = 0;
		u->next = unfinished;
		unfinished = u;
	}
	/* without memory for an entry, the file stays if a signal ends the program */
	if (u)
		u->incomplete = 1;
}

void vmrt_keep_at_crash(const char *path)
{
	struct unfinished *u = path ? find_unfinished(path) : NULL;

	if (u)
		u->incomplete = 0;
}

/* The program was asked to stop and has not ended in time. So it ends here, as if nobody had
 * handled the signal. */
static void on_end(int sig)
{
	/* if no stop was requested, somebody else has sent the timer's signal */
	on_crash(stop_signal ? (int)stop_signal : sig);
}

void vmrt_end_at_stop(void)
{
	struct sigaction act = {.sa_handler = on_end};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};

	if (end_armed || timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &end_timer) != 0)
		return;
	sigaction(SIGPROF, &act, NULL);
	end_armed = true;
}

void vmrt_request_stop(int sig)
{
	const struct itimerspec soon = {.it_value.tv_nsec = END_WITHIN_NS};
	int saved = errno;

	stop_signal = sig;
	if (stop_pipe[1] >= 0)
		(void)!write(stop_pipe[1], "x", 1);
	if (end_armed && sig)
		timer_settime(end_timer, 0, &soon, NULL);
	errno = saved;
}

int vmrt_stop_requested(void)
{
	return stop_signal;
}

int vmrt_stop_fd(void)
{
	if (stop_pipe[0] < 0 && pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	return stop_pipe[0];
}

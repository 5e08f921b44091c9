/* SPDX-License-Identifier: MIT */
/*
 * periodic MECHANISM NAME PERIOD_US WORK_US JOBS LONG_EVERY
 *
 * A periodic thread called NAME that waits for its releases by MECHANISM: nanosleep, realtime,
 * timerfd, epoll (for a timerfd), itimer, posix, signal (a handler's, of a timer), relative,
 * deadline, fair (nanosleep without a real-time priority), chain (another thread sleeps for it and
 * signals it by a condition variable, which is a futex), pipe (that thread writes to a pipe),
 * socket (to a socket), bursts (to a pipe, after 0.3 to 1.7 periods). With a
 * + behind it every job also sleeps, waits for a mutex with priority inheritance and for a pipe;
 * with a ! another process stops it for a while in every job, with a - that process takes its
 * priority meanwhile. Every LONG_EVERY-th job (0: none) works two and a half periods. Its own
 * account goes to stdout, one line per job: end of the job, and how many expiries it got.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 10000
#define NS_PER_S INT64_C(1000000000)
#define PRIORITY 40

static int64_t period_ns, ends[JOBS_MAX];
static uint64_t releases[JOBS_MAX];
static pthread_mutex_t lock;
static int ask[2], answer[2];
static pthread_cond_t due = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t due_lock = PTHREAD_MUTEX_INITIALIZER;
static int due_jobs, due_pipe[2];
static bool by_pipe, irregular;

static int64_t now_on(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static struct timespec spec_of(int64_t ns)
{
	return (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
}

static void work(int64_t ns)
{
	int64_t until = now_on(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (now_on(CLOCK_THREAD_CPUTIME_ID) < until)
		;
}

/* Holds the mutex for a while whenever it is asked to, and answers. */
static void *other_thread(void *arg)
{
	char c;

	prctl(PR_SET_NAME, "other");
	while (read(ask[0], &c, 1) == 1) {
		pthread_mutex_lock(&lock);
		if (write(answer[1], &c, 1) != 1)
			break;
		usleep(300);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void block_inside_a_job(void)
{
	char c = 'x';

	usleep(500);
	if (write(ask[1], &c, 1) != 1 || read(answer[0], &c, 1) != 1)
		exit(1);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

static void begin_other(void)
{
	pthread_mutexattr_t attr;
	pthread_t t;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&lock, &attr);
	if (pipe(ask) != 0 || pipe(answer) != 0 ||
		pthread_create(&t, NULL, other_thread, NULL) != 0)
		exit(1);
}

static void sleep_until(clockid_t clock, int64_t ns)
{
	struct timespec t = spec_of(ns);

	while (clock_nanosleep(clock, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Sleeps for the other thread's releases. */
static void *releaser(void *arg)
{
	const int64_t *first = arg;

	unsigned seed = 1;

	prctl(PR_SET_NAME, "releaser");
	for (int64_t next = *first;;
		next += irregular ? period_ns * (30 + rand_r(&seed) % 141) / 100 : period_ns) {
		sleep_until(CLOCK_MONOTONIC, next);
		if (by_pipe) {
			if (write(due_pipe[1], "x", 1) != 1)
				exit(1);
			continue;
		}
		pthread_mutex_lock(&due_lock);
		due_jobs++;
		pthread_cond_signal(&due);
		pthread_mutex_unlock(&due_lock);
	}
	return NULL;
}

static void wait_for_release(void)
{
	char c;

	if (by_pipe) {
		if (read(due_pipe[0], &c, 1) != 1)
			exit(1);
		return;
	}
	pthread_mutex_lock(&due_lock);
	while (!due_jobs)
		pthread_cond_wait(&due, &due_lock);
	due_jobs--;
	pthread_mutex_unlock(&due_lock);
}

/* Another process stops this one, or takes its priority, from a tenth to three tenths of every
 * period. */
static void begin_meddler(char how, int64_t first)
{
	const struct sched_param high = {.sched_priority = PRIORITY + 10},
				 mine = {.sched_priority = PRIORITY}, none = {0};
	pid_t victim = getpid();

	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "meddler");
	sched_setscheduler(0, SCHED_FIFO, &high);
	for (int64_t next = first;; next += period_ns) {
		sleep_until(CLOCK_MONOTONIC, next + period_ns / 10);
		if (how == '!')
			kill(victim, SIGSTOP);
		else
			sched_setscheduler(victim, SCHED_OTHER, &none);
		sleep_until(CLOCK_MONOTONIC, next + 3 * period_ns / 10);
		if (how == '!')
			kill(victim, SIGCONT);
		else
			sched_setscheduler(victim, SCHED_FIFO, &mine);
	}
}

/* struct sched_attr of sched_setattr(2), which C libraries have only lately. */
static void be_deadline(int64_t runtime_ns)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr),
		.policy = 6,
		.runtime = (uint64_t)runtime_ns,
		.deadline = (uint64_t)period_ns,
		.period = (uint64_t)period_ns};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0) {
		perror("sched_setattr");
		exit(2);
	}
}

/* How the task waits for its releases, and by what. */
static struct {
	char name[16];
	bool blocks;   /* also within a job */
	char meddles;  /* ! or -: another process stops it, or takes its priority */
	bool releaser; /* another thread sleeps for the releases */
	clockid_t clock;
	int fd, poll; /* the timerfd, and the epoll instance that waits for it; -1: none */
	timer_t timer;
	sigset_t set; /* signals of timers */
	int64_t first;
} how = {.clock = CLOCK_MONOTONIC, .fd = -1, .poll = -1};

static bool waits_by(const char *name)
{
	return !strcmp(how.name, name);
}

static void read_mechanism(const char *text)
{
	how.blocks = strchr(text, '+');
	how.meddles = strpbrk(text, "!-") ? *strpbrk(text, "!-") : '\0';
	snprintf(how.name, sizeof(how.name), "%.*s", (int)strcspn(text, "+!-"), text);
	if (waits_by("realtime"))
		how.clock = CLOCK_REALTIME;
	irregular = waits_by("bursts");
	by_pipe = irregular || waits_by("pipe") || waits_by("socket");
	how.releaser = by_pipe || waits_by("chain");
}

static bool begin_releaser(void)
{
	pthread_t t;

	if (waits_by("socket") ? socketpair(AF_UNIX, SOCK_STREAM, 0, due_pipe) != 0
			       : by_pipe && pipe(due_pipe) != 0)
		return false;
	return !how.releaser || pthread_create(&t, NULL, releaser, &how.first) == 0;
}

/* Arms the timer that the kernel repeats, if the mechanism has one. */
static bool begin_timer(void)
{
	struct itimerspec every = {
		.it_interval = spec_of(period_ns), .it_value = spec_of(how.first)};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};

	if (waits_by("timerfd") || waits_by("epoll")) {
		how.fd = timerfd_create(CLOCK_MONOTONIC, 0);
		timerfd_settime(how.fd, TFD_TIMER_ABSTIME, &every, NULL);
	} else if (waits_by("itimer")) {
		struct itimerval it = {
			.it_interval = {period_ns / NS_PER_S, period_ns % NS_PER_S / 1000}};

		it.it_value = it.it_interval;
		setitimer(ITIMER_REAL, &it, NULL);
	} else if (waits_by("posix") || waits_by("signal")) {
		if (timer_create(CLOCK_MONOTONIC, &event, &how.timer) != 0)
			return false;
		timer_settime(how.timer, TIMER_ABSTIME, &every, NULL);
	} else if (waits_by("deadline")) {
		be_deadline(period_ns / 2);
		sched_yield();
	}
	if (waits_by("epoll")) {
		struct epoll_event in = {.events = EPOLLIN};

		how.poll = epoll_create1(0);
		if (how.poll < 0 || epoll_ctl(how.poll, EPOLL_CTL_ADD, how.fd, &in) != 0)
			return false;
	}
	if (waits_by("signal"))
		signal(SIGRTMIN, on_signal);
	return true;
}

/* Waits for the release of job @k. @expiries: how many expiries the wait returned. */
static bool wait_for_job(int k, uint64_t *expiries)
{
	struct timespec t = spec_of(period_ns);
	struct epoll_event out;
	sigset_t none;
	int sig;

	*expiries = 1;
	while (how.poll >= 0 && epoll_wait(how.poll, &out, 1, -1) != 1)
		;
	if (how.fd >= 0)
		return read(how.fd, expiries, sizeof(*expiries)) == sizeof(*expiries);
	if (waits_by("itimer")) {
		sigwait(&how.set, &sig);
	} else if (waits_by("posix")) {
		sigwait(&how.set, &sig);
		*expiries += (uint64_t)timer_getoverrun(how.timer);
	} else if (waits_by("signal")) {
		sigemptyset(&none);
		sigsuspend(&none);
		*expiries += (uint64_t)timer_getoverrun(how.timer);
	} else if (how.releaser) {
		wait_for_release();
	} else if (waits_by("relative")) {
		nanosleep(&t, NULL);
	} else if (waits_by("deadline")) {
		if (k)
			sched_yield();
	} else {
		sleep_until(how.clock, how.first + k * period_ns);
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct sched_param param = {.sched_priority = PRIORITY};
	int64_t work_ns;
	int n, long_every;

	if (argc != 7)
		return 64;
	read_mechanism(argv[1]);
	period_ns = atol(argv[3]) * 1000;
	work_ns = atol(argv[4]) * 1000;
	n = atoi(argv[5]);
	long_every = atoi(argv[6]);
	if (n < 1 || n > JOBS_MAX || period_ns <= 0)
		return 64;
	/* pages that are touched here cause no page faults in the jobs */
	memset(ends, 1, sizeof(ends));
	memset(releases, 0, sizeof(releases));
	sigemptyset(&how.set);
	sigaddset(&how.set, SIGALRM);
	sigaddset(&how.set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &how.set, NULL);
	if (how.blocks)
		begin_other();
	prctl(PR_SET_NAME, argv[2]);
	if (!waits_by("deadline") && !waits_by("fair"))
		sched_setscheduler(0, SCHED_FIFO, &param);
	/* the name is seen at the next switch */
	usleep(2000);
	how.first = now_on(how.clock) + period_ns;
	if (how.meddles)
		begin_meddler(how.meddles, how.first);
	if (!begin_releaser() || !begin_timer())
		return 1;
	for (int k = 0; k < n; k++) {
		if (!wait_for_job(k, &releases[k]))
			return 1;
		work(long_every && k % long_every == long_every - 1 ? 5 * period_ns / 2 : work_ns);
		if (how.blocks)
			block_inside_a_job();
		ends[k] = now_on(CLOCK_MONOTONIC);
	}
	for (int k = 0; k < n; k++)
		printf("%lld %llu\n", (long long)ends[k], (unsigned long long)releases[k]);
	fflush(stdout);
	_exit(0);
}

/* SPDX-License-Identifier: MIT */
/* Decides when a flight recorder saves: on SIGUSR1, a deadline miss, or a server beyond its budget.
 */
#include "flight.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vmrt/live.h>
#include <vmrt/record.h>
#include <vmrt/units.h>

#define COLLECT_MS 100
#define LIVE_BUFFER (UINT64_C(4) << 20)
#define LIVE_GUEST_BUFFER (UINT64_C(1) << 20)
/* an agent in a busy guest may have to wait for long */
#define LIVE_SILENCE_NS (10 * VMRT_NS_PER_S)
#define LIVE_PORT 1 /* the agents' port for live views; recorders use port 0 */
/* a server is beyond its budget if it used a twentieth more: enforcers are some microseconds late
 */
#define OVERRUN_SHARE 20

struct flight {
	struct flight_options options;
	struct vmrt_live *live;
	struct vmrt_engine *engine;
	struct vmrt_engine_config config; /* the engine's, by reference */
	pthread_t thread;
	bool running;
	cpu_set_t cpus;
	int fd, end_fd;
	atomic_int triggered; /* 1: reason is being written; 2: reason is complete */
	char reason[160];
	int64_t when_ns; /* when the reason happened */
	atomic_int_fast64_t armed_ns;
	char note[200]; /* the last note about the live view that was printed */
};

/* For the signal handler, which gets no argument; a process has one flight recorder at most. */
static atomic_int signal_fd = -1;

static void on_signal(int sig)
{
	int fd = atomic_load(&signal_fd), errnum = errno;
	uint64_t one = 1;

	(void)sig;
	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
	errno = errnum;
}

/* Only the first reason is kept: it is the one for which the recorder saves. */
static void trigger(
	struct flight *f, int64_t when_ns, const char *fmt, const char *name, long long number)
{
	uint64_t one = 1;
	int before = 0;

	if (when_ns < atomic_load(&f->armed_ns))
		return;
	if (!atomic_compare_exchange_strong(&f->triggered, &before, 1))
		return;
	snprintf(f->reason, sizeof(f->reason), fmt, name, number);
	f->when_ns = when_ns;
	atomic_store(&f->triggered, 2);
	(void)!write(f->fd, &one, sizeof(one));
}

static void take_job(void *ctx, const struct vmrt_job *job)
{
	struct flight *f = ctx;

	if (f->options.on_miss && (job->outcome == VMRT_OUTCOME_MISSED ||
					  job->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE))
		trigger(f, job->deadline_ns, "task %s missed the deadline of its job %lld",
			f->options.experiment->tasks[job->task].name, (long long)job->k);
}

static void take_period(void *ctx, const struct vmrt_server_period *p)
{
	struct flight *f = ctx;
	/* the live view's experiment, in which each vCPU of a VM has a server */
	const struct vmrt_experiment *e = f->config.experiment;
	/* if nobody enforces the budget, all run time of the VM counts */
	int64_t used =
		p->consumed_ns + (p->outcome == VMRT_PERIOD_UNENFORCED ? p->background_ns : 0);

	if (f->options.on_overrun && p->outcome != VMRT_PERIOD_UNKNOWN &&
		p->outcome != VMRT_PERIOD_TRUNCATED &&
		used > p->budget_ns + p->budget_ns / OVERRUN_SHARE)
		trigger(f, p->end_ns, "server %s ran beyond its budget in period %lld",
			p->server < e->n_servers ? e->servers[p->server].name : "?",
			(long long)p->k);
}

/* Prints the note about the live view: a user who waits for a miss must know if a miss could not be
 * seen. */
static void print_note(struct flight *f)
{
	char note[sizeof(f->note)];

	vmrt_live_note(f->live, note, sizeof(note));
	if (note[0] && !f->note[0])
		vmrt_warn("%s: misses and overruns may not be seen", note);
	strcpy(f->note, note);
}

static void *watch(void *arg)
{
	struct pollfd end = {.events = POLLIN};
	struct flight *f = arg;
	struct vmrt_pump pump = {.from = vmrt_live_merge(f->live),
		.to = f->engine,
		.until_ns = INT64_MAX,
		.most = UINT64_MAX};
	struct vmrt_error err;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (f->options.cpus)
		pthread_setaffinity_np(pthread_self(), sizeof(f->cpus), &f->cpus);
	end.fd = f->end_fd;
	while (poll(&end, 1, COLLECT_MS) == 0) {
		print_note(f);
		if (vmrt_live_collect(f->live, &err) != VMRT_OK) {
			vmrt_warn("%s: misses and overruns are no longer watched", err.text);
			return NULL;
		}
		if (vmrt_pump(&pump) == VMRT_PUMPED_ENOMEM) {
			vmrt_warn("out of memory: misses and overruns are no longer watched");
			return NULL;
		}
	}
	return NULL;
}

static enum vmrt_status start_watching(struct flight *f, struct vmrt_error *err)
{
	struct vmrt_live_options live = {.experiment = f->options.experiment,
		.port = LIVE_PORT,
		.buffer = LIVE_BUFFER,
		.guest_buffer = LIVE_GUEST_BUFFER,
		.silence_ns = LIVE_SILENCE_NS};
	const struct vmrt_sink sink = {.ctx = f, .server_period = take_period, .job = take_job};
	enum vmrt_status status = vmrt_live_open(&live, &f->live, err);
	int errnum;

	if (status != VMRT_OK)
		return status;
	vmrt_live_config(f->live, &f->config);
	if ((status = vmrt_engine_new(&f->config, &sink, &f->engine, err)) != VMRT_OK)
		return status;
	errnum = pthread_create(&f->thread, NULL, watch, f);
	f->running = !errnum;
	return errnum ? vmrt_fail_errno(err, errnum, "cannot start a thread") : VMRT_OK;
}

enum vmrt_status flight_start(
	const struct flight_options *options, struct flight **out, struct vmrt_error *err)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct flight *f = calloc(1, sizeof(*f));
	enum vmrt_status status = VMRT_OK;

	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "flight recorder: out of memory");
	f->options = *options;
	atomic_store(&f->armed_ns, INT64_MAX);
	if (options->cpus)
		f->cpus = *options->cpus;
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->fd < 0 || f->end_fd < 0)
		status = vmrt_fail_errno(err, errno, "flight recorder");
	if (status == VMRT_OK) {
		atomic_store(&signal_fd, f->fd);
		sigemptyset(&action.sa_mask);
		sigaction(SIGUSR1, &action, NULL);
	}
	if (status == VMRT_OK && options->experiment && (options->on_miss || options->on_overrun))
		status = start_watching(f, err);
	if (status == VMRT_OK)
		*out = f;
	else
		flight_end(f);
	return status;
}

void flight_arm(struct flight *f, int64_t from_ns)
{
	atomic_store(&f->armed_ns, from_ns);
}

int flight_fd(const struct flight *f)
{
	return f->fd;
}

const char *flight_reason(const struct flight *f)
{
	struct pollfd fd = {.fd = f->fd, .events = POLLIN};

	if (atomic_load(&f->triggered) == 2)
		return f->reason;
	return poll(&fd, 1, 0) > 0 ? "SIGUSR1 came" : NULL;
}

int64_t flight_when(const struct flight *f)
{
	int64_t now = vmrt_now_ns();

	if (atomic_load(&f->triggered) != 2 || f->when_ns == VMRT_UNKNOWN || f->when_ns > now)
		return now;
	return f->when_ns;
}

void flight_end(struct flight *f)
{
	uint64_t one = 1;

	if (!f)
		return;
	signal(SIGUSR1, SIG_IGN); /* a late signal must not end the recorder */
	atomic_store(&signal_fd, -1);
	if (f->running) {
		(void)!write(f->end_fd, &one, sizeof(one));
		pthread_join(f->thread, NULL);
	}
	vmrt_engine_free(f->engine);
	vmrt_live_close(f->live);
	if (f->fd >= 0)
		close(f->fd);
	if (f->end_fd >= 0)
		close(f->end_fd);
	free(f);
}

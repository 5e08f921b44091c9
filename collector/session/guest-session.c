/* SPDX-License-Identifier: MIT */
/* Carries out a session with a guest, message by message, in a thread of its own. */
#include "guest-session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/units.h>

#define ANSWER_WAIT_NS (20 * VMRT_NS_PER_S) /* for READY, STARTED, STOPPED */
/* a guest that is silent for so long may be dead or very busy */
#define DEAD_AFTER_NS (3 * VMRT_NS_PER_S)
#define DEAD_WAIT_NS (8 * VMRT_NS_PER_S) /* how long to wait for STOPPED of such a guest */
/* longest pause in the data that a guest sends at the end */
#define SILENCE_NS (10 * VMRT_NS_PER_S)

/* Many pings at first, because the shortest round trips bound the clock best; later enough to
 * follow drift. */
#define PING_FIRST_NS (50 * VMRT_NS_PER_MS)
#define PING_LATER_NS (100 * VMRT_NS_PER_MS)
#define PING_FIRST_FOR_NS VMRT_NS_PER_S

/* The thread may use so much CPU time at its real-time priority; a ping takes some microseconds. */
#define URGENT_MOST_NS VMRT_NS_PER_MS
#define URGENT_SPAN_NS (100 * VMRT_NS_PER_MS)
#define PONGS_AT_ONCE 16

/* A guest that sends its data more slowly than this is given up. */
#define SLOWEST_BYTES_PER_S (UINT64_C(1) << 20)
#define SLOW_START_NS (60 * VMRT_NS_PER_S)

/* +-30 %, so that pings do not keep step with the guest's periods. */
static int64_t with_jitter(struct vmrt_guest *g, int64_t ns)
{
	return ns * (700 + rand_r(&g->seed) % 600) / 1000;
}

static void set_state(struct vmrt_guest *g, enum vmrt_guest_state state)
{
	uint64_t one = 1;

	pthread_mutex_lock(&g->lock);
	g->in.state = state;
	pthread_mutex_unlock(&g->lock);
	(void)!write(g->changed_fd, &one, sizeof(one));
}

static int64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * VMRT_NS_PER_S + t.tv_nsec;
}

/*
 * The thread has a real-time priority (is urgent) while it waits, so that messages get their time
 * stamps at once. It gives the priority up before it processes messages, because a guest may cause
 * any amount of work.
 */
static void be_ordinary(struct vmrt_guest *g)
{
	struct sched_param normal = {0};

	if (!g->urgent)
		return;
	g->urgent = false;
	pthread_setschedparam(pthread_self(), SCHED_OTHER, &normal);
	g->urgent_spent += own_cpu_ns() - g->urgent_cpu;
}

static void be_urgent(struct vmrt_guest *g, int64_t now)
{
	struct sched_param urgent = {.sched_priority = 1};

	if (now - g->urgent_ns >= URGENT_SPAN_NS) {
		g->urgent_ns = now;
		g->urgent_spent = 0;
	}
	if (g->urgent || g->urgent_spent >= URGENT_MOST_NS)
		return;
	/* without permission the time stamps are a little later; round trips of the pings show that
	 */
	g->urgent = pthread_setschedparam(pthread_self(), SCHED_FIFO, &urgent) == 0;
	g->urgent_cpu = own_cpu_ns();
}

/* How long to wait for an answer before the guest records. Nobody waits for a patient session. */
static int64_t answer_wait(const struct vmrt_guest *g)
{
	return g->options.patience_ns ? g->options.patience_ns : ANSWER_WAIT_NS;
}

/* Does what the new state @state requires. */
static enum vmrt_status entered(
	struct vmrt_guest *g, enum vmrt_guest_state state, struct vmrt_error *err)
{
	int64_t now = vmrt_now_ns();
	uint64_t most = g->options.max_size;

	switch (state) {
	case VMRT_GUEST_CONNECTED:
		g->deadline = now + answer_wait(g);
		return g->options.ask ? vmrt_guest_send_empty(g, VMRT_MSG_ASK, err)
				      : vmrt_guest_send_prepare(g, err);
	case VMRT_GUEST_READY:
		/* pings begin here, because an agent that makes an instance does not answer them */
		g->ping_at = g->pinging_since = now;
		g->deadline = INT64_MAX;
		break;
	case VMRT_GUEST_STARTED:
		g->deadline = INT64_MAX;
		break;
	case VMRT_GUEST_STOPPED:
		if (!most || most > g->in.buffer * g->in.meta.cpus * 2)
			most = g->in.buffer * g->in.meta.cpus * 2;
		g->data_deadline = now + SLOW_START_NS;
		if (most / SLOWEST_BYTES_PER_S < 3600)
			g->data_deadline += (int64_t)(most / SLOWEST_BYTES_PER_S) * VMRT_NS_PER_S;
		g->deadline = INT64_MAX;
		break;
	default:
		break;
	}
	return VMRT_OK;
}

static enum vmrt_status take_messages(
	struct vmrt_guest *g, int64_t now, uint64_t tsc, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	struct vmrt_message message;
	unsigned pongs = 0;
	int got;

	while (status == VMRT_OK && (got = vmrt_link_next(&g->parser, &message)) != 0) {
		enum vmrt_guest_state before = g->in.state;

		/* the thread is urgent for the sake of pongs, and a pong is little work */
		if (got < 0 || message.type != VMRT_MSG_PONG || ++pongs > PONGS_AT_ONCE)
			be_ordinary(g);

		if (got < 0) {
			if (before == VMRT_GUEST_CONNECTING)
				continue;
			return vmrt_fail(err, VMRT_EPROTO, "the agent in %s sent garbage", g->name);
		}
		pthread_mutex_lock(&g->lock);
		status = guest_in_message(&g->in, &message, now, tsc, err);
		pthread_mutex_unlock(&g->lock);
		if (status == VMRT_OK && g->in.state != before) {
			set_state(g, g->in.state);
			status = entered(g, g->in.state, err);
		}
	}
	return status;
}

enum vmrt_status guest_receive(struct vmrt_guest *g, struct vmrt_error *err)
{
	size_t room;
	void *at = vmrt_link_room(&g->parser, &room);
	ssize_t n = read(g->fd, at, room);
	int64_t now = vmrt_now_ns();
	uint64_t tsc = vmrt_tsc();

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return VMRT_OK;
	if (n <= 0)
		return vmrt_fail(err, VMRT_EIO, "the link to %s was cut", g->name);
	g->heard_at = now;
	vmrt_link_fed(&g->parser, (size_t)n);
	return take_messages(g, now, tsc, err);
}

enum vmrt_status guest_fulfil_wish(struct vmrt_guest *g, struct vmrt_error *err)
{
	int64_t since_ns;
	uint64_t count;
	enum guest_wish wish;
	char why[sizeof(g->abort_why)];
	enum vmrt_status status;
	int64_t now;

	(void)!read(g->wake_fd, &count, sizeof(count));
	pthread_mutex_lock(&g->lock);
	wish = g->wish;
	since_ns = g->since_ns;
	memcpy(why, g->abort_why, sizeof(why));
	pthread_mutex_unlock(&g->lock);
	if (why[0])
		return vmrt_fail(err, VMRT_EINTR, "%s: %s", g->name, why);
	if (wish == WISH_START && g->done == WISH_NONE && g->in.state == VMRT_GUEST_READY) {
		g->done = WISH_START;
		g->deadline = vmrt_now_ns() + answer_wait(g);
		return vmrt_guest_send_empty(g, VMRT_MSG_START, err);
	}
	if (wish == WISH_STOP && g->done != WISH_STOP) {
		if (g->in.state != VMRT_GUEST_STARTED)
			return vmrt_fail(
				err, VMRT_EINTR, "%s was not recording yet when it ended", g->name);
		/* the guest may have been too busy to answer, and may answer now */
		status = vmrt_guest_send_ping(g, err);
		if (status != VMRT_OK)
			return status;
		g->done = WISH_STOP;
		now = vmrt_now_ns();
		g->deadline =
			now + (now - g->heard_at > DEAD_AFTER_NS ? DEAD_WAIT_NS : ANSWER_WAIT_NS);
		/* no pings follow, only data, so that the thread need not be urgent */
		be_ordinary(g);
		return vmrt_guest_send_stop(g, since_ns, err);
	}
	return VMRT_OK;
}

static bool pings_now(const struct vmrt_guest *g)
{
	return (g->in.state == VMRT_GUEST_READY || g->in.state == VMRT_GUEST_STARTED) &&
	       !g->options.ask && g->done != WISH_STOP;
}

static const char *waited_for(const struct vmrt_guest *g)
{
	switch (g->in.state) {
	case VMRT_GUEST_CONNECTED:
		return "did not get ready";
	case VMRT_GUEST_READY:
		return "did not start";
	case VMRT_GUEST_STARTED:
		return "did not stop";
	default:
		return "stopped sending";
	}
}

static enum vmrt_status check_deadlines(struct vmrt_guest *g, int64_t now, struct vmrt_error *err)
{
	bool sending = g->in.state == VMRT_GUEST_STOPPED;

	if (now < g->deadline &&
		!(sending && (now > g->heard_at + SILENCE_NS || now > g->data_deadline)))
		return VMRT_OK;
	return vmrt_fail(err, VMRT_ETIMEOUT, "the agent in %s %s in time", g->name, waited_for(g));
}

static int poll_timeout(const struct vmrt_guest *g, int64_t now)
{
	int64_t until = now + VMRT_NS_PER_S;

	if (pings_now(g) && g->ping_at < until)
		until = g->ping_at;
	if (until <= now)
		return 0;
	return (int)((until - now) / VMRT_NS_PER_MS) + 1;
}

static enum vmrt_status serve_once(struct vmrt_guest *g, struct vmrt_error *err)
{
	struct pollfd fds[2] = {
		{.fd = g->fd, .events = POLLIN}, {.fd = g->wake_fd, .events = POLLIN}};
	int64_t now = vmrt_now_ns();
	enum vmrt_status status = check_deadlines(g, now, err);

	if (status == VMRT_OK && pings_now(g) && now >= g->ping_at) {
		bool first = now - g->pinging_since < PING_FIRST_FOR_NS;

		g->ping_at = now + with_jitter(g, first ? PING_FIRST_NS : PING_LATER_NS);
		status = vmrt_guest_send_ping(g, err);
	}
	if (status != VMRT_OK)
		return status;
	if (pings_now(g))
		be_urgent(g, now);
	if (poll(fds, 2, poll_timeout(g, now)) < 0)
		return errno == EINTR ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot wait");
	/* messages that need a time stamp come first */
	if (fds[0].revents)
		status = guest_receive(g, err);
	if (status == VMRT_OK)
		status = guest_fulfil_wish(g, err);
	return status;
}

void *guest_session(void *arg)
{
	struct vmrt_guest *g = arg;
	struct vmrt_error err = {0};
	enum vmrt_status status;
	sigset_t all;

	/* the main thread handles signals; writing to a closed link is an error, not SIGPIPE */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (g->options.cpus)
		pthread_setaffinity_np(pthread_self(), sizeof(g->cpus), &g->cpus);
	status = guest_reach(g, &err);
	while (status == VMRT_OK && g->in.state != VMRT_GUEST_DONE)
		status = serve_once(g, &err);
	if (status != VMRT_OK) {
		pthread_mutex_lock(&g->lock);
		g->err = err;
		pthread_mutex_unlock(&g->lock);
		set_state(g, VMRT_GUEST_FAILED);
	}
	/* when the link closes, the agent removes its instance */
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
	return NULL;
}

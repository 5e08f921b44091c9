/* SPDX-License-Identifier: MIT */
#include <vmrt/guest.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmrt/units.h>
#include <vmrt/version.h>

#include "datwrite.h"
#include "guest-in.h"

#define HELLO_EVERY_NS (500 * VMRT_NS_PER_MS)
#define HELLO_WAIT_NS (5 * VMRT_NS_PER_S)   /* per socket; a guest may be very busy */
#define ANSWER_WAIT_NS (20 * VMRT_NS_PER_S) /* for READY, STARTED, STOPPED */
#define SILENCE_NS (10 * VMRT_NS_PER_S)	    /* longest pause within what it sends at the end */
#define SEND_WAIT_NS (2 * VMRT_NS_PER_S)

/* Many pings at first, since the shortest round trips say most, and then enough to follow drift. */
#define PING_FIRST_NS (50 * VMRT_NS_PER_MS)
#define PING_LATER_NS (100 * VMRT_NS_PER_MS)
#define PING_FIRST_FOR_NS VMRT_NS_PER_S

/* A guest that drips its data must come to an end, too. */
#define SLOWEST_BYTES_PER_S (UINT64_C(1) << 20)
#define SLOW_START_NS (60 * VMRT_NS_PER_S)

enum wish { WISH_NONE, WISH_START, WISH_STOP };

struct vmrt_guest {
	struct vmrt_guest_options options;
	char name[64];
	char (*sockets)[108];
	cpu_set_t cpus;
	pthread_t thread;
	bool running;
	int fd;	     /* the link; -1 */
	int wake_fd; /* an eventfd: a wish has changed */
	struct vmrt_link_parser parser;
	struct vmrt_buf out;
	/* of the thread alone */
	int64_t ping_at, pinging_since, deadline, data_deadline, heard_at;
	enum wish done; /* what has been asked of the agent */
	unsigned seed;
	/* shared */
	pthread_mutex_t lock;
	int changed_fd; /* an eventfd: the state has changed */
	enum wish wish;
	char abort_why[128];
	struct vmrt_guest_in in;
	struct vmrt_error err;
};

/* ---- the session's thread ---- */

static enum vmrt_status send_out(struct vmrt_guest *g, struct vmrt_error *err)
{
	if (vmrt_link_end(&g->out) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	return vmrt_link_write(
		g->fd, g->out.data, g->out.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
}

static enum vmrt_status send_empty(
	struct vmrt_guest *g, enum vmrt_message_type type, struct vmrt_error *err)
{
	vmrt_link_begin(&g->out, type);
	return send_out(g, err);
}

/*
 * Whatever the last recorder left half said in the stream is completed by zeros, and the agent then
 * hunts for the magic.
 */
static enum vmrt_status send_hello(struct vmrt_guest *g, struct vmrt_error *err)
{
	static const uint8_t zeros[VMRT_LINK_HEAD + VMRT_LINK_REQUEST];
	struct vmrt_buf all = {0};
	enum vmrt_status status;

	vmrt_link_begin(&g->out, VMRT_MSG_HELLO);
	vmrt_buf_put_u32(&g->out, VMRT_LINK_VERSION);
	vmrt_buf_put_u64(&g->out, g->in.nonce);
	vmrt_buf_put_text(&g->out, VMRT_VERSION);
	status = vmrt_link_end(&g->out);
	vmrt_buf_put(&all, zeros, sizeof(zeros));
	vmrt_buf_put(&all, g->out.data, g->out.used);
	if (status != VMRT_OK || all.failed)
		status = vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	else
		status = vmrt_link_write(
			g->fd, all.data, all.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
	vmrt_buf_free(&all);
	return status;
}

static enum vmrt_status send_prepare(struct vmrt_guest *g, struct vmrt_error *err)
{
	vmrt_link_begin(&g->out, VMRT_MSG_PREPARE);
	vmrt_buf_put_u64(&g->out, g->options.buffer);
	vmrt_buf_put_u32(&g->out, g->options.stream ? VMRT_LINK_STREAM : VMRT_LINK_HOLD);
	return send_out(g, err);
}

static enum vmrt_status send_ping(struct vmrt_guest *g, struct vmrt_error *err)
{
	uint8_t *seq;
	uint32_t n;

	vmrt_link_begin(&g->out, VMRT_MSG_PING);
	vmrt_buf_put_u32(&g->out, 0);
	if (vmrt_link_end(&g->out) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	seq = g->out.data + VMRT_LINK_HEAD;
	n = g->in.next_seq;
	for (int i = 0; i < 4; i++)
		seq[i] = (uint8_t)(n >> (8 * i));
	/* nothing between the stamp and the write */
	vmrt_guest_in_ping(&g->in, vmrt_now_ns(), vmrt_tsc());
	return vmrt_link_write(
		g->fd, g->out.data, g->out.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
}

/* +-30 %, so that pings do not keep step with the guest's periods. */
static int64_t shaken(struct vmrt_guest *g, int64_t ns)
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

/* What follows from the state having become @state. */
static enum vmrt_status entered(
	struct vmrt_guest *g, enum vmrt_guest_state state, struct vmrt_error *err)
{
	int64_t now = vmrt_now_ns();
	uint64_t most = g->options.max_size;

	switch (state) {
	case VMRT_GUEST_CONNECTED:
		g->deadline = now + ANSWER_WAIT_NS;
		return send_prepare(g, err);
	case VMRT_GUEST_READY:
		/* not before: an agent that makes an instance answers no pings */
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
	int got;

	while (status == VMRT_OK && (got = vmrt_link_next(&g->parser, &message)) != 0) {
		enum vmrt_guest_state before = g->in.state;

		if (got < 0) {
			if (before == VMRT_GUEST_CONNECTING)
				continue;
			return vmrt_fail(err, VMRT_EPROTO, "the agent in %s sent garbage", g->name);
		}
		pthread_mutex_lock(&g->lock);
		status = vmrt_guest_in_message(&g->in, &message, now, tsc, err);
		pthread_mutex_unlock(&g->lock);
		if (status == VMRT_OK && g->in.state != before) {
			set_state(g, g->in.state);
			status = entered(g, g->in.state, err);
		}
	}
	return status;
}

static enum vmrt_status receive(struct vmrt_guest *g, struct vmrt_error *err)
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

static enum vmrt_status fulfil_wish(struct vmrt_guest *g, struct vmrt_error *err)
{
	struct sched_param normal = {0};
	uint64_t count;
	enum wish wish;
	char why[sizeof(g->abort_why)];
	enum vmrt_status status;

	(void)!read(g->wake_fd, &count, sizeof(count));
	pthread_mutex_lock(&g->lock);
	wish = g->wish;
	memcpy(why, g->abort_why, sizeof(why));
	pthread_mutex_unlock(&g->lock);
	if (why[0])
		return vmrt_fail(err, VMRT_EINTR, "%s", why);
	if (wish == WISH_START && g->done == WISH_NONE && g->in.state == VMRT_GUEST_READY) {
		g->done = WISH_START;
		g->deadline = vmrt_now_ns() + ANSWER_WAIT_NS;
		return send_empty(g, VMRT_MSG_START, err);
	}
	if (wish == WISH_STOP && g->done != WISH_STOP) {
		if (g->in.state != VMRT_GUEST_STARTED)
			return vmrt_fail(err, VMRT_EINTR, "%s was not recording yet when it ended", g->name);
		/* the guest may have been too busy to answer, and no longer be */
		status = send_ping(g, err);
		if (status != VMRT_OK)
			return status;
		g->done = WISH_STOP;
		g->deadline = vmrt_now_ns() + ANSWER_WAIT_NS;
		/* no pings any more, and what comes now is bulk: no reason to be urgent */
		pthread_setschedparam(pthread_self(), SCHED_OTHER, &normal);
		return send_empty(g, VMRT_MSG_STOP, err);
	}
	return VMRT_OK;
}

static bool pings_now(const struct vmrt_guest *g)
{
	return (g->in.state == VMRT_GUEST_READY || g->in.state == VMRT_GUEST_STARTED) &&
	       g->done != WISH_STOP;
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

static enum vmrt_status turn(struct vmrt_guest *g, struct vmrt_error *err)
{
	struct pollfd fds[2] = {{.fd = g->fd, .events = POLLIN}, {.fd = g->wake_fd, .events = POLLIN}};
	int64_t now = vmrt_now_ns();
	enum vmrt_status status = check_deadlines(g, now, err);

	if (status == VMRT_OK && pings_now(g) && now >= g->ping_at) {
		bool first = now - g->pinging_since < PING_FIRST_FOR_NS;

		g->ping_at = now + shaken(g, first ? PING_FIRST_NS : PING_LATER_NS);
		status = send_ping(g, err);
	}
	if (status != VMRT_OK)
		return status;
	if (poll(fds, 2, poll_timeout(g, now)) < 0)
		return errno == EINTR ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot wait");
	/* first what has a time stamp */
	if (fds[0].revents)
		status = receive(g, err);
	if (status == VMRT_OK)
		status = fulfil_wish(g, err);
	return status;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int errnum = errno;

		close(fd);
		errno = errnum;
		return -1;
	}
	return fd;
}

/* Says HELLO until the agent behind the link answers. */
static enum vmrt_status greet(struct vmrt_guest *g, const char *path, struct vmrt_error *err)
{
	int64_t now = vmrt_now_ns(), until = now + HELLO_WAIT_NS, again = now;

	while (g->in.state == VMRT_GUEST_CONNECTING) {
		struct pollfd fds[2] = {
			{.fd = g->fd, .events = POLLIN}, {.fd = g->wake_fd, .events = POLLIN}};
		enum vmrt_status status = VMRT_OK;

		now = vmrt_now_ns();
		if (now >= until)
			return vmrt_fail(err, VMRT_ETIMEOUT,
				"no agent answers in %s (%s): does vmrt-agent run in the guest, and is no other recorder connected?",
				g->name, path);
		if (now >= again) {
			again = now + HELLO_EVERY_NS;
			status = send_hello(g, err);
		}
		if (status == VMRT_OK && poll(fds, 2, 100) > 0) {
			if (fds[0].revents)
				status = receive(g, err);
			if (status == VMRT_OK && fds[1].revents)
				status = fulfil_wish(g, err);
		}
		if (status != VMRT_OK)
			return status;
	}
	return VMRT_OK;
}

static enum vmrt_status reach(struct vmrt_guest *g, struct vmrt_error *err)
{
	enum vmrt_status status = vmrt_fail(err, VMRT_ENOENT, "%s has no link to an agent", g->name);

	for (size_t i = 0; i < g->options.n_sockets; i++) {
		g->fd = connect_to(g->sockets[i]);
		if (g->fd < 0) {
			status = vmrt_fail_errno(
				err, errno, "cannot reach the agent in %s through %s", g->name, g->sockets[i]);
			continue;
		}
		vmrt_link_hunt(&g->parser);
		status = greet(g, g->sockets[i], err);
		if (status == VMRT_OK || status == VMRT_EUNSUPPORTED || g->abort_why[0])
			return status;
		close(g->fd);
		g->fd = -1;
	}
	return status;
}

static void *session(void *arg)
{
	struct sched_param urgent = {.sched_priority = 1};
	struct vmrt_guest *g = arg;
	struct vmrt_error err = {0};
	enum vmrt_status status;
	sigset_t all;

	/* signals are for the main thread; a link that is cut is an error here, not SIGPIPE */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (g->options.cpus)
		pthread_setaffinity_np(pthread_self(), sizeof(g->cpus), &g->cpus);
	/* where this is not permitted the stamps are a little later, and the pings say so themselves */
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &urgent);
	status = reach(g, &err);
	while (status == VMRT_OK && g->in.state != VMRT_GUEST_DONE)
		status = turn(g, &err);
	if (status != VMRT_OK) {
		pthread_mutex_lock(&g->lock);
		g->err = err;
		pthread_mutex_unlock(&g->lock);
		set_state(g, VMRT_GUEST_FAILED);
	}
	/* the agent sees the link close, and removes its instance */
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
	return NULL;
}

/* ---- for the other threads ---- */

static enum vmrt_status set_up(
	struct vmrt_guest *g, const struct vmrt_guest_options *options, struct vmrt_error *err)
{
	int errnum;

	g->options = *options;
	snprintf(g->name, sizeof(g->name), "%s", options->name);
	snprintf(g->in.name, sizeof(g->in.name), "%s", options->name);
	g->sockets = calloc(options->n_sockets + 1, sizeof(*g->sockets));
	for (size_t i = 0; g->sockets && i < options->n_sockets; i++)
		snprintf(g->sockets[i], sizeof(g->sockets[i]), "%s", options->sockets[i]);
	if (options->cpus)
		g->cpus = *options->cpus;
	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&g->lock, NULL);
	g->in.nonce = vmrt_dat_new_id();
	g->in.max_size = options->max_size;
	g->in.pages = options->pages;
	g->in.ctx = options->ctx;
	g->seed = (unsigned)g->in.nonce;
	if (!g->sockets || g->wake_fd < 0 || g->changed_fd < 0 ||
		vmrt_link_parser_init(&g->parser, VMRT_LINK_PAYLOAD) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	errnum = pthread_create(&g->thread, NULL, session, g);
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot start a thread");
	g->running = true;
	return VMRT_OK;
}

enum vmrt_status vmrt_guest_open(const struct vmrt_guest_options *options,
	struct vmrt_guest **out, struct vmrt_error *err)
{
	struct vmrt_guest *g = calloc(1, sizeof(*g));
	enum vmrt_status status;

	if (!g)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", options->name);
	g->fd = -1;
	status = set_up(g, options, err);
	if (status != VMRT_OK)
		vmrt_guest_close(g);
	else
		*out = g;
	return status;
}

enum vmrt_guest_state vmrt_guest_wait(
	struct vmrt_guest *g, enum vmrt_guest_state state, int timeout_ms, int stop_fd)
{
	int64_t until = vmrt_now_ns() + timeout_ms * VMRT_NS_PER_MS, left;

	for (;;) {
		struct pollfd fds[2] = {
			{.fd = g->changed_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
		enum vmrt_guest_state now;
		uint64_t count;

		(void)!read(g->changed_fd, &count, sizeof(count));
		pthread_mutex_lock(&g->lock);
		now = g->in.state;
		pthread_mutex_unlock(&g->lock);
		left = until - vmrt_now_ns();
		if (now >= state || left <= 0)
			return now;
		poll(fds, 2, (int)(left / VMRT_NS_PER_MS) + 1);
		if (fds[1].revents)
			return now;
	}
}

static void wish(struct vmrt_guest *g, enum wish what, const char *abort_why)
{
	uint64_t one = 1;

	pthread_mutex_lock(&g->lock);
	if (abort_why)
		snprintf(g->abort_why, sizeof(g->abort_why), "%s", abort_why);
	else
		g->wish = what;
	pthread_mutex_unlock(&g->lock);
	(void)!write(g->wake_fd, &one, sizeof(one));
}

void vmrt_guest_start(struct vmrt_guest *g)
{
	wish(g, WISH_START, NULL);
}

void vmrt_guest_stop(struct vmrt_guest *g)
{
	wish(g, WISH_STOP, NULL);
}

void vmrt_guest_abort(struct vmrt_guest *g, const char *why)
{
	wish(g, WISH_NONE, why);
}

void vmrt_guest_error(struct vmrt_guest *g, char *buf, size_t room)
{
	pthread_mutex_lock(&g->lock);
	snprintf(buf, room, "%s", g->in.state == VMRT_GUEST_FAILED ? g->err.text : "");
	pthread_mutex_unlock(&g->lock);
}

int64_t vmrt_guest_upto(struct vmrt_guest *g)
{
	int64_t upto;

	pthread_mutex_lock(&g->lock);
	upto = g->in.upto_ns;
	pthread_mutex_unlock(&g->lock);
	return upto;
}

uint64_t vmrt_guest_bytes(struct vmrt_guest *g)
{
	uint64_t size;

	pthread_mutex_lock(&g->lock);
	size = g->in.size;
	pthread_mutex_unlock(&g->lock);
	return size;
}

size_t vmrt_guest_copy_pings(
	struct vmrt_guest *g, size_t first, struct vmrt_ping *out, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&g->lock);
	for (; n < max && first + n < g->in.n_pings; n++)
		out[n] = g->in.pings[first + n];
	pthread_mutex_unlock(&g->lock);
	return n;
}

const struct vmrt_trace_meta *vmrt_guest_meta(struct vmrt_guest *g)
{
	const struct vmrt_trace_meta *meta;

	pthread_mutex_lock(&g->lock);
	meta = g->in.meta.cpus ? &g->in.meta : NULL;
	pthread_mutex_unlock(&g->lock);
	return meta;
}

void vmrt_guest_finish(struct vmrt_guest *g, struct vmrt_guest_result *out)
{
	if (g->running) {
		if (vmrt_guest_wait(g, VMRT_GUEST_DONE, 0, -1) < VMRT_GUEST_DONE)
			vmrt_guest_abort(g, "given up");
		pthread_join(g->thread, NULL);
		g->running = false;
	}
	if (!out)
		return;
	*out = (struct vmrt_guest_result){
		.hostname = g->in.hostname,
		.kernel = g->in.kernel,
		.meta = g->in.meta.cpus ? &g->in.meta : NULL,
		.stats = g->in.stats,
		.pings = g->in.pings,
		.n_pings = g->in.n_pings,
		.bad_pings = g->in.bad_pings,
		.bad_pages = g->in.bad_pages,
		.size = g->in.size,
		.buffer = g->in.buffer,
	};
}

void vmrt_guest_close(struct vmrt_guest *g)
{
	if (!g)
		return;
	vmrt_guest_finish(g, NULL);
	if (g->wake_fd >= 0)
		close(g->wake_fd);
	if (g->changed_fd >= 0)
		close(g->changed_fd);
	pthread_mutex_destroy(&g->lock);
	vmrt_guest_in_free(&g->in);
	vmrt_link_parser_free(&g->parser);
	vmrt_buf_free(&g->out);
	free(g->sockets);
	free(g);
}

/* SPDX-License-Identifier: MIT */
/* A session with an agent, as other threads see it. */
#include <vmrt/guest.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vmrt/units.h>

#include "parser/dat/datwrite.h"
#include "guest-session.h"

#define SINCE_PINGS 64			     /* for converting a host time to the guest's clock */
#define SINCE_SPARE_NS (10 * VMRT_NS_PER_MS) /* more than two clocks drift apart in a minute */

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
	g->in.asks = options->ask;
	g->in.max_size = options->max_size;
	g->in.ready = options->ready;
	g->in.pages = options->pages;
	g->in.ctx = options->ctx;
	g->seed = (unsigned)g->in.nonce;
	if (!g->sockets || g->wake_fd < 0 || g->changed_fd < 0 ||
		vmrt_link_parser_init(&g->parser, VMRT_LINK_PAYLOAD) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	errnum = pthread_create(&g->thread, NULL, guest_session, g);
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot start a thread");
	g->running = true;
	return VMRT_OK;
}

enum vmrt_status vmrt_guest_open(
	const struct vmrt_guest_options *options, struct vmrt_guest **out, struct vmrt_error *err)
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

static void wish(struct vmrt_guest *g, enum guest_wish what, const char *abort_why)
{
	uint64_t one = 1;

	pthread_mutex_lock(&g->lock);
	/* only the first reason is kept: later ones are consequences */
	if (abort_why && !g->abort_why[0])
		snprintf(g->abort_why, sizeof(g->abort_why), "%s", abort_why);
	else if (!abort_why)
		g->wish = what;
	pthread_mutex_unlock(&g->lock);
	(void)!write(g->wake_fd, &one, sizeof(one));
}

void vmrt_guest_start(struct vmrt_guest *g)
{
	wish(g, WISH_START, NULL);
}

/*
 * A time on the guest's clock that is not after @host_ns; INT64_MIN: not known. The earliest of the
 * times that the last pings allow, because the guest's clock may have been stepped.
 */
static int64_t not_after(struct vmrt_guest *g, int64_t host_ns)
{
	uint64_t count = pings_count(&g->in.pings);
	uint64_t next = count > SINCE_PINGS ? count - SINCE_PINGS : 0;
	struct vmrt_ping pings[SINCE_PINGS];
	size_t n = pings_copy(&g->in.pings, &next, pings, SINCE_PINGS);
	int64_t earliest = INT64_MAX;

	for (size_t i = 0; i < n; i++) {
		int64_t at = host_ns - pings[i].host_recv_ns + pings[i].guest_send_ns;

		if (at < earliest)
			earliest = at;
	}
	return n ? earliest - SINCE_SPARE_NS : INT64_MIN;
}

void vmrt_guest_stop(struct vmrt_guest *g, int64_t since_ns)
{
	pthread_mutex_lock(&g->lock);
	g->since_ns = since_ns == INT64_MIN ? INT64_MIN : not_after(g, since_ns);
	pthread_mutex_unlock(&g->lock);
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
	struct vmrt_guest *g, uint64_t *next, struct vmrt_ping *out, size_t max)
{
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = pings_copy(&g->in.pings, next, out, max);
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
	guest_in_names(&g->in);
	free(g->pings);
	g->pings = pings_all(&g->in.pings, &g->n_pings);
	*out = (struct vmrt_guest_result){
		.hostname = g->in.hostname,
		.kernel = g->in.kernel,
		.settings = g->in.settings,
		.meta = g->in.meta.cpus ? &g->in.meta : NULL,
		.stats = g->in.stats,
		.pings = g->pings,
		.n_pings = g->pings ? g->n_pings : 0,
		.bad_pings = g->in.bad_pings,
		.bad_pages = g->in.bad_pages,
		.size = g->in.size,
		.buffer = g->in.buffer,
		.since_ns = g->since_ns,
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
	guest_in_free(&g->in);
	vmrt_link_parser_free(&g->parser);
	vmrt_buf_free(&g->out);
	free(g->sockets);
	free(g->pings);
	free(g);
}

/* SPDX-License-Identifier: MIT */
#include "live-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "collector/session/pings.h"

#define READY_WAIT_MS 8000
#define START_WAIT_MS 5000
#define QUEUE_MAX (UINT64_C(64) << 20) /* bytes of pages that have not been collected */
#define FIT_EVERY_NS VMRT_NS_PER_S
#define FIT_OFTEN_UNTIL 10 /* seconds of pings, before which every new ping counts */
#define COPY_AT_ONCE 64
#define RETRY_NS (2 * VMRT_NS_PER_S) /* between two tries to reach an agent */
#define FUTURE_MAX_NS (10 * VMRT_NS_PER_S)

struct live_page {
	struct live_page *next;
	unsigned cpu;
	uint8_t bytes[];
};

static void note(struct live_guest *g, const char *text)
{
	snprintf(g->note, sizeof(g->note), "%.190s", text);
}

/* Called in the session's thread, which holds the session's lock: nothing of it may be asked here.
 */
static bool take_pages(
	void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	struct live_guest *g = ctx;
	size_t step = g->page_size;

	for (size_t at = 0; step && at + step <= size; at += step) {
		struct live_page *page = malloc(sizeof(*page) + step);
		bool room;

		if (!page)
			return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", g->name), false;
		page->next = NULL;
		page->cpu = cpu;
		memcpy(page->bytes, (const uint8_t *)pages + at, step);
		pthread_mutex_lock(&g->lock);
		room = g->queued + step <= QUEUE_MAX;
		if (room) {
			*g->last = page;
			g->last = &page->next;
			g->queued += step;
		}
		pthread_mutex_unlock(&g->lock);
		if (!room) {
			free(page);
			return vmrt_fail(err, VMRT_ERANGE, "%s sends faster than can be shown",
				       g->name),
			       false;
		}
	}
	return true;
}

static void open_session(struct live_guest *g)
{
	const char *socket = g->vm->link[g->port];
	struct vmrt_guest_options options = {
		.name = g->name,
		.owner = g->vm->uids[0],
		.sockets = &socket,
		.n_sockets = 1,
		.buffer = g->buffer,
		.mode = VMRT_GUEST_STREAM,
		.cpus = g->has_cpus ? &g->own_cpus : NULL,
		.pages = take_pages,
		.ctx = g,
	};
	struct vmrt_error err;

	if (vmrt_guest_open(&options, &g->session, &err) != VMRT_OK)
		note(g, err.text);
}

void live_guest_open(struct live_guest *g, const struct vmrt_vm *vm, unsigned port, uint64_t buffer,
	const cpu_set_t *cpus)
{
	snprintf(g->name, sizeof(g->name), "%s", vm->name);
	g->vm = vm;
	g->port = port;
	g->buffer = buffer;
	g->has_cpus = cpus != NULL;
	if (cpus)
		g->own_cpus = *cpus;
	g->upto_ns = VMRT_UNKNOWN;
	g->last = &g->first;
	g->in.map = &g->map;
	pthread_mutex_init(&g->lock, NULL);
	for (size_t i = 0; i < LIVE_PINGS; i++)
		g->ping_second[i] = -1;
	if (vm->link[port][0])
		open_session(g);
	else
		snprintf(g->note, sizeof(g->note),
			"%s: no port org.vmrt.agent.%u, only the host's side is seen", g->name,
			port);
}

static void give_up(struct live_guest *g)
{
	char why[VMRT_ERROR_TEXT];

	vmrt_guest_error(g->session, why, sizeof(why));
	if (why[0])
		note(g, why);
	else
		snprintf(g->note, sizeof(g->note),
			"%s: its agent does not answer, only the host's side is seen", g->name);
	vmrt_guest_close(g->session);
	g->session = NULL;
}

static enum vmrt_status make_stream(struct live_guest *g, struct vmrt_error *err)
{
	const struct vmrt_trace_meta *meta = vmrt_guest_meta(g->session);
	enum vmrt_status status;

	if (!meta)
		return vmrt_fail(err, VMRT_EPROTO, "%s: its agent told no formats", g->name);
	g->page_size = meta->page_size;
	g->cpus = meta->cpus;
	status = vmrt_formats_from_meta(meta, &g->formats, err);
	if (status == VMRT_OK)
		status = vmrt_stream_live(g->formats, g->cpus, g->page_size, &g->in.stream, err);
	return status;
}

void live_guest_ready(struct live_guest *g)
{
	struct vmrt_error err;

	if (!g->session)
		return;
	if (vmrt_guest_wait(g->session, VMRT_GUEST_READY, READY_WAIT_MS, vmrt_stop_fd()) !=
		VMRT_GUEST_READY) {
		give_up(g);
	} else if (make_stream(g, &err) != VMRT_OK) {
		note(g, err.text);
		vmrt_guest_close(g->session);
		g->session = NULL;
	}
}

void live_guest_start(struct live_guest *g)
{
	if (!g->session)
		return;
	vmrt_guest_start(g->session);
	if (vmrt_guest_wait(g->session, VMRT_GUEST_STARTED, START_WAIT_MS, vmrt_stop_fd()) !=
		VMRT_GUEST_STARTED)
		give_up(g);
	else
		g->recorded = true;
}

bool live_guest_poll(struct live_guest *g, int64_t now_ns)
{
	enum vmrt_guest_state want = g->starting ? VMRT_GUEST_STARTED : VMRT_GUEST_READY, state;
	struct vmrt_error err;

	if (g->recorded)
		return false;
	if (!g->session && g->retry_ns && now_ns >= g->retry_ns) {
		g->retry_ns = 0;
		open_session(g);
	}
	if (!g->session)
		return false;
	if (!g->asked_ns)
		g->asked_ns = now_ns;
	state = vmrt_guest_wait(g->session, want, 0, -1);
	if (state == VMRT_GUEST_FAILED) {
		/* an agent that is not there yet may come; one that began to answer has its reasons
		 */
		if (!g->starting && !g->in.stream)
			g->retry_ns = now_ns + RETRY_NS;
		give_up(g);
		return false;
	}
	if (state < want) {
		snprintf(g->note, sizeof(g->note),
			"%s: waiting for its agent for %lld s, only the host's side is seen",
			g->name, (long long)((now_ns - g->asked_ns) / VMRT_NS_PER_S));
		return false;
	}
	g->note[0] = '\0';
	if (g->starting) {
		g->recorded = true;
		return true;
	}
	if (make_stream(g, &err) != VMRT_OK) {
		note(g, err.text);
		vmrt_guest_close(g->session);
		g->session = NULL;
		return false;
	}
	vmrt_guest_start(g->session);
	g->starting = true;
	return false;
}

/* Keeps the quickest ping of each second; true if there is a new one. */
static bool keep_pings(struct live_guest *g)
{
	struct vmrt_ping pings[COPY_AT_ONCE];
	bool fresh = false;
	size_t n;

	while ((n = vmrt_guest_copy_pings(g->session, &g->pings_seen, pings, COPY_AT_ONCE))) {
		for (size_t i = 0; i < n; i++) {
			int64_t second = pings[i].host_send_ns / VMRT_NS_PER_S;
			size_t slot = (size_t)(second % LIVE_PINGS);

			if (g->ping_second[slot] == second &&
				vmrt_ping_trip(&pings[i]) >= vmrt_ping_trip(&g->pings[slot]))
				continue;
			g->ping_second[slot] = second;
			g->pings[slot] = pings[i];
			fresh = true;
		}
	}
	return fresh;
}

/* A line through the bounds of the last minutes; without a better one the former map stays. */
static void fit_clock(struct live_guest *g, int64_t now_ns)
{
	struct vmrt_ping pings[LIVE_PINGS];
	struct vmrt_clock_bound bounds[2 * LIVE_PINGS];
	struct vmrt_clockmap map;
	int64_t oldest = now_ns / VMRT_NS_PER_S - LIVE_PINGS;
	size_t n = 0, n_bounds;

	g->unfitted |= keep_pings(g);
	if (!g->unfitted)
		return;
	for (size_t i = 0; i < LIVE_PINGS; i++)
		if (g->ping_second[i] > oldest)
			pings[n++] = g->pings[i];
	if (n > FIT_OFTEN_UNTIL && now_ns - g->fitted_ns < FIT_EVERY_NS)
		return;
	n_bounds = vmrt_clock_bounds_from_pings(pings, n, bounds);
	if (vmrt_clockmap_fit(bounds, n_bounds, VMRT_CLOCK_PINGS, &map, NULL) != VMRT_OK)
		return;
	vmrt_clockmap_free(&g->map);
	g->map = map;
	g->fitted_ns = now_ns;
	g->unfitted = false;
}

static void end_it(struct live_guest *g, const char *why)
{
	snprintf(g->note, sizeof(g->note), "%s: %.120s", g->name, why);
	vmrt_guest_abort(g->session, why);
	g->dead = true;
}

/* A guest cannot have us keep more and more of what never comes to be shown. */
static void check_progress(struct live_guest *g, int64_t upto, int64_t now_ns)
{
	int64_t next;

	if (upto != g->last_upto)
		g->held = 0;
	g->last_upto = upto;
	if (g->held > QUEUE_MAX)
		end_it(g, "it sends events without saying up to when");
	next = vmrt_stream_peek(g->in.stream);
	if (g->map.n && next != INT64_MAX &&
		vmrt_clockmap_to_host(&g->map, next, &g->in.hint) > now_ns + FUTURE_MAX_NS)
		end_it(g, "its events are in the future");
}

enum vmrt_status live_guest_collect(struct live_guest *g, int64_t now_ns, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	struct live_page *page, *next;
	int64_t upto;

	if (!g->session || g->dead)
		return VMRT_OK;
	/* first the time, then the pages: all that were sent before it are among them */
	upto = vmrt_guest_upto(g->session);
	pthread_mutex_lock(&g->lock);
	page = g->first;
	g->first = NULL;
	g->last = &g->first;
	g->queued = 0;
	pthread_mutex_unlock(&g->lock);
	for (; page; page = next) {
		next = page->next;
		if (status == VMRT_OK)
			status = vmrt_stream_push(
				g->in.stream, page->cpu, page->bytes, g->page_size, err);
		free(page);
		g->held += g->page_size;
	}
	if (status != VMRT_OK)
		return status;
	fit_clock(g, now_ns);
	if (upto > 0 && g->map.n) {
		vmrt_stream_limit(g->in.stream, upto);
		g->upto_ns = vmrt_clockmap_to_host(&g->map, upto, &g->in.hint);
	}
	check_progress(g, upto, now_ns);
	if (!g->dead && vmrt_guest_wait(g->session, VMRT_GUEST_DONE, 0, -1) == VMRT_GUEST_FAILED) {
		char why[VMRT_ERROR_TEXT];

		vmrt_guest_error(g->session, why, sizeof(why));
		note(g, why);
		g->dead = true;
	}
	return VMRT_OK;
}

void live_guest_close(struct live_guest *g)
{
	struct live_page *next;

	vmrt_guest_close(g->session);
	for (; g->first; g->first = next) {
		next = g->first->next;
		free(g->first);
	}
	vmrt_stream_free(g->in.stream);
	vmrt_formats_free(g->formats);
	vmrt_clockmap_free(&g->map);
	if (g->last)
		pthread_mutex_destroy(&g->lock);
}

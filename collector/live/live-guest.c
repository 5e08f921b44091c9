/* SPDX-License-Identifier: MIT */
/* One guest of a live view: its session, the pages that it sends, and the map of its clock. */
#include "live-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#define READY_WAIT_MS 8000
/* how long to wait for an agent: a guest may be very busy or still be booting */
#define PATIENCE_NS (120 * VMRT_NS_PER_S)
#define HINT_NS (5 * VMRT_NS_PER_S) /* after so long the note says that perhaps no agent runs */
#define START_WAIT_MS 5000
/* bytes of pages that have come and have not been collected */
#define QUEUE_MAX (UINT64_C(64) << 20)
#define COPY_AT_ONCE 64
#define RETRY_NS (2 * VMRT_NS_PER_S) /* pause after the first failure to reach an agent */
#define RETRY_STEPS 4		     /* how often the pause is doubled */
/* after a session that lasted so long the pause is short again */
#define STABLE_NS (30 * VMRT_NS_PER_S)
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

/* Called by the session's thread, which holds the session's lock: functions of the session must not
 * be called here.
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
			return vmrt_fail(err, VMRT_ERANGE,
				       "%s sends events faster than they can be shown", g->name),
			       false;
		}
	}
	return true;
}

static void open_session(struct live_guest *g)
{
	struct vmrt_guest_options options = {
		.name = g->name,
		.owner = g->options.vm->uids[0],
		.sockets = g->options.ways,
		.n_sockets = g->options.n_ways,
		.secret = g->options.secret,
		.buffer = g->options.buffer,
		.mode = VMRT_GUEST_STREAM,
		.patience_ns = g->options.patient ? PATIENCE_NS : 0,
		.cpus = g->options.cpus,
		.pages = take_pages,
		.ctx = g,
	};
	struct vmrt_error err;

	g->pings_seen = 0;
	g->starting = false;
	g->asked_ns = 0;
	if (vmrt_guest_open(&options, &g->session, &err) != VMRT_OK)
		note(g, err.text);
}

void live_guest_open(struct live_guest *g, const struct live_guest_options *options)
{
	snprintf(g->name, sizeof(g->name), "%s", options->vm->name);
	g->options = *options;
	if (options->cpus) {
		g->own_cpus = *options->cpus;
		g->options.cpus = &g->own_cpus;
	}
	g->upto_ns = VMRT_UNKNOWN;
	g->last = &g->first;
	g->in.map = &g->map;
	pthread_mutex_init(&g->lock, NULL);
	ping_fit_init(&g->fit);
	if (options->n_ways)
		open_session(g);
	else
		snprintf(g->note, sizeof(g->note),
			"%s: no port org.vmrt.agent.%u, only the host's side is seen", g->name,
			options->port);
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

static void drop_pages(struct live_guest *g)
{
	struct live_page *next;

	pthread_mutex_lock(&g->lock);
	for (; g->first; g->first = next) {
		next = g->first->next;
		free(g->first);
	}
	g->last = &g->first;
	g->queued = 0;
	pthread_mutex_unlock(&g->lock);
}

/* Frees the stream of a session that is closed. */
static void drop_stream(struct live_guest *g)
{
	drop_pages(g);
	vmrt_stream_free(g->in.stream);
	vmrt_formats_free(g->formats);
	g->in.stream = NULL;
	g->formats = NULL;
	g->held = 0;
	vmrt_processes_free(&g->processes);
}

static enum vmrt_status make_stream(struct live_guest *g, struct vmrt_error *err)
{
	const struct vmrt_trace_meta *meta = vmrt_guest_meta(g->session);
	enum vmrt_status status;

	if (!meta)
		return vmrt_fail(err, VMRT_EPROTO, "%s: its agent sent no formats", g->name);
	drop_stream(g);
	g->page_size = meta->page_size;
	g->cpus = meta->cpus;
	free(g->resumes);
	g->resumes = calloc(g->cpus + 1, sizeof(*g->resumes));
	if (!g->resumes)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", g->name);
	if (meta->processes[VMRT_PROCESSES_BEGIN] &&
		vmrt_processes_parse(meta->processes[VMRT_PROCESSES_BEGIN], &g->processes) !=
			VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", g->name);
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

/* A session has failed: plans a new one after a pause, which becomes longer each time. */
static void try_later(struct live_guest *g, int64_t now_ns)
{
	if (g->started_ns && now_ns - g->started_ns > STABLE_NS)
		g->tries = 0;
	g->started_ns = 0;
	give_up(g);
	snprintf(g->why, sizeof(g->why), "%.190s", g->note);
	g->retry_ns = now_ns + (RETRY_NS << (g->tries < RETRY_STEPS ? g->tries : RETRY_STEPS));
	g->tries++;
}

static void say_when(struct live_guest *g, int64_t now_ns)
{
	int64_t left = g->retry_ns - now_ns;

	snprintf(g->note, sizeof(g->note), "%s; trying again in %lld s", g->why,
		(long long)(left > 0 ? (left + VMRT_NS_PER_S - 1) / VMRT_NS_PER_S : 0));
}

/* Does the agent belong to another guest than before, or to the same guest after a boot, whose
 * clock began anew? */
static bool is_another(struct live_guest *g)
{
	unsigned cpus = vmrt_guest_meta(g->session)->cpus;
	struct vmrt_ping ping;
	uint64_t first = 0;

	return cpus != g->cpus || (vmrt_guest_copy_pings(g->session, &first, &ping, 1) &&
					  ping.guest_recv_ns < g->last_upto);
}

/* The agent is ready again: the guest's stream and clock map go on, or begin anew for another
 * guest. */
static void take_up(struct live_guest *g)
{
	if (g->again && is_another(g)) {
		g->again = g->recorded = false;
		vmrt_clockmap_free(&g->map);
		g->map = (struct vmrt_clockmap){0};
		ping_fit_init(&g->fit);
		g->upto_ns = VMRT_UNKNOWN;
		g->last_upto = 0;
		g->begun = false;
		g->dropped = 0;
	}
}

/* The guest records again: events of each CPU since the last session are lost. */
static void resume(struct live_guest *g)
{
	for (unsigned cpu = 0; cpu < g->cpus && g->resumes; cpu++)
		g->resumes[cpu] = true;
}

/* The session has begun to record. */
static bool started(struct live_guest *g, int64_t now_ns)
{
	bool joined = !g->recorded;

	g->recorded = g->again = true;
	g->dead = g->reached = false;
	g->started_ns = now_ns;
	/* from here on the merge waits for the guest, though its clock may not be known for a while
	 */
	g->upto_ns = now_ns - VMRT_NS_PER_MS;
	g->silent = false;
	if (!joined)
		resume(g);
	return joined;
}

static bool is_in_order(const struct live_guest *g)
{
	return g->recorded && !g->dead;
}

bool live_guest_poll(struct live_guest *g, int64_t now_ns)
{
	enum vmrt_guest_state want = g->starting ? VMRT_GUEST_STARTED : VMRT_GUEST_READY, state;
	struct vmrt_error err;

	if (is_in_order(g) || !g->options.n_ways)
		return false;
	/* a guest that had recorded is gone: from here on it is treated like a guest that was never
	 * reached */
	if (g->dead && !g->reached) {
		g->reached = true;
		try_later(g, now_ns);
	}
	if (!g->session && g->retry_ns && now_ns >= g->retry_ns) {
		g->retry_ns = 0;
		open_session(g);
	}
	if (!g->session && g->retry_ns)
		say_when(g, now_ns);
	if (!g->session)
		return false;
	if (!g->asked_ns)
		g->asked_ns = now_ns;
	state = vmrt_guest_wait(g->session, want, 0, -1);
	if (state == VMRT_GUEST_FAILED) {
		try_later(g, now_ns);
		return false;
	}
	if (state < want) {
		snprintf(g->note, sizeof(g->note),
			"%s: waiting for its agent for %lld s, only the host's side is seen%s",
			g->name, (long long)((now_ns - g->asked_ns) / VMRT_NS_PER_S),
			state > VMRT_GUEST_CONNECTING || now_ns - g->asked_ns < HINT_NS
				? ""
				: ": is the guest busy, does vmrt-agent run in it, is no other "
				  "recorder connected?");
		return false;
	}
	if (g->starting) {
		g->note[0] = '\0';
		return started(g, now_ns);
	}
	take_up(g);
	if (make_stream(g, &err) != VMRT_OK) {
		vmrt_guest_abort(g->session, err.text);
		try_later(g, now_ns);
		return false;
	}
	vmrt_guest_start(g->session);
	g->starting = true;
	return false;
}

bool live_guest_resumes(struct live_guest *g, unsigned cpu)
{
	bool resumes = g->resumes && cpu < g->cpus && g->resumes[cpu];

	if (resumes)
		g->resumes[cpu] = false;
	return resumes;
}

static void fit_clock(struct live_guest *g, int64_t now_ns)
{
	struct vmrt_ping pings[COPY_AT_ONCE];
	size_t n;

	while ((n = vmrt_guest_copy_pings(g->session, &g->pings_seen, pings, COPY_AT_ONCE)))
		for (size_t i = 0; i < n; i++)
			ping_fit_add(&g->fit, &pings[i]);
	ping_fit(&g->fit, now_ns, &g->map);
}

static void end_it(struct live_guest *g, const char *why)
{
	snprintf(g->note, sizeof(g->note), "%s: %.120s", g->name, why);
	vmrt_guest_abort(g->session, why);
	g->dead = true;
}

/* Gives up a guest that sends pages but no progress: its pages would take more and more memory. */
static void end_stuck(struct live_guest *g, int64_t upto, int64_t now_ns)
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
	/* the time is read before the pages, so that the pages include all events before that time
	 */
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
	end_stuck(g, upto, now_ns);
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
	vmrt_guest_close(g->session);
	vmrt_clockmap_free(&g->map);
	free(g->resumes);
	if (!live_guest_is_open(g))
		return;
	drop_stream(g);
	pthread_mutex_destroy(&g->lock);
}

/* SPDX-License-Identifier: MIT */
/* What the recording shows of the world: events, with gaps where it is lossy. */
#include "world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *grow(void *items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return items;
	*room = *room ? *room * 2 : 256;
	items = realloc(items, *room * size);
	if (!items)
		abort();
	return items;
}

/* The last local time that is not later than @host_ns: the inverse of the true map. */
int64_t local_at(const struct wmachine *m, int64_t host_ns)
{
	int64_t local;

	if (!m->index)
		return host_ns;
	local = host_ns + m->true_segment.offset_ns - m->true_segment.from_local_ns;
	local = m->true_segment.from_local_ns +
		(int64_t)((double)local / (1 - m->true_segment.rate));
	while (vmrt_clockmap_to_host(&m->true_map, local, NULL) > host_ns)
		local--;
	while (vmrt_clockmap_to_host(&m->true_map, local + 1, NULL) <= host_ns)
		local++;
	return local;
}

int64_t host_at(const struct wmachine *m, int64_t local_ns)
{
	int64_t host = m->index ? vmrt_clockmap_to_host(&m->true_map, local_ns, NULL) : local_ns;

	while (local_at(m, host) < local_ns)
		host++;
	return host;
}

static bool is_recorded(struct wcpu *c, enum vmrt_event_type type)
{
	struct world *w = c->m->w;

	if (w->now < w->start || w->now < c->clip_from || w->now >= c->clip_to)
		return false;
	if (w->now >= c->loss_at && w->now < c->loss_end) {
		c->lost++;
		return false;
	}
	/* never two in a row: nothing would show those */
	if (has(w, SIM_BROKEN) && type == VMRT_EV_SWITCH) {
		c->broke = !c->broke && sim_rand(&w->rand) % 200 == 0;
		w->r->truth.broken += c->broke;
		return !c->broke;
	}
	return true;
}

void note_hole(struct wcpu *c, bool unreported)
{
	struct world *w = c->m->w;
	struct sim_truth *truth = &w->r->truth;
	struct sim_hole hole = {.machine = (uint32_t)c->m->index,
		.cpu = (uint16_t)c->index,
		.from_ns = c->last_recorded == VMRT_UNKNOWN ? w->start : c->last_recorded,
		.to_ns = w->now,
		.unreported = unreported};

	truth->holes = grow(truth->holes, truth->n_holes, &w->holes_room, sizeof(*truth->holes));
	truth->holes[truth->n_holes++] = hole;
}

static struct sim_event unrecorded;

static struct sim_event *add(struct wcpu *c, enum vmrt_event_type type, uint8_t flags, int32_t pid)
{
	struct world *w = c->m->w;
	struct sim_event *e;

	if (!is_recorded(c, type))
		return &unrecorded;
	w->r->events = grow(w->r->events, w->r->n_events, &w->events_room, sizeof(*w->r->events));
	e = &w->r->events[w->r->n_events++];
	memset(e, 0, sizeof(*e));
	e->machine = (uint32_t)c->m->index;
	e->true_ns = w->now;
	e->ev.ts = local_at(c->m, w->now);
	e->host_ns = c->m->index ? vmrt_clockmap_to_host(&w->r->maps[c->m->index], e->ev.ts, NULL)
				 : w->now;
	e->ev.type = type;
	e->ev.cpu = (uint16_t)c->index;
	e->ev.flags = flags;
	e->ev.pid = pid;
	if (c->lost) {
		e->ev.lost = chance(w, 20) ? UINT64_MAX : c->lost;
		note_hole(c, false);
		c->lost = 0;
	}
	c->before_local_ns =
		c->last_recorded == VMRT_UNKNOWN ? e->ev.ts - US : local_at(c->m, c->last_recorded);
	if (c->last_recorded == VMRT_UNKNOWN)
		c->first_recorded = w->now;
	c->last_recorded = w->now;
	return e;
}

/* The flags of a record: some kernels mark what a softirq's thread does. */
static uint8_t flags_of(const struct wcpu *c, uint8_t in_interrupt)
{
	if (c->in_soft)
		return sim_threads_have_flag(c->m->kernel) ? VMRT_FLAG_SOFTIRQ : 0;
	return c->in_wheel ? VMRT_FLAG_SOFTIRQ : in_interrupt;
}

struct vmrt_event *emit(struct wcpu *c, enum vmrt_event_type type, uint8_t flags)
{
	return &add(c, type, flags, c->cur ? c->cur->pid : 0)->ev;
}

void emit_as(struct wcpu *c, enum vmrt_event_type type, uint8_t flags, int32_t pid)
{
	struct sim_event *e = add(c, type, flags, pid);

	e->ev.timer.timer = 0x1234;
}

static const char *keep_comm(struct sim_event *e, int i, const struct wthread *t)
{
	memset(e->comm[i], 0, VMRT_COMM_MAX);
	strcpy(e->comm[i], t ? t->comm : "swapper/0");
	return e->comm[i];
}

void emit_switch(struct wcpu *c, struct wthread *prev, int64_t state, struct wthread *next)
{
	struct sim_event *e = add(c, VMRT_EV_SWITCH, 0, prev ? prev->pid : 0);

	keep_comm(e, 0, prev);
	keep_comm(e, 1, next);
	e->ev.sw.prev_pid = prev ? prev->pid : 0;
	e->ev.sw.next_pid = next ? next->pid : 0;
	e->ev.sw.prev_prio = prev ? prev->prio : FAIR;
	e->ev.sw.next_prio = next ? next->prio : FAIR;
	e->ev.sw.prev_state = state;
}

void emit_wake(struct wcpu *c, enum vmrt_event_type type, bool irq, const struct wthread *t)
{
	struct sim_event *e;

	if (type == VMRT_EV_WAKING && !sim_has_waking(c->m->kernel))
		return;
	e = add(c, type, flags_of(c, irq ? VMRT_FLAG_HARDIRQ : 0), c->cur ? c->cur->pid : 0);
	keep_comm(e, 0, t);
	e->ev.wake.pid = t->pid;
	e->ev.wake.prio = t->prio;
	e->ev.wake.target_cpu = t->cpu;
}

void emit_migrate(struct wcpu *c, bool irq, const struct wthread *t, int from)
{
	struct vmrt_event *ev = emit(c, VMRT_EV_MIGRATE, flags_of(c, irq ? VMRT_FLAG_HARDIRQ : 0));

	ev->migrate.pid = t->pid;
	ev->migrate.orig_cpu = from;
	ev->migrate.dest_cpu = t->cpu;
}

void emit_timer(struct wcpu *c, enum vmrt_event_type type, bool irq, const struct wtimer *timer)
{
	static const enum vmrt_timer_fn fns[] = {[TM_RELEASE] = VMRT_FN_WAKEUP,
		[TM_REL] = VMRT_FN_WAKEUP,
		[TM_LOCK] = VMRT_FN_OTHER,
		[TM_TICK] = VMRT_FN_TICK,
		[TM_GRID] = VMRT_FN_TIMERFD,
		[TM_REBORN] = VMRT_FN_OTHER,
		[TM_DEADLINE] = VMRT_FN_DEADLINE,
		[TM_RESUME] = VMRT_FN_OTHER,
		[TM_EVENT] = VMRT_FN_OTHER};
	static const enum vmrt_timer_fn waits[] = {[VMRT_RELEASE_TIMERFD] = VMRT_FN_TIMERFD,
		[VMRT_RELEASE_ITIMER] = VMRT_FN_ITIMER,
		[VMRT_RELEASE_POSIX] = VMRT_FN_POSIX};
	struct vmrt_event *ev = emit(c, type, flags_of(c, irq ? VMRT_FLAG_HARDIRQ : 0));

	ev->timer.timer = timer->ptr;
	ev->timer.fn = timer->kind == TM_WAIT ? waits[timer->t->task->how] : fns[timer->kind];
	ev->depth = timer->kind == TM_DEADLINE ? (uint8_t)timer->arg : 0;
	ev->timer.expires = ev->timer.softexpires = timer->expires;
	ev->timer.now = ev->ts;
	/* it was read when the interrupt began */
	if (has(c->m->w, SIM_RECORD_CLOCK) && c->before_local_ns < ev->ts)
		ev->timer.now -= sim_between(&c->m->w->clock_rand, 0,
			ev->ts - c->before_local_ns > 1500 ? 1500
							   : ev->ts - c->before_local_ns - 1);
	ev->timer.clock = 1; /* CLOCK_MONOTONIC */
	ev->timer.mode = timer->kind == TM_REL	      ? VMRT_TIMER_REL
			 : timer->kind == TM_TICK     ? VMRT_TIMER_PINNED | VMRT_TIMER_HARD
			 : timer->kind == TM_DEADLINE ? VMRT_TIMER_HARD
						      : 0;
}

/* Of the timer wheel, which counts ticks. */
void emit_wheel(struct wcpu *c, enum vmrt_event_type type, bool irq, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t expires)
{
	struct vmrt_event *ev = emit(c, type, irq ? VMRT_FLAG_SOFTIRQ : 0);

	ev->wheel.timer = timer;
	ev->wheel.fn = fn;
	ev->wheel.expires = (uint64_t)expires;
	ev->wheel.now = (uint64_t)ticks_at(c->m, c->m->w->now);
}

void emit_pi(struct wcpu *c, const struct wthread *t, int old_prio)
{
	struct vmrt_event *ev = emit(c, VMRT_EV_PI, 0);

	ev->pi.pid = t->pid;
	ev->pi.old_prio = old_prio;
	ev->pi.new_prio = t->prio;
}

void emit_exit(struct wcpu *c, const struct wthread *t)
{
	struct vmrt_event *ev = emit(c, VMRT_EV_EXIT, 0);

	ev->process.comm = NULL;
	ev->process.pid = t->pid;
}

void emit_mark(struct wcpu *c, const char *fmt, ...)
{
	struct sim_event *e = add(c, VMRT_EV_MARK, 0, c->cur ? c->cur->pid : 0);
	va_list args;

	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	e->ev.mark.len = (uint32_t)strlen(e->text);
}

struct key {
	int64_t host_ns;
	size_t index, place;
};

static int by_time(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->host_ns != y->host_ns)
		return x->host_ns < y->host_ns ? -1 : 1;
	if (x->place && y->place && x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* A machine's events come as its recording has them, also where its times run back: then at once.
 */
static void put_in_place(const struct sim_result *r, uint32_t machine, struct key *keys)
{
	int64_t *latest = calloc(r->n_events + 1, sizeof(*latest));
	size_t most = 0;

	if (!latest)
		abort();
	for (size_t i = 0; i < r->n_events; i++)
		if (r->events[i].machine == machine) {
			latest[r->events[i].place] = r->events[i].host_ns;
			most = r->events[i].place > most ? r->events[i].place : most;
		}
	for (size_t p = 2; p <= most; p++)
		if (latest[p] < latest[p - 1])
			latest[p] = latest[p - 1];
	for (size_t i = 0; i < r->n_events; i++)
		if (r->events[i].machine == machine)
			keys[i].host_ns = latest[r->events[i].place];
	free(latest);
}

/* In the order of the clock map, as merging the recordings would give them; pointers set. */
void emit_finish(struct world *w)
{
	struct sim_result *r = w->r;
	struct key *keys = calloc(r->n_events + 1, sizeof(*keys));
	struct sim_event *sorted = calloc(r->n_events + 1, sizeof(*sorted));

	if (!keys || !sorted)
		abort();
	for (size_t i = 0; i < r->n_events; i++)
		r->events[i].local_ns = r->events[i].ev.ts;
	for (int m = 0; m < w->n_machines; m++)
		if (r->clocks[m].name)
			clock_apply(&w->m[m]);
	for (size_t i = 0; i < r->n_events; i++) {
		struct sim_event *e = &r->events[i];

		if (r->clocks[e->machine].mapped)
			e->host_ns = e->machine ? vmrt_clockmap_to_host(
							  &r->maps[e->machine], e->ev.ts, NULL)
						: e->ev.ts;
	}
	for (size_t i = 0; i < r->n_events; i++)
		keys[i] = (struct key){r->events[i].host_ns, i, r->events[i].place};
	for (int m = 0; m < w->n_machines; m++)
		if (r->clocks[m].mapped)
			put_in_place(r, (uint32_t)m, keys);
	qsort(keys, r->n_events, sizeof(*keys), by_time);
	for (size_t i = 0; i < r->n_events; i++) {
		struct sim_event *e = &sorted[i];

		*e = r->events[keys[i].index];
		if (!r->clocks[e->machine].mapped)
			sim_through_record(&r->kernels[e->machine], e);
		switch (e->ev.type) {
		case VMRT_EV_SWITCH:
			e->ev.sw.prev_comm = e->comm[0];
			e->ev.sw.next_comm = e->comm[1];
			break;
		case VMRT_EV_WAKING:
		case VMRT_EV_WAKEUP:
		case VMRT_EV_WAKEUP_NEW:
			e->ev.wake.comm = e->comm[0];
			break;
		case VMRT_EV_MARK:
			e->ev.mark.text = e->text;
			break;
		case VMRT_EV_EXIT:
			e->ev.process.comm = NULL;
			break;
		default:
			break;
		}
	}
	free(keys);
	free(r->events);
	r->events = sorted;
}

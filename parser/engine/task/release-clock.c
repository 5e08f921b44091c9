/* SPDX-License-Identifier: MIT */
/*
 * Times of timers that are not on the monotonic clock.
 *
 * hrtimer_expire_entry has the time on the timer's own clock, hrtimer_setup which clock that is.
 * The record is written a little after the clock was read, so each expiry bounds the clock's lead
 * from below. The lead only changes when a clock is set, since both are slewed alike: the largest
 * bound of the last second or two counts, and a much smaller one is a step.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_OTHERS 64
#define MAX_OTHERS (1u << 16)
/* So long bounds count, and so long again: a smaller step is forgotten by then. */
#define REMEMBER_NS VMRT_NS_PER_S
/* Ticks between two expiries after which the length of a tick is known. */
#define TICKS_APART 50
#define CLOCK_IS_TAI 11
#define CLOCK_IS_BOOTTIME 7
/* No machine runs for so long, 3 years, and dates are later; nothing is due after the other. */
#define UPTIME_MOST INT64_C(100000000000000000)
#define DATE_MOST (INT64_C(1) << 62)
/* A machine is suspended for longer than this, and no record comes so long before its time. */
#define SUSPENDED_NS VMRT_NS_PER_S
/* Beside the number of a clock: it follows from the times of the timer, not from its set-up. */
#define GUESSED 0x100

static size_t home_of(const struct release_clocks *c, uint64_t ptr)
{
	return (size_t)((ptr >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & c->mask;
}

static bool put_other(struct release_clocks *c, uint64_t ptr, int clock)
{
	size_t i = home_of(c, ptr);

	while (c->others[i] && c->others[i] != ptr)
		i = (i + 1) & c->mask;
	c->used += !c->others[i];
	c->others[i] = ptr;
	c->ids[i] = clock;
	return true;
}

static bool grow_others(struct release_clocks *c)
{
	size_t size = c->others ? (c->mask + 1) * 2 : FIRST_OTHERS;
	struct release_clocks bigger = *c;

	if (size > MAX_OTHERS) { /* a malformed recording */
		memset(c->others, 0, (c->mask + 1) * sizeof(*c->others));
		c->used = 0;
		return true;
	}
	bigger.others = calloc(size, sizeof(*bigger.others));
	bigger.ids = calloc(size, sizeof(*bigger.ids));
	if (!bigger.others || !bigger.ids) {
		free(bigger.others);
		free(bigger.ids);
		return false;
	}
	bigger.mask = size - 1;
	bigger.used = 0;
	for (size_t i = 0; c->others && i <= c->mask; i++)
		if (c->others[i])
			put_other(&bigger, c->others[i], c->ids[i]);
	free(c->others);
	free(c->ids);
	*c = bigger;
	return true;
}

/* The clock of timer @ptr, with GUESSED if it is; of one that is not in the table, monotonic. */
static int id_of(const struct machine *m, uint64_t ptr)
{
	const struct release_clocks *c = &m->clocks;

	if (!c->others || !ptr)
		return CLOCK_IS_MONOTONIC;
	for (size_t i = home_of(c, ptr); c->others[i]; i = (i + 1) & c->mask)
		if (c->others[i] == ptr)
			return c->ids[i];
	return CLOCK_IS_MONOTONIC;
}

/* The clock of timer @ptr; what is not known to be otherwise is monotonic. */
int clocks_of(const struct machine *m, uint64_t ptr)
{
	return id_of(m, ptr) & ~GUESSED;
}

/* Timer @ptr has the clock @id, perhaps GUESSED. */
static void keep(struct machine *m, uint64_t ptr, int id)
{
	struct release_clocks *c = &m->clocks;

	/* nearly all are monotonic: only the others are kept, and one that changes */
	if (!ptr || ((id & ~GUESSED) == CLOCK_IS_MONOTONIC && id_of(m, ptr) == CLOCK_IS_MONOTONIC))
		return;
	if ((!c->others || c->used * 2 > c->mask) && !grow_others(c)) {
		m->engine->out_of_memory = true;
		return;
	}
	put_other(c, ptr, id);
}

void clocks_setup(struct machine *m, uint64_t ptr, int clock)
{
	if (clock >= 0 && clock < CLOCK_IS_TICKS)
		keep(m, ptr, clock);
}

static size_t set_up_at(uint64_t ptr)
{
	return (size_t)((ptr >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SET_UP_MAX;
}

/* Timer @ptr is set up with @mode. */
void clocks_note_mode(struct machine *m, uint64_t ptr, int mode)
{
	size_t i = set_up_at(ptr);

	m->clocks.set_up[i].ptr = ptr;
	m->clocks.set_up[i].mode = mode;
}

/* The mode with which a timer is armed, where its kernel records it; else that of its set-up. */
int clocks_mode_of(const struct machine *m, const struct vmrt_event *ev)
{
	size_t i;

	if (!(ev->timer.mode & VMRT_TIMER_NO_MODE))
		return ev->timer.mode;
	i = set_up_at(ev->timer.timer);
	return m->clocks.set_up[i].ptr == ev->timer.timer ? m->clocks.set_up[i].mode : 0;
}

static bool is_date(int64_t ns)
{
	return ns > UPTIME_MOST && ns < DATE_MOST;
}

/* Was the timer set up before the recording began, or is its set-up not recorded? */
static bool must_guess(const struct machine *m, uint64_t ptr)
{
	int id = id_of(m, ptr);

	if (!m->has_tasks)
		return false;
	if (id & GUESSED)
		return true;
	return id == CLOCK_IS_MONOTONIC && m->clocks.set_up[set_up_at(ptr)].ptr != ptr;
}

/* Which of the two clocks that show dates leads the monotonic one by about @lead? */
static int date_clock(const struct machine *m, int64_t lead, bool exact)
{
	const struct clock_relation *real = &m->clocks.clocks[CLOCK_IS_REALTIME];
	const struct clock_relation *tai = &m->clocks.clocks[CLOCK_IS_TAI];
	int64_t from_real = llabs(lead - real->offset_ns), from_tai = llabs(lead - tai->offset_ns);

	if (real->known && tai->known)
		return from_tai < from_real ? CLOCK_IS_TAI : CLOCK_IS_REALTIME;
	if (tai->known)
		return exact && from_tai > CLOCK_STEP_NS ? CLOCK_IS_REALTIME : CLOCK_IS_TAI;
	return real->known && exact && from_real > CLOCK_STEP_NS ? CLOCK_IS_TAI : CLOCK_IS_REALTIME;
}

/*
 * The clock of a timer that is armed. If its set-up is not recorded, the time at which it is to
 * expire shows whether it is one of the clocks that show dates.
 */
int clocks_armed(struct machine *m, const struct vmrt_event *ev)
{
	uint64_t ptr = ev->timer.timer;
	int clock = clocks_of(m, ptr);

	if (!must_guess(m, ptr))
		return clock;
	if (!is_date(ev->timer.softexpires))
		clock = clock == CLOCK_IS_BOOTTIME ? clock : CLOCK_IS_MONOTONIC;
	else if (ev->ts >= 0 && ev->ts <= UPTIME_MOST)
		clock = date_clock(m, ev->timer.softexpires - ev->ts, false);
	keep(m, ptr, clock | GUESSED);
	return clock;
}

/* The clock of a timer that expires: the time on it is in the record. */
int clocks_expiring(struct machine *m, const struct vmrt_event *ev)
{
	uint64_t ptr = ev->timer.timer;
	int64_t now = ev->timer.now;
	int clock = clocks_of(m, ptr);

	if (!must_guess(m, ptr) || ev->ts < 0 || ev->ts > UPTIME_MOST)
		return clock;
	if (is_date(now))
		clock = date_clock(m, now - ev->ts, true);
	else
		clock = now > 0 && now <= UPTIME_MOST && now - ev->ts > SUSPENDED_NS + m->error_ns
				? CLOCK_IS_BOOTTIME
				: CLOCK_IS_MONOTONIC;
	keep(m, ptr, clock | GUESSED);
	return clock;
}

void clocks_expired(struct machine *m, int clock, int64_t now, int64_t local_ns)
{
	struct clock_relation *r = &m->clocks.clocks[clock];
	/* between two ticks the count of them falls behind by one */
	int64_t step = CLOCK_STEP_NS + (clock == CLOCK_IS_TICKS ? m->clocks.tick_ns : 0), lead,
		change;

	if (__builtin_sub_overflow(now, local_ns, &lead))
		return;
	if (!r->known || __builtin_sub_overflow(lead, r->offset_ns, &change) ||
		llabs(change) > step) {
		*r = (struct clock_relation){
			.known = true, .now_ns = lead, .before_ns = lead, .at_ns = local_ns};
	} else if (local_ns - r->at_ns > REMEMBER_NS) {
		r->before_ns = r->now_ns;
		r->now_ns = lead;
		r->at_ns = local_ns;
	} else if (lead > r->now_ns) {
		r->now_ns = lead;
	}
	r->offset_ns = r->before_ns > r->now_ns ? r->before_ns : r->now_ns;
}

/* The length of a tick is 1 s / HZ, and HZ is one of a few numbers. */
static int64_t round_tick(int64_t ns)
{
	static const int hz[] = {1000, 300, 250, 100};

	for (size_t i = 0; i < sizeof(hz) / sizeof(hz[0]); i++)
		if (llabs(ns - VMRT_NS_PER_S / hz[i]) < VMRT_NS_PER_S / hz[i] / 20)
			return VMRT_NS_PER_S / hz[i];
	return 0;
}

void clocks_ticked(struct machine *m, uint64_t ticks, int64_t local_ns)
{
	const struct vmrt_experiment *exp = m->engine->config->experiment;
	struct release_clocks *c = &m->clocks;

	if (!c->tick_ns && exp && exp->tick_ns)
		c->tick_ns = exp->tick_ns;
	if (!c->tick_ns && !c->first_tick) {
		c->first_tick = ticks;
		c->first_tick_ns = local_ns;
	} else if (!c->tick_ns && (uint32_t)(ticks - c->first_tick) >= TICKS_APART) {
		/* 32-bit kernels begin again at 0, five minutes after they have started */
		c->tick_ns = round_tick(
			(local_ns - c->first_tick_ns) / (uint32_t)(ticks - c->first_tick));
		if (!c->tick_ns)
			c->first_tick = 0;
	}
	/* jiffies begin near 2^32, or 2^64: what is reckoned with are differences */
	if (c->tick_ns)
		clocks_expired(m, CLOCK_IS_TICKS,
			(int64_t)((uint64_t)(int64_t)(int32_t)(uint32_t)ticks *
				  (uint64_t)c->tick_ns),
			local_ns);
}

bool clocks_to_local(const struct machine *m, int clock, int64_t raw, int64_t *out)
{
	const struct clock_relation *r = &m->clocks.clocks[clock];

	if (clock == CLOCK_IS_MONOTONIC) {
		*out = raw;
		return true;
	}
	if (!r->known)
		return false;
	if (clock == CLOCK_IS_TICKS)
		raw = (int64_t)((uint64_t)(int64_t)(int32_t)(uint32_t)raw *
				(uint64_t)m->clocks.tick_ns);
	if (__builtin_sub_overflow(raw, r->offset_ns, out))
		return false;
	return true;
}

void clocks_free(struct machine *m)
{
	free(m->clocks.others);
	free(m->clocks.ids);
}

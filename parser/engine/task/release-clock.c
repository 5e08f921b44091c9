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

/* The clock of timer @ptr; what is not known to be otherwise is monotonic. */
int clocks_of(const struct machine *m, uint64_t ptr)
{
	const struct release_clocks *c = &m->clocks;

	if (!c->others || !ptr)
		return CLOCK_IS_MONOTONIC;
	for (size_t i = home_of(c, ptr); c->others[i]; i = (i + 1) & c->mask)
		if (c->others[i] == ptr)
			return c->ids[i];
	return CLOCK_IS_MONOTONIC;
}

void clocks_setup(struct machine *m, uint64_t ptr, int clock)
{
	struct release_clocks *c = &m->clocks;

	if (clock < 0 || clock >= CLOCK_IS_TICKS || !ptr)
		return;
	/* nearly all are monotonic: only the others are kept, and one that changes */
	if (clock == CLOCK_IS_MONOTONIC && clocks_of(m, ptr) == CLOCK_IS_MONOTONIC)
		return;
	if ((!c->others || c->used * 2 > c->mask) && !grow_others(c)) {
		m->engine->out_of_memory = true;
		return;
	}
	put_other(c, ptr, clock);
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

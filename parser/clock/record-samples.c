/* SPDX-License-Identifier: MIT */
/* Reads a recording for the bounds that its timers give between its record clock and
 * CLOCK_MONOTONIC, CPU by CPU. */
#include "record-samples.h"

#include <stdlib.h>

#include <vmrt/event.h>

#define SPAN_NS (10 * VMRT_NS_PER_MS)
#define TIMERS 16384 /* whose clock is remembered; a power of two */
#define UPTIME_MOST                                                                                \
	INT64_C(100000000000000000) /* ns: no machine runs for three years; dates do               \
				     */
#define MONOTONIC 1		    /* CLOCK_MONOTONIC */
#define PAIRS 4096
/* Expiries that are looked at where a file says that its clock is mono, among so many events. Their
 * handlers run a moment after `now` was read; not all of them are late by this much. */
#define FIRST_EXPIRIES 64
#define FIRST_SURE 8
#define FIRST_EVENTS 100000
#define EXPIRY_NEAR_NS (5 * VMRT_NS_PER_MS)
/* A clock of ns goes with CLOCK_MONOTONIC within this share, over this time at least. */
#define SAME_UNIT 0.005
#define PAIR_NS VMRT_NS_PER_MS
#define PAIRS_SURE 8
/* An event that is so many times as far behind all others as they are apart, and so far at least;
 * and where there is one CPU only. */
#define STRAY_SPANS 10
#define STRAY_NS (10 * VMRT_NS_PER_S)
#define STRAY_SPANS_ALONE 100
#define STRAY_ALONE_NS (3600 * VMRT_NS_PER_S)

/* The clock with which a timer was set up. Another timer may take its place in the table. */
struct timer_clock {
	uint64_t timer;
	int32_t clock;
};

enum belief { OTHER_CLOCK, LIKELY, SURE };

static struct timer_clock *place_of(struct timer_clock *table, uint64_t timer)
{
	return &table[(timer * UINT64_C(0x9e3779b97f4a7c15)) >> 50];
}

/* Says how sure it is that `now` of this expiry is CLOCK_MONOTONIC. */
static enum belief believe(struct timer_clock *table, const struct vmrt_event *ev)
{
	const struct timer_clock *known = place_of(table, ev->timer.timer);

	if (ev->timer.now <= 0 || ev->timer.now > UPTIME_MOST)
		return OTHER_CLOCK;
	switch (ev->timer.fn) {
	case VMRT_FN_TICK:
	case VMRT_FN_DEADLINE:
	case VMRT_FN_RT_PERIOD:
	case VMRT_FN_CFS_PERIOD:
		return SURE;
	default:
		break;
	}
	if (known->timer != ev->timer.timer)
		return LIKELY;
	return known->clock == MONOTONIC ? SURE : OTHER_CLOCK;
}

/* Merges two neighbouring windows. */
static void merge(struct record_window *a, const struct record_window *b)
{
	if (b->has_upper && (!a->has_upper || b->upper < a->upper)) {
		a->has_upper = true;
		a->upper = b->upper;
		a->upper_at = b->upper_at;
	}
	if (b->has_upper && (!a->latest_at || b->latest > a->latest)) {
		a->latest = b->latest;
		a->latest_at = b->latest_at;
	}
	if (b->has_lower && (!a->has_lower || b->lower > a->lower)) {
		a->has_lower = true;
		a->lower = b->lower;
		a->lower_at = b->lower_at;
	}
}

static void thin_out(struct record_samples *s)
{
	size_t kept = 0;

	s->span_ns *= 2;
	for (size_t i = 0; i < s->n; i++) {
		struct record_window w = s->at[i];

		w.index >>= 1;
		if (kept && s->at[kept - 1].index == w.index)
			merge(&s->at[kept - 1], &w);
		else
			s->at[kept++] = w;
	}
	s->n = kept;
}

static enum vmrt_status add(struct record_samples *s, const struct record_window *w, int64_t at)
{
	struct record_window new = *w;

	if (!s->span_ns)
		s->span_ns = SPAN_NS;
	while (s->n == RECORD_WINDOWS && at / s->span_ns > s->at[s->n - 1].index)
		thin_out(s);
	new.index = at / s->span_ns;
	if (s->n && s->at[s->n - 1].index > new.index)
		return VMRT_OK; /* times that run back are not used */
	if (s->n && s->at[s->n - 1].index == new.index) {
		merge(&s->at[s->n - 1], &new);
		return VMRT_OK;
	}
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct record_window *more = reallocarray(s->at, room, sizeof(*more));

		if (!more)
			return VMRT_ENOMEM;
		s->at = more;
		s->room = room;
	}
	s->at[s->n++] = new;
	return VMRT_OK;
}

/* When the last events of a CPU were recorded from which an interrupt could still begin. */
struct before {
	int64_t task_ns;	    /* neither in an interrupt nor in a softirq; or VMRT_UNKNOWN */
	int64_t irq_ns;		    /* not in an interrupt, or its first event */
	int64_t now_ns, expired_ns; /* the last expiry in an interrupt: `now`, and its record */
	int64_t last_ns;	    /* the last event of all */
	int64_t pair_ns, pair_now;  /* the last expiry that was compared with the one before */
};

static enum vmrt_status take_expiry(
	struct record_samples *s, const struct vmrt_event *ev, const struct before *before)
{
	struct record_window upper = {.has_upper = true, .upper_at = ev->ts};
	struct record_window lower = {.has_lower = true, .lower_at = VMRT_UNKNOWN};
	enum vmrt_status status = VMRT_OK;

	if (ev->ts > RECORD_MOST_NS)
		return VMRT_OK;
	/* where no flag says that it was in an interrupt, `now` may have been read at any time
	 * before */
	if (ev->flags & VMRT_FLAG_HARDIRQ) {
		lower.lower_at = before->irq_ns;
		/* interrupts do not nest, and within one `now` is read again behind the last expiry
		 */
		if (before->expired_ns != VMRT_UNKNOWN && before->now_ns != ev->timer.now &&
			before->expired_ns > lower.lower_at)
			lower.lower_at = before->expired_ns;
	} else if (ev->flags & VMRT_FLAG_SOFTIRQ)
		lower.lower_at = before->task_ns;
	if (lower.lower_at != VMRT_UNKNOWN && lower.lower_at <= ev->ts) {
		lower.lower = lower.lower_at - ev->timer.now;
		status = add(s, &lower, lower.lower_at);
	}
	upper.upper = upper.latest = ev->ts - ev->timer.now;
	upper.latest_at = ev->ts;
	if (status == VMRT_OK)
		status = add(s, &upper, ev->ts);
	s->expiries++;
	return status;
}

/* Notes how fast the record clock runs between this expiry and the one before. */
static void note_pace(struct record_samples *s, struct before *before, const struct vmrt_event *ev)
{
	double record = (double)ev->ts - (double)before->pair_ns;
	double now = (double)ev->timer.now - (double)before->pair_now;

	if (before->pair_ns != VMRT_UNKNOWN) {
		if (now >= 0 && now < PAIR_NS)
			return;
		s->pairs++;
		s->fast += now > 0 && record > now * (1 + SAME_UNIT);
		s->slow += now > 0 && record >= 0 && record < now * (1 - SAME_UNIT);
	}
	before->pair_ns = ev->ts;
	before->pair_now = ev->timer.now;
}

static void note_event(struct before *b, const struct vmrt_event *ev)
{
	if (!(ev->flags & VMRT_FLAG_HARDIRQ) || ev->type == VMRT_EV_IRQ_ENTER)
		b->irq_ns = ev->ts;
	if (!(ev->flags & (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)))
		b->task_ns = ev->ts;
}

static void note_back(struct record_samples *s, struct before *before, int64_t ts)
{
	int64_t back;

	if (before->last_ns != VMRT_UNKNOWN && ts < before->last_ns &&
		!__builtin_sub_overflow(before->last_ns, ts, &back) && back > s->back_ns)
		s->back_ns = back;
	before->last_ns = ts;
}

static void note_extent(struct record_samples *s, int64_t ts)
{
	int64_t gap;

	if (ts < s->begin_ns)
		s->begin_ns = ts;
	if (ts <= s->end_ns)
		return;
	if (!s->expiries && s->end_ns != INT64_MIN &&
		!__builtin_sub_overflow(ts, s->end_ns, &gap) && gap > s->silent_ns)
		s->silent_ns = gap;
	if (s->steady_ns == s->end_ns &&
		(s->end_ns == INT64_MIN ||
			(!__builtin_sub_overflow(ts, s->end_ns, &gap) && gap <= STRAY_NS)))
		s->steady_ns = ts;
	s->end_ns = ts;
}

/* Leaves out a single event days after all others: its time is wrong, and it is left out when the
 * recording is read (parser/source/horizon.c), so the map need not be right there. */
static void forget_strays(struct record_samples *s, unsigned cpus)
{
	int64_t begin = INT64_MAX, end = INT64_MIN, far;
	struct record_samples *stray = NULL;
	bool alone = cpus == 1;
	unsigned beyond = 0;

	for (unsigned i = 0; i < cpus; i++) {
		begin = s[i].begin_ns < begin ? s[i].begin_ns : begin;
		end = s[i].steady_ns > end ? s[i].steady_ns : end;
	}
	for (unsigned i = 0; end > begin && i < cpus; i++)
		if (s[i].end_ns > end) {
			stray = &s[i];
			beyond++;
		}
	if (beyond == 1 && !__builtin_sub_overflow(stray->end_ns, end, &far) &&
		far > (alone ? STRAY_ALONE_NS : STRAY_NS) &&
		far / (alone ? STRAY_SPANS_ALONE : STRAY_SPANS) > end - begin)
		stray->end_ns = end;
}

static enum vmrt_status take_event(struct record_clocks *c, struct timer_clock *table,
	struct before *before, const struct vmrt_event *ev)
{
	enum vmrt_status status = VMRT_OK;
	enum belief belief;

	if (ev->type == VMRT_EV_TIMER_SETUP) {
		*place_of(table, ev->timer.timer) =
			(struct timer_clock){ev->timer.timer, ev->timer.clock};
	} else if (ev->type == VMRT_EV_TIMER_EXPIRE) {
		belief = believe(table, ev);
		if (belief == SURE)
			status = take_expiry(&c->sure[ev->cpu], ev, before);
		if (status == VMRT_OK && belief != OTHER_CLOCK)
			status = take_expiry(&c->likely[ev->cpu], ev, before);
		if (belief != OTHER_CLOCK)
			note_pace(&c->likely[ev->cpu], before, ev);
		if (belief == SURE && ev->flags & VMRT_FLAG_HARDIRQ) {
			before->now_ns = ev->timer.now;
			before->expired_ns = ev->ts;
		}
	}
	note_event(before, ev);
	note_back(&c->sure[ev->cpu], before, ev->ts);
	note_extent(&c->sure[ev->cpu], ev->ts);
	note_extent(&c->likely[ev->cpu], ev->ts);
	return status;
}

enum vmrt_status record_samples_collect(
	const struct vmrt_dat *dat, struct record_clocks *c, struct vmrt_error *err)
{
	struct timer_clock *table = calloc(TIMERS, sizeof(*table));
	struct vmrt_stream *stream = NULL;
	struct before *before;
	struct vmrt_event ev;
	enum vmrt_status status;
	int more;

	c->cpus = vmrt_dat_info(dat)->cpus;
	c->sure = calloc(c->cpus + 1, sizeof(*c->sure));
	c->likely = calloc(c->cpus + 1, sizeof(*c->likely));
	before = calloc(c->cpus + 1, sizeof(*before));
	for (unsigned i = 0; c->sure && c->likely && i < c->cpus; i++) {
		c->sure[i].begin_ns = c->likely[i].begin_ns = INT64_MAX;
		c->sure[i].end_ns = c->likely[i].end_ns = INT64_MIN;
		c->sure[i].steady_ns = c->likely[i].steady_ns = INT64_MIN;
	}
	for (unsigned i = 0; before && i < c->cpus; i++)
		before[i].task_ns = before[i].irq_ns = before[i].expired_ns = before[i].last_ns =
			before[i].pair_ns = VMRT_UNKNOWN;
	status = table && c->sure && c->likely && before
			 ? vmrt_stream_open(dat, &stream, err)
			 : vmrt_fail(err, VMRT_ENOMEM, "record clock: out of memory");
	while (status == VMRT_OK && (more = vmrt_stream_next(stream, &ev, NULL)) != 0) {
		if (more > 0)
			status = take_event(c, table, &before[ev.cpu], &ev);
		if (status != VMRT_OK)
			vmrt_fail(err, status, "record clock: out of memory");
	}
	if (status == VMRT_OK) {
		forget_strays(c->sure, c->cpus);
		forget_strays(c->likely, c->cpus);
	}
	vmrt_stream_free(stream);
	free(before);
	free(table);
	return status;
}

void record_samples_free(struct record_clocks *c)
{
	for (unsigned i = 0; i < c->cpus; i++) {
		if (c->sure)
			free(c->sure[i].at);
		if (c->likely)
			free(c->likely[i].at);
	}
	free(c->sure);
	free(c->likely);
}

bool record_samples_other_unit(const struct record_samples *samples, unsigned cpus)
{
	uint64_t pairs = 0, fast = 0, slow = 0;

	for (unsigned i = 0; i < cpus; i++) {
		pairs += samples[i].pairs;
		fast += samples[i].fast;
		slow += samples[i].slow;
	}
	return pairs >= PAIRS_SURE && (fast > pairs / 4 * 3 || slow > pairs / 4 * 3);
}

struct pair {
	int64_t record, now;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of the slopes over half of the pairs (Theil-Sen). */
static double median_rate(const struct pair *p, size_t n)
{
	double *slopes = calloc(n + 1, sizeof(*slopes)), rate = 0;
	size_t used = 0;

	for (size_t i = 0; slopes && i + n / 2 < n; i++) {
		const struct pair *a = &p[i], *b = &p[i + n / 2];

		if (b->record > a->record && b->now > a->now)
			slopes[used++] = ((double)b->now - (double)a->now) /
					 ((double)b->record - (double)a->record);
	}
	if (used) {
		qsort(slopes, used, sizeof(*slopes), by_value);
		rate = slopes[used / 2];
	}
	free(slopes);
	return rate;
}

enum vmrt_status record_samples_contradict(
	const struct vmrt_dat *dat, bool *out, struct vmrt_error *err)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	enum vmrt_status status = vmrt_stream_open(dat, &stream, err);
	unsigned expiries = 0;

	*out = false;
	if (status != VMRT_OK)
		return status;
	for (unsigned i = 0; i < FIRST_EVENTS && expiries < FIRST_EXPIRIES; i++) {
		int got = vmrt_stream_next(stream, &ev, err);

		if (got == 0)
			break;
		if (got < 0 || ev.type != VMRT_EV_TIMER_EXPIRE || ev.timer.now <= 0 ||
			ev.timer.now > UPTIME_MOST)
			continue;
		if (ev.ts > ev.timer.now - EXPIRY_NEAR_NS && ev.ts < ev.timer.now + EXPIRY_NEAR_NS)
			goto out;
		expiries++;
	}
	*out = expiries >= FIRST_SURE;
out:
	vmrt_stream_free(stream);
	return VMRT_OK;
}

double record_samples_rate(const struct vmrt_dat *dat)
{
	struct timer_clock *table = calloc(TIMERS, sizeof(*table));
	struct pair *pairs = calloc(PAIRS, sizeof(*pairs));
	struct vmrt_stream *stream = NULL;
	size_t n = 0, every = 1, count = 0;
	struct vmrt_event ev;
	double rate = 0;
	int more = 1;

	if (!table || !pairs || vmrt_stream_open(dat, &stream, NULL) != VMRT_OK)
		more = 0;
	while (more && (more = vmrt_stream_next(stream, &ev, NULL)) != 0) {
		if (more < 0)
			continue;
		if (ev.type == VMRT_EV_TIMER_SETUP)
			*place_of(table, ev.timer.timer) =
				(struct timer_clock){ev.timer.timer, ev.timer.clock};
		if (ev.type != VMRT_EV_TIMER_EXPIRE || believe(table, &ev) == OTHER_CLOCK ||
			count++ % every)
			continue;
		if (n == PAIRS) { /* there are enough pairs: every second one is kept */
			for (n = 0; n < PAIRS / 2; n++)
				pairs[n] = pairs[2 * n];
			every *= 2;
		}
		pairs[n++] = (struct pair){ev.ts, ev.timer.now};
	}
	if (n >= 4)
		rate = median_rate(pairs, n);
	vmrt_stream_free(stream);
	free(pairs);
	free(table);
	return rate;
}

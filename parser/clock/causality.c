/* SPDX-License-Identifier: MIT */
/* Finds bounds of a guest's clock: no guest event happens while its vCPU thread is switched out. */
#include "causality.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_LEAST 256 /* of the table of vCPU threads */
#define BUCKET_NS                                                                                  \
	(10 * VMRT_NS_PER_MS) /* length of a bucket, of which the tightest bounds are kept */
#define MAX_BUCKETS 65536     /* if there are more, buckets become twice as long */
#define MAX_RUNS 8192	      /* runs of a vCPU that are kept while no guest event comes */
#define SWITCH_TAIL_NS                                                                             \
	(50 * VMRT_NS_PER_US) /* for so long after a switch, records may still be of the thread    \
				 that was switched out */
#define MAX_OUTSIDE 65536     /* events outside of runs that a loss may explain afterwards */
#define NEVER INT64_MIN	      /* a start that nobody saw */
#define OPEN INT64_MAX	      /* the end of a run that goes on */

/* A stretch of host time in which a vCPU thread ran, or may have. */
struct run {
	int64_t start, end;
	int64_t first, last; /* guest times: at or after start, at or before end */
	bool touched;	     /* a switch near this run may be missing */
};

/* Runs of a vCPU thread that guest events may still fall into; a ring. */
struct vcpu {
	int32_t tid;
	bool running;
	unsigned host_cpu; /* CPU on which it runs */
	int64_t forgotten; /* end of the last run that was dropped from the ring */
	struct run *runs;
	size_t room, first, n; /* room is a power of two */
	bool seen;
};

struct host_cpu {
	bool seen;
	int32_t pid;  /* thread that runs on it */
	int64_t last; /* time of its last event */
	int32_t left; /* thread that was switched out last */
	int64_t left_at;
};

struct tightest {
	struct vmrt_clock_bound bound;
	int64_t residual; /* distance from the prior map */
	bool there;
};

struct bucket {
	int64_t index; /* host time / length */
	struct tightest upper, lower;
};

struct causality {
	const struct vmrt_clockmap *prior;
	size_t hint;
	struct vcpu *vcpus; /* the vCPU threads, each once */
	size_t n_vcpus;
	struct vcpu **seen; /* the vCPU threads that an event has shown */
	size_t n_seen;
	int *by_guest_cpu; /* index into vcpus, -1: unknown */
	size_t n_guest_cpus;
	int *slots; /* index into vcpus by tid, a table with open addressing; -1: free */
	size_t mask;

	struct host_cpu *cpus;
	size_t n_cpus;
	int64_t now;	    /* time of the last host event */
	int64_t hole_until; /* up to this time, host switches may be missing */
	int64_t blind_from; /* from this time on, a host CPU has no more records */
	int64_t widest;	    /* largest error of the prior map that was used so far */

	int64_t *outside; /* host times of events outside of runs, of MAX_OUTSIDE at most */
	size_t n_outside;

	struct bucket *buckets;
	size_t n_buckets, buckets_room;
	int64_t bucket_ns;
	struct causality_stats stats;
};

static int64_t minus(int64_t a, int64_t b)
{
	int64_t d;

	if (__builtin_sub_overflow(a, b, &d))
		return a < b ? INT64_MIN : INT64_MAX;
	return d;
}

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

/* Buckets. */

static int64_t bucket_index(const struct causality *c, int64_t host_ns)
{
	return host_ns / c->bucket_ns - (host_ns % c->bucket_ns < 0);
}

static void tighten(struct tightest *have, const struct tightest *by)
{
	if (!by->there)
		return;
	if (!have->there ||
		(by->bound.upper ? by->residual < have->residual : by->residual > have->residual))
		*have = *by;
}

static void merge_buckets(struct causality *c)
{
	size_t n = 0;

	c->bucket_ns *= 2;
	for (size_t i = 0; i < c->n_buckets; i++) {
		struct bucket b = c->buckets[i];

		b.index = b.index / 2 - (b.index % 2 < 0);
		if (n && c->buckets[n - 1].index == b.index) {
			tighten(&c->buckets[n - 1].upper, &b.upper);
			tighten(&c->buckets[n - 1].lower, &b.lower);
		} else {
			c->buckets[n++] = b;
		}
	}
	c->n_buckets = n;
}

/* Returns the bucket for @host_ns, which is made if there is none; NULL without memory. It is
 * usually one of the last. */
static struct bucket *find_or_add_bucket(struct causality *c, int64_t host_ns)
{
	int64_t index;
	size_t i;

	if (c->n_buckets == MAX_BUCKETS)
		merge_buckets(c);
	index = bucket_index(c, host_ns);
	for (i = c->n_buckets; i > 0 && c->buckets[i - 1].index > index; i--)
		;
	if (i && c->buckets[i - 1].index == index)
		return &c->buckets[i - 1];
	if (c->n_buckets == c->buckets_room) {
		size_t room = c->buckets_room ? c->buckets_room * 2 : 256;
		struct bucket *more = reallocarray(c->buckets, room, sizeof(*more));

		if (!more)
			return NULL;
		c->buckets = more;
		c->buckets_room = room;
	}
	memmove(&c->buckets[i + 1], &c->buckets[i], (c->n_buckets - i) * sizeof(*c->buckets));
	memset(&c->buckets[i], 0, sizeof(*c->buckets));
	c->buckets[i].index = index;
	c->n_buckets++;
	return &c->buckets[i];
}

static enum vmrt_status add_bound(
	struct causality *c, int64_t local_ns, int64_t host_ns, bool upper)
{
	struct tightest t = {.there = true};
	struct bucket *bucket = find_or_add_bucket(c, host_ns);
	int64_t guess = vmrt_clockmap_to_host(c->prior, local_ns, &c->hint);

	if (!bucket)
		return VMRT_ENOMEM;
	t.bound = (struct vmrt_clock_bound){local_ns, minus(local_ns, host_ns), upper};
	t.residual = minus(guess, host_ns);
	tighten(upper ? &bucket->upper : &bucket->lower, &t);
	return VMRT_OK;
}

/* Runs. */

static struct run *run_at(const struct vcpu *v, size_t i)
{
	return &v->runs[(v->first + i) & (v->room - 1)];
}

static enum vmrt_status drop_oldest(struct causality *c, struct vcpu *v)
{
	struct run run = *run_at(v, 0);
	enum vmrt_status status = VMRT_OK;

	v->first = (v->first + 1) & (v->room - 1);
	v->n--;
	v->forgotten = run.end;
	if (run.touched)
		return VMRT_OK;
	if (run.first != INT64_MAX && run.start != NEVER)
		status = add_bound(c, run.first, run.start, true);
	if (status == VMRT_OK && run.last != INT64_MIN)
		status = add_bound(c, run.last, run.end, false);
	return status;
}

static enum vmrt_status open_run(struct causality *c, struct vcpu *v, unsigned cpu, int64_t start)
{
	enum vmrt_status status = VMRT_OK;

	v->running = true;
	v->host_cpu = cpu;
	if (v->n == MAX_RUNS)
		status = drop_oldest(c, v);
	if (status == VMRT_OK && v->n == v->room) {
		struct run *more = calloc(v->room * 2, sizeof(*more));

		if (!more)
			return VMRT_ENOMEM;
		for (size_t i = 0; i < v->n; i++)
			more[i] = *run_at(v, i);
		free(v->runs);
		v->runs = more;
		v->first = 0;
		v->room *= 2;
	}
	if (status == VMRT_OK)
		*run_at(v, v->n++) = (struct run){
			.start = start, .end = OPEN, .first = INT64_MAX, .last = INT64_MIN};
	return status;
}

static void close_run(struct vcpu *v, int64_t end)
{
	if (v->running)
		run_at(v, v->n - 1)->end = end;
	v->running = false;
}

static void touch(struct vcpu *v, int64_t since)
{
	for (size_t k = v->n; k-- > 0 && run_at(v, k)->end >= since;)
		run_at(v, k)->touched = true;
}

/* Between @from and now a switch may be missing on some CPU, so any vCPU may have run there.
 * Conclusions from that time are taken back. */
static void note_hole(struct causality *c, int64_t from)
{
	int64_t since = minus(from, 2 * c->widest);

	/* a thread that no event has shown has one run without end, which needs it once */
	for (size_t i = 0; !c->stats.holes && i < c->n_vcpus; i++)
		touch(&c->vcpus[i], since);
	c->stats.holes++;
	if (c->now > c->hole_until)
		c->hole_until = c->now;
	for (size_t i = 0; i < c->n_seen; i++)
		touch(c->seen[i], since);
	while (c->n_buckets && c->buckets[c->n_buckets - 1].index >= bucket_index(c, since))
		c->n_buckets--;
}

/* Records of a CPU were lost since @from, so a vCPU may have run there: guest events since then
 * that lie in no known run are no contradiction. */
static void excuse_outside(struct causality *c, int64_t from)
{
	int64_t since = minus(from, c->widest);

	while (c->n_outside && c->outside[c->n_outside - 1] >= since) {
		c->n_outside--;
		c->stats.outside--;
		c->stats.unused++;
	}
}

static struct vcpu *find_vcpu(const struct causality *c, int32_t tid)
{
	for (size_t at = (uint32_t)tid & c->mask; c->slots[at] >= 0; at = (at + 1) & c->mask)
		if (c->vcpus[c->slots[at]].tid == tid)
			return &c->vcpus[c->slots[at]];
	return NULL;
}

/* Finds the vCPU thread @tid like find_vcpu(), and marks it as seen because an event names it. */
static struct vcpu *mark_seen(struct causality *c, int32_t tid)
{
	struct vcpu *v = find_vcpu(c, tid);

	if (v && !v->seen) {
		v->seen = true;
		c->seen[c->n_seen++] = v;
	}
	return v;
}

static struct host_cpu *find_or_add_cpu(struct causality *c, unsigned cpu)
{
	if (cpu >= c->n_cpus) {
		struct host_cpu *more = reallocarray(c->cpus, cpu + 1u, sizeof(*more));

		if (!more)
			return NULL;
		memset(more + c->n_cpus, 0, (cpu + 1u - c->n_cpus) * sizeof(*more));
		c->cpus = more;
		c->n_cpus = cpu + 1u;
	}
	return &c->cpus[cpu];
}

/* An event shows that thread @pid runs on @cpu. If that disagrees with what was known, switches are
 * missing. */
static enum vmrt_status thread_is_on(
	struct causality *c, struct host_cpu *cpu, unsigned number, int32_t pid, bool lost)
{
	struct vcpu *v = mark_seen(c, pid);
	int64_t from = cpu->seen ? cpu->last : NEVER; /* someone else was still there */

	if (lost || (cpu->seen && cpu->pid != pid)) {
		struct vcpu *former = cpu->seen ? mark_seen(c, cpu->pid) : NULL;

		note_hole(c, from);
		if (lost)
			excuse_outside(c, from);
		if (former && former != v && former->running && former->host_cpu == number)
			close_run(former, c->now);
	}
	if (!v)
		return VMRT_OK;
	if (v->running) {
		/* Also a thread that was believed to be on another CPU: its switches there are
		 * missing. */
		if (v->host_cpu != number && run_at(v, v->n - 1)->start != NEVER)
			note_hole(c, run_at(v, v->n - 1)->start);
		v->host_cpu = number;
		return VMRT_OK;
	}
	if (from < run_at(v, v->n - 1)->end)
		from = run_at(v, v->n - 1)->end;
	note_hole(c, from);
	return open_run(c, v, number, from);
}

enum vmrt_status causality_host(struct causality *c, const struct vmrt_event *event)
{
	struct host_cpu *cpu = find_or_add_cpu(c, event->cpu);
	bool is_switch = event->type == VMRT_EV_SWITCH;
	enum vmrt_status status;
	struct vcpu *next;

	if (!cpu)
		return VMRT_ENOMEM;
	if (event->ts > c->now)
		c->now = event->ts;
	/* Some events fall between the record of a switch and the switch. */
	if (event->type == VMRT_EV_OTHER && !event->lost)
		return VMRT_OK;
	if (!is_switch && !event->lost && event->pid == cpu->left && event->pid != cpu->pid &&
		event->ts - cpu->left_at < SWITCH_TAIL_NS)
		return VMRT_OK;
	status = thread_is_on(
		c, cpu, event->cpu, is_switch ? event->sw.prev_pid : event->pid, event->lost > 0);
	cpu->seen = true;
	cpu->last = c->now;
	cpu->pid = is_switch ? event->sw.next_pid : event->pid;
	cpu->left = is_switch ? event->sw.prev_pid : -1;
	cpu->left_at = event->ts;
	if (status != VMRT_OK || !is_switch)
		return status;
	if (event->sw.prev_pid != event->sw.next_pid) {
		struct vcpu *prev = mark_seen(c, event->sw.prev_pid);

		if (prev)
			close_run(prev, c->now);
	}
	next = mark_seen(c, event->sw.next_pid);
	if (!next)
		return VMRT_OK;
	if (!next->running)
		return open_run(c, next, event->cpu, c->now);
	/* Its switch-out was not recorded, or its begin was not seen: the run goes on. */
	if (run_at(next, next->n - 1)->start != NEVER)
		note_hole(c, run_at(next, next->n - 1)->start);
	next->host_cpu = event->cpu;
	return VMRT_OK;
}

void causality_blind(struct causality *c, unsigned cpu)
{
	int64_t from = cpu < c->n_cpus && c->cpus[cpu].seen ? c->cpus[cpu].last : NEVER;

	if (from >= c->blind_from)
		return;
	c->blind_from = from;
	note_hole(c, from);
	excuse_outside(c, from);
}

int64_t causality_when(struct causality *c, int64_t local_ns)
{
	int64_t error = vmrt_clockmap_error(c->prior, local_ns, &c->hint);
	int64_t host = vmrt_clockmap_to_host(c->prior, local_ns, &c->hint);

	return error == VMRT_UNKNOWN ? host : plus(host, error);
}

/* Takes note that the guest event lies in one of the runs @a to @b of its vCPU. */
static void note_event(struct vcpu *v, size_t a, size_t b, int64_t local_ns)
{
	struct run *first = run_at(v, a), *last = run_at(v, b);

	if (local_ns < first->first)
		first->first = local_ns;
	if (local_ns > last->last)
		last->last = local_ns;
}

enum vmrt_status causality_guest(struct causality *c, unsigned cpu, int64_t local_ns)
{
	int64_t error = vmrt_clockmap_error(c->prior, local_ns, &c->hint);
	int64_t host = vmrt_clockmap_to_host(c->prior, local_ns, &c->hint);
	int64_t low = minus(host, error), high = plus(host, error);
	enum vmrt_status status = VMRT_OK;
	struct vcpu *v;
	size_t a, b;

	/*
	 * Where a clock was stepped its map is as wrong as the step is long. Events there prove
	 * next to nothing, and would make all that is near to a hole of the host's recording
	 * uncertain.
	 */
	if (vmrt_clockmap_stepped(c->prior, local_ns, &c->hint))
		error = VMRT_UNKNOWN;
	if (error == VMRT_UNKNOWN || cpu >= c->n_guest_cpus || c->by_guest_cpu[cpu] < 0) {
		c->stats.unused++;
		return VMRT_OK;
	}
	if (error > c->widest)
		c->widest = error;
	v = &c->vcpus[c->by_guest_cpu[cpu]];
	while (status == VMRT_OK && v->n > 1 && run_at(v, 0)->end < low)
		status = drop_oldest(c, v);
	if (low <= v->forgotten || low <= c->hole_until || high >= c->blind_from) {
		c->stats.unused++;
		return status;
	}
	for (b = v->n; b > 0 && run_at(v, b - 1)->start > high; b--)
		;
	for (a = b; a > 0 && run_at(v, a - 1)->end >= low; a--)
		;
	if (a == b) {
		c->stats.outside++;
		if (c->n_outside < MAX_OUTSIDE)
			c->outside[c->n_outside++] = host;
		return status;
	}
	c->stats.inside++;
	note_event(v, a, b - 1, local_ns);
	return status;
}

static size_t put_bound(struct vmrt_clock_bound *out, const struct tightest *t)
{
	if (!t->there)
		return 0;
	*out = t->bound;
	return 1;
}

enum vmrt_status causality_finish(struct causality *c, struct vmrt_clock_bound **out, size_t *n)
{
	enum vmrt_status status = VMRT_OK;

	*out = NULL;
	*n = 0;
	for (size_t i = 0; i < c->n_vcpus && status == VMRT_OK; i++) {
		struct vcpu *v = &c->vcpus[i];

		while (status == VMRT_OK && v->n) {
			if (run_at(v, 0)->end == OPEN)
				run_at(v, 0)->last = INT64_MIN;
			status = drop_oldest(c, v);
		}
		v->running = false;
	}
	if (status != VMRT_OK || !c->n_buckets)
		return status;
	*out = calloc(2 * c->n_buckets, sizeof(**out));
	if (!*out)
		return VMRT_ENOMEM;
	for (size_t i = 0; i < c->n_buckets; i++) {
		*n += put_bound(*out + *n, &c->buckets[i].upper);
		*n += put_bound(*out + *n, &c->buckets[i].lower);
	}
	return VMRT_OK;
}

void causality_stats(const struct causality *c, struct causality_stats *out)
{
	*out = c->stats;
}

static void take_slot(struct causality *c, int32_t tid, int vcpu)
{
	size_t at = (uint32_t)tid & c->mask;

	while (c->slots[at] >= 0)
		at = (at + 1) & c->mask;
	c->slots[at] = vcpu;
}

/* A table that is at most a quarter full, so that most other threads meet a free slot at once. */
static bool make_slots(struct causality *c, size_t n)
{
	size_t room = SLOTS_LEAST;

	while (room < 4 * n)
		room *= 2;
	c->slots = malloc(room * sizeof(*c->slots));
	c->mask = room - 1;
	for (size_t i = 0; c->slots && i < room; i++)
		c->slots[i] = -1;
	return c->slots;
}

static enum vmrt_status add_thread(struct causality *c, size_t guest_cpu, int32_t tid)
{
	struct vcpu *v = find_vcpu(c, tid);

	if (!v) {
		v = &c->vcpus[c->n_vcpus];
		v->tid = tid;
		v->room = 64;
		v->runs = calloc(v->room, sizeof(*v->runs));
		if (!v->runs)
			return VMRT_ENOMEM;
		take_slot(c, tid, (int)c->n_vcpus++);
		v->forgotten = NEVER;
		/* A thread may have been running all the time until the first event shows it. */
		open_run(c, v, UINT32_MAX, NEVER);
	}
	c->by_guest_cpu[guest_cpu] = (int)(v - c->vcpus);
	return VMRT_OK;
}

enum vmrt_status causality_new(const struct vmrt_clockmap *prior, const int32_t *vcpu_tids,
	size_t n, struct causality **out, struct vmrt_error *err)
{
	struct causality *c = calloc(1, sizeof(*c));
	enum vmrt_status status = VMRT_OK;

	if (!c)
		return vmrt_fail(err, VMRT_ENOMEM, "relation of the clocks: out of memory");
	c->prior = prior;
	c->now = c->hole_until = NEVER;
	c->blind_from = INT64_MAX;
	c->bucket_ns = BUCKET_NS;
	c->n_guest_cpus = n;
	c->vcpus = calloc(n ? n : 1, sizeof(*c->vcpus));
	c->seen = calloc(n ? n : 1, sizeof(*c->seen));
	c->outside = calloc(MAX_OUTSIDE, sizeof(*c->outside));
	c->by_guest_cpu = calloc(n ? n : 1, sizeof(*c->by_guest_cpu));
	if (!c->vcpus || !c->seen || !c->by_guest_cpu || !c->outside || !make_slots(c, n))
		status = VMRT_ENOMEM;
	for (size_t i = 0; i < n && status == VMRT_OK; i++) {
		c->by_guest_cpu[i] = -1;
		if (vcpu_tids[i] > 0)
			status = add_thread(c, i, vcpu_tids[i]);
	}
	if (status == VMRT_OK && !c->n_vcpus)
		status = VMRT_EINVAL;
	if (status != VMRT_OK) {
		causality_free(c);
		return vmrt_fail(err, status, "relation of the clocks: %s",
			status == VMRT_EINVAL ? "no vCPU thread is known" : "out of memory");
	}
	*out = c;
	return VMRT_OK;
}

void causality_free(struct causality *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->vcpus && i < c->n_vcpus; i++)
		free(c->vcpus[i].runs);
	free(c->vcpus);
	free(c->seen);
	free(c->outside);
	free(c->slots);
	free(c->by_guest_cpu);
	free(c->cpus);
	free(c->buckets);
	free(c);
}

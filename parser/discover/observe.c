/* SPDX-License-Identifier: MIT */
/* Observes threads: counts each event for the thread that it concerns. */
#include "discover-local.h"

#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 4096
#define FIRST_SAMPLES 8
#define UNINTERRUPTIBLE 2 /* state of a thread that no signal wakes */
#define KTHREADD 2	  /* it is the parent of all kernel threads */

const char *vmrt_waker_name(enum vmrt_waker waker)
{
	static const char *const words[] = {
#define X(name, text) text,
		VMRT_WAKER_LIST(X)
#undef X
	};

	return (size_t)waker < sizeof(words) / sizeof(words[0]) ? words[waker] : "unknown";
}

struct vmrt_discovery *vmrt_discovery_new(size_t n_machines)
{
	struct vmrt_discovery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->machines = calloc(n_machines ? n_machines : 1, sizeof(*d->machines));
	if (!d->machines) {
		free(d);
		return NULL;
	}
	d->n_machines = n_machines;
	for (size_t i = 0; i < n_machines; i++)
		d->machines[i].first_ns = VMRT_UNKNOWN;
	return d;
}

void vmrt_discovery_free(struct vmrt_discovery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_machines; i++) {
		struct seen_machine *m = &d->machines[i];
		struct seen_thread *t, *next_thread;
		struct seen_timer *r, *next_timer;

		HASH_ITER(hh, m->threads, t, next_thread)
		{
			HASH_DEL(m->threads, t);
			free(t->gaps.value);
			free(t->execs.value);
			free(t);
		}
		HASH_ITER(hh, m->timers, r, next_timer)
		{
			HASH_DEL(m->timers, r);
			free(r);
		}
		free(m->cpus);
	}
	free(d->machines);
	free(d);
}

/* If there is no room, or no memory, every second value is dropped, and from then on only every
 * second new value is taken. */
static void add_sample(struct samples *s, int64_t value)
{
	if (s->seen++ & ((UINT64_C(1) << s->skip) - 1))
		return;
	if (s->n == s->room && s->room < SAMPLES) {
		unsigned room = s->room ? 2 * s->room : FIRST_SAMPLES;
		int64_t *more = realloc(s->value, room * sizeof(*more));

		s->value = more ? more : s->value;
		s->room = more ? room : s->room;
	}
	if (!s->room)
		return;
	if (s->n == s->room) {
		for (unsigned i = 0; i < s->room / 2; i++)
			s->value[i] = s->value[2 * i];
		s->n = s->room / 2;
		s->skip++;
	}
	s->value[s->n++] = value;
}

static struct seen_thread *find_or_add_thread(struct seen_machine *m, int32_t tid, const char *comm)
{
	struct seen_thread *t;

	HASH_FIND_INT(m->threads, &tid, t);
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return NULL;
		t->tid = tid;
		t->arrival_ns = VMRT_UNKNOWN;
		t->prio = 120;
		HASH_ADD_INT(m->threads, tid, t);
	}
	if (comm)
		strncpy(t->comm, comm, sizeof(t->comm) - 1);
	return t;
}

enum vmrt_status vmrt_discovery_skip(struct vmrt_discovery *d, uint32_t machine, int32_t tid)
{
	struct seen_thread *t = machine < d->n_machines
					? find_or_add_thread(&d->machines[machine], tid, NULL)
					: NULL;

	if (!t)
		return VMRT_ENOMEM;
	t->skipped = true;
	return VMRT_OK;
}

static struct seen_cpu *find_or_add_cpu(struct seen_machine *m, unsigned cpu)
{
	if (cpu >= CPUS_MAX)
		return NULL;
	if (cpu >= m->n_cpus) {
		struct seen_cpu *more = realloc(m->cpus, (cpu + 1) * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + m->n_cpus, 0, (cpu + 1 - m->n_cpus) * sizeof(*more));
		m->cpus = more;
		m->n_cpus = cpu + 1;
	}
	return &m->cpus[cpu];
}

/* ---- timers ---- */

static enum vmrt_status arm(struct seen_machine *m, const struct vmrt_event *e)
{
	uint64_t key = e->timer.timer;
	struct seen_timer *r;

	HASH_FIND(hh, m->timers, &key, sizeof(key), r);
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return VMRT_ENOMEM;
		r->timer = key;
		HASH_ADD(hh, m->timers, timer, sizeof(r->timer), r);
	}
	r->expires = e->timer.softexpires;
	r->relative = (e->timer.mode & VMRT_TIMER_REL) != 0;
	/* an interrupt handler may arm the timer again for the thread that owns it */
	if (!(e->flags & (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)))
		r->armed_by = e->pid;
	return VMRT_OK;
}

/* A sleeping thread's timer lies on its stack and is forgotten when it has expired, so that memory
 * does not grow with the recording. */
static void expire(struct seen_machine *m, struct seen_cpu *c, const struct vmrt_event *e)
{
	uint64_t key = e->timer.timer;
	struct seen_timer *r;

	HASH_FIND(hh, m->timers, &key, sizeof(key), r);
	*c = (struct seen_cpu){
		.expiring = true,
		.hard = (e->flags & VMRT_FLAG_HARDIRQ) != 0,
		.fn = e->timer.fn,
		.arrival_ns = r ? r->expires : e->ts,
		.relative = r && r->relative,
		.armed_by = r ? r->armed_by : 0,
	};
	if (r && e->timer.fn == VMRT_FN_WAKEUP) {
		HASH_DEL(m->timers, r);
		free(r);
	}
}

static bool waker_of_timer(const struct seen_cpu *c, enum vmrt_waker *out)
{
	switch (c->fn) {
	case VMRT_FN_WAKEUP:
		*out = c->relative ? VMRT_WAKER_RELATIVE : VMRT_WAKER_NANOSLEEP;
		return true;
	case VMRT_FN_TIMERFD:
		*out = VMRT_WAKER_TIMERFD;
		return true;
	case VMRT_FN_ITIMER:
		*out = VMRT_WAKER_ITIMER;
		return true;
	case VMRT_FN_POSIX:
		*out = VMRT_WAKER_POSIX;
		return true;
	case VMRT_FN_DEADLINE:
		*out = VMRT_WAKER_DEADLINE;
		return true;
	default:
		return false;
	}
}

/* ---- threads ---- */

/* Adds the time that the thread has run so far to its present job. */
static void charge(struct seen_thread *t, int64_t ts)
{
	if (t->running && ts > t->since_ns) {
		t->run_ns += ts - t->since_ns;
		t->job_ns += ts - t->since_ns;
		t->since_ns = ts;
	}
}

static void close_job(struct seen_thread *t)
{
	if (!t->awake)
		return;
	t->awake = false;
	add_sample(&t->execs, t->job_ns);
	if (t->job_ns > t->longest_ns)
		t->longest_ns = t->job_ns;
	t->job_ns = 0;
}

static void open_job(struct seen_thread *t, int64_t ts, int64_t arrival_ns, enum vmrt_waker waker)
{
	charge(t, ts);
	close_job(t);
	t->job_ns = 0;
	if (t->arrival_ns != VMRT_UNKNOWN && arrival_ns > t->arrival_ns)
		add_sample(&t->gaps, arrival_ns - t->arrival_ns);
	t->arrival_ns = arrival_ns;
	t->awake = true;
	t->jobs++;
	t->by[waker]++;
}

/* Keeps the name that has the majority, if one has it (Boyer and Moore). */
static void vote(struct seen_thread *t, const char *comm)
{
	if (!t->votes)
		memcpy(t->waker, comm, sizeof(t->waker));
	t->votes += strncmp(t->waker, comm, sizeof(t->waker)) ? -1 : 1;
}

/* Old PREEMPT_RT kernels expire timers in threads, whose records carry no flag of an interrupt. */
static bool expires_timers(const struct seen_thread *t)
{
	return t && (!strncmp(t->comm, "ksoftirqd/", 10) || !strncmp(t->comm, "ktimers", 7));
}

/*
 * Did the timer that expired last on the CPU wake the thread? The same interrupt may wake other
 * threads afterwards, for example in the timer wheel's softirq. A thread that sleeps by a timer has
 * armed it, so the timer must belong to the thread.
 */
static bool is_by_timer(const struct seen_cpu *c, const struct vmrt_event *e)
{
	bool hard = (e->flags & VMRT_FLAG_HARDIRQ) != 0;

	return c->expiring && c->hard == hard &&
	       (c->fn != VMRT_FN_WAKEUP || !c->armed_by || c->armed_by == e->wake.pid);
}

static enum vmrt_status wake(
	struct seen_machine *m, const struct seen_cpu *c, const struct vmrt_event *e)
{
	struct seen_thread *t = find_or_add_thread(m, e->wake.pid, e->wake.comm), *by;
	bool interrupt = (e->flags & (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)) != 0;
	enum vmrt_waker waker;
	int32_t pid = e->pid;

	if (!t)
		return VMRT_ENOMEM;
	t->prio = e->wake.prio;
	HASH_FIND_INT(m->threads, &pid, by);
	if (is_by_timer(c, e) && (interrupt || expires_timers(by)) && waker_of_timer(c, &waker)) {
		/* a thread that is late arms its timer for a time in the past, and goes on without
		 * a sleep */
		if (!t->awake || c->armed_by == t->tid)
			open_job(t, e->ts, c->arrival_ns, waker);
		return VMRT_OK;
	}
	if (t->awake)
		return VMRT_OK;
	open_job(t, e->ts, e->ts, interrupt || !pid ? VMRT_WAKER_INTERRUPT : VMRT_WAKER_THREAD);
	if (!interrupt && by)
		vote(t, by->comm);
	return VMRT_OK;
}

/* A task of SCHED_DEADLINE that waits for its replenishment is not woken: its timer just makes it
 * ready. */
static void replenish(struct seen_machine *m, const struct seen_cpu *c, int64_t ts)
{
	int32_t tid = c->armed_by;
	struct seen_thread *t;

	HASH_FIND_INT(m->threads, &tid, t);
	if (t && tid && t->prio < 0)
		open_job(t, ts, c->arrival_ns, VMRT_WAKER_DEADLINE);
}

static enum vmrt_status switched(struct seen_machine *m, const struct vmrt_event *e)
{
	struct seen_thread *prev, *next;

	if (e->sw.prev_pid > 0) {
		prev = find_or_add_thread(m, e->sw.prev_pid, e->sw.prev_comm);
		if (!prev)
			return VMRT_ENOMEM;
		charge(prev, e->ts);
		prev->running = false;
		prev->prio = e->sw.prev_prio;
		prev->cpu = e->cpu;
		/*
		 * A thread in uninterruptible sleep waits for a disk or a lock inside a job: under
		 * PREEMPT_RT a thread may wait for a lock that the thread which woke it still
		 * holds.
		 */
		if (e->sw.prev_state & 0xff & ~UNINTERRUPTIBLE)
			close_job(prev);
	}
	if (e->sw.next_pid > 0) {
		next = find_or_add_thread(m, e->sw.next_pid, e->sw.next_comm);
		if (!next)
			return VMRT_ENOMEM;
		next->running = true;
		next->since_ns = e->ts;
		next->prio = e->sw.next_prio;
		next->cpu = e->cpu;
	}
	return VMRT_OK;
}

enum vmrt_status vmrt_discovery_push(
	struct vmrt_discovery *d, uint32_t machine, const struct vmrt_event *e)
{
	struct seen_machine *m;
	struct seen_cpu *c;

	if (machine >= d->n_machines)
		return VMRT_OK;
	m = &d->machines[machine];
	c = find_or_add_cpu(m, e->cpu);
	if (!c)
		return VMRT_OK;
	if (m->first_ns == VMRT_UNKNOWN)
		m->first_ns = e->ts;
	if (e->ts > m->last_ns)
		m->last_ns = e->ts;
	switch (e->type) {
	case VMRT_EV_TIMER_START:
		return arm(m, e);
	case VMRT_EV_TIMER_EXPIRE:
		expire(m, c, e);
		if (e->timer.fn == VMRT_FN_DEADLINE)
			replenish(m, c, e->ts);
		return VMRT_OK;
	case VMRT_EV_WAKING:
		m->has_wakings = true;
		return wake(m, c, e);
	case VMRT_EV_WAKEUP:
		/* sched_wakeup follows the sched_waking of the same wake-up, if that is recorded */
		return m->has_wakings ? VMRT_OK : wake(m, c, e);
	case VMRT_EV_SWITCH:
		m->has_switches = true;
		c->expiring = false;
		return switched(m, e);
	case VMRT_EV_FORK:
		return e->process.pid == KTHREADD
			       ? vmrt_discovery_skip(d, machine, e->process.other_pid)
			       : VMRT_OK;
	default:
		return VMRT_OK;
	}
}

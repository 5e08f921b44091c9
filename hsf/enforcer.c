/* SPDX-License-Identifier: MIT */
/*
 * One thread per host CPU, on that very CPU and above everything it schedules: while it works no
 * vCPU thread of its servers runs, so what it reads from their clocks stands still, and the
 * interrupt that says a budget is used up is raised where the waiter is.
 */
#include "hsf.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 16
#define STACK_SIZE (256 << 10) /* locked in memory */

/* What an event is about: one of these, or server and vCPU. */
#define ABOUT_TIMER UINT64_MAX
#define ABOUT_STOP (UINT64_MAX - 1)
#define ABOUT_VCPU(server, vcpu) ((uint64_t)(server) << 32 | (uint64_t)(vcpu))

struct hsf_enforcer {
	int cpu;
	struct hsf_server *servers[HSF_MAX_SERVERS];
	size_t n;
	const struct vmrt_marker *marker;
	int epoll, timer, stop, news;
	pthread_t thread;
	bool started;
	atomic_bool begun;
	int64_t cpu_ns;
};

static void tell(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static size_t count_vcpus(const struct hsf_server *s)
{
	return atomic_load_explicit(&s->n_vcpus, memory_order_acquire);
}

/* A vCPU thread has ended: the server goes on with the others, if there are. */
static void lose_vcpu(struct hsf_enforcer *e, struct hsf_server *s, struct hsf_vcpu *v)
{
	size_t n = count_vcpus(s);

	if (v->gone)
		return;
	v->gone = true;
	epoll_ctl(e->epoll, EPOLL_CTL_DEL, v->clock.alarm, NULL);
	for (size_t i = 0; i < n; i++)
		if (!s->vcpus[i].gone)
			return;
	atomic_store(&s->gone, true);
	tell(e->news);
}

/* Reads the clocks of all members; returns what they consumed since the last replenishment. */
static int64_t read_clocks(struct hsf_server *s, size_t n)
{
	int64_t used = 0;

	for (size_t i = 0; i < n; i++) {
		struct hsf_vcpu *v = &s->vcpus[i];
		int64_t count = hsf_clock_read(&v->clock);

		if (count >= 0)
			v->count = count;
		used += v->count - v->base;
	}
	return used;
}

static void arm_clocks(struct hsf_server *s, size_t n, int64_t left)
{
	size_t alive = 0;
	int64_t step;

	for (size_t i = 0; i < n; i++)
		alive += !s->vcpus[i].gone;
	step = hsf_step(left, alive, hsf_latency_early(&s->latency));
	for (size_t i = 0; i < n; i++) {
		struct hsf_vcpu *v = &s->vcpus[i];

		if (v->gone)
			continue;
		hsf_clock_arm(&v->clock, step);
		v->armed = v->count + step;
	}
}

static void raise_members(struct hsf_enforcer *e, struct hsf_server *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hsf_vcpu *v = &s->vcpus[i];

		if (v->gone || v->raised)
			continue;
		if (hsf_raise(v->tid, s->spec->priority) != 0)
			lose_vcpu(e, s, v);
		v->raised = true;
	}
}

static void demote_members(struct hsf_enforcer *e, struct hsf_server *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hsf_vcpu *v = &s->vcpus[i];

		if (v->gone || !v->raised)
			continue;
		if (hsf_demote(v->tid) != 0)
			lose_vcpu(e, s, v);
		v->raised = false;
	}
}

/* @open: the members had budget left until now. */
static void replenish(struct hsf_enforcer *e, struct hsf_server *s, bool open)
{
	const struct hsf_budget *b = &s->budget;
	int64_t at = b->t0 + b->k * b->period_ns, used;
	size_t n = count_vcpus(s);

	raise_members(e, s, n);
	hsf_hist_add(&s->lateness, vmrt_now_ns() - at);
	used = read_clocks(s, n);
	/* used up so close to the end of the period that there was no look at it any more */
	if (open && used >= b->budget_ns)
		hsf_hist_add(&s->overshoot, used - b->budget_ns);
	for (size_t i = 0; i < n; i++)
		s->vcpus[i].base = s->vcpus[i].count;
	arm_clocks(s, n, b->budget_ns);
	vmrt_mark(e->marker, "vmrt srv_replenish server=%s k=%" PRId64 " at=%" PRId64 " budget=%" PRId64,
		s->spec->name, b->k, at, b->budget_ns);
	s->replenishments++;
}

static void deplete(struct hsf_enforcer *e, struct hsf_server *s, size_t n, int64_t used)
{
	int64_t over = used - s->budget.budget_ns;

	demote_members(e, s, n);
	vmrt_mark(e->marker, "vmrt srv_deplete server=%s k=%" PRId64 " consumed=%" PRId64, s->spec->name,
		s->budget.k, used);
	for (size_t i = 0; i < n; i++)
		if (!s->vcpus[i].gone)
			hsf_clock_disarm(&s->vcpus[i].clock);
	s->depletions++;
	hsf_hist_add(&s->overshoot, over);
	if (-over > s->most_short)
		s->most_short = -over;
}

/* The clock of vCPU slot @slot has fired. */
static void look(struct hsf_enforcer *e, struct hsf_server *s, size_t slot)
{
	struct hsf_vcpu *v = &s->vcpus[slot];
	size_t n = count_vcpus(s);
	int64_t used;

	if (!s->budget.eligible) {
		hsf_clock_disarm(&v->clock);
		return;
	}
	used = read_clocks(s, n);
	s->looks++;
	/* an event from before the last replenishment is no measurement */
	if (n == 1 && v->count >= v->armed)
		hsf_latency_add(&s->latency, v->count - v->armed);
	if (s->budget.rules->on_use(&s->budget, vmrt_now_ns(), used) == HSF_DEPLETED)
		deplete(e, s, n, used);
	else
		arm_clocks(s, n, s->budget.budget_ns - used);
}

static void set_timer(struct hsf_enforcer *e)
{
	struct itimerspec when = {.it_value.tv_sec = 0};
	int64_t next = HSF_NEVER;

	for (size_t i = 0; i < e->n; i++) {
		const struct hsf_budget *b = &e->servers[i]->budget;

		if (!atomic_load(&e->servers[i]->gone) && b->rules->when_next(b) < next)
			next = b->rules->when_next(b);
	}
	if (next != HSF_NEVER) {
		when.it_value.tv_sec = next / VMRT_NS_PER_S;
		when.it_value.tv_nsec = next % VMRT_NS_PER_S;
	}
	timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_time(struct hsf_enforcer *e)
{
	bool all = true;
	uint64_t expiries;

	(void)!read(e->timer, &expiries, sizeof(expiries));
	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];
		bool open = s->budget.eligible;

		if (!atomic_load(&s->gone) &&
			s->budget.rules->on_time(&s->budget, vmrt_now_ns()) == HSF_REPLENISHED)
			replenish(e, s, open);
		all = all && s->replenishments;
	}
	set_timer(e);
	if (all && !atomic_load(&e->begun)) {
		atomic_store(&e->begun, true);
		tell(e->news);
	}
}

static void on_vcpu(struct hsf_enforcer *e, uint64_t about, uint32_t events)
{
	struct hsf_server *s = e->servers[about >> 32];
	size_t slot = (size_t)(about & UINT32_MAX);

	if (events & EPOLLIN)
		look(e, s, slot);
	if (events & (EPOLLHUP | EPOLLERR)) {
		lose_vcpu(e, s, &s->vcpus[slot]);
		if (atomic_load(&s->gone))
			set_timer(e);
	}
}

static void *enforce(void *arg)
{
	struct hsf_enforcer *e = arg;
	struct epoll_event events[EVENTS_AT_ONCE];
	struct timespec used;
	bool stop = false;

	set_timer(e);
	while (!stop) {
		int n = epoll_wait(e->epoll, events, EVENTS_AT_ONCE, -1);

		/* a period that ends now ends before its members are looked at */
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 == ABOUT_TIMER)
				on_time(e);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == ABOUT_STOP)
				stop = true;
			else if (events[i].data.u64 != ABOUT_TIMER)
				on_vcpu(e, events[i].data.u64, events[i].events);
		}
	}
	for (size_t i = 0; i < e->n; i++)
		demote_members(e, e->servers[i], count_vcpus(e->servers[i]));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	e->cpu_ns = used.tv_sec * VMRT_NS_PER_S + used.tv_nsec;
	return NULL;
}

static int watch(const struct hsf_enforcer *e, int fd, uint32_t events, uint64_t about)
{
	struct epoll_event event = {.events = events, .data.u64 = about};

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event);
}

enum vmrt_status hsf_enforcer_new(int cpu, struct hsf_server *servers, size_t n,
	const struct vmrt_marker *marker, struct hsf_enforcer **out, struct vmrt_error *err)
{
	struct hsf_enforcer *e = calloc(1, sizeof(*e));
	int errnum;

	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "enforcer: out of memory");
	e->cpu = cpu;
	e->marker = marker;
	for (size_t i = 0; i < n; i++)
		if (servers[i].cpu == cpu)
			e->servers[e->n++] = &servers[i];
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	e->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->epoll < 0 || e->timer < 0 || e->stop < 0 || e->news < 0 ||
		watch(e, e->timer, EPOLLIN, ABOUT_TIMER) != 0 ||
		watch(e, e->stop, EPOLLIN, ABOUT_STOP) != 0) {
		errnum = errno;
		hsf_enforcer_free(e);
		return vmrt_fail_errno(err, errnum, "cannot prepare the enforcer of CPU %d", cpu);
	}
	*out = e;
	return VMRT_OK;
}

enum vmrt_status hsf_enforcer_adopt(struct hsf_enforcer *e, struct hsf_server *s, pid_t tid,
	struct hsf_clock clock, struct vmrt_error *err)
{
	size_t slot = count_vcpus(s), server = 0;

	while (e->servers[server] != s)
		server++;
	if (slot == HSF_MAX_VCPUS) {
		hsf_clock_close(&clock);
		return vmrt_fail(err, VMRT_ERANGE, "server %s has more than %d vCPU threads", s->spec->name,
			HSF_MAX_VCPUS);
	}
	s->vcpus[slot] = (struct hsf_vcpu){.tid = tid, .clock = clock};
	atomic_store_explicit(&s->n_vcpus, slot + 1, memory_order_release);
	/* edge-triggered: a look at the clock does not have to make it unreadable */
	if (watch(e, clock.alarm, EPOLLIN | EPOLLET, ABOUT_VCPU(server, slot)) != 0)
		return vmrt_fail_errno(err, errno, "cannot watch thread %d", (int)tid);
	return VMRT_OK;
}

enum vmrt_status hsf_enforcer_start(struct hsf_enforcer *e, struct vmrt_error *err)
{
	struct sched_param param = {.sched_priority = HSF_ENFORCER_PRIORITY};
	sigset_t all, old;
	pthread_attr_t attr;
	char name[VMRT_COMM_MAX];
	cpu_set_t set;
	int rc;

	CPU_ZERO(&set);
	CPU_SET(e->cpu, &set);
	rc = pthread_attr_init(&attr);
	if (rc)
		return vmrt_fail_errno(err, rc, "cannot start the enforcer of CPU %d", e->cpu);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* signals are the main thread's business */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&e->thread, &attr, enforce, e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == EPERM)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission for SCHED_FIFO: run as root or with CAP_SYS_NICE (in a cgroup of "
			"version 1 its cpu.rt_runtime_us must be above 0)");
	if (rc)
		return vmrt_fail_errno(err, rc, "cannot start the enforcer on CPU %d", e->cpu);
	e->started = true;
	snprintf(name, sizeof(name), "vmrt-hsf/%d", e->cpu);
	pthread_setname_np(e->thread, name);
	return VMRT_OK;
}

int hsf_enforcer_fd(const struct hsf_enforcer *e)
{
	return e->news;
}

bool hsf_enforcer_begun(const struct hsf_enforcer *e)
{
	return atomic_load(&e->begun);
}

int hsf_enforcer_cpu(const struct hsf_enforcer *e)
{
	return e->cpu;
}

int64_t hsf_enforcer_stop(struct hsf_enforcer *e)
{
	if (e->started) {
		tell(e->stop);
		pthread_join(e->thread, NULL);
		e->started = false;
	}
	return e->cpu_ns;
}

void hsf_enforcer_free(struct hsf_enforcer *e)
{
	if (!e)
		return;
	hsf_enforcer_stop(e);

	const int fds[] = {e->epoll, e->timer, e->stop, e->news};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(e);
}

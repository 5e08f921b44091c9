/* SPDX-License-Identifier: MIT */
/*
 * Enforces the servers of one host CPU.
 *
 * Each CPU with servers has one enforcing thread, which runs on that CPU at a higher priority than
 * all that it schedules. While the thread works, no vCPU thread of its servers runs, so that their
 * clocks stand still while it reads them. The interrupt that reports a used-up budget is raised on
 * the CPU on which the enforcing thread waits.
 */
#include "enforcer.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 16
#define STACK_SIZE (256 << 10) /* locked in memory */

/* A function that the enforcer's thread shall call; `done` is posted when it has returned. */
struct hsf_command {
	void (*run)(struct hsf_enforcer *e, void *arg);
	void *arg;
	sem_t done;
	bool stop;
};

static void notify(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

/* ---- the enforcer's thread ---- */

static void set_timer(struct hsf_enforcer *e)
{
	struct itimerspec when = {.it_value.tv_sec = 0};
	int64_t next = arrange_slot_end(e);

	for (size_t i = 0; i < e->n; i++) {
		const struct hsf_server *s = e->servers[i];

		if (hsf_server_gone(s))
			continue;
		if (hsf_budget_next(&s->budget) < next)
			next = hsf_budget_next(&s->budget);
		if (helpers_next(s) < next)
			next = helpers_next(s);
	}
	if (next == e->timer_ns)
		return;
	e->timer_ns = e->armed_ns = next;
	if (next != HSF_NEVER) {
		/* the timer is set early by the latency that its expiries usually have */
		next -= hsf_latency_early(&e->latency);
		e->armed_ns = next;
		when.it_value.tv_sec = next / VMRT_NS_PER_S;
		when.it_value.tv_nsec = next % VMRT_NS_PER_S;
	}
	timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void change_params(struct hsf_server *s)
{
	const struct hsf_rules *rules = hsf_rules_for(s->next.policy);
	int64_t t0 = hsf_budget_next(&s->budget);

	s->params = s->next;
	s->changing = false;
	hsf_budget_init(&s->budget, rules, s->params.period_ns, s->params.budget_ns, t0);
	server_mark_start(s);
}

/* A replenishment of @s is due: first charge what was consumed before it, because that belongs to
 * the period that ends. */
static void replenish(struct hsf_server *s, int64_t now)
{
	bool eligible = s->budget.eligible, was_dormant;
	enum hsf_action action = server_charge(s, now);

	if (s->budget.rules->measures && s->budget.k >= 0)
		hsf_hist_add(&s->figures.use, s->budget.used_ns);
	/* the budget was used up so shortly before the end of the period that no alarm was handled
	 * any more */
	if (eligible && !s->budget.rules->by_activation && s->budget.used_ns >= s->budget.budget_ns)
		hsf_hist_add(&s->figures.overshoot, s->budget.used_ns - s->budget.budget_ns);
	if (s->changing)
		change_params(s);
	was_dormant = s->budget.dormant;
	while (hsf_budget_time(&s->budget, now) == HSF_REPLENISHED) {
		s->n_fresh -= s->n_fresh == HSF_FRESH;
		s->fresh[s->n_fresh++] = s->budget.replenishment;
	}
	s->spent = false;
	if (action == HSF_DEPLETED && !s->n_fresh)
		server_spent(s, false);
	if (s->budget.dormant && !was_dormant)
		server_arm(s);
}

void enforcer_note_begun(struct hsf_enforcer *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->servers[i]->budget.k < 0 &&
			hsf_budget_next(&e->servers[i]->budget) != HSF_NEVER)
			return;
	if (e->n && !atomic_exchange(&e->begun, true))
		notify(e->news);
}

static void on_time(struct hsf_enforcer *e, int64_t now)
{
	/* an expiry of an earlier setting is ignored: the loop below would spin until the present
	 * one, and nobody else could run on this CPU meanwhile */
	if (now < e->timer_ns - HSF_MOST_EARLY_NS)
		return;
	hsf_latency_add(&e->latency, now - e->armed_ns);
	while (now < e->timer_ns)
		now = vmrt_now_ns();
	e->timer_ns = HSF_NEVER;
	if (now >= arrange_slot_end(e))
		arrange_charge_slot(e, now);
	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];

		helpers_release(s, now);
		if (hsf_server_gone(s) || hsf_budget_next(&s->budget) > now)
			continue;
		/* the time for which the server has had the CPU belongs to the period that ends */
		if (s == e->slot)
			arrange_charge_slot(e, now);
		replenish(s, now);
	}
	arrange(e, now);
	if (!atomic_load(&e->begun))
		enforcer_note_begun(e);
}

/* The clock of @m has fired. */
static void on_member_clock(struct hsf_enforcer *e, struct hsf_member *m, int64_t now)
{
	struct hsf_server *s = m->server;
	bool about_budget = server_alarmed(s, m);
	enum hsf_action action;

	if (m->helper && !about_budget && s->params.charge_helpers)
		server_charge(s, now);
	if (m->helper)
		helpers_limit(s, now);
	if (m->helper && !about_budget)
		return;
	if (!server_open(s)) {
		hsf_clock_disarm(&m->clock);
		return;
	}
	action = server_charge(s, now);
	s->figures.budget_checks++;
	/* an alarm that was raised before the last replenishment is no measurement of this budget's
	 * overshoot */
	if (s->n_vcpus == 1 && m->count >= m->armed)
		hsf_latency_add(&s->latency, m->count - m->armed);
	if (action != HSF_DEPLETED) {
		server_arm(s);
		return;
	}
	server_spent(s, false);
	arrange(e, now);
}

static void on_idle(struct hsf_enforcer *e, struct hsf_server *s, int64_t now)
{
	if (!idle_found(s->idle) || !server_open(s))
		return;
	if (server_charge(s, now) == HSF_DEPLETED)
		server_spent(s, false);
	else if (hsf_budget_idle(&s->budget) == HSF_DEPLETED)
		server_spent(s, true);
	else
		return;
	arrange(e, now);
}

static void on_member(struct hsf_enforcer *e, struct hsf_member *m, uint32_t events, int64_t now)
{
	if (events & EPOLLIN)
		on_member_clock(e, m, now);
	if (events & (EPOLLHUP | EPOLLERR)) {
		server_lose(m);
		arrange(e, now);
	}
}

static bool on_command(struct hsf_enforcer *e)
{
	struct hsf_command *c;
	uint64_t n;
	bool stop;

	(void)!read(e->wake, &n, sizeof(n));
	c = atomic_exchange(&e->command, NULL);
	if (!c)
		return false;
	stop = c->stop;
	c->run(e, c->arg);
	sem_post(&c->done);
	return stop;
}

static void *enforce(void *arg)
{
	struct hsf_enforcer *e = arg;
	struct epoll_event events[EVENTS_AT_ONCE];
	bool stop = false;

	while (!stop) {
		int64_t now;
		bool command = false;
		int n;

		set_timer(e);
		n = epoll_wait(e->epoll, events, EVENTS_AT_ONCE, -1);
		now = vmrt_now_ns();
		/* periods that end now are closed before the members are looked at */
		for (int i = 0; i < n; i++)
			if (events[i].data.u64 == ABOUT_TIMER)
				on_time(e, now);
		for (int i = 0; i < n; i++) {
			uint64_t about = events[i].data.u64;

			if (about == ABOUT_COMMAND)
				command = true;
			else if (about & 1)
				on_idle(e, (struct hsf_server *)(uintptr_t)(about - 1), now);
			else if (about != ABOUT_TIMER)
				on_member(e, (struct hsf_member *)(uintptr_t)about,
					events[i].events, now);
		}
		/* commands come last, because a command may remove servers or members that other
		 * events of this wait are about */
		if (command)
			stop = on_command(e);
		e->cost.wakes++;
		hsf_hist_add(&e->cost.busy, vmrt_now_ns() - now);
	}
	return NULL;
}

/* ---- what other threads call ---- */

void enforcer_do(
	struct hsf_enforcer *e, void (*run)(struct hsf_enforcer *, void *), void *arg, bool stop)
{
	struct hsf_command c = {.run = run, .arg = arg, .stop = stop};

	pthread_mutex_lock(&e->mutex);
	if (e->started) {
		sem_init(&c.done, 0, 0);
		atomic_store(&e->command, &c);
		notify(e->wake);
		while (sem_wait(&c.done) != 0)
			;
		sem_destroy(&c.done);
	} else {
		run(e, arg);
	}
	pthread_mutex_unlock(&e->mutex);
}

int enforcer_watch(const struct hsf_enforcer *e, int fd, uint32_t events, uint64_t about)
{
	struct epoll_event event = {.events = events, .data.u64 = about};

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event);
}

enum vmrt_status hsf_enforcer_new(int cpu, const struct vmrt_marker *marker,
	struct hsf_enforcer **out, struct vmrt_error *err)
{
	struct hsf_enforcer *e = calloc(1, sizeof(*e));
	int errnum;

	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "enforcer: out of memory");
	e->cpu = cpu;
	e->marker = marker;
	e->timer_ns = HSF_NEVER;
	hsf_latency_init(&e->latency);
	pthread_mutex_init(&e->mutex, NULL);
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* edge-triggered, so that eventfds need not be read */
	if (e->epoll < 0 || e->timer < 0 || e->wake < 0 || e->news < 0 ||
		enforcer_watch(e, e->timer, EPOLLIN | EPOLLET, ABOUT_TIMER) != 0 ||
		enforcer_watch(e, e->wake, EPOLLIN, ABOUT_COMMAND) != 0) {
		errnum = errno;
		hsf_enforcer_free(e);
		return vmrt_fail_errno(err, errnum, "cannot prepare the enforcer of CPU %d", cpu);
	}
	*out = e;
	return VMRT_OK;
}

enum vmrt_status hsf_enforcer_start(struct hsf_enforcer *e, struct vmrt_error *err)
{
	char name[VMRT_COMM_MAX];
	int rc =
		hsf_thread_start(&e->thread, e->cpu, HSF_ENFORCER_PRIORITY, STACK_SIZE, enforce, e);

	if (rc == EPERM)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission for SCHED_FIFO: run as root or with CAP_SYS_NICE (in a "
			"cgroup of "
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

size_t hsf_enforcer_servers(const struct hsf_enforcer *e)
{
	return atomic_load(&e->count);
}

void hsf_enforcer_free(struct hsf_enforcer *e)
{
	if (!e)
		return;
	hsf_enforcer_stop(e);

	const int fds[] = {e->epoll, e->timer, e->wake, e->news};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&e->mutex);
	free(e);
}

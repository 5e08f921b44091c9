/* SPDX-License-Identifier: MIT */
/*
 * One thread per host CPU, on that very CPU and above everything it schedules: while it works no
 * vCPU thread of its servers runs, so what it reads from their clocks stands still, and the
 * interrupt that says a budget is used up is raised where the waiter is.
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
#define LEAST_LEAD_NS (50 * VMRT_NS_PER_US)
#define STACK_SIZE (256 << 10) /* locked in memory */

/* What an event is about: one of these, or a pointer to a member or, with its lowest bit set, to a
 * server. */
#define ABOUT_TIMER UINT64_C(2)
#define ABOUT_COMMAND UINT64_C(4)
#define ABOUT_MEMBER(m) ((uint64_t)(uintptr_t)(m))
#define ABOUT_IDLE(s) ((uint64_t)(uintptr_t)(s) | 1)

/* Something to be done by the enforcer's thread; `done` says that it was. */
struct hsf_command {
	void (*run)(struct hsf_enforcer *e, void *arg);
	void *arg;
	sem_t done;
	bool stop;
};

static void tell(int fd)
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
		/* early by what it takes at least from there to here */
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

/* The time of @s has come: charge what belongs to the time before it. */
static void replenish(struct hsf_server *s, int64_t now)
{
	bool eligible = s->budget.eligible, was_dormant;
	enum hsf_action action = server_charge(s, now);

	if (s->budget.rules->measures && s->budget.k >= 0)
		hsf_hist_add(&s->figures.use, s->budget.used_ns);
	/* used up so close to the end of the period that there was no look at it any more */
	if (eligible && !s->budget.rules->by_activation && s->budget.used_ns >= s->budget.budget_ns)
		hsf_hist_add(&s->figures.overshoot, s->budget.used_ns - s->budget.budget_ns);
	if (s->changing)
		change_params(s);
	was_dormant = s->budget.dormant;
	while (hsf_budget_time(&s->budget, now) == HSF_REPLENISHED) {
		s->n_fresh -= s->n_fresh == HSF_FRESH;
		s->fresh[s->n_fresh++] = s->budget.given;
	}
	s->spent = false;
	if (action == HSF_DEPLETED && !s->n_fresh)
		server_spent(s, false);
	if (s->budget.dormant && !was_dormant)
		server_arm(s);
}

/* Has every server that has replenishments had one? */
static void look_whether_begun(struct hsf_enforcer *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->servers[i]->budget.k < 0 &&
			hsf_budget_next(&e->servers[i]->budget) != HSF_NEVER)
			return;
	if (e->n && !atomic_exchange(&e->begun, true))
		tell(e->news);
}

static void on_time(struct hsf_enforcer *e, int64_t now)
{
	/* not of the time that it is set to now: nobody else would run until then */
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
		/* what it has had of the CPU until now belongs to the period that ends */
		if (s == e->slot)
			arrange_charge_slot(e, now);
		replenish(s, now);
	}
	arrange(e, now);
	if (!atomic_load(&e->begun))
		look_whether_begun(e);
}

/* The clock of @m has fired. */
static void look(struct hsf_enforcer *e, struct hsf_member *m, int64_t now)
{
	struct hsf_server *s = m->server;
	bool about_budget = server_alarmed(s, m);
	enum hsf_action action;

	if (m->helper && !about_budget && s->params.charge_helpers)
		server_charge(s, now);
	if (m->helper)
		helpers_look(s, now);
	if (m->helper && !about_budget)
		return;
	if (!server_open(s)) {
		hsf_clock_disarm(&m->clock);
		return;
	}
	action = server_charge(s, now);
	s->figures.looks++;
	/* an event from before the last replenishment is no measurement */
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
		look(e, m, now);
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
		/* a period that ends now ends before its members are looked at */
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
		/* last, since it may take away what other events are about */
		if (command)
			stop = on_command(e);
		e->cost.wakes++;
		hsf_hist_add(&e->cost.busy, vmrt_now_ns() - now);
	}
	return NULL;
}

/* ---- what other threads call ---- */

/* Has @run done by the enforcer's thread, or here if there is none yet. */
static void command(
	struct hsf_enforcer *e, void (*run)(struct hsf_enforcer *, void *), void *arg, bool stop)
{
	struct hsf_command c = {.run = run, .arg = arg, .stop = stop};

	pthread_mutex_lock(&e->mutex);
	if (e->started) {
		sem_init(&c.done, 0, 0);
		atomic_store(&e->command, &c);
		tell(e->wake);
		while (sem_wait(&c.done) != 0)
			;
		sem_destroy(&c.done);
	} else {
		run(e, arg);
	}
	pthread_mutex_unlock(&e->mutex);
}

static int watch(const struct hsf_enforcer *e, int fd, uint32_t events, uint64_t about)
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
	/* edge-triggered: what is only said once does not have to be read */
	if (e->epoll < 0 || e->timer < 0 || e->wake < 0 || e->news < 0 ||
		watch(e, e->timer, EPOLLIN | EPOLLET, ABOUT_TIMER) != 0 ||
		watch(e, e->wake, EPOLLIN, ABOUT_COMMAND) != 0) {
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

/* What a policy needs besides clocks, before the enforcer's thread may come to need it. */
static enum vmrt_status equip(struct hsf_enforcer *e, struct hsf_server *s,
	const struct hsf_rules *rules, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (rules->discards && !s->idle) {
		status = idle_new(s, &s->idle, err);
		if (status == VMRT_OK &&
			watch(e, idle_fd(s->idle), EPOLLIN | EPOLLET, ABOUT_IDLE(s)) != 0)
			status = vmrt_fail_errno(err, errno, "cannot watch server %s", s->name);
	}
	for (size_t i = 0; i < server_members(s) && rules->by_activation && status == VMRT_OK;
		i++) {
		struct hsf_member *m = &s->members[i];

		if (!m->helper && !m->gone && !m->switches.ring)
			status = hsf_switches_open(&m->switches, m->tid, err);
	}
	return status;
}

struct to_add {
	struct hsf_server *server;
	int64_t t0;
	bool full;
};

static void do_add(struct hsf_enforcer *e, void *arg)
{
	struct to_add *a = arg;
	struct hsf_server *s = a->server;
	int64_t late = vmrt_now_ns() + LEAST_LEAD_NS - a->t0;

	a->full = e->n == HSF_MAX_SERVERS;
	if (a->full)
		return;
	/* on a busy CPU it can take a while to come here; the grid remains the same */
	if (late > 0 && s->params.period_ns > 0)
		a->t0 += (late + s->params.period_ns - 1) / s->params.period_ns *
			 s->params.period_ns;
	hsf_budget_init(&s->budget, hsf_rules_for(s->params.policy), s->params.period_ns,
		s->params.budget_ns, a->t0);
	e->servers[e->n++] = s;
	atomic_store(&e->count, e->n);
	/* the kernel's own policies are seen by its own events */
	if (!s->budget.rules->measures) {
		server_hold(s);
		server_mark_start(s);
	}
	look_whether_begun(e);
}

enum vmrt_status hsf_enforcer_add(
	struct hsf_enforcer *e, struct hsf_server *s, int64_t t0, struct vmrt_error *err)
{
	struct to_add a = {.server = s, .t0 = t0};
	enum vmrt_status status;

	s->enforcer = e;
	status = equip(e, s, hsf_rules_for(s->params.policy), err);
	if (status != VMRT_OK)
		return status;
	command(e, do_add, &a, false);
	if (a.full)
		return vmrt_fail(err, VMRT_ERANGE, "more than %d servers on CPU %d",
			HSF_MAX_SERVERS, e->cpu);
	return VMRT_OK;
}

struct to_try {
	pid_t tid;
	enum vmrt_background background;
	int errnum;
};

static void do_try(struct hsf_enforcer *e, void *arg)
{
	struct to_try *a = arg;

	(void)e;
	a->errnum = hsf_raise(a->tid, 1);
	if (!a->errnum)
		a->errnum = hsf_demote(a->tid, a->background);
}

int hsf_enforcer_try(struct hsf_enforcer *e, pid_t tid, enum vmrt_background background)
{
	struct to_try a = {.tid = tid, .background = background};

	command(e, do_try, &a, false);
	return a.errnum;
}

struct to_adopt {
	struct hsf_member member; /* in exchange for the one that was in its place */
	struct vmrt_error *err;
	enum vmrt_status status;
};

/* A new place, or for a helper thread, of which a VM may start and end any number, that of one
 * which has ended. */
static struct hsf_member *place_for(struct hsf_server *s, const struct hsf_member *m)
{
	size_t n = server_members(s);

	for (size_t i = 0; i < n && m->helper; i++)
		if (s->members[i].helper && s->members[i].gone)
			return &s->members[i];
	return n < HSF_MAX_MEMBERS ? &s->members[n] : NULL;
}

static void do_adopt(struct hsf_enforcer *e, void *arg)
{
	struct to_adopt *a = arg;
	struct hsf_server *s = a->member.server;
	struct hsf_member *m = place_for(s, &a->member), former;

	if (!m) {
		a->status = vmrt_fail(a->err, VMRT_ERANGE, "server %s has more than %d threads",
			s->name, HSF_MAX_MEMBERS);
		return;
	}
	/* edge-triggered: a look at the clock does not have to make it unreadable */
	if (watch(e, a->member.clock.alarm, EPOLLIN | EPOLLET, ABOUT_MEMBER(m)) != 0) {
		a->status = vmrt_fail_errno(
			a->err, errno, "cannot watch thread %d", (int)a->member.tid);
		return;
	}
	former = *m;
	*m = a->member;
	a->member = former;
	m->count = hsf_clock_read(&m->clock);
	s->n_vcpus += !m->helper;
	if (m == &s->members[s->n_members])
		atomic_store_explicit(&s->n_members, s->n_members + 1, memory_order_release);
	/* the others' alarms were for the whole of what is left, and this one has no level yet */
	if (server_open(s)) {
		server_level(s, s->level);
		server_arm(s);
	}
	if (m->helper)
		helpers_arm(s);
}

static enum vmrt_status add_process(struct hsf_server *s, pid_t pid, struct vmrt_error *err)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i] == pid)
			return VMRT_OK;
	if (s->n_processes == HSF_MAX_PROCESSES)
		return vmrt_fail(err, VMRT_ERANGE,
			"server %s has threads of more than %d processes", s->name,
			HSF_MAX_PROCESSES);
	s->process_fds[s->n_processes] = hsf_process_open(pid);
	s->processes[s->n_processes++] = pid;
	return VMRT_OK;
}

enum vmrt_status hsf_enforcer_adopt(struct hsf_enforcer *e, struct hsf_server *s, pid_t pid,
	pid_t tid, bool helper, struct vmrt_error *err)
{
	struct to_adopt a = {
		.member = {.server = s, .pid = pid, .tid = tid, .helper = helper},
		.err = err,
	};
	struct hsf_member *m = &a.member;
	enum vmrt_status status = VMRT_OK;
	struct hsf_settings has;

	/* one that its owner has raised does not have the flag that ours have */
	if (helper && hsf_settings_read(tid, &has) == 0 && has.policy == SCHED_FIFO && has.flags)
		m->level = (int)has.priority;
	s->enforcer = e;
	if (s->params.depletion == VMRT_DEPLETION_HARD)
		status = add_process(s, pid, err);
	if (status == VMRT_OK)
		status = hsf_clock_open(&m->clock, tid, err);
	if (status == VMRT_OK && !helper && hsf_rules_for(s->params.policy)->by_activation)
		status = hsf_switches_open(&m->switches, tid, err);
	if (status == VMRT_OK) {
		command(e, do_adopt, &a, false);
		status = a.status;
	}
	/* what has come back is a former member that has ended, or nothing; or it was not taken */
	if (status != VMRT_OK || m->tid != tid) {
		hsf_clock_close(&m->clock);
		hsf_switches_close(&m->switches);
	}
	return status;
}

struct to_set {
	struct hsf_server *server;
	const struct hsf_params *params;
};

static void do_set(struct hsf_enforcer *e, void *arg)
{
	struct to_set *a = arg;

	(void)e;
	a->server->next = *a->params;
	a->server->changing = true;
	hsf_budget_rouse(&a->server->budget, vmrt_now_ns());
}

enum vmrt_status hsf_enforcer_set(struct hsf_enforcer *e, struct hsf_server *s,
	const struct hsf_params *params, struct vmrt_error *err)
{
	const struct hsf_rules *rules = hsf_rules_for(params->policy);
	struct to_set a = {s, params};
	enum vmrt_status status;

	if (!rules || rules->measures || s->budget.rules->measures)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"server %s: policy %s cannot become %s while it is in force: detach it, "
			"and attach it anew",
			s->name, vmrt_policy_name(s->params.policy),
			vmrt_policy_name(params->policy));
	status = equip(e, s, rules, err);
	if (status != VMRT_OK)
		return status;
	command(e, do_set, &a, false);
	return VMRT_OK;
}

static void do_introduce(struct hsf_enforcer *e, void *arg)
{
	const struct vmrt_marker *const *marker = arg, *all = e->marker;

	e->marker = *marker;
	for (size_t i = 0; i < e->n; i++)
		if (!e->servers[i]->budget.rules->measures)
			server_mark_start(e->servers[i]);
	e->marker = all;
}

void hsf_enforcer_introduce(struct hsf_enforcer *e, const struct vmrt_marker *marker)
{
	command(e, do_introduce, &marker, false);
}

struct to_read {
	struct hsf_server *server;
	struct hsf_state *out;
};

static void do_read(struct hsf_enforcer *e, void *arg)
{
	struct to_read *a = arg;
	struct hsf_server *s = a->server;
	struct hsf_state *out = a->out;

	server_look_at_all(s);
	out->params = s->params;
	out->changing = s->changing;
	out->eligible = s->budget.eligible;
	out->suspended = s->suspended;
	out->k = s->budget.k;
	if (s->budget.dormant)
		out->k = (vmrt_now_ns() - s->budget.t0) / s->budget.period_ns;
	out->left_ns =
		s == e->slot ? arrange_slot_end(e) - vmrt_now_ns() : hsf_budget_left(&s->budget);
	out->skipped = s->budget.skipped;
	out->n_vcpus = s->n_vcpus;
	out->n_helpers = 0;
	for (size_t i = 0; i < server_members(s); i++)
		out->n_helpers += s->members[i].helper && !s->members[i].gone;
	out->figures = s->figures;
}

void hsf_enforcer_read(struct hsf_enforcer *e, struct hsf_server *s, struct hsf_state *out)
{
	struct to_read a = {s, out};

	command(e, do_read, &a, false);
}

static void take_away(struct hsf_enforcer *e, size_t i)
{
	struct hsf_server *s = e->servers[i];

	if (e->slot == s)
		e->slot = NULL;
	e->servers[i] = e->servers[--e->n];
	atomic_store(&e->count, e->n);
	server_release(s);
}

static void do_remove(struct hsf_enforcer *e, void *arg)
{
	for (size_t i = 0; i < e->n; i++) {
		if (e->servers[i] == arg) {
			take_away(e, i);
			break;
		}
	}
	arrange(e, vmrt_now_ns());
}

void hsf_enforcer_remove(struct hsf_enforcer *e, struct hsf_server *s)
{
	command(e, do_remove, s, false);
	idle_free(s->idle);
	s->idle = NULL;
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

static void do_cost(struct hsf_enforcer *e, void *arg)
{
	struct hsf_cost *out = arg;
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	*out = e->cost;
	if (e->started)
		out->cpu_ns = used.tv_sec * VMRT_NS_PER_S + used.tv_nsec;
	for (size_t i = 0; i < e->n; i++)
		if (e->servers[i]->idle)
			out->cpu_ns += idle_cpu_ns(e->servers[i]->idle);
}

void hsf_enforcer_cost(struct hsf_enforcer *e, struct hsf_cost *out)
{
	command(e, do_cost, out, false);
}

static void do_stop(struct hsf_enforcer *e, void *arg)
{
	(void)arg;
	do_cost(e, &e->cost);
	while (e->n)
		take_away(e, e->n - 1);
}

void hsf_enforcer_stop(struct hsf_enforcer *e)
{
	if (!e->started)
		return;
	command(e, do_stop, NULL, true);
	pthread_join(e->thread, NULL);
	e->started = false;
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

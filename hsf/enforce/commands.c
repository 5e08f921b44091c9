/* SPDX-License-Identifier: MIT */
/* The commands that other threads give to an enforcer: add, change, read and remove servers and
 * their members. The enforcer's thread carries out each command between two events. */
#include "enforcer.h"
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define LEAST_LEAD_NS (50 * VMRT_NS_PER_US)

/* Opens what the policy needs besides clocks. This is done here because the enforcer's thread must
 * not wait for it. */
static enum vmrt_status equip(struct hsf_enforcer *e, struct hsf_server *s,
	const struct hsf_rules *rules, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (rules->discards && !s->idle) {
		status = idle_new(s, &s->idle, err);
		if (status == VMRT_OK &&
			enforcer_watch(e, idle_fd(s->idle), EPOLLIN | EPOLLET, ABOUT_IDLE(s)) != 0)
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
	/* on a busy CPU the command may be carried out late; the grid of replenishments stays the
	 * same */
	if (late > 0 && s->params.period_ns > 0)
		a->t0 += (late + s->params.period_ns - 1) / s->params.period_ns *
			 s->params.period_ns;
	hsf_budget_init(&s->budget, hsf_rules_for(s->params.policy), s->params.period_ns,
		s->params.budget_ns, a->t0);
	e->servers[e->n++] = s;
	atomic_store(&e->count, e->n);
	/* a server that is only measured gets no marker: what a policy of the kernel does is shown
	 * by the kernel's own events */
	if (!s->budget.rules->measures) {
		server_hold(s);
		server_mark_start(s);
	}
	enforcer_note_begun(e);
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
	enforcer_do(e, do_add, &a, false);
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

	enforcer_do(e, do_try, &a, false);
	return a.errnum;
}

struct to_adopt {
	struct hsf_member member; /* this member is exchanged with the one whose place it takes */
	struct vmrt_error *err;
	enum vmrt_status status;
};

/* Returns a new place. A helper thread gets the place of a helper that has ended, if there is one,
 * because a VM may start and end any number of helpers. */
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
	/* edge-triggered, so that a descriptor that stays readable wakes the thread only once */
	if (enforcer_watch(e, a->member.clock.alarm, EPOLLIN | EPOLLET, ABOUT_MEMBER(m)) != 0) {
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
	/* the alarms of the other members were set for all of the budget that is left, and the new
	 * member has no level yet */
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

	/* a thread that its owner has raised lacks the reset-on-fork flag, which vmrt-hsf sets */
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
		enforcer_do(e, do_adopt, &a, false);
		status = a.status;
	}
	/* the command has exchanged the new member for a former member that has ended or for an
	 * empty place, or it did not take the new member: in each case close what came back */
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
	hsf_budget_leave_dormancy(&a->server->budget, vmrt_now_ns());
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
	enforcer_do(e, do_set, &a, false);
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
	enforcer_do(e, do_introduce, &marker, false);
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

	server_read_clocks(s);
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

	enforcer_do(e, do_read, &a, false);
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
	enforcer_do(e, do_remove, s, false);
	idle_free(s->idle);
	s->idle = NULL;
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
	enforcer_do(e, do_cost, out, false);
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
	enforcer_do(e, do_stop, NULL, true);
	pthread_join(e->thread, NULL);
	e->started = false;
}

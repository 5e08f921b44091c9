/* SPDX-License-Identifier: MIT */
/* One server: charges what its members consumed, and makes them run or wait. */
#include "enforcer.h"
#include "settings.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

void server_lose(struct hsf_member *m)
{
	struct hsf_server *s = m->server;
	uint64_t one = 1;

	if (m->gone)
		return;
	m->gone = true;
	epoll_ctl(s->enforcer->epoll, EPOLL_CTL_DEL, m->clock.alarm, NULL);
	if (m->helper || --s->n_vcpus)
		return;
	atomic_store(&s->gone, true);
	(void)!write(s->enforcer->news, &one, sizeof(one));
}

/* Is the consumption of @m taken from the budget? */
static bool charged(const struct hsf_server *s, const struct hsf_member *m)
{
	return !m->helper || s->params.charge_helpers;
}

/* Returns what @m has consumed since the last reading. */
static int64_t read_clock(struct hsf_server *s, struct hsf_member *m)
{
	int64_t count = hsf_clock_read(&m->clock), used;

	if (count < 0)
		return 0;
	used = count - m->count;
	m->count = count;
	if (m->helper) {
		s->helpers_used_ns += used;
		s->figures.helpers_ns += used;
	} else if (server_open(s) || s->budget.rules->measures)
		s->figures.served_ns += used;
	else
		s->figures.background_ns += used;
	return used;
}

static bool anybody_awake(const struct hsf_server *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s->members[i].awake && !s->members[i].gone)
			return true;
	return false;
}

/* Returns the member with the oldest switch that was not processed; NULL if there is none. */
static struct hsf_member *oldest_switch(
	struct hsf_server *s, size_t n, struct hsf_switch *heads, bool *have)
{
	struct hsf_member *best = NULL;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (!have[i])
			have[i] = hsf_switches_next(&s->members[i].switches, &heads[i]);
		if (have[i] && (!best || heads[i].ns < heads[at].ns)) {
			best = &s->members[i];
			at = i;
		}
	}
	return best;
}

/* Charges the consumption to activations by the members' switches. The clocks decide how much was
 * consumed in all; time that the switches do not explain counts as consumed just now. */
static enum hsf_action charge_activations(struct hsf_server *s, int64_t now)
{
	struct hsf_switch heads[HSF_MAX_MEMBERS];
	bool have[HSF_MAX_MEMBERS] = {false};
	enum hsf_action action = HSF_NOTHING;
	size_t n = server_members(s);
	struct hsf_member *m;

	while ((m = oldest_switch(s, n, heads, have))) {
		const struct hsf_switch *w = &heads[m - s->members];

		have[m - s->members] = false;
		if (w->in && !anybody_awake(s, n))
			hsf_budget_wake(&s->budget, w->ns);
		if (w->lost && !anybody_awake(s, n))
			hsf_budget_wake(&s->budget, now);
		if (w->in) {
			m->awake = true;
			m->since_ns = w->ns;
		} else if (!w->lost) {
			int64_t ran = m->since_ns ? w->ns - m->since_ns : 0;

			m->awake = !w->blocked;
			m->since_ns = 0;
			if (server_open(s) && ran > 0) {
				m->ahead_ns += ran;
				if (hsf_budget_use(&s->budget, w->ns, ran) == HSF_DEPLETED)
					action = HSF_DEPLETED;
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		int64_t used;

		m = &s->members[i];
		if (!charged(s, m))
			continue;
		used = read_clock(s, m);
		if (!server_open(s))
			continue;
		used -= m->ahead_ns;
		m->ahead_ns = used < 0 ? -used : 0;
		if (used > 0 && hsf_budget_use(&s->budget, now, used) == HSF_DEPLETED)
			action = HSF_DEPLETED;
	}
	return action;
}

enum hsf_action server_charge(struct hsf_server *s, int64_t now)
{
	size_t n = server_members(s);
	int64_t used = 0;

	if (s->budget.rules->by_activation)
		return charge_activations(s, now);
	for (size_t i = 0; i < n; i++)
		used += charged(s, &s->members[i]) ? read_clock(s, &s->members[i]) : 0;
	if (s->budget.rules->by_slot || (!server_open(s) && !s->budget.rules->measures))
		return HSF_NOTHING;
	return hsf_budget_use(&s->budget, now, used);
}

void server_spent(struct hsf_server *s, bool gave_up)
{
	s->spent = true;
	s->gave_up = gave_up;
	if (s->budget.rules->by_activation)
		s->over_ns = -hsf_sporadic_left(&s->budget);
	else
		s->over_ns = s->budget.used_ns - s->budget.budget_ns;
}

bool server_alarmed(const struct hsf_server *s, const struct hsf_member *m)
{
	return charged(s, m) && server_open(s) && !s->budget.rules->by_slot &&
	       !s->budget.rules->measures;
}

void server_arm(struct hsf_server *s)
{
	/* any consumption ends the dormancy of a budget, so the alarm is set for the shortest
	 * step */
	int64_t left = s->budget.dormant ? HSF_LEAST_STEP_NS : hsf_budget_left(&s->budget), step;
	size_t alive = 0, n = server_members(s);

	for (size_t i = 0; i < n; i++)
		alive += !s->members[i].gone && charged(s, &s->members[i]);
	step = hsf_step(left, alive, hsf_latency_early(&s->latency));
	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];

		if (m->gone || !charged(s, m))
			continue;
		if (!server_alarmed(s, m)) {
			hsf_clock_disarm(&m->clock);
			continue;
		}
		hsf_clock_arm(&m->clock, step);
		m->armed = m->count + step;
	}
	if (s->params.charge_helpers)
		helpers_arm(s);
}

static void signal_processes(const struct hsf_server *s, int number)
{
	for (size_t i = 0; i < s->n_processes; i++)
		hsf_process_signal(s->process_fds[i], s->processes[i], number);
}

void server_hold(struct hsf_server *s)
{
	if (s->params.depletion == VMRT_DEPLETION_HARD)
		signal_processes(s, SIGSTOP);
}

/*
 * Sets the level of all members.
 *
 * Processes that are stopped get their priority before they continue. Helper threads are moved in
 * the same step: before the vCPU threads if these rise, and after them if they fall, so that the
 * VM's main loop is never below a vCPU thread.
 */
void server_level(struct hsf_server *s, int level)
{
	bool hard = s->params.depletion == VMRT_DEPLETION_HARD;
	int helpers = hsf_params_priority(&s->params) + HSF_HELPER_ABOVE;
	size_t n = server_members(s);

	if (level && helpers > s->helper_level)
		helpers_level(s, helpers);
	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];
		int rc;

		if (m->gone || m->helper || m->level == level || (hard && !level))
			continue;
		rc = level ? hsf_raise(m->tid, level) : hsf_demote(m->tid, s->params.background);
		if (rc)
			server_lose(m);
		m->level = level;
	}
	if (hard && !level != !s->level)
		signal_processes(s, level ? SIGCONT : SIGSTOP);
	if (level && helpers < s->helper_level)
		helpers_level(s, helpers);
	s->level = level;
}

void server_read_clocks(struct hsf_server *s)
{
	size_t n = server_members(s);

	for (size_t i = 0; i < n; i++)
		if (!charged(s, &s->members[i]))
			read_clock(s, &s->members[i]);
}

/* Members must not stay stopped, even if other calls fail. */
void server_release(struct hsf_server *s)
{
	size_t n = server_members(s);

	server_charge(s, vmrt_now_ns());
	server_read_clocks(s);
	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];

		if (m->gone)
			continue;
		if (!m->helper && m->level)
			hsf_demote(m->tid, VMRT_BACKGROUND_OTHER);
		m->level = 0;
		m->held = false;
		hsf_clock_disarm(&m->clock);
		epoll_ctl(s->enforcer->epoll, EPOLL_CTL_DEL, m->clock.alarm, NULL);
	}
	if (s->params.depletion == VMRT_DEPLETION_HARD)
		signal_processes(s, SIGCONT);
	if (s->idle)
		epoll_ctl(s->enforcer->epoll, EPOLL_CTL_DEL, idle_fd(s->idle), NULL);
	s->level = 0;
	if (!s->budget.rules->measures)
		vmrt_mark(s->enforcer->marker, "vmrt srv_stop server=%s", s->name);
}

void server_mark_start(const struct hsf_server *s)
{
	const struct hsf_params *p = &s->params;
	char vm[VMRT_NAME_MAX];

	/* markers are words separated by spaces */
	snprintf(vm, sizeof(vm), "%s", s->vm);
	for (char *c = vm; *c; c++)
		if (*c == ' ')
			*c = '_';
	vmrt_mark(s->enforcer->marker,
		"vmrt srv_start server=%s vm=%s policy=%s depletion=%s period=%" PRId64
		" budget=%" PRId64 " priority=%d t0=%" PRId64 "%s",
		s->name, vm, vmrt_policy_name(p->policy), vmrt_depletion_name(p->depletion),
		p->period_ns, p->budget_ns, hsf_params_priority(p), s->budget.t0,
		p->charge_helpers ? " helpers=charged" : "");
}

enum vmrt_status hsf_server_new(const char *name, const char *vm, pid_t pid, int cpu,
	const struct hsf_params *params, struct hsf_server **out, struct vmrt_error *err)
{
	struct hsf_server *s = calloc(1, sizeof(*s));

	if (!s)
		return vmrt_fail(err, VMRT_ENOMEM, "server %s: out of memory", name);
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->vm, sizeof(s->vm), "%s", vm);
	s->pid = pid;
	s->cpu = cpu;
	s->params = *params;
	s->helper_level = hsf_params_priority(params) + HSF_HELPER_ABOVE;
	hsf_latency_init(&s->latency);
	*out = s;
	return VMRT_OK;
}

void hsf_server_free(struct hsf_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < server_members(s); i++) {
		hsf_clock_close(&s->members[i].clock);
		hsf_switches_close(&s->members[i].switches);
	}
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->process_fds[i] >= 0)
			close(s->process_fds[i]);
	idle_free(s->idle);
	free(s);
}

bool hsf_server_gone(const struct hsf_server *s)
{
	return atomic_load(&s->gone);
}

void hsf_params_from(struct hsf_params *out, const struct vmrt_server_spec *spec)
{
	*out = (struct hsf_params){
		.policy = spec->policy,
		.depletion = spec->depletion,
		.background = spec->background,
		.charge_helpers = spec->charge_helpers,
		.period_ns = spec->period_ns,
		.budget_ns = spec->budget_ns,
		.priority = spec->priority,
	};
}

int hsf_params_priority(const struct hsf_params *p)
{
	return p->policy == VMRT_POLICY_EDF ? HSF_DEADLINE_PRIORITY : p->priority;
}

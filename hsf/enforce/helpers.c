/* SPDX-License-Identifier: MIT */
/*
 * The helper threads of a VM: its main loop, iothreads, workers.
 *
 * Helpers run above the vCPU threads, so that the guest gets its timers and its input. But a guest
 * can keep its helpers busy. So all helpers together may use as much time in a period at their
 * priority as the server's budget is; after that they are ordinary threads until the end of the
 * period.
 */
#include "enforcer.h"
#include "hsf/rules/admission.h"
#include "settings.h"

#include <string.h>

/* Returns what the helpers may use in a period; 0: there is no limit, because this server gives no
 * priorities. */
static int64_t limit_of(const struct hsf_server *s)
{
	if (s->params.policy == VMRT_POLICY_NONE || s->params.period_ns <= 0)
		return 0;
	return s->params.budget_ns > HSF_LEAST_BUDGET_NS ? s->params.budget_ns
							 : HSF_LEAST_BUDGET_NS;
}

static bool is_ours(const struct hsf_member *m)
{
	return m->helper && !m->gone && m->level > 0;
}

void helpers_arm(struct hsf_server *s)
{
	int64_t limit = limit_of(s), step;
	size_t alive = 0, n = server_members(s);

	if (!limit || s->helpers_until_ns)
		return;
	for (size_t i = 0; i < n; i++)
		alive += is_ours(&s->members[i]);
	step = hsf_step(limit - s->helpers_used_ns, alive, 0);
	for (size_t i = 0; i < n; i++)
		if (is_ours(&s->members[i]) && !server_alarmed(s, &s->members[i]))
			hsf_clock_arm(&s->members[i].clock, step);
}

static void begin_window(struct hsf_server *s, int64_t now)
{
	s->helpers_from_ns = now;
	s->helpers_used_ns = 0;
}

/* Only threads that still have the settings that vmrt-hsf gave them are changed: settings that
 * their owner made since then stay. */
static bool has_our_priority(const struct hsf_member *m)
{
	struct hsf_settings now;

	return hsf_settings_read(m->tid, &now) == 0 && now.policy == SCHED_FIFO &&
	       (int)now.priority == m->level;
}

static void hold_back(struct hsf_server *s)
{
	size_t n = server_members(s);

	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];

		m->held = is_ours(m) && has_our_priority(m) &&
			  hsf_demote(m->tid, VMRT_BACKGROUND_OTHER) == 0;
		if (is_ours(m))
			hsf_clock_disarm(&m->clock);
	}
	s->helpers_until_ns = s->helpers_from_ns + s->params.period_ns;
	s->figures.helper_holds++;
}

void helpers_limit(struct hsf_server *s, int64_t now)
{
	int64_t limit = limit_of(s);

	server_read_clocks(s);
	if (!limit || s->helpers_until_ns)
		return;
	if (now - s->helpers_from_ns >= s->params.period_ns)
		begin_window(s, now);
	if (s->helpers_used_ns >= limit)
		hold_back(s);
	else
		helpers_arm(s);
}

int64_t helpers_next(const struct hsf_server *s)
{
	return s->helpers_until_ns ? s->helpers_until_ns : HSF_NEVER;
}

void helpers_release(struct hsf_server *s, int64_t now)
{
	size_t n = server_members(s);

	if (!s->helpers_until_ns || now < s->helpers_until_ns)
		return;
	server_read_clocks(s);
	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];

		if (m->held && !m->gone)
			hsf_raise(m->tid, m->level);
		m->held = false;
	}
	s->helpers_until_ns = 0;
	begin_window(s, now);
	helpers_arm(s);
}

void helpers_level(struct hsf_server *s, int level)
{
	size_t n = server_members(s);

	for (size_t i = 0; i < n; i++) {
		struct hsf_member *m = &s->members[i];

		if (!is_ours(m) || m->level != s->helper_level)
			continue;
		if (!m->held && !has_our_priority(m))
			continue;
		if (m->held || hsf_raise(m->tid, level) == 0)
			m->level = level;
	}
	s->helper_level = level;
}

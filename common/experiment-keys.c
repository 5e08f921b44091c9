/* SPDX-License-Identifier: MIT */
/* The keys of an experiment file: the keys of each section, and the values that each takes. */
#include "experiment-local.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment-text.h"

#define MAX_CPU 1023

#define LONGEST_NS (1000 * INT64_C(86400) * VMRT_NS_PER_S)

static int set_duration(
	struct experiment_parser *p, int line, const char *key, const char *value, int64_t *out)
{
	enum vmrt_status status = vmrt_parse_duration(value, p->exp->tick_ns, out);

	if (status == VMRT_OK && *out > LONGEST_NS)
		status = VMRT_ERANGE;
	switch (status) {
	case VMRT_OK:
		return 1;
	case VMRT_ERANGE:
		return experiment_complain(p, line, "%s = %.60s is too long", key, value);
	default:
		return experiment_complain(p, line,
			"%s = %.60s is not a duration: a number with ns, us, ms, s%s", key, value,
			p->exp->tick_ns ? " or tick"
					: " (for tick, set tick in [experiment] first)");
	}
}

static int set_priority(struct experiment_parser *p, int line, const char *value, int min, int *out)
{
	int64_t v;

	if (vmrt_parse_int(value, min, VMRT_PRIORITY_MAX, &v) != VMRT_OK)
		return experiment_complain(p, line,
			"priority = %.60s: give a whole number from %d to %d", value, min,
			VMRT_PRIORITY_MAX);
	*out = (int)v;
	return 1;
}

static int set_name(
	struct experiment_parser *p, int line, const char *key, const char *value, char *out)
{
	if (!experiment_name_is_sane(value, VMRT_NAME_MAX))
		return experiment_complain(p, line, "%s = %.80s: give 1 to %d printable characters",
			key, value, VMRT_NAME_MAX - 1);
	snprintf(out, VMRT_NAME_MAX, "%s", value);
	return 1;
}

#define WORD(name, text) text,
#define QUOTED(name, word) #word,

/* The index of @value among the allowed words; -1 if it is none of them, and then the error is
 * reported already. */
static int which_of(struct experiment_parser *p, int line, const char *key, const char *value,
	const char *const *words, size_t n)
{
	char allowed[256];
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(value, words[i]))
			return (int)i;
	for (size_t i = 0; i < n && used < sizeof(allowed); i++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s",
			!i	    ? ""
			: i + 1 < n ? ", "
				    : " and ",
			words[i]);
	experiment_complain(p, line, "%s = %.60s: allowed are %s", key, value, allowed);
	return -1;
}

/* Takes one of two words; *@second says whether it is the second one. */
static int set_choice(struct experiment_parser *p, int line, const char *key, const char *value,
	const char *one, const char *other, bool *second)
{
	const char *const words[] = {one, other};
	int index = which_of(p, line, key, value, words, 2);

	*second = index == 1;
	return index >= 0;
}

static int experiment_section_key(
	struct experiment_parser *p, const char *key, const char *value, int line)
{
	if (!strcmp(key, "name") && strpbrk(value, "\"'`$\\/;|&<>"))
		return experiment_complain(p, line,
			"name = %.80s: it names folders and files: leave out \" ' ` $ \\ / ; | & < "
			">",
			value);
	if (!strcmp(key, "name"))
		return set_name(p, line, key, value, p->exp->name);
	if (!strcmp(key, "tick"))
		return set_duration(p, line, key, value, &p->exp->tick_ns);
	return experiment_complain(
		p, line, "unknown key '%.60s' in [experiment]: allowed are name and tick", key);
}

/* "2", "2,3" or "2-3" */
static bool set_cpus(struct vmrt_server_spec *s, const char *value)
{
	char *end;

	s->n_cpus = 0;
	for (const char *at = value;; at = end + 1) {
		unsigned long from, to;

		if (!isdigit((unsigned char)*at))
			return false;
		from = to = strtoul(at, &end, 10);
		if (*end == '-') {
			at = end + 1;
			if (!isdigit((unsigned char)*at))
				return false;
			to = strtoul(at, &end, 10);
		}
		if (to < from || to > MAX_CPU || to - from >= VMRT_SERVER_CPUS - s->n_cpus)
			return false;
		for (; from <= to; from++)
			s->cpus[s->n_cpus++] = (int)from;
		if (!*end)
			break;
		if (*end != ',')
			return false;
	}
	s->cpu = s->cpus[0];
	return true;
}

static int set_user(struct experiment_parser *p, int line, const char *value, char *user)
{
	if (!*value || strlen(value) >= sizeof((struct vmrt_server_spec){0}.user) ||
		strpbrk(value, " :/\"'"))
		return experiment_complain(
			p, line, "user = %.60s: give the name or number of a user", value);
	strcpy(user, value);
	return 1;
}

static int server_key(struct experiment_parser *p, const char *key, const char *value, int line)
{
	struct vmrt_server_spec *s = &p->exp->servers[p->exp->n_servers - 1];
	bool second;

	if (!strcmp(key, "vm"))
		return set_name(p, line, key, value, s->vm);
	if (!strcmp(key, "user"))
		return set_user(p, line, value, s->user);
	if (!strcmp(key, "period"))
		return set_duration(p, line, key, value, &s->period_ns);
	if (!strcmp(key, "budget"))
		return set_duration(p, line, key, value, &s->budget_ns);
	if (!strcmp(key, "priority"))
		return set_priority(p, line, value, 2, &s->priority);
	if (!strcmp(key, "depletion")) {
		if (!set_choice(p, line, key, value, "soft", "hard", &second))
			return 0;
		s->depletion = second ? VMRT_DEPLETION_HARD : VMRT_DEPLETION_SOFT;
		return 1;
	}
	if (!strcmp(key, "background")) {
		if (!set_choice(p, line, key, value, "other", "idle", &second))
			return 0;
		s->background = second ? VMRT_BACKGROUND_IDLE : VMRT_BACKGROUND_OTHER;
		return 1;
	}
	if (!strcmp(key, "helpers"))
		return set_choice(p, line, key, value, "free", "charged", &s->charge_helpers);
	if (!strcmp(key, "together"))
		return set_choice(p, line, key, value, "no", "yes", &s->together);
	if (!strcmp(key, "cpu")) {
		if (!set_cpus(s, value))
			return experiment_complain(p, line,
				"cpu = %.60s: give the number of a host CPU, or a list such as 2,3 "
				"or "
				"2-3 with one for each vCPU, at most %d",
				value, VMRT_SERVER_CPUS);
		return 1;
	}
	if (!strcmp(key, "policy")) {
		static const char *const words[] = {VMRT_POLICY_LIST(WORD)};
		int index = which_of(p, line, key, value, words, sizeof(words) / sizeof(*words));

		if (index >= 0)
			s->policy = (enum vmrt_policy)index;
		return index >= 0;
	}
	return experiment_complain(p, line,
		"unknown key '%.60s' in [server %s]: allowed are vm, user, policy, period, budget, "
		"priority, "
		"depletion, background, helpers, together and cpu",
		key, s->name);
}

static int set_tid(struct experiment_parser *p, int line, const char *value, int32_t *out)
{
	int64_t v;

	if (vmrt_parse_int(value, 1, INT32_MAX, &v) != VMRT_OK)
		return experiment_complain(
			p, line, "tid = %.60s: give the number of a thread", value);
	*out = (int32_t)v;
	return 1;
}

/* A duration of a task, which may be missing, but must not be zero. */
static int set_task_duration(
	struct experiment_parser *p, int line, const char *key, const char *value, int64_t *out)
{
	const struct vmrt_task_spec *t = &p->exp->tasks[p->exp->n_tasks - 1];

	if (!set_duration(p, line, key, value, out))
		return 0;
	return *out > 0 || experiment_complain(p, line, "task %s/%s needs a %s above 0", t->machine,
				   t->name, key);
}

static int task_key(struct experiment_parser *p, const char *key, const char *value, int line)
{
	struct vmrt_task_spec *t = &p->exp->tasks[p->exp->n_tasks - 1];

	if (!strcmp(key, "period"))
		return set_task_duration(p, line, key, value, &t->period_ns);
	if (!strcmp(key, "release")) {
		static const char *const words[] = {VMRT_RELEASE_LIST(QUOTED)};
		int index = which_of(p, line, key, value, words, sizeof(words) / sizeof(*words));

		if (index >= 0)
			t->release = (enum vmrt_release)index;
		return index >= 0;
	}
	if (!strcmp(key, "wcet"))
		return set_duration(p, line, key, value, &t->wcet_ns);
	if (!strcmp(key, "deadline"))
		return set_task_duration(p, line, key, value, &t->deadline_ns);
	if (!strcmp(key, "min_distance"))
		return set_task_duration(p, line, key, value, &t->distance_ns);
	if (!strcmp(key, "offset"))
		return set_duration(p, line, key, value, &t->offset_ns);
	if (!strcmp(key, "priority"))
		return set_priority(p, line, value, 1, &t->priority);
	if (!strcmp(key, "thread"))
		return set_name(p, line, key, value, t->thread);
	if (!strcmp(key, "process"))
		return set_name(p, line, key, value, t->process);
	if (!strcmp(key, "tid"))
		return set_tid(p, line, value, &t->tid);
	return experiment_complain(p, line,
		"unknown key '%.60s' in [task %s/%s]: allowed are period, wcet, deadline, "
		"min_distance, offset, priority, release, thread, process and tid",
		key, t->machine, t->name);
}

int experiment_key(struct experiment_parser *p, const char *key, const char *value, int line)
{
	switch (p->section) {
	case IN_EXPERIMENT:
		return experiment_section_key(p, key, value, line);
	case IN_SERVER:
		return server_key(p, key, value, line);
	case IN_TASK:
		return task_key(p, key, value, line);
	default:
		return experiment_complain(p, line, "'%.60s' stands before any section", key);
	}
}

/* SPDX-License-Identifier: MIT */
#include <vmrt/experiment.h>
#include <vmrt/files.h>

#include <ctype.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_TOP 60	 /* rate-monotonic priority of the shortest period */
#define PRIORITY_MAX 97	 /* 98 and 99 are for the enforcer and the kernel */
#define MAX_ENTRIES 4096 /* servers or tasks in one file */
#define MAX_CPU 1023
#define MAX_FILE (1 << 20) /* bytes */

enum section { NO_SECTION, IN_EXPERIMENT, IN_SERVER, IN_TASK, BAD_SECTION };

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors begin UTF-8 text with it */

/* room for every key that a section may have, once */
#define KEYS_TEXT 192

struct parser {
	struct vmrt_experiment *exp;
	const char *name;
	struct vmrt_error *err;
	const char *rest; /* of the text */
	int line;	  /* being read */
	enum section section;
	char keys[KEYS_TEXT]; /* that this section has had, each with a blank before and behind */
	bool failed;
	bool has_experiment;
};

#define VMRT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char *vmrt_policy_name(enum vmrt_policy policy)
{
	static const char *const words[] = {
#define X(name, text) [VMRT_POLICY_##name] = text,
		VMRT_POLICY_LIST(X)
#undef X
	};

	return (size_t)policy < VMRT_ARRAY_SIZE(words) ? words[policy] : "unknown";
}

bool vmrt_policy_by_kernel(enum vmrt_policy policy)
{
	return policy == VMRT_POLICY_DEADLINE || policy == VMRT_POLICY_RT_GROUP ||
	       policy == VMRT_POLICY_CFS_QUOTA;
}

const char *vmrt_release_name(enum vmrt_release release)
{
	static const char *const words[] = {
#define X(name, text) [VMRT_RELEASE_##name] = text,
		VMRT_RELEASE_LIST(X)
#undef X
	};

	return (size_t)release < VMRT_ARRAY_SIZE(words) ? words[release] : "unknown";
}

const char *vmrt_depletion_name(enum vmrt_depletion depletion)
{
	return depletion == VMRT_DEPLETION_HARD ? "hard" : "soft";
}

/* Complains with file and line; returns 0, which the INI reader's callbacks say for "failed". */
static int complain(struct parser *p, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(struct parser *p, int line, const char *fmt, ...)
{
	char text[VMRT_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vmrt_fail(p->err, VMRT_EINVAL, "%s:%d: %s", p->name, line, text);
	p->failed = true;
	return 0;
}

static bool name_is_sane(const char *name, size_t room)
{
	if (!*name || strlen(name) >= room)
		return false;
	for (; *name; name++)
		if (!isprint((unsigned char)*name) || strchr("\"'`$\\/;|&<>", *name))
			return false;
	return true;
}

static int begin_server(struct parser *p, const char *name, int line)
{
	struct vmrt_experiment *exp = p->exp;
	struct vmrt_server_spec *s;

	if (!name_is_sane(name, VMRT_NAME_MAX) || strchr(name, ' '))
		return complain(p, line,
			"'%.80s' cannot be a server's name: 1 to %d plain characters, no spaces",
			name, VMRT_NAME_MAX - 1);
	if (vmrt_experiment_server(exp, name))
		return complain(p, line, "server %s is defined twice (first on line %d)", name,
			vmrt_experiment_server(exp, name)->line);
	if (exp->n_servers >= MAX_ENTRIES)
		return complain(p, line, "more than %d servers", MAX_ENTRIES);
	s = realloc(exp->servers, (exp->n_servers + 1) * sizeof(*s));
	if (!s)
		return complain(p, line, "%s", "out of memory");
	exp->servers = s;
	s += exp->n_servers++;
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->vm, sizeof(s->vm), "%s", name);
	s->policy = VMRT_POLICY_DEFERRABLE;
	s->cpu = -1;
	s->line = line;
	return 1;
}

static int begin_task(struct parser *p, const char *name, int line)
{
	struct vmrt_experiment *exp = p->exp;
	const char *slash = strchr(name, '/');
	char machine[VMRT_NAME_MAX];
	struct vmrt_task_spec *t;

	if (!slash)
		return complain(p, line,
			"[task %.80s] names no machine: write [task VM/NAME] or [task %s/NAME]",
			name, VMRT_HOST);
	snprintf(machine, sizeof(machine), "%.*s", (int)(slash - name), name);
	if (slash - name >= VMRT_NAME_MAX || !name_is_sane(machine, sizeof(machine)))
		return complain(p, line, "'%.80s' cannot be a machine's name", machine);
	if (!name_is_sane(slash + 1, VMRT_COMM_MAX))
		return complain(p, line,
			"'%.80s' cannot be a task's name: thread names have 1 to %d plain "
			"characters",
			slash + 1, VMRT_COMM_MAX - 1);
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, machine) &&
			!strcmp(exp->tasks[i].name, slash + 1))
			return complain(p, line, "task %.80s is defined twice (first on line %d)",
				name, exp->tasks[i].line);
	if (exp->n_tasks >= MAX_ENTRIES)
		return complain(p, line, "more than %d tasks", MAX_ENTRIES);
	t = realloc(exp->tasks, (exp->n_tasks + 1) * sizeof(*t));
	if (!t)
		return complain(p, line, "%s", "out of memory");
	exp->tasks = t;
	t += exp->n_tasks++;
	memset(t, 0, sizeof(*t));
	snprintf(t->machine, sizeof(t->machine), "%s", machine);
	snprintf(t->name, sizeof(t->name), "%s", slash + 1);
	t->line = line;
	return 1;
}

static int begin_section(struct parser *p, const char *section, int line)
{
	if (!strcmp(section, "experiment")) {
		if (p->has_experiment)
			return complain(p, line, "the section [experiment] occurs twice");
		p->has_experiment = true;
		p->section = IN_EXPERIMENT;
		return 1;
	}
	if (!strncmp(section, "server ", 7)) {
		p->section = IN_SERVER;
		return begin_server(p, section + 7 + strspn(section + 7, " \t"), line);
	}
	if (!strncmp(section, "task ", 5)) {
		p->section = IN_TASK;
		return begin_task(p, section + 5 + strspn(section + 5, " \t"), line);
	}
	p->section = BAD_SECTION;
	return complain(p, line,
		"unknown section [%.80s]: allowed are [experiment], [server NAME] and [task "
		"MACHINE/NAME]",
		section);
}

static int set_duration(
	struct parser *p, int line, const char *key, const char *value, int64_t *out)
{
	switch (vmrt_parse_duration(value, p->exp->tick_ns, out)) {
	case VMRT_OK:
		return 1;
	case VMRT_ERANGE:
		return complain(p, line, "%s = %.60s is too long", key, value);
	default:
		return complain(p, line,
			"%s = %.60s is not a duration: a number with ns, us, ms, s%s", key, value,
			p->exp->tick_ns ? " or tick"
					: " (for tick, set tick in [experiment] first)");
	}
}

static int set_priority(struct parser *p, int line, const char *value, int min, int *out)
{
	int64_t v;

	if (vmrt_parse_int(value, min, PRIORITY_MAX, &v) != VMRT_OK)
		return complain(p, line, "priority = %.60s: give a whole number from %d to %d",
			value, min, PRIORITY_MAX);
	*out = (int)v;
	return 1;
}

static int set_name(struct parser *p, int line, const char *key, const char *value, char *out)
{
	if (!name_is_sane(value, VMRT_NAME_MAX))
		return complain(p, line, "%s = %.80s: give 1 to %d plain characters", key, value,
			VMRT_NAME_MAX - 1);
	snprintf(out, VMRT_NAME_MAX, "%s", value);
	return 1;
}

/* One of two words: *@second tells whether it is the second. */
static int set_choice(struct parser *p, int line, const char *key, const char *value,
	const char *one, const char *other, bool *second)
{
	*second = !strcmp(value, other);
	return *second || !strcmp(value, one) ||
	       complain(p, line, "%s = %.60s: allowed are %s and %s", key, value, one, other);
}

/* What is not a VM but a cgroup or threads by their names may have slashes. */
static int set_vm(struct parser *p, int line, const char *value, char *out)
{
	char plain[VMRT_NAME_MAX + 1];

	snprintf(plain, sizeof(plain), "%.*s", VMRT_NAME_MAX, value);
	for (char *c = plain;
		*c && (!strncmp(value, "cgroup:", 7) || !strncmp(value, "thread:", 7)); c++)
		if (*c == '/')
			*c = '.';
	if (!name_is_sane(plain, VMRT_NAME_MAX))
		return set_name(p, line, "vm", value, out);
	memcpy(out, value, strlen(value) + 1);
	return 1;
}

static int experiment_key(struct parser *p, const char *key, const char *value, int line)
{
	if (!strcmp(key, "name"))
		return set_name(p, line, key, value, p->exp->name);
	if (!strcmp(key, "tick"))
		return set_duration(p, line, key, value, &p->exp->tick_ns);
	return complain(
		p, line, "unknown key '%.60s' in [experiment]: allowed are name and tick", key);
}

static int server_key(struct parser *p, const char *key, const char *value, int line)
{
	struct vmrt_server_spec *s = &p->exp->servers[p->exp->n_servers - 1];
	int64_t number;
	bool second;

	if (!strcmp(key, "vm"))
		return set_vm(p, line, value, s->vm);
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
	if (!strcmp(key, "cpu")) {
		if (vmrt_parse_int(value, 0, MAX_CPU, &number) != VMRT_OK)
			return complain(
				p, line, "cpu = %.60s: give the number of a host CPU", value);
		s->cpu = (int)number;
		return 1;
	}
	if (!strcmp(key, "policy")) {
#define X(name, text)                                                                              \
	if (!strcmp(value, text)) {                                                                \
		s->policy = VMRT_POLICY_##name;                                                    \
		return 1;                                                                          \
	}
		VMRT_POLICY_LIST(X)
#undef X
		return complain(p, line,
			"policy = %.60s: allowed are none, periodic, polling, deferrable, "
			"sporadic, edf, deadline, "
			"rt_group and cfs_quota",
			value);
	}
	return complain(p, line,
		"unknown key '%.60s' in [server %s]: allowed are vm, policy, period, budget, "
		"priority, "
		"depletion, background, helpers and cpu",
		key, s->name);
}

static int task_key(struct parser *p, const char *key, const char *value, int line)
{
	struct vmrt_task_spec *t = &p->exp->tasks[p->exp->n_tasks - 1];

	if (!strcmp(key, "period")) {
		if (!set_duration(p, line, key, value, &t->period_ns))
			return 0;
		return t->period_ns > 0 ||
		       complain(p, line, "task %s/%s needs a period above 0", t->machine, t->name);
	}
	if (!strcmp(key, "release")) {
#define X(name, text)                                                                              \
	if (!strcmp(value, text)) {                                                                \
		t->release = VMRT_RELEASE_##name;                                                  \
		return 1;                                                                          \
	}
		VMRT_RELEASE_LIST(X)
#undef X
		return complain(p, line,
			"release = %.60s: allowed are auto, nanosleep, timerfd, itimer, posix, "
			"relative, resch and deadline",
			value);
	}
	if (!strcmp(key, "wcet"))
		return set_duration(p, line, key, value, &t->wcet_ns);
	if (!strcmp(key, "deadline"))
		return set_duration(p, line, key, value, &t->deadline_ns);
	if (!strcmp(key, "offset"))
		return set_duration(p, line, key, value, &t->offset_ns);
	if (!strcmp(key, "priority"))
		return set_priority(p, line, value, 1, &t->priority);
	return complain(p, line,
		"unknown key '%.60s' in [task %s/%s]: allowed are period, wcet, deadline, offset, "
		"priority and release",
		key, t->machine, t->name);
}

/* A key that does not fit is an unknown one, since the room is for all that are known. */
static bool once(struct parser *p, const char *key)
{
	char word[KEYS_TEXT];
	size_t used = strlen(p->keys);
	int n = snprintf(word, sizeof(word), " %s ", key);

	if (strstr(p->keys, word))
		return false;
	if (n > 0 && used + (size_t)n < sizeof(p->keys))
		memcpy(p->keys + used, word, (size_t)n + 1);
	return true;
}

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct parser *p = user;

	(void)section; /* shortened by the reader library; next_line() has seen the whole one */
	if (p->failed)
		return 0;
	if (!value)
		value = "";
	if (!once(p, key))
		return complain(p, p->line, "'%.60s' is given twice in this section", key);
	switch (p->section) {
	case IN_EXPERIMENT:
		return experiment_key(p, key, value, p->line);
	case IN_SERVER:
		return server_key(p, key, value, p->line);
	case IN_TASK:
		return task_key(p, key, value, p->line);
	default:
		return complain(p, p->line, "'%.60s' stands before any section", key);
	}
}

/*
 * Hands the text line by line to the INI reader, which does not say what line it is at. Section
 * headers are taken here, so that empty and repeated sections are seen too.
 */
static char *next_line(char *buf, int room, void *user)
{
	struct parser *p = user;
	size_t n = strcspn(p->rest, "\n");
	const char *text = p->rest + strspn(p->rest, " \t");
	size_t len = n - (size_t)(text - p->rest);

	if (p->failed || !*p->rest)
		return NULL;
	p->line++;
	if ((int)n + 2 > room) {
		complain(p, p->line, "the line is longer than %d characters", room - 2);
		return NULL;
	}
	/* without its indentation, or the reader would take it for more of the value before */
	memcpy(buf, text, len);
	memcpy(buf + len, "\n", 2);
	if (len && *text == '[') {
		char section[256];
		size_t close = strcspn(text, "]\n");

		if (text[close] != ']' || close >= sizeof(section)) {
			complain(p, p->line, "the section header has no closing bracket");
			return NULL;
		}
		snprintf(section, sizeof(section), "%.*s", (int)close - 1, text + 1);
		p->keys[0] = '\0';
		begin_section(p, section, p->line);
	}
	p->rest += n + (p->rest[n] == '\n');
	return buf;
}

static int check_server(struct parser *p, struct vmrt_server_spec *s)
{
	char budget[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT];

	if (s->policy == VMRT_POLICY_NONE)
		return 1;
	if (s->period_ns <= 0)
		return complain(p, s->line, "server %s needs a period above 0", s->name);
	if (s->budget_ns <= 0)
		return complain(p, s->line, "server %s needs a budget above 0", s->name);
	if (s->budget_ns > s->period_ns)
		return complain(p, s->line, "budget %s of server %s is more than its period %s",
			vmrt_format_duration(s->budget_ns, budget), s->name,
			vmrt_format_duration(s->period_ns, period));
	if (!s->priority && s->policy != VMRT_POLICY_EDF && !vmrt_policy_by_kernel(s->policy))
		return complain(p, s->line, "server %s needs a priority from 2 to %d", s->name,
			PRIORITY_MAX);
	return 1;
}

static int check_task(struct parser *p, struct vmrt_task_spec *t)
{
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT];

	/* without either there is no deadline to judge by */
	if (!t->deadline_ns)
		t->deadline_ns = t->period_ns;
	if (t->deadline_ns && t->wcet_ns > t->deadline_ns)
		return complain(p, t->line, "wcet %s of task %s/%s is more than its deadline %s",
			vmrt_format_duration(t->wcet_ns, a), t->machine, t->name,
			vmrt_format_duration(t->deadline_ns, b));
	return 1;
}

/* Rate monotonic: does @t have the shorter period? Without one it comes last. */
static bool is_faster(const struct vmrt_task_spec *t, const struct vmrt_task_spec *than)
{
	return t->period_ns && (!than->period_ns || t->period_ns < than->period_ns);
}

/* Tasks without priority are ranked per machine among themselves. */
static void give_priorities(struct vmrt_experiment *exp)
{
	for (size_t i = 0; i < exp->n_tasks; i++) {
		struct vmrt_task_spec *t = &exp->tasks[i];
		int above = 0;

		if (t->priority > 0)
			continue;
		for (size_t j = 0; j < exp->n_tasks; j++) {
			const struct vmrt_task_spec *o = &exp->tasks[j];

			if (i != j && o->priority <= 0 && !strcmp(o->machine, t->machine) &&
				(is_faster(o, t) || (o->period_ns == t->period_ns && j < i)))
				above++;
		}
		/* negative while the others are still being ranked */
		t->priority = -(PRIORITY_TOP - above > 1 ? PRIORITY_TOP - above : 1);
	}
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (exp->tasks[i].priority < 0)
			exp->tasks[i].priority = -exp->tasks[i].priority;
}

static enum vmrt_status parse_text(struct parser *p, const char *text)
{
	int rc;

	p->rest = !strncmp(text, BYTE_ORDER_MARK, 3) ? text + 3 : text;
	rc = ini_parse_stream(next_line, p, on_pair, p);
	if (p->failed)
		return VMRT_EINVAL;
	if (rc > 0)
		return vmrt_fail(p->err, VMRT_EINVAL, "%s:%d: expected [section] or key = value",
			p->name, rc);
	if (rc < 0)
		return vmrt_fail(p->err, VMRT_ENOMEM, "%s: out of memory", p->name);
	for (size_t i = 0; i < p->exp->n_servers; i++)
		if (!check_server(p, &p->exp->servers[i]))
			return VMRT_EINVAL;
	for (size_t i = 0; i < p->exp->n_tasks; i++)
		if (!check_task(p, &p->exp->tasks[i]))
			return VMRT_EINVAL;
	give_priorities(p->exp);
	return VMRT_OK;
}

enum vmrt_status vmrt_experiment_parse(
	const char *text, const char *name, struct vmrt_experiment **out, struct vmrt_error *err)
{
	struct parser p = {.name = name, .err = err};
	enum vmrt_status status;

	p.exp = calloc(1, sizeof(*p.exp));
	if (!p.exp)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", name);
	status = parse_text(&p, text);
	if (status != VMRT_OK) {
		vmrt_experiment_free(p.exp);
		return status;
	}
	*out = p.exp;
	return VMRT_OK;
}

enum vmrt_status vmrt_experiment_load(
	const char *path, struct vmrt_experiment **out, struct vmrt_error *err)
{
	enum vmrt_status status;
	char *text;

	status = vmrt_read_file(path, MAX_FILE, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	status = vmrt_experiment_parse(text, path, out, err);
	free(text);
	return status;
}

void vmrt_experiment_free(struct vmrt_experiment *exp)
{
	if (!exp)
		return;
	free(exp->servers);
	free(exp->tasks);
	free(exp);
}

const struct vmrt_server_spec *vmrt_experiment_server(
	const struct vmrt_experiment *exp, const char *name)
{
	for (size_t i = 0; i < exp->n_servers; i++)
		if (!strcmp(exp->servers[i].name, name))
			return &exp->servers[i];
	return NULL;
}

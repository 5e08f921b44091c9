/* SPDX-License-Identifier: MIT */
/* Reads and checks experiment files. */
#include <vmrt/experiment.h>
#include <vmrt/files.h>

#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment-local.h"
#include "experiment-text.h"

#define PRIORITY_TOP 60		       /* rate-monotonic priority of the shortest period */
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors put it at the beginning of UTF-8 text */
#define MAX_ENTRIES 4096	       /* servers or tasks in one file */

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
#define X(name, word) [VMRT_RELEASE_##name] = #word,
		VMRT_RELEASE_LIST(X)
#undef X
	};

	return (size_t)release < VMRT_ARRAY_SIZE(words) ? words[release] : "unknown";
}

const char *vmrt_depletion_name(enum vmrt_depletion depletion)
{
	return depletion == VMRT_DEPLETION_HARD ? "hard" : "soft";
}

int experiment_complain(struct experiment_parser *p, int line, const char *fmt, ...)
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

/* Markers and requests to vmrt-hsf contain the server's name, so only some characters are allowed
 * in it. */
static bool is_server_name(const char *name)
{
	return experiment_name_is_sane(name, VMRT_NAME_MAX) && !strpbrk(name, " \"'`$\\/;|&<>");
}

static int begin_server(struct experiment_parser *p, const char *name, int line)
{
	struct vmrt_experiment *exp = p->exp;
	struct vmrt_server_spec *s;

	if (!is_server_name(name))
		return experiment_complain(p, line,
			"'%.80s' cannot be a server's name: 1 to %d plain characters, no spaces",
			name, VMRT_NAME_MAX - 1);
	if (vmrt_experiment_server(exp, name))
		return experiment_complain(p, line, "server %s is defined twice (first on line %d)",
			name, vmrt_experiment_server(exp, name)->line);
	if (exp->n_servers >= MAX_ENTRIES)
		return experiment_complain(p, line, "more than %d servers", MAX_ENTRIES);
	s = realloc(exp->servers, (exp->n_servers + 1) * sizeof(*s));
	if (!s)
		return experiment_complain(p, line, "%s", "out of memory");
	exp->servers = s;
	s += exp->n_servers++;
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%.*s", VMRT_NAME_MAX - 1, name);
	snprintf(s->vm, sizeof(s->vm), "%.*s", VMRT_NAME_MAX - 1, name);
	s->policy = VMRT_POLICY_DEFERRABLE;
	s->cpu = s->vcpu = -1;
	s->line = line;
	return 1;
}

/* Splits MACHINE/NAME at the first slash that is not quoted; in "MACHINE/NAME" at the first one. */
static int split_task(
	struct experiment_parser *p, const char *text, char *machine, char *name, int line)
{
	char first[MAX_SECTION], second[MAX_SECTION];
	const char *at = text, *why = experiment_word(&at, '/', first, sizeof(first));
	char *slash;

	if (!why && *at == '/') {
		at++;
		why = experiment_word(&at, '\0', second, sizeof(second));
	} else if (!why && text[strspn(text, " \t")] == '"' && (slash = strchr(first, '/'))) {
		snprintf(second, sizeof(second), "%s", slash + 1);
		*slash = '\0';
	} else if (!why) {
		return experiment_complain(p, line,
			"[task %.80s] names no machine: write [task VM/NAME] or [task %s/NAME]",
			text, VMRT_HOST);
	}
	if (why)
		return experiment_complain(p, line, "[task %.80s]: %s", text, why);
	if (!experiment_name_is_sane(first, VMRT_NAME_MAX))
		return experiment_complain(p, line, "'%.80s' cannot be a machine's name", first);
	if (!experiment_name_is_sane(second, VMRT_COMM_MAX))
		return experiment_complain(p, line,
			"'%.80s' cannot be a task's name: names of threads have 1 to %d bytes of "
			"printable UTF-8",
			second, VMRT_COMM_MAX - 1);
	snprintf(machine, VMRT_NAME_MAX, "%.*s", VMRT_NAME_MAX - 1, first);
	snprintf(name, VMRT_COMM_MAX, "%.*s", VMRT_COMM_MAX - 1, second);
	return 1;
}

static int begin_task(struct experiment_parser *p, const char *text, int line)
{
	struct vmrt_experiment *exp = p->exp;
	char machine[VMRT_NAME_MAX], name[VMRT_COMM_MAX];
	struct vmrt_task_spec *t;

	if (!split_task(p, text, machine, name, line))
		return 0;
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, machine) && !strcmp(exp->tasks[i].name, name))
			return experiment_complain(p, line,
				"task %s/%s is defined twice (first on line %d)", machine, name,
				exp->tasks[i].line);
	if (exp->n_tasks >= MAX_ENTRIES)
		return experiment_complain(p, line, "more than %d tasks", MAX_ENTRIES);
	t = realloc(exp->tasks, (exp->n_tasks + 1) * sizeof(*t));
	if (!t)
		return experiment_complain(p, line, "%s", "out of memory");
	exp->tasks = t;
	t += exp->n_tasks++;
	memset(t, 0, sizeof(*t));
	snprintf(t->machine, sizeof(t->machine), "%s", machine);
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->line = line;
	return 1;
}

static int begin_section(struct experiment_parser *p, const char *section, int line)
{
	if (!strcmp(section, "experiment")) {
		if (p->has_experiment)
			return experiment_complain(
				p, line, "the section [experiment] occurs twice");
		p->has_experiment = true;
		p->section = IN_EXPERIMENT;
		return 1;
	}
	if (!strncmp(section, "server ", 7)) {
		char name[MAX_SECTION];
		const char *at = section + 7, *why = experiment_word(&at, '\0', name, sizeof(name));

		p->section = IN_SERVER;
		return why ? experiment_complain(p, line, "[%.80s]: %s", section, why)
			   : begin_server(p, name, line);
	}
	if (!strncmp(section, "task ", 5)) {
		p->section = IN_TASK;
		return begin_task(p, section + 5 + strspn(section + 5, " \t"), line);
	}
	p->section = BAD_SECTION;
	return experiment_complain(p, line,
		"unknown section [%.80s]: allowed are [experiment], [server NAME] and [task "
		"MACHINE/NAME]",
		section);
}

/* Has this section not had @key before? p->keys has room for all known keys, so a key that does not
 * fit is unknown. */
static bool once(struct experiment_parser *p, const char *key)
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
	struct experiment_parser *p = user;

	(void)section; /* the INI reader has shortened it; next_line() has read the whole name */
	if (p->failed)
		return 0;
	if (!value)
		value = "";
	if (p->quoted)
		value = p->value;
	if (!once(p, key))
		return experiment_complain(
			p, p->line, "'%.60s' is given twice in this section", key);
	return experiment_key(p, key, value, p->line);
}

/* Reads a section header and gives the INI reader a short one, since the INI reader would end the
 * header at the first bracket. */
static bool take_header(struct experiment_parser *p, const char *text, size_t len, char *buf)
{
	char section[MAX_SECTION];
	const char *why = experiment_header(text, len, section, sizeof(section));

	if (why)
		return experiment_complain(p, p->line, "%s", why);
	strcpy(buf, "[section]\n");
	p->keys[0] = '\0';
	return begin_section(p, section, p->line);
}

/* Reads a value in quotes, since the INI reader would end the value at a ';'. */
static bool take_quoted(struct experiment_parser *p, const char *text, size_t len, char *buf)
{
	const char *equals = memchr(text, '=', len), *why;
	size_t from;

	if (!equals)
		return true;
	from = (size_t)(equals + 1 - text);
	while (from < len && (text[from] == ' ' || text[from] == '\t'))
		from++;
	if (from == len || text[from] != '"')
		return true;
	why = experiment_value(text + from, len - from, p->value, sizeof(p->value));
	if (why)
		return experiment_complain(p, p->line, "%.*s: %s", (int)len, text, why);
	p->quoted = true;
	memcpy(buf + from, "\n", 2);
	return true;
}

/*
 * Hands the text line by line to the INI reader, which does not say what line it is at. Section
 * headers are read here, because the INI reader does not report empty or repeated sections.
 */
static char *next_line(char *buf, int room, void *user)
{
	struct experiment_parser *p = user;
	size_t n = strcspn(p->rest, "\n");
	const char *text = p->rest + strspn(p->rest, " \t");
	size_t len = n - (size_t)(text - p->rest);

	if (p->failed || !*p->rest)
		return NULL;
	p->line++;
	/* a comment may have any length */
	if (len && strchr(";#", *text))
		len = 0;
	else if ((int)n + 2 > room) {
		experiment_complain(p, p->line, "the line is longer than %d characters", room - 2);
		return NULL;
	}
	/* the line without its indentation: the INI reader would take an indented line as part of
	 * the value before it */
	memcpy(buf, text, len);
	memcpy(buf + len, "\n", 2);
	p->quoted = false;
	if (len && *text == '[' && !take_header(p, text, len, buf))
		return NULL;
	if (len && !strchr("[;#", *text) && !take_quoted(p, text, len, buf))
		return NULL;
	p->rest += n + (p->rest[n] == '\n');
	return buf;
}

static int check_server(struct experiment_parser *p, struct vmrt_server_spec *s)
{
	char budget[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT];

	experiment_take_vcpu(s);
	if (s->together && s->vcpu >= 0)
		return experiment_complain(p, s->line,
			"server %s is for vCPU %d alone: together = yes is for a server of all "
			"vCPUs",
			s->name, s->vcpu);
	if (s->n_cpus > 1 && !vmrt_server_splits(s))
		return experiment_complain(p, s->line,
			"server %s: a list of CPUs has one for the server of each vCPU, but this "
			"one "
			"is a single server (%s): name one CPU",
			s->name,
			s->vcpu >= 0   ? "of one vCPU"
			: s->together  ? "together = yes"
			: s->depletion ? "depletion = hard"
				       : vmrt_policy_name(s->policy));
	if (s->policy == VMRT_POLICY_NONE)
		return 1;
	if (s->period_ns <= 0)
		return experiment_complain(p, s->line, "server %s needs a period above 0", s->name);
	if (s->budget_ns <= 0)
		return experiment_complain(p, s->line, "server %s needs a budget above 0", s->name);
	if (s->budget_ns > s->period_ns)
		return experiment_complain(p, s->line,
			"budget %s of server %s is more than its period %s",
			vmrt_format_duration(s->budget_ns, budget), s->name,
			vmrt_format_duration(s->period_ns, period));
	if (!s->priority && s->policy != VMRT_POLICY_EDF && !vmrt_policy_by_kernel(s->policy))
		return experiment_complain(p, s->line, "server %s needs a priority from 2 to %d",
			s->name, VMRT_PRIORITY_MAX);
	return 1;
}

bool vmrt_task_selects(const struct vmrt_task_spec *task)
{
	return task->thread[0] || task->process[0] || task->tid;
}

static int check_task(struct experiment_parser *p, struct vmrt_task_spec *t)
{
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT];

	t->by_priority = vmrt_task_selects(t) && t->priority > 0;
	if (t->distance_ns && t->release != VMRT_RELEASE_WAKEUP)
		return experiment_complain(p, t->line,
			"min_distance of task %s/%s needs release = wakeup: only a task that "
			"others release is sporadic",
			t->machine, t->name);
	/* for the analysis, a sporadic task is like a periodic one with its least distance */
	if (!t->period_ns)
		t->period_ns = t->distance_ns;
	/* if the task has no period either, it has no deadline */
	if (!t->deadline_ns)
		t->deadline_ns = t->period_ns;
	if (t->deadline_ns && t->wcet_ns > t->deadline_ns)
		return experiment_complain(p, t->line,
			"wcet %s of task %s/%s is more than its deadline %s",
			vmrt_format_duration(t->wcet_ns, a), t->machine, t->name,
			vmrt_format_duration(t->deadline_ns, b));
	return 1;
}

/* Rate monotonic: does @t have the shorter period? A task without a period comes last. */
static bool is_faster(const struct vmrt_task_spec *t, const struct vmrt_task_spec *than)
{
	return t->period_ns && (!than->period_ns || t->period_ns < than->period_ns);
}

/* Ranks the tasks without a priority, for each machine separately. */
static void assign_priorities(struct vmrt_experiment *exp)
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
		/* negative until all are ranked, so that the ranking sees which tasks had no
		 * priority */
		t->priority = -(PRIORITY_TOP - above > 1 ? PRIORITY_TOP - above : 1);
	}
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (exp->tasks[i].priority < 0)
			exp->tasks[i].priority = -exp->tasks[i].priority;
}

static enum vmrt_status parse_text(struct experiment_parser *p, const char *text)
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
	assign_priorities(p->exp);
	return VMRT_OK;
}

enum vmrt_status vmrt_experiment_parse(
	const char *text, const char *name, struct vmrt_experiment **out, struct vmrt_error *err)
{
	struct experiment_parser p = {.name = name, .err = err};
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

	status = vmrt_read_file(path, VMRT_EXPERIMENT_MAX, &text, NULL, err);
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

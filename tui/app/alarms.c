/* SPDX-License-Identifier: MIT */
/*
 * Alarms: conditions like those of vmrt-report --fail-if, judged at each update of the model. When
 * a condition becomes true for a task, server or machine, the alarm is shown, a program is started,
 * and a flight recorder saves its events. This happens again only after the condition was false in
 * between.
 */
#include "alarms.h"

#include <stdarg.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <vmrt/files.h>

#include "metrics/failif/failif.h"

#define TEXT 192
#define RUNNING_MAX 16
#define FACTS 16 /* variables in the environment of the program */

extern char **environ;

struct alarm {
	char *text;
	struct vmrt_condition condition;
	bool *true_of; /* by task, server or machine */
	bool about;    /* a task, server or machine of this name was found, or a warning said that
			  there is none */
	size_t n;
};

struct top_alarms {
	struct alarm *list;
	size_t n;
	char *program, *run;
	char words[TEXT], trouble[TEXT]; /* the last alarm; what could not be done for an alarm */
	char shown[2 * TEXT + 32];
	unsigned others;	 /* alarms of the same update as the last one */
	pid_t pids[RUNNING_MAX]; /* programs that were started; 0: a free place */
	size_t count;
	bool rang, rings; /* rang: an alarm rang since the last question; rings: an alarm rang in
			     the update that is being judged */
};

/* Reads a condition. "miss(t)" without a limit means more than zero, in the unit of the metric. */
static enum vmrt_status parse(struct alarm *a, const char *text, struct vmrt_error *err)
{
	static const char *const limits[] = {"", " > 0%", " > 0", " > 0ns"};
	bool whole = vmrt_condition_has_relation(text);
	size_t size = strlen(text) + 8;
	enum vmrt_status status = VMRT_EINVAL;

	a->text = malloc(size);
	if (!a->text)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = whole ? 0 : 1; i < (whole ? 1 : 4); i++) {
		snprintf(a->text, size, "%s%s", text, limits[i]);
		status = vmrt_condition_parse(a->text, &a->condition, err);
		if (status == VMRT_OK)
			return VMRT_OK;
	}
	return status;
}

enum vmrt_status top_alarms_new(const char *const *texts, size_t n, const char *program,
	const char *run, struct top_alarms **out, struct vmrt_error *err)
{
	struct top_alarms *alarms = calloc(1, sizeof(*alarms));
	enum vmrt_status status = VMRT_OK;

	if (alarms)
		alarms->list = calloc(n + 1, sizeof(*alarms->list));
	if (!alarms || !alarms->list) {
		free(alarms);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n && status == VMRT_OK; i++) {
		alarms->n++;
		status = parse(&alarms->list[i], texts[i], err);
	}
	if (program)
		alarms->program = strdup(program);
	if (run)
		alarms->run = strdup(run);
	if (status != VMRT_OK) {
		char why[VMRT_ERROR_TEXT];

		snprintf(why, sizeof(why), "%s", err ? err->text : "");
		top_alarms_free(alarms);
		return vmrt_fail(err, status, "--alarm: %.400s", why);
	}
	*out = alarms;
	return VMRT_OK;
}

/* ---- what an alarm does ---- */

struct ringing {
	const struct top_alarms *alarms;
	const struct alarm *alarm;
	const char *of;
	const struct vmrt_figure *figure;
	const struct top_miss *miss; /* the last miss, or NULL */
};

static char *fact(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static char *fact(const char *name, const char *fmt, ...)
{
	char value[TEXT], *text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	return asprintf(&text, "VMRT_ALARM_%s=%s", name, value) < 0 ? NULL : text;
}

/* Shows at once on the screen what went wrong. The warning is also printed when the screen is
 * closed. */
static void trouble(struct top_alarms *alarms, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void trouble(struct top_alarms *alarms, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vmrt_warn("%s", text);
	snprintf(alarms->trouble, sizeof(alarms->trouble), "%s", text);
}

/* Starts a program that ^C in the terminal does not reach, and for which signals have their usual
 * effect. */
static int spawn(pid_t *pid, char *const *argv, char *const *env)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int failed;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawn_file_actions_init(&actions);
	/* the output of the program must not disturb the screen */
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, 0, 2);
	failed = posix_spawnp(pid, argv[0], &actions, &attr, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return failed;
}

/* Formats NAME=VALUE with all digits, so that the program can compute with times. */
static char *number(const char *name, double value)
{
	return fact(name, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%.9g", value);
}

/* Starts the program directly, never through a shell, so that a name of a task can never be run as
 * a command. */
static pid_t start_program(struct top_alarms *alarms, const struct ringing *r)
{
	char *argv[] = {r->alarms->program, NULL}, *facts[FACTS] = {NULL}, **env;
	size_t n = 0, n_env = 0;
	pid_t pid = 0;
	int failed;

	facts[n++] = fact("CONDITION", "%s", r->alarm->text);
	facts[n++] = fact("METRIC", "%s", r->alarm->condition.words);
	facts[n++] = fact("OF", "%s", r->of);
	facts[n++] = number("VALUE", r->figure->value);
	facts[n++] = number("LIMIT", r->alarm->condition.limit);
	facts[n++] = fact("COUNT", "%zu", r->alarms->count);
	if (r->miss) {
		facts[n++] = fact("MISS_JOB", "%lld", (long long)r->miss->job.k);
		facts[n++] = fact("MISS_DEADLINE_NS", "%lld", (long long)r->miss->job.deadline_ns);
		facts[n++] = fact("MISS_CAUSE", "%s",
			r->miss->job.cause < 0
				? "unknown"
				: vmrt_blame_name((enum vmrt_blame)r->miss->job.cause));
	}
	while (environ[n_env])
		n_env++;
	env = calloc(n_env + n + 1, sizeof(*env));
	if (env) {
		memcpy(env, environ, n_env * sizeof(*env));
		memcpy(env + n_env, facts, n * sizeof(*env));
		failed = spawn(&pid, argv, env);
		if (failed) {
			trouble(alarms, "--alarm-run: cannot start %.100s: %s", argv[0],
				strerror(failed));
			pid = 0;
		}
	}
	for (size_t i = 0; i < n; i++)
		free(facts[i]);
	free(env);
	return pid;
}

/* Collects the exit status of programs that have ended; returns a free place for another one, or
 * NULL. */
static pid_t *reap(struct top_alarms *alarms)
{
	pid_t *room = NULL, ended;
	int how;

	for (size_t i = 0; i < RUNNING_MAX; i++) {
		ended = alarms->pids[i] ? waitpid(alarms->pids[i], &how, WNOHANG) : 0;
		if (ended)
			alarms->pids[i] = 0;
		if (ended > 0 && how)
			trouble(alarms, "--alarm-run: %.100s %s %d", alarms->program,
				WIFEXITED(how) ? "ended with status" : "was ended by signal",
				WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
		if (!alarms->pids[i])
			room = &alarms->pids[i];
	}
	return room;
}

/* Is process @pid a recorder? A run folder may belong to a stranger and name any process, and only
 * a recorder may get the signal. */
static bool is_recorder(long pid)
{
	char path[64], *name = NULL;
	bool is;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	is = pid > 1 && vmrt_read_file(path, 64, &name, NULL, NULL) == VMRT_OK &&
	     !strcmp(name, "vmrt-trace\n");
	free(name);
	return is;
}

/* Asks the flight recorder to save. The journal of the recording has the name of the tracefs
 * instance, vmrt-PID-LABEL, in which PID is the recorder. */
static void save_flight(struct top_alarms *alarms)
{
	char path[4096], *text, *at;
	long pid = 0;

	if (vmrt_path(path, sizeof(path), alarms->run, "recorder.journal") != VMRT_OK ||
		vmrt_read_file(path, 65536, &text, NULL, NULL) != VMRT_OK) {
		trouble(alarms, "--alarm-save: nobody records into %.100s any more", alarms->run);
		return;
	}
	at = strstr(text, "vmrt-");
	if (at)
		pid = strtol(at + strlen("vmrt-"), NULL, 10);
	if (!is_recorder(pid) || kill((pid_t)pid, SIGUSR1) != 0)
		trouble(alarms, "--alarm-save: cannot ask the recorder of %.100s to save",
			alarms->run);
	free(text);
}

static void value_text(const struct vmrt_condition *c, double value, char *out)
{
	if (c->metric->type == VMRT_CELL_RATIO)
		snprintf(out, VMRT_UNITS_TEXT, "%.2f %%", value * 100);
	else if (c->metric->type == VMRT_CELL_NS)
		vmrt_format_duration((int64_t)value, out);
	else
		snprintf(out, VMRT_UNITS_TEXT, "%.0f", value);
}

static void ring(struct top_alarms *alarms, const struct alarm *a, const char *of,
	const struct vmrt_figure *f, const struct top_miss *miss)
{
	struct ringing r = {alarms, a, of, f, miss};
	char value[VMRT_UNITS_TEXT];
	pid_t *room = reap(alarms);

	alarms->count++;
	alarms->others = alarms->rings ? alarms->others + 1 : 0;
	alarms->rang = alarms->rings = true;
	alarms->trouble[0] = '\0';
	value_text(&a->condition, f->value, value);
	snprintf(alarms->words, sizeof(alarms->words), "alarm: %.80s of %.64s: %s", a->text, of,
		value);
	if (alarms->program && !room)
		trouble(alarms, "--alarm-run: %d of %.100s are running already", RUNNING_MAX,
			alarms->program);
	else if (alarms->program)
		*room = start_program(alarms, &r);
	if (alarms->run)
		save_flight(alarms);
}

/* ---- judging ---- */

static bool make_room(struct alarm *a, size_t n)
{
	bool *more;

	if (n <= a->n)
		return true;
	more = realloc(a->true_of, n * sizeof(*more));
	if (!more)
		return false;
	memset(more + a->n, 0, (n - a->n) * sizeof(*more));
	a->true_of = more;
	a->n = n;
	return true;
}

/* Computes a percentile of values that are so many that the model keeps only their histogram. */
static void percentile_of_many(
	struct top_model *model, size_t i, const struct vmrt_condition *c, struct vmrt_figure *f)
{
	int64_t low, high;

	top_model_percentile(model, i, c->num, c->den, &low, &high);
	if (low == VMRT_UNKNOWN)
		return;
	f->value = f->high = (double)high;
	f->low = (double)low;
}

struct subject {
	const void *of;
	const char *name, *short_name;
	size_t index;
	bool many; /* a task whose response times are not all kept */
};

static void judge(struct top_alarms *alarms, struct alarm *a, struct top_model *model,
	const struct subject *s)
{
	const struct vmrt_condition *c = &a->condition;
	struct vmrt_figure f = {
		.num = c->num, .den = c->den, .value = NAN, .low = NAN, .high = NAN};
	const struct top_miss *miss = NULL;
	bool is_true;

	if ((*c->name && strcmp(c->name, s->name) != 0 && strcmp(c->name, s->short_name) != 0) ||
		!make_room(a, s->index + 1))
		return;
	a->about = true;
	c->metric->figure(s->of, &f);
	if (s->many && !strcmp(c->metric->name, "response_p"))
		percentile_of_many(model, s->index, c, &f);
	is_true = vmrt_condition_judge(c, &f) == VMRT_VERDICT_VIOLATED;
	if (is_true && !a->true_of[s->index]) {
		if (c->metric->scope == VMRT_SCOPE_TASK)
			miss = top_model_recent_miss(model, 0);
		if (miss && miss->job.task != s->index)
			miss = NULL;
		ring(alarms, a, s->name, &f, miss);
	}
	a->true_of[s->index] = is_true;
}

/* An alarm for a name that does not exist never rings. Warns once of such a name, as soon as other
 * names are known. */
static void check_name(struct alarm *a, const struct vmrt_run_facts *facts)
{
	const struct vmrt_condition *c = &a->condition;
	char list[VMRT_SIMILAR_TEXT];

	if (a->about || !vmrt_condition_misses(facts, c, list))
		return;
	a->about = true;
	vmrt_warn("--alarm '%s': there is no %s %s; there are: %s", a->text,
		vmrt_scope_word(c->metric->scope), c->name, list);
}

/* Puts a failure before the alarm, since a narrow screen shows only the beginning of the line. */
static const char *compose(struct top_alarms *a)
{
	int n = snprintf(a->shown, sizeof(a->shown), "%s%s%s", a->trouble,
		a->trouble[0] && a->words[0] ? "; " : "", a->words);

	if (a->others && a->words[0])
		snprintf(a->shown + n, sizeof(a->shown) - (size_t)n, " (and %u more)", a->others);
	return a->shown;
}

const char *top_alarms_judge(
	struct top_alarms *alarms, struct top_model *model, struct vmrt_engine *engine)
{
	struct vmrt_run_facts facts;

	reap(alarms);
	alarms->rings = false;
	if (!alarms->n)
		return "";
	top_model_facts(model, engine, &facts);
	for (size_t i = 0; i < alarms->n; i++) {
		struct alarm *a = &alarms->list[i];
		enum vmrt_scope scope = a->condition.metric->scope;

		for (size_t k = 0; scope == VMRT_SCOPE_TASK && k < facts.n_tasks; k++) {
			const struct vmrt_task_facts *t = &facts.tasks[k];

			judge(alarms, a, model,
				&(struct subject){
					t, t->label, t->name, k, t->response.n > t->responses.n});
		}
		for (size_t k = 0; scope == VMRT_SCOPE_SERVER && k < facts.n_servers; k++)
			judge(alarms, a, model,
				&(struct subject){&facts.servers[k], facts.servers[k].name,
					facts.servers[k].name, k, false});
		for (size_t k = 0; scope == VMRT_SCOPE_MACHINE && k < facts.n_machines; k++)
			judge(alarms, a, model,
				&(struct subject){&facts.machines[k], facts.machines[k].name,
					facts.machines[k].name, k, false});
		check_name(a, &facts);
	}
	return compose(alarms);
}

bool top_alarms_rang(struct top_alarms *alarms)
{
	bool rang = alarms->rang;

	alarms->rang = false;
	return rang;
}

void top_alarms_clear(struct top_alarms *alarms)
{
	alarms->words[0] = alarms->trouble[0] = '\0';
}

void top_alarms_free(struct top_alarms *alarms)
{
	if (!alarms)
		return;
	for (size_t i = 0; i < alarms->n; i++) {
		free(alarms->list[i].text);
		free(alarms->list[i].true_of);
	}
	free(alarms->list);
	free(alarms->program);
	free(alarms->run);
	free(alarms);
}

/* SPDX-License-Identifier: MIT */
/* Sorts runs into series, finds the baseline of each, and tests every later run against it. */
#include "trend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trend-local.h"

const char *trend_word(enum trend_verdict verdict)
{
	static const char *const words[] = {"not tested", "same", "better", "WORSE"};

	return words[verdict];
}

const char *trend_run_name(const struct many_run *run, char *buf)
{
	size_t len;
	const char *name = vmrt_run_label(run->origin ? run->origin : "", &len);

	snprintf(buf, 64, "%.*s", (int)(len < 63 ? len : 63), name);
	return buf;
}

bool trend_wants(const char *const *names, size_t n, const char *name, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name) || (label && !strcmp(names[i], label)))
			return true;
	return !n;
}

static int compare_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_series(const struct many_run *a, const struct many_run *b)
{
	int order = compare_text(a->host, b->host);

	if (!order)
		order = compare_text(a->name, b->name);
	return order ? order : a->hsf - b->hsf;
}

static int by_time(const void *x, const void *y)
{
	const struct many_run *a = *(struct many_run *const *)x, *b = *(struct many_run *const *)y;
	int order = by_series(a, b);

	if (!order) /* ISO 8601 in UTC: the order of texts is that of times */
		order = compare_text(a->recorded_at, b->recorded_at);
	if (!order)
		order = compare_text(a->origin, b->origin);
	return order ? order : compare_text(a->uuid, b->uuid);
}

/* Does the word of --baseline mean this run? */
static bool is_called(const struct many_run *run, const char *word)
{
	char name[64];
	size_t len = strlen(word);

	if ((run->uuid && !strcmp(run->uuid, word)) || (run->origin && !strcmp(run->origin, word)))
		return true;
	while (len > 1 && word[len - 1] == '/')
		len--;
	if (run->origin && strlen(run->origin) == len && !strncmp(run->origin, word, len))
		return true;
	return !strcmp(trend_run_name(run, name), word);
}

static enum vmrt_status make_series(struct trend *t, struct vmrt_error *err)
{
	for (size_t i = 0; i < t->n; i++) {
		struct trend_series *s = t->n_series ? &t->series[t->n_series - 1] : NULL;

		if (s && !by_series(s->runs[0], t->runs[i])) {
			s->n++;
			continue;
		}
		s = realloc(t->series, (t->n_series + 1) * sizeof(*s));
		if (!s)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		t->series = s;
		s[t->n_series++] = (struct trend_series){.host = t->runs[i]->host,
			.name = t->runs[i]->name,
			.hsf = t->runs[i]->hsf,
			.runs = &t->runs[i],
			.n = 1};
	}
	return VMRT_OK;
}

/* Marks the runs that later ones are compared with. */
static enum vmrt_status choose_baseline(struct trend_series *s, const struct trend_options *o,
	size_t *found, struct vmrt_error *err)
{
	s->is_base = calloc(s->n + 1, sizeof(*s->is_base));
	if (!s->is_base)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++) {
		s->is_base[i] = o->baseline ? is_called(s->runs[i], o->baseline) : i < o->first;
		s->n_base += s->is_base[i];
	}
	*found += s->n_base;
	return VMRT_OK;
}

/* Each name must be one of a task or server of some run. */
static enum vmrt_status check_names(
	const struct trend *t, const struct trend_options *o, struct vmrt_error *err)
{
	for (size_t i = 0; i < o->n_tasks + o->n_servers; i++) {
		bool task = i < o->n_tasks, found = false;
		const char *name = task ? o->tasks[i] : o->servers[i - o->n_tasks];

		for (size_t r = 0; r < t->n && !found; r++) {
			const struct many_run *run = t->runs[r];

			for (size_t k = 0; task && k < run->n_tasks; k++)
				found |= !strcmp(run->tasks[k].task, name) ||
					 !strcmp(run->tasks[k].label, name);
			for (size_t k = 0; !task && k < run->n_servers; k++)
				found |= !strcmp(run->servers[k].server, name);
		}
		if (!found)
			return vmrt_fail(err, VMRT_ENOENT, "no run has a %s '%s'",
				task ? "task" : "server", name);
	}
	return VMRT_OK;
}

/* Corrects the p of all tests together, and says what came out. */
static enum vmrt_status judge(struct trend *t, struct vmrt_error *err)
{
	size_t n = 0, at = 0;
	double *p;

	for (size_t i = 0; i < t->n_series; i++)
		n += t->series[i].n_tests;
	p = malloc((n + 1) * sizeof(*p));
	if (!p)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < t->n_series; i++)
		for (size_t k = 0; k < t->series[i].n_tests; k++)
			p[at++] = t->series[i].tests[k].p;
	if (vmrt_holm(p, n) != VMRT_OK) {
		free(p);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	at = 0;
	for (size_t i = 0; i < t->n_series; i++)
		for (size_t k = 0; k < t->series[i].n_tests; k++) {
			struct trend_test *test = &t->series[i].tests[k];

			test->corrected = p[at++];
			if (isnan(test->corrected))
				continue;
			t->tests++;
			test->verdict = test->corrected >= TREND_LIMIT || !test->beyond ? TREND_SAME
					: test->lower ? TREND_BETTER
						      : TREND_WORSE;
			t->worse += test->verdict == TREND_WORSE;
			t->better += test->verdict == TREND_BETTER;
		}
	free(p);
	return VMRT_OK;
}

enum vmrt_status trend_make(struct many_run **runs, size_t n, const struct trend_options *o,
	struct trend **out, struct vmrt_error *err)
{
	struct trend *t = calloc(1, sizeof(*t));
	enum vmrt_status status = VMRT_OK;
	size_t found = 0;

	*out = NULL;
	if (!t) {
		for (size_t i = 0; i < n; i++)
			many_free(runs[i]);
		free(runs);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	t->runs = runs;
	t->n = n;
	if (n)
		qsort(runs, n, sizeof(struct many_run *), by_time);
	status = make_series(t, err);
	for (size_t i = 0; status == VMRT_OK && i < t->n_series; i++)
		status = choose_baseline(&t->series[i], o, &found, err);
	if (status == VMRT_OK && o->baseline && !found)
		status = vmrt_fail(err, VMRT_ENOENT,
			"--baseline: no run is called '%s' (its UUID, its path, or the name of its "
			"folder)",
			o->baseline);
	if (status == VMRT_OK && o->baseline && found > 1)
		status = vmrt_fail(err, VMRT_EINVAL,
			"--baseline: %zu runs are called '%s': give the UUID of one", found,
			o->baseline);
	if (status == VMRT_OK)
		status = check_names(t, o, err);
	for (size_t i = 0; status == VMRT_OK && i < t->n_series; i++)
		status = trend_test_series(t, &t->series[i], o, err);
	if (status == VMRT_OK)
		status = judge(t, err);
	if (status == VMRT_OK)
		*out = t;
	else
		trend_free(t);
	return status;
}

void trend_free(struct trend *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_series; i++) {
		free(t->series[i].is_base);
		free(t->series[i].tests);
	}
	for (size_t i = 0; i < t->n; i++)
		many_free(t->runs[i]);
	free(t->runs);
	free(t->series);
	free(t);
}

/* SPDX-License-Identifier: MIT */
/* Finds the variants that the words of the command line name, and loads their runs. */
#include "compare.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum vmrt_status no_memory(struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

static enum vmrt_status add_run(struct vmrt_variant *v, struct vmrt_run_facts *run)
{
	struct vmrt_run_facts **more = realloc(v->runs, (v->n + 1) * sizeof(*more));

	if (!more)
		return VMRT_ENOMEM;
	v->runs = more;
	v->runs[v->n++] = run;
	return VMRT_OK;
}

static enum vmrt_status load_run(struct vmrt_variant *v, const char *path,
	const struct vmrt_filter *filter, struct vmrt_error *err)
{
	struct vmrt_run_facts *run;
	enum vmrt_status status = vmrt_facts_load(path, filter, &run, err);

	if (status != VMRT_OK)
		return status;
	if (add_run(v, run) == VMRT_OK)
		return VMRT_OK;
	vmrt_facts_free(run);
	return no_memory(err);
}

/* [NAME=]RUN[,RUN...]; a file or folder that is so called as a whole is one run. */
static enum vmrt_status load_word(struct vmrt_variant *v, const char *word, bool compare,
	const struct vmrt_filter *filter, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	const char *runs = word;
	char *copy, *rest, *path;

	if (!compare || access(word, F_OK) == 0)
		return load_run(v, word, filter, err);
	runs = strchr(word, '=');
	if (runs && !memchr(word, '/', (size_t)(runs - word)) && runs > word) {
		v->name = strndup(word, (size_t)(runs - word));
		if (!v->name)
			return no_memory(err);
		runs++;
	} else {
		runs = word;
	}
	copy = rest = strdup(runs);
	if (!copy)
		return no_memory(err);
	while (status == VMRT_OK && (path = strsep(&rest, ","))) {
		if (*path)
			status = load_run(v, path, filter, err);
		else
			status = vmrt_fail(err, VMRT_EINVAL,
				"a run is missing in '%s': give [NAME=]RUN[,RUN...]", word);
	}
	free(copy);
	return status;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Moves the runs of @v to an earlier variant of the same experiment; false if there is none, or no
 * memory. */
static bool join_earlier(struct vmrt_variant *all, struct vmrt_variant *v)
{
	for (struct vmrt_variant *e = all; e < v; e++) {
		if (e->runs[0]->hsf != v->runs[0]->hsf ||
			!same_text(e->runs[0]->experiment, v->runs[0]->experiment))
			continue;
		if (add_run(e, v->runs[0]) != VMRT_OK)
			return false;
		free(v->runs);
		*v = (struct vmrt_variant){0};
		return true;
	}
	return false;
}

static char *folder_name(const char *origin)
{
	size_t len;
	const char *name = vmrt_run_label(origin, &len);

	return strndup(name, len);
}

/* What the folders' names begin with: of hsf-1 and hsf-2 it is hsf; where they have nothing in
 * common, the first's. */
static char *folders_name(const struct vmrt_variant *v)
{
	char *name = folder_name(v->runs[0]->origin);
	size_t same = name ? strlen(name) : 0;

	for (size_t i = 1; name && i < v->n; i++) {
		char *other = folder_name(v->runs[i]->origin);

		for (size_t c = 0; other && c < same; c++)
			if (other[c] != name[c])
				same = c;
		free(other);
	}
	if (name && v->n > 1) {
		while (same > 0 &&
			(isdigit((unsigned char)name[same - 1]) || strchr("-_.", name[same - 1])))
			same--;
		if (same > 0)
			name[same] = '\0';
	}
	return name;
}

static char *whole_path(const struct vmrt_variant *v)
{
	return strdup(v->runs[0]->origin);
}

static bool same_label(const struct vmrt_variant *v, size_t n, size_t i)
{
	for (size_t j = 0; j < n; j++)
		if (j != i && !strcmp(v[j].facts->label, v[i].facts->label))
			return true;
	return false;
}

static bool set_label(struct vmrt_variant *v, char *label)
{
	if (!label)
		return false;
	free(v->facts->label);
	v->facts->label = label;
	return true;
}

/* Those whose labels are the same get what @name makes of them. */
static bool relabel(struct vmrt_variant *v, size_t n, char *(*name)(const struct vmrt_variant *))
{
	bool *twice = calloc(n + 1, sizeof(*twice)), done = twice != NULL;

	for (size_t i = 0; done && i < n; i++)
		twice[i] = !v[i].name && same_label(v, n, i);
	for (size_t i = 0; done && i < n; i++)
		if (twice[i])
			done = set_label(&v[i], name(&v[i]));
	free(twice);
	return done;
}

/* Runs of the same name go by their folders, by their whole paths, and if need be by a number too.
 */
static enum vmrt_status make_labels_differ(struct vmrt_variant *v, size_t n, struct vmrt_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].name && !set_label(&v[i], strdup(v[i].name)))
			return no_memory(err);
	if (!relabel(v, n, folders_name) || !relabel(v, n, whole_path))
		return no_memory(err);
	for (size_t i = 1; i < n; i++) {
		char *label;

		if (!same_label(v, i + 1, i))
			continue;
		if (asprintf(&label, "%s#%zu", v[i].facts->label, i + 1) < 0)
			return no_memory(err);
		set_label(&v[i], label);
	}
	return VMRT_OK;
}

enum vmrt_status vmrt_variants_load(const char *const *words, size_t n, bool compare, bool pool,
	const struct vmrt_filter *filter, struct vmrt_variant **out, size_t *n_out,
	struct vmrt_error *err)
{
	struct vmrt_variant *all = calloc(n + 1, sizeof(*all));
	enum vmrt_status status = all ? VMRT_OK : no_memory(err);
	size_t used = 0;

	*out = NULL;
	*n_out = 0;
	for (size_t i = 0; status == VMRT_OK && i < n; i++) {
		struct vmrt_variant *v = &all[used++];

		status = load_word(v, words[i], compare, filter, err);
		if (status == VMRT_OK && pool && v->n == 1 && !v->name && join_earlier(all, v))
			used--;
	}
	for (size_t i = 0; status == VMRT_OK && i < used; i++) {
		if (all[i].n == 1)
			all[i].facts = all[i].runs[0];
		else
			status = compare_facts_pool(all[i].runs, all[i].n, &all[i].facts, err);
	}
	if (status == VMRT_OK)
		status = make_labels_differ(all, used, err);
	if (status != VMRT_OK) {
		vmrt_variants_free(all, used);
		return status;
	}
	*out = all;
	*n_out = used;
	return VMRT_OK;
}

void vmrt_variants_free(struct vmrt_variant *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++) {
		if (v[i].n > 1 || !v[i].n)
			vmrt_facts_free(v[i].facts);
		for (size_t r = 0; r < v[i].n; r++)
			vmrt_facts_free(v[i].runs[r]);
		free(v[i].runs);
		free(v[i].name);
	}
	free(v);
}

/* SPDX-License-Identifier: MIT */
/* vmrt-report push: stores each run by itself, so that one that fails does not prevent the
 * others. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

struct push_opts {
	struct many_sources sources;
};

static const struct vmrt_option options[] = {
	VMRT_OPTION_QUIET,
	{0},
};

/* Copies a URI, and overwrites the password in @arg, since other users can see the arguments of a
 * process. */
static char *take_uri(char *arg)
{
	char *uri = strdup(arg), *at = uri ? strstr(arg, "://") : NULL, *end, *colon;

	if (!at)
		return uri;
	at += 3;
	end = at + strcspn(at, "/?");
	/* the last @ is searched, since libpq accepts a password that holds an @ that is not
	 * escaped */
	while (end > at && *end != '@')
		end--;
	colon = memchr(at, ':', (size_t)(end - at));
	if (*end == '@' && colon)
		memset(colon + 1, 'x', (size_t)(end - colon - 1));
	for (at = arg; (at = strstr(at, "password=")); at = end) {
		at += strlen("password=");
		end = at + strcspn(at, "&");
		memset(at, 'x', (size_t)(end - at));
	}
	return uri;
}

error_t many_take_source(
	struct many_sources *sources, char *arg, const struct argp_state *state, const char *twice)
{
	char **more;

	if (many_database(arg)) {
		if (sources->uri)
			return vmrt_usage(state, "%s", twice);
		sources->uri = take_uri(arg);
		return sources->uri ? 0 : ENOMEM;
	}
	more = realloc(sources->words, (sources->n_words + 1) * sizeof(*more));
	if (!more)
		return ENOMEM;
	sources->words = more;
	more[sources->n_words++] = arg;
	return 0;
}

static error_t take_argument(void *opts, char *arg, struct argp_state *state)
{
	struct push_opts *o = opts;

	return many_take_source(
		&o->sources, arg, state, "runs are pushed to one database at a time");
}

static error_t check(void *opts, const struct argp_state *state)
{
	struct push_opts *o = opts;

	if (!o->sources.uri)
		return vmrt_usage(state, "no database is named, as in postgresql://HOST/NAME");
	if (!o->sources.n_words)
		return vmrt_usage(state, "no run is named");
	return 0;
}

struct pushed {
	size_t added, replaced, known, failed;
};

static enum vmrt_status push_one(
	struct pg *pg, const char *path, struct pushed *count, struct vmrt_error *err)
{
	char uuid[VMRT_UUID_TEXT], content[65];
	enum store_known known = STORE_NEW;
	struct many_run *run = NULL;
	enum vmrt_status status = many_identity(path, uuid, content, err);

	if (status == VMRT_OK && pg_lost(pg))
		status = pg_again(pg, err);
	if (status == VMRT_OK)
		status = store_known(pg, uuid, content, &known, err);
	if (status != VMRT_OK)
		return status;
	if (known == STORE_SAME) {
		count->known++;
		return VMRT_OK;
	}
	status = many_load(path, NULL, &run, err);
	if (status == VMRT_OK && !(run->content = strdup(content)))
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = store_put(pg, run, err);
	many_free(run);
	if (status != VMRT_OK)
		return status;
	if (vmrt_uuid_is_derived(uuid))
		vmrt_say("%s: the recording has no UUID; %s is derived from its content", path,
			uuid);
	count->added += known == STORE_NEW;
	count->replaced += known == STORE_CHANGED;
	return VMRT_OK;
}

/* Stores one run; false if the program has to end. */
static bool push_path(struct pg *pg, const char *path, struct pushed *count)
{
	struct vmrt_error err;
	enum vmrt_status status = push_one(pg, path, count, &err);

	if (status == VMRT_OK)
		return true;
	if (!strstr(err.text, path))
		vmrt_fail(&err, status, "%s: %.400s", path, strdupa(err.text));
	vmrt_complain(&err);
	count->failed++;
	return status != VMRT_EINTR && !vmrt_stop_requested();
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_counts(const struct pg *pg, const struct pushed *n)
{
	vmrt_say("%s: %zu run%s put in, %zu replaced, %zu there already, %zu failed", pg_name(pg),
		n->added, plural(n->added), n->replaced, n->known, n->failed);
}

static int run(void *opts)
{
	const struct push_opts *o = opts;
	struct pushed count = {0};
	struct pg *pg = NULL;
	struct vmrt_error err;
	char **paths = NULL;
	size_t n = 0;
	enum vmrt_status status;

	/* from here on, a signal may end the program at once: the server forgets what was not
	 * committed */
	vmrt_end_at_stop();
	status = pg_open(o->sources.uri, &pg, &err);
	if (status == VMRT_OK)
		status = store_prepare(pg, &err);
	if (status != VMRT_OK) {
		vmrt_complain(&err);
		pg_close(pg);
		return VMRT_EXIT_FAILED;
	}
	for (size_t i = 0; i < o->sources.n_words && !vmrt_stop_requested(); i++) {
		status = many_find(o->sources.words[i], &paths, &n, &err);
		if (status == VMRT_OK)
			continue;
		vmrt_complain(&err);
		count.failed++;
	}
	for (size_t i = 0; i < n; i++)
		if (!push_path(pg, paths[i], &count))
			break;
	print_counts(pg, &count);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
	pg_close(pg);
	return count.failed || vmrt_stop_requested() ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
}

static struct push_opts push_opts;

const struct vmrt_command many_push_command = {
	.name = "push",
	.args = "postgresql://[USER@][HOST][:PORT]/[NAME] RUN...",
	.summary = "Put runs into a PostgreSQL database of many runs.",
	.doc = "RUN is a run folder, a database, or a folder with run folders in it. A run that is "
	       "there "
	       "already, by its UUID, is left as it is, or replaced if it was analysed again. Each "
	       "run is "
	       "a transaction. Exit status: 0 all runs are there, 1 one or more are not, 64 usage.",
	.options = options,
	.opts = &push_opts,
	.argument = take_argument,
	.check = check,
	.run = run,
};

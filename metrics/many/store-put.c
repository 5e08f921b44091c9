/* SPDX-License-Identifier: MIT */
/* Stores runs in PostgreSQL: the schema, and one transaction for each run. */
#include "store.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

/* The text of schema.sql, which the assembler puts here. */
extern const char store_schema[];
__asm__(".section .rodata\n"
	"store_schema:\n"
	".incbin \"metrics/many/schema.sql\"\n"
	".byte 0\n"
	".previous\n");

#define NUMBER_ROOM 32 /* characters of a number */
/* the number of the advisory lock that is held while the schema is made */
#define LOCK_SCHEMA "7236836"

static enum vmrt_status no_memory(struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

/* ---- the schema ---- */

/* Sets @version to -1 if there is no schema. */
static enum vmrt_status get_version(struct pg *pg, int64_t *version, struct vmrt_error *err)
{
	struct pg_result *result;
	enum vmrt_status status = pg_query(pg,
		/* the catalogue itself is read, since to_regclass() may return again what it
		 * returned at first */
		"SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'vmrt'),"
		" EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE n.nspname = 'vmrt' AND c.relname = 'version')",
		0, NULL, &result, err);
	bool schema, table;

	*version = -1;
	if (status != VMRT_OK)
		return status;
	schema = pg_rows(result) && !strcmp(pg_text(result, 0, 0), "t");
	table = pg_rows(result) && !strcmp(pg_text(result, 0, 1), "t");
	pg_free(result);
	if (!schema)
		return VMRT_OK;
	if (!table)
		return vmrt_fail(err, VMRT_EEXIST,
			"%s: it has a schema \"vmrt\" that vmrt did not make", pg_name(pg));
	status = pg_query(pg, "SELECT schema_version FROM vmrt.version", 0, NULL, &result, err);
	if (status != VMRT_OK)
		return status;
	*version = pg_rows(result) ? pg_int(result, 0, 0) : 0;
	pg_free(result);
	if (*version != STORE_VERSION)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s: its schema has version %" PRId64
			", and this vmrt knows %d: it was made by %s vmrt",
			pg_name(pg), *version, STORE_VERSION,
			*version > STORE_VERSION ? "a newer" : "an older");
	return VMRT_OK;
}

enum vmrt_status store_check(struct pg *pg, struct vmrt_error *err)
{
	int64_t version;
	enum vmrt_status status = get_version(pg, &version, err);

	if (status == VMRT_OK && version < 0)
		status = vmrt_fail(err, VMRT_ENOENT,
			"%s: no runs were pushed to it: `vmrt-report push` makes the schema",
			pg_name(pg));
	return status;
}

enum vmrt_status store_prepare(struct pg *pg, struct vmrt_error *err)
{
	int64_t version;
	enum vmrt_status status = get_version(pg, &version, err);

	if (status != VMRT_OK || version >= 0)
		return status;
	status = pg_script(pg, "BEGIN; SELECT pg_advisory_xact_lock(" LOCK_SCHEMA ")", err);
	/* another vmrt may have made the schema while this one waited for the lock */
	if (status == VMRT_OK)
		status = get_version(pg, &version, err);
	if (status == VMRT_OK && version < 0)
		status = pg_script(pg, store_schema, err);
	if (status == VMRT_OK)
		status = pg_script(pg, "COMMIT", err);
	return status;
}

enum vmrt_status store_known(struct pg *pg, const char *uuid, const char *content,
	enum store_known *out, struct vmrt_error *err)
{
	struct pg_result *result;
	const char *values[] = {uuid};
	enum vmrt_status status = pg_query(
		pg, "SELECT content FROM vmrt.runs WHERE uuid = $1", 1, values, &result, err);

	if (status != VMRT_OK)
		return status;
	*out = !pg_rows(result)				 ? STORE_NEW
	       : !strcmp(pg_text(result, 0, 0), content) ? STORE_SAME
							 : STORE_CHANGED;
	pg_free(result);
	return VMRT_OK;
}

/* ---- rows in COPY's text format ---- */

struct rows {
	char *text;
	size_t used, room;
	bool failed; /* no memory */
	bool begun;  /* the row has a column */
};

static void put_bytes(struct rows *r, const char *bytes, size_t n)
{
	if (r->used + n > r->room) {
		size_t room = (r->used + n) * 2;
		char *more = realloc(r->text, room);

		if (!more) {
			r->failed = true;
			return;
		}
		r->text = more;
		r->room = room;
	}
	memcpy(r->text + r->used, bytes, n);
	r->used += n;
}

static void put_words(struct rows *r, const char *words)
{
	put_bytes(r, words, strlen(words));
}

static void put_format(struct rows *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put_format(struct rows *r, const char *fmt, ...)
{
	char buf[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	put_words(r, buf);
}

static void next_column(struct rows *r)
{
	if (r->begun)
		put_words(r, "\t");
	r->begun = true;
}

static void end_row(struct rows *r)
{
	put_words(r, "\n");
	r->begun = false;
}

static void put_number(struct rows *r, int64_t number)
{
	next_column(r);
	if (number == VMRT_UNKNOWN)
		put_words(r, "\\N");
	else
		put_format(r, "%" PRId64, number);
}

static void put_real(struct rows *r, double real)
{
	next_column(r);
	if (isnan(real))
		put_words(r, "\\N");
	else
		put_format(r, "%.17g", real);
}

static void put_flag(struct rows *r, bool flag)
{
	next_column(r);
	put_words(r, flag ? "t" : "f");
}

/* Writes text from outside: what would end a column or a row is escaped, and what is no UTF-8
 * becomes '?'. */
static void put_text(struct rows *r, const char *text)
{
	next_column(r);
	if (!text) {
		put_words(r, "\\N");
		return;
	}
	while (*text) {
		const char *from = text;
		uint32_t c = vmrt_utf8_next(&text);

		if (c == '\t' || c == '\n' || c == '\r')
			put_words(r, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\r");
		else if (c == '\\')
			put_words(r, "\\\\");
		else if (c == 0xfffd && text - from == 1)
			put_words(r, "?");
		else
			put_bytes(r, from, (size_t)(text - from));
	}
}

static void put_optional(struct rows *r, int64_t number)
{
	if (number != VMRT_UNKNOWN)
		put_format(r, "%" PRId64, number);
}

/* A value of the type vmrt.histogram. */
static void put_histogram(struct rows *r, const struct vmrt_buckets *b)
{
	next_column(r);
	put_format(r, "(%" PRId64 ",%.0f,", b->n, b->sum_ns);
	put_optional(r, b->min_ns);
	put_words(r, ",");
	put_optional(r, b->max_ns);
	put_words(r, ",\"{");
	for (size_t i = 0; i < b->n_counts; i++)
		put_format(r, "%s%" PRId32, i ? "," : "", b->counts[i].bucket);
	put_words(r, "}\",\"{");
	for (size_t i = 0; i < b->n_counts; i++)
		put_format(r, "%s%" PRId64, i ? "," : "", b->counts[i].n);
	put_words(r, "}\")");
}

#define COLUMN(kind, name) "," #name
#define VALUE(kind, name) put_##kind(&rows, it->name);

static enum vmrt_status copy(
	struct pg *pg, const char *sql, struct rows *rows, struct vmrt_error *err)
{
	enum vmrt_status status = rows->failed ? no_memory(err) : VMRT_OK;

	if (status == VMRT_OK && rows->used)
		status = pg_copy(pg, sql, rows->text, rows->used, err);
	free(rows->text);
	return status;
}

static enum vmrt_status put_machines(
	struct pg *pg, const struct many_run *r, int64_t run, struct vmrt_error *err)
{
	struct rows rows = {0};

	for (size_t i = 0; i < r->n_machines; i++) {
		const struct many_machine *it = &r->machines[i];

		put_number(&rows, run);
		MANY_MACHINE(VALUE)
		end_row(&rows);
	}
	return copy(pg, "COPY vmrt.machines(run" MANY_MACHINE(COLUMN) ") FROM STDIN", &rows, err);
}

static enum vmrt_status put_tasks(
	struct pg *pg, const struct many_run *r, int64_t run, struct vmrt_error *err)
{
	struct rows rows = {0};

	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct many_task *it = &r->tasks[i];

		put_number(&rows, run);
		MANY_TASK(VALUE)
		end_row(&rows);
	}
	return copy(pg, "COPY vmrt.tasks(run" MANY_TASK(COLUMN) ") FROM STDIN", &rows, err);
}

static enum vmrt_status put_servers(
	struct pg *pg, const struct many_run *r, int64_t run, struct vmrt_error *err)
{
	struct rows rows = {0};

	for (size_t i = 0; i < r->n_servers; i++) {
		const struct many_server *it = &r->servers[i];

		put_number(&rows, run);
		MANY_SERVER(VALUE)
		end_row(&rows);
	}
	return copy(pg, "COPY vmrt.servers(run" MANY_SERVER(COLUMN) ") FROM STDIN", &rows, err);
}

static void put_metric(struct rows *r, int64_t run, int64_t id, const char *metric,
	const struct vmrt_buckets *histogram)
{
	if (!histogram->n)
		return;
	put_number(r, run);
	put_number(r, id);
	put_text(r, metric);
	put_histogram(r, histogram);
	end_row(r);
}

static enum vmrt_status put_histograms(
	struct pg *pg, const struct many_run *r, int64_t run, struct vmrt_error *err)
{
	struct rows tasks = {0}, servers = {0};
	enum vmrt_status status;

#define METRIC(name) put_metric(&tasks, run, it->task_id, #name, &it->name);
	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct many_task *it = &r->tasks[i];

		MANY_TASK_METRICS(METRIC)
	}
#undef METRIC
#define METRIC(name) put_metric(&servers, run, it->server_id, #name, &it->name);
	for (size_t i = 0; i < r->n_servers; i++) {
		const struct many_server *it = &r->servers[i];

		MANY_SERVER_METRICS(METRIC)
	}
#undef METRIC
	status = copy(pg, "COPY vmrt.task_histograms(run, task_id, metric, histogram) FROM STDIN",
		&tasks, err);
	if (status != VMRT_OK) {
		free(servers.text);
		return status;
	}
	return copy(pg, "COPY vmrt.server_histograms(run, server_id, metric, histogram) FROM STDIN",
		&servers, err);
}

/* ---- the run's own row, by parameters ---- */

struct parameters {
	const char *values[32];
	char numbers[32][NUMBER_ROOM];
	char *texts[32]; /* copies that are UTF-8 */
	size_t n;
	bool failed;
};

static void add_text(struct parameters *p, const char *text)
{
	struct rows clean = {0};

	if (text) {
		/* what is no UTF-8 is replaced as in put_text(), but parameters need no escapes */
		while (*text) {
			const char *from = text;
			uint32_t c = vmrt_utf8_next(&text);

			if (c == 0xfffd && text - from == 1)
				put_bytes(&clean, "?", 1);
			else
				put_bytes(&clean, from, (size_t)(text - from));
		}
		put_bytes(&clean, "", 1);
		p->failed |= clean.failed;
	}
	p->texts[p->n] = clean.text;
	p->values[p->n++] = clean.text;
}

static void add_number(struct parameters *p, int64_t number)
{
	snprintf(p->numbers[p->n], NUMBER_ROOM, "%" PRId64, number);
	p->values[p->n] = number == VMRT_UNKNOWN ? NULL : p->numbers[p->n];
	p->n++;
}

static void add_flag(struct parameters *p, bool flag)
{
	p->values[p->n++] = flag ? "t" : "f";
}

static void free_parameters(struct parameters *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->texts[i]);
}

/* "$2,$3,..." for as many columns as a run has. */
static void place_holders(size_t n, char *buf, size_t room)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(buf + used, room - used, ",$%zu", i + 2);
}

static enum vmrt_status put_row(
	struct pg *pg, const struct many_run *r, int64_t *run, struct vmrt_error *err)
{
	const struct many_run *it = r;
	struct pg_result *result = NULL;
	struct parameters p = {.n = 0};
	enum vmrt_status status = VMRT_OK;
	char holders[256], sql[1024];

#define ADD(kind, name) add_##kind(&p, it->name);
	add_text(&p, r->host);
	MANY_RUN(ADD)
#undef ADD
	place_holders(p.n - 1, holders, sizeof(holders));
	snprintf(sql, sizeof(sql),
		"INSERT INTO vmrt.runs(host" MANY_RUN(COLUMN) ") "
							      "VALUES((SELECT id FROM vmrt.hosts "
							      "WHERE name = $1)%s) RETURNING id",
		holders);
	if (p.failed)
		status = no_memory(err);
	if (status == VMRT_OK && r->host)
		status = pg_query(pg,
			"INSERT INTO vmrt.hosts(name) VALUES($1) ON CONFLICT DO NOTHING", 1,
			p.values, NULL, err);
	if (status == VMRT_OK)
		status = pg_query(pg, sql, p.n, p.values, &result, err);
	if (status == VMRT_OK)
		*run = pg_int(result, 0, 0);
	pg_free(result);
	free_parameters(&p);
	return status;
}

/* Removes the run if it was stored before. Because of the lock, two programs that push the same run
 * at the same time wait for one another. */
static enum vmrt_status remove_former(
	struct pg *pg, const struct many_run *r, struct vmrt_error *err)
{
	const char *values[] = {r->uuid};
	enum vmrt_status status =
		pg_query(pg, "SELECT pg_advisory_xact_lock(hashtext('vmrt'), hashtext($1))", 1,
			values, NULL, err);

	if (status == VMRT_OK)
		status =
			pg_query(pg, "DELETE FROM vmrt.runs WHERE uuid = $1", 1, values, NULL, err);
	return status;
}

enum vmrt_status store_put(struct pg *pg, const struct many_run *r, struct vmrt_error *err)
{
	enum vmrt_status status = pg_script(pg, "BEGIN", err);
	int64_t run = 0;

	if (status != VMRT_OK)
		return status;
	status = remove_former(pg, r, err);
	if (status == VMRT_OK)
		status = put_row(pg, r, &run, err);
	if (status == VMRT_OK)
		status = put_machines(pg, r, run, err);
	if (status == VMRT_OK)
		status = put_tasks(pg, r, run, err);
	if (status == VMRT_OK)
		status = put_servers(pg, r, run, err);
	if (status == VMRT_OK)
		status = put_histograms(pg, r, run, err);
	if (status == VMRT_OK)
		return pg_script(pg, "COMMIT", err);
	if (status != VMRT_EINTR && !pg_lost(pg))
		pg_script(pg, "ROLLBACK", NULL);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * What strangers have a say in where there are many runs. First byte even: a run's database through
 * push's reader, trend, JUnit and Prometheus. Odd: what a PostgreSQL server answers, as texts ended
 * by NUL bytes, through trend's reader; a text of 0x01 is SQL's NULL.
 */
#include "fuzz-db.h"
#include "metrics/many/store.h"
#include "metrics/many/trend.h"
#include "metrics/publish/publish.h"

#define ROWS_MOST 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the server: each query is answered by the texts that come next ---- */

static const char *answers, *answers_end;

struct pg_result {
	size_t rows;
};

enum vmrt_status __wrap_pg_query(struct pg *pg, const char *sql, size_t n,
	const char *const *values, struct pg_result **out, struct vmrt_error *err);
enum vmrt_status __wrap_pg_script(struct pg *pg, const char *sql, struct vmrt_error *err);
size_t __wrap_pg_rows(const struct pg_result *result);
const char *__wrap_pg_text(const struct pg_result *result, size_t row, int column);
void __wrap_pg_free(struct pg_result *result);
int64_t __wrap_pg_int(const struct pg_result *result, size_t row, int column);

enum vmrt_status __wrap_pg_query(struct pg *pg, const char *sql, size_t n,
	const char *const *values, struct pg_result **out, struct vmrt_error *err)
{
	(void)pg;
	(void)sql;
	(void)n;
	(void)values;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (answers < answers_end)
		(*out)->rows = (uint8_t)*answers++ % ROWS_MOST;
	return VMRT_OK;
}

enum vmrt_status __wrap_pg_script(struct pg *pg, const char *sql, struct vmrt_error *err)
{
	(void)pg;
	(void)sql;
	(void)err;
	return VMRT_OK;
}

size_t __wrap_pg_rows(const struct pg_result *result)
{
	return result->rows;
}

const char *__wrap_pg_text(const struct pg_result *result, size_t row, int column)
{
	const char *text = answers;

	(void)result;
	(void)row;
	(void)column;
	if (answers >= answers_end)
		return NULL;
	answers += strlen(answers) + 1; /* a NUL stands behind the last one */
	return strcmp(text, "\1") ? text : NULL;
}

int64_t __wrap_pg_int(const struct pg_result *result, size_t row, int column)
{
	const char *text = __wrap_pg_text(result, row, column);
	int64_t number;

	return text && vmrt_parse_int(text, -VMRT_DB_MOST, VMRT_DB_MOST, &number) == VMRT_OK
		       ? number
		       : VMRT_UNKNOWN;
}

void __wrap_pg_free(struct pg_result *result)
{
	free(result);
}

/* ---- what is done with it ---- */

static void show_trend(struct many_run **runs, size_t n, FILE *out)
{
	struct trend_options options = {.first = 1, .allow_loss = true};
	struct vmrt_error err = {.text = ""};
	struct trend *trend = NULL;
	struct vmrt_doc *doc;

	if (trend_make(runs, n, &options, &trend, &err) != VMRT_OK) {
		if (!err.text[0])
			abort(); /* an error without words */
		return;
	}
	doc = vmrt_doc_new("trend", true);
	if (doc) {
		trend_report(doc, trend, &options);
		vmrt_doc_print(doc, n % 2 ? VMRT_FORMAT_TEXT : VMRT_FORMAT_JSON, NULL, out, &err);
	}
	vmrt_doc_free(doc);
	trend_free(trend);
}

static void publish(const char *path, FILE *out)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err;

	if (vmrt_facts_load(path, &filter, &f, &err) == VMRT_OK) {
		publish_junit(
			out, (const struct vmrt_run_facts *const[]){f}, 1, NULL, 0, true, &err);
		publish_runs(out, (const struct vmrt_run_facts *const[]){f}, 1, &err);
	}
	vmrt_facts_free(f);
}

/* The changed run behind good ones, as another run of the same series or of one of its own. */
static void from_database(const uint8_t *data, size_t size, FILE *out)
{
	struct many_run **runs = calloc(3, sizeof(*runs));
	char uuid[VMRT_UUID_TEXT], content[65];
	struct vmrt_error err;
	const char *path;
	size_t n = 0;

	if (!runs)
		abort();
	path = fuzz_database((const uint8_t[]){0}, 1);
	for (int i = 0; i < 2; i++)
		n += many_load(path, NULL, &runs[n], &err) == VMRT_OK;
	path = fuzz_database(data, size);
	many_identity(path, uuid, content, &err);
	n += many_load(path, NULL, &runs[n], &err) == VMRT_OK;
	show_trend(runs, n, out);
	publish(path, out);
}

static void from_server(const uint8_t *data, size_t size, FILE *out)
{
	const struct store_wanted wanted = {0};
	struct many_run **runs;
	struct vmrt_error err;
	char *texts = calloc(1, size + 1);
	size_t n;

	if (!texts)
		abort();
	memcpy(texts, data, size);
	answers = texts;
	answers_end = texts + size;
	if (store_get(NULL, &wanted, &runs, &n, &err) == VMRT_OK)
		show_trend(runs, n, out);
	free(texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;

	if (!out && !(out = fopen("/dev/null", "we")))
		abort();
	if (size < 2)
		return 0;
	if (data[0] & 1)
		from_server(data + 1, size - 1, out);
	else
		from_database(data + 1, size - 1, out);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A database of a stranger through all that reads it: report, pictures, conditions, Grasp, CSV. The
 * input changes values of a good database by SQL (its first byte even) or bytes of its file (odd).
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include <vmrt/files.h>
#include <vmrt/rundb.h>

#include "fuzz-file.h"
#include "grasp-export/data/csv.h"
#include "grasp-export/grasp/grasp.h"
#include "metrics/report/report.h"
#include "parser/db/db-local.h"
#include "tests/lib/testdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGES_MAX 24

static char *good; /* the file of a good database */
static size_t good_size;

static void make_good(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/good.db", fuzz_folder());
	if (testdb_make("tests/data/small-hsf.sql", path) != 0 ||
		vmrt_read_file(path, 16 << 20, &good, &good_size, NULL) != VMRT_OK)
		abort(); /* not started in the checkout */
}

/* Takes @n bytes of the input, zeros behind its end. */
static uint64_t take(const uint8_t **data, size_t *size, size_t n)
{
	uint64_t value = 0;

	for (; n; n--) {
		value = value << 8 | (*size ? **data : 0);
		*data += *size != 0;
		*size -= *size != 0;
	}
	return value;
}

static const struct db_table *pick_table(unsigned n)
{
	size_t count = 0;

	while (db_tables[count].name)
		count++;
	return &db_tables[n % count];
}

static const struct vmrt_db_column *pick_column(const struct db_table *t, unsigned n)
{
	size_t count = 0;

	while (t->columns[count].name)
		count++;
	return &t->columns[n % count];
}

static void make_value(const uint8_t **data, size_t *size, char *buf, size_t room)
{
	static const char *const values[] = {"2305843009213693951", "-2305843009213693951", "0",
		"1", "-1", "2305843009213693952", "9223372036854775807", "NULL", "'x'", "''", "1.5",
		"x'00ff'", "'met'", "'missed'", "'\x1b[31m<script>{]'", "'vcpu'", "'host'",
		"4294967294"};
	unsigned kind = (unsigned)take(data, size, 1);

	if (kind % 4)
		snprintf(buf, room, "%s", values[kind / 4 % (sizeof(values) / sizeof(values[0]))]);
	else
		snprintf(buf, room, "%lld", (long long)(int64_t)take(data, size, 8));
}

static void change_values(const char *path, const uint8_t *data, size_t size)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite3_exec(
		db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
	for (int i = 0; size && i < CHANGES_MAX; i++) {
		const struct db_table *t = pick_table((unsigned)take(&data, &size, 1));
		const struct vmrt_db_column *c = pick_column(t, (unsigned)take(&data, &size, 1));
		unsigned rows = (unsigned)take(&data, &size, 1);
		char value[64], sql[512];

		make_value(&data, &size, value, sizeof(value));
		if (rows < 8)
			snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE %s = %s", t->name, c->name,
				value);
		else if (rows & 1)
			snprintf(sql, sizeof(sql),
				"UPDATE OR IGNORE %s SET %s = %s WHERE abs(random()) %% 4 = 0",
				t->name, c->name, value);
		else
			snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s = %s", t->name,
				c->name, value);
		sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

static void change_bytes(const uint8_t *data, size_t size)
{
	char *bytes = malloc(good_size);

	if (!bytes)
		abort();
	memcpy(bytes, good, good_size);
	while (size) {
		size_t at = take(&data, &size, 3) % good_size;

		bytes[at] = (char)take(&data, &size, 1);
	}
	fuzz_write("run.db", (const uint8_t *)bytes, good_size);
	free(bytes);
}

static void show(const struct vmrt_run_facts *f, unsigned pick, FILE *out)
{
	static const enum vmrt_format formats[] = {
		VMRT_FORMAT_TEXT, VMRT_FORMAT_HTML, VMRT_FORMAT_JSON, VMRT_FORMAT_LATEX};
	struct vmrt_doc *doc = vmrt_doc_new("run", false);
	struct vmrt_error err;

	if (!doc)
		return;
	vmrt_report_run(doc, f);
	vmrt_doc_print(doc, formats[pick % 4], NULL, out, &err);
	vmrt_doc_free(doc);
}

static void export_parts(const char *path, unsigned pick, FILE *out)
{
	static const int64_t from[] = {1000000000, -VMRT_DB_MOST, 1000000000};
	static const int64_t to[] = {1200000000, VMRT_DB_MOST, VMRT_DB_MOST};
	struct vmrt_grasp_options o = {.from_ns = from[pick % 3],
		.to_ns = to[pick % 3],
		.max_events = 1000,
		.unit_ns = VMRT_UNKNOWN,
		.title = "run",
		.start_ns = from[pick % 3]};
	static const char *const tables[] = {"jobs", "server_periods", "losses", "slices"};
	const struct csv_wanted wanted = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
	struct vmrt_error err;
	struct vmrt_db *db;
	int64_t shown;

	if (vmrt_db_open(path, &db, &err) != VMRT_OK)
		return;
	csv_export(db, tables[pick % 4], &wanted, out, &err);
	vmrt_grasp_export(db, &o, out, &shown, &err);
	vmrt_db_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err = {.text = ""};
	static FILE *out;
	char path[128];

	if (!size)
		return 0;
	if (!good)
		make_good();
	if (!out && !(out = fopen("/dev/null", "we")))
		abort();
	snprintf(path, sizeof(path), "%s/run.db", fuzz_folder());
	if (data[0] & 1) {
		change_bytes(data + 1, size - 1);
	} else {
		fuzz_write("run.db", (const uint8_t *)good, good_size);
		change_values(path, data + 1, size - 1);
	}
	filter.show = VMRT_SHOW_HISTOGRAM | VMRT_SHOW_CDF | VMRT_SHOW_PICTURES;
	if (vmrt_facts_load(path, &filter, &f, &err) == VMRT_OK)
		show(f, (unsigned)size, out);
	else if (!err.text[0])
		abort(); /* an error without words */
	vmrt_facts_free(f);
	export_parts(path, data[0] / 2, out);
	return 0;
}

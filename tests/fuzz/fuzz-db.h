/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_DB_H
#define TESTS_FUZZ_FUZZ_DB_H

/*
 * For targets that read a run's database. The input changes values of a good one by SQL (its first
 * byte even) or bytes of its file (odd).
 */

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include <vmrt/files.h>
#include <vmrt/rundb.h>

#include "fuzz-file.h"
#include "parser/db/db-local.h"
#include "tests/lib/testdb.h"

#define CHANGES_MAX 24

static char *good; /* the file of a good database */
static size_t good_size;

static inline void make_good(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/good.db", fuzz_folder());
	if (testdb_make("tests/data/small-hsf.sql", path) != 0 ||
		vmrt_read_file(path, 16 << 20, &good, &good_size, NULL) != VMRT_OK)
		abort(); /* not started in the checkout */
}

/* Takes @n bytes of the input, zeros behind its end. */
static inline uint64_t take(const uint8_t **data, size_t *size, size_t n)
{
	uint64_t value = 0;

	for (; n; n--) {
		value = value << 8 | (*size ? **data : 0);
		*data += *size != 0;
		*size -= *size != 0;
	}
	return value;
}

static inline const struct db_table *pick_table(unsigned n)
{
	size_t count = 0;

	while (db_tables[count].name)
		count++;
	return &db_tables[n % count];
}

static inline const struct vmrt_db_column *pick_column(const struct db_table *t, unsigned n)
{
	size_t count = 0;

	while (t->columns[count].name)
		count++;
	return &t->columns[n % count];
}

static inline void make_value(const uint8_t **data, size_t *size, char *buf, size_t room)
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

/* SQL function one_of_four(): true for every fourth row or so, the same rows each time, so that an
 * input means the same each time. */
static inline void one_of_four(sqlite3_context *ctx, int n, sqlite3_value **values)
{
	uint32_t *state = sqlite3_user_data(ctx);

	(void)n;
	(void)values;
	*state = *state * 1664525 + 1013904223;
	sqlite3_result_int(ctx, *state >> 30 == 0);
}

static inline void change_values(const char *path, const uint8_t *data, size_t size)
{
	uint32_t state = 1;
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
		sqlite3_create_function(db, "one_of_four", 0, SQLITE_UTF8, &state, one_of_four,
			NULL, NULL) != SQLITE_OK)
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
				"UPDATE OR IGNORE %s SET %s = %s WHERE one_of_four()", t->name,
				c->name, value);
		else
			snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s = %s", t->name,
				c->name, value);
		sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

static inline void change_bytes(const uint8_t *data, size_t size)
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

/** fuzz_database - run.db of the folder, as the input says; its path */
static inline const char *fuzz_database(const uint8_t *data, size_t size)
{
	static char path[128];

	if (!good)
		make_good();
	snprintf(path, sizeof(path), "%s/run.db", fuzz_folder());
	if (data[0] & 1) {
		change_bytes(data + 1, size - 1);
	} else {
		fuzz_write("run.db", (const uint8_t *)good, good_size);
		change_values(path, data + 1, size - 1);
	}
	return path;
}

#endif

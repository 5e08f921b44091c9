/* SPDX-License-Identifier: MIT */
/* Run databases for tests, made of SQL files. */
#include "testdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include <vmrt/files.h>

#include "parser/db/schema.h"

char testdb_folder[32], testdb_path[64];

int testdb_change(const char *path, const char *sql)
{
	char *message = NULL;
	sqlite3 *db = NULL;
	int rc = sqlite3_open(path, &db);

	/* it has to outlive the test, not the machine */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY",
			NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, sql, NULL, NULL, &message);
	if (rc != SQLITE_OK)
		fprintf(stderr, "%s: %s\n", path, message ? message : sqlite3_errmsg(db));
	sqlite3_free(message);
	sqlite3_close(db);
	return rc == SQLITE_OK ? 0 : -1;
}

int testdb_make(const char *rows, const char *path)
{
	char identity[128], *sql = NULL;
	int failed = -1;

	unlink(path);
	snprintf(identity, sizeof(identity), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		VMRT_DB_APPLICATION_ID, VMRT_DB_VERSION);
	if (vmrt_read_file(rows, 1 << 20, &sql, NULL, NULL) == VMRT_OK &&
		testdb_change(path, identity) == 0 &&
		testdb_change(path, VMRT_DB_TABLES VMRT_DB_INDICES VMRT_DB_VIEWS) == 0 &&
		testdb_change(path, sql) == 0)
		failed = 0;
	free(sql);
	return failed;
}

int testdb_enter(void **state)
{
	(void)state;
	strcpy(testdb_folder, "/tmp/vmrt-report-XXXXXX");
	if (!mkdtemp(testdb_folder))
		return -1;
	snprintf(testdb_path, sizeof(testdb_path), "%s/run.db", testdb_folder);
	return 0;
}

int testdb_leave(void **state)
{
	(void)state;
	unlink(testdb_path);
	return rmdir(testdb_folder);
}

struct vmrt_run_facts *testdb_facts(
	const char *rows, const char *change, const struct vmrt_filter *filter)
{
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err = {0};

	if (testdb_make(rows, testdb_path) != 0 ||
		(change && testdb_change(testdb_path, change) != 0))
		return NULL;
	if (vmrt_facts_load(testdb_folder, filter, &f, &err) != VMRT_OK) {
		fprintf(stderr, "%s\n", err.text);
		return NULL;
	}
	return f;
}

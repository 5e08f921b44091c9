/* SPDX-License-Identifier: MIT */
#include "testdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include <vmrt/files.h>

#include "parser/schema.h"

int testdb_change(const char *path, const char *sql)
{
	char *message = NULL;
	sqlite3 *db = NULL;
	int rc = sqlite3_open(path, &db);

	/* it has to outlive the test, not the machine */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY", NULL, NULL, NULL);
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

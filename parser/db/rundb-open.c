/* SPDX-License-Identifier: MIT */
#include <vmrt/rundb.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>

#include "schema.h"

#define PATH_ROOM 4096
#define URI_ROOM (3 * PATH_ROOM + 64)

/* The database of @run: itself, or run.db in the folder. */
static enum vmrt_status find_db(const char *run, char *path, struct vmrt_error *err)
{
	struct stat st;

	if (stat(run, &st) != 0 && errno == ENOENT)
		return vmrt_fail(err, VMRT_ENOENT, "there is no run %s", run);
	if (stat(run, &st) != 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", run);
	if (!S_ISDIR(st.st_mode)) {
		if ((size_t)snprintf(path, PATH_ROOM, "%s", run) >= PATH_ROOM)
			return vmrt_fail(err, VMRT_ERANGE, "%.64s...: the path is too long", run);
		return VMRT_OK;
	}
	if (vmrt_path(path, PATH_ROOM, run, VMRT_FILE_DB) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%.64s...: the path is too long", run);
	if (stat(path, &st) != 0 && errno == ENOENT)
		return vmrt_fail(err, VMRT_ENOENT, "%s has no %s: run `vmrt-trace analyze %s`", run,
			VMRT_FILE_DB, run);
	return VMRT_OK;
}

/* "file:PATH?mode=ro" with every odd byte escaped: a path may hold '?', '#' and '%'. */
static void make_uri(const char *path, char *uri)
{
	char *p = uri + sprintf(uri, "file:%s", *path == '/' ? "" : "./");

	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c == '%' || c == '?' || c == '#' || c < 0x20 || c >= 0x7f)
			p += sprintf(p, "%%%02X", c);
		else
			*p++ = (char)c;
	}
	strcpy(p, "?mode=ro");
}

static enum vmrt_status get_pragma(
	sqlite3 *db, const char *sql, const char *path, int64_t *out, struct vmrt_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW)
		return VMRT_OK;
	if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
		return vmrt_fail(
			err, VMRT_EFORMAT, "%s is not a database: %s", path, sqlite3_errmsg(db));
	return vmrt_fail(err, VMRT_EDB, "cannot read %s: %s", path, sqlite3_errmsg(db));
}

static enum vmrt_status check_identity(
	sqlite3 *db, const char *path, const char *run, struct vmrt_error *err)
{
	enum vmrt_status status;
	int64_t application, version;

	status = get_pragma(db, "PRAGMA application_id", path, &application, err);
	if (status == VMRT_OK)
		status = get_pragma(db, "PRAGMA user_version", path, &version, err);
	if (status != VMRT_OK)
		return status;
	if (application != VMRT_DB_APPLICATION_ID)
		return vmrt_fail(err, VMRT_EFORMAT, "%s is not a vmrt database", path);
	if (version != VMRT_DB_VERSION)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s has version %lld, made by %s vmrt; this one reads version %d: "
			"run `vmrt-trace analyze %s`",
			path, (long long)version,
			version < VMRT_DB_VERSION ? "an older" : "a newer", VMRT_DB_VERSION, run);
	return VMRT_OK;
}

enum vmrt_status vmrt_rundb_open(const char *run, sqlite3 **out, struct vmrt_error *err)
{
	char path[PATH_ROOM], uri[URI_ROOM];
	enum vmrt_status status = find_db(run, path, err);
	sqlite3 *db = NULL;

	if (status != VMRT_OK)
		return status;
	make_uri(path, uri);
	/* without mutexes, which cost a third of the time of reading: one thread uses a connection
	 */
	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK) {
		int errnum = db ? sqlite3_system_errno(db) : ENOMEM;

		status = errnum ? vmrt_fail_errno(err, errnum, "cannot open %s", path)
				: vmrt_fail(err, VMRT_EDB, "cannot open %s: %s", path,
					  sqlite3_errmsg(db));
		goto out;
	}
	/* a database from elsewhere may hold views and triggers that call functions */
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(db, 2000);
	status = check_identity(db, path, run, err);
out:
	if (status != VMRT_OK) {
		sqlite3_close(db);
		db = NULL;
	}
	*out = db;
	return status;
}

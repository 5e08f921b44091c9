/* SPDX-License-Identifier: MIT */
/* Opens run.db for reading. A file is refused if vmrt could not have made it, and its content is
 * not trusted. */
#include <vmrt/rundb.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/progress.h>
#include <vmrt/tool.h>

#include <sqlite3.h>

#include "db-local.h"
#include "schema.h"

#define STEPS_BETWEEN_CALLS 10000 /* steps of SQLite between two checks whether a signal came */
/* The queries of reports take less than 10 steps per byte of the file. */
#define STEPS_MIN UINT64_C(50000000)
#define STEPS_PER_BYTE 200
#define TEXT_MAX (16 << 20) /* bytes of a value */

static bool has_recording(const char *run)
{
	char path[4096];

	return vmrt_path(path, sizeof(path), run, VMRT_FILE_HOST) != VMRT_OK ||
	       access(path, F_OK) == 0;
}

/* Gets the path of the database of @run: @run itself, or run.db in that folder. */
static enum vmrt_status find_db(const char *run, char **path, struct vmrt_error *err)
{
	struct stat st;

	if (stat(run, &st) != 0 && errno == ENOENT)
		return vmrt_fail(err, VMRT_ENOENT, "there is no run %s", run);
	if (stat(run, &st) != 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", run);
	if (!S_ISDIR(st.st_mode)) {
		*path = strdup(run);
		return *path ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	if (asprintf(path, "%s/%s", run, VMRT_FILE_DB) < 0) {
		*path = NULL;
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	if (lstat(*path, &st) != 0 && errno == ENOENT && !has_recording(run))
		return vmrt_fail_file(err, run, "a run");
	if (lstat(*path, &st) != 0 && errno == ENOENT)
		return vmrt_fail(err, VMRT_ENOENT, "%s has no %s: run `vmrt-trace analyze %s`", run,
			VMRT_FILE_DB, run);
	/* in a stranger's folder a link could point to any file */
	if (S_ISLNK(st.st_mode))
		return vmrt_fail(
			err, VMRT_EFORMAT, "%s is a symbolic link: name the file itself", *path);
	return VMRT_OK;
}

/*
 * "file:PATH?immutable=1" with every odd byte escaped: a path may hold '?', '#' and '%'. A file
 * that is immutable has no journal beside it that would be read or made, and no lock can block us;
 * vmrt itself replaces a run.db by renaming only.
 */
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
	strcpy(p, "?immutable=1");
}

enum vmrt_status db_failed(struct vmrt_db *db, struct vmrt_error *err)
{
	int rc = sqlite3_errcode(db->db);

	if (rc == SQLITE_NOMEM)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", db->path);
	if (rc == SQLITE_INTERRUPT && db->too_long)
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s: a query takes far longer than the size of the file explains: the file "
			"is damaged, or vmrt did not make it",
			db->path);
	if (rc == SQLITE_INTERRUPT)
		return vmrt_fail(err, VMRT_EINTR, "%s: interrupted", db->path);
	if (rc == SQLITE_NOTADB)
		return vmrt_fail_file(err, db->path, "a run or its database");
	if (rc == SQLITE_CORRUPT)
		return vmrt_fail(err, VMRT_EFORMAT, "%s is not a database: %s", db->path,
			sqlite3_errmsg(db->db));
	return vmrt_fail(err, VMRT_EDB, "cannot read %s: %s", db->path, sqlite3_errmsg(db->db));
}

/* SQLite's progress handler: ends a query after a signal or too many steps, and shows progress
 * while a query takes long to find its first row. */
static int on_progress(void *ctx)
{
	struct vmrt_db *db = ctx;

	vmrt_progress_count("rows read", db->rows);
	db->too_long = ++db->steps > db->steps_max;
	return db->too_long || vmrt_stop_requested();
}

/* Returns the first column of the first row of @sql with @text as its parameter; 0 if there is no
 * row. */
static enum vmrt_status get_value(struct vmrt_db *db, const char *sql, const char *text, int length,
	int64_t *out, struct vmrt_error *err)
{
	sqlite3_stmt *stmt = NULL;
	enum vmrt_status status = VMRT_OK;
	int rc = sqlite3_prepare_v2(db->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK && text)
		rc = sqlite3_bind_text(stmt, 1, text, length, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	*out = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		status = db_failed(db, err);
	sqlite3_finalize(stmt);
	return status;
}

static enum vmrt_status check_identity(struct vmrt_db *db, const char *run, struct vmrt_error *err)
{
	enum vmrt_status status;
	int64_t application, version;

	status = get_value(db, "PRAGMA application_id", NULL, 0, &application, err);
	if (status == VMRT_OK)
		status = get_value(db, "PRAGMA user_version", NULL, 0, &version, err);
	if (status != VMRT_OK)
		return status;
	if (application != VMRT_DB_APPLICATION_ID)
		return vmrt_file_kind(db->path) == VMRT_KIND_SQLITE
			       ? vmrt_fail(err, VMRT_EFORMAT,
					 "%s is a database, but not one that vmrt made", db->path)
			       : vmrt_fail_file(err, db->path, "a run or its database");
	if (version != VMRT_DB_VERSION)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s has version %lld, made by %s vmrt; this one reads version %d: "
			"run `vmrt-trace analyze %s`",
			db->path, (long long)version,
			version < VMRT_DB_VERSION ? "an older" : "a newer", VMRT_DB_VERSION, run);
	return VMRT_OK;
}

/* Every table, index and view must be declared as vmrt declares it: a stranger's view in the place
 * of a table could compute without end. Other things in the file are never queried. */
static enum vmrt_status check_schema(struct vmrt_db *db, const char *run, struct vmrt_error *err)
{
	static const char schema[] = VMRT_DB_TABLES VMRT_DB_INDICES VMRT_DB_VIEWS;
	enum vmrt_status status = VMRT_OK;

	for (const char *p = schema, *end; status == VMRT_OK && (end = strchr(p, ';'));
		p = end + 1) {
		const char *name = p + strcspn(p, " ");
		int64_t there;

		status = get_value(db, "SELECT 1 FROM sqlite_schema WHERE sql = ?1", p,
			(int)(end - p), &there, err);
		if (status != VMRT_OK || there)
			continue;
		name += 1 + strcspn(name + 1, " ") + 1; /* behind CREATE TABLE */
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s: %.*s is not declared as vmrt declares it: the file is damaged, or "
			"vmrt did not make it; run `vmrt-trace analyze %s`",
			db->path, (int)strcspn(name, "( "), name, run);
	}
	return status;
}

/* Restricts the connection: nothing in the file may run code, write, or use more memory than the
 * file's size explains. */
static void restrict_db(struct vmrt_db *db, int64_t size)
{
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_limit(db->db, SQLITE_LIMIT_LENGTH, TEXT_MAX);
	sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
	db->steps_max = (STEPS_MIN + (uint64_t)size * STEPS_PER_BYTE) / STEPS_BETWEEN_CALLS;
	sqlite3_progress_handler(db->db, STEPS_BETWEEN_CALLS, on_progress, db);
}

void vmrt_db_close(struct vmrt_db *db)
{
	if (!db)
		return;
	sqlite3_close(db->db);
	free(db->path);
	free(db);
}

const char *vmrt_db_path(const struct vmrt_db *db)
{
	return db->path;
}

struct sqlite3 *vmrt_db_handle(struct vmrt_db *db)
{
	db->steps_max = UINT64_MAX;
	return db->db;
}

/* A pipe or a device is no database, and reading it could block for ever. */
static enum vmrt_status check_file(struct vmrt_db *db, int64_t *size, struct vmrt_error *err)
{
	struct stat st;

	if (stat(db->path, &st) != 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", db->path);
	if (!S_ISREG(st.st_mode))
		return vmrt_fail(err, VMRT_EFORMAT, "%s is not a regular file", db->path);
	*size = st.st_size;
	return VMRT_OK;
}

static enum vmrt_status open_file(struct vmrt_db *db, struct vmrt_error *err)
{
	char *uri = malloc(3 * strlen(db->path) + 64);
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
	enum vmrt_status status = VMRT_OK;

	if (!uri)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", db->path);
	make_uri(db->path, uri);
	/* without mutexes, which cost a third of the time of reading: one thread uses a connection
	 */
	if (sqlite3_open_v2(uri, &db->db, flags, NULL) != SQLITE_OK) {
		int errnum = db->db ? sqlite3_system_errno(db->db) : ENOMEM;

		status = errnum ? vmrt_fail_errno(err, errnum, "cannot open %s", db->path)
				: db_failed(db, err);
	}
	free(uri);
	return status;
}

enum vmrt_status vmrt_db_open(const char *run, struct vmrt_db **out, struct vmrt_error *err)
{
	struct vmrt_db *db = calloc(1, sizeof(*db));
	int64_t size = 0, none;
	enum vmrt_status status;

	*out = NULL;
	if (!db)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = find_db(run, &db->path, err);
	if (status == VMRT_OK)
		status = check_file(db, &size, err);
	if (status == VMRT_OK)
		status = open_file(db, err);
	if (status == VMRT_OK) {
		restrict_db(db, size);
		/* all queries run in one read transaction, so that they see one state of a database
		 * that is being replaced or written */
		status = get_value(db, "BEGIN", NULL, 0, &none, err);
	}
	if (status == VMRT_OK)
		status = check_identity(db, run, err);
	if (status == VMRT_OK)
		status = check_schema(db, run, err);
	if (status != VMRT_OK) {
		vmrt_db_close(db);
		return status;
	}
	*out = db;
	return VMRT_OK;
}

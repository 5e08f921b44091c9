/* SPDX-License-Identifier: MIT */
/* Makes the file of run.db under a temporary name beside its place, and renames it when it is
 * complete. */
#include "rundb-local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "schema.h"

#define PROGRESS_STEPS 100000 /* steps of SQLite between two calls, a few milliseconds */
#define APPLICATION_AT 68     /* offset in a file of SQLite of four bytes, the highest first */

#define ONE(column, kind, rest, value) +1
const struct rundb_table rundb_tables[TABLES] = {
#define X(id, table, tail) [T_##id] = {#table, RUNDB_##id(ONE, ONE)},
	RUNDB_TABLE_LIST(X)
#undef X
};
#undef ONE

void rundb_failed(struct rundb *db)
{
	if (db->status == VMRT_OK)
		db->status = vmrt_fail(
			&db->err, VMRT_EDB, "%s: %s", db->temporary, sqlite3_errmsg(db->db));
}

static void run_sql(struct rundb *db, const char *sql)
{
	if (db->status == VMRT_OK && sqlite3_exec(db->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		rundb_failed(db);
}

/* Makes a statement that inserts a row into @table, or up to RUNDB_ROWS rows; the last parameter
 * says how many. NULL without memory. */
static char *make_insert(enum table table)
{
	bool many = rundb_has_many(table);
	size_t rows = many ? RUNDB_ROWS : 1;
	size_t size = 96 + rows * 2 * (size_t)(rundb_tables[table].columns + 1);
	char *sql = malloc(size), *p = sql;

	if (!sql)
		return NULL;
	p += snprintf(p, size, "INSERT %sINTO %s %sVALUES", table == T_SERVER ? "OR REPLACE " : "",
		rundb_tables[table].name, many ? "SELECT * FROM (" : "");
	for (size_t row = 0; row < rows; row++) {
		if (row)
			*p++ = ',';
		for (int i = 0; i < rundb_tables[table].columns; i++) {
			*p++ = i ? ',' : '(';
			*p++ = '?';
		}
		*p++ = ')';
	}
	strcpy(p, many ? ") LIMIT ?" : "");
	return sql;
}

static void prepare_insert(struct rundb *db, enum table table)
{
	char *sql = make_insert(table);

	if (!sql)
		db->status = vmrt_fail(&db->err, VMRT_ENOMEM, "%s: out of memory", db->temporary);
	else if (db->status == VMRT_OK &&
		 sqlite3_prepare_v2(db->db, sql, -1, &db->insert[table], NULL) != SQLITE_OK)
		rundb_failed(db);
	free(sql);
}

static void prepare(struct rundb *db)
{
	for (int t = 0; t < TABLES; t++)
		prepare_insert(db, (enum table)t);
}

/* Is @name a temporary file of @base that a killed analysis left? */
static bool is_leftover(const char *name, const char *base)
{
	size_t len = strlen(base);
	char *after;
	long pid;

	if (strncmp(name, base, len) != 0 || name[len] != '.')
		return false;
	pid = strtol(name + len + 1, &after, 10);
	return pid > 0 && pid <= INT32_MAX && strcmp(after, ".part") == 0 &&
	       kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static void remove_leftovers(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	DIR *dir = folder ? opendir(folder) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_leftover(entry->d_name, slash ? slash + 1 : path))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	free(folder);
}

/* Is the file that @fd is open on open a second time in this process? */
static bool is_open_twice(int fd)
{
	struct stat mine, other;
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	bool found = false;

	if (!dir || fstat(fd, &mine) != 0) {
		if (dir)
			closedir(dir);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		char *end;
		long n = strtol(entry->d_name, &end, 10);

		found = !*end && n != fd && fstat((int)n, &other) == 0 &&
			other.st_dev == mine.st_dev && other.st_ino == mine.st_ino;
	}
	closedir(dir);
	return found;
}

/* Checks that SQLite has opened the file that was made here: in a stranger's folder, a link could
 * have been put in its place between the two. */
static enum vmrt_status open_temporary(struct rundb *db, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	int fd;

	/* noted before the file is made, because a signal may come right after that */
	vmrt_remove_at_crash(db->temporary);
	fd = vmrt_create_file(db->temporary, O_RDWR, 0666);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot create %s", db->temporary);
	if (sqlite3_open_v2(db->temporary, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		status = vmrt_fail(err, VMRT_EDB, "cannot create %s: %s", db->temporary,
			sqlite3_errmsg(db->db));
	else if (!is_open_twice(fd))
		status = vmrt_fail(err, VMRT_EPERM,
			"%s was exchanged while it was made: another user writes to that folder",
			db->temporary);
	close(fd);
	return status;
}

/* SQLite calls this from time to time, also while it makes an index. */
static int is_stopped(void *ctx)
{
	struct rundb *db = ctx;

	return db->stop && db->stop();
}

enum vmrt_status rundb_check_place(const char *path, struct vmrt_error *err)
{
	enum vmrt_file_kind kind = vmrt_file_kind(path);
	unsigned char id[4] = {0};
	struct stat there;
	int fd;

	/* a folder, a device or a link is refused by rundb_create() */
	if (kind == VMRT_KIND_EMPTY || lstat(path, &there) != 0 || !S_ISREG(there.st_mode))
		return VMRT_OK;
	fd = kind == VMRT_KIND_SQLITE ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		ssize_t n = pread(fd, id, sizeof(id), APPLICATION_AT);

		close(fd);
		if (n == sizeof(id) && ((uint32_t)id[0] << 24 | id[1] << 16 | id[2] << 8 | id[3]) ==
					       VMRT_DB_APPLICATION_ID)
			return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_EEXIST,
		"%s is there and is no database of vmrt: give another name, or remove it", path);
}

enum vmrt_status rundb_create(const char *path, const struct vmrt_manifest *manifest,
	int (*stop)(void), struct rundb **out, struct vmrt_error *err)
{
	struct rundb *db;
	struct stat there;
	char pragmas[128];
	enum vmrt_status status;

	/* renaming would replace a device or a link by a database */
	if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode))
		return vmrt_fail(err, VMRT_EEXIST, "%s is there and is not a regular file", path);
	db = calloc(1, sizeof(*db));
	if (!db)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	db->manifest = manifest;
	db->stop = stop;
	db->path = strdup(path);
	if (asprintf(&db->temporary, "%s.%d.part", path, (int)getpid()) < 0)
		db->temporary = NULL;
	if (!db->path || !db->temporary) {
		rundb_abort(db);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	}
	remove_leftovers(path);
	status = open_temporary(db, err);
	if (status != VMRT_OK) {
		rundb_abort(db);
		return status;
	}
	sqlite3_progress_handler(db->db, PROGRESS_STEPS, is_stopped, db);
	/* nobody reads the file before it is complete and renamed, so no journal is needed */
	run_sql(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA "
		    "locking_mode=EXCLUSIVE; PRAGMA page_size=16384;");
	snprintf(pragmas, sizeof(pragmas),
		"PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN;", VMRT_DB_APPLICATION_ID,
		VMRT_DB_VERSION);
	run_sql(db, pragmas);
	run_sql(db, VMRT_DB_TABLES);
	prepare(db);
	if (db->status != VMRT_OK) {
		status = db->status;
		if (err)
			*err = db->err;
		rundb_abort(db);
		return status;
	}
	*out = db;
	return VMRT_OK;
}

static void finalize(struct rundb *db)
{
	for (int t = 0; t < TABLES; t++) {
		sqlite3_finalize(db->insert[t]);
		db->insert[t] = NULL;
	}
}

/* Lets SQLite check every page of the file, because readers will trust it. */
static void check(struct rundb *db)
{
	sqlite3_stmt *stmt = NULL;
	const char *said = NULL;

	if (db->status != VMRT_OK)
		return;
	if (sqlite3_prepare_v2(db->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(stmt, 0);
	if (!said)
		rundb_failed(db);
	else if (strcmp(said, "ok") != 0)
		db->status = vmrt_fail(
			&db->err, VMRT_EDB, "%s is damaged after writing: %s", db->temporary, said);
	sqlite3_finalize(stmt);
}

enum vmrt_status rundb_finish(struct rundb *db, struct vmrt_error *err)
{
	enum vmrt_status status;

	rundb_flush(db);
	finalize(db);
	run_sql(db, VMRT_DB_INDICES);
	run_sql(db, VMRT_DB_VIEWS);
	run_sql(db, "COMMIT");
	check(db);
	if (db->status == VMRT_OK && sqlite3_close(db->db) != SQLITE_OK)
		rundb_failed(db);
	else if (db->status == VMRT_OK)
		db->db = NULL;
	if (db->status == VMRT_OK && rename(db->temporary, db->path) != 0)
		db->status = vmrt_fail_errno(
			&db->err, errno, "cannot rename %s to %s", db->temporary, db->path);
	status = db->status;
	if (status != VMRT_OK && err)
		*err = db->err;
	rundb_abort(db);
	return status;
}

void rundb_abort(struct rundb *db)
{
	if (!db)
		return;
	finalize(db);
	sqlite3_close(db->db);
	if (db->temporary)
		unlink(db->temporary);
	vmrt_keep_at_crash(db->temporary);
	free(db->temporary);
	free(db->path);
	free(db->hidden);
	free(db);
}

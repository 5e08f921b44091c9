/* SPDX-License-Identifier: MIT */
/* Calls libpq so that a signal ends every wait, and so that no message contains a password. */
#include "pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#define TIMEOUT_S 30 /* the time that connecting may take, unless connect_timeout says another */
#define HIDDEN "***"

struct pg {
	PGconn *conn;
	char *uri;
	char name[256];
};

/* Replaces @secret by HIDDEN wherever it is in @text. */
static void hide(char *text, size_t room, const char *secret)
{
	size_t len = secret ? strlen(secret) : 0;
	char *at = text;

	while (len && (at = strstr(at, secret))) {
		size_t rest = strlen(at + len), hidden = strlen(HIDDEN);

		if ((size_t)(at - text) + hidden + rest + 1 > room)
			rest = room - 1 - hidden - (size_t)(at - text);
		memmove(at + hidden, at + len, rest);
		memcpy(at, HIDDEN, hidden);
		at[hidden + rest] = '\0';
		at += hidden;
	}
}

/* What libpq says, in one line and without the password. */
static const char *reason(const struct pg *pg, const char *text, char *buf, size_t room)
{
	size_t used = 0;

	for (; *text && used + 1 < room; text++) {
		if (*text == '\n' || *text == '\t') {
			if (used && buf[used - 1] != ' ')
				buf[used++] = ' ';
			continue;
		}
		buf[used++] = *text;
	}
	while (used && buf[used - 1] == ' ')
		used--;
	buf[used] = '\0';
	hide(buf, room, PQpass(pg->conn));
	return buf;
}

static enum vmrt_status failed(struct pg *pg, const char *text, struct vmrt_error *err)
{
	char buf[VMRT_ERROR_TEXT / 2];

	return vmrt_fail(err, VMRT_EDB, "%s: %s", pg_name(pg), reason(pg, text, buf, sizeof(buf)));
}

const char *pg_name(const struct pg *pg)
{
	return pg->name;
}

/* Waits until the socket can be read or, if @write, until it can be read or written. */
static enum vmrt_status await(struct pg *pg, bool write, int64_t until_ns, struct vmrt_error *err)
{
	struct pollfd fds[2] = {{.fd = PQsocket(pg->conn), .events = POLLIN},
		{.fd = vmrt_stop_fd(), .events = POLLIN}};

	if (write)
		fds[0].events |= POLLOUT;
	for (;;) {
		int64_t left = until_ns ? (until_ns - vmrt_now_ns()) / VMRT_NS_PER_MS : -1;
		int n;

		if (vmrt_stop_requested())
			return vmrt_fail(err, VMRT_EINTR, "%s: interrupted", pg_name(pg));
		if (until_ns && left <= 0)
			return vmrt_fail(err, VMRT_ETIMEOUT, "%s: no answer in time", pg_name(pg));
		n = poll(fds, 2, until_ns ? (int)(left < 1000 ? left : 1000) : -1);
		if (n < 0 && errno != EINTR)
			return vmrt_fail_errno(err, errno, "%s", pg_name(pg));
		if (n > 0 && fds[0].revents)
			return VMRT_OK;
	}
}

static void be_silent(void *ctx, const char *message)
{
	(void)ctx;
	(void)message;
}

static const char *or_else(const char *text, const char *other)
{
	return text && *text ? text : other;
}

/* How long connecting may take. */
static int64_t timeout_of(struct pg *pg)
{
	PQconninfoOption *options = PQconninfo(pg->conn);
	int64_t s = TIMEOUT_S;

	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (!strcmp(o->keyword, "connect_timeout") && o->val && atoi(o->val) > 0)
			s = atoi(o->val);
	PQconninfoFree(options);
	return s * VMRT_NS_PER_S;
}

static enum vmrt_status connect_with(struct pg *pg, struct vmrt_error *err)
{
	static const char *const keys[] = {
		"dbname", "client_encoding", "fallback_application_name", NULL};
	const char *values[] = {pg->uri, "UTF8", "vmrt-report", NULL};
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	enum vmrt_status status = VMRT_OK;
	int64_t until;

	pg->conn = PQconnectStartParams(keys, values, 1);
	if (!pg->conn)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	snprintf(pg->name, sizeof(pg->name), "database %.100s on %.100s",
		or_else(PQdb(pg->conn), "of the user"), or_else(PQhost(pg->conn), "this machine"));
	hide(pg->name, sizeof(pg->name), PQpass(pg->conn));
	PQsetNoticeProcessor(pg->conn, be_silent, NULL);
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		return failed(pg, PQerrorMessage(pg->conn), err);
	until = vmrt_now_ns() + timeout_of(pg);
	while (status == VMRT_OK && state != PGRES_POLLING_OK) {
		status = await(pg, state == PGRES_POLLING_WRITING, until, err);
		if (status == VMRT_OK)
			state = PQconnectPoll(pg->conn);
		if (status == VMRT_OK && state == PGRES_POLLING_FAILED)
			status = failed(pg, PQerrorMessage(pg->conn), err);
	}
	if (status == VMRT_OK && PQsetnonblocking(pg->conn, 1) != 0)
		status = failed(pg, PQerrorMessage(pg->conn), err);
	return status;
}

enum vmrt_status pg_open(const char *uri, struct pg **out, struct vmrt_error *err)
{
	PQconninfoOption *options = PQconninfoParse(uri, NULL);
	struct pg *pg = calloc(1, sizeof(*pg));
	enum vmrt_status status;

	*out = NULL;
	/* the message of libpq would repeat the URI, which may hold a password */
	if (!options) {
		free(pg);
		return vmrt_fail(err, VMRT_EINVAL,
			"the database's URI cannot be read (it is not shown, since it may hold a "
			"password); it is "
			"postgresql://[USER@][HOST][:PORT]/[NAME][?OPTION=VALUE[&...]]");
	}
	PQconninfoFree(options);
	if (!pg || !(pg->uri = strdup(uri))) {
		free(pg);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	status = connect_with(pg, err);
	if (status == VMRT_OK)
		*out = pg;
	else
		pg_close(pg);
	return status;
}

enum vmrt_status pg_again(struct pg *pg, struct vmrt_error *err)
{
	PQfinish(pg->conn);
	return connect_with(pg, err);
}

void pg_close(struct pg *pg)
{
	if (!pg)
		return;
	PQfinish(pg->conn);
	free(pg->uri);
	free(pg);
}

bool pg_lost(const struct pg *pg)
{
	return PQstatus(pg->conn) != CONNECTION_OK;
}

/* Tells the server to stop the query that it works on for this program. */
static void cancel(struct pg *pg)
{
	PGcancel *request = PQgetCancel(pg->conn);
	char words[256];

	if (request)
		PQcancel(request, words, sizeof(words));
	PQfreeCancel(request);
}

/* Sends what is still in libpq's buffer. */
static enum vmrt_status flush_all(struct pg *pg, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	int left;

	while (status == VMRT_OK && (left = PQflush(pg->conn)) != 0) {
		if (left < 0)
			return failed(pg, PQerrorMessage(pg->conn), err);
		status = await(pg, true, 0, err);
		/* the server may send something, and may not read on before this was received */
		if (status == VMRT_OK && !PQconsumeInput(pg->conn))
			return failed(pg, PQerrorMessage(pg->conn), err);
	}
	return status;
}

/* Waits for the next result; @out is NULL after the last one. */
static enum vmrt_status next_result(struct pg *pg, PGresult **out, struct vmrt_error *err)
{
	enum vmrt_status status;

	while (PQisBusy(pg->conn)) {
		if ((status = await(pg, false, 0, err)) != VMRT_OK)
			return status;
		if (!PQconsumeInput(pg->conn))
			return failed(pg, PQerrorMessage(pg->conn), err);
	}
	*out = PQgetResult(pg->conn);
	return VMRT_OK;
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN;
}

/* Waits for all results of what was sent, and puts the last one into @out, unless @out is NULL. */
static enum vmrt_status take_results(struct pg *pg, PGresult **out, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK, got;
	PGresult *result = NULL, *last = NULL;

	while ((got = next_result(pg, &result, err)) == VMRT_OK && result) {
		if (!is_good(result) && status == VMRT_OK)
			status = failed(pg, PQresultErrorMessage(result), err);
		PQclear(last);
		last = result;
		if (PQresultStatus(result) == PGRES_COPY_IN)
			break;
	}
	if (got == VMRT_EINTR)
		cancel(pg);
	if (status == VMRT_OK)
		status = got;
	if (out && status == VMRT_OK)
		*out = last;
	else
		PQclear(last);
	return status;
}

enum vmrt_status pg_query(struct pg *pg, const char *sql, size_t n, const char *const *values,
	struct pg_result **out, struct vmrt_error *err)
{
	PGresult *result = NULL;
	enum vmrt_status status;

	if (out)
		*out = NULL;
	if (!PQsendQueryParams(pg->conn, sql, (int)n, NULL, values, NULL, NULL, 0))
		return failed(pg, PQerrorMessage(pg->conn), err);
	status = flush_all(pg, err);
	if (status == VMRT_OK)
		status = take_results(pg, out ? &result : NULL, err);
	if (out)
		*out = (struct pg_result *)result;
	return status;
}

enum vmrt_status pg_script(struct pg *pg, const char *sql, struct vmrt_error *err)
{
	enum vmrt_status status;

	if (!PQsendQuery(pg->conn, sql))
		return failed(pg, PQerrorMessage(pg->conn), err);
	status = flush_all(pg, err);
	return status == VMRT_OK ? take_results(pg, NULL, err) : status;
}

/* Puts the data into libpq's buffer, piece by piece as it has room. */
static enum vmrt_status put_data(
	struct pg *pg, const char *data, size_t size, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	while (status == VMRT_OK && size) {
		size_t piece = size < 65536 ? size : 65536;
		int put = PQputCopyData(pg->conn, data, (int)piece);

		if (put < 0)
			return failed(pg, PQerrorMessage(pg->conn), err);
		if (put > 0) {
			data += piece;
			size -= piece;
		}
		status = flush_all(pg, err);
	}
	return status;
}

enum vmrt_status pg_copy(
	struct pg *pg, const char *sql, const char *data, size_t size, struct vmrt_error *err)
{
	enum vmrt_status status = pg_script(pg, sql, err);

	if (status == VMRT_OK)
		status = put_data(pg, data, size, err);
	if (status == VMRT_OK && PQputCopyEnd(pg->conn, NULL) < 0)
		status = failed(pg, PQerrorMessage(pg->conn), err);
	if (status == VMRT_OK)
		status = flush_all(pg, err);
	if (status == VMRT_OK)
		status = take_results(pg, NULL, err);
	return status;
}

size_t pg_rows(const struct pg_result *result)
{
	return (size_t)PQntuples((const PGresult *)result);
}

const char *pg_text(const struct pg_result *result, size_t row, int column)
{
	const PGresult *r = (const PGresult *)result;

	return PQgetisnull(r, (int)row, column) ? NULL : PQgetvalue(r, (int)row, column);
}

int64_t pg_int(const struct pg_result *result, size_t row, int column)
{
	const char *text = pg_text(result, row, column);
	int64_t number;

	return text && vmrt_parse_int(text, -VMRT_DB_MOST, VMRT_DB_MOST, &number) == VMRT_OK
		       ? number
		       : VMRT_UNKNOWN;
}

void pg_free(struct pg_result *result)
{
	PQclear((PGresult *)result);
}

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_PG_H
#define VMRT_METRICS_MANY_PG_H

/*
 * A connection to PostgreSQL. Every wait ends when a signal asks to stop, and then the server
 * stops its query, too. No message ever contains the password, wherever the password comes from.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

struct pg;
struct pg_result; /* PGresult, which only pg.c knows */

/**
 * pg_open - connect
 * @uri: in the form that libpq takes; what the URI does not say comes from PGSERVICE, PGPASSFILE
 * and so on
 * @out: end with pg_close()
 *
 * Return: VMRT_OK; VMRT_EINVAL if @uri cannot be read; VMRT_EDB; VMRT_ETIMEOUT; VMRT_EINTR.
 */
enum vmrt_status pg_open(const char *uri, struct pg **out, struct vmrt_error *err);

/** pg_close - end a connection; NULL is allowed */
void pg_close(struct pg *pg);

/** pg_name - "DATABASE on HOST", for messages */
const char *pg_name(const struct pg *pg);

/** pg_lost - has the connection ended? */
bool pg_lost(const struct pg *pg);

/** pg_again - connect again after the connection was lost; returns what pg_open() returns */
enum vmrt_status pg_again(struct pg *pg, struct vmrt_error *err);

/**
 * pg_query - execute one statement with parameters $1, $2, ...
 * @values: n texts or NULLs
 * @out: its rows, to be freed with pg_free(); or NULL if they are not wanted
 */
enum vmrt_status pg_query(struct pg *pg, const char *sql, size_t n, const char *const *values,
	struct pg_result **out, struct vmrt_error *err);

/** pg_script - execute several statements without parameters */
enum vmrt_status pg_script(struct pg *pg, const char *sql, struct vmrt_error *err);

/** pg_copy - execute COPY ... FROM STDIN with @size bytes of @data in the text format of COPY */
enum vmrt_status pg_copy(
	struct pg *pg, const char *sql, const char *data, size_t size, struct vmrt_error *err);

/** pg_rows - the number of rows of a result */
size_t pg_rows(const struct pg_result *result);

/** pg_text - a value, which is valid until pg_free(); NULL if the value is NULL */
const char *pg_text(const struct pg_result *result, size_t row, int column);

/** pg_int - a value as a number; VMRT_UNKNOWN if the value is NULL or no number */
int64_t pg_int(const struct pg_result *result, size_t row, int column);

/** pg_free - free a result; NULL is allowed */
void pg_free(struct pg_result *result);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_STORE_H
#define VMRT_METRICS_MANY_STORE_H

/* Runs in PostgreSQL: docs/many-runs.md, schema.sql. */

#include "many.h"
#include "pg.h"

#define STORE_VERSION 1 /* of the schema */

/** store_prepare - make the schema where there is none; VMRT_EUNSUPPORTED if it is another
 * version's
 */
enum vmrt_status store_prepare(struct pg *pg, struct vmrt_error *err);

/** store_check - as store_prepare(), but VMRT_ENOENT where there is none */
enum vmrt_status store_check(struct pg *pg, struct vmrt_error *err);

enum store_known {
	STORE_NEW,     /* no run has the UUID */
	STORE_SAME,    /* one has, of the same database */
	STORE_CHANGED, /* one has, of another: the recording was analysed again */
};

/** store_known - is a run there? */
enum vmrt_status store_known(struct pg *pg, const char *uuid, const char *content,
	enum store_known *out, struct vmrt_error *err);

/** store_put - put a run in place of any that has its UUID, in one transaction */
enum vmrt_status store_put(struct pg *pg, const struct many_run *run, struct vmrt_error *err);

/* Which runs are wanted; NULL: any. */
struct store_wanted {
	const char *host, *name;
	const char *since, *until; /* recorded from, and before; dates as PostgreSQL reads them */
};

/**
 * store_get - runs in the order in which they were pushed, without their machines and with the
 * histograms of response times and overshoots only
 * @out: an array of @n, free each with many_free() and the array with free()
 */
enum vmrt_status store_get(struct pg *pg, const struct store_wanted *wanted, struct many_run ***out,
	size_t *n, struct vmrt_error *err);

#endif

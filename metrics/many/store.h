/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_STORE_H
#define VMRT_METRICS_MANY_STORE_H

/* Stores runs in PostgreSQL and reads them from there: docs/many-runs.md, schema.sql. */

#include "many.h"
#include "pg.h"

#define STORE_VERSION 1 /* of the schema */

/** store_prepare - make the schema where there is none; VMRT_EUNSUPPORTED if the schema is of
 * another version */
enum vmrt_status store_prepare(struct pg *pg, struct vmrt_error *err);

/** store_check - check the schema as store_prepare() does, but VMRT_ENOENT where there is none */
enum vmrt_status store_check(struct pg *pg, struct vmrt_error *err);

enum store_known {
	STORE_NEW,  /* no stored run has the UUID */
	STORE_SAME, /* a stored run has the UUID, and comes from the same run database */
	/* a stored run has the UUID, but comes from another run database: the recording was
	 * analysed again */
	STORE_CHANGED,
};

/** store_known - is a run stored already? */
enum vmrt_status store_known(struct pg *pg, const char *uuid, const char *content,
	enum store_known *out, struct vmrt_error *err);

/** store_put - store a run, in place of a stored run that has the same UUID, in one transaction */
enum vmrt_status store_put(struct pg *pg, const struct many_run *run, struct vmrt_error *err);

/* Which runs are wanted; NULL: any. */
struct store_wanted {
	const char *host, *name;
	/* recorded at @since or later, and before @until; dates as PostgreSQL reads them */
	const char *since, *until;
};

/**
 * store_get - read runs in the order in which they were pushed, without their machines, and with
 * the histograms of response times and overshoots only
 * @out: an array of @n runs; free each run with many_free() and the array with free()
 */
enum vmrt_status store_get(struct pg *pg, const struct store_wanted *wanted, struct many_run ***out,
	size_t *n, struct vmrt_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_TIMELINE_TIMELINE_LOCAL_H
#define VMRT_METRICS_TIMELINE_TIMELINE_LOCAL_H

/* Declarations that the files of the timeline share, which read a part of a run. */

#include <vmrt/rundb.h>

#include "timeline.h"

/* The slices of @thread are added to @spans. */
struct owner {
	int64_t thread;
	struct vmrt_spans *spans;
};

struct loader {
	struct vmrt_db *db;
	struct vmrt_error *err;
	const char *run;
	const struct vmrt_tl_wanted *wanted;
	struct vmrt_timeline *tl;
	struct owner *owners; /* by thread */
	size_t n_owners;
};

static inline int64_t tl_within(int64_t at, int64_t least, int64_t most)
{
	return at < least ? least : at > most ? most : at;
}

/* timeline-load.c */

/** tl_append - add an element of @size bytes, all 0, behind the @n elements of @array, which has
 * memory for @room elements and grows if necessary; NULL without memory */
void *tl_append(struct vmrt_query *q, void *array, size_t *n, size_t *room, size_t size);

/** tl_text - the text in column @i, or "" if the column is NULL; the caller frees it */
char *tl_text(struct vmrt_query *q, int i);

/** tl_time - the time in column @i. A time that no run can have counts as unknown, so that
 * differences of times never overflow */
int64_t tl_time(struct vmrt_query *q, int i);

/* Is @name or @label one of the @n @names? Without names, everything is wanted. */
bool tl_is_wanted(const char *const *names, size_t n, const char *name, const char *label);

/* Fails if one of @names is not the name of any of the @n tasks or servers. @have: the labels of
 * all of them, and behind these the short names of all of them. */
enum vmrt_status tl_all_found(struct loader *l, const char *what, const char *const *names,
	size_t n_names, const char *const *have, size_t n);

/* timeline-tasks.c */
void tl_free_task(struct vmrt_tl_task *t);
enum vmrt_status tl_load_tasks(struct loader *l);
enum vmrt_status tl_load_jobs(struct loader *l, struct vmrt_tl_task *t);
enum vmrt_status tl_load_blames(struct loader *l, struct vmrt_tl_task *t);

/* timeline-slices.c */
enum vmrt_status tl_load_servers(struct loader *l);
enum vmrt_status tl_load_periods(struct loader *l, struct vmrt_tl_server *s);
enum vmrt_status tl_load_vcpus(struct loader *l);
enum vmrt_status tl_find_owners(struct loader *l);
enum vmrt_status tl_load_slices(struct loader *l);
enum vmrt_status tl_load_losses(struct loader *l);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_TIMELINE_TIMELINE_LOCAL_H
#define VMRT_METRICS_TIMELINE_TIMELINE_LOCAL_H

/* What the files that read a part of a run share. */

#include <vmrt/rundb.h>

#include "timeline.h"

/* Where the slices of a thread go. */
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

/** tl_append - one more element behind @n of @array, zeroed; @room: how many there is room for;
 * NULL without memory */
void *tl_append(struct vmrt_query *q, void *array, size_t *n, size_t *room, size_t size);

/** tl_text - text of column @i, "" for NULL; to be freed */
char *tl_text(struct vmrt_query *q, int i);

/** tl_time - a time of column @i; one that no run can have counts as unknown, so that differences
 * never overflow */
int64_t tl_time(struct vmrt_query *q, int i);

/* Is the one so called among @names? An empty list has all. */
bool tl_is_wanted(const char *const *names, size_t n, const char *name, const char *label);

/* An error if one of @names was not found among those of @n tasks or servers: their labels, and
 * behind them what else they are called. */
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

/* SPDX-License-Identifier: MIT */
#ifndef CATCHUPFIX_H
#define CATCHUPFIX_H

/* What tests of late tasks and of other sleeps share. Times are in us. */
#include "taskfix.h"

/* The job that is due at @due runs until @until, where it sleeps until @next. */
static inline void runs_until(struct fixture *f, int64_t due, int64_t until, int64_t next)
{
	fx_wakes(f, due, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(f, until, next);
}

static inline void begin(struct fixture *f, const char *keys, int64_t first)
{
	fx_begin(f, keys);
	fx_runs_from_the_beginning(f);
	fx_sleep_until(f, 2 * MS, first);
}

static inline struct vmrt_task_contradiction contradiction_of(struct fixture *f)
{
	struct vmrt_task_contradiction found;

	vmrt_engine_task_contradiction(f->engine, 0, &found);
	return found;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Timers that end a job only if the thread is switched out right after it armed them, as those of
 * RESCH and of SCHED_DEADLINE reservations do.
 */
#include "parser/engine/task/mechanism.h"

/* The thread armed @timer: the job ended here if it is switched out right now. */
void confirm_begin(struct jobs *j, const struct armed *a, uint64_t timer, int64_t raw, int clock)
{
	wait_mark_end(j, a->ev->ts, a->host_ns);
	change_job_confirming(j, a->host_ns, true);
	j->rel.confirm.timer = timer;
	j->rel.confirm.raw_expires = raw;
	j->rel.confirm.clock = clock;
}

/* It was switched out otherwise: the job goes on. */
void confirm_forget(struct jobs *j, int64_t host_ns)
{
	change_job_confirming(j, host_ns, false);
	wait_forget_end(j, host_ns);
}

/* The thread was switched out as a job's end would: it ended when it armed its timer. */
void confirm_ended(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns)
{
	struct release *r = &j->rel;
	int64_t before = j->job.arrival_local_ns, skipped = 0;
	int64_t expires = sleep_expiry(j->machine, r->confirm.clock, r->confirm.raw_expires);
	bool off_grid;

	release_discard(j, host_ns);
	off_grid = r->off_grid;
	if (r->mechanism == VMRT_RELEASE_AUTO)
		release_decide(j, mechanism, host_ns);
	change_job_confirming(j, host_ns, false);
	r->off_grid = off_grid || r->confirm.rephased;
	if (j->state == JOB_HEAD) {
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
	} else if (j->state >= JOB_RELEASED) {
		wait_complete_at_mark(j, host_ns);
		if (expires != VMRT_UNKNOWN)
			skipped = jobs_skip(j, before, expires);
	}
	r->off_grid = off_grid;
	r->confirm.rephased = false;
	/* on its way to sleep it waited for the next release already */
	accounts_at(j->machine, host_ns);
	steal_rebook_since(j, r->mark.host_ns, 1u << VMRT_BLAME_EXEC, VMRT_BLAME_RELEASE);
	wait_drop_mark(j, host_ns);
	r->sleep.clock = r->confirm.clock;
	r->sleep.raw_expires = r->confirm.raw_expires;
	jobs_await(j, host_ns, skipped, expires, r->confirm.timer);
}

/* The timer of which it is not known yet whether it ends the job has expired before the thread got
 * to sleep: it did. */
void confirm_expired(
	struct jobs *j, uint64_t timer, int clock, enum vmrt_release mechanism, int64_t host_ns)
{
	if (!j->confirming || j->rel.confirm.timer != timer || j->rel.confirm.clock != clock)
		return;
	confirm_ended(j, mechanism, host_ns);
}

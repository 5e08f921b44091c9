/* SPDX-License-Identifier: MIT */
/*
 * Distances of a task's arrivals: its period where none is declared, and whether there are fewer
 * jobs than periods.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

/* Differences of arrivals within this share of each other are the same period. */
#define PERIOD_SHARE 100
/* Nothing that sleeps has a shorter period. */
#define LEAST_PERIOD_NS (20 * VMRT_NS_PER_US)
/* So many equal ones more than others show that arrivals are on a grid. */
#define OFTEN_CERTAIN 2
/* So many more of one than of all others make that of a thread. */
#define OWN_CERTAIN 4
/* What is rounded when a grid is computed; and how well other clocks are known. */
#define EXACT_NS 10
#define EXACT_OTHER_NS (5 * VMRT_NS_PER_US)
/* Sleeps whose lengths differ by less than this share of the period are of the same length. */
#define SAME_SLEEP_SHARE 50
/* So many arrivals near the grid make it the task's, though it does not sleep until its points. */
#define KEEPS_CERTAIN 8
/* And so many that come back to the grid behind late jobs, for each that does not. */
#define BACK_CERTAIN 3
/* This many distances of a period between sleeps of another way than the task's are no chance. */
#define OTHER_CERTAIN 5
/* A sleep for a release lasts for this part of the period at least. */
#define SLEEP_SHARE 4

static bool same_period(int64_t a, int64_t b)
{
	return llabs(a - b) <= (a < b ? a : b) / PERIOD_SHARE;
}

/* The difference of arrivals that was seen most; of several, the least. */
const struct period_candidate *period_most_frequent(const struct task_found *found)
{
	const struct period_candidate *best = &found->periods[0];

	for (size_t i = 1; i < PERIOD_CANDIDATES; i++) {
		const struct period_candidate *p = &found->periods[i];

		if (p->n > best->n || (p->n == best->n && p->n && p->ns < best->ns))
			best = p;
	}
	return best;
}

int64_t period_found(const struct task_found *found)
{
	const struct period_candidate *best = period_most_frequent(found);

	return best->n >= PERIOD_CERTAIN ? best->ns : 0;
}

/* Is one period a multiple of the other? Then a thread may have left releases out. */
static bool is_multiple(int64_t a, int64_t b)
{
	int64_t less = a < b ? a : b, more = a < b ? b : a;

	return llabs(more - (more + less / 2) / less * less) <= less / PERIOD_SHARE;
}

/* Threads of one name may have periods of their own: then they are no task. */
static void own_note(struct jobs *j, int64_t ns)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	struct wait_own *own = &j->rel.own;

	if (!own->votes)
		own->ns = ns;
	if (same_period(own->ns, ns))
		own->votes++;
	else
		own->votes--;
	if (own->votes < OWN_CERTAIN)
		return;
	if (!found->first_ns) {
		found->first_ns = own->ns;
		found->first_tid = j->thread->pub.tid;
	} else if (found->first_tid != j->thread->pub.tid &&
		   !is_multiple(found->first_ns, own->ns)) {
		found->differs_ns = own->ns;
	}
}

/*
 * One more distance of about @p. The first one may have been that of a nap and a release; a grid
 * shows in distances that are exactly the same, and then that is the period (the majority vote of
 * Boyer and Moore, 1981).
 */
static void candidate_count(struct period_candidate *p, int64_t ns)
{
	p->n++;
	if (!p->often) {
		p->often_ns = ns;
		p->often = 1;
	} else if (llabs(ns - p->often_ns) <= EXACT_NS) {
		p->often++;
	} else {
		p->often--;
	}
	if (p->often >= OFTEN_CERTAIN)
		p->ns = p->often_ns;
}

void period_note(struct jobs *j, int64_t before, int64_t arrival)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	struct period_candidate *least = &found->periods[0];
	int64_t ns;

	if (before == VMRT_UNKNOWN || arrival == VMRT_UNKNOWN ||
		__builtin_sub_overflow(arrival, before, &ns) || ns < LEAST_PERIOD_NS)
		return;
	if (!j->rel.off_grid)
		own_note(j, ns);
	for (size_t i = 0; i < PERIOD_CANDIDATES; i++) {
		struct period_candidate *p = &found->periods[i];

		if (p->n && same_period(p->ns, ns)) {
			least = p;
			break;
		}
		if (p->n < least->n)
			least = p;
	}
	/*
	 * the rarest gives way to a new one, which takes over its count (the "space saving" rule of
	 * Metwally, Agrawal and El Abbadi, ICDT 2005)
	 */
	if (!least->n || !same_period(least->ns, ns)) {
		least->ns = ns;
		least->often = 0;
	}
	if (j->rel.off_grid)
		least->n++;
	else
		candidate_count(least, ns);
	found->distances++;
	if (!j->spec->period_ns && !j->rel.off_grid)
		j->rel.period_ns = period_found(found);
}

/* Do the arrivals so far confirm the period that is used? */
bool period_confirmed(const struct jobs *j)
{
	int64_t found = period_found(&j->machine->engine->found[j->task]);

	return found && j->rel.period_ns && same_period(found, j->rel.period_ns);
}

/* How far @ns is from @steps periods: as declared, or as found, of which the other is rounded. */
int64_t period_off_ns(const struct jobs *j, int64_t ns, int64_t steps)
{
	int64_t found = period_found(&j->machine->engine->found[j->task]);
	int64_t period = j->spec->period_ns ? j->spec->period_ns : j->rel.period_ns;
	int64_t off = llabs(ns - steps * (period ? period : found));

	if (!found || !same_period(found, period) || llabs(ns - steps * found) > off)
		return off;
	return llabs(ns - steps * found);
}

/*
 * Arrivals nearer to the grid than this were computed from it, not from the present time: so well
 * the clock is known that the task sleeps by.
 */
int64_t period_exact_ns(const struct jobs *j)
{
	return j->rel.sleep.clock == CLOCK_IS_MONOTONIC ? EXACT_NS : EXACT_OTHER_NS;
}

/* Is a sleep until @ahead from now of the same length as the one before? */
bool same_sleep(const struct jobs *j, int64_t period, int64_t ahead)
{
	return llabs(ahead - j->rel.usual.ahead_ns) <= period / SAME_SLEEP_SHARE;
}

/* Of @missing releases between the job and the next one, so many came when it had gone to sleep. */
static uint64_t slept_through(int64_t missing, int64_t busy_ns, int64_t period)
{
	int64_t hidden = busy_ns > 0 ? (busy_ns + period / PERIOD_SHARE) / period : 0;

	return missing > hidden ? (uint64_t)(missing - hidden) : 0;
}

/*
 * The period that arrivals are compared with. Where it is not declared and a task sleeps for a
 * time, not until one, the most frequent distance is tried.
 */
static int64_t period_tried(const struct jobs *j)
{
	if (j->spec->period_ns || j->rel.period_ns)
		return j->spec->period_ns ? j->spec->period_ns : j->rel.period_ns;
	return j->rel.mechanism == VMRT_RELEASE_RELATIVE
		       ? period_found(&j->machine->engine->found[j->task])
		       : 0;
}

/*
 * Sleeps of many lengths, and yet arrivals at one distance: the task sleeps for what is left of a
 * period, and that is its period. Where its jobs take the same time, so do its sleeps, but that
 * behind a late job is shorter and ends on the grid all the same.
 */
static bool keeps_a_period(const struct wait_usual *u)
{
	return (u->unlike > u->alike ||
		       (u->back >= BACK_CERTAIN && u->back / BACK_CERTAIN > u->elsewhere)) &&
	       u->exact + u->loose >= KEEPS_CERTAIN && u->off < (u->exact + u->loose) / 2;
}

/*
 * Is @arrival, @steps periods behind @before, near the task's grid? If the period is declared, the
 * grid is that of the first arrival: a task that sleeps for what is left never leaves it, while
 * distances that are near the period by chance soon add up to more. A period that was found out is
 * known too little for that.
 */
static bool keeps_the_grid(struct jobs *j, int64_t before, int64_t arrival, int64_t steps)
{
	struct wait_usual *u = &j->rel.usual;
	int64_t period = j->spec->period_ns, ns, rest;

	if (!period)
		return period_off_ns(j, arrival - before, steps) <= period_tried(j) / PERIOD_SHARE;
	if (!u->on_grid || __builtin_sub_overflow(arrival, u->grid_ns, &ns)) {
		u->on_grid = true;
		u->grid_ns = before;
		ns = arrival - before;
	}
	rest = llabs(ns) % period;
	if ((rest < period - rest ? rest : period - rest) <= period / PERIOD_SHARE)
		return true;
	u->grid_ns = arrival;
	return false;
}

/* The job that arrived at @before has ended at @end; the next one arrives at @arrival, @steps
 * periods later. What does that say of how the task waits? */
static void note_grid(
	struct jobs *j, int64_t period, int64_t before, int64_t end, int64_t arrival, int64_t steps)
{
	struct wait_usual *u = &j->rel.usual;
	int64_t ahead = arrival - end;
	bool near = keeps_the_grid(j, before, arrival, steps);

	if (steps == 1 && period_off_ns(j, arrival - before, steps) <= period_exact_ns(j))
		u->exact++;
	else if (steps == 1 && near)
		u->loose++;
	else
		u->off++;
	u->astray += !near && end - before < period - period / PERIOD_SHARE;
	if (steps > 1 && ahead > 0 && end - before > period && u->ahead_ns &&
		!same_sleep(j, period, ahead)) {
		bool back = period_off_ns(j, arrival - before, steps) <=
			    steps * (period / PERIOD_SHARE);

		u->back += back;
		u->elsewhere += !back;
	}
	if (u->ahead_ns && same_sleep(j, period, ahead))
		u->alike++;
	else if (u->ahead_ns)
		u->unlike++;
	u->ahead_ns = ahead;
}

/* How do the arrivals of @next and of the job before lie on the task's grid of @period? */
static void note_next(struct jobs *j, int64_t period, const struct wait_next *next)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	int64_t ns = next->arrival - next->before, skipped = next->skipped, steps;
	struct release *r = &j->rel;
	uint64_t slept = 0;

	if (ns / period > BACKLOG_MAX)
		return;
	steps = (ns + period / 2) / period;
	note_grid(j, period, next->before, next->end, next->arrival, steps);
	if (steps > 1 + skipped)
		slept = slept_through(steps - 1 - skipped, next->end - next->before, period);
	if (!j->spec->period_ns && !r->period_ns) {
		if (steps > 1 + skipped)
			r->usual.hidden += (uint64_t)(steps - 1 - skipped) - slept;
		if (!keeps_a_period(&r->usual))
			return;
		r->period_ns = period;
		found->hidden += r->usual.hidden;
		return;
	}
	/* times of a damaged recording may be that far apart */
	if (__builtin_add_overflow(found->span_ns, ns, &found->span_ns)) {
		found->span_ns = 0;
		found->steps = found->missing = found->slept = 0;
		return;
	}
	if (__builtin_add_overflow(r->usual.span_ns, ns, &r->usual.span_ns))
		memset(&r->usual, 0, sizeof(r->usual)); /* as above */
	r->usual.arrivals++;
	r->usual.steps += (uint64_t)(1 + skipped);
	found->steps += (uint64_t)(1 + skipped);
	if (steps > 1 + skipped) {
		r->usual.missing += (uint64_t)(steps - 1 - skipped);
		r->usual.slept += slept;
		found->missing += (uint64_t)(steps - 1 - skipped);
		found->slept += slept;
	}
	/* it was ready in time, but left releases out */
	if (steps > 1 && next->end - next->before < period - period / PERIOD_SHARE) {
		r->usual.early_skips++;
		found->early_skips++;
	}
	if (j->spec->distance_ns && ns < j->spec->distance_ns) {
		if (!found->too_close++ || ns < found->closest_ns)
			found->closest_ns = ns;
	}
}

/*
 * The open job, which arrived at @before, ended at @end; the next one arrives at @arrival, and
 * @skipped releases between the two are accounted for. Where no period is declared, the first ones
 * are noted when one can be tried.
 */
void arrivals_note(struct jobs *j, int64_t before, int64_t end, int64_t arrival, int64_t skipped)
{
	struct wait_next next = {before, end, arrival, skipped};
	int64_t period = period_tried(j), ns;
	unsigned n = j->rel.usual.n_early;

	if (before == VMRT_UNKNOWN || arrival == VMRT_UNKNOWN ||
		__builtin_sub_overflow(arrival, before, &ns) || ns <= 0)
		return;
	if (period <= 0) {
		if (n < EARLY_MAX)
			j->rel.usual.early[j->rel.usual.n_early++] = next;
		return;
	}
	j->rel.usual.n_early = 0;
	for (unsigned i = 0; i < n; i++)
		note_next(j, period, &j->rel.usual.early[i]);
	note_next(j, period, &next);
}

/* The thread turns out to wait in another way than its task, or what was taken for its jobs to be
 * parts of one: its arrivals so far are none of the task's. */
void arrivals_forget(struct jobs *j)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	struct wait_usual *u = &j->rel.usual;

	if (found->steps >= u->steps && found->missing >= u->missing) {
		found->steps -= u->steps;
		found->missing -= u->missing;
		found->slept -= u->slept;
		found->span_ns -= u->span_ns;
		found->early_skips -= u->early_skips;
	}
	*u = (struct wait_usual){0};
}

/*
 * Within its job the thread goes to sleep until @expires in another way than its task. Once that is
 * no sign: a job may sleep. But if such sleeps end at the distance of the period, again and again
 * within one job, the thread may have changed the way it waits, and they may be its releases: what
 * it did since is not known. Who is late sleeps for no time, or for a moment, behind each job.
 */
void arrivals_note_other(struct jobs *j, int64_t now, int64_t expires)
{
	struct wait_other *o = &j->rel.other;
	int64_t period = j->spec->period_ns ? j->spec->period_ns : j->rel.period_ns, ns, left;
	bool same = o->arrival_ns == j->job.arrival_local_ns &&
		    !__builtin_sub_overflow(expires, o->at_ns, &ns) && ns > 0 &&
		    llabs(ns - period) <= period / MEAN_SHARE;

	/* who is woken by others ends a job with each sleep */
	if (expires == VMRT_UNKNOWN || period <= 0 || j->state != JOB_STARTED ||
		j->rel.mechanism == VMRT_RELEASE_WAKEUP ||
		__builtin_sub_overflow(expires, now, &left) || left < period / SLEEP_SHARE)
		return;
	o->distances = same ? o->distances + 1 : 0;
	o->arrival_ns = j->job.arrival_local_ns;
	o->at_ns = expires;
	if (o->distances < OTHER_CERTAIN)
		return;
	j->lost_to_ns = to_host(j->machine, expires);
	j->machine->engine->found[j->task].changes = true;
}

/* The next sleep behind the last one within the job ends at @expires. */
static void note_part(struct wait_within *w, int64_t expires)
{
	int64_t ns;

	if (__builtin_sub_overflow(expires, w->at_ns, &ns))
		ns = INT64_MAX;
	w->at_ns = expires;
	w->least_ns = ns < w->least_ns ? ns : w->least_ns;
	w->most_ns = ns > w->most_ns ? ns : w->most_ns;
	w->n++;
}

/* The thread sleeps until @expires, which is less than half a period behind the arrival of its job:
 * it counts as a sleep within. */
void arrivals_note_within(struct jobs *j, int64_t expires)
{
	struct wait_within *w = &j->rel.within;

	if (!w->n || w->arrival_ns != j->job.arrival_local_ns)
		*w = (struct wait_within){.arrival_ns = j->job.arrival_local_ns,
			.at_ns = j->job.arrival_local_ns,
			.least_ns = INT64_MAX};
	note_part(w, expires);
}

/*
 * The job, within which the thread may have slept, is over, and the next one arrives at @arrival.
 * Have the sleeps divided the time between the two into equal parts? Then each of them may have
 * been a release, if the declared period is more than twice the real one.
 */
void arrivals_note_divided(struct jobs *j, int64_t arrival)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	struct wait_within *w = &j->rel.within;

	if (!w->n || w->arrival_ns != j->job.arrival_local_ns || j->state != JOB_STARTED ||
		arrival == VMRT_UNKNOWN)
		return;
	note_part(w, arrival);
	if (w->least_ns >= LEAST_PERIOD_NS &&
		w->most_ns - w->least_ns <= w->least_ns / MEAN_SHARE) {
		found->divided++;
		found->divided_ns = w->least_ns;
	}
	w->n = 0;
}

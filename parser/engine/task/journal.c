/* SPDX-License-Identifier: MIT */
/*
 * Who had the CPU while a job waited.
 *
 * The stretches that task/blame.c adds up are also written down here, with the thread that ran,
 * from the arrival of the open job on: so the threads behind a part are known for jobs too that
 * queued for a while behind earlier ones. What is older than fits counts as nobody's. The sums of
 * the parts themselves do not depend on any of this.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

#define JOURNAL_FIRST 64
#define JOURNAL_MAX 16384 /* entries, half a MiB for a thread that has to wait that often */
#define TALLY 32	  /* distinct threads and parts in one job */

static struct entry *entry_at(const struct journal *g, size_t i)
{
	return &g->entries[(g->first + i) & (g->size - 1)];
}

static bool grow(struct journal *g)
{
	size_t size = g->size ? g->size * 2 : JOURNAL_FIRST;
	struct entry *bigger = malloc(size * sizeof(*bigger));

	if (!bigger)
		return false;
	for (size_t i = 0; i < g->n; i++)
		bigger[i] = *entry_at(g, i);
	free(g->entries);
	g->entries = bigger;
	g->size = size;
	g->first = 0;
	return true;
}

void journal_add(struct jobs *j, const struct entry *entry)
{
	struct journal *g = &j->journal;

	if (g->n) {
		struct entry *last = entry_at(g, g->n - 1);

		if (last->to_ns == entry->from_ns && last->part == entry->part &&
			last->thread == entry->thread && last->gap == entry->gap &&
			last->on_host == entry->on_host) {
			last->to_ns = entry->to_ns;
			return;
		}
	}
	if (g->n == g->size && g->size < JOURNAL_MAX && !grow(g))
		j->machine->engine->out_of_memory = true;
	if (g->n == g->size && !g->n)
		return;
	if (g->n == g->size) {
		g->first = (g->first + 1) & (g->size - 1);
		g->n--;
		g->short_of_room = true;
	}
	g->n++;
	*entry_at(g, g->n - 1) = *entry;
}

/* Sums up where the time went since @from_ns. False: not all of it is remembered. */
bool journal_since(const struct jobs *j, int64_t from_ns, int64_t *parts)
{
	const struct journal *g = &j->journal;

	memset(parts, 0, VMRT_BLAMES * sizeof(*parts));
	if (!g->n || entry_at(g, 0)->from_ns > from_ns)
		return false;
	for (size_t i = g->n; i-- && entry_at(g, i)->to_ns > from_ns;) {
		const struct entry *e = entry_at(g, i);

		parts[e->part] += e->to_ns - (e->from_ns > from_ns ? e->from_ns : from_ns);
	}
	return true;
}

void journal_drop(struct jobs *j, int64_t before_ns)
{
	struct journal *g = &j->journal;

	while (g->n && entry_at(g, 0)->to_ns <= before_ns) {
		g->first = (g->first + 1) & (g->size - 1);
		g->n--;
	}
	g->short_of_room = g->short_of_room && g->n;
}

/* What was booked as @part in @gap was @as. */
void journal_rebook_gap(
	struct jobs *j, const struct gap *gap, enum vmrt_blame part, enum vmrt_blame as)
{
	struct journal *g = &j->journal;

	for (size_t i = g->n; i-- && entry_at(g, i)->to_ns > gap->from_ns;) {
		struct entry *e = entry_at(g, i);

		if (e->gap == gap->id && e->part == part)
			e->part = (uint8_t)as;
	}
}

/* What was booked between the two times was @as. */
void journal_rebook(struct jobs *j, int64_t from_ns, int64_t to_ns, enum vmrt_blame as)
{
	struct journal *g = &j->journal;

	for (size_t i = g->n; i-- && entry_at(g, i)->to_ns > from_ns;) {
		struct entry *e = entry_at(g, i);

		if (e->from_ns >= to_ns)
			continue;
		e->thread = VMRT_NONE;
		if (e->from_ns < from_ns)
			e->to_ns = from_ns; /* whose it was from there on is left open */
		else
			e->part = (uint8_t)as;
	}
}

void journal_free(struct jobs *j)
{
	free(j->journal.entries);
	memset(&j->journal, 0, sizeof(j->journal));
}

/* How many threads of a part are listed: on the host, where anything may run, only the
 * first. */
static int most_threads(enum vmrt_blame part)
{
	return part == VMRT_BLAME_INTERFERENCE || part == VMRT_BLAME_GUEST_OVERRUN ? 6 : 3;
}

static void tally(
	struct vmrt_blamed *list, size_t *n, enum vmrt_blame part, uint32_t thread, int64_t ns)
{
	for (size_t i = 0; i < *n; i++) {
		if (list[i].part == part && list[i].thread == thread) {
			list[i].ns += ns;
			return;
		}
	}
	if (*n < TALLY)
		list[(*n)++] = (struct vmrt_blamed){part, thread, ns};
}

/* A thread, and what all threads of its name together are to blame for. */
struct share {
	struct vmrt_blamed of;
	uint32_t name;
	int64_t all_ns;
};

static int by_part_and_name(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->of.part != y->of.part)
		return x->of.part < y->of.part ? -1 : 1;
	if (x->all_ns != y->all_ns)
		return x->all_ns > y->all_ns ? -1 : 1;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	if (x->of.ns != y->of.ns)
		return x->of.ns > y->of.ns ? -1 : 1;
	return (x->of.thread > y->of.thread) - (x->of.thread < y->of.thread);
}

/*
 * Puts the heaviest threads of each part into @job, and never more time than the part has. Those of
 * the name that is heaviest come first.
 */
static void emit(struct jobs *j, const struct vmrt_blamed *list, size_t n)
{
	const struct namesakes *names = &j->machine->engine->namesakes;
	struct vmrt_job *job = &j->job;
	struct share shares[TALLY];
	int64_t left[VMRT_BLAMES];
	int count[VMRT_BLAMES] = {0};

	memcpy(left, job->blame_ns, sizeof(left));
	for (size_t i = 0; i < n; i++)
		shares[i] =
			(struct share){.of = list[i], .name = namesakes_of(names, list[i].thread)};
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			if (shares[k].of.part == shares[i].of.part &&
				shares[k].name == shares[i].name)
				shares[i].all_ns += shares[k].of.ns;
	qsort(shares, n, sizeof(*shares), by_part_and_name);
	job->n_blamed = 0;
	for (size_t i = 0; i < n && job->n_blamed < VMRT_BLAMED_MAX; i++) {
		enum vmrt_blame part = shares[i].of.part;
		int64_t ns = shares[i].of.ns < left[part] ? shares[i].of.ns : left[part];

		if (ns <= 0 || count[part]++ >= most_threads(part))
			continue;
		left[part] -= ns;
		job->blamed[job->n_blamed++] = (struct vmrt_blamed){part, shares[i].of.thread, ns};
	}
}

/*
 * Where the host's and the guest's time meet, a stretch may in truth be longer or shorter by the
 * error of the guest's clock, at the expense of its neighbour; and so may the first and the last
 * one.
 */
void journal_close(struct jobs *j, int64_t end_ns)
{
	const struct journal *g = &j->journal;
	struct vmrt_job *job = &j->job;
	struct vmrt_blamed list[TALLY];
	const struct entry *before = NULL;
	int64_t unsure = 0;
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct entry *e = entry_at(g, i);
		int64_t from = e->from_ns > job->arrival_ns ? e->from_ns : job->arrival_ns;
		int64_t to = e->to_ns < end_ns ? e->to_ns : end_ns;
		enum vmrt_blame part = e->part;
		uint32_t thread = e->thread;

		if (to <= from)
			continue;
		if (!before || before->on_host != e->on_host)
			unsure += e->error_ns;
		before = e;
		/* what an earlier job of the task ran, this one waited */
		if (from < j->opened_ns &&
			(part == VMRT_BLAME_EXEC || part == VMRT_BLAME_OVERRUN)) {
			part = part == VMRT_BLAME_EXEC ? VMRT_BLAME_INTERFERENCE
						       : VMRT_BLAME_GUEST_OVERRUN;
			thread = j->thread->pub.id;
			to = to < j->opened_ns ? to : j->opened_ns;
		}
		if (thread != VMRT_NONE)
			tally(list, &n, part, thread, to - from);
	}
	emit(j, list, n);
	if (before)
		unsure += before->error_ns;
	unsure += unsure_within(j, job->arrival_ns, end_ns);
	if (job->response_ns != VMRT_UNKNOWN && unsure > job->response_ns)
		unsure = job->response_ns;
	job->unsure_ns = g->short_of_room || j->unknown_ns || !j->machine->error_known
				 ? VMRT_UNKNOWN
				 : unsure;
}

uint32_t vmrt_job_blamed(const struct vmrt_job *job, enum vmrt_blame part)
{
	for (size_t i = 0; i < job->n_blamed; i++)
		if (job->blamed[i].part == part)
			return job->blamed[i].thread;
	return VMRT_NONE;
}

/* SPDX-License-Identifier: MIT */
/*
 * The budget of a sporadic server (Sprunt, Sha and Lehoczky 1989, with the corrections of Stanovich
 * et al., RTAS 2010).
 *
 * The budget is a list of chunks (amount, time); the sum of their amounts is always the whole
 * budget. A chunk is available from its time on. Consumption takes from the oldest chunk, and the
 * amount that was taken returns one period after the chunk's time. When members begin to want to
 * run after a time in which none did, chunks that were available but unused get that instant as
 * their time.
 */
#include "policy.h"

#include <string.h>

void hsf_sporadic_init(struct hsf_budget *b)
{
	b->chunks[0] = (struct hsf_chunk){.at_ns = b->t0, .amount_ns = b->budget_ns};
	b->n_chunks = 1;
	b->checked_ns = b->t0;
}

int64_t hsf_sporadic_left(const struct hsf_budget *b)
{
	int64_t sum = 0;

	for (size_t i = 0; i < b->n_available; i++)
		sum += b->chunks[i].amount_ns;
	return sum;
}

static void drop(struct hsf_budget *b, size_t i)
{
	memmove(b->chunks + i, b->chunks + i + 1, (b->n_chunks - i - 1) * sizeof(b->chunks[0]));
	b->n_chunks--;
	b->n_available -= i < b->n_available;
}

/* Adds a chunk at the end of the list, which is in order of time. An amount that cannot have a
 * chunk of its own is added to the last chunk: a later replenishment is always safe. */
static void add_chunk(struct hsf_budget *b, int64_t amount, int64_t at)
{
	struct hsf_chunk *last = &b->chunks[b->n_chunks ? b->n_chunks - 1 : 0];

	if (b->n_chunks > b->n_available &&
		(last->at_ns >= at || last->amount_ns < HSF_LEAST_STEP_NS ||
			b->n_chunks == HSF_CHUNKS)) {
		last->amount_ns += amount;
		last->at_ns = last->at_ns > at ? last->at_ns : at;
		return;
	}
	if (b->n_chunks == HSF_CHUNKS) { /* all are available: the two newest chunks become one */
		b->chunks[HSF_CHUNKS - 2].amount_ns += last->amount_ns;
		b->chunks[HSF_CHUNKS - 2].at_ns = last->at_ns;
		drop(b, HSF_CHUNKS - 1);
	}
	b->chunks[b->n_chunks++] = (struct hsf_chunk){.at_ns = at, .amount_ns = amount};
}

int64_t hsf_sporadic_next(const struct hsf_budget *b)
{
	int64_t check_ns = b->checked_ns + b->period_ns;

	/* with a check once in a period every activation is seen before its consumption is due */
	if (b->n_available < b->n_chunks && b->chunks[b->n_available].at_ns < check_ns)
		return b->chunks[b->n_available].at_ns;
	return check_ns;
}

enum hsf_action hsf_sporadic_time(struct hsf_budget *b, int64_t now)
{
	size_t n = b->n_available;

	if (n == b->n_chunks || b->chunks[n].at_ns > now) {
		b->checked_ns = now;
		return HSF_NOTHING;
	}
	/* too little to run for: this amount becomes available with the next chunk */
	if (hsf_sporadic_left(b) + b->chunks[n].amount_ns < HSF_LEAST_STEP_NS &&
		n + 1 < b->n_chunks) {
		b->chunks[n + 1].amount_ns += b->chunks[n].amount_ns;
		drop(b, n);
		return hsf_sporadic_time(b, now);
	}
	b->n_available++;
	b->replenishment = b->chunks[n];
	b->k++;
	b->eligible = true;
	return HSF_REPLENISHED;
}

/* If more was consumed than is available, the overrun is taken from the next chunk. */
enum hsf_action hsf_sporadic_use(struct hsf_budget *b, int64_t used_ns)
{
	if (!b->eligible)
		return HSF_NOTHING;
	b->used_ns += used_ns;
	while (used_ns > 0) {
		struct hsf_chunk *first = &b->chunks[0];
		int64_t part = first->amount_ns < used_ns ? first->amount_ns : used_ns;
		int64_t at = first->at_ns + b->period_ns;

		first->amount_ns -= part;
		if (!first->amount_ns)
			drop(b, 0);
		add_chunk(b, part, at);
		used_ns -= part;
	}
	if (hsf_sporadic_left(b) >= HSF_LEAST_STEP_NS)
		return HSF_NOTHING;
	b->eligible = false;
	return HSF_DEPLETED;
}

void hsf_sporadic_wake(struct hsf_budget *b, int64_t now)
{
	int64_t sum = hsf_sporadic_left(b);

	while (b->n_available > 1)
		drop(b, 0);
	if (b->n_available)
		b->chunks[0] = (struct hsf_chunk){.at_ns = now, .amount_ns = sum};
}

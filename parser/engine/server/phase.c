/* SPDX-License-Identifier: MIT */
/*
 * Where the periods of a declared server begin when nothing in the recording says so. A server that
 * is out of budget keeps its members waiting until the next period, so the ends of such waits show
 * the phase.
 *
 * The first periods' supply is kept until the phase is fitted, and then accounted on the grid.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define PERIODS 16    /* so long it is waited */
#define SEGMENTS 4096 /* but no longer than this many changes */
#define SAMPLES 64
#define SAMPLES_MIN 8
#define WAIT_MIN_PART 16 /* waits shorter than this part of the period are no want of budget */
#define WINDOW_PART                                                                                \
	32 /* starts this close together, on the circle of the period, are one phase               \
	    */

struct phase_fit {
	int64_t from_ns, until_ns;
	struct segment *segments;
	size_t room, n, taken;
	int64_t loss_to_ns; /* of a loss before the first segment, or VMRT_UNKNOWN */
	int64_t starts[SAMPLES];
	size_t n_starts;
};

struct phase_fit *phase_new(int64_t from_ns, int64_t period_ns)
{
	struct phase_fit *f = calloc(1, sizeof(*f));

	if (f)
		phase_restart(f, from_ns, period_ns);
	return f;
}

/* Forgets what was kept: it begins at @from_ns. */
void phase_restart(struct phase_fit *f, int64_t from_ns, int64_t period_ns)
{
	f->n = f->n_starts = 0;
	f->from_ns = from_ns;
	f->loss_to_ns = VMRT_UNKNOWN;
	if (__builtin_mul_overflow(period_ns, PERIODS, &f->until_ns) ||
		__builtin_add_overflow(f->until_ns, from_ns, &f->until_ns))
		f->until_ns = INT64_MAX;
}

bool phase_add(struct phase_fit *f, const struct segment *segment)
{
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		struct segment *more = realloc(f->segments, room * sizeof(*more));

		if (!more)
			return false;
		f->segments = more;
		f->room = room;
	}
	f->segments[f->n++] = *segment;
	return true;
}

struct segment *phase_last(struct phase_fit *f)
{
	return f->n ? &f->segments[f->n - 1] : NULL;
}

/* Events were lost between the two; the last segment ends behind @from_ns, or right there. */
void phase_loss(struct phase_fit *f, int64_t from_ns, int64_t to_ns)
{
	if (!f->n)
		f->loss_to_ns = to_ns;
	for (size_t i = f->n; i-- && f->segments[i].to_ns >= from_ns;) {
		f->segments[i].loss_from_ns = from_ns;
		f->segments[i].loss_to_ns = to_ns;
	}
}

/* Segment number @i ends at @at_ns, and the next one is what was behind that; false: no memory. */
static bool divide(struct phase_fit *f, size_t i, int64_t at_ns)
{
	struct segment first = f->segments[i];

	if (!phase_add(f, &first))
		return false;
	memmove(&f->segments[i + 1], &f->segments[i], (f->n - 1 - i) * sizeof(first));
	f->segments[i + 1].from_ns = first.to_ns = at_ns;
	/* that is of its end, or of what is behind it */
	first.uncertainty_ns = first.uncertain_to_ns = 0;
	if (first.loss_from_ns > at_ns)
		first.loss_from_ns = first.loss_to_ns = 0;
	f->segments[i] = first;
	return true;
}

/* A member was taken to run from @from_ns until the last segment ends, but did not; false: no
 * memory. */
bool phase_steal(struct phase_fit *f, int64_t from_ns)
{
	size_t i = f->n;

	while (i && f->segments[i - 1].from_ns >= from_ns)
		f->segments[--i].stolen++;
	if (!i || f->segments[i - 1].to_ns <= from_ns)
		return true;
	if (!divide(f, i - 1, from_ns))
		return false;
	f->segments[i].stolen++;
	return true;
}

int64_t phase_loss_before(const struct phase_fit *f)
{
	return f->loss_to_ns;
}

void phase_start(struct phase_fit *f, int64_t waited_ns, int64_t start_ns, int64_t period_ns)
{
	if (waited_ns >= period_ns / WAIT_MIN_PART && f->n_starts < SAMPLES)
		f->starts[f->n_starts++] = (start_ns - f->from_ns) % period_ns;
}

int64_t phase_from(const struct phase_fit *f)
{
	return f->from_ns;
}

bool phase_ready(const struct phase_fit *f, int64_t now_ns)
{
	return now_ns >= f->until_ns || f->n >= SEGMENTS;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The middle one of those that lie closest together, if that is at least half of them. */
int64_t phase_fit(struct phase_fit *f, int64_t period_ns)
{
	int64_t window = period_ns / WINDOW_PART;
	size_t best = 0, most = 0;

	if (f->n_starts < SAMPLES_MIN)
		return VMRT_UNKNOWN;
	qsort(f->starts, f->n_starts, sizeof(*f->starts), by_value);
	for (size_t i = 0; i < f->n_starts; i++) {
		size_t n = 0;

		while (n < f->n_starts) {
			size_t j = (i + n) % f->n_starts;
			int64_t behind = f->starts[j] - f->starts[i] + (j < i ? period_ns : 0);

			if (behind > window)
				break;
			n++;
		}
		if (n > most) {
			most = n;
			best = i;
		}
	}
	if (most * 2 < f->n_starts)
		return VMRT_UNKNOWN;
	return f->from_ns + f->starts[(best + most / 2) % f->n_starts];
}

const struct segment *phase_replay(struct phase_fit *f)
{
	return f->taken < f->n ? &f->segments[f->taken++] : NULL;
}

void phase_free(struct phase_fit *f)
{
	if (!f)
		return;
	free(f->segments);
	free(f);
}

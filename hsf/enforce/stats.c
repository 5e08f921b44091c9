/* SPDX-License-Identifier: MIT */
/* A histogram that allocates no memory, because the enforcer's threads must not wait for an
 * allocation. */
#include "server.h"

#include <math.h>

#define FINE_BITS 5 /* log2(HSF_HIST_FINE) */

/* Each value below HSF_HIST_FINE has its own bucket; above that, each power of two has
 * HSF_HIST_FINE buckets. */
static size_t bucket_of(uint64_t v)
{
	unsigned shift;

	if (v < HSF_HIST_FINE)
		return (size_t)v;
	shift = 63 - (unsigned)__builtin_clzll(v) - FINE_BITS;
	return (size_t)(shift + 1) * HSF_HIST_FINE + (size_t)((v >> shift) - HSF_HIST_FINE);
}

static int64_t bucket_end(size_t bucket)
{
	size_t power = bucket / HSF_HIST_FINE;

	if (power == 0)
		return (int64_t)bucket;
	return (int64_t)((((uint64_t)bucket % HSF_HIST_FINE + HSF_HIST_FINE + 1) << (power - 1)) -
			 1);
}

void hsf_hist_add(struct hsf_hist *h, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	h->count[bucket_of((uint64_t)ns)]++;
	h->n++;
	if (ns > h->max)
		h->max = ns;
}

int64_t hsf_hist_quantile(const struct hsf_hist *h, double q)
{
	uint64_t rank, seen = 0;

	if (!h->n)
		return VMRT_UNKNOWN;
	rank = (uint64_t)ceil(q * (double)h->n);
	for (size_t i = 0; i < HSF_HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= rank && h->count[i])
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}

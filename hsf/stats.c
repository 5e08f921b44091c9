/* SPDX-License-Identifier: MIT */
#include "hsf.h"

#include <inttypes.h>
#include <math.h>

#define FINE_BITS 5 /* log2(HSF_HIST_FINE) */

/* Values below HSF_HIST_FINE have buckets of their own, above each power of two has 32. */
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
	return (int64_t)((((uint64_t)bucket % HSF_HIST_FINE + HSF_HIST_FINE + 1) << (power - 1)) - 1);
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

static void report_hist(FILE *out, const char *what, const struct hsf_hist *h)
{
	char p50[VMRT_UNITS_TEXT], p99[VMRT_UNITS_TEXT], max[VMRT_UNITS_TEXT];

	if (!h->n)
		return;
	fprintf(out, "  %-22s p50 %s, p99 %s, max %s\n", what,
		vmrt_format_duration(hsf_hist_quantile(h, 0.5), p50),
		vmrt_format_duration(hsf_hist_quantile(h, 0.99), p99), vmrt_format_duration(h->max, max));
}

void hsf_report(FILE *out, const struct hsf_server *servers, size_t n, int64_t ran_ns, int64_t cpu_ns)
{
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < n; i++) {
		const struct hsf_server *s = &servers[i];

		fprintf(out, "server %s (VM %s, CPU %d, %s every %s, priority %d)\n", s->spec->name, s->vm,
			s->cpu, vmrt_format_duration(s->spec->budget_ns, a),
			vmrt_format_duration(s->spec->period_ns, b), s->spec->priority);
		fprintf(out,
			"  %-22s %" PRIu64 ", of which depleted %" PRIu64 "; replenishments missed %" PRIu64 "\n",
			"periods", s->replenishments, s->depletions, s->budget.skipped);
		report_hist(out, "over the budget", &s->overshoot);
		if (s->depletions)
			fprintf(out, "  %-22s at most %s\n", "short of the budget",
				vmrt_format_duration(s->most_short, a));
		report_hist(out, "replenished too late by", &s->lateness);
		if (s->replenishments)
			fprintf(out, "  %-22s %.2f per period\n", "looks at the budget",
				(double)s->looks / (double)s->replenishments);
	}
	fprintf(out, "enforcing took %s of CPU time in %s (%.3f %%)\n", vmrt_format_duration(cpu_ns, a),
		vmrt_format_duration(ran_ns, b), ran_ns > 0 ? 100.0 * (double)cpu_ns / (double)ran_ns : 0.0);
}

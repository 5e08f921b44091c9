/* SPDX-License-Identifier: MIT */
#include "hsf.h"

double hsf_utilisation(const struct hsf_demand *d, size_t n, int cpu)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (d[i].cpu == cpu)
			sum += (double)d[i].budget_ns / (double)d[i].period_ns;
	return sum;
}

/* Budget that servers at @s's priority or above may take from @s within @window. */
static int64_t interference(const struct hsf_demand *d, size_t n, size_t s, int64_t window)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t times;

		/* among equals the one that came first goes on: each may have to wait for the others */
		if (i == s || d[i].cpu != d[s].cpu || d[i].priority < d[s].priority)
			continue;
		times = (window + d[i].jitter_ns + d[i].period_ns - 1) / d[i].period_ns;
		sum += times * d[i].budget_ns;
	}
	return sum;
}

/*
 * R = Q + sum over the servers above of ceil((R + J) / T) Q, with J = T - Q for a deferrable one,
 * which may spend one budget at the end of a period and the next at once after it (Strosnider,
 * Lehoczky and Sha 1995). Ends when R repeats or passes the period.
 */
size_t hsf_admit(struct hsf_demand *d, size_t n)
{
	size_t failed = 0;

	for (size_t s = 0; s < n; s++) {
		int64_t r = d[s].budget_ns, next = 0;

		while (r <= d[s].period_ns) {
			next = d[s].budget_ns + interference(d, n, s, r);
			if (next == r)
				break;
			r = next;
		}
		d[s].response_ns = r;
		if (r > d[s].period_ns)
			failed++;
	}
	return failed;
}

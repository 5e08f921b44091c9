/* SPDX-License-Identifier: MIT */
/*
 * Maps a guest's clock by the offset that KVM adds to the time-stamp counter.
 *
 * Under KVM the guest's counter is the host's with a known offset and scale. So for each ping it is
 * known what the host's counter, and with it the host's clock, showed when the guest read its own
 * clock and counter. However long the ping took, it gives the offset as exactly as clock and
 * counter can be read together, which takes some ten ns unless an interrupt comes between.
 */
#include <vmrt/clock.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define WINDOW_NS VMRT_NS_PER_S
#define LEAST_PINGS 5	     /* pings in a window; with fewer, the window becomes longer */
#define LEAST_NS 1000	     /* the error is never called less than this */
#define SPREAD 3	     /* readings so many median distances off are outliers */
#define TOLERANCE_TICKS 1000 /* counters of different CPUs, rounding of the scale */
#define MOST_RATE 0.5	     /* a guest's clock cannot gain or lose more */

struct sample {
	int64_t local_ns, offset_ns;
};

/* Computes the host's counter when the guest's showed @guest_tsc; false if there is no such
 * time. */
static bool host_tsc(const struct vmrt_kvm_tsc *kvm, uint64_t guest_tsc, uint64_t *out)
{
	unsigned __int128 scaled = guest_tsc - (uint64_t)kvm->offset;

	if (scaled >> (127 - kvm->bits))
		return false;
	scaled = (scaled << kvm->bits) / kvm->ratio;
	*out = (uint64_t)scaled;
	return !(scaled >> 64);
}

/* Makes a sample of a ping; false if the ping contradicts the offset. */
static bool make_sample(
	const struct vmrt_kvm_tsc *kvm, const struct vmrt_ping *p, struct sample *out)
{
	uint64_t at, trip = p->host_recv_tsc - p->host_send_tsc;
	int64_t since;
	long double host;

	/* the bound of @trip keeps the tolerance from overflowing */
	if (!vmrt_ping_sane(p) || !host_tsc(kvm, p->guest_recv_tsc, &at) || !trip ||
		trip > INT64_MAX / 2)
		return false;
	since = (int64_t)(at - p->host_send_tsc);
	/* the guest read its counter between sending and receiving */
	if (since < -TOLERANCE_TICKS || since > (int64_t)trip + TOLERANCE_TICKS)
		return false;
	host = (long double)since * (long double)(p->host_recv_ns - p->host_send_ns) /
	       (long double)trip;
	/* a round trip of few ticks and many ns is no measurement */
	if (!(fabsl(host) < (long double)VMRT_CLOCK_SANE_NS))
		return false;
	out->local_ns = p->guest_recv_ns;
	out->offset_ns = p->guest_recv_ns - p->host_send_ns - (int64_t)host;
	return true;
}

static int by_offset(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->offset_ns > y->offset_ns) - (x->offset_ns < y->offset_ns);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int by_slope(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Finds how fast the offset grows: the median of the slopes over half of the recording
 * (Theil-Sen). */
static bool find_rate(const struct sample *s, size_t n, double *rate)
{
	double *slopes = calloc(n, sizeof(*slopes));
	size_t half = n / 2, used = 0;

	if (!slopes)
		return false;
	for (size_t i = 0; i + half < n; i++) {
		double t = (double)s[i + half].local_ns - (double)s[i].local_ns;

		if (t > 0)
			slopes[used++] =
				((double)s[i + half].offset_ns - (double)s[i].offset_ns) / t;
	}
	qsort(slopes, used, sizeof(*slopes), by_slope);
	*rate = used ? slopes[used / 2] : 0;
	free(slopes);
	return true;
}

/* Makes two bounds around the median of a window. Readings that were interrupted are outliers and
 * are left out. */
static bool bound_window(struct sample *s, size_t n, double rate, struct vmrt_clock_bound *bounds)
{
	int64_t *distances = calloc(n, sizeof(*distances)), at = s[n / 2].local_ns, error;
	struct sample middle;

	if (!distances)
		return false;
	for (size_t i = 0; i < n; i++) /* all at the same time */
		s[i].offset_ns -= (int64_t)(rate * ((double)s[i].local_ns - (double)at));
	qsort(s, n, sizeof(*s), by_offset);
	middle = s[n / 2];
	for (size_t i = 0; i < n; i++)
		distances[i] = llabs(s[i].offset_ns - middle.offset_ns);
	qsort(distances, n, sizeof(*distances), by_value);
	error = SPREAD * distances[n / 2];
	free(distances);
	if (error < LEAST_NS)
		error = LEAST_NS;
	bounds[0] = (struct vmrt_clock_bound){at, middle.offset_ns - error, 0};
	bounds[1] = (struct vmrt_clock_bound){at, middle.offset_ns + error, 1};
	return true;
}

static size_t end_of_window(const struct sample *s, size_t from, size_t n)
{
	size_t to = from;

	while (to < n && (to - from < LEAST_PINGS || s[to].local_ns - s[from].local_ns < WINDOW_NS))
		to++;
	return n - to < LEAST_PINGS ? n : to;
}

enum vmrt_status vmrt_clock_from_kvm(const struct vmrt_kvm_tsc *kvm, const struct vmrt_ping *pings,
	size_t n, struct vmrt_clockmap *out, struct vmrt_error *err)
{
	struct sample *samples = calloc(n ? n : 1, sizeof(*samples));
	struct vmrt_clock_bound *bounds = calloc(n ? n : 1, 2 * sizeof(*bounds));
	enum vmrt_status status = samples && bounds ? VMRT_OK : VMRT_ENOMEM;
	size_t n_bounds = 0;
	double rate = 0;

	*out = (struct vmrt_clockmap){0};
	if (status == VMRT_OK && (!kvm->ratio || kvm->bits > 63 || n < LEAST_PINGS))
		status = VMRT_ENOENT;
	for (size_t i = 0; i < n && status == VMRT_OK; i++)
		if (!make_sample(kvm, &pings[i], &samples[i]))
			status = VMRT_EMISMATCH;
	if (status == VMRT_OK && !find_rate(samples, n, &rate))
		status = VMRT_ENOMEM;
	if (status == VMRT_OK && !(fabs(rate) <= MOST_RATE))
		status = VMRT_EMISMATCH;
	for (size_t at = 0, end; at < n && status == VMRT_OK; at = end) {
		end = end_of_window(samples, at, n);
		if (bound_window(samples + at, end - at, rate, bounds + n_bounds))
			n_bounds += 2;
		else
			status = VMRT_ENOMEM;
	}
	if (status == VMRT_OK)
		status = vmrt_clockmap_fit(bounds, n_bounds, VMRT_CLOCK_KVM, out, err);
	else
		vmrt_fail(err, status, "KVM's offset of the time-stamp counter cannot be used");
	free(samples);
	free(bounds);
	return status;
}

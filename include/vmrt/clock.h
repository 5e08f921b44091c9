/* SPDX-License-Identifier: MIT */
#ifndef VMRT_CLOCK_H
#define VMRT_CLOCK_H

/* The relation between a guest's CLOCK_MONOTONIC and the host's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

/* One exchange over the guest link. TSC values are 0 where there is none. */
struct vmrt_ping {
	int64_t host_send_ns, host_recv_ns;   /* host clock */
	int64_t guest_recv_ns, guest_send_ns; /* guest clock */
	uint64_t host_send_tsc, host_recv_tsc;
	uint64_t guest_recv_tsc, guest_send_tsc;
};

/* Times from files and guests may be any number. Sums and differences of a few times below this
 * limit do not overflow.
 */
#define VMRT_CLOCK_SANE_NS (INT64_MAX / 8)

/** vmrt_clock_sane - can @ns be a time of a machine's clock? */
static inline bool vmrt_clock_sane(int64_t ns)
{
	return ns > -VMRT_CLOCK_SANE_NS && ns < VMRT_CLOCK_SANE_NS;
}

/** vmrt_ping_sane - can all times of @p be times of a machine's clock? If not, the ping is useless
 */
static inline bool vmrt_ping_sane(const struct vmrt_ping *p)
{
	return vmrt_clock_sane(p->host_send_ns) && vmrt_clock_sane(p->host_recv_ns) &&
	       vmrt_clock_sane(p->guest_recv_ns) && vmrt_clock_sane(p->guest_send_ns);
}

/* guest's time-stamp counter = (host's * ratio >> bits) + offset; ratio 0: not known */
struct vmrt_kvm_tsc {
	int64_t offset;
	uint64_t ratio;
	uint32_t bits;
};

/*
 * The offset guest - host is known to be at most (or at least) @offset_ns at guest time @local_ns:
 * from a ping, or from causality between the two recordings.
 */
struct vmrt_clock_bound {
	int64_t local_ns;
	int64_t offset_ns;
	int upper; /* 1: guest - host <= offset_ns; 0: >= */
};

#define VMRT_CLOCK_PINGS "pings"
#define VMRT_CLOCK_CAUSALITY "causality and pings"
#define VMRT_CLOCK_KVM "KVM's TSC offset"
#define VMRT_CLOCK_FILE "the file's time shift"
#define VMRT_CLOCK_CORRECTED "causality near the file's time shift"
#define VMRT_CLOCK_OVERLAP "causality alone"
#define VMRT_CLOCK_TIMERS "timers"
#define VMRT_CLOCK_UNRELATED "not known"

/* host = local - offset_ns - rate * (local - from_local_ns), for local in [from, to). */
struct vmrt_clock_segment {
	int64_t from_local_ns, to_local_ns;
	int64_t offset_ns; /* guest - host at from_local_ns */
	double rate;	   /* how the offset grows: d(guest - host) / d(guest) */
	int64_t error_ns;  /* bound of the error of the offset within the segment; VMRT_UNKNOWN: no
			      bound is known */
	double rate_error; /* bound of the error of the rate: lets error_ns grow beyond the
			      outermost ends */
	uint32_t n_upper, n_lower; /* how many bounds the segment was made from */
	const char *source;	   /* VMRT_CLOCK_* */
};

/*
 * Segments follow one another; the first and the last one reach beyond their ends. Where the clock
 * was stepped or changed its rate, a segment without bounds of its own spans the time in which the
 * step or the change may have happened. The error of this segment covers the offsets before and
 * after.
 */
struct vmrt_clockmap {
	struct vmrt_clock_segment *segments;
	size_t n;
	int64_t elsewhere_ns; /* the guest's recording fits equally well if it is moved by this time
			       * on the host, later if positive; 0: no such time is known
			       */
};

/**
 * vmrt_clockmap_fit - the map that all bounds allow, with its error
 * @bounds: in any order; they are sorted in place
 * @source: VMRT_CLOCK_*, kept by reference
 * @out: free with vmrt_clockmap_free()
 *
 * In each segment the offset is a line through the middle of what the bounds allow (the line whose
 * smallest distance to a bound is largest). The error is the largest distance from that line to any
 * other line that satisfies all bounds. Where no line satisfies them (a clock step or a changed
 * rate), the time is split into segments.
 *
 * Return: VMRT_OK, VMRT_EINVAL without at least one upper and one lower bound, VMRT_ENOMEM.
 */
enum vmrt_status vmrt_clockmap_fit(struct vmrt_clock_bound *bounds, size_t n, const char *source,
	struct vmrt_clockmap *out, struct vmrt_error *err);

/** vmrt_clockmap_constant - one segment with a constant offset and bound; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_clockmap_constant(
	int64_t offset_ns, int64_t error_ns, const char *source, struct vmrt_clockmap *out);

/**
 * vmrt_clock_bounds_from_pings - two bounds for each ping that is sane
 * @out: room for 2 * @n bounds
 *
 * guest_recv happened after host_send, so guest - host <= guest_recv - host_send; guest_send
 * happened before host_recv, so guest - host >= guest_send - host_recv.
 *
 * Return: how many bounds were written.
 */
size_t vmrt_clock_bounds_from_pings(
	const struct vmrt_ping *pings, size_t n, struct vmrt_clock_bound *out);

/**
 * vmrt_clock_from_kvm - the map that follows from what KVM adds to the time-stamp counter
 * @kvm: what KVM adds, if it was the same at the beginning and at the end of the recording
 * @out: free with vmrt_clockmap_free()
 *
 * Return: VMRT_OK; VMRT_EMISMATCH if a ping contradicts @kvm; VMRT_ENOENT if too little is known;
 * VMRT_ENOMEM.
 */
enum vmrt_status vmrt_clock_from_kvm(const struct vmrt_kvm_tsc *kvm, const struct vmrt_ping *pings,
	size_t n, struct vmrt_clockmap *out, struct vmrt_error *err);

/** vmrt_clockmap_to_host - guest time @local_ns on the host's clock; @hint caches the segment, may
 * be NULL */
int64_t vmrt_clockmap_to_host(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint);

/**
 * vmrt_clockmap_error - bound of the error at @local_ns, or VMRT_UNKNOWN
 *
 * The bound is larger before the first segment and behind the last one than inside the segments.
 */
int64_t vmrt_clockmap_error(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint);

/** vmrt_clockmap_stepped - is @local_ns in a segment in which the clock was stepped or changed its
 * rate? */
bool vmrt_clockmap_stepped(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint);

/** vmrt_clockmap_worst - the largest error bound of all segments, or VMRT_UNKNOWN if one is unknown
 */
int64_t vmrt_clockmap_worst(const struct vmrt_clockmap *map);

/** vmrt_clockmap_free - free the segments, not @map itself */
void vmrt_clockmap_free(struct vmrt_clockmap *map);

#endif

/* SPDX-License-Identifier: MIT */
/* Maps times of a guest's clock to the host's, piece by piece. */
#include <vmrt/clock.h>

#include <math.h>
#include <stdlib.h>

/* Times may be anything a guest says: differences wrap instead of overflowing. */
static int64_t difference(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t rounded(double ns)
{
	const double most = 9.2e18;

	if (!(ns > -most))
		return -(int64_t)most;
	return ns < most ? llrint(ns) : (int64_t)most;
}

enum vmrt_status vmrt_clockmap_constant(
	int64_t offset_ns, int64_t error_ns, const char *source, struct vmrt_clockmap *out)
{
	out->n = 0;
	out->segments = calloc(1, sizeof(*out->segments));
	if (!out->segments)
		return VMRT_ENOMEM;
	out->n = 1;
	out->segments[0].to_local_ns = INT64_MAX;
	out->segments[0].offset_ns = offset_ns;
	out->segments[0].error_ns = error_ns;
	out->segments[0].source = source;
	return VMRT_OK;
}

size_t vmrt_clock_bounds_from_pings(
	const struct vmrt_ping *pings, size_t n, struct vmrt_clock_bound *out)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vmrt_ping *p = &pings[i];

		if (!vmrt_ping_sane(p))
			continue;
		out[used++] = (struct vmrt_clock_bound){
			p->guest_recv_ns, p->guest_recv_ns - p->host_send_ns, 1};
		out[used++] = (struct vmrt_clock_bound){
			p->guest_send_ns, p->guest_send_ns - p->host_recv_ns, 0};
	}
	return used;
}

/* The segment for @local_ns: the last one that begins at or before it, else the first. */
static const struct vmrt_clock_segment *find(
	const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint)
{
	size_t low = 0, high = map->n;

	if (hint && *hint < map->n && map->segments[*hint].from_local_ns <= local_ns &&
		(*hint + 1 == map->n || local_ns < map->segments[*hint + 1].from_local_ns))
		return &map->segments[*hint];
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (map->segments[middle].from_local_ns <= local_ns)
			low = middle;
		else
			high = middle;
	}
	if (hint)
		*hint = low;
	return &map->segments[low];
}

int64_t vmrt_clockmap_to_host(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint)
{
	const struct vmrt_clock_segment *s;

	if (!map->n)
		return local_ns;
	s = find(map, local_ns, hint);
	return difference(difference(local_ns, s->offset_ns),
		rounded(s->rate * (double)difference(local_ns, s->from_local_ns)));
}

int64_t vmrt_clockmap_error(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint)
{
	const struct vmrt_clock_segment *s;
	double beyond = 0;

	if (!map->n)
		return VMRT_UNKNOWN;
	s = find(map, local_ns, hint);
	if (s->error_ns == VMRT_UNKNOWN)
		return VMRT_UNKNOWN;
	if (local_ns < s->from_local_ns)
		beyond = (double)s->from_local_ns - (double)local_ns;
	else if (local_ns > s->to_local_ns)
		beyond = (double)local_ns - (double)s->to_local_ns;
	return beyond > 0 ? rounded((double)s->error_ns + ceil(beyond * s->rate_error))
			  : s->error_ns;
}

bool vmrt_clockmap_stepped(const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint)
{
	const struct vmrt_clock_segment *s;

	if (map->n < 2)
		return false;
	s = find(map, local_ns, hint);
	return !s->n_upper && !s->n_lower;
}

int64_t vmrt_clockmap_worst(const struct vmrt_clockmap *map)
{
	int64_t worst = 0;

	if (!map->n)
		return VMRT_UNKNOWN;
	for (size_t i = 0; i < map->n; i++) {
		if (map->segments[i].error_ns == VMRT_UNKNOWN)
			return VMRT_UNKNOWN;
		if (map->segments[i].error_ns > worst)
			worst = map->segments[i].error_ns;
	}
	return worst;
}

void vmrt_clockmap_free(struct vmrt_clockmap *map)
{
	free(map->segments);
	map->segments = NULL;
	map->n = 0;
}

/* SPDX-License-Identifier: MIT */
/* Replaces the option TIME_SHIFT of a guest's file by the map that the analysis found, for other
 * readers. */
#include <vmrt/files.h>

#include "dat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <vmrt/clock.h>

#define EVERY_NS (5 * VMRT_NS_PER_S)
#define MOST_NS (80 * VMRT_NS_PER_S)
#define MOST_PRODUCT 4e18 /* readers multiply differences of times and of offsets in 64 bits */
#define HEAD 16		  /* bytes: trace id, flags, number of CPUs */

struct samples {
	struct vmrt_dat_shift *at;
	size_t n, room; /* n also counts samples for which there was no room */
};

static void add(struct samples *s, const struct vmrt_clockmap *map, int64_t local_ns, size_t *hint)
{
	/* a map that was made from impossible times may lead to overflows */
	if (!vmrt_clock_sane(local_ns) ||
		(s->n && s->n <= s->room && s->at[s->n - 1].local_ns >= local_ns))
		return;
	if (s->n < s->room)
		s->at[s->n] = (struct vmrt_dat_shift){
			local_ns, vmrt_clockmap_to_host(map, local_ns, hint) - local_ns};
	s->n++;
}

/* Between the last two samples readers draw a line. Where it would be too steep, put it at its end.
 */
static void flatten_last(struct samples *s)
{
	struct vmrt_dat_shift *a, *b;

	if (s->n < 2 || s->n >= s->room)
		return;
	a = &s->at[s->n - 2];
	b = &s->at[s->n - 1];
	if ((double)(b->local_ns - a->local_ns) * llabs(b->offset_ns - a->offset_ns) <
			MOST_PRODUCT ||
		b->local_ns - a->local_ns < 2000)
		return;
	s->at[s->n++] = *b;
	*b = (struct vmrt_dat_shift){b->local_ns - 1000, a->offset_ns};
}

/* Samples at both ends of every stretch that is a line, and every @every_ns within. */
static void sample(struct samples *s, const struct vmrt_clockmap *map, int64_t every_ns)
{
	size_t hint = 0;

	s->n = 0;
	for (size_t i = 0; i < map->n; i++) {
		const struct vmrt_clock_segment *seg = &map->segments[i];

		if (vmrt_clockmap_stepped(map, seg->from_local_ns, NULL))
			continue;
		add(s, map, seg->from_local_ns, &hint);
		flatten_last(s);
		for (int64_t at = seg->from_local_ns; vmrt_clock_sane(at) && s->n < s->room;) {
			at += every_ns;
			if (at >= seg->to_local_ns - 1)
				break;
			add(s, map, at, &hint);
		}
		add(s, map, seg->to_local_ns - 1, &hint);
	}
}

/* Fills the file's room, which is for a fixed number of samples; each sample must be true. */
static bool fill(struct samples *s, const struct vmrt_clockmap *map)
{
	int64_t every = EVERY_NS;
	size_t hint = 0;

	for (; every <= MOST_NS; every *= 2) {
		sample(s, map, every);
		if (s->n && s->n <= s->room)
			break;
	}
	if (every > MOST_NS)
		return false;
	while (s->n < s->room && vmrt_clock_sane(s->at[s->n - 1].local_ns + VMRT_NS_PER_S))
		add(s, map, s->at[s->n - 1].local_ns + VMRT_NS_PER_S, &hint);
	return s->n == s->room;
}

/* Is it laid out as we write it: as many samples for every CPU, nothing scaled, fractions or none?
 */
static bool is_plain(const uint8_t *p, uint32_t size, uint32_t *cpus, uint32_t *n)
{
	uint64_t each, all;

	if (size < HEAD + 4)
		return false;
	*cpus = ring_u32(p + 12);
	*n = ring_u32(p + HEAD);
	if (!*cpus || *cpus > RING_MAX_CPUS || !*n || *n > size / 8)
		return false;
	each = 4 + UINT64_C(24) * *n;
	all = HEAD + *cpus * each;
	if (size != all && size != all + UINT64_C(8) * *n * *cpus)
		return false;
	for (uint32_t cpu = 0; cpu < *cpus; cpu++) {
		const uint8_t *of_cpu = p + HEAD + cpu * each;

		if (ring_u32(of_cpu) != *n)
			return false;
		for (uint32_t i = 0; i < *n; i++)
			if (ring_u64(of_cpu + 4 + UINT64_C(16) * *n + UINT64_C(8) * i) != 1)
				return false;
	}
	return true;
}

static void put(uint8_t *p, uint32_t cpus, const struct samples *s)
{
	const size_t n = s->room;

	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		uint8_t *of_cpu = p + HEAD + cpu * (4 + 24 * n) + 4;

		for (size_t i = 0; i < n; i++) {
			memcpy(of_cpu + 8 * i, &s->at[i].local_ns, 8);
			memcpy(of_cpu + 8 * (n + i), &s->at[i].offset_ns, 8);
		}
	}
}

enum vmrt_status vmrt_dat_refresh_shift(const struct vmrt_dat *dat, const char *path,
	const struct vmrt_clockmap *map, struct vmrt_error *err)
{
	struct samples s = {0};
	enum vmrt_status status = VMRT_EUNSUPPORTED;
	uint8_t *payload = NULL;
	uint32_t size = dat->shift_size, cpus, n;
	int fd;

	if (!size || size > DAT_MAX_TEXT || vmrt_clockmap_worst(map) == VMRT_UNKNOWN)
		return VMRT_EUNSUPPORTED;
	fd = vmrt_open_update(path);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", path);
	payload = malloc(size);
	if (!payload || pread(fd, payload, size, (off_t)dat->shift_at) != (ssize_t)size)
		status = vmrt_fail(err, VMRT_EIO, "cannot read %s", path);
	else if (is_plain(payload, size, &cpus, &n)) {
		s.room = n;
		s.at = calloc(n, sizeof(*s.at));
		status = VMRT_OK;
		if (s.at && fill(&s, map)) {
			put(payload, cpus, &s);
			if (pwrite(fd, payload, size, (off_t)dat->shift_at) != (ssize_t)size)
				status = vmrt_fail(err, VMRT_EIO, "cannot write %s", path);
		}
	}
	close(fd);
	free(payload);
	free(s.at);
	return status;
}

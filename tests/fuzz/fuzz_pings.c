/* SPDX-License-Identifier: MIT */

/*
 * Any numbers as clock pings of a guest: 64 bytes each, behind 17 bytes of what KVM says. The maps
 * that follow from them are asked at several times, and written as a time shift.
 */

#include <stdlib.h>
#include <string.h>

#include <vmrt/clock.h>

#include "parser/clock/causality.h"
#include "parser/clock/clock-search.h"

#define PINGS 256

static volatile int64_t seen;

static void ask(const struct vmrt_clockmap *map)
{
	static const int64_t times[] = {INT64_MIN, -1, 0, 1000000000, INT64_MAX / 8, INT64_MAX};
	size_t hint = 0;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		seen += vmrt_clockmap_to_host(map, times[i], &hint) & 1;
		seen += vmrt_clockmap_error(map, times[i], NULL) & 1;
		seen += vmrt_clockmap_stepped(map, times[i], &hint);
	}
	for (size_t i = 0; i < map->n; i++)
		seen += vmrt_clockmap_to_host(map, map->segments[i].from_local_ns, &hint) & 1;
	seen += vmrt_clockmap_worst(map) & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmrt_ping pings[PINGS];
	static struct vmrt_clock_bound bounds[2 * PINGS];
	struct vmrt_kvm_tsc kvm = {0};
	struct vmrt_clockmap map;
	size_t n, n_bounds;
	double rate;

	if (size < 17)
		return 0;
	memcpy(&kvm.offset, data, 8);
	memcpy(&kvm.ratio, data + 8, 8);
	kvm.bits = data[16];
	n = (size - 17) / sizeof(pings[0]);
	n = n < PINGS ? n : PINGS;
	memcpy(pings, data + 17, n * sizeof(pings[0]));
	n_bounds = vmrt_clock_bounds_from_pings(pings, n, bounds);
	if (vmrt_clockmap_fit(bounds, n_bounds, VMRT_CLOCK_PINGS, &map, NULL) == VMRT_OK) {
		ask(&map);
		vmrt_clockmap_free(&map);
	}
	if (vmrt_clock_from_kvm(&kvm, pings, n, &map, NULL) == VMRT_OK) {
		ask(&map);
		vmrt_clockmap_free(&map);
	}
	if (clock_rate_from_tsc(pings, n, &rate))
		seen += rate > 0;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The work that tasks do: counted, and of the same speed wherever it runs. */
#include "load.h"

/*
 * Each step needs the result of the one before, stays in registers and touches no memory, so the
 * time for a unit depends on the speed of the CPU alone and not on the contents of its caches.
 * Because of the empty asm the compiler assumes that every intermediate value is used.
 */
__attribute__((noinline)) void load_work(uint64_t units)
{
	uint64_t x = units | 1;

	for (; units; units--) {
		for (int i = 0; i < LOAD_UNIT_ITERATIONS; i++) {
			x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			x ^= x >> 29;
			__asm__ volatile("" : "+r"(x));
		}
	}
}

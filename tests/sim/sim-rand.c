/* SPDX-License-Identifier: MIT */
/* Random numbers that are the same everywhere for the same seed (splitmix64 by Steele, Lea, Flood).
 */
#include "sim.h"

#define STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t sim_rand(uint64_t *state)
{
	uint64_t z = *state += STEP;

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* As if @n numbers had been drawn. */
void sim_rand_skip(uint64_t *state, unsigned n)
{
	*state += n * STEP;
}

/* Both ends included. */
int64_t sim_between(uint64_t *state, int64_t low, int64_t high)
{
	return high <= low ? low : low + (int64_t)(sim_rand(state) % (uint64_t)(high - low + 1));
}

bool sim_chance(uint64_t *state, int percent)
{
	return (int)(sim_rand(state) % 100) < percent;
}

const char *sim_feature_name(int feature)
{
	static const char *const names[] = {
#define X(name, words) words,
		SIM_FEATURES(X)
#undef X
	};

	return names[feature];
}

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SIMILAR_H
#define VMRT_SIMILAR_H

/* Finds the names that a user probably meant by a name that does not exist, most often because it
 * was misspelt. */

#include <stddef.h>

#define VMRT_SIMILAR_TEXT 320

/**
 * vmrt_name_distance - how many characters have to be changed, added, left out or swapped to make
 * @b of @a, whatever their case
 *
 * If one name is a part of the other one, the distance is 1. Of longer names the first 127 bytes
 * count.
 */
unsigned vmrt_name_distance(const char *a, const char *b);

/** vmrt_name_distance_max - the largest distance from @wanted of a name that @wanted may mean */
unsigned vmrt_name_distance_max(const char *wanted);

/** vmrt_name_meant - the one of @n names that @wanted most probably means, or NULL */
const char *vmrt_name_meant(const char *wanted, const char *const *names, size_t n);

/**
 * vmrt_similar - "a, b, c and 4 more (did you mean a?)": the names that there are, the most similar
 * ones first; "none"
 * @wanted: the name that is not among them
 * @names: if one is MACHINE/NAME, @wanted may mean the part behind the slash
 *
 * Return: @buf.
 */
const char *vmrt_similar(
	const char *wanted, const char *const *names, size_t n, char buf[VMRT_SIMILAR_TEXT]);

#endif

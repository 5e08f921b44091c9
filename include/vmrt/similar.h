/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SIMILAR_H
#define VMRT_SIMILAR_H

/* Names that were probably meant where one is not there: most often it was misspelt. */

#include <stddef.h>

#define VMRT_SIMILAR_TEXT 320

/**
 * vmrt_name_distance - how many characters have to be changed, added, left out or swapped to make
 * @b of @a, whatever their case
 *
 * A name that is a part of the other one is near: 1. Of longer names the first 127 bytes count.
 */
unsigned vmrt_name_distance(const char *a, const char *b);

/** vmrt_name_near - the largest distance of a name from @wanted that may be meant by it */
unsigned vmrt_name_near(const char *wanted);

/** vmrt_meant - the one of @n names that @wanted most probably means, or NULL */
const char *vmrt_meant(const char *wanted, const char *const *names, size_t n);

/**
 * vmrt_similar - "a, b, c and 4 more (did you mean a?)": the names that there are, the most similar
 * ones first; "none"
 * @wanted: the name that is not among them
 * @names: of MACHINE/NAME the part behind the slash may be meant
 *
 * Return: @buf.
 */
const char *vmrt_similar(
	const char *wanted, const char *const *names, size_t n, char buf[VMRT_SIMILAR_TEXT]);

#endif

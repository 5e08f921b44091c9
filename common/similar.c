/* SPDX-License-Identifier: MIT */
/* Finds the names that are most similar to a name that does not occur. */
#include <vmrt/similar.h>

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ROOM 128
#define SHOWN 6 /* how many names a list shows */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void lower(const char *text, char buf[ROOM])
{
	size_t n = 0;

	for (; text[n] && n + 1 < ROOM; n++)
		buf[n] = (char)tolower((unsigned char)text[n]);
	buf[n] = '\0';
}

unsigned vmrt_name_distance(const char *a, const char *b)
{
	unsigned rows[3][ROOM]; /* the last three rows of the table that Damerau-Levenshtein
				   distance needs */
	unsigned *above = rows[0], *before = rows[1], *row = rows[2];
	char x[ROOM], y[ROOM];
	size_t nx, ny;

	lower(a, x);
	lower(b, y);
	nx = strlen(x);
	ny = strlen(y);
	if (nx > 2 && ny > 2 && (strstr(x, y) || strstr(y, x)))
		return 1;
	for (unsigned k = 0; k <= ny; k++)
		before[k] = k;
	for (unsigned i = 1; i <= nx; i++) {
		unsigned *free_row = above;

		row[0] = i;
		for (unsigned k = 1; k <= ny; k++) {
			row[k] = before[k - 1] + (x[i - 1] != y[k - 1]);
			row[k] = least(row[k], least(before[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && x[i - 1] == y[k - 2] && x[i - 2] == y[k - 1])
				row[k] = least(row[k], above[k - 2] + 1);
		}
		above = before;
		before = row;
		row = free_row;
	}
	return before[ny];
}

unsigned vmrt_name_distance_max(const char *wanted)
{
	unsigned half = (unsigned)strlen(wanted) / 2;

	return half < 2 ? 2 : half;
}

static unsigned distance_of(const char *wanted, const char *name)
{
	unsigned whole = vmrt_name_distance(wanted, name);
	const char *slash = strchr(name, '/');

	return slash && !strchr(wanted, '/') ? least(whole, vmrt_name_distance(wanted, slash + 1))
					     : whole;
}

const char *vmrt_name_meant(const char *wanted, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t length = strlen(wanted), nearest = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		size_t named = strlen(names[i]);
		unsigned distance = distance_of(wanted, names[i]);
		/* of names with equal distance, the one whose length is nearest is preferred; a
		 * length is below ROOM */
		size_t measure = distance * ROOM +
				 least(ROOM - 1, (unsigned)(named > length ? named - length
									   : length - named));

		if (distance > vmrt_name_distance_max(wanted) || measure > nearest)
			continue;
		/* if two names are equally near, neither is more likely */
		best = measure == nearest ? NULL : names[i];
		nearest = measure;
	}
	return best;
}

const char *vmrt_similar(
	const char *wanted, const char *const *names, size_t n, char buf[VMRT_SIMILAR_TEXT])
{
	const char *best[SHOWN] = {NULL};
	unsigned distances[SHOWN];
	size_t shown = 0, used = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = distance_of(wanted, names[i]);
		size_t at = shown;

		/* names that cannot be meant keep their order */
		if (distance > vmrt_name_distance_max(wanted))
			distance = vmrt_name_distance_max(wanted) + 1;
		while (at && distances[at - 1] > distance)
			at--;
		if (at == SHOWN)
			continue;
		shown += shown < SHOWN;
		memmove(&best[at + 1], &best[at], (shown - 1 - at) * sizeof(*best));
		memmove(&distances[at + 1], &distances[at], (shown - 1 - at) * sizeof(*distances));
		best[at] = names[i];
		distances[at] = distance;
	}
	snprintf(buf, VMRT_SIMILAR_TEXT, "none");
	for (size_t i = 0; i < shown && used < VMRT_SIMILAR_TEXT; i++)
		used += (size_t)snprintf(
			buf + used, VMRT_SIMILAR_TEXT - used, "%s%.40s", i ? ", " : "", best[i]);
	if (n > shown && used < VMRT_SIMILAR_TEXT)
		used += (size_t)snprintf(
			buf + used, VMRT_SIMILAR_TEXT - used, " and %zu more", n - shown);
	/* if all names are equally near, none is more likely than the others */
	if (shown && used < VMRT_SIMILAR_TEXT && distances[0] <= vmrt_name_distance_max(wanted) &&
		(shown == 1 || distances[1] > distances[0]))
		snprintf(buf + used, VMRT_SIMILAR_TEXT - used, " (did you mean %.40s?)", best[0]);
	return buf;
}

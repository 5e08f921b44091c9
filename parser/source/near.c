/* SPDX-License-Identifier: MIT */
/* Which names of threads come nearest to one that does not occur: most often it was misspelt. */
#include "near.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ROOM 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void lower(const char *text, size_t room, char buf[ROOM])
{
	size_t n = 0;

	for (; n < room && n + 1 < ROOM && text[n]; n++)
		buf[n] = (char)tolower((unsigned char)text[n]);
	buf[n] = '\0';
}

/* How many characters have to be changed, added, left out or swapped, whatever their case; a name
 * that is a part of the other one is near. */
static unsigned name_distance(const char *wanted, const char *comm)
{
	unsigned rows[3][ROOM]; /* of the table of Damerau and Levenshtein, the last three */
	unsigned *above = rows[0], *before = rows[1], *row = rows[2];
	char a[ROOM], b[ROOM];
	size_t na, nb;

	lower(wanted, ROOM, a);
	lower(comm, VMRT_COMM_MAX, b);
	na = strlen(a);
	nb = strlen(b);
	if (na > 2 && nb > 2 && (strstr(a, b) || strstr(b, a)))
		return 1;
	for (unsigned k = 0; k <= nb; k++)
		before[k] = k;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *free_row = above;

		row[0] = i;
		for (unsigned k = 1; k <= nb; k++) {
			row[k] = before[k - 1] + (a[i - 1] != b[k - 1]);
			row[k] = least(row[k], least(before[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				row[k] = least(row[k], above[k - 2] + 1);
		}
		above = before;
		before = row;
		row = free_row;
	}
	return before[nb];
}

/* A pattern without what makes it one. */
static void plain(const char *pattern, char buf[ROOM])
{
	size_t n = 0;

	for (; *pattern && n + 1 < ROOM; pattern++)
		if (!strchr("*?[]\\", *pattern))
			buf[n++] = *pattern;
	buf[n] = '\0';
}

const char *near_list(const struct thread_names *names, const char *wanted, char buf[NEAR_TEXT])
{
	const struct thread_name *best[NEAR_MOST] = {NULL};
	unsigned distances[NEAR_MOST], most;
	char name[ROOM];
	size_t n = 0, used = 0;

	plain(wanted, name);
	most = (unsigned)strlen(name) / 2;
	if (most < 2)
		most = 2;
	for (size_t i = 0; i < names->n; i++) {
		const struct thread_name *t = &names->list[i];
		unsigned distance = name_distance(name, t->comm);
		bool again = false;
		size_t at;

		for (size_t k = 0; k < n; k++)
			again |= !strcmp(best[k]->comm, t->comm);
		if (again || distance > most || distance >= strlen(name) + strlen(t->comm))
			continue;
		for (at = n; at && distances[at - 1] > distance; at--)
			;
		if (at == NEAR_MOST)
			continue;
		n += n < NEAR_MOST;
		memmove(&best[at + 1], &best[at], (n - 1 - at) * sizeof(*best));
		memmove(&distances[at + 1], &distances[at], (n - 1 - at) * sizeof(*distances));
		best[at] = t;
		distances[at] = distance;
	}
	buf[0] = '\0';
	for (size_t k = 0; k < n && used < NEAR_TEXT; k++)
		used += (size_t)snprintf(buf + used, NEAR_TEXT - used, "%s%s (thread %d)",
			k ? ", " : "", best[k]->comm, best[k]->tid);
	return buf;
}

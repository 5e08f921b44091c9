/* SPDX-License-Identifier: MIT */
/* Finds names of threads that are similar to a name that does not occur, which is most often
 * misspelt. */
#include "near.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/similar.h>

#define ROOM 64

/* Copies a pattern without its special characters. */
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
	most = vmrt_name_distance_max(name);
	for (size_t i = 0; i < names->n; i++) {
		const struct thread_name *t = &names->list[i];
		unsigned distance = vmrt_name_distance(name, t->comm);
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

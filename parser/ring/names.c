/* SPDX-License-Identifier: MIT */
/* Searches recorded sub-buffers for the names of threads that no other list has. */
#include "names.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "ring.h"

#define PIDS (1 << 22) /* no kernel gives larger numbers */
#define CHUNK (256u << 10)

struct vmrt_names {
	struct vmrt_formats *formats;
	uint32_t page_size;
	uint8_t *known; /* a bit for each number */
	struct vmrt_buf lines;
};

static bool is_known(const struct vmrt_names *n, int32_t pid)
{
	return pid < 0 || pid >= PIDS || n->known[pid / 8] >> pid % 8 & 1;
}

static void set_known(struct vmrt_names *n, int32_t pid)
{
	n->known[pid / 8] |= (uint8_t)(1 << pid % 8);
}

static void know_lines(struct vmrt_names *n, const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		unsigned long pid = strtoul(text, NULL, 10);

		if (pid < PIDS)
			set_known(n, (int32_t)pid);
	}
}

struct vmrt_names *vmrt_names_new(const struct vmrt_trace_meta *meta)
{
	struct vmrt_names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->page_size = meta->page_size;
	n->known = calloc(1, PIDS / 8);
	if (!n->known || n->page_size < RING_MIN_PAGE || n->page_size > RING_MAX_PAGE ||
		vmrt_formats_from_meta(meta, &n->formats, NULL) != VMRT_OK) {
		free(n->known);
		free(n);
		return NULL;
	}
	if (meta->cmdlines)
		know_lines(n, meta->cmdlines);
	return n;
}

static void learn(struct vmrt_names *n, int32_t pid, const char *comm, bool again)
{
	char name[RING_COMM + 1] = "";

	if (!comm || !*comm || (is_known(n, pid) && !again) || pid < 0 || pid >= PIDS)
		return;
	set_known(n, pid);
	memcpy(name, comm, strnlen(comm, RING_COMM));
	for (char *p = name; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	vmrt_buf_printf(&n->lines, "%d %s\n", pid, name);
}

static void learn_from_event(struct vmrt_names *n, const struct vmrt_event *e)
{
	if (e->type == VMRT_EV_SWITCH) {
		learn(n, e->sw.prev_pid, e->sw.prev_comm, false);
		learn(n, e->sw.next_pid, e->sw.next_comm, false);
	} else if (e->type == VMRT_EV_EXIT) {
		/* the last name in the recording is the one that other lists would have */
		learn(n, e->process.pid, e->process.comm, true);
	}
}

void vmrt_names_page(struct vmrt_names *n, const void *page)
{
	char name_room[RING_NAME_ROOM];
	struct vmrt_event event;
	struct page_walk walk;
	const uint8_t *record;
	uint32_t size;

	if (!page_begin(&walk, page, n->page_size, n->formats->commit_size, false))
		return;
	while (page_next(&walk, &record, &size) == 1 &&
		formats_decode(n->formats, record, size, name_room, &event))
		learn_from_event(n, &event);
}

void vmrt_names_scan(
	struct vmrt_names *n, int fd, uint64_t offset, uint64_t size, int (*stop)(void))
{
	size_t pages = n->page_size < CHUNK ? CHUNK / n->page_size : 1;
	size_t unit = pages * n->page_size;
	uint8_t *chunk = malloc(unit);

	while (chunk && size >= n->page_size && !(stop && stop())) {
		ssize_t got = pread(fd, chunk, size < unit ? (size_t)size : unit, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t)n->page_size)
			break;
		got -= got % (ssize_t)n->page_size;
		for (ssize_t at = 0; at < got; at += (ssize_t)n->page_size)
			vmrt_names_page(n, chunk + at);
		offset += (uint64_t)got;
		size -= (uint64_t)got;
	}
	free(chunk);
}

char *vmrt_names_take(struct vmrt_names *n)
{
	char *lines;

	if (!n)
		return NULL;
	lines = n->lines.used ? vmrt_buf_take(&n->lines) : NULL;
	vmrt_buf_free(&n->lines);
	vmrt_formats_free(n->formats);
	free(n->known);
	free(n);
	return lines;
}

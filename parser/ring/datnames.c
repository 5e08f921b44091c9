/* SPDX-License-Identifier: MIT */
#include "datnames.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"

#define PIDS (1 << 22) /* no kernel gives larger numbers */
#define CHUNK (256 << 10)
#define COMM 16

enum entry { PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };

/* Where an event has a thread's number and name. */
struct place {
	unsigned id; /* of the event; 0: there is none */
	unsigned pid, comm;
};

struct vmrt_names {
	uint32_t page_size;
	unsigned data; /* where the data of a sub-buffer begin */
	struct place prev, next, exit;
	uint8_t *known; /* a bit for each number */
	struct vmrt_buf lines;
};

/* "field:... NAME;\toffset:N;" or "field:... NAME[16];..." */
static bool field_offset(const char *format, const char *name, unsigned *out)
{
	size_t len = strlen(name);

	for (const char *p = format; (p = strstr(p, name)); p += len) {
		const char *offset = strstr(p, "offset:");

		if (!isspace((unsigned char)p[-1]) || (p[len] != ';' && p[len] != '['))
			continue;
		return offset && sscanf(offset, "offset:%u;", out) == 1;
	}
	return false;
}

static void find_place(const char *format, const char *pid, const char *comm, struct place *out)
{
	const char *id = strstr(format, "\nID:");

	if (!id || sscanf(id, "\nID: %u", &out->id) != 1 || !field_offset(format, pid, &out->pid) ||
		!field_offset(format, comm, &out->comm))
		out->id = 0;
}

static bool is_known(const struct vmrt_names *n, uint32_t pid)
{
	return pid >= PIDS || n->known[pid / 8] >> pid % 8 & 1;
}

static void know_lines(struct vmrt_names *n, const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		unsigned long pid = strtoul(text, NULL, 10);

		if (pid < PIDS)
			n->known[pid / 8] |= (uint8_t)(1 << pid % 8);
	}
}

struct vmrt_names *vmrt_names_new(const struct vmrt_trace_meta *meta)
{
	struct vmrt_names *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->page_size = meta->page_size;
	n->known = calloc(1, PIDS / 8);
	for (size_t i = 0; i < meta->n_formats; i++) {
		const char *text = meta->formats[i].text;

		if (!strncmp(text, "name: sched_switch\n", 19)) {
			find_place(text, "prev_pid", "prev_comm", &n->prev);
			find_place(text, "next_pid", "next_comm", &n->next);
		} else if (!strncmp(text, "name: sched_process_exit\n", 25)) {
			find_place(text, "pid", "comm", &n->exit);
		}
	}
	if (!n->known || !field_offset(meta->header_page, "data", &n->data) ||
		n->data + 8 > n->page_size) {
		free(n->known);
		free(n);
		return NULL;
	}
	know_lines(n, meta->cmdlines);
	return n;
}

static uint32_t number(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static void learn(struct vmrt_names *n, const struct place *place, const uint8_t *event,
	size_t size, bool again)
{
	char comm[COMM + 1] = "";
	uint32_t pid;

	if (place->pid + 4 > size || place->comm + COMM > size)
		return;
	pid = number(event + place->pid);
	if ((is_known(n, pid) && !again) || pid >= PIDS)
		return;
	n->known[pid / 8] |= (uint8_t)(1 << pid % 8);
	memcpy(comm, event + place->comm, COMM);
	for (char *p = comm; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	vmrt_buf_printf(&n->lines, "%u %s\n", pid, comm);
}

static void look_at_event(struct vmrt_names *n, const uint8_t *event, size_t size)
{
	uint16_t id;

	if (size < sizeof(id))
		return;
	memcpy(&id, event, sizeof(id));
	if (id == n->prev.id && id) {
		learn(n, &n->prev, event, size, false);
		learn(n, &n->next, event, size, false);
	} else if (id == n->exit.id && id) {
		/* the last name is the one that others would have shown */
		learn(n, &n->exit, event, size, true);
	}
}

static void look_at_page(struct vmrt_names *n, const uint8_t *page)
{
	size_t length = number(page + 8) & ((1u << 27) - 1), room = n->page_size - n->data;
	const uint8_t *p = page + n->data, *end = p + (length < room ? length : room);

	while (end - p >= 4) {
		uint32_t head = number(p), type = head & 31;
		size_t size;

		p += 4;
		if (type == TIME_EXTEND || type == TIME_STAMP) {
			size = 4;
		} else if (type == PADDING || !type) {
			if (end - p < 4 || (type == PADDING && !(head >> 5)))
				return;
			size = number(p);
			if (!type && size >= 4 && size <= (size_t)(end - p))
				look_at_event(n, p + 4, size - 4);
			size = type ? size : (size + 3) & ~(size_t)3;
		} else {
			size = type * 4;
			if (size <= (size_t)(end - p))
				look_at_event(n, p, size);
		}
		if (size < 4 || size > (size_t)(end - p))
			return;
		p += size;
	}
}

void vmrt_names_page(struct vmrt_names *n, const void *page)
{
	look_at_page(n, page);
}

void vmrt_names_scan(struct vmrt_names *n, int fd, uint64_t offset, uint64_t size)
{
	size_t unit = CHUNK / n->page_size * n->page_size;
	uint8_t *chunk = malloc(unit);

	while (chunk && size >= n->page_size) {
		ssize_t got = pread(fd, chunk, size < unit ? (size_t)size : unit, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < (ssize_t)n->page_size)
			break;
		got -= got % (ssize_t)n->page_size;
		for (ssize_t at = 0; at < got; at += (ssize_t)n->page_size)
			look_at_page(n, chunk + at);
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
	free(n->known);
	free(n);
	return lines;
}

/* SPDX-License-Identifier: MIT */
/* Lists of threads with their processes: as text of a guest or of a file, and in memory. */
#include <vmrt/processes.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/sort.h>
#include <vmrt/tool.h>

#include "common/buf.h"

#define FIRST_LINE "vmrt processes 1\n"
#define MAX_FILE (32u << 20)
#define MAX_THREADS (1u << 22) /* the kernel has no more thread ids */
#define LINES_AT_ONCE 65536    /* lines between two checks whether a signal came */

static const char *const headings[VMRT_PROCESSES_TIMES] = {"begin", "end"};

/* Reads a number above 0 that is followed by a blank; returns NULL if there is none. */
static const char *take_id(const char *at, int32_t *out)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)*at))
		return NULL;
	errno = 0;
	value = strtol(at, &end, 10);
	if (errno || value < 1 || value > INT32_MAX || *end != ' ')
		return NULL;
	*out = (int32_t)value;
	return end + 1;
}

static bool take_line(const char *line, size_t len, struct vmrt_thread_process *out)
{
	const char *at = take_id(line, &out->tid);

	at = at ? take_id(at, &out->pid) : NULL;
	if (!at || at >= line + len)
		return false;
	len = (size_t)(line + len - at);
	if (len > sizeof(out->comm) - 1)
		len = sizeof(out->comm) - 1;
	memset(out->comm, 0, sizeof(out->comm));
	for (size_t i = 0; i < len; i++)
		out->comm[i] = iscntrl((unsigned char)at[i]) ? '?' : at[i];
	return true;
}

static int by_thread(const void *a, const void *b)
{
	const struct vmrt_thread_process *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

static bool same(const struct vmrt_thread_process *a, const struct vmrt_thread_process *b)
{
	return a->tid == b->tid && a->pid == b->pid && !strcmp(a->comm, b->comm);
}

/*
 * Sorts the list by thread, and removes threads that are said to be in two different processes.
 * Numbers are sorted because that is several times as fast as sorting lines. After a signal (@stop)
 * the list is empty.
 */
static enum vmrt_status keep_certain(struct vmrt_processes *p, int (*stop)(void))
{
	struct vmrt_thread_process *kept = malloc((p->n + 1) * sizeof(*kept));
	int64_t *keys = malloc((p->n + 1) * sizeof(*keys));
	size_t n = 0, threads = 0;
	bool stopped = false;

	if (!kept || !keys) {
		free(kept);
		free(keys);
		return VMRT_ENOMEM;
	}
	for (size_t i = 0; i < p->n; i++)
		keys[i] = (int64_t)p->list[i].tid << 32 | (int64_t)i;
	vmrt_sort_values(keys, 0, p->n);
	for (size_t i = 0, to; i < p->n && !stopped; i = to) {
		const struct vmrt_thread_process *first = &p->list[(uint32_t)keys[i]];
		bool certain = true;

		for (to = i + 1; to < p->n && keys[to] >> 32 == first->tid; to++)
			certain &= same(&p->list[(uint32_t)keys[to]], first);
		if (certain)
			kept[n++] = *first;
		stopped = threads++ % LINES_AT_ONCE == 0 && stop && stop();
	}
	free(keys);
	free(p->list);
	p->list = kept;
	p->n = stopped ? 0 : n;
	return VMRT_OK;
}

static size_t count_lines(const char *text, size_t size)
{
	size_t n = 1;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n < MAX_THREADS ? n : MAX_THREADS;
}

/* @stop: when a signal has come, nothing is known; NULL: all of it is read */
static enum vmrt_status parse(
	const char *text, size_t size, int (*stop)(void), struct vmrt_processes *out)
{
	size_t room = count_lines(text, size), lines = 0;

	out->n = 0;
	out->list = calloc(room, sizeof(*out->list));
	if (!out->list)
		return VMRT_ENOMEM;
	for (const char *at = text, *end = text + size; at < end && out->n < room;) {
		const char *end_of_line = memchr(at, '\n', (size_t)(end - at));

		if (!end_of_line)
			end_of_line = end;
		out->n += take_line(at, (size_t)(end_of_line - at), &out->list[out->n]);
		at = end_of_line + 1;
		if (!(++lines % LINES_AT_ONCE) && stop && stop()) {
			out->n = 0;
			break;
		}
	}
	return keep_certain(out, stop);
}

enum vmrt_status vmrt_processes_parse(const char *text, struct vmrt_processes *out)
{
	return parse(text, strlen(text), NULL, out);
}

const struct vmrt_thread_process *vmrt_processes_find(
	const struct vmrt_processes *processes, int32_t tid)
{
	struct vmrt_thread_process key = {.tid = tid};

	return processes->n ? bsearch(&key, processes->list, processes->n, sizeof(key), by_thread)
			    : NULL;
}

static enum vmrt_status path_of(const char *dat, char path[PATH_MAX], struct vmrt_error *err)
{
	size_t len = strlen(dat);

	if (len > 4 && !strcmp(dat + len - 4, ".dat"))
		len -= 4;
	if ((size_t)snprintf(path, PATH_MAX, "%.*s" VMRT_PROCESSES_SUFFIX, (int)len, dat) >=
		PATH_MAX)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", dat);
	return VMRT_OK;
}

static void put_list(struct vmrt_buf *buf, const char *heading, const struct vmrt_processes *p)
{
	vmrt_buf_printf(buf, "%s\n", heading);
	for (size_t i = 0; i < p->n; i++)
		vmrt_buf_printf(buf, "%d %d %s\n", p->list[i].tid, p->list[i].pid, p->list[i].comm);
}

static enum vmrt_status write_new(const char *path, struct vmrt_buf *buf, struct vmrt_error *err)
{
	int fd = vmrt_create_recording(path);

	if (fd < 0 || vmrt_write_all(fd, buf->data, buf->used) != 0)
		vmrt_fail_errno(err, errno, "cannot write %s", path);
	else
		err = NULL;
	if (fd >= 0)
		close(fd);
	return err ? err->status : VMRT_OK;
}

enum vmrt_status vmrt_processes_save(
	const char *dat, const char *const texts[VMRT_PROCESSES_TIMES], struct vmrt_error *err)
{
	struct vmrt_buf buf = {0};
	char path[PATH_MAX];
	enum vmrt_status status = path_of(dat, path, err);
	bool any = false;

	vmrt_buf_printf(&buf, FIRST_LINE);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES && status == VMRT_OK; i++) {
		struct vmrt_processes p;

		if (!texts[i])
			continue;
		any = true;
		status = vmrt_processes_parse(texts[i], &p);
		if (status == VMRT_OK)
			put_list(&buf, headings[i], &p);
		vmrt_processes_free(&p);
	}
	if (status == VMRT_ENOMEM || buf.failed)
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	if (status == VMRT_OK && any)
		status = write_new(path, &buf, err);
	vmrt_buf_free(&buf);
	return status;
}

/* Reads the lines from the one behind @heading up to the next heading. */
static enum vmrt_status take_list(const char *text, const char *heading, struct vmrt_processes *out)
{
	size_t len = strlen(heading);
	const char *at = text, *stop;

	while (strncmp(at, heading, len) != 0 || at[len] != '\n') {
		at = strchr(at, '\n');
		if (!at)
			return VMRT_OK;
		at++;
	}
	at += len + 1;
	for (stop = at; isdigit((unsigned char)*stop);) {
		stop += strcspn(stop, "\n");
		stop += *stop == '\n';
	}
	return parse(at, (size_t)(stop - at), vmrt_stop_requested, out);
}

enum vmrt_status vmrt_processes_load(
	const char *dat, struct vmrt_processes out[VMRT_PROCESSES_TIMES], struct vmrt_error *err)
{
	char path[PATH_MAX], *text;
	enum vmrt_status status = path_of(dat, path, err);

	memset(out, 0, VMRT_PROCESSES_TIMES * sizeof(*out));
	if (status != VMRT_OK || access(path, F_OK) != 0)
		return status;
	/* in a run folder that a stranger made, a link may point to any file */
	if (vmrt_is_link(path))
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s is a symbolic link, which vmrt does not follow in a run folder", path);
	status = vmrt_read_file(path, MAX_FILE, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0)
		status = vmrt_fail(err, VMRT_EFORMAT, "%s does not begin with \"%.*s\"", path,
			(int)strlen(FIRST_LINE) - 1, FIRST_LINE);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES && status == VMRT_OK; i++)
		if (take_list(text, headings[i], &out[i]) != VMRT_OK)
			status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES && status != VMRT_OK; i++)
		vmrt_processes_free(&out[i]);
	free(text);
	return status;
}

void vmrt_processes_remove(const char *dat)
{
	char path[PATH_MAX];

	if (path_of(dat, path, NULL) == VMRT_OK)
		unlink(path);
}

void vmrt_processes_free(struct vmrt_processes *processes)
{
	free(processes->list);
	*processes = (struct vmrt_processes){0};
}

/* SPDX-License-Identifier: MIT */
/* Reads and writes how far a recording in progress has come, in a file of lines beside it. */
#include <vmrt/extent.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "common/buf.h"
#include "parser/ring/ring.h"

#define HEAD "vmrt progress 1\n"
#define TEXT_MAX (8 << 20)
#define FILES_MAX 1024
#define TRIES 100 /* for a lock that somebody else holds */
#define TRY_US 10000
#define TIME_MOST (INT64_MAX / 4) /* differences of such times do not overflow */

static const char *const state_words[] = {"going", "held", "over"};

/* One line: FILE STATE UPTO and the sizes. */
static void put_file(struct vmrt_buf *buf, const struct vmrt_extent_file *f)
{
	vmrt_buf_printf(buf, "%s %s %" PRId64, f->name, state_words[f->state], f->upto_ns);
	for (unsigned i = 0; i < f->cpus; i++)
		vmrt_buf_printf(buf, " %" PRIu64, f->sizes[i]);
	vmrt_buf_printf(buf, "\n");
}

enum vmrt_status vmrt_extent_save(
	const struct vmrt_extent *extent, const char *run, struct vmrt_error *err)
{
	char path[PATH_MAX];
	enum vmrt_status status;
	struct vmrt_buf buf = {0};

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_PROGRESS) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%.200s: the path is too long", run);
	vmrt_buf_printf(&buf, HEAD);
	for (size_t i = 0; i < extent->n; i++)
		put_file(&buf, &extent->files[i]);
	if (buf.failed)
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	else
		status = vmrt_replace_file(path, ".new", buf.data, buf.used, err);
	vmrt_buf_free(&buf);
	return status;
}

/* Is @word, a token of a line, a number? */
static bool number(const char *word, int64_t least, int64_t *out)
{
	char *end;

	errno = 0;
	*out = word ? strtoll(word, &end, 10) : 0;
	return word && *word && !*end && !errno && *out >= least;
}

static enum vmrt_status read_line(struct vmrt_extent *p, char *line)
{
	struct vmrt_extent_file *f = &p->files[p->n];
	char *save, *name = strtok_r(line, " ", &save), *state = strtok_r(NULL, " ", &save), *word;
	int64_t value;
	size_t words = 0;

	if (!name || !state || strlen(name) >= sizeof(f->name) || strchr(name, '/') ||
		!number(strtok_r(NULL, " ", &save), INT64_MIN, &f->upto_ns) ||
		(f->upto_ns != VMRT_UNKNOWN && (f->upto_ns < -TIME_MOST || f->upto_ns > TIME_MOST)))
		return VMRT_EFORMAT;
	strcpy(f->name, name);
	while (f->state < VMRT_EXTENT_OVER && strcmp(state, state_words[f->state]) != 0)
		f->state++;
	for (const char *c = save; c && *c; c++)
		words += *c == ' ';
	f->sizes = calloc(words + 2, sizeof(*f->sizes));
	if (!f->sizes)
		return VMRT_ENOMEM;
	p->n++;
	while ((word = strtok_r(NULL, " ", &save))) {
		if (!number(word, 0, &value) || f->cpus == RING_MAX_CPUS)
			return VMRT_EFORMAT;
		f->sizes[f->cpus++] = (uint64_t)value;
	}
	return VMRT_OK;
}

enum vmrt_status vmrt_extent_load(const char *run, struct vmrt_extent *out, struct vmrt_error *err)
{
	char path[PATH_MAX], *text, *save, *line;
	enum vmrt_status status;
	size_t lines = 0;

	memset(out, 0, sizeof(*out));
	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_PROGRESS) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%.200s: the path is too long", run);
	status = vmrt_read_file(path, TEXT_MAX, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	out->files = calloc(lines + 1, sizeof(*out->files));
	if (!out->files)
		status = VMRT_ENOMEM;
	else if (strncmp(text, HEAD, strlen(HEAD)) != 0 || lines > FILES_MAX)
		status = VMRT_EFORMAT;
	line = status == VMRT_OK ? strtok_r(text + strlen(HEAD), "\n", &save) : NULL;
	for (; line && status == VMRT_OK; line = strtok_r(NULL, "\n", &save))
		status = read_line(out, line);
	free(text);
	if (status == VMRT_OK)
		return VMRT_OK;
	vmrt_extent_free(out);
	return vmrt_fail(err, status, "%s was not written by a recorder", path);
}

const struct vmrt_extent_file *vmrt_extent_find(const struct vmrt_extent *extent, const char *name)
{
	for (size_t i = 0; i < extent->n; i++)
		if (!strcmp(extent->files[i].name, name))
			return &extent->files[i];
	return NULL;
}

void vmrt_extent_free(struct vmrt_extent *extent)
{
	for (size_t i = 0; i < extent->n; i++)
		free(extent->files[i].sizes);
	free(extent->files);
	memset(extent, 0, sizeof(*extent));
}

void vmrt_extent_remove(const char *run)
{
	char path[PATH_MAX];

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_PROGRESS) == VMRT_OK)
		unlink(path);
}

static int open_journal(const char *run)
{
	char path[PATH_MAX];

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL) != VMRT_OK) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return vmrt_open_file(path, O_NOFOLLOW, NULL);
}

bool vmrt_extent_wanted(const char *run)
{
	int fd = open_journal(run);
	bool wanted = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return wanted;
}

int vmrt_extent_follow(const char *run)
{
	int fd = open_journal(run), errnum = 0;

	/* the recorder tries its lock for a moment; a stranger may hold one for ever */
	for (int i = 0; fd >= 0 && i < TRIES; i++) {
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			return fd;
		errnum = errno;
		if (errnum != EWOULDBLOCK && errnum != EINTR)
			break;
		usleep(TRY_US);
	}
	if (fd >= 0) {
		close(fd);
		errno = errnum;
	}
	return -1;
}

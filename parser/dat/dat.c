/* SPDX-License-Identifier: MIT */
/* Opens a trace.dat file of version 6 or 7, and returns what the file says about itself. */
#include "dat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/clock.h>

static const uint8_t magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

struct dat_buffer *dat_add_buffer(struct vmrt_dat *dat, const char *name, unsigned n_cpus)
{
	struct dat_buffer *more =
		reallocarray(dat->buffers, dat->n_buffers + 1, sizeof(*dat->buffers));
	struct dat_buffer *buffer;

	if (!more)
		return NULL;
	dat->buffers = more;
	buffer = &more[dat->n_buffers];
	memset(buffer, 0, sizeof(*buffer));
	buffer->name = strdup(name);
	buffer->cpus = calloc(n_cpus ? n_cpus : 1, sizeof(*buffer->cpus));
	buffer->n_cpus = n_cpus;
	buffer->page_size = dat->info.page_size;
	if (!buffer->name || !buffer->cpus) {
		free(buffer->name);
		free(buffer->cpus);
		return NULL;
	}
	dat->n_buffers++;
	return buffer;
}

void dat_set_cpu(struct vmrt_dat *dat, struct dat_buffer *buffer, unsigned cpu, uint64_t offset,
	uint64_t size)
{
	struct dat_cpu_data *data = &buffer->cpus[cpu];
	uint64_t there = offset < dat->file_size ? dat->file_size - offset : 0;

	data->present = true;
	data->offset = offset;
	data->size = size < there ? size : there;
	data->missing = size - data->size;
}

char *dat_current_clock(const char *text)
{
	const char *close = strchr(text, ']');
	const char *open = close ? memrchr(text, '[', (size_t)(close - text)) : NULL;

	if (open)
		return strndup(open + 1, (size_t)(close - open - 1));
	return strndup(text, strcspn(text, " \n"));
}

void dat_read_header_info(struct vmrt_dat *dat, struct dat_cursor *c)
{
	char tag[sizeof("header_event")];
	char *text;

	if (!dat_cursor_bytes(c, tag, sizeof("header_page")))
		return;
	if (memcmp(tag, "header_page", sizeof("header_page")) != 0) {
		dat_cursor_fail(c, VMRT_EFORMAT, "has no header_page");
		return;
	}
	text = dat_cursor_text(c, dat_cursor_u64(c));
	if (text && formats_header_page(dat->formats, text, c->err) != VMRT_OK)
		c->status = c->err ? c->err->status : VMRT_EFORMAT;
	free(text);
	if (!dat_cursor_bytes(c, tag, sizeof("header_event")))
		return;
	if (memcmp(tag, "header_event", sizeof("header_event")) != 0) {
		dat_cursor_fail(c, VMRT_EFORMAT, "has no header_event");
		return;
	}
	dat_cursor_skip(c, dat_cursor_u64(c));
}

static void read_formats(
	struct vmrt_dat *dat, struct dat_cursor *c, const char *system, uint32_t count)
{
	while (count-- && c->status == VMRT_OK) {
		char *text = dat_cursor_text(c, dat_cursor_u64(c));
		enum vmrt_status status;

		if (!text)
			return;
		status = formats_event(dat->formats, system, text, c->err);
		if (status == VMRT_OK && dat->texts && dat->texts->format &&
			!dat->texts->format(dat->texts->ctx, system, text))
			status = vmrt_fail(c->err, VMRT_ENOMEM, "out of memory");
		free(text);
		if (status != VMRT_OK)
			c->status = status;
	}
}

void dat_read_ftrace_formats(struct vmrt_dat *dat, struct dat_cursor *c)
{
	read_formats(dat, c, "ftrace", dat_cursor_u32(c));
}

void dat_read_event_formats(struct vmrt_dat *dat, struct dat_cursor *c)
{
	uint32_t systems = dat_cursor_u32(c);

	while (systems-- && c->status == VMRT_OK) {
		char system[DAT_MAX_NAME];

		if (dat_cursor_word(c, system, sizeof(system)))
			read_formats(dat, c, system, dat_cursor_u32(c));
	}
}

void dat_read_kallsyms(struct vmrt_dat *dat, struct dat_cursor *c)
{
	uint32_t size = dat_cursor_u32(c);
	char *text = dat_cursor_text(c, size);

	if (text)
		formats_kallsyms(dat->formats, text);
	if (text && dat->texts && dat->texts->kallsyms &&
		!dat->texts->kallsyms(dat->texts->ctx, text))
		dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
	free(text);
}

static int compare_comms(const void *a, const void *b)
{
	const struct dat_comm *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

void dat_read_cmdlines(struct vmrt_dat *dat, struct dat_cursor *c)
{
	char *text = dat_cursor_text(c, dat_cursor_u64(c));
	size_t lines = 1;
	char *line;

	if (!text || dat->comms) {
		free(text);
		return;
	}
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	dat->comms = calloc(lines, sizeof(*dat->comms));
	if (!dat->comms)
		dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
	for (line = text; dat->comms && line && *line;) {
		char *next = strchr(line, '\n');
		struct dat_comm *comm = &dat->comms[dat->n_comms];
		char *after;
		long pid;

		if (next)
			*next++ = '\0';
		pid = strtol(line, &after, 10);
		if (after != line && *after == ' ' && pid >= 0 && pid <= INT32_MAX) {
			comm->pid = (int32_t)pid;
			strncpy(comm->name, after + 1, sizeof(comm->name) - 1);
			dat->n_comms++;
		}
		line = next;
	}
	qsort(dat->comms, dat->n_comms, sizeof(*dat->comms), compare_comms);
	free(text);
}

static enum vmrt_status finish(struct vmrt_dat *dat, const char *instance, struct vmrt_error *err)
{
	enum vmrt_status status = formats_finish(dat->formats, err);
	uint64_t all = 0;

	if (!dat->n_buffers)
		return vmrt_fail(
			err, VMRT_ETRUNCATED, "%s ends before its list of CPU data", dat->path);
	if (status != VMRT_OK)
		return status;
	/* Version 6 gives the page size of the memory, but a sub-buffer may be larger. */
	if (dat->info.version == 6 && dat->formats->page_size > dat->info.page_size)
		for (size_t i = 0; i < dat->n_buffers; i++)
			dat->buffers[i].page_size = dat->formats->page_size;
	status = dat_choose_buffer(dat, instance, err);
	if (status != VMRT_OK)
		return status;
	if (dat->buffer->page_size < RING_MIN_PAGE || dat->buffer->page_size > RING_MAX_PAGE)
		return vmrt_fail(err, VMRT_EFORMAT, "%s has pages of %u bytes", dat->path,
			dat->buffer->page_size);
	/* no byte of the file may belong to two CPUs, or else reading could take longer than the
	 * file's size explains */
	for (unsigned cpu = 0; cpu < dat->buffer->n_cpus; cpu++)
		all += dat->buffer->cpus[cpu].size;
	if (all > dat->file_size)
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s says that its CPUs recorded more than there is in it", dat->path);
	dat->info.page_size = dat->buffer->page_size;
	dat->info.cpus = dat->buffer->n_cpus;
	dat->info.instance = dat->buffer->name;
	dat->info.buffers = dat->buffer_names ? dat->buffer_names : "";
	dat->info.uname = dat->uname ? dat->uname : "";
	dat->info.clock = dat->buffer->clock ? dat->buffer->clock
			  : dat->clock	     ? dat->clock
					     : "local";
	return VMRT_OK;
}

/* Reads the part that is the same in both versions. */
static enum vmrt_status open_common(struct vmrt_dat *dat, struct vmrt_error *err)
{
	struct dat_cursor c;
	uint8_t begin[sizeof(magic)], big_endian = 0, long_size = 0;
	char version[8] = "";
	uint64_t pos = 0;
	enum vmrt_status status = dat_cursor_file(&c, dat, 0, UINT64_MAX, err);

	if (status == VMRT_OK &&
		(dat->file_size < sizeof(magic) || !dat_cursor_bytes(&c, begin, sizeof(begin)) ||
			memcmp(begin, magic, sizeof(magic)) != 0))
		c.status = vmrt_fail_file(err, dat->path, "a trace.dat file");
	dat_cursor_word(&c, version, sizeof(version));
	dat_cursor_bytes(&c, &big_endian, 1);
	dat_cursor_bytes(&c, &long_size, 1);
	dat->info.page_size = dat_cursor_u32(&c);
	dat->info.version = strcmp(version, "6") == 0 ? 6 : strcmp(version, "7") == 0 ? 7 : 0;
	dat->long_size = long_size;
	if (c.status == VMRT_OK && !dat->info.version)
		dat_cursor_fail(
			&c, VMRT_EUNSUPPORTED, "is a trace.dat of another version than 6 or 7");
	if (c.status == VMRT_OK && big_endian)
		dat_cursor_fail(&c, VMRT_EUNSUPPORTED, "was recorded on a big-endian machine");
	pos = c.pos;
	status = c.status;
	dat_cursor_done(&c);
	if (status != VMRT_OK)
		return status;
	return dat->info.version == 6 ? dat_open_v6(dat, pos, err) : dat_open_v7(dat, pos, err);
}

static enum vmrt_status open_fd(int fd, const char *path, const char *instance,
	const struct vmrt_dat_texts *texts, struct vmrt_dat **out, struct vmrt_error *err)
{
	struct vmrt_dat *dat = calloc(1, sizeof(*dat));
	struct vmrt_error local;
	enum vmrt_status status = VMRT_OK;
	struct stat st;

	if (!dat) {
		close(fd);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	}
	if (!err)
		err = &local;
	dat->fd = fd;
	dat->texts = texts;
	dat->path = strdup(path);
	dat->formats = formats_alloc();
	if (!dat->path || !dat->formats)
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	else if (fstat(fd, &st) != 0)
		status = vmrt_fail_errno(err, errno, "cannot examine %s", path);
	else if (!S_ISREG(st.st_mode))
		status = vmrt_fail(err, VMRT_EINVAL, "%s is not a regular file", path);
	else
		dat->file_size = (uint64_t)st.st_size;
	if (status == VMRT_OK)
		status = open_common(dat, err);
	if (status == VMRT_OK)
		status = finish(dat, instance, err);
	if (status != VMRT_OK) {
		vmrt_dat_close(dat);
		/* errors about formats do not name the file, so it is added here */
		if (!strstr(err->text, path)) {
			char text[VMRT_ERROR_TEXT];

			strcpy(text, err->text);
			vmrt_fail(err, status, "%s: %s", path, text);
		}
		return status;
	}
	*out = dat;
	return VMRT_OK;
}

enum vmrt_status dat_open_fd(int fd, const char *path, const char *instance, struct vmrt_dat **out,
	struct vmrt_error *err)
{
	return open_fd(fd, path, instance, NULL, out, err);
}

enum vmrt_status vmrt_dat_read_texts(
	const char *path, const struct vmrt_dat_texts *texts, struct vmrt_error *err)
{
	struct vmrt_error why;
	int fd = vmrt_open_file(path, 0, &why);
	struct vmrt_dat *dat;
	enum vmrt_status status;

	if (fd < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	status = open_fd(fd, path, NULL, texts, &dat, err);
	if (status == VMRT_OK)
		vmrt_dat_close(dat);
	return status;
}

enum vmrt_status vmrt_dat_open_instance(
	const char *path, const char *instance, struct vmrt_dat **out, struct vmrt_error *err)
{
	struct vmrt_error why;
	int fd = vmrt_open_file(path, 0, &why);

	if (fd < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	return dat_open_fd(fd, path, instance, out, err);
}

enum vmrt_status vmrt_dat_open(const char *path, struct vmrt_dat **out, struct vmrt_error *err)
{
	return vmrt_dat_open_instance(path, NULL, out, err);
}

void vmrt_dat_close(struct vmrt_dat *dat)
{
	if (!dat)
		return;
	dat_close_apart(dat);
	for (size_t i = 0; i < dat->n_buffers; i++) {
		free(dat->buffers[i].name);
		free(dat->buffers[i].clock);
		free(dat->buffers[i].cpus);
	}
	free(dat->buffers);
	free(dat->buffer_names);
	for (size_t i = 0; i < dat->n_guests; i++) {
		free((void *)(uintptr_t)dat->guests[i].name);
		free((void *)(uintptr_t)dat->guests[i].vcpu_tids);
	}
	free(dat->guests);
	for (unsigned i = 0; i < dat->n_shifts; i++) {
		free(dat->shifts[i].at);
		free(dat->shifts[i].scalings);
	}
	free(dat->shifts);
	free(dat->stats);
	free(dat->stats_of);
	for (unsigned i = 0; i <= dat->n_stat_buffers; i++)
		free(dat->stat_buffers[i]);
	free(dat->comms);
	for (unsigned i = 0; i < dat->n_clocks; i++)
		vmrt_clockmap_free(&dat->clocks[i]);
	free(dat->clocks);
	free(dat->clock);
	free(dat->uname);
	vmrt_formats_free(dat->formats);
	close(dat->fd);
	free(dat->path);
	free(dat);
}

void vmrt_dat_stop(struct vmrt_dat *dat, int (*stop)(void))
{
	dat->stop = stop;
}

const struct vmrt_dat_info *vmrt_dat_info(const struct vmrt_dat *dat)
{
	return &dat->info;
}

uint64_t vmrt_dat_missing(const struct vmrt_dat *dat)
{
	uint64_t missing = 0;

	for (unsigned cpu = 0; cpu < dat->buffer->n_cpus; cpu++)
		if (__builtin_add_overflow(missing, dat->buffer->cpus[cpu].missing, &missing))
			return UINT64_MAX;
	return missing;
}

const struct vmrt_dat_guest *vmrt_dat_guests(const struct vmrt_dat *dat, size_t *n)
{
	*n = dat->n_guests;
	return dat->guests;
}

const struct vmrt_dat_shift *vmrt_dat_shifts(const struct vmrt_dat *dat, size_t *n, uint64_t *peer)
{
	*n = dat->n_shifts ? dat->shifts[0].n : 0;
	if (peer)
		*peer = dat->shift_peer;
	return dat->n_shifts ? dat->shifts[0].at : NULL;
}

/* Are counters behind the name of buffer @i those of the buffer that is read? */
static bool counts_buffer(const struct vmrt_dat *dat, unsigned i)
{
	const char *name = i ? dat->stat_buffers[i] : "";

	return dat->n_buffers <= 1 || !dat->buffer || (name && !strcmp(name, dat->buffer->name));
}

struct vmrt_dat_cpustat vmrt_dat_cpustat(const struct vmrt_dat *dat, unsigned cpu)
{
	const struct vmrt_dat_cpustat none = {0};

	if (!dat->stats_of || cpu >= RING_MAX_CPUS)
		return none;
	for (unsigned i = dat->stats_of[cpu].first; i; i = dat->stats[i - 1].next)
		if (counts_buffer(dat, dat->stats[i - 1].buffer))
			return dat->stats[i - 1].at;
	return none;
}

uint64_t vmrt_dat_lacking(const struct vmrt_dat *dat, unsigned cpu, uint64_t read)
{
	uint64_t counted = vmrt_dat_cpustat(dat, cpu).events;

	if (counted <= read || (counted - read == 1 && dat->info.dated))
		return 0;
	return counted - read;
}

const char *vmrt_dat_comm(const struct vmrt_dat *dat, int32_t pid)
{
	struct dat_comm key = {.pid = pid};
	const struct dat_comm *found =
		dat->n_comms ? bsearch(&key, dat->comms, dat->n_comms, sizeof(key), compare_comms)
			     : NULL;

	return found ? found->name : NULL;
}

const char *vmrt_dat_saved_comm(const struct vmrt_dat *dat, size_t i, int32_t *pid)
{
	if (i >= dat->n_comms)
		return NULL;
	*pid = dat->comms[i].pid;
	return dat->comms[i].name;
}

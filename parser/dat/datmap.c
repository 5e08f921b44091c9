/* SPDX-License-Identifier: MIT */
/* Lists the parts of a trace.dat file and where they lie, for people and for recordings that
 * were not finished. */
#include "datmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "datwrite.h"

#define MAX_PIECES 100000
#define MAX_CPUS 65536
#define SECTION_HEAD 16

static const uint8_t magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

static const char *const option_names[] = {[1] = "DATE",
	[2] = "CPUSTAT",
	[3] = "BUFFER",
	[4] = "TRACECLOCK",
	[5] = "UNAME",
	[6] = "HOOK",
	[7] = "OFFSET",
	[8] = "CPUCOUNT",
	[9] = "VERSION",
	[10] = "PROCMAPS",
	[11] = "TRACEID",
	[12] = "TIME_SHIFT",
	[13] = "GUEST",
	[14] = "TSC2NSEC",
	[15] = "STRINGS",
	[16] = "HEADER_INFO",
	[17] = "FTRACE_EVENTS",
	[18] = "EVENT_FORMATS",
	[19] = "KALLSYMS",
	[20] = "PRINTK",
	[21] = "CMDLINES",
	[22] = "BUFFER_TEXT",
	[23] = "BTF",
	[24] = "LAST_BOOT",
	[25] = "MODULES"};

/* The place of reading. After an error nothing more is read. */
struct reader {
	struct vmrt_datmap *map;
	uint64_t at;
	int fd;
	bool big_endian;
	bool failed;
};

static void fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->failed) {
		va_start(ap, fmt);
		vsnprintf(r->map->end, sizeof(r->map->end), fmt, ap);
		va_end(ap);
	}
	r->failed = true;
}

/* @size bytes of the head, or NULL */
static const uint8_t *take(struct reader *r, uint64_t size)
{
	const uint8_t *p;

	if (r->failed)
		return NULL;
	if (r->at > r->map->head_size || size > r->map->head_size - r->at) {
		fail(r, "%" PRIu64 " bytes at %" PRIu64 " are not there", size, r->at);
		return NULL;
	}
	p = r->map->head + r->at;
	r->at += size;
	return p;
}

static uint64_t number(struct reader *r, unsigned size)
{
	const uint8_t *p = take(r, size);
	uint64_t value = 0;

	for (unsigned i = 0; p && i < size; i++)
		value = value << 8 | p[r->big_endian ? i : size - 1 - i];
	return value;
}

static const char *text(struct reader *r)
{
	const char *p = (const char *)r->map->head + r->at;
	size_t room = r->at < r->map->head_size ? r->map->head_size - r->at : 0;
	size_t len = r->failed ? 0 : strnlen(p, room);

	if (r->failed || len == room) {
		fail(r, "a text at %" PRIu64 " has no end", r->at);
		return "";
	}
	r->at += len + 1;
	return p;
}

static struct vmrt_datmap_piece *add(struct reader *r, int depth, const char *what, uint64_t offset,
	uint64_t size, const uint8_t *data)
{
	static struct vmrt_datmap_piece nowhere;
	struct vmrt_datmap *map = r->map;
	struct vmrt_datmap_piece *p;

	nowhere = (struct vmrt_datmap_piece){0};
	if (r->failed)
		return &nowhere;
	if ((map->n_pieces & (map->n_pieces - 1)) == 0) {
		p = reallocarray(map->pieces, map->n_pieces ? 2 * map->n_pieces : 1, sizeof(*p));
		if (!p || map->n_pieces >= MAX_PIECES) {
			map->pieces = p ? p : map->pieces;
			fail(r, "too many pieces");
			return &nowhere;
		}
		map->pieces = p;
	}
	p = &map->pieces[map->n_pieces++];
	*p = (struct vmrt_datmap_piece){
		.depth = depth, .offset = offset, .size = size, .data = data};
	snprintf(p->what, sizeof(p->what), "%s", what);
	return p;
}

/* Adds a piece that has its length in front. */
static struct vmrt_datmap_piece *sized(
	struct reader *r, int depth, const char *what, unsigned bytes)
{
	uint64_t size = number(r, bytes), offset = r->at;
	const uint8_t *data = take(r, size);

	return add(r, depth, what, offset, size, data);
}

/* The name of an event stands in the first line of its format. */
static void name_format(struct vmrt_datmap_piece *p, const char *system)
{
	size_t room = p->data ? (size_t)p->size : 0, len = 0;

	if (room > 6 && !memcmp(p->data, "name: ", 6))
		while (6 + len < room && p->data[6 + len] != '\n')
			len++;
	snprintf(p->name, sizeof(p->name), "%.30s:%.*s", system, (int)(len > 40 ? 40 : len),
		len ? (const char *)p->data + 6 : "");
}

static void read_formats(struct reader *r)
{
	uint32_t n = (uint32_t)number(r, 4), systems;

	add(r, 0, "formats", r->at, n, NULL);
	for (uint32_t i = 0; i < n && !r->failed; i++)
		name_format(sized(r, 1, "format", 8), "ftrace");
	systems = (uint32_t)number(r, 4);
	for (uint32_t s = 0; s < systems && !r->failed; s++) {
		const char *system = text(r);

		n = (uint32_t)number(r, 4);
		for (uint32_t i = 0; i < n && !r->failed; i++)
			name_format(sized(r, 1, "format", 8), system);
	}
}

static void name_option(struct vmrt_datmap_piece *p, unsigned id)
{
	p->id = id;
	if (id < sizeof(option_names) / sizeof(option_names[0]) && option_names[id])
		snprintf(p->name, sizeof(p->name), "%s", option_names[id]);
	else
		snprintf(p->name, sizeof(p->name), "option %u", id);
}

static void read_options(struct reader *r)
{
	for (;;) {
		unsigned id = (unsigned)number(r, 2);

		if (r->failed || !id)
			return;
		name_option(sized(r, 1, "option", 4), id);
	}
}

static void read_cpus(struct reader *r)
{
	struct vmrt_datmap *map = r->map;

	map->table = r->at;
	for (unsigned i = 0; i < map->cpus && !r->failed; i++) {
		uint64_t offset = number(r, 8), size = number(r, 8);
		struct vmrt_datmap_piece *p = add(r, 1, "data", offset, size, NULL);

		snprintf(p->name, sizeof(p->name), "CPU %u", i);
	}
}

static void read_v6(struct reader *r)
{
	struct vmrt_datmap *map = r->map;
	const uint8_t *tag;

	text(r);
	sized(r, 0, "header_page", 8);
	text(r);
	sized(r, 0, "header_event", 8);
	read_formats(r);
	sized(r, 0, "kallsyms", 4);
	sized(r, 0, "printk", 4);
	sized(r, 0, "cmdlines", 8);
	map->cpus = (unsigned)number(r, 4);
	if (map->cpus > MAX_CPUS)
		fail(r, "%u CPUs are too many", map->cpus);
	tag = take(r, 10);
	if (tag && !memcmp(tag, "options  ", 10)) {
		add(r, 0, "options", r->at, 0, NULL);
		read_options(r);
		tag = take(r, 10);
	}
	if (!tag)
		return;
	if (memcmp(tag, "flyrecord", 10) != 0) {
		fail(r, "no events of CPUs, but text, from %" PRIu64 " on", r->at);
		return;
	}
	add(r, 0, "flyrecord", r->at, (uint64_t)map->cpus * 16, NULL);
	read_cpus(r);
	if (datmap_find(map, "option", "TRACECLOCK"))
		sized(r, 0, "clock", 8);
}

/* The head of a section, which may be far behind the head of the file; false at the end. */
static bool section_head(struct reader *r, unsigned *id, unsigned *flags, uint64_t *size)
{
	uint8_t raw[SECTION_HEAD];
	uint64_t value[3] = {0};
	static const struct {
		unsigned at, size;
	} parts[3] = {{0, 2}, {2, 2}, {8, 8}};

	if (r->failed || pread(r->fd, raw, sizeof(raw), (off_t)r->at) != (ssize_t)sizeof(raw))
		return false;
	for (size_t k = 0; k < 3; k++)
		for (unsigned i = 0; i < parts[k].size; i++)
			value[k] = value[k] << 8 |
				   raw[parts[k].at + (r->big_endian ? i : parts[k].size - 1 - i)];
	*id = (unsigned)value[0];
	*flags = (unsigned)value[1];
	*size = value[2];
	r->at += SECTION_HEAD;
	return true;
}

/* Sections lie one behind the other, so all are found without the options. */
static void read_v7(struct reader *r)
{
	unsigned id, flags;
	uint64_t size;

	text(r);
	text(r);
	add(r, 0, "options at", number(r, 8), 0, NULL);
	while (section_head(r, &id, &flags, &size)) {
		uint64_t start = r->at;
		bool inside = start <= r->map->head_size && size <= r->map->head_size - start;

		name_option(add(r, 0, flags & 1 ? "section, compressed" : "section", start, size,
				    inside ? r->map->head + start : NULL),
			id);
		if (!id && !r->failed) {
			strcpy(r->map->pieces[r->map->n_pieces - 1].name, "OPTIONS");
			if (inside && !(flags & 1)) {
				struct reader options = *r;

				read_options(&options);
			}
		}
		if (size > r->map->file_size - start)
			fail(r, "section %u at %" PRIu64 " is longer than the file", id, start);
		r->at = start + size;
	}
}

static enum vmrt_status read_start(struct reader *r, const char *path, struct vmrt_error *err)
{
	struct vmrt_datmap *map = r->map;
	const uint8_t *start = take(r, sizeof(magic));
	const char *version;

	if (!start || memcmp(start, magic, sizeof(magic)) != 0)
		return vmrt_fail_file(err, path, "a trace.dat file");
	version = text(r);
	map->version = (int)strtol(version, NULL, 10);
	r->big_endian = number(r, 1) != 0;
	map->long_size = (unsigned)number(r, 1);
	map->page_size = (uint32_t)number(r, 4);
	if (!r->failed && map->version == 6)
		read_v6(r);
	else if (!r->failed && map->version == 7)
		read_v7(r);
	else
		fail(r, "version %.10s is not known", version);
	return VMRT_OK;
}

enum vmrt_status vmrt_datmap_read(
	const char *path, struct vmrt_datmap **out, struct vmrt_error *err)
{
	struct vmrt_datmap *map = calloc(1, sizeof(*map));
	struct vmrt_error why;
	int fd = vmrt_open_file(path, 0, &why);
	enum vmrt_status status = VMRT_OK;
	struct reader r = {.map = map, .fd = fd};
	struct stat st;

	if (map && fd < 0) {
		status = vmrt_fail(err, why.status, "%s", why.text);
		goto out;
	}
	if (!map || fstat(fd, &st) != 0) {
		status = vmrt_fail_errno(err, map ? errno : ENOMEM, "cannot open %s", path);
		goto out;
	}
	map->file_size = (uint64_t)st.st_size;
	map->head_size = st.st_size < VMRT_DATMAP_HEAD ? (size_t)st.st_size : VMRT_DATMAP_HEAD;
	map->head = malloc(map->head_size + 1);
	if (!map->head) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
		goto out;
	}
	for (size_t done = 0; done < map->head_size;) {
		ssize_t n = pread(fd, map->head + done, map->head_size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			status = vmrt_fail_errno(err, n ? errno : EIO, "cannot read %s", path);
			goto out;
		}
		done += (size_t)n;
	}
	map->head[map->head_size] = '\0';
	status = read_start(&r, path, err);
out:
	if (fd >= 0)
		close(fd);
	if (status == VMRT_OK)
		*out = map;
	else
		vmrt_datmap_free(map);
	return status;
}

const struct vmrt_datmap_piece *datmap_find(
	const struct vmrt_datmap *map, const char *what, const char *name)
{
	for (size_t i = 0; i < map->n_pieces; i++)
		if (!strcmp(map->pieces[i].what, what) &&
			(!name || !strcmp(map->pieces[i].name, name)))
			return &map->pieces[i];
	return NULL;
}

static char *copy_of(const struct vmrt_datmap *map, const char *what, const char *name)
{
	const struct vmrt_datmap_piece *p = datmap_find(map, what, name);

	return p && p->data ? strndup((const char *)p->data, (size_t)p->size) : strdup("");
}

enum vmrt_status vmrt_datmap_meta(
	const struct vmrt_datmap *map, struct vmrt_trace_meta *out, struct vmrt_error *err)
{
	memset(out, 0, sizeof(*out));
	if (map->version != 6 || !map->table)
		return vmrt_fail(err, VMRT_EFORMAT, "the beginning of the file is not complete: %s",
			map->end);
	out->cpus = map->cpus;
	out->page_size = map->page_size;
	out->header_page = copy_of(map, "header_page", NULL);
	out->header_event = copy_of(map, "header_event", NULL);
	out->kallsyms = copy_of(map, "kallsyms", NULL);
	out->cmdlines = copy_of(map, "cmdlines", NULL);
	out->clock = copy_of(map, "option", "TRACECLOCK");
	out->uname = copy_of(map, "option", "UNAME");
	out->formats = calloc(map->n_pieces + 1, sizeof(*out->formats));
	for (size_t i = 0; out->formats && i < map->n_pieces; i++) {
		const struct vmrt_datmap_piece *p = &map->pieces[i];
		struct vmrt_trace_format *f = &out->formats[out->n_formats];

		if (strcmp(p->what, "format") != 0)
			continue;
		snprintf(f->system, sizeof(f->system), "%.*s", (int)strcspn(p->name, ":"), p->name);
		f->text = strndup((const char *)p->data, (size_t)p->size);
		if (!f->text)
			break;
		out->n_formats++;
	}
	if (out->header_page && out->header_event && out->kallsyms && out->cmdlines && out->clock &&
		out->uname && out->formats)
		return VMRT_OK;
	vmrt_trace_meta_free(out);
	return vmrt_fail(err, VMRT_ENOMEM, "event formats: out of memory");
}

uint64_t vmrt_datmap_trace_id(const struct vmrt_datmap *map)
{
	const struct vmrt_datmap_piece *p = datmap_find(map, "option", "TRACEID");
	uint64_t id = 0;

	for (size_t i = 8; p && p->data && p->size == 8 && i-- > 0;)
		id = id << 8 | p->data[i];
	return id ? id : vmrt_dat_new_id();
}

void vmrt_datmap_free(struct vmrt_datmap *map)
{
	if (!map)
		return;
	free(map->pieces);
	free(map->head);
	free(map);
}

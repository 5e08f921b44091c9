/* SPDX-License-Identifier: MIT */
/* Reads the layout of trace.dat files of version 7. */
#include "dat.h"

#include <stdlib.h>
#include <zstd.h>

/* A file of version 7 has sections, which are found through chained lists of options. */

#define SECTION_HEADER 16
#define SECTION_COMPRESSED 1u
#define SECTION_OPTIONS 0
#define MAX_LISTS 4096	       /* option lists in a file */
#define MAX_BUFFERS 64	       /* ring buffers in a file */
#define FREE_PARTS (16u << 20) /* of the headers, whatever they were before */

/* A section: its bytes, decompressed if it was compressed. */
struct section {
	struct dat_cursor cursor;
	uint64_t size;	/* in the file */
	uint8_t *bytes; /* NULL: read from the file */
};

struct v7 {
	struct vmrt_dat *dat;
	uint64_t parts[32]; /* offsets of sections by option id; 0: none */
};

static void section_done(struct section *s)
{
	dat_cursor_done(&s->cursor);
	free(s->bytes);
}

static enum vmrt_status unpack(struct vmrt_dat *dat, struct section *s, struct vmrt_error *err)
{
	struct dat_cursor *c = &s->cursor;
	uint32_t packed = dat_cursor_u32(c);
	uint32_t size = dat_cursor_u32(c);
	char *bytes;
	size_t got;

	if (c->status == VMRT_OK && !dat->zstd)
		return dat_cursor_fail(c, VMRT_EUNSUPPORTED, "is compressed, but not with zstd");
	if (c->status == VMRT_OK && (size > DAT_MAX_TEXT || !dat_may_unpack(packed, size)))
		return dat_cursor_fail(c, VMRT_EFORMAT, "has a header part of impossible size");
	/* a few small ones may have any ratio, but not many of them */
	dat->unpacked += size;
	if (c->status == VMRT_OK && dat->unpacked > FREE_PARTS &&
		dat->unpacked / DAT_MAX_RATIO > dat->file_size)
		return dat_cursor_fail(
			c, VMRT_EFORMAT, "has header parts of impossible size altogether");
	bytes = dat_cursor_text(c, packed);
	if (!bytes)
		return c->status;
	s->bytes = malloc(size ? size : 1);
	got = s->bytes ? ZSTD_decompress(s->bytes, size, bytes, packed) : 0;
	free(bytes);
	if (!s->bytes)
		return dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
	if (ZSTD_isError(got) || got != size)
		return dat_cursor_fail(
			c, VMRT_EFORMAT, "has a compressed part that cannot be decompressed");
	dat_cursor_done(c);
	dat_cursor_memory(c, dat, s->bytes, size, err);
	return VMRT_OK;
}

/* Opens the section whose header is at @offset. section_done() is needed in any case. */
static enum vmrt_status section_open(struct vmrt_dat *dat, uint64_t offset, unsigned id,
	struct section *s, struct vmrt_error *err)
{
	struct dat_cursor *c = &s->cursor;
	unsigned found, flags;
	uint64_t size;

	s->bytes = NULL;
	s->size = 0;
	if (dat_cursor_file(c, dat, offset, UINT64_MAX, err) != VMRT_OK)
		return c->status;
	found = dat_cursor_u16(c);
	flags = dat_cursor_u16(c);
	dat_cursor_u32(c); /* its name */
	size = dat_cursor_u64(c);
	if (c->status == VMRT_OK && found != id)
		return dat_cursor_fail(c, VMRT_EFORMAT, "has no section where one should be");
	if (c->status == VMRT_OK && size < c->end - c->pos)
		c->end = c->pos + size;
	s->size = SECTION_HEADER + dat_cursor_left(c);
	if (c->status == VMRT_OK && (flags & SECTION_COMPRESSED))
		return unpack(dat, s, err);
	return c->status;
}

static void take_buffer(struct v7 *v7, struct dat_cursor *data)
{
	struct vmrt_dat *dat = v7->dat;
	char name[DAT_MAX_NAME], clock[DAT_MAX_NAME];
	struct dat_buffer *buffer;
	struct dat_cursor again;
	uint32_t page_size, n;
	unsigned cpus = 0;

	dat_cursor_u64(data); /* offset of the section */
	dat_cursor_word(data, name, sizeof(name));
	dat_cursor_word(data, clock, sizeof(clock));
	page_size = dat_cursor_u32(data);
	n = dat_cursor_u32(data);
	if (data->status != VMRT_OK || dat->n_buffers == MAX_BUFFERS || n > RING_MAX_CPUS ||
		n > dat_cursor_left(data) / 20)
		return;
	again = *data;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cpu = dat_cursor_u32(data);

		dat_cursor_skip(data, 16);
		if (cpu >= RING_MAX_CPUS)
			return;
		if (cpu >= cpus)
			cpus = cpu + 1;
	}
	buffer = dat_add_buffer(dat, name, cpus);
	if (!buffer)
		return;
	if (*clock)
		buffer->clock = dat_current_clock(clock);
	buffer->page_size = page_size;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cpu = dat_cursor_u32(&again);
		uint64_t offset = dat_cursor_u64(&again);
		uint64_t size = dat_cursor_u64(&again);

		if (!buffer->cpus[cpu].present)
			dat_set_cpu(dat, buffer, cpu, offset, size);
	}
}

/* One list of options; returns the offset of the next one or 0. */
static uint64_t read_options(struct v7 *v7, struct dat_cursor *c)
{
	for (;;) {
		unsigned id = dat_cursor_u16(c);
		uint32_t size = dat_cursor_u32(c);
		struct dat_cursor data;
		uint64_t next = 0;
		char *bytes;

		bytes = dat_cursor_text(c, size);
		if (!bytes)
			return 0;
		/* An option with unexpected content counts as absent. */
		dat_cursor_memory(&data, v7->dat, bytes, size, NULL);
		if (id == DAT_OPTION_DONE)
			next = dat_cursor_u64(&data);
		else if (id == DAT_OPTION_BUFFER)
			take_buffer(v7, &data);
		else if (id >= DAT_OPTION_HEADER_INFO &&
			 id < sizeof(v7->parts) / sizeof(v7->parts[0]))
			v7->parts[id] = dat_cursor_u64(&data);
		else
			dat_option_common(v7->dat, id, &data);
		free(bytes);
		if (id == DAT_OPTION_DONE)
			return next;
	}
}

static enum vmrt_status read_part(struct v7 *v7, unsigned id,
	void (*read)(struct vmrt_dat *, struct dat_cursor *), struct vmrt_error *err)
{
	struct section s;
	enum vmrt_status status;

	if (!v7->parts[id])
		return VMRT_OK;
	status = section_open(v7->dat, v7->parts[id], id, &s, err);
	if (status == VMRT_OK) {
		read(v7->dat, &s.cursor);
		status = s.cursor.status;
	}
	section_done(&s);
	return status;
}

/* A list may lie anywhere, but no byte of the file may belong to two lists. */
static enum vmrt_status read_lists(struct v7 *v7, uint64_t at, struct vmrt_error *err)
{
	uint64_t *seen = malloc(MAX_LISTS * sizeof(*seen)), all = 0;
	enum vmrt_status status =
		seen ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", v7->dat->path);

	for (unsigned i = 0; at && i < MAX_LISTS && status == VMRT_OK; i++) {
		struct section s;

		seen[i] = at;
		status = section_open(v7->dat, at, SECTION_OPTIONS, &s, err);
		all += s.size;
		if (status == VMRT_OK && all > v7->dat->file_size)
			status = dat_cursor_fail(&s.cursor, VMRT_EFORMAT,
				"has lists of options that are longer than the file");
		at = 0;
		if (status == VMRT_OK) {
			at = read_options(v7, &s.cursor);
			status = s.cursor.status;
		}
		for (unsigned k = 0; k <= i && status == VMRT_OK; k++)
			if (at && seen[k] == at)
				status = dat_cursor_fail(&s.cursor, VMRT_EFORMAT,
					"has a list of options that leads back to itself");
		section_done(&s);
	}
	free(seen);
	/* The options behind the data are the first to be missing; what is needed is checked below.
	 */
	return status == VMRT_ETRUNCATED && v7->dat->n_buffers ? VMRT_OK : status;
}

enum vmrt_status dat_open_v7(struct vmrt_dat *dat, uint64_t pos, struct vmrt_error *err)
{
	struct v7 v7 = {.dat = dat};
	char name[DAT_MAX_NAME], version[DAT_MAX_NAME];
	struct dat_cursor c;
	enum vmrt_status status;
	uint64_t at;

	dat_cursor_file(&c, dat, pos, UINT64_MAX, err);
	dat_cursor_word(&c, name, sizeof(name));
	dat_cursor_word(&c, version, sizeof(version));
	at = dat_cursor_u64(&c);
	dat->zstd = strcmp(name, "zstd") == 0;
	if (c.status == VMRT_OK && *name && !dat->zstd && strcmp(name, "none") != 0)
		dat_cursor_fail(&c, VMRT_EUNSUPPORTED,
			"is compressed with something else than zstd; `trace-cmd convert "
			"--compression none` helps");
	status = c.status;
	dat_cursor_done(&c);
	if (status == VMRT_OK)
		status = read_lists(&v7, at, err);
	if (status == VMRT_OK)
		status = read_part(&v7, DAT_OPTION_HEADER_INFO, dat_read_header_info, err);
	if (status == VMRT_OK)
		status = read_part(&v7, DAT_OPTION_FTRACE_EVENTS, dat_read_ftrace_formats, err);
	if (status == VMRT_OK)
		status = read_part(&v7, DAT_OPTION_EVENT_FORMATS, dat_read_event_formats, err);
	if (status == VMRT_OK)
		status = read_part(&v7, DAT_OPTION_KALLSYMS, dat_read_kallsyms, err);
	if (status == VMRT_OK)
		status = read_part(&v7, DAT_OPTION_CMDLINES, dat_read_cmdlines, err);
	return status;
}

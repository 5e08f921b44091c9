/* SPDX-License-Identifier: MIT */
/* Reads the layout of trace.dat files of version 6. */
#include "dat.h"

#include <stdlib.h>

/* A file of version 6 has all parts in a fixed order, and then the pages. */

#define TAG 10 /* bytes of the tag in front of each part behind the number of CPUs */

#define MAX_INSTANCES 64

struct instances {
	struct {
		uint64_t offset;
		char name[DAT_MAX_NAME];
	} at[MAX_INSTANCES];
	size_t n;
	bool have_clock; /* there is a clock behind each table of CPUs */
};

static void note_instance(struct instances *found, struct dat_cursor *data)
{
	uint64_t offset = dat_cursor_u64(data);
	char name[DAT_MAX_NAME];

	if (!dat_cursor_word(data, name, sizeof(name)) || found->n == MAX_INSTANCES)
		return;
	found->at[found->n].offset = offset;
	strcpy(found->at[found->n++].name, *name ? name : "(unnamed)");
}

static void read_options(struct vmrt_dat *dat, struct dat_cursor *c, struct instances *found)
{
	for (;;) {
		unsigned id = dat_cursor_u16(c);
		struct dat_cursor data;
		uint32_t size;
		char *bytes;

		if (c->status != VMRT_OK || id == DAT_OPTION_DONE)
			return;
		size = dat_cursor_u32(c);
		if (id == DAT_OPTION_TIME_SHIFT && !dat->shift_size) {
			dat->shift_at = c->pos;
			dat->shift_size = size;
		}
		bytes = dat_cursor_text(c, size);
		if (!bytes)
			return;
		/* An option with unexpected content counts as absent. */
		dat_cursor_memory(&data, dat, bytes, size, NULL);
		if (id == DAT_OPTION_BUFFER)
			note_instance(found, &data);
		else
			dat_option_common(dat, id, &data);
		if (id == DAT_OPTION_TRACECLOCK)
			found->have_clock = true;
		free(bytes);
	}
}

/* The table of a buffer's CPUs, behind its tag. */
static void read_cpus(struct vmrt_dat *dat, struct dat_cursor *c, const char *name, unsigned cpus,
	bool have_clock)
{
	struct dat_buffer *buffer;

	if (c->status != VMRT_OK)
		return;
	buffer = dat_add_buffer(dat, name, cpus);
	if (!buffer) {
		dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
		return;
	}
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		uint64_t offset = dat_cursor_u64(c);
		uint64_t size = dat_cursor_u64(c);

		if (c->status == VMRT_OK)
			dat_set_cpu(dat, buffer, cpu, offset, size);
	}
	if (have_clock && dat_cursor_left(c) >= 8) {
		uint64_t size = dat_cursor_u64(c);

		/* some writers omit it */
		if (c->status == VMRT_OK && size < DAT_MAX_NAME && size <= dat_cursor_left(c)) {
			char *text = dat_cursor_text(c, size);

			if (text)
				buffer->clock = dat_current_clock(text);
			free(text);
		}
	}
}

static void read_instances(struct vmrt_dat *dat, const struct instances *found, unsigned cpus)
{
	for (size_t i = 0; i < found->n; i++) {
		struct dat_cursor c;
		char tag[TAG];

		/* An error in an instance does not affect the rest. */
		if (dat_cursor_file(&c, dat, found->at[i].offset, UINT64_MAX, NULL) == VMRT_OK &&
			dat_cursor_bytes(&c, tag, TAG) && memcmp(tag, "flyrecord", TAG) == 0)
			read_cpus(dat, &c, found->at[i].name, cpus, found->have_clock);
		dat_cursor_done(&c);
	}
}

enum vmrt_status dat_open_v6(struct vmrt_dat *dat, uint64_t pos, struct vmrt_error *err)
{
	struct instances *found = calloc(1, sizeof(*found));
	struct dat_cursor c;
	enum vmrt_status status;
	uint32_t cpus;
	char tag[TAG] = "";

	if (!found)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	dat_cursor_file(&c, dat, pos, UINT64_MAX, err);
	dat_read_header_info(dat, &c);
	dat_read_ftrace_formats(dat, &c);
	dat_read_event_formats(dat, &c);
	dat_read_kallsyms(dat, &c);
	dat_cursor_skip(&c, dat_cursor_u32(&c)); /* printk formats */
	dat_read_cmdlines(dat, &c);
	cpus = dat_cursor_u32(&c);
	if (c.status == VMRT_OK && (!cpus || cpus > RING_MAX_CPUS))
		dat_cursor_fail(&c, VMRT_EFORMAT, "has an impossible number of CPUs");
	dat_cursor_bytes(&c, tag, TAG);
	if (c.status == VMRT_OK && memcmp(tag, "options  ", TAG) == 0) {
		read_options(dat, &c, found);
		dat_cursor_bytes(&c, tag, TAG);
	}
	if (c.status == VMRT_OK && memcmp(tag, "latency  ", TAG) == 0)
		dat_cursor_fail(
			&c, VMRT_EUNSUPPORTED, "holds the text of a latency tracer, no events");
	if (c.status == VMRT_OK && memcmp(tag, "flyrecord", TAG) != 0)
		dat_cursor_fail(&c, VMRT_EFORMAT, "has no list of CPU data");
	read_cpus(dat, &c, "", cpus, found->have_clock);
	status = c.status;
	dat_cursor_done(&c);
	if (status == VMRT_OK)
		read_instances(dat, found, cpus);
	free(found);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* Writes the head of a trace.dat file of version 6. */
#include "datwrite.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <vmrt/units.h>

#include "common/buf.h"

#define FTRACE "ftrace"

enum option {
	OPTION_DONE = 0,
	OPTION_CPUSTAT = 2,
	OPTION_TRACECLOCK = 4,
	OPTION_UNAME = 5,
	OPTION_CPUCOUNT = 8,
	OPTION_TRACEID = 11,
	OPTION_TIME_SHIFT = 12,
	OPTION_GUEST = 13,
};

#define SHIFT_INTERPOLATE 1 /* flag of TIME_SHIFT: straight lines between its samples */

uint64_t vmrt_dat_new_id(void)
{
	uint64_t id = 0;

	/* without random numbers the time is used, which differs enough between two recordings */
	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id) || !id)
		id = (uint64_t)vmrt_now_ns() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
	return id ? id : 1;
}

static void put_sized(struct vmrt_buf *b, const char *text)
{
	vmrt_buf_put_u64(b, strlen(text));
	vmrt_buf_put(b, text, strlen(text));
}

static void put_start(struct vmrt_buf *b, const struct vmrt_trace_meta *meta)
{
	static const uint8_t magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

	vmrt_buf_put(b, magic, sizeof(magic));
	vmrt_buf_put_text(b, "6");
	vmrt_buf_put_u8(b, 0); /* little-endian */
	vmrt_buf_put_u8(b, 8); /* sizeof(long) */
	vmrt_buf_put_u32(b, meta->page_size);
	vmrt_buf_put_text(b, "header_page");
	put_sized(b, meta->header_page);
	vmrt_buf_put_text(b, "header_event");
	put_sized(b, meta->header_event);
}

static uint32_t formats_of(const struct vmrt_trace_meta *meta, const char *system)
{
	uint32_t n = 0;

	for (size_t i = 0; i < meta->n_formats; i++)
		n += !strcmp(meta->formats[i].system, system);
	return n;
}

static void put_formats_of(
	struct vmrt_buf *b, const struct vmrt_trace_meta *meta, const char *system)
{
	for (size_t i = 0; i < meta->n_formats; i++)
		if (!strcmp(meta->formats[i].system, system))
			put_sized(b, meta->formats[i].text);
}

/* Is format @i the first one of its system, and is that not ftrace's own system? */
static bool opens_system(const struct vmrt_trace_meta *meta, size_t i)
{
	const char *system = meta->formats[i].system;

	if (!strcmp(system, FTRACE))
		return false;
	for (size_t k = 0; k < i; k++)
		if (!strcmp(meta->formats[k].system, system))
			return false;
	return true;
}

static void put_formats(struct vmrt_buf *b, const struct vmrt_trace_meta *meta)
{
	uint32_t systems = 0;

	vmrt_buf_put_u32(b, formats_of(meta, FTRACE));
	put_formats_of(b, meta, FTRACE);
	for (size_t i = 0; i < meta->n_formats; i++)
		systems += opens_system(meta, i);
	vmrt_buf_put_u32(b, systems);
	for (size_t i = 0; i < meta->n_formats; i++) {
		const char *system = meta->formats[i].system;

		if (!opens_system(meta, i))
			continue;
		vmrt_buf_put_text(b, system);
		vmrt_buf_put_u32(b, formats_of(meta, system));
		put_formats_of(b, meta, system);
	}
}

static void put_symbols_and_names(struct vmrt_buf *b, const struct vmrt_trace_meta *meta)
{
	vmrt_buf_put_u32(b, (uint32_t)strlen(meta->kallsyms));
	vmrt_buf_put(b, meta->kallsyms, strlen(meta->kallsyms));
	vmrt_buf_put_u32(b, 0); /* printk formats */
	put_sized(b, meta->cmdlines);
	vmrt_buf_put_u32(b, meta->cpus);
}

/* Begins an option; its size follows when it is complete. */
static size_t open_option(struct vmrt_buf *b, enum option id)
{
	vmrt_buf_put_u16(b, (uint16_t)id);
	vmrt_buf_put_u32(b, 0);
	return b->used;
}

static void close_option(struct vmrt_buf *b, size_t start)
{
	vmrt_buf_set_u32(b, start - 4, (uint32_t)(b->used - start));
}

static void put_stats(struct vmrt_buf *b, unsigned cpu, const struct vmrt_cpu_stats *s)
{
	size_t start = open_option(b, OPTION_CPUSTAT);

	vmrt_buf_printf(b,
		"CPU: %u\nentries: %" PRIu64 "\noverrun: %" PRIu64 "\ncommit overrun: %" PRIu64
		"\nbytes: %" PRIu64 "\ndropped events: %" PRIu64 "\nread events: %" PRIu64 "\n",
		cpu, s->entries, s->overrun, s->commit_overrun, s->bytes, s->dropped,
		s->read_events);
	vmrt_buf_put_u8(b, 0); /* readers replace the last byte by a newline */
	close_option(b, start);
}

static void put_guest(struct vmrt_buf *b, const struct vmrt_dat_guest *guest)
{
	size_t start = open_option(b, OPTION_GUEST);

	vmrt_buf_put_text(b, guest->name);
	vmrt_buf_put_u64(b, guest->trace_id);
	vmrt_buf_put_u32(b, guest->n_vcpus);
	for (unsigned i = 0; i < guest->n_vcpus; i++) {
		vmrt_buf_put_u32(b, i);
		vmrt_buf_put_u32(b, (uint32_t)guest->vcpu_tids[i]);
	}
	close_option(b, start);
}

static void put_shifts(struct vmrt_buf *b, const struct vmrt_dat_content *c)
{
	size_t start = open_option(b, OPTION_TIME_SHIFT);

	vmrt_buf_put_u64(b, c->peer);
	vmrt_buf_put_u32(b, SHIFT_INTERPOLATE);
	/* readers correct only the CPUs that are listed, and each one on its own */
	vmrt_buf_put_u32(b, c->meta->cpus);
	for (unsigned cpu = 0; cpu < c->meta->cpus; cpu++) {
		vmrt_buf_put_u32(b, (uint32_t)c->n_shifts);
		for (size_t i = 0; i < c->n_shifts; i++)
			vmrt_buf_put_u64(b, (uint64_t)c->shifts[i].local_ns);
		for (size_t i = 0; i < c->n_shifts; i++)
			vmrt_buf_put_u64(b, (uint64_t)c->shifts[i].offset_ns);
		for (size_t i = 0; i < c->n_shifts; i++)
			vmrt_buf_put_u64(b, 1); /* scaling */
	}
	for (unsigned cpu = 0; cpu < c->meta->cpus; cpu++)
		for (size_t i = 0; i < c->n_shifts; i++)
			vmrt_buf_put_u64(b, 0); /* fraction bits */
	close_option(b, start);
}

static void put_options(struct vmrt_buf *b, const struct vmrt_dat_content *c)
{
	size_t start;

	vmrt_buf_put(b, "options  ", 10);
	start = open_option(b, OPTION_TRACECLOCK);
	vmrt_buf_put_text(b, c->meta->clock);
	close_option(b, start);
	start = open_option(b, OPTION_UNAME);
	vmrt_buf_put_text(b, c->meta->uname);
	close_option(b, start);
	start = open_option(b, OPTION_CPUCOUNT);
	vmrt_buf_put_u32(b, c->meta->cpus);
	close_option(b, start);
	start = open_option(b, OPTION_TRACEID);
	vmrt_buf_put_u64(b, c->trace_id);
	close_option(b, start);
	for (unsigned cpu = 0; c->stats && cpu < c->meta->cpus; cpu++)
		put_stats(b, cpu, &c->stats[cpu]);
	for (size_t i = 0; i < c->n_guests; i++)
		put_guest(b, &c->guests[i]);
	if (c->n_shifts)
		put_shifts(b, c);
	vmrt_buf_put_u16(b, OPTION_DONE);
}

/* The table of where each CPU's data are (filled in later), and the clock; returns where it is. */
static size_t put_table(struct vmrt_buf *b, const struct vmrt_dat_content *c)
{
	size_t table;

	vmrt_buf_put(b, "flyrecord", 10);
	table = b->used;
	for (unsigned cpu = 0; cpu < c->meta->cpus; cpu++) {
		vmrt_buf_put_u64(b, 0);
		vmrt_buf_put_u64(b, 0);
	}
	put_sized(b, "[mono]");
	return table;
}

size_t dat_head(struct vmrt_buf *b, const struct vmrt_dat_content *content)
{
	put_start(b, content->meta);
	put_formats(b, content->meta);
	put_symbols_and_names(b, content->meta);
	put_options(b, content);
	return put_table(b, content);
}

/* SPDX-License-Identifier: MIT */
/*
 * usage: repeat-recording FILE N OUT
 *
 * Writes a trace.dat (version 6, not compressed) in which the events of FILE come N times, one time
 * after the other: every page N times, with its times moved on. For measurements at sizes that
 * nobody wants to record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "parser/dat/dat.h"

#define BETWEEN_NS 1000000
#define TIME_STAMP 31

struct copy {
	const struct vmrt_dat *dat;
	uint32_t page_size, header;
	uint8_t *page;
	FILE *out;
};

static void put_u64(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, sizeof(v));
}

/* Time of the last record of a page, and moves its times by @shift. */
static uint64_t move_page(struct copy *c, uint64_t shift)
{
	uint64_t ts = ring_u64(c->page);
	uint32_t pos = c->header, end = pos + (ring_u32(c->page + 8) & 0x07ffffff);

	put_u64(c->page, ts + shift);
	while (pos + 4 <= end) {
		uint8_t *at = c->page + pos;
		uint32_t word = ring_u32(at), type = word & 31,
			 second = pos + 8 <= end ? ring_u32(at + 4) : 0;

		if (type == 29 && !(word >> 5))
			break;
		if (type == TIME_STAMP) {
			uint64_t stamp = (word >> 5) + ((uint64_t)second << 27) + shift;

			word = TIME_STAMP | (uint32_t)(stamp & 0x7ffffff) << 5;
			second = (uint32_t)(stamp >> 27);
			memcpy(at, &word, 4);
			memcpy(at + 4, &second, 4);
			ts = stamp - shift;
		} else if (type == 30) {
			ts += (word >> 5) + ((uint64_t)second << 27);
		} else {
			ts += word >> 5;
		}
		pos += type == 0 || type == 29 ? 4 + ((second + 3) & ~3u)
		       : type >= 30	       ? 8
					       : 4 + type * 4;
	}
	return ts;
}

static bool read_page(struct copy *c, uint64_t offset)
{
	struct vmrt_error err;

	if (dat_pread(c->dat, c->page, c->page_size, offset, &err) == VMRT_OK)
		return true;
	fprintf(stderr, "repeat-recording: error: %s\n", err.text);
	return false;
}

/* How long the recording is, from the first record to the last. */
static bool find_span(struct copy *c, uint64_t *span)
{
	uint64_t first = UINT64_MAX, last = 0;

	for (unsigned cpu = 0; cpu < c->dat->info.cpus; cpu++) {
		const struct dat_cpu_data *data = &c->dat->buffer->cpus[cpu];
		uint64_t ts;

		if (data->size < c->page_size)
			continue;
		if (!read_page(c, data->offset))
			return false;
		ts = ring_u64(c->page);
		first = ts < first ? ts : first;
		if (!read_page(c, data->offset + data->size - c->page_size))
			return false;
		ts = move_page(c, 0);
		last = ts > last ? ts : last;
	}
	*span = last - first;
	return last > first;
}

/* The header, with the table of the CPUs' data changed. */
static bool write_header(struct copy *c, uint64_t n, uint64_t begin)
{
	const struct dat_buffer *buffer = c->dat->buffer;
	uint8_t *header = malloc(begin), *table;
	uint64_t at = begin;
	struct vmrt_error err;
	bool ok = false;

	if (!header || dat_pread(c->dat, header, begin, 0, &err) != VMRT_OK)
		goto out;
	table = memmem(header, begin, "flyrecord", sizeof("flyrecord"));
	if (!table || table + sizeof("flyrecord") + 16 * buffer->n_cpus > header + begin)
		goto out;
	table += sizeof("flyrecord");
	for (unsigned cpu = 0; cpu < buffer->n_cpus; cpu++) {
		if (ring_u64(table) != buffer->cpus[cpu].offset ||
			ring_u64(table + 8) != buffer->cpus[cpu].size)
			goto out;
		put_u64(table, at);
		put_u64(table + 8, buffer->cpus[cpu].size * n);
		at += buffer->cpus[cpu].size * n;
		table += 16;
	}
	ok = fwrite(header, begin, 1, c->out) == 1;
out:
	if (!ok)
		fprintf(stderr, "repeat-recording: error: the file is not of a kind it takes\n");
	free(header);
	return ok;
}

int main(int argc, char **argv)
{
	struct vmrt_dat *dat;
	struct vmrt_error err;
	struct copy c;
	uint64_t n, span, begin = UINT64_MAX;
	bool ok;

	if (argc != 4 || !(n = strtoull(argv[2], NULL, 10)))
		return fprintf(stderr, "usage: repeat-recording FILE N OUT\n"), 64;
	if (vmrt_dat_open(argv[1], &dat, &err) != VMRT_OK)
		return fprintf(stderr, "repeat-recording: error: %s\n", err.text), 1;
	c = (struct copy){.dat = dat,
		.page_size = dat->info.page_size,
		.header = 8 + dat->formats->commit_size,
		.page = malloc(dat->info.page_size)};
	for (unsigned cpu = 0; cpu < dat->info.cpus; cpu++)
		if (dat->buffer->cpus[cpu].offset < begin)
			begin = dat->buffer->cpus[cpu].offset;
	c.out = fopen(argv[3], "wb");
	ok = c.page && c.out && dat->info.version == 6 && find_span(&c, &span) &&
	     write_header(&c, n, begin);
	for (unsigned cpu = 0; ok && cpu < dat->info.cpus; cpu++) {
		const struct dat_cpu_data *data = &dat->buffer->cpus[cpu];

		for (uint64_t i = 0; ok && i < n; i++)
			for (uint64_t at = 0; ok && at < data->size; at += c.page_size) {
				ok = read_page(&c, data->offset + at);
				move_page(&c, i * (span + BETWEEN_NS));
				ok = ok && fwrite(c.page, c.page_size, 1, c.out) == 1;
			}
	}
	if (c.out && fclose(c.out) != 0)
		ok = false;
	if (!ok)
		fprintf(stderr, "repeat-recording: error: cannot make %s\n", argv[3]);
	free(c.page);
	vmrt_dat_close(dat);
	return !ok;
}

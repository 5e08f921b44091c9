/* SPDX-License-Identifier: MIT */
/* vmrt-trace dump: the parts of a trace.dat file and where they lie. */
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/utf8.h>

#include "parser/dat/datmap.h"

static struct dump_opts {
	const char *file;
} defaults;

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct dump_opts *o = opts;

	if (o->file)
		return vmrt_usage(state, "one FILE at a time: %s or %s", o->file, arg);
	o->file = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct dump_opts *o = opts;

	return o->file ? 0 : vmrt_usage(state, "say which FILE");
}

static uint64_t little(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | p[size];
	return value;
}

/* Text on one line, without characters that control a terminal. */
static void print_text(const uint8_t *p, uint64_t size)
{
	while (size && (p[size - 1] == '\0' || p[size - 1] == '\n'))
		size--;
	for (uint64_t i = 0; i < size; i++)
		putchar(p[i] == '\n' ? ';' : p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '?');
}

static void print_guest(const uint8_t *p, uint64_t size)
{
	size_t len = strnlen((const char *)p, (size_t)size);
	uint64_t at = len + 1;

	print_text(p, len);
	if (at + 12 > size)
		return;
	printf(", id %016" PRIx64 ", vCPU:thread", little(p + at, 8));
	for (at += 12; at + 8 <= size; at += 8)
		printf(" %" PRIu64 ":%d", little(p + at, 4), (int)(int32_t)little(p + at + 4, 4));
}

static void print_shift(const uint8_t *p, uint64_t size)
{
	uint64_t n = size >= 20 ? little(p + 16, 4) : 0;

	if (size < 20)
		return;
	printf("to id %016" PRIx64 ", %" PRIu64 " CPUs, %" PRIu64 " samples", little(p, 8),
		little(p + 12, 4), n);
	if (n && n < size / 16 && 20 + n * 16 <= size)
		printf(", offset %+" PRId64 " ns at %" PRId64 " to %+" PRId64 " ns at %" PRId64,
			(int64_t)little(p + 20 + 8 * n, 8), (int64_t)little(p + 20, 8),
			(int64_t)little(p + 12 + 16 * n, 8), (int64_t)little(p + 12 + 8 * n, 8));
}

static void print_content(const struct vmrt_datmap_piece *p)
{
	if (!p->data || strcmp(p->what, "option") != 0) {
		if (p->data && !strcmp(p->what, "clock"))
			print_text(p->data, p->size);
		return;
	}
	if (!strcmp(p->name, "TRACEID") && p->size == 8)
		printf("%016" PRIx64, little(p->data, 8));
	else if (!strcmp(p->name, "CPUCOUNT") && p->size == 4)
		printf("%" PRIu64, little(p->data, 4));
	else if (!strcmp(p->name, "GUEST"))
		print_guest(p->data, p->size);
	else if (!strcmp(p->name, "TIME_SHIFT"))
		print_shift(p->data, p->size);
	else if (!strcmp(p->name, "CPUSTAT") || !strcmp(p->name, "TRACECLOCK") ||
		 !strcmp(p->name, "UNAME") || !strcmp(p->name, "VERSION") ||
		 !strcmp(p->name, "DATE"))
		print_text(p->data, p->size);
}

static int run(void *opts)
{
	struct dump_opts *o = opts;
	struct vmrt_datmap *map;
	struct vmrt_error err;

	vmrt_end_at_stop();
	if (vmrt_datmap_read(o->file, &map, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	vmrt_utf8_put(stdout, o->file);
	printf(": trace.dat version %d, long of %u bytes, pages of %" PRIu32 " bytes, %" PRIu64
	       " bytes\n",
		map->version, map->long_size, map->page_size, map->file_size);
	printf("%12s %12s\n", "offset", "size");
	for (size_t i = 0; i < map->n_pieces; i++) {
		const struct vmrt_datmap_piece *p = &map->pieces[i];

		printf("%12" PRIu64 " %12" PRIu64 "  %*s%s%s", p->offset, p->size, 2 * p->depth, "",
			p->what, p->name[0] ? " " : "");
		vmrt_utf8_put(stdout, p->name);
		printf("  ");
		print_content(p);
		if (!strcmp(p->what, "data") && p->size && p->offset + p->size > map->file_size)
			printf("%" PRIu64 " bytes are not in the file",
				p->offset > map->file_size ? p->size
							   : p->offset + p->size - map->file_size);
		putchar('\n');
	}
	if (map->end[0])
		printf("it ends here: %s\n", map->end);
	vmrt_datmap_free(map);
	return VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_dump = {
	.name = "dump",
	.args = "FILE",
	.summary = "Show how a trace.dat file is made up",
	.doc = "For files of version 6 and 7, by whatever program they were written, also damaged "
	       "ones.",
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run,
};

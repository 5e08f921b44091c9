/* SPDX-License-Identifier: MIT */
/*
 * usage: bare-decoder FILE
 *
 * The least that any analysis of a trace.dat file has to do, to compare with: maps the file, walks
 * the pages of all CPUs in time order and adds up four fields of each record. No checks: for
 * recordings that are known to be whole. Prints the number of events and the CPU seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "parser/dat/dat.h"

#define MAX_CPUS 64

struct walk {
	const uint8_t *page, *end; /* of the data of the CPU */
	const uint8_t *at, *page_end;
	uint64_t ts;
	const uint8_t *record;
};

static double cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Goes to the next record; the time is UINT64_MAX at the end. */
static void step(struct walk *w, uint32_t page_size)
{
	for (;;) {
		uint32_t word, type;

		if (w->at >= w->page_end) {
			if (w->at)
				w->page += page_size;
			if (w->page >= w->end) {
				w->ts = UINT64_MAX;
				return;
			}
			w->ts = ring_u64(w->page);
			w->at = w->page + 16;
			w->page_end = w->at + (ring_u32(w->page + 8) & 0x07ffffff);
			continue;
		}
		word = ring_u32(w->at);
		type = word & 31;
		if (type && type <= PAGE_ENTRY_WORDS) {
			w->ts += word >> 5;
			w->record = w->at + 4;
			w->at += 4 + type * 4;
			return;
		}
		if (type == 30 || type == 31) {
			uint64_t delta = (word >> 5) + ((uint64_t)ring_u32(w->at + 4) << 27);

			w->ts = type == 30 ? w->ts + delta : delta;
			w->at += 8;
		} else if (!type) {
			w->ts += word >> 5;
			w->record = w->at + 8;
			w->at += 4 + ((ring_u32(w->at + 4) + 3) & ~3u);
			return;
		} else if (!(word >> 5)) {
			w->at = w->page_end;
		} else {
			w->at += 4 + ring_u32(w->at + 4);
		}
	}
}

int main(int argc, char **argv)
{
	static struct walk walks[MAX_CPUS];
	struct vmrt_dat *dat;
	struct vmrt_error err;
	uint64_t events = 0, sum = 0;
	unsigned n = 0;
	double began;
	uint8_t *map;

	if (argc != 2)
		return fprintf(stderr, "usage: bare-decoder FILE\n"), 64;
	if (vmrt_dat_open(argv[1], &dat, &err) != VMRT_OK)
		return fprintf(stderr, "bare-decoder: error: %s\n", err.text), 1;
	if (dat->zstd || dat->info.cpus > MAX_CPUS)
		return fprintf(stderr, "bare-decoder: error: %s is not of a kind it takes\n",
			       argv[1]),
		       1;
	began = cpu_seconds();
	map = mmap(NULL, dat->file_size, PROT_READ, MAP_SHARED, dat->fd, 0);
	if (map == MAP_FAILED)
		return perror("bare-decoder"), 1;
	for (unsigned cpu = 0; cpu < dat->info.cpus; cpu++) {
		const struct dat_cpu_data *data = &dat->buffer->cpus[cpu];

		if (!data->size)
			continue;
		walks[n].page = map + data->offset;
		walks[n].end = walks[n].page + data->size;
		step(&walks[n++], dat->info.page_size);
	}
	for (;;) {
		struct walk *w = &walks[0];
		uint16_t id;

		for (unsigned i = 1; i < n; i++)
			if (walks[i].ts < w->ts)
				w = &walks[i];
		if (!n || w->ts == UINT64_MAX)
			break;
		id = ring_u16(w->record);
		sum += w->ts + id + ring_u32(w->record + dat->formats->pid_at);
		if (dat->formats->layouts[dat->formats->by_id[id]].usual == USUAL_SWITCH)
			sum += ring_u32(w->record + 56);
		events++;
		step(w, dat->info.page_size);
	}
	printf("%llu events, %.3f s CPU (sum %llx)\n", (unsigned long long)events,
		cpu_seconds() - began, (unsigned long long)sum);
	vmrt_dat_close(dat);
	return 0;
}

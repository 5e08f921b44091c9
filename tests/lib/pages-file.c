/* SPDX-License-Identifier: MIT */
/* The trace.dat file around the pages of a test: headers, formats, options, as trace-cmd writes
 * them. */
#include "pages-local.h"

#include <string.h>

void tests_put(struct bytes *b, const void *data, size_t size)
{
	if (b->n + size > b->room) {
		b->room = (b->n + size) * 2;
		b->at = realloc(b->at, b->room);
		REQUIRE(b->at);
	}
	if (data)
		memcpy(b->at + b->n, data, size);
	else
		memset(b->at + b->n, 0, size);
	b->n += size;
}

static void put16(struct bytes *b, uint16_t v)
{
	tests_put(b, &v, sizeof(v));
}

static void put32(struct bytes *b, uint32_t v)
{
	tests_put(b, &v, sizeof(v));
}

static void put64(struct bytes *b, uint64_t v)
{
	tests_put(b, &v, sizeof(v));
}

const char *tests_dat_kallsyms(void)
{
	return "ffffffff81000000 T _stext\n"
	       "ffffffff81001000 t hrtimer_dummy_timeout\n"
	       "ffffffff81002000 t hrtimer_wakeup\n"
	       "ffffffff81002800 t hrtimer_wakeup.cold\n"
	       "ffffffff81003000 t timerfd_tmrproc\n"
	       "ffffffff81004000 T it_real_fn\n"
	       "ffffffff81005000 t posix_timer_fn\n"
	       "ffffffff81006000 t tick_nohz_handler\n"
	       "ffffffff81007000 t dl_task_timer\n"
	       "ffffffff81008000 t sched_rt_period_timer\n"
	       "ffffffff81009000 t sched_cfs_period_timer\n"
	       "ffffffffc0000000 t some_function\t[module]\n";
}

void tests_dat_clock(struct tests_dat *d, const char *clock)
{
	snprintf(d->clock, sizeof(d->clock), "%s", clock);
}

static void option(struct tests_dat *d, uint16_t id, const void *data, size_t size)
{
	put16(&d->options, id);
	put32(&d->options, (uint32_t)size);
	tests_put(&d->options, data, size);
}

void tests_dat_uname(struct tests_dat *d, const char *uname)
{
	option(d, 5, uname, strlen(uname) + 1);
}

void tests_dat_trace_id(struct tests_dat *d, uint64_t id)
{
	option(d, 11, &id, sizeof(id));
}

void tests_dat_guest(struct tests_dat *d, const char *guest, uint64_t trace_id,
	const int32_t *vcpu_tids, uint32_t n)
{
	struct bytes b = {0};

	tests_put(&b, guest, strlen(guest) + 1);
	put64(&b, trace_id);
	put32(&b, n);
	for (uint32_t i = 0; i < n; i++) {
		put32(&b, i);
		put32(&b, (uint32_t)vcpu_tids[i]);
	}
	option(d, 13, b.at, b.n);
	free(b.at);
}

static void put_time_shift(struct tests_dat *d, uint64_t peer, const int64_t *times,
	const int64_t *offsets, uint32_t n, uint32_t apart)
{
	struct bytes b = {0};

	put64(&b, peer);
	put32(&b, 1);
	put32(&b, d->n_cpus);
	for (unsigned cpu = 0; cpu < d->n_cpus; cpu++) {
		put32(&b, n);
		tests_put(&b, times, n * sizeof(*times));
		tests_put(&b, offsets + (size_t)cpu * apart, n * sizeof(*offsets));
		for (uint32_t i = 0; i < n; i++)
			put64(&b, 1);
	}
	option(d, 12, b.at, b.n);
	free(b.at);
}

void tests_dat_time_shift(struct tests_dat *d, uint64_t peer, const int64_t *times,
	const int64_t *offsets, uint32_t n)
{
	put_time_shift(d, peer, times, offsets, n, 0);
}

void tests_dat_time_shift_by_cpu(
	struct tests_dat *d, uint64_t peer, int64_t time, const int64_t *offsets)
{
	put_time_shift(d, peer, &time, offsets, 1, 1);
}

static void put_cpustat(struct tests_dat *d, unsigned cpu, uint64_t entries, uint64_t overrun,
	uint64_t commit_overrun, uint64_t dropped)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
		"CPU: %u\nentries: %llu\noverrun: %llu\ncommit overrun: %llu\nbytes: 400\n"
		"oldest event ts:     1.000000\nnow ts:     2.000000\ndropped events: %llu\n"
		"read events: 0\n",
		cpu, (unsigned long long)entries, (unsigned long long)overrun,
		(unsigned long long)commit_overrun, (unsigned long long)dropped);

	option(d, 2, text, (size_t)n + 1);
}

void tests_dat_cpustat(struct tests_dat *d, unsigned cpu, uint64_t overrun, uint64_t commit_overrun,
	uint64_t dropped)
{
	put_cpustat(d, cpu, 0, overrun, commit_overrun, dropped);
}

void tests_dat_stats_of(struct tests_dat *d, const char *name)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\nBuffer: %s\n\n", name);

	option(d, 2, text, (size_t)n + 1);
}

void tests_dat_counted(struct tests_dat *d, unsigned cpu, uint64_t entries)
{
	put_cpustat(d, cpu, entries, 0, 0, 0);
}

void tests_dat_date(struct tests_dat *d)
{
	static const char microseconds[] = "0x6478a1b2c3d4e";

	option(d, 1, microseconds, sizeof(microseconds));
}

void tests_dat_comm(struct tests_dat *d, int32_t pid, const char *comm)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%d %s\n", pid, comm);

	tests_put(&d->comms, line, (size_t)n);
}

void tests_dat_no_symbols(struct tests_dat *d)
{
	d->no_symbols = true;
}

void tests_dat_instance(struct tests_dat *d, const char *instance)
{
	REQUIRE(d->n_buffers < MAX_INSTANCES);
	d->buffer = d->n_buffers++;
	snprintf(d->names[d->buffer], sizeof(d->names[0]), "%s", instance);
}

const char *tests_dat_header_page(void)
{
	return "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
	       "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
	       "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
	       "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
}

static const char header_event[] = "# compressed entry header\n"
				   "\ttype_len    :    5 bits\n"
				   "\ttime_delta  :   27 bits\n"
				   "\tarray       :   32 bits\n\n"
				   "\tpadding     : type == 29\n"
				   "\ttime_extend : type == 30\n"
				   "\ttime_stamp : type == 31\n"
				   "\tdata max type_len  == 28\n";

static void put_text(struct bytes *b, const char *text)
{
	put64(b, strlen(text));
	tests_put(b, text, strlen(text));
}

static void put_formats(struct tests_dat *d, struct bytes *b, const char *system, bool with_name)
{
	size_t at;
	uint32_t n = 0;

	if (with_name)
		tests_put(b, system, strlen(system) + 1);
	at = b->n;
	put32(b, 0);
	for (int i = 0; i < TESTS_EVENTS; i++) {
		if (strcmp(d->systems[i], system) != 0)
			continue;
		put_text(b, d->formats[i]);
		n++;
	}
	memcpy(b->at + at, &n, sizeof(n));
}

/* The table of a buffer's CPUs; returns where, since the offsets are not known yet. */
static size_t put_table(struct tests_dat *d, struct bytes *b)
{
	char clock[64];
	size_t at;

	tests_put(b, "flyrecord", 10);
	at = b->n;
	tests_put(b, NULL, d->n_cpus * 16);
	snprintf(clock, sizeof(clock), "[%s]", d->clock);
	put64(b, strlen(clock));
	tests_put(b, clock, strlen(clock));
	return at;
}

static void put_data(struct tests_dat *d, struct bytes *b, unsigned buffer, size_t table)
{
	for (unsigned i = 0; i < d->n_cpus; i++) {
		const struct cpu *c = &d->cpus[buffer][i];
		uint64_t where[2];

		tests_put(b, NULL, (TESTS_PAGE_SIZE - b->n % TESTS_PAGE_SIZE) % TESTS_PAGE_SIZE);
		where[0] = b->n;
		where[1] = c->pages.n;
		memcpy(b->at + table + i * sizeof(where), where, sizeof(where));
		tests_put(b, c->pages.at, c->pages.n);
	}
}

static void end_all_pages(struct tests_dat *d)
{
	for (d->buffer = 0; d->buffer < d->n_buffers; d->buffer++)
		for (unsigned i = 0; i < d->n_cpus; i++)
			tests_dat_end_page(d, i);
	d->buffer = d->n_buffers - 1;
}

void tests_dat_write(struct tests_dat *d, const char *path)
{
	static const uint8_t magic[] = {0x17, 0x08, 0x44};
	struct bytes b = {0};
	size_t tables[MAX_INSTANCES], options[MAX_INSTANCES] = {0};
	char clocks[128];
	FILE *out;

	end_all_pages(d);
	tests_put(&b, magic, sizeof(magic));
	tests_put(&b, "tracing6", 9);
	tests_put(&b, "\0\10", 2);
	put32(&b, TESTS_PAGE_SIZE);
	tests_put(&b, "header_page", 12);
	put_text(&b, tests_dat_header_page());
	tests_put(&b, "header_event", 13);
	put_text(&b, header_event);
	put_formats(d, &b, "ftrace", false);
	put32(&b, 3);
	put_formats(d, &b, "sched", true);
	put_formats(d, &b, "timer", true);
	put_formats(d, &b, "irq", true);
	put32(&b, d->no_symbols ? 0 : (uint32_t)strlen(tests_dat_kallsyms()));
	if (!d->no_symbols)
		tests_put(&b, tests_dat_kallsyms(), strlen(tests_dat_kallsyms()));
	put32(&b, 0);
	put64(&b, d->comms.n);
	tests_put(&b, d->comms.at ? (const void *)d->comms.at : "", d->comms.n);
	put32(&b, d->n_cpus);

	tests_put(&b, "options  ", 10);
	snprintf(clocks, sizeof(clocks), "local global [%s] boot", d->clock);
	put16(&b, 4);
	put32(&b, (uint32_t)strlen(clocks) + 1);
	tests_put(&b, clocks, strlen(clocks) + 1);
	if (d->options.n)
		tests_put(&b, d->options.at, d->options.n);
	for (unsigned i = 1; i < d->n_buffers; i++) {
		put16(&b, 3);
		put32(&b, 8 + (uint32_t)strlen(d->names[i]) + 1);
		options[i] = b.n;
		put64(&b, 0);
		tests_put(&b, d->names[i], strlen(d->names[i]) + 1);
	}
	put16(&b, 0);
	tables[0] = put_table(d, &b);
	put_data(d, &b, 0, tables[0]);
	for (unsigned i = 1; i < d->n_buffers; i++) {
		uint64_t where = b.n;

		memcpy(b.at + options[i], &where, sizeof(where));
		tables[i] = put_table(d, &b);
		put_data(d, &b, i, tables[i]);
	}
	out = fopen(path, "w");
	REQUIRE(out && fwrite(b.at, 1, b.n, out) == b.n && fclose(out) == 0);
	free(b.at);
}

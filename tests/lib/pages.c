/* SPDX-License-Identifier: MIT */
#include "pages.h"
#include "pages-formats.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE TESTS_PAGE_SIZE
#define HEADER 16u
#define MAX_CPUS 64
#define MAX_INSTANCES 4
#define DELTA_MAX ((1 << 27) - 1)

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct bytes {
	uint8_t *at;
	size_t n, room;
};

struct cpu {
	struct bytes pages;  /* whole pages; the last one is being filled */
	uint32_t used;	     /* of the last page, header included; 0: there is none */
	int64_t last;	     /* time of its last entry */
	int32_t pid;
	uint64_t lost;
};

struct tests_dat {
	enum tests_kernel kernel;
	unsigned n_cpus;
	struct cpu cpus[MAX_INSTANCES][MAX_CPUS];
	char names[MAX_INSTANCES][32];
	unsigned n_buffers, buffer;
	uint8_t flags;
	char clock[32];
	bool no_symbols;
	struct bytes options, comms;
	char *formats[TESTS_EVENTS];
	const char *systems[TESTS_EVENTS];
};

static void put(struct bytes *b, const void *data, size_t size)
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
	put(b, &v, sizeof(v));
}

static void put32(struct bytes *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put64(struct bytes *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

struct tests_dat *tests_dat_new(unsigned cpus, enum tests_kernel kernel)
{
	struct tests_dat *d = calloc(1, sizeof(*d));

	REQUIRE(d && cpus && cpus <= MAX_CPUS);
	d->kernel = kernel;
	d->n_cpus = cpus;
	d->n_buffers = 1;
	strcpy(d->clock, "mono");
	for (int i = 0; i < TESTS_EVENTS; i++) {
		d->formats[i] = tests_format_text(kernel, (enum tests_event)i);
		d->systems[i] = tests_event_formats(kernel)[i].system;
	}
	return d;
}

void tests_dat_free(struct tests_dat *d)
{
	for (unsigned b = 0; b < MAX_INSTANCES; b++)
		for (unsigned i = 0; i < MAX_CPUS; i++)
			free(d->cpus[b][i].pages.at);
	for (int i = 0; i < TESTS_EVENTS; i++)
		free(d->formats[i]);
	free(d->options.at);
	free(d->comms.at);
	free(d);
}

static struct cpu *get(struct tests_dat *d, unsigned cpu)
{
	REQUIRE(cpu < d->n_cpus);
	return &d->cpus[d->buffer][cpu];
}

void tests_dat_current(struct tests_dat *d, unsigned cpu, int32_t pid)
{
	get(d, cpu)->pid = pid;
}

void tests_dat_flags(struct tests_dat *d, uint8_t flags)
{
	d->flags = flags;
}

static uint8_t *page_of(struct cpu *c)
{
	return c->pages.at + c->pages.n - PAGE;
}

/* The commit field: how much is used; behind it, what was lost before the page. */
static void set_commit(struct cpu *c, uint64_t flags)
{
	uint64_t commit = (c->used - HEADER) | flags;

	memcpy(page_of(c) + 8, &commit, sizeof(commit));
}

static void begin_page(struct cpu *c, int64_t ts)
{
	put(&c->pages, NULL, PAGE);
	c->used = HEADER;
	c->last = ts;
	memcpy(page_of(c), &ts, sizeof(ts));
	set_commit(c, 0);
}

/* Room for an entry of @size bytes; the flags about losses stay what they are. */
static uint8_t *take(struct cpu *c, uint32_t size)
{
	uint8_t *at = page_of(c) + c->used;
	uint64_t flags;

	memcpy(&flags, page_of(c) + 8, sizeof(flags));
	c->used += size;
	set_commit(c, flags & (UINT64_C(3) << 30));
	return at;
}

static void word(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

void tests_dat_end_page(struct tests_dat *d, unsigned cpu)
{
	struct cpu *c = get(d, cpu);
	uint64_t commit;

	if (!c->used)
		return;
	/* The number of lost events goes behind the data. */
	memcpy(&commit, page_of(c) + 8, sizeof(commit));
	if (c->lost && c->lost != UINT64_MAX && (commit & (UINT64_C(1) << 31))) {
		REQUIRE(c->used + 8 <= PAGE);
		memcpy(page_of(c) + c->used, &c->lost, 8);
		set_commit(c, UINT64_C(3) << 30);
	}
	c->lost = 0;
	c->used = 0;
}

void tests_dat_lost(struct tests_dat *d, unsigned cpu, uint64_t count)
{
	tests_dat_end_page(d, cpu);
	get(d, cpu)->lost = count;
}

static uint32_t reserve_for_loss(const struct cpu *c)
{
	return c->lost ? 8 : 0;
}

static void append(struct tests_dat *d, unsigned cpu, int64_t ts, const void *record, uint32_t size)
{
	struct cpu *c = get(d, cpu);
	uint32_t padded = (size + 3) & ~3u;
	uint32_t entry = (padded > 112 ? 8 : 4) + padded;
	uint64_t delta;
	uint8_t *at;

	if (c->used && c->used + entry + 8 + reserve_for_loss(c) > PAGE)
		tests_dat_end_page(d, cpu);
	if (!c->used) {
		begin_page(c, ts);
		if (c->lost)
			set_commit(c, UINT64_C(1) << 31);
	}
	REQUIRE(ts >= c->last);
	delta = (uint64_t)(ts - c->last);
	c->last = ts;
	if (delta > DELTA_MAX) {
		at = take(c, 8);
		word(at, 30 | (uint32_t)(delta & DELTA_MAX) << 5);
		word(at + 4, (uint32_t)(delta >> 27));
		delta = 0;
	}
	at = take(c, entry);
	if (padded > 112) {
		word(at, (uint32_t)delta << 5);
		word(at + 4, padded + 4);
		at += 8;
	} else {
		word(at, padded / 4 | (uint32_t)delta << 5);
		at += 4;
	}
	memcpy(at, record, size);
}

void tests_dat_absolute_time(struct tests_dat *d, unsigned cpu, int64_t ts)
{
	struct cpu *c = get(d, cpu);
	uint8_t *at;

	if (!c->used)
		begin_page(c, ts);
	at = take(c, 8);
	word(at, 31 | (uint32_t)(ts & DELTA_MAX) << 5);
	word(at + 4, (uint32_t)((uint64_t)ts >> 27));
	c->last = ts;
}

void tests_dat_padding(struct tests_dat *d, unsigned cpu, uint32_t bytes)
{
	uint8_t *at = take(get(d, cpu), bytes);

	REQUIRE(bytes >= 8 && bytes % 4 == 0);
	word(at, 29 | 1 << 5); /* a deleted entry, 1 ns after the one before */
	word(at + 4, bytes - 4);
	get(d, cpu)->last += 1;
}

/* A record under construction. */
struct record {
	struct tests_dat *d;
	enum tests_event event;
	uint8_t bytes[512];
	uint32_t size;
	unsigned next; /* field */
};

static void record_begin(struct record *r, struct tests_dat *d, unsigned cpu, enum tests_event event)
{
	uint16_t id = (uint16_t)tests_event_formats(d->kernel)[event].id;

	memset(r, 0, sizeof(*r));
	r->d = d;
	r->event = event;
	r->size = tests_record_size(d->kernel, event);
	memcpy(r->bytes, &id, 2);
	r->bytes[2] = d->flags;
	memcpy(r->bytes + 4, &get(d, cpu)->pid, 4);
}

static void number(struct record *r, int64_t v)
{
	unsigned size = tests_event_formats(r->d->kernel)[r->event].fields[r->next].size;

	memcpy(r->bytes + tests_field_offset(r->d->kernel, r->event, r->next++), &v, size);
}

/* A name: within the record, or behind it where the format says so. */
static void name(struct record *r, const char *text)
{
	const struct tests_field *f = &tests_event_formats(r->d->kernel)[r->event].fields[r->next];
	uint8_t *at = r->bytes + tests_field_offset(r->d->kernel, r->event, r->next++);

	if (f->size == 16) {
		memcpy(at, text, strnlen(text, 16));
	} else {
		uint32_t len = (uint32_t)strlen(text) + 1;

		REQUIRE(r->size + len <= sizeof(r->bytes));
		memcpy(r->bytes + r->size, text, len);
		word(at, r->size | len << 16);
		r->size += len;
	}
}

static void record_end(struct record *r, unsigned cpu, int64_t ts)
{
	append(r->d, cpu, ts, r->bytes, r->size);
}

void tests_dat_switch(struct tests_dat *d, unsigned cpu, int64_t ts, const char *prev_comm,
	int32_t prev_pid, int32_t prev_prio, int64_t prev_state, const char *next_comm,
	int32_t next_pid, int32_t next_prio)
{
	struct record r;

	tests_dat_current(d, cpu, prev_pid);
	record_begin(&r, d, cpu, TESTS_SWITCH);
	name(&r, prev_comm);
	number(&r, prev_pid);
	number(&r, prev_prio);
	number(&r, prev_state);
	name(&r, next_comm);
	number(&r, next_pid);
	number(&r, next_prio);
	record_end(&r, cpu, ts);
	tests_dat_current(d, cpu, next_pid);
}

static void wake(struct tests_dat *d, enum tests_event event, unsigned cpu, int64_t ts,
	const char *comm, int32_t pid, int32_t prio, int32_t target_cpu)
{
	struct record r;

	record_begin(&r, d, cpu, event);
	name(&r, comm);
	number(&r, pid);
	number(&r, prio);
	number(&r, target_cpu);
	record_end(&r, cpu, ts);
}

void tests_dat_waking(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t target_cpu)
{
	wake(d, TESTS_WAKING, cpu, ts, comm, pid, prio, target_cpu);
}

void tests_dat_wakeup(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t target_cpu)
{
	wake(d, TESTS_WAKEUP, cpu, ts, comm, pid, prio, target_cpu);
}

void tests_dat_wakeup_new(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm,
	int32_t pid, int32_t prio, int32_t target_cpu)
{
	wake(d, TESTS_WAKEUP_NEW, cpu, ts, comm, pid, prio, target_cpu);
}

void tests_dat_migrate(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm,
	int32_t pid, int32_t prio, int32_t orig_cpu, int32_t dest_cpu)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_MIGRATE);
	name(&r, comm);
	number(&r, pid);
	number(&r, prio);
	number(&r, orig_cpu);
	number(&r, dest_cpu);
	record_end(&r, cpu, ts);
}

void tests_dat_exec(struct tests_dat *d, unsigned cpu, int64_t ts, const char *file, int32_t pid,
	int32_t old_pid)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_EXEC);
	name(&r, file);
	number(&r, pid);
	number(&r, old_pid);
	record_end(&r, cpu, ts);
}

void tests_dat_exit(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_EXIT);
	name(&r, comm);
	number(&r, pid);
	number(&r, prio);
	record_end(&r, cpu, ts);
}

void tests_dat_fork(struct tests_dat *d, unsigned cpu, int64_t ts, const char *parent_comm,
	int32_t parent, const char *child_comm, int32_t child)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_FORK);
	name(&r, parent_comm);
	number(&r, parent);
	name(&r, child_comm);
	number(&r, child);
	record_end(&r, cpu, ts);
}

void tests_dat_timer_setup(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer,
	int32_t clock, int32_t mode)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_SETUP);
	number(&r, (int64_t)timer);
	number(&r, clock);
	number(&r, mode);
	record_end(&r, cpu, ts);
}

/* Addresses of the functions in the list below. */
static int64_t address(enum vmrt_timer_fn fn)
{
	return (int64_t)(UINT64_C(0xffffffff81000000) + UINT64_C(0x1000) * (uint64_t)fn);
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

void tests_dat_timer_start(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t expires, int64_t softexpires, int32_t mode)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_START);
	number(&r, (int64_t)timer);
	number(&r, address(fn));
	number(&r, expires);
	number(&r, softexpires);
	number(&r, mode);
	record_end(&r, cpu, ts);
}

void tests_dat_timer_cancel(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_CANCEL);
	number(&r, (int64_t)timer);
	record_end(&r, cpu, ts);
}

void tests_dat_timer_expire(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t now)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_EXPIRE);
	number(&r, (int64_t)timer);
	number(&r, now);
	number(&r, address(fn));
	record_end(&r, cpu, ts);
}

void tests_dat_mark(struct tests_dat *d, unsigned cpu, int64_t ts, const char *text)
{
	struct record r;
	size_t len = strlen(text);

	record_begin(&r, d, cpu, TESTS_PRINT);
	number(&r, 0x1234);
	REQUIRE(r.size + len + 2 <= sizeof(r.bytes));
	memcpy(r.bytes + r.size, text, len);
	r.bytes[r.size + len] = '\n';
	r.size += (uint32_t)len + 2;
	record_end(&r, cpu, ts);
}

void tests_dat_other(struct tests_dat *d, unsigned cpu, int64_t ts)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_STAT);
	name(&r, "someone");
	number(&r, get(d, cpu)->pid);
	number(&r, 1000);
	record_end(&r, cpu, ts);
}

void tests_dat_clock(struct tests_dat *d, const char *clock)
{
	snprintf(d->clock, sizeof(d->clock), "%s", clock);
}

static void option(struct tests_dat *d, uint16_t id, const void *data, size_t size)
{
	put16(&d->options, id);
	put32(&d->options, (uint32_t)size);
	put(&d->options, data, size);
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

	put(&b, guest, strlen(guest) + 1);
	put64(&b, trace_id);
	put32(&b, n);
	for (uint32_t i = 0; i < n; i++) {
		put32(&b, i);
		put32(&b, (uint32_t)vcpu_tids[i]);
	}
	option(d, 13, b.at, b.n);
	free(b.at);
}

void tests_dat_time_shift(struct tests_dat *d, uint64_t peer, const int64_t *times,
	const int64_t *offsets, uint32_t n)
{
	struct bytes b = {0};

	put64(&b, peer);
	put32(&b, 1);
	put32(&b, d->n_cpus);
	for (unsigned cpu = 0; cpu < d->n_cpus; cpu++) {
		put32(&b, n);
		put(&b, times, n * sizeof(*times));
		put(&b, offsets, n * sizeof(*offsets));
		for (uint32_t i = 0; i < n; i++)
			put64(&b, 1);
	}
	option(d, 12, b.at, b.n);
	free(b.at);
}

void tests_dat_cpustat(struct tests_dat *d, unsigned cpu, uint64_t overrun, uint64_t commit_overrun,
	uint64_t dropped)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
		"CPU: %u\nentries: 10\noverrun: %llu\ncommit overrun: %llu\nbytes: 400\n"
		"oldest event ts:     1.000000\nnow ts:     2.000000\ndropped events: %llu\n"
		"read events: 10\n",
		cpu, (unsigned long long)overrun, (unsigned long long)commit_overrun,
		(unsigned long long)dropped);

	option(d, 2, text, (size_t)n + 1);
}

void tests_dat_comm(struct tests_dat *d, int32_t pid, const char *comm)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%d %s\n", pid, comm);

	put(&d->comms, line, (size_t)n);
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
	put(b, text, strlen(text));
}

static void put_formats(struct tests_dat *d, struct bytes *b, const char *system, bool with_name)
{
	size_t at;
	uint32_t n = 0;

	if (with_name)
		put(b, system, strlen(system) + 1);
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

	put(b, "flyrecord", 10);
	at = b->n;
	put(b, NULL, d->n_cpus * 16);
	snprintf(clock, sizeof(clock), "[%s]", d->clock);
	put64(b, strlen(clock));
	put(b, clock, strlen(clock));
	return at;
}

static void put_data(struct tests_dat *d, struct bytes *b, unsigned buffer, size_t table)
{
	for (unsigned i = 0; i < d->n_cpus; i++) {
		const struct cpu *c = &d->cpus[buffer][i];
		uint64_t where[2];

		put(b, NULL, (PAGE - b->n % PAGE) % PAGE);
		where[0] = b->n;
		where[1] = c->pages.n;
		memcpy(b->at + table + i * sizeof(where), where, sizeof(where));
		put(b, c->pages.at, c->pages.n);
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
	put(&b, magic, sizeof(magic));
	put(&b, "tracing6", 9);
	put(&b, "\0\10", 2);
	put32(&b, PAGE);
	put(&b, "header_page", 12);
	put_text(&b, tests_dat_header_page());
	put(&b, "header_event", 13);
	put_text(&b, header_event);
	put_formats(d, &b, "ftrace", false);
	put32(&b, 2);
	put_formats(d, &b, "sched", true);
	put_formats(d, &b, "timer", true);
	put32(&b, d->no_symbols ? 0 : (uint32_t)strlen(tests_dat_kallsyms()));
	if (!d->no_symbols)
		put(&b, tests_dat_kallsyms(), strlen(tests_dat_kallsyms()));
	put32(&b, 0);
	put64(&b, d->comms.n);
	put(&b, d->comms.at ? (const void *)d->comms.at : "", d->comms.n);
	put32(&b, d->n_cpus);

	put(&b, "options  ", 10);
	snprintf(clocks, sizeof(clocks), "local global [%s] boot", d->clock);
	put16(&b, 4);
	put32(&b, (uint32_t)strlen(clocks) + 1);
	put(&b, clocks, strlen(clocks) + 1);
	if (d->options.n)
		put(&b, d->options.at, d->options.n);
	for (unsigned i = 1; i < d->n_buffers; i++) {
		put16(&b, 3);
		put32(&b, 8 + (uint32_t)strlen(d->names[i]) + 1);
		options[i] = b.n;
		put64(&b, 0);
		put(&b, d->names[i], strlen(d->names[i]) + 1);
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

size_t tests_dat_pages(const struct tests_dat *d, unsigned cpu)
{
	return d->cpus[d->buffer][cpu].pages.n / PAGE;
}

const uint8_t *tests_dat_page(const struct tests_dat *d, unsigned cpu, size_t index)
{
	return d->cpus[d->buffer][cpu].pages.at + index * PAGE;
}

size_t tests_dat_formats(
	const struct tests_dat *d, const char *const **formats, const char *const **systems)
{
	*formats = (const char *const *)(const void *)d->formats;
	*systems = d->systems;
	return TESTS_EVENTS;
}

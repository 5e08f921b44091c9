/* SPDX-License-Identifier: MIT */
/* Ring-buffer pages by hand: events are added one by one, as the kernel would lay them out. */
#include "pages-local.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 16u
#define DELTA_MAX ((1 << 27) - 1)

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
	return c->pages.at + c->pages.n - TESTS_PAGE_SIZE;
}

/* The commit field: how much is used; behind it, what was lost before the page. */
static void set_commit(struct cpu *c, uint64_t flags)
{
	uint64_t commit = (c->used - HEADER) | flags;

	memcpy(page_of(c) + 8, &commit, sizeof(commit));
}

static void begin_page(struct cpu *c, int64_t ts)
{
	tests_put(&c->pages, NULL, TESTS_PAGE_SIZE);
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
		REQUIRE(c->used + 8 <= TESTS_PAGE_SIZE);
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

	if (c->used && c->used + entry + 8 + reserve_for_loss(c) > TESTS_PAGE_SIZE)
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

static void record_begin(
	struct record *r, struct tests_dat *d, unsigned cpu, enum tests_event event)
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

/* The next field to be written is @field, wherever this kernel has it. */
static struct record *at(struct record *r, const char *field)
{
	const struct tests_field *fields = tests_event_formats(r->d->kernel)[r->event].fields;
	size_t len = strlen(field);

	for (r->next = 0; r->next < TESTS_MAX_FIELDS && fields[r->next].declaration; r->next++) {
		const char *declared = strrchr(fields[r->next].declaration, ' ') + 1;

		if (!strncmp(declared, field, len) && (!declared[len] || declared[len] == '['))
			return r;
	}
	REQUIRE(!"such a field");
	return r;
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
	name(at(&r, "prev_comm"), prev_comm);
	number(at(&r, "prev_pid"), prev_pid);
	number(at(&r, "prev_prio"), prev_prio);
	number(at(&r, "prev_state"), prev_state);
	name(at(&r, "next_comm"), next_comm);
	number(at(&r, "next_pid"), next_pid);
	number(at(&r, "next_prio"), next_prio);
	record_end(&r, cpu, ts);
	tests_dat_current(d, cpu, next_pid);
}

static void wake(struct tests_dat *d, enum tests_event event, unsigned cpu, int64_t ts,
	const char *comm, int32_t pid, int32_t prio, int32_t target_cpu)
{
	struct record r;

	record_begin(&r, d, cpu, event);
	name(at(&r, "comm"), comm);
	number(at(&r, "pid"), pid);
	number(at(&r, "prio"), prio);
	number(at(&r, "target_cpu"), target_cpu);
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

void tests_dat_migrate(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t orig_cpu, int32_t dest_cpu)
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

void tests_dat_exit(
	struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid, int32_t prio)
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

void tests_dat_timer_setup(
	struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer, int32_t clock, int32_t mode)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_SETUP);
	number(&r, (int64_t)timer);
	number(&r, clock);
	number(&r, mode);
	record_end(&r, cpu, ts);
}

/* Addresses of the functions in tests_dat_kallsyms(). */
static int64_t address(enum vmrt_timer_fn fn)
{
	return (int64_t)(UINT64_C(0xffffffff81000000) + UINT64_C(0x1000) * (uint64_t)fn);
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

void tests_dat_irq(struct tests_dat *d, unsigned cpu, int64_t from, int64_t to)
{
	struct record r;

	record_begin(&r, d, cpu, TESTS_IRQ_ENTER);
	number(at(&r, "irq"), 24);
	name(at(&r, "name"), "virtio0-input.0");
	record_end(&r, cpu, from);
	record_begin(&r, d, cpu, TESTS_IRQ_LEAVE);
	number(at(&r, "irq"), 24);
	number(at(&r, "ret"), 1);
	record_end(&r, cpu, to);
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

size_t tests_dat_pages(const struct tests_dat *d, unsigned cpu)
{
	return d->cpus[d->buffer][cpu].pages.n / TESTS_PAGE_SIZE;
}

const uint8_t *tests_dat_page(const struct tests_dat *d, unsigned cpu, size_t index)
{
	return d->cpus[d->buffer][cpu].pages.at + index * TESTS_PAGE_SIZE;
}

size_t tests_dat_formats(
	const struct tests_dat *d, const char *const **formats, const char *const **systems)
{
	*formats = (const char *const *)(const void *)d->formats;
	*systems = d->systems;
	return TESTS_EVENTS;
}

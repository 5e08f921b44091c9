/* SPDX-License-Identifier: MIT */
/*
 * Recordings in other clocks than CLOCK_MONOTONIC. The events of a machine are written as a
 * trace.dat file whose times are those of its record clock; the file is opened, its clock mapped,
 * and the events are read, all as in an analysis.
 */
#include "world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/dat.h>

#include "parser/clock/record-clock.h"
#include "common/buf.h"
#include "parser/dat/dat.h"

#define PAGE 4096u
#define DELTA_MAX ((UINT64_C(1) << 27) - 1)
#define TSC_SHIFT 22
#define OPTION_CPUCOUNT 8
#define DATE_NS (INT64_C(1700000000) * VMRT_NS_PER_S)

static void apart(uint64_t *rand, struct sim_clock *c, int64_t most)
{
	for (int i = 0; i < SIM_CPUS; i++)
		c->offset_ns[i] += sim_between(rand, -most, most);
}

/* Somebody sets the clock back, or ahead and soon back. A page that begins more than a second ahead
 * of the others would be taken for damaged. */
static void set_clock(struct sim_clock *c, uint64_t *rand, int64_t begin)
{
	int64_t most = sim_chance(rand, 50) ? 2 * MS : 900 * MS;

	c->rate_change_ns = begin + sim_between(rand, 5 * MS, 150 * MS);
	c->step_ns = sim_between(rand, 2 * US, most);
	c->back = true;
	if (sim_chance(rand, 50))
		c->again_ns = c->rate_change_ns + sim_between(rand, MS, 150 * MS);
	else
		c->step_ns = -c->step_ns;
}

/* What clock machine @m is recorded in. */
void clock_draw(struct wmachine *m, uint64_t *rand, uint64_t *set_rand)
{
	static const char *const names[] = {
		"local", "global", "mono_raw", "boot", "tai", "x86-tsc", "perf"};
	struct sim_clock *c = &m->w->r->clocks[m->index];
	int64_t offset = sim_between(rand, 0, 500 * VMRT_NS_PER_S), begin = local_at(m, m->w->now);

	c->name = names[sim_between(rand, 0, 6)];
	c->from_ns = begin;
	c->rate_change_ns = c->again_ns = NEVER;
	c->useless = sim_chance(set_rand, 3);
	if (c->useless) {
		c->name = sim_chance(set_rand, 50) ? "uptime" : "counter";
		return;
	}
	for (int i = 0; i < SIM_CPUS; i++)
		c->offset_ns[i] = offset;
	if (!strcmp(c->name, "boot") || !strcmp(c->name, "tai")) {
		if (!strcmp(c->name, "tai"))
			for (int i = 0; i < SIM_CPUS; i++)
				c->offset_ns[i] += DATE_NS;
		/* the machine is suspended, or its clock is set ahead */
		if (sim_chance(rand, 50)) {
			c->rate_change_ns = begin + sim_between(rand, 10 * MS, 150 * MS);
			c->step_ns = sim_between(rand, 20 * MS,
				sim_chance(rand, 50) ? VMRT_NS_PER_S : 1000 * VMRT_NS_PER_S);
		} else if (!strcmp(c->name, "tai") && sim_chance(set_rand, 60)) {
			set_clock(c, set_rand, begin);
		}
		return;
	}
	/* CLOCK_MONOTONIC is steered, these are not */
	c->rate = (double)sim_between(rand, -100000, 100000) * 1e-9;
	if (sim_chance(rand, 30)) {
		c->rate_change_ns = begin + sim_between(rand, 10 * MS, 150 * MS);
		c->rate_change = (double)sim_between(rand, -20000, 20000) * 1e-9;
	}
	if (!strcmp(c->name, "local") || !strcmp(c->name, "perf"))
		apart(rand, c, sim_chance(rand, 60) ? 5 * US : 4 * MS);
	if (!strcmp(c->name, "x86-tsc")) {
		c->per_ns = (double)sim_between(rand, 1800, 4200) / 1000;
		c->in_file = sim_chance(rand, 50);
	}
}

/* What the clock of CPU @cpu shows when CLOCK_MONOTONIC is @local_ns. */
static uint64_t raw_at(const struct sim_clock *c, unsigned cpu, int64_t local_ns)
{
	double since = (double)(local_ns - c->from_ns);
	int64_t ns = local_ns + c->offset_ns[cpu] + (int64_t)(since * c->rate);

	if (!strcmp(c->name, "uptime"))
		return (uint64_t)(local_ns / (10 * MS)); /* USER_HZ */
	if (!strcmp(c->name, "counter"))
		return (uint64_t)(local_ns - c->from_ns) / US;
	if (local_ns >= c->again_ns)
		ns -= c->step_ns;
	if (local_ns >= c->rate_change_ns)
		ns += c->step_ns +
		      (int64_t)((double)(local_ns - c->rate_change_ns) * c->rate_change);
	return (uint64_t)(c->per_ns ? (int64_t)((double)ns * c->per_ns) : ns);
}

/* The pages of one CPU. */
struct pages {
	struct vmrt_buf buf;
	unsigned header, used; /* bytes of the last one; 0: there is none */
	uint64_t last;
};

static uint8_t *room(struct pages *p, unsigned size)
{
	uint8_t *page = p->buf.data + p->buf.used - PAGE;
	uint32_t commit;

	p->used += size;
	commit = p->used - p->header;
	memcpy(page + 8, &commit, sizeof(commit));
	return page + p->used - size;
}

static void put_record(struct pages *p, uint64_t ts, const void *record, unsigned size)
{
	static const uint8_t zeros[PAGE];
	unsigned padded = (size + 3) & ~3u, entry = (padded > 112 ? 8 : 4) + padded;
	uint64_t delta;
	uint32_t word;
	uint8_t *at;

	if (!p->used || p->used + entry + 8 > PAGE) {
		vmrt_buf_put(&p->buf, zeros, PAGE);
		memcpy(p->buf.data + p->buf.used - PAGE, &ts, sizeof(ts));
		p->used = p->header;
		p->last = ts;
	}
	/* the kernel writes no time that runs back: only its next page begins with the right one */
	delta = ts > p->last ? ts - p->last : 0;
	p->last = ts;
	if (delta > DELTA_MAX) {
		at = room(p, 8);
		word = 30 | (uint32_t)(delta & DELTA_MAX) << 5;
		memcpy(at, &word, 4);
		word = (uint32_t)(delta >> 27);
		memcpy(at + 4, &word, 4);
		delta = 0;
	}
	at = room(p, entry);
	word = (padded > 112 ? 0 : padded / 4) | (uint32_t)delta << 5;
	memcpy(at, &word, 4);
	at += 4;
	if (padded > 112) {
		word = padded + 4;
		memcpy(at, &word, 4);
		at += 4;
	}
	memcpy(at, record, size);
}

static void put_sized(struct vmrt_buf *b, const char *text)
{
	vmrt_buf_put_u64(b, strlen(text));
	vmrt_buf_put(b, text, strlen(text));
}

static void put_option_text(struct vmrt_buf *b, enum dat_option id, const char *text)
{
	vmrt_buf_put_u16(b, (uint16_t)id);
	vmrt_buf_put_u32(b, (uint32_t)strlen(text) + 1);
	vmrt_buf_put_text(b, text);
}

static void put_formats(struct vmrt_buf *b, const struct sim_texts *t)
{
	uint32_t systems = 0, n;

	vmrt_buf_put_u32(b, 0); /* of ftrace itself */
	for (unsigned pass = 0; pass < 2; pass++) {
		if (pass)
			vmrt_buf_put_u32(b, systems);
		for (unsigned i = 0; i < t->n; i++) {
			bool first = true;

			for (unsigned k = 0; k < i; k++)
				first &= strcmp(t->systems[k], t->systems[i]) != 0;
			systems += !pass && first;
			if (!pass || !first)
				continue;
			n = 0;
			for (unsigned k = i; k < t->n; k++)
				n += !strcmp(t->systems[k], t->systems[i]);
			vmrt_buf_put_text(b, t->systems[i]);
			vmrt_buf_put_u32(b, n);
			for (unsigned k = i; k < t->n; k++)
				if (!strcmp(t->systems[k], t->systems[i]))
					put_sized(b, t->formats[k]);
		}
	}
}

static void put_options(struct vmrt_buf *b, const struct wmachine *m, const struct sim_clock *c)
{
	vmrt_buf_put(b, "options  ", 10);
	put_option_text(b, DAT_OPTION_TRACECLOCK, c->name);
	put_option_text(b, DAT_OPTION_UNAME, "Linux");
	vmrt_buf_put_u16(b, OPTION_CPUCOUNT);
	vmrt_buf_put_u32(b, 4);
	vmrt_buf_put_u32(b, (uint32_t)m->n_cpus);
	if (c->in_file) {
		vmrt_buf_put_u16(b, DAT_OPTION_TSC2NSEC);
		vmrt_buf_put_u32(b, 16);
		vmrt_buf_put_u32(b, (uint32_t)((double)(1u << TSC_SHIFT) / c->per_ns + 0.5));
		vmrt_buf_put_u32(b, TSC_SHIFT);
		vmrt_buf_put_u64(b, 0);
	}
	vmrt_buf_put_u16(b, DAT_OPTION_DONE);
}

static int write_file(
	const struct wmachine *m, const struct sim_clock *c, const struct pages *pages, unsigned n)
{
	static const uint8_t magic[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};
	static const uint8_t zeros[PAGE];
	struct sim_texts texts = sim_texts_of(m->kernel);
	struct vmrt_buf b = {0};
	size_t table;
	int fd = memfd_create("recording", MFD_CLOEXEC);

	vmrt_buf_put(&b, magic, sizeof(magic));
	vmrt_buf_put_text(&b, "6");
	vmrt_buf_put_u8(&b, 0);
	vmrt_buf_put_u8(&b, m->kernel->narrow ? 4 : 8);
	vmrt_buf_put_u32(&b, PAGE);
	vmrt_buf_put_text(&b, "header_page");
	put_sized(&b, texts.header);
	vmrt_buf_put_text(&b, "header_event");
	put_sized(&b, "");
	put_formats(&b, &texts);
	vmrt_buf_put_u32(&b, (uint32_t)strlen(texts.kallsyms));
	vmrt_buf_put(&b, texts.kallsyms, strlen(texts.kallsyms));
	vmrt_buf_put_u32(&b, 0);
	put_sized(&b, "");
	vmrt_buf_put_u32(&b, n);
	put_options(&b, m, c);
	vmrt_buf_put(&b, "flyrecord", 10);
	table = b.used;
	for (unsigned i = 0; i < 2 * n; i++)
		vmrt_buf_put_u64(&b, 0);
	put_sized(&b, c->name);
	for (unsigned i = 0; i < n; i++) {
		if (b.used % PAGE)
			vmrt_buf_put(&b, zeros, PAGE - b.used % PAGE);
		vmrt_buf_set_u64(&b, table + 16 * i, b.used);
		vmrt_buf_set_u64(&b, table + 16 * i + 8, pages[i].buf.used);
		vmrt_buf_put(&b, pages[i].buf.data, pages[i].buf.used);
	}
	if (fd < 0 || b.failed || write(fd, b.data, b.used) != (ssize_t)b.used)
		abort();
	vmrt_buf_free(&b);
	return fd;
}

/* The file's events take the places of those that it was made of, CPU by CPU. */
static void read_back(struct sim_result *r, unsigned machine, const struct vmrt_dat *dat)
{
	size_t next[SIM_CPUS] = {0}, place = 0;
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	struct vmrt_error err;

	if (vmrt_stream_open(dat, &stream, &err) != VMRT_OK)
		abort();
	while (vmrt_stream_next(stream, &ev, &err) > 0) {
		size_t *i = &next[ev.cpu];

		while (r->events[*i].machine != machine || r->events[*i].ev.cpu != ev.cpu)
			++*i;
		ev.lost = r->events[*i].ev.lost;
		r->events[*i].place = ++place;
		r->events[(*i)++].ev = ev;
	}
	vmrt_stream_free(stream);
}

/* What CPU @cpu recorded is not read, since nothing shows its clock. */
static void leave_out(struct wmachine *m, int cpu)
{
	struct sim_result *r = m->w->r;
	size_t kept = 0;

	for (size_t i = 0; i < r->n_events; i++)
		if (r->events[i].machine != (uint32_t)m->index || r->events[i].ev.cpu != cpu)
			r->events[kept++] = r->events[i];
	if (kept == r->n_events)
		return;
	r->n_events = kept;
	note_clip(m->w, &m->cpus[cpu], m->w->start, m->w->end);
}

/* Does a tick expire on the machine between the two times? Else nothing shows its clock then. */
static bool ticks_between(const struct sim_result *r, uint32_t machine, int64_t from, int64_t to)
{
	for (size_t i = 0; i < r->n_events; i++)
		if (r->events[i].machine == machine &&
			r->events[i].ev.type == VMRT_EV_TIMER_EXPIRE &&
			r->events[i].ev.timer.fn == VMRT_FN_TICK && r->events[i].ev.ts >= from &&
			r->events[i].ev.ts < to)
			return true;
	return false;
}

/* Does the recording show when the clock jumps, and when it jumps again? */
static bool is_framed(const struct sim_result *r, uint32_t machine, const struct sim_clock *c)
{
	return ticks_between(r, machine, INT64_MIN, c->rate_change_ns) &&
	       ticks_between(r, machine, c->rate_change_ns, c->again_ns) &&
	       (c->again_ns == NEVER || ticks_between(r, machine, c->again_ns, NEVER));
}

/* Times of machine @m are now what its record clock shows of CLOCK_MONOTONIC. */
void clock_apply(struct wmachine *m)
{
	struct sim_result *r = m->w->r;
	struct sim_clock *c = &r->clocks[m->index];
	struct pages pages[SIM_CPUS] = {0};
	struct vmrt_record_clock found;
	struct vmrt_dat *dat;
	struct vmrt_error err;
	char path[64];
	int fd;

	if (!is_framed(r, (uint32_t)m->index, c))
		c->step_ns = 0;
	for (int i = 0; i < m->n_cpus; i++)
		pages[i].header = m->kernel->narrow ? 12 : 16;
	for (size_t i = 0; i < r->n_events; i++) {
		const struct sim_event *e = &r->events[i];
		_Alignas(8) uint8_t record[SIM_RECORD_MAX] = {0};
		unsigned size;

		if (e->machine != (uint32_t)m->index)
			continue;
		size = sim_encode(m->kernel, e, record);
		put_record(&pages[e->ev.cpu], raw_at(c, e->ev.cpu, e->ev.ts), record, size);
	}
	fd = write_file(m, c, pages, (unsigned)m->n_cpus);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (vmrt_dat_open(path, &dat, &err) != VMRT_OK) {
		fprintf(stderr, "simulator: %s\n", err.text);
		abort();
	}
	if (vmrt_record_clock_map(dat, &found, &err) == VMRT_OK)
		c->mapped = found.state == VMRT_RECORD_CLOCK_MAPPED;
	else
		snprintf(c->why_not, sizeof(c->why_not), "%s", err.text);
	for (int i = 0; i < m->n_cpus; i++)
		c->error_ns[i] =
			c->mapped ? vmrt_record_clock_error(dat, (unsigned)i) : VMRT_UNKNOWN;
	for (int i = 0; i < m->n_cpus; i++)
		if (c->error_ns[i] > r->machines[m->index].record_error_ns)
			r->machines[m->index].record_error_ns = c->error_ns[i];
	if (c->mapped) {
		read_back(r, (unsigned)m->index, dat);
		for (int i = 0; i < m->n_cpus; i++)
			if (c->error_ns[i] == VMRT_UNKNOWN)
				leave_out(m, i);
	}
	vmrt_dat_close(dat);
	close(fd);
	for (int i = 0; i < m->n_cpus; i++)
		vmrt_buf_free(&pages[i].buf);
}

/* SPDX-License-Identifier: MIT */
/*
 * Kernels of several generations: how the records of each look. Every event of a case is written
 * as its machine's kernel would, with the format texts of that kernel, and read by the decoder.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "parser/ring/ring.h"

#define FIELDS_MAX 9
#define KERNELS (GENERATIONS * 4)
#define FIRST_ID 300
#define TASK_STATE_MAX_OLD 0x1000
#define PREEMPTED 0x100

/* What a field holds. */
enum value {
	V_NONE,
	V_COMM0,
	V_COMM1,
	V_PREV_PID,
	V_PREV_PRIO,
	V_PREV_STATE,
	V_NEXT_PID,
	V_NEXT_PRIO,
	V_WAKE_PID,
	V_WAKE_PRIO,
	V_ONE,
	V_WAKE_CPU,
	V_MIGRATE_PID,
	V_MIGRATE_FROM,
	V_MIGRATE_TO,
	V_PROCESS_PID,
	V_TIMER,
	V_FUNCTION,
	V_CLOCK,
	V_MODE,
	V_EXPIRES,
	V_SOFT,
	V_NOW,
	V_WHEEL_TIMER,
	V_WHEEL_FUNCTION,
	V_WHEEL_EXPIRES,
	V_WHEEL_NOW,
	V_PI_PID,
	V_PI_OLD,
	V_PI_NEW,
	V_TEXT,
};

#define LONG 0xff /* 4 bytes of a 32-bit kernel, else 8 */

struct field {
	const char *declaration;
	uint8_t size;
	uint8_t value;
	enum sim_generation from, until; /* kernels that have it; until: 0 is no end */
};

struct format {
	enum vmrt_event_type type;
	const char *system, *name, *older; /* until 6.12 */
	struct field fields[FIELDS_MAX];
};

#define WAKE                                                                                       \
	{                                                                                          \
		{"char comm[16]", 16, V_COMM0, 0, 0}, {"pid_t pid", 4, V_WAKE_PID, 0, 0},          \
			{"int prio", 4, V_WAKE_PRIO, 0, 0},                                        \
			{"int success", 4, V_ONE, 0, GEN_5_10},                                    \
		{                                                                                  \
			"int target_cpu", 4, V_WAKE_CPU, 0, 0                                      \
		}                                                                                  \
	}

static const struct format formats[] = {
	{VMRT_EV_OTHER, "irq", "softirq_raise", NULL, {{"unsigned int vec", 4, V_ONE, 0, 0}}},
	{VMRT_EV_SWITCH, "sched", "sched_switch", NULL,
		{{"char prev_comm[16]", 16, V_COMM0, 0, 0}, {"pid_t prev_pid", 4, V_PREV_PID, 0, 0},
			{"int prev_prio", 4, V_PREV_PRIO, 0, 0},
			{"long prev_state", LONG, V_PREV_STATE, 0, 0},
			{"char next_comm[16]", 16, V_COMM1, 0, 0},
			{"pid_t next_pid", 4, V_NEXT_PID, 0, 0},
			{"int next_prio", 4, V_NEXT_PRIO, 0, 0}}},
	{VMRT_EV_WAKING, "sched", "sched_waking", NULL, WAKE},
	{VMRT_EV_WAKEUP, "sched", "sched_wakeup", NULL, WAKE},
	{VMRT_EV_WAKEUP_NEW, "sched", "sched_wakeup_new", NULL, WAKE},
	{VMRT_EV_MIGRATE, "sched", "sched_migrate_task", NULL,
		{{"char comm[16]", 16, V_NONE, 0, GEN_6_18}, /* 6.18: a string behind the record */
			{"__data_loc char[] comm", 4, V_NONE, GEN_6_18, 0},
			{"pid_t pid", 4, V_MIGRATE_PID, 0, 0}, {"int prio", 4, V_NONE, 0, 0},
			{"int orig_cpu", 4, V_MIGRATE_FROM, 0, 0},
			{"int dest_cpu", 4, V_MIGRATE_TO, 0, 0}}},
	{VMRT_EV_EXIT, "sched", "sched_process_exit", NULL,
		{{"char comm[16]", 16, V_NONE, 0, 0}, {"pid_t pid", 4, V_PROCESS_PID, 0, 0},
			{"int prio", 4, V_NONE, 0, 0},
			{"bool group_dead", 1, V_NONE, GEN_6_18, 0}}},
	{VMRT_EV_TIMER_SETUP, "timer", "hrtimer_setup", "hrtimer_init",
		{{"void * hrtimer", LONG, V_TIMER, 0, 0}, {"clockid_t clockid", 4, V_CLOCK, 0, 0},
			{"enum hrtimer_mode mode", 4, V_MODE, 0, 0}}},
	{VMRT_EV_TIMER_START, "timer", "hrtimer_start", NULL,
		{{"void * hrtimer", LONG, V_TIMER, 0, 0},
			{"void * function", LONG, V_FUNCTION, 0, 0},
			{"s64 expires", 8, V_EXPIRES, 0, 0}, {"s64 softexpires", 8, V_SOFT, 0, 0},
			{"enum hrtimer_mode mode", 4, V_MODE, GEN_4_19, 0},
			{"bool was_armed", 1, V_NONE, GEN_6_1_NEW, GEN_6_12},
			{"bool was_armed", 1, V_NONE, GEN_6_18, 0}}},
	{VMRT_EV_TIMER_CANCEL, "timer", "hrtimer_cancel", NULL,
		{{"void * hrtimer", LONG, V_TIMER, 0, 0}}},
	{VMRT_EV_TIMER_EXPIRE, "timer", "hrtimer_expire_entry", NULL,
		{{"void * hrtimer", LONG, V_TIMER, 0, 0}, {"s64 now", 8, V_NOW, 0, 0},
			{"void * function", LONG, V_FUNCTION, 0, 0}}},
	{VMRT_EV_WHEEL_START, "timer", "timer_start", NULL,
		{{"void * timer", LONG, V_WHEEL_TIMER, 0, 0},
			{"void * function", LONG, V_WHEEL_FUNCTION, 0, 0},
			{"unsigned long expires", LONG, V_WHEEL_EXPIRES, 0, 0},
			{"unsigned long now", LONG, V_WHEEL_NOW, 0, 0},
			{"unsigned int flags", 4, V_NONE, GEN_4_4, 0}}},
	{VMRT_EV_WHEEL_EXPIRE, "timer", "timer_expire_entry", NULL,
		{{"void * timer", LONG, V_WHEEL_TIMER, 0, 0},
			{"unsigned long now", LONG, V_WHEEL_NOW, 0, 0},
			{"void * function", LONG, V_WHEEL_FUNCTION, 0, 0}}},
	{VMRT_EV_PI, "sched", "sched_pi_setprio", NULL,
		{{"char comm[16]", 16, V_NONE, 0, 0}, {"pid_t pid", 4, V_PI_PID, 0, 0},
			{"int oldprio", 4, V_PI_OLD, 0, 0}, {"int newprio", 4, V_PI_NEW, 0, 0}}},
	{VMRT_EV_MARK, "ftrace", "print", NULL,
		{{"unsigned long ip", LONG, V_NONE, 0, 0}, {"char buf[]", 0, V_TEXT, 0, 0}}},
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

/* The formats of one kernel, as its decoder knows them. */
struct known {
	struct vmrt_formats *decoder;
	char header[256], *kallsyms;
	const char *systems[FORMATS];
	char *texts[FORMATS];
	unsigned common; /* bytes of the common fields */
	struct {
		unsigned n, size;
		struct {
			uint8_t value, size;
			uint16_t at;
		} fields[FIELDS_MAX];
	} events[FORMATS];
};

struct sim_kernel sim_draw_kernel(uint64_t *state)
{
	/* the newest more often: most machines of today */
	struct sim_kernel k = {.gen = GEN_6_18};

	if (sim_chance(state, 70))
		k.gen = (enum sim_generation)sim_between(state, 0, GENERATIONS - 1);
	k.rt = sim_chance(state, 30);
	k.narrow = sim_chance(state, 20);
	return k;
}

static const char *const generations[] = {
#define X(name, words) words,
	SIM_GENERATIONS(X)
#undef X
};

const char *sim_kernel_name(const struct sim_kernel *k, char room[24])
{
	snprintf(room, 24, "%s%s%s", generations[k->gen], k->rt ? "-rt" : "",
		k->narrow ? "-32" : "");
	return room;
}

bool sim_parse_kernel(const char *text, struct sim_kernel *k)
{
	char room[24];

	for (unsigned i = 0; i < KERNELS; i++) {
		*k = (struct sim_kernel){
			.gen = (enum sim_generation)(i / 4), .rt = i & 1, .narrow = i & 2};
		if (!strcmp(text, sim_kernel_name(k, room)))
			return true;
	}
	return false;
}

static uint64_t address_of(const struct sim_kernel *k, enum vmrt_timer_fn fn)
{
	return (k->narrow ? UINT64_C(0xc0100000) : UINT64_C(0xffffffff81000000)) +
	       (uint64_t)fn * 0x1000;
}

/* A kernel's address of 64 bits as one of 32, so that different ones stay so. */
static uint64_t narrowed(uint64_t ptr)
{
	return UINT64_C(0xc0000000) | (ptr >> 8 & 0x0f000000) | (ptr & 0x00ffffff);
}

static bool has_field(const struct sim_kernel *k, const struct field *f)
{
	return f->declaration && k->gen >= f->from && (!f->until || k->gen < f->until);
}

static void put_symbol(
	FILE *out, const struct sim_kernel *k, enum vmrt_timer_fn fn, const char *symbol)
{
	fprintf(out, "%llx t %s\n", (unsigned long long)address_of(k, fn), symbol);
}

static char *kallsyms_of(const struct sim_kernel *k)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	put_symbol(out, k, VMRT_FN_OTHER, "hrtimer_dummy_timeout");
#define X(kind, symbol) put_symbol(out, k, VMRT_FN_##kind, symbol);
	VMRT_TIMER_SYMBOL_LIST(X)
#undef X
	if (fclose(out))
		abort();
	return text;
}

/* The format text of event @i, and where its fields are. */
static char *describe(const struct sim_kernel *k, struct known *known, unsigned i)
{
	const struct format *f = &formats[i];
	unsigned at = known->common;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out,
		"name: %s\nID: %u\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
		"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n",
		f->older && k->gen <= GEN_6_12 ? f->older : f->name, FIRST_ID + i);
	if (k->rt)
		fputs("\tfield:unsigned char common_migrate_disable;\toffset:8;\tsize:1;\tsigned:0;"
		      "\n\tfield:unsigned char common_preempt_lazy_count;\toffset:9;\tsize:1;"
		      "\tsigned:0;\n",
			out);
	fputc('\n', out);
	for (const struct field *field = f->fields; field < f->fields + FIELDS_MAX; field++) {
		unsigned bytes = field->size == LONG ? (k->narrow ? 4 : 8) : field->size, n;
		/* i386 aligns 8 bytes to 4 */
		unsigned align = bytes == 8 && !k->narrow ? 8 : bytes == 1 || !bytes ? 1 : 4;

		if (!has_field(k, field))
			continue;
		n = known->events[i].n++;
		at = (at + align - 1) / align * align;
		known->events[i].fields[n].value = field->value;
		known->events[i].fields[n].size = (uint8_t)bytes;
		known->events[i].fields[n].at = (uint16_t)at;
		fprintf(out, "\tfield:%s;\toffset:%u;\tsize:%u;\tsigned:1;\n", field->declaration,
			at, bytes);
		at += bytes;
	}
	known->events[i].size = at;
	fputs("\nprint fmt: \"\"\n", out);
	if (fclose(out))
		abort();
	return text;
}

static const struct known *known_of(const struct sim_kernel *k)
{
	static struct known *all[KERNELS];
	struct known **slot = &all[(unsigned)k->gen * 4 + (k->narrow ? 2 : 0) + (k->rt ? 1 : 0)];
	struct known *new;
	struct vmrt_error err;

	if (*slot)
		return *slot;
	*slot = new = calloc(1, sizeof(*new));
	if (!new)
		abort();
	new->common = k->rt ? 12 : 8;
	for (unsigned i = 0; i < FORMATS; i++) {
		new->systems[i] = formats[i].system;
		new->texts[i] = describe(k, new, i);
	}
	snprintf(new->header, sizeof(new->header),
		"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
		"\tfield: local_t commit;\toffset:8;\tsize:%d;\tsigned:1;\n"
		"\tfield: char data;\toffset:%d;\tsize:%d;\tsigned:0;\n",
		k->narrow ? 4 : 8, k->narrow ? 12 : 16, k->narrow ? 4084 : 4080);
	new->kallsyms = kallsyms_of(k);
	if (vmrt_formats_new(new->header, (const char *const *)(const void *)new->texts,
		    new->systems, FORMATS, new->kallsyms, &new->decoder, &err) != VMRT_OK) {
		fprintf(stderr, "simulator: %s\n", err.text);
		abort();
	}
	return new;
}

struct sim_texts sim_texts_of(const struct sim_kernel *k)
{
	const struct known *known = known_of(k);

	return (struct sim_texts){.header = known->header,
		.kallsyms = known->kallsyms,
		.systems = known->systems,
		.formats = (const char *const *)(const void *)known->texts,
		.n = FORMATS};
}

/* With the mark of who did not leave by itself. */
static int64_t state_of(const struct sim_kernel *k, const struct sim_event *e)
{
	int64_t state = sim_recorded_state(k, e->ev.sw.prev_state);

	if (state)
		return state;
	return k->gen >= GEN_4_19 ? PREEMPTED : TASK_STATE_MAX_OLD;
}

static int64_t timer_value(const struct sim_kernel *k, const struct vmrt_event *ev, enum value v)
{
	switch (v) {
	case V_TIMER:
		return (int64_t)(k->narrow ? narrowed(ev->timer.timer) : ev->timer.timer);
	case V_FUNCTION:
		return (int64_t)address_of(k, ev->timer.fn);
	case V_CLOCK:
		return ev->timer.clock;
	case V_MODE:
		return ev->timer.mode;
	case V_EXPIRES:
		return ev->timer.expires;
	case V_SOFT:
		return ev->timer.softexpires;
	case V_NOW:
		return ev->timer.now;
	case V_WHEEL_TIMER:
		return (int64_t)(k->narrow ? narrowed(ev->wheel.timer) : ev->wheel.timer);
	case V_WHEEL_FUNCTION:
		return (int64_t)address_of(k, ev->wheel.fn);
	case V_WHEEL_EXPIRES:
		return (int64_t)ev->wheel.expires;
	case V_WHEEL_NOW:
		return (int64_t)ev->wheel.now;
	default:
		return 0x7f7f7f7f; /* a field that no reader needs */
	}
}

static int64_t value_of(const struct sim_kernel *k, const struct sim_event *e, enum value v)
{
	const struct vmrt_event *ev = &e->ev;

	switch (v) {
	case V_PREV_PID:
		return ev->sw.prev_pid;
	case V_PREV_PRIO:
		return ev->sw.prev_prio;
	case V_PREV_STATE:
		return state_of(k, e);
	case V_NEXT_PID:
		return ev->sw.next_pid;
	case V_NEXT_PRIO:
		return ev->sw.next_prio;
	case V_WAKE_PID:
		return ev->wake.pid;
	case V_WAKE_PRIO:
		return ev->wake.prio;
	case V_ONE:
		return 1;
	case V_WAKE_CPU:
		return ev->wake.target_cpu;
	case V_MIGRATE_PID:
		return ev->migrate.pid;
	case V_MIGRATE_FROM:
		return ev->migrate.orig_cpu;
	case V_MIGRATE_TO:
		return ev->migrate.dest_cpu;
	case V_PROCESS_PID:
		return ev->process.pid;
	case V_PI_PID:
		return ev->pi.pid;
	case V_PI_OLD:
		return ev->pi.old_prio;
	case V_PI_NEW:
		return ev->pi.new_prio;
	default:
		return timer_value(k, ev, v);
	}
}

unsigned sim_encode(const struct sim_kernel *k, const struct sim_event *e, uint8_t *record)
{
	const struct known *known = known_of(k);
	unsigned i = 0, size;
	uint16_t id;

	while (i < FORMATS && formats[i].type != e->ev.type)
		i++;
	id = (uint16_t)(FIRST_ID + i);
	memcpy(record, &id, 2);
	record[2] = e->ev.flags;
	record[3] = e->ev.depth;
	memcpy(record + 4, &e->ev.pid, 4);
	size = known->events[i].size;
	for (unsigned f = 0; f < known->events[i].n; f++) {
		uint8_t *at = record + known->events[i].fields[f].at;
		enum value v = known->events[i].fields[f].value;
		int64_t number;

		if (v == V_COMM0 || v == V_COMM1) {
			memcpy(at, e->comm[v - V_COMM0], VMRT_COMM_MAX);
		} else if (v == V_TEXT) {
			memcpy(at, e->text, sizeof(e->text));
			size += (unsigned)strlen(e->text) + 1;
		} else {
			number = value_of(k, e, v);
			memcpy(at, &number,
				known->events[i].fields[f].size < 8
					? known->events[i].fields[f].size
					: 8);
		}
	}
	return (size + 3) & ~3u;
}

void sim_through_record(const struct sim_kernel *k, struct sim_event *e)
{
	struct vmrt_event back = {.ts = e->ev.ts, .cpu = e->ev.cpu, .lost = e->ev.lost};
	_Alignas(8) uint8_t record[SIM_RECORD_MAX] = {0};
	char name_room[VMRT_COMM_MAX];
	unsigned size = sim_encode(k, e, record);

	if (!formats_decode(known_of(k)->decoder, record, size, name_room, &back))
		abort();
	e->ev = back;
}

/* SPDX-License-Identifier: MIT */
/* Reads the formats of events: where the fields that are needed lie in a record. */
#include "formats-local.h"

#include <stdlib.h>

#include <vmrt/tracer.h>

/* Only the fields that the engine uses are parsed, and only of the events that it uses. Every other
 * event is VMRT_EV_OTHER; the common fields are enough for that. */

enum field_kind {
	FIELD_NONE,
	FIELD_U8,
	FIELD_U16,
	FIELD_32,   /* 4 bytes */
	FIELD_64,   /* 8 bytes */
	FIELD_LONG, /* 8 bytes, or 4 of a 32-bit kernel */
	FIELD_NAME, /* char[16] or __data_loc */
	FIELD_TEXT, /* up to the end of the record */
};

struct field_want {
	const char *name;
	enum field_kind kind;
	bool optional;
};

struct event_want {
	const char *system, *name;
	enum vmrt_event_type type;
	struct field_want fields[LAYOUT_FIELDS];
};

#define WAKE_FIELDS                                                                                \
	{                                                                                          \
		[WAKE_COMM] = {"comm", FIELD_NAME, false}, [WAKE_PID] = {"pid", FIELD_32, false},  \
		[WAKE_PRIO] = {"prio", FIELD_32, false},                                           \
		[WAKE_CPU] = {"target_cpu", FIELD_32, false},                                      \
	}
#define SETUP_FIELDS                                                                               \
	{                                                                                          \
		[SETUP_TIMER] = {"hrtimer", FIELD_LONG, false},                                    \
		[SETUP_CLOCK] = {"clockid", FIELD_32, false},                                      \
		[SETUP_MODE] = {"mode", FIELD_32, true},                                           \
	}

/* of these events only the common fields matter */
#define IRQ(system, name)                                                                          \
	{system, name "_entry", VMRT_EV_IRQ_ENTER, {{NULL, FIELD_NONE, false}}},                   \
	{                                                                                          \
		system, name "_exit", VMRT_EV_IRQ_LEAVE,                                           \
		{                                                                                  \
			{                                                                          \
				NULL, FIELD_NONE, false                                            \
			}                                                                          \
		}                                                                                  \
	}

static const struct event_want wanted[] = {
	{"sched", "sched_switch", VMRT_EV_SWITCH,
		{
			[SWITCH_PREV_COMM] = {"prev_comm", FIELD_NAME, false},
			[SWITCH_PREV_PID] = {"prev_pid", FIELD_32, false},
			[SWITCH_PREV_PRIO] = {"prev_prio", FIELD_32, false},
			[SWITCH_PREV_STATE] = {"prev_state", FIELD_LONG, false},
			[SWITCH_NEXT_COMM] = {"next_comm", FIELD_NAME, false},
			[SWITCH_NEXT_PID] = {"next_pid", FIELD_32, false},
			[SWITCH_NEXT_PRIO] = {"next_prio", FIELD_32, false},
		}},
	{"sched", "sched_waking", VMRT_EV_WAKING, WAKE_FIELDS},
	{"sched", "sched_wakeup", VMRT_EV_WAKEUP, WAKE_FIELDS},
	{"sched", "sched_wakeup_new", VMRT_EV_WAKEUP_NEW, WAKE_FIELDS},
	{"sched", "sched_migrate_task", VMRT_EV_MIGRATE,
		{
			[MIGRATE_PID] = {"pid", FIELD_32, false},
			[MIGRATE_FROM] = {"orig_cpu", FIELD_32, false},
			[MIGRATE_TO] = {"dest_cpu", FIELD_32, false},
		}},
	{"sched", "sched_process_exec", VMRT_EV_EXEC,
		{
			[PROCESS_PID] = {"pid", FIELD_32, false},
			[PROCESS_OTHER] = {"old_pid", FIELD_32, false},
		}},
	{"sched", "sched_process_exit", VMRT_EV_EXIT,
		{
			[PROCESS_PID] = {"pid", FIELD_32, false},
			[PROCESS_COMM] = {"comm", FIELD_NAME, true},
		}},
	{"sched", "sched_process_fork", VMRT_EV_FORK,
		{
			[PROCESS_PID] = {"parent_pid", FIELD_32, false},
			[PROCESS_OTHER] = {"child_pid", FIELD_32, false},
			[PROCESS_COMM] = {"child_comm", FIELD_NAME, true},
		}},
	{"timer", "hrtimer_setup", VMRT_EV_TIMER_SETUP, SETUP_FIELDS},
	{"timer", "hrtimer_init", VMRT_EV_TIMER_SETUP, SETUP_FIELDS},
	{"timer", "hrtimer_start", VMRT_EV_TIMER_START,
		{
			[START_TIMER] = {"hrtimer", FIELD_LONG, false},
			[START_FUNCTION] = {"function", FIELD_LONG, false},
			[START_EXPIRES] = {"expires", FIELD_64, false},
			[START_SOFT] = {"softexpires", FIELD_64, false},
			[START_MODE] = {"mode", FIELD_32, true},
		}},
	{"timer", "hrtimer_cancel", VMRT_EV_TIMER_CANCEL,
		{
			[CANCEL_TIMER] = {"hrtimer", FIELD_LONG, false},
		}},
	{"timer", "hrtimer_expire_entry", VMRT_EV_TIMER_EXPIRE,
		{
			[EXPIRE_TIMER] = {"hrtimer", FIELD_LONG, false},
			[EXPIRE_NOW] = {"now", FIELD_64, false},
			[EXPIRE_FUNCTION] = {"function", FIELD_LONG, false},
		}},
	{"timer", "timer_start", VMRT_EV_WHEEL_START,
		{
			[WHEEL_TIMER] = {"timer", FIELD_LONG, false},
			[WHEEL_FUNCTION] = {"function", FIELD_LONG, false},
			[WHEEL_NOW] = {"now", FIELD_LONG, false},
			[WHEEL_EXPIRES] = {"expires", FIELD_LONG, false},
		}},
	{"timer", "timer_expire_entry", VMRT_EV_WHEEL_EXPIRE,
		{
			[WHEEL_TIMER] = {"timer", FIELD_LONG, false},
			[WHEEL_FUNCTION] = {"function", FIELD_LONG, true},
			[WHEEL_NOW] = {"now", FIELD_LONG, false},
		}},
	{"sched", "sched_pi_setprio", VMRT_EV_PI,
		{
			[PI_PID] = {"pid", FIELD_32, false},
			[PI_OLD] = {"oldprio", FIELD_32, false},
			[PI_NEW] = {"newprio", FIELD_32, false},
		}},
	IRQ("irq", "irq_handler"),
	IRQ("irq", "softirq"),
	IRQ("irq_vectors", "local_timer"),
	IRQ("irq_vectors", "reschedule"),
	IRQ("irq_vectors", "call_function"),
	IRQ("irq_vectors", "call_function_single"),
	IRQ("irq_vectors", "irq_work"),
	IRQ("irq_vectors", "x86_platform_ipi"),
	{"ftrace", "print", VMRT_EV_MARK,
		{
			[MARK_TEXT] = {"buf", FIELD_TEXT, false},
		}},
};

struct vmrt_formats *formats_alloc(void)
{
	struct vmrt_formats *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->layouts[0].type = VMRT_EV_OTHER;
	f->n_layouts = 1;
	f->commit_size = 8;
	return f;
}

void vmrt_formats_free(struct vmrt_formats *f)
{
	free(f);
}

enum vmrt_status formats_header_page(
	struct vmrt_formats *f, const char *text, struct vmrt_error *err)
{
	static const char *const names[] = {"timestamp", "commit", "data"};
	struct format_field at[3];

	formats_parse(text, names, 3, at);
	if (!at[0].there || !at[1].there || !at[2].there)
		return vmrt_fail(err, VMRT_EFORMAT, "events/header_page is not understood");
	if (at[0].offset != 0 || at[0].size != 8 || at[1].offset != 8 ||
		(at[1].size != 4 && at[1].size != 8) || at[2].offset != 8 + at[1].size)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"ring-buffer pages with another header than time and commit are not "
			"supported");
	f->commit_size = at[1].size;
	f->page_size = at[2].offset + (at[2].size < RING_MAX_PAGE ? at[2].size : 0);
	return VMRT_OK;
}

static const struct event_want *find_wanted(const char *system, const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(wanted[i].system, system) == 0 && strlen(wanted[i].name) == len &&
			memcmp(wanted[i].name, name, len) == 0)
			return &wanted[i];
	return NULL;
}

/* Returns why @field cannot have the kind @kind, or NULL. */
static const char *check_field(const struct format_field *field, enum field_kind kind)
{
	static const unsigned sizes[] = {[FIELD_U8] = 1,
		[FIELD_U16] = 2,
		[FIELD_32] = 4,
		[FIELD_64] = 8,
		[FIELD_LONG] = 8,
		[FIELD_NAME] = RING_COMM,
		[FIELD_TEXT] = 0};

	if (!field->there)
		return "is missing";
	if (field->offset > UINT16_MAX / 2)
		return "is at an impossible place";
	if (field->dynamic && (kind != FIELD_NAME || field->size != 4))
		return "is of an unexpected kind";
	if (kind == FIELD_TEXT || field->dynamic || field->size == sizes[kind] ||
		(kind == FIELD_LONG && field->size == 4))
		return NULL;
	return "has an unexpected size";
}

static void note_field(struct event_layout *layout, unsigned i, const struct format_field *field,
	enum field_kind kind)
{
	unsigned end = field->offset + (kind == FIELD_TEXT ? 0 : field->size);

	layout->at[i] = (uint16_t)field->offset;
	if (kind == FIELD_LONG && field->size == 4)
		layout->narrow |= (uint8_t)(1u << i);
	if (field->dynamic)
		layout->dynamic |= (uint8_t)(1u << i);
	if (end > layout->least)
		layout->least = (uint16_t)end;
}

static enum vmrt_status take_common(
	struct vmrt_formats *f, const char *system, const char *text, struct vmrt_error *err)
{
	static const char *const names[] = {
		"common_type", "common_flags", "common_pid", "common_preempt_count"};
	static const enum field_kind kinds[] = {FIELD_U16, FIELD_U8, FIELD_32};
	uint16_t *const at[] = {&f->type_at, &f->flags_at, &f->pid_at};
	struct format_field fields[4];

	formats_parse(text, names, 4, fields);
	f->depth_at = fields[3].there && !check_field(&fields[3], FIELD_U8)
			      ? (uint16_t)fields[3].offset
			      : LAYOUT_ABSENT;
	if (f->depth_at != LAYOUT_ABSENT)
		f->common_least = (uint16_t)(f->depth_at + 1);
	for (size_t i = 0; i < 3; i++) {
		const char *why = check_field(&fields[i], kinds[i]);

		if (why)
			return vmrt_fail(err, VMRT_EUNSUPPORTED,
				"an event of system %s: its field %s %s", system, names[i], why);
		*at[i] = (uint16_t)fields[i].offset;
		if (fields[i].offset + fields[i].size > f->common_least)
			f->common_least = (uint16_t)(fields[i].offset + fields[i].size);
	}
	f->usual_common = f->type_at == offsetof(struct usual_common, type) &&
			  f->flags_at == offsetof(struct usual_common, flags) &&
			  f->depth_at == offsetof(struct usual_common, depth) &&
			  f->pid_at == offsetof(struct usual_common, pid);
	f->have_common = true;
	return VMRT_OK;
}

/* Have the fields of @l the @offsets, counted from the first field? */
static bool lie_at(const struct event_layout *l, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (l->at[i] != l->at[0] + offsets[i])
			return false;
	return !l->narrow && !l->dynamic;
}

static enum usual_layout find_usual(const struct event_layout *l)
{
	static const size_t of_switch[] = {
		[SWITCH_PREV_COMM] = offsetof(struct usual_switch, prev_comm),
		[SWITCH_PREV_PID] = offsetof(struct usual_switch, prev_pid),
		[SWITCH_PREV_PRIO] = offsetof(struct usual_switch, prev_prio),
		[SWITCH_PREV_STATE] = offsetof(struct usual_switch, prev_state),
		[SWITCH_NEXT_COMM] = offsetof(struct usual_switch, next_comm),
		[SWITCH_NEXT_PID] = offsetof(struct usual_switch, next_pid),
		[SWITCH_NEXT_PRIO] = offsetof(struct usual_switch, next_prio),
	};
	static const size_t of_wake[] = {
		[WAKE_COMM] = offsetof(struct usual_wake, comm),
		[WAKE_PID] = offsetof(struct usual_wake, pid),
		[WAKE_PRIO] = offsetof(struct usual_wake, prio),
	};

	switch (l->type) {
	case VMRT_EV_SWITCH:
		return lie_at(l, of_switch, sizeof(of_switch) / sizeof(of_switch[0])) ? USUAL_SWITCH
										      : USUAL_NONE;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
		return lie_at(l, of_wake, sizeof(of_wake) / sizeof(of_wake[0])) ? USUAL_WAKE
										: USUAL_NONE;
	default:
		return USUAL_NONE;
	}
}

static enum vmrt_status take_event(struct vmrt_formats *f, const struct event_want *want,
	const char *text, struct vmrt_error *err)
{
	struct event_layout layout = {
		.type = (uint8_t)want->type, .want = (uint16_t)(want - wanted)};
	const char *names[LAYOUT_FIELDS];
	struct format_field fields[LAYOUT_FIELDS];
	int id = formats_parse_id(text);

	if (!id)
		return vmrt_fail(
			err, VMRT_EFORMAT, "event %s:%s has no id", want->system, want->name);
	if (f->by_id[id])
		return VMRT_OK; /* reported already */
	if (f->n_layouts == FORMATS_LAYOUTS)
		return vmrt_fail(err, VMRT_EFORMAT, "event %s:%s is described too often",
			want->system, want->name);
	for (unsigned i = 0; i < LAYOUT_FIELDS; i++)
		names[i] = want->fields[i].name;
	formats_parse(text, names, LAYOUT_FIELDS, fields);
	for (unsigned i = 0; i < LAYOUT_FIELDS; i++) {
		const struct field_want *w = &want->fields[i];
		const char *why = w->name ? check_field(&fields[i], w->kind) : NULL;

		layout.at[i] = LAYOUT_ABSENT;
		if (why && !w->optional)
			return vmrt_fail(err, VMRT_EUNSUPPORTED, "event %s:%s: its field %s %s",
				want->system, want->name, w->name, why);
		if (w->name && !why)
			note_field(&layout, i, &fields[i], w->kind);
	}
	layout.usual = (uint8_t)find_usual(&layout);
	f->layouts[f->n_layouts] = layout;
	f->by_id[id] = (uint8_t)f->n_layouts++;
	return VMRT_OK;
}

bool formats_event_name(unsigned want, const char **system, const char **name)
{
	if (want >= sizeof(wanted) / sizeof(wanted[0]))
		return false;
	*system = wanted[want].system;
	*name = wanted[want].name;
	return true;
}

enum vmrt_status formats_event(
	struct vmrt_formats *f, const char *system, const char *text, struct vmrt_error *err)
{
	const struct event_want *want;
	const char *name = text;
	enum vmrt_status status = VMRT_OK;

	if (strncmp(name, "name:", 5) == 0)
		name += 5;
	name += strspn(name, " \t");
	want = find_wanted(system, name, strcspn(name, " \t\r\n"));
	if (!f->have_common)
		status = take_common(f, system, text, err);
	if (status == VMRT_OK && want)
		status = take_event(f, want, text, err);
	return status;
}

void formats_hide_timers(struct vmrt_formats *f)
{
	for (unsigned i = 0; i < f->n_layouts; i++)
		if (f->layouts[i].type >= VMRT_EV_TIMER_SETUP &&
			f->layouts[i].type <= VMRT_EV_TIMER_EXPIRE)
			f->layouts[i].type = VMRT_EV_OTHER;
}

enum vmrt_status formats_finish(struct vmrt_formats *f, struct vmrt_error *err)
{
	return f->have_common ? VMRT_OK : vmrt_fail(err, VMRT_EFORMAT, "there is no event format");
}

enum vmrt_status vmrt_formats_new(const char *header_page, const char *const *formats,
	const char *const *systems, size_t n, const char *kallsyms, struct vmrt_formats **out,
	struct vmrt_error *err)
{
	struct vmrt_formats *f = formats_alloc();
	enum vmrt_status status;

	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "event formats: out of memory");
	status = formats_header_page(f, header_page, err);
	for (size_t i = 0; i < n && status == VMRT_OK; i++)
		status = formats_event(f, systems[i], formats[i], err);
	if (status == VMRT_OK)
		status = formats_finish(f, err);
	if (status != VMRT_OK) {
		vmrt_formats_free(f);
		return status;
	}
	if (kallsyms)
		formats_kallsyms(f, kallsyms);
	*out = f;
	return VMRT_OK;
}

enum vmrt_status vmrt_formats_from_meta(
	const struct vmrt_trace_meta *meta, struct vmrt_formats **out, struct vmrt_error *err)
{
	const char **texts = calloc(meta->n_formats + 1, sizeof(*texts));
	const char **systems = calloc(meta->n_formats + 1, sizeof(*systems));
	enum vmrt_status status;

	for (size_t i = 0; texts && systems && i < meta->n_formats; i++) {
		texts[i] = meta->formats[i].text;
		systems[i] = meta->formats[i].system;
	}
	if (!meta->header_page)
		status = vmrt_fail(err, VMRT_EFORMAT, "events/header_page is missing");
	else if (texts && systems)
		status = vmrt_formats_new(meta->header_page, texts, systems, meta->n_formats,
			meta->kallsyms, out, err);
	else
		status = vmrt_fail(err, VMRT_ENOMEM, "event formats: out of memory");
	free(texts);
	free(systems);
	return status;
}

uint32_t vmrt_page_size(const char *header_page)
{
	struct vmrt_formats *f = formats_alloc();
	uint32_t size = 0;

	if (f && formats_header_page(f, header_page, NULL) == VMRT_OK)
		size = f->page_size;
	vmrt_formats_free(f);
	return size;
}

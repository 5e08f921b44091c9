/* SPDX-License-Identifier: MIT */
/* Decodes the records of the events that the engine uses, by the places that formats.c found. */
#include "formats-local.h"

static int32_t get_32(const struct event_layout *l, const uint8_t *record, unsigned i)
{
	return (int32_t)ring_u32(record + l->at[i]);
}

static uint64_t get_long(const struct event_layout *l, const uint8_t *record, unsigned i)
{
	if (l->narrow & (1u << i))
		return ring_u32(record + l->at[i]);
	return ring_u64(record + l->at[i]);
}

/*
 * Gets a name. It lies in the record, or (__data_loc) at a place that the record gives. If that
 * place is at the end of the record, the name is copied to part @k of @room, because it may lack
 * its final zero. A place outside of the record gives an empty name.
 */
static const char *get_name(const struct event_layout *l, const uint8_t *record, uint32_t size,
	unsigned i, char *room, unsigned k)
{
	uint32_t where, at, len;

	if (l->at[i] == LAYOUT_ABSENT)
		return NULL;
	if (!(l->dynamic & (1u << i)))
		return (const char *)record + l->at[i];
	room += RING_COMM * k;
	memset(room, 0, RING_COMM);
	where = ring_u32(record + l->at[i]);
	at = where & 0xffff;
	len = where >> 16;
	if (at <= size && len <= size - at)
		memcpy(room, record + at,
			strnlen((const char *)record + at, len < RING_COMM ? len : RING_COMM));
	return room;
}

static enum vmrt_timer_fn find_fn(const struct vmrt_formats *f, uint64_t address)
{
	for (unsigned i = 0; i < f->n_symbols; i++)
		if (f->symbols[i].address == address)
			return f->symbols[i].fn;
	return f->n_symbols ? VMRT_FN_OTHER : VMRT_FN_UNKNOWN;
}

static void decode_mark(const struct event_layout *l, const uint8_t *record, uint32_t size,
	struct vmrt_event *event)
{
	uint32_t at = l->at[MARK_TEXT];
	uint32_t len;

	event->mark.text = (const char *)record + at;
	len = (uint32_t)strnlen(event->mark.text, size - at);
	if (len && event->mark.text[len - 1] == '\n')
		len--;
	event->mark.len = len;
}

static void decode_timer(const struct vmrt_formats *f, const struct event_layout *l,
	const uint8_t *record, struct vmrt_event *event)
{
	memset(&event->timer, 0, sizeof(event->timer));
	switch (event->type) {
	case VMRT_EV_TIMER_SETUP:
		event->timer.timer = get_long(l, record, SETUP_TIMER);
		event->timer.clock = get_32(l, record, SETUP_CLOCK);
		if (l->at[SETUP_MODE] != LAYOUT_ABSENT)
			event->timer.mode = get_32(l, record, SETUP_MODE);
		break;
	case VMRT_EV_TIMER_START:
		event->timer.timer = get_long(l, record, START_TIMER);
		event->timer.function = get_long(l, record, START_FUNCTION);
		event->timer.fn = find_fn(f, event->timer.function);
		event->timer.expires = (int64_t)ring_u64(record + l->at[START_EXPIRES]);
		event->timer.softexpires = (int64_t)ring_u64(record + l->at[START_SOFT]);
		event->timer.mode = l->at[START_MODE] != LAYOUT_ABSENT
					    ? get_32(l, record, START_MODE)
					    : VMRT_TIMER_NO_MODE;
		break;
	case VMRT_EV_TIMER_EXPIRE:
		event->timer.timer = get_long(l, record, EXPIRE_TIMER);
		event->timer.function = get_long(l, record, EXPIRE_FUNCTION);
		event->timer.fn = find_fn(f, event->timer.function);
		event->timer.now = (int64_t)ring_u64(record + l->at[EXPIRE_NOW]);
		break;
	default:
		event->timer.timer = get_long(l, record, CANCEL_TIMER);
		break;
	}
}

static void decode_wheel(const struct vmrt_formats *f, const struct event_layout *l,
	const uint8_t *record, struct vmrt_event *event)
{
	memset(&event->wheel, 0, sizeof(event->wheel));
	event->wheel.timer = get_long(l, record, WHEEL_TIMER);
	event->wheel.now = get_long(l, record, WHEEL_NOW);
	if (l->at[WHEEL_FUNCTION] != LAYOUT_ABSENT) {
		event->wheel.function = get_long(l, record, WHEEL_FUNCTION);
		event->wheel.fn = find_fn(f, event->wheel.function);
	}
	if (event->type == VMRT_EV_WHEEL_START)
		event->wheel.expires = get_long(l, record, WHEEL_EXPIRES);
}

bool formats_decode_fields(const struct vmrt_formats *f, const struct event_layout *l,
	const uint8_t *record, uint32_t size, char *name_room, struct vmrt_event *event)
{
	switch (event->type) {
	case VMRT_EV_SWITCH:
		event->sw.prev_comm = get_name(l, record, size, SWITCH_PREV_COMM, name_room, 0);
		event->sw.prev_pid = get_32(l, record, SWITCH_PREV_PID);
		event->sw.prev_prio = get_32(l, record, SWITCH_PREV_PRIO);
		event->sw.prev_state =
			(int64_t)(get_long(l, record, SWITCH_PREV_STATE) & TASK_STATE_MASK);
		event->sw.next_comm = get_name(l, record, size, SWITCH_NEXT_COMM, name_room, 1);
		event->sw.next_pid = get_32(l, record, SWITCH_NEXT_PID);
		event->sw.next_prio = get_32(l, record, SWITCH_NEXT_PRIO);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		event->wake.comm = get_name(l, record, size, WAKE_COMM, name_room, 0);
		event->wake.pid = get_32(l, record, WAKE_PID);
		event->wake.prio = get_32(l, record, WAKE_PRIO);
		event->wake.target_cpu = get_32(l, record, WAKE_CPU);
		break;
	case VMRT_EV_MIGRATE:
		event->migrate.pid = get_32(l, record, MIGRATE_PID);
		event->migrate.orig_cpu = get_32(l, record, MIGRATE_FROM);
		event->migrate.dest_cpu = get_32(l, record, MIGRATE_TO);
		break;
	case VMRT_EV_EXEC:
	case VMRT_EV_EXIT:
	case VMRT_EV_FORK:
		event->process.pid = get_32(l, record, PROCESS_PID);
		event->process.other_pid = l->at[PROCESS_OTHER] != LAYOUT_ABSENT
						   ? get_32(l, record, PROCESS_OTHER)
						   : -1;
		event->process.comm = get_name(l, record, size, PROCESS_COMM, name_room, 0);
		break;
	case VMRT_EV_TIMER_SETUP:
	case VMRT_EV_TIMER_START:
	case VMRT_EV_TIMER_CANCEL:
	case VMRT_EV_TIMER_EXPIRE:
		decode_timer(f, l, record, event);
		break;
	case VMRT_EV_WHEEL_START:
	case VMRT_EV_WHEEL_EXPIRE:
		decode_wheel(f, l, record, event);
		break;
	case VMRT_EV_PI:
		event->pi.pid = get_32(l, record, PI_PID);
		event->pi.old_prio = get_32(l, record, PI_OLD);
		event->pi.new_prio = get_32(l, record, PI_NEW);
		break;
	case VMRT_EV_MARK:
		decode_mark(l, record, size, event);
		break;
	default:
		break;
	}
	return true;
}

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SHOW_H
#define VMRT_SHOW_H

/* Events as text for people, printed by libtraceevent and its plug-ins. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/event.h>
#include <vmrt/status.h>

struct vmrt_show; /* the events of one machine */

/**
 * vmrt_show_new - learn the event formats of a recording
 * @path: a trace.dat file
 * @plugins: load libtraceevent's plug-ins, which know more of some events
 * @out: free with vmrt_show_free()
 *
 * Only formats that are as a kernel writes them reach libtraceevent; of others the event's name is
 * printed and its fields, or its bytes.
 */
enum vmrt_status vmrt_show_new(
	const char *path, bool plugins, struct vmrt_show **out, struct vmrt_error *err);

/**
 * vmrt_show_filter - let only those events pass whose fields fulfil a condition
 * @expression: `EVENT:CONDITION`, as in `sched_switch:next_prio < 100`, or `CONDITION` for all
 * events
 *
 * Several expressions add to each other: an event passes if one lets it pass.
 *
 * Return: VMRT_OK; VMRT_EINVAL if it is not understood; VMRT_ENOENT if this machine has no such
 * event, or none with such a field.
 */
enum vmrt_status vmrt_show_filter(
	struct vmrt_show *show, const char *expression, struct vmrt_error *err);

/**
 * vmrt_show_select - let only events pass whose names match one of some patterns
 * @pattern: `SYSTEM:EVENT`, or `EVENT` of any system
 *
 * Return: how many kinds of events match.
 */
size_t vmrt_show_select(struct vmrt_show *show, const char *pattern);

/** vmrt_show_passes - do the selection and the filters let this record of thread @pid pass? */
bool vmrt_show_passes(
	struct vmrt_show *show, const void *record, uint32_t size, unsigned cpu, int32_t pid);

/** vmrt_show_follow - learn threads' names from @event */
void vmrt_show_follow(struct vmrt_show *show, const struct vmrt_event *event);

/** vmrt_show_comm - the name of thread @pid as far as it is known, or "<...>" */
const char *vmrt_show_comm(const struct vmrt_show *show, int32_t pid);

/**
 * vmrt_show_text - "FLAGS EVENT: FIELDS", without control characters
 *
 * Return: the text, good until the next call.
 */
const char *vmrt_show_text(struct vmrt_show *show, const void *record, uint32_t size, unsigned cpu);

/** vmrt_show_free - NULL is allowed */
void vmrt_show_free(struct vmrt_show *show);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_FORMATS_LOCAL_H
#define VMRT_PARSER_RING_FORMATS_LOCAL_H

/* The fields of each event that the engine uses; formats.c finds them, and formats-decode.c reads
 * them. */

#include "ring.h"

/* Indexes into at[] of struct event_layout, for the table in formats.c. */
enum {
	SWITCH_PREV_COMM,
	SWITCH_PREV_PID,
	SWITCH_PREV_PRIO,
	SWITCH_PREV_STATE,
	SWITCH_NEXT_COMM,
	SWITCH_NEXT_PID,
	SWITCH_NEXT_PRIO
};
enum { WAKE_COMM, WAKE_PID, WAKE_PRIO, WAKE_CPU = WAKE_CPU_FIELD };
enum { MIGRATE_PID, MIGRATE_FROM, MIGRATE_TO };
enum { PROCESS_PID, PROCESS_OTHER, PROCESS_COMM };
enum { SETUP_TIMER, SETUP_CLOCK, SETUP_MODE };
enum { START_TIMER, START_FUNCTION, START_EXPIRES, START_SOFT, START_MODE };
enum { EXPIRE_TIMER, EXPIRE_NOW, EXPIRE_FUNCTION };
enum { CANCEL_TIMER };
enum { MARK_TEXT };
enum { WHEEL_TIMER, WHEEL_FUNCTION, WHEEL_NOW, WHEEL_EXPIRES };
enum { PI_PID, PI_OLD, PI_NEW };

#endif

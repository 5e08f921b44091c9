/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_COMMANDS_H
#define VMRT_METRICS_MANY_COMMANDS_H

/* The commands of vmrt-report that are about many runs. */

#include <vmrt/tool.h>

extern const struct vmrt_command many_push_command;
extern const struct vmrt_command many_trend_command;

/** many_take_uri - a copy of the URI of a database, whose password is then overwritten in @arg,
 * where other users of the machine could see it; NULL without memory */
char *many_take_uri(char *arg);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_COMPLETION_H
#define VMRT_COMMON_COMPLETION_H

/* The completion script of a program. */

#include <vmrt/tool.h>

/** completion_print - print a bash script that completes the commands, options and values of @tool
 */
void completion_print(const struct vmrt_tool *tool);

#endif

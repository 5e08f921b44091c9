/* SPDX-License-Identifier: MIT */
#ifndef VMRT_CGROUP_H
#define VMRT_CGROUP_H

/* Groups of cgroup version 1, whose cpu controller lets the threads of a group be real-time or not.
 */

#include <stdbool.h>
#include <stddef.h>

#define VMRT_CPU_GROUPS "/sys/fs/cgroup/cpu"

/**
 * vmrt_cpu_group - the group of the cpu controller of version 1
 * @text: of /proc/PID/cgroup; is changed
 * @out: the path below VMRT_CPU_GROUPS
 *
 * Return: whether there is one.
 */
bool vmrt_cpu_group(char *text, char *out, size_t room);

/** VMRT_LEAVE_GROUP - format of the command that takes all threads of a process, a number, out of
 * such groups */
#define VMRT_LEAVE_GROUP                                                                           \
	"for t in /proc/%d/task/*; do echo ${t##*/} >" VMRT_CPU_GROUPS "/tasks; done"

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_CGROUP_H
#define VMRT_CGROUP_H

/* Groups of cgroup version 1. Its cpu controller decides whether the threads of a group may be
 * real-time.
 */

#include <stdbool.h>
#include <stddef.h>

#define VMRT_CPU_GROUPS "/sys/fs/cgroup/cpu"

/**
 * vmrt_cpu_group - the group of the cpu controller of version 1
 * @text: the content of /proc/PID/cgroup; is changed
 * @out: the path below VMRT_CPU_GROUPS
 *
 * Return: whether the process is in such a group.
 */
bool vmrt_cpu_group(char *text, char *out, size_t room);

/** VMRT_LEAVE_GROUP - format of the shell command that moves all threads of a process out of such
 * groups; its argument is the number of the process */
#define VMRT_LEAVE_GROUP                                                                           \
	"for t in /proc/%d/task/*; do echo ${t##*/} >" VMRT_CPU_GROUPS "/tasks; done"

#endif

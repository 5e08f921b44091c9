/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_DOCTOR_DOCTOR_H
#define VMRT_COLLECTOR_DOCTOR_DOCTOR_H

/*
 * What is wrong with this machine and its VMs for real-time work. Every check reads files or asks
 * the kernel, and changes nothing. Paths begin with a root folder, so that tests can describe other
 * machines.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/status.h>
#include <vmrt/vms.h>

#define VMRT_VERDICT_LIST(X)                                                                       \
	X(OK, "ok")                                                                                \
	X(WARN, "warn")                                                                            \
	X(FAIL, "fail")                                                                            \
	X(UNKNOWN, "unknown")

enum vmrt_verdict {
#define X(name, words) VMRT_VERDICT_##name,
	VMRT_VERDICT_LIST(X)
#undef X
};

/**
 * struct doctor_finding - the result of one check
 * @check: key of the check, as in rt_throttling
 * @subject: the machine, a CPU or a VM that was looked at
 * @found: what is the case
 * @why: why it matters for real-time VMs; "" if all is well
 * @mend: the command that mends it; "" if all is well or no command can
 */
struct doctor_finding {
	enum vmrt_verdict verdict;
	char check[24];
	char subject[VMRT_NAME_MAX];
	char found[256];
	const char *why;
	char mend[256];
};

struct doctor {
	const char *root; /* "" for this machine, or a folder that looks like / */
	bool live;	  /* the root is this machine itself, so that it can be measured */
	struct doctor_finding *findings;
	size_t n, room;
	bool failed; /* no memory for a finding */
};

/**
 * doctor_add - add a finding
 * @why: a string that lives for ever; used unless the verdict is ok
 * @mend: the command, or "" where there is none
 * @found: format of what is the case
 */
void doctor_add(struct doctor *d, enum vmrt_verdict verdict, const char *check, const char *subject,
	const char *why, const char *mend, const char *found, ...)
	__attribute__((format(printf, 7, 8)));

/** doctor_read - a small text file below the root, without the last line end; to be freed; NULL:
 * not readable */
char *doctor_read(const struct doctor *d, const char *path);

/** doctor_number - the number in a file below the root, or VMRT_UNKNOWN */
int64_t doctor_number(const struct doctor *d, const char *path);

/** doctor_exists - is there such a file or folder below the root? */
bool doctor_exists(const struct doctor *d, const char *path);

/** doctor_kernel - checks of the kernel: options, tracefs, clock source */
void doctor_kernel(struct doctor *d);

/** doctor_scheduling - checks of how the kernel schedules: throttling, fair server, HZ and HRTICK,
 * isolated CPUs */
void doctor_scheduling(struct doctor *d);

/** doctor_power - checks of what makes CPUs slow or late: frequency, idle states, SMT, steal,
 * stalls */
void doctor_power(struct doctor *d);

/** doctor_vm - checks of one VM: vCPUs, helpers, memory, agent */
void doctor_vm(struct doctor *d, const struct vmrt_vm *vm);

/** doctor_guest - checks of the settings that the guest of @vm has sent, lines KEY=VALUE */
void doctor_guest(struct doctor *d, const char *vm, const char *settings);

/** doctor_verdict_name - "ok", "warn", "fail" or "unknown" */
const char *doctor_verdict_name(enum vmrt_verdict verdict);

/**
 * doctor_print - the findings as text, and how many there are of each verdict
 *
 * One block per finding: the verdict first, then why it matters and what to do. The column of
 * subjects is as wide as the longest, so that no name of a VM is cut.
 */
void doctor_print(const struct doctor *d, FILE *out);

/** doctor_free - free the findings */
void doctor_free(struct doctor *d);

#endif

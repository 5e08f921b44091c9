/* SPDX-License-Identifier: MIT */
#ifndef VMRT_EXPERIMENT_H
#define VMRT_EXPERIMENT_H

/* The experiment file: the servers and tasks that the user declares (docs/vmrt-experiment.5). */

#include <stdio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

#define VMRT_EXPERIMENT_MAX (1 << 20) /* bytes of an experiment file */
#define VMRT_SERVER_CPUS 64	      /* in the list of a server */
#define VMRT_PRIORITY_MAX 97	      /* 98 and 99 are for the enforcer and the kernel */

#define VMRT_NAME_MAX 64 /* longest name of a server, VM or machine, with its NUL */
#define VMRT_COMM_MAX 16 /* the kernel's limit for thread names, with its NUL */
#define VMRT_USER_MAX 33 /* longest name of a user, with its NUL */
#define VMRT_HOST "host" /* name of the machine that runs the VMs */

#define VMRT_POLICY_LIST(X)                                                                        \
	X(NONE, "none")                                                                            \
	X(PERIODIC, "periodic")                                                                    \
	X(POLLING, "polling")                                                                      \
	X(DEFERRABLE, "deferrable")                                                                \
	X(SPORADIC, "sporadic")                                                                    \
	X(EDF, "edf")                                                                              \
	X(DEADLINE, "deadline")	  /* by the kernel: SCHED_DEADLINE */                              \
	X(RT_GROUP, "rt_group")	  /* by the kernel: cpu.rt_runtime_us of a cgroup */               \
	X(CFS_QUOTA, "cfs_quota") /* by the kernel: cpu.max of a cgroup */

enum vmrt_policy {
#define X(name, words) VMRT_POLICY_##name,
	VMRT_POLICY_LIST(X)
#undef X
};

enum vmrt_depletion { VMRT_DEPLETION_SOFT, VMRT_DEPLETION_HARD };

/* The policy of a soft server's members while they have no budget: SCHED_OTHER or SCHED_IDLE. */
enum vmrt_background { VMRT_BACKGROUND_OTHER, VMRT_BACKGROUND_IDLE };

/* How a task waits for its next release. */
#define VMRT_RELEASE_LIST(X)                                                                       \
	X(AUTO, auto)		/* found out from the recording */                                 \
	X(NANOSLEEP, nanosleep) /* clock_nanosleep(TIMER_ABSTIME) */                               \
	X(TIMERFD, timerfd)	/* read() of a timerfd */                                          \
	X(ITIMER, itimer)	/* setitimer(ITIMER_REAL) and sigwait() */                         \
	X(POSIX, posix)		/* timer_create() and sigwait() */                                 \
	X(RELATIVE, relative)	/* sleeps for a duration instead of until a point in time */       \
	X(RESCH, resch)		/* the RESCH module's wait for the period */                       \
	X(DEADLINE, deadline)	/* sched_yield() under SCHED_DEADLINE */                           \
	X(WAKEUP, wakeup)	/* another thread, a socket, an interrupt or a lock wakes it */

enum vmrt_release {
#define X(name, word) VMRT_RELEASE_##name,
	VMRT_RELEASE_LIST(X)
#undef X
};

struct vmrt_server_spec {
	char name[VMRT_NAME_MAX];
	char vm[VMRT_NAME_MAX];	  /* guest name, `pid:N` or thread pattern, without a vCPU's number;
				     default: the server's name */
	int vcpu;		  /* the server is for this vCPU alone; -1: for all */
	bool together;		  /* all vCPUs share one budget on one CPU */
	char of[VMRT_NAME_MAX];	  /* the declared server that this is a part of; "": none */
	char user[VMRT_USER_MAX]; /* user who owns the VM; "": any user who is trusted */
	enum vmrt_policy policy;
	enum vmrt_depletion depletion;
	int64_t period_ns;
	int64_t budget_ns;
	int priority; /* SCHED_FIFO priority of the members while there is budget, 2..97 */
	enum vmrt_background background;
	bool charge_helpers; /* the VM's other threads are charged, too, not only its vCPUs */
	int cpu;	     /* host CPU; -1: where the members are */
	int cpus[VMRT_SERVER_CPUS]; /* one for the server of each vCPU; the first is .cpu */
	size_t n_cpus;		    /* 0 or 1: .cpu is for all */
	int line;		    /* where it is defined, for messages */
};

struct vmrt_task_spec {
	char machine[VMRT_NAME_MAX]; /* `host` or the VM's name */
	char name[VMRT_COMM_MAX];    /* the thread's name (comm), unless threads are selected */
	char thread[VMRT_NAME_MAX];  /* pattern of its threads' names; "": not given */
	char process[VMRT_NAME_MAX]; /* pattern of their process' name, or its id; "": any */
	int32_t tid;		     /* of its thread; 0: not given */
	bool by_priority;	     /* only those of the selected threads that have .priority */
	int64_t period_ns;	     /* 0: not declared */
	int64_t wcet_ns;
	int64_t deadline_ns; /* relative; default: the period; 0: there is none */
	int64_t distance_ns; /* of a sporadic task: least time between releases; 0: not declared */
	int64_t offset_ns;   /* of the first release on the common grid */
	int priority;	     /* SCHED_FIFO priority; 0: rate monotonic */
	enum vmrt_release release;
	int line;
};

struct vmrt_experiment {
	char name[VMRT_NAME_MAX];
	int64_t tick_ns; /* unit `tick`; 0 if not given */
	struct vmrt_server_spec *servers;
	size_t n_servers;
	struct vmrt_task_spec *tasks;
	size_t n_tasks;
};

/**
 * vmrt_experiment_load - read and check an experiment file
 * @path: the file
 * @out: the experiment; free it with vmrt_experiment_free()
 * @err: on failure "PATH:LINE: what is wrong and what is allowed"
 *
 * Rejects unknown sections and keys, duplicate names, bad numbers, a budget above its period and
 * a WCET or a deadline that is impossible. Tasks without priority get rate-monotonic ones (shorter
 * period, higher priority; equal periods in the order of the file), 60 for the shortest period;
 * tasks without period come last.
 *
 * Return: VMRT_OK, VMRT_ENOENT, VMRT_EIO, VMRT_EINVAL or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_experiment_load(
	const char *path, struct vmrt_experiment **out, struct vmrt_error *err);

/** vmrt_experiment_parse - as vmrt_experiment_load for @text in memory, called @name in messages */
enum vmrt_status vmrt_experiment_parse(
	const char *text, const char *name, struct vmrt_experiment **out, struct vmrt_error *err);

/** vmrt_experiment_free - free @exp; NULL is allowed */
void vmrt_experiment_free(struct vmrt_experiment *exp);

/** vmrt_experiment_server - the server called @name, or NULL */
const struct vmrt_server_spec *vmrt_experiment_server(
	const struct vmrt_experiment *exp, const char *name);

#define VMRT_SERVER_VM (VMRT_NAME_MAX + 12)

/** vmrt_server_vm - the VM that @spec is for, written as in an experiment file: VM, or VM:N */
const char *vmrt_server_vm(const struct vmrt_server_spec *spec, char buf[VMRT_SERVER_VM]);

struct vmrt_vm_thread;

/** vmrt_server_is_for - does @spec name the VM called @vm with these threads? */
bool vmrt_server_is_for(const struct vmrt_server_spec *spec, const char *vm,
	const struct vmrt_vm_thread *threads, size_t n);

/**
 * vmrt_server_splits - does @spec stand for a server of each vCPU if there are several?
 *
 * It does, unless it names one vCPU, or its vCPUs shall share one budget, or its policy stops the
 * whole VM: hard depletion stops processes, and the kernel's groups have one quota each.
 */
bool vmrt_server_splits(const struct vmrt_server_spec *spec);

/** vmrt_server_cpus - the CPUs of @spec, written as in the file: "2" or "2,3"; "" if it has none */
const char *vmrt_server_cpus(
	const struct vmrt_server_spec *spec, char buf[VMRT_SERVER_CPUS * 5 + 1]);

/**
 * vmrt_server_part - the server of vCPU @vcpu, as a part of @spec: NAME:N
 *
 * Return: VMRT_OK, or VMRT_ERANGE if the name becomes too long.
 */
enum vmrt_status vmrt_server_part(const struct vmrt_server_spec *spec, int vcpu,
	struct vmrt_server_spec *out, struct vmrt_error *err);

/**
 * vmrt_experiment_split - replace the servers of a VM with several vCPUs by one for each of them
 * @vm: name of a VM
 * @threads: threads of the VM; a vCPU that has a server of its own keeps this server
 *
 * Return: VMRT_OK, VMRT_ERANGE (a name is too long), VMRT_EINVAL (a name occurs twice),
 * VMRT_ENOMEM.
 */
enum vmrt_status vmrt_experiment_split(struct vmrt_experiment *exp, const char *vm,
	const struct vmrt_vm_thread *threads, size_t n, struct vmrt_error *err);

/** vmrt_experiment_copy - a copy of @exp; free it with vmrt_experiment_free(); NULL: out of memory
 */
struct vmrt_experiment *vmrt_experiment_copy(const struct vmrt_experiment *exp);

/** vmrt_task_selects - does @task select its threads otherwise than by its name? */
bool vmrt_task_selects(const struct vmrt_task_spec *task);

#define VMRT_EXPERIMENT_HEADER 192

/**
 * vmrt_experiment_header - the section header "[task MACHINE/NAME]", with quotes where a name needs
 * them
 */
const char *vmrt_experiment_header(
	const char *machine, const char *name, char buf[VMRT_EXPERIMENT_HEADER]);

/** vmrt_experiment_comment - write @text as a comment, in lines of at most VMRT_COMMENT_WIDTH bytes
 * between words */
#define VMRT_COMMENT_WIDTH 100
void vmrt_experiment_comment(FILE *out, const char *text);

/** vmrt_policy_name - the word for @policy as in the experiment file */
const char *vmrt_policy_name(enum vmrt_policy policy);

/** vmrt_policy_by_kernel - is @policy one that the kernel itself enforces? */
bool vmrt_policy_by_kernel(enum vmrt_policy policy);

/** vmrt_release_name - the word for @release as in the experiment file */
const char *vmrt_release_name(enum vmrt_release release);

/** vmrt_depletion_name - "soft" or "hard" */
const char *vmrt_depletion_name(enum vmrt_depletion depletion);

#endif

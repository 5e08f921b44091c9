/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_CORE_MATCHING_H
#define VMRT_PARSER_ENGINE_CORE_MATCHING_H

/* Which threads are a declared task's. */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/engine.h>

#define MATCH_BOOSTED 32

/* Threads of one process, as far as they are known. */
struct match_process {
	struct match_thread {
		int32_t tid; /* 0: free */
		bool out;    /* it is known not to be one of them */
		bool by_name;
	} * slots;
	size_t mask, used;
};

/* What a thread must be to be a task's. */
struct match_rule {
	uint32_t task;
	int rank;	     /* the rule with the least rank that fits is taken */
	int32_t tid;	     /* 0: any */
	const char *name;    /* NULL: any */
	const char *pattern; /* NULL: any */
	int prio;	     /* kernel priority, or MATCH_ANY_PRIO */
	const char *process; /* pattern of the process' name; NULL: any, or by pid */
	int32_t pid;	     /* of the process; 0: any, or by name */
	struct match_process threads;
};

struct matching {
	const struct vmrt_engine_machine *config;
	struct match_rule *rules; /* by rank */
	size_t n;
	uint64_t initials[4]; /* bits: what names of threads that may fit begin with */
	bool by_process;
	int32_t boosted[MATCH_BOOSTED]; /* threads whose priority is inherited; 0: free */
};

/** matching_init - make the rules of the tasks of machine @config; false without memory */
bool matching_init(struct matching *m, const struct vmrt_experiment *exp,
	const struct vmrt_engine_machine *config);

/** matching_may_fit - false: by the first letter of @comm no rule fits */
static inline bool matching_may_fit(const struct matching *m, const char *comm)
{
	unsigned char c = (unsigned char)comm[0];

	return m->initials[c / 64] >> c % 64 & 1;
}

/**
 * matching_find - the task that a thread belongs to
 * @comm: its name, which may fill 16 bytes
 * @prio: its kernel priority, or PRIO_UNKNOWN
 *
 * Return: the task's number, or VMRT_NONE.
 */
uint32_t matching_find(struct matching *m, int32_t tid, const char *comm, int prio);

/**
 * matching_fork - thread @parent made @child; false without memory
 * @comm: the child's name, which is the parent's, too, at that time; may be NULL
 */
bool matching_fork(struct matching *m, int32_t parent, int32_t child, const char *comm);

/** matching_exec - @tid begins another program */
void matching_exec(struct matching *m, int32_t tid);

/** matching_exit - thread @tid is gone */
void matching_exit(struct matching *m, int32_t tid);

/** matching_boost - @tid inherits a priority, or no longer does */
void matching_boost(struct matching *m, int32_t tid, bool boosted);

void matching_free(struct matching *m);

#endif

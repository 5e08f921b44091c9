/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_RUN_HSF_H
#define VMRT_HSF_RUN_HSF_H

/*
 * A run of vmrt-hsf: servers for virtual machines, enforced from user space. It uses hsf/rules
 * (policies as pure functions of times), hsf/enforce (sets priorities by these rules), hsf/guard
 * (restores the settings of threads) and hsf/control (the socket).
 */

#include <pthread.h>
#include <stdio.h>

#include <vmrt/experiment.h>
#include <vmrt/status.h>
#include <vmrt/units.h>
#include <vmrt/vms.h>

#include "hsf/enforce/server.h"
#include "hsf/enforce/settings.h"
#include "hsf/guard/guardian.h"
#include "hsf/rules/admission.h"

#define HSF_MAX_LOCKS 256
#define HSF_STATE_AGE_NS (200 * VMRT_NS_PER_MS) /* clients get figures that are at most so old */

/* ---- a run: prepare.c, members.c, run.c ---- */

struct hsf_options {
	const char *experiment;		      /* the file that is read */
	const char *called;		      /* the name of the file in messages and status */
	const char *servers[HSF_MAX_SERVERS]; /* names of servers that the user chose; none: all
						 servers of the file */
	size_t n_servers;
	const char *instance;
	int64_t duration_ns; /* 0: until stopped */
	int notify_fd;	     /* -1: none */
	int cpu;	     /* -1: the CPU to which the vCPU threads are confined */
	bool force;
	const char *stats; /* file for the figures; NULL: stderr */
	bool quiet;
	bool no_wait; /* VMs must run at the beginning, and the run ends with the last of them */
	const char *socket; /* path; NULL: the usual one; "none": no socket */
	const char *group;  /* group whose members may use the socket, too */
};

/* A server that is bound to a VM: the VM was found and locked, and the servers of its CPU fit. */
struct hsf_bound {
	struct vmrt_server_spec spec;
	struct vmrt_vm *vm; /* as last seen */
	bool any_process;   /* the VM is not given by one process: it must be searched for again */
	int cpu;
	struct hsf_enforcer *enforcer;
	struct hsf_server *server; /* NULL: not enforced */
};

/* A wanted server: the user declared it, whether or not its VM runs. */
struct hsf_wanted {
	struct vmrt_server_spec spec;
	struct hsf_bound *bound;   /* NULL: the server waits for its VM */
	char why[VMRT_ERROR_TEXT]; /* why the server waits; "": it does not */
	struct hsf_state
		*state;	 /* figures as last read from the enforcer; the structure is large */
	int64_t read_ns; /* when state was read */
};

struct hsf_run {
	FILE *figures; /* --stats */
	const struct hsf_options *opts;
	struct vmrt_experiment *exp;
	struct hsf_wanted *wanted[HSF_MAX_SERVERS];
	size_t n_wanted;
	struct hsf_bound *bound[HSF_MAX_SERVERS]; /* servers whose VM was found */
	size_t n;
	int locks[HSF_MAX_LOCKS]; /* one for each process with members */
	pid_t locked[HSF_MAX_LOCKS];
	size_t n_locks;
	size_t n_held; /* of locks; the guardian holds so many, too */
	struct hsf_control *control;
	struct json_object *cpus; /* the reply about CPUs as last sent */
	int64_t cpus_ns;	  /* when cpus was made */
	struct hsf_guardian *guardian;
	struct vmrt_marker *marker;
	struct hsf_enforcer *enforcers[HSF_MAX_SERVERS];
	size_t n_enforcers;
	int64_t begun_ns;
};

/**
 * hsf_bound_new - bind a server to its VM, if it can be enforced (prepare.c)
 * @out: its VM has been found and locked; nothing is changed yet; free it with hsf_bound_free()
 *
 * Return: VMRT_OK, VMRT_ENOENT (no such VM), VMRT_EEXIST (another vmrt-hsf has it), VMRT_ERANGE,
 * VMRT_EUNSUPPORTED.
 */
enum vmrt_status hsf_bound_new(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_bound **out, struct vmrt_error *err);

/** hsf_bound_check - can @spec be enforced? Checks everything that does not depend on a VM
 * (prepare.c) */
enum vmrt_status hsf_bound_check(
	const struct hsf_run *r, const struct vmrt_server_spec *spec, struct vmrt_error *err);

/** hsf_bound_free - release and free @p, and the lock on its VM if no other server needs it; NULL
 * is allowed (prepare.c) */
void hsf_bound_free(struct hsf_run *r, struct hsf_bound *p);

/** hsf_bound_enforce - make the threads members; their budgets begin at the next point of the grid
 * of @t0 (members.c) */
enum vmrt_status hsf_bound_enforce(
	struct hsf_run *r, struct hsf_bound *p, int64_t t0, struct vmrt_error *err);

/** hsf_bound_release - end the enforcement of @p; the threads keep their current settings
 * (members.c) */
void hsf_bound_release(struct hsf_run *r, struct hsf_bound *p);

/** hsf_bound_add_new_threads - make threads members that the VM has started meanwhile (members.c)
 */
void hsf_bound_add_new_threads(struct hsf_run *r, struct hsf_bound *p);

/* ---- servers come and go, and their VMs: wanted.c ---- */

/** hsf_run_prepare - read the experiment file and find the servers' VMs and CPUs, as far as the VMs
 * run */
enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err);

/**
 * hsf_wanted_add - add a server, which waits for its VM if the VM does not run
 *
 * Return: VMRT_OK, VMRT_EEXIST, VMRT_ERANGE, or as hsf_bound_check().
 */
enum vmrt_status hsf_wanted_add(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_wanted **out, struct vmrt_error *err);

/**
 * hsf_wanted_enforce - enforce @wanted, if its VM runs and the servers fit
 * @force: also if the servers do not fit
 *
 * Return: VMRT_OK; else it waits, for the reason given: VMRT_ENOENT (no such VM), VMRT_EBUSY (does
 * not fit), VMRT_EEXIST (another vmrt-hsf has it) or another.
 */
enum vmrt_status hsf_wanted_enforce(
	struct hsf_run *r, struct hsf_wanted *wanted, bool force, struct vmrt_error *err);

/**
 * hsf_wanted_split - if the VM of @wanted runs and has several vCPUs, replace @wanted by a server
 * for each vCPU
 *
 * @wanted becomes the server of the first vCPU, the others are added.
 *
 * Return: VMRT_OK, also if there is nothing to do; VMRT_EEXIST or VMRT_ERANGE.
 */
enum vmrt_status hsf_wanted_split(
	struct hsf_run *r, struct hsf_wanted *wanted, struct vmrt_error *err);

/** hsf_wanted_is - is @wanted the server called @name, or a part of it? */
bool hsf_wanted_is(const struct hsf_wanted *wanted, const char *name);

/** hsf_wanted_change - change parameters; returns the same as hsf_wanted_enforce(), or
 * VMRT_EUNSUPPORTED if the server must be detached and attached for this change */
enum vmrt_status hsf_wanted_change(struct hsf_run *r, struct hsf_wanted *wanted,
	const struct vmrt_server_spec *spec, bool force, struct vmrt_error *err);

/** hsf_wanted_remove - restore the settings of the threads and remove @wanted; returns 0, or -1 if
 * a thread could not be restored */
int hsf_wanted_remove(struct hsf_run *r, struct hsf_wanted *wanted);

/** hsf_run_update - find VMs that were started or have ended, and new threads; false if there is
 * nothing left to enforce */
bool hsf_run_update(struct hsf_run *r);

/** hsf_run_write_server - write the figures of @wanted so far to the file of --stats, or to stderr
 */
void hsf_run_write_server(struct hsf_run *r, struct hsf_wanted *wanted);

/** hsf_wanted_state - figures of @wanted, at most 0.2 s old; NULL if it waits */
const struct hsf_state *hsf_wanted_state(struct hsf_wanted *wanted);

/* ---- requests of the socket: control-ops.c ---- */

/** hsf_run_serve - answer the requests of clients */
void hsf_run_serve(struct hsf_run *r);

/** hsf_recover - restore the settings that killed instances had changed; returns an enum vmrt_exit
 * (run.c) */
int hsf_recover(void);

/** hsf_run - enforce until stopped; returns an enum vmrt_exit (run.c) */
int hsf_run(const struct hsf_options *opts);

/** hsf_report_server - write the figures of one server as text to @out; @state as read from its
 * enforcer (figures.c) */
void hsf_report_server(FILE *out, const struct hsf_bound *p, const struct hsf_state *state);

/** hsf_report_cost - write what enforcing on one CPU cost in @ran_ns as text to @out (figures.c) */
void hsf_report_cost(FILE *out, int cpu, const struct hsf_cost *cost, int64_t ran_ns);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_RUN_HSF_H
#define VMRT_HSF_RUN_HSF_H

/*
 * A run of vmrt-hsf: servers for virtual machines, enforced from user space. Below it, hsf/rules
 * has the policies as pure functions of times, hsf/enforce carries out what they say, hsf/guard
 * gives back what was changed, hsf/control is the socket.
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
#define HSF_STATE_AGE_NS (200 * VMRT_NS_PER_MS) /* of what clients get */

/* ---- a run: prepare.c, members.c, run.c ---- */

struct hsf_options {
	const char *experiment;
	const char *servers[HSF_MAX_SERVERS]; /* names asked for */
	size_t n_servers;
	const char *instance;
	int64_t duration_ns; /* 0: until stopped */
	int notify_fd;	     /* -1: none */
	int cpu;	     /* -1: where the vCPU threads are */
	bool force;
	const char *stats; /* file for the figures; NULL: stderr */
	bool quiet;
	bool no_wait;	    /* VMs must be there, and the run ends with the last of them */
	const char *socket; /* NULL: the usual one; "none" */
	const char *group;  /* may ask, too */
};

/* A server that is bound to a VM: the VM was found and locked, and the servers of its CPU fit. */
struct hsf_bound {
	struct vmrt_server_spec spec;
	struct vmrt_vm *vm; /* as last seen */
	bool any_process;   /* not of one process: what it is must be looked for again */
	int cpu;
	struct hsf_enforcer *enforcer;
	struct hsf_server *server; /* NULL: not enforced */
};

/* A wanted server: it was asked for, whether or not its VM is there. */
struct hsf_wanted {
	struct vmrt_server_spec spec;
	struct hsf_bound *bound;   /* NULL: it waits */
	char why[VMRT_ERROR_TEXT]; /* it waits, "" if it does not */
	struct hsf_state *state;   /* as last read; large */
	int64_t read_ns;	   /* when that was */
};

struct hsf_run {
	FILE *figures; /* --stats */
	const struct hsf_options *opts;
	struct vmrt_experiment *exp;
	struct hsf_wanted *wanted[HSF_MAX_SERVERS];
	size_t n_wanted;
	struct hsf_bound
		*bound[HSF_MAX_SERVERS]; /* those of the wanted servers whose VM is there */
	size_t n;
	int locks[HSF_MAX_LOCKS]; /* one for each process with members */
	pid_t locked[HSF_MAX_LOCKS];
	size_t n_locks;
	size_t n_held; /* of them by the guardian, too */
	struct hsf_control *control;
	struct json_object *cpus; /* as last sent */
	int64_t cpus_ns;	  /* when that was */
	struct hsf_guardian *guardian;
	struct vmrt_marker *marker;
	struct hsf_enforcer *enforcers[HSF_MAX_SERVERS];
	size_t n_enforcers;
	int64_t begun_ns;
};

/**
 * hsf_bound_new - a server to be enforced, if it can be (prepare.c)
 * @out: its VM has been found and locked; nothing is changed yet; free it with hsf_bound_free()
 *
 * Return: VMRT_OK, VMRT_ENOENT (no such VM), VMRT_EEXIST (another vmrt-hsf has it), VMRT_ERANGE,
 * VMRT_EUNSUPPORTED.
 */
enum vmrt_status hsf_bound_new(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_bound **out, struct vmrt_error *err);

/** hsf_bound_check - can @spec be enforced, as far as that does not depend on a VM? (prepare.c) */
enum vmrt_status hsf_bound_check(
	const struct hsf_run *r, const struct vmrt_server_spec *spec, struct vmrt_error *err);

/** hsf_bound_free - release and free @p, and the lock on its VM if no other server needs it; NULL
 * is allowed (prepare.c) */
void hsf_bound_free(struct hsf_run *r, struct hsf_bound *p);

/** hsf_bound_enforce - make the threads members and give them budgets on the grid of @t0, as soon
 * as can be (members.c) */
enum vmrt_status hsf_bound_enforce(
	struct hsf_run *r, struct hsf_bound *p, int64_t t0, struct vmrt_error *err);

/** hsf_bound_release - do not enforce it any more; its threads keep the settings they have
 * (members.c) */
void hsf_bound_release(struct hsf_run *r, struct hsf_bound *p);

/** hsf_bound_add_new_threads - make threads that its VM has started since members, too (members.c)
 */
void hsf_bound_add_new_threads(struct hsf_run *r, struct hsf_bound *p);

/* ---- servers come and go, and their VMs: wanted.c ---- */

/** hsf_run_prepare - read the experiment file and find the servers' VMs and CPUs, as far as they
 * are there */
enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err);

/**
 * hsf_wanted_add - a further server, which waits for its VM if that is not there
 *
 * Return: VMRT_OK, VMRT_EEXIST, VMRT_ERANGE, or as hsf_bound_check().
 */
enum vmrt_status hsf_wanted_add(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_wanted **out, struct vmrt_error *err);

/**
 * hsf_wanted_enforce - if the VM of @wanted is there and the servers fit, enforce it
 * @force: also if they do not fit
 *
 * Return: VMRT_OK; else it waits, for the reason given: VMRT_ENOENT (no such VM), VMRT_EBUSY (does
 * not fit), VMRT_EEXIST (another vmrt-hsf has it) or another.
 */
enum vmrt_status hsf_wanted_enforce(
	struct hsf_run *r, struct hsf_wanted *wanted, bool force, struct vmrt_error *err);

/**
 * hsf_wanted_split - if its VM is there and has several vCPUs, make a server of each vCPU out of
 * @wanted
 *
 * @wanted becomes the first of them, those of the others are added.
 *
 * Return: VMRT_OK, also if there is nothing to do; VMRT_EEXIST or VMRT_ERANGE.
 */
enum vmrt_status hsf_wanted_split(
	struct hsf_run *r, struct hsf_wanted *wanted, struct vmrt_error *err);

/** hsf_wanted_is - is @wanted the server called @name, or a part of it? */
bool hsf_wanted_is(const struct hsf_wanted *wanted, const char *name);

/** hsf_wanted_change - other parameters; the same results as hsf_wanted_enforce(),
 * VMRT_EUNSUPPORTED if it must be attached anew */
enum vmrt_status hsf_wanted_change(struct hsf_run *r, struct hsf_wanted *wanted,
	const struct vmrt_server_spec *spec, bool force, struct vmrt_error *err);

/** hsf_wanted_remove - its threads get back what they had, and it is forgotten; 0, or -1 if one did
 * not get it */
int hsf_wanted_remove(struct hsf_run *r, struct hsf_wanted *wanted);

/** hsf_run_update - VMs that have come and gone, and their new threads; false if there is nothing
 * left to enforce */
bool hsf_run_update(struct hsf_run *r);

/** hsf_run_write_server - the figures of @wanted so far to where they are wanted */
void hsf_run_write_server(struct hsf_run *r, struct hsf_wanted *wanted);

/** hsf_wanted_state - what it does, at most 0.2 s old; NULL if it waits */
const struct hsf_state *hsf_wanted_state(struct hsf_wanted *wanted);

/* ---- what was asked over the socket: control-ops.c ---- */

/** hsf_run_serve - answer what clients ask */
void hsf_run_serve(struct hsf_run *r);

/** hsf_recover - give back what instances had changed that were killed; returns an enum vmrt_exit
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

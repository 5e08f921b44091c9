/* SPDX-License-Identifier: MIT */
/* A run from the experiment file to the figures at its end. Only the enforcers are real-time here.
 */
#include "hsf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "hsf/control/control.h"
#include "hsf/guard/guardian.h"
#include "hsf/guard/vm-lock.h"

/* from the start to the first replenishment, for each server */
#define LEAD_NS (10 * VMRT_NS_PER_MS)
#define UPDATE_EVERY_NS VMRT_NS_PER_S /* between searches for new VMs and threads */

static enum vmrt_status begin(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		vmrt_warn("memory could not be locked, enforcing may be late: %s", strerror(errno));
	r->begun_ns = vmrt_now_ns() + (int64_t)(1 + r->n) * LEAD_NS;
	for (size_t i = 0; i < r->n_wanted && status == VMRT_OK; i++)
		if (r->wanted[i]->bound)
			status = hsf_wanted_enforce(r, r->wanted[i], r->opts->force, err);
	return status;
}

static void say_begun(const struct hsf_run *r)
{
	for (size_t i = 0; i < r->n_wanted; i++) {
		const struct hsf_wanted *wanted = r->wanted[i];

		if (wanted->bound)
			vmrt_say("server %s: VM %s on CPU %d", wanted->spec.name,
				wanted->bound->vm->name, wanted->bound->cpu);
		else
			vmrt_say("server %s waits: %s", wanted->spec.name, wanted->why);
	}
}

static void notify(struct hsf_run *r, bool *done)
{
	if (*done)
		return;
	for (size_t i = 0; i < r->n_enforcers; i++)
		if (!hsf_enforcer_begun(r->enforcers[i]))
			return;
	*done = true;
	say_begun(r);
	if (r->opts->notify_fd >= 0) {
		if (vmrt_write_all(r->opts->notify_fd, "1\n", 2) != 0)
			vmrt_warn("cannot write to descriptor %d: %s", r->opts->notify_fd,
				strerror(errno));
		close(r->opts->notify_fd);
	}
}

/* How long to wait: until the end of the run, the next search for VMs, or the end of a client's
 * patience. */
static int wait_ms(const struct hsf_run *r, int64_t end, int64_t update_ns)
{
	int64_t until = r->opts->duration_ns && end < update_ns ? end : update_ns,
		left = until - vmrt_now_ns();
	int patience = r->control ? hsf_control_timeout(r->control) : -1;
	int ms = left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;

	return patience >= 0 && patience < ms ? patience : ms;
}

#define MAX_FDS (3 + HSF_MAX_SERVERS + 1 + HSF_CLIENTS)

/* Waits for messages of the enforcers and processes them. Returns false if a guardian has died. */
static bool wait_for_news(struct hsf_run *r, int ms)
{
	struct pollfd fds[MAX_FDS];
	nfds_t n = 0, news;
	int guardians[2];

	hsf_guardian_fds(r->guardian, guardians);
	fds[n++] = (struct pollfd){.fd = guardians[0], .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = guardians[1], .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = vmrt_stop_fd(), .events = POLLIN};
	for (news = n; n - news < r->n_enforcers; n++)
		fds[n] = (struct pollfd){
			.fd = hsf_enforcer_fd(r->enforcers[n - news]), .events = POLLIN};
	if (r->control)
		n += hsf_control_fds(r->control, &fds[n]);
	if (poll(fds, n, ms) <= 0)
		return true;
	for (nfds_t i = news; i < news + r->n_enforcers; i++) {
		uint64_t count;

		if (fds[i].revents)
			(void)!read(fds[i].fd, &count, sizeof(count));
	}
	return !fds[0].revents && !fds[1].revents;
}

static bool any_gone(const struct hsf_run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (hsf_server_gone(r->bound[i]->server))
			return true;
	return false;
}

/* Runs until the user stops it, the duration is over, or there is nothing left to enforce. */
static int supervise(struct hsf_run *r)
{
	int64_t end = r->begun_ns + r->opts->duration_ns, update_ns = r->begun_ns + UPDATE_EVERY_NS;
	bool notified = false;

	for (;;) {
		bool guarded = wait_for_news(r, wait_ms(r, end, update_ns));

		if (vmrt_stop_requested() || (r->opts->duration_ns && vmrt_now_ns() >= end))
			return VMRT_EXIT_DONE;
		if (!guarded) {
			vmrt_warn("a guardian process was killed: giving all threads their "
				  "settings back");
			return VMRT_EXIT_FAILED;
		}
		notify(r, &notified);
		if (r->control)
			hsf_run_serve(r);
		if (vmrt_now_ns() < update_ns && !any_gone(r))
			continue;
		if (!hsf_run_update(r))
			return VMRT_EXIT_FAILED;
		update_ns = vmrt_now_ns() + UPDATE_EVERY_NS;
	}
}

void hsf_run_write_server(struct hsf_run *r, struct hsf_wanted *wanted)
{
	if (!r->figures && r->opts->quiet)
		return;
	wanted->read_ns = 0;
	if (hsf_wanted_state(wanted))
		hsf_report_server(r->figures ? r->figures : stderr, wanted->bound, wanted->state);
}

/* Writes the figures of all servers, before they are removed. */
static int write_figures(struct hsf_run *r, int64_t ran_ns)
{
	FILE *out = r->figures ? r->figures : stderr;
	struct hsf_cost *cost;
	int failed;

	if (!r->figures && r->opts->quiet)
		return VMRT_EXIT_DONE;
	for (size_t i = 0; i < r->n_wanted; i++)
		hsf_run_write_server(r, r->wanted[i]);
	cost = calloc(1, sizeof(*cost));
	for (size_t i = 0; cost && i < r->n_enforcers; i++) {
		hsf_enforcer_cost(r->enforcers[i], cost);
		hsf_report_cost(out, hsf_enforcer_cpu(r->enforcers[i]), cost, ran_ns);
	}
	failed = !cost || fflush(out) != 0 || ferror(out);
	free(cost);
	if (r->figures && failed) {
		vmrt_warn("cannot write %s", r->opts->stats);
		return VMRT_EXIT_FAILED;
	}
	return VMRT_EXIT_DONE;
}

/* Restores the settings of all threads; returns VMRT_EXIT_FAILED if one could not be restored. */
static int finish(struct hsf_run *r)
{
	int exit_status = VMRT_EXIT_DONE;

	/* the socket is closed first, so that no client sees servers that have ended */
	hsf_control_close(r->control);
	for (size_t i = 0; i < r->n; i++)
		hsf_bound_release(r, r->bound[i]);
	if (r->guardian && hsf_guardian_finish(r->guardian) != 0)
		exit_status = VMRT_EXIT_FAILED;
	for (size_t i = 0; i < r->n_enforcers; i++)
		hsf_enforcer_free(r->enforcers[i]);
	vmrt_marker_close(r->marker);
	return exit_status;
}

static void free_run(struct hsf_run *r)
{
	while (r->n_wanted) {
		struct hsf_wanted *wanted = r->wanted[--r->n_wanted];

		hsf_bound_free(r, wanted->bound);
		free(wanted->state);
		free(wanted);
	}
	json_object_put(r->cpus);
	if (r->figures)
		fclose(r->figures);
	vmrt_experiment_free(r->exp);
}

/* Opens the socket. An error is only a warning, unless the user gave --socket or --group. */
static enum vmrt_status listen_to_clients(struct hsf_run *r, struct vmrt_error *err)
{
	const struct hsf_options *o = r->opts;
	enum vmrt_status status;

	if (o->socket && !strcmp(o->socket, "none"))
		return VMRT_OK;
	status = hsf_control_open(o->socket, o->group, &r->control, err);
	if (status == VMRT_OK || o->socket || o->group)
		return status;
	vmrt_warn("`vmrt-hsf status` and `set` cannot reach this vmrt-hsf: %s", err->text);
	return VMRT_OK;
}

static enum vmrt_status launch(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status;

	/* the guardian is forked first, so that it does not keep files open that are opened later
	 */
	status = hsf_guardian_start(&r->guardian, err);
	for (; r->n_held < r->n_locks && status == VMRT_OK; r->n_held++)
		hsf_guardian_hold(r->guardian, r->locks[r->n_held]);
	if (status == VMRT_OK)
		status = vmrt_marker_open(r->opts->instance, &r->marker, err);
	if (status == VMRT_OK)
		status = begin(r, err);
	if (status == VMRT_OK)
		status = listen_to_clients(r, err);
	return status;
}

int hsf_recover(void)
{
	int threads, failed = hsf_table_recover(&threads);

	hsf_control_sweep();
	vm_lock_sweep();
	if (threads)
		vmrt_say("%d threads that a killed vmrt-hsf had changed have their former "
			 "scheduling back",
			threads);
	return failed ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
}

int hsf_run(const struct hsf_options *opts)
{
	struct hsf_run r = {.opts = opts};
	int exit_status = VMRT_EXIT_FAILED, written = VMRT_EXIT_DONE, restored;
	enum vmrt_status status;
	struct vmrt_error err;

	/* the file is opened first, so that an error shows before hours of enforcement */
	if (opts->stats) {
		r.figures = fopen(opts->stats, "we");
		if (!r.figures) {
			vmrt_fail_errno(&err, errno, "cannot write %s", opts->stats);
			vmrt_complain(&err);
			return VMRT_EXIT_FAILED;
		}
	}
	/* a stopped enforcer would leave its VMs raised and unwatched */
	signal(SIGTSTP, SIG_IGN);
	/* a shell's script lets its background programs ignore ^C, but this one has to end with the
	 * script */
	signal(SIGINT, vmrt_request_stop);
	signal(SIGTERM, vmrt_request_stop);
	hsf_recover();
	status = hsf_run_prepare(&r, &err);
	if (status == VMRT_OK)
		status = launch(&r, &err);
	if (status == VMRT_OK)
		exit_status = supervise(&r);
	else
		vmrt_complain(&err);
	if (status == VMRT_EBUSY)
		exit_status = VMRT_EXIT_VIOLATED;
	if (status == VMRT_OK)
		written = write_figures(&r, vmrt_now_ns() - r.begun_ns);
	restored = finish(&r);
	if (exit_status == VMRT_EXIT_DONE)
		exit_status = restored == VMRT_EXIT_DONE ? written : restored;
	free_run(&r);
	return exit_status;
}

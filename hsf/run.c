/* SPDX-License-Identifier: MIT */
/* A run from the experiment file to the figures at its end. Only the enforcers are real-time here. */
#include "hsf.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "guardian.h"

#define LEAD_NS (10 * VMRT_NS_PER_MS) /* from the start to the first replenishment */
#define LOOK_FOR_THREADS_MS 1000

static enum vmrt_status begin(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		vmrt_warn("memory could not be locked, enforcing may be late: %s", strerror(errno));
	r->begun_ns = vmrt_now_ns() + LEAD_NS;
	for (size_t i = 0; i < r->n && status == VMRT_OK; i++)
		status = hsf_place_enforce(r, r->places[i], r->begun_ns, err);
	return status;
}

/* Says which VMs have ended; true if there is none left. */
static bool all_gone(struct hsf_run *r)
{
	bool all = true;

	for (size_t i = 0; i < r->n; i++) {
		struct hsf_place *p = r->places[i];

		if (!p->server || !hsf_server_gone(p->server)) {
			all = false;
		} else if (!p->gone) {
			p->gone = true;
			vmrt_warn("VM %s of server %s has ended", p->vm->name, p->spec.name);
		}
	}
	return all;
}

static void notify(struct hsf_run *r, bool *done)
{
	for (size_t i = 0; i < r->n_enforcers; i++)
		if (!hsf_enforcer_begun(r->enforcers[i]))
			return;
	if (*done)
		return;
	*done = true;
	for (size_t i = 0; i < r->n; i++)
		vmrt_say("server %s: VM %s on CPU %d", r->places[i]->spec.name, r->places[i]->vm->name,
			r->places[i]->cpu);
	if (r->opts->notify_fd >= 0) {
		if (vmrt_write_all(r->opts->notify_fd, "1\n", 2) != 0)
			vmrt_warn("cannot write to descriptor %d: %s", r->opts->notify_fd, strerror(errno));
		close(r->opts->notify_fd);
	}
}

static int wait_ms(const struct hsf_run *r, int64_t end)
{
	int64_t left = end - vmrt_now_ns();

	if (!r->opts->duration_ns || left > LOOK_FOR_THREADS_MS * VMRT_NS_PER_MS)
		return LOOK_FOR_THREADS_MS;
	return left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;
}

/* Until a stop is asked for, the duration is over or there is nothing left to enforce. */
static int supervise(struct hsf_run *r)
{
	int64_t end = r->begun_ns + r->opts->duration_ns, look = r->begun_ns;
	struct pollfd fds[3 + HSF_MAX_SERVERS];
	nfds_t n = 0;
	bool notified = false;
	int guardians[2];

	hsf_guardian_fds(r->guardian, guardians);
	fds[n++] = (struct pollfd){.fd = vmrt_stop_fd(), .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = guardians[0], .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = guardians[1], .events = POLLIN};
	for (size_t i = 0; i < r->n_enforcers; i++)
		fds[n++] = (struct pollfd){.fd = hsf_enforcer_fd(r->enforcers[i]), .events = POLLIN};
	for (;;) {
		int got = poll(fds, n, wait_ms(r, end));
		uint64_t news;

		if (vmrt_stop_requested() || (r->opts->duration_ns && vmrt_now_ns() >= end))
			return VMRT_EXIT_DONE;
		if (got > 0 && (fds[1].revents || fds[2].revents)) {
			vmrt_warn("a guardian process was killed: giving all threads their settings back");
			return VMRT_EXIT_FAILED;
		}
		for (nfds_t i = 3; got > 0 && i < n; i++)
			if (fds[i].revents)
				(void)!read(fds[i].fd, &news, sizeof(news));
		notify(r, &notified);
		if (all_gone(r))
			return VMRT_EXIT_FAILED;
		if (vmrt_now_ns() - look < LOOK_FOR_THREADS_MS * VMRT_NS_PER_MS)
			continue;
		look = vmrt_now_ns();
		for (size_t i = 0; i < r->n; i++)
			hsf_place_add_new_threads(r, r->places[i]);
	}
}

/* While there are still servers to ask. */
static int write_figures(struct hsf_run *r, int64_t ran_ns)
{
	FILE *out = r->figures ? r->figures : stderr;
	struct hsf_state *state;
	struct hsf_cost *cost;
	int failed;

	if (!r->figures && r->opts->quiet)
		return VMRT_EXIT_DONE;
	state = calloc(1, sizeof(*state));
	cost = calloc(1, sizeof(*cost));
	for (size_t i = 0; state && i < r->n; i++) {
		hsf_enforcer_read(r->places[i]->enforcer, r->places[i]->server, state);
		hsf_report_server(out, r->places[i], state);
	}
	for (size_t i = 0; cost && i < r->n_enforcers; i++) {
		hsf_enforcer_cost(r->enforcers[i], cost);
		hsf_report_cost(out, hsf_enforcer_cpu(r->enforcers[i]), cost, ran_ns);
	}
	failed = !state || !cost || fflush(out) != 0 || ferror(out);
	free(state);
	free(cost);
	if (r->figures && failed) {
		vmrt_warn("cannot write %s", r->opts->stats);
		return VMRT_EXIT_FAILED;
	}
	return VMRT_EXIT_DONE;
}

/* Gives everything back; returns VMRT_EXIT_FAILED if a thread could not be restored. */
static int finish(struct hsf_run *r)
{
	int exit_status = VMRT_EXIT_DONE;

	for (size_t i = 0; i < r->n; i++)
		hsf_place_release(r, r->places[i]);
	if (r->guardian && hsf_guardian_finish(r->guardian) != 0)
		exit_status = VMRT_EXIT_FAILED;
	for (size_t i = 0; i < r->n_enforcers; i++)
		hsf_enforcer_free(r->enforcers[i]);
	vmrt_marker_close(r->marker);
	return exit_status;
}

static void free_run(struct hsf_run *r)
{
	while (r->n)
		hsf_place_free(r, r->places[r->n - 1]);
	if (r->figures)
		fclose(r->figures);
	vmrt_experiment_free(r->exp);
}

static enum vmrt_status launch(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status;

	/* forked first: what is opened later must not be kept open by it */
	status = hsf_guardian_start(&r->guardian, err);
	for (size_t i = 0; i < r->n_locks && status == VMRT_OK; i++)
		hsf_guardian_hold(r->guardian, r->locks[i]);
	if (status == VMRT_OK)
		status = vmrt_marker_open(r->opts->instance, &r->marker, err);
	if (status == VMRT_OK)
		status = begin(r, err);
	return status;
}

static enum vmrt_status admit(struct hsf_run *r, struct vmrt_error *err)
{
	struct hsf_demand d[HSF_MAX_SERVERS];
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->places[i]->spec.policy != VMRT_POLICY_NONE)
			hsf_demand_from(&r->places[i]->spec, r->places[i]->cpu, &d[n++]);
	if (hsf_admission(d, n, err) == VMRT_OK)
		return VMRT_OK;
	if (!r->opts->force)
		return VMRT_EBUSY;
	vmrt_warn("%s", err->text);
	return VMRT_OK;
}

int hsf_recover(void)
{
	int threads, failed = hsf_table_recover(&threads);

	if (threads)
		vmrt_say("%d threads that a killed vmrt-hsf had changed have their former scheduling back", threads);
	return failed ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
}

int hsf_run(const struct hsf_options *opts)
{
	struct hsf_run r = {.opts = opts};
	int exit_status = VMRT_EXIT_FAILED, written = VMRT_EXIT_DONE, restored;
	enum vmrt_status status;
	struct vmrt_error err;

	/* opened before hours of enforcing, not behind them */
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
	/* a shell's script has what it starts in the background ignore ^C, but this is to end with the script */
	signal(SIGINT, vmrt_request_stop);
	signal(SIGTERM, vmrt_request_stop);
	hsf_recover();
	status = hsf_run_prepare(&r, &err);
	if (status == VMRT_OK) {
		status = admit(&r, &err);
		if (status == VMRT_EBUSY)
			exit_status = VMRT_EXIT_VIOLATED;
	}
	if (status == VMRT_OK)
		status = launch(&r, &err);
	if (status == VMRT_OK)
		exit_status = supervise(&r);
	else
		vmrt_complain(&err);
	if (status == VMRT_OK)
		written = write_figures(&r, vmrt_now_ns() - r.begun_ns);
	restored = finish(&r);
	if (exit_status == VMRT_EXIT_DONE)
		exit_status = restored == VMRT_EXIT_DONE ? written : restored;
	free_run(&r);
	return exit_status;
}

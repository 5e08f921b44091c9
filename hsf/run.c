/* SPDX-License-Identifier: MIT */
/* A run from the experiment file to the figures at its end. Only the enforcers are real-time here. */
#include "hsf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#define LEAD_NS (10 * VMRT_NS_PER_MS) /* from the start to the first replenishment */
#define LOOK_FOR_THREADS_MS 1000
#define SAFE_UTILISATION 0.95 /* what the kernel leaves to real-time threads by default */

struct run {
	const struct hsf_options *opts;
	struct vmrt_experiment *exp;
	struct hsf_server *servers;
	struct vmrt_vm **vms; /* as last seen, one for each server */
	bool *gone;	      /* said so */
	int locks[HSF_MAX_SERVERS];
	size_t n_locks;
	size_t n;
	struct hsf_guardian *guardian;
	struct vmrt_marker *marker;
	struct hsf_enforcer *enforcers[HSF_MAX_SERVERS];
	size_t n_enforcers;
	int64_t begun_ns, cpu_ns;
};

static bool wanted(const struct hsf_options *opts, const struct vmrt_server_spec *spec)
{
	if (!opts->n_servers)
		return spec->policy != VMRT_POLICY_NONE;
	for (size_t i = 0; i < opts->n_servers; i++)
		if (!strcmp(opts->servers[i], spec->name))
			return true;
	return false;
}

static enum vmrt_status check_supported(
	const char *path, const struct vmrt_server_spec *spec, struct vmrt_error *err)
{
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];

	if (!hsf_rules_for(spec->policy))
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: policy %s of server %s is not enforced; supported: %s", path, spec->line,
			vmrt_policy_name(spec->policy), spec->name, hsf_rules_names());
	if (spec->depletion != VMRT_DEPLETION_SOFT)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: depletion %s of server %s is not enforced; supported: soft", path, spec->line,
			vmrt_depletion_name(spec->depletion), spec->name);
	if (spec->period_ns < HSF_LEAST_PERIOD_NS || spec->budget_ns < HSF_LEAST_BUDGET_NS)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: server %s is too fine to be enforced: give it a period of at least %s and a "
			"budget of at least %s",
			path, spec->line, spec->name, vmrt_format_duration(HSF_LEAST_PERIOD_NS, period),
			vmrt_format_duration(HSF_LEAST_BUDGET_NS, budget));
	if (spec->priority + HSF_HELPER_ABOVE >= HSF_ENFORCER_PRIORITY)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: priority %d of server %s is too high: the VM's other threads run at %d, which "
			"must be below the enforcer's %d; give at most %d",
			path, spec->line, spec->priority, spec->name, spec->priority + HSF_HELPER_ABOVE,
			HSF_ENFORCER_PRIORITY, HSF_ENFORCER_PRIORITY - HSF_HELPER_ABOVE - 1);
	return VMRT_OK;
}

static enum vmrt_status choose_servers(struct run *r, struct vmrt_error *err)
{
	const struct hsf_options *opts = r->opts;
	enum vmrt_status status;

	for (size_t i = 0; i < opts->n_servers; i++)
		if (!vmrt_experiment_server(r->exp, opts->servers[i]))
			return vmrt_fail(err, VMRT_ENOENT, "%s: there is no server %s", opts->experiment,
				opts->servers[i]);
	for (size_t i = 0; i < r->exp->n_servers; i++)
		r->n += wanted(opts, &r->exp->servers[i]);
	if (!r->n)
		return vmrt_fail(err, VMRT_ENOENT, "%s: there is no server to enforce", opts->experiment);
	if (r->n > HSF_MAX_SERVERS)
		return vmrt_fail(err, VMRT_ERANGE, "%s: more than %d servers", opts->experiment,
			HSF_MAX_SERVERS);
	r->servers = calloc(r->n, sizeof(*r->servers));
	r->vms = calloc(r->n, sizeof(struct vmrt_vm *));
	r->gone = calloc(r->n, sizeof(bool));
	if (!r->servers || !r->vms || !r->gone)
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	for (size_t i = 0, k = 0; i < r->exp->n_servers; i++) {
		if (!wanted(opts, &r->exp->servers[i]))
			continue;
		status = check_supported(opts->experiment, &r->exp->servers[i], err);
		if (status != VMRT_OK)
			return status;
		hsf_latency_init(&r->servers[k].latency);
		r->servers[k++].spec = &r->exp->servers[i];
	}
	return VMRT_OK;
}

/* The CPU that all vCPU threads of @vm may run on, the first if there are several; -1 if none. */
static int common_cpu(const struct vmrt_vm *vm)
{
	cpu_set_t common;

	memset(&common, 0xff, sizeof(common));
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU)
			CPU_AND(&common, &common, &vm->threads[i].affinity);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &common))
			return cpu;
	return -1;
}

/*
 * Two enforcers on one VM would take each other's settings for the VM's own. The lock is on a file
 * of the VM's process, so it leaves nothing behind.
 */
static enum vmrt_status lock_vm(struct run *r, const struct hsf_server *s, struct vmrt_error *err)
{
	char path[64];
	int fd, errnum;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)s->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s of VM %s", path, s->vm);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return vmrt_fail(err, VMRT_EBUSY, "%s:%d: VM %s is already scheduled by another vmrt-hsf",
				r->opts->experiment, s->spec->line, s->vm);
		return vmrt_fail_errno(err, errnum, "cannot lock %s of VM %s", path, s->vm);
	}
	r->locks[r->n_locks++] = fd;
	return VMRT_OK;
}

static enum vmrt_status find_vm(struct run *r, size_t i, struct vmrt_error *err)
{
	struct hsf_server *s = &r->servers[i];
	const char *path = r->opts->experiment;
	struct vmrt_error why;
	enum vmrt_status status;

	status = vmrt_vm_get(s->spec->vm, &r->vms[i], &why);
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "%s:%d: server %s: %.350s", path, s->spec->line, s->spec->name,
			why.text);
	s->pid = r->vms[i]->pid;
	snprintf(s->vm, sizeof(s->vm), "%s", r->vms[i]->name);
	if (!r->vms[i]->n_vcpus)
		return vmrt_fail(err, VMRT_ENOENT,
			"%s:%d: server %s: no thread of VM %s is known as a vCPU: start QEMU with "
			"-name guest=%s,debug-threads=on",
			path, s->spec->line, s->spec->name, s->vm, s->vm);
	for (size_t k = 0; k < i; k++)
		if (r->servers[k].pid == s->pid)
			return vmrt_fail(err, VMRT_EINVAL, "%s:%d: VM %s already belongs to server %s", path,
				s->spec->line, s->vm, r->servers[k].spec->name);
	s->cpu = r->opts->cpu >= 0 ? r->opts->cpu : common_cpu(r->vms[i]);
	if (s->cpu < 0)
		return vmrt_fail(err, VMRT_EINVAL,
			"%s:%d: server %s: the vCPU threads of VM %s have no CPU in common; name one with --cpu",
			path, s->spec->line, s->spec->name, s->vm);
	return lock_vm(r, s, err);
}

/* Share of a CPU that the kernel leaves to SCHED_FIFO. */
static double real_time_share(void)
{
	static const char *const files[] = {
		"/proc/sys/kernel/sched_rt_runtime_us", "/proc/sys/kernel/sched_rt_period_us"};
	double values[2];

	for (int i = 0; i < 2; i++) {
		char *text;

		if (vmrt_read_file(files[i], 64, &text, NULL, NULL) != VMRT_OK)
			return SAFE_UTILISATION;
		values[i] = strtod(text, NULL);
		free(text);
	}
	/* a limit switched off (-1) leaves the kernel's own server for ordinary threads */
	if (values[0] < 0 || values[1] <= 0 || values[0] / values[1] > SAFE_UTILISATION)
		return SAFE_UTILISATION;
	return values[0] / values[1];
}

static void warn_of_throttling(const struct hsf_demand *d, size_t n)
{
	double share = real_time_share();

	for (size_t i = 0; i < n; i++) {
		bool first = true;

		for (size_t k = 0; k < i; k++)
			first = first && d[k].cpu != d[i].cpu;
		if (first && hsf_utilisation(d, n, d[i].cpu) > share)
			vmrt_warn("servers on CPU %d take %.3f of it; the kernel leaves at most %.3f to real-time "
				  "threads while others want to run, so budgets will be cut",
				d[i].cpu, hsf_utilisation(d, n, d[i].cpu), share);
	}
}

static enum vmrt_status admit(struct run *r, struct vmrt_error *err)
{
	struct hsf_demand d[HSF_MAX_SERVERS];
	char period[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < r->n; i++) {
		const struct vmrt_server_spec *spec = r->servers[i].spec;

		d[i] = (struct hsf_demand){
			.cpu = r->servers[i].cpu,
			.priority = spec->priority,
			.period_ns = spec->period_ns,
			.budget_ns = spec->budget_ns,
			.jitter_ns = spec->policy == VMRT_POLICY_DEFERRABLE ? spec->period_ns - spec->budget_ns : 0,
		};
	}
	warn_of_throttling(d, r->n);
	if (hsf_admit(d, r->n) == 0)
		return VMRT_OK;
	for (size_t i = 0; i < r->n; i++) {
		const struct vmrt_server_spec *spec = r->servers[i].spec;

		if (d[i].response_ns <= d[i].period_ns)
			continue;
		vmrt_fail(err, VMRT_EBUSY,
			"%s:%d: server %s is not schedulable: with the servers of its priority and above its "
			"budget is not sure to come within its period of %s (CPU %d, utilisation %.3f)",
			r->opts->experiment, spec->line, spec->name, vmrt_format_duration(spec->period_ns, period),
			d[i].cpu, hsf_utilisation(d, r->n, d[i].cpu));
		if (r->opts->force)
			vmrt_warn("%s", err->text);
		else
			return VMRT_EBUSY;
	}
	return VMRT_OK;
}

static struct hsf_enforcer *enforcer_of(const struct run *r, int cpu)
{
	for (size_t i = 0; i < r->n_enforcers; i++)
		if (hsf_enforcer_cpu(r->enforcers[i]) == cpu)
			return r->enforcers[i];
	return NULL;
}

static enum vmrt_status confine(struct hsf_server *s, pid_t tid, bool *changed, struct vmrt_error *err)
{
	cpu_set_t now, one;

	CPU_ZERO(&one);
	CPU_SET(s->cpu, &one);
	if (sched_getaffinity(tid, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &one))
		return VMRT_OK;
	if (sched_setaffinity(tid, sizeof(one), &one) != 0)
		return vmrt_fail_errno(err, errno, "cannot confine thread %d of VM %s to CPU %d", (int)tid,
			s->vm, s->cpu);
	*changed = true;
	return VMRT_OK;
}

static enum vmrt_status cannot_raise(
	const struct hsf_server *s, pid_t tid, int errnum, struct vmrt_error *err)
{
	if (errnum == EPERM)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission to give thread %d of VM %s SCHED_FIFO: run as root or with CAP_SYS_NICE "
			"(and in a cgroup of version 1 its cpu.rt_runtime_us must be above 0)",
			(int)tid, s->vm);
	return vmrt_fail_errno(err, errnum, "cannot raise thread %d of VM %s", (int)tid, s->vm);
}

static enum vmrt_status add_vcpu(
	struct run *r, struct hsf_server *s, pid_t tid, bool *confined, struct vmrt_error *err)
{
	struct hsf_clock clock;
	enum vmrt_status status;
	int rc;

	status = hsf_clock_open(&clock, tid, err);
	if (status != VMRT_OK)
		return status;
	status = hsf_guardian_add(r->guardian, s->pid, tid, err);
	if (status == VMRT_OK)
		status = confine(s, tid, confined, err);
	if (status == VMRT_OK) {
		/* a trial, since the enforcer could not complain; a member begins without budget */
		rc = hsf_raise(tid, s->spec->priority);
		rc = rc ? rc : hsf_demote(tid);
		if (rc)
			status = cannot_raise(s, tid, rc, err);
	}
	if (status != VMRT_OK) {
		hsf_clock_close(&clock);
		return status;
	}
	return hsf_enforcer_adopt(enforcer_of(r, s->cpu), s, tid, clock, err);
}

static enum vmrt_status add_helper(struct run *r, struct hsf_server *s,
	const struct vmrt_vm_thread *t, struct vmrt_error *err)
{
	int priority = s->spec->priority + HSF_HELPER_ABOVE, rc;
	enum vmrt_status status;

	/* one that its owner has put higher stays there */
	if ((t->policy == SCHED_FIFO || t->policy == SCHED_RR) && t->priority >= priority)
		return VMRT_OK;
	status = hsf_guardian_add(r->guardian, s->pid, t->tid, err);
	if (status == VMRT_ENOENT && t->role == VMRT_ROLE_VHOST)
		status = hsf_guardian_add(r->guardian, t->tid, t->tid, err); /* a kernel thread */
	if (status != VMRT_OK)
		return status;
	rc = hsf_raise(t->tid, priority);
	return rc ? cannot_raise(s, t->tid, rc, err) : VMRT_OK;
}

/* A thread that ends while it is being looked at is nothing to stop for. */
static enum vmrt_status add_thread(struct run *r, struct hsf_server *s,
	const struct vmrt_vm_thread *t, bool *confined, struct vmrt_error *err)
{
	enum vmrt_status status;

	if (t->role == VMRT_ROLE_VCPU)
		status = add_vcpu(r, s, t->tid, confined, err);
	else
		status = add_helper(r, s, t, err);
	return status == VMRT_ENOENT ? VMRT_OK : status;
}

/* Helper threads come first: a raised vCPU thread must not run without its raised main loop. */
static enum vmrt_status add_members(struct run *r, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < r->n; i++) {
		struct hsf_server *s = &r->servers[i];
		const struct vmrt_vm *vm = r->vms[i];
		bool confined = false;

		for (size_t k = vm->n_threads; k-- > 0 && status == VMRT_OK;)
			if (vm->threads[k].role != VMRT_ROLE_VCPU)
				status = add_thread(r, s, &vm->threads[k], &confined, err);
		for (size_t k = 0; k < vm->n_threads && status == VMRT_OK; k++)
			if (vm->threads[k].role == VMRT_ROLE_VCPU)
				status = add_thread(r, s, &vm->threads[k], &confined, err);
		if (status != VMRT_OK)
			return status;
		if (!s->n_vcpus)
			return vmrt_fail(err, VMRT_ENOENT, "VM %s has ended", s->vm);
		if (confined)
			vmrt_say("the vCPU threads of VM %s are confined to CPU %d while enforced", s->vm, s->cpu);
	}
	return VMRT_OK;
}

static enum vmrt_status new_enforcers(struct run *r, struct vmrt_error *err)
{
	for (size_t i = 0; i < r->n; i++) {
		enum vmrt_status status;

		if (enforcer_of(r, r->servers[i].cpu))
			continue;
		status = hsf_enforcer_new(r->servers[i].cpu, r->servers, r->n, r->marker,
			&r->enforcers[r->n_enforcers], err);
		if (status != VMRT_OK)
			return status;
		r->n_enforcers++;
	}
	return VMRT_OK;
}

/* Markers are words separated by spaces. */
static void mark_start(const struct run *r, const struct hsf_server *s)
{
	char vm[VMRT_NAME_MAX];

	snprintf(vm, sizeof(vm), "%s", s->vm);
	for (char *p = vm; *p; p++)
		if (*p == ' ')
			*p = '_';
	vmrt_mark(r->marker,
		"vmrt srv_start server=%s vm=%s policy=%s depletion=%s period=%lld budget=%lld priority=%d t0=%lld",
		s->spec->name, vm, vmrt_policy_name(s->spec->policy),
		vmrt_depletion_name(s->spec->depletion), (long long)s->spec->period_ns,
		(long long)s->spec->budget_ns, s->spec->priority, (long long)s->budget.t0);
}

static enum vmrt_status begin(struct run *r, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	int64_t t0;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		vmrt_warn("memory could not be locked, enforcing may be late: %s", strerror(errno));
	t0 = vmrt_now_ns() + LEAD_NS;
	for (size_t i = 0; i < r->n; i++) {
		const struct vmrt_server_spec *spec = r->servers[i].spec;

		hsf_budget_init(&r->servers[i].budget, hsf_rules_for(spec->policy), spec->period_ns,
			spec->budget_ns, t0);
		mark_start(r, &r->servers[i]);
	}
	r->begun_ns = t0;
	for (size_t i = 0; i < r->n_enforcers && status == VMRT_OK; i++)
		status = hsf_enforcer_start(r->enforcers[i], err);
	return status;
}

static bool known(const struct vmrt_vm *vm, pid_t tid)
{
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].tid == tid)
			return true;
	return false;
}

static bool has_new_threads(const struct vmrt_vm *vm)
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)vm->pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		int64_t tid;

		if (vmrt_parse_int(entry->d_name, 1, INT32_MAX, &tid) == VMRT_OK)
			found = !known(vm, (pid_t)tid);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Hypervisors start workers and plug in vCPUs while they run. */
static void take_in_new_threads(struct run *r, size_t i)
{
	struct hsf_server *s = &r->servers[i];
	struct vmrt_error err;
	struct vmrt_vm *vm;
	bool confined = false;
	char pattern[32];

	if (atomic_load(&s->gone) || !has_new_threads(r->vms[i]))
		return;
	snprintf(pattern, sizeof(pattern), "pid:%d", (int)s->pid);
	if (vmrt_vm_get(pattern, &vm, &err) != VMRT_OK)
		return;
	for (size_t k = 0; k < vm->n_threads; k++) {
		if (known(r->vms[i], vm->threads[k].tid))
			continue;
		if (add_thread(r, s, &vm->threads[k], &confined, &err) != VMRT_OK)
			vmrt_warn("new thread %s of VM %s is left as it is: %s", vm->threads[k].comm, s->vm,
				err.text);
		else if (vm->threads[k].role == VMRT_ROLE_VCPU)
			vmrt_say("VM %s has a new vCPU thread %s: it joins server %s", s->vm,
				vm->threads[k].comm, s->spec->name);
	}
	vmrt_vms_free(r->vms[i], 1);
	r->vms[i] = vm;
}

/* Says which VMs have ended; true if there is none left. */
static bool all_gone(struct run *r)
{
	bool all = true;

	for (size_t i = 0; i < r->n; i++) {
		if (!atomic_load(&r->servers[i].gone)) {
			all = false;
		} else if (!r->gone[i]) {
			r->gone[i] = true;
			vmrt_warn("VM %s of server %s has ended", r->servers[i].vm, r->servers[i].spec->name);
		}
	}
	return all;
}

static void notify(struct run *r, bool *done)
{
	for (size_t i = 0; i < r->n_enforcers; i++)
		if (!hsf_enforcer_begun(r->enforcers[i]))
			return;
	if (*done)
		return;
	*done = true;
	for (size_t i = 0; i < r->n; i++)
		vmrt_say("server %s: VM %s on CPU %d", r->servers[i].spec->name, r->servers[i].vm,
			r->servers[i].cpu);
	if (r->opts->notify_fd >= 0) {
		if (vmrt_write_all(r->opts->notify_fd, "1\n", 2) != 0)
			vmrt_warn("cannot write to descriptor %d: %s", r->opts->notify_fd, strerror(errno));
		close(r->opts->notify_fd);
	}
}

static int wait_ms(const struct run *r, int64_t end)
{
	int64_t left = end - vmrt_now_ns();

	if (!r->opts->duration_ns || left > LOOK_FOR_THREADS_MS * VMRT_NS_PER_MS)
		return LOOK_FOR_THREADS_MS;
	return left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;
}

/* Until a stop is asked for, the duration is over or there is nothing left to enforce. */
static int supervise(struct run *r)
{
	int64_t end = r->begun_ns + r->opts->duration_ns, look = r->begun_ns;
	struct pollfd fds[2 + HSF_MAX_SERVERS];
	nfds_t n = 0;
	bool notified = false;

	fds[n++] = (struct pollfd){.fd = vmrt_stop_fd(), .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = hsf_guardian_fd(r->guardian), .events = POLLIN};
	for (size_t i = 0; i < r->n_enforcers; i++)
		fds[n++] = (struct pollfd){.fd = hsf_enforcer_fd(r->enforcers[i]), .events = POLLIN};
	for (;;) {
		int got = poll(fds, n, wait_ms(r, end));
		uint64_t news;

		if (vmrt_stop_requested() || (r->opts->duration_ns && vmrt_now_ns() >= end))
			return VMRT_EXIT_DONE;
		if (got > 0 && fds[1].revents) {
			vmrt_warn("the guardian process was killed: giving all threads their settings back");
			return VMRT_EXIT_FAILED;
		}
		for (nfds_t i = 2; got > 0 && i < n; i++)
			if (fds[i].revents)
				(void)!read(fds[i].fd, &news, sizeof(news));
		notify(r, &notified);
		if (all_gone(r))
			return VMRT_EXIT_FAILED;
		if (vmrt_now_ns() - look < LOOK_FOR_THREADS_MS * VMRT_NS_PER_MS)
			continue;
		look = vmrt_now_ns();
		for (size_t i = 0; i < r->n; i++)
			take_in_new_threads(r, i);
	}
}

static int write_figures(const struct run *r, int64_t ran_ns)
{
	FILE *out = stderr;
	int failed;

	if (r->opts->stats) {
		out = fopen(r->opts->stats, "we");
		if (!out) {
			vmrt_warn("cannot write %s: %s", r->opts->stats, strerror(errno));
			return VMRT_EXIT_FAILED;
		}
	} else if (r->opts->quiet) {
		return VMRT_EXIT_DONE;
	}
	hsf_report(out, r->servers, r->n, ran_ns, r->cpu_ns);
	failed = ferror(out);
	if (out != stderr && (fclose(out) != 0 || failed)) {
		vmrt_warn("cannot write %s", r->opts->stats);
		return VMRT_EXIT_FAILED;
	}
	return VMRT_EXIT_DONE;
}

/* Gives everything back; returns VMRT_EXIT_FAILED if a thread could not be restored. */
static int finish(struct run *r)
{
	int exit_status = VMRT_EXIT_DONE;

	for (size_t i = 0; i < r->n_enforcers; i++)
		r->cpu_ns += hsf_enforcer_stop(r->enforcers[i]);
	if (r->guardian && hsf_guardian_finish(r->guardian) != 0)
		exit_status = VMRT_EXIT_FAILED;
	for (size_t i = 0; r->begun_ns && i < r->n; i++)
		vmrt_mark(r->marker, "vmrt srv_stop server=%s", r->servers[i].spec->name);
	vmrt_marker_close(r->marker);
	return exit_status;
}

static void free_run(struct run *r)
{
	for (size_t i = 0; i < r->n_enforcers; i++)
		hsf_enforcer_free(r->enforcers[i]);
	for (size_t i = 0; r->servers && i < r->n; i++)
		for (size_t v = 0; v < r->servers[i].n_vcpus; v++)
			hsf_clock_close(&r->servers[i].vcpus[v].clock);
	for (size_t i = 0; r->vms && i < r->n; i++)
		vmrt_vms_free(r->vms[i], 1);
	for (size_t i = 0; i < r->n_locks; i++)
		close(r->locks[i]);
	free(r->servers);
	free(r->vms);
	free(r->gone);
	vmrt_experiment_free(r->exp);
}

static enum vmrt_status prepare(struct run *r, struct vmrt_error *err)
{
	enum vmrt_status status;

	status = vmrt_experiment_load(r->opts->experiment, &r->exp, err);
	if (status == VMRT_OK)
		status = choose_servers(r, err);
	for (size_t i = 0; i < r->n && status == VMRT_OK; i++)
		status = find_vm(r, i, err);
	return status;
}

static enum vmrt_status launch(struct run *r, struct vmrt_error *err)
{
	enum vmrt_status status;

	/* forked first: what is opened later must not be kept open by it */
	status = hsf_guardian_start(r->locks, r->n_locks, &r->guardian, err);
	if (status == VMRT_OK)
		status = vmrt_marker_open(r->opts->instance, &r->marker, err);
	if (status == VMRT_OK)
		status = new_enforcers(r, err);
	if (status == VMRT_OK)
		status = add_members(r, err);
	if (status == VMRT_OK)
		status = begin(r, err);
	return status;
}

int hsf_run(const struct hsf_options *opts)
{
	struct run r = {.opts = opts};
	int exit_status = VMRT_EXIT_FAILED, restored;
	enum vmrt_status status;
	struct vmrt_error err;
	int64_t ended_ns;

	/* a stopped enforcer would leave its VMs raised and unwatched */
	signal(SIGTSTP, SIG_IGN);
	status = prepare(&r, &err);
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
	ended_ns = vmrt_now_ns();
	restored = finish(&r);
	if (exit_status == VMRT_EXIT_DONE)
		exit_status = restored;
	if (status == VMRT_OK && write_figures(&r, ended_ns - r.begun_ns) != VMRT_EXIT_DONE &&
		exit_status == VMRT_EXIT_DONE)
		exit_status = VMRT_EXIT_FAILED;
	free_run(&r);
	return exit_status;
}

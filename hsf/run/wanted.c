/* SPDX-License-Identifier: MIT */
/* Keeps the list of servers while servers and VMs come and go: a server waits as long as its VM
 * does not run. */
#include "hsf.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/similar.h>

static bool is_chosen(const struct hsf_options *opts, const struct vmrt_server_spec *spec)
{
	if (!opts->n_servers)
		return spec->policy != VMRT_POLICY_NONE;
	for (size_t i = 0; i < opts->n_servers; i++)
		if (!strcmp(opts->servers[i], spec->name))
			return true;
	return false;
}

/* The server called @name, or NULL. */
static struct hsf_wanted *find_wanted(const struct hsf_run *r, const char *name)
{
	for (size_t i = 0; i < r->n_wanted; i++)
		if (!strcmp(r->wanted[i]->spec.name, name))
			return r->wanted[i];
	return NULL;
}

bool hsf_wanted_is(const struct hsf_wanted *wanted, const char *name)
{
	return !strcmp(wanted->spec.name, name) || !strcmp(wanted->spec.of, name);
}

/* Do the bound servers fit, if @but is replaced by @spec on @cpu? VMRT_OK or VMRT_EBUSY. */
static enum vmrt_status check_admission(const struct hsf_run *r, const struct hsf_bound *but,
	const struct vmrt_server_spec *spec, int cpu, struct vmrt_error *err)
{
	struct hsf_demand d[HSF_MAX_SERVERS + 1];
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->bound[i] != but && r->bound[i]->spec.policy != VMRT_POLICY_NONE)
			hsf_demand_from(&r->bound[i]->spec, r->bound[i]->cpu, &d[n++]);
	if (spec && spec->policy != VMRT_POLICY_NONE)
		hsf_demand_from(spec, cpu, &d[n++]);
	return hsf_admission(d, n, err);
}

/* Warns if the real-time group of the threads has less time than the budget: the kernel would cut
 * budgets without a message. */
static void warn_of_group(const struct hsf_bound *p)
{
	double share, wants;
	char group[256];

	if (p->spec.policy == VMRT_POLICY_NONE)
		return;
	share = hsf_reserve_group(p->vm->pid, group, sizeof(group));
	wants = (double)p->spec.budget_ns / (double)p->spec.period_ns;
	if (share > 0 && share < wants)
		vmrt_warn("VM %s is in the cgroup %s, whose cpu.rt_runtime_us allows it %.3f of a "
			  "CPU at real-time "
			  "priority; server %s needs %.3f, so the kernel will cut its budgets",
			p->vm->name, group, share, p->spec.name, wants);
}

static size_t vcpus_of(const struct hsf_bound *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->vm->n_threads && p->spec.vcpu < 0; i++)
		n += p->vm->threads[i].role == VMRT_ROLE_VCPU;
	return p->spec.vcpu < 0 ? n : 1;
}

/* Warns if several vCPUs of a VM are confined to one CPU: the guest believes that each has its own.
 */
static void warn_of_crowd(const struct hsf_run *r, const struct hsf_bound *p)
{
	size_t n = 0;

	if (p->any_process || p->spec.policy == VMRT_POLICY_NONE ||
		p->spec.policy == VMRT_POLICY_DEADLINE)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (r->bound[i]->vm->pid == p->vm->pid && r->bound[i]->cpu == p->cpu &&
			r->bound[i]->spec.policy != VMRT_POLICY_NONE)
			n += vcpus_of(r->bound[i]);
	if (n > 1)
		vmrt_warn(
			"server %s: %zu vCPUs of VM %s are confined to CPU %d: they take turns, "
			"and a vCPU that waits for another one, for a lock or an interrupt, waits "
			"until that one gets the CPU; give each vCPU a CPU of its own",
			p->spec.name, n, p->vm->name, p->cpu);
}

static void hold_locks(struct hsf_run *r)
{
	for (; r->guardian && r->n_held < r->n_locks; r->n_held++)
		hsf_guardian_hold(r->guardian, r->locks[r->n_held]);
}

static void unbind(struct hsf_run *r, struct hsf_wanted *wanted)
{
	hsf_bound_free(r, wanted->bound);
	wanted->bound = NULL;
	if (r->n_held > r->n_locks)
		r->n_held = r->n_locks;
}

/* Binds @wanted to its VM, if the VM runs and the server can be enforced. */
static enum vmrt_status bind(
	struct hsf_run *r, struct hsf_wanted *wanted, bool force, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_bound_new(r, &wanted->spec, &wanted->bound, err);

	if (status != VMRT_OK)
		return status;
	if (check_admission(r, wanted->bound, &wanted->spec, wanted->bound->cpu, err) != VMRT_OK) {
		if (!force) {
			unbind(r, wanted);
			return VMRT_EBUSY;
		}
		vmrt_warn("%s", err->text);
	}
	hold_locks(r);
	warn_of_group(wanted->bound);
	r->bound[r->n++] = wanted->bound;
	warn_of_crowd(r, wanted->bound);
	return VMRT_OK;
}

static enum vmrt_status enforce_it(
	struct hsf_run *r, struct hsf_wanted *wanted, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_bound_enforce(r, wanted->bound, r->begun_ns, err);

	if (status == VMRT_OK)
		return VMRT_OK;
	/* settings are restored before the lock is released, because then another vmrt-hsf may
	 * schedule the VM */
	for (size_t i = 0; i < wanted->bound->vm->n_threads; i++)
		hsf_guardian_restore(r->guardian, wanted->bound->vm->threads[i].tid);
	unbind(r, wanted);
	return status;
}

/* Stores why @wanted waits, without the file and the server's name, which the reader knows. */
static void set_why(
	const struct hsf_run *r, struct hsf_wanted *wanted, const struct vmrt_error *err)
{
	const char *text = err->text;
	size_t file = strlen(r->opts->called);
	char server[VMRT_NAME_MAX + 16];

	if (!strncmp(text, r->opts->called, file) && text[file] == ':') {
		text += file + 1;
		text += strspn(text, "0123456789");
		text += strspn(text, ": ");
	}
	snprintf(server, sizeof(server), "server %s: ", wanted->spec.name);
	if (!strncmp(text, server, strlen(server)))
		text += strlen(server);
	snprintf(wanted->why, sizeof(wanted->why), "%s", text);
}

enum vmrt_status hsf_wanted_enforce(
	struct hsf_run *r, struct hsf_wanted *wanted, bool force, struct vmrt_error *err)
{
	enum vmrt_status status = wanted->bound ? VMRT_OK : bind(r, wanted, force, err);

	/* as long as there is no guardian, VMs are found, but nothing is enforced */
	if (status == VMRT_OK && r->guardian && !wanted->bound->server)
		status = enforce_it(r, wanted, err);
	if (status == VMRT_OK)
		wanted->why[0] = '\0';
	else
		set_why(r, wanted, err);
	return status;
}

static void forget(struct hsf_run *r, struct hsf_wanted *wanted)
{
	for (size_t i = 0; i < r->n_wanted; i++) {
		if (r->wanted[i] == wanted) {
			memmove(&r->wanted[i], &r->wanted[i + 1],
				(r->n_wanted - i - 1) * sizeof(r->wanted[0]));
			r->n_wanted--;
			break;
		}
	}
	free(wanted->state);
	free(wanted);
}

enum vmrt_status hsf_wanted_add(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_wanted **out, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_bound_check(r, spec, err);
	struct hsf_wanted *wanted;

	if (status != VMRT_OK)
		return status;
	if (find_wanted(r, spec->name))
		return vmrt_fail(err, VMRT_EEXIST,
			"there is a server %s already; `vmrt-hsf set` changes it", spec->name);
	if (r->n_wanted == HSF_MAX_SERVERS)
		return vmrt_fail(err, VMRT_ERANGE, "more than %d servers", HSF_MAX_SERVERS);
	wanted = calloc(1, sizeof(*wanted));
	if (!wanted || !(wanted->state = calloc(1, sizeof(*wanted->state)))) {
		free(wanted);
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	}
	wanted->spec = *spec;
	r->wanted[r->n_wanted++] = wanted;
	*out = wanted;
	return VMRT_OK;
}

/* ---- servers of VMs with several vCPUs ---- */

static bool has_own_server(const struct hsf_run *r, const struct vmrt_vm *vm, int vcpu)
{
	for (size_t i = 0; i < r->n_wanted; i++)
		if (r->wanted[i]->spec.vcpu == vcpu && vmrt_vm_match(vm, r->wanted[i]->spec.vm))
			return true;
	return false;
}

/* Adds a wanted server, as a part of @whole, for each vCPU of @vm that has none; @first becomes one
 * of them. */
static enum vmrt_status add_parts(struct hsf_run *r, const struct vmrt_server_spec *whole,
	const struct vmrt_vm *vm, struct hsf_wanted *first, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	/* the threads of a VM are sorted by the number of the vCPU */
	for (size_t i = 0; i < vm->n_threads && status == VMRT_OK; i++) {
		const struct vmrt_vm_thread *t = &vm->threads[i];
		struct vmrt_server_spec part;
		struct hsf_wanted *wanted;

		if (t->role != VMRT_ROLE_VCPU || has_own_server(r, vm, t->vcpu))
			continue;
		status = vmrt_server_part(whole, t->vcpu, &part, err);
		if (status == VMRT_OK && first && find_wanted(r, part.name))
			status = vmrt_fail(err, VMRT_EEXIST,
				"there is a server %s already, which is not for vCPU %d of VM %s",
				part.name, t->vcpu, vm->name);
		if (status == VMRT_OK && first)
			first->spec = part;
		else if (status == VMRT_OK)
			status = hsf_wanted_add(r, &part, &wanted, err);
		if (status == VMRT_OK)
			vmrt_say("server %s: vCPU %d of VM %s has server %s of its own (together = "
				 "yes "
				 "makes one of all vCPUs)",
				whole->name, t->vcpu, vm->name, part.name);
		first = NULL;
	}
	return status;
}

enum vmrt_status hsf_wanted_split(
	struct hsf_run *r, struct hsf_wanted *wanted, struct vmrt_error *err)
{
	struct vmrt_server_spec whole = wanted->spec;
	enum vmrt_status status;
	struct vmrt_vm *vm;

	if (wanted->bound || !vmrt_server_splits(&whole))
		return VMRT_OK;
	/* hsf_bound_new() reports why there is no VM */
	if (vmrt_vm_get_of(whole.vm, whole.user, &vm, NULL) != VMRT_OK)
		return VMRT_OK;
	status = vm->n_vcpus > 1 && strcmp(vm->hypervisor, "process") != 0
			 ? add_parts(r, &whole, vm, wanted, err)
			 : VMRT_OK;
	vmrt_vms_free(vm, 1);
	return status;
}

/* Adds servers for vCPUs that were plugged in. */
static void add_new_parts(struct hsf_run *r, const struct hsf_wanted *wanted)
{
	struct vmrt_server_spec whole = wanted->spec;
	struct vmrt_error err;

	if (!whole.of[0])
		return;
	strcpy(whole.name, wanted->spec.of);
	whole.of[0] = '\0';
	whole.vcpu = -1;
	if (add_parts(r, &whole, wanted->bound->vm, NULL, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
}

static enum vmrt_status no_server(const struct vmrt_experiment *exp, const char *file,
	const char *name, struct vmrt_error *err)
{
	const char **names = calloc(exp->n_servers + 1, sizeof(*names));
	char list[VMRT_SIMILAR_TEXT];

	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < exp->n_servers; i++)
		names[i] = exp->servers[i].name;
	vmrt_similar(name, names, exp->n_servers, list);
	free(names);
	return vmrt_fail(
		err, VMRT_ENOENT, "%s: there is no server %s; it has: %s", file, name, list);
}

static enum vmrt_status load_experiment(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status;
	char *text;

	status = vmrt_read_file(r->opts->experiment, VMRT_EXPERIMENT_MAX, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	status = vmrt_experiment_parse(text, r->opts->called, &r->exp, err);
	free(text);
	return status;
}

enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err)
{
	const struct hsf_options *opts = r->opts;
	enum vmrt_status status;
	struct hsf_wanted *wanted;

	status = load_experiment(r, err);
	for (size_t i = 0; i < opts->n_servers && status == VMRT_OK; i++)
		if (!vmrt_experiment_server(r->exp, opts->servers[i]))
			status = no_server(r->exp, opts->called, opts->servers[i], err);
	for (size_t i = 0; status == VMRT_OK && i < r->exp->n_servers; i++)
		if (is_chosen(opts, &r->exp->servers[i]))
			status = hsf_wanted_add(r, &r->exp->servers[i], &wanted, err);
	for (size_t i = 0; status == VMRT_OK && i < r->n_wanted; i++)
		status = hsf_wanted_split(r, r->wanted[i], err);
	for (size_t i = 0; status == VMRT_OK && i < r->n_wanted; i++) {
		status = hsf_wanted_enforce(r, r->wanted[i], opts->force, err);
		if (status == VMRT_ENOENT && !opts->no_wait)
			status = VMRT_OK;
	}
	if (status == VMRT_OK && !r->n_wanted)
		status = vmrt_fail(
			err, VMRT_ENOENT, "%s: there is no server to enforce", opts->called);
	return status;
}

/* ---- changes ---- */

/*
 * If a VM has several servers, one of them has the helper threads. Raises the helper threads, so
 * that the vCPU threads of another server are not above them.
 */
static void raise_shared_helpers(const struct hsf_run *r, const struct hsf_bound *p, int level)
{
	bool several = false;

	for (size_t i = 0; i < r->n; i++)
		several = several || (r->bound[i] != p && r->bound[i]->vm->pid == p->vm->pid);
	for (size_t i = 0; several && i < p->vm->n_threads; i++) {
		const struct vmrt_vm_thread *t = &p->vm->threads[i];
		struct hsf_settings now;

		if (t->role != VMRT_ROLE_VCPU && hsf_settings_read(t->tid, &now) == 0 &&
			now.policy == SCHED_FIFO && now.flags && (int)now.priority <= level)
			hsf_raise(t->tid, level + HSF_HELPER_ABOVE);
	}
}

static int level_of(const struct vmrt_server_spec *spec)
{
	struct hsf_params params;

	hsf_params_from(&params, spec);
	return hsf_params_priority(&params);
}

static bool same_cpus(const struct vmrt_server_spec *a, const struct vmrt_server_spec *b)
{
	char x[VMRT_SERVER_CPUS * 5 + 1], y[VMRT_SERVER_CPUS * 5 + 1];

	return !strcmp(vmrt_server_cpus(a, x), vmrt_server_cpus(b, y));
}

enum vmrt_status hsf_wanted_change(struct hsf_run *r, struct hsf_wanted *wanted,
	const struct vmrt_server_spec *spec, bool force, struct vmrt_error *err)
{
	struct hsf_bound *p = wanted->bound;
	struct hsf_params params;
	enum vmrt_status status;

	if (strcmp(spec->vm, wanted->spec.vm) != 0 || spec->vcpu != wanted->spec.vcpu ||
		!same_cpus(spec, &wanted->spec) || spec->together != wanted->spec.together ||
		spec->depletion != wanted->spec.depletion)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"vm, cpu, depletion and together of server %s stay as they are: detach it, "
			"and attach it anew",
			spec->name);
	status = hsf_bound_check(r, spec, err);
	if (status != VMRT_OK)
		return status;
	if (!p) {
		wanted->spec = *spec;
		return VMRT_OK;
	}
	if (check_admission(r, p, spec, p->cpu, err) != VMRT_OK) {
		if (!force)
			return VMRT_EBUSY;
		vmrt_warn("%s", err->text);
	}
	hsf_params_from(&params, spec);
	raise_shared_helpers(r, p, level_of(spec));
	status = hsf_enforcer_set(p->enforcer, p->server, &params, err);
	if (status != VMRT_OK)
		return status;
	wanted->spec = p->spec = *spec;
	wanted->read_ns = 0;
	return VMRT_OK;
}

/* Does another server of this VM need thread @t as it is? */
static bool shared(
	const struct hsf_run *r, const struct hsf_bound *p, const struct vmrt_vm_thread *t)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct hsf_bound *other = r->bound[i];

		if (other == p || other->vm->pid != p->vm->pid)
			continue;
		if (t->role != VMRT_ROLE_VCPU || other->spec.vcpu < 0 ||
			other->spec.vcpu == t->vcpu)
			return true;
	}
	return false;
}

int hsf_wanted_remove(struct hsf_run *r, struct hsf_wanted *wanted)
{
	struct hsf_bound *p = wanted->bound;
	int failed = 0;

	if (p) {
		hsf_bound_release(r, p);
		for (size_t i = 0; i < p->vm->n_threads; i++)
			if (!shared(r, p, &p->vm->threads[i]) &&
				hsf_guardian_restore(r->guardian, p->vm->threads[i].tid) != 0)
				failed = -1;
		unbind(r, wanted);
	}
	forget(r, wanted);
	return failed;
}

/* ---- VMs ---- */

static void try_to_bind(struct hsf_run *r, struct hsf_wanted *wanted)
{
	char before[VMRT_ERROR_TEXT];
	struct vmrt_error err;

	memcpy(before, wanted->why, sizeof(before));
	if (hsf_wanted_split(r, wanted, &err) != VMRT_OK) {
		set_why(r, wanted, &err);
		if (strcmp(before, wanted->why) != 0)
			vmrt_warn("server %s waits: %s", wanted->spec.name, wanted->why);
		return;
	}
	if (hsf_wanted_enforce(r, wanted, r->opts->force, &err) == VMRT_OK)
		vmrt_say("server %s: VM %s on CPU %d", wanted->spec.name, wanted->bound->vm->name,
			wanted->bound->cpu);
	else if (err.status != VMRT_ENOENT && strcmp(before, wanted->why) != 0)
		vmrt_warn("server %s waits: %s", wanted->spec.name, wanted->why);
}

/* The VM has ended: writes the figures of its server, which then waits for the next VM. */
static void lose_vm(struct hsf_run *r, struct hsf_wanted *wanted)
{
	vmrt_warn("VM %s of server %s has ended", wanted->bound->vm->name, wanted->spec.name);
	hsf_run_write_server(r, wanted);
	snprintf(wanted->why, sizeof(wanted->why), "VM %s has ended", wanted->bound->vm->name);
	unbind(r, wanted);
}

bool hsf_run_update(struct hsf_run *r)
{
	bool left = !r->opts->no_wait;

	for (size_t i = 0; i < r->n_wanted; i++) {
		struct hsf_wanted *wanted = r->wanted[i];

		if (!wanted->bound)
			try_to_bind(r, wanted);
		else if (hsf_server_gone(wanted->bound->server))
			lose_vm(r, wanted);
		else
			hsf_bound_add_new_threads(r, wanted->bound);
		if (wanted->bound && wanted->bound->server)
			add_new_parts(r, wanted);
		left = left || wanted->bound;
	}
	return left;
}

const struct hsf_state *hsf_wanted_state(struct hsf_wanted *wanted)
{
	int64_t now = vmrt_now_ns();

	if (!wanted->bound || !wanted->bound->server)
		return NULL;
	/* figures that are too old are read again; many requests do not disturb the enforcer */
	if (!wanted->read_ns || now - wanted->read_ns > HSF_STATE_AGE_NS) {
		hsf_enforcer_read(wanted->bound->enforcer, wanted->bound->server, wanted->state);
		wanted->read_ns = now;
	}
	return wanted->state;
}

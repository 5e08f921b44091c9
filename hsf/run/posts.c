/* SPDX-License-Identifier: MIT */
/* Servers come and go while vmrt-hsf runs, and so do their VMs: a server without its VM waits for
 * it. */
#include "hsf.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool wanted(const struct hsf_options *opts, const struct vmrt_server_spec *spec)
{
	if (!opts->n_servers)
		return spec->policy != VMRT_POLICY_NONE;
	for (size_t i = 0; i < opts->n_servers; i++)
		if (!strcmp(opts->servers[i], spec->name))
			return true;
	return false;
}

struct hsf_post *hsf_post_find(const struct hsf_run *r, const char *name)
{
	for (size_t i = 0; i < r->n_posts; i++)
		if (!strcmp(r->posts[i]->spec.name, name))
			return r->posts[i];
	return NULL;
}

bool hsf_post_is(const struct hsf_post *post, const char *name)
{
	return !strcmp(post->spec.name, name) || !strcmp(post->spec.of, name);
}

enum vmrt_status hsf_run_admission(const struct hsf_run *r, const struct hsf_place *but,
	const struct vmrt_server_spec *spec, int cpu, struct vmrt_error *err)
{
	struct hsf_demand d[HSF_MAX_SERVERS + 1];
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->places[i] != but && r->places[i]->spec.policy != VMRT_POLICY_NONE)
			hsf_demand_from(&r->places[i]->spec, r->places[i]->cpu, &d[n++]);
	if (spec && spec->policy != VMRT_POLICY_NONE)
		hsf_demand_from(spec, cpu, &d[n++]);
	return hsf_admission(d, n, err);
}

/* A real-time group that is too small would cut budgets without a word. */
static void warn_of_group(const struct hsf_place *p)
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
			  "priority; server %s is to have %.3f, so its budgets will be cut",
			p->vm->name, group, share, p->spec.name, wants);
}

static size_t vcpus_of(const struct hsf_place *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->vm->n_threads && p->spec.vcpu < 0; i++)
		n += p->vm->threads[i].role == VMRT_ROLE_VCPU;
	return p->spec.vcpu < 0 ? n : 1;
}

/* What confines several vCPUs of a VM to one CPU takes from the guest what it believes it has. */
static void warn_of_crowd(const struct hsf_run *r, const struct hsf_place *p)
{
	size_t n = 0;

	if (p->any_process || p->spec.policy == VMRT_POLICY_NONE ||
		p->spec.policy == VMRT_POLICY_DEADLINE)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (r->places[i]->vm->pid == p->vm->pid && r->places[i]->cpu == p->cpu &&
			r->places[i]->spec.policy != VMRT_POLICY_NONE)
			n += vcpus_of(r->places[i]);
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

static void leave_place(struct hsf_run *r, struct hsf_post *post)
{
	hsf_place_free(r, post->place);
	post->place = NULL;
	if (r->n_held > r->n_locks)
		r->n_held = r->n_locks;
}

/* The post's VM, if it is there and can have this server. */
static enum vmrt_status take_place(
	struct hsf_run *r, struct hsf_post *post, bool force, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_place_new(r, &post->spec, &post->place, err);

	if (status != VMRT_OK)
		return status;
	if (hsf_run_admission(r, post->place, &post->spec, post->place->cpu, err) != VMRT_OK) {
		if (!force) {
			leave_place(r, post);
			return VMRT_EBUSY;
		}
		vmrt_warn("%s", err->text);
	}
	hold_locks(r);
	warn_of_group(post->place);
	r->places[r->n++] = post->place;
	warn_of_crowd(r, post->place);
	return VMRT_OK;
}

static enum vmrt_status enforce_place(
	struct hsf_run *r, struct hsf_post *post, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_place_enforce(r, post->place, r->begun_ns, err);

	if (status == VMRT_OK)
		return VMRT_OK;
	/* what was changed of it is given back before anybody else may schedule it */
	for (size_t i = 0; i < post->place->vm->n_threads; i++)
		hsf_guardian_restore(r->guardian, post->place->vm->threads[i].tid);
	leave_place(r, post);
	return status;
}

/* Why it waits, without what everybody knows who sees it: the file, and the server's name. */
static void set_why(const struct hsf_run *r, struct hsf_post *post, const struct vmrt_error *err)
{
	const char *text = err->text;
	size_t file = strlen(r->opts->experiment);
	char server[VMRT_NAME_MAX + 16];

	if (!strncmp(text, r->opts->experiment, file) && text[file] == ':') {
		text += file + 1;
		text += strspn(text, "0123456789");
		text += strspn(text, ": ");
	}
	snprintf(server, sizeof(server), "server %s: ", post->spec.name);
	if (!strncmp(text, server, strlen(server)))
		text += strlen(server);
	snprintf(post->why, sizeof(post->why), "%s", text);
}

enum vmrt_status hsf_post_enforce(
	struct hsf_run *r, struct hsf_post *post, bool force, struct vmrt_error *err)
{
	enum vmrt_status status = post->place ? VMRT_OK : take_place(r, post, force, err);

	/* before the guardian is there, VMs are only looked for */
	if (status == VMRT_OK && r->guardian && !post->place->server)
		status = enforce_place(r, post, err);
	if (status == VMRT_OK)
		post->why[0] = '\0';
	else
		set_why(r, post, err);
	return status;
}

static void forget(struct hsf_run *r, struct hsf_post *post)
{
	for (size_t i = 0; i < r->n_posts; i++) {
		if (r->posts[i] == post) {
			memmove(&r->posts[i], &r->posts[i + 1],
				(r->n_posts - i - 1) * sizeof(r->posts[0]));
			r->n_posts--;
			break;
		}
	}
	free(post->state);
	free(post);
}

enum vmrt_status hsf_post_add(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_post **out, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_place_check(r, spec, err);
	struct hsf_post *post;

	if (status != VMRT_OK)
		return status;
	if (hsf_post_find(r, spec->name))
		return vmrt_fail(err, VMRT_EEXIST,
			"there is a server %s already; `vmrt-hsf set` changes it", spec->name);
	if (r->n_posts == HSF_MAX_SERVERS)
		return vmrt_fail(err, VMRT_ERANGE, "more than %d servers", HSF_MAX_SERVERS);
	post = calloc(1, sizeof(*post));
	if (!post || !(post->state = calloc(1, sizeof(*post->state)))) {
		free(post);
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	}
	post->spec = *spec;
	r->posts[r->n_posts++] = post;
	*out = post;
	return VMRT_OK;
}

/* ---- servers of VMs with several vCPUs ---- */

static bool has_own_post(const struct hsf_run *r, const struct vmrt_vm *vm, int vcpu)
{
	for (size_t i = 0; i < r->n_posts; i++)
		if (r->posts[i]->spec.vcpu == vcpu && vmrt_vm_match(vm, r->posts[i]->spec.vm))
			return true;
	return false;
}

/* A post for each vCPU of @vm that has none, as a part of @whole; @first: becomes one of them. */
static enum vmrt_status add_parts(struct hsf_run *r, const struct vmrt_server_spec *whole,
	const struct vmrt_vm *vm, struct hsf_post *first, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	/* the threads of a VM are sorted by the number of the vCPU */
	for (size_t i = 0; i < vm->n_threads && status == VMRT_OK; i++) {
		const struct vmrt_vm_thread *t = &vm->threads[i];
		struct vmrt_server_spec part;
		struct hsf_post *post;

		if (t->role != VMRT_ROLE_VCPU || has_own_post(r, vm, t->vcpu))
			continue;
		status = vmrt_server_part(whole, t->vcpu, &part, err);
		if (status == VMRT_OK && first && hsf_post_find(r, part.name))
			status = vmrt_fail(err, VMRT_EEXIST,
				"there is a server %s already, which is not for vCPU %d of VM %s",
				part.name, t->vcpu, vm->name);
		if (status == VMRT_OK && first)
			first->spec = part;
		else if (status == VMRT_OK)
			status = hsf_post_add(r, &part, &post, err);
		if (status == VMRT_OK)
			vmrt_say("server %s: vCPU %d of VM %s has server %s of its own (together = "
				 "yes "
				 "makes one of all vCPUs)",
				whole->name, t->vcpu, vm->name, part.name);
		first = NULL;
	}
	return status;
}

enum vmrt_status hsf_post_split(struct hsf_run *r, struct hsf_post *post, struct vmrt_error *err)
{
	struct vmrt_server_spec whole = post->spec;
	enum vmrt_status status;
	struct vmrt_vm *vm;

	if (post->place || !vmrt_server_splits(&whole))
		return VMRT_OK;
	/* why there is none is said by who needs it */
	if (vmrt_vm_get_of(whole.vm, whole.user, &vm, NULL) != VMRT_OK)
		return VMRT_OK;
	status = vm->n_vcpus > 1 && strcmp(vm->hypervisor, "process") != 0
			 ? add_parts(r, &whole, vm, post, err)
			 : VMRT_OK;
	vmrt_vms_free(vm, 1);
	return status;
}

/* A vCPU that was plugged in gets a server as the others have. */
static void add_new_parts(struct hsf_run *r, const struct hsf_post *post)
{
	struct vmrt_server_spec whole = post->spec;
	struct vmrt_error err;

	if (!whole.of[0])
		return;
	strcpy(whole.name, post->spec.of);
	whole.of[0] = '\0';
	whole.vcpu = -1;
	if (add_parts(r, &whole, post->place->vm, NULL, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
}

enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err)
{
	const struct hsf_options *opts = r->opts;
	enum vmrt_status status;
	struct hsf_post *post;

	status = vmrt_experiment_load(opts->experiment, &r->exp, err);
	for (size_t i = 0; i < opts->n_servers && status == VMRT_OK; i++)
		if (!vmrt_experiment_server(r->exp, opts->servers[i]))
			status = vmrt_fail(err, VMRT_ENOENT, "%s: there is no server %s",
				opts->experiment, opts->servers[i]);
	for (size_t i = 0; status == VMRT_OK && i < r->exp->n_servers; i++)
		if (wanted(opts, &r->exp->servers[i]))
			status = hsf_post_add(r, &r->exp->servers[i], &post, err);
	for (size_t i = 0; status == VMRT_OK && i < r->n_posts; i++)
		status = hsf_post_split(r, r->posts[i], err);
	for (size_t i = 0; status == VMRT_OK && i < r->n_posts; i++) {
		status = hsf_post_enforce(r, r->posts[i], opts->force, err);
		if (status == VMRT_ENOENT && !opts->no_wait)
			status = VMRT_OK;
	}
	if (status == VMRT_OK && !r->n_posts)
		status = vmrt_fail(
			err, VMRT_ENOENT, "%s: there is no server to enforce", opts->experiment);
	return status;
}

/* ---- changes ---- */

/*
 * Of several servers of one VM, one has its helper threads, and moves them with its vCPU threads.
 * Those of another must not rise above them.
 */
static void raise_shared_helpers(const struct hsf_run *r, const struct hsf_place *p, int level)
{
	bool several = false;

	for (size_t i = 0; i < r->n; i++)
		several = several || (r->places[i] != p && r->places[i]->vm->pid == p->vm->pid);
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

enum vmrt_status hsf_post_change(struct hsf_run *r, struct hsf_post *post,
	const struct vmrt_server_spec *spec, bool force, struct vmrt_error *err)
{
	struct hsf_place *p = post->place;
	struct hsf_params params;
	enum vmrt_status status;

	if (strcmp(spec->vm, post->spec.vm) != 0 || spec->vcpu != post->spec.vcpu ||
		spec->cpu != post->spec.cpu || spec->together != post->spec.together ||
		spec->depletion != post->spec.depletion)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"vm, cpu, depletion and together of server %s stay as they are: detach it, "
			"and attach it anew",
			spec->name);
	status = hsf_place_check(r, spec, err);
	if (status != VMRT_OK)
		return status;
	if (!p) {
		post->spec = *spec;
		return VMRT_OK;
	}
	if (hsf_run_admission(r, p, spec, p->cpu, err) != VMRT_OK) {
		if (!force)
			return VMRT_EBUSY;
		vmrt_warn("%s", err->text);
	}
	hsf_params_from(&params, spec);
	raise_shared_helpers(r, p, level_of(spec));
	status = hsf_enforcer_set(p->enforcer, p->server, &params, err);
	if (status != VMRT_OK)
		return status;
	post->spec = p->spec = *spec;
	post->read_ns = 0;
	return VMRT_OK;
}

/* Does another server of this VM need thread @t as it is? */
static bool shared(
	const struct hsf_run *r, const struct hsf_place *p, const struct vmrt_vm_thread *t)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct hsf_place *other = r->places[i];

		if (other == p || other->vm->pid != p->vm->pid)
			continue;
		if (t->role != VMRT_ROLE_VCPU || other->spec.vcpu < 0 ||
			other->spec.vcpu == t->vcpu)
			return true;
	}
	return false;
}

int hsf_post_remove(struct hsf_run *r, struct hsf_post *post)
{
	struct hsf_place *p = post->place;
	int failed = 0;

	if (p) {
		hsf_place_release(r, p);
		for (size_t i = 0; i < p->vm->n_threads; i++)
			if (!shared(r, p, &p->vm->threads[i]) &&
				hsf_guardian_restore(r->guardian, p->vm->threads[i].tid) != 0)
				failed = -1;
		leave_place(r, post);
	}
	forget(r, post);
	return failed;
}

/* ---- VMs ---- */

static void look_for_vm(struct hsf_run *r, struct hsf_post *post)
{
	char before[VMRT_ERROR_TEXT];
	struct vmrt_error err;

	memcpy(before, post->why, sizeof(before));
	if (hsf_post_split(r, post, &err) != VMRT_OK) {
		set_why(r, post, &err);
		if (strcmp(before, post->why) != 0)
			vmrt_warn("server %s waits: %s", post->spec.name, post->why);
		return;
	}
	if (hsf_post_enforce(r, post, r->opts->force, &err) == VMRT_OK)
		vmrt_say("server %s: VM %s on CPU %d", post->spec.name, post->place->vm->name,
			post->place->cpu);
	else if (err.status != VMRT_ENOENT && strcmp(before, post->why) != 0)
		vmrt_warn("server %s waits: %s", post->spec.name, post->why);
}

/* Its figures go with it. */
static void lose_vm(struct hsf_run *r, struct hsf_post *post)
{
	vmrt_warn("VM %s of server %s has ended", post->place->vm->name, post->spec.name);
	hsf_run_write_server(r, post);
	snprintf(post->why, sizeof(post->why), "VM %s has ended", post->place->vm->name);
	leave_place(r, post);
}

bool hsf_run_look(struct hsf_run *r)
{
	bool left = !r->opts->no_wait;

	for (size_t i = 0; i < r->n_posts; i++) {
		struct hsf_post *post = r->posts[i];

		if (!post->place)
			look_for_vm(r, post);
		else if (hsf_server_gone(post->place->server))
			lose_vm(r, post);
		else
			hsf_place_add_new_threads(r, post->place);
		if (post->place && post->place->server)
			add_new_parts(r, post);
		left = left || post->place;
	}
	return left;
}

const struct hsf_state *hsf_post_state(struct hsf_post *post)
{
	int64_t now = vmrt_now_ns();

	if (!post->place || !post->place->server)
		return NULL;
	/* however often it is asked, the enforcer is not */
	if (!post->read_ns || now - post->read_ns > HSF_STATE_AGE_NS) {
		hsf_enforcer_read(post->place->enforcer, post->place->server, post->state);
		post->read_ns = now;
	}
	return post->state;
}

/* SPDX-License-Identifier: MIT */
/* Carries out the requests of clients of the socket, and makes the replies. */
#include "hsf/control/control.h"
#include "hsf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/similar.h>

/* ---- status ---- */

static void add(json_object *to, const char *key, json_object *value)
{
	if (value)
		json_object_object_add(to, key, value);
}

static void add_text(json_object *to, const char *key, const char *text)
{
	add(to, key, json_object_new_string(text));
}

/* Adds a number unless it is unknown. */
static void add_number(json_object *to, const char *key, int64_t value)
{
	if (value != VMRT_UNKNOWN)
		add(to, key, json_object_new_int64(value));
}

static void add_hist(json_object *to, const char *what, const struct hsf_hist *h)
{
	char key[48];

	snprintf(key, sizeof(key), "%s_p50_ns", what);
	add_number(to, key, hsf_hist_quantile(h, 0.5));
	snprintf(key, sizeof(key), "%s_p99_ns", what);
	add_number(to, key, hsf_hist_quantile(h, 0.99));
	snprintf(key, sizeof(key), "%s_max_ns", what);
	add_number(to, key, h->n ? h->max : VMRT_UNKNOWN);
}

static void add_state(json_object *row, const struct hsf_state *s)
{
	add_number(row, "vcpus", (int64_t)s->n_vcpus);
	add_number(row, "helpers", (int64_t)s->n_helpers);
	add_number(row, "k", s->k);
	add_number(row, "left_ns", s->left_ns);
	add_number(row, "replenishments", (int64_t)s->figures.replenishments);
	add_number(row, "depletions", (int64_t)s->figures.depletions);
	add_number(row, "skipped", (int64_t)s->skipped);
	add_hist(row, "overshoot", &s->figures.overshoot);
	add_hist(row, "lateness", &s->figures.lateness);
	add_number(row, "served_ns", s->figures.served_ns);
	add_number(row, "background_ns", s->figures.background_ns);
	add_number(row, "helpers_ns", s->figures.helpers_ns);
}

static const char *state_word(const struct hsf_state *state)
{
	if (!state)
		return "waiting";
	return state->changing ? "changing" : "enforced";
}

static json_object *new_server(struct hsf_wanted *wanted)
{
	const struct vmrt_server_spec *spec = &wanted->spec;
	const struct hsf_state *state = hsf_wanted_state(wanted);
	json_object *row = json_object_new_object();
	char vm[VMRT_SERVER_VM];

	if (!row)
		return NULL;
	add_text(row, "server", spec->name);
	add_text(row, "vm", vmrt_server_vm(spec, vm));
	add_text(row, "state", state_word(state));
	add_text(row, "policy", vmrt_policy_name(spec->policy));
	add_text(row, "depletion", vmrt_depletion_name(spec->depletion));
	if (spec->policy != VMRT_POLICY_NONE) {
		add_number(row, "period_ns", spec->period_ns);
		add_number(row, "budget_ns", spec->budget_ns);
		add_number(row, "priority", spec->priority);
	}
	if (wanted->why[0])
		add_text(row, "why", wanted->why);
	if (state) {
		add_number(row, "pid", wanted->bound->vm->pid);
		add_number(row, "cpu", wanted->bound->cpu);
		add_state(row, state);
	}
	return row;
}

static json_object *new_cpu(const struct hsf_run *r, struct hsf_enforcer *e, struct hsf_cost *cost)
{
	json_object *row = json_object_new_object();
	int cpu = hsf_enforcer_cpu(e);
	int64_t ran = vmrt_now_ns() - r->begun_ns;
	struct hsf_reserve reserve;
	double sum = 0;

	if (!row)
		return NULL;
	hsf_reserve_read(cpu, &reserve);
	hsf_enforcer_cost(e, cost);
	for (size_t i = 0; i < r->n; i++)
		if (r->bound[i]->cpu == cpu && r->bound[i]->spec.policy != VMRT_POLICY_NONE)
			sum += (double)r->bound[i]->spec.budget_ns /
			       (double)r->bound[i]->spec.period_ns;
	add_number(row, "cpu", cpu);
	add_number(row, "servers", (int64_t)hsf_enforcer_servers(e));
	add(row, "utilisation", json_object_new_double(sum));
	add(row, "limit", json_object_new_double(reserve.share));
	add_text(row, "limit_by", reserve.why);
	add_number(row, "enforcer_ns", cost->cpu_ns);
	if (ran > 0)
		add(row, "enforcer_share",
			json_object_new_double((double)cost->cpu_ns / (double)ran));
	return row;
}

/* Answers from a copy that is at most HSF_STATE_AGE_NS old, so that many requests do not disturb
 * the enforcers. */
static json_object *cpus_of(struct hsf_run *r)
{
	struct hsf_cost *cost;
	int64_t now = vmrt_now_ns();

	if (r->cpus && now - r->cpus_ns < HSF_STATE_AGE_NS)
		return json_object_get(r->cpus);
	cost = calloc(1, sizeof(*cost));
	json_object_put(r->cpus);
	r->cpus = json_object_new_array();
	r->cpus_ns = now;
	for (size_t i = 0; r->cpus && cost && i < r->n_enforcers; i++)
		json_object_array_add(r->cpus, new_cpu(r, r->enforcers[i], cost));
	free(cost);
	return json_object_get(r->cpus);
}

/* How many servers have this name? A server of a VM with several vCPUs is found by its own name and
 * by that of one part. */
static size_t count_wanted(const struct hsf_run *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_wanted; i++)
		n += hsf_wanted_is(r->wanted[i], name);
	return n;
}

static enum vmrt_status no_server(const struct hsf_run *r, const char *name, struct vmrt_error *err)
{
	const char **names = calloc(r->n_wanted + 1, sizeof(*names));
	char list[VMRT_SIMILAR_TEXT];

	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < r->n_wanted; i++)
		names[i] = r->wanted[i]->spec.name;
	vmrt_similar(name, names, r->n_wanted, list);
	free(names);
	return vmrt_fail(
		err, VMRT_ENOENT, "no vmrt-hsf has a server %s; there are: %s", name, list);
}

static enum vmrt_status reply_status(
	struct hsf_run *r, const struct hsf_request *q, json_object *reply, struct vmrt_error *err)
{
	json_object *servers;

	if (q->server[0] && !count_wanted(r, q->server))
		return no_server(r, q->server, err);
	servers = json_object_new_array();
	add_number(reply, "pid", getpid());
	add_text(reply, "experiment", r->opts->called);
	add_number(reply, "since_ns", r->begun_ns);
	for (size_t i = 0; servers && i < r->n_wanted; i++)
		if (!q->server[0] || hsf_wanted_is(r->wanted[i], q->server))
			json_object_array_add(servers, new_server(r->wanted[i]));
	add(reply, "servers", servers);
	add(reply, "cpus", cpus_of(r));
	return VMRT_OK;
}

/* ---- changes ---- */

/* Removes "FILE:LINE:" from a message: an attached server stands in no file. */
static enum vmrt_status without_place(
	const struct hsf_run *r, enum vmrt_status status, struct vmrt_error *err)
{
	char place[300];

	snprintf(place, sizeof(place), "%.280s:0: ", r->opts->called);
	if (status != VMRT_OK && !strncmp(err->text, place, strlen(place)))
		memmove(err->text, err->text + strlen(place),
			strlen(err->text + strlen(place)) + 1);
	return status;
}

static enum vmrt_status change_one(struct hsf_run *r, const struct hsf_request *q,
	struct hsf_wanted *wanted, json_object *reply, struct vmrt_error *err)
{
	struct hsf_request own = *q;
	struct vmrt_server_spec spec;
	enum vmrt_status status;

	strcpy(own.server, wanted->spec.name);
	status = hsf_request_spec(&own, &wanted->spec, &spec, err);
	if (status != VMRT_OK)
		return status;
	spec.line = wanted->spec.line;
	strcpy(spec.of, wanted->spec.of);
	err->text[0] = '\0';
	r->cpus_ns = 0;
	status = hsf_wanted_change(r, wanted, &spec, q->force, err);
	if (status != VMRT_OK)
		return without_place(r, status, err);
	if (err->text[0])
		add_text(reply, "warning", err->text);
	vmrt_say("server %s has been changed", wanted->spec.name);
	return VMRT_OK;
}

static enum vmrt_status change(
	struct hsf_run *r, const struct hsf_request *q, json_object *reply, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (!count_wanted(r, q->server))
		return no_server(r, q->server, err);
	for (size_t i = 0; i < r->n_wanted && status == VMRT_OK; i++)
		if (hsf_wanted_is(r->wanted[i], q->server))
			status = change_one(r, q, r->wanted[i], reply, err);
	return status;
}

/* Removes the wanted servers from index @from on, which are the new parts of one server. */
static void detach_from(struct hsf_run *r, size_t from)
{
	while (r->n_wanted > from)
		hsf_wanted_remove(r, r->wanted[r->n_wanted - 1]);
}

static enum vmrt_status attach(
	struct hsf_run *r, const struct hsf_request *q, json_object *reply, struct vmrt_error *err)
{
	struct vmrt_server_spec spec;
	struct hsf_wanted *wanted;
	size_t before = r->n_wanted;
	enum vmrt_status status = hsf_request_spec(q, NULL, &spec, err);

	if (status != VMRT_OK)
		return status;
	spec.line = 0;
	status = count_wanted(r, spec.name)
			 ? vmrt_fail(err, VMRT_EEXIST,
				   "there is a server %s already; `vmrt-hsf set` changes it",
				   spec.name)
			 : hsf_wanted_add(r, &spec, &wanted, err);
	if (status == VMRT_OK)
		status = hsf_wanted_split(r, wanted, err);
	for (size_t i = before; i < r->n_wanted && status == VMRT_OK; i++) {
		wanted = r->wanted[i];
		err->text[0] = '\0';
		status = hsf_wanted_enforce(r, wanted, q->force, err);
		if (status == VMRT_ENOENT) {
			char said[VMRT_ERROR_TEXT + VMRT_NAME_MAX + 32];

			snprintf(said, sizeof(said), "server %s waits: %s", wanted->spec.name,
				wanted->why);
			add_text(reply, "said", said);
			status = VMRT_OK;
		} else if (status == VMRT_OK && err->text[0]) {
			add_text(reply, "warning", err->text);
		}
	}
	if (status != VMRT_OK) {
		detach_from(r, before);
		return without_place(r, status, err);
	}
	vmrt_say("server %s has been attached", q->server);
	return VMRT_OK;
}

static enum vmrt_status detach(
	struct hsf_run *r, const struct hsf_request *q, struct vmrt_error *err)
{
	bool failed = false;

	if (!count_wanted(r, q->server))
		return no_server(r, q->server, err);
	for (size_t i = r->n_wanted; i-- > 0;) {
		struct hsf_wanted *wanted = r->wanted[i];

		if (!hsf_wanted_is(wanted, q->server))
			continue;
		if (wanted->bound)
			hsf_run_write_server(r, wanted);
		failed |= hsf_wanted_remove(r, wanted) != 0;
	}
	if (failed)
		return vmrt_fail(err, VMRT_EIO,
			"server %s is detached, but not all of its threads got their former "
			"scheduling back",
			q->server);
	vmrt_say("server %s has been detached", q->server);
	return VMRT_OK;
}

/* Opens the markers of a recording that has begun: writes the servers that there are, and later
 * each change. */
static enum vmrt_status mark(struct hsf_run *r, const char *instance, struct vmrt_error *err)
{
	struct vmrt_marker *one;
	enum vmrt_status status = vmrt_marker_open(instance, &one, err);

	if (status != VMRT_OK)
		return status;
	for (size_t i = 0; i < r->n_enforcers; i++)
		hsf_enforcer_introduce(r->enforcers[i], one);
	vmrt_marker_close(one);
	return vmrt_marker_add(r->marker, instance, err);
}

static enum vmrt_status answer(
	void *arg, const struct hsf_request *q, json_object *reply, struct vmrt_error *err)
{
	struct hsf_run *r = arg;

	switch (q->op) {
	case HSF_OP_STATUS:
		return reply_status(r, q, reply, err);
	case HSF_OP_SET:
		return change(r, q, reply, err);
	case HSF_OP_ATTACH:
		return attach(r, q, reply, err);
	case HSF_OP_DETACH:
		return detach(r, q, err);
	case HSF_OP_MARK:
		return mark(r, q->instance, err);
	case HSF_OP_UNMARK:
		vmrt_marker_drop(r->marker, q->instance);
		return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_EPROTO, "there is no such request");
}

void hsf_run_serve(struct hsf_run *r)
{
	hsf_control_serve(r->control, answer, r);
}

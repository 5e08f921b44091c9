/* SPDX-License-Identifier: MIT */
/* Checks the requests of clients of the control socket before anything is done. */
#include "control.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/marks.h>

#define DEPTH 4 /* of a request: the object, its settings, and room for a clear message */
#define SPEC_NAME "request" /* what messages of the experiment file's reader begin with */

const char *hsf_op_name(enum hsf_op op)
{
	static const char *const words[] = {
#define X(name, text) [HSF_OP_##name] = text,
		HSF_OP_LIST(X)
#undef X
	};

	return words[op];
}

/* Has the key only letters? Other characters could begin a comment, a section or a line in the
 * experiment file that is made of the request. */
static bool key_is_sane(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!islower((unsigned char)*key) && *key != '_')
			return false;
	return true;
}

static bool value_is_sane(const char *value)
{
	if (!*value)
		return false;
	for (; *value; value++)
		if (!isprint((unsigned char)*value) || strchr(";#[]=", *value))
			return false;
	return true;
}

static enum vmrt_status take_setting(
	const char *key, const char *value, struct hsf_setting *out, struct vmrt_error *err)
{
	if (strlen(key) >= sizeof(out->key) || !key_is_sane(key))
		return vmrt_fail(err, VMRT_EINVAL,
			"'%.40s' is no key of a server: give period, budget, priority or another "
			"of "
			"vmrt-experiment(5)",
			key);
	if (strlen(value) >= sizeof(out->value) || !value_is_sane(value))
		return vmrt_fail(err, VMRT_EINVAL, "%s='%.80s': give 1 to %zu plain characters",
			key, value, sizeof(out->value) - 1);
	snprintf(out->key, sizeof(out->key), "%s", key);
	snprintf(out->value, sizeof(out->value), "%s", value);
	return VMRT_OK;
}

enum vmrt_status hsf_setting_parse(
	const char *text, struct hsf_setting *out, struct vmrt_error *err)
{
	const char *equals = strchr(text, '=');
	char key[sizeof(out->key) + 1];

	if (!equals)
		return vmrt_fail(err, VMRT_EINVAL,
			"'%.80s' is no setting: write key=value, such as budget=9ms", text);
	snprintf(key, sizeof(key), "%.*s",
		(int)(equals - text < INT16_MAX ? equals - text : INT16_MAX), text);
	return take_setting(key, equals + 1, out, err);
}

static enum vmrt_status take_settings(
	json_object *settings, struct hsf_request *out, struct vmrt_error *err)
{
	if (!json_object_is_type(settings, json_type_object))
		return vmrt_fail(err, VMRT_EPROTO, "\"settings\" is no object");
	json_object_object_foreach(settings, key, value)
	{
		enum vmrt_status status;

		if (!json_object_is_type(value, json_type_string) ||
			strlen(json_object_get_string(value)) !=
				(size_t)json_object_get_string_len(value))
			return vmrt_fail(
				err, VMRT_EPROTO, "the value of \"%.40s\" is no plain string", key);
		if (out->n == HSF_SETTINGS)
			return vmrt_fail(err, VMRT_EINVAL, "more than %d settings", HSF_SETTINGS);
		status = take_setting(
			key, json_object_get_string(value), &out->settings[out->n++], err);
		if (status != VMRT_OK)
			return status;
	}
	return VMRT_OK;
}

static enum vmrt_status take_op(json_object *value, struct hsf_request *out, struct vmrt_error *err)
{
	const char *word =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

#define X(name, text)                                                                              \
	if (!strcmp(word, text)) {                                                                 \
		out->op = HSF_OP_##name;                                                           \
		return VMRT_OK;                                                                    \
	}
	HSF_OP_LIST(X)
#undef X
	return vmrt_fail(err, VMRT_EPROTO,
		"there is no \"op\" \"%.40s\": status, set, attach, detach, mark, unmark", word);
}

static enum vmrt_status take_server(
	json_object *value, struct hsf_request *out, struct vmrt_error *err)
{
	const char *name =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

	if (strlen(name) >= sizeof(out->server) || !value_is_sane(name) || strchr(name, ' ') ||
		strlen(name) != (size_t)json_object_get_string_len(value))
		return vmrt_fail(err, VMRT_EPROTO, "\"server\" is no name of a server");
	snprintf(out->server, sizeof(out->server), "%s", name);
	return VMRT_OK;
}

/* Takes the name of a tracefs instance: it must be one that vmrt makes, and no path. */
static enum vmrt_status take_instance(
	json_object *value, struct hsf_request *out, struct vmrt_error *err)
{
	const char *name =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	const char *p = name;

	while (isalnum((unsigned char)*p) || (*p && strchr("-_.", *p)))
		p++;
	if (*p || strlen(name) >= sizeof(out->instance) ||
		strncmp(name, VMRT_INSTANCE_PREFIX, strlen(VMRT_INSTANCE_PREFIX)) != 0 ||
		strlen(name) != (size_t)json_object_get_string_len(value))
		return vmrt_fail(
			err, VMRT_EPROTO, "\"instance\" is not the name of an instance of vmrt");
	snprintf(out->instance, sizeof(out->instance), "%s", name);
	return VMRT_OK;
}

static enum vmrt_status take_member(
	const char *key, json_object *value, struct hsf_request *out, struct vmrt_error *err)
{
	if (!strcmp(key, "op"))
		return take_op(value, out, err);
	if (!strcmp(key, "server"))
		return take_server(value, out, err);
	if (!strcmp(key, "instance"))
		return take_instance(value, out, err);
	if (!strcmp(key, "settings"))
		return take_settings(value, out, err);
	if (!strcmp(key, "force") && json_object_is_type(value, json_type_boolean)) {
		out->force = json_object_get_boolean(value);
		return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_EPROTO, "a request has no \"%.40s\" like this", key);
}

static enum vmrt_status take_request(
	json_object *root, struct hsf_request *out, struct vmrt_error *err)
{
	bool has_op = false;

	if (!json_object_is_type(root, json_type_object))
		return vmrt_fail(err, VMRT_EPROTO, "the request is no JSON object");
	json_object_object_foreach(root, key, value)
	{
		enum vmrt_status status = take_member(key, value, out, err);

		if (status != VMRT_OK)
			return status;
		has_op = has_op || !strcmp(key, "op");
	}
	if (!has_op)
		return vmrt_fail(err, VMRT_EPROTO, "the request has no \"op\"");
	if (out->op == HSF_OP_MARK || out->op == HSF_OP_UNMARK) {
		if (!out->instance[0])
			return vmrt_fail(
				err, VMRT_EPROTO, "%s needs an \"instance\"", hsf_op_name(out->op));
		return VMRT_OK;
	}
	if (out->op != HSF_OP_STATUS && !out->server[0])
		return vmrt_fail(err, VMRT_EPROTO, "%s needs a \"server\"", hsf_op_name(out->op));
	if (out->n && out->op != HSF_OP_SET && out->op != HSF_OP_ATTACH)
		return vmrt_fail(err, VMRT_EPROTO, "%s has no \"settings\"", hsf_op_name(out->op));
	if (!out->n && out->op == HSF_OP_SET)
		return vmrt_fail(
			err, VMRT_EPROTO, "set needs \"settings\", such as {\"budget\": \"9ms\"}");
	return VMRT_OK;
}

enum vmrt_status hsf_request_parse(
	const char *line, size_t len, struct hsf_request *out, struct vmrt_error *err)
{
	struct json_tokener *tok;
	enum vmrt_status status;
	json_object *root;

	memset(out, 0, sizeof(*out));
	if (len >= HSF_REQUEST_MAX)
		return vmrt_fail(err, VMRT_EPROTO, "the request is longer than %d bytes",
			HSF_REQUEST_MAX - 1);
	tok = json_tokener_new_ex(DEPTH);
	if (!tok)
		return vmrt_fail(err, VMRT_ENOMEM, "request: out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(tok, line, (int)len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
		json_tokener_get_parse_end(tok) != len)
		status = vmrt_fail(
			err, VMRT_EPROTO, "the request is not one JSON object on one line");
	else
		status = take_request(root, out, err);
	json_object_put(root);
	json_tokener_free(tok);
	return status;
}

json_object *hsf_request_json(const struct hsf_request *r)
{
	json_object *root = json_object_new_object(), *settings = NULL;
	bool ok = root != NULL;

	ok = ok &&
	     json_object_object_add(root, "op", json_object_new_string(hsf_op_name(r->op))) == 0;
	if (ok && r->server[0])
		ok = json_object_object_add(root, "server", json_object_new_string(r->server)) == 0;
	if (ok && r->instance[0])
		ok = json_object_object_add(
			     root, "instance", json_object_new_string(r->instance)) == 0;
	if (ok && r->force)
		ok = json_object_object_add(root, "force", json_object_new_boolean(true)) == 0;
	if (ok && r->n) {
		settings = json_object_new_object();
		ok = settings && json_object_object_add(root, "settings", settings) == 0;
	}
	for (size_t i = 0; i < r->n && ok; i++)
		ok = json_object_object_add(settings, r->settings[i].key,
			     json_object_new_string(r->settings[i].value)) == 0;
	if (ok)
		return root;
	json_object_put(root);
	return NULL;
}

/* ---- from a request to a server: through the reader of experiment files, which knows the rules
 * ---- */

static const char *setting(const struct hsf_request *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->settings[i].key, key))
			return r->settings[i].value;
	return NULL;
}

/* Writes a value in quotes: it may have any character and must not be read as a comment. */
static void write_quoted(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s = \"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', out);
		putc(*value, out);
	}
	fputs("\"\n", out);
}

/* Writes the keys that the server already has, unless the request has them, too. */
static void write_present(
	FILE *out, const struct hsf_request *r, const struct vmrt_server_spec *now)
{
	char vm[VMRT_SERVER_VM], cpus[VMRT_SERVER_CPUS * 5 + 1];

	if (!setting(r, "vm"))
		write_quoted(out, "vm", vmrt_server_vm(now, vm));
	if (!setting(r, "user") && now->user[0])
		write_quoted(out, "user", now->user);
	if (!setting(r, "policy"))
		fprintf(out, "policy = %s\n", vmrt_policy_name(now->policy));
	if (!setting(r, "period"))
		fprintf(out, "period = %lldns\n", (long long)now->period_ns);
	if (!setting(r, "budget"))
		fprintf(out, "budget = %lldns\n", (long long)now->budget_ns);
	if (!setting(r, "priority") && now->priority)
		fprintf(out, "priority = %d\n", now->priority);
	if (!setting(r, "depletion"))
		fprintf(out, "depletion = %s\n", vmrt_depletion_name(now->depletion));
	if (!setting(r, "background"))
		fprintf(out, "background = %s\n",
			now->background == VMRT_BACKGROUND_IDLE ? "idle" : "other");
	if (!setting(r, "helpers"))
		fprintf(out, "helpers = %s\n", now->charge_helpers ? "charged" : "free");
	if (!setting(r, "together") && now->together)
		fprintf(out, "together = yes\n");
	if (!setting(r, "cpu") && now->cpu >= 0)
		fprintf(out, "cpu = %s\n", vmrt_server_cpus(now, cpus));
}

/* Removes "FILE:LINE:" from a message: there is no file. */
static enum vmrt_status without_place(enum vmrt_status status, struct vmrt_error *err)
{
	size_t place = strlen(SPEC_NAME ":");

	if (!err || strncmp(err->text, SPEC_NAME ":", place) != 0)
		return status;
	place += strspn(err->text + place, "0123456789");
	place += strspn(err->text + place, ": ");
	memmove(err->text, err->text + place, strlen(err->text + place) + 1);
	return status;
}

enum vmrt_status hsf_request_spec(const struct hsf_request *r, const struct vmrt_server_spec *now,
	struct vmrt_server_spec *out, struct vmrt_error *err)
{
	char text[(HSF_SETTINGS + 8) * sizeof(struct hsf_setting)];
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct vmrt_experiment *exp;
	enum vmrt_status status;

	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "request: out of memory");
	fprintf(f, "[server %s]\n", r->server);
	if (now)
		write_present(f, r, now);
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "%s = %s\n", r->settings[i].key, r->settings[i].value);
	if (fclose(f) != 0)
		return vmrt_fail(err, VMRT_ERANGE, "the settings are too long");
	status = vmrt_experiment_parse(text, SPEC_NAME, &exp, err);
	if (status != VMRT_OK)
		return without_place(status, err);
	*out = exp->servers[0];
	vmrt_experiment_free(exp);
	return VMRT_OK;
}

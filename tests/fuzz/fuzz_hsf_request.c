/* SPDX-License-Identifier: MIT */
/* Any line of a client of vmrt-hsf: what is understood can be written again and gives a valid
 * server. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsf/control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct vmrt_server_spec now = {.name = "vm1",
	.vm = "vm1",
	.policy = VMRT_POLICY_DEFERRABLE,
	.period_ns = 12000000,
	.budget_ns = 4000000,
	.priority = 50};

/* One line of a client, up to the server that it asks for. */
static void try_line(const char *line, size_t size)
{
	struct vmrt_error err = {.text = ""};
	struct hsf_request r, again;
	struct vmrt_server_spec spec;

	if (hsf_request_parse(line, size, &r, &err) == VMRT_OK) {
		json_object *json = hsf_request_json(&r);
		const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

		if (strlen(text) < HSF_REQUEST_MAX &&
			(hsf_request_parse(text, strlen(text), &again, &err) != VMRT_OK ||
				again.op != r.op))
			abort(); /* what it understands it can say */
		json_object_put(json);
		if (r.op == HSF_OP_STATUS)
			return;
		err.text[0] = '\0';
		if (hsf_request_spec(&r, r.op == HSF_OP_SET ? &now : NULL, &spec, &err) !=
				VMRT_OK &&
			!err.text[0])
			abort();
		else if (!err.text[0] &&
			 (strcmp(spec.name, r.server) != 0 || spec.budget_ns > spec.period_ns))
			abort(); /* another server than was asked for, or one that cannot be */
	} else if (!err.text[0]) {
		abort(); /* an error without words */
	}
}

/* The bytes as the value, or as the key and the value, of a setting that is well-formed otherwise.
 */
static void try_setting(const char *text, bool with_key)
{
	json_object *root = json_object_new_object(), *settings = json_object_new_object();
	const char *equals = with_key ? strchr(text, '=') : NULL;
	const char *line;
	char key[64] = "budget";

	if (equals)
		snprintf(key, sizeof(key), "%.*s", (int)(equals - text), text);
	json_object_object_add(root, "op", json_object_new_string("set"));
	json_object_object_add(root, "server", json_object_new_string("vm1"));
	json_object_object_add(root, "settings", settings);
	json_object_object_add(settings, key, json_object_new_string(equals ? equals + 1 : text));
	line = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
	try_line(line, strlen(line));
	json_object_put(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line;

	if (!size)
		return 0;
	line = malloc(size); /* exactly as long, so that reading past its end is seen */
	if (!line)
		return 0;
	memcpy(line, data + 1, size - 1);
	line[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		try_line(line, size - 1);
		break;
	default:
		try_setting(line, data[0] % 3 == 2);
	}
	free(line);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../hsf/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a client sends, up to the server it asks for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmrt_server_spec now = {.name = "vm1",
		.vm = "vm1",
		.policy = VMRT_POLICY_DEFERRABLE,
		.period_ns = 12000000,
		.budget_ns = 4000000,
		.priority = 50};
	struct vmrt_error err = {.text = ""};
	struct hsf_request r, again;
	struct vmrt_server_spec spec;
	char *line = malloc(size ? size : 1);

	if (!line)
		return 0;
	memcpy(line, data, size); /* exactly as long, so that reading past its end is seen */
	if (hsf_request_parse(line, size, &r, &err) == VMRT_OK) {
		json_object *json = hsf_request_json(&r);
		const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

		if (strlen(text) < HSF_REQUEST_MAX &&
			(hsf_request_parse(text, strlen(text), &again, &err) != VMRT_OK || again.op != r.op))
			abort(); /* what it understands it can say */
		json_object_put(json);
		if (r.op != HSF_OP_STATUS)
			(void)hsf_request_spec(&r, r.op == HSF_OP_SET ? &now : NULL, &spec, &err);
	} else if (!err.text[0]) {
		abort(); /* an error without words */
	}
	free(line);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Any bytes as an experiment file: read, or refused with words. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/experiment.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (vmrt_experiment_parse(text, "fuzz.ini", &exp, &err) == VMRT_OK)
		vmrt_experiment_free(exp);
	else if (!err.text[0])
		abort(); /* an error without words */
	free(text);
	return 0;
}

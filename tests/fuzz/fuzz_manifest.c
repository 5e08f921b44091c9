/* SPDX-License-Identifier: MIT */
/* manifest.json of a stranger; what can be read can be written, and read again. */
#include <vmrt/manifest.h>

#include "fuzz-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_write("manifest.json", data, size);
	struct vmrt_manifest *m = NULL;
	struct vmrt_error err = {.text = ""};

	if (vmrt_manifest_load(path, &m, &err) != VMRT_OK) {
		if (!err.text[0])
			abort(); /* an error without words */
		return 0;
	}
	if (vmrt_manifest_save(m, path, &err) != VMRT_OK)
		abort();
	vmrt_manifest_free(m);
	if (vmrt_manifest_load(path, &m, &err) != VMRT_OK)
		abort();
	vmrt_manifest_free(m);
	return 0;
}

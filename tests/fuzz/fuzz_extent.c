/* SPDX-License-Identifier: MIT */
/* What a recorder writes of a recording in progress, in a run folder of a stranger. */
#include <string.h>

#include <vmrt/extent.h>

#include "fuzz-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_error err = {.text = ""};
	struct vmrt_extent extent;

	fuzz_write(VMRT_FILE_PROGRESS, data, size);
	if (vmrt_extent_load(fuzz_folder(), &extent, &err) == VMRT_OK) {
		for (size_t i = 0; i < extent.n; i++)
			/* it is looked for beside the others */
			if (strchr(extent.files[i].name, '/'))
				abort();
		vmrt_extent_free(&extent);
	} else if (!err.text[0]) {
		abort(); /* an error without words */
	}
	return 0;
}

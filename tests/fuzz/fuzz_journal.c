/* SPDX-License-Identifier: MIT */
/* The journal that a killed recorder left in a run folder, and the name of its owner in it. */
#include <string.h>

#include "collector/tracefs/journal.h"
#include "fuzz-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char instance[VMRT_JOURNAL_NAME];
	struct vmrt_error err = {.text = ""};

	fuzz_write(VMRT_FILE_JOURNAL, data, size);
	if (vmrt_journal_read(fuzz_folder(), instance, &err) == VMRT_OK) {
		/* it becomes a part of paths in tracefs */
		if (strchr(instance, '/') || !instance[0])
			abort();
		vmrt_journal_owner_lives(instance);
	} else if (!err.text[0]) {
		abort(); /* an error without words */
	}
	return 0;
}

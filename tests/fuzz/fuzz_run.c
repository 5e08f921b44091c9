/* SPDX-License-Identifier: MIT */

/*
 * A whole run folder with damage: a small recording of a host and a guest, and its manifest. The
 * input is patches of six bytes: file, place (4 bytes), value; 255 as the file cuts the host's
 * recording there, 254 the guest's. Everything is analysed; nothing may crash or go on for ever.
 */

#include <vmrt/analyze.h>

#include "fuzz-run-folder.h"

#define PATCH 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_analyze_options options = {.recording.run = folder};
	struct vmrt_analyze_result result;
	char *bytes[FILES];
	size_t sizes[FILES];
	struct vmrt_error err;

	if (!folder[0])
		begin();
	for (int i = 0; i < FILES; i++) {
		sizes[i] = files[i].size;
		bytes[i] = malloc(sizes[i]);
		memcpy(bytes[i], files[i].bytes, sizes[i]);
	}
	for (; size >= PATCH; data += PATCH, size -= PATCH) {
		uint32_t at;

		memcpy(&at, data + 1, sizeof(at));
		if (data[0] >= 254)
			sizes[255 - data[0]] = at % (files[255 - data[0]].size + 1);
		else
			bytes[data[0] % FILES][at % files[data[0] % FILES].size] = (char)data[5];
	}
	for (int i = 0; i < FILES; i++) {
		put(files[i].name, bytes[i], sizes[i]);
		free(bytes[i]);
	}
	vmrt_analyze(&options, &result, &err);
	return 0;
}

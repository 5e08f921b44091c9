/* SPDX-License-Identifier: MIT */
/* A file of vmrt-load's calibration, and the work that follows from it. */
#include "fuzz-file.h"
#include "workload/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_write("calibration", data, size);
	struct load_calibration cal;
	struct vmrt_error err = {.text = ""};

	if (load_calibration_read(path, &cal, &err) != VMRT_OK) {
		if (!err.text[0])
			abort(); /* an error without words */
		return 0;
	}
	for (double percent = 0; percent <= 100; percent += 12.5)
		if (!load_units_for(INT64_MAX, 1, load_ns_per_unit(&cal, percent)) ||
			!load_units_for(1, 0.001, load_ns_per_unit(&cal, percent)))
			abort();
	load_calibration_is_steady(&cal);
	load_calibration_free(&cal);
	return 0;
}

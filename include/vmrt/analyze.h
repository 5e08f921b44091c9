/* SPDX-License-Identifier: MIT */
#ifndef VMRT_ANALYZE_H
#define VMRT_ANALYZE_H

/* From recordings to run.db. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/recording.h>
#include <vmrt/status.h>

struct vmrt_analyze_options {
	struct vmrt_recording_options recording;
	const char *db;	   /* path of the database; NULL: run.db in the run folder */
	bool progress;	   /* talk on stderr while it takes long */
	int (*stop)(void); /* asked now and then; not 0: give up with VMRT_EINTR. NULL: never */
};

/* What came out, for the program that asked. */
struct vmrt_analyze_result {
	unsigned long long events, lost, jobs, periods;
	bool loss; /* something was lost: exit status 3 unless allowed */
};

/**
 * vmrt_analyze - read the recordings once, write the database beside and rename it
 *
 * Return: VMRT_OK or an error; then a former database is still as it was.
 */
enum vmrt_status vmrt_analyze(const struct vmrt_analyze_options *options,
	struct vmrt_analyze_result *result, struct vmrt_error *err);

#endif

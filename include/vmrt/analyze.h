/* SPDX-License-Identifier: MIT */
#ifndef VMRT_ANALYZE_H
#define VMRT_ANALYZE_H

/* The analysis: reads recordings and writes run.db. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/recording.h>
#include <vmrt/status.h>

struct vmrt_analyze_options {
	struct vmrt_recording_options recording;
	const char *db;	   /* path of the database; NULL: run.db in the run folder */
	bool progress;	   /* report progress on stderr if the analysis takes long */
	int (*stop)(void); /* called now and then; the analysis ends with VMRT_EINTR if the result
			      is not 0; or NULL */
};

/* What an analysis found, for the program that called it. */
struct vmrt_analyze_result {
	unsigned long long events, lost, jobs, periods;
	bool loss; /* something was lost: exit status 3 unless allowed */
};

/**
 * vmrt_analyze - read the recordings once, write the database under a temporary name, rename it
 *
 * Return: VMRT_OK or an error. After an error the database that was there before is unchanged.
 */
enum vmrt_status vmrt_analyze(const struct vmrt_analyze_options *options,
	struct vmrt_analyze_result *result, struct vmrt_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_TREND_LOCAL_H
#define VMRT_METRICS_MANY_TREND_LOCAL_H

/* Declarations that the files of trend share. */

#include "trend.h"

/** trend_test_series - make the tests of all runs of @series that come after the baseline, without
 * the correction of their p; sets trend->lost */
enum vmrt_status trend_test_series(struct trend *trend, struct trend_series *series,
	const struct trend_options *options, struct vmrt_error *err);

#endif

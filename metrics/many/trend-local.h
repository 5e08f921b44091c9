/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_TREND_LOCAL_H
#define VMRT_METRICS_MANY_TREND_LOCAL_H

/* What the files of trend share. */

#include "trend.h"

/** trend_test_series - the tests of every run behind the baseline of a series, their p not yet
 * corrected; sets trend->lost */
enum vmrt_status trend_test_series(struct trend *trend, struct trend_series *series,
	const struct trend_options *options, struct vmrt_error *err);

#endif

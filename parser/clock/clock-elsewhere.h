/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_ELSEWHERE_H
#define VMRT_PARSER_CLOCK_CLOCK_ELSEWHERE_H

/* Tells whether the guest's recording fits at the place that a map gives, and where else it
 * fits. */

#include <vmrt/clock.h>
#include <vmrt/dat.h>

enum clock_fit {
	CLOCK_FITS_HERE,      /* or there are too few events for another answer */
	CLOCK_FITS_BOTH,      /* here, and elsewhere as well */
	CLOCK_FITS_ELSEWHERE, /* in one place, but not here */
	CLOCK_FITS_NOT,	      /* not here, and it is not known where */
};

/**
 * clock_elsewhere - how the guest's events fit into the run times of its vCPUs, all over the host's
 * recording
 * @map: of the guest's clock; wrong by @error_ns at most, and by @drift for each ns since its
 * beginning. If it has errors of its own, times without one are left out
 * @away_ns: how much later on the host the other place is; if there is none that is the best, one
 * of them
 */
enum clock_fit clock_elsewhere(const struct vmrt_dat *host, const struct vmrt_dat *guest,
	const int32_t *tids, size_t n_tids, const struct vmrt_clockmap *map, int64_t error_ns,
	double drift, int64_t *away_ns);

#endif

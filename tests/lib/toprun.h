/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_TOPRUN_H
#define VMRT_TESTS_TOPRUN_H

#include <vmrt/units.h>

/*
 * A run of 500 ms made by hand: server vm1 (6 ms every 12 ms from 1 ms on) enforced, and a guest
 * with task t1 (24 ms, deadline 20 ms, 20 jobs, the first one at 25 ms). A job ends 4.05 ms after
 * its arrival, but job 7 after 16 ms and job 12 after 28 ms, which is too late; job 13, which waits
 * for it, after 5 ms. The budget is used up in periods 16, 26 and 27.
 */

#define TOPRUN_BASE (100 * VMRT_NS_PER_S)

/** toprun_make - write it into the folder @run, which is made; 0 or -1 */
int toprun_make(const char *run);

#endif

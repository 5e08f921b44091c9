/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_ENFORCERS_H
#define VMRT_COLLECTOR_TRACEFS_ENFORCERS_H

/*
 * vmrt-hsf that run write markers into the recordings that there are when they begin. They need a
 * request for each later one, and for each that ends, since an instance of which they keep a file
 * open cannot be removed.
 */

/** enforcers_mark - have all of them write markers into @instance; those that do not answer
 * are left out */
void enforcers_mark(const char *instance);

/** enforcers_unmark - have none of them write into it any more */
void enforcers_unmark(const char *instance);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_ENFORCERS_H
#define VMRT_COLLECTOR_TRACEFS_ENFORCERS_H

/*
 * A vmrt-hsf writes markers into the recordings that exist when it begins. It needs a request for
 * each recording that begins later. It also needs a request for each that ends, because a tracefs
 * instance cannot be removed while a process has one of its files open.
 */

/** enforcers_mark - ask all running vmrt-hsf to write markers into @instance; those that do not
 * answer are left out */
void enforcers_mark(const char *instance);

/** enforcers_unmark - ask all running vmrt-hsf to write no more markers into @instance */
void enforcers_unmark(const char *instance);

#endif

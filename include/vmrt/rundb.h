/* SPDX-License-Identifier: MIT */
#ifndef VMRT_RUNDB_H
#define VMRT_RUNDB_H

/* Opening run.db for reading: the access layer of reports and exporters. */

#include <sqlite3.h>

#include <vmrt/status.h>

/**
 * vmrt_rundb_open - open the database of a run for reading
 * @run: a run folder, or a database file
 * @out: close with sqlite3_close()
 *
 * A connection is used by one thread at a time.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no run or no database in it (the error says to run
 * `vmrt-trace analyze`), VMRT_EFORMAT if it is not a vmrt database, VMRT_EUNSUPPORTED if it was
 * made by another version.
 */
enum vmrt_status vmrt_rundb_open(const char *run, sqlite3 **out, struct vmrt_error *err);

#endif

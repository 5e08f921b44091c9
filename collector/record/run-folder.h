/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_RUN_FOLDER_H
#define VMRT_COLLECTOR_RECORD_RUN_FOLDER_H

/* The folder of a run (docs/run-format.md). */

#include <limits.h>
#include <stdbool.h>

#include <vmrt/status.h>

#define VMRT_RUN_SUFFIX ".vmrt"
#define VMRT_FILES_PINGS "guest-*.pings" /* while a recording lasts */

struct run_folder {
	char path[PATH_MAX - 256]; /* room for a file's name behind it */
	bool made;		   /* it was not there before */
};

/**
 * run_folder_name - where a run goes
 * @given: what the user asked for (the suffix is added if it is missing), or NULL
 * @name: what a name is made of, with the date, if nothing was asked for
 */
enum vmrt_status run_folder_name(
	struct run_folder *folder, const char *given, const char *name, struct vmrt_error *err);

/**
 * run_folder_make - make the folder
 * @force: it may be there, if it is the folder of a run; the run in it is removed
 *
 * Return: VMRT_OK, VMRT_EEXIST if it is there, VMRT_EPERM, VMRT_EIO...
 */
enum vmrt_status run_folder_make(struct run_folder *folder, bool force, struct vmrt_error *err);

/** run_folder_drop - remove a folder that was just made, with what is in it */
void run_folder_drop(const struct run_folder *folder);

/** vmrt_run_file_name - NAME as a part of a file's name: nothing but [A-Za-z0-9._-], no leading dot
 */
void vmrt_run_file_name(char *name);

/** run_unlink - remove the files of folder @run whose names match @pattern */
void run_unlink(const char *run, const char *pattern);

#endif

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
	char path[PATH_MAX - 256]; /* leaves room for the name of a file */
	bool made;		   /* the folder was made by run_folder_make(), not found */
};

/**
 * run_folder_name - the path of a new run's folder
 * @given: what the user asked for (the suffix is added if it is missing), or NULL
 * @name: the name is made of this and the date, if @given is NULL
 */
enum vmrt_status run_folder_name(
	struct run_folder *folder, const char *given, const char *name, struct vmrt_error *err);

/**
 * run_folder_make - make the folder
 * @force: the folder may exist, if it is that of a run; the run in it is removed
 *
 * Return: VMRT_OK, VMRT_EEXIST if it exists, VMRT_EPERM, VMRT_EIO...
 */
enum vmrt_status run_folder_make(struct run_folder *folder, bool force, struct vmrt_error *err);

/** run_folder_drop - remove a folder that was just made, with what is in it */
void run_folder_drop(const struct run_folder *folder);

/** vmrt_run_file_name - make @name safe as part of a file's name: only [A-Za-z0-9._-], no leading
 * dot
 */
void vmrt_run_file_name(char *name);

/** run_unlink - remove the files of folder @run whose names match @pattern */
void run_unlink(const char *run, const char *pattern);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_NAMES_H
#define VMRT_PARSER_SOURCE_NAMES_H

/* Reads the names of all threads of a recording. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/dat.h>
#include <vmrt/experiment.h>

/* One name of one thread; a thread that is renamed has several. */
struct thread_name {
	int32_t tid;
	char comm[VMRT_COMM_MAX];
};

struct thread_names {
	struct thread_name *list; /* by tid */
	size_t n;
};

/* Functions that are called while the recording is read, for callers that need more than the names.
 * Any may be NULL. */
struct names_watch {
	void *ctx;
	bool (*named)(void *ctx, int32_t tid, const char *comm); /* once for each name */
	bool (*fork)(void *ctx, int32_t parent, int32_t child, const char *comm);
	void (*exec)(void *ctx, int32_t tid); /* the thread begins another program */
};

/**
 * names_read - read the threads' names from a recording: its saved ones and those in its events
 * @watch: may be NULL; its functions return false when memory is short
 * @out: free with names_free()
 */
enum vmrt_status names_read(const struct vmrt_dat *dat, const struct names_watch *watch,
	struct thread_names *out, struct vmrt_error *err);

void names_free(struct thread_names *names);

#endif

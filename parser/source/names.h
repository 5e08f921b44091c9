/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_NAMES_H
#define VMRT_PARSER_SOURCE_NAMES_H

/* All threads that a recording names. */

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

/* Who wants to know more than the names: called while the recording is read. Any may be NULL. */
struct names_watch {
	void *ctx;
	bool (*named)(void *ctx, int32_t tid, const char *comm); /* once for each name */
	bool (*fork)(void *ctx, int32_t parent, int32_t child, const char *comm);
	void (*exec)(void *ctx, int32_t tid); /* it begins another program */
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

/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PAGES_LOCAL_H
#define TESTS_PAGES_LOCAL_H

/* What pages.c (records and pages) and pages-file.c (options and files) share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "pages-formats.h"
#include "pages.h"

#define MAX_CPUS 64
#define MAX_INSTANCES 4

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct bytes {
	uint8_t *at;
	size_t n, room;
};

struct cpu {
	struct bytes pages; /* whole pages; the last one is being filled */
	uint32_t used;	    /* of the last page, header included; 0: there is none */
	int64_t last;	    /* time of its last entry */
	int32_t pid;
	uint64_t lost;
};

struct tests_dat {
	enum tests_kernel kernel;
	unsigned n_cpus;
	struct cpu cpus[MAX_INSTANCES][MAX_CPUS];
	char names[MAX_INSTANCES][32];
	unsigned n_buffers, buffer;
	uint8_t flags;
	char clock[32];
	bool no_symbols;
	struct bytes options, comms;
	char *formats[TESTS_EVENTS];
	const char *systems[TESTS_EVENTS];
};

/** tests_put - append @size bytes, zeros if @data is NULL */
void tests_put(struct bytes *b, const void *data, size_t size);

#endif

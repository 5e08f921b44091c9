/* SPDX-License-Identifier: MIT */
#ifndef DATFIX_H
#define DATFIX_H

/* A file for a trace.dat written by hand, and its events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/dat.h>

#include "pages.h"

#define S VMRT_NS_PER_S

static char path[64];

static inline int make_file(void **unused)
{
	int fd;

	(void)unused;
	strcpy(path, "/tmp/vmrt-test-dat-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static inline int remove_file(void **unused)
{
	(void)unused;
	return unlink(path);
}

static inline struct vmrt_stream *stream_of(const struct vmrt_dat *dat)
{
	struct vmrt_stream *s = NULL;

	assert_int_equal(vmrt_stream_open(dat, &s, NULL), VMRT_OK);
	return s;
}

static inline void next(
	struct vmrt_stream *s, struct vmrt_event *e, enum vmrt_event_type type, int64_t ts)
{
	struct vmrt_error err;

	if (vmrt_stream_next(s, e, &err) != 1)
		fail_msg("no event where one of type %d should be", (int)type);
	assert_int_equal(e->type, type);
	assert_int_equal(e->ts, ts);
}

#endif

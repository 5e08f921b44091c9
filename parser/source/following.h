/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_FOLLOWING_H
#define VMRT_PARSER_SOURCE_FOLLOWING_H

/* The parts of a recording that is followed while its recorder writes it; see vmrt/recording.h. */

#include <sys/types.h>

#include <vmrt/extent.h>

#include "parser/clock/ping-fit.h"
#include "recording-local.h"

/* Of the run. */
struct following {
	char run[RECORDING_PATH], proof[RECORDING_PATH];
	int hold;	/* the lock by which the recorder knows of us */
	ino_t manifest; /* which one was looked at last */
	uint64_t vms;	/* what it says of VMs: see count_vms() */
};

/* Of one machine. */
struct followed {
	enum vmrt_extent_state state;
	int64_t upto_ns;  /* host clock */
	const char *lack; /* why it is not waited for; or NULL */
	int pings;	  /* the file with them, or -1 */
	off_t pings_at;
	int64_t last_ping_ns;
	struct ping_fit fit;
	bool begun;	  /* it is known where its stream begins */
	uint64_t dropped; /* events that came too late, right before the next one */
};

/** following_begin - ask the recorder of @rec->options->run to write how far it is */
enum vmrt_status following_begin(struct vmrt_recording *rec, struct vmrt_error *err);

/** following_source - the file of @s, just opened, is one that grows */
enum vmrt_status following_source(
	struct vmrt_recording *rec, struct source *s, struct vmrt_error *err);

/** following_rewind - all streams have been opened anew: make the merge one of live inputs */
void following_rewind(struct vmrt_recording *rec);

/** following_end - free what following took, also after a failure */
void following_end(struct vmrt_recording *rec);

#endif

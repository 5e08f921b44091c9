/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_FOLLOWING_H
#define VMRT_PARSER_SOURCE_FOLLOWING_H

/* The parts of a recording that is followed while its recorder writes it; see vmrt/recording.h. */

#include <sys/types.h>

#include <vmrt/extent.h>

#include "parser/clock/ping-fit.h"
#include "recording-local.h"

/* Following of the run. */
struct following {
	char run[RECORDING_PATH], proof[RECORDING_PATH];
	int hold;	/* a lock on a file, which tells the recorder that somebody follows */
	ino_t manifest; /* inode of the manifest that was read last */
	uint64_t vms;	/* the VMs in that manifest: see count_vms() */
};

/* Following of one machine. */
struct followed {
	enum vmrt_extent_state state;
	int64_t upto_ns;  /* host clock */
	const char *lack; /* why the others do not wait for this machine; or NULL */
	int pings;	  /* the file with the pings, or -1 */
	off_t pings_at;
	int64_t last_ping_ns;
	struct ping_fit fit;
	bool begun;	  /* it is known where its stream begins */
	uint64_t dropped; /* events that came too late, right before the next one */
};

/** following_begin - ask the recorder of @rec->options->run to write how far it has come */
enum vmrt_status following_begin(struct vmrt_recording *rec, struct vmrt_error *err);

/** following_source - take note that the file of @s, which was just opened, grows */
enum vmrt_status following_source(
	struct vmrt_recording *rec, struct source *s, struct vmrt_error *err);

/** following_rewind - after all streams were opened anew: make the merge one of live inputs */
void following_rewind(struct vmrt_recording *rec);

/** following_end - free what the other functions have allocated, also after a failure */
void following_end(struct vmrt_recording *rec);

#endif

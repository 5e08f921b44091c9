/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_REPLAY_LOCAL_H
#define VMRT_TUI_SOURCE_REPLAY_LOCAL_H

/* What replaying a recording (source-replay.c) and following one (source-follow.c) share. */

#include <vmrt/recording.h>

#include "source.h"

struct replay {
	struct top_source base;
	struct vmrt_recording_options
		options; /* options.follow: the recording is still in progress */
	struct vmrt_recording *rec;
	struct vmrt_engine_config config;
	char vm[VMRT_NAME_MAX];
	bool finished;
	uint64_t counted;	  /* losses that the recorder counted */
	char *found;		  /* an experiment of the tasks that were found, or NULL */
	enum vmrt_release *waits; /* by task: what releases it; NULL before all was read once */
	enum vmrt_following following;
	int64_t collected_ns; /* when new data were last looked for */
};

/** replay_open - open the whole recording of @r->options; without an experiment, find its tasks */
enum vmrt_status replay_open(struct replay *r, struct vmrt_error *err);

/** follow_open - begin to follow the recording of @r->options, as soon as its recorder records */
enum vmrt_status follow_open(struct replay *r, struct vmrt_error *err);

/** follow_feed - feed the events that were recorded until host time @until_ns; when the recording
 * has ended, the source becomes a replay */
enum top_fed follow_feed(struct replay *r, struct vmrt_engine *engine, int64_t until_ns,
	int64_t deadline_ns, struct vmrt_error *err);

/** follow_state - get the state to show while the recording is in progress */
void follow_state(struct replay *r, struct top_source_state *state);

#endif

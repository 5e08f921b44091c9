/* SPDX-License-Identifier: MIT */
#ifndef VMRT_EXTENT_H
#define VMRT_EXTENT_H

/*
 * How much of a recording in progress is complete. The recorder writes this for programs that
 * follow the recording.
 *
 * A follower holds a shared lock on the recorder's journal; while there is such a lock, the
 * recorder writes several times a second a small file with the sizes of the data that are complete.
 * The recorder removes this file before it puts the recordings together. So if the file is still
 * there after a follower has read some data, these data were not moved before they were read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

#define VMRT_FILE_JOURNAL "recorder.journal"
#define VMRT_FILE_PROGRESS "recorder.progress"
#define VMRT_EXTENT_NAME 96

enum vmrt_extent_state {
	VMRT_EXTENT_GOING, /* events come all the time */
	VMRT_EXTENT_HELD,  /* events come only when the recording ends */
	VMRT_EXTENT_OVER,  /* no more events will come */
};

/* One file of the run. */
struct vmrt_extent_file {
	char name[VMRT_EXTENT_NAME]; /* host.dat, guest-NAME.dat */
	enum vmrt_extent_state state;
	int64_t upto_ns; /* the file has all events before this time of the machine's clock; or
			    VMRT_UNKNOWN */
	uint64_t *sizes; /* bytes by CPU */
	unsigned cpus;
};

struct vmrt_extent {
	struct vmrt_extent_file *files;
	size_t n;
};

/** vmrt_extent_save - write @extent into folder @run so that readers never see a part of it;
 * VMRT_OK or an error */
enum vmrt_status vmrt_extent_save(
	const struct vmrt_extent *extent, const char *run, struct vmrt_error *err);

/**
 * vmrt_extent_load - read what vmrt_extent_save() wrote
 * @out: free with vmrt_extent_free()
 *
 * Return: VMRT_OK, VMRT_ENOENT if there is no such file (yet, or any more), VMRT_EFORMAT,
 * VMRT_ENOMEM...
 */
enum vmrt_status vmrt_extent_load(const char *run, struct vmrt_extent *out, struct vmrt_error *err);

/** vmrt_extent_find - the file called @name, or NULL */
const struct vmrt_extent_file *vmrt_extent_find(const struct vmrt_extent *extent, const char *name);

/** vmrt_extent_free - free what @extent holds, not @extent itself */
void vmrt_extent_free(struct vmrt_extent *extent);

/** vmrt_extent_remove - remove the file: from now on nobody can follow the recording */
void vmrt_extent_remove(const char *run);

/** vmrt_extent_wanted - does anybody follow the recording in folder @run? */
bool vmrt_extent_wanted(const char *run);

/** vmrt_extent_follow - ask the recorder to write its extent until the descriptor that is returned
 * is closed; -1 with errno */
int vmrt_extent_follow(const char *run);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_EXTENT_H
#define VMRT_EXTENT_H

/*
 * How far a recording in progress has come: what a recorder writes for those who follow it.
 *
 * A follower holds a shared lock on the recorder's journal; as long as one does, the recorder
 * writes a small file with the sizes of what is complete, several times a second. The recorder
 * removes that file before it puts the recordings together: what was read while the file was still
 * there was read in its place.
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
	VMRT_EXTENT_HELD,  /* they come when the recording ends */
	VMRT_EXTENT_OVER,  /* no more will come */
};

/* One file of the run. */
struct vmrt_extent_file {
	char name[VMRT_EXTENT_NAME]; /* host.dat, guest-NAME.dat */
	enum vmrt_extent_state state;
	int64_t upto_ns; /* all events before are in the file, by the clock of its machine; or
			    VMRT_UNKNOWN */
	uint64_t *sizes; /* bytes by CPU */
	unsigned cpus;
};

struct vmrt_extent {
	struct vmrt_extent_file *files;
	size_t n;
};

/** vmrt_extent_save - write it into folder @run, at once; VMRT_OK or an error */
enum vmrt_status vmrt_extent_save(
	const struct vmrt_extent *extent, const char *run, struct vmrt_error *err);

/**
 * vmrt_extent_load - read it
 * @out: free with vmrt_extent_free()
 *
 * Return: VMRT_OK, VMRT_ENOENT if there is none (yet, or any more), VMRT_EFORMAT, VMRT_ENOMEM...
 */
enum vmrt_status vmrt_extent_load(const char *run, struct vmrt_extent *out, struct vmrt_error *err);

/** vmrt_extent_find - the file called @name, or NULL */
const struct vmrt_extent_file *vmrt_extent_find(const struct vmrt_extent *extent, const char *name);

/** vmrt_extent_free - free what it holds, not @extent itself */
void vmrt_extent_free(struct vmrt_extent *extent);

/** vmrt_extent_remove - there is no following from here on */
void vmrt_extent_remove(const char *run);

/** vmrt_extent_wanted - does anybody follow the recording in folder @run? */
bool vmrt_extent_wanted(const char *run);

/** vmrt_extent_follow - want it until the descriptor is closed; -1 with errno */
int vmrt_extent_follow(const char *run);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DAT_GROWING_H
#define VMRT_PARSER_DAT_GROWING_H

/* Reads a file that its recorder is still writing. Its head exists from the beginning on; the
 * recorder says how many bytes there are of each CPU (vmrt/extent.h). */

#include <vmrt/dat.h>

/**
 * dat_growing - prepare @dat, which was just opened, for a recording in progress
 * @proof: a file that the recorder removes before it moves the content of @dat
 *
 * Streams of @dat are live ones: see vmrt_stream_limit().
 */
enum vmrt_status dat_growing(struct vmrt_dat *dat, const char *proof, struct vmrt_error *err);

/** dat_grown - set how many bytes of each CPU there are now; streams learn it by stream_grown() */
void dat_grown(struct vmrt_dat *dat, const uint64_t *sizes, unsigned n);

/** stream_grown - take into @stream what dat_grown() has noted; the event returned last is no
 * longer good then */
void stream_grown(struct vmrt_stream *stream);

/** dat_is_written - is the recorder of the file still running? */
bool dat_is_written(const struct vmrt_dat *dat);

#endif

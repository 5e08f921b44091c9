/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_EARLY_END_H
#define VMRT_PARSER_SOURCE_EARLY_END_H

/* Recordings that end before the others; this is known only when all have been read. */

#include <vmrt/recording.h>

/**
 * early_ends_find - find recordings, or CPUs of them, that ended early
 *
 * They are noted in @rec, and a warning is printed.
 *
 * Return: whether there are any; then everything has to be read again.
 */
bool early_ends_find(struct vmrt_recording *rec, const struct vmrt_engine_config *config,
	const struct vmrt_engine *engine);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_NOTES_H
#define VMRT_PARSER_SOURCE_NOTES_H

/* Says in words what a recording lacks, on stderr and in the reports. */

#include <vmrt/engine.h>
#include <vmrt/recording.h>

#include "parser/db/rundb.h"

/**
 * notes_write - write the events that each machine recorded, and notes on what is missing, into @db
 * @engine: has been fed with all of @rec
 *
 * Each note is a warning on stderr, too.
 */
enum vmrt_status notes_write(const struct vmrt_recording *rec,
	const struct vmrt_engine_config *config, const struct vmrt_engine *engine, struct rundb *db,
	struct vmrt_error *err);

#endif

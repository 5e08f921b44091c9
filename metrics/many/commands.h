/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_COMMANDS_H
#define VMRT_METRICS_MANY_COMMANDS_H

/* The commands of vmrt-report that are about many runs. */

#include <vmrt/tool.h>

extern const struct vmrt_command many_push_command;
extern const struct vmrt_command many_trend_command;

/** What the arguments of push and trend name. */
struct many_sources {
	char *uri;    /* of a database; NULL: none */
	char **words; /* runs and folders, in the order of the arguments */
	size_t n_words;
};

/**
 * many_take_source - add an argument to @sources: a run, a folder, or the URI of a database
 * @twice: the message if there is a URI already
 *
 * A URI is copied, and then its password is overwritten in @arg, since other users of the machine
 * can see the arguments of a process. Returns 0, ENOMEM, or what vmrt_usage() returns. The caller
 * frees uri and words.
 */
error_t many_take_source(
	struct many_sources *sources, char *arg, const struct argp_state *state, const char *twice);

#endif

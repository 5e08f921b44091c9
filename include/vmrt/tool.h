/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TOOL_H
#define VMRT_TOOL_H

/*
 * One frame for all programs: options, help, completion, signals and exit status.
 *
 * A program is a `struct vmrt_tool` with one or more commands; main() is
 * `return vmrt_tool_main(&tool, argc, argv);`. Option tables are argp's, so that the parser,
 * --help, the man page check and the completion script come from one place.
 */

#include <argp.h>
#include <stdbool.h>

#include <vmrt/status.h>

struct vmrt_command {
	const char *name; /* NULL if the program has only this command */
	const char *args; /* what follows the options, as in "RUN [-- COMMAND...]" */
	const char *summary;
	const char *doc; /* more for --help, or NULL */
	const struct argp_option *options;
	argp_parser_t parse;	/* gets `opts` as state->input */
	void *opts;		/* the options with their defaults */
	int (*run)(void *opts); /* returns an enum vmrt_exit */
};

struct vmrt_tool {
	const char *name;
	const char *summary;
	const struct vmrt_command *commands; /* ends with a NULL run */
};

/**
 * vmrt_tool_main - parse the command line, install signal handling, run the command
 *
 * Knows --help, --usage, --version and `--completion bash` by itself. Usage errors exit with 64.
 *
 * Return: the exit status for main().
 */
int vmrt_tool_main(const struct vmrt_tool *tool, int argc, char **argv);

/** vmrt_stop_requested - number of the signal (SIGINT, SIGTERM, SIGHUP) that asked to stop, or 0 */
int vmrt_stop_requested(void);

/** vmrt_stop_fd - a descriptor that becomes readable when a stop is requested; do not read it */
int vmrt_stop_fd(void);

/** vmrt_request_stop - as if signal @sig had come; async-signal-safe */
void vmrt_request_stop(int sig);

/**
 * vmrt_usage - for argp parsers: a complaint that ends with "try --help" and exit status 64
 *
 * Return: never; argp_failure() ends the program through exit().
 */
error_t vmrt_usage(const struct argp_state *state, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

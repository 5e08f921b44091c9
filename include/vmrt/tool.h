/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TOOL_H
#define VMRT_TOOL_H

/*
 * One frame for all programs: options, help, completion, signals and exit status.
 *
 * A program is a `struct vmrt_tool` with one or more commands; main() is
 * `return vmrt_tool_main(&tool, argc, argv);`. The parser, --help, the completion script and the
 * check of the man page all use one table of options per command (<vmrt/option.h>).
 */

#include <argp.h>
#include <stdbool.h>

#include <vmrt/option.h>
#include <vmrt/status.h>

/**
 * struct vmrt_command - one command of a program
 * @name: NULL if the program has only this command
 * @args: what follows the options, as in "RUN [-- COMMAND...]"; NULL: nothing
 * @summary: one sentence
 * @doc: more for --help, or NULL
 * @options: ends with a row without name
 * @opts: where the options go; the defaults of the table are written into it first
 * @argument: takes each word that is no option; NULL: there must be none
 * @check: looks at all options together after the last one; may be NULL. Complains with
 * vmrt_usage()
 * @run: returns an enum vmrt_exit
 */
struct vmrt_command {
	const char *name;
	const char *args;
	const char *summary;
	const char *doc;
	const struct vmrt_option *options;
	void *opts;
	error_t (*argument)(void *opts, char *arg, struct argp_state *state);
	error_t (*check)(void *opts, const struct argp_state *state);
	int (*run)(void *opts);
};

struct vmrt_tool {
	const char *name;
	const char *summary;
	const struct vmrt_command *commands; /* ends with a NULL run */
	const char *exit_status; /* of a program with commands, for --help: what 2 and 3 mean, with
				  * a comma at the end; or NULL */
};

/**
 * vmrt_tool_main - parse the command line, install signal handling, run the command
 *
 * Every program understands --help, --usage, --version, `--completion bash` and `--completion
 * table` (one line per option, for the check of the man pages). Usage errors exit with 64.
 *
 * Return: the exit status for main().
 */
int vmrt_tool_main(const struct vmrt_tool *tool, int argc, char **argv);

/** vmrt_stop_requested - number of the signal (SIGINT, SIGTERM, SIGHUP) that asked to stop, or 0 */
int vmrt_stop_requested(void);

/** vmrt_stop_fd - a descriptor that becomes readable when a stop is requested; do not read it */
int vmrt_stop_fd(void);

/**
 * vmrt_remove_at_crash - remove the file @path if a signal that nobody handles ends the process
 * @path: copied; until vmrt_keep_at_crash(), or until it has been renamed
 */
void vmrt_remove_at_crash(const char *path);

/** vmrt_keep_at_crash - no longer remove the file @path at a crash, since it is complete or was
 * removed; NULL and unknown paths are ignored */
void vmrt_keep_at_crash(const char *path);

/**
 * vmrt_end_at_stop - from now on the program may be ended at any place
 *
 * For programs that leave nothing behind but the files of vmrt_remove_at_crash(). If such a program
 * uses more than 150 ms of CPU time after it was asked to stop, because numbers in a stranger's
 * file keep it busy, the signal ends it.
 */
void vmrt_end_at_stop(void);

/** vmrt_request_stop - request a stop, as signal @sig does; async-signal-safe */
void vmrt_request_stop(int sig);

/** vmrt_option_given - was the option called @name on the command line? For the check of a command
 */
bool vmrt_option_given(const char *name);

/** vmrt_option_quiet - for the row of --quiet: only warnings and errors on stderr */
error_t vmrt_option_quiet(void *opts, char *arg, const struct argp_state *state);

/* The row of --quiet. */
#define VMRT_OPTION_QUIET                                                                          \
	{                                                                                          \
		"quiet", 'q', NULL, "only warnings and errors on stderr",                          \
			VMRT_CALL(vmrt_option_quiet)                                               \
	}

/**
 * vmrt_usage - for option parsers: a complaint that ends with "try --help" and exit status 64
 *
 * Return: never; argp_failure() ends the program through exit().
 */
error_t vmrt_usage(const struct argp_state *state, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_OPTION_H
#define VMRT_OPTION_H

/*
 * One row per option of a command. The row feeds the parser, --help, the completion script and the
 * check of the man page, so that these cannot disagree: the default is parsed from the text that
 * --help shows.
 */

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vmrt_option_kind {
	VMRT_OPTION_KIND_FLAG = 1, /* bool: becomes true */
	VMRT_OPTION_KIND_TEXT,	   /* const char *, not empty */
	VMRT_OPTION_KIND_LIST,	   /* const char *[most] and a size_t: may be repeated */
	VMRT_OPTION_KIND_COUNT,	   /* int64_t from least to most */
	VMRT_OPTION_KIND_TIME,	   /* int64_t, ns, from least to most */
	VMRT_OPTION_KIND_SIZE,	   /* uint64_t, bytes, from least to most */
	VMRT_OPTION_KIND_NUMBER,   /* double from least to most */
	VMRT_OPTION_KIND_CHOICE,   /* int or enum: index of the word in choices */
	VMRT_OPTION_KIND_CALL,	   /* the function in call takes the argument */
};

/**
 * struct vmrt_option - one option; a table of them ends with a row without name
 * @name: long name, without the dashes
 * @letter: short name, or 0
 * @arg: what stands for the argument in --help, as in FILE; NULL for a flag
 * @optional: the argument may be left out
 * @help: one sentence without range, default and choices, which --help adds
 * @standard: the default, as a user would write it; NULL: the field keeps its value
 * @choices: the words of a choice, ended by NULL. If a text has choices, it must be one of them,
 * and @help lists them itself. Completion uses @choices of every kind
 * @kind, @offset: type and place of the value; set by one of the macros below
 * @count: place of the number of items of a list
 * @least, @most: the range; both 0: any value that is not negative. @most of a list: how many
 * @call: takes the argument: NULL if there is none. Complains with vmrt_usage()
 * @sample: a good value, for the message about a bad one
 */
struct vmrt_option {
	const char *name;
	int letter;
	const char *arg;
	const char *help;
	const char *standard;
	const char *const *choices;
	enum vmrt_option_kind kind;
	size_t offset, count;
	int64_t least, most;
	error_t (*call)(void *opts, char *arg, const struct argp_state *state);
	const char *sample;
	bool optional;
};

/* The place of a field. It does not compile unless the field has the type that this kind of option
 * writes. */
#define VMRT_OPTION_PLACE(type, field, want)                                                       \
	(offsetof(type, field) +                                                                   \
		0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->field), want) \
					? 1                                                        \
					: -1]))

#define VMRT_FLAG(type, field)                                                                     \
	.kind = VMRT_OPTION_KIND_FLAG, .offset = VMRT_OPTION_PLACE(type, field, _Bool)
#define VMRT_TEXT(type, field)                                                                     \
	.kind = VMRT_OPTION_KIND_TEXT, .offset = VMRT_OPTION_PLACE(type, field, const char *)
#define VMRT_LIST(type, field, number)                                                             \
	.kind = VMRT_OPTION_KIND_LIST, .offset = VMRT_OPTION_PLACE(type, field[0], const char *),  \
	.count = VMRT_OPTION_PLACE(type, number, size_t),                                          \
	.most = (int64_t)(sizeof(((type *)0)->field) / sizeof(const char *))
#define VMRT_COUNT(type, field, from, to)                                                          \
	.kind = VMRT_OPTION_KIND_COUNT, .offset = VMRT_OPTION_PLACE(type, field, int64_t),         \
	.least = (from), .most = (to)
#define VMRT_TIME(type, field, from, to)                                                           \
	.kind = VMRT_OPTION_KIND_TIME, .offset = VMRT_OPTION_PLACE(type, field, int64_t),          \
	.least = (from), .most = (to)
#define VMRT_SIZE(type, field, from, to)                                                           \
	.kind = VMRT_OPTION_KIND_SIZE, .offset = VMRT_OPTION_PLACE(type, field, uint64_t),         \
	.least = (from), .most = (to)
#define VMRT_NUMBER(type, field, from, to)                                                         \
	.kind = VMRT_OPTION_KIND_NUMBER, .offset = VMRT_OPTION_PLACE(type, field, double),         \
	.least = (from), .most = (to)
#define VMRT_CHOICE(type, field, words)                                                            \
	.kind = VMRT_OPTION_KIND_CHOICE,                                                           \
	.offset = offsetof(type, field) +                                                          \
		  0 * sizeof(char[sizeof(((type *)0)->field) == sizeof(int) ? 1 : -1]),            \
	.choices = (words)
#define VMRT_CALL(function) .kind = VMRT_OPTION_KIND_CALL, .call = (function)

/**
 * vmrt_options_standard - write the defaults of a table into @opts
 *
 * A default that is out of range is a mistake of the table: the program aborts.
 */
void vmrt_options_standard(const struct vmrt_option *table, void *opts);

/**
 * vmrt_option_take - parse the argument of one option into @opts
 * @arg: NULL for a flag
 *
 * Return: 0; complains with vmrt_usage() and does not return if @arg is wrong.
 */
error_t vmrt_option_take(
	const struct vmrt_option *option, void *opts, char *arg, const struct argp_state *state);

/**
 * vmrt_option_complain - "--duration '3 parsecs': give a time from 1 ns on, such as 10s"
 *
 * Return: what a function in @call of a row returns for a wrong argument.
 */
error_t vmrt_option_complain(
	const struct vmrt_option *option, const char *arg, const struct argp_state *state);

/** vmrt_option_help - the help text of one option with range, default and choices; to be freed;
 * NULL: no memory */
char *vmrt_option_help(const struct vmrt_option *option);

#endif

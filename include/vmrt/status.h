/* SPDX-License-Identifier: MIT */
#ifndef VMRT_STATUS_H
#define VMRT_STATUS_H

/* How every vmrt function reports failure, and what the programs exit with. */

#include <stdarg.h>
#include <stdbool.h>

enum vmrt_status {
	VMRT_OK,	   /* done */
	VMRT_ENOMEM,	   /* out of memory */
	VMRT_EIO,	   /* input/output error */
	VMRT_ENOENT,	   /* not found */
	VMRT_EEXIST,	   /* already exists */
	VMRT_EPERM,	   /* not permitted */
	VMRT_EINVAL,	   /* invalid argument */
	VMRT_EFORMAT,	   /* malformed data */
	VMRT_ETRUNCATED,   /* data ends too early */
	VMRT_ERANGE,	   /* out of range */
	VMRT_EUNSUPPORTED, /* not supported */
	VMRT_EBUSY,	   /* in use */
	VMRT_ETIMEOUT,	   /* no answer in time */
	VMRT_EPROTO,	   /* protocol error */
	VMRT_EDB,	   /* database error */
	VMRT_ELOSS,	   /* events were lost */
	VMRT_EINTR,	   /* interrupted */
	VMRT_EMISMATCH,	   /* the two sources disagree */
};

/* Exit statuses of every program (README, man pages). */
enum vmrt_exit {
	VMRT_EXIT_DONE = 0,
	VMRT_EXIT_FAILED = 1,
	VMRT_EXIT_VIOLATED = 2,
	VMRT_EXIT_UNKNOWN = 3, /* data loss makes the answer unknown */
	VMRT_EXIT_USAGE = 64,
};

#define VMRT_ERROR_TEXT 512

/* A failure in words: one line that names the thing, says what is wrong, and what to do. */
struct vmrt_error {
	enum vmrt_status status;
	char text[VMRT_ERROR_TEXT];
};

/**
 * vmrt_fail - fill in an error and return its status, for `return vmrt_fail(err, ...)`
 * @err: where the text goes; may be NULL when the caller wants only the status
 * @status: what kind of failure, not VMRT_OK
 * @fmt: the line, without newline and without program name
 *
 * Control characters in the resulting text are replaced by '?', since names from guests and
 * files may be part of it.
 *
 * Return: @status.
 */
enum vmrt_status vmrt_fail(struct vmrt_error *err, enum vmrt_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** vmrt_fail_errno - as vmrt_fail, with the status and the words of errno value @errnum behind ": "
 */
enum vmrt_status vmrt_fail_errno(struct vmrt_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * vmrt_say - print one line of information on stderr, behind the program's name
 *
 * Silent when --quiet was given. Never used for data, which goes to stdout.
 */
void vmrt_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** vmrt_warn - as vmrt_say, prefixed "warning: " and not silenced by --quiet */
void vmrt_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** vmrt_complain - print the text of @err as "PROGRAM: error: TEXT" on stderr */
void vmrt_complain(const struct vmrt_error *err);

/** vmrt_set_quiet - silence vmrt_say() when @quiet is not 0 */
void vmrt_set_quiet(int quiet);

/** vmrt_is_quiet - whether vmrt_say() is silenced */
bool vmrt_is_quiet(void);

#endif

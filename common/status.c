/* SPDX-License-Identifier: MIT */
/* Errors: words for results, messages that say why, and warnings on stderr. */
#include <vmrt/status.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/progress.h>
#include <vmrt/utf8.h>

static int quiet;

static enum vmrt_status fail_v(struct vmrt_error *err, enum vmrt_status status, const char *tail,
	const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

static enum vmrt_status fail_v(struct vmrt_error *err, enum vmrt_status status, const char *tail,
	const char *fmt, va_list ap)
{
	size_t used;

	if (!err)
		return status;
	err->status = status;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	used = strlen(err->text);
	if (tail && used < sizeof(err->text))
		snprintf(err->text + used, sizeof(err->text) - used, ": %s", tail);
	vmrt_utf8_sanitize(err->text);
	return status;
}

enum vmrt_status vmrt_fail(struct vmrt_error *err, enum vmrt_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(err, status, NULL, fmt, ap);
	va_end(ap);
	return status;
}

static enum vmrt_status status_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return VMRT_ENOMEM;
	case ENOENT:
	case ENODEV:
	case ESRCH:
		return VMRT_ENOENT;
	case EEXIST:
		return VMRT_EEXIST;
	case EPERM:
	case EACCES:
		return VMRT_EPERM;
	case EINVAL:
		return VMRT_EINVAL;
	case EBUSY:
		return VMRT_EBUSY;
	case ETIMEDOUT:
		return VMRT_ETIMEOUT;
	case EINTR:
		return VMRT_EINTR;
	case ENOSYS:
	case EOPNOTSUPP:
		return VMRT_EUNSUPPORTED;
	default:
		return VMRT_EIO;
	}
}

enum vmrt_status vmrt_fail_errno(struct vmrt_error *err, int errnum, const char *fmt, ...)
{
	enum vmrt_status status = status_of_errno(errnum);
	va_list ap;

	va_start(ap, fmt);
	fail_v(err, status, strerror(errnum), fmt, ap);
	va_end(ap);
	return status;
}

static void print_message(const char *prefix, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void print_message(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	vmrt_utf8_sanitize(line);
	vmrt_progress_clear();
	fprintf(stderr, "%s: %s%s\n", program_invocation_short_name, prefix, line);
}

void vmrt_say(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	print_message("", fmt, ap);
	va_end(ap);
}

void vmrt_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_message("warning: ", fmt, ap);
	va_end(ap);
}

void vmrt_complain(const struct vmrt_error *err)
{
	vmrt_progress_clear();
	fprintf(stderr, "%s: error: %s\n", program_invocation_short_name, err->text);
}

void vmrt_set_quiet(int value)
{
	quiet = value;
}

bool vmrt_is_quiet(void)
{
	return quiet;
}

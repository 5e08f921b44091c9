/* SPDX-License-Identifier: MIT */
/* Shows the progress of long work on a terminal. */
#include <vmrt/progress.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

#define AFTER_NS VMRT_NS_PER_S
#define EVERY_NS (VMRT_NS_PER_S / 5)
#define LINE_MOST 78

static struct {
	bool wanted;
	int64_t begun, last; /* when the work began, when the line was written last */
	char part[48];
	size_t shown; /* length of the line on the terminal */
} progress;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * VMRT_NS_PER_S + t.tv_nsec;
}

void vmrt_progress_start(void)
{
	progress.wanted = !vmrt_is_quiet() && isatty(STDERR_FILENO);
	progress.begun = now_ns();
}

void vmrt_progress_part(const char *fmt, ...)
{
	va_list ap;

	progress.part[0] = '\0';
	if (!fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(progress.part, sizeof(progress.part), fmt, ap);
	va_end(ap);
}

/* Is it time to write the line again? */
static bool is_due(void)
{
	int64_t now;

	if (!progress.wanted)
		return false;
	now = now_ns();
	if (now - progress.begun < AFTER_NS || now - progress.last < EVERY_NS)
		return false;
	progress.last = now;
	return true;
}

static void show(const char *text)
{
	int saved = errno, length;
	char line[LINE_MOST + 1];

	length = snprintf(line, sizeof(line), "%s: %s%s%s", program_invocation_short_name,
		progress.part, *progress.part ? ", " : "", text);
	if (length > LINE_MOST)
		length = LINE_MOST;
	/* blanks overwrite the rest of a longer line that was there before */
	fprintf(stderr, "\r%s%*s", line,
		progress.shown > (size_t)length ? (int)(progress.shown - (size_t)length) : 0, "");
	progress.shown = (size_t)length;
	errno = saved;
}

void vmrt_progress_count(const char *words, int64_t n)
{
	char text[80];

	if (!is_due())
		return;
	snprintf(text, sizeof(text), "%lld %s", (long long)n, words);
	show(text);
}

void vmrt_progress_share(const char *words, int64_t done, int64_t all)
{
	char text[80];

	if (all <= 0 || !is_due())
		return;
	snprintf(text, sizeof(text), "%s, %d %%", words, (int)(100 * (double)done / (double)all));
	show(text);
}

void vmrt_progress_clear(void)
{
	if (progress.shown)
		fprintf(stderr, "\r%*s\r", (int)progress.shown, "");
	progress.shown = 0;
}

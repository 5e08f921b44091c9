/* SPDX-License-Identifier: MIT */
/* The findings of the checks, their text, and the reading of the files that the checks look at. */
#include "doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>
#include <vmrt/utf8.h>

#define FILE_MAX (1 << 20)

const char *doctor_verdict_name(enum vmrt_verdict verdict)
{
	static const char *const words[] = {
#define X(name, text) text,
		VMRT_VERDICT_LIST(X)
#undef X
	};

	return words[verdict];
}

void doctor_add(struct doctor *d, enum vmrt_verdict verdict, const char *check, const char *subject,
	const char *why, const char *mend, const char *found, ...)
{
	bool well = verdict == VMRT_VERDICT_OK;
	struct doctor_finding *f;
	va_list ap;

	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 32;
		struct doctor_finding *more = realloc(d->findings, room * sizeof(*more));

		if (!more) {
			d->failed = true;
			return;
		}
		d->findings = more;
		d->room = room;
	}
	f = &d->findings[d->n++];
	f->verdict = verdict;
	snprintf(f->check, sizeof(f->check), "%s", check);
	snprintf(f->subject, sizeof(f->subject), "%s", subject);
	f->why = well ? "" : why;
	snprintf(f->mend, sizeof(f->mend), "%s", well ? "" : mend);
	va_start(ap, found);
	vsnprintf(f->found, sizeof(f->found), found, ap);
	va_end(ap);
}

/* Words of others, without what a terminal might take for commands. */
static void print_words(FILE *out, const char *label, const char *words)
{
	fputs(label, out);
	vmrt_utf8_put(out, words);
	putc('\n', out);
}

void doctor_print(const struct doctor *d, FILE *out)
{
	size_t counts[4] = {0}, widest = 0;

	for (size_t i = 0; i < d->n; i++) {
		size_t width = vmrt_utf8_columns(d->findings[i].subject);

		widest = width > widest ? width : widest;
	}
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->findings[i];

		counts[f->verdict]++;
		fprintf(out, "%-7s %-14s ", doctor_verdict_name(f->verdict), f->check);
		vmrt_utf8_put(out, f->subject);
		fprintf(out, "%*s", (int)(widest - vmrt_utf8_columns(f->subject)) + 2, "");
		print_words(out, "", f->found);
		if (f->why[0])
			print_words(out, "          why:  ", f->why);
		if (f->mend[0])
			print_words(out, "          mend: ", f->mend);
	}
	fprintf(out, "%zu ok, %zu warn, %zu fail, %zu unknown\n", counts[VMRT_VERDICT_OK],
		counts[VMRT_VERDICT_WARN], counts[VMRT_VERDICT_FAIL], counts[VMRT_VERDICT_UNKNOWN]);
}

static bool full_path(const struct doctor *d, const char *path, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", d->root, path);

	return n > 0 && n < PATH_MAX;
}

char *doctor_read(const struct doctor *d, const char *path)
{
	char full[PATH_MAX], *text;
	size_t size;

	if (!full_path(d, path, full) ||
		vmrt_read_file(full, FILE_MAX, &text, &size, NULL) != VMRT_OK)
		return NULL;
	while (size && text[size - 1] == '\n')
		text[--size] = '\0';
	return text;
}

int64_t doctor_number(const struct doctor *d, const char *path)
{
	char *text = doctor_read(d, path), *end;
	int64_t value;

	if (!text)
		return VMRT_UNKNOWN;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno)
		value = VMRT_UNKNOWN;
	free(text);
	return value;
}

bool doctor_exists(const struct doctor *d, const char *path)
{
	char full[PATH_MAX];

	return full_path(d, path, full) && access(full, F_OK) == 0;
}

void doctor_free(struct doctor *d)
{
	free(d->findings);
	d->findings = NULL;
	d->n = d->room = 0;
}

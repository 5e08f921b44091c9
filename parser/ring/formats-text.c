/* SPDX-License-Identifier: MIT */
/* Reads the texts of event formats, which may come from guests. */
#include "ring.h"

#include <ctype.h>
#include <stdlib.h>

/*
 * libtraceevent is not used here. It parses all of a format text, "print fmt" too, was made for the
 * texts of the machine's own kernel, and leaked memory in fuzzing. Little is needed here: the place
 * and the size of some fields, from lines of exactly the form that the kernel writes.
 */

#define TEXT_MAX (64u << 10) /* longer format texts are refused */
#define DECLARATION 80

struct declaration {
	const char *name;
	size_t name_len;
	bool dynamic;
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Takes @word at *@at and the number behind it, up to and including a ';'. */
static bool take_number(const char **at, const char *end, const char *word, unsigned *value)
{
	size_t len = strlen(word);
	uint64_t v = 0;
	const char *p = *at;

	while (p < end && (*p == '\t' || *p == ' '))
		p++;
	if ((size_t)(end - p) <= len || memcmp(p, word, len) != 0 ||
		!isdigit((unsigned char)p[len]))
		return false;
	for (p += len; p < end && isdigit((unsigned char)*p); p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > INT32_MAX)
			return false;
	}
	if (p == end || *p != ';')
		return false;
	*value = (unsigned)v;
	*at = p + 1;
	return true;
}

/* "unsigned int x", "char * x", "char x[16]", "__data_loc char[] x": words, stars, one pair of
 * brackets. */
static bool take_declaration(struct declaration *d, const char *text, size_t len)
{
	const char *bracket = memchr(text, '[', len);
	size_t name_end = len, name_at;

	if (!len || len >= DECLARATION || (!isalpha((unsigned char)*text) && *text != '_'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_word(text[i]) && !strchr(" *[]", text[i]))
			return false;
	if (bracket) {
		const char *close = memchr(bracket, ']', len - (size_t)(bracket - text));

		if (!close || memchr(bracket + 1, '[', len - (size_t)(bracket + 1 - text)) ||
			memchr(close + 1, ']', len - (size_t)(close + 1 - text)))
			return false;
		for (const char *p = bracket + 1; p < close; p++)
			if (!is_word(*p))
				return false;
		if (close == text + len - 1)
			name_end = (size_t)(bracket - text);
	}
	for (name_at = name_end; name_at && is_word(text[name_at - 1]); name_at--)
		;
	/* There is a type in front of the name. */
	if (name_at < 2 || text[name_at - 1] != ' ' || name_end == name_at ||
		isdigit((unsigned char)text[name_at]))
		return false;
	d->name = text + name_at;
	d->name_len = name_end - name_at;
	d->dynamic = len > 11 && memcmp(text, "__data_loc ", 11) == 0;
	return true;
}

/* A line "field:DECLARATION; offset:N; size:N; signed:N;" in which blanks may be tabs. */
static bool take_line(
	struct declaration *d, struct format_field *field, const char *at, const char *end)
{
	const char *close;

	while (at < end && (*at == '\t' || *at == ' '))
		at++;
	if (end - at < 6 || memcmp(at, "field:", 6) != 0)
		return false;
	at += 6;
	while (at < end && *at == ' ')
		at++;
	close = memchr(at, ';', (size_t)(end - at));
	if (!close || !take_declaration(d, at, (size_t)(close - at)))
		return false;
	at = close + 1;
	if (!take_number(&at, end, "offset:", &field->offset) ||
		!take_number(&at, end, "size:", &field->size))
		return false;
	field->there = true;
	field->dynamic = d->dynamic;
	return true;
}

void formats_parse(
	const char *text, const char *const *names, size_t n_names, struct format_field *fields)
{
	const char *end = text + strnlen(text, TEXT_MAX);

	memset(fields, 0, n_names * sizeof(*fields));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;
		struct format_field field = {0};
		struct declaration d;

		if (line_end - text > 10 && memcmp(text, "print fmt:", 10) == 0)
			return;
		if (take_line(&d, &field, text, line_end))
			for (size_t i = 0; i < n_names; i++)
				if (names[i] && !fields[i].there &&
					strlen(names[i]) == d.name_len &&
					memcmp(names[i], d.name, d.name_len) == 0)
					fields[i] = field;
		text = newline ? newline + 1 : end;
	}
}

int formats_parse_id(const char *text)
{
	const char *at = memmem(text, strnlen(text, TEXT_MAX), "\nID: ", 5);
	long id = at && isdigit((unsigned char)at[5]) ? strtol(at + 5, NULL, 10) : 0;

	return id > 0 && id < FORMATS_IDS ? (int)id : 0;
}

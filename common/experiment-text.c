/* SPDX-License-Identifier: MIT */
/*
 * Names in an experiment file. Names of threads may have any character; one that the syntax uses
 * is written in quotes or behind a backslash.
 */
#include "experiment-text.h"

#include <stdio.h>
#include <string.h>

#include <vmrt/experiment.h>

#include "table.h"

#define UNCLOSED_QUOTE "the quote \" is not closed"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Length of the quoted text at @text with both quotes, or 0 if it does not end within @n. */
static size_t quoted_length(const char *text, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Is there nothing in the rest of a line but blanks and a comment behind a blank? */
static bool is_rest(const char *rest, size_t n)
{
	size_t i = 0;

	while (i < n && is_blank(rest[i]))
		i++;
	return i == n || (i && (rest[i] == ';' || rest[i] == '#'));
}

static int brackets(const char *text, size_t n)
{
	int open = 0;

	for (size_t i = 0; i < n; i++)
		open += (text[i] == '[') - (text[i] == ']');
	return open;
}

const char *experiment_header(const char *line, size_t n, char *out, size_t room)
{
	bool closed = false,
	     word = true; /* a quotation mark is special only at the beginning of a name */

	for (size_t i = 1; i < n; i++) {
		char c = line[i];

		if (c == '\\') {
			i++;
		} else if (c == '"' && word) {
			size_t length = quoted_length(line + i, n - i);

			if (!length)
				return UNCLOSED_QUOTE;
			i += length - 1;
		} else if (c == ']') {
			closed = true;
			if (is_rest(line + i + 1, n - i - 1)) {
				if (brackets(line + i + 1, n - i - 1) < 0)
					return "it is not clear which ] ends the section header: "
					       "write the name in quotes";
				if (i > room)
					return "the section header is too long";
				snprintf(out, room, "%.*s", (int)i - 1, line + 1);
				return NULL;
			}
		}
		word = is_blank(c) || c == '/';
	}
	return closed ? "there is text behind the section header: write a name with ] in quotes"
		      : "the section header has no closing bracket";
}

static const char *read_quoted(const char **at, char *out, size_t room)
{
	size_t used = 0;
	const char *p = *at + 1;

	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if (used + 1 >= room)
			return "the name is too long";
		out[used++] = *p;
	}
	out[used] = '\0';
	if (*p != '"')
		return UNCLOSED_QUOTE;
	*at = p + 1;
	return NULL;
}

const char *experiment_word(const char **at, char stop, char *out, size_t room)
{
	const char *p = *at + strspn(*at, " \t");
	size_t used = 0, kept = 0;

	if (*p == '"') {
		const char *why;

		*at = p;
		why = read_quoted(at, out, room);
		if (why)
			return why;
		*at += strspn(*at, " \t\r");
		return **at && **at != stop ? "there is text behind the closing quote" : NULL;
	}
	for (; *p && *p != stop; p++) {
		bool escaped = *p == '\\';

		if (escaped && !*++p)
			return "the name ends with a single \\: write \\\\ for the character \\";
		if (used + 1 >= room)
			return "the name is too long";
		out[used++] = *p;
		if (escaped || !is_blank(*p))
			kept = used;
	}
	out[kept] = '\0';
	*at = p;
	return NULL;
}

const char *experiment_value(const char *text, size_t n, char *out, size_t room)
{
	size_t length = quoted_length(text, n);

	if (!length)
		return UNCLOSED_QUOTE;
	if (!is_rest(text + length, n - length))
		return "there is text behind the closing quote";
	return read_quoted(&text, out, room);
}

bool experiment_name_is_sane(const char *name, size_t room)
{
	uint32_t c;

	if (!*name || strlen(name) >= room)
		return false;
	while ((c = vmrt_utf8_next(&name)))
		if (!vmrt_utf8_is_harmless(c))
			return false;
	return true;
}

/* Has @name a character with a meaning in section headers? */
static bool needs_quotes(const char *name)
{
	size_t n = strlen(name);

	return !n || strpbrk(name, "\"\\[];#/") || is_blank(name[0]) || is_blank(name[n - 1]);
}

static void put_quoted(char *buf, size_t room, const char *name)
{
	size_t used = strlen(buf);
	bool quotes = needs_quotes(name);

	if (quotes && used + 1 < room)
		buf[used++] = '"';
	for (; *name && used + 2 < room; name++) {
		if (quotes && (*name == '"' || *name == '\\'))
			buf[used++] = '\\';
		buf[used++] = *name;
	}
	if (quotes && used + 1 < room)
		buf[used++] = '"';
	buf[used] = '\0';
}

const char *vmrt_experiment_header(
	const char *machine, const char *name, char buf[VMRT_EXPERIMENT_HEADER])
{
	snprintf(buf, VMRT_EXPERIMENT_HEADER, "[task ");
	put_quoted(buf, VMRT_EXPERIMENT_HEADER - 2, machine);
	strcat(buf, "/");
	put_quoted(buf, VMRT_EXPERIMENT_HEADER - 1, name);
	strcat(buf, "]");
	return buf;
}

void vmrt_experiment_comment(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (!column || column + 1 + n > VMRT_COMMENT_WIDTH) {
			fputs(column ? "\n;" : ";", out);
			column = 1;
		}
		fprintf(out, " %.*s", (int)n, text);
		column += 1 + n;
		text += n + strspn(text + n, " \n");
	}
	fputc('\n', out);
}

/* SPDX-License-Identifier: MIT */
/* Puts pieces of text on a screen, and gives its lines as text. */
#include "cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

int top_columns(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += !continues(*text);
	return n;
}

/* Bytes of the first @columns columns. */
static size_t bytes_of(const char *text, int columns)
{
	size_t i = 0;

	while (text[i]) {
		if (!continues(text[i]) && columns-- == 0)
			break;
		i++;
	}
	return i;
}

static struct top_span *new_span(struct top_screen *screen)
{
	if (screen->n == screen->room) {
		size_t room = screen->room ? screen->room * 2 : 64;
		struct top_span *more = realloc(screen->spans, room * sizeof(*more));

		if (!more) {
			screen->failed = true;
			return NULL;
		}
		screen->spans = more;
		screen->room = room;
	}
	return &screen->spans[screen->n++];
}

void top_put(struct top_screen *screen, int y, int x, int width, bool right, enum top_attr attr,
	const char *text)
{
	struct top_span *span;
	size_t bytes, pad = 0;
	int columns;

	if (y < 0 || y >= screen->height || x < 0 || x >= screen->width || width <= 0)
		return;
	if (width > screen->width - x)
		width = screen->width - x;
	if (width > TOP_TEXT - 1)
		width = TOP_TEXT - 1;
	span = new_span(screen);
	if (!span)
		return;
	columns = top_columns(text);
	if (columns > width)
		columns = width;
	bytes = bytes_of(text, columns);
	if (right)
		pad = (size_t)(width - columns);
	while (bytes + pad > TOP_TEXT - 1) {
		while (continues(text[--bytes]))
			;
	}
	memset(span->text, ' ', pad);
	memcpy(span->text + pad, text, bytes);
	span->text[pad + bytes] = '\0';
	span->y = y;
	span->x = x;
	span->width = width;
	span->attr = attr;
	span->reverse = screen->reverse;
}

int top_say(struct top_screen *screen, int y, int x, enum top_attr attr, const char *fmt, ...)
{
	char text[TOP_TEXT];
	va_list ap;
	int width;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	width = top_columns(text);
	top_put(screen, y, x, width, false, attr, text);
	return x + width;
}

void top_screen_clear(struct top_screen *screen, int width, int height)
{
	struct top_span *spans = screen->spans;
	size_t room = screen->room;

	*screen =
		(struct top_screen){.width = width, .height = height, .spans = spans, .room = room};
}

static int by_column(const void *a, const void *b)
{
	const struct top_span *const *s = a, *const *t = b;

	return (*s)->x - (*t)->x;
}

/* The pieces of line @y from left to right; returns how many. */
static size_t pieces_of(const struct top_screen *screen, int y, const struct top_span **out)
{
	size_t n = 0;

	for (size_t i = 0; i < screen->n; i++)
		if (screen->spans[i].y == y)
			out[n++] = &screen->spans[i];
	qsort(out, n, sizeof(*out), by_column);
	return n;
}

static void print_line(
	const struct top_span *const *pieces, size_t n, const struct top_theme *theme, FILE *out)
{
	int x = 0;

	for (size_t i = 0; i < n; i++) {
		const struct top_span *s = pieces[i];
		char codes[TOP_CODES];

		if (s->x < x)
			continue; /* under another one */
		if (s->x > x)
			fprintf(out, "%*s", s->x - x, "");
		top_theme_codes(theme, s->attr, s->reverse, codes);
		fprintf(out, "%s%s%s", codes, s->text, codes[0] ? "\033[0m" : "");
		x = s->x + top_columns(s->text);
		/* blanks that have a look are kept; others may be at the end of the line */
		if (codes[0] && s->reverse && x < s->x + s->width) {
			fprintf(out, "%s%*s\033[0m", codes, s->x + s->width - x, "");
			x = s->x + s->width;
		}
	}
}

char *top_screen_line(const struct top_screen *screen, int y, const struct top_theme *theme)
{
	const struct top_span **pieces = calloc(screen->n + 1, sizeof(*pieces));
	char *line = NULL;
	size_t size, n;
	FILE *out;

	if (!pieces)
		return NULL;
	out = open_memstream(&line, &size);
	if (out) {
		n = pieces_of(screen, y, pieces);
		print_line(pieces, n, theme, out);
		if (fclose(out) != 0) {
			free(line);
			line = NULL;
		}
	}
	free(pieces);
	for (n = line ? strlen(line) : 0; n && line[n - 1] == ' ';)
		line[--n] = '\0';
	return line;
}

void top_screen_free(struct top_screen *screen)
{
	free(screen->spans);
	*screen = (struct top_screen){0};
}

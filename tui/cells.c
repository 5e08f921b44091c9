/* SPDX-License-Identifier: MIT */
#include "cells.h"

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
}

void top_screen_clear(struct top_screen *screen, int width, int height)
{
	screen->width = width;
	screen->height = height;
	screen->n = 0;
	screen->scroll_max = 0;
	screen->failed = false;
}

static const struct top_span *leftmost(const struct top_screen *screen, int y, int from_x)
{
	const struct top_span *best = NULL;

	for (size_t i = 0; i < screen->n; i++) {
		const struct top_span *s = &screen->spans[i];

		if (s->y == y && s->x >= from_x && (!best || s->x < best->x))
			best = s;
	}
	return best;
}

char *top_screen_line(const struct top_screen *screen, int y)
{
	size_t room = (size_t)screen->width * 4 + 1, used = 0;
	char *line = malloc(room);
	const struct top_span *s;
	int x = 0;

	if (!line)
		return NULL;
	while ((s = leftmost(screen, y, x))) {
		size_t bytes = strlen(s->text);

		while (x < s->x && used + 1 < room) {
			line[used++] = ' ';
			x++;
		}
		if (used + bytes + 1 > room)
			break;
		memcpy(line + used, s->text, bytes);
		used += bytes;
		x += top_columns(s->text);
		if (x < s->x + 1)
			x = s->x + 1;
	}
	while (used && line[used - 1] == ' ')
		used--;
	line[used] = '\0';
	return line;
}

void top_screen_free(struct top_screen *screen)
{
	free(screen->spans);
	*screen = (struct top_screen){0};
}

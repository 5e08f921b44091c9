/* SPDX-License-Identifier: MIT */
/* Puts pieces of text on a screen, and returns the lines of a screen as text. */
#include "cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

int top_columns(const char *text)
{
	return (int)vmrt_utf8_columns(text);
}

/* Returns how many bytes of @text fit into @columns columns. */
static size_t bytes_of(const char *text, int columns)
{
	const char *at = text, *end = text;
	uint32_t c;

	while ((c = vmrt_utf8_next(&at))) {
		columns -= (int)vmrt_utf8_width(c);
		if (columns < 0)
			break;
		end = at;
	}
	return (size_t)(end - text);
}

const char *top_behind(const char *text, int columns)
{
	return text + bytes_of(text, columns);
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

/* Copies @text, with question marks for characters that the terminal cannot show or that would
 * control it; false if @text does not fit into @out. */
static bool sanitize(const struct top_screen *screen, const char *text, char out[TOP_TEXT])
{
	const char *from = text;
	size_t n = 0;
	uint32_t c;

	for (; (c = vmrt_utf8_next(&text)); from = text) {
		bool shown = vmrt_utf8_is_harmless(c) && (c < 0x80 || !screen->only_ascii);
		size_t bytes = shown ? (size_t)(text - from) : 1;

		if (n + bytes >= TOP_TEXT)
			break;
		memcpy(out + n, shown ? from : "?", bytes);
		n += bytes;
	}
	out[n] = '\0';
	return !c;
}

void top_put(struct top_screen *screen, int y, int x, int width, bool right, enum top_attr attr,
	const char *text)
{
	char sanitized[TOP_TEXT];
	struct top_span *span;
	size_t bytes, pad = 0;
	int columns;
	bool cut;

	if (y < 0 || y >= screen->height || x < 0 || x >= screen->width || width <= 0)
		return;
	if (width > screen->width - x)
		width = screen->width - x;
	if (width > TOP_TEXT - 1)
		width = TOP_TEXT - 1;
	span = new_span(screen);
	if (!span)
		return;
	cut = !sanitize(screen, text, sanitized);
	columns = top_columns(sanitized);
	cut = (cut || columns > width) && width > 1;
	/* the cut must be visible: a number without its last digits would be another number */
	bytes = bytes_of(sanitized, columns < width - cut ? columns : width - cut);
	if (right && columns <= width)
		pad = (size_t)(width - columns);
	while (bytes + pad + cut > TOP_TEXT - 1)
		bytes = bytes_of(sanitized, --columns);
	memset(span->text, ' ', pad);
	memcpy(span->text + pad, sanitized, bytes);
	if (cut)
		span->text[pad + bytes++] = '~';
	span->text[pad + bytes] = '\0';
	span->y = y;
	span->x = x;
	span->width = width;
	span->attr = attr;
	span->reverse = screen->reverse;
}

int top_say(struct top_screen *screen, int y, int x, enum top_attr attr, const char *fmt, ...)
{
	char text[TOP_TEXT], *end;
	va_list ap;
	int width, n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	width = top_columns(text);
	/* the text is longer than a piece, so its last bytes may be only a part of a character */
	if (n >= (int)sizeof(text) && width > 4) {
		end = text + (top_behind(text, width - 4) - text);
		strcpy(end, "~");
		width = top_columns(text);
	}
	top_put(screen, y, x, width, false, attr, text);
	return x + width;
}

void top_screen_clear(struct top_screen *screen, int width, int height)
{
	struct top_span *spans = screen->spans;
	struct top_screen *front = screen->front;
	bool only_ascii = screen->only_ascii;
	size_t room = screen->room;

	*screen = (struct top_screen){.width = width,
		.height = height,
		.only_ascii = only_ascii,
		.spans = spans,
		.room = room,
		.front = front};
}

struct top_screen *top_screen_front(
	struct top_screen *screen, int y, int x, int width, int height, bool ascii)
{
	if (!screen->front)
		screen->front = calloc(1, sizeof(*screen->front));
	if (!screen->front) {
		screen->failed = true;
		return NULL;
	}
	top_screen_clear(screen->front, width, height);
	screen->front->only_ascii = ascii;
	screen->has_front = true;
	screen->front_y = y;
	screen->front_x = x;
	screen->ascii = ascii;
	return screen->front;
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
			continue; /* hidden by the piece before it */
		if (s->x > x)
			fprintf(out, "%*s", s->x - x, "");
		top_theme_codes(theme, s->attr, s->reverse, codes);
		fprintf(out, "%s%s%s", codes, s->text, codes[0] ? "\033[0m" : "");
		x = s->x + top_columns(s->text);
		/* blanks are kept only if they have a style; others are not printed at the end of a
		 * line */
		if (codes[0] && s->reverse && x < s->x + s->width) {
			fprintf(out, "%s%*s\033[0m", codes, s->x + s->width - x, "");
			x = s->x + s->width;
		}
	}
}

/* ---- a line of a screen with a box in front ---- */

/* One column of a line; text is NULL for a blank without a style. A wide character has two columns:
 * the first one has the text, and the second one is a part of the first. */
struct column {
	const char *text;
	size_t bytes;
	bool wide, second;
	enum top_attr attr;
	bool reverse;
};

/* Returns the bytes of the first character of @text, including characters that combine with it. */
static size_t first_of(const char *text, bool *wide)
{
	size_t bytes = bytes_of(text, 1);

	*wide = *text && !bytes;
	return *wide ? bytes_of(text, 2) : bytes;
}

/* Puts the first character of @text into column @x. If this covers half of a wide character, the
 * other half becomes a blank. */
static void put_column(
	struct column *columns, int width, int x, const char *text, const struct top_span *s)
{
	struct column one = {
		.text = text, .attr = s ? s->attr : TOP_DIM, .reverse = s && s->reverse};

	one.bytes = first_of(text, &one.wide);
	if (x < 0 || x + one.wide >= width)
		return;
	if (columns[x].second)
		columns[x - 1] = (struct column){0};
	if (columns[x + one.wide].wide)
		columns[x + one.wide + 1] = (struct column){0};
	columns[x] = one;
	if (one.wide)
		columns[x + 1] = (struct column){
			.text = "", .second = true, .attr = one.attr, .reverse = one.reverse};
}

static void put_pieces(
	struct column *columns, int width, int x, const struct top_span *const *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *at = pieces[i]->text;

		for (int k = 0; k < pieces[i]->width; k++) {
			bool wide;

			put_column(columns, width, x + pieces[i]->x + k, *at ? at : " ", pieces[i]);
			at += first_of(at, &wide);
			k += wide;
		}
	}
}

/* Puts line @y of the box; line 0 is the upper border. */
static void put_box(struct column *columns, const struct top_screen *screen, int y,
	const struct top_span **pieces)
{
	static const char *const corners[2][6] = {
		{"\u250c", "\u2510", "\u2514", "\u2518", "\u2500", "\u2502"},
		{"+", "+", "+", "+", "-", "|"}};
	const char *const *c = corners[screen->ascii];
	const struct top_screen *front = screen->front;
	int left = screen->front_x, right = left + front->width + 1;
	bool top = y == 0, bottom = y == front->height + 1;

	for (int x = left; x <= right; x++)
		put_column(columns, screen->width, x, top || bottom ? c[4] : " ", NULL);
	put_column(columns, screen->width, left, top ? c[0] : bottom ? c[2] : c[5], NULL);
	put_column(columns, screen->width, right, top ? c[1] : bottom ? c[3] : c[5], NULL);
	if (!top && !bottom)
		put_pieces(
			columns, screen->width, left + 1, pieces, pieces_of(front, y - 1, pieces));
}

static void print_columns(
	const struct column *columns, int width, const struct top_theme *theme, FILE *out)
{
	char codes[TOP_CODES], before[TOP_CODES] = "";

	for (int x = 0; x < width; x++) {
		const struct column *c = &columns[x];

		codes[0] = '\0';
		if (c->text)
			top_theme_codes(theme, c->attr, c->reverse, codes);
		if (strcmp(codes, before) != 0)
			fprintf(out, "%s%s", before[0] ? "\033[0m" : "", codes);
		strcpy(before, codes);
		fprintf(out, "%.*s", c->text ? (int)c->bytes : 1, c->text ? c->text : " ");
	}
	fprintf(out, "%s", before[0] ? "\033[0m" : "");
}

static bool in_front(const struct top_screen *screen, int y)
{
	return screen->has_front && y >= screen->front_y &&
	       y < screen->front_y + screen->front->height + 2;
}

static void print_with_box(const struct top_screen *screen, int y, const struct top_span **pieces,
	size_t n, const struct top_theme *theme, FILE *out)
{
	struct column *columns = calloc((size_t)screen->width + 1, sizeof(*columns));

	if (!columns)
		return;
	put_pieces(columns, screen->width, 0, pieces, n);
	put_box(columns, screen, y - screen->front_y, pieces);
	print_columns(columns, screen->width, theme, out);
	free(columns);
}

char *top_screen_line(const struct top_screen *screen, int y, const struct top_theme *theme)
{
	size_t room = screen->n + (screen->has_front ? screen->front->n : 0);
	const struct top_span **pieces = calloc(room + 1, sizeof(*pieces));
	char *line = NULL;
	size_t size, n;
	FILE *out;

	if (!pieces)
		return NULL;
	out = open_memstream(&line, &size);
	if (out) {
		n = pieces_of(screen, y, pieces);
		if (in_front(screen, y))
			print_with_box(screen, y, pieces, n, theme, out);
		else
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
	if (screen->front)
		top_screen_free(screen->front);
	free(screen->front);
	free(screen->spans);
	*screen = (struct top_screen){0};
}

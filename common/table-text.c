/* SPDX-License-Identifier: MIT */
/* Tables as plain text. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define KEY_WIDTH 10 /* of the word that heads a line of prose */
#define GAP 2	     /* blanks between columns; only 1 where all columns then fit into one table */
#define TEXT_MAX 30  /* longer names are cut in the middle */
#define NAME_MIN 8   /* characters that stay of a name cut to save a second table */
#define MAX_COLUMNS 128

/* Prints a character so that nothing from a file or a guest can control the terminal. */
static void put_char(FILE *out, uint32_t c, const char *from, const char *to)
{
	if (vmrt_utf8_is_harmless(c))
		fwrite(from, 1, (size_t)(to - from), out);
	else
		putc('?', out);
}

/* Prints columns @first to @last - 1 of @text, with a blank for half of a wide character. */
static void print_part(FILE *out, const char *text, size_t first, size_t last)
{
	const char *from = text;
	uint32_t c;

	for (size_t at = 0, width; at <= last && (c = vmrt_utf8_next(&text)); at += width) {
		width = vmrt_utf8_width(c);
		/* a combining character is printed with the character before it */
		if (at >= first && at + width <= last && (width || at > first))
			put_char(out, c, from, text);
		else
			for (size_t i = at; i < at + width; i++)
				if (i >= first && i < last)
					putc(' ', out);
		from = text;
	}
}

static void print_cut(FILE *out, const char *text, size_t max)
{
	size_t n = vmrt_utf8_columns(text), tail = max / 2 - 1;

	if (n <= max) {
		print_part(out, text, 0, n);
		return;
	}
	print_part(out, text, 0, max - tail - 2);
	fputs("..", out);
	print_part(out, text, n - tail, n);
}

static void pad(FILE *out, size_t n)
{
	while (n--)
		putc(' ', out);
}

/* How many characters of a text in @column are shown at most. */
static size_t most(const struct vmrt_column *column)
{
	return column->type == VMRT_CELL_TEXT && column->decimals > 0 ? (size_t)column->decimals
								      : TEXT_MAX;
}

static size_t shown_length(const char *text, size_t max)
{
	size_t n = vmrt_utf8_columns(text);

	return n > max ? max : n;
}

static size_t column_width(const struct vmrt_table *table, size_t column)
{
	const struct vmrt_column *c = &table->columns[column];
	size_t width = vmrt_utf8_columns(c->head);
	char buf[VMRT_CELL_ROOM];

	if (c->unit && strlen(c->unit) > width)
		width = strlen(c->unit);
	for (size_t r = 0; r < table_rows(table); r++) {
		size_t n = shown_length(
			table_cell_people(table_cell_at(table, r, column), c, buf), most(c));

		if (n > width)
			width = n;
	}
	return width;
}

/* Prints text from @column on; words that do not fit continue in the next line at @indent. */
static void print_words(const char *p, size_t column, size_t indent, size_t width, FILE *out)
{
	size_t begin = column > indent ? column : indent;

	while (*p) {
		size_t n = strcspn(p, " ");
		char *word = strndup(p, n);
		size_t length = word ? vmrt_utf8_columns(word) : 0, shown = 0;

		if (column > begin && column + 1 + length > width) {
			putc('\n', out);
			pad(out, indent);
			column = begin = indent;
		} else if (column > begin) {
			putc(' ', out);
			column++;
		}
		/* a word that is longer than a line is cut */
		while (word && column + length - shown > width && column < width &&
			width < VMRT_TEXT_WIDTH) {
			print_part(out, word, shown, shown + width - column);
			shown += width - column;
			putc('\n', out);
			pad(out, indent);
			column = begin = indent;
		}
		if (word)
			print_part(out, word, shown, length);
		column += length - shown;
		free(word);
		p += n + strspn(p + n, " ");
	}
}

/* Columns that stand side by side. */
struct grid {
	const struct vmrt_table *table;
	size_t *widths; /* of all columns of the table */
	size_t columns[MAX_COLUMNS], n;
	size_t gap;
	unsigned page; /* width */
	FILE *out;
};

static const struct vmrt_column *column_of(const struct grid *g, size_t i)
{
	return &g->table->columns[g->columns[i]];
}

static size_t grid_width(const struct grid *g, size_t gap)
{
	size_t width = 0;

	for (size_t i = 0; i < g->n; i++)
		width += g->widths[g->columns[i]] + (i ? gap : 0);
	return width;
}

/* How many characters a column shows. */
static size_t room_of(const struct grid *g, size_t i)
{
	size_t width = g->widths[g->columns[i]], max = most(column_of(g, i));

	return width < max ? width : max;
}

/*
 * Cuts long names, down to NAME_MIN characters, so that a table that is the answer stays one table.
 * If the columns need several tables anyway, a name keeps up to a third of the page.
 */
static void shrink_names(struct grid *g)
{
	size_t width = grid_width(g, g->gap), *names = &g->widths[g->columns[0]];
	size_t third = g->page / 3 > NAME_MIN ? g->page / 3 : NAME_MIN;

	if ((!(g->table->flags & VMRT_TABLE_BRIEF) && g->page >= VMRT_TEXT_WIDTH) ||
		width <= g->page || *names <= NAME_MIN || column_of(g, 0)->type != VMRT_CELL_TEXT)
		return;
	if (width - g->page <= *names - NAME_MIN)
		*names -= width - g->page;
	else if (*names > third)
		*names = third;
}

/* Prints one cell or head; behind the last one of a line no blanks are printed. */
static void print_cell(const struct grid *g, size_t i, const char *text)
{
	const struct vmrt_column *c = column_of(g, i);
	size_t blanks = g->widths[g->columns[i]] - shown_length(text, room_of(g, i)), at;

	if (i + 1 == g->n && !*text)
		return;
	pad(g->out, i ? g->gap : 0);
	/* on a narrow page a text in the last column continues in the next line */
	at = grid_width(g, g->gap) - g->widths[g->columns[i]];
	if (g->page < VMRT_TEXT_WIDTH && i + 1 == g->n && c->type == VMRT_CELL_TEXT &&
		at + NAME_MIN < g->page) {
		print_words(text, at, at, g->page, g->out);
		return;
	}
	if (c->type != VMRT_CELL_TEXT)
		pad(g->out, blanks);
	print_cut(g->out, text, room_of(g, i));
	if (c->type == VMRT_CELL_TEXT && i + 1 < g->n)
		pad(g->out, blanks);
}

static void print_heads(struct grid *g)
{
	size_t n = g->n, last_unit = 0;

	for (size_t i = 0; i < n; i++) {
		print_cell(g, i, column_of(g, i)->head);
		if (column_of(g, i)->unit)
			last_unit = i + 1;
	}
	putc('\n', g->out);
	g->n = last_unit;
	for (size_t i = 0; i < last_unit; i++)
		print_cell(g, i, column_of(g, i)->unit ? column_of(g, i)->unit : "");
	if (last_unit)
		putc('\n', g->out);
	g->n = n;
}

/* Has row @r anything but names in these columns? In the first part of a table every row counts. */
static bool says_something(const struct grid *g, size_t r)
{
	for (size_t i = 0; i < g->n; i++) {
		int group = table_column_group(column_of(g, i));

		if (group == 1 || (group > 1 && table_cell_at(g->table, r, g->columns[i])->known))
			return true;
	}
	return g->n == 1;
}

static void print_rows(struct grid *g)
{
	const struct vmrt_table *table = g->table;
	bool span = table->flags & VMRT_TABLE_SPAN;
	const char *former = NULL;
	char buf[VMRT_CELL_ROOM];

	if (!span)
		print_heads(g);
	for (size_t r = 0; r < table_rows(table); r++) {
		if (span && !says_something(g, r))
			continue;
		if (span) {
			const char *name = table_cell_people(
				table_cell_at(table, r, 0), &table->columns[0], buf);

			if (!former || strcmp(former, name) != 0) {
				putc('\n', g->out);
				print_cut(g->out, name, g->page);
				putc('\n', g->out);
				print_heads(g);
			}
			former = name;
		}
		for (size_t i = 0; i < g->n; i++)
			print_cell(g, i,
				table_cell_people(table_cell_at(table, r, g->columns[i]),
					column_of(g, i), buf));
		putc('\n', g->out);
	}
}

static void add_group(struct grid *g, int group)
{
	for (size_t i = 0; i < g->table->n_columns && g->n < MAX_COLUMNS; i++)
		if (table_column_group(&g->table->columns[i]) == group &&
			(i || !(g->table->flags & VMRT_TABLE_SPAN)))
			g->columns[g->n++] = i;
}

/*
 * Prints the columns of one group, in as many tables below each other as the width of the page
 * needs. The key columns are in each of these tables.
 */
static void print_group(struct grid *g, int group)
{
	const char *title = table_title(g->table, group);
	size_t keys, n, all[MAX_COLUMNS], c;

	putc('\n', g->out);
	if (title)
		print_words(title, 0, 0, g->page, g->out);
	if (title)
		putc('\n', g->out);
	g->n = 0;
	add_group(g, VMRT_KEY_GROUP);
	keys = g->n;
	add_group(g, group);
	n = g->n;
	g->gap = grid_width(g, GAP) > g->page &&
				 (grid_width(g, 1) <= g->page || g->table->flags & VMRT_TABLE_BRIEF)
			 ? 1
			 : GAP;
	shrink_names(g);
	if (n == keys && group != 1)
		return;
	memcpy(all, g->columns, n * sizeof(all[0]));
	c = keys;
	do {
		if (c > keys)
			putc('\n', g->out);
		for (g->n = keys; c < n; c++) {
			g->columns[g->n++] = all[c];
			if (g->n > keys + 1 && grid_width(g, g->gap) > g->page) {
				g->n--;
				break;
			}
		}
		print_rows(g);
	} while (c < n);
}

/* The title over the group that begins with column @i, for groups side by side; NULL: no group
 * begins there. The title of the first group is over the names, too. */
static const char *title_at(const struct grid *g, int first, size_t i)
{
	int group = table_column_group(column_of(g, i));
	const char *title, *colon;

	if (!i)
		return table_title(g->table, first);
	if (group <= first || table_column_group(column_of(g, i - 1)) == group)
		return NULL;
	title = table_title(g->table, group);
	/* the part before the colon says what the table shows; the title of the first group has
	 * said it already */
	colon = title ? strstr(title, ": ") : NULL;
	return colon ? colon + 2 : title;
}

/* The room that the title at column @i has until the next title or the end of the page; @at: where
 * the title begins. */
static size_t title_room(const struct grid *g, int first, size_t i, size_t at)
{
	size_t room = g->widths[g->columns[i]], k = i + 1;

	while (k < g->n && !title_at(g, first, k))
		room += g->gap + g->widths[g->columns[k++]];
	if (k < g->n)
		return room;
	return g->page > at && g->page - at > room ? g->page - at : room;
}

/* Prints a line with the titles of groups that stand side by side, from @first on. */
static void print_titles(const struct grid *g, int first)
{
	size_t written = 0, at = 0;

	for (size_t i = 0; i < g->n; i++) {
		const char *title = title_at(g, first, i);

		if (title) {
			size_t room = title_room(g, first, i, at);

			pad(g->out, at - written);
			print_cut(g->out, title, room);
			written = at + shown_length(title, room);
		}
		at += g->widths[g->columns[i]] + g->gap;
	}
	putc('\n', g->out);
}

/* Has each title enough room? */
static bool titles_fit(const struct grid *g, int first)
{
	size_t at = 0;

	for (size_t i = 0; g->table->titles && i < g->n; i++) {
		const char *title = title_at(g, first, i);

		if (title && vmrt_utf8_columns(title) > title_room(g, first, i, at))
			return false;
		at += g->widths[g->columns[i]] + g->gap;
	}
	return true;
}

/* Prints groups side by side, as many as fit; returns the first group that does not fit. */
static int print_groups(struct grid *g, int first)
{
	int groups = table_groups(g->table), last = first;
	size_t n;

	g->n = 0;
	g->gap = GAP;
	add_group(g, VMRT_KEY_GROUP);
	add_group(g, first);
	while (last < groups && !(g->table->flags & VMRT_TABLE_SPAN)) {
		n = g->n;
		add_group(g, last + 1);
		if (grid_width(g, GAP) > g->page || !titles_fit(g, first)) {
			g->n = n;
			break;
		}
		last++;
	}
	if (last == first || g->page <= VMRT_TEXT_WIDTH) {
		print_group(g, first);
		return first + 1;
	}
	putc('\n', g->out);
	if (g->table->titles)
		print_titles(g, first);
	print_rows(g);
	return last + 1;
}

static void print_line(const struct table_line *line, size_t width, FILE *out)
{
	size_t column = vmrt_utf8_columns(line->key);

	print_part(out, line->key, 0, column);
	if (column < KEY_WIDTH)
		pad(out, KEY_WIDTH - column);
	print_words(line->text, column < KEY_WIDTH ? KEY_WIDTH : column, KEY_WIDTH, width, out);
	putc('\n', out);
}

/* @after_grid: a grid was printed last; a blank line separates lines of prose from it. */
static void print_table(const struct vmrt_table *table, unsigned width, bool *after_grid, FILE *out)
{
	struct grid g = {.table = table, .page = width, .out = out};
	size_t *widths;

	if (table_rows(table) && !(table->flags & VMRT_TABLE_PROSE)) {
		widths = calloc(table->n_columns, sizeof(*widths));
		if (!widths)
			return;
		for (size_t i = 0; i < table->n_columns; i++)
			widths[i] = column_width(table, i);
		g.widths = widths;
		for (int group = 1; group <= table_groups(table);)
			group = print_groups(&g, group);
		free(widths);
		*after_grid = true;
	}
	if (table->n_lines && *after_grid)
		putc('\n', out);
	if (table->n_lines)
		*after_grid = false;
	for (size_t i = 0; i < table->n_lines; i++)
		print_line(&table->lines[i], width, out);
}

void table_print_text(const struct vmrt_doc *doc, const char *only, unsigned width, FILE *out)
{
	for (size_t i = 0; i < doc->n_sections; i++) {
		const struct table_section *section = &doc->sections[i];
		size_t length = vmrt_utf8_columns(section->name);
		bool after_grid = false;

		if (i)
			putc('\n', out);
		print_part(out, section->name, 0, length);
		fputs(length ? "\n" : "", out);
		for (size_t n = 0; n < length; n++)
			putc('=', out);
		fputs(length ? "\n" : "", out);
		for (size_t j = 0; j < section->n_tables; j++)
			if (!only || !strcmp(only, section->tables[j]->name))
				print_table(section->tables[j], width, &after_grid, out);
	}
}

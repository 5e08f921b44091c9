/* SPDX-License-Identifier: MIT */
/* Tables as plain text. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_WIDTH 80
#define KEY_WIDTH 10 /* of the word that heads a line of prose */
#define GAP 2	     /* blanks between columns */
#define TEXT_MAX 30  /* longer names are cut in the middle */
#define MAX_COLUMNS 64

/* Prints a character so that nothing from a file or a guest can control the terminal. */
static void put_char(FILE *out, uint32_t c, const char *from, const char *to)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffd)
		putc('?', out);
	else
		fwrite(from, 1, (size_t)(to - from), out);
}

static size_t text_length(const char *text)
{
	size_t n = 0;

	while (vmrt_utf8_next(&text))
		n++;
	return n;
}

/* Prints characters @first to @last - 1 of @text. */
static void print_part(FILE *out, const char *text, size_t first, size_t last)
{
	const char *from = text;
	uint32_t c;

	for (size_t i = 0; i < last && (c = vmrt_utf8_next(&text)); i++, from = text)
		if (i >= first)
			put_char(out, c, from, text);
}

static void print_cut(FILE *out, const char *text, size_t max)
{
	size_t n = text_length(text), tail = max / 2 - 1;

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

static size_t shown_length(const char *text)
{
	size_t n = text_length(text);

	return n > TEXT_MAX ? TEXT_MAX : n;
}

static size_t column_width(const struct vmrt_table *table, size_t column)
{
	const struct vmrt_column *c = &table->columns[column];
	size_t width = text_length(c->head);
	char buf[VMRT_CELL_ROOM];

	if (c->unit && strlen(c->unit) > width)
		width = strlen(c->unit);
	for (size_t r = 0; r < vmrt_table_rows(table); r++) {
		size_t n = shown_length(vmrt_cell_people(vmrt_table_cell(table, r, column), c, buf));

		if (n > width)
			width = n;
	}
	return width;
}

/* One cell or head; @last saves the blanks at the end of a line. */
static void print_cell(
	FILE *out, const char *text, size_t width, enum vmrt_cell_type type, bool last)
{
	size_t blanks = width - shown_length(text);

	if (type != VMRT_CELL_TEXT)
		pad(out, blanks);
	print_cut(out, text, TEXT_MAX);
	if (type == VMRT_CELL_TEXT && !last)
		pad(out, blanks);
}

static void print_heads(const struct vmrt_table *table, const size_t *columns, size_t n,
	const size_t *widths, FILE *out)
{
	size_t last_unit = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vmrt_column *c = &table->columns[columns[i]];

		pad(out, i ? GAP : 0);
		print_cell(out, c->head, widths[columns[i]], c->type, i + 1 == n);
		if (c->unit)
			last_unit = i + 1;
	}
	putc('\n', out);
	for (size_t i = 0; i < last_unit; i++) {
		const struct vmrt_column *c = &table->columns[columns[i]];

		pad(out, i ? GAP : 0);
		print_cell(out, c->unit ? c->unit : "", widths[columns[i]], c->type, i + 1 == last_unit);
	}
	if (last_unit)
		putc('\n', out);
}

/* Is there anything but names in these columns of row @r? Always, for people, in the first part of a table. */
static bool says_something(const struct vmrt_table *table, size_t r, const size_t *columns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int group = vmrt_column_group(&table->columns[columns[i]]);

		if (group == 1 || (group > 1 && vmrt_table_cell(table, r, columns[i])->known))
			return true;
	}
	return n == 1;
}

static void print_rows(const struct vmrt_table *table, const size_t *columns, size_t n,
	const size_t *widths, FILE *out)
{
	bool span = table->flags & VMRT_TABLE_SPAN;
	const char *former = NULL;
	char buf[VMRT_CELL_ROOM];

	if (!span)
		print_heads(table, columns, n, widths, out);
	for (size_t r = 0; r < vmrt_table_rows(table); r++) {
		if (span && !says_something(table, r, columns, n))
			continue;
		if (span) {
			const char *name =
				vmrt_cell_people(vmrt_table_cell(table, r, 0), &table->columns[0], buf);

			if (!former || strcmp(former, name) != 0) {
				putc('\n', out);
				print_cut(out, name, PAGE_WIDTH);
				putc('\n', out);
				print_heads(table, columns, n, widths, out);
			}
			former = name;
		}
		for (size_t i = 0; i < n; i++) {
			const struct vmrt_column *c = &table->columns[columns[i]];

			pad(out, i ? GAP : 0);
			print_cell(out, vmrt_cell_people(vmrt_table_cell(table, r, columns[i]), c, buf),
				widths[columns[i]], c->type, i + 1 == n);
		}
		putc('\n', out);
	}
}

/*
 * The columns of one group, in as many tables below each other as the page's width makes necessary; the key
 * columns stand in each.
 */
static void print_group(const struct vmrt_table *table, int group, const size_t *widths, FILE *out)
{
	size_t first = table->flags & VMRT_TABLE_SPAN ? 1 : 0;
	const char *title = vmrt_table_title(table, group);
	size_t c = first;

	if (title)
		fprintf(out, "\n%s\n", title);
	else
		putc('\n', out);
	while (c < table->n_columns) {
		size_t columns[MAX_COLUMNS], n = 0, width = 0, data = 0;

		for (size_t i = first; i < table->n_columns && n < MAX_COLUMNS; i++) {
			if (vmrt_column_group(&table->columns[i]) != VMRT_KEY_GROUP)
				continue;
			columns[n++] = i;
			width += widths[i] + GAP;
		}
		for (; c < table->n_columns && n < MAX_COLUMNS; c++) {
			if (vmrt_column_group(&table->columns[c]) != group)
				continue;
			if (data && width + widths[c] > PAGE_WIDTH)
				break;
			columns[n++] = c;
			width += widths[c] + GAP;
			data++;
		}
		if (data || group == 1)
			print_rows(table, columns, n, widths, out);
		while (c < table->n_columns && vmrt_column_group(&table->columns[c]) != group)
			c++;
		if (c < table->n_columns)
			putc('\n', out);
	}
}

static void print_line(const struct vmrt_line *line, FILE *out)
{
	const char *p = line->text;
	size_t column = text_length(line->key);

	print_part(out, line->key, 0, column);
	if (column < KEY_WIDTH)
		pad(out, KEY_WIDTH - column);
	column = column < KEY_WIDTH ? KEY_WIDTH : column;
	while (*p) {
		size_t n = strcspn(p, " ");
		char *word = strndup(p, n);
		size_t length = word ? text_length(word) : 0;

		if (column > KEY_WIDTH && column + 1 + length > PAGE_WIDTH) {
			putc('\n', out);
			pad(out, KEY_WIDTH);
			column = KEY_WIDTH;
		} else if (column > KEY_WIDTH) {
			putc(' ', out);
			column++;
		}
		if (word)
			print_part(out, word, 0, length);
		column += length;
		free(word);
		p += n + strspn(p + n, " ");
	}
	putc('\n', out);
}

/* @after_grid: a grid was printed last; lines of prose are set apart from it. */
static void print_table(const struct vmrt_table *table, bool *after_grid, FILE *out)
{
	size_t *widths;

	if (vmrt_table_rows(table) && !(table->flags & VMRT_TABLE_PROSE)) {
		widths = calloc(table->n_columns, sizeof(*widths));
		if (!widths)
			return;
		for (size_t i = 0; i < table->n_columns; i++)
			widths[i] = column_width(table, i);
		for (int group = 1; group <= vmrt_table_groups(table); group++)
			print_group(table, group, widths, out);
		free(widths);
		*after_grid = true;
	}
	if (table->n_lines && *after_grid)
		putc('\n', out);
	if (table->n_lines)
		*after_grid = false;
	for (size_t i = 0; i < table->n_lines; i++)
		print_line(&table->lines[i], out);
}

void vmrt_print_text(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	for (size_t i = 0; i < doc->n_sections; i++) {
		const struct vmrt_section *section = &doc->sections[i];
		size_t length = text_length(section->name);
		bool after_grid = false;

		if (i)
			putc('\n', out);
		print_part(out, section->name, 0, length);
		putc('\n', out);
		for (size_t n = 0; n < length; n++)
			putc('=', out);
		putc('\n', out);
		for (size_t j = 0; j < section->n_tables; j++)
			if (!only || !strcmp(only, section->tables[j]->name))
				print_table(section->tables[j], &after_grid, out);
	}
}

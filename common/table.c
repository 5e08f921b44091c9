/* SPDX-License-Identifier: MIT */
/* Builds the tables of reports; the writers of the formats read them. */
#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const format_names[] = {
#define X(name, words) [VMRT_FORMAT_##name] = words,
	VMRT_FORMAT_LIST(X)
#undef X
};

enum vmrt_status vmrt_format_parse(const char *name, enum vmrt_format *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(format_names); i++) {
		if (strcmp(name, format_names[i]) != 0)
			continue;
		*out = (enum vmrt_format)i;
		return VMRT_OK;
	}
	return VMRT_EINVAL;
}

struct vmrt_doc *vmrt_doc_new(const char *key, bool many)
{
	struct vmrt_doc *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return NULL;
	doc->key = key;
	doc->many = many;
	return doc;
}

static void free_table(struct vmrt_table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		if (table->cells[i].type == VMRT_CELL_TEXT)
			free(table->cells[i].text);
	for (size_t i = 0; i < table->n_lines; i++) {
		free(table->lines[i].key);
		free(table->lines[i].text);
	}
	for (size_t i = 0; i < table->n_figures; i++) {
		free(table->figures[i].caption);
		free(table->figures[i].svg);
	}
	free(table->figures);
	free(table->own);
	free(table->cells);
	free(table->lines);
	free(table);
}

void vmrt_doc_free(struct vmrt_doc *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; i < doc->n_sections; i++) {
		for (size_t j = 0; j < doc->sections[i].n_tables; j++)
			free_table(doc->sections[i].tables[j]);
		free(doc->sections[i].tables);
		free(doc->sections[i].name);
	}
	free(doc->sections);
	free(doc);
}

/* Makes room for one more element of @size bytes behind the @n elements of @array; false without
 * memory. */
static bool grow(void *array, size_t n, size_t size)
{
	void **p = array;
	void *more = realloc(*p, (n + 1) * size);

	if (!more)
		return false;
	*p = more;
	memset((char *)more + n * size, 0, size);
	return true;
}

void vmrt_doc_fail(struct vmrt_doc *doc)
{
	doc->failed = true;
}

void vmrt_doc_section(struct vmrt_doc *doc, const char *name)
{
	char *copy = strdup(name);

	if (!copy || !grow(&doc->sections, doc->n_sections, sizeof(*doc->sections))) {
		free(copy);
		doc->failed = true;
		return;
	}
	doc->sections[doc->n_sections++].name = copy;
}

struct vmrt_table *vmrt_doc_table(struct vmrt_doc *doc, const char *name, const char *const *titles,
	const struct vmrt_column *columns, size_t n_columns, unsigned flags)
{
	struct table_section *section;
	struct vmrt_table *table;

	if (doc->failed)
		return NULL;
	assert(doc->n_sections && n_columns);
	section = &doc->sections[doc->n_sections - 1];
	table = calloc(1, sizeof(*table));
	if (!table || !grow(&section->tables, section->n_tables, sizeof(struct vmrt_table *))) {
		free(table);
		doc->failed = true;
		return NULL;
	}
	section->tables[section->n_tables++] = table;
	table->doc = doc;
	table->name = name;
	table->titles = titles;
	table->columns = columns;
	table->n_columns = n_columns;
	table->flags = flags;
	return table;
}

struct vmrt_table *vmrt_doc_table_named(
	struct vmrt_doc *doc, const char *name, const char *const *keys, size_t n_columns)
{
	struct vmrt_column *columns;
	struct vmrt_table *table;
	size_t room = n_columns * sizeof(*columns);
	char *text;

	for (size_t i = 0; i < n_columns; i++)
		room += strlen(keys[i]) + 1;
	columns = calloc(1, room); /* the columns, and behind them their names */
	table = columns ? vmrt_doc_table(doc, name, NULL, columns, n_columns, 0) : NULL;
	if (!table) {
		free(columns);
		doc->failed = true;
		return NULL;
	}
	text = (char *)&columns[n_columns];
	for (size_t i = 0; i < n_columns; i++) {
		strcpy(text, keys[i]);
		columns[i] = (struct vmrt_column){text, text, NULL, VMRT_CELL_ANY, -1, 1};
		text += strlen(text) + 1;
	}
	table->own = columns;
	return table;
}

void vmrt_table_settle(struct vmrt_table *table)
{
	for (size_t c = 0; table && !table->doc->failed && c < table->n_columns; c++) {
		bool texts = true;

		for (size_t r = 0; r < table_rows(table); r++) {
			const struct table_cell *cell = table_cell_at(table, r, c);

			texts = texts && (!cell->known || cell->type == VMRT_CELL_TEXT);
		}
		if (texts)
			table->own[c].type = VMRT_CELL_TEXT;
	}
}

static struct table_cell *next_cell(struct vmrt_table *table, enum vmrt_cell_type type, bool known)
{
	const struct vmrt_column *column;
	struct table_cell *cell;

	if (!table || table->doc->failed)
		return NULL;
	if (table->n_cells == table->room) {
		size_t room = table->room ? table->room * 2 : table->n_columns * 4;
		struct table_cell *more = realloc(table->cells, room * sizeof(*more));

		if (!more) {
			table->doc->failed = true;
			return NULL;
		}
		table->cells = more;
		table->room = room;
	}
	column = &table->columns[table->n_cells % table->n_columns];
	assert(column->type == type || column->type == VMRT_CELL_ANY || !known);
	(void)column;
	cell = &table->cells[table->n_cells++];
	memset(cell, 0, sizeof(*cell));
	cell->type = type;
	cell->known = known;
	return cell;
}

void vmrt_put_text(struct vmrt_table *table, const char *text)
{
	struct table_cell *cell = next_cell(table, VMRT_CELL_TEXT, text != NULL);

	if (!cell || !text)
		return;
	cell->text = strdup(text);
	if (!cell->text)
		table->doc->failed = true;
}

static void put_number(struct vmrt_table *table, enum vmrt_cell_type type, int64_t value)
{
	struct table_cell *cell = next_cell(table, type, value != VMRT_UNKNOWN);

	if (cell)
		cell->number = value;
}

static void put_real(struct vmrt_table *table, enum vmrt_cell_type type, double value)
{
	struct table_cell *cell = next_cell(table, type, isfinite(value));

	if (cell)
		cell->real = value;
}

void vmrt_put_count(struct vmrt_table *table, int64_t count)
{
	put_number(table, VMRT_CELL_COUNT, count);
}

void vmrt_put_ns(struct vmrt_table *table, int64_t ns)
{
	put_number(table, VMRT_CELL_NS, ns);
}

void vmrt_put_ratio(struct vmrt_table *table, double ratio)
{
	put_real(table, VMRT_CELL_RATIO, ratio);
}

void vmrt_put_p(struct vmrt_table *table, double p)
{
	put_real(table, VMRT_CELL_P, p);
}

void vmrt_put_real(struct vmrt_table *table, double value)
{
	put_real(table, VMRT_CELL_REAL, value);
}

void vmrt_put_truth(struct vmrt_table *table, int value)
{
	put_number(table, VMRT_CELL_BOOL, value < 0 ? VMRT_UNKNOWN : value);
}

void vmrt_put_value(struct vmrt_table *table, struct vmrt_value v)
{
	if (v.type == VMRT_CELL_RATIO || v.type == VMRT_CELL_P || v.type == VMRT_CELL_REAL)
		put_real(table, v.type, v.ratio);
	else
		put_number(table, v.type, v.number);
}

void vmrt_put_unknown(struct vmrt_table *table)
{
	next_cell(table, VMRT_CELL_COUNT, false);
}

void vmrt_put_line(struct vmrt_table *table, const char *key, const char *fmt, ...)
{
	struct table_line *line;
	va_list ap;

	if (!table || table->doc->failed)
		return;
	if (!grow(&table->lines, table->n_lines, sizeof(*table->lines))) {
		table->doc->failed = true;
		return;
	}
	line = &table->lines[table->n_lines++];
	line->key = strdup(key);
	va_start(ap, fmt);
	if (vasprintf(&line->text, fmt, ap) < 0)
		line->text = NULL;
	va_end(ap);
	if (!line->key || !line->text)
		table->doc->failed = true;
}

void vmrt_put_figure(struct vmrt_table *table, const char *caption, char *svg)
{
	struct vmrt_figure *figure;

	if (!table || table->doc->failed || !svg ||
		!grow(&table->figures, table->n_figures, sizeof(*table->figures))) {
		free(svg);
		if (table)
			table->doc->failed = true;
		return;
	}
	figure = &table->figures[table->n_figures++];
	figure->svg = svg;
	figure->caption = strdup(caption);
	if (!figure->caption)
		table->doc->failed = true;
}

bool table_column_in(const struct vmrt_table *table, size_t column, int group)
{
	int own = table_column_group(&table->columns[column]);

	if (column == 0 && table->flags & VMRT_TABLE_SPAN)
		return false;
	return own == VMRT_KEY_GROUP || own == group;
}

const char *table_row_span(const struct vmrt_table *table, size_t r)
{
	const struct table_cell *cell = table_cell_at(table, r, 0);
	const struct table_cell *former = r ? table_cell_at(table, r - 1, 0) : NULL;

	if (!(table->flags & VMRT_TABLE_SPAN) || !cell->known)
		return NULL;
	return former && former->known && !strcmp(former->text, cell->text) ? NULL : cell->text;
}

int table_groups(const struct vmrt_table *table)
{
	int groups = 1;

	for (size_t i = 0; i < table->n_columns; i++)
		if (table_column_group(&table->columns[i]) > groups)
			groups = table_column_group(&table->columns[i]);
	return groups;
}

const char *table_title(const struct vmrt_table *table, int group)
{
	if (!table->titles)
		return NULL;
	for (int i = 0; i < group - 1; i++)
		if (!table->titles[i])
			return NULL;
	return table->titles[group - 1];
}

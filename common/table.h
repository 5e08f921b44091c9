/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_TABLE_H
#define VMRT_COMMON_TABLE_H

/* What table.c builds and the writers of the formats read. */

#include <vmrt/table.h>
#include <vmrt/utf8.h>

struct table_cell {
	bool known;
	enum vmrt_cell_type type;
	union {
		char *text;
		int64_t number; /* COUNT, NS, BOOL */
		double real;	/* RATIO, P, REAL */
	};
};

struct table_line {
	char *key, *text;
};

struct vmrt_figure {
	char *caption, *svg;
};

struct vmrt_table {
	struct vmrt_doc *doc;
	const char *name;
	const char *const *titles;
	const struct vmrt_column *columns;
	struct vmrt_column *own; /* the same columns, if they are to be freed with the table */
	size_t n_columns;
	unsigned flags;
	struct table_cell *cells;
	size_t n_cells, room;
	struct table_line *lines;
	size_t n_lines;
	struct vmrt_figure *figures;
	size_t n_figures;
};

struct table_section {
	char *name;
	struct vmrt_table **tables;
	size_t n_tables;
};

struct vmrt_doc {
	const char *key;
	bool many, failed;
	struct table_section *sections;
	size_t n_sections;
};

#define VMRT_CELL_ROOM 64 /* bytes for any cell that is not text */

static inline size_t table_rows(const struct vmrt_table *table)
{
	return table->n_cells / table->n_columns;
}

static inline const struct table_cell *table_cell_at(
	const struct vmrt_table *table, size_t row, size_t column)
{
	return &table->cells[row * table->n_columns + column];
}

/** table_column_group - the number of the column's group for people */
static inline int table_column_group(const struct vmrt_column *column)
{
	return column->group >= VMRT_PEOPLE_ONLY ? column->group - VMRT_PEOPLE_ONLY : column->group;
}

/** table_groups - number of the highest group of columns for people, at least 1 */
int table_groups(const struct vmrt_table *table);

/** table_title - title of @group for people, or NULL */
const char *table_title(const struct vmrt_table *table, int group);

/** table_column_in - is a column for people in this group of the table, or in every group? */
bool table_column_in(const struct vmrt_table *table, size_t column, int group);

/** table_row_span - in a table with spans, the name of the rows from @r on if it differs from that
 * of row r - 1, or NULL */
const char *table_row_span(const struct vmrt_table *table, size_t r);

/**
 * table_doc_select - a document of the selected columns and metrics, see vmrt_doc_print_as()
 * @out: free with table_selected_free(), before @doc, whose texts it shares
 */
enum vmrt_status table_doc_select(const struct vmrt_doc *doc, const struct vmrt_print *how,
	struct vmrt_doc **out, struct vmrt_error *err);
void table_selected_free(struct vmrt_doc *doc);

/** table_cell_people - the cell's text for people; @buf has VMRT_CELL_ROOM bytes, which the result
 * may or may not use */
const char *table_cell_people(
	const struct table_cell *cell, const struct vmrt_column *column, char *buf);

/** table_cell_program - the cell's number or bool as text for programs; NULL if the cell is unknown
 * or a text */
const char *table_cell_program(const struct table_cell *cell, char *buf);

void table_print_text(const struct vmrt_doc *doc, const char *only, unsigned width, FILE *out);
void table_print_html(const struct vmrt_doc *doc, const char *only, FILE *out);
void table_print_markdown(const struct vmrt_doc *doc, const char *only, FILE *out);
void table_print_latex(const struct vmrt_doc *doc, const char *only, FILE *out);
void table_print_csv(const struct vmrt_doc *doc, const char *only, FILE *out);
void table_print_json(const struct vmrt_doc *doc, const char *only, FILE *out);
void table_print_jsonl(const struct vmrt_doc *doc, const char *only, FILE *out);

#endif

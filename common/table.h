/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_TABLE_H
#define VMRT_COMMON_TABLE_H

/* What table.c builds and the writers of the formats read. */

#include <vmrt/table.h>
#include <vmrt/utf8.h>

struct vmrt_cell {
	bool known;
	enum vmrt_cell_type type;
	union {
		char *text;
		int64_t number; /* COUNT, NS, BOOL */
		double real;	/* RATIO, P, REAL */
	};
};

struct vmrt_line {
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
	struct vmrt_column *own; /* the same, if they are to be freed with the table */
	size_t n_columns;
	unsigned flags;
	struct vmrt_cell *cells;
	size_t n_cells, room;
	struct vmrt_line *lines;
	size_t n_lines;
	struct vmrt_figure *figures;
	size_t n_figures;
};

struct vmrt_section {
	char *name;
	struct vmrt_table **tables;
	size_t n_tables;
};

struct vmrt_doc {
	const char *key;
	bool many, failed;
	struct vmrt_section *sections;
	size_t n_sections;
};

#define VMRT_CELL_ROOM 64 /* bytes for any cell that is not text */

static inline size_t vmrt_table_rows(const struct vmrt_table *table)
{
	return table->n_cells / table->n_columns;
}

static inline const struct vmrt_cell *vmrt_table_cell(
	const struct vmrt_table *table, size_t row, size_t column)
{
	return &table->cells[row * table->n_columns + column];
}

/** vmrt_column_group - the group as it is for people */
static inline int vmrt_column_group(const struct vmrt_column *column)
{
	return column->group >= VMRT_PEOPLE_ONLY ? column->group - VMRT_PEOPLE_ONLY : column->group;
}

/** vmrt_table_groups - number of the highest group of columns for people, at least 1 */
int vmrt_table_groups(const struct vmrt_table *table);

/** vmrt_table_title - title of @group for people, or NULL */
const char *vmrt_table_title(const struct vmrt_table *table, int group);

/** vmrt_column_in - is a column for people in this group of the table's, or in each? */
bool vmrt_column_in(const struct vmrt_table *table, size_t column, int group);

/** vmrt_row_span - in a table with spans, the name of the rows from @r on if it differs from that
 * of row r - 1, or NULL */
const char *vmrt_row_span(const struct vmrt_table *table, size_t r);

/**
 * vmrt_doc_select - a document of the selected columns and metrics, see vmrt_doc_print_as()
 * @out: free with vmrt_selected_free(), before @doc, whose texts it shares
 */
enum vmrt_status vmrt_doc_select(const struct vmrt_doc *doc, const struct vmrt_print *how,
	struct vmrt_doc **out, struct vmrt_error *err);
void vmrt_selected_free(struct vmrt_doc *doc);

/** vmrt_cell_people - the text for people; @buf has VMRT_CELL_ROOM bytes and may not be used */
const char *vmrt_cell_people(
	const struct vmrt_cell *cell, const struct vmrt_column *column, char *buf);

/** vmrt_cell_program - a number or a bool for programs; NULL if it is unknown or a text */
const char *vmrt_cell_program(const struct vmrt_cell *cell, char *buf);

void vmrt_print_text(const struct vmrt_doc *doc, const char *only, unsigned width, FILE *out);
void vmrt_print_html(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_markdown(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_latex(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_csv(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_json(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_jsonl(const struct vmrt_doc *doc, const char *only, FILE *out);

#endif

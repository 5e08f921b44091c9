/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_TABLE_H
#define VMRT_COMMON_TABLE_H

/* What table.c builds and the writers of the formats read. */

#include <vmrt/table.h>

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

struct vmrt_table {
	struct vmrt_doc *doc;
	const char *name;
	const char *const *titles;
	const struct vmrt_column *columns;
	size_t n_columns;
	unsigned flags;
	struct vmrt_cell *cells;
	size_t n_cells, room;
	struct vmrt_line *lines;
	size_t n_lines;
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

/** vmrt_cell_people - the text for people; @buf has VMRT_CELL_ROOM bytes and may not be used */
const char *vmrt_cell_people(
	const struct vmrt_cell *cell, const struct vmrt_column *column, char *buf);

/** vmrt_cell_program - a number or a bool for programs; NULL if it is unknown or a text */
const char *vmrt_cell_program(const struct vmrt_cell *cell, char *buf);

/**
 * vmrt_utf8_next - the next character of a text of unknown origin
 * @text: moved behind it
 *
 * Return: the code point; 0xFFFD for a byte that is not UTF-8; 0 at the end.
 */
uint32_t vmrt_utf8_next(const char **text);

void vmrt_print_text(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_markdown(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_latex(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_csv(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_json(const struct vmrt_doc *doc, const char *only, FILE *out);
void vmrt_print_jsonl(const struct vmrt_doc *doc, const char *only, FILE *out);

#endif

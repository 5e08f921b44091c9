/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TABLE_H
#define VMRT_TABLE_H

/*
 * Tables, and the documents that consist of tables, in every output format from one model.
 *
 * People (text, markdown, latex, html) see durations in a readable unit and ratios as percent;
 * programs (csv, json, jsonl) get nanoseconds and fractions. Both come from the same cell, so that
 * they cannot disagree. An unknown value is "-" for people, and null or an empty field for
 * programs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

#define VMRT_FORMAT_LIST(X)                                                                        \
	X(TEXT, "text")                                                                            \
	X(MARKDOWN, "markdown")                                                                    \
	X(CSV, "csv")                                                                              \
	X(JSON, "json")                                                                            \
	X(JSONL, "jsonl")                                                                          \
	X(LATEX, "latex")                                                                          \
	X(HTML, "html")

enum vmrt_format {
#define X(name, words) VMRT_FORMAT_##name,
	VMRT_FORMAT_LIST(X)
#undef X
};

enum vmrt_cell_type {
	VMRT_CELL_TEXT,
	VMRT_CELL_COUNT, /* int64_t */
	VMRT_CELL_NS,	 /* int64_t; people see it in the column's unit */
	VMRT_CELL_RATIO, /* double; people see percent */
	VMRT_CELL_P,	 /* double, a probability; people see at least 0.001 */
	VMRT_CELL_REAL,	 /* double */
	VMRT_CELL_BOOL,
	VMRT_CELL_ANY, /* type of a column only: every cell has its own type, and durations are in
			  ms */
};

#define VMRT_KEY_GROUP 0      /* shown in every part of the table */
#define VMRT_DATA_GROUP (-1)  /* for programs only */
#define VMRT_PEOPLE_ONLY 1000 /* added to a group: not for programs */
#define VMRT_SIGNIFICANT 99   /* a value for the decimals of durations: three significant digits */

struct vmrt_column {
	const char *key;  /* for programs, with the unit: "response_max_ns" */
	const char *head; /* for people */
	const char *unit; /* for people, under the head: "ms" "us" "s" "ns" "%"; or NULL */
	enum vmrt_cell_type type;
	int decimals; /* for people; negative: as many as are needed; of text: characters shown at
			 most, 0: 30 */
	int group;    /* wide tables are shown to people in parts: 1, 2, ... */
};

#define VMRT_TABLE_PROSE 1  /* people see its lines instead of the grid */
#define VMRT_TABLE_SINGLE 2 /* exactly one row: a JSON object instead of an array */
#define VMRT_TABLE_SPAN 4   /* people see the first column as a line above the rows that share it */
#define VMRT_TABLE_BRIEF 8  /* also shown where only the answer is wanted */
#define VMRT_TABLE_PEOPLE 16 /* not for programs */

/*
 * A table whose columns and values are one list: X(key, head, unit, type, decimals, group, value)
 * for each column; VMRT_DATA(X, key, type, value) for a column that only programs see. VMRT_COLUMN
 * makes the column from such a line, VMRT_CELL puts the value into the next cell of @table.
 */
#define VMRT_COLUMN(key, head, unit, type, decimals, group, value)                                 \
	{#key, head, unit, VMRT_CELL_##type, decimals, group},
#define VMRT_CELL(key, head, unit, type, decimals, group, value) VMRT_PUT_##type(table, value);
#define VMRT_DATA(X, key, type, value) X(key, #key, NULL, type, -1, VMRT_DATA_GROUP, value)
#define VMRT_PUT_TEXT vmrt_put_text
#define VMRT_PUT_COUNT vmrt_put_count
#define VMRT_PUT_NS vmrt_put_ns
#define VMRT_PUT_RATIO vmrt_put_ratio
#define VMRT_PUT_P vmrt_put_p
#define VMRT_PUT_REAL vmrt_put_real
#define VMRT_PUT_BOOL vmrt_put_truth
#define VMRT_PUT_ANY vmrt_put_value

struct vmrt_table;
struct vmrt_doc;

/** vmrt_format_parse - the format called @name; VMRT_OK or VMRT_EINVAL */
enum vmrt_status vmrt_format_parse(const char *name, enum vmrt_format *out);

/**
 * vmrt_doc_new - an empty document
 * @key: the word for a section, e.g. "run"; with an "s" behind it, this is the name of the array in
 * JSON
 * @many: false if there is only ever one section, which then has no name of its own
 *
 * Return: the document, to be freed with vmrt_doc_free(); NULL without memory.
 *
 * Failures of the functions that fill it are kept; vmrt_doc_print() returns them.
 */
struct vmrt_doc *vmrt_doc_new(const char *key, bool many);

/** vmrt_doc_free - free it with its tables; NULL is allowed */
void vmrt_doc_free(struct vmrt_doc *doc);

/** vmrt_doc_fail - the caller could not get memory for the contents of @doc */
void vmrt_doc_fail(struct vmrt_doc *doc);

/** vmrt_doc_section - begin a section called @name (copied; "": without a heading); tables belong
 * to the last section */
void vmrt_doc_section(struct vmrt_doc *doc, const char *name);

/**
 * vmrt_doc_table - add a table to the last section
 * @name: for programs, e.g. "tasks"
 * @titles: for people, one for each group from 1 on; the last may be left out; kept by reference
 * @columns: kept by reference until the document is freed
 * @flags: VMRT_TABLE_*
 *
 * Return: the table, owned by @doc; NULL without memory. All functions below accept NULL and do
 * nothing then.
 */
struct vmrt_table *vmrt_doc_table(struct vmrt_doc *doc, const char *name, const char *const *titles,
	const struct vmrt_column *columns, size_t n_columns, unsigned flags);

/**
 * vmrt_doc_table_named - a table whose columns are known only when the program runs
 * @keys: names of the columns, for people too, copied; the cells may have any type
 */
struct vmrt_table *vmrt_doc_table_named(
	struct vmrt_doc *doc, const char *name, const char *const *keys, size_t n_columns);

/** vmrt_table_settle - call after the last cell of a table of vmrt_doc_table_named(): columns that
 * hold only texts become columns of text */
void vmrt_table_settle(struct vmrt_table *table);

/** The next cell of the row: cells are put one after the other, row by row. */
void vmrt_put_text(struct vmrt_table *table, const char *text); /* NULL: unknown */
void vmrt_put_count(struct vmrt_table *table, int64_t count);	/* VMRT_UNKNOWN: unknown */
void vmrt_put_ns(struct vmrt_table *table, int64_t ns);		/* VMRT_UNKNOWN: unknown */
void vmrt_put_ratio(struct vmrt_table *table, double ratio);	/* NaN: unknown */
void vmrt_put_p(struct vmrt_table *table, double p);		/* NaN: unknown */
void vmrt_put_real(struct vmrt_table *table, double value);
void vmrt_put_truth(struct vmrt_table *table, int value); /* negative: unknown */
void vmrt_put_unknown(struct vmrt_table *table);

/* A value of any type but text. */
struct vmrt_value {
	enum vmrt_cell_type type;
	int64_t number; /* COUNT, NS, BOOL; VMRT_UNKNOWN: unknown */
	double ratio;	/* RATIO, P, REAL; NaN: unknown */
};

/** vmrt_put_value - fill the next cell with a value of any type */
void vmrt_put_value(struct vmrt_table *table, struct vmrt_value value);

/** vmrt_put_line - a line for people, headed by @key; long lines are wrapped */
void vmrt_put_line(struct vmrt_table *table, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * vmrt_put_figure - a picture below the table, for html
 * @caption: what it shows
 * @svg: markup that is put into the page as it is, so texts in it that are not vmrt's own must be
 * escaped; owned by the table from now on, to be freed with free(); NULL without memory
 */
void vmrt_put_figure(struct vmrt_table *table, const char *caption, char *svg);

#define VMRT_TEXT_WIDTH 80	/* of text, unless more is allowed */
#define VMRT_TEXT_WIDTH_MIN 40	/* narrower text is not possible */
#define VMRT_TEXT_WIDTH_MAX 200 /* text is never wider */

struct vmrt_print {
	enum vmrt_format format;
	const char *only;	   /* name of the only table wanted, or NULL for all */
	const char *const *select; /* keys of the only columns or metrics wanted; none: all */
	size_t n_select;
	unsigned width; /* of text; 0: VMRT_TEXT_WIDTH */
	bool brief;	/* people see only the tables that are the answer; html folds the others */
};

/**
 * vmrt_doc_print_as - write the document
 *
 * Text is at most as wide as asked for, unless a single column with its key columns is wider. The
 * parts of a table stand side by side as far as they fit. In CSV a table has the rows of all
 * sections, with the section's name in a first column; tables are separated by a blank line and
 * headed by a line "# NAME" unless only one table is wanted.
 *
 * With a selection, tables that have selected columns are written with their names and these
 * columns only, and no lines of prose; of a table with a column "metric", the rows of the selected
 * metrics are written. A key may be given without its unit, "_ns" or "_ratio".
 *
 * With @how->brief and without @how->only, text and Markdown have the tables with VMRT_TABLE_BRIEF
 * only.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no such table or column; VMRT_ENOMEM. Write errors are
 * left in @out.
 */
enum vmrt_status vmrt_doc_print_as(const struct vmrt_doc *doc, const struct vmrt_print *how,
	FILE *out, struct vmrt_error *err);

/**
 * vmrt_text_width - columns of text on stdout
 *
 * Return: those of the terminal, from VMRT_TEXT_WIDTH_MIN to VMRT_TEXT_WIDTH_MAX; VMRT_TEXT_WIDTH
 * in a file or a pipe, so that text is the same everywhere.
 */
unsigned vmrt_text_width(void);

/** vmrt_doc_print - as vmrt_doc_print_as(), with @format and @only; text on stdout is as wide as
 * vmrt_text_width() says */
enum vmrt_status vmrt_doc_print(const struct vmrt_doc *doc, enum vmrt_format format,
	const char *only, FILE *out, struct vmrt_error *err);

/** vmrt_html_text - print @text escaped for html and svg, without control characters */
void vmrt_html_text(FILE *out, const char *text);

/** vmrt_csv_field - print one field as RFC 4180 demands: in quotes if it holds a comma, a quote or
 * a line break */
void vmrt_csv_field(FILE *out, const char *text);

#endif

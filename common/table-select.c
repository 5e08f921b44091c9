/* SPDX-License-Identifier: MIT */
/* Makes a document with some of the columns of another document. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/similar.h>

#define KEYS_MAX 512

/* Does @name mean @key? The name may lack the unit. */
static bool is_key(const char *key, const char *name)
{
	static const char *const units[] = {"", "_ns", "_ratio"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strncmp(key, name, n) && !strcmp(key + n, units[i]))
			return true;
	return false;
}

/* The head of a column, "response p99" for "response_p99_ns", in @buf, which must exist as long as
 * the column. */
static char *head_of(const char *key, char *buf)
{
	static const char *const units[] = {"_ns", "_ratio"};
	size_t n = strlen(key);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (n > strlen(units[i]) && !strcmp(key + n - strlen(units[i]), units[i]))
			n -= strlen(units[i]);
	memcpy(buf, key, n);
	buf[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (buf[i] == '_')
			buf[i] = ' ';
	/* p999 is the percentile 99.9 */
	if (n >= 4 && !strcmp(buf + n - 4, "p999"))
		strcpy(buf + n - 1, ".9");
	return buf;
}

static bool is_selected(const struct vmrt_print *how, const char *key, bool *found)
{
	bool any = false;

	for (size_t i = 0; i < how->n_select; i++)
		if (is_key(key, how->select[i]))
			any = found[i] = true;
	return any;
}

/* Makes a column for people of one that may be only for programs; @text: room for the head. */
static struct vmrt_column for_people(const struct vmrt_column *column, char *text)
{
	struct vmrt_column c = *column;

	if (c.group == VMRT_DATA_GROUP && c.type == VMRT_CELL_NS) {
		c.unit = "ms";
		c.decimals = 3;
	}
	if (c.group == VMRT_DATA_GROUP && c.type == VMRT_CELL_RATIO) {
		c.unit = "%";
		c.decimals = 2;
	}
	c.head = head_of(c.key,
		text); /* the usual head is clear only among the other columns of its table */
	c.group = 1;
	return c;
}

static size_t metric_column(const struct vmrt_table *table)
{
	size_t c = 0;

	while (c < table->n_columns && strcmp(table->columns[c].key, "metric") != 0)
		c++;
	return c;
}

static bool is_name(const struct vmrt_table *table, size_t c)
{
	return table->columns[c].group == VMRT_KEY_GROUP ||
	       (!c && table->columns[c].type == VMRT_CELL_TEXT);
}

/* Chooses columns of @from: first the names, then the selected ones in the order of the selection;
 * returns how many. */
static size_t choose(const struct vmrt_table *from, const struct vmrt_print *how, bool *found,
	size_t *source, size_t *names)
{
	size_t n = 0;

	for (size_t c = 0; c < from->n_columns; c++)
		if (is_name(from, c))
			source[n++] = c;
	*names = n;
	for (size_t i = 0; i < how->n_select; i++) {
		for (size_t c = 0; c < from->n_columns; c++) {
			if (is_name(from, c) || !is_key(from->columns[c].key, how->select[i]))
				continue;
			found[i] = true;
			if (n < 2 * from->n_columns)
				source[n++] = c;
		}
	}
	return n;
}

/* Copies the rows of the selected metrics with all columns; false without memory. @any: at least
 * one row was copied.
 */
static bool copy_metrics(const struct vmrt_table *from, const struct vmrt_print *how, bool *found,
	struct vmrt_table *to, bool *any)
{
	size_t metric = metric_column(from), rows = table_rows(from);

	*any = false;
	to->cells = calloc(from->n_cells + 1, sizeof(*to->cells));
	to->columns = from->columns;
	to->n_columns = from->n_columns;
	to->titles = from->titles;
	if (!to->cells)
		return false;
	for (size_t r = 0; r < rows; r++) {
		const struct table_cell *name = table_cell_at(from, r, metric);

		if (!name->known || name->type != VMRT_CELL_TEXT ||
			!is_selected(how, name->text, found))
			continue;
		*any = true;
		for (size_t c = 0; c < from->n_columns; c++)
			to->cells[to->n_cells++] = *table_cell_at(from, r, c);
	}
	return true;
}

/* Copies the selected columns with all rows; false without memory. @any: at least one column was
 * copied. */
static bool copy_columns(const struct vmrt_table *from, const struct vmrt_print *how, bool *found,
	struct vmrt_table *to, bool *any)
{
	size_t *source = calloc(2 * from->n_columns, sizeof(*source));
	size_t n = 0, names = 0, text_room = 0, rows = table_rows(from);
	char *text;

	if (!source)
		return false;
	n = choose(from, how, found, source, &names);
	*any = n > names;
	for (size_t i = 0; i < n; i++)
		text_room += strlen(from->columns[source[i]].key) + 2;
	to->own = calloc(
		1, n * sizeof(*to->own) +
			   text_room); /* the columns, and behind them the texts of their heads */
	to->cells = calloc(n * rows + 1, sizeof(*to->cells));
	if (!to->own || !to->cells) {
		free(source);
		return false;
	}
	to->columns = to->own;
	to->n_columns = n;
	text = (char *)&to->own[n];
	for (size_t i = 0; i < n; i++) {
		const struct vmrt_column *c = &from->columns[source[i]];

		to->own[i] = i < names ? *c : for_people(c, text);
		if (i < names)
			to->own[i].group = VMRT_KEY_GROUP;
		text += strlen(c->key) + 2;
	}
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < n; i++)
			to->cells[to->n_cells++] = *table_cell_at(from, r, source[i]);
	free(source);
	return true;
}

static bool copy_section(const struct table_section *from, const struct vmrt_print *how,
	bool *found, struct table_section *to)
{
	to->tables = calloc(from->n_tables + 1, sizeof(*to->tables));
	to->name = from->name;
	if (!to->tables)
		return false;
	for (size_t t = 0; t < from->n_tables; t++) {
		struct vmrt_table *table;
		bool any, copied;

		if (how->only ? strcmp(how->only, from->tables[t]->name) != 0
			      : from->tables[t]->flags & VMRT_TABLE_PEOPLE)
			continue;
		table = calloc(1, sizeof(*table));
		if (!table)
			return false;
		to->tables[to->n_tables++] = table;
		table->name = from->tables[t]->name;
		table->flags = from->tables[t]->flags & ~(unsigned)VMRT_TABLE_PROSE;
		copied = (metric_column(from->tables[t]) < from->tables[t]->n_columns
				  ? copy_metrics
				  : copy_columns)(from->tables[t], how, found, table, &any);
		if (!copied)
			return false;
		if (any)
			continue;
		free(table->own);
		free(table->cells);
		free(table);
		to->n_tables--;
	}
	return true;
}

void table_selected_free(struct vmrt_doc *doc)
{
	if (!doc)
		return;
	for (size_t i = 0; doc->sections && i < doc->n_sections; i++) {
		for (size_t t = 0; t < doc->sections[i].n_tables; t++) {
			free(doc->sections[i].tables[t]->own);
			free(doc->sections[i].tables[t]->cells);
			free(doc->sections[i].tables[t]);
		}
		free(doc->sections[i].tables);
	}
	free(doc->sections);
	free(doc);
}

static size_t add_key(const char **keys, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(keys[i], key))
			return n;
	if (n < KEYS_MAX)
		keys[n++] = key;
	return n;
}

/* Adds the keys of @table that may be selected, or its metrics; returns how many @keys has then. */
static size_t list_keys(const struct vmrt_table *table, const char **keys, size_t n)
{
	size_t metric = metric_column(table);

	for (size_t r = 0; metric < table->n_columns && r < table_rows(table); r++)
		if (table_cell_at(table, r, metric)->known)
			n = add_key(keys, n, table_cell_at(table, r, metric)->text);
	for (size_t c = 0; metric == table->n_columns && c < table->n_columns; c++)
		if (!is_name(table, c))
			n = add_key(keys, n, table->columns[c].key);
	return n;
}

static enum vmrt_status no_such_column(const struct vmrt_doc *doc, const struct vmrt_print *how,
	const char *wanted, struct vmrt_error *err)
{
	const char **keys = calloc(KEYS_MAX, sizeof(*keys)), *meant;
	size_t n = 0;

	if (!keys)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	/* all sections have the same tables */
	for (size_t t = 0; doc->n_sections && t < doc->sections[0].n_tables; t++)
		if (!how->only || !strcmp(how->only, doc->sections[0].tables[t]->name))
			n = list_keys(doc->sections[0].tables[t], keys, n);
	meant = vmrt_name_meant(wanted, keys, n);
	free(keys);
	return vmrt_fail(err, VMRT_ENOENT,
		"there is no column '%.60s'%s%s%s%s%s: the keys in --format json name them all",
		wanted, how->only ? " in table " : "", how->only ? how->only : "",
		meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

enum vmrt_status table_doc_select(const struct vmrt_doc *doc, const struct vmrt_print *how,
	struct vmrt_doc **out, struct vmrt_error *err)
{
	struct vmrt_doc *copy = calloc(1, sizeof(*copy));
	bool *found = calloc(how->n_select + 1, sizeof(*found));
	enum vmrt_status status = VMRT_OK;

	*out = NULL;
	if (copy) {
		copy->key = doc->key;
		copy->many = doc->many;
		copy->n_sections = doc->n_sections;
		copy->sections = calloc(doc->n_sections + 1, sizeof(*copy->sections));
	}
	if (!copy || !found || !copy->sections)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < doc->n_sections; i++)
		if (!copy_section(&doc->sections[i], how, found, &copy->sections[i]))
			status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < how->n_select; i++)
		if (!found[i])
			status = no_such_column(doc, how, how->select[i], err);
	free(found);
	if (status == VMRT_OK)
		*out = copy;
	else
		table_selected_free(copy);
	return status;
}

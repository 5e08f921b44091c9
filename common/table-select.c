/* SPDX-License-Identifier: MIT */
/* A document of a few columns of another one. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* Is @key what was asked for by @name, which may lack its unit? */
static bool is_key(const char *key, const char *name)
{
	static const char *const units[] = {"", "_ns", "_ratio"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strncmp(key, name, n) && !strcmp(key + n, units[i]))
			return true;
	return false;
}

static bool is_selected(const struct vmrt_print *how, const char *key, bool *found)
{
	bool any = false;

	for (size_t i = 0; i < how->n_select; i++)
		if (is_key(key, how->select[i]))
			any = found[i] = true;
	return any;
}

/* What was only for programs, for people. */
static struct vmrt_column for_people(const struct vmrt_column *column)
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
	c.head = c.key; /* alone, the words for people are not clear */
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

/* The columns and rows of @from that @how selects; false without memory. @any: there are some. */
static bool copy_table(const struct vmrt_table *from, const struct vmrt_print *how, bool *found,
	struct vmrt_table *to, bool *any)
{
	struct vmrt_column *columns = calloc(from->n_columns, sizeof(*columns));
	size_t *source = calloc(from->n_columns, sizeof(*source));
	size_t metric = metric_column(from), n = 0, rows = vmrt_table_rows(from);

	*any = false;
	to->cells = calloc(from->n_cells + 1, sizeof(*to->cells));
	to->columns = to->own = columns;
	if (!columns || !source || !to->cells) {
		free(source);
		return false;
	}
	for (size_t c = 0; c < from->n_columns; c++) {
		bool key = from->columns[c].group == VMRT_KEY_GROUP ||
			(from->columns[c].type == VMRT_CELL_TEXT && c == 0);
		bool take = metric == from->n_columns && is_selected(how, from->columns[c].key, found);

		if (take)
			*any = true;
		if (!take && !key && metric == from->n_columns)
			continue;
		columns[n] = take ? for_people(&from->columns[c]) : from->columns[c];
		if (key)
			columns[n].group = VMRT_KEY_GROUP;
		source[n++] = c;
	}
	to->n_columns = n;
	for (size_t r = 0; r < rows; r++) {
		const struct vmrt_cell *name =
			metric < from->n_columns ? vmrt_table_cell(from, r, metric) : NULL;

		if (name && (!name->known || !is_selected(how, name->text, found)))
			continue;
		*any |= name != NULL;
		for (size_t c = 0; c < n; c++)
			to->cells[to->n_cells++] = *vmrt_table_cell(from, r, source[c]);
	}
	to->name = from->name;
	to->titles = metric < from->n_columns ? from->titles : NULL;
	to->flags = from->flags & ~(unsigned)VMRT_TABLE_PROSE;
	free(source);
	return true;
}

static bool copy_section(const struct vmrt_section *from, const struct vmrt_print *how, bool *found,
	struct vmrt_section *to)
{
	to->tables = calloc(from->n_tables + 1, sizeof(*to->tables));
	to->name = from->name;
	if (!to->tables)
		return false;
	for (size_t t = 0; t < from->n_tables; t++) {
		struct vmrt_table *table;
		bool any, copied;

		if (how->only && strcmp(how->only, from->tables[t]->name) != 0)
			continue;
		table = calloc(1, sizeof(*table));
		if (!table)
			return false;
		to->tables[to->n_tables++] = table;
		copied = copy_table(from->tables[t], how, found, table, &any);
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

void vmrt_selected_free(struct vmrt_doc *doc)
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

enum vmrt_status vmrt_doc_select(const struct vmrt_doc *doc, const struct vmrt_print *how,
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
			status = vmrt_fail(err, VMRT_ENOENT,
				"there is no column '%s'%s%s: the keys in --format json name them all", how->select[i],
				how->only ? " in table " : "", how->only ? how->only : "");
	free(found);
	if (status == VMRT_OK)
		*out = copy;
	else
		vmrt_selected_free(copy);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* Tables for programs: CSV, JSON, JSON Lines. */
#include "table.h"

#include <string.h>

void vmrt_csv_field(FILE *out, const char *text)
{
	bool quoted = strpbrk(text, ",\"\r\n");
	const char *from = text;
	uint32_t c;

	if (quoted)
		putc('"', out);
	/* the table may be printed on a terminal, and texts in it must not control the terminal */
	for (; (c = vmrt_utf8_next(&text)); from = text) {
		if (c == '"')
			putc('"', out);
		if (c == '\n' || c == '\t' || vmrt_utf8_is_harmless(c))
			fwrite(from, 1, (size_t)(text - from), out);
		else
			putc('?', out);
	}
	if (quoted)
		putc('"', out);
}

static bool shown(const struct vmrt_table *table, size_t column)
{
	return table->columns[column].group < VMRT_PEOPLE_ONLY;
}

static void csv_rows(const struct vmrt_doc *doc, const struct table_section *section,
	const struct vmrt_table *table, FILE *out)
{
	char buf[VMRT_CELL_ROOM];

	for (size_t r = 0; r < table_rows(table); r++) {
		bool first = !doc->many;

		if (doc->many)
			vmrt_csv_field(out, section->name);
		for (size_t c = 0; c < table->n_columns; c++) {
			const struct table_cell *cell = table_cell_at(table, r, c);
			const char *number = table_cell_program(cell, buf);

			if (!shown(table, c))
				continue;
			if (!first)
				putc(',', out);
			first = false;
			if (number)
				fputs(number, out);
			else if (cell->known)
				vmrt_csv_field(out, cell->text);
		}
		putc('\n', out);
	}
}

static void csv_head(const struct vmrt_doc *doc, const struct vmrt_table *table, FILE *out)
{
	bool first = !doc->many;

	if (doc->many)
		vmrt_csv_field(out, doc->key);
	for (size_t c = 0; c < table->n_columns; c++) {
		if (!shown(table, c))
			continue;
		if (!first)
			putc(',', out);
		first = false;
		vmrt_csv_field(out, table->columns[c].key);
	}
	putc('\n', out);
}

void table_print_csv(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	/* all sections have the same tables, or the first section has all tables */
	for (size_t i = 0; doc->n_sections && i < doc->sections[0].n_tables; i++) {
		const struct vmrt_table *table = doc->sections[0].tables[i];

		if (only && strcmp(only, table->name) != 0)
			continue;
		if (!only)
			fprintf(out, "%s# %s\n", i ? "\n" : "", table->name);
		csv_head(doc, table, out);
		for (size_t s = 0; s < doc->n_sections; s++)
			for (size_t j = 0; j < doc->sections[s].n_tables; j++)
				if (!strcmp(doc->sections[s].tables[j]->name, table->name))
					csv_rows(doc, &doc->sections[s], doc->sections[s].tables[j],
						out);
	}
}

static void json_text(FILE *out, const char *text)
{
	uint32_t c;

	putc('"', out);
	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (!vmrt_utf8_is_harmless(c))
			fprintf(out, "\\u%04x", (unsigned)c);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
	putc('"', out);
}

static void json_members(const struct vmrt_table *table, size_t row, FILE *out)
{
	const char *comma = "";
	char buf[VMRT_CELL_ROOM];

	for (size_t c = 0; c < table->n_columns; c++) {
		const struct table_cell *cell = table_cell_at(table, row, c);
		const char *number = table_cell_program(cell, buf);

		if (!shown(table, c))
			continue;
		fputs(comma, out);
		comma = ", ";
		json_text(out, table->columns[c].key);
		fputs(": ", out);
		if (number)
			fputs(number, out);
		else if (cell->known)
			json_text(out, cell->text);
		else
			fputs("null", out);
	}
}

static void json_table(const struct vmrt_table *table, const char *indent, FILE *out)
{
	size_t rows = table_rows(table);

	json_text(out, table->name);
	fputs(": ", out);
	if (table->flags & VMRT_TABLE_SINGLE && rows == 1) {
		putc('{', out);
		json_members(table, 0, out);
		putc('}', out);
		return;
	}
	putc('[', out);
	for (size_t r = 0; r < rows; r++) {
		fprintf(out, "%s\n%s  {", r ? "," : "", indent);
		json_members(table, r, out);
		putc('}', out);
	}
	if (rows)
		fprintf(out, "\n%s", indent);
	putc(']', out);
}

static void json_section(const struct vmrt_doc *doc, const struct table_section *section,
	const char *only, const char *indent, FILE *out)
{
	const char *comma = "";

	putc('{', out);
	if (doc->many) {
		fprintf(out, "\n%s\"name\": ", indent);
		json_text(out, section->name);
		comma = ",";
	}
	for (size_t j = 0; j < section->n_tables; j++) {
		if (only && strcmp(only, section->tables[j]->name) != 0)
			continue;
		fprintf(out, "%s\n%s", comma, indent);
		json_table(section->tables[j], indent, out);
		comma = ",";
	}
	putc('}', out);
}

void table_print_json(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	fprintf(out, "{\n  \"%s%s\": ", doc->key, doc->many ? "s" : "");
	if (!doc->many && doc->n_sections == 1) {
		json_section(doc, &doc->sections[0], only, "    ", out);
	} else {
		putc('[', out);
		for (size_t i = 0; i < doc->n_sections; i++) {
			fputs(i ? ", " : "", out);
			json_section(doc, &doc->sections[i], only, "    ", out);
		}
		putc(']', out);
	}
	fputs("\n}\n", out);
}

void table_print_jsonl(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	for (size_t i = 0; i < doc->n_sections; i++) {
		for (size_t j = 0; j < doc->sections[i].n_tables; j++) {
			const struct vmrt_table *table = doc->sections[i].tables[j];

			if (only && strcmp(only, table->name) != 0)
				continue;
			for (size_t r = 0; r < table_rows(table); r++) {
				putc('{', out);
				if (doc->many) {
					fprintf(out, "\"%s\": ", doc->key);
					json_text(out, doc->sections[i].name);
					fputs(", ", out);
				}
				fputs("\"table\": ", out);
				json_text(out, table->name);
				fputs(", ", out);
				json_members(table, r, out);
				fputs("}\n", out);
			}
		}
	}
}

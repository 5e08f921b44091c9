/* SPDX-License-Identifier: MIT */
/* Tables for documents: Markdown and LaTeX (booktabs). */
#include "table.h"

#include <string.h>

struct markup {
	void (*text)(FILE *out, const char *text); /* escaped */
	const char *between, *row_end;		   /* of cells */
	void (*group)(const struct vmrt_table *table, int group, FILE *out);
	const char *section, *section_end; /* around its name */
	const char *list, *list_end;	   /* around the lines of a table */
	const char *item, *item_text;	   /* before the key and the text of a line */
};

static const struct markup markdown, latex;

static void markdown_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c))
			putc('?', out);
		else if (c < 0x80 && strchr("\\`*_[]<>|#~", (int)c))
			fprintf(out, "\\%c", (int)c);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

static void latex_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c))
			putc('?', out);
		else if (c < 0x80 && strchr("&%$#_{}", (int)c))
			fprintf(out, "\\%c", (int)c);
		else if (c == '[' || c == ']' ||
			 c == '*') /* LaTeX would read these behind \\ as its arguments */
			fprintf(out, "{%c}", (int)c);
		else if (c == '\\')
			fputs("\\textbackslash{}", out);
		else if (c == '~')
			fputs("\\textasciitilde{}", out);
		else if (c == '^')
			fputs("\\textasciicircum{}", out);
		else if (c == '<' || c == '>' || c == '|')
			fprintf(out, "$%s$", c == '|' ? "\\vert" : c == '<' ? "<" : ">");
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

static size_t count_shown(const struct vmrt_table *table, int group)
{
	size_t n = 0;

	for (size_t c = 0; c < table->n_columns; c++)
		n += table_column_in(table, c, group);
	return n;
}

static void heads(const struct vmrt_table *table, int group, const struct markup *markup, FILE *out)
{
	const char *between = "";

	for (size_t c = 0; c < table->n_columns; c++) {
		if (!table_column_in(table, c, group))
			continue;
		fputs(between, out);
		markup->text(out, table->columns[c].head);
		if (table->columns[c].unit) {
			fputs(" (", out);
			markup->text(out, table->columns[c].unit);
			putc(')', out);
		}
		between = markup->between;
	}
	fputs(markup->row_end, out);
}

static void row(
	const struct vmrt_table *table, size_t r, int group, const struct markup *markup, FILE *out)
{
	const char *between = "";
	char buf[VMRT_CELL_ROOM];

	for (size_t c = 0; c < table->n_columns; c++) {
		if (!table_column_in(table, c, group))
			continue;
		fputs(between, out);
		markup->text(out,
			table_cell_people(table_cell_at(table, r, c), &table->columns[c], buf));
		between = markup->between;
	}
	fputs(markup->row_end, out);
}

static void markdown_group(const struct vmrt_table *table, int group, FILE *out)
{
	const char *title = table_title(table, group), *name;

	if (title) {
		fputs("\n**", out);
		markdown_text(out, title);
		fputs("**\n", out);
	}
	fputs("\n| ", out);
	heads(table, group, &markdown, out);
	putc('|', out);
	for (size_t c = 0; c < table->n_columns; c++)
		if (table_column_in(table, c, group))
			fputs(table->columns[c].type == VMRT_CELL_TEXT ? " --- |" : " ---: |", out);
	putc('\n', out);
	for (size_t r = 0; r < table_rows(table); r++) {
		name = table_row_span(table, r);
		if (name) {
			fputs("| **", out);
			markdown_text(out, name);
			fputs("** |", out);
			for (size_t c = 1; c < count_shown(table, group); c++)
				fputs(" |", out);
			putc('\n', out);
		}
		fputs("| ", out);
		row(table, r, group, &markdown, out);
	}
}

static void latex_group(const struct vmrt_table *table, int group, FILE *out)
{
	const char *title = table_title(table, group), *name;

	if (title) {
		fputs("\n\\paragraph*{", out);
		latex_text(out, title);
		fputs("}", out);
	}
	fputs("\n\\begin{tabular}{", out);
	for (size_t c = 0; c < table->n_columns; c++)
		if (table_column_in(table, c, group))
			putc(table->columns[c].type == VMRT_CELL_TEXT ? 'l' : 'r', out);
	fputs("}\n\\toprule\n", out);
	heads(table, group, &latex, out);
	fputs("\\midrule\n", out);
	for (size_t r = 0; r < table_rows(table); r++) {
		name = table_row_span(table, r);
		if (name) {
			fprintf(out, "%s\\multicolumn{%zu}{l}{\\textbf{",
				r ? "\\addlinespace\n" : "", count_shown(table, group));
			latex_text(out, name);
			fputs("}} \\\\\n", out);
		}
		row(table, r, group, &latex, out);
	}
	fputs("\\bottomrule\n\\end{tabular}\n", out);
}

static const struct markup markdown = {
	.text = markdown_text,
	.between = " | ",
	.row_end = " |\n",
	.group = markdown_group,
	.section = "## ",
	.section_end = "\n",
	.list = "\n",
	.list_end = "",
	.item = "- **",
	.item_text = "** ",
};

static const struct markup latex = {
	.text = latex_text,
	.between = " & ",
	.row_end = " \\\\\n",
	.group = latex_group,
	.section = "\\subsection*{",
	.section_end = "}\n",
	.list = "\n\\begin{description}\n",
	.list_end = "\\end{description}\n",
	.item = "\\item[",
	.item_text = "] ",
};

static void print_lines(const struct vmrt_table *table, const struct markup *markup, FILE *out)
{
	if (!table->n_lines)
		return;
	fputs(markup->list, out);
	for (size_t l = 0; l < table->n_lines; l++) {
		fputs(markup->item, out);
		markup->text(out, table->lines[l].key);
		fputs(markup->item_text, out);
		markup->text(out, table->lines[l].text);
		putc('\n', out);
	}
	fputs(markup->list_end, out);
}

static void print_section(const struct table_section *section, const char *only,
	const struct markup *markup, FILE *out)
{
	if (*section->name) {
		fputs(markup->section, out);
		markup->text(out, section->name);
		fputs(markup->section_end, out);
	}
	for (size_t j = 0; j < section->n_tables; j++) {
		const struct vmrt_table *table = section->tables[j];

		if (only && strcmp(only, table->name) != 0)
			continue;
		if (table_rows(table) && !(table->flags & VMRT_TABLE_PROSE))
			for (int g = 1; g <= table_groups(table); g++)
				markup->group(table, g, out);
		print_lines(table, markup, out);
	}
}

/* @above: something was printed above the first section already. */
static void print_sections(const struct vmrt_doc *doc, const char *only, bool above,
	const struct markup *markup, FILE *out)
{
	for (size_t i = 0; i < doc->n_sections; i++) {
		if ((i || above) && *doc->sections[i].name)
			putc('\n', out);
		print_section(&doc->sections[i], only, markup, out);
	}
}

void table_print_markdown(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	print_sections(doc, only, false, &markdown, out);
}

void table_print_latex(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	fputs("% needs \\usepackage{booktabs}\n", out);
	print_sections(doc, only, true, &latex, out);
}

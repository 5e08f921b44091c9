/* SPDX-License-Identifier: MIT */
/* Tables for documents: Markdown and LaTeX (booktabs). */
#include "table.h"

#include <string.h>

struct markup {
	void (*text)(FILE *out, const char *text); /* escaped */
	const char *between, *row_end;
};

static void markdown_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffd)
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
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffd)
			putc('?', out);
		else if (c < 0x80 && strchr("&%$#_{}", (int)c))
			fprintf(out, "\\%c", (int)c);
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

static const struct markup markdown = {markdown_text, " | ", " |\n"};
static const struct markup latex = {latex_text, " & ", " \\\\\n"};

static size_t count_shown(const struct vmrt_table *table, int group)
{
	size_t n = 0;

	for (size_t c = 0; c < table->n_columns; c++)
		n += vmrt_column_in(table, c, group);
	return n;
}

static void heads(const struct vmrt_table *table, int group, const struct markup *markup, FILE *out)
{
	const char *between = "";

	for (size_t c = 0; c < table->n_columns; c++) {
		if (!vmrt_column_in(table, c, group))
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
		if (!vmrt_column_in(table, c, group))
			continue;
		fputs(between, out);
		markup->text(out,
			vmrt_cell_people(vmrt_table_cell(table, r, c), &table->columns[c], buf));
		between = markup->between;
	}
	fputs(markup->row_end, out);
}

static void markdown_group(const struct vmrt_table *table, int group, FILE *out)
{
	const char *title = vmrt_table_title(table, group), *name;

	if (title) {
		fputs("\n**", out);
		markdown_text(out, title);
		fputs("**\n", out);
	}
	fputs("\n| ", out);
	heads(table, group, &markdown, out);
	putc('|', out);
	for (size_t c = 0; c < table->n_columns; c++)
		if (vmrt_column_in(table, c, group))
			fputs(table->columns[c].type == VMRT_CELL_TEXT ? " --- |" : " ---: |", out);
	putc('\n', out);
	for (size_t r = 0; r < vmrt_table_rows(table); r++) {
		name = vmrt_row_span(table, r);
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

void vmrt_print_markdown(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	for (size_t i = 0; i < doc->n_sections; i++) {
		const struct vmrt_section *section = &doc->sections[i];

		if (*section->name) {
			fputs(i ? "\n## " : "## ", out);
			markdown_text(out, section->name);
			fputs("\n", out);
		}
		for (size_t j = 0; j < section->n_tables; j++) {
			const struct vmrt_table *table = section->tables[j];

			if (only && strcmp(only, table->name) != 0)
				continue;
			if (vmrt_table_rows(table) && !(table->flags & VMRT_TABLE_PROSE))
				for (int g = 1; g <= vmrt_table_groups(table); g++)
					markdown_group(table, g, out);
			for (size_t l = 0; l < table->n_lines; l++) {
				fputs(l ? "- **" : "\n- **", out);
				markdown_text(out, table->lines[l].key);
				fputs("** ", out);
				markdown_text(out, table->lines[l].text);
				putc('\n', out);
			}
		}
	}
}

static void latex_group(const struct vmrt_table *table, int group, FILE *out)
{
	const char *title = vmrt_table_title(table, group), *name;

	if (title) {
		fputs("\n\\paragraph*{", out);
		latex_text(out, title);
		fputs("}", out);
	}
	fputs("\n\\begin{tabular}{", out);
	for (size_t c = 0; c < table->n_columns; c++)
		if (vmrt_column_in(table, c, group))
			putc(table->columns[c].type == VMRT_CELL_TEXT ? 'l' : 'r', out);
	fputs("}\n\\toprule\n", out);
	heads(table, group, &latex, out);
	fputs("\\midrule\n", out);
	for (size_t r = 0; r < vmrt_table_rows(table); r++) {
		name = vmrt_row_span(table, r);
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

void vmrt_print_latex(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	fputs("% needs \\usepackage{booktabs}\n", out);
	for (size_t i = 0; i < doc->n_sections; i++) {
		const struct vmrt_section *section = &doc->sections[i];

		if (*section->name) {
			fputs("\n\\subsection*{", out);
			latex_text(out, section->name);
			fputs("}\n", out);
		}
		for (size_t j = 0; j < section->n_tables; j++) {
			const struct vmrt_table *table = section->tables[j];

			if (only && strcmp(only, table->name) != 0)
				continue;
			if (vmrt_table_rows(table) && !(table->flags & VMRT_TABLE_PROSE))
				for (int g = 1; g <= vmrt_table_groups(table); g++)
					latex_group(table, g, out);
			if (table->n_lines)
				fputs("\n\\begin{description}\n", out);
			for (size_t l = 0; l < table->n_lines; l++) {
				fputs("\\item[", out);
				latex_text(out, table->lines[l].key);
				fputs("] ", out);
				latex_text(out, table->lines[l].text);
				putc('\n', out);
			}
			if (table->n_lines)
				fputs("\\end{description}\n", out);
		}
	}
}

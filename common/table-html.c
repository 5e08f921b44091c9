/* SPDX-License-Identifier: MIT */
/* A document as one page of HTML that needs nothing else: no scripts, fonts or pictures from
 * elsewhere. */
#include "table.h"

#include <string.h>

#include <vmrt/svg.h>

/* Light or dark colours are chosen by the reader's settings. Drawings use the same colours through
 * their classes. */
static const char style[] =
	":root{color-scheme:light "
	"dark;--ground:#fff;--ink:#1a1a1a;--quiet:#666;--line:#ccc;--band:#f5f5f5;"
	"--a:#0072b2;--b:#e69f00;--c:#009e73;--d:#56b4e9;--m:#d55e00}\n"
	"@media "
	"(prefers-color-scheme:dark){:root{--ground:#16181c;--ink:#e6e6e6;--quiet:#9a9a9a;--line:#"
	"444;"
	"--band:#1f2228;--a:#56b4e9;--b:#f0e442;--c:#2bc49a;--d:#8fd0f5;--m:#ff8a4c}}\n"
	"body{background:var(--ground);color:var(--ink);font:15px/1.45 "
	"system-ui,sans-serif;max-width:75em;"
	"margin:2em auto;padding:0 1em}\n"
	"h2{border-bottom:2px solid var(--line);margin-top:2em}\n"
	"figure,.wide{overflow-x:auto;margin:1em "
	"0}figcaption,caption{text-align:left;font-weight:600;"
	"padding:.4em 0}\n"
	"table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
	"th,td{padding:.2em .7em;text-align:right;white-space:nowrap}th small{color:var(--quiet);"
	"font-weight:400;display:block}\n"
	"thead{border-top:2px solid var(--ink);border-bottom:1px solid "
	"var(--ink)}tbody{border-bottom:2px solid "
	"var(--ink)}\n"
	"tbody "
	"tr:nth-child(even){background:var(--band)}th.t,td.t{text-align:left}td.t{font-family:"
	"inherit}"
	"td.m{font-family:ui-monospace,monospace;text-align:left;white-space:pre}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em "
	"1em}dt{font-weight:600}dd{margin:0}\n"
	"svg{max-width:100%;height:auto}\n"
	"summary{cursor:pointer;font-weight:600;padding:.5em 0}\n"
	"@media print{body{max-width:none;margin:0}}\n";

void vmrt_html_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c))
			putc('?', out);
		else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(out, "&#%u;", (unsigned)c);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

/* The class of a column: names are set like words, and drawings made of characters in the font of a
 * terminal. */
static const char *kind(const struct vmrt_column *column)
{
	if (column->type != VMRT_CELL_TEXT)
		return NULL;
	return column->decimals > 0 ? "m" : "t";
}

static void cell(const struct vmrt_table *table, size_t r, size_t c, FILE *out)
{
	const struct table_cell *cell = table_cell_at(table, r, c);
	char people[VMRT_CELL_ROOM], program[VMRT_CELL_ROOM];
	const char *number = table_cell_program(cell, program);

	fprintf(out, kind(&table->columns[c]) ? "<td class=%s>" : "<td>", kind(&table->columns[c]));
	if (number)
		fprintf(out, "<data value=\"%s\">", number);
	vmrt_html_text(out, table_cell_people(cell, &table->columns[c], people));
	fputs(number ? "</data></td>" : "</td>", out);
}

static void head(const struct vmrt_column *column, FILE *out)
{
	fprintf(out,
		column->type == VMRT_CELL_TEXT ? "<th class=t data-key=\"" : "<th data-key=\"");
	vmrt_html_text(out, column->key);
	fputs("\">", out);
	vmrt_html_text(out, column->head);
	if (column->unit) {
		fputs("<small>", out);
		vmrt_html_text(out, column->unit);
		fputs("</small>", out);
	}
	fputs("</th>", out);
}

static void print_group(const struct vmrt_table *table, int group, FILE *out)
{
	const char *title = table_title(table, group), *name;
	size_t n = 0;

	fprintf(out, "<div class=wide><table data-table=\"%s\">", table->name);
	if (title) {
		fputs("<caption>", out);
		vmrt_html_text(out, title);
		fputs("</caption>", out);
	}
	fputs("\n<thead><tr>", out);
	for (size_t c = 0; c < table->n_columns; c++) {
		if (!table_column_in(table, c, group))
			continue;
		head(&table->columns[c], out);
		n++;
	}
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t r = 0; r < table_rows(table); r++) {
		name = table_row_span(table, r);
		if (name) {
			fprintf(out, "<tr><th class=t colspan=%zu>", n);
			vmrt_html_text(out, name);
			fputs("</th></tr>\n", out);
		}
		fputs("<tr>", out);
		for (size_t c = 0; c < table->n_columns; c++)
			if (table_column_in(table, c, group))
				cell(table, r, c, out);
		fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void print_table(const struct vmrt_table *table, FILE *out)
{
	if (table_rows(table) && !(table->flags & VMRT_TABLE_PROSE))
		for (int g = 1; g <= table_groups(table); g++)
			print_group(table, g, out);
	if (table->n_lines)
		fputs("<dl>\n", out);
	for (size_t i = 0; i < table->n_lines; i++) {
		fputs("<dt>", out);
		vmrt_html_text(out, table->lines[i].key);
		fputs("</dt><dd>", out);
		vmrt_html_text(out, table->lines[i].text);
		fputs("</dd>\n", out);
	}
	if (table->n_lines)
		fputs("</dl>\n", out);
	for (size_t i = 0; i < table->n_figures; i++) {
		fputs("<figure><figcaption>", out);
		vmrt_html_text(out, table->figures[i].caption);
		fprintf(out, "</figcaption>\n%s</figure>\n", table->figures[i].svg);
	}
}

static bool is_brief(const struct vmrt_table *table)
{
	return table->flags & VMRT_TABLE_BRIEF;
}

/* Tables with the answer come first. If there are such tables, all other tables are folded below
 * them. */
static void print_tables(const struct table_section *section, const char *only, FILE *out)
{
	size_t brief = 0, others = 0;

	for (size_t j = 0; j < section->n_tables; j++) {
		const struct vmrt_table *table = section->tables[j];

		if (only ? strcmp(only, table->name) != 0 : !is_brief(table)) {
			others += !only;
			continue;
		}
		print_table(table, out);
		brief++;
	}
	if (!others)
		return;
	if (brief)
		fputs("<details><summary>All tables and pictures</summary>\n", out);
	for (size_t j = 0; j < section->n_tables; j++)
		if (!is_brief(section->tables[j]))
			print_table(section->tables[j], out);
	if (brief)
		fputs("</details>\n", out);
}

void table_print_html(const struct vmrt_doc *doc, const char *only, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
		out);
	for (size_t i = 0; i < doc->n_sections; i++) {
		fputs(i ? ", " : "", out);
		vmrt_html_text(out, doc->sections[i].name);
	}
	fprintf(out, "</title>\n<style>\n%s", style);
	vmrt_svg_style(out);
	fputs("</style></head>\n<body>\n", out);
	vmrt_svg_page(out);
	for (size_t i = 0; i < doc->n_sections; i++) {
		const struct table_section *section = &doc->sections[i];

		fputs("<section>\n", out);
		if (*section->name) {
			fputs("<h2>", out);
			vmrt_html_text(out, section->name);
			fputs("</h2>\n", out);
		}
		print_tables(section, only, out);
		fputs("</section>\n", out);
	}
	fputs("</body></html>\n", out);
}

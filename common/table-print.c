/* SPDX-License-Identifier: MIT */
/* Chooses which tables of a document are printed, and which writer prints them. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

static bool for_people(enum vmrt_format format)
{
	return format == VMRT_FORMAT_TEXT || format == VMRT_FORMAT_MARKDOWN ||
	       format == VMRT_FORMAT_LATEX || format == VMRT_FORMAT_HTML;
}

/* Is the table printed as @how asks, apart from the choice by name? */
static bool wanted(const struct vmrt_table *table, const struct vmrt_print *how)
{
	bool short_form = how->format == VMRT_FORMAT_TEXT || how->format == VMRT_FORMAT_MARKDOWN;

	if (table->flags & VMRT_TABLE_PEOPLE && !for_people(how->format))
		return false;
	return !how->brief || how->only || !short_form || table->flags & VMRT_TABLE_BRIEF;
}

static bool has_table(const struct vmrt_doc *doc, const struct vmrt_print *how)
{
	for (size_t i = 0; i < doc->n_sections; i++)
		for (size_t j = 0; j < doc->sections[i].n_tables; j++)
			if (!strcmp(doc->sections[i].tables[j]->name, how->only) &&
				wanted(doc->sections[i].tables[j], how))
				return true;
	return false;
}

/* Lists the names that has_table() accepts, each once, as many as fit. */
static void list_tables(
	const struct vmrt_doc *doc, const struct vmrt_print *how, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < doc->n_sections; i++) {
		for (size_t j = 0; j < doc->sections[i].n_tables; j++) {
			const char *name = doc->sections[i].tables[j]->name;
			bool listed = !wanted(doc->sections[i].tables[j], how);

			for (size_t k = 0; k <= i && !listed; k++)
				for (size_t l = 0;
					l < (k < i ? doc->sections[k].n_tables : j) && !listed; l++)
					listed = !strcmp(doc->sections[k].tables[l]->name, name);
			if (listed || used + strlen(name) + 3 > size)
				continue;
			used += (size_t)snprintf(
				text + used, size - used, "%s%s", used ? ", " : "", name);
		}
	}
}

static void write_doc(const struct vmrt_doc *doc, const struct vmrt_print *how, FILE *out)
{
	static void (*const writers[])(const struct vmrt_doc *, const char *, FILE *) = {
		[VMRT_FORMAT_MARKDOWN] = table_print_markdown,
		[VMRT_FORMAT_CSV] = table_print_csv,
		[VMRT_FORMAT_JSON] = table_print_json,
		[VMRT_FORMAT_JSONL] = table_print_jsonl,
		[VMRT_FORMAT_LATEX] = table_print_latex,
		[VMRT_FORMAT_HTML] = table_print_html,
	};

	if (how->format == VMRT_FORMAT_TEXT)
		table_print_text(doc, how->only, how->width ? how->width : VMRT_TEXT_WIDTH, out);
	else
		writers[how->format](doc, how->only, out);
}

/* Writes a document that has only the wanted tables of @doc. */
static enum vmrt_status write_as(
	const struct vmrt_doc *doc, const struct vmrt_print *how, FILE *out, struct vmrt_error *err)
{
	struct vmrt_doc part = {.key = doc->key, .many = doc->many};
	enum vmrt_status status = VMRT_OK;

	part.sections = calloc(doc->n_sections + 1, sizeof(*part.sections));
	if (!part.sections)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (; part.n_sections < doc->n_sections; part.n_sections++) {
		const struct table_section *from = &doc->sections[part.n_sections];
		struct table_section *to = &part.sections[part.n_sections];

		to->name = from->name;
		to->tables = calloc(from->n_tables + 1, sizeof(struct vmrt_table *));
		if (!to->tables) {
			status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			break;
		}
		for (size_t i = 0; i < from->n_tables; i++)
			if (wanted(from->tables[i], how))
				to->tables[to->n_tables++] = from->tables[i];
	}
	if (status == VMRT_OK)
		write_doc(&part, how, out);
	for (size_t i = 0; i < doc->n_sections; i++)
		free(part.sections[i].tables);
	free(part.sections);
	return status;
}

enum vmrt_status vmrt_doc_print_as(
	const struct vmrt_doc *doc, const struct vmrt_print *how, FILE *out, struct vmrt_error *err)
{
	struct vmrt_doc *selected;
	enum vmrt_status status;

	if (doc->failed)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (how->only && !has_table(doc, how)) {
		char names[240];

		list_tables(doc, how, names, sizeof(names));
		return vmrt_fail(err, VMRT_ENOENT, "there is no table '%s' here; there are %s",
			how->only, names);
	}
	if (!how->n_select)
		return write_as(doc, how, out, err);
	status = table_doc_select(doc, how, &selected, err);
	if (status != VMRT_OK)
		return status;
	status = write_as(selected, how, out, err);
	table_selected_free(selected);
	return status;
}

unsigned vmrt_text_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col)
		return VMRT_TEXT_WIDTH;
	if (size.ws_col < VMRT_TEXT_WIDTH_MIN)
		return VMRT_TEXT_WIDTH_MIN;
	return size.ws_col < VMRT_TEXT_WIDTH_MAX ? size.ws_col : VMRT_TEXT_WIDTH_MAX;
}

enum vmrt_status vmrt_doc_print(const struct vmrt_doc *doc, enum vmrt_format format,
	const char *only, FILE *out, struct vmrt_error *err)
{
	struct vmrt_print how = {.format = format, .only = only};

	if (out == stdout)
		how.width = vmrt_text_width();
	return vmrt_doc_print_as(doc, &how, out, err);
}

/* SPDX-License-Identifier: MIT */
/* Draws the sheets in front of the pages: help, the choice of columns, a text. */
#include <string.h>

#include "columns.h"
#include "keys.h"
#include "pages.h"

static const char *const legend[] = {
	"",
	"LEFT drains to the left while the server uses up its budget; T: it is used up.",
	"SHARE and SOFT (below the priority) are of one CPU in the last second.",
	"M missed   ? unknown   Q no job for two periods   L events lost   + * new",
	"timeline: \u2191 arrival  \u2193 deadline  M missed  - ready, but others run",
	"the height is the share of the time; \u2591 the guest runs it, but its vCPU does not run",
	"(with --ascii: ^ v ~ and _ : = * # for the heights)",
};

#define LEGEND_LINES ((int)(sizeof(legend) / sizeof(legend[0])))

static void put_legend(const struct top_area *area, int i, int y)
{
	static const char *const ascii[] = {
		"timeline: ^ arrival  v deadline  M missed  - ready, but others run",
		"heights _ : = * # are the share of the time; ~ its vCPU does not run",
		"",
	};
	bool special = i >= LEGEND_LINES - 3;

	top_say(area->screen, y, 0, TOP_PLAIN, "%s",
		special && area->ui->ascii ? ascii[i - (LEGEND_LINES - 3)] : legend[i]);
}

int top_sheet_lines(enum top_sheet sheet)
{
	return sheet == TOP_SHEET_HELP
		       ? (int)top_n_keys + LEGEND_LINES
		       : (int)(top_table_columns(TOP_SERVERS) + top_table_columns(TOP_TASKS));
}

void top_sheet_help(const struct top_area *area)
{
	static const char *const where[] = {
		"", "timeline: ", "", "misses: ", "columns: ", "replay: "};
	int lines = (int)top_n_keys + LEGEND_LINES, first = top_scrolled(area, lines);

	for (int i = 0; i < area->height && first + i < lines; i++) {
		int line = first + i, y = area->y + i;

		if (line >= (int)top_n_keys) {
			put_legend(area, line - (int)top_n_keys, y);
			continue;
		}
		top_put(area->screen, y, 0, 10, false, TOP_KEY, top_keys[line].names);
		top_say(area->screen, y, 12, TOP_PLAIN, "%s%s", where[top_keys[line].where],
			top_keys[line].does);
	}
}

void top_sheet_setup(const struct top_area *area)
{
	int servers = (int)top_table_columns(TOP_SERVERS),
	    rows = servers + (int)top_table_columns(TOP_TASKS), shown = area->height,
	    cursor = area->ui->setup_cursor, first;

	if (cursor >= rows)
		cursor = rows - 1;
	first = top_list_window(cursor, rows, shown);
	for (int i = 0; i < shown && first + i < rows; i++) {
		int row = first + i, y = area->y + i;
		enum top_table table = row < servers ? TOP_SERVERS : TOP_TASKS;
		size_t column = (size_t)(row < servers ? row : row - servers);
		bool hidden = area->ui->tables[table].hidden >> column & 1 && column;

		if (row == cursor)
			top_gutter(area->screen, y);
		top_say(area->screen, y, 2, TOP_PLAIN, "[%c] %s", hidden ? ' ' : 'x',
			table == TOP_SERVERS ? "server" : "task");
		top_put(area->screen, y, 13, 11, false, TOP_HEAD, top_column_head(table, column));
		top_say(area->screen, y, 26, TOP_PLAIN, "%s", top_column_words(table, column));
	}
	area->screen->rows = rows;
	area->screen->page_rows = shown;
}

void top_sheet_text(const struct top_area *area)
{
	const struct top_ui *ui = area->ui;
	int lines = (int)ui->n_text, first;
	struct top_area rest = *area;

	top_say(area->screen, area->y, 0, TOP_TITLE, "%s", ui->text_title ? ui->text_title : "");
	rest.y++;
	rest.height--;
	first = top_scrolled(&rest, lines);
	for (int i = 0; i < rest.height && first + i < lines; i++)
		top_say(area->screen, rest.y + i, 0, TOP_PLAIN, "%s",
			top_behind(ui->text[first + i], (int)ui->scroll_x));
}

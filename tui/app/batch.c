/* SPDX-License-Identifier: MIT */
/* Prints the tables of the overview as plain lines, one block for each update. */
#include "batch.h"

#include <stdlib.h>

#include <vmrt/units.h>

#include "tui/rows/columns.h"
#include "tui/rows/layout.h"

#define WIDE 320      /* room for all columns */
#define TIME_WIDTH 12 /* "# TIME s    " */

struct printer {
	const struct top_view *view;
	const struct top_ui *ui;
	FILE *out;
	struct top_screen line;
	struct top_plan plans[TOP_TABLES];
	size_t *order;
	enum vmrt_status status;
};

static void print_line(struct printer *p, const char *before)
{
	char *text = p->line.failed ? NULL : top_screen_line(&p->line, 0, NULL);

	if (text)
		fprintf(p->out, "%-*s%s\n", TIME_WIDTH, before, text);
	else
		p->status = VMRT_ENOMEM;
	free(text);
}

static void print_heads(struct printer *p)
{
	fprintf(p->out, "# vmrt-top: %s\n", p->ui->title);
	for (enum top_table table = TOP_SERVERS; table < TOP_TABLES; table++) {
		if (!top_order_make(p->view, p->ui, table, p->order))
			continue;
		top_screen_clear(&p->line, WIDE, 1);
		top_plan_head(&p->plans[table], &p->line, 0, 0);
		print_line(p, "# TIME s");
	}
}

static void print_block(struct printer *p)
{
	char time[VMRT_UNITS_TEXT], text[256];

	top_status_text(p->view, p->ui->ascii, text, sizeof(text));
	snprintf(time, sizeof(time), "%.3f", (double)p->ui->elapsed_ns / 1e9);
	fprintf(p->out, "# %s s: %s%s%s%s%s%s\n", time, text, p->ui->note[0] ? "; " : "",
		p->ui->note, p->ui->alarm[0] ? "; " : "", p->ui->alarm,
		p->ui->ended ? "; end" : "");
	for (enum top_table table = TOP_SERVERS; table < TOP_TABLES; table++) {
		size_t n = top_order_make(p->view, p->ui, table, p->order);

		for (size_t i = 0; i < n; i++) {
			top_screen_clear(&p->line, WIDE, 1);
			top_plan_row(&p->plans[table], p->view, p->order[i], &p->line, 0, 0);
			print_line(p, time);
		}
	}
}

enum vmrt_status top_batch_print(
	const struct top_view *view, const struct top_ui *ui, bool heads, FILE *out)
{
	struct printer p = {.view = view, .ui = ui, .out = out, .line = {.only_ascii = ui->ascii}};

	p.order = calloc(view->n_servers + view->n_tasks + 1, sizeof(*p.order));
	if (!p.order)
		return VMRT_ENOMEM;
	top_plans_make(view, ui, WIDE, p.plans);
	if (heads)
		print_heads(&p);
	print_block(&p);
	top_screen_free(&p.line);
	free(p.order);
	return p.status;
}

/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <stdlib.h>

#include <vmrt/units.h>

#include "columns.h"

#define WIDE 240      /* room for all columns */
#define TIME_WIDTH 12 /* "# TIME s    " */

struct printer {
	const struct top_view *view;
	const struct top_look *look;
	FILE *out;
	struct top_screen line;
	struct top_plan plans[2];
	enum vmrt_status status;
};

static void print_line(struct printer *p, const char *before)
{
	char *text = p->line.failed ? NULL : top_screen_line(&p->line, 0);

	if (text)
		fprintf(p->out, "%-*s%s\n", TIME_WIDTH, before, text);
	else
		p->status = VMRT_ENOMEM;
	free(text);
}

static void print_heads(struct printer *p)
{
	fprintf(p->out, "# vmrt-top: %s\n", p->look->title);
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		if (!top_table_rows(p->view, table))
			continue;
		top_screen_clear(&p->line, WIDE, 1);
		top_plan_head(&p->plans[table], &p->line, 0, 0);
		print_line(p, "# TIME s");
	}
}

enum vmrt_status top_batch_print(
	const struct top_view *view, const struct top_look *look, bool heads, FILE *out)
{
	struct printer p = {.view = view, .look = look, .out = out};
	char time[VMRT_UNITS_TEXT], text[256];

	top_plans_make(view, WIDE, look->ascii, p.plans);
	if (heads)
		print_heads(&p);
	top_status_text(view, look->ascii, text, sizeof(text));
	snprintf(time, sizeof(time), "%.3f", (double)look->elapsed_ns / 1e9);
	fprintf(out, "# %s s: %s%s%s%s\n", time, text, look->note[0] ? "; " : "", look->note,
		look->ended ? "; end" : "");
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		for (size_t i = 0; i < top_table_rows(view, table); i++) {
			top_screen_clear(&p.line, WIDE, 1);
			top_plan_row(&p.plans[table], view, i, &p.line, 0, 0);
			print_line(&p, time);
		}
	}
	top_screen_free(&p.line);
	return p.status;
}

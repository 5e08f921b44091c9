/* SPDX-License-Identifier: MIT */
/* Puts figures into pages of HTML. */
#include "figures.h"

#include <stdarg.h>
#include <stdlib.h>

#define SCHEDULE_NS (150 * VMRT_NS_PER_MS) /* the part of a run that is shown on its page */

bool vmrt_page_figure_begin(struct vmrt_page_figure *f)
{
	*f = (struct vmrt_page_figure){
		.canvas = {.theme = VMRT_SVG_PAGE, .width = VMRT_FIGURE_WIDTH}};
	f->canvas.out = open_memstream(&f->svg, &f->size);
	return f->canvas.out;
}

void vmrt_page_figure_end(
	struct vmrt_page_figure *f, struct vmrt_table *table, bool drawn, const char *fmt, ...)
{
	char caption[256];
	va_list ap;

	if (fclose(f->canvas.out) != 0 || !drawn) {
		free(f->svg);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(caption, sizeof(caption), fmt, ap);
	va_end(ap);
	vmrt_put_figure(table, caption, f->svg);
}

void vmrt_page_schedule(struct vmrt_table *table, const struct vmrt_figure_run *runs, size_t n)
{
	struct vmrt_figure_run *shown = calloc(n + 1, sizeof(*shown));
	struct vmrt_timeline **parts = calloc(n + 1, sizeof(*parts));
	struct vmrt_page_figure figure;
	struct vmrt_error err;
	bool all = shown && parts;

	for (size_t i = 0; all && i < n; i++) {
		struct vmrt_tl_wanted w = VMRT_TL_ALL;

		w.window = SCHEDULE_NS;
		w.from_first_job = true;
		w.around_misses = 1;
		/* a run without misses is shown from its first job on */
		if (vmrt_timeline_load(runs[i].origin, &w, &parts[i], &err) != VMRT_OK) {
			w.around_misses = 0;
			all = vmrt_timeline_load(runs[i].origin, &w, &parts[i], &err) == VMRT_OK;
		}
		shown[i] = runs[i];
		shown[i].timeline = parts[i];
	}
	if (all && n && vmrt_page_figure_begin(&figure))
		vmrt_page_figure_end(&figure, table, draw_schedule(&figure.canvas, shown, n),
			"Schedule of a part of %s: around the first missed deadline, or from the "
			"first job on",
			n > 1 ? "each run" : "the run");
	for (size_t i = 0; parts && i < n; i++)
		vmrt_timeline_free(parts[i]);
	free(parts);
	free(shown);
}

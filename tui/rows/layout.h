/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_LAYOUT_H
#define VMRT_TUI_ROWS_LAYOUT_H

/* Makes a screen from a view. The functions depend only on their arguments. */

#include "ui.h"
#include "tui/model/model.h"
#include "tui/rows/cells.h"

#define TOP_WIDTH_MIN 40
#define TOP_HEIGHT_MIN 8

/** top_layout - fill in @screen, @width x @height; any size is allowed */
void top_layout(const struct top_view *view, const struct top_ui *ui, int width, int height,
	struct top_screen *screen);

/** top_status_text - write losses, clock error, steal and events in words into @buf of @room bytes,
 * the most important first */
void top_status_text(const struct top_view *view, bool ascii, char *buf, size_t room);

#endif

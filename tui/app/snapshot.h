/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_SNAPSHOT_H
#define VMRT_TUI_APP_SNAPSHOT_H

/* Writes the page that is shown into files. */

#include "app.h"

/**
 * top_snapshot - write the page that is shown into two new files in the current folder, as text and
 * as CSV
 *
 * If the terminal is too small for a page, the text has 80x24. A notice says the files' names, or
 * what went wrong.
 */
void top_snapshot(struct top_app *app);

#endif

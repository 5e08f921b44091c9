/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_TABLES_H
#define VMRT_TUI_ROWS_TABLES_H

/* Writes the contents of a view for programs: CSV for a snapshot, and JSON. The names are those of
 * the report. */

#include <stdio.h>

#include "ui.h"
#include "tui/model/model.h"

/** top_tables_csv - write the tables of the page that is shown as CSV; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status top_tables_csv(const struct top_view *view, const struct top_ui *ui, FILE *out);

/** top_tables_json - write the view as one JSON object on one line; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status top_tables_json(const struct top_view *view, const struct top_ui *ui, FILE *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_BATCH_H
#define VMRT_TUI_APP_BATCH_H

/* Prints views as plain lines, for files and pipes. */

#include <stdio.h>

#include "tui/model/model.h"
#include "tui/rows/ui.h"

/**
 * top_batch_print - print one block for @view on @out
 * @heads: print the heads of the tables before the block
 *
 * Lines that begin with # are heads and status; the others begin with the time in seconds.
 *
 * Return: VMRT_OK or VMRT_ENOMEM; write errors are left in @out.
 */
enum vmrt_status top_batch_print(
	const struct top_view *view, const struct top_ui *ui, bool heads, FILE *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_RUN_H
#define VMRT_TUI_APP_RUN_H

/* The two ways to run a session: in a terminal, or as lines on stdout. */

#include "app.h"

/** top_run_terminal - run the session in a terminal until the user ends it; VMRT_OK or an error */
enum vmrt_status top_run_terminal(struct top_app *app, struct vmrt_error *err);

/**
 * top_run_lines - print one block of lines, or one JSON object, for each update
 * @write_errno: set to the errno value if stdout cannot be written any more; else 0
 */
enum vmrt_status top_run_lines(struct top_app *app, int *write_errno, struct vmrt_error *err);

#endif

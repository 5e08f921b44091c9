/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_CONFIG_H
#define VMRT_TUI_APP_CONFIG_H

/* The configuration file keeps page, delay, sorting and columns for the next run. */

#include "app.h"

/** top_config_load - apply the settings of the file, if there is one; a warning lists lines that it
 * does not understand */
void top_config_load(struct top_app *app, bool delay_is_set, bool page_is_set);

/** top_config_save - write the file; a notice shows the path, or what went wrong */
void top_config_save(struct top_app *app);

#endif

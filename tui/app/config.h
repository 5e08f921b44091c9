/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_CONFIG_H
#define VMRT_TUI_APP_CONFIG_H

/* The configuration file: page, delay, sorting and columns between runs. */

#include "app.h"

/** top_config_load - take what the file says, if there is one; a warning says what it does not
 * understand */
void top_config_load(struct top_app *app, bool delay_is_set, bool page_is_set);

/** top_config_save - write the file; a notice says where, or what went wrong */
void top_config_save(struct top_app *app);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_TIMELINE_H
#define VMRT_TUI_APP_APP_TIMELINE_H

/* Keys of the timeline: cursor, pan and zoom. */

#include "app.h"

/** timeline_end_at - set the right end to @right, host clock, or to the present if that is earlier
 */
void timeline_end_at(struct top_app *app, int64_t right);

/** timeline_move - move the cursor by @by columns; the view moves when the cursor would leave it */
void timeline_move(struct top_app *app, int by);

/** timeline_pan - move the view by @by halves of the screen */
void timeline_pan(struct top_app *app, int by);

/** timeline_zoom - show half of the time (@by 1) or twice the time (-1); the cursor stays at its
 * place on the screen
 */
void timeline_zoom(struct top_app *app, int by);

/** timeline_oldest - move to the first event */
void timeline_oldest(struct top_app *app);

/** timeline_follow - from now on the right end is always the present */
void timeline_follow(struct top_app *app);

#endif

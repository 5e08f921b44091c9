/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_TIMELINE_H
#define VMRT_TUI_APP_APP_TIMELINE_H

/* Keys of the timeline: cursor, pan and zoom. */

#include "app.h"

/** timeline_end_at - its right end is @right, host clock, or the present if that is earlier */
void timeline_end_at(struct top_app *app, int64_t right);

/** timeline_move - the cursor by @by columns; the picture moves when the cursor leaves it */
void timeline_move(struct top_app *app, int by);

/** timeline_pan - by @by halves of the screen */
void timeline_pan(struct top_app *app, int by);

/** timeline_zoom - twice as near (@by 1) or as far (-1); the cursor stays where it is on the screen
 */
void timeline_zoom(struct top_app *app, int by);

/** timeline_oldest - to the first event */
void timeline_oldest(struct top_app *app);

/** timeline_follow - its right end is the present from now on */
void timeline_follow(struct top_app *app);

#endif

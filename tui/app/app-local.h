/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_LOCAL_H
#define VMRT_TUI_APP_APP_LOCAL_H

/* What the parts of a session share: app.c, seek.c, app-keys.c and app-prompt.c. */

#include "app.h"

/** app_make_engine - a new engine and a new model of what the source has now */
enum vmrt_status app_make_engine(struct top_app *app, struct vmrt_error *err);

/** app_begin_anew - machines have joined or gone: the engine knows others from now on */
enum top_fed app_begin_anew(struct top_app *app, struct vmrt_error *err);

/** app_span_of_miss - from when to when raw events are about it; false: that is not known */
bool app_span_of_miss(const struct top_miss *miss, int64_t *from_ns, int64_t *to_ns);

/** app_end - there is no more to come */
void app_end(struct top_app *app);

/** app_total_ns - how long the recording is, or has become; VMRT_UNKNOWN */
int64_t app_total_ns(const struct top_app *app);

/** app_seek_on - go on with the seek that is under way */
enum top_fed app_seek_on(struct top_app *app, int64_t deadline_ns, struct vmrt_error *err);

/** app_seek_again - the source has been opened anew: go to where the replay was */
void app_seek_again(struct top_app *app);

/** app_take_item - what is opened next is what the cursor is on */
void app_take_item(struct top_app *app);

/** app_find_next - to the next row behind the cursor whose name contains the text; from the top
 * again at the end */
void app_find_next(struct top_app *app);

/** app_ask - begin to take keys as text */
void app_ask(struct top_app *app, enum top_prompt prompt);

/** app_type - take the key called @name as text, or as the end of it */
enum vmrt_status app_type(struct top_app *app, const char *name, struct vmrt_error *err);

#endif

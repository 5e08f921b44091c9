/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_LOCAL_H
#define VMRT_TUI_APP_APP_LOCAL_H

/* Internal to a session: app.c, seek.c, app-keys.c and app-prompt.c share this. */

#include "app.h"

/** app_make_engine - make a new engine and a new model for the machines that the source has now */
enum vmrt_status app_make_engine(struct top_app *app, struct vmrt_error *err);

/** app_begin_anew - make a new engine, because machines have come or gone */
enum top_fed app_begin_anew(struct top_app *app, struct vmrt_error *err);

/** app_span_of_miss - the times between which raw events belong to the miss; false: the times are
 * not known */
bool app_span_of_miss(const struct top_miss *miss, int64_t *from_ns, int64_t *to_ns);

/** app_end - the source has no more events */
void app_end(struct top_app *app);

/** app_total_ns - how long the recording is, or is until now; VMRT_UNKNOWN: not known */
int64_t app_total_ns(const struct top_app *app);

/** app_seek_on - continue the seek that is in progress */
enum top_fed app_seek_on(struct top_app *app, int64_t deadline_ns, struct vmrt_error *err);

/** app_seek_again - the source has been opened anew: go to where the replay was */
void app_seek_again(struct top_app *app);

/** app_take_item - select the item under the cursor, which a key may open next */
void app_take_item(struct top_app *app);

/** app_find_next - move the cursor to the next row whose name contains the search text; continue at
 * the top after the last row */
void app_find_next(struct top_app *app);

/** app_ask - show a prompt: from now on keys are text */
void app_ask(struct top_app *app, enum top_prompt prompt);

/** app_type - add the key called @name to the text of the prompt, or end the prompt */
enum vmrt_status app_type(struct top_app *app, const char *name, struct vmrt_error *err);

#endif

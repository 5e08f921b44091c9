/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_LOCAL_H
#define VMRT_TUI_APP_APP_LOCAL_H

/* What app.c and seek.c share. */

#include "app.h"

/** app_make_engine - a new engine and a new model of what the source has now */
enum vmrt_status app_make_engine(struct top_app *app, struct vmrt_error *err);

/** app_begin_anew - machines have joined or gone: the engine knows others from now on */
enum top_fed app_begin_anew(struct top_app *app, struct vmrt_error *err);

/** app_end - there is no more to come */
void app_end(struct top_app *app);

/** app_total_ns - how long the recording is, or has become; VMRT_UNKNOWN */
int64_t app_total_ns(const struct top_app *app);

/** app_seek_on - go on with the seek that is under way */
enum top_fed app_seek_on(struct top_app *app, int64_t deadline_ns, struct vmrt_error *err);

/** app_seek_again - the source has been opened anew: go to where the replay was */
void app_seek_again(struct top_app *app);

#endif

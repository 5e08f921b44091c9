/* SPDX-License-Identifier: MIT */
#include "app.h"

#include <stdio.h>
#include <string.h>

enum vmrt_status top_source_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err)
{
	return options->run ? top_replay_open(options, out, err) : top_live_open(options, out, err);
}

static bool names_vm(const struct vmrt_engine_config *config, const char *name)
{
	if (!strcmp(name, VMRT_HOST))
		return true;
	for (size_t i = 0; i < config->n_vms; i++)
		if (!strcmp(config->vms[i].name, name))
			return true;
	return false;
}

enum vmrt_status top_app_open(
	struct top_app *app, const struct top_options *options, struct vmrt_error *err)
{
	struct vmrt_sink sink;
	enum vmrt_status status;

	memset(app, 0, sizeof(*app));
	app->options = options;
	status = top_source_open(&options->source, &app->source, err);
	if (status != VMRT_OK)
		return status;
	app->source->ops->config(app->source, &app->config);
	if (app->source->vm && !names_vm(&app->config, app->source->vm))
		return vmrt_fail(err, VMRT_ENOENT, "%s: there is no VM called %s",
			app->source->title, app->source->vm);
	status = top_experiment_new(app->config.experiment, app->config.vms, app->config.n_vms,
		app->source->vm, &app->exp, err);
	if (status != VMRT_OK)
		return status;
	app->config.experiment = app->exp;
	status = top_model_new(&app->config, &app->model, err);
	if (status != VMRT_OK)
		return status;
	top_model_sink(app->model, &sink);
	status = vmrt_engine_new(&app->config, &sink, &app->engine, err);
	if (status != VMRT_OK)
		return status;
	app->look = (struct top_look){
		.title = app->source->title,
		.note = app->note,
		.total_ns = VMRT_UNKNOWN,
		.delay_ns = options->delay_ns,
		.speed = options->speed,
		.live = app->source->live,
		.ascii = options->ascii,
	};
	return top_app_refresh(app, err);
}

enum top_fed top_app_pass(
	struct top_app *app, int64_t ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct top_source *source = app->source;
	int64_t until = INT64_MAX;
	enum top_fed fed;

	if (!source->live) {
		if (app->look.paused)
			return app->look.ended ? TOP_FED_END : TOP_FED_ALL;
		app->played_ns += (double)ns * app->look.speed;
		if (app->look.speed > 0)
			until = source->start_ns + (int64_t)app->played_ns;
	}
	fed = source->ops->feed(source, app->engine, until, deadline_ns, err);
	/* time does not run away from a replay that cannot keep up */
	if (fed == TOP_FED_PART && app->look.speed > 0)
		app->played_ns = (double)(source->now_ns - source->start_ns);
	if (fed == TOP_FED_END)
		app->look.ended = true;
	return fed;
}

enum vmrt_status top_app_refresh(struct top_app *app, struct vmrt_error *err)
{
	const struct top_source *source = app->source;
	int64_t now = source->now_ns;

	if (app->look.paused)
		return VMRT_OK;
	app->source->ops->note(app->source, app->note, sizeof(app->note));
	app->look.elapsed_ns = source->start_ns == VMRT_UNKNOWN ? 0 : now - source->start_ns;
	if (source->end_ns != VMRT_UNKNOWN)
		app->look.total_ns = source->end_ns - source->start_ns;
	if (top_model_view(app->model, app->engine,
		    source->start_ns == VMRT_UNKNOWN ? VMRT_UNKNOWN : now, &app->view) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	return VMRT_OK;
}

/* 100 ms, 200 ms, 500 ms, 1 s, 2 s... */
static int64_t next_delay(int64_t now, bool longer)
{
	static const int64_t steps[] = {100 * VMRT_NS_PER_MS, 200 * VMRT_NS_PER_MS,
		500 * VMRT_NS_PER_MS, VMRT_NS_PER_S, 2 * VMRT_NS_PER_S, 5 * VMRT_NS_PER_S,
		10 * VMRT_NS_PER_S, 30 * VMRT_NS_PER_S, 60 * VMRT_NS_PER_S};
	size_t n = sizeof(steps) / sizeof(steps[0]);

	if (longer) {
		for (size_t i = 0; i < n; i++)
			if (steps[i] > now)
				return steps[i];
		return now;
	}
	for (size_t i = n; i-- > 0;)
		if (steps[i] < now)
			return steps[i];
	return now;
}

static void scroll(struct top_app *app, int lines, const struct top_screen *screen)
{
	int *at = &app->look.scroll;

	/* the screen may have grown since */
	if (*at > screen->scroll_max)
		*at = screen->scroll_max;
	if (lines > screen->scroll_max - *at)
		*at = screen->scroll_max;
	else
		*at = *at + lines < 0 ? 0 : *at + lines;
}

void top_app_key(struct top_app *app, enum top_action action, const struct top_screen *screen)
{
	int page = screen->height > 6 ? screen->height - 6 : 1, all = screen->scroll_max;

	switch (action) {
	case TOP_ACT_QUIT:
		app->quit = true;
		break;
	case TOP_ACT_HELP:
		app->look.help = !app->look.help;
		break;
	case TOP_ACT_PAUSE:
		app->look.paused = !app->look.paused;
		break;
	case TOP_ACT_SLOWER:
	case TOP_ACT_FASTER:
		app->look.delay_ns = next_delay(app->look.delay_ns, action == TOP_ACT_SLOWER);
		break;
	case TOP_ACT_UP:
		scroll(app, -1, screen);
		break;
	case TOP_ACT_DOWN:
		scroll(app, 1, screen);
		break;
	case TOP_ACT_PAGE_UP:
		scroll(app, -page, screen);
		break;
	case TOP_ACT_PAGE_DOWN:
		scroll(app, page, screen);
		break;
	case TOP_ACT_TOP:
		scroll(app, -all, screen);
		break;
	case TOP_ACT_BOTTOM:
		scroll(app, all, screen);
		break;
	case TOP_ACT_NONE:
		break;
	}
}

void top_app_close(struct top_app *app)
{
	vmrt_engine_free(app->engine);
	top_model_free(app->model);
	top_view_free(&app->view);
	if (app->source)
		app->source->ops->close(app->source);
	top_experiment_free(app->exp);
	memset(app, 0, sizeof(*app));
}

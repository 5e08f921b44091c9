/* SPDX-License-Identifier: MIT */
/* A session: feeds the engine from the source, and keeps the view up to date. */
#include "app-local.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/similar.h>

#include "tui/rows/layout.h"

#define AROUND_NS (2 * VMRT_NS_PER_MS) /* of raw events, before and after a miss */
#define SPAN_NS (200 * VMRT_NS_PER_MS) /* of the timeline at first */

bool app_span_of_miss(const struct top_miss *miss, int64_t *from_ns, int64_t *to_ns)
{
	const struct top_job *job = &miss->job;

	if (job->arrival_ns == VMRT_UNKNOWN)
		return false;
	*from_ns = job->arrival_ns - AROUND_NS;
	*to_ns = (job->end_ns != VMRT_UNKNOWN ? job->end_ns : job->deadline_ns) + AROUND_NS;
	return true;
}

/* Keeps the events of misses longer than other events. */
static void keep_misses(void *ctx)
{
	struct top_app *app = ctx;
	uint64_t all = top_model_misses(app->model), fresh = all - app->kept;
	int64_t from_ns, to_ns;

	for (uint64_t back = fresh < TOP_MISSES_MAX ? fresh : TOP_MISSES_MAX; back-- > 0;) {
		const struct top_miss *miss = top_model_recent_miss(app->model, back);

		if (miss && app_span_of_miss(miss, &from_ns, &to_ns))
			app->source->ops->missed(app->source, from_ns, to_ns);
	}
	app->kept = all;
}

static enum vmrt_status open_source(
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

static enum vmrt_status no_such_vm(const struct top_app *app, struct vmrt_error *err)
{
	size_t n = app->config.n_vms;
	const char **names = calloc(n + 1, sizeof(*names));
	char list[VMRT_SIMILAR_TEXT];

	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		names[i] = app->config.vms[i].name;
	vmrt_similar(app->source->vm, names, n, list);
	free(names);
	return vmrt_fail(err, VMRT_ENOENT, "%s: there is no VM %s; it has: %s", app->source->title,
		app->source->vm, list);
}

/* Makes engine and model for the machines that the source has now. @old: the model whose counts
 * continue; NULL: all counts begin at zero. */
static enum vmrt_status make_anew(
	struct top_app *app, struct top_model *old, struct vmrt_error *err)
{
	struct vmrt_sink sink;
	enum vmrt_status status;

	app->source->ops->config(app->source, &app->config);
	if (app->source->vm && !names_vm(&app->config, app->source->vm))
		return no_such_vm(app, err);
	status = top_experiment_new(app->config.experiment, app->config.vms, app->config.n_vms,
		app->source->vm, &app->exp, err);
	if (status != VMRT_OK)
		return status;
	app->config.experiment = app->exp;
	status = top_model_new(&app->config, &app->model, err);
	if (status != VMRT_OK)
		return status;
	/* this must be done before the new engine reports threads */
	if (old)
		top_model_take_over(app->model, old);
	top_model_sink(app->model, &sink);
	return vmrt_engine_new(&app->config, &sink, &app->engine, err);
}

/* Makes a new engine and a new model. In a live view, the counts of everything that is still there
 * continue. */
enum vmrt_status app_make_engine(struct top_app *app, struct vmrt_error *err)
{
	struct top_model *old = app->model;
	bool goes_on = old && app->engine && app->source->live && !app->source->following;
	enum vmrt_status status;

	if (goes_on)
		top_model_rest(old, app->engine);
	vmrt_engine_free(app->engine);
	vmrt_experiment_free(app->exp);
	app->engine = NULL;
	app->model = NULL;
	app->exp = NULL;
	status = make_anew(app, goes_on ? old : NULL, err);
	top_model_free(old);
	return status;
}

static const char *task_label(const struct top_task_row *t, char *out, size_t room)
{
	snprintf(out, room, "%s/%s", t->machine, t->name);
	return out;
}

/* Notes the names of the server and the task that are shown, because their indexes may change. */
static void note_shown(struct top_app *app)
{
	const struct top_view *v = &app->view;

	if (app->ui.server < v->n_servers)
		snprintf(app->server, sizeof(app->server), "%s", v->servers[app->ui.server].name);
	if (app->ui.task < v->n_tasks)
		task_label(&v->tasks[app->ui.task], app->task, sizeof(app->task));
}

/* Finds the server and the task that were shown. In place of one that is gone, the first one is
 * shown. */
static void find_shown(struct top_app *app)
{
	const struct top_view *v = &app->view;
	char label[sizeof(app->task)];
	size_t i = 0;

	while (app->server[0] && i < v->n_servers && strcmp(v->servers[i].name, app->server) != 0)
		i++;
	if (app->server[0])
		app->ui.server = i < v->n_servers ? i : 0;
	for (i = 0; app->task[0] && i < v->n_tasks; i++)
		if (!strcmp(task_label(&v->tasks[i], label, sizeof(label)), app->task))
			break;
	if (app->task[0])
		app->ui.task = i < v->n_tasks ? i : 0;
	app->server[0] = app->task[0] = '\0';
}

enum top_fed app_begin_anew(struct top_app *app, struct vmrt_error *err)
{
	note_shown(app);
	if (app_make_engine(app, err) != VMRT_OK)
		return TOP_FED_ERROR;
	/* a followed recording is read again, and its statistics begin here */
	if (app->source->following && app->source->start_ns != VMRT_UNKNOWN)
		top_model_reset(app->model, app->engine, app->source->now_ns);
	app->stale = true;
	app->ui.ended = false;
	/* the followed recording is complete, or it became known only now what releases the tasks
	 * of the recording: it is played again to the former position, which was its end unless the
	 * user seeked */
	app->to_end = !app->source->live;
	if (!app->source->live && app->ui.live) {
		app->ui.live = false;
		if (app->behind)
			app_seek_again(app);
		else
			app->ui.paused = false;
		top_app_notice(app, "The recording has ended: this is what is in its files.");
	}
	if (app->source->following)
		app->miss = 0;
	if (app->source->live)
		app->seek.under_way = false;
	app->behind = false;
	return TOP_FED_PART;
}

enum vmrt_status top_app_open(
	struct top_app *app, const struct top_options *options, struct vmrt_error *err)
{
	enum vmrt_status status;

	memset(app, 0, sizeof(*app));
	app->options = options;
	app->scripted = options->script != NULL;
	status = top_alarms_new(options->alarms, options->n_alarms, options->alarm_run,
		options->alarm_save, &app->alarms, err);
	if (status == VMRT_OK)
		status = open_source(&options->source, &app->source, err);
	if (status == VMRT_OK)
		status = app_make_engine(app, err);
	if (status != VMRT_OK)
		return status;
	if (app->source->ops->missed) {
		app->source->between = keep_misses;
		app->source->between_ctx = app;
	}
	app->width = options->width;
	app->height = options->height;
	app->ui = (struct top_ui){
		.title = app->source->title,
		.note = app->state.note,
		.notice = app->notice,
		.total_ns = VMRT_UNKNOWN,
		.delay_ns = options->delay_ns,
		.speed = options->speed,
		.live = app->source->live,
		.recording = app->source->recording,
		.ascii = options->ascii,
		.page = options->page > 0 ? (enum top_page)options->page : TOP_PAGE_OVERVIEW,
		.span_ns = SPAN_NS,
		.right_ns = VMRT_UNKNOWN,
		.at_ns = VMRT_UNKNOWN,
		.own_cpu = NAN,
		.own_size = VMRT_UNKNOWN,
		.buffer_fill = VMRT_UNKNOWN,
		.buffer_size = VMRT_UNKNOWN,
	};
	return top_app_refresh(app, err);
}

void app_end(struct top_app *app)
{
	struct top_source *source = app->source;
	struct top_lost lost;

	app->ui.ended = true;
	app->to_end = false;
	if (source->live)
		return;
	top_model_whole(app->model);
	for (size_t i = 0; source->ops->lost && i < app->config.n_machines; i++) {
		source->ops->lost(source, app->engine, i, &lost);
		top_model_lost(app->model, i, lost.more, lost.intervals, lost.sizeless);
	}
}

enum top_fed top_app_pass(
	struct top_app *app, int64_t ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct top_source *source = app->source;
	int64_t until = INT64_MAX;
	enum top_fed fed;

	if (app->seek.under_way)
		return app_seek_on(app, deadline_ns, err);
	if (!source->live && (app->ui.paused || app->ui.ended))
		return app->ui.ended ? TOP_FED_END : TOP_FED_ALL;
	if (!source->live || app->behind) {
		if (!app->ui.paused)
			app->played_ns += (double)ns * app->ui.speed;
		if (app->ui.paused || (app->ui.speed > 0 && !app->to_end))
			until = source->start_ns + (int64_t)app->played_ns;
	}
	fed = source->ops->feed(source, app->engine, until, deadline_ns, err);
	if (fed == TOP_FED_ANEW)
		fed = app_begin_anew(app, err);
	/* the clock of a replay that is too slow waits for the replay */
	if (fed == TOP_FED_PART && app->ui.speed > 0 && !app->seek.under_way)
		app->played_ns = (double)(source->now_ns - source->start_ns);
	if (fed == TOP_FED_END)
		app_end(app);
	if (app->behind && !app->ui.paused && source->now_ns >= source->upto_ns)
		app->behind = false;
	return fed;
}

enum vmrt_status top_app_refresh(struct top_app *app, struct vmrt_error *err)
{
	const struct top_source *source = app->source;
	bool known = source->start_ns != VMRT_UNKNOWN;
	int64_t now = known ? source->now_ns : VMRT_UNKNOWN;

	source->ops->state(app->source, &app->state);
	app->ui.recording = source->recording;
	app->ui.live = source->live;
	app->ui.following = source->following;
	app->ui.behind = app->behind;
	app->ui.seeking = app->seek.under_way;
	/* alarms do not ring again for times that the user seeks back to */
	if (!app->seek.under_way && !app->behind)
		app->ui.alarm = top_alarms_judge(app->alarms, app->model, app->engine);
	if (app->behind) {
		app->state.mild = true;
		snprintf(app->state.note, sizeof(app->state.note),
			"as it was: the recorder is %" PRId64 " s ahead (4 G shows the present)",
			(source->upto_ns - source->now_ns) / VMRT_NS_PER_S);
	}
	app->ui.note_mild = app->state.mild;
	app->ui.buffer_fill = app->state.buffer_fill;
	app->ui.buffer_size = app->state.buffer_size;
	app->ui.total_ns = app_total_ns(app);
	if (app->ui.paused && !app->stale && !app->seek.under_way)
		return VMRT_OK;
	app->stale = false;
	app->ui.elapsed_ns = known ? now - source->start_ns : 0;
	/* during a seek the view changes only at the end of the seek */
	if (app->seek.under_way)
		return VMRT_OK;
	if (top_model_view(app->model, app->engine, source->start_ns, now, &app->view) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	find_shown(app);
	return VMRT_OK;
}

enum vmrt_status top_app_settle(struct top_app *app, struct vmrt_error *err)
{
	struct top_source_options options = app->options->source;
	struct top_source *live = app->source, *recorded;
	enum top_fed fed = TOP_FED_PART;
	enum vmrt_status status;
	char vm[VMRT_NAME_MAX];

	options.run = live->ops->settle ? live->ops->settle(live) : NULL;
	if (!options.run)
		return vmrt_fail(err, VMRT_ENOENT, "%s: nothing was recorded there now",
			options.output ? options.output : "");
	/* the VM's name, since the options may say pid:N */
	if (live->vm) {
		snprintf(vm, sizeof(vm), "%s", live->vm);
		options.vm = vm;
	}
	status = open_source(&options, &recorded, err);
	if (status != VMRT_OK)
		return status;
	vmrt_engine_free(app->engine);
	top_model_free(app->model);
	app->engine = NULL;
	app->model = NULL;
	app->source = recorded;
	live->ops->close(live);
	app->ui.title = recorded->title;
	if (app_begin_anew(app, err) == TOP_FED_ERROR)
		return err->status;
	while (fed == TOP_FED_PART)
		fed = top_app_pass(app, 0, INT64_MAX, err);
	return fed == TOP_FED_ERROR ? err->status : top_app_refresh(app, err);
}

void top_app_draw(struct top_app *app, int width, int height)
{
	app->width = width;
	app->height = height;
	app->ui.text_title = app->text_title;
	app->ui.text = app->text;
	app->ui.n_text = app->n_text;
	top_layout(&app->view, &app->ui, width, height, &app->screen);
}

void top_app_notice(struct top_app *app, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(app->notice, sizeof(app->notice), fmt, ap);
	va_end(ap);
}

void top_app_close(struct top_app *app)
{
	vmrt_engine_free(app->engine);
	top_model_free(app->model);
	top_view_free(&app->view);
	top_screen_free(&app->screen);
	if (app->source)
		app->source->ops->close(app->source);
	vmrt_experiment_free(app->exp);
	top_alarms_free(app->alarms);
	for (size_t i = 0; i < app->n_text; i++)
		free(app->text[i]);
	free(app->text);
	memset(app, 0, sizeof(*app));
}

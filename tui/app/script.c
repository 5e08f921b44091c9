/* SPDX-License-Identifier: MIT */
/*
 * Screens without a terminal and without a clock, for tests and documents. A script has lines with
 * names of keys, and commands:
 *
 *   :wait TIME   let time pass      :size WxH    another size of the screen
 *   :end         play to the end    :dump        write the screen
 *   :type TEXT   into a prompt      :dump color  the same with escape sequences
 *   :ascii YES|NO                   :tables      write what --json writes
 *
 * A line that begins with # is a comment.
 */
#include "app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>

#include "config.h"
#include "tui/rows/tables.h"

#define SCRIPT_MAX 65536
#define SIZE_MAX_COLUMNS 1000

struct script {
	struct top_app *app;
	struct top_theme theme;
	int width, height;
	FILE *out;
	int line;
};

static enum vmrt_status complain(const struct script *s, struct vmrt_error *err, const char *what)
{
	return vmrt_fail(err, VMRT_EINVAL, "%s:%d: %s", s->app->options->script, s->line, what);
}

static enum vmrt_status dump(struct script *s, bool color, struct vmrt_error *err)
{
	top_app_draw(s->app, s->width, s->height);
	fprintf(s->out, "--- %dx%d\n", s->width, s->height);
	for (int y = 0; y < s->height; y++) {
		char *text = s->app->screen.failed ? NULL
						   : top_screen_line(&s->app->screen, y,
							     color ? &s->theme : NULL);

		if (!text)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		fprintf(s->out, "%s\n", text);
		free(text);
	}
	return VMRT_OK;
}

static enum vmrt_status wait_for(struct script *s, int64_t ns, struct vmrt_error *err)
{
	enum top_fed fed = top_app_pass(s->app, ns, INT64_MAX, err);

	/* at the end it may become known how a task is released: then the recording is read once
	 * more */
	while (fed == TOP_FED_PART)
		fed = top_app_pass(s->app, 0, INT64_MAX, err);
	if (fed == TOP_FED_ERROR)
		return err->status;
	return top_app_refresh(s->app, err);
}

static enum vmrt_status press(struct script *s, const char *name, struct vmrt_error *err)
{
	enum vmrt_status status;

	top_app_draw(s->app, s->width, s->height);
	status = top_app_key(s->app, name, err);
	if (s->app->reconfigure)
		top_config_save(s->app);
	s->app->reconfigure = false;
	return status;
}

static enum vmrt_status type_text(struct script *s, const char *text, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (; *text && status == VMRT_OK; text++)
		status = press(s, (const char[]){*text, '\0'}, err);
	return status;
}

static enum vmrt_status command(struct script *s, char *text, struct vmrt_error *err)
{
	char *rest = text + strcspn(text, " ");
	double speed = s->app->ui.speed;
	enum vmrt_status status;
	int64_t ns;

	if (*rest)
		*rest++ = '\0';
	if (!strcmp(text, ":dump"))
		return dump(s, !strcmp(rest, "color"), err);
	if (!strcmp(text, ":type"))
		return type_text(s, rest, err);
	if (!strcmp(text, ":ascii")) {
		s->app->ui.ascii = !strcmp(rest, "yes");
		return VMRT_OK;
	}
	if (!strcmp(text, ":tables"))
		return top_tables_json(&s->app->view, &s->app->ui, s->out) == VMRT_OK
			       ? VMRT_OK
			       : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (!strcmp(text, ":wait"))
		return vmrt_parse_duration(rest, 0, &ns) == VMRT_OK
			       ? wait_for(s, ns, err)
			       : complain(s, err, ":wait needs a time such as 500ms");
	if (!strcmp(text, ":end")) {
		s->app->ui.speed = 0;
		status = wait_for(s, 0, err);
		s->app->ui.speed = speed;
		return status;
	}
	if (!strcmp(text, ":size")) {
		if (sscanf(rest, "%dx%d", &s->width, &s->height) != 2 || s->width < 1 ||
			s->height < 1 || s->width > SIZE_MAX_COLUMNS ||
			s->height > SIZE_MAX_COLUMNS)
			return complain(s, err, ":size needs columns and lines such as 80x24");
		return VMRT_OK;
	}
	return complain(
		s, err, "unknown command; there are :wait :end :size :type :ascii :dump :tables");
}

static enum vmrt_status keys(struct script *s, char *text, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char *save = NULL;

	for (char *name = strtok_r(text, " ", &save); name && status == VMRT_OK;
		name = strtok_r(NULL, " ", &save)) {
		if (!top_key_known(name) && s->app->ui.prompt == TOP_PROMPT_NONE)
			return complain(s, err, "no such key; vmrt-top(1) lists them");
		status = press(s, name, err);
	}
	return status == VMRT_OK ? top_app_refresh(s->app, err) : status;
}

static enum vmrt_status run(struct script *s, char *text, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	while (text && *text && status == VMRT_OK && !s->app->quit) {
		char *end = text + strcspn(text, "\n"), *next = *end ? end + 1 : NULL;

		*end = '\0';
		s->line++;
		if (*text == ':')
			status = command(s, text, err);
		else if (*text != '#')
			status = keys(s, text, err);
		text = next;
	}
	return status;
}

enum vmrt_status top_script_run(struct top_app *app, struct vmrt_error *err)
{
	struct script s = {.app = app,
		.width = app->options->width,
		.height = app->options->height,
		.out = stdout};
	enum vmrt_status status;
	char *text;

	top_theme_default(&s.theme);
	if (getenv("VMRT_COLORS")) {
		status = top_theme_parse(&s.theme, getenv("VMRT_COLORS"), err);
		if (status != VMRT_OK)
			return status;
	}
	status = vmrt_read_file(app->options->script, SCRIPT_MAX, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	if (app->options->dump) {
		s.out = fopen(app->options->dump, "we");
		if (!s.out)
			status =
				vmrt_fail_errno(err, errno, "cannot create %s", app->options->dump);
	}
	if (status == VMRT_OK)
		status = run(&s, text, err);
	if (s.out && s.out != stdout && fclose(s.out) != 0 && status == VMRT_OK)
		status = vmrt_fail_errno(err, errno, "cannot write %s", app->options->dump);
	free(text);
	return status;
}

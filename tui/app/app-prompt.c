/* SPDX-License-Identifier: MIT */
/* The prompts: a name to search or to filter by, a time to go to. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app-local.h"
#include "tui/rows/columns.h"

/* ---- searching ---- */

void app_take_item(struct top_app *app)
{
	if (app->screen.kind == TOP_A_SERVER)
		app->ui.server = app->screen.index;
	else if (app->screen.kind == TOP_A_TASK)
		app->ui.task = app->screen.index;
}

void app_find_next(struct top_app *app)
{
	const struct top_view *v = &app->view;
	int n = 0, servers, *cursor = &app->ui.cursor[TOP_PAGE_OVERVIEW];
	size_t *order = calloc(v->n_servers + v->n_tasks + 1, sizeof(*order));
	bool found = false;

	if (!order || !app->ui.search[0]) {
		free(order);
		return;
	}
	app->ui.page = TOP_PAGE_OVERVIEW;
	n = servers = (int)top_order_make(v, &app->ui, TOP_SERVERS, order);
	n += (int)top_order_make(v, &app->ui, TOP_TASKS, order + n);
	for (int i = 1; i <= n && !found; i++) {
		int row = (*cursor + i) % n;
		char name[TOP_TEXT];

		top_row_name(v, row < servers ? TOP_SERVERS : TOP_TASKS, order[row], name);
		found = strcasestr(name, app->ui.search) != NULL;
		if (found)
			*cursor = row;
	}
	free(order);
	if (!found)
		top_app_notice(app, "No name has '%s' in it.", app->ui.search);
	top_app_draw(app, app->width, app->height);
	app_take_item(app);
}

/* ---- the prompt ---- */

/* "1:02:03.5", "12.5" (seconds) or a duration such as 300ms. */
static bool parse_time(const char *text, int64_t *out)
{
	int64_t whole = 0;
	double last;
	char *end;

	if (vmrt_parse_duration(text, 0, out) == VMRT_OK)
		return true;
	for (int i = 0; i < 2 && strchr(text, ':'); i++) {
		long part = strtol(text, &end, 10);

		if (end == text || *end != ':' || part < 0 || part > 1000000)
			return false;
		whole = (whole + part) * 60;
		text = end + 1;
	}
	if (!isdigit((unsigned char)*text))
		return false;
	last = strtod(text, &end);
	if (*end || last > 1e9)
		return false;
	*out = whole * VMRT_NS_PER_S + (int64_t)(last * 1e9);
	return true;
}

static enum vmrt_status answer(struct top_app *app, struct vmrt_error *err)
{
	enum top_prompt prompt = app->ui.prompt;
	int64_t ns;

	app->ui.prompt = TOP_PROMPT_NONE;
	if (prompt == TOP_PROMPT_SEARCH) {
		strcpy(app->ui.search, app->ui.input);
		app_find_next(app);
	} else if (prompt == TOP_PROMPT_FILTER) {
		strcpy(app->ui.filter, app->ui.input);
	} else if (parse_time(app->ui.input, &ns)) {
		return top_app_seek(app, ns, err);
	} else if (app->ui.input[0]) {
		top_app_notice(app, "'%s' is not a time such as 0:12.5 or 300ms.", app->ui.input);
	}
	return VMRT_OK;
}

enum vmrt_status app_type(struct top_app *app, const char *name, struct vmrt_error *err)
{
	char *input = app->ui.input;
	size_t n = strlen(input);

	if (!strcmp(name, "Enter"))
		return answer(app, err);
	if (!strcmp(name, "Esc") || !strcmp(name, "^C")) {
		app->ui.prompt = TOP_PROMPT_NONE;
	} else if (!strcmp(name, "Backspace")) {
		if (n)
			input[n - 1] = '\0';
	} else if (!strcmp(name, "Space")) {
		name = " ";
	}
	if (strlen(name) == 1 && (unsigned char)*name >= ' ' && *name <= '~' &&
		n + 1 < TOP_INPUT_MAX) {
		input[n] = *name;
		input[n + 1] = '\0';
	}
	return VMRT_OK;
}

void app_ask(struct top_app *app, enum top_prompt prompt)
{
	app->ui.prompt = prompt;
	app->ui.input[0] = '\0';
}

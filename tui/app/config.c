/* SPDX-License-Identifier: MIT */
/* Reads and writes $XDG_CONFIG_HOME/vmrt/top.ini. */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "tui/rows/columns.h"

#define PATH_ROOM 4096
#define CONFIG_MAX (1 << 20)

static const char *const table_names[] = {"servers", "tasks"};

/* Finds the path of the file; false if the user has no home folder. */
static bool config_path(char *out, size_t room)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	/* the XDG specification says that a path that is not absolute is ignored */
	if (base && base[0] == '/')
		n = snprintf(out, room, "%s/vmrt/top.ini", base);
	else if (home && home[0] == '/')
		n = snprintf(out, room, "%s/.config/vmrt/top.ini", home);
	else
		return false;
	return n > 0 && (size_t)n < room;
}

/* ---- reading ---- */

struct reader {
	struct top_app *app;
	bool delay_is_set, page_is_set;
	int bad; /* lines that were not understood */
};

static int column_called(enum top_table table, const char *head)
{
	for (size_t i = 0; i < top_table_columns(table); i++)
		if (!strcasecmp(top_column_head(table, i), head))
			return (int)i;
	return -1;
}

/* "COLUMN, COLUMN" */
static bool read_hidden(enum top_table table, const char *value, uint32_t *out)
{
	char *text = strdup(value), *save = NULL;
	bool ok = text != NULL;

	*out = 0;
	for (char *name = ok ? strtok_r(text, ",", &save) : NULL; name;
		name = strtok_r(NULL, ",", &save)) {
		size_t len;
		int column;

		name += strspn(name, " ");
		len = strlen(name);
		while (len && name[len - 1] == ' ')
			name[--len] = '\0';
		column = column_called(table, name);
		if (column > 0)
			*out |= UINT32_C(1) << column;
		ok &= column >= 0;
	}
	free(text);
	return ok;
}

static bool read_table(
	struct top_arrangement *how, enum top_table table, const char *key, const char *value)
{
	int column;

	if (!strcmp(key, "hidden"))
		return read_hidden(table, value, &how->hidden);
	if (!strcmp(key, "invert")) {
		how->invert = !strcmp(value, "yes");
		return how->invert || !strcmp(value, "no");
	}
	if (strcmp(key, "sort") != 0)
		return false;
	column = column_called(table, value);
	how->sort = column + 1;
	return column >= 0 || !value[0];
}

static bool read_general(struct reader *r, const char *key, const char *value)
{
	struct top_ui *ui = &r->app->ui;
	int64_t delay;

	if (!strcmp(key, "delay")) {
		if (vmrt_parse_duration(value, 0, &delay) != VMRT_OK || delay < TOP_DELAY_MIN ||
			delay > TOP_DELAY_MAX)
			return false;
		if (!r->delay_is_set)
			ui->delay_ns = delay;
		return true;
	}
	if (strcmp(key, "page") != 0)
		return false;
	for (enum top_page page = 0; page < TOP_PAGES; page++) {
		if (strcmp(top_page_name(page), value) != 0)
			continue;
		if (!r->page_is_set)
			ui->page = page;
		return true;
	}
	return false;
}

static int take(void *ctx, const char *section, const char *key, const char *value)
{
	struct reader *r = ctx;
	bool ok = false;

	if (!strcmp(section, "top"))
		ok = read_general(r, key, value);
	for (enum top_table t = TOP_SERVERS; t < TOP_TABLES; t++)
		if (!strcmp(section, table_names[t]))
			ok = read_table(&r->app->ui.tables[t], t, key, value);
	r->bad += !ok;
	return 1;
}

void top_config_load(struct top_app *app, bool delay_is_set, bool page_is_set)
{
	struct reader r = {app, delay_is_set, page_is_set, 0};
	char path[PATH_ROOM], *text;
	struct vmrt_error err;
	int line;

	if (!config_path(path, sizeof(path)))
		return;
	/* only a warning, also if the path is no file: nothing in it may prevent the program from
	 * starting */
	if (vmrt_read_file(path, CONFIG_MAX, &text, NULL, &err) != VMRT_OK) {
		if (err.status != VMRT_ENOENT)
			vmrt_warn("%s; the configuration is not read", err.text);
		return;
	}
	line = ini_parse_string(text, take, &r);
	free(text);
	if (line > 0)
		vmrt_warn(
			"%s:%d: this line is not understood; press F2 and then w to write the file "
			"anew",
			path, line);
	else if (r.bad)
		vmrt_warn("%s: %d lines are not understood; press F2 and then w to write the file "
			  "anew",
			path, r.bad);
}

/* ---- writing ---- */

static void print_table(const struct top_arrangement *how, enum top_table table, FILE *out)
{
	const char *comma = "";

	fprintf(out, "\n[%s]\nsort = %s\ninvert = %s\nhidden =", table_names[table],
		how->sort ? top_column_head(table, (size_t)how->sort - 1) : "",
		how->invert ? "yes" : "no");
	for (size_t i = 1; i < top_table_columns(table); i++) {
		if (!(how->hidden >> i & 1))
			continue;
		fprintf(out, "%s %s", comma, top_column_head(table, i));
		comma = ",";
	}
	putc('\n', out);
}

static char *make_text(const struct top_app *app)
{
	char *text = NULL, delay[VMRT_UNITS_TEXT];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out,
		"; written by vmrt-top (F2, w); see vmrt-top(1)\n[top]\npage = %s\n"
		"delay = %s\n",
		top_page_name(app->ui.page), vmrt_format_duration(app->ui.delay_ns, delay));
	for (enum top_table t = TOP_SERVERS; t < TOP_TABLES; t++)
		print_table(&app->ui.tables[t], t, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Makes the folders of the file, of which at most two are missing. */
static void make_folders(const char *path)
{
	char folder[PATH_ROOM], *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		return;
	*slash = '\0';
	if (mkdir(folder, 0700) == 0 || errno == EEXIST)
		return;
	slash = strrchr(folder, '/');
	if (!slash)
		return;
	*slash = '\0';
	mkdir(folder, 0700);
	*slash = '/';
	mkdir(folder, 0700);
}

void top_config_save(struct top_app *app)
{
	char path[PATH_ROOM], part[PATH_ROOM + 8], *text = NULL;
	struct vmrt_error err;

	if (!config_path(path, sizeof(path))) {
		top_app_notice(app, "Neither XDG_CONFIG_HOME nor HOME is set: nothing is written.");
		return;
	}
	text = make_text(app);
	make_folders(path);
	snprintf(part, sizeof(part), "%s.new", path);
	if (!text)
		top_app_notice(app, "out of memory");
	else if (vmrt_write_file(part, text, strlen(text), &err) != VMRT_OK)
		top_app_notice(app, "%.150s", err.text);
	else if (rename(part, path) != 0)
		top_app_notice(app, "Cannot write %.120s: %s", path, strerror(errno));
	else
		top_app_notice(app, "Written: %.150s", path);
	free(text);
}

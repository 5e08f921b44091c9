/* SPDX-License-Identifier: MIT */
/* Writes the screen into files: NAME.txt with the screen as text, NAME.csv with its numbers. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/rows/layout.h"
#include "tui/rows/tables.h"

#define NUMBER_MAX 9999
/* Size of the text if the terminal is too small for the page. */
#define WIDTH 80
#define HEIGHT 24

/* Creates a file that must not exist; NULL: errno says why it could not be created. */
static FILE *create(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

static bool write_screen(const struct top_screen *screen, FILE *out)
{
	for (int y = 0; y < screen->height; y++) {
		char *line = screen->failed ? NULL : top_screen_line(screen, y, NULL);

		if (!line)
			return false;
		fprintf(out, "%s\n", line);
		free(line);
	}
	return true;
}

/* Writes the page as text. A terminal that is too small shows only which size is needed, so then
 * another size is used. */
static bool write_text(const struct top_app *app, FILE *out)
{
	struct top_screen page = {0};
	bool ok;

	if (app->width >= TOP_WIDTH_MIN && app->height >= TOP_HEIGHT_MIN)
		return write_screen(&app->screen, out);
	top_layout(&app->view, &app->ui, WIDTH, HEIGHT, &page);
	ok = write_screen(&page, out);
	top_screen_free(&page);
	return ok;
}

void top_snapshot(struct top_app *app)
{
	const char *page = top_page_name(app->ui.page);
	char name[64], other[64];
	FILE *text = NULL, *csv = NULL;
	bool ok;

	for (int i = 1; !text && i <= NUMBER_MAX; i++) {
		snprintf(name, sizeof(name), "vmrt-top-%s-%d.txt", page, i);
		snprintf(other, sizeof(other), "vmrt-top-%s-%d.csv", page, i);
		text = create(name);
		if (!text && errno != EEXIST)
			break;
	}
	if (text)
		csv = create(other);
	if (!text || !csv) {
		top_app_notice(
			app, "Cannot create %s here: %s", text ? other : name, strerror(errno));
		if (text)
			fclose(text);
		return;
	}
	ok = write_text(app, text) && top_tables_csv(&app->view, &app->ui, csv) == VMRT_OK;
	ok &= fclose(text) == 0;
	ok &= fclose(csv) == 0;
	if (ok)
		top_app_notice(app, "Written: %s and .csv", name);
	else
		top_app_notice(app, "Cannot write %s: %s", name, strerror(errno));
}

/* SPDX-License-Identifier: MIT */
/* Calls the writer of each format with the options of the command line. */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/rundb.h>
#include <vmrt/tool.h>

#include "grasp-export/data/csv.h"
#include "grasp-export/data/st.h"
#include "grasp-export/html/html.h"
#include "grasp-export/perfetto/perfetto.h"

/* a page shows where the time went of all jobs of a task that has no more jobs than this */
#define BLAMED_JOBS 5000
#define PAPER_DPI "300"
#define SCREEN_ZOOM "2" /* zoom of a PNG whose width is in pixels */

extern char **environ;

static int64_t after(int64_t start_ns, int64_t ns)
{
	int64_t sum;

	return __builtin_add_overflow(start_ns, ns, &sum) ? INT64_MAX : sum;
}

static enum vmrt_status csv_of(
	struct vmrt_db *db, const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct csv_wanted w = {.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.tasks = o->tasks,
		.n_tasks = o->n_tasks,
		.servers = o->servers,
		.n_servers = o->n_servers};
	struct export_times t;
	char from[VMRT_UNITS_TEXT], length[VMRT_UNITS_TEXT];
	enum vmrt_status status = VMRT_OK;

	if (o->from_ns != VMRT_UNKNOWN || o->to_ns != VMRT_UNKNOWN)
		status = export_times(db, &t, err);
	if (status != VMRT_OK)
		return status;
	if (o->from_ns != VMRT_UNKNOWN)
		w.from_ns = after(t.start_ns, o->from_ns);
	if (o->to_ns != VMRT_UNKNOWN)
		w.to_ns = after(t.start_ns, o->to_ns);
	if (o->from_ns != VMRT_UNKNOWN && w.from_ns >= t.end_ns)
		return vmrt_fail(err, VMRT_ERANGE, "nothing of the run lies behind %s: it lasts %s",
			vmrt_format_duration(o->from_ns, from),
			vmrt_format_duration(t.end_ns - t.start_ns, length));
	return csv_export(db, o->table ? o->table : "jobs", &w, out, err);
}

/* Opens the database of the only run, and calls @write with it. */
static enum vmrt_status with_database(const struct export_options *o, FILE *out,
	struct vmrt_error *err,
	enum vmrt_status (*write)(
		struct vmrt_db *, const struct export_options *, FILE *, struct vmrt_error *))
{
	struct vmrt_db *db = NULL;
	enum vmrt_status status = vmrt_db_open(o->runs[0], &db, err);

	if (status == VMRT_OK)
		status = write(db, o, out, err);
	vmrt_db_close(db);
	return status;
}

enum vmrt_status export_csv(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	return with_database(o, out, err, csv_of);
}

enum vmrt_status export_svg(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_tl_wanted wanted = export_wanted(o);
	struct vmrt_canvas canvas = {.out = out,
		.theme = o->theme,
		.width = o->width,
		.mm = o->mm,
		.ticks = o->axis == 1};

	return vmrt_figure(o->figure, o->runs, o->n_runs, &wanted, &canvas, err);
}

/* Writes all of @text to @fd; false if the reader is gone. */
static bool write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

/* Runs the tool of librsvg, which reads @svg and writes to @out. */
static enum vmrt_status convert(
	const char *svg, size_t size, char *const *arguments, FILE *out, struct vmrt_error *err)
{
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], rc, exit_status = -1;
	bool written;
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return vmrt_fail_errno(err, errno, "cannot make a pipe");
	fflush(out);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
	rc = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[0]);
	if (rc != 0) {
		close(pipe_fds[1]);
		return rc == ENOENT
			       ? vmrt_fail(err, VMRT_ENOENT,
					 "pdf and png need rsvg-convert: install librsvg2-bin, "
					 "or take --format svg")
			       : vmrt_fail_errno(err, rc, "cannot run rsvg-convert");
	}
	written = write_all(pipe_fds[1], svg, size);
	close(pipe_fds[1]);
	while (waitpid(child, &exit_status, 0) < 0 && errno == EINTR)
		continue;
	if (!written || exit_status != 0)
		return vmrt_fail(err, VMRT_EIO, "rsvg-convert could not draw the figure");
	return VMRT_OK;
}

static enum vmrt_status converted(
	const struct export_options *o, char *const *arguments, FILE *out, struct vmrt_error *err)
{
	char *svg = NULL;
	size_t size;
	FILE *memory = open_memstream(&svg, &size);
	enum vmrt_status status;

	if (!memory)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = export_svg(o, memory, err);
	if (fclose(memory) != 0 && status == VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = convert(svg, size, arguments, out, err);
	free(svg);
	return status;
}

enum vmrt_status export_pdf(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	char tool[] = "rsvg-convert", format[] = "--format=pdf";
	char *const arguments[] = {tool, format, NULL};

	return converted(o, arguments, out, err);
}

enum vmrt_status export_png(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	char tool[] = "rsvg-convert", dpi_x[] = "--dpi-x=" PAPER_DPI,
	     dpi_y[] = "--dpi-y=" PAPER_DPI, zoom[] = "--zoom=" SCREEN_ZOOM;
	char *const paper[] = {tool, dpi_x, dpi_y, NULL}, *const screen[] = {tool, zoom, NULL};

	return converted(o, o->mm ? paper : screen, out, err);
}

enum vmrt_status export_perfetto(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_tl_wanted wanted = export_wanted(o);
	struct vmrt_timeline *tl;
	enum vmrt_status status = vmrt_timeline_load(o->runs[0], &wanted, &tl, err);

	if (status == VMRT_OK)
		status = perfetto_write(tl, out, err);
	vmrt_timeline_free(tl);
	return status;
}

enum vmrt_status export_html(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_timeline *tl[VMRT_FIGURE_RUNS] = {NULL};
	const char *labels[VMRT_FIGURE_RUNS];
	char *names[VMRT_FIGURE_RUNS] = {NULL};
	struct vmrt_tl_wanted wanted = export_wanted(o);
	enum vmrt_status status = VMRT_OK;

	wanted.blame = BLAMED_JOBS;
	/* runs are compared from their first jobs on */
	wanted.from_first_job = o->compare;
	for (size_t i = 0; status == VMRT_OK && i < o->n_runs; i++) {
		const char *run = vmrt_figure_name(o->runs[i], &names[i]);

		status = vmrt_timeline_load(run, &wanted, &tl[i], err);
		if (status == VMRT_OK)
			labels[i] = names[i] ? names[i] : tl[i]->name;
	}
	if (status == VMRT_OK)
		status = html_write(tl, labels, o->n_runs, out, err);
	for (size_t i = 0; i < o->n_runs; i++) {
		vmrt_timeline_free(tl[i]);
		free(names[i]);
	}
	return status;
}

enum vmrt_status export_st(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_tl_wanted wanted = export_wanted(o);
	struct vmrt_timeline *tl;
	size_t left_out = 0;
	enum vmrt_status status = vmrt_timeline_load(o->runs[0], &wanted, &tl, err);

	if (status == VMRT_OK)
		status = st_write(tl, out, &left_out, err);
	if (status == VMRT_OK && left_out)
		vmrt_warn("%zu job%s without known arrival or deadline %s left out", left_out,
			left_out == 1 ? "" : "s", left_out == 1 ? "is" : "are");
	vmrt_timeline_free(tl);
	return status;
}

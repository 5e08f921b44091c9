/* SPDX-License-Identifier: MIT */
/* Collects what a reader of pages needs: formats, symbols, names of threads, the size of pages. */
#include <vmrt/tracer.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <tracefs.h>
#include <unistd.h>

#include <vmrt/event.h>
#include <vmrt/files.h>

#include "common/buf.h"
#include "tracer-files.h"

#define MAX_TEXT (1 << 20) /* of one file */

/* Functions of the hrtimers that show why a thread wakes up; in a trace they are only addresses. */
#define X(kind, symbol) symbol,
static const char *const timer_functions[] = {VMRT_TIMER_SYMBOL_LIST(X)};
#undef X

uint64_t tracer_start_ticks(pid_t pid)
{
	char path[64], *text, *at;
	uint64_t ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (vmrt_read_file(path, MAX_TEXT, &text, NULL, NULL) != VMRT_OK)
		return 0;
	/* the name, in brackets, may hold any character, so fields are counted from the last
	 * bracket on */
	at = strrchr(text, ')');
	/* a process that has ended, but was not waited for, does not count */
	if (at && at[1] == ' ' && strchr("ZX", at[2]))
		at = NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		ticks = strtoull(at + 1, NULL, 10);
	free(text);
	return ticks;
}

enum vmrt_status tracer_read_file(
	const struct vmrt_tracer *t, const char *name, char **out, struct vmrt_error *err)
{
	char path[VMRT_TRACER_PATH];

	snprintf(path, sizeof(path), "%s/%s", t->folder, name);
	if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) != 0)
		snprintf(path, sizeof(path), "%s/%s", t->tracing, name);
	return vmrt_read_file(path, MAX_TEXT, out, NULL, err);
}

static enum vmrt_status read_format(const struct vmrt_tracer *t, struct vmrt_trace_meta *meta,
	const char *system, const char *name, struct vmrt_error *err)
{
	struct vmrt_trace_format *f = &meta->formats[meta->n_formats];
	char path[VMRT_TRACER_PATH];
	enum vmrt_status status;

	snprintf(path, sizeof(path), "events/%s/%s/format", system, name);
	status = tracer_read_file(t, path, &f->text, err);
	if (status != VMRT_OK)
		return status;
	snprintf(f->system, sizeof(f->system), "%s", system);
	meta->n_formats++;
	return VMRT_OK;
}

static bool is_timer_function(const char *name)
{
	size_t len = strcspn(name, ". \t\n"); /* compilers append .isra.0, .cfi_jt */

	for (size_t i = 0; i < sizeof(timer_functions) / sizeof(timer_functions[0]); i++)
		if (!strncmp(timer_functions[i], name, len) && !timer_functions[i][len])
			return true;
	return false;
}

/* Without permission for addresses, or without the file, the recording just has no symbols. */
static char *read_kallsyms(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	struct vmrt_buf buf = {0};
	char line[512];

	/* the file has some hundred thousand lines "address type name", so each line is looked at
	 * only once and briefly */
	while (f && fgets(line, sizeof(line), f)) {
		size_t digits = 2 * sizeof(void *);
		const char *name = line + digits + 3;

		if (line[digits] != ' ' || !strchr("hitpsd", *name) || !is_timer_function(name))
			continue;
		if (strtoull(line, NULL, 16))
			vmrt_buf_put(&buf, line, strlen(line));
	}
	if (f)
		fclose(f);
	return vmrt_buf_take(&buf);
}

/* Reads the name of thread or process @id, in folder @folder; false if it has ended. */
static bool read_comm(int folder, const char *id, char comm[64])
{
	char path[288];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/comm", id);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, comm, 63);
	close(fd);
	if (n <= 0)
		return false;
	comm[n] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	/* the output has one name in a line, but threads may have any characters in their names */
	for (char *p = comm; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return true;
}

static void put_threads(
	struct vmrt_buf *names, struct vmrt_buf *processes, int proc, const char *pid)
{
	char path[288], process[64], comm[64];
	bool known = read_comm(proc, pid, process);
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
			read_comm(dirfd(dir), entry->d_name, comm)) {
			vmrt_buf_printf(names, "%s %s\n", entry->d_name, comm);
			if (known)
				vmrt_buf_printf(
					processes, "%s %s %s\n", entry->d_name, pid, process);
		}
	if (dir)
		closedir(dir);
}

/* Adds the kernel's list of names seen while tracing: that has also threads that have ended. */
static void put_saved_names(struct vmrt_buf *buf)
{
	const char *tracing = tracefs_tracing_dir();
	char path[VMRT_TRACER_PATH], *text;

	snprintf(path, sizeof(path), "%s/saved_cmdlines", tracing ? tracing : "");
	if (vmrt_read_file(path, MAX_TEXT, &text, NULL, NULL) != VMRT_OK)
		return;
	vmrt_buf_put(buf, text, strlen(text));
	free(text);
}

char *vmrt_trace_cmdlines(char **processes)
{
	struct vmrt_buf buf = {0}, by_process = {0};
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	put_saved_names(&buf);
	vmrt_buf_printf(&buf, "0 <idle>\n");
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			put_threads(&buf, &by_process, dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
	if (processes)
		*processes = vmrt_buf_take(&by_process);
	vmrt_buf_free(&by_process);
	return vmrt_buf_take(&buf);
}

struct name {
	long tid;
	size_t order; /* of appearance */
	const char *comm;
	int len;
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* The well-formed lines of @text; the others are left out. */
static size_t read_names(const char *text, struct name *names, size_t order)
{
	size_t n = 0;

	while (*text) {
		size_t line = strcspn(text, "\n");
		char *end;
		long tid = strtol(text, &end, 10);

		if (end > text && *end == ' ' && end < text + line && tid >= 0) {
			names[n] = (struct name){
				tid, order + n, end + 1, (int)(text + line - end - 1)};
			n++;
		}
		text += line + (text[line] != '\0');
	}
	return n;
}

char *vmrt_trace_merge_names(const char *const *lists, size_t n)
{
	struct vmrt_buf buf = {0};
	struct name *names;
	size_t room = 0, used = 0;

	for (size_t i = 0; i < n; i++)
		room += lists[i] ? count_lines(lists[i]) : 0;
	names = calloc(room + 1, sizeof(*names));
	if (!names)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (lists[i])
			used += read_names(lists[i], names + used, used);
	qsort(names, used, sizeof(*names), compare_names);
	for (size_t i = 0; i < used; i++)
		if (i + 1 == used || names[i + 1].tid != names[i].tid)
			vmrt_buf_printf(
				&buf, "%ld %.*s\n", names[i].tid, names[i].len, names[i].comm);
	free(names);
	return vmrt_buf_take(&buf);
}

static char *read_uname(void)
{
	struct vmrt_buf buf = {0};
	struct utsname u;

	if (uname(&u) == 0)
		vmrt_buf_printf(&buf, "%s %s %s %s", u.sysname, u.nodename, u.release, u.machine);
	return vmrt_buf_take(&buf);
}

enum vmrt_status vmrt_tracer_meta(
	const struct vmrt_tracer *t, struct vmrt_trace_meta *out, struct vmrt_error *err)
{
	enum vmrt_status status;

	memset(out, 0, sizeof(*out));
	out->cpus = t->cpus;
	out->page_size = t->page_size;
	out->formats = calloc(t->n_events + 2, sizeof(*out->formats));
	out->kallsyms = read_kallsyms();
	out->cmdlines = vmrt_trace_cmdlines(&out->processes[VMRT_PROCESSES_BEGIN]);
	out->uname = read_uname();
	if (!out->formats || !out->kallsyms || !out->cmdlines || !out->uname) {
		status = vmrt_fail(err, VMRT_ENOMEM, "event formats: out of memory");
		goto out;
	}
	if ((status = tracer_read_file(t, "events/header_page", &out->header_page, err)) ||
		(status = tracer_read_file(t, "events/header_event", &out->header_event, err)) ||
		(status = tracer_read_file(t, "trace_clock", &out->clock, err)))
		goto out;
	if ((status = read_format(t, out, "ftrace", "print", err)) ||
		(status = read_format(t, out, "ftrace", "raw_data", err)))
		goto out;
	for (size_t i = 0; i < t->n_events && status == VMRT_OK; i++)
		status = read_format(t, out, t->events[i].system, t->events[i].name, err);
out:
	if (status != VMRT_OK)
		vmrt_trace_meta_free(out);
	return status;
}

void vmrt_trace_meta_free(struct vmrt_trace_meta *meta)
{
	for (size_t i = 0; i < meta->n_formats; i++)
		free(meta->formats[i].text);
	free(meta->formats);
	free(meta->header_page);
	free(meta->header_event);
	free(meta->kallsyms);
	free(meta->cmdlines);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES; i++)
		free(meta->processes[i]);
	free(meta->clock);
	free(meta->uname);
	memset(meta, 0, sizeof(*meta));
}

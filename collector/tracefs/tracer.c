/* SPDX-License-Identifier: MIT */
/* One instance of tracefs: makes it, sets it up, switches it on and off, removes it. */
#include <vmrt/tracer.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tracefs.h>
#include <unistd.h>

#include <vmrt/dat.h>
#include <vmrt/files.h>
#include <vmrt/marks.h>
#include <vmrt/units.h>

#include "enforcers.h"
#include "journal.h"
#include "tracer-files.h"

#define MAX_SMALL_FILE 65536
#define WAKE_PERCENT "15"

enum vmrt_status tracer_write(const char *folder, const char *name, const char *text)
{
	char path[VMRT_TRACER_PATH];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return VMRT_EIO;
	n = write(fd, text, strlen(text));
	if (n < 0) {
		int errnum = errno;

		close(fd);
		errno = errnum;
		return VMRT_EIO;
	}
	close(fd);
	return VMRT_OK;
}

enum vmrt_status tracer_set(
	const struct vmrt_tracer *t, const char *name, const char *text, struct vmrt_error *err)
{
	if (tracer_write(t->folder, name, text) == VMRT_OK)
		return VMRT_OK;
	return vmrt_fail_errno(err, errno, "cannot write '%s' to %s/%s", text, t->folder, name);
}

enum vmrt_status tracer_find(const char **out, struct vmrt_error *err)
{
	const char *folder = NULL;

	if (tracefs_tracing_dir_is_mounted(false, NULL) <= 0) {
		errno = 0;
		if (tracefs_tracing_dir_is_mounted(true, &folder) < 0 || !folder ||
			faccessat(AT_FDCWD, folder, F_OK, AT_EACCESS) != 0) {
			if (geteuid() != 0)
				return vmrt_fail(err, VMRT_EPERM,
					"tracefs is not mounted, and only root can: sudo mount -t "
					"tracefs nodev /sys/kernel/tracing");
			return vmrt_fail(err, VMRT_ENOENT,
				"there is no tracefs: it cannot be mounted at /sys/kernel/tracing; "
				"the kernel needs CONFIG_TRACING");
		}
		vmrt_say("tracefs was not mounted: mounted it at %s", folder);
	}
	folder = tracefs_tracing_dir();
	if (!folder)
		return vmrt_fail(
			err, VMRT_ENOENT, "there is no tracefs; the kernel needs CONFIG_TRACING");
	if (faccessat(AT_FDCWD, folder, R_OK | X_OK, AT_EACCESS) != 0)
		return vmrt_fail_errno(err, errno,
			"no permission for tracefs: run as root, or as a member of the group that "
			"%s is mounted for",
			folder);
	*out = folder;
	return VMRT_OK;
}

static enum vmrt_status make_instance(
	struct vmrt_tracer *t, const char *label, struct vmrt_error *err)
{
	static unsigned counter;
	const char *tracing;
	enum vmrt_status status = tracer_find(&tracing, err);

	if (status != VMRT_OK)
		return status;
	/* pid and start time identify the owner, so that vmrt_tracer_reset() can see whether it
	 * still runs */
	snprintf(t->name, sizeof(t->name), VMRT_INSTANCE_PREFIX "%d-%llu-%u-%s", (int)getpid(),
		(unsigned long long)tracer_start_ticks(getpid()), counter++, label);
	snprintf(t->tracing, sizeof(t->tracing), "%s", tracing);
	if ((size_t)snprintf(t->folder, sizeof(t->folder), "%s/instances/%s", tracing, t->name) >=
		sizeof(t->folder))
		return vmrt_fail(
			err, VMRT_ERANGE, "the path of tracefs is too long: %.200s", tracing);
	if (mkdir(t->folder, 0777) != 0)
		return vmrt_fail_errno(
			err, errno, "cannot make the tracefs instance %s", t->folder);
	t->made = true;
	return VMRT_OK;
}

static enum vmrt_status set_buffer(struct vmrt_tracer *t, uint64_t bytes, struct vmrt_error *err)
{
	char text[VMRT_UNITS_TEXT], path[VMRT_TRACER_PATH], *got;
	unsigned long long kib = 0;
	enum vmrt_status status;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)((bytes + 1023) / 1024));
	if (tracer_write(t->folder, "buffer_size_kb", text) != VMRT_OK)
		return vmrt_fail_errno(err, errno,
			"cannot get trace buffers of %s KiB per CPU; ask for smaller ones with "
			"--buffer",
			text);
	snprintf(path, sizeof(path), "%s/per_cpu/cpu0/buffer_size_kb", t->folder);
	status = vmrt_read_file(path, MAX_SMALL_FILE, &got, NULL, err);
	if (status != VMRT_OK)
		return status;
	sscanf(got, "%llu", &kib);
	free(got);
	t->buffer = kib * 1024;
	/* how full a buffer has to be until a reader is woken; on kernels without this file a
	 * reader only looks from time to time */
	tracer_write(t->folder, "buffer_percent", WAKE_PERCENT);
	return VMRT_OK;
}

static enum vmrt_status read_page_size(struct vmrt_tracer *t, struct vmrt_error *err)
{
	enum vmrt_status status;
	char *text;

	status = tracer_read_file(t, "events/header_page", &text, err);
	if (status != VMRT_OK)
		return status;
	t->page_size = vmrt_page_size(text);
	free(text);
	if (t->page_size < 4096 || t->page_size > VMRT_TRACER_PAGE_MAX)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s/events/header_page: sub-buffers of %u bytes are not supported",
			t->tracing, t->page_size);
	return VMRT_OK;
}

static enum vmrt_status open_cpus(struct vmrt_tracer *t, struct vmrt_error *err)
{
	char path[VMRT_TRACER_PATH];
	long n = sysconf(_SC_NPROCESSORS_CONF);

	if (n < 1 || n > VMRT_TRACER_CPUS)
		return vmrt_fail(
			err, VMRT_EUNSUPPORTED, "%ld CPUs are more than %d", n, VMRT_TRACER_CPUS);
	t->fds = malloc((size_t)n * sizeof(*t->fds));
	if (!t->fds)
		return vmrt_fail(err, VMRT_ENOMEM, "tracer: out of memory");
	for (t->cpus = 0; t->cpus < (unsigned)n; t->cpus++) {
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", t->folder, t->cpus);
		t->fds[t->cpus] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (t->fds[t->cpus] < 0 && errno != ENOENT)
			return vmrt_fail_errno(err, errno, "cannot open %s", path);
	}
	return VMRT_OK;
}

static enum vmrt_status open_switch(struct vmrt_tracer *t, struct vmrt_error *err)
{
	char path[VMRT_TRACER_PATH];

	snprintf(path, sizeof(path), "%s/tracing_on", t->folder);
	t->switch_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (t->switch_fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s/tracing_on", t->folder);
	return VMRT_OK;
}

enum vmrt_status vmrt_tracer_open_with(
	const struct vmrt_tracer_options *options, struct vmrt_tracer **out, struct vmrt_error *err)
{
	struct vmrt_tracer *t = calloc(1, sizeof(*t));
	enum vmrt_status status;
	struct vmrt_error mine;

	if (!t)
		return vmrt_fail(err, VMRT_ENOMEM, "tracer: out of memory");
	t->switch_fd = -1;
	if (!err)
		err = &mine;
	if ((status = make_instance(t, options->label, err)) != VMRT_OK ||
		(status = tracer_set(t, "tracing_on", "0", err)) != VMRT_OK ||
		(status = tracer_set(t, "trace_clock", "mono", err)) != VMRT_OK ||
		(status = set_buffer(t, options->buffer, err)) != VMRT_OK ||
		(status = read_page_size(t, err)) != VMRT_OK ||
		(status = tracer_enable(t, options->events, err)) != VMRT_OK ||
		(status = open_cpus(t, err)) != VMRT_OK ||
		(status = open_switch(t, err)) != VMRT_OK) {
		vmrt_tracer_close(t, 0, NULL);
		if (status == VMRT_EPERM && geteuid() != 0) {
			mine = *err;
			vmrt_fail(err, status,
				"%.300s (the group of tracefs may only read on this kernel: "
				"CAP_DAC_OVERRIDE is needed, or root)",
				mine.text);
		}
		return status;
	}
	*out = t;
	return VMRT_OK;
}

enum vmrt_status vmrt_tracer_open(
	const char *label, uint64_t buffer, struct vmrt_tracer **out, struct vmrt_error *err)
{
	struct vmrt_tracer_options options = {.label = label, .buffer = buffer};

	return vmrt_tracer_open_with(&options, out, err);
}

enum vmrt_status vmrt_tracer_adopt(
	const char *instance, struct vmrt_tracer **out, struct vmrt_error *err)
{
	struct vmrt_tracer *t = calloc(1, sizeof(*t));
	const char *tracing;
	enum vmrt_status status;

	if (!t)
		return vmrt_fail(err, VMRT_ENOMEM, "tracer: out of memory");
	t->switch_fd = -1;
	if ((status = tracer_find(&tracing, err)) != VMRT_OK)
		goto out;
	snprintf(t->name, sizeof(t->name), "%s", instance);
	snprintf(t->tracing, sizeof(t->tracing), "%s", tracing);
	snprintf(t->folder, sizeof(t->folder), "%s/instances/%s", tracing, t->name);
	if (vmrt_journal_owner_lives(instance)) {
		status = vmrt_fail(
			err, VMRT_EBUSY, "the owner of the tracefs instance %s lives", instance);
	} else if (faccessat(AT_FDCWD, t->folder, F_OK, AT_EACCESS) != 0) {
		status = vmrt_fail(err, VMRT_ENOENT, "there is no tracefs instance %s", instance);
	} else if ((status = open_switch(t, err)) == VMRT_OK &&
		   (status = vmrt_tracer_off(t, err)) == VMRT_OK &&
		   (status = read_page_size(t, err)) == VMRT_OK) {
		status = open_cpus(t, err);
	}
out:
	if (status == VMRT_OK) {
		t->made = true; /* this program has to remove it now */
		*out = t;
		return VMRT_OK;
	}
	vmrt_tracer_abandon(t); /* an instance that was not taken over must stay */
	return status;
}

const char *vmrt_tracer_instance(const struct vmrt_tracer *t)
{
	return t->name;
}

const char *vmrt_tracer_folder(const struct vmrt_tracer *t)
{
	return t->folder;
}

unsigned vmrt_tracer_cpus(const struct vmrt_tracer *t)
{
	return t->cpus;
}

uint32_t vmrt_tracer_page_size(const struct vmrt_tracer *t)
{
	return t->page_size;
}

uint64_t vmrt_tracer_buffer(const struct vmrt_tracer *t)
{
	return t->buffer;
}

static enum vmrt_status flip(struct vmrt_tracer *t, const char *value, struct vmrt_error *err)
{
	if (write(t->switch_fd, value, 1) == 1)
		return VMRT_OK;
	return vmrt_fail_errno(err, errno, "cannot write '%s' to %s/tracing_on", value, t->folder);
}

enum vmrt_status vmrt_tracer_on(struct vmrt_tracer *t, struct vmrt_error *err)
{
	enum vmrt_status status = flip(t, "1", err);

	if (status == VMRT_OK)
		enforcers_mark(t->name);
	return status;
}

enum vmrt_status vmrt_tracer_off(struct vmrt_tracer *t, struct vmrt_error *err)
{
	return flip(t, "0", err);
}

int vmrt_tracer_read(struct vmrt_tracer *t, unsigned cpu, void *page)
{
	ssize_t n;

	if (cpu >= t->cpus || t->fds[cpu] < 0)
		return 0;
	do
		n = read(t->fds[cpu], page, t->page_size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0)
		return 0;
	if ((size_t)n < t->page_size)
		memset((char *)page + n, 0, t->page_size - (size_t)n);
	return 1;
}

ssize_t vmrt_tracer_splice(struct vmrt_tracer *t, unsigned cpu, int fd, size_t max)
{
	ssize_t n;

	if (cpu >= t->cpus || t->fds[cpu] < 0)
		return 0;
	do
		n = splice(t->fds[cpu], NULL, fd, NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno == EAGAIN ? 0 : n;
}

bool vmrt_tracer_wait(const struct vmrt_tracer *t, unsigned cpu, int fd, int ms)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
		{.fd = cpu < t->cpus ? t->fds[cpu] : -1, .events = POLLIN}};

	return poll(fds, 2, ms) > 0 && fds[0].revents;
}

static uint64_t number_behind(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

enum vmrt_status vmrt_tracer_stats(const struct vmrt_tracer *t, unsigned cpu,
	struct vmrt_cpu_stats *out, struct vmrt_error *err)
{
	char name[64], *text;
	enum vmrt_status status;

	memset(out, 0, sizeof(*out));
	if (cpu >= t->cpus || t->fds[cpu] < 0)
		return VMRT_OK;
	snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
	status = tracer_read_file(t, name, &text, err);
	if (status != VMRT_OK)
		return status;
	out->entries = number_behind(text, "entries");
	out->overrun = number_behind(text, "overrun");
	out->commit_overrun = number_behind(text, "commit overrun");
	out->bytes = number_behind(text, "bytes");
	out->dropped = number_behind(text, "dropped events");
	out->read_events = number_behind(text, "read events");
	free(text);
	return VMRT_OK;
}

static void free_tracer(struct vmrt_tracer *t)
{
	free(t->fds);
	free(t->events);
	free(t);
}

static void close_files(struct vmrt_tracer *t)
{
	if (t->switch_fd >= 0)
		close(t->switch_fd);
	for (unsigned i = 0; i < t->cpus; i++)
		if (t->fds[i] >= 0)
			close(t->fds[i]);
}

void vmrt_tracer_abandon(struct vmrt_tracer *t)
{
	if (!t)
		return;
	close_files(t);
	free_tracer(t);
}

enum vmrt_status vmrt_tracer_close(struct vmrt_tracer *t, int patience_ms, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (!t)
		return VMRT_OK;
	close_files(t);
	if (t->made) {
		tracer_write(t->folder, "tracing_on", "0");
		if (tracer_remove(t->folder, patience_ms) != 0) {
			int errnum = errno;
			char who[128] = "is its trace_marker still open somewhere?";

			tracer_holder(t->folder, who, sizeof(who));
			tracer_make_idle(t->folder);
			status = vmrt_fail_errno(err, errnum,
				"cannot remove the tracefs instance %s (%s); `vmrt-trace reset` "
				"will",
				t->name, who);
		}
	}
	free_tracer(t);
	return status;
}

void vmrt_tracer_close_aside(struct vmrt_tracer *t, int patience_ms)
{
	pid_t pid;

	if (!t)
		return;
	if (t->made)
		tracer_write(t->folder, "tracing_on", "0");
	pid = fork();
	if (pid > 0) {
		vmrt_tracer_abandon(t);
		return;
	}
	if (pid == 0) {
		/* a caller that waits for the end or the output of the recorder must not have to
		 * wait for this process */
		setsid();
		close_range(0, ~0u, 0);
		t->switch_fd = -1;
		for (unsigned i = 0; i < t->cpus; i++)
			t->fds[i] = -1;
	}
	vmrt_tracer_close(t, patience_ms, NULL);
	if (pid == 0)
		_exit(0);
}

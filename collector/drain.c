/* SPDX-License-Identifier: MIT */
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vmrt/files.h>

#define PIPE_BYTES (1 << 20)
#define PAUSE_MIN_MS 10 /* between two looks at a buffer */
#define PAUSE_MAX_MS 200
#define FILL_AIM 8 /* a look should find an eighth of the buffer full */

struct cpu {
	struct vmrt_drain *drain;
	pthread_t thread;
	bool running;
	unsigned cpu;
	int fd; /* the file */
	int pipe[2];
	uint64_t size;
	struct vmrt_error err; /* of the thread */
};

struct vmrt_drain {
	struct vmrt_tracer *tracer;
	char *folder, *prefix;
	struct cpu *cpus;
	unsigned n_cpus;
	bool placed;
	cpu_set_t places;
	int stop_fd;
	uint64_t max_size;
	atomic_uint_fast64_t size;
	atomic_bool failed;
};

static void file_name(const struct vmrt_drain *d, unsigned cpu, char *buf, size_t room)
{
	snprintf(buf, room, "%s/%s-cpu%u.pages", d->folder, d->prefix, cpu);
}

static enum vmrt_status cannot_write(struct cpu *c)
{
	char path[4096];
	int errnum = errno;

	file_name(c->drain, c->cpu, path, sizeof(path));
	return vmrt_fail_errno(&c->err, errnum, "cannot write %.400s", path);
}

/* Room for @n more bytes under the size limit? */
static bool take_room(struct vmrt_drain *d, uint64_t n)
{
	uint64_t before = atomic_fetch_add(&d->size, n);

	if (!d->max_size || before + n <= d->max_size)
		return true;
	atomic_fetch_sub(&d->size, n);
	return false;
}

static enum vmrt_status pipe_to_file(struct cpu *c, size_t n)
{
	while (n) {
		ssize_t moved = splice(c->pipe[0], NULL, c->fd, NULL, n, SPLICE_F_MOVE);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			return cannot_write(c);
		n -= (size_t)moved;
		c->size += (uint64_t)moved;
	}
	return VMRT_OK;
}

/* Moves the full sub-buffers there are now. Returns how many bytes, or -1. */
static int64_t move_full(struct cpu *c)
{
	struct vmrt_drain *d = c->drain;
	int64_t total = 0;

	for (;;) {
		ssize_t n = vmrt_tracer_splice(d->tracer, c->cpu, c->pipe[1], PIPE_BYTES);

		if (n < 0) {
			vmrt_fail_errno(&c->err, errno, "cannot read the trace buffer of CPU %u", c->cpu);
			return -1;
		}
		if (n == 0)
			return total;
		if (!take_room(d, (uint64_t)n)) {
			errno = EFBIG;
			cannot_write(c);
			return -1;
		}
		if (pipe_to_file(c, (size_t)n) != VMRT_OK)
			return -1;
		total += n;
	}
}

/* Looks seldom at a buffer that fills slowly: each look costs a wake-up. */
static int next_pause(const struct cpu *c, int pause_ms, int64_t moved)
{
	int64_t aim = (int64_t)(vmrt_tracer_buffer(c->drain->tracer) / FILL_AIM);

	if (moved > aim)
		pause_ms /= 2;
	else if (moved < aim / 4)
		pause_ms *= 2;
	if (pause_ms < PAUSE_MIN_MS)
		return PAUSE_MIN_MS;
	return pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause_ms;
}

static void *drain_thread(void *arg)
{
	struct cpu *c = arg;
	struct vmrt_drain *d = c->drain;
	int pause_ms = PAUSE_MIN_MS;
	sigset_t all;

	/* signals are for the main thread */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (d->placed)
		pthread_setaffinity_np(pthread_self(), sizeof(d->places), &d->places);
	for (;;) {
		struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
		int64_t moved = move_full(c);

		if (moved < 0)
			atomic_store(&d->failed, true);
		if (moved < 0 || poll(&stop, 1, pause_ms) > 0)
			return NULL;
		pause_ms = next_pause(c, pause_ms, moved);
	}
}

static enum vmrt_status open_cpu(struct cpu *c, struct vmrt_error *err)
{
	char path[4096];

	file_name(c->drain, c->cpu, path, sizeof(path));
	c->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (c->fd < 0)
		return vmrt_fail_errno(err, errno, "cannot create %s", path);
	if (pipe2(c->pipe, O_CLOEXEC) != 0)
		return vmrt_fail_errno(err, errno, "cannot make a pipe");
	/* a refusal (a user's limit) leaves the default size, which only means more calls */
	fcntl(c->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	return VMRT_OK;
}

enum vmrt_status vmrt_drain_start(struct vmrt_tracer *tracer, const char *folder,
	const char *prefix, const cpu_set_t *cpus, uint64_t max_size, struct vmrt_drain **out,
	struct vmrt_error *err)
{
	struct vmrt_drain *d = calloc(1, sizeof(*d));
	unsigned n = vmrt_tracer_cpus(tracer);
	enum vmrt_status status = VMRT_OK;

	if (!d)
		return vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
	d->tracer = tracer;
	d->max_size = max_size;
	d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->folder = strdup(folder);
	d->prefix = strdup(prefix);
	d->cpus = calloc(n, sizeof(*d->cpus));
	if (d->stop_fd < 0 || !d->folder || !d->prefix || !d->cpus) {
		status = vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
		goto fail;
	}
	if (cpus) {
		d->placed = true;
		d->places = *cpus;
	}
	for (; d->n_cpus < n && status == VMRT_OK; d->n_cpus++) {
		struct cpu *c = &d->cpus[d->n_cpus];

		*c = (struct cpu){.drain = d, .cpu = d->n_cpus, .fd = -1, .pipe = {-1, -1}};
		status = open_cpu(c, err);
	}
	for (unsigned i = 0; i < n && status == VMRT_OK; i++) {
		struct cpu *c = &d->cpus[i];
		int errnum = pthread_create(&c->thread, NULL, drain_thread, c);

		c->running = !errnum;
		if (errnum)
			status = vmrt_fail_errno(err, errnum, "cannot start a thread");
	}
	if (status == VMRT_OK) {
		*out = d;
		return VMRT_OK;
	}
fail:
	vmrt_drain_free(d);
	return status;
}

uint64_t vmrt_drain_size(const struct vmrt_drain *d)
{
	return atomic_load(&d->size);
}

bool vmrt_drain_failed(const struct vmrt_drain *d)
{
	return atomic_load(&d->failed);
}

static void join(struct vmrt_drain *d)
{
	uint64_t one = 1;

	(void)!write(d->stop_fd, &one, sizeof(one));
	for (unsigned i = 0; i < d->n_cpus; i++) {
		if (d->cpus[i].running)
			pthread_join(d->cpus[i].thread, NULL);
		d->cpus[i].running = false;
	}
}

static enum vmrt_status move_rest(struct cpu *c, uint8_t *page)
{
	struct vmrt_drain *d = c->drain;
	uint32_t size = vmrt_tracer_page_size(d->tracer);
	int got;

	if (move_full(c) < 0)
		return c->err.status;
	while ((got = vmrt_tracer_read(d->tracer, c->cpu, page)) > 0) {
		if (!take_room(d, size)) {
			errno = EFBIG;
			return cannot_write(c);
		}
		if (vmrt_write_all(c->fd, page, size) != 0)
			return cannot_write(c);
		c->size += size;
	}
	if (got < 0)
		return vmrt_fail_errno(&c->err, errno, "cannot read the trace buffer of CPU %u", c->cpu);
	return VMRT_OK;
}

enum vmrt_status vmrt_drain_finish(struct vmrt_drain *d, struct vmrt_error *err)
{
	uint8_t page[VMRT_TRACER_PAGE_MAX];
	enum vmrt_status status = VMRT_OK;

	join(d);
	for (unsigned i = 0; i < d->n_cpus; i++) {
		struct cpu *c = &d->cpus[i];

		if (c->err.status == VMRT_OK)
			move_rest(c, page);
		if (c->err.status != VMRT_OK && status == VMRT_OK)
			status = vmrt_fail(err, c->err.status, "%s", c->err.text);
	}
	return status;
}

int vmrt_drain_file(const struct vmrt_drain *d, unsigned cpu, uint64_t *size)
{
	if (cpu >= d->n_cpus)
		return -1;
	*size = d->cpus[cpu].size;
	return d->cpus[cpu].fd;
}

void vmrt_drain_free(struct vmrt_drain *d)
{
	char path[4096];

	if (!d)
		return;
	if (d->stop_fd >= 0)
		join(d);
	for (unsigned i = 0; i < d->n_cpus; i++) {
		struct cpu *c = &d->cpus[i];

		if (c->fd >= 0) {
			close(c->fd);
			file_name(d, i, path, sizeof(path));
			unlink(path);
		}
		for (int k = 0; k < 2; k++)
			if (c->pipe[k] >= 0)
				close(c->pipe[k]);
	}
	if (d->stop_fd >= 0)
		close(d->stop_fd);
	free(d->folder);
	free(d->prefix);
	free(d->cpus);
	free(d);
}

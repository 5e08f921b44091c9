/* SPDX-License-Identifier: MIT */
/* Moves the ring buffers of a session into files while it records, one thread per CPU. */
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vmrt/dat.h>
#include <vmrt/units.h>

#include "collector/tracefs/tail.h"

#define PIPE_BYTES (1 << 20)
#define PAUSE_MS 400 /* between two reads of a buffer that does not fill */
/* while another program follows the recording: kernels may report a buffer as ready for each event
 */
#define REST_MS 20
#define STACK_BYTES (256 << 10)
/* A writer that was interrupted may still be about to commit an event of this age. */
#define SLACK_NS (1 * VMRT_NS_PER_MS)

struct cpu {
	struct drain *drain;
	pthread_t thread;
	bool running;
	unsigned cpu;
	int pipe[2];
	int64_t last_read_ns;
	uint8_t *page; /* for drain_follow() */
	atomic_int_fast64_t upto_ns;
	struct drain_figures figures;
	struct vmrt_error err; /* of its thread */
};

struct drain {
	struct vmrt_tracer *tracer;
	struct drain_options options;
	struct cpu *cpus;
	unsigned n_cpus;
	cpu_set_t places;
	int end_fd;  /* ends the threads */
	int stop_fd; /* written by the threads */
	atomic_uint_fast64_t size;
	atomic_int stop;
	atomic_bool followed;
};

/* Only the first reason to stop is kept: later ones are consequences. */
static void ask_to_stop(struct drain *d, enum drain_stop why)
{
	int before = VMRT_DRAIN_GO_ON;
	uint64_t one = 1;

	if (atomic_compare_exchange_strong(&d->stop, &before, (int)why))
		(void)!write(d->stop_fd, &one, sizeof(one));
}

static enum vmrt_status cannot_read(unsigned cpu, struct vmrt_error *err)
{
	return vmrt_fail_errno(err, errno, "cannot read the trace buffer of CPU %u", cpu);
}

static enum vmrt_status pipe_to_file(struct cpu *c, size_t n)
{
	while (n) {
		ssize_t moved = vmrt_datfile_splice(c->drain->options.file, c->cpu, c->pipe[0], n);

		if (moved <= 0)
			return vmrt_fail_errno(&c->err, moved ? errno : EIO,
				"cannot write what CPU %u recorded", c->cpu);
		n -= (size_t)moved;
	}
	return VMRT_OK;
}

/* Moves the sub-buffers that are full now. Returns how many bytes, or -1. */
static int64_t move_full(struct cpu *c)
{
	struct drain *d = c->drain;
	int64_t total = 0;

	for (;;) {
		ssize_t n = vmrt_tracer_splice(d->tracer, c->cpu, c->pipe[1], PIPE_BYTES);

		if (n < 0) {
			cannot_read(c->cpu, &c->err);
			return -1;
		}
		if (n == 0)
			return total;
		if (pipe_to_file(c, (size_t)n) != VMRT_OK)
			return -1;
		atomic_fetch_add(&d->size, (uint64_t)n);
		total += n;
	}
}

/*
 * Moves all events, also from sub-buffers that are not full. After this move_full() must not be
 * used any more: kernels before 5.1 do not move a sub-buffer that was partly read.
 */
static int64_t move_all(struct cpu *c)
{
	struct drain *d = c->drain;
	uint32_t size = vmrt_tracer_page_size(d->tracer);
	int64_t before = vmrt_now_ns() - SLACK_NS, total = 0;
	int got;

	while ((got = vmrt_tracer_read(d->tracer, c->cpu, c->page)) > 0) {
		if (vmrt_datfile_write(d->options.file, c->cpu, c->page, size) != 0) {
			vmrt_fail_errno(
				&c->err, errno, "cannot write what CPU %u recorded", c->cpu);
			return -1;
		}
		atomic_fetch_add(&d->size, size);
		total += size;
		if (total >= PIPE_BYTES && vmrt_now_ns() - before > PAUSE_MS * VMRT_NS_PER_MS)
			return total; /* the CPU is busy: read the next CPU's buffer first */
	}
	if (got < 0) {
		cannot_read(c->cpu, &c->err);
		return -1;
	}
	atomic_store(&c->upto_ns, before);
	return total;
}

static void note_read(struct cpu *c, int64_t now)
{
	if (c->last_read_ns && now - c->last_read_ns > c->figures.unread_ns) {
		c->figures.unread_ns = now - c->last_read_ns;
		c->figures.unread_at = now;
	}
	c->last_read_ns = now;
}

static void note_fill(struct cpu *c, int64_t moved)
{
	uint64_t buffer = vmrt_tracer_buffer(c->drain->tracer),
		 fill = moved > 0 ? (uint64_t)moved : 0;

	/* more than the size of the buffer can be moved, because the buffer fills meanwhile */
	if (fill > buffer)
		fill = buffer;
	if (fill > c->figures.fill)
		c->figures.fill = fill;
}

/* Asks to stop if the disk has no room for the events in the buffers and for the database of the
 * analysis. */
static void stop_at_limits(struct drain *d)
{
	uint64_t size = atomic_load(&d->size);

	if (d->options.max_size && size >= d->options.max_size)
		ask_to_stop(d, VMRT_DRAIN_MAX_SIZE);
	else if (vmrt_datfile_free_space(d->options.file) < d->options.reserve + size / 4)
		ask_to_stop(d, VMRT_DRAIN_DISK);
}

/* Waits, because a thread that reads each event at once does little else. A small buffer is not
 * kept waiting, because it could overflow. */
static bool rest(struct cpu *c, int64_t moved)
{
	struct drain *d = c->drain;

	if (!atomic_load(&d->followed) || (uint64_t)moved > vmrt_tracer_buffer(d->tracer) / 4)
		return false;
	return vmrt_tracer_wait(d->tracer, UINT_MAX, d->end_fd, REST_MS);
}

static void *drain_thread(void *arg)
{
	struct cpu *c = arg;
	struct drain *d = c->drain;
	sigset_t all;

	/* the main thread handles the signals */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (d->options.cpus)
		pthread_setaffinity_np(pthread_self(), sizeof(d->places), &d->places);
	for (;;) {
		int64_t moved;

		note_read(c, vmrt_now_ns());
		moved = atomic_load(&d->followed) ? move_all(c) : move_full(c);
		note_fill(c, moved);
		if (moved < 0)
			ask_to_stop(d, VMRT_DRAIN_FAILED);
		else if (moved)
			stop_at_limits(d);
		if (moved < 0 || rest(c, moved) ||
			vmrt_tracer_wait(d->tracer, c->cpu, d->end_fd, PAUSE_MS))
			return NULL;
	}
}

static enum vmrt_status start_thread(struct cpu *c, struct vmrt_error *err)
{
	pthread_attr_t attr;
	int errnum;

	if (pipe2(c->pipe, O_CLOEXEC) != 0)
		return vmrt_fail_errno(err, errno, "cannot make a pipe");
	c->page = malloc(vmrt_tracer_page_size(c->drain->tracer));
	if (!c->page)
		return vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
	/* if the kernel refuses (a user's limit), the pipe keeps its default size and more calls
	 * are needed */
	fcntl(c->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	errnum = pthread_create(&c->thread, &attr, drain_thread, c);
	pthread_attr_destroy(&attr);
	c->running = !errnum;
	return errnum ? vmrt_fail_errno(err, errnum, "cannot start a thread") : VMRT_OK;
}

enum vmrt_status drain_start(struct vmrt_tracer *tracer, const struct drain_options *options,
	struct drain **out, struct vmrt_error *err)
{
	struct drain *d = calloc(1, sizeof(*d));
	enum vmrt_status status = VMRT_OK;

	if (!d)
		return vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
	d->tracer = tracer;
	d->options = *options;
	d->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->n_cpus = vmrt_tracer_cpus(tracer);
	d->cpus = calloc(d->n_cpus, sizeof(*d->cpus));
	if (options->cpus)
		d->places = *options->cpus;
	if (d->end_fd < 0 || d->stop_fd < 0 || !d->cpus) {
		d->n_cpus = d->cpus ? d->n_cpus : 0;
		status = vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
	}
	for (unsigned i = 0; i < d->n_cpus; i++)
		d->cpus[i] = (struct cpu){
			.drain = d, .cpu = i, .pipe = {-1, -1}, .upto_ns = VMRT_UNKNOWN};
	for (unsigned i = 0; i < d->n_cpus && status == VMRT_OK && !options->hold; i++)
		status = start_thread(&d->cpus[i], err);
	if (status == VMRT_OK)
		*out = d;
	else
		drain_free(d);
	return status;
}

uint64_t drain_size(const struct drain *d)
{
	return atomic_load(&d->size);
}

void drain_follow(struct drain *d)
{
	atomic_store(&d->followed, true);
}

int64_t drain_upto(const struct drain *d)
{
	int64_t least = d->n_cpus ? INT64_MAX : VMRT_UNKNOWN;

	for (unsigned i = 0; i < d->n_cpus; i++) {
		int64_t upto = atomic_load(&d->cpus[i].upto_ns);

		if (upto == VMRT_UNKNOWN)
			return VMRT_UNKNOWN;
		least = upto < least ? upto : least;
	}
	return least;
}

enum drain_stop drain_stop(const struct drain *d)
{
	return (enum drain_stop)atomic_load(&d->stop);
}

int drain_stop_fd(const struct drain *d)
{
	return d->stop_fd;
}

static void join(struct drain *d)
{
	uint64_t one = 1;

	(void)!write(d->end_fd, &one, sizeof(one));
	for (unsigned i = 0; i < d->n_cpus; i++) {
		if (d->cpus[i].running)
			pthread_join(d->cpus[i].thread, NULL);
		d->cpus[i].running = false;
	}
}

enum vmrt_status drain_take(struct vmrt_tracer *tracer, struct vmrt_datfile *file, unsigned cpu,
	int64_t since, uint64_t *moved, int64_t *first, struct vmrt_error *err)
{
	uint32_t size = vmrt_tracer_page_size(tracer);
	enum vmrt_status status = VMRT_OK;
	struct vmrt_tail tail;
	const uint8_t *page;
	int got = 1;

	if (vmrt_tail_begin(&tail, tracer, cpu, since) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "trace buffer of CPU %u: out of memory", cpu);
	while (status == VMRT_OK && (got = vmrt_tail_next(&tail, &page)) > 0) {
		if (vmrt_datfile_write(file, cpu, page, size) != 0)
			status = vmrt_fail_errno(
				err, errno, "cannot write what CPU %u recorded", cpu);
		else if (!*moved)
			*first = vmrt_page_time(page);
		*moved += status == VMRT_OK ? size : 0;
	}
	if (got < 0)
		status = cannot_read(cpu, err);
	vmrt_tail_end(&tail);
	return status;
}

enum vmrt_status drain_finish(struct drain *d, int64_t since, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	join(d);
	for (unsigned i = 0; i < d->n_cpus; i++) {
		struct cpu *c = &d->cpus[i];
		uint64_t moved = 0;

		note_read(c, vmrt_now_ns());
		if (c->err.status == VMRT_OK)
			drain_take(d->tracer, d->options.file, i, since, &moved,
				&c->figures.first_ns, &c->err);
		note_fill(c, (int64_t)moved);
		atomic_fetch_add(&d->size, moved);
		if (c->err.status != VMRT_OK && status == VMRT_OK)
			status = vmrt_fail(err, c->err.status, "%s", c->err.text);
	}
	return status;
}

struct drain_figures drain_figures(const struct drain *d, unsigned cpu)
{
	return cpu < d->n_cpus ? d->cpus[cpu].figures : (struct drain_figures){0};
}

void drain_free(struct drain *d)
{
	if (!d)
		return;
	if (d->end_fd >= 0)
		join(d);
	for (unsigned i = 0; i < d->n_cpus; i++)
		for (int k = 0; k < 2; k++)
			if (d->cpus[i].pipe[k] >= 0)
				close(d->cpus[i].pipe[k]);
	if (d->end_fd >= 0)
		close(d->end_fd);
	if (d->stop_fd >= 0)
		close(d->stop_fd);
	for (unsigned i = 0; i < d->n_cpus; i++)
		free(d->cpus[i].page);
	free(d->cpus);
	free(d);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a recorder says, as the agent takes it. The tracer is a double that holds no events, so that
 * nothing of this machine is traced.
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vmrt/tracer.h>

#include "collector/agent/agent.h"
#include "collector/tracefs/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOUBLE(result, name, ...)                                                                  \
	result __wrap_##name(__VA_ARGS__);                                                         \
	result __wrap_##name(__VA_ARGS__)
#define TRACER struct vmrt_tracer *t __attribute__((unused))
#define CONST_TRACER const struct vmrt_tracer *t __attribute__((unused))
#define ERROR struct vmrt_error *err __attribute__((unused))

static int open_tracers;

DOUBLE(enum vmrt_status, vmrt_tracer_open, const char *label __attribute__((unused)),
	uint64_t buffer, struct vmrt_tracer **out, ERROR)
{
	if (buffer < 65536 || open_tracers)
		abort(); /* too small, or the former one was not closed */
	open_tracers++;
	*out = (struct vmrt_tracer *)&open_tracers;
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tracer_close, TRACER, int patience_ms __attribute__((unused)), ERROR)
{
	open_tracers = 0;
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tracer_reset, void)
{
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tracer_on, TRACER, ERROR)
{
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tracer_off, TRACER, ERROR)
{
	return VMRT_OK;
}

DOUBLE(unsigned, vmrt_tracer_cpus, CONST_TRACER)
{
	return 2;
}

DOUBLE(uint32_t, vmrt_tracer_page_size, CONST_TRACER)
{
	return 4096;
}

DOUBLE(uint64_t, vmrt_tracer_buffer, CONST_TRACER)
{
	return 65536;
}

DOUBLE(enum vmrt_status, vmrt_tracer_stats, TRACER, unsigned cpu __attribute__((unused)),
	struct vmrt_cpu_stats *out, ERROR)
{
	memset(out, 0, sizeof(*out));
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tracer_meta, TRACER, struct vmrt_trace_meta *out, ERROR)
{
	memset(out, 0, sizeof(*out));
	out->header_page = strdup("page");
	out->header_event = strdup("event");
	out->kallsyms = strdup("");
	out->cmdlines = strdup("1 init\n");
	out->processes[VMRT_PROCESSES_BEGIN] = strdup("1 1 init\n");
	out->clock = strdup("[mono]");
	out->uname = strdup("Linux");
	return VMRT_OK;
}

DOUBLE(enum vmrt_status, vmrt_tail_begin, struct vmrt_tail *tail,
	struct vmrt_tracer *t __attribute__((unused)), unsigned cpu __attribute__((unused)),
	int64_t since_ns __attribute__((unused)))
{
	memset(tail, 0, sizeof(*tail));
	return VMRT_OK;
}

DOUBLE(int, vmrt_tail_next, struct vmrt_tail *tail __attribute__((unused)),
	const uint8_t **page __attribute__((unused)))
{
	return 0;
}

DOUBLE(void, vmrt_tail_end, struct vmrt_tail *tail __attribute__((unused)))
{
}

/* A recorder that reads all that it gets, and closes when its words are said. */
struct recorder {
	int fd;
	const uint8_t *data;
	size_t size;
};

static void *speak(void *arg)
{
	struct recorder *r = arg;
	char buf[65536];
	size_t done = 0;

	while (done < r->size) {
		size_t part = r->size - done < 4096 ? r->size - done : 4096;
		ssize_t n = send(r->fd, r->data + done, part, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
		while (recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	shutdown(r->fd, SHUT_WR);
	while (recv(r->fd, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recorder r = {.data = data, .size = size};
	pthread_t thread;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return 0;
	r.fd = fds[1];
	if (pthread_create(&thread, NULL, speak, &r) != 0)
		abort();
	agent_serve(fds[0]);
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fds[0]);
	close(fds[1]);
	if (open_tracers)
		abort(); /* something is left behind */
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Finds out when no member of a server wants to run.
 *
 * A thread at the members' priority stands behind all members in the kernel's queue, so it runs
 * when no member can run. Other members may have become ready behind it meanwhile. So it yields
 * once: if it runs again and no member has run in between, no member wants to run.
 */
#include "enforcer.h"
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (64 << 10)

struct hsf_idle {
	struct hsf_server *server;
	pthread_t thread;
	int ask, news;
	int priority;
	atomic_bool stop;
	_Atomic uint64_t asked; /* number of the present watch; 0: none */
	_Atomic uint64_t found; /* number of the last watch in which no member wanted to run */
	uint64_t watches;
};

static int64_t read_clocks(const struct hsf_server *s)
{
	size_t n = server_members(s);
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!s->members[i].helper)
			sum += hsf_clock_read(&s->members[i].clock);
	return sum;
}

static void *watch(void *arg)
{
	struct hsf_idle *idle = arg;
	uint64_t one = 1, asked, n;

	for (;;) {
		int64_t before = -1, now;

		while (read(idle->ask, &n, sizeof(n)) < 0 && errno == EINTR)
			;
		if (atomic_load(&idle->stop))
			return NULL;
		while ((asked = atomic_load(&idle->asked)) &&
			(now = read_clocks(idle->server)) != before) {
			before = now;
			sched_yield();
		}
		if (!asked)
			continue;
		atomic_store(&idle->found, asked);
		(void)!write(idle->news, &one, sizeof(one));
	}
}

enum vmrt_status idle_new(struct hsf_server *s, struct hsf_idle **out, struct vmrt_error *err)
{
	struct hsf_idle *idle = calloc(1, sizeof(*idle));
	int rc;

	if (!idle)
		return vmrt_fail(err, VMRT_ENOMEM, "server %s: out of memory", s->name);
	idle->server = s;
	idle->priority = 1;
	idle->ask = eventfd(0, EFD_CLOEXEC);
	idle->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = idle->ask < 0 || idle->news < 0 ? errno : 0;
	if (!rc)
		rc = hsf_thread_start(
			&idle->thread, s->cpu, idle->priority, STACK_SIZE, watch, idle);
	if (rc) {
		if (idle->ask >= 0)
			close(idle->ask);
		if (idle->news >= 0)
			close(idle->news);
		free(idle);
		return vmrt_fail_errno(
			err, rc, "server %s: cannot watch whether it is idle", s->name);
	}
	pthread_setname_np(idle->thread, "vmrt-hsf-idle");
	*out = idle;
	return VMRT_OK;
}

int idle_fd(const struct hsf_idle *idle)
{
	return idle->news;
}

void idle_watch(struct hsf_idle *idle, int priority)
{
	uint64_t one = 1;

	if (idle->priority != priority && pthread_setschedprio(idle->thread, priority) == 0)
		idle->priority = priority;
	atomic_store(&idle->asked, ++idle->watches);
	(void)!write(idle->ask, &one, sizeof(one));
}

void idle_forget(struct hsf_idle *idle)
{
	atomic_store(&idle->asked, 0);
}

bool idle_found(struct hsf_idle *idle)
{
	uint64_t n;

	(void)!read(idle->news, &n, sizeof(n));
	return atomic_load(&idle->found) == atomic_load(&idle->asked);
}

int64_t idle_cpu_ns(const struct hsf_idle *idle)
{
	struct timespec t;
	clockid_t clock;

	if (pthread_getcpuclockid(idle->thread, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return t.tv_sec * VMRT_NS_PER_S + t.tv_nsec;
}

void idle_free(struct hsf_idle *idle)
{
	uint64_t one = 1;

	if (!idle)
		return;
	atomic_store(&idle->stop, true);
	(void)!write(idle->ask, &one, sizeof(one));
	pthread_join(idle->thread, NULL);
	close(idle->ask);
	close(idle->news);
	free(idle);
}

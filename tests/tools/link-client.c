/* SPDX-License-Identifier: MIT */
/*
 * link-client WAY [SECRET-FILE]: one short session with an agent, for tests where the recorder does
 * not fit: it is also built as a static program that runs in the guest. Prints what came.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <vmrt/guest.h>
#include <vmrt/units.h>

#include "collector/wire/secret.h"

static bool count(void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	(void)cpu;
	(void)pages;
	(void)err;
	*(unsigned long long *)ctx += size;
	return true;
}

static int complain(struct vmrt_guest *g)
{
	char text[VMRT_ERROR_TEXT];

	vmrt_guest_error(g, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
	vmrt_guest_close(g);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long long bytes = 0, events = 0;
	struct vmrt_guest_options options = {.name = "test",
		.sockets = (const char *const *)argv + 1,
		.n_sockets = 1,
		.buffer = 1 << 20,
		.pages = count,
		.ctx = &bytes};
	struct timespec half = {.tv_nsec = 500 * VMRT_NS_PER_MS};
	struct vmrt_guest_result result;
	struct vmrt_secret secret;
	struct vmrt_guest *g;
	struct vmrt_error err;

	if (argc < 2)
		return 64;
	options.secret = argc > 2 ? &secret : NULL;
	if ((argc > 2 && vmrt_secret_load(argv[2], &secret, &err) != VMRT_OK) ||
		vmrt_guest_open(&options, &g, &err) != VMRT_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (vmrt_guest_wait(g, VMRT_GUEST_READY, 30000, -1) != VMRT_GUEST_READY)
		return complain(g);
	vmrt_guest_start(g);
	if (vmrt_guest_wait(g, VMRT_GUEST_STARTED, 30000, -1) != VMRT_GUEST_STARTED)
		return complain(g);
	nanosleep(&half, NULL);
	vmrt_guest_stop(g, INT64_MIN);
	if (vmrt_guest_wait(g, VMRT_GUEST_DONE, 30000, -1) != VMRT_GUEST_DONE)
		return complain(g);
	vmrt_guest_finish(g, &result);
	for (unsigned cpu = 0; cpu < result.meta->cpus; cpu++)
		events += result.stats[cpu].read_events;
	printf("%llu bytes, %llu events, %zu pings\n", bytes, events, result.n_pings);
	vmrt_guest_close(g);
	return 0;
}

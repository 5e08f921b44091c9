/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <vmrt/tracer.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		return vmrt_usage(state, "'%s' is too much", arg);
	return ARGP_ERR_UNKNOWN;
}

static void told(void *ctx, const char *name, const char *why)
{
	(void)ctx;
	if (why)
		vmrt_warn("cannot remove the tracefs instance %s: %s; it is switched off", name, why);
	else
		vmrt_say("removed the tracefs instance %s", name);
}

static int run(void *opts)
{
	unsigned removed, kept;
	struct vmrt_error err;

	(void)opts;
	if (vmrt_tracer_reset(NULL, &removed, &kept, told, NULL, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	if (!removed && !kept)
		vmrt_say("nothing to remove");
	return kept ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_reset = {
	.name = "reset",
	.summary = "Remove what killed recorders have left in the kernel",
	.doc = "Tracefs instances of recorders and agents that still run are left alone.",
	.parse = parse,
	.run = run,
};

/* SPDX-License-Identifier: MIT */
/* The option --link of the commands that record: how the agent in a VM is reached. */
#include "trace.h"

#include "collector/record/recorder.h"

error_t trace_add_link(struct vmrt_recorder_options *o, char *arg, const struct argp_state *state)
{
	struct vmrt_error err;

	if (o->n_links == VMRT_RECORDER_VMS)
		return vmrt_usage(state, "--link: more than %d VMs", VMRT_RECORDER_VMS);
	if (vmrt_guest_link_parse(arg, &o->links[o->n_links], &err) != VMRT_OK)
		return vmrt_usage(state, "%s", err.text);
	o->needs_secret |= o->links[o->n_links++].needs_secret;
	return 0;
}

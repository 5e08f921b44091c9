/* SPDX-License-Identifier: MIT */
/* The option --link of the commands that record: how the agent in a VM is reached. */
#include "trace.h"

#include <string.h>

#include "collector/record/recorder.h"
#include "collector/wire/transport.h"

error_t vmrt_trace_add_link(
	struct vmrt_recorder_options *o, char *arg, const struct argp_state *state)
{
	char *equals = strchr(arg, '=');
	struct vmrt_transport way;
	struct vmrt_error err;

	if (!equals || equals == arg || !equals[1])
		return vmrt_usage(state,
			"--link '%s': give VM=SOCKET, VM=vsock:CID, VM=tcp:HOST:PORT or "
			"VM=ssh:HOST",
			arg);
	if (vmrt_transport_parse(equals + 1, &way, &err) != VMRT_OK)
		return vmrt_usage(state, "--link: %s", err.text);
	if (strlen(equals + 1) >= VMRT_LINK_PATH)
		return vmrt_usage(state, "--link: '%s' is too long", equals + 1);
	o->needs_secret |= way.kind == VMRT_TRANSPORT_TCP;
	if (o->n_links == VMRT_RECORDER_VMS)
		return vmrt_usage(state, "--link: more than %d VMs", VMRT_RECORDER_VMS);
	*equals = '\0';
	o->links[o->n_links].vm = arg;
	o->links[o->n_links++].socket = equals + 1;
	return 0;
}

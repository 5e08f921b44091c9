/* SPDX-License-Identifier: MIT */
/* Parses the argument of --link. */
#include <string.h>

#include <vmrt/guest.h>
#include <vmrt/vms.h>

#include "collector/wire/transport.h"

enum vmrt_status vmrt_guest_link_parse(
	char *text, struct vmrt_guest_link *out, struct vmrt_error *err)
{
	char *equals = strchr(text, '=');
	struct vmrt_transport way;
	struct vmrt_error why;

	if (!equals || equals == text || !equals[1])
		return vmrt_fail(err, VMRT_EINVAL,
			"--link '%s': give VM=SOCKET, VM=vsock:CID, VM=tcp:HOST:PORT or "
			"VM=ssh:HOST",
			text);
	if (vmrt_transport_parse(equals + 1, &way, &why) != VMRT_OK)
		return vmrt_fail(err, VMRT_EINVAL, "--link: %s", why.text);
	if (strlen(equals + 1) >= VMRT_LINK_PATH)
		return vmrt_fail(err, VMRT_EINVAL, "--link: '%s' is too long", equals + 1);
	*equals = '\0';
	*out = (struct vmrt_guest_link){.vm = text,
		.way = equals + 1,
		.needs_secret = way.kind == VMRT_TRANSPORT_TCP,
		.is_ssh = way.kind == VMRT_TRANSPORT_SSH};
	return VMRT_OK;
}

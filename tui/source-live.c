/* SPDX-License-Identifier: MIT */
#include "source.h"
enum vmrt_status top_live_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err)
{
	(void)options; (void)out;
	return vmrt_fail(err, VMRT_EUNSUPPORTED, "not yet");
}

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_AGENT_SESSION_H
#define VMRT_COLLECTOR_AGENT_AGENT_SESSION_H

/* The inside of the agent, for agent.c and agent-buffers.c. */

#include <vmrt/tracer.h>

#include "collector/wire/link.h"

struct agent {
	int fd;
	struct vmrt_link_parser parser;
	struct vmrt_buf out, data;
	struct vmrt_tracer *tracer;
	enum vmrt_link_mode mode;
	bool sends_processes; /* the recorder asked for them */
	bool on;
	bool ending; /* the agent was asked to end, and has time until end_by to send what it holds
		      */
	int64_t end_by;
	int64_t checked_at, check_at;
	uint64_t fullest; /* bytes in the fullest buffer when it was looked at, after sending */
	struct vmrt_error err;
};

/* agent.c */

/** agent_send - end the message in @buf and send it */
enum vmrt_status agent_send(struct agent *agent, struct vmrt_buf *buf);

/** agent_send_text - a META of one text */
enum vmrt_status agent_send_text(struct agent *agent, enum vmrt_meta_kind kind, const char *text);

/* agent-buffers.c */

/**
 * agent_send_buffers - send what all buffers hold, and up to when that is
 * @since_ns: without sub-buffers that end before this time; INT64_MIN: all
 */
enum vmrt_status agent_send_buffers(struct agent *agent, int64_t since_ns);

/** agent_send_settings - SETTINGS: how the guest is set up (agent-settings.c) */
enum vmrt_status agent_send_settings(struct agent *agent);
enum vmrt_status agent_send_stats(struct agent *agent);
enum vmrt_status agent_send_names(struct agent *agent);

/** agent_check_buffers - when it is time to: are buffers so full that they have to be sent
 * early? */
enum vmrt_status agent_check_buffers(struct agent *agent);

#endif

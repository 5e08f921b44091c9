/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_AGENT_SESSION_H
#define VMRT_COLLECTOR_AGENT_AGENT_SESSION_H

/* Internal to the agent: agent.c, agent-buffers.c and agent-settings.c share this. */

#include <vmrt/tracer.h>

#include "collector/wire/link.h"

struct agent {
	int fd;
	struct vmrt_link_parser parser;
	struct vmrt_buf out, data;
	struct vmrt_tracer *tracer;
	enum vmrt_link_mode mode;
	bool sends_processes; /* the recorder asked for the list of processes */
	bool on;
	bool ending; /* the agent was asked to end, and has time until end_by to send the events
		      * that it holds
		      */
	int64_t end_by;
	int64_t checked_at, check_at;
	uint64_t fullest; /* bytes in the fullest buffer at the last check, after sending */
	struct vmrt_error err;
};

/* agent.c */

/** agent_send - end the message in @buf and send it */
enum vmrt_status agent_send(struct agent *agent, struct vmrt_buf *buf);

/** agent_send_text - send one text as a META message */
enum vmrt_status agent_send_text(struct agent *agent, enum vmrt_meta_kind kind, const char *text);

/* agent-buffers.c */

/**
 * agent_send_buffers - send the events of all buffers, and the time up to which all events are sent
 * @since_ns: sub-buffers that end before this time are not sent; INT64_MIN: all are sent
 */
enum vmrt_status agent_send_buffers(struct agent *agent, int64_t since_ns);

/** agent_send_settings - send SETTINGS, which say how the guest is set up (agent-settings.c) */
enum vmrt_status agent_send_settings(struct agent *agent);
enum vmrt_status agent_send_stats(struct agent *agent);
enum vmrt_status agent_send_names(struct agent *agent);

/** agent_send_full_buffers - if the time for a check has come: send the events early of buffers
 * that are nearly full */
enum vmrt_status agent_send_full_buffers(struct agent *agent);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_LIVE_H
#define VMRT_LIVE_H

/*
 * Events of this host and of its guests while they happen, as one sequence in host time;
 * <vmrt/recording.h> does the same with recordings. A live view works beside a recorder.
 * vmrt_live_close() removes everything that it made in the kernel and in the guests.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/engine.h>
#include <vmrt/event.h>
#include <vmrt/guest.h>
#include <vmrt/pump.h>

#define VMRT_LIVE_SILENCE_NS (2 * VMRT_NS_PER_S) /* for a person who watches a screen */

struct vmrt_live_options {
	const struct vmrt_experiment
		*experiment;		     /* its VMs; NULL: all that run. Kept by reference */
	const char *vm;			     /* only this VM, by name or pid:N; or NULL */
	unsigned port;			     /* of the agent's link: org.vmrt.agent.N */
	const struct vmrt_guest_link *links; /* ways to agents; kept by reference */
	size_t n_links;
	const char *secret_file;       /* for agents reached by TCP, or NULL */
	uint64_t buffer, guest_buffer; /* bytes per CPU */
	bool at_once;	    /* do not wait for agents: the host's events come first, and guests join
			       later, see vmrt_live_joined(). VMs of the experiment that do not run may
			       come later, see vmrt_live_stale() and vmrt_live_change(). Sessions that
			       break are begun again */
	int64_t silence_ns; /* a guest whose events are later than this is not waited for; 0:
			     * VMRT_LIVE_SILENCE_NS
			     */
	int64_t slack_ns; /* an event of a guest may come this much later than the guest says it has
			   * sent all: its vCPU was taken away in the middle of writing it */
};

struct vmrt_live;

/**
 * vmrt_live_open - find the VMs, and begin to trace on this host and in the guests
 * @out: end with vmrt_live_close()
 *
 * A guest whose agent does not answer within some seconds is left out; vmrt_live_note() says so.
 *
 * Return: VMRT_OK; VMRT_EPERM or VMRT_ENOENT without tracefs; VMRT_ENOENT if a VM does not run;
 * VMRT_EINTR if a stop was requested meanwhile.
 */
enum vmrt_status vmrt_live_open(
	const struct vmrt_live_options *options, struct vmrt_live **out, struct vmrt_error *err);

/** vmrt_live_config - the configuration for an engine; points into @live */
void vmrt_live_config(struct vmrt_live *live, struct vmrt_engine_config *config);

/**
 * vmrt_live_collect - take the events that the buffers hold and the guests have sent
 *
 * Events that were taken by an earlier call are dropped.
 *
 * Return: VMRT_OK, or why no more events can be taken.
 */
enum vmrt_status vmrt_live_collect(struct vmrt_live *live, struct vmrt_error *err);

/**
 * vmrt_live_joined - with options.at_once: has a guest joined since the last vmrt_live_config()?
 *
 * If so, free the old engine, call vmrt_live_config(), and make a new engine. Until then the
 * guest's events are kept.
 */
bool vmrt_live_joined(const struct vmrt_live *live);

/**
 * vmrt_live_stale - do other VMs run than those that @live knows?
 *
 * This reads all processes. If the result is true, call vmrt_live_change().
 */
bool vmrt_live_stale(const struct vmrt_live *live);

/**
 * vmrt_live_change - find the VMs that run now
 *
 * Free the old engine before the next vmrt_live_config(), which drops the VMs that have ended and
 * begins with the new ones. The other VMs and the host go on, and none of their events is lost.
 *
 * Return: VMRT_OK, or why the list of VMs did not change.
 */
enum vmrt_status vmrt_live_change(struct vmrt_live *live, struct vmrt_error *err);

/** vmrt_live_merge - the collected events, for vmrt_pump() */
struct vmrt_merge *vmrt_live_merge(struct vmrt_live *live);

/** vmrt_live_upto - host time up to which all events have been collected; VMRT_UNKNOWN at first */
int64_t vmrt_live_upto(const struct vmrt_live *live);

/** vmrt_live_vm - name of the VM that options.vm means, or NULL if that was NULL */
const char *vmrt_live_vm(const struct vmrt_live *live);

/** vmrt_live_note - the problems that there are at the moment, or "" */
void vmrt_live_note(const struct vmrt_live *live, char *buf, size_t room);

/** vmrt_live_crowd - vCPUs that were confined to one CPU together when the live view was opened, or
 * "" */
void vmrt_live_crowd(const struct vmrt_live *live, char *buf, size_t room);

/** vmrt_live_buffer - the most bytes that were found in the trace buffer of a CPU of the host, and
 * the size of such a buffer in bytes */
void vmrt_live_buffer(const struct vmrt_live *live, uint64_t *fill, uint64_t *size);

/** vmrt_live_close - stop tracing everywhere, and remove the instances; NULL is allowed */
void vmrt_live_close(struct vmrt_live *live);

#endif

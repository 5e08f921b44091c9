/* SPDX-License-Identifier: MIT */
#ifndef VMRT_ENGINE_H
#define VMRT_ENGINE_H

/*
 * The engine takes events in time order and gives records, each one once, when it is final.
 *
 * The memory of the engine grows with the number of threads, CPUs and servers, never with the
 * number of events. The engine does no I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/clock.h>
#include <vmrt/event.h>
#include <vmrt/processes.h>
#include <vmrt/record.h>
#include <vmrt/vms.h>

struct vmrt_engine_machine {
	const char *name; /* "host" first, then the guests */
	unsigned cpus;
	const struct vmrt_clockmap *clock; /* NULL: the machine has the host's clock */
	struct vmrt_processes processes[VMRT_PROCESSES_TIMES]; /* as far as they are known */
	int64_t record_error_ns; /* error of the clock of the machine's records: records of two CPUs
				    may come in the wrong order within twice this time; 0: the clock
				    is CLOCK_MONOTONIC */
};

struct vmrt_engine_vm {
	const char *name;
	uint32_t machine; /* index of the guest's recording, or VMRT_NONE if there is none */
	const struct vmrt_vm_thread *threads;
	size_t n_threads;
	bool selected; /* this is no VM, but threads that a server selects; the threads may be
			  tasks, too */
};

/* Everything pointed to must stay until the engine is freed. Machine 0 is the host. */
struct vmrt_engine_config {
	const struct vmrt_experiment *experiment; /* may be NULL: only slices and losses */
	const struct vmrt_engine_machine *machines;
	size_t n_machines;
	const struct vmrt_engine_vm *vms;
	size_t n_vms;
	int64_t start_ns, end_ns; /* of the recording, host clock; VMRT_UNKNOWN: taken from the
				     first and last event */
	const enum vmrt_release *waits; /* by task: what vmrt_engine_task_again() returned after an
					   earlier pass; or NULL */
	bool live; /* the events cannot be read again: what the engine finds out applies only from
		      then on */
	bool hsf;  /* servers were enforced: a server has no periods before its srv_start marker */
	bool tasks_are_found; /* nobody declared the tasks: they were found by how their threads
				 behave */
};

/* The functions that get the records. Each may be NULL. They are called from within
 * vmrt_engine_push() and vmrt_engine_finish(). */
struct vmrt_sink {
	void *ctx;
	void (*thread)(void *ctx, const struct vmrt_thread *thread);
	void (*slice)(void *ctx, const struct vmrt_slice *slice);
	void (*server)(void *ctx, const struct vmrt_server *server);
	void (*server_period)(void *ctx, const struct vmrt_server_period *period);
	void (*job)(void *ctx, const struct vmrt_job *job);
	void (*loss)(void *ctx, const struct vmrt_loss *loss);
	void (*violation)(void *ctx, const struct vmrt_violation *violation);
	void (*check)(void *ctx, const struct vmrt_check *check);
	void (*unmanaged)(void *ctx, const struct vmrt_unmanaged *unmanaged);
	void (*supply)(void *ctx, const struct vmrt_supply_point *point);
};

/* Counters of one machine. */
struct vmrt_machine_stats {
	uint64_t events;
	uint64_t lost; /* known number of lost events */
	uint64_t broken_chains;
	uint64_t inferred_switches;
	uint64_t contradictions; /* jobs whose times contradict each other */
	uint64_t unrecorded;   /* how often a CPU must have done more than it recorded, as its later
				  records show, though no counter reports a loss */
	uint64_t out_of_order; /* events whose time is before that of the event before them */
	uint64_t inside, outside;  /* guest: events while its vCPU thread ran (within the bound of
				      the clock's error), and while it did not run */
	uint64_t without_vcpu;	   /* guest: events on CPUs of which no vCPU thread is known */
	int64_t first_ns, last_ns; /* host clock; VMRT_UNKNOWN without events */
};

/* State of a server right now, for live views. */
struct vmrt_server_now {
	const struct vmrt_server *server;
	bool absent;  /* no thread of the server is known */
	bool stopped; /* the server's enforcer has ended, and no other has begun */
	/* The next times are those of the period in progress; VMRT_UNKNOWN: there is no such
	 * period, or the time is not known. */
	int64_t period_start_ns;
	int64_t consumed_ns, background_ns;
	int64_t depleted_ns; /* when the members were demoted in this period, or VMRT_UNKNOWN */
	bool depleted;
	bool running; /* a vCPU of the server is on a CPU */
	bool waiting; /* a vCPU of the server waits for a CPU */
};

struct vmrt_engine;

/**
 * vmrt_engine_new - make an engine
 * @config: kept by reference
 * @sink: copied
 * @out: free with vmrt_engine_free()
 *
 * Return: VMRT_OK, VMRT_EINVAL or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_engine_new(const struct vmrt_engine_config *config,
	const struct vmrt_sink *sink, struct vmrt_engine **out, struct vmrt_error *err);

/**
 * vmrt_engine_push - feed one event
 * @machine: index of the machine it comes from
 * @event: the event, times in that machine's clock
 * @host_ns: event->ts on the host's clock; must not be less than in the call before
 * @error_ns: bound of the error of @host_ns, 0 for the host
 *
 * Return: VMRT_OK or VMRT_ENOMEM, after which the engine can only be freed.
 */
enum vmrt_status vmrt_engine_push(struct vmrt_engine *engine, uint32_t machine,
	const struct vmrt_event *event, int64_t host_ns, int64_t error_ns);

/**
 * vmrt_engine_advance - nothing earlier than @host_ns will come any more
 *
 * For live views: server periods that have ended by @host_ns are given to the sink, and
 * vmrt_engine_server_now() returns the state at @host_ns, even if no event comes.
 */
void vmrt_engine_advance(struct vmrt_engine *engine, int64_t host_ns);

/**
 * vmrt_engine_clip - nothing is recorded of @cpu between @from_ns and @to_ns, though things may
 * have happened
 * @from_ns: VMRT_UNKNOWN: from the beginning of the recording
 * @to_ns: VMRT_UNKNOWN: from its last event until the end
 *
 * Call this before the first event behind @from_ns is pushed. The time becomes a loss of kind
 * clipped, and the records that overlap this loss are unknown.
 */
void vmrt_engine_clip(
	struct vmrt_engine *engine, uint32_t machine, unsigned cpu, int64_t from_ns, int64_t to_ns);

/**
 * vmrt_engine_losing - records of CPU @cpu of @machine are lost between its last event and its next
 * event; the next event will say how many
 *
 * After this call, what ends before the next event comes is unknown, too. A live view learns of the
 * loss only from this next event, so it cannot call this in time.
 */
void vmrt_engine_losing(struct vmrt_engine *engine, uint32_t machine, unsigned cpu);

/**
 * vmrt_engine_finish - the recording has ended: give the records that are still open
 * @end_ns: when it ended (host clock), or VMRT_UNKNOWN for the time of the last event
 */
enum vmrt_status vmrt_engine_finish(struct vmrt_engine *engine, int64_t end_ns);

/** vmrt_engine_stats - counters of @machine */
void vmrt_engine_stats(
	const struct vmrt_engine *engine, uint32_t machine, struct vmrt_machine_stats *out);

/* Losses that the records of a CPU show. */
struct vmrt_cpu_loss {
	uint64_t events;   /* events lost in losses of known size */
	uint64_t sizeless; /* number of losses of unknown size */
};

/** vmrt_engine_cpu_loss - the losses that the records of @cpu of @machine show */
struct vmrt_cpu_loss vmrt_engine_cpu_loss(
	const struct vmrt_engine *engine, uint32_t machine, unsigned cpu);

/**
 * vmrt_engine_task_release - how task @task was released, as declared or found out so far
 * @period_ns: the most frequent distance of its arrivals, or VMRT_UNKNOWN; may be NULL
 *
 * Return: the mechanism, or VMRT_RELEASE_AUTO if it is not known.
 */
enum vmrt_release vmrt_engine_task_release(
	const struct vmrt_engine *engine, uint32_t task, int64_t *period_ns);

/** vmrt_engine_cpu_last - when @cpu made its last record, or VMRT_UNKNOWN */
int64_t vmrt_engine_cpu_last(const struct vmrt_engine *engine, uint32_t machine, unsigned cpu);

/**
 * vmrt_engine_cpu_is_stuck - call after the last event: was @cpu idle at its last record although a
 * thread waited there, while the other CPUs of the machine recorded for more than 100 ms longer?
 * @from_ns: the time of the last record of @cpu
 */
bool vmrt_engine_cpu_is_stuck(
	const struct vmrt_engine *engine, uint32_t machine, unsigned cpu, int64_t *from_ns);

/**
 * vmrt_engine_silence_is_false - call after the last event: did the host record nothing for more
 * than a second and then a few more events, although a timer of a task was due in this second and
 * has not expired? Then the times of these last events are wrong.
 * @from_ns: the time of the last event before the silence
 */
bool vmrt_engine_silence_is_false(const struct vmrt_engine *engine, int64_t *from_ns);

/** vmrt_engine_task_seen - has a thread of task @task been seen? */
bool vmrt_engine_task_seen(const struct vmrt_engine *engine, uint32_t task);

#define VMRT_TASK_CONTRADICTION_MAX 400

/* What makes the numbers of a task uncertain. */
struct vmrt_task_contradiction {
	int64_t missing; /* how many jobs there may have been that are not listed */
	char text[VMRT_TASK_CONTRADICTION_MAX]; /* for people; empty: there is no doubt */
};

/** vmrt_engine_task_contradiction - do the facts found out about task @task contradict each other,
 * or what was declared? */
void vmrt_engine_task_contradiction(
	const struct vmrt_engine *engine, uint32_t task, struct vmrt_task_contradiction *out);

/** vmrt_engine_server_members - how many threads server @index of the experiment has */
size_t vmrt_engine_server_members(const struct vmrt_engine *engine, size_t index);

/**
 * vmrt_engine_task_again - must the recording be read again to get the jobs of task @task right?
 *
 * It must if the engine found out only after some of the jobs what releases the task.
 *
 * Return: the mechanism for struct vmrt_engine_config.waits, or VMRT_RELEASE_AUTO if the jobs that
 * were given are complete.
 */
enum vmrt_release vmrt_engine_task_again(const struct vmrt_engine *engine, uint32_t task);

/** vmrt_engine_server_now - state of server @index when its members changed last, or at the last
 * advance */
void vmrt_engine_server_now(
	const struct vmrt_engine *engine, size_t index, struct vmrt_server_now *out);

/**
 * vmrt_engine_task_open - is a job of task @task in progress? For live views
 * @deadline_ns: the job's absolute deadline, host clock
 *
 * Return: true if a job has arrived and not ended.
 */
bool vmrt_engine_task_open(const struct vmrt_engine *engine, uint32_t task, int64_t *deadline_ns);

/* What a followed thread does right now, for live views. */
struct vmrt_thread_now {
	bool running, ready; /* ready: it waits for a CPU */
	uint16_t cpu;
	int prio;	  /* as in struct vmrt_slice */
	int64_t since_ns; /* when it began to run or to wait, host clock; VMRT_UNKNOWN: not known */
};

/**
 * vmrt_engine_thread_now - what a thread does
 * @machine, @tid: of a struct vmrt_thread that the sink was given
 *
 * Return: false if the engine does not follow the thread, or follows it no longer.
 */
bool vmrt_engine_thread_now(const struct vmrt_engine *engine, uint32_t machine, int32_t tid,
	struct vmrt_thread_now *out);

/**
 * vmrt_engine_supply_now - the supply curve of server @index so far
 * @out: room for @room points, by length
 *
 * Return: how many points there are; the lengths without a judged window are left out.
 */
size_t vmrt_engine_supply_now(
	const struct vmrt_engine *engine, size_t index, struct vmrt_supply_point *out, size_t room);

/**
 * vmrt_engine_unmanaged_now - how VM @vm, which no server manages, has been scheduled so far
 *
 * Return: false if nothing is known of its scheduling.
 */
bool vmrt_engine_unmanaged_now(struct vmrt_engine *engine, size_t vm, struct vmrt_unmanaged *out);

/** vmrt_engine_free - free @engine; NULL is allowed; open records are dropped */
void vmrt_engine_free(struct vmrt_engine *engine);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_RECORDING_LOCAL_H
#define VMRT_PARSER_SOURCE_RECORDING_LOCAL_H

/* What opening a recording (recording-open.c) and merging its machines (recording.c) share. */

#include <vmrt/recording.h>

#include "horizon.h"
#include "merge.h"
#include "parser/clock/record-clock.h"

#define RECORDING_MACHINES 64
#define RECORDING_PATH 4096

/* One file being read: number 0 is the host's. */
struct source {
	struct merge_input in;
	char name[VMRT_NAME_MAX];
	char path[RECORDING_PATH];
	struct vmrt_dat *dat;
	struct vmrt_clockmap map; /* of a guest */
	const struct vmrt_manifest_vm *vm;
	struct vmrt_processes processes[VMRT_PROCESSES_TIMES];
	struct vmrt_record_clock record_clock;
	int64_t record_error_ns;       /* largest error of its times as CLOCK_MONOTONIC */
	bool ended_early;	       /* its recording ends before those of the others */
	bool *cpus_ended;	       /* by CPU: its recording ended early; or NULL */
	struct stream_late_pages late; /* found in an earlier reading */
	char note[256];
	struct followed *followed; /* only for a recording in progress, else NULL */
};

struct vmrt_recording {
	bool tasks_are_found;			      /* tasks were found, and not declared */
	const struct vmrt_recording_options *options; /* only while it is being opened */
	int (*stop)(void);			      /* or NULL */
	struct vmrt_manifest *manifest;
	struct vmrt_experiment *exp;
	char *exp_text;
	struct source sources[RECORDING_MACHINES];
	size_t n;
	bool without_host; /* the host's recording could not be read */
	struct merge_input *inputs[RECORDING_MACHINES];
	struct vmrt_merge merge;
	struct vmrt_engine_machine machines[RECORDING_MACHINES];
	struct vmrt_engine_vm vms[RECORDING_MACHINES];
	size_t n_vms;
	struct horizon horizon;
	int64_t begin_ns; /* events before this time belong to another time; or VMRT_UNKNOWN */
	int64_t cut_ns;	  /* events after this time have wrong times; or VMRT_UNKNOWN */
	bool again;	  /* files and clocks belong to another recording: vmrt_recording_again() */
	int64_t again_ns; /* in that case, events before this time are left out */
	struct following *following; /* only if its recorder is still writing it; else NULL */
	struct vmrt_vm_thread *made[RECORDING_MACHINES]; /* thread lists made from GUEST options */
};

/** recording_open_files - the experiment, all files, the VMs and their clocks; @rec->options say
 * which */
enum vmrt_status recording_open_files(struct vmrt_recording *rec, struct vmrt_error *err);

/** recording_split_servers - split each server of a VM with several vCPUs into one for each vCPU,
 * unless the enforcer that was recorded did otherwise (split-servers.c) */
enum vmrt_status recording_split_servers(struct vmrt_recording *rec, struct vmrt_error *err);

/** recording_begin_at - leave out the pages of @s, just opened, that lie a second or more before
 * host time @from_ns */
void recording_begin_at(struct source *s, int64_t from_ns);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * compare-tracecmd FILE...: reads recordings with libtracecmd and with vmrt and compares: the same
 * events on the same CPUs in the same order at the same times, with the same threads and names, and
 * the same vCPUs of guests. Prints what was compared; exits with 1 at the first difference.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>

#include <vmrt/dat.h>

#define ROUNDING_NS 1 /* of a shifted time */

static const char *file;

static _Noreturn void differ(const char *what, uint64_t number, long long theirs, long long ours)
{
	printf("%s: event %" PRIu64 ": %s: libtracecmd %lld, vmrt %lld\n", file, number, what,
		theirs, ours);
	exit(1);
}

static const char *name_of(enum vmrt_event_type type)
{
	static const char *const names[VMRT_EV_TYPES] = {[VMRT_EV_SWITCH] = "sched_switch",
		[VMRT_EV_WAKING] = "sched_waking",
		[VMRT_EV_WAKEUP] = "sched_wakeup",
		[VMRT_EV_WAKEUP_NEW] = "sched_wakeup_new",
		[VMRT_EV_MIGRATE] = "sched_migrate_task",
		[VMRT_EV_EXEC] = "sched_process_exec",
		[VMRT_EV_EXIT] = "sched_process_exit",
		[VMRT_EV_FORK] = "sched_process_fork",
		[VMRT_EV_TIMER_START] = "hrtimer_start",
		[VMRT_EV_TIMER_CANCEL] = "hrtimer_cancel",
		[VMRT_EV_TIMER_EXPIRE] = "hrtimer_expire_entry",
		[VMRT_EV_MARK] = "print"};

	return names[type];
}

static void field(struct tep_event *event, struct tep_record *record, const char *name, uint64_t n,
	int64_t ours)
{
	unsigned long long value;

	if (tep_get_field_val(NULL, event, name, record, &value, 0) != 0)
		differ(name, n, -1, ours);
	if ((int64_t)value != ours && (uint32_t)value != (uint32_t)ours)
		differ(name, n, (long long)value, ours);
}

static void fields(struct tep_event *event, struct tep_record *record, uint64_t n,
	const struct vmrt_event *ours)
{
	switch (ours->type) {
	case VMRT_EV_SWITCH:
		field(event, record, "prev_pid", n, ours->sw.prev_pid);
		field(event, record, "next_pid", n, ours->sw.next_pid);
		field(event, record, "prev_prio", n, ours->sw.prev_prio);
		field(event, record, "next_prio", n, ours->sw.next_prio);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		field(event, record, "pid", n, ours->wake.pid);
		field(event, record, "target_cpu", n, ours->wake.target_cpu);
		break;
	case VMRT_EV_TIMER_START:
		field(event, record, "hrtimer", n, (int64_t)ours->timer.timer);
		field(event, record, "expires", n, ours->timer.expires);
		break;
	default:
		break;
	}
}

/* What the samples of TIME_SHIFT make of a time: straight lines between them, and beyond the last
 * two. */
static int64_t shifted(const struct vmrt_dat *dat, int64_t ts)
{
	const struct vmrt_dat_shift *s;
	uint64_t peer;
	size_t n, i;

	s = vmrt_dat_shifts(dat, &n, &peer);
	if (n < 2)
		return ts + (n ? s[0].offset_ns : 0);
	for (i = 0; i + 2 < n && ts >= s[i + 1].local_ns; i++)
		;
	return ts + s[i].offset_ns +
	       (ts - s[i].local_ns) * (s[i + 1].offset_ns - s[i].offset_ns) /
		       (s[i + 1].local_ns - s[i].local_ns);
}

static void same(struct tep_handle *tep, struct tep_record *record, uint64_t n,
	const struct vmrt_event *ours, int64_t ts)
{
	struct tep_event *event = tep_find_event_by_record(tep, record);
	const char *name = name_of(ours->type);

	if (llabs((int64_t)record->ts - ts) > ROUNDING_NS)
		differ("time", n, (long long)record->ts, ts);
	if (tep_data_pid(tep, record) != ours->pid)
		differ("common_pid", n, tep_data_pid(tep, record), ours->pid);
	if (!event)
		differ("format", n, 0, 1);
	if (name && strcmp(event->name, name) != 0)
		differ(event->name, n, event->id, ours->type);
	fields(event, record, n, ours);
}

/* The merged order, CPU by CPU: of two events of one time on two CPUs either may come first. */
static uint64_t compare_events(
	struct tracecmd_input *theirs, const struct vmrt_dat *dat, struct vmrt_stream *ours)
{
	struct tep_handle *tep = tracecmd_get_tep(theirs);
	uint64_t n = 0;
	struct vmrt_error err;
	struct vmrt_event event;
	int64_t last = INT64_MIN;
	int got;

	while ((got = vmrt_stream_next(ours, &event, &err)) != 0) {
		struct tep_record *record;

		if (got < 0) {
			printf("%s: %s\n", file, err.text);
			exit(1);
		}
		record = tracecmd_read_data(theirs, event.cpu);
		if (!record)
			differ("missing on CPU", n, -1, event.cpu);
		if (event.ts < last)
			differ("order", n, last, event.ts);
		last = event.ts;
		same(tep, record, n++, &event, shifted(dat, event.ts));
		tracecmd_free_record(record);
	}
	for (int cpu = 0; cpu < tep_get_cpus(tracecmd_get_tep(theirs)); cpu++) {
		struct tep_record *record = tracecmd_read_data(theirs, cpu);

		if (record)
			differ("one more on CPU", n, cpu, -1);
	}
	return n;
}

static void compare_guests(struct tracecmd_input *theirs, const struct vmrt_dat *ours)
{
	const struct vmrt_dat_guest *guests;
	size_t n;

	guests = vmrt_dat_guests(ours, &n);
	for (size_t i = 0; i < n; i++) {
		const char *name;
		const int *tids;
		int cpus;

		if (tracecmd_get_guest_cpumap(theirs, guests[i].trace_id, &name, &cpus, &tids) !=
				0 ||
			strcmp(name, guests[i].name) != 0 || (unsigned)cpus != guests[i].n_vcpus)
			differ("guest", i, -1, (long long)guests[i].trace_id);
		for (int cpu = 0; cpu < cpus; cpu++)
			if (tids[cpu] != guests[i].vcpu_tids[cpu])
				differ("thread of a vCPU", (uint64_t)cpu, tids[cpu],
					guests[i].vcpu_tids[cpu]);
		printf("%s: guest %s, %d vCPUs\n", file, name, cpus);
	}
}

/* Every thread that is named by an event has a name. */
static void check_names(struct tracecmd_input *theirs, const struct vmrt_dat *dat)
{
	struct tep_handle *tep = tracecmd_get_tep(theirs);
	struct vmrt_stream *stream;
	struct vmrt_event event;

	if (vmrt_stream_open(dat, &stream, NULL) != VMRT_OK)
		return;
	while (vmrt_stream_next(stream, &event, NULL) > 0)
		if (!strcmp(tep_data_comm_from_pid(tep, event.pid), "<...>"))
			differ("a thread without a name", 0, event.pid, event.pid);
	vmrt_stream_free(stream);
}

static void compare(void)
{
	struct tracecmd_input *theirs = tracecmd_open(file, TRACECMD_FL_LOAD_NO_PLUGINS);
	const struct vmrt_dat_info *info;
	struct vmrt_stream *stream;
	struct vmrt_error err;
	struct vmrt_dat *dat;

	if (!theirs) {
		printf("%s: libtracecmd cannot open it\n", file);
		exit(1);
	}
	if (vmrt_dat_open(file, &dat, &err) != VMRT_OK ||
		vmrt_stream_open(dat, &stream, &err) != VMRT_OK) {
		printf("%s\n", err.text);
		exit(1);
	}
	info = vmrt_dat_info(dat);
	if ((unsigned)tep_get_cpus(tracecmd_get_tep(theirs)) != info->cpus)
		differ("CPUs", 0, tep_get_cpus(tracecmd_get_tep(theirs)), info->cpus);
	if (tracecmd_get_traceid(theirs) != info->trace_id)
		differ("TRACEID", 0, (long long)tracecmd_get_traceid(theirs),
			(long long)info->trace_id);
	printf("%s: %" PRIu64 " events\n", file, compare_events(theirs, dat, stream));
	compare_guests(theirs, dat);
	check_names(theirs, dat);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
	tracecmd_close(theirs);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 64;
	for (int i = 1; i < argc; i++) {
		file = argv[i];
		compare();
	}
	return 0;
}

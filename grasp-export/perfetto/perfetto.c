/* SPDX-License-Identifier: MIT */
/* Writes tracks, jobs, slices and budgets as packets of a Perfetto trace. */
#include "perfetto.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/progress.h>
#include <vmrt/tool.h>
#include <vmrt/utf8.h>

#include "trace.pb-c.h"

#define NAME 128
#define ANNOTATIONS 12
#define PACKET_ROOM                                                                                \
	(ANNOTATIONS * 2 * NAME + 8 * NAME) /* more than any packet needs: names are cut */
#define LENGTH_DELIMITED_PACKET 0x0a	    /* field 1 of Trace, a message */
#define BEGINS_SEQUENCE 1		    /* SEQ_INCREMENTAL_STATE_CLEARED */
#define EXPLICIT_ORDER 3

/* What a track is; part of its id. */
enum kind { MACHINE = 1, CPU, THREAD, JOBS, RELEASES, SERVER };

struct writer {
	FILE *out;
	uint8_t buffer[PACKET_ROOM];
	const struct vmrt_timeline *tl;
	uint32_t machine; /* index of the machine that the next packets are of */
	bool begun[256];  /* by machine: its sequence of packets is begun */
	bool failed;
};

static uint64_t uuid(enum kind kind, size_t machine, size_t index)
{
	return ((uint64_t)machine + 1) << 48 | (uint64_t)kind << 40 | (uint64_t)index;
}

static void put_packet(struct writer *w, Pf__TracePacket *packet)
{
	uint8_t head[12];
	size_t size, n = 0;

	packet->has_trusted_packet_sequence_id = true;
	packet->trusted_packet_sequence_id = w->machine + 1;
	/* the host is machine 0, and a packet without a machine id is of machine 0 */
	packet->has_machine_id = w->machine > 0;
	packet->machine_id = w->machine;
	if (w->machine < sizeof(w->begun) && !w->begun[w->machine]) {
		w->begun[w->machine] = true;
		packet->has_sequence_flags = true;
		packet->sequence_flags = BEGINS_SEQUENCE;
	}
	/* asking for the size first would take as long as packing */
	size = pf__trace_packet__pack(packet, w->buffer);
	head[n++] = LENGTH_DELIMITED_PACKET;
	for (size_t rest = size;; rest >>= 7) {
		head[n++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
		if (rest <= 0x7f)
			break;
	}
	fwrite_unlocked(head, 1, n, w->out);
	fwrite_unlocked(w->buffer, 1, size, w->out);
}

/* Copies a name from outside as valid UTF-8, which protobuf needs, and without control
 * characters. */
static char *clean(const char *text, char *buf)
{
	size_t n = 0;
	uint32_t c;

	for (const char *from = text; n + 5 < NAME && (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c))
			buf[n++] = '?';
		else
			while (from < text)
				buf[n++] = *from++;
	}
	buf[n] = '\0';
	return buf;
}

/* Writes a track below @parent, and what it shows: a @thread, a @counter, or nothing of both. */
static void put_track(struct writer *w, uint64_t id, uint64_t parent, const char *name, int rank,
	Pf__ThreadDescriptor *thread, Pf__CounterDescriptor *counter)
{
	Pf__TracePacket packet = PF__TRACE_PACKET__INIT;
	Pf__TrackDescriptor track = PF__TRACK_DESCRIPTOR__INIT;
	char buf[NAME];

	track.has_uuid = true;
	track.uuid = id;
	track.has_parent_uuid = parent != 0;
	track.parent_uuid = parent;
	track.name = clean(name, buf);
	track.has_child_ordering = true;
	track.child_ordering = EXPLICIT_ORDER;
	track.has_sibling_order_rank = true;
	track.sibling_order_rank = rank;
	track.thread = thread;
	track.counter = counter;
	packet.track_descriptor = &track;
	put_packet(w, &packet);
}

struct event {
	Pf__TrackEvent message;
	Pf__DebugAnnotation annotations[ANNOTATIONS], *list[ANNOTATIONS];
	char words[ANNOTATIONS][NAME], name[NAME];
	uint64_t flow;
};

static void begin(struct event *e, Pf__TrackEvent__Type type, uint64_t track, const char *name)
{
	pf__track_event__init(&e->message);
	e->message.has_type = true;
	e->message.type = type;
	e->message.has_track_uuid = true;
	e->message.track_uuid = track;
	if (name)
		e->message.name = clean(name, e->name);
	e->message.debug_annotations = e->list;
}

static Pf__DebugAnnotation *annotate(struct event *e, const char *name)
{
	size_t n = e->message.n_debug_annotations++;
	Pf__DebugAnnotation *a = &e->annotations[n];

	pf__debug_annotation__init(a);
	a->name = (char *)(uintptr_t)name;
	e->list[n] = a;
	return a;
}

static void add_int(struct event *e, const char *name, int64_t value)
{
	Pf__DebugAnnotation *a;

	if (value == VMRT_UNKNOWN)
		return;
	a = annotate(e, name);
	a->has_int_value = true;
	a->int_value = value;
}

static void add_text(struct event *e, const char *name, const char *text)
{
	size_t n = e->message.n_debug_annotations;

	annotate(e, name)->string_value = clean(text, e->words[n]);
}

static void put_event(struct writer *w, struct event *e, int64_t at)
{
	Pf__TracePacket packet = PF__TRACE_PACKET__INIT;

	packet.has_timestamp = true;
	packet.timestamp = (uint64_t)at;
	packet.track_event = &e->message;
	put_packet(w, &packet);
}

static void put_slice(struct writer *w, struct event *e, int64_t from, int64_t to)
{
	uint64_t track = e->message.track_uuid;

	put_event(w, e, from);
	begin(e, PF__TRACK_EVENT__TYPE__TYPE_SLICE_END, track, NULL);
	put_event(w, e, to);
}

static size_t machine_index(const struct vmrt_timeline *tl, int64_t id)
{
	for (size_t i = 0; i < tl->n_machines; i++)
		if (tl->machines[i].id == id)
			return i;
	return 0;
}

static size_t host_index(const struct vmrt_timeline *tl)
{
	for (size_t i = 0; i < tl->n_machines; i++)
		if (tl->machines[i].host)
			return i;
	return 0;
}

/* Writes the track of a machine, whose name has the error of the machine's clock. The error is also
 * in an event at the begin of the track, where programs can read it. */
static void put_machine(struct writer *w, size_t m)
{
	const struct vmrt_tl_machine *machine = &w->tl->machines[m];
	char name[NAME], error[VMRT_UNITS_TEXT];
	struct event e;

	if (machine->host)
		snprintf(name, sizeof(name), "%.90s", machine->name);
	else if (machine->error == VMRT_UNKNOWN)
		snprintf(name, sizeof(name), "%.60s (guest, clock error not known)", machine->name);
	else
		snprintf(name, sizeof(name), "%.60s (guest, clock error <= %s)", machine->name,
			vmrt_format_duration(machine->error, error));
	w->machine = (uint32_t)m;
	put_track(w, uuid(MACHINE, m, 0), 0, name, (int)m, NULL, NULL);
	for (int64_t cpu = 0; cpu < machine->cpus && cpu < 1024; cpu++) {
		snprintf(name, sizeof(name), "%.90s CPU %lld", machine->name, (long long)cpu);
		put_track(w, uuid(CPU, m, (size_t)cpu), uuid(MACHINE, m, 0), name, (int)cpu, NULL,
			NULL);
	}
	begin(&e, PF__TRACK_EVENT__TYPE__TYPE_INSTANT, uuid(MACHINE, m, 0), "clock map");
	add_text(&e, "run", w->tl->name);
	add_text(&e, "machine", machine->name);
	add_int(&e, "clock_error_ns", machine->error);
	put_event(w, &e, w->tl->from);
}

static int64_t part_of(const struct vmrt_timeline *tl, int64_t ns)
{
	return ns < tl->from ? tl->from : ns > tl->to ? tl->to : ns;
}

/* Writes the times in which a thread ran, on a track of its own. */
static void put_spans(struct writer *w, const struct vmrt_spans *spans, uint64_t track)
{
	struct event e;

	for (size_t i = 0; i < spans->n; i++) {
		const struct vmrt_span *s = &spans->all[i];

		begin(&e, PF__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN, track, "runs");
		add_int(&e, "cpu", s->cpu);
		add_text(&e, "ended", s->end_state ? "slept" : "preempted");
		put_slice(w, &e, part_of(w->tl, s->start), part_of(w->tl, s->end));
	}
}

/* A time in which a CPU ran a thread. */
struct run {
	int64_t start, end;
	int32_t cpu;
	const char *name;
};

static int by_cpu_and_time(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

static void collect(struct writer *w, const struct vmrt_spans *spans, const char *name,
	struct run **runs, size_t *n, size_t *room)
{
	for (size_t i = 0; i < spans->n; i++) {
		if (*n == *room) {
			size_t more = *room ? *room * 2 : 1024;
			struct run *all = realloc(*runs, more * sizeof(*all));

			if (!all) {
				w->failed = true;
				return;
			}
			*runs = all;
			*room = more;
		}
		(*runs)[(*n)++] = (struct run){part_of(w->tl, spans->all[i].start),
			part_of(w->tl, spans->all[i].end), spans->all[i].cpu, name};
	}
}

/* Writes which thread each CPU of a machine ran. The slices of one track must follow one another
 * even if two of them have the same time, so they are written in order. */
static void put_cpus(struct writer *w, size_t m)
{
	const struct vmrt_timeline *tl = w->tl;
	struct run *runs = NULL;
	size_t n = 0, room = 0;
	struct event e;

	for (size_t t = 0; t < tl->n_tasks; t++)
		if (tl->tasks[t].machine == tl->machines[m].id)
			collect(w, &tl->tasks[t].spans, tl->tasks[t].name, &runs, &n, &room);
	for (size_t v = 0; tl->machines[m].host && v < tl->n_vcpus; v++)
		collect(w, &tl->vcpus[v].spans, tl->vcpus[v].name, &runs, &n, &room);
	if (n)
		qsort(runs, n, sizeof(*runs), by_cpu_and_time);
	w->machine = (uint32_t)m;
	for (size_t i = 0; i < n; i++) {
		/* the clock's error may make two threads seem to overlap */
		if (i && runs[i].cpu == runs[i - 1].cpu && runs[i].start < runs[i - 1].end)
			runs[i].start = runs[i - 1].end;
		if (runs[i].end < runs[i].start)
			runs[i].end = runs[i].start;
		if (runs[i].cpu >= tl->machines[m].cpus)
			continue;
		begin(&e, PF__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN,
			uuid(CPU, m, (size_t)runs[i].cpu), runs[i].name);
		put_slice(w, &e, runs[i].start, runs[i].end);
	}
	free(runs);
}

static void put_release(struct writer *w, size_t machine, size_t t, const struct vmrt_tl_job *j)
{
	const struct vmrt_tl_task *task = &w->tl->tasks[t];
	struct event e;
	char name[NAME];

	if (j->arrival == VMRT_UNKNOWN)
		return;
	snprintf(name, sizeof(name), "release %lld", (long long)j->k);
	begin(&e, PF__TRACK_EVENT__TYPE__TYPE_INSTANT, uuid(RELEASES, machine, t), name);
	add_int(&e, "deadline_ns", j->deadline);
	add_int(&e, "timer_expired_ns", j->release);
	add_int(&e, "period_ns", task->period);
	e.flow = ((uint64_t)t + 1) << 40 | (uint64_t)(j->k & 0xffffffffff);
	e.message.n_flow_ids = 1;
	e.message.flow_ids = &e.flow;
	put_event(w, &e, part_of(w->tl, j->arrival));
}

static void put_miss(struct writer *w, size_t machine, size_t t, const struct vmrt_tl_job *j)
{
	struct event e;

	if (j->deadline == VMRT_UNKNOWN ||
		(j->outcome != VMRT_OUTCOME_MISSED && j->outcome != VMRT_OUTCOME_INCOMPLETE))
		return;
	begin(&e, PF__TRACK_EVENT__TYPE__TYPE_INSTANT, uuid(RELEASES, machine, t), "MISS");
	add_int(&e, "job", j->k);
	if (j->cause >= 0)
		add_text(&e, "cause", w->tl->causes[j->cause]);
	put_event(w, &e, part_of(w->tl, j->deadline));
}

/* Writes a job as a slice from its begin to its end. Slices of a track must not overlap. So the
 * slice of a job that had to wait for an earlier job of its task begins where the earlier job
 * ended; the arrival is an argument of the slice. */
static void put_job(struct writer *w, size_t machine, size_t t, size_t j, int64_t *busy_to)
{
	const struct vmrt_tl_task *task = &w->tl->tasks[t];
	const struct vmrt_tl_job *job = &task->jobs[j];
	int64_t from = vmrt_job_begin(job), to = job->end;
	struct event e;
	char name[NAME];

	put_release(w, machine, t, job);
	put_miss(w, machine, t, job);
	if (to == VMRT_UNKNOWN)
		to = j + 1 < task->n_jobs && vmrt_job_begin(&task->jobs[j + 1]) != VMRT_UNKNOWN
			     ? vmrt_job_begin(&task->jobs[j + 1])
			     : w->tl->to;
	if (from == VMRT_UNKNOWN)
		from = to;
	from = from < *busy_to ? *busy_to : from;
	to = to < from ? from : to;
	*busy_to = to;
	snprintf(name, sizeof(name), "job %lld: %s", (long long)job->k,
		vmrt_outcome_word((enum vmrt_outcome)job->outcome));
	begin(&e, PF__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN, uuid(JOBS, machine, t), name);
	add_int(&e, "job", job->k);
	add_int(&e, "arrival_ns", job->arrival);
	add_int(&e, "start_ns", job->start);
	add_int(&e, "end_ns", job->end);
	add_int(&e, "deadline_ns", job->deadline);
	add_int(&e, "response_ns", job->response);
	add_int(&e, "exec_ns", job->exec);
	add_int(&e, "preemptions", job->preemptions);
	add_text(&e, "outcome", vmrt_outcome_word((enum vmrt_outcome)job->outcome));
	if (job->cause >= 0)
		add_text(&e, "cause", w->tl->causes[job->cause]);
	if (job->arrival != VMRT_UNKNOWN) {
		e.flow = ((uint64_t)t + 1) << 40 | (uint64_t)(job->k & 0xffffffffff);
		e.message.n_terminating_flow_ids = 1;
		e.message.terminating_flow_ids = &e.flow;
	}
	put_slice(w, &e, part_of(w->tl, from), part_of(w->tl, to));
}

static void put_thread_track(
	struct writer *w, size_t machine, size_t index, int64_t tid, const char *name, int rank)
{
	Pf__ThreadDescriptor thread = PF__THREAD_DESCRIPTOR__INIT;
	char buf[NAME];
	bool known = tid > 0 && tid <= INT32_MAX;

	thread.has_pid = thread.has_tid = true;
	thread.pid = thread.tid = (int32_t)(known ? tid : 0);
	thread.thread_name = clean(name, buf);
	put_track(w, uuid(THREAD, machine, index), known ? 0 : uuid(MACHINE, machine, 0), name,
		rank, known ? &thread : NULL, NULL);
}

static void put_task(struct writer *w, size_t t)
{
	const struct vmrt_tl_task *task = &w->tl->tasks[t];
	size_t machine = machine_index(w->tl, task->machine);
	int64_t busy_to = w->tl->from;
	char name[NAME];

	w->machine = (uint32_t)machine;
	put_thread_track(w, machine, t, task->tid, task->name, 100 + (int)t);
	snprintf(name, sizeof(name), "%.90s jobs", task->name);
	put_track(w, uuid(JOBS, machine, t), uuid(MACHINE, machine, 0), name, 200 + 2 * (int)t,
		NULL, NULL);
	snprintf(name, sizeof(name), "%.90s releases and misses", task->name);
	put_track(w, uuid(RELEASES, machine, t), uuid(MACHINE, machine, 0), name, 201 + 2 * (int)t,
		NULL, NULL);
	for (size_t j = 0; j < task->n_jobs && !vmrt_stop_requested(); j++) {
		put_job(w, machine, t, j, &busy_to);
		vmrt_progress_share("writing", (int64_t)(t * task->n_jobs + j),
			(int64_t)(w->tl->n_tasks * task->n_jobs));
	}
	put_spans(w, &task->spans, uuid(THREAD, machine, t));
}

static void put_vcpu(struct writer *w, size_t v)
{
	const struct vmrt_tl_vcpu *vcpu = &w->tl->vcpus[v];
	size_t host = host_index(w->tl), index = w->tl->n_tasks + v;

	w->machine = (uint32_t)host;
	put_thread_track(w, host, index, vcpu->tid, vcpu->name, 100 + (int)v);
	put_spans(w, &vcpu->spans, uuid(THREAD, host, index));
}

static enum vmrt_status put_server(struct writer *w, size_t s)
{
	const struct vmrt_tl_server *server = &w->tl->servers[s];
	size_t host = host_index(w->tl), n;
	Pf__CounterDescriptor counter = PF__COUNTER_DESCRIPTOR__INIT;
	char name[NAME], unit[] = "ms";
	struct vmrt_tl_point *points;
	struct event e;

	if (!server->enforced)
		return VMRT_OK;
	if (vmrt_timeline_budget(w->tl, s, &points, &n) != VMRT_OK)
		return VMRT_ENOMEM;
	w->machine = (uint32_t)host;
	counter.unit_name = unit;
	snprintf(name, sizeof(name), "server %.90s budget", server->name);
	put_track(w, uuid(SERVER, host, s), uuid(MACHINE, host, 0), name, 300 + (int)s, NULL,
		&counter);
	for (size_t i = 0; i < n; i++) {
		if (points[i].at < w->tl->from || points[i].at > w->tl->to)
			continue;
		begin(&e, PF__TRACK_EVENT__TYPE__TYPE_COUNTER, uuid(SERVER, host, s), NULL);
		e.message.has_double_counter_value = true;
		e.message.double_counter_value = (double)points[i].left / 1e6;
		put_event(w, &e, points[i].at);
	}
	free(points);
	return VMRT_OK;
}

enum vmrt_status perfetto_write(const struct vmrt_timeline *tl, FILE *out, struct vmrt_error *err)
{
	struct writer w;

	memset(&w, 0, sizeof(w));
	w.out = out;
	w.tl = tl;
	for (size_t m = 0; m < tl->n_machines; m++) {
		put_machine(&w, m);
		put_cpus(&w, m);
	}
	for (size_t v = 0; v < tl->n_vcpus && !vmrt_stop_requested(); v++)
		put_vcpu(&w, v);
	for (size_t s = 0; s < tl->n_servers && !vmrt_stop_requested(); s++)
		w.failed = put_server(&w, s) != VMRT_OK || w.failed;
	for (size_t t = 0; t < tl->n_tasks && !vmrt_stop_requested(); t++)
		put_task(&w, t);
	if (vmrt_stop_requested())
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	return w.failed ? vmrt_fail(err, VMRT_ENOMEM, "out of memory") : VMRT_OK;
}

/* SPDX-License-Identifier: MIT */
/* Makes the tables at the beginning of a report: what was recorded, what is missing, and how
 * exactly the clocks are known. */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define RUN_COLUMNS(X)                                                                             \
	VMRT_DATA(X, origin, TEXT, f->origin)                                                      \
	VMRT_DATA(X, uuid, TEXT, f->uuid)                                                          \
	VMRT_DATA(X, recorded_at, TEXT, f->recorded_at)                                            \
	VMRT_DATA(X, hostname, TEXT, f->hostname)                                                  \
	VMRT_DATA(X, kernel, TEXT, h ? h->kernel : NULL)                                           \
	VMRT_DATA(X, duration_ns, NS, duration)                                                    \
	VMRT_DATA(X, hsf, BOOL, f->hsf)                                                            \
	VMRT_DATA(X, command, TEXT, f->command)                                                    \
	VMRT_DATA(X, command_status, COUNT, f->command_status)                                     \
	VMRT_DATA(X, vmrt_version, TEXT, f->version)

static const struct vmrt_column run_columns[] = {RUN_COLUMNS(VMRT_COLUMN)};

#define VM_COLUMNS(X)                                                                              \
	VMRT_DATA(X, vm, TEXT, vm->name)                                                           \
	VMRT_DATA(X, hypervisor, TEXT, vm->hypervisor)                                             \
	VMRT_DATA(X, accel, TEXT, vm->accel)                                                       \
	VMRT_DATA(X, recorded, BOOL, m != NULL)                                                    \
	VMRT_DATA(X, kernel, TEXT, m ? m->kernel : NULL)                                           \
	VMRT_DATA(X, cpus, COUNT, m ? m->cpus : VMRT_UNKNOWN)                                      \
	VMRT_DATA(X, note, TEXT, m ? m->note : NULL)

static const struct vmrt_column vm_columns[] = {VM_COLUMNS(VMRT_COLUMN)};

#define LOSS_COLUMNS(X)                                                                            \
	VMRT_DATA(X, machine, TEXT, m->name)                                                       \
	VMRT_DATA(X, events, COUNT, m->events)                                                     \
	VMRT_DATA(X, lost, COUNT, m->lost)                                                         \
	VMRT_DATA(X, lost_intervals, COUNT, m->losses)                                             \
	VMRT_DATA(X, broken_chains, COUNT, m->broken_chains)                                       \
	VMRT_DATA(X, inferred_switches, COUNT, m->inferred)                                        \
	VMRT_DATA(X, out_of_order, COUNT, m->out_of_order)                                         \
	VMRT_DATA(X, contradictions, COUNT, m->contradictions)                                     \
	VMRT_DATA(X, steals, COUNT, m->steals)                                                     \
	VMRT_DATA(X, steal_ns, NS, m->steal_ns)                                                    \
	VMRT_DATA(X, jobs, COUNT, m_jobs)                                                          \
	VMRT_DATA(X, jobs_unknown, COUNT, m_unknown)                                               \
	VMRT_DATA(X, jobs_inferred, COUNT, m_inferred)

static const struct vmrt_column loss_columns[] = {LOSS_COLUMNS(VMRT_COLUMN)};

#define CLOCK_COLUMNS(X)                                                                           \
	VMRT_DATA(X, machine, TEXT, m->name)                                                       \
	VMRT_DATA(X, error_ns, NS, m->clock_error_ns)                                              \
	VMRT_DATA(X, source, TEXT, m->clock_source)                                                \
	VMRT_DATA(X, segments, COUNT, m->clock_segments)                                           \
	VMRT_DATA(X, rate_ppb, COUNT, m->clock_rate_ppb)                                           \
	VMRT_DATA(X, inside, COUNT, m->inside)                                                     \
	VMRT_DATA(X, outside, COUNT, m->outside)                                                   \
	VMRT_DATA(X, inside_ratio, RATIO, ratio)

static const struct vmrt_column clock_columns[] = {CLOCK_COLUMNS(VMRT_COLUMN)};

static const struct vmrt_machine_facts *machine_by_id(const struct vmrt_run_facts *f, int64_t id)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (f->machines[i].id == id)
			return &f->machines[i];
	return NULL;
}

static const struct vmrt_machine_facts *host(const struct vmrt_run_facts *f)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (!strcmp(f->machines[i].kind, "host"))
			return &f->machines[i];
	return NULL;
}

static const char *or_unknown(const char *text)
{
	return text && *text ? text : "unknown";
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* The largest error of a guest's clock; the text is empty if there is no guest. */
static void error_of_clocks(const struct vmrt_run_facts *f, char *out, size_t room)
{
	const struct vmrt_machine_facts *h = host(f);
	char buf[VMRT_UNITS_TEXT];
	int64_t worst = 0;
	size_t guests = 0;

	*out = '\0';
	for (size_t i = 0; i < f->n_machines; i++) {
		const struct vmrt_machine_facts *m = &f->machines[i];

		if (m == h)
			continue;
		guests++;
		worst = worst == VMRT_UNKNOWN || m->clock_error_ns == VMRT_UNKNOWN ? VMRT_UNKNOWN
			: m->clock_error_ns > worst ? m->clock_error_ns
						    : worst;
	}
	if (guests && worst == VMRT_UNKNOWN)
		snprintf(out, room, "clock error not known; ");
	else if (guests)
		snprintf(out, room, "clock error at most %s; ", vmrt_format_duration(worst, buf));
}

/* One line that says what to make of the run, for example "1 VM (demo), ..., 2 servers
 * enforced". */
static void put_summary(struct vmrt_table *t, const struct vmrt_run_facts *f)
{
	char vms[96] = "", clock[64], loss[160], kernel[80] = "";
	const struct vmrt_machine_facts *h = host(f);
	int64_t lost = 0, jobs = 0, unknown = 0, without = 0;
	size_t enforced = 0, late = 0, bounds = 0;
	bool none = false;

	for (size_t i = 0, used = 0; i < f->n_vms && used < sizeof(vms); i++)
		used += (size_t)snprintf(
			vms + used, sizeof(vms) - used, "%s%s", i ? ", " : " (", f->vms[i].name);
	for (size_t i = 0; i < f->n_machines; i++) {
		lost += f->machines[i].lost;
		none |= !f->machines[i].events && f->machines[i].losses;
	}
	for (size_t i = 0; i < f->n_servers; i++)
		enforced += f->servers[i].enforced;
	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];

		if (task->deadline_ns == VMRT_UNKNOWN)
			without += task->jobs;
		else
			jobs += task->jobs;
		unknown += vmrt_task_doubtful(task);
		bounds += vmrt_task_feasibility(f, task) != VMRT_FEASIBILITY_UNKNOWN;
		late += vmrt_task_feasibility(f, task) == VMRT_INFEASIBLE;
	}
	if (h && h->kernel)
		snprintf(kernel, sizeof(kernel), " on %s", h->kernel);
	error_of_clocks(f, clock, sizeof(clock));
	if (lost || unknown)
		snprintf(loss, sizeof(loss),
			"%" PRId64 " events lost, %" PRId64 " of %" PRId64 " jobs unknown", lost,
			unknown, jobs);
	else
		snprintf(loss, sizeof(loss), "%s, all of %" PRId64 " jobs judged",
			none ? "a recording cannot be read" : "no loss", jobs);
	if (without)
		snprintf(loss + strlen(loss), sizeof(loss) - strlen(loss),
			", %" PRId64 " without deadline not judged", without);
	vmrt_put_line(t, "summary", "%zu VM%s%s%s%s; %zu of %zu server%s enforced; %s%s; tasks %s",
		f->n_vms, plural((int64_t)f->n_vms), vms, *vms ? ")" : "", kernel, enforced,
		f->n_servers, plural((int64_t)f->n_servers), clock, loss,
		!bounds ? "not analysed"
		: late	? "NOT feasible in the servers as declared"
			: "feasible in the servers as declared");
}

static void put_run(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	const struct vmrt_machine_facts *h = host(f);
	bool timed = f->start_ns != VMRT_UNKNOWN && f->end_ns != VMRT_UNKNOWN;
	int64_t duration = timed ? f->end_ns - f->start_ns : VMRT_UNKNOWN;
	struct vmrt_table *table = vmrt_doc_table(doc, "run", NULL, run_columns,
		ARRAY_SIZE(run_columns), VMRT_TABLE_PROSE | VMRT_TABLE_SINGLE);
	char buf[VMRT_UNITS_TEXT];

	RUN_COLUMNS(VMRT_CELL)

	put_summary(table, f);
	vmrt_put_line(table, "recorded", "%s, %s, vmrt %s; %s",
		f->recorded_at && *f->recorded_at ? f->recorded_at : "time unknown",
		timed ? vmrt_format_duration(duration, buf) : "duration unknown",
		or_unknown(f->version), f->origin);
	if (h)
		vmrt_put_line(table, "host", "%s%s%s, %" PRId64 " CPU%s",
			f->hostname ? f->hostname : "", f->hostname && *f->hostname ? ", " : "",
			or_unknown(h->kernel), h->cpus, plural(h->cpus));
	if (f->command && *f->command && f->command_status != VMRT_UNKNOWN &&
		f->command_status != 0)
		vmrt_put_line(table, "command", "%s (exit status %" PRId64 ")", f->command,
			f->command_status);
	else if (f->command && *f->command)
		vmrt_put_line(table, "command", "%s", f->command);
}

static void put_vms(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *table = vmrt_doc_table(
		doc, "vms", NULL, vm_columns, ARRAY_SIZE(vm_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < f->n_vms; i++) {
		const struct vmrt_vm_facts *vm = &f->vms[i];
		const struct vmrt_machine_facts *m =
			vm->machine == VMRT_UNKNOWN ? NULL : machine_by_id(f, vm->machine);
		bool accel = vm->accel && *vm->accel, note = m && m->note && *m->note;

		VM_COLUMNS(VMRT_CELL)
		if (m)
			vmrt_put_line(table, "VM", "%s: %s%s%s, %s, %" PRId64 " CPU%s%s%s",
				vm->name, or_unknown(vm->hypervisor), accel ? " " : "",
				accel ? vm->accel : "", or_unknown(m->kernel), m->cpus,
				plural(m->cpus), note ? "; " : "", note ? m->note : "");
		else
			vmrt_put_line(table, "VM", "%s: %s%s%s; its guest was not recorded",
				vm->name, or_unknown(vm->hypervisor), accel ? " " : "",
				accel ? vm->accel : "");
	}
	vmrt_put_line(table, "HSF", "%s", f->hsf ? "on" : "off: no server was enforced");
}

static bool has_server_called(const struct vmrt_run_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_servers; i++)
		if (!strcmp(f->servers[i].name, name))
			return true;
	return false;
}

/* Says what was not recorded, so that it is not known. */
static void put_notes(struct vmrt_table *t, const struct vmrt_run_facts *f)
{
	const char *note;

	for (size_t i = 0; i < f->n_machines; i++)
		for (size_t k = 0; (note = vmrt_facts_note(f, "machine", f->machines[i].name, k));
			k++)
			vmrt_put_line(t, "missing", "%s: %s", f->machines[i].name, note);
	/* notes on VMs with a server are shown beside the servers */
	for (size_t i = 0; i < f->n_machines; i++)
		for (size_t k = 0; (note = vmrt_facts_note(f, "threads", f->machines[i].name, k));
			k++)
			if (!has_server_called(f, f->machines[i].name))
				vmrt_put_line(t, "note", "%s: %s", f->machines[i].name, note);
}

static void put_loss(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *table = vmrt_doc_table(
		doc, "loss", NULL, loss_columns, ARRAY_SIZE(loss_columns), VMRT_TABLE_PROSE);
	int64_t jobs = 0, unknown = 0, inferred = 0;
	char lost[64], steal[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < f->n_machines; i++) {
		const struct vmrt_machine_facts *m = &f->machines[i];
		int64_t m_jobs = 0, m_unknown = 0, m_inferred = 0;

		for (size_t j = 0; j < f->n_tasks; j++) {
			if (f->tasks[j].machine != m->id)
				continue;
			m_jobs += f->tasks[j].jobs;
			m_unknown += vmrt_task_doubtful(&f->tasks[j]);
			m_inferred += f->tasks[j].inferred;
		}
		LOSS_COLUMNS(VMRT_CELL)
		if (m->lost || m->losses)
			snprintf(lost, sizeof(lost),
				"%" PRId64 " lost in %" PRId64 " interval%s, of", m->lost,
				m->losses, plural(m->losses));
		else
			snprintf(lost, sizeof(lost), "none of");
		vmrt_put_line(table, "loss",
			"%s: %s %" PRId64 " events; %" PRId64 " broken chain%s, %" PRId64
			" inferred switch%s; steal %s in %" PRId64 " gap%s",
			m->name, lost, m->events, m->broken_chains, plural(m->broken_chains),
			m->inferred, m->inferred == 1 ? "" : "es",
			vmrt_format_duration(m->steal_ns, steal), m->steals, plural(m->steals));
		if (m->contradictions)
			vmrt_put_line(table, "loss",
				"%s: the times of %" PRId64
				" job%s contradict one another, which are unknown",
				m->name, m->contradictions, plural(m->contradictions));
		jobs += m_jobs;
		unknown += m_unknown;
		inferred += m_inferred;
	}
	put_notes(table, f);
	vmrt_put_line(table, "loss",
		"jobs: %" PRId64 " of %" PRId64 " unknown because of it, %" PRId64
		" with an inferred switch",
		unknown, jobs, inferred);
}

static void put_clock(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *table = vmrt_doc_table(
		doc, "clock", NULL, clock_columns, ARRAY_SIZE(clock_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < f->n_machines; i++) {
		const struct vmrt_machine_facts *m = &f->machines[i];
		bool counted = m->inside != VMRT_UNKNOWN && m->outside != VMRT_UNKNOWN &&
			       m->inside + m->outside > 0;
		double ratio = counted ? (double)m->inside / (double)(m->inside + m->outside) : NAN;
		char error[64] = "error not known", share[96] = "", buf[VMRT_UNITS_TEXT];

		if (m->record_clock && strcmp(m->record_clock, "mono") != 0)
			vmrt_put_line(table, "clock", "%s: recorded in clock %s", m->name,
				m->record_clock);
		if (!strcmp(m->kind, "host"))
			continue;
		CLOCK_COLUMNS(VMRT_CELL)
		if (m->clock_error_ns != VMRT_UNKNOWN)
			snprintf(error, sizeof(error), "error at most %s",
				vmrt_format_duration(m->clock_error_ns, buf));
		if (counted)
			snprintf(share, sizeof(share),
				"; %.3f %% of %" PRId64 " guest events while its vCPU thread ran",
				ratio * 100, m->inside + m->outside);
		vmrt_put_line(table, "clock", "%s: %s (%s)%s", m->name, error,
			m->clock_source ? m->clock_source : "no source", share);
	}
}

void report_head(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	put_run(doc, f);
	put_vms(doc, f);
	put_loss(doc, f);
	put_clock(doc, f);
}

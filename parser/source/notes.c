/* SPDX-License-Identifier: MIT */
/* Writes notes on what a recording lacks: events that were not recorded, tasks and servers whose
 * threads do not occur in it. What depends on these is unknown; the notes say why, and what to
 * do. */
#include "notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/glob.h>
#include <vmrt/similar.h>
#include <vmrt/trace-cmd.h>

#include "near.h"
#include "parser/clock/record-clock.h"
#include "selected.h"

#define WORDS 512
#define TOO_FEW                                                                                    \
	50 /* events: whether a machine with so few recorded a kind of them is not certain */

/* Similar names are searched for so many tasks and servers only, because a strange file may declare
 * any number. */
#define NEAR_TASKS_MOST 100

#define RECORD_ALL "record with: " VMRT_TRACE_CMD

struct writer {
	const struct vmrt_recording *rec;
	const struct vmrt_engine_config *config;
	const struct vmrt_engine *engine;
	struct rundb *db;
	struct thread_names names; /* names of machine @names_of */
	size_t names_of;	   /* VMRT_NONE: not read */
	unsigned near;		   /* for how many tasks and servers names were searched */
};

static void put(struct writer *w, const char *about, const char *name, const char *words)
{
	vmrt_warn("%s: %s", name, words);
	rundb_note(w->db, about, name, words);
}

/* Without these events, the things named beside them are unknown. */
static const struct need {
	const char *names[3]; /* one of them is enough */
	bool tasks;	      /* only a machine with tasks needs it */
	const char *unknown;
} needs[] = {
	{{"sched_switch"}, false, "who ran and how long"},
	{{"sched_waking", "sched_wakeup", "sched_wakeup_new"}, false,
		"since when a thread waited for a CPU"},
	{{"hrtimer_start"}, true, "when timers were to expire, which are the arrivals"},
	{{"hrtimer_expire_entry"}, true, "when timers expired, which are the releases"},
};

static uint64_t count_of(
	const struct vmrt_recording *rec, size_t machine, const char *system, const char *name)
{
	struct vmrt_event_count e;

	for (unsigned i = 0; vmrt_recording_event(rec, machine, i, &e); i++)
		if ((!system || !strcmp(e.system, system)) && !strcmp(e.name, name))
			return e.count;
	return 0;
}

static void append(char *buf, size_t room, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, room - used, "%s", text);
}

bool vmrt_recording_lacks(
	const struct vmrt_recording *rec, size_t machine, bool has_tasks, char *list, size_t room)
{
	*list = '\0';
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		const struct need *n = &needs[i];
		uint64_t count = 0;

		for (int k = 0; k < 3 && n->names[k]; k++)
			count += count_of(rec, machine, NULL, n->names[k]);
		if (count || (n->tasks && !has_tasks))
			continue;
		append(list, room, *list ? "; " : "");
		append(list, room, n->names[0]);
		append(list, room, n->names[1] ? " and " : "");
		append(list, room, n->names[1] ? n->names[1] : "");
		append(list, room, " (");
		append(list, room, n->unknown);
		append(list, room, ")");
	}
	return *list != '\0';
}

const char *vmrt_recording_lack_words(const struct vmrt_recording *rec, size_t machine)
{
	struct vmrt_recorded_machine m;
	bool known = false, unknown = false;

	vmrt_recording_machine(rec, machine, &m);
	for (unsigned i = 0; i < vmrt_dat_info(m.dat)->cpus; i++) {
		if (vmrt_record_clock_error(m.dat, i) == VMRT_UNKNOWN)
			unknown = true;
		else
			known = true;
	}
	return known && unknown
		       ? "CPUs whose clock is not known are left out; on the others these events "
			 "do not occur, and so are not known"
		       : "these events are not in the recording, and so not known";
}

/* Finds interrupts of which only one of the two events was recorded. */
static void missing_halves(struct writer *w, size_t machine, char *list, size_t room)
{
	struct vmrt_event_count e;

	for (unsigned i = 0; vmrt_recording_event(w->rec, machine, i, &e); i++) {
		const char *suffix = strrchr(e.name, '_');
		const char *other = NULL;
		char name[64];

		if (strncmp(e.system, "irq", 3) || !suffix || e.count < 2)
			continue;
		other = !strcmp(suffix, "_entry")  ? "_exit"
			: !strcmp(suffix, "_exit") ? "_entry"
						   : NULL;
		if (!other)
			continue;
		snprintf(name, sizeof(name), "%.*s%s", (int)(suffix - e.name), e.name, other);
		if (count_of(w->rec, machine, e.system, name))
			continue;
		append(list, room, *list ? "; " : "");
		append(list, room, name);
		append(list, room, " (how long interrupts lasted)");
	}
}

static bool has_tasks(const struct writer *w, const char *machine)
{
	const struct vmrt_experiment *exp = w->config->experiment;

	for (size_t i = 0; exp && i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, machine))
			return true;
	return false;
}

static void note_events(struct writer *w, size_t machine)
{
	struct vmrt_machine_stats stats;
	struct vmrt_event_count e;
	const char *name = w->config->machines[machine].name;
	bool tasks = has_tasks(w, name);
	bool servers =
		!machine && (w->config->n_machines > 1 ||
				    (w->config->experiment && w->config->experiment->n_servers));
	char list[WORDS / 2] = "", words[WORDS];

	for (unsigned i = 0; vmrt_recording_event(w->rec, machine, i, &e); i++)
		rundb_event(w->db, (uint32_t)machine, &e);
	vmrt_engine_stats(w->engine, (uint32_t)machine, &stats);
	if (stats.events < TOO_FEW || (!tasks && !servers))
		return;
	vmrt_recording_lacks(w->rec, machine, tasks, list, sizeof(list));
	missing_halves(w, machine, list, sizeof(list));
	if (!*list)
		return;
	snprintf(words, sizeof(words), "%s: %s; " RECORD_ALL,
		vmrt_recording_lack_words(w->rec, machine), list);
	put(w, "machine", name, words);
}

/* Notes a guest whose vCPU threads, or some of them, are not known in the host's recording. */
static void note_vcpus(struct writer *w, size_t machine)
{
	const char *name = w->config->machines[machine].name;
	struct vmrt_machine_stats stats;
	char words[WORDS];

	vmrt_engine_stats(w->engine, (uint32_t)machine, &stats);
	if (!machine || !stats.without_vcpu || vmrt_recording_without_host(w->rec))
		return;
	snprintf(words, sizeof(words),
		"which threads of the host are its vCPUs is not known%s: execution and causes are "
		"unknown there; a [server %s] with vm = thread:PATTERN or pid:N in the experiment "
		"names them",
		stats.without_vcpu < stats.events ? ", for some of its CPUs" : "", name);
	put(w, "machine", name, words);
}

/* Describes which threads the task selects. */
static void describe(const struct vmrt_task_spec *t, char *buf, size_t room)
{
	char part[128];

	if (!vmrt_task_selects(t)) {
		snprintf(buf, room, " called %s", t->name);
		return;
	}
	buf[0] = '\0';
	if (t->tid)
		snprintf(buf, room, " with the id %d", t->tid);
	if (t->thread[0]) {
		snprintf(part, sizeof(part), "%s %s %s", *buf ? "," : "",
			vmrt_glob_is_plain(t->thread) ? "called" : "whose name fits the pattern",
			t->thread);
		append(buf, room, part);
	}
	if (t->process[0]) {
		snprintf(part, sizeof(part), "%s of process %s", *buf ? "," : "", t->process);
		append(buf, room, part);
	}
	if (t->by_priority) {
		snprintf(part, sizeof(part), ", with priority %d", t->priority);
		append(buf, room, part);
	}
}

/* "; near come: a, b", read from the recording of @machine. */
static enum vmrt_status near_words(struct writer *w, size_t machine, const char *wanted, char *buf,
	size_t room, struct vmrt_error *err)
{
	struct vmrt_recorded_machine m;
	enum vmrt_status status = VMRT_OK;
	char list[NEAR_TEXT];

	buf[0] = '\0';
	if (w->near++ >= NEAR_TASKS_MOST)
		return VMRT_OK;
	vmrt_recording_machine(w->rec, machine, &m);
	if (w->names_of != machine) {
		names_free(&w->names);
		status = names_read(m.dat, NULL, &w->names, err);
		w->names_of = machine;
	}
	if (status != VMRT_OK)
		return status;
	if (*near_list(&w->names, wanted, list))
		snprintf(buf, room, "; nearest: %s", list);
	else if (w->names.n)
		snprintf(buf, room, "; none of the %zu names comes near", w->names.n);
	else
		snprintf(buf, room, "; it has no names of threads");
	return VMRT_OK;
}

static bool occurs(const struct thread_names *names, const struct vmrt_task_spec *t)
{
	for (size_t i = 0; !vmrt_task_selects(t) && i < names->n; i++)
		if (!strncmp(names->list[i].comm, t->name, VMRT_COMM_MAX))
			return true;
	return false;
}

/* Notes a task whose releases cannot be seen, because the events that show them were not
 * recorded. */
static void note_unseen_releases(struct writer *w, size_t machine, size_t task, const char *label)
{
	enum vmrt_release is = vmrt_engine_task_release(w->engine, (uint32_t)task, NULL);
	bool expires = count_of(w->rec, machine, NULL, "hrtimer_expire_entry") > 0;
	bool timers = expires && count_of(w->rec, machine, NULL, "hrtimer_start");
	bool wakes = count_of(w->rec, machine, NULL, "sched_waking") +
		     count_of(w->rec, machine, NULL, "sched_wakeup");

	if (is == VMRT_RELEASE_AUTO && !wakes)
		put(w, "task", label,
			timers ? "it has no jobs: what wakes it is not recorded, so its releases "
				 "are unknown"
			       : "it has no jobs: neither its timers nor what wakes it are "
				 "recorded, so its releases are unknown");
	else if ((is == VMRT_RELEASE_AUTO && !timers) || (is == VMRT_RELEASE_DEADLINE && !expires))
		put(w, "task", label,
			"it has no jobs: its timers are not recorded, so its releases are unknown; "
			"if other threads or interrupts release it, say release = wakeup");
}

/* Notes a task that was seen, but whose figures may be wrong. */
static void note_contradictions(struct writer *w, size_t machine, size_t task, const char *label)
{
	struct vmrt_task_contradiction found;

	if (w->config->waits && w->config->waits[task] == VMRT_RELEASE_WAKEUP)
		put(w, "task", label,
			"nothing periodic releases it, so each wake-up is taken for a release; "
			"release = wakeup says that this is right");
	note_unseen_releases(w, machine, task, label);
	vmrt_engine_task_contradiction(w->engine, (uint32_t)task, &found);
	if (found.text[0])
		put(w, "task", label, found.text);
}

static enum vmrt_status note_tasks(struct writer *w, size_t machine, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = w->config->experiment;
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; exp && i < exp->n_tasks && status == VMRT_OK; i++) {
		const struct vmrt_task_spec *t = &exp->tasks[i];
		char words[WORDS], label[VMRT_NAME_MAX + VMRT_COMM_MAX + 1], what[200], near[200];

		if (strcmp(t->machine, w->config->machines[machine].name) != 0)
			continue;
		snprintf(label, sizeof(label), "%s/%s", t->machine, t->name);
		if (vmrt_engine_task_seen(w->engine, (uint32_t)i)) {
			note_contradictions(w, machine, i, label);
			continue;
		}
		describe(t, what, sizeof(what));
		status = near_words(w, machine,
			t->thread[0]	? t->thread
			: t->process[0] ? t->process
					: t->name,
			near, sizeof(near), err);
		if (w->near > NEAR_TASKS_MOST)
			snprintf(words, sizeof(words), "no thread%s was found for it", what);
		else if (status == VMRT_OK && occurs(&w->names, t))
			snprintf(words, sizeof(words),
				"every thread%s belongs to another section or to a VM, or no event "
				"of it was recorded",
				what);
		else
			snprintf(words, sizeof(words), "no thread%s was recorded%s", what, near);
		if (status == VMRT_OK)
			put(w, "task", label, words);
	}
	return status;
}

/* Notes tasks of machines that were not recorded. */
static void note_machines(struct writer *w)
{
	const struct vmrt_experiment *exp = w->config->experiment;
	char list[WORDS / 2] = "", words[WORDS], label[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];

	for (size_t m = 0; m < w->config->n_machines; m++) {
		append(list, sizeof(list), m ? ", " : "");
		append(list, sizeof(list), w->config->machines[m].name);
	}
	for (size_t i = 0; exp && i < exp->n_tasks; i++) {
		const struct vmrt_task_spec *t = &exp->tasks[i];
		bool recorded = false;

		for (size_t m = 0; m < w->config->n_machines; m++)
			recorded |= !strcmp(t->machine, w->config->machines[m].name);
		if (recorded)
			continue;
		snprintf(label, sizeof(label), "%s/%s", t->machine, t->name);
		snprintf(words, sizeof(words),
			"no machine called %s was recorded; there is a recording of: %s",
			t->machine, list);
		put(w, "task", label, words);
	}
}

/* Finds why server @s has no member although its VM was recorded: @out gets the reason, or "". The
 * VM may lack the vCPU, or its vCPUs may have a server each. */
static void lacks_members(
	const struct writer *w, const struct vmrt_server_spec *s, char *out, size_t room)
{
	bool other = false, taken = false;

	out[0] = '\0';
	for (size_t v = 0; v < w->config->n_vms; v++) {
		const struct vmrt_engine_vm *vm = &w->config->vms[v];

		for (size_t t = 0; !strcmp(vm->name, s->vm) && t < vm->n_threads; t++) {
			if (vm->threads[t].role != VMRT_ROLE_VCPU)
				continue;
			if (s->vcpu < 0 || vm->threads[t].vcpu == s->vcpu)
				taken = true;
			else
				other = true;
		}
	}
	if (taken)
		snprintf(out, room,
			"no event of the vCPUs of %s was recorded, or another server has them",
			s->vm);
	else if (other)
		snprintf(out, room, "%s was recorded without a vCPU %d", s->vm, s->vcpu);
}

/* Lists the VMs that there are, because a name that no VM has is probably misspelt. If a VM's
 * threads are unknown, the text says how to name them. */
static enum vmrt_status recorded_vms(
	const struct writer *w, const char *wanted, char *out, size_t room, struct vmrt_error *err)
{
	const char **names = calloc(w->config->n_vms + 1, sizeof(*names));
	bool there = !w->config->n_vms;
	char list[VMRT_SIMILAR_TEXT];

	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t v = 0; v < w->config->n_vms; v++) {
		names[v] = w->config->vms[v].name;
		there |= !strcmp(names[v], wanted);
	}
	vmrt_similar(wanted, names, w->config->n_vms, list);
	free(names);
	if (there)
		snprintf(
			out, room, "; vm = thread:PATTERN or pid:N names threads of any recording");
	else
		snprintf(out, room, "; recorded VMs: %s", list);
	return VMRT_OK;
}

static enum vmrt_status note_servers(struct writer *w, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = w->config->experiment;
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; exp && i < exp->n_servers && status == VMRT_OK; i++) {
		const struct vmrt_server_spec *s = &exp->servers[i];
		char words[WORDS], near[VMRT_SIMILAR_TEXT + 32] = "";

		if (vmrt_engine_server_members(w->engine, i))
			continue;
		lacks_members(w, s, near, sizeof(near));
		if (*near) {
			snprintf(
				words, sizeof(words), "%s: what the server got is not known", near);
			put(w, "server", s->name, words);
			continue;
		}
		if (!strncmp(s->vm, "thread:", 7))
			status = near_words(w, 0, s->vm + 7, near, sizeof(near), err);
		else if (!selected_is(s->vm))
			status = recorded_vms(w, s->vm, near, sizeof(near), err);
		snprintf(words, sizeof(words),
			"no thread of %s was recorded: what the server got is not known%s", s->vm,
			near);
		if (status == VMRT_OK)
			put(w, "server", s->name, words);
	}
	return status;
}

enum vmrt_status notes_write(const struct vmrt_recording *rec,
	const struct vmrt_engine_config *config, const struct vmrt_engine *engine, struct rundb *db,
	struct vmrt_error *err)
{
	struct writer w = {
		.rec = rec, .config = config, .engine = engine, .db = db, .names_of = VMRT_NONE};
	enum vmrt_status status;

	note_machines(&w);
	status = note_servers(&w, err);
	for (size_t m = 0; m < config->n_machines && status == VMRT_OK; m++) {
		note_events(&w, m);
		note_vcpus(&w, m);
		status = note_tasks(&w, m, err);
	}
	names_free(&w.names);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* vmrt-trace tasks: the threads that behave like real-time tasks, in a recording or on the machine
 * now. */
#include "trace.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/advise.h>
#include <vmrt/experiment.h>
#include <vmrt/files.h>
#include <vmrt/recording.h>
#include <vmrt/table.h>
#include <vmrt/units.h>

#include "collector/record/recorder.h"
#include "collector/wire/secret.h"

#define EVENTS_LEAST                                                                               \
	100 /* with fewer events of a machine nothing is said about kinds that are missing */
#define GUEST_BUFFER (UINT64_C(16) << 20)

static struct tasks_opts {
	struct trace_files files;
	enum vmrt_format format;
	const char *vms[TRACE_GUESTS_MAX];
	size_t n_vms;
	int64_t duration_ns;
	bool init, all;
	struct vmrt_recorder_options record; /* its links */
} defaults;

/* The recorded priority does not tell SCHED_FIFO and SCHED_RR apart, so both are named. */
static const char *policy_of(int32_t prio)
{
	return prio < 0 ? "deadline" : prio < 99 ? "fifo/rr" : "other";
}

#define FOUND_COLUMNS(X)                                                                           \
	X(machine, "machine", NULL, TEXT, 0, VMRT_KEY_GROUP, machine)                              \
	X(process, "process", NULL, TEXT, 0, 1, f->process[0] ? f->process : NULL)                 \
	VMRT_DATA(X, pid, COUNT, f->pid ? f->pid : VMRT_UNKNOWN)                                   \
	X(thread, "thread", NULL, TEXT, 0, VMRT_KEY_GROUP, f->comm)                                \
	X(tid, "tid", NULL, COUNT, 0, 1, f->tid)                                                   \
	X(policy, "policy", NULL, TEXT, 0, 1, policy_of(f->prio))                                  \
	X(priority, "prio", NULL, COUNT, 0, 1,                                                     \
		f->prio >= 0 && f->prio < 99 ? 99 - f->prio : VMRT_UNKNOWN)                        \
	X(cpu, "cpu", NULL, COUNT, 0, 1, f->cpu)                                                   \
	X(released_by, "released by", NULL, TEXT, 0, 1, waker)                                     \
	X(period_ns, "period", "ms", NS, 3, 1, f->period_ns)                                       \
	X(jitter_ns, "jitter", "ms", NS, 3, 1, f->jitter_ns)                                       \
	X(exec_p50_ns, "exec p50", "ms", NS, 3, 2, f->exec_p50_ns)                                 \
	X(exec_max_ns, "exec max", "ms", NS, 3, 2, f->exec_max_ns)                                 \
	X(share, "share", "%", RATIO, 1, 2, f->share)                                              \
	X(jobs, "jobs", NULL, COUNT, 0, 2, (int64_t)f->jobs)                                       \
	X(sure, "sure", "%", RATIO, 0, 2, f->sure)

static const struct vmrt_column columns[] = {FOUND_COLUMNS(VMRT_COLUMN)};

static void put_found(struct vmrt_table *table, const struct vmrt_found *f, const char *machine)
{
	char waker[64];

	if (f->woken_by[0])
		snprintf(waker, sizeof(waker), "%s %s", vmrt_waker_name(f->waker), f->woken_by);
	else
		snprintf(waker, sizeof(waker), "%s", vmrt_waker_name(f->waker));
	FOUND_COLUMNS(VMRT_CELL)
}

/* Is this an ordinary thread of the host, woken by others? On a host with guests these are shells
 * and daemons. */
static bool is_noise(const struct vmrt_found *f, size_t n_machines)
{
	return n_machines > 1 && f->machine == 0 && f->prio >= 99 && f->period_ns == VMRT_UNKNOWN;
}

static enum vmrt_status print_table(const struct tasks_opts *o, const struct vmrt_found *found,
	size_t n, const char *const *machines, size_t n_machines, struct vmrt_error *err)
{
	struct vmrt_doc *doc = vmrt_doc_new("recording", false);
	struct vmrt_table *table;
	enum vmrt_status status;

	vmrt_doc_section(doc, "Tasks that were found");
	table = vmrt_doc_table(
		doc, "tasks", NULL, columns, sizeof(columns) / sizeof(columns[0]), 0);
	for (size_t i = 0; i < n; i++)
		if (o->all || !is_noise(&found[i], n_machines))
			put_found(table, &found[i], machines[found[i].machine]);
	status = vmrt_doc_print(doc, o->format, "tasks", stdout, err);
	vmrt_doc_free(doc);
	return status;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A folder in which only this user can write, for files that are not kept. */
struct scratch {
	char folder[sizeof("/tmp/vmrt-tasks-XXXXXX")];
	char path[sizeof("/tmp/vmrt-tasks-XXXXXX") + 16]; /* path of the one file or folder in it */
};

static bool scratch_make(struct scratch *s, const char *name)
{
	strcpy(s->folder, "/tmp/vmrt-tasks-XXXXXX");
	if (!mkdtemp(s->folder))
		return false;
	snprintf(s->path, sizeof(s->path), "%s/%s", s->folder, name);
	return true;
}

static void scratch_remove(struct scratch *s)
{
	nftw(s->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Prints why there is no server. The name of the temporary database is cut off, because nobody will
 * find that. */
static void print_unadvised(const char *tasks, const char *db, const char *why)
{
	bool named = !strncmp(why, db, strlen(db));
	char text[VMRT_ERROR_TEXT + 64];

	fputs(tasks, stdout);
	snprintf(text, sizeof(text), "no server is advised: %s%s", named ? "the recording" : "",
		why + (named ? strlen(db) : 0));
	putchar('\n');
	vmrt_experiment_comment(stdout, text);
}

/*
 * Prints the tasks as an experiment file, with servers for their VMs as `vmrt-report --advise`
 * would choose them. For that the recording is analysed with these tasks, into a temporary
 * database. If there is nothing to advise, the file has no servers.
 */
static void print_experiment(const struct vmrt_recording_options *recording, const char *tasks)
{
	struct scratch db;
	struct vmrt_analyze_options analyze = {.recording = *recording, .db = db.path};
	struct vmrt_analyze_result result;
	struct vmrt_error err;
	char *advised = NULL;

	if (!scratch_make(&db, "run.db")) {
		fputs(tasks, stdout);
		return;
	}
	analyze.recording.experiment_text = tasks;
	analyze.stop = vmrt_stop_requested;
	if (vmrt_analyze(&analyze, &result, &err) == VMRT_OK &&
		vmrt_advise_text(db.path, &advised, &err) == VMRT_OK)
		fputs(advised, stdout);
	else
		print_unadvised(tasks, db.path, err.text);
	free(advised);
	scratch_remove(&db);
}

static enum vmrt_status print_found(const struct tasks_opts *o,
	const struct vmrt_recording_options *options, struct vmrt_recording *rec,
	const struct vmrt_found *found, size_t n, struct vmrt_error *err)
{
	const char *machines[VMRT_DISCOVER_MACHINES] = {0};
	struct vmrt_engine_config config;
	char *text;

	vmrt_recording_config(rec, &config);
	/* a user who names a VM wants its tasks: without the VM's recording there is no answer */
	if (!o->all && (o->n_vms || o->record.n_links) && config.n_machines == 1)
		return vmrt_fail(err, VMRT_ENOENT,
			"no agent recorded in the named VM: its tasks are not known (--all shows "
			"the threads of the host)");
	if (config.n_machines > sizeof(machines) / sizeof(machines[0]))
		return vmrt_fail(err, VMRT_ERANGE, "more than %d machines", VMRT_DISCOVER_MACHINES);
	for (size_t i = 0; i < config.n_machines; i++)
		machines[i] = config.machines[i].name;
	if (!o->init) {
		if (!n)
			vmrt_say("no thread behaved like a real-time task");
		return n || o->format != VMRT_FORMAT_TEXT
			       ? print_table(o, found, n, machines, config.n_machines, err)
			       : VMRT_OK;
	}
	if (vmrt_discovery_experiment(found, n, machines, config.n_machines, &text) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	print_experiment(options, text);
	free(text);
	return VMRT_OK;
}

/* Drops the threads of the host, which is machine 0: a user who names VMs wants the threads of the
 * VMs. */
static size_t without_host(struct vmrt_found *found, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (found[i].machine != 0)
			found[kept++] = found[i];
	return kept;
}

/* Warns of kinds of events that are missing, because tasks that only these show are missing in the
 * table, too. */
static void warn_of_missing(struct vmrt_recording *rec)
{
	struct vmrt_engine_config config;

	vmrt_recording_config(rec, &config);
	for (size_t i = 0; i < config.n_machines; i++) {
		struct vmrt_event_count e;
		uint64_t events = 0;
		char list[512];

		for (unsigned k = 0; vmrt_recording_event(rec, i, k, &e); k++)
			events += e.count;
		/* on a host with guests only the vCPU threads matter */
		if (events < EVENTS_LEAST ||
			!vmrt_recording_lacks(
				rec, i, i > 0 || config.n_machines == 1, list, sizeof(list)))
			continue;
		vmrt_warn("%s: %s: %s", config.machines[i].name, vmrt_recording_lack_words(rec, i),
			list);
	}
}

static enum vmrt_status discover(const struct tasks_opts *o,
	const struct vmrt_recording_options *options, struct vmrt_error *err)
{
	struct vmrt_recording *rec;
	struct vmrt_found *found = NULL;
	enum vmrt_status status = vmrt_recording_open(options, &rec, err);
	size_t n = 0;

	if (status != VMRT_OK)
		return status;
	status = vmrt_recording_discover(rec, vmrt_stop_requested, &found, &n, err);
	if (status == VMRT_OK)
		warn_of_missing(rec);
	if (status == VMRT_OK && !o->all && (o->n_vms || o->record.n_links))
		n = without_host(found, n);
	if (status == VMRT_OK)
		status = print_found(o, options, rec, found, n, err);
	free(found);
	vmrt_recording_close(rec);
	return status;
}

/* Records for a while into a temporary folder, and searches that recording for tasks. */
static int discover_now(const struct tasks_opts *o, struct vmrt_error *err)
{
	struct vmrt_recorder_options record = o->record;
	struct vmrt_secret secret;
	struct scratch run;
	struct vmrt_recording_options options = {.run = run.path};
	int result;

	record.buffer = VMRT_TRACER_BUFFER;
	record.guest_buffer = GUEST_BUFFER;
	record.duration_ns = o->duration_ns;
	record.n_vms = o->n_vms;
	record.all_vms = !o->n_vms && !record.n_links;
	record.no_analyze = record.allow_loss = record.scratch = true;
	if (o->record.secret_file) {
		if (vmrt_secret_load(o->record.secret_file, &secret, err) != VMRT_OK) {
			vmrt_complain(err);
			return VMRT_EXIT_FAILED;
		}
		record.secret = &secret;
	}
	if (!scratch_make(&run, "tasks.vmrt")) {
		vmrt_fail_errno(err, errno, "cannot make a folder in /tmp");
		vmrt_complain(err);
		return VMRT_EXIT_FAILED;
	}
	record.run = run.path;
	for (size_t i = 0; i < o->n_vms; i++)
		record.vms[i] = o->vms[i];
	result = vmrt_recorder_run(&record);
	if (result == VMRT_EXIT_DONE && discover(o, &options, err) != VMRT_OK) {
		vmrt_complain(err);
		result = VMRT_EXIT_FAILED;
	}
	scratch_remove(&run);
	return result;
}

static int run(void *opts)
{
	const struct tasks_opts *o = opts;
	struct vmrt_recording_options options = {.stop = vmrt_stop_requested};
	struct vmrt_error err;
	int status;

	if (!o->files.n)
		return discover_now(o, &err);
	status = trace_recording_of(&o->files, &options);
	if (status != VMRT_EXIT_DONE)
		return status;
	vmrt_end_at_stop();
	if (discover(o, &options, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	return VMRT_EXIT_DONE;
}

#define OF struct tasks_opts

#define X(name, words) words,
static const char *const formats[] = {VMRT_FORMAT_LIST(X) NULL}; /* as enum vmrt_format */
#undef X

static error_t add_link(void *opts, char *arg, const struct argp_state *state)
{
	return trace_add_link(&((struct tasks_opts *)opts)->record, arg, state);
}

static const struct vmrt_option options[] = {
	{"format", 'f', "FORMAT", "format of the table", .standard = "text",
		VMRT_CHOICE(OF, format, formats)},
	{"all", 'a', NULL,
		"also ordinary programs of a host with guests that other threads wake, and with "
		"--vm "
		"or --link the threads of the host",
		VMRT_FLAG(OF, all)},
	{"init", 0, NULL, "print an experiment file with these tasks instead", VMRT_FLAG(OF, init)},
	{"vm", 0, "NAME", "without RUN: search this VM only", VMRT_LIST(OF, vms, n_vms)},
	{"link", 0, "VM=WAY",
		"without RUN: the way to the agent in VM, as for record; may be repeated",
		VMRT_CALL(add_link)},
	{"secret-file", 0, "FILE", "the secret shared with agents reached by TCP",
		VMRT_TEXT(OF, record.secret_file)},
	{"duration", 'd', "TIME", "without RUN: observe for this time", .standard = "5s",
		VMRT_TIME(OF, duration_ns, 100000000, 3600000000000)},
	VMRT_OPTION_QUIET,
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct tasks_opts *o = opts;

	return trace_add_file(&o->files, arg, state);
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct tasks_opts *o = opts;

	if (o->files.n && (o->n_vms || o->record.n_links))
		return vmrt_usage(
			state, "--vm and --link look at a VM that runs, and go with no RUN");
	if (o->files.n && vmrt_option_given("duration"))
		return vmrt_usage(state, "--duration is the time of a new recording, and goes with "
					 "no RUN");
	if (o->init && vmrt_option_given("format"))
		return vmrt_usage(
			state, "--format is for the table; --init prints an experiment file");
	if (o->record.needs_secret && !o->record.secret_file)
		return vmrt_usage(state,
			"an agent is reached by TCP only with a shared secret: --secret-file FILE");
	return 0;
}

const struct vmrt_command vmrt_trace_tasks = {
	.name = "tasks",
	.args = "[RUN | FILE.dat...]",
	.summary = "Find the threads that behave like real-time tasks",
	.doc = "Without RUN it records all VMs and the host for a while, looks at that and keeps "
	       "nothing. --init prints an experiment file that record, vmrt-top and vmrt-report "
	       "take as it is.",
	.options = options,
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run,
};

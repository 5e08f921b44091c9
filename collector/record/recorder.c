/* SPDX-License-Identifier: MIT */
/* One recording from its beginning to its end: what `vmrt-trace record` does. */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/version.h>

#include "parser/ring/names.h"
#include "parser/dat/datwrite.h"
#include "collector/cmd/trace.h"

#define HSF_WORDS 7		 /* on the command line of vmrt-hsf, without owners */
#define OWNERS_NAMED 32		 /* users named with --owner, to vmrt-hsf */
#define COMMAND_PATIENCE_MS 5000 /* for a command to end after a signal */
#define STOP_WAIT_MS 25000	 /* for guests to stop recording */
/* for guests of a flight recorder, whose buffers overwrite old events meanwhile */
#define FLIGHT_WAIT_MS 3000
#define COMMAND_OWN_MS 1000 /* for a command that ^C has reached through the terminal */
/* for SIGTERM, after the command did not end at the signal that the recorder got */
#define COMMAND_LAST_MS 500
#define HSF_READY_MS 10000
#define HSF_END_MS 5000
#define CLOSE_PATIENCE_MS 3000
#define PROGRESS_MS 500
#define CHECK_MS 1000	/* between two checks for losses */
#define FOLLOWED_MS 250 /* between two updates for programs that follow the recording */

static char *join_words(char **words)
{
	size_t size = 1;
	char *text, *at;

	for (size_t i = 0; words && words[i]; i++)
		size += strlen(words[i]) + 1;
	text = at = calloc(1, size);
	for (size_t i = 0; text && words && words[i]; i++)
		at += sprintf(at, "%s%s", i ? " " : "", words[i]);
	return text;
}

/* Number of signals that ended the recording. They must not end the analysis; a later signal does.
 */
static int stops_of_recording;

static int analysis_stopped(void)
{
	return recorder_stops() > stops_of_recording;
}

static enum vmrt_status describe_host(struct record_recorder *rec, struct vmrt_error *err)
{
	struct vmrt_manifest *m = &rec->manifest;
	time_t now = time(NULL);
	enum vmrt_status status;
	struct utsname u;
	struct tm tm;

	uname(&u);
	if ((status = vmrt_uuid_random(m->uuid, err)) != VMRT_OK)
		return status;
	snprintf(m->vmrt_version, sizeof(m->vmrt_version), "%s", VMRT_VERSION);
	snprintf(m->kernel, sizeof(m->kernel), "%s", u.release);
	snprintf(m->hostname, sizeof(m->hostname), "%.63s", u.nodename);
	strftime(m->recorded_at, sizeof(m->recorded_at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	m->cpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	m->command_status = -1;
	m->hsf = rec->options->hsf;
	m->command = join_words(rec->options->command);
	return m->command ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "manifest: out of memory");
}

struct file_text {
	char *at;
	size_t size;
};

/* Writes the experiment into the run as it was read at the beginning: the user's file may change
 * meanwhile. */
static enum vmrt_status keep_experiment(
	const struct record_recorder *rec, const struct file_text *text, struct vmrt_error *err)
{
	char path[PATH_MAX];

	if (!text->at)
		return VMRT_OK;
	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, VMRT_FILE_EXPERIMENT);
	return vmrt_write_file(path, text->at, text->size, err);
}

static enum vmrt_status check_only_vms(struct record_recorder *rec, struct vmrt_error *err)
{
	if (!rec->manifest.n_vms && !rec->options->all_vms)
		return vmrt_fail(
			err, VMRT_EINVAL, "--only-vms: say which VMs, with -e, --vm or --all-vms");
	for (size_t i = 0; rec->experiment && i < rec->experiment->n_tasks; i++)
		if (!strcmp(rec->experiment->tasks[i].machine, VMRT_HOST))
			return vmrt_fail(err, VMRT_EINVAL,
				"--only-vms would not record task %s of the host",
				rec->experiment->tasks[i].name);
	if (!rec->manifest.n_vms)
		vmrt_say("no VM is running here yet: nothing is recorded until one does");
	return recorder_only_vms(rec, err);
}

/* Makes a copy of the experiment for vmrt-hsf that no other user can change: the folder of the run
 * may belong to another user. */
static enum vmrt_status share_experiment(
	struct record_recorder *rec, const struct file_text *text, struct vmrt_error *err)
{
	int fd = memfd_create(VMRT_FILE_EXPERIMENT, MFD_CLOEXEC);

	rec->experiment_fd = fd;
	if (fd < 0 || vmrt_write_all(fd, text->at, text->size) != 0)
		return vmrt_fail_errno(err, errno, "cannot give the experiment to vmrt-hsf");
	return VMRT_OK;
}

static enum vmrt_status read_experiment(
	struct record_recorder *rec, struct file_text *text, struct vmrt_error *err)
{
	const char *path = rec->options->experiment;
	enum vmrt_status status;

	if (!path)
		return VMRT_OK;
	status = vmrt_read_file(path, VMRT_EXPERIMENT_MAX, &text->at, &text->size, err);
	if (status == VMRT_OK)
		status = vmrt_experiment_parse(text->at, path, &rec->experiment, err);
	if (status == VMRT_OK && rec->options->hsf)
		status = share_experiment(rec, text, err);
	return status;
}

/* Checks everything that can be refused before anything runs or records. @text: the experiment. */
static enum vmrt_status set_up_with(
	struct record_recorder *rec, const struct file_text *text, struct vmrt_error *err)
{
	const struct vmrt_recorder_options *o = rec->options;
	struct vmrt_tracer_options tracer = {
		.label = "record", .buffer = o->buffer, .events = o->events};
	struct flight_options flight = {.on_miss = o->on_miss, .on_overrun = o->on_overrun};
	const char *name = "run";
	enum vmrt_status status;

	if (rec->experiment && rec->experiment->name[0])
		name = rec->experiment->name;
	if ((status = recorder_find_vms(rec, err)) != VMRT_OK ||
		(status = describe_host(rec, err)) != VMRT_OK ||
		(status = run_folder_name(&rec->folder, o->run, name, err)) != VMRT_OK ||
		(status = vmrt_tracer_open_with(&tracer, &rec->tracer, err)) != VMRT_OK ||
		(status = run_folder_make(&rec->folder, o->force, err)) != VMRT_OK)
		return status;
	recorder_own_cpus(rec);
	if ((status = keep_experiment(rec, text, err)) != VMRT_OK ||
		(status = vmrt_tracer_meta(rec->tracer, &rec->meta, err)) != VMRT_OK)
		return status;
	if (o->only_vms && (status = check_only_vms(rec, err)) != VMRT_OK)
		return status;
	flight.experiment = rec->experiment;
	flight.cpus = rec->has_cpus ? &rec->cpus : NULL;
	rec->trace_id = vmrt_dat_new_id();
	rec->analyzable = vmrt_tracer_has_event(rec->tracer, "sched", "sched_switch");
	guardian_start(&rec->guardian, vmrt_tracer_folder(rec->tracer));
	status = recorder_open_host(rec, err);
	if (status == VMRT_OK && o->flight_ns)
		status = flight_start(&flight, &rec->flight, err);
	return status;
}

static enum vmrt_status set_up(struct record_recorder *rec, struct vmrt_error *err)
{
	struct file_text text = {0};
	enum vmrt_status status = read_experiment(rec, &text, err);

	if (status == VMRT_OK)
		status = set_up_with(rec, &text, err);
	free(text.at);
	return status;
}

/* Starts vmrt-hsf, which reads the experiment from the descriptor of the recorder's copy. */
static enum vmrt_status start_hsf(struct record_recorder *rec, struct vmrt_error *err)
{
	char program[PATH_MAX], experiment[32], number[16], called[PATH_MAX + 16];
	char run[] = "run", no_wait[] = "--no-wait", opt_notify[] = "--notify-fd";
	char *argv[HSF_WORDS + OWNERS_NAMED + 1] = {
		program, run, no_wait, opt_notify, number, experiment, called};
	char owners[OWNERS_NAMED][24];
	const uid_t *uids;
	size_t n_owners = vmrt_owners_added(&uids);
	struct pollfd fds[3];
	enum vmrt_status status;
	int ready[2], kept[2];

	if (pipe2(ready, O_CLOEXEC) != 0)
		return vmrt_fail_errno(err, errno, "cannot start vmrt-hsf");
	kept[0] = ready[1];
	kept[1] = rec->experiment_fd;
	snprintf(experiment, sizeof(experiment), "/dev/fd/%d", rec->experiment_fd);
	snprintf(called, sizeof(called), "--called=%s", rec->options->experiment);
	vmrt_program_path("vmrt-hsf", program, sizeof(program));
	snprintf(number, sizeof(number), "%d", ready[1]);
	for (size_t i = 0; i < n_owners && i < OWNERS_NAMED; i++) {
		snprintf(owners[i], sizeof(owners[i]), "--owner=%u", (unsigned)uids[i]);
		argv[HSF_WORDS + i] = owners[i];
	}
	status = child_start(&rec->hsf, argv, true, kept, 2, err);
	close(ready[1]);
	fds[0] = (struct pollfd){.fd = ready[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = rec->hsf.fd, .events = POLLIN};
	fds[2] = (struct pollfd){.fd = vmrt_stop_fd(), .events = POLLIN};
	if (status == VMRT_OK) {
		char byte;

		poll(fds, 3, HSF_READY_MS);
		if (fds[2].revents)
			status = vmrt_fail(err, VMRT_EINTR, "interrupted");
		else if (!fds[0].revents || read(ready[0], &byte, 1) != 1)
			status = vmrt_fail(err, VMRT_ETIMEOUT,
				"vmrt-hsf did not begin to enforce the servers");
	}
	close(ready[0]);
	return status;
}

static enum vmrt_status start(struct record_recorder *rec, struct vmrt_error *err)
{
	enum vmrt_status status;

	recorder_connect(rec);
	if (vmrt_stop_requested())
		return vmrt_fail(err, VMRT_EINTR, "interrupted before the recording began");
	/* the host records first and ends last, so that it has records for all of a guest's events
	 */
	rec->manifest.start_ns = rec->checked_ns = vmrt_now_ns();
	status = recorder_save_beginning(rec, err);
	if (status == VMRT_OK)
		status = vmrt_tracer_on(rec->tracer, err);
	if (status != VMRT_OK)
		return status;
	recorder_start_guests(rec);
	if (rec->flight)
		flight_arm(rec->flight, vmrt_now_ns());
	if (rec->options->hsf && (status = start_hsf(rec, err)) != VMRT_OK)
		return status;
	if (rec->options->command)
		status = child_start(&rec->command, rec->options->command, false, NULL, 0, err);
	return status;
}

static void show_progress(struct record_recorder *rec, bool last)
{
	uint64_t bytes = drain_size(rec->drain), events = 0;
	int64_t elapsed = vmrt_now_ns() - rec->manifest.start_ns;

	for (unsigned cpu = 0; cpu < rec->meta.cpus; cpu++) {
		struct vmrt_cpu_stats s;

		if (vmrt_tracer_stats(rec->tracer, cpu, &s, NULL) == VMRT_OK)
			events += s.entries + s.read_events;
	}
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			bytes += vmrt_guest_bytes(rec->guests[i].session);
	fprintf(stderr, "\r\033[K%lld.%lld s, %llu events, %.1f MiB%s",
		(long long)(elapsed / VMRT_NS_PER_S),
		(long long)(elapsed / (100 * VMRT_NS_PER_MS) % 10), (unsigned long long)events,
		(double)bytes / (1 << 20), last ? "\r\033[K" : "");
}

static int wait_ms(const struct record_recorder *rec, bool progress)
{
	int64_t most = rec->followed ? FOLLOWED_MS : progress ? PROGRESS_MS : CHECK_MS;
	int64_t left = INT64_MAX;

	if (rec->options->duration_ns)
		left = rec->manifest.start_ns + rec->options->duration_ns - vmrt_now_ns();
	if (left <= 0)
		return 0;
	left = left / VMRT_NS_PER_MS + 1;
	return (int)(left < most ? left : most);
}

static void follow(struct record_recorder *rec, int64_t now)
{
	struct vmrt_error err;

	if (!recorder_follow(rec, now))
		return;
	if (rec->options->only_vms && recorder_only_vms(rec, &err) != VMRT_OK)
		vmrt_warn("%s: threads that are new are not recorded", err.text);
	/* for programs that follow the recording, and for the case that the recorder is killed */
	recorder_save_beginning(rec, NULL);
}

/* Waits until the command has ended, the duration is over, or the user or a limit ends the
 * recording. */
static void watch(struct record_recorder *rec, bool progress)
{
	for (;;) {
		struct pollfd fds[5] = {{.fd = vmrt_stop_fd(), .events = POLLIN},
			{.fd = rec->command.fd, .events = POLLIN},
			{.fd = rec->hsf.fd, .events = POLLIN},
			{.fd = drain_stop_fd(rec->drain), .events = POLLIN},
			{.fd = rec->flight ? flight_fd(rec->flight) : -1, .events = POLLIN}};
		int timeout = wait_ms(rec, progress);
		int64_t now;

		if (timeout == 0)
			return;
		if (!rec->command.pid)
			fds[1].fd = -1;
		poll(fds, 5, timeout);
		now = vmrt_now_ns();
		if (now - rec->checked_ns >= CHECK_MS * VMRT_NS_PER_MS) {
			recorder_note_losses(rec, now);
			recorder_take_names(rec);
			recorder_keep_pings(rec);
			follow(rec, now);
			recorder_save_extent(rec);
		} else if (rec->followed) {
			recorder_save_extent(rec);
		}
		if (progress)
			show_progress(rec, false);
		if (vmrt_stop_requested() || (rec->command.pid && child_has_ended(&rec->command)))
			return;
		if (rec->hsf.pid && child_has_ended(&rec->hsf))
			vmrt_warn("vmrt-hsf has ended (status %d): the servers are no longer "
				  "enforced",
				rec->hsf.status);
		if (drain_stop(rec->drain) || (rec->flight && flight_reason(rec->flight)))
			return;
	}
}

/* Ends the command. ^C has reached it through the terminal; other signals have reached only the
 * recorder. */
static void stop_command(struct record_recorder *rec)
{
	int sig = vmrt_stop_requested();
	struct child *c = &rec->command;

	if (!c->pid)
		return;
	if (sig != SIGINT || !recorder_await(c, COMMAND_OWN_MS))
		child_signal(c, sig ? sig : SIGTERM);
	recorder_await(c, COMMAND_PATIENCE_MS);
	recorder_end_child(c, COMMAND_LAST_MS);
}

/* Ends tracing, guests and programs in the right order and writes all files, also after an error.
 */
static enum vmrt_status stop_and_save(struct record_recorder *rec, struct vmrt_error *err)
{
	const char *reason = rec->flight ? flight_reason(rec->flight) : NULL;
	bool full = reason || drain_stop(rec->drain) != VMRT_DRAIN_GO_ON;
	enum vmrt_status status = VMRT_OK, saved;
	struct vmrt_error other;

	rec->since_ns =
		rec->flight ? flight_when(rec->flight) - rec->options->flight_ns : INT64_MIN;
	if (reason) {
		recorder_note(rec, "flight recorder: saved because %s", reason);
		vmrt_say("%s", rec->manifest.note);
		recorder_stop_guests(rec, FLIGHT_WAIT_MS);
	}
	/* if the disk is full or the flight recorder has its reason, recording ends before the
	 * command */
	if (full) {
		status = vmrt_tracer_off(rec->tracer, err);
		rec->manifest.end_ns = vmrt_now_ns();
	}
	stop_command(rec);
	rec->manifest.command_status = rec->options->command ? rec->command.status : -1;
	recorder_follow(rec, vmrt_now_ns());
	if (rec->hsf.pid)
		recorder_end_child(&rec->hsf, HSF_END_MS);
	recorder_stop_guests(rec, STOP_WAIT_MS);
	if (!full) {
		status = vmrt_tracer_off(rec->tracer, err);
		rec->manifest.end_ns = vmrt_now_ns();
	}
	/* from here on data may be moved within the files, so that followers must not read them */
	vmrt_extent_remove(rec->folder.path);
	recorder_finish_host(rec);
	saved = recorder_save_guests(rec, &other);
	rec->unfinished = saved != VMRT_OK;
	if (status == VMRT_OK && saved != VMRT_OK)
		status = vmrt_fail(err, saved, "%s", other.text);
	saved = recorder_save_host(rec, &other);
	if (status == VMRT_OK && saved != VMRT_OK)
		status = vmrt_fail(err, saved, "%s", other.text);
	return status;
}

static int analyze(struct record_recorder *rec, bool progress)
{
	struct vmrt_analyze_options options = {.recording = {.run = rec->folder.path},
		.progress = progress,
		.stop = analysis_stopped};
	struct vmrt_analyze_result result;
	struct vmrt_error err;

	if (rec->options->no_analyze)
		return VMRT_EXIT_DONE;
	if (rec->options->only_vms && !rec->manifest.n_vms) {
		vmrt_warn("no VM ran meanwhile: with --only-vms that is nothing to analyse");
		return VMRT_EXIT_FAILED;
	}
	if (!rec->analyzable) {
		vmrt_say("without sched:sched_switch there is nothing to analyse");
		return VMRT_EXIT_DONE;
	}
	if (recorder_hurries()) {
		vmrt_say("not analysed, since it was to end at once: vmrt-trace analyze %s",
			rec->folder.path);
		return VMRT_EXIT_DONE;
	}
	stops_of_recording = recorder_stops();
	if (vmrt_analyze(&options, &result, &err) != VMRT_OK) {
		vmrt_complain(&err);
		vmrt_say("the recording itself is in %s", rec->folder.path);
		return VMRT_EXIT_FAILED;
	}
	vmrt_trace_report_analysis(&result);
	return result.loss && !rec->options->allow_loss ? VMRT_EXIT_UNKNOWN : VMRT_EXIT_DONE;
}

/* Prints one line about what was recorded; returns whether events were lost. */
static bool summarize(const struct record_recorder *rec)
{
	int64_t length = rec->manifest.end_ns - rec->manifest.start_ns;
	unsigned long long events = rec->events, lost = rec->lost, guests = 0;
	char text[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		events += rec->guests[i].events;
		lost += rec->guests[i].lost;
		guests += rec->manifest.vms[i].file[0] != '\0';
	}
	if (rec->options->command && rec->command.status)
		vmrt_warn("%s ended with status %d", rec->options->command[0], rec->command.status);
	if (lost)
		vmrt_warn("%llu events were lost; --buffer or --guest-buffer makes room for more",
			lost);
	vmrt_say("%s%s host and %llu guest%s, %s, %llu events, %llu lost",
		rec->options->scratch ? "observed" : rec->folder.path,
		rec->options->scratch ? "" : ":", guests, guests == 1 ? "" : "s",
		vmrt_format_duration(length, text), events, lost);
	return lost || rec->silenced;
}

/* The kernel takes a tenth of a second to remove an instance: too long after a second ^C. */
static void close_tracer(struct vmrt_tracer *tracer)
{
	struct vmrt_error err;

	if (recorder_hurries())
		vmrt_tracer_close_aside(tracer, CLOSE_PATIENCE_MS);
	else if (vmrt_tracer_close(tracer, CLOSE_PATIENCE_MS, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
}

static void clean_up(struct record_recorder *rec)
{
	if (rec->command.pid)
		recorder_end_child(&rec->command, COMMAND_LAST_MS);
	if (rec->hsf.pid)
		recorder_end_child(&rec->hsf, HSF_END_MS);
	flight_end(rec->flight);
	recorder_free_guests(rec, !rec->begun);
	drain_free(rec->drain);
	vmrt_datfile_close(rec->file);
	guardian_end(&rec->guardian);
	free(vmrt_names_take(rec->names));
	close_tracer(rec->exits);
	close_tracer(rec->tracer);
	rec->tracer = rec->exits = NULL;
}

static void free_all(struct record_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		free(rec->manifest.vms[i].vm.threads);
		free(rec->manifest.vms[i].pings);
	}
	free(rec->manifest.vms);
	free(rec->manifest.command);
	free(rec->manifest.buffers);
	vmrt_trace_meta_free(&rec->meta);
	vmrt_experiment_free(rec->experiment);
	if (rec->experiment_fd >= 0)
		close(rec->experiment_fd);
	free(rec->stats);
	free(rec->end_cmdlines);
	free(rec);
}

int vmrt_recorder_run(const struct vmrt_recorder_options *options)
{
	struct record_recorder *rec = calloc(1, sizeof(*rec));
	bool progress = isatty(STDERR_FILENO);
	int result = VMRT_EXIT_FAILED;
	struct rlimit files;
	struct vmrt_error err;
	bool lost = false;

	if (!rec) {
		vmrt_warn("out of memory");
		return VMRT_EXIT_FAILED;
	}
	rec->options = options;
	rec->command.fd = rec->hsf.fd = rec->experiment_fd = -1;
	/* two pipes and a file per CPU, and a file per CPU of each guest */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (set_up(rec, &err) != VMRT_OK || start(rec, &err) != VMRT_OK) {
		vmrt_complain(&err);
		goto out;
	}
	rec->begun = true;
	watch(rec, progress);
	if (progress)
		show_progress(rec, true);
	if (stop_and_save(rec, &err) != VMRT_OK) {
		vmrt_complain(&err);
		goto out;
	}
	result = VMRT_EXIT_DONE;
	lost = summarize(rec);
out:
	/* if the run has recorded something, the journal stays for `vmrt-trace reset` */
	if (!rec->begun && rec->journal)
		vmrt_journal_remove(rec->folder.path, vmrt_tracer_instance(rec->tracer));
	clean_up(rec);
	if (!rec->begun && rec->folder.path[0] && rec->folder.made)
		run_folder_drop(&rec->folder);
	if (result == VMRT_EXIT_DONE)
		result = analyze(rec, progress);
	if (result == VMRT_EXIT_DONE && lost && !options->allow_loss)
		result = VMRT_EXIT_UNKNOWN;
	free_all(rec);
	return result;
}

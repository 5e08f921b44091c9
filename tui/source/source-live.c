/* SPDX-License-Identifier: MIT */
/* This host and its guests as a source, while they run; the last raw events are kept. */
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/live.h>
#include <vmrt/recording.h>
#include <vmrt/vms.h>

#include "kept-events.h"
#include "live-tasks.h"

#define CHECK_EVERY 1024		/* events between two looks at the clock */
#define SLACK_NS (100 * VMRT_NS_PER_MS) /* delay of the screen that users do not notice */
#define OWNERS_MAX 16
#define RUN_SUFFIX ".vmrt"
#define VMS_EVERY_MS 2000 /* between two checks for VMs that come or go */

extern char **environ;

struct live {
	struct top_source base;
	struct vmrt_live_options options;
	struct vmrt_experiment *exp;
	struct vmrt_live *live;
	struct live_tasks tasks;
	bool anew;	/* the last event shows that a new engine is needed */
	bool forgotten; /* a new engine is needed because tasks have ended */
	struct kept_events *kept;
	char names[64][VMRT_NAME_MAX]; /* of machines */
	/* checks whether VMs come or go */
	pthread_t watcher;
	bool watching;
	int end_fd;
	atomic_bool stale;
	pid_t recorder; /* process that records into options.output; 0: none */
	bool recorded;	/* the recorder has ended, and its run is complete */
	int talk; /* file that gets the recorder's messages, which must not disturb the screen; or
		     -1 */
	char ended[192]; /* why the recorder has ended; or "" */
	char run[4096];	 /* the folder that the recorder writes */
	char vm[VMRT_NAME_MAX];
};

/* ---- raw events ---- */

struct taker {
	struct live *live;
	top_event_fn *take;
	void *ctx;
};

static bool take_kept(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	const struct taker *t = ctx;

	return t->take(t->ctx, t->live->names[machine % 64], event, host_ns, NULL);
}

static enum vmrt_status live_events(struct top_source *source, int64_t from_ns, int64_t to_ns,
	top_event_fn *take, void *ctx, struct vmrt_error *err)
{
	struct live *l = (struct live *)source;
	struct taker taker = {l, take, ctx};

	(void)err;
	kept_events_each(l->kept, from_ns, to_ns, take_kept, &taker);
	return VMRT_OK;
}

static void live_missed(struct top_source *source, int64_t from_ns, int64_t to_ns)
{
	kept_events_of_miss(((struct live *)source)->kept, from_ns, to_ns);
}

/* ---- VMs that come and go ---- */

/* Checks for VMs in a thread of its own: on a busy machine, reading all of /proc takes so long that
 * it would delay the keys. */
static void *watch_vms(void *arg)
{
	struct live *l = arg;
	struct pollfd end = {.fd = l->end_fd, .events = POLLIN};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!atomic_load(&l->stale) && poll(&end, 1, VMS_EVERY_MS) == 0)
		if (vmrt_live_stale(l->live))
			atomic_store(&l->stale, true);
	return NULL;
}

static void begin_watching(struct live *l)
{
	atomic_store(&l->stale, false);
	if (l->end_fd < 0)
		l->end_fd = eventfd(0, EFD_CLOEXEC);
	/* without the watcher only new VMs are not noticed */
	l->watching = l->end_fd >= 0 && pthread_create(&l->watcher, NULL, watch_vms, l) == 0;
}

static void end_watching(struct live *l)
{
	uint64_t one = 1;

	if (l->watching) {
		(void)!write(l->end_fd, &one, sizeof(one));
		pthread_join(l->watcher, NULL);
	}
	if (l->end_fd >= 0)
		close(l->end_fd);
	l->end_fd = -1;
	l->watching = false;
}

static void close_live(struct live *l)
{
	end_watching(l);
	vmrt_live_close(l->live);
	l->live = NULL;
	live_tasks_free(&l->tasks);
}

/* Begins to trace VMs that have come, and drops VMs that are gone; the others continue. */
static bool follow_vms(struct live *l)
{
	if (!atomic_load(&l->stale))
		return false;
	end_watching(l);
	/* the watcher starts again after the list of VMs was replaced */
	if (vmrt_live_change(l->live, NULL) == VMRT_OK)
		return true;
	/* a VM may have gone again; the next check of the watcher shows it */
	begin_watching(l);
	return false;
}

/* ---- the source ---- */

static void live_config(struct top_source *source, struct vmrt_engine_config *config)
{
	struct live *l = (struct live *)source;

	vmrt_live_config(l->live, config);
	if (!l->watching)
		begin_watching(l);
	if (!l->exp) {
		live_tasks_begin(&l->tasks, config);
		config->experiment = l->tasks.found;
	}
	for (size_t i = 0; i < config->n_machines && i < 64; i++)
		snprintf(l->names[i], sizeof(l->names[i]), "%s", config->machines[i].name);
}

/* Notes each event; true if tasks were found, so that a new engine is needed. */
static bool see_event(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	struct live *l = ctx;

	if (l->base.start_ns == VMRT_UNKNOWN)
		l->base.start_ns = host_ns;
	l->base.now_ns = host_ns;
	kept_events_add(l->kept, machine, event, host_ns);
	l->anew = live_tasks_see(&l->tasks, machine, event, host_ns);
	return l->anew;
}

static void live_reset(struct top_source *source)
{
	struct live *l = (struct live *)source;

	l->forgotten = live_tasks_forget(&l->tasks);
}

static enum top_fed live_feed(struct top_source *source, struct vmrt_engine *engine,
	int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct live *l = (struct live *)source;
	enum vmrt_pumped pumped;
	struct vmrt_pump pump;
	int64_t upto;

	(void)until_ns;
	if (follow_vms(l))
		return TOP_FED_ANEW;
	if (l->forgotten) {
		l->forgotten = false;
		return TOP_FED_ANEW;
	}
	if (vmrt_live_collect(l->live, err) != VMRT_OK)
		return TOP_FED_ERROR;
	if (vmrt_live_joined(l->live))
		return TOP_FED_ANEW;
	pump = (struct vmrt_pump){.from = vmrt_live_merge(l->live),
		.to = engine,
		.until_ns = INT64_MAX,
		.most = CHECK_EVERY,
		.see = see_event,
		.ctx = l};
	l->anew = false;
	do {
		pumped = vmrt_pump(&pump);
		/* must be called before the events of a miss are overwritten */
		if (source->between)
			source->between(source->between_ctx);
	} while (pumped == VMRT_PUMPED_PART && !l->anew && vmrt_now_ns() < deadline_ns);
	if (l->anew)
		return TOP_FED_ANEW;
	if (pumped == VMRT_PUMPED_PART)
		return TOP_FED_PART;
	if (pumped == VMRT_PUMPED_ENOMEM) {
		vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return TOP_FED_ERROR;
	}
	upto = vmrt_live_upto(l->live);
	if (source->start_ns != VMRT_UNKNOWN && upto > source->now_ns)
		source->now_ns = upto;
	return TOP_FED_ALL;
}

/* Has the recorder completed its run? If it refused to begin, a run of this name may be an old one.
 */
static bool is_complete(int how)
{
	return WIFEXITED(how) &&
	       (WEXITSTATUS(how) == VMRT_EXIT_DONE || WEXITSTATUS(how) == VMRT_EXIT_UNKNOWN);
}

/* Checks whether the recorder has ended by itself; the last line of its messages says why. */
static void read_recorder_state(struct live *l)
{
	char talk[512], *last;
	ssize_t n;
	int how;

	/* the recorder has to connect to the agents first */
	l->base.recording = l->recorder && vmrt_recording_in_progress(l->run);
	if (!l->recorder || waitpid(l->recorder, &how, WNOHANG) != l->recorder)
		return;
	l->recorder = 0;
	l->recorded = is_complete(how);
	l->base.recording = false;
	n = pread(l->talk, talk, sizeof(talk) - 1, 0);
	while (n > 0 && talk[n - 1] == '\n')
		n--;
	talk[n > 0 ? n : 0] = '\0';
	last = strrchr(talk, '\n');
	snprintf(l->ended, sizeof(l->ended), "not recorded any more: %.160s",
		last ? last + 1 : talk);
}

/* Prints the messages of the recorder, after the screen was closed. */
static void repeat_talk(struct live *l)
{
	char talk[4096];
	ssize_t n;

	for (off_t at = 0; (n = pread(l->talk, talk, sizeof(talk), at)) > 0; at += n)
		if (vmrt_write_all(STDERR_FILENO, talk, (size_t)n) != 0)
			return;
}

static bool add_words(char *note, size_t room, const char *words)
{
	size_t n = strlen(note);

	if (words[0])
		snprintf(note + n, room - n, "%s%s", n ? "; " : "", words);
	return words[0];
}

/* Adds the note about vCPUs that share a CPU behind other notes, because it does not change. */
static bool add_crowd(const struct vmrt_live *live, char *note, size_t room)
{
	char words[512];

	vmrt_live_crowd(live, words, sizeof(words));
	return add_words(note, room, words);
}

static void live_state(struct top_source *source, struct top_source_state *state)
{
	struct live *l = (struct live *)source;

	*state =
		(struct top_source_state){.buffer_fill = VMRT_UNKNOWN, .buffer_size = VMRT_UNKNOWN};
	read_recorder_state(l);
	if (l->live) {
		uint64_t fill, size;

		vmrt_live_buffer(l->live, &fill, &size);
		state->buffer_fill = (int64_t)fill;
		state->buffer_size = (int64_t)size;
	}
	if (l->ended[0])
		snprintf(state->note, sizeof(state->note), "%s", l->ended);
	else if (l->live)
		vmrt_live_note(l->live, state->note, sizeof(state->note));
	if (l->recorder && !l->base.recording)
		add_words(state->note, sizeof(state->note), "not recorded yet");
	if (!state->note[0]) {
		state->mild = true;
		live_tasks_note(&l->tasks, l->base.now_ns, state->note, sizeof(state->note));
	}
	if (l->live && add_crowd(l->live, state->note, sizeof(state->note)))
		state->mild = false;
}

/* ---- recording at the same time ---- */

/* Makes the name of the run folder as the recorder does. */
static void name_run(struct live *l, const char *output)
{
	size_t len = strlen(output), suffix = strlen(RUN_SUFFIX);
	bool named;

	while (len > 1 && output[len - 1] == '/')
		len--;
	named = len >= suffix && !strncmp(output + len - suffix, RUN_SUFFIX, suffix);
	snprintf(l->run, sizeof(l->run), "%.*s%s", (int)len, output, named ? "" : RUN_SUFFIX);
}

static enum vmrt_status spawn_recorder(
	struct live *l, const char *const *argv, struct vmrt_error *err)
{
	char program[4096];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int failed;

	vmrt_program_path("vmrt-trace", program, sizeof(program));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, l->talk, 2);
	/* ^C in the terminal must reach only vmrt-top, which then ends the recording */
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attr, 0);
	failed = posix_spawnp(
		&l->recorder, program, &actions, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (!failed)
		return VMRT_OK;
	l->recorder = 0;
	return vmrt_fail(err, VMRT_ENOENT, "cannot start %s: %s", program, strerror(failed));
}

/* Starts the recorder as a separate process, so that a failure of vmrt-top does not harm the
 * recording. */
static enum vmrt_status start_recorder(
	struct live *l, const struct top_source_options *options, struct vmrt_error *err)
{
	char numbers[OWNERS_MAX][16], links[TOP_LINKS_MAX][256];
	const uid_t *owners;
	size_t n_owners;
	const char *argv[12 + 2 * OWNERS_MAX + 2 * TOP_LINKS_MAX] = {
		"vmrt-trace", "record", "-q", "-o", options->output};
	enum vmrt_status status;
	size_t n = 5;

	if (options->experiment) {
		argv[n++] = "-e";
		argv[n++] = options->experiment;
	}
	if (options->vm) {
		argv[n++] = "--vm";
		argv[n++] = options->vm;
	}
	if (!options->experiment && !options->vm)
		argv[n++] = "--all-vms";
	n_owners = vmrt_owners_added(&owners);
	for (size_t i = 0; i < n_owners && i < OWNERS_MAX; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%u", (unsigned)owners[i]);
		argv[n++] = "--owner";
		argv[n++] = numbers[i];
	}
	/* an agent that listens serves only one client, so only links through ssh, which start
	 * their own agent, are passed to the recorder */
	for (size_t i = 0; i < options->n_links; i++) {
		if (!options->links[i].is_ssh)
			continue;
		snprintf(links[i], sizeof(links[i]), "%s=%s", options->links[i].vm,
			options->links[i].way);
		argv[n++] = "--link";
		argv[n++] = links[i];
	}
	l->talk = memfd_create("vmrt-top-recorder", MFD_CLOEXEC);
	if (l->talk < 0)
		return vmrt_fail_errno(err, errno, "recorder: cannot keep its messages");
	status = spawn_recorder(l, argv, err);
	if (status != VMRT_OK)
		return status;
	name_run(l, options->output);
	return VMRT_OK;
}

static void end_recorder(struct live *l)
{
	pid_t ended;
	int how = -1;

	if (!l->recorder)
		return;
	kill(l->recorder, SIGINT);
	do
		ended = waitpid(l->recorder, &how, 0);
	while (ended < 0 && errno == EINTR);
	l->recorded = ended == l->recorder && is_complete(how);
	l->recorder = 0;
	l->base.recording = false;
}

static const char *live_settle(struct top_source *source)
{
	struct live *l = (struct live *)source;
	char path[sizeof(l->run) + 16];

	if (!l->run[0])
		return NULL;
	/* the live view ends before the recorder, so that the recording covers all of the live view
	 */
	close_live(l);
	end_recorder(l);
	snprintf(path, sizeof(path), "%s/host.dat", l->run);
	if (!l->recorded || access(path, F_OK) != 0 || vmrt_recording_in_progress(l->run))
		return NULL;
	return l->run;
}

static void live_close(struct top_source *source)
{
	struct live *l = (struct live *)source;

	close_live(l);
	end_recorder(l);
	if (l->talk >= 0) {
		repeat_talk(l);
		close(l->talk);
	}
	vmrt_experiment_free(l->exp);
	kept_events_free(l->kept);
	free(l);
}

enum vmrt_status top_live_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err)
{
	static const struct top_source_ops ops = {.config = live_config,
		.feed = live_feed,
		.state = live_state,
		.events = live_events,
		.missed = live_missed,
		.reset = live_reset,
		.settle = live_settle,
		.close = live_close};
	struct live *l = calloc(1, sizeof(*l));
	enum vmrt_status status = VMRT_OK;

	if (l)
		l->kept = kept_events_new();
	if (!l || !l->kept) {
		free(l);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	l->talk = l->end_fd = -1;
	l->base.ops = &ops;
	l->base.live = true;
	l->base.start_ns = l->base.end_ns = l->base.now_ns = VMRT_UNKNOWN;
	if (options->experiment)
		status = vmrt_experiment_load(options->experiment, &l->exp, err);
	l->options = (struct vmrt_live_options){.experiment = l->exp,
		.vm = options->vm,
		.links = options->links,
		.n_links = options->n_links,
		.secret_file = options->secret_file,
		.port = options->port,
		.slack_ns = SLACK_NS,
		.at_once = true};
	if (status == VMRT_OK && options->output)
		status = start_recorder(l, options, err);
	if (status == VMRT_OK)
		status = vmrt_live_open(&l->options, &l->live, err);
	if (status != VMRT_OK) {
		live_close(&l->base);
		return status;
	}
	if (vmrt_live_vm(l->live)) {
		snprintf(l->vm, sizeof(l->vm), "%s", vmrt_live_vm(l->live));
		l->base.vm = l->vm;
	}
	snprintf(l->base.title, sizeof(l->base.title), "%s", l->exp ? l->exp->name : "this host");
	*out = &l->base;
	return VMRT_OK;
}

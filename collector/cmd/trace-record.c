/* SPDX-License-Identifier: MIT */
/* vmrt-trace record: its options and how they go together. The recording itself is
 * collector/record. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#include "collector/record/recorder.h"
#include "collector/wire/secret.h"

#define GUEST_MAX_SIZE (UINT64_C(1) << 30)
#define BUFFER_LEAST 8192
#define FLIGHT_BUFFER (UINT64_C(32) << 20) /* it is all that there is room for */
#define BUFFER_MOST (UINT64_C(16) << 30)

static error_t add_link(void *opts, char *arg, const struct argp_state *state)
{
	return trace_add_link(opts, arg, state);
}

/* Without --flight-on, a flight recorder with an experiment saves at misses and overruns; without
 * an experiment it saves only at a signal. */
static error_t check_flight(struct vmrt_recorder_options *o, const struct argp_state *state)
{
	const char *on = o->flight_on ? o->flight_on : o->experiment ? "both" : "signal";
	bool both = !strcmp(on, "both");

	if (o->flight_on && !o->flight_ns)
		return vmrt_usage(state, "--flight-on is for a flight recorder: --flight TIME");
	if (!o->flight_ns)
		return 0;
	o->on_miss = both || !strcmp(on, "miss");
	o->on_overrun = both || !strcmp(on, "overrun");
	if (!o->on_miss && !o->on_overrun && strcmp(on, "signal") != 0)
		return vmrt_usage(
			state, "--flight-on '%s': give miss, overrun, both or signal", on);
	if ((o->on_miss || o->on_overrun) && !o->experiment)
		return vmrt_usage(state, "--flight-on %s needs an experiment: -e FILE", on);
	if (o->max_size || o->stream)
		return vmrt_usage(state, "--flight excludes --max-size and --stream");
	if (o->buffer == VMRT_TRACER_BUFFER)
		o->buffer = FLIGHT_BUFFER;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	struct vmrt_recorder_options *o = opts;

	if (o->max_size)
		o->guest_max_size = o->max_size;
	if (o->hsf && !o->experiment)
		return vmrt_usage(state, "--hsf needs the servers of an experiment: -e FILE");
	if (o->needs_secret && !o->secret_file)
		return vmrt_usage(state,
			"an agent is reached by TCP only with a shared secret: --secret-file FILE");
	if (o->stream && o->hold)
		return vmrt_usage(state, "--hold and --stream exclude each other");
	if (o->no_guest && o->n_links)
		return vmrt_usage(state, "--no-guest and --link exclude each other");
	return check_flight(o, state);
}

static error_t take_events(void *opts, char *arg, const struct argp_state *state)
{
	struct vmrt_recorder_options *o = opts;

	if (!arg[strspn(arg, "+-, ")])
		return vmrt_usage(
			state, "--events '%s': give events such as +irq:*,+kvm:kvm_entry", arg);
	o->events = arg;
	return 0;
}

/* The first word that is not an option begins the command; the words after it belong to the
 * command. */
static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct vmrt_recorder_options *o = opts;

	(void)arg;
	o->command = &state->argv[state->next - 1];
	state->next = state->argc;
	return 0;
}

static error_t take_mode(void *opts, char *arg, const struct argp_state *state)
{
	char *end;
	unsigned long mode = strtoul(arg, &end, 8);

	(void)opts;
	if (*arg < '0' || *arg > '7' || *end || mode > 0666 || (mode & 0600) != 0600 ||
		(mode & 0111))
		return vmrt_usage(
			state, "--mode '%s': give permissions such as 0600, 0640 or 0644", arg);
	vmrt_recording_mode((mode_t)mode);
	return 0;
}

static const char *const flight_words[] = {"miss", "overrun", "both", "signal", NULL};

#define OF struct vmrt_recorder_options

static const struct vmrt_option options[] = {
	{"output", 'o', "RUN", "the folder to make", .standard = "NAME-DATE.vmrt",
		VMRT_TEXT(OF, run)},
	{"experiment", 'e', "FILE", "record the VMs of this experiment", VMRT_TEXT(OF, experiment)},
	{"vm", 0, "NAME", "record this VM too; a name, or pid:N, cgroup:PATH, thread:PATTERN",
		VMRT_LIST(OF, vms, n_vms)},
	{"all-vms", 0, NULL, "record all VMs, also those that start meanwhile",
		VMRT_FLAG(OF, all_vms)},
	VMRT_OPTION_OWNER,
	{"no-guest", 0, NULL, "record the host only", VMRT_FLAG(OF, no_guest)},
	{"hsf", 0, NULL, "enforce the experiment's servers while recording (vmrt-hsf)",
		VMRT_FLAG(OF, hsf)},
	{"duration", 'd', "TIME", "stop after this time, such as 10s",
		VMRT_TIME(OF, duration_ns, 1, 0), .sample = "10s"},
	{"mode", 0, "MODE", "permissions of the recordings, in octal", .standard = "0600",
		VMRT_CALL(take_mode)},
	{"force", 0, NULL, "overwrite RUN", VMRT_FLAG(OF, force)},
	{"buffer", 0, "SIZE", "buffer per host CPU", .standard = "8MiB",
		VMRT_SIZE(OF, buffer, BUFFER_LEAST, BUFFER_MOST)},
	{"guest-buffer", 0, "SIZE", "buffer per guest CPU", .standard = "16MiB",
		VMRT_SIZE(OF, guest_buffer, BUFFER_LEAST, BUFFER_MOST)},
	{"events", 0, "LIST",
		"events of the host: +SYSTEM:EVENT,... adds, -SYSTEM:EVENT removes, "
		"without a sign only these; patterns are allowed",
		VMRT_CALL(take_events)},
	{"max-size", 0, "SIZE",
		"stop when the host's recording has this size; a guest's recording ends "
		"there, too (default: no limit; 1GiB for a guest)",
		VMRT_SIZE(OF, max_size, BUFFER_LEAST, 0), .sample = "100MiB"},
	{"only-vms", 0, NULL,
		"record only the VMs' threads, their wakers and the threads that "
		"preempt them",
		VMRT_FLAG(OF, only_vms)},
	{"flight", 0, "TIME",
		"keep only the last TIME, until SIGUSR1, a deadline miss or a budget overrun",
		VMRT_TIME(OF, flight_ns, 1, 0), .sample = "10s"},
	{"flight-on", 0, "WHAT", "when to save: miss, overrun, both or signal",
		.standard = "both with -e, else signal", VMRT_TEXT(OF, flight_on),
		.choices = flight_words},
	{"hold", 0, NULL,
		"make the guests keep their events until the end, as far as they have "
		"room (the default)",
		VMRT_FLAG(OF, hold)},
	{"stream", 0, NULL, "make the guests send their events all the time",
		VMRT_FLAG(OF, stream)},
	{"link", 0, "VM=WAY",
		"the way to the agent in VM: a UNIX socket, vsock:CID[:PORT], tcp:HOST:PORT or "
		"ssh:[USER@]HOST; may be repeated",
		VMRT_CALL(add_link)},
	{"secret-file", 0, "FILE", "the secret shared with agents reached by TCP",
		VMRT_TEXT(OF, secret_file)},
	{"no-analyze", 0, NULL, "only record; `vmrt-trace analyze` can follow",
		VMRT_FLAG(OF, no_analyze)},
	{"allow-loss", 0, NULL, "exit 0 although events were lost", VMRT_FLAG(OF, allow_loss)},
	VMRT_OPTION_QUIET,
	{0},
};

static int run(void *opts)
{
	struct vmrt_recorder_options *o = opts;
	static struct vmrt_secret secret;
	struct vmrt_error err;

	if (o->secret_file) {
		if (vmrt_secret_load(o->secret_file, &secret, &err) != VMRT_OK) {
			vmrt_complain(&err);
			return VMRT_EXIT_FAILED;
		}
		o->secret = &secret;
	}
	return vmrt_recorder_run(o);
}

static struct vmrt_recorder_options defaults = {
	.guest_max_size = GUEST_MAX_SIZE,
};

const struct vmrt_command vmrt_trace_record = {
	.name = "record",
	.args = "[-- COMMAND...]",
	.summary = "Record the host and its guests around a command",
	.doc = "Records until COMMAND ends, the time is over, or ^C; then analyses what it has.",
	.options = options,
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run,
};

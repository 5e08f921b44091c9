/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <string.h>

#include <vmrt/units.h>

#include "collector/record/recorder.h"
#include "collector/wire/secret.h"
#include "collector/wire/transport.h"

#define GUEST_BUFFER (UINT64_C(16) << 20)
#define GUEST_MAX_SIZE (UINT64_C(1) << 30)
#define BUFFER_LEAST 8192
#define FLIGHT_BUFFER (UINT64_C(32) << 20) /* it is all that there is room for */
#define BUFFER_MOST (UINT64_C(16) << 30)

enum {
	OPT_VM = 256,
	OPT_NO_GUEST,
	OPT_HSF,
	OPT_FORCE,
	OPT_BUFFER,
	OPT_GUEST_BUFFER,
	OPT_MAX_SIZE,
	OPT_STREAM,
	OPT_HOLD,
	OPT_LINK,
	OPT_SECRET_FILE,
	OPT_NO_ANALYZE,
	OPT_ALLOW_LOSS,
	OPT_EVENTS,
	OPT_ALL_VMS,
	OPT_ONLY_VMS,
	OPT_FLIGHT,
	OPT_FLIGHT_ON,
};

static const struct argp_option options[] = {
	{"output", 'o', "RUN", 0, "the folder to make (default: NAME-DATE.vmrt)", 0},
	{"experiment", 'e', "FILE", 0, "record the VMs of this experiment", 0},
	{"vm", OPT_VM, "NAME", 0,
		"record this VM too; a name, or pid:N, cgroup:PATH, thread:PATTERN; may be "
		"repeated",
		0},
	{"all-vms", OPT_ALL_VMS, NULL, 0, "record all VMs, also those that start meanwhile", 0},
	{"no-guest", OPT_NO_GUEST, NULL, 0, "record the host only", 0},
	{"hsf", OPT_HSF, NULL, 0, "enforce the experiment's servers meanwhile (vmrt-hsf)", 0},
	{"duration", 'd', "TIME", 0, "stop after this time, such as 10s", 0},
	{"force", OPT_FORCE, NULL, 0, "overwrite RUN", 0},
	{"buffer", OPT_BUFFER, "SIZE", 0, "buffer per host CPU (default: 8MiB)", 0},
	{"guest-buffer", OPT_GUEST_BUFFER, "SIZE", 0, "buffer per guest CPU (default: 16MiB)", 0},
	{"events", OPT_EVENTS, "LIST", 0,
		"events of the host: +SYSTEM:EVENT,... adds, -SYSTEM:EVENT takes away, without a "
		"sign only these; patterns are allowed",
		0},
	{"max-size", OPT_MAX_SIZE, "SIZE", 0,
		"stop when so much of the host was recorded; most of a guest (default: no limit; "
		"1GiB of a guest)",
		0},
	{"only-vms", OPT_ONLY_VMS, NULL, 0,
		"record only the VMs' threads, their wakers and who preempts them", 0},
	{"flight", OPT_FLIGHT, "TIME", 0,
		"keep only the last TIME, until SIGUSR1, a deadline miss or a budget overrun", 0},
	{"flight-on", OPT_FLIGHT_ON, "WHAT", 0,
		"miss, overrun, both or signal (default: both with -e, else signal)", 0},
	{"hold", OPT_HOLD, NULL, 0,
		"have the guests keep their events until the end, as far as they have room (the "
		"default)",
		0},
	{"stream", OPT_STREAM, NULL, 0, "have the guests send their events all the time", 0},
	{"link", OPT_LINK, "VM=WAY", 0,
		"the way to the agent in VM: a UNIX socket, vsock:CID[:PORT] or tcp:HOST:PORT; may "
		"be repeated",
		0},
	{"secret-file", OPT_SECRET_FILE, "FILE", 0, "the secret shared with agents reached by TCP",
		0},
	{"no-analyze", OPT_NO_ANALYZE, NULL, 0, "only record; `vmrt-trace analyze` can follow", 0},
	{"allow-loss", OPT_ALLOW_LOSS, NULL, 0, "exit 0 although events were lost", 0},
	{"quiet", 'q', NULL, 0, "only warnings and errors on stderr", 0},
	{0},
};

static error_t add_vm(struct vmrt_recorder_options *o, const char *arg, struct argp_state *state)
{
	if (o->n_vms == VMRT_RECORDER_VMS)
		return vmrt_usage(state, "--vm: more than %d VMs", VMRT_RECORDER_VMS);
	o->vms[o->n_vms++] = arg;
	return 0;
}

static error_t add_link(struct vmrt_recorder_options *o, char *arg, struct argp_state *state)
{
	char *equals = strchr(arg, '=');
	struct vmrt_transport way;
	struct vmrt_error err;

	if (!equals || equals == arg || !equals[1])
		return vmrt_usage(state,
			"--link '%s': give VM=SOCKET, VM=vsock:CID or VM=tcp:HOST:PORT", arg);
	if (vmrt_transport_parse(equals + 1, &way, &err) != VMRT_OK)
		return vmrt_usage(state, "--link: %s", err.text);
	if (strlen(equals + 1) >= VMRT_LINK_PATH)
		return vmrt_usage(state, "--link: '%s' is too long", equals + 1);
	o->needs_secret |= way.kind == VMRT_TRANSPORT_TCP;
	if (o->n_links == VMRT_RECORDER_VMS)
		return vmrt_usage(state, "--link: more than %d VMs", VMRT_RECORDER_VMS);
	*equals = '\0';
	o->links[o->n_links].vm = arg;
	o->links[o->n_links++].socket = equals + 1;
	return 0;
}

static error_t set_size(
	uint64_t *size, const char *option, const char *arg, struct argp_state *state)
{
	if (vmrt_parse_size(arg, size) != VMRT_OK || *size < BUFFER_LEAST)
		return vmrt_usage(
			state, "--%s '%s': give a size from 8KiB on, such as 8MiB", option, arg);
	if (strcmp(option, "max-size") && *size > BUFFER_MOST)
		return vmrt_usage(state, "--%s '%s': more than 16GiB", option, arg);
	return 0;
}

static error_t set_time(int64_t *ns, const char *option, const char *arg, struct argp_state *state)
{
	if (vmrt_parse_duration(arg, 0, ns) != VMRT_OK || *ns <= 0)
		return vmrt_usage(
			state, "--%s '%s': give a time such as 10s or 500ms", option, arg);
	return 0;
}

/* Without a word: whatever the experiment lets us see. */
static error_t check_flight(struct vmrt_recorder_options *o, struct argp_state *state)
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

static error_t check(struct vmrt_recorder_options *o, struct argp_state *state)
{
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

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct vmrt_recorder_options *o = state->input;
	error_t bad;

	switch (key) {
	case 'o':
		o->run = arg;
		return 0;
	case 'e':
		o->experiment = arg;
		return 0;
	case OPT_VM:
		return add_vm(o, arg, state);
	case OPT_ALL_VMS:
		o->all_vms = true;
		return 0;
	case OPT_NO_GUEST:
		o->no_guest = true;
		return 0;
	case OPT_HSF:
		o->hsf = true;
		return 0;
	case 'd':
		return set_time(&o->duration_ns, "duration", arg, state);
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_BUFFER:
		return set_size(&o->buffer, "buffer", arg, state);
	case OPT_GUEST_BUFFER:
		return set_size(&o->guest_buffer, "guest-buffer", arg, state);
	case OPT_MAX_SIZE:
		bad = set_size(&o->max_size, "max-size", arg, state);
		o->guest_max_size = o->max_size;
		return bad;
	case OPT_EVENTS:
		if (!arg[strspn(arg, "+-, ")])
			return vmrt_usage(state,
				"--events '%s': give events such as +irq:*,+kvm:kvm_entry", arg);
		o->events = arg;
		return 0;
	case OPT_ONLY_VMS:
		o->only_vms = true;
		return 0;
	case OPT_FLIGHT:
		return set_time(&o->flight_ns, "flight", arg, state);
	case OPT_FLIGHT_ON:
		o->flight_on = arg;
		return 0;
	case OPT_STREAM:
		o->stream = true;
		return 0;
	case OPT_HOLD:
		o->hold = true;
		return 0;
	case OPT_LINK:
		return add_link(o, arg, state);
	case OPT_SECRET_FILE:
		o->secret_file = arg;
		return 0;
	case OPT_NO_ANALYZE:
		o->no_analyze = true;
		return 0;
	case OPT_ALLOW_LOSS:
		o->allow_loss = true;
		return 0;
	case 'q':
		vmrt_set_quiet(1);
		return 0;
	case ARGP_KEY_ARG:
		/* the first word that is no option begins the command; what follows is its own */
		o->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		return check(o, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

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
	.buffer = VMRT_TRACER_BUFFER,
	.guest_buffer = GUEST_BUFFER,
	.guest_max_size = GUEST_MAX_SIZE,
};

const struct vmrt_command vmrt_trace_record = {
	.name = "record",
	.args = "[-- COMMAND...]",
	.summary = "Record the host and its guests around a command",
	.doc = "Records until COMMAND ends, the time is over, or ^C; then analyses what it has.",
	.options = options,
	.parse = parse,
	.opts = &defaults,
	.run = run,
};

/* SPDX-License-Identifier: MIT */
#include "hsf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/table.h>
#include <vmrt/tool.h>

#include "hsf/control/control.h"

enum {
	OPT_SERVER = 256,
	OPT_INSTANCE,
	OPT_DURATION,
	OPT_NOTIFY,
	OPT_CPU,
	OPT_FORCE,
	OPT_STATS,
	OPT_NO_WAIT,
	OPT_SOCKET,
	OPT_GROUP,
};

/* ---- run ---- */

static const struct argp_option run_options[] = {
	{"experiment", 'e', "EXPERIMENT", 0, "the experiment file with the servers", 0},
	{"server", OPT_SERVER, "NAME", 0,
		"enforce this server, may be repeated (default: all whose policy is not none)", 0},
	{"cpu", OPT_CPU, "N", 0,
		"host CPU of the servers (default: the first that the vCPU threads may run on)", 0},
	{"duration", OPT_DURATION, "TIME", 0,
		"stop after this time, such as 30s (default: until ^C)", 0},
	{"instance", OPT_INSTANCE, "NAME", 0,
		"write markers into this tracefs instance (default: into all called vmrt-*)", 0},
	{"notify-fd", OPT_NOTIFY, "N", 0, "write a line to descriptor N when enforcing has begun",
		0},
	{"force", OPT_FORCE, NULL, 0, "begin although the servers are not schedulable together", 0},
	{"stats", OPT_STATS, "FILE", 0, "write the figures at the end to FILE instead of stderr",
		0},
	{"no-wait", OPT_NO_WAIT, NULL, 0,
		"refuse to begin without one of the VMs, and end with the last of them (default: "
		"wait for them)",
		0},
	{"socket", OPT_SOCKET, "PATH", 0,
		"listen here for status, set, attach and detach (default: /run/vmrt-hsf/PID.sock; "
		"none: nowhere)",
		0},
	{"group", OPT_GROUP, "NAME", 0,
		"members of this group may use the socket, too, not only root", 0},
	{"quiet", 'q', NULL, 0, "no talk and no figures on stderr, only warnings and errors", 0},
	{0},
};

static void parse_number(
	const struct argp_state *state, const char *option, const char *arg, int64_t max, int *out)
{
	int64_t v;

	if (vmrt_parse_int(arg, 0, max, &v) != VMRT_OK)
		vmrt_usage(state, "--%s %s: give a whole number from 0 to %lld", option, arg,
			(long long)max);
	else
		*out = (int)v;
}

static void set_experiment(const struct argp_state *state, struct hsf_options *o, const char *arg)
{
	if (o->experiment)
		vmrt_usage(state, "give one experiment file: %s or %s", o->experiment, arg);
	o->experiment = arg;
}

static error_t parse_run(int key, char *arg, struct argp_state *state)
{
	struct hsf_options *o = state->input;

	switch (key) {
	case 'e':
	case ARGP_KEY_ARG:
		set_experiment(state, o, arg);
		break;
	case OPT_SERVER:
		if (o->n_servers == HSF_MAX_SERVERS)
			return vmrt_usage(state, "--server: at most %d", HSF_MAX_SERVERS);
		o->servers[o->n_servers++] = arg;
		break;
	case OPT_INSTANCE:
		o->instance = arg;
		break;
	case OPT_DURATION:
		if (vmrt_parse_duration(arg, 0, &o->duration_ns) != VMRT_OK || o->duration_ns <= 0)
			return vmrt_usage(
				state, "--duration %s: give a time such as 500ms or 30s", arg);
		break;
	case OPT_NOTIFY:
		parse_number(state, "notify-fd", arg, INT32_MAX, &o->notify_fd);
		if (fcntl(o->notify_fd, F_GETFD) < 0)
			return vmrt_usage(
				state, "--notify-fd %s: that descriptor is not open", arg);
		break;
	case OPT_CPU:
		parse_number(state, "cpu", arg, CPU_SETSIZE - 1, &o->cpu);
		break;
	case OPT_FORCE:
		o->force = true;
		break;
	case OPT_STATS:
		o->stats = arg;
		break;
	case OPT_NO_WAIT:
		o->no_wait = true;
		break;
	case OPT_SOCKET:
		if (!*arg)
			return vmrt_usage(state, "--socket: give a path, or none");
		o->socket = arg;
		break;
	case OPT_GROUP:
		o->group = arg;
		break;
	case 'q':
		o->quiet = true;
		vmrt_set_quiet(1);
		break;
	case ARGP_KEY_END:
		if (!o->experiment)
			return vmrt_usage(state, "which experiment file?");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int run(void *opts)
{
	return hsf_run(opts);
}

/* ---- status, set, attach, detach ---- */

struct ask_options {
	const char *socket;
	const char *format;
	struct hsf_request request;
};

#define SOCKET_OPTION                                                                              \
	{                                                                                          \
		"socket", OPT_SOCKET, "PATH", 0,                                                   \
			"of the vmrt-hsf to ask (default: all that run, or the one that has the "  \
			"server)",                                                                 \
			0                                                                          \
	}

static const struct argp_option status_options[] = {
	{"format", 'f', "FORMAT", 0, "text, json, jsonl, csv, markdown or latex", 0},
	SOCKET_OPTION,
	{0},
};

static const struct argp_option change_options[] = {
	{"force", OPT_FORCE, NULL, 0, "also if the servers are not schedulable together then", 0},
	SOCKET_OPTION,
	{0},
};

static const struct argp_option detach_options[] = {SOCKET_OPTION, {0}};

static error_t take_server(const struct argp_state *state, struct hsf_request *r, const char *arg)
{
	if (strlen(arg) >= sizeof(r->server) || !*arg)
		return vmrt_usage(state, "'%.80s' is no name of a server", arg);
	snprintf(r->server, sizeof(r->server), "%s", arg);
	return 0;
}

static error_t take_setting(const struct argp_state *state, struct hsf_request *r, const char *arg)
{
	struct vmrt_error err;

	if (r->n == HSF_SETTINGS)
		return vmrt_usage(state, "more than %d settings", HSF_SETTINGS);
	if (hsf_setting_parse(arg, &r->settings[r->n++], &err) != VMRT_OK)
		return vmrt_usage(state, "%s", err.text);
	return 0;
}

static error_t parse_ask(int key, char *arg, struct argp_state *state)
{
	struct ask_options *o = state->input;
	enum vmrt_format format;
	enum hsf_op op = o->request.op;

	switch (key) {
	case 'f':
		if (vmrt_format_parse(arg, &format) != VMRT_OK)
			return vmrt_usage(state,
				"--format '%s': give text, json, jsonl, csv, markdown or latex",
				arg);
		o->format = arg;
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_FORCE:
		o->request.force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!o->request.server[0])
			return take_server(state, &o->request, arg);
		if (op == HSF_OP_SET || op == HSF_OP_ATTACH)
			return take_setting(state, &o->request, arg);
		return vmrt_usage(state, "one server at a time: %s or %s", o->request.server, arg);
	case ARGP_KEY_END:
		if (op != HSF_OP_STATUS && !o->request.server[0])
			return vmrt_usage(state, "which server?");
		if (op == HSF_OP_SET && !o->request.n)
			return vmrt_usage(state,
				"what of server %s is to be changed? Say for example budget=9ms",
				o->request.server);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int status(void *opts)
{
	const struct ask_options *o = opts;

	return hsf_client_status(
		o->socket, o->format, o->request.server[0] ? o->request.server : NULL);
}

static int change(void *opts)
{
	const struct ask_options *o = opts;

	return hsf_client_change(o->socket, &o->request);
}

static struct ask_options status_opts = {.request.op = HSF_OP_STATUS};
static struct ask_options set_opts = {.request.op = HSF_OP_SET};
static struct ask_options attach_opts = {.request.op = HSF_OP_ATTACH};
static struct ask_options detach_opts = {.request.op = HSF_OP_DETACH};

/* ---- reset ---- */

static const struct argp_option no_options[] = {{0}};

static error_t parse_reset(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		return vmrt_usage(state, "%s: reset has no arguments", arg);
	return ARGP_ERR_UNKNOWN;
}

static int reset(void *opts)
{
	(void)opts;
	return hsf_recover();
}

static struct hsf_options run_opts = {.notify_fd = -1, .cpu = -1};

static const struct vmrt_command commands[] = {
	{
		.name = "run",
		.args = "EXPERIMENT",
		.summary = "Enforce the servers of an experiment file on virtual machines that are "
			   "running.",
		.doc = "All threads get their former policy, priority and CPUs back when vmrt-hsf "
		       "ends, "
		       "however it ends. Exit status: 0 stopped as asked, 1 could not, or "
		       "(--no-wait) all VMs "
		       "have ended, 2 the servers are not schedulable together.",
		.options = run_options,
		.parse = parse_run,
		.opts = &run_opts,
		.run = run,
	},
	{
		.name = "status",
		.args = "[SERVER]",
		.summary = "Show the servers of all vmrt-hsf that run.",
		.options = status_options,
		.parse = parse_ask,
		.opts = &status_opts,
		.run = status,
	},
	{
		.name = "set",
		.args = "SERVER KEY=VALUE...",
		.summary = "Change a server while it is enforced.",
		.doc = "Keys and values are those of the experiment file: period, budget, "
		       "priority, policy, "
		       "background, helpers. Exit status: 0 done, 1 could not, 2 the servers would "
		       "not be "
		       "schedulable together.",
		.options = change_options,
		.parse = parse_ask,
		.opts = &set_opts,
		.run = change,
	},
	{
		.name = "attach",
		.args = "SERVER KEY=VALUE...",
		.summary = "Add a server to a vmrt-hsf that runs.",
		.doc = "Keys and values are those of the experiment file, such as vm=vm2 "
		       "period=12ms budget=4ms "
		       "priority=40. Exit status as for set.",
		.options = change_options,
		.parse = parse_ask,
		.opts = &attach_opts,
		.run = change,
	},
	{
		.name = "detach",
		.args = "SERVER",
		.summary = "End a server; its threads get back what they had.",
		.options = detach_options,
		.parse = parse_ask,
		.opts = &detach_opts,
		.run = change,
	},
	{
		.name = "reset",
		.args = "",
		.summary = "Give threads back what they had, where a vmrt-hsf and its guardians "
			   "were all killed.",
		.options = no_options,
		.parse = parse_reset,
		.run = reset,
	},
	{0},
};

int main(int argc, char **argv)
{
	static const struct vmrt_tool tool = {
		.name = "vmrt-hsf",
		.summary = "CPU budgets for virtual machines: hierarchical scheduling from user "
			   "space.",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}

/* SPDX-License-Identifier: MIT */
/* vmrt-hsf: the command lines of the enforcer and of the commands that query or change it. */
#include "hsf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/table.h>
#include <vmrt/tool.h>

#include "hsf/control/control.h"

/* ---- run ---- */

#define OF struct hsf_options

static int parse_number(
	const struct argp_state *state, const char *option, const char *arg, int64_t max)
{
	int64_t v = 0;

	if (vmrt_parse_int(arg, 0, max, &v) != VMRT_OK)
		vmrt_usage(state, "--%s %s: give a whole number from 0 to %lld", option, arg,
			(long long)max);
	return (int)v;
}

static error_t take_experiment(void *opts, char *arg, const struct argp_state *state)
{
	struct hsf_options *o = opts;

	if (o->experiment)
		return vmrt_usage(state, "give one experiment file: %s or %s", o->experiment, arg);
	o->experiment = arg;
	return 0;
}

static error_t take_notify(void *opts, char *arg, const struct argp_state *state)
{
	struct hsf_options *o = opts;

	o->notify_fd = parse_number(state, "notify-fd", arg, INT32_MAX);
	if (fcntl(o->notify_fd, F_GETFD) < 0)
		return vmrt_usage(state, "--notify-fd %s: that descriptor is not open", arg);
	return 0;
}

static error_t take_cpu(void *opts, char *arg, const struct argp_state *state)
{
	((struct hsf_options *)opts)->cpu = parse_number(state, "cpu", arg, CPU_SETSIZE - 1);
	return 0;
}

static error_t take_quiet(void *opts, char *arg, const struct argp_state *state)
{
	((struct hsf_options *)opts)->quiet = true;
	return vmrt_option_quiet(opts, arg, state);
}

static const struct vmrt_option run_options[] = {
	{"experiment", 'e', "EXPERIMENT", "the experiment file with the servers",
		VMRT_CALL(take_experiment)},
	{"called", 0, "NAME", "what messages and status call the experiment file",
		.standard = "its path", VMRT_TEXT(OF, called)},
	{"server", 0, "NAME", "enforce this server", .standard = "all whose policy is not none",
		VMRT_LIST(OF, servers, n_servers)},
	VMRT_OPTION_OWNER,
	{"cpu", 0, "N", "host CPU of the servers",
		.standard = "the first that the vCPU threads may run on", VMRT_CALL(take_cpu)},
	{"duration", 'd', "TIME", "stop after this time, such as 30s (default: until ^C)",
		VMRT_TIME(OF, duration_ns, 1, 0), .sample = "30s"},
	{"instance", 0, "NAME", "write markers into this tracefs instance",
		.standard = "into all called vmrt-*", VMRT_TEXT(OF, instance)},
	{"notify-fd", 0, "N", "write a line to descriptor N when enforcing has begun",
		VMRT_CALL(take_notify)},
	{"force", 0, NULL, "begin although the servers are not schedulable together",
		VMRT_FLAG(OF, force)},
	{"stats", 0, "FILE", "write the figures at the end to FILE instead of stderr",
		VMRT_TEXT(OF, stats)},
	{"no-wait", 0, NULL,
		"refuse to start if one of the VMs does not run, and end when the last "
		"of them ends (default: wait for them)",
		VMRT_FLAG(OF, no_wait)},
	{"socket", 0, "PATH", "listen here for status, set, attach and detach; none: nowhere",
		.standard = "/run/vmrt-hsf/PID.sock", VMRT_TEXT(OF, socket)},
	{"group", 0, "NAME", "members of this group may use the socket, too, not only root",
		VMRT_TEXT(OF, group)},
	{"quiet", 'q', NULL, "only warnings and errors on stderr, no figures",
		VMRT_CALL(take_quiet)},
	{0},
};

static error_t run_argument(void *opts, char *arg, struct argp_state *state)
{
	return take_experiment(opts, arg, state);
}

static error_t run_check(void *opts, const struct argp_state *state)
{
	struct hsf_options *o = opts;

	if (!o->experiment)
		return vmrt_usage(state, "which experiment file?");
	if (!o->called || !*o->called)
		o->called = o->experiment;
	if (o->socket && !*o->socket)
		return vmrt_usage(state, "--socket: give a path, or none");
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
		"socket", 0, "PATH", "of the vmrt-hsf to ask",                                     \
			.standard = "all that run, or the one that has the server",                \
			VMRT_TEXT(struct ask_options, socket)                                      \
	}

static error_t take_format(void *opts, char *arg, const struct argp_state *state)
{
	enum vmrt_format format;

	if (vmrt_format_parse(arg, &format) != VMRT_OK)
		return vmrt_usage(state,
			"--format '%s': give text, json, jsonl, csv, markdown or latex", arg);
	((struct ask_options *)opts)->format = arg;
	return 0;
}

static const char *const formats[] = {"text", "json", "jsonl", "csv", "markdown", "latex", NULL};

static const struct vmrt_option status_options[] = {
	{"format", 'f', "FORMAT", "text, json, jsonl, csv, markdown or latex", .standard = "text",
		VMRT_CALL(take_format), .choices = formats},
	SOCKET_OPTION,
	{0},
};

static const struct vmrt_option change_options[] = {
	{"force", 0, NULL, "also if the servers are not schedulable together then",
		VMRT_FLAG(struct ask_options, request.force)},
	SOCKET_OPTION,
	{0},
};

static const struct vmrt_option detach_options[] = {SOCKET_OPTION, {0}};

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

static error_t ask_argument(void *opts, char *arg, struct argp_state *state)
{
	struct ask_options *o = opts;
	enum hsf_op op = o->request.op;

	if (!o->request.server[0])
		return take_server(state, &o->request, arg);
	if (op == HSF_OP_SET || op == HSF_OP_ATTACH)
		return take_setting(state, &o->request, arg);
	return vmrt_usage(state, "one server at a time: %s or %s", o->request.server, arg);
}

static error_t ask_check(void *opts, const struct argp_state *state)
{
	const struct ask_options *o = opts;
	enum hsf_op op = o->request.op;

	if (op != HSF_OP_STATUS && !o->request.server[0])
		return vmrt_usage(state, "which server?");
	if (op == HSF_OP_SET && !o->request.n)
		return vmrt_usage(state,
			"what of server %s is to be changed? Say for example budget=9ms",
			o->request.server);
	return 0;
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
		.opts = &run_opts,
		.argument = run_argument,
		.check = run_check,
		.run = run,
	},
	{
		.name = "status",
		.args = "[SERVER]",
		.summary = "Show the servers of all vmrt-hsf that run.",
		.options = status_options,
		.opts = &status_opts,
		.argument = ask_argument,
		.check = ask_check,
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
		.opts = &set_opts,
		.argument = ask_argument,
		.check = ask_check,
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
		.opts = &attach_opts,
		.argument = ask_argument,
		.check = ask_check,
		.run = change,
	},
	{
		.name = "detach",
		.args = "SERVER",
		.summary = "End a server; its threads get back what they had.",
		.options = detach_options,
		.opts = &detach_opts,
		.argument = ask_argument,
		.check = ask_check,
		.run = change,
	},
	{
		.name = "reset",
		.summary = "Give threads back what they had, where a vmrt-hsf and its guardians "
			   "were all killed.",
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
		.exit_status = "2 servers are not schedulable together,\n",
	};

	return vmrt_tool_main(&tool, argc, argv);
}

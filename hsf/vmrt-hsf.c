/* SPDX-License-Identifier: MIT */
#include "hsf.h"

#include <fcntl.h>
#include <stdlib.h>

#include <vmrt/tool.h>

enum { OPT_SERVER = 256, OPT_INSTANCE, OPT_DURATION, OPT_NOTIFY, OPT_CPU, OPT_FORCE, OPT_STATS };

static const struct argp_option run_options[] = {
	{"experiment", 'e', "EXPERIMENT", 0, "the experiment file with the servers", 0},
	{"server", OPT_SERVER, "NAME", 0,
		"enforce this server, may be repeated (default: all whose policy is not none)", 0},
	{"cpu", OPT_CPU, "N", 0,
		"host CPU of the servers (default: the first that the vCPU threads may run on)", 0},
	{"duration", OPT_DURATION, "TIME", 0, "stop after this time, such as 30s (default: until ^C)", 0},
	{"instance", OPT_INSTANCE, "NAME", 0,
		"write markers into this tracefs instance (default: into all called vmrt-*)", 0},
	{"notify-fd", OPT_NOTIFY, "N", 0, "write a line to descriptor N when enforcing has begun", 0},
	{"force", OPT_FORCE, NULL, 0, "begin although the servers are not schedulable together", 0},
	{"stats", OPT_STATS, "FILE", 0, "write the figures at the end to FILE instead of stderr", 0},
	{"quiet", 'q', NULL, 0, "no talk and no figures on stderr, only warnings and errors", 0},
	{0},
};

static void parse_number(
	const struct argp_state *state, const char *option, const char *arg, int64_t max, int *out)
{
	int64_t v;

	if (vmrt_parse_int(arg, 0, max, &v) != VMRT_OK)
		vmrt_usage(state, "--%s %s: give a whole number from 0 to %lld", option, arg, (long long)max);
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
			return vmrt_usage(state, "--duration %s: give a time such as 500ms or 30s", arg);
		break;
	case OPT_NOTIFY:
		parse_number(state, "notify-fd", arg, INT32_MAX, &o->notify_fd);
		if (fcntl(o->notify_fd, F_GETFD) < 0)
			return vmrt_usage(state, "--notify-fd %s: that descriptor is not open", arg);
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
		.summary = "Enforce the servers of an experiment file on virtual machines that are running.",
		.doc = "All threads get their former policy, priority and CPUs back when vmrt-hsf ends, "
		       "however it ends. Exit status: 0 stopped as asked, 1 could not or all VMs have "
		       "ended, 2 the servers are not schedulable together.",
		.options = run_options,
		.parse = parse_run,
		.opts = &run_opts,
		.run = run,
	},
	{
		.name = "reset",
		.args = "",
		.summary = "Give threads back what they had, where a vmrt-hsf and its guardians were all killed.",
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
		.summary = "CPU budgets for virtual machines: hierarchical scheduling from user space.",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}

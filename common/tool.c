/* SPDX-License-Identifier: MIT */
#include <vmrt/tool.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/version.h>

static volatile sig_atomic_t stop_signal;
static int stop_pipe[2] = {-1, -1};

void vmrt_request_stop(int sig)
{
	int saved = errno;

	stop_signal = sig;
	if (stop_pipe[1] >= 0)
		(void)!write(stop_pipe[1], "x", 1);
	errno = saved;
}

int vmrt_stop_requested(void)
{
	return stop_signal;
}

int vmrt_stop_fd(void)
{
	if (stop_pipe[0] < 0 && pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	return stop_pipe[0];
}

static void install_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction act = {.sa_handler = vmrt_request_stop};

	vmrt_stop_fd();
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* nohup's choice to ignore SIGHUP is respected */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &act, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

error_t vmrt_usage(const struct argp_state *state, const char *fmt, ...)
{
	char text[VMRT_ERROR_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	argp_error(state, "%s", text);
	return EINVAL;
}

static void print_version(FILE *out, struct argp_state *state)
{
	fprintf(out, "%s (vmrt) %s\n", state->name, VMRT_VERSION);
}

static void complete_options(const struct argp_option *o)
{
	printf("--help --usage --version");
	for (; o && (o->name || o->key || o->doc); o++)
		if (o->name && !(o->flags & OPTION_HIDDEN))
			printf(" --%s", o->name);
}

/* A bash completion script from the same tables that feed the parser and --help. */
static int print_completion(const struct vmrt_tool *tool)
{
	const struct vmrt_command *c;
	char function[64];

	snprintf(function, sizeof(function), "_%s", tool->name);
	for (char *p = function; *p; p++)
		if (*p == '-')
			*p = '_';
	printf("# bash completion for %s\n%s()\n{\n", tool->name, function);
	printf("\tlocal cur=${COMP_WORDS[COMP_CWORD]} words\n");
	printf("\tcase ${COMP_WORDS[1]} in\n");
	for (c = tool->commands; c->run; c++) {
		if (!c->name)
			continue;
		printf("\t%s) words='", c->name);
		complete_options(c->options);
		printf("' ;;\n");
	}
	printf("\t*) words='");
	if (tool->commands[0].name) {
		for (c = tool->commands; c->run; c++)
			printf("%s ", c->name);
		complete_options(NULL);
	} else {
		complete_options(tool->commands[0].options);
	}
	printf("' ;;\n\tesac\n");
	printf("\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n");
	printf("\t[[ $cur == -* ]] || COMPREPLY+=($(compgen -f -- \"$cur\"))\n");
	printf("}\ncomplete -o filenames -F %s %s\n", function, tool->name);
	return VMRT_EXIT_DONE;
}

static void print_tool_help(const struct vmrt_tool *tool, FILE *out)
{
	fprintf(out, "Usage: %s COMMAND [OPTION...] [ARG...]\n%s\n\nCommands:\n", tool->name,
		tool->summary);
	for (const struct vmrt_command *c = tool->commands; c->run; c++)
		fprintf(out, "  %-9s %s\n", c->name, c->summary);
	fprintf(out,
		"\n  -?, --help           give this help list\n"
		"      --completion bash  print a bash completion script\n"
		"  -V, --version        print program version\n\n"
		"`%s COMMAND --help` explains a command.\n"
		"Exit status: 0 done, 1 could not, 2 a requirement was violated,\n"
		"3 data loss makes the answer unknown, 64 usage.\n",
		tool->name);
}

static int run_command(const struct vmrt_command *c, char *name, int argc, char **argv)
{
	char doc[2048];
	struct argp argp = {
		.options = c->options,
		.parser = c->parse,
		.args_doc = c->args,
		.doc = doc,
	};

	snprintf(doc, sizeof(doc), "%s%s%s", c->summary, c->doc ? "\v" : "", c->doc ? c->doc : "");
	argv[0] = name;
	argp_err_exit_status = VMRT_EXIT_USAGE;
	argp_program_version_hook = print_version;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, c->opts) != 0)
		return VMRT_EXIT_USAGE;
	install_signals();
	return c->run(c->opts);
}

static int check_stdout(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		fprintf(stderr, "%s: error: cannot write the output: %s\n",
			program_invocation_short_name, strerror(errno));
	return status == VMRT_EXIT_DONE ? VMRT_EXIT_FAILED : status;
}

static int run_subcommand(const struct vmrt_tool *tool, int argc, char **argv)
{
	char name[128];

	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h")) {
		print_tool_help(tool, stdout);
		return VMRT_EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("%s (vmrt) %s\n", tool->name, VMRT_VERSION);
		return VMRT_EXIT_DONE;
	}
	for (const struct vmrt_command *c = tool->commands; c->run; c++) {
		if (strcmp(argv[1], c->name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", tool->name, c->name);
		return run_command(c, name, argc - 1, argv + 1);
	}
	fprintf(stderr, "%s: error: there is no command '%s'; `%s --help` lists them\n", tool->name,
		argv[1], tool->name);
	return VMRT_EXIT_USAGE;
}

int vmrt_tool_main(const struct vmrt_tool *tool, int argc, char **argv)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s", tool->name);
	program_invocation_short_name = name;
	if (argc == 3 && !strcmp(argv[1], "--completion") && !strcmp(argv[2], "bash"))
		return check_stdout(print_completion(tool));
	if (!tool->commands[0].name)
		return check_stdout(run_command(&tool->commands[0], name, argc, argv));
	if (argc < 2) {
		print_tool_help(tool, stderr);
		return VMRT_EXIT_USAGE;
	}
	return check_stdout(run_subcommand(tool, argc, argv));
}

/* SPDX-License-Identifier: MIT */
/* The frame of every program: commands, options, --help, --version, completion, signals and the
 * exit status. */
#include <vmrt/tool.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/version.h>

#include "completion.h"

static void install_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction act = {.sa_handler = vmrt_request_stop};

	vmrt_stop_fd();
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* a signal that is ignored stays ignored, such as SIGHUP with nohup */
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

error_t vmrt_option_quiet(void *opts, char *arg, const struct argp_state *state)
{
	(void)opts;
	(void)arg;
	(void)state;
	vmrt_set_quiet(1);
	return 0;
}

/* ---- from a table of options to argp ---- */

/* Argp's key of an option without a letter is its row in the table plus this number, which is above
 * every character. */
#define KEY_OF_ROW 0x1000

static int key_of(const struct vmrt_option *o, size_t row)
{
	return o->letter ? o->letter : KEY_OF_ROW + (int)row;
}

static const struct vmrt_option *option_of(const struct vmrt_command *c, int key)
{
	for (size_t i = 0; c->options && c->options[i].name; i++)
		if (key_of(&c->options[i], i) == key)
			return &c->options[i];
	return NULL;
}

#define GIVEN_MAX 128
static const struct vmrt_option *given[GIVEN_MAX];
static size_t n_given;

bool vmrt_option_given(const char *name)
{
	for (size_t i = 0; i < n_given; i++)
		if (!strcmp(given[i]->name, name))
			return true;
	return false;
}

static error_t parse_word(int key, char *arg, struct argp_state *state)
{
	const struct vmrt_command *c = state->input;
	const struct vmrt_option *o;

	if (key == ARGP_KEY_ARG) {
		if (c->argument)
			return c->argument(c->opts, arg, state);
		return vmrt_usage(
			state, "'%s' is not an option; there are no other arguments", arg);
	}
	if (key == ARGP_KEY_END)
		return c->check ? c->check(c->opts, state) : 0;
	o = option_of(c, key);
	if (o && n_given < GIVEN_MAX && !vmrt_option_given(o->name))
		given[n_given++] = o;
	return o ? vmrt_option_take(o, c->opts, arg, state) : ARGP_ERR_UNKNOWN;
}

static size_t count_options(const struct vmrt_option *table)
{
	size_t n = 0;

	while (table && table[n].name)
		n++;
	return n;
}

static void free_argp_options(struct argp_option *rows)
{
	for (struct argp_option *r = rows; r && r->name; r++)
		free((void *)(uintptr_t)r->doc);
	free(rows);
}

/* The table in the form that argp needs; NULL without memory. */
static struct argp_option *make_argp_options(const struct vmrt_option *table)
{
	size_t n = count_options(table);
	struct argp_option *rows = calloc(n + 1, sizeof(*rows));

	for (size_t i = 0; rows && i < n; i++) {
		const struct vmrt_option *o = &table[i];

		rows[i].name = o->name;
		rows[i].key = key_of(o, i);
		rows[i].arg = o->arg;
		rows[i].flags = o->optional ? OPTION_ARG_OPTIONAL : 0;
		rows[i].doc = vmrt_option_help(o);
		if (!rows[i].doc) {
			free_argp_options(rows);
			return NULL;
		}
	}
	return rows;
}

/* One line per option: command, name, argument, default; "-" for a field that is empty. */
static int print_table(const struct vmrt_tool *tool)
{
	for (const struct vmrt_command *c = tool->commands; c->run; c++)
		for (const struct vmrt_option *o = c->options; o && o->name; o++)
			printf("%s\t%s\t%s\t%s\n", c->name ? c->name : "-", o->name,
				o->arg ? o->arg : "-", o->standard ? o->standard : "-");
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
		"Exit status: 0 done, 1 could not, %s64 usage.\n",
		tool->name, tool->exit_status ? tool->exit_status : "");
}

/* The text of --help behind the options. That of a command without a name also says that there are
 * other commands. */
static void make_doc(
	const struct vmrt_tool *tool, const struct vmrt_command *c, char *buf, size_t room)
{
	size_t used = (size_t)snprintf(
		buf, room, "%s%s%s", c->summary, c->doc ? "\v" : "", c->doc ? c->doc : "");

	for (const struct vmrt_command *other = tool->commands; !c->name && other->run; other++)
		if (other->name && used < room)
			used += (size_t)snprintf(buf + used, room - used,
				"%s`%s %s` %c%s (--help explains it)",
				other == tool->commands + 1 ? "\n\nOther commands:\n" : "\n",
				tool->name, other->name, *other->summary | 0x20,
				other->summary + 1);
}

static int run_command(const struct vmrt_tool *tool, const struct vmrt_command *c, char *name,
	int argc, char **argv)
{
	char doc[2048];
	struct argp_option *options = make_argp_options(c->options);
	struct argp argp = {
		.options = options,
		.parser = parse_word,
		.args_doc = c->args,
		.doc = doc,
	};
	struct vmrt_command input = *c;
	error_t bad;

	if (!options) {
		fprintf(stderr, "%s: error: out of memory\n", name);
		return VMRT_EXIT_FAILED;
	}
	make_doc(tool, c, doc, sizeof(doc));
	argv[0] = name;
	argp_err_exit_status = VMRT_EXIT_USAGE;
	argp_program_version_hook = print_version;
	vmrt_options_standard(c->options, c->opts);
	bad = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &input);
	free_argp_options(options);
	if (bad == ENOMEM) {
		vmrt_warn("out of memory");
		return VMRT_EXIT_FAILED;
	}
	if (bad != 0)
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

/* How many letters must be changed, added or taken away to make @b of @a; a word of more than 31
 * letters is similar to none. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b);

	if (strlen(a) > 31 || n > 31)
		return 32;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t before = row[0]++;

		for (size_t j = 0; j < n; j++) {
			size_t change = before + (a[i] != b[j]);

			before = row[j + 1];
			row[j + 1] = change < before + 1 ? change : before + 1;
			if (row[j] + 1 < row[j + 1])
				row[j + 1] = row[j] + 1;
		}
	}
	return row[n];
}

/* The command that is written almost like @word, or NULL. */
static const char *similar_command(const struct vmrt_tool *tool, const char *word)
{
	const char *best = NULL;
	size_t least = 3;

	for (const struct vmrt_command *c = tool->commands; c->run; c++)
		if (c->name && distance(word, c->name) < least) {
			least = distance(word, c->name);
			best = c->name;
		}
	return best;
}

/* Runs the command called @argv[1]; -1 if there is none. */
static int run_named(const struct vmrt_tool *tool, int argc, char **argv)
{
	static char name[128];

	for (const struct vmrt_command *c = tool->commands; c->run; c++) {
		if (!c->name || strcmp(argv[1], c->name) != 0)
			continue;
		snprintf(name, sizeof(name), "%s %s", tool->name, c->name);
		return run_command(tool, c, name, argc - 1, argv + 1);
	}
	return -1;
}

/* Is there a vmrt program with the name of a command that this program lacks? */
static bool is_program(const char *word)
{
	static const char *const programs[] = {
		"trace", "agent", "report", "top", "export", "hsf", "load"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!strcmp(word, programs[i]))
			return true;
	return false;
}

static int no_such_command(const struct vmrt_tool *tool, const char *word)
{
	const char *similar = similar_command(tool, word);

	if (*word == '-')
		fprintf(stderr,
			"%s: error: there is no option '%s' in front of a command; `%s --help` "
			"lists them\n",
			tool->name, word, tool->name);
	else if (is_program(word))
		fprintf(stderr,
			"%s: error: there is no command '%s': vmrt-%s is a program of its own\n",
			tool->name, word, word);
	else if (similar)
		fprintf(stderr, "%s: error: there is no command '%s': did you mean %s?\n",
			tool->name, word, similar);
	else
		fprintf(stderr, "%s: error: there is no command '%s'; `%s --help` lists them\n",
			tool->name, word, tool->name);
	return VMRT_EXIT_USAGE;
}

/* "help COMMAND" is "COMMAND --help". */
static int run_help(const struct vmrt_tool *tool, int argc, char **argv)
{
	char help[] = "--help", *words[] = {argv[0], argc > 2 ? argv[2] : NULL, help, NULL};
	int status;

	if (argc < 3) {
		print_tool_help(tool, stdout);
		return VMRT_EXIT_DONE;
	}
	status = run_named(tool, 3, words);
	return status >= 0 ? status : no_such_command(tool, argv[2]);
}

static int run_subcommand(const struct vmrt_tool *tool, int argc, char **argv)
{
	int status;

	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h")) {
		print_tool_help(tool, stdout);
		return VMRT_EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("%s (vmrt) %s\n", tool->name, VMRT_VERSION);
		return VMRT_EXIT_DONE;
	}
	if (!strcmp(argv[1], "help"))
		return run_help(tool, argc, argv);
	status = run_named(tool, argc, argv);
	return status >= 0 ? status : no_such_command(tool, argv[1]);
}

/* Runs the command without a name, if the word names no other command. */
static int run_unnamed(const struct vmrt_tool *tool, char *name, int argc, char **argv)
{
	const char *similar = argc > 1 && *argv[1] != '-' ? similar_command(tool, argv[1]) : NULL;
	int status = argc > 1 ? run_named(tool, argc, argv) : -1;

	if (status >= 0)
		return status;
	if (similar && access(argv[1], F_OK) != 0) {
		fprintf(stderr, "%s: error: there is no '%s': did you mean the command %s?\n",
			tool->name, argv[1], similar);
		return VMRT_EXIT_USAGE;
	}
	return run_command(tool, &tool->commands[0], name, argc, argv);
}

int vmrt_tool_main(const struct vmrt_tool *tool, int argc, char **argv)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s", tool->name);
	program_invocation_short_name = name;
	if (argc == 3 && !strcmp(argv[1], "--completion") && !strcmp(argv[2], "bash")) {
		completion_print(tool);
		return check_stdout(VMRT_EXIT_DONE);
	}
	if (argc == 3 && !strcmp(argv[1], "--completion") && !strcmp(argv[2], "table"))
		return check_stdout(print_table(tool));
	if (argc > 1 && !strcmp(argv[1], "--completion")) {
		fprintf(stderr,
			"%s: error: --completion prints a script for bash only: say "
			"--completion bash\n",
			name);
		return VMRT_EXIT_USAGE;
	}
	if (!tool->commands[0].name)
		return check_stdout(run_unnamed(tool, name, argc, argv));
	if (argc < 2) {
		print_tool_help(tool, stderr);
		return VMRT_EXIT_USAGE;
	}
	return check_stdout(run_subcommand(tool, argc, argv));
}

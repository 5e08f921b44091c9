/* SPDX-License-Identifier: MIT */
/*
 * Bash completion from the tables that feed the parser and --help.
 *
 * Names of VMs, tasks and servers come from other users: the script compares these names as text
 * and never passes them to `compgen -W`, which would expand them. Names with characters that
 * `plain` does not have are left out.
 */
#include "completion.h"

#include <stdio.h>
#include <string.h>

/* What may stand behind an option, by the argument that --help shows. */
static const struct {
	const char *option, *arg; /* NULL: any */
	const char *kind;
} kinds[] = {
	{"vm", "NAME", "vm"},
	{"task", NULL, "task"},
	{"server", "NAME", "server"},
	{"machine", "NAME", "machine"},
	{NULL, "TASK:K", "task"},
	{NULL, "VM=WAY", "vm="},
	{NULL, "VM=FILE", "vm="},
	{NULL, "USER", "user"},
	{NULL, "FILE", "file"},
	{NULL, "RUN", "file"},
	{NULL, "DB", "file"},
	{NULL, "PATH", "file"},
	{NULL, "DEVICE", "file"},
	{NULL, "SOCKET", "file"},
	{NULL, "PROGRAM", "file"},
	{NULL, "EXPERIMENT", "file"},
};

/* The parts of the script that are the same in all programs. */
static const char beginning[] =
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal options= commands= values= kind= rest=file word list= "
	"plain='^[A-Za-z0-9_.@+/-]+$'\n"
	"\t# bash makes three words of --format=json\n"
	"\tif [[ $cur == '=' ]]; then\n"
	"\t\tcur=\n"
	"\telif [[ $before == '=' && $COMP_CWORD -gt 2 ]]; then\n"
	"\t\tbefore=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\tCOMPREPLY=()\n";
static const char ending[] =
	"\tif [[ -z $kind && $cur == -* ]]; then\n"
	"\t\tkind=value values=$options\n"
	"\telif [[ -z $kind && $COMP_CWORD == 1 && -n $commands ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n"
	"\tfi\n"
	"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	"\t\t[[ $word == -- ]] && kind=command\n"
	"\tdone\n"
	"\tcase ${kind:-$rest} in\n"
	"\tvalue) COMPREPLY=($(compgen -W \"$values\" -- \"$cur\")) ;;\n"
	"\tfile) COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
	"\tcommand) COMPREPLY=($(compgen -c -- \"$cur\") $(compgen -f -- \"$cur\")) ;;\n"
	"\tuser) COMPREPLY=($(compgen -u -- \"$cur\")) ;;\n"
	"\tvm | vm=) list=$(vmrt-trace vms --format jsonl 2>/dev/null |\n"
	"\t\tsed -n 's/^.*\"vm\": *\"\\([^\"]*\\)\".*$/\\1/p' | sort -u) ;;\n"
	"\tenforced) list=$(vmrt-hsf status --format jsonl 2>/dev/null |\n"
	"\t\tsed -n 's/^.*\"server\": *\"\\([^\"]*\\)\".*$/\\1/p' | sort -u) ;;\n"
	"\ttask | server | machine)\n"
	"\t\tcase $kind in\n"
	"\t\ttask) values=\"machine_name || '/' || name AS '?' FROM task\" ;;\n"
	"\t\t*) values=\"name AS '?' FROM $kind\" ;;\n"
	"\t\tesac\n"
	"\t\t# of the runs and experiments that stand on the line\n"
	"\t\tfor word in \"${COMP_WORDS[@]:1}\"; do\n"
	"\t\t\tword=${word/#\\~\\//$HOME/}\n"
	"\t\t\tif [[ -f $word/run.db || ( -f $word && $word == *.db ) ]]; then\n"
	"\t\t\t\tlist+=$(vmrt-report --format csv --sql \"SELECT $values\" \"$word\" "
	"2>/dev/null)$'\\n'\n"
	"\t\t\telif [[ -f $word && $word == *.ini ]]; then\n"
	"\t\t\t\tlist+=$(sed -n \"s/^\\[$kind "
	"*\\\"\\{0,1\\}\\([^]\\\"]*\\)\\\"\\{0,1\\}\\].*/\\1/p\" \"$word\")$'\\n'\n"
	"\t\t\tfi\n"
	"\t\tdone ;;\n"
	"\tesac\n"
	"\twhile IFS= read -r word; do\n"
	"\t\t[[ $word =~ $plain && ( $word == \"$cur\"* || ${word#*/} == \"$cur\"* ) ]] || "
	"continue\n"
	"\t\t[[ $kind == 'vm=' ]] && word+='=' && compopt -o nospace 2>/dev/null\n"
	"\t\tCOMPREPLY+=(\"$word\")\n"
	"\tdone <<<\"$list\"\n"
	"\treturn 0\n";

static void print_options(const struct vmrt_option *table)
{
	printf("--help --usage --version");
	for (const struct vmrt_option *o = table; o && o->name; o++)
		printf(" --%s", o->name);
}

static const char *kind_of(const struct vmrt_option *o)
{
	if (o->choices)
		return "value";
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((!kinds[i].option || !strcmp(kinds[i].option, o->name)) &&
			(!kinds[i].arg || !strcmp(kinds[i].arg, o->arg)))
			return kinds[i].kind;
	return "none"; /* a number or a time: only the user knows which */
}

/* Prints the kind of argument that each option takes. */
static void print_arguments(const struct vmrt_option *table)
{
	for (const struct vmrt_option *o = table; o && o->name; o++) {
		if (!o->arg || o->optional)
			continue;
		printf("\t\t--%s", o->name);
		if (o->letter)
			printf("|-%c", o->letter);
		printf(") kind='%s'", kind_of(o));
		for (const char *const *word = o->choices; word && *word; word++)
			printf("%s%s", word == o->choices ? " values='" : " ", *word);
		printf("%s ;;\n", o->choices ? "'" : "");
	}
}

/* The kind of the words that are no options. */
static const char *rest_of(const struct vmrt_command *c)
{
	if (!c->args)
		return "none";
	return strncmp(c->args, "SERVER", 6) && strncmp(c->args, "[SERVER]", 8) ? "file"
										: "enforced";
}

static void print_command(const struct vmrt_command *c)
{
	printf("\t%s) rest=%s options='", c->name ? c->name : "*", rest_of(c));
	print_options(c->options);
	printf("'\n\t\tcase $before in\n");
	print_arguments(c->options);
	printf("\t\tesac ;;\n");
}

void completion_print(const struct vmrt_tool *tool)
{
	char function[64];

	snprintf(function, sizeof(function), "_%s", tool->name);
	for (char *p = function; *p; p++)
		if (*p == '-')
			*p = '_';
	printf("# bash completion for %s\n%s()\n{\n%s\tcommands='", tool->name, function,
		beginning);
	for (const struct vmrt_command *c = tool->commands; c->run; c++)
		if (c->name)
			printf("%s ", c->name);
	printf("'\n\tcase ${COMP_WORDS[1]} in\n");
	for (const struct vmrt_command *c = tool->commands; c->run; c++)
		if (c->name)
			print_command(c);
	if (tool->commands[0].name) {
		printf("\t*) rest=none options='");
		print_options(NULL);
		printf(" --completion'\n\t\t[[ $before == --completion ]] && kind=value "
		       "values=bash ;;\n");
	} else {
		print_command(&tool->commands[0]);
	}
	printf("\tesac\n%s}\ncomplete -o filenames -F %s %s\n", ending, function, tool->name);
}

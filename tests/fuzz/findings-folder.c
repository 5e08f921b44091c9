/* SPDX-License-Identifier: MIT */
/*
 * Linked into every fuzz target: findings are written beside the program, in build/fuzz/, unless
 * -artifact_prefix names another place. libFuzzer itself writes them into the current folder, from
 * which `git add` would take them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_OPTION "-artifact_prefix="

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *program = (*argv)[0], *slash = strrchr(program, '/');
	static char option[4096];
	char **longer;

	for (int i = 1; i < *argc; i++)
		if (!strncmp((*argv)[i], PREFIX_OPTION, strlen(PREFIX_OPTION)))
			return 0;
	if (!slash)
		return 0;
	/* libFuzzer reads the arguments until it ends */
	longer = calloc((size_t)*argc + 2, sizeof(*longer));
	if (!longer)
		abort();
	snprintf(option, sizeof(option), PREFIX_OPTION "%.*s", (int)(slash - program + 1), program);
	longer[0] = (*argv)[0];
	longer[1] = option;
	memcpy(longer + 2, *argv + 1, (size_t)(*argc - 1) * sizeof(*longer));
	*argc += 1;
	*argv = longer;
	return 0;
}

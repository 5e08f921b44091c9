/* SPDX-License-Identifier: MIT */
/* The unit tests in one program: which of them it is, its name says. The table is made by tests.mk.
 */
#include <stdio.h>
#include <string.h>

extern const struct {
	const char *name;
	int (*main)(int, char **);
} tests_together[];

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];

	for (size_t i = 0; tests_together[i].name; i++)
		if (!strcmp(tests_together[i].name, name))
			return tests_together[i].main(argc, argv);
	fprintf(stderr, "%s: there is no such test\n", name);
	return 64;
}

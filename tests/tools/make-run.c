/* SPDX-License-Identifier: MIT */
/* make-run FOLDER: a small run made by hand, for tests of programs that read runs. */
#include <stdio.h>

#include "toprun.h"

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make-run FOLDER\n");
		return 64;
	}
	if (toprun_make(argv[1]) != 0) {
		fprintf(stderr, "make-run: cannot make %s\n", argv[1]);
		return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_FILE_H
#define TESTS_FUZZ_FUZZ_FILE_H

/* For targets whose parser reads a file: the input as a file in memory. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/** fuzz_folder - a folder in memory of this process alone, made at the first call */
static inline const char *fuzz_folder(void)
{
	static char folder[64];

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/dev/shm/vmrt-fuzz-%d-XXXXXX", (int)getpid());
		if (!mkdtemp(folder))
			abort();
	}
	return folder;
}

/** fuzz_write - the bytes as file @name of the folder; its path */
static inline const char *fuzz_write(const char *name, const uint8_t *data, size_t size)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	return path;
}

#endif

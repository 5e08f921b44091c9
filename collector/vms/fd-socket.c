/* SPDX-License-Identifier: MIT */
/* Finds the path of a UNIX socket that a process inherited as a descriptor, in the kernel's table.
 */
#include "scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS 0x10000 /* the flag of a socket that listens */

/* One line: "Num: RefCount Protocol Flags Type St Inode Path". */
static bool line_matches(char *line, uint64_t inode, char *path)
{
	unsigned long long flags, number;
	int at = 0;

	if (sscanf(line, "%*[^:]: %*s %*s %llx %*s %*s %llu %n", &flags, &number, &at) != 2 ||
		!at || number != inode || !(flags & ACCEPTS))
		return false;
	line[strcspn(line, "\n")] = '\0';
	/* one in the abstract name space begins with an @, one without a name is empty */
	if (line[at] != '/' || strlen(line + at) >= VMRT_LINK_PATH)
		return false;
	strcpy(path, line + at);
	return true;
}

void vmrt_fd_socket(const char *proc, pid_t pid, int fd, char *path)
{
	char name[256], target[64], *line = NULL;
	unsigned long long inode;
	size_t room = 0;
	ssize_t len;
	FILE *table;

	path[0] = '\0';
	snprintf(name, sizeof(name), "%s/%d/fd/%d", proc, (int)pid, fd);
	len = readlink(name, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	if (sscanf(target, "socket:[%llu]", &inode) != 1)
		return;
	/* that of its own network name space */
	snprintf(name, sizeof(name), "%s/%d/net/unix", proc, (int)pid);
	table = fopen(name, "re");
	while (table && getline(&line, &room, table) > 0 && !line_matches(line, inode, path))
		;
	free(line);
	if (table)
		fclose(table);
}

/* SPDX-License-Identifier: MIT */
/* Informs running vmrt-hsf programs that a recording begins or ends, so that they write their
 * markers into it. */
#include "enforcers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmrt/files.h>

#define SOCKETS "/run/vmrt-hsf"
#define SUFFIX ".sock"
#define ANSWER_MS 500

/* Sends a request and waits for the reply; the text of the reply makes no difference. */
static void send_request(const char *path, const char *line, size_t len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct pollfd fd = {.events = POLLIN};
	char reply[512];

	if (strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	fd.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd.fd < 0)
		return;
	if (connect(fd.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		send(fd.fd, line, len, MSG_NOSIGNAL) == (ssize_t)len && poll(&fd, 1, ANSWER_MS) > 0)
		(void)!read(fd.fd, reply, sizeof(reply));
	close(fd.fd);
}

static void send_to_all(const char *op, const char *instance)
{
	DIR *dir = opendir(SOCKETS);
	char line[256], path[300];
	struct dirent *entry;
	int len;

	len = snprintf(line, sizeof(line), "{\"op\":\"%s\",\"instance\":\"%s\"}\n", op, instance);
	while (dir && len > 0 && (size_t)len < sizeof(line) && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && !strcmp(dot, SUFFIX) &&
			vmrt_path(path, sizeof(path), SOCKETS, entry->d_name) == VMRT_OK)
			send_request(path, line, (size_t)len);
	}
	if (dir)
		closedir(dir);
}

void enforcers_mark(const char *instance)
{
	send_to_all("mark", instance);
}

void enforcers_unmark(const char *instance)
{
	send_to_all("unmark", instance);
}

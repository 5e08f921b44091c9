/* SPDX-License-Identifier: MIT */
/* Finds the path of a UNIX socket that a process inherited as a descriptor: asks the kernel for
 * this socket, or else searches the kernel's table of all sockets. */
#include "scan.h"

#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTS 0x10000	 /* flag of a listening socket in the table */
#define STATE_LISTENS 10 /* TCP_LISTEN, which UNIX sockets use, too */

/* Is the process in vmrt's network name space? The kernel reports only sockets of this name space.
 */
static bool same_network(const char *proc, pid_t pid)
{
	struct stat own, its;
	char path[256];

	snprintf(path, sizeof(path), "%s/%d/ns/net", proc, (int)pid);
	return stat(path, &its) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	       its.st_dev == own.st_dev && its.st_ino == own.st_ino;
}

/* Takes the name of a socket that listens and has a path; else @path stays empty. */
static void take_name(struct unix_diag_msg *msg, size_t size, char *path)
{
	struct rtattr *attr = (struct rtattr *)(msg + 1);

	if (msg->udiag_state != STATE_LISTENS)
		return;
	for (size -= sizeof(*msg); RTA_OK(attr, size); attr = RTA_NEXT(attr, size)) {
		const char *name = RTA_DATA(attr);
		size_t len = strnlen(name, RTA_PAYLOAD(attr));

		/* a name in the abstract name space begins with a zero byte */
		if (attr->rta_type != UNIX_DIAG_NAME || *name != '/' || len >= VMRT_LINK_PATH)
			continue;
		memcpy(path, name, len);
		path[len] = '\0';
	}
}

/*
 * Asks the kernel for one socket; returns false if the kernel does not know the socket, or cannot
 * be asked. Any user may put any characters into the name of a socket, but the kernel's answer says
 * how long the name is.
 */
static bool ask_kernel(uint64_t inode, char *path)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req what;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.what = {.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_ino = (uint32_t)inode,
			.udiag_show = UDIAG_SHOW_NAME,
			.udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	union {
		struct nlmsghdr head;
		char room[4096];
	} reply;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n = -1;

	/* the kernel answers before send() returns */
	if (fd >= 0 && send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
		n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (fd >= 0)
		close(fd);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct unix_diag_msg)) ||
		!NLMSG_OK(&reply.head, (size_t)n) || reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		reply.head.nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return false;
	take_name(NLMSG_DATA(&reply.head), NLMSG_PAYLOAD(&reply.head, 0), path);
	return true;
}

/* Can the kernel be asked for sockets? It gives the same answer if there is no such socket and if
 * it lacks this interface. So this asks for a socket that exists. */
static bool can_be_asked(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char none[VMRT_LINK_PATH] = "";
	struct stat st;
	bool can;

	if (fd < 0)
		return false;
	can = fstat(fd, &st) == 0 && ask_kernel(st.st_ino, none);
	close(fd);
	return can;
}

/* Is @line the line of socket @inode? "Num: RefCount Protocol Flags Type St Inode Path" */
static bool line_is_of(const char *line, uint64_t inode, unsigned long long *flags, int *at)
{
	unsigned long long number;

	*at = 0;
	return sscanf(line, "%*[^:]: %*s %*s %llx %*s %*s %llu %n", flags, &number, at) == 2 &&
	       *at && number == inode;
}

/*
 * A path with a line end in it can look like a line of another socket. But the kernel has exactly
 * one line for each socket: if there are two, nothing shows which one is true, and none is used.
 */
static void search_table(FILE *table, uint64_t inode, char *path)
{
	char *line = NULL;
	unsigned long long flags;
	unsigned lines = 0;
	size_t room = 0;
	int at;

	while (getline(&line, &room, table) > 0) {
		if (!line_is_of(line, inode, &flags, &at))
			continue;
		lines++;
		line[strcspn(line, "\n")] = '\0';
		/* a name in the abstract name space begins with an @; the name of an unnamed socket
		 * is empty */
		if ((flags & ACCEPTS) && line[at] == '/' && strlen(line + at) < VMRT_LINK_PATH)
			strcpy(path, line + at);
	}
	free(line);
	if (lines != 1)
		path[0] = '\0';
}

void vms_fd_socket(const char *proc, pid_t pid, int fd, char *path)
{
	char name[256], target[64];
	unsigned long long inode;
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
	if (same_network(proc, pid) && (ask_kernel(inode, path) || can_be_asked()))
		return;
	/* the table of the process' own network name space */
	snprintf(name, sizeof(name), "%s/%d/net/unix", proc, (int)pid);
	table = fopen(name, "re");
	if (!table)
		return;
	search_table(table, inode, path);
	fclose(table);
}

/* SPDX-License-Identifier: MIT */
/*
 * An agent through ssh: ssh runs a small shell script on the other machine. The script starts the
 * agent that is installed there, or first asks for a copy of the static agent. Behind the line
 * "vmrt-agent: here", agent and recorder exchange messages.
 */
#include "transport-ssh.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#define BANNER_MOST 65536 /* limit of what a login prints before the script's first line */
#define LINE_MOST 256
#define WORD_HERE "vmrt-agent: here"
#define WORD_SEND "vmrt-agent: send"

/* The script must not contain single quotes, since it is itself in single quotes. %lld: the size of
 * the agent's file. */
#define SCRIPT                                                                                     \
	"exec sh -c '"                                                                             \
	"s=; [ \"$(id -u)\" = 0 ] || s=\"sudo -n\"; "                                              \
	"if a=$(command -v vmrt-agent); then echo " WORD_HERE "; exec $s \"$a\" --stdio; fi; "     \
	"d=$(mktemp -d) || exit 1; trap \"rm -rf $d\" EXIT HUP INT TERM; "                         \
	"echo " WORD_SEND "; "                                                                     \
	"head -c %lld >$d/vmrt-agent && chmod 700 $d/vmrt-agent && "                               \
	"echo " WORD_HERE " && $s $d/vmrt-agent --stdio'"

/* Has the program of this file an interpreter, that is, does it need shared libraries? */
static bool is_static(const char *path)
{
	char *data;
	size_t size;
	bool found = false;
	const Elf64_Ehdr *head;

	if (vmrt_read_file(path, 64 << 20, &data, &size, NULL) != VMRT_OK)
		return false;
	head = (const Elf64_Ehdr *)(const void *)data;
	if (size < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
		head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_phentsize != sizeof(Elf64_Phdr) ||
		head->e_phoff > size ||
		head->e_phnum > (size - head->e_phoff) / sizeof(Elf64_Phdr)) {
		free(data);
		return false;
	}
	for (size_t i = 0; i < head->e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, data + head->e_phoff + i * sizeof(p), sizeof(p));
		found |= p.p_type == PT_INTERP;
	}
	free(data);
	return !found;
}

/* Finds the agent that can be copied to other machines; @path has PATH_MAX bytes. VMRT_ENOENT if
 * there is none, or it needs libraries. */
static enum vmrt_status find_static_agent(char *path, struct vmrt_error *err)
{
	/* in the folder of the installed programs, or in the build folder */
	static const char *const places[] = {"vmrt-agent", "../static/vmrt-agent"};
	char own[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (n > 0) {
		own[n] = '\0';
		slash = strrchr(own, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++)
			if (snprintf(path, PATH_MAX, "%s/%s", own, places[i]) < PATH_MAX &&
				is_static(path))
				return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_ENOENT,
		"the other machine has no vmrt-agent, and there is no static one beside %s to "
		"copy: "
		"install vmrt-agent there",
		n > 0 ? own : "this program");
}

/* In the child: becomes ssh, with the socket as its input and output. */
static void become_ssh(const char *login, const char *script, int socket, int words)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	/* the process between the recorder and ssh ends, so that init becomes the parent of ssh and
	 * collects its exit status */
	if (fork() != 0)
		_exit(0);
	setsid(); /* so that ^C in the recorder's terminal does not reach ssh */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	if (dup2(socket, STDIN_FILENO) < 0 || dup2(socket, STDOUT_FILENO) < 0 ||
		dup2(words, STDERR_FILENO) < 0)
		_exit(127);
	execlp("ssh", "ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o",
		"ServerAliveInterval=5", "--", login, script, (char *)NULL);
	dprintf(STDERR_FILENO, "cannot run ssh: %s\n", strerror(errno));
	_exit(127);
}

/* Waits until the socket can be read or written. */
static enum vmrt_status await(
	int fd, short events, int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = stop_fd, .events = POLLIN}};
	int64_t left = deadline_ns - vmrt_now_ns();

	if (left <= 0)
		return vmrt_fail(err, VMRT_ETIMEOUT, "no answer through ssh in time");
	if (poll(fds, 2, (int)(left / VMRT_NS_PER_MS) + 1) < 0 && errno != EINTR)
		return vmrt_fail_errno(err, errno, "cannot wait for ssh");
	if (fds[1].revents)
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	return VMRT_OK;
}

/* The last line that ssh wrote to its stderr, for the message. */
static enum vmrt_status ssh_failed(int words, const char *login, struct vmrt_error *err)
{
	char text[1024], *line;
	ssize_t n = pread(words, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	return vmrt_fail(err, VMRT_EIO, "ssh %s: %.200s", login,
		*line ? line : "the connection ended before the agent began");
}

/* Reads lines until the script's own line comes; returns this line in @line. */
static enum vmrt_status read_word(int fd, const char *login, int words, int64_t deadline_ns,
	int stop_fd, char line[LINE_MOST], struct vmrt_error *err)
{
	size_t used = 0, all = 0;

	while (all++ < BANNER_MOST) {
		char c;
		ssize_t n = read(fd, &c,
			1); /* only one byte, since those behind the line belong to the agent */

		if (n == 0)
			return ssh_failed(words, login, err);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			enum vmrt_status status = await(fd, POLLIN, deadline_ns, stop_fd, err);

			if (status != VMRT_OK)
				return status;
			continue;
		}
		if (n < 0)
			return vmrt_fail_errno(err, errno, "cannot read from ssh");
		if (c != '\n') {
			if (used < LINE_MOST - 1)
				line[used++] = c;
			continue;
		}
		line[used] = '\0';
		used = 0;
		if (!strcmp(line, WORD_HERE) || !strcmp(line, WORD_SEND))
			return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_EPROTO,
		"ssh %s: the login prints too much text, and no agent starts", login);
}

static enum vmrt_status send_file(
	int fd, const char *path, int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	enum vmrt_status status;
	size_t size, sent = 0;
	char *data = NULL;

	status = vmrt_read_file(path, 64 << 20, &data, &size, err);
	while (status == VMRT_OK && sent < size) {
		ssize_t n = send(fd, data + sent, size - sent, MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (errno == EAGAIN || errno == EINTR)
			status = await(fd, POLLOUT, deadline_ns, stop_fd, err);
		else
			status = vmrt_fail_errno(err, errno, "cannot copy %s through ssh", path);
	}
	free(data);
	return status;
}

static enum vmrt_status start_ssh(
	const char *login, const char *script, int words, int *fd, struct vmrt_error *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return vmrt_fail_errno(err, errno, "no socket for ssh");
	pid = fork();
	if (pid == 0)
		become_ssh(login, script, pair[1], words);
	close(pair[1]);
	if (pid < 0) {
		int errnum = errno;

		close(pair[0]);
		return vmrt_fail_errno(err, errnum, "cannot start ssh");
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*fd = pair[0];
	return VMRT_OK;
}

enum vmrt_status transport_ssh(
	const char *login, int64_t deadline_ns, int stop_fd, int *fd, struct vmrt_error *err)
{
	char agent[PATH_MAX] = "", line[LINE_MOST], script[1024];
	struct vmrt_error no_agent;
	struct stat st = {0};
	enum vmrt_status status;
	int words;

	*fd = -1;
	if (find_static_agent(agent, &no_agent) != VMRT_OK || stat(agent, &st) != 0)
		agent[0] = '\0';
	snprintf(script, sizeof(script), SCRIPT, (long long)st.st_size);
	words = memfd_create("vmrt-ssh", MFD_CLOEXEC);
	if (words < 0)
		return vmrt_fail_errno(err, errno, "no memory for the words of ssh");
	status = start_ssh(login, script, words, fd, err);
	if (status == VMRT_OK)
		status = read_word(*fd, login, words, deadline_ns, stop_fd, line, err);
	if (status == VMRT_OK && !strcmp(line, WORD_SEND)) {
		if (!agent[0])
			status = vmrt_fail(err, no_agent.status, "%s", no_agent.text);
		else
			status = send_file(*fd, agent, deadline_ns, stop_fd, err);
		if (status == VMRT_OK)
			status = read_word(*fd, login, words, deadline_ns, stop_fd, line, err);
	}
	close(words);
	if (status != VMRT_OK && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return status;
}

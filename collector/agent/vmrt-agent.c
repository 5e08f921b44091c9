/* SPDX-License-Identifier: MIT */
/*
 * The agent: runs in a guest, and records there for a recorder on the host.
 *
 * Each port of the link is served by a process of its own, so that a recorder and a live monitor
 * can be connected at the same time. An agent that no recorder uses sleeps without any timer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "agent.h"
#include "agent-listen.h"
#include "collector/wire/link.h"

#define PORTS "/sys/class/virtio-ports"
#define PORT_PREFIX "org.vmrt.agent."
#define MAX_PORTS 8
#define WAIT_PORTS_MS 10000 /* names of ports appear a moment after the driver */
#define AGAIN_MS 1000	    /* before a port or a process that failed is tried again */

static struct agent_options {
	const char *port, *secret_file;
	struct agent_listener listen;
	unsigned ways; /* how many ways to the agent were given */
	bool on_stdio;
} opts;

static bool pause_ms(int ms)
{
	struct pollfd stop = {.fd = vmrt_stop_fd(), .events = POLLIN};

	return poll(&stop, 1, ms) == 0;
}

/*
 * Sleeps until a recorder is connected: a write to a virtio port waits for a recorder, but read()
 * and poll() return at once when no recorder is there.
 */
static bool wait_for_recorder(int fd)
{
	struct vmrt_buf nothing = {0};
	bool there;

	vmrt_link_begin(&nothing, VMRT_MSG_NOTHING);
	there = vmrt_link_end(&nothing) == VMRT_OK &&
		write(fd, nothing.data, nothing.used) == (ssize_t)nothing.used;
	vmrt_buf_free(&nothing);
	return there;
}

static int serve_port(const char *path)
{
	while (!vmrt_stop_requested()) {
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

		if (fd < 0) {
			if (errno != EBUSY) {
				vmrt_warn("cannot open %s: %s", path, strerror(errno));
				if (opts.port)
					return VMRT_EXIT_FAILED;
			}
			pause_ms(AGAIN_MS);
			continue;
		}
		if (wait_for_recorder(fd)) {
			fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
			agent_serve(fd);
		} else {
			pause_ms(AGAIN_MS);
		}
		close(fd);
		if (opts.listen.once)
			break;
	}
	return VMRT_EXIT_DONE;
}

/* The paths of the guest's ports for vmrt; returns how many. */
static size_t find_ports(char paths[MAX_PORTS][64])
{
	DIR *dir = opendir(PORTS);
	struct dirent *entry;
	size_t n = 0;

	while (dir && n < MAX_PORTS && (entry = readdir(dir))) {
		char path[512], *name;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		if (vmrt_read_file(path, 4096, &name, NULL, NULL) != VMRT_OK)
			continue;
		if (!strncmp(name, PORT_PREFIX, strlen(PORT_PREFIX)) && strlen(entry->d_name) < 50)
			snprintf(paths[n++], 64, "/dev/%.50s", entry->d_name);
		free(name);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Starts a separate process for each port, so that stopping one process does not stop the others.
 */
static pid_t start_process(char *path)
{
	char *const argv[] = {program_invocation_short_name, (char[]){"--port"}, path, NULL};
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		execv("/proc/self/exe", argv);
	_exit(VMRT_EXIT_FAILED);
}

static int serve_all_ports(void)
{
	char paths[MAX_PORTS][64];
	pid_t pids[MAX_PORTS] = {0};
	size_t n = 0;

	for (int waited = 0; !(n = find_ports(paths)) && waited < WAIT_PORTS_MS; waited += 200)
		if (!pause_ms(200))
			return VMRT_EXIT_FAILED;
	if (!n) {
		vmrt_warn("this guest has no virtio-serial port called " PORT_PREFIX
			  "N: give its VM one (docs: vmrt-agent(1)), or use --vsock, --tcp, --port "
			  "or --listen");
		return VMRT_EXIT_FAILED;
	}
	while (!vmrt_stop_requested()) {
		pid_t gone;

		for (size_t i = 0; i < n; i++)
			if (pids[i] <= 0)
				pids[i] = start_process(paths[i]);
		gone = wait(NULL);
		for (size_t i = 0; gone > 0 && i < n; i++)
			if (pids[i] == gone)
				pids[i] = 0;
		if (!vmrt_stop_requested())
			pause_ms(AGAIN_MS);
	}
	for (size_t i = 0; i < n; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return VMRT_EXIT_DONE;
}

/* Copies what comes from @from to @to; returns false when there is no more. */
static bool relay(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0 && errno == EINTR)
		return true;
	return n > 0 && vmrt_write_all(to, data, (size_t)n) == 0;
}

/*
 * ssh gives a program two pipes, but the agent uses one descriptor. So a separate process copies
 * between the pipes and the descriptor, and the agent ends when this process ends.
 */
static int serve_stdio(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 || (pid = fork()) < 0) {
		vmrt_warn("cannot serve stdin and stdout: %s", strerror(errno));
		return VMRT_EXIT_FAILED;
	}
	if (pid == 0) {
		struct pollfd fds[2] = {
			{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = pair[1], .events = POLLIN}};
		bool goes_on = true;

		close(pair[0]);
		while (goes_on && (poll(fds, 2, -1) >= 0 || errno == EINTR)) {
			if (fds[0].revents)
				goes_on = relay(STDIN_FILENO, pair[1]);
			if (goes_on && fds[1].revents)
				goes_on = relay(pair[1], STDOUT_FILENO);
		}
		_exit(0);
	}
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	agent_serve(pair[0]);
	close(pair[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return VMRT_EXIT_DONE;
}

static int run(void *unused)
{
	struct vmrt_secret secret;
	struct vmrt_error err;

	/* ps would show "exe" as the name of a process that was started through /proc/self/exe */
	prctl(PR_SET_NAME, "vmrt-agent");
	(void)unused;
	if (opts.secret_file) {
		if (vmrt_secret_load(opts.secret_file, &secret, &err) != VMRT_OK) {
			vmrt_complain(&err);
			return VMRT_EXIT_FAILED;
		}
		opts.listen.secret = &secret;
	}
	if (opts.on_stdio)
		return serve_stdio();
	if (opts.ways && !opts.port)
		return agent_listen(&opts.listen);
	if (opts.port)
		return serve_port(opts.port);
	return serve_all_ports();
}

static error_t check(void *unused, const struct argp_state *state)
{
	(void)unused;
	if (opts.ways > 1)
		return vmrt_usage(
			state, "only one of --port, --listen, --stdio, --vsock and --tcp");
	if ((opts.listen.at.kind == VMRT_TRANSPORT_TCP) != !!opts.secret_file)
		return vmrt_usage(state, "--tcp and --secret-file need each other");
	return 0;
}

static error_t set_way(const char *text, const struct argp_state *state)
{
	struct vmrt_error err;

	opts.ways++;
	if (vmrt_transport_parse(text, &opts.listen.at, &err) != VMRT_OK)
		return vmrt_usage(state, "%s", err.text);
	return 0;
}

static error_t take_port(void *unused, char *arg, const struct argp_state *state)
{
	(void)unused;
	(void)state;
	opts.ways++;
	opts.port = arg;
	return 0;
}

static error_t take_listen(void *unused, char *arg, const struct argp_state *state)
{
	(void)unused;
	return set_way(arg, state);
}

static error_t take_stdio(void *unused, char *arg, const struct argp_state *state)
{
	(void)unused;
	(void)arg;
	(void)state;
	opts.ways++;
	opts.on_stdio = true;
	return 0;
}

static error_t take_vsock(void *unused, char *arg, const struct argp_state *state)
{
	char way[64];

	(void)unused;
	int64_t port;

	if (arg && vmrt_parse_int(arg, 1, UINT32_MAX - 1, &port) != VMRT_OK)
		return vmrt_usage(state, "--vsock '%s': give a whole number from 1 to %u", arg,
			UINT32_MAX - 1);
	/* the agent uses only the port; the CID here has no meaning */
	snprintf(way, sizeof(way), "vsock:1%s%s", arg ? ":" : "", arg ? arg : "");
	return set_way(way, state);
}

static error_t take_tcp(void *unused, char *arg, const struct argp_state *state)
{
	struct vmrt_error err;

	(void)unused;
	opts.ways++;
	if (agent_parse_tcp(arg, &opts.listen.at, &err) != VMRT_OK)
		return vmrt_usage(state, "--tcp %s", err.text);
	return 0;
}

static const struct vmrt_option options[] = {
	{"port", 'p', "DEVICE", "serve this character device only, e.g. /dev/vport1p1",
		VMRT_CALL(take_port)},
	{"listen", 'l', "SOCKET", "serve a UNIX socket, for containers and tests",
		VMRT_CALL(take_listen)},
	{"stdio", 0, NULL, "serve stdin and stdout, as vmrt does through ssh",
		VMRT_CALL(take_stdio)},
	{"vsock", 0, "PORT", "serve the host over vsock", .standard = "port 4677", .optional = true,
		VMRT_CALL(take_vsock)},
	{"tcp", 0, "[ADDR:]PORT", "serve clients over TCP that prove that they know the secret",
		.standard = "127.0.0.1", VMRT_CALL(take_tcp)},
	{"secret-file", 0, "FILE", "the secret, for --tcp",
		VMRT_TEXT(struct agent_options, secret_file)},
	{"once", '1', NULL, "end when the first recorder has gone",
		VMRT_FLAG(struct agent_options, listen.once)},
	{0},
};

/* A path without an option may be meant for --port or for --listen, so the message names both. */
static error_t argument(void *options_, char *arg, struct argp_state *state)
{
	(void)options_;
	if (strchr(arg, '/'))
		return vmrt_usage(state,
			"'%s': to serve a device say --port %s, to wait at a socket --listen %s",
			arg, arg, arg);
	return vmrt_usage(state, "'%s' is not an option; there are no other arguments", arg);
}

static const struct vmrt_command commands[] = {
	{.summary = "Record in a guest, for vmrt on its host",
		.doc = "Without options it serves all virtio-serial ports called " PORT_PREFIX "N.",
		.options = options,
		.opts = &opts,
		.argument = argument,
		.check = check,
		.run = run},
	{0},
};

int main(int argc, char **argv)
{
	static const struct vmrt_tool tool = {
		.name = "vmrt-agent",
		.summary = "records in a guest, for vmrt on its host",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}

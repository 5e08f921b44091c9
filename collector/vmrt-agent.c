/* SPDX-License-Identifier: MIT */
/*
 * The agent: runs in a guest, and records there for a recorder on the host.
 *
 * Each port of the link is served by a process of its own, so that a recorder and a live monitor can
 * be connected at the same time. An agent that nobody talks to sleeps without any timer.
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
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "agent.h"
#include "link.h"

#define PORTS "/sys/class/virtio-ports"
#define PORT_PREFIX "org.vmrt.agent."
#define MAX_PORTS 8
#define WAIT_PORTS_MS 10000 /* the names of the ports come a moment after the driver */
#define AGAIN_MS 1000	    /* before a port or a process that failed is tried again */

static struct {
	const char *port, *listen;
	bool once;
} opts;

static bool pause_ms(int ms)
{
	struct pollfd stop = {.fd = vmrt_stop_fd(), .events = POLLIN};

	return poll(&stop, 1, ms) == 0;
}

/*
 * Sleeps until a recorder is connected: a write to a virtio port waits for that, while reading and
 * polling return at once when nobody is there.
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
			vmrt_agent_serve(fd);
		} else {
			pause_ms(AGAIN_MS);
		}
		close(fd);
		if (opts.once)
			break;
	}
	return VMRT_EXIT_DONE;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path); /* left by an agent before */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	umask(077);
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
			       listen(fd, 4) != 0)) {
		int errnum = errno;

		close(fd);
		errno = errnum;
		fd = -1;
	}
	return fd;
}

static int serve_socket(const char *path)
{
	int listener = listen_at(path);

	if (listener < 0) {
		vmrt_warn("cannot listen at %s: %s", path, strerror(errno));
		return VMRT_EXIT_FAILED;
	}
	while (!vmrt_stop_requested()) {
		struct pollfd fds[2] = {{.fd = listener, .events = POLLIN},
			{.fd = vmrt_stop_fd(), .events = POLLIN}};
		int fd;

		if (poll(fds, 2, -1) < 0 || !fds[0].revents)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			continue;
		vmrt_agent_serve(fd);
		close(fd);
		if (opts.once)
			break;
	}
	close(listener);
	unlink(path);
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

/* A fresh program for each port: one that is told to stop must not stop the others. */
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
			  "N: give its VM one (docs: vmrt-agent(1)), or use --port or --listen");
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

static int run(void *unused)
{
	(void)unused;
	if (opts.listen)
		return serve_socket(opts.listen);
	if (opts.port)
		return serve_port(opts.port);
	return serve_all_ports();
}

static const struct argp_option options[] = {
	{"port", 'p', "DEVICE", 0, "serve this character device only, e.g. /dev/vport1p1", 0},
	{"listen", 'l', "SOCKET", 0, "serve a UNIX socket, for containers and tests", 0},
	{"once", '1', NULL, 0, "end when the first recorder has gone", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'p':
		opts.port = arg;
		return 0;
	case 'l':
		opts.listen = arg;
		return 0;
	case '1':
		opts.once = true;
		return 0;
	case ARGP_KEY_ARG:
		return vmrt_usage(state, "'%s' is too much: there are only options", arg);
	case ARGP_KEY_END:
		if (opts.port && opts.listen)
			return vmrt_usage(state, "--port and --listen exclude each other");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct vmrt_command commands[] = {
	{.summary = "Record in a guest, for vmrt on its host",
		.doc = "Without options it serves all virtio-serial ports called " PORT_PREFIX "N.",
		.options = options,
		.parse = parse,
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

/* SPDX-License-Identifier: MIT */
/*
 * fault-loop [OPTION...] VARIABLE TOTAL COMMAND [ARGUMENT...]
 *
 * Runs COMMAND once for each number from 1 to TOTAL with VARIABLE set to it, which the library of
 * fault-inject.c obeys; or, where VARIABLE is SIZE, with files limited to so many blocks, so that
 * each write of stdio fails in turn. What it did each time is judged: see complain(). The last line
 * is "TRIED BAD JSON". It exists because a shell takes longer for each run than the program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096    /* what stdio writes at once */
#define PATIENCE_S 60 /* for one run */
#define PIPE_ROOM (1 << 20)
#define NOTE_FD 97	 /* where the library notes json-c */
#define REPORTED_MOST 20 /* complaints that are printed */
#define INSTANCES "/sys/kernel/tracing/instances"
#define LINKS "/run/vmrt"

static struct {
	const char *library, *folder, *file, *check, *after, *variable;
	unsigned long most, total;
	bool kernel; /* look for what is left there */
	char **command;
} opt;

static char *known; /* what the file holds */
static size_t known_size;
static unsigned long tried, bad, json;
static volatile pid_t child;
static int said[2],
	note;		/* said: a pipe, for a limit of files must not keep anybody from speaking */
static char words[600]; /* the beginning of what was said */

static void on_alarm(int sig)
{
	(void)sig;
	if (child > 0)
		kill(child, SIGKILL);
}

static void complain(unsigned long n, const char *what, int status)
{
	if (bad++ < REPORTED_MOST)
		printf("not ok %s %s %lu: %s (status %#x)\n#   %s\n", opt.command[0], opt.variable,
			n, what, (unsigned)status, words);
}

static char *read_all(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) != 0 || !(data = malloc((size_t)st.st_size + 1)) ||
		read(fd, data, (size_t)st.st_size) != st.st_size) {
		close(fd);
		return NULL;
	}
	close(fd);
	*size = (size_t)st.st_size;
	return data;
}

static void put_back(void)
{
	int fd = open(opt.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, known, known_size) != (ssize_t)known_size)
		perror("fault-loop");
	close(fd);
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && !strcmp(name + n - k, end);
}

/* Removes temporary files in @path, and the folders in it; how many there were. */
static int temporary(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char name[4096];
	int n = 0;

	while (dir && (e = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			n += temporary(name);
		if (!strncmp(e->d_name, "run.db.", 7) || ends_with(e->d_name, ".new") ||
			ends_with(e->d_name, ".part"))
			n += unlink(name) == 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Is there an entry of process @pid in @path, where vmrt names things after their makers? */
static bool left_by(const char *path, pid_t pid)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char begin[32];
	bool found = false;

	snprintf(begin, sizeof(begin), "vmrt-%d-", (int)pid);
	while (dir && (e = readdir(dir)))
		found |= !strncmp(e->d_name, begin, strlen(begin));
	if (dir)
		closedir(dir);
	return found;
}

static pid_t start(unsigned long n)
{
	char number[32], descriptor[16];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(number, sizeof(number), "%lu", n);
	snprintf(descriptor, sizeof(descriptor), "%d", NOTE_FD);
	if (!strcmp(opt.variable, "SIZE")) {
		struct rlimit limit = {(n - 1) * BLOCK, (n - 1) * BLOCK};
		int out = memfd_create("out", 0);

		signal(SIGXFSZ, SIG_IGN);
		dup2(out, 1);
		setrlimit(RLIMIT_FSIZE, &limit);
	} else {
		dup2(open("/dev/null", O_WRONLY), 1);
		setenv("LD_PRELOAD", opt.library, 1);
		setenv(opt.variable, number, 1);
		setenv("FAULT_NOTE", descriptor, 1);
		dup2(note, NOTE_FD);
	}
	dup2(said[1], 2);
	execv(opt.command[0], opt.command);
	_exit(127);
}

/* Takes what was said; returns whether it was anything. */
static bool hear(void)
{
	char more[4096];
	ssize_t n = read(said[0], words, sizeof(words) - 1);

	words[n > 0 ? n : 0] = '\0';
	for (char *c = words; (c = strchr(c, '\n'));)
		*c = '|';
	while (read(said[0], more, sizeof(more)) > 0)
		;
	return n > 0;
}

static void check_file(unsigned long n, int status)
{
	size_t size = 0;
	char *now = read_all(opt.file, &size);

	if (now && size == known_size && !memcmp(now, known, size)) {
		free(now);
		return;
	}
	if (now && opt.check && system(opt.check) == 0) {
		free(known);
		known = now;
		known_size = size;
		return;
	}
	complain(n, "the file is neither the former nor a whole new one", status);
	put_back();
	free(now);
}

static void check_outcome(unsigned long n, pid_t pid, int status)
{
	bool killing = !strcmp(opt.variable, "FAULT_KILL"), of_json = lseek(note, 0, SEEK_END) > 0;
	bool silent = !hear(), held;

	tried++;
	if (WIFSIGNALED(status) && of_json && !killing)
		json++;
	else if (WIFSIGNALED(status) && !killing)
		complain(n, "ended by a signal, or hung", status);
	else if (WIFEXITED(status) && WEXITSTATUS(status) > 3)
		complain(n, "ended with a strange status", status);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && silent)
		complain(n, "could not, without a word", status);
	else if (!strcmp(opt.variable, "SIZE") && status == 0)
		complain(n, "took no notice that its output could not be written", status);
	/* what kills it does not let it clean up: only what comes after it can */
	/* a vmrt-hsf that marks all recordings may hold one for a while, and then that is said */
	held = strstr(words, "cannot remove the tracefs instance") && strstr(words, "(vmrt-hsf");
	if (opt.kernel && !killing && !held && !WIFSIGNALED(status) && left_by(INSTANCES, pid))
		complain(n, "left an instance", status);
	if (opt.after &&
		(killing || WIFSIGNALED(status) || left_by(INSTANCES, pid) ||
			left_by(LINKS, pid)) &&
		system(opt.after) == -1)
		perror("fault-loop");
	if (opt.kernel && !held && left_by(INSTANCES, pid))
		complain(n, "an instance is left", status);
	if (opt.kernel && left_by(LINKS, pid))
		complain(n, "a link is left in " LINKS, status);
	if (opt.folder && temporary(opt.folder) && !of_json)
		complain(n, "a temporary file is left", status);
	if (opt.file)
		check_file(n, status);
}

static int usage(void)
{
	fputs("usage: fault-loop [-l LIBRARY] [-w FOLDER] [-f FILE] [-c CHECK] [-a AFTER] [-k] [-m "
	      "MOST] "
	      "VARIABLE TOTAL COMMAND [ARGUMENT...]\n",
		stderr);
	return 64;
}

/* Reads the options into opt; false: they are wrong. */
static bool parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+l:w:f:c:a:km:")) != -1) {
		switch (c) {
		case 'l':
			opt.library = optarg;
			break;
		case 'w':
			opt.folder = optarg;
			break;
		case 'f':
			opt.file = optarg;
			break;
		case 'c':
			opt.check = optarg;
			break;
		case 'a':
			opt.after = optarg;
			break;
		case 'k':
			opt.kernel = true;
			break;
		case 'm':
			opt.most = strtoul(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	if (argc - optind < 3)
		return false;
	opt.variable = argv[optind];
	opt.total = strtoul(argv[optind + 1], NULL, 10);
	opt.command = argv + optind + 2;
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_alarm};

	if (!parse(argc, argv))
		return usage();
	sigaction(SIGALRM, &act, NULL);
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0 || fcntl(said[1], F_SETPIPE_SZ, PIPE_ROOM) < 0)
		return 1;
	note = memfd_create("note", MFD_CLOEXEC);
	if (opt.file && !(known = read_all(opt.file, &known_size)))
		return usage();
	/* spread evenly: number i of MOST */
	for (unsigned long i = 0, n, runs = opt.most && opt.most < opt.total ? opt.most : opt.total;
		i < runs; i++) {
		int status = 0;

		n = 1 + i * opt.total / runs;
		if (ftruncate(note, 0) != 0 || lseek(note, 0, SEEK_SET) != 0)
			return 1;
		alarm(PATIENCE_S);
		child = start(n);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		alarm(0);
		check_outcome(n, child, status);
	}
	printf("%lu %lu %lu\n", tried, bad, json);
	return 0;
}

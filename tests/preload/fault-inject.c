/* SPDX-License-Identifier: MIT */
/*
 * A library to be preloaded: allocation number FAULT_ALLOC fails, and with FAULT_ALL=1 all that
 * follow; write number FAULT_WRITE fails with ENOSPC; before write number FAULT_KILL the process is
 * killed. FAULT_COUNT names a file that receives how many allocations and writes there were. A
 * failing allocation that json-c asked for leaves a byte in descriptor FAULT_NOTE, for json-c 0.16
 * does not check all of them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);

static atomic_ulong allocations, writes;
static unsigned long failing_allocation, failing_write, killing_write, note;
static bool all, ready;

static unsigned long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
	failing_allocation = number("FAULT_ALLOC");
	failing_write = number("FAULT_WRITE");
	killing_write = number("FAULT_KILL");
	note = number("FAULT_NOTE");
	all = number("FAULT_ALL");
	ready = true;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAULT_COUNT");
	char text[64];
	int fd, n;

	ready = false;
	fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	if (fd < 0)
		return;
	n = snprintf(
		text, sizeof(text), "%lu %lu\n", (unsigned long)allocations, (unsigned long)writes);
	syscall(SYS_write, fd, text, n);
	close(fd);
}

static bool fails(atomic_ulong *counter, unsigned long which)
{
	unsigned long n;

	if (!ready)
		return false;
	n = ++*counter;
	return which && (n == which || (all && n > which));
}

/* Tells the descriptor if json-c is one of the callers. */
static void note_caller(void)
{
	void *frames[6];
	Dl_info info;
	int n;

	ready = false; /* what this takes is not counted */
	n = backtrace(frames, 6);
	for (int i = 0; i < n; i++) {
		if (!dladdr(frames[i], &info) || !info.dli_fname ||
			!strstr(info.dli_fname, "libjson-c"))
			continue;
		syscall(SYS_write, (int)note, "j", 1);
		break;
	}
	ready = true;
}

static bool allocation_fails(void)
{
	if (!fails(&allocations, failing_allocation))
		return false;
	if (note)
		note_caller();
	errno = ENOMEM;
	return true;
}

static bool write_fails(void)
{
	bool failing = fails(&writes, failing_write);

	if (killing_write && writes >= killing_write)
		kill(getpid(), SIGKILL);
	if (!failing)
		return false;
	errno = ENOSPC;
	return true;
}

void *malloc(size_t size)
{
	return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return allocation_fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return allocation_fails() ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	void *p;

	if (allocation_fails())
		return ENOMEM;
	p = __libc_memalign(align, size);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void *aligned_alloc(size_t align, size_t size)
{
	return allocation_fails() ? NULL : __libc_memalign(align, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (!real)
		real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
			void *))dlsym(RTLD_NEXT, "pthread_create");
	return allocation_fails() ? EAGAIN : real(thread, attr, start, arg);
}

/* Pipes and eventfds, which wake other threads, cannot fail in this way. */
static bool wakes(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || !(st.st_mode & S_IFMT));
}

ssize_t write(int fd, const void *data, size_t size)
{
	return !wakes(fd) && write_fails() ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return write_fails() ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	return write_fails() ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *io, int n)
{
	return write_fails() ? -1 : syscall(SYS_writev, fd, io, n);
}

int rename(const char *from, const char *to)
{
	return write_fails() ? -1 : (int)syscall(SYS_rename, from, to);
}

int ftruncate(int fd, off_t size)
{
	return write_fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	return write_fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fsync(int fd)
{
	return write_fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return write_fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
	return write_fails() ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, size);
}

ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags)
{
	return write_fails() ? -1 : syscall(SYS_splice, in, in_at, out, out_at, size, flags);
}

ssize_t copy_file_range(
	int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags)
{
	return write_fails() ? -1
			     : syscall(SYS_copy_file_range, in, in_at, out, out_at, size, flags);
}

int mkdir(const char *path, mode_t mode)
{
	return write_fails() ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int symlink(const char *to, const char *path)
{
	return write_fails() ? -1 : (int)syscall(SYS_symlink, to, path);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return write_fails() ? -1 : (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

int unlinkat(int fd, const char *path, int flags)
{
	/* only a moment to be killed at: a file that stays behind is none of the program's faults
	 */
	if (killing_write)
		(void)write_fails();
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}

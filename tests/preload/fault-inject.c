/* SPDX-License-Identifier: MIT */
/*
 * A library to be preloaded: allocation number FAULT_ALLOC fails, and with FAULT_ALL=1 all that
 * follow; write number FAULT_WRITE fails with ENOSPC. FAULT_COUNT names a file that receives how
 * many allocations and writes there were.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static atomic_ulong allocations, writes;
static unsigned long failing_allocation, failing_write;
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

static bool allocation_fails(void)
{
	if (!fails(&allocations, failing_allocation))
		return false;
	errno = ENOMEM;
	return true;
}

static bool write_fails(void)
{
	if (!fails(&writes, failing_write))
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

ssize_t write(int fd, const void *data, size_t size)
{
	return write_fails() ? -1 : syscall(SYS_write, fd, data, size);
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

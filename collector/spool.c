/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>

enum vmrt_status vmrt_spool_init(struct vmrt_spool *s, const char *folder, const char *prefix,
	unsigned cpus, struct vmrt_error *err)
{
	memset(s, 0, sizeof(*s));
	s->folder = strdup(folder);
	s->prefix = strdup(prefix);
	s->pages = calloc(cpus, sizeof(*s->pages));
	if (!s->folder || !s->prefix || !s->pages)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", prefix);
	s->cpus = cpus;
	for (unsigned i = 0; i < cpus; i++)
		s->pages[i].fd = -1;
	return VMRT_OK;
}

static void file_name(const struct vmrt_spool *s, unsigned cpu, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s-cpu%u.pages", s->folder, s->prefix, cpu);
}

bool vmrt_spool_add(void *spool, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	struct vmrt_spool *s = spool;
	struct vmrt_dat_pages *p;
	char path[PATH_MAX];

	if (cpu >= s->cpus) {
		vmrt_fail(err, VMRT_EPROTO, "there is no CPU %u", cpu);
		return false;
	}
	p = &s->pages[cpu];
	file_name(s, cpu, path);
	if (p->fd < 0)
		p->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (p->fd < 0 || vmrt_write_all(p->fd, pages, size) != 0) {
		vmrt_fail_errno(err, errno, "cannot write %s", path);
		return false;
	}
	p->size += size;
	return true;
}

void vmrt_spool_free(struct vmrt_spool *s)
{
	char path[PATH_MAX];

	for (unsigned i = 0; s->pages && i < s->cpus; i++) {
		if (s->pages[i].fd < 0)
			continue;
		close(s->pages[i].fd);
		file_name(s, i, path);
		unlink(path);
	}
	free(s->pages);
	free(s->folder);
	free(s->prefix);
	memset(s, 0, sizeof(*s));
}

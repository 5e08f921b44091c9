/* SPDX-License-Identifier: MIT */
/* Finds the threads that a server selects by a pattern or a process id. On a running machine /proc
 * shows these; in a recording without a list of threads the events do. */
#include "selected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "parser/engine/core/matching.h"

/* One selection while the recording is read: it is treated as the only task of a machine. */
struct finder {
	struct selection *found;
	struct vmrt_engine_machine machine;
	struct vmrt_task_spec spec;
	struct matching matching;
};

struct finders {
	struct finder *list;
	size_t n;
};

static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

bool selected_is(const char *pattern)
{
	return behind(pattern, "thread:") || behind(pattern, "pid:");
}

/* The number in a name such as "CPU 3/KVM", or -1. */
static int vcpu_of_name(const char *comm)
{
	int vcpu, end = 0;

	return sscanf(comm, "CPU %d/%n", &vcpu, &end) == 1 && end && vcpu >= 0 && vcpu < 4096 ? vcpu
											      : -1;
}

static bool add(struct selection *s, int32_t tid, const char *comm)
{
	struct vmrt_vm_thread *more, *t;

	for (size_t i = 0; i < s->n_threads; i++)
		if (s->threads[i].tid == tid)
			return true;
	/* the array is doubled whenever its length is a power of two */
	if (!(s->n_threads & (s->n_threads - 1))) {
		more = realloc(s->threads, (s->n_threads ? 2 * s->n_threads : 1) * sizeof(*more));
		if (!more)
			return false;
		s->threads = more;
	}
	t = &s->threads[s->n_threads];
	memset(t, 0, sizeof(*t));
	t->tid = tid;
	t->role = VMRT_ROLE_VCPU;
	t->vcpu = (int)s->n_threads++;
	snprintf(t->comm, sizeof(t->comm), "%s", comm);
	return true;
}

static bool on_name(void *ctx, int32_t tid, const char *comm)
{
	struct finders *f = ctx;

	for (size_t i = 0; i < f->n; i++)
		if (matching_find(&f->list[i].matching, tid, comm, 0) != VMRT_NONE &&
			!add(f->list[i].found, tid, comm))
			return false;
	return true;
}

static bool on_fork(void *ctx, int32_t parent, int32_t child, const char *comm)
{
	struct finders *f = ctx;

	for (size_t i = 0; i < f->n; i++)
		if (!matching_fork(&f->list[i].matching, parent, child, comm))
			return false;
	return true;
}

static void on_exec(void *ctx, int32_t tid)
{
	struct finders *f = ctx;

	for (size_t i = 0; i < f->n; i++)
		matching_exec(&f->list[i].matching, tid);
}

/* Numbers from the threads' names are used only if all threads have one and no two are the same. */
static void number_vcpus(struct selection *s)
{
	for (size_t i = 0; i < s->n_threads; i++) {
		int vcpu = vcpu_of_name(s->threads[i].comm);

		for (size_t k = 0; k < i && vcpu >= 0; k++)
			if (vcpu_of_name(s->threads[k].comm) == vcpu)
				return;
		if (vcpu < 0)
			return;
	}
	for (size_t i = 0; i < s->n_threads; i++)
		s->threads[i].vcpu = vcpu_of_name(s->threads[i].comm);
}

static bool begin(struct finder *f, struct selection *s, const struct vmrt_processes *processes)
{
	struct vmrt_experiment exp = {.tasks = &f->spec, .n_tasks = 1};
	const char *what;

	f->found = s;
	f->machine.name = VMRT_HOST;
	memcpy(f->machine.processes, processes, sizeof(f->machine.processes));
	strcpy(f->spec.machine, VMRT_HOST);
	if ((what = behind(s->pattern, "thread:")))
		snprintf(f->spec.thread, sizeof(f->spec.thread), "%s", what);
	else if ((what = behind(s->pattern, "pid:")))
		snprintf(f->spec.process, sizeof(f->spec.process), "%s", what);
	return matching_init(&f->matching, &exp, &f->machine);
}

enum vmrt_status selected_find(const struct vmrt_dat *dat,
	const struct vmrt_processes processes[VMRT_PROCESSES_TIMES], struct selection *selections,
	size_t n, struct vmrt_error *err)
{
	struct finders f = {.list = calloc(n, sizeof(*f.list))};
	struct names_watch watch = {.ctx = &f, .named = on_name, .fork = on_fork, .exec = on_exec};
	struct thread_names names;
	enum vmrt_status status = VMRT_OK;
	bool ok = f.list;

	for (; ok && f.n < n; f.n++)
		ok = begin(&f.list[f.n], &selections[f.n], processes);
	if (!ok)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = names_read(dat, &watch, &names, err);
	if (status == VMRT_OK)
		names_free(&names);
	for (size_t i = 0; i < f.n; i++) {
		number_vcpus(&selections[i]);
		matching_free(&f.list[i].matching);
	}
	free(f.list);
	return status;
}

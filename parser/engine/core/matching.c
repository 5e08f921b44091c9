/* SPDX-License-Identifier: MIT */
/*
 * Which threads are a declared task's: by name, pattern, thread id, priority and process.
 *
 * The scheduler's events do not say what process a thread belongs to. Known are the threads that
 * the recorder listed when it began, those that a known thread made while it was recorded, and of
 * others those that were listed at the end; apart from those, a thread with the name of the process
 * counts as its main thread.
 */
#include "matching.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/glob.h>

#include "core.h"

#define MATCH_ANY_PRIO (PRIO_UNKNOWN - 1)
#define FIRST_SLOTS 16

enum { RANK_TID, RANK_NAME, RANK_PATTERN };

static size_t slot_of(const struct match_process *p, int32_t tid)
{
	size_t i = ((uint32_t)tid * UINT32_C(2654435761)) & p->mask;

	while (p->slots[i].tid && p->slots[i].tid != tid)
		i = (i + 1) & p->mask;
	return i;
}

static struct match_thread *find_thread(const struct match_process *p, int32_t tid)
{
	struct match_thread *t = p->slots ? &p->slots[slot_of(p, tid)] : NULL;

	return t && t->tid ? t : NULL;
}

static bool grow(struct match_process *p)
{
	struct match_process more = {.mask = p->slots ? 2 * p->mask + 1 : FIRST_SLOTS - 1};

	more.slots = calloc(more.mask + 1, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (size_t i = 0; p->slots && i <= p->mask; i++)
		if (p->slots[i].tid)
			more.slots[slot_of(&more, p->slots[i].tid)] = p->slots[i];
	more.used = p->used;
	free(p->slots);
	*p = more;
	return true;
}

static bool add_thread(struct match_process *p, int32_t tid, bool out, bool by_name)
{
	struct match_thread *t;

	if (tid <= 0)
		return true;
	if ((!p->slots || 2 * p->used > p->mask) && !grow(p))
		return false;
	t = &p->slots[slot_of(p, tid)];
	p->used += !t->tid;
	*t = (struct match_thread){.tid = tid, .out = out, .by_name = by_name};
	return true;
}

/* The threads behind the free slot move up, or they would not be found any more. */
static void drop_thread(struct match_process *p, struct match_thread *t)
{
	size_t hole = (size_t)(t - p->slots), i = hole;

	p->slots[hole].tid = 0;
	p->used--;
	while (p->slots[i = (i + 1) & p->mask].tid) {
		struct match_thread moved = p->slots[i];

		p->slots[i].tid = 0;
		p->slots[slot_of(p, moved.tid)] = moved;
	}
}

static bool fits_process(const struct match_rule *r, const struct vmrt_thread_process *t)
{
	return r->pid ? t->pid == r->pid : vmrt_glob(r->process, t->comm, VMRT_COMM_MAX);
}

/*
 * A process has the name that its main thread has when the recording begins, or when it ends. A
 * main thread that has neither is asked by its name of the time in question.
 */
static bool list_threads(struct match_rule *r, const struct vmrt_engine_machine *config)
{
	const struct vmrt_processes *p = &config->processes[VMRT_PROCESSES_BEGIN];

	for (size_t i = 0; i < p->n; i++) {
		const struct vmrt_thread_process *t = &p->list[i];
		const struct vmrt_thread_process *late =
			vmrt_processes_find(&config->processes[VMRT_PROCESSES_END], t->tid);
		bool in = fits_process(r, t) ||
			  (late && late->pid == t->pid && fits_process(r, late));

		if (!in && r->process && t->pid == t->tid)
			continue;
		if (!add_thread(&r->threads, t->tid, !in, false))
			return false;
	}
	return true;
}

static int compare_rules(const void *a, const void *b)
{
	const struct match_rule *x = a, *y = b;

	return x->rank != y->rank ? x->rank - y->rank : x->task < y->task ? -1 : x->task > y->task;
}

static bool make_rule(struct matching *m, const struct vmrt_task_spec *spec, uint32_t task,
	const struct vmrt_engine_machine *config)
{
	struct match_rule *r = &m->rules[m->n++];
	int64_t pid;

	r->task = task;
	r->tid = spec->tid;
	r->prio = spec->by_priority ? FIFO_PRIO(spec->priority) : MATCH_ANY_PRIO;
	if (!vmrt_task_selects(spec))
		r->name = spec->name;
	else if (spec->thread[0] && vmrt_glob_is_plain(spec->thread))
		r->name = spec->thread;
	else if (spec->thread[0])
		r->pattern = spec->thread;
	if (r->name && !spec->process[0]) {
		unsigned char c = (unsigned char)r->name[0];

		m->initials[c / 64] |= UINT64_C(1) << c % 64;
	} else {
		memset(m->initials, 0xff, sizeof(m->initials));
	}
	r->rank = r->tid ? RANK_TID : r->name ? RANK_NAME : RANK_PATTERN;
	if (!spec->process[0])
		return true;
	m->by_process = true;
	if (vmrt_parse_int(spec->process, 1, INT32_MAX, &pid) == VMRT_OK)
		r->pid = (int32_t)pid;
	else
		r->process = spec->process;
	return list_threads(r, config);
}

bool matching_init(struct matching *m, const struct vmrt_experiment *exp,
	const struct vmrt_engine_machine *config)
{
	m->config = config;
	if (!exp)
		return true;
	m->rules = calloc(exp->n_tasks + 1, sizeof(*m->rules));
	if (!m->rules)
		return false;
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, config->name) &&
			!make_rule(m, &exp->tasks[i], (uint32_t)i, config))
			return false;
	qsort(m->rules, m->n, sizeof(*m->rules), compare_rules);
	return true;
}

static const struct vmrt_thread_process *find_at(
	const struct matching *m, enum vmrt_processes_when when, int32_t tid)
{
	return vmrt_processes_find(&m->config->processes[when], tid);
}

/*
 * What the list of the end says of a thread that is in a process with others. The name of a main
 * thread is better known from the events of the time in question.
 */
static const struct vmrt_thread_process *helper_at_end(const struct matching *m, int32_t tid)
{
	const struct vmrt_thread_process *t = find_at(m, VMRT_PROCESSES_END, tid);

	return t && t->pid != tid ? t : NULL;
}

static bool is_of_process(
	const struct matching *m, struct match_rule *r, int32_t tid, const char *comm)
{
	struct match_thread *t = find_thread(&r->threads, tid);
	const struct vmrt_thread_process *late = t ? NULL : helper_at_end(m, tid);

	if (t && !t->by_name)
		return !t->out;
	if (late) {
		bool in = fits_process(r, late);

		return add_thread(&r->threads, tid, !in, false) && in;
	}
	if (r->pid)
		return tid == r->pid;
	if (vmrt_glob(r->process, comm, VMRT_COMM_MAX))
		return t || add_thread(&r->threads, tid, false, true);
	if (t)
		drop_thread(&r->threads, t);
	return false;
}

static bool is_boosted(const struct matching *m, int32_t tid)
{
	for (size_t i = 0; i < MATCH_BOOSTED; i++)
		if (m->boosted[i] == tid)
			return true;
	return false;
}

uint32_t matching_find(struct matching *m, int32_t tid, const char *comm, int prio)
{
	uint32_t found = VMRT_NONE;

	for (size_t i = 0; i < m->n; i++) {
		struct match_rule *r = &m->rules[i];

		/* also where another rule has been found: a process must be known later on */
		if (r->process && !is_of_process(m, r, tid, comm))
			continue;
		if (found != VMRT_NONE || (r->name && !comm_is(comm, r->name)) ||
			(r->tid && r->tid != tid) || (r->pid && !is_of_process(m, r, tid, comm)))
			continue;
		if (r->pattern && !vmrt_glob(r->pattern, comm, VMRT_COMM_MAX))
			continue;
		if (r->prio != MATCH_ANY_PRIO && (r->prio != prio || is_boosted(m, tid)))
			continue;
		found = r->task;
		if (!m->by_process)
			break;
	}
	return found;
}

/*
 * Is the thread that the list of the end calls @child another one, which got its number later? The
 * one that is made now is either a process of its own, or of the process of @parent.
 */
static bool is_reused(const struct matching *m, int32_t parent, int32_t child)
{
	const struct vmrt_thread_process *late = helper_at_end(m, child), *made_by;

	made_by = find_at(m, VMRT_PROCESSES_END, parent);
	if (!made_by)
		made_by = find_at(m, VMRT_PROCESSES_BEGIN, parent);
	return late && made_by && late->pid != made_by->pid;
}

/* Does the list of the end say that @child, which a thread of the process made, is one of its own?
 */
static bool is_own_process(const struct matching *m, const struct match_rule *r, int32_t child)
{
	const struct vmrt_thread_process *late = find_at(m, VMRT_PROCESSES_END, child);

	/* by name it counts as long as it bears that name */
	return r->pid && late && late->pid == child;
}

bool matching_fork(struct matching *m, int32_t parent, int32_t child, const char *comm)
{
	bool reused = m->by_process && is_reused(m, parent, child);

	for (size_t i = 0; m->by_process && i < m->n; i++) {
		struct match_rule *r = &m->rules[i];
		const struct match_thread *t;
		bool in;

		if (r->process && comm)
			is_of_process(m, r, parent, comm);
		t = find_thread(&r->threads, parent);
		in = ((t && !t->out) || (r->pid && r->pid == parent)) &&
		     !is_own_process(m, r, child);
		if ((in || reused) && !add_thread(&r->threads, child, !in, false))
			return false;
	}
	return true;
}

void matching_exec(struct matching *m, int32_t tid)
{
	for (size_t i = 0; m->by_process && i < m->n; i++) {
		struct match_thread *t = find_thread(&m->rules[i].threads, tid);

		if (t && tid != m->rules[i].pid)
			drop_thread(&m->rules[i].threads, t);
	}
}

void matching_exit(struct matching *m, int32_t tid)
{
	matching_exec(m, tid);
	matching_boost(m, tid, false);
}

void matching_boost(struct matching *m, int32_t tid, bool boosted)
{
	size_t i = 0;

	while (i < MATCH_BOOSTED && m->boosted[i] != tid)
		i++;
	if (i < MATCH_BOOSTED)
		m->boosted[i] = boosted ? tid : 0;
	for (i = 0; boosted && i < MATCH_BOOSTED; i++) {
		if (m->boosted[i] == tid)
			return;
		if (!m->boosted[i]) {
			m->boosted[i] = tid;
			return;
		}
	}
}

void matching_free(struct matching *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->rules[i].threads.slots);
	free(m->rules);
}

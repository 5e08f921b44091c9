/* SPDX-License-Identifier: MIT */
/* Sums runs into cells. The timeline and the strips of periods are drawn from these cells. */
#include "lanes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

#define FIRST_FAIR_PRIO 100 /* lowest kernel priority number that is not real-time */

struct fill {
	const struct top_view *view;
	int64_t from_ns, to_ns;
	struct top_lane_cell *cells;
	size_t n;
};

enum part { RUN, SOFT, WAIT };

/* Adds the time from @from to @to to the cells that this time overlaps. */
static void add(struct fill *f, enum part part, int64_t from, int64_t to)
{
	double width = (double)(f->to_ns - f->from_ns) / (double)f->n;

	if (from < f->from_ns)
		from = f->from_ns;
	if (to > f->to_ns)
		to = f->to_ns;
	while (from < to) {
		size_t i = (size_t)((double)(from - f->from_ns) / width);
		int64_t end, ns;

		if (i >= f->n)
			return;
		end = f->from_ns + (int64_t)((double)(i + 1) * width);
		if (end <= from)
			end = from + 1;
		ns = (to < end ? to : end) - from;
		if (part == RUN)
			f->cells[i].run_ns += ns;
		else if (part == SOFT)
			f->cells[i].soft_ns += ns;
		else
			f->cells[i].wait_ns += ns;
		from = end;
	}
}

/* ---- runs at the server's priority, and below it ---- */

typedef void put_fn(void *ctx, bool soft, int64_t from_ns, int64_t to_ns);

bool top_unenforced(const struct top_server_row *s)
{
	/* a server without an enforcer's markers may still have run at its priority, so the used
	 * time decides */
	return s->policy != VMRT_POLICY_NONE && s->state != TOP_SERVER_ABSENT && !s->enforced &&
	       s->used_ns == 0 && s->max_ns <= 0;
}

/* Did a run that ended at the kernel's priority @prio get what the server gives? */
static bool is_soft(const struct top_server_row *s, int prio)
{
	return s->policy != VMRT_POLICY_NONE && s->policy != VMRT_POLICY_CFS_QUOTA &&
	       !top_unenforced(s) && prio >= FIRST_FAIR_PRIO;
}

/* Finds the first kept period that ends after @ns; @hint: index of the period that was found last.
 */
static size_t period_behind(const struct top_server_row *s, int64_t ns, size_t hint)
{
	if (hint > s->n_recent)
		hint = s->n_recent;
	while (hint > 0 && s->recent[hint - 1].end_ns > ns)
		hint--;
	while (hint < s->n_recent && s->recent[hint].end_ns <= ns)
		hint++;
	return hint;
}

/*
 * Splits a run. A run may continue after the end of the budget and after the next replenishment,
 * but its priority is only that of its end. For a server that is enforced, the enforcer's markers
 * show more.
 */
static void split_run(const struct top_server_row *s, const struct top_slice *slice, size_t *hint,
	put_fn *put, void *ctx)
{
	bool soft = s && is_soft(s, slice->prio);
	int64_t at = slice->start_ns;

	if (!s || !s->enforced) {
		put(ctx, soft, slice->start_ns, slice->end_ns);
		return;
	}
	for (*hint = period_behind(s, at, *hint); at < slice->end_ns;) {
		bool open = *hint == s->n_recent;
		int64_t start = open ? s->period_start_ns : s->recent[*hint].start_ns,
			end = open ? slice->end_ns : s->recent[*hint].end_ns,
			depleted = open ? s->depleted_ns : s->recent[*hint].depleted_ns;

		if (end > slice->end_ns)
			end = slice->end_ns;
		if (at < start) { /* nothing is known of the period before this one */
			int64_t until = start < slice->end_ns ? start : slice->end_ns;

			put(ctx, soft, at, until);
			at = until;
			continue;
		}
		if (depleted == VMRT_UNKNOWN || depleted >= end) {
			put(ctx, false, at, end);
		} else {
			if (depleted > at)
				put(ctx, false, at, depleted);
			put(ctx, true, depleted > at ? depleted : at, end);
		}
		at = end;
		*hint += !open;
	}
}

static void add_run(void *ctx, bool soft, int64_t from_ns, int64_t to_ns)
{
	add(ctx, soft ? SOFT : RUN, from_ns, to_ns);
}

static const struct top_thread *thread_of(
	const struct top_view *view, const struct top_slice *slice)
{
	return slice->thread < view->n_threads ? &view->threads[slice->thread] : NULL;
}

/* Compares the thread id and not the VM, because several servers may select the same thread. */
static bool is_vcpu(const struct top_thread *t, int tid)
{
	return t && t->machine == 0 && t->vcpu >= 0 && t->tid == tid;
}

/* Is vCPU @vcpu a member of @s? */
static bool has_vcpu(const struct top_server_row *s, int vcpu)
{
	return s->vcpu < 0 || s->vcpu == vcpu;
}

static bool is_member(
	const struct top_view *view, const struct top_server_row *s, const struct top_thread *t)
{
	const struct top_vm_row *vm = s->vm_index < view->n_vms ? &view->vms[s->vm_index] : NULL;

	for (size_t i = 0; vm && i < vm->n_vcpus; i++)
		if (has_vcpu(s, vm->vcpus[i].vcpu) && is_vcpu(t, vm->vcpus[i].tid))
			return true;
	return false;
}

/* Adds the runs of one vCPU thread, and the waits between them. */
static void fill_vcpu(struct fill *f, int tid, const struct top_server_row *server)
{
	int64_t ready_ns = VMRT_UNKNOWN;
	size_t hint = 0;

	for (size_t i = 0; i < f->view->n_slices; i++) {
		const struct top_slice *s = &f->view->slices[i];

		if (s->end_ns <= f->from_ns && !s->ready)
			continue;
		if (!is_vcpu(thread_of(f->view, s), tid))
			continue;
		if (ready_ns != VMRT_UNKNOWN)
			add(f, WAIT, ready_ns, s->start_ns);
		split_run(server, s, &hint, add_run, f);
		ready_ns = s->ready ? s->end_ns : VMRT_UNKNOWN;
	}
	if (ready_ns != VMRT_UNKNOWN && f->view->now_ns != VMRT_UNKNOWN)
		add(f, WAIT, ready_ns, f->view->now_ns);
}

/* Finds the next run of a vCPU that ends after @ns; @hint: index at which the search begins, and
 * which is moved on. */
static const struct top_slice *vcpu_run(
	const struct top_view *view, int tid, int64_t ns, size_t *hint)
{
	for (; *hint < view->n_slices; ++*hint) {
		const struct top_slice *s = &view->slices[*hint];

		if (s->end_ns > ns && is_vcpu(thread_of(view, s), tid))
			return s;
	}
	return NULL;
}

static int vcpu_tid(const struct top_view *view, size_t vm, unsigned cpu)
{
	if (vm < view->n_vms)
		for (size_t i = 0; i < view->vms[vm].n_vcpus; i++)
			if (view->vms[vm].vcpus[i].vcpu == (int)cpu)
				return view->vms[vm].vcpus[i].tid;
	return -1;
}

/* Adds a run of a thread in the guest. The thread ran really only while its vCPU ran on the host.
 */
static void add_guest_run(struct fill *f, size_t vm, const struct top_slice *s, size_t *hint)
{
	int tid = vcpu_tid(f->view, vm, s->cpu);
	int64_t at = s->start_ns;
	const struct top_slice *host;

	if (s->end_ns <= f->from_ns || s->start_ns >= f->to_ns)
		return;
	if (tid < 0) {
		add(f, RUN, s->start_ns, s->end_ns);
		return;
	}
	while (at < s->end_ns && (host = vcpu_run(f->view, tid, at, hint)) &&
		host->start_ns < s->end_ns) {
		int64_t end = host->end_ns < s->end_ns ? host->end_ns : s->end_ns;

		if (host->start_ns > at)
			add(f, SOFT, at, host->start_ns);
		add(f, RUN, host->start_ns > at ? host->start_ns : at, end);
		at = end;
	}
	if (at < s->end_ns)
		add(f, SOFT, at, s->end_ns);
}

static size_t vm_called(const struct top_view *view, const char *name)
{
	for (size_t i = 0; i < view->n_vms; i++)
		if (!strcmp(view->vms[i].name, name))
			return i;
	return SIZE_MAX;
}

static void fill_task(struct fill *f, size_t task)
{
	size_t vm = vm_called(f->view, f->view->tasks[task].machine), hint = 0;
	int64_t ready_ns = VMRT_UNKNOWN;

	for (size_t i = 0; i < f->view->n_slices; i++) {
		const struct top_slice *s = &f->view->slices[i];
		const struct top_thread *t = thread_of(f->view, s);

		if (!t || t->task != task)
			continue;
		if (ready_ns != VMRT_UNKNOWN)
			add(f, WAIT, ready_ns, s->start_ns);
		if (vm == SIZE_MAX)
			add(f, RUN, s->start_ns, s->end_ns);
		else
			add_guest_run(f, vm, s, &hint);
		ready_ns = s->ready ? s->end_ns : VMRT_UNKNOWN;
	}
}

void top_lane_fill(const struct top_view *view, const struct top_lane *lane, int64_t from_ns,
	int64_t to_ns, struct top_lane_cell *cells, size_t n)
{
	struct fill f = {view, from_ns, to_ns, cells, n};
	const struct top_server_row *server =
		lane->server < view->n_servers ? &view->servers[lane->server] : NULL;

	memset(cells, 0, n * sizeof(*cells));
	if (to_ns <= from_ns || !n)
		return;
	if (lane->kind == TOP_LANE_TASK && lane->task < view->n_tasks)
		fill_task(&f, lane->task);
	else if (lane->kind == TOP_LANE_VCPU && lane->vm < view->n_vms &&
		 lane->vcpu < view->vms[lane->vm].n_vcpus)
		fill_vcpu(&f, view->vms[lane->vm].vcpus[lane->vcpu].tid, server);
	else if (lane->kind == TOP_LANE_SERVER && server && server->vm_index < view->n_vms)
		for (size_t i = 0; i < view->vms[server->vm_index].n_vcpus; i++)
			if (has_vcpu(server, view->vms[server->vm_index].vcpus[i].vcpu))
				fill_vcpu(&f, view->vms[server->vm_index].vcpus[i].tid, server);
}

int64_t top_lane_known_from(const struct top_view *view)
{
	return view->n_slices < TOP_SLICES_MAX ? VMRT_UNKNOWN : view->slices[0].end_ns;
}

/* ---- the list of lanes ---- */

/* Adds the lanes of a VM's tasks. If the VM has several servers, its tasks are shown once, below
 * the first server. */
static void add_vm_lanes(
	const struct top_view *view, size_t server, size_t vm, struct top_lane *lanes, size_t *n)
{
	for (size_t i = 0; vm < view->n_vms && i < view->vms[vm].n_vcpus; i++)
		if (has_vcpu(&view->servers[server], view->vms[vm].vcpus[i].vcpu))
			lanes[(*n)++] = (struct top_lane){
				.kind = TOP_LANE_VCPU, .server = server, .vm = vm, .vcpu = i};
	for (size_t i = 0; i < server; i++)
		if (view->servers[i].vm_index == vm)
			return;
	for (size_t i = 0; vm < view->n_vms && i < view->n_tasks; i++)
		if (!strcmp(view->tasks[i].machine, view->vms[vm].name))
			lanes[(*n)++] = (struct top_lane){
				.kind = TOP_LANE_TASK, .server = server, .task = i};
}

struct top_lane *top_lanes_make(const struct top_view *view, size_t *n)
{
	size_t room = view->n_servers + view->n_tasks * (view->n_servers + 1) + 1;
	struct top_lane *lanes;

	for (size_t i = 0; i < view->n_vms; i++)
		room += view->vms[i].n_vcpus * (view->n_servers + 1);
	lanes = calloc(room, sizeof(*lanes));
	*n = 0;
	if (!lanes)
		return NULL;
	for (size_t i = 0; i < view->n_servers; i++) {
		const struct top_server_row *s = &view->servers[i];

		if (s->policy != VMRT_POLICY_NONE)
			lanes[(*n)++] = (struct top_lane){.kind = TOP_LANE_SERVER, .server = i};
		add_vm_lanes(view, i, s->vm_index, lanes, n);
	}
	for (size_t i = 0; i < view->n_tasks; i++)
		if (vm_called(view, view->tasks[i].machine) == SIZE_MAX)
			lanes[(*n)++] = (struct top_lane){
				.kind = TOP_LANE_TASK, .server = SIZE_MAX, .task = i};
	return lanes;
}

/* Does the name of a server or of a task contain the text? */
static bool fits(const struct top_view *view, const char *filter, const struct top_lane *lane)
{
	char name[TOP_TEXT];
	bool task = lane->kind == TOP_LANE_TASK;

	return strcasestr(top_row_name(view, task ? TOP_TASKS : TOP_SERVERS,
				  task ? lane->task : lane->server, name),
		filter);
}

size_t top_lanes_filter(
	const struct top_view *view, const char *filter, struct top_lane *lanes, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; *filter && i < n; i++) {
		bool keep = fits(view, filter, &lanes[i]);

		/* the lanes of a server come before those of its tasks */
		for (size_t k = i + 1; !keep && lanes[i].kind != TOP_LANE_TASK && k < n &&
				       lanes[k].server == lanes[i].server;
			k++)
			keep = fits(view, filter, &lanes[k]);
		if (keep)
			lanes[left++] = lanes[i];
	}
	return *filter ? left : n;
}

/* ---- budgets ---- */

bool top_period_at(const struct top_server_row *s, int64_t at_ns, struct vmrt_server_period *out)
{
	if (s->period_start_ns != VMRT_UNKNOWN && s->period_ns > 0 && at_ns >= s->period_start_ns &&
		at_ns < s->period_start_ns + s->period_ns) {
		*out = (struct vmrt_server_period){
			.start_ns = s->period_start_ns,
			.end_ns = s->period_start_ns + s->period_ns,
			.budget_ns = s->budget_ns,
			.consumed_ns = s->used_ns,
			.background_ns = s->soft_ns,
			.k = s->n_recent ? s->recent[s->n_recent - 1].k + 1 : VMRT_UNKNOWN,
			.depleted_ns = s->depleted_ns,
			.outcome = VMRT_PERIOD_TRUNCATED,
		};
		return true;
	}
	for (size_t i = s->n_recent; i-- > 0;)
		if (at_ns >= s->recent[i].start_ns && at_ns < s->recent[i].end_ns) {
			*out = s->recent[i];
			return true;
		}
	return false;
}

/* A change of the number of members that run. */
struct step {
	int64_t at_ns;
	int by;
	int64_t sum_ns; /* sum of the members' run times up to this step */
	int running;	/* how many members run from this step on */
};

static int by_time(const void *a, const void *b)
{
	const struct step *s = a, *t = b;

	return (s->at_ns > t->at_ns) - (s->at_ns < t->at_ns);
}

struct steps {
	struct step *list;
	size_t n, room;
};

static void add_step(struct steps *steps, int64_t at_ns, int by)
{
	if (steps->n == steps->room) {
		size_t room = steps->room ? 2 * steps->room : 256;
		struct step *more = realloc(steps->list, room * sizeof(*more));

		if (!more)
			return;
		steps->list = more;
		steps->room = room;
	}
	steps->list[steps->n++] = (struct step){.at_ns = at_ns, .by = by};
}

static void add_steps(void *ctx, bool soft, int64_t from_ns, int64_t to_ns)
{
	if (soft || from_ns >= to_ns)
		return;
	add_step(ctx, from_ns, 1);
	add_step(ctx, to_ns, -1);
}

/* Makes a list of steps, in time order, from all runs of the server's members at its priority. */
static struct step *steps_of(
	const struct top_view *view, size_t server, int64_t from_ns, int64_t to_ns, size_t *n)
{
	const struct top_server_row *row = &view->servers[server];
	struct steps steps = {0};
	int64_t sum = 0;
	int running = 0;
	size_t hint = 0;

	for (size_t i = 0; i < view->n_slices; i++) {
		const struct top_slice *s = &view->slices[i];

		if (s->end_ns > from_ns && s->start_ns < to_ns &&
			is_member(view, row, thread_of(view, s)))
			split_run(row, s, &hint, add_steps, &steps);
	}
	if (steps.n)
		qsort(steps.list, steps.n, sizeof(*steps.list), by_time);
	for (size_t i = 0; i < steps.n; i++) {
		if (i)
			sum += running * (steps.list[i].at_ns - steps.list[i - 1].at_ns);
		running += steps.list[i].by;
		steps.list[i].sum_ns = sum;
		steps.list[i].running = running;
	}
	*n = steps.n;
	return steps.list;
}

static int64_t sum_until(const struct step *steps, size_t n, int64_t at_ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (steps[middle].at_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	return steps[low - 1].sum_ns + steps[low - 1].running * (at_ns - steps[low - 1].at_ns);
}

void top_budget_fill(const struct top_view *view, size_t server, int64_t from_ns, int64_t to_ns,
	double *left, bool *depleted, size_t n)
{
	const struct top_server_row *row = &view->servers[server];
	struct vmrt_server_period p;
	int64_t first = from_ns;
	struct step *steps;
	size_t n_steps;

	if (top_period_at(row, from_ns, &p))
		first = p.start_ns;
	steps = steps_of(view, server, first, to_ns, &n_steps);
	for (size_t i = 0; i < n; i++) {
		int64_t at = from_ns +
			     (int64_t)((double)(to_ns - from_ns) * (double)(i + 1) / (double)n) - 1;
		int64_t used;

		left[i] = NAN;
		depleted[i] = false;
		if (view->now_ns == VMRT_UNKNOWN || at > view->now_ns ||
			!top_period_at(row, at, &p) || p.budget_ns <= 0 ||
			p.consumed_ns == VMRT_UNKNOWN)
			continue;
		used = sum_until(steps, n_steps, at) - sum_until(steps, n_steps, p.start_ns);
		left[i] = 1 - (double)used / (double)p.budget_ns;
		depleted[i] = p.depleted_ns != VMRT_UNKNOWN && at >= p.depleted_ns;
	}
	free(steps);
}

const struct top_mark *top_job_at(const struct top_view *view, size_t task, int64_t at_ns)
{
	bool newer = false;

	for (size_t i = view->n_marks; i-- > 0;) {
		const struct top_mark *m = &view->marks[i];

		if (m->task != task || m->arrival_ns == VMRT_UNKNOWN || m->arrival_ns > at_ns)
			continue;
		/* a job whose end is unknown was over when the next job arrived */
		if (m->end_ns == VMRT_UNKNOWN ? !newer : at_ns < m->end_ns)
			return m;
		newer = true;
	}
	return NULL;
}

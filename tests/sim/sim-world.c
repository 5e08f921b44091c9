/* SPDX-License-Identifier: MIT */
/* Lets the world of a case run. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define STUCK 200000 /* so many things at one instant are an error of the simulator */

static bool shows(const struct wtimer *t)
{
	return t->kind != TM_LOCK && t->kind != TM_REBORN && t->kind != TM_WHEEL &&
	       t->kind != TM_RESUME && t->kind != TM_EVENT && !t->soft;
}

static void steal_begins(struct world *w, struct wcpu *c)
{
	struct sim_truth *truth = &w->r->truth;
	int64_t due = NEVER;
	bool known = false;

	c->stolen = true;
	c->steal_at = NEVER;
	c->steal_end = w->now + (chance(w, 20) ? between(w, 50 * US, 600 * US)
					       : between(w, 400 * US, 7 * MS));
	c->steal_from = c->steal_seen_to = VMRT_UNKNOWN;
	for (int i = 0; i < SIM_TIMERS; i++) {
		const struct wtimer *t = &c->m->timers[i];

		if (t->armed && !t->pushed && t->cpu == c->index && shows(t) && t->due < due) {
			due = t->due;
			known = t->since > w->start && t->since >= c->clip_from;
		}
	}
	/* the first record after it shows it */
	if (!known || due >= c->steal_end || c->steal_end + 700 - due < STEAL_SEEN_NS ||
		c->last_recorded == VMRT_UNKNOWN)
		return;
	c->steal_from = due;
	c->steal_seen_to = c->steal_end + 700;
	truth->steals =
		grow(truth->steals, truth->n_steals, &w->steals_room, sizeof(*truth->steals));
	truth->steals[truth->n_steals++] = (struct sim_hole){
		.cpu = (uint16_t)c->index, .from_ns = c->steal_from, .to_ns = c->steal_seen_to};
}

/* Timers that became due meanwhile fire first, in order. */
static void steal_ends(struct world *w, struct wcpu *c)
{
	struct wtimer *late[SIM_TIMERS];
	int n = 0;

	c->stolen = false;
	c->steal_end = NEVER;
	c->steal_at = w->now + between(w, 5 * MS, 60 * MS);
	for (;;) {
		struct wtimer *first = NULL;

		for (int i = 0; i < SIM_TIMERS; i++) {
			struct wtimer *t = &c->m->timers[i];

			if (!t->armed || t->pushed || t->cpu != c->index || t->due > w->now)
				continue;
			if (!first || (shows(t) && !shows(first)) ||
				(shows(t) == shows(first) && t->due < first->due))
				first = t;
		}
		if (!first)
			break;
		first->pushed = true;
		late[n++] = first;
	}
	while (n--)
		push_expiry(c, late[n], n ? 300 : 700, true);
}

static void cpu_instants(struct world *w, struct wcpu *c)
{
	if (w->now >= c->suspend_at) {
		c->suspend_at = w->now + between(w, 500 * US, 20 * MS);
		task_suspend(c);
	}
	if (w->now >= c->steal_at && !c->n_ops && (!c->cur || c->cur->work > 0))
		steal_begins(w, c);
	if (w->now >= c->steal_end)
		steal_ends(w, c);
	if (w->now >= c->throttle_at) {
		c->throttled = true;
		c->throttle_at = NEVER;
		c->throttle_end = w->now + (chance(w, 30) ? between(w, 100 * US, MS)
							  : between(w, MS, 12 * MS));
		resched(c);
	}
	if (w->now >= c->throttle_end) {
		c->throttled = false;
		c->throttle_end = NEVER;
		c->throttle_at = w->now + between(w, 10 * MS, 80 * MS);
		resched(c);
	}
}

static int64_t left_on(const struct wcpu *c)
{
	if (!cpu_progresses(c))
		return NEVER;
	if (c->n_ops)
		return c->ops[0].delay;
	if (c->cur)
		return c->cur->work;
	return c->vcpu ? c->halt_left : NEVER;
}

static bool do_what_is_due(struct world *w)
{
	bool any = false;

	timers_due(w);
	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++)
			cpu_instants(w, &w->m[m].cpus[c]);
	for (int m = 0; m < w->n_machines && !any; m++) {
		for (int i = 0; i < w->m[m].n_cpus && !any; i++) {
			struct wcpu *c = &w->m[m].cpus[i];

			if (left_on(c) != 0)
				continue;
			any = true;
			if (c->n_ops) {
				run_op(c);
			} else if (c->cur) {
				thread_step(c->cur);
			} else {
				/* the guest is idle: its vCPU thread goes to sleep */
				c->halt_left = NEVER;
				c->vcpu->sleeping = c->vcpu->want_block = true;
				c->vcpu->woken = false;
				c->m->kicks[i] = false;
				resched(&c->vcpu->m->cpus[c->vcpu->cpu]);
			}
			truth_advance(w, w->now);
			truth_grid(w);
		}
	}
	return any;
}

static void advance_cpus(struct world *w, int64_t ns)
{
	bool moves[1 + SIM_GUESTS][SIM_CPUS];

	for (int m = 0; m < w->n_machines; m++)
		for (int i = 0; i < w->m[m].n_cpus; i++)
			moves[m][i] = cpu_progresses(&w->m[m].cpus[i]);
	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_cpus; i++) {
			struct wcpu *c = &w->m[m].cpus[i];

			if (!moves[m][i])
				continue;
			if (c->n_ops)
				c->ops[0].delay -= ns;
			else if (c->cur && c->cur->work != NEVER)
				c->cur->work -= ns;
			else if (!c->cur && c->vcpu && c->halt_left != NEVER)
				c->halt_left -= ns;
		}
	}
}

static int64_t next_instant(const struct world *w)
{
	int64_t next = timers_next(w), at = truth_next(w);

	if (at < next)
		next = at;
	if (w->end < next)
		next = w->end;
	if (w->start > w->now && w->start < next)
		next = w->start;
	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_cpus; i++) {
			const struct wcpu *c = &w->m[m].cpus[i];
			int64_t left = left_on(c);

			if (left != NEVER && w->now + left < next)
				next = w->now + left;
			if (c->steal_at < next && c->steal_at > w->now)
				next = c->steal_at;
			if (c->steal_end < next)
				next = c->steal_end;
			if (c->suspend_at < next)
				next = c->suspend_at;
			if (c->throttle_at < next)
				next = c->throttle_at;
			if (c->throttle_end < next)
				next = c->throttle_end;
		}
	}
	return next < w->now ? w->now : next;
}

static void run(struct world *w)
{
	bool enforcing = false;
	int stuck = 0;

	for (int m = 0; m < w->n_machines; m++)
		for (int c = 0; c < w->m[m].n_cpus; c++) {
			struct wcpu *cpu = &w->m[m].cpus[c];

			push_op(cpu, (struct op){.kind = OP_OTHER, .delay = 100}, false);
			resched(cpu);
		}
	while (!w->broken_story[0]) {
		int64_t next;

		truth_grid(w);
		if (w->enforcer && !enforcing && w->now >= w->start) {
			enforcing = true;
			wake_by_irq(&w->m[0].cpus[w->enforcer->cpu], w->enforcer, 10 * US);
		}
		if (w->now >= w->end || guest_is_silent(w))
			break;
		if (do_what_is_due(w)) {
			if (++stuck > STUCK)
				snprintf(w->broken_story, sizeof(w->broken_story),
					"time stands still");
			continue;
		}
		next = next_instant(w);
		if (next > w->now)
			stuck = 0;
		else if (++stuck > STUCK)
			snprintf(w->broken_story, sizeof(w->broken_story),
				"time stands still at an instant");
		truth_advance(w, next);
		advance_cpus(w, next - w->now);
		w->now = next;
	}
}

/* Jobs are cleared when they are opened: most of this room is never touched, and a world is made
 * often. */
static void give_room(struct world *w)
{
	static struct sim_job pending[SIM_TASKS][SIM_PENDING];
	static int64_t gap_ns[SIM_TASKS][SIM_PENDING][2];

	for (int i = 0; i < SIM_TASKS; i++) {
		w->tasks[i].pending = pending[i];
		w->tasks[i].gap_ns = gap_ns[i];
		memset(&pending[i][0], 0, sizeof(pending[i][0]));
		memset(&gap_ns[i][0], 0, sizeof(gap_ns[i][0]));
	}
}

struct sim_result *sim_run(const struct sim_case *c)
{
	struct sim_result *r = calloc(1, sizeof(*r));
	struct world *w = calloc(1, sizeof(*w));

	if (!r || !w)
		abort();
	r->c = *c;
	w->r = r;
	give_room(w);
	w->rand = c->seed * UINT64_C(0x2545f4914f6cdd1d) + 12345;
	w->kernel_rand = c->seed ^ UINT64_C(0x3c6ef372fe94f82b);
	w->late_rand = c->seed ^ UINT64_C(0x9b05688c2b3e6c1f);
	w->clock_rand = c->seed ^ UINT64_C(0x1f83d9abfb41bd6b);
	w->set_rand = c->seed ^ UINT64_C(0x5be0cd19137e2179);
	w->now = BEGIN_NS;
	w->start = BEGIN_NS + (has(w, SIM_LATE_START) ? between(w, MS, c->duration_ns / 3) : 0);
	w->end = BEGIN_NS + c->duration_ns;
	r->truth.start_ns = w->start;
	r->truth.end_ns = w->end;
	make_everything(w);
	make_losses(w);
	run(w);
	w->end = r->truth.end_ns = w->now;
	truth_finish(w);
	emit_finish(w);
	if (w->broken_story[0]) {
		fprintf(stderr, "simulator, seed %llu: %s\n", (unsigned long long)c->seed,
			w->broken_story);
		abort();
	}
	free(w);
	return r;
}

void sim_free(struct sim_result *r)
{
	free(r->events);
	free(r->truth.jobs);
	free(r->truth.slices);
	free(r->truth.periods);
	free(r->truth.holes);
	free(r->truth.steals);
	free(r->truth.clips);
	free(r);
}

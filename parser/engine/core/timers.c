/* SPDX-License-Identifier: MIT */
/*
 * Armed hrtimers by address: an open-addressing table with linear probing; and those that were
 * cancelled just now.
 *
 * An entry lives from hrtimer_start to expiry or cancel, since the timers of sleeping threads are
 * on their stacks and the same address belongs to another sleep, or another thread, the next time.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256
#define MAX_SIZE (1u << 20) /* more armed timers than this are a malformed recording */

static size_t slot_of(const struct timers *t, uint64_t ptr)
{
	return (size_t)((ptr >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask;
}

static bool grow(struct timers *t)
{
	size_t size = t->slots ? (t->mask + 1) * 2 : FIRST_SIZE;
	struct timers bigger = {.mask = size - 1};

	if (size > MAX_SIZE) {
		memset(t->slots, 0, (t->mask + 1) * sizeof(*t->slots));
		t->used = 0;
		return true;
	}
	bigger.slots = calloc(size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].ptr)
			timers_put(&bigger, &t->slots[i]);
	free(t->slots);
	*t = bigger;
	return true;
}

bool timers_put(struct timers *t, const struct timer *timer)
{
	size_t i;

	if (!timer->ptr)
		return true;
	if ((!t->slots || t->used * 2 > t->mask) && !grow(t))
		return false;
	for (i = slot_of(t, timer->ptr); t->slots[i].ptr; i = (i + 1) & t->mask)
		if (t->slots[i].ptr == timer->ptr)
			break;
	t->used += !t->slots[i].ptr;
	t->slots[i] = *timer;
	return true;
}

/* Empties slot @i and moves up what probing had pushed behind it. */
static void remove_slot(struct timers *t, size_t i)
{
	size_t hole = i;

	for (i = (i + 1) & t->mask; t->slots[i].ptr; i = (i + 1) & t->mask) {
		size_t home = slot_of(t, t->slots[i].ptr);

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole].ptr = 0;
	t->used--;
}

bool timers_take(struct timers *t, uint64_t ptr, struct timer *out)
{
	if (!t->slots || !ptr)
		return false;
	for (size_t i = slot_of(t, ptr); t->slots[i].ptr; i = (i + 1) & t->mask) {
		if (t->slots[i].ptr != ptr)
			continue;
		*out = t->slots[i];
		remove_slot(t, i);
		return true;
	}
	return false;
}

void timers_forget(struct machine *m, const struct thread *owner)
{
	struct timers *t = &m->timers;

	for (size_t i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].ptr && t->slots[i].owner == owner)
			t->slots[i].owner = NULL;
	for (unsigned c = 0; c < m->n_cpus; c++)
		for (unsigned i = 0; i < m->cpus[c].n_cancelled; i++)
			if (m->cpus[c].cancelled[i].timer.owner == owner)
				m->cpus[c].cancelled[i].timer.owner = NULL;
}

static void drop_cancelled(struct cpu *cpu, unsigned i)
{
	cpu->n_cancelled--;
	if (i == cpu->n_cancelled)
		return;
	memmove(&cpu->cancelled[i], &cpu->cancelled[i + 1],
		(cpu->n_cancelled - i) * sizeof(cpu->cancelled[0]));
}

/* @timer was taken from the table because @ev says that it was cancelled. */
void timers_hold_cancelled(
	struct cpu *cpu, const struct vmrt_event *ev, struct instant now, const struct timer *timer)
{
	if (cpu->n_cancelled == CANCELLED_MAX)
		drop_cancelled(cpu, 0);
	cpu->cancelled[cpu->n_cancelled++] = (struct cancelled){.timer = *timer,
		.pid = ev->pid,
		.level = (uint8_t)interrupt_level(ev->flags),
		.at = now,
		.before_local_ns = cpu->last_local_ns};
}

/* Timer @ptr expires: was it reported as cancelled on this CPU right before? */
bool timers_take_cancelled(struct cpu *cpu, uint64_t ptr, struct cancelled *out)
{
	for (unsigned i = cpu->n_cancelled; i-- > 0;) {
		if (cpu->cancelled[i].timer.ptr != ptr)
			continue;
		*out = cpu->cancelled[i];
		drop_cancelled(cpu, i);
		return true;
	}
	return false;
}

/** timers_before_expiry - the local time of the last record of @cpu, or VMRT_UNKNOWN. Records of
 * the interrupt that reports an expiry now do not count: its entry, and that @cancelled, if it is
 * not NULL, was cancelled; *@first_ns becomes the host time of the first of them, if there is one
 */
int64_t timers_before_expiry(
	const struct cpu *cpu, const struct cancelled *cancelled, int64_t *first_ns)
{
	int64_t last = cpu->last_local_ns;

	if (cancelled && last == cancelled->at.local_ns) {
		last = cancelled->before_local_ns;
		*first_ns = cancelled->at.host_ns;
	}
	if (cpu->entered.host_ns && last == cpu->entered.local_ns) {
		last = cpu->before_entry_ns;
		*first_ns = cpu->entered.host_ns;
	}
	return last;
}

/*
 * Between the two reports of an expiring timer the kernel does nothing. So those were really
 * cancelled behind which @ev, no expiry, comes, unless it is of somebody who came in between:
 * another interrupt, or a thread that took the CPU from a kernel thread which expires timers; or is
 * the kernel's own, behind a switch, and still bears the name of that thread.
 */
void timers_settle_cancelled(struct cpu *cpu, const struct vmrt_event *ev)
{
	unsigned level = interrupt_level(ev->flags);

	if (cpu->known && cpu->pid != ev->pid && cpu->left_pid == ev->pid &&
		ev->type != VMRT_EV_SWITCH)
		return;

	for (unsigned i = cpu->n_cancelled; i-- > 0;) {
		const struct cancelled *c = &cpu->cancelled[i];
		bool preempts =
			c->level < LEVEL_HARDIRQ &&
			(ev->pid != c->pid || (ev->type == VMRT_EV_SWITCH && !ev->sw.prev_state));

		if (!preempts && level <= c->level)
			drop_cancelled(cpu, i);
	}
}

void timers_free(struct timers *t)
{
	free(t->slots);
	memset(t, 0, sizeof(*t));
}

/* SPDX-License-Identifier: MIT */
#include "kept-events.h"

#include <stdlib.h>
#include <string.h>

#define MARK_MAX 96 /* bytes of the text of a marker */

/* An event with copies of the texts that its pointers point at. */
struct kept {
	struct vmrt_event event;
	int64_t host_ns;
	uint64_t number; /* number of the event among all events */
	uint32_t machine;
	union {
		char comm[2][VMRT_COMM_MAX];
		char mark[MARK_MAX];
	} text;
};

struct kept_events {
	uint64_t n;	   /* events so far */
	uint64_t n_missed; /* number of events that were copied because of misses */
	uint64_t copied;   /* events with a number below this were already checked for copying */
	struct kept last[KEPT_EVENTS], missed[KEPT_EVENTS]; /* rings */
};

struct kept_events *kept_events_new(void)
{
	struct kept_events *kept = malloc(sizeof(*kept));

	if (!kept)
		return NULL;
	/* writing to all pages now makes the program use as much memory from the beginning as when
	 * the rings are full */
	memset(kept, 0xff, sizeof(*kept));
	kept->n = kept->n_missed = kept->copied = 0;
	return kept;
}

void kept_events_free(struct kept_events *kept)
{
	free(kept);
}

void kept_events_add(
	struct kept_events *kept, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	struct kept *k = &kept->last[kept->n % KEPT_EVENTS];

	k->event = *event;
	k->host_ns = host_ns;
	k->number = kept->n++;
	k->machine = machine;
	switch (event->type) {
	case VMRT_EV_SWITCH:
		memcpy(k->text.comm[0], event->sw.prev_comm, VMRT_COMM_MAX);
		memcpy(k->text.comm[1], event->sw.next_comm, VMRT_COMM_MAX);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		memcpy(k->text.comm[0], event->wake.comm, VMRT_COMM_MAX);
		break;
	case VMRT_EV_EXEC:
	case VMRT_EV_EXIT:
	case VMRT_EV_FORK:
		k->text.comm[0][0] = '\0';
		if (event->process.comm)
			memcpy(k->text.comm[0], event->process.comm, VMRT_COMM_MAX);
		break;
	case VMRT_EV_MARK:
		k->event.mark.len = event->mark.len < MARK_MAX ? event->mark.len : MARK_MAX;
		memcpy(k->text.mark, event->mark.text, k->event.mark.len);
		break;
	default:
		break;
	}
}

/* Points the event at the copies of its texts. */
static void restore(struct kept *k)
{
	switch (k->event.type) {
	case VMRT_EV_SWITCH:
		k->event.sw.prev_comm = k->text.comm[0];
		k->event.sw.next_comm = k->text.comm[1];
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		k->event.wake.comm = k->text.comm[0];
		break;
	case VMRT_EV_EXEC:
	case VMRT_EV_EXIT:
	case VMRT_EV_FORK:
		k->event.process.comm = k->text.comm[0];
		break;
	case VMRT_EV_MARK:
		k->event.mark.text = k->text.mark;
		break;
	default:
		break;
	}
}

static uint64_t first_of(uint64_t n)
{
	return n > KEPT_EVENTS ? n - KEPT_EVENTS : 0;
}

void kept_events_of_miss(struct kept_events *kept, int64_t from_ns, int64_t to_ns)
{
	uint64_t i = kept->n, first = first_of(kept->n);

	/* misses overlap: events that were copied for one miss are not copied again for the next */
	if (first < kept->copied)
		first = kept->copied;
	while (i > first && kept->last[(i - 1) % KEPT_EVENTS].host_ns >= from_ns)
		i--;
	for (; i < kept->n && kept->last[i % KEPT_EVENTS].host_ns <= to_ns; i++) {
		kept->missed[kept->n_missed++ % KEPT_EVENTS] = kept->last[i % KEPT_EVENTS];
		kept->copied = i + 1;
	}
}

void kept_events_each(
	struct kept_events *kept, int64_t from_ns, int64_t to_ns, kept_event_fn *take, void *ctx)
{
	uint64_t first = first_of(kept->n), missed = first_of(kept->n_missed);

	for (uint64_t i = 0; i < kept->n_missed - missed + kept->n - first; i++) {
		bool old = i < kept->n_missed - missed;
		struct kept *k =
			old ? &kept->missed[(missed + i) % KEPT_EVENTS]
			    : &kept->last[(first + i - (kept->n_missed - missed)) % KEPT_EVENTS];

		/* an event that is in both rings is taken from the second one */
		if ((old && k->number >= first) || k->host_ns < from_ns || k->host_ns > to_ns)
			continue;
		restore(k);
		if (!take(ctx, k->machine, &k->event, k->host_ns))
			return;
	}
}

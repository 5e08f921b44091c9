/* SPDX-License-Identifier: MIT */
/* Which raw events of what is live are still there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/units.h>

#include "tui/source/kept-events.h"

#define US VMRT_NS_PER_US

/* Event i is at i us; its marker has the number in it. */
static void add(struct kept_events *kept, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++) {
		char text[16];
		struct vmrt_event event = {
			.type = VMRT_EV_MARK, .pid = (int32_t)i, .mark.text = text};

		event.mark.len = (uint32_t)snprintf(text, sizeof(text), "m%d", (int)i);
		kept_events_add(kept, (uint32_t)(i % 2), &event, i * US);
	}
}

struct seen {
	size_t n;
	int32_t first, last, most;
};

static bool see(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	struct seen *s = ctx;
	char text[16];

	snprintf(text, sizeof(text), "m%d", event->pid);
	assert_int_equal(event->mark.len, strlen(text));
	assert_memory_equal(event->mark.text, text, event->mark.len);
	assert_int_equal(machine, event->pid % 2);
	assert_int_equal(host_ns, event->pid * US);
	if (!s->n)
		s->first = event->pid;
	else
		assert_int_equal(event->pid, s->last + 1);
	s->last = event->pid;
	return (int32_t)++s->n < s->most;
}

static struct seen between(struct kept_events *kept, int64_t from, int64_t to)
{
	struct seen seen = {.most = 1000000};

	kept_events_each(kept, from * US, to * US, see, &seen);
	return seen;
}

static void the_last_events_are_there_and_older_ones_are_not(void **state)
{
	struct kept_events *kept = kept_events_new();
	struct seen seen;

	(void)state;
	add(kept, 0, KEPT_EVENTS + 1000);
	seen = between(kept, 0, 1100);
	assert_int_equal(seen.n, 101);
	assert_int_equal(seen.first, 1000);
	assert_int_equal(between(kept, 0, 999).n, 0);
	seen = (struct seen){.most = 3};
	kept_events_each(kept, 2000 * US, 3000 * US, see, &seen);
	assert_int_equal(seen.n, 3);
	kept_events_free(kept);
}

static void those_of_a_miss_are_there_for_longer_and_each_once(void **state)
{
	struct kept_events *kept = kept_events_new();
	struct seen seen;

	(void)state;
	add(kept, 0, 500);
	/* two misses that overlap, the second of which is not over yet */
	kept_events_of_miss(kept, 100 * US, 300 * US);
	kept_events_of_miss(kept, 200 * US, 600 * US);
	/* while both rings have them */
	seen = between(kept, 50, 450);
	assert_int_equal(seen.n, 401);
	assert_int_equal(seen.first, 50);
	add(kept, 500, 500 + KEPT_EVENTS);
	seen = between(kept, 50, 450);
	assert_int_equal(seen.n, 351);
	assert_int_equal(seen.first, 100);
	/* as many events of misses as there is room for */
	kept_events_of_miss(kept, 500 * US, (500 + KEPT_EVENTS) * US);
	assert_int_equal(between(kept, 50, 450).n, 0);
	add(kept, 500 + KEPT_EVENTS, 500 + 2 * KEPT_EVENTS);
	assert_int_equal(between(kept, 0, 10 * KEPT_EVENTS).n, 2 * KEPT_EVENTS);
	kept_events_free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_events_are_there_and_older_ones_are_not),
		cmocka_unit_test(those_of_a_miss_are_there_for_longer_and_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

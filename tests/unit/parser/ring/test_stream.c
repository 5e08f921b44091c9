/* SPDX-License-Identifier: MIT */
/* Pages of several CPUs become one stream of events, and losses and damage are reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include <cmocka.h>

#include <vmrt/dat.h>

#include "pages.h"
#include "parser/dat/dat.h"

#define S VMRT_NS_PER_S

/* Pages by hand. */

struct page {
	uint8_t bytes[TESTS_PAGE_SIZE + 8];
	uint32_t used;
};

static void word(struct page *p, uint32_t v)
{
	memcpy(p->bytes + p->used, &v, sizeof(v));
	p->used += 4;
}

static void page_start(struct page *p, uint64_t ts)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, &ts, sizeof(ts));
	p->used = 16;
}

static void page_end(struct page *p, uint64_t flags)
{
	uint64_t commit = (p->used - 16) | flags;

	memcpy(p->bytes + 8, &commit, sizeof(commit));
}

static uint32_t entry(uint32_t type, uint32_t delta)
{
	return type | delta << 5;
}

static void entries_of_all_kinds_give_their_times(void **unused)
{
	const uint64_t high = UINT64_C(3) << 59;
	struct page_walk walk;
	const uint8_t *record;
	struct page p;
	uint32_t size;

	(void)unused;
	page_start(&p, high + 1000);
	word(&p, entry(2, 5)); /* 8 bytes, +5 */
	word(&p, 0x11111111);
	word(&p, 0x22222222);
	word(&p, entry(30, 7)); /* + 7 + 3 * 2^27 */
	word(&p, 3);
	word(&p, entry(0, 2)); /* a long one: 6 bytes behind its length */
	word(&p, 4 + 6);
	word(&p, 0x33333333);
	word(&p, 0x4444);
	word(&p, entry(29, 1)); /* deleted: 8 bytes behind the header, +1 */
	word(&p, 8);
	word(&p, 0);
	word(&p, entry(31, 77)); /* absolute: 77 + 2^27 * 16, with the top bits of now */
	word(&p, 16);
	word(&p, entry(1, 0));
	word(&p, 0x55555555);
	word(&p, entry(29, 0)); /* the end, whatever follows */
	word(&p, 0xffffffff);
	page_end(&p, 0);

	assert_true(page_begin(&walk, p.bytes, TESTS_PAGE_SIZE, 8, false));
	assert_int_equal(walk.lost, 0);
	assert_int_equal(page_next(&walk, &record, &size), 1);
	assert_true(walk.ts == high + 1005);
	assert_int_equal(size, 8);
	assert_int_equal(ring_u32(record), 0x11111111);
	assert_int_equal(page_next(&walk, &record, &size), 1);
	assert_true(walk.ts == high + 1005 + 7 + (UINT64_C(3) << 27) + 2);
	assert_int_equal(size, 6);
	assert_int_equal(ring_u32(record), 0x33333333);
	assert_int_equal(page_next(&walk, &record, &size), 1);
	assert_true(walk.ts == high + 77 + (UINT64_C(16) << 27));
	assert_int_equal(size, 4);
	assert_int_equal(page_next(&walk, &record, &size), 0);
	assert_int_equal(page_next(&walk, &record, &size), 0);
}

static void absolute_time_keeps_the_top_bits_and_carries(void **unused)
{
	struct page_walk walk;
	const uint8_t *record;
	struct page p;
	uint32_t size;

	(void)unused;
	page_start(&p, (UINT64_C(3) << 59) + 5000);
	word(&p, entry(31, 100)); /* smaller than now: the 59 bits have wrapped */
	word(&p, 0);
	word(&p, entry(1, 0));
	word(&p, 0);
	page_end(&p, 0);
	assert_true(page_begin(&walk, p.bytes, TESTS_PAGE_SIZE, 8, false));
	assert_int_equal(page_next(&walk, &record, &size), 1);
	assert_true(walk.ts == (UINT64_C(4) << 59) + 100);
}

static void lost_events_are_counted_where_the_page_says_how_many(void **unused)
{
	const uint64_t many = 123456;
	struct page_walk walk;
	struct page p;

	(void)unused;
	page_start(&p, 1000);
	word(&p, entry(1, 0));
	word(&p, 0);
	page_end(&p, UINT64_C(3) << 30);
	memcpy(p.bytes + p.used, &many, sizeof(many));
	assert_true(page_begin(&walk, p.bytes, TESTS_PAGE_SIZE, 8, false));
	assert_int_equal(walk.lost, 123456);
	page_end(&p, UINT64_C(1) << 31);
	assert_true(page_begin(&walk, p.bytes, TESTS_PAGE_SIZE, 8, false));
	assert_true(walk.lost == UINT64_MAX);
}

static void refuse(struct page *p, uint32_t size)
{
	struct page_walk walk;
	const uint8_t *record;
	uint32_t len;
	/* In memory of exactly its size, so that a sanitizer sees what goes beyond. */
	uint8_t *copy = malloc(size);

	assert_non_null(copy);
	memcpy(copy, p->bytes, size);
	if (page_begin(&walk, copy, size, 8, false)) {
		int more;

		while ((more = page_next(&walk, &record, &len)) == 1)
			assert_true(record + len <= copy + size);
		assert_int_equal(more, -1);
	}
	assert_non_null(walk.wrong);
	/* The same page, cut by the end of the file, ends without complaint or at least in time. */
	if (page_begin(&walk, copy, size, 8, true))
		while (page_next(&walk, &record, &len) == 1)
			assert_true(record + len <= copy + size);
	free(copy);
}

static void hostile_pages_are_refused(void **unused)
{
	struct page p;

	(void)unused;
	page_start(&p, 1000);
	refuse(&p, 12); /* shorter than its header */

	page_start(&p, 1000);
	p.used = TESTS_PAGE_SIZE + 4;
	page_end(&p, 0); /* commit beyond the page */
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, 1000);
	word(&p, entry(28, 0)); /* 112 bytes of which 4 are there */
	word(&p, 0);
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, 1000);
	word(&p, entry(0, 0)); /* a length near 2^32 */
	word(&p, 0xfffffffe);
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, 1000);
	word(&p, entry(0, 0)); /* shorter than the length itself */
	word(&p, 3);
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, 1000);
	word(&p, entry(29, 1)); /* padding beyond the page */
	word(&p, 0xffffffff);
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, 1000);
	word(&p, entry(30, 1)); /* half of a time extend */
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, UINT64_C(1) << 63); /* a time that is none */
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);

	page_start(&p, INT64_MAX - 3);
	word(&p, entry(1, 5));
	word(&p, 0);
	page_end(&p, 0);
	refuse(&p, TESTS_PAGE_SIZE);
}

/* Streams. */

static struct vmrt_formats *formats_with(const struct tests_dat *d, const char *kallsyms)
{
	const char *const *texts, *const *systems;
	size_t n = tests_dat_formats(d, &texts, &systems);
	struct vmrt_formats *formats;
	struct vmrt_error err;

	if (vmrt_formats_new(tests_dat_header_page(), texts, systems, n, kallsyms, &formats,
		    &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return formats;
}

static struct vmrt_formats *formats_of(const struct tests_dat *d)
{
	return formats_with(d, tests_dat_kallsyms());
}

static void push_all(struct vmrt_stream *s, const struct tests_dat *d, unsigned cpus)
{
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		for (size_t i = 0; i < tests_dat_pages(d, cpu); i++)
			assert_int_equal(vmrt_stream_push(s, cpu, tests_dat_page(d, cpu, i),
						 TESTS_PAGE_SIZE, NULL),
				VMRT_OK);
}

static void events_come_in_time_order_and_ties_by_cpu(void **unused)
{
	enum { CPUS = 5 };
	struct tests_dat *d = tests_dat_new(CPUS, TESTS_KERNEL_618);
	struct vmrt_formats *formats = formats_of(d);
	struct vmrt_stream *s;
	struct vmrt_event e;
	int64_t last = 0;
	unsigned last_cpu = 0, n = 0;

	(void)unused;
	for (int i = 0; i < 1000; i++)
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			tests_dat_other(d, CPUS - 1 - cpu, S + i * 1000 + (cpu % 2) * 500);
	assert_int_equal(vmrt_stream_live(formats, CPUS, TESTS_PAGE_SIZE, &s, NULL), VMRT_OK);
	push_all(s, d, CPUS);
	vmrt_stream_limit(s, INT64_MAX);
	while (vmrt_stream_next(s, &e, NULL) == 1) {
		assert_true(e.ts > last || (e.ts == last && e.cpu > last_cpu));
		last = e.ts;
		last_cpu = e.cpu;
		n++;
	}
	assert_int_equal(n, 1000 * CPUS);
	vmrt_stream_free(s);
	vmrt_formats_free(formats);
	tests_dat_free(d);
}

static void live_stream_stops_at_its_limit_and_goes_on(void **unused)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct vmrt_formats *formats = formats_of(d);
	struct vmrt_stream *s;
	struct vmrt_event e;

	(void)unused;
	tests_dat_other(d, 0, 100);
	tests_dat_other(d, 0, 300);
	tests_dat_other(d, 1, 200);
	assert_int_equal(vmrt_stream_live(formats, 2, TESTS_PAGE_SIZE, &s, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	assert_true(vmrt_stream_peek(s) == INT64_MAX);
	assert_int_equal(
		vmrt_stream_push(s, 0, tests_dat_page(d, 0, 0), TESTS_PAGE_SIZE, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	vmrt_stream_limit(s, 150);
	assert_int_equal(vmrt_stream_peek(s), 100);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	assert_int_equal(e.ts, 100);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	assert_int_equal(
		vmrt_stream_push(s, 1, tests_dat_page(d, 1, 0), TESTS_PAGE_SIZE, NULL), VMRT_OK);
	vmrt_stream_limit(s, 1000);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	assert_int_equal(e.ts, 200);
	assert_int_equal(e.cpu, 1);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	assert_int_equal(e.ts, 300);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	/* A CPU that had run dry comes back. */
	tests_dat_end_page(d, 0);
	tests_dat_lost(d, 0, 3);
	tests_dat_other(d, 0, 400);
	tests_dat_end_page(d, 0);
	assert_int_equal(
		vmrt_stream_push(s, 0, tests_dat_page(d, 0, 1), TESTS_PAGE_SIZE, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	assert_int_equal(e.ts, 400);
	assert_int_equal(e.lost, 3);
	assert_int_equal(vmrt_stream_push(s, 2, "", 0, NULL), VMRT_EINVAL);
	vmrt_stream_free(s);
	vmrt_formats_free(formats);
	tests_dat_free(d);
}

static void malformed_cpu_is_reported_once_and_the_others_go_on(void **unused)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct vmrt_formats *formats = formats_of(d);
	uint8_t bad[TESTS_PAGE_SIZE];
	struct vmrt_stream *s;
	struct vmrt_error err;
	struct vmrt_event e;
	const uint64_t commit = 1u << 20;
	int n = 0, errors = 0, more;

	(void)unused;
	for (int i = 0; i < 10; i++) {
		tests_dat_other(d, 0, 100 + i);
		tests_dat_other(d, 1, 100 + i);
	}
	memcpy(bad, tests_dat_page(d, 1, 0), sizeof(bad));
	memcpy(bad + 8, &commit, sizeof(commit));
	assert_int_equal(vmrt_stream_live(formats, 2, TESTS_PAGE_SIZE, &s, NULL), VMRT_OK);
	assert_int_equal(
		vmrt_stream_push(s, 0, tests_dat_page(d, 0, 0), TESTS_PAGE_SIZE, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_push(s, 1, bad, TESTS_PAGE_SIZE, NULL), VMRT_OK);
	vmrt_stream_limit(s, INT64_MAX);
	while ((more = vmrt_stream_next(s, &e, &err))) {
		if (more < 0) {
			errors++;
			assert_non_null(strstr(err.text, "CPU 1"));
		} else {
			n++;
			assert_int_equal(e.cpu, 0);
		}
	}
	assert_int_equal(errors, 1);
	assert_int_equal(n, 10);
	vmrt_stream_free(s);
	vmrt_formats_free(formats);
	tests_dat_free(d);
}

static void loss_before_an_empty_page_comes_with_the_next_event(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_formats *formats = formats_of(d);
	const uint64_t commit = UINT64_C(3) << 30, five = 5;
	uint8_t empty[TESTS_PAGE_SIZE] = {0};
	struct vmrt_stream *s;
	struct vmrt_event e;

	(void)unused;
	memcpy(empty + 8, &commit, sizeof(commit));
	memcpy(empty + 16, &five, sizeof(five));
	tests_dat_other(d, 0, 100);
	assert_int_equal(vmrt_stream_live(formats, 1, TESTS_PAGE_SIZE, &s, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_push(s, 0, empty, TESTS_PAGE_SIZE, NULL), VMRT_OK);
	push_all(s, d, 1);
	vmrt_stream_limit(s, INT64_MAX);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	assert_int_equal(e.lost, 5);
	vmrt_stream_free(s);
	vmrt_formats_free(formats);
	tests_dat_free(d);
}

static const char common[] =
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

static enum vmrt_status try_format(
	const char *system, const char *name, const char *fields, struct vmrt_error *err)
{
	char text[4096];
	const char *texts[] = {text};
	struct vmrt_formats *formats = NULL;
	enum vmrt_status status;

	snprintf(text, sizeof(text), "name: %s\nID: 300\nformat:\n%s%s\nprint fmt: \"\"\n", name,
		common, fields);
	status = vmrt_formats_new(tests_dat_header_page(), texts, &system, 1, NULL, &formats, err);
	vmrt_formats_free(formats);
	return status;
}

static void missing_or_changed_field_is_named(void **unused)
{
	struct vmrt_error err;

	(void)unused;
	assert_int_equal(try_format("timer", "hrtimer_cancel",
				 "\tfield:void * hrtimer;\toffset:8;\tsize:8;\tsigned:0;\n", &err),
		VMRT_OK);
	assert_int_equal(try_format("timer", "hrtimer_cancel",
				 "\tfield:void * timer;\toffset:8;\tsize:8;\tsigned:0;\n", &err),
		VMRT_EUNSUPPORTED);
	assert_string_equal(err.text, "event timer:hrtimer_cancel: its field hrtimer is missing");
	assert_int_equal(try_format("timer", "hrtimer_cancel",
				 "\tfield:void * hrtimer;\toffset:8;\tsize:2;\tsigned:0;\n", &err),
		VMRT_EUNSUPPORTED);
	assert_string_equal(
		err.text, "event timer:hrtimer_cancel: its field hrtimer has an unexpected size");
	assert_int_equal(
		try_format("timer", "hrtimer_cancel",
			"\tfield:void * hrtimer;\toffset:70000;\tsize:8;\tsigned:0;\n", &err),
		VMRT_EUNSUPPORTED);
	/* The same event of another system is another event. */
	assert_int_equal(try_format("mine", "hrtimer_cancel",
				 "\tfield:void * timer;\toffset:8;\tsize:8;\tsigned:0;\n", &err),
		VMRT_OK);
	assert_int_not_equal(try_format("timer", "hrtimer_cancel", "garbage {[(", &err), VMRT_OK);
}

/* What kind of timer it is whose function has this symbol. */
static enum vmrt_timer_fn kind_by_symbol(const char *symbol)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	struct vmrt_formats *formats;
	struct vmrt_stream *s;
	struct vmrt_event e;
	char kallsyms[128];

	/* at the address that tests_dat_timer_expire() writes for a timerfd */
	snprintf(kallsyms, sizeof(kallsyms),
		"ffffffff81002000 t hrtimer_wakeup\nffffffff81003000 t %s\n", symbol);
	formats = formats_with(d, kallsyms);
	tests_dat_timer_expire(d, 0, S, 0xf1000, VMRT_FN_TIMERFD, S);
	assert_int_equal(vmrt_stream_live(formats, 1, TESTS_PAGE_SIZE, &s, NULL), VMRT_OK);
	push_all(s, d, 1);
	vmrt_stream_limit(s, INT64_MAX);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 1);
	vmrt_stream_free(s);
	vmrt_formats_free(formats);
	tests_dat_free(d);
	return e.timer.fn;
}

static void what_compilers_append_to_a_symbol_does_not_hide_it(void **unused)
{
	static const char *const same[] = {"timerfd_tmrproc", "timerfd_tmrproc.isra.0",
		"timerfd_tmrproc.constprop.0", "timerfd_tmrproc.cfi_jt",
		"timerfd_tmrproc.llvm.1234567890"};
	static const char *const others[] = {"timerfd_tmrproc.cold", "timerfd_tmrproc.part.0",
		"timerfd_tmrprocs", "timerfd_tmr", "a.timerfd_tmrproc"};

	(void)unused;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_int_equal(kind_by_symbol(same[i]), VMRT_FN_TIMERFD);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(kind_by_symbol(others[i]), VMRT_FN_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_of_all_kinds_give_their_times),
		cmocka_unit_test(absolute_time_keeps_the_top_bits_and_carries),
		cmocka_unit_test(lost_events_are_counted_where_the_page_says_how_many),
		cmocka_unit_test(hostile_pages_are_refused),
		cmocka_unit_test(events_come_in_time_order_and_ties_by_cpu),
		cmocka_unit_test(live_stream_stops_at_its_limit_and_goes_on),
		cmocka_unit_test(malformed_cpu_is_reported_once_and_the_others_go_on),
		cmocka_unit_test(loss_before_an_empty_page_comes_with_the_next_event),
		cmocka_unit_test(missing_or_changed_field_is_named),
		cmocka_unit_test(what_compilers_append_to_a_symbol_does_not_hide_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

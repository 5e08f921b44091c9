/* SPDX-License-Identifier: MIT */
/* A second look at a recording that begins in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmrt/recording.h>
#include <vmrt/units.h>

#define MOST 40000

struct seen {
	int64_t host_ns, ts;
	uint32_t machine;
	int type;
	unsigned cpu;
};

static struct seen all[MOST], some[MOST];

static bool next(struct vmrt_recording *rec, struct seen *out)
{
	const struct vmrt_event *event;
	int64_t error_ns;

	if (!vmrt_recording_next(rec, &out->machine, &event, &out->host_ns, &error_ns))
		return false;
	out->ts = event->ts;
	out->type = event->type;
	out->cpu = event->cpu;
	return true;
}

static size_t read_all(struct vmrt_recording *rec, struct seen *to)
{
	size_t n = 0;

	while (n < MOST && next(rec, &to[n]))
		n++;
	assert_true(n < MOST);
	return n;
}

static void assert_same(const struct seen *a, const struct seen *b)
{
	assert_true(a->host_ns == b->host_ns && a->ts == b->ts);
	assert_int_equal(a->machine, b->machine);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->cpu, b->cpu);
}

/* @early_s: at most so long before what is wanted it begins */
static void see_again(const char *run, int64_t early_s)
{
	struct vmrt_recording_options options = {.run = run};
	struct vmrt_recording *rec, *again;
	struct vmrt_error err;
	struct seen here;
	size_t n;

	assert_int_equal(vmrt_recording_open(&options, &rec, &err), VMRT_OK);
	n = read_all(rec, all);
	assert_int_equal(vmrt_recording_rewind(rec, &err), VMRT_OK);
	for (int64_t s = 0; s <= 5; s++) {
		int64_t from = all[0].host_ns + s * VMRT_NS_PER_S;
		size_t m, first = 0, i = 0;

		assert_true(next(rec, &here));
		assert_same(&here, &all[s]);
		assert_int_equal(vmrt_recording_again(rec, from, &again, &err), VMRT_OK);
		m = read_all(again, some);
		vmrt_recording_close(again);
		while (first < n && all[first].host_ns < from)
			first++;
		while (i < m && some[i].host_ns < from)
			i++;
		assert_int_equal(m - i, n - first);
		for (size_t k = 0; i + k < m; k++)
			assert_same(&some[i + k], &all[first + k]);
		if (s >= 3)
			assert_true(m < n && some[0].host_ns > from - early_s * VMRT_NS_PER_S);
	}
	vmrt_recording_close(rec);
}

static void all_from_then_on_are_given_and_few_before(void **state)
{
	(void)state;
	/* one second before is read, and what is on the page where that begins */
	see_again("tests/data/demo-none.vmrt", 2);
}

/* Of version 7, in compressed chunks, which are long: of the guest there is one only. */
static void of_a_compressed_recording_too(void **state)
{
	static const char convert[] =
		"dir=%s && for f in host guest-demo; do trace-cmd convert --file-version 7 "
		"--compression zstd -i tests/data/demo-none.vmrt/$f.dat -o $dir/$f.dat || exit 1; "
		"done >$dir/log 2>&1 && cp tests/data/demo-none.vmrt/*.[ij]* $dir";
	char folder[] = "/tmp/vmrt-again-XXXXXX", command[512];
	int failed;

	(void)state;
	if (system("command -v trace-cmd >/dev/null") != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command), convert, folder);
	failed = system(command);
	if (!failed)
		see_again(folder, 4);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_from_then_on_are_given_and_few_before),
		cmocka_unit_test(of_a_compressed_recording_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a file does not have: another buffer holds it, its pages were never written, nothing relates
 * its clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <vmrt/analyze.h>
#include <vmrt/dat.h>

#include "pages.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS

static char folder[64], host[96], guest[96], db_path[96], ini[96];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/vmrt-complete-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(host, sizeof(host), "%s/host.dat", folder);
	snprintf(guest, sizeof(guest), "%s/guest-vm1.dat", folder);
	snprintf(db_path, sizeof(db_path), "%s/x.db", folder);
	snprintf(ini, sizeof(ini), "%s/e.ini", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static struct tests_dat *three_buffers(void)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);

	for (int i = 0; i < 200; i++)
		tests_dat_mark(d, 0, S + i, "hello");
	tests_dat_instance(d, "net");
	for (int i = 0; i < 500; i++)
		tests_dat_other(d, 0, S + i);
	tests_dat_instance(d, "rt");
	for (int i = 0; i < 10; i++) {
		tests_dat_switch(d, 0, S + 4 * i, "a", 1, 120, 0, "b", 2, 120);
		tests_dat_timer_start(d, 0, S + 4 * i + 1, 7, VMRT_FN_WAKEUP, 2 * S, 2 * S, 0);
		tests_dat_timer_expire(d, 0, S + 4 * i + 2, 7, VMRT_FN_WAKEUP, S + 4 * i);
		tests_dat_switch(d, 0, S + 4 * i + 3, "b", 2, 120, 1, "a", 1, 120);
	}
	return d;
}

static unsigned long long events_of(const char *instance, char *chosen, char *all)
{
	struct vmrt_stream *stream;
	struct vmrt_error err = {0};
	unsigned long long n = 0;
	struct vmrt_event ev;
	struct vmrt_dat *dat;

	if (vmrt_dat_open_instance(host, instance, &dat, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	strcpy(chosen, vmrt_dat_info(dat)->instance);
	strcpy(all, vmrt_dat_info(dat)->buffers);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		n++;
	assert_int_equal(vmrt_stream_count(stream, 0), n);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
	return n;
}

static void the_buffer_with_the_needed_events_is_read(void **state)
{
	struct tests_dat *d = three_buffers();
	char chosen[64], all[256];

	(void)state;
	tests_dat_write(d, host);
	tests_dat_free(d);
	assert_int_equal(events_of(NULL, chosen, all), 40);
	assert_string_equal(chosen, "rt");
	assert_string_equal(all, "\"top\", \"net\", \"rt\"");
	assert_int_equal(events_of("net", chosen, all), 500);
	assert_int_equal(events_of("top", chosen, all), 200);
	assert_string_equal(chosen, "");
	assert_int_equal(events_of("", chosen, all), 200);
}

/* The switches are in the top buffer, the timers in another one: no choice has both. */
static void buffers_that_have_the_needed_events_only_together_are_noticed(void **state)
{
	(void)state;
	for (int both = 0; both < 2; both++) {
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
		struct vmrt_error err = {0};
		struct vmrt_dat *dat;

		for (int i = 0; i < 10; i++) {
			tests_dat_switch(d, 0, S + 4 * i, "a", 1, 120, 0, "b", 2, 120);
			if (both)
				tests_dat_timer_start(
					d, 0, S + 4 * i + 1, 7, VMRT_FN_WAKEUP, 2 * S, 2 * S, 0);
		}
		tests_dat_instance(d, "timers");
		for (int i = 0; i < 10; i++)
			tests_dat_timer_start(d, 0, S + i, 7, VMRT_FN_WAKEUP, 2 * S, 2 * S, 0);
		tests_dat_write(d, host);
		tests_dat_free(d);
		assert_int_equal(vmrt_dat_open(host, &dat, &err), VMRT_OK);
		assert_string_equal(vmrt_dat_info(dat)->instance, "");
		assert_int_equal(vmrt_dat_info(dat)->split, !both);
		vmrt_dat_close(dat);
	}
}

static void a_buffer_that_is_not_there_is_an_error_that_lists_those_that_are(void **state)
{
	struct tests_dat *d = three_buffers();
	struct vmrt_error err = {0};
	struct vmrt_dat *dat;

	(void)state;
	tests_dat_write(d, host);
	tests_dat_free(d);
	assert_int_equal(vmrt_dat_open_instance(host, "rtt", &dat, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "\"rtt\""));
	assert_non_null(strstr(err.text, "\"top\", \"net\", \"rt\""));
}

static bool dated;

/* Four pages of events; page @zeros becomes zeros in the file. */
static void write_pages(int zeros, uint64_t counted)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	static const uint8_t nothing[TESTS_PAGE_SIZE];
	FILE *file;
	long size;

	for (int page = 0; page < 4; page++) {
		for (int i = 0; i < 10; i++)
			tests_dat_other(d, 0, S + page * MS + i);
		tests_dat_end_page(d, 0);
	}
	if (counted)
		tests_dat_counted(d, 0, counted);
	if (dated)
		tests_dat_date(d);
	tests_dat_write(d, host);
	tests_dat_free(d);
	if (zeros < 0)
		return;
	file = fopen(host, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_int_equal(fseek(file, size - (4 - zeros) * TESTS_PAGE_SIZE, SEEK_SET), 0);
	assert_int_equal(fwrite(nothing, sizeof(nothing), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void a_page_of_zeros_is_a_loss_where_it_is(void **state)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	struct vmrt_dat *dat;
	int n = 0, lost = 0;

	(void)state;
	write_pages(1, 0);
	assert_int_equal(vmrt_dat_open(host, &dat, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0) {
		n++;
		if (!ev.lost)
			continue;
		lost++;
		assert_int_equal(n, 11);
		assert_int_equal(ev.ts, S + 2 * MS);
	}
	assert_int_equal(n, 30);
	assert_int_equal(lost, 1);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

/* There is no record behind it that could show it. */
static void a_last_page_of_zeros_ends_its_cpu_early(void **state)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	struct vmrt_dat *dat;
	int n = 0;

	(void)state;
	write_pages(3, 0);
	assert_int_equal(vmrt_dat_open(host, &dat, NULL), VMRT_OK);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		n++;
	assert_int_equal(n, 30);
	assert_int_equal(vmrt_stream_ended(stream), 0);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

static struct vmrt_analyze_result analyze(const char *const *guests, size_t n)
{
	struct vmrt_analyze_options options = {
		.db = db_path,
		.recording = {.host_file = host,
			.guest_files = guests,
			.n_guest_files = n,
			.experiment = n ? ini : NULL},
	};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};

	if (vmrt_analyze(&options, &result, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return result;
}

static long long ask(const char *query)
{
	sqlite3_stmt *stmt;
	long long value;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

static void events_that_the_kernel_counted_and_the_file_lacks_are_lost(void **state)
{
	(void)state;
	write_pages(-1, 40);
	assert_false(analyze(NULL, 0).loss);
	/* what was counted before the last events came is no loss */
	write_pages(-1, 33);
	assert_false(analyze(NULL, 0).loss);
	write_pages(-1, 47);
	assert_true(analyze(NULL, 0).loss);
	assert_int_equal(ask("SELECT events FROM loss"), 7);
	assert_int_equal(ask("SELECT from_ns IS NULL FROM loss"), 1);
	/* the last page: nothing comes behind it that could show it */
	write_pages(3, 40);
	assert_true(analyze(NULL, 0).loss);
	assert_int_equal(ask("SELECT events FROM loss WHERE kind = 'dropped'"), 10);
}

/* trace-cmd record --date: the marker by which it finds the date is counted, and read by itself. */
static void the_marker_of_a_dated_recording_is_no_loss(void **state)
{
	(void)state;
	dated = true;
	write_pages(-1, 41);
	assert_false(analyze(NULL, 0).loss);
	write_pages(-1, 42);
	assert_true(analyze(NULL, 0).loss);
	dated = false;
}

/* A task that sleeps absolutely every 10 ms and works for 2 ms, and nothing on the host. */
static void times_on_an_unrelated_clock_are_null(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	FILE *file = fopen(ini, "w");

	(void)state;
	fputs("[task vm1/ctl]\nperiod = 10ms\nwcet = 3ms\nthread = ctl\n", file);
	assert_int_equal(fclose(file), 0);
	/* twice as long as the guest's recording: whether the guest's clock is slow is not known */
	for (int i = 0; i < 40; i++)
		tests_dat_switch(d, 0, S + i * 10 * MS, i & 1 ? "y" : "x", i & 1 ? 6 : 5, 120, 1,
			i & 1 ? "x" : "y", i & 1 ? 5 : 6, 120);
	tests_dat_write(d, host);
	tests_dat_free(d);
	d = tests_dat_new(1, TESTS_KERNEL_618);
	tests_dat_timer_setup(d, 0, 5000 * S, 7, 1, 0);
	for (int i = 0; i < 20; i++) {
		int64_t t = 5000 * S + (i + 1) * 10 * MS;

		tests_dat_current(d, 0, 100);
		tests_dat_timer_start(d, 0, t - 8 * MS, 7, VMRT_FN_WAKEUP, t, t, 0);
		tests_dat_switch(d, 0, t - 8 * MS + 1000, "ctl", 100, 50, 1, "swapper/0", 0, 120);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 0, t + 2000, 7, VMRT_FN_WAKEUP, t + 1000);
		tests_dat_waking(d, 0, t + 3000, "ctl", 100, 50, 0);
		tests_dat_wakeup(d, 0, t + 4000, "ctl", 100, 50, 0);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, t + 5000, "swapper/0", 0, 120, 0, "ctl", 100, 50);
	}
	tests_dat_write(d, guest);
	tests_dat_free(d);
	analyze((const char *const[]){guest}, 1);
	assert_true(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'") >= 15);
	assert_true(
		ask("SELECT count(*) FROM jobs WHERE response_ns BETWEEN 1900000 AND 2100000") >=
		15);
	assert_int_equal(ask("SELECT count(*) FROM jobs WHERE coalesce(arrival_ns, release_ns, "
			     "start_ns, end_ns, deadline_ns, exec_ns, cause) IS NOT NULL"),
		0);
	assert_true(ask("SELECT count(*) FROM job WHERE arrival_local_ns IS NOT NULL") >= 15);
	assert_int_equal(ask("SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'"), 0);
	assert_int_equal(ask("SELECT count(*) FROM blame"), 0);
	assert_int_equal(ask("SELECT count(*) FROM slice s JOIN thread t ON t.id = s.thread "
			     "WHERE t.machine = 1"),
		0);
	assert_int_equal(ask("SELECT error_ns IS NULL AND source = 'not known' FROM clock"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			buffers_that_have_the_needed_events_only_together_are_noticed, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(
			the_buffer_with_the_needed_events_is_read, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_buffer_that_is_not_there_is_an_error_that_lists_those_that_are,
			make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_page_of_zeros_is_a_loss_where_it_is, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			the_marker_of_a_dated_recording_is_no_loss, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_last_page_of_zeros_ends_its_cpu_early, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			events_that_the_kernel_counted_and_the_file_lacks_are_lost, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(
			times_on_an_unrelated_clock_are_null, make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

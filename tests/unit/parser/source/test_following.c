/* SPDX-License-Identifier: MIT */
/* A run that grows page by page, and somebody who follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/extent.h>
#include <vmrt/recording.h>
#include <vmrt/tool.h>

#include "parser/dat/datfile.h"
#include "parser/dat/datmap.h"
#include "toprun.h"

#define EVENTS_MAX 4096
#define PAGE 4096

static char folder[] = "/tmp/vmrt-following-XXXXXX";
static char whole[64], run[64];

/* One of the two files, as its recorder has it. */
struct growing {
	const char *name;
	char *bytes;
	struct vmrt_datmap *map;
	struct vmrt_trace_meta meta;
	struct vmrt_datfile *file;
	size_t written, pages, at;
};

static struct growing host, guest;

struct seen {
	uint32_t machine;
	int64_t ts;
	enum vmrt_event_type type;
};

static struct seen expected[EVENTS_MAX], seen[EVENTS_MAX];
static size_t n_expected, n_seen;

static void path_of(char *buf, const char *in, const char *name)
{
	assert_int_equal(vmrt_path(buf, 256, in, name), VMRT_OK);
}

static void begin_file(struct growing *g, const char *name)
{
	struct vmrt_dat_content first = {.meta = &g->meta, .trace_id = 7};
	char path[256], stem[64];
	struct vmrt_error err;

	g->name = name;
	path_of(path, whole, name);
	assert_int_equal(vmrt_read_file(path, 16 << 20, &g->bytes, NULL, &err), VMRT_OK);
	assert_int_equal(vmrt_datmap_read(path, &g->map, &err), VMRT_OK);
	assert_int_equal(vmrt_datmap_meta(g->map, &g->meta, &err), VMRT_OK);
	g->at = datmap_find(g->map, "data", "CPU 0")->offset;
	g->pages = datmap_find(g->map, "data", "CPU 0")->size / PAGE;
	g->written = 0;
	snprintf(stem, sizeof(stem), "%.*s", (int)strlen(name) - 4, name);
	assert_int_equal(vmrt_datfile_begin(run, stem, &first, &g->file, &err), VMRT_OK);
}

static void write_page(struct growing *g)
{
	assert_true(g->written < g->pages);
	assert_int_equal(
		vmrt_datfile_write(g->file, 0, g->bytes + g->at + PAGE * g->written, PAGE), 0);
	g->written++;
}

/* By its own clock, all events before this have been written: the next page begins then. */
static int64_t upto(const struct growing *g)
{
	return g->written < g->pages ? vmrt_page_time(g->bytes + g->at + PAGE * g->written) - 1
				     : INT64_C(1) << 60;
}

static void save_extent(enum vmrt_extent_state guest_state)
{
	uint64_t sizes[2] = {vmrt_datfile_size(host.file, 0), vmrt_datfile_size(guest.file, 0)};
	struct vmrt_extent_file files[2] = {
		{"host.dat", VMRT_EXTENT_GOING, upto(&host), &sizes[0], 1},
		{"guest-vm1.dat", guest_state,
			guest_state == VMRT_EXTENT_HELD ? VMRT_UNKNOWN : upto(&guest), &sizes[1],
			1}};
	struct vmrt_extent extent = {files, 2};

	assert_int_equal(vmrt_extent_save(&extent, run, NULL), VMRT_OK);
}

static void end_file(struct growing *g)
{
	struct vmrt_dat_content content = {.meta = &g->meta, .trace_id = 7};
	struct vmrt_error err;

	assert_int_equal(vmrt_datfile_end(g->file, &content, &err), VMRT_OK);
}

static void drop_file(struct growing *g)
{
	vmrt_datfile_close(g->file);
	vmrt_trace_meta_free(&g->meta);
	vmrt_datmap_free(g->map);
	free(g->bytes);
	memset(g, 0, sizeof(*g));
}

static struct vmrt_manifest *begin_manifest(void)
{
	char path[256];
	struct vmrt_manifest *m;

	path_of(path, whole, VMRT_FILE_MANIFEST);
	assert_int_equal(vmrt_manifest_load(path, &m, NULL), VMRT_OK);
	path_of(path, run, "guest-vm1.pings");
	assert_int_equal(vmrt_write_file(path, m->vms[0].pings,
				 m->vms[0].n_pings * sizeof(*m->vms[0].pings), NULL),
		VMRT_OK);
	m->end_ns = 0;
	path_of(path, run, VMRT_FILE_MANIFEST);
	assert_int_equal(vmrt_manifest_save(m, path, NULL), VMRT_OK);
	return m;
}

static int begin_run(void **state)
{
	char path[256], command[160];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", run);
	if (system(command) != 0 || mkdir(run, 0777) != 0)
		return -1;
	path_of(path, run, VMRT_FILE_JOURNAL);
	assert_int_equal(vmrt_write_file(path, "x\n", 2, NULL), VMRT_OK);
	begin_file(&host, "host.dat");
	begin_file(&guest, "guest-vm1.dat");
	vmrt_manifest_free(begin_manifest());
	return 0;
}

static int end_run(void **state)
{
	(void)state;
	drop_file(&host);
	drop_file(&guest);
	return 0;
}

static size_t read_all(struct vmrt_recording *rec, struct seen *into, size_t n)
{
	const struct vmrt_event *event;
	int64_t host_ns, error_ns, before = INT64_MIN;
	uint32_t machine;

	while (vmrt_recording_next(rec, &machine, &event, &host_ns, &error_ns)) {
		assert_true(n < EVENTS_MAX);
		assert_true(host_ns >= before);
		before = host_ns;
		into[n++] = (struct seen){machine, event->ts, event->type};
	}
	return n;
}

static struct vmrt_recording *open_run(bool follow)
{
	struct vmrt_recording_options options = {.run = follow ? run : whole, .follow = follow};
	struct vmrt_recording *rec;
	struct vmrt_error err;

	if (vmrt_recording_open(&options, &rec, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	return rec;
}

/* Of each machine: where its clock is less well known, it may come before or behind another one's.
 */
static void assert_seen_are_the_first(void)
{
	for (uint32_t machine = 0; machine < 2; machine++) {
		size_t at = 0;

		for (size_t i = 0; i < n_seen; i++) {
			if (seen[i].machine != machine)
				continue;
			while (at < n_expected && expected[at].machine != machine)
				at++;
			if (at == n_expected || seen[i].ts != expected[at].ts ||
				seen[i].type != expected[at].type)
				fail_msg("event %zu is not the one of the whole recording", i);
			at++;
		}
	}
}

static void write_on(void)
{
	if (host.written < host.pages)
		write_page(&host);
	if (guest.written < guest.pages && guest.written * host.pages < host.written * guest.pages)
		write_page(&guest);
}

static void follow_to_the_end(void)
{
	struct vmrt_recording *rec = open_run(true);

	n_seen = 0;
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	assert_int_equal(read_all(rec, seen, n_seen), 0);
	while (host.written < host.pages || guest.written < guest.pages) {
		size_t before = n_seen;

		write_on();
		/* what the extent does not name does not count */
		assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
		assert_int_equal(read_all(rec, seen, n_seen), before);
		save_extent(VMRT_EXTENT_GOING);
		assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
		n_seen = read_all(rec, seen, n_seen);
		assert_seen_are_the_first();
	}
	assert_int_equal(n_seen, n_expected);
	vmrt_recording_close(rec);
}

static void each_event_comes_in_its_place_while_the_files_grow(void **state)
{
	(void)state;
	assert_true(host.pages > 2);
	follow_to_the_end();
}

static void pages_in_files_of_their_own_are_followed_too(void **state)
{
	struct rlimit before, limit;
	char path[256];

	(void)state;
	end_run(NULL);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = (struct rlimit){1 << 30, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &limit);
	begin_run(NULL);
	path_of(path, run, "host-cpu0.pages");
	assert_int_equal(access(path, F_OK), 0);
	follow_to_the_end();
	setrlimit(RLIMIT_FSIZE, &before);
}

static void it_can_begin_anew_and_begin_late(void **state)
{
	struct vmrt_recording *rec;
	struct vmrt_error err;

	(void)state;
	write_page(&host);
	write_page(&host);
	write_page(&guest);
	save_extent(VMRT_EXTENT_GOING);
	rec = open_run(true);
	n_seen = read_all(rec, seen, 0);
	assert_true(n_seen > 0);
	assert_seen_are_the_first();
	assert_int_equal(vmrt_recording_rewind(rec, &err), VMRT_OK);
	assert_int_equal(read_all(rec, seen, 0), n_seen);
	assert_seen_are_the_first();
	vmrt_recording_close(rec);
}

static void a_guest_that_holds_its_events_is_not_waited_for(void **state)
{
	struct vmrt_recorded_machine m;
	struct vmrt_recording *rec = open_run(true);

	(void)state;
	write_page(&host);
	write_page(&guest);
	save_extent(VMRT_EXTENT_HELD);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	n_seen = read_all(rec, seen, 0);
	assert_true(n_seen > 0);
	for (size_t i = 0; i < n_seen; i++)
		assert_int_equal(seen[i].machine, 0);
	vmrt_recording_machine(rec, 1, &m);
	assert_non_null(strstr(m.note, "when the recording ends"));
	vmrt_recording_close(rec);
}

static void what_is_read_while_the_files_are_put_together_does_not_count(void **state)
{
	struct vmrt_recording *rec = open_run(true);
	char path[256];

	(void)state;
	write_page(&host);
	write_page(&guest);
	save_extent(VMRT_EXTENT_GOING);
	/* saved, and then the recorder goes on before anything is read */
	vmrt_extent_remove(run);
	end_file(&guest);
	end_file(&host);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	assert_int_equal(read_all(rec, seen, 0), 0);
	path_of(path, run, VMRT_FILE_JOURNAL);
	unlink(path);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_ENDED);
	vmrt_recording_close(rec);
}

static void the_end_and_a_killed_recorder_are_distinguished(void **state)
{
	struct vmrt_recording *rec = open_run(true);
	char path[256];

	(void)state;
	write_page(&host);
	save_extent(VMRT_EXTENT_GOING);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	vmrt_datfile_close(host.file);
	host.file = NULL;
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_BROKEN);
	/* somebody completes it */
	path_of(path, run, VMRT_FILE_JOURNAL);
	unlink(path);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_ENDED);
	vmrt_recording_close(rec);
}

static void the_recorder_knows_whether_it_is_followed(void **state)
{
	struct vmrt_recording *rec;

	(void)state;
	assert_false(vmrt_extent_wanted(run));
	rec = open_run(true);
	assert_true(vmrt_extent_wanted(run));
	vmrt_recording_close(rec);
	assert_false(vmrt_extent_wanted(run));
}

static void another_vm_in_the_manifest_is_noticed(void **state)
{
	struct vmrt_recording *rec = open_run(true);
	struct vmrt_manifest *m;
	char path[256];

	(void)state;
	save_extent(VMRT_EXTENT_GOING);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	path_of(path, run, VMRT_FILE_MANIFEST);
	assert_int_equal(vmrt_manifest_load(path, &m, NULL), VMRT_OK);
	m->note[0] = 'x';
	assert_int_equal(vmrt_manifest_save(m, path, NULL), VMRT_OK);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	m->n_vms = 0;
	assert_int_equal(vmrt_manifest_save(m, path, NULL), VMRT_OK);
	m->n_vms = 1;
	vmrt_manifest_free(m);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_CHANGED);
	vmrt_recording_close(rec);
}

/* A stranger's file of pings can be as long as it likes, without taking room. */
static void pings_without_end_keep_nobody(void **state)
{
	struct vmrt_recording *rec = open_run(true);
	char path[256];

	(void)state;
	path_of(path, run, "guest-vm1.pings");
	assert_int_equal(truncate(path, INT64_C(1) << 43), 0);
	write_page(&host);
	write_page(&guest);
	save_extent(VMRT_EXTENT_GOING);
	alarm(20);
	assert_int_equal(vmrt_recording_collect(rec), VMRT_FOLLOWING_GOING);
	alarm(0);
	assert_true(read_all(rec, seen, 0) > 0);
	vmrt_recording_close(rec);
}

static void what_a_recorder_did_not_write_is_refused(void **state)
{
	static const char *const texts[] = {"", "vmrt progress 2\n", "vmrt progress 1\nhost.dat\n",
		"vmrt progress 1\n../x going 1 2\n", "vmrt progress 1\nhost.dat going x 2\n",
		"vmrt progress 1\nhost.dat going 1 -2\n",
		"vmrt progress 1\nhost.dat going 1 99999999999999999999\n",
		"vmrt progress 1\nhost.dat going 9223372036854775807 1\n",
		"vmrt progress 1\nhost.dat going -9223372036854775807 1\n"};
	struct vmrt_extent extent;
	char path[256];

	(void)state;
	path_of(path, run, VMRT_FILE_PROGRESS);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(vmrt_write_file(path, texts[i], strlen(texts[i]), NULL), VMRT_OK);
		assert_int_equal(vmrt_extent_load(run, &extent, NULL), VMRT_EFORMAT);
	}
	vmrt_extent_remove(run);
	assert_int_equal(vmrt_extent_load(run, &extent, NULL), VMRT_ENOENT);
}

static int make(void **state)
{
	struct vmrt_recording *rec;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(whole, sizeof(whole), "%s/whole.vmrt", folder);
	snprintf(run, sizeof(run), "%s/run.vmrt", folder);
	if (toprun_make(whole) != 0)
		return -1;
	rec = open_run(false);
	n_expected = read_all(rec, expected, 0);
	vmrt_recording_close(rec);
	return n_expected ? 0 : -1;
}

static int drop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_run, end_run)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_event_comes_in_its_place_while_the_files_grow),
		TEST(pages_in_files_of_their_own_are_followed_too),
		TEST(it_can_begin_anew_and_begin_late),
		TEST(a_guest_that_holds_its_events_is_not_waited_for),
		TEST(what_is_read_while_the_files_are_put_together_does_not_count),
		TEST(the_end_and_a_killed_recorder_are_distinguished),
		TEST(the_recorder_knows_whether_it_is_followed),
		TEST(another_vm_in_the_manifest_is_noticed),
		TEST(pings_without_end_keep_nobody),
		TEST(what_a_recorder_did_not_write_is_refused),
	};

	return cmocka_run_group_tests(tests, make, drop);
}

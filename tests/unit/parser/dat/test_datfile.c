/* SPDX-License-Identifier: MIT */
/* A host.dat that is being recorded: put together, and taken up again wherever its recorder died.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "parser/dat/datfile.h"
#include "parser/dat/datmap.h"

#define CPUS 4
#define PAGE 4096

/* Pages of each CPU: one has none, so that its neighbours close up. */
static unsigned pages_of[CPUS] = {3, 0, 40, 17};

static char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
			    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
			    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
static char text[] = "x\n", cmdlines[] = "0 <idle>\n1 init\n", clock_text[] = "local [mono]\n";
static const struct vmrt_trace_meta meta = {.cpus = CPUS,
	.page_size = PAGE,
	.header_page = header_page,
	.header_event = text,
	.kallsyms = text,
	.cmdlines = cmdlines,
	.clock = clock_text,
	.uname = text};
static const struct vmrt_dat_content content = {.meta = &meta, .trace_id = 7};

/* ---- system calls that fail on request ---- */

static int collapses_left = -1, writes_left = -1; /* -1: all succeed */

int fallocate64(int fd, int mode, off64_t offset, off64_t len);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	if (mode == 8 && collapses_left >= 0 && collapses_left-- == 0) {
		collapses_left = 0;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	if (writes_left >= 0 && writes_left-- == 0) {
		writes_left = 0;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

/* ---- */

static char dir[64];

static void make_dir(const char *where)
{
	snprintf(dir, sizeof(dir), "%s/vmrt-test-datfile-XXXXXX", where);
	assert_non_null(mkdtemp(dir));
	collapses_left = writes_left = -1;
}

static void drop_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void fill(uint8_t page[PAGE], unsigned cpu, unsigned number)
{
	memset(page, (int)(cpu * 64 + number + 1), PAGE);
}

static struct vmrt_datfile *begin_and_write(void)
{
	struct vmrt_datfile *file;
	struct vmrt_error err;
	uint8_t page[PAGE];

	assert_int_equal(vmrt_datfile_begin(dir, "host", &content, &file, &err), VMRT_OK);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		for (unsigned i = 0; i < pages_of[cpu]; i++) {
			fill(page, cpu, i);
			assert_int_equal(vmrt_datfile_write(file, cpu, page, PAGE), 0);
		}
		assert_int_equal(vmrt_datfile_size(file, cpu), pages_of[cpu] * PAGE);
	}
	return file;
}

/* As after a recorder that died: whatever there is, is opened again and finished. */
static void finish_again(void)
{
	struct vmrt_datfile *file;
	struct vmrt_datmap *map;
	struct vmrt_error err;
	char path[128];

	collapses_left = writes_left = -1;
	snprintf(path, sizeof(path), "%s/host.dat", dir);
	assert_int_equal(vmrt_datmap_read(path, &map, &err), VMRT_OK);
	assert_int_equal(map->cpus, CPUS);
	assert_int_equal(
		vmrt_datfile_resume(dir, "host", map->table, CPUS, PAGE, &file, &err), VMRT_OK);
	if (vmrt_datfile_whole(file))
		assert_int_equal(vmrt_datfile_reassemble(file, &err), VMRT_OK);
	else
		assert_int_equal(vmrt_datfile_end(file, &content, &err), VMRT_OK);
	vmrt_datfile_close(file);
	vmrt_datmap_free(map);
}

static void is_complete(void)
{
	const struct vmrt_datmap_piece *data;
	uint8_t expected[PAGE], got[PAGE];
	struct vmrt_datmap *map;
	struct vmrt_error err;
	char path[128], name[16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/host.dat", dir);
	assert_int_equal(vmrt_datmap_read(path, &map, &err), VMRT_OK);
	assert_string_equal(map->end, "");
	assert_true(map->file_size < (pages_of[2] * PAGE) + (1 << 20));
	f = fopen(path, "r");
	assert_non_null(f);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		snprintf(name, sizeof(name), "CPU %u", cpu);
		data = datmap_find(map, "data", name);
		assert_non_null(data);
		assert_int_equal(data->size, pages_of[cpu] * PAGE);
		assert_int_equal(data->offset % PAGE, 0);
		assert_true(data->offset + data->size <= map->file_size);
		fseek(f, (long)data->offset, SEEK_SET);
		for (unsigned i = 0; i < pages_of[cpu]; i++) {
			fill(expected, cpu, i);
			assert_int_equal(fread(got, 1, PAGE, f), PAGE);
			assert_memory_equal(got, expected, PAGE);
		}
	}
	fclose(f);
	vmrt_datmap_free(map);
	/* nothing else is left in the folder */
	snprintf(path, sizeof(path), "test \"$(ls %s)\" = host.dat", dir);
	assert_int_equal(system(path), 0);
}

static const char *const places[] = {"/tmp", "/dev/shm"};

static void a_file_is_put_together_on_any_file_system(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vmrt_datfile *file;
		struct vmrt_error err;

		make_dir(places[i]);
		file = begin_and_write();
		assert_int_equal(vmrt_datfile_end(file, &content, &err), VMRT_OK);
		vmrt_datfile_close(file);
		is_complete();
		drop_dir();
	}
}

static void a_recorder_that_died_while_recording_loses_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_dir(places[i]);
		vmrt_datfile_close(begin_and_write());
		finish_again();
		is_complete();
		drop_dir();
	}
}

static void a_recorder_that_died_between_any_two_steps_of_putting_together_loses_nothing(
	void **state)
{
	(void)state;
	for (int step = 0; step <= CPUS; step++) {
		struct vmrt_datfile *file;
		struct vmrt_error err;

		make_dir("/tmp");
		file = begin_and_write();
		collapses_left = step;
		vmrt_datfile_end(file, &content, &err);
		vmrt_datfile_close(file);
		finish_again();
		is_complete();
		/* and once more, which changes nothing */
		finish_again();
		is_complete();
		drop_dir();
	}
}

static void a_recorder_that_died_before_any_write_of_putting_together_loses_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int step = 0; step < 3; step++) {
			struct vmrt_datfile *file;
			struct vmrt_error err;

			make_dir(places[i]);
			file = begin_and_write();
			writes_left = step;
			vmrt_datfile_end(file, &content, &err);
			vmrt_datfile_close(file);
			finish_again();
			is_complete();
			drop_dir();
		}
	}
}

static void a_map_of_a_damaged_file_shows_where_it_ends(void **state)
{
	struct vmrt_datfile *file;
	struct vmrt_datmap *map;
	struct vmrt_error err;
	char path[128];
	struct stat st;

	(void)state;
	make_dir("/tmp");
	file = begin_and_write();
	assert_int_equal(vmrt_datfile_end(file, &content, &err), VMRT_OK);
	vmrt_datfile_close(file);
	snprintf(path, sizeof(path), "%s/host.dat", dir);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = 700; size > 0; size -= 7) {
		assert_int_equal(truncate(path, size), 0);
		if (vmrt_datmap_read(path, &map, &err) != VMRT_OK)
			continue;
		assert_true(map->end[0] || map->n_pieces > 10);
		vmrt_datmap_free(map);
	}
	drop_dir();
}

static int asked, patient_until;

static int out_of_time(void)
{
	return ++asked > patient_until;
}

/* 1,300 pages of a CPU are five pieces of a megabyte and a bit, between which it can be stopped. */
static void what_is_stopped_while_it_is_put_together_loses_nothing(void **state)
{
	(void)state;
	pages_of[2] = 1300;
	for (patient_until = 0; patient_until < 6; patient_until++) {
		struct vmrt_datfile *file;
		struct vmrt_error err;
		enum vmrt_status status;

		asked = 0;
		make_dir("/dev/shm");
		file = begin_and_write();
		vmrt_datfile_stop(file, out_of_time);
		status = vmrt_datfile_end(file, &content, &err);
		assert_int_equal(status, patient_until < 5 ? VMRT_EINTR : VMRT_OK);
		assert_int_equal(asked, patient_until < 5 ? patient_until + 1 : 5);
		if (status != VMRT_OK)
			assert_non_null(strstr(err.text, "reset` goes on"));
		vmrt_datfile_close(file);
		if (status != VMRT_OK)
			finish_again();
		is_complete();
		drop_dir();
	}
	pages_of[2] = 40;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_put_together_on_any_file_system),
		cmocka_unit_test(a_recorder_that_died_while_recording_loses_nothing),
		cmocka_unit_test(
			a_recorder_that_died_between_any_two_steps_of_putting_together_loses_nothing),
		cmocka_unit_test(
			a_recorder_that_died_before_any_write_of_putting_together_loses_nothing),
		cmocka_unit_test(what_is_stopped_while_it_is_put_together_loses_nothing),
		cmocka_unit_test(a_map_of_a_damaged_file_shows_where_it_ends),
	};

	return cmocka_run_group_tests_name("a file that is being recorded", tests, NULL, NULL);
}

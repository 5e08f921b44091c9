/* SPDX-License-Identifier: MIT */
/* Lists of threads and their processes: from a stranger's text, and in the file of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/files.h>
#include <vmrt/processes.h>

static char folder[] = "/tmp/vmrt-processes-XXXXXX";

static void path_of(const char *name, char path[256])
{
	assert_int_equal(vmrt_path(path, 256, folder, name), VMRT_OK);
}

/* The list as "TID PID NAME;..." */
static const char *words(const struct vmrt_processes *p)
{
	static char buf[1024];
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < p->n; i++)
		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%d %d %s;",
			p->list[i].tid, p->list[i].pid, p->list[i].comm);
	return buf;
}

static void holds(const char *text, const char *expected)
{
	struct vmrt_processes p;

	assert_int_equal(vmrt_processes_parse(text, &p), VMRT_OK);
	assert_string_equal(words(&p), expected);
	vmrt_processes_free(&p);
}

static void lines_become_a_list_by_thread(void **state)
{
	struct vmrt_processes p;

	(void)state;
	holds("12 10 main\n10 10 main\n11 10 main", "10 10 main;11 10 main;12 10 main;");
	holds("", "");
	assert_int_equal(vmrt_processes_parse("12 10 a b\n", &p), VMRT_OK);
	assert_string_equal(vmrt_processes_find(&p, 12)->comm, "a b");
	assert_null(vmrt_processes_find(&p, 10));
	vmrt_processes_free(&p);
}

static void what_is_malformed_is_left_out(void **state)
{
	(void)state;
	holds("x 1 a\n1 x a\n-1 1 a\n0 1 a\n1 0 a\n1 1\n1 1 \n\n 1 1 a\n99999999999 1 a\n"
	      "1 99999999999999999999 a\n7 5 good\n1",
		"7 5 good;");
	/* names are cut as the kernel cuts them, and nothing in them moves a terminal's cursor */
	holds("7 5 a\033[2Jb\n8 5 0123456789abcdefgh\n", "7 5 a?[2Jb;8 5 0123456789abcde;");
}

static void a_thread_that_is_said_to_be_in_two_processes_is_not_known(void **state)
{
	(void)state;
	holds("7 5 a\n8 5 a\n7 6 b\n", "8 5 a;");
	holds("7 5 a\n7 5 a\n7 5 a\n", "7 5 a;");
	holds("7 5 a\n7 5 b\n7 5 a\n", "");
	/* in any order, and up to the last number */
	holds("2147483647 1 z\n9 5 a\n7 5 a\n9 5 a\n8 5 b\n8 6 b\n2 2 c\n",
		"2 2 c;7 5 a;9 5 a;2147483647 1 z;");
}

static void both_lists_come_back_out_of_the_file(void **state)
{
	static const char *const texts[] = {"7 5 a\n", "7 5 b\n8 8 c\n"};
	struct vmrt_processes p[VMRT_PROCESSES_TIMES];
	struct vmrt_error err = {0};
	char dat[256];

	(void)state;
	path_of("guest-x.dat", dat);
	assert_int_equal(vmrt_processes_save(dat, texts, &err), VMRT_OK);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_OK);
	assert_string_equal(words(&p[VMRT_PROCESSES_BEGIN]), "7 5 a;");
	assert_string_equal(words(&p[VMRT_PROCESSES_END]), "7 5 b;8 8 c;");
	vmrt_processes_free(&p[0]);
	vmrt_processes_free(&p[1]);
	/* nothing new is no reason to forget what was written at the beginning */
	assert_int_equal(
		vmrt_processes_save(dat, (const char *const[VMRT_PROCESSES_TIMES]){NULL}, &err),
		VMRT_OK);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_OK);
	assert_int_equal(p[VMRT_PROCESSES_END].n, 2);
	vmrt_processes_free(&p[0]);
	vmrt_processes_free(&p[1]);
	vmrt_processes_remove(dat);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_OK);
	assert_int_equal(p[0].n + p[1].n, 0);
}

static void other_files_and_links_are_refused(void **state)
{
	struct vmrt_processes p[VMRT_PROCESSES_TIMES];
	struct vmrt_error err = {0};
	char dat[256], path[256], other[256];

	(void)state;
	path_of("guest-y.dat", dat);
	path_of("guest-y.processes", path);
	path_of("other", other);
	assert_int_equal(vmrt_write_file(path, "7 5 a\n", 6, &err), VMRT_OK);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "vmrt processes 1"));
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "symbolic link"));
	unlink(path);
	unlink(other);
}

static void a_file_without_lists_has_none(void **state)
{
	static const char text[] = "vmrt processes 1\n\n@$"; /* the last line has no end */
	struct vmrt_processes p[VMRT_PROCESSES_TIMES];
	struct vmrt_error err = {0};
	char dat[256], path[256];

	(void)state;
	path_of("guest-z.dat", dat);
	path_of("guest-z.processes", path);
	assert_int_equal(vmrt_write_file(path, text, strlen(text), &err), VMRT_OK);
	assert_int_equal(vmrt_processes_load(dat, p, &err), VMRT_OK);
	assert_int_equal(p[VMRT_PROCESSES_BEGIN].n + p[VMRT_PROCESSES_END].n, 0);
	unlink(path);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_a_list_by_thread),
		cmocka_unit_test(what_is_malformed_is_left_out),
		cmocka_unit_test(a_thread_that_is_said_to_be_in_two_processes_is_not_known),
		cmocka_unit_test(both_lists_come_back_out_of_the_file),
		cmocka_unit_test(other_files_and_links_are_refused),
		cmocka_unit_test(a_file_without_lists_has_none),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

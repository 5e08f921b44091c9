/* SPDX-License-Identifier: MIT */
/* The file of a guest: what is written of it, whatever ends its recorder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/processes.h>

#include "collector/session/guest-file.h"

#define PAGE 4096

static char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
			    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
			    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
static char text[] = "x\n", cmdlines[] = "0 <idle>\n1 init\n", mono[] = "local [mono]\n";
static char before[] = "1 1 init\n", after[] = "1 1 init\n7 7 late\n8 7 late\n";

static int asked;

/* A second ^C that comes as soon as anything takes its time. */
static int at_once(void)
{
	asked++;
	return 1;
}

static void processes_of_the_end_are_kept_though_the_copying_is_ended(void **state)
{
	struct vmrt_trace_meta meta = {.cpus = 1,
		.page_size = PAGE,
		.header_page = header_page,
		.header_event = text,
		.kallsyms = text,
		.cmdlines = cmdlines,
		.clock = mono,
		.uname = text,
		.processes = {[VMRT_PROCESSES_BEGIN] = before}};
	static const uint8_t page[PAGE];
	struct vmrt_processes got[VMRT_PROCESSES_TIMES];
	char folder[] = "/tmp/vmrt-guest-file-XXXXXX", path[64], command[64];
	struct vmrt_guest_file file;
	struct vmrt_error err;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/guest-g.dat", folder);
	vmrt_guest_file_init(&file, folder, "guest-g.dat", 1);
	file.stop = at_once;
	file.all_names = true;
	assert_true(vmrt_guest_file_ready(&file, &meta, &err));
	assert_true(vmrt_guest_file_pages(&file, 0, page, PAGE, &err));
	meta.processes[VMRT_PROCESSES_END] = after;
	assert_int_equal(vmrt_guest_file_end(&file, &meta, NULL, NULL, 0, &err), VMRT_EINTR);
	assert_true(asked > 0);
	vmrt_guest_file_close(&file);

	assert_int_equal(vmrt_processes_load(path, got, &err), VMRT_OK);
	assert_int_equal(got[VMRT_PROCESSES_BEGIN].n, 1);
	assert_int_equal(got[VMRT_PROCESSES_END].n, 3);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES; i++)
		vmrt_processes_free(&got[i]);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_of_the_end_are_kept_though_the_copying_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

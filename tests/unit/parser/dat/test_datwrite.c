/* SPDX-License-Identifier: MIT */
/* The trace.dat writer: what it writes is read by vmrt and, where there is one, by trace-cmd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "common/buf.h"
#include "parser/dat/datfile.h"

#define CPUS 3
#define PAGE 4096
#define EVENTS 40 /* on each page */
#define PAGES 3	  /* of CPU 0 and CPU 2; CPU 1 has none */

static char header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
			    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
			    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
			    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

static char header_event[] = "# compressed entry header\n\ttype_len    :    5 bits\n"
			     "\ttime_delta  :   27 bits\n\tarray       :   32 bits\n";

#define COMMON                                                                                     \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static char waking[] =
	"name: sched_waking\nID: 300\nformat:\n" COMMON
	"\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:int target_cpu;\toffset:32;\tsize:4;\tsigned:1;\n\n"
	"print fmt: \"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, "
	"REC->prio, REC->target_cpu\n";

static char print[] = "name: print\nID: 5\nformat:\n" COMMON
		      "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
		      "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\n"
		      "print fmt: \"%ps: %s\", (void *)REC->ip, REC->buf\n";

static struct vmrt_trace_format formats[] = {{"ftrace", print}, {"sched", waking}};
static char kallsyms[] = "ffffffff81000000 t hrtimer_wakeup\n";
static char cmdlines[] = "0 <idle>\n77 worker\n";
static char clock_text[] = "local global [mono]\n";
static char uname_text[] = "Linux test 6.1 x86_64";

static const struct vmrt_trace_meta meta = {.cpus = CPUS,
	.page_size = PAGE,
	.header_page = header_page,
	.header_event = header_event,
	.formats = formats,
	.n_formats = 2,
	.kallsyms = kallsyms,
	.cmdlines = cmdlines,
	.clock = clock_text,
	.uname = uname_text};

static char dir[64], host_path[96], guest_path[96];

static int make_folder(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vmrt-test-datwrite-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(host_path, sizeof(host_path), "%s/host.dat", dir);
	snprintf(guest_path, sizeof(guest_path), "%s/guest.dat", dir);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(host_path);
	unlink(guest_path);
	return rmdir(dir);
}

/* A page of sched_waking records, 1000 ns apart. */
static void put_page(struct vmrt_buf *b, uint64_t start)
{
	size_t from = b->used;

	vmrt_buf_put_u64(b, start);
	vmrt_buf_put_u64(b, EVENTS * 40);
	for (int i = 0; i < EVENTS; i++) {
		static const char comm[16] = "sleeper";

		vmrt_buf_put_u32(b, 9 | (i ? 1000u : 0) << 5); /* 36 bytes follow */
		vmrt_buf_put_u16(b, 300);
		vmrt_buf_put_u16(b, 0);
		vmrt_buf_put_u32(b, 77);
		vmrt_buf_put(b, comm, sizeof(comm));
		vmrt_buf_put_u32(b, 78);
		vmrt_buf_put_u32(b, 120);
		vmrt_buf_put_u32(b, 1);
	}
	while (b->used < from + PAGE)
		vmrt_buf_put_u8(b, 0);
}

static void put_pages(struct vmrt_datfile *file, unsigned cpu, uint64_t start)
{
	struct vmrt_buf b = {0};

	for (int i = 0; i < PAGES; i++)
		put_page(&b, start + (uint64_t)i * 1000000);
	assert_int_equal(b.used, PAGES * PAGE);
	assert_int_equal(vmrt_datfile_write(file, cpu, b.data, b.used), 0);
	vmrt_buf_free(&b);
}

static void write_file(const char *name, const struct vmrt_dat_content *more)
{
	struct vmrt_cpu_stats stats[CPUS] = {{.overrun = 3, .dropped = 4, .commit_overrun = 5}};
	struct vmrt_dat_content content = *more;
	struct vmrt_datfile *file;
	struct vmrt_error err;

	content.meta = &meta;
	assert_int_equal(vmrt_datfile_begin(dir, name, &content, &file, &err), VMRT_OK);
	put_pages(file, 0, 1000000000);
	put_pages(file, 2, 1000000500);
	content.stats = stats;
	assert_int_equal(vmrt_datfile_end(file, &content, &err), VMRT_OK);
	vmrt_datfile_close(file);
}

static void write_pair(void)
{
	static const int32_t tids[] = {501, 502, -1};
	const struct vmrt_dat_guest guest = {
		.name = "vm one", .trace_id = 22, .vcpu_tids = tids, .n_vcpus = 3};
	const struct vmrt_dat_shift shifts[] = {{1000000000, 5000000000}, {1001000000, 5000000000}};
	const struct vmrt_dat_content host = {.trace_id = 11, .guests = &guest, .n_guests = 1};
	const struct vmrt_dat_content in_guest = {
		.trace_id = 22, .peer = 11, .shifts = shifts, .n_shifts = 2};

	write_file("host", &host);
	write_file("guest", &in_guest);
}

static void our_own_reader_reads_it_all(void **state)
{
	const struct vmrt_dat_guest *guests;
	const struct vmrt_dat_shift *shifts;
	struct vmrt_stream *stream;
	struct vmrt_event event;
	struct vmrt_error err;
	struct vmrt_dat *dat;
	uint64_t peer;
	size_t n;
	int events = 0;

	(void)state;
	write_pair();
	assert_int_equal(vmrt_dat_open(host_path, &dat, &err), VMRT_OK);
	assert_int_equal(vmrt_dat_info(dat)->version, 6);
	assert_int_equal(vmrt_dat_info(dat)->cpus, CPUS);
	assert_string_equal(vmrt_dat_info(dat)->clock, "mono");
	assert_true(vmrt_dat_info(dat)->trace_id == 11);
	assert_true(vmrt_dat_missing(dat) == 0);
	assert_string_equal(vmrt_dat_comm(dat, 77), "worker");
	assert_int_equal(vmrt_dat_cpustat(dat, 0).overrun, 3);
	assert_int_equal(vmrt_dat_cpustat(dat, 0).dropped, 4);
	assert_int_equal(vmrt_dat_cpustat(dat, 0).commit_overrun, 5);
	guests = vmrt_dat_guests(dat, &n);
	assert_int_equal(n, 1);
	assert_string_equal(guests[0].name, "vm one");
	assert_int_equal(guests[0].n_vcpus, 3);
	assert_int_equal(guests[0].vcpu_tids[1], 502);
	assert_int_equal(vmrt_stream_open(dat, &stream, &err), VMRT_OK);
	while (vmrt_stream_next(stream, &event, &err) > 0)
		events++;
	assert_int_equal(events, 2 * PAGES * EVENTS);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
	assert_int_equal(vmrt_dat_open(guest_path, &dat, &err), VMRT_OK);
	shifts = vmrt_dat_shifts(dat, &n, &peer);
	assert_int_equal(n, 2);
	assert_true(peer == 11);
	assert_true(shifts[1].local_ns == 1001000000 && shifts[1].offset_ns == 5000000000);
	vmrt_dat_close(dat);
}

/* Lines of `trace-cmd report` with @word in them, and the last such line. */
static int report(const char *arguments, const char *word, char *last, size_t room)
{
	char command[512], line[1024];
	int n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "cd %s && trace-cmd report %s 2>&1", dir, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	last[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, word))
			continue;
		n++;
		snprintf(last, room, "%s", line);
	}
	pclose(f);
	return n;
}

static void trace_cmd_counts_the_same_and_shifts_the_guest(void **state)
{
	char line[1024];

	(void)state;
	if (system("trace-cmd --version >/dev/null 2>&1; [ $? -ne 127 ]") != 0)
		skip();
	write_pair();
	assert_int_equal(
		report("-i host.dat", "sched_waking", line, sizeof(line)), 2 * PAGES * EVENTS);
	assert_non_null(strstr(line, "worker-77"));
	assert_non_null(strstr(line, " 1.002"));
	assert_non_null(strstr(line, "comm=sleeper pid=78 prio=120 target_cpu=001"));
	assert_int_equal(report("-i host.dat -i guest.dat", "sched_waking", line, sizeof(line)),
		4 * PAGES * EVENTS);
	assert_non_null(strstr(line, "guest.dat:"));
	assert_non_null(strstr(line, " 6.002"));
}

static void a_folder_that_is_not_there_is_reported(void **state)
{
	const struct vmrt_dat_content content = {.meta = &meta, .trace_id = 1};
	struct vmrt_datfile *file;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(
		vmrt_datfile_begin("/nonexistent", "x", &content, &file, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x.dat"));
}

static void trace_ids_differ(void **state)
{
	(void)state;
	assert_true(vmrt_dat_new_id() != vmrt_dat_new_id());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			our_own_reader_reads_it_all, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			trace_cmd_counts_the_same_and_shifts_the_guest, make_folder, remove_folder),
		cmocka_unit_test(a_folder_that_is_not_there_is_reported),
		cmocka_unit_test(trace_ids_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Files of trace.dat that are cut off or damaged: what is there is read, or the file is refused. */
#include <fcntl.h>

#include <vmrt/files.h>

#include "datfix.h"

/* Writes @d; the bytes of the file, @n of them, to be freed, and in them the table that says where
 * the data of each CPU are: an offset and a size of 8 bytes each. */
static char *written(struct tests_dat *d, size_t *n, char **table)
{
	char *bytes, *at;

	tests_dat_write(d, path);
	tests_dat_free(d);
	assert_int_equal(vmrt_read_file(path, 1 << 24, &bytes, n, NULL), VMRT_OK);
	at = memmem(bytes, *n, "flyrecord", 10);
	assert_non_null(at);
	*table = at + 10;
	return bytes;
}

/* Behind a hole in the file, and more of it promised than there is. */
static void data_beyond_four_gibibytes_are_read_and_as_much_missing_is_reported(void **unused)
{
	const uint64_t hole = UINT64_C(5) << 30, promised = UINT64_C(6) << 30;
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	uint64_t offset;
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;
	char *bytes, *table;
	size_t n;
	int fd;

	(void)unused;
	tests_dat_other(d, 0, S);
	tests_dat_end_page(d, 0);
	tests_dat_other(d, 0, 2 * S);
	bytes = written(d, &n, &table);
	memcpy(&offset, table, 8);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes + offset, 8192, (off_t)(offset + hole)), 8192);
	offset += hole;
	assert_int_equal(pwrite(fd, &offset, 8, table - bytes), 8);
	assert_int_equal(pwrite(fd, &promised, 8, table + 8 - bytes), 8);
	close(fd);
	free(bytes);
	assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
	assert_true(vmrt_dat_missing(dat) == promised - 8192);
	s = stream_of(dat);
	next(s, &e, VMRT_EV_OTHER, S);
	next(s, &e, VMRT_EV_OTHER, 2 * S);
	assert_int_equal(vmrt_stream_next(s, &e, NULL), 0);
	assert_int_equal(vmrt_stream_ended(s), 0);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
	assert_int_equal(truncate(path, 0), 0);
}

static void truncated_file_gives_what_is_there(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;
	struct vmrt_error err;
	char *bytes;
	size_t size;
	unsigned n = 0;
	int more;

	(void)unused;
	for (int i = 0; i < 1000; i++)
		tests_dat_other(d, 0, S + i);
	tests_dat_write(d, path);
	tests_dat_free(d);
	assert_int_equal(vmrt_read_file(path, 1 << 24, &bytes, &size, NULL), VMRT_OK);
	assert_int_equal(truncate(path, (off_t)size - 4096 - 1000), 0);
	assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
	assert_int_equal(vmrt_dat_missing(dat), 4096 + 1000);
	s = stream_of(dat);
	while ((more = vmrt_stream_next(s, &e, &err)) == 1)
		n++;
	assert_int_equal(more, 0);
	/* 84 records of 48 bytes and a page header are a page; of the last one 3/4 are there. */
	assert_true(n > 700 && n < 990);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);

	/* Wherever it ends: an error that names the file, or what is there. */
	for (size_t at = 0; at < size; at += at < 16000 ? 1 : 777) {
		assert_int_equal(vmrt_write_file(path, bytes, at, NULL), VMRT_OK);
		if (vmrt_dat_open(path, &dat, &err) != VMRT_OK) {
			assert_non_null(strstr(err.text, path));
			continue;
		}
		s = stream_of(dat);
		while ((more = vmrt_stream_next(s, &e, &err)) == 1)
			;
		assert_int_equal(more, 0);
		vmrt_stream_free(s);
		vmrt_dat_close(dat);
	}
	free(bytes);
}

/* The file ends within a page that was never written. Nothing behind it is looked at: a sanitizer
 * would say so. */
static void truncated_page_of_zeros_is_a_loss(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct vmrt_stream *s;
	struct vmrt_dat *dat;
	struct vmrt_event e;
	char *bytes;
	size_t size;
	unsigned n = 0;

	(void)unused;
	for (int i = 0; i < 1000; i++)
		tests_dat_other(d, 0, S + i);
	tests_dat_write(d, path);
	tests_dat_free(d);
	assert_int_equal(vmrt_read_file(path, 1 << 24, &bytes, &size, NULL), VMRT_OK);
	memset(bytes + size - TESTS_PAGE_SIZE, 0, TESTS_PAGE_SIZE);
	assert_int_equal(
		vmrt_write_file(path, bytes, size - TESTS_PAGE_SIZE + 1000, NULL), VMRT_OK);
	free(bytes);
	assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
	s = stream_of(dat);
	while (vmrt_stream_next(s, &e, NULL) == 1)
		n++;
	/* 92 records of 44 bytes are a page, and the last page had 80 of the 1000 */
	assert_int_equal(n, 10 * 92);
	assert_int_equal(vmrt_stream_ended(s), 0);
	vmrt_stream_free(s);
	vmrt_dat_close(dat);
}

static void refused(const char *bytes, size_t size, enum vmrt_status with)
{
	struct vmrt_dat *dat;
	struct vmrt_error err;

	assert_int_equal(vmrt_write_file(path, bytes, size, NULL), VMRT_OK);
	assert_int_equal(vmrt_dat_open(path, &dat, &err), with);
	assert_non_null(strstr(err.text, path));
}

/* Three CPUs whose data are the same bytes, nearly all that the file has. */
static void data_that_several_cpus_claim_are_refused(void **unused)
{
	struct tests_dat *d = tests_dat_new(3, TESTS_KERNEL_618);
	char *bytes, *table;
	uint64_t offset, size;
	size_t n;

	(void)unused;
	for (int i = 0; i < 300; i++) {
		tests_dat_other(d, 0, S + i);
		tests_dat_end_page(d, 0);
	}
	bytes = written(d, &n, &table);
	memcpy(&offset, table, 8);
	memcpy(&size, table + 8, 8);
	assert_true(size > n / 2);
	for (int cpu = 1; cpu < 3; cpu++) {
		memcpy(table + 16 * cpu, &offset, 8);
		memcpy(table + 8 + 16 * cpu, &size, 8);
	}
	refused(bytes, n, VMRT_EFORMAT);
	free(bytes);
}

static void what_is_no_recording_is_refused(void **unused)
{
	static const char begin[] = "\x17\x08\x44tracing";
	struct vmrt_dat *dat;
	char bytes[64];

	(void)unused;
	refused("", 0, VMRT_EFORMAT);
	refused("garbage, of some length at least", 32, VMRT_EFORMAT);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, begin, 10);
	bytes[10] = '5';
	refused(bytes, sizeof(bytes), VMRT_EUNSUPPORTED);
	bytes[10] = '6';
	bytes[12] = 1; /* big-endian */
	refused(bytes, sizeof(bytes), VMRT_EUNSUPPORTED);
	bytes[12] = 0;
	refused(bytes, sizeof(bytes), VMRT_EFORMAT);
	refused(bytes, 20, VMRT_ETRUNCATED);
	assert_int_equal(vmrt_dat_open("/nonexistent/x.dat", &dat, NULL), VMRT_ENOENT);
	assert_int_equal(vmrt_dat_open("/tmp", &dat, NULL), VMRT_EINVAL);
}

/* Version 7: a list of options that names itself as the next one, with a buffer of many CPUs. */
static void a_list_of_options_that_leads_back_to_itself_is_refused(void **unused)
{
	static const uint8_t head[] = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g', '7', 0,
		0, 8, 0, 0x10, 0, 0, 'n', 'o', 'n', 'e', 0, 0};
	const uint64_t list = sizeof(head) + 8;
	const uint16_t options = 0, buffer = 3, done = 0;
	const uint32_t string = UINT32_MAX, one = 1, last_cpu = 4000, page = 4096;
	const uint32_t buffer_size = 8 + 1 + 1 + 4 + 4 + 20, done_size = 8;
	const uint64_t size = 6 + buffer_size + 6 + done_size, nowhere[2] = {0};
	struct vmrt_error err;
	struct vmrt_dat *dat;
	char file[] = "/tmp/vmrt-loop-XXXXXX";
	FILE *out = fdopen(mkstemp(file), "w");

	(void)unused;
	assert_non_null(out);
#define PUT(value) fwrite(&(value), sizeof(value), 1, out)
	PUT(head);
	PUT(list);
	PUT(options);
	PUT(options);
	PUT(string);
	PUT(size);
	PUT(buffer);
	PUT(buffer_size);
	fwrite(nowhere, 10, 1, out);
	PUT(page);
	PUT(one);
	PUT(last_cpu);
	PUT(nowhere);
	PUT(done);
	PUT(done_size);
	PUT(list);
#undef PUT
	assert_int_equal(fclose(out), 0);
	assert_int_equal(vmrt_dat_open(file, &dat, &err), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "leads back to itself"));
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			data_beyond_four_gibibytes_are_read_and_as_much_missing_is_reported),
		cmocka_unit_test(truncated_file_gives_what_is_there),
		cmocka_unit_test(truncated_page_of_zeros_is_a_loss),
		cmocka_unit_test(data_that_several_cpus_claim_are_refused),
		cmocka_unit_test(what_is_no_recording_is_refused),
		cmocka_unit_test(a_list_of_options_that_leads_back_to_itself_is_refused),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

/* SPDX-License-Identifier: MIT */
/* Programs that are asked to stop while strangers' numbers keep them busy. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/tool.h>

static char folder[] = "/tmp/vmrt-signals-XXXXXX";

static void make(const char *name, char path[64])
{
	FILE *f;

	snprintf(path, 64, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

static int64_t used_ms(const struct timeval *t)
{
	return t->tv_sec * 1000 + t->tv_usec / 1000;
}

/* Never looks whether it was asked to stop. */
static void work_for_ever(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

static void a_busy_program_ends_in_200_ms_of_cpu_time_and_removes_what_is_unfinished(void **state)
{
	char first[64], second[64], complete[64];
	struct rusage used;
	int status;
	pid_t pid;

	(void)state;
	make("first", first);
	make("second", second);
	make("complete", complete);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sigaction act = {.sa_handler = vmrt_request_stop};

		sigaction(SIGTERM, &act, NULL);
		vmrt_remove_at_crash(first);
		vmrt_remove_at_crash(complete);
		vmrt_keep_at_crash(complete);
		vmrt_remove_at_crash(second);
		vmrt_end_at_stop();
		raise(SIGTERM);
		work_for_ever();
	}
	assert_int_equal(wait4(pid, &status, 0, &used), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_true(used_ms(&used.ru_utime) + used_ms(&used.ru_stime) < 200);
	assert_int_equal(access(first, F_OK), -1);
	assert_int_equal(access(second, F_OK), -1);
	assert_int_equal(unlink(complete), 0);
}

static void a_program_that_ends_by_itself_keeps_its_status(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		vmrt_end_at_stop();
		vmrt_request_stop(SIGINT);
		_exit(vmrt_stop_requested() == SIGINT ? 7 : 8);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Process @pid was ended by signal @sig, and its unfinished file @path is gone. */
static void assert_ended_by(pid_t pid, int sig, const char *path)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == sig);
	assert_int_equal(access(path, F_OK), -1);
}

static void the_timers_signal_from_elsewhere_ends_it_too(void **state)
{
	char path[64];
	pid_t pid;

	(void)state;
	make("unfinished", path);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		vmrt_remove_at_crash(path);
		vmrt_end_at_stop();
		raise(SIGPROF);
		_exit(0);
	}
	assert_ended_by(pid, SIGPROF, path);
}

static void an_assertion_removes_what_is_unfinished(void **state)
{
	char path[64];
	pid_t pid;

	(void)state;
	make("unfinished", path);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = {0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		vmrt_remove_at_crash(path);
		abort();
	}
	assert_ended_by(pid, SIGABRT, path);
}

static int enter(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_busy_program_ends_in_200_ms_of_cpu_time_and_removes_what_is_unfinished),
		cmocka_unit_test(a_program_that_ends_by_itself_keeps_its_status),
		cmocka_unit_test(the_timers_signal_from_elsewhere_ends_it_too),
		cmocka_unit_test(an_assertion_removes_what_is_unfinished),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}

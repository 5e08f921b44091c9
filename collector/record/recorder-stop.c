/* SPDX-License-Identifier: MIT */
/* Decides how long a recording that ends waits for guests and programs: after a second ^C only a
 * short time is left. */
#include "recorder.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <vmrt/tool.h>

#define CHECK_MS 20 /* between two checks whether ^C was pressed again */

int recorder_stops(void)
{
	int n = 0;

	if (!vmrt_stop_requested())
		return 0;
	/* each signal leaves a byte in the pipe */
	return ioctl(vmrt_stop_fd(), FIONREAD, &n) == 0 && n > 0 ? n : 1;
}

/* The time at which the recorder must have ended after a second ^C; 0: ^C was not pressed twice. */
static int64_t hurry_until(void)
{
	static int64_t until;

	if (!until && recorder_stops() > 1)
		until = vmrt_now_ns() + VMRT_RECORDER_HURRY_MS * VMRT_NS_PER_MS;
	return until;
}

int recorder_out_of_time(void)
{
	int64_t until = hurry_until();

	return until && vmrt_now_ns() >= until;
}

bool recorder_hurries(void)
{
	return hurry_until();
}

int recorder_patience(int64_t until_ns)
{
	int64_t hurry = hurry_until(), left;

	left = (hurry && hurry < until_ns ? hurry : until_ns) - vmrt_now_ns();
	if (left <= 0)
		return 0;
	left = left / VMRT_NS_PER_MS + 1;
	return left < CHECK_MS ? (int)left : CHECK_MS;
}

bool recorder_await(struct child *child, int ms)
{
	int64_t until = vmrt_now_ns() + ms * VMRT_NS_PER_MS;
	int slice;

	while (!child_has_ended(child)) {
		if (!(slice = recorder_patience(until)))
			return false;
		child_wait(child, slice);
	}
	return true;
}

void recorder_end_child(struct child *child, int ms)
{
	child_signal(child, SIGTERM);
	recorder_await(child, ms);
	child_end(child, SIGKILL, 0);
}

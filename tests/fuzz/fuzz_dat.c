/* SPDX-License-Identifier: MIT */

/* Any bytes as a trace.dat file: opened, asked for everything it has, and read to the end. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "parser/dat/dat.h"

static volatile uint64_t seen; /* what was read has to be looked at */

static void use_text(const char *text, size_t most)
{
	if (text)
		seen += strnlen(text, most);
}

static void use_event(const struct vmrt_event *e)
{
	seen += (uint64_t)e->ts + e->cpu + (uint64_t)e->pid;
	switch (e->type) {
	case VMRT_EV_SWITCH:
		use_text(e->sw.prev_comm, 16);
		use_text(e->sw.next_comm, 16);
		break;
	case VMRT_EV_WAKING:
		use_text(e->wake.comm, 16);
		break;
	case VMRT_EV_EXIT:
	case VMRT_EV_FORK:
		use_text(e->process.comm, 16);
		break;
	case VMRT_EV_MARK:
		for (uint32_t i = 0; i < e->mark.len; i++)
			seen += (uint64_t)e->mark.text[i];
		break;
	default:
		break;
	}
}

static void use_file(const struct vmrt_dat *dat)
{
	const struct vmrt_dat_info *info = vmrt_dat_info(dat);
	const struct vmrt_dat_guest *guests;
	size_t n;

	use_text(info->clock, SIZE_MAX);
	use_text(info->uname, SIZE_MAX);
	use_text(vmrt_dat_comm(dat, 1), 16);
	seen += vmrt_dat_missing(dat) + vmrt_dat_cpustat(dat, 0).overrun;
	guests = vmrt_dat_guests(dat, &n);
	for (size_t i = 0; i < n; i++) {
		use_text(guests[i].name, SIZE_MAX);
		for (unsigned cpu = 0; cpu < guests[i].n_vcpus; cpu++)
			seen += (uint64_t)guests[i].vcpu_tids[cpu];
	}
	vmrt_dat_shifts(dat, &n, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz.dat", MFD_CLOEXEC);
	struct vmrt_dat *dat;
	struct vmrt_stream *stream;
	struct vmrt_error err;
	struct vmrt_event event;
	int more;

	if (fd < 0 || vmrt_write_all(fd, data, size) != 0)
		abort();
	if (dat_open_fd(fd, "fuzz.dat", NULL, &dat, &err) != VMRT_OK)
		return 0;
	use_file(dat);
	if (vmrt_stream_open(dat, &stream, &err) == VMRT_OK) {
		while ((more = vmrt_stream_next(stream, &event, &err)) != 0)
			if (more > 0)
				use_event(&event);
		vmrt_stream_free(stream);
	}
	vmrt_dat_close(dat);
	return 0;
}

/* SPDX-License-Identifier: MIT */

/*
 * A recording that is followed while it grows, with damage, beside a recorder that tells nonsense.
 * The input is steps of six bytes: what to do, a place or time (4 bytes), a value. Nothing may
 * crash or go on for ever, and events come in the order of time.
 */

#include <vmrt/extent.h>
#include <vmrt/pump.h>
#include <vmrt/recording.h>

#include "fuzz-run-folder.h"

#define STEP 6
#define STEPS_MAX 64
#define EVENTS_MAX 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GROW = FILES, TELL_TIME, TELL_STATE, READ, REWIND, STOP, KINDS };

static struct vmrt_extent_file extents[2] = {{.name = "host.dat"}, {.name = "guest-vm1.dat"}};
static uint64_t sizes[2];
static struct vmrt_recording *rec;
static struct vmrt_engine *engine;
static int64_t last_ns;

static bool see(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	(void)ctx;
	(void)machine;
	(void)event;
	if (host_ns < last_ns)
		abort();
	last_ns = host_ns;
	return false;
}

/* In place, as a recorder writes. */
static void patch(const struct file *f, uint32_t at, char value)
{
	int fd = open(path_of(f->name), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, &value, 1, (off_t)(at % f->size)) != 1)
		abort();
	close(fd);
}

static void make_engine(void)
{
	static const struct vmrt_sink sink;
	static struct vmrt_engine_config config; /* the engine keeps it by reference */
	struct vmrt_error err;

	vmrt_engine_free(engine);
	engine = NULL;
	last_ns = INT64_MIN;
	vmrt_recording_config(rec, &config);
	if (vmrt_engine_new(&config, &sink, &engine, &err) != VMRT_OK)
		engine = NULL;
}

static void read_on(void)
{
	struct vmrt_extent extent = {extents, 2};
	struct vmrt_error err;
	struct vmrt_pump pump;

	if (vmrt_extent_save(&extent, folder, &err) != VMRT_OK)
		abort();
	vmrt_recording_collect(rec);
	pump = (struct vmrt_pump){.from = vmrt_recording_merge(rec),
		.to = engine,
		.until_ns = INT64_MAX,
		.most = EVENTS_MAX,
		.see = see};
	if (engine && vmrt_pump(&pump) == VMRT_PUMPED_PART)
		abort(); /* there are not so many */
}

static void step(unsigned kind, uint32_t at, char value)
{
	int i = value & 1;

	switch (kind) {
	case GROW:
		sizes[i] = value & 2 ? (uint64_t)at << (value & 31) : at % 16 * 4096;
		break;
	case TELL_TIME:
		extents[i].upto_ns = value & 2	 ? (int64_t)at << (value & 31)
				     : value & 4 ? VMRT_UNKNOWN
						 : (i ? 5 : 1) * S + at % 400 * MS;
		break;
	case TELL_STATE:
		extents[i].state = (enum vmrt_extent_state)(at % 3);
		break;
	case READ:
		read_on();
		break;
	case REWIND:
		if (vmrt_recording_rewind(rec, NULL) == VMRT_OK)
			make_engine();
		break;
	case STOP:
		unlink(path_of(VMRT_FILE_JOURNAL));
		break;
	default:
		patch(&files[kind], at, value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_recording_options options = {.follow = true};
	struct vmrt_error err;
	size_t steps = 0;

	if (!folder[0])
		begin();
	options.run = folder;
	for (int i = 0; i < FILES; i++)
		put(files[i].name, files[i].bytes, files[i].size);
	put(VMRT_FILE_JOURNAL, "vmrt recording in progress\n", 27);
	for (int i = 0; i < 2; i++) {
		sizes[i] = 0;
		extents[i].sizes = &sizes[i];
		extents[i].cpus = 1;
		extents[i].state = VMRT_EXTENT_GOING;
		extents[i].upto_ns = VMRT_UNKNOWN;
	}
	/* damage that is there from the beginning */
	for (; size >= STEP && data[0] < FILES; data += STEP, size -= STEP) {
		uint32_t at;

		memcpy(&at, data + 1, sizeof(at));
		patch(&files[data[0]], at, (char)data[5]);
	}
	if (vmrt_recording_open(&options, &rec, &err) != VMRT_OK)
		return 0;
	make_engine();
	for (; size >= STEP && engine && steps < STEPS_MAX; data += STEP, size -= STEP, steps++) {
		uint32_t at;

		memcpy(&at, data + 1, sizeof(at));
		step(data[0] % KINDS, at, (char)data[5]);
	}
	if (engine)
		read_on();
	vmrt_engine_free(engine);
	engine = NULL;
	vmrt_recording_close(rec);
	return 0;
}

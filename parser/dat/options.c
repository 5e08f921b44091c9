/* SPDX-License-Identifier: MIT */
/* Reads the options of a trace.dat file. */
#include "dat.h"

#include <stdlib.h>

#define MAX_SHIFTS (1u << 20)
#define MAX_GUESTS 4096

static uint64_t stat_value(const char *text, const char *key)
{
	const char *at = text;
	size_t len = strlen(key);

	while (at && *at) {
		if (strncmp(at, key, len) == 0)
			return strtoull(at + len, NULL, 10);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return 0;
}

/* No kernel counts more events than this: such a counter has run below zero. */
#define SANE_COUNT (UINT64_C(1) << 53)

static struct vmrt_dat_cpustat counters(const char *text)
{
	struct vmrt_dat_cpustat s = {
		.overrun = stat_value(text, "overrun:"),
		.commit_overrun = stat_value(text, "commit overrun:"),
		.dropped = stat_value(text, "dropped events:"),
		/* where one of the two ran below zero, their sum is right all the same */
		.events = stat_value(text, "entries:") + stat_value(text, "read events:"),
	};

	if (s.overrun > SANE_COUNT || s.commit_overrun > SANE_COUNT || s.dropped > SANE_COUNT ||
		s.events > SANE_COUNT)
		s = (struct vmrt_dat_cpustat){.nonsense = true};
	return s;
}

static void name_stats(struct vmrt_dat *dat, const char *line)
{
	const char *name = line + strspn(line, " ");

	/* counters of further instances are not used */
	if (dat->n_stat_buffers == DAT_MAX_STAT_BUFFERS)
		return;
	dat->stat_buffers[++dat->n_stat_buffers] = strndup(name, strcspn(name, "\n"));
}

/* All CPUs of a file are asked for, so each one has a list of its own. */
static void add_stat(struct vmrt_dat *dat, unsigned cpu, const char *text)
{
	struct dat_stats_of_cpu *of;
	struct dat_stat *more;

	if (dat->n_stats == 4 * RING_MAX_CPUS)
		return;
	if (!dat->stats_of)
		dat->stats_of = calloc(RING_MAX_CPUS, sizeof(*dat->stats_of));
	more = dat->stats_of ? reallocarray(dat->stats, dat->n_stats + 1u, sizeof(*more)) : NULL;
	if (!more)
		return;
	dat->stats = more;
	more[dat->n_stats++] = (struct dat_stat){dat->n_stat_buffers, 0, counters(text)};
	of = &dat->stats_of[cpu];
	*(of->last ? &more[of->last - 1].next : &of->first) = dat->n_stats;
	of->last = dat->n_stats;
}

/*
 * The text of per_cpu/cpuN/stats behind a line "CPU: N"; some CPUs may not be there. A line
 * "Buffer: NAME" says that the texts behind it are of that instance.
 */
static void take_cpustat(struct vmrt_dat *dat, struct dat_cursor *data)
{
	char *text = dat_cursor_text(data, dat_cursor_left(data));
	const char *line = text ? strstr(text, "CPU:") : NULL;
	const char *name = text && !line ? strstr(text, "Buffer:") : NULL;
	unsigned long cpu = line ? strtoul(line + 4, NULL, 10) : RING_MAX_CPUS;

	if (name)
		name_stats(dat, name + strlen("Buffer:"));
	if (cpu < RING_MAX_CPUS)
		add_stat(dat, (unsigned)cpu, text);
	free(text);
}

static void take_text(char **to, struct dat_cursor *data, char *(*convert)(const char *))
{
	char *text = dat_cursor_text(data, dat_cursor_left(data));

	if (!text || *to) {
		free(text);
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	*to = convert ? convert(text) : text;
	if (convert)
		free(text);
}

static void take_guest(struct vmrt_dat *dat, struct dat_cursor *data)
{
	char name[DAT_MAX_NAME];
	struct vmrt_dat_guest *more;
	int32_t *tids = NULL;
	uint64_t id;
	uint32_t n;

	dat_cursor_word(data, name, sizeof(name));
	id = dat_cursor_u64(data);
	n = dat_cursor_u32(data);
	if (data->status != VMRT_OK || n > RING_MAX_CPUS || n > dat_cursor_left(data) / 8 ||
		dat->n_guests == MAX_GUESTS)
		return;
	tids = malloc((n ? n : 1) * sizeof(*tids));
	more = reallocarray(dat->guests, dat->n_guests + 1, sizeof(*more));
	if (more)
		dat->guests = more;
	if (!tids || !more)
		goto fail;
	for (uint32_t i = 0; i < n; i++)
		tids[i] = -1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cpu = dat_cursor_u32(data);
		int32_t tid = (int32_t)dat_cursor_u32(data);

		if (cpu < n && tid > 0)
			tids[cpu] = tid;
	}
	more[dat->n_guests].name = strdup(name);
	if (!more[dat->n_guests].name)
		goto fail;
	more[dat->n_guests].trace_id = id;
	more[dat->n_guests].vcpu_tids = tids;
	more[dat->n_guests++].n_vcpus = n;
	return;
fail:
	free(tids);
}

/* Of one CPU: all times, all offsets, all scalings. */
static bool take_shifts(struct dat_cursor *data, uint64_t room, struct dat_shifts *s)
{
	uint32_t n = dat_cursor_u32(data);

	if (data->status != VMRT_OK || n > room || n > dat_cursor_left(data) / 16)
		return false;
	s->at = calloc(n + 1, sizeof(*s->at));
	s->scalings = calloc(n + 1, sizeof(*s->scalings));
	if (!s->at || !s->scalings)
		return false;
	for (uint32_t i = 0; i < n; i++)
		s->at[i].local_ns = (int64_t)dat_cursor_u64(data);
	for (uint32_t i = 0; i < n; i++)
		s->at[i].offset_ns = (int64_t)dat_cursor_u64(data);
	for (uint32_t i = 0; i < n; i++)
		s->scalings[i].mult =
			dat_cursor_left(data) >= 8 ? (int64_t)dat_cursor_u64(data) : 1;
	s->n = n;
	return true;
}

/* If a scaling is invalid, times lose their meaning, so the whole shift is not used. */
static bool is_scaled(const struct dat_shifts *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->scalings[i].mult <= 0)
			return false;
	return true;
}

static void drop_invalid_shifts(struct vmrt_dat *dat)
{
	bool good = true;

	for (unsigned cpu = 0; cpu < dat->n_shifts; cpu++)
		good &= is_scaled(&dat->shifts[cpu]);
	if (good)
		return;
	vmrt_warn("%s: its time shift is not used: it scales times by 0 or less", dat->path);
	for (unsigned cpu = 0; cpu < dat->n_shifts; cpu++)
		dat->shifts[cpu].n = 0;
}

/* The CPUs one by one, and then the fractions of all their scalings, if there are any. */
static void take_time_shift(struct vmrt_dat *dat, struct dat_cursor *data)
{
	uint64_t peer = dat_cursor_u64(data), room = MAX_SHIFTS;
	uint32_t flags = dat_cursor_u32(data), cpus = dat_cursor_u32(data);

	if (data->status != VMRT_OK || dat->shifts || !cpus || cpus > RING_MAX_CPUS)
		return;
	dat->shifts = calloc(cpus, sizeof(*dat->shifts));
	if (!dat->shifts)
		return;
	for (dat->n_shifts = 0; dat->n_shifts < cpus; dat->n_shifts++) {
		if (!take_shifts(data, room, &dat->shifts[dat->n_shifts])) {
			free(dat->shifts[dat->n_shifts].at);
			free(dat->shifts[dat->n_shifts].scalings);
			break;
		}
		room -= dat->shifts[dat->n_shifts].n;
	}
	for (unsigned cpu = 0; cpu < dat->n_shifts; cpu++)
		for (size_t i = 0; i < dat->shifts[cpu].n && dat_cursor_left(data) >= 8; i++) {
			uint64_t bits = dat_cursor_u64(data);

			dat->shifts[cpu].scalings[i].bits = bits < 64 ? (unsigned)bits : 0;
		}
	drop_invalid_shifts(dat);
	dat->shift_interpolates = flags & 1;
	dat->shift_peer = peer;
}

void dat_option_common(struct vmrt_dat *dat, unsigned id, struct dat_cursor *data)
{
	switch (id) {
	case DAT_OPTION_DATE:
		dat->info.dated = true;
		break;
	case DAT_OPTION_CPUSTAT:
		take_cpustat(dat, data);
		break;
	case DAT_OPTION_TRACECLOCK:
		take_text(&dat->clock, data, dat_current_clock);
		break;
	case DAT_OPTION_UNAME:
		take_text(&dat->uname, data, NULL);
		break;
	case DAT_OPTION_TRACEID:
		dat->info.trace_id = dat_cursor_u64(data);
		break;
	case DAT_OPTION_TIME_SHIFT:
		take_time_shift(dat, data);
		break;
	case DAT_OPTION_GUEST:
		take_guest(dat, data);
		break;
	case DAT_OPTION_TSC2NSEC: {
		uint32_t mult = dat_cursor_u32(data);
		uint32_t shift = dat_cursor_u32(data);

		if (data->status == VMRT_OK && shift < 64) {
			dat->tsc_mult = mult;
			dat->tsc_shift = shift;
		}
		break;
	}
	default:
		break;
	}
}

/* SPDX-License-Identifier: MIT */
/* Chooses how the record clock of a file becomes CLOCK_MONOTONIC, and sets it for the file's
 * streams. */
#include "record-clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>

#include "parser/dat/dat.h"
#include "record-samples.h"

#define LEAST_EXPIRIES 4    /* of sure timers; fewer, and the likely ones count too */
#define SAME_CLOCK_NS 20000 /* CPUs whose offsets differ by less read the same clock */
#define SEGMENTS_MORE 2	    /* a map of all CPUs may have, than that of one */
#define TICKS_APART 1e-3    /* a clock whose rate differs more from ns does not count ns */
#define BACK_NS 100000	    /* a clock that ran back by more was set: its times are not used */
#define SCALE_BITS 32
#define CPUS_NAMED 8

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

/* Does the clock count nanoseconds? */
static bool counts_ns(const struct vmrt_dat *dat)
{
	static const char *const clocks[] = {
		"mono", "local", "global", "mono_raw", "boot", "tai", "perf", "tsc2nsec", NULL};

	return dat->tsc_mult || is_one_of(vmrt_dat_info(dat)->clock, clocks);
}

/* One clock for all CPUs, as the kernel defines it. */
static bool is_global(const struct vmrt_dat *dat)
{
	static const char *const clocks[] = {
		"global", "mono_raw", "boot", "tai", "x86-tsc", "tsc2nsec", NULL};

	return is_one_of(vmrt_dat_info(dat)->clock, clocks);
}

/*
 * What may it do? Where CLOCK_TAI is set back, the times of a CPU stand still at its next record,
 * and only its next sub-buffer begins with the right one.
 */
static enum record_course course_of(const struct vmrt_dat *dat)
{
	const char *clock = vmrt_dat_info(dat)->clock;

	if (!strcmp(clock, "tai"))
		return RECORD_SETTABLE;
	return strcmp(clock, "boot") ? RECORD_RUNS : RECORD_JUMPS;
}

/* ns = units * mult >> shift; @rate: ns for each of what the units counted before */
static void set_scale(struct vmrt_dat *dat, double rate)
{
	unsigned shift = SCALE_BITS;

	if (dat->tsc_mult)
		rate *= ldexp(dat->tsc_mult, -(int)dat->tsc_shift);

	for (; shift && rate * (double)(UINT64_C(1) << shift) >= (double)UINT32_MAX; shift--)
		;
	dat->tsc_mult = (uint32_t)(rate * (double)(UINT64_C(1) << shift));
	dat->tsc_shift = shift;
}

static enum vmrt_status scale(struct vmrt_dat *dat, struct vmrt_error *err)
{
	const char *clock = vmrt_dat_info(dat)->clock;
	double rate;

	if (!strcmp(clock, "counter"))
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s: recorded with clock counter, which counts events and is no time: "
			"record with `trace-cmd record -C mono`",
			dat->path);
	if (!strcmp(clock, "uptime"))
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s: recorded with clock uptime, which only moves with the kernel's tick "
			"(1 to 10 ms): record with `trace-cmd record -C mono`",
			dat->path);
	if (counts_ns(dat))
		return VMRT_OK;
	rate = record_samples_rate(dat);
	if (rate <= 0)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s: clock %s counts units of unknown length: the file has neither "
			"TSC2NSEC nor timer:hrtimer_expire_entry: record with `trace-cmd record "
			"-C mono`",
			dat->path, clock);
	if (rate < 1 - TICKS_APART || rate > 1 + TICKS_APART)
		set_scale(dat, rate);
	return VMRT_OK;
}

/*
 * Reads the samples. Where they show that the clock does not count what the file says it does, as
 * ticks that are called local, or a wrong TSC2NSEC, its unit is measured and they are read again.
 */
static enum vmrt_status collect(
	struct vmrt_dat *dat, struct record_clocks *out, struct vmrt_error *err)
{
	enum vmrt_status status = record_samples_collect(dat, out, err);
	double rate;

	if (status != VMRT_OK || !record_samples_other_unit(out->likely, out->cpus))
		return status;
	rate = record_samples_rate(dat);
	if (rate <= 0)
		return status;
	vmrt_warn(
		"%s: clock %s should count nanoseconds, but the timers show that its unit is %.6g "
		"ns: its times are scaled by that",
		dat->path, vmrt_dat_info(dat)->clock, rate);
	set_scale(dat, rate);
	record_samples_free(out);
	*out = (struct record_clocks){0};
	return record_samples_collect(dat, out, err);
}

static uint64_t expiries(const struct record_samples *s, unsigned cpus)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < cpus; i++)
		sum += s[i].expiries;
	return sum;
}

/*
 * Does CPU @s, whose own map is @own, agree with the common map wherever it has samples? @most_ns
 * becomes how far it is from that, if that is more.
 */
static bool agrees(const struct record_samples *s, const struct vmrt_clockmap *own,
	const struct vmrt_clockmap *all, int64_t *most_ns)
{
	size_t own_hint = 0, all_hint = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct record_window *w = &s->at[i];
		int64_t at = w->has_upper ? w->upper_at : w->lower_at;
		double apart = fabs((double)vmrt_clockmap_to_host(own, at, &own_hint) -
				    (double)vmrt_clockmap_to_host(all, at, &all_hint));

		if (apart > SAME_CLOCK_NS)
			return false;
		if ((int64_t)apart > *most_ns)
			*most_ns = (int64_t)apart;
	}
	return true;
}

/*
 * Is it a map of one clock that runs on? Where CPUs read clocks of their own, what they are apart
 * looks like a step, or like a rate, between the timers of one and those of the other.
 */
static bool is_steady(const struct vmrt_clockmap *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct vmrt_clock_segment *s = &map->segments[i];
		double end = (double)s->offset_ns +
			     s->rate * ((double)s->to_local_ns - (double)s->from_local_ns);

		if (fabs(s->rate) > RECORD_STEERED_RATE)
			return false;
		if (i + 1 < map->n && fabs(end - (double)s[1].offset_ns) > SAME_CLOCK_NS)
			return false;
	}
	return true;
}

/*
 * Do all CPUs that have samples agree with the common map? One alone says nothing about the
 * others. @most_ns: how far they are from it.
 */
static bool agree(const struct record_samples *s, const struct vmrt_clockmap *of_cpu, unsigned cpus,
	const struct vmrt_clockmap *all, int64_t *most_ns)
{
	size_t most = 0;
	unsigned n = 0;

	*most_ns = 0;
	for (unsigned i = 0; i < cpus; i++) {
		if (!of_cpu[i].n)
			continue;
		if (!agrees(&s[i], &of_cpu[i], all, most_ns))
			return false;
		most = of_cpu[i].n > most ? of_cpu[i].n : most;
		n++;
	}
	/* clocks that differ, taken for one, look as if it were stepped from sample to sample */
	return all->n <= most + SEGMENTS_MORE && (cpus == 1 || (n > 1 && is_steady(all)));
}

static enum vmrt_status copy_map(const struct vmrt_clockmap *from, struct vmrt_clockmap *to)
{
	to->segments = calloc(from->n, sizeof(*to->segments));
	if (!to->segments)
		return VMRT_ENOMEM;
	memcpy(to->segments, from->segments, from->n * sizeof(*to->segments));
	to->n = from->n;
	return VMRT_OK;
}

/*
 * How much larger the error of the common map is on a CPU whose own map is @own: it is off from
 * that by @apart_ns, and that may be off by its own error.
 */
static int64_t error_more(
	const struct vmrt_clockmap *own, const struct vmrt_clockmap *all, int64_t apart_ns)
{
	int64_t own_ns = vmrt_clockmap_worst(own), all_ns = vmrt_clockmap_worst(all);
	int64_t more = apart_ns;

	if (all_ns == VMRT_UNKNOWN)
		return apart_ns;
	if (own_ns == VMRT_UNKNOWN || own_ns > all_ns + SAME_CLOCK_NS)
		return SAME_CLOCK_NS;
	if (own_ns > all_ns)
		more += own_ns - all_ns;
	return more < SAME_CLOCK_NS ? more : SAME_CLOCK_NS;
}

/* By how much the map's offset changes behind segment @k. */
static double step_behind(const struct vmrt_clockmap *map, size_t k)
{
	const struct vmrt_clock_segment *a = &map->segments[k];

	return (double)a[1].offset_ns - (double)a->offset_ns -
	       a->rate * ((double)a->to_local_ns - (double)a->from_local_ns);
}

static double small_step(const struct vmrt_clockmap *map, size_t k)
{
	double step = fabs(step_behind(map, k));

	return step <= SAME_CLOCK_NS ? step : 0;
}

/*
 * On a CPU whose own expiries lie between @from and @to, the common map @map may be off elsewhere
 * by all steps between there and those expiries: other CPUs have made the map what it is there.
 */
static void doubt_elsewhere(struct vmrt_clockmap *map, int64_t from, int64_t to)
{
	double sum = 0;

	for (size_t k = map->n; k-- > 0;) {
		if (k + 1 < map->n && map->segments[k].to_local_ns <= from)
			sum += small_step(map, k);
		record_add_error(&map->segments[k], (int64_t)ceil(sum));
	}
	sum = 0;
	for (size_t k = 1; k < map->n; k++) {
		if (map->segments[k].from_local_ns >= to)
			sum += small_step(map, k - 1);
		record_add_error(&map->segments[k], (int64_t)ceil(sum));
	}
}

/*
 * A CPU without expiries reads the clock that the others read, as far as is known. @apart_ns: so
 * far those with expiries are from each other; @others_ns: so far the others may be, 0 if the
 * kernel has one clock for all.
 */
static enum vmrt_status use_common_map(struct vmrt_clockmap *of_cpu, unsigned cpus,
	const struct vmrt_clockmap *all, bool same, int64_t apart_ns, int64_t others_ns)
{
	enum vmrt_status status = VMRT_OK;

	for (unsigned i = 0; i < cpus && status == VMRT_OK; i++) {
		int64_t own_ns, from = INT64_MIN, to = INT64_MAX;

		if (of_cpu[i].n && !same)
			continue;
		if (of_cpu[i].n && others_ns) {
			from = of_cpu[i].segments[0].from_local_ns;
			to = of_cpu[i].segments[of_cpu[i].n - 1].to_local_ns;
		}
		if (!of_cpu[i].n)
			own_ns = others_ns;
		else
			own_ns = others_ns ? error_more(&of_cpu[i], all, apart_ns) : apart_ns;
		vmrt_clockmap_free(&of_cpu[i]);
		status = copy_map(all, &of_cpu[i]);
		for (size_t k = 0; k < of_cpu[i].n; k++) {
			int64_t *error = &of_cpu[i].segments[k].error_ns;

			if (!same || *error > INT64_MAX - own_ns)
				*error = VMRT_UNKNOWN;
			else if (*error != VMRT_UNKNOWN)
				*error += own_ns;
		}
		doubt_elsewhere(&of_cpu[i], from, to);
	}
	return status;
}

/* So far the times of some CPU ran back. */
static int64_t ran_back(const struct record_clocks *c)
{
	int64_t most = 0;

	for (unsigned i = 0; i < c->cpus; i++)
		most = c->sure[i].back_ns > most ? c->sure[i].back_ns : most;
	return most;
}

/*
 * Where the times of a CPU ran back, which of its records are from before and which from after that
 * is not known. Each CPU shows it at another time, so that a common map may be off as far as one of
 * them.
 */
static void doubt_back(const struct record_clocks *c, bool global, struct vmrt_clockmap *of_cpu)
{
	for (unsigned i = 0; i < c->cpus; i++) {
		int64_t own = c->sure[i].back_ns;

		if (global && ran_back(c) <= BACK_NS)
			own = ran_back(c);
		for (size_t k = 0; own && k < of_cpu[i].n; k++)
			record_add_error(&of_cpu[i].segments[k], own > BACK_NS ? INT64_MAX : own);
	}
}

/*
 * Where a clock is set back, the times of each CPU stand still until its next record, however long
 * it takes to come: how much its later times are off, only expiries of its own show. @set_back:
 * another CPU has shown that it was.
 */
static void doubt_silent(const struct record_samples *s, struct vmrt_clockmap *map, bool set_back)
{
	int64_t last = INT64_MIN;
	bool unknown = false, shown = false;

	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].has_upper)
			last = s->at[i].upper_at;
	for (size_t k = 0; k + 1 < map->n; k++) {
		bool step = step_behind(map, k) < -SAME_CLOCK_NS;

		shown |= step;
		unknown |= step && last < map->segments[k + 1].from_local_ns;
	}
	unknown |= set_back && !shown;
	for (size_t k = 0; unknown && k < map->n; k++)
		map->segments[k].error_ns = VMRT_UNKNOWN;
}

/* Where a clock was set, by little, lies somewhere between two expiries: what was recorded there
 * may be from before or from after. */
static void doubt_steps(struct vmrt_clockmap *map)
{
	for (size_t i = 0; i + 1 < map->n; i++) {
		struct vmrt_clock_segment *a = &map->segments[i], *b = a + 1;
		double step = fabs(step_behind(map, i));

		if (step < 1 || step > RECORD_JUMP_NS)
			continue;
		record_add_error(a, (int64_t)step);
		record_add_error(b, (int64_t)step);
	}
}

/* A map for each CPU: the common one where all read the same clock. @one: they do. */
static enum vmrt_status fit_cpus(const struct vmrt_dat *dat, const struct record_samples *s,
	bool one, struct vmrt_clockmap *of_cpu, unsigned cpus)
{
	struct vmrt_clockmap all = {0};
	enum vmrt_status status;
	bool any = false, same;
	int64_t apart = 0;

	for (unsigned i = 0; i < cpus; i++) {
		status = record_fit(&s[i], 1, course_of(dat), &of_cpu[i]);
		if (status == VMRT_ENOMEM)
			return status;
		any |= of_cpu[i].n > 0;
	}
	status = record_fit(s, cpus, course_of(dat), &all);
	if (status == VMRT_ENOENT && any) {
		/* CPUs differ too much for one map: each of those that have none takes the first */
		unsigned first = 0;

		while (!of_cpu[first].n)
			first++;
		status = copy_map(&of_cpu[first], &all);
		same = false;
	} else {
		same = status == VMRT_OK && (one || agree(s, of_cpu, cpus, &all, &apart));
	}
	if (status == VMRT_OK)
		status = use_common_map(of_cpu, cpus, &all, same, apart, one ? 0 : SAME_CLOCK_NS);
	vmrt_clockmap_free(&all);
	return status;
}

static void hide_timers(struct vmrt_dat *dat, struct vmrt_record_clock *out, const char *why)
{
	formats_hide_timers(dat->formats);
	out->state = VMRT_RECORD_CLOCK_UNMAPPED;
	out->error_ns = VMRT_UNKNOWN;
	snprintf(out->text, sizeof(out->text),
		"%s, not related to CLOCK_MONOTONIC: %.80s; times of timers are not used; record "
		"with "
		"`trace-cmd record -C mono`",
		vmrt_dat_info(dat)->clock, why);
}

static bool any_error_is_known(const struct record_clocks *c, const struct vmrt_clockmap *maps)
{
	for (unsigned i = 0; i < c->cpus; i++)
		if (maps[i].n && vmrt_clockmap_worst(&maps[i]) != VMRT_UNKNOWN)
			return true;
	return false;
}

/* All CPUs that have records ran back by more than can be an error. */
static bool is_set_back(const struct record_clocks *c, const struct vmrt_clockmap *maps)
{
	bool any = false;

	for (unsigned i = 0; i < c->cpus; i++)
		any |= maps[i].n && c->sure[i].back_ns > BACK_NS;
	return any && !any_error_is_known(c, maps);
}

/* A machine that is suspended breaks the line, too, but not so often. */
#define BROKEN_OFTEN 8

/* Do the expiries contradict each other, on every CPU: a line broken again and again, and no error
 * that all of it keeps? */
static bool is_contradicted(const struct record_clocks *c, const struct vmrt_clockmap *maps)
{
	bool broken = false;

	for (unsigned i = 0; i < c->cpus; i++)
		broken |= maps[i].n > BROKEN_OFTEN;
	return broken && !any_error_is_known(c, maps);
}

static void add_text(struct vmrt_record_clock *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_text(struct vmrt_record_clock *out, const char *format, ...)
{
	size_t used = strlen(out->text);
	va_list args;

	va_start(args, format);
	vsnprintf(out->text + used, sizeof(out->text) - used, format, args);
	va_end(args);
}

/* The errors of some CPUs one by one; of many, the largest one. */
static void describe(const struct vmrt_dat *dat, struct vmrt_record_clock *out)
{
	char error[VMRT_UNITS_TEXT];
	unsigned worst = 0, first = 0, n = dat->n_clocks;
	int64_t most = 0;
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		int64_t is = vmrt_record_clock_error(dat, i);

		any |= is != VMRT_UNKNOWN;
		if (most == VMRT_UNKNOWN || (is != VMRT_UNKNOWN && is <= most))
			continue;
		most = is;
		worst = i;
	}
	out->error_ns = most;
	add_text(out, "%s, mapped to CLOCK_MONOTONIC by %llu timer expiries",
		vmrt_dat_info(dat)->clock, (unsigned long long)out->expiries);
	if (n > CPUS_NAMED) {
		first = worst;
		n = worst + 1;
	}
	for (unsigned i = first; i < n; i++) {
		int64_t is = vmrt_record_clock_error(dat, i);

		add_text(out, "%s CPU %u %s", i == first ? "; error at most:" : ",", i,
			is == VMRT_UNKNOWN ? any ? "not known, left out" : "not known"
					   : vmrt_format_duration(is, error));
	}
}

/* A file whose clock is CLOCK_MONOTONIC needs no map, unless its timers contradict. */
static enum vmrt_status is_monotonic(struct vmrt_dat *dat, bool *is, struct vmrt_error *err)
{
	bool is_not;
	enum vmrt_status status;

	*is = !strcmp(vmrt_dat_info(dat)->clock, "mono");
	if (!*is)
		return VMRT_OK;
	status = record_samples_contradict(dat, &is_not, err);
	if (status != VMRT_OK)
		return status;
	*is = !is_not;
	if (is_not)
		vmrt_warn("%s: the file says that its clock is mono, but no timer expired at the "
			  "time that it says: its times are mapped as those of any other clock",
			dat->path);
	return VMRT_OK;
}

/* Makes the errors of the maps larger where steps of the clock cannot be ruled out. */
static void doubt_maps(const struct vmrt_dat *dat, const struct record_clocks *found,
	const struct record_samples *samples, struct vmrt_clockmap *maps)
{
	doubt_back(found, is_global(dat), maps);
	for (unsigned i = 0; i < found->cpus && course_of(dat) == RECORD_SETTABLE; i++) {
		doubt_steps(&maps[i]);
		doubt_silent(&samples[i], &maps[i], ran_back(found) > BACK_NS);
	}
}

enum vmrt_status vmrt_record_clock_map(
	struct vmrt_dat *dat, struct vmrt_record_clock *out, struct vmrt_error *err)
{
	struct record_clocks found = {0};
	struct vmrt_clockmap *maps = NULL;
	const struct record_samples *samples;
	enum vmrt_status status;
	bool one;

	*out = (struct vmrt_record_clock){.state = VMRT_RECORD_CLOCK_MONO};
	status = is_monotonic(dat, &one, err);
	if (status != VMRT_OK)
		return status;
	if (one) {
		add_text(out, "mono");
		return VMRT_OK;
	}
	status = scale(dat, err);
	if (status == VMRT_OK)
		status = collect(dat, &found, err);
	if (status != VMRT_OK)
		goto out;
	samples = expiries(found.sure, found.cpus) >= LEAST_EXPIRIES ? found.sure : found.likely;
	out->expiries = expiries(samples, found.cpus);
	maps = calloc(found.cpus + 1, sizeof(*maps));
	one = is_global(dat) && ran_back(&found) <= BACK_NS;
	status = maps ? fit_cpus(dat, samples, one, maps, found.cpus) : VMRT_ENOMEM;
	if (status == VMRT_OK)
		doubt_maps(dat, &found, samples, maps);
	if (status == VMRT_ENOMEM) {
		vmrt_fail(err, status, "%s: out of memory", dat->path);
	} else if (status == VMRT_OK && is_set_back(&found, maps)) {
		char back[VMRT_UNITS_TEXT], why[VMRT_UNITS_TEXT + 64];

		snprintf(why, sizeof(why), "it was set back, by %s or more",
			vmrt_format_duration(ran_back(&found), back));
		hide_timers(dat, out, why);
	} else if (status == VMRT_OK && is_contradicted(&found, maps)) {
		hide_timers(dat, out, "its timers contradict each other");
	} else if (status == VMRT_OK) {
		dat->clocks = maps;
		dat->n_clocks = found.cpus;
		maps = NULL;
		out->state = VMRT_RECORD_CLOCK_MAPPED;
		describe(dat, out);
	} else {
		hide_timers(dat, out, "there is no timer:hrtimer_expire_entry");
		status = VMRT_OK;
	}
out:
	for (unsigned i = 0; maps && i < found.cpus; i++)
		vmrt_clockmap_free(&maps[i]);
	free(maps);
	record_samples_free(&found);
	return status;
}

int64_t vmrt_record_clock_error(const struct vmrt_dat *dat, unsigned cpu)
{
	if (!dat->n_clocks)
		return strcmp(vmrt_dat_info(dat)->clock, "mono") ? VMRT_UNKNOWN : 0;
	return cpu < dat->n_clocks ? vmrt_clockmap_worst(&dat->clocks[cpu]) : VMRT_UNKNOWN;
}

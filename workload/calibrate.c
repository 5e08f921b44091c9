/* SPDX-License-Identifier: MIT */
/* Measures how long a unit of work takes on this CPU. */
#include "load.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>
#include <vmrt/version.h>

/*
 * Machines slow down in episodes of tens of milliseconds. If samples were much shorter than a job,
 * only as many samples would be slow as the episodes take of the time; but a job is slow as soon as
 * a part of it lies in an episode. If samples were much longer than an episode, the average would
 * hide the episode. So a sample is about as long as a typical job.
 */
#define SAMPLE_NS (8 * VMRT_NS_PER_MS)
#define SAMPLES 300
#define WARM_UP_SAMPLES 8
/* Idle time between samples, so that the kernel's RT throttling (50 ms in a second) does not hit a
 * sample.
 */
#define PAUSE_NS (VMRT_NS_PER_MS / 2)
/*
 * A single long episode has enough slow samples to determine the 99th percentile. Jobs would then
 * get only a fraction of the work that they have time for. So a measurement with such an episode is
 * repeated. An episode during the run is not hidden: the job's execution is then above its WCET.
 */
#define EPISODE_RATIO 1.6 /* 99th percentile over the median; 1.12 to 1.35 on a quiet machine */
#define ATTEMPTS 3
#define LOAD_UNITS_MAX (UINT64_C(1) << 53) /* of a job; doubles are exact up to this */

static int64_t time_work(uint64_t units)
{
	int64_t begin = vmrt_now_ns();

	load_work(units);
	return vmrt_now_ns() - begin;
}

/* Units that take about SAMPLE_NS at the best speed seen. */
static uint64_t find_sample_units(void)
{
	uint64_t units = 64;
	int64_t best = INT64_MAX;

	while (time_work(units) < SAMPLE_NS / 4)
		units *= 2;
	for (int i = 0; i < WARM_UP_SAMPLES; i++) {
		int64_t ns = time_work(units);

		if (ns < best)
			best = ns;
	}
	units = (uint64_t)((double)units * (double)SAMPLE_NS / (double)(best > 0 ? best : 1));
	return units ? units : 1;
}

static int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static enum vmrt_status measure_once(struct load_calibration *cal, struct vmrt_error *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	for (size_t i = 0; i < cal->n; i++) {
		nanosleep(&pause, NULL);
		if (vmrt_stop_requested())
			return vmrt_fail(err, VMRT_EINTR, "interrupted while calibrating");
		cal->sample_ns[i] = time_work(cal->sample_units);
	}
	qsort(cal->sample_ns, cal->n, sizeof(*cal->sample_ns), compare_ns);
	return VMRT_OK;
}

bool load_calibration_is_steady(const struct load_calibration *cal)
{
	return load_ns_per_unit(cal, 99) <= EPISODE_RATIO * load_ns_per_unit(cal, 50);
}

enum vmrt_status load_calibration_measure(struct load_calibration *out, struct vmrt_error *err)
{
	struct load_calibration cal = {.n = SAMPLES};
	enum vmrt_status status = VMRT_OK;

	cal.sample_ns = calloc(cal.n, sizeof(*cal.sample_ns));
	if (!cal.sample_ns)
		return vmrt_fail(err, VMRT_ENOMEM, "calibration: out of memory");
	cal.sample_units = find_sample_units();
	while (status == VMRT_OK && cal.attempts < ATTEMPTS) {
		cal.attempts++;
		status = measure_once(&cal, err);
		if (status == VMRT_OK && load_calibration_is_steady(&cal))
			break;
	}
	if (status != VMRT_OK) {
		load_calibration_free(&cal);
		return status;
	}
	*out = cal;
	return VMRT_OK;
}

void load_calibration_free(struct load_calibration *cal)
{
	free(cal->sample_ns);
	*cal = (struct load_calibration){0};
}

int64_t load_percentile(const int64_t *sorted, size_t n, double percent)
{
	/* in this order, so that whole percents of round numbers are exact */
	double rank = ceil(percent * (double)n / 100.0);

	if (rank < 1)
		rank = 1;
	if (rank > (double)n)
		rank = (double)n;
	return sorted[(size_t)rank - 1];
}

double load_ns_per_unit(const struct load_calibration *cal, double percent)
{
	return (double)load_percentile(cal->sample_ns, cal->n, percent) / (double)cal->sample_units;
}

uint64_t load_units_for(int64_t ns, double scale, double ns_per_unit)
{
	double units = floor((double)ns * scale / ns_per_unit);

	if (!(units >= 1))
		return 1;
	return units < (double)LOAD_UNITS_MAX ? (uint64_t)units : LOAD_UNITS_MAX;
}

void load_calibration_print(const struct load_calibration *cal, const char *prefix, FILE *out)
{
	static const double percents[] = {50, 90, 95, 99};

	fprintf(out, "%sunit_iterations = %d\n", prefix, LOAD_UNIT_ITERATIONS);
	fprintf(out, "%sattempts = %" PRIu64 "\n", prefix, cal->attempts);
	fprintf(out, "%ssample_units = %" PRIu64 "\n", prefix, cal->sample_units);
	fprintf(out, "%ssamples = %zu\n", prefix, cal->n);
	fprintf(out, "%smin_ns = %" PRId64 "\n", prefix, cal->sample_ns[0]);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		fprintf(out, "%sp%g_ns = %" PRId64 "\n", prefix, percents[i],
			load_percentile(cal->sample_ns, cal->n, percents[i]));
	fprintf(out, "%smax_ns = %" PRId64 "\n", prefix, cal->sample_ns[cal->n - 1]);
}

enum vmrt_status load_calibration_write(
	const char *path, const struct load_calibration *cal, struct vmrt_error *err)
{
	enum vmrt_status status;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	fprintf(out, "# vmrt-load %s: time for equal pieces of work, see vmrt-load(1)\n",
		VMRT_VERSION);
	load_calibration_print(cal, "", out);
	fprintf(out, "all_ns =");
	for (size_t i = 0; i < cal->n; i++)
		fprintf(out, " %" PRId64, cal->sample_ns[i]);
	fprintf(out, "\n");
	if (fclose(out) != 0) {
		free(text);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	}
	status = vmrt_write_file(path, text, size, err);
	free(text);
	return status;
}

/* Reads the numbers of `all_ns` into @cal, which has room for as many numbers as key `samples`
 * says. */
static bool parse_samples(char *text, struct load_calibration *cal)
{
	char *save, *word;
	size_t i = 0;

	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save), i++) {
		if (i == cal->n ||
			vmrt_parse_int(word, 1, INT64_MAX, &cal->sample_ns[i]) != VMRT_OK)
			return false;
		if (i && cal->sample_ns[i] < cal->sample_ns[i - 1])
			return false;
	}
	return i == cal->n;
}

static enum vmrt_status parse_key(const char *path, int line, const char *key, char *value,
	struct load_calibration *cal, bool *complete, struct vmrt_error *err)
{
	int64_t number = 0;
	bool good = true;

	if (!strcmp(key, "unit_iterations")) {
		if (vmrt_parse_int(value, 1, INT64_MAX, &number) == VMRT_OK &&
			number != LOAD_UNIT_ITERATIONS)
			return vmrt_fail(err, VMRT_EMISMATCH,
				"%s:%d: was made by a vmrt-load with other units of work; remove "
				"the file",
				path, line);
		good = number > 0;
	} else if (!strcmp(key, "attempts")) {
		good = vmrt_parse_int(value, 1, INT64_MAX, &number) == VMRT_OK;
		cal->attempts = (uint64_t)number;
	} else if (!strcmp(key, "sample_units")) {
		good = vmrt_parse_int(value, 1, INT64_MAX, &number) == VMRT_OK;
		cal->sample_units = (uint64_t)number;
	} else if (!strcmp(key, "samples")) {
		good = !cal->sample_ns &&
		       vmrt_parse_int(value, 1, LOAD_SAMPLES_MAX, &number) == VMRT_OK;
		if (good) {
			cal->n = (size_t)number;
			cal->sample_ns = calloc(cal->n, sizeof(*cal->sample_ns));
			if (!cal->sample_ns)
				return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
		}
	} else if (!strcmp(key, "all_ns")) {
		good = cal->sample_ns && cal->sample_units && parse_samples(value, cal);
		*complete = good;
	}
	/* the other keys are computed from all_ns and are only for people */
	if (!good)
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s:%d: bad value of '%s'; remove the file to calibrate anew", path, line,
			key);
	return VMRT_OK;
}

static char *trim(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

enum vmrt_status load_calibration_read(
	const char *path, struct load_calibration *out, struct vmrt_error *err)
{
	struct load_calibration cal = {0};
	enum vmrt_status status;
	bool complete = false;
	char *text = NULL, *rest, *line;
	int number = 0;

	status = vmrt_read_file(path, LOAD_CALIBRATION_MAX, &text, NULL, err);
	if (status != VMRT_OK)
		return status;
	rest = text;
	while (status == VMRT_OK && (line = strsep(&rest, "\n"))) {
		char *value;

		number++;
		line = trim(line);
		if (!*line || *line == '#')
			continue;
		value = strchr(line, '=');
		if (!value) {
			status = vmrt_fail(err, VMRT_EFORMAT,
				"%s:%d: not a line `key = value`; remove the file to calibrate "
				"anew",
				path, number);
			break;
		}
		*value++ = '\0';
		status = parse_key(path, number, trim(line), trim(value), &cal, &complete, err);
	}
	if (status == VMRT_OK && !complete)
		status = vmrt_fail(err, VMRT_ETRUNCATED,
			"%s: holds no complete calibration; remove the file to calibrate anew",
			path);
	free(text);
	if (status != VMRT_OK) {
		load_calibration_free(&cal);
		return status;
	}
	*out = cal;
	return VMRT_OK;
}

/* SPDX-License-Identifier: MIT */
/* Reads and prints durations, sizes and shares. */
#include <vmrt/units.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Splits "12.5 ms" into number and unit; only plain decimals, no sign, no exponent, no hex. */
static bool split_number(const char *text, long double *value, const char **unit)
{
	char *end;
	size_t digits = 0;
	const char *p = text;

	while (isspace((unsigned char)*p))
		p++;
	text = p;
	for (; isdigit((unsigned char)*p) || *p == '.'; p++)
		digits += *p != '.';
	if (!digits)
		return false;
	/* strtold stops at the unit; an 'e' or 'x' there must not be read as part of the number */
	char number[64];
	if ((size_t)(p - text) >= sizeof(number))
		return false;
	memcpy(number, text, (size_t)(p - text));
	number[p - text] = '\0';
	*value = strtold(number, &end);
	if (*end)
		return false;
	while (isspace((unsigned char)*p))
		p++;
	*unit = p;
	return true;
}

static bool unit_is(const char *unit, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(unit, name, n) != 0)
		return false;
	for (unit += n; *unit; unit++)
		if (!isspace((unsigned char)*unit))
			return false;
	return true;
}

enum vmrt_status vmrt_parse_duration(const char *text, int64_t tick_ns, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1},
		{"us", VMRT_NS_PER_US},
		{"ms", VMRT_NS_PER_MS},
		{"s", VMRT_NS_PER_S},
	};
	long double value;
	const char *unit;
	int64_t scale = 0;

	if (!split_number(text, &value, &unit))
		return VMRT_EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (unit_is(unit, units[i].name))
			scale = units[i].ns;
	if (!scale && tick_ns > 0 && (unit_is(unit, "tick") || unit_is(unit, "ticks")))
		scale = tick_ns;
	if (!scale && !*unit && value == 0)
		scale = 1;
	if (!scale)
		return VMRT_EINVAL;
	value = roundl(value * (long double)scale);
	if (value >= 9223372036854775807.0L)
		return VMRT_ERANGE;
	*out = (int64_t)value;
	return VMRT_OK;
}

enum vmrt_status vmrt_parse_size(const char *text, uint64_t *out)
{
	static const char suffixes[] = "kmgt";
	long double value;
	const char *unit, *s;
	int shift = 0;

	if (!split_number(text, &value, &unit))
		return VMRT_EINVAL;
	if (*unit) {
		s = strchr(suffixes, tolower((unsigned char)*unit));
		if (s) {
			shift = (int)(s - suffixes + 1) * 10;
			unit++;
		}
		if (!unit_is(unit, "") && !unit_is(unit, "iB") && !unit_is(unit, "B"))
			return VMRT_EINVAL;
	}
	value *= (long double)(UINT64_C(1) << shift);
	if (value >= 1.8e19L)
		return VMRT_ERANGE;
	*out = (uint64_t)value;
	return VMRT_OK;
}

enum vmrt_status vmrt_parse_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end)
		return VMRT_EINVAL;
	if (errno == ERANGE || value < min || value > max)
		return VMRT_ERANGE;
	*out = value;
	return VMRT_OK;
}

const char *vmrt_format_duration(int64_t ns, char *buf)
{
	double value = (double)ns;
	double size = fabs(value);

	if (ns == VMRT_UNKNOWN)
		snprintf(buf, VMRT_UNITS_TEXT, "-");
	else if (size >= 1e9)
		snprintf(buf, VMRT_UNITS_TEXT, "%.10g s", round(value / 1e6) / 1e3);
	else if (size >= 1e6)
		snprintf(buf, VMRT_UNITS_TEXT, "%.10g ms", round(value / 1e3) / 1e3);
	else if (size >= 1e3)
		snprintf(buf, VMRT_UNITS_TEXT, "%.10g us", round(value / 1e2) / 10);
	else
		snprintf(buf, VMRT_UNITS_TEXT, "%" PRId64 " ns", ns);
	return buf;
}

const char *vmrt_format_ms(int64_t ns, int decimals, char *buf)
{
	if (ns == VMRT_UNKNOWN)
		snprintf(buf, VMRT_UNITS_TEXT, "-");
	else
		snprintf(buf, VMRT_UNITS_TEXT, "%.*f", decimals, (double)ns / 1e6);
	return buf;
}

int64_t vmrt_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * VMRT_NS_PER_S + ts.tv_nsec;
}

uint64_t vmrt_tsc(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return 0;
#endif
}

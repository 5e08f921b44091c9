/* SPDX-License-Identifier: MIT */
/* Numbers, names and bars as text of a given width. */
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/utf8.h>

void top_text_ms(char *out, int64_t ns, int width)
{
	int decimals = 2;

	do {
		vmrt_format_ms(ns, decimals, out);
	} while ((int)strlen(out) > width && decimals-- > 0);
}

void top_text_count(char *out, uint64_t n, int width)
{
	static const char units[] = "kMGTPE";
	double value = (double)n;
	size_t unit = 0;

	snprintf(out, TOP_TEXT, "%" PRIu64, n);
	while ((int)strlen(out) > width && units[unit]) {
		value /= 1000;
		snprintf(out, TOP_TEXT, "%.1f%c", floor(value * 10) / 10, units[unit++]);
	}
}

void top_text_percent(char *out, double ratio)
{
	if (isnan(ratio))
		snprintf(out, TOP_TEXT, "-");
	else if (ratio > 0 && ratio < 0.0005)
		snprintf(out, TOP_TEXT, "<0.1");
	else if (ratio < 1 && ratio >= 0.9995)
		snprintf(out, TOP_TEXT, ">99.9");
	else
		snprintf(out, TOP_TEXT, "%.1f", ratio * 100);
}

void top_text_name(char *out, const char *name, int width)
{
	size_t n;

	snprintf(out, TOP_TEXT, "%s", name);
	vmrt_utf8_sanitize(out);
	if (width <= 0 || top_columns(out) <= width)
		return;
	n = (size_t)(top_behind(out, width - 1) - out);
	snprintf(out + n, TOP_TEXT - n, "~");
}

const char *top_text_time(char *out, int64_t ns, int decimals)
{
	static const int64_t units[] = {
		1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000};
	int64_t unit = units[decimals < 0 ? 0 : decimals > 6 ? 6 : decimals], s;
	int n;

	if (ns == VMRT_UNKNOWN) {
		snprintf(out, VMRT_UNITS_TEXT, "-");
		return out;
	}
	if (ns < 0)
		ns = 0;
	s = ns / VMRT_NS_PER_S;
	if (s >= 3600)
		n = snprintf(out, VMRT_UNITS_TEXT, "%" PRId64 ":%02d:%02d", s / 3600,
			(int)(s / 60 % 60), (int)(s % 60));
	else
		n = snprintf(out, VMRT_UNITS_TEXT, "%d:%02d", (int)(s / 60), (int)(s % 60));
	if (decimals > 0)
		snprintf(out + n, VMRT_UNITS_TEXT - (size_t)n, ".%0*" PRId64,
			decimals > 6 ? 6 : decimals, ns % VMRT_NS_PER_S / unit);
	return out;
}

void top_text_bar(char *out, double part, int width, const char *full, const char *rest)
{
	int filled = isnan(part) || part <= 0 ? 0 : part >= 1 ? width : (int)(part * width);
	size_t used = 0;

	/* a part above zero is shown as at least one character */
	if (!filled && part > 0 && width > 0)
		filled = 1;
	out[0] = '\0';
	for (int i = 0; i < width; i++) {
		const char *glyph = i < filled ? full : rest;

		if (used + strlen(glyph) >= TOP_TEXT)
			break;
		used += (size_t)snprintf(out + used, TOP_TEXT - used, "%s", glyph);
	}
}

const char *top_text_level(double part, bool ascii)
{
	static const char *const blocks[] = {
		"\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const letters[] = {"_", ".", ":", ";", "=", "+", "*", "#"};
	int level;

	if (isnan(part) || part <= 0)
		return " ";
	level = part >= 1 ? 7 : (int)(part * 8);
	return ascii ? letters[level] : blocks[level];
}

void top_text_spark(char *out, const int64_t *values, size_t n, int64_t most, bool ascii)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && used + 4 < TOP_TEXT; i++) {
		const char *glyph = "?";

		if (values[i] != VMRT_UNKNOWN)
			glyph = top_text_level(
				most > 0 ? (double)values[i] / (double)most : 1, ascii);
		if (*glyph == ' ')
			glyph = ascii ? "." : "\u2581";
		used += (size_t)snprintf(out + used, TOP_TEXT - used, "%s", glyph);
	}
}

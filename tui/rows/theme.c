/* SPDX-License-Identifier: MIT */
/* Colours and attributes: the defaults, the changes by VMRT_COLORS, and the escape sequences. */
#include "theme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *codes;
} attrs[] = {
#define X(name, words, codes) {words, codes},
	TOP_ATTR_LIST(X)
#undef X
};

/* The next number of "1;38;5;208"; -1 if there is none, -2 if it is something else. */
static int next_code(const char **text, const char *end)
{
	char *rest;
	long value;

	if (*text >= end)
		return -1;
	value = strtol(*text, &rest, 10);
	if (rest == *text || rest > end || value < 0 || value > 255 || (rest < end && *rest != ';'))
		return -2;
	*text = rest < end ? rest + 1 : rest;
	return (int)value;
}

/* Reads the codes in @text; false if one of them is unknown. */
static bool parse_codes(const char *text, const char *end, struct top_style *out)
{
	struct top_style s = {.foreground = -1, .background = -1};
	int code;

	while ((code = next_code(&text, end)) >= 0) {
		short *color = code >= 40 ? &s.background : &s.foreground;

		if (code == 0)
			s = (struct top_style){.foreground = -1, .background = -1};
		else if (code == 1)
			s.bold = true;
		else if (code == 2)
			s.dim = true;
		else if (code == 3)
			s.italic = true;
		else if (code == 4)
			s.underline = true;
		else if (code == 7)
			s.reverse = true;
		else if ((code >= 30 && code <= 37) || (code >= 40 && code <= 47))
			*color = (short)(code % 10);
		else if (code >= 90 && code <= 97)
			s.foreground = (short)(code - 90 + 8);
		else if (code >= 100 && code <= 107)
			s.background = (short)(code - 100 + 8);
		else if (code == 39 || code == 49)
			*color = -1;
		else if ((code == 38 || code == 48) && next_code(&text, end) == 5 &&
			 (code = next_code(&text, end)) >= 0)
			*color = (short)code;
		else
			return false;
	}
	*out = s;
	return code == -1;
}

void top_theme_default(struct top_theme *theme)
{
	for (size_t i = 0; i < TOP_ATTRS; i++)
		parse_codes(
			attrs[i].codes, attrs[i].codes + strlen(attrs[i].codes), &theme->styles[i]);
}

enum vmrt_status top_theme_parse(struct top_theme *theme, const char *text, struct vmrt_error *err)
{
	while (*text) {
		size_t len = strcspn(text, ":"), name = strcspn(text, "=:"), i = 0;

		if (!len) {
			text++;
			continue;
		}
		while (i < TOP_ATTRS &&
			(strlen(attrs[i].name) != name || strncmp(attrs[i].name, text, name) != 0))
			i++;
		if (i == TOP_ATTRS || name == len)
			return vmrt_fail(err, VMRT_EINVAL,
				"VMRT_COLORS: '%.*s' does not begin with NAME= of one of the looks "
				"in vmrt-top(1)",
				(int)len, text);
		if (!parse_codes(text + name + 1, text + len, &theme->styles[i]))
			return vmrt_fail(err, VMRT_EINVAL,
				"VMRT_COLORS: '%.*s' has no numbers such as 1;38;5;208", (int)len,
				text);
		text += len;
	}
	return VMRT_OK;
}

static int put_color(char *out, size_t room, short color, int base)
{
	if (color < 0)
		return 0;
	if (color < 8)
		return snprintf(out, room, "%d;", base + color);
	return snprintf(out, room, "%d;5;%d;", base + 8, color);
}

void top_theme_codes(const struct top_theme *theme, enum top_attr attr, bool reverse, char *out)
{
	const struct top_style *s = theme ? &theme->styles[attr] : NULL;
	int n;

	out[0] = '\0';
	if (!s)
		return;
	n = snprintf(out, TOP_CODES, "\033[%s%s%s%s%s", s->bold ? "1;" : "", s->dim ? "2;" : "",
		s->italic ? "3;" : "", s->underline ? "4;" : "", s->reverse != reverse ? "7;" : "");
	n += put_color(out + n, (size_t)(TOP_CODES - n), s->foreground, 30);
	n += put_color(out + n, (size_t)(TOP_CODES - n), s->background, 40);
	if (out[n - 1] == ';')
		out[n - 1] = 'm';
	else
		out[0] = '\0';
}

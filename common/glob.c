/* SPDX-License-Identifier: MIT */
/* Patterns of names as in a shell, for names that need not end with a NUL. */
#include <vmrt/glob.h>

#include <stdint.h>
#include <string.h>

/* Length of the character at @text: a byte, or a UTF-8 sequence. */
static size_t char_length(const unsigned char *text, size_t n)
{
	size_t len = *text < 0xc0 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;

	if (len > n)
		return 1;
	for (size_t i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 1;
	return len;
}

/* The end of the set that begins at @p, or NULL if it is not closed: '[' is a plain character then.
 */
static const char *set_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	while (*p && *p != ']')
		p++;
	return *p ? p : NULL;
}

static bool in_set(const char *p, const char *end, unsigned char c)
{
	bool negated = p[1] == '!' || p[1] == '^', found = false;

	for (p += negated ? 2 : 1; p < end; p++) {
		unsigned char from = (unsigned char)*p, to = from;

		if (p + 2 < end && p[1] == '-') {
			to = (unsigned char)p[2];
			p += 2;
		}
		found |= c >= from && c <= to;
	}
	return found != negated;
}

/* Matches one character of *@text with the element at *@pattern, and moves both pointers on. */
static bool match_one(const char **pattern, const char **text, size_t *n)
{
	const char *p = *pattern, *end;
	size_t len = 1;
	bool same;

	if (!*n)
		return false;
	if (*p == '?') {
		len = char_length((const unsigned char *)*text, *n);
		same = true;
	} else if (*p == '[' && (end = set_end(p))) {
		same = in_set(p, end, (unsigned char)**text);
		p = end;
	} else {
		if (*p == '\\' && p[1])
			p++;
		same = *p == **text;
	}
	*pattern = p + 1;
	*text += len;
	*n -= len;
	return same;
}

bool vmrt_glob(const char *pattern, const char *text, size_t room)
{
	size_t n = strnlen(text, room), retry_n = 0;
	const char *retry_pattern = NULL, *retry_text = NULL;

	while (n || *pattern) {
		if (*pattern == '*') {
			retry_pattern = ++pattern;
			retry_text = text;
			retry_n = n;
			continue;
		}
		if (*pattern && match_one(&pattern, &text, &n))
			continue;
		if (!retry_pattern || !retry_n)
			return false;
		/* let the last * take one byte more */
		pattern = retry_pattern;
		text = ++retry_text;
		n = --retry_n;
	}
	return true;
}

bool vmrt_glob_is_plain(const char *pattern)
{
	return !strpbrk(pattern, "*?[\\");
}

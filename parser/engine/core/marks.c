/* SPDX-License-Identifier: MIT */
/* Reading "key=value" pairs of marker lines; the lines may come from anybody. */
#include "core.h"

#include <string.h>

static const char *value_of(const char *rest, const char *key, size_t *len)
{
	size_t n = strlen(key);

	for (const char *p = rest; *p;) {
		size_t word;

		p += strspn(p, " ");
		word = strcspn(p, " ");
		if (word > n && !strncmp(p, key, n) && p[n] == '=') {
			*len = word - n - 1;
			return p + n + 1;
		}
		p += word;
	}
	return NULL;
}

bool mark_text(const char *rest, const char *key, char *buf, size_t room)
{
	size_t len;
	const char *value = value_of(rest, key, &len);

	if (!value || !len || len >= room)
		return false;
	memcpy(buf, value, len);
	buf[len] = '\0';
	return true;
}

bool mark_number(const char *rest, const char *key, int64_t *out)
{
	char text[24];

	return mark_text(rest, key, text, sizeof(text)) &&
	       vmrt_parse_int(text, INT64_MIN + 1, INT64_MAX, out) == VMRT_OK;
}

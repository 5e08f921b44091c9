/* SPDX-License-Identifier: MIT */
/* Decodes and checks the characters of texts from unknown sources. */
#include <vmrt/utf8.h>

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wchar.h>

uint32_t vmrt_utf8_next(const char **text)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)*text;
	uint32_t c = *p;
	int more;

	if (!c)
		return 0;
	(*text)++;
	if (c < 0x80)
		return c;
	more = c >= 0xf0 && c < 0xf8   ? 3
	       : c >= 0xe0 && c < 0xf0 ? 2
	       : c >= 0xc2 && c < 0xe0 ? 1
				       : 0;
	if (!more)
		return 0xfffd;
	c &= 0x3fU >> more;
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0xfffd;
	*text += more;
	return c;
}

bool vmrt_utf8_is_harmless(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c >= 0xa0) && c != 0xfffd && (c < 0x202a || c > 0x202e) &&
	       (c < 0x2066 || c > 0x2069);
}

size_t vmrt_utf8_length(const char *text)
{
	size_t n = 0;

	while (vmrt_utf8_next(&text))
		n++;
	return n;
}

static locale_t utf8;

static void find_utf8(void)
{
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

unsigned vmrt_utf8_width(uint32_t c)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	locale_t before;
	int width;

	if (c < 0x300) /* the first combining character */
		return 1;
	/* wcwidth() uses the program's locale, which may not be UTF-8 */
	pthread_once(&once, find_utf8);
	if (!utf8)
		return 1;
	before = uselocale(utf8);
	width = wcwidth((wchar_t)c);
	uselocale(before);
	return width < 0 ? 1 : (unsigned)width;
}

size_t vmrt_utf8_columns(const char *text)
{
	size_t n = 0;
	uint32_t c;

	while ((c = vmrt_utf8_next(&text)))
		n += vmrt_utf8_width(c);
	return n;
}

void vmrt_utf8_put(FILE *out, const char *text)
{
	const char *from = text;
	uint32_t c;

	for (; (c = vmrt_utf8_next(&text)); from = text) {
		if (vmrt_utf8_is_harmless(c))
			fwrite(from, 1, (size_t)(text - from), out);
		else
			putc('?', out);
	}
}

void vmrt_utf8_sanitize(char *text)
{
	const char *at = text;
	char *from = text;
	uint32_t c;

	for (; (c = vmrt_utf8_next(&at)); from = text + (at - text))
		if (!vmrt_utf8_is_harmless(c))
			memset(from, '?', (size_t)(at - from));
}

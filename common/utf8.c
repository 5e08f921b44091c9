/* SPDX-License-Identifier: MIT */
/* Characters of texts whose origin is unknown. */
#include <vmrt/utf8.h>

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

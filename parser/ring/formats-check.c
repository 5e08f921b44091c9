/* SPDX-License-Identifier: MIT */
/*
 * Checks format texts before libtraceevent gets them.
 *
 * The library trusts a format: one that no kernel would write makes it crash, take memory without
 * limit, or read beyond a record. Formats come from files and guests, which may be made by anybody.
 */
#include "formats-check.h"

#include <ctype.h>
#include <string.h>

#define MAX_TEXT 65536
#define MAX_LINE 1024
#define MAX_FIELDS 128
#define MAX_NAME 64
#define MAX_DEPTH 40	    /* of parentheses, and of ?: */
#define MAX_WIDTH_DIGITS 3  /* of a conversion in the print format */
#define MAX_CONVERSIONS 256 /* in the print format */

struct field_names {
	char names[MAX_FIELDS][MAX_NAME];
	size_t n;
	uint32_t least; /* all fields end within so many bytes */
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Returns the place behind @word if @p begins with it, else NULL. */
static const char *skip(const char *p, const char *word)
{
	size_t n = strlen(word);

	return p && !strncmp(p, word, n) ? p + n : NULL;
}

static const char *number(const char *p, unsigned long most, unsigned long *out)
{
	*out = 0;
	if (!p || !isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		*out = *out * 10 + (unsigned long)(*p - '0');
		if (*out > most)
			return NULL;
	}
	return p;
}

/* "TYPE NAME;" or "TYPE NAME[LENGTH];": the name is the last word before the bracket. */
static const char *declaration(const char *p, struct field_names *fields)
{
	const char *semicolon = p ? strchr(p, ';') : NULL, *end, *name;
	size_t n;

	if (!semicolon || semicolon - p > MAX_LINE || fields->n == MAX_FIELDS)
		return NULL;
	for (const char *c = p; c < semicolon; c++)
		if (!is_word(*c) && !strchr(" *[]()+-", *c))
			return NULL;
	end = memchr(p, '[', (size_t)(semicolon - p));
	/* in a type such as "__data_loc char[]" the bracket stands before the name */
	if (!end || strchr(" ", end[1]) || (end[1] == ']' && end[2] == ' '))
		end = semicolon;
	while (end > p && !is_word(end[-1]))
		end--;
	name = end;
	while (name > p && is_word(name[-1]))
		name--;
	n = (size_t)(end - name);
	if (!n || n >= MAX_NAME || name == p || isdigit((unsigned char)*name))
		return NULL;
	memcpy(fields->names[fields->n], name, n);
	fields->names[fields->n++][n] = '\0';
	return semicolon + 1;
}

/* "\tfield:TYPE NAME;\toffset:N;\tsize:N;\tsigned:N;\n" */
static const char *field_line(const char *p, struct field_names *fields)
{
	unsigned long offset, size, is_signed;
	bool points = p && (skip(p, "__data_loc ") || skip(p, "__rel_loc "));

	p = declaration(p, fields);
	p = number(skip(p, "\toffset:"), FORMAT_MAX_RECORD, &offset);
	p = number(skip(p, ";\tsize:"), FORMAT_MAX_RECORD, &size);
	p = skip(p, ";\t");
	/* old kernels do not write "signed:" */
	if (p && skip(p, "signed:")) {
		p = number(skip(p, "signed:"), 1, &is_signed);
		p = skip(p, ";");
	}
	/* a __data_loc field has 16 bits for the place of a string and 16 for its length */
	if (!p || offset + size > FORMAT_MAX_RECORD || (points && size != 4))
		return NULL;
	if (offset + size > fields->least)
		fields->least = (uint32_t)(offset + size);
	p += strspn(p, "\t ");
	return skip(p, "\n");
}

static bool has_field(const struct field_names *fields, const char *name, size_t n)
{
	for (size_t i = 0; i < fields->n; i++)
		if (strlen(fields->names[i]) == n && !memcmp(fields->names[i], name, n))
			return true;
	return false;
}

/* Passes over a string in quotes, and counts its conversions. A width that comes from an argument
 * could be any number, so it is refused. */
static const char *string(const char *p, unsigned *conversions)
{
	for (p++; *p && *p != '"'; p++) {
		size_t digits;

		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return NULL;
		if (*p == '\\' && !*++p)
			return NULL;
		if (*p != '%' || p[1] == '%') {
			p += *p == '%';
			continue;
		}
		++*conversions;
		p += 1 + strspn(p + 1, "-+ #0");
		digits = strspn(p, "0123456789");
		if (digits > MAX_WIDTH_DIGITS)
			return NULL;
		p += digits;
		if (*p == '*' && p[1] != 'p')
			return NULL;
		if (*p == '.') {
			digits = strspn(p + 1, "0123456789");
			if (digits > MAX_WIDTH_DIGITS)
				return NULL;
			p += 1 + digits;
		}
		p--;
	}
	return *p == '"' ? p + 1 : NULL;
}

/* Functions that a print format may call; a few more are casts and operators in brackets. */
static const char *const functions[] = {"__print_flags", "__print_symbolic", "__print_hex",
	"__print_hex_str", "__print_array", "__print_flags_u64", "__print_symbolic_u64",
	"__get_str", "__get_dynamic_array", "__get_dynamic_array_len", "__get_bitmask",
	"__get_sockaddr", "sizeof", NULL};

static bool is_function(const char *name, size_t n)
{
	for (const char *const *f = functions; *f; f++)
		if (strlen(*f) == n && !memcmp(*f, name, n))
			return true;
	return false;
}

/* Passes over a word in the arguments: REC->FIELD, a function, a type or a constant. */
static const char *word(const char *p, const struct field_names *fields)
{
	const char *begin = p;
	size_t n;

	while (is_word(*p))
		p++;
	n = (size_t)(p - begin);
	if (n >= MAX_NAME)
		return NULL;
	if (n == 3 && !memcmp(begin, "REC", 3)) {
		p = skip(p, "->");
		for (begin = p; p && is_word(*p); p++)
			;
		return p && has_field(fields, begin, (size_t)(p - begin)) ? p : NULL;
	}
	if (*p == '(' && !is_function(begin, n))
		return NULL;
	/* these functions read a field, which is named without REC-> */
	if (*p == '(' && !memcmp(begin, "__get_", 6)) {
		const char *name = p + 1 + strspn(p + 1, " ");

		n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
		if (!has_field(fields, name, n))
			return NULL;
	}
	return p;
}

/* Checks a division, from its sign on: the divisor has to be a number above 0. */
static bool division(const char *p)
{
	size_t digits;

	p += 1 + strspn(p + 1, " ");
	digits = strspn(p, "0123456789");
	if (!digits || *p == '0')
		return false;
	p += digits;
	p += strspn(p, "UuLl");
	p += strspn(p, " ");
	return !*p || strchr(",):\n", *p);
}

static bool arguments(const char *p, const struct field_names *fields)
{
	char open[MAX_DEPTH];
	unsigned depth = 0, questions = 0, strings = 0;

	while (*p && *p != '\n') {
		if (*p == '"') {
			if (!(p = string(p, &strings)))
				return false;
			continue;
		}
		if (isdigit((unsigned char)*p)) {
			while (is_word(*p))
				p++;
			continue;
		}
		if (is_word(*p)) {
			if (!(p = word(p, fields)))
				return false;
			continue;
		}
		if ((*p == '/' || *p == '%') && !division(p))
			return false;
		if (*p == '?' && ++questions > MAX_DEPTH)
			return false;
		if (strchr("([{", *p)) {
			if (depth == MAX_DEPTH)
				return false;
			open[depth++] = *p == '(' ? ')' : *p == '[' ? ']' : '}';
		} else if (strchr(")]}", *p)) {
			if (!depth || open[--depth] != *p)
				return false;
		} else if (!strchr(" ,?:<>=!&|+-*/%~^", *p)) {
			return false;
		}
		p++;
	}
	return !depth && (!*p || !p[1 + strspn(p + 1, "\n ")]);
}

static bool print_format(const char *p, const struct field_names *fields)
{
	unsigned conversions = 0;

	p = skip(p, "print fmt: ");
	if (!p || *p != '"')
		return false;
	p = string(p, &conversions);
	if (!p || conversions > MAX_CONVERSIONS)
		return false;
	return !*p || *p == '\n' || *p == ' ' || *p == ',' ? arguments(p, fields) : false;
}

enum format_trust formats_check(const char *text, size_t *fields_end, uint32_t *least)
{
	struct field_names fields = {.n = 0};
	unsigned long id;
	const char *p = skip(text, "name: ");
	size_t n;

	if (!p || strnlen(text, MAX_TEXT) == MAX_TEXT)
		return FORMAT_REFUSED;
	n = 0;
	while (is_word(p[n]))
		n++;
	if (!n || n >= 2 * MAX_NAME)
		return FORMAT_REFUSED;
	p = number(skip(p + n, "\nID: "), 65535, &id);
	p = skip(p, "\nformat:\n");
	while (p && *p != 'p') {
		/* an empty line ends the common fields */
		if (*p == '\n')
			p++;
		else
			p = field_line(skip(p, "\tfield:"), &fields);
		if (p && *p != '\t' && *p != '\n' && *p != 'p')
			return FORMAT_REFUSED;
	}
	if (!p || fields.n < 4)
		return FORMAT_REFUSED;
	*fields_end = (size_t)(p - text);
	*least = fields.least;
	return print_format(p, &fields) ? FORMAT_PRINTABLE : FORMAT_FIELDS;
}

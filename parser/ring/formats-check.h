/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_FORMATS_CHECK_H
#define VMRT_PARSER_RING_FORMATS_CHECK_H

/* Decides which texts of event formats may be given to a parser that trusts them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field of a record lies within this many bytes. */
#define FORMAT_MAX_RECORD 65536u

enum format_trust {
	FORMAT_REFUSED,	  /* not as a kernel writes it: nothing may be done with it */
	FORMAT_FIELDS,	  /* the fields are well formed, the print format is not */
	FORMAT_PRINTABLE, /* the print format, too */
};

/**
 * formats_check - is @text what a kernel writes into events/SYSTEM/EVENT/format?
 * @fields_end: where the fields end and the line "print fmt:" begins
 * @least: how many bytes a record must have to hold all fields
 *
 * Fields must have a known form, lie within FORMAT_MAX_RECORD bytes, and be at most 128. A print
 * format must be one string and its arguments: known functions, existing fields, balanced
 * parentheses that are not deeply nested, and no widths that come from the record.
 */
enum format_trust formats_check(const char *text, size_t *fields_end, uint32_t *least);

#endif

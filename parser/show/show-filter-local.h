/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SHOW_SHOW_FILTER_LOCAL_H
#define VMRT_PARSER_SHOW_SHOW_FILTER_LOCAL_H

/* A condition in the form in which it is stored after reading, for the judging of events. */

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "show-filter.h"

#define IDS 65536
#define NODES 64 /* comparisons, and the operators between them, in one condition */
#define WORD 128

enum word {
	WORD_EQ,
	WORD_NE,
	WORD_LE,
	WORD_GE,
	WORD_LT,
	WORD_GT,
	WORD_MATCH,
	WORD_MISMATCH,
	WORD_GLOB,
	WORD_BITS,
	WORD_AND,
	WORD_OR,
	WORD_NOT
};

/* Nodes stand in the order in which they are computed: both operands before their operator. */
struct node {
	enum word word;
	char field[WORD], text[WORD];
	bool is_number;
	long long number;
	regex_t regex;
	bool has_regex;
};

struct show_filter {
	struct show_filter *next;
	struct node nodes[NODES];
	size_t n;
	uint8_t takes[IDS / 8]; /* a bit for each event that the condition is about */
};

/** show_filter_takes - is the condition about event @id? */
static inline bool show_filter_takes(const struct show_filter *filter, int id)
{
	return id >= 0 && id < IDS && filter->takes[id / 8] & 1u << id % 8;
}

#endif

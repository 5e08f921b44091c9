/* SPDX-License-Identifier: MIT */
/* Judges whether a record fulfils a condition on the fields of its event. */
#include "show-filter-local.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/glob.h>

/* If an event lacks a field, neither a comparison with it nor the opposite is true. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_NONE };

static enum answer yes(bool is)
{
	return is ? ANSWER_YES : ANSWER_NO;
}

static enum answer compare_numbers(const struct node *node, long long value, bool is_signed)
{
	bool less = is_signed ? value < node->number
			      : (unsigned long long)value < (unsigned long long)node->number;

	/* a number below 0 is less than every value of a field without a sign */
	if (!is_signed && node->number < 0 && *node->text == '-')
		return yes(node->word == WORD_NE || node->word == WORD_GT || node->word == WORD_GE);
	switch (node->word) {
	case WORD_EQ:
		return yes(value == node->number);
	case WORD_NE:
		return yes(value != node->number);
	case WORD_LT:
		return yes(less);
	case WORD_LE:
		return yes(less || value == node->number);
	case WORD_GT:
		return yes(!less && value != node->number);
	case WORD_GE:
		return yes(!less);
	case WORD_BITS:
		return yes(value & node->number);
	default:
		return ANSWER_NONE;
	}
}

static enum answer compare_text(const struct node *node, const char *text)
{
	switch (node->word) {
	case WORD_EQ:
		return yes(!strcmp(text, node->text));
	case WORD_NE:
		return yes(strcmp(text, node->text) != 0);
	case WORD_MATCH:
		return yes(regexec(&node->regex, text, 0, NULL, 0) == 0);
	case WORD_MISMATCH:
		return yes(regexec(&node->regex, text, 0, NULL, 0) != 0);
	case WORD_GLOB:
		return yes(vmrt_glob(node->text, text, SIZE_MAX / 2));
	default:
		return ANSWER_NONE; /* a text is neither less nor greater than a number */
	}
}

/* Gets the text of a field, which ends with the record at the latest. */
static bool get_text(
	const struct tep_format_field *f, const struct show_record *record, char *out, size_t room)
{
	unsigned long long at = (unsigned)f->offset, length = (unsigned)f->size, where;

	if (at + length > record->size)
		return false;
	if (f->flags & TEP_FIELD_IS_DYNAMIC) {
		if (tep_read_number_field(
			    (struct tep_format_field *)(uintptr_t)f, record->data, &where) != 0)
			return false;
		at = (where & 0xffff) +
		     (f->flags & TEP_FIELD_IS_RELATIVE ? (unsigned)(f->offset + f->size) : 0);
		length = where >> 16 & 0xffff;
	}
	if (at > record->size || length > record->size - at)
		return false;
	snprintf(out, room, "%.*s", (int)length, (const char *)record->data + at);
	return true;
}

static enum answer compare_field(struct tep_handle *tep, const struct node *node,
	struct tep_format_field *f, const struct show_record *record)
{
	unsigned long long value;
	char text[1024];
	const char *function;

	if (f->flags & TEP_FIELD_IS_STRING)
		return get_text(f, record, text, sizeof(text)) ? compare_text(node, text)
							       : ANSWER_NONE;
	if (f->flags & (TEP_FIELD_IS_ARRAY | TEP_FIELD_IS_DYNAMIC) ||
		(unsigned)f->offset + (unsigned)f->size > record->size ||
		tep_read_number_field(f, record->data, &value) != 0)
		return ANSWER_NONE;
	if (node->is_number) {
		unsigned bits = f->size < 8 ? 8u * (unsigned)f->size : 64;
		bool is_signed = f->flags & TEP_FIELD_IS_SIGNED;

		if (is_signed && bits < 64)
			value = (unsigned long long)((long long)(value << (64 - bits)) >>
						     (64 - bits));
		return compare_numbers(node, (long long)value, is_signed);
	}
	function = f->size == 8 ? tep_find_function(tep, value) : NULL;
	return function ? compare_text(node, function) : ANSWER_NONE;
}

static enum answer judge(struct tep_handle *tep, const struct node *node, struct tep_event *event,
	const struct show_record *record)
{
	struct tep_format_field *f = tep_find_any_field(event, node->field);
	char number[32];

	if (f)
		return compare_field(tep, node, f, record);
	if (!strcmp(node->field, "COMM"))
		return compare_text(node, record->comm);
	if (strcmp(node->field, "CPU") != 0)
		return ANSWER_NONE;
	snprintf(number, sizeof(number), "%u", record->cpu);
	return node->is_number ? compare_numbers(node, record->cpu, true)
			       : compare_text(node, number);
}

static enum answer both(enum answer a, enum answer b)
{
	if (a == ANSWER_NO || b == ANSWER_NO)
		return ANSWER_NO;
	return a == ANSWER_YES && b == ANSWER_YES ? ANSWER_YES : ANSWER_NONE;
}

static enum answer opposite(enum answer a)
{
	return a == ANSWER_NONE ? a : yes(a == ANSWER_NO);
}

static bool fulfils(const struct show_filter *filter, struct tep_handle *tep,
	struct tep_event *event, const struct show_record *record)
{
	enum answer stack[NODES];
	size_t top = 0;

	for (size_t i = 0; i < filter->n; i++) {
		const struct node *node = &filter->nodes[i];

		switch (node->word) {
		case WORD_NOT:
			stack[top - 1] = opposite(stack[top - 1]);
			break;
		case WORD_AND:
			top--;
			stack[top - 1] = both(stack[top - 1], stack[top]);
			break;
		case WORD_OR:
			top--;
			stack[top - 1] =
				opposite(both(opposite(stack[top - 1]), opposite(stack[top])));
			break;
		default:
			stack[top++] = judge(tep, node, event, record);
		}
	}
	return stack[0] == ANSWER_YES;
}

bool show_filter_passes(const struct show_filter *list, struct tep_handle *tep, int id,
	const struct show_record *record)
{
	struct tep_event *event = tep_find_event(tep, id);

	for (const struct show_filter *f = list; f && event; f = f->next)
		if (show_filter_takes(f, id) && fulfils(f, tep, event, record))
			return true;
	return false;
}

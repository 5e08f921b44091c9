/* SPDX-License-Identifier: MIT */
/*
 * Conditions on the fields of events: "next_prio < 100 && (prev_comm == sh || CPU == 1)".
 *
 * vmrt judges them itself: the filters of libtraceevent 1.7 end the program for conditions that are
 * not complete, and take `prev_pid == -1` for true. The language is the same as far as both have
 * it.
 */
#include "show-filter-local.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/glob.h>
#include <vmrt/similar.h>

#define MANY_FIELDS 512
#define COPIES 4096 /* copies of a part that its repetitions may make */

static const char *const operators[] = {[WORD_EQ] = "==",
	[WORD_NE] = "!=",
	[WORD_LE] = "<=",
	[WORD_GE] = ">=",
	[WORD_MATCH] = "=~",
	[WORD_MISMATCH] = "!~",
	[WORD_LT] = "<",
	[WORD_GT] = ">",
	[WORD_GLOB] = "~",
	[WORD_BITS] = "&"};
/* a longer operator must stand before one that it begins with */
static const enum word by_length[] = {WORD_EQ, WORD_NE, WORD_LE, WORD_GE, WORD_MATCH, WORD_MISMATCH,
	WORD_LT, WORD_GT, WORD_GLOB, WORD_BITS};

/* ---- reading a condition ---- */

struct reader {
	struct show_filter *filter;
	const char *whole, *at;
	struct vmrt_error *err;
	unsigned depth;
};

static bool complain(struct reader *r, const char *what)
{
	if (*r->at)
		vmrt_fail(r->err, VMRT_EINVAL, "--filter '%s', at '%s': %s", r->whole, r->at, what);
	else
		vmrt_fail(r->err, VMRT_EINVAL, "--filter '%s', at its end: %s", r->whole, what);
	return false;
}

static void skip_blanks(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

static bool takes(struct reader *r, const char *text)
{
	skip_blanks(r);
	if (strncmp(r->at, text, strlen(text)) != 0)
		return false;
	r->at += strlen(text);
	return true;
}

static struct node *add_node(struct reader *r, enum word word)
{
	struct node *node = &r->filter->nodes[r->filter->n];

	if (r->filter->n == NODES) {
		complain(r, "the condition is too long");
		return NULL;
	}
	node->word = word;
	r->filter->n++;
	return node;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Characters that a value without quotes may have: in a thread's name, an address, a part of a
 * path. */
static bool is_plain(char c)
{
	return is_name(c) || (c && strchr("-./:#@+", c));
}

static bool read_quoted(struct reader *r, char quote, char out[WORD])
{
	const char *end = strchr(r->at + 1, quote);
	int n = end ? (int)(end - r->at - 1) : 0;

	if (!end)
		return complain(r, "the quotation mark is not closed");
	if (n >= WORD)
		return complain(r, "the value is too long");
	snprintf(out, WORD, "%.*s", n, r->at + 1);
	r->at = end + 1;
	return true;
}

static bool read_word(struct reader *r, bool (*is_part)(char), const char *what, char out[WORD])
{
	size_t n = 0;

	skip_blanks(r);
	while (is_part(r->at[n]))
		n++;
	if (!n || n >= WORD)
		return complain(r, n ? "the word is too long" : what);
	snprintf(out, WORD, "%.*s", (int)n, r->at);
	r->at += n;
	return true;
}

/* The value decides by its form whether it is a number. */
static bool read_value(struct reader *r, struct node *node)
{
	const char *begin;
	char *end;

	skip_blanks(r);
	begin = r->at;
	if (*r->at == '"' || *r->at == '\'')
		return read_quoted(r, *r->at, node->text);
	if (!read_word(r, is_plain, "a value is missing: a number, or a text in \"\"", node->text))
		return false;
	errno = 0;
	node->number = *node->text == '-' ? strtoll(node->text, &end, 0)
					  : (long long)strtoull(node->text, &end, 0);
	node->is_number = end != node->text && !*end;
	if (node->is_number && errno) {
		r->at = begin;
		return complain(r, "the number is too large");
	}
	return true;
}

/* Returns the largest number in the {} at @at, at least 1. */
static unsigned long repetitions(const char *at)
{
	unsigned long most = 1;

	while (*at && *at != '}') {
		char *end = (char *)(uintptr_t)at + 1;
		unsigned long n = isdigit((unsigned char)*at) ? strtoul(at, &end, 10) : 0;

		most = n > most ? n : most;
		at = end;
	}
	return most;
}

/*
 * regcomp() makes as many copies of an expression as its repetitions say, and those within others
 * are multiplied: "a{250}{250}{250}" would take gigabytes. Each + makes two copies.
 */
static bool repeats_too_often(const char *expression)
{
	unsigned long copies = 1;

	for (const char *at = expression; *at && copies <= COPIES; at++) {
		unsigned long n = *at == '{' ? repetitions(at + 1) : *at == '+' ? 2 : 1;

		copies = n > COPIES ? n : copies * n;
	}
	return copies > COPIES;
}

static bool has_back_reference(const char *expression)
{
	for (const char *at = strchr(expression, '\\'); at; at = strchr(at, '\\')) {
		if (isdigit((unsigned char)at[1]))
			return true;
		at += at[1] ? 2 : 1;
	}
	return false;
}

/* Compiles the value of @node as a regular expression; returns what is wrong with it, or NULL. */
static const char *compile_regex(struct node *node)
{
	if (repeats_too_often(node->text))
		return "its repetitions are too many";
	/* regexec() needs twice the time for these with each character of the text */
	if (has_back_reference(node->text))
		return "it refers back to a part of itself, which takes too long";
	node->has_regex =
		regcomp(&node->regex, node->text, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
	return node->has_regex ? NULL : "this is no regular expression";
}

static bool finish_comparison(struct reader *r, struct node *node, const char *value_at)
{
	bool text_only =
		node->word == WORD_MATCH || node->word == WORD_MISMATCH || node->word == WORD_GLOB;
	bool order = node->word == WORD_LT || node->word == WORD_GT || node->word == WORD_LE ||
		     node->word == WORD_GE || node->word == WORD_BITS;
	const char *wrong = NULL;

	if (order && !node->is_number)
		wrong = "this operator needs a number";
	else if (node->word == WORD_MATCH || node->word == WORD_MISMATCH)
		wrong = compile_regex(node);
	if (text_only)
		node->is_number = false;
	if (!wrong)
		return true;
	r->at = value_at;
	return complain(r, wrong);
}

static bool read_comparison(struct reader *r)
{
	struct node *node = add_node(r, WORD_EQ);
	const char *value_at;

	if (!node || !read_word(r, is_name, "the name of a field is missing, as in next_prio < 100",
			     node->field))
		return false;
	skip_blanks(r);
	for (size_t i = 0; i < sizeof(by_length) / sizeof(*by_length); i++) {
		/* && stands between two comparisons */
		if (strncmp(r->at, "&&", 2) == 0 || !takes(r, operators[by_length[i]]))
			continue;
		node->word = by_length[i];
		skip_blanks(r);
		value_at = r->at;
		return read_value(r, node) && finish_comparison(r, node, value_at);
	}
	return complain(r, "behind a field stands one of == != < <= > >= =~ !~ ~ &");
}

static bool read_any(struct reader *r);

static bool read_one(struct reader *r)
{
	bool read;

	if (++r->depth > NODES)
		return complain(r, "the condition is too long");
	if (takes(r, "!"))
		read = read_one(r) && add_node(r, WORD_NOT);
	else if (takes(r, "("))
		read = read_any(r) && (takes(r, ")") || complain(r, "a ) is missing"));
	else
		read = read_comparison(r);
	r->depth--;
	return read;
}

static bool read_all(struct reader *r)
{
	bool read = read_one(r);

	while (read && takes(r, "&&"))
		read = read_one(r) && add_node(r, WORD_AND);
	return read;
}

static bool read_any(struct reader *r)
{
	bool read = read_all(r);

	while (read && takes(r, "||"))
		read = read_all(r) && add_node(r, WORD_OR);
	return read;
}

/* ---- which events it is about ---- */

static bool is_pseudo(const char *field)
{
	return !strcmp(field, "COMM") || !strcmp(field, "CPU");
}

/* "EVENT,SYSTEM:EVENT,SYSTEM/EVENT": does one of the patterns stand for the event? */
static bool is_meant(const char *patterns, size_t length, const struct tep_event *e)
{
	char all[2 * WORD], *rest = all, *one;

	if (!length)
		return true;
	snprintf(all, sizeof(all), "%.*s", (int)length, patterns);
	while ((one = strsep(&rest, ", "))) {
		char *name = strpbrk(one, ":/");

		if (name)
			*name++ = '\0';
		if (vmrt_glob(name ? name : one, e->name, SIZE_MAX / 2) &&
			(!name || vmrt_glob(one, e->system, SIZE_MAX / 2)))
			return true;
	}
	return false;
}

static size_t choose_events(
	struct tep_handle *tep, const char *patterns, size_t length, struct show_filter *filter)
{
	int n = tep_get_events_count(tep);
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		const struct tep_event *e = tep_get_event(tep, i);

		if (e->id < 0 || e->id >= IDS || !is_meant(patterns, length, e))
			continue;
		filter->takes[e->id / 8] |= (uint8_t)(1u << e->id % 8);
		found++;
	}
	return found;
}

/* Lists the names of the fields of all chosen events, each once; returns how many there are. */
static size_t list_fields(
	struct tep_handle *tep, const struct show_filter *filter, const char *names[MANY_FIELDS])
{
	size_t n = 0;

	for (int i = 0; i < tep_get_events_count(tep); i++) {
		const struct tep_event *e = tep_get_event(tep, i);

		for (const struct tep_format_field *f =
				show_filter_takes(filter, e->id) ? e->format.fields : NULL;
			f && n < MANY_FIELDS; f = f->next) {
			size_t k = 0;

			while (k < n && strcmp(names[k], f->name) != 0)
				k++;
			if (k == n)
				names[n++] = f->name;
		}
	}
	return n;
}

static bool has_field(struct tep_handle *tep, const struct show_filter *filter, const char *field)
{
	for (int i = 0; i < tep_get_events_count(tep); i++) {
		struct tep_event *e = tep_get_event(tep, i);

		if (show_filter_takes(filter, e->id) && tep_find_any_field(e, field))
			return true;
	}
	return is_pseudo(field);
}

static enum vmrt_status check_fields(struct tep_handle *tep, const struct show_filter *filter,
	const char *expression, struct vmrt_error *err)
{
	char list[VMRT_SIMILAR_TEXT];

	for (size_t i = 0; i < filter->n; i++) {
		const char *field = filter->nodes[i].field, **names;

		if (!*field || has_field(tep, filter, field))
			continue;
		names = calloc(MANY_FIELDS, sizeof(*names));
		if (!names)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		vmrt_similar(field, names, list_fields(tep, filter, names), list);
		free(names);
		return vmrt_fail(err, VMRT_ENOENT,
			"--filter '%.80s': no event that is meant has a field %.40s; there are %s",
			expression, field, list);
	}
	return VMRT_OK;
}

/* Returns the length of the names of events, which end at the last colon outside of quotation
 * marks. */
static size_t events_length(const char *expression)
{
	size_t length = 0;
	char quote = '\0';

	for (size_t i = 0; expression[i] && (quote || !strchr("=<>~&!(", expression[i])); i++) {
		if (quote ? expression[i] == quote : expression[i] == '"' || expression[i] == '\'')
			quote = quote ? '\0' : expression[i];
		else if (!quote && expression[i] == ':')
			length = i;
	}
	return length;
}

enum vmrt_status show_filter_add(struct show_filter **list, struct tep_handle *tep,
	const char *expression, struct vmrt_error *err)
{
	size_t length = events_length(expression);
	struct show_filter *filter = calloc(1, sizeof(*filter));
	struct reader r = {filter, expression, expression + length + (length > 0), err, 0};
	enum vmrt_status status = VMRT_OK;

	if (!filter)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (!read_any(&r) || (skip_blanks(&r), *r.at && !complain(&r, "nothing may follow here")))
		status = VMRT_EINVAL;
	else if (length >= 2 * WORD || !choose_events(tep, expression, length, filter))
		status = vmrt_fail(err, VMRT_ENOENT,
			"--filter '%.80s': the recording has no such event", expression);
	else
		status = check_fields(tep, filter, expression, err);
	if (status != VMRT_OK) {
		show_filter_free(filter);
		return status;
	}
	filter->next = *list;
	*list = filter;
	return VMRT_OK;
}

void show_filter_free(struct show_filter *filter)
{
	while (filter) {
		struct show_filter *next = filter->next;

		for (size_t i = 0; i < filter->n; i++)
			if (filter->nodes[i].has_regex)
				regfree(&filter->nodes[i].regex);
		free(filter);
		filter = next;
	}
}

/* SPDX-License-Identifier: MIT */
/* Options as rows of a table: parsing an argument by its kind, and the help text that says range
 * and default. */
#include <vmrt/option.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/similar.h>
#include <vmrt/status.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

static bool has_range(const struct vmrt_option *o)
{
	return o->least || o->most;
}

/* Has the range an upper limit that people should know? */
static bool has_top(const struct vmrt_option *o)
{
	return o->most && o->most < INT32_MAX * (int64_t)1000000;
}

static const char *limit_text(
	const struct vmrt_option *o, int64_t limit, char text[VMRT_UNITS_TEXT])
{
	if (o->kind == VMRT_OPTION_KIND_TIME)
		vmrt_format_duration(limit, text);
	else if (o->kind == VMRT_OPTION_KIND_SIZE && limit >= 1 << 30 && limit % (1 << 30) == 0)
		snprintf(text, VMRT_UNITS_TEXT, "%" PRId64 "GiB", limit >> 30);
	else if (o->kind == VMRT_OPTION_KIND_SIZE && limit >= 1 << 20 && limit % (1 << 20) == 0)
		snprintf(text, VMRT_UNITS_TEXT, "%" PRId64 "MiB", limit >> 20);
	else if (o->kind == VMRT_OPTION_KIND_SIZE && limit >= 1024 && limit % 1024 == 0)
		snprintf(text, VMRT_UNITS_TEXT, "%" PRId64 "KiB", limit >> 10);
	else
		snprintf(text, VMRT_UNITS_TEXT, "%" PRId64, limit);
	return text;
}

/* "a, b or c" */
static void put_choices(FILE *out, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++)
		fprintf(out, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

static void put_range(FILE *out, const struct vmrt_option *o)
{
	char least[VMRT_UNITS_TEXT], most[VMRT_UNITS_TEXT];

	if (has_top(o))
		fprintf(out, "from %s to %s", limit_text(o, o->least, least),
			limit_text(o, o->most, most));
	else
		fprintf(out, "from %s on", limit_text(o, o->least, least));
}

char *vmrt_option_help(const struct vmrt_option *o)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool range = o->kind == VMRT_OPTION_KIND_COUNT || o->kind == VMRT_OPTION_KIND_TIME ||
		     o->kind == VMRT_OPTION_KIND_SIZE || o->kind == VMRT_OPTION_KIND_NUMBER;

	if (!out)
		return NULL;
	fputs(o->help, out);
	if (o->choices && o->kind == VMRT_OPTION_KIND_CHOICE) {
		fputs(": ", out);
		put_choices(out, o->choices);
	}
	if (range && has_range(o) && (o->least > 1 || has_top(o))) {
		fputs(", ", out);
		put_range(out, o);
	}
	if (o->kind == VMRT_OPTION_KIND_LIST)
		fputs("; may be repeated", out);
	if (o->standard)
		fprintf(out, " (default: %s)", o->standard);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool in_range(const struct vmrt_option *o, int64_t value)
{
	return has_range(o) ? value >= o->least && (!o->most || value <= o->most) : value >= 0;
}

static bool parse_number(const struct vmrt_option *o, const char *arg, double *out)
{
	char *end;

	if (!*arg || strspn(arg, "0123456789.") != strlen(arg))
		return false;
	errno = 0;
	*out = strtod(arg, &end);
	return !*end && !errno && isfinite(*out) && *out >= (double)o->least &&
	       (!o->most || *out <= (double)o->most);
}

static bool parse_size(const struct vmrt_option *o, const char *arg, uint64_t *out)
{
	return vmrt_parse_size(arg, out) == VMRT_OK && *out <= INT64_MAX &&
	       in_range(o, (int64_t)*out);
}

static bool parse_choice(const struct vmrt_option *o, const char *arg, int *out)
{
	for (int i = 0; o->choices[i]; i++)
		if (!strcmp(o->choices[i], arg)) {
			*out = i;
			return true;
		}
	return false;
}

/* Writes the value; returns false if the argument is not one of this kind, or out of range. */
static bool set_value(const struct vmrt_option *o, void *opts, const char *arg)
{
	void *place = (char *)opts + o->offset;
	int64_t whole;

	switch (o->kind) {
	case VMRT_OPTION_KIND_FLAG:
		*(bool *)place = true;
		return true;
	case VMRT_OPTION_KIND_TEXT:
		*(const char **)place = arg;
		return true;
	case VMRT_OPTION_KIND_COUNT:
		if (vmrt_parse_int(arg, has_range(o) ? o->least : 0, o->most ? o->most : INT64_MAX,
			    &whole) != VMRT_OK)
			return false;
		*(int64_t *)place = whole;
		return true;
	case VMRT_OPTION_KIND_TIME:
		if (vmrt_parse_duration(arg, 0, &whole) != VMRT_OK || !in_range(o, whole))
			return false;
		*(int64_t *)place = whole;
		return true;
	case VMRT_OPTION_KIND_SIZE:
		return parse_size(o, arg, place);
	case VMRT_OPTION_KIND_NUMBER:
		return parse_number(o, arg, place);
	case VMRT_OPTION_KIND_CHOICE:
		return parse_choice(o, arg, place);
	case VMRT_OPTION_KIND_LIST:
	case VMRT_OPTION_KIND_CALL:
		break;
	}
	return false;
}

static const char *kind_words(const struct vmrt_option *o)
{
	switch (o->kind) {
	case VMRT_OPTION_KIND_TIME:
		return "a time";
	case VMRT_OPTION_KIND_SIZE:
		return "a size";
	case VMRT_OPTION_KIND_COUNT:
		return "a whole number";
	default:
		return "a number";
	}
}

static size_t count_words(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

/* Is @arg a number without a unit? Only the user knows which unit was meant. */
static bool lacks_unit(const struct vmrt_option *o, const char *arg)
{
	return o->kind == VMRT_OPTION_KIND_TIME && *arg && arg[strspn(arg, "0123456789.")] == '\0';
}

static void put_wanted(FILE *out, const struct vmrt_option *o, const char *arg)
{
	const char *meant =
		o->choices ? vmrt_name_meant(arg, o->choices, count_words(o->choices)) : NULL;
	/* for times and sizes, people need not know that the least value is 1 ns or 1 byte */
	bool bounded =
		o->least > 1 || has_top(o) || (o->least == 1 && o->kind == VMRT_OPTION_KIND_COUNT);

	if (o->choices) {
		put_choices(out, o->choices);
		if (meant && *arg)
			fprintf(out, " (did you mean %s?)", meant);
		return;
	}
	fputs(kind_words(o), out);
	if (lacks_unit(o, arg))
		fputs(" with its unit (ns, us, ms or s)", out);
	if (bounded) {
		fputs(" ", out);
		put_range(out, o);
	}
	if (o->sample || o->standard)
		fprintf(out, "%s such as %s", bounded ? "," : "",
			o->sample ? o->sample : o->standard);
}

error_t vmrt_option_complain(
	const struct vmrt_option *o, const char *arg, const struct argp_state *state)
{
	char *wanted = NULL;
	size_t size;
	FILE *out = open_memstream(&wanted, &size);
	error_t result;

	if (out) {
		put_wanted(out, o, arg);
		fclose(out);
	}
	result = vmrt_usage(
		state, "--%s '%s': give %s", o->name, arg, wanted ? wanted : "another value");
	free(wanted);
	return result;
}

/* Checks a text. Names of files, VMs or tasks cannot be checked here; only the words in the table
 * can. */
static error_t check_text(
	const struct vmrt_option *o, const char *arg, const struct argp_state *state)
{
	if (!*arg)
		return vmrt_usage(state, "--%s '': the %s is empty", o->name,
			!strcmp(o->arg, "NAME") ? "name" : "argument");
	if (!o->choices)
		return 0;
	for (const char *const *word = o->choices; *word; word++)
		if (!strcmp(*word, arg))
			return 0;
	return vmrt_option_complain(o, arg, state);
}

static error_t add_item(
	const struct vmrt_option *o, void *opts, const char *arg, const struct argp_state *state)
{
	const char **items = (const char **)((char *)opts + o->offset);
	size_t *n = (size_t *)((char *)opts + o->count);
	error_t bad = check_text(o, arg, state);

	if (bad)
		return bad;
	if (*n >= (size_t)o->most)
		return vmrt_usage(
			state, "--%s is given more than %" PRId64 " times", o->name, o->most);
	items[(*n)++] = arg;
	return 0;
}

error_t vmrt_option_take(
	const struct vmrt_option *o, void *opts, char *arg, const struct argp_state *state)
{
	if (o->kind == VMRT_OPTION_KIND_CALL)
		return o->call(opts, arg, state);
	if (o->kind == VMRT_OPTION_KIND_LIST)
		return add_item(o, opts, arg, state);
	if (o->kind == VMRT_OPTION_KIND_TEXT && check_text(o, arg, state) != 0)
		return EINVAL;
	return set_value(o, opts, arg) ? 0 : vmrt_option_complain(o, arg, state);
}

void vmrt_options_standard(const struct vmrt_option *table, void *opts)
{
	for (const struct vmrt_option *o = table; o && o->name; o++) {
		if (!o->standard || o->kind == VMRT_OPTION_KIND_CALL ||
			o->kind == VMRT_OPTION_KIND_LIST || o->kind == VMRT_OPTION_KIND_FLAG)
			continue;
		if (o->kind == VMRT_OPTION_KIND_TEXT)
			continue; /* the text describes what happens without the option */
		if (!set_value(o, opts, o->standard)) {
			fprintf(stderr, "the default of --%s is out of its range: %s\n", o->name,
				o->standard);
			abort();
		}
	}
}

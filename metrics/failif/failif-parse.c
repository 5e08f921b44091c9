/* SPDX-License-Identifier: MIT */
/* Parses a condition. */
#include "failif.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/similar.h>

#include "common/experiment-text.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct reader {
	const char *text, *at;
	struct vmrt_error *err;
};

static void skip_blanks(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

/* "at character 7, 'xyz': WHAT" */
static enum vmrt_status wrong(struct reader *r, const char *at, const char *what)
{
	size_t column = (size_t)(at - r->text) + 1;

	if (!*at)
		return vmrt_fail(r->err, VMRT_EINVAL, "'%s', at its end: %s", r->text, what);
	return vmrt_fail(
		r->err, VMRT_EINVAL, "'%s', character %zu, '%.20s': %s", r->text, column, at, what);
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* "p99.9" is 999 / 1000; false if it is no percentile above 0 and up to 100. */
static bool parse_percentile(const char *digits, size_t length, unsigned *num, unsigned *den)
{
	unsigned n = 0, d = 100;
	bool fraction = false, any = false;

	for (size_t i = 0; i < length; i++) {
		if (digits[i] == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (!isdigit((unsigned char)digits[i]) || d > 1000000)
			return false;
		any = true;
		n = n * 10 + (unsigned)(digits[i] - '0');
		if (fraction)
			d *= 10;
		if (n > d)
			return false;
	}
	*num = n;
	*den = d;
	return any && n > 0 && digits[length - 1] != '.';
}

#define PERCENTILE "response_p"

static enum vmrt_status parse_metric(struct reader *r, struct vmrt_condition *c)
{
	const char *begin = r->at;
	char what[512] = "there is no such metric; there are", word[64];
	const char *names[64], *meant;
	size_t length, used = strlen(what), n = 0;

	while (word_char(*r->at))
		r->at++;
	length = (size_t)(r->at - begin);
	for (const struct condition_metric *m = condition_metric_list(); m->name; m++) {
		size_t prefix = strlen(PERCENTILE);

		if (!strcmp(m->name, PERCENTILE)) {
			if (length > prefix && !strncmp(begin, PERCENTILE, prefix) &&
				parse_percentile(begin + prefix, length - prefix, &c->num, &c->den))
				c->metric = m;
		} else if (strlen(m->name) == length && !strncmp(m->name, begin, length)) {
			c->metric = m;
		}
		if (used < sizeof(what))
			used += (size_t)snprintf(what + used, sizeof(what) - used, " %s%s", m->name,
				!strcmp(m->name, PERCENTILE) ? "50, response_p99.9, ..." : "");
		if (n < sizeof(names) / sizeof(names[0]))
			names[n++] = m->name;
	}
	if (!c->metric) {
		snprintf(word, sizeof(word), "%.*s", (int)length, begin);
		meant = length ? vmrt_name_meant(word, names, n) : NULL;
		if (meant)
			snprintf(what, sizeof(what), "there is no such metric: did you mean %s%s?",
				meant, !strcmp(meant, PERCENTILE) ? "99" : "");
		return wrong(r, begin, what);
	}
	snprintf(c->words, sizeof(c->words), "%.*s", (int)length, begin);
	return VMRT_OK;
}

/* Is there a slash between machine and task, before the name ends? */
static bool has_slash(const char *at)
{
	bool quoted = *at == '"';

	for (at += quoted; *at && (quoted ? *at != '"' : *at != ')' && *at != '/'); at++)
		if (*at == '\\' && at[1])
			at++;
	if (quoted && *at)
		at += 1 + strspn(at + 1, " \t");
	return *at == '/';
}

/* Names as the experiment file has them: MACHINE/NAME, each in quotes or with escapes. */
static enum vmrt_status parse_name(struct reader *r, struct vmrt_condition *c)
{
	char first[sizeof(c->name)], second[sizeof(c->name)] = "";
	const char *begin, *why;
	bool pair;

	skip_blanks(r);
	if (*r->at != '(')
		return VMRT_OK;
	r->at++;
	skip_blanks(r);
	begin = r->at;
	why = experiment_word(&r->at, has_slash(begin) ? '/' : ')', first, sizeof(first));
	pair = !why && *r->at == '/';
	if (pair) {
		r->at++;
		why = experiment_word(&r->at, ')', second, sizeof(second));
	}
	if (why)
		return wrong(r, begin, why);
	if (*r->at != ')')
		return wrong(r, r->at, "the name has to end with ')'");
	if (!*first || (pair && !*second))
		return wrong(r, begin,
			"a name has to be between the parentheses; without them, all are meant");
	if ((size_t)snprintf(c->name, sizeof(c->name), "%s%s%s", first, pair ? "/" : "", second) >=
		sizeof(c->name))
		return wrong(r, begin, "no name is that long");
	r->at++;
	return VMRT_OK;
}

static enum vmrt_status parse_relation(struct reader *r, struct vmrt_condition *c)
{
	static const struct {
		const char *sign;
		enum condition_relation relation;
	} signs[] = {/* longer ones first */
		{">=", VMRT_FROM}, {"<=", VMRT_UPTO}, {"==", VMRT_EQUAL}, {"!=", VMRT_DIFFERENT},
		{">", VMRT_ABOVE}, {"<", VMRT_BELOW}, {"=", VMRT_EQUAL}};

	skip_blanks(r);
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		size_t length = strlen(signs[i].sign);

		if (strncmp(r->at, signs[i].sign, length) != 0)
			continue;
		c->relation = signs[i].relation;
		c->limits = r->at;
		r->at += length;
		return VMRT_OK;
	}
	return wrong(r, r->at, "here has to be one of > >= < <= == !=");
}

static enum vmrt_status parse_value(struct reader *r, struct vmrt_condition *c)
{
	static const struct {
		const char *unit;
		enum vmrt_cell_type type;
		double factor;
	} units[] = {{"%", VMRT_CELL_RATIO, 0.01}, {"", VMRT_CELL_COUNT, 1},
		{"ns", VMRT_CELL_NS, 1}, {"us", VMRT_CELL_NS, 1e3}, {"ms", VMRT_CELL_NS, 1e6},
		{"s", VMRT_CELL_NS, 1e9}};
	enum vmrt_cell_type type = c->metric->type;
	const char *begin, *unit, *rest;
	char *end, what[128];
	size_t length;

	skip_blanks(r);
	begin = r->at;
	/* strtod() would take words such as "inf", and hexadecimal numbers, too */
	c->limit = isdigit((unsigned char)*begin) || *begin == '.' ? strtod(begin, &end) : NAN;
	if (isnan(c->limit) || end == begin || strpbrk(begin, "xX"))
		return wrong(r, begin, "here has to be a number, such as 1 or 0.5");
	if (type == VMRT_CELL_COUNT && c->limit != floor(c->limit))
		return wrong(r, begin, "this is counted: give a whole number");
	r->at = end;
	skip_blanks(r);
	unit = rest = r->at;
	while (*rest && !isspace((unsigned char)*rest))
		rest++;
	length = (size_t)(rest - unit);
	r->at = rest;
	skip_blanks(r);
	if (*r->at)
		return wrong(r, r->at,
			"nothing may follow; give --fail-if again for a further condition");
	/* nothing is nothing in any unit */
	if (type == VMRT_CELL_RATIO && !length && c->limit == 0)
		return VMRT_OK;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].type != type || strlen(units[i].unit) != length ||
			strncmp(units[i].unit, unit, length) != 0)
			continue;
		c->limit *= units[i].factor;
		/* 0.01 is not exact, but a duration is a whole number */
		if (type == VMRT_CELL_NS)
			c->limit = round(c->limit);
		return VMRT_OK;
	}
	if (type == VMRT_CELL_NS)
		return wrong(r, unit, "this is a duration: give it a unit of ns, us, ms or s");
	if (type == VMRT_CELL_RATIO) {
		snprintf(what, sizeof(what),
			"this is a share: write %g%% for %g in 100, or %g%% for the fraction %g",
			c->limit, c->limit, c->limit * 100, c->limit);
		return wrong(r, unit, what);
	}
	return wrong(r, unit, "this is counted: it has no unit");
}

bool vmrt_condition_has_relation(const char *text)
{
	struct reader r = {text, text, NULL};
	struct vmrt_condition c = {.num = 1, .den = 1};

	skip_blanks(&r);
	if (parse_metric(&r, &c) != VMRT_OK || parse_name(&r, &c) != VMRT_OK)
		return true;
	skip_blanks(&r);
	return *r.at;
}

enum vmrt_status vmrt_condition_parse(
	const char *text, struct vmrt_condition *out, struct vmrt_error *err)
{
	struct reader r = {text, text, err};
	enum vmrt_status status;

	*out = (struct vmrt_condition){.text = text, .num = 1, .den = 1};
	skip_blanks(&r);
	status = parse_metric(&r, out);
	if (status == VMRT_OK)
		status = parse_name(&r, out);
	if (status == VMRT_OK)
		status = parse_relation(&r, out);
	if (status == VMRT_OK)
		status = parse_value(&r, out);
	return status;
}

#define SAME 1e-12 /* shares that differ by less are equal: 0.3 % is not exactly 3 of 1000 */

static int order(double a, double b)
{
	return a > b + SAME ? 1 : a < b - SAME ? -1 : 0;
}

/* Is it true of every value from @low to @high? */
static bool always(enum condition_relation relation, double low, double high, double limit)
{
	switch (relation) {
	case VMRT_ABOVE:
		return order(low, limit) > 0;
	case VMRT_FROM:
		return order(low, limit) >= 0;
	case VMRT_BELOW:
		return order(high, limit) < 0;
	case VMRT_UPTO:
		return order(high, limit) <= 0;
	case VMRT_EQUAL:
		return !order(low, limit) && !order(high, limit);
	case VMRT_DIFFERENT:
		return order(low, limit) > 0 || order(high, limit) < 0;
	}
	return false;
}

enum vmrt_verdict vmrt_condition_judge(
	const struct vmrt_condition *condition, const struct vmrt_figure *figure)
{
	static const enum condition_relation opposite[] = {
		[VMRT_ABOVE] = VMRT_UPTO,
		[VMRT_FROM] = VMRT_BELOW,
		[VMRT_BELOW] = VMRT_FROM,
		[VMRT_UPTO] = VMRT_ABOVE,
		[VMRT_EQUAL] = VMRT_DIFFERENT,
		[VMRT_DIFFERENT] = VMRT_EQUAL,
	};

	if (isnan(figure->value))
		return VMRT_VERDICT_UNKNOWN;
	if (always(condition->relation, figure->low, figure->high, condition->limit))
		return VMRT_VERDICT_VIOLATED;
	if (always(opposite[condition->relation], figure->low, figure->high, condition->limit))
		return VMRT_VERDICT_OK;
	return VMRT_VERDICT_UNKNOWN;
}

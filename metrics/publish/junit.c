/* SPDX-License-Identifier: MIT */
/* Writes runs as JUnit's XML, with the elements that the schemas of Ant and Jenkins have in
 * common. */
#include "publish.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

enum result { PASSED, FAILED, SKIPPED };

/* A suite: its test cases are written to @out as text, and counted. */
struct suite {
	FILE *out;
	const struct vmrt_run_facts *run;
	size_t tests, failures, skipped;
};

/* Writes text from outside in such a way that XML 1.0 accepts it, also in attributes. */
static void put_text(FILE *out, const char *text)
{
	uint32_t c;

	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c) || c == 0xfffe || c == 0xffff)
			putc('?', out);
		else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			fprintf(out, "&#%u;", (unsigned)c);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	put_text(out, value);
	putc('"', out);
}

/* Writes a test case; @fmt says why the test failed or was skipped. */
static void put_case(struct suite *s, const char *kind, const char *name, enum result result,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void put_case(struct suite *s, const char *kind, const char *name, enum result result,
	const char *fmt, ...)
{
	char why[512], class[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(class, sizeof(class), "vmrt.%.100s.%s", s->run->label, kind);
	s->tests++;
	s->failures += result == FAILED;
	s->skipped += result == SKIPPED;
	fputs("    <testcase", s->out);
	put_attribute(s->out, "classname", class);
	put_attribute(s->out, "name", name);
	fputs(" time=\"0\"", s->out);
	if (result == PASSED) {
		fputs("/>\n", s->out);
		return;
	}
	fprintf(s->out, ">\n      <%s", result == FAILED ? "failure" : "skipped");
	put_attribute(s->out, "message", why);
	if (result == FAILED) {
		put_attribute(s->out, "type", kind);
		putc('>', s->out);
		put_text(s->out, why);
		fputs("</failure>", s->out);
	} else {
		fputs("/>", s->out);
	}
	fputs("\n    </testcase>\n", s->out);
}

/* A figure in words: "73.00 %", "12 ms", "5". */
static const char *figure_words(enum vmrt_cell_type type, double value, char *buf, size_t room)
{
	char duration[VMRT_UNITS_TEXT];

	if (isnan(value))
		snprintf(buf, room, "not known");
	else if (type == VMRT_CELL_RATIO)
		snprintf(buf, room, "%.2f %%", value * 100);
	else if (type == VMRT_CELL_NS && fabs(value) < (double)VMRT_DB_MOST)
		snprintf(buf, room, "%s", vmrt_format_duration((int64_t)value, duration));
	else
		snprintf(buf, room, "%.0f", value);
	return buf;
}

static void put_condition(void *ctx, const struct vmrt_judged *j)
{
	const struct vmrt_condition *c = j->condition;
	struct suite *s = ctx;
	char name[400], value[VMRT_UNITS_TEXT + 8];

	if (*c->name)
		snprintf(name, sizeof(name), "not %s", c->text);
	else
		snprintf(name, sizeof(name), "not %s of %s", c->text, j->name);
	figure_words(c->metric->type, j->figure.value, value, sizeof(value));
	if (j->verdict == VMRT_VERDICT_OK)
		put_case(s, "condition", name, PASSED, "%s", "");
	else if (j->verdict == VMRT_VERDICT_VIOLATED)
		put_case(s, "condition", name, FAILED, "%s of %s is %s", c->words, j->name, value);
	else
		put_case(s, "condition", name, SKIPPED, "unknown: %s of %s is %s, %s", c->words,
			j->name, value, *j->figure.why ? j->figure.why : "nothing was measured");
}

static void put_deadline(struct suite *s, const struct vmrt_task_facts *t, bool allow_loss)
{
	const struct vmrt_cause_facts *cause = vmrt_task_main_cause(t);
	int64_t missed = vmrt_task_missed(t), known = vmrt_task_known(t);
	char name[300], deadline[VMRT_UNITS_TEXT], excused[64] = "", by[200] = "";
	double low, high;

	snprintf(name, sizeof(name), "%.200s meets its deadline of %s", t->label,
		vmrt_format_duration(t->deadline_ns, deadline));
	if (!missed && !known) {
		put_case(s, "deadline", name, SKIPPED, "%s",
			t->jobs ? "unknown: no job has a known outcome" : "no job was seen");
		return;
	}
	if (!missed && t->unknown && !allow_loss) {
		put_case(s, "deadline", name, SKIPPED,
			"unknown: the outcome of %" PRId64 " of %" PRId64 " jobs is not known",
			t->unknown, t->unknown + known);
		return;
	}
	if (!missed) {
		put_case(s, "deadline", name, PASSED, "%s", "");
		return;
	}
	vmrt_wilson((uint64_t)missed, (uint64_t)known, &low, &high);
	if (t->excused)
		snprintf(excused, sizeof(excused), "; %" PRId64 " of them are excused", t->excused);
	if (cause)
		snprintf(by, sizeof(by), "; mostly by %s%s%.100s", vmrt_cause_words(cause->name),
			cause->by ? ": " : "", cause->by ? cause->by : "");
	put_case(s, "deadline", name, FAILED,
		"%" PRId64 " of %" PRId64 " jobs missed it: %.2f %%, 95 %% interval %.2f to "
		"%.2f %%%s%s",
		missed, known, 100 * (double)missed / (double)known, 100 * low, 100 * high, excused,
		by);
}

static void put_rule(
	struct suite *s, const struct vmrt_server_facts *server, const struct vmrt_check_facts *c)
{
	char name[300], worst[VMRT_UNITS_TEXT];

	snprintf(name, sizeof(name), "%.200s keeps the rule %s of policy %s", server->name, c->rule,
		server->policy);
	if (c->violations)
		put_case(s, "rule", name, FAILED,
			"broken in %" PRId64 " of %" PRId64 " windows, at worst by %s",
			c->violations, c->judged, vmrt_format_duration(c->worst_ns, worst));
	else if (!c->judged)
		put_case(s, "rule", name, SKIPPED,
			"unknown: none of %" PRId64 " windows could be judged", c->unknown);
	else
		put_case(s, "rule", name, PASSED, "%s", "");
}

static void put_server(struct suite *s, const struct vmrt_server_facts *server)
{
	char name[300];

	for (size_t i = 0; i < server->n_checks; i++)
		put_rule(s, server, &server->checks[i]);
	if (server->n_checks)
		return;
	snprintf(name, sizeof(name), "%.200s keeps the rules of policy %s", server->name,
		server->policy);
	put_case(s, "rule", name, SKIPPED, "not checked: %s",
		server->enforced ? "no whole period was recorded" : "nobody enforced it here");
}

/* The test cases are made before the suite's first line is written, since that line has the
 * totals. */
static enum vmrt_status put_suite(FILE *out, const struct vmrt_run_facts *run, size_t id,
	const struct vmrt_condition *conditions, size_t n_conditions, bool allow_loss,
	struct vmrt_error *err)
{
	struct suite s = {.run = run};
	enum vmrt_verdict verdict;
	enum vmrt_status status;
	char *text = NULL, at[20] = "1970-01-01T00:00:00";
	size_t size = 0;

	s.out = open_memstream(&text, &size);
	if (!s.out)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = vmrt_conditions_judge(
		run, conditions, n_conditions, allow_loss, put_condition, &s, &verdict, err);
	for (size_t i = 0; i < run->n_tasks; i++)
		if (run->tasks[i].selected && run->tasks[i].deadline_ns != VMRT_UNKNOWN)
			put_deadline(&s, &run->tasks[i], allow_loss);
	for (size_t i = 0; i < run->n_servers; i++)
		if (run->servers[i].selected)
			put_server(&s, &run->servers[i]);
	if (fclose(s.out) != 0 && status == VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK) {
		/* the schema wants a time without a time zone */
		if (run->recorded_at && strlen(run->recorded_at) >= 19)
			snprintf(at, sizeof(at), "%.19s", run->recorded_at);
		fputs("  <testsuite", out);
		put_attribute(out, "name", run->label);
		fputs(" package=\"vmrt\"", out);
		fprintf(out,
			" id=\"%zu\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\"",
			id, s.tests, s.failures, s.skipped);
		put_attribute(out, "timestamp", at);
		put_attribute(out, "hostname",
			run->hostname && *run->hostname ? run->hostname : "unknown");
		fprintf(out, " time=\"%.3f\">\n    <properties>\n",
			run->start_ns == VMRT_UNKNOWN || run->end_ns == VMRT_UNKNOWN
				? 0.
				: (double)(run->end_ns - run->start_ns) / 1e9);
		if (run->uuid) {
			fputs("      <property name=\"uuid\"", out);
			put_attribute(out, "value", run->uuid);
			fputs("/>\n", out);
		}
		fputs("    </properties>\n", out);
		fwrite(text, 1, size, out);
		fputs("    <system-out/>\n    <system-err/>\n  </testsuite>\n", out);
	}
	free(text);
	return status;
}

enum vmrt_status publish_junit(FILE *out, const struct vmrt_run_facts *const *runs, size_t n,
	const struct vmrt_condition *conditions, size_t n_conditions, bool allow_loss,
	struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
	for (size_t i = 0; status == VMRT_OK && i < n; i++)
		status = put_suite(out, runs[i], i, conditions, n_conditions, allow_loss, err);
	fputs("</testsuites>\n", out);
	return status;
}

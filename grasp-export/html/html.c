/* SPDX-License-Identifier: MIT */
/*
 * A page with the runs as data and a script that draws them. Times are differences, so that the
 * numbers are short; the script adds them up.
 */
#include "html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/progress.h>
#include <vmrt/table.h>
#include <vmrt/tool.h>
#include <vmrt/utf8.h>
#include <vmrt/version.h>

/* The script and the style are files of their own, put into the program by the assembler. */
#define EMBED(name, file)                                                                          \
	__asm__(".section .rodata\n"                                                               \
		".balign 1\n" #name ":\n"                                                          \
		".incbin \"grasp-export/html/" file "\"\n"                                         \
		".byte 0\n"                                                                        \
		".previous\n");                                                                    \
	extern const char name[] __attribute__((visibility("hidden")))

EMBED(html_script, "timeline.js");
EMBED(html_style, "timeline.css");

#define VCPUS_MOST 1024 /* of a guest */

/* Writes text as JSON within a script element, in such a way that nothing in the text ends the
 * element. */
static void put_text(FILE *out, const char *text)
{
	uint32_t c;

	putc('"', out);
	for (const char *from = text; (c = vmrt_utf8_next(&text)); from = text) {
		if (!vmrt_utf8_is_harmless(c))
			putc('?', out);
		else if (c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x2028 ||
			 c == 0x2029)
			fprintf(out, "\\u%04x", (unsigned)c);
		else
			fwrite(from, 1, (size_t)(text - from), out);
	}
	putc('"', out);
}

/* Writes a number. printf() would need a third of the time of the whole page. */
static void put_number(FILE *out, int64_t value)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--p = '-';
	fwrite_unlocked(p, 1, (size_t)(digits + sizeof(digits) - p), out);
}

static void put_or_null(FILE *out, int64_t value, int64_t from)
{
	putc_unlocked(',', out);
	if (value == VMRT_UNKNOWN)
		fputs_unlocked("null", out);
	else
		put_number(out, value - from);
}

static int64_t known_time(const struct vmrt_tl_job *j, int64_t otherwise)
{
	int64_t begin = vmrt_job_begin(j);

	return begin != VMRT_UNKNOWN	     ? begin
	       : j->end != VMRT_UNKNOWN	     ? j->end
	       : j->deadline != VMRT_UNKNOWN ? j->deadline
					     : otherwise;
}

/* Writes of each job: k and begin as differences from the job before; arrival, start, end, deadline
 * and release as differences from the begin; response, exec, outcome, and cause + 1. */
static void put_jobs(FILE *out, const struct vmrt_timeline *tl, const struct vmrt_tl_task *t)
{
	int64_t k = 0, at = tl->from;

	fputs("\"jobs\":[", out);
	for (size_t i = 0; i < t->n_jobs; i++) {
		const struct vmrt_tl_job *j = &t->jobs[i];
		int64_t begin = known_time(j, at);

		if (begin < at && i)
			begin = at;
		if (i)
			putc_unlocked(',', out);
		put_number(out, j->k - k);
		putc_unlocked(',', out);
		put_number(out, begin - at);
		put_or_null(out, j->arrival, begin);
		put_or_null(out, j->start, begin);
		put_or_null(out, j->end, begin);
		put_or_null(out, j->deadline, begin);
		put_or_null(out, j->release, begin);
		put_or_null(out, j->response, 0);
		put_or_null(out, j->exec, 0);
		putc_unlocked(',', out);
		put_number(out, j->outcome);
		putc_unlocked(',', out);
		put_number(out, j->cause + 1);
		k = j->k;
		at = begin;
	}
	putc(']', out);
}

static void put_spans(FILE *out, const struct vmrt_timeline *tl, const struct vmrt_spans *s)
{
	int64_t at = tl->from;

	fputs("\"spans\":[", out);
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			putc_unlocked(',', out);
		put_number(out, s->all[i].start - at);
		putc_unlocked(',', out);
		put_number(out, s->all[i].end - s->all[i].start);
		putc_unlocked(',', out);
		put_number(out, s->all[i].cpu);
		at = s->all[i].end;
	}
	putc(']', out);
}

/* Writes {"K":[[part,ns],...],...}, where K is the k of a job, for all jobs whose blame was
 * loaded. */
static void put_blame(FILE *out, const struct vmrt_tl_task *t)
{
	fputs("\"blame\":{", out);
	for (size_t i = 0; i < t->n_blames; i++) {
		const struct vmrt_tl_blame *b = &t->blames[i];
		bool first = !i || b[-1].k != b->k;

		if (first)
			fprintf(out, "%s\"%" PRId64 "\":[", i ? "]," : "", b->k);
		fprintf(out, "%s[%d,%" PRId64 "]", first ? "" : ",", b->part, b->ns);
	}
	fputs(t->n_blames ? "]}" : "}", out);
}

static void put_task(FILE *out, const struct vmrt_timeline *tl, const struct vmrt_tl_task *t)
{
	size_t of_cpu[VCPUS_MOST] = {0};
	int64_t most = -1;

	fputs("{\"label\":", out);
	put_text(out, t->label);
	fprintf(out, ",\"period\":%" PRId64 ",\"vcpus\":[",
		t->period == VMRT_UNKNOWN ? 0 : t->period);
	/* of each CPU of the guest, in the order of their numbers: the index of its vCPU; the first
	 * index if several vCPUs have the same number */
	for (size_t v = tl->n_vcpus; v-- > 0;) {
		if (t->machine == VMRT_UNKNOWN || tl->vcpus[v].machine != t->machine ||
			tl->vcpus[v].vcpu < 0 || tl->vcpus[v].vcpu >= VCPUS_MOST)
			continue;
		of_cpu[tl->vcpus[v].vcpu] = v;
		most = tl->vcpus[v].vcpu > most ? tl->vcpus[v].vcpu : most;
	}
	for (int64_t cpu = 0; cpu <= most; cpu++)
		fprintf(out, "%s%zu", cpu ? "," : "", of_cpu[cpu]);
	fputs("],", out);
	put_jobs(out, tl, t);
	putc(',', out);
	put_spans(out, tl, &t->spans);
	putc(',', out);
	put_blame(out, t);
	fputs("}\n", out);
}

static enum vmrt_status put_server(FILE *out, const struct vmrt_timeline *tl, size_t s)
{
	const struct vmrt_tl_server *server = &tl->servers[s];
	struct vmrt_tl_point *points;
	int64_t at = tl->from;
	size_t n;

	if (vmrt_timeline_budget(tl, s, &points, &n) != VMRT_OK)
		return VMRT_ENOMEM;
	fputs("{\"name\":", out);
	put_text(out, server->name);
	fputs(",\"policy\":", out);
	put_text(out, server->policy);
	fprintf(out, ",\"budget\":%" PRId64 ",\"points\":[",
		server->budget == VMRT_UNKNOWN ? 0 : server->budget);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', out);
		put_number(out, points[i].at - at);
		putc_unlocked(',', out);
		put_number(out, points[i].left);
		at = points[i].at;
	}
	fputs("]}", out);
	free(points);
	return VMRT_OK;
}

static void put_words(FILE *out, const char (*words)[24], size_t n)
{
	putc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc(',', out);
		put_text(out, words[i]);
	}
	putc(']', out);
}

static enum vmrt_status put_run(FILE *out, const struct vmrt_timeline *tl, const char *label)
{
	enum vmrt_status status = VMRT_OK;
	bool first = true;

	fputs("{\"name\":", out);
	put_text(out, label);
	fprintf(out,
		",\"length\":%" PRId64 ",\"offset\":%" PRId64 ",\"causes\":", tl->to - tl->from,
		tl->from - tl->start);
	put_words(out, (const char(*)[24])tl->causes, tl->n_causes);
	fputs(",\"parts\":", out);
	put_words(out, (const char(*)[24])tl->parts, tl->n_parts);
	fputs(",\"tasks\":[", out);
	for (size_t t = 0; t < tl->n_tasks; t++) {
		if (t)
			putc(',', out);
		vmrt_progress_share("writing", (int64_t)t, (int64_t)tl->n_tasks);
		put_task(out, tl, &tl->tasks[t]);
	}
	fputs("],\"vcpus\":[", out);
	for (size_t v = 0; v < tl->n_vcpus; v++) {
		fputs(v ? ",{\"name\":" : "{\"name\":", out);
		put_text(out, tl->vcpus[v].name);
		putc(',', out);
		put_spans(out, tl, &tl->vcpus[v].spans);
		putc('}', out);
	}
	fputs("],\"servers\":[", out);
	for (size_t s = 0; status == VMRT_OK && s < tl->n_servers; s++) {
		if (!tl->servers[s].enforced)
			continue;
		if (!first)
			putc(',', out);
		first = false;
		status = put_server(out, tl, s);
	}
	fputs("],\"losses\":[", out);
	for (size_t i = 0, n = 0; i < tl->n_losses; i++) {
		if (!strcmp(tl->losses[i].kind, "broken_chain"))
			continue;
		fprintf(out, "%s[%" PRId64 ",%" PRId64 "]", n++ ? "," : "",
			tl->losses[i].from - tl->from, tl->losses[i].to - tl->from);
	}
	fputs("]}", out);
	return status;
}

/* Writes the part of the page that is above the chart. */
static void put_body(FILE *out, const char *const *labels, size_t n)
{
	fputs("<header><h1>", out);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? " and " : "", out);
		vmrt_html_text(out, labels[i]);
	}
	fputs("</h1>\n<div class=bar>"
	      "<button data-key=p title=\"previous miss (p)\">&#9664; miss</button>"
	      "<button data-key=n title=\"next miss (n)\">miss &#9654;</button>"
	      "<button data-key=\"+\" title=\"zoom in (+)\">+</button>"
	      "<button data-key=\"-\" title=\"zoom out (-)\">&minus;</button>"
	      "<button data-key=\"0\" title=\"all (0)\">all</button>"
	      "<label>tasks <input id=text size=12 placeholder=\"all\"></label>"
	      "<label>jobs <select id=only><option value=all>all</option><option "
	      "value=missed>missed</option>"
	      "<option value=met>met</option><option "
	      "value=unknown>unknown</option></select></label>"
	      "<label><input type=checkbox id=vcpus checked> vCPUs</label>"
	      "<label><input type=checkbox id=servers checked> servers</label>"
	      "<button data-key=d title=\"dark or light (d)\">dark</button>"
	      "<button data-key=\"?\" title=\"keys (?)\">keys</button>"
	      "<span id=where></span></div></header>\n"
	      "<canvas id=map></canvas>\n<canvas id=chart tabindex=0 role=img "
	      "aria-label=\"timeline\"></canvas>\n"
	      "<div id=tip hidden></div>\n<div id=details aria-live=polite></div>\n"
	      "<p class=legend style=\"padding:0 .8em\"><span>&#8593; release</span><span>&#8595; "
	      "deadline</span>"
	      "<span style=\"color:var(--m)\">&#8595;&times; missed</span>"
	      "<span><i style=\"background:var(--a)\"></i>runs</span>"
	      "<span><i style=\"background:var(--m)\"></i>runs too "
	      "late</span><span><i></i>preempted</span>"
	      "<span><i style=\"background:repeating-linear-gradient(135deg,var(--hatch) 0 "
	      "1px,transparent 1px "
	      "4px)\"></i>vCPU not running</span>"
	      "<span><i style=\"background:var(--d)\"></i>vCPU runs</span>"
	      "<span><i style=\"background:var(--b)\"></i>budget</span>"
	      "<span><i style=\"background:var(--line)\"></i>events lost</span></p>\n"
	      "<dialog id=help><form method=dialog><dl><dt><kbd>n</kbd> <kbd>p</kbd></dt><dd>next, "
	      "previous "
	      "miss</dd>"
	      "<dt><kbd>+</kbd> <kbd>-</kbd> wheel</dt><dd>zoom</dd><dt><kbd>&#8592;</kbd> "
	      "<kbd>&#8594;</kbd> drag</dt><dd>move</dd>"
	      "<dt><kbd>0</kbd></dt><dd>the whole run</dd><dt><kbd>/</kbd></dt><dd>filter "
	      "tasks</dd>"
	      "<dt><kbd>d</kbd></dt><dd>dark or light</dd><dt><kbd>Esc</kbd></dt><dd>select "
	      "nothing</dd>"
	      "<dt>click</dt><dd>keeps the details of a job below the chart</dd></dl>"
	      "<button>close</button></form></dialog>\n",
		out);
}

enum vmrt_status html_write(struct vmrt_timeline *const *tl, const char *const *labels, size_t n,
	FILE *out, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	/* the page must not fetch anything from anywhere, whatever the data contain */
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src "
		"'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
		"<meta name=viewport content=\"width=device-width\"><meta name=generator "
		"content=\"vmrt-export %s\">\n<title>",
		VMRT_VERSION);
	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		vmrt_html_text(out, labels[i]);
	}
	fprintf(out, "</title>\n<style>\n%s</style></head>\n<body>\n", html_style);
	put_body(out, labels, n);
	fputs("<script id=data type=\"application/json\">{\"runs\":[", out);
	for (size_t i = 0; status == VMRT_OK && i < n && !vmrt_stop_requested(); i++) {
		if (i)
			putc(',', out);
		status = put_run(out, tl[i], labels[i]);
	}
	fprintf(out, "]}</script>\n<script>\n%s</script>\n</body></html>\n", html_script);
	if (vmrt_stop_requested())
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	return status == VMRT_OK ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

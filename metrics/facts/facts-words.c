/* SPDX-License-Identifier: MIT */
/* Texts for people: causes of misses, the trust that a run deserves, commands. */
#include "facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *cause, *words;
} causes[] = {
	{"release", "late release"},
	{"exec", "own execution"},
	{"overrun", "own overrun"},
	{"interference", "other tasks"},
	{"guest_overrun", "others' overrun"},
	{"blocking", "blocked itself"},
	{"budget", "no budget"},
	{"server", "other servers"},
	{"host_thread", "host threads"},
	{"vmm", "hypervisor"},
	{"throttling", "RT throttling"},
	{"steal", "host not running"},
	{"irq", "interrupts"},
	{"clock", "clock map"},
	{"unknown", "unknown (loss)"},
};

const char *vmrt_cause_words(const char *cause)
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (!strcmp(causes[i].cause, cause))
			return causes[i].words;
	return cause;
}

const struct vmrt_cause_facts *vmrt_task_main_cause(const struct vmrt_task_facts *t)
{
	const struct vmrt_cause_facts *main_cause = NULL;

	for (size_t i = 0; i < t->n_causes; i++)
		if (!main_cause || t->causes[i].misses > main_cause->misses)
			main_cause = &t->causes[i];
	return main_cause;
}

static void append(char *buf, size_t room, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, room - used, "%s%s", used ? "; " : "", text);
}

void vmrt_facts_trust(const struct vmrt_run_facts *f, char *buf, size_t room)
{
	int64_t lost = 0, jobs = 0, unknown = 0, steal = 0, error = 0, broken = 0;
	char part[128], ns[VMRT_UNITS_TEXT];
	bool guests = false, none = false, uncounted = false;

	*buf = '\0';
	for (size_t i = 0; i < f->n_machines; i++) {
		const struct vmrt_machine_facts *m = &f->machines[i];

		lost += m->lost;
		steal += m->steal_ns;
		broken += m->broken_chains;
		none |= !m->events && m->losses;
		uncounted |= m->losses && !m->lost;
		if (!m->kind || !strcmp(m->kind, "host"))
			continue;
		guests = true;
		if (error != VMRT_UNKNOWN &&
			(m->clock_error_ns == VMRT_UNKNOWN || m->clock_error_ns > error))
			error = m->clock_error_ns;
	}
	for (size_t i = 0; i < f->n_tasks; i++) {
		jobs += f->tasks[i].jobs;
		unknown += vmrt_task_doubtful(&f->tasks[i]);
	}
	if (lost || unknown)
		snprintf(part, sizeof(part),
			"%" PRId64 " events lost, %" PRId64 " of %" PRId64 " jobs unknown", lost,
			unknown, jobs);
	else
		snprintf(part, sizeof(part),
			none	    ? "a recording cannot be read"
			: uncounted ? "not known whether events were lost"
				    : "no loss");
	append(buf, room, part);
	if (guests && error == VMRT_UNKNOWN) {
		append(buf, room, "clock error not known");
	} else if (guests) {
		snprintf(part, sizeof(part), "clock error <= %s", vmrt_format_duration(error, ns));
		append(buf, room, part);
	}
	snprintf(part, sizeof(part), "steal %s", vmrt_format_duration(steal, ns));
	append(buf, room, steal ? part : "no steal");
	if (broken) {
		snprintf(part, sizeof(part), "%" PRId64 " switch%s missing", broken,
			broken == 1 ? "" : "es");
		append(buf, room, part);
	}
}

const char *vmrt_shell_word(const char *text, char *buf, size_t room)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_./:=+,@%-";
	size_t n = 0;

	if (*text && text[strspn(text, plain)] == '\0') {
		snprintf(buf, room, "%s", text);
		return buf;
	}
	buf[n++] = '\'';
	for (; *text && n + 6 < room; text++) {
		if (*text == '\'')
			n += (size_t)sprintf(buf + n, "'\\''");
		else
			buf[n++] = *text;
	}
	buf[n++] = '\'';
	buf[n] = '\0';
	return buf;
}

const char *vmrt_run_label(const char *origin, size_t *len)
{
	size_t end = strlen(origin), begin;

	if (end > 7 && !strcmp(origin + end - 7, "/run.db"))
		end -= 7;
	while (end > 1 && origin[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && origin[begin - 1] != '/'; begin--)
		continue;
	if (end - begin > 5 && !strncmp(origin + end - 5, ".vmrt", 5))
		end -= 5;
	*len = end - begin;
	return origin + begin;
}

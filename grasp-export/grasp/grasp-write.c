/* SPDX-License-Identifier: MIT */
/* Writes a Grasp file; all text from outside is made harmless here. */
#include "grasp.h"

#include <string.h>

#include <vmrt/version.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VCPU_COLOR "#BBBBBB"

/* Okabe and Ito's colours, which most people can distinguish, without vermilion, since red means a
 * miss. */
static const char *const colors[] = {
	"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#CC79A7", "#666666"};

void grasp_name(const char *text, char *buf, size_t room)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		" _.,:/@+=<>()#~-";
	size_t n = 0;

	for (; *text && n + 1 < room; text++, n++)
		buf[n] = strchr(allowed, *text) ? *text : '_';
	buf[n] = '\0';
}

static void print_time(FILE *out, int64_t time)
{
	int64_t rest = time % 1000;
	int digits = 3;

	fprintf(out, "%lld", (long long)(time / 1000));
	if (!rest)
		return;
	while (rest % 10 == 0) {
		rest /= 10;
		digits--;
	}
	fprintf(out, ".%0*d", digits, (int)rest);
}

static void write_header(const struct grasp *g, const struct vmrt_grasp_options *options, FILE *out)
{
	char name[128], unit[VMRT_UNITS_TEXT];

	grasp_name(options->title, name, sizeof(name));
	vmrt_format_duration(g->unit_ns, unit);
	fprintf(out, "# Grasp trace by vmrt-export %s\n", VMRT_VERSION);
	fprintf(out, "# run %s: from %.6f s to %.6f s after its start\n", name,
		(double)(g->from_ns - options->start_ns) / 1e9,
		(double)(g->to_ns - options->start_ns) / 1e9);
	fprintf(out, "# 1 unit is %s; %lld units, %zu events\n", unit, (long long)g->end,
		g->n_events + 1);
}

static void write_declarations(const struct grasp *g, FILE *out)
{
	char name[128], id[32], processor[48] = "";
	int priority = 0;

	for (size_t i = 0; g->several && i < g->n_cpus; i++) {
		grasp_name(g->cpus[i].machine_name, name, sizeof(name));
		fprintf(out, "newProcessor cpu%zu -name {%s CPU %lld}\n", i, name,
			(long long)g->cpus[i].cpu);
	}
	for (size_t r = 0; r < g->n_rows; r++) {
		const struct grasp_row *row = &g->rows[r];
		bool vcpu = row->task == VMRT_UNKNOWN;

		grasp_name(row->name, name, sizeof(name));
		for (size_t c = 0; c < (g->several ? g->n_cpus : 1); c++) {
			if (g->several && !row->cpus[c])
				continue;
			if (g->several)
				snprintf(processor, sizeof(processor), " -processor cpu%zu", c);
			fprintf(out, "newTask %s -name {%s} -priority %d -color %s%s\n",
				grasp_id(g, r, (int)c, id), name, ++priority,
				vcpu ? VCPU_COLOR : colors[r % ARRAY_SIZE(colors)], processor);
		}
	}
	priority = 0;
	for (size_t s = 0; s < g->n_servers; s++) {
		grasp_name(g->servers[s].name, name, sizeof(name));
		if (g->several)
			snprintf(processor, sizeof(processor), " -processor cpu%d",
				g->servers[s].cpu);
		fprintf(out,
			"newServer s%zu -name {server %s} -priority %d -capacity %lld -budget %lld "
			"-color %s%s\n",
			s, name, ++priority, (long long)g->servers[s].capacity,
			(long long)g->servers[s].capacity,
			colors[(ARRAY_SIZE(colors) - 3 + s) % ARRAY_SIZE(colors)], processor);
	}
	for (size_t i = 0; i < g->n_early; i++)
		fprintf(out, "newJob %s\n", g->early[i]);
}

void grasp_write(const struct grasp *g, const struct vmrt_grasp_options *options, FILE *out)
{
	write_header(g, options, out);
	write_declarations(g, out);
	for (size_t i = 0; i < g->n_events; i++) {
		const struct grasp_event *e = &g->events[i];

		if (g->several && e->cpu >= 0)
			fprintf(out, "[plotForProcessor cpu%d] event ", e->cpu);
		else
			fputs("plot ", out);
		print_time(out, e->time);
		fprintf(out, " %s\n", e->text);
	}
	/* these events do nothing, but extend the axis of each of the player's windows to the
	 * end */
	for (size_t i = 0; g->several && i < g->n_cpus; i++)
		fprintf(out, "[plotForProcessor cpu%zu] event %lld nop\n", i, (long long)g->end);
	if (!g->several)
		fprintf(out, "plot %lld nop\n", (long long)g->end);
}

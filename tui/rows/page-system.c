/* SPDX-License-Identifier: MIT */
/* The page of the system: machines and their losses, VMs, and the resources that vmrt-top itself
 * uses. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "pages.h"
#include "text.h"

#define LOW 10	    /* an area lower than this has no blank line below the first lines */
#define LINES_MIN 4 /* lines that messages must leave for machines and VMs */

struct field {
	const char *head;
	int width;
	int drop; /* the highest number is left out first; 0: never */
	const char *words;
};

static const struct field fields[] = {
	{"MACHINE", 14, 0, NULL},
	{"CPUS", 4, 7, NULL},
	{"EVENTS", 9, 4, NULL},
	{"EVENTS/s", 8, 1, NULL},
	{"LOST", 6, 0, "LOST events make the jobs and periods that they overlap unknown."},
	{"INFERRED", 8, 3, "INFERRED: switches that were not recorded but must have been."},
	{"REORDERED", 9, 6, "REORDERED: events whose time was before that of the one before them."},
	{"CLOCK us", 9, 0,
		"CLOCK us: bound of the error between the guest's clock and the host's."},
	{"IN vCPU %", 9, 2, "IN vCPU %: guest events in whose time its vCPU thread really ran."},
	{"STEAL ms", 8, 5, "STEAL ms: time in which the host itself was seen not to run."},
};

#define N_FIELDS ((int)(sizeof(fields) / sizeof(fields[0])))

/* Leaves out fields until they fit. */
static unsigned choose(int width)
{
	unsigned out = 0;

	for (;;) {
		int sum = 0, worst = -1;

		for (int i = 0; i < N_FIELDS; i++) {
			if (out >> i & 1)
				continue;
			sum += fields[i].width + 2;
			if (fields[i].drop && (worst < 0 || fields[i].drop > fields[worst].drop))
				worst = i;
		}
		if (sum - 2 <= width || worst < 0)
			return out;
		out |= 1u << worst;
	}
}

static enum top_attr put_value(const struct top_machine_row *m, int field, char *text)
{
	switch (field) {
	case 0:
		top_text_name(text, m->name, fields[0].width);
		return TOP_PLAIN;
	case 1:
		snprintf(text, TOP_TEXT, "%u", m->cpus);
		return TOP_PLAIN;
	case 2:
		top_text_count(text, m->stats.events, fields[2].width);
		return TOP_PLAIN;
	case 3:
		if (isnan(m->events_per_s))
			snprintf(text, TOP_TEXT, "-");
		else
			top_text_count(text, (uint64_t)m->events_per_s, fields[3].width);
		return TOP_PLAIN;
	case 4:
		top_text_count(text, m->stats.lost, fields[4].width);
		return m->stats.lost ? TOP_LOSS : TOP_PLAIN;
	case 5:
		top_text_count(text, m->stats.broken_chains, fields[5].width);
		return TOP_PLAIN;
	case 6:
		top_text_count(text, m->stats.out_of_order, fields[6].width);
		return TOP_PLAIN;
	case 7:
		if (!m->guest)
			snprintf(text, TOP_TEXT, "own");
		else if (m->clock_error_ns == VMRT_UNKNOWN)
			snprintf(text, TOP_TEXT, "?");
		else
			snprintf(text, TOP_TEXT, "%.1f", (double)m->clock_error_ns / 1e3);
		return TOP_PLAIN;
	case 8: {
		uint64_t all = m->stats.inside + m->stats.outside;

		top_text_percent(
			text, m->guest && all ? (double)m->stats.inside / (double)all : NAN);
		return TOP_PLAIN;
	}
	default:
		top_text_ms(text, m->steal_ns, fields[9].width);
		return TOP_PLAIN;
	}
}

static void put_machine(
	const struct top_area *area, const struct top_machine_row *m, unsigned out, int y)
{
	int x = 0;

	for (int i = 0; i < N_FIELDS; i++) {
		char text[TOP_TEXT];
		enum top_attr attr = m ? put_value(m, i, text) : TOP_HEAD;

		if (out >> i & 1)
			continue;
		top_put(area->screen, y, x, fields[i].width, i > 0, attr,
			m ? text : fields[i].head);
		x += fields[i].width + 2;
	}
}

static void size_text(char *out, int64_t bytes)
{
	if (bytes == VMRT_UNKNOWN)
		snprintf(out, TOP_TEXT, "-");
	else
		snprintf(out, TOP_TEXT, "%.1f MiB", (double)bytes / (1 << 20));
}

static void put_vm(const struct top_area *area, const struct top_vm_row *vm, int y)
{
	char text[TOP_TEXT];
	int x = 27;

	top_text_name(text, vm->name, 14);
	top_put(area->screen, y, 0, 14, false, TOP_PLAIN, text);
	top_put(area->screen, y, 16, 9, false, vm->recorded ? TOP_PLAIN : TOP_DIM,
		vm->recorded ? "seen" : "not seen");
	for (size_t k = 0; k < vm->n_vcpus && k < 16; k++)
		x = top_say(area->screen, y, x, TOP_PLAIN, "%s%d:%d", k ? " " : "",
			vm->vcpus[k].vcpu, vm->vcpus[k].tid);
}

/* Prints one line of the list: the machines, a blank line, and the VMs. */
static void put_line(const struct top_area *area, unsigned out, int line, int y)
{
	const struct top_view *view = area->view;
	int machines = (int)view->n_machines;

	if (line == 0) {
		put_machine(area, NULL, out, y);
	} else if (line <= machines) {
		put_machine(area, &view->machines[line - 1], out, y);
	} else if (line == machines + 2) {
		top_put(area->screen, y, 0, 14, false, TOP_HEAD, "VM");
		top_put(area->screen, y, 16, 9, false, TOP_HEAD, "GUEST");
		top_say(area->screen, y, 27, TOP_HEAD, "vCPU THREADS");
	} else if (line > machines + 2) {
		put_vm(area, &view->vms[line - machines - 3], y);
	}
}

/* Prints the lines that fit; the user scrolls to the others as on other pages. Returns the line
 * behind the list. */
static int put_lines(const struct top_area *area, unsigned out, int y, int end)
{
	const struct top_view *view = area->view;
	int lines = 1 + (int)view->n_machines + (view->n_vms ? 2 + (int)view->n_vms : 0);
	int room = end - y, hidden = lines > room ? lines - room : 0;
	int first = area->ui->cursor[TOP_PAGE_SYSTEM];

	first = first > hidden ? hidden : first;
	for (int i = 0; i < room && first + i < lines; i++)
		put_line(area, out, first + i, y + i);
	area->screen->rows = hidden ? hidden + 1 : 0;
	area->screen->page_rows = room;
	area->screen->lines_hidden = hidden - first;
	return y + (lines < room ? lines : room) + 1;
}

static int put_self(const struct top_area *area, int y, int end)
{
	const struct top_ui *ui = area->ui;
	char cpu[TOP_TEXT], size[TOP_TEXT], fill[TOP_TEXT];
	int x = 0;

	if (y >= end)
		return y;
	top_text_percent(cpu, ui->own_cpu);
	size_text(size, ui->own_size);
	x = top_say(area->screen, y, x, TOP_PLAIN, "vmrt-top: %s %% of a CPU, %s", cpu, size);
	if (ui->buffer_size > 0) {
		top_text_percent(fill, (double)ui->buffer_fill / (double)ui->buffer_size);
		top_say(area->screen, y, x, TOP_PLAIN, "; fullest trace buffer %s %%", fill);
	}
	return y + 2;
}

/* Prints a message that is too long for the line of notes, broken at blanks; returns the line
 * behind it. */
static int put_message(const struct top_area *area, int y, int end, const char *text)
{
	int width = area->screen->width;
	char line[TOP_TEXT];

	if (!text || top_columns(text) <= width || y >= end)
		return y;
	/* a line must fit into one piece: most characters have at most two bytes per column */
	if (width > TOP_TEXT / 2 - 2)
		width = TOP_TEXT / 2 - 2;
	while (*text && y < end) {
		const char *behind = top_behind(text, width), *last = behind;

		while (*last && last > text && *last != ' ')
			last--;
		if (last > text)
			behind = last;
		snprintf(line, sizeof(line), "%.*s", (int)(behind - text), text);
		top_say(area->screen, y++, 0, TOP_MISS, "%s", line);
		text = behind + (*behind == ' ');
	}
	return y + 1;
}

/* Explains the columns that are shown. */
static void put_words(const struct top_area *area, unsigned out, int y, int end)
{
	for (int i = 0; i < N_FIELDS && y < end; i++)
		if (fields[i].words && !(out >> i & 1))
			top_say(area->screen, y++, 0, TOP_DIM, "%s", fields[i].words);
}

void top_page_system(const struct top_area *area)
{
	unsigned out = choose(area->screen->width);
	int y = area->y, end = area->y + area->height;
	bool low = area->height < LOW;

	/* these lines come first, so that they are visible however many machines and VMs there are
	 */
	y = put_self(area, y, end) - low;
	y = put_message(area, y, end - LINES_MIN, area->ui->alarm);
	y = put_message(area, y, end - LINES_MIN, area->ui->note);
	y = put_lines(area, out, y, end);
	put_words(area, out, y, end);
}

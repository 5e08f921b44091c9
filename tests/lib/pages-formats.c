/* SPDX-License-Identifier: MIT */
/* Texts of event formats as kernels of different ages print them. */
#include "pages-formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAKE                                                                                       \
	{                                                                                          \
		{"char comm[16]", 16, 0}, {"pid_t pid", 4, 1}, {"int prio", 4, 1},                 \
		{                                                                                  \
			"int target_cpu", 4, 1                                                     \
		}                                                                                  \
	}
#define WAKE_PRINT                                                                                 \
	"\"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, REC->pid, REC->prio, "             \
	"REC->target_cpu"
#define SWITCH                                                                                     \
	{                                                                                          \
		{"char prev_comm[16]", 16, 0}, {"pid_t prev_pid", 4, 1}, {"int prev_prio", 4, 1},  \
			{"long prev_state", 8, 1}, {"char next_comm[16]", 16, 0},                  \
			{"pid_t next_pid", 4, 1},                                                  \
		{                                                                                  \
			"int next_prio", 4, 1                                                      \
		}                                                                                  \
	}
#define SWITCH_PRINT                                                                               \
	"\"prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%ld ==> next_comm=%s next_pid=%d "     \
	"next_prio=%d\", REC->prev_comm, REC->prev_pid, REC->prev_prio, REC->prev_state, "         \
	"REC->next_comm, REC->next_pid, REC->next_prio"
#define SETUP                                                                                      \
	{                                                                                          \
		{"void * hrtimer", 8, 0}, {"clockid_t clockid", 4, 1},                             \
		{                                                                                  \
			"enum hrtimer_mode mode", 4, 0                                             \
		}                                                                                  \
	}
#define SETUP_PRINT "\"hrtimer=%p clockid=%d mode=%d\", REC->hrtimer, REC->clockid, REC->mode"

#define SAME_IN_ALL                                                                                \
	[TESTS_SWITCH] = {"sched", "sched_switch", 372, SWITCH, SWITCH_PRINT},                     \
	[TESTS_WAKING] = {"sched", "sched_waking", 375, WAKE, WAKE_PRINT},                         \
	[TESTS_WAKEUP] = {"sched", "sched_wakeup", 374, WAKE, WAKE_PRINT},                         \
	[TESTS_WAKEUP_NEW] = {"sched", "sched_wakeup_new", 373, WAKE, WAKE_PRINT},                 \
	[TESTS_EXEC] = {"sched", "sched_process_exec", 365,                                        \
		{{"__data_loc char[] filename", 4, 0}, {"pid_t pid", 4, 1},                        \
			{"pid_t old_pid", 4, 1}},                                                  \
		"\"filename=%s pid=%d old_pid=%d\", __get_str(filename), REC->pid, REC->old_pid"}, \
	[TESTS_EXIT] = {"sched", "sched_process_exit", 369,                                        \
		{{"char comm[16]", 16, 0}, {"pid_t pid", 4, 1}, {"int prio", 4, 1}},               \
		"\"comm=%s pid=%d prio=%d\", REC->comm, REC->pid, REC->prio"},                     \
	[TESTS_CANCEL] = {"timer", "hrtimer_cancel", 457, {{"void * hrtimer", 8, 0}},              \
		"\"hrtimer=%p\", REC->hrtimer"},                                                   \
	[TESTS_EXPIRE] = {"timer", "hrtimer_expire_entry", 459,                                    \
		{{"void * hrtimer", 8, 0}, {"s64 now", 8, 1}, {"void * function", 8, 0}},          \
		"\"hrtimer=%p function=%ps now=%llu\", REC->hrtimer, REC->function, "              \
		"(unsigned long long) REC->now"},                                                  \
	[TESTS_STAT] = {"sched", "sched_stat_runtime", 360,                                        \
		{{"char comm[16]", 16, 0}, {"pid_t pid", 4, 1}, {"u64 runtime", 8, 0}},            \
		"\"comm=%s pid=%d runtime=%Lu [ns]\", REC->comm, REC->pid, "                       \
		"(unsigned long long)REC->runtime"},                                               \
	[TESTS_IRQ_ENTER] = {"irq", "irq_handler_entry", 140,                                      \
		{{"int irq", 4, 1}, {"__data_loc char[] name", 4, 0}},                             \
		"\"irq=%d name=%s\", REC->irq, __get_str(name)"},                                  \
	[TESTS_IRQ_LEAVE] = {"irq", "irq_handler_exit", 139,                                       \
		{{"int irq", 4, 1}, {"int ret", 4, 1}},                                            \
		"\"irq=%d ret=%s\", REC->irq, REC->ret ? \"handled\" : \"unhandled\""},            \
	[TESTS_PRINT] = {"ftrace", "print", 5, {{"unsigned long ip", 8, 0}, {"char buf[]", 0, 0}}, \
		"\"%ps: %s\", (void *)REC->ip, REC->buf"}

static const struct tests_event_format formats_618[TESTS_EVENTS] = {
	SAME_IN_ALL,
	[TESTS_MIGRATE] = {"sched", "sched_migrate_task", 371,
		{{"__data_loc char[] comm", 4, 0}, {"pid_t pid", 4, 1}, {"int prio", 4, 1},
			{"int orig_cpu", 4, 1}, {"int dest_cpu", 4, 1}},
		"\"comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d\", __get_str(comm), REC->pid, "
		"REC->prio, REC->orig_cpu, REC->dest_cpu"},
	[TESTS_FORK] = {"sched", "sched_process_fork", 366,
		{{"__data_loc char[] parent_comm", 4, 0}, {"pid_t parent_pid", 4, 1},
			{"__data_loc char[] child_comm", 4, 0}, {"pid_t child_pid", 4, 1}},
		"\"comm=%s pid=%d child_comm=%s child_pid=%d\", __get_str(parent_comm), "
		"REC->parent_pid, __get_str(child_comm), REC->child_pid"},
	[TESTS_SETUP] = {"timer", "hrtimer_setup", 461, SETUP, SETUP_PRINT},
	[TESTS_START] = {"timer", "hrtimer_start", 460,
		{{"void * hrtimer", 8, 0}, {"void * function", 8, 0}, {"s64 expires", 8, 1},
			{"s64 softexpires", 8, 1}, {"enum hrtimer_mode mode", 4, 0},
			{"bool was_armed", 1, 0}},
		"\"hrtimer=%p function=%ps expires=%llu softexpires=%llu mode=%d was_armed=%d\", "
		"REC->hrtimer, REC->function, (unsigned long long) REC->expires, "
		"(unsigned long long) REC->softexpires, REC->mode, REC->was_armed"},
};

static const struct tests_event_format formats_61[TESTS_EVENTS] = {
	SAME_IN_ALL,
	[TESTS_MIGRATE] = {"sched", "sched_migrate_task", 371,
		{{"char comm[16]", 16, 0}, {"pid_t pid", 4, 1}, {"int prio", 4, 1},
			{"int orig_cpu", 4, 1}, {"int dest_cpu", 4, 1}},
		"\"comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d\", REC->comm, REC->pid, "
		"REC->prio, REC->orig_cpu, REC->dest_cpu"},
	[TESTS_FORK] = {"sched", "sched_process_fork", 366,
		{{"char parent_comm[16]", 16, 0}, {"pid_t parent_pid", 4, 1},
			{"char child_comm[16]", 16, 0}, {"pid_t child_pid", 4, 1}},
		"\"comm=%s pid=%d child_comm=%s child_pid=%d\", REC->parent_comm, "
		"REC->parent_pid, REC->child_comm, REC->child_pid"},
	[TESTS_SETUP] = {"timer", "hrtimer_init", 461, SETUP, SETUP_PRINT},
	[TESTS_START] = {"timer", "hrtimer_start", 460,
		{{"void * hrtimer", 8, 0}, {"void * function", 8, 0}, {"s64 expires", 8, 1},
			{"s64 softexpires", 8, 1}, {"enum hrtimer_mode mode", 4, 0}},
		"\"hrtimer=%p function=%ps expires=%llu softexpires=%llu mode=%d\", "
		"REC->hrtimer, REC->function, (unsigned long long) REC->expires, "
		"(unsigned long long) REC->softexpires, REC->mode"},
};

#define WAKE_419                                                                                   \
	{                                                                                          \
		{"char comm[16]", 16, 0}, {"pid_t pid", 4, 1}, {"int prio", 4, 1},                 \
			{"int success", 4, 1},                                                     \
		{                                                                                  \
			"int target_cpu", 4, 1                                                     \
		}                                                                                  \
	}
#define WAKE_NEW                                                                                   \
	{                                                                                          \
		{"char comm[16]", 16, 0}, {"int prio", 4, 1}, {"pid_t pid", 4, 1},                 \
		{                                                                                  \
			"int target_cpu", 4, 1                                                     \
		}                                                                                  \
	}
#define SWITCH_NEW                                                                                 \
	{                                                                                          \
		{"char prev_comm[16]", 16, 0}, {"int prev_prio", 4, 1}, {"pid_t prev_pid", 4, 1},  \
			{"long prev_state", 8, 1}, {"char next_comm[16]", 16, 0},                  \
			{"int next_prio", 4, 1},                                                   \
		{                                                                                  \
			"pid_t next_pid", 4, 1                                                     \
		}                                                                                  \
	}

/* Those of @base, with other fields of the most frequent events. */
static const struct tests_event_format *vary(const struct tests_event_format *base,
	struct tests_event_format *room, const struct tests_field *wake,
	const struct tests_field *sw)
{
	memcpy(room, base, TESTS_EVENTS * sizeof(*room));
	for (int i = TESTS_WAKING; i <= TESTS_WAKEUP_NEW; i++)
		memcpy(room[i].fields, wake, sizeof(room[i].fields));
	if (sw)
		memcpy(room[TESTS_SWITCH].fields, sw, sizeof(room[0].fields));
	return room;
}

const struct tests_event_format *tests_event_formats(enum tests_kernel kernel)
{
	static const struct tests_field wake_419[TESTS_MAX_FIELDS] = WAKE_419;
	static const struct tests_field wake_new[TESTS_MAX_FIELDS] = WAKE_NEW;
	static const struct tests_field switch_new[TESTS_MAX_FIELDS] = SWITCH_NEW;
	static struct tests_event_format room_419[TESTS_EVENTS], room_new[TESTS_EVENTS];

	switch (kernel) {
	case TESTS_KERNEL_618:
		return formats_618;
	case TESTS_KERNEL_419:
		return vary(formats_61, room_419, wake_419, NULL);
	case TESTS_KERNEL_NEW:
		return vary(formats_618, room_new, wake_new, switch_new);
	default:
		return formats_61;
	}
}

unsigned tests_common_size(enum tests_kernel kernel)
{
	return kernel == TESTS_KERNEL_RT ? 12 : 8;
}

unsigned tests_field_offset(enum tests_kernel kernel, enum tests_event event, unsigned index)
{
	const struct tests_field *fields = tests_event_formats(kernel)[event].fields;
	unsigned at = tests_common_size(kernel);

	for (unsigned i = 0;; i++) {
		unsigned align = fields[i].size == 4 || fields[i].size == 8 ? fields[i].size : 1;

		at = (at + align - 1) / align * align;
		if (i == index)
			return at;
		at += fields[i].size;
	}
}

unsigned tests_record_size(enum tests_kernel kernel, enum tests_event event)
{
	const struct tests_field *fields = tests_event_formats(kernel)[event].fields;
	unsigned n = 0;

	while (n < TESTS_MAX_FIELDS && fields[n].declaration)
		n++;
	return tests_field_offset(kernel, event, n - 1) + fields[n - 1].size;
}

char *tests_format_text(enum tests_kernel kernel, enum tests_event event)
{
	const struct tests_event_format *f = &tests_event_formats(kernel)[event];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fprintf(out,
		"name: %s\nID: %u\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
		"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n",
		f->name, f->id);
	if (kernel == TESTS_KERNEL_RT)
		fputs("\tfield:unsigned char "
		      "common_migrate_disable;\toffset:8;\tsize:1;\tsigned:0;\n"
		      "\tfield:unsigned char "
		      "common_preempt_lazy_count;\toffset:9;\tsize:1;\tsigned:0;\n",
			out);
	fputc('\n', out);
	for (unsigned i = 0; i < TESTS_MAX_FIELDS && f->fields[i].declaration; i++)
		fprintf(out, "\tfield:%s;\toffset:%u;\tsize:%u;\tsigned:%d;\n",
			f->fields[i].declaration, tests_field_offset(kernel, event, i),
			f->fields[i].size, f->fields[i].is_signed);
	fprintf(out, "\nprint fmt: %s\n", f->print);
	if (fclose(out) != 0)
		abort();
	return text;
}

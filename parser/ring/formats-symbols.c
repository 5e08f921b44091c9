/* SPDX-License-Identifier: MIT */
/* Finds by their symbols which kernel functions stand for which kind of timer. */
#include "ring.h"

#include <stdlib.h>

/* Which kernel functions stand for what kind of hrtimer. */
static const struct {
	const char *name;
	enum vmrt_timer_fn fn;
} functions[] = {
	{"hrtimer_wakeup", VMRT_FN_WAKEUP},
	{"timerfd_tmrproc", VMRT_FN_TIMERFD},
	{"it_real_fn", VMRT_FN_ITIMER},
	{"posix_timer_fn", VMRT_FN_POSIX},
	{"tick_sched_timer", VMRT_FN_TICK},
	{"tick_nohz_handler", VMRT_FN_TICK},
	{"tick_nohz_highres_handler", VMRT_FN_TICK},
	{"dl_task_timer", VMRT_FN_DEADLINE},
	{"sched_rt_period_timer", VMRT_FN_RT_PERIOD},
	{"sched_cfs_period_timer", VMRT_FN_CFS_PERIOD},
	{"sched_cfs_slack_timer", VMRT_FN_CFS_PERIOD},
	{"job_release_handler", VMRT_FN_RESCH_JOB},
	{"server_complete_handler", VMRT_FN_RESCH_SERVER},
	{"server_release_handler", VMRT_FN_RESCH_SERVER},
};

static void take_symbol(struct vmrt_formats *f, uint64_t address, const char *name, size_t len)
{
	if (!address) /* hidden by kptr_restrict */
		return;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strlen(functions[i].name) != len || memcmp(functions[i].name, name, len) != 0)
			continue;
		if (f->n_symbols < FORMATS_SYMBOLS) {
			f->symbols[f->n_symbols].address = address;
			f->symbols[f->n_symbols++].fn = functions[i].fn;
		}
		return;
	}
}

/* Lines are "ffffffff81000000 t name" and perhaps more. */
void formats_kallsyms(struct vmrt_formats *f, const char *text)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		char *after;
		uint64_t address = strtoull(text, &after, 16);

		if (after != text && after < end && end - after > 3 && after[0] == ' ' &&
			after[2] == ' ') {
			const char *name = after + 3;
			size_t len = strcspn(name, " \t\r\n");

			take_symbol(f, address, name, len);
		}
		text = *end ? end + 1 : end;
	}
}

/* SPDX-License-Identifier: MIT */
/* Lists of threads and their processes: what a guest sends, and the file of a stranger's run. */
#include <string.h>

#include <vmrt/processes.h>

#include "fuzz-file.h"

static void check(const struct vmrt_processes *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct vmrt_thread_process *t = &p->list[i];

		/* each once, in order, with a name that ends */
		if (t->tid < 1 || t->pid < 1 || (i && p->list[i - 1].tid >= t->tid) ||
			strnlen(t->comm, sizeof(t->comm)) == sizeof(t->comm) ||
			vmrt_processes_find(p, t->tid) != t)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_processes p, lists[VMRT_PROCESSES_TIMES];
	char *text = strndup((const char *)data, size), dat[160];
	struct vmrt_error err = {.text = ""};

	if (!text)
		abort();
	if (vmrt_processes_parse(text, &p) == VMRT_OK)
		check(&p);
	vmrt_processes_free(&p);
	free(text);
	fuzz_write("x" VMRT_PROCESSES_SUFFIX, data, size);
	snprintf(dat, sizeof(dat), "%s/x.dat", fuzz_folder());
	if (vmrt_processes_load(dat, lists, &err) != VMRT_OK) {
		if (!err.text[0])
			abort(); /* an error without words */
		return 0;
	}
	check(&lists[VMRT_PROCESSES_BEGIN]);
	check(&lists[VMRT_PROCESSES_END]);
	for (size_t i = 0; i < VMRT_PROCESSES_TIMES; i++)
		vmrt_processes_free(&lists[i]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Doubles of what a live view reads: the clock, the tracer, the VMs and the sessions. The linker
 * puts them in the place of the real functions (--wrap, see tests.mk). test_live.c includes this
 * file and decides what each double returns.
 */
#ifndef VMRT_TESTS_LIVEFIX_H
#define VMRT_TESTS_LIVEFIX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/live.h>
#include <vmrt/tracer.h>
#include <vmrt/vms.h>

#include "pages.h"

static int64_t now_ns; /* of everybody */
static struct {
	const uint8_t *pages[16];
	size_t n;
} host;
static struct {
	struct vmrt_guest_options options;
	enum vmrt_guest_state state;
	int64_t upto_ns;
	struct vmrt_ping pings[64];
	size_t n_pings;
	unsigned opened;
	bool open;
} guest;
static unsigned guest_cpus;

int64_t __wrap_vmrt_now_ns(void);
int64_t __wrap_vmrt_now_ns(void)
{
	return now_ns;
}

static void make_meta(struct vmrt_trace_meta *meta, unsigned cpus)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	const char *const *formats, *const *systems;
	size_t n = tests_dat_formats(d, &formats, &systems);

	*meta = (struct vmrt_trace_meta){.cpus = cpus,
		.page_size = TESTS_PAGE_SIZE,
		.header_page = strdup(tests_dat_header_page()),
		.header_event = strdup(""),
		.kallsyms = strdup(tests_dat_kallsyms()),
		.cmdlines = strdup(""),
		.clock = strdup("local [mono]"),
		.uname = strdup("")};
	meta->formats = calloc(n, sizeof(*meta->formats));
	for (size_t i = 0; i < n; i++, meta->n_formats++) {
		snprintf(
			meta->formats[i].system, sizeof(meta->formats[i].system), "%s", systems[i]);
		meta->formats[i].text = strdup(formats[i]);
	}
	tests_dat_free(d);
}

#define WRAP(type, name, ...)                                                                      \
	type __wrap_##name(__VA_ARGS__);                                                           \
	type __wrap_##name(__VA_ARGS__)
#define UNUSED __attribute__((unused))

static struct vmrt_trace_meta guest_meta;
static int one;

WRAP(enum vmrt_status, vmrt_tracer_open, const char *label UNUSED, uint64_t buffer UNUSED,
	struct vmrt_tracer **out, struct vmrt_error *err UNUSED)
{
	*out = (struct vmrt_tracer *)&one;
	return VMRT_OK;
}

/* Only what another one of the same label has left is removed. */
WRAP(enum vmrt_status, vmrt_tracer_reset, const char *label, const char *like,
	unsigned *removed UNUSED, unsigned *kept UNUSED,
	void (*report)(void *ctx, const char *name, const char *why) UNUSED, void *ctx UNUSED,
	struct vmrt_error *err UNUSED)
{
	assert_string_equal(label, "top");
	assert_null(like);
	return VMRT_OK;
}

WRAP(enum vmrt_status, vmrt_tracer_meta, const struct vmrt_tracer *t UNUSED,
	struct vmrt_trace_meta *out, struct vmrt_error *err UNUSED)
{
	make_meta(out, 1);
	return VMRT_OK;
}

WRAP(unsigned, vmrt_tracer_cpus, const struct vmrt_tracer *t UNUSED)
{
	return 1;
}

WRAP(uint32_t, vmrt_tracer_page_size, const struct vmrt_tracer *t UNUSED)
{
	return TESTS_PAGE_SIZE;
}

WRAP(enum vmrt_status, vmrt_tracer_on, struct vmrt_tracer *t UNUSED, struct vmrt_error *err UNUSED)
{
	return VMRT_OK;
}

WRAP(enum vmrt_status, vmrt_tracer_close, struct vmrt_tracer *t UNUSED, int ms UNUSED,
	struct vmrt_error *err UNUSED)
{
	return VMRT_OK;
}

WRAP(int, vmrt_tracer_read, struct vmrt_tracer *t UNUSED, unsigned cpu UNUSED, void *page)
{
	if (!host.n)
		return 0;
	memcpy(page, host.pages[0], TESTS_PAGE_SIZE);
	memmove(host.pages, host.pages + 1, --host.n * sizeof(host.pages[0]));
	return 1;
}

static bool has_other; /* beside g there is a VM without an agent, before it in the list */

WRAP(enum vmrt_status, vmrt_vms_find, struct vmrt_vm **out, size_t *n,
	struct vmrt_error *err UNUSED)
{
	struct vmrt_vm *list = calloc(2, sizeof(*list));

	*n = has_other ? 2 : 1;
	strcpy(list->name, "other");
	list->pid = 4000;
	*out = list + has_other;
	strcpy((*out)->name, "g");
	strcpy((*out)->link[1], "/nowhere");
	(*out)->pid = 4711;
	(*out)->threads = calloc(1, sizeof(*(*out)->threads));
	(*out)->threads[0].tid = 500;
	(*out)->threads[0].role = VMRT_ROLE_VCPU;
	(*out)->n_threads = 1;
	*out = list;
	return VMRT_OK;
}

WRAP(enum vmrt_status, vmrt_guest_open, const struct vmrt_guest_options *options,
	struct vmrt_guest **out, struct vmrt_error *err UNUSED)
{
	assert_false(guest.open);
	guest.options = *options;
	guest.state = VMRT_GUEST_CONNECTING;
	guest.upto_ns = 0;
	guest.n_pings = 0;
	guest.opened++;
	guest.open = true;
	vmrt_trace_meta_free(&guest_meta);
	make_meta(&guest_meta, guest_cpus);
	*out = (struct vmrt_guest *)&guest;
	return VMRT_OK;
}

WRAP(enum vmrt_guest_state, vmrt_guest_wait, struct vmrt_guest *g UNUSED,
	enum vmrt_guest_state state UNUSED, int ms UNUSED, int fd UNUSED)
{
	return guest.state;
}

WRAP(void, vmrt_guest_start, struct vmrt_guest *g UNUSED)
{
}

WRAP(void, vmrt_guest_abort, struct vmrt_guest *g UNUSED, const char *why UNUSED)
{
	guest.state = VMRT_GUEST_FAILED;
}

WRAP(void, vmrt_guest_error, struct vmrt_guest *g UNUSED, char *buf, size_t room)
{
	snprintf(buf, room, "%s", guest.state == VMRT_GUEST_FAILED ? "g: it broke" : "");
}

WRAP(int64_t, vmrt_guest_upto, struct vmrt_guest *g UNUSED)
{
	return guest.upto_ns;
}

WRAP(size_t, vmrt_guest_copy_pings, struct vmrt_guest *g UNUSED, uint64_t *next,
	struct vmrt_ping *out, size_t max)
{
	size_t n = 0;

	while (n < max && *next < guest.n_pings)
		out[n++] = guest.pings[(*next)++];
	return n;
}

WRAP(const struct vmrt_trace_meta *, vmrt_guest_meta, struct vmrt_guest *g UNUSED)
{
	return &guest_meta;
}

WRAP(void, vmrt_guest_close, struct vmrt_guest *g)
{
	guest.open &= !g;
}

#endif

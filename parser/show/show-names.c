/* SPDX-License-Identifier: MIT */
/* Keeps the names of threads while events are printed: first the saved names, then the names that
 * events give. */
#include "show-local.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/dat.h>
#include <vmrt/utf8.h>

#define FIRST_SLOTS 1024
#define MAX_SLOTS (1u << 23) /* twice the largest pid */

static struct show_name *slot_of(const struct show_names *n, int32_t pid)
{
	size_t i = ((uint32_t)pid * UINT32_C(2654435761)) & n->mask;

	while (n->slots[i].pid && n->slots[i].pid != pid)
		i = (i + 1) & n->mask;
	return &n->slots[i];
}

static bool grow(struct show_names *n)
{
	struct show_names more = {.mask = n->slots ? 2 * n->mask + 1 : FIRST_SLOTS - 1};

	more.slots = n->mask < MAX_SLOTS ? calloc(more.mask + 1, sizeof(*more.slots)) : NULL;
	if (!more.slots)
		return false;
	for (size_t i = 0; n->slots && i <= n->mask; i++)
		if (n->slots[i].pid)
			*slot_of(&more, n->slots[i].pid) = n->slots[i];
	more.used = n->used;
	free(n->slots);
	*n = more;
	return true;
}

/* Stores a name; without memory the name stays unknown. */
static void set(struct show_names *n, int32_t pid, const char *comm)
{
	struct show_name *slot;

	if (pid <= 0 || !comm || ((!n->slots || 2 * n->used > n->mask) && !grow(n)))
		return;
	slot = slot_of(n, pid);
	if (slot->pid && !strncmp(slot->comm, comm, 16))
		return;
	n->used += !slot->pid;
	slot->pid = pid;
	memset(slot->comm, 0, sizeof(slot->comm));
	memcpy(slot->comm, comm, strnlen(comm, 16));
	vmrt_utf8_sanitize(slot->comm);
}

bool show_names_saved(struct show_names *names, const char *path)
{
	struct vmrt_dat *dat;
	const char *comm;
	int32_t pid;

	if (!grow(names))
		return false;
	if (vmrt_dat_open(path, &dat, NULL) != VMRT_OK)
		return true;
	for (size_t i = 0; (comm = vmrt_dat_saved_comm(dat, i, &pid)); i++)
		set(names, pid, comm);
	vmrt_dat_close(dat);
	return true;
}

void show_names_follow(struct show_names *names, const struct vmrt_event *ev)
{
	switch (ev->type) {
	case VMRT_EV_SWITCH:
		set(names, ev->sw.prev_pid, ev->sw.prev_comm);
		set(names, ev->sw.next_pid, ev->sw.next_comm);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		set(names, ev->wake.pid, ev->wake.comm);
		break;
	case VMRT_EV_FORK:
		set(names, ev->process.other_pid, ev->process.comm);
		break;
	default:
		break;
	}
}

const char *show_names_get(const struct show_names *names, int32_t pid)
{
	/* a recording may have no names, or none up to this event */
	const struct show_name *slot = names->slots ? slot_of(names, pid) : NULL;

	return slot && slot->pid ? slot->comm : "<...>";
}

void show_names_free(struct show_names *names)
{
	free(names->slots);
}

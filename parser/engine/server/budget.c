/* SPDX-License-Identifier: MIT */
/* The only place where it changes whether the members of a server have budget. */
#include "server.h"

#include <stddef.h>

static bool *of_budget(struct server *s)
{
	return (void *)((char *)s + offsetof(struct server, at_priority));
}

/** change_budget - from @host_ns on, the members of @s have budget, or have none */
void change_budget(struct server *s, int64_t host_ns, bool at_priority)
{
	change_rules(s->engine, host_ns);
	*of_budget(s) = at_priority;
}

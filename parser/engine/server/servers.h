/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_SERVER_SERVERS_H
#define VMRT_PARSER_ENGINE_SERVER_SERVERS_H

/* Inside the servers' part of the engine. */

#include "server.h"

/* server/members.c */
bool server_find_members(
	struct vmrt_engine *e, struct server *s, const struct vmrt_server_spec *spec);

/* server/servers.c */
void server_announce(struct vmrt_engine *e, struct server *s);

/* server/supply.c */
void server_begin_period(struct server *s, int64_t k, int64_t start_ns);
/** server_is_priority - do members of it, of which no enforcer wrote markers, have budget at kernel
 * priority @prio? */
bool server_is_priority(const struct server *s, int prio);
void server_close_period(struct vmrt_engine *e, struct server *s);
/** server_lay_grid - the grid is known: a period, number @phase_k if they are numbered, begins at
 * @phase_ns */
void server_lay_grid(struct vmrt_engine *e, struct server *s, int64_t phase_ns,
	enum vmrt_phase source, int64_t phase_k);

#endif

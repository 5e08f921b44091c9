/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_SRV_ORACLE_H
#define VMRT_TESTS_SRV_ORACLE_H

/* What the log says of a server, and what the engine said. */

#include "srv.h"

struct srv_got {
	const struct srv_result *r;
	FILE *out;
	int show, bad, fitted;
	struct vmrt_server *servers;
	struct vmrt_server_period *periods;
	struct vmrt_violation *violations;
	struct vmrt_check *checks;
	struct vmrt_unmanaged *unmanaged;
	struct vmrt_loss *losses;
	size_t n_servers, n_periods, n_violations, n_checks, n_unmanaged, n_losses;
	size_t servers_room, periods_room, violations_room, checks_room, unmanaged_room,
		losses_room;
};

struct srv_sum {
	int64_t served_ns, background_ns, waiting_ns, first_ns;
	int64_t missing_ns;   /* a member wanted to run without budget */
	int64_t forbidden_ns; /* run time at a real-time priority, or at all if hard, without budget
			       */
	bool wanted;	      /* throughout */
	bool paused;	      /* nobody wanted to, for some time */
};

void *srv_grow(void *items, size_t n, size_t *room, size_t size);
void srv_wrong(struct srv_got *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
double srv_at(const struct srv_got *g, int64_t ns);
bool srv_by_user(const struct srv_result *r);
/** srv_known_from - from when on the recording shows what each member of a server does */
int64_t srv_known_from(const struct srv_result *r, size_t server);
/** srv_over_of - run time at the server's priority behind a depletion, in runs that end in the
 * interval */
int64_t srv_over_of(const struct srv_log *l, int64_t from, int64_t to);
struct srv_sum srv_sum_of(const struct srv_log *l, int64_t from, int64_t to);
void srv_judge(struct srv_got *g, uint32_t server);

/* between srv-oracle.c and srv-oracle-words.c */
size_t srv_first_of(const struct srv_log *l, int64_t from);
const struct vmrt_violation *srv_row_at(
	const struct srv_got *g, uint32_t server, enum vmrt_rule rule, int64_t from, int64_t to);
size_t srv_count(const struct srv_got *g, uint32_t server, enum vmrt_rule rule);
void srv_expect(struct srv_got *g, uint32_t s, enum vmrt_rule rule, int64_t from, int64_t to,
	int64_t measured);
void srv_judge_words(struct srv_got *g, uint32_t s);
void srv_judge_depleted(struct srv_got *g, uint32_t s);
void srv_judge_idle(struct srv_got *g, uint32_t s);
void srv_judge_chunks(struct srv_got *g, uint32_t s);

#endif

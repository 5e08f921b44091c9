/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_RULES_POLICY_H
#define VMRT_HSF_RULES_POLICY_H

/*
 * The rules of servers, as pure functions of times. All times are CLOCK_MONOTONIC in ns. The
 * enforcer (hsf/enforce) passes the time and the consumption, and carries out what the functions
 * return.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/experiment.h>
#include <vmrt/units.h>

#define HSF_NEVER INT64_MAX /* a time that does not come */

/* A budget counts as used up when less than this is left. An alarm for less costs more than it
 * saves, and the kernel cannot set alarms for less than 10 us. */
#define HSF_LEAST_STEP_NS INT64_C(15000)

/* Server with several vCPU threads: the shortest step of one of them (hsf_step). */
#define HSF_SPLIT_STEP_NS INT64_C(50000)

#define HSF_CHUNKS 256 /* parts of a sporadic server's budget, at most */

/* What the mechanism is to do after a rule was applied. */
enum hsf_action {
	HSF_NOTHING = 0,
	HSF_REPLENISHED, /* see hsf_budget.replenishment; the server is eligible */
	HSF_DEPLETED,	 /* not eligible until the next replenishment */
};

/* How members are made to run or wait, and what is consumption. */
struct hsf_rules {
	enum vmrt_policy policy;
	bool may_rest; /* a full budget that nobody consumes need not be replenished */
	bool by_slot;  /* consumed while the server is the first that is eligible, whether or not a
			  member runs */
	bool discards; /* what is left is lost when no member wants to run */
	bool by_deadline;   /* members' priorities follow from the end of the period, and are not
			       fixed */
	bool by_activation; /* consumed budget returns one period after the members began to want to
			       run */
	bool measures;	    /* nobody's priority is changed */
	bool by_kernel;	    /* the kernel enforces it, on a grid of its own */
};

/* Part of a sporadic server's budget, available from a time on. */
struct hsf_chunk {
	int64_t at_ns, amount_ns;
};

/* One server's budget. */
struct hsf_budget {
	const struct hsf_rules *rules;
	int64_t period_ns;
	int64_t budget_ns;
	int64_t t0; /* first replenishment */
	int64_t k;  /* number of the current period, or of the last replenishment; -1 before t0 */
	int64_t used_ns;  /* since the last replenishment of a server with a grid */
	bool eligible;	  /* there is budget */
	uint64_t skipped; /* replenishments left out, because their time came while nobody ran */
	bool dormant; /* nothing was consumed for a whole period: no replenishment until something
			 is consumed */
	struct hsf_chunk replenishment; /* by the last replenishment: its nominal time and amount */
	/* by activation: oldest first; the first of them are available */
	struct hsf_chunk chunks[HSF_CHUNKS];
	size_t n_chunks, n_available;
	int64_t checked_ns; /* all activations that began before this time are known */
};

/** hsf_rules_for - the rules of @policy, or NULL if vmrt-hsf has none */
const struct hsf_rules *hsf_rules_for(enum vmrt_policy policy);

/** hsf_rules_names - words for the policies there are rules for, separated by commas */
const char *hsf_rules_names(void);

/** hsf_budget_init - a budget that is replenished for the first time at @t0 */
void hsf_budget_init(struct hsf_budget *b, const struct hsf_rules *rules, int64_t period_ns,
	int64_t budget_ns, int64_t t0);

/** hsf_budget_next - the next time at which hsf_budget_time() is to be called */
int64_t hsf_budget_next(const struct hsf_budget *b);

/**
 * hsf_budget_time - apply the replenishment that is due at @now, if any
 *
 * Return: HSF_REPLENISHED, and then it has to be called again; or HSF_NOTHING.
 */
enum hsf_action hsf_budget_time(struct hsf_budget *b, int64_t now);

/** hsf_budget_use - take @used_ns from the budget: consumed until @now, while the server was
 * eligible */
enum hsf_action hsf_budget_use(struct hsf_budget *b, int64_t now, int64_t used_ns);

/** hsf_budget_idle - apply to the budget that no member wants to run */
enum hsf_action hsf_budget_idle(struct hsf_budget *b);

/** hsf_budget_leave_dormancy - replenish a dormant budget again, from the period of @now on */
void hsf_budget_leave_dormancy(struct hsf_budget *b, int64_t now);

/** hsf_budget_wake - a member wants to run since @now, after a time in which none did */
void hsf_budget_wake(struct hsf_budget *b, int64_t now);

/** hsf_budget_left - what may be consumed now: 0 if not eligible, below 0 after an overrun */
int64_t hsf_budget_left(const struct hsf_budget *b);

/** hsf_budget_deadline - the end of the period in progress */
int64_t hsf_budget_deadline(const struct hsf_budget *b);

/* policy-sporadic.c, for policy.c */
void hsf_sporadic_init(struct hsf_budget *b);
int64_t hsf_sporadic_next(const struct hsf_budget *b);
enum hsf_action hsf_sporadic_time(struct hsf_budget *b, int64_t now);
enum hsf_action hsf_sporadic_use(struct hsf_budget *b, int64_t used_ns);
void hsf_sporadic_wake(struct hsf_budget *b, int64_t now);
int64_t hsf_sporadic_left(const struct hsf_budget *b);

/**
 * hsf_step - how much one vCPU thread may consume before the budget is looked at again
 * @left_ns: what is left of the budget
 * @n: vCPU threads that share it
 * @early_ns: time between a clock event and the look at it, as measured; 0 if not known
 *
 * With one thread that is all that is left, less @early_ns. Of several threads each may go on
 * alone, and their sum must not pass the budget: each gets its share and the rest is shared again
 * when the first has used up his. Steps end at HSF_SPLIT_STEP_NS, so the sum passes the budget by
 * at most (n - 1) * HSF_SPLIT_STEP_NS and the latency of the look.
 */
int64_t hsf_step(int64_t left_ns, size_t n, int64_t early_ns);

/*
 * An estimate of the median latency of recent clock events; later events are asked for earlier by
 * so much. Each sample moves the estimate by one step towards the sample, whatever the sample's
 * size, so the estimate stays where as many samples are above as below it.
 */
struct hsf_latency {
	int64_t median;
	unsigned n;
};

#define HSF_LATENCY_SETTLED 32	   /* samples until it is relied on */
#define HSF_LATENCY_COARSE_NS 1000 /* the step until then, */
#define HSF_LATENCY_FINE_NS 100	   /* and afterwards */

/** hsf_latency_init - nothing measured yet */
void hsf_latency_init(struct hsf_latency *l);

/** hsf_latency_add - a clock event was handled @ns after its time */
void hsf_latency_add(struct hsf_latency *l, int64_t ns);

/*
 * The largest advance for which a clock event is asked earlier. The enforcer spins until the time
 * of an event that comes early, or looks again every HSF_LEAST_STEP_NS. If latencies are long, as
 * in a guest under emulation, that must not become most of what the enforcer does.
 */
#define HSF_MOST_EARLY_NS INT64_C(100000)

/** hsf_latency_early - the median or HSF_MOST_EARLY_NS, 0 until there are HSF_LATENCY_SETTLED
 * samples */
int64_t hsf_latency_early(const struct hsf_latency *l);

#endif

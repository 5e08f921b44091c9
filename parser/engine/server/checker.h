/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_SERVER_CHECKER_H
#define VMRT_PARSER_ENGINE_SERVER_CHECKER_H

/*
 * Did one server keep the rules of its policy? It gets the supply in time order, and judges
 * windows.
 *
 * What makes a window uncertain (loss, an inferred switch, steal) can become known after its end.
 * So a verdict is held back until checker_safe() says that nothing can come to light before its
 * window's end any more. Memory is bounded: pieces of supply of about one period, and CHECKER_HELD
 * verdicts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/record.h>

#define CHECKER_HELD 4096    /* verdicts held back, at most */
#define CHECKER_UNSURE 32    /* uncertain intervals remembered; older ones are merged */
#define CHECKER_PIECES 65536 /* pieces of supply remembered, at most */

struct checker_config {
	uint32_t server;
	enum vmrt_policy policy;
	int64_t period_ns, budget_ns;
	int64_t tolerance_ns;
	bool grid;	     /* the periods' begin is known, not guessed */
	bool enforced;	     /* markers say when the members have budget */
	bool others_charged; /* threads that are not members use up budget, too */
	bool joined;	     /* the enforcer had begun before the recording did */
	int members;
	int reservations; /* members that have a budget each; 0: they share it */
	void *ctx;	  /* for the functions */
	void (*violation)(void *ctx, const struct vmrt_violation *violation);
	void (*check)(void *ctx, const struct vmrt_check *check);
};

/* What went on in an interval in which nothing changed. */
struct checker_supply {
	int served;    /* members that ran and were charged for it */
	int wanting;   /* members that ran or were ready to run, with or without budget */
	bool doubt;    /* perhaps fewer: a member may have been woken only to be stopped */
	bool eligible; /* the members had budget */
	bool selected; /* no server above could have kept it from its CPUs: without work, its budget
			  passes */
	bool yields;   /* a member that had budget waited for a member of another server */
	bool lower;    /* a member that had budget waited while its CPU was idle or ran a thread of
			  lower priority */
	bool kernels;  /* and the kernel was the cause: RT throttling, or its fair server */
};

struct checker;

/** checker_new - NULL without memory; the rules of the policy are in force from @from_ns on */
struct checker *checker_new(const struct checker_config *config, int64_t from_ns);

/**
 * checker_period - a period begins at @start_ns; the one before, if any, has ended and is judged
 * @whole: the period that ended was one of the grid, and all of it was seen
 * @response_ns: longest time from the period's begin in which the server gets its budget, given
 *those above it; VMRT_UNKNOWN if it is not certain that it does
 */
void checker_period(struct checker *c, int64_t start_ns, bool whole, int64_t response_ns);

/** checker_supply - @supply was so from @from_ns to @to_ns; intervals follow one another and end
 * with periods */
void checker_supply(
	struct checker *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *supply);

/** checker_replenished - at @now_ns the enforcer gave @amount_ns, which was due at @at_ns */
void checker_replenished(struct checker *c, int64_t now_ns, int64_t at_ns, int64_t amount_ns);

/** checker_depleted - at @now_ns the enforcer took the rest of the budget away */
void checker_depleted(struct checker *c, int64_t now_ns);

/** checker_not_raised - a member that had budget had no real-time priority: no wait of it was the
 * kernel's doing */
void checker_not_raised(struct checker *c);

/** checker_appears - what a member did before @now_ns is not known */
void checker_appears(struct checker *c, int64_t now_ns);

/** checker_forbidden - out of budget, a member ran all the same, in a way that its depletion
 * forbids */
void checker_forbidden(struct checker *c, int64_t from_ns, int64_t to_ns);

/**
 * checker_company - SCHED_DEADLINE: others on its CPUs may overrun by @ns together before the
 * kernel notices; so much may be left of a period for the next one
 */
void checker_company(struct checker *c, int64_t ns);

/**
 * checker_late - cfs_quota, rt_group: the budget of the period in progress comes @ns behind its
 * begin, or not before its end; until then the members may use what is left of the one before
 */
void checker_late(struct checker *c, int64_t ns);

/** checker_width - the members have run on @cpus CPUs, each of which has a budget of its own in a
 * group */
void checker_width(struct checker *c, int cpus);

/** checker_unsure - nothing certain is known of @from_ns to @to_ns */
void checker_unsure(struct checker *c, int64_t from_ns, int64_t to_ns);

/** checker_safe - no doubt about times before @ns will come any more */
void checker_safe(struct checker *c, int64_t ns);

/** checker_finish - give what is held back, and the counts */
void checker_finish(struct checker *c);

void checker_free(struct checker *c);

/* checker-held.c: verdicts, and times that are unsure */

struct verdict {
	enum vmrt_rule rule;
	bool dropped;
	int64_t from_ns, to_ns;
	int64_t measured_ns, allowed_ns, tolerance_ns;
};

struct interval {
	int64_t from_ns, to_ns;
};

struct verdicts {
	const struct checker_config *config;
	struct verdict *ring;
	size_t room, first, n;
	struct interval unsure[CHECKER_UNSURE];
	size_t n_unsure;
	struct vmrt_check counts[VMRT_RULES];
};

void verdicts_init(struct verdicts *v, const struct checker_config *config);
void verdicts_add(struct verdicts *v, const struct verdict *verdict);
void verdicts_unknown(struct verdicts *v, enum vmrt_rule rule);
bool verdicts_are_unsure(const struct verdicts *v, int64_t from_ns, int64_t to_ns);
void verdicts_unsure(struct verdicts *v, int64_t from_ns, int64_t to_ns);
void verdicts_release(struct verdicts *v, int64_t safe_ns);
void verdicts_finish(struct verdicts *v);

/** verdict_excess - how far it is beyond what is allowed; a violation if more than the tolerance */
int64_t verdict_excess(const struct verdict *verdict);

/* checker-sliding.c: any interval as long as the period */

struct piece {
	int64_t from_ns, to_ns;
	int members;
	int64_t before_ns; /* sum of the supply in all pieces before this one */
};

struct sliding {
	struct verdicts *verdicts;
	int64_t length_ns, allowed_ns, tolerance_ns;
	int64_t since_ns;
	struct piece *pieces;
	size_t room, first, n,
		next;		   /* next: index, from first, of the next start to be looked at */
	struct verdict worst, bad; /* a violation of the period that was not reported yet */
	bool have_worst, have_bad;
	bool judged; /* at the interval that ends with the last piece as it is */
};

void sliding_init(struct sliding *s, struct verdicts *verdicts);
void sliding_begin(struct sliding *s, int64_t since_ns);
void sliding_supply(struct sliding *s, int64_t from_ns, int64_t to_ns, int members);
void sliding_period(struct sliding *s, int64_t now_ns);
void sliding_finish(struct sliding *s);
void sliding_free(struct sliding *s);

/* checker-chunks.c: what a sporadic server used returns one period later */

#define CHUNKS_MAX 1024

struct activation {
	int64_t start_ns, end_ns; /* end: VMRT_UNKNOWN while it lasts */
	int64_t used_ns, returned_ns;
	bool partial; /* it may have begun before the recording did */
};

struct chunks {
	struct verdicts *verdicts;
	int64_t since_ns, period_ns, tolerance_ns;
	struct activation list[CHUNKS_MAX];
	size_t first, n;
};

/* checker-marks.c: an enforcer's markers about a budget, compared with what happened */

struct words {
	struct verdicts *verdicts;
	const struct checker_config *config;
	/* of the period in progress */
	bool granted;	      /* the budget was given */
	bool out;	      /* it was used up for some time */
	bool paused;	      /* there was no work for some time */
	bool doubt;	      /* perhaps there was none */
	int64_t granted_ns;   /* how much */
	int64_t passed_ns;    /* of a budget that passes with time, at most */
	int64_t missing_ns;   /* how long a member wanted to run before the budget was given */
	int64_t forbidden_ns; /* run time out of budget */
	int64_t forbidden_from_ns, forbidden_to_ns;
};

void words_period(struct words *w);
void words_supply(struct words *w, int64_t from_ns, int64_t to_ns, const struct checker_supply *s);
void words_replenished(struct words *w, int64_t now_ns, int64_t at_ns, int64_t amount_ns);
void words_depleted(struct words *w, int64_t start_ns, int64_t now_ns, int64_t used_ns);
void words_forbidden(struct words *w, int64_t from_ns, int64_t to_ns);
void words_judge(struct words *w, int64_t start_ns, int64_t now_ns);

void chunks_forget(struct chunks *c, int64_t now_ns);
void chunks_supply(
	struct chunks *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *s);
/** chunks_due - when what is nominally due at @at_ns can return: not before all of it has been used
 */
int64_t chunks_due(struct chunks *c, int64_t at_ns, int64_t now_ns);
/** chunks_out - what has been used and has not returned, or VMRT_UNKNOWN */
int64_t chunks_out(struct chunks *c);
void chunks_replenished(struct chunks *c, int64_t at_ns, int64_t amount_ns);

/* checker-judge.c */

/* Excess of supply, or lack of it, over periods in a row. */
struct run {
	int64_t from_ns, sum_ns;
	int64_t n;
	int64_t left_ns; /* how much of the budget before them may have been used in them */
	bool open;
};

struct checker {
	struct checker_config config;
	unsigned rules;
	bool carries; /* later periods make up for an overrun or a lack */
	struct verdicts verdicts;
	struct sliding sliding;
	struct chunks *chunks; /* sporadic */
	struct words words;
	int width; /* CPUs that have a budget each */
	int64_t company_ns;
	int64_t left_ns; /* how much of the budget before may be used in the period in progress */
	/* the period in progress */
	bool begun;
	int64_t start_ns, response_ns, last_ns;
	int64_t served_ns, after_ns;
	int64_t waited_ns[3]; /* with budget, in it and in the two before */
	int64_t more_ns;  /* so much of another budget a delay may have moved into an interval, or
			     out of it */
	int64_t burnt_ns; /* periodic: budget that passed while the members waited for a thread that
			     belongs to no server */
	int64_t passed_ns;    /* periodic: budget that passed, used or not */
	int64_t beyond_ns;    /* supply at the time at which all budget had passed */
	bool wanted;	      /* there was work throughout */
	bool doubt;	      /* perhaps not */
	bool paused;	      /* there was no work for some time, though there was budget */
	int64_t selected_ns;  /* how long there has been no work although the server was selected */
	int64_t discarded_ns; /* polling: when the budget was lost, or VMRT_UNKNOWN */
	int64_t before_ns;    /* supply of the period before, or VMRT_UNKNOWN */
	struct run over, under;
	/* a member that has budget waits for a lower thread */
	int64_t lower_from_ns; /* or VMRT_UNKNOWN */
	bool kernels;
	struct verdict longest; /* of such waits in the period, of those within the tolerance */
};

#define RULE(rule) (1u << VMRT_RULE_##rule)

int64_t judge_tolerance(const struct checker *c);
void judge_unknown(struct checker *c, enum vmrt_rule rule);
void judge_period(struct checker *c);
void judge_set_sliding(struct checker *c);
void judge_priority(struct checker *c, int64_t from, const struct checker_supply *s);
void judge_waits(struct checker *c);

#endif

/* SPDX-License-Identifier: MIT */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

#define BIT(rule) (1u << VMRT_RULE_##rule)

/* Rules on how much the members are to be served, at least. */
#define OF_MEMBERS_ALONE (BIT(SUPPLY) | BIT(PRESERVE) | BIT(CHUNK))
/* Rules that need to know where the periods begin, or when the members have budget. */
#define OF_THE_GRID                                                                                \
	(BIT(BUDGET) | BIT(CARRY_OVER) | BIT(CUMULATIVE) | BIT(SUPPLY) | BIT(IDLE_BURN) | BIT(DISCARD))
#define WORDS (BIT(REPLENISH) | BIT(PRESERVE) | BIT(DEPLETED))
#define OF_THE_ENFORCER (BIT(PRIORITY) | BIT(CHUNK) | WORDS)
#define BASIC (BIT(BUDGET) | BIT(CARRY_OVER) | BIT(SLIDING) | BIT(SUPPLY) | BIT(PRIORITY) | WORDS)

/* Excess, or want, over periods in a row. */
struct run {
	int64_t from_ns, sum_ns;
	int64_t n;
	bool open;
};

struct checker {
	struct checker_config config;
	unsigned rules;
	bool carries; /* an overrun, or want, is made up for in later periods */
	struct verdicts verdicts;
	struct sliding sliding;
	struct chunks *chunks; /* sporadic */
	struct words words;
	int width; /* CPUs that have a budget each */
	int64_t company_ns;
	/* the period in progress */
	bool begun;
	int64_t start_ns, response_ns, last_ns;
	int64_t served_ns, after_ns;
	int64_t waited_ns[3]; /* with budget, in it and in the two before */
	int64_t more_ns;      /* so much of another budget a delay may have moved into an interval, or out of it */
	int64_t burnt_ns;     /* periodic: of the budget, while its members waited for what is no server */
	int64_t passed_ns; /* periodic: of the budget, used or not */
	int64_t beyond_ns; /* supply when all of it had passed */
	bool wanted;	      /* there was work throughout */
	bool paused;	      /* there was none for some time, with budget */
	int64_t selected_ns;  /* so long there has been no work although it was selected */
	int64_t discarded_ns; /* polling: when the budget was lost, or VMRT_UNKNOWN */
	int64_t before_ns;    /* supply of the period before, or VMRT_UNKNOWN */
	struct run over, under;
	/* a member that has budget waits for a lower thread */
	int64_t lower_from_ns; /* or VMRT_UNKNOWN */
	bool kernels;
	struct verdict longest; /* of such waits in the period, of those within the tolerance */
};

static unsigned rules_of(enum vmrt_policy policy)
{
	switch (policy) {
	case VMRT_POLICY_PERIODIC:
		return BASIC | BIT(IDLE_BURN);
	case VMRT_POLICY_POLLING:
		return BASIC | BIT(DISCARD);
	case VMRT_POLICY_DEFERRABLE:
	case VMRT_POLICY_EDF:
		return BASIC;
	case VMRT_POLICY_SPORADIC:
		return BIT(SLIDING) | BIT(SUPPLY) | BIT(PRIORITY) | BIT(CHUNK) | WORDS;
	case VMRT_POLICY_DEADLINE:
		return BIT(BUDGET) | BIT(SLIDING) | BIT(CUMULATIVE) | BIT(SUPPLY);
	case VMRT_POLICY_RT_GROUP:
		return BIT(BUDGET) | BIT(CUMULATIVE) | BIT(SUPPLY);
	case VMRT_POLICY_CFS_QUOTA:
		return BIT(BUDGET) | BIT(CUMULATIVE);
	case VMRT_POLICY_NONE:
		break;
	}
	return 0;
}

struct checker *checker_new(const struct checker_config *config, int64_t from_ns)
{
	struct checker *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->config = *config;
	c->carries = vmrt_policy_by_kernel(config->policy);
	c->rules = rules_of(config->policy);
	if (!config->grid)
		c->rules &= ~OF_THE_GRID;
	if (!config->enforced)
		c->rules &= ~OF_THE_ENFORCER;
	if (config->others_charged)
		c->rules &= ~OF_MEMBERS_ALONE;
	verdicts_init(&c->verdicts, &c->config);
	sliding_init(&c->sliding, &c->verdicts);
	c->sliding.tolerance_ns = config->tolerance_ns;
	c->width = 1;
	c->words.verdicts = &c->verdicts;
	c->words.config = &c->config;
	c->words.given_ns = config->budget_ns;
	if (c->rules & BIT(CHUNK)) {
		c->chunks = calloc(1, sizeof(*c->chunks));
		if (!c->chunks) {
			checker_free(c);
			return NULL;
		}
		c->chunks->verdicts = &c->verdicts;
		c->chunks->since_ns = from_ns;
		c->chunks->period_ns = config->period_ns;
		c->chunks->tolerance_ns = config->tolerance_ns;
	}
	c->before_ns = c->lower_from_ns = c->discarded_ns = VMRT_UNKNOWN;
	c->last_ns = from_ns;
	/* what waits there were is not known */
	if (config->joined)
		c->waited_ns[0] = c->waited_ns[1] = config->budget_ns;
	return c;
}

static int64_t tolerance(const struct checker *c)
{
	return c->config.tolerance_ns + c->company_ns;
}

static void judge(struct checker *c, enum vmrt_rule rule, int64_t from, int64_t measured, int64_t allowed)
{
	struct verdict v = {
		.rule = rule,
		.from_ns = from,
		.to_ns = c->last_ns,
		.measured_ns = measured,
		.allowed_ns = allowed,
		.tolerance_ns = tolerance(c),
	};

	if (c->rules & (1u << rule))
		verdicts_add(&c->verdicts, &v);
}

static void unknown(struct checker *c, enum vmrt_rule rule)
{
	if (c->rules & (1u << rule))
		verdicts_unknown(&c->verdicts, rule);
}

/* One more period of a row whose surplus so far is above 0; else the row begins with it. */
static void extend(struct checker *c, struct run *run, int sign)
{
	if (!run->open || sign * (run->sum_ns - run->n * c->width * c->config.budget_ns) <= 0)
		*run = (struct run){.open = true, .from_ns = c->start_ns};
	run->sum_ns += c->served_ns;
	run->n++;
}

/*
 * The largest surplus of any number of periods in a row: a row that has made up for it so far cannot be
 * the worst part of a longer one.
 */
static void judge_rows(struct checker *c)
{
	int64_t allowed;

	if (verdicts_doubted(&c->verdicts, c->start_ns, c->last_ns)) {
		c->over.open = c->under.open = false;
		unknown(c, VMRT_RULE_CUMULATIVE);
		if (c->wanted)
			unknown(c, VMRT_RULE_SUPPLY);
		return;
	}
	extend(c, &c->over, 1);
	allowed = c->over.n * c->width * c->config.budget_ns;
	judge(c, VMRT_RULE_CUMULATIVE, c->over.from_ns, c->over.sum_ns, allowed);
	if (c->over.sum_ns - allowed > tolerance(c))
		c->over.open = false; /* told; what follows is another one */
	if (!c->wanted) {
		c->under.open = false;
		return;
	}
	extend(c, &c->under, -1);
	allowed = c->under.n * c->config.budget_ns;
	if (c->response_ns == VMRT_UNKNOWN)
		unknown(c, VMRT_RULE_SUPPLY);
	else
		judge(c, VMRT_RULE_SUPPLY, c->under.from_ns, c->under.sum_ns, allowed);
	if (allowed - c->under.sum_ns > tolerance(c))
		c->under.open = false;
}

/* Periodic: supply when the budget has passed; what is used beyond the budget is another rule's. */
static void judge_passing(struct checker *c)
{
	int64_t over = c->served_ns - c->config.budget_ns, late = c->beyond_ns - (over > 0 ? over : 0);

	judge(c, VMRT_RULE_IDLE_BURN, c->start_ns, late, 0);
}

static void judge_period(struct checker *c)
{
	const struct checker_config *config = &c->config;
	int64_t most = config->policy == VMRT_POLICY_RT_GROUP ? 2 * c->width * config->budget_ns : config->budget_ns;

	judge(c, VMRT_RULE_BUDGET, c->start_ns, c->served_ns, most);
	if (c->before_ns != VMRT_UNKNOWN && c->before_ns < config->budget_ns - config->tolerance_ns)
		judge(c, VMRT_RULE_CARRY_OVER, c->start_ns, c->served_ns, config->budget_ns);
	if (c->carries)
		judge_rows(c);
	else if (c->wanted && c->response_ns == VMRT_UNKNOWN)
		unknown(c, VMRT_RULE_SUPPLY);
	else if (c->wanted)
		judge(c, VMRT_RULE_SUPPLY, c->start_ns, c->served_ns,
			config->budget_ns - c->burnt_ns - (config->policy == VMRT_POLICY_SPORADIC ? c->more_ns : 0));
	judge_passing(c);
	if (c->discarded_ns != VMRT_UNKNOWN)
		judge(c, VMRT_RULE_DISCARD, c->discarded_ns, c->after_ns, 0);
}

/*
 * Longest interval supply: two budgets back to back, but one budget of a sporadic server whose activations nobody
 * can delay, or of a periodic one that nobody delays; a delay, as those above may cause it or as it was in that
 * interval and the one before, lets that much of the next budget move up to it.
 */
static void set_sliding(struct checker *c)
{
	int64_t budget = c->config.budget_ns, more = budget, waited = 0;
	bool tight = c->config.policy == VMRT_POLICY_SPORADIC || c->config.policy == VMRT_POLICY_PERIODIC;

	for (int i = 0; i < 3; i++)
		waited += c->waited_ns[i];
	/* several members use what one of them has begun faster than it */
	if (tight && c->config.members <= 1 && c->response_ns != VMRT_UNKNOWN && c->response_ns - budget < more)
		more = c->response_ns - budget;
	if (waited > more)
		more = waited < budget ? waited : budget;
	c->more_ns = more;
	c->sliding.allowed_ns = (budget + more) * (c->config.reservations > 1 ? c->config.reservations : 1);
	c->sliding.length_ns = c->rules & BIT(SLIDING) ? c->config.period_ns : 0;
}

/* A wait ends, or is as long as this by now. */
static void judge_wait(struct checker *c, int64_t now)
{
	struct verdict v = {
		.rule = VMRT_RULE_PRIORITY,
		.from_ns = c->lower_from_ns,
		.to_ns = now,
		.measured_ns = now - c->lower_from_ns,
		.tolerance_ns = c->config.tolerance_ns,
	};

	if (v.measured_ns <= v.tolerance_ns) {
		if (v.measured_ns > c->longest.measured_ns)
			c->longest = v;
		return;
	}
	/* what the kernel takes away is missing in other rules, too */
	if (c->kernels) {
		verdicts_doubt(&c->verdicts, v.from_ns, v.to_ns);
		c->longest = v;
		return;
	}
	verdicts_add(&c->verdicts, &v);
}

static void watch_priority(struct checker *c, int64_t from, const struct checker_supply *s)
{
	if (!s->lower && c->lower_from_ns != VMRT_UNKNOWN) {
		judge_wait(c, from);
		c->lower_from_ns = VMRT_UNKNOWN;
	} else if (s->lower && c->lower_from_ns == VMRT_UNKNOWN) {
		c->lower_from_ns = from;
		c->kernels = false;
	}
	c->kernels |= s->lower && s->kernels;
}

/* Waits that are too long are told one by one; of the others the longest stands for the period. */
static void judge_waits(struct checker *c)
{
	int64_t now = c->last_ns;

	/* whether it was the kernel shows at the end of the wait */
	if (c->lower_from_ns != VMRT_UNKNOWN && !c->kernels &&
		now - c->lower_from_ns > c->config.tolerance_ns) {
		judge_wait(c, now);
		c->lower_from_ns = now;
	}
	if (!c->longest.measured_ns) {
		c->longest.from_ns = c->start_ns;
		c->longest.to_ns = now;
	}
	if (now > c->start_ns)
		verdicts_add(&c->verdicts, &c->longest);
}

void checker_period(struct checker *c, int64_t start_ns, bool whole, int64_t response_ns)
{
	if (c->begun) {
		/* those above may have come in it */
		if (c->response_ns != VMRT_UNKNOWN && (response_ns == VMRT_UNKNOWN || response_ns > c->response_ns))
			c->response_ns = response_ns;
		if (whole)
			judge_period(c);
		if (whole && c->rules & WORDS)
			words_judge(&c->words, c->start_ns, c->last_ns);
		c->before_ns = whole ? c->served_ns : VMRT_UNKNOWN;
		if (!whole)
			c->over.open = c->under.open = false;
		sliding_period(&c->sliding, c->last_ns);
		if (c->rules & BIT(PRIORITY))
			judge_waits(c);
	} else {
		sliding_begin(&c->sliding, start_ns);
	}
	c->begun = true;
	c->start_ns = c->last_ns = start_ns;
	c->response_ns = response_ns;
	c->waited_ns[2] = c->waited_ns[1];
	c->waited_ns[1] = c->waited_ns[0];
	c->waited_ns[0] = 0;
	c->burnt_ns = c->served_ns = c->after_ns = c->passed_ns = c->beyond_ns = c->selected_ns = 0;
	words_period(&c->words);
	c->wanted = true;
	c->paused = false;
	c->discarded_ns = VMRT_UNKNOWN;
	c->longest = (struct verdict){
		.rule = VMRT_RULE_PRIORITY, .tolerance_ns = c->config.tolerance_ns};
	set_sliding(c);
}

/* Polling: a pause in the work that those above cannot have hidden from the server ends the budget. */
static void poll_work(struct checker *c, int64_t from, int64_t to, const struct checker_supply *s)
{
	if (c->discarded_ns != VMRT_UNKNOWN) {
		c->after_ns += s->served * (to - from);
		return;
	}
	if (s->wanting)
		c->selected_ns = 0;
	else if (s->selected)
		c->selected_ns += to - from;
	c->paused |= s->eligible && !s->wanting;
	/* too late, or in time */
	if (c->selected_ns > c->config.tolerance_ns || (c->paused && !s->eligible))
		c->discarded_ns = to;
}

static void pass_budget(struct checker *c, int64_t ns, const struct checker_supply *s)
{
	int64_t beyond;

	c->passed_ns += s->served ? s->served * ns : s->selected ? ns : 0;
	beyond = c->passed_ns - c->config.budget_ns;
	if (s->served && beyond > 0)
		c->beyond_ns += beyond < s->served * ns ? beyond : s->served * ns;
}

void checker_supply(
	struct checker *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *s)
{
	if (to_ns <= from_ns || !c->begun)
		return;
	if (c->rules & BIT(PRIORITY))
		watch_priority(c, from_ns, s);
	c->last_ns = to_ns;
	c->served_ns += s->served * (to_ns - from_ns);
	c->wanted = c->wanted && s->wanting;
	if (s->eligible && s->wanting && !s->served) {
		c->waited_ns[0] += to_ns - from_ns;
		if (c->config.policy == VMRT_POLICY_PERIODIC && !s->yields)
			c->burnt_ns += to_ns - from_ns;
		set_sliding(c);
	}
	if (c->rules & BIT(DISCARD))
		poll_work(c, from_ns, to_ns, s);
	if (c->rules & BIT(IDLE_BURN))
		pass_budget(c, to_ns - from_ns, s);
	words_supply(&c->words, from_ns, to_ns, s);
	sliding_supply(&c->sliding, from_ns, to_ns, s->served);
	if (c->chunks)
		chunks_supply(c->chunks, from_ns, to_ns, s);
}

void checker_company(struct checker *c, int64_t ns)
{
	c->company_ns = ns;
	c->sliding.tolerance_ns = tolerance(c);
}

void checker_width(struct checker *c, int cpus)
{
	if (c->config.policy == VMRT_POLICY_RT_GROUP && cpus > c->width)
		c->width = cpus;
}

void checker_appears(struct checker *c, int64_t now_ns)
{
	if (c->chunks)
		chunks_forget(c->chunks, now_ns);
}

void checker_not_raised(struct checker *c)
{
	c->kernels = false;
}

void checker_depleted(struct checker *c, int64_t now_ns)
{
	int64_t used = c->served_ns;

	if (!(c->rules & BIT(PRESERVE)) || !c->begun)
		return;
	if (c->chunks)
		used = chunks_out(c->chunks);
	if (used == VMRT_UNKNOWN)
		unknown(c, VMRT_RULE_PRESERVE);
	else
		words_depleted(&c->words, c->start_ns, now_ns, used);
}

void checker_forbidden(struct checker *c, int64_t from_ns, int64_t to_ns)
{
	if (c->rules & BIT(DEPLETED) && c->begun && to_ns > from_ns)
		words_forbidden(&c->words, from_ns, to_ns);
}

void checker_replenished(struct checker *c, int64_t now_ns, int64_t at_ns, int64_t amount_ns)
{
	if (c->rules & BIT(REPLENISH))
		words_replenished(&c->words, now_ns, c->chunks ? chunks_due(c->chunks, at_ns, now_ns) : at_ns,
			amount_ns);
	if (c->chunks)
		chunks_replenished(c->chunks, at_ns, amount_ns);
}

void checker_doubt(struct checker *c, int64_t from_ns, int64_t to_ns)
{
	verdicts_doubt(&c->verdicts, from_ns, to_ns);
}

void checker_safe(struct checker *c, int64_t ns)
{
	if (c->lower_from_ns != VMRT_UNKNOWN && c->kernels && c->lower_from_ns < ns)
		ns = c->lower_from_ns;
	verdicts_release(&c->verdicts, ns);
}

void checker_finish(struct checker *c)
{
	sliding_free(&c->sliding);
	verdicts_finish(&c->verdicts);
}

void checker_free(struct checker *c)
{
	if (!c)
		return;
	sliding_free(&c->sliding);
	free(c->verdicts.ring);
	free(c->chunks);
	free(c);
}

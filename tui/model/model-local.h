/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_MODEL_MODEL_LOCAL_H
#define VMRT_TUI_MODEL_MODEL_LOCAL_H

/* Internal to the model: its parts share this. */

#include "model.h"
#include "responses.h"

#define SAMPLES 128 /* points kept of a sliding window */
#define OVERSHOOTS_MAX 65536
#define THREADS_MAX 65536 /* how many threads the timeline can number */

/* The CPU time that a server got from the beginning until @at_ns; some such times of the recent
 * past are kept. */
struct sample {
	int64_t at_ns, all_ns, background_ns;
};

struct server_model {
	char name[VMRT_NAME_MAX];
	int64_t k_base; /* periods before the engine's first one: see top_model_take_over() */
	struct sample samples[SAMPLES];
	unsigned first, n;
	int64_t all_ns, background_ns; /* of the periods that are over */
	bool supply_unknown;	       /* the supply of the last period that is over is unknown */
	int64_t supply_to_ns;	       /* end of this last period */
	int64_t max_ns;
	uint64_t periods, depletions, overruns;
	struct vmrt_server_facts facts;
	double consumed, background, budget, length; /* sums over the judged periods */
	int64_t clean_ns,
		end_ns; /* no period is uncertain since clean_ns; the last one ends at end_ns */
	struct vmrt_server_period recent[TOP_RECENT_PERIODS];
	uint64_t n_recent; /* number of all periods; the ring holds the last ones */
};

struct task_model {
	int64_t k_base; /* jobs before the engine's first one */
	uint64_t jobs, known, missed, excused, unknown, seen;
	int64_t last_ns, max_ns, max_k;
	int64_t last_end_ns;
	enum top_task_state state;
	struct top_responses responses;
	uint64_t percentiles_n; /* the percentiles are those of this many responses */
	struct vmrt_task_facts facts;
	char label[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];
	int64_t past_k, past_run, past_end,
		past_start; /* of the job before, to compare two jobs that follow each other */
	int64_t blame_ns[2][VMRT_BLAMES];
	uint64_t blamed_jobs[2];
	struct top_job recent[TOP_RECENT_JOBS];
	uint64_t n_recent;
};

struct machine_model {
	char name[VMRT_NAME_MAX];
	struct vmrt_machine_stats base; /* counts at the last reset, which are subtracted; counts of
					   earlier engines are in it as negative numbers */
	struct {
		int64_t at_ns;
		uint64_t events;
	} samples[SAMPLES];
	unsigned first, n;
	int64_t steal_ns;
	int64_t losses, steals;
	uint64_t sizeless; /* number of losses whose size no record says */
};

struct top_model {
	const struct vmrt_engine_config *config;
	struct server_model *servers;
	size_t n_servers;
	struct task_model *tasks;
	size_t n_tasks;
	struct machine_model *machines;
	size_t n_machines;
	struct vmrt_machine_stats gone; /* counts of machines that are gone */
	char (*vm_names)[VMRT_NAME_MAX];
	size_t n_vms;
	struct vmrt_task_facts *task_facts; /* lists that top_model_facts() fills */
	struct vmrt_server_facts *server_facts;
	struct vmrt_machine_facts *machine_facts;
	struct top_thread *threads;
	size_t n_threads, threads_room;
	uint32_t first_thread;	  /* threads before this index belong to earlier engines */
	struct top_slice *slices; /* this and the next lists are rings */
	uint64_t n_slices;
	struct top_mark *marks;
	uint64_t n_marks;
	struct top_miss *misses;
	uint64_t n_misses; /* number of misses that were put into the ring */
	uint64_t all_misses, seen_misses;
	int64_t since_ns;
	int64_t steal_ns;
	bool lost_at_least; /* there was a loss whose size neither a record nor a counter says */
	bool out_of_memory;
};

/** thread_number - the model's number for the engine's thread @id */
static inline uint32_t thread_number(const struct top_model *m, uint32_t id)
{
	return id < THREADS_MAX ? m->first_thread + id : VMRT_NONE;
}

/* model-tasks.c */
void task_model_begin(struct top_model *m, size_t i);
void task_model_reset(struct task_model *t);
/** task_model_percentiles - update the percentiles in the facts */
void task_model_percentiles(struct task_model *t);
/** task_model_whole - see top_model_whole() */
void task_model_whole(struct task_model *t);
void task_model_job(struct top_model *m, const struct vmrt_job *job);
void task_model_free(struct task_model *t);

/* model-servers.c */
void server_model_begin(struct server_model *s);
void server_model_reset(struct server_model *s);
void server_model_period(struct top_model *m, const struct vmrt_server_period *p);
void server_model_violation(struct top_model *m, const struct vmrt_violation *v);
void server_model_share(const struct server_model *s, const struct vmrt_server_now *state,
	int64_t now_ns, struct top_server_row *row);
void server_model_facts(
	struct top_model *m, struct vmrt_engine *engine, size_t i, struct vmrt_server_facts *out);
void server_model_free(struct server_model *s);

/* model-machines.c */
/** machine_stats_less - subtract the counts of @by from @of */
void machine_stats_less(struct vmrt_machine_stats *of, const struct vmrt_machine_stats *by);
void machine_model_loss(struct top_model *m, const struct vmrt_loss *loss);
void machine_model_reset(struct top_model *m, struct vmrt_engine *engine);
void machine_model_rows(
	struct top_model *m, struct vmrt_engine *engine, int64_t now_ns, struct top_view *view);
void machine_model_facts(
	struct top_model *m, struct vmrt_engine *engine, size_t i, struct vmrt_machine_facts *out);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_FACTS_FACTS_H
#define VMRT_METRICS_FACTS_FACTS_H

/* The facts of one run that reports need, computed from the run's database once. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/experiment.h>
#include <vmrt/rta.h>
#include <vmrt/rundb.h>
#include <vmrt/stats.h>

/* The only name of a list that selects nothing, since a list without names selects all. */
#define VMRT_SELECT_NONE ""

/* Which part of a run a report is about. All zeros does not select everything: begin with
 * VMRT_FILTER_ALL. */
struct vmrt_filter {
	const char *const *tasks; /* NAME or MACHINE/NAME; none: all */
	size_t n_tasks;
	const char *const *servers; /* NAME; none: all */
	size_t n_servers;
	int64_t from_ns, to_ns; /* only jobs that arrive, and server periods that lie, between these
				   times after the run's start */
	int64_t skip_first; /* leave out so many first jobs of each task and first periods of each
			       server */
	size_t worst;	    /* number of worst jobs to keep of each task, at most VMRT_WORST_MAX */
	int64_t window;	    /* of (m,k)-firm deadlines: k, at most VMRT_WINDOW_MAX */
	unsigned show;	    /* VMRT_SHOW_*: parts of a report that are not always shown */
};

#define VMRT_SHOW_HISTOGRAM 1
#define VMRT_SHOW_CDF 2
#define VMRT_SHOW_PICTURES 4 /* of html */

#define VMRT_WORST_MAX 100
#define VMRT_WINDOW_MAX 1000
#define VMRT_FILTER_ALL                                                                            \
	((struct vmrt_filter){                                                                     \
		.from_ns = VMRT_UNKNOWN, .to_ns = VMRT_UNKNOWN, .worst = 3, .window = 10})

/** vmrt_filter_times - does the filter leave out jobs or periods by time or number? */
bool vmrt_filter_times(const struct vmrt_filter *filter);

#define VMRT_CULPRITS_MAX 32 /* distinct names; more are one "other" */

struct vmrt_cause_facts {
	char name[24];
	int64_t misses, excused;
	struct {
		int64_t thread, misses; /* thread: of the database; VMRT_UNKNOWN: "other" */
		int64_t name;		/* a number that all threads of the same name share */
		bool several;		/* of these threads */
	} culprits[VMRT_CULPRITS_MAX];
	size_t n_culprits;
	char *by; /* the thread that caused most of the misses: "COMM/TID", or "COMM" for several
		     threads; or NULL */
	int64_t by_misses;
};

enum vmrt_state {
	VMRT_STATE_RUNS,   /* the task runs, and so does the vCPU */
	VMRT_STATE_OTHERS, /* the vCPU runs, but not the task */
	VMRT_STATE_WAITS,  /* the vCPU does not run; of a task on the host, the task does not */
};

struct vmrt_segment {
	enum vmrt_state state;
	int64_t from_ns, to_ns; /* after the job's arrival */
};

/* One of the worst jobs: those that missed their deadline by most; if none missed, those with the
 * longest response time. */
struct vmrt_worst_facts {
	int64_t k, response_ns,
		tardiness_ns; /* or VMRT_UNKNOWN; tardiness of a job that never ended: at least */
	bool missed, complete;
	bool excused;
	int64_t arrival_ns, end_ns,
		deadline_ns;   /* host clock, or VMRT_UNKNOWN; end: of the run, if it never ended */
	char *cause, *by;      /* by: the thread behind the cause, "COMM/TID"; or NULL */
	char *parts, *largest; /* parts of its response time in ms: all of them, and those of 1 %
				  and more; or NULL */
	char *threads; /* threads that ran while the job waited, the longest run time first, in ms;
			  or NULL */
	int64_t unsure_ns; /* at most so much of one part may belong to another part; or
			      VMRT_UNKNOWN */
	struct vmrt_segment *segments;
	size_t n_segments;
};

#define VMRT_CAUSES_MAX 20 /* more different words than the engine knows are one "other" */

struct vmrt_task_facts {
	int64_t id;
	bool selected;	 /* the filter selects its jobs; otherwise only the parameters are known */
	int64_t machine; /* of the database, VMRT_UNKNOWN if it was not recorded */
	char *machine_name, *name; /* name: the thread's */
	char *label;		   /* MACHINE/NAME */
	char *marked;		   /* the same for tables, with a mark if there is a note on it */
	int64_t missing;	   /* jobs that there may have been, but that are not listed */
	bool uncertain; /* events are missing, nobody knows when: no outcome is certain */
	int64_t period_ns, wcet_ns, deadline_ns; /* wcet: VMRT_UNKNOWN if none is declared */
	int priority;
	int64_t jobs, met, missed_late, missed_incomplete, unknown, truncated;
	int64_t skipped, inferred;	    /* releases lost; jobs with an inferred switch */
	int64_t excused;		    /* misses excused by overruns, steal or throttling */
	int64_t longest_run, longest_run_k; /* of misses in a row, and its first job */
	struct vmrt_series response, release, start, exec, tardiness;
	struct vmrt_series completion,
		activation;	       /* distances of ends, and of starts, of jobs k and k + 1 */
	struct vmrt_samples responses; /* of the jobs in series response, sorted */
	int64_t response_p50, response_p95, response_p99, response_p999;
	int64_t bound_alone_ns, bound_server_ns; /* worst-case response on a CPU of its own, and in
						    its VM's server */
	/* bounds of the jobs' execution times, as far as they are known */
	int64_t exec_most, exec_least, exec_open; /* exec_most and exec_least: of the longest
						     execution; exec_open: jobs without bounds */
	int64_t open_excuses[2]; /* misses that may be excused though they are not, and the reverse
				  */
	int64_t window_met,
		window_met_k; /* fewest jobs met of any filter.window in a row; the first of them */
	int64_t windows;      /* looked at: none of their jobs is unknown */
	struct vmrt_worst_facts *worst; /* the worst first */
	size_t n_worst;
	struct vmrt_cause_facts causes[VMRT_CAUSES_MAX];
	size_t n_causes;
};

/* A rule of a server's policy: how often it was judged, and with which results. */
struct vmrt_check_facts {
	char rule[16];
	int64_t judged, unknown, violations;
	int64_t worst_ns, worst_at_ns; /* or VMRT_UNKNOWN */
	int64_t tolerance_ns;
};

#define VMRT_CHECKS_MAX 16

/* The least supply in any window of a length in which there was demand all the time. */
struct vmrt_curve_facts {
	int64_t length_ns, least_ns, at_ns;
};

#define VMRT_CURVE_MAX 64

/* Successive periods that share one column of a picture. */
struct vmrt_bucket {
	int64_t start_ns, end_ns; /* host clock */
	int64_t consumed_least_ns,
		most_ns; /* of one period: the least at the priority, the most in all; or unknown */
	bool unknown;	 /* one of the periods is */
};

#define VMRT_BUCKETS 512

struct vmrt_server_facts {
	int64_t id;
	bool selected; /* the filter selects its periods; otherwise only the parameters are known */
	char *name, *vm, *policy, *depletion;	/* vm: or NULL */
	int64_t vm_id, vm_machine;		/* or VMRT_UNKNOWN */
	int64_t period_ns, budget_ns, priority; /* or VMRT_UNKNOWN */
	bool enforced;
	bool uncertain; /* as of a task */
	int64_t periods, served, depleted, unenforced, unknown, truncated;
	int64_t judged; /* periods that are neither unknown nor truncated; the figures below are
			   theirs */
	double consumed_ratio, background_ratio; /* of the budgets; NaN without periods */
	double received_ratio; /* of the time: the share of a CPU that the vCPUs got */
	int64_t steal_periods; /* judged, but the host was not running for a part */
	int64_t used_up;       /* judged periods without steal in which the whole budget was used */
	struct vmrt_samples overshoots; /* of the periods in used_up, sorted */
	int64_t over_p50, over_p99, over_max, over_max_k;
	struct vmrt_check_facts checks[VMRT_CHECKS_MAX];
	size_t n_checks;
	/* time from the first demand to the first supply, in judged periods with demand and without
	 * steal */
	int64_t latency_p50, latency_p99, latency_max,
		latency_max_k;	       /* from the first demand to the first supply */
	struct vmrt_samples latencies; /* sorted */
	struct vmrt_series first; /* supply behind the begin, where there was demand from then on */
	int64_t supply_jitter;	  /* jitter of first */
	int64_t blackout_max,
		blackout_at; /* longest demand without supply, and when (host clock) */
	/* of the whole run; none if only a part is wanted */
	struct vmrt_curve_facts curve[VMRT_CURVE_MAX];
	size_t n_curve;
	struct vmrt_bucket *buckets; /* for pictures, if they are wanted; or NULL */
	size_t n_buckets, in_last,
		bucket_periods; /* periods in the last bucket, and in each that is full */
};

struct vmrt_machine_facts {
	int64_t id;
	char *name, *kind, *kernel, *note; /* kernel, note: or NULL */
	int64_t cpus, events, lost, broken_chains, inferred, out_of_order, contradictions;
	int64_t losses, steals,
		steal_ns;	 /* rows of kind overrun and dropped; of kind steal; their sum */
	int64_t inside, outside; /* or VMRT_UNKNOWN */
	int64_t clock_error_ns;	 /* worst bound; VMRT_UNKNOWN: none, or not known */
	int64_t clock_segments, clock_rate_ppb;
	char *clock_source; /* or NULL */
	char *record_clock; /* trace clock, and how it was mapped; or NULL */
};

struct vmrt_vm_facts {
	char *name, *hypervisor, *accel;
	int64_t machine;     /* or VMRT_UNKNOWN */
	int64_t unmanaged_n; /* without a server: distances between starts of supply; 0: none */
	int64_t unmanaged_period[3], unmanaged_supply[3]; /* p10, p50, p90 */
};

/* A note about something that the recording lacks. */
struct vmrt_note_facts {
	char *about; /* "machine", "task", "server"; "threads": of a VM, by its server or its name
		      */
	char *name, *words;
};

struct vmrt_run_facts {
	char *label;  /* the run's name; made unique among the runs of one report */
	char *origin; /* as given on the command line */
	char *version, *recorded_at, *hostname, *command, *experiment, *uuid; /* or NULL */
	int64_t command_status, tick_ns, start_ns, end_ns;		      /* or VMRT_UNKNOWN */
	bool hsf;
	struct vmrt_filter filter; /* the filter with which the run was loaded; its names may have
				      been freed */
	struct vmrt_machine_facts *machines;
	size_t n_machines;
	struct vmrt_vm_facts *vms;
	size_t n_vms;
	struct vmrt_server_facts *servers;
	size_t n_servers;
	struct vmrt_task_facts *tasks;
	size_t n_tasks;
	struct vmrt_note_facts *notes;
	size_t n_notes;
};

/**
 * vmrt_facts_load - read a run
 * @run: a run folder or a database
 * @filter: what of it is wanted; NULL for everything
 * @out: free with vmrt_facts_free()
 *
 * Memory grows by 8 bytes for each job, for its response time.
 *
 * Return: VMRT_OK; VMRT_ENOENT also if no task or server goes by one of the names; errors of
 * vmrt_db_open(); VMRT_EDB.
 */
enum vmrt_status vmrt_facts_load(const char *run, const struct vmrt_filter *filter,
	struct vmrt_run_facts **out, struct vmrt_error *err);

void vmrt_facts_free(struct vmrt_run_facts *facts);

/** vmrt_facts_note - the words of note number @i (from 0) on a machine, task or server; NULL if
 * there are no more */
const char *vmrt_facts_note(
	const struct vmrt_run_facts *facts, const char *about, const char *name, size_t i);

/** vmrt_server_obstacle - why the analysis does not apply to the tasks in this server, or NULL */
const char *vmrt_server_obstacle(
	const struct vmrt_run_facts *facts, const struct vmrt_server_facts *server);

/** vmrt_task_cause - the misses of a task by this cause; NULL: the unknown one; made if there are
 * none yet */
struct vmrt_cause_facts *vmrt_task_cause(struct vmrt_task_facts *task, const char *cause);

/** vmrt_task_fits - is the task's worst-case response time in its server within its deadline, if it
 * has one? */
bool vmrt_task_fits(const struct vmrt_task_facts *task);

enum vmrt_feasibility { VMRT_FEASIBILITY_UNKNOWN, VMRT_FEASIBLE, VMRT_INFEASIBLE };

/** vmrt_task_feasibility - do the tasks of @task's VM meet their deadlines in its declared server,
 * by analysis? */
enum vmrt_feasibility vmrt_task_feasibility(
	const struct vmrt_run_facts *facts, const struct vmrt_task_facts *task);

/** vmrt_task_in_server - is it a task of the server's VM? */
bool vmrt_task_in_server(
	const struct vmrt_task_facts *task, const struct vmrt_server_facts *server);

/**
 * vmrt_worst_strip - a job as a line of characters
 * @width: of them, one for each equal part of the time from arrival to end
 * @buf: room for @width + 2
 *
 * '#': the task runs, '=': its vCPU runs something else, '-': its vCPU does not run, by what took
 * most of that part;
 * '|': the deadline has passed. Nothing where it is not known when the job was.
 */
void vmrt_worst_strip(const struct vmrt_worst_facts *worst, size_t width, char *buf);

/** vmrt_task_missed - all misses, also of jobs that never ended */
int64_t vmrt_task_missed(const struct vmrt_task_facts *task);

/** vmrt_task_known - jobs with a known outcome */
int64_t vmrt_task_known(const struct vmrt_task_facts *task);

/** vmrt_task_miss_ratio - misses / jobs with a known outcome, or NaN */
double vmrt_task_miss_ratio(const struct vmrt_task_facts *task);

/** vmrt_task_not_excused_ratio - misses that nothing excuses / jobs with a known outcome, or NaN */
double vmrt_task_not_excused_ratio(const struct vmrt_task_facts *task);

/** vmrt_task_doubtful - jobs of unknown outcome, none where there is no deadline to judge by */
int64_t vmrt_task_doubtful(const struct vmrt_task_facts *task);

/**
 * vmrt_task_add_unsure - add the uncertainty of a job that was recorded from arrival to end
 * @exec_ns, @unsure_ns: of the job; VMRT_UNKNOWN: not known
 */
void vmrt_task_add_unsure(struct vmrt_task_facts *task, int64_t exec_ns, int64_t unsure_ns,
	bool missed, bool excused);

/** vmrt_task_loss - was anything lost that may have changed outcomes of @task: on the host, on its
 * machine, or of its own jobs? */
bool vmrt_task_loss(const struct vmrt_run_facts *f, const struct vmrt_task_facts *task);

/** vmrt_facts_loss - may events that were lost have changed what the report says of outcomes? */
bool vmrt_facts_loss(const struct vmrt_run_facts *facts);

/** vmrt_cause_words - a cause of misses in words for people, at most 16 characters if it is one of
 * the engine's */
const char *vmrt_cause_words(const char *cause);

/** vmrt_task_main_cause - the cause of most of the task's misses, or NULL */
const struct vmrt_cause_facts *vmrt_task_main_cause(const struct vmrt_task_facts *task);

/** vmrt_facts_trust - one line about what limits the trust in a run: loss, clock error, steal */
void vmrt_facts_trust(const struct vmrt_run_facts *facts, char *buf, size_t room);

/** vmrt_shell_word - @text as a shell takes it, in @buf, cut if it is too long; @room is 16 or more
 */
const char *vmrt_shell_word(const char *text, char *buf, size_t room);

/* For facts-*.c */

/** facts_bounds - work out the worst-case response times of all tasks; false without memory */
bool facts_bounds(struct vmrt_run_facts *facts);

/** vmrt_query_span - bind the filter's times to parameters @i and @i + 1, in ns of the host's clock
 */
void vmrt_query_span(struct vmrt_query *q, int i, const struct vmrt_run_facts *facts);

enum vmrt_status facts_load_task(struct vmrt_db *db, const struct vmrt_run_facts *facts,
	struct vmrt_task_facts *task, struct vmrt_error *err);
enum vmrt_status facts_load_worst(struct vmrt_db *db, const struct vmrt_run_facts *facts,
	struct vmrt_task_facts *task, struct vmrt_error *err);

/** facts_append - one more element behind @n of *@array, zeroed; NULL if the query has ended
 */
void *facts_append(struct vmrt_query *q, void *array, size_t *n, size_t size);

/** facts_thread - "COMM/TID" of a thread, or COMM of it and others, to be freed; *@out is NULL
 * if there is none */
enum vmrt_status facts_thread(
	struct vmrt_db *db, int64_t id, bool several, char **out, struct vmrt_error *err);

enum vmrt_status facts_load_checks(
	struct vmrt_db *db, struct vmrt_run_facts *facts, struct vmrt_error *err);
enum vmrt_status facts_load_servers(/* what they are */
	struct vmrt_db *db, struct vmrt_run_facts *facts, struct vmrt_error *err);
enum vmrt_status facts_load_periods(/* and what the selected ones got */
	struct vmrt_db *db, struct vmrt_run_facts *facts, struct vmrt_error *err);

/**
 * vmrt_run_label - what a run is called: the name of its folder without ".vmrt"
 * @origin: path of the folder, or of the run.db in it
 * @len: length of the name, which is a part of @origin
 */
const char *vmrt_run_label(const char *origin, size_t *len);

#endif

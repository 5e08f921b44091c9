/* SPDX-License-Identifier: MIT */
/* Finds what is not known of a job: what was lost meanwhile, times that contradict each other, and
 * when it ran. */
#include "task.h"

#include <stdlib.h>
#include <string.h>

/* Was something not recorded since @host_ns that may concern the thread of @j? */
bool jobs_lost_since(const struct jobs *j, int64_t host_ns)
{
	int64_t machine = j->machine->loss_to_ns, own = j->lost_to_ns;

	return j->machine->losing || (machine != VMRT_UNKNOWN && machine >= host_ns) ||
	       (own != VMRT_UNKNOWN && own >= host_ns);
}

bool jobs_lost_events(const struct jobs *j)
{
	return jobs_lost_since(j, j->job.arrival_ns);
}

/*
 * Can the times of the open job, which has just ended, be true together? Not if its timer expired
 * long before it was due, it ended before it arrived, or times ran back meanwhile.
 */
bool jobs_contradict(const struct jobs *j)
{
	const struct vmrt_job *job = &j->job;
	int64_t early, host_ns, difference;

	if (job->response_ns < 0 || job->exec_ns < 0)
		return true;
	if (job->release_local_ns != VMRT_UNKNOWN &&
		(__builtin_sub_overflow(job->arrival_local_ns, job->release_local_ns, &early) ||
			early > CONTRADICTION_NS))
		return true;
	/* of a guest the two differ by what its clock drifts */
	if (j->machine->config->clock)
		return false;
	return __builtin_sub_overflow(job->end_ns, job->arrival_ns, &host_ns) ||
	       __builtin_sub_overflow(host_ns, job->response_ns, &difference) ||
	       llabs(difference) > CONTRADICTION_NS;
}

/* Switches that happened on @m were not recorded. */
static bool lacks_switches(const struct machine *m)
{
	return !m->switches_seen && m->stats.inferred_switches;
}

/* Is nobody known to carry the guest's CPU? */
static bool lacks_vcpu(const struct jobs *j)
{
	return j->machine->index && !vcpu_of(j->machine, j->thread->cpu);
}

/* Is the job's guest CPU carried by a thread on a host CPU whose recording has ended, or is broken
 * off just now? */
static bool vcpu_is_out_of_sight(const struct jobs *j)
{
	const struct thread *v = vcpu_of(j->machine, j->thread->cpu);
	const struct machine *host = &j->machine->engine->machines[0];

	return v && v->cpu < host->n_cpus &&
	       (host->cpus[v->cpu].ended || host->cpus[v->cpu].losing);
}

/*
 * Is it known when the thread of the open job ran? Not without sched_switch events, nor if it went
 * on after its release without a record of that, nor behind the end of its machine's recording or,
 * of a guest, the host's.
 */
static bool run_is_known(const struct jobs *j)
{
	const struct machine *m = j->machine;

	if (lacks_switches(m) || (m->n_vcpus && lacks_switches(&m->engine->machines[0])))
		return false;
	return !m->ended_early && !lacks_vcpu(j) && !jobs_lost_events(j) &&
	       !vcpu_is_out_of_sight(j) &&
	       (j->state != JOB_RELEASED || j->thread->state != THREAD_RUNNING);
}

/* When it ran is not known, and so neither what it waited for. */
static void forget_run(struct jobs *j)
{
	struct vmrt_job *job = &j->job;
	int64_t sum = 0;

	job->exec_ns = VMRT_UNKNOWN;
	if (jobs_lost_events(j))
		return;
	if (!vcpu_is_out_of_sight(j))
		job->start_ns = job->start_local_ns = VMRT_UNKNOWN;
	for (int p = 0; p < VMRT_BLAMES; p++)
		sum += p == VMRT_BLAME_CLOCK ? 0 : job->blame_ns[p];
	for (int p = 0; p < VMRT_BLAMES; p++)
		job->blame_ns[p] = p == VMRT_BLAME_CLOCK ? job->blame_ns[p] : 0;
	job->blame_ns[VMRT_BLAME_UNKNOWN] = sum;
	memset(job->excess_ns, 0, sizeof(job->excess_ns));
	job->n_blamed = 0;
}

/* What is not known of the run of the open job, which has ended or is given up, is no number. */
void jobs_forget_unseen(struct jobs *j)
{
	if (!run_is_known(j))
		forget_run(j);
	else if (j->ran_unseen)
		j->job.exec_ns = VMRT_UNKNOWN;
}

/*
 * The recording ends. A thread that was woken long ago to a CPU of which nothing is recorded may
 * have run there since.
 */
void jobs_doubt_waiting(struct jobs *j, int64_t end_ns)
{
	const struct thread *t = j->thread;
	struct machine *m = j->machine;

	if (!waits_unseen(m, t) || end_ns - t->ready_ns < SILENT_MAX_NS ||
		jobs_lost_since(j, t->ready_ns))
		return;
	cpus_emit_loss(m, t->cpu, t->ready_ns, end_ns, 0, VMRT_LOSS_CLIPPED);
	j->lost_to_ns = end_ns;
}

/* Only when the open job was due is known for certain. */
void jobs_forget_times(struct jobs *j)
{
	struct vmrt_job *job = &j->job;

	job->release_ns = job->start_ns = job->end_ns = VMRT_UNKNOWN;
	job->release_local_ns = job->start_local_ns = job->end_local_ns = VMRT_UNKNOWN;
	job->exec_ns = job->response_ns = job->unsure_ns = VMRT_UNKNOWN;
	memset(job->blame_ns, 0, sizeof(job->blame_ns));
	job->n_blamed = 0;
}

/*
 * The thread arms a sleep, until @expires, though the one before is not over. If nothing cut that
 * short, clocks with an error show records of two CPUs in the wrong order: what the thread did
 * until then, and in which of its jobs, is not known.
 */
void jobs_sleep_anew(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires)
{
	int64_t error = j->machine->config->record_error_ns, due = j->job.arrival_local_ns;

	if (j->rel.sleep.pending && j->rel.sleep.woke)
		jobs_emit_bare(j, VMRT_OUTCOME_UNKNOWN);
	if (!error || !j->slept || j->rel.sleep.pending || due <= local_ns)
		return;
	/* a later one is missing between two others that come, and counted there */
	if (expires > due)
		jobs_emit_bare(j, VMRT_OUTCOME_UNKNOWN);
	if (__builtin_add_overflow(to_host(j->machine, due), error, &j->lost_to_ns))
		j->lost_to_ns = INT64_MAX;
	machine_lost(j->machine, host_ns);
}

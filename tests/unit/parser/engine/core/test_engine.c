/* SPDX-License-Identifier: MIT */
/* Hand-computed cases of jobs: what stands in a comment was worked out on paper. */
#include "enginefix.h"

static void a_job_runs_from_its_programmed_expiry_to_the_arming_of_the_next_timer(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	arm(&f, GUEST, 15 * MS, T1, 30 * MS);
	sw(&f, GUEST, 15 * MS + 5 * US, T1, 1, 0);
	end(&f, 20 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(j->k, 0);
	assert_int_equal(j->arrival_ns, 10 * MS);
	assert_int_equal(j->arrival_local_ns, 1010 * MS);
	assert_int_equal(j->release_ns, 10 * MS + 20 * US);
	assert_int_equal(j->start_ns, 10 * MS + 50 * US);
	assert_int_equal(j->end_ns, 15 * MS);
	assert_int_equal(j->response_ns, 5 * MS);
	assert_int_equal(j->exec_ns, 4950 * US);
	assert_int_equal(j->deadline_ns, 30 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(j->preemptions, 0);
	assert_int_equal(j->blame_ns[VMRT_BLAME_RELEASE], 50 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_EXEC], 4950 * US);
}

static void a_job_that_overran_is_followed_by_one_that_arrived_in_the_past(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	/* runs 22 ms: its timer is in the past, so it expires at once and nothing is switched */
	arm(&f, GUEST, 32 * MS + 50 * US, T1, 30 * MS);
	expire(&f, GUEST, 32 * MS + 52 * US, T1, T1);
	wake(&f, GUEST, 32 * MS + 53 * US, T1, T1);
	arm(&f, GUEST, 38 * MS, T1, 50 * MS);
	sw(&f, GUEST, 38 * MS + 5 * US, T1, 1, 0);
	end(&f, 45 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_MISSED);
	assert_int_equal(f.jobs[0].exec_ns, 22 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_EXEC], 8 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_OVERRUN], 14 * MS);
	assert_int_equal(f.jobs[0].cause, VMRT_BLAME_OVERRUN);
	assert_true(f.jobs[0].excused);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].release_ns, 32 * MS + 52 * US);
	assert_int_equal(f.jobs[1].start_ns, 32 * MS + 54 * US);
	assert_int_equal(f.jobs[1].response_ns, 8 * MS);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	/* from 30 to 32.05 ms it waited for the overrun of the job before it */
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_GUEST_OVERRUN], 2 * MS + 50 * US);
	assert_int_equal(f.jobs[1].excess_ns[VMRT_BLAME_OVERRUN], 14 * MS);
}

static void the_time_in_which_the_vcpu_did_not_run_is_charged_to_the_host(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	sw(&f, HOST, 12 * MS, VCPU, 0, HOG); /* preempted for 15 ms by a hog */
	sw(&f, HOST, 27 * MS, HOG, 0, VCPU);
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	expire(&f, GUEST, 31 * MS + 2 * US, T1, T1);
	end(&f, 31 * MS + 3 * US);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_MISSED);
	assert_int_equal(j->response_ns, 21 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 15 * MS);
	assert_int_equal(j->exec_ns, 5950 * US);
	assert_int_equal(j->cause, VMRT_BLAME_HOST_THREAD);
	assert_false(j->excused);
	assert_true(vmrt_job_blamed(j, VMRT_BLAME_HOST_THREAD) < f.n_seen);
	assert_int_equal(f.seen[vmrt_job_blamed(j, VMRT_BLAME_HOST_THREAD)].tid, HOG);
}

static void a_job_that_lacks_a_nanosecond_of_its_wcet_may_wait_for_long(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	const int64_t preempted = 18 * MS + 50 * US - 1;

	(void)state;
	begin_with_t1_running(&f);
	/* it began at 10.05 ms and may execute for 8 ms: not a step for each ns of the 2 s */
	sw(&f, HOST, preempted, VCPU, 0, HOG);
	sw(&f, HOST, 2000 * MS, HOG, 0, VCPU);
	arm(&f, GUEST, 2001 * MS, T1, 30 * MS);
	end(&f, 2001 * MS + 3 * US);
	assert_int_equal(j->exec_ns, 9 * MS - 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_EXEC], 8 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_OVERRUN], 1 * MS - 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 2000 * MS - preempted);
}

static void assert_blamed(const struct fixture *f, const struct vmrt_blamed *b,
	enum vmrt_blame part, int32_t tid, int64_t ns)
{
	assert_int_equal(b->part, part);
	assert_true(b->thread < f->n_seen);
	assert_int_equal(f->seen[b->thread].tid, tid);
	assert_int_equal(b->ns, ns);
}

static void a_ready_vcpu_on_an_idle_cpu_waits_for_the_cpu_and_for_no_thread(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin_with_t1_running(&f);
	/* it sleeps and is woken, but its CPU leaves its idle state 5 ms late */
	sw(&f, HOST, 12 * MS, VCPU, 1, 0);
	wake(&f, HOST, 13 * MS, 0, VCPU);
	sw(&f, HOST, 18 * MS, 0, 0, VCPU);
	/* it leaves the CPU ready to run and to nobody: its cpu.max is used up */
	sw(&f, HOST, 20 * MS, VCPU, 0, 0);
	sw(&f, HOST, 24 * MS, 0, 0, VCPU);
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	end(&f, 32 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_WAKEUP], 5 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 0);
	assert_int_equal(j->n_blamed, 0);
}

static void of_the_host_threads_a_job_waited_for_the_three_that_ran_most_are_listed(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, false);
	f.error = 20 * US;
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
	sw(&f, HOST, 12 * MS, VCPU, 0, 901);
	sw(&f, HOST, 14 * MS, 901, 0, HOG);
	sw(&f, HOST, 18 * MS, HOG, 0, 902);
	sw(&f, HOST, 21 * MS, 902, 0, 903);
	sw(&f, HOST, 25 * MS, 903, 0, HOG);
	sw(&f, HOST, 27 * MS, HOG, 0, VCPU);
	arm(&f, GUEST, 29 * MS, T1, 30 * MS);
	end(&f, 29 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 15 * MS);
	assert_int_equal(j->n_blamed, 3);
	assert_blamed(&f, &j->blamed[0], VMRT_BLAME_HOST_THREAD, HOG, 6 * MS);
	assert_blamed(&f, &j->blamed[1], VMRT_BLAME_HOST_THREAD, 903, 4 * MS);
	assert_blamed(&f, &j->blamed[2], VMRT_BLAME_HOST_THREAD, 902, 3 * MS);
	/* the arrival, the end, and both edges of the time in which the vCPU did not run */
	assert_int_equal(j->unsure_ns, 4 * 20 * US);
}

static void threads_of_one_name_are_blamed_together(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	alike = "stress";
	begin_with_t1_running(&f);
	sw(&f, HOST, 12 * MS, VCPU, 0, 901);
	sw(&f, HOST, 14 * MS, 901, 0, HOG);
	sw(&f, HOST, 18 * MS, HOG, 0, 902);
	sw(&f, HOST, 21 * MS, 902, 0, VCPU);
	arm(&f, GUEST, 23 * MS, T1, 30 * MS);
	end(&f, 23 * MS);
	alike = NULL;
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 9 * MS);
	assert_int_equal(j->n_blamed, 3);
	/* 5 ms in two parts are more than the hog's 4 */
	assert_blamed(&f, &j->blamed[0], VMRT_BLAME_HOST_THREAD, 902, 3 * MS);
	assert_blamed(&f, &j->blamed[1], VMRT_BLAME_HOST_THREAD, 901, 2 * MS);
	assert_blamed(&f, &j->blamed[2], VMRT_BLAME_HOST_THREAD, HOG, 4 * MS);
}

static void thread_is_named_as_it_is_called_when_it_runs(void **state)
{
	static struct fixture f;

	(void)state;
	alike = "bash";
	begin_with_t1_running(&f);
	sw(&f, HOST, 12 * MS, VCPU, 0, 901);
	sw(&f, HOST, 14 * MS, 901, 0, VCPU);
	alike = "stress"; /* it has executed another program meanwhile */
	sw(&f, HOST, 15 * MS, VCPU, 0, 901);
	sw(&f, HOST, 18 * MS, 901, 0, VCPU);
	arm(&f, GUEST, 20 * MS, T1, 30 * MS);
	end(&f, 20 * MS);
	alike = NULL;
	assert_int_equal(f.jobs[0].n_blamed, 2);
	assert_string_equal(f.seen[f.jobs[0].blamed[0].thread].comm, "stress");
	assert_string_equal(f.seen[f.jobs[0].blamed[1].thread].comm, "bash");
}

static void irq(struct fixture *f, uint32_t machine, int64_t from, int64_t to, int32_t on)
{
	struct vmrt_event ev = {.type = VMRT_EV_IRQ_ENTER, .pid = on};

	push(f, machine, &ev, from);
	ev.type = VMRT_EV_IRQ_LEAVE;
	push(f, machine, &ev, to);
}

static void interrupts_of_host_and_guest_are_a_part_of_their_own(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	struct vmrt_event enter = {.type = VMRT_EV_IRQ_ENTER, .pid = T1};
	struct vmrt_event leave = {.type = VMRT_EV_IRQ_LEAVE, .pid = T1};

	(void)state;
	begin_with_t1_running(&f);
	irq(&f, HOST, 11 * MS, 11 * MS + 300 * US, VCPU);
	/* a softirq, in which an interrupt comes */
	push(&f, GUEST, &enter, 12 * MS);
	irq(&f, GUEST, 12 * MS + 50 * US, 12 * MS + 60 * US, T1);
	push(&f, GUEST, &leave, 12 * MS + 200 * US);
	push(&f, GUEST, &leave, 12 * MS + 300 * US); /* of one whose beginning was not recorded */
	sw(&f, HOST, 13 * MS, VCPU, 0, HOG);
	irq(&f, HOST, 14 * MS, 14 * MS + 100 * US, HOG);
	sw(&f, HOST, 15 * MS, HOG, 0, VCPU);
	arm(&f, GUEST, 16 * MS, T1, 30 * MS);
	end(&f, 16 * MS);
	assert_int_equal(j->response_ns, 6 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_IRQ], 600 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 1900 * US);
	assert_int_equal(j->exec_ns, 6 * MS - 600 * US - 1900 * US - 50 * US);
}

static void a_job_that_queued_names_who_had_the_cpu_meanwhile(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[1];

	(void)state;
	begin_with_t1_running(&f);
	/* the job of 30 ms arrives while the one of 10 ms waits */
	sw(&f, HOST, 12 * MS, VCPU, 0, HOG);
	sw(&f, HOST, 62 * MS, HOG, 0, VCPU);
	arm(&f, GUEST, 66 * MS, T1, 30 * MS);
	expire(&f, GUEST, 66 * MS, T1, T1);
	wake(&f, GUEST, 66 * MS, T1, T1);
	arm(&f, GUEST, 70 * MS, T1, 90 * MS);
	end(&f, 70 * MS);
	assert_int_equal(j->response_ns, 40 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 32 * MS);
	assert_int_equal(
		j->blame_ns[VMRT_BLAME_INTERFERENCE] + j->blame_ns[VMRT_BLAME_GUEST_OVERRUN],
		4 * MS);
	assert_int_equal(j->n_blamed, 2);
	assert_blamed(&f, &j->blamed[0], VMRT_BLAME_INTERFERENCE, T1, 4 * MS);
	assert_blamed(&f, &j->blamed[1], VMRT_BLAME_HOST_THREAD, HOG, 32 * MS);
}

static void a_lower_task_waits_for_a_higher_one_and_is_preempted_by_it(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[1];

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	born(&f, GUEST, 4 * MS, 0, T2);
	sw(&f, GUEST, 4 * MS, 0, 0, T2);
	arm(&f, GUEST, 4 * MS + 10 * US, T2, 5 * MS);
	sw(&f, GUEST, 4 * MS + 20 * US, T2, 1, 0);
	expire(&f, GUEST, 5 * MS, 0, T2);
	wake(&f, GUEST, 5 * MS, 0, T2);
	sw(&f, GUEST, 5 * MS + 10 * US, 0, 0, T2);
	/* t1 at 10 ms preempts it for 4 ms */
	expire(&f, GUEST, 10 * MS, T2, T1);
	wake(&f, GUEST, 10 * MS, T2, T1);
	sw(&f, GUEST, 10 * MS + 5 * US, T2, 0, T1);
	arm(&f, GUEST, 14 * MS + 5 * US, T1, 30 * MS);
	sw(&f, GUEST, 14 * MS + 5 * US, T1, 1, T2);
	arm(&f, GUEST, 20 * MS, T2, 105 * MS);
	sw(&f, GUEST, 20 * MS + 1 * US, T2, 1, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(j->task, 1);
	assert_int_equal(j->preemptions, 1);
	assert_int_equal(j->response_ns, 15 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_INTERFERENCE], 4 * MS);
	assert_int_equal(j->exec_ns, 15 * MS - 4 * MS - 10 * US);
	assert_int_equal(f.seen[vmrt_job_blamed(j, VMRT_BLAME_INTERFERENCE)].tid, T1);
}

static void a_job_that_outlives_the_trace_past_its_deadline_is_missed(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	end(&f, 30 * MS + 1);
	assert_int_equal(f.n_jobs, 2); /* the next one has just arrived */
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_true(f.jobs[0].end_ns == VMRT_UNKNOWN);
	assert_true(f.jobs[0].response_ns == VMRT_UNKNOWN);
}

static void releases_that_queue_behind_an_endless_job_are_counted(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	end(&f, 55 * MS); /* arrivals at 10, 30 and 50 ms; deadlines at 30, 50 and 70 ms */
	assert_int_equal(f.n_jobs, 3);
	assert_int_equal(f.jobs[1].k, 1);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_int_equal(f.jobs[2].outcome, VMRT_OUTCOME_TRUNCATED);
}

static void a_long_backlog_keeps_the_parts_of_every_job(void **state)
{
	static struct fixture f;
	int64_t at = 10 * MS + 50 * US;

	(void)state;
	begin_with_t1_running(&f);
	/* each job runs 30 ms for a period of 20 ms: job k ends at 10.05 + 30 (k + 1) ms */
	for (int k = 1; k < 60; k++) {
		at += 30 * MS;
		arm(&f, GUEST, at, T1, 10 * MS + k * 20 * MS);
		expire(&f, GUEST, at + 2 * US, T1, T1);
		wake(&f, GUEST, at + 3 * US, T1, T1);
	}
	end(&f, at + 4 * US);
	assert_in_range(f.n_jobs, 60, MAX_RECORDS * 2);
	for (int k = 0; k < 59; k++) {
		assert_int_equal(f.jobs[k].response_ns, 50 * US + 30 * MS + k * 10 * MS);
		assert_int_equal(f.jobs[k].blame_ns[VMRT_BLAME_UNKNOWN], 0);
		assert_int_equal(f.jobs[k].k, k);
	}
}

static void a_job_that_outlives_the_trace_before_its_deadline_is_truncated(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	end(&f, 30 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
}

static void a_job_that_has_not_arrived_is_no_job(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	end(&f, 9 * MS);
	assert_int_equal(f.n_jobs, 0);
}

static void a_job_that_began_before_the_recording_is_truncated(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, GUEST, 1 * MS, T1, 0, 0); /* it ran already */
	sw(&f, GUEST, 2 * MS, 0, 0, T1);
	arm(&f, GUEST, 5 * MS, T1, 10 * MS);
	sw(&f, GUEST, 5 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 10 * MS);
	arm(&f, GUEST, 12 * MS, T1, 30 * MS);
	end(&f, 15 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(f.jobs[0].k, 0);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.jobs[1].k, 1);
}

static void the_last_job_ends_with_its_thread(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	died(&f, GUEST, 14 * MS, T1);
	sw(&f, GUEST, 14 * MS + 20 * US, T1, 16, 0);
	end(&f, 40 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(f.jobs[0].end_ns, 14 * MS);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_MET);
}

static void a_job_over_lost_guest_events_is_unknown(void **state)
{
	static struct fixture f;
	struct vmrt_event lost = {.type = VMRT_EV_OTHER, .pid = T1, .lost = 7};

	(void)state;
	begin_with_t1_running(&f);
	push(&f, GUEST, &lost, 12 * MS);
	arm(&f, GUEST, 15 * MS, T1, 30 * MS);
	sw(&f, GUEST, 15 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 30 * MS);
	arm(&f, GUEST, 33 * MS, T1, 50 * MS);
	end(&f, 35 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_UNKNOWN);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].events, 7);
	assert_int_equal(f.losses[0].from_ns, 10 * MS + 50 * US);
	assert_int_equal(f.losses[0].to_ns, 12 * MS);
}

static void a_sleep_within_a_job_is_blocking_and_does_not_end_it(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	sw(&f, GUEST, 12 * MS, T1, 1, 0); /* waits for a lock: no timer of its own */
	wake(&f, GUEST, 13 * MS, 0, T1);
	sw(&f, GUEST, 13 * MS + 10 * US, 0, 0, T1);
	arm(&f, GUEST, 15 * MS, T1, 30 * MS);
	end(&f, 16 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(f.jobs[0].response_ns, 5 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_BLOCKING], 1 * MS);
}

static void skipped_releases_are_counted_in_the_job_number(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	arm(&f, GUEST, 15 * MS, T1, 70 * MS); /* two releases on the grid are left out */
	sw(&f, GUEST, 15 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 70 * MS);
	arm(&f, GUEST, 73 * MS, T1, 90 * MS);
	end(&f, 75 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[1].k, 3);
	assert_int_equal(f.jobs[1].skipped, 2);
}

static void what_runs_before_the_start_of_a_job_is_not_its_execution(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	arm(&f, GUEST, 32 * MS, T1, 30 * MS);
	expire(&f, GUEST, 32 * MS + 2 * US, T1, T1);
	wake(&f, GUEST, 32 * MS + 3 * US, T1, T1);
	arm(&f, GUEST, 38 * MS, T1, 50 * MS);
	end(&f, 39 * MS);
	/* the record at 32.004 ms says that it was woken up */
	assert_int_equal(f.jobs[1].exec_ns, 5996 * US);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_RELEASE], 4 * US);
}

static void a_thread_preempted_on_its_way_into_sleep_has_not_been_released(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_t1_running(&f);
	arm(&f, GUEST, 29 * MS, T1, 30 * MS);
	sw(&f, GUEST, 29 * MS + 1 * US, T1, 0, T2);
	/* its timer is late, and it comes to sleep first */
	sw(&f, GUEST, 30 * MS + 100 * US, T2, 1, T1);
	sw(&f, GUEST, 30 * MS + 105 * US, T1, 1, 0);
	expire(&f, GUEST, 30 * MS + 200 * US, 0, T1);
	wake(&f, GUEST, 30 * MS + 201 * US, 0, T1);
	sw(&f, GUEST, 30 * MS + 210 * US, 0, 0, T1);
	arm(&f, GUEST, 33 * MS, T1, 50 * MS);
	end(&f, 34 * MS);
	assert_int_equal(f.jobs[1].release_ns, 30 * MS + 200 * US);
	assert_int_equal(f.jobs[1].start_ns, 30 * MS + 210 * US);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_RELEASE], 210 * US);
	assert_int_equal(f.jobs[1].exec_ns, 2790 * US);
}

static void posix_timer(
	struct fixture *f, enum vmrt_event_type type, int64_t at, int32_t on, int64_t until)
{
	struct vmrt_event ev = {.type = type,
		.pid = on,
		.flags = type == VMRT_EV_TIMER_EXPIRE ? VMRT_FLAG_HARDIRQ : 0};

	ev.timer.timer = 0xf00;
	ev.timer.fn = VMRT_FN_POSIX;
	ev.timer.now = at + f->offset;
	ev.timer.expires = ev.timer.softexpires = until + f->offset;
	push(f, GUEST, &ev, at);
}

/*
 * The timer of t1, every 20 ms, was armed before the recording. It expires at 50.1 ms, right after
 * the vCPU, which was woken at @woken and waited, has the CPU; the task has it armed to 60 ms then
 * and runs until 52 ms.
 */
static void t1_expires_late(struct fixture *f, int64_t woken)
{
	begin_with(f, false, "[task vm1/t1]\nperiod = 20ms\npriority = 60\nrelease = posix\n");
	sw(f, HOST, 0, 0, 0, VCPU);
	sw(f, GUEST, 1 * MS, T1, 1, 0);
	sw(f, HOST, 2 * MS, VCPU, 1, HOG);
	wake(f, HOST, woken, HOG, VCPU);
	sw(f, HOST, 50 * MS + 90 * US, HOG, 0, VCPU);
	posix_timer(f, VMRT_EV_TIMER_EXPIRE, 50 * MS + 100 * US, 0, 0);
	wake(f, GUEST, 50 * MS + 110 * US, 0, T1);
	sw(f, GUEST, 50 * MS + 120 * US, 0, 0, T1);
	posix_timer(f, VMRT_EV_TIMER_START, 50 * MS + 130 * US, T1, 60 * MS);
	sw(f, GUEST, 52 * MS, T1, 1, 0);
	posix_timer(f, VMRT_EV_TIMER_EXPIRE, 60 * MS, 0, 0);
	wake(f, GUEST, 60 * MS + 10 * US, 0, T1);
	sw(f, GUEST, 60 * MS + 20 * US, 0, 0, T1);
	end(f, 61 * MS);
	assert_int_equal(f->jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
}

static void an_arrival_follows_from_the_grid_only_if_the_vcpu_did_not_wait_for_a_period_since(
	void **state)
{
	static struct fixture f;

	(void)state;
	/* it became ready at 40 ms, which is when the timer was due: 20 ms it was not ready before
	 */
	t1_expires_late(&f, 40 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, 40 * MS);
	assert_int_equal(f.jobs[1].response_ns, 12 * MS);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	/* it was ready at 20 ms already: the timer may have been due then, or at 40 ms */
	t1_expires_late(&f, 20 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, VMRT_UNKNOWN);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_job_runs_from_its_programmed_expiry_to_the_arming_of_the_next_timer),
		cmocka_unit_test(a_job_that_overran_is_followed_by_one_that_arrived_in_the_past),
		cmocka_unit_test(the_time_in_which_the_vcpu_did_not_run_is_charged_to_the_host),
		cmocka_unit_test(a_ready_vcpu_on_an_idle_cpu_waits_for_the_cpu_and_for_no_thread),
		cmocka_unit_test(
			of_the_host_threads_a_job_waited_for_the_three_that_ran_most_are_listed),
		cmocka_unit_test(threads_of_one_name_are_blamed_together),
		cmocka_unit_test(thread_is_named_as_it_is_called_when_it_runs),
		cmocka_unit_test(interrupts_of_host_and_guest_are_a_part_of_their_own),
		cmocka_unit_test(a_job_that_queued_names_who_had_the_cpu_meanwhile),
		cmocka_unit_test(a_job_that_lacks_a_nanosecond_of_its_wcet_may_wait_for_long),
		cmocka_unit_test(a_lower_task_waits_for_a_higher_one_and_is_preempted_by_it),
		cmocka_unit_test(a_job_that_outlives_the_trace_past_its_deadline_is_missed),
		cmocka_unit_test(releases_that_queue_behind_an_endless_job_are_counted),
		cmocka_unit_test(a_long_backlog_keeps_the_parts_of_every_job),
		cmocka_unit_test(a_job_that_outlives_the_trace_before_its_deadline_is_truncated),
		cmocka_unit_test(a_job_that_has_not_arrived_is_no_job),
		cmocka_unit_test(a_job_that_began_before_the_recording_is_truncated),
		cmocka_unit_test(the_last_job_ends_with_its_thread),
		cmocka_unit_test(a_job_over_lost_guest_events_is_unknown),
		cmocka_unit_test(a_sleep_within_a_job_is_blocking_and_does_not_end_it),
		cmocka_unit_test(skipped_releases_are_counted_in_the_job_number),
		cmocka_unit_test(what_runs_before_the_start_of_a_job_is_not_its_execution),
		cmocka_unit_test(a_thread_preempted_on_its_way_into_sleep_has_not_been_released),
		cmocka_unit_test(
			an_arrival_follows_from_the_grid_only_if_the_vcpu_did_not_wait_for_a_period_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

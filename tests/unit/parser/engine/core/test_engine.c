/* SPDX-License-Identifier: MIT */
/* Hand-computed cases for the engine: what stands in a comment was worked out on paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/engine.h>

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define HOST 0
#define GUEST 1
#define VCPU 100 /* host thread ids */
#define MAIN 99
#define HOG 300
#define T1 11 /* guest thread ids */
#define T2 12
#define FIFO(p) (99 - (p))
#define FAIR 120
#define MAX_RECORDS 512

static const char experiment_text[] = "[experiment]\nname = t\n"
				      "[server vm1]\nperiod = 12ms\nbudget = 10ms\npriority = 50\n"
				      "[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\npriority = 60\n"
				      "[task vm1/t2]\nperiod = 100ms\nwcet = 30ms\npriority = 59\n";

struct fixture {
	struct vmrt_experiment *exp;
	struct vmrt_engine *engine;
	struct vmrt_engine_machine machines[2];
	struct vmrt_vm_thread threads[2];
	struct vmrt_engine_vm vm;
	struct vmrt_engine_config config;
	struct vmrt_clockmap map;
	struct vmrt_job jobs[MAX_RECORDS];
	struct vmrt_slice slices[MAX_RECORDS];
	struct vmrt_server_period periods[MAX_RECORDS];
	struct vmrt_loss losses[MAX_RECORDS];
	struct vmrt_thread seen[MAX_RECORDS];
	size_t n_jobs, n_slices, n_periods, n_losses, n_seen;
	int64_t offset; /* guest - host */
	int64_t error;	/* of the guest's clock */
};

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *r)                                   \
	{                                                                                          \
		struct fixture *f = ctx;                                                           \
                                                                                                   \
		assert_true(f->n_##what < MAX_RECORDS);                                            \
		f->what[f->n_##what++] = *r;                                                       \
	}

KEEP(jobs, vmrt_job)
KEEP(slices, vmrt_slice)
KEEP(periods, vmrt_server_period)
KEEP(losses, vmrt_loss)
KEEP(seen, vmrt_thread)

static void begin_with(struct fixture *f, bool hsf, const char *experiment)
{
	struct vmrt_sink sink = {
		.ctx = f,
		.thread = keep_seen,
		.slice = keep_slices,
		.server_period = keep_periods,
		.job = keep_jobs,
		.loss = keep_losses,
	};
	struct vmrt_error err;

	memset(f, 0, sizeof(*f));
	f->offset = 1000 * MS;
	assert_int_equal(vmrt_experiment_parse(experiment, "t.ini", &f->exp, &err), VMRT_OK);
	assert_int_equal(vmrt_clockmap_constant(f->offset, 0, VMRT_CLOCK_FILE, &f->map), VMRT_OK);
	f->machines[0] = (struct vmrt_engine_machine){.name = "host", .cpus = 2};
	f->machines[1] = (struct vmrt_engine_machine){.name = "vm1", .cpus = 1, .clock = &f->map};
	f->threads[0] = (struct vmrt_vm_thread){.tid = VCPU,
		.role = VMRT_ROLE_VCPU,
		.vcpu = 0,
		.comm = "CPU 0/TCG",
		.policy = SCHED_OTHER};
	f->threads[1] = (struct vmrt_vm_thread){
		.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1, .comm = "qemu"};
	f->vm = (struct vmrt_engine_vm){
		.name = "vm1", .machine = GUEST, .threads = f->threads, .n_threads = 2};
	f->config = (struct vmrt_engine_config){
		.experiment = f->exp,
		.machines = f->machines,
		.n_machines = 2,
		.vms = &f->vm,
		.n_vms = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN,
		.hsf = hsf,
	};
	assert_int_equal(vmrt_engine_new(&f->config, &sink, &f->engine, &err), VMRT_OK);
}

static void begin(struct fixture *f, bool hsf)
{
	begin_with(f, hsf, experiment_text);
}

static void end(struct fixture *f, int64_t at)
{
	assert_int_equal(vmrt_engine_finish(f->engine, at), VMRT_OK);
	for (size_t i = 0; i < f->n_jobs; i++) {
		int64_t sum = 0;

		if (f->jobs[i].response_ns == VMRT_UNKNOWN)
			continue;
		for (int p = 0; p < VMRT_BLAMES; p++)
			sum += f->jobs[i].blame_ns[p];
		assert_int_equal(sum, f->jobs[i].response_ns);
	}
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
	vmrt_clockmap_free(&f->map);
}

/* All times below are host time; guest events are stamped with the guest's clock. */
static void push(struct fixture *f, uint32_t machine, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at + (machine == GUEST ? f->offset : 0);
	assert_int_equal(
		vmrt_engine_push(f->engine, machine, ev, at, machine == GUEST ? f->error : 0),
		VMRT_OK);
}

static const char *alike; /* the name of threads 901 to 903, if they have one in common */

static const char *name_of(int32_t pid)
{
	static const char names[][VMRT_COMM_MAX] = {
		"swapper/0", "t1", "t2", "CPU 0/TCG", "qemu", "hog", "other1", "other2", "other3"};

	switch (pid) {
	case T1:
		return names[1];
	case T2:
		return names[2];
	case VCPU:
		return names[3];
	case MAIN:
		return names[4];
	case HOG:
		return names[5];
	case 901:
	case 902:
	case 903:
		return alike ? alike : names[pid - 901 + 6];
	default:
		return names[0];
	}
}

static int prio_of(int32_t pid)
{
	return pid == T1 ? FIFO(60) : pid == T2 ? FIFO(59) : FAIR;
}

static void sw_prio(struct fixture *f, uint32_t machine, int64_t at, int32_t prev, int64_t state,
	int32_t next, int prev_prio, int next_prio)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = name_of(prev);
	ev.sw.next_comm = name_of(next);
	ev.sw.prev_prio = prev_prio;
	ev.sw.next_prio = next_prio;
	ev.sw.prev_state = state;
	push(f, machine, &ev, at);
}

static void sw(
	struct fixture *f, uint32_t machine, int64_t at, int32_t prev, int64_t state, int32_t next)
{
	sw_prio(f, machine, at, prev, state, next, prio_of(prev), prio_of(next));
}

static void wake(struct fixture *f, uint32_t machine, int64_t at, int32_t by, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by, .flags = VMRT_FLAG_HARDIRQ};

	ev.wake.pid = who;
	ev.wake.comm = name_of(who);
	ev.wake.prio = prio_of(who);
	push(f, machine, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	push(f, machine, &ev, at + 1 * US);
}

static void born(struct fixture *f, uint32_t machine, int64_t at, int32_t by, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP_NEW, .pid = by};

	ev.wake.pid = who;
	ev.wake.comm = "vmrt-load";
	ev.wake.prio = FAIR;
	push(f, machine, &ev, at);
}

/* Thread @who arms its sleep until host time @until. */
static void arm(struct fixture *f, uint32_t machine, int64_t at, int32_t who, int64_t until)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = who};

	ev.timer.timer = UINT64_C(0xffff000000000000) + (uint64_t)who * 64;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.expires = ev.timer.softexpires = until + (machine == GUEST ? f->offset : 0);
	push(f, machine, &ev, at);
}

static void expire(struct fixture *f, uint32_t machine, int64_t at, int32_t on, int32_t who)
{
	struct vmrt_event ev = {
		.type = VMRT_EV_TIMER_EXPIRE, .pid = on, .flags = VMRT_FLAG_HARDIRQ};

	ev.timer.timer = UINT64_C(0xffff000000000000) + (uint64_t)who * 64;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.now = at + (machine == GUEST ? f->offset : 0);
	push(f, machine, &ev, at);
}

static void mark(struct fixture *f, uint32_t machine, int64_t at, int32_t by, const char *text)
{
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .pid = by};

	ev.mark.text = text;
	ev.mark.len = (uint32_t)strlen(text);
	push(f, machine, &ev, at);
}

static void died(struct fixture *f, uint32_t machine, int64_t at, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_EXIT, .pid = who};

	ev.process.pid = who;
	push(f, machine, &ev, at);
}

/* The vCPU runs from 0 on; t1 is created and sleeps until 10 ms. */
static void t1_is_set_up(struct fixture *f)
{
	sw(f, HOST, 0, 0, 0, VCPU);
	born(f, GUEST, 1 * MS, 0, T1);
	sw(f, GUEST, 2 * MS, 0, 0, T1);
	arm(f, GUEST, 3 * MS, T1, 10 * MS);
	sw(f, GUEST, 3 * MS + 5 * US, T1, 1, 0);
}

/* It is released at @at + 20 us and starts 30 us later. */
static void t1_starts(struct fixture *f, int64_t at)
{
	expire(f, GUEST, at + 20 * US, 0, T1);
	wake(f, GUEST, at + 21 * US, 0, T1);
	sw(f, GUEST, at + 50 * US, 0, 0, T1);
}

static void a_job_runs_from_its_programmed_expiry_to_the_arming_of_the_next_timer(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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

static void of_the_host_threads_a_job_waited_for_the_three_that_ran_most_are_told(void **state)
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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

static void a_job_that_queued_is_told_who_had_the_cpu_meanwhile(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[1];

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
	arm(&f, GUEST, 15 * MS, T1, 70 * MS); /* two releases on the grid are left out */
	sw(&f, GUEST, 15 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 70 * MS);
	arm(&f, GUEST, 73 * MS, T1, 90 * MS);
	end(&f, 75 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[1].k, 3);
	assert_int_equal(f.jobs[1].skipped, 2);
}

static void a_missing_switch_is_found_inferred_and_counted(void **state)
{
	static struct fixture f;
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	sw(&f, HOST, 5 * MS, HOG, 1, 0);
	wake(&f, HOST, 8 * MS, 0, VCPU);
	/* the switch from idle to the vCPU at about 8 ms was not recorded */
	sw(&f, HOST, 9 * MS, VCPU, 1, 0);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 1);
	assert_int_equal(stats.inferred_switches, 1);
	end(&f, 10 * MS);
	assert_int_equal(f.n_slices, 1);
	/* between the wake-up's record at 8.001 ms and 9 ms, hence +-499.5 us */
	assert_in_range(f.slices[0].start_ns, 8 * MS, 8 * MS + 10 * US);
	assert_int_equal(f.slices[0].end_ns, 9 * MS);
	assert_in_range(f.slices[0].uncertainty_ns, 499 * US, 500 * US);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_BROKEN_CHAIN);
}

static void a_missing_switch_may_be_before_a_timer_that_was_cancelled_for_who_left(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_CANCEL, .pid = HOG};

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	wake(&f, HOST, 8 * MS - 10 * US, HOG, VCPU);
	ev.timer.timer = 0xf00;
	push(&f, HOST, &ev, 8 * MS);
	sw(&f, HOST, 9 * MS, VCPU, 1, 0);
	end(&f, 10 * MS);
	assert_int_equal(f.n_slices, 1);
	/* between the wake-up's record at 7.991 ms and 9 ms: +-504.5 us, not +-500 */
	assert_in_range(f.slices[0].uncertainty_ns, 504 * US, 505 * US);
}

static void records_of_a_leaving_thread_right_behind_its_switch_break_no_chain(void **state)
{
	static struct fixture f;
	struct vmrt_event cancel = {.type = VMRT_EV_TIMER_CANCEL, .pid = VCPU};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, HOST, 5 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 5 * MS + 3 * US);
	sw(&f, HOST, 9 * MS, HOG, 0, VCPU);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	/* also late, if the next record is the other thread's: the CPU itself did not run meanwhile
	 */
	sw(&f, HOST, 10 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 11 * MS);
	sw(&f, HOST, 11 * MS + 2 * US, HOG, 0, VCPU);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	/* but if it is not, then the vCPU had come back before the first of them */
	sw(&f, HOST, 12 * MS, VCPU, 0, HOG);
	push(&f, HOST, &cancel, 14 * MS);
	sw(&f, HOST, 14 * MS + 500 * US, VCPU, 0, HOG);
	vmrt_engine_stats(f.engine, HOST, &stats);
	assert_int_equal(stats.broken_chains, 1);
	end(&f, 15 * MS);
	assert_int_equal(f.slices[0].end_ns, 5 * MS);
	assert_int_equal(f.n_slices, 4);
	/* in the middle between 12 and 14 ms */
	assert_int_equal(f.slices[3].start_ns, 13 * MS);
	assert_int_equal(f.slices[3].end_ns, 14 * MS + 500 * US);
}

/* [0, 12): runs 10 ms at the priority, then 1 ms below it, then a hog; [12, 24): sleeps after 3 ms.
 */
static void consumption_is_split_at_replenishment_and_depletion(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, true);
	sw(&f, HOST, 0, 0, 0, MAIN);
	mark(&f, HOST, 500 * US, MAIN,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=12000000 "
		"budget=10000000 priority=50 t0=1000000");
	mark(&f, HOST, 1 * MS + 20 * US, MAIN,
		"vmrt srv_replenish server=vm1 k=0 at=1000000 budget=10000000");
	sw_prio(&f, HOST, 1 * MS + 30 * US, MAIN, 1, VCPU, FAIR, FIFO(50));
	mark(&f, HOST, 11 * MS + 40 * US, VCPU,
		"vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	sw(&f, HOST, 12 * MS + 40 * US, VCPU, 0, HOG);
	mark(&f, HOST, 13 * MS + 10 * US, HOG,
		"vmrt srv_replenish server=vm1 k=1 at=13000000 budget=10000000");
	sw_prio(&f, HOST, 13 * MS + 15 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	sw_prio(&f, HOST, 16 * MS + 15 * US, VCPU, 1, HOG, FIFO(50), FAIR);
	mark(&f, HOST, 25 * MS + 10 * US, HOG,
		"vmrt srv_replenish server=vm1 k=2 at=25000000 budget=10000000");
	mark(&f, HOST, 26 * MS, HOG, "vmrt srv_stop server=vm1");
	end(&f, 30 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].k, 0);
	assert_int_equal(f.periods[0].start_ns, 1 * MS);
	assert_int_equal(f.periods[0].end_ns, 13 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 10 * MS + 10 * US);
	assert_int_equal(f.periods[0].background_ns, 1 * MS);
	assert_int_equal(f.periods[0].depleted_ns, 11 * MS + 40 * US);
	assert_int_equal(f.periods[0].replenished_ns, 1 * MS + 20 * US);
	assert_int_equal(f.periods[0].first_ns, 1 * MS + 30 * US);
	/* preempted at 12.04 ms, ready until the end of the period at 13 ms */
	assert_int_equal(f.periods[0].waiting_ns, 960 * US);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_DEPLETED);
	assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
	assert_int_equal(f.periods[1].background_ns, 0);
	assert_int_equal(f.periods[1].waiting_ns, 15 * US);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void without_an_enforcer_the_declared_grid_is_laid_over_the_recording(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, HOST, 8 * MS, VCPU, 0, HOG);
	sw(&f, HOST, 14 * MS, HOG, 0, VCPU);
	sw(&f, HOST, 24 * MS, VCPU, 0, HOG);
	end(&f, 25 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].consumed_ns, 0);
	assert_int_equal(f.periods[0].background_ns, 8 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNENFORCED);
	assert_int_equal(f.periods[1].background_ns, 10 * MS);
	assert_int_equal(f.periods[1].first_ns, 14 * MS);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void waiting_for_budget_is_told_from_waiting_for_other_threads(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, true);
	t1_is_set_up(&f);
	mark(&f, HOST, 4 * MS, VCPU,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=12000000 "
		"budget=10000000 priority=50 t0=4000000");
	mark(&f, HOST, 4 * MS, VCPU,
		"vmrt srv_replenish server=vm1 k=0 at=4000000 budget=10000000");
	t1_starts(&f, 10 * MS);
	mark(&f, HOST, 14 * MS, VCPU, "vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	sw(&f, HOST, 14 * MS + 5 * US, VCPU, 0, HOG);
	mark(&f, HOST, 16 * MS, HOG,
		"vmrt srv_replenish server=vm1 k=1 at=16000000 budget=10000000");
	sw_prio(&f, HOST, 16 * MS + 5 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	arm(&f, GUEST, 18 * MS, T1, 30 * MS);
	end(&f, 19 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_BUDGET], 1995 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 5 * US);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

static void late_timer_on_a_silent_cpu(bool entered, bool cancelled_first)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	begin(&f, false);
	t1_is_set_up(&f);
	tick.timer.timer = 0xaaaa00;
	tick.timer.fn = VMRT_FN_TICK;
	tick.timer.expires = tick.timer.softexpires = 12 * MS;
	push(&f, HOST, &tick, 9 * MS);
	t1_starts(&f, 10 * MS);
	tick.type = VMRT_EV_IRQ_ENTER;
	if (entered)
		push(&f, HOST, &tick, 17 * MS - 2 * US);
	tick.type = VMRT_EV_TIMER_CANCEL;
	if (cancelled_first)
		push(&f, HOST, &tick, 17 * MS - 1 * US);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 17 * MS;
	push(&f, HOST, &tick, 17 * MS); /* 5 ms late, and nothing happened on that CPU since 9 ms */
	tick.type = VMRT_EV_IRQ_LEAVE;
	if (entered)
		push(&f, HOST, &tick, 17 * MS);
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	end(&f, 32 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_STEAL);
	assert_int_equal(f.losses[0].from_ns, 12 * MS);
	assert_int_equal(f.losses[0].to_ns, 17 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_STEAL], 5 * MS);
	/* 21 ms - 50 us - 5 ms of steal = 15.95 ms of execution, 8 of them declared */
	assert_int_equal(j->exec_ns, 15950 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_OVERRUN], 7950 * US);
	assert_true(j->excused);
}

static void a_job_that_arrives_while_its_vcpu_is_stopped_waits_for_budget(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, true);
	t1_is_set_up(&f);
	mark(&f, HOST, 4 * MS, VCPU,
		"vmrt srv_start server=vm1 vm=vm1 policy=polling depletion=hard period=12000000 "
		"budget=10000000 priority=50 t0=4000000");
	mark(&f, HOST, 4 * MS, VCPU,
		"vmrt srv_replenish server=vm1 k=0 at=4000000 budget=10000000");
	/* it sleeps, loses its budget for that, and is stopped */
	sw(&f, HOST, 5 * MS, VCPU, 1, HOG);
	mark(&f, HOST, 5 * MS + 10 * US, HOG, "vmrt srv_deplete server=vm1 k=0 consumed=1000000");
	wake(&f, HOST, 5 * MS + 20 * US, HOG, VCPU);
	sw(&f, HOST, 5 * MS + 30 * US, HOG, 0, VCPU);
	sw(&f, HOST, 5 * MS + 40 * US, VCPU, 4, HOG);
	mark(&f, HOST, 16 * MS, HOG,
		"vmrt srv_replenish server=vm1 k=1 at=16000000 budget=10000000");
	wake(&f, HOST, 16 * MS + 1 * US, HOG, VCPU);
	sw_prio(&f, HOST, 16 * MS + 5 * US, HOG, 0, VCPU, FAIR, FIFO(50));
	t1_starts(&f, 16 * MS + 5 * US);
	arm(&f, GUEST, 18 * MS, T1, 30 * MS);
	end(&f, 19 * MS);
	assert_int_equal(f.n_jobs, 1);
	assert_int_equal(j->blame_ns[VMRT_BLAME_BUDGET], 6 * MS);
}

static void a_timer_that_fires_late_on_a_silent_cpu_is_steal(void **state)
{
	(void)state;
	late_timer_on_a_silent_cpu(false, false);
	late_timer_on_a_silent_cpu(false, true);
	late_timer_on_a_silent_cpu(true, false);
	late_timer_on_a_silent_cpu(true, true);
}

static void a_cpu_whose_idle_thread_is_not_recorded_shows_no_steal_while_idle(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = HOG, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, HOG, 1, 0);
	sw(&f, HOST, 2 * MS, HOG, 1, 0); /* the switch from idle to the hog is missing */
	sw(&f, HOST, 3 * MS, 0, 0, HOG);
	tick.timer.timer = 0xaaaa00;
	tick.timer.fn = VMRT_FN_TICK;
	tick.timer.expires = tick.timer.softexpires = 8 * MS;
	push(&f, HOST, &tick, 4 * MS);
	sw(&f, HOST, 5 * MS, HOG, 1, 0);
	/* the idle thread put its tick off, which was not recorded either */
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.pid = 0;
	tick.timer.now = 20 * MS;
	push(&f, HOST, &tick, 20 * MS);
	end(&f, 21 * MS);
	for (size_t i = 0; i < f.n_losses; i++)
		assert_int_equal(f.losses[i].kind, VMRT_LOSS_BROKEN_CHAIN);
}

static void a_real_time_vcpu_that_waits_for_fair_threads_is_throttled(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
	sw_prio(&f, HOST, 12 * MS, VCPU, 0, HOG, FIFO(50), FAIR);
	sw_prio(&f, HOST, 28 * MS, HOG, 0, VCPU, FAIR, FIFO(50));
	arm(&f, GUEST, 31 * MS, T1, 30 * MS);
	end(&f, 32 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_THROTTLING], 16 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_HOST_THREAD], 0);
	assert_int_equal(j->cause, VMRT_BLAME_THROTTLING);
	assert_true(j->excused);
}

static void guest_events_outside_the_vcpus_run_times_are_counted(void **state)
{
	static struct fixture f;
	struct vmrt_event other = {.type = VMRT_EV_OTHER};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	push(&f, GUEST, &other, 1 * MS);
	sw(&f, HOST, 2 * MS, VCPU, 1, 0);
	push(&f, GUEST, &other, 3 * MS);
	wake(&f, HOST, 4 * MS, 0, VCPU);
	sw(&f, HOST, 4 * MS + 5 * US, 0, 0, VCPU);
	push(&f, GUEST, &other, 5 * MS);
	vmrt_engine_stats(f.engine, GUEST, &stats);
	assert_int_equal(stats.inside, 2);
	assert_int_equal(stats.outside, 1);
	end(&f, 6 * MS);
}

static void what_runs_before_the_start_of_a_job_is_not_its_execution(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
	arm(&f, GUEST, 32 * MS, T1, 30 * MS);
	expire(&f, GUEST, 32 * MS + 2 * US, T1, T1);
	wake(&f, GUEST, 32 * MS + 3 * US, T1, T1);
	arm(&f, GUEST, 38 * MS, T1, 50 * MS);
	end(&f, 39 * MS);
	/* it is told at 32.004 ms that it was woken up */
	assert_int_equal(f.jobs[1].exec_ns, 5996 * US);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_RELEASE], 4 * US);
}

static void a_thread_preempted_on_its_way_into_sleep_has_not_been_released(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	t1_starts(&f, 10 * MS);
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

static void the_last_switch_of_a_thread_does_not_make_it_a_task_again(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, GUEST, 1 * MS, 0, 0, T1);
	died(&f, GUEST, 4 * MS, T1);
	sw(&f, GUEST, 4 * MS + 20 * US, T1, 16, 0);
	/* another thread gets the id, and runs as the task */
	born(&f, GUEST, 5 * MS, 0, T1);
	sw(&f, GUEST, 6 * MS, 0, 0, T1);
	arm(&f, GUEST, 7 * MS, T1, 10 * MS);
	sw(&f, GUEST, 7 * MS + 5 * US, T1, 1, 0);
	t1_starts(&f, 10 * MS);
	arm(&f, GUEST, 12 * MS, T1, 30 * MS);
	end(&f, 15 * MS);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.jobs[1].response_ns, 2 * MS);
}

static void steal_is_taken_from_what_was_booked_while_it_lasted(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[0];
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = 0, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	sw(&f, HOST, 4 * MS, VCPU, 1, 0);
	tick.timer.timer = 0xaaaa00;
	tick.timer.fn = VMRT_FN_TICK;
	tick.timer.expires = tick.timer.softexpires = 9 * MS;
	push(&f, HOST, &tick, 5 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 14 * MS;
	/* from 9 to 14 ms the host's CPU did not run; the job arrived at 10 ms */
	push(&f, HOST, &tick, 14 * MS);
	wake(&f, HOST, 14 * MS + 1 * US, 0, VCPU);
	sw(&f, HOST, 14 * MS + 5 * US, 0, 0, VCPU);
	t1_starts(&f, 14 * MS + 10 * US);
	arm(&f, GUEST, 15 * MS, T1, 30 * MS);
	end(&f, 16 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_STEAL], 4 * MS);
	assert_int_equal(j->exec_ns, 940 * US);
	/* woken at 14.001 ms; 4 us on the host, the rest in the guest */
	assert_int_equal(j->blame_ns[VMRT_BLAME_WAKEUP], 4 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_RELEASE], 56 * US);
}

static void silence_in_which_events_were_lost_is_no_steal(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {
		.type = VMRT_EV_TIMER_START, .pid = VCPU, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	begin(&f, false);
	t1_is_set_up(&f);
	tick.timer.timer = 0xaaaa00;
	tick.timer.fn = VMRT_FN_TICK;
	tick.timer.expires = tick.timer.softexpires = 12 * MS;
	push(&f, HOST, &tick, 9 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 17 * MS;
	tick.lost = 3;
	push(&f, HOST, &tick, 17 * MS);
	end(&f, 18 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_OVERRUN);
}

static void a_marker_of_depletion_that_comes_late_is_about_its_own_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, true);
	sw(&f, HOST, 0, 0, 0, MAIN);
	mark(&f, HOST, 500 * US, MAIN,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=12000000 "
		"budget=10000000 priority=50 t0=1000000");
	mark(&f, HOST, 1 * MS + 20 * US, MAIN,
		"vmrt srv_replenish server=vm1 k=0 at=1000000 budget=10000000");
	mark(&f, HOST, 13 * MS + 5 * US, MAIN, "vmrt srv_deplete server=vm1 k=0 consumed=10000000");
	mark(&f, HOST, 13 * MS + 20 * US, MAIN,
		"vmrt srv_replenish server=vm1 k=1 at=13000000 budget=10000000");
	end(&f, 26 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[1].k, 1);
	assert_true(f.periods[1].depleted_ns == VMRT_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
}

static void records_of_a_leaving_guest_thread_may_wait_for_its_vcpu(void **state)
{
	static struct fixture f;
	struct vmrt_event cancel = {.type = VMRT_EV_TIMER_CANCEL, .pid = T1};
	struct vmrt_machine_stats stats;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, VCPU);
	sw(&f, GUEST, 5 * MS, T1, 1, 0);
	sw(&f, HOST, 5 * MS + 2 * US, VCPU, 0, HOG);
	sw(&f, HOST, 15 * MS, HOG, 0, VCPU);
	push(&f, GUEST, &cancel, 15 * MS + 1 * US);
	vmrt_engine_stats(f.engine, GUEST, &stats);
	assert_int_equal(stats.broken_chains, 0);
	end(&f, 16 * MS);
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

static void an_arrival_is_told_from_the_grid_only_if_the_vcpu_did_not_wait_for_a_period_since(
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

static void an_inferred_switch_makes_the_period_uncertain_in_which_it_lies(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, false);
	sw(&f, HOST, 0, 0, 0, HOG);
	sw(&f, HOST, 11 * MS, HOG, 0, VCPU);
	/* some time before 15 ms the hog was there again: in [0, 12) or in [12, 24) ms */
	sw(&f, HOST, 15 * MS, HOG, 0, VCPU);
	sw(&f, HOST, 40 * MS, VCPU, 0, HOG);
	end(&f, 49 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNENFORCED);
	/* in [36, 48) another switch may be missing behind the last record, at 40 ms */
	assert_int_equal(f.periods[3].outcome, VMRT_PERIOD_UNKNOWN);
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
			of_the_host_threads_a_job_waited_for_the_three_that_ran_most_are_told),
		cmocka_unit_test(threads_of_one_name_are_blamed_together),
		cmocka_unit_test(thread_is_named_as_it_is_called_when_it_runs),
		cmocka_unit_test(interrupts_of_host_and_guest_are_a_part_of_their_own),
		cmocka_unit_test(a_job_that_queued_is_told_who_had_the_cpu_meanwhile),
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
		cmocka_unit_test(a_missing_switch_is_found_inferred_and_counted),
		cmocka_unit_test(
			a_missing_switch_may_be_before_a_timer_that_was_cancelled_for_who_left),
		cmocka_unit_test(
			records_of_a_leaving_thread_right_behind_its_switch_break_no_chain),
		cmocka_unit_test(consumption_is_split_at_replenishment_and_depletion),
		cmocka_unit_test(without_an_enforcer_the_declared_grid_is_laid_over_the_recording),
		cmocka_unit_test(waiting_for_budget_is_told_from_waiting_for_other_threads),
		cmocka_unit_test(a_job_that_arrives_while_its_vcpu_is_stopped_waits_for_budget),
		cmocka_unit_test(a_timer_that_fires_late_on_a_silent_cpu_is_steal),
		cmocka_unit_test(a_cpu_whose_idle_thread_is_not_recorded_shows_no_steal_while_idle),
		cmocka_unit_test(a_real_time_vcpu_that_waits_for_fair_threads_is_throttled),
		cmocka_unit_test(guest_events_outside_the_vcpus_run_times_are_counted),
		cmocka_unit_test(what_runs_before_the_start_of_a_job_is_not_its_execution),
		cmocka_unit_test(a_thread_preempted_on_its_way_into_sleep_has_not_been_released),
		cmocka_unit_test(the_last_switch_of_a_thread_does_not_make_it_a_task_again),
		cmocka_unit_test(steal_is_taken_from_what_was_booked_while_it_lasted),
		cmocka_unit_test(silence_in_which_events_were_lost_is_no_steal),
		cmocka_unit_test(a_marker_of_depletion_that_comes_late_is_about_its_own_period),
		cmocka_unit_test(records_of_a_leaving_guest_thread_may_wait_for_its_vcpu),
		cmocka_unit_test(
			an_arrival_is_told_from_the_grid_only_if_the_vcpu_did_not_wait_for_a_period_since),
		cmocka_unit_test(an_inferred_switch_makes_the_period_uncertain_in_which_it_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

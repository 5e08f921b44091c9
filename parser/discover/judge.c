/* SPDX-License-Identifier: MIT */
/* Decides from the observations of a thread whether it has a period, how exact the period is,
 * and how sure that is. */
#include "discover-local.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/hypervisors.h>

#define JOBS_LEAST 5	       /* fewer releases are not enough for a statement */
#define ON_GRID 0.1	       /* a release so near to a multiple of the period, in periods, fits */
#define FAR_OFF 0.4	       /* one so far from it, in periods, says nothing about the period */
#define NEAR_MEAN 0.25	       /* likewise, for sleeps of one length */
#define FITS_LEAST 0.75	       /* share of releases that must fit for a period */
#define PERIOD_LEAST 50000     /* ns: faster threads are busy, not periodic */
#define ORDINARY_LEAST 1000000 /* ns, of ordinary threads: faster ones answer each other */
#define TASK_SURE 0.8	       /* tasks that are as sure as this go into an experiment file */
#define WAKER_LEAST 0.5	       /* share of releases by one waker for a verdict */

/*
 * Names of the kernel's threads, of QEMU's, and of vmrt's own programs. # stands for a number, * at
 * the end for anything.
 */
static const char *const foreign[] = {"kworker/*", "ksoftirqd/*", "ktimers/*", "ktimersoftd/*",
	"migration/*", "cpuhp/*", "idle_inject/*", "rcu_*", "rcuc/*", "rcuog/*", "rcuop/*",
	"rcuos/*", "rcub/*", "irq/*", "irq_work/*", "watchdog/*", "kdamond.*", "acpi_thermal*",
	"scsi_*", "jbd2/*", "ext4-*", "btrfs-*", "xfsaild/*", "kvm-*", "vhost-*", "pr/*",
	"swapper/*", "vmrt-*", "backlog_napi/*", "napi/*", "usb-storage*", "hv_*", "posixcputmr/*",
	"sugov:*", "CPU *", "qemu-*"};

#define WORDS(...) __VA_ARGS__
#define X(name, describe, accel, without_vcpus, programs, vcpu_threads) vcpu_threads,
static const char *const vcpus[] = {VMRT_HYPERVISOR_LIST(X)};
#undef X
#undef WORDS

/*
 * Programs may have these names, too. The kernel's own threads sleep by the timer wheel, whose
 * expiry is an interrupt like others; so a thread that is released by its own timers belongs to a
 * program.
 */
static const char *const maybe_foreign[] = {"kthreadd", "kauditd", "khungtaskd", "oom_reaper",
	"writeback", "kcompactd#", "ksmd", "khugepaged", "kintegrityd", "kblockd", "blkcg_punt_bio",
	"tpm_dev_wq", "ata_sff", "md", "md#_*", "edac-poller", "devfreq_wq", "watchdogd", "kswapd#",
	"kthrotld", "mld", "ipv6_addrconf", "kstrp", "zswap*", "hwrng", "card#-crtc#", "psimon",
	"khvcd", "virtio#", "nvme#", "nvme-*", "loop#", "dm-*", "kdevtmpfs", "inet_frag_wq",
	"netns", "mm_percpu_wq", "slub_flushwq", "kpsmoused", "cfinteractive", "pool_workqueue*",
	"spi#", "nouveau*", "gfx*", "sdma#", "comp_*"};

static bool is_named(const char *comm, const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*')
			return true;
		if (*pattern == '#') {
			size_t n = strspn(comm, "0123456789");

			if (!n)
				return false;
			comm += n;
		} else if (*comm++ != *pattern) {
			return false;
		}
	}
	return !*comm;
}

static bool is_in(const char *comm, const char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_named(comm, patterns[i]))
			return true;
	return false;
}

static bool is_timer(enum vmrt_waker waker)
{
	return waker != VMRT_WAKER_THREAD && waker != VMRT_WAKER_INTERRUPT;
}

static bool is_foreign(const char *comm, enum vmrt_waker waker)
{
	return is_in(comm, foreign, sizeof(foreign) / sizeof(foreign[0])) ||
	       is_in(comm, vcpus, sizeof(vcpus) / sizeof(vcpus[0])) ||
	       ((!is_timer(waker) || waker == VMRT_WAKER_DEADLINE) &&
		       is_in(comm, maybe_foreign,
			       sizeof(maybe_foreign) / sizeof(maybe_foreign[0])));
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t quantile(const int64_t *sorted, unsigned n, double q)
{
	return sorted[(unsigned)(q * (n - 1))];
}

/* Returns how far @gap is from the nearest multiple of @period (at least one period). */
static int64_t off_grid(int64_t gap, int64_t period)
{
	int64_t times = (gap + period / 2) / period;

	return llabs(gap - (times ? times : 1) * period);
}

/* Finds the period: the gap that has the most other gaps near it. A task that skips releases has
 * gaps of several periods, and a task that is preempted has some odd gaps. */
static int64_t find_period(const int64_t *sorted, unsigned n)
{
	unsigned best = 0, best_from = 0, from = 0, same = 0;
	int64_t median;
	double sum = 0;

	for (unsigned to = 0; to < n; to++) {
		while ((double)sorted[to] > (double)sorted[from] * (1 + ON_GRID))
			from++;
		if (to - from + 1 > best) {
			best = to - from + 1;
			best_from = from;
		}
	}
	median = sorted[best_from + best / 2];
	for (unsigned i = best_from; i < best_from + best; i++) {
		sum += (double)sorted[i];
		same += sorted[i] == median;
	}
	/* timers with an exact period have exact gaps */
	return same > best / 2 ? median : (int64_t)(sum / best + 0.5);
}

/* Returns the mean distance of releases some of which are late. A late release makes the gap before
 * it longer and the next one shorter, so only gaps that are far off are left out. */
static int64_t mean_period(const struct samples *gaps, int64_t period)
{
	double sum = 0, times = 0;

	for (unsigned i = 0; i < gaps->n; i++) {
		int64_t gap = gaps->value[i];

		if ((double)off_grid(gap, period) > FAR_OFF * (double)period)
			continue;
		sum += (double)gap;
		times += (double)((gap + period / 2) / period);
	}
	return times > 0 ? (int64_t)(sum / times + 0.5) : period;
}

/* Returns the length of the longest sequence of gaps that are all near multiples of @period;
 * @first: index of its first gap. */
static unsigned longest_run(const struct samples *gaps, int64_t period, unsigned *first)
{
	unsigned best = 0, from = 0;

	for (unsigned i = 0; i < gaps->n; i++) {
		if ((double)off_grid(gaps->value[i], period) > FAR_OFF * (double)period)
			from = i + 1;
		else if (i + 1 - from > best) {
			best = i + 1 - from;
			*first = from;
		}
	}
	return best;
}

/*
 * Returns the period of releases that may be late. A late release at either end would move the
 * mean, so it takes the median over pairs of releases that lie half of the sequence apart (a slope
 * as by Theil and Sen, with pairs of one distance). If no sequence without left-out releases is
 * long enough, it returns the mean.
 */
static int64_t woken_period(const struct samples *gaps, int64_t period)
{
	int64_t at[SAMPLES + 1] = {0}, index[SAMPLES + 1] = {0}, slope[SAMPLES];
	unsigned first = 0, n = gaps->skip ? 0 : longest_run(gaps, period, &first);
	unsigned apart = (n + 1) / 2;

	if (n < gaps->n / 2 || apart < JOBS_LEAST)
		return mean_period(gaps, period);
	for (unsigned i = 0; i < n; i++) {
		int64_t gap = gaps->value[first + i];

		at[i + 1] = at[i] + gap;
		index[i + 1] = index[i] + (gap + period / 2) / period;
	}
	for (unsigned i = 0; i + apart <= n; i++)
		slope[i] = (at[i + apart] - at[i]) / (index[i + apart] - index[i]);
	qsort(slope, n + 1 - apart, sizeof(slope[0]), by_value);
	return slope[(n + 1 - apart) / 2];
}

static void judge_period(struct vmrt_found *f, const struct samples *gaps)
{
	int64_t sorted[SAMPLES], off[SAMPLES];
	/* a thread that sleeps for a fixed time after each job does not come back to a grid */
	double width = f->waker == VMRT_WAKER_RELATIVE ? NEAR_MEAN : ON_GRID;
	unsigned fits = 0, near = 0, exact = 0, n = gaps->n;
	double share;

	f->period_ns = f->jitter_ns = VMRT_UNKNOWN;
	if (n + 1 < JOBS_LEAST)
		return;
	memcpy(sorted, gaps->value, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	f->period_ns = find_period(sorted, n);
	if (f->period_ns < (f->prio < 99 ? PERIOD_LEAST : ORDINARY_LEAST)) {
		f->period_ns = VMRT_UNKNOWN;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		off[i] = off_grid(gaps->value[i], f->period_ns);
		fits += (double)off[i] <= ON_GRID * (double)f->period_ns;
		near += (double)off[i] <= width * (double)f->period_ns;
		exact += !off[i];
	}
	share = (double)fits / n;
	if ((double)near / n < FITS_LEAST) {
		f->period_ns = VMRT_UNKNOWN;
		return;
	}
	qsort(off, n, sizeof(off[0]), by_value);
	f->jitter_ns = quantile(off, n, 0.95);
	if (exact <= n / 2)
		f->period_ns = is_timer(f->waker) ? mean_period(gaps, f->period_ns)
						  : woken_period(gaps, f->period_ns);
	f->sure = share * (1 - 1.0 / (n + 1));
}

static enum vmrt_waker main_waker(const struct seen_thread *t)
{
	size_t best = 0;

	for (size_t i = 1; i < VMRT_WAKERS; i++)
		if (t->by[i] > t->by[best])
			best = i;
	return (enum vmrt_waker)best;
}

static void judge_execution(
	struct vmrt_found *f, const struct seen_machine *m, const struct seen_thread *t)
{
	int64_t sorted[SAMPLES];

	f->exec_p50_ns = f->exec_max_ns = VMRT_UNKNOWN;
	if (!t->execs.n || !m->has_switches)
		return;
	memcpy(sorted, t->execs.value, t->execs.n * sizeof(sorted[0]));
	qsort(sorted, t->execs.n, sizeof(sorted[0]), by_value);
	f->exec_p50_ns = quantile(sorted, t->execs.n, 0.5);
	f->exec_max_ns = t->longest_ns;
}

/* Fills in the properties of the thread; returns false if it does not behave like a task. */
static bool judge(struct vmrt_found *f, const struct seen_thread *t, const struct vmrt_discovery *d,
	uint32_t machine)
{
	const struct seen_machine *m = &d->machines[machine];
	int64_t span = m->last_ns - m->first_ns;
	bool timer, real_time;

	if (t->skipped || t->jobs < JOBS_LEAST || is_foreign(t->comm, main_waker(t)) || !t->comm[0])
		return false;
	*f = (struct vmrt_found){.machine = machine,
		.tid = t->tid,
		.prio = t->prio,
		.cpu = t->cpu,
		.jobs = t->jobs,
		.waker = main_waker(t),
		.share = !m->has_switches ? (double)NAN
			 : span > 0	  ? (double)t->run_ns / (double)span
					  : 0};
	memcpy(f->comm, t->comm, sizeof(f->comm));
	judge_execution(f, m, t);
	judge_period(f, &t->gaps);
	timer = is_timer(f->waker);
	real_time = f->prio < 99;
	if (f->period_ns != VMRT_UNKNOWN && timer) {
		/* on a host with guests, most ordinary threads that sleep periodically are
		 * daemons */
		f->task = f->sure >= TASK_SURE && (real_time || machine || d->n_machines == 1);
		return true;
	}
	/* periodic wake-ups by threads are reported as wake-ups, with their period */
	if (timer && !real_time)
		return false; /* time-outs of ordinary programs */
	if (t->votes > 0)
		memcpy(f->woken_by, t->waker, sizeof(f->woken_by));
	f->sure = (double)t->by[f->waker] / (double)t->jobs * (1 - 1.0 / (double)(t->jobs + 1));
	f->task = real_time && f->sure >= WAKER_LEAST;
	return true;
}

/* Orders threads by how much they look like real-time tasks: policy and priority, then a period,
 * then how sure that is. */
static double rank(const struct vmrt_found *f)
{
	double value = f->sure;

	if (f->prio < 0)
		value += 400;
	else if (f->prio < 99)
		value += 200 + (99 - f->prio);
	if (f->period_ns != VMRT_UNKNOWN)
		value += 1000;
	return value;
}

static int by_rank(const void *a, const void *b)
{
	const struct vmrt_found *x = a, *y = b;
	double rx = rank(x), ry = rank(y);

	if (rx != ry)
		return rx < ry ? 1 : -1;
	if (x->machine != y->machine)
		return x->machine < y->machine ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

enum vmrt_status vmrt_discovery_judge(struct vmrt_discovery *d, struct vmrt_found **out, size_t *n)
{
	size_t room = 0;

	*n = 0;
	for (size_t i = 0; i < d->n_machines; i++)
		room += HASH_COUNT(d->machines[i].threads);
	*out = calloc(room ? room : 1, sizeof(**out));
	if (!*out)
		return VMRT_ENOMEM;
	for (size_t i = 0; i < d->n_machines; i++) {
		struct seen_thread *t, *next;

		HASH_ITER(hh, d->machines[i].threads, t, next)
		{
			if (judge(&(*out)[*n], t, d, (uint32_t)i))
				(*n)++;
		}
	}
	qsort(*out, *n, sizeof(**out), by_rank);
	return VMRT_OK;
}

/* SPDX-License-Identifier: MIT */
/* Any sequence of events, also one that no kernel would record: the engine must survive and add up.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/engine.h>

#define RECORD 12 /* bytes of input for an event */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char experiment[] = "[server vm]\nvm = vm:0\nperiod = 12ms\nbudget = 5ms\n"
				 "priority = 50\n[server v2]\nvm = vm:1\npolicy = polling\n"
				 "depletion = hard\nperiod = 9ms\nbudget = 2ms\npriority = 49\n"
				 "[task vm/a]\nperiod = 20ms\nwcet = 8ms\npriority = 60\n"
				 "[task vm/b]\nperiod = 35ms\nwcet = 3ms\npriority = 59\n"
				 "[task host/c]\nperiod = 7ms\n"
				 "[task host/a]\n[task host/b]\nperiod = 2ms\nrelease = timerfd\n"
				 "[task host/x]\nrelease = resch\n[task vm/c]\nrelease = relative\n"
				 "[task vm/x]\nrelease = deadline\ndeadline = 3ms\n";
static const char comms[][VMRT_COMM_MAX] = {"a", "b", "c", "swapper/0", "CPU 0/TCG", "x"};
static const char *const marks[] = {
	("vmrt srv_start server=vm vm=vm policy=deferrable depletion=soft period=12000000 "
	 "budget=5000000 priority=50 t0=1000000"),
	"vmrt srv_replenish server=vm k=1 at=13000000 budget=5000000",
	"vmrt srv_deplete server=vm k=1 consumed=5000000", "vmrt srv_stop server=vm",
	"vmrt job_begin task=a k=0", "vmrt job_end task=a k=0", "vmrt srv_start server=vm t0=x",
	"vmrt ",
	"vmrt srv_start server=vm vm=vm policy=p depletion=hard period=1 budget=1 priority=1 t0=0"};

static size_t rows;

static void on_job(void *ctx, const struct vmrt_job *job)
{
	int64_t sum = 0;

	(void)ctx;
	rows++;
	if (job->response_ns == VMRT_UNKNOWN)
		return;
	for (int p = 0; p < VMRT_BLAMES; p++)
		sum += job->blame_ns[p];
	if (sum != job->response_ns)
		abort();
	if ((job->outcome == VMRT_OUTCOME_MET) && job->cause >= 0)
		abort();
}

static void on_period(void *ctx, const struct vmrt_server_period *p)
{
	(void)ctx;
	rows++;
	if (p->end_ns < p->start_ns || p->consumed_ns < 0 || p->background_ns < 0)
		abort();
}

static void on_slice(void *ctx, const struct vmrt_slice *s)
{
	(void)ctx;
	if (s->thread == VMRT_NONE)
		abort();
}

/* Words of an enforcer that fit the time, more or less. */
static void replenish(struct vmrt_event *ev, const uint8_t *d)
{
	static char text[160];
	long long at = (long long)ev->ts - d[6] * 1000;

	if (d[7] == 255)
		memcpy(&at, d + 4, 6);
	snprintf(text, sizeof(text), "vmrt srv_%s server=%s k=%d at=%lld budget=%d",
		d[8] & 1 ? "replenish" : "deplete", d[8] & 2 ? "v2" : "vm", d[9], at,
		d[8] & 2 ? 2000000 : 5000000);
	ev->mark.text = text;
}

static void fill_timer(struct vmrt_event *ev, const uint8_t *d)
{
	ev->timer.timer = d[5];
	ev->timer.fn = (enum vmrt_timer_fn)(d[6] % (VMRT_FN_RESCH_SERVER + 1));
	ev->timer.now = ev->ts - d[10] * 1000;
	ev->timer.expires = ev->ts + ((int64_t)d[7] - 100) * 500000;
	if (d[8] == 255) /* hostile */
		memcpy(&ev->timer.expires, d + 4, 8);
	ev->timer.softexpires = ev->timer.expires;
	ev->timer.mode = d[9] & 15;
}

static void fill_wheel(struct vmrt_event *ev, const uint8_t *d)
{
	ev->wheel.timer = d[5];
	ev->wheel.fn = d[6] & 1 ? VMRT_FN_RESCH_JOB : (enum vmrt_timer_fn)(d[6] >> 1 & 15);
	ev->wheel.now = (uint64_t)(ev->ts / 4000000);
	ev->wheel.expires = ev->wheel.now + d[7];
	if (d[8] == 255) /* hostile */
		memcpy(&ev->wheel.expires, d + 4, 8);
}

static void fill(struct vmrt_event *ev, const uint8_t *d)
{
	static const int32_t pids[] = {0, 1, 2, 3, 100, 99};
	int32_t other = pids[d[4] % 6];

	ev->type = (enum vmrt_event_type)(d[1] % VMRT_EV_TYPES);
	ev->cpu = d[2] & 3;
	ev->flags = d[2] >> 2;
	ev->pid = pids[d[3] % 6];
	ev->lost = d[11] > 250 ? d[11] : 0;
	switch (ev->type) {
	case VMRT_EV_SWITCH:
		ev->sw.prev_pid = d[5] & 1 ? ev->pid : other;
		ev->sw.next_pid = pids[d[6] % 6];
		ev->sw.prev_comm = comms[d[7] % 6];
		ev->sw.next_comm = comms[d[8] % 6];
		ev->sw.prev_prio = d[9] % 140 - 1;
		ev->sw.next_prio = d[10] % 140;
		ev->sw.prev_state = d[5] >> 2;
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		ev->wake.pid = other;
		ev->wake.comm = comms[d[5] % 6];
		ev->wake.prio = d[6] % 140;
		ev->wake.target_cpu = (int8_t)d[7];
		break;
	case VMRT_EV_EXIT:
		ev->process.pid = other;
		break;
	case VMRT_EV_TIMER_START:
	case VMRT_EV_TIMER_CANCEL:
	case VMRT_EV_TIMER_EXPIRE:
		fill_timer(ev, d);
		break;
	case VMRT_EV_TIMER_SETUP:
		ev->timer.timer = d[5];
		ev->timer.clock = d[6] & 15;
		ev->timer.mode = d[9] & 15;
		break;
	case VMRT_EV_WHEEL_START:
	case VMRT_EV_WHEEL_EXPIRE:
		fill_wheel(ev, d);
		break;
	case VMRT_EV_PI:
		ev->pi.pid = other;
		ev->pi.new_prio = d[6] % 140 - 1;
		break;
	case VMRT_EV_MARK:
		ev->mark.text = marks[d[5] % (sizeof(marks) / sizeof(marks[0]))];
		if (d[4] & 1)
			replenish(ev, d);
		ev->mark.len = (uint32_t)strlen(ev->mark.text);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmrt_experiment *exp;
	struct vmrt_clock_segment segment = {.offset_ns = 5000000, .source = VMRT_CLOCK_FILE};
	struct vmrt_clockmap map = {.segments = &segment, .n = 1};
	struct vmrt_engine_machine machines[2] = {
		{.name = "host", .cpus = 2}, {.name = "vm", .cpus = 2, .clock = &map}};
	struct vmrt_vm_thread threads[2] = {
		{.tid = 100, .role = VMRT_ROLE_VCPU, .comm = "CPU 0/TCG"},
		{.tid = 99, .role = VMRT_ROLE_VCPU, .vcpu = 1, .comm = "CPU 1/TCG"}};
	struct vmrt_engine_vm vm = {.name = "vm", .machine = 1, .threads = threads, .n_threads = 2};
	struct vmrt_engine_config config = {.machines = machines,
		.n_machines = 2,
		.vms = &vm,
		.n_vms = 1,
		.start_ns = VMRT_UNKNOWN,
		.end_ns = VMRT_UNKNOWN};
	struct vmrt_sink sink = {.job = on_job, .server_period = on_period, .slice = on_slice};
	struct vmrt_engine *engine;
	struct vmrt_error err;
	int64_t now = 1000000000;
	size_t n = 0;

	if (!exp && vmrt_experiment_parse(experiment, "fuzz.ini", &exp, &err) != VMRT_OK)
		abort();
	config.experiment = exp;
	config.hsf = size && data[size - 1] & 1;
	rows = 0;
	if (vmrt_engine_new(&config, &sink, &engine, &err) != VMRT_OK)
		abort();
	for (; size >= RECORD; data += RECORD, size -= RECORD) {
		struct vmrt_event ev = {0};
		uint32_t machine = data[0] & 1;

		n++;
		now += (int64_t)(data[0] >> 1) * 40000 - 40000;
		if (data[0] >> 1 == 127) /* hostile */
			now = (int64_t)((uint64_t)now + (UINT64_C(1) << data[11] % 64));
		ev.ts = now + (machine ? segment.offset_ns : 0);
		fill(&ev, data);
		vmrt_engine_push(engine, machine, &ev, now, machine ? 1000 : 0);
	}
	vmrt_engine_finish(engine, VMRT_UNKNOWN);
	vmrt_engine_free(engine);
	/* in proportion to the events, for each server and for all jobs */
	if (rows > 3 * (4200 + 5 * n))
		abort();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* The machines of the model: lost events, and the errors of the clocks. */
#include <math.h>
#include <string.h>

#include "model-local.h"

#define SAMPLE_EVERY_NS (TOP_WINDOW_NS / 100)

void machine_model_loss(struct top_model *m, const struct vmrt_loss *loss)
{
	struct machine_model *machine =
		loss->machine < m->config->n_machines ? &m->machines[loss->machine] : NULL;

	if (loss->kind == VMRT_LOSS_STEAL) {
		m->steal_ns += loss->to_ns - loss->from_ns;
		if (machine) {
			machine->steal_ns += loss->to_ns - loss->from_ns;
			machine->steals++;
		}
		return;
	}
	if (machine && (loss->kind == VMRT_LOSS_OVERRUN || loss->kind == VMRT_LOSS_DROPPED)) {
		machine->losses++;
		if (!loss->events)
			machine->sizeless++;
	} else if (!loss->events) {
		m->lost_at_least = true;
	}
}

void top_model_lost(
	struct top_model *m, size_t machine, uint64_t more, unsigned intervals, uint64_t sizeless)
{
	/* after a reset the model counts only later losses, and the times of these losses are not
	 * known */
	if (m->since_ns != VMRT_UNKNOWN)
		return;
	m->machines[machine].base.lost -= more;
	m->machines[machine].losses += intervals;
	m->machines[machine].sizeless = sizeless;
}

void machine_model_reset(struct top_model *m, struct vmrt_engine *engine)
{
	for (size_t i = 0; i < m->config->n_machines; i++) {
		struct machine_model *machine = &m->machines[i];

		vmrt_engine_stats(engine, (uint32_t)i, &machine->base);
		machine->steal_ns = machine->losses = machine->steals = 0;
		machine->sizeless = 0;
		/* the samples hold counts from before the reset */
		machine->first = machine->n = 0;
	}
	m->steal_ns = 0;
	m->lost_at_least = false;
	m->gone = (struct vmrt_machine_stats){0};
}

void machine_stats_less(struct vmrt_machine_stats *of, const struct vmrt_machine_stats *by)
{
	of->events -= by->events;
	of->lost -= by->lost;
	of->broken_chains -= by->broken_chains;
	of->inferred_switches -= by->inferred_switches;
	of->out_of_order -= by->out_of_order;
	of->inside -= by->inside;
	of->outside -= by->outside;
}

static void stats_since(const struct machine_model *machine, struct vmrt_engine *engine, uint32_t i,
	struct vmrt_machine_stats *out)
{
	vmrt_engine_stats(engine, i, out);
	machine_stats_less(out, &machine->base);
}

/* Returns the events per second in the sliding window. */
static double rate(struct machine_model *machine, uint64_t events, int64_t now_ns)
{
	size_t i = machine->n;

	if (now_ns == VMRT_UNKNOWN)
		return NAN;
	if (!machine->n ||
		now_ns - machine->samples[(machine->first + machine->n - 1) % SAMPLES].at_ns >=
			SAMPLE_EVERY_NS) {
		size_t at = (machine->first + machine->n) % SAMPLES;

		machine->samples[at].at_ns = now_ns;
		machine->samples[at].events = events;
		if (machine->n < SAMPLES)
			machine->n++;
		else
			machine->first = (machine->first + 1) % SAMPLES;
	}
	/* the oldest sample of the window; if only the newest sample is in the window, the sample
	 * before it */
	i = 0;
	while (i + 2 < machine->n &&
		now_ns - machine->samples[(machine->first + i) % SAMPLES].at_ns > TOP_WINDOW_NS)
		i++;
	i = (machine->first + i) % SAMPLES;
	if (now_ns <= machine->samples[i].at_ns)
		return NAN;
	return (double)(events - machine->samples[i].events) * 1e9 /
	       (double)(now_ns - machine->samples[i].at_ns);
}

void machine_model_facts(
	struct top_model *m, struct vmrt_engine *engine, size_t i, struct vmrt_machine_facts *out)
{
	static char host_kind[] = "host", guest_kind[] = "guest";
	const struct vmrt_engine_machine *config = &m->config->machines[i];
	const struct machine_model *machine = &m->machines[i];
	struct vmrt_machine_stats stats;

	stats_since(machine, engine, (uint32_t)i, &stats);
	memset(out, 0, sizeof(*out));
	out->id = (int64_t)i;
	out->name = (char *)(uintptr_t)config->name;
	out->kind = i ? guest_kind : host_kind;
	out->cpus = config->cpus;
	out->events = (int64_t)stats.events;
	out->lost = (int64_t)stats.lost;
	out->broken_chains = (int64_t)stats.broken_chains;
	out->inferred = (int64_t)stats.inferred_switches;
	out->out_of_order = (int64_t)stats.out_of_order;
	out->inside = (int64_t)stats.inside;
	out->outside = (int64_t)stats.outside;
	out->losses = machine->losses;
	out->steals = machine->steals;
	out->steal_ns = machine->steal_ns;
	out->clock_error_ns = VMRT_UNKNOWN;
	if (config->clock && config->clock->n)
		out->clock_error_ns = vmrt_clockmap_worst(config->clock);
}

void machine_model_rows(
	struct top_model *m, struct vmrt_engine *engine, int64_t now_ns, struct top_view *view)
{
	view->events = m->gone.events;
	view->lost = m->gone.lost;
	view->broken = m->gone.broken_chains;
	for (size_t i = 0; i < m->config->n_machines; i++) {
		const struct vmrt_engine_machine *config = &m->config->machines[i];
		struct top_machine_row *row = &view->machines[i];

		memset(row, 0, sizeof(*row));
		strncpy(row->name, config->name, sizeof(row->name) - 1);
		row->cpus = config->cpus;
		row->guest = i > 0;
		row->mapped = config->clock && config->clock->n;
		stats_since(&m->machines[i], engine, (uint32_t)i, &row->stats);
		row->events_per_s = rate(&m->machines[i], row->stats.events, now_ns);
		row->steal_ns = m->machines[i].steal_ns;
		row->clock_error_ns =
			row->mapped ? vmrt_clockmap_worst(config->clock) : VMRT_UNKNOWN;
		view->events += row->stats.events;
		view->lost += row->stats.lost;
		view->lost_at_least |= m->machines[i].sizeless > 0;
		view->broken += row->stats.broken_chains;
		if (!config->clock)
			continue;
		if (!view->mapped || row->clock_error_ns == VMRT_UNKNOWN ||
			(view->clock_error_ns != VMRT_UNKNOWN &&
				row->clock_error_ns > view->clock_error_ns))
			view->clock_error_ns = row->clock_error_ns;
		view->mapped = true;
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Finds recordings of the host that end too early: its file ends seconds before a guest's, or one
 * of its CPUs has no more records though work waited there or though the kernel counted more
 * events. What happened after such an end is unknown.
 *
 * A guest that ends early needs none of this, because the engine sees that its vCPU threads go on
 * running.
 */
#include "early-end.h"

#include <stdio.h>
#include <string.h>

#include <vmrt/units.h>

/* Recorders stop the machines one after the other, so ends differ by some time. */
#define APART_MAX_NS (100 * VMRT_NS_PER_MS)

/* Does the host's recording end long before that of a guest? */
static bool host_ends(struct vmrt_recording *rec, const struct vmrt_engine_config *config,
	const struct vmrt_engine *engine)
{
	struct vmrt_machine_stats host, guest;
	int64_t most = APART_MAX_NS;
	size_t longest = 0;
	char words[200], apart[VMRT_UNITS_TEXT];

	vmrt_engine_stats(engine, 0, &host);
	for (size_t i = 1; host.last_ns != VMRT_UNKNOWN && i < config->n_machines; i++) {
		const struct vmrt_clockmap *map = config->machines[i].clock;
		int64_t error = map && map->n ? vmrt_clockmap_worst(map) : 0;

		vmrt_engine_stats(engine, (uint32_t)i, &guest);
		if (guest.last_ns == VMRT_UNKNOWN ||
			(map && map->n && !strcmp(map->segments[0].source, VMRT_CLOCK_UNRELATED)))
			continue;
		if (guest.last_ns - host.last_ns > most &&
			guest.last_ns - host.last_ns - APART_MAX_NS > error) {
			most = guest.last_ns - host.last_ns;
			longest = i;
		}
	}
	if (!longest)
		return false;
	snprintf(words, sizeof(words),
		"the recording ends %s before that of %s; what the host did then is unknown",
		vmrt_format_duration(most, apart), config->machines[longest].name);
	vmrt_recording_ended_early(rec, 0, words);
	return true;
}

/* Did the kernel count more events of @cpu than its records show, and do the records end long
 * before those of other CPUs? */
static bool cpu_ends(struct vmrt_recording *rec, const struct vmrt_engine *engine, size_t machine,
	unsigned cpu, int64_t last_ns)
{
	int64_t from_ns = vmrt_engine_cpu_last(engine, (uint32_t)machine, cpu);
	struct vmrt_recorded_loss loss;
	char words[200], apart[VMRT_UNITS_TEXT];

	if (from_ns == VMRT_UNKNOWN || last_ns - from_ns <= APART_MAX_NS)
		return false;
	vmrt_recording_loss(rec, engine, machine, cpu, &loss);
	if (!loss.missing)
		return false;
	snprintf(words, sizeof(words),
		"CPU %u recorded nothing in the last %s, and the file lacks %llu of its events; "
		"what it did is unknown",
		cpu, vmrt_format_duration(last_ns - from_ns, apart),
		(unsigned long long)loss.missing);
	vmrt_recording_cpu_ended_early(rec, machine, cpu, words);
	return true;
}

/* Does the host's recording go on after a long silence, at times that contradict its timers? */
static bool host_is_cut(struct vmrt_recording *rec, const struct vmrt_engine *engine)
{
	struct vmrt_machine_stats host;
	char words[200], apart[VMRT_UNITS_TEXT];
	int64_t from_ns;

	if (!vmrt_engine_silence_is_false(engine, &from_ns))
		return false;
	vmrt_engine_stats(engine, 0, &host);
	snprintf(words, sizeof(words),
		"its last events are %s later than all others, but timers that were due before "
		"them did not expire: the times of these events are wrong, and they are left out",
		vmrt_format_duration(host.last_ns - from_ns, apart));
	vmrt_recording_cut(rec, from_ns, words);
	return true;
}

bool early_ends_find(struct vmrt_recording *rec, const struct vmrt_engine_config *config,
	const struct vmrt_engine *engine)
{
	bool host = !config->live && !vmrt_recording_without_host(rec);
	bool cut = host && host_is_cut(rec, engine), any = host && host_ends(rec, config, engine);

	for (size_t i = any || cut; !config->live && i < config->n_machines; i++) {
		struct vmrt_machine_stats stats;

		vmrt_engine_stats(engine, (uint32_t)i, &stats);
		for (unsigned c = 0; c < config->machines[i].cpus; c++) {
			char words[200], apart[VMRT_UNITS_TEXT];
			int64_t from_ns;

			if (!vmrt_engine_cpu_is_stuck(engine, (uint32_t)i, c, &from_ns)) {
				any |= cpu_ends(rec, engine, i, c, stats.last_ns);
				continue;
			}
			snprintf(words, sizeof(words),
				"CPU %u recorded nothing in the last %s, though a thread waited "
				"for it and it was idle; what it did is unknown",
				c, vmrt_format_duration(stats.last_ns - from_ns, apart));
			vmrt_recording_cpu_ended_early(rec, i, c, words);
			any = true;
		}
	}
	return any || cut;
}

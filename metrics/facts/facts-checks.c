/* SPDX-License-Identifier: MIT */
/* Loads the checker's results for the servers, and how the host's scheduler ran VMs without a
 * server. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

static struct vmrt_server_facts *server_of(struct vmrt_run_facts *f, int64_t id)
{
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].id == id)
			return &f->servers[i];
	return NULL;
}

static enum vmrt_status load_checked(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT server, rule, judged, unknown, violations, worst_ns, worst_at_ns, "
		"tolerance_ns"
		" FROM checked ORDER BY server, rule");
	while (vmrt_query_next(&q)) {
		struct vmrt_server_facts *s = server_of(f, vmrt_query_int(&q, 0));
		const char *rule = vmrt_query_string(&q, 1);
		struct vmrt_check_facts *c;

		if (!s || !rule || s->n_checks == VMRT_CHECKS_MAX)
			continue;
		c = &s->checks[s->n_checks++];
		strncpy(c->rule, rule, sizeof(c->rule) - 1);
		c->judged = vmrt_query_int(&q, 2);
		c->unknown = vmrt_query_int(&q, 3);
		c->violations = vmrt_query_int(&q, 4);
		c->worst_ns = vmrt_query_int(&q, 5);
		c->worst_at_ns = vmrt_query_int(&q, 6);
		c->tolerance_ns = vmrt_query_int(&q, 7);
	}
	return vmrt_query_end(&q);
}

enum vmrt_status facts_load_checks(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	enum vmrt_status status = load_checked(db, f, err);
	struct vmrt_query q;

	if (status != VMRT_OK)
		return status;
	vmrt_query_begin(&q, db, err,
		"SELECT v.name, n.n, n.period_p10_ns, n.period_p50_ns, n.period_p90_ns, "
		"n.supply_p10_ns,"
		" n.supply_p50_ns, n.supply_p90_ns FROM natural n JOIN vm v ON v.id = n.vm ORDER "
		"BY v.id");
	while (vmrt_query_next(&q)) {
		const char *vm = vmrt_query_string(&q, 0);

		for (size_t i = 0; vm && i < f->n_vms; i++) {
			if (!f->vms[i].name || strcmp(f->vms[i].name, vm) != 0)
				continue;
			f->vms[i].unmanaged_n = vmrt_query_int(&q, 1);
			for (int p = 0; p < 3; p++) {
				f->vms[i].unmanaged_period[p] = vmrt_query_int(&q, 2 + p);
				f->vms[i].unmanaged_supply[p] = vmrt_query_int(&q, 5 + p);
			}
		}
	}
	return vmrt_query_end(&q);
}

/* SPDX-License-Identifier: MIT */
/* The rows of run.db, in the order of the columns of schema.h. */
#include "rundb-local.h"

#include <string.h>

/* Columns of the row being written are bound one after the other. */
struct row {
	struct rundb *db;
	sqlite3_stmt *stmt;
	int column;
	enum table table;
};

static struct row begin(struct rundb *db, enum table table)
{
	struct row row = {.db = db, .stmt = db->insert[table], .table = table};

	return row;
}

static void add_int(struct row *row, int64_t value)
{
	sqlite3_bind_int64(row->stmt, ++row->column, value);
}

static void add_null(struct row *row)
{
	sqlite3_bind_null(row->stmt, ++row->column);
}

static void add_time(struct row *row, int64_t value)
{
	if (value == VMRT_UNKNOWN)
		add_null(row);
	else
		add_int(row, value);
}

/* 0 stands for what was not declared. */
static void add_positive(struct row *row, int64_t value)
{
	add_time(row, value > 0 ? value : VMRT_UNKNOWN);
}

static void add_index(struct row *row, uint32_t value)
{
	if (value == VMRT_NONE)
		add_null(row);
	else
		add_int(row, value);
}

static void add_text(struct row *row, const char *text)
{
	if (!text || !*text)
		add_null(row);
	else
		sqlite3_bind_text(row->stmt, ++row->column, text, -1, SQLITE_TRANSIENT);
}

static void step(struct row *row)
{
	if (row->db->status == VMRT_OK && sqlite3_step(row->stmt) != SQLITE_DONE)
		rundb_failed(row->db);
	sqlite3_reset(row->stmt);
}

static void end(struct row *row)
{
	if (row->column != rundb_tables[row->table].columns) {
		row->db->status = vmrt_fail(&row->db->err, VMRT_EDB,
			"%s: %d columns for a row of %d", rundb_tables[row->table].name,
			row->column, rundb_tables[row->table].columns);
		return;
	}
	step(row);
}

static void on_thread(void *ctx, const struct vmrt_thread *t)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_THREAD);
	const struct vmrt_vm_thread *info = NULL;

	for (size_t v = 0; db->manifest && t->vm != VMRT_NONE && v < db->manifest->n_vms; v++)
		for (size_t i = 0; i < db->manifest->vms[v].vm.n_threads; i++)
			if (db->manifest->vms[v].vm.threads[i].tid == t->tid)
				info = &db->manifest->vms[v].vm.threads[i];
	add_int(&row, t->id);
	add_int(&row, t->machine);
	add_int(&row, t->tid);
	sqlite3_bind_text(row.stmt, ++row.column, t->comm, -1, SQLITE_TRANSIENT);
	add_index(&row, t->vm);
	add_text(&row, t->vm == VMRT_NONE ? NULL : vmrt_role_name((enum vmrt_thread_role)t->role));
	if (t->vcpu < 0)
		add_null(&row);
	else
		add_int(&row, t->vcpu);
	add_index(&row, t->task);
	if (!info) {
		add_null(&row);
		add_null(&row);
	} else {
		add_text(&row, vmrt_sched_name(info->policy));
		add_int(&row, info->priority);
	}
	end(&row);
}

static void add_slice(struct row *row, const struct vmrt_slice *s)
{
	add_int(row, s->thread);
	add_int(row, s->cpu);
	add_int(row, s->start_ns);
	add_int(row, s->end_ns);
	add_int(row, s->prio);
	add_int(row, s->end_state);
	add_int(row, s->uncertainty_ns);
	add_int(row, s->truncated);
}

void rundb_flush(struct rundb *db)
{
	struct row many = {.db = db, .stmt = db->insert_slices};

	if (db->n_slices == RUNDB_SLICES) {
		for (size_t i = 0; i < RUNDB_SLICES; i++)
			add_slice(&many, &db->slices[i]);
		step(&many);
	} else {
		for (size_t i = 0; i < db->n_slices; i++) {
			struct row row = begin(db, T_SLICE);

			add_slice(&row, &db->slices[i]);
			end(&row);
		}
	}
	db->n_slices = 0;
}

static void on_slice(void *ctx, const struct vmrt_slice *s)
{
	struct rundb *db = ctx;

	db->slices[db->n_slices++] = *s;
	if (db->n_slices == RUNDB_SLICES)
		rundb_flush(db);
}

static void on_server(void *ctx, const struct vmrt_server *s)
{
	struct row row = begin(ctx, T_SERVER);

	add_int(&row, s->id);
	add_text(&row, s->name);
	add_index(&row, s->vm);
	add_text(&row, vmrt_policy_name(s->policy));
	add_text(&row, vmrt_depletion_name(s->depletion));
	add_int(&row, s->period_ns);
	add_int(&row, s->budget_ns);
	add_int(&row, s->priority);
	add_time(&row, s->phase_ns);
	add_int(&row, s->enforced);
	add_text(&row, vmrt_phase_name(s->phase));
	end(&row);
}

static void on_period(void *ctx, const struct vmrt_server_period *p)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_PERIOD);

	db->periods++;
	add_int(&row, p->server);
	add_int(&row, p->k);
	add_int(&row, p->start_ns);
	add_int(&row, p->end_ns);
	add_int(&row, p->budget_ns);
	add_int(&row, p->consumed_ns);
	add_int(&row, p->background_ns);
	add_time(&row, p->replenished_ns);
	add_time(&row, p->first_ns);
	add_time(&row, p->depleted_ns);
	add_int(&row, p->waiting_ns);
	add_int(&row, p->steal_ns);
	add_text(&row, vmrt_period_name(p->outcome));
	add_time(&row, p->wanted_ns);
	add_int(&row, p->blackout_ns);
	add_time(&row, p->blackout_at_ns);
	end(&row);
}

static void on_violation(void *ctx, const struct vmrt_violation *v)
{
	struct row row = begin(ctx, T_VIOLATION);

	add_int(&row, v->server);
	add_text(&row, vmrt_rule_name(v->rule));
	add_int(&row, v->from_ns);
	add_int(&row, v->to_ns);
	add_int(&row, v->measured_ns);
	add_int(&row, v->allowed_ns);
	add_int(&row, v->tolerance_ns);
	end(&row);
}

static void on_check(void *ctx, const struct vmrt_check *c)
{
	struct row row = begin(ctx, T_CHECKED);

	add_int(&row, c->server);
	add_text(&row, vmrt_rule_name(c->rule));
	add_int(&row, c->judged);
	add_int(&row, c->unknown);
	add_int(&row, c->violations);
	add_time(&row, c->worst_ns);
	add_time(&row, c->worst_at_ns);
	add_int(&row, c->tolerance_ns);
	end(&row);
}

static void on_natural(void *ctx, const struct vmrt_natural *n)
{
	struct row row = begin(ctx, T_NATURAL);

	add_int(&row, n->vm);
	add_int(&row, n->n);
	add_time(&row, n->period_p10_ns);
	add_time(&row, n->period_p50_ns);
	add_time(&row, n->period_p90_ns);
	add_time(&row, n->supply_p10_ns);
	add_time(&row, n->supply_p50_ns);
	add_time(&row, n->supply_p90_ns);
	end(&row);
}

static void on_supply(void *ctx, const struct vmrt_supply_point *p)
{
	struct row row = begin(ctx, T_SUPPLY);

	add_int(&row, p->server);
	add_int(&row, p->length_ns);
	add_int(&row, p->least_ns);
	add_int(&row, p->at_ns);
	end(&row);
}

static void add_blame(struct rundb *db, const struct vmrt_job *job, enum vmrt_blame part)
{
	struct row row = begin(db, T_BLAME);

	add_int(&row, job->task);
	add_int(&row, job->k);
	add_text(&row, vmrt_blame_name(part));
	add_int(&row, job->blame_ns[part]);
	add_index(&row, vmrt_job_blamed(job, part));
	end(&row);
}

static void add_blame_thread(
	struct rundb *db, const struct vmrt_job *job, const struct vmrt_blamed *by)
{
	struct row row = begin(db, T_BLAME_THREAD);

	add_int(&row, job->task);
	add_int(&row, job->k);
	add_text(&row, vmrt_blame_name(by->part));
	add_int(&row, by->thread);
	add_int(&row, by->ns);
	end(&row);
}

static void on_job(void *ctx, const struct vmrt_job *j)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_JOB);

	db->jobs++;
	add_int(&row, j->task);
	add_int(&row, j->k);
	add_index(&row, j->thread);
	add_time(&row, j->arrival_ns);
	add_time(&row, j->release_ns);
	add_time(&row, j->start_ns);
	add_time(&row, j->end_ns);
	add_time(&row, j->deadline_ns);
	add_time(&row, j->arrival_local_ns);
	add_time(&row, j->release_local_ns);
	add_time(&row, j->start_local_ns);
	add_time(&row, j->end_local_ns);
	add_time(&row, j->exec_ns);
	add_time(&row, j->response_ns);
	add_int(&row, j->preemptions);
	add_int(&row, j->migrations);
	add_int(&row, j->skipped);
	add_text(&row, vmrt_outcome_name(j->outcome));
	add_text(&row, j->cause < 0 ? NULL : vmrt_blame_name((enum vmrt_blame)j->cause));
	add_int(&row, j->excused);
	add_int(&row, j->inferred);
	add_time(&row, j->mark_begin_local_ns);
	add_time(&row, j->mark_end_local_ns);
	add_index(&row, j->cause < 0 ? VMRT_NONE : vmrt_job_blamed(j, (enum vmrt_blame)j->cause));
	add_time(&row, j->unsure_ns);
	end(&row);
	for (int p = 0; p < VMRT_BLAMES; p++)
		if (j->blame_ns[p] && j->arrival_ns != VMRT_UNKNOWN)
			add_blame(db, j, (enum vmrt_blame)p);
	for (size_t i = 0; i < j->n_blamed && j->arrival_ns != VMRT_UNKNOWN; i++)
		add_blame_thread(db, j, &j->blamed[i]);
}

static void on_loss(void *ctx, const struct vmrt_loss *l)
{
	struct row row = begin(ctx, T_LOSS);

	add_int(&row, l->machine);
	add_int(&row, l->cpu);
	add_time(&row, l->from_ns);
	add_time(&row, l->to_ns);
	if (l->events)
		add_int(&row, (int64_t)l->events);
	else
		add_null(&row);
	add_text(&row, vmrt_loss_name(l->kind));
	end(&row);
}

void rundb_sink(struct rundb *db, struct vmrt_sink *sink)
{
	*sink = (struct vmrt_sink){
		.ctx = db,
		.thread = on_thread,
		.slice = on_slice,
		.server = on_server,
		.server_period = on_period,
		.job = on_job,
		.loss = on_loss,
		.violation = on_violation,
		.check = on_check,
		.natural = on_natural,
		.supply = on_supply,
	};
}

void rundb_run(struct rundb *db, const struct vmrt_experiment *exp, const char *experiment,
	int64_t start_ns, int64_t end_ns)
{
	const struct vmrt_manifest *m = db->manifest;
	struct row row = begin(db, T_RUN);

	add_text(&row, exp && exp->name[0] ? exp->name : "unnamed");
	add_text(&row, m ? m->vmrt_version : "unknown");
	add_text(&row, m ? m->recorded_at : NULL);
	add_text(&row, m ? m->hostname : NULL);
	add_text(&row, m ? m->command : NULL);
	if (m && m->command_status >= 0)
		add_int(&row, m->command_status);
	else
		add_null(&row);
	add_int(&row, m ? m->hsf : 0);
	if (exp && exp->tick_ns)
		add_int(&row, exp->tick_ns);
	else
		add_null(&row);
	add_time(&row, start_ns);
	add_time(&row, end_ns);
	add_text(&row, experiment);
	end(&row);
}

void rundb_vm(struct rundb *db, uint32_t id, const char *name, uint32_t machine,
	const struct vmrt_vm *info)
{
	struct row row = begin(db, T_VM);

	add_int(&row, id);
	add_text(&row, name);
	add_index(&row, machine);
	if (info && info->pid > 0)
		add_int(&row, info->pid);
	else
		add_null(&row);
	add_text(&row, info ? info->hypervisor : NULL);
	add_text(&row, info ? info->accel : NULL);
	end(&row);
}

void rundb_tasks(struct rundb *db, const struct vmrt_experiment *exp,
	const struct vmrt_engine_machine *machines, size_t n_machines,
	const struct vmrt_engine *engine)
{
	for (size_t i = 0; exp && i < exp->n_tasks; i++) {
		const struct vmrt_task_spec *t = &exp->tasks[i];
		struct row row = begin(db, T_TASK);
		uint32_t machine = VMRT_NONE;
		int64_t measured;
		enum vmrt_release release =
			vmrt_engine_task_release(engine, (uint32_t)i, &measured);

		for (size_t m = 0; m < n_machines; m++)
			if (!strcmp(machines[m].name, t->machine))
				machine = (uint32_t)m;
		add_int(&row, (int64_t)i);
		add_index(&row, machine);
		add_text(&row, t->machine);
		add_text(&row, t->name);
		add_positive(&row, t->period_ns);
		add_positive(&row, t->wcet_ns);
		add_positive(&row, t->deadline_ns);
		add_int(&row, t->priority);
		add_text(&row, release != VMRT_RELEASE_AUTO ? vmrt_release_name(release) : NULL);
		add_time(&row, measured);
		end(&row);
	}
}

static void add_clock(struct rundb *db, uint32_t machine, const struct vmrt_clock_segment *s)
{
	struct row row = begin(db, T_CLOCK);

	add_int(&row, machine);
	add_time(&row, s->from_local_ns);
	add_time(&row, s->to_local_ns);
	add_int(&row, s->offset_ns);
	add_int(&row, (int64_t)(s->rate * 1e9));
	add_time(&row, s->error_ns);
	add_int(&row, s->n_upper);
	add_int(&row, s->n_lower);
	add_text(&row, s->source);
	end(&row);
}

void rundb_machine(struct rundb *db, const struct rundb_machine *m)
{
	struct row row = begin(db, T_MACHINE);
	const struct vmrt_machine_stats *s = &m->stats;

	add_int(&row, m->id);
	add_text(&row, m->name);
	add_text(&row, m->map ? "guest" : "host");
	add_text(&row, m->kernel);
	add_int(&row, m->cpus);
	add_text(&row, m->clock);
	add_text(&row, m->file);
	add_text(&row, m->note);
	add_time(&row, s->first_ns);
	add_time(&row, s->last_ns);
	add_int(&row, (int64_t)s->events);
	add_int(&row, (int64_t)s->lost);
	add_int(&row, (int64_t)s->broken_chains);
	add_int(&row, (int64_t)s->inferred_switches);
	add_int(&row, (int64_t)s->out_of_order);
	if (m->map) {
		add_int(&row, (int64_t)s->inside);
		add_int(&row, (int64_t)s->outside);
	} else {
		add_null(&row);
		add_null(&row);
	}
	end(&row);
	for (size_t i = 0; m->map && i < m->map->n; i++)
		add_clock(db, m->id, &m->map->segments[i]);
}

void rundb_counts(const struct rundb *db, unsigned long long *jobs, unsigned long long *periods)
{
	*jobs = db->jobs;
	*periods = db->periods;
}

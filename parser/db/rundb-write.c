/* SPDX-License-Identifier: MIT */
/* Writes the rows of run.db, in the order of the columns of schema.h. */
#include "rundb-local.h"

#include <vmrt/rundb.h>

#include <stdlib.h>
#include <string.h>

/* The columns of the row being written are bound one after the other. */
struct row {
	struct rundb *db;
	sqlite3_stmt *stmt;
	int column;
	enum table table;
};

static struct row begin(struct rundb *db, enum table table)
{
	struct row row = {.db = db,
		.stmt = db->insert[table],
		.column = db->waiting[table] * rundb_tables[table].columns,
		.table = table};

	return row;
}

/* Limits a number to the column's range, because a recording may hold any number. */
static void add_number(struct row *row, int64_t value)
{
	value = value < -VMRT_DB_MOST ? -VMRT_DB_MOST : value > VMRT_DB_MOST ? VMRT_DB_MOST : value;
	sqlite3_bind_int64(row->stmt, ++row->column, value);
}

static void add_null(struct row *row)
{
	sqlite3_bind_null(row->stmt, ++row->column);
}

static void add_count(struct row *row, uint64_t value)
{
	add_number(row, value < VMRT_DB_MOST ? (int64_t)value : VMRT_DB_MOST);
}

static void add_id(struct row *row, uint32_t value)
{
	sqlite3_bind_int64(row->stmt, ++row->column, value);
}

static void add_flag(struct row *row, bool value)
{
	sqlite3_bind_int64(row->stmt, ++row->column, value);
}

/* A time outside of the range counts as unknown. */
static void add_time(struct row *row, int64_t value)
{
	if (value < -VMRT_DB_MOST || value > VMRT_DB_MOST)
		add_null(row);
	else
		sqlite3_bind_int64(row->stmt, ++row->column, value);
}

/* 0 means that the value was not declared, so it is written as NULL. */
static void add_positive(struct row *row, int64_t value)
{
	add_time(row, value > 0 ? value : VMRT_UNKNOWN);
}

static void add_optional(struct row *row, int64_t value)
{
	add_time(row, value >= 0 ? value : VMRT_UNKNOWN);
}

static void add_index(struct row *row, uint32_t value)
{
	if (value == VMRT_NONE)
		add_null(row);
	else
		add_id(row, value);
}

static void add_text(struct row *row, const char *text)
{
	sqlite3_bind_text(row->stmt, ++row->column, text, -1, SQLITE_TRANSIENT);
}

static void add_words(struct row *row, const char *text)
{
	if (!text || !*text)
		add_null(row);
	else
		add_text(row, text);
}

/* The value of a column of columns.h. */
#define ADD(column, kind, rest, value) add_##kind(&row, value);

static void step(struct rundb *db, enum table table)
{
	sqlite3_stmt *stmt = db->insert[table];

	if (db->status == VMRT_OK && sqlite3_step(stmt) != SQLITE_DONE)
		rundb_failed(db);
	sqlite3_reset(stmt);
}

/* Writes the rows of @table that wait. */
static void flush(struct rundb *db, enum table table)
{
	sqlite3_bind_int(db->insert[table], RUNDB_ROWS * rundb_tables[table].columns + 1,
		db->waiting[table]);
	step(db, table);
	db->waiting[table] = 0;
}

static void end(struct row *row)
{
	struct rundb *db = row->db;
	int columns = row->column - db->waiting[row->table] * rundb_tables[row->table].columns;

	if (columns != rundb_tables[row->table].columns) {
		db->status = vmrt_fail(&db->err, VMRT_EDB, "%s: %d columns for a row of %d",
			rundb_tables[row->table].name, columns, rundb_tables[row->table].columns);
		return;
	}
	if (!rundb_has_many(row->table))
		step(db, row->table);
	else if (++db->waiting[row->table] == RUNDB_ROWS)
		flush(db, row->table);
}

void rundb_flush(struct rundb *db)
{
	for (int t = 0; t < TABLES; t++)
		if (db->waiting[t])
			flush(db, (enum table)t);
}

void rundb_without_host(struct rundb *db)
{
	db->without_host = true;
}

void rundb_unrelated(struct rundb *db, const bool *machines, const bool *tasks)
{
	db->unrelated = machines;
	db->unrelated_of = tasks;
}

static void hide_thread(struct rundb *db, uint32_t id)
{
	size_t need = id / 8 + 1;

	if (need > db->n_hidden) {
		uint8_t *more = realloc(db->hidden, 2 * need);

		if (!more) {
			if (db->status == VMRT_OK)
				db->status = vmrt_fail(&db->err, VMRT_ENOMEM, "out of memory");
			return;
		}
		memset(more + db->n_hidden, 0, 2 * need - db->n_hidden);
		db->hidden = more;
		db->n_hidden = 2 * need;
	}
	db->hidden[id / 8] |= (uint8_t)(1 << id % 8);
}

static bool is_hidden(const struct rundb *db, uint32_t id)
{
	return id / 8 < db->n_hidden && db->hidden[id / 8] >> id % 8 & 1;
}

/* Finds thread @t in the manifest. Threads come in the manifest's order, so the search begins
 * behind the one found last. */
static const struct vmrt_vm_thread *find_thread(struct rundb *db, const struct vmrt_thread *t)
{
	for (size_t v = 0; db->manifest && t->vm != VMRT_NONE && v < db->manifest->n_vms; v++) {
		const struct vmrt_vm *vm = &db->manifest->vms[v].vm;

		for (size_t n = 0; n < vm->n_threads; n++) {
			size_t i = (db->thread_hint + n) % vm->n_threads;

			if (vm->threads[i].tid == t->tid) {
				db->thread_hint = i + 1;
				return &vm->threads[i];
			}
		}
	}
	return NULL;
}

static void on_thread(void *ctx, const struct vmrt_thread *t)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_THREAD);
	const struct vmrt_vm_thread *info = find_thread(db, t);

	RUNDB_THREAD(ADD, ADD)
	end(&row);
	if (db->unrelated && db->unrelated[t->machine])
		hide_thread(db, t->id);
}

static void on_slice(void *ctx, const struct vmrt_slice *s)
{
	struct row row = begin(ctx, T_SLICE);

	if (is_hidden(ctx, s->thread))
		return;
	RUNDB_SLICE(ADD, ADD)
	end(&row);
}

static void on_server(void *ctx, const struct vmrt_server *s)
{
	struct row row = begin(ctx, T_SERVER);

	RUNDB_SERVER(ADD, ADD)
	end(&row);
}

static void on_period(void *ctx, const struct vmrt_server_period *p)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_SERVER_PERIOD);

	db->periods++;
	RUNDB_SERVER_PERIOD(ADD, ADD)
	end(&row);
}

static void on_violation(void *ctx, const struct vmrt_violation *v)
{
	struct row row = begin(ctx, T_VIOLATION);

	RUNDB_VIOLATION(ADD, ADD)
	end(&row);
}

static void on_check(void *ctx, const struct vmrt_check *c)
{
	struct row row = begin(ctx, T_CHECKED);

	RUNDB_CHECKED(ADD, ADD)
	end(&row);
}

static void on_unmanaged(void *ctx, const struct vmrt_unmanaged *n)
{
	struct row row = begin(ctx, T_NATURAL);

	RUNDB_NATURAL(ADD, ADD)
	end(&row);
}

static void on_supply(void *ctx, const struct vmrt_supply_point *p)
{
	struct row row = begin(ctx, T_SUPPLY);

	RUNDB_SUPPLY(ADD, ADD)
	end(&row);
}

static void add_blame(struct rundb *db, const struct vmrt_job *j, enum vmrt_blame part)
{
	struct row row = begin(db, T_BLAME);

	RUNDB_BLAME(ADD, ADD)
	end(&row);
}

static void add_blame_thread(
	struct rundb *db, const struct vmrt_job *j, const struct vmrt_blamed *by)
{
	struct row row = begin(db, T_BLAME_THREAD);

	RUNDB_BLAME_THREAD(ADD, ADD)
	end(&row);
}

/* Writes what is known of a job whose times on the host's clock are unknown. */
static void forget_host_times(struct vmrt_job *j)
{
	j->arrival_ns = j->release_ns = j->start_ns = j->end_ns = j->deadline_ns = VMRT_UNKNOWN;
	j->exec_ns = j->unsure_ns = VMRT_UNKNOWN;
	j->cause = -1;
	j->excused = false;
}

static void on_job(void *ctx, const struct vmrt_job *j)
{
	struct rundb *db = ctx;
	struct row row = begin(db, T_JOB);
	struct vmrt_job unrelated;

	if (db->unrelated_of && db->unrelated_of[j->task]) {
		unrelated = *j;
		forget_host_times(&unrelated);
		j = &unrelated;
	} else if (db->without_host) {
		unrelated = *j;
		unrelated.exec_ns = VMRT_UNKNOWN;
		unrelated.cause = -1;
		j = &unrelated;
	}
	db->jobs++;
	RUNDB_JOB(ADD, ADD)
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

	RUNDB_LOSS(ADD, ADD)
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
		.unmanaged = on_unmanaged,
		.supply = on_supply,
	};
}

void rundb_run(struct rundb *db, const struct vmrt_experiment *exp, const char *experiment,
	const char *uuid, int64_t start_ns, int64_t end_ns)
{
	const struct vmrt_manifest *m = db->manifest;
	struct row row = begin(db, T_RUN);

	RUNDB_RUN(ADD, ADD)
	end(&row);
}

void rundb_vm(struct rundb *db, uint32_t id, const char *name, uint32_t machine,
	const struct vmrt_vm *info)
{
	struct row row = begin(db, T_VM);

	RUNDB_VM(ADD, ADD)
	end(&row);
}

void rundb_tasks(struct rundb *db, const struct vmrt_experiment *exp,
	const struct vmrt_engine_machine *machines, size_t n_machines,
	const struct vmrt_engine *engine)
{
	for (size_t i = 0; exp && i < exp->n_tasks; i++) {
		const struct vmrt_task_spec *t = &exp->tasks[i];
		struct row row = begin(db, T_TASK);
		uint32_t id = (uint32_t)i, machine = VMRT_NONE;
		struct vmrt_task_contradiction found;
		int64_t measured;
		enum vmrt_release release =
			vmrt_engine_task_release(engine, (uint32_t)i, &measured);

		vmrt_engine_task_contradiction(engine, (uint32_t)i, &found);
		for (size_t m = 0; m < n_machines; m++)
			if (!strcmp(machines[m].name, t->machine))
				machine = (uint32_t)m;
		RUNDB_TASK(ADD, ADD)
		end(&row);
	}
}

/* Limits an impossible rate to the largest one that the column takes. */
static int64_t to_ppb(double rate)
{
	double ppb = rate * 1e9;

	return ppb > -1e18 && ppb < 1e18 ? (int64_t)ppb : ppb > 0 ? VMRT_DB_MOST : -VMRT_DB_MOST;
}

static void add_clock(struct rundb *db, uint32_t machine, const struct vmrt_clock_segment *s)
{
	struct row row = begin(db, T_CLOCK);

	RUNDB_CLOCK(ADD, ADD)
	end(&row);
}

void rundb_machine(struct rundb *db, const struct rundb_machine *m)
{
	struct row row = begin(db, T_MACHINE);
	const struct vmrt_machine_stats *s = &m->stats;

	RUNDB_MACHINE(ADD, ADD)
	end(&row);
	for (size_t i = 0; m->map && i < m->map->n; i++)
		add_clock(db, m->id, &m->map->segments[i]);
}

void rundb_event(struct rundb *db, uint32_t machine, const struct vmrt_event_count *e)
{
	struct row row = begin(db, T_EVENT);

	RUNDB_EVENT(ADD, ADD)
	end(&row);
}

void rundb_note(struct rundb *db, const char *about, const char *name, const char *words)
{
	struct row row = begin(db, T_NOTE);

	RUNDB_NOTE(ADD, ADD)
	end(&row);
}

/* Steps @sql, with up to two numbers; false at its end. */
static bool next(struct rundb *db, sqlite3_stmt **stmt, const char *sql, int64_t a, int64_t b)
{
	int rc = SQLITE_OK;

	if (db->status != VMRT_OK)
		return false;
	if (!*stmt) {
		rc = sqlite3_prepare_v2(db->db, sql, -1, stmt, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_bind_int64(*stmt, 1, a);
		if (rc == SQLITE_OK && sqlite3_bind_parameter_count(*stmt) > 1)
			rc = sqlite3_bind_int64(*stmt, 2, b);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		rundb_failed(db);
	return rc == SQLITE_ROW;
}

/* For each kind of doubtful rows: how they are found, and how they are marked. */
static const struct {
	const char *seen;
	const char *marks[2];
} doubts[] = {
	[RUNDB_DOUBTED_TASK] = {"SELECT DISTINCT t.id, t.machine_name || '/' || t.name FROM slice s"
				" JOIN thread h ON h.id = s.thread JOIN task t ON t.id = h.task"
				" WHERE h.machine = ?1 AND s.cpu = ?2 ORDER BY t.id",
		{"UPDATE job SET unsure_ns = NULL WHERE task = ?1",
			"UPDATE task SET uncertain = 1 WHERE id = ?1"}},
	/* the guest's own recording shows when its job ended */
	[RUNDB_DOUBTED_GUEST] =
		{"SELECT DISTINCT t.id, t.machine_name || '/' || t.name FROM slice s"
		 " JOIN thread h ON h.id = s.thread"
		 " JOIN vm v ON v.id = h.vm JOIN task t ON t.machine = v.machine"
		 " WHERE h.machine = ?1 AND s.cpu = ?2 AND h.vcpu >= 0 ORDER BY t.id",
			{"UPDATE job SET unsure_ns = NULL WHERE task = ?1", NULL}},
	[RUNDB_DOUBTED_SERVER] =
		{"SELECT DISTINCT r.id, r.name FROM slice s JOIN thread h ON h.id = s.thread"
		 " JOIN server r ON r.vm = h.vm WHERE h.machine = ?1 AND s.cpu = ?2"
		 " AND (r.vcpu IS NULL OR r.vcpu = h.vcpu) ORDER BY r.id",
			{"UPDATE server SET uncertain = 1 WHERE id = ?1", NULL}},
};

void rundb_mark_doubtful(struct rundb *db, uint32_t machine, unsigned cpu,
	void (*each)(void *ctx, enum rundb_doubted what, const char *name), void *ctx)
{
	rundb_flush(db);
	for (int what = RUNDB_DOUBTED_TASK; what <= RUNDB_DOUBTED_SERVER; what++) {
		sqlite3_stmt *found = NULL;

		while (next(db, &found, doubts[what].seen, machine, cpu)) {
			int64_t index = sqlite3_column_int64(found, 0);

			for (size_t i = 0; i < 2 && doubts[what].marks[i]; i++) {
				sqlite3_stmt *mark = NULL;

				next(db, &mark, doubts[what].marks[i], index, 0);
				sqlite3_finalize(mark);
			}
			each(ctx, (enum rundb_doubted)what,
				(const char *)sqlite3_column_text(found, 1));
		}
		sqlite3_finalize(found);
	}
}

void rundb_counts(const struct rundb *db, unsigned long long *jobs, unsigned long long *periods)
{
	*jobs = db->jobs;
	*periods = db->periods;
}

/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DB_SCHEMA_H
#define VMRT_PARSER_DB_SCHEMA_H

/* The schema of run.db; docs/run-db.md explains every column. */

#define VMRT_DB_APPLICATION_ID 0x766d7274 /* "vmrt" */
#define VMRT_DB_VERSION 3

#define VMRT_DB_TABLES                                                                             \
	"CREATE TABLE run("                                                                        \
	" name TEXT NOT NULL, vmrt_version TEXT NOT NULL, recorded_at TEXT, hostname TEXT,"        \
	" command TEXT, command_status INTEGER, hsf INTEGER NOT NULL, tick_ns INTEGER,"            \
	" start_ns INTEGER, end_ns INTEGER, experiment TEXT);"                                     \
	"CREATE TABLE machine("                                                                    \
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, kernel TEXT,"     \
	" cpus INTEGER NOT NULL, clock TEXT, file TEXT, note TEXT,"                                \
	" first_ns INTEGER, last_ns INTEGER, events INTEGER NOT NULL, lost INTEGER NOT NULL,"      \
	" broken_chains INTEGER NOT NULL, inferred_switches INTEGER NOT NULL,"                     \
	" out_of_order INTEGER NOT NULL, inside INTEGER, outside INTEGER);"                        \
	"CREATE TABLE clock("                                                                      \
	" machine INTEGER NOT NULL REFERENCES machine(id), from_local_ns INTEGER,"                 \
	" to_local_ns INTEGER, offset_ns INTEGER NOT NULL, rate_ppb INTEGER NOT NULL,"             \
	" error_ns INTEGER, uppers INTEGER NOT NULL, lowers INTEGER NOT NULL, source TEXT NOT "    \
	"NULL);"                                                                                   \
	"CREATE TABLE loss("                                                                       \
	" machine INTEGER NOT NULL REFERENCES machine(id), cpu INTEGER NOT NULL,"                  \
	" from_ns INTEGER, to_ns INTEGER, events INTEGER, kind TEXT NOT NULL);"                    \
	"CREATE TABLE vm("                                                                         \
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, machine INTEGER REFERENCES "          \
	"machine(id),"                                                                             \
	" pid INTEGER, hypervisor TEXT, accel TEXT);"                                              \
	"CREATE TABLE thread("                                                                     \
	" id INTEGER PRIMARY KEY, machine INTEGER NOT NULL REFERENCES machine(id),"                \
	" tid INTEGER NOT NULL, comm TEXT NOT NULL, vm INTEGER REFERENCES vm(id), role TEXT,"      \
	" vcpu INTEGER, task INTEGER REFERENCES task(id), policy TEXT, priority INTEGER);"         \
	"CREATE TABLE server("                                                                     \
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, vm INTEGER REFERENCES vm(id),"        \
	" policy TEXT NOT NULL, depletion TEXT NOT NULL, period_ns INTEGER, budget_ns INTEGER,"    \
	" priority INTEGER, phase_ns INTEGER, enforced INTEGER NOT NULL,"                          \
	" phase_source TEXT NOT NULL);"                                                            \
	"CREATE TABLE server_period("                                                              \
	" server INTEGER NOT NULL REFERENCES server(id), k INTEGER NOT NULL,"                      \
	" start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, budget_ns INTEGER NOT NULL,"         \
	" consumed_ns INTEGER, background_ns INTEGER, replenished_ns INTEGER, first_ns INTEGER,"   \
	" depleted_ns INTEGER, waiting_ns INTEGER, steal_ns INTEGER NOT NULL, outcome TEXT NOT "   \
	"NULL,"                                                                                    \
	" wanted_ns INTEGER, blackout_ns INTEGER, blackout_at_ns INTEGER,"                         \
	" PRIMARY KEY(server, k)) WITHOUT ROWID;"                                                  \
	"CREATE TABLE violation("                                                                  \
	" server INTEGER NOT NULL REFERENCES server(id), rule TEXT NOT NULL,"                      \
	" from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, measured_ns INTEGER NOT NULL,"         \
	" allowed_ns INTEGER NOT NULL, tolerance_ns INTEGER NOT NULL);"                            \
	"CREATE TABLE checked("                                                                    \
	" server INTEGER NOT NULL REFERENCES server(id), rule TEXT NOT NULL,"                      \
	" judged INTEGER NOT NULL, unknown INTEGER NOT NULL, violations INTEGER NOT NULL,"         \
	" worst_ns INTEGER, worst_at_ns INTEGER, tolerance_ns INTEGER NOT NULL,"                   \
	" PRIMARY KEY(server, rule)) WITHOUT ROWID;"                                               \
	"CREATE TABLE natural("                                                                    \
	" vm INTEGER PRIMARY KEY REFERENCES vm(id), n INTEGER NOT NULL,"                           \
	" period_p10_ns INTEGER, period_p50_ns INTEGER, period_p90_ns INTEGER,"                    \
	" supply_p10_ns INTEGER, supply_p50_ns INTEGER, supply_p90_ns INTEGER);"                   \
	"CREATE TABLE supply("                                                                     \
	" server INTEGER NOT NULL REFERENCES server(id), length_ns INTEGER NOT NULL,"              \
	" least_ns INTEGER NOT NULL, at_ns INTEGER NOT NULL,"                                      \
	" PRIMARY KEY(server, length_ns)) WITHOUT ROWID;"                                          \
	"CREATE TABLE slice("                                                                      \
	" thread INTEGER NOT NULL REFERENCES thread(id), cpu INTEGER NOT NULL,"                    \
	" start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, prio INTEGER NOT NULL,"              \
	" end_state INTEGER NOT NULL, uncertainty_ns INTEGER NOT NULL, truncated INTEGER NOT "     \
	"NULL);"                                                                                   \
	"CREATE TABLE task("                                                                       \
	" id INTEGER PRIMARY KEY, machine INTEGER REFERENCES machine(id),"                         \
	" machine_name TEXT NOT NULL, name TEXT NOT NULL, period_ns INTEGER,"                      \
	" wcet_ns INTEGER, deadline_ns INTEGER, priority INTEGER NOT NULL,"                        \
	" mechanism TEXT, measured_period_ns INTEGER,"                                             \
	" UNIQUE(machine_name, name));"                                                            \
	"CREATE TABLE job("                                                                        \
	" task INTEGER NOT NULL REFERENCES task(id), k INTEGER NOT NULL,"                          \
	" thread INTEGER REFERENCES thread(id),"                                                   \
	" arrival_ns INTEGER, release_ns INTEGER, start_ns INTEGER, end_ns INTEGER,"               \
	" deadline_ns INTEGER, arrival_local_ns INTEGER, release_local_ns INTEGER,"                \
	" start_local_ns INTEGER, end_local_ns INTEGER, exec_ns INTEGER, response_ns INTEGER,"     \
	" preemptions INTEGER NOT NULL, migrations INTEGER NOT NULL, skipped INTEGER NOT NULL,"    \
	" outcome TEXT NOT NULL, cause TEXT, excused INTEGER NOT NULL, inferred INTEGER NOT NULL," \
	" mark_begin_local_ns INTEGER, mark_end_local_ns INTEGER,"                                 \
	" cause_thread INTEGER REFERENCES thread(id), unsure_ns INTEGER,"                          \
	" PRIMARY KEY(task, k)) WITHOUT ROWID;"                                                    \
	"CREATE TABLE blame("                                                                      \
	" task INTEGER NOT NULL, k INTEGER NOT NULL, part TEXT NOT NULL, ns INTEGER NOT NULL,"     \
	" thread INTEGER REFERENCES thread(id),"                                                   \
	" PRIMARY KEY(task, k, part)) WITHOUT ROWID;"                                              \
	"CREATE TABLE blame_thread("                                                               \
	" task INTEGER NOT NULL, k INTEGER NOT NULL, part TEXT NOT NULL,"                          \
	" thread INTEGER NOT NULL REFERENCES thread(id), ns INTEGER NOT NULL,"                     \
	" PRIMARY KEY(task, k, part, thread)) WITHOUT ROWID;"

#define VMRT_DB_INDICES                                                                            \
	"CREATE INDEX slice_by_thread ON slice(thread, start_ns);"                                 \
	"CREATE INDEX slice_by_time ON slice(start_ns);"

#define VMRT_DB_VIEWS                                                                              \
	"CREATE VIEW jobs AS SELECT t.machine_name AS machine, t.name AS task, j.k AS k,"          \
	" j.arrival_ns AS arrival_ns, j.release_ns AS release_ns, j.start_ns AS start_ns,"         \
	" j.end_ns AS end_ns, j.deadline_ns AS deadline_ns, j.exec_ns AS exec_ns,"                 \
	" j.response_ns AS response_ns, j.preemptions AS preemptions, j.migrations AS migrations," \
	" j.outcome AS outcome, j.cause AS cause"                                                  \
	" FROM job j JOIN task t ON t.id = j.task;"                                                \
	"CREATE VIEW server_periods AS SELECT s.name AS server, p.k AS k, p.start_ns AS start_ns," \
	" p.end_ns AS end_ns, p.budget_ns AS budget_ns, p.consumed_ns AS consumed_ns,"             \
	" p.background_ns AS background_ns, p.depleted_ns AS depleted_ns, p.outcome AS outcome"    \
	" FROM server_period p JOIN server s ON s.id = p.server;"                                  \
	"CREATE VIEW losses AS SELECT m.name AS machine, l.cpu AS cpu, l.from_ns AS from_ns,"      \
	" l.to_ns AS to_ns, l.events AS events, l.kind AS kind"                                    \
	" FROM loss l JOIN machine m ON m.id = l.machine;"                                         \
	"CREATE VIEW blames AS SELECT t.machine_name AS machine, t.name AS task, b.k AS k,"        \
	" b.part AS part, b.ns AS ns, h.comm AS by, h.tid AS by_tid,"                              \
	" CASE b.part WHEN 'server' THEN (SELECT CASE count(*) WHEN 1 THEN max(s.name) END"        \
	" FROM server s WHERE s.vm = h.vm) END AS by_server"                                       \
	" FROM (SELECT task, k, part, thread, ns FROM blame_thread UNION ALL"                      \
	" SELECT task, k, part, NULL, ns - coalesce((SELECT sum(o.ns) FROM blame_thread o"         \
	" WHERE o.task = a.task AND o.k = a.k AND o.part = a.part), 0) AS rest"                    \
	" FROM blame a WHERE rest <> 0) b"                                                         \
	" JOIN task t ON t.id = b.task LEFT JOIN thread h ON h.id = b.thread;"

#endif

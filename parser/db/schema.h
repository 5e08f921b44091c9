/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DB_SCHEMA_H
#define VMRT_PARSER_DB_SCHEMA_H

/* The schema of run.db; docs/run-db.md explains every column. */

#include "columns.h"

#define VMRT_DB_APPLICATION_ID 0x766d7274 /* "vmrt" */
#define VMRT_DB_VERSION 7

/* Columns as SQL declares them. */
#define RUNDB_SQL_id "INTEGER"
#define RUNDB_SQL_index "INTEGER"
#define RUNDB_SQL_number "INTEGER"
#define RUNDB_SQL_time "INTEGER"
#define RUNDB_SQL_count "INTEGER"
#define RUNDB_SQL_optional "INTEGER"
#define RUNDB_SQL_positive "INTEGER"
#define RUNDB_SQL_flag "INTEGER"
#define RUNDB_SQL_text "TEXT"
#define RUNDB_SQL_words "TEXT"
#define RUNDB_SQL_FIRST(column, kind, rest, value) " " #column " " RUNDB_SQL_##kind rest
#define RUNDB_SQL_NEXT(column, kind, rest, value) "," RUNDB_SQL_FIRST(column, kind, rest, value)
#define RUNDB_SQL_TABLE(id, table, tail)                                                           \
	"CREATE TABLE " #table "(" RUNDB_##id(RUNDB_SQL_FIRST, RUNDB_SQL_NEXT) tail ";"

#define VMRT_DB_TABLES RUNDB_TABLE_LIST(RUNDB_SQL_TABLE)

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

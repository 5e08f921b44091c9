#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-report push and trend: 50 made-up runs whose jobs are known (RUNS=1000: as many), in a PostgreSQL server of this test's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-many-XXXXXX)
chmod 755 "$work"
tool=vmrt-report
PATH=$bin:$PATH
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
# shellcheck source=tests/lib/postgres.sh
. tests/lib/postgres.sh
trap 'postgres_stop; rm -rf "$work"' EXIT
runs=${RUNS:-50}
many=$work/many

uuid_of() { sqlite3 "$1/run.db" "SELECT uuid FROM run"; }

# A recording without a UUID gets one of its content, here and elsewhere, also when it is analysed again; else it keeps the recorder's.
uuids_stay() {
	local derived
	cp -r tests/data/demo-hsf.vmrt "$work/u.vmrt" && chmod -R u+w "$work/u.vmrt" && vmrt-trace analyze -q "$work/u.vmrt" 2>/dev/null
	derived=$(uuid_of "$work/u.vmrt")
	[[ $derived =~ ^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]] || { echo "derived: $derived"; return 1; }
	mv "$work/u.vmrt" "$work/elsewhere.vmrt" && rm "$work/elsewhere.vmrt/run.db" && vmrt-trace analyze -q "$work/elsewhere.vmrt" 2>/dev/null
	[ "$(uuid_of "$work/elsewhere.vmrt")" = "$derived" ] || return 1
	jq '.uuid = "01234567-89ab-4cde-8f01-23456789abcd"' "$work/elsewhere.vmrt/manifest.json" >"$work/m" && cp "$work/m" "$work/elsewhere.vmrt/manifest.json"
	for _ in 1 2; do
		vmrt-trace analyze -q "$work/elsewhere.vmrt" 2>/dev/null
		[ "$(uuid_of "$work/elsewhere.vmrt")" = 01234567-89ab-4cde-8f01-23456789abcd ] || return 1
	done
	[ "$(vmrt-report --format json "$work/elsewhere.vmrt" 2>/dev/null | jq -r '.runs[0].run.uuid')" = 01234567-89ab-4cde-8f01-23456789abcd ]
}
ok "runs keep their UUID, and recordings without one get one of their content" uuids_stay

if ! postgres_start "$work/pg" >"$work/why"; then
	echo "ok $((n + 1)) - push and trend with a database # skip $(cat "$work/why")"
	echo "1..$((n + 1))"
	exit $failed
fi
tests/lib/many-runs "$runs" "$many" || exit 1

# all jobs of all runs, by sqlite3 alone: run, hsf, host, task, response, missed, beginning of the run
all_jobs() {
	for ((r = 1; r <= runs; r++)); do
		printf ".open %s/run-%04d.vmrt/run.db\n" "$many" "$r"
		echo "SELECT $r, hsf, hostname, t.name, response_ns, outcome = 'missed', recorded_at FROM job, run, task t WHERE t.id = task;"
	done | sqlite3 -batch -separator ' '
}
all_jobs >"$work/jobs"

everything() { # a digest of all that is in the database, whatever the rows' numbers are
	for t in runs machines tasks servers task_histograms server_histograms; do
		sql "SELECT (to_jsonb(x) - 'id' - 'run' - 'pushed_at' - 'host')::text FROM vmrt.$t x ORDER BY 1"
	done | sha256sum
}

pushes_all() {
	vmrt-report push "$uri" "$many" 2>"$work/err" || { cat "$work/err"; return 1; }
	grep -q ": $runs runs put in, 0 replaced, 0 there already, 0 failed" "$work/err" && [ "$(sql 'SELECT count(*) FROM vmrt.runs')" = "$runs" ]
}

pushes_nothing_twice() {
	local before
	before=$(everything)
	vmrt-report push "$uri" "$many" 2>"$work/err" || return 1
	grep -q ": 0 runs put in, 0 replaced, $runs there already, 0 failed" "$work/err" && [ "$(everything)" = "$before" ]
}

# percentiles_of SQL-CONDITION AWK-CONDITION: of every task and percentile, over the runs of the selection: the exact value
# of all jobs, sorted, lies in the bucket that SQL gives
percentiles_of() {
	local task
	for task in even late rare; do
		awk -v task=$task "\$4 == task && ($2) { print \$5 }" "$work/jobs" | sort -n |
			awk '{ v[NR] = $1 } END { k = split("0 0.001 0.01 0.25 0.5 0.9 0.99 0.999 0.9999 1", p, " ")
				for (i = 1; i <= k; i++) { r = p[i] * NR; r = r == int(r) ? r : int(r) + 1
					printf "%s(%d, %s, %d)", (i > 1 ? "," : ""), NR, p[i], v[r < 1 ? 1 : r] } }' >"$work/exact"
		sql "WITH m AS (SELECT vmrt.merge(g.histogram) AS h FROM vmrt.task_histograms g JOIN vmrt.tasks t USING (run, task_id)
				JOIN vmrt.runs r ON r.id = g.run LEFT JOIN vmrt.hosts o ON o.id = r.host
				WHERE metric = 'response' AND task = '$task' AND ($1))
			SELECT p, exact, (h).n = n AND from_ns <= exact AND exact <= to_ns AND to_ns <= exact * (1 + 1 / 128.0)
				AND vmrt.percentile(h, p) = to_ns AS good
			FROM m, (VALUES $(cat "$work/exact")) AS x(n, p, exact), vmrt.percentile_bucket(h, p)" >"$work/answer"
		[ "$(grep -c '|t$' "$work/answer")" = 10 ] || { echo "$task:"; cat "$work/answer"; return 1; }
	done
}

# Counts of jobs and misses, and Wilson's interval, over a selection.
misses_of() { # SQL-CONDITION AWK-CONDITION
	awk "$2 { n[\$4]++; m[\$4] += \$6 } END { for (t in n) { z = 1.959963984540054; p = m[t] / n[t]; d = 1 + z * z / n[t]
		h = z / d * sqrt(p * (1 - p) / n[t] + z * z / (4 * n[t] * n[t])); c = (p + z * z / (2 * n[t])) / d
		printf \"%s|%d|%d|%.9f|%.9f|%.9f\\n\", t, n[t], m[t], p, m[t] ? c - h : 0, m[t] < n[t] ? c + h : 1 } }" "$work/jobs" | sort >"$work/truth"
	sql "SELECT task, known, missed, round(miss_ratio::numeric, 9), round(miss_low::numeric, 9), round(miss_high::numeric, 9)
		FROM vmrt.task_summary(ARRAY(SELECT r.id FROM vmrt.runs r LEFT JOIN vmrt.hosts o ON o.id = r.host WHERE $1)) ORDER BY 1" |
		awk -F'|' '{ printf "%s|%d|%d|%.9f|%.9f|%.9f\n", $1, $2, $3, $4, $5, $6 }' >"$work/answer"
	diff "$work/truth" "$work/answer"
}

# The views show of each run what vmrt-report shows of it.
views_agree_with_the_report() {
	local r=$many/run-0003.vmrt
	vmrt-report --format csv --table tasks --select jobs,missed,miss,miss_low,miss_high,response_p50,response_p99,response_max,response_jitter,release_jitter,exec_max "$r" |
		awk -F, 'NR > 1 { printf "%s,%s,%s,%.9f,%.9f,%.9f,%s,%s,%s,%s,%s,%s\n", $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 }' | tr -d '"' >"$work/report"
	sql "SELECT machine || '/' || task, jobs, missed, miss_ratio, miss_low, miss_high, response_p50_ns, response_p99_ns, response_max_ns, response_jitter_ns, release_jitter_ns, exec_max_ns
		FROM vmrt.task_runs WHERE uuid = '00000000-0000-4000-8000-000000000003' ORDER BY task_id" |
		awk -F'|' '{ printf "%s,%s,%s,%.9f,%.9f,%.9f,%s,%s,%s,%s,%s,%s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 }' >"$work/view"
	[ -s "$work/report" ] && diff "$work/report" "$work/view"
}

overshoots_are_exact_to_a_bucket() {
	local exact
	for ((r = 1; r <= runs; r++)); do
		printf ".open %s/run-%04d.vmrt/run.db\nSELECT consumed_ns - budget_ns FROM server_period;\n" "$many" "$r"
	done | sqlite3 -batch | sort -n >"$work/sorted"
	exact=$(awk -v n="$(wc -l <"$work/sorted")" 'NR == int(n * 99 / 100) { print; exit }' "$work/sorted")
	[ "$(sql "SELECT overshoot_p99_ns BETWEEN $exact AND $exact * 129 / 128, overshoot_max_ns = $(tail -n 1 "$work/sorted")
		FROM vmrt.server_summary(ARRAY(SELECT id FROM vmrt.runs))")" = "t|t" ] &&
		[ "$(sql "SELECT min(from_ns) FROM vmrt.server_buckets WHERE metric = 'overshoot'")" = "$(head -n 1 "$work/sorted")" ]
}

# SQL and C agree on buckets: every value of every job.
buckets_are_those_of_c() {
	[ "$(sql "SELECT count(*), sum(n) FROM vmrt.task_buckets WHERE metric = 'response' AND (vmrt.bucket_of(from_ns) <> bucket OR
		vmrt.bucket_of(to_ns) <> bucket)")" = "0|" ] &&
		[ "$(sql "SELECT bool_and(vmrt.bucket_from(vmrt.bucket_of(v)) <= v AND vmrt.bucket_last(vmrt.bucket_of(v)) >= v)
			FROM (SELECT unnest(ARRAY[0, 1, -1, 255, 256, -256, -257, 1000000007, -1000000007, 2305843009213693951, -2305843009213693951]) AS v) AS x")" = t ]
}

analysed_again_is_replaced() {
	cp -r "$many/run-0002.vmrt" "$work/again.vmrt" &&
		sqlite3 "$work/again.vmrt/run.db" "DELETE FROM job WHERE task = 0 AND k >= 100" &&
		vmrt-report push "$uri" "$work/again.vmrt" 2>"$work/err" && grep -q "0 runs put in, 1 replaced" "$work/err" || return 1
	[ "$(sql "SELECT count(*), min(jobs) FROM vmrt.task_runs WHERE uuid = '00000000-0000-4000-8000-000000000002' AND task = 'even'")" = "1|100" ] &&
		vmrt-report -q 2>/dev/null push "$uri" "$many/run-0002.vmrt" || vmrt-report push -q "$uri" "$many/run-0002.vmrt" &&
		[ "$(sql "SELECT count(*) FROM vmrt.runs")" = "$runs" ]
}

one_that_fails_keeps_none_out() {
	mkdir -p "$work/bad" && cp -r "$many/run-0001.vmrt" "$work/bad/a.vmrt" && cp -r "$many/run-0001.vmrt" "$work/bad/c.vmrt" || return 1
	sqlite3 "$work/bad/a.vmrt/run.db" "UPDATE run SET uuid = '11111111-0000-4000-8000-000000000001', name = 'beside'"
	sqlite3 "$work/bad/c.vmrt/run.db" "UPDATE run SET uuid = '11111111-0000-4000-8000-000000000002', name = 'beside'"
	mkdir "$work/bad/b.vmrt" "$work/bad/n.vmrt" "$work/bad/p.vmrt" && echo nonsense >"$work/bad/b.vmrt/run.db"
	cp "$work/bad/a.vmrt/run.db" "$work/bad/n.vmrt/run.db" && sqlite3 "$work/bad/n.vmrt/run.db" "UPDATE run SET uuid = NULL"
	# PostgreSQL refuses that
	cp "$work/bad/a.vmrt/run.db" "$work/bad/p.vmrt/run.db" &&
		sqlite3 "$work/bad/p.vmrt/run.db" "UPDATE run SET uuid = '11111111-0000-4000-8000-000000000003', recorded_at = 'one day'"
	vmrt-report push "$uri" "$work/bad" 2>"$work/err"
	[ $? = 1 ] || return 1
	grep -q "bad/b.vmrt.*is not a run or its database" "$work/err" && grep -q "bad/n.vmrt.*no UUID" "$work/err" && grep -q "bad/p.vmrt.*one day" "$work/err" &&
		grep -q ": 2 runs put in, 0 replaced, 0 there already, 3 failed" "$work/err" || { cat "$work/err"; return 1; }
	[ "$(sql "SELECT count(*) FROM vmrt.runs WHERE name = 'beside'")" = 2 ] && sql "DELETE FROM vmrt.runs WHERE name = 'beside'" &&
		[ "$(sql "SELECT count(*) FROM vmrt.tasks WHERE run NOT IN (SELECT id FROM vmrt.runs)")" = 0 ]
}

names_of_strangers_stay_names() {
	mkdir "$work/odd.vmrt" && cp "$many/run-0001.vmrt/run.db" "$work/odd.vmrt/run.db" || return 1
	sqlite3 "$work/odd.vmrt/run.db" "UPDATE run SET uuid = '22222222-0000-4000-8000-000000000001', name = 'odd''); DROP SCHEMA vmrt CASCADE; --',
		hostname = 'a\\b\$1', command = 'x' || char(9) || '\\N' || char(10) || '\\.' || char(10) || 'y';
		UPDATE task SET name = char(9) || 'a\\tb' || char(10) || '\"{,}''' WHERE id = 0;
		UPDATE task SET name = CAST(x'ff61c328' AS TEXT) WHERE id = 1; UPDATE server SET name = '\\N'"
	vmrt-report push "$uri" "$work/odd.vmrt" || return 1
	[ "$(sql "SELECT r.name = 'odd''); DROP SCHEMA vmrt CASCADE; --', h.name = 'a\\b\$1', command = E'x\\t\\\\N\\n\\\\.\\ny'
		FROM vmrt.runs r JOIN vmrt.hosts h ON h.id = host WHERE uuid = '22222222-0000-4000-8000-000000000001'")" = "t|t|t" ] &&
		[ "$(sql "SELECT string_agg((task = E'\\ta\\\\tb\\n\"{,}''')::text || (task = '?a?(')::text, ',' ORDER BY task_id) FROM vmrt.tasks
			WHERE run = (SELECT max(id) FROM vmrt.runs)")" = "truefalse,falsetrue,falsefalse" ] &&
		[ "$(sql "SELECT server FROM vmrt.servers WHERE run = (SELECT max(id) FROM vmrt.runs)")" = '\N' ] &&
		sql "DELETE FROM vmrt.runs WHERE id = (SELECT max(id) FROM vmrt.runs)"
}

# A password in the URI is in no message, whatever goes wrong.
never_prints_a_password() {
	local word=Pass-w0rd-of-mine
	for bad in "postgresql://tester:$word@/postgres?host=$work/pg" "postgresql://tester:$word@/postgres?host=$work/nowhere" \
		"postgresql://tester:$word@localhost:99999/x" "postgresql://tester:$word@[::1/x" "postgresql://tester:$word@/x?nonsense=1" \
		"postgresql:///postgres?host=$work/pg&user=tester&password=$word" "postgresql://tester:$word@/$word?host=$work/pg" \
		"postgresql://tester:$word@/postgres?host=$work/$word"; do
		vmrt-report push "$bad" "$many/run-0001.vmrt" >"$work/text" 2>&1
		[ $? = 1 ] && [ -s "$work/text" ] || { echo "$bad:"; cat "$work/text"; return 1; }
		! grep -q "$word" "$work/text" || { cat "$work/text"; return 1; }
		vmrt-report trend "$bad" >"$work/text" 2>&1
		[ $? = 1 ] && ! grep -q "$word" "$work/text" || { cat "$work/text"; return 1; }
	done
	PGPASSWORD=$word PGPASSFILE=/dev/null vmrt-report push "$uri" "$many/run-0001.vmrt" >"$work/text" 2>&1
	[ $? = 1 ] && ! grep -q "$word" "$work/text"
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local left=$(($1 * 20))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.05
	done
}

# A server that never answers: a signal ends it at once, the password is not in /proc, and connect_timeout holds.
silent_server_and_interrupt() {
	local pid port began
	perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1"); open F, ">", "$ARGV[0].new"; print F $s->sockport; close F;
		rename "$ARGV[0].new", $ARGV[0]; sleep 60' "$work/port" &
	local server=$!
	wait_for 10 test -s "$work/port" || return 1
	port=$(cat "$work/port")
	vmrt-report push "postgresql://tester:Pass-w0rd@127.0.0.1:$port/x?sslmode=disable" "$many/run-0001.vmrt" 2>"$work/err" &
	pid=$!
	wait_for 10 sh -c "grep -q 'xxxx@127' /proc/$pid/cmdline 2>/dev/null"
	local hidden=$?
	kill -TERM $pid
	began=$SECONDS
	wait $pid
	local status=$?
	[ $hidden = 0 ] && [ $status = 1 ] && [ $((SECONDS - began)) -le 5 ] && grep -q interrupted "$work/err" || { kill $server; return 1; }
	began=$SECONDS
	vmrt-report push "postgresql://tester@127.0.0.1:$port/x?sslmode=disable&connect_timeout=2" "$many/run-0001.vmrt" 2>"$work/err"
	status=$?
	kill $server
	wait $server 2>/dev/null
	[ $status = 1 ] && [ $((SECONDS - began)) -le 8 ] && grep -q "no answer in time" "$work/err"
}

# A signal while the server waits for a lock: the run is not there, the server is not kept busy.
interrupt_of_a_query() {
	local pid before
	before=$(sql "SELECT count(*) FROM vmrt.runs")
	cp -r "$many/run-0001.vmrt" "$work/locked.vmrt" &&
		sqlite3 "$work/locked.vmrt/run.db" "UPDATE run SET uuid = '33333333-0000-4000-8000-000000000001'"
	psql -Xq "$uri" -c "BEGIN; LOCK TABLE vmrt.tasks; SELECT pg_sleep(30); COMMIT" >/dev/null 2>&1 &
	local locker=$!
	wait_for 10 sh -c "[ \"\$(psql -XAtq '$uri' -c \"SELECT count(*) FROM pg_locks WHERE relation = 'vmrt.tasks'::regclass AND mode = 'AccessExclusiveLock'\")\" = 1 ]"
	vmrt-report push "$uri" "$work/locked.vmrt" 2>"$work/err" &
	pid=$!
	wait_for 10 sh -c "[ \"\$(psql -XAtq '$uri' -c \"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vmrt-report' AND wait_event_type = 'Lock'\")\" = 1 ]" || return 1
	kill -TERM $pid
	wait $pid
	local status=$?
	wait_for 5 sh -c "[ \"\$(psql -XAtq '$uri' -c \"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vmrt-report'\")\" = 0 ]"
	local gone=$?
	kill $locker
	wait $locker 2>/dev/null
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()" >/dev/null
	[ $status = 1 ] && [ $gone = 0 ] && grep -q interrupted "$work/err" && [ "$(sql "SELECT count(*) FROM vmrt.runs")" = "$before" ]
}

# Killed at any moment, only whole runs are there; pushing again completes them.
killed_leaves_whole_runs() {
	sql "CREATE DATABASE killed" || return 1
	local other="postgresql://tester@/killed?host=$work/pg"
	for delay in 0.05 0.12 0.2 0.3; do
		vmrt-report push -q "$other" "$many" &
		sleep $delay
		kill -KILL $! 2>/dev/null
		wait $! 2>/dev/null
		[ -n "$(psql -XAtq "$other" -c "SELECT to_regclass('vmrt.runs')")" ] || continue
		[ "$(psql -XAtq "$other" -c "SELECT count(*) FROM vmrt.runs r WHERE (SELECT count(*) FROM vmrt.tasks t WHERE t.run = r.id) <> 3 OR
			(SELECT count(*) FROM vmrt.task_histograms t WHERE t.run = r.id AND metric = 'response') <> 3 OR
			(SELECT count(*) FROM vmrt.server_histograms t WHERE t.run = r.id) <> 2")" = 0 ] || return 1
	done
	vmrt-report push -q "$other" "$many" && [ "$(psql -XAtq "$other" -c "SELECT count(*) FROM vmrt.runs")" = "$runs" ] &&
		sql "DROP DATABASE killed"
}

two_at_once() {
	sql "CREATE DATABASE two" || return 1
	local other="postgresql://tester@/two?host=$work/pg" one
	vmrt-report push -q "$other" "$many" &
	one=$!
	vmrt-report push -q "$other" "$many" || return 1
	wait $one && [ "$(psql -XAtq "$other" -c "SELECT count(*), count(DISTINCT uuid) FROM vmrt.runs")" = "$runs|$runs" ] && sql "DROP DATABASE two"
}

finds_the_database_as_libpq_does() {
	printf '[lab]\nhost=%s\nuser=tester\ndbname=postgres\n' "$work/pg" >"$work/services"
	PGSERVICEFILE=$work/services vmrt-report push "postgresql://?service=lab" "$many/run-0001.vmrt" 2>"$work/err" &&
		PGSERVICEFILE=$work/services PGSERVICE=lab vmrt-report push "postgresql://" "$many/run-0001.vmrt" &&
		PGHOST=$work/pg PGUSER=tester PGDATABASE=postgres vmrt-report push "postgres://" "$many/run-0001.vmrt" &&
		PGPASSFILE=/dev/null PGPASSWORD=s3cret-Word vmrt-report push "$uri" "$many/run-0001.vmrt"
}

other_schemas_are_refused() {
	sql "UPDATE vmrt.version SET schema_version = 99"
	exits 1 "made by a newer vmrt" push "$uri" "$many/run-0001.vmrt" && exits 1 "made by a newer vmrt" trend "$uri" || return 1
	sql "UPDATE vmrt.version SET schema_version = 1"
	sql "CREATE DATABASE foreign_one" && psql -Xq "$uri" -c "" && psql -Xq "postgresql://tester@/foreign_one?host=$work/pg" -c "CREATE SCHEMA vmrt" || return 1
	exits 1 "that vmrt did not make" push "postgresql://tester@/foreign_one?host=$work/pg" "$many/run-0001.vmrt" &&
		psql -Xq "postgresql://tester@/foreign_one?host=$work/pg" -c "DROP SCHEMA vmrt" &&
		exits 1 "no runs were pushed to it" trend "postgresql://tester@/foreign_one?host=$work/pg" && sql "DROP DATABASE foreign_one"
}

# What a stranger's database says takes no time and no memory, however large its counts are.
any_count_ends() {
	sql "CREATE DATABASE huge" || return 1
	local other="postgresql://tester@/huge?host=$work/pg" values missed
	vmrt-report push -q "$other" "$many" || return 1
	for missed in 1 1000000000 140737488355328; do
		values=$((missed * 2))
		psql -Xq "$other" -c "UPDATE vmrt.tasks SET jobs = $values, met = $missed, missed = $missed;
			UPDATE vmrt.task_histograms h SET histogram = ROW($values, 1, 1, 40, '{10,30}', '{$missed,$missed}')::vmrt.histogram;
			UPDATE vmrt.servers SET windows = $values, violations = $missed;
			UPDATE vmrt.server_histograms h SET histogram = ROW($values, 1, 1, 40, '{10,30}', '{$missed,$missed}')::vmrt.histogram" || return 1
		(ulimit -t 5 -v 1000000 && exec vmrt-report trend --allow-loss --format csv --table tests "$other") >"$work/tests" 2>"$work/err" ||
			{ echo "$missed: $?"; cat "$work/err"; return 1; }
		# the runs are the same: nothing is more than chance, or the counts are not tested
		grep -q Fisher "$work/tests" && ! grep -v '^uuid' "$work/tests" | grep -Eq ',(worse|better),' || { cat "$work/tests"; return 1; }
	done
	grep -q 'too large, or impossible' "$work/tests" && sql "DROP DATABASE huge"
}

# ---- trend ----

same_from_both() {
	for args in "" "--baseline 3" "--format csv" "--format json --baseline 2 --task late" "--baseline 00000000-0000-4000-8000-000000000003" \
		"--host alpha --last 1 --table tests --format csv" "--since 2026-01-01T10:00:00Z --until 2026-01-02 --server vm" "--least 50 --name made"; do
		# shellcheck disable=SC2086 # words
		vmrt-report trend $args "$uri" >"$work/a" 2>"$work/err-a"
		local a=$?
		# shellcheck disable=SC2086
		vmrt-report trend $args "$many" >"$work/b" 2>"$work/err-b"
		[ "$a" = $? ] && [ -s "$work/a" ] && diff "$work/a" "$work/b" && diff "$work/err-a" "$work/err-b" || { echo "$args: $a"; return 1; }
	done
}

# dates RUNS ARGUMENT...: these choose that many runs, from the folder and from the database, wherever the database's clock is
dates() {
	local want=$1 zone
	shift
	vmrt-report trend --format csv --table tasks --task even "$@" "$many" >"$work/a" 2>"$work/err-a"
	[ "$(tail -n +2 "$work/a" | wc -l)" = "$want" ] || { echo "$* of the folder:"; cat "$work/a" "$work/err-a"; return 1; }
	for zone in UTC Asia/Tokyo America/New_York; do
		PGTZ=$zone vmrt-report trend --format csv --table tasks --task even "$@" "$uri" >"$work/b" 2>"$work/err-b"
		diff "$work/a" "$work/b" || { echo "$* in $zone"; cat "$work/err-b"; return 1; }
	done
}

# Run N was recorded N hours after the first of January.
dates_are_utc() {
	dates $((runs - 23)) --since 2026-01-02 && dates 23 --until 2026-01-02 &&
		dates 5 --since 2026-01-02T01:00:00 --until 2026-01-02T06:00:00Z &&
		dates 1 --since 2026-01-01T07:00:00Z --until 2026-01-01T07:00:01
}

# What is worse is the slow task of the last tenth of the runs, and nothing else.
finds_the_regression() {
	vmrt-report trend --baseline 3 --format csv --table worse "$many" >"$work/text"
	[ $? = 2 ] || return 1
	awk -F, 'NR > 1 { gsub(/"/, ""); print $2, $5 }' "$work/text" | sort -u >"$work/found"
	for ((r = runs - runs / 10 + 1; r <= runs; r++)); do printf 'run-%04d vm/late\n' "$r"; done >"$work/slow"
	diff "$work/slow" "$work/found" &&
		[ "$(awk -F, 'NR > 1 { gsub(/"/, ""); print $6 }' "$work/text" | sort -u | tr '\n' ' ')" = "miss response tail " ]
}

nothing_worse_without_it() {
	vmrt-report trend --baseline 3 --until "$(date -u -d "@$((1767225600 + (runs - runs / 10) * 3600 + 1))" +%Y-%m-%dT%H:%M:%SZ)" "$uri" >"$work/text" &&
		! grep -q WORSE "$work/text" && vmrt-report trend --baseline 3 --task even --task rare "$uri" >/dev/null &&
		vmrt-report trend --baseline 3 --task late --least 60 --format csv --table tests "$uri" | grep -c 'response.*WORSE' | grep -qx 0
}

loss_is_not_tested() {
	mkdir "$work/loss" && cp -r "$many/run-0001.vmrt" "$work/loss/a.vmrt" && cp -r "$many/run-$(printf %04d "$runs").vmrt" "$work/loss/b.vmrt" || return 1
	sqlite3 "$work/loss/b.vmrt/run.db" "UPDATE run SET hsf = 1, hostname = 'alpha'; INSERT INTO loss VALUES(0, 0, 1100000000, 1200000000, 7, 'overrun')"
	sqlite3 "$work/loss/a.vmrt/run.db" "UPDATE run SET hostname = 'alpha'"
	exits 3 "events were lost" trend "$work/loss" && exits 2 "" trend --allow-loss "$work/loss"
}

# p of a single test is that of vmrt-report --compare, and Holm's correction is right: by hand for three tests.
p_is_that_of_compare() {
	mkdir "$work/two" && cp -r "$many/run-0001.vmrt" "$work/two/a.vmrt" && cp -r "$many/run-$(printf %04d $((runs - 1))).vmrt" "$work/two/b.vmrt" || return 1
	for d in a b; do sqlite3 "$work/two/$d.vmrt/run.db" "UPDATE run SET hostname = 'alpha', hsf = 1; UPDATE checked SET judged = 0; UPDATE server SET enforced = 0"; done
	vmrt-report trend --format json --table tests --task late "$work/two" >"$work/json"
	vmrt-report --compare --format json --table tests --task late "$work/two/a.vmrt" "$work/two/b.vmrt" >"$work/compare"
	# the ranks are those of buckets, and hardly differ
	jq -e --slurpfile c "$work/compare" '[.trends[].tests[] | select(.of == "vm/late")] as $t |
		($c[0] | [.. | objects | select(.metric? and .p? != null)]) as $k |
		($t | map({key: .metric, value: .p}) | from_entries) as $p | ($k | map({key: .metric, value: .p}) | from_entries) as $q |
		($t | map(.p) | sort) as $s | ($t | map(.p_corrected) | sort) as $r |
		def near(a; b): (a | log) / (b | log) | . > 0.9999 and . < 1.0001;
		($t | length == 3) and near($p.miss; $q.miss_ratio) and ((($p.response | log) / ($q.responses | log)) | . > 0.99 and . < 1.01) and
		near($r[0]; $s[0] * 3) and near($r[1]; [$s[1] * 2, $s[0] * 3] | max) and near($r[2]; [$s[2], $s[1] * 2] | max)' "$work/json" >/dev/null ||
		{ cat "$work/json" "$work/compare"; return 1; }
}

# Every query of docs/many-runs.md answers something.
queries_of_the_page() {
	local query file
	awk -v to="$work/query" '/^```sql/ { n++; file = to n ".sql"; next } /^```$/ { file = ""; next } file { print > file }' docs/many-runs.md
	for file in "$work"/query*.sql; do
		query=$(sed 's/\$__timeFilter(\([a-z_.]*\))/\1 > '"'2000-01-01'"'/' "$file")
		sql "$query" >"$work/answer" && [ -s "$work/answer" ] || { cat "$file"; return 1; }
	done
	[ "$(find "$work" -name 'query*.sql' | wc -l)" -ge 8 ]
}

# The page names every table, view and function.
page_is_complete() {
	sql "SELECT relname FROM pg_class WHERE relnamespace = 'vmrt'::regnamespace AND relkind IN ('r', 'v') UNION
		SELECT proname FROM pg_proc WHERE pronamespace = 'vmrt'::regnamespace AND proname <> 'merged'" >"$work/names"
	while read -r name; do grep -q "\`\(vmrt\.\)\?$name\b" docs/many-runs.md || { echo "the page lacks $name"; return 1; }; done <"$work/names"
}

ok "runs are pushed, and the schema made" pushes_all
ok "runs that are there are not pushed again" pushes_nothing_twice
ok "percentiles over all runs are exact to a bucket" percentiles_of true 1
ok "percentiles of one host's enforced runs, too" percentiles_of "hsf AND o.name = 'alpha'" "\$2 == 1 && \$3 == \"alpha\""
ok "percentiles of the runs since a moment, too" percentiles_of "recorded_at >= '2026-01-02T00:00:00Z'" "\$7 >= \"2026-01-02T00:00:00Z\""
ok "misses and their intervals over all runs are right" misses_of true 1
ok "misses of the runs without enforcement, too" misses_of "NOT hsf" "\$2 == 0"
ok "the views show of a run what the report shows" views_agree_with_the_report
ok "overshoots of servers are exact to a bucket, also negative ones" overshoots_are_exact_to_a_bucket
ok "SQL and C have the same buckets" buckets_are_those_of_c
ok "the queries of docs/many-runs.md answer" queries_of_the_page
ok "docs/many-runs.md names every table and function" page_is_complete
ok "a run that was analysed again replaces the former" analysed_again_is_replaced
ok "a run that fails is named, and the others go in" one_that_fails_keeps_none_out
ok "names of strangers are data" names_of_strangers_stay_names
ok "no message holds a password" never_prints_a_password
ok "a server that never answers can be interrupted, and times out" silent_server_and_interrupt
ok "a query of the server can be interrupted" interrupt_of_a_query
ok "a push that is killed leaves whole runs" killed_leaves_whole_runs
ok "two that push at once put each run in once" two_at_once
ok "PGSERVICE, PGHOST, PGPASSWORD and PGPASSFILE are libpq's" finds_the_database_as_libpq_does
ok "schemas of other versions and of others are refused" other_schemas_are_refused
ok "trend of folders and of the database are the same" same_from_both
ok "dates that choose runs are UTC, whatever the database's time zone is" dates_are_utc
ok "trend finds the task that became slower, and nothing else" finds_the_regression
ok "trend finds nothing where nothing became worse" nothing_worse_without_it
ok "runs with loss are not tested, and that is said" loss_is_not_tested
ok "the tests of trend are those of --compare" p_is_that_of_compare
ok "trend ends whatever counts a database has" any_count_ends
ok "exit status 64 without a database" exits 64 "no database is named" push "$many"
ok "exit status 64 without a run" exits 64 "no run is named" push "$uri"
for option in --from --to; do
	ok "exit status 64 for $option with a database" exits 64 "the database has figures of whole runs only" trend $option 1s "$uri"
	ok "exit status 64 for a date with $option" exits 64 "runs are chosen by their date with --since and --until" trend $option 2026-01-02 "$many"
done
for date in 2026-02-29 2026-13-01 2026-00-10 2026-01-00 2026-01-01T24:00:00 2026-01-01T08:60:00Z 2026-01-01T08:00:60Z 2026-1-1; do
	ok "exit status 64 for the date $date" exits 64 "'$date' is not a date" trend --since "$date" "$many"
done
ok "the 29th of February is a date in a leap year" exits 1 "no run is of the --host" trend --since 2028-02-29 "$many"
ok "exit status 1 for a baseline that is no run" exits 1 "no run is called" trend --baseline nothing "$many"
ok "exit status 1 for a task that no run has" exits 1 "no run has a task 'nothing'" trend --task nothing "$many"
ok "exit status 64 for a command that is almost one" exits 64 "did you mean the command trend?" trned "$many"
echo "1..$n"
exit $failed

# shellcheck shell=bash
# The scenarios of scripts/compare-schedulers with two VMs, "upper" and "lower", on one CPU: what the policy of their servers
# does to the lower one. Sourced after vmrt.sh and experiment.sh. Uses: root, O, out, db, experiment, sql().
# shellcheck disable=SC2154,SC2034 # those are the sourcing script's, which uses what is set here

TWO_VARIANTS="periodic polling deferrable sporadic edf"

TWO_TABLES="CREATE TABLE IF NOT EXISTS two_run(id INTEGER PRIMARY KEY, variant TEXT, repetition INTEGER, span_ns INTEGER);
CREATE TABLE IF NOT EXISTS two_job(run INTEGER, task TEXT, response_ns INTEGER, outcome TEXT, excused INTEGER, waited_ns INTEGER);
CREATE TABLE IF NOT EXISTS two_server(run INTEGER, server TEXT, supply_ns INTEGER, blackout_ns INTEGER);"

# two_experiment POLICY: the experiment file of a run, in which every server has this policy
two_experiment() { sed "s/^policy *=.*/policy = $1/" "$experiment"; }

# two_take RUN VARIANT REPETITION: into the results what the table needs of a recording
two_take() {
	local from to
	IFS='|' read -r from to < <(sqlite3 -batch "$1/run.db" "SELECT min(arrival_ns), max(coalesce(end_ns, deadline_ns)) FROM job")
	[ -n "$to" ] || return 1
	sql "ATTACH '${1//\'/\'\'}/run.db' AS r;
	BEGIN;
	INSERT INTO two_run SELECT NULL, '$2', $3, $to - $from;
	INSERT INTO two_job SELECT (SELECT max(id) FROM two_run), t.machine_name || '/' || t.name, j.response_ns, j.outcome, j.excused,
		coalesce((SELECT ns FROM r.blame b WHERE b.task = j.task AND b.k = j.k AND b.part = 'server'), 0)
		FROM r.job j JOIN r.task t ON t.id = j.task;
	INSERT INTO two_server SELECT (SELECT max(id) FROM two_run), s.name,
		(SELECT total(min(l.end_ns, $to) - max(l.start_ns, $from)) FROM r.slice l JOIN r.thread h ON h.id = l.thread
			WHERE h.vm = s.vm AND h.role = 'vcpu' AND l.end_ns > $from AND l.start_ns < $to),
		(SELECT max(blackout_ns) FROM r.server_period p WHERE p.server = s.id) FROM r.server s;
	COMMIT;"
}

# One row for each variant; durations in ms, percentiles by nearest rank, everything pooled over the repetitions.
TWO_VIEWS="CREATE TEMP VIEW ranked AS SELECT r.variant, j.task, j.response_ns, row_number() OVER w AS k,
	count(*) OVER (PARTITION BY r.variant, j.task) AS n FROM two_job j JOIN two_run r ON r.id = j.run
	WHERE j.outcome IN ('met', 'missed') WINDOW w AS (PARTITION BY r.variant, j.task ORDER BY j.response_ns);
CREATE TEMP VIEW response AS SELECT variant, task, min(CASE WHEN k * 100 >= n * 99 THEN response_ns END) / 1e6 AS p99,
	max(response_ns) / 1e6 AS most FROM ranked GROUP BY 1, 2;
CREATE TEMP VIEW one AS SELECT r.id, r.variant, j.task, sum(j.outcome LIKE 'missed%') AS missed,
	sum(j.outcome IN ('met', 'missed', 'missed_incomplete')) AS known, max(j.waited_ns) / 1e6 AS waited
	FROM two_job j JOIN two_run r ON r.id = j.run GROUP BY 1, 3;
CREATE TEMP VIEW misses AS SELECT variant, task, sum(known) AS jobs, 100.0 * sum(missed) / sum(known) AS missed,
	min(100.0 * missed / known) AS least, max(100.0 * missed / known) AS most, max(waited) AS waited FROM one GROUP BY 1, 2;
CREATE TEMP VIEW supply AS SELECT r.variant, s.server, 100.0 * sum(s.supply_ns) / sum(r.span_ns) AS share, max(s.blackout_ns) / 1e6 AS blackout
	FROM two_server s JOIN two_run r ON r.id = s.run GROUP BY 1, 2;
CREATE TEMP VIEW two_result AS SELECT v.variant, (SELECT count(*) FROM two_run r WHERE r.variant = v.variant) AS runs,
	u.jobs AS upper_jobs, u.missed AS upper_missed, u.least AS upper_least, u.most AS upper_most, ru.p99 AS upper_p99, ru.most AS upper_max,
	l.jobs AS lower_jobs, l.missed AS lower_missed, rl.p99 AS lower_p99, rl.most AS lower_max, l.waited AS lower_waited,
	sl.share AS lower_share, sl.blackout AS lower_blackout
	FROM (SELECT DISTINCT variant FROM two_run) v
	LEFT JOIN misses u ON u.variant = v.variant AND u.task LIKE 'upper/%' LEFT JOIN misses l ON l.variant = v.variant AND l.task LIKE 'lower/%'
	LEFT JOIN response ru ON ru.variant = v.variant AND ru.task LIKE 'upper/%' LEFT JOIN response rl ON rl.variant = v.variant AND rl.task LIKE 'lower/%'
	LEFT JOIN supply sl ON sl.variant = v.variant AND sl.server = 'lower';"
TWO_ORDER="ORDER BY instr('$TWO_VARIANTS', variant)"

two_table() {
	sql -cmd "$TWO_VIEWS" -cmd ".mode markdown" "SELECT variant AS policy, runs,
		printf('%.1f (%.1f-%.1f)', upper_missed, upper_least, upper_most) AS 'upper missed, %', printf('%.1f', upper_p99) AS 'upper p99, ms',
		printf('%.1f', upper_max) AS 'upper max, ms', coalesce(printf('%.1f', lower_missed), '-') AS 'lower missed, %',
		CASE WHEN lower_jobs IS NULL THEN '-' ELSE printf('%.1f', lower_p99) END AS 'lower p99, ms',
		CASE WHEN lower_jobs IS NULL THEN '-' ELSE printf('%.1f', lower_max) END AS 'lower max, ms',
		CASE WHEN lower_jobs IS NULL THEN '-' ELSE printf('%.1f', lower_waited) END AS 'held back by upper, ms',
		printf('%.1f', lower_share) AS 'lower received, %', printf('%.1f', lower_blackout) AS 'lower blackout, ms' FROM two_result $TWO_ORDER"
}

two_show() {
	two_table | tee "$out/table.md"
	sql -cmd "$TWO_VIEWS" -cmd ".mode csv" -cmd ".headers on" "SELECT * FROM two_result $TWO_ORDER" >"$out/table.csv"
	sql -cmd "$TWO_VIEWS" -cmd ".mode tabs" "SELECT '', variant, upper_p99, lower_p99, lower_waited, lower_share, lower_blackout FROM two_result $TWO_ORDER" >"$out/bars.tsv"
}

TWO_TITLES='upper: p99, ms|lower: p99, ms|lower: held back, ms|lower: received, %|lower: longest blackout, ms'

two_batch='' # what keeps the lower VM busy

# two_start: boots both, measures how fast the guests are, and keeps the lower one busy if it has no task of its own
two_start() {
	local guest guests="upper lower"
	for guest in $guests; do
		"$root/scripts/vm" stop "$guest" 2>/dev/null
		"$root/scripts/vm" start "$guest" --cpu 0 --memory 128M 3>&- || return 1
		"$root/scripts/vm" put "$guest" "$out/tasks.ini" /experiment.ini || return 1
	done
	if [ ! -s "$out/calibration.guest" ]; then
		(vm=upper && vms_priority fifo 50)
		(vm=upper && guest_prepare "$out/tasks.ini") || return 1
		(vm=upper && vms_priority other 0)
		"$root/scripts/vm" get upper /calibration "$out/calibration.guest" || return 1
	fi
	vm=upper
	for guest in $guests; do "$root/scripts/vm" put "$guest" "$out/calibration.guest" /calibration || return 1; done
	if grep -q '^\[task lower/' "$experiment"; then
		vm="upper lower"
	else
		setsid "$root/scripts/vm" exec lower 'while :; do :; done' >/dev/null 2>&1 3>&- &
		two_batch=$!
	fi
}

two_stop() {
	[ -z "$two_batch" ] || kill -9 -- "-$two_batch" 2>/dev/null
	"$root/scripts/vm" stop upper 2>/dev/null
	"$root/scripts/vm" stop lower 2>/dev/null
	return 0
}

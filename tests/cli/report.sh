#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-report on the small runs of tests/data. UPDATE=1 rewrites the expected texts.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-report-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-report
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh

same_text() { # same_text EXPECTED ARGUMENT...
	local expected=$top/tests/data/$1
	shift
	vmrt-report "$@" >"$work/text" 2>/dev/null
	[ "${UPDATE:-0}" = 1 ] && cp "$work/text" "$expected"
	diff -u "$expected" "$work/text"
}

fits_80() { # of every report in text
	for args in "--histogram --cdf hsf.vmrt" "--histogram --cdf nohsf.vmrt" "hsf.vmrt" "--compare nohsf.vmrt hsf.vmrt" "--compare --full nohsf.vmrt hsf.vmrt" "--compare --full nohsf.vmrt hsf.vmrt hsf2.vmrt"; do
		# shellcheck disable=SC2086 # the words of args are arguments
		vmrt-report --allow-loss $args >"$work/text" || return 1
		awk 'length > 80 { print; bad = 1 } END { exit bad }' "$work/text" || return 1
	done
}

fits_200() { # and uses it
	vmrt-report --allow-loss --width 200 --histogram --cdf hsf.vmrt nohsf.vmrt |
		awk 'length > 200 { print; bad = 1 } length > 120 { wide = 1 } END { exit bad || !wide }'
}

# A run of 40 tasks and 8 servers fits on one screen; nothing of the tables is missing behind --full.
answer_fits_a_screen() {
	cp -r hsf.vmrt big.vmrt
	sqlite3 big.vmrt/run.db "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
		INSERT INTO task(id, machine, machine_name, name, period_ns, wcet_ns, deadline_ns, priority)
			SELECT i, 1, 'a_machine_with_a_long_name', 'a_task_with_a_long_name' || i, 20000000, 1000000, 20000000, 1 FROM n;
		WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
		INSERT INTO server SELECT i, 'server' || i, vm, policy, depletion, period_ns, budget_ns, priority, phase_ns, enforced, phase_source, vcpu, uncertain
			FROM n, server WHERE id = 1"
	# the same with eight notes, of which each takes two lines or three
	cp -r big.vmrt noted.vmrt
	sqlite3 noted.vmrt/run.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8)
		INSERT INTO note(about, name, words) SELECT 'server', 'server' || i, 'no thread of thread:a_long_pattern* was recorded: what the server got is ' ||
			'not known; nearest: a_thread_with_a (thread 105), a_thread_with_b (thread 115), a_thread_with_c (thread 125)' FROM n"
	for args in hsf.vmrt nohsf.vmrt big.vmrt noted.vmrt "--compare nohsf.vmrt hsf.vmrt" "--compare big.vmrt hsf.vmrt nohsf.vmrt"; do
		# shellcheck disable=SC2086 # the words of args are arguments
		vmrt-report --allow-loss $args >"$work/text" || return 1
		[ "$(wc -l <"$work/text")" -le 24 ] || { cat "$work/text"; return 1; }
		awk 'length > 80 { print; bad = 1 } END { exit bad }' "$work/text" || return 1
	done
	[ "$(vmrt-report --allow-loss --full big.vmrt | grep -c '^server[0-9]')" -ge 8 ]
}

# The worst task is the first one, with its numbers and its cause in words.
answer_says_it() {
	vmrt-report --allow-loss hsf.vmrt >"$work/text"
	grep -Eq '^demo/rt_task1 +9 +3 +50\.0 +18\.8-81\.2 +12\.0 +25\.0 +25\.0 +20 +no budget$' "$work/text" &&
		grep -Eq '^demo +10/12 +93\.2 +78\.5 +100 +1\.98 +1 VIOLATED$' "$work/text" &&
		grep -q '^trust  *7 events lost, 1 of 9 jobs unknown; clock error <= 120 us; steal 400' "$work/text" &&
		grep -q '^next  *vmrt-report --full hsf.vmrt' "$work/text"
}

# What the answer advises can be done, whatever the folder is called.
answer_commands_work() {
	local odd="a 'b.vmrt" command
	cp -r hsf.vmrt "$odd" || return 1
	command=$(vmrt-report --allow-loss --format html "$odd" | perl -ne 'print "$1\n" while m{<dt>next</dt><dd>(.*?)</dd>}g' | perl -pe 's/&#(\d+);/chr $1/ge')
	# the run is made up and has no recordings, so that its events cannot be shown; that is all what may be missing
	eval "$command" >"$work/text" 2>"$work/err"
	grep -q '^small-hsf' "$work/text" && grep -q "^vmrt-trace: error: .*$odd" "$work/err" || { echo "$command"; cat "$work/err"; return 1; }
}

no_blanks_at_line_ends() {
	! vmrt-report --allow-loss --histogram --cdf hsf.vmrt nohsf.vmrt | grep -n ' $'
}

# Where a table has to be split anyway, its names are not cut: dem..sk1 could be any task.
names_are_whole() {
	for width in 40 60 79; do
		vmrt-report --allow-loss --width $width nohsf.vmrt >"$work/text" 2>/dev/null
		grep -q '^demo/rt_task1 ' "$work/text" && grep -q '^demo/rt_task2 ' "$work/text" || return 1
		! grep -F .. "$work/text" || return 1
	done
}

# Of what is shown, nothing changes with the width.
same_at_any_width() {
	for width in 80 100 133 200; do
		vmrt-report --full --allow-loss --width $width hsf.vmrt | tr -s ' \n=' '\n' | grep -E '^-?[0-9]+\.[0-9]+$' | sort >"$work/width-$width"
		cmp "$work/width-80" "$work/width-$width" || return 1
	done
	[ "$(wc -l <"$work/width-80")" -gt 40 ]
}

# Narrow terminals, and titles of groups that stand side by side.
fits_narrow() {
	for width in 40 60 79; do
		vmrt-report --full --allow-loss --width $width hsf.vmrt >"$work/text" || return 1
		! awk -v w=$width 'length > w' "$work/text" | grep . || return 1
	done
}

titles_are_whole() {
	for width in 80 100 110 120 133 160 200; do
		vmrt-report --full --allow-loss --width $width hsf.vmrt nohsf.vmrt >"$work/text" || return 1
		! grep -E '[a-z ]\.\.[a-z]' "$work/text" || return 1
	done
}

conditions_only() {
	vmrt-report --allow-loss --quiet --fail-if 'miss(rt_task1) > 99%' --fail-if 'jobs < 1' nohsf.vmrt >"$work/text"
	[ $? -ne 64 ] || return 1
	grep -q 'rt_task1' "$work/text" && ! grep -Eq 'Servers|summary|answer|Tasks' "$work/text" &&
		exits 64 "--quiet goes with --fail-if" --quiet nohsf.vmrt
}

named_tables_are_made() {
	[ "$(vmrt-report --allow-loss --table histogram --format csv hsf.vmrt | wc -l)" -gt 3 ] &&
		[ "$(vmrt-report --allow-loss --table cdf --format csv hsf.vmrt | wc -l)" -gt 3 ]
}

# Every element that is opened is closed where it should be; those that end by themselves left aside.
well_formed() {
	perl -0777 -ne 'my @open;
		while (m{<(/?)([a-zA-Z0-9]+)((?:[^<>"]|"[^"]*")*?)(/?)>}g) {
			next if $4 || $2 =~ /^(meta|dt|dd)$/;
			if (!$1) { push @open, $2; next; }
			my $last = pop @open;
			if ($last ne $2) { print "$2 ends, but $last is open\n"; exit 1; }
		}
		exit @open > 0' "$1"
}

page_needs_nothing_else() {
	vmrt-report --allow-loss --format html hsf.vmrt >"$work/page.html" || return 1
	! grep -noiE '<script|<link|<img|<iframe|src=|href=|url\([^#]|@import|https?:' "$work/page.html" &&
		grep -q 'prefers-color-scheme' "$work/page.html" &&
		[ "$(grep -c '<svg ' "$work/page.html")" = 6 ] && [ "$(grep -c '</svg>' "$work/page.html")" = 6 ] &&
		well_formed "$work/page.html"
}

# What the database answers, in the same formats.
queries() {
	[ "$(vmrt-report --format csv --sql 'SELECT k, response_ns AS r, cause, 0.5 AS x FROM job WHERE k < 4 ORDER BY k' hsf.vmrt)" = \
		"$(sqlite3 -csv -header hsf.vmrt/run.db 'SELECT k, response_ns AS r, cause, 0.5 AS x FROM job WHERE k < 4 ORDER BY k' | tr -d '\r')" ] &&
		vmrt-report --format json --sql 'SELECT count(*) AS n FROM jobs' hsf.vmrt nohsf.vmrt |
		jq -e '[.runs[].query[0].n] == [9, 10]'
}

reading_only() { # not even a file beside it
	local sum
	sum=$(md5sum <hsf.vmrt/run.db)
	for query in 'DELETE FROM job' "ATTACH 'beside.db' AS b" 'CREATE TABLE x(y)' 'PRAGMA user_version = 9' 'VACUUM INTO "beside.db"' \
		'SELECT load_extension("x")' 'CREATE TEMP TABLE x AS SELECT 1' 'SELECT 1; DELETE FROM job' ' '; do
		exits 1 "--sql" --sql "$query" hsf.vmrt || return 1
	done
	[ "$(md5sum <hsf.vmrt/run.db)" = "$sum" ] && [ ! -e beside.db ]
}

parts_of_a_run() { # against sqlite3
	for from in 0 33 90; do
		for skip in 0 2; do
			want=$(sql "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE arrival_ns >= 1000000000 + $from * 1000000 AND
				arrival_ns < 1130000000 ORDER BY k LIMIT -1 OFFSET $skip)")
			got=$(vmrt-report --allow-loss --from ${from}ms --to 130ms --skip-first $skip --format json hsf.vmrt |
				jq '.runs[0].tasks[0].jobs')
			[ "$want" = "$got" ] || { echo "from $from, skip $skip: wanted $want, got $got"; return 1; }
		done
	done
}

# The waits between slices of the recorded runs; in neither does a vCPU wait longer after a wake-up.
blackouts_are_waits() {
	for run in none hsf; do
		cp -r "$top/tests/data/demo-$run.vmrt" . && chmod -R u+w "demo-$run.vmrt"
		vmrt-trace analyze -q "demo-$run.vmrt" >/dev/null 2>&1
		want=$(sqlite3 "demo-$run.vmrt/run.db" "SELECT max(start_ns - before) FROM
			(SELECT start_ns, lag(end_ns) OVER (ORDER BY start_ns) AS before, lag(end_state) OVER (ORDER BY start_ns) AS state
			FROM slice WHERE thread IN (SELECT id FROM thread WHERE role = 'vcpu'))
			AS s WHERE state = 0 AND before >= (SELECT min(start_ns) FROM server_period) AND
			start_ns <= (SELECT max(end_ns) FROM server_period) AND NOT EXISTS (SELECT 1 FROM server_period AS p
			WHERE p.outcome IN ('unknown', 'truncated') AND p.start_ns < s.start_ns AND p.end_ns > before)")
		got=$(vmrt-report --format json "demo-$run.vmrt" | jq '.runs[0].servers[0].blackout_max_ns')
		[ "$want" = "$got" ] || { echo "$run: wanted $want, got $got"; return 1; }
	done
}

selection() {
	[ "$(vmrt-report --allow-loss --format csv -T tasks --select miss,response_p99 hsf.vmrt)" = \
		"$(printf 'run,task,miss_ratio,response_p99_ns\nsmall-hsf,demo/rt_task1,0.5,25000000\nsmall-hsf,demo/rt_task2,,')" ] &&
		vmrt-report --allow-loss --select exec_max hsf.vmrt | grep -q '^demo/rt_task1  *12.000$'
}

sql() { sqlite3 "hsf.vmrt/run.db" "$1"; }

# The same number through JSON, JSON Lines, CSV and straight from the database.
agree() {
	local table=$1 row=$2 key=$3 want=$4 json jsonl csv
	json=$(vmrt-report --allow-loss --format json hsf.vmrt | jq -r ".runs[0].${table}[$row].$key | if . == null then \"\" else tostring end")
	jsonl=$(vmrt-report --allow-loss --format jsonl hsf.vmrt |
		jq -r "select(.table == \"$table\").$key | if . == null then \"\" else tostring end" | sed -n "$((row + 1))p")
	csv=$(vmrt-report --allow-loss --format csv --table "$table" hsf.vmrt | awk -F, -v key="$key" -v row="$row" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == key) column = i }
		NR == row + 2 { print $column }')
	[ "$json" = "$want" ] && [ "$jsonl" = "$want" ] && [ "$csv" = "$want" ] ||
		{ echo "$table.$key: wanted '$want', json '$json', jsonl '$jsonl', csv '$csv'"; return 1; }
}

formats_agree() {
	agree tasks 0 jobs "$(sql 'SELECT count(*) FROM jobs WHERE task = "rt_task1"')" &&
		agree tasks 0 missed "$(sql 'SELECT count(*) FROM jobs WHERE outcome LIKE "missed%"')" &&
		agree tasks 0 response_max_ns "$(sql 'SELECT max(response_ns) FROM jobs WHERE outcome IN ("met", "missed")')" &&
		agree tasks 0 response_min_ns "$(sql 'SELECT min(response_ns) FROM jobs WHERE outcome IN ("met", "missed")')" &&
		agree tasks 0 response_p50_ns "$(sql 'SELECT response_ns FROM jobs WHERE outcome IN ("met", "missed") ORDER BY 1 LIMIT 1 OFFSET (5 * 50 + 99) / 100 - 1')" &&
		agree tasks 0 miss_ratio 0.5 &&
		agree tasks 1 miss_ratio "" &&
		agree tasks 1 response_max_ns "" &&
		agree servers 0 depleted "$(sql 'SELECT count(*) FROM server_periods WHERE outcome = "depleted"')" &&
		agree servers 0 enforced true &&
		agree causes 0 misses 1 &&
		agree loss 1 lost "$(sql 'SELECT lost FROM machine WHERE name = "demo"')" &&
		agree analysis_tasks 1 response_bound_ns 194000000 &&
		agree analysis 0 feasible true
}

text_shows_the_same() { # of what CSV says in ns
	local ns
	ns=$(vmrt-report --allow-loss --format csv --table tasks hsf.vmrt | awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == "response_max_ns") column = i }
		NR == 2 { printf "%.3f", $column / 1e6 }')
	for format in text markdown latex; do
		vmrt-report --full --allow-loss --format $format hsf.vmrt | grep -qF "$ns" || { echo "$format: no $ns"; return 1; }
	done
}

valid_json() {
	vmrt-report --allow-loss --format json hsf.vmrt nohsf.vmrt | jq -e '.runs | length == 2' &&
		vmrt-report --allow-loss --compare --format json nohsf.vmrt hsf.vmrt |
		jq -e '.comparison.tasks[] | select(.task == "demo/rt_task1" and .metric == "miss_ratio") |
			."value_small-nohsf" == 0.8 and ."value_small-hsf" == 0.5 and (."p_small-hsf" * 4368 | round) == 1308'
}

hostile_names() {
	cp -r hsf.vmrt evil.vmrt
	sqlite3 evil.vmrt/run.db "UPDATE run SET name = char(27) || '[31m' || char(10) || '{\$x}[exec id]\"';
		UPDATE task SET name = 'a' || char(27) || '\"|&\\' WHERE id = 1"
	for format in text markdown csv json jsonl latex html; do
		vmrt-report --full --allow-loss --format $format evil.vmrt >"$work/out" || return 1
		[ $format = csv ] || ! LC_ALL=C grep -q $'\x1b' "$work/out" || { echo "$format: an escape got through"; return 1; }
	done
	vmrt-report --allow-loss --format json evil.vmrt | jq -e '.runs[0].tasks[0].task | startswith("demo/a")'
}

percentiles_of_many_jobs() { # against sort and awk
	cp -r nohsf.vmrt many.vmrt
	sqlite3 many.vmrt/run.db "DELETE FROM job; WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 4998)
		INSERT INTO job SELECT 1, k, 2, k, k, k, k, k, k, k, k, k, 1, (k * 7919 + 13) % 104729 * 1000, 0, 0, 0, 'met', NULL, 0, 0, NULL, NULL, NULL, NULL, NULL FROM n"
	for p in 50:p50 95:p95 99:p99 99.9:p999; do
		want=$(sqlite3 many.vmrt/run.db 'SELECT response_ns FROM job' | sort -n |
			awk -v p="${p%:*}" '{ v[NR] = $1 } END { r = p * NR / 100; i = int(r); print v[i < r ? i + 1 : i] }')
		got=$(vmrt-report --format json many.vmrt | jq ".runs[0].tasks[0].response_${p#*:}_ns")
		[ "$want" = "$got" ] || { echo "$p: wanted $want, got $got"; return 1; }
	done
}

PATH=$bin:$PATH
small_runs "$work/runs"
cp -r "$work/runs/hsf.vmrt" "$work/runs/hsf2.vmrt"
cd "$work/runs" || exit 1

ok "the report of a run is as expected" same_text small-hsf.txt --full hsf.vmrt
ok "the report of a run without server is as expected" same_text small-nohsf.txt --full nohsf.vmrt
ok "the comparison is as expected" same_text small-compare.txt --full --allow-loss --compare nohsf.vmrt hsf.vmrt
ok "the answer fits a screen of 24 lines and 80 columns" answer_fits_a_screen
ok "the answer says what the run was like" answer_says_it
ok "the commands of the answer are right" answer_commands_work
ok "text fits 80 columns" fits_80
ok "text uses up to 200 columns where they are" fits_200
ok "names are whole on a narrow page" names_are_whole
ok "the width changes no number" same_at_any_width
ok "text fits terminals narrower than 80 columns" fits_narrow
ok "no title is cut" titles_are_whole
ok "--quiet prints the conditions only" conditions_only
ok "a table that is named is made" named_tables_are_made
ok "no line ends with blanks" no_blanks_at_line_ends
ok "every number is the same one in all formats" perl "$top/tests/lib/same-numbers.pl" vmrt-report --allow-loss --histogram --cdf hsf.vmrt nohsf.vmrt
ok "also in tables of a selection" perl "$top/tests/lib/same-numbers.pl" vmrt-report --allow-loss --select miss,exec_max,windows,blackout_max hsf.vmrt
ok "a page of HTML needs nothing else" page_needs_nothing_else
ok "queries are answered in every format" queries
ok "queries can only read" reading_only
ok "a part of a run is what sqlite3 selects" parts_of_a_run
ok "the longest blackout is the longest wait between slices" blackouts_are_waits
ok "selected columns stand alone" selection
ok "every format says what the database says" formats_agree
ok "text, Markdown and LaTeX show what CSV has in ns" text_shows_the_same
ok "JSON is valid, also of comparisons" valid_json
ok "names from guests cannot control terminal or format" hostile_names
ok "percentiles are those that sort and awk find" percentiles_of_many_jobs
ok "exit status 0 without loss" exits 0 "" nohsf.vmrt
ok "exit status 3 with loss" exits 3 "events were lost" hsf.vmrt
ok "exit status 0 with loss and --allow-loss" exits 0 "" --allow-loss hsf.vmrt
ok "a comparison with loss says so" exits 3 "events were lost" --compare --full nohsf.vmrt hsf.vmrt
ok "a comparison with loss gives no differences" grep -q "small-hsf is not comparable with small-nohsf" "$work/out"
ok "runs of one name are distinguished by their paths" exits 0 "" --allow-loss --compare hsf.vmrt hsf2.vmrt
ok "only the named task is shown" exits 3 "" --task rt_task1 hsf.vmrt
ok "no other task is shown" sh -c '! grep -q "^demo/rt_task2" "$1"' - "$work/out"
ok "exit status 1 without such a task" exits 1 "it has: demo/rt_task1, demo/rt_task2" --task rt_task9 hsf.vmrt
ok "exit status 1 without such a run" exits 1 "there is no run nothing.vmrt" nothing.vmrt
mkdir empty.vmrt
: >empty.vmrt/host.dat
echo "this is no database, it is a text of some length, longer than a header" >text.db
ok "exit status 1 for a run that was not analysed" exits 1 "vmrt-trace analyze empty.vmrt" empty.vmrt
ok "exit status 1 for a file that is no database" exits 1 "text.db is not a run or its database" text.db
cp -r hsf.vmrt old.vmrt
sqlite3 old.vmrt/run.db 'PRAGMA user_version = 0'
ok "exit status 1 for a database of an older version" exits 1 "made by an older vmrt" old.vmrt
ok "a table that does not exist is a usage error" exits 64 "--table 'histgram': give answer, answer_tasks" --table histgram hsf.vmrt
ok "the table that was meant is named" exits 64 "(did you mean histogram?)" --table histgram hsf.vmrt
ok "a table of a comparison needs one" exits 64 "--table tests goes with --compare" --table tests hsf.vmrt
ok "a table of advice needs --advise" exits 64 "--table advice goes with --advise" --table advice hsf.vmrt
ok "a table of conditions needs one" exits 64 "--table conditions goes with --fail-if" --table conditions hsf.vmrt
ok "a comparison has no table of histograms" exits 64 "--table histogram does not go with --compare" --compare --table histogram hsf.vmrt nohsf.vmrt
ok "the format that was meant is named" exits 64 "(did you mean json?)" --format jsno hsf.vmrt
ok "an empty name is no name" exits 64 "--task '': the name is empty" --task "" hsf.vmrt
ok "a time without a unit lacks it" exits 64 "--from '10': give a time with its unit (ns, us, ms or s) such as 250ms" --from 10 hsf.vmrt
ok "exit status 1 for a column that does not exist" exits 1 "there is no column 'nope'" --allow-loss --select nope hsf.vmrt
ok "exit status 1 without such a server" exits 1 "it has: demo" --server nope hsf.vmrt
ok "exit status 64 for a time that is none" exits 64 "--from 'soon': give a time" --from soon hsf.vmrt
ok "exit status 64 for an end before the beginning" exits 64 "--to is not behind --from" --from 2s --to 1s hsf.vmrt
ok "exit status 64 for too many worst jobs" exits 64 "--worst is a number from 0 to 100" --worst 101 hsf.vmrt
ok "exit status 64 for an empty window" exits 64 "--window '0': give a whole number from 1 to 1000" --window 0 hsf.vmrt
ok "exit status 64 for a negative number of jobs" exits 64 "--skip-first '-1': give a whole number from 0 to 2147483647" --skip-first=-1 hsf.vmrt
ok "exit status 64 for a width out of range" exits 64 "--width '39': give a whole number from 40 to 200" --width 39 hsf.vmrt
ok "exit status 64 for an empty selection" exits 64 "--select needs the names" --select , hsf.vmrt
ok "exit status 64 for a query beside a comparison" exits 64 "--sql goes with none of" --compare --sql "SELECT 1" hsf.vmrt hsf2.vmrt
ok "exit status 64 without a run" exits 64 "no run is named"
ok "exit status 64 for an unknown format" exits 64 "--format 'xml': give text, markdown, csv" --format xml hsf.vmrt
ok "exit status 64 for a comparison of one run" exits 64 "needs at least two runs" --compare hsf.vmrt
ok "exit status 1 when the output cannot be written" sh -c 'vmrt-report --allow-loss hsf.vmrt >/dev/full; [ $? = 1 ]'
echo "1..$n"
exit $failed

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
	for args in "hsf.vmrt" "nohsf.vmrt" "--compare nohsf.vmrt hsf.vmrt" "--compare nohsf.vmrt hsf.vmrt hsf2.vmrt"; do
		# shellcheck disable=SC2086 # the words of args are arguments
		vmrt-report --allow-loss $args >"$work/text" || return 1
		awk 'length > 80 { print; bad = 1 } END { exit bad }' "$work/text" || return 1
	done
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
		vmrt-report --allow-loss --format $format hsf.vmrt | grep -qF "$ns" || { echo "$format: no $ns"; return 1; }
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
	for format in text markdown csv json jsonl latex; do
		vmrt-report --allow-loss --format $format evil.vmrt >"$work/out" || return 1
		[ $format = csv ] || ! LC_ALL=C grep -q $'\x1b' "$work/out" || { echo "$format: an escape got through"; return 1; }
	done
	vmrt-report --allow-loss --format json evil.vmrt | jq -e '.runs[0].tasks[0].task | startswith("demo/a")'
}

percentiles_of_many_jobs() { # against sort and awk
	cp -r nohsf.vmrt many.vmrt
	sqlite3 many.vmrt/run.db "DELETE FROM job; WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 4998)
		INSERT INTO job SELECT 1, k, 2, k, k, k, k, k, k, k, k, k, 1, (k * 7919 + 13) % 104729 * 1000, 0, 0, 0, 'met', NULL, 0, 0, NULL, NULL, NULL, NULL FROM n"
	for p in 50:p50 95:p95 99:p99 99.9:p999; do
		want=$(sqlite3 many.vmrt/run.db 'SELECT response_ns FROM job' | sort -n |
			awk -v p="${p%:*}" '{ v[NR] = $1 } END { r = p * NR / 100; i = int(r); print v[i < r ? i + 1 : i] }')
		got=$(vmrt-report --format json many.vmrt | jq ".runs[0].tasks[0].response_${p#*:}_ns")
		[ "$want" = "$got" ] || { echo "$p: wanted $want, got $got"; return 1; }
	done
}

PATH=$bin:$PATH
mkdir "$work/runs"
for run in hsf nohsf; do
	mkdir "$work/runs/$run.vmrt"
	tests/lib/make-db "tests/data/small-$run.sql" "$work/runs/$run.vmrt/run.db" || exit 1
done
cp -r "$work/runs/hsf.vmrt" "$work/runs/hsf2.vmrt"
cd "$work/runs" || exit 1

ok "the report of a run is as expected" same_text small-hsf.txt hsf.vmrt
ok "the report of a run without server is as expected" same_text small-nohsf.txt nohsf.vmrt
ok "the comparison is as expected" same_text small-compare.txt --allow-loss --compare nohsf.vmrt hsf.vmrt
ok "text fits 80 columns" fits_80
ok "every format says what the database says" formats_agree
ok "text, Markdown and LaTeX show what CSV has in ns" text_shows_the_same
ok "JSON is valid, also of comparisons" valid_json
ok "names from guests cannot control terminal or format" hostile_names
ok "percentiles are those that sort and awk find" percentiles_of_many_jobs
ok "exit status 0 without loss" exits 0 "" nohsf.vmrt
ok "exit status 3 with loss" exits 3 "events were lost" hsf.vmrt
ok "exit status 0 with loss and --allow-loss" exits 0 "" --allow-loss hsf.vmrt
ok "a comparison with loss says so" exits 3 "events were lost" --compare nohsf.vmrt hsf.vmrt
ok "a comparison with loss gives no differences" grep -q "small-hsf is not comparable with small-nohsf" "$work/out"
ok "runs of one name are told apart by their paths" exits 0 "" --allow-loss --compare hsf.vmrt hsf2.vmrt
ok "only the named task is shown" exits 3 "" --task rt_task1 hsf.vmrt
ok "no other task is shown" sh -c '! grep -q "^demo/rt_task2" "$1"' - "$work/out"
ok "exit status 1 without such a task" exits 1 "it has: demo/rt_task1, demo/rt_task2" --task rt_task9 hsf.vmrt
ok "exit status 1 without such a run" exits 1 "there is no run nothing.vmrt" nothing.vmrt
mkdir empty.vmrt
echo "this is no database, it is a text of some length, longer than a header" >text.db
ok "exit status 1 for a run that was not analysed" exits 1 "vmrt-trace analyze empty.vmrt" empty.vmrt
ok "exit status 1 for a file that is no database" exits 1 "text.db is not a database" text.db
cp -r hsf.vmrt old.vmrt
sqlite3 old.vmrt/run.db 'PRAGMA user_version = 0'
ok "exit status 1 for a database of an older version" exits 1 "made by an older vmrt" old.vmrt
ok "exit status 1 for a table that does not exist" exits 1 "there is no table 'nope'" --allow-loss --table nope hsf.vmrt
ok "exit status 64 without a run" exits 64 "no run is named"
ok "exit status 64 for an unknown format" exits 64 "there is no format 'xml'" --format xml hsf.vmrt
ok "exit status 64 for a comparison of one run" exits 64 "needs at least two runs" --compare hsf.vmrt
ok "exit status 1 when the output cannot be written" sh -c 'vmrt-report --allow-loss hsf.vmrt >/dev/full; [ $? = 1 ]'
echo "1..$n"
exit $failed

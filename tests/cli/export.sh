#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-export on the small runs of tests/data and on made-up ones with several CPUs.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-export-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh

lint() { tclsh "$top/tests/lib/grasp-lint.tcl" "$@"; }

traced() { # traced RUN FROM TO: the part is exported and has no fault
	vmrt-export --format grasp --from "$2" --to "$3" "$1" >"$work/trace.grasp" 2>"$work/err" || { cat "$work/err"; return 1; }
	lint "$work/trace.grasp"
}

every_part() { # windows that begin and end anywhere
	local a b
	for a in 0 1 7 8 9 18 19 20 26 33 45 66 79 90 130 199; do
		for b in 1 3 12 60; do
			traced "$1" "${a}ms" "$((a + b))ms" || { echo "from $a ms to $((a + b)) ms"; return 1; }
		done
	done
}

not_replaced() {
	mkfifo pipe && ln -s linked.csv link.csv && : >linked.csv || return 1
	cat pipe >from-pipe.csv &
	vmrt-export --format csv -o pipe hsf.db && vmrt-export --format csv -o link.csv hsf.db || return 1
	wait $!
	[ -p pipe ] && [ -L link.csv ] && [ -s linked.csv ] && cmp linked.csv from-pipe.csv
}

same_trace() {
	vmrt-export --format grasp --from 5ms --to 105ms hsf.db >"$work/trace.grasp" || return 1
	[ "${UPDATE:-0}" = 1 ] && cp "$work/trace.grasp" "$top/tests/data/small-hsf.grasp"
	diff -u "$top/tests/data/small-hsf.grasp" "$work/trace.grasp"
}

made_up_runs() {
	local seed
	for seed in 1 2 3 4 5 6; do
		"$top/tests/lib/made-up" $seed "made$seed.db" || return 1
		traced "made$seed.db" 0 400ms || { echo "seed $seed"; return 1; }
		traced "made$seed.db" 33.3ms 71ms || { echo "seed $seed"; return 1; }
		traced "made$seed.db" 111.1ms 111.9ms || { echo "seed $seed"; return 1; }
	done
}

events() { grep -cE '^(plot|\[plotForProcessor)' "$1"; }

capped() {
	exits 0 "warning: ends" --format grasp --max-events 100 --from 0 --to 400ms made1.db || return 1
	lint "$work/out" && [ "$(events "$work/out")" -le 100 ] || { echo "$(events "$work/out") events"; return 1; }
}

numbered_parts() { # of a long run: each without fault, one begins where the other ends, together all misses
	"$top/tests/lib/made-up" 7 long.db || return 1
	exits 0 "wrote" --format grasp --split --max-events 200 -o part.grasp long.db || return 1
	local files last=0 from to i
	files=$(find . -name 'part-*.grasp' | wc -l)
	[ "$files" -ge 3 ] || { echo "$files files"; return 1; }
	for ((i = 1; i <= files; i++)); do
		lint "part-$i.grasp" && [ "$(events "part-$i.grasp")" -le 200 ] || { echo "part $i"; return 1; }
		read -r from to < <(sed -n 's/^# run .*: from \([0-9.]*\) s to \([0-9.]*\) s .*/\1 \2/p' "part-$i.grasp")
		[ "$from" = "$last" ] || [ $i = 1 ] || { echo "part $i begins at $from, the one before ended at $last"; return 1; }
		last=$to
	done
	[ "$last" = 0.400000 ] && [ ! -e part.grasp ]
}

around_misses() { # each file holds its miss, which is red
	exits 0 "" --format grasp --around-misses 2 -o miss.grasp hsf.db || return 1
	lint miss-1.grasp && lint miss-2.grasp && grep -q 'arrowColor red' miss-1.grasp && grep -q 'arrowColor red' miss-2.grasp &&
		exits 0 "wrote 3 files: the run has no more misses" --format grasp --around-misses 9 -o more.grasp hsf.db && [ ! -e more-4.grasp ] &&
		exits 0 "miss-2.grasp is of another export: this one has 1 file" --format grasp --around-misses 1 -o miss.grasp hsf.db
}

unit() {
	exits 0 "" --format grasp --unit 50us --from 0 --to 100ms hsf.db || return 1
	grep -q '^# 1 unit is 50 us; 2000 units' "$work/out" && lint "$work/out" &&
		exits 0 "warning: ends 10 ms" --format grasp --unit 1us --from 0 --to 100ms hsf.db && lint "$work/out"
}

only_some() { # --task and --server
	exits 0 "" --format grasp --task t0 --from 0 --to 400ms made1.db && lint "$work/out" &&
		grep -q 'vm1/t0' "$work/out" && ! grep -q 'vm1/t1' "$work/out" &&
		exits 0 "" --format grasp --server s1 --task vm1/t0 --from 0 --to 400ms made1.db && lint "$work/out" &&
		grep -q 'server s1' "$work/out" && ! grep -qE '^newServer .*s2|^newTask .*vm2' "$work/out"
}

hostile_names() { # of task, VM, server and run: nothing of them may be run by Tcl
	local evil="x} -kind isr; exec touch $work/pwned; [exec touch $work/pwned] \$env(HOME) \\"
	cp hsf.db evil.db
	sqlite3 evil.db "UPDATE run SET name = char(10) || '$evil'; UPDATE task SET name = '{$evil'; UPDATE vm SET name = '$evil';
		UPDATE server SET name = '\"$evil'; UPDATE machine SET name = name || '$evil'; UPDATE job SET cause = '$evil'"
	traced evil.db 0 200ms && [ ! -e "$work/pwned" ] && ! grep -q '[$\\]' "$work/trace.grasp"
}

same_rows() { # same_rows TABLE: CSV has the view's columns and rows
	vmrt-export --format csv --table "$1" hsf.db | sort >"$work/a"
	sqlite3 -csv -header -newline $'\n' hsf.db "SELECT * FROM $1" | sort >"$work/b"
	diff "$work/a" "$work/b"
}

rows_in_window() { # by arrival and end, both clipped by nothing
	[ "$(vmrt-export --format csv --from 25ms --to 55ms hsf.db | cut -d, -f3 | tail -n +2 | tr '\n' ' ')" = "2 3 " ]
}

PATH=$bin:$PATH
cd "$work" || exit 1
for run in hsf nohsf; do
	"$top/tests/lib/make-db" "$top/tests/data/small-$run.sql" "$run.db" || exit 1
done
command -v tclsh >/dev/null || { echo "1..0 # SKIP tclsh is not installed"; exit 0; }

printf 'newTask list -name {a[b}\nplot 08 jobResumed t9.1\nexec true\n' >bad.grasp
ok "the strict reader finds faults" sh -c '! tclsh "$1" bad.grasp' - "$top/tests/lib/grasp-lint.tcl"
ok "the trace of a small run is as expected" same_trace
ok "every part of a run is a trace without fault" every_part hsf.db
ok "a run without enforced server too" every_part nohsf.db
ok "no server is drawn that nobody enforced" sh -c 'vmrt-export --format grasp nohsf.db 2>/dev/null | grep -c newServer | grep -qx 0'
ok "runs with several CPUs and VMs too" made_up_runs
ok "more events than allowed shorten the window" capped
ok "a long run goes on in numbered files" numbered_parts
ok "the first misses are a file each" around_misses
ok "the unit of the axis can be chosen" unit
ok "only the named tasks and servers are drawn" only_some
ok "names are harmless" hostile_names
ok "without a window the first 500 ms are shown, and that is said" exits 0 "shows 10 ms to 200 ms" --format grasp hsf.db
for table in jobs server_periods losses; do
	ok "CSV of $table is the view" same_rows $table
done
ok "CSV of a part has the rows in it" rows_in_window
ok "a file is written whole" sh -c 'vmrt-export --format csv -o a.csv hsf.db && vmrt-export --format csv hsf.db | cmp - a.csv'
ok "a pipe or a link is written to, not replaced" not_replaced
ok "a folder that is not there is an error" exits 1 "cannot write there/a.csv" --format csv -o there/a.csv hsf.db
ok "a part outside of the run is an error" exits 1 "it lasts 200 ms" --format grasp --from 2s hsf.db
ok "no such run is an error" exits 1 "there is no run none.db" --format grasp none.db
ok "no such table is an error" exits 64 "--table 'nope': give jobs, server_periods, losses" --format csv --table nope hsf.db
ok "exit status 64 without a format" exits 64 "is needed" hsf.db
ok "exit status 64 for a bad time" exits 64 "--from '2 apples': give a time" --format grasp --from "2 apples" hsf.db
ok "exit status 64 when the end is not behind the start" exits 64 "--to is not behind --from" --format grasp --from 2ms --to 1ms hsf.db
ok "exit status 1 when the output cannot be written" sh -c 'vmrt-export --format csv hsf.db >/dev/full; [ $? = 1 ]'
echo "1..$n"
exit $failed

#!/bin/bash
# SPDX-License-Identifier: MIT
# Data for other programs: CSV of views and slices, sched_trace files of LITMUS^RT, the same selection everywhere.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-data-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH

for run in none hsf; do
	cp -r "$top/tests/data/demo-$run.vmrt" "$work" && chmod -R u+w "$work/demo-$run.vmrt" &&
		vmrt-trace analyze -q "$work/demo-$run.vmrt" >/dev/null 2>&1
done
cd "$work" || exit 1
db() { sqlite3 demo-none.vmrt/run.db "$1"; }

slices_are_all_there() {
	vmrt-export --format csv --table slices demo-none.vmrt >slices.csv || return 1
	[ "$(head -n 1 slices.csv)" = machine,thread,tid,task,vm,role,vcpu,cpu,start_ns,end_ns,prio,end_state,uncertainty_ns,truncated ] &&
		[ "$(tail -n +2 slices.csv | wc -l)" = "$(db 'SELECT count(*) FROM slice')" ] &&
		[ "$(tail -n +2 slices.csv | awk -F, '{ n += $10 - $9 } END { printf "%.0f", n }')" = "$(db 'SELECT sum(end_ns - start_ns) FROM slice')" ]
}

blames_are_the_view() {
	vmrt-export --format csv --table blames demo-none.vmrt | tail -n +2 | tr -d '"' | sort >a
	sqlite3 -csv -newline $'\n' demo-none.vmrt/run.db 'SELECT * FROM blames' | tr -d '"' | sort >b
	cmp a b && [ -s a ]
}

selections() {
	[ "$(vmrt-export --format csv --task rt_task2 demo-none.vmrt | tail -n +2 | wc -l)" = "$(db "SELECT count(*) FROM jobs WHERE task = 'rt_task2'")" ] &&
		[ "$(vmrt-export --format csv --task demo/rt_task2 --task rt_task1 demo-none.vmrt | tail -n +2 | wc -l)" = "$(db 'SELECT count(*) FROM jobs')" ] &&
		[ "$(vmrt-export --format csv --table slices --task rt_task1 demo-none.vmrt | tail -n +2 | cut -d, -f4 | sort -u)" = rt_task1 ] &&
		[ "$(vmrt-export --format csv --table server_periods --server demo demo-hsf.vmrt | tail -n +2 | wc -l)" -gt 100 ]
}

quoted() { # as RFC 4180 says
	cp -r demo-none.vmrt odd.vmrt
	sqlite3 odd.vmrt/run.db "UPDATE task SET name = 'a,\"b\"' || char(10) || 'c' WHERE name = 'rt_task1'"
	vmrt-export --format csv odd.vmrt >odd.csv
	python3 -c 'import csv; rows = list(csv.reader(open("odd.csv", newline=""))); assert all(len(r) == 14 for r in rows); assert rows[1][1] == "a,\"b\"\nc", rows[1]' ||
		[ "$(sqlite3 :memory: '.import --csv odd.csv j' 'SELECT count(*) FROM j')" = "$(db 'SELECT count(*) FROM jobs')" ]
}

# Each record is 24 bytes: type, CPU, pid, job, and two numbers; prints them as text.
decode() {
	perl -0777 -ne 'for (my $i = 0; $i < length; $i += 24) { my ($type, $cpu, $pid, $job) = unpack("CCvV", substr($_, $i));
		my $data = substr($_, $i + 8, 16);
		if ($type == 1) { printf "1 %d %d %d %s\n", $cpu, $pid, $job, unpack("Z16", $data) }
		elsif ($type == 2) { printf "2 %d %d %d %d %d %d %d\n", $cpu, $pid, $job, unpack("VVVC", $data) }
		elsif ($type == 5) { printf "5 %d %d %d %d %d\n", $cpu, $pid, $job, unpack("Q<V", $data) }
		else { printf "%d %d %d %d %d %d\n", $type, $cpu, $pid, $job, unpack("Q<Q<", $data) } }' "$1"
}

litmus() {
	vmrt-export --format st -o a.st demo-none.vmrt && [ $(($(wc -c <a.st) % 24)) = 0 ] && decode a.st >st || return 1
	grep -q '^1 0 1 0 rt_task1$' st && grep -q '^2 0 1 0 8000000 20000000 0 0$' st || { head -n 4 st; return 1; }
	# times rise
	awk '$1 > 2 { if ($5 < last) exit 1; last = $5 }' st || return 1
	# what st-job-stats makes of it: response and lateness of every job that ended
	awk '$1 == 3 { release[$3 "," $4] = $5; due[$3 "," $4] = $6 }
		$1 == 7 { k = $3 "," $4; printf "%s,%d,%d,%d\n", k, $5 - release[k], ($5 > due[k]), int($6 / 2) }' st | sort >got
	db "SELECT (1 + (task = 'rt_task2')) || ',' || k || ',' || (end_ns - arrival_ns) || ',' || (end_ns > deadline_ns) || ',' || exec_ns
		FROM jobs WHERE end_ns IS NOT NULL AND arrival_ns IS NOT NULL" | sort >want
	diff want got | head -n 5
	cmp want got
	# every switch to a task is followed by one away, and the time between is what it ran, to 1 % (clocks differ)
	awk '$1 == 5 { to[$3] = $5; open[$3]++ } $1 == 6 { sum += $5 - to[$3]; open[$3]-- ; if (open[$3]) exit 1 } END { printf "%.0f\n", sum / 1e6 }' st >ran
	want=$(db "SELECT CAST(sum(exec_ns) / 1e6 AS INTEGER) FROM jobs")
	echo "ran $(cat ran) ms, executed $want ms"
	[ $((100 * $(cat ran))) -ge $((98 * want)) ] && [ $((100 * $(cat ran))) -le $((102 * want)) ]
}

ok "slices are all there" slices_are_all_there
ok "blames are the view" blames_are_the_view
ok "tasks and servers choose rows" selections
ok "fields are quoted" quoted
ok "sched_trace files say what the database says" litmus
cp -r demo-none.vmrt long.vmrt
sqlite3 long.vmrt/run.db "UPDATE task SET period_ns = 5000000000 WHERE name = 'rt_task1'"
ok "a period that does not fit 32 bits is refused" exits 1 "demo/rt_task1: its period is longer than 4.29 s" --format st long.vmrt
ok "unless the task is left out" exits 0 "" --format st --task rt_task2 long.vmrt
ok "exit status 1 for a task that is not there" exits 1 "no task 'nope'" --format csv --task nope demo-none.vmrt
ok "exit status 1 for tasks of a table without" exits 1 "which has neither" --format csv --table losses --task rt_task1 demo-none.vmrt
echo "1..$n"
exit $failed

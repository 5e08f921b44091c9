#!/usr/bin/env bats
# The whole experiment on a real guest: relations must hold, no absolute times are asserted.
load ../lib/setup.bash

setup_file() {
	find_build
	export root O vm=abtest out=$BATS_FILE_TMPDIR/out
	need_tracing
	mkdir -p "$out"
	sed 's/demo/abtest/g' "$root/experiments/demo.ini" >"$out/ab.ini"
	ls /sys/kernel/tracing/instances >"$out/instances"
	"$root/scripts/vm" stop "$vm" 2>/dev/null || true
	"$root/scripts/vm" start "$vm" --accel tcg
	. "$root/scripts/lib/experiment.sh"
	guest_prepare "$out/ab.ini"
	hogs_start 2 0 3>&-
	guest_run none "$out/ab.ini" 6s 3>&- || status=$?
	guest_run hsf "$out/ab.ini" 6s --hsf 3>&- || status=$?
	hogs_stop
	return "${status:-0}"
}

teardown_file() {
	[ -n "${root:-}" ] && "$root/scripts/vm" stop abtest 2>/dev/null || true
}

# sql RUN QUERY
sql() { sqlite3 -batch -noheader "$out/$1.vmrt/run.db" "$2"; }

@test "the server makes rt_task1 miss fewer deadlines" {
	miss="SELECT count(*) FROM jobs WHERE task = 'rt_task1' AND outcome LIKE 'missed%'"
	none=$(sql none "$miss")
	hsf=$(sql hsf "$miss")
	echo "missed: $none without, $hsf with"
	[ "$none" -gt 30 ]
	[ "$((hsf * 4))" -lt "$none" ]
}

@test "the misses that remain are excused, but for a few" {
	not_excused=$(sql hsf "SELECT count(*) FROM job j JOIN task t ON t.id = j.task WHERE t.name = 'rt_task1' AND j.outcome LIKE 'missed%' AND NOT j.excused")
	echo "$not_excused of 300 not excused"
	[ "$not_excused" -le 15 ]
}

@test "without the server the host's other threads are the cause" {
	[ "$(sql none "SELECT cause FROM jobs WHERE outcome LIKE 'missed%' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")" = host_thread ]
}

@test "both recordings agree with the workload's log and with trace-cmd" {
	for run in none hsf; do
		run "$root/scripts/check-run" "$out/$run.vmrt"
		echo "$output"
		[[ $output = *"300 jobs rebuilt, 300 in the workload's log"* ]]
		[[ $output != *"FAILS host.dat"* && $output != *"FAILS guest"* ]]
		[[ $output != *"FAILS clock"* && $output != *"FAILS events"* ]]
	done
}

@test "markers and reconstruction agree on begin and end of every job" {
	for run in none hsf; do
		[ "$(sql $run "SELECT count(*) FROM job WHERE outcome IN ('met', 'missed') AND (mark_begin_local_ns IS NULL
			OR mark_begin_local_ns < start_local_ns OR mark_end_local_ns > end_local_ns)")" = 0 ]
	done
}

@test "the parts of every job sum to its response time" {
	for run in none hsf; do
		[ "$(sql $run "SELECT count(*) FROM job j WHERE response_ns IS NOT NULL AND response_ns <>
			(SELECT sum(ns) FROM blame b WHERE b.task = j.task AND b.k = j.k)")" = 0 ]
	done
}

@test "the server is enforced in the one and in no period of the other" {
	[ "$(sql none "SELECT enforced FROM server")" = 0 ]
	[ "$(sql hsf "SELECT enforced FROM server")" = 1 ]
	[ "$(sql hsf "SELECT count(*) > 300 FROM server_periods WHERE outcome IN ('served', 'depleted')")" = 1 ]
	[ "$(sql none "SELECT count(*) FROM server_periods WHERE outcome IN ('served', 'depleted')")" = 0 ]
	[ "$(sql none "SELECT count(*) > 300 FROM server_periods WHERE outcome = 'unenforced'")" = 1 ]
}

@test "consumption does not exceed the budget by a tick" {
	[ "$(sql hsf "SELECT count(*) <= 5 FROM server_period WHERE consumed_ns > budget_ns + 1000000 AND steal_ns = 0 AND outcome IN ('served', 'depleted')")" = 1 ]
}

@test "analysing again gives the same database" {
	before=$(sqlite3 "$out/hsf.vmrt/run.db" .dump | cksum)
	"$O/bin/vmrt-trace" analyze "$out/hsf.vmrt"
	[ "$before" = "$(sqlite3 "$out/hsf.vmrt/run.db" .dump | cksum)" ]
}

@test "trace-cmd opens host and guest together" {
	run trace-cmd report -i "$out/hsf.vmrt/host.dat" -i "$out/hsf.vmrt/guest-abtest.dat"
	[ "$status" -eq 0 ]
	[[ $output = *hrtimer_expire_entry* ]]
}

@test "report, comparison and export work on them" {
	"$O/bin/vmrt-report" --full "$out/hsf.vmrt" | grep -q 'utilisation 0.764 against 0.833'
	"$O/bin/vmrt-report" --compare "$out/none.vmrt" "$out/hsf.vmrt" | grep -q rt_task1
	"$O/bin/vmrt-export" --format grasp --from 1s --to 1200ms -o "$out/x.grasp" "$out/hsf.vmrt"
	tclsh "$root/tests/lib/grasp-lint.tcl" "$out/x.grasp"
}

@test "the recorder left no tracefs instance and no real-time thread behind" {
	diff "$out/instances" <(ls /sys/kernel/tracing/instances)
	pid=$("$O/bin/vmrt-trace" vms --format json | tr ',' '\n' | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
	! chrt -a -p "$pid" | grep -q SCHED_FIFO
}

@test "an unknown VM is an error that names those running" {
	run "$O/bin/vmrt-trace" record --vm nosuchvm -o "$out/x.vmrt" -- true
	[ "$status" -eq 1 ]
	[[ $output = *nosuchvm* && $output = *abtest* ]]
	[ ! -e "$out/x.vmrt" ]
}

@test "an existing run is not overwritten without --force" {
	run "$O/bin/vmrt-trace" record -e "$out/ab.ini" -o "$out/hsf.vmrt" -- true
	[ "$status" -eq 1 ]
	[[ $output = *--force* ]]
	[ -s "$out/hsf.vmrt/run.db" ]
}

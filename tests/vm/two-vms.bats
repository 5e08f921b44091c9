#!/usr/bin/env bats
# Two VMs at a time: an experiment on both, in servers of their own, and advice from what was measured.
load ../lib/setup.bash

setup_file() {
	find_build
	export root O out=$BATS_FILE_TMPDIR/out vm="two-a two-b"
	need_tracing
	mkdir -p "$out"
	cat >"$out/two.ini" <<-'END'
		[experiment]
		name = two
		[server two-a]
		period = 10ms
		budget = 4ms
		priority = 50
		[server two-b]
		period = 20ms
		budget = 6ms
		priority = 40
		[task two-a/quick]
		period = 40ms
		wcet = 3ms
		[task two-b/slow]
		period = 100ms
		wcet = 6ms
	END
	. "$root/scripts/lib/experiment.sh"
	for guest in $vm; do
		"$root/scripts/vm" stop "$guest" 2>/dev/null || true
		"$root/scripts/vm" start "$guest" --accel tcg --memory 128M 3>&- || return 1
		"$root/scripts/vm" put "$guest" "$out/two.ini" /experiment.ini || return 1
	done
	# the CPU is the same for both
	(vm=two-a && guest_prepare "$out/two.ini") || return 1
	"$root/scripts/vm" get two-a /calibration "$out/calibration"
	"$root/scripts/vm" put two-b "$out/calibration" /calibration
	guest_run hsf "$out/two.ini" 2s --hsf 3>&-
}

teardown_file() {
	for guest in ${vm:-}; do "$root/scripts/vm" stop "$guest" 2>/dev/null || true; done
}

# sql QUERY
sql() { sqlite3 -batch -noheader "$out/hsf.vmrt/run.db" "$1"; }

@test "jobs of both guests are rebuilt, as many as their own logs have" {
	for guest in $vm; do
		want=$(grep -c "^[a-z]*,[0-9]" "$out/hsf.vmrt/load-$guest.csv")
		got=$(sql "SELECT count(*) FROM jobs WHERE machine = '$guest'")
		echo "$guest: $got, its log has $want"
		[ "$want" -gt 15 ] && [ "$got" = "$want" ]
	done
}

@test "both servers are enforced, and what each consumed was its own" {
	[ "$(sql "SELECT group_concat(name || enforced, ' ') FROM (SELECT * FROM server ORDER BY name)")" = "two-a1 two-b1" ]
	[ "$(sql "SELECT count(DISTINCT server) FROM server_periods WHERE consumed_ns > 0 AND outcome IN ('served', 'depleted')")" = 2 ]
}

@test "advice from measured execution times is one that vmrt-hsf enforces" {
	"$O/bin/vmrt-report" --advise --execution measured --margin 0 --period 10ms "$out/hsf.vmrt" >"$out/advised.ini" || [ $? -eq 2 ]
	cat "$out/advised.ini"
	for task in quick slow; do
		max=$(sql "SELECT max(exec_ns) / 1e6 FROM jobs WHERE task = '$task' AND outcome IN ('met', 'missed')")
		awk -v task=$task -v max="$max" '$2 == task && /measured at most/ { gsub(/[:()]/, " "); d = ($10 == "us" ? $9 / 1000 : $9) - max
			good = d < 0.01 && d > -0.01 } END { exit !good }' "$out/advised.ini"
	done
	run "$O/bin/vmrt-hsf" run -e "$out/advised.ini" --force --duration 300ms
	echo "$output"
	[ "$status" -eq 0 ]
}

#!/usr/bin/env bats
# Tasks that nobody declared are found in recordings of a real guest.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	[[ $O = /* ]] || O=$PWD/$O
	trace=$O/bin/vmrt-trace
	data=tests/data
	d=$BATS_TEST_TMPDIR
}

# tasks RUN: machine, thread, mechanism and period of what was found, periodic ones of the guest
tasks() {
	"$trace" tasks --format csv "$1" |
		awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
			$c["machine"] == "demo" && $c["period_ns"] { print $c["thread"], $c["released_by"], $c["period_ns"] }'
}

@test "both tasks of the demo are found with their periods, whether they are late or not" {
	for run in demo-hsf demo-none; do
		run -0 tasks "$data/$run.vmrt"
		echo "$output"
		[ "${lines[0]}" = "rt_task1 nanosleep 20000000" ]
		[ "${lines[1]}" = "rt_task2 nanosleep 220000000" ]
		[ "${#lines[@]}" -eq 2 ]
	done
}

@test "no thread of the kernel, no vCPU and no program of vmrt is among them" {
	run -0 "$trace" tasks --all --format csv "$data/demo-hsf.vmrt"
	! grep -E ',(kworker|ksoftirqd|rcu_|migration|kswapd|CPU [0-9]|qemu-|vmrt-)' <<<"$output"
}

@test "--init prints an experiment that analyze takes, with a server for the VM" {
	"$trace" tasks --init "$data/demo-hsf.vmrt" >"$d/found.ini"
	grep -qx '\[task demo/rt_task1\]' "$d/found.ini"
	grep -qx '\[server demo\]' "$d/found.ini"
	grep -qx 'period = 20ms' "$d/found.ini"
	run -0 "$trace" analyze -q -e "$d/found.ini" -o "$d/found.db" "$data/demo-hsf.vmrt"
	[ "$(sqlite3 "$d/found.db" "select count(*) > 50 from jobs where task = 'rt_task1' and outcome = 'met'")" = 1 ]
}

@test "--init of a recording without a VM has the tasks, and says why there is no server" {
	"$trace" tasks --init "$data/demo-hsf.vmrt/guest-demo.dat" >"$d/alone.ini"
	grep -qx '\[task host/rt_task1\]' "$d/alone.ini"
	grep -qx '; no server is advised: the recording has no task in a VM: there is nothing to advise' "$d/alone.ini"
}

@test "analyze without an experiment takes the tasks that it finds, and says so" {
	run --separate-stderr -0 "$trace" analyze --allow-loss -o "$d/x.db" \
		"$data/demo-hsf.vmrt/host.dat" "$data/demo-hsf.vmrt/guest-demo.dat"
	[[ $stderr = *'no tasks are declared: '*' threads behave like tasks'* ]]
	[ "$(sqlite3 "$d/x.db" "select period_ns from task where name = 'rt_task1'")" = 20000000 ]
}

@test "a run that is none, and a VM beside a run, are said" {
	run -1 "$trace" tasks "$d/none.vmrt"
	[[ $output = *"there is no run or file $d/none.vmrt"* ]]
	run -64 "$trace" tasks --vm x "$data/demo-hsf.vmrt"
	[[ $output = *"--vm and --link look at a VM that runs"* ]]
}

@test "init prints an experiment file that every program reads" {
	"$trace" init >"$d/init.ini" 2>/dev/null
	run "$trace" analyze -q --allow-loss -e "$d/init.ini" -o "$d/i.db" "$data/demo-hsf.vmrt"
	[[ $output != *init.ini:* ]] || { echo "$output"; false; }
}

@test "on a terminal the table is as wide as that, and its parts bear the names of the threads" {
	for columns in 100 60 44; do
		script -qec "stty cols $columns; '$trace' tasks '$data/demo-hsf.vmrt' 2>/dev/null" /dev/null </dev/null | tr -d '\r' >"$d/$columns"
		[ "$(awk '{ if (length > n) n = length } END { print n }' "$d/$columns")" -le "$columns" ]
	done
	[ "$(grep -c '^demo  *rt_task1 ' "$d/44")" -gt "$(grep -c '^demo  *rt_task1 ' "$d/100")" ]
	grep -q 20.000 "$d/44"
}

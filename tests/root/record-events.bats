#!/usr/bin/env bats
# Which events are recorded, and what is reported about losses. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
}

formats() { "$trace" dump "$run/host.dat" | sed -n 's/.* format \([a-z_]*:[a-z_]*\).*/\1/p'; }

@test "events are added to those that are needed" {
	"$trace" record -q -o "$run" --events '+irq:softirq_*,+raw_syscalls:sys_enter' -- sleep 0.3
	formats | grep -qx irq:softirq_entry
	formats | grep -qx sched:sched_switch
	trace-cmd report -i "$run/host.dat" | grep -q softirq_exit:
	trace-cmd report -i "$run/host.dat" | grep -q sys_enter:
	[ -e "$run/run.db" ]
}

@test "events are taken away" {
	"$trace" record -q -o "$run" --events '-timer:*,+timer:hrtimer_start' -- sleep 0.2
	formats | grep -qx timer:hrtimer_start
	[ "$(formats | grep -cx timer:hrtimer_cancel)" -eq 0 ]
	formats | grep -qx sched:sched_waking
}

@test "a plain list is all that is recorded, and is not analysed without switches" {
	run -0 "$trace" record -o "$run" --events irq -- sleep 0.2
	[[ $output = *'nothing to analyse'* ]]
	[ "$(formats | grep -vc '^ftrace:\|^irq:')" -eq 0 ]
}

@test "an event that is not there is reported before anything runs" {
	run -1 "$trace" record -o "$run" --events +sched:no_such -- touch "$BATS_TEST_TMPDIR/ran"
	[[ $output = *'no event sched:no_such'* ]]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	[ ! -e "$run" ]
}

@test "loss is reported, counted by CPU and time, kept, and exits with 3 unless it is allowed" {
	local load=(timeout 1 dd if=/dev/zero of=/dev/null bs=1)
	run "$trace" record -o "$run" --buffer 8k --events '+raw_syscalls:*' -- "${load[@]}"
	echo "$output"
	[ "$status" -eq 3 ]
	"$trace" info "$run" | grep -q '100 % full.* [1-9][0-9]* lost'
	"$trace" info "$run" | grep -q 'lost [1-9][0-9]* events between [0-9.]* s and'
	run -0 "$trace" record --force --allow-loss -o "$run" --buffer 8k --events '+raw_syscalls:*' -- "${load[@]}"
}

@test "a recorder that gets no CPU says for how long, and when" {
	"$trace" record -q -o "$run" -d 1500ms 3>&- &
	recorder=$!
	for _ in $(seq 100); do [ -s "$run/manifest.json" ] && break; sleep 0.05; done
	sleep 0.2
	kill -STOP $recorder
	sleep 0.9
	kill -CONT $recorder
	wait $recorder
	"$trace" info "$run" | grep 'not read for at most'
	# it looks every 0.4 s otherwise
	[ "$(jq '[.buffers[] | select(.unread_ns > 850000000)] | length' "$run/manifest.json")" -eq "$(nproc)" ]
	[ "$(jq '[.start_ns, .end_ns] as $run | [.buffers[].unread_at_ns | select(. > $run[0] and . < $run[1])] | length' "$run/manifest.json")" -eq "$(nproc)" ]
}

@test "dump shows files of trace-cmd, and damaged ones as far as they go" {
	"$trace" record -q -o "$run" -- sleep 0.1
	head -c 3000 "$run/host.dat" >"$BATS_TEST_TMPDIR/cut.dat"
	run -0 "$trace" dump "$BATS_TEST_TMPDIR/cut.dat"
	[[ $output = *'it ends here'* ]]
	trace-cmd convert -i "$run/host.dat" -o "$BATS_TEST_TMPDIR/v7.dat" --compression none 2>/dev/null || skip "trace-cmd cannot convert"
	run -0 "$trace" dump "$BATS_TEST_TMPDIR/v7.dat"
	[[ $output = *'version 7'*EVENT_FORMATS* ]]
	run -1 "$trace" dump "$trace"
	[[ $output = *'is not a trace.dat file'* ]]
}

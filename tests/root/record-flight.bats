#!/usr/bin/env bats
# The flight recorder, and recording only what concerns VMs. Needs root and tracefs.
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	O=${O:-build}
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	vm=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
}

teardown() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null
	return 0
}

start_vm() {
	# shellcheck disable=SC2163
	(export LIFE=30 "$@"; exec -a qemu-system-x86_64 "$O/tests/fake-vm" -name guest=flown) 3>&- &
	vm=$!
	sleep 0.3
}

start_recorder() {
	"$trace" record -o "$run" "$@" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	recorder=$!
	for _ in $(seq 100); do
		[ "$(cat "$tracing/instances/vmrt-$recorder-"*-record/tracing_on 2>/dev/null)" = 1 ] && return
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/log"
	return 1
}

kept_ms() { jq '(.end_ns - .start_ns) / 1000000 | floor' "$run/manifest.json"; }

@test "the last second is kept and saved when a signal comes" {
	start_recorder --flight 1s -d 60s
	sleep 3
	kill -USR1 "$recorder"
	wait "$recorder"
	cat "$BATS_TEST_TMPDIR/log"
	grep -q 'saved because SIGUSR1 came' "$run/manifest.json"
	[ "$(kept_ms)" -ge 900 ] && [ "$(kept_ms)" -le 2500 ]
	said=$(sed -n 's/.* \([0-9]*\) events, 0 lost.*/\1/p' "$BATS_TEST_TMPDIR/log")
	[ "$(trace-cmd report -i "$run/host.dat" 2>/dev/null | grep -cE '\[[0-9]{3}\]')" -eq "$said" ]
	[ -e "$run/run.db" ]
}

@test "a server beyond its budget makes it save" {
	start_vm CPU=1
	printf '[server flown]\nperiod = 100ms\nbudget = 20ms\npriority = 10\n' >"$BATS_TEST_TMPDIR/e.ini"
	run "$trace" record -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" --flight 1s --flight-on overrun -d 20s
	echo "$output"
	grep -q 'server flown ran beyond its budget' "$run/manifest.json"
	kill "$vm"
}

@test "buffers that are too small for the time are told" {
	run "$trace" record -o "$run" --flight 20s --buffer 64k --events '+raw_syscalls:*' -d 2s -- \
		timeout 3 dd if=/dev/zero of=/dev/null bs=1
	[ "$status" -eq 0 ]
	[[ $output = *'the buffers held only the last'* ]]
}

@test "only VMs: their switches, wake-ups and preempters, with the same run time as the kernel counts" {
	start_vm CPU=1 VCPUS=2
	"$trace" record -q -o "$run" --no-guest --only-vms --vm flown -d 2s
	trace-cmd report -i "$run/host.dat" >"$BATS_TEST_TMPDIR/report" 2>/dev/null
	# every switch is to or from one of its threads
	tids=$(jq -r '[.vms[0].threads[].tid] | join("|")' "$run/manifest.json")
	[ "$(grep -c sched_switch: "$BATS_TEST_TMPDIR/report")" -gt 20 ]
	[ "$(grep sched_switch: "$BATS_TEST_TMPDIR/report" | grep -cvE ":($tids) \[")" -eq 0 ]
	# both vCPUs share a CPU: together they ran nearly all the time
	ran=$(sqlite3 "$run/run.db" 'SELECT sum(end_ns - start_ns) / 1000000 FROM slice')
	[ "$ran" -gt 1200 ] && [ "$ran" -lt 2100 ]
	kill "$vm"
}

@test "only VMs: threads that are started meanwhile are recorded" {
	start_vm CPU=1
	"$trace" record -q -o "$run" --no-guest --only-vms --vm flown -d 3s &
	recorder=$!
	sleep 1
	kill -USR1 "$vm"
	wait "$recorder"
	tid=$(jq '.vms[0].threads[] | select(.from_ns) | .tid' "$run/manifest.json")
	[ "$(trace-cmd report -i "$run/host.dat" 2>/dev/null | grep sched_switch: | grep -c ":$tid \[")" -gt 10 ]
	kill "$vm"
}

@test "only VMs: says what does not go with it" {
	run -1 "$trace" record -o "$run" --only-vms -- true
	[[ $output = *'say which VMs'* ]]
	printf '[task host/t]\nperiod = 10ms\nwcet = 1ms\n' >"$BATS_TEST_TMPDIR/e.ini"
	run -1 "$trace" record -o "$run" --all-vms --only-vms -e "$BATS_TEST_TMPDIR/e.ini" -- true
	echo "$output"
	[[ $output = *'would not record task'* ]]
	run -64 "$trace" record --flight 1s --flight-on miss -- true
	[[ $output = *'needs an experiment'* ]]
}

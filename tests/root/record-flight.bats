#!/usr/bin/env bats
# The flight recorder, and recording only what concerns VMs. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	vm=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
}

teardown() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null
	[ -z "${agent:-}" ] || { kill "$agent" 2>/dev/null && wait "$agent"; }
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

# start_agent: one here, behind a socket, stands for that of a guest
start_agent() {
	socket=$BATS_TEST_TMPDIR/a.sock
	"$O/bin/vmrt-agent" --listen "$socket" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$socket" ] && return; sleep 0.05; done
	return 1
}

# guest_ms FILE: what its events span, as trace-cmd reads them
guest_ms() {
	trace-cmd report -t -i "$1" 2>/dev/null | sed -n 's/.*\] *\([0-9]*\)\.\([0-9]*\): [a-z_]*: .*/\1\2/p' |
		sort -n | awk 'NR == 1 { a = $1 } { b = $1 } END { print int((b - a) / 1000000) }'
}

@test "the last second of a guest is saved too, with its clock, within the promised memory" {
	start_agent
	start_recorder --flight 1s -d 60s --link g="$socket"
	sleep 2
	memory=$(awk '/VmHWM/ {print $2}' "/proc/$recorder/status")
	kill -USR1 "$recorder"
	wait "$recorder"
	cat "$BATS_TEST_TMPDIR/log"
	grep -q 'host and 1 guest, .* 0 lost' "$BATS_TEST_TMPDIR/log"
	span=$(guest_ms "$run/guest-g.dat")
	echo "the guest's events span $span ms; memory $memory KiB"
	[ "$span" -ge 900 ] && [ "$span" -le 2500 ]
	[ "$memory" -lt 16384 ]
	[ "$(sqlite3 "$run/run.db" "SELECT max(error_ns) < 1000000 FROM clock")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "SELECT events > 10 FROM machine WHERE kind = 'guest'")" = 1 ]
	# nothing of it remains in the guest
	[ -z "$(ls -d "$tracing/instances/vmrt-$agent-"* 2>/dev/null)" ]
}

@test "a guest whose buffers were too small for the time is reported" {
	start_agent
	start_recorder --flight 30s -d 2s --link g="$socket" --guest-buffer 64k -- \
		sh -c 'while :; do /bin/true; done'
	wait "$recorder"
	cat "$BATS_TEST_TMPDIR/log"
	grep -q 'the buffers of g lacked the first [0-9.]* s of that; --guest-buffer' "$BATS_TEST_TMPDIR/log"
	grep -q ' 0 lost' "$BATS_TEST_TMPDIR/log"
	# where one CPU reaches further back than the other, that is no time about which everything is known
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) FROM losses WHERE machine = 'g' AND kind = 'overrun'")" -eq 0 ]
}

@test "a guest that is gone before anything happens leaves the host's last second, and a note" {
	start_agent
	start_recorder --flight 1s -d 60s --link g="$socket"
	sleep 1
	kill -9 "$agent"
	sleep 1
	kill -USR1 "$recorder"
	wait "$recorder"
	agent=''
	cat "$BATS_TEST_TMPDIR/log"
	"$trace" info "$run" | grep 'note: .*was cut'
	[ ! -e "$run/guest-g.dat" ]
	[ "$(sqlite3 "$run/run.db" "SELECT events > 0 FROM machine WHERE kind = 'host'")" = 1 ]
}

@test "a job that misses its deadline makes it save, with the time before the deadline" {
	printf '[task host/periodic]\nperiod = 100ms\nwcet = 20ms\n' >"$BATS_TEST_TMPDIR/e.ini"
	# each tenth job works for 250 ms
	run "$trace" record -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" --flight 500ms --flight-on miss -d 20s -- \
		"$O/tests/periodic" nanosleep periodic 100000 5000 100 10
	echo "$output"
	grep -q 'saved because task periodic missed the deadline of its job' "$run/manifest.json"
	[[ $output != *'analysed: 0 '* ]]
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 0 FROM jobs WHERE outcome LIKE 'missed%'")" = 1 ]
	# half a second before the deadline, and not much more than it took to notice
	[ "$(sqlite3 "$run/run.db" "SELECT min(deadline_ns) - $(jq .start_ns "$run/manifest.json") > 450000000 FROM jobs WHERE outcome LIKE 'missed%'")" = 1 ]
	[ "$(kept_ms)" -le 3000 ]
}

@test "misses before everything records are no reason" {
	# an agent that does not answer, but for a second keeps the recorder waiting
	perl -MIO::Socket::UNIX -e 'alarm 20; $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1); $c = $s->accept; sleep 1' \
		"$BATS_TEST_TMPDIR/f.sock" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$BATS_TEST_TMPDIR/f.sock" ] && break; sleep 0.05; done
	printf '[task host/periodic]\nperiod = 50ms\nwcet = 10ms\n' >"$BATS_TEST_TMPDIR/e.ini"
	# every fourth job misses, from now on
	"$O/tests/periodic" nanosleep periodic 50000 2000 200 4 >/dev/null 3>&- &
	vm=$!
	run "$trace" record -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" --flight 1s --flight-on miss -d 20s \
		--link g="$BATS_TEST_TMPDIR/f.sock"
	echo "$output"
	agent=''
	grep -q 'saved because task periodic missed' "$run/manifest.json"
	# the miss happened while it was recorded, and its job is there
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 0 FROM jobs WHERE outcome LIKE 'missed%' AND deadline_ns > $(jq .start_ns "$run/manifest.json")")" = 1 ]
}

@test "misses are not what it waits for when only overruns are" {
	printf '[task host/periodic]\nperiod = 100ms\nwcet = 20ms\n' >"$BATS_TEST_TMPDIR/e.ini"
	run -0 "$trace" record -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" --flight 500ms --flight-on overrun -d 20s -- \
		"$O/tests/periodic" nanosleep periodic 100000 5000 14 10
	echo "$output"
	[ "$(jq -r .note "$run/manifest.json")" = '' ]
	[ "$(kept_ms)" -ge 450 ]
}

@test "a server beyond its budget makes it save" {
	start_vm CPU=1
	printf '[server flown]\nperiod = 100ms\nbudget = 20ms\npriority = 10\n' >"$BATS_TEST_TMPDIR/e.ini"
	run "$trace" record -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" --flight 1s --flight-on overrun -d 20s
	echo "$output"
	grep -q 'server flown ran beyond its budget' "$run/manifest.json"
	kill "$vm"
}

@test "buffers that are too small for the time are reported" {
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
	run -64 "$trace" record --flight 1s --stream -- true
	[[ $output = *'excludes'* ]]
}

@test "only VMs, and none runs: it waits for one, and says so when none came" {
	# nobody else's VM shall be found
	[ -z "$("$trace" vms --format csv 2>/dev/null | tail -n +2)" ] || skip "VMs run here"
	run -1 "$trace" record -o "$run" --all-vms --only-vms -d 300ms
	echo "$output"
	[[ $output = *'nothing is recorded until one does'* ]]
	[[ $output = *'no VM ran meanwhile'* ]]
	"$trace" record -q --force -o "$run" --all-vms --only-vms --no-guest -d 3s &
	recorder=$!
	sleep 0.5
	start_vm CPU=1
	wait "$recorder"
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 0 FROM slice")" = 1 ]
	kill "$vm"
}

#!/usr/bin/env bats
# What is left of a recording when its recorder is killed, or when there is no room for it.
# Needs root and tracefs.
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
	disk=$BATS_TEST_TMPDIR/disk
	mkdir "$disk"
	run=$disk/t.vmrt
	global=$(global_state)
}

teardown() {
	[ -z "${recorder:-}" ] || kill -9 "$recorder" 2>/dev/null
	[ -z "${agent:-}" ] || { kill "$agent" 2>/dev/null && wait "$agent"; }
	! mountpoint -q "$disk" || umount -l "$disk"
	return 0
}

global_state() { cat "$tracing"/{tracing_on,current_tracer,trace_clock,set_event,buffer_size_kb}; }
events_of() { trace-cmd report -i "$1" 2>/dev/null | grep -cE '\[[0-9]{3}\]'; }

# use_disk ext4|xfs|btrfs|tmpfs SIZE: with so much room, more or less
use_disk() {
	local image=$BATS_TEST_TMPDIR/image spare=$((${2%M} * 1048576)) free
	if [ "$1" = tmpfs ]; then
		mount -t tmpfs -o "size=$2" none "$disk"
		return
	fi
	truncate -s 400M "$image"
	case $1 in
	ext4) mkfs.ext4 -q -O ^has_journal "$image" || skip "needs mkfs.ext4" ;;
	*) "mkfs.$1" -q "$image" || skip "needs mkfs.$1" ;;
	esac
	mount -o loop "$image" "$disk" || skip "needs loop devices and $1"
	free=$(($(stat -f -c '%a * %S' "$disk")))
	[ "$free" -le "$spare" ] || fallocate -l $((free - spare)) "$disk/filler"
}

kill_recorder() {
	kill -9 "$recorder"
	wait "$recorder" || true
	killed=$recorder recorder=
	# the guardian switches it off
	for _ in $(seq 100); do
		[ "$(cat "$tracing/instances/vmrt-$killed-"*-record/tracing_on)" = 0 ] && return
		sleep 0.05
	done
	return 1
}

salvaged_well() {
	[ ! -e "$run/recorder.journal" ]
	! ls "$run"/*.pages
	! ls -d "$tracing/instances/vmrt-$killed-"*
	[ "$(stat -c %s "$run/host.dat")" -lt 100000000 ]
	said=$(sed -n 's/.*salvaged \([0-9]*\) events.*/\1/p' <<<"$output")
	[ "$said" -gt 10 ]
	[ "$(events_of "$run/host.dat")" -eq "$said" ]
	grep -q 'the recorder was killed' "$run/manifest.json"
	[ "$(sqlite3 "$run/run.db" 'SELECT count(*) FROM machine')" = 1 ]
	[ "$(global_state)" = "$global" ]
}

# what the guest had sent is there, in a file of its own that belongs to the host's
guest_salvaged_well() {
	[ ! -e "$run/guest-g.pings" ]
	[ "$(stat -c %s "$run/guest-g.dat")" -lt 100000000 ]
	sent=$(sed -n 's/.*and \([0-9]*\) events that guests had sent.*/\1/p' <<<"$output")
	[ "$sent" -gt 10 ]
	[ "$(events_of "$run/guest-g.dat")" -eq "$sent" ]
	"$O/tests/compare-tracecmd" "$run/host.dat" "$run/guest-g.dat" | grep 'guest g, '
	grep -q 'of the guest there is what it had sent before' "$run/manifest.json"
	[ "$(jq '.vms[0].pings | length' "$run/manifest.json")" -gt 5 ]
	[ "$(sqlite3 "$run/run.db" "SELECT max(error_ns) < 1000000 FROM clock")" = 1 ]
	[ "$(sqlite3 "$run/run.db" 'SELECT count(*) FROM machine')" = 2 ]
	[ "$(sqlite3 "$run/run.db" "SELECT events FROM machine WHERE kind = 'guest'")" -eq "$sent" ]
}

killed_with_guest() {
	"$O/bin/vmrt-agent" --listen "$BATS_TEST_TMPDIR/a.sock" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$BATS_TEST_TMPDIR/a.sock" ] && break; sleep 0.05; done
	start_recorder -d 100s --stream --link g="$BATS_TEST_TMPDIR/a.sock"
	sleep 1.5
	[ -s "$run/guest-g.pings" ]
	kill_recorder
	run "$trace" reset "$run"
	echo "$output"
	[ "$status" -eq 0 ]
	guest_salvaged_well
}

@test "what a guest had sent is salvaged where files can be put together in place" {
	use_disk ext4 200M
	killed_with_guest
}

@test "what a guest had sent is salvaged where they cannot" {
	use_disk tmpfs 100M
	killed_with_guest
}

@test "a recorder that is killed while it prepares leaves nothing that a reset does not remove" {
	local n pid
	for n in 3 12 20 25 28 31 34; do
		rm -rf "$run"
		FAULT_KILL=$n LD_PRELOAD=$PWD/$O/tests/fault-inject.so "$trace" record -q -o "$run" -d 1ms --no-guest 3>&- &
		pid=$!
		! wait $pid
		[ ! -s "$run/run.db" ]
		"$trace" reset -q --no-analyze "$run" || "$trace" reset -q --no-analyze
		ls -d "$tracing/instances/vmrt-$pid-"* /run/vmrt/vmrt-"$pid"-* >"$BATS_TEST_TMPDIR/left" 2>/dev/null || true
		echo "$n: $(cat "$BATS_TEST_TMPDIR/left")"
		[ ! -s "$BATS_TEST_TMPDIR/left" ]
		[ ! -e "$run/recorder.journal" ]
	done
}

as_nobody() { su nobody -s /bin/sh -c "$1"; }

@test "the owner of a folder cannot have root's recording finished in another folder, or in another's file" {
	home=$(mktemp -d /tmp/vmrt-test-XXXXXX)
	chown nobody "$home"
	as_nobody "mkdir $home/x.vmrt $home/y.vmrt"
	run=$home/x.vmrt
	start_recorder -d 100s --no-guest --force
	kill_recorder
	instance=$(ls -d "$tracing/instances/vmrt-$killed-"*-record)
	# the journal is root's, and is moved to a recording that nobody can read
	as_nobody "mv $home/x.vmrt/recorder.journal $home/y.vmrt/"
	install -m 644 "$run/host.dat" "$home/y.vmrt/host.dat"
	cp "$home/y.vmrt/host.dat" "$BATS_TEST_TMPDIR/before"
	run "$trace" reset --no-analyze "$home/y.vmrt"
	moved=$status said=$output
	cmp "$home/y.vmrt/host.dat" "$BATS_TEST_TMPDIR/before" && same=yes
	[ -d "$instance" ] && there=yes
	# where it was written, it is not added to a file that nobody can read
	as_nobody "mv $home/y.vmrt/recorder.journal $home/x.vmrt/"
	chown nobody "$home/x.vmrt/host.dat"
	run "$trace" reset --no-analyze "$home/x.vmrt"
	foreign=$status said2=$output
	chown root "$home/x.vmrt/host.dat"
	run "$trace" reset "$home/x.vmrt"
	echo "$said; $said2; $output"
	sqlite3 "$home/x.vmrt/run.db" 'SELECT events > 10 FROM machine' >"$BATS_TEST_TMPDIR/events"
	ls -d "$instance" /run/vmrt/vmrt-"$killed"-* >"$BATS_TEST_TMPDIR/left" || true
	rm -rf "$home"
	[ "$moved" -eq 1 ] && [ "${same:-}${there:-}" = yesyes ]
	[[ $said = *"nothing shows that its recorder.journal was written there"* ]]
	[ "$foreign" -eq 1 ]
	[[ $said2 = *"host.dat is of user $(id -u nobody), who could read what is added to it"* ]]
	[ "$status" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/events")" = 1 ]
	[ ! -s "$BATS_TEST_TMPDIR/left" ]
}

@test "an exchanged folder is not finished in place of the one that a recording was begun in" {
	home=$(mktemp -d /tmp/vmrt-test-XXXXXX)
	chown nobody "$home"
	run=$home/x.vmrt
	as_nobody "mkdir $run"
	start_recorder -d 100s --no-guest --force
	kill_recorder
	cp "$run/host.dat" "$home/host.dat"
	as_nobody "mv $run $home/z.vmrt; mkdir $run; mv $home/z.vmrt/recorder.journal $run/"
	mv "$home/host.dat" "$run/host.dat"
	run "$trace" reset
	echo "$output"
	left=$(ls "$run")
	ls -d "$tracing/instances/vmrt-$killed-"* /run/vmrt/vmrt-"$killed"-* >"$BATS_TEST_TMPDIR/left" || true
	rm -rf "$home"
	[[ $output != *salvaged* ]]
	[ ! -s "$BATS_TEST_TMPDIR/left" ]
	[[ $left = *recorder.journal* ]]
}

@test "reset of one run removes all that its recorder left in the kernel, and nothing else" {
	start_recorder -d 100s
	[ "$(ls -d "$tracing/instances/vmrt-$recorder-"* | wc -l)" -ge 2 ]
	run -0 "$trace" info "$run"
	[[ $output = *'it is being recorded'* && $output = *'not ended'* ]]
	kill_recorder
	run -0 "$trace" info "$run"
	echo "$output"
	[[ $output = *'the recorder was killed; `vmrt-trace reset'* && $output = *'not ended'* ]]
	[[ $output != *' -'[0-9]* ]]
	run -1 "$trace" analyze "$run"
	[[ $output = *'its recorder was killed; `vmrt-trace reset'* ]]
	mkdir "$tracing/instances/vmrt-1-1-0-other" # of another one that is gone
	"$trace" reset -q --no-analyze "$run"
	[ -d "$tracing/instances/vmrt-1-1-0-other" ]
	rmdir "$tracing/instances/vmrt-1-1-0-other"
	! ls -d "$tracing/instances/vmrt-$killed-"*
}

killed_and_salvaged() {
	start_recorder -d 100s
	sleep 1
	kill_recorder
	run -0 "$trace" reset
	echo "$output"
	[[ $output = *' 0 lost'* ]]
	salvaged_well
}

@test "a killed recorder's events are salvaged where files can be put together in place" {
	use_disk ext4 200M
	killed_and_salvaged
}

@test "a killed recorder's events are salvaged where they cannot" {
	use_disk tmpfs 100M
	killed_and_salvaged
}

@test "a killed recorder's events are salvaged on xfs" {
	use_disk xfs 200M
	killed_and_salvaged
}

@test "a killed recorder's events are salvaged on btrfs" {
	use_disk btrfs 200M
	killed_and_salvaged
}

@test "a recorder killed before it has written anything leaves what the buffers hold" {
	start_recorder -d 100s
	kill_recorder
	run -0 "$trace" reset "$run"
	echo "$output"
	salvaged_well
}

@test "when the instance is gone too, what was written is salvaged" {
	start_recorder -d 100s
	sleep 1
	kill_recorder
	rmdir "$tracing/instances/vmrt-$killed-"*
	run -0 "$trace" reset "$run"
	echo "$output"
	grep -q "what the kernel's buffers held is gone" "$run/manifest.json"
	salvaged_well
}

@test "a recording in progress is left alone" {
	start_recorder -d 100s
	run -1 "$trace" reset "$run"
	[[ $output = *'is being recorded'* ]]
	"$trace" reset
	[ "$(cat "$tracing/instances/vmrt-$recorder-"*-record/tracing_on)" = 1 ]
	kill "$recorder"
	wait "$recorder"
	recorder=
	[ -e "$run/run.db" ]
	run -0 "$trace" reset "$run"
	[[ $output = *'nothing to salvage'* ]]
	[ -e "$run/run.db" ]
}

full_disk() {
	run -0 "$trace" record --buffer 4M -o "$run" -d 30s -- "$O/tests/event-load" 250000 30
	echo "$output"
	[[ $output = *'the disk was nearly full'* ]]
	[[ $output = *' 0 lost'* ]]
	"$trace" info "$run" | grep -q 'note: .*nearly full'
	said=$(sed -n 's/.* \([0-9]*\) events, 0 lost.*/\1/p' <<<"$output")
	[ "$(events_of "$run/host.dat")" -eq "$said" ]
	[ -e "$run/run.db" ]
}

@test "a disk that fills ends the recording in time, in place" {
	use_disk ext4 60M
	full_disk
}

@test "a disk that fills ends the recording in time, with files apart" {
	use_disk tmpfs 50M
	full_disk
}

@test "a disk that fills ends the recording in time, on btrfs" {
	use_disk btrfs 40M
	full_disk
}

@test "a disk that is full at the beginning is reported" {
	use_disk tmpfs 8M
	run -1 "$trace" record -o "$run" -- true
	[[ $output = *'nearly full'* ]]
	[ ! -e "$run" ]
}

@test "--max-size ends the recording and says so" {
	run -0 "$trace" record -o "$run" --max-size 1M -d 30s -- "$O/tests/event-load" 100000 30
	echo "$output"
	[[ $output = *'--max-size was reached'* ]]
	[ "$(stat -c %s "$run/host.dat")" -lt 40000000 ]
	"$trace" info "$run" | grep -q 'note: .*--max-size'
}

@test "SIGHUP ends the recording and keeps it" {
	start_recorder -d 100s
	kill -HUP "$recorder"
	wait "$recorder"
	recorder=
	[ "$(events_of "$run/host.dat")" -gt 10 ]
	[ -e "$run/run.db" ]
}

@test "a reset that others keep waiting at each instance answers ^C" {
	local n=0 i holder reset
	# of processes that have ended, each with a file that is held open: the reset waits 0.2 s for each
	for ((i = 0; i < 12; i++)); do mkdir "$tracing/instances/vmrt-999999-1-$i-held"; done
	(
		for ((i = 0; i < 12; i++)); do exec {fd}>"$tracing/instances/vmrt-999999-1-$i-held/trace_marker"; done
		echo >"$BATS_TEST_TMPDIR/held"
		exec sleep 60
	) 3>&- &
	holder=$!
	until [ -e "$BATS_TEST_TMPDIR/held" ]; do sleep 0.05; done
	"$trace" reset --no-analyze 2>"$BATS_TEST_TMPDIR/said" 3>&- &
	reset=$!
	until grep -q held "$BATS_TEST_TMPDIR/said"; do sleep 0.02; done
	kill -TERM "$reset"
	wait "$reset" && status=0 || status=$?
	n=$(grep -c 'cannot remove.*-held' "$BATS_TEST_TMPDIR/said" || true)
	cat "$BATS_TEST_TMPDIR/said"
	kill "$holder" && wait "$holder" || true
	for ((i = 0; i < 12; i++)); do rmdir "$tracing/instances/vmrt-999999-1-$i-held"; done
	[ "$status" -eq 1 ]
	[ "$n" -lt 12 ]
	grep -q interrupted "$BATS_TEST_TMPDIR/said"
}

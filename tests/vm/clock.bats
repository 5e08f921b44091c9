#!/usr/bin/env bats
# The relation of a real guest's clock to the host's: under contention, across a stop of the VM, and in the
# files for other readers. And what happens when the VM or its agents end. Needs QEMU and root.
# shellcheck disable=SC2030,SC2031,SC2016,SC2154
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup_file() {
	find_build
	export root O vm=clocktest-$$ STATE=$BATS_FILE_TMPDIR/state out=$BATS_FILE_TMPDIR/out
	need_tracing
	mkdir -p "$out"
	"$root/scripts/vm" start "$vm" --accel tcg --cpu 0 --state "$STATE" || return 1
	# something that runs now and then
	"$root/scripts/vm" exec "$vm" --state "$STATE" \
		'(while :; do i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; usleep 3000; done) >/dev/null 2>&1 &'
	trace=$O/bin/vmrt-trace
	. "$root/scripts/lib/experiment.sh"
	hogs_start 2 0 3>&-
	"$trace" record --allow-loss -o "$out/plain" --vm "$vm" -d 5s 3>&- || status=$?
	"$trace" record --allow-loss -o "$out/stopped" --vm "$vm" -- \
		sh -c "sleep 2; perl '$root/tests/lib/qmp.pl' '$STATE/qmp.sock' stop 0.4 cont; sleep 2" 3>&- || status=$?
	hogs_stop
	return "${status:-0}"
}

teardown_file() {
	"$root/scripts/vm" stop "$vm" --state "$STATE" 2>/dev/null || true
}

setup() {
	trace=$O/bin/vmrt-trace
}

sql() { sqlite3 -batch -noheader "$out/$1.vmrt/run.db" "$2"; }

guest() { timeout 60 "$root/scripts/vm" exec "$vm" --state "$STATE" "$@"; }

@test "under contention the clock is known to 30 us" {
	"$trace" info "$out/plain.vmrt"
	[ "$(sql plain "SELECT count(*) FROM clock WHERE uppers OR lowers")" = 1 ]
	[ "$(sql plain "SELECT max(error_ns) FROM clock")" -le 30000 ]
}

@test "a stop of the VM is a step, as long as the stop, and not averaged over" {
	"$trace" info "$out/stopped.vmrt" | tee /dev/stderr | grep 'the clock was stepped'
	[ "$(sql stopped "SELECT count(*) FROM clock WHERE uppers OR lowers")" = 2 ]
	step=$(sql stopped "SELECT max(offset_ns) - min(offset_ns) FROM clock WHERE uppers OR lowers")
	[ "$step" -gt 400000000 ] && [ "$step" -lt 600000000 ]
	[ "$(sql stopped "SELECT max(error_ns) FROM clock WHERE uppers OR lowers")" -le 100000 ]
	# what is not known is short
	[ "$(sql stopped "SELECT sum(to_local_ns - from_local_ns) FROM clock WHERE NOT (uppers OR lowers)")" -le 500000000 ]
}

# times_of FILE...: of the guest's events, in ns
times_of() {
	local files=() f
	for f in "$@"; do files+=(-i "$f"); done
	trace-cmd report -t "${files[@]}" 2>/dev/null | grep -v ' host\.dat:' |
		sed -n 's/.*\] *\([0-9]*\)\.\([0-9]*\): [a-z_]*: .*/\1\2/p' | sort -n
}

@test "other readers get the same times from the guest's file, to the microsecond" {
	for run in plain stopped; do
		cp "$out/$run.vmrt/guest-$vm.dat" "$BATS_TEST_TMPDIR/local.dat"
		perl "$root/tests/lib/without-shift.pl" "$BATS_TEST_TMPDIR/local.dat"
		times_of "$BATS_TEST_TMPDIR/local.dat" >"$BATS_TEST_TMPDIR/local"
		times_of "$out/$run.vmrt/host.dat" "$out/$run.vmrt/guest-$vm.dat" >"$BATS_TEST_TMPDIR/theirs"
		sql $run "SELECT from_local_ns, to_local_ns, offset_ns, rate_ppb, uppers + lowers FROM clock ORDER BY 1" |
			tr '|' ' ' >"$BATS_TEST_TMPDIR/clock"
		paste -d ' ' "$BATS_TEST_TMPDIR"/{local,theirs} | awk -v clock="$BATS_TEST_TMPDIR/clock" '
			BEGIN { n = 0; while ((getline <clock) > 0) { from[n] = $1; to[n] = $2; offset[n] = $3; rate[n] = $4; bounds[n++] = $5 } }
			{ for (i = 0; i < n; i++)
				if (bounds[i] && $1 >= from[i] && $1 < to[i]) {
					all++
					d = $1 - offset[i] - rate[i] * 1e-9 * ($1 - from[i]) - $2
					if (d > 1000 || d < -1000) bad++
				} }
			END { print all + 0, bad + 0; exit all < 200 || bad > 0 }'
	done
}

# record_and NAME COMMAND...: records for 3 s, does COMMAND after 1 s; `took` is how long it all took
record_and() {
	local name=$1 from=$SECONDS
	shift
	"$trace" record --allow-loss --force -o "$out/$name" --vm "$vm" -d 3s >"$out/$name.log" 2>&1 3>&- &
	local recorder=$!
	for _ in $(seq 200); do
		[ "$(cat /sys/kernel/tracing/instances/vmrt-$recorder-*-record/tracing_on 2>/dev/null)" = 1 ] && break
		sleep 0.05
	done
	sleep 1
	"$@"
	local status=0
	wait "$recorder" || status=$?
	took=$((SECONDS - from))
	echo "took $took s"
	cat "$out/$name.log"
	return "$status"
}

@test "an agent that is asked to end sends what it has, and says so" {
	record_and ended guest 'killall vmrt-agent 2>/dev/null; sleep 0.5'
	[[ $(cat "$out/ended.log") = *'has stopped recording: it was asked to end'* ]]
	[ "$(sql ended "SELECT events > 0 FROM machine WHERE kind = 'guest'")" = 1 ]
	"$trace" info "$out/ended.vmrt" | grep 'note: '
	[ "$took" -lt 14 ]
	run guest 'ls /sys/kernel/tracing/instances'
	[ -z "$output" ]
	guest 'vmrt-agent >/dev/null 2>&1 &'
}

@test "agents that are killed all at once are not waited for for long" {
	guest 'sleep 0.5'
	record_and killed guest 'killall -9 vmrt-agent 2>/dev/null; true'
	[[ $(cat "$out/killed.log") = *warning:* ]]
	"$trace" info "$out/killed.vmrt" | grep 'note: '
	[ "$(sql killed "SELECT events > 0 FROM machine WHERE kind = 'host'")" = 1 ]
	[ "$took" -lt 32 ]
	guest 'vmrt-agent >/dev/null 2>&1 &'
}

@test "a VM that is killed leaves a recording of the host, with a note" {
	record_and dead kill -9 "$(cat "$STATE/pid")"
	[[ $(cat "$out/dead.log") = *'was cut'* ]]
	"$trace" info "$out/dead.vmrt" | grep 'note: .*cut'
	[ "$(sql dead "SELECT events > 0 FROM machine WHERE kind = 'host'")" = 1 ]
	[ "$took" -lt 14 ]
}

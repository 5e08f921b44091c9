#!/usr/bin/env bats
# vmrt-trace record on this very machine, and with an agent on a socket in place of a guest.
# Needs root and tracefs.
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	socket=$BATS_TEST_TMPDIR/a.sock
	agent=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
	instances=$(ls "$tracing/instances")
	global=$(global_state)
}

teardown() {
	[ -z "$agent" ] || { kill "$agent" 2>/dev/null && wait "$agent"; }
	[ -z "${recorder:-}" ] || kill -9 "$recorder" 2>/dev/null
	return 0
}

global_state() { cat "$tracing"/{tracing_on,current_tracer,trace_clock,set_event,buffer_size_kb}; }

# What everybody else sees is as it was, and no instance of this test is left.
nothing_left() {
	[ "$(global_state)" = "$global" ]
	# other tests may record at the same time: only processes of ours count
	local i pid
	for i in "$tracing"/instances/vmrt-*; do
		[ -e "$i" ] || continue
		pid=${i##*/vmrt-} pid=${pid%%-*}
		[[ "$instances" = *"${i##*/}"* ]] || [ -e "/proc/$pid" ] || {
			echo "left behind: $i"
			return 1
		}
	done
}

events_of() { trace-cmd report -i "$1" 2>/dev/null | grep -cE '\[[0-9]{3}\]'; }

start_agent() {
	"$O/bin/vmrt-agent" --listen "$socket" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$socket" ] && return; sleep 0.05; done
	return 1
}

# recorder_ends STATUS
recorder_ends() {
	local status=0
	wait "$recorder" || status=$?
	cat "$BATS_TEST_TMPDIR/log"
	recorder=
	[ "$status" -eq "$1" ]
}

@test "a recording around a command holds the events that its threads made, and no others are counted" {
	run -0 "$trace" record -o "$run" -- bash -c 'exec -a x sleep 0.5'
	echo "$output"
	said=$(sed -n 's/.* \([0-9]*\) events, 0 lost.*/\1/p' <<<"$output")
	[ "$said" -gt 50 ]
	[ "$(events_of "$run/host.dat")" -eq "$said" ]
	trace-cmd report -i "$run/host.dat" | grep -q 'sched_switch:.*sleep:.* S ==>'
	trace-cmd report -i "$run/host.dat" | grep -q 'function=hrtimer_wakeup'
	nothing_left
}

@test "the names of short-lived threads are there" {
	"$trace" record -q -o "$run" -- sh -c 'for i in 1 2 3 4 5; do /bin/true; done'
	[ "$(trace-cmd report -i "$run/host.dat" | grep -c '<\.\.\.>')" -eq 0 ]
}

@test "the command's exit status is kept and printed" {
	run -0 "$trace" record -o "$run" -- sh -c 'exit 7'
	[[ $output = *'sh ended with status 7'* ]]
	"$trace" info "$run" | grep -q 'status 7'
}

@test "a command that cannot be run leaves nothing" {
	run -1 "$trace" record -o "$run" -- /no/such/program
	[[ $output = *'cannot run /no/such/program'* ]]
	[ ! -e "$run" ]
	nothing_left
}

@test "an existing run is refused without --force, and other people's folders with it" {
	"$trace" record -q -o "$run" -- true
	run -1 "$trace" record -o "$run" -- true
	[[ $output = *'is there already; --force overwrites it'* ]]
	"$trace" record -q --force -o "$run" -- true
	touch "$run/thesis.tex"
	run -1 "$trace" record --force -o "$run" -- true
	[[ $output = *thesis.tex* ]]
	[ -e "$run/host.dat" ]
	nothing_left
}

@test "a folder that cannot be made is reported before anything runs" {
	run -1 "$trace" record -o /proc/x -- touch "$BATS_TEST_TMPDIR/ran"
	[[ $output = *'cannot make the folder /proc/x.vmrt'* ]]
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
	nothing_left
}

@test "an unknown VM is reported before anything is made" {
	run -1 "$trace" record -o "$run" --vm no-such-vm -- true
	[[ $output = *'there is no VM no-such-vm'* ]]
	[ ! -e "$run" ]
	nothing_left
}

@test "not root: says what is missing" {
	command -v setpriv >/dev/null || skip "needs setpriv"
	cp "$trace" "$BATS_TEST_TMPDIR/vmrt-trace"
	chmod -R a+rX "$BATS_TEST_TMPDIR"
	cd /tmp
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/vmrt-trace" record -o /tmp/never -- true
	[[ $output = *'no permission for tracefs'* ]]
}

@test "without tracefs: says so" {
	run -1 unshare -m sh -c "umount -l '$tracing'; mount -t tmpfs none /sys/kernel; exec '$trace' record -o '$run' -- true"
	[[ $output = *tracefs* ]]
	[ ! -e "$run" ]
}

@test "^C ends the recording and keeps it" {
	start_recorder -- sleep 100
	kill -INT "$recorder"
	recorder_ends 0
	[ -s "$run/host.dat" ] && [ -s "$run/run.db" ]
	[ "$(events_of "$run/host.dat")" -gt 0 ]
	nothing_left
}

@test "SIGTERM is passed to the command" {
	start_recorder -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
	sleep 0.3 # for the shell to set its trap
	kill -TERM "$recorder"
	recorder_ends 0
	grep -q 'ended with status 9' "$BATS_TEST_TMPDIR/log"
	nothing_left
}

@test "a killed recorder's instance is removed by reset, and only then" {
	start_recorder -d 100s
	run -0 "$trace" reset
	compgen -G "$tracing/instances/vmrt-$recorder-*"
	kill -9 "$recorder"
	wait "$recorder" || true
	run -0 "$trace" reset
	[[ $output = *"removed the tracefs instance vmrt-$recorder-"* ]]
	recorder=
	nothing_left
}

@test "a guest is recorded through its agent, with a clock that agrees" {
	start_agent
	run -0 "$trace" record -o "$run" --link g=$socket -d 1s
	echo "$output"
	said=$(sed -n 's/.* \([0-9]*\) events, 0 lost.*/\1/p' <<<"$output")
	[ $(($(events_of "$run/host.dat") + $(events_of "$run/guest-g.dat"))) -eq "$said" ]
	[ "$(trace-cmd report -i "$run/host.dat" -i "$run/guest-g.dat" 2>/dev/null | grep -cE '\[[0-9]{3}\]')" -eq "$said" ]
	# same machine, same clock: the map must say so within its bound
	sqlite3 "$run/run.db" "select count(*) from machine" | grep -qx 2
	nothing_left
}

@test "streaming and holding exclude each other" {
	run -64 "$trace" record -o "$run" --stream --hold -- true
	[[ $output = *'--hold and --stream exclude each other'* ]]
}

@test "streaming gives the same events as holding" {
	start_agent
	run -0 "$trace" record -o "$run" --stream --link g=$socket -d 1s
	said=$(sed -n 's/.* \([0-9]*\) events, 0 lost.*/\1/p' <<<"$output")
	[ $(($(events_of "$run/host.dat") + $(events_of "$run/guest-g.dat"))) -eq "$said" ]
	nothing_left
}

@test "a small guest buffer is sent early instead of losing" {
	start_agent
	run "$trace" record -o "$run" --guest-buffer 256k --link g=$socket -- \
		sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do /bin/true; sleep 0.1; done'
	echo "$output"
	[ "$status" -eq 0 ]
	nothing_left
}

@test "an agent that is killed is a note, not the end" {
	start_agent
	start_recorder --link g=$socket -d 3s
	kill -9 "$agent"
	wait "$agent" || true
	agent=
	recorder_ends 0
	"$trace" info "$run" | grep -q 'note: .*cut'
	[ "$(events_of "$run/host.dat")" -gt 0 ]
	"$trace" reset
	nothing_left
}

# ^C twice: a second one that comes before the first was taken would be the same signal
interrupt_twice() {
	kill -INT "$recorder"
	for _ in $(seq 200); do
		grep -q '^ShdPnd:[[:space:]]*0*$' "/proc/$recorder/status" && break
		sleep 0.02
	done
	kill -INT "$recorder"
}

@test "an agent that hangs is a note, not the end" {
	start_agent
	start_recorder --link g=$socket -d 1s
	kill -STOP "$agent"
	sleep 1.5
	interrupt_twice
	recorder_ends 0
	kill -CONT "$agent"
	"$trace" info "$run" | grep -q 'note: g: its events were not waited for'
	[ "$(events_of "$run/host.dat")" -gt 0 ]
	grep -q "not analysed, since it was to end at once: vmrt-trace analyze $run" "$BATS_TEST_TMPDIR/log"
	"$trace" analyze -q --allow-loss "$run"
}

@test "after a second ^C not even the kernel is waited for: the instances go behind the recorder" {
	local held
	start_agent
	start_recorder --link g=$socket -d 100s
	kill -STOP "$agent"
	# as long as somebody has its marker open, the instance cannot be removed
	held=$(echo "$tracing/instances/vmrt-$recorder-"*-record)
	exec 4>"$held/trace_marker"
	interrupt_twice
	recorder_ends 0
	kill -CONT "$agent"
	# the recorder has ended, and did not complain of what it did not wait for
	[ -d "$held" ]
	run ! grep -q 'cannot remove' "$BATS_TEST_TMPDIR/log"
	[ "$(events_of "$run/host.dat")" -gt 0 ]
	exec 4>&-
	for _ in $(seq 200); do [ -d "$held" ] || break; sleep 0.05; done
	[ ! -d "$held" ]
	nothing_left
}

@test "an instance that cannot be removed: who has it open is said" {
	local held
	start_recorder -d 100s --no-analyze
	held=$(echo "$tracing/instances/vmrt-$recorder-"*-record)
	perl -e 'open(F, ">", $ARGV[0]) or die; $| = 1; print "open\n"; sleep 100' "$held/trace_marker" >"$BATS_TEST_TMPDIR/holder" 3>&- &
	agent=$!
	for _ in $(seq 200); do [ -s "$BATS_TEST_TMPDIR/holder" ] && break; sleep 0.05; done
	kill -INT "$recorder"
	recorder_ends 0
	grep -q "cannot remove the tracefs instance ${held##*/} (process $agent (perl) has its trace_marker open); .vmrt-trace reset. will" "$BATS_TEST_TMPDIR/log"
	kill "$agent"
	wait "$agent" || true
	agent=
	"$trace" reset
	[ ! -d "$held" ]
}

@test "a second ^C ends a command that obeys no signal" {
	start_recorder -- sh -c 'trap "" INT TERM; while :; do sleep 0.1; done'
	interrupt_twice
	recorder_ends 0
	[ "$(jq .command_status "$run/manifest.json")" = 137 ]
	[ "$(events_of "$run/host.dat")" -gt 0 ]
}

@test "a recorder killed in the middle of talking leaves an agent that serves the next one" {
	start_agent
	start_recorder --stream --link g=$socket -d 100s
	sleep 0.3
	kill -9 "$recorder"
	wait "$recorder" || true
	recorder=
	run -0 "$trace" record --force -o "$run" --link g=$socket -d 500ms
	echo "$output"
	[[ $output = *'1 guest'* ]]
	"$trace" reset
	nothing_left
}

@test "garbage in place of an agent is a note" {
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1); $c = $s->accept; $SIG{PIPE} = "IGNORE"; while (print $c "\xf5\x56\x4d\xb7" . "\xff" x 4096) {}' "$socket" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.05; done
	run -0 "$trace" record -o "$run" --link g=$socket -d 500ms
	echo "$output"
	[[ $output = *'0 guests'* ]]
	"$trace" info "$run" | grep -q 'note: '
	nothing_left
}

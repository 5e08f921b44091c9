#!/usr/bin/env bats
# vmrt-top follows a recording that another process makes: of this machine, and with an agent on a
# socket in place of a guest. Needs root and tracefs.
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	top=$O/bin/vmrt-top
	run=$BATS_TEST_TMPDIR/t.vmrt
	socket=$BATS_TEST_TMPDIR/a.sock
	agent='' recorder='' load=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
	printf '[experiment]\nname = f\n[task host/follow_me]\nperiod = 20ms\ndeadline = 20ms\n' >"$BATS_TEST_TMPDIR/e.ini"
}

teardown() {
	for pid in $agent $recorder $load; do kill -9 "$pid" 2>/dev/null || true; done
	return 0
}

begin() { # begin OPTION...: a task in place of the one before, and a recorder that has begun
	[ -z "$load" ] || kill -9 "$load" 2>/dev/null || true
	"$O/tests/periodic" timerfd follow_me 20000 500 1000 0 >/dev/null 3>&- &
	load=$!
	"$trace" record -q -e "$BATS_TEST_TMPDIR/e.ini" -o "$run" "$@" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	recorder=$!
	for _ in {1..200}; do
		[ -e "$run/manifest.json" ] && return
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/log"
	return 1
}

# the jobs of each update, and of the last one everything
jobs_of() { python3 -c '
import json, sys
for line in open(sys.argv[1]):
    u = json.loads(line)["update"]
    print(u["view"]["ended"], u["tasks"][0]["jobs"])' "$1"; }
numbers_of() { tail -n 1 "$1" | python3 -c '
import json, sys
u = json.loads(sys.stdin.readline())["update"]
print(json.dumps([u["tasks"], u["servers"], u["machines"]], indent=1))'; }

grows_and_ends_as_the_replay() {
	run -0 jobs_of "$BATS_TEST_TMPDIR/live"
	echo "$output"
	# several updates before the end saw more and more
	[ "$(grep False <<<"$output" | sort -u | wc -l)" -ge 3 ]
	[ "$(tail -n 1 <<<"$output" | cut -d' ' -f1)" = True ]
	"$top" --json --speed 0 "$run" >"$BATS_TEST_TMPDIR/replay"
	numbers_of "$BATS_TEST_TMPDIR/live" >"$BATS_TEST_TMPDIR/a"
	numbers_of "$BATS_TEST_TMPDIR/replay" >"$BATS_TEST_TMPDIR/b"
	diff "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
}

@test "a recording of the host is followed to its end, and then is what a replay is" {
	begin -d 4s
	run -0 timeout 60 "$top" --json -d 500ms "$run"
	echo "$output" >"$BATS_TEST_TMPDIR/live"
	wait "$recorder"
	grows_and_ends_as_the_replay
	[ ! -e "$run/recorder.progress" ]
}

@test "where each CPU has a file of its own it is followed, too" {
	(ulimit -f 4194304; begin -d 4s; echo "$recorder $load" >"$BATS_TEST_TMPDIR/pids"; wait "$recorder") &
	for _ in {1..200}; do [ -e "$run/host-cpu0.pages" ] && [ -e "$BATS_TEST_TMPDIR/pids" ] && break; sleep 0.05; done
	read -r recorder load <"$BATS_TEST_TMPDIR/pids"
	run -0 timeout 60 "$top" --json -d 500ms "$run"
	echo "$output" >"$BATS_TEST_TMPDIR/live"
	wait
	grows_and_ends_as_the_replay
}

@test "a guest that streams is followed; one that holds its events is named" {
	"$O/bin/vmrt-agent" --listen "$socket" 3>&- &
	agent=$!
	for _ in {1..100}; do [ -S "$socket" ] && break; sleep 0.05; done
	sed -i 's/host/g/' "$BATS_TEST_TMPDIR/e.ini"
	printf '[task host/follow_me]\nperiod = 20ms\ndeadline = 20ms\n' >>"$BATS_TEST_TMPDIR/e.ini"
	begin -d 4s --stream --link g="$socket" --allow-loss
	run -0 timeout 60 "$top" --json -d 500ms "$run"
	echo "$output" >"$BATS_TEST_TMPDIR/live"
	wait "$recorder"
	grows_and_ends_as_the_replay
	rm -r "$run"
	begin -d 3s --link g="$socket" --allow-loss
	run -0 timeout 60 "$top" -b -d 500ms "$run"
	echo "$output"
	wait "$recorder"
	[[ $output = *'g: its events come when the recording ends (record --stream'* ]]
}

@test "when the recorder is killed that is said, and what was seen stays" {
	begin -d 60s
	(sleep 3; kill -9 "$recorder") 3>&- &
	run -0 timeout 30 "$top" -b -d 500ms "$run"
	echo "$output"
	[[ $output = *'its recorder was killed: vmrt-trace reset '*'; end'* ]]
	[ "$(tail -n 1 <<<"$output" | awk '{ print $5 }')" -gt 20 ]
	run -1 "$top" -b "$run"
	[[ $output = *'its recorder was killed: vmrt-trace reset '* ]]
	"$trace" reset "$run"
	[ ! -e "$run/recorder.progress" ]
	"$top" -b --speed 0 "$run" | tail -n 1 | awk '{ exit $5 < 20 }'
}

@test "on a terminal it says FOLLOW, and END when the recording has ended" {
	command -v tmux >/dev/null || skip "needs tmux"
	begin -d 4s
	tmux -L "follow-$$" -f /dev/null new-session -d -x 100 -y 24 "LC_ALL=C.UTF-8 $PWD/$top --no-config -d 200ms $run" 3>&-
	for word in FOLLOW host/follow_me 'END$' 'The recording has ended'; do
		for _ in {1..150}; do
			tmux -L "follow-$$" capture-pane -p >"$BATS_TEST_TMPDIR/screen"
			grep -q "$word" "$BATS_TEST_TMPDIR/screen" && break
			sleep 0.1
		done
		cat "$BATS_TEST_TMPDIR/screen"
		grep -q "$word" "$BATS_TEST_TMPDIR/screen"
	done
	tmux -L "follow-$$" send-keys q
	sleep 0.5
	tmux -L "follow-$$" kill-server 2>/dev/null || true
	wait "$recorder"
}

@test "while it is recorded one goes back to a time and to a miss, and to the present again" {
	command -v tmux >/dev/null || skip "needs tmux"
	sed -i 's/deadline = .*/deadline = 300us/' "$BATS_TEST_TMPDIR/e.ini"
	begin -d 60s
	tmux -L "follow-$$" -f /dev/null new-session -d -x 100 -y 24 "LC_ALL=C.UTF-8 $PWD/$top --no-config -d 200ms $run" 3>&-
	on_screen "follow-$$" '0:0[4-9].*FOLLOW$'
	tmux -L "follow-$$" send-keys t 1s Enter
	on_screen "follow-$$" '0:01\.[0-9]* of .*PLAY$'
	on_screen "follow-$$" 'as it was: the recorder is [1-9][0-9]* s ahead'
	tmux -L "follow-$$" send-keys Space t 1s Enter
	on_screen "follow-$$" '0:01\.000 of .*PAUSED$'
	tmux -L "follow-$$" send-keys M
	on_screen "follow-$$" 'Miss [3-6][0-9]: host/follow_me job [0-9]*'
	number=$(grep -o 'Miss [0-9]*' "$BATS_TEST_TMPDIR/screen" | cut -d' ' -f2)
	tmux -L "follow-$$" send-keys m
	on_screen "follow-$$" "Miss $((number + 1)): host/follow_me"
	# its events, without reading all that was recorded before
	tmux -L "follow-$$" send-keys 5 e
	on_screen "follow-$$" 'Events around host/follow_me job [0-9]'
	tmux -L "follow-$$" send-keys Escape
	tmux -L "follow-$$" send-keys 4 G
	on_screen "follow-$$" 'FOLLOW$'
	# what was looked at stays when the recording ends
	tmux -L "follow-$$" send-keys t 2s Enter Space
	on_screen "follow-$$" '0:0[2-4].* of .*PAUSED$'
	kill -TERM "$recorder"
	on_screen "follow-$$" 'The recording has ended'
	on_screen "follow-$$" '0:0[2-4].* of .*PAUSED$'
	tmux -L "follow-$$" send-keys q
	wait "$recorder"
}

@test "a follower that is killed or stopped does not concern the recorder" {
	begin -d 3s
	"$top" -b -d 100ms "$run" >/dev/null 3>&- &
	local follower=$!
	sleep 1.5
	kill -STOP "$follower"
	wait "$recorder"
	kill -9 "$follower"
	[ -s "$run/run.db" ] && [ ! -e "$run/recorder.journal" ]
}

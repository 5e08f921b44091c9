#!/usr/bin/env bats
# Which process a thread belongs to is recorded: of the host and, through its agent, of a guest. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	d=$BATS_TEST_TMPDIR
	run=$d/t.vmrt
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -d /sys/kernel/tracing/instances ] || skip "tracefs is not mounted here"
	# two threads, which have their names before anything is recorded: the main thread, and "releaser"
	taskset -c 0 "$O/tests/periodic" chain p_chain 10000 300 10000 0 >/dev/null 2>&1 3>&- &
	program=$!
	agent=
	for _ in $(seq 50); do
		grep -qsx releaser /proc/$program/task/*/comm && break
		sleep 0.1
	done
	releaser=$(basename "$(dirname "$(grep -lx releaser /proc/$program/task/*/comm)")")
}

teardown() {
	kill "$program" 2>/dev/null
	[ -z "$agent" ] || kill "$agent" 2>/dev/null
	"$trace" reset 2>/dev/null
	return 0
}

start_agent() {
	"$O/bin/vmrt-agent" --listen "$d/agent.sock" >"$d/agent.log" 2>&1 3>&- &
	agent=$!
	for _ in $(seq 100); do
		[ ! -S "$d/agent.sock" ] || return 0
		sleep 0.05
	done
	return 1
}

@test "a thread that was renamed before the recording is found by its process" {
	printf '[task host/r]\nprocess = p_chain\nthread = releaser\nperiod = 10ms\n' >"$d/e.ini"
	"$trace" record -q --allow-loss --no-guest -o "$run" -e "$d/e.ini" -d 500ms
	[ "$(sqlite3 "$run/run.db" "select count(*) > 20 from job")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "select distinct tid from job join thread on thread.id = job.thread")" = "$releaser" ]
	# a run without that file, as older recorders made it, is analysed as before
	rm "$run/host.processes"
	"$trace" analyze -q --allow-loss "$run" 2>/dev/null || true
	[ "$(sqlite3 "$run/run.db" "select count(*) from job")" = 0 ]
}

@test "tasks names the process of each thread, of a run and of the machine now" {
	"$trace" record -q --allow-loss --no-guest --no-analyze -o "$run" -d 500ms
	for where in "$run" '-d 500ms'; do
		# shellcheck disable=SC2086
		"$trace" tasks --format json $where >"$d/tasks.json"
		[ "$(jq -r --argjson tid "$releaser" '.. | objects | select(.tid? == $tid) | [.process, .pid] | @csv' "$d/tasks.json")" = "\"p_chain\",$program" ]
	done
}

@test "a guest's agent sends them, at the beginning and at the end" {
	start_agent
	printf '[task g/r]\nprocess = p_chain\nthread = releaser\nperiod = 10ms\n' >"$d/e.ini"
	"$trace" record -q --allow-loss -o "$run" -e "$d/e.ini" --link "g=$d/agent.sock" -d 500ms
	[ "$(sed -n '/^begin$/,/^end$/p' "$run/guest-g.processes" | grep -cx "$releaser $program p_chain")" = 1 ]
	[ "$(sed -n '/^end$/,$p' "$run/guest-g.processes" | grep -cx "$releaser $program p_chain")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "select count(*) > 20 from job")" = 1 ]
	[ "$(stat -c %a "$run/guest-g.processes")" = "$(stat -c %a "$run/guest-g.dat")" ]
}

# pieces PREPARE: which kinds of META an agent sends in answer to this message, in octal, one a line
pieces() {
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) // die;
		print $s pack("V3", 0xb74d56f5, 1, 16) . pack("V Q< Z4", 2, 7, "old");
		print $s pack("V3", 0xb74d56f5, 2, length $ARGV[1]) . pack("H*", $ARGV[2]);
		$s->flush;
		for (;;) {
			my ($head, $body) = ("", "");
			read($s, $head, 12) == 12 or die;
			my ($magic, $type, $size) = unpack("V3", $head);
			!$size || read($s, $body, $size) == $size or die;
			print unpack("V", $body), "\n" if $type == 3;
			exit 0 if $type == 4;
			die $body if $type == 15;
		}' "$d/agent.sock" "$(head -c $((${#1} / 2)) /dev/zero | tr '\0' x)" "$1"
}

@test "a recorder that does not ask for them does not get them: older ones would take them for garbage" {
	start_agent
	# 1 MiB of buffer, mode 0: 12 bytes, as before
	run -0 pieces 000010000000000000000000
	echo "$output"
	! grep -qx 8 <<<"$output"
	grep -qx 7 <<<"$output"
	run -0 pieces 00001000000000000000000001000000
	grep -qx 8 <<<"$output"
}

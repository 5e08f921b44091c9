#!/usr/bin/env bats
# Recordings as other programs read them, and what recording leaves alone. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	compare=$O/tests/compare-tracecmd
	run=$BATS_TEST_TMPDIR/t.vmrt
	socket=$BATS_TEST_TMPDIR/a.sock
	agent=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
}

teardown() {
	[ -z "$agent" ] || { kill "$agent" 2>/dev/null && wait "$agent"; }
	[ -z "${other:-}" ] || rmdir "$other"
	return 0
}

# Threads of all kinds, many of them short-lived.
load() { for _ in 1 2 3 4 5 6 7 8; do sh -c '(/bin/true) & /bin/true; wait'; done; sleep 0.2; }
export -f load

@test "libtracecmd reads a recording of the host as vmrt does" {
	"$trace" record -q -o "$run" -- bash -c load
	run -0 "$compare" "$run/host.dat"
	echo "$output"
	[ "$(trace-cmd report -i "$run/host.dat" | grep -c '<\.\.\.>')" -eq 0 ]
}

@test "libtracecmd reads host and guest as vmrt does, and knows the guest" {
	"$O/bin/vmrt-agent" --listen "$socket" 3>&- &
	agent=$!
	for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.05; done
	"$trace" record -q -o "$run" --link g=$socket -- bash -c load
	run -0 "$compare" "$run/host.dat" "$run/guest-g.dat"
	echo "$output"
	[[ $output = *'guest g, '* ]]
	# both at once, in one order of time
	trace-cmd report -i "$run/host.dat" -i "$run/guest-g.dat" >"$BATS_TEST_TMPDIR/both"
	[ "$(grep -cE '\[[0-9]{3}\]' "$BATS_TEST_TMPDIR/both")" -eq \
		$(($("$compare" "$run/host.dat" "$run/guest-g.dat" | awk '/events/ {n += $2} END {print n}'))) ]
	grep -oE ' [0-9]+\.[0-9]{6}:' "$BATS_TEST_TMPDIR/both" | sort -c -n
}

@test "libtracecmd reads events of any kind, and recordings with losses" {
	run "$trace" record -q -o "$run" --events '+irq:*,+raw_syscalls:*' -- bash -c load
	"$compare" "$run/host.dat"
	run "$trace" record -q --force -o "$run" --buffer 8k --events '+raw_syscalls:*' -- \
		timeout 1 dd if=/dev/zero of=/dev/null bs=1
	"$compare" "$run/host.dat"
}

# What everybody else sees of tracing.
everything() {
	cat "$tracing"/{tracing_on,current_tracer,trace_clock,set_event,buffer_size_kb,set_event_pid}
	cat "$tracing"/{buffer_percent,trace_options} 2>/dev/null
	cat "$tracing"/set_ftrace_{filter,notrace,pid} /proc/sys/kernel/ftrace_enabled 2>/dev/null
	cat "$other"/{tracing_on,current_tracer,trace_clock,set_event,buffer_size_kb,set_event_pid,trace_options}
}

@test "tracing by others is as before, also after kill -9 and reset" {
	other=$tracing/instances/not-ours-$$
	mkdir "$other"
	echo 1 >"$other/events/sched/sched_process_exit/enable"
	before=$(everything)
	"$trace" record -q --no-analyze -o "$run" --all-vms --only-vms --events '+irq:*' -d 300ms
	[ "$(everything)" = "$before" ]
	"$trace" record -q -o "$BATS_TEST_TMPDIR/k" -d 60s 3>&- &
	recorder=$!
	sleep 0.7
	kill -9 $recorder
	wait $recorder || true
	[ "$(everything)" = "$before" ]
	"$trace" reset
	[ "$(everything)" = "$before" ]
	# others' instances are theirs, and still record
	/bin/true
	[ -d "$other" ]
	grep -q sched_process_exit "$other/trace"
}

@test "no file of tracefs is written but in the instance of our own" {
	command -v strace >/dev/null || skip "needs strace"
	strace -f -qq -e trace=openat,open,creat -o "$BATS_TEST_TMPDIR/calls" \
		"$trace" record -q -o "$run" --no-analyze -d 300ms
	[ "$(grep -c "$tracing/instances/vmrt-" "$BATS_TEST_TMPDIR/calls")" -gt 5 ]
	[ "$(grep -E 'O_WRONLY|O_RDWR' "$BATS_TEST_TMPDIR/calls" | grep "$tracing" |
		grep -vc "$tracing/instances/vmrt-")" -eq 0 ]
	[ "$(grep -cE 'ftrace_enabled|set_ftrace' "$BATS_TEST_TMPDIR/calls")" -eq 0 ]
}

@test "a user who may override permissions of files can record" {
	local dir
	dir=$(mktemp -d /tmp/vmrt-test-XXXXXX)
	cp "$trace" "$dir/vmrt-trace"
	chown -R 65534 "$dir"
	(cd "$dir" && setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +dac_override \
		--ambient-caps +dac_override ./vmrt-trace record -q -o "$dir/r" -- sleep 0.3)
	[ -e "$dir/r.vmrt/run.db" ]
	rm -r "$dir"
}

@test "tracing that somebody else switches off during a recording is a loss, and is said" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	local run=$BATS_TEST_TMPDIR/off.vmrt instance
	"${O:-build}/bin/vmrt-trace" record -q --no-guest --no-analyze -o "$run" -d 3500ms 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local recorder=$!
	for ((i = 0; i < 100; i++)); do [ -s "$run/recorder.journal" ] && break; sleep 0.05; done
	instance=/sys/kernel/tracing/instances/$(sed -n 's/^instance //p' "$run/recorder.journal")
	sleep 0.5
	echo 0 >"$instance/tracing_on"
	local status=0
	wait $recorder || status=$?
	cat "$BATS_TEST_TMPDIR/err"
	[ "$status" -eq 3 ]
	grep -q "tracing was switched off by somebody else" "$BATS_TEST_TMPDIR/err"
	grep -q "switched off by somebody else" "$run/manifest.json"
}

@test "vmrt-hsf gets the experiment as it was read, whatever becomes of the file and of its copy in the run" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	cp "$trace" "$BATS_TEST_TMPDIR/bin/vmrt-trace"
	# in place of vmrt-hsf: what it reads while another user changes both files
	cat >"$BATS_TEST_TMPDIR/bin/vmrt-hsf" <<-END
		#!/bin/bash
		echo evil >"$BATS_TEST_TMPDIR/e.ini"
		echo evil >"$run/experiment.ini"
		cat "\$5" >"$BATS_TEST_TMPDIR/got"
		echo >&"\$4"
		exec sleep 60
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/vmrt-hsf"
	printf '[server s]\nvm = shared\nperiod = 20ms\nbudget = 10ms\npriority = 40\n' >"$BATS_TEST_TMPDIR/e.ini"
	cp "$BATS_TEST_TMPDIR/e.ini" "$BATS_TEST_TMPDIR/as-it-was"
	(export LIFE=60; exec -a qemu-system-x86_64 "$O/tests/fake-vm" -name guest=shared) 3>&- &
	agent=$!
	until grep -qz guest=shared "/proc/$agent/cmdline"; do sleep 0.05; done
	"$BATS_TEST_TMPDIR/bin/vmrt-trace" record -q --no-guest --no-analyze --allow-loss --hsf -e "$BATS_TEST_TMPDIR/e.ini" -o "$run" -d 50ms 3>&- || true
	grep evil "$run/experiment.ini" "$BATS_TEST_TMPDIR/e.ini"
	cmp "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/as-it-was"
}

# what can be read only once: a second look would find nothing
@test "the experiment is read exactly once, for the recording, its copy and vmrt-hsf" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	cp "$trace" "$BATS_TEST_TMPDIR/bin/vmrt-trace"
	cat >"$BATS_TEST_TMPDIR/bin/vmrt-hsf" <<-END
		#!/bin/bash
		cat "\$5" >"$BATS_TEST_TMPDIR/got"
		echo >&"\$4"
		exec sleep 60
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/vmrt-hsf"
	printf '[server s]\nvm = shared\nperiod = 20ms\nbudget = 10ms\npriority = 40\n' >"$BATS_TEST_TMPDIR/e.ini"
	(export LIFE=60; exec -a qemu-system-x86_64 "$O/tests/fake-vm" -name guest=shared) 3>&- &
	agent=$!
	until grep -qz guest=shared "/proc/$agent/cmdline"; do sleep 0.05; done
	# a pipe that is empty when it was read
	exec 9< <(cat "$BATS_TEST_TMPDIR/e.ini")
	"$BATS_TEST_TMPDIR/bin/vmrt-trace" record -q --no-guest --no-analyze --allow-loss --hsf -e /dev/fd/9 -o "$run" -d 50ms 3>&- || true
	exec 9<&-
	cmp "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/e.ini"
	cmp "$run/experiment.ini" "$BATS_TEST_TMPDIR/e.ini"
}

@test "vmrt-hsf of a recording calls the experiment by its path, in messages and status" {
	local ini=$BATS_TEST_TMPDIR/my-servers.ini
	(export LIFE=60; exec -a qemu-system-x86_64 "$O/tests/fake-vm" -name guest=called-vm) 3>&- &
	agent=$!
	until grep -qz guest=called-vm "/proc/$agent/cmdline"; do sleep 0.05; done
	# only vmrt-hsf finds that this is too fine
	printf '[server s]\nvm = called-vm\nperiod = 10us\nbudget = 5us\npriority = 40\n' >"$ini"
	run "$trace" record -q --no-guest --no-analyze --hsf -e "$ini" -o "$run" -d 50ms
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"vmrt-hsf: "*"$ini:1: server s is too fine"* ]]
	[[ $output != */dev/fd/* ]]
	sed -i 's/us$/ms/' "$ini"
	cat >"$BATS_TEST_TMPDIR/ask" <<-'END'
		#!/bin/bash
		for socket in /run/vmrt-hsf/*.sock; do
			perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => shift) or exit; print $s "{\"op\":\"status\"}\n"; alarm 5; print scalar <$s>' "$socket"
		done
		exit 0
	END
	"$trace" record -q --no-guest --no-analyze --allow-loss --force --hsf -e "$ini" -o "$run" -- bash "$BATS_TEST_TMPDIR/ask" >"$BATS_TEST_TMPDIR/status" 3>&-
	cat "$BATS_TEST_TMPDIR/status"
	jq -se --arg ini "$ini" 'map(.experiment) | index($ini) != null' "$BATS_TEST_TMPDIR/status"
}

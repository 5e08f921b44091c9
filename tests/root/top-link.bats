#!/usr/bin/env bats
# vmrt-top live: agents reached by --link, sessions that break, VMs that come and go. An agent on a
# socket stands in for a guest. Needs root and tracefs.
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	top=$O/bin/vmrt-top
	socket=$BATS_TEST_TMPDIR/a.sock
	lines=$BATS_TEST_TMPDIR/lines
	agent='' pid='' vm='' other=''
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
}

teardown() {
	# vmrt-top removes its tracing instances when it ends by itself
	[ -z "$pid" ] || { kill -TERM "$pid" && wait "$pid"; } 2>/dev/null || true
	for p in $agent $vm $other; do kill -9 "$p" 2>/dev/null || true; done
	return 0
}

start_agent() {
	rm -f "$socket"
	"$O/bin/vmrt-agent" --listen "$socket" >/dev/null 2>&1 3>&- &
	agent=$!
	for _ in {1..100}; do [ -S "$socket" ] && return; sleep 0.05; done
	return 1
}

# start_vm [NAME]
start_vm() {
	LIFE=60 SLEEPY=1 bash -c 'exec -a qemu-system-x86_64 "$0" -name "guest=$1"' "$O/tests/fake-vm" "${1:-awaited}" 3>&- &
	vm=$!
}

# an experiment: other VMs of this machine, which may come and go, do not concern it
one_guest() {
	printf '[experiment]\nname = a\n[task g/nobody]\nperiod = 20ms\n' >"$BATS_TEST_TMPDIR/e.ini"
}

start_top() {
	: >"$lines"
	"$top" --json -d 500ms "$@" >"$lines" 2>"$BATS_TEST_TMPDIR/talk" 3>&- &
	pid=$!
}

# see EXPRESSION: waits until it is true of an update that comes from now on
see() {
	local from
	from=$(wc -l <"$lines")
	for _ in {1..120}; do
		tail -n +$((from + 1)) "$lines" | grep '}$' | python3 -c '
import json, sys
for line in sys.stdin:
    u = json.loads(line)["update"]
    view, note = u["view"], u["view"]["note"] or ""
    machine = {m["machine"]: m for m in u["machines"]}
    server = {s["server"]: s for s in u["servers"]}
    if '"$1"': sys.exit(0)
sys.exit(1)' && return
		sleep 0.25
	done
	echo "never: $1"
	tail -n 3 "$lines"
	cat "$BATS_TEST_TMPDIR/talk"
	return 1
}

@test "an agent is reached as --link says, and again after it was gone" {
	one_guest
	start_agent
	start_top -e "$BATS_TEST_TMPDIR/e.ini" --link g="$socket"
	see '"g" in machine and machine["g"]["events"] > 100 and "trying again" not in note'
	see 'not view["lost_at_least"]'
	kill -9 "$agent"
	wait "$agent" || true
	see '"g" in note and "trying again in" in note'
	# the host is seen all the time
	see 'machine["host"]["events_per_s"] > 0'
	start_agent
	see '"trying again" not in note and machine["g"]["events_per_s"] > 0'
	# what it did meanwhile is not known
	see 'view["lost_at_least"] or view["lost"] > 0'
	kill -TERM "$pid"
	wait "$pid" || true
	pid=''
}

@test "an agent that comes late is awaited, with a word about it" {
	one_guest
	start_top -e "$BATS_TEST_TMPDIR/e.ini" --link g="$socket"
	see '"g" in note and "trying again in" in note'
	see '"host" in machine and machine["host"]["events"] > 0'
	start_agent
	see '"g" in machine and machine["g"]["events"] > 0 and "trying again" not in note'
}

@test "a VM of the experiment is awaited, seen, and awaited again" {
	printf '[experiment]\nname = a\n[server awaited]\nperiod = 20ms\nbudget = 5ms\npriority = 50\n' >"$BATS_TEST_TMPDIR/e.ini"
	start_top -e "$BATS_TEST_TMPDIR/e.ini"
	see '"waiting for awaited to be started" in note and machine["host"]["events"] > 0'
	start_vm
	see '"waiting" not in note and server["awaited"]["share_ratio"]'
	kill -9 "$vm"
	wait "$vm" || true
	see '"waiting for awaited to be started" in note'
	start_vm
	see '"waiting" not in note and server["awaited"]["share_ratio"]'
}

# bats test_tags=long
@test "without an experiment, a VM that comes or goes leaves the others counted as they were" {
	start_vm "first-$$"
	other=$vm
	start_top
	see "'first-$$' in server and server['first-$$']['share_ratio'] and view['events'] > 1000"
	start_vm "second-$$"
	see "'second-$$' in server"
	# all updates from the first one that has it: neither of them, and nothing else, was counted anew
	see "server['second-$$']['share_ratio']"
	kill -9 "$vm"
	wait "$vm" || true
	see "'second-$$' not in server and server['first-$$']['share_ratio']"
	kill -TERM "$pid"
	wait "$pid" || true
	pid=''
	python3 - "$lines" "first-$$" "second-$$" <<-'END'
		import json, sys
		events, seen = 0, []
		for line in open(sys.argv[1]):
		    if not line.endswith("}\n"): continue
		    u = json.loads(line)["update"]
		    server = {s["server"]: s for s in u["servers"]}
		    if sys.argv[2] not in server: continue
		    assert u["view"]["counted_since_ns"] is None, line
		    assert u["view"]["events"] >= events, line
		    events = u["view"]["events"]
		    if not seen or seen[-1] != (sys.argv[3] in server): seen.append(sys.argv[3] in server)
		assert seen[:3] == [False, True, False], seen
	END
}

@test "the page of a VM stays its page when another one goes" {
	command -v tmux >/dev/null || skip "needs tmux"
	start_vm "one-$$"
	other=$vm
	start_vm "two-$$"
	tmux -L "link-$$" -f /dev/null new-session -d -x 100 -y 24 "LC_ALL=C.UTF-8 $PWD/$top --no-config -d 200ms" 3>&-
	on_screen "link-$$" "two-$$"
	# it answers keys on a busy machine; its other threads are as others are
	pid=$(tmux -L "link-$$" list-panes -F '#{pane_pid}')
	pid=$(pgrep -P "$pid" -x vmrt-top || echo "$pid")
	[ "$(ps -L -o ni= -p "$pid" | sort -n | uniq | xargs)" = "-10 0" ]
	tmux -L "link-$$" send-keys 2
	for _ in {1..20}; do # other VMs may run here
		tmux -L "link-$$" send-keys Right
		sleep 0.3
		tmux -L "link-$$" capture-pane -p | grep -q "^two-$$" && break
	done
	on_screen "link-$$" "^two-$$"
	kill -9 "$other"
	wait "$other" || true
	tmux -L "link-$$" send-keys 6
	for _ in {1..150}; do tmux -L "link-$$" capture-pane -p | grep -q "^one-$$" || break; sleep 0.1; done
	tmux -L "link-$$" send-keys 2
	on_screen "link-$$" "^two-$$"
	tmux -L "link-$$" send-keys q
	pid=''
	sleep 0.5
	tmux -L "link-$$" kill-server 2>/dev/null || true
}

@test "what one that was killed has left in the kernel, the next one removes" {
	local left
	one_guest
	start_top -e "$BATS_TEST_TMPDIR/e.ini"
	see 'view["events"] > 0'
	left=$(echo /sys/kernel/tracing/instances/vmrt-"$pid"-*-top)
	[ -d "$left" ]
	kill -9 "$pid"
	wait "$pid" || true
	[ -d "$left" ]
	start_top -e "$BATS_TEST_TMPDIR/e.ini"
	see 'view["events"] > 0'
	[ ! -d "$left" ]
}

@test "ways that make no sense are refused" {
	run -64 "$top" -b --link nothing
	[[ $output = *'VM=SOCKET'* ]]
	run -64 "$top" -b --link g=tcp:127.0.0.1:4677
	[[ $output = *--secret-file* ]]
	run -64 "$top" -b --link g="$socket" some.vmrt
	[[ $output = *'leave out RUN'* ]]
}

@test "vCPUs that are confined to one CPU are in the note" {
	CPU=0 VCPUS=2 LIFE=60 SLEEPY=1000 bash -c 'exec -a qemu-system-x86_64 "$0" -name guest=crowded' "$O/tests/fake-vm" 3>&- &
	vm=$!
	start_top --vm crowded
	see '"2 vCPUs of VM crowded are confined to CPU 0" in note'
}

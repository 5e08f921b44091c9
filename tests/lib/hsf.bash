# shellcheck shell=bash
# What the tests of vmrt-hsf share: a process that looks like a VM, and vmrt-hsf on it. Loaded by bats files.
# shellcheck disable=SC2034,SC2154 # the tests use what is set here, and set `before`

load ../lib/setup.bash

setup() {
	in_checkout
	name=hsf-test-$$-$BATS_TEST_NUMBER
	ini=$BATS_TEST_TMPDIR/e.ini
	instance=''
	vm=''
	hog=''
	hsf=''
	server 12ms 4ms
}

teardown() {
	local pid
	for pid in $hsf $hog $vm; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	[ -z "$instance" ] || rmdir "$instance"
	return 0
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	chrt -f 1 true 2>/dev/null || skip "SCHED_FIFO is not permitted here"
}

server() {
	printf '[server s]\nvm = %s\nperiod = %s\nbudget = %s\npriority = 50\n' "$name" "$1" "$2" >"$ini"
}

# start_vm [VARIABLE=VALUE...]: the process that looks like a VM, with vm set to its pid
start_vm() {
	env LIFE=40 "$@" bash -c 'exec -a qemu-system-x86_64 "$0" -name "guest=$1"' "$O/tests/fake-vm" "$name" 3>&- &
	vm=$!
	wait_for vcpus 1
}

start_hog() {
	taskset -c 0 timeout 40 bash -c 'while :; do :; done' 3>&- &
	hog=$!
}

# wait_for COMMAND...: until it succeeds, 5 seconds at most
wait_for() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	echo "in vain: $*" >&2
	return 1
}

vcpus() { [ "$(grep -l '^CPU' "/proc/$vm/task/"*/comm 2>/dev/null | wc -l)" -ge "$1" ]; }

# start_hsf [OPTION...]: runs it, and waits until it says that it has begun
start_hsf() {
	local ready=$BATS_TEST_TMPDIR/ready
	: >"$ready"
	env --default-signal=INT,HUP "$O/bin/vmrt-hsf" run "$ini" --notify-fd 9 "$@" 9>"$ready" \
		2>"$BATS_TEST_TMPDIR/hsf.err" 3>&- &
	hsf=$!
	wait_for grep -q 1 "$ready" || { cat "$BATS_TEST_TMPDIR/hsf.err"; return 1; }
}

# settings: policy, priority, nice value and CPUs of every thread of the VM
settings() {
	local t
	for t in "/proc/$vm/task/"*; do
		t=${t##*/}
		chrt -p "$t"
		taskset -p "$t"
		sed "s/.*) //" "/proc/$vm/task/$t/stat" | cut -d' ' -f17
	done
}

changed_settings() { [ "$(settings)" != "$before" ]; }
same_settings() { [ "$(settings)" = "$before" ]; }

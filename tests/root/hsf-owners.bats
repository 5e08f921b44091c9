#!/usr/bin/env bats
# Whose VMs vmrt trusts: a stranger's process that calls itself a VM gets no priority, blocks nothing, and nothing connects
# to it. And helper threads: a budget of their own, and one step with the vCPU threads. Needs root and the user nobody.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154

load ../lib/hsf.bash

# start_stranger: a VM of the same name that belongs to nobody, with stranger set to its pid
start_stranger() {
	local copy
	copy=$(mktemp /tmp/vmrt-stranger-XXXXXX)
	cp "$O/tests/fake-vm" "$copy"
	chmod 755 "$copy"
	setpriv --reuid=nobody --regid=nogroup --clear-groups env LIFE=40 \
		bash -c 'exec -a qemu-system-x86_64 "$0" -name "guest=$1"' "$copy" "$name" 3>&- &
	stranger=$!
	hog=$stranger
	wait_for has_vcpu "$stranger"
	rm -f "$copy"
}

has_vcpu() { grep -qx "CPU 0/TCG" "/proc/$1/task/"*/comm; }

fifo_threads() { # fifo_threads PID: how many of its threads are real-time
	local t n=0
	for t in "/proc/$1/task/"*; do
		if chrt -p "${t##*/}" | grep -q SCHED_FIFO; then n=$((n + 1)); fi
	done
	echo "$n"
}

prio() { chrt -p "$1" | sed -n 's/.*priority: //p'; }
policy() { chrt -p "$1" | sed -n 's/.*policy: //p'; }

@test "a VM of another user is shown with its owner, and gets no priority" {
	need_root
	start_stranger
	run "$O/bin/vmrt-trace" vms --format csv
	[[ $output == *"$name,nobody,"* ]]
	run "$O/bin/vmrt-hsf" run "$ini" --no-wait --duration 1s
	[ "$status" -eq 1 ]
	[[ $output == *"belongs to user nobody"*"--owner nobody"* ]]
	[ "$(fifo_threads "$stranger")" -eq 0 ]
}

@test "a VM of another user is taken when that user is named" {
	need_root
	start_stranger
	start_hsf --owner nobody
	[ "$(fifo_threads "$stranger")" -ge 1 ]
	kill -INT "$hsf" && wait "$hsf"
	hsf=''
	[ "$(fifo_threads "$stranger")" -eq 0 ]
	printf 'user = nobody\n' >>"$ini"
	start_hsf
	[ "$(fifo_threads "$stranger")" -ge 1 ]
}

@test "a stranger that takes the name of a VM does not keep the VM from its server" {
	need_root
	start_vm CPU=0
	start_stranger
	start_hsf
	[ "$(fifo_threads "$vm")" -ge 1 ]
	[ "$(fifo_threads "$stranger")" -eq 0 ]
}

@test "a stranger's thread of the name that a server looks for gets no priority" {
	need_root
	cp /bin/sleep "$BATS_TEST_TMPDIR/rt-$$"
	chmod 755 "$BATS_TEST_TMPDIR/rt-$$"
	install -m 755 /bin/sleep "/tmp/rt-$$"
	setpriv --reuid=nobody --regid=nogroup --clear-groups "/tmp/rt-$$" 40 3>&- &
	stranger=$!
	hog=$stranger
	wait_for grep -qx "rt-$$" "/proc/$stranger/comm"
	rm -f "/tmp/rt-$$"
	printf '[server s]\nvm = thread:rt-%s\nperiod = 20ms\nbudget = 5ms\npriority = 50\n' "$$" >"$ini"
	run "$O/bin/vmrt-hsf" run "$ini" --no-wait --duration 1s
	[ "$status" -eq 1 ]
	[[ $output == *"neither root nor you"*"--owner"* ]]
	[ "$(fifo_threads "$stranger")" -eq 0 ]
	# with one of root's beside it, only root's is taken
	"$BATS_TEST_TMPDIR/rt-$$" 40 3>&- &
	vm=$!
	start_hsf
	[ "$(fifo_threads "$vm")" -eq 1 ]
	[ "$(fifo_threads "$stranger")" -eq 0 ]
}

@test "a stranger that locks a file of the VM's process keeps nobody off" {
	need_root
	start_vm CPU=0
	setpriv --reuid=nobody --regid=nogroup --clear-groups flock "/proc/$vm/comm" sleep 20 3>&- &
	hog=$!
	sleep 0.3
	start_hsf
	[ "$(fifo_threads "$vm")" -ge 1 ]
	run "$O/bin/vmrt-hsf" run "$ini" --no-wait --duration 1s
	[[ $output == *"already scheduled by another vmrt-hsf"* ]]
	kill -INT "$hsf" && wait "$hsf"
	hsf=''
	run find /run/vmrt-hsf -name "$vm-*.lock"
	[ -z "$output" ]
}

@test "the recorder connects to no socket of another user" {
	need_root
	local folder sock
	folder=$(mktemp -d /tmp/vmrt-stranger-XXXXXX)
	chmod 1777 "$folder"
	sock=$folder/s
	setpriv --reuid=nobody --regid=nogroup --clear-groups /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); s.settimeout(20)
c = s.accept()[0]; c.settimeout(5)
print(len(c.recv(100)))' "$sock" >"$BATS_TEST_TMPDIR/got" 3>&- &
	hog=$!
	wait_for test -S "$sock"
	run "$O/bin/vmrt-trace" record -q -o "$BATS_TEST_TMPDIR/r.vmrt" --link "$name=$sock" --duration 500ms
	[[ $output == *"user nobody listens there"* ]]
	wait "$hog" || true
	hog=''
	rm -r "$folder"
	[ "$(cat "$BATS_TEST_TMPDIR/got")" = 0 ]
}

@test "a helper thread that is always busy is ordinary for a part of each period" {
	need_root
	server 200ms 40ms
	start_vm CPU=0 BUSY_MAIN=1
	start_hsf
	local fifo=0 other=0 i
	# who watches must not be on the CPU that the busy thread has for itself while it is a real-time thread
	taskset -acp 0 "$vm" >/dev/null
	taskset -cp "$(($(nproc) - 1))" $BASHPID >/dev/null
	for ((i = 0; i < 60; i++)); do
		case $(policy "$vm") in SCHED_FIFO*) fifo=$((fifo + 1)) ;; *) other=$((other + 1)) ;; esac
		sleep 0.02
	done
	echo "FIFO $fifo times, ordinary $other times"
	[ "$fifo" -ge 3 ]
	[ "$other" -ge 25 ]
}

@test "main loop and vCPU thread change their priority in one step" {
	need_root
	server 600ms 500ms
	start_vm CPU=0
	start_hsf
	local vcpu step i h v
	vcpu=$(grep -lx "CPU 0/TCG" "/proc/$vm/task/"*/comm | cut -d/ -f5)
	for step in 40 60 30; do
		"$O/bin/vmrt-hsf" set s "priority=$step"
		for ((i = 0; i < 30; i++)); do
			h=$(prio "$vm") v=$(prio "$vcpu")
			# read in two steps: what differs now is looked at once more
			if [ "$v" -ne 0 ] && [ "$h" -ne $((v + 1)) ]; then
				h=$(prio "$vm") v=$(prio "$vcpu")
				[ "$v" -eq 0 ] || [ "$h" -eq $((v + 1)) ] || { echo "main loop $h, vCPU $v"; return 1; }
			fi
			sleep 0.01
		done
	done
	wait_for test "$(prio "$vm")" -eq 31
}

@test "the doctor ends at ^C, while an agent says nothing" {
	need_root
	local sock=$BATS_TEST_TMPDIR/agent.sock doctor status=0
	env LIFE=60 SLEEPY=10000 bash -c 'exec -a qemu-system-x86_64 "$0" -name "guest=$1" -chardev "socket,id=agent0,path=$2,server=on,wait=off" \
		-device virtserialport,chardev=agent0,name=org.vmrt.agent.0' "$O/tests/fake-vm" "$name" "$sock" 3>&- &
	vm=$!
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die; $c = $s->accept; sysread $c, $b, 10;
		open F, ">", "$ARGV[0].heard"; close F; sleep 60' "$sock" 3>&- &
	hog=$!
	wait_for has_vcpu "$vm"
	wait_for test -S "$sock"
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$O/bin/vmrt-trace" doctor --vm "$name" >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	doctor=$!
	wait_for test -e "$sock.heard"
	kill -INT "$doctor"
	wait "$doctor" || status=$?
	cat "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 1 ]
	# it did not wait until it could say that no agent answers
	grep -q 'interrupted' "$BATS_TEST_TMPDIR/log"
	if grep -q 'no agent answers' "$BATS_TEST_TMPDIR/log"; then false; fi
}

# flock() needs no more than the right to read the folder
@test "a stranger who locks the folders of sockets delays no vmrt-hsf for long" {
	need_root
	local folder=$BATS_TEST_TMPDIR/sockets locks=()
	mkdir -p -m 755 /run/vmrt-hsf && mkdir -m 755 "$folder" && chmod 755 "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$(dirname "$(dirname "$BATS_TEST_TMPDIR")")"
	for dir in /run/vmrt-hsf "$folder"; do
		(cd / && exec setpriv --reuid=nobody --regid=nogroup --clear-groups flock --exclusive "$dir" sleep 60) 3>&- &
		locks+=($!)
		wait_for is_locked "$dir"
	done
	start_vm
	start_hsf
	kill -INT "$hsf" && wait "$hsf"
	start_hsf --socket "$folder/s"
	kill -INT "$hsf" && wait "$hsf"
	hsf=''
	for pid in "${locks[@]}"; do pkill -P "$pid" sleep; kill "$pid" 2>/dev/null || true; done
}

is_locked() { ! flock --nonblock --exclusive "$1" true; }

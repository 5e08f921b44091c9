#!/usr/bin/env bats
# scripts/vm and the guest: boots one real VM and drives it. Needs QEMU and the kernel package.
# shellcheck disable=SC2030,SC2031,SC2016

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export O=${O:-build}
	export VM=vm-basics-$$ STATE=$BATS_FILE_TMPDIR/state
	from=${EPOCHREALTIME/./}
	scripts/vm start "$VM" --state "$STATE" --cpu 0 >"$BATS_FILE_TMPDIR/start.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/start.log"
		return 1
	}
	export BOOT_MS=$(((${EPOCHREALTIME/./} - from) / 1000))
}

teardown_file() {
	scripts/vm stop "$VM" --state "$STATE"
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
}

vm() {
	local command=$1
	shift
	timeout 60 scripts/vm "$command" "$VM" --state "$STATE" "$@"
}

stdout_of() { "$@" 2>/dev/null; }

@test "start says which accelerator is used" {
	grep -Eq "$VM is ready after [0-9]+ ms: (kvm|tcg)" "$BATS_FILE_TMPDIR/start.log"
}

@test "exec gives back stdout, stderr and the exit status of the command" {
	run stdout_of vm exec 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	run vm exec 'echo err >&2'
	[ "$status" -eq 0 ]
	[ "$output" = err ]
}

@test "output without a newline at its end stays so" {
	vm exec 'printf "a\nb"' | cmp - <(printf 'a\nb')
}

@test "options and quotation marks reach the guest as they are" {
	run vm exec printf "'%s|'" --state "'a \"b\" \$HOME'"
	[ "$output" = '--state|a "b" $HOME|' ]
}

@test "a file comes back as it was put, also through a path with blanks and quotation marks" {
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/file"
	vm put "$BATS_TEST_TMPDIR/file" "/tmp/it's here"
	vm get "/tmp/it's here" "$BATS_TEST_TMPDIR/back"
	cmp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/back"
	vm get "/tmp/it's here" - | cmp - "$BATS_TEST_TMPDIR/file"
	: >"$BATS_TEST_TMPDIR/empty"
	vm put - /tmp/empty <"$BATS_TEST_TMPDIR/empty"
	run vm exec 'wc -c </tmp/empty'
	[ "$output" = 0 ]
}

@test "a file that is not there is an error, on either side" {
	run vm get /nonexistent "$BATS_TEST_TMPDIR/x"
	[ "$status" -eq 1 ]
	[[ $output = *"no file /nonexistent"* ]]
	[ ! -e "$BATS_TEST_TMPDIR/x" ]
	run vm put /nonexistent /tmp/x
	[ "$status" -eq 1 ]
}

@test "commands of several callers queue" {
	for i in 1 2 3 4; do
		vm exec "echo $i; sleep 0.1; echo $i" >"$BATS_TEST_TMPDIR/out$i" &
	done
	wait
	for i in 1 2 3 4; do
		printf '%s\n%s\n' $i $i | cmp - "$BATS_TEST_TMPDIR/out$i"
	done
}

@test "a command ends when its caller is killed, and the next one is answered" {
	scripts/vm exec "$VM" --state "$STATE" 'sleep 100' 3>&- &
	caller=$!
	sleep 0.5
	kill -9 $caller
	run vm exec 'pidof sleep || echo none'
	[ "$output" = none ]
}

@test "what a finished command has left in the background stays" {
	vm exec 'sleep 5 >/dev/null 2>&1 &'
	vm exec true
	vm exec 'pidof sleep'
}

@test "the guest has the VM's name, the clock tsc and no RT throttling" {
	run vm exec hostname
	[ "$output" = "$VM" ]
	run vm exec cat /sys/devices/system/clocksource/clocksource0/current_clocksource
	[ "$output" = tsc ]
	run vm exec cat /proc/sys/kernel/sched_rt_runtime_us
	[ "$output" = -1 ]
}

@test "the guest has tracefs, vsock and the ports" {
	vm exec 'test -d /sys/kernel/tracing/instances && test -c /dev/vsock'
	run vm exec 'cat /sys/class/virtio-ports/*/name'
	[[ $output = *org.vmrt.agent.0*org.vmrt.agent.1*org.vmrt.exec* ]]
}

@test "a guest under TCG is ready in less than 10 s, after the trial of KVM" {
	grep -q ': tcg' "$BATS_FILE_TMPDIR/start.log" || skip "this guest runs under KVM"
	ms=$(sed -n 's/.* after \([0-9]*\) ms: tcg.*/\1/p' "$BATS_FILE_TMPDIR/start.log")
	[ "$ms" -lt 15000 ] # 5 s of it are KVM's
}

@test "start is refused while the VM is running" {
	run vm start
	[ "$status" -eq 1 ]
	[[ $output = *"is running already"* ]]
	vm exec true
}

@test "QEMU's threads are named and stay on the CPU that was asked for" {
	pid=$(cat "$STATE/pid")
	grep -q '^CPU 0/' "/proc/$pid/task/"*/comm
	for task in "/proc/$pid/task/"*; do
		run taskset -pc "${task##*/}"
		[[ $output = *"list: 0" ]]
	done
}

@test "vmrt-load runs every job of a short experiment and logs it" {
	printf '[task %s/a]\nperiod = 20ms\nwcet = 2ms\n[task %s/b]\nperiod = 110ms\nwcet = 10ms\noffset = 5ms\n' \
		"$VM" "$VM" >"$BATS_TEST_TMPDIR/short.ini"
	vm put "$BATS_TEST_TMPDIR/short.ini" /tmp/short.ini
	vm exec 'vmrt-load --calibration /tmp/calibration --duration 1s --log /tmp/log /tmp/short.ini'
	vm get /tmp/log "$BATS_TEST_TMPDIR/log"
	[ "$(grep -c '^a,' "$BATS_TEST_TMPDIR/log")" -eq 50 ]
	[ "$(grep -c '^b,' "$BATS_TEST_TMPDIR/log")" -eq 10 ]
	# a job begins after its arrival and ends after its begin
	awk -F, '/^[ab],/ && ($4 < $3 || $5 <= $4) { bad = 1 } END { exit bad }' "$BATS_TEST_TMPDIR/log"
	# jobs of a task are a period apart, to the nanosecond
	awk -F, '/^a,/ { if (n++ && $3 - last != 20000000) bad = 1; last = $3 } END { exit bad }' \
		"$BATS_TEST_TMPDIR/log"
	# the calibration that was written is used
	run vm exec 'vmrt-load --calibration /tmp/calibration --jobs 2 --log /dev/null /tmp/short.ini'
	[ "$status" -eq 0 ]
	[[ $output != *calibrating* ]]
}

@test "vmrt-load writes the log of what was done when it is asked to end" {
	printf '[task %s/a]\nperiod = 20ms\nwcet = 1ms\n' "$VM" >"$BATS_TEST_TMPDIR/long.ini"
	vm put "$BATS_TEST_TMPDIR/long.ini" /tmp/long.ini
	# calibrated before, however long that takes on a busy host
	vm exec 'vmrt-load -q --calibrate -c /tmp/calibration2 /tmp/long.ini >/dev/null'
	vm exec 'vmrt-load -q -c /tmp/calibration2 -d 1000s -l /tmp/log2 /tmp/long.ini & sleep 2; kill -TERM $!; wait $!'
	run vm exec 'grep "# stopped" /tmp/log2; grep -c "^a," /tmp/log2'
	[ "${lines[0]}" = "# stopped = Terminated" ]
	[ "${lines[1]}" -gt 10 ]
}

@test "wrong usage exits with 64, an unknown VM with 1" {
	run scripts/vm
	[ "$status" -eq 64 ]
	run scripts/vm fly "$VM"
	[ "$status" -eq 64 ]
	run scripts/vm start
	[ "$status" -eq 64 ]
	run scripts/vm start ../x
	[ "$status" -eq 64 ]
	run scripts/vm start x --memory much
	[ "$status" -eq 64 ]
	run scripts/vm exec no-such-vm true
	[ "$status" -eq 1 ]
	[[ $output = *"no VM no-such-vm is running"* ]]
	run scripts/vm stop no-such-vm
	[ "$status" -eq 1 ]
	run scripts/vm --help
	[ "$status" -eq 0 ]
}

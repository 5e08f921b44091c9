#!/usr/bin/env bats
# vmrt-hsf on a process that looks like a VM: budgets kept and given, settings given back however it ends.
# Needs root and perf events; the CPU time is measured in a tracefs instance, not by vmrt-hsf itself.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154

load ../lib/hsf.bash

# consumption LOG: prints for each whole period what the vCPU threads got with budget, in us
consumption() {
	awk '
	function seconds(line) { match(line, /[0-9]+\.[0-9]+: /); return substr(line, RSTART) + 0 }
	function pid(line, key) { match(line, key "_pid=[0-9]+"); return substr(line, RSTART + 9, RLENGTH - 9) }
	/sched_switch:/ && /\[000\]/ {
		t = seconds($0)
		if (running && open) used += t - since
		running = /next_comm=CPU [0-9]+\/TCG/; since = t
	}
	/srv_replenish/ {
		if (k++) printf "%d\n", used * 1e6
		used = 0; open = 1
	}
	/srv_deplete/ { open = 0 }' "$1"
}

# measure SECONDS [OPTION...]: a run of vmrt-hsf; the consumption of its periods goes to a file
measure() {
	local seconds=$1 dir=/sys/kernel/tracing/instances/hsf-test-$$
	shift
	mkdir "$dir" 2>/dev/null || skip "tracefs has no instances here"
	instance=$dir
	echo mono >"$dir/trace_clock"
	echo 8192 >"$dir/buffer_size_kb"
	echo 1 >"$dir/events/sched/sched_switch/enable"
	"$O/bin/vmrt-hsf" run "$ini" --instance "${dir##*/}" --duration "$seconds" "$@"
	echo 0 >"$dir/tracing_on"
	cat "$dir/trace" >"$BATS_TEST_TMPDIR/trace"
	consumption "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/used"
}

# budget_kept US: no period above it, except a few that the host was stopped in; the mean within 5 %
budget_kept() {
	awk -v budget="$1" '
	{ n++; sum += $1; if ($1 > budget + 2000) above++; else { ok++; sum_ok += $1 } }
	END {
		printf "%d periods, %d above, mean %.0f us\n", n, above, sum_ok / ok
		exit !(n > 100 && above <= n / 50 && sum_ok / ok > budget * 0.95 && sum_ok / ok < budget * 1.05)
	}' "$BATS_TEST_TMPDIR/used"
}

@test "a VM gets its budget in every period and no more, also with a rival" {
	need_root
	start_vm CPU=0
	start_hog
	measure 3s
	budget_kept 4000
}

@test "a large budget is kept too" {
	need_root
	server 12ms 10ms
	start_vm CPU=0
	start_hog
	measure 3s
	budget_kept 10000
}

@test "three vCPU threads share one budget" {
	need_root
	printf 'together = yes\n' >>"$ini"
	start_vm CPU=0 VCPUS=3
	start_hog
	measure 3s
	budget_kept 4000
}

@test "without a rival the rest of the time is background" {
	need_root
	start_vm CPU=0
	measure 2s
	budget_kept 4000
	[ "$(grep -c srv_deplete "$BATS_TEST_TMPDIR/trace")" -gt 100 ]
}

@test "the markers show start, replenishments, depletions and stop" {
	need_root
	start_vm CPU=0
	measure 500ms
	grep -q "vmrt srv_start server=s vm=$name policy=deferrable depletion=soft period=12000000 budget=4000000 priority=50 t0=[0-9]*" "$BATS_TEST_TMPDIR/trace"
	grep -q "vmrt srv_replenish server=s k=0 at=[0-9]* budget=4000000" "$BATS_TEST_TMPDIR/trace"
	grep -q "vmrt srv_deplete server=s k=[0-9]* consumed=[0-9]*" "$BATS_TEST_TMPDIR/trace"
	grep -q "vmrt srv_stop server=s" "$BATS_TEST_TMPDIR/trace"
}

@test "the main loop runs above the vCPU threads, which are confined to one CPU" {
	need_root
	server 12ms 11ms
	start_vm
	start_hsf
	[[ $(chrt -p "$vm") = *SCHED_FIFO*"priority: 51"* ]]
	vcpu=$(grep -l '^CPU 0/' "/proc/$vm/task/"*/comm | cut -d/ -f5)
	[[ $(taskset -p "$vcpu") = *": 1" ]]
}

@test "a VM in a group without a real-time budget is refused with the line that takes it out" {
	local cpu group
	need_root
	cpu=/sys/fs/cgroup/cpu
	[ -e $cpu/cpu.rt_runtime_us ] || skip "no real-time groups of cgroup version 1 here"
	group=$cpu/vmrt-test-$$
	start_vm CPU=0
	mkdir "$group"
	echo "$vm" >"$group/cgroup.procs"
	run "$O/bin/vmrt-hsf" run "$ini" --duration 500ms
	[ "$status" -eq 1 ]
	[[ $output = *"its cgroup /vmrt-test-$$ has no real-time budget"* ]]
	# the line does what it says
	eval "$(sed -n 's/.*take the VM out of it: //p' <<<"$output")"
	rmdir "$group"
	"$O/bin/vmrt-hsf" run "$ini" --duration 500ms
}

@test "settings are given back after SIGTERM, SIGINT and SIGHUP" {
	need_root
	start_vm
	renice -n 3 -p "$(grep -l '^CPU 0/' "/proc/$vm/task/"*/comm | cut -d/ -f5)"
	before=$(settings)
	for signal in TERM INT HUP; do
		start_hsf
		changed_settings
		kill "-$signal" "$hsf"
		wait "$hsf"
		hsf=''
		same_settings
	done
}

@test "settings are given back after a crash and after kill -9" {
	need_root
	start_vm
	before=$(settings)
	for signal in SEGV KILL; do
		start_hsf
		changed_settings
		kill "-$signal" "$hsf"
		wait "$hsf" || true
		hsf=''
		wait_for same_settings
	done
}

@test "settings of a VM that had real-time priority are given back" {
	need_root
	start_vm CPU=0
	chrt -r -p 7 "$vm"
	before=$(settings)
	start_hsf
	kill -KILL "$hsf"
	wait "$hsf" || true
	hsf=''
	wait_for same_settings
}

@test "when the guardian or its deputy is killed the run ends and gives the settings back" {
	need_root
	start_vm
	before=$(settings)
	for name in guardian deputy; do
		start_hsf
		kill -KILL "$(pgrep -P "$hsf" "vmrt-$name")"
		status=0
		wait "$hsf" || status=$?
		hsf=''
		[ "$status" -eq 1 ]
		same_settings
	done
}

@test "when all its processes are killed, reset gives the settings back" {
	need_root
	start_vm
	before=$(settings)
	start_hsf
	guardians=$(pgrep -P "$hsf")
	# shellcheck disable=SC2086
	kill -STOP $guardians && kill -KILL "$hsf" $guardians
	wait "$hsf" || true
	hsf=''
	changed_settings
	run "$O/bin/vmrt-hsf" reset
	[ "$status" -eq 0 ]
	[[ $output = *"have their former scheduling back"* ]]
	same_settings
	run "$O/bin/vmrt-hsf" reset
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "killing what is called vmrt-hsf leaves the guardian, which gives the settings back" {
	need_root
	start_vm
	before=$(settings)
	start_hsf
	for pid in $(pgrep -P "$hsf"); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q vmrt-hsf
		! grep -q vmrt-hsf "/proc/$pid/comm"
	done
	kill -KILL "$hsf"
	wait "$hsf" || true
	hsf=''
	wait_for same_settings
}

@test "the end of the VM ends the run with status 1, and is said once" {
	need_root
	start_vm
	start_hsf --no-wait
	kill -KILL "$vm"
	status=0
	wait "$hsf" || status=$?
	hsf=''
	[ "$status" -eq 1 ]
	[ "$(grep -c "VM $name of server s has ended" "$BATS_TEST_TMPDIR/hsf.err")" -eq 1 ]
}

@test "a vCPU that is plugged in joins its server and gets its settings back" {
	need_root
	start_vm CPU=0
	start_hsf
	kill -USR1 "$vm"
	wait_for vcpus 2
	wait_for grep -q "new vCPU thread CPU 1/TCG" "$BATS_TEST_TMPDIR/hsf.err"
	kill "$hsf"
	wait "$hsf"
	hsf=''
	for t in "/proc/$vm/task/"*; do
		[[ $(chrt -p "${t##*/}") = *"policy: SCHED_OTHER"$'\n'* ]]
	done
}

@test "a VM has one enforcer" {
	need_root
	start_vm
	start_hsf
	run "$O/bin/vmrt-hsf" run "$ini" --duration 1s
	[ "$status" -eq 1 ]
	[[ $output = *"already scheduled by another vmrt-hsf"* ]]
}

@test "two VMs on one CPU that do not fit are refused with status 2, unless forced" {
	need_root
	server 12ms 8ms
	start_vm CPU=0
	first=$vm
	sed "s/\[server s\]/[server t]/; s/vm = .*/vm = $name-2/" "$ini" >>"$ini.2"
	cat "$ini.2" >>"$ini"
	name=$name-2
	start_vm CPU=0
	vm="$first $vm"
	run "$O/bin/vmrt-hsf" run "$ini" --duration 100ms
	[ "$status" -eq 2 ]
	[[ $output = *"server s is not schedulable on CPU 0: with s (8 ms in 12 ms, priority 50), t (8 ms in 12 ms, priority 50) "* ]]
	run "$O/bin/vmrt-hsf" run "$ini" --duration 100ms --force
	[ "$status" -eq 0 ]
	run "$O/bin/vmrt-hsf" run "$ini" --duration 100ms --server t --stats "$BATS_TEST_TMPDIR/stats"
	[ "$status" -eq 0 ]
	grep -q "server t" "$BATS_TEST_TMPDIR/stats"
	! grep -q "server s" "$BATS_TEST_TMPDIR/stats"
}

@test "a hard server gives its budget and nothing beyond it, and no VM stays stopped" {
	need_root
	printf 'depletion = hard\n' >>"$ini"
	start_vm CPU=0
	# what it runs while it is being stopped, and before the first period; again if the machine stood still
	for _ in 1 2 3; do
		measure 2s --stats "$BATS_TEST_TMPDIR/stats"
		awk '/at the priority/ { served = ms($4, $5) } /below it/ { below = ms($1, $2) }
			function ms(v, unit) { return unit == "s" ? v * 1000 : unit == "ms" ? v : v / 1000 }
			END { print served, below; exit !(served > 400 && below < served / 20) }' "$BATS_TEST_TMPDIR/stats" && kept=yes && break
	done
	[ "$kept" = yes ]
	budget_kept 4000
	grep -q 'depletion=hard' "$BATS_TEST_TMPDIR/trace"
	[[ $(grep State "/proc/$vm/status") != *stopped* ]]
}

@test "a VM that is stopped when vmrt-hsf is killed goes on" {
	need_root
	server 200ms 20ms
	printf 'depletion = hard\n' >>"$ini"
	start_vm CPU=0
	before=$(settings)
	start_hsf
	wait_for grep -q 'State:.*stopped' "/proc/$vm/status"
	kill -KILL "$hsf"
	wait "$hsf" || true
	hsf=''
	wait_for same_settings
	wait_for grep -q 'State:.*[RS] ' "/proc/$vm/status"
}

@test "each vCPU can have a server of its own" {
	need_root
	printf '[server a]\nvm = %s:0\nperiod = 12ms\nbudget = 4ms\npriority = 50\n[server b]\nvm = %s:1\nperiod = 10ms\nbudget = 2ms\npriority = 51\n' \
		"$name" "$name" >"$ini"
	start_vm CPU=0 VCPUS=2
	wait_for vcpus 2
	"$O/bin/vmrt-hsf" run "$ini" --duration 2s --stats "$BATS_TEST_TMPDIR/stats"
	# 4/12 and 2/10 of 2 s
	awk '/at the priority/ { v[++n] = $5 == "s" ? $4 * 1000 : $4 }
		END { print v[1], v[2]; exit !(n == 2 && v[1] > 600 && v[1] < 700 && v[2] > 360 && v[2] < 420) }' "$BATS_TEST_TMPDIR/stats"
	sed -i 's/:1$/:2/' "$ini"
	run "$O/bin/vmrt-hsf" run "$ini" --duration 1s --no-wait
	[ "$status" -eq 1 ]
	[[ $output = *"has no vCPU 2"* ]]
	# parts of a process cannot be stopped
	sed -i 's/:2$/:1/; s/^priority = 50/&\ndepletion = hard/' "$ini"
	run "$O/bin/vmrt-hsf" run "$ini" --duration 1s --no-wait
	[ "$status" -eq 1 ]
	[[ $output = *"depletion hard stops whole processes"* ]]
}

@test "a VM with two vCPUs has two servers, or one that is warned of" {
	need_root
	socket=$BATS_TEST_TMPDIR/sock
	start_vm CPU=0 VCPUS=2
	wait_for vcpus 2
	start_hsf --socket "$socket" --force
	"$O/bin/vmrt-hsf" status --socket "$socket" --format json >"$BATS_TEST_TMPDIR/status"
	perl -MJSON::PP -0777 -ne 'print join(" ", map { "$_->{server} $_->{vm} $_->{budget_ns}" } @{decode_json($_)->{instances}[0]{servers}}), "\n"' \
		"$BATS_TEST_TMPDIR/status" | tee "$BATS_TEST_TMPDIR/names"
	grep -qx "s:0 $name:0 4000000 s:1 $name:1 4000000" "$BATS_TEST_TMPDIR/names"
	# a VM that may use one CPU only has nothing better
	grep -q "2 vCPUs of VM $name are confined to CPU 0" "$BATS_TEST_TMPDIR/hsf.err"
	# by the name of all, and by that of one
	"$O/bin/vmrt-hsf" set s budget=3ms --socket "$socket" --force
	"$O/bin/vmrt-hsf" set s:1 budget=2ms --socket "$socket" --force
	"$O/bin/vmrt-hsf" status s --socket "$socket" --format csv | tee "$BATS_TEST_TMPDIR/status"
	[ "$(grep -c ,3000000, "$BATS_TEST_TMPDIR/status")" -eq 1 ]
	[ "$(grep -c ,2000000, "$BATS_TEST_TMPDIR/status")" -eq 1 ]
	"$O/bin/vmrt-hsf" detach s --socket "$socket"
	run "$O/bin/vmrt-hsf" status s --socket "$socket"
	[ "$status" -ne 0 ]
	"$O/bin/vmrt-hsf" attach s "vm=$name" period=12ms budget=4ms priority=50 together=yes --socket "$socket"
	[[ $("$O/bin/vmrt-hsf" status --socket "$socket" --format csv) != *"s:0"* ]]
}

@test "threads by name, a process and a cgroup can have servers" {
	need_root
	local group=/sys/fs/cgroup/freezer/hsf-test-$$
	start_vm CPU=0
	start_hog
	wait_for pgrep -P "$hog"
	printf '[server a]\nvm = thread:CPU 0/TC?\nperiod = 12ms\nbudget = 4ms\npriority = 50\n[server b]\nvm = pid:%d\nperiod = 10ms\nbudget = 2ms\npriority = 51\n' \
		"$(pgrep -P "$hog")" >"$ini"
	"$O/bin/vmrt-hsf" run "$ini" --duration 2s --stats "$BATS_TEST_TMPDIR/stats"
	awk '/at the priority/ { v[++n] = $5 == "s" ? $4 * 1000 : $4 }
		END { print v[1], v[2]; exit !(n == 2 && v[1] > 600 && v[1] < 700 && v[2] > 360 && v[2] < 420) }' "$BATS_TEST_TMPDIR/stats"
	mkdir "$group" || skip "cgroups of version 1 are not here"
	pgrep -P "$hog" >"$group/cgroup.procs"
	printf '[server c]\nvm = cgroup:/hsf-test-%d\nperiod = 10ms\nbudget = 2ms\npriority = 51\n' $$ >"$ini"
	status=0
	"$O/bin/vmrt-hsf" run "$ini" --duration 1s --stats "$BATS_TEST_TMPDIR/stats" || status=$?
	pgrep -P "$hog" >/sys/fs/cgroup/freezer/cgroup.procs
	rmdir "$group"
	[ "$status" -eq 0 ]
	awk '/at the priority/ { print $4; exit !($4 > 180 && $4 < 220) }' "$BATS_TEST_TMPDIR/stats"
}

@test "policy none changes nothing and measures" {
	need_root
	printf 'policy = none\n' >>"$ini"
	start_vm CPU=0
	before=$(settings)
	"$O/bin/vmrt-hsf" run "$ini" --server s --duration 1s --stats "$BATS_TEST_TMPDIR/stats" &
	hsf=$!
	sleep 0.5
	same_settings
	wait "$hsf"
	hsf=''
	grep -q 'consumed per period' "$BATS_TEST_TMPDIR/stats"
	! grep -q 'at the priority' "$BATS_TEST_TMPDIR/stats"
}

@test "policy deadline gives SCHED_DEADLINE and takes it back, and says why it cannot" {
	need_root
	printf 'policy = deadline\n' >>"$ini"
	start_vm CPU=0
	before=$(settings)
	start_hsf
	vcpu=$(grep -l '^CPU 0/' "/proc/$vm/task/"*/comm | cut -d/ -f5)
	[[ $(chrt -p "$vcpu") = *SCHED_DEADLINE*4000000/12000000/12000000* ]]
	kill "$hsf"
	wait "$hsf"
	hsf=''
	same_settings
	kill "$vm"
	printf 'together = yes\n' >>"$ini"
	start_vm CPU=0 VCPUS=2
	wait_for vcpus 2
	run "$O/bin/vmrt-hsf" run "$ini" --duration 1s --no-wait
	[ "$status" -eq 1 ]
	[[ $output = *"SCHED_DEADLINE gives a budget to one thread, and VM $name has 2 vCPUs"* ]]
}

@test "other threads of the VM are charged if asked for" {
	need_root
	printf 'helpers = charged\n' >>"$ini"
	start_vm CPU=0
	measure 1s --stats "$BATS_TEST_TMPDIR/stats"
	grep -q 'helpers=charged' "$BATS_TEST_TMPDIR/trace"
	grep -q 'other threads ran .*, charged' "$BATS_TEST_TMPDIR/stats"
}

@test "what cannot be is refused with file and line" {
	try() {
		run "$O/bin/vmrt-hsf" run "$ini" "${@:2}"
		echo "$output"
		[ "$status" -eq 1 ] && [[ $output = *"$1"* ]]
	}
	try "e.ini:1: server s: there is no VM $name" --no-wait
	try "there is no server nobody" --server nobody
	printf 'policy = rt_group\n' >>"$ini"
	try "e.ini:1: policy rt_group of server s is not enforced; supported: periodic, polling, deferrable"
	server 12ms 4ms
	printf 'policy = none\ndepletion = hard\n' >>"$ini"
	try "depletion hard of server s: with policy none nobody is held back by vmrt-hsf" --server s
	server 12ms 4ms
	sed -i 's/= 50/= 97/' "$ini"
	try "priority 97 of server s is too high"
	server 100us 50us
	try "too fine to be enforced"
	server 12ms 13ms
	try "e.ini:1: budget 13 ms of server s is more than its period 12 ms"
	ini=/nonexistent try "cannot open /nonexistent"
}

@test "usage errors exit with 64" {
	for args in "" "--duration 0 $ini" "--cpu x $ini" "--notify-fd 77 $ini" "$ini $ini"; do
		# shellcheck disable=SC2086
		run "$O/bin/vmrt-hsf" run $args
		[ "$status" -eq 64 ]
	done
}

@test "without privileges it says which one is missing" {
	need_root
	start_vm
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR" 2>/dev/null || true
	cp "$O/bin/vmrt-hsf" "$BATS_TEST_TMPDIR/"
	before=$(settings)
	run setpriv --reuid nobody --clear-groups "$BATS_TEST_TMPDIR/vmrt-hsf" run "$ini"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output = *CAP_SYS_NICE* || $output = *CAP_PERFMON* ]]
	same_settings
}

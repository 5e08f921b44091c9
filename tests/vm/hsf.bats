#!/usr/bin/env bats
# vmrt-hsf on a real guest: every policy against the checker, which judges by the kernel's own switches; and vmrt-hsf
# inside the guest, over the guest's own threads. Relations must hold, no absolute times are asserted.
load ../lib/setup.bash

setup_file() {
	find_build
	export root O vm=hsftest out=$BATS_FILE_TMPDIR/out
	need_tracing
	mkdir -p "$out"
	"$root/scripts/vm" stop "$vm" 2>/dev/null || true
	"$root/scripts/vm" start "$vm" --accel tcg --cpu 0
	# works for some ms, sleeps for some
	"$root/scripts/vm" exec "$vm" '(while :; do i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; sleep 0.01; done) >/dev/null 2>&1 & echo $!' \
		>"$out/load"
	. "$root/scripts/lib/experiment.sh"
	hogs_start 1 0 3>&-
	echo "${hogs[0]}" >"$out/hog"
}

teardown_file() {
	[ -z "${out:-}" ] || kill -KILL "$(cat "$out/hog")" || true
	[ -z "${root:-}" ] || "$root/scripts/vm" stop hsftest 2>/dev/null || true
}

sql() { sqlite3 -batch -noheader -separator ' ' "$out/run.vmrt/run.db" "$1"; }

# rules_kept POLICY RULE [KEY=VALUE]: that rule has been judged, and none was violated more often than in one of ten times. A stall of the machine too short to be
# known as steal looks like a late enforcer: what is wrong with a policy is wrong every time. Some machines stall every
# other second, so there are several tries; on some, one timer in a hundred is later than the checker permits.
rules_kept() {
	local try
	printf '[server %s]\npolicy = %s\nperiod = 10ms\nbudget = 4ms\npriority = 50\n%s\n' "$vm" "$1" "${3:-}" >"$out/e.ini"
	for try in 1 2 3 4; do
		"$O/bin/vmrt-trace" record --force --no-guest -e "$out/e.ini" -o "$out/run.vmrt" --hsf -- sleep 1.5 3>&-
		sql "SELECT 'try $try', * FROM violation LIMIT 5"
		[ "$(sql "SELECT count(*) FROM violation")" -gt 0 ] || break
	done
	sql "SELECT rule, judged, unknown, violations, worst_ns FROM checked"
	[ "$(sql "SELECT count(*) FROM checked WHERE 10 * violations > judged AND violations > 1")" -eq 0 ]
	[ "$(sql "SELECT count(*) FROM checked WHERE rule = '$2' AND judged > 20")" -eq 1 ]
}

@test "a periodic server keeps its rules" { rules_kept periodic idle_burn; }
@test "a polling server keeps its rules" { rules_kept polling budget; }
@test "a deferrable server keeps its rules" { rules_kept deferrable budget; }
@test "a sporadic server keeps its rules" { rules_kept sporadic chunk; }
@test "a server under EDF keeps its rules" { rules_kept edf budget; }

@test "a hard server keeps its rules, and its VM is not stopped afterwards" {
	rules_kept deferrable depleted "depletion = hard"
	[ "$(sql "SELECT sum(background_ns) * 20 < sum(consumed_ns) FROM server_period WHERE outcome = 'depleted'")" = 1 ]
	run grep State "/proc/$(cat "$O/vms/$vm/pid")/status"
	[[ $output != *stopped* ]]
}

@test "a guest with two vCPUs has a server for each, on a CPU of its own" {
	local smp=hsfsmp try
	[ "$(nproc --all)" -ge 2 ] || skip "needs two CPUs"
	taskset -p -c 0 $$ >/dev/null && taskset -p -c 0-1 $$ >/dev/null || skip "needs CPUs 0 and 1"
	"$root/scripts/vm" stop "$smp" 2>/dev/null || true
	"$root/scripts/vm" start "$smp" --accel tcg --cpus 2 --cpu 0-1
	"$root/scripts/vm" exec "$smp" 'for c in 0 1; do taskset -c $c sh -c "while :; do i=0; while [ \$i -lt 300 ]; do i=\$((i + 1)); done; sleep 0.01; done" >/dev/null 2>&1 & done'
	printf '[server %s]\nperiod = 10ms\nbudget = 4ms\npriority = 50\n' "$smp" >"$out/smp.ini"
	for try in 1 2 3; do
		"$O/bin/vmrt-trace" record --force --no-guest -e "$out/smp.ini" -o "$out/smp.vmrt" --hsf -- sleep 1.5 3>&- || break
		sqlite3 -batch -noheader -separator ' ' "$out/smp.vmrt/run.db" "SELECT name, vcpu, enforced FROM server" \
			"SELECT t.vcpu, s.cpu, count(*) FROM slice s JOIN thread t ON t.id = s.thread WHERE t.role = 'vcpu' GROUP BY 1, 2" \
			"SELECT * FROM note" >"$out/smp"
		! grep -q "ran on CPU" "$out/smp" || break
		grep -q "^$smp:1 1 1" "$out/smp" && break
	done
	"$root/scripts/vm" stop "$smp"
	cat "$out/smp"
	grep -qx "$smp:0 0 1" "$out/smp"
	grep -qx "$smp:1 1 1" "$out/smp"
	! grep -q "ran on CPU" "$out/smp"
	# the same recording in the other programs
	"$O/bin/vmrt-report" --allow-loss --full "$out/smp.vmrt" | grep -q "$smp:1"
	"$O/bin/vmrt-export" --format grasp "$out/smp.vmrt" -o "$out/smp.grasp"
	grep -q "$smp:0" "$out/smp.grasp"
	[ "$("$O/bin/vmrt-trace" analyze "$out/smp.vmrt" -e "$out/smp.ini" -o "$out/again.db" 2>/dev/null && sqlite3 "$out/again.db" "SELECT count(*) FROM server")" = 2 ]
}

# The guest has one CPU and no throttling: who raises a busy thread there without being above it does not come back.
@test "inside the guest a busy thread gets its budget and no more, by the guest kernel's own account" {
	# the guest is to have the CPU for itself, or the host's time is in its numbers
	kill -STOP "$(cat "$out/hog")"
	"$root/scripts/vm" exec "$vm" "kill $(cat "$out/load")"
	printf '[server one]\nvm = pid:%s\npolicy = deferrable\nperiod = 50ms\nbudget = 15ms\npriority = 50\ndepletion = hard\n' \
		'$pid' >"$out/inside.ini"
	timeout 30 "$root/scripts/vm" exec "$vm" "
		(while :; do :; done) >/dev/null 2>&1 & pid=\$!
		echo \"$(cat "$out/inside.ini")\" >/s.ini
		cat /proc/sys/kernel/sched_rt_runtime_us
		timeout 20 vmrt-hsf run /s.ini --no-wait --socket none --duration 3s --stats /figures &
		sleep 1
		cut -d ' ' -f 1 /proc/uptime /proc/\$pid/schedstat
		sleep 1.5
		cut -d ' ' -f 1 /proc/uptime /proc/\$pid/schedstat
		wait \$!
		grep State /proc/\$pid/status
		kill \$pid
		cat /figures" | tee "$out/inside"
	kill -CONT "$(cat "$out/hog")"
	grep -q 'State:.*R' "$out/inside"
	# 15 of 50 ms are 0.3
	awk 'NR == 1 && $1 != -1 {exit 1}
		NR == 2 {t = $1} NR == 3 {ran = $1}
		NR == 4 {t = $1 - t} NR == 5 {
			share = ($1 - ran) / 1e9 / t
			print "share", share
			exit !(share > 0.24 && share < 0.39)
		}' "$out/inside"
	# 15 ms each time
	awk '/replenishments/ {n = $2 + 0} /ran .* at the priority/ {
			v = $4; if ($5 == "ms") v /= 1000
			print n, "times, got", v, "s"; ok = n > 20 && v > n * 0.012 && v < n * 0.02
		} END {exit !ok}' "$out/inside"
}

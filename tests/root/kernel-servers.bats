#!/usr/bin/env bats
# Servers that the kernel itself enforces, on this very machine: a SCHED_DEADLINE thread, a group of real-time threads and
# a CFS quota. Where their periods begin is found from the kernel's timers; what they got is compared with their
# budgets, and with what the kernel says of their CPU time. Needs root, tracefs and what the kernel has of these.
load ../lib/setup.bash

setup() {
	in_checkout
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
	dir=$BATS_TEST_TMPDIR
	name=vmrt-ks-$$
	group=
	pid=
}

teardown() {
	[ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null
	[ -z "$group" ] || for _ in 1 2 3 4 5; do
		rmdir "$group" 2>/dev/null && break
		sleep 0.1
	done
}

sql() { sqlite3 -batch "$dir/run.vmrt/run.db" "$1"; }

# busy [COMMAND...]: a process that always wants to run, started by COMMAND, with a name of its own
busy() {
	"$@" bash -c "printf %s $name >/proc/self/comm; while :; do :; done" 3>&- &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(cat "/proc/$pid/comm")" = "$name" ] && return
		sleep 0.1
	done
	return 1
}

# cpu_ns: what the kernel says it ran
cpu_ns() { awk '{ print $1 }' "/proc/$pid/schedstat"; }

# record POLICY BUDGET_MS PERIOD_MS: 2 s of it
record() {
	local before
	printf '[server s]\nvm = thread:%s\npolicy = %s\nbudget = %sms\nperiod = %sms\n' "$name" "$1" "$2" "$3" >"$dir/e.ini"
	before=$(cpu_ns)
	"$O/bin/vmrt-trace" record -q --allow-loss --no-guest -e "$dir/e.ini" -o "$dir/run.vmrt" -- sleep 2 3>&-
	used=$(($(cpu_ns) - before))
}

# record_until_clean POLICY BUDGET_MS PERIOD_MS: records again while a rule is violated. A tick that the machine under
# this one delays lets the kernel's servers run longer than their budget; such a delay is rare, and a wrong account is
# wrong every time.
record_until_clean() {
	local try
	for try in 1 2 3 4 5 6; do
		rm -rf "$dir/run.vmrt"
		record "$@"
		sql "SELECT 'try $try', * FROM violation LIMIT 5"
		[ "$(sql "SELECT count(*) FROM violation")" -gt 0 ] || break
	done
}

# kept BUDGET_NS PERIOD_NS LEAST_NS: the grid is the kernel's, no rule is violated, and in the long run each period
# has no more than the budget and no less than LEAST_NS
kept() {
	local n sum
	sql "SELECT s.name, phase_source, rule, judged, unknown, violations, worst_ns, tolerance_ns FROM checked
		JOIN server s ON s.id = server"
	sql "SELECT * FROM violation"
	[ "$(sql "SELECT phase_source FROM server")" = timer ]
	[ "$(sql "SELECT count(*) FROM violation")" -eq 0 ]
	[ "$(sql "SELECT judged FROM checked WHERE rule = 'cumulative'")" -gt 20 ]
	# whole periods are of that length; the kernel converts the time of a border between two clocks for each timer, so
	# that the earliest timer of a border moves it by parts of a microsecond
	[ "$(sql "SELECT count(*) FROM server_period WHERE outcome = 'unenforced' AND abs(end_ns - start_ns - $2) > 2000")" -eq 0 ]
	n=$(sql "SELECT count(*) FROM server_period WHERE outcome = 'unenforced'")
	sum=$(sql "SELECT sum(consumed_ns) FROM server_period WHERE outcome = 'unenforced'")
	echo "$n periods, $((sum / n)) ns in each; the kernel says $used ns in all"
	[ "$n" -gt 40 ]
	# a tick at the one end and one at the other
	[ "$sum" -gt $((n * $3 - 10000000)) ]
	[ "$sum" -lt $((n * $1 + 10000000)) ]
	# two accounts of the same: what it ran while it was recorded cannot be more than it ran around that
	[ "$(sql "SELECT sum(end_ns - start_ns) FROM slice")" -le "$used" ]
	[ "$(sql "SELECT sum(end_ns - start_ns) FROM slice")" -gt $((used * 8 / 10)) ]
}

@test "a SCHED_DEADLINE thread gets its runtime, period after period as its timer says" {
	chrt -d --sched-runtime 5000000 --sched-deadline 20000000 --sched-period 20000000 0 true 2>/dev/null ||
		skip "SCHED_DEADLINE is not permitted here"
	# such a thread cannot be pinned; a CPU that is never idle records all its switches, also on hosts where the
	# switch from idle is missing
	local idler
	nice -n 19 taskset -c "$(($(nproc) - 1))" timeout 60 bash -c 'while :; do :; done' 3>&- &
	idler=$!
	busy chrt -d --sched-runtime 5000000 --sched-deadline 20000000 --sched-period 20000000 0
	record_until_clean deadline 5 20
	kill "$idler"
	kept 5000000 20000000 5000000
}

@test "a group of real-time threads gets its runtime in each of the kernel's periods" {
	local root=/sys/fs/cgroup/cpu
	[ -e $root/cpu.rt_runtime_us ] || skip "the kernel has no groups of real-time threads, or they are not mounted at $root"
	chrt -f 1 true 2>/dev/null || skip "SCHED_FIFO is not permitted here"
	mkdir "$root/$name"
	group=$root/$name
	echo 20000 >"$group/cpu.rt_period_us"
	echo 6000 >"$group/cpu.rt_runtime_us" 2>/dev/null || skip "no real-time runtime is left for a group here"
	busy taskset -c 0
	echo "$pid" >"$group/tasks"
	chrt -f -p 40 "$pid"
	record_until_clean rt_group 6 20
	kept 6000000 20000000 6000000
}

@test "a CFS quota is kept in each of the kernel's periods" {
	mkdir "/sys/fs/cgroup/cpu/$name" 2>/dev/null && group=/sys/fs/cgroup/cpu/$name
	if [ -n "$group" ] && [ -e "$group/cpu.cfs_quota_us" ]; then
		echo 20000 >"$group/cpu.cfs_period_us"
		echo 8000 >"$group/cpu.cfs_quota_us"
	elif grep -qs cpu /sys/fs/cgroup/cgroup.subtree_control; then
		group=/sys/fs/cgroup/$name
		mkdir "$group"
		echo "8000 20000" >"$group/cpu.max"
	else
		skip "no cpu controller of cgroups here"
	fi
	busy taskset -c 0
	echo "$pid" >"$group/cgroup.procs"
	record_until_clean cfs_quota 8 20
	# it shares the CPU with whatever else is ordinary
	kept 8000000 20000000 1000000
}

#!/usr/bin/env bats
# Every policy of vmrt-hsf against the checker, which judges by the kernel's own switches: two servers on CPU 0, one whose
# threads always want to run and one that is a periodic task, beside an ordinary busy process.
# Needs root and perf events. No time is asserted but by the checker's tolerance.
# shellcheck disable=SC2030,SC2031
load ../lib/setup.bash

setup() {
	in_checkout
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	chrt -f 1 true 2>/dev/null || skip "SCHED_FIFO is not permitted here"
	[ -d /sys/kernel/tracing/instances ] || mount -t tracefs tracefs /sys/kernel/tracing || skip "needs tracefs"
	dir=$BATS_TEST_TMPDIR
	others=()
}

teardown() {
	local pid
	for pid in "${others[@]}"; do
		kill "$pid" && wait "$pid"
	done 2>/dev/null
	return 0
}

# server NAME POLICY PERIOD BUDGET PRIORITY PATTERN [KEY=VALUE...]
server() {
	printf '[server %s]\npolicy = %s\nperiod = %s\nbudget = %s\npriority = %s\nvm = %s\n' "$1" "$2" "$3" "$4" "$5" "$6"
	shift 6
	printf '%s\n' "$@"
}

# always NAME: a thread that always wants to run
always() {
	taskset -c 0 bash -c "printf %s $1 >/proc/self/comm; while :; do :; done" 3>&- &
	others+=($!)
}

# sometimes NAME: one that works 1.5 ms in every 10 ms
sometimes() {
	taskset -c 0 "$O/tests/periodic" nanosleep "$1" 10000 1500 1000 0 >/dev/null 3>&- &
	others+=($!)
}

# enforce SECONDS: records the servers of e.ini while they are enforced
enforce() {
	"$O/bin/vmrt-trace" record --force --no-guest -e "$dir/e.ini" -o "$dir/run.vmrt" --hsf -- sleep "$1" 3>&-
}

sql() { sqlite3 -batch -noheader -separator ' ' "$dir/run.vmrt/run.db" "$1"; }

# A stall of the machine that is too short to be known as steal looks like a late enforcer: what is wrong with a
# policy is wrong every time. Some machines stall every other second, so there are several tries.
enforce_until_clean() {
	local try
	for try in 1 2 3 4; do
		enforce 2
		[ "$(sql "SELECT count(*) FROM violation")" -gt 0 ] || break
		sql "SELECT 'try $try', * FROM violation LIMIT 5"
	done
}

# rules_kept RULE...: each of these rules has been judged, and no rule was violated more often than in one of ten times:
# on some machines one timer in a hundred is later than the checker permits, and that breaks several rules at once
rules_kept() {
	local rule
	sql "SELECT s.name, c.rule, c.judged, c.unknown, c.violations, c.worst_ns FROM checked c JOIN server s ON s.id = c.server"
	sql "SELECT * FROM violation LIMIT 20"
	[ "$(sql "SELECT count(*) FROM checked WHERE 10 * violations > judged AND violations > 1")" -eq 0 ] || return 1
	for rule; do
		[ "$(sql "SELECT count(*) FROM checked WHERE rule = '$rule' AND judged > 20")" -ge 1 ] || {
			echo "rule $rule was judged too rarely"
			return 1
		}
	done
}

busy_and_periodic() { # POLICY
	always "busy-$$"
	sometimes "task-$$"
	{
		server busy "$1" 10ms 3ms 40 "thread:busy-$$"
		server task "$1" 12ms 2ms 50 "thread:task-$$"
	} >"$dir/e.ini"
	taskset -c 0 bash -c 'while :; do :; done' 3>&- &
	others+=($!)
	sleep 0.2
	enforce_until_clean
}

@test "periodic servers keep their rules" {
	busy_and_periodic periodic
	rules_kept budget sliding supply priority idle_burn
}

@test "polling servers keep their rules" {
	busy_and_periodic polling
	rules_kept budget sliding supply priority discard
}

@test "deferrable servers keep their rules" {
	busy_and_periodic deferrable
	rules_kept budget sliding supply priority
}

@test "sporadic servers keep their rules" {
	busy_and_periodic sporadic
	rules_kept sliding supply priority chunk
}

@test "servers under EDF keep their rules" {
	busy_and_periodic edf
	rules_kept budget sliding supply priority
}

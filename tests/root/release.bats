#!/usr/bin/env bats
# Tasks that wait for their releases in every way there is, recorded on this very machine: the jobs that come out
# are compared with the task's own account. Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	run=$BATS_TEST_TMPDIR/t.vmrt
	log=$BATS_TEST_TMPDIR/log
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
	where=(taskset -c 0)
}

# record MECHANISM LONG_EVERY KEYS [PERIOD_US WORK_US JOBS]: 60 jobs of 2 ms every 10 ms, some of which work 25 ms
record() {
	printf '[task host/periodic]\n%b' "$3" >"$BATS_TEST_TMPDIR/e.ini"
	"$O/bin/vmrt-trace" record -q --allow-loss --no-guest -o "$run" -e "$BATS_TEST_TMPDIR/e.ini" -- \
		"${where[@]}" "$O/tests/periodic" "$1" periodic "${4:-10000}" "${5:-2000}" "${6:-60}" "$2" >"$log" 2>"$log.err" || {
		cat "$log.err"
		return 1
	}
}

sql() { sqlite3 "$run/run.db" "$1"; }

# The jobs are those of the account, and nine of ten ends differ by less than 300 us: some machines stand still that long
# for one in a hundred. A job in which events were lost would not be among them, but none may be too much.
agrees() {
	local skipped
	# of a timer's task that slept in its last job, and ended, it is not known when the job did
	local jobs nap
	jobs=$(wc -l <"$log")
	# the nap before the first job is a relative sleep, too: it is a job if the thread's name was known before it
	nap=$(sql "SELECT count(*) FROM job WHERE (SELECT mechanism FROM task) = 'relative' AND end_ns < $(head -n 1 "$log" | cut -d' ' -f1) - 5000000")
	[ "$nap" -le 1 ]
	[ "$(sql "SELECT count(*) FROM job WHERE end_ns NOT NULL OR k = $jobs + $nap - 1 + (SELECT sum(skipped) FROM job)")" \
		-eq $((jobs + nap)) ]
	skipped=$(awk '{ n += $2 - 1 } END { print n + 0 }' "$log")
	[ -n "${1:-}" ] || [ "$(sql "SELECT sum(skipped) FROM job")" -eq "$skipped" ]
	paste -d' ' <(sql "SELECT end_ns FROM job WHERE end_ns NOT NULL ORDER BY k LIMIT -1 OFFSET $nap") <(cut -d' ' -f1 "$log") |
		awk 'NF == 2 { d = $1 - $2; print d < 0 ? -d : d }' | sort -n |
		awk '{ v[NR] = $1 } END { p = v[int(0.9 * NR)]; print "p90", p, "ns"; exit p >= 300000 }'
	# k has no gaps but for what was skipped, and parts sum to response times
	[ "$(sql "SELECT max(k) + 1 - count(*) - sum(skipped) FROM job")" -eq 0 ]
	[ "$(sql "SELECT count(*) FROM job j WHERE response_ns <>
		(SELECT sum(ns) FROM blame b WHERE b.task = j.task AND b.k = j.k)")" -eq 0 ]
}

mechanism() { sql "SELECT mechanism FROM task"; }

for_each_way() {
	record "$1" 0 'period = 10ms\n'
	[ "$(mechanism)" = "$2" ]
	agrees "${3:-}"
	rm -r "$run"
	record "$1" 10 "period = 10ms\nrelease = $2\n"
	[ "$(mechanism)" = "$2" ]
	[ "$(sql "SELECT count(*) > 0 FROM job WHERE outcome = 'missed'")" -eq 1 ]
	agrees "${3:-}"
}

@test "absolute sleeps: the jobs are those of the task's own account" { for_each_way nanosleep nanosleep; }

@test "absolute sleeps on the wall clock" { for_each_way realtime nanosleep; }

@test "absolute sleeps, with a sleep, a mutex and a pipe within each job" { for_each_way nanosleep+ nanosleep; }

@test "a timerfd, also with expiries that are consumed together" { for_each_way timerfd timerfd; }

@test "a timerfd, with a sleep, a mutex and a pipe within each job" { for_each_way timerfd+ timerfd; }

@test "a timerfd that is waited for with epoll" { for_each_way epoll timerfd; }

# its reader does not learn how many
@test "setitimer and sigwait" { for_each_way itimer itimer skipped-are-not-counted; }

@test "timer_create and sigwait, with the overruns that it gets" { for_each_way posix posix; }

@test "a POSIX timer whose signal interrupts the task" { for_each_way signal posix; }

@test "a task that another process stops and lets go on within every job" {
	record 'nanosleep!' 0 'period = 10ms\n'
	[ "$(mechanism)" = nanosleep ]
	agrees
	[ "$(sql "SELECT count(*) > 50 FROM blame WHERE part = 'budget' AND ns > 0")" -eq 1 ]
	# the stop is no end of a job, nor is anything it waits for its own doing
	[ "$(sql "SELECT coalesce(sum(ns), 0) * 2 < (SELECT sum(ns) FROM blame WHERE part = 'budget')
		FROM blame WHERE part = 'blocking'")" -eq 1 ]
}

@test "a task that another process stops, waiting for a timerfd" {
	record 'timerfd!' 0 'period = 10ms\n'
	[ "$(mechanism)" = timerfd ]
	agrees
	[ "$(sql "SELECT count(*) > 50 FROM blame WHERE part = 'budget' AND ns > 0")" -eq 1 ]
}

@test "a task whose priority another process takes and gives back within every job" {
	record 'nanosleep-' 0 'period = 10ms\n'
	[ "$(mechanism)" = nanosleep ]
	agrees
}

@test "a task whose group uses up its quota within every job" {
	local group=/sys/fs/cgroup/cpu/vmrt-test-$$
	mkdir "$group" 2>/dev/null || skip "no cgroup of the cpu controller can be made"
	if ! { echo 20000 >"$group/cpu.cfs_period_us" && echo 3000 >"$group/cpu.cfs_quota_us"; } 2>/dev/null; then
		rmdir "$group"
		skip "no quotas here"
	fi
	# shellcheck disable=SC2016 # the inner shell's
	where=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" taskset -c 0)
	record fair 0 'period = 100ms\n' 100000 12000 20 || { rmdir "$group"; return 1; }
	rmdir "$group"
	[ "$(mechanism)" = nanosleep ]
	agrees
	# where other threads want the CPU, it is they who are seen to take it
	[ "$(sql "SELECT count(*) > 10 FROM blame WHERE part = 'interference' AND ns > 5000000")" -eq 0 ] ||
		skip "the CPU was busy"
	[ "$(sql "SELECT count(*) > 10 FROM blame WHERE part = 'throttling' AND ns > 0")" -eq 1 ]
}

@test "a task that another thread releases is found to be one, with its waker" {
	record chain 0 'period = 10ms\n'
	[ "$(mechanism)" = wakeup ]
	[ "$(sql "SELECT count(*) > 10 FROM job WHERE outcome = 'met'")" -eq 1 ]
	[ "$(sql "SELECT count(*) > 10 FROM job WHERE outcome = 'met' AND woken_by NOT NULL")" -eq 1 ]
}

@test "so is one that waits for a pipe" {
	record pipe 0 'period = 10ms\n'
	[ "$(mechanism)" = wakeup ]
	[ "$(sql "SELECT count(*) > 10 FROM job WHERE outcome = 'met' AND woken_by NOT NULL")" -eq 1 ]
}

@test "relative sleeps" { for_each_way relative relative; }

@test "SCHED_DEADLINE and sched_yield, also when the reservation is used up within a job" {
	where=(env)
	record deadline 0 'period = 10ms\n' || {
		grep -q sched_setattr "$log.err" && skip "no SCHED_DEADLINE here"
		return 1
	}
	[ "$(mechanism)" = deadline ]
	agrees
	rm -r "$run"
	record deadline 10 'period = 10ms\n'
	agrees skipped-are-not-counted
	[ "$(sql "SELECT count(*) > 0 FROM blame WHERE part = 'budget'")" -eq 1 ]
}

@test "a task without period: it is measured, and no job is met or missed" {
	record timerfd 10 ''
	[ "$(mechanism)" = timerfd ]
	[ "$(sql "SELECT abs(measured_period_ns - 10000000) < 1000 AND period_ns IS NULL FROM task")" -eq 1 ]
	[ "$(sql "SELECT DISTINCT outcome FROM job")" = unknown ]
	agrees
	"$O/bin/vmrt-report" --full "$run" | grep -q periodic
}

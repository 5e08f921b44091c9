#!/usr/bin/env bats
# An analysis that is killed, stopped or watched: the database is the former one or the new one, never half of one.
load ../lib/setup.bash

bats_require_minimum_version 1.5.0

setup_file() {
	find_build
	export root O trace=$O/bin/vmrt-trace
	cd "$BATS_FILE_TMPDIR" || return
	mkdir long.vmrt
	"$trace" analyze -q -o x.db "$root/tests/data/demo-hsf.vmrt/host.dat"
	events=$(sqlite3 x.db 'SELECT events FROM machine')
	# somewhat over two million events, after each of which a stop is looked for
	"$O/tests/repeat-recording" "$root/tests/data/demo-hsf.vmrt/host.dat" $((2100000 / events + 1)) long.vmrt/host.dat
	"$trace" analyze -q long.vmrt
	cksum <long.vmrt/run.db >before
}

setup() { cd "$BATS_FILE_TMPDIR" || return; }

@test "an analysis that is killed before it is done leaves the former database, and the next one removes its remains" {
	run strace -qq -o /dev/null -e trace=rename -e inject=rename:signal=KILL:when=1 "$trace" analyze -q long.vmrt
	[ "$status" -ne 0 ]
	cksum <long.vmrt/run.db | cmp - before
	[ "$(ls long.vmrt/*.part | wc -l)" = 1 ]
	touch long.vmrt/run.db.1.part long.vmrt/run.db.x.part # of a process that is there; of none
	"$trace" analyze -q long.vmrt
	[ "$(cd long.vmrt && echo *.part)" = "run.db.1.part run.db.x.part" ]
	rm long.vmrt/*.part
	cksum <long.vmrt/run.db | cmp - before
}

@test "an analysis that is asked to stop does so, in words, and leaves the former database" {
	run strace -qq -o /dev/null -e trace=pread64 -e inject=pread64:signal=TERM:when=30 "$trace" analyze -q long.vmrt
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" = 1 ]
	[[ $output =~ "stopped after "[0-9]+" events; the database is as it was" ]]
	cksum <long.vmrt/run.db | cmp - before
	[ "$(ls long.vmrt)" = "$(printf 'host.dat\nrun.db')" ]
}

@test "an analysis ends at once when it is asked to, wherever it is" {
	for after in 0.02 0.1 0.2; do
		"$trace" analyze -q long.vmrt 2>err &
		pid=$!
		sleep "$after"
		from=$(date +%s%N)
		kill -TERM "$pid" 2>/dev/null || true
		rc=0
		wait "$pid" || rc=$?
		[ "$rc" -le 1 ]
		# 200 ms on a machine with nothing else to do
		[ $(($(date +%s%N) - from)) -lt 1500000000 ]
		cksum <long.vmrt/run.db | cmp - before
		[ "$(ls long.vmrt)" = "$(printf 'host.dat\nrun.db')" ]
	done
}

@test "on a terminal a long analysis says how far it is, elsewhere it does not" {
	script -qec "'$trace' analyze long.vmrt" /dev/null >typescript
	grep -q '2 million events' typescript
	run "$trace" analyze long.vmrt
	[[ $output != *"million events"* ]]
}

@test "SQLite finds nothing wrong with the database" {
	[ "$(sqlite3 long.vmrt/run.db 'PRAGMA integrity_check')" = ok ]
	"$trace" analyze -q -o demo.db "$root/tests/data/demo-hsf.vmrt"
	[ "$(sqlite3 demo.db 'PRAGMA integrity_check; PRAGMA foreign_key_check')" = ok ]
}

#!/usr/bin/env bats
# vmrt-trace analyze and info on bad input: one clear line, the right exit status, nothing lost.
load ../lib/setup.bash

setup() {
	find_build
	trace=$O/bin/vmrt-trace
	cd "$BATS_TEST_TMPDIR" || return
}

@test "a run that is not there is named" {
	run "$trace" analyze nowhere.vmrt
	[ "$status" -eq 1 ]
	[[ $output = *nowhere.vmrt* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "a folder without recording is named" {
	mkdir empty.vmrt
	run "$trace" analyze empty.vmrt
	[ "$status" -eq 1 ]
	[[ $output = *empty.vmrt*host.dat* ]]
}

@test "garbage is no trace.dat" {
	mkdir g.vmrt
	head -c 10000 /dev/urandom >g.vmrt/host.dat
	run "$trace" analyze g.vmrt
	[ "$status" -eq 1 ]
	[[ $output = *host.dat*"not a trace.dat"* ]]
	[ ! -e g.vmrt/run.db ]
	[ -z "$(ls g.vmrt | grep part)" ]
}

@test "an empty file is no trace.dat" {
	mkdir e.vmrt
	: >e.vmrt/host.dat
	run "$trace" analyze e.vmrt
	[ "$status" -eq 1 ]
	[[ $output = *host.dat* ]]
}

@test "a recording that is cut short is read as far as it goes, and that is said" {
	mkdir cut.vmrt
	cp "$root/tests/data/demo-hsf.vmrt/"* cut.vmrt/
	chmod -R u+w cut.vmrt
	size=$(stat -c %s cut.vmrt/host.dat)
	truncate -s $((size * 3 / 4)) cut.vmrt/host.dat
	run "$trace" analyze cut.vmrt
	echo "$output"
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	[[ $output = *"cut short"* ]]
	[ "$(sqlite3 cut.vmrt/run.db 'SELECT count(*) > 10 FROM jobs')" = 1 ]
	[[ $(sqlite3 cut.vmrt/run.db 'SELECT note FROM machine WHERE id = 0') = *missing* ]]
}

# cut_off BYTES: demo-hsf.vmrt with that much of host.dat, as cut.vmrt, analysed; the whole one as whole.vmrt
cut_off() {
	rm -rf cut.vmrt
	mkdir -p cut.vmrt whole.vmrt
	cp "$root/tests/data/demo-hsf.vmrt/"* cut.vmrt/
	cp "$root/tests/data/demo-hsf.vmrt/"* whole.vmrt/
	chmod -R u+w cut.vmrt whole.vmrt
	head -c "$1" "$root/tests/data/demo-hsf.vmrt/host.dat" >cut.vmrt/host.dat
	run "$trace" analyze cut.vmrt
	echo "$output"
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	"$trace" analyze whole.vmrt
}

# query SQL: over the periods of both: C (cut) and W (whole)
query() {
	sqlite3 cut.vmrt/run.db "ATTACH 'whole.vmrt/run.db' AS whole; $(
	)WITH C AS (SELECT * FROM main.server_periods), W AS (SELECT * FROM whole.server_periods) $1"
}

@test "a recording that lacks the enforcer's beginning has its periods nevertheless, as unknown" {
	# behind CPU 0's data, at odd places: the beginning is in what CPU 1 recorded, which is gone
	for bytes in 1000003 300001; do
		cut_off $bytes
		[ "$(query "SELECT count(*) > 150 FROM C")" = 1 ]
		[ "$(query "SELECT count(*) FROM C WHERE outcome NOT IN ('unknown', 'truncated')")" = 0 ]
		[ "$(query "SELECT count(*) FROM C LEFT JOIN W ON C.start_ns = W.start_ns AND C.k = W.k
			WHERE W.k IS NULL AND C.start_ns < (SELECT max(start_ns) FROM W)")" = 0 ]
		[ "$(sqlite3 cut.vmrt/run.db 'SELECT enforced, phase_source FROM server')" = "1|marker" ]
		[ "$(sqlite3 cut.vmrt/run.db 'SELECT count(*) FROM violation')" = 0 ]
	done
}

@test "periods before the cut of a recording are as they were, those behind it unknown" {
	size=$(stat -c %s "$root/tests/data/demo-hsf.vmrt/host.dat")
	cut_off $((size - 14999))
	loss=$(sqlite3 cut.vmrt/run.db "SELECT min(from_ns) FROM loss WHERE kind = 'clipped' AND cpu = 1")
	[ "$(query "SELECT count(*) FROM C WHERE end_ns > $loss AND outcome NOT IN ('unknown', 'truncated')")" = 0 ]
	[ "$(query "SELECT count(*) > 20 FROM W WHERE end_ns < $loss")" = 1 ]
	[ "$(query "SELECT count(*) FROM (SELECT * FROM W WHERE end_ns < $loss EXCEPT SELECT * FROM C)")" = 0 ]
}

# percentiles COLUMN: p10, p50 and p90 by nearest rank of a column of numbers
percentiles() {
	cut -d' ' -f"$1" | sort -n | awk '{ v[NR] = $1 } END { for (p = 10; p < 100; p += 40) printf "%d|", v[int((p * NR + 99) / 100)] }'
}

@test "the natural period of a real VM without server is what its slices show" {
	cp -r "$root/tests/data/demo-none.vmrt" none.vmrt
	chmod -R u+w none.vmrt
	"$trace" analyze -q none.vmrt
	# from one start behind a wait of 1 ms or more to the next, if it was preempted and never slept
	sqlite3 -separator ' ' none.vmrt/run.db "SELECT start_ns, end_ns, end_state FROM slice
		WHERE thread = (SELECT id FROM thread WHERE role = 'vcpu') ORDER BY 1" | awk '
		NR > 1 {
			if (state) slept = 1
			if ($1 - end >= 1000000) {
				if (begun && !slept) print $1 - start, supply
				begun = !state; slept = supply = 0; start = $1
			}
		}
		{ supply += $2 - $1; end = $2; state = $3 }' >periods
	[ "$(wc -l <periods)" -gt 100 ]
	[ "$(sqlite3 none.vmrt/run.db 'SELECT * FROM natural')|" = \
		"0|$(wc -l <periods)|$(percentiles 1 <periods)$(percentiles 2 <periods)" ]
}

@test "an unknown key in the experiment is an error with file and line" {
	printf '[experiment]\nname = x\n[task vm/t]\nperoid = 3ms\n' >bad.ini
	run "$trace" analyze -e bad.ini "$root/tests/data/demo-hsf.vmrt" -o x.db
	[ "$status" -eq 1 ]
	[[ $output = *bad.ini:4:*peroid* ]]
	[ ! -e x.db ]
}

@test "an output that cannot be written is named" {
	run "$trace" analyze -o /nonexistent/x.db "$root/tests/data/demo-hsf.vmrt"
	[ "$status" -eq 1 ]
	[[ $output = */nonexistent/x.db* ]]
}

@test "a pipe or a link is not replaced by a database" {
	mkfifo pipe
	ln -s nowhere link
	for there in pipe link; do
		run "$trace" analyze -o "$there" "$root/tests/data/demo-hsf.vmrt"
		[ "$status" -eq 1 ]
		[[ $output = *"$there is there and is not a regular file"* ]]
	done
	[ -p pipe ]
	[ -L link ]
}

@test "a former database survives a failed analysis" {
	mkdir k.vmrt
	cp "$root/tests/data/demo-hsf.vmrt/"* k.vmrt/
	chmod -R u+w k.vmrt
	"$trace" analyze k.vmrt
	before=$(cksum <k.vmrt/run.db)
	# the guests would be analysed without the host
	for recording in k.vmrt/*.dat; do echo garbage >"$recording"; done
	run "$trace" analyze k.vmrt
	[ "$status" -eq 1 ]
	[ "$before" = "$(cksum <k.vmrt/run.db)" ]
}

@test "wrong options are usage errors with status 64" {
	run "$trace" analyze --frobnicate x
	[ "$status" -eq 64 ]
	run "$trace" frobnicate
	[ "$status" -eq 64 ]
	[[ $output = *frobnicate* ]]
	run "$trace"
	[ "$status" -eq 64 ]
}

@test "not root or no tracefs is said in words" {
	[ "$(id -u)" = 0 ] || skip "is not root anyway: the root case cannot be compared"
	# the checkout and the temporary folder of tests may lie where others cannot go
	folder=$(mktemp -d /tmp/vmrt-cli-XXXXXX)
	chmod 777 "$folder"
	cp "$trace" "$folder/vmrt-trace"
	run setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "cd '$folder' && exec ./vmrt-trace record -o x.vmrt -- true"
	echo "$output"
	left=$(ls "$folder")
	rm -rf "$folder"
	[ "$status" -eq 1 ]
	[[ $output = *tracefs* || $output = *tracing* || $output = *root* ]]
	[ "$left" = vmrt-trace ]
}

@test "a machine without tracefs gets a clear message" {
	[ "$(id -u)" = 0 ] || skip "needs root to hide tracefs"
	# an empty folder in its place, which cannot be mounted over, in a namespace of its own
	run unshare -m --propagation private sh -c "
		mkdir -p empty && mount --bind empty /sys/kernel/tracing && mount --bind -o ro empty /sys/kernel/debug 2>/dev/null
		exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin '$trace' record -o y.vmrt -- true"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output = *tracefs* || $output = *tracing* ]]
	[ ! -e y.vmrt ]
}

@test "the parts of each job sum to its response time, and the dominant one is its cause" {
	for run in demo-none demo-hsf; do
		"$trace" analyze -q -o "$run.db" "$root/tests/data/$run.vmrt"
		sum() { sqlite3 "$run.db" "SELECT count(*) FROM job j WHERE response_ns IS NOT NULL AND response_ns <> (SELECT sum(ns) FROM $1)"; }
		[ "$(sqlite3 "$run.db" "SELECT count(*) > 20 FROM job WHERE response_ns IS NOT NULL")" = 1 ]
		[ "$(sum "blame WHERE task = j.task AND k = j.k")" = 0 ]
		# the same with the threads behind the parts, and the time of those not listed
		[ "$(sqlite3 "$run.db" "SELECT count(*) FROM jobs j WHERE response_ns IS NOT NULL AND response_ns <>
			(SELECT sum(ns) FROM blames b WHERE b.machine = j.machine AND b.task = j.task AND b.k = j.k)")" = 0 ]
		[ "$(sqlite3 "$run.db" "SELECT count(*) FROM blame_thread WHERE ns <= 0")" = 0 ]
		[ "$(sqlite3 "$run.db" "SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM blame_thread WHERE part = 'host_thread' GROUP BY task, k)")" -le 3 ]
		# exec is what the job needed, and no cause
		[ "$(sqlite3 "$run.db" "SELECT count(*) FROM job j WHERE cause IS NOT NULL AND NOT excused AND cause <>
			(SELECT part FROM blame WHERE task = j.task AND k = j.k AND part NOT IN ('exec', 'clock') ORDER BY ns DESC LIMIT 1)")" = 0 ]
	done
	# without a server, two busy loops of a shell had the CPU
	[ "$(sqlite3 demo-none.db "SELECT group_concat(by) FROM (SELECT by FROM blames WHERE part = 'host_thread'
		GROUP BY by, by_tid HAVING sum(ns) > 0.4 * (SELECT sum(ns) FROM blame WHERE part = 'host_thread'))")" = sh,sh ]
}

@test "a file that is no database of vmrt is not replaced by one" {
	cp -r "$root/tests/data/demo-hsf.vmrt" r.vmrt
	chmod -R u+w r.vmrt
	echo "root:x:0:0" >passwd
	sqlite3 other.db 'CREATE TABLE t (x); INSERT INTO t VALUES (17)'
	cp r.vmrt/host.dat precious.dat
	for file in passwd other.db precious.dat; do
		cp "$file" before
		run "$trace" analyze -o "$file" r.vmrt
		[ "$status" -eq 1 ]
		[ "$output" = "vmrt-trace: error: $file is there and is no database of vmrt: give another name, or remove it" ]
		cmp "$file" before
	done
	# its own databases are replaced, an older one, too; so is an empty file, as mktemp makes it
	: >mine.db
	"$trace" analyze -q -o mine.db r.vmrt
	sqlite3 mine.db 'PRAGMA user_version = 1'
	"$trace" analyze -q -o mine.db r.vmrt
	[ "$(sqlite3 mine.db 'SELECT count(*) FROM jobs')" = 110 ]
	# in a run the name is vmrt's
	echo damaged >r.vmrt/run.db
	"$trace" analyze -q r.vmrt
	[ "$(sqlite3 r.vmrt/run.db 'SELECT count(*) FROM jobs')" = 110 ]
}

@test "a server of a VM that was not recorded names those that were" {
	cp -r "$root/tests/data/demo-none.vmrt" r.vmrt
	sed 's/^vm = demo/vm = dmeo/' r.vmrt/experiment.ini >e.ini
	run "$trace" analyze -q -e e.ini -o r.db r.vmrt
	[ "$status" -eq 0 ]
	[ "$output" = "vmrt-trace: warning: demo: no thread of dmeo was recorded: what the server got is not known; recorded VMs: demo (did you mean demo?)" ]
}

#!/usr/bin/env bats
# Run folders of strangers: links in them lead nowhere, and what is made there is made anew. No privileges needed.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	bin=$(cd "${O:-build}/bin" && pwd)
	run=$BATS_TEST_TMPDIR/s.vmrt
	cp -r tests/data/demo-hsf.vmrt "$run"
	chmod -R u+w "$run"
	precious=$BATS_TEST_TMPDIR/precious
	echo precious >"$precious"
}

intact() { [ "$(cat "$precious")" = precious ]; }

@test "analyze --guest writes through no link that lies in the run folder" {
	cp "$run/guest-demo.dat" "$BATS_TEST_TMPDIR/g.dat"
	for name in guest-demo.dat.new manifest.json.new run.db; do ln -s "$precious" "$run/$name"; done
	"$bin/vmrt-trace" analyze -q --force --guest "demo=$BATS_TEST_TMPDIR/g.dat" "$run" || true
	intact
	[ ! -L "$run/guest-demo.dat" ]
	[ ! -L "$run/manifest.json" ]
}

@test "an export writes through no link that lies beside its file, and through one that is named" {
	"$bin/vmrt-trace" analyze -q "$run"
	# the name that it has until it is whole has the number of the process in it
	(ln -s "$precious" "$run/t.svg.$BASHPID.new" && exec "$bin/vmrt-export" -f svg -o "$run/t.svg" "$run")
	intact
	[ ! -L "$run/t.svg" ]
	grep -q '<svg' "$run/t.svg"
	# a name such as /dev/stdout stays what it is
	ln -s "$BATS_TEST_TMPDIR/aim" "$BATS_TEST_TMPDIR/name"
	: >"$BATS_TEST_TMPDIR/aim"
	"$bin/vmrt-report" --prometheus "$BATS_TEST_TMPDIR/name" "$run" >/dev/null || [ $? -le 3 ]
	[ -L "$BATS_TEST_TMPDIR/name" ]
	grep -q vmrt_run_info "$BATS_TEST_TMPDIR/aim"
}

@test "a recording, a manifest and a database that are links are not read" {
	local name
	for name in host.dat manifest.json; do
		mv "$run/$name" "$BATS_TEST_TMPDIR/$name"
		ln -s "$BATS_TEST_TMPDIR/$name" "$run/$name"
		run "$bin/vmrt-trace" analyze "$run"
		# without the host, its guest is analysed
		[ "$status" -eq "$([ $name = host.dat ] && echo 3 || echo 1)" ]
		[[ $output == *"$name is a symbolic link"* ]]
		rm "$run/$name"
		mv "$BATS_TEST_TMPDIR/$name" "$run/$name"
	done
	mv "$run/guest-demo.dat" "$BATS_TEST_TMPDIR/g.dat"
	ln -s "$BATS_TEST_TMPDIR/g.dat" "$run/guest-demo.dat"
	run "$bin/vmrt-trace" analyze --allow-loss "$run"
	[[ $output == *"guest-demo.dat is a symbolic link"*"the guest is left out"* ]]
	intact
}

@test "reset of a stranger's run changes no file that a link or a second name leads to" {
	local name
	printf 'vmrt recording in progress\ninstance vmrt-1-1-x\n' >"$run/recorder.journal"
	for name in manifest.json.new host.dat.new host.cpu0.pages; do ln -s "$precious" "$run/$name"; done
	ln "$run/host.dat" "$BATS_TEST_TMPDIR/second-name"
	cp "$run/host.dat" "$BATS_TEST_TMPDIR/before"
	"$bin/vmrt-trace" reset "$run" || true
	intact
	cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/second-name"
}

@test "an analysis that any signal but SIGKILL ends leaves no part of a database" {
	local sig
	for sig in INT TERM HUP QUIT ABRT SEGV BUS XCPU USR1 ALRM; do
		"$bin/vmrt-trace" analyze -q "$run" 3>&- &
		while kill -0 $! 2>/dev/null && ! compgen -G "$run/run.db.*.part" >/dev/null; do :; done
		kill -s "$sig" $! 2>/dev/null || true
		wait $! || true
		run find "$run" -name 'run.db.*'
		echo "$sig: $output"
		[ -z "$output" ]
	done
}

@test "without the host's recording the guests are analysed, and what needs the host is unknown" {
	"$bin/vmrt-trace" analyze -q "$run"
	sqlite3 "$run/run.db" 'SELECT task, k, response_ns, outcome FROM jobs ORDER BY 1, 2' >"$BATS_TEST_TMPDIR/before"
	for how in cut garbage empty missing; do
		case $how in
		cut) head -c 3000 tests/data/demo-hsf.vmrt/host.dat >"$run/host.dat" ;;
		garbage) head -c 100000 /dev/urandom >"$run/host.dat" ;;
		empty) : >"$run/host.dat" ;;
		missing) rm "$run/host.dat" ;;
		esac
		run "$bin/vmrt-trace" analyze "$run"
		echo "$how: $status $output"
		[ "$status" -eq 3 ]
		[[ $output == *"the guests are analysed without the host"* ]]
		sqlite3 "$run/run.db" 'SELECT task, k, response_ns, outcome FROM jobs ORDER BY 1, 2' | cmp - "$BATS_TEST_TMPDIR/before"
		[ "$(sqlite3 "$run/run.db" "SELECT count(exec_ns) + count(cause) FROM jobs")" = 0 ]
		[ "$(sqlite3 "$run/run.db" "SELECT count(*) FROM losses WHERE machine = 'host' AND kind = 'clipped'")" = 2 ]
		run "$bin/vmrt-report" "$run"
		[[ $output == *"a recording cannot be read"* ]]
	done
	# nothing is left that could be analysed
	rm "$run/guest-demo.dat"
	run "$bin/vmrt-trace" analyze "$run"
	[ "$status" -eq 1 ]
	[[ $output == *"is a folder, but no run: it holds no recording (host.dat)"* ]]
}

@test "a list of processes that is none does not cost the recording beside it" {
	local how
	rm "$run/guest-demo.dat"
	jq '.vms[].file = ""' "$run/manifest.json" >"$BATS_TEST_TMPDIR/m"
	mv "$BATS_TEST_TMPDIR/m" "$run/manifest.json"
	for how in garbage fifo link; do
		case $how in
		garbage) echo x >"$run/host.processes" ;;
		fifo) mkfifo "$run/host.processes" ;;
		link) ln -s "$precious" "$run/host.processes" ;;
		esac
		run "$bin/vmrt-trace" analyze -q "$run"
		echo "$how: $status $output"
		[ "$status" -eq 0 ]
		[[ $output == *"is known by events only"* && $output != *"without the host"* ]]
		[ "$(sqlite3 "$run/run.db" "SELECT count(*) FROM losses WHERE kind = 'clipped'")" = 0 ]
		rm "$run/host.processes"
	done
}

@test "a guest's file in a folder without a manifest is not passed over in silence" {
	rm "$run/manifest.json"
	run "$bin/vmrt-trace" analyze --allow-loss "$run"
	[[ $output == *"$run has no manifest.json, so guest-demo.dat is not read: "*"$run/host.dat $run/guest-demo.dat"* ]]
	# as it says
	"$bin/vmrt-trace" analyze -q --allow-loss -e "$run/experiment.ini" -o "$BATS_TEST_TMPDIR/x.db" "$run/host.dat" "$run/guest-demo.dat"
	[ "$(sqlite3 "$BATS_TEST_TMPDIR/x.db" "SELECT count(*) > 50 FROM jobs WHERE machine = 'demo' AND outcome = 'met'")" = 1 ]
}

# control characters of 7 and 8 bits, also as UTF-8; lines and tabs are none
raw() { LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\x9f]' "$@"; }

@test "names in recordings and manifests do not control a terminal" {
	local command
	perl -0pi -e 's/rt_task1/\x1b[31m\x9bX\x07/g; s/rt_task2/\xc2\x9b2J\x1b]0;/g; s/qemu-system-x86/qemu\x1b[2J\x9bXY-x86/g' "$run"/*.dat
	jq '(.kernel, .hostname, .command, .vms[].note, .vms[].threads[].comm) = "\u001b[31m\u009bX"' "$run/manifest.json" >"$BATS_TEST_TMPDIR/m"
	mv "$BATS_TEST_TMPDIR/m" "$run/manifest.json"
	rm "$run/experiment.ini"
	for command in "trace analyze" "trace info" "trace events" "trace tasks" report "report -f markdown" "report -f csv" "report -f json" \
		"report -f latex" "report -f html" "report -f prometheus" "report -f junit" "export -f grasp" "export -f svg" "export -f csv --table slices" "top -b"; do
		# shellcheck disable=SC2086
		"$bin"/vmrt-$command "$run" >"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null
		[ -s "$BATS_TEST_TMPDIR/out" ]
		echo "$command: $(raw "$BATS_TEST_TMPDIR/out" | head -n 1 | cat -v)"
		[ -z "$(raw "$BATS_TEST_TMPDIR/out" | head -c 1)" ]
	done
}

@test "names of events and of folders do not control a terminal" {
	local evil
	evil=$BATS_TEST_TMPDIR/$(printf 'a\033[2Jb\233c.vmrt')
	mv "$run" "$evil"
	perl -0pi -e 's/sched_wakeup_new/sched_\x1b[2J\x9bp_new/g' "$evil/host.dat"
	for command in "dump host.dat" info; do
		# shellcheck disable=SC2086
		set -- $command
		"$bin/vmrt-trace" "$1" "$evil${2:+/$2}" >"$BATS_TEST_TMPDIR/out" 2>&1
		grep -q 'a?\[2Jb?c.vmrt' "$BATS_TEST_TMPDIR/out"
		[ -z "$(raw "$BATS_TEST_TMPDIR/out" | head -c 1)" ]
	done
}

# tables_of TABLE: sets $tables to what is exported of a table of the database; the report shows something of all
tables_of() {
	case $1 in
	job) tables=jobs ;;
	server_period) tables=server_periods ;;
	loss) tables=losses ;;
	blame) tables=blames ;;
	slice) tables=slices ;;
	machine | run | server | task | thread) tables="jobs server_periods losses blames slices" ;;
	*) tables='' ;;
	esac
}

@test "text in any column of a database does not control a terminal" {
	local table column name tables
	"$bin/vmrt-trace" analyze -q "$run"
	cp "$run/run.db" "$BATS_TEST_TMPDIR/good.db"
	sqlite3 "$BATS_TEST_TMPDIR/good.db" "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'" >"$BATS_TEST_TMPDIR/columns"
	while IFS='|' read -r table column; do
		cp "$BATS_TEST_TMPDIR/good.db" "$run/run.db"
		sqlite3 "$run/run.db" "UPDATE OR IGNORE $table SET $column = char(27) || '[31mX' || char(155) || '2J' || CAST(x'9b324a' AS TEXT)" 2>/dev/null || continue
		echo "$table.$column"
		tables_of "$table"
		for name in $tables; do
			"$bin/vmrt-export" -f csv --table "$name" "$run" || [ $? -eq 1 ]
		done
		"$bin/vmrt-report" "$run" || [ $? -le 3 ]
	done <"$BATS_TEST_TMPDIR/columns" >"$BATS_TEST_TMPDIR/out" 2>&1
	grep -qx job.woken_by "$BATS_TEST_TMPDIR/out"
	raw -n -m 3 "$BATS_TEST_TMPDIR/out" | cat -v
	[ -z "$(raw "$BATS_TEST_TMPDIR/out" | head -c 1)" ]
}

@test "a FIFO or a device in place of a file of a run is waited for by nobody" {
	local name
	for name in host.dat manifest.json guest-demo.dat experiment.ini; do
		mv "$run/$name" "$BATS_TEST_TMPDIR/$name"
		mkfifo "$run/$name"
		run timeout 60 "$bin/vmrt-trace" analyze --allow-loss "$run"
		echo "$name: $status $output"
		[ "$status" -le 3 ]
		[[ $output == *"$name is not a regular file, but a FIFO"* ]]
		run timeout 60 "$bin/vmrt-trace" info "$run"
		[ "$status" -le 3 ]
		rm "$run/$name"
		mv "$BATS_TEST_TMPDIR/$name" "$run/$name"
	done
	rm -f "$run/run.db"
	mkfifo "$run/run.db"
	for command in report "report trend" "export -f csv"; do
		# shellcheck disable=SC2086
		run timeout 60 "$bin"/vmrt-$command "$run"
		echo "$command: $status $output"
		[ "$status" -ge 1 ] && [ "$status" -le 64 ]
		[[ $output == *run.db* ]]
	done
	# neither is one that stands where a file is to be made, nor in a folder that all may write to
	rm "$run/run.db"
	cp "$run/guest-demo.dat" "$BATS_TEST_TMPDIR/g.dat"
	mkfifo "$run/manifest.json.new"
	run timeout 60 "$bin/vmrt-trace" analyze -q --force --guest "demo=$BATS_TEST_TMPDIR/g.dat" "$run"
	echo "$status $output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot create $run/manifest.json.new: File exists"* ]]
	shared=$(mktemp -d /dev/shm/vmrt-strangers-XXXXXX)
	cp -r "$run" "$shared/s.vmrt"
	rm "$shared/s.vmrt/manifest.json"
	mkfifo "$shared/s.vmrt/manifest.json"
	run timeout 60 "$bin/vmrt-trace" info "$shared/s.vmrt"
	rm -rf "$shared"
	echo "$status $output"
	[ "$status" -eq 1 ]
	[[ $output == *"manifest.json is not a regular file, but a FIFO"* ]]
	# what the user names there is the user's: a pipe of the shell is read
	run "$bin/vmrt-report" --advise <(cat "$run/experiment.ini") --assume-wcet
	[[ $output != *"is not a regular file"* ]]
}

@test "root's reset moves nothing into the run of another user, whatever its journal names" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	printf 'vmrt recording in progress\ninstance vmrt-1-1-0-record\n' >"$run/recorder.journal"
	chown -R nobody "$run"
	cp -r "$run" "$BATS_TEST_TMPDIR/before"
	run "$bin/vmrt-trace" reset "$run"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"recorder.journal is of user $(id -u nobody)"* ]]
	diff -r "$BATS_TEST_TMPDIR/before" "$run"
	# nor by a second name of a journal of root's
	chown root "$run/recorder.journal"
	ln "$run/recorder.journal" "$BATS_TEST_TMPDIR/second-name"
	run "$bin/vmrt-trace" reset "$run"
	[ "$status" -eq 1 ]
	[[ $output == *"recorder.journal has a second name"* ]]
}

@test "a small file with many compressed lists of options is not unpacked to the end" {
	python3 -c 'import ctypes; ctypes.CDLL("libzstd.so.1")' || skip "needs python3 and libzstd.so.1"
	python3 tests/lib/v7-bomb.py "$BATS_TEST_TMPDIR/bomb.dat" 200 1000000
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/bomb.dat")" -lt 100000 ]
	run "$bin/vmrt-trace" tasks "$BATS_TEST_TMPDIR/bomb.dat"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"header parts of impossible size altogether"* ]]
	# a few of them are no harm: the message says what is missing
	python3 tests/lib/v7-bomb.py "$BATS_TEST_TMPDIR/few.dat" 3 1000000
	run "$bin/vmrt-trace" tasks "$BATS_TEST_TMPDIR/few.dat"
	[ "$status" -eq 1 ]
	[[ $output != *"impossible size"* ]]
}

# ends STATUSES COMMAND...: ends by itself, after a few seconds of CPU time at most
ends() {
	local statuses=$1 status=0
	shift
	(ulimit -t 8; exec "$@") >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
	[[ " $statuses " = *" $status "* ]] || { echo "$*: $status"; tail -n 3 "$BATS_TEST_TMPDIR/said"; return 1; }
}

@test "jobs and slices of a database that overlap, and names of megabytes, take no time without end" {
	"$bin/vmrt-trace" analyze -q "$run"
	local db=$BATS_TEST_TMPDIR/overlap.db figure
	cp "$run/run.db" "$db"
	# 20,000 jobs that all last until the end of the run, and 50,000 slices in each of them
	sqlite3 "$db" "CREATE TEMP TABLE t AS SELECT task, thread, (SELECT start_ns FROM run) s, (SELECT end_ns FROM run) e FROM job WHERE thread IS NOT NULL LIMIT 1;
		DELETE FROM job WHERE task = (SELECT task FROM t); DELETE FROM slice WHERE thread = (SELECT thread FROM t);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		INSERT INTO job(task, k, thread, arrival_ns, release_ns, start_ns, end_ns, deadline_ns, exec_ns, response_ns, preemptions, migrations, skipped, outcome, excused, inferred)
			SELECT task, i, thread, s + i, s + i, s + i, e, e - 5, 1, 1, 0, 0, 0, 'missed', 0, 0 FROM n, t;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
		INSERT INTO slice SELECT thread, 0, s + 20000 + i * 1000, s + 20500 + i * 1000, 120, 1, 0, 0 FROM n, t"
	ends 0 "$bin/vmrt-export" -f svg "$db"
	grep -q "not all of their parts are drawn" "$BATS_TEST_TMPDIR/said"
	ends 1 "$bin/vmrt-export" -f st "$db"
	grep -q "the jobs of a task overlap" "$BATS_TEST_TMPDIR/said"
	ends "0 1" "$bin/vmrt-export" -f grasp -o "$BATS_TEST_TMPDIR/x.grasp" "$db"
	ends 0 "$bin/vmrt-export" -f html "$db"
	ends 0 "$bin/vmrt-report" -f html "$db"
	cp "$run/run.db" "$db"
	sqlite3 "$db" "UPDATE task SET name = printf('%.*c', 4000000, 'x') || id; UPDATE server SET name = printf('%.*c', 4000000, 'y') || id"
	for figure in schedule misses histogram cdf supply; do ends 0 "$bin/vmrt-export" -f svg --figure "$figure" "$db"; done
}

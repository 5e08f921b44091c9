#!/usr/bin/env bats
# scripts/compare-schedulers: its table from results written by hand, and what it refuses.
load ../lib/setup.bash

setup() {
	find_build
	export O
	out=$BATS_TEST_TMPDIR/out
	mkdir "$out"
}

compare() { "$root/scripts/compare-schedulers" "$@"; }

# results: two schedulers, two repetitions each, with the tables that runs fill
results() {
	eval "$(sed -n '/^TABLES=/,/;"$/p' "$root/scripts/compare-schedulers")"
	sqlite3 "$out/compare.db" "$TABLES"
	# none: 2 s in all, hogs 1 s; sporadic: enforcer 20 ms and 400 switches in 2 s
	sqlite3 "$out/compare.db" "
	INSERT INTO run VALUES
		(1, 'none', 0, 0, 1, 1000000000, 400000000, 0, 500, 0, 0, 7000000, 0),
		(2, 'none', 0, 0, 2, 1000000000, 600000000, 0, 700, 0, 0, 9000000, 0),
		(3, 'sporadic', 12000, 10000, 1, 1000000000, 100000000, 0, 900, 5000000, 100, 1900000, 0),
		(4, 'sporadic', 12000, 10000, 2, 1000000000, 100000000, 0, 900, 15000000, 300, 2000000, 0);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
	INSERT INTO job SELECT 1 + (i > 100), 'fast', 20000000, i * 1000000, CASE WHEN i > 150 THEN 'missed' ELSE 'met' END, i = 200 FROM n;
	INSERT INTO job VALUES (2, 'fast', 20000000, NULL, 'missed_incomplete', 0), (2, 'fast', 20000000, NULL, 'unknown', 0);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
	INSERT INTO job SELECT 3 + i % 2, 'fast', 20000000, 8000000 + i, 'met', 0 FROM n;
	INSERT INTO job VALUES (1, 'slow', 220000000, 5000000, 'met', 0), (3, 'slow', 220000000, 3000000, 'missed', 1);"
}

# row SCHEDULER: its cells, one a line, without blanks
row() { grep "^| $1 " "$out/table.md" | tr '|' '\n' | sed 's/^ *//; s/ *$//' | sed '/^$/d'; }

@test "the table has what the pooled jobs give" {
	results
	compare --show --out "$out"
	# 200 responses of 1..200 ms: rank ceil(198) is 198 ms; 50 + 1 of 201 known jobs missed, none of 100 in the first run
	mapfile -t cells < <(row none)
	[ "${cells[*]}" = "none - 201 25.4 (0.0-50.5) 24.9 198.0 199.0 0.0 5.0 9.0 50.0 600 0 0.00" ]
	mapfile -t cells < <(row sporadic)
	[ "${cells[*]}" = "sporadic 10/12 50 0.0 (0.0-0.0) 0.0 8.0 0.0 100.0 3.0 2.0 10.0 900 200 1.00" ]
	# the same numbers for programs
	[ "$(sqlite3 :memory: -cmd ".import --csv $out/table.csv t" "SELECT p99_1, blackout FROM t WHERE variant = 'none'")" = "198.0|9.0" ]
}

@test "the picture is well-formed and has a bar for each figure" {
	results
	compare --show --out "$out"
	perl -0777 -ne 'my @open; while (/<(\/?)([a-z]+)[^>]*?(\/?)>/g) { next if $3;
		if ($1) { die "$2" unless pop(@open) eq $2 } else { push @open, $2 } } die "@open" if @open' "$out/compare.svg"
	[ "$(grep -o '<rect class' "$out/compare.svg" | wc -l)" = 8 ]
	grep -q ">sporadic<" "$out/compare.svg"
}

@test "with two VMs, the table shows what the policies leave to the lower one" {
	eval "$(sed -n '/^TWO_TABLES=/,/;"$/p' "$root/scripts/lib/two-vms.sh")"
	sqlite3 "$out/compare.db" "$TWO_TABLES
	INSERT INTO two_run VALUES (1, 'deferrable', 1, 1000000000), (2, 'deferrable', 2, 1000000000), (3, 'polling', 1, 1000000000);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
		INSERT INTO two_job SELECT 1 + i % 2, 'upper/burst', i * 100000, CASE WHEN i > 90 THEN 'missed' ELSE 'met' END, 0, 0 FROM n;
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
		INSERT INTO two_job SELECT 1 + i % 2, 'lower/steady', i * 200000, 'met', 0, i * 80000 FROM n;
	INSERT INTO two_job VALUES (3, 'upper/burst', 5000000, 'met', 0, 0), (3, 'lower/steady', 9000000, 'met', 0, 4000000);
	INSERT INTO two_server VALUES (1, 'lower', 300000000, 13000000), (2, 'lower', 200000000, 9000000), (3, 'lower', 100000000, 7000000);"
	run compare --scenario two-rates --show --out "$out"
	echo "$output"
	[ "$status" -eq 0 ]
	mapfile -t cells < <(row deferrable)
	[ "${cells[*]}" = "deferrable 2 10.0 (10.0-10.0) 9.9 10.0 0.0 19.8 20.0 8.0 25.0 13.0" ]
	mapfile -t cells < <(row polling)
	[ "${cells[*]}" = "polling 1 0.0 (0.0-0.0) 5.0 5.0 0.0 9.0 9.0 4.0 10.0 7.0" ]
	# five figures for each of two policies
	[ "$(grep -o '<rect class' "$out/compare.svg" | wc -l)" = 10 ]
}

@test "what makes no sense is refused with status 64" {
	for args in "--variants nonsense" "--servers 12" "--servers 4000/12000" "--repetitions 0" "--duration" "--what" "--scenario three" "--scenario batch --variants none"; do
		# shellcheck disable=SC2086
		run compare $args
		echo "$args: $status $output"
		[ "$status" -eq 64 ]
	done
	run compare --show --out "$out"
	[ "$status" -eq 1 ]
	[[ $output = *"there are no results in $out"* ]]
}

#!/usr/bin/env bats
# A guest's recording that was made by other means, taken into a run; and what info says of clocks.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	find_build
	trace=$O/bin/vmrt-trace
	cd "$BATS_TEST_TMPDIR" || return
	cp -r "$root/tests/data/demo-none.vmrt" with.vmrt
	cp -r with.vmrt r.vmrt
	chmod -R u+w with.vmrt r.vmrt
	# the run as it would be without an agent in the guest
	mv r.vmrt/guest-demo.dat by-hand.dat
	without_shift by-hand.dat
	sqlite3 :memory: "SELECT writefile('r.vmrt/manifest.json', json_set(readfile('with.vmrt/manifest.json'),
		'\$.vms[0].file', '', '\$.vms[0].pings', json('[]'), '\$.vms[0].note', 'no agent'))" >/dev/null
}

without_shift() { perl "$root/tests/lib/without-shift.pl" "$1"; }

# The clock of the guest in a run: offset at one time, and its largest error
offset() { sqlite3 "$1/run.db" "SELECT offset_ns + (16000000000 - from_local_ns) / 1e9 * rate_ppb FROM clock"; }
worst() { sqlite3 "$1/run.db" "SELECT max(error_ns) FROM clock"; }

@test "a guest's file is taken into the run, and its clock found from the recordings alone" {
	run -0 "$trace" analyze --allow-loss r.vmrt --guest demo=by-hand.dat
	echo "$output"
	"$trace" analyze -q --allow-loss with.vmrt
	[ "$(sqlite3 r.vmrt/run.db "SELECT DISTINCT source FROM clock")" = 'causality alone' ]
	[ "$(worst r.vmrt)" -lt 30000 ]
	awk -v a="$(offset r.vmrt)" -v b="$(offset with.vmrt)" -v e="$(($(worst r.vmrt) + $(worst with.vmrt)))" \
		'BEGIN { d = a - b; if (d < 0) d = -d; print d, e; exit d > e }'
	jobs="SELECT task, k, outcome FROM jobs ORDER BY 1, 2"
	[ "$(sqlite3 r.vmrt/run.db "$jobs")" = "$(sqlite3 with.vmrt/run.db "$jobs")" ]
	cmp by-hand.dat r.vmrt/guest-demo.dat
	"$trace" info r.vmrt | grep 'by causality alone'
	"$trace" info r.vmrt | grep 'note: .*copy of by-hand.dat'
}

@test "analysed once more it stays" {
	"$trace" analyze -q --allow-loss r.vmrt --guest demo=by-hand.dat
	before=$(sqlite3 r.vmrt/run.db "SELECT * FROM clock")
	"$trace" analyze -q --allow-loss r.vmrt
	[ "$(sqlite3 r.vmrt/run.db "SELECT * FROM clock")" = "$before" ]
}

@test "a VM that the run does not have, a file that is none, a guest that is there: refused, and nothing changed" {
	before=$(cat r.vmrt/* | cksum)
	run -1 "$trace" analyze r.vmrt --guest nobody=by-hand.dat
	[[ $output = *'has no VM nobody; it has demo'* ]]
	run -1 "$trace" analyze r.vmrt --guest demo=/dev/null
	[[ $output = */dev/null* ]]
	run -1 "$trace" analyze r.vmrt --guest demo=nowhere.dat
	[[ $output = *nowhere.dat* ]]
	[ "$(cat r.vmrt/* | cksum)" = "$before" ]
	run -1 "$trace" analyze with.vmrt --guest demo=by-hand.dat
	[[ $output = *'already (guest-demo.dat); --force replaces it'* ]]
	run -0 "$trace" analyze --allow-loss with.vmrt --force --guest demo=by-hand.dat
	run -64 "$trace" analyze r.vmrt --guest demo
	run -64 "$trace" analyze r.vmrt/host.dat -o x.db --guest demo=by-hand.dat
}

@test "two recordings that do not belong together are not related" {
	cp "$root/tests/data/demo-hsf.vmrt/guest-demo.dat" other.dat
	chmod u+w other.dat
	without_shift other.dat
	run "$trace" analyze --allow-loss r.vmrt --guest demo=other.dat
	echo "$output"
	[ "$(sqlite3 r.vmrt/run.db "SELECT error_ns IS NULL FROM clock")" = 1 ]
	"$trace" info r.vmrt | grep 'error at most unknown'
}

@test "before the analysis info says that the clock is not known" {
	run -0 "$trace" info with.vmrt
	[[ $output = *'clock '*'not known before'* ]]
	"$trace" analyze -q --allow-loss with.vmrt
	run -0 "$trace" info with.vmrt
	[[ $output = *'error at most '* ]]
}

#!/usr/bin/env bats
# The tutorial of vmrt(7), on a real guest: every command of the page is run, in its order, and the lines that the page shows below it
# are what such a command prints.
# shellcheck disable=SC2154
load ../lib/setup.bash

setup_file() {
	find_build
	export root O vm=vm1 out=$BATS_FILE_TMPDIR/out COLUMNS=80
	need_tracing
	mkdir -p "$out/work"
	. "$root/scripts/lib/experiment.sh"
	"$root/scripts/vm" stop "$vm" 2>/dev/null || true
	"$root/scripts/vm" start "$vm" --cpu 0
	# whatever else the machine does is to leave the VM and the hogs their CPU, and them alone with each other
	pid=$(cat "$O/vms/$vm/pid")
	for t in /proc/"$pid"/task/*; do renice -n -15 -p "${t##*/}" >/dev/null; done
	# the program of the user, with two real-time tasks, and two hogs on the host
	printf '%s\n' '[task vm1/control]' 'period = 20ms' 'wcet = 3ms' 'priority = 60' '' '[task vm1/vision]' 'period = 100ms' \
		'wcet = 10ms' 'priority = 50' >"$out/plant.ini"
	vms_priority fifo 50
	guest_prepare "$out/plant.ini"
	vms_priority other 0
	setsid "$root/scripts/vm" exec "$vm" 'vmrt-load -q --calibration /calibration -d 300s -l /dev/null /experiment.ini' >/dev/null 2>&1 3>&- &
	hogs_start 2 0 3>&-
	printf '%s\n' "${hogs[@]}" >"$out/hogs"
	renice -n -15 -p "${hogs[@]}" >/dev/null
	run_page
	hogs_stop || true
}

teardown_file() {
	[ -z "${out:-}" ] || while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$out/hogs"
	[ -z "${root:-}" ] || "$root/scripts/vm" stop vm1 2>/dev/null || true
}

# The commands of the page are the lines of its blocks that begin with "$ "; what follows one is what it shows.
run_page() {
	local line n=0 status from
	awk -v to="$out" '/^```$/ { in_block = !in_block; next } !in_block { next }
		/^\$ / { n++; print substr($0, 3) >(to "/commands"); next } { print >(to "/shown." n) }' "$root/docs/vmrt.7.scd"
	while read -r line <&4; do
		n=$((n + 1)) from=$SECONDS
		# a monitor needs a terminal, and somebody who leaves it
		[[ $line != vmrt-top* ]] || line="(sleep 2; printf q) | script -qec '$line' /dev/null"
		status=0
		(cd "$out/work" && PATH=$O/bin:$PATH TERM=xterm timeout 60 bash -c "$line") >"$out/printed.$n" 2>&1 3>&- 4<&- || status=$?
		# on a quiet machine there may be nothing to look at
		! grep -q 'has no miss to be shown' "$out/printed.$n" || status=0
		echo "$status $((SECONDS - from)) $line" >>"$out/ran"
	done 4<"$out/commands"
}

@test "every command of the page does what it should" {
	cat "$out/ran"
	[ "$(wc -l <"$out/ran")" -ge 15 ]
	run awk '$1 != 0' "$out/ran"
	[ -z "$output" ] || { head -n 20 "$out"/printed.*; false; }
}

# Numbers and times differ from run to run, and so does the width of columns: each word of a heading that is shown must be printed.
@test "what the page shows is what is printed" {
	local n headings word
	for n in $(seq "$(wc -l <"$out/commands")"); do
		[ -e "$out/shown.$n" ] || continue
		headings=$(grep -E '^(vm |machine |task |server |\[|[a-z]+ = )' "$out/shown.$n" | grep -v '(' | sed 's/ = .*//') || continue
		for word in $headings; do
			grep -qF -- "$word" "$out/printed.$n" || { sed -n "${n}p" "$out/commands"; echo "does not print '$word'"; cat "$out/printed.$n"; return 1; }
		done
	done
}

@test "both tasks are found, with their periods" {
	grep -E '^vm1 +control .* 20\.0' "$out/printed.3"
	grep -E '^vm1 +vision .* 100\.0' "$out/printed.3"
	! grep '^host .* other ' "$out/printed.3"
}

@test "the run with a server has no more misses than the one without" {
	misses() { sqlite3 "$out/work/$1.vmrt/run.db" "SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%' AND cause <> 'steal'"; }
	echo "$(misses a) without, $(misses b) with"
	[ "$(misses b)" -le "$(misses a)" ]
}

@test "the pictures are there" {
	[ "$(wc -c <"$out/work/a.html")" -gt 10000 ]
	[ "$(find "$out/work" -name 'miss-*.svg' | wc -l)" -ge 1 ] || grep 'has no miss to be shown' "$out"/printed.*
	[ -s "$root/docs/tutorial-miss.svg" ]
}

#!/usr/bin/env bats
# What the user nobody can do to a recorder and a vmrt-hsf of root that run: nothing. Needs root, tracefs and the user nobody.
# docs/reliability.md has the list.
# shellcheck disable=SC2034,SC2154

bats_require_minimum_version 1.5.0
load ../lib/hsf.bash

# as nobody, with programs of nobody's reach
nobody() { (cd / && exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"); }

# start_all: a VM, vmrt-hsf and a recorder of root; folder: where others may look
start_all() {
	need_root
	tracing=$(mount -t tracefs | sed -n '1s/.* on \(.*\) type .*/\1/p')
	[ -n "$tracing" ] || skip "tracefs is not mounted here"
	folder=$(mktemp -d /tmp/vmrt-others-XXXXXX)
	chmod 755 "$folder"
	install -m 755 "$O/bin/vmrt-trace" "$O/bin/vmrt-hsf" "$O/bin/vmrt-top" "$folder"
	start_vm
	start_hsf
	"$O/bin/vmrt-trace" record -q --no-guest --no-analyze --allow-loss -o "$folder/r.vmrt" -d 60s 3>&- &
	hog=$!
	wait_for test -s "$folder/r.vmrt/recorder.journal"
	wait_for sh -c "ls $tracing/instances | grep -q vmrt-$hog-"
}

# end_all: both end as they were asked to, and the recording is whole
end_all() {
	local recorded=0 enforced=0
	kill -TERM "$hog" && wait "$hog" || recorded=$?
	kill -INT "$hsf" && wait "$hsf" || enforced=$?
	hog='' hsf=''
	echo "record: $recorded, vmrt-hsf: $enforced"
	host=$("$O/bin/vmrt-trace" info "$folder/r.vmrt" | grep -c 'host')
	rm -rf "$folder"
	[ "$recorded" -eq 0 ] && [ "$enforced" -eq 0 ] && [ "$host" -ge 1 ]
}

# refused COMMAND...: as nobody, it fails
refused() {
	if nobody "$@" >"$BATS_TEST_TMPDIR/said" 2>&1; then
		echo "not refused: $*"
		cat "$BATS_TEST_TMPDIR/said"
		return 1
	fi
}

@test "others write nothing where root's programs write" {
	start_all
	local place
	for place in /run/vmrt /run/vmrt-hsf "$folder/r.vmrt"; do
		refused touch "$place/x"
		refused ln -s /etc/passwd "$place/vmrt-1-1-record"
		refused mkfifo "$place/host.dat.new"
		refused mv "$place" "$place-moved"
	done
	refused sh -c "echo 0 >$tracing/tracing_on"
	refused sh -c "rmdir $tracing/instances/vmrt-$hog-*"
	end_all
}

@test "others read no recording, and lock nothing that root waits for" {
	start_all
	local file
	# who could lock the journal would keep root from following the recording
	for file in "$folder"/r.vmrt/host.* "$folder"/r.vmrt/recorder.journal /run/vmrt-hsf/*.lock /run/vmrt-hsf/*.threads; do
		refused head -c 1 "$file"
		refused flock -n "$file" true
	done
	# the folders themselves can be locked, and that delays nobody
	for file in /run/vmrt /run/vmrt-hsf "$folder/r.vmrt"; do
		(cd / && exec setpriv --reuid=nobody --regid=nogroup --clear-groups timeout 20 flock "$file" sleep 20) 3>&- &
	done
	"$O/bin/vmrt-hsf" status >"$BATS_TEST_TMPDIR/status"
	grep -q "$name" "$BATS_TEST_TMPDIR/status"
	end_all
}

@test "others query, change and reset nothing, and signal nobody" {
	start_all
	local process
	for process in status "set s budget=1ms" "detach s" "attach x vm=y period=10ms budget=1ms"; do
		# shellcheck disable=SC2086 # words
		refused "$folder/vmrt-hsf" $process
		grep -q "no permission for /run/vmrt-hsf" "$BATS_TEST_TMPDIR/said"
	done
	nobody "$folder/vmrt-hsf" reset || true
	refused "$folder/vmrt-trace" reset
	refused "$folder/vmrt-trace" reset "$folder/r.vmrt"
	refused "$folder/vmrt-top" -b -n 1 "$folder/r.vmrt"
	for process in "$hsf" "$hog" $(pgrep -f 'vmrt-guardian|vmrt-deputy'); do
		refused kill -STOP "$process"
	done
	"$O/bin/vmrt-hsf" status --format json | jq -e --arg vm "$name" '[.. | objects | select(.vm? == $vm and .state? == "enforced")] | length == 1'
	[ -e "$folder/r.vmrt/recorder.journal" ]
	end_all
}

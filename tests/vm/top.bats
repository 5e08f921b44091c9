#!/usr/bin/env bats
# vmrt-top live, with a real guest. Needs root, tracefs and QEMU.
# shellcheck disable=SC2030,SC2031,SC2016,SC2154
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup_file() {
	in_checkout
	[[ $O = /* ]] || O=$PWD/$O
	export O PATH="$O/bin:$PATH"
	export VM=top-$$ STATE=$BATS_FILE_TMPDIR/state EXPERIMENT=$BATS_FILE_TMPDIR/top.ini
	[[ $EUID -eq 0 ]] || skip "needs root"
	[[ -d /sys/kernel/tracing/instances ]] || skip "needs tracefs"
	scripts/vm start "$VM" --state "$STATE" --cpu 0 >"$BATS_FILE_TMPDIR/start.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/start.log"
		return 1
	}
	cat >"$EXPERIMENT" <<-END
		[experiment]
		name = live
		[server $VM]
		period = 12ms
		budget = 10ms
		priority = 50
		[task $VM/rt_task1]
		period = 50ms
		wcet = 5ms
	END
	vm put "$EXPERIMENT" /top.ini
	vm exec 'vmrt-load --calibrate --calibration /calibration /top.ini >/dev/null'
}

teardown_file() {
	if [[ -d $STATE ]]; then scripts/vm stop "$VM" --state "$STATE"; fi
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
}

vm() {
	local command=$1
	shift
	timeout 60 scripts/vm "$command" "$VM" --state "$STATE" "$@"
}

instances() { # those of a vmrt-top that is gone, and those in the guest
	local folder pid
	for folder in /sys/kernel/tracing/instances/vmrt-*-top; do
		pid=${folder##*/vmrt-}
		pid=${pid%%-*}
		if [[ -d $folder && ! -d /proc/$pid ]]; then echo "$folder"; fi
	done
	vm exec 'ls /sys/kernel/tracing/instances'
}

@test "jobs of a guest are seen while they run, with a bound of the clock error" {
	vm exec 'vmrt-load -c /calibration -d 9s -l /log /top.ini' >/dev/null 2>&1 &
	run timeout 40 vmrt-top -b -n 7 -e "$EXPERIMENT"
	wait
	echo "$output"
	[[ $status -eq 0 || $status -eq 3 ]]
	grep -Eq "clock (±|\+-)[0-9.]+ [um]s" <<<"$output"
	jobs=$(awk -v task="$VM/rt_task1" '$2 == task { jobs = $5 } END { print jobs }' <<<"$output")
	[[ $jobs -ge 20 ]]
}

@test "it works beside a recording of the same guest, and sees the same jobs" {
	vmrt-top -b -d 500ms -e "$EXPERIMENT" >"$BATS_TEST_TMPDIR/lines" 2>"$BATS_TEST_TMPDIR/talk" &
	top=$!
	for _ in {1..100}; do
		grep -Eq "clock (±|\+-)[0-9]" "$BATS_TEST_TMPDIR/lines" && break
		sleep 0.1
	done
	run vmrt-trace record -e "$EXPERIMENT" -o "$BATS_TEST_TMPDIR/r.vmrt" -- \
		scripts/vm exec --state "$STATE" "$VM" 'vmrt-load -c /calibration -d 3s -l /log /top.ini'
	echo "$output"
	recorded=$status
	sleep 3
	kill -TERM "$top"
	wait "$top" || true
	cat "$BATS_TEST_TMPDIR/talk" "$BATS_TEST_TMPDIR/lines"
	[[ $recorded -eq 0 || $recorded -eq 3 ]]
	jobs=$(awk -v task="$VM/rt_task1" '$2 == task { jobs = $5 } END { print jobs }' "$BATS_TEST_TMPDIR/lines")
	[[ $jobs -eq 60 ]]
}

# same_as_report UPDATES RUN: every figure of the last update
same_as_report() {
	vmrt-report --format json "$2" >"$BATS_TEST_TMPDIR/report.json" || [[ $? -eq 3 ]]
	tests/lib/top-and-report.py "$1" "$BATS_TEST_TMPDIR/report.json"
}

@test "with -o it records at the same time, and the last update is the report, exactly" {
	vm exec 'vmrt-load -c /calibration -d 9s -l /log /top.ini' >/dev/null 2>&1 &
	run --separate-stderr timeout 60 vmrt-top --json -n 6 -e "$EXPERIMENT" -o "$BATS_TEST_TMPDIR/top.vmrt"
	wait
	echo "$stderr"
	tail -n 1 <<<"$output"
	[[ $status -eq 0 || $status -eq 3 ]]
	[[ -s $BATS_TEST_TMPDIR/top.vmrt/run.db && $(wc -l <<<"$output") -eq 7 ]]
	echo "$output" >"$BATS_TEST_TMPDIR/updates"
	same_as_report "$BATS_TEST_TMPDIR/updates" "$BATS_TEST_TMPDIR/top.vmrt"
	[[ $(vmrt-report --format csv --table tasks "$BATS_TEST_TMPDIR/top.vmrt" | wc -l) -eq 2 ]]
}

# bats test_tags=long
@test "without an experiment the tasks that were found are those of the report, too" {
	vm exec 'vmrt-load -c /calibration -d 12s -l /log /top.ini' >/dev/null 2>&1 &
	timeout 60 vmrt-top --json -n 8 --vm "$VM" -o "$BATS_TEST_TMPDIR/found" >"$BATS_TEST_TMPDIR/updates" || [[ $? -eq 3 ]]
	wait
	same_as_report "$BATS_TEST_TMPDIR/updates" "$BATS_TEST_TMPDIR/found.vmrt"
}

@test "a recording of another process is followed, guest and all, to its end" {
	vmrt-trace record -q --stream -e "$EXPERIMENT" -o "$BATS_TEST_TMPDIR/f.vmrt" -- \
		scripts/vm exec --state "$STATE" "$VM" 'vmrt-load -c /calibration -d 6s -l /log /top.ini' >/dev/null 2>&1 &
	for _ in {1..100}; do [[ -e $BATS_TEST_TMPDIR/f.vmrt/manifest.json ]] && break; sleep 0.1; done
	timeout 60 vmrt-top --json -d 500ms "$BATS_TEST_TMPDIR/f.vmrt" >"$BATS_TEST_TMPDIR/updates" || [[ $? -eq 3 ]]
	wait
	python3 - "$BATS_TEST_TMPDIR/updates" <<-'END'
		import json, sys
		updates = [json.loads(line)["update"] for line in open(sys.argv[1])]
		live = [u for u in updates if u["view"]["live"]]
		jobs = [u["tasks"][0]["jobs"] for u in live]
		print(jobs, updates[-1]["tasks"][0]["jobs"])
		# 20 jobs a second are seen while they come
		assert len(set(jobs)) >= 5 and jobs == sorted(jobs) and jobs[-1] >= 40
		assert updates[-1]["tasks"][0]["jobs"] == 120
	END
	same_as_report "$BATS_TEST_TMPDIR/updates" "$BATS_TEST_TMPDIR/f.vmrt"
}

# bats test_tags=long
@test "an agent that ends and comes again is reached again, and the jobs meanwhile are unknown" {
	vm exec 'vmrt-load -c /calibration -d 16s -l /log /top.ini & sleep 5
		killall -9 vmrt-agent; sleep 2; vmrt-agent & wait %1' >/dev/null 2>&1 &
	timeout 60 vmrt-top --json -n 15 -e "$EXPERIMENT" >"$BATS_TEST_TMPDIR/updates" || [[ $? -eq 3 ]]
	wait
	python3 - "$BATS_TEST_TMPDIR/updates" <<-'END'
		import json, sys
		updates = [json.loads(line)["update"] for line in open(sys.argv[1])]
		for u in updates:
		    t = u["tasks"][0]
		    print(u["view"]["elapsed_ns"] / 1e9, t["jobs"], t["unknown"], u["view"]["lost_at_least"], u["view"]["note"])
		assert any("trying again" in (u["view"]["note"] or "") for u in updates)
		first, last = updates[3]["tasks"][0], updates[-1]["tasks"][0]
		assert not updates[-1]["view"]["note"] and last["jobs"] > first["jobs"] + 60 and last["unknown"] > 0
		assert updates[-1]["view"]["lost_at_least"]
	END
}

@test "a recording that cannot be made is said, and the view goes on" {
	mkdir "$BATS_TEST_TMPDIR/there.vmrt"
	run timeout 60 vmrt-top -b -n 4 -e "$EXPERIMENT" -o "$BATS_TEST_TMPDIR/there.vmrt"
	echo "$output"
	[ "$status" -eq 1 ]
	grep -q "not recorded any more: .*there.vmrt" <<<"$output"
	[[ $(grep -c "^# [0-9.]* s:" <<<"$output") -eq 4 ]]
	[[ $output = *"there.vmrt: nothing was recorded there now"* ]]
}

@test "a guest that stops is not waited for, and that is said" {
	pid=$(cat "$STATE/pid")
	(sleep 5; kill -STOP "$pid"; sleep 5; kill -CONT "$pid") &
	run timeout 40 vmrt-top -b -n 9 -e "$EXPERIMENT"
	wait
	echo "$output"
	grep -q "$VM: nothing heard for [0-9]* s" <<<"$output"
}

@test "while an agent is slow the host's side is shown at once, with a word about who is awaited" {
	vm exec 'kill -STOP $(pidof vmrt-agent)'
	run timeout 20 vmrt-top -b -d 500ms -n 4 -e "$EXPERIMENT"
	vm exec 'kill -CONT $(pidof vmrt-agent)'
	echo "$output"
	[[ $status -eq 0 || $status -eq 3 ]]
	[[ $(grep -c "$VM: waiting for its agent for [0-9]* s" <<<"$output") -ge 3 ]]
	# the VM's CPU time is seen
	awk -v vm="$VM" '$2 == vm && $3 ~ /^[IRT]$/ { seen++ } END { exit seen < 3 }' <<<"$output"
}

@test "nothing is left behind" {
	# the agent sees the end of the link a moment later
	for _ in {1..10}; do
		run instances
		[[ -z $output ]] && break
		sleep 0.5
	done
	echo "$output"
	[[ -z $output ]]
}

#!/usr/bin/env bats
# vmrt-top -o: the last update is the report of what was recorded meanwhile, also if events were lost.
# Needs root and tracefs.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mount -t tracefs | grep -q . || skip "tracefs is not mounted here"
	load=() dir=$BATS_TEST_TMPDIR
}

teardown() {
	for p in "${load[@]}"; do kill -9 "$p" 2>/dev/null || true; done
}

# task MECHANISM PERIOD_US WORK_US JOBS LONG_EVERY: a task of the host, called as its mechanism, in the background
task() {
	"$O/tests/periodic" "$1" "$1" "$2" "$3" "$4" "$5" >/dev/null 2>&1 3>&- &
	load+=("$!")
	printf '[task host/%s]\nperiod = %sus\n' "$1" "$2" >>"$dir/e.ini"
}

# record SECONDS TOP OPTION...: the updates, and the report of what was recorded meanwhile, compared in every figure
record() {
	local status=0
	timeout 90 "$2" --json -d 500ms -n $(($1 * 2)) -e "$dir/e.ini" -o "$dir/run" "${@:3}" \
		>"$dir/updates" 2>"$dir/talk" 3>&- || status=$?
	cat "$dir/talk"
	[[ $status -eq 0 || $status -eq 3 ]]
	"$O/bin/vmrt-report" --format json "$dir/run.vmrt" >"$dir/report.json" || [[ $? -eq 3 ]]
	tests/lib/top-and-report.py "$dir/updates" "$dir/report.json"
}

@test "the last update is the report, for every way to wait" {
	printf '[experiment]\nname = ways\n' >"$dir/e.ini"
	for way in nanosleep timerfd epoll itimer posix deadline chain; do
		task "$way" 50000 2000 120 10
	done
	record 7 "$O/bin/vmrt-top" --alarm 'miss(timerfd)' --alarm 'response_p99(posix) > 1ms'
	python3 - "$dir/updates" <<-'END'
		import json, sys
		updates = [json.loads(line)["update"] for line in open(sys.argv[1])]
		# each was seen, and missed: every tenth job takes two and a half periods
		for t in updates[-1]["tasks"]: assert t["jobs"] > 40 and t["missed"] >= 5, t
		assert any(u["view"]["alarm"] for u in updates)
	END
}

@test "a recording that was there before is not taken for one of now" {
	printf '[experiment]\nname = old\n' >"$dir/e.ini"
	"$O/tests/make-run" "$dir/run.vmrt"
	sum=$(cat "$dir"/run.vmrt/* | cksum)
	run -1 --separate-stderr "$O/bin/vmrt-top" --json -d 100ms -n 3 -e "$dir/e.ini" -o "$dir/run"
	[[ $stderr == *"run.vmrt is there already"*"vmrt-top: error: $dir/run: nothing was recorded there now"* ]]
	# the updates of now, and none of the other recording
	[[ ${#lines[@]} -eq 3 && $output != *rt_task1* && $output != *'"ended":true'* ]]
	[[ $(cat "$dir"/run.vmrt/* | cksum) == "$sum" ]]
}

# bats test_tags=long
@test "where the recorder lost events, the last update is the report, and the screen says so" {
	# a buffer of the least size, and more events than anybody could read out of it
	mkdir "$dir/bin"
	cp "$O/bin/vmrt-top" "$dir/bin"
	printf '#!/bin/sh\nexec "%s" "$@" --buffer 8KiB\n' "$(realpath "$O/bin/vmrt-trace")" >"$dir/bin/vmrt-trace"
	chmod +x "$dir/bin/vmrt-trace"
	printf '[experiment]\nname = lossy\n' >"$dir/e.ini"
	task timerfd 20000 1000 400 0
	"$O/tests/event-load" 200000 30 0 >/dev/null 2>&1 3>&- &
	load+=("$!")
	record 6 "$dir/bin/vmrt-top"
	python3 - "$dir/updates" "$dir/report.json" <<-'END'
		import json, sys
		last = json.loads(open(sys.argv[1]).readlines()[-1])["update"]
		report = json.load(open(sys.argv[2]))["runs"][0]
		lost = {m["machine"]: m["lost"] for m in report["loss"]}
		print(lost, last["view"]["lost"], last["tasks"][0]["unknown"], last["tasks"][0]["jobs"])
		assert {m["machine"]: m["lost"] for m in last["machines"]} == lost
		assert lost["host"] > 1000 and last["view"]["lost"] == sum(lost.values())
		assert last["tasks"][0]["unknown"] > 0
	END
	run -0 "$O/bin/vmrt-top" --no-config --script /dev/stdin "$dir/run.vmrt" <<<$':end\n:dump'
	lost=$(python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readlines()[-1])["update"]["view"]["lost"])' "$dir/updates")
	grep -q "^L $lost lost" <<<"$output"
	# the recorder said the same when it ended
	grep -q ": $lost events were lost;" "$dir/talk"
}

#!/usr/bin/env bats
# The link inside a real guest: vsock over loopback, TCP, and agents that end there. Needs QEMU.
# shellcheck disable=SC2030,SC2031,SC2016
bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export O=${O:-build}
	export VM=vm-link-$$ STATE=$BATS_FILE_TMPDIR/state
	scripts/vm start "$VM" --accel tcg --state "$STATE" --cpu 0 || return 1
	scripts/vm put "$VM" --state "$STATE" "$O/tests/link-client-static" /bin/link-client
	scripts/vm exec "$VM" --state "$STATE" 'chmod 755 /bin/link-client; ifconfig lo 127.0.0.1 up;
		umask 077; echo "a secret of this guest" >/tmp/secret; echo "another secret, of nobody" >/tmp/other'
}

teardown_file() {
	scripts/vm stop "$VM" --state "$STATE" 2>/dev/null || true
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
}

guest() { timeout 90 scripts/vm exec "$VM" --state "$STATE" "$@"; }

# with_agent ARGUMENTS COMMAND: in the guest, while an agent serves there
with_agent() {
	guest "vmrt-agent $1 >/tmp/agent.log 2>&1 & agent=\$!
		for i in 1 2 3 4 5 6 7 8 9 10; do grep -q listening /tmp/agent.log && break; sleep 0.2; done
		$2; status=\$?; kill \$agent; wait \$agent; cat /tmp/agent.log >&2; exit \$status"
}

@test "over vsock a session brings events and pings" {
	run -0 with_agent --vsock 'link-client vsock:1'
	echo "$output"
	[[ $output =~ ([0-9]+)\ events,\ ([0-9]+)\ pings ]]
	[ "${BASH_REMATCH[1]}" -gt 10 ] && [ "${BASH_REMATCH[2]}" -gt 3 ]
}

@test "over vsock on a port of one's choice, too" {
	run -0 with_agent --vsock=999999 'link-client vsock:1:999999'
	[[ $output = *' events, '* ]]
}

@test "over vsock a local user other than root is refused" {
	run -1 with_agent --vsock 'cp /bin/link-client /tmp/c; chmod 755 /tmp/c /tmp; echo "nobody:x:65534:65534::/:/bin/sh" >/etc/passwd; su nobody -c "/tmp/c vsock:1"'
	echo "$output"
	[[ $output = *'local user other than root'* ]]
}

@test "over TCP a session brings events and pings" {
	run -0 with_agent '--tcp 4677 --secret-file /tmp/secret' 'link-client tcp:127.0.0.1:4677 /tmp/secret'
	echo "$output"
	[[ $output =~ ([0-9]+)\ events,\ ([0-9]+)\ pings ]]
	[ "${BASH_REMATCH[1]}" -gt 10 ] && [ "${BASH_REMATCH[2]}" -gt 3 ]
}

@test "over TCP another secret is refused" {
	run -1 with_agent '--tcp 4677 --secret-file /tmp/secret' 'link-client tcp:127.0.0.1:4677 /tmp/other'
	echo "$output"
	[[ $output = *'does not know the same secret'* ]]
}

# bats test_tags=long
@test "a deadline missed in the guest makes a flight recorder save the last second of host and guest" {
	[ "$(id -u)" = 0 ] && [ -d /sys/kernel/tracing/instances ] || skip "needs root and tracefs"
	local e=$BATS_TEST_TMPDIR/e.ini run=$BATS_TEST_TMPDIR/f.vmrt log=$BATS_TEST_TMPDIR/log
	printf '[task %s/rt]\nperiod = 20ms\nwcet = 2ms\npriority = 60\n' "$VM" >"$e"
	scripts/vm put "$VM" --state "$STATE" "$e" /tmp/e.ini
	guest "vmrt-load --calibrate -c /tmp/cal -m $VM /tmp/e.ini >/dev/null 2>&1
		vmrt-load -c /tmp/cal -m $VM -d 60s /tmp/e.ini >/dev/null 2>&1 &"
	timeout 60 "$O/bin/vmrt-trace" record -o "$run" -e "$e" --flight 1s --flight-on miss -d 40s >"$log" 2>&1 3>&- &
	local recorder=$! status=0
	for _ in $(seq 200); do
		[ "$(cat /sys/kernel/tracing/instances/vmrt-$recorder-*-record/tracing_on 2>/dev/null)" = 1 ] && break
		sleep 0.05
	done
	sleep 2
	# nothing of the VM runs for a quarter of a second
	taskset -c 0 chrt -f 80 perl -MTime::HiRes=time -e '$t = time + 0.25; 1 while time < $t'
	wait "$recorder" || status=$?
	guest 'killall vmrt-load'
	cat "$log"
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	grep -q 'saved because task rt missed the deadline' "$run/manifest.json"
	sql() { sqlite3 -batch -noheader "$run/run.db" "$1"; }
	# the guest's jobs are there, those before that were in time, and the miss in its time
	[ "$(sql "SELECT count(*) > 20 FROM jobs WHERE machine = '$VM' AND outcome = 'met'")" = 1 ]
	[ "$(sql "SELECT count(*) > 0 FROM jobs WHERE machine = '$VM' AND outcome = 'missed'")" = 1 ]
	# the second before the deadline is kept, and not much before it
	read -r first last < <(sql "SELECT min(deadline_ns), max(end_ns) FROM jobs WHERE outcome = 'missed'" | tr '|' ' ')
	read -r start end < <(jq -r '"\(.start_ns) \(.end_ns)"' "$run/manifest.json")
	echo "from $(((first - start) / 1000000)) ms before the first miss to $(((end - first) / 1000000)) ms after it"
	[ $((first - start)) -gt 950000000 ] && [ $((first - start)) -lt 5000000000 ]
	[ "$last" -lt "$end" ]
	# the clock's map goes with what was kept
	[ "$(sql "SELECT max(error_ns) < 1000000 FROM clock")" = 1 ]
	[ "$(sql "SELECT events > 100 FROM machine WHERE kind = 'guest'")" = 1 ]
	"$O/tests/compare-tracecmd" "$run/host.dat" "$run/guest-$VM.dat" | grep "guest $VM, "
}

@test "nothing is left in the guest's tracefs" {
	run -0 guest 'ls /sys/kernel/tracing/instances'
	[ -z "$output" ]
}

#!/usr/bin/env bats
# A vmrt-hsf that runs is asked and changed; servers and VMs come and go; whatever ends it, the VM is as it was.
# Needs root and perf events.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154

load ../lib/hsf.bash

# of KEY [SERVER]: a value of `vmrt-hsf status` in JSON, read by another program
of() {
	"$O/bin/vmrt-hsf" status --format json --socket "$socket" |
		perl -MJSON::PP -0777 -ne 'BEGIN { @k = splice @ARGV, 0 } my $d = decode_json($_);
			for (@{$d->{instances}[0]{servers}}) { print $_->{$k[0]} // "null" if $_->{server} eq $k[1] }' \
			"$1" "${2:-s}"
}

# is KEY VALUE [SERVER]
is() { [ "$(of "$1" "${3:-s}")" = "$2" ]; }

hsf() { "$O/bin/vmrt-hsf" "$1" --socket "$socket" "${@:2}"; }

start() {
	need_root
	socket=$BATS_TEST_TMPDIR/sock
	start_hsf --socket "$socket" "$@"
}

# says TEXT COMMAND...: it fails, and says so
says() {
	run "${@:2}"
	echo "$output"
	[ "$status" -ne 0 ] && [[ $output = *"$1"* ]]
}

# raw: what is on stdin goes to the socket as it is; prints what comes back
raw() {
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => shift) or exit 1; local $/;
		$SIG{PIPE} = "IGNORE"; print $s <STDIN>; $s->flush; shutdown $s, 1; $SIG{ALRM} = sub { exit 2 };
		alarm 10; print <$s>' "$socket"
}

thread() { grep -l "^CPU $1/" "/proc/$vm/task/"*/comm | cut -d/ -f5; }

@test "parameters change without a restart, and the main loop stays above the vCPU threads" {
	start_vm CPU=0
	start
	[[ $(hsf status) = *"enforced"* ]]
	[ "$(of budget_ns)" = 4000000 ]
	hsf set s budget=6ms priority=60
	wait_for is state enforced
	[ "$(of budget_ns)" = 6000000 ]
	[ "$(of period_ns)" = 12000000 ]
	[[ $(chrt -p "$vm") = *"priority: 61" ]]
	hsf set s period=24ms priority=40
	wait_for is state enforced
	[ "$(of budget_ns)" = 6000000 ]
	hsf set s budget=20ms
	wait_for sh -c "chrt -p $(thread 0) | grep -q 'priority: 40'"
}

@test "a change that cannot be is refused with the reason, and changes nothing" {
	start_vm CPU=0
	start
	run hsf set s budget=12ms
	[ "$status" -eq 2 ]
	[[ $output = *"servers on CPU 0 want 1.000 of it: s (12 ms in 12 ms, priority 50)"* ]]
	says "budget 13 ms of server s is more than its period 12 ms" hsf set s budget=13ms
	says "priority 97 of server s is too high" hsf set s priority=97
	says "unknown key 'colour'" hsf set s colour=red
	says "stay as they are: detach it, and attach it anew" hsf set s vm=other
	says "no vmrt-hsf has a server nobody" hsf set nobody budget=1ms
	[ "$(of budget_ns)" = 4000000 ]
	hsf set s budget=11900us --force
	[ "$(of budget_ns)" = 11900000 ]
}

@test "a server waits for its VM, and goes on when it returns" {
	need_root
	start
	is state waiting
	[[ $(hsf status 2>&1) = *"server s: there is no VM $name"* ]]
	start_vm CPU=0
	before=$(settings)
	wait_for is state enforced
	changed_settings
	kill -KILL "$vm"
	wait "$vm" || true
	wait_for is state waiting
	kill -0 "$hsf"
	start_vm CPU=0
	wait_for is state enforced
	[ "$(of pid)" = "$vm" ]
	kill "$hsf"
	wait "$hsf"
	hsf=''
	[ "$(settings | grep -c 'SCHED_OTHER$')" = 2 ]
	grep -c "VM $name of server s has ended" "$BATS_TEST_TMPDIR/hsf.err" | grep -qx 1
}

@test "servers are attached and detached while it runs; threads get back what they had" {
	start_vm CPU=0
	first=$vm one=$name
	name=$name-2
	start_vm CPU=0
	second=$vm name=$one
	vm=$second before=$(settings)
	start
	hsf attach t "vm=$one-2" period=24ms budget=3ms priority=40
	wait_for is state enforced t
	changed_settings
	says "there is a server t already" hsf attach t period=24ms budget=3ms priority=40
	says "needs a priority" hsf attach u period=24ms budget=3ms
	says "already belongs to server s" hsf attach u "vm=$one" period=24ms budget=3ms priority=40
	run hsf attach u vm=pid:$$ period=24ms budget=23ms priority=30
	[ "$status" -eq 2 ]
	[[ $output = *"server u is not schedulable on CPU "*"with s (4 ms in 12 ms, priority 50), t (3 ms in 24 ms, priority 40), u (23 ms in 24 ms, priority 30)"* ]] ||
		[[ $output = *"servers on CPU "*"want 0.958 of it"* ]]
	hsf detach t
	same_settings
	[ "$(of state t)" = "" ]
	hsf detach s
	vm=$first
	[[ $(chrt -p "$vm") != *FIFO* ]]
	# and another vmrt-hsf may have it now
	"$O/bin/vmrt-hsf" run "$ini" --duration 100ms -q --socket none
	vm="$first $second"
}

@test "recordings that begin later have the markers, and their ends leave nothing" {
	[ -d /sys/kernel/tracing/instances ] || skip "tracefs has no instances here"
	start_vm CPU=0
	need_root
	start_hsf
	for run in a b; do
		run=$BATS_TEST_TMPDIR/$run.vmrt
		"$O/bin/vmrt-trace" record -q --allow-loss -e "$ini" -o "$run" --duration 1s 3>&- &
		recorder=$!
		wait $recorder
		[ "$(sqlite3 "$run/run.db" "SELECT enforced, period_ns, budget_ns, priority FROM server")" = "1|12000000|4000000|50" ]
		[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 60 FROM server_period WHERE outcome IN ('depleted', 'served')")" = 1 ]
		[ -z "$(find /sys/kernel/tracing/instances -maxdepth 1 -name "vmrt-$recorder-*")" ]
	done
}

@test "only root and the named group may ask" {
	start_vm CPU=0
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_RUN_TMPDIR" 2>/dev/null || true
	cp "$O/bin/vmrt-hsf" "$BATS_TEST_TMPDIR/"
	start --group games
	[ "$(stat -c '%U %G %a' "$socket")" = "root games 660" ]
	as_nobody() { setpriv --reuid nobody "$@" "$BATS_TEST_TMPDIR/vmrt-hsf" status --socket "$socket"; }
	says "no permission for $socket" as_nobody --regid nogroup --clear-groups
	run as_nobody --regid games --clear-groups
	[ "$status" -eq 0 ]
	run as_nobody --regid nogroup --groups games
	[ "$status" -eq 0 ]
	# the credentials are looked at, whatever has become of the socket's mode
	chmod 666 "$socket"
	says "only root and the group it was given may ask" as_nobody --regid nogroup --clear-groups
	kill "$hsf"
	wait "$hsf"
	[ ! -e "$socket" ]
	start
	[ "$(stat -c '%U %a' "$socket")" = "root 600" ]
	kill "$hsf"
	wait "$hsf"
	hsf=''
	says "there is no group nobody-has-this" "$O/bin/vmrt-hsf" run "$ini" --group nobody-has-this
}

@test "hostile clients are answered or dropped, and the budget is kept" {
	start_vm CPU=0
	start
	[[ $(echo garbage | raw) = *'"ok":false'*"not one JSON object"* ]]
	[[ $(head -c 100000 /dev/zero | tr '\0' a | raw) = *"longer than 4095 bytes"* ]]
	[[ $(printf '{"op":"set","server":"s","settings":{"budget":"5ms\\n[server x]"}}\n' | raw) = *'"ok":false'* ]]
	head -c 3000 /dev/urandom | raw >/dev/null || true
	[ "$(printf '{"op":"status"}\n{"op":"status"}\n' | raw | grep -c '"ok":true')" = 2 ]
	# more at a time than one read takes
	[ "$(perl -e 'print "{\"op\":\"status\",\"server\":\"s\"}\n" x 1000' | raw | grep -c '"ok":true')" = 1000 ]
	# a hundred that never say anything, and one that never reads, do not keep others out
	perl -MIO::Socket::UNIX -e 'my $p = shift; my @s = map { IO::Socket::UNIX->new(Peer => $p) } 1..100;
		my $s = IO::Socket::UNIX->new(Peer => $p); $s->blocking(0); $SIG{PIPE} = "IGNORE";
		for (1..3000) { syswrite $s, "{\"op\":\"status\"}\n" } open my $f, ">", "$p.up"; sleep 20' "$socket" 3>&- &
	hog=$!
	wait_for test -e "$socket.up"
	for _ in 1 2 3 4 5; do is budget_ns 4000000; done
	kill -0 "$hsf"
	[ "$(ls "/proc/$hsf/fd" | wc -l)" -lt 80 ]
	periods=$(of replenishments)
	sleep 0.3
	[ "$(of skipped)" -le 3 ]
	[ "$(of replenishments)" -gt "$periods" ]
}

@test "a left-over socket is replaced; a live one, and what is none, is not" {
	start_vm CPU=0
	start
	first=$hsf
	name=$name-2
	server 12ms 2ms
	says "somebody listens on $socket" "$O/bin/vmrt-hsf" run "$ini" --socket "$socket" --duration 1s
	# two instances, each with its own
	start_hsf --socket "$socket-2"
	kill "$hsf"
	wait "$hsf"
	hsf=''
	kill -KILL "$first"
	wait "$first" || true
	[ -S "$socket" ]
	says "no vmrt-hsf listens on $socket" hsf status
	start_hsf --socket "$socket"
	is state waiting
	echo hello >"$socket-3"
	says "is there and no socket" "$O/bin/vmrt-hsf" run "$ini" --socket "$socket-3" --duration 1s
	[ "$(cat "$socket-3")" = hello ]
}

@test "of killed instances nothing is left in the usual folder after a reset" {
	need_root
	start_hsf
	killed=$hsf
	[ -S "/run/vmrt-hsf/$killed.sock" ]
	kill -KILL "$killed"
	wait "$killed" || true
	hsf=''
	wait_for test ! -e "/run/vmrt-hsf/$killed.threads"
	"$O/bin/vmrt-hsf" reset
	[ ! -e "/run/vmrt-hsf/$killed.sock" ]
}

@test "^C and SIGTERM end it also where a script has it ignore them" {
	start_vm CPU=0
	before=$(settings)
	need_root
	for signal in INT TERM; do
		: >"$BATS_TEST_TMPDIR/ready"
		env --ignore-signal=INT --ignore-signal=TERM "$O/bin/vmrt-hsf" run "$ini" --notify-fd 9 -q \
			9>"$BATS_TEST_TMPDIR/ready" 3>&- &
		hsf=$!
		wait_for grep -q 1 "$BATS_TEST_TMPDIR/ready"
		kill "-$signal" "$hsf"
		wait "$hsf"
		hsf=''
		same_settings
	done
}

@test "the out-of-memory killer takes vmrt-hsf, not its guardian" {
	need_root
	group=/sys/fs/cgroup/memory/vmrt-test-$$
	mkdir "$group" 2>/dev/null || skip "no memory controller of cgroup version 1"
	start_vm CPU=0
	before=$(settings)
	start
	changed_settings
	# vmrt-hsf is the first to go when its group is full
	echo 64M >"$group/memory.limit_in_bytes"
	echo "$hsf" >"$group/cgroup.procs"
	for pid in $(pgrep -P "$hsf"); do echo "$pid" >"$group/cgroup.procs"; done
	echo 1000 >"/proc/$hsf/oom_score_adj"
	sh -c "echo \$\$ >$group/cgroup.procs; echo -900 >/proc/self/oom_score_adj; exec timeout 20 tail /dev/zero" 3>&- || true
	status=0
	wait "$hsf" || status=$?
	hsf=''
	[ "$status" -eq 137 ]
	wait_for same_settings
	wait_for rmdir "$group"
}

@test "what depletion hard has stopped goes on, whatever is killed" {
	need_root
	printf '[server s]\nvm = thread:stoppee\nperiod = 100ms\nbudget = 1ms\npriority = 50\ndepletion = hard\n' >"$ini"
	perl -e '$0 = "stoppee"; open my $f, ">", "/proc/self/comm"; print $f "stoppee"; close $f; 1 while time < '$(($(date +%s) + 30)) 3>&- &
	hog=$!
	wait_for grep -q stoppee "/proc/$hog/comm"
	state() { sed 's/.*) //' "/proc/$hog/stat" | cut -c1; }
	stopped() { [ "$(state)" = T ]; }
	running() { [ "$(state)" = R ]; }
	for victims in "" guardian deputy; do
		start_hsf --socket none --cpu 0
		wait_for stopped
		guardian=$(pgrep -P "$hsf" vmrt-guardian) deputy=$(pgrep -P "$hsf" vmrt-deputy)
		case $victims in
		guardian) kill -STOP "$guardian"; kill -KILL "$hsf" "$guardian" ;;
		deputy) kill -KILL "$deputy" ;;
		*) kill -KILL "$hsf" ;;
		esac
		wait "$hsf" || true
		hsf=''
		wait_for running
		sleep 0.15
		running
	done
}

@test "usage errors of the commands exit with 64" {
	for args in "set" "set s" "set s budget" "set s =1ms" "attach" "detach" "detach a b" "status a b" "status -f xml" \
		"set s budget=1ms;x" "reset now"; do
		# shellcheck disable=SC2086
		run "$O/bin/vmrt-hsf" $args
		echo "$args: $status $output"
		[ "$status" -eq 64 ]
	done
	says "no vmrt-hsf listens on /nonexistent" "$O/bin/vmrt-hsf" status --socket /nonexistent
}

# answer BYTES: a socket that gives whoever connects these bytes, one every half second, and goes on silently
answer() {
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die; open $f, ">", "$ARGV[0].up"; alarm 60;
		$c = $s->accept; $c->autoflush(1); <$c>; for (split //, $ARGV[1]) { print $c $_; select undef, undef, undef, $ARGV[2] } sleep 60' \
		"$socket" "$1" "$2" 3>&- &
	hog=$!
	wait_for test -e "$socket.up"
}

@test "what a stranger's socket answers crashes no client" {
	local reply
	for reply in '{"ok":true,"servers":5}' '{"ok":true,"servers":{"a":1},"cpus":[1,null,[]]}' '{"ok":true,"servers":[null,5,"x",{"why":7,"server":[]}]}' '[]' 'null' \
		'{"ok":true,"servers":[{"server":"s","why":"\u001b[2J"}]}'; do
		socket=$BATS_TEST_TMPDIR/bad-$RANDOM
		answer "$reply"$'\n' 0
		run "$O/bin/vmrt-hsf" status --socket "$socket"
		echo "$reply: $status $output"
		[ "$status" -le 1 ]
		[[ $output != *$'\e'* ]]
		kill "$hog" && wait "$hog" || true
	done
	hog=''
}

@test "a socket that answers one byte after the other is not waited for without end, and ^C is answered" {
	socket=$BATS_TEST_TMPDIR/slow
	answer "$(printf '%0200d' 0)" 0.5
	# the answer alone would take 100 s
	run timeout 30 "$O/bin/vmrt-hsf" status --socket "$socket"
	[ "$status" -eq 1 ]
	[[ $output = *"no answer from $socket in 5 s"* ]]
	kill "$hog" && wait "$hog" || true
	socket=$BATS_TEST_TMPDIR/silent
	answer "" 0
	"$O/bin/vmrt-hsf" status --socket "$socket" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
	hsf=$!
	wait_for sh -c "ls -l /proc/$hsf/fd | grep -q socket:"
	sleep 0.2
	kill -TERM "$hsf"
	wait "$hsf" || true
	hsf=''
	grep -q interrupted "$BATS_TEST_TMPDIR/said"
}

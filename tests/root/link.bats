#!/usr/bin/env bats
# The link to an agent by TCP, and what may go wrong with agents. Needs root and tracefs.
# shellcheck disable=SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	secret=$BATS_TEST_TMPDIR/secret
	agents=()
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -d /sys/kernel/tracing/instances ] || skip "tracefs is not mounted here"
	(umask 077 && echo "a secret for this test" >"$secret")
	port=$((20000 + ($$ * 37 + BATS_TEST_NUMBER * 101) % 20000))
}

teardown() {
	local pid
	for pid in "${agents[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null && wait "$pid"
	done
	return 0
}

# start_agent ARGUMENT...: and waits until it listens
start_agent() {
	local log=$BATS_TEST_TMPDIR/agent.log
	"$O/bin/vmrt-agent" "$@" >"$log" 2>&1 3>&- &
	agent=$!
	agents+=("$agent")
	for _ in $(seq 100); do
		! grep -q 'listening at' "$log" || return 0
		kill -0 "$agent" || break
		sleep 0.05
	done
	cat "$log"
	return 1
}

@test "a guest is recorded over TCP by a recorder that shares its secret" {
	start_agent --tcp "$port" --secret-file "$secret"
	run -0 "$trace" record --allow-loss -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 500ms
	echo "$output"
	[[ $output = *'1 guest,'* ]]
	[ "$(sqlite3 "$run/run.db" "select count(*) from machine")" = 2 ]
	# no delay from buffering on the way: a round trip takes no 40 ms
	"$trace" info "$run" | grep -E 'clock pings .* median [0-9.]+ (us|µs|ms)'
	median=$(sqlite3 :memory: "with p(v) as (select value from json_each(readfile('$run/manifest.json'), '\$.vms[0].pings'))
		select (json_extract(v, '\$[3]') - json_extract(v, '\$[0]')) from p order by 1 limit 1 offset (select count(*) / 2 from p)")
	[ "$median" -lt 20000000 ]
}

@test "the agent listens on loopback only, unless an address is given" {
	start_agent --tcp "$port" --secret-file "$secret"
	local hex
	hex=$(printf '%04X' "$port")
	[ "$(awk -v p=":$hex" 'index($2, p) && $4 == "0A" { print $2 }' /proc/net/tcp)" = "0100007F:$hex" ]
}

@test "another secret is refused, and the agent stays for the next one" {
	start_agent --tcp "$port" --secret-file "$secret"
	(umask 077 && echo "another secret altogether" >"$secret.2")
	run -0 "$trace" record --allow-loss -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret.2" -d 200ms
	echo "$output"
	[[ $output = *'does not know the same secret'* ]]
	[[ $output = *'0 guests'* ]]
	grep -q 'refused: the recorder does not know' "$BATS_TEST_TMPDIR/agent.log"
	run -0 "$trace" record --allow-loss --force -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 200ms
	[[ $output = *'1 guest,'* ]]
}

@test "one who does not know the secret gets nothing but a challenge" {
	start_agent --tcp "$port" --secret-file "$secret"
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	# a HELLO right away, as over a virtio-serial port
	printf '\xf5\x56\x4d\xb7\x01\0\0\0\x0c\0\0\0\x01\0\0\0AAAAAAAA' >&4
	got=$(timeout 2 od -An -tx1 <&4 | tr -d ' \n')
	exec 4>&-
	# CHALLENGE, then ERROR or the end
	[[ $got = f5564db710000000* ]]
	[[ $got != *f5564db701000000* ]]
}

@test "strangers who connect and say nothing, or half of something, delay nobody" {
	local begun i
	start_agent --tcp "$port" --secret-file "$secret"
	for ((i = 0; i < 40; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		((i % 2)) || printf '\xf5\x56\x4d\xb7\x01' >&"$fd"
	done
	begun=$(date +%s%N)
	run -0 "$trace" record --allow-loss -q -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 200ms --no-analyze
	echo "$output" $((($(date +%s%N) - begun) / 1000000)) ms
	[ -s "$run/guest-g.dat" ]
	# without strangers it takes less than 1 s; one stranger cost 5 s when they were asked one by one
	[ $((($(date +%s%N) - begun) / 1000000)) -lt 4000 ]
	grep -q 'refused: others came behind it' "$BATS_TEST_TMPDIR/agent.log"
}

@test "the secret is never sent" {
	command -v strace >/dev/null || skip "needs strace"
	start_agent --tcp "$port" --secret-file "$secret"
	strace -f -e trace=write,sendto,writev -s 2000 -o "$BATS_TEST_TMPDIR/strace" \
		"$trace" record --allow-loss -q -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 200ms
	[ -s "$BATS_TEST_TMPDIR/strace" ]
	run ! grep -q 'a secret for' "$BATS_TEST_TMPDIR/strace"
}

@test "TCP without a secret, or with one that others can read, is refused" {
	run -64 "$trace" record -o "$run" --link g=tcp:127.0.0.1:$port -d 1s
	[[ $output = *--secret-file* ]]
	run -64 "$O/bin/vmrt-agent" --tcp "$port"
	[[ $output = *'need each other'* ]]
	chmod 644 "$secret"
	run -1 "$trace" record -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 1s
	[[ $output = *'chmod 600'* ]]
	[ ! -e "$run" ]
	run -1 "$O/bin/vmrt-agent" --tcp "$port" --secret-file "$secret"
	[[ $output = *'chmod 600'* ]]
}

@test "a way that cannot be understood is refused with what it should be" {
	run -64 "$trace" record -o "$run" --link g=tcp:host -d 1s
	[[ $output = *HOST:PORT* ]]
	run -64 "$trace" record -o "$run" --link g=vsock:x -d 1s
	[[ $output = *number* ]]
	run -64 "$O/bin/vmrt-agent" --tcp "$port" --listen /tmp/x --secret-file "$secret"
	[[ $output = *'only one of'* ]]
}

@test "an agent that cannot be reached is a note" {
	run -0 "$trace" record --allow-loss -o "$run" --link g=tcp:127.0.0.1:$port --secret-file "$secret" -d 200ms
	echo "$output"
	[[ $output = *'cannot reach the agent in g through tcp:127.0.0.1'* ]]
	"$trace" info "$run" | grep -q 'note: cannot reach'
}

# fake_agent CODE: something in place of an agent behind a UNIX socket; CODE is perl, $c the connection,
# msg(TYPE, PAYLOAD) makes a message, hear() takes the recorder's HELLO and returns its nonce
fake_agent() {
	socket=$BATS_TEST_TMPDIR/a.sock
	perl -MIO::Socket::UNIX -e '
		$SIG{PIPE} = "IGNORE"; $SIG{ALRM} = sub { exit }; alarm 30;
		my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1); our $c = $s->accept;
		sub msg { pack("a4VV", "\xf5\x56\x4d\xb7", $_[0], length $_[1]) . $_[1] }
		sub hear { my $b = ""; while (sysread $c, $b, 4096, length $b) {
			my $i = index $b, "\xf5\x56\x4d\xb7\x01\0\0\0"; return substr $b, $i + 16, 8 if $i >= 0 && length $b >= $i + 24 } exit }
		sub hello { msg(1, pack("V", $_[0]) . hear() . "host\0kernel\0") }
		eval $ARGV[1]; die $@ if $@' "$socket" "$1" 3>&- &
	agents+=($!)
	for _ in $(seq 100); do [ -S "$socket" ] && return; sleep 0.05; done
	return 1
}

# records_without_guest WHAT: the host is recorded and analysed; the note says WHAT
records_without_guest() {
	run -0 "$trace" record --allow-loss -o "$run" --link g="$socket" -d 500ms
	echo "$output"
	[[ $output = *"$1"* ]]
	"$trace" info "$run" | grep "note: .*$1"
	[ "$(sqlite3 "$run/run.db" "SELECT events > 0 FROM machine WHERE kind = 'host'")" = 1 ]
}

@test "an agent of a newer version: update the host" {
	fake_agent 'print $c hello(3); $c->flush; sleep 5'
	records_without_guest 'speaks version 3 of the link, this program version 2: update vmrt on the host'
}

@test "an agent of an older version: update the guest" {
	fake_agent 'print $c hello(0); $c->flush; sleep 5'
	records_without_guest 'speaks version 0 of the link, this program version 2: update vmrt-agent in the guest'
}

@test "a guest that floods with events nobody asked for is given up" {
	fake_agent 'print $c hello(2); while (print $c msg(11, "\0" x 65540)) {}'
	records_without_guest 'sent events at the wrong time'
}

@test "a guest that floods with descriptions is given up at a few MiB" {
	fake_agent 'print $c hello(2); while (print $c msg(3, pack("V", 5) . "1 x\n" x 10000 . "\0")) {}'
	records_without_guest 'describes its events at too great length'
}

@test "a link that is cut right after the greeting is a note" {
	fake_agent 'print $c hello(2); $c->flush; close $c; sleep 5'
	records_without_guest 'was cut'
}

@test "a link that is cut in the middle of a message is a note" {
	fake_agent 'print $c hello(2) . substr(msg(3, "x" x 1000), 0, 500); $c->flush; close $c; sleep 5'
	records_without_guest 'was cut'
}

@test "a guest that answers with a message of an impossible length is given up" {
	fake_agent 'print $c hello(2) . pack("a4VV", "\xf5\x56\x4d\xb7", 3, 0x7fffffff); $c->flush; sleep 5'
	records_without_guest 'sent garbage'
}

# relayed CODE: a real agent whose messages pass through something that runs CODE, perl, from the 8th DATA on:
# $c is the connection to the recorder, $m the message, which CODE may change, and $n its number
relayed() {
	socket=$BATS_TEST_TMPDIR/r.sock
	start_agent --listen "$BATS_TEST_TMPDIR/a.sock"
	perl -MIO::Socket::UNIX -MIO::Select -MTime::HiRes -e '
		$SIG{PIPE} = "IGNORE"; $SIG{ALRM} = sub { exit }; alarm 60;
		my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1); our $c = $s->accept;
		my $a = IO::Socket::UNIX->new(Peer => $ARGV[1]); our ($n, $m) = (0); my $b = "";
		my $both = IO::Select->new($c, $a);
		while (1) { for my $from ($both->can_read) {
			sysread($from, my $got, 1 << 20) or exit;
			if ($from == $c) { syswrite $a, $got; next }
			$b .= $got;
			while (length $b >= 12 and length $b >= 12 + unpack("V", substr $b, 8, 4)) {
				$m = substr $b, 0, 12 + unpack("V", substr $b, 8, 4), "";
				my $type = unpack "V", substr $m, 4, 4;
				if ($type == 11 and ++$n >= 8) { eval $ARGV[2]; die $@ if $@ }
				print $c $m; $c->flush;
			}
		} }' "$socket" "$BATS_TEST_TMPDIR/a.sock" "$1" 3>&- &
	agents+=($!)
	for _ in $(seq 100); do [ -S "$socket" ] && return; sleep 0.05; done
	return 1
}

# records_a_part WHAT OPTION...: what the guest sent before is there and analysed; the note says WHAT
records_a_part() {
	local what=$1
	shift
	run timeout 60 "$trace" record --allow-loss -o "$run" --stream --link g="$socket" -d 1500ms "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	"$trace" info "$run" | grep "note: .*$what"
	[ "$(sqlite3 "$run/run.db" "SELECT events > 0 FROM machine WHERE kind = 'host'")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "SELECT events > 0 FROM machine WHERE kind = 'guest'")" = 1 ]
	# what is missing is known to be missing: all CPUs, from their last event to the end
	[ "$(sqlite3 "$run/run.db" "SELECT count(DISTINCT cpu) FROM losses WHERE machine = 'g' AND kind = 'clipped'
		AND abs(to_ns - $(jq .end_ns "$run/manifest.json")) < 1000000")" -eq "$(nproc --all)" ]
}

@test "a link that is cut while events come leaves those that came" {
	printf '[task g/periodic]\nperiod = 10ms\nwcet = 5ms\n' >"$BATS_TEST_TMPDIR/e.ini"
	# by time: how soon so many pages are full depends on what else runs here
	relayed 'our $since //= Time::HiRes::time(); exit if Time::HiRes::time() > $since + 0.5'
	records_a_part 'was cut' -e "$BATS_TEST_TMPDIR/e.ini" -- "$O/tests/periodic" nanosleep periodic 10000 500 120 0
	# jobs that nobody saw end are no misses
	sqlite3 "$run/run.db" "SELECT outcome, count(*) FROM jobs GROUP BY 1"
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 0 FROM jobs WHERE outcome = 'met'")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'")" -le 3 ]
	# and none is made up behind the last event of the guest
	[[ $(sqlite3 "$run/run.db" "SELECT outcome FROM jobs ORDER BY k DESC LIMIT 1") =~ ^(met|unknown|truncated)$ ]]
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) FROM jobs WHERE release_ns > (SELECT last_ns FROM machine WHERE name = 'g')")" = 0 ]
}

@test "a guest that sends garbage in between leaves what it sent before" {
	relayed 'print $c "\xff" x 5000; $m = ""'
	records_a_part 'sent garbage'
}

@test "a guest that floods with events ends at the limit and leaves what it sent before" {
	relayed 'while (print $c $m) {} exit'
	records_a_part 'more events than are allowed' --max-size 4M
	[ "$(stat -c %s "$run/guest-g.dat")" -lt 6000000 ]
}

@test "a guest whose events make no sense from some point on leaves those before" {
	# pages of a sane length with nonsense in them
	relayed 'for (my $at = 16; $at + 4096 <= length $m; $at += 4096) { substr($m, $at + 16, 200) = "\xa5\x5a" x 100 }'
	run timeout 60 "$trace" record --allow-loss -o "$run" --stream --link g="$socket" -d 1500ms
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(sqlite3 "$run/run.db" "SELECT events > 0 FROM machine WHERE kind = 'guest'")" = 1 ]
	[ "$(sqlite3 "$run/run.db" "SELECT count(*) > 0 FROM losses WHERE machine = 'g'")" = 1 ]
}

#!/usr/bin/env bats
# The link to an agent through ssh: an sshd of the test's own on the loopback address plays the guest.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	in_checkout
	trace=$O/bin/vmrt-trace
	run=$BATS_TEST_TMPDIR/t.vmrt
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -d /sys/kernel/tracing/instances ] || skip "tracefs is not mounted here"
	[ -x /usr/sbin/sshd ] || skip "openssh-server is not installed"
	port=$((20000 + ($$ * 37 + BATS_TEST_NUMBER * 101) % 20000))
	d=$BATS_TEST_TMPDIR
	ssh-keygen -q -t ed25519 -N '' -f "$d/key"
	ssh-keygen -q -t ed25519 -N '' -f "$d/hostkey"
	mkdir -p /run/sshd "$d/bin"
	printf '%s\n' "HostKey $d/hostkey" "AuthorizedKeysFile $d/key.pub" "StrictModes no" "UsePAM no" \
		"PidFile none" "PermitRootLogin yes" "PasswordAuthentication no" >"$d/sshd_config"
	/usr/sbin/sshd -D -e -f "$d/sshd_config" -o ListenAddress=127.0.0.1 -p "$port" >"$d/sshd.log" 2>&1 3>&- &
	sshd=$!
	# the user's own ssh has the user's settings: here they are the test's
	printf '%s\n' "Host guest" " HostName 127.0.0.1" " Port $port" " User root" " IdentityFile $d/key" \
		" UserKnownHostsFile $d/known" " StrictHostKeyChecking accept-new" >"$d/ssh_config"
	printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' "$d/ssh_config" >"$d/bin/ssh"
	chmod +x "$d/bin/ssh"
	PATH=$d/bin:$PATH
	for _ in $(seq 100); do
		! grep -q 'Server listening' "$d/sshd.log" || break
		sleep 0.05
	done
}

teardown() {
	[ -z "${sshd:-}" ] || { kill "$sshd"; wait "$sshd" 2>/dev/null; }
	return 0
}

@test "a guest without an agent gets one through ssh, and keeps nothing" {
	command -v vmrt-agent && skip "an agent is installed here"
	run -0 "$trace" record --allow-loss -o "$run" --link g=ssh:guest -d 500ms
	echo "$output"
	[[ $output = *'1 guest,'* ]]
	[ "$(sqlite3 "$run/run.db" "select count(*) from machine")" = 2 ]
	[ "$(sqlite3 "$run/run.db" "select count(*) from slice join machine on machine.id = slice.machine where name = 'g'")" -gt 0 ] ||
		[ -s "$run/guest-g.dat" ]
	for _ in $(seq 50); do
		[ -n "$(ls -d /tmp/tmp.*/vmrt-agent 2>/dev/null)" ] || break
		sleep 0.1
	done
	[ -z "$(ls -d /tmp/tmp.*/vmrt-agent 2>/dev/null)" ]
	! pgrep -f 'vmrt-agent --stdio'
}

@test "tasks are looked for through ssh, too" {
	command -v vmrt-agent && skip "an agent is installed here"
	run -0 "$trace" tasks --link g=ssh:guest -d 500ms
	echo "$output"
	[[ $output = *'host and 1 guest'* ]]
	! grep -q '^host ' <<<"$output"
}

@test "an agent that is installed in the guest is used" {
	mkdir "$d/path"
	printf '#!/bin/sh\ntouch %s\nexec %s "$@"\n' "$d/used" "$PWD/$O/static/vmrt-agent" >"$d/path/vmrt-agent"
	chmod +x "$d/path/vmrt-agent"
	printf '%s\n' "SetEnv PATH=$d/path:/usr/bin:/bin" >>"$d/sshd_config"
	kill "$sshd"
	wait "$sshd" || true
	/usr/sbin/sshd -D -e -f "$d/sshd_config" -o ListenAddress=127.0.0.1 -p "$port" >"$d/sshd.log" 2>&1 3>&- &
	sshd=$!
	for _ in $(seq 100); do
		! grep -q 'Server listening' "$d/sshd.log" || break
		sleep 0.05
	done
	run -0 "$trace" record --allow-loss -o "$run" --link g=ssh:guest -d 500ms
	[[ $output = *'1 guest,'* ]]
	[ -e "$d/used" ]
}

@test "vmrt-top sees a guest through ssh, too" {
	run -0 timeout 60 "$O/bin/vmrt-top" --json -d 500ms -n 14 --link g=ssh:guest
	tail -n 1 <<<"$output"
	tail -n 1 <<<"$output" | python3 -c '
import json, sys
m = {m["machine"]: m for m in json.load(sys.stdin)["update"]["machines"]}
sys.exit(not m["g"]["events"] > 0)'
}

@test "where no agent answers, tasks of the VM are not known, and a way without an agent is named" {
	run "$trace" tasks --link vm1=/nosuch -d 300ms
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output = *"no agent recorded in the named VM: its tasks are not known"* ]]
	# the recording is not kept: nothing may point to it
	[[ $output = *"vmrt-trace:   vmrt-trace tasks guest.dat"* && $output != */tmp/vmrt-tasks-* ]]
	run "$trace" tasks --all --link vm1=/nosuch -d 300ms
	[ "$status" -eq 0 ]
}

@test "a login that is refused is said in ssh's own words, and the host is recorded" {
	: >"$d/key.pub"
	run "$trace" record --allow-loss -o "$run" --link g=ssh:guest -d 200ms
	echo "$output"
	[[ $output = *'ssh guest: '*'Permission denied'* ]]
}

@test "what is no login is a usage error" {
	for bad in ssh: ssh:-oProxyCommand=x 'ssh:a;b' 'ssh:$(x)'; do
		run "$trace" record -o "$run" --link "g=$bad" -d 200ms
		[ "$status" -eq 64 ]
	done
}

#!/usr/bin/env bats
# make install puts everything where the documents say, and make uninstall takes it away again.
load ../lib/setup.bash

setup_file() {
	find_build
	export root O dest="$BATS_FILE_TMPDIR/dest"
	make -s -C "$root" O="$O" DESTDIR="$dest" prefix=/usr install >&2
}

@test "the agent is the static program, which needs no library of the guest" {
	readelf -l "$dest/usr/bin/vmrt-agent" | grep -q INTERP && false
	"$dest/usr/bin/vmrt-agent" --version
}

@test "every program comes with its man page and its completion" {
	for t in vmrt-trace vmrt-agent vmrt-report vmrt-top vmrt-export vmrt-hsf vmrt-load; do
		[ -x "$dest/usr/bin/$t" ]
		[ -s "$dest/usr/share/man/man1/$t.1" ]
		bash -n "$dest/usr/share/bash-completion/completions/$t"
	done
	[ -s "$dest/usr/share/man/man5/vmrt-experiment.5" ]
	[ -s "$dest/usr/share/man/man7/vmrt.7" ]
}

@test "the agent's unit starts the program that was installed, when the port appears" {
	unit=$dest/usr/lib/systemd/system/vmrt-agent.service
	grep -qx 'ExecStart=/usr/bin/vmrt-agent' "$unit"
	! grep -q @ "$unit"
	grep -q 'org.vmrt.agent' "$dest/usr/lib/udev/rules.d/70-vmrt-agent.rules"
	command -v systemd-analyze >/dev/null || skip "systemd-analyze is not here"
	run systemd-analyze verify --root="$dest" vmrt-agent.service
	[[ $output != *"Unknown"* && $output != *"Failed to parse"* ]] || { echo "$output"; false; }
}

@test "make uninstall leaves nothing" {
	make -s -C "$root" O="$O" DESTDIR="$dest" prefix=/usr uninstall
	left=$(find "$dest" -type f -o -type l)
	[ -z "$left" ] || { echo "$left"; false; }
}

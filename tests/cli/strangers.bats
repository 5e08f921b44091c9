#!/usr/bin/env bats
# Run folders of strangers: links in them lead nowhere, and what is made there is made anew. No privileges needed.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	bin=$(cd "${O:-build}/bin" && pwd)
	run=$BATS_TEST_TMPDIR/s.vmrt
	cp -r tests/data/demo-hsf.vmrt "$run"
	chmod -R u+w "$run"
	precious=$BATS_TEST_TMPDIR/precious
	echo precious >"$precious"
}

intact() { [ "$(cat "$precious")" = precious ]; }

@test "analyze --guest writes through no link that lies in the run folder" {
	cp "$run/guest-demo.dat" "$BATS_TEST_TMPDIR/g.dat"
	for name in guest-demo.dat.new manifest.json.new run.db; do ln -s "$precious" "$run/$name"; done
	"$bin/vmrt-trace" analyze -q --force --guest "demo=$BATS_TEST_TMPDIR/g.dat" "$run" || true
	intact
	[ ! -L "$run/guest-demo.dat" ]
	[ ! -L "$run/manifest.json" ]
}

@test "a recording, a manifest and a database that are links are not read" {
	local name
	for name in host.dat manifest.json; do
		mv "$run/$name" "$BATS_TEST_TMPDIR/$name"
		ln -s "$BATS_TEST_TMPDIR/$name" "$run/$name"
		run "$bin/vmrt-trace" analyze "$run"
		[ "$status" -eq 1 ]
		[[ $output == *"$name is a symbolic link"* ]]
		rm "$run/$name"
		mv "$BATS_TEST_TMPDIR/$name" "$run/$name"
	done
	mv "$run/guest-demo.dat" "$BATS_TEST_TMPDIR/g.dat"
	ln -s "$BATS_TEST_TMPDIR/g.dat" "$run/guest-demo.dat"
	run "$bin/vmrt-trace" analyze --allow-loss "$run"
	[[ $output == *"guest-demo.dat is a symbolic link"*"the guest is left out"* ]]
	intact
}

@test "reset of a stranger's run changes no file that a link or a second name leads to" {
	local name
	printf 'vmrt recording in progress\ninstance vmrt-1-1-x\n' >"$run/recorder.journal"
	for name in manifest.json.new host.dat.new host.cpu0.pages; do ln -s "$precious" "$run/$name"; done
	ln "$run/host.dat" "$BATS_TEST_TMPDIR/second-name"
	cp "$run/host.dat" "$BATS_TEST_TMPDIR/before"
	"$bin/vmrt-trace" reset "$run" || true
	intact
	cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/second-name"
}

@test "an analysis that any signal but SIGKILL ends leaves no part of a database" {
	local sig i
	for sig in INT TERM HUP QUIT ABRT SEGV BUS XCPU USR1 ALRM; do
		"$bin/vmrt-trace" analyze -q "$run" 3>&- &
		for ((i = 0; i < 200; i++)); do
			ls "$run"/run.db.*.part >/dev/null 2>&1 && break
			sleep 0.001
		done
		kill -s "$sig" $! 2>/dev/null || true
		wait $! || true
		run find "$run" -name 'run.db.*'
		echo "$sig: $output"
		[ -z "$output" ]
	done
}

# shellcheck shell=bash
# What bats files do before their tests, and what several of them wait for. Loaded by bats files.
# shellcheck disable=SC2034,SC2154 # the tests use what is set here, and set `trace`, `tracing` and `run`

# in_checkout: the folder of the checkout, with the build in O
in_checkout() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	O=${O:-build}
}

# find_build: the checkout in root and the build in O, both as absolute paths
find_build() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	O=${O:-$root/build}
	[[ $O = /* ]] || O=$PWD/$O
	export root O
}

need_tracing() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -d /sys/kernel/tracing/instances ] || mount -t tracefs tracefs /sys/kernel/tracing || skip "needs tracefs"
}

# start_recorder ARGUMENT...: in the background, with ^C as in a terminal, and waits until it records
start_recorder() {
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$trace" record -o "$run" "$@" \
		>"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	recorder=$!
	for _ in $(seq 200); do
		# a new instance is on until the recorder has switched it off; the manifest comes right before it is on again
		[ -s "$run/manifest.json" ] &&
			[ "$(cat "$tracing/instances/vmrt-$recorder-"*-record/tracing_on 2>/dev/null)" = 1 ] && return
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/log"
	return 1
}

# on_screen SOCKET WORDS: the words appear in the tmux of that socket within some seconds
on_screen() {
	for _ in {1..150}; do
		tmux -L "$1" capture-pane -p >"$BATS_TEST_TMPDIR/screen"
		grep -q -- "$2" "$BATS_TEST_TMPDIR/screen" && return
		sleep 0.1
	done
	cat "$BATS_TEST_TMPDIR/screen"
	return 1
}

#!/usr/bin/env bats
# The demo where nothing can be recorded.
load ../lib/setup.bash

setup() {
	find_build
}

# A build folder of its own for the demo's runs, with the programs of the real one.
own_build() {
	mkdir -p "$1"
	ln -s "$O/bin" "$1/bin"
}

@test "the recordings kept in the repository show the whole comparison" {
	own_build "$BATS_TEST_TMPDIR/b"
	run env O="$BATS_TEST_TMPDIR/b" "$root/scripts/demo" --recorded
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output = *"recordings kept in tests/data"* ]]
	[[ $output = *"no deadline missed by 2 tasks"* ]]
	[[ $output = *rt_task1* && $output = *"fewer misses, faster, p<0.001"* ]]
	grep -q '>without HSF<' "$BATS_TEST_TMPDIR/b/demo/comparison.svg"
	[ -s "$BATS_TEST_TMPDIR/b/demo/timeline.html" ]
	[ -s "$BATS_TEST_TMPDIR/b/demo/hsf.grasp" ]
	tclsh "$root/tests/lib/grasp-lint.tcl" "$BATS_TEST_TMPDIR/b/demo/hsf.grasp"
}

@test "without root it says so and shows the recordings" {
	[ "$(id -u)" = 0 ] || skip "is not root anyway"
	work=$(mktemp -d /tmp/vmrt-demo-XXXXXX)
	# a copy where another user may read and write
	mkdir "$work/root" "$work/root/tests"
	cp -r "$root/scripts" "$root/experiments" "$work/root/"
	cp -r "$root/tests/data" "$work/root/tests/"
	mkdir -p "$work/root/build"
	cp -rL "$O/bin" "$work/root/build/bin"
	chmod -R a+rwX "$work"
	run setpriv --reuid=65534 --regid=65534 --clear-groups env O="$work/root/build" HOME="$work" "$work/root/scripts/demo"
	rm -rf "$work"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output = *"not root"* ]]
	[[ $output = *"no deadline missed by 2 tasks"* ]]
}

@test "a wrong argument is a usage error" {
	run "$root/scripts/demo" --fast
	[ "$status" -eq 64 ]
}

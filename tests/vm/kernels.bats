#!/usr/bin/env bats
# A guest with an old kernel, which reports each timer that fires as cancelled first: every job of the demo's tasks and of two
# ways to wait is compared with the programs' own logs. `make check-kernels` does it with all kernels and all ways.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

@test "on kernel 5.10 every job is found, with its release" {
	find_build
	export O
	need_tracing
	timeout 120 "$root/scripts/guest-image" --kernel 5.10 >"$BATS_TEST_TMPDIR/image" 2>&1 ||
		skip "the kernel cannot be had: $(tail -n 1 "$BATS_TEST_TMPDIR/image")"
	run -0 "$root/scripts/check-kernels" --quick 5.10
	echo "$output"
	[ "$(grep -c '| agrees |' <<<"$output")" -eq 4 ]
}

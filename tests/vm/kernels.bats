#!/usr/bin/env bats
# A guest with an old kernel, which reports each timer that fires as cancelled first: every job of the demo's tasks and of two
# ways to wait is compared with the programs' own logs. `make check-kernels` does it with all kernels and all ways.
bats_require_minimum_version 1.5.0

@test "on kernel 5.10 every job is found, with its release" {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	O=${O:-$root/build}
	[[ $O = /* ]] || O=$PWD/$O
	export O
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -d /sys/kernel/tracing/instances ] || mount -t tracefs tracefs /sys/kernel/tracing || skip "needs tracefs"
	timeout 120 "$root/scripts/guest-image" --kernel 5.10 >"$BATS_TEST_TMPDIR/image" 2>&1 ||
		skip "the kernel cannot be had: $(tail -n 1 "$BATS_TEST_TMPDIR/image")"
	run -0 "$root/scripts/check-kernels" --quick 5.10
	echo "$output"
	[ "$(grep -c '| agrees |' <<<"$output")" -eq 4 ]
}

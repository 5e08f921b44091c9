#!/usr/bin/env bats
# The tasks of a guest are found: scripts/judge-tasks, the short way. Needs QEMU.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

@test "all programs of a guest whose periods are known are found with them, and no thread of the kernel" {
	need_tracing
	run "$BATS_TEST_DIRNAME/../../scripts/judge-tasks" --quick
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output = *' 0 missed, 0 wrong, 0 threads of the kernel shown as tasks,'* ]]
}

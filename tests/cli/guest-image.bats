#!/usr/bin/env bats
# Images of guests with the kernels of other Debians. tests/vm boots what is made here.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup() {
	find_build
	export O
}

# all that belongs to the machine's own package manager
machine_apt() { find /etc/apt /var/lib/apt /var/cache/apt /var/lib/dpkg -printf '%p %s %T@\n' 2>/dev/null | sort | cksum; }

@test "the kernel of another Debian comes without the machine's own package manager" {
	before=$(machine_apt)
	timeout 120 "$root/scripts/guest-image" --kernel 5.10 >"$BATS_TEST_TMPDIR/image" 2>&1 ||
		skip "the kernel cannot be had: $(tail -n 1 "$BATS_TEST_TMPDIR/image")"
	[ "$(machine_apt)" = "$before" ]
	[ -s "$O/guest-5.10/vmlinuz" ]
	[ -s "$O/guest-5.10/initrd.img" ]
}

@test "a kernel that there is not is refused" {
	run -64 "$root/scripts/guest-image" --kernel 4.4
	[[ $output = *"there are 5.10, 6.1 and 6.12"* ]]
}

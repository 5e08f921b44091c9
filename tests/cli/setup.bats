#!/usr/bin/env bats
# scripts/setup with doubles of dpkg-query and apt-get: what it asks for, and what it does when it cannot have it.
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	mkdir "$BATS_TEST_TMPDIR/bin"
	calls=$BATS_TEST_TMPDIR/calls
	# scdoc, valgrind and chromium are missing; apt-get fails when it is asked for what REFUSED says, UPDATED: before it was updated
	cat >"$BATS_TEST_TMPDIR/bin/dpkg-query" <<-'END'
		#!/bin/bash
		case ${@: -1} in scdoc | valgrind | chromium) exit 1 ;; esac
		echo -n installed
	END
	cat >"$BATS_TEST_TMPDIR/bin/apt-get" <<-'END'
		#!/bin/bash
		echo "$*" >>"$CALLS"
		[ -z "${REFUSED:-}" ] || [[ " $* " != *" $REFUSED "* ]] || { [ -n "${UPDATED:-}" ] && grep -q ^update "$CALLS"; }
	END
	[ "$(id -u)" -eq 0 ] || printf '#!/bin/sh\nexec "$@"\n' >"$BATS_TEST_TMPDIR/bin/sudo"
	chmod +x "$BATS_TEST_TMPDIR/bin/"*
	export CALLS=$calls PATH=$BATS_TEST_TMPDIR/bin:$PATH
	install='install -y -q --no-install-recommends'
}

calls_are() { diff "$calls" <(printf '%s\n' "$@"); }

@test "all that is missing is installed by one call" {
	run -0 scripts/setup --tests
	calls_are "$install scdoc valgrind chromium"
}

@test "compiling needs less" {
	run -0 scripts/setup --compile
	calls_are "$install scdoc"
}

@test "lists that are old are brought up to date" {
	REFUSED=scdoc UPDATED=yes run -0 scripts/setup
	calls_are "$install scdoc" "update -q" "$install scdoc"
}

@test "what is optional may fail, and that is said" {
	REFUSED=chromium run -0 scripts/setup --tests
	calls_are "$install scdoc valgrind chromium" "update -q" "$install scdoc valgrind chromium" "$install scdoc valgrind"
	[[ $output = *"could not install chromium: tests that need it are skipped"* ]]
}

@test "what is needed may not fail" {
	REFUSED=valgrind run -1 scripts/setup --tests
	[[ $output = *"apt-get could not install scdoc valgrind"* ]]
}

@test "a script that misses a program says which option of setup installs it" {
	for tool in dirname basename bash cat mkdir sed; do ln -s "$(command -v "$tool")" "$BATS_TEST_TMPDIR/bin/$tool"; done
	printf '#!/bin/sh\necho 0\n' >"$BATS_TEST_TMPDIR/bin/id"
	chmod +x "$BATS_TEST_TMPDIR/bin/id"
	PATH=$BATS_TEST_TMPDIR/bin run -1 scripts/try-debian-guest --prepare --out "$BATS_TEST_TMPDIR/out"
	[[ $output = *"debootstrap is missing: run scripts/setup --debian-guest "* ]]
}

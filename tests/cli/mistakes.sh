#!/bin/bash
# SPDX-License-Identifier: MIT
# What new users get wrong: files that are none of vmrt's. One line names the file, says what it is, and what to do.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-mistakes-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-trace
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
cd "$work" || exit 1

mkdir dir
: >empty.dat
echo hello >text.dat
printf 'PERFILE2 and more' >perf.data
gzip -c text.dat >packed.dat.gz
printf '# tracer: nop\n#\n' >listing.txt
cp "$top/tests/data/demo-none.vmrt/host.dat" trace.dat

# says WORDS COMMAND...: fails with status 1 and one line on stderr that has the words
says() {
	local words=$1 status
	shift
	timeout 20 "$@" >out 2>err </dev/null
	status=$?
	cat err
	[ $status = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -qF -- "$words" err && [ ! -s out ]
}

for command in "vmrt-trace analyze" "vmrt-trace info" "vmrt-trace events" "vmrt-trace tasks" vmrt-report "vmrt-export --format svg" "vmrt-top --batch"; do
	# shellcheck disable=SC2086
	{
		ok "$command: what is not there" says "there is no run" $command missing
		ok "$command: a folder that is no run" says "dir is a folder, but no run: it holds no recording" $command dir
		ok "$command: an empty file" says "empty.dat is empty, not " $command empty.dat
		ok "$command: any other file" says "text.dat is not " $command text.dat
		ok "$command: a compressed file" says "packed.dat.gz is compressed as a whole: unpack it first" $command packed.dat.gz
		ok "$command: events as text" says "listing.txt lists events as text" $command listing.txt
		ok "$command: a recording of perf" says "perf.data is a recording of perf, which vmrt does not read" $command perf.data
	}
done
ok "vmrt-report: a recording, and what to do with it" says '`vmrt-trace analyze -o NAME.db trace.dat` makes a database of it' vmrt-report trace.dat
ok "vmrt-trace analyze: a recording, and what is missing" says "say with -o where the database is to go, as in -o NAME.db" vmrt-trace analyze trace.dat
tool=vmrt-export
ok "vmrt-export without --format says first that there is no run" exits 64 "there is no run missing" missing
tool=vmrt-agent
ok "vmrt-agent with a path says what to write" exits 64 "say --port /dev/vport0p1, to wait at a socket --listen" /dev/vport0p1
tool=vmrt-load
ok "vmrt-load without tasks says what is missing" exits 1 "it needs sections such as [task " -m vm1 empty.dat
echo "1..$n"
exit $failed

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
tool=vmrt-agent
ok "vmrt-agent: a port of vsock is a number" exits 64 "--vsock 'x': give a whole number from 1 to" --vsock=x
tool=vmrt-trace
ok "a program is no command" exits 64 "there is no command 'report': vmrt-report is a program of its own" report trace.dat
ok "an option in front of the command" exits 64 "there is no option '-v' in front of a command" -v
ok "help of a command that is not there" exits 64 "there is no command 'recrod': did you mean record?" help recrod
helps() { [ "$(vmrt-trace help record)" = "$(vmrt-trace record --help)" ] && [ "$(vmrt-trace help)" = "$(vmrt-trace --help)" ]; }
ok "help is a command, too" helps
ok "completion of another shell" exits 64 "say --completion bash" --completion zsh
ok "a time of a recording that is there already" exits 64 "--duration is the time of a new recording" tasks -d 1s trace.dat
ok "a format of an experiment file" exits 64 "--format is for the table" tasks --init --format json trace.dat
ok "a margin around nothing" exits 64 "--margin goes with --around" events --margin 2ms trace.dat
ok "a way to an agent that does not exist" exits 64 "'vsok:3' is no way to an agent" record --link vm1=vsok:3 -d 1s
ok "a name that is empty" exits 64 "--vm '': the name is empty" record --vm '' -d 1s
ok "an owner that is not there" exits 64 "--owner 'nobody-here': there is no user nobody-here" record --owner nobody-here -d 1s
ok "a time without a unit" exits 64 "--duration '5': give a time with its unit (ns, us, ms or s) such as 10s" record -d 5
ok "a number that is none" exits 64 "--cpu 'x': give a whole number from 0 to 65535, such as 0" events --cpu x trace.dat
ok "reset of a run that is not there" exits 1 "there is no run missing" reset missing
cp -r "$top/tests/data/demo-none.vmrt" whole.vmrt
mkdir empty.vmrt
ok "reset of a folder in which nothing was recorded" exits 1 "empty.vmrt: nothing was recorded that could be salvaged" reset empty.vmrt
ok "reset of a run that was ended" exits 0 "whole.vmrt: what was recorded is whole: there is nothing to salvage" reset whole.vmrt
chmod -R u+w whole.vmrt
vmrt-trace analyze -q whole.vmrt
tool=vmrt-report
ok "a column that was meant" exits 1 "there is no column 'respons_p99' in table tasks (did you mean response_p99_ns?)" --select respons_p99 --table tasks whole.vmrt
ok "a metric that was meant" exits 64 "there is no such metric: did you mean miss?" --fail-if 'mis > 1%' whole.vmrt
ok "a seed of no bootstrap" exits 64 "--seed goes with --compare" --seed 3 whole.vmrt
ok "a table of trends that was meant" exits 64 "--table 'serevrs': give worse, tasks, servers or tests (did you mean servers?)" trend --table serevrs whole.vmrt
ok "no run of that host" exits 1 "no run is of the --host, the --name and the time that are asked for" trend --host nosuch whole.vmrt
tool=vmrt-top
ok "an alarm that is none" exits 64 "did you mean miss?" --alarm 'mis > 1%' --batch whole.vmrt
ok "a VM that a recording does not have" exits 1 "whole.vmrt: there is no VM dmo; it has: demo (did you mean demo?)" --vm dmo --batch whole.vmrt
tool=vmrt-export
for pair in "csv --figure cdf" "csv --axis ticks" "perfetto --theme dark" "html --width 84mm"; do
	# shellcheck disable=SC2086
	ok "an option of figures: $pair" exits 64 "goes with a figure: --format svg, pdf or png" --format $pair whole.vmrt
done
ok "an option of CSV" exits 64 "--table goes with --format csv" --format svg --table jobs whole.vmrt
ok "an option of Grasp" exits 64 "--unit goes with --format grasp" --format svg --unit 1ms whole.vmrt
ok "a format that was meant" exits 64 "(did you mean svg?)" --format sgv whole.vmrt
ok "a table that was meant" exits 64 "--table 'job': give jobs, server_periods, losses, blames or slices (did you mean jobs?)" --format csv --table job whole.vmrt
echo "1..$n"
exit $failed

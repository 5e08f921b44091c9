#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-report --advise, and that the other programs take what it says.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-advise-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-report
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
cd "$work" || exit 1

mkdir run.vmrt
(cd "$top" && tests/lib/make-db tests/data/small-nohsf.sql "$work/run.vmrt/run.db") || exit 1
sed 's/demo/nosuchvm/' "$top/experiments/demo.ini" >nosuchvm.ini

# Nothing is wrong with the file for vmrt-hsf but that the VM does not run.
hsf_takes_it() {
	vmrt-report --advise nosuchvm.ini >advised.ini || return 1
	timeout 10 vmrt-hsf run --no-wait -e advised.ini --duration 100ms >hsf.out 2>&1
	cat hsf.out
	grep -q "server nosuchvm: there is no VM nosuchvm" hsf.out && [ "$(grep -c error: hsf.out)" = 1 ]
}

load_takes_it() { # one job of each task, in a moment
	vmrt-report --advise "$top/experiments/demo.ini" >advised.ini || return 1
	vmrt-load --no-rt --no-markers --machine demo --jobs 0 advised.ini 2>load.err
	! grep -q "advised.ini:[0-9]" load.err
}

advice_of_advice() { # a second time changes nothing but what was advised
	vmrt-report --advise "$top/experiments/demo.ini" >once.ini || return 1
	vmrt-report --advise once.ini >twice.ini || return 1
	cmp once.ini twice.ini
}

formats_agree() {
	local ini csv json
	ini=$(sed -n 's/^budget = //p' once.ini)
	csv=$(vmrt-report --advise --format csv --table advice "$top/experiments/demo.ini" | awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == "budget_ns") column = i } NR == 2 { print $column / 1e6 "ms" }')
	json=$(vmrt-report --advise --format json "$top/experiments/demo.ini" | jq -r '.experiments[0].advice[0].budget_ns / 1e6 | tostring + "ms"')
	echo "$ini $csv $json"
	[ -n "$ini" ] && [ "$ini" = "$csv" ] && [ "$ini" = "$json" ]
}

ok "vmrt-hsf takes the advice" hsf_takes_it
ok "vmrt-load takes the advice" load_takes_it
ok "advice for what was advised is the same" advice_of_advice
ok "all formats say the same budget" formats_agree
ok "exit status 2 where no budget is enough" exits 2 "its tasks need 1.145 of a CPU" --advise --margin 50 "$top/experiments/demo.ini"
ok "it is in the file, too" grep -q "NO SERVER" out
ok "exit status 1 without execution times" exits 1 "nothing is measured in it" --advise --execution measured "$top/experiments/demo.ini"
ok "exit status 1 for a run without an experiment" exits 1 "without an experiment file" --advise run.vmrt
ok "exit status 1 for what is not there" exits 1 "there is no run nothing" --advise nothing
ok "exit status 64 for two runs" exits 64 "--advise takes one" --advise run.vmrt run.vmrt
ok "exit status 64 for a condition" exits 64 "--advise takes one" --advise --fail-if 'miss > 1%' run.vmrt
ok "exit status 64 for --margin without --advise" exits 64 "go with --advise" --margin 5 run.vmrt
ok "exit status 64 for a bad margin" exits 64 "--margin is a number from 0 to 1000" --advise --margin x run.vmrt
ok "exit status 64 for a bad execution" exits 64 "declared, measured or larger" --advise --execution guessed run.vmrt
ok "exit status 64 for a bad period" exits 64 "from 500us to 100s" --advise --period 1us run.vmrt
echo "1..$n"
exit $failed

#!/bin/bash
# ^C and SIGTERM end every program that reads a long recording or its database, within 200 ms of CPU time, whenever they come.
set -u
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
[[ $O = /* ]] || O=$PWD/$O
times=${TIMES:-10} moments=${MOMENTS:-2}
work=$(mktemp -d /tmp/vmrt-interrupt-XXXXXX)
trap 'rm -rf "$work"' EXIT
run=$work/r.vmrt
cp -r tests/data/demo-hsf.vmrt "$run" && chmod -R u+w "$run"
for file in host guest-demo; do "$O/tests/repeat-recording" "tests/data/demo-hsf.vmrt/$file.dat" "$times" "$run/$file.dat"; done
jq ".end_ns = .start_ns + $times * 3000000000" tests/data/demo-hsf.vmrt/manifest.json >"$run/manifest.json"
"$O/bin/vmrt-trace" analyze -q --allow-loss "$run" || exit 1
n=0 bad=0

ends() { # ends SIGNAL WORDS COMMAND...
	local signal=$1 words=$2 said cpu
	shift 2
	n=$((n + 1))
	said=$("$O/tests/interrupt" "$moments" "$signal" "$@")
	cpu=$(sed -n 's/.* ms, \([0-9]*\)\.[0-9]* ms of CPU time.*/\1/p' <<<"$said")
	if [ "${cpu:-999}" -lt 200 ]; then echo "ok $n $words: $said"; else echo "not ok $n $words: $said"; bad=1; fi
}

ends 2 "analyze" "$O/bin/vmrt-trace" analyze -q --allow-loss "$run"
ends 15 "analyze, SIGTERM" "$O/bin/vmrt-trace" analyze -q --allow-loss "$run"
ends 2 "tasks" "$O/bin/vmrt-trace" tasks "$run"
ends 2 "events" "$O/bin/vmrt-trace" events "$run"
ends 2 "info" "$O/bin/vmrt-trace" info "$run"
ends 2 "report" "$O/bin/vmrt-report" --full --histogram "$run"
ends 2 "report as HTML" "$O/bin/vmrt-report" -f html "$run"
ends 2 "compare" "$O/bin/vmrt-report" --compare "$run" "$run"
ends 2 "advise" "$O/bin/vmrt-report" --advise "$run"
ends 2 "trend" "$O/bin/vmrt-report" trend "$run" "$run" "$run"
ends 2 "export, CSV" "$O/bin/vmrt-export" -f csv --table slices "$run"
ends 2 "export, Grasp" "$O/bin/vmrt-export" -f grasp --max-events 1000000 --to 100s "$run"
ends 2 "export, HTML" "$O/bin/vmrt-export" -f html --to 100s "$run"
ends 2 "export, Perfetto" "$O/bin/vmrt-export" -f perfetto -o "$work/p" "$run"
# also while it compares clocks and looks for the tasks, half of the time
moments=8 ends 2 "vmrt-top of a recording" "$O/bin/vmrt-top" -b --speed=0 "$run"
# a stranger's list of the threads' processes, as long as is read, in no order
{
	printf 'vmrt processes 1\nbegin\n'
	seq 2700000 | awk '{ print $1 * 7919 % 2700001, 1, "a" }'
} >"$run/host.processes"
ends 2 "analyze with 2.7 million lines of processes" "$O/bin/vmrt-trace" analyze -q --allow-loss "$run"
exit $bad

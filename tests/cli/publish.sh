#!/bin/bash
# SPDX-License-Identifier: MIT
# JUnit's XML and Prometheus' text of the small runs of tests/data, and the HTTP exporter of vmrt-top.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
O=$(cd "${O:-build}" && pwd)
work=$(mktemp -d /tmp/vmrt-publish-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-report
PATH=$bin:$PATH
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
small_runs "$work/runs"
cd "$work/runs" || exit 1

# ---- JUnit ----

xpath() { xmllint --xpath "$1" "$work/junit.xml"; }

is_valid() { # of every sort of run and condition
	for args in hsf.vmrt nohsf.vmrt "hsf.vmrt nohsf.vmrt" "--task rt_task2 hsf.vmrt" "--allow-loss hsf.vmrt" "--from 10s hsf.vmrt"; do
		# shellcheck disable=SC2086 # the words of args are arguments
		vmrt-report --format junit --fail-if 'miss > 1%' --fail-if 'response_p99 > 1s' --fail-if 'loss > 0' --fail-if 'overshoot_p99 >= 1ms' $args \
			>"$work/junit.xml" 2>"$work/err"
		[ $? -le 3 ] && xmllint --noout --schema "$top/tests/data/junit.xsd" "$work/junit.xml" || { cat "$work/junit.xml"; return 1; }
	done
}

cases_are_right() {
	vmrt-report --junit "$work/junit.xml" --fail-if 'miss(rt_task1) > 1%' --fail-if 'response_max(rt_task1) > 1s' --fail-if 'miss(rt_task2) > 1%' hsf.vmrt >"$work/out" 2>/dev/null
	[ $? = 2 ] && grep -q '^demo/rt_task1' "$work/out" || return 1
	[ "$(xpath 'count(//testcase)')" = "$(xpath 'number(//testsuite/@tests)')" ] &&
		[ "$(xpath 'count(//failure)')" = "$(xpath 'number(//testsuite/@failures)')" ] &&
		[ "$(xpath 'count(//skipped)')" = "$(xpath 'number(//testsuite/@skipped)')" ] &&
		[ "$(xpath 'string(//testcase[@name="not miss(rt_task1) > 1%"]/failure/@message)')" = "miss of demo/rt_task1 is 50.00 %" ] &&
		[ "$(xpath 'count(//testcase[@name="not response_max(rt_task1) > 1s"]/*)')" = 1 ] &&
		[ "$(xpath 'count(//testcase[@name="not miss(rt_task2) > 1%"]/skipped)')" = 1 ] &&
		xpath 'string(//testcase[@name="demo/rt_task1 meets its deadline of 20 ms"]/failure/@message)' |
		grep -q '^3 of 6 jobs missed it: 50.00 %, 95 % interval 18.76 to 81.24 %; 2 of them are excused; mostly by no budget' &&
		[ "$(xpath 'string(//testcase[contains(@name, "rt_task2 meets")]/skipped/@message)')" = "no job was seen" ] &&
		[ "$(xpath 'count(//testcase[@classname="vmrt.small-hsf.rule"]/failure)')" = 1 ] &&
		[ "$(xpath 'string(//property[@name="uuid"]/@value)')" = 5ea1cafe-0000-4000-8000-000000000002 ] &&
		[ "$(xpath 'string(//testsuite/@timestamp)')" = 2026-01-02T03:04:05 ]
}

not_enforced_is_skipped() {
	vmrt-report --format junit nohsf.vmrt >"$work/junit.xml"
	xpath 'string(//testcase[contains(@classname, ".rule")]/skipped/@message)' | grep -q "nobody enforced it"
}

names_are_escaped() {
	cp -r hsf.vmrt odd.vmrt &&
		sqlite3 odd.vmrt/run.db "UPDATE task SET name = '<a href=\"x\">&'' ' || char(27) || '[31m' || CAST(x'ff' AS TEXT) || char(65534) WHERE id = 1;
			UPDATE run SET name = ']]><!--', hostname = '\"<'; UPDATE server SET name = '&amp;'"
	vmrt-report --format junit --allow-loss odd.vmrt >"$work/junit.xml"
	xmllint --noout --schema "$top/tests/data/junit.xsd" "$work/junit.xml" && grep -q '&#60;a href=&#34;x&#34;&#62;&#38;&#39; ?' "$work/junit.xml" &&
		vmrt-report --format prometheus --allow-loss odd.vmrt >"$work/prom" && "$top/tests/lib/prometheus-lint" <"$work/prom" &&
		grep -qF 'task="<a href=\"x\">&'"' " "$work/prom"
}

# ---- Prometheus ----

text_is_right() {
	for run in hsf.vmrt nohsf.vmrt "hsf.vmrt nohsf.vmrt"; do
		# shellcheck disable=SC2086
		vmrt-report --format prometheus --allow-loss $run | "$top/tests/lib/prometheus-lint" || return 1
	done
}

value() { awk -v name="$1" '$1 == name { print $2 }' "$work/prom"; }

figures_are_those_of_the_report() {
	vmrt-report --format prometheus --allow-loss hsf.vmrt >"$work/prom"
	[ "$(value 'vmrt_task_jobs_total{run="small-hsf",machine="demo",task="rt_task1",outcome="missed"}')" = 3 ] &&
		[ "$(value 'vmrt_task_jobs_total{run="small-hsf",machine="demo",task="rt_task1",outcome="met"}')" = 3 ] &&
		[ "$(value 'vmrt_task_response_max_seconds{run="small-hsf",machine="demo",task="rt_task1"}')" = 0.025 ] &&
		[ "$(value 'vmrt_task_deadline_seconds{run="small-hsf",machine="demo",task="rt_task1"}')" = 0.02 ] &&
		[ "$(value 'vmrt_machine_lost_events_total{run="small-hsf",machine="demo"}')" = 7 ] || return 1
	# every bound of the histogram, and sum and count, against all jobs
	sqlite3 hsf.vmrt/run.db "SELECT response_ns FROM job WHERE task = 1 AND outcome IN ('met', 'missed') AND response_ns IS NOT NULL" >"$work/jobs"
	awk -v n="$(wc -l <"$work/jobs")" 'NR == FNR { v[NR] = $1; sum += $1; next }
		/^vmrt_task_response_seconds_bucket.*rt_task1/ { match($1, /le="[^"]*/); le = substr($1, RSTART + 4, RLENGTH - 4); want = 0
			for (i = 1; i <= n; i++) want += le == "+Inf" || v[i] / 1e9 <= le + 0; if (want != $2) { print; bad = 1 } bounds++ }
		/^vmrt_task_response_seconds_sum.*rt_task1/ { if (($2 - sum / 1e9) ^ 2 > 1e-18) { print; bad = 1 } }
		/^vmrt_task_response_seconds_count.*rt_task1/ { if ($2 != n) { print; bad = 1 } }
		END { exit bad || bounds != 26 }' "$work/jobs" "$work/prom"
}

file_is_replaced_whole() {
	mkdir -p textfile
	echo former >textfile/vmrt.prom
	exec 3<textfile/vmrt.prom
	vmrt-report --prometheus textfile/vmrt.prom --allow-loss hsf.vmrt >/dev/null || return 1
	# who reads the former goes on reading it
	[ "$(cat <&3)" = former ] && "$top/tests/lib/prometheus-lint" <textfile/vmrt.prom && [ "$(ls textfile)" = vmrt.prom ] &&
		[ "$(stat -c %a textfile/vmrt.prom)" = 644 ] || return 1
	exits 1 "cannot create" --prometheus nowhere/vmrt.prom hsf.vmrt
}

# ---- vmrt-top's exporter ----

# serve ARGUMENT...: vmrt-top in the background, replaying; sets pid and url
serve() {
	"$O/tests/make-run" "$work/t.vmrt" 2>/dev/null || [ -d "$work/t.vmrt" ] || return 1
	: >"$work/served"
	vmrt-top "$@" "${replayed:-$work/t.vmrt}" >"$work/lines" 2>"$work/served" &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		url=$(sed -n 's/.*metrics at \(http:[^ ]*\).*/\1/p' "$work/served")
		[ -n "$url" ] && return 0
		kill -0 $pid 2>/dev/null || break
		sleep 0.05
	done
	cat "$work/served"
	return 1
}

# get METHOD PATH: answer of the server with its head, by a client of its own
get() { perl "$top/tests/lib/http.pl" "${url#http://}" "$1" "$2"; }

# every miss of a task has one cause, and the causes are words that the report knows
served_misses_have_causes() {
	local known
	replayed=$top/tests/data/demo-none.vmrt serve -b -d 100ms --speed 0.2 --prometheus 0 || return 1
	for ((i = 0; i < 200; i++)); do
		get GET /metrics | sed '1,/^\r*$/d' >"$work/prom"
		grep -q '^vmrt_task_misses_total' "$work/prom" && break
		sleep 0.1
	done
	kill $pid
	wait $pid
	vmrt-trace analyze -q --allow-loss -o "$work/none.db" "$top/tests/data/demo-none.vmrt" 2>/dev/null
	known=$(sqlite3 "$work/none.db" "SELECT group_concat(DISTINCT coalesce(cause, 'unknown')) FROM job WHERE outcome LIKE 'missed%'")
	"$top/tests/lib/prometheus-lint" <"$work/prom" && awk -v known=",$known," '
		function label(name) { match($0, name "=\"[^\"]*"); return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2) }
		/^vmrt_task_jobs_total.*outcome="missed"/ { want[label("task")] = $NF }
		/^vmrt_task_misses_total/ { have[label("task")] += $NF; all += $NF; if (!index(known, "," label("cause") ",")) { print; bad = 1 } }
		END { for (t in want) if (want[t] != have[t] + 0) { print t, want[t], have[t]; bad = 1 }; exit bad || !all }' "$work/prom"
}

served_text_is_right() {
	serve -b -d 100ms --speed 0.05 --prometheus 0 || return 1
	for ((i = 0; i < 100; i++)); do
		get GET /metrics >"$work/answer"
		grep -q 'outcome="met"} [1-9]' "$work/answer" && break
		sleep 0.1
	done
	sed '1,/^\r*$/d' "$work/answer" >"$work/prom"
	get HEAD /metrics >"$work/head"
	get POST /metrics >"$work/post"
	get GET /nothing >"$work/nothing"
	kill $pid
	wait $pid 2>/dev/null
	grep -q '^HTTP/1.1 200' "$work/answer" && grep -qi '^content-type: text/plain; version=0.0.4' "$work/answer" &&
		"$top/tests/lib/prometheus-lint" <"$work/prom" && grep -q '^vmrt_task_response_seconds_bucket{machine=".*",task=".*",le="+Inf"} [1-9]' "$work/prom" &&
		grep -q '^HTTP/1.1 200' "$work/head" && [ "$(sed '1,/^\r*$/d' "$work/head" | wc -c)" = 0 ] && grep -q '^HTTP/1.1 405' "$work/post" &&
		grep -q '^HTTP/1.1 404' "$work/nothing" && case $url in http://127.0.0.1:*) true ;; *) false ;; esac
}

# JSON beside it, at an address that is given.
all_tasks_are_served() {
	serve --json -d 50ms --speed 4 --prometheus 127.0.0.1:0 || return 1
	for ((i = 0; i < 200; i++)); do
		get GET /metrics 2>/dev/null | sed '1,/^\r*$/d' >"$work/new"
		[ -s "$work/new" ] && cp "$work/new" "$work/prom"
		kill -0 $pid 2>/dev/null || break
		sleep 0.02
	done
	wait $pid
	grep '^vmrt_task_jobs_total' "$work/prom" | sort >"$work/live"
	[ -s "$work/live" ]
}

# Silent clients, ones that read nothing and ones that send nonsense delay no update.
slow_clients_delay_nothing() {
	local alone
	serve -b -d 50ms --speed 0.02 --prometheus 0 || return 1
	alone=$(grep -c '^# [0-9]' "$work/lines")
	sleep 2
	alone=$(($(grep -c '^# [0-9]' "$work/lines") - alone))
	perl -MIO::Socket::INET -e 'for (1 .. 40) { my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0]) or next; push @s, $s;
		print $s "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" x 50 if $_ % 3 == 1; print $s "\0\xff" x 20000 if $_ % 3 == 2; $s->flush } sleep 8' "$(echo "$url" | sed 's|http://||; s|/.*||')" &
	local clients=$! before after
	sleep 0.5
	before=$(grep -c '^# [0-9]' "$work/lines")
	sleep 2
	after=$(grep -c '^# [0-9]' "$work/lines")
	local size
	size=$(awk '/VmRSS/ { print $2 }' /proc/$pid/status)
	kill $clients $pid
	wait $clients 2>/dev/null
	wait $pid 2>/dev/null
	# 40 updates in 2 s where the machine has time
	[ $(((after - before) * 3)) -ge "$alone" ] && [ "$alone" -gt 2 ] && [ "$size" -lt 200000 ] ||
		{ echo "$((after - before)) updates in 2 s, $alone without clients, $size KiB"; return 1; }
}

address_taken_is_said() {
	serve -b -d 100ms --speed 0.05 --prometheus 0 || return 1
	local port=${url##*:}
	vmrt-top -b --prometheus "${port%%/*}" -n 1 "$work/t.vmrt" >/dev/null 2>"$work/err"
	local status=$?
	kill $pid
	wait $pid 2>/dev/null
	[ $status = 1 ] && grep -q "cannot listen" "$work/err"
}

bad_addresses_are_usage() {
	for bad in 70000 x 1.2.3:9 ::1:9 "[::1]" "[::1]:x" :9 host:9 127.0.0.1:; do
		vmrt-top -b --prometheus "$bad" "$work/t.vmrt" >/dev/null 2>"$work/err"
		[ $? = 64 ] && grep -q "no \[ADDR:\]PORT" "$work/err" || { echo "$bad"; return 1; }
	done
	vmrt-top --prometheus 9743 "$work/t.vmrt" </dev/null >/dev/null 2>"$work/err"
	[ $? = 64 ]
}

ok "JUnit's XML is valid" is_valid
ok "conditions, deadlines and rules are test cases with their results" cases_are_right
ok "a server that nobody enforced is skipped" not_enforced_is_skipped
ok "names of strangers are escaped" names_are_escaped
ok "Prometheus' text keeps its rules" text_is_right
ok "figures and histograms are those of all jobs" figures_are_those_of_the_report
ok "a textfile is replaced at once" file_is_replaced_whole
ok "exit status 64 for --junit with --compare" exits 64 "go with none of --compare" --junit x --compare hsf.vmrt nohsf.vmrt
ok "vmrt-top serves its figures on the loopback address" served_text_is_right
ok "and misses by their causes" served_misses_have_causes
ok "what is served has all tasks" all_tasks_are_served
ok "slow clients delay nothing" slow_clients_delay_nothing
ok "an address that is taken is said" address_taken_is_said
ok "bad addresses are usage errors" bad_addresses_are_usage
echo "1..$n"
exit $failed

#!/usr/bin/env bats
# vmrt-trace events: events of host and guests as text. trace-cmd prints the same fields of the same files.
load ../lib/setup.bash

bats_require_minimum_version 1.5.0

setup_file() {
	find_build
	export root trace=$O/bin/vmrt-trace
	cd "$BATS_FILE_TMPDIR" || return
	cp -r "$root/tests/data/demo-none.vmrt" r.vmrt
	"$trace" analyze -q r.vmrt
	"$trace" events r.vmrt >all
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
}

ask() { sqlite3 r.vmrt/run.db "$1"; }
seconds() { awk -v ns="$1" 'BEGIN { printf "%.9f", ns / 1e9 }'; }

@test "every event of every machine is one line, in the order of the host's clock" {
	[ "$(grep -vc '^#' all)" = "$(ask 'SELECT sum(events) FROM machine')" ]
	for machine in host demo; do
		[ "$(awk -v m=$machine '$2 == m' all | wc -l)" = "$(ask "SELECT events FROM machine WHERE name = '$machine'")" ]
	done
	awk '!/^#/ { print $1 }' all | sort -c -n
}

@test "fields are as trace-cmd prints them" {
	strip() { sed -E 's/^.*\] +[^ ]+ +([a-z_0-9]+: )/\1/; s/ +/ /g; s/ +$//' | grep -v '^print: ' | sed -E 's/ function=[^ ]*//'; }
	awk '$2 == "host"' all | strip >ours
	trace-cmd report -l -i r.vmrt/host.dat 2>/dev/null | grep -v '^cpus=' |
		sed -E 's/^.* [0-9]+[^ ]+ +[0-9]+\.[0-9]+: //; s/ +/ /g; s/ +$//; s/ function=[^ ]*//' | grep -v '^print: ' >theirs
	[ "$(wc -l <ours)" -gt 1000 ]
	head -n 3 ours theirs
	diff ours theirs | head -n 10 >difference
	cat difference
	[ ! -s difference ]
}

@test "a job is the events of its task from its arrival to its end" {
	run -0 "$trace" events r.vmrt --task rt_task1 --job 2
	[ "${#lines[@]}" -gt 5 ]
	read -r tid from to < <(ask "SELECT (SELECT tid FROM thread WHERE id = j.thread), arrival_ns, end_ns FROM job j JOIN task t ON t.id = j.task WHERE t.name = 'rt_task1' AND k = 2" | tr '|' ' ')
	for line in "${lines[@]}"; do
		[[ $line = *"rt_task1"* || $line = *"-$tid "* || $line = *hrtimer_* ]]
		awk -v t="$(awk '{ print $1 }' <<<"$line")" -v from="$(seconds "$from")" -v to="$(seconds "$to")" 'BEGIN { exit !(t + 0 >= from - 1e-8 && t + 0 <= to + 1e-8) }'
	done
	[[ $output = *"job_begin task=rt_task1 k=2"* ]]
}

@test "around a job there are the events of all machines" {
	run -0 "$trace" events r.vmrt --around demo/rt_task1:2 --margin 2ms
	read -r from to < <(ask "SELECT arrival_ns - 2000000, max(end_ns, deadline_ns) + 2000000 FROM jobs WHERE task = 'rt_task1' AND k = 2" | tr '|' ' ')
	[ "${#lines[@]}" = "$(awk -v from="$(seconds "$from")" -v to="$(seconds "$to")" '!/^#/ && $1 >= from - 5e-10 && $1 <= to + 5e-10' all | wc -l)" ]
	[[ $output = *" host "* && $output = *" demo "* ]]
}

@test "events are chosen by machine, CPU, name, time and condition" {
	[ "$("$trace" events r.vmrt --machine demo | wc -l)" = "$(awk '$2 == "demo"' all | wc -l)" ]
	[ "$("$trace" events r.vmrt --machine host --cpu 1 | wc -l)" = "$(awk '$2 == "host"' all | grep -c '\[001\]')" ]
	[ "$("$trace" events r.vmrt --event sched:sched_switch | wc -l)" = "$(grep -c ' sched_switch: ' all)" ]
	[ "$("$trace" events r.vmrt --event 'hrtimer_*' --event print | wc -l)" = "$(grep -cE ' (hrtimer_[a-z_]+|print): ' all)" ]
	"$trace" events r.vmrt --from 100ms --to 200ms >part
	grep -qxFf part all
	begin=$(ask 'SELECT start_ns FROM run')
	[ "$(wc -l <part)" = "$(awk -v b="$(seconds "$begin")" '!/^#/ && $1 - b >= 0.1 && $1 - b <= 0.2' all | wc -l)" ]
	# the library's own filters, as trace-cmd has them
	for machine in host:host.dat demo:guest-demo.dat; do
		filter='sched_switch:next_prio < 100 && prev_prio >= 100'
		n=$(trace-cmd report -F "$filter" -i r.vmrt/${machine#*:} 2>/dev/null | grep -c sched_switch)
		[ "$n" -gt 1 ] && [ "$("$trace" events r.vmrt --machine ${machine%:*} --filter "$filter" | wc -l)" = "$n" ]
	done
}

filtered() { # filtered CONDITION: how many events fulfil it
	"$trace" events r.vmrt --filter "$1" | wc -l
}

@test "a regular expression that would take gigabytes, or hours, is refused" {
	run -64 "$trace" events r.vmrt --filter 'COMM =~ "a{250}{250}{250}"'
	[[ $output = *"its repetitions are too many"* ]]
	run -64 "$trace" events r.vmrt --filter 'COMM =~ "(a{1,99}){1,99}"'
	[[ $output = *"its repetitions are too many"* ]]
	run -64 "$trace" events r.vmrt --filter 'COMM =~ "x++++++++++++++++++++++++++++++"'
	[[ $output = *"its repetitions are too many"* ]]
	run -64 "$trace" events r.vmrt --filter 'COMM =~ "(.*)\1"'
	[[ $output = *"refers back to a part of itself"* ]]
	[ "$(filtered 'sched_waking:comm =~ "^rt_task[12]{1,20}$"')" = "$(grep -c ' sched_waking: comm=rt_task[12] ' all)" ]
}

@test "a condition is judged by the fields that the events are printed with" {
	[ "$(filtered 'sched_waking:pid == 129')" = "$(grep -c ' sched_waking: .* pid=129 ' all)" ]
	[ "$(filtered 'sched_waking:pid != 129')" = "$(grep ' sched_waking: ' all | grep -vc ' pid=129 ')" ]
	# no thread has such a number: a filter of libtraceevent takes every event
	[ "$(filtered 'sched_waking:pid == -1')" = 0 ]
	[ "$(filtered 'sched_waking:pid > -1 && target_cpu >= 0')" = "$(grep -c ' sched_waking: ' all)" ]
	[ "$(filtered 'sched_waking:comm == rt_task1')" = "$(grep -c ' sched_waking: comm=rt_task1 ' all)" ]
	[ "$(filtered 'sched_waking:comm ~ "rt_task?"')" = "$(grep -c ' sched_waking: comm=rt_task[12] ' all)" ]
	[ "$(filtered 'sched_waking:comm !~ "^rt_"')" = "$(grep ' sched_waking: ' all | grep -vc ' comm=rt_')" ]
	# the thread and the CPU where the event was recorded
	[ "$(filtered 'COMM == sh && CPU == 0')" = "$(grep -cE '^ *[0-9.?]+ +(host|demo) +sh-[0-9]+ +\[000\]' all)" ]
	# only one of the two events has a field pid: neither == nor ! of it takes the other one
	[ "$(filtered 'sched:sched_switch,sched_waking:!(pid == 129)')" = "$(filtered 'sched_waking:pid != 129')" ]
	[ "$(filtered 'sched_switch,sched_waking:pid == 129 || next_prio < 100')" = \
		$(($(filtered 'sched_waking:pid == 129') + $(filtered 'sched_switch:next_prio < 100'))) ]
	[ "$(filtered 'sched_waking:(pid == 128 || pid == 129) && !(prio < 100)')" = "$(grep -E ' sched_waking: .* pid=12[89] ' all | grep -vcE ' prio=[0-9]{1,2} ' || true)" ]
	for c in 'sched_waking:pid == 129' 'sched_waking:comm == rt_task1' 'COMM == sh && CPU == 0' 'sched_switch:next_prio < 100'; do
		[ "$(filtered "$c")" -gt 5 ]
	done
}

@test "the place where a condition is not complete is shown" {
	while IFS='|' read -r condition words; do
		run -64 "$trace" events r.vmrt --filter "$condition"
		echo "$condition: $output"
		[ "$output" = "vmrt-trace: error: --filter '$condition', $words" ]
	done <<-'END'
		pid ==|at its end: a value is missing: a number, or a text in ""
		sched_switch:prev_pid == 1 &&|at its end: the name of a field is missing, as in next_prio < 100
		sched_switch:prev_comm == "x|at '"x': the quotation mark is not closed
		sched_switch:(prev_pid == 1|at its end: a ) is missing
		sched_switch:(prev_state & 1) == 1|at '== 1': nothing may follow here
		sched_switch:prev_pid + 1|at '+ 1': behind a field stands one of == != < <= > >= =~ !~ ~ &
		sched_switch:prev_comm > sh|at 'sh': this operator needs a number
		sched_switch:prev_comm =~ [|at '[': a value is missing: a number, or a text in ""
		sched_switch:prev_comm =~ "["|at '"["': this is no regular expression
		prev_pid == 99999999999999999999|at '99999999999999999999': the number is too large
	END
	run -1 "$trace" events r.vmrt --filter 'sched_switch:prev_pdi == 1'
	[ "$output" = "vmrt-trace: error: --filter 'sched_switch:prev_pdi == 1': no event that is meant has a field prev_pdi; there are prev_pid, prev_prio, prev_comm, prev_state, next_comm, next_pid and 1 more (did you mean prev_pid?)" ]
}

@test "where no event is chosen, that is said" {
	for c in '--cpu 7' '--from 100s' '--filter sched_waking:pid==-1' '--event sched_switch --job 3 --task rt_task1 --machine host'; do
		# shellcheck disable=SC2086 # several words
		run -0 --separate-stderr "$trace" events r.vmrt $c
		[ -z "$output" ]
		# shellcheck disable=SC2154 # bats sets it
		[ "$stderr" = "vmrt-trace: no event of the recording fulfils all of these options" ]
	done
	run -64 "$trace" events r.vmrt --from 2s --to 1s
	[[ $output = *"--to is before --from"* ]]
}

@test "single files need no run" {
	"$trace" events r.vmrt/guest-demo.dat --task rt_task1 >one
	[ "$(grep -c 'rt_task1' one)" -gt 100 ]
	! awk '{ print $3 " " $0 }' one | grep -v 'rt_task1' | grep -vE 'hrtimer_|-[0-9]+ '
}

@test "what cannot be chosen is one clear line" {
	for c in '--machine vm9|recorded are host, demo' '--event nosuch|no such event' '--filter nosuch:a==1|no such event' \
		'--filter sched_switch:((|--filter' '--job 3|--job is the number of a job of --task' '--around rt_task1|write TASK:K' \
		'--around rt_task1:99999|there is no job 99999 of demo/rt_task1' '--task nosuch|no task nosuch was recorded: there are demo/rt_task1' '--task rt_tsak1|(did you mean demo/rt_task1?)'; do
		# shellcheck disable=SC2086 # several words
		run ! "$trace" events r.vmrt ${c%%|*}
		echo "$c: $output"
		[[ $output = *"${c#*|}"* ]]
	done
	run ! "$trace" events r.vmrt/host.dat --around a:1
	[[ $output = *"needs a RUN"* ]]
}

@test "a format that no kernel writes is not given to the library; the fields are printed" {
	cp r.vmrt/host.dat bad.dat
	# the argument of a conversion becomes the width of it, and a parenthesis is not closed
	perl -0pi -e 's/print fmt: "comm=%s pid=%d prio=%d target_cpu=%03d"/print fmt: "comm=%*s pid=%d prio=%d target_cp=%03d"/g; s/(print fmt: "prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d", REC->prev_comm)/my $x = $1; $x =~ s{REC->prev}{REC((prev}; $x/ge' bad.dat
	[ "$(stat -c %s bad.dat)" = "$(stat -c %s r.vmrt/host.dat)" ]
	"$trace" events bad.dat >bad
	grep -q 'sched_waking: .*comm=' bad
	grep -q 'sched_switch: .*next_pid' bad
	[ "$(wc -l <bad)" = "$(awk '$2 == "host"' all | wc -l)" ]
}

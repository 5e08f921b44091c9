#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-top on a run made by hand: options, lines, screens. UPDATE=1 rewrites the expected screens.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
O=$(cd "${O:-build}" && pwd) || exit 1
export PATH="$O/bin:$PATH" LC_ALL=C.UTF-8
work=$(mktemp -d /tmp/vmrt-top-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_CONFIG_HOME=$work/config
"$O/tests/make-run" t.vmrt || { echo "not ok 1 - the run is made"; exit 1; }
# shellcheck source=tests/lib/cli.sh
. "$root/tests/lib/cli.sh"

exits() { # exits STATUS WORDS-IN-STDERR ARGUMENT...
	local want=$1 words=$2 got
	shift 2
	vmrt-top "$@" >out 2>err
	got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want"; cat err; return 1; }
	grep -qF -- "$words" err || { echo "'$words' is not said:"; cat err; return 1; }
}

# screens in the file of expected ones; the locale decides between ASCII and UTF-8
expected() { # expected FILE ARGUMENT...
	local file=$1
	shift
	vmrt-top "$@" --script "$root/tests/data/top-keys.txt" t.vmrt >screens || return 1
	[ "${UPDATE:-0}" = 1 ] && cp screens "$root/tests/data/$file"
	diff -u "$root/tests/data/$file" screens
}
screens_are_as_expected() { expected top-screens.txt --ascii; }
utf8_screens_are_as_expected() { expected top-screens-utf8.txt; }
same_screens_in_the_locale_c() { LC_ALL=C expected top-screens.txt; }

mono_screens_hold_no_escapes() {
	! sed '/^# in colour/,$d' "$root/tests/data/top-keys.txt" >keys && return 1
	vmrt-top --script keys t.vmrt >out && ! grep -q $'\033' out
}

dump_goes_to_its_file() {
	vmrt-top --ascii --script "$root/tests/data/top-keys.txt" --dump dumped t.vmrt >out || return 1
	[ ! -s out ] && cmp dumped "$root/tests/data/top-screens.txt"
}

json_is_valid() {
	vmrt-top --json --speed 0 t.vmrt >out && vmrt-top --json -d 50ms -n 3 --speed 0.1 t.vmrt >>out || return 1
	[ "$(wc -l <out)" = 4 ] && python3 -c '
import json, sys
for line in open("out"): u = json.loads(line)["update"]
first = json.loads(open("out").readline())["update"]
assert first["tasks"][0]["jobs"] == 20 and first["tasks"][0]["missed"] == 1 and first["servers"][0]["depleted"] == 3
assert first["view"]["ended"] is True and isinstance(first["view"]["now_ns"], int)'
}

snapshots_are_text_and_csv() {
	printf ':end\n5\ns\n3\ns\ns\n:dump\n' >keys
	vmrt-top --script keys t.vmrt >out || return 1
	grep -q 'Written: vmrt-top-task-2.txt' out && grep -q 'vm1/t1' vmrt-top-misses-1.txt &&
		grep -q '^vm1,t1,12,' vmrt-top-misses-1.csv && [ "$(grep -c '^vm1,t1,' vmrt-top-task-1.csv)" = 20 ] &&
		cmp -s vmrt-top-task-1.csv vmrt-top-task-2.csv
}

# a terminal that is too small shows no page; its snapshot is that of 80x24
snapshot_of_a_terminal_that_is_too_small_is_the_page() {
	local size
	for size in 39x24 80x7 1x1; do
		rm -f vmrt-top-*
		printf ':end\n5\n:size 80x24\ns\n:size 80x24\n:dump\n' >keys
		vmrt-top --script keys t.vmrt >out && mv vmrt-top-misses-1.txt wanted.txt &&
			mv vmrt-top-misses-1.csv wanted.csv || return 1
		printf ':end\n5\n:size %s\ns\n:size 80x24\n:dump\n' $size >keys
		vmrt-top --script keys t.vmrt >out || return 1
		[ "$(wc -l <vmrt-top-misses-1.txt)" = 24 ] && grep -q 'vm1/t1' vmrt-top-misses-1.txt &&
			! grep -q 'needs 40x8' vmrt-top-misses-1.txt && cmp vmrt-top-misses-1.txt wanted.txt &&
			cmp vmrt-top-misses-1.csv wanted.csv &&
			grep -q 'Written: vmrt-top-misses-1.txt' out || { echo "with $size"; return 1; }
	done
	rm -f vmrt-top-*
}

# what is chosen and written comes back
configuration_comes_back() {
	printf 'F2 j j Space w\n:dump\n' >keys
	vmrt-top --script keys --page system t.vmrt >out && grep -q 'Written: .*/vmrt/top.ini' out || return 1
	grep -q '^page = system' config/vmrt/top.ini && grep -q '^hidden = LEFT$' config/vmrt/top.ini || return 1
	printf ':dump\n1\n:dump\n' >keys
	vmrt-top --script keys t.vmrt >out && grep -q '\[6 system\]' out && ! grep -q 'LEFT' out || return 1
	vmrt-top --no-config --script keys t.vmrt >out && grep -q 'LEFT' out || return 1
	printf 'what\n' >config/vmrt/top.ini
	vmrt-top --script keys t.vmrt 2>err >out && grep -q 'top.ini:1: this line is not understood' err || return 1
	rm config/vmrt/top.ini
	mkfifo config/vmrt/top.ini
	timeout 10 vmrt-top --script keys t.vmrt 2>err >out && grep -q 'top.ini is not a regular file.*the configuration is not read' err
	rm -r config
}

# every figure of a condition, live and from the database
alarm_rings() {
	cat >ring <<-'END'
	#!/bin/sh
	echo "$VMRT_ALARM_CONDITION|$VMRT_ALARM_OF|$VMRT_ALARM_VALUE|$VMRT_ALARM_MISS_JOB|$VMRT_ALARM_MISS_CAUSE" >>rang
	END
	chmod +x ring
	vmrt-top -b --speed 0 --alarm 'miss(t1)' --alarm 'response_max > 1s' --alarm-run ./ring t.vmrt >out || return 1
	grep -q "alarm: miss(t1) > 0% of vm1/t1: 5.00 %" out || { cat out; return 1; }
	for _ in $(seq 40); do [ -s rang ] && break; sleep 0.05; done
	[ "$(cat rang)" = "miss(t1) > 0%|vm1/t1|0.05|12|overrun" ] || { cat rang; return 1; }
	# all digits of a time: job 12 ends 28 ms after its arrival; and all alarms of an update are counted
	rm rang
	vmrt-top -b --speed 0 --alarm 'response_max > 27999999ns' --alarm 'miss(t1)' --alarm 'jobs > 3' --alarm-run ./ring t.vmrt >out || return 1
	for _ in $(seq 40); do [ "$(wc -l <rang)" = 3 ] && break; sleep 0.05; done
	grep -qxF "response_max > 27999999ns|vm1/t1|28000000|12|overrun" rang || { cat rang; return 1; }
	grep -q "; alarm: jobs > 3 of vm1/t1: 20 (and 2 more); end" out || { cat out; return 1; }
	# in front of the alarm: a narrow screen has that, and messages wait until it is gone
	vmrt-top -b --speed 0 --alarm 'miss(t1)' --alarm-run ./nothing t.vmrt >out 2>err || return 1
	grep -q -e '--alarm-run: cannot start ./nothing: No such file or directory; alarm: miss(t1)' out && grep -q 'cannot start ./nothing' err || { cat out err; return 1; }
	# SIGPIPE is what it is for any program
	printf '#!/bin/sh\ngrep SigIgn /proc/self/status >ignored\nexit 3\n' >ring
	vmrt-top -b --speed 0 --alarm 'miss(t1)' --alarm-run ./ring t.vmrt >out 2>err || return 1
	for _ in $(seq 40); do [ -s ignored ] && break; sleep 0.05; done
	[ $((0x$(cut -f 2 ignored) & 0x1000)) -eq 0 ] || { cat ignored; return 1; }
}

# what looks like a relation is in the name; one that nothing has is said once, with those that there are
alarm_names() {
	vmrt-top -b --speed 0 --alarm 'miss(vm1/"t1")' --alarm 'miss("a<b")' t.vmrt >out 2>err || return 1
	grep -q 'alarm: miss(vm1/"t1") > 0% of vm1/t1: 5.00 %' out || { cat out; return 1; }
	[ "$(grep -c "there is no task a<b; there are: vm1/t1" err)" = 1 ] || { cat err; return 1; }
}

pipe_gets_plain_lines() {
	vmrt-top --speed 0 t.vmrt 2>err | cat >out || return 1
	grep -q 'stdout is no terminal' err || { cat err; return 1; }
	! grep -q $'\033' out && grep -q '^0.500 *vm1/t1 *= met *20 *1+1 *5.0 ' out && grep -q '; end$' out
}

batch_says_nothing_on_stderr() { vmrt-top -b --speed 0 t.vmrt 2>&1 >out | cmp - /dev/null; }

heads_come_once() {
	vmrt-top -b -d 100ms t.vmrt >out || return 1
	[ "$(grep -c SERVER out)" = 1 ] && [ "$(grep -c '^# [0-9.]* s:' out)" -ge 4 ]
}

iterations_end_it() {
	vmrt-top -b -d 50ms -n 2 --speed 0.1 t.vmrt >out || return 1
	[ "$(grep -c '^# [0-9.]* s:' out)" = 2 ]
}

ascii_is_ascii() {
	vmrt-top -b --ascii --speed 0 t.vmrt >out && ! LC_ALL=C grep -q '[^ -~]' out &&
		LC_ALL=C vmrt-top -b --speed 0 t.vmrt >out && ! LC_ALL=C grep -q '[^ -~]' out
}

closed_pipe_ends_it() {
	vmrt-top -b -d 50ms --speed 0.01 t.vmrt 2>err | head -n 1 >/dev/null
	[ "${PIPESTATUS[0]}" = 1 ] && [ ! -s err ]
}

full_disk_is_said() {
	vmrt-top -b --speed 0 t.vmrt 2>err >/dev/full
	[ $? = 1 ] && grep -q 'No space left' err
}

# Key r at 1.203 s: the figures are those of the jobs that ended since, as the database has them.
figures_after_r_are_of_the_jobs_that_ended_since() {
	local since
	rm -rf r.vmrt && cp -r "$root/tests/data/demo-none.vmrt" r.vmrt && chmod -R u+w r.vmrt && vmrt-trace analyze -q r.vmrt
	printf ':wait 1203ms\nr\n:end\n:dump\n' >keys
	vmrt-top --no-config --ascii --size 110x30 --script keys r.vmrt >out || return 1
	grep -q 'counted since 0:01.2' out || return 1
	since=$(sqlite3 r.vmrt/run.db 'SELECT start_ns + 1203000000 FROM run')
	# task, jobs, missed, p99 and max by nearest rank
	awk '$1 ~ /^demo\/rt/ { sub(/\+.*/, "", $5); print $1, $4, $5, $8, $9 }' out >shown
	sqlite3 -separator ' ' r.vmrt/run.db "WITH j AS (SELECT *, row_number() OVER (PARTITION BY task ORDER BY response_ns) AS rank,
		count(*) OVER (PARTITION BY task) AS n FROM jobs WHERE end_ns > $since)
		SELECT machine || '/' || task, n, sum(outcome LIKE 'missed%'), printf('%.2f', max(CASE WHEN rank = (n * 99 + 99) / 100 THEN response_ns END) / 1e6),
		printf('%.2f', max(response_ns) / 1e6) FROM j GROUP BY task" >wanted
	[ "$(wc -l <wanted)" = 2 ] && diff shown wanted
}

# The man page shows each page of the screen; what it shows is made here. UPDATE=1 puts it in.
man_page_shows_the_screens() {
	local name run at keys
	cp -r "$root/tests/data/demo-hsf.vmrt" "$root/tests/data/demo-none.vmrt" . && chmod -R u+w demo-*.vmrt
	: >man-screens
	while read -r name run keys; do
		printf ':wait 2s\n%s\n:dump\n' "$keys" >keys
		at=$(vmrt-top --ascii --size 78x22 --script keys "demo-$run.vmrt" | sed 1d) || return 1
		printf '; screen %s\n%s\n' "$name" "$at" >>man-screens
	done <<-'END'
		overview hsf 1
		server hsf 2
		task hsf j 3
		timeline hsf 4 h h h h
		misses none 5
		split none 5 j Enter
		system hsf 6
	END
	python3 - "$root/docs/vmrt-top.1.scd" <<'END' || return 1
import re, sys
page = open(sys.argv[1]).read()
shown = dict(re.findall(r"^; screen (\w+)\n(.*?)(?=^; screen|\Z)", open("man-screens").read(), re.M | re.S))
def block(m): return "; screen %s\n```\n%s\n```" % (m[1], shown[m[1]].rstrip("\n"))
made = re.sub(r"^; screen (\w+)\n```\n(?:.*?\n)??```$", block, page, flags=re.M | re.S)
open("made.scd", "w").write(made)
END
	[ "${UPDATE:-0}" = 1 ] && cp made.scd "$root/docs/vmrt-top.1.scd"
	diff -u "$root/docs/vmrt-top.1.scd" made.scd
}

# the journal of a recording names its recorder
alarm_saves_the_flight_recorder() {
	mkdir -p flight.vmrt
	bash -c 'trap "echo saved >saved; exit" USR1; printf vmrt-trace >/proc/$$/comm
		printf "vmrt recording in progress\ninstance vmrt-$$-record\n" >flight.vmrt/recorder.journal
		: >ready; while :; do sleep 0.1; done' &
	for _ in $(seq 40); do [ -e ready ] && break; sleep 0.05; done
	vmrt-top -b --speed 0 --alarm 'miss(t1)' --alarm-save flight.vmrt t.vmrt >out || return 1
	wait $!
	[ -s saved ]
}

recording_of_a_killed_recorder_is_not_replayed() {
	cp -r t.vmrt busy.vmrt && : >busy.vmrt/recorder.journal
	exits 1 "busy.vmrt: its recorder was killed: vmrt-trace reset busy.vmrt completes it" -b busy.vmrt
}

# long before the next update is due
keys_are_answered_at_once() {
	local most
	most=$("$root/tests/lib/keys.py" 3 END vmrt-top --no-config -d 10s --speed 0 t.vmrt | cut -d' ' -f3) || return 1
	awk -v most="$most" 'BEGIN { exit !(most < 2000) }' || { echo "it took $most ms"; return 1; }
}

# of any size, in any order; with SANITIZER=address,undefined it finds more
random_keys_do_no_harm() {
	mkdir -p empty.vmrt
	exits 1 "empty.vmrt" -b empty.vmrt || return 1
	"$root/tests/lib/random-keys.py" "${SESSIONS:-40}" 1 t.vmrt "$root/tests/data/demo-hsf.vmrt" "$root/tests/data/demo-none.vmrt"
}

the_way_does_not_matter() {
	"$root/tests/lib/top-ways.py" t.vmrt "$root/tests/data/demo-hsf.vmrt" "$root/tests/data/demo-none.vmrt"
}

documented() {
	local option
	for option in $(vmrt-top --help | grep -oE -- '--[a-z-]+' | sort -u); do
		case $option in --help | --usage | --version) continue ;; esac
		grep -qF -- "*$option*" "$root/docs/vmrt-top.1.scd" || { echo "$option is not in the man page"; return 1; }
	done
	while read -r key; do
		grep -qF -- "*$key*" "$root/docs/vmrt-top.1.scd" || { echo "key $key is not in the man page"; return 1; }
	done < <(sed -n 's/.*{TOP_ACT_[A-Z_0-9]*, TOP_[A-Z_]*, "\([^"]*\)".*/\1/p' "$root/tui/rows/keys.c" | tr ' ' '\n' | sort -u)
}

ok "screens are as expected" screens_are_as_expected
ok "and in UTF-8" utf8_screens_are_as_expected
ok "the locale C gives ASCII screens" same_screens_in_the_locale_c
ok "figures after r are those of the jobs that ended since" figures_after_r_are_of_the_jobs_that_ended_since
ok "without colour there are no escapes" mono_screens_hold_no_escapes
ok "--json is valid and exact" json_is_valid
ok "random keys at random sizes do no harm" random_keys_do_no_harm
ok "pauses, seeks and r lose and double nothing" the_way_does_not_matter
ok "snapshots are text and CSV" snapshots_are_text_and_csv
ok "snapshot of a terminal that is too small is the page" snapshot_of_a_terminal_that_is_too_small_is_the_page
ok "the configuration comes back" configuration_comes_back
ok "an alarm is shown and starts its program" alarm_rings
ok "names in alarms are read as in experiments, and checked" alarm_names
ok "an alarm has a flight recorder save" alarm_saves_the_flight_recorder
ok "a recording in progress is not replayed, and why is said" recording_of_a_killed_recorder_is_not_replayed
ok "an alarm that is no condition is refused" exits 64 "--alarm: 'nonsense" -b --alarm nonsense t.vmrt
ok "VMRT_COLORS is checked" env VMRT_COLORS=mis=1 bash -c '! vmrt-top --script /dev/null t.vmrt 2>/dev/null'
ok "--dump names the file they go to" dump_goes_to_its_file
ok "a pipe gets plain lines, and that is said" pipe_gets_plain_lines
ok "with --batch nothing need be said" batch_says_nothing_on_stderr
ok "heads come once, and a block for each delay" heads_come_once
ok "-n ends it" iterations_end_it
ok "--ascii and the locale C mean ASCII" ascii_is_ascii
ok "a closed pipe ends it without a word" closed_pipe_ends_it
ok "a full disk is said" full_disk_is_said
ok "no such run is said" exits 1 "nothere.vmrt" -b nothere.vmrt
ok "no such VM is said" exits 1 "there is no VM vm9; it has: vm1" -b --vm vm9 t.vmrt
ok "a delay that is none is refused" exits 64 "--delay 'x': give a time from 50 ms to 3600 s" -d x t.vmrt
ok "a delay that is too short is refused" exits 64 "--delay '1ms': give a time from 50 ms to 3600 s" -d 1ms t.vmrt
ok "0 iterations are refused" exits 64 "--iterations '0': give a whole number from 1 on, such as 10" -n 0 t.vmrt
ok "a negative speed is refused" exits 64 "--speed '-1': give a number from 0 to 1000000" --speed=-1 t.vmrt
ok "a speed of nan is refused" exits 64 "--speed 'nan': give a number" --speed=nan t.vmrt
ok "a colour that is none is refused" exits 64 "--color: 'red'" --color red t.vmrt
ok "a port that is none is refused" exits 64 "--port: '9'" --port 9
ok "a size that is none is refused" exits 64 "--size: '80'" --size 80 t.vmrt
ok "a size without a script is refused" exits 64 "--size goes with --script" --size 80x24 t.vmrt
ok "two runs are refused" exits 64 "give one RUN only" t.vmrt t.vmrt
ok "a script without a run is refused" exits 64 "--script needs a RUN" --script x
ok "the man page shows every page of the screen" man_page_shows_the_screens
ok "keys are answered at once, not when the next update is due" keys_are_answered_at_once
ok "options and keys are in the man page" documented

# ---- in a terminal ----

tmux_do() { tmux -L "vmrt-test-$$" "$@"; }
pane() { tmux_do capture-pane -p; }

see() { # see WORDS: wait until they are on the screen
	for _ in $(seq 100); do
		pane | grep -qF -- "$1" && return 0
		sleep 0.05
	done
	echo "'$1' is not on the screen:"
	pane
	return 1
}

back_as_it_was() { # the shell's screen again, a cursor, echo
	[ "$(tmux_do display-message -p '#{alternate_on} #{cursor_flag}')" = "0 1" ] ||
		{ tmux_do display-message -p 'alternate screen #{alternate_on}, cursor #{cursor_flag}'; return 1; }
	tmux_do send-keys "stty -g >after" Enter "echo stty-\$?" Enter
	see "stty-0" && cmp before after
}

begin() { # begin ARGUMENT...
	tmux_do send-keys "clear; vmrt-top $*; echo status-\$?" Enter
	see "SERVER"
}

quits_with_q() { begin -d 100ms t.vmrt && see "vm1/t1" && tmux_do send-keys q && see "status-0" && back_as_it_was; }
quits_with_c() { begin t.vmrt && tmux_do send-keys C-c && see "status-0" && back_as_it_was; }

survives_sizes() {
	begin --speed 0 t.vmrt && see "END" || return 1
	tmux_do resize-window -x 30 -y 5 && see "needs 40x8" || return 1
	tmux_do resize-window -x 1 -y 1 && sleep 0.2
	tmux_do resize-window -x 100 -y 30 && see "vm1/t1" || return 1
	tmux_do resize-window -x 80 -y 24 && see "vm1/t1" && tmux_do send-keys F10 && see "status-0"
}

term_restores() {
	begin t.vmrt || return 1
	kill -TERM "$(pgrep -f "^vmrt-top t.vmrt" -P "$(tmux_do display-message -p '#{pane_pid}')")" || return 1
	see "status-0" && back_as_it_was
}

suspends_and_goes_on() {
	begin t.vmrt && tmux_do send-keys C-z && see "Stopped" && [ "$(tmux_do display-message -p '#{alternate_on}')" = 0 ] || return 1
	tmux_do send-keys "fg" Enter && see "vm1/t1" && tmux_do send-keys q && sleep 0.3 && back_as_it_was
}

# a signal that ends it, whatever it is, leaves the terminal as it was
ends_by() { # ends_by SIGNAL STATUS
	begin t.vmrt || return 1
	kill "-$1" "$(pgrep -f "^vmrt-top t.vmrt" -P "$(tmux_do display-message -p '#{pane_pid}')")" || return 1
	see "status-$2" && back_as_it_was
}

pages_and_prompts() {
	begin --speed 0 t.vmrt && see "END" && tmux_do send-keys Tab && see "[2 server]" && tmux_do send-keys 4 && see "[4 timeline]" &&
		tmux_do send-keys Left Left i && tmux_do send-keys 5 Enter && see "cause: overrun" && tmux_do send-keys e &&
		see "hrtimer_expire_entry" && tmux_do send-keys Escape && tmux_do send-keys 1 / t1 Enter && see "> vm1/t1" &&
		tmux_do send-keys q && see "status-0" && back_as_it_was
}

pauses_and_helps() {
	begin --speed 0.5 t.vmrt && tmux_do send-keys Space && see "PAUSED" && tmux_do send-keys h && see "this help" &&
		tmux_do send-keys Escape && see "vm1/t1" && tmux_do send-keys q && see "status-0"
}

colours() { # colours YES-OR-NO ENVIRONMENT-AND-ARGUMENTS
	local want=$1 got=no
	shift
	tmux_do send-keys "clear; $*; echo status-\$?" Enter
	see "END" || return 1
	tmux_do capture-pane -p -e | grep -qE $'\033\\[[0-9;]*(38;5;|3[1-7])' && got=yes
	tmux_do send-keys q
	see "status-0" || return 1
	[ "$got" = "$want" ] || { echo "colours: $got"; return 1; }
}

if ! command -v tmux >/dev/null; then
	n=$((n + 1))
	echo "ok $n - screens in a terminal # skip tmux is not installed"
else
	trap 'tmux_do kill-server 2>/dev/null; rm -rf "$work"' EXIT
	env -u TMUX -u NO_COLOR TERM=xterm-256color tmux -L "vmrt-test-$$" -f /dev/null new-session -d -x 80 -y 24 \
		"PS1='$ ' sh" \; set-option -g default-terminal screen-256color
	tmux_do send-keys "PATH=$PATH LC_ALL=$LC_ALL TERM=screen-256color; export PATH LC_ALL TERM; stty -g >before; echo ready-\$?" Enter
	see "ready-0" >/dev/null
	ok "it shows the tables, ends with q and restores the terminal" quits_with_q
	ok "^C ends it, too" quits_with_c
	ok "SIGTERM ends it, and the terminal is restored" term_restores
	ok "^Z stops it, fg shows it again" suspends_and_goes_on
	ok "SIGHUP ends it, and the terminal is restored" ends_by HUP 0
	ok "a crash restores the terminal, too" ends_by SEGV 139
	ok "pages, prompts, the split of a miss and its events" pages_and_prompts
	ok "any size of the terminal is survived" survives_sizes
	ok "pause and help" pauses_and_helps
	ok "there are colours" colours yes vmrt-top --speed 0 t.vmrt
	ok "NO_COLOR means none" colours no NO_COLOR=1 vmrt-top --speed 0 t.vmrt
	ok "--color=always beats NO_COLOR" colours yes NO_COLOR=1 vmrt-top --color=always --speed 0 t.vmrt
	ok "--color=never means none" colours no vmrt-top --color=never --speed 0 t.vmrt
	tmux_do send-keys "TERM= vmrt-top t.vmrt; echo status-\$?" Enter
	ok "an unset TERM is said" see "TERM is not set"
	tmux_do send-keys "clear; TERM=dumb vmrt-top t.vmrt" Enter
	ok "a terminal that cannot move its cursor is said" see "cannot move its cursor"
fi
echo "1..$n"
exit "$failed"

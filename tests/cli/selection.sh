#!/bin/bash
# SPDX-License-Identifier: MIT
# The options that all formats of vmrt-export share mean the same in each: a table of formats, and what each option must do.
# And: long work shows on a terminal how far it is, and a file that is not whole never has its name.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-selection-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
"$top/tests/lib/made-up" 1 "$work/two.db" || exit 1
cd "$work" || exit 1

# FORMAT [OPTION...]: what can be written, one a line. Behind a bar, what of the run it shows: t the tasks, s the servers.
table='svg|ts
svg --figure cdf|t
svg --figure histogram|t
svg --figure misses|t
html|ts
perfetto|ts
csv|t
csv --table server_periods|s
csv --table slices|t
grasp|ts'
# What names nobody in its output: only that it can be written is tried.
binary='png
pdf
st'

# text FILE: what of an output can be read
text() { strings -n 2 "$1"; }

# shown WORDS HAS LACKS FORMAT...: names of tasks and servers that the output has to have, and must not have
shown() {
	local words=$1 has=$2 lacks=$3 name
	shift 3
	text out >out.txt
	for name in $has; do grep -q "$name" out.txt || { echo "$*: $words: $name is missing"; return 1; }; done
	for name in $lacks; do ! grep -q "$name" out.txt || { echo "$*: $words: $name is there"; return 1; }; done
}

# The names as each format writes them: of a task with its machine, or in CSV in two columns.
task() { # task MACHINE NAME FORMAT
	case $3 in
	csv) echo "^$1,.*$2," ;;
	perfetto) echo "$2" ;;
	*) echo "$1/$2" ;;
	esac
}

each() { # each COMMAND: with every line of the table, split into words, and what it shows
	local line
	while read -r line; do
		# shellcheck disable=SC2086 # words
		"$1" "${line#*|}" ${line%|*} || return 1
	done <<<"$table"
}

only_a_task() {
	local shows=$1 has='' lacks=''
	shift
	vmrt-export -q --format "$@" --task vm1/t0 -o out two.db || return 1
	[[ $shows != *t* ]] || has=$(task vm1 t0 "$1")
	[[ $shows != *t* || $1 = perfetto ]] || lacks="$(task vm1 t1 "$1") $(task vm2 t0 "$1")"
	[[ $shows != *s* ]] || { has+=" s1"; lacks+=" server.s2 ^s2,"; }
	shown "--task vm1/t0" "$has" "$lacks" "$@"
}

only_a_server() { # and with it the tasks of its VM
	local shows=$1 has='' lacks=''
	shift
	vmrt-export -q --format "$@" --server s2 -o out two.db || return 1
	[[ $shows != *t* ]] || has="$(task vm2 t0 "$1") $(task vm2 t1 "$1")"
	[[ $shows != *t* || $1 = perfetto ]] || lacks="$(task vm1 t0 "$1")"
	[[ $shows != *s* ]] || { has+=" s2"; lacks+=" server.s1 ^s1,"; }
	shown "--server s2" "$has" "$lacks" "$@"
}

a_server_without_tasks() { # of a VM for which none is declared: nothing of the other VM is shown
	cp two.db bare.db
	sqlite3 bare.db "DELETE FROM job WHERE task IN (SELECT id FROM task WHERE machine_name = 'vm2');
		UPDATE thread SET task = NULL WHERE task >= 200; DELETE FROM task WHERE machine_name = 'vm2'"
	vmrt-export -q --format svg --server s2 -o out bare.db && shown "--server s2" "server.s2" "vm1/t0" svg
}

a_part() { # is less than the whole, and what is behind the end is an error
	shift
	vmrt-export -q --format "$@" --to 400ms -o whole two.db && vmrt-export -q --format "$@" --from 100ms --to 150ms -o out two.db || return 1
	[ "$(wc -c <out)" -lt "$(wc -c <whole)" ] || [[ $* = *figure* ]] && ! cmp -s out whole || { echo "$*: the part is no part"; return 1; }
	exits 1 "it lasts 400 ms" --format "$@" --from 9s two.db || [[ $* = *figure* ]]
}

wrong_names() {
	shift
	exits 1 "nope" --format "$@" --task nope -o none two.db && exits 1 "nope" --format "$@" --server nope -o none two.db && [ ! -e none ]
}

around() { # a file each, of formats with an axis of time
	shift
	[[ $* != *figure* ]] || { exits 64 "--figure schedule" --format "$@" --around-misses 2 -o miss two.db; return; }
	rm -f miss*
	vmrt-export -q --format "$@" --around-misses 2 --task vm2/t1 --from 50ms -o miss.x two.db || return 1
	[ -s miss-1.x ] && [ -s miss-2.x ] && [ "$(find . -name 'miss*' | wc -l)" = 2 ] || { echo "$*: $(echo miss*)"; return 1; }
}

quiet() {
	shift
	vmrt-export --quiet --format "$@" -o out two.db 2>err && [ ! -s err ]
}

binary_too() {
	local f
	for f in $binary; do
		vmrt-export -q --format "$f" --task t0 --server s1 --from 100ms --to 200ms -o out two.db && [ -s out ] &&
			vmrt-export -q --format "$f" --around-misses 1 -o miss.x two.db && [ -s miss-1.x ] && rm miss-1.x &&
			exits 1 nope --format "$f" --task nope two.db && exits 1 nope --format "$f" --server nope two.db || { echo "$f"; return 1; }
	done
	vmrt-export -q --format st --server s2 -o out two.db && [ "$(strings -n 2 out | grep -c '^t[01]')" = 2 ]
}

# On a terminal, which script(1) makes; the reader is slow, so that the work is.
on_terminal() { script -qec "$1 | (sleep 1.5; cat >/dev/null)" /dev/null | tr '\r' '\n' | sed 's/ *$//' | grep .; }

progress() {
	"$top/tests/lib/many-jobs" 20000 many.db || return 1
	local format
	for format in csv html perfetto; do
		on_terminal "vmrt-export --format $format many.db" >said
		grep -qE '^vmrt-export: (writing, [0-9]+ %|[0-9]+ rows read)$' said || { echo "$format:"; cat said; return 1; }
		[ -z "$(on_terminal "vmrt-export --quiet --format $format many.db" | grep -v warning:)" ] || { echo "$format with --quiet"; return 1; }
	done
	vmrt-export --format csv many.db 2>err | (sleep 1.5; cat >/dev/null)
	[ ! -s err ]
}

# interrupted COMMAND...: by a signal in the middle; it must say so and leave no file called out*
interrupted() {
	local tries pid
	for tries in 0.05 0.1 0.2 0.02 0.01; do
		rm -f out*
		vmrt-export "$@" 2>err &
		pid=$!
		sleep $tries
		kill -TERM $pid 2>/dev/null
		wait $pid && continue # it was done before
		[ -z "$(find . -name 'out*')" ] || { echo "$*: left $(echo out*)"; return 1; }
		return 0
	done
	echo "$*: it was never interrupted"
	return 1
}

nothing_half_written() {
	[ -e many.db ] || "$top/tests/lib/many-jobs" 20000 many.db || return 1
	interrupted --format html -o out.html many.db && interrupted --format csv --table slices -o out.csv many.db &&
		interrupted --format grasp --split -o out.grasp many.db && interrupted --format html --around-misses 900 -o out.html many.db &&
		interrupted --format perfetto --around-misses 900 -o out.trace many.db
}

the_set_is_whole() { # a folder in the place of the third file: none of the files is written
	mkdir out-3.svg && exits 1 "out-3.svg" --format svg --around-misses 5 -o out.svg two.db && [ -z "$(find . -name 'out-*' -type f)" ]
}

ok "--task chooses the same in every format" each only_a_task
ok "--server chooses the same in every format" each only_a_server
ok "a server of a VM without tasks shows no other VM's" a_server_without_tasks
ok "--from and --to are a part in every format" each a_part
ok "a name that nobody has is an error in every format" each wrong_names
ok "--around-misses writes a file each in every format with an axis of time" each around
ok "--quiet is quiet in every format" each quiet
ok "png, pdf and st take the same options" binary_too
ok "long work shows on a terminal how far it is, and nowhere else" progress
ok "an export that is interrupted leaves no file" nothing_half_written
ok "of several files all are written or none" the_set_is_whole
ok "exit status 64 for several files without --output" exits 64 "need --output FILE" --format svg --around-misses 2 two.db
ok "exit status 64 for misses of several runs" exits 64 "does not go with --compare" --format svg --around-misses 2 -o x --compare two.db two.db
ok "exit status 64 for --split of another format" exits 64 "--split goes with --format grasp" --format html --split -o x two.db
ok "exit status 64 for an empty name" exits 64 "the name is empty" --format svg --task "" two.db
ok "a run without misses has none to be shown" sh -c 'sqlite3 two.db ".backup none.db" && sqlite3 none.db "UPDATE job SET outcome = '"'met'"'" && ! vmrt-export --format svg --around-misses 2 -o m.svg none.db 2>err && grep -q "has no miss" err'
echo "1..$n"
exit $failed

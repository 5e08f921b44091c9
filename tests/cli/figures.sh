#!/bin/bash
# SPDX-License-Identifier: MIT
# Figures of vmrt-export: valid, self-contained, with the numbers of the database, harmless names.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-figures-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
figures="schedule cdf histogram supply misses blame"

for run in none hsf; do
	cp -r "$top/tests/data/demo-$run.vmrt" "$work" && chmod -R u+w "$work/demo-$run.vmrt" &&
		vmrt-trace analyze -q "$work/demo-$run.vmrt" >/dev/null 2>&1
done
cd "$work" || exit 1

# It is XML, needs nothing else, runs nothing, and its text is text.
sound() { # sound FILE
	xmllint --noout "$1" || return 1
	! grep -niE '<script|<image|<foreignObject|href|url\([^#]|@import|javascript:| on[a-z]+=' "$1" || return 1
	[ "$(grep -c '<text' "$1")" -ge 3 ]
}

# A figure that librsvg draws is a PNG that is not all of one colour: it does not become tiny.
drawn() { # drawn FILE
	rsvg-convert "$1" -o drawn.png && [ "$(head -c 8 drawn.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] &&
		[ "$(wc -c <drawn.png)" -gt 2000 ]
}

every_figure() {
	local figure theme
	for figure in $figures; do
		for theme in light dark print; do
			vmrt-export --format svg --figure "$figure" --theme "$theme" -o f.svg demo-none.vmrt && sound f.svg || { echo "$figure $theme"; return 1; }
		done
		vmrt-export --format svg --figure "$figure" --width 84mm --compare without=demo-none.vmrt with=demo-hsf.vmrt >f.svg &&
			sound f.svg && drawn f.svg && grep -q '<svg [^>]*width="84mm"' f.svg && grep -q '>[^<]*with<' f.svg || { echo "$figure compared"; return 1; }
	done
}

# At 84 mm, no text is smaller than 6 points, and none is drawn outside on the right.
readable_in_a_column() {
	vmrt-export --format svg --width 84mm demo-none.vmrt >f.svg || return 1
	perl -ne 'if (/viewBox="0 0 ([0-9.]+) [0-9.]+" font-size="([0-9.]+)"/) { $w = $1; print "small\n" and exit 1 if $2 * 72 / 96 < 6 }
		if (/<text[^>]* x="([0-9.]+)"/) { exit 1 if $1 > $w }' f.svg
}

# Arrows up are releases, red ones with a cross are misses: as many as the database has in the part.
as_many_as_there_are() {
	local from to start arrows crosses
	vmrt-export --format svg --from 1s --to 1400ms demo-none.vmrt >f.svg || return 1
	start=$(sqlite3 demo-none.vmrt/run.db 'SELECT start_ns FROM run')
	from=$((start + 1000000000)) to=$((start + 1400000000))
	# the first two paths of class k are the arrows of task 1: releases, deadlines that were met
	arrows=$(grep -o '<path class="k" d="[^"]*"' f.svg | head -n 1 | grep -o 'z' | wc -l)
	crosses=$(grep -o '<path class="km" d="[^"]*"' f.svg | sed -n 1p | grep -o 'z' | wc -l)
	[ "$arrows" = "$(sqlite3 demo-none.vmrt/run.db "SELECT count(*) FROM jobs WHERE task = 'rt_task1' AND arrival_ns BETWEEN $from AND $to")" ] &&
		[ "$crosses" = "$(sqlite3 demo-none.vmrt/run.db "SELECT count(*) FROM jobs WHERE task = 'rt_task1' AND outcome LIKE 'missed%' AND deadline_ns BETWEEN $from AND $to")" ] ||
		{ echo "$arrows arrows, $crosses crosses"; return 1; }
}

# What is drawn as running is what the slices of task and vCPU have in common: 1 ms is a tenth of 1 % of a second.
runs_as_long() {
	local want got
	vmrt-export --format svg --width 10000px --from 500ms --to 1500ms --task rt_task1 demo-hsf.vmrt >f.svg || return 1
	got=$(perl -0777 -ne '/viewBox="0 0 ([0-9.]+)/; /class="axis" x1="([0-9.]+)"[^>]*x2="([0-9.]+)"/; $ms = 1000 / ($2 - $1);
		/<path class="a" d="([^"]*)"/; $d = $1; $sum += $1 while $d =~ /M[-0-9.]+ [-0-9.]+h([0-9.]+)v/g; printf "%.0f", $sum * $ms' f.svg)
	want=$(sqlite3 demo-hsf.vmrt/run.db "SELECT CAST(round(sum(exec_ns) / 1e6) AS INTEGER) FROM jobs, run AS r WHERE task = 'rt_task1' AND
		arrival_ns >= r.start_ns + 500000000 AND arrival_ns < r.start_ns + 1500000000")
	echo "drawn $got ms, executed $want ms"
	[ $((got - want)) -le 12 ] && [ $((want - got)) -le 12 ]
}

hostile_names() {
	local evil='</text><script>alert(1)</script>&\"'"'"'<image href=x onerror=y>'
	cp -r demo-none.vmrt evil.vmrt
	sqlite3 evil.vmrt/run.db "UPDATE run SET name = '${evil//\'/\'\'}'; UPDATE task SET name = name || '${evil//\'/\'\'}', machine_name = char(27) || machine_name;
		UPDATE vm SET name = '${evil//\'/\'\'}'; UPDATE server SET name = '${evil//\'/\'\'}'; UPDATE server SET enforced = 1"
	for figure in $figures; do
		vmrt-export --format svg --figure "$figure" --compare evil.vmrt demo-none.vmrt >f.svg || return 1
		xmllint --noout f.svg && ! grep -qE '<script|<image' f.svg || { echo "$figure"; return 1; }
	done
}

other_formats() { # by librsvg's tool
	vmrt-export --format pdf -o f.pdf demo-hsf.vmrt && [ "$(head -c 5 f.pdf)" = "%PDF-" ] &&
		vmrt-export --format png --width 84mm -o f.png demo-hsf.vmrt && [ "$(od -An -tu1 -j16 -N4 f.png | awk '{ print $3 * 256 + $4 }')" = 993 ]
}

bars() { # from a table of text
	printf '# first|second, ms (log)\ngroup <1>\ta\t10\t0.5\ngroup <1>\tb\t\t50\nother\tc\t3\tx\n' >bars.tsv
	vmrt-export --format svg --figure bars -o f.svg bars.tsv && sound f.svg && drawn f.svg &&
		[ "$(grep -c '<rect class="[abcd]"' f.svg)" = 4 ] && ! grep -q '<1>' f.svg && : >empty.tsv &&
		exits 1 "is no table of bars" --format svg --figure bars empty.tsv
}

nothing_half_written() {
	echo former >f.svg
	exits 1 "has nothing to draw" --format svg --figure supply --from 1s -o f.svg demo-hsf.vmrt && [ "$(cat f.svg)" = former ] &&
		[ -z "$(find . -name '*.new')" ]
}

page_has_the_answer_on_top() {
	vmrt-report --allow-loss --format html demo-none.vmrt >page.html
	perl -0777 -ne 'exit !(m{<dt>answer</dt>.*<svg .*?</svg>.*<details>.*<table data-table="servers"}s)' page.html &&
		vmrt-report --allow-loss --format html --compare demo-none.vmrt demo-hsf.vmrt >both.html &&
		perl -0777 -ne 'exit !(m{data-table="answer".*demo-none</text>.*demo-hsf</text>.*<details>}s)' both.html
}

if command -v rsvg-convert xmllint >/dev/null; then
	ok "every figure is sound in every theme, alone and compared" every_figure
	ok "figures can be read in a column of a paper" readable_in_a_column
	ok "arrows and crosses are as many as jobs and misses" as_many_as_there_are
	ok "what is drawn as running is what ran" runs_as_long
	ok "names from guests are text" hostile_names
	ok "pdf and png are made by rsvg-convert" other_formats
	ok "bars are drawn from a table" bars
	ok "a figure that cannot be drawn leaves the former one" nothing_half_written
	ok "pages begin with the answer and a schedule" page_has_the_answer_on_top
else
	echo "ok 1 - figures # SKIP rsvg-convert or xmllint is not installed"
	n=1
fi
ok "exit status 64 for a width that is none" exits 64 "is not a width" --format svg --width wide demo-hsf.vmrt
ok "exit status 64 for an unknown figure" exits 64 "schedule" --format svg --figure pie demo-hsf.vmrt
ok "exit status 64 for two runs without --compare" exits 64 "--compare" --format svg demo-hsf.vmrt demo-none.vmrt
ok "exit status 1 for a task that is not there" exits 1 "it has: demo/rt_task1, demo/rt_task2" --format svg --task nope demo-hsf.vmrt
echo "1..$n"
exit $failed

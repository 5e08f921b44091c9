#!/bin/bash
# SPDX-License-Identifier: MIT
# The page of vmrt-export --format html in headless Chromium: zoom, filter, jump, hover, themes; nothing is fetched or run.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-html-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
command -v chromium >/dev/null || { echo "1..0 # SKIP chromium is not installed"; exit 0; }

for run in none hsf; do
	cp -r "$top/tests/data/demo-$run.vmrt" "$work" && chmod -R u+w "$work/demo-$run.vmrt" &&
		vmrt-trace analyze -q "$work/demo-$run.vmrt" >/dev/null 2>&1
done
cd "$work" || exit 1
vmrt-export --format html -o page.html --compare without=demo-none.vmrt with=demo-hsf.vmrt

browse() { perl "$top/tests/lib/browse.pl" "$@"; }
db() { sqlite3 demo-none.vmrt/run.db "$1"; }

alone() { # no address, and a policy that forbids to fetch
	! grep -noE '(src|href)=|url\([^#]|https?:' page.html && grep -q "default-src 'none'" page.html
}

# One visit: what the page knows, the first miss, zoom, wheel, filter, themes; the console must stay clean.
visit() {
	browse page.html size=1200x700 light \
		'eval=[vmrt.state.misses.length, vmrt.data.runs[0].tasks[0].jobs.n, vmrt.state.rows.length, vmrt.state.ready < 20000]' \
		key=n 'eval=[vmrt.state.selected.k, vmrt.state.t0 <= vmrt.state.selected.at && vmrt.state.selected.at <= vmrt.state.t1, document.getElementById("details").textContent]' \
		'eval=(vmrt.before = vmrt.state.t1 - vmrt.state.t0)' key=+ 'eval=(vmrt.state.t1 - vmrt.state.t0) / vmrt.before' \
		'eval=(vmrt.before = vmrt.state.t0)' key=ArrowRight 'eval=vmrt.state.t0 > vmrt.before' \
		'eval=(vmrt.before = vmrt.state.t1 - vmrt.state.t0)' wheel=600,170,-200 'eval=vmrt.state.t1 - vmrt.state.t0 < vmrt.before' \
		key=0 'eval=[vmrt.state.t0, vmrt.state.t1 === vmrt.state.length]' \
		key=n key=p key=n move=600,170 'eval=[document.getElementById("tip").hidden, document.getElementById("tip").textContent.split("\n").length >= 6]' \
		'eval=(document.getElementById("text").focus(), 1)' key=k key=2 'eval=[document.getElementById("text").value, vmrt.state.rows.filter(r => r.kind === "task").length]' \
		'eval=(document.getElementById("vcpus").click(), vmrt.state.rows.filter(r => r.kind === "vcpu").length)' \
		'eval=getComputedStyle(document.body).backgroundColor' dark 'eval=getComputedStyle(document.body).backgroundColor' \
		print shot=page.png >answers 2>complaints || { cat complaints answers; return 1; }
	cat answers
}

answer() { sed -n "$1p" answers; }

knows_the_run() {
	[ "$(answer 1)" = "[$(db "SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'"),$(db "SELECT count(*) FROM jobs WHERE task = 'rt_task1'"),9,true]" ]
}

jumps_to_the_first_miss() {
	local k cause
	IFS='|' read -r k cause < <(db "SELECT k, cause FROM jobs WHERE outcome LIKE 'missed%' ORDER BY deadline_ns LIMIT 1")
	answer 2 | jq -e --arg k "$k" --arg cause "$cause" '(.[0] | tostring) == $k and .[1] and (.[2] | contains("job " + $k + ": missed, because of " + $cause)) and
		(.[2] | contains("time went to"))'
}

zooms_and_moves() {
	[ "$(answer 4)" = 0.5 ] && [ "$(answer 6)" = true ] && [ "$(answer 8)" = true ] && [ "$(answer 9)" = "[0,true]" ]
}

hovers_and_filters() {
	[ "$(answer 10)" = "[false,true]" ] && [ "$(answer 12)" = '["k2",2]' ] && [ "$(answer 13)" = 0 ]
}

themes_and_print() {
	[ "$(answer 14)" = '"rgb(255, 255, 255)"' ] && [ "$(answer 15)" = '"rgb(22, 24, 28)"' ] && [ "$(answer 16)" -gt 5000 ] && [ "$(wc -c <page.png)" -gt 10000 ]
}

hostile_names() {
	cp -r demo-none.vmrt evil.vmrt
	sqlite3 evil.vmrt/run.db "UPDATE run SET name = '</script><script>pwned=1</script>'; UPDATE task SET name = '</script><img src=x onerror=pwned=1>' || name;
		UPDATE vm SET name = '\"};pwned=1;//' || char(8232); UPDATE job SET cause = '<b>' || cause; UPDATE blame SET part = '</script>' || part WHERE part = 'exec'"
	vmrt-export --format html evil.vmrt >evil.html && browse evil.html key=n 'eval=[typeof pwned, vmrt.data.runs.length, document.images.length]' >answers &&
		[ "$(answer 1)" = '["undefined",1,0]' ]
}

many_jobs() { # can be used: every step is done in less than half a second, on a machine that has other work, too
	"$top/tests/lib/many-jobs" 100000 many.db && vmrt-export --format html -o many.html many.db &&
		browse many.html size=1200x700 'eval=[vmrt.state.misses.length, vmrt.state.ready]' key=n \
			'eval=(() => { const t = performance.now(); vmrt.show(0, vmrt.state.length); return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - t)))); })()' \
			'eval=vmrt.data.runs[0].tasks.reduce((n, t) => n + t.jobs.n, 0)' >answers || return 1
	cat answers
	[ "$(answer 1 | jq '.[0]')" = 2000 ] && answer 1 | jq -e '.[1] < 10000' && answer 2 | jq -e '. < 3000' && [ "$(answer 3)" = 100000 ]
}

ok "the page needs nothing else" alone
ok "a visit leaves the console clean" visit
ok "the page has the jobs and misses of the database" knows_the_run
ok "the next miss is shown with its cause and where its time went" jumps_to_the_first_miss
ok "keys and wheel zoom and move" zooms_and_moves
ok "hovering shows a job's times, and filters choose rows" hovers_and_filters
ok "themes and print" themes_and_print
ok "names are text" hostile_names
ok "100,000 jobs can be used" many_jobs
# A stranger's run of 73 years whose end is looked at: there the page's numbers do not grow by 1 any more.
far_times_are_drawn() {
	cp demo-none.vmrt/run.db far.db && sqlite3 far.db "UPDATE run SET start_ns = 0, end_ns = (1 << 61) - 2" && vmrt-export --format html -o far.html far.db 2>far.err || { cat far.err; return 1; }
	browse far.html size=1200x700 'eval=(vmrt.show(vmrt.state.length - 1000, vmrt.state.length), 1)' \
		'eval=new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(vmrt.state.t1 === vmrt.state.length))))' >far.answers 2>&1 || { cat far.answers; return 1; }
	[ "$(tail -n 1 far.answers)" = true ]
}
ok "times at the end of a stranger's long run are drawn" far_times_are_drawn

echo "1..$n"
exit $failed

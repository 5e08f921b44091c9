#!/bin/bash
# SPDX-License-Identifier: MIT
# Every recipe of docs/cookbook.md is run, and says something; some answers are compared with those of vmrt-report.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-cookbook-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
# where Debian's pandas is
python=$(command -v /usr/bin/python3 || echo python3)

for run in none hsf; do
	cp -r "$top/tests/data/demo-$run.vmrt" "$work/$run.vmrt" && chmod -R u+w "$work/$run.vmrt" &&
		vmrt-trace analyze -q "$work/$run.vmrt" >/dev/null 2>&1
done
# recipes, a file each: NUMBER.LANGUAGE.RUN
mkdir "$work/recipes"
awk -v to="$work/recipes/" '/^```[a-z]/ { n++; split(substr($0, 4), w, " "); file = sprintf("%s%02d.%s.%s", to, n, w[1], w[2]); next }
	/^```$/ { file = ""; next } file { print > file }' docs/cookbook.md
cd "$work" || exit 1

recipe() { # recipe FILE: it succeeds, and what asks something says something
	local kind run
	IFS=. read -r _ kind run <<<"$(basename "$1")"
	case $kind in
	sql) sqlite3 -header "$run.vmrt/run.db" <"$1" >"$1.out" 2>&1 && ! grep -qi '^.*error' "$1.out" && [ "$(wc -l <"$1.out")" -ge 2 ] ;;
	sh) sh -e "$1" >"$1.out" 2>"$1.err" ;;
	python) $python -W error::FutureWarning "$1" >"$1.out" 2>&1 && [ "$(wc -l <"$1.out")" -ge 3 ] ;;
	*) false ;;
	esac || { cat "$1" "$1.out"; return 1; }
}

answers_agree() { # the worst job, and the miss ratio with its interval, with vmrt-report
	[ "$(sed -n 2p recipes/01.sql.none.out | cut -d'|' -f1,2)" = \
		"$(vmrt-report --format csv --table worst --task rt_task2 --worst 1 none.vmrt | sed -n 2p | awk -F, '{ sub(".*/", "", $2); print $2 "|" $3 }')" ] &&
		[ "$(grep '^rt_task1|' recipes/04.sql.none.out | cut -d'|' -f4-6)" = \
			"$(vmrt-report --format json none.vmrt | jq -r '.runs[0].tasks[] | select(.task == "demo/rt_task1") | [.miss_ratio, .miss_low, .miss_high] |
				map(. * 10000 | round / 100) | join("|")' | sed 's/^\([0-9]*\)|/\1.0|/')" ]
}

for file in recipes/*; do
	case $file in
	*.python.*) $python -c 'import pandas' 2>/dev/null || { n=$((n + 1)); echo "ok $n - recipe $(basename "$file" .) # SKIP pandas is not installed"; continue; } ;;
	esac
	ok "recipe $(basename "$file") works" recipe "$file"
done
ok "there are recipes" [ "$n" -ge 12 ]
ok "answers are those of vmrt-report" answers_agree
echo "1..$n"
exit $failed

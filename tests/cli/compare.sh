#!/bin/bash
# SPDX-License-Identifier: MIT
# vmrt-report --compare and --fail-if on the small runs of tests/data.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
root=$PWD
work=$(mktemp -d /tmp/vmrt-compare-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-report
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH

small_runs "$work/runs"
cd "$work/runs" || exit 1

# many NAME N FACTOR OFFSET: a run of N jobs whose response times come from a linear congruence, met up to 20 ms
many() {
	cp -r nohsf.vmrt "$1.vmrt"
	sqlite3 "$1.vmrt/run.db" "DELETE FROM job; WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < $2 - 1)
		INSERT INTO job(task, k, thread, arrival_ns, arrival_local_ns, response_ns, outcome, excused, inferred, skipped, preemptions, migrations)
		SELECT 1, k, 2, k * 20000000, k * 20000000, (k * $3 + $4) % 1009 * 20000 + $4 * 1000,
		CASE WHEN (k * $3 + $4) % 1009 * 20000 + $4 * 1000 > 20000000 THEN 'missed' ELSE 'met' END, 0, 0, 0, 0, 0 FROM n"
}
many base-1 900 7919 13
many base-2 700 7907 100
many other 1200 7901 500

responses() { for r; do sqlite3 "$r.vmrt/run.db" "SELECT response_ns FROM job"; done; }
compared() { vmrt-report --compare --format json "$@" | jq -r ".comparison"; }

# From the definition, with all pairs: U and p by the normal distribution with the variance of the ranks there are.
rank_test_agrees() {
	responses base-1 >a
	responses other >b
	want=$(awk 'FNR == NR { x[++n] = $1; next } { y[++m] = $1 }
		END {
			for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) u += x[i] < y[j] ? 1 : x[i] == y[j] ? 0.5 : 0
			for (i = 1; i <= n; i++) c[x[i]]++
			for (j = 1; j <= m; j++) c[y[j]]++
			N = n + m
			for (v in c) t += c[v] ^ 3 - c[v]
			z = ((u > n * m / 2 ? u - n * m / 2 : n * m / 2 - u) - 0.5) / sqrt(n * m / 12 * (N + 1 - t / N / (N - 1)))
			# the tail of the normal distribution by its series
			term = z; sum = z
			for (k = 1; k < 300; k++) { term *= -z * z / 2 / k; sum += term / (2 * k + 1) }
			printf "%.9f %.9f\n", u / n / m, 1 - 2 * sum / sqrt(2 * 3.14159265358979)
		}' a b)
	got=$(compared base-1.vmrt other.vmrt | jq -r '.tests[] | select(.task == "demo/rt_task1" and .metric == "responses") | "\(.superiority) \(.p)"')
	echo "wanted $want, got $got"
	awk -v w="$want" -v g="$got" 'BEGIN { split(w, x); split(g, y); d = x[1] - y[1]; e = x[2] - y[2]
		exit !(d < 1e-6 && d > -1e-6 && e < 1e-6 && e > -1e-6) }'
}

# Of both runs together, sorted, by nearest rank.
pooled_percentiles_agree() {
	responses base-1 base-2 | sort -n >all
	for p in 50:p50 95:p95 99:p99 99.9:p999; do
		want=$(awk -v p="${p%:*}" '{ v[NR] = $1 } END { r = p * NR / 100; i = int(r); print v[i < r ? i + 1 : i] }' all)
		got=$(compared base-1.vmrt,base-2.vmrt other.vmrt |
			jq ".tasks[] | select(.task == \"demo/rt_task1\" and .metric == \"response_${p#*:}\").value_base")
		[ "$want" = "$got" ] || { echo "$p: wanted $want, got $got"; return 1; }
	done
}

spread_is_shown() {
	compared base-1.vmrt,base-2.vmrt other.vmrt | jq -e '.spread[] | select(.task == "demo/rt_task1" and .metric == "jobs") |
		.run == "base" and .runs == 2 and .lowest == 700 and .highest == 900 and .pooled == 1600' &&
		compared base-1.vmrt,base-2.vmrt other.vmrt | jq -e '[.spread[].run] | unique == ["base"]'
}

# Drawing all values anew, a thousand times, by another program: the ends of the intervals must be near each other.
bootstrap_agrees() {
	responses base-1 | sort -n >a
	responses other | sort -n >b
	want=$(awk 'FNR == NR { x[++n] = $1; next } { y[++m] = $1 }
		function draw(v, n,   i, c, seen, r, left) {
			split("", c)
			for (i = 0; i < n; i++) c[1 + int(rand() * n)]++
			r = int(0.95 * n); if (r < 0.95 * n) r++
			for (i = 1; i <= n; i++) { seen += c[i]; if (seen >= r) return v[i] }
		}
		END { srand(4); for (k = 0; k < 1000; k++) printf "%.0f\n", draw(y, m) - draw(x, n) }' a b | sort -n | sed -n '25p;975p')
	got=$(compared base-1.vmrt other.vmrt | jq -r '.tests[] | select(.task == "demo/rt_task1" and .metric == "response_p95") | .low, .high')
	echo wanted "$want", got "$got"
	# ends differ by chance; the interval is some 300 us wide
	printf '%s\n%s\n' "$want" "$got" | awk '{ v[NR] = $1 } END { w = v[2] - v[1]; a = v[3] - v[1]; b = v[4] - v[2]
		exit !(w > 0 && a < w / 4 && a > -w / 4 && b < w / 4 && b > -w / 4) }'
}

ratio_and_difference() { # of the values beside them
	compared base-1.vmrt other.vmrt | jq -e '[.tasks[] | select(.task == "demo/rt_task1" and .value_other != null and ."value_base-1" != null and ."value_base-1" != 0) |
		(((.value_other / ."value_base-1") - .ratio_other) | fabs) < 1e-6 and
		(((.value_other - ."value_base-1") - .difference_other) | fabs) < 1e-6] | length > 15 and all'
}

seeds() {
	compared base-1.vmrt other.vmrt >one
	compared base-1.vmrt other.vmrt >two
	compared --seed 7 base-1.vmrt other.vmrt >three
	cmp one two && ! cmp -s one three && ! jq -e '.tests[] | select(.low != null and .metric != "response_p99" and .low >= .high)' one
}

feasibility_differs() {
	cp -r base-1.vmrt less.vmrt
	sqlite3 less.vmrt/run.db "UPDATE server SET budget_ns = 4000000"
	exits 0 "" --full --compare base-1.vmrt less.vmrt &&
		grep -q "not feasible here and feasible there" "$work/out" &&
		compared base-1.vmrt less.vmrt | jq -e '[.tests[] | select(.task == "demo/rt_task1")] |
			all(.p == null and .low == null and .comparable == false and .test == "not comparable")'
}

verdict() { # verdict STATUS CONDITION RUN...
	local want=$1 condition=$2
	shift 2
	exits "$want" "" --fail-if "$condition" "$@"
}

conditions_in_every_format() {
	for format in text markdown csv json jsonl latex; do
		vmrt-report --format $format --table conditions --fail-if 'miss(rt_task1) > 79%' nohsf.vmrt >"$work/out" 2>/dev/null
		[ $? = 2 ] && grep -q violated "$work/out" || { echo "$format"; cat "$work/out"; return 1; }
	done
}

ok "Mann-Whitney's test agrees with one made of all pairs" rank_test_agrees
ok "percentiles of repetitions are those of all their jobs" pooled_percentiles_agree
ok "the spread between repetitions is shown" spread_is_shown
ok "bootstrap intervals agree with drawing all values anew" bootstrap_agrees
ok "differences and ratios are those of the values" ratio_and_difference
ok "the seed decides the intervals" seeds
ok "runs of different feasibility are not compared" feasibility_differs
ok "--pool finds the repetitions" exits 0 "" --compare --pool base-1.vmrt base-2.vmrt hsf.vmrt --allow-loss
ok "--pool of one experiment alone leaves nothing to compare" exits 1 "nothing to compare" --compare --pool base-1.vmrt base-2.vmrt
ok "--pool without --compare is a usage error" exits 64 "goes with --compare" --pool base-1.vmrt
ok "a run that is no repetition is refused" exits 1 "is no repetition of" --compare base-1.vmrt base-1.vmrt,hsf.vmrt
ok "a bad seed is a usage error" exits 64 "--seed 'x': give a whole number" --compare --seed x base-1.vmrt other.vmrt
ok "exit status 2 for a condition that is true" verdict 2 'miss(rt_task1) > 79%' nohsf.vmrt
ok "it is said which one" grep -qF "'miss(rt_task1) > 79%' is true of demo/rt_task1" "$work/err"
ok "exit status 0 for one that is not" verdict 0 'miss(rt_task1) > 80%' nohsf.vmrt
ok "exit status 3 where loss leaves it open" verdict 3 'miss(rt_task1) > 50%' hsf.vmrt
ok "it is said why" grep -q "1 job of unknown outcome" "$work/out"
ok "exit status 2 where loss cannot change it" verdict 2 'miss(rt_task1) > 42%' hsf.vmrt
ok "exit status 0 where loss cannot change it" verdict 0 'miss(rt_task1) > 58%' hsf.vmrt
ok "--allow-loss takes what is known" verdict 0 'miss(rt_task1) > 50%' --allow-loss hsf.vmrt
ok "one violated condition is enough" exits 2 "" --fail-if 'miss(rt_task1) > 80%' --fail-if 'loss > 6' hsf.vmrt
ok "violated goes before unknown" exits 2 "" --fail-if 'miss(rt_task1) > 50%' --fail-if 'loss > 6' hsf.vmrt
ok "every one of several runs has to keep it" verdict 2 'miss(rt_task1) > 60%' hsf.vmrt nohsf.vmrt
ok "each variant of a comparison is judged" verdict 2 'jobs(rt_task1) < 1000' --compare base-1.vmrt,base-2.vmrt base-2.vmrt
ok "but for the base of 1600 jobs" sh -c '[ $(grep -c " violated" "$1") = 1 ]' - "$work/out"
ok "exit status 1 for a task that is not there" exits 1 "has no task rt_task9" --fail-if 'miss(rt_task9) > 1%' hsf.vmrt
ok "and those that are there are named" exits 1 "(did you mean demo/rt_task1?)" --fail-if 'miss(rt_tsk1) > 1%' hsf.vmrt
# Each metric that the error about an unknown one lists is in the man page, in bold.
man_page_names_all_metrics() {
	vmrt-report --fail-if 'no_such > 1' hsf.vmrt 2>&1 | sed -n 's/.*there are //p' | tr ' ' '\n' | grep -v '^response_p[0-9]\|\.\.\.' >"$work/metrics"
	[ "$(wc -l <"$work/metrics")" -ge 20 ] || return 1
	while read -r metric; do
		tr -d '\\' <"$root/docs/vmrt-report.1.scd" | grep -q "\*$metric\*" || { echo "# docs/vmrt-report.1.scd does not name $metric"; return 1; }
	done <"$work/metrics"
}
ok "the man page names all metrics of conditions" man_page_names_all_metrics
ok "exit status 64 for a condition that cannot be read" exits 64 "character 9, 'ms'" --fail-if 'miss > 1ms' hsf.vmrt
ok "conditions are in every format" conditions_in_every_format
echo "1..$n"
exit $failed

# shellcheck shell=bash
# What scripts/experiment can measure of a run to stand beside published values: `measure DATABASE NAME [WHICH]`.

# sql DATABASE QUERY: one line; rows are separated by semicolons, columns by commas
sql() { sqlite3 -batch -noheader -separator ', ' "$1" "$2" | paste -sd ';' | sed 's/;/; /g'; }

# longest distance between starts of successive jobs of a task
measure_gap() {
	sql "$1" "SELECT round(max(d) / 1e6, 1) || ' ms' FROM
		(SELECT start_ns - lag(start_ns) OVER (ORDER BY k) d FROM jobs WHERE task = '$2')"
}

# how a VM without a server was scheduled of itself: medians, and from the 10th to the 90th percentile
measure_natural() {
	sql "$1" "SELECT 'period ' || round(period_p50_ns / 1e6, 1) || ' ms (' || round(period_p10_ns / 1e6, 1) || '-' ||
		round(period_p90_ns / 1e6, 1) || '), supply ' || round(supply_p50_ns / 1e6, 1) || ' ms (' ||
		round(supply_p10_ns / 1e6, 1) || '-' || round(supply_p90_ns / 1e6, 1) || ')'
		FROM natural n JOIN vm v ON v.id = n.vm WHERE v.name = '$2'"
}

# mean length of a server's periods, and what it got in those in which it used up its budget
measure_supply() {
	sql "$1" "SELECT 'period ' || round(avg(end_ns - start_ns) / 1e6, 2) || ' ms, supply ' || round(avg(consumed_ns) / 1e6, 2) || ' ms'
		FROM server_periods WHERE server = '$2' AND outcome = 'depleted'"
}

# consumption of a server in its periods
measure_consumption() {
	sql "$1" "WITH w AS (SELECT consumed_ns / 1e6 ms, row_number() OVER (ORDER BY consumed_ns) r, count(*) OVER () n
			FROM server_periods WHERE server = '$2' AND outcome IN ('served', 'depleted', 'unenforced'))
		SELECT 'p10 ' || round((SELECT ms FROM w WHERE r = max(1, (n + 9) / 10)), 1) || ', p50 ' ||
		round((SELECT ms FROM w WHERE r = (n + 1) / 2), 1) || ', p90 ' || round((SELECT ms FROM w WHERE r = (9 * n + 9) / 10), 1) ||
		', mean ' || round(avg(ms), 2) || ' ms' FROM w"
}

# longest response time of every task
measure_responses() {
	sql "$1" "SELECT task || ' ' || round(max(response_ns) / 1e6, 1) || ' ms' FROM jobs
		WHERE outcome IN ('met', 'missed') GROUP BY machine, task"
}

# measure DATABASE NAME [WHICH]
measure() {
	declare -F "measure_$2" >/dev/null || die "there is nothing called '$2' to be measured"
	"measure_$2" "$1" "${3:-}"
}

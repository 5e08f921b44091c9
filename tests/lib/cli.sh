# shellcheck shell=bash
# What the command-line tests in shell share; sourced, after work (a folder) and tool (the program) are set.
# shellcheck disable=SC2154,SC2034 # work and tool are the sourcing script's, and it reads n and failed
n=0 failed=0

ok() { # ok WORDS COMMAND...: the command must succeed
	local words=$1
	shift
	n=$((n + 1))
	if "$@" >"$work/log" 2>&1; then
		echo "ok $n - $words"
	else
		echo "not ok $n - $words"
		sed 's/^/# /' "$work/log" | head -n 30
		failed=1
	fi
}

exits() { # exits STATUS WORDS-IN-STDERR ARGUMENT...
	local want=$1 words=$2 got
	shift 2
	"$tool" "$@" >"$work/out" 2>"$work/err"
	got=$?
	[ "$got" = "$want" ] || { echo "exit status $got, not $want"; cat "$work/err"; return 1; }
	[ -z "$words" ] || grep -qF -- "$words" "$work/err" || { echo "'$words' is not said:"; cat "$work/err"; return 1; }
}

# small_runs FOLDER: makes it, with the runs hsf.vmrt and nohsf.vmrt of tests/data, whose facts are known
small_runs() {
	local run
	mkdir "$1"
	for run in hsf nohsf; do
		mkdir "$1/$run.vmrt"
		tests/lib/make-db "tests/data/small-$run.sql" "$1/$run.vmrt/run.db" || exit 1
	done
}

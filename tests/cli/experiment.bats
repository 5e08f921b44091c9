#!/usr/bin/env bats
# scripts/experiment without VMs: what it knows, and what it says of recordings that are there.
load ../lib/setup.bash

setup() {
	find_build
	work=$BATS_TEST_TMPDIR
}

# A build folder of its own, with the programs of the real one and the recordings of an experiment called NAME.
recorded() {
	mkdir -p "$work/b/experiments/$1"
	ln -s "$O/bin" "$work/b/bin"
	for run in none hsf; do
		cp -r "$root/tests/data/demo-$run.vmrt" "$work/b/experiments/$1/$run.vmrt"
		chmod -R u+w "$work/b/experiments/$1/$run.vmrt"
		"$O/bin/vmrt-trace" analyze -q "$work/b/experiments/$1/$run.vmrt"
	done
	{
		printf ';@ title: as it was\n;@ run: none\n;@ run: hsf --hsf\n'
		cat "$root/experiments/demo.ini"
	} >"$work/$1.ini"
}

run_experiment() {
	run env O="$work/b" "$root/scripts/experiment" "$work/$1.ini" --analyze
	echo "$output"
}

@test "every experiment is listed with its title" {
	run "$root/scripts/experiment" --list
	echo "$output"
	[ "$status" -eq 0 ]
	for name in p0 p1 p2 p3 p4 p5 p6 memsched-core0 memsched-core1; do
		grep -qE "^$name +[A-Z]" <<<"$output"
	done
}

@test "every experiment is one that all programs read, and its conditions can be read" {
	for file in "$root"/experiments/*.ini; do
		echo "$file"
		"$O/bin/vmrt-report" --advise --margin 0 --format json "$file" >/dev/null || [ $? -eq 2 ]
		while IFS='|' read -r run condition _; do
			grep -qE "^;@ run: $(tr -d ' ' <<<"$run")( |$)" "$file"
			run "$O/bin/vmrt-report" --fail-if "$condition" "$work/nothing"
			echo "$output"
			[ "$status" -eq 1 ] # not 64: the run is missing, nothing else is wrong
		done < <(sed -n 's/^;@ expect: //p' "$file")
	done
}

@test "what is as expected is said so, with what was measured and published" {
	recorded demo
	cat >>"$work/demo.ini" <<-'END'
		;@ expect: none | miss(rt_task1) > 20% | three compete
		;@ expect: hsf | miss(rt_task1) == 0% | R = 12 ms
		;@ published: hsf | supply demo | 12 ms, 10 ms | nobody
	END
	run_experiment demo
	[ "$status" -eq 0 ]
	grep -qE 'none +miss\(rt_task1\) > 20% +yes +73.00 %' <<<"$output"
	grep -qE 'hsf +miss\(rt_task1\) == 0% +yes +0.00 %' <<<"$output"
	want=$(sqlite3 "$work/b/experiments/demo/hsf.vmrt/run.db" "SELECT round(avg(consumed_ns) / 1e6, 2) FROM server_periods WHERE outcome = 'depleted'")
	grep -qF "period 12.0 ms, supply $want ms" <<<"$output"
	grep -qF "published: 12 ms, 10 ms (nobody)" <<<"$output"
}

@test "what is not as expected is exit status 2, what cannot be known 3" {
	recorded other
	echo ';@ expect: hsf | miss(rt_task1) > 20% | it does not' >>"$work/other.ini"
	run_experiment other
	[ "$status" -eq 2 ]
	grep -qE 'hsf +miss\(rt_task1\) > 20% +NO +0.00 %' <<<"$output"
	sed -i 's/^;@ expect.*/;@ expect: none | overshoot(demo) < 1ms | nobody enforced it/' "$work/other.ini"
	run_experiment other
	[ "$status" -eq 3 ]
	grep -qE 'none +overshoot\(demo\) < 1ms +unknown' <<<"$output"
}

@test "repetitions are compared as one variant" {
	recorded twice
	mv "$work/b/experiments/twice/none.vmrt" "$work/b/experiments/twice/none-1.vmrt"
	cp -r "$work/b/experiments/twice/none-1.vmrt" "$work/b/experiments/twice/none-2.vmrt"
	echo ';@ expect: none | miss(rt_task1) > 20% | in each of them' >>"$work/twice.ini"
	run_experiment twice
	[ "$status" -eq 0 ]
	grep -qE 'none +miss\(rt_task1\) > 20% +yes +73.00 %, 73.00 %' <<<"$output"
	grep -q "Spread between repetitions" <<<"$output"
	grep -qE "^jobs +200 +100" <<<"$output"
}

@test "wrong arguments are usage errors, and what is missing is said" {
	run "$root/scripts/experiment"
	[ "$status" -eq 64 ]
	run "$root/scripts/experiment" p3 --repeat 0
	[ "$status" -eq 64 ]
	run "$root/scripts/experiment" p3 p4
	[ "$status" -eq 64 ]
	run "$root/scripts/experiment" p99
	[ "$status" -eq 1 ]
	[[ $output = *"--list"* ]]
	run "$root/scripts/experiment" demo
	[ "$status" -eq 1 ]
	[[ $output = *"does not say how to run it"* ]]
	run env O="$work/none" "$root/scripts/experiment" p3 --analyze
	[ "$status" -eq 1 ]
	[[ $output = *"no recording of run none"* ]]
}

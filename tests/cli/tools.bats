#!/usr/bin/env bats
# What every program owes its user: help, version, completion, exit status, a man page with every option.
load ../lib/setup.bash

setup() {
	find_build
	tools="vmrt-trace vmrt-agent vmrt-report vmrt-top vmrt-export vmrt-hsf vmrt-load"
}

# commands TOOL: its sub-commands, or nothing
commands() { "$O/bin/$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }

@test "every program is built" {
	for t in $tools; do [ -x "$O/bin/$t" ]; done
}

@test "--help prints to stdout and exits 0" {
	for t in $tools; do
		run "$O/bin/$t" --help
		[ "$status" -eq 0 ]
		[[ $output = *Usage:*"$t"* ]]
		for c in $(commands "$t"); do
			run "$O/bin/$t" "$c" --help
			[ "$status" -eq 0 ]
			[[ $output = *Usage:*"$t $c"* ]]
		done
	done
}

@test "no help says of an option twice that it may be repeated" {
	local t c
	for t in $tools; do
		for c in '' $(commands "$t"); do
			! "$O/bin/$t" $c --help | tr -s ' \n' ' ' | grep -o '[^ ]* may be repeated; may be repeated' || { echo "$t $c"; false; }
		done
	done
}

@test "--version names the program and the version" {
	for t in $tools; do
		run "$O/bin/$t" --version
		[ "$status" -eq 0 ]
		[[ $output = "$t (vmrt) "[0-9]* ]]
	done
}

@test "an unknown option is a usage error: status 64 and the option's name" {
	for t in $tools; do
		run "$O/bin/$t" --no-such-option
		[ "$status" -eq 64 ]
		[[ $output = *no-such-option* ]]
		for c in $(commands "$t"); do
			run "$O/bin/$t" "$c" --no-such-option
			[ "$status" -eq 64 ]
		done
	done
}

@test "the completion script is bash and knows every option" {
	for t in $tools; do
		script=$("$O/bin/$t" --completion bash)
		bash -n <<<"$script"
		for c in "" $(commands "$t"); do
			for option in $("$O/bin/$t" $c --help | grep -oE '^ +(-., +)?--[a-z-]+' | grep -oE '\-\-[a-z-]+'); do
				[[ $script = *"$option"* || $option = --completion ]] || { echo "$t $c: $option"; false; }
			done
		done
	done
}

@test "every program has a man page, which names every option" {
	for t in $tools; do
		page=$root/docs/$t.1.scd
		[ -r "$page" ] || { echo "no man page: $page"; false; }
		scdoc <"$page" >/dev/null
		for c in "" $(commands "$t"); do
			for option in $("$O/bin/$t" $c --help | grep -oE '^ +(-., +)?--[a-z-]+' | grep -oE '\-\-[a-z-]+'); do
				case $option in --help | --usage | --version | --completion) continue ;; esac
				grep -qE -- "${option}\b" "$page" || { echo "$page lacks $option"; false; }
			done
		done
	done
}

@test "the man page names the argument and the default of every option" {
	for t in $tools; do
		page=docs/$t.1.scd
		while IFS=$'\t' read -r command name arg standard; do
			[ "$name" = quiet ] || grep -qE -- "--$name\\b" "$page" || { echo "$page lacks --$name"; false; }
			case $standard in
			-) ;;
			# a default with blanks is described in the page in its own words
			*' '*) ;;
			*) grep -qF -- "$standard" "$page" || { echo "$page lacks the default $standard of $command --$name"; false; } ;;
			esac
			[ "$arg" = - ] || [ -n "$arg" ]
		done < <("$O/bin/$t" --completion table)
	done
}

@test "the man page names every value of an option that takes words" {
	local n=0 missing=0
	for t in $tools; do
		page=docs/$t.1.scd
		while IFS= read -r values; do
			for value in $values; do
				tr -d '\\' <"$page" | grep -qE -- "(^|[^A-Za-z])$value([^A-Za-z]|\$)" || { echo "$page lacks $value"; missing=1; }
				n=$((n + 1))
			done
		done < <("$O/bin/$t" --completion bash | sed -n "s/.*kind='value' values='\([^']*\)'.*/\1/p")
	done
	[ "$n" -gt 40 ] && [ "$missing" = 0 ]
}

@test "the man page of experiment files names every word that a key takes" {
	local section key words
	while IFS=: read -r section key; do
		printf '[%s]\n%s = no_such_word\n' "$section" "$key" >"$BATS_TEST_TMPDIR/e.ini"
		run "$O/bin/vmrt-hsf" run "$BATS_TEST_TMPDIR/e.ini"
		words=$(sed -n 's/.*allowed are //p' <<<"$output" | sed 's/,//g; s/ and / /')
		[ "$(wc -w <<<"$words")" -ge 2 ] || { echo "$section $key: $output"; false; }
		for word in $words; do
			tr -d '\\' <docs/vmrt-experiment.5.scd | grep -qF "*$word*" || { echo "docs/vmrt-experiment.5.scd lacks *$word*"; false; }
		done
	done <<-END
		server x:policy
		server x:depletion
		server x:background
		task vm/x:release
	END
}

@test "the man page has the letter of every option" {
	cd "$root"
	for t in $tools; do
		page=docs/$t.1.scd
		for c in "" $(commands "$t"); do
			while read -r letter name; do
				case $name in --help | --usage | --version) continue ;; esac
				grep -qF -- "*$letter*, *$name*" "$page" || { echo "$page lacks $letter of $name"; false; }
			done < <("$O/bin/$t" $c --help | sed -nE 's/^ +(-.), (--[a-z-]+).*/\1 \2/p')
		done
	done
}

@test "a mistyped command is guessed" {
	run "$O/bin/vmrt-trace" recrod
	[ "$status" -eq 64 ]
	[[ $output = *"did you mean record?"* ]]
	run "$O/bin/vmrt-hsf" banana
	[ "$status" -eq 64 ]
	[[ $output = *"--help"* ]]
}

# completes WORD...: what completion offers for the last word, each on a line
completes() {
	local words=("$@")
	COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMPREPLY=()
	PATH=$O/bin:$PATH "_${1//-/_}"
	printf '%s\n' "${COMPREPLY[@]}"
}

load_completion() {
	for t in $tools; do
		eval "$("$O/bin/$t" --completion bash)"
	done
}

@test "completion knows the values of an option" {
	load_completion
	[ "$(completes vmrt-report --format j | xargs)" = "json jsonl junit" ]
	[ "$(completes vmrt-report trend -f j | xargs)" = "json jsonl" ]
	# bash makes three words of --format=j
	[ "$(completes vmrt-report --format = j | xargs)" = "json jsonl junit" ]
	[ "$(completes vmrt-report --table hi)" = histogram ]
	[ "$(completes vmrt-report tr)" = trend ]
	[ "$(completes vmrt-trace re | xargs)" = "record reset" ]
	[ "$(completes vmrt-top --page ti)" = timeline ]
	# every choice that --help lists
	[ "$(completes vmrt-export --figure '' | xargs)" = "schedule cdf histogram supply misses blame bars" ]
}

@test "completion offers what may follow, and nothing else" {
	load_completion
	cd "$BATS_TEST_TMPDIR"
	mkdir x.vmrt
	# options only where one begins, no files where a number or a time is wanted
	[ "$(completes vmrt-report '' | xargs)" = "push trend x.vmrt" ]
	[ "$(completes vmrt-report --worst '')" = "" ]
	[ "$(completes vmrt-trace tasks --duration '')" = "" ]
	[ "$(completes vmrt-trace vms '')" = "" ]
	[ "$(completes vmrt-trace record --output '')" = x.vmrt ]
	[ "$(completes vmrt-trace record --force -- catchs)" = "$(compgen -c catchs)" ]
	[[ " $(completes vmrt-hsf run - | xargs) " = *" --experiment "* ]]
}

@test "completion knows the tasks and servers of the run on the line, and runs no name as a command" {
	load_completion
	"$root/tests/lib/make-db" "$root/tests/data/small-hsf.sql" "$BATS_TEST_TMPDIR/small.db"
	cd "$BATS_TEST_TMPDIR"
	cat >e.ini <<-'END'
		[server "plant"]
		[task plant/control]
		[task plant/vision]
		[task plant/$(touch pwned)]
		[task plant/a b]
	END
	[ "$(completes vmrt-top -e e.ini --vm p)" = "" ]
	[ "$(completes vmrt-report --advise e.ini --task '' | xargs)" = "plant/control plant/vision" ]
	[ "$(completes vmrt-report --advise e.ini --task vi)" = plant/vision ]
	[ "$(completes vmrt-report --advise e.ini --server '')" = plant ]
	[ ! -e pwned ]
	expected=$(sqlite3 small.db "SELECT machine_name || '/' || name FROM task ORDER BY name" | xargs)
	[ -n "$expected" ]
	[ "$(completes vmrt-report small.db --task '' | sort | xargs)" = "$expected" ]
}

@test "a program with a command that needs no name has others, too" {
	for c in push trend; do
		run "$O/bin/vmrt-report" "$c" --help
		[ "$status" -eq 0 ]
		[[ $output = *"Usage: vmrt-report $c"* ]]
		[[ $("$O/bin/vmrt-report" --help) = *"vmrt-report $c"* ]]
	done
	run "$O/bin/vmrt-report" pusch /tmp
	[ "$status" -eq 64 ]
	[[ $output = *"did you mean the command push?"* ]]
}

@test "the README's files and programs exist" {
	grep -oE '\]\(docs/[a-z0-9.-]+\)' "$root/README.md" | tr -d '()]' | while read -r f; do
		[ -r "$root/$f" ] || { echo "$f is missing"; exit 1; }
	done
	for target in demo check help man install; do
		make -C "$root" -n "$target" >/dev/null
	done
}

@test "the files that architecture and recipes name exist" {
	for f in $(grep -ohE '`[a-z][a-z-]*/[A-Za-z0-9_./-]+\.(c|h|bats)`' docs/architecture.md docs/contributing.md | tr -d '`' | sort -u); do
		case $f in *NAME*) continue ;; esac
		[ -e "$f" ] || { echo "no $f"; false; }
	done
}

@test "public functions have a doc block" {
	cd "$root"
	awk '
		/^\/\*\*/ { doc = 1 }
		/^(const |enum |struct |int|bool|void|size_t|uint64_t|int64_t|error_t|double|char)[^={]*\(/ && !/^typedef/ {
			name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
			if (!doc && name ~ /^vmrt_/) { print FILENAME ": " name; bad = 1 }
		}
		/^$/ { doc = 0 }
		END { exit bad }' include/vmrt/*.h
}

@test "check-run says when it cannot check, and finds what disagrees" {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$root/tests/data/demo-hsf.vmrt" "it's 1%?.vmrt"
	chmod -R u+w .
	"$O/bin/vmrt-trace" analyze -q "it's 1%?.vmrt"
	run "$root/scripts/check-run" "it's 1%?.vmrt"
	[[ $output = *"rt_task1: 100 jobs rebuilt, 100 in"*"110 of 110 jobs"*"host.dat: vmrt reads"* ]]
	grep -v '^rt_task1,7,' "it's 1%?.vmrt/load-demo.csv" >less.csv
	run "$root/scripts/check-run" "it's 1%?.vmrt" less.csv
	[ "$status" -eq 2 ]
	[[ $output = *"FAILS rt_task1: 100 jobs rebuilt, 99 in"*"FAILS completions"*"109 of 110 jobs"* ]]
	run "$root/scripts/check-run" "it's 1%?.vmrt" "$root/README.md"
	[ "$status" -eq 1 ]
	[[ $output = *"is not a log of vmrt-load"* ]]
	echo garbage >"it's 1%?.vmrt/run.db"
	run "$root/scripts/check-run" "it's 1%?.vmrt"
	[ "$status" -eq 1 ]
}

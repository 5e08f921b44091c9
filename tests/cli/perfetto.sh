#!/bin/bash
# SPDX-License-Identifier: MIT
# Perfetto traces of vmrt-export, decoded by protoc and compared with the database.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
bin=$(cd "${O:-build}/bin" && pwd) || exit 1
work=$(mktemp -d /tmp/vmrt-perfetto-XXXXXX)
trap 'rm -rf "$work"' EXIT
tool=vmrt-export
# shellcheck source=tests/lib/cli.sh
. tests/lib/cli.sh
PATH=$bin:$PATH
command -v protoc >/dev/null || { echo "1..0 # SKIP protoc is not installed"; exit 0; }

for run in none hsf; do
	cp -r "$top/tests/data/demo-$run.vmrt" "$work" && chmod -R u+w "$work/demo-$run.vmrt" &&
		vmrt-trace analyze -q "$work/demo-$run.vmrt" >/dev/null 2>&1
done
cd "$work" || exit 1

decoded() { # decoded FILE: as text, by our own messages
	protoc --proto_path="$top/grasp-export/perfetto" --decode=pf.Trace trace.proto <"$1"
}

whole() { # what protobuf needs, and nothing of it is unknown to our messages
	vmrt-export --format perfetto -o none.pftrace demo-none.vmrt && protoc --decode_raw <none.pftrace >raw &&
		[ "$(grep -c '^1 {' raw)" -gt 1000 ] && decoded none.pftrace >text && ! grep -qE '^ +[0-9]+:' text
}

# tracks FILE: "TRACK TYPE TIME MACHINE NAME" of each event, and "U TRACK" of each track that is described
events() {
	perl -ne 'if (/^packet \{/) { %p = () }
		$p{time} = $1 if /^  timestamp: (\d+)/; $p{machine} = $1 if /^  machine_id: (\d+)/;
		$p{seq} = $1 if /^  trusted_packet_sequence_id: (\d+)/;
		$p{uuid} = $1 if /^    uuid: (\d+)/; $p{track} = $1 if /^    track_uuid: (\d+)/;
		$p{type} = $1 if /^    type: TYPE_(\w+)/; $p{name} = $1 if /^    name: "(.*)"/;
		$p{flow} = $1 if /^    flow_ids: (\d+)/; $p{end} = $1 if /^    terminating_flow_ids: (\d+)/;
		if (/^\}/) {
			$_ //= "-" for @p{qw(time machine name type flow end)};
			print defined $p{uuid} && $p{type} eq "-" ? "U $p{uuid} $p{machine} $p{seq} $p{name}\n" :
				"E $p{track} $p{type} $p{time} $p{machine} $p{flow} $p{end} $p{name}\n" }' "$1"
}

# Slices of a track follow one another; every track that is used is described; machines have sequences of their own.
slices_are_in_order() {
	events text >events
	perl -ane 'if ($F[0] eq "U") { $known{$F[1]} = 1; $machine{$F[1]} = $F[2];
			die "sequence $F[3] is of two machines\n" if ($of{$F[3]} //= $F[2]) ne $F[2]; next }
		die "track $F[1] is not described\n" unless $known{$F[1]};
		die "an event of machine $F[4] is on a track of $machine{$F[1]}\n" if $machine{$F[1]} ne $F[4];
		next unless $F[2] =~ /SLICE/;
		die "a slice begins within another: @F\n" if $F[2] eq "SLICE_BEGIN" && ($open{$F[1]}++ || $F[3] < ($last{$F[1]} // 0));
		if ($F[2] eq "SLICE_END") { die "ends before it begins\n" if --$open{$F[1]} || $F[3] < $begun{$F[1]}; $last{$F[1]} = $F[3] }
		$begun{$F[1]} = $F[3] if $F[2] eq "SLICE_BEGIN";
		END { die "a slice has no end\n" if grep { $_ } values %open }' events
}

as_many_as_there_are() {
	[ "$(grep -c '^E .* SLICE_BEGIN .* job [0-9]*: ' events)" = "$(sqlite3 demo-none.vmrt/run.db 'SELECT count(*) FROM jobs')" ] &&
		[ "$(grep -c ' INSTANT .* MISS$' events)" = "$(sqlite3 demo-none.vmrt/run.db "SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'")" ] &&
		[ "$(grep -c '^E .* SLICE_BEGIN .* runs$' events)" = "$(sqlite3 demo-none.vmrt/run.db "SELECT count(*) FROM slice JOIN thread t ON t.id = thread,
			run WHERE (role = 'vcpu' OR task IS NOT NULL) AND slice.start_ns < run.end_ns AND slice.end_ns > run.start_ns")" ]
}

# Every release flows to its job.
flows() {
	awk '$1 == "E" && $6 != "-" { from[$6] = 1; n++ } $1 == "E" && $7 != "-" { to[$7] = 1 }
		END { for (f in from) if (!(f in to)) exit 1; exit !(n > 100) }' events
}

machines() { # guest and host never mix, and the clock's error is shown
	[ "$(awk '$1 == "U" { print $3 }' events | sort -u | tr '\n' ' ')" = "- 1 " ] &&
		[ "$(grep -A1 'int_value' text | grep -B1 'clock_error_ns' | sed -n 's/.*int_value: //p' | sort -n | tail -n 1)" = \
			"$(sqlite3 demo-none.vmrt/run.db 'SELECT max(error_ns) FROM clock')" ]
}

# The budget of an enforced server is never above what it has, nor below 0, and is used up as often as the database says.
budgets() {
	vmrt-export --format perfetto -o hsf.pftrace demo-hsf.vmrt && decoded hsf.pftrace >hsf.text || return 1
	sed -n 's/.*double_counter_value: //p' hsf.text | awk '{ if ($1 < 0 || $1 > 10) exit 1 } END { exit !(NR > 500) }'
}

parts() { # --task and times
	vmrt-export --format perfetto --task rt_task2 --from 1s --to 1500ms demo-none.vmrt >part.pftrace && decoded part.pftrace >part.text &&
		grep -q 'rt_task2 jobs' part.text && ! grep -q 'rt_task1' part.text &&
		start=$(sqlite3 demo-none.vmrt/run.db 'SELECT start_ns FROM run') &&
		sed -n 's/^  timestamp: //p' part.text | awk -v a=$((start + 1000000000)) -v b=$((start + 1500000000)) '$1 < a || $1 > b { exit 1 }'
}

hostile_names() {
	cp -r demo-none.vmrt evil.vmrt
	sqlite3 evil.vmrt/run.db "UPDATE task SET name = CAST(x'ff1b' AS TEXT) || name; UPDATE vm SET name = char(10) || name"
	vmrt-export --format perfetto evil.vmrt >evil.pftrace && decoded evil.pftrace >evil.text && grep -q '"??rt_task1 jobs"' evil.text
}

ok "the trace is whole, and nothing in it is unknown" whole
ok "slices of a track follow one another" slices_are_in_order
ok "jobs, misses and slices are as many as in the database" as_many_as_there_are
ok "releases flow to their jobs" flows
ok "host and guest are two machines, with the clock's error" machines
ok "budgets stay between nothing and all" budgets
ok "a part of a run is a part" parts
ok "names are valid text" hostile_names
echo "1..$n"
exit $failed

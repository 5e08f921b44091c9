#!/usr/bin/env bats
# The ways into a guest: a socket that QEMU inherited as a descriptor, as libvirt does it; what the agent sends to the
# doctor; and what to do where no agent answers. Needs QEMU.
bats_require_minimum_version 1.5.0
load ../lib/setup.bash

setup_file() {
	find_build
	export root O out=$BATS_FILE_TMPDIR vm=wayin
	export trace=$O/bin/vmrt-trace
	need_tracing
	# a QEMU whose socket is bound by who starts it
	mkdir "$out/bin"
	cat >"$out/bin/qemu-system-x86_64" <<-'END'
		#!/usr/bin/perl
		use IO::Socket::UNIX;
		$^F = 255; # descriptors stay open in the program that is executed
		my @sockets;
		for (@ARGV) {
			next unless s/^socket,path=(.*agent0[.]sock),/socket,fd=FD,/;
			push @sockets, IO::Socket::UNIX->new(Local => $1, Listen => 1) // die "$1: $!";
			my $fd = fileno $sockets[-1];
			s/FD/$fd/;
		}
		exec $ENV{REAL_QEMU}, @ARGV;
	END
	chmod 755 "$out/bin/qemu-system-x86_64"
	REAL_QEMU=$(command -v qemu-system-x86_64)
	export REAL_QEMU
	"$root/scripts/vm" stop "$vm" 2>/dev/null || true
	PATH=$out/bin:$PATH "$root/scripts/vm" start "$vm" --accel tcg --cpu 0
}

teardown_file() {
	[ -z "${root:-}" ] || "$root/scripts/vm" stop wayin 2>/dev/null || true
}

@test "a socket that was passed as a descriptor is found, and the agent behind it records" {
	tr '\0' '\n' <"/proc/$(cat "$O/vms/$vm/pid")/cmdline" | grep -E '^socket,fd=[0-9]+,.*id=agent0'
	run "$trace" record --allow-loss --force --vm "$vm" -o "$out/fd.vmrt" -d 500ms
	echo "$output"
	[[ $output = *'1 guest,'* ]]
	[ "$(sqlite3 "$out/fd.vmrt/run.db" "SELECT events > 10 FROM machine WHERE name = '$vm'")" = 1 ]
}

@test "the doctor shows the guest's own settings" {
	"$trace" doctor --vm "$vm" --json >"$out/doctor.json" || [ $? -eq 2 ]
	for check in guest_kernel guest_hz guest_clock guest_throttling guest_tracing guest_steal agent; do
		[ "$(jq "[.. | objects | select(.check? == \"$check\" and .subject == \"$vm\")] | length" "$out/doctor.json")" = 1 ]
	done
	jq -r '.. | objects | select(.subject? == "'"$vm"'") | [.verdict, .check, .found] | @tsv' "$out/doctor.json"
	[ "$("$root/scripts/vm" exec "$vm" 'uname -r')" = "$(jq -r '.. | objects | select(.check? == "guest_kernel") | .found' "$out/doctor.json" | cut -d ' ' -f 2)" ]
	# nothing was made in the guest for it
	[ "$("$root/scripts/vm" exec "$vm" 'ls /sys/kernel/tracing/instances | wc -l')" = 0 ]
}

@test "where no agent answers, the line for trace-cmd in the guest is printed" {
	"$root/scripts/vm" exec "$vm" 'killall -STOP vmrt-agent'
	run "$trace" record --allow-loss --force --vm "$vm" -o "$out/none.vmrt" -d 500ms
	"$root/scripts/vm" exec "$vm" 'killall -CONT vmrt-agent'
	echo "$output"
	[[ $output = *"trace-cmd record -C mono -e sched_switch -e 'sched_wak*'"*" -b 16384 -o guest.dat sleep 1"* ]]
	[[ $output = *"vmrt-trace analyze $out/none.vmrt --guest $vm=guest.dat"* ]]
	# and such a file is taken: another recording of the same guest has nothing to do with this one's time
	run "$trace" analyze --allow-loss "$out/none.vmrt" --guest "$vm=$out/fd.vmrt/guest-$vm.dat"
	echo "$output"
	[ "$status" -ne 64 ]
	[ -s "$out/none.vmrt/guest-$vm.dat" ]
}

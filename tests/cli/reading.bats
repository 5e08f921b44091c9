#!/usr/bin/env bats
# trace.dat files of other makes: version 7, compressed, cut off, of more than 2 GiB for a CPU, of a big-endian machine.
load ../lib/setup.bash

bats_require_minimum_version 1.5.0

setup_file() {
	find_build
	export root trace=$O/bin/vmrt-trace none=$root/tests/data/demo-none.vmrt
	cd "$BATS_FILE_TMPDIR" || return
	"$trace" analyze -q -o v6.db -e "$none/experiment.ini" "$none/host.dat" "$none/guest-demo.dat"
	for file in host guest-demo; do
		for compression in none zstd; do
			trace-cmd convert --file-version 7 --compression $compression -i "$none/$file.dat" -o "$file-$compression.dat"
		done
	done
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
}

# what [TABLE...]: all that was found out, without the names of the files
what() { sqlite3 "$1" "SELECT * FROM jobs; SELECT * FROM slice; SELECT * FROM blame; SELECT name, cpus, events, lost, broken_chains FROM machine" | cksum; }

@test "version 7 holds the same as version 6" {
	"$trace" analyze -q -o v7.db -e "$none/experiment.ini" host-none.dat guest-demo-none.dat
	[ "$(sqlite3 v6.db 'SELECT count(*) > 50 FROM jobs')" = 1 ]
	[ "$(what v7.db)" = "$(what v6.db)" ]
}

@test "so does version 7 in chunks compressed with zstd" {
	[ "$(stat -c %s host-zstd.dat)" -lt "$(stat -c %s host-none.dat)" ]
	"$trace" analyze -q -o zstd.db -e "$none/experiment.ini" host-zstd.dat guest-demo-zstd.dat
	[ "$(what zstd.db)" = "$(what v6.db)" ]
}

@test "a compressed file that is cut off gives what is there, and says so" {
	size=$(stat -c %s host-zstd.dat)
	whole=$(sqlite3 v6.db 'SELECT events FROM machine WHERE id = 0')
	for percent in 95 70 50; do
		head -c $((size * percent / 100)) host-zstd.dat >cut.dat
		run "$trace" analyze -o cut.db cut.dat
		echo "$percent %: $output"
		# where the lists of options are at the end, a file without its end is none
		if [ "$status" = 1 ]; then
			[ "${#lines[@]}" = 1 ]
			[[ $output = *cut.dat* ]]
			continue
		fi
		[[ $output = *"cut short"* ]]
		events=$(sqlite3 cut.db 'SELECT events FROM machine')
		[ "$events" -gt 0 ] && [ "$events" -lt "$whole" ]
		[ "$(sqlite3 cut.db "SELECT count(*) > 0 FROM losses WHERE kind = 'clipped'")" = 1 ]
	done
}

@test "a file of a CPU with more than 2 GiB is read to its end" {
	# the second half of CPU 0 comes behind a hole, which reads as pages without events
	perl -e '
		open(my $in, "<:raw", $ARGV[0]); local $/; my $file = <$in>;
		my $table = index($file, "flyrecord\0") + 10;
		my ($offset, $size) = unpack("Q<Q<", substr($file, $table, 16));
		my $half = int($size / 8192) * 4096;
		my $hole = (2 << 30) + 4096;
		my $end = int((length($file) + 4095) / 4096) * 4096;
		open(my $out, "+>:raw", $ARGV[1]); print $out $file;
		seek($out, $end, 0); print $out substr($file, $offset, $half);
		seek($out, $end + $half + $hole, 0); print $out substr($file, $offset + $half, $size - $half);
		seek($out, $table, 0); print $out pack("Q<Q<", $end, $size + $hole);
	' "$none/host.dat" big.dat
	[ "$(stat -c %s big.dat)" -gt 2147483648 ]
	# pages that hold nothing are a loss, and what lies behind them is read
	run "$trace" analyze -q -o big.db -e "$none/experiment.ini" big.dat "$none/guest-demo.dat"
	[ "$status" -eq 3 ]
	rm big.dat
	[ "$(sqlite3 big.db 'SELECT count(*) > 0 FROM losses')" = 1 ]
	[ "$(sqlite3 big.db 'SELECT events, last_ns FROM machine WHERE id = 0')" = \
		"$(sqlite3 v6.db 'SELECT events, last_ns FROM machine WHERE id = 0')" ]
}

@test "a recording of a big-endian machine is refused in words" {
	perl -pe 'BEGIN { $/ = undef } substr($_, 12, 1) = "\1"' "$none/host.dat" >big-endian.dat
	run -1 "$trace" analyze -o x.db big-endian.dat
	[ "${#lines[@]}" = 1 ]
	[[ $output = *big-endian.dat*"recorded on a big-endian machine"* ]]
}

@test "a field of another size is an error that names event and field" {
	perl -pe 'BEGIN { $/ = undef } s/(field:pid_t prev_pid;\toffset:\d+;\tsize:)4/${1}2/' "$none/host.dat" >odd.dat
	run -1 "$trace" analyze -o x.db odd.dat
	[ "${#lines[@]}" = 1 ]
	[[ $output = *odd.dat*"event sched:sched_switch: its field prev_pid has an unexpected size"* ]]
	[ ! -e x.db ]
}

@test "data that do not begin at a page of the file are read" {
	perl -e '
		open(my $in, "<:raw", $ARGV[0]); local $/; my $file = <$in>;
		my $table = index($file, "flyrecord\0") + 10;
		for my $cpu (0, 1) {
			my ($offset, $size) = unpack("Q<Q<", substr($file, $table + 16 * $cpu, 16));
			my $data = substr($file, $offset, $size);
			$file .= "x" x 123;
			substr($file, $table + 16 * $cpu, 8) = pack("Q<", length($file));
			$file .= $data;
		}
		open(my $out, ">:raw", $ARGV[1]); print $out $file;
	' "$none/host.dat" unaligned.dat
	"$trace" analyze -q -o unaligned.db -e "$none/experiment.ini" unaligned.dat "$none/guest-demo.dat"
	[ "$(what unaligned.db)" = "$(what v6.db)" ]
}

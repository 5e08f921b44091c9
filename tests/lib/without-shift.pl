# usage: perl without-shift.pl FILE: makes the option TIME_SHIFT (12) of a version 6 file one that nobody knows
local $/;
open F, '+<', $ARGV[0] or die;
binmode F;
my $d = <F>;
my $i = index($d, "options  \0") + 10;
while (my ($o, $n) = unpack 'vV', substr $d, $i, 6) {
	last unless $o;
	if ($o == 12) { seek F, $i, 0; print F pack 'v', 200 }
	$i += 6 + $n;
}

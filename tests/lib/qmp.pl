# usage: perl qmp.pl SOCKET COMMAND|SECONDS...: commands without arguments to QEMU, and waits between them
use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => shift) or die; <$s>; print $s "{\"execute\":\"qmp_capabilities\"}\n"; <$s>;
for my $c (@ARGV) { if ($c =~ /^[0-9.]+$/) { select undef,undef,undef,$c; next } print $s "{\"execute\":\"$c\"}\n"; my $l; do { $l = <$s> } until $l =~ /"return"/; }

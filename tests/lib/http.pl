#!/usr/bin/perl
# http.pl HOST:PORT/... METHOD PATH: the answer of an HTTP server, with its head.
use strict;
use warnings;
use IO::Socket::INET;

my ($address, $method, $path) = @ARGV;
$address =~ s{/.*}{};
my $socket = IO::Socket::INET->new(PeerAddr => $address, Timeout => 5) or die "http.pl: $address: $!\n";
print $socket "$method $path HTTP/1.1\r\nHost: $address\r\nConnection: close\r\n" . ($method eq "POST" ? "Content-Length: 3\r\n\r\nabc" : "\r\n");
local $/;
print scalar <$socket> // "";

#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# browse.pl PAGE [WORD...]: opens a page in headless Chromium, does what the words say, one after the other, and
# prints what they give, a line each. Exit status 1 if the page or a word failed, or the console had an error.
#
#   -- words: size=WIDTHxHEIGHT  dark  light  print  eval=SCRIPT (its value, as JSON)  key=KEY  wheel=X,Y,DELTA
#             move=X,Y  click=X,Y  wait=MILLISECONDS  shot=FILE.png
#
# Speaks the DevTools protocol over a pipe, so that it needs nothing but Perl and Chromium.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use IO::Select;
use JSON::PP;
use MIME::Base64;
use POSIX qw(dup2 :sys_wait_h);
use Time::HiRes qw(time sleep);

my ($page, @words) = @ARGV;
my $home = tempdir(CLEANUP => 1);
my ($chrome) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
die "browse: there is no chromium\n" unless $chrome;

pipe(my $down_r, my $down_w) or die;
pipe(my $up_r, my $up_w) or die;
my $pid = fork() // die;
if (!$pid) {
	# Chromium reads commands from 3 and writes answers to 4
	my ($r, $w) = (POSIX::dup(fileno $down_r), POSIX::dup(fileno $up_w));
	$r = POSIX::dup($r) while $r < 10;
	$w = POSIX::dup($w) while $w < 10;
	dup2($r, 3);
	dup2($w, 4);
	$^F = 9;
	open(STDOUT, '>', '/dev/null');
	open(STDERR, '>', "$home/stderr");
	$ENV{HOME} = $home;
	no warnings 'exec';
	exec($chrome, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars',
		'--no-first-run', '--disable-extensions', '--disable-background-networking', '--disable-component-update',
		"--user-data-dir=$home/profile", '--remote-debugging-pipe', 'about:blank');
	POSIX::_exit(127);
}
close($down_r);
close($up_w);
$SIG{PIPE} = 'IGNORE';
my ($id, $buffer, @console, $session, %answers, %seen) = (0, '');

sub finish {
	my ($status) = @_;
	send_it('Browser.close', {}, 1);
	for (1 .. 50) { last if waitpid($pid, WNOHANG); sleep 0.1; kill('KILL', $pid) if $_ == 49; }
	exit $status;
}

sub send_it {
	my ($method, $params, $global) = @_;
	my $message = { id => ++$id, method => $method, params => $params };
	$message->{sessionId} = $session if $session && !$global;
	syswrite($down_w, encode_json($message) . "\0");
	return $id;
}

# Reads messages until @done says so, or 60 seconds are over.
sub pump {
	my ($done) = @_;
	my $end = time + 60;
	my $select = IO::Select->new($up_r);
	while (!$done->()) {
		my $left = $end - time;
		if ($left <= 0 || !$select->can_read($left)) { print STDERR "browse: no answer\n"; finish(1); }
		my $n = sysread($up_r, my $part, 1 << 20);
		if (!$n) { print STDERR "browse: Chromium ended\n"; system("tail -n 5 $home/stderr >&2"); waitpid($pid, 0); exit 1; }
		$buffer .= $part;
		while ($buffer =~ s/^([^\0]*)\0//) {
			my $m = decode_json($1);
			if (defined $m->{id}) { $answers{$m->{id}} = $m; next; }
			$seen{$m->{method}} = $m->{params};
			push @console, $m->{params}{exceptionDetails}{exception}{description} // $m->{params}{exceptionDetails}{text}
				if $m->{method} eq 'Runtime.exceptionThrown';
			push @console, join ' ', map { $_->{value} // $_->{description} // '' } @{ $m->{params}{args} }
				if $m->{method} eq 'Runtime.consoleAPICalled' && $m->{params}{type} =~ /error|warning|assert/;
			push @console, $m->{params}{entry}{text} if $m->{method} eq 'Log.entryAdded' && $m->{params}{entry}{level} eq 'error';
		}
	}
}

sub call {
	my $n = send_it(@_);
	pump(sub { $answers{$n} });
	my $m = delete $answers{$n};
	if ($m->{error}) { print STDERR "browse: $_[0]: $m->{error}{message}\n"; finish(1); }
	return $m->{result};
}

sub value {
	my $r = call('Runtime.evaluate', { expression => $_[0], awaitPromise => JSON::PP::true, returnByValue => JSON::PP::true });
	if ($r->{exceptionDetails}) { print STDERR "browse: $_[0]: $r->{exceptionDetails}{exception}{description}\n"; finish(1); }
	return $r->{result}{value};
}

my $settle = 'new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))';
my $target = call('Target.createTarget', { url => 'about:blank' })->{targetId};
$session = call('Target.attachToTarget', { targetId => $target, flatten => JSON::PP::true })->{sessionId};
call($_, {}) for qw(Page.enable Runtime.enable Log.enable Network.enable);
while (@words && $words[0] =~ /^(size=|dark$|light$)/) {
	my $word = shift @words;
	call('Emulation.setDeviceMetricsOverride', { width => $1 + 0, height => $2 + 0, deviceScaleFactor => 1, mobile => JSON::PP::false })
		if $word =~ /^size=(\d+)x(\d+)/;
	call('Emulation.setEmulatedMedia', { features => [ { name => 'prefers-color-scheme', value => $word } ] }) if $word !~ /^size/;
}
call('Page.navigate', { url => 'file://' . abs_path($page) });
pump(sub { $seen{'Page.loadEventFired'} });
for my $word (@words) {
	my ($what, $with) = $word =~ /^(\w+)=?(.*)$/s;
	if ($what eq 'eval') {
		print JSON::PP->new->allow_nonref->canonical->encode(value($with)), "\n";
	} elsif ($what eq 'key') {
		my %of = (key => $with, (length $with == 1 ? (text => $with) : ()));
		call('Input.dispatchKeyEvent', { type => 'keyDown', %of });
		call('Input.dispatchKeyEvent', { type => 'keyUp', key => $with });
		value($settle);
	} elsif ($what =~ /^(wheel|move|click)$/) {
		my ($x, $y, $delta) = split /,/, $with;
		my %at = (x => $x + 0, y => $y + 0);
		call('Input.dispatchMouseEvent', { type => 'mouseMoved', %at });
		call('Input.dispatchMouseEvent', { type => 'mouseWheel', %at, deltaX => 0, deltaY => $delta + 0 }) if $what eq 'wheel';
		if ($what eq 'click') {
			call('Input.dispatchMouseEvent', { type => $_, %at, button => 'left', clickCount => 1 }) for qw(mousePressed mouseReleased);
		}
		value($settle);
	} elsif ($what eq 'wait') {
		value("new Promise(done => setTimeout(() => done(1), $with))");
	} elsif ($what eq 'print') {
		my $pdf = decode_base64(call('Page.printToPDF', {})->{data});
		print length($pdf), "\n";
	} elsif ($what eq 'shot') {
		open(my $file, '>', $with) or die "browse: $with: $!\n";
		print $file decode_base64(call('Page.captureScreenshot', {})->{data});
		close($file);
	} elsif ($what eq 'dark' || $what eq 'light') {
		call('Emulation.setEmulatedMedia', { features => [ { name => 'prefers-color-scheme', value => $what } ] });
		value($settle);
	} else {
		print STDERR "browse: what is '$word'?\n";
		finish(1);
	}
}
print STDERR "browse: console: $_\n" for @console;
finish(@console ? 1 : 0);

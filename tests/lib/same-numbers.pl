#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# same-numbers.pl COMMAND...: runs the command, a vmrt-report, in every format, and takes all of them apart. Every number
# has to be the same one: csv, jsonl and html's values that of json, and what people see that value in the column's
# unit, rounded, in html, markdown, latex and text alike. Tells how many were compared.
use strict;
use warnings;
use JSON::PP;

my @command = @ARGV;
my ($compared, $wrong) = (0, 0);

sub output {
	my ($format, @more) = @_;
	open(my $pipe, '-|', @command, '--format', $format, @more) or die "$!";
	local $/;
	my $text = <$pipe>;
	close($pipe);
	die "no output in $format\n" unless length($text // '');
	return $text;
}

sub complain { print "$_[0]\n"; $wrong++; }

sub same {
	my ($where, $a, $b) = @_;
	$compared++;
	complain("$where: '$a' is not '$b'") if $a ne $b;
}

# The truth: json, as its texts stand there, so that no number is changed by reading it.
my $source = output('json');
$source =~ s/(": )(-?[0-9][-+.0-9e]*)(?=[,}])/$1"$2"/g;
my $json = decode_json($source);
my @runs = @{ $json->{runs} };

sub value {
	my $v = $_[0];
	return '' unless defined $v;
	return ref $v ? ($v ? 'true' : 'false') : $v;
}

sub rows {
	my $t = $_[0];
	return () unless defined $t; # a table for people only
	return ref $t eq 'HASH' ? ($t) : @$t;
}

# JSON Lines: one object for each row.
my %seen;
for (split /\n/, output('jsonl')) {
	s/(": )(-?[0-9][-+.0-9e]*)(?=[,}])/$1"$2"/g;
	my $o = decode_json($_);
	my ($run, $table) = (delete $o->{run}, delete $o->{table});
	my ($section) = grep { $_->{name} eq $run } @runs;
	my $row = (rows($section->{$table}))[ $seen{"$run\0$table"}++ ];
	same("jsonl $table.$_", value($o->{$_}), value($row->{$_})) for keys %$row;
}

sub csv_fields {
	my ($line) = @_;
	my @fields;
	while ($line =~ /\G(?:"((?:[^"]|"")*)"|([^,]*))(,|$)/g) {
		my $field = defined $1 ? $1 : $2;
		$field =~ s/""/"/g;
		push @fields, $field;
		last if $3 eq '';
	}
	return @fields;
}

# CSV: every table of all runs, headed by its name.
my ($table, @head);
%seen = ();
for (split /\n/, output('csv')) {
	if (/^# (\w+)$/) { $table = $1; @head = (); next; }
	next if $_ eq '';
	my @fields = csv_fields($_);
	if (!@head) { @head = @fields; next; }
	my ($section) = grep { $_->{name} eq $fields[0] } @runs;
	my $row = (rows($section->{$table}))[ $seen{"$fields[0]\0$table"}++ ];
	same("csv $table.$head[$_]", $fields[$_], value($row->{ $head[$_] })) for 1 .. $#head;
}

sub unescape {
	my $text = $_[0];
	$text =~ s/&#(\d+);/chr($1)/ge;
	return $text;
}

# What people see of a value; the unit and the number of decimals are those of the cell.
sub rounded {
	my ($value, $unit, $shown) = @_;
	my %scale = (ns => 1, us => 1e3, ms => 1e6, s => 1e9);
	my $decimals = $shown =~ /\.(\d+)$/ ? length($1) : 0;
	return { true => 'yes', false => 'no' }->{$value} if $value =~ /^[tf]/;
	$value *= 100 if $unit eq '%';
	$value /= $scale{$unit} if $scale{$unit};
	return sprintf("%.${decimals}f", $value);
}

# HTML: the values beside json, and what is shown beside the values. Its cells, row by row, are kept.
my $html = output('html');
my (@cells, %line_of);
my $run = -1;
while ($html =~ m{<h2>|<table data-table="(\w+)">(.*?)</table>}gs) {
	if (!defined $1) { $run++; next; }
	my ($name, $body, $r) = ($1, $2, 0);
	my (@keys, @units);
	while ($body =~ m{<th(?: class=t)? data-key="([^"]*)">.*?(?:<small>([^<]*)</small>)?</th>}g) {
		push @keys, $1;
		push @units, $2 // '';
	}
	while ($body =~ m{<tr>((?:<td.*?</td>)+)</tr>}g) {
		my $row = (rows($runs[$run]{$name}))[ $r++ ];
		my ($line, $c, @shown) = ($1, 0);
		while ($line =~ m{<td[^>]*>(?:<data value="([^"]*)">)?([^<]*)}g) {
			my ($value, $shown, $key, $unit) = ($1, unescape($2), $keys[$c], $units[$c]);
			$c++;
			push @shown, $shown;
			next unless defined $value;
			same("html $name.$key", $value, value($row->{$key})) if exists $row->{$key};
			# a column without a unit of its own is in ms
			$unit = 'ms' if $unit eq '' && $key =~ /_ns$/;
			same("html $name.$key as shown", $shown, rounded($value, $unit, $shown));
		}
		push @cells, [ $name, @shown ];
	}
}

sub tidy { my $t = $_[0]; $t =~ s/^\s+|\s+$//g; return $t; }

sub markdown_row {
	my @cells = $_[0] =~ m{((?:[^|\\]|\\.)+)}g;
	return join(' & ', map { tidy(s/\\([\\`*_\[\]<>|#~])/$1/gr) } @cells);
}

sub latex_row {
	my $line = $_[0] =~ s/ \\\\$//r;
	$line =~ s/\$\\vert\$/|/g;
	$line =~ s/\$([<>])\$/$1/g;
	return join(' & ', map { tidy(s/\\([&%\$#_{}])/$1/gr) } split /(?<!\\)&/, $line, -1);
}

# Markdown, LaTeX and text: the same cells in the same order.
my @markdown = map { markdown_row($_) } grep { /^\|/ } split /\n/, output('markdown');
my @latex = map { latex_row($_) } grep { / \\\\$/ } split /\n/, output('latex');
my @text = map { join(' ', split ' ') } split /\n/, output('text');

# Looks on from where the last row was found; heads are passed over.
my %at;
sub look_for {
	my ($format, $lines, $name, $want) = @_;
	my $from = $at{$format} // 0;
	$compared++;
	for my $i ($from .. $#$lines) {
		next if $lines->[$i] ne $want;
		$at{$format} = $i + 1;
		return;
	}
	complain("$format: no row of $name: $want");
}

for my $row (@cells) {
	my ($name, @shown) = @$row;
	my @want = map { tidy($_) } @shown;
	look_for('markdown', \@markdown, $name, join(' & ', @want));
	look_for('latex', \@latex, $name, join(' & ', @want));
	# text leaves out rows that say nothing of a job
	next if $name eq 'worst' && $want[-1] eq '-' && @want == 2;
	look_for('text', \@text, $name, join(' ', map { split ' ' } @want));
}
die "nothing was compared\n" unless $compared;
print "$compared compared, $wrong wrong\n";
exit($wrong ? 1 : 0);
